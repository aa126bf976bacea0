"""Closed forms that books print: the answer must be right and no longer than the book's.

The tables are ``tests/data/books/*.txt``: a line is ``problem | by | closed form | declarations | options`` with the
options ``order 2``, ``entries`` (the convention of independent entries) and ``wide`` (what is declared first is smallest,
for an inverse to exist).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from matcalc.calculus.derive import derive
from matcalc.language.operations import operations
from matcalc.language.problem import Problem
from matcalc.language.terms import Term
from tests.fuzz.reference import value
from tests.fuzz.sample import sample
from tests.test_problems_like import Row, read, sizes_of, truth

TABLES = Path(__file__).parent / "data" / "books"


@dataclass(frozen=True, slots=True)
class BookRow(Row):
    file: str = ""
    wide: bool = False


def rows() -> Iterator[BookRow]:
    for path in sorted(TABLES.glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line or line.startswith("#"):
                continue
            text, wrt, expected, declare, *options = (part.strip() for part in line.split("|"))
            asked = options[0] if options else ""
            yield BookRow(
                text,
                wrt,
                expected,
                declare,
                order=2 if "order 2" in asked else 1,
                structure="entries" if "entries" in asked else "projected",
                file=path.stem,
                wide="wide" in asked,
            )


ROWS = list(rows())


def judged(row: Row, problem: Problem, expected: Term, answer: Term) -> str:
    """What is wrong: the answer, the book's form, or that no point could be compared."""
    sizes = sizes_of(problem)
    if isinstance(row, BookRow) and row.wide:
        sizes = {name: 4 + i for i, name in enumerate(sizes)}
    compared = 0
    for seed in range(40):
        values = sample(problem, sizes, [seed])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            right = truth(row, problem, values, sizes)
            if not np.all(np.isfinite(right)):  # outside of a domain
                continue
            compared += 1
            for name, form in (("expected", expected), ("answer", answer)):
                if not np.allclose(value(form, values, sizes), right, rtol=1e-7, atol=1e-8):
                    return name
        if compared == 2:
            return ""
    return "uncompared"


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.id)
def test_the_books_form_is_found(row: BookRow) -> None:
    problem, expected = read(row)
    answer = derive(problem, order=row.order, structure=row.structure).answers[row.wrt]
    assert judged(row, problem, expected, answer) == "", f"{answer}, {expected}"
    assert operations(answer)["total"] <= operations(expected)["total"], f"{answer} is longer than {expected}"
