"""The parts of a backward derivation as data, and lines of a walk put together as a reader should see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from matcalc.calculus.chain_moves import Backward
from matcalc.calculus.differential import ROUTINE
from matcalc.language.indices import Range
from matcalc.language.problem import Statement
from matcalc.language.terms import Term
from matcalc.rewriting.steps import Step

__all__ = ["Lines", "Pass", "Told", "opened_lines"]


@dataclass(frozen=True, slots=True)
class Lines:
    """The derivation of one formula: of a cotangent's or a gradient's members at the indices of a range."""

    label: str
    term: Term  # what the steps lead to
    steps: tuple[Step, ...]
    index: str = ""
    range: Range | None = None
    setting: Backward = field(default_factory=Backward)
    local: str = ""  # the name that alone varies, in the lines of a graph
    whole: Range | None = None  # where the formula holds, if that is more than the range it was derived for


@dataclass(frozen=True, slots=True)
class Pass:
    """The backward pass: statements to be run after the program's own, and the derivations of what they say."""

    statements: tuple[Statement, ...]
    program: tuple[Statement, ...]  # the problem's own, with the names that the first of the statements introduce
    introduced: int  # how many of the statements do nothing else
    checking: tuple[Statement, ...]  # with everything that occurs in the lines
    lines: tuple[Lines, ...]
    families: Mapping[str, tuple[Statement, ...]] = field(default_factory=dict)  # gradients by members
    members: Mapping[str, tuple[Lines, ...]] = field(default_factory=dict)  # their derivations, the main one first
    unrolled: tuple[Lines, ...] = ()  # closed forms of recurrences, where they were asked for
    least: int = 1
    setting: Backward = field(default_factory=Backward)
    local: bool = False  # the lines are those of a graph: in each one name alone varies
    cotangents: Mapping[str, str] = field(default_factory=dict)  # of a graph: node -> the name of its cotangent


@dataclass(frozen=True, slots=True)
class Told:
    """The lines for every variable, and the backward pass they refer to."""

    lines: Mapping[str, tuple[Step, ...]]
    back: Pass
    notes: tuple[str, ...] = ()
    conventions: tuple[str, ...] = ()


# ------------------------------------------------------------------------------ the lines of a walk
def opened_lines(start: Step, opened: Step, walk: Sequence[Step], label: str) -> list[Step]:
    """The lines of the objective's walk; that a number is its inner product with 1 is part of the first."""
    if not walk:
        return [replace(opened, label=label, level=1)]
    lines = _with_routine(list(walk), label)
    parts = (opened, *(lines[0].substeps or (replace(lines[0], level=2),)))
    lines[0] = replace(lines[0], before=start.after, substeps=parts)
    return lines


def _with_routine(walk: list[Step], label: str) -> list[Step]:
    """The lines of a walk; one in which nothing but routine happens is part of the next."""
    out: list[Step] = []
    held: list[Step] = []
    for s in walk:
        held.append(s)
        parts = s.substeps or (s,)
        routine = all(p.rule in ROUTINE or p.rule.startswith("adjoint-") for p in parts)
        if not routine or s is walk[-1]:
            if routine and out and len(held) == 1:
                held.insert(0, out.pop())
            out.append(_joined(held, label))
            held = []
    return out


def _joined(steps: Sequence[Step], label: str) -> Step:
    """Several lines as one, named by the one that is not routine."""
    if len(steps) == 1:
        return replace(steps[0], label=label)
    parts = tuple(p for s in steps for p in (s.substeps or (replace(s, level=2),)))
    told = next((s for s in steps if s.rule not in ("linear-transform", "linearity")), steps[-1])
    return Step(told.rule, steps[0].before, steps[-1].after, told.reason, label, substeps=parts)
