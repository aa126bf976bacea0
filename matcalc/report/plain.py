"""A derivation for a terminal: aligned lines with the rule and its reason beside them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from matcalc.report.notation import TEXT, UNICODE, Notation
from matcalc.report.recurrences import Row, answer_rows, rows, shared_steps, unrolled_rows
from matcalc.report.telling import Line, Told, certified, given, lines, other_readings, program, remarks
from matcalc.rewriting.steps import Step
from matcalc.terminal import style

__all__ = ["plain"]

WIDTH = 64  # longer terms have their rule below them
LINE = 120  # and so have lines that would be longer


def plain(derivation: Told, form: str, detail: str, colour: bool) -> str:
    """The whole report."""
    notation = UNICODE if form == "unicode" else TEXT
    parts = [_question(derivation, notation)]
    for name in derivation.answers:
        shared, own = shared_steps(derivation, name)
        parts += _told(shared, detail, notation, colour)
        if derivation.back is not None and name == next(iter(derivation.answers)):
            parts += _recurrences(derivation, detail, notation, colour)
        parts += _told(own, detail, notation, colour)
        others = [f"  {kind}: {notation.term(t)}" for kind, t in other_readings(derivation, name)]
        shown = _rows(answer_rows(derivation, name, notation))
        parts.append("\n".join([*(style(line, "bold", colour) for line in shown), *others]))
    parts.append("\n".join([*remarks(derivation), _certificate(derivation, colour)]))
    return "\n\n".join(parts) + "\n"


def _told(steps: Sequence[Step], detail: str, notation: Notation, colour: bool) -> list[str]:
    told = _steps(lines(steps, detail), notation, colour)
    return [told] if told else []


def _recurrences(derivation: Told, detail: str, notation: Notation, colour: bool) -> list[str]:
    """The cotangents: how each formula comes about, and the statements in the order in which they are run."""
    back = derivation.back
    parts = [part for formula in back.lines for part in _told(formula.steps, detail, notation, colour)]
    shown = _rows(list(rows(back.statements, notation)))
    closed = _rows(unrolled_rows(derivation, notation))
    parts += ["\n".join(style(line, "bold", colour) for line in shown)] if shown else []
    return parts + (["\n".join(["written out:", *closed])] if closed else [])


def _rows(found: Sequence[Row]) -> list[str]:
    """``left = right   for t = T, ..., 1``, aligned; what is run together under a heading."""
    out = []
    for (depth, heading), group in groupby(found, lambda r: (r.depth, r.is_heading)):
        together = list(group)
        margin = max(len(r.left) for r in together)
        for r in together:
            line = f"{r.indices}:" if heading else f"{r.left:{margin}} = {r.right}"
            behind = f"   {r.indices}" if r.indices and not heading else ""
            out.append("  " * depth + line + behind)
    return out


def _question(derivation: Told, notation: Notation) -> str:
    """The objective, its definitions, and what the names are."""
    problem = derivation.problem
    out = [f"{problem.objective_name} = {notation.term(problem.objective)}"]
    words = "  where "
    for line in _rows(list(rows(program(problem), notation))):
        out.append(words + line)
        words = "        "
    declared = given(problem)
    out += [f"  given {', '.join(declared)}"] if declared else []
    return "\n".join([*out, *(f"  {note}" for note in problem.notes)])


def _steps(told: Sequence[Line], notation: Notation, colour: bool) -> str:
    """Lines ``label = term   rule: reason``; the label stands where it changes."""
    labels = [notation.label(line.label) for line in told]
    bodies = [f"{'  ' * line.depth}= {notation.term(line.term)}" for line in told]
    margin = max((len(label) for label in labels), default=0)
    beside = max((len(b) for b in bodies if len(b) <= WIDTH), default=0)
    out: list[str] = []
    for label, body, line in zip(labels, bodies, told, strict=True):
        why = f"{line.rule}: {line.reason}" if line.reason else line.rule
        if len(body) <= WIDTH and margin + beside + len(why) + 4 <= LINE:
            out.append(f"{label:{margin}} {body:{beside}}   {style(why, 'dim', colour)}")
        else:
            out += [f"{label:{margin}} {body}", f"{' ' * margin}       {style(why, 'dim', colour)}"]
    return "\n".join(out)


def _certificate(derivation: Told, colour: bool) -> str:
    told = certified(derivation.certificate)
    return style(told, "green", colour and told.startswith("verified"))
