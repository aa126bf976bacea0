"""Whether a line follows from an earlier wrong one: the same value, or the step from one to the other done right.

Known steps: the differential of something and its gradient, either way; the gradient by an intermediate value and the
gradient by what it depends on; the gradient and the Hessian; a definition and what uses it.

Invariant: only values are compared; nothing that is merely similar follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from matcalc.errors import MatcalcError
from matcalc.homework.compare import Ground, Place, close
from matcalc.homework.derived import Derived, jacobian_at
from matcalc.homework.meaning import Context
from matcalc.language.problem import Definition, Problem
from matcalc.language.terms import Term, differential, inner, make, mul, symbol
from matcalc.numeric.evaluate import Array
from matcalc.numeric.sample import CannotSample

__all__ = ["Wrong", "follows", "same_value"]

POINTS = 3
CARRIED = "·carried"


@dataclass(frozen=True, slots=True)
class Wrong:
    """A wrong line: what its left side means, and what was written."""

    head: Term
    written: Term
    varying: tuple[str, ...]


def same_value(ground: Ground, a: Term, b: Term) -> bool:
    """Whether two terms have one value at several points."""
    if a.shape != b.shape:
        return False
    compared = 0
    for place in _places(ground):
        try:
            x, y = place.value(a), place.value(b)
        except MatcalcError:
            return False
        if not close(x, y):
            return False
        compared += 1
    return compared > 0


def _places(ground: Ground) -> Iterator[Place]:
    for turn in range(POINTS):
        try:
            place = ground.place(turn)
        except CannotSample:
            return
        if place is not None:
            yield place


def follows(wrong: Wrong, head: Term, term: Term, problem: Problem, context: Context, seed: int) -> bool:
    """Whether ``head = term`` is what a wrong line leads to."""
    try:
        return _follows(wrong, head, term, problem, context, seed)
    except MatcalcError:
        return False


def _follows(wrong: Wrong, head: Term, term: Term, problem: Problem, context: Context, seed: int) -> bool:
    ground = Ground(problem, seed, wrong.varying, context.derived)
    if wrong.head is head:
        return same_value(ground, wrong.written, term)
    now, then = _derived(head, context), _derived(wrong.head, context)
    if now is not None and wrong.head.op == "d" and wrong.head.args[0] is now.body and now.by.op == "sym":
        return _read_off(now, term, wrong.written, problem, context, seed)
    if then is not None and head.op == "d" and head.args[0] is then.body and then.by.op == "sym":
        return _read_off(then, wrong.written, term, problem, context, seed)
    if now is not None and then is not None and now.body is then.body:
        if now.kind == "hessian" and then.kind == "gradient" and now.by is then.by:
            return _derivative(wrong.written, now.by, term, ground)
        if now.kind == then.kind == "gradient" and now.by is not then.by:
            return _carried(wrong.written, then.by, now.by, term, ground)
    if wrong.head.op == "sym" and any(d.symbol is wrong.head for d in problem.definitions):
        return _redefined(wrong, head, term, problem, context, seed)
    return False


def _derived(t: Term, context: Context) -> Derived | None:
    return context.derived.get(t.data) if t.op == "sym" else None


def _read_off(d: Derived, gradient: Term, form: Term, problem: Problem, context: Context, seed: int) -> bool:
    """Whether a differential is the one that belongs to a gradient or Jacobian."""
    change = differential(d.by)
    if d.body.is_scalar and gradient.shape == d.by.shape:
        claim = inner(gradient, change)
    elif d.body.is_scalar and gradient.shape == d.by.shape.transposed:
        claim = mul(gradient, change) if gradient.shape.is_row else make("tr", mul(gradient, change))
    else:
        column = change if change.shape.is_vector or change.is_scalar else make("vec", change)
        claim = mul(gradient, column)
        form = form if form.shape.is_vector or form.is_scalar else make("vec", form)
    return same_value(Ground(problem, seed, (d.by.data,), context.derived), claim, form)


def _derivative(gradient: Term, by: Term, term: Term, ground: Ground) -> bool:
    """Whether a term is the derivative of a (wrong) gradient."""
    for place in _places(ground):
        found = jacobian_at(replace(ground.problem, objective=gradient), place.point, by.data).value
        value = place.value(term)
        if found.shape != value.shape or not (close(value, found) or close(value, found.T)):
            return False
    return True


def _carried(cotangent: Term, through: Term, by: Term, term: Term, ground: Ground) -> bool:
    """Whether a term is a (wrong) gradient by an intermediate value carried on to another variable."""
    if by.op != "sym":
        return False
    compared = 0
    for place in _places(ground):
        held = place.value(cotangent)
        if held.shape != place.value(through).shape:
            return False
        point = replace(place.point, values={**place.values, CARRIED: held})
        objective = inner(symbol(CARRIED, *through.shape), through)
        found = jacobian_at(replace(ground.problem, objective=objective), point, by.data).value
        value = place.value(term)
        expected: Array = found.reshape(np.shape(place.values[by.data]), order="F")
        if not (value.shape == expected.shape and close(value, expected)):
            return False
        compared += 1
    return compared > 0


def _redefined(wrong: Wrong, head: Term, term: Term, problem: Problem, context: Context, seed: int) -> bool:
    """Whether a line is right for the problem with a (wrong) definition in it."""
    changed = tuple(
        Definition(s.name, wrong.written, s.span) if isinstance(s, Definition) and s.symbol is wrong.head else s
        for s in problem.statements
    )
    other = replace(problem, statements=changed)
    return same_value(Ground(other, seed, wrong.varying, context.derived), head, term)
