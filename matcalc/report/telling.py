"""A derivation as lines to print: what every format shows, before any format is chosen.

Brief: the steps of level 1, where a line runs to just before the next such step, so that the last line is always the
answer.  Full: every step, with what it is made of beneath it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from matcalc.language.problem import Definition, Function, Problem, Statement, Symbol, declaration
from matcalc.language.terms import Term
from matcalc.rewriting.steps import Step

__all__ = [
    "Line",
    "Told",
    "certified",
    "given",
    "lines",
    "other_readings",
    "program",
    "remarks",
]


class Told(Protocol):
    """What a report needs of a derivation."""

    @property
    def problem(self) -> Problem: ...
    @property
    def answers(self) -> Mapping[str, Term]: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def structure(self) -> str: ...
    @property
    def alternatives(self) -> Mapping[str, Mapping[str, Term]]: ...
    @property
    def conventions(self) -> Sequence[str]: ...
    @property
    def notes(self) -> Sequence[str]: ...
    @property
    def certificate(self) -> Any: ...
    @property
    def back(self) -> Any: ...  # the backward pass through recurrences, or None
    @property
    def checks(self) -> Mapping[str, Sequence[float | None]]: ...
    def code(self, target: str = ...) -> str: ...
    def steps_of(self, name: str) -> Sequence[Step]: ...


@dataclass(frozen=True, slots=True)
class Line:
    """``label = term``, with the rule that led to it from the line above."""

    label: str  # empty where it is that of the line above
    term: Term
    rule: str
    reason: str
    depth: int = 0  # 0: a line of the derivation; more: a part of the line above


def lines(steps: Sequence[Step], detail: str) -> list[Line]:
    """The lines of one derivation: ``detail`` is none, brief or full."""
    if detail == "none":
        return []
    told = _brief(steps) if detail == "brief" else (line for step in steps for line in _full(step, 0))
    out: list[Line] = []
    label = ""
    for line in told:
        if line.rule == "read-off" and line.label == str(line.term):
            continue  # grad(L, Y), where L is an opaque loss of Y
        out.append(replace(line, label="") if line.depth or line.label == label else line)
        label = label if line.depth else line.label
    return out


def _brief(steps: Sequence[Step]) -> Iterator[Line]:
    shown: list[Step] = []
    last: list[Step] = []  # the step at which each line ends
    for step in steps:
        if step.level > 1 and shown and step.label == shown[-1].label:
            last[-1] = step
        else:
            shown.append(step)
            last.append(step)
    for step, end in zip(shown, last, strict=True):
        yield Line(step.label, end.after, step.rule, step.reason)


def _full(step: Step, depth: int) -> Iterator[Line]:
    yield Line(step.label, step.after, step.rule, step.reason, depth)
    for part in step.substeps:
        yield from _full(part, depth + 1)


# ------------------------------------------------------------------ what the names are
def given(problem: Problem) -> list[str]:
    """The declarations that were made; what was read off the formula is in the problem's notes."""
    every: list[Symbol | Function] = [*problem.symbols.values(), *problem.functions.values()]
    return [*(declaration(s) for s in every if not s.assumed), *map(str, problem.formulas.values())]


def program(problem: Problem) -> list[Statement]:
    """The statements of the problem beside the definition of the objective itself."""
    return [s for s in problem.statements if not (isinstance(s, Definition) and s.name == problem.objective_name)]


READINGS = {"projected": "projected onto the variable's subspace", "entries": "by the independent entries"}


def other_readings(derivation: Told, name: str) -> list[tuple[str, Term]]:
    """The answer by a structured variable in the conventions that were not asked for, each with what it is called."""
    answer, found = derivation.answers[name], derivation.alternatives.get(name, {})
    return [(READINGS[c], t) for c, t in found.items() if c != derivation.structure and t is not answer]


def remarks(derivation: Told) -> list[str]:
    """What stands below the answers: the conventions, and the notes that are not about the reading of the problem."""
    read = derivation.problem.notes
    return [*derivation.conventions, *(f"note: {n}" for n in derivation.notes if n not in read)]


def certified(certificate: Any) -> str:
    """The certificate on one line."""
    if certificate is None or certificate.status == "skipped":
        reasons = "; ".join(certificate.notes) if certificate is not None else ""
        return "not verified" + (f": {reasons}" if reasons else "")
    first = ", ".join(f"{name} {_sizes(shape)}" for name, shape in certificate.shapes[0].items() if shape != [1, 1])
    others = len(certificate.shapes) - 1
    lengths = "; ".join(f"{n} = {', '.join(map(str, several))}" for n, several in certificate.lengths.items())
    shapes = f"shapes {first}" + (f" and {others} others" if others else "") if first else "scalars"
    shapes = f"lengths {lengths}, {shapes}" if lengths else shapes
    error = f"{certificate.worst_error:.0e}" if certificate.worst_error else "0"
    return (
        f"{certificate.status}: {certificate.points} points, {shapes}, worst relative error {error}, "
        f"seed {certificate.seed}, {certificate.method}"
    )


def _sizes(shape: Sequence[int]) -> str:
    rows, cols = shape
    return str(rows) if cols == 1 else f"{rows}×{cols}"
