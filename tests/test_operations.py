"""The length of an answer, counted as its reader would."""

from __future__ import annotations

import pytest

from matcalc.language.elaborate import parse_problem
from matcalc.language.operations import KINDS, operations
from matcalc.language.terms import add, fn, symbol


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("2*A'*(A*x - b)", 5),
        ("-inv(X)'", 3),
        ("A + A' - A.*B", 4),
        ("a*b'*(X^2)' + X'*a*b'*X' + (X^2)'*a*b'", 18),
        ("det(A + t*B)*tr(inv(A + t*B)*B)", 9),
        ("diag(exp(x))/sum(exp(x)) - exp(x)*exp(x)'/sum(exp(x))^2", 14),
        ("x'*x*A + 2*A*x*x'", 8),
        ("-X'*(y.*exp(-y.*(X*w))./(exp(-y.*(X*w)) + vector(1)))", 14),
    ],
)
def test_total(text: str, total: int) -> None:
    assert operations(parse_problem(text).objective)["total"] == total


def test_every_kind_is_counted() -> None:
    term = parse_problem("tr(inv(X)*(A' - B.*C))").objective
    assert operations(term) == {
        **dict.fromkeys(KINDS, 1),
        "total": 6,
    }
    assert list(operations(term)) == [*KINDS, "total"]


def test_shared_subterms_are_counted_as_often_as_they_are_read() -> None:
    term = symbol("x", "n")
    for _ in range(50):
        term = add(fn("exp", term), fn("exp", term))
    assert operations(term)["sum"] == 2**50 - 1
