"""A derivation for a terminal: aligned lines with the rule and its reason beside them."""

from __future__ import annotations

from collections.abc import Sequence

from matcalc.report.notation import TEXT, UNICODE, Notation
from matcalc.report.telling import Line, Told, certified, given, lines, other_readings, remarks
from matcalc.terminal import style

__all__ = ["plain"]

WIDTH = 64  # longer terms have their rule below them
LINE = 120  # and so have lines that would be longer


def plain(derivation: Told, form: str, detail: str, colour: bool) -> str:
    """The whole report."""
    notation = UNICODE if form == "unicode" else TEXT
    parts = [_question(derivation, notation)]
    for name, answer in derivation.answers.items():
        told = _steps(lines(derivation.steps_of(name), detail), notation, colour)
        shown = f"{notation.label(derivation.labels[name])} = {notation.term(answer)}"
        parts += [told] if told else []
        others = [f"  {kind}: {notation.term(t)}" for kind, t in other_readings(derivation, name)]
        parts.append("\n".join([style(shown, "bold", colour), *others]))
    parts.append("\n".join([*remarks(derivation), _certificate(derivation, colour)]))
    return "\n\n".join(parts) + "\n"


def _question(derivation: Told, notation: Notation) -> str:
    """The objective, its definitions, and what the names are."""
    problem = derivation.problem
    out = [f"{problem.objective_name} = {notation.term(problem.objective)}"]
    out += [f"  where {d.name} = {notation.term(d.term)}" for d in problem.intermediates]
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
