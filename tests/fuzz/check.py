"""One fuzzed problem through the whole derivation, its answer against automatic differentiation of the problem itself.

The truth is autograd's derivative of :mod:`tests.fuzz.reference`; no part of matcalc computes it.
A point counts only where its values are moderate and away from kinks; a problem without such a point is *discarded*.
"""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from autograd import grad

from matcalc.calculus.derive import derive
from matcalc.errors import CannotDerive, MatcalcError
from matcalc.language.elaborate import parse_problem
from matcalc.language.terms import Term
from tests.fuzz.growth import SIZES
from tests.fuzz.problems import Case, expanded
from tests.fuzz.reference import KINKED, derivative, value
from tests.fuzz.sample import sample

__all__ = ["Outcome", "Point", "check", "compare", "points", "with_names"]

Array = Any
LARGE = 1e4  # beyond it rounding is not told from an error
CLOSE = 1e-3  # nearer than this to a kink a point is not used
TOLERANCE = 1e-6
TRIES = 12


@dataclass(frozen=True, slots=True)
class Outcome:
    """``status``: right, refused, wrong, crashed or discarded."""

    status: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """A place, the derivative there, and the changes of the variable that count (None: all)."""

    values: Mapping[str, Array]
    truth: Array
    onto: Array | None = None


# ---------------------------------------------------------------------- points
def points(case: Case, count: int = 2) -> list[Point]:
    """Points at which the problem and its derivative can be trusted."""
    found: list[Point] = []
    for attempt in range(TRIES):
        values = sample(case.problem, SIZES, [attempt, *case.label.encode()])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not _moderate(case.problem.objective, values):
                continue
            truth = _truth(case, values)
        if np.all(np.isfinite(truth)) and np.max(np.abs(truth)) < LARGE:
            found.append(Point(values, truth, None if case.problem.objective.is_scalar else _basis(case, values)))
        if len(found) == count:
            break
    return found


def _moderate(objective: Term, values: Mapping[str, Array]) -> bool:
    memo: dict[Term, Array] = {}
    try:
        value(objective, values, SIZES, memo)
    except (np.linalg.LinAlgError, FloatingPointError, ZeroDivisionError):
        return False
    for t, v in memo.items():
        if not np.all(np.isfinite(v)) or np.max(np.abs(v)) > LARGE:
            return False
        kinked = t.op in ("norm1", "norm2", "normF") or (t.op == "fn" and t.data[0] in KINKED)
        if kinked and (np.min if t.op in ("fn", "norm1") else np.max)(np.abs(memo[t.args[0]])) < CLOSE:
            return False
        if t.op in ("div", "hdiv") and np.min(np.abs(memo[t.args[1]])) < CLOSE:
            return False
        if t.op in ("inv", "det", "logdet") and np.linalg.cond(memo[t.args[0]]) > LARGE:
            return False
    return True


def _truth(case: Case, values: Mapping[str, Array]) -> Array:
    """The derivative in the layout the answer should have."""
    objective = case.problem.objective

    def f(x: Array) -> Array:
        return value(objective, {**values, case.wrt: x}, SIZES)

    x = values[case.wrt]
    if case.order == 2:
        return derivative(grad(lambda z: f(z)[0, 0]), x)
    if not objective.is_scalar:
        matrix = derivative(f, x)
        return np.reshape(matrix, f(x).shape, order="F") if x.size == 1 else matrix
    g = grad(lambda z: f(z)[0, 0])(x)
    return _by_entries(g, case.structure) if case.convention == "entries" else _projected(g, case.structure)


def _projected(g: Array, structure: str) -> Array:
    if structure == "symmetric":
        return (g + g.T) / 2
    if structure == "skew":
        return (g - g.T) / 2
    return np.diag(np.diag(g)) if structure == "diagonal" else g


def _by_entries(g: Array, structure: str) -> Array:
    """An entry and the one it is tied to move together."""
    if structure == "symmetric":
        return g + g.T - np.diag(np.diag(g))
    if structure == "skew":
        return g - g.T
    return np.diag(np.diag(g)) if structure == "diagonal" else g


def _basis(case: Case, values: Mapping[str, Array]) -> Array | None:
    """The changes that a structured variable can make, as columns."""
    shape = values[case.wrt].shape
    if not case.structure:
        return None
    units = (np.reshape(e, shape, order="F") for e in np.eye(shape[0] * shape[1]))
    return np.stack([_projected(e, case.structure).flatten(order="F") for e in units], axis=1)


# --------------------------------------------------------------------- verdicts
def check(case: Case, method: str = "auto", also: Callable[[Any, list[Point]], str] | None = None) -> Outcome:
    """Derive and compare. ``also`` looks at the derivation further and says what is wrong with it, or nothing."""
    used = points(case)
    if not used:
        return Outcome("discarded", "no point with moderate values")
    try:
        reread = parse_problem(case.program)
        if expanded(reread) is not case.problem.objective:
            return Outcome("crashed", f"the text was read as {expanded(reread)}")
        derivation = derive(reread, method=method, order=case.order, structure=case.convention)
        answer = derivation.answers[case.wrt]
    except CannotDerive as refusal:
        return Outcome("refused", refusal.message)
    except MatcalcError as error:
        return Outcome("crashed", error.render())
    except Exception:
        return Outcome("crashed", traceback.format_exc(limit=-8))
    wrong = compare(answer, [with_names(derivation, p) for p in used])
    if wrong:
        return Outcome("wrong", f"{answer}\n{wrong}")
    more = also(derivation, used) if also else ""
    return Outcome("wrong", more) if more else Outcome("right", str(answer))


def with_names(derivation: Any, point: Point) -> Point:
    """The point with the values of the names that the lines of a derivation may use."""
    values = dict(point.values)
    for d in derivation.definitions:
        values[d.name] = value(d.term, values, SIZES)
    return Point(values, point.truth, point.onto)


def compare(answer: Term, used: list[Point]) -> str:
    """What is wrong with an answer at the points; nothing where it is right."""
    for point in used:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found, truth = value(answer, point.values, SIZES), point.truth
        if found.shape != truth.shape:
            return f"shape {found.shape} where {truth.shape} is right"
        if point.onto is not None:
            found, truth = found @ point.onto, truth @ point.onto
        scale = max(1e-3, float(np.max(np.abs(truth), initial=0)))
        error = float(np.max(np.abs(found - truth), initial=0)) / scale
        if not error < TOLERANCE:
            return f"relative error {error:.2g}"
    return ""
