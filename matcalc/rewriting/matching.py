"""Matching a rule's side against a term: every way in which it fits, one after the other.

The matcher is a set of generators with full backtracking.  In a product a metavariable stands for one or more
neighbouring factors, and a scalar factor may stand anywhere; in a sum or a product of entries the order does not
matter, and the last metavariable takes what is left.  Sizes of the rule are bound to the sizes of the term.  Under a
sum over an index a member ``a[n]`` of a family stands for anything, another metavariable for what is free of the index.

Invariants: what is yielded fits completely, sizes included (``instantiate(pattern, bindings)`` is the term up to the
order of commuting parts); the order of the results depends on the input alone; the pattern is never longer than a
textbook line, so that recursion follows the pattern, not the term.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from matcalc.errors import ShapeError
from matcalc.language import terms
from matcalc.language.binders import BINDERS, at_index, lifted, lowered, lowered_dim
from matcalc.language.dims import ONE, Dim, Shape, dim
from matcalc.language.functions import FUNCTIONS
from matcalc.language.terms import Term, make

__all__ = ["FAMILY", "Bindings", "Metavariables", "instantiate", "match"]

FAMILY = "family "  # before the kind of the members
FEW = 5  # up to so many summands every way to split a sum in two is tried


@dataclass(frozen=True, slots=True)
class Bindings:
    """What the metavariables, the sizes and the functions of a rule stand for."""

    terms: Mapping[str, Term] = field(default_factory=dict)
    dims: Mapping[str, Dim] = field(default_factory=dict)
    functions: Mapping[str, str] = field(default_factory=dict)  # a derivative has its strokes: "tanh'"
    open: tuple[tuple[Dim, Dim], ...] = ()  # equations of sizes that wait for a name to be bound

    def term(self, name: str, value: Term) -> Bindings:
        return replace(self, terms={**self.terms, name: value})

    def function(self, name: str, value: str) -> Bindings:
        return replace(self, functions={**self.functions, name: value})


@dataclass(frozen=True, slots=True)
class Metavariables:
    """The kinds of a rule's metavariables, and whether the rule speaks of differentials (see ``Rule``).

    ``depth`` is the number of the rule's binders around the place that is matched.  ``still`` are the metavariables
    that take only what is constant, as ``constant`` tells.
    """

    kinds: Mapping[str, str]
    depth: int = 0
    still: frozenset[str] = frozenset()
    constant: Callable[[Term], bool] = field(default=lambda t: True)
    tangents: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tangents", any(k.endswith("tangent") for k in self.kinds.values()))

    def admits(self, name: str, term: Term) -> bool:
        """Whether the metavariable's kind allows the term."""
        kind = self.kinds[name].removeprefix(FAMILY)
        if self.tangents and term.tangent != (kind == "tangent"):
            return False
        return _KINDS[kind](term.shape) and (name not in self.still or self.constant(term))

    def excludes(self, pattern: Term, part: Term) -> bool:
        """Whether a metavariable takes nothing that this factor or summand is a part of."""
        name = pattern.data if pattern.op == "sym" else pattern.data[0]
        if self.tangents and part.tangent and self.kinds[name].removeprefix(FAMILY) != "tangent":
            return True
        return pattern.op == "sym" and not self.depth and name in self.still and not self.constant(part)

    def is_open(self, pattern: Term) -> bool:
        """Whether a pattern is a metavariable, or a member of one."""
        name = pattern.data if pattern.op == "sym" else pattern.data[0] if pattern.op == "elem" else None
        return name in self.kinds


_KINDS: dict[str, Callable[[Shape], bool]] = {
    "matrix": lambda s: True,
    "tangent": lambda s: True,
    "square": lambda s: s.is_square,
    "vector": lambda s: s.cols is ONE,
    "row": lambda s: s.rows is ONE,
    "scalar": lambda s: s.is_scalar,
}


def match(
    pattern: Term,
    term: Term,
    metavars: Mapping[str, str],
    bindings: Bindings | None = None,
    still: frozenset[str] = frozenset(),
    constant: Callable[[Term], bool] = lambda t: True,
) -> Iterator[Bindings]:
    """Every way in which the pattern fits the term, given what is bound already.

    ``still``: the metavariables that are to be ``constant``; ways in which they are not are never looked at.
    """
    seen: list[Bindings] = []
    for found in _match(pattern, term, Metavariables(metavars, 0, still, constant), bindings or Bindings()):
        closed = _close(found)
        if closed is not None and closed not in seen:
            seen.append(closed)
            yield closed


# ------------------------------------------------------------------------ sizes
def _unify(pattern: Dim, size: Dim, b: Bindings) -> Bindings | None:
    """The bindings under which a size of the rule is the given size, or None."""
    name, shift = _name_and_shift(pattern)
    if name is not None:
        size = size - shift
        bound = b.dims.get(name)
        if bound is None:
            return replace(b, dims={**b.dims, name: size})
        return b if bound is size else None
    if all(n in b.dims for n in pattern.names()):
        return b if pattern.substitute(b.dims) is size else None
    return replace(b, open=(*b.open, (pattern, size)))


def _name_and_shift(pattern: Dim) -> tuple[str | None, int]:
    """A size of a rule that is a name plus a number: ``u + 1``."""
    if pattern.as_name is not None:
        return pattern.as_name, 0
    names = pattern.names()
    shift = (pattern - dim(names[0])).value if len(names) == 1 else None
    return (names[0], shift) if shift is not None else (None, 0)


def _close(b: Bindings) -> Bindings | None:
    """Check the equations of sizes that were left open; None where one fails or cannot be decided."""
    for pattern, size in b.open:
        if not all(n in b.dims for n in pattern.names()) or pattern.substitute(b.dims) is not size:
            return None
    return replace(b, open=()) if b.open else b


def _unify_all(pairs: Sequence[tuple[Dim, Dim]], b: Bindings, depth: int = 0) -> Bindings | None:
    for pattern, size in pairs:
        if any(n.startswith("#") for n in pattern.names()):  # the rule's own index
            if pattern is not size:
                return None
            continue
        outside = lowered_dim(size, depth) if depth else size
        found = None if outside is None else _unify(pattern, outside, b)
        if found is None:
            return None
        b = found
    return b


# ------------------------------------------------------------------------ terms
def _match(p: Term, t: Term, m: Metavariables, b: Bindings) -> Iterator[Bindings]:
    if p.op == "sym":
        yield from _match_symbol(p, t, m, b)
    elif p.op == "elem":
        yield from _match_member(p, t, m, b)
    elif p.op != t.op:
        return
    elif p.op == "mul":
        yield from _match_product(list(p.args), list(t.args), m, b)
    elif p.row.associative and p.row.commutative:
        yield from _match_bag(list(p.args), list(t.args), p.op, m, b)
    elif p.row.associative:
        yield from _match_run(list(p.args), list(t.args), p.op, m, b)
    elif p.op in BINDERS:
        found = _unify_all(list(zip(p.data, t.data, strict=True)), b, m.depth)
        if found is not None:
            yield from _match(p.args[0], t.args[0], replace(m, depth=m.depth + 1), found)
    elif len(p.args) == len(t.args):
        found = _match_data(p, t, b, m.depth)
        if found is not None:
            yield from _match_each(p.args, t.args, m, found)


def _match_symbol(p: Term, t: Term, m: Metavariables, b: Bindings) -> Iterator[Bindings]:
    name: str = p.data
    if name not in m.kinds:
        if p is t:
            yield b
        return
    outside = lowered(t, m.depth)
    if outside is not None:
        yield from _match_open(p, name, outside, t.shape, m, b)


def _match_open(p: Term, name: str, value: Term, shape: Shape, m: Metavariables, b: Bindings) -> Iterator[Bindings]:
    """Bind a metavariable to a value, or compare the value with what it is bound to."""
    bound = b.terms.get(name)
    if bound is not None and bound is not value:
        return
    if bound is None and not m.admits(name, value):
        return
    sized = _unify_all([(p.shape.rows, shape.rows), (p.shape.cols, shape.cols)], b, m.depth)
    if sized is not None:
        yield sized if bound is not None else sized.term(name, value)


def _match_member(p: Term, t: Term, m: Metavariables, b: Bindings) -> Iterator[Bindings]:
    """``a[n]`` under one binder of the rule takes the whole body; ``a[n-1]`` the body, an index later."""
    name, index = p.data
    if name not in m.kinds:
        if p is t:
            yield b
        return
    shift = index - dim("#0")
    if m.depth == 1 and shift.value is not None:
        yield from _match_open(p, name, at_index(t, dim("#0") - shift, 1), t.shape, m, b)


def _match_each(ps: Sequence[Term], ts: Sequence[Term], m: Metavariables, b: Bindings) -> Iterator[Bindings]:
    if not ps:
        yield b
        return
    for found in _match(ps[0], ts[0], m, b):
        yield from _match_each(ps[1:], ts[1:], m, found)


def _match_data(p: Term, t: Term, b: Bindings, depth: int = 0) -> Bindings | None:
    """Match what is not a term: numbers, sizes, function names."""
    if p.op == "fn":
        return _match_function(p.data, t.data, b)
    if p.op in ("call", "grad", "jac", "hess"):
        named = _bind_name(p.data[0], t.data[0], b)
        return named and _match_places(p.data[1:], t.data[1:], named, depth)
    if p.op in _SIZES:
        return _unify_all(list(zip(_SIZES[p.op](p), _SIZES[p.op](t), strict=True)), b, depth)
    return b if p.data == t.data else None


_SIZES: dict[str, Callable[[Term], tuple[Dim, ...]]] = {
    "eye": lambda t: (t.data,),
    "size": lambda t: (t.data,),
    "ones": lambda t: t.data,
    "zeros": lambda t: t.data,
    "unit": lambda t: t.data,
    "commutation": lambda t: t.data,
    "unvec": lambda t: t.data,
}


def _match_places(ps: Sequence[Any], ts: Sequence[Any], b: Bindings, depth: int) -> Bindings | None:
    """The positions of the arguments and the sizes of the value of an opaque function."""
    for p, t in zip(ps, ts, strict=True):
        if isinstance(p, Dim):
            found = _unify_all([(p, dim(t))], b, depth)
            if found is None:
                return None
            b = found
        elif p != t:
            return None
    return b


def _bind_name(name: str, value: str, b: Bindings) -> Bindings | None:
    bound = b.functions.get(name)
    if bound is None:
        return b.function(name, value)
    return b if bound == value else None


def _match_function(p: tuple[str, int], t: tuple[str, int], b: Bindings) -> Bindings | None:
    """A known function matches itself; any other name of a rule stands for a function or a derivative of one."""
    (name, order), (given, strokes) = p, t
    if name in FUNCTIONS:
        return b if p == t else None
    return None if strokes < order else _bind_name(name, given + "'" * (strokes - order), b)


# --------------------------------------------------------------------- products
def _match_product(ps: list[Term], ts: list[Term], m: Metavariables, b: Bindings) -> Iterator[Bindings]:
    """Scalar factors of the pattern first: they commute, so they may stand anywhere in the term."""
    ps = [p for p in ps if p.is_scalar] + [p for p in ps if not p.is_scalar]
    yield from _match_run(ps, ts, "mul", m, b)


def _match_run(ps: list[Term], ts: list[Term], op: str, m: Metavariables, b: Bindings) -> Iterator[Bindings]:
    """Match neighbouring factors in order; a metavariable takes one or more of them."""
    if not ps:
        if not ts:
            yield b
        return
    p, rest = ps[0], ps[1:]
    if len(ts) < len(ps) or (_is_free(ps[-1], m) and not ps[-1].is_scalar and m.excludes(ps[-1], ts[-1])):
        return
    if op == "mul" and p.is_scalar:
        for factor, others in _scalar_factors(ts, p, m):
            if len(others) >= len(rest):
                for found in _match(p, factor, m, b):
                    yield from _match_run(rest, others, op, m, found)
    if _is_free(p, m):
        longest = len(ts) - len(rest)
        reach = next((i for i in range(longest) if m.excludes(p, ts[i])), longest)
        for length in range(1 if rest else longest, reach + 1):
            run = _joined(op, ts[:length])
            for found in _match(p, run, m, b) if run is not None else ():
                yield from _match_run(rest, ts[length:], op, m, found)
        return
    if not (op == "mul" and p.is_scalar):
        for found in _match(p, ts[0], m, b):
            yield from _match_run(rest, ts[1:], op, m, found)


def _is_free(p: Term, m: Metavariables) -> bool:
    return m.is_open(p)


def _joined(op: str, parts: Sequence[Term]) -> Term | None:
    if len(parts) == 1:
        return parts[0]
    try:
        return make(op, *parts)
    except ShapeError:  # the parts only fit together with what stands around them
        return None


def _scalar_factors(ts: list[Term], p: Term, m: Metavariables) -> Iterator[tuple[Term, list[Term]]]:
    """The scalar factors of a product, with what is left: all without a differential together, then each."""
    is_open = _is_free(p, m)
    places = [i for i, t in enumerate(ts) if t.is_scalar and not (is_open and m.excludes(p, t))]
    still = [i for i in places if not ts[i].tangent]
    if is_open and len(still) > 1:
        yield terms.mul(*(ts[i] for i in still)), [t for i, t in enumerate(ts) if i not in still]
    for i in places:
        yield ts[i], ts[:i] + ts[i + 1 :]


# ----------------------------------------------------- sums and entrywise products
def _match_bag(ps: list[Term], ts: list[Term], op: str, m: Metavariables, b: Bindings) -> Iterator[Bindings]:
    """Match parts that commute: what has a form first, then the metavariables, the last of which takes the rest."""
    if len(ts) < len(ps):
        return
    formed = [p for p in ps if not _is_free(p, m)]
    if formed:
        others = [p for p in ps if p is not formed[0]] + [formed[0]] * (ps.count(formed[0]) - 1)
        for i, t in enumerate(ts):
            for found in _match(formed[0], t, m, b):
                yield from _match_bag(others, ts[:i] + ts[i + 1 :], op, m, found)
        return
    if not ps:
        if not ts:
            yield b
        return
    fixed = next((p for p in ps if p.op == "sym" and p.data in b.terms and not m.depth), None)
    if fixed is not None and len(ps) > 1:
        value = b.terms[fixed.data]
        left = _without(ts, value.args if value.op == op else (value,))
        for found in _match(fixed, value, m, b) if left else ():
            yield from _match_bag([p for p in ps if p is not fixed], left, op, m, found)
        return
    if len(ps) == 1:
        whole = _joined(op, ts)
        if whole is not None:
            yield from _match(ps[0], whole, m, b)
        return
    for taken in _subsets(len(ts), len(ts) - len(ps) + 1):
        if any(m.excludes(ps[0], ts[i]) for i in taken):
            continue
        part = _joined(op, [ts[i] for i in taken])
        for found in _match(ps[0], part, m, b) if part is not None else ():
            yield from _match_bag(ps[1:], [t for i, t in enumerate(ts) if i not in taken], op, m, found)


def _without(ts: Sequence[Term], parts: Sequence[Term]) -> list[Term]:
    """What is left when each part is taken once; empty where one is missing, or nothing is left."""
    taken = Counter(parts)
    left = []
    for t in ts:
        if taken[t]:
            taken[t] -= 1
        else:
            left.append(t)
    return [] if any(taken.values()) else left


def _subsets(n: int, most: int) -> Iterator[tuple[int, ...]]:
    """Subsets of 1 to ``most`` of n positions, single ones first; of many positions only one or all but one."""
    for size in range(1, most + 1):
        if n <= FEW or size in (1, n - 1):
            yield from combinations(range(n), size)


# ----------------------------------------------------------------- instantiation
def instantiate(pattern: Term, b: Bindings, depth: int = 0) -> Term:
    """The pattern with metavariables, sizes and functions replaced by what they are bound to.

    ``depth`` is the number of the pattern's binders around it.
    """
    if pattern.op == "sym":
        value = b.terms.get(pattern.data, pattern)
        return lifted(value, depth) if depth else value
    if pattern.op == "elem":
        body = b.terms.get(pattern.data[0])
        return pattern if body is None else at_index(body, pattern.data[1].substitute(b.dims), depth)
    build = _BUILD.get(pattern.op)
    args = [instantiate(a, b, depth + (pattern.op in BINDERS)) for a in pattern.args]
    if build is None:
        return make(pattern.op, *args, data=pattern.data)
    if depth:  # sizes from outside the binders
        b = replace(b, dims={n: d.substitute(lambda a: _outer(a, depth)) for n, d in b.dims.items()})
    return build(pattern, args, b)


def _outer(a: Any, depth: int) -> Dim | None:
    """A bound index of the surroundings, as it is written under the pattern's binders."""
    return dim(f"#{int(a[1:]) + depth}") if isinstance(a, str) and a[0] == "#" else None


def _at(data: Sequence[Dim], b: Bindings) -> list[Dim]:
    return [d.substitute(b.dims) for d in data]


def _opaque_data(data: Sequence[Any], b: Bindings) -> tuple[Any, ...]:
    name = b.functions.get(data[0], data[0])
    return (name, *(d.substitute(b.dims) if isinstance(d, Dim) else d for d in data[1:]))


def _build_function(p: Term, args: Sequence[Term], b: Bindings) -> Term:
    name, order = p.data
    bound = b.functions.get(name, name)
    base = bound.rstrip("'")
    return terms.fn(base, args[0], order + len(bound) - len(base))


def _build_opaque(p: Term, args: Sequence[Term], b: Bindings) -> Term:
    return make(p.op, *args, data=_opaque_data(p.data, b))


# Operations whose data has sizes or names in it, and those that are written otherwise where an operand is a scalar.
_BUILD: dict[str, Callable[[Term, Sequence[Term], Bindings], Term]] = {
    "eye": lambda p, a, b: terms.eye(p.data.substitute(b.dims)),
    "size": lambda p, a, b: terms.size(p.data.substitute(b.dims)),
    "ones": lambda p, a, b: terms.ones(*_at(p.data, b)),
    "zeros": lambda p, a, b: terms.zeros(*_at(p.data, b)),
    "unit": lambda p, a, b: terms.unit(*_at(p.data, b)),
    "commutation": lambda p, a, b: terms.commutation(*_at(p.data, b)),
    "unvec": lambda p, a, b: make("unvec", *a, data=tuple(_at(p.data, b))),
    "had": lambda p, a, b: terms.had(*a),
    "hdiv": lambda p, a, b: terms.hdiv(*a),
    "hpow": lambda p, a, b: terms.hpower(*a),
    "fn": _build_function,
    "sumover": lambda p, a, b: make("sumover", *a, data=tuple(_at(p.data, b))),
    "prod": lambda p, a, b: make("prod", *a, data=tuple(_at(p.data, b))),
    "stack": lambda p, a, b: make("stack", *a, data=tuple(_at(p.data, b))),
    "call": _build_opaque,
    "grad": _build_opaque,
    "jac": _build_opaque,
    "hess": _build_opaque,
}
