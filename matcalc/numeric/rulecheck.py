"""Whether an identity holds, at numbers: signed samples at pairwise different sizes, every sign pattern of the scalars.

An identity holds where, at every sample at which the left side has a value, the right side has the same value.  Samples
are generic points: a matrix that has to be invertible somewhere is not drawn singular, no number is drawn zero.  (What
fails only there is the business of the conditions ``invertible`` and ``nonzero``, whose absence is simulated by
:data:`DEGENERATE`.)  A ``d(X)`` is a random tangent of X, of the structure that the conditions give X.

Invariants: nothing here knows rules or derivations, only terms and names of conditions; the same seed gives the same
samples; entries have both signs unless the left side has no value there.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from matcalc.language.binders import BINDERS
from matcalc.language.dims import Shape
from matcalc.language.terms import Term, size_names, subterms
from matcalc.numeric.evaluate import Array, Point, evaluate_all, size_of

__all__ = [
    "DEGENERATE",
    "SAMPLERS",
    "CounterExample",
    "Identity",
    "Sample",
    "Samples",
    "check_identity",
    "counterexample",
    "small_point",
]

TRIALS = 24  # samples per identity, at the least
ATTEMPTS = 60  # tries to find a point at which the left side has a value
TOLERANCE = 1e-7  # relative; a complex step is exact to about 1e-13, what is lost is conditioning
MEMBERS = range(-2, 14)  # the indices at which a family has members
HUGE = 1e7  # values beyond are taken for infinite: an inverse of a singular matrix after rounding

Conditions = Sequence[tuple[str, str]]  # (name of the condition, metavariable)


@dataclass(frozen=True, slots=True)
class Identity:
    """The left side of an identity, and what its names are. Right sides are tried against it."""

    lhs: Term
    metavars: Mapping[str, str]  # name -> kind; functions and sizes are not among them
    conditions: Conditions = ()
    degenerate: tuple[tuple[str, str], ...] = ()  # (condition that does not hold, metavariable)

    def of(self, name: str) -> frozenset[str]:
        """The conditions on one metavariable."""
        return frozenset(c for c, arg in self.conditions if arg == name)


@dataclass(frozen=True, slots=True)
class Sample:
    """A point at which the left side has a value."""

    point: Point
    left: Array


@dataclass(frozen=True, slots=True)
class CounterExample:
    """A point with both sides' values there. ``right`` is not finite where the right side has no value."""

    sizes: Mapping[str, int]
    values: Mapping[str, Array]  # members by name: a[1]
    tangents: Mapping[str, Array]
    left: Array
    right: Array

    def describe(self) -> str:
        """The values and both sides, several lines."""
        lines = [f"{name} = {written(v)}" for name, v in self.values.items()]
        lines += [f"d({name}) = {written(v)}" for name, v in self.tangents.items()]
        right = written(self.right) if np.all(np.isfinite(self.right)) else "no finite value"
        return "\n".join([*lines, f"left side  = {written(self.left)}", f"right side = {right}"])


def written(a: Array) -> str:
    """An array on one line: ``3``, ``[1, -2]'`` for a column, ``[1, 2; 3, 4]`` for a matrix."""
    rows = [", ".join(_short(x) for x in row) for row in np.asarray(a)]
    if a.shape == (1, 1):
        return rows[0]
    return "[" + ", ".join(rows) + "]'" if a.shape[1] == 1 else "[" + "; ".join(rows) + "]"


def _short(x: float) -> str:
    return f"{float(x):.4g}" if abs(x) > 1e-12 else "0"


# -------------------------------------------------------------------------------- structures
Rng = np.random.Generator


def _orthogonal(a: Array, rng: Rng) -> Array:
    q, r = np.linalg.qr(a)
    return np.asarray(q * np.sign(np.diag(r)))


def _integer(a: Array, rng: Rng) -> Array:
    return np.asarray(np.sign(a) * np.ceil(np.abs(a)))


# What a condition makes of a generic matrix.
SAMPLERS: dict[str, Callable[[Array, Rng], Array]] = {
    "square": lambda a, rng: a,
    "symmetric": lambda a, rng: (a + a.T) / 2,
    "skew": lambda a, rng: (a - a.T) / 2,
    "diagonal": lambda a, rng: np.diag(np.diag(a)),
    "orthogonal": _orthogonal,
    "posdef": lambda a, rng: a @ a.T / len(a) + np.eye(len(a)) / 2,
    "invertible": lambda a, rng: a,  # generic
    "scalar": lambda a, rng: a,
    "vector": lambda a, rng: a,
    "row": lambda a, rng: a,
    "positive": lambda a, rng: np.abs(a),
    "nonzero": lambda a, rng: a,  # generic
    "integer": _integer,
    "stochastic": lambda a, rng: np.abs(a) / np.abs(a).sum(axis=1, keepdims=True),
    "constant": lambda a, rng: a,
}


def _singular(a: Array, rng: Rng) -> Array:
    out = a.copy()
    out[int(rng.integers(len(a)))] = 0.0  # a row of zeros: the factorization meets an exact zero
    return out


# What a matrix may be where a condition is dropped that generic matrices satisfy.
DEGENERATE: dict[str, Callable[[Array, Rng], Array]] = {
    "invertible": _singular,
    "nonzero": lambda a, rng: np.zeros_like(a),
}


def _tangent(name: str, conditions: frozenset[str], value: Array, raw: Array, rng: Rng) -> Array | None:
    """A direction in which the value may move and keep its conditions; None where it does not move."""
    if conditions & {"constant", "integer"}:
        return None
    if "stochastic" in conditions:
        return np.asarray(raw - raw.mean(axis=1, keepdims=True))
    if "orthogonal" in conditions:
        return np.asarray(value @ (raw - raw.T) / 2)
    for c in ("symmetric", "skew", "diagonal"):
        if c in conditions:
            return SAMPLERS[c](raw, rng)
    return SAMPLERS["symmetric"](raw, rng) if "posdef" in conditions else raw


# ----------------------------------------------------------------------------------- samples
def symbols_of(t: Term) -> dict[str, Shape]:
    """The symbols of a term with their shapes, sorted by name."""
    return {s.data: s.shape for s in sorted((s for s in subterms(t) if s.op == "sym"), key=lambda s: str(s.data))}


def sign_patterns(scalars: Sequence[str]) -> list[dict[str, int]]:
    """Every choice of signs, the all-positive one last."""
    return [dict(zip(scalars, signs, strict=True)) for signs in itertools.product((-1, 1), repeat=len(scalars))]


def families_of(t: Term) -> dict[str, Shape]:
    """The families of a term with the shapes of their members, sorted by name."""
    members = {s.data[0]: s.shape for s in subterms(t) if s.op == "elem"}
    return {n: members[n] for n in sorted(members)}


def ranges_of(t: Term) -> list[tuple[str, str]]:
    """The ranges of a term with a name at either end."""
    ends = [s.data for s in subterms(t) if s.op in BINDERS]
    names = [(low.as_name, high.as_name) for low, high in ends]
    return [(a, b) for a, b in dict.fromkeys(names) if a is not None and b is not None]


class Samples:
    """Points of one identity with the value of its left side, drawn when asked for; the same for every right side."""

    def __init__(self, identity: Identity, seed: int = 0) -> None:
        self.identity = identity
        self.shapes = symbols_of(identity.lhs)
        self.families = families_of(identity.lhs)
        self.ranges = ranges_of(identity.lhs)
        self.sizes = size_names(identity.lhs)
        self.has_tangents = any(s.op == "d" for s in subterms(identity.lhs))
        self.seed = seed
        scalars = [n for n, s in self.shapes.items() if s.is_scalar and not identity.of(n) & {"positive"}]
        self.patterns = sign_patterns(scalars)
        self.wanted = max(TRIALS, 2 * len(self.patterns))
        self._found: list[Sample] = []
        self._source = self._draw()

    def __iter__(self) -> Iterator[Sample]:
        i = 0
        while True:
            if i == len(self._found):
                new = next(self._source, None)
                if new is None:
                    return
                self._found.append(new)
            yield self._found[i]
            i += 1

    def _draw(self) -> Iterator[Sample]:
        rng = np.random.default_rng([self.seed, 20])
        for trial in range(self.wanted):
            signs = self.patterns[trial % len(self.patterns)]
            for attempt in range(ATTEMPTS):
                found = self.sample(rng, self._sizes(rng), signs if attempt < ATTEMPTS // 2 else {}, attempt)
                if found is not None:
                    yield found
                    break

    def _sizes(self, rng: Rng) -> dict[str, int]:
        """Pairwise different sizes; a size 1 now and then."""
        low = 1 if rng.random() < 0.2 else 2
        order = rng.permutation(len(self.sizes) + 1)[: len(self.sizes)]
        sizes = {name: low + int(k) for name, k in zip(self.sizes, order, strict=True)}
        for a, b in self.ranges:
            sizes[a], sizes[b] = sorted((sizes[a], sizes[b]))
        return sizes

    def sample(
        self, rng: Rng, sizes: Mapping[str, int], signs: Mapping[str, int], attempt: int, digits: int | None = None
    ) -> Sample | None:
        """A point of the given sizes, or None where the left side has no value there."""
        values: dict[str, Any] = {}
        tangents: dict[str, Any] = {}
        for name, shape in self.shapes.items():
            conditions = self.identity.of(name)
            a = _entries(rng, (size_of(shape.rows, sizes), size_of(shape.cols, sizes)), attempt, digits)
            if shape.is_scalar:
                a = _number(rng, a, signs.get(name, 0), digits)
            for c, sampler in SAMPLERS.items():
                a = sampler(a, rng) if c in conditions else a
            for c, arg in self.identity.degenerate:
                a = DEGENERATE[c](a, rng) if arg == name else a
            values[name] = a
            raw = _entries(rng, a.shape, 0, digits)
            tangent = _tangent(name, conditions, a, raw, rng) if self.has_tangents else None
            if tangent is not None:
                tangents[name] = tangent
        for name, shape in self.families.items():
            size = (size_of(shape.rows, sizes), size_of(shape.cols, sizes))
            values[name] = {k: _entries(rng, size, attempt, digits) for k in MEMBERS}
            if self.has_tangents and "constant" not in self.identity.of(name):
                tangents[name] = {k: _entries(rng, size, 0, digits) for k in MEMBERS}
        point = Point(values, sizes, tangents=tangents if self.has_tangents else None, seed=self.seed)
        left = evaluate_all([self.identity.lhs], point)[0]
        return Sample(point, left) if _finite(left) else None


def _entries(rng: Rng, shape: tuple[int, int], attempt: int, digits: int | None) -> Array:
    """Entries of both signs, none near zero; later attempts also try one sign, and small entries.

    ``digits``: whole numbers for 0, tenths below 1 for 1; None for entries of full length.
    """
    if digits is None:
        a = rng.uniform(0.2, 1.8, shape) * rng.choice([-1.0, 1.0], shape)
    else:
        a = rng.choice([-2, -1, 1, 2, 3] if digits == 0 else [-0.8, -0.5, -0.2, 0.2, 0.4, 0.6], shape)
    if attempt < 3:
        return np.asarray(a)
    mode = int(rng.integers(5))
    a = np.abs(a) if mode in (1, 3) else -np.abs(a) if mode == 2 else a
    return np.asarray(a / 2 if mode in (3, 4) else a)


def _number(rng: Rng, a: Array, sign: int, digits: int | None) -> Array:
    """A scalar with the wanted sign; a whole number or a half now and then, since exponents may have to be."""
    if digits is None and rng.random() < 0.4:
        a = np.asarray(rng.choice([-2.0, -1.0, 1.0, 2.0, 3.0], (1, 1)))
    return np.asarray(sign * np.abs(a) if sign else a)


def _finite(a: Array) -> bool:
    return bool(np.all(np.isfinite(a))) and float(np.max(np.abs(a), initial=0.0)) < HUGE


def agree(left: Array, right: Array) -> bool:
    """Whether two values are the same up to rounding."""
    if left.shape != right.shape or not np.all(np.isfinite(right)):
        return False
    scale = 1.0 + max(float(np.max(np.abs(left), initial=0.0)), float(np.max(np.abs(right), initial=0.0)))
    return float(np.max(np.abs(left - right), initial=0.0)) <= TOLERANCE * scale


# ------------------------------------------------------------------------------------ verdicts
def check_identity(samples: Samples, right: Term) -> tuple[int, Sample | None]:
    """How many samples agreed before the first that does not, and that sample (None: all agreed)."""
    count = 0
    for s in samples:
        if not agree(s.left, evaluate_all([right], s.point)[0]):
            return count, s
        count += 1
    return count, None


def _small(samples: Samples) -> Iterator[Sample]:
    """Points of size 2, or of pairwise different sizes, with short numbers: whole ones first, then tenths."""
    rng = np.random.default_rng([samples.seed, 21])
    apart = {n: k for k, n in enumerate(samples.sizes, 2)}
    for attempt in range(120):
        sizes = dict.fromkeys(samples.sizes, 2) if attempt % 8 < 5 else apart
        found = samples.sample(rng, sizes, {}, attempt // 2, digits=0 if attempt < 80 else 1)
        if found is not None:
            yield found


def counterexample(samples: Samples, right: Term, at: Sample) -> CounterExample:
    """A small counterexample, if there is one; else the sample at which the sides were seen to differ."""
    differ = (s for s in _small(samples) if not agree(s.left, evaluate_all([right], s.point)[0]))
    return _both_sides(next(differ, at), right)


def small_point(samples: Samples, right: Term) -> CounterExample | None:
    """A small point, with both sides' values."""
    found = next(_small(samples), None)
    return None if found is None else _both_sides(found, right)


def _both_sides(s: Sample, right: Term) -> CounterExample:
    value = evaluate_all([right], s.point)[0]
    highest = max(s.point.sizes.values(), default=1)
    values, tangents = (_members_named(v, highest) for v in (s.point.values, s.point.tangents or {}))
    return CounterExample(dict(s.point.sizes), values, tangents, s.left, value)


def _members_named(values: Mapping[str, Any], highest: int) -> dict[str, Array]:
    """Every value with its name; of a family the members 1, 2, ... by themselves."""
    out: dict[str, Array] = {}
    for name, v in values.items():
        if isinstance(v, Mapping):
            out |= {f"{name}[{k}]": np.asarray(v[k]) for k in sorted(v) if 1 <= k <= highest}
        else:
            out[name] = np.asarray(v)
    return out
