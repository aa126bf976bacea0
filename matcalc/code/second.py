"""Second derivatives in code: the gradients on the way to them, and a Hessian times a direction.

Invariant: a Hessian times a direction is a term without the Hessian wherever that is a sum or a product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from matcalc.language import terms as T
from matcalc.language.problem import Problem
from matcalc.language.terms import Term

__all__ = ["gradients_before", "hessian_times"]


class Told(Protocol):
    """What is read of a derivation."""

    @property
    def problem(self) -> Problem: ...
    @property
    def lines(self) -> Mapping[str, Sequence[Any]]: ...


def gradients_before(derivation: Told) -> dict[str, Term] | None:
    """The gradients on the way to second derivatives: the last line of each with a gradient's label."""
    found: dict[str, Term] = {}
    for name, steps in derivation.lines.items():
        label = f"grad({derivation.problem.objective_name}, {name})"
        lines = [s.after for s in steps if s.label == label]
        if not lines:
            return None
        found[name] = lines[-1]
    return found


def hessian_times(hessian: Term, direction: Term) -> Term:
    """The Hessian times a direction, in the shape of the direction."""
    if direction.is_scalar:
        return T.mul(hessian, direction)
    if direction.shape.is_matrix:
        return T.make("unvec", _times(hessian, T.make("vec", direction)), data=tuple(direction.shape))
    column = direction if direction.shape.is_vector else T.transpose(direction)
    return _times(hessian, column)


def _times(t: Term, v: Term) -> Term:
    """A matrix times a column, inside of sums."""
    if t.op == "add":
        return T.add(*(_times(a, v) for a in t.args))
    if t.op == "neg":
        return T.neg(_times(t.args[0], v))
    if t.op == "sumover":
        return T.make("sumover", _times(t.args[0], v), data=t.data)
    if t.op == "div":
        return T.div(_times(t.args[0], v), t.args[1])
    return T.mul(t, v)
