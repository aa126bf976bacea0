"""What four sets of lecture notes on gradients claim, each claim stated as a problem of the language.

A derivative must be the notes' closed form and no longer than it; an identity must hold; what the notes misprint must be
found not to hold.  The tables are ``tests/data/lectures/*.toml``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import matcalc
from matcalc.errors import MatcalcError
from matcalc.language.elaborate import parse_expression, parse_problem
from matcalc.language.operations import operations
from matcalc.language.problem import Problem
from matcalc.language.terms import Term
from matcalc.numeric.certify import certify_equal
from matcalc.rewriting.normal import equal

TABLES = Path(__file__).parent / "data" / "lectures"
SAME, DIFFERENT = 1e-7, 1e-3  # relative differences of values


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of a table."""

    file: str
    kind: str
    entry: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.file}: {self.entry['name']}"

    def get(self, key: str, default: Any = "") -> Any:
        return self.entry.get(key, default)


def rows() -> Iterator[Row]:
    for path in sorted(TABLES.glob("*.toml")):
        for kind, entries in tomllib.loads(path.read_text(encoding="utf-8")).items():
            yield from (Row(path.stem, kind, e) for e in entries)


ROWS = list(rows())


def of_kind(kind: str) -> list[Any]:
    return [pytest.param(r, id=r.id) for r in ROWS if r.kind == kind]


def agree(problem: Problem, a: Term, b: Term) -> bool:
    """Whether two terms are the same: by their normal forms, else by their values."""
    return equal(a, b, problem.facts) is True or (a.shape == b.shape and certify_equal(problem, a, b) < SAME)


def refuted(problem: Problem, right: Term, text: str) -> bool:
    """Whether a claim is no formula of the right shape, or has other values."""
    try:
        claimed = parse_expression(text, problem, shape=right.shape)
    except MatcalcError:
        return True
    return claimed.shape != right.shape or certify_equal(problem, right, claimed) > DIFFERENT


@pytest.mark.parametrize("row", of_kind("derivative"))
def test_the_derivative_is_the_closed_form(row: Row) -> None:
    d = matcalc.derive(
        row.get("problem"),
        wrt=row.get("by"),
        declare=row.get("given"),
        order=row.get("order", 1),
        layout=row.get("layout", "gradient"),
        method=row.get("method", "auto"),
    )
    assert d.certificate.status == "verified"
    book = parse_expression(" ".join(row.get("answer").split()), d.problem, shape=d.answer.shape)
    assert agree(d.problem, d.answer, book), f"{d.answer} is not {book}"
    for text in row.get("wrong", []):
        assert refuted(d.problem, d.answer, text), f"{text} is not refuted"
    most = row.get("operations", operations(book)["total"])
    assert operations(d.answer)["total"] <= most, f"{d.answer} is longer than {book}"


@pytest.mark.parametrize("row", of_kind("identity"))
def test_the_identity_holds(row: Row) -> None:
    problem = parse_problem(f"{row.get('where')}\n{row.get('left')}", row.get("given"))
    right = parse_expression(row.get("right"), problem, shape=problem.objective.shape)
    assert agree(problem, problem.objective, right), f"{problem.objective} is not {right}"
    for text in row.get("wrong", []):
        assert refuted(problem, problem.objective, text), f"{text} is not refuted"
