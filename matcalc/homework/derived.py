"""Derivatives by name: a symbol such as ``grad(f, x)`` whose value is found numerically, from the problem itself.

An answer may speak of a derivative it does not write out (``A'*grad(f, r)``).  In the term it is a symbol; what the
symbol stands for is a :class:`Derived`; its value at a point is a numerical derivative (complex step, differences
where it must be).  Nothing of the deriver is used here.

Invariant: a derivative that cannot be given a value raises, it is never taken to be constant or zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from matcalc.errors import MatcalcError
from matcalc.language.dims import ONE, Shape
from matcalc.language.problem import Definition, Problem
from matcalc.language.terms import Term, subterms, symbol
from matcalc.language.terms import replace as replaced
from matcalc.numeric.derivative import Objective, Structure, all_directions
from matcalc.numeric.evaluate import Array, Point, evaluate_all, extrapolated, size_of
from matcalc.numeric.statements import with_statements

__all__ = [
    "MOST_ENTRIES",
    "Derived",
    "Found",
    "derivative_at",
    "derived_value",
    "hessian_at",
    "jacobian_at",
    "shape_of_derivative",
]

Kind = Literal["gradient", "jacobian", "hessian"]
MOST_ENTRIES = 2_500  # of a variable that is differentiated entry by entry
EXACT_FLOOR = 1e-2  # of the floor of a survey, for the complex step
STANDS_FOR = "·"  # the name of a subexpression that is differentiated by


@dataclass(frozen=True, slots=True)
class Derived:
    """The derivative of ``body`` by ``by``: a symbol, a definition, or a subexpression of the body."""

    kind: Kind
    body: Term
    by: Term
    shape: Shape


@dataclass(frozen=True, slots=True)
class Found:
    """A numerical derivative. ``exact``: by the complex step, right to the last digits; ``floor``: what is far below it
    is rounding, where rates of change that cancel in the whole were much larger."""

    value: Array
    exact: bool
    floor: float = 0.0


def shape_of_derivative(kind: str, body: Shape, by: Shape) -> Shape:
    """The shape in the conventions of the language: a gradient is shaped like the variable, a Jacobian has a row for
    every entry of the value."""
    if kind == "hessian":
        return Shape(by.rows * by.cols, by.rows * by.cols)
    if body.is_scalar and (kind == "gradient" or (by.rows is not ONE and by.cols is not ONE)):
        return by
    if by.is_scalar and not body.is_scalar and kind == "gradient":
        return body
    return Shape(body.rows * body.cols, by.rows * by.cols)


def derived_value(d: Derived, problem: Problem, point: Point) -> Found:
    """The value of a derivative at a point."""
    if d.by.op == "elem":
        return _by_member(d, problem, point)
    problem, name = _posed(d, problem)
    point = with_statements(problem, point)
    if d.kind == "hessian":
        return hessian_at(problem, point, name)
    found = jacobian_at(problem, point, name)
    return Found(_read(found.value, d, point.values[name].shape), found.exact)


def _by_member(d: Derived, problem: Problem, point: Point) -> Found:
    """The derivative by one member of a family, by differences; what follows from the member moves along."""
    if d.kind == "hessian":
        raise MatcalcError("second derivatives by members of families are not found numerically")
    family, index = d.by.data
    k = size_of(index, point.sizes)
    members = point.values.get(family)
    if not isinstance(members, Mapping) or k not in members:
        raise MatcalcError(f"'{d.by}' has no value here")
    here = np.asarray(members[k])

    def value(move: Array) -> Array:
        moved = with_statements(problem, point, {family: {k: move}})
        return evaluate_all([d.body], moved)[0].reshape(-1, order="F")

    columns = []
    for i in range(here.size):
        direction = np.zeros(here.size)
        direction[i] = 1.0
        along = direction.reshape(here.shape, order="F")
        columns.append(extrapolated(lambda h, a=along: value(h * a)))  # type: ignore[misc]
    return Found(_read(np.stack(columns, axis=1), d, here.shape), False)


def _posed(d: Derived, problem: Problem) -> tuple[Problem, str]:
    """The problem whose objective is the body, and the name it is differentiated by."""
    if d.by.op == "sym":
        return replace(problem, objective=d.body), d.by.data
    inner = symbol(STANDS_FOR, *d.by.shape)
    body = replaced(d.body, {d.by: inner})
    if body is d.body:
        definitions = {x.symbol: x.term for x in problem.definitions}
        body = replaced(written_out(d.body, definitions), {written_out(d.by, definitions): inner})
        if STANDS_FOR not in body.free:
            raise MatcalcError(f"'{d.by}' does not occur in '{d.body}': it cannot be differentiated by")
    return replace(problem, objective=body, statements=(*problem.statements, Definition(STANDS_FOR, d.by))), STANDS_FOR


def written_out(t: Term, definitions: Mapping[Term, Term]) -> Term:
    """The term with definitions written out, as often as they use each other."""
    for _ in range(len(definitions) + 1):
        new = replaced(t, definitions) if definitions else t
        if new is t or new.size > 100_000:
            break
        t = new
    return t


def _read(flat: Array, d: Derived, variable: tuple[int, ...]) -> Array:
    """A Jacobian (rows: entries of the value) in the shape of the derivative."""
    if d.body.is_scalar and (d.kind == "gradient" or d.by.shape.is_matrix):
        return np.asarray(flat.reshape(variable, order="F"))
    if d.by.is_scalar and d.kind == "gradient" and not d.body.is_scalar and d.body.shape.is_matrix:
        raise MatcalcError("the derivative of a matrix by a number is written jac(...)")
    return flat


# ------------------------------------------------------------------------------ numerical derivatives
def jacobian_at(problem: Problem, point: Point, name: str, structure: Structure = "projected") -> Found:
    """The derivative of the objective by a name, rows for the entries of the value, columns for those of the
    variable."""
    objective = _objective(problem, point, name)
    variable = objective.variable
    if variable.size > MOST_ENTRIES:
        raise MatcalcError(f"'{name}' has too many entries to be differentiated numerically")
    with np.errstate(all="ignore"):
        survey = objective.survey(np.random.default_rng(7))
        exact = survey.exact
        outputs = objective.value().size
        out = np.zeros((outputs, variable.size))
        for b in all_directions((variable.shape[0], variable.shape[1]), objective.subspace, structure):
            out += np.outer(objective.derivative(b, exact), b.reshape(-1, order="F"))
    return Found(out, exact, survey.floor * (EXACT_FLOOR if exact else 1.0))


def hessian_at(problem: Problem, point: Point, name: str) -> Found:
    """The second derivative of a scalar objective: differences of first derivatives."""
    objective = _objective(problem, point, name)
    variable = objective.variable
    if variable.size > 100:
        raise MatcalcError(f"'{name}' has too many entries to be differentiated twice numerically")
    with np.errstate(all="ignore"):
        exact = objective.survey(np.random.default_rng(7)).exact
        out = np.zeros((variable.size, variable.size))
        for b in all_directions((variable.shape[0], variable.shape[1]), objective.subspace, "projected"):
            column = _change(objective, b, exact)
            out += np.outer(column, b.reshape(-1, order="F"))
    return Found(out, False)


def _change(objective: Objective, along: Array, exact: bool) -> Array:
    """How the gradient changes along a direction."""
    shape = (objective.variable.shape[0], objective.variable.shape[1])
    directions = all_directions(shape, objective.subspace, "projected")

    def gradient(h: float) -> Array:
        point = with_statements(objective.problem, objective.point, {objective.name: h * along})
        there = replace(objective, point=_held(point, objective, h * along))
        parts = [there.derivative(d, exact)[0] * d.reshape(-1, order="F") for d in directions]
        return np.asarray(np.sum(parts, axis=0))

    return extrapolated(gradient, 4e-3 if exact else 2e-2)


def _held(point: Point, objective: Objective, move: Array) -> Point:
    """The moved point; where the variable is a definition, its own statement would undo the move: refused."""
    if any(s.name == objective.name for s in objective.problem.definitions):
        raise MatcalcError(f"second derivatives by the definition '{objective.name}' are not found numerically")
    return point


def _objective(problem: Problem, point: Point, name: str) -> Objective:
    value = point.values.get(name)
    if value is None or isinstance(value, Mapping):
        raise MatcalcError(f"'{name}' is not a variable that can be differentiated by numerically")
    return Objective(problem, point, name)


def derivative_at(d: Derived, problem: Problem, point: Point, tangents: Mapping[str, Any]) -> Array:
    """How the value of a derivative changes along tangents of the symbols: the differential of ``grad(f, x)``."""

    def moved(h: float) -> Array:
        moves = {n: h * t for n, t in tangents.items() if n in problem.symbols}
        return derived_value(d, problem, with_statements(problem, point, moves)).value

    return extrapolated(moved, 4e-3)


def mentions(t: Term, names: Mapping[str, Derived]) -> list[str]:
    """The derivatives that occur in a term, in order."""
    return [s.data for s in subterms(t) if s.op == "sym" and s.data in names]
