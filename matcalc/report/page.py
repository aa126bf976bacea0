"""A derivation as one HTML page that needs nothing else: formulas are MathML, and LaTeX to copy in their titles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matcalc import resources
from matcalc.language.problem import Problem
from matcalc.language.terms import Term
from matcalc.report.mathml import mathml
from matcalc.report.notation import LATEX
from matcalc.report.recurrences import Row, answer_rows, rows, shared_steps, unrolled_rows
from matcalc.report.telling import Told, certified, given, lines, other_readings, program, remarks
from matcalc.rewriting.steps import Step

__all__ = ["fragment", "page"]


def page(derivation: Told, detail: str) -> str:
    """The whole page."""
    return _rendered("derivation.html.j2", derivation, detail)


def fragment(derivation: Told, detail: str) -> str:
    """The body of the page, for a notebook."""
    return _rendered("derivation_body.html.j2", derivation, detail)


def _rendered(template: str, derivation: Told, detail: str) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: resources.read("templates", name)),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**_facts(derivation, detail))


def _formula(latex: str) -> dict[str, str]:
    return {"latex": latex, "mathml": mathml(latex)}


def _equation(label: str, term: Term) -> dict[str, str]:
    return _formula(f"{LATEX.label(label)} = {LATEX.term(term)}")


def _lines(steps: Sequence[Step], detail: str) -> list[dict[str, Any]]:
    """The rows of a derivation's table."""
    return [
        {
            "label": _formula(LATEX.label(line.label)) if line.label else None,
            "term": _formula(LATEX.term(line.term)),
            "rule": line.rule,
            "reason": line.reason,
            "depth": line.depth,
        }
        for line in lines(steps, detail)
    ]


def _shown(found: Sequence[Row]) -> list[dict[str, Any]]:
    """Results: each a formula with its text."""
    out = []
    for r in found:
        behind = rf" \quad {r.indices}" if r.indices else ""
        formula = r.indices if r.is_heading else f"{r.left} = {r.right}{behind}"
        out.append({"formula": _formula(formula), "text": "" if r.term is None else str(r.term)})
    return out


def _facts(derivation: Told, detail: str) -> dict[str, Any]:
    """What the templates lay out."""
    problem = derivation.problem
    answers = []
    for name in derivation.answers:
        shared, own = shared_steps(derivation, name)
        back = derivation.back
        if back is not None and name == next(iter(derivation.answers)):
            answers.append({"shown": [], "rows": _lines(shared, detail), "others": []})
            told = [row for formula in back.lines for row in _lines(formula.steps, detail)]
            found = [*rows(back.statements, LATEX), *unrolled_rows(derivation, LATEX)]
            answers.append({"shown": _shown(found), "rows": told, "others": []})
        others = [{"kind": kind, "term": _formula(LATEX.term(t))} for kind, t in other_readings(derivation, name)]
        shown = _shown(answer_rows(derivation, name, LATEX))
        answers.append({"shown": shown, "rows": _lines(own, detail), "others": others})
    return {
        "title": _title(problem),
        "objective": _equation(problem.objective_name, problem.objective),
        "definitions": [row["formula"] for row in _shown(list(rows(program(problem), LATEX)))],
        "declarations": [*given(problem), *problem.notes],
        "answers": answers,
        "remarks": remarks(derivation),
        "certificate": certified(derivation.certificate),
    }


def _title(problem: Problem) -> str:
    """The first line of the program: what a comment there says, or the line itself."""
    first = next(iter(problem.text.strip().splitlines()), "")
    return first.lstrip("#").strip() or str(problem.objective)
