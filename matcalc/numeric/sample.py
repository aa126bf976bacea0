"""Points at which a problem has a smooth value: sizes, symbols and functions, drawn until the objective is at ease.

Entries are signed, different sizes get different numbers, declared properties hold.  A point is kept only where every
operation of the problem is finite, real, inside its domain and away from kinks and singular matrices.  Where signed
entries do not reach the domain, narrower schemes follow (positive entries, positive definite matrices, small
numbers), and the sample says so.

Invariants: the same problem, seed and turn give the same sample; a sample's objective is finite.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from matcalc.errors import MatcalcError
from matcalc.language.binders import BINDERS
from matcalc.language.dims import Dim, IndexedName, Shape
from matcalc.language.functions import FUNCTIONS
from matcalc.language.problem import Block, Problem
from matcalc.language.selections import index_names, units_in
from matcalc.language.terms import Term, bottom_up, subterms
from matcalc.numeric.draw import Scheme, draw_value
from matcalc.numeric.evaluate import Array, OutsideRange, Point, evaluate_all, size_of
from matcalc.numeric.opaque import Opaque
from matcalc.numeric.statements import all_terms, defined_names, with_statements

__all__ = ["CannotSample", "Sample", "eased", "sample_problem"]

MARGIN = 0.02  # distance kept from kinks and from the edges of domains
TOO_LARGE = "the numbers grow too large"
LARGEST = (1e5, 1e12)  # of any intermediate number: what is wanted, and what will do
LENGTHS = (3, 1, 2, 5)  # of ranges, one turn after the other: a length of 1 alone hides every wrong shift
MOST_TERMS = 2000  # of a sum or of a loop
MOST_ENTRIES = 250_000  # of any intermediate array
CONDITION = 1e4
NORMS = ("norm2", "normF")
MANY_SIZES = 11  # names of sizes beyond which not all of them differ at once: a prime number

SCHEMES: tuple[tuple[int, Scheme, str], ...] = (  # attempts, what is narrowed, what to tell
    (14, {}, ""),
    (8, {"positive": True}, "sampled at positive entries only"),
    (8, {"posdef": True}, "square matrices were sampled positive definite"),
    (8, {"posdef": True, "positive": True}, "sampled at positive entries and positive definite matrices"),
    (8, {"scale": 0.3}, "sampled at small entries"),
    (8, {"scale": 0.3, "positive": True}, "sampled at small positive entries"),
    (8, {"scale": 0.08}, "sampled at very small entries"),
    (8, {"scale": -1.0, "positive": True}, "sampled at negative entries only"),
    (8, {"scale": 4.0, "positive": True}, "sampled at large positive entries"),
    (160, {"mixed": True}, "sampled at entries of chosen signs and sizes"),
)


TAMER = (0.5, 0.3, 0.08)  # scales of entries


class CannotSample(MatcalcError):
    """No point was found at which the problem has a smooth finite value."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A point with values for symbols and definitions."""

    point: Point
    shapes: dict[str, list[int]]
    notes: tuple[str, ...] = ()
    lengths: Mapping[str, int] = field(default_factory=dict)  # of the ranges


class Unsuitable(Exception):
    """This point is no good; the message says why."""


def sample_problem(
    problem: Problem,
    seed: int = 0,
    turn: int = 0,
    largest_size: int = 5,
    shortest: int = 1,
    also: Iterable[Term] = (),
    tame: int = 0,
) -> Sample:
    """The sample number ``turn``. Raises CannotSample with the commonest reason.

    ``shortest`` is the smallest length (end of a range) that is drawn; ``also`` are terms whose indices get values too.
    ``tame``: smaller entries are tried first, the smaller the larger it is; steep and saturated functions are at ease
    there.
    """
    leaves = _leaves(problem)
    roots = [*all_terms(problem), *also]
    units, free = units_in(roots), index_names(roots, (s.shape for s in problem.symbols.values()))
    names = {n: kind for n, kind in _size_names(problem, leaves).items() if n not in free}
    lengths = _lengths(problem, turn, shortest, {n for _, length in units for n in length.names()})
    shapes = list(dict.fromkeys(t.shape for t in subterms(*all_terms(problem))))
    reasons: dict[str, int] = {}
    for attempt, (scheme, note, largest) in enumerate(_schemes(leaves, tame)):
        if largest > LARGEST[0] and TOO_LARGE not in reasons:
            break
        rng = np.random.default_rng([seed, turn, attempt])
        sizes = _draw_sizes(names, rng, largest_size, None if attempt or tame else (seed, turn // 2), lengths)
        try:
            sizes = _with_indices(units, free, sizes, turn + attempt)
            _not_too_large(shapes, sizes)
            _not_too_long(problem, sizes)
            point = _draw_point(problem, leaves, sizes, rng, scheme, seed * 1009 + turn * 101 + attempt)
            point = _checked(problem, point, largest)
        except Unsuitable as reason:
            reasons[str(reason)] = reasons.get(str(reason), 0) + 1
            continue
        drawn = {n: list(np.shape(point.values[n])) for n in leaves if not isinstance(point.values[n], Mapping)}
        return Sample(replace(point, watch=None), drawn, (note,) if note else (), lengths)
    worst = max(reasons, key=lambda r: reasons[r])
    raise CannotSample(f"no point was found where the problem is smooth and finite: {worst}")


def _schemes(leaves: Mapping[str, _Leaf], tame: int) -> Iterator[tuple[Scheme, str, float]]:
    """For every attempt its scheme, the note and the largest number; schemes that would change nothing are left out."""
    for scale in TAMER[tame - 1 : tame] if tame else ():
        yield from itertools.repeat(({"scale": scale}, "sampled at small entries", LARGEST[0]), 8)
    square = any(leaf.shape.is_square and not leaf.shape.is_scalar for leaf in leaves.values())
    for largest in LARGEST:
        for attempts, scheme, note in SCHEMES:
            if square or not scheme.get("posdef"):
                yield from itertools.repeat((scheme, note, largest), attempts)


# ------------------------------------------------------------------------------- indices of entries
def _with_indices(
    units: Sequence[tuple[Dim, Dim]], free: Sequence[str], sizes: Mapping[str, Any], turn: int
) -> dict[str, Any]:
    """Sizes that are large enough for the entries taken, and indices inside them, others from turn to turn."""
    out = dict(sizes)
    for index, length in units:
        name = length.as_name
        if index.value is not None and name is not None and out.get(name, 0) < index.value:
            out[name] = index.value + len(out)
    for k, name in enumerate(free):
        lengths = [size_of(length, out) for index, length in units if index.as_name == name]
        shift = k if turn % 3 else 0  # now and then the indices are the same
        out[name] = 1 + (turn + shift) % min(lengths, default=3)
    return out


# ------------------------------------------------------------------------ what needs a value
@dataclass(frozen=True, slots=True)
class _Leaf:
    shape: Shape
    properties: frozenset[str]
    index: str | None  # of a family


def _leaves(problem: Problem) -> dict[str, _Leaf]:
    """Symbols that need a value: the declared ones, then others that occur in terms."""
    defined = defined_names(problem.statements)
    out = {n: _Leaf(s.shape, s.properties, s.index) for n, s in problem.symbols.items()}
    every = list(subterms(*all_terms(problem)))
    for t in every:
        if t.op == "sym" and t.data not in out and t.data not in defined:
            out[t.data] = _Leaf(t.shape, frozenset(), None)
    families = {t.data[0] for t in every if t.op == "elem"}
    return {n: replace(leaf, index=leaf.index or "") if n in families else leaf for n, leaf in out.items()}


def _lengths(problem: Problem, turn: int, shortest: int, whole: Collection[str]) -> dict[str, int]:
    """The lengths, names in the ends of ranges, each with another number from turn to turn.

    ``whole`` are the sizes of matrices that sums over entries run through: they are sizes like any other.
    """
    ends = [d for s in problem.statements if isinstance(s, Block) for d in (s.low, s.high)]
    ends += [d for t in subterms(*all_terms(problem)) if t.op in BINDERS for d in t.data]
    indices = {s.index for s in problem.statements if isinstance(s, Block)}
    names = dict.fromkeys(
        n for d in ends for n in d.names() if not n.startswith("#") and n not in indices and n not in whole
    )
    several = [k for k in LENGTHS if k >= shortest]
    return {n: several[(turn + i) % len(several)] for i, n in enumerate(names)}


def _size_names(problem: Problem, leaves: Mapping[str, _Leaf]) -> dict[str, set[int] | None]:
    """The names of sizes (value None) and of indexed sizes (value: empty set), in order; and the literal numbers."""
    plain: dict[str, None] = {}
    indexed: dict[str, None] = {}
    literal: set[int] = set()
    bound = {leaf.index for leaf in leaves.values() if leaf.index}
    bound |= {s.index for s in problem.statements if isinstance(s, Block)}

    def visit(d: Dim) -> None:
        for a in d.atoms():
            if isinstance(a, IndexedName):
                indexed[a.name] = None
                visit(a.index)
            elif not a.startswith("#") and a not in bound:
                plain[a] = None
        if d.value is not None:
            literal.add(d.value)

    for leaf in leaves.values():
        visit(leaf.shape.rows)
        visit(leaf.shape.cols)
    for s in problem.statements:
        if isinstance(s, Block):
            visit(s.low)
            visit(s.high)
    for d in dict.fromkeys(d for t in subterms(*all_terms(problem)) for d in (*t.shape, *_dims_in(t.data))):
        visit(d)
    out: dict[str, set[int] | None] = dict.fromkeys(plain)
    out.update((n, literal) for n in indexed)
    out[""] = literal
    return out


def _dims_in(data: Any) -> list[Dim]:
    parts = data if isinstance(data, tuple) else (data,)
    return [p for p in parts if isinstance(p, Dim)]


def _draw_sizes(
    names: Mapping[str, set[int] | None],
    rng: np.random.Generator,
    largest: int,
    turn: tuple[int, int] | None,
    lengths: Mapping[str, int],
) -> dict[str, Any]:
    """Pairwise different numbers from 2 up, other than the literal sizes of the problem where there is room.

    ``turn``: the seed and which of its rotations, so that each name gets different numbers one turn after the other.
    Of many names any two differ in all but one or two of the rotations, so that no size is large.
    """
    literal = names[""] or set()
    plain = [n for n, kind in names.items() if kind is None and n not in lengths]
    if len(plain) > MANY_SIZES:
        at = int(rng.integers(MANY_SIZES)) if turn is None else turn[0] + turn[1]
        sizes = {n: 2 + (i + at * (i // MANY_SIZES) + at**2 * (i // MANY_SIZES**2)) % MANY_SIZES
                 for i, n in enumerate(plain)}  # fmt: skip
        return {**sizes, **lengths, **_indexed_sizes(names, rng)}
    pool = [k for k in range(2, max(largest, len(plain) + 1) + 1) if k not in literal]
    extra = itertools.count(max(largest, len(plain) + 1) + 1)
    while len(pool) < len(plain):
        pool.append(next(extra))
    if turn is None:
        chosen = [int(k) for k in rng.permutation(pool)]
    else:
        order = [int(k) for k in np.random.default_rng([turn[0], 3]).permutation(pool)]
        chosen = [order[(i + turn[1]) % len(order)] for i in range(len(order))]
    chosen = chosen[: len(plain)]
    return {**dict(zip(plain, chosen, strict=True)), **lengths, **_indexed_sizes(names, rng)}


def _indexed_sizes(names: Mapping[str, set[int] | None], rng: np.random.Generator) -> dict[str, dict[int, int]]:
    """The sizes with an index: neighbours differ."""
    sizes: dict[str, dict[int, int]] = {}
    for n, kind in names.items():
        if kind is not None and n:
            start = int(rng.integers(0, 4))
            sizes[n] = {k: 2 + (start + 3 * k) % 4 for k in range(-2, 16)}
    return sizes


def _draw_point(
    problem: Problem,
    leaves: Mapping[str, _Leaf],
    sizes: Mapping[str, Any],
    rng: np.random.Generator,
    scheme: Scheme,
    seed: int,
) -> Point:
    values: dict[str, Any] = {}
    for name, leaf in leaves.items():
        if leaf.index is None:
            values[name] = draw_value(rng, _concrete(leaf.shape, sizes), leaf.properties, scheme)
            continue
        values[name] = _Members(name, leaf, sizes, scheme, int(rng.integers(2**31)))
    called = dict.fromkeys(problem.functions)
    loops = any(isinstance(s, Block) for s in problem.statements)
    return Point(values, sizes, {n: Opaque(n, seed, loops) for n in called}, seed=seed)


class _Members(dict[int, Array]):
    """The members of a family of inputs: each is drawn when it is first read, and nothing is known of the others."""

    def __init__(self, name: str, leaf: _Leaf, sizes: Mapping[str, Any], scheme: Scheme, seed: int) -> None:
        super().__init__()
        self.name, self.leaf, self.sizes, self.scheme, self.seed = name, leaf, sizes, scheme, seed

    def __missing__(self, k: int) -> Array:
        inside = {**self.sizes, self.leaf.index: k} if self.leaf.index else self.sizes
        rng = np.random.default_rng([self.seed, k + 1000])
        self[k] = draw_value(rng, _concrete(self.leaf.shape, inside), self.leaf.properties, self.scheme)
        return self[k]


def _concrete(shape: Shape, sizes: Mapping[str, Any]) -> tuple[int, int]:
    rows, cols = size_of(shape.rows, sizes), size_of(shape.cols, sizes)
    if rows < 1 or cols < 1:
        raise Unsuitable(f"the size {shape} is not positive")
    if rows * cols > MOST_ENTRIES:
        raise CannotSample(f"a value of shape {shape} is too large to check at numbers")
    return rows, cols


# --------------------------------------------------------------------------- what is checked
def _not_too_large(shapes: Sequence[Shape], sizes: Mapping[str, Any]) -> None:
    """Nothing is evaluated that would fill the memory."""
    for s in shapes:
        known = all(n in sizes for d in s for n in d.names())
        if known and size_of(s.rows, sizes) * size_of(s.cols, sizes) > MOST_ENTRIES:
            raise CannotSample(f"a value of shape {s} is too large to check at numbers")


def _not_too_long(problem: Problem, sizes: Mapping[str, Any]) -> None:
    """No sum, product or loop is run through that would take forever."""

    def length(low: Dim, high: Dim) -> int:
        known = all(n in sizes for d in (low, high) for n in d.names())
        return max(size_of(high, sizes) - size_of(low, sizes) + 1, 1) if known else 1

    def terms(t: Term, args: list[int]) -> int:
        most = max(args, default=1)
        return most * length(*t.data) if t.op in BINDERS else most

    done: dict[Term, int] = {}
    counts = [bottom_up(t, terms, done) for t in all_terms(problem)]
    counts += [length(s.low, s.high) for s in problem.statements if isinstance(s, Block)]
    if max(counts) > MOST_TERMS:
        raise CannotSample(f"{max(counts)} terms are too many to run through at numbers")


def eased(problem: Problem, point: Point) -> Point | None:
    """A chosen point with the statements run; None where an operation of the problem is not at ease."""
    try:
        return replace(_checked(problem, point, LARGEST[0]), watch=None)
    except Unsuitable:
        return None


def _checked(problem: Problem, point: Point, largest: float) -> Point:
    """The point with the statements run. Raises Unsuitable where an operation is not at ease."""
    try:
        watched = with_statements(problem, replace(point, watch=partial(_at_ease, largest, _squared_norms(problem))))
        evaluate_all([problem.objective], watched)
    except OutsideRange as reason:
        raise Unsuitable(reason.message) from None
    read = {n: dict(sorted(v.items())) if isinstance(v, _Members) else v for n, v in watched.values.items()}
    return replace(watched, values=read)


def _squared_norms(problem: Problem) -> frozenset[Term]:
    """The norms that occur to even powers only: these are smooth at zero."""
    roots = all_terms(problem)
    squared: set[Term] = set()
    bare: set[Term] = {t for t in roots if t.op in NORMS}
    for t in subterms(*roots):
        even = t.op == "pow" and t.args[1].op == "num" and t.args[1].data % 2 == 0
        (squared if even else bare).update(a for a in t.args if a.op in NORMS)
    return frozenset(squared - bare)


def _at_ease(largest: float, smooth: frozenset[Term], t: Term, args: Sequence[Array], value: Array) -> None:
    if value.size > MOST_ENTRIES:
        raise CannotSample(f"a value of shape {t.shape} is too large to check at numbers")
    check = EASE.get(t.op)
    if check is not None and t.free and t not in smooth:
        check(t, args)
    if not np.all(np.isfinite(value)):
        raise Unsuitable(f"'{t.op}' is not finite")
    if np.max(np.abs(value), initial=0.0) > largest:
        raise Unsuitable(TOO_LARGE)


def _needs(ok: Any, why: str) -> None:
    if not np.all(ok):
        raise Unsuitable(why)


def _function_at_ease(t: Term, args: Sequence[Array]) -> None:
    row = FUNCTIONS.get(t.data[0])
    if row is None:
        return
    x = args[0]
    inside = {
        "real": True,
        "positive": x > MARGIN,
        "nonnegative": x > MARGIN,
        "nonzero": np.abs(x) > MARGIN,
        "unit": np.abs(x) < 1 - MARGIN,
    }[row.domain]
    _needs(inside, f"{row.name} needs a {row.domain} argument")
    for kink in row.kinks:
        _needs(_off_kink(x - kink), f"{row.name} is met at its kink")


def _off_kink(x: Array) -> Array:
    """Entries away from zero. One that is zero to the last digit is zero all around, and does no harm."""
    return np.asarray((np.abs(x) > MARGIN) | (x == 0))


def _denominator_at_ease(t: Term, args: Sequence[Array]) -> None:
    _needs(np.abs(args[1]) > _margin(t.args[1]), "a denominator is near zero")


def _margin(t: Term) -> float:
    """A number may be as near to an edge as one likes."""
    return MARGIN if t.free else 0.0


def _power_at_ease(t: Term, args: Sequence[Array]) -> None:
    x, e = args[0], float(args[1][0, 0])
    if t.op == "pow" and not t.args[0].is_scalar:
        _needs(e == round(e), "a matrix has a power that is not whole")
        if e < 0:
            _matrix_at_ease(t, args[:1])
        return
    if e != round(e):
        _needs(x > _margin(t.args[0]), "a power that is not whole needs a positive base")
    elif e < 0:
        _needs(np.abs(x) > _margin(t.args[0]), "a negative power needs a base that is not zero")


def _matrix_at_ease(t: Term, args: Sequence[Array]) -> None:
    _needs(np.all(np.isfinite(args[0])), "not finite")
    _needs(np.linalg.cond(args[0]) < CONDITION, f"the matrix under {t.op} is (nearly) singular")


EASE: dict[str, Callable[[Term, Sequence[Array]], None]] = {
    "fn": _function_at_ease,
    "pow": _power_at_ease,
    "hpow": _power_at_ease,
    "inv": _matrix_at_ease,
    "logdet": _matrix_at_ease,
    "div": _denominator_at_ease,
    "hdiv": _denominator_at_ease,
    "norm1": lambda t, args: _needs(_off_kink(args[0]), "norm1 is met at its kink"),
    "norm2": lambda t, args: _needs(_off_kink(np.sqrt(np.sum(args[0] ** 2))), "norm2 is met at its kink"),
    "normF": lambda t, args: _needs(_off_kink(np.sqrt(np.sum(args[0] ** 2))), "normF is met at its kink"),
}
