"""Problems that have no value at any point are refused, with the part that has none; those that have one are not."""

from __future__ import annotations

import pytest

from matcalc import check, derive
from matcalc.errors import MatcalcError, ParseError
from matcalc.language.elaborate import parse_problem

IN_THE_TEXT = (  # text, the part under the caret, a word of the reason
    ("x'*x/(1 - 1)", "x'*x/(1 - 1)", "division by zero"),
    ("x'*x/(2/4 - 0.5)", "x'*x/(2/4 - 0.5)", "division by zero"),
    ("x'*x/tr(zeros(3,3))", "x'*x/tr(zeros(3,3))", "division by zero"),
    ("sum(x./zeros(n))", "x./zeros(n)", "division by zero"),
    ("0^-1*x'*x", "0^-1", "division by zero"),
    ("(1 - 1)^(-2)*x'*x", "(1 - 1)^(-2)", "division by zero"),
    ("log(0)*x'*x", "log(0)", "domain of log"),
    ("log(-2)*x'*x", "log(-2)", "domain of log"),
    ("log(cos(3))*x'*x", "log(cos(3))", "domain of log"),
    ("sqrt(1 - 2)*x'*x", "sqrt(1 - 2)", "domain of sqrt"),
    ("arcsin(2)*x'*x", "arcsin(2)", "domain of arcsin"),
    ("(-8)^(1/3)*x'*x", "(-8)^(1/3)", "negative number"),
    ("x'*inv(zeros(n,n))*x", "inv(zeros(n,n))", "zero has no inverse"),
    ("logdet(0)*x'*x", "logdet(0)", "zero has no log-determinant"),
    ("x'*inv(a*b')*x", "inv(a*b')", "rank at most 1"),
    ("logdet(x*x')", "logdet(x*x')", "rank at most 1"),
)


@pytest.mark.parametrize(("text", "part", "why"), IN_THE_TEXT)
def test_no_value_in_the_text(text: str, part: str, why: str) -> None:
    with pytest.raises(ParseError, match=why) as found:
        parse_problem(text, wrt="x")
    assert found.value.span is not None
    assert text[slice(*found.value.span)] == part


@pytest.mark.parametrize(
    ("text", "declare"),
    [
        ("x'*inv(A*B)*x", "A: 4×3; B: 3×4; x: 4"),
        ("x'*inv(a*b' + c*d')*x", "x: 3"),
        ("c = a*b'; x'*inv(c)*x", ""),
        ("c = 1 - 1; x'*x/c", ""),
        ("x'*x/(a'*b - b'*a)", ""),
        ("x'*x/(n - n)", "x: n"),
        ("log(x'*x - x'*x)", ""),
        ("log(-x'*x)", ""),
        ("sqrt(-x'*x - 1)", ""),
        ("(-x'*x)^(1/2)", ""),
        ("sum(log(-exp(x)))", ""),
        ("x'*inv(S - S')*x", "S: n×n symmetric"),
    ],
)
def test_no_value_as_the_normal_form_shows(text: str, declare: str) -> None:
    with pytest.raises(MatcalcError, match="has no value"):
        derive(text, wrt="x", declare=declare)


@pytest.mark.parametrize(
    ("text", "declare"),
    [
        ("x'*inv(A*B)*x", "A: 3×4; B: 4×3"),
        ("x'*inv(a*b' + I)*x", ""),
        ("x'*inv(a*b' + c*d')*x", "x: 2"),
        ("log(-det(A))*x'*x", ""),
        ("x'*x/(a'*b - a'*c)", ""),
        ("log(1)*x'*x + x'*x", ""),
        ("x'*x*logdet(-3)", ""),
        ("sqrt(4)*x'*x/(1 - 2)", ""),
        ("2^-1*x'*x", ""),
        ("(-2)^3*x'*x", ""),
    ],
)
def test_a_value_somewhere(text: str, declare: str) -> None:
    found = derive(text, wrt="x", declare=declare)
    assert found.certificate.status == "verified"


def test_an_answer_without_a_value_is_unreadable() -> None:
    assert check("x'*x", wrt="x", answer="2*x/(1 - 1)").status == "unreadable"
