"""Derivatives by an entry, a row or a column of a variable: read off the derivative by the whole variable.

``grad(L, H[d,m])`` is the entry of ``grad(L, H)`` there; of a Jacobian it is the columns that belong to the part.  The
steps are those by the whole variable, and the reading at the end.

Invariant: the answer by a part is what its last step leads to, like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from matcalc.calculus.moves import move
from matcalc.errors import CannotDerive
from matcalc.language.dims import ONE
from matcalc.language.parts import Part, base_of, part
from matcalc.language.problem import Problem
from matcalc.language.terms import Term, eye, make, transpose, unit
from matcalc.rewriting.present import present
from matcalc.rewriting.steps import Step

if TYPE_CHECKING:
    from matcalc.calculus.derive import Derivation

__all__ = ["by_parts"]


def by_parts(whole: Derivation, problem: Problem, names: Sequence[str]) -> Derivation:
    """A derivation by whole variables read at the parts that are asked for."""
    if all(n == base_of(n) for n in names):
        return whole
    if whole.order == 2:
        raise CannotDerive("second derivatives are those by a whole variable", hint="derive by the variable itself")
    if whole.back is not None and any(base_of(n) in whole.back.members for n in names):
        raise CannotDerive("a member of a family has no entries to derive by", hint="derive by the whole family")
    lines = {n: (*whole.lines[base_of(n)], *_read(whole, problem, part(n))) for n in names}

    def each(table: Mapping[str, object]) -> dict[str, object]:
        return {n: table[base_of(n)] for n in names if base_of(n) in table}

    return replace(
        whole,
        lines=lines,
        methods=each(whole.methods),  # type: ignore[arg-type]
        settings=each(whole.settings),  # type: ignore[arg-type]
        alternatives={n: whole.alternatives[n] for n in names if n in whole.alternatives},
        conventions=tuple(dict.fromkeys(_convention(c, names) for c in whole.conventions)),
    )


def _convention(sentence: str, names: Sequence[str]) -> str:
    """The sentence about a whole variable's shape, said of its part."""
    for n in names:
        if sentence == f"the gradient has the shape of {base_of(n)}":
            return f"the gradient has the shape of {n}"
    return sentence


def _read(whole: Derivation, problem: Problem, p: Part) -> tuple[Step, ...]:
    """The steps from the derivative by a variable to that by a part of it."""
    if not p.indices:
        return ()
    last = whole.lines[p.base][-1]
    setting = whole.settings[p.base]
    given = _sides(whole, problem, p)
    word = "grad" if problem.objective.is_scalar else "jac"
    label = f"{word}({problem.objective_name}, {p})"
    made = move("read-part-of", last.after, setting, given=given, label=label, level=1)
    assert made is not None
    known = (problem.objective, *setting.definitions.values())
    new, parts = present(made.after, setting.facts, setting.definitions, known)
    if new is made.after:
        return (made,)
    inner = tuple(replace(s, level=2) for s in parts)
    if len(inner) == 1:
        return (made, replace(inner[0], label=label, level=1))
    reason = "; ".join(dict.fromkeys(s.reason for s in inner))
    return (made, Step("simplify", made.after, new, reason, label, substeps=inner))


def _sides(whole: Derivation, problem: Problem, p: Part) -> dict[str, Term]:
    """What the derivative is multiplied with on either side."""
    shape = problem.variable(p.base).shape
    row, col = p.sides(shape)
    rows = unit(row, shape.rows) if row is not None and shape.rows is not ONE else None
    cols = unit(col, shape.cols) if col is not None and shape.cols is not ONE else None
    if problem.objective.is_scalar:
        left, right = (cols, rows) if whole.layout == "numerator" else (rows, cols)
    else:  # the columns of the Jacobian that belong to the part
        sides = [u if u is not None else eye(n) for u, n in ((cols, shape.cols), (rows, shape.rows)) if n is not ONE]
        chosen = sides[0] if len(sides) == 1 else make("kron", *sides)
        left, right = (chosen, None) if whole.layout == "denominator" else (None, chosen)
    sides_of = {"left": None if left is None else transpose(left), "right": right}
    return {k: v for k, v in sides_of.items() if v is not None}
