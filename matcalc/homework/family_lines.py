"""The families that the lines of a derivation define, as statements of the problem.

Invariant: families that the objective may stand on are read with it; those that run backward are read after it.
"""

from __future__ import annotations

from collections.abc import Sequence

from matcalc.errors import MatcalcError
from matcalc.homework.families import NAME, Family, with_statements_of
from matcalc.homework.statements import Line
from matcalc.language.conventions import Names
from matcalc.language.problem import Problem
from matcalc.language.program import KNOWN
from matcalc.language.syntax import parse_tree
from matcalc.numeric.statements import defined_names

__all__ = ["families_of", "forward", "with_lines_of_families"]


def forward(lines: Sequence[Line]) -> tuple[list[Family], list[Family]]:
    """The families that the objective may stand on, and those that run backward, begin with 0 or are used by no
    definition."""
    found = [line.family for line in lines if line.family is not None]
    bodies = [s.words for line in lines for s in line.sides if s.error is None and line.kind == "equation"]
    used = {n for line in lines if line.kind == "equation" and _is_definition(line) for n in families_of(line)}
    late = {f.name for f in found if f.is_zero or f.runs_down or (f.name not in used and bodies)}
    return [f for f in found if f.name not in late], [f for f in found if f.name in late]


def _is_definition(line: Line) -> bool:
    """Whether a line says what a name is."""
    return (
        not line.continues and line.sides[0].error is None and NAME.fullmatch(line.sides[0].words.strip()) is not None
    )


def families_of(line: Line) -> list[str]:
    """The families whose members occur in a line."""
    out: list[str] = []
    for side in line.sides:
        try:
            tree = parse_tree(side.text, side.start, side.stop) if side.error is None else None
        except MatcalcError:
            continue
        if tree is not None:
            names = Names()
            names.read(tree, lambda n: n in KNOWN)
            out += names.families
    return out


def with_lines_of_families(problem: Problem, lines: Sequence[Line]) -> tuple[Problem, frozenset[int]]:
    """The problem with the families that lines define, and the places of the lines that could be read."""
    known = {n for s in problem.statements for n in defined_names((s,))} | set(problem.symbols)
    found = [line.family for line in lines if line.family is not None]
    given = {f.name for f in found if f.name in known}
    for name in dict.fromkeys(f.name for f in found if f.name not in known):
        own = [f for f in found if f.name == name]
        try:
            problem = with_statements_of(problem, own)
        except MatcalcError:
            continue
        given.add(name)
    return problem, frozenset(
        i for i, line in enumerate(lines) if line.family is not None and line.family.name in given
    )
