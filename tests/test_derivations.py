"""Whole derivations: the mark of every line, the first wrong line and what is said of it."""

from __future__ import annotations

import pytest

import matcalc
from tests.derivations import DERIVATIONS, Marked

LETTERS = {
    "definition": "d", "remark": "m", "right": "r", "wrong": "w", "follows": "f", "right again": "a",
    "unreadable": "u", "undecided": "?",
}  # fmt: skip


@pytest.mark.parametrize("case", DERIVATIONS, ids=lambda c: c.name)
def test_every_line_has_its_mark(case: Marked) -> None:
    verdict = matcalc.check_lines(case.text, **case.options)
    marks = "".join(LETTERS[j.mark] for j in verdict.lines)
    assert marks in case.marks.split("|"), verdict
    assert verdict.status == ("wrong" if "w" in marks else "correct")
    assert verdict.line == case.line
    if case.kinds:
        assert verdict.diagnosis[0].kind in case.kinds.split("|"), verdict
    assert verdict.report()
