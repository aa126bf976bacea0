"""The sentences that tell the user what was inferred and assumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from matcalc.language import terms
from matcalc.language.conventions import (
    convention,
)
from matcalc.language.problem import Function, Problem, Symbol
from matcalc.language.program import Program
from matcalc.language.reading import Reading
from matcalc.language.statements import Standing

__all__ = ["notes_of", "with_entrywise_notes"]

NAMED_ENTRYWISE = frozenset(
    ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "abs", "arcsin", "arccos", "arctan")
)


def notes_of(
    program: Program,
    reading: Reading,
    symbols: Mapping[str, Symbol],
    functions: Mapping[str, Function],
    chosen: Mapping[str, str],
) -> list[str]:
    """What was inferred and assumed, as sentences."""
    notes: list[str] = []
    shaped = [s for s in symbols.values() if s.assumed and not s.shape.is_scalar]
    if shaped:
        notes.append(", ".join(f"{s.name}{_of_index(s)} is {s.shape}" for s in shaped) + " (inferred)")
    for s in symbols.values():
        if s.assumed and s.shape.is_scalar:
            notes.append(f"{s.name}{_of_index(s)} read as a scalar")
        elif s.assumed and chosen.get(s.name) == "vector" and s.name[0].isupper() is False and _usually_scalar(s.name):
            notes.append(f"{s.name} read as a vector")
    for f in functions.values():
        if f.assumed:
            how = "a scalar-valued function" if f.kind == "value" else "a function of each entry"
            notes.append(f"{f.name} read as {how}")
    standing = [s for s in program.statements if isinstance(s, Standing)]
    if len(standing) > 1 or (standing and program.objective is not standing[-1]):
        assert program.objective is not None
        notes.append(f"only {reading.says(program.objective.body)[:60]} is derived; the other expressions are not used")
    return notes + list(reading.notes)


def _usually_scalar(name: str) -> bool:
    return convention(name)[0] == "scalar"


def _of_index(s: Symbol) -> str:
    return f"[{s.index}]" if s.index is not None else ""


def with_entrywise_notes(problem: Problem) -> Problem:
    """Say where an elementwise function under a trace could be taken for a function of the matrix."""
    found: dict[str, None] = {}
    bodies = [problem.objective, *(d.term for d in problem.definitions)]
    for body in bodies:
        for t in terms.subterms(body):
            if t.op not in ("tr", "det", "logdet", "inv"):
                continue
            for u in terms.subterms(t.args[0]):
                if u.op == "fn" and u.data[0] in NAMED_ENTRYWISE and u.shape.is_matrix:
                    found[
                        f"{u.data[0]} under {t.op} is applied to the entries, it is not the function of the matrix"
                    ] = None
    return replace(problem, notes=problem.notes + tuple(found)) if found else problem
