"""Closed forms that books print: the answer must be right and no longer than the book's.

The tables are ``tests/data/books/*.txt``: a line is ``problem | by | closed form | declarations | options`` with the
options ``order 2`` and ``entries`` (the convention of independent entries).
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
            )


ROWS = list(rows())


def judged(row: Row, problem: Problem, expected: Term, answer: Term) -> str:
    """What is wrong: the answer, the book's form, or that no point could be compared."""
    sizes = sizes_of(problem)
    turned = {name: 4 + i for i, name in enumerate(sizes)}
    compared = 0
    for seed in range(40):
        now = turned if seed % 2 else sizes  # some matrices must be wide, some tall, for an inverse to exist
        values = sample(problem, now, [seed])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                right = truth(row, problem, values, now)
            except np.linalg.LinAlgError:
                continue
            if not np.all(np.isfinite(right)) or np.abs(right).max() > 1e6:  # outside of a domain, nearly singular
                continue
            compared += 1
            for name, form in (("expected", expected), ("answer", answer)):
                if not np.allclose(value(form, values, now), right, rtol=1e-7, atol=1e-8):
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
