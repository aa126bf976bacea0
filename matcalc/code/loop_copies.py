"""Constant copies, ``stop(W)``, in programs with families: for the check, the objective with the copies held.

The check moves an argument, and the copies must stay where they are.  So it runs what the copies are made of once more,
by other names, for the arguments that do not move.

Invariant: where nothing is held constant there is nothing to run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from matcalc.code.loop_program import needed, terms_of
from matcalc.code.stores import Store
from matcalc.language import terms as T
from matcalc.language.problem import Block, Boundary, Statement
from matcalc.language.terms import Term, subterms

__all__ = ["Held", "held", "held_name", "held_stores", "held_variable"]


@dataclass(frozen=True, slots=True)
class Held:
    """What the copies are made of, the program that reads them, and the objective."""

    before: tuple[Statement, ...]
    program: tuple[Statement, ...]
    objective: Term


def held_stores(stores: Mapping[str, Store]) -> dict[str, Store]:
    """Where the families live that are held."""
    return {held_name(n): replace(s, name=held_name(n), variable=held_variable(s.variable)) for n, s in stores.items()}


def held_variable(name: str) -> str:
    return f"{name}_held"


def held_name(name: str) -> str:
    return f"{name}·held"


def held(program: Sequence[Statement], objective: Term) -> Held | None:
    """The program with constant copies held. None: there are none."""
    every = [objective, *(t for s in program for t in terms_of(s))]
    copies = [s for t in every for s in subterms(t) if s.op == "stop"]
    if not copies:
        return None
    behind = needed(program, {n for c in copies for n in c.free})
    return Held(
        tuple(_changed(s, _renamed, True) for s in behind),
        tuple(_changed(s, _holding, False) for s in program),
        _holding(objective),
    )


def _changed(s: Statement, change: Callable[[Term], Term], targets_too: bool) -> Statement:
    if isinstance(s, Block):
        return replace(s, body=tuple(_line(line, change, targets_too) for line in s.body))
    if isinstance(s, Boundary):
        return _line(s, change, targets_too)
    return replace(s, term=change(s.term), name=held_name(s.name) if targets_too else s.name)


def _line(line: Boundary, change: Callable[[Term], Term], targets_too: bool) -> Boundary:
    return replace(line, term=change(line.term), target=change(line.target) if targets_too else line.target)


def _renamed(t: Term) -> Term:
    """A term for the arguments that do not move."""
    table: dict[Term, Term] = {}
    for s in subterms(t):
        if s.op == "sym":
            table[s] = T.symbol(held_name(s.data), *s.shape)
        elif s.op == "elem":
            table[s] = T.element(held_name(s.data[0]), s.data[1], s.shape)
    return T.replace(t, table)


def _holding(t: Term) -> Term:
    """A term whose constant copies are those of the arguments that do not move."""
    stops = [s for s in subterms(t) if s.op == "stop"]
    return T.replace(t, {s: _renamed(s.args[0]) for s in stops}) if stops else t
