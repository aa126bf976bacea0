"""Lines of a derivation against the line before: both evaluated at random points with random differentials.

``d(X)`` of a variable is a random tangent (inside the subspace its properties keep it in), ``d(R)`` of a definition is
the derivative of the definition along these tangents, and everything else is constant.

Invariant: the points are shared by all lines of one call; what two lines share is evaluated once per point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from matcalc.language.dims import Dim
from matcalc.language.parts import base_of
from matcalc.language.problem import Problem
from matcalc.language.selections import units_in
from matcalc.language.terms import Term, bottom_up, subterms
from matcalc.numeric.derivative import Objective, relative_error
from matcalc.numeric.draw import draw_value, into_subspace
from matcalc.numeric.evaluate import STEP, Array, Point, evaluate_all, extrapolated, is_analytic, scaled, size_of
from matcalc.numeric.sample import Sample, sample_problem
from matcalc.numeric.statements import all_terms, with_statements

__all__ = ["Claim", "Where", "certify_equal", "check_steps", "step_point"]

Relation = Literal["equal", "gradient", "jacobian", "hessian"]
FLOOR, EXACT_FLOOR = 1e-4, 1e-8  # values that much smaller than the largest are rounding; lines without differences
EXTRA_POINTS = 4  # tried where a line has no value at the usual ones


@dataclass(frozen=True, slots=True)
class Claim:
    """A line and what it says about the line before.

    equal: they have one value.  gradient: ``before`` is ``inner(after, d(wrt))``.  jacobian: ``vec(before)`` is
    ``after*vec(d(wrt))``.  hessian: ``before`` is ``vec(d(wrt))'*after*vec(d(wrt))``.
    """

    before: Term
    after: Term
    relation: Relation = "equal"
    wrt: str = ""


class Where(NamedTuple):
    """An index and the range over which it runs."""

    name: str
    low: Dim
    high: Dim


def check_steps(
    problem: Problem,
    steps: Iterable[Claim | tuple[Term, Term]],
    wrt: Sequence[str] | None = None,
    seed: int = 0,
    points: int = 2,
    where: Where | None = None,
    shortest: int = 1,
    local: bool = False,
    samples: dict[int, Sample] | None = None,
) -> list[float]:
    """The worst relative error of each step. ``wrt``: the names that have a differential (default: the problem's).

    ``where``: the index that is free in the steps, which hold for every index of a range.  ``local``: what is defined
    does not move along.  ``samples`` of the same problem, seed and lengths are used where they are known, and kept.
    """
    claims = [s if isinstance(s, Claim) else Claim(*s) for s in steps]
    names = tuple(dict.fromkeys(base_of(n) for n in (problem.wrt if wrt is None else wrt)))
    terms = [t for c in claims for t in (c.before, c.after)]
    errors: list[float | None] = [None] * len(claims)
    own = samples is None or bool(units_in(terms))  # indices of entries get their values for these terms
    drawn = {} if own or samples is None else samples
    exactness: dict[Term, bool] = {}
    for turn in range(points + EXTRA_POINTS):
        todo = [i for i in range(len(claims)) if turn < points or errors[i] is None]
        if not todo:
            break
        if turn not in drawn:
            drawn[turn] = sample_problem(problem, seed, turn, shortest=shortest, also=terms)
        for point in _everywhere(step_point(problem, names, terms, seed, turn, shortest, local, drawn[turn]), where):
            largest = _Largest()
            both = [t for i in todo for t in (claims[i].before, claims[i].after)]
            values = evaluate_all(both, replace(point, watch=largest))
            for k, i in enumerate(todo):
                exact = _is_exact(claims[i].before, exactness) and _is_exact(claims[i].after, exactness)
                floor = largest.value * (EXACT_FLOOR if exact else FLOOR)
                error = _error(claims[i], values[2 * k], values[2 * k + 1], point, floor)
                if error is not None:
                    errors[i] = max(error, errors[i] or 0.0)
    return [float("inf") if e is None else e for e in errors]


def _everywhere(point: Point, where: Where | None) -> list[Point]:
    """The point at every index of a range."""
    if where is None:
        return [point]
    low, high = size_of(where.low, point.sizes), size_of(where.high, point.sizes)
    return [replace(point, sizes={**point.sizes, where.name: k}) for k in range(low, high + 1)]


def certify_equal(
    problem: Problem, a: Term, b: Term, wrt: Sequence[str] | None = None, seed: int = 0, points: int = 6
) -> float:
    """The worst relative difference of two terms at random points; infinite where they cannot be compared."""
    return check_steps(problem, [Claim(a, b)], wrt, seed, points)[0]


class _Largest:
    """Remembers the largest finite number it is shown: rounding is measured by it."""

    def __init__(self) -> None:
        self.value = 0.0

    def __call__(self, t: Term, args: Sequence[Array], value: Array) -> None:
        here = float(np.max(np.abs(value), initial=0.0))
        if self.value < here < float("inf"):
            self.value = here


def _is_exact(t: Term, known: dict[Term, bool]) -> bool:
    """Whether no differential in the term needs differences of values. ``known``: of terms asked for before."""
    return bottom_up(t, lambda s, args: all(args) and (s.op != "d" or is_analytic(s.args[0])), known)


def _error(claim: Claim, before: Array, after: Array, point: Point, floor: float) -> float | None:
    """None: a side has no value at this point."""
    if not (np.all(np.isfinite(before)) and np.all(np.isfinite(after))):
        return None
    if claim.relation != "equal":
        after = _applied(claim.relation, after, (point.tangents or {})[claim.wrt])
        if claim.relation == "jacobian":
            before = before.reshape(-1, 1, order="F")
    return relative_error(before, after, floor)


def _applied(relation: Relation, after: Array, tangent: Array) -> Array:
    """A gradient, Jacobian or Hessian applied to the tangent. NaN where the shapes do not fit."""
    flat = tangent.reshape(-1, 1, order="F")
    if relation == "gradient":
        fits = after.shape == tangent.shape
        return np.array([[np.sum(after * tangent)]]) if fits else np.array([[np.nan]])
    if after.shape[1] != len(flat):
        return np.array([[np.nan]])
    return after @ flat if relation == "jacobian" else flat.T @ after @ flat


# ------------------------------------------------------------------------------------ points
def step_point(
    problem: Problem,
    wrt: Sequence[str],
    terms: Sequence[Term],
    seed: int = 0,
    turn: int = 0,
    shortest: int = 1,
    local: bool = False,
    sample: Sample | None = None,
) -> Point:
    """A point with values for all symbols of the problem and the terms, and tangents."""
    sample = sample or sample_problem(problem, seed, turn, shortest=shortest, also=terms)
    rng = np.random.default_rng([seed, turn, 5])
    sizes = sample.point.sizes
    values = dict(sample.point.values)
    for t in dict.fromkeys(s for s in subterms(*terms) if s.op == "sym"):
        if t.data not in values:  # a name that belongs to the derivation only
            shape = size_of(t.shape.rows, sizes), size_of(t.shape.cols, sizes)
            values[t.data] = draw_value(rng, shape, frozenset(), {})
    point = replace(sample.point, values=values)
    tangents: dict[str, Any] = {}
    for name in wrt:
        value = values[name]
        if isinstance(value, Mapping):
            tangents[name] = {k: rng.normal(size=np.shape(v)) for k, v in value.items()}
            continue
        kind = Objective(problem, point, name).subspace
        tangents[name] = into_subspace(rng.normal(size=np.shape(value)), kind)
    return replace(point, tangents=tangents | ({} if local else _defined_tangents(problem, point, tangents)))


def _defined_tangents(problem: Problem, point: Point, tangents: dict[str, Any]) -> dict[str, Any]:
    """The differentials of everything the statements define."""
    if not problem.statements:
        return {}
    names = [n for n in with_statements(problem, point).values if n not in problem.symbols and n not in tangents]

    def moved(step: Any) -> dict[str, Any]:
        moves = {n: scaled(t, step, np.asarray) for n, t in tangents.items()}
        values = with_statements(problem, point, moves).values
        return {n: values[n] for n in names}

    if all(is_analytic(t) for t in all_terms(problem)):
        return {n: scaled(v, 1 / STEP, np.imag) for n, v in moved(1j * STEP).items()}
    out: dict[str, Any] = {}
    for n in names:
        members = point.values[n]
        if isinstance(members, Mapping):
            out[n] = {k: extrapolated(partial(_one, moved, n, k)) for k in members}
        else:
            out[n] = extrapolated(partial(_one, moved, n, None))
    return out


def _one(moved: Callable[[float], dict[str, Any]], name: str, member: int | None, step: float) -> Array:
    value = moved(step)[name]
    return np.asarray(value if member is None else value[member])
