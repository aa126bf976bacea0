"""The closed forms a textbook prints: each is derived, certified and no longer than the book's own form."""

from __future__ import annotations

import pytest

import matcalc
from matcalc.language.elaborate import parse_expression
from matcalc.language.operations import operations
from matcalc.rewriting.normal import equal

# (problem, declarations, variable, the book's answer, methods beside auto)
TABLE: list[tuple[str, str, str, str]] = [
    ("a'*x", "", "x", "a"),
    ("x'*x", "", "x", "2*x"),
    ("norm2(x)^2", "", "x", "2*x"),
    ("norm2(x)", "", "x", "x/norm2(x)"),
    ("A*x", "", "x", "A"),
    ("x'*A*x", "", "x", "(A + A')*x"),
    ("x'*A*x", "A: n×n symmetric", "x", "2*A*x"),
    ("(A*x - b)'*W*(A*x - b)", "W: m×m symmetric", "x", "2*A'*W*(A*x - b)"),
    ("tr(A'*X)", "", "X", "A"),
    ("tr(A*X')", "", "X", "A"),
    ("tr(A*X)", "", "X", "A'"),
    ("tr(X*A)", "", "X", "A'"),
    ("tr(X*A*X'*B)", "", "X", "B'*X*A' + B*X*A"),
    ("a'*X*b", "", "X", "a*b'"),
    ("a'*X'*X*a", "", "X", "2*X*a*a'"),
    ("a'*inv(X)*b", "", "X", "-inv(X)'*a*b'*inv(X)'"),
    ("det(X)", "", "X", "det(X)*inv(X)'"),
    ("logdet(X)", "", "X", "inv(X)'"),
    ("log(det(X'*X))", "", "X", "2*X*inv(X'*X)"),
    ("normF(X*A' - B)^2", "", "X", "2*(X*A' - B)*A"),
    ("-beta/2*normF(Phi*W - T)^2", "", "W", "-beta*Phi'*(Phi*W - T)"),
    ("norm2(A*x - b)^2", "", "x", "2*A'*(A*x - b)"),
    ("norm2(A*x - b)^2 + lambda*norm2(x)^2", "", "x", "2*A'*(A*x - b) + 2*lambda*x"),
    ("f(A*X + B)", "f: function", "X", "A'*grad(f, A*X + B)"),
    ("f(X*C + D)", "f: function", "X", "grad(f, X*C + D)*C'"),
    ("Y = H*W; loss(Y)", "H: m×n; W: n×p", "H", "grad(loss, Y)*W'"),
    ("Y = H*W; loss(Y)", "H: m×n; W: n×p", "W", "H'*grad(loss, Y)"),
    ("u(x)'*v(x)", "u: function -> m; v: function -> m; x: n", "x", "jac(u, x)'*v(x) + jac(v, x)'*u(x)"),
    ("sum(log(exp(-y.*(X*w)) + vector(1)))", "", "w", "-X'*(y.*sigmoid(-y.*(X*w)))"),
    ("log(sum(exp(A*x)))", "", "x", "A'*softmax(A*x)"),
    (
        "-n/2*logdet(S) - 1/2*tr(inv(S)*C)",
        "S: n×n symmetric; C: n×n symmetric",
        "S",
        "-n/2*inv(S) + 1/2*inv(S)*C*inv(S)",
    ),
    ("normF(X - U*V')^2", "", "U", "-2*(X - U*V')*V"),
    ("normF(X - U*V')^2", "", "V", "-2*(X - U*V')'*U"),
    ("sum(sigmoid(A*X).*B)", "A: m×n; X: n×p", "X", "A'*(B.*sigmoid(A*X).*(ones(m, p) - sigmoid(A*X)))"),
]
METHODS = ("auto", "differential", "linear", "expand")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("problem", "declare", "wrt", "book"), TABLE, ids=[f"{t[0]} by {t[2]}" for t in TABLE])
def test_textbook_form(problem: str, declare: str, wrt: str, book: str, method: str) -> None:
    d = matcalc.derive(problem, wrt=wrt, declare=declare or None, method=method)
    expected = parse_expression(book, d.problem)
    assert d.certificate.status == "verified"
    assert equal(d.answer, expected, d.problem.facts), f"{d.answer} is not {book}"
    assert operations(d.answer)["total"] <= operations(expected)["total"], f"{d.answer} is longer than {book}"


def test_brief_least_squares_is_short() -> None:
    assert len(matcalc.derive("norm2(A*x - b)^2", wrt="x").steps) <= 6
