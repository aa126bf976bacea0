"""What lecture notes on gradients claim, each claim stated as a problem of the language.

A derivative must be the notes' closed form and no longer than it (or than ``operations``, where a table says so); an
identity must hold; what is often misprinted must be found not to hold; a derivation must go through the notes' lines.
The tables are ``tests/data/lectures/*.toml``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import matcalc
from matcalc.calculus.passes import Pass
from matcalc.errors import ShapeError
from matcalc.language.elaborate import parse_expression, parse_problem
from matcalc.language.operations import operations
from matcalc.language.problem import Problem
from matcalc.language.terms import Term
from matcalc.numeric.certify import certify_equal
from matcalc.numeric.lines import Where, check_steps
from matcalc.report.notation import TEXT
from matcalc.report.recurrences import all_rows, shared_steps
from matcalc.rewriting.normal import equal
from matcalc.rewriting.steps import Step

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
    except ShapeError:
        return True
    return claimed.shape != right.shape or DIFFERENT < certify_equal(problem, right, claimed) < float("inf")


def is_longer(t: Term, than: Term) -> bool:
    return operations(t)["total"] > operations(than)["total"]


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
    if "operations" in row.entry:  # longer than the notes' form, and no longer than that
        assert operations(d.answer)["total"] <= row.get("operations")
    else:
        assert not is_longer(d.answer, book), f"{d.answer} is longer than {book}"


@pytest.mark.parametrize("row", of_kind("identity"))
def test_the_identity_holds(row: Row) -> None:
    problem = parse_problem(f"{row.get('where')}\n{row.get('left')}", row.get("given"))
    right = parse_expression(row.get("right"), problem, shape=problem.objective.shape)
    assert agree(problem, problem.objective, right), f"{problem.objective} is not {right}"
    for text in row.get("wrong", []):
        assert refuted(problem, problem.objective, text), f"{text} is not refuted"


# ------------------------------------------------------------------------------- recurrences, whole derivations
@dataclass(frozen=True, slots=True)
class Recurring:
    """A derivation with a backward pass, and the problem with the names of that pass."""

    d: matcalc.Derivation
    back: Pass
    problem: Problem

    def difference(self, name: str, a: Term, b: Term) -> float:
        """The largest relative difference of two values; of members of a family at every index."""
        member = next(iter(self.back.members.get(name, ())), None)
        where = None if member is None or member.range is None else Where(member.index, *member.range)
        return check_steps(self.problem, [(a, b)], where=where, points=4, shortest=self.back.least)[0]


def recurring(row: Row) -> Recurring:
    d = matcalc.derive(row.get("problem"), wrt=row.get("by"), declare=row.get("given"))
    assert d.certificate.status == "verified"
    assert d.back is not None
    return Recurring(d, d.back, replace(d.problem, statements=(*d.problem.statements, *d.back.statements)))


@pytest.mark.parametrize("row", of_kind("recurrence"))
def test_the_backward_recurrence_is_the_closed_form(row: Row) -> None:
    r = recurring(row)
    found = {line.name: line.term for line in all_rows(r.back.statements, TEXT) if line.term is not None}
    for left, right in (line.split(" = ") for line in row.get("backward")):
        expected = parse_expression(right, r.problem, shape=found[left].shape)
        assert agree(r.problem, found[left], expected), f"{left} = {found[left]}, not {right}"
        assert not is_longer(found[left], expected), f"{found[left]} is longer than {right}"


@pytest.mark.parametrize("row", of_kind("recurrence"))
def test_the_gradients_through_a_recurrence(row: Row) -> None:
    r = recurring(row)
    for (name, answer), right in zip(r.d.answers.items(), row.get("answers"), strict=True):
        expected = parse_expression(right, r.problem)
        assert r.difference(name, answer, expected) < SAME, f"{answer} is not {right}"
        assert not is_longer(answer, expected), f"{answer} is longer than {right}"
    name, answer = next(iter(r.d.answers.items()))
    for text in row.get("wrong", []):
        claimed = parse_expression(text, r.problem)
        assert DIFFERENT < r.difference(name, answer, claimed) < float("inf"), f"{text} is not refuted"


def told(d: matcalc.Derivation) -> list[str]:
    """Every line of a derivation with its left side, in the order in which they are told."""
    steps: list[Step] = []
    for i, name in enumerate(d.answers):
        shared, own = shared_steps(d, name)
        formulas = (*d.back.lines, *d.back.unrolled) if d.back is not None and i == 0 else ()
        steps += [*shared, *(s for f in formulas for s in f.steps), *own]
    return [f"{top.label} = {s.after}" for top in steps for s in top.walk()]


@pytest.mark.parametrize("row", of_kind("derivation"))
def test_the_derivation_goes_through_these_lines(row: Row) -> None:
    d = matcalc.derive(
        row.get("problem"),
        wrt=row.get("by"),
        declare=row.get("given"),
        method=row.get("method", "auto"),
        layout=row.get("layout", "gradient"),
        **row.get("options", {}),
    )
    assert d.certificate.status == "verified"
    lines = iter(told(d))
    for expected in row.get("lines"):
        assert expected in lines, f"not told, or not in this order: {expected}"


def test_the_tables_are_whole() -> None:
    assert len({r.id for r in ROWS if r.kind != "derivation"}) == sum(r.kind != "derivation" for r in ROWS)
    known = {"derivative", "identity", "recurrence", "derivation"}
    assert {r.kind for r in ROWS} == known
    assert sum(len(r.get("wrong", [])) for r in ROWS) >= 80
    assert all(r.get("lines") for r in ROWS if r.kind == "derivation")
