"""A derivation for a terminal: aligned lines with the rule and its reason beside them."""

from __future__ import annotations

from collections.abc import Sequence

from matcalc.report.notation import TEXT, UNICODE, Notation
from matcalc.report.telling import Line, Told, certified, given, lines, other_readings, remarks
from matcalc.terminal import style

__all__ = ["plain"]

WIDTH = 62  # longer lines have their rule below them


def plain(derivation: Told, form: str, detail: str, colour: bool) -> str:
    """The whole report."""
    notation = UNICODE if form == "unicode" else TEXT
    parts = [_question(derivation, notation)]
    for name, answer in derivation.answers.items():
        told = _steps(list(lines(derivation.steps_of(name), detail)), notation, colour)
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
    out += [f"  where {d.name} = {notation.term(d.term)}" for d in problem.definitions]
    declared = given(problem)
    out += [f"  given {', '.join(declared)}"] if declared else []
    return "\n".join([*out, *(f"  {note}" for note in problem.notes)])


def _steps(told: Sequence[Line], notation: Notation, colour: bool) -> str:
    """Lines ``label = term   rule: reason``; the label stands where it changes."""
    rows: list[tuple[str, str, Line]] = []
    before = ""
    for line in told:
        label = notation.label(line.label)
        shown = label if label != before and line.depth == 0 else ""
        before = label if line.depth == 0 else before
        rows.append((shown, notation.term(line.term), line))
    margin = max((len(label) for label, _, _ in rows), default=0)
    beside = max((len(t) for _, t, _ in rows if len(t) <= WIDTH), default=0)
    out: list[str] = []
    for label, term, line in rows:
        indent = "  " * line.depth
        start = f"{label:{margin}} {indent}= "
        why = style(f"{line.rule}: {line.reason}" if line.reason else line.rule, "dim", colour)
        if len(term) <= WIDTH:
            out.append(f"{start}{term:{beside}}   {why}".rstrip())
        else:
            out += [f"{start}{term}", f"{' ' * len(start)}  {why}"]
    return "\n".join(out)


def _certificate(derivation: Told, colour: bool) -> str:
    told = certified(derivation.certificate)
    return style(told, "green", colour and told.startswith("verified"))
