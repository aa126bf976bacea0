"""A derivation for a paper: LaTeX to paste (amsmath), and Markdown with mathematics between dollars."""

from __future__ import annotations

from collections.abc import Sequence

from matcalc.report.notation import LATEX
from matcalc.report.telling import Line, Told, certified, given, lines, other_readings, remarks

__all__ = ["aligned", "latex", "markdown"]

QUAD = r"\quad "


def aligned(told: Sequence[Line]) -> list[str]:
    r"""Rows for an ``aligned`` environment: ``label &= term && \text{rule}``, without the row ends."""
    return [
        rf"{LATEX.label(line.label)} &= {QUAD * line.depth}{LATEX.term(line.term)} && \text{{{line.rule}}}"
        for line in told
    ]


def latex(derivation: Told, detail: str) -> str:
    """``align*`` environments, one for each answer, with the reasons as comments."""
    problem = derivation.problem
    out = [f"% {told}" for told in (*given(problem), *problem.notes)]
    out += [r"\begin{align*}", rf"{LATEX.label(problem.objective_name)} &= {LATEX.term(problem.objective)}"]
    for d in problem.intermediates:
        out[-1] += r" \\"
        out.append(rf"{LATEX.label(d.name)} &= {LATEX.term(d.term)}")
    out.append(r"\end{align*}")
    for name, answer in derivation.answers.items():
        told = lines(derivation.steps_of(name), detail)
        if told:
            out += [f"% {rule}: {reason}" for rule, reason in _reasons(told)]
            out += [r"\begin{align*}", " \\\\\n".join(aligned(told)), r"\end{align*}"]
        out += [
            r"\begin{equation*}",
            f"{LATEX.label(derivation.labels[name])} = {LATEX.term(answer)}",
            r"\end{equation*}",
        ]
        out += [f"% {kind}: {LATEX.term(t)}" for kind, t in other_readings(derivation, name)]
    out += [f"% {remark}" for remark in remarks(derivation)]
    out.append(f"% {certified(derivation.certificate)}")
    return "\n".join(out) + "\n"


def markdown(derivation: Told, detail: str) -> str:
    """Display formulas, the reasons as a list, and the certificate."""
    problem = derivation.problem
    out = [f"$$\n{LATEX.label(problem.objective_name)} = {LATEX.term(problem.objective)}\n$$", ""]
    out += [f"where ${LATEX.label(d.name)} = {LATEX.term(d.term)}$  " for d in problem.intermediates]
    out += [f"- {told}" for told in (*(f"`{d}`" for d in given(problem)), *problem.notes)]
    out.append("")
    for name, answer in derivation.answers.items():
        told = lines(derivation.steps_of(name), detail)
        if told:
            rows = " \\\\\n".join(aligned(told))
            out += [f"$$\n\\begin{{aligned}}\n{rows}\n\\end{{aligned}}\n$$", ""]
            out += [*(f"- `{rule}`: {reason}" for rule, reason in _reasons(told)), ""]
        out += [f"$$\n{LATEX.label(derivation.labels[name])} = {LATEX.term(answer)}\n$$", ""]
        out += [f"{kind}: ${LATEX.term(t)}$\n" for kind, t in other_readings(derivation, name)]
    out += [f"- {remark}" for remark in remarks(derivation)]
    out.append(f"- {certified(derivation.certificate)}")
    return "\n".join(out) + "\n"


def _reasons(told: Sequence[Line]) -> list[tuple[str, str]]:
    """Each rule that was used, once, with the reason it was first used for."""
    first: dict[str, str] = {}
    for line in told:
        first.setdefault(line.rule, line.reason)
    return [(rule, reason) for rule, reason in first.items() if reason]
