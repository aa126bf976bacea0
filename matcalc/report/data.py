"""A derivation as JSON: the stable form for other programs. ASCII only, so that any pipe can carry it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from matcalc import __version__
from matcalc.errors import CannotDerive
from matcalc.language.dims import Dim, Shape
from matcalc.language.operations import operations
from matcalc.language.problem import Statement, Symbol
from matcalc.language.terms import Term
from matcalc.report.notation import LATEX, TEXT
from matcalc.report.recurrences import all_rows, answer_rows, unrolled_rows
from matcalc.report.telling import Told, program
from matcalc.rewriting.steps import Step

__all__ = ["as_data", "as_json"]


def as_json(derivation: Told, detail: str = "full") -> str:
    """The object of :func:`as_data`, indented."""
    return json.dumps(as_data(derivation, detail), ensure_ascii=True, indent=2)


def as_data(derivation: Told, detail: str = "full") -> dict[str, Any]:
    """Everything about a derivation as plain data. Steps are flat lists of trees, marked with their variable."""
    problem = derivation.problem
    return {
        "version": __version__,
        "problem": problem.text,
        "objective": {
            "name": problem.objective_name,
            "text": str(problem.objective),
            "latex": problem.objective.latex(),
        },
        "variables": {name: _variable(s) for name, s in problem.symbols.items()},
        "answers": {name: _named_answer(derivation, name) for name in derivation.answers},
        "definitions": _definitions([*program(problem), *_cotangents(derivation)]),
        **_unrolled(derivation),
        "steps": [] if detail == "none" else _all_steps(derivation),
        "conventions": list(derivation.conventions),
        "certificate": _certificate(derivation.certificate),
        "code": _code(derivation),
        "notes": list(derivation.notes),
    }


def _code(derivation: Told) -> dict[str, Any]:
    """The module's source; null with a reason where there can be none (functions that nobody knows)."""
    try:
        return {"target": "numpy", "source": derivation.code()}
    except CannotDerive as reason:
        return {"target": "numpy", "source": None, "reason": reason.message}


def _cotangents(derivation: Told) -> Sequence[Statement]:
    return () if derivation.back is None else derivation.back.statements


def _definitions(statements: Sequence[Statement]) -> list[dict[str, Any]]:
    """What the program and its backward pass define, in order; members with the indices they are defined for."""
    pairs = zip(all_rows(statements, TEXT), all_rows(statements, LATEX), strict=True)
    out = []
    for plain, latex in pairs:
        if plain.term is not None:
            entry = {"name": plain.name, "text": plain.right, "latex": latex.right}
            indices = plain.indices or plain.run
            out.append(entry | ({"indices": indices} if indices else {}))
    return out


def _unrolled(derivation: Told) -> dict[str, Any]:
    """The recurrences in closed form, where they were asked for."""
    found = zip(unrolled_rows(derivation, TEXT), unrolled_rows(derivation, LATEX), strict=True)
    told = [{"name": r.name, "text": r.right, "latex": x.right, "indices": r.indices} for r, x in found]
    return {"unrolled": told} if told else {}


def _all_steps(derivation: Told) -> list[dict[str, Any]]:
    """The steps of every answer, and of the recurrences' formulas under their own names."""
    out = [s for name in derivation.answers for s in _steps(derivation, name, derivation.steps_of(name))]
    for formula in derivation.back.lines if derivation.back is not None else ():
        out += _steps(derivation, formula.label, formula.steps)
    return out


def _size(d: Dim) -> int | str:
    return str(d) if d.value is None else d.value


def _shape(shape: Shape) -> list[int | str]:
    return [_size(shape.rows), _size(shape.cols)]


def _variable(s: Symbol) -> dict[str, Any]:
    return {"shape": _shape(s.shape), "properties": sorted(s.properties), "assumed": s.assumed}


def _named_answer(derivation: Told, name: str) -> dict[str, Any]:
    others = derivation.alternatives.get(name, {})
    shown = {"label": derivation.labels[name], **_answer(derivation.answers[name])}
    if derivation.back is not None and name in derivation.back.members:
        found = answer_rows(derivation, name, TEXT)
        shown["members"] = [{"label": r.name, "text": r.right, "indices": r.indices} for r in found]
    if others:
        shown |= {"structure": derivation.structure, "structures": {c: _answer(t) for c, t in others.items()}}
    return shown


def _answer(t: Term) -> dict[str, Any]:
    return {
        "text": str(t),
        "unicode": t.unicode(),
        "latex": t.latex(),
        "shape": _shape(t.shape),
        "operations": operations(t),
    }


def _steps(derivation: Told, name: str, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The top-level steps of one answer or formula, each with its tree below it."""
    errors = iter(derivation.checks.get(name, ()))
    return [{"wrt": name, **_step(step, errors)} for step in steps]


def _step(step: Step, errors: Iterator[float | None]) -> dict[str, Any]:
    """A step as data; ``errors`` are consumed in the order of Step.walk."""
    error = next(errors, None)
    return {
        "rule": step.rule,
        "reason": step.reason,
        "label": step.label,
        "before": str(step.before),
        "after": str(step.after),
        "level": step.level,
        "check": None if error is None else {"status": "verified", "error": error},
        "substeps": [_step(s, errors) for s in step.substeps],
    }


def _certificate(c: Any) -> dict[str, Any]:
    return {
        "status": c.status,
        "method": c.method,
        "worst_error": c.worst_error,
        "points": c.points,
        "shapes": list(c.shapes),
        "seed": c.seed,
        "notes": list(c.notes),
    }
