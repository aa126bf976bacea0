"""A derivation as one HTML page that needs nothing else: formulas are MathML, and LaTeX to copy in their titles."""

from __future__ import annotations

from typing import Any

from matcalc import resources
from matcalc.language.terms import Term
from matcalc.report.mathml import mathml
from matcalc.report.notation import LATEX
from matcalc.report.telling import Told, certified, given, lines, other_readings, remarks

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


def _facts(derivation: Told, detail: str) -> dict[str, Any]:
    """What the templates lay out."""
    problem = derivation.problem
    answers = []
    for name, answer in derivation.answers.items():
        rows = [
            {
                "label": _formula(LATEX.label(line.label)) if line.label else None,
                "term": _formula(LATEX.term(line.term)),
                "rule": line.rule,
                "reason": line.reason,
                "depth": line.depth,
            }
            for line in lines(derivation.steps_of(name), detail)
        ]
        others = [{"kind": kind, "term": _formula(LATEX.term(t))} for kind, t in other_readings(derivation, name)]
        shown = _equation(derivation.labels[name], answer)
        answers.append({"answer": shown, "text": str(answer), "rows": rows, "others": others})
    return {
        "title": problem.text.strip().splitlines()[0] if problem.text.strip() else str(problem.objective),
        "objective": _equation(problem.objective_name, problem.objective),
        "definitions": [_equation(d.name, d.term) for d in problem.intermediates],
        "declarations": [*given(problem), *problem.notes],
        "answers": answers,
        "remarks": remarks(derivation),
        "certificate": certified(derivation.certificate),
    }
