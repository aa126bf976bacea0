"""Members and recurrences as rows to print: what stands on the left, the formula, and for which indices it holds.

Statements are written in the order in which they are run.  Lines that are run together at each index stand under a
heading; a line by itself has its range behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from matcalc.language.binders import substitute_index
from matcalc.language.problem import Block, Boundary, Definition, Statement
from matcalc.language.terms import Term
from matcalc.report.notation import Notation

__all__ = ["Row", "all_rows", "answer_rows", "rows", "shared_steps", "unrolled_rows"]


class Row(NamedTuple):
    """One line: ``left = right``, and the indices it holds for; of a heading only the indices."""

    left: str
    right: str
    indices: str = ""
    depth: int = 0
    name: str = ""  # of the left side in plain text
    term: Term | None = None
    run: str = ""  # the indices of the heading it stands under

    @property
    def is_heading(self) -> bool:
        return self.term is None


def rows(statements: Sequence[Statement], notation: Notation) -> Iterator[Row]:
    """The statements as rows, without those that say nothing here (``h[0] = h0``, where both are set h_0)."""
    for row in all_rows(statements, notation):
        if row.is_heading or row.left != row.right:
            yield row


def all_rows(statements: Sequence[Statement], notation: Notation) -> Iterator[Row]:
    """Every statement as rows."""
    for s in statements:
        if isinstance(s, Definition):
            yield Row(notation.label(s.name), _value(s.term, notation), name=s.name, term=s.term)
        elif isinstance(s, Boundary):
            yield _row(s.target, s.term, notation)
        else:
            yield from _block(s, notation)


def _row(target: Term, term: Term, notation: Notation, indices: str = "", depth: int = 0) -> Row:
    return Row(notation.term(target), _value(term, notation), indices, depth, str(target), term)


def _value(t: Term, notation: Notation) -> str:
    return "0" if t.op == "zeros" else notation.term(t)


def _block(s: Block, notation: Notation) -> Iterator[Row]:
    whole = notation.indices(s.index, s.low, s.high, s.down)
    together = len(s.body) > 1
    if together:
        yield Row("", "", whole)
    for line in s.body:
        low, high = line.low or s.low, line.high or s.high
        if low is high:
            target, term = (substitute_index(t, s.index, low) for t in (line.target, line.term))
            yield _row(target, term, notation, depth=int(together))
            continue
        narrowed = line.low is not None or line.high is not None
        indices = notation.indices(s.index, low, high, s.down) if narrowed or not together else ""
        row = _row(line.target, line.term, notation, indices, int(together))
        yield row._replace(run=whole) if together else row


def answer_rows(derivation: Any, name: str, notation: Notation) -> list[Row]:
    """The gradient by a variable; of a family one row for each range of members."""
    back = derivation.back
    if back is None or name not in back.members:
        label, answer = derivation.labels[name], derivation.answers[name]
        return [Row(notation.label(label), notation.term(answer), name=label, term=answer)]
    out: list[Row] = []
    for m in back.members[name]:
        where = m.whole or m.range
        indices = "" if where is None or where.is_point else notation.indices(m.index, where.low, where.high, False)
        out.append(Row(notation.label(m.label), _value(m.term, notation), indices, name=m.label, term=m.term))
    return out


def unrolled_rows(derivation: Any, notation: Notation) -> list[Row]:
    """The recurrences in closed form."""
    out: list[Row] = []
    for m in derivation.back.unrolled if derivation.back is not None else ():
        indices = notation.indices(m.index, m.range.low, m.range.high, False)
        term = m.steps[-1].after
        out.append(Row(notation.label(m.label), notation.term(term), indices, name=m.label, term=term))
    return out


def shared_steps(derivation: Any, name: str) -> tuple[list[Any], list[Any]]:
    """The steps of a variable: those that speak of the changes of all variables, and its own."""
    steps = derivation.steps_of(name)
    if derivation.back is None:
        return [], list(steps)
    label = f"d({derivation.problem.objective_name})"
    return [s for s in steps if s.label == label], [s for s in steps if s.label != label]
