"""The loss that is the objective: where ``L = loss(Y)``, the gradient of loss at Y is told as ``grad(L, Y)``.

The call that is the objective carries both names in the name of its function, ``loss=L``; so does every derivative that
rules make of it.  Calls are written and evaluated by the first, gradients and Hessians written by the second.

Invariant: only an opaque function of one name that is the whole of a named objective carries a second name;
``loss(W*x)`` keeps ``grad(loss, W*x)``, for L is a function of x there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matcalc.language import terms
from matcalc.language.terms import Term

__all__ = ["function_of", "named_loss", "same_call", "told_as"]

MARK = "="  # no name of the language has it
NAMES = ("sym", "elem")


def named_loss(objective: Term, name: str) -> Term:
    """The objective with its own name in it, where it is an opaque function of one name."""
    if objective.op != "call" or not objective.is_scalar or not _is_named(objective.args):
        return objective
    function, *shape = objective.data
    return terms.make("call", *objective.args, data=(f"{function}{MARK}{name}", *shape))


def function_of(name: str) -> str:
    """The function that is called."""
    return name.partition(MARK)[0]


def told_as(name: str, args: Sequence[Term]) -> str:
    """What its derivatives are told as derivatives of: the objective, where it is the loss of what has a name."""
    return name.rpartition(MARK)[2] if _is_named(args) else function_of(name)


def _is_named(args: Sequence[Term]) -> bool:
    return len(args) == 1 and args[0].op in NAMES


def same_call(name: str, args: tuple[Term, ...], objective: Term | None, bodies: Mapping[str, Term]) -> str:
    """The name with that of the objective, where a function at some arguments is the objective itself."""
    if objective is None or objective.op != "call" or MARK not in objective.data[0] or len(args) != 1:
        return name
    both = str(objective.data[0])
    if name not in both.split(MARK):
        return name
    if args[0].op not in NAMES:
        return both  # at another point
    met, own = (_expanded(t, bodies) for t in (args[0], objective.args[0]))
    return both if met is own else name


def _expanded(t: Term, bodies: Mapping[str, Term]) -> Term:
    for name, body in reversed(list(bodies.items())):
        t = terms.replace(t, {terms.symbol(name, *body.shape): body})
    return t
