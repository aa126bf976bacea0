"""A derivation for a paper: LaTeX to paste (amsmath), and Markdown with mathematics between dollars."""

from __future__ import annotations

from collections.abc import Sequence

from matcalc.report.notation import LATEX
from matcalc.report.recurrences import Row, answer_rows, rows, shared_steps, unrolled_rows
from matcalc.report.telling import Line, Told, certified, given, lines, other_readings, program, remarks
from matcalc.rewriting.steps import Step

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
    for row in _aligned_rows(list(rows(program(problem), LATEX))):
        out[-1] += r" \\"
        out.append(row)
    out.append(r"\end{align*}")
    for name in derivation.answers:
        shared, own = shared_steps(derivation, name)
        out += _latex_steps(shared, detail)
        if derivation.back is not None and name == next(iter(derivation.answers)):
            for formula in derivation.back.lines:
                out += _latex_steps(formula.steps, detail)
            out += _latex_rows([*rows(derivation.back.statements, LATEX), *unrolled_rows(derivation, LATEX)])
        out += _latex_steps(own, detail)
        out += _latex_rows(answer_rows(derivation, name, LATEX))
        out += [f"% {kind}: {LATEX.term(t)}" for kind, t in other_readings(derivation, name)]
    out += [f"% {remark}" for remark in remarks(derivation)]
    out.append(f"% {certified(derivation.certificate)}")
    return "\n".join(out) + "\n"


def _latex_steps(steps: Sequence[Step], detail: str) -> list[str]:
    told = lines(steps, detail)
    if not told:
        return []
    reasons = [f"% {rule}: {reason}" for rule, reason in _reasons(told)]
    return [*reasons, r"\begin{align*}", " \\\\\n".join(aligned(told)), r"\end{align*}"]


def _latex_rows(found: Sequence[Row]) -> list[str]:
    """One equation by itself, or several aligned."""
    if not found:
        return []
    if len(found) == 1 and not found[0].indices:
        return [r"\begin{equation*}", f"{found[0].left} = {found[0].right}", r"\end{equation*}"]
    return [r"\begin{align*}", " \\\\\n".join(_aligned_rows(found)), r"\end{align*}"]


def _aligned_rows(found: Sequence[Row]) -> list[str]:
    out = []
    for r in found:
        behind = rf" \quad {r.indices}" if r.indices else ""
        out.append(rf"& {r.indices}" if r.is_heading else f"{r.left} &= {r.right}{behind}")
    return out


def markdown(derivation: Told, detail: str) -> str:
    """Display formulas, the reasons as a list, and the certificate."""
    problem = derivation.problem
    out = [f"$$\n{LATEX.label(problem.objective_name)} = {LATEX.term(problem.objective)}\n$$", ""]
    out += [f"where ${row}$  " for row in _inline(list(rows(program(problem), LATEX)))]
    out += [f"- {told}" for told in (*(f"`{d}`" for d in given(problem)), *problem.notes)]
    out.append("")
    for name in derivation.answers:
        shared, own = shared_steps(derivation, name)
        out += _markdown_steps(shared, detail)
        if derivation.back is not None and name == next(iter(derivation.answers)):
            for formula in derivation.back.lines:
                out += _markdown_steps(formula.steps, detail)
            out += _markdown_rows([*rows(derivation.back.statements, LATEX), *unrolled_rows(derivation, LATEX)])
        out += _markdown_steps(own, detail)
        out += _markdown_rows(answer_rows(derivation, name, LATEX))
        out += [f"{kind}: ${LATEX.term(t)}$\n" for kind, t in other_readings(derivation, name)]
    out += [f"- {remark}" for remark in remarks(derivation)]
    out.append(f"- {certified(derivation.certificate)}")
    return "\n".join(out) + "\n"


def _markdown_steps(steps: Sequence[Step], detail: str) -> list[str]:
    told = lines(steps, detail)
    if not told:
        return []
    reasons = [f"- `{rule}`: {reason}" for rule, reason in _reasons(told)]
    return [_display(aligned(told)), "", *reasons, ""]


def _markdown_rows(found: Sequence[Row]) -> list[str]:
    if not found:
        return []
    if len(found) == 1 and not found[0].indices:
        return [f"$$\n{found[0].left} = {found[0].right}\n$$", ""]
    return [_display(_aligned_rows(found)), ""]


def _display(told: Sequence[str]) -> str:
    inside = " \\\\\n".join(told)
    return f"$$\n\\begin{{aligned}}\n{inside}\n\\end{{aligned}}\n$$"


def _inline(found: Sequence[Row]) -> list[str]:
    behind = [rf" \quad {r.indices}" if r.indices else "" for r in found]
    return [r.indices if r.is_heading else f"{r.left} = {r.right}{b}" for r, b in zip(found, behind, strict=True)]


def _reasons(told: Sequence[Line]) -> list[tuple[str, str]]:
    """Each rule that was used, once, with the reason it was first used for."""
    first: dict[str, str] = {}
    for line in told:
        first.setdefault(line.rule, line.reason)
    return [(rule, reason) for rule, reason in first.items() if reason]
