"""Problems as textbooks, tables and courses set them, each with the closed form a person would write.

The answer must equal the closed form (and the closed form automatic differentiation) and be no longer than it.  The
evaluation is the fuzz's own, apart from matcalc's.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from matcalc.calculus.derive import derive
from matcalc.language.elaborate import parse_expression, parse_problem
from matcalc.language.operations import operations
from matcalc.language.problem import Problem
from matcalc.language.terms import Term
from tests.fuzz.reference import derivative, value
from tests.fuzz.sample import sample


@dataclass(frozen=True, slots=True)
class Row:
    text: str
    wrt: str
    expected: str
    declare: str = ""
    order: int = 1
    structure: str = "projected"

    @property
    def id(self) -> str:
        return f"{self.text} by {self.wrt}" + (f" order {self.order}" if self.order > 1 else "")


R = Row

VECTOR = [
    R("a'*x", "x", "a"),
    R("x'*a", "x", "a"),
    R("b'*A*x", "x", "A'*b"),
    R("x'*A*x", "x", "(A + A')*x"),
    R("x'*S*x", "x", "2*S*x", "S: n×n symmetric"),
    R("x'*A*B*x", "x", "(A*B + (A*B)')*x"),
    R("(x - a)'*(x - a)", "x", "2*(x - a)"),
    R("norm2(x - a)", "x", "(x - a)/norm2(x - a)"),
    R("norm2(x)^3", "x", "3*norm2(x)*x"),
    R("norm2(x)^4", "x", "4*norm2(x)^2*x"),
    R("1/norm2(x)", "x", "-x/norm2(x)^3"),
    R("log(norm2(x))", "x", "x/norm2(x)^2"),
    R("norm2(A*x)^2", "x", "2*A'*A*x"),
    R("norm2(A*x + b)^2", "x", "2*A'*(A*x + b)"),
    R("norm2(A*x - b)", "x", "A'*(A*x - b)/norm2(A*x - b)"),
    R("0.5*norm2(y - X*w)^2 + lambda/2*norm2(w)^2", "w", "lambda*w - X'*(y - X*w)"),
    R("(x - s)'*W*(x - s)", "x", "2*W*(x - s)", "W: n×n symmetric; s: n"),
    R("(x - s)'*W*(x - s)", "s", "-2*W*(x - s)", "W: n×n symmetric; s: n"),
    R("(x - A*s)'*W*(x - A*s)", "s", "-2*A'*W*(x - A*s)", "W: m×m symmetric; A: m×n"),
    R("(A*x + b)'*(C*x + v)", "x", "A'*(C*x + v) + C'*(A*x + b)"),
    R("(A*x - b)'*C*(D*x - v)", "x", "A'*C*(D*x - v) + D'*C'*(A*x - b)"),
    R("sum(exp(x))", "x", "exp(x)"),
    R("sum(log(x))", "x", "1./x", "x: n positive"),
    R("sum(x.^2)", "x", "2*x"),
    R("sum(x.^3)", "x", "3*x.^2"),
    R("sum(x)^2", "x", "2*sum(x)*ones(n)", "x: n"),
    R("(x'*x)^2", "x", "4*(x'*x)*x"),
    R("sum(a.*x.*x)", "x", "2*a.*x"),
    R("x'*diag(a)*x", "x", "2*a.*x"),
    R("x'*diag(x)*a", "x", "2*a.*x"),
    R("log(1 + exp(a'*x))", "x", "sigmoid(a'*x)*a"),
    R("log(sum(exp(x)))", "x", "softmax(x)"),
    R("logsumexp(A*x + b)", "x", "A'*softmax(A*x + b)"),
    R("y'*softmax(x)", "x", "y.*softmax(x) - (y'*softmax(x))*softmax(x)"),
    R("exp(-x'*x/2)", "x", "-exp(-x'*x/2)*x"),
    R("exp(-gamma*norm2(x - a)^2)", "x", "-2*gamma*exp(-gamma*norm2(x - a)^2)*(x - a)"),
    R("1/(1 + exp(-w'*x))", "w", "sigmoid(w'*x)*(1 - sigmoid(w'*x))*x"),
    R("(a'*x)*(b'*x)", "x", "(b'*x)*a + (a'*x)*b"),
    R("(a'*x)/(b'*x)", "x", "a/(b'*x) - (a'*x)/(b'*x)^2*b"),
    R("(a'*x)^3", "x", "3*(a'*x)^2*a"),
    R("x'*A*x/(x'*x)", "x", "2*A*x/(x'*x) - 2*(x'*A*x)/(x'*x)^2*x", "A: n×n symmetric"),
    R("sqrt(x'*A*x)", "x", "A*x/sqrt(x'*A*x)", "A: n×n symmetric posdef"),
    R("norm1(x)", "x", "sign(x)", "x: n"),
    R("norm1(A*x - b)", "x", "A'*sign(A*x - b)"),
    R("0.5*norm2(A*x - b)^2 + lambda*norm1(x)", "x", "A'*(A*x - b) + lambda*sign(x)"),
    R("sum(tanh(A*x))", "x", "A'*(vector(1) - tanh(A*x).^2)"),
    R("sum(relu(A*x - b))", "x", "A'*step(A*x - b)"),
    R("norm2(relu(x))^2/2", "x", "relu(x)"),
    R("norm2(sigmoid(A*x) - y)^2", "x", "2*A'*((sigmoid(A*x) - y).*sigmoid(A*x).*(vector(1) - sigmoid(A*x)))"),
    R("sum(sqrt(x.^2 + vector(1)))", "x", "x./sqrt(x.^2 + vector(1))"),
    R("y'*log(x)", "x", "y./x", "x: n positive"),
    R("y'*log(sigmoid(X*w))", "w", "X'*(y.*(vector(1) - sigmoid(X*w)))"),
    R(
        "-y'*log(sigmoid(X*w)) - (vector(1) - y)'*log(vector(1) - sigmoid(X*w))",
        "w",
        "X'*(sigmoid(X*w) - y)",
    ),
    R("sum(log(vector(1) + exp(-y.*(X*w))))", "w", "-X'*(y.*sigmoid(-y.*(X*w)))"),
    R("-sum(log(b - A*x))", "x", "A'*(1./(b - A*x))"),
    R("v'*x - mu*sum(log(x))", "x", "v - mu*(1./x)", "x: n positive"),
    R("mean(x)", "x", "ones(n)/n", "x: n"),
    R("sum(sin(x).*cos(x))", "x", "cos(x).^2 - sin(x).^2", "x: n"),
    R("sum(sin(A*x))", "x", "A'*cos(A*x)"),
    R("a'*exp(A*x)", "x", "A'*(a.*exp(A*x))"),
    R("sum(x./y)", "y", "-x./y.^2"),
    R("v'*tanh(W*x + b)", "b", "v.*(vector(1) - tanh(W*x + b).^2)"),
    R("v'*tanh(W*x + b)", "v", "tanh(W*x + b)"),
    R("v'*tanh(W*x + b)", "x", "W'*(v.*(vector(1) - tanh(W*x + b).^2))"),
    R("loss(W*x + b)", "x", "W'*grad(loss, W*x + b)", "W: m×n; x: n; b: m"),
    R("loss(W*x + b)", "b", "grad(loss, W*x + b)", "W: m×n; x: n; b: m"),
    R("-0.5*logdet(S) - 0.5*(x - u)'*inv(S)*(x - u)", "u", "inv(S)*(x - u)", "S: n×n symmetric posdef"),
    R("tr(diag(x)*A)", "x", "diag(A)"),
    R("a'*diag(x)*B*diag(x)*b", "x", "a.*(B*(b.*x)) + b.*(B'*(a.*x))"),
    R("tr(x*x'*A)", "x", "(A + A')*x"),
]

MATRIX = [
    R("tr(X)", "X", "eye(n)", "X: n×n"),
    R("tr(A*X*B)", "X", "A'*B'"),
    R("tr(A*X'*B)", "X", "B*A"),
    R("tr(X^2)", "X", "2*X'"),
    R("tr(X^3)", "X", "3*(X^2)'"),
    R("tr(X^4)", "X", "4*(X^3)'"),
    R("tr(X*X')", "X", "2*X"),
    R("tr(X'*A*X)", "X", "(A + A')*X"),
    R("tr(X'*S*X)", "X", "2*S*X", "S: n×n symmetric; X: n×m"),
    R("tr(A*X*B*X)", "X", "A'*X'*B' + B'*X'*A'"),
    R("tr(A*X*B*X'*C)", "X", "A'*C'*X*B' + C*A*X*B"),
    R("tr(A*inv(X)*B)", "X", "-(inv(X)*B*A*inv(X))'"),
    R("tr(inv(X))", "X", "-(inv(X)^2)'"),
    R("tr(inv(X + A))", "X", "-(inv(X + A)^2)'"),
    R("tr(inv(X'*C*X)*A)", "X", "-C*X*inv(X'*C*X)*(A + A')*inv(X'*C*X)", "C: m×m symmetric posdef; X: m×n"),
    R(
        "tr(inv(X'*C*X)*(X'*B*X))",
        "X",
        "2*B*X*inv(X'*C*X) - 2*C*X*inv(X'*C*X)*X'*B*X*inv(X'*C*X)",
        "C: m×m symmetric posdef; B: m×m symmetric; X: m×n",
    ),
    R("det(A*X)", "X", "det(A*X)*inv(X)'", "A: n×n invertible; X: n×n invertible"),
    R("det(X)^2", "X", "2*det(X)^2*inv(X)'", "X: n×n invertible"),
    R("det(X^2)", "X", "2*det(X^2)*inv(X)'", "X: n×n invertible"),
    R("det(X'*A*X)", "X", "2*det(X'*A*X)*A*X*inv(X'*A*X)", "A: m×m symmetric posdef; X: m×n"),
    R("1/det(X)", "X", "-inv(X)'/det(X)", "X: n×n invertible"),
    R("logdet(A*X*B)", "X", "inv(X)'", "A: n×n invertible; B: n×n invertible; X: n×n invertible"),
    R("logdet(I + X*X')", "X", "2*inv(I + X*X')*X", "X: m×n"),
    R("logdet(A + B*X*C)", "X", "B'*inv(A + B*X*C)'*C'", "A: n×n; B: n×m; X: m×p; C: p×n"),
    R("a'*X'*b", "X", "b*a'"),
    R("a'*X'*X*b", "X", "X*(a*b' + b*a')"),
    R("a'*X'*C*X*b", "X", "C'*X*a*b' + C*X*b*a'"),
    R("a'*X^2*b", "X", "a*b'*X' + X'*a*b'"),
    R("a'*inv(X)*b", "X", "-inv(X)'*a*b'*inv(X)'"),
    R("(X*b + c)'*D*(X*b + c)", "X", "(D + D')*(X*b + c)*b'", "X: m×n; b: n; c: m; D: m×m"),
    R("(x - A*s)'*W*(x - A*s)", "A", "-2*W*(x - A*s)*s'", "W: m×m symmetric; A: m×n"),
    R("normF(X)^2", "X", "2*X"),
    R("normF(X)", "X", "X/normF(X)"),
    R("normF(A*X - B)^2", "X", "2*A'*(A*X - B)"),
    R("normF(A*X*B - C)^2", "X", "2*A'*(A*X*B - C)*B'"),
    R("normF(A*X - X*A)^2", "X", "2*A'*(A*X - X*A) - 2*(A*X - X*A)*A'"),
    R("0.5*normF(X - U*V')^2 + lambda/2*normF(U)^2", "U", "(U*V' - X)*V + lambda*U"),
    R("0.5*normF(X - U*V')^2 + lambda/2*normF(U)^2", "V", "(U*V' - X)'*U"),
    R("sum(X)", "X", "ones(m, n)", "X: m×n"),
    R("sum(X.*A)", "X", "A"),
    R("sum(X.^2)", "X", "2*X"),
    R("sum(exp(X))", "X", "exp(X)"),
    R("sum(A.*log(X))", "X", "A./X", "X: m×n positive"),
    R("sum((A*X).^2)", "X", "2*A'*A*X"),
    R("sum(tanh(W*X))", "W", "(matrix(1) - tanh(W*X).^2)*X'"),
    R("sum(sigmoid(X*W))", "W", "X'*(sigmoid(X*W).*(matrix(1) - sigmoid(X*W)))"),
    R("sum(relu(X*W))", "W", "X'*step(X*W)"),
    R("v'*tanh(W*x + b)", "W", "(v.*(vector(1) - tanh(W*x + b).^2))*x'"),
    R("norm2(W*x - y)^2", "W", "2*(W*x - y)*x'"),
    R("loss(W*x + b)", "W", "grad(loss, W*x + b)*x'", "W: m×n; x: n; b: m"),
    R("loss(A*X*B)", "X", "A'*grad(loss, A*X*B)*B'", "A: m×n; X: n×p; B: p×q"),
    R("loss(relu(W*X))", "W", "(grad(loss, relu(W*X)).*step(W*X))*X'", "W: m×n; X: n×p"),
    R("loss(X')", "X", "grad(loss, X')'", "X: m×n"),
    R("a'*inv(S)*a", "S", "-inv(S)*a*a'*inv(S)", "S: n×n symmetric posdef"),
    R("logdet(S)", "S", "inv(S)", "S: n×n symmetric posdef"),
    R(
        "-0.5*logdet(S) - 0.5*(x - u)'*inv(S)*(x - u)",
        "S",
        "0.5*inv(S)*(x - u)*(x - u)'*inv(S) - 0.5*inv(S)",
        "S: n×n symmetric posdef",
    ),
    R("tr(A*S)", "S", "0.5*(A + A')", "S: n×n symmetric"),
    R("tr(A*S)", "S", "A + A' - A.*eye(n)", "S: n×n symmetric", structure="entries"),
    R("logdet(S)", "S", "2*inv(S) - inv(S).*eye(n)", "S: n×n symmetric posdef", structure="entries"),
    R("tr(A*D)", "D", "A.*eye(n)", "D: n×n diagonal"),
    R("beta/2*normF(Phi*W - T)^2 + alpha/2*normF(W)^2", "W", "beta*Phi'*(Phi*W - T) + alpha*W"),
    R("logsumexp(W*x) - y'*W*x", "W", "(softmax(W*x) - y)*x'"),
    R("a'*(X.*X)*b", "X", "2*(a*b').*X"),
    R("norm2(diag(X*X'))^2", "X", "4*diag(diag(X*X'))*X", "X: m×n"),
    R("det(X)*tr(X)", "X", "det(X)*(tr(X)*inv(X)' + eye(n))", "X: n×n invertible"),
    R("tr(X)^2/normF(X)^2", "X", "2*tr(X)/normF(X)^2*eye(n) - 2*tr(X)^2/normF(X)^4*X", "X: n×n"),
]

SCALAR = [
    R("norm2(a + t*b)^2", "t", "2*b'*(a + t*b)", "t: scalar"),
    R("tr(inv(A + t*B))", "t", "-tr(inv(A + t*B)*B*inv(A + t*B))", "t: scalar"),
    R("logdet(A + t*B)", "t", "tr(inv(A + t*B)*B)", "t: scalar"),
    R("a'*inv(A + t*B)*b", "t", "-a'*inv(A + t*B)*B*inv(A + t*B)*b", "t: scalar"),
    R("exp(-t^2/2)", "t", "-t*exp(-t^2/2)"),
    R("log(1 + exp(t))", "t", "sigmoid(t)"),
    R("t*log(t)", "t", "log(t) + 1", "t: scalar positive"),
    R("sqrt(1 + t^2)", "t", "t/sqrt(1 + t^2)"),
    R("arctan(t)", "t", "1/(1 + t^2)", "t: scalar"),
    R("sum(exp(t*a))", "t", "a'*exp(t*a)", "t: scalar"),
    R("norm2(x - t*vector(1))^2", "t", "-2*sum(x - t*vector(1))", "t: scalar; x: n"),
    R("normF(X)^2/t", "t", "-normF(X)^2/t^2", "t: scalar"),
    R("beta*norm2(y - X*w)^2", "beta", "norm2(y - X*w)^2"),
    R("t*a", "t", "a", "t: scalar; a: n"),
    R("exp(t*a)", "t", "a.*exp(t*a)", "t: scalar; a: n"),
    R("cos(t)*a + sin(t)*b", "t", "cos(t)*b - sin(t)*a", "t: scalar; a: n"),
    R("t^2*A*B", "t", "2*t*A*B", "t: scalar"),
    R("inv(A + t*B)", "t", "-inv(A + t*B)*B*inv(A + t*B)", "t: scalar"),
    R("(A + t*B)^2", "t", "B*(A + t*B) + (A + t*B)*B", "t: scalar"),
    R("a/(1 + t)", "t", "-a/(1 + t)^2", "t: scalar; a: n"),
]

JACOBIAN = [
    R("A*x + b", "x", "A"),
    R("(A*x).*b", "x", "diag(b)*A"),
    R("x.*x", "x", "2*diag(x)"),
    R("exp(x)", "x", "diag(exp(x))", "x: n"),
    R("1./x", "x", "-diag(1./x.^2)", "x: n"),
    R("sigmoid(A*x)", "x", "diag(sigmoid(A*x).*(vector(1) - sigmoid(A*x)))*A"),
    R("tanh(W*x + b)", "b", "diag(vector(1) - tanh(W*x + b).^2)"),
    R("relu(A*x)", "x", "diag(step(A*x))*A"),
    R("softmax(x)", "x", "diag(softmax(x)) - softmax(x)*softmax(x)'"),
    R("x/norm2(x)", "x", "eye(n)/norm2(x) - x*x'/norm2(x)^3", "x: n"),
    R("x*(a'*x)", "x", "(a'*x)*eye(n) + x*a'", "x: n"),
    R("x*x'*x", "x", "x'*x*eye(n) + 2*x*x'", "x: n"),
    R("(x'*A*x)*a", "x", "a*x'*(A + A')", "x: n; a: m"),
    R("A*x/(b'*x)", "x", "A/(b'*x) - A*x*b'/(b'*x)^2"),
    R("inv(A)*x", "x", "inv(A)"),
    R("x - (a'*x)/(a'*a)*a", "x", "eye(n) - a*a'/(a'*a)", "x: n"),
    R("diag(x)*A*x", "x", "diag(A*x) + diag(x)*A"),
    R("A*(x.*x)", "x", "2*A*diag(x)"),
    R("X*a", "X", "kron(a', eye(m))", "X: m×n"),
    R("X", "X", "eye(m*n)", "X: m×n"),
    R("A*X*B", "X", "kron(B', A)"),
    R("X'", "X", "commutation(m, n)", "X: m×n"),
    R("inv(X)", "X", "-kron(inv(X)', inv(X))"),
    R("X.*A", "X", "diag(vec(A))"),
    R("u(x)'*a", "x", "jac(u, x)'*a", "u: function -> m; x: n; a: m"),
    R("A*u(x)", "x", "A*jac(u, x)", "u: function -> m; x: n; A: p×m"),
]

HESSIAN = [
    R("x'*A*x", "x", "A + A'", order=2),
    R("x'*S*x/2", "x", "S", "S: n×n symmetric", order=2),
    R("norm2(A*x - b)^2", "x", "2*A'*A", order=2),
    R("log(sum(exp(x)))", "x", "diag(softmax(x)) - softmax(x)*softmax(x)'", order=2),
    R("sum(log(vector(1) + exp(A*x)))", "x", "A'*diag(sigmoid(A*x).*(vector(1) - sigmoid(A*x)))*A", order=2),
    R("(a'*x)^2", "x", "2*a*a'", order=2),
    R("sum(x.^3)", "x", "6*diag(x)", order=2),
    R("exp(a'*x)", "x", "exp(a'*x)*a*a'", order=2),
    R("-sum(log(b - A*x))", "x", "A'*diag(1./(b - A*x).^2)*A", order=2),
    R("lambda/2*norm2(w)^2", "w", "lambda*eye(n)", "w: n", order=2),
    R("(x'*x)^2", "x", "4*(x'*x)*eye(n) + 8*x*x'", "x: n", order=2),
    R("a'*x + c", "x", "zeros(n, n)", "x: n", order=2),
    R("tr(X*X')", "X", "2*eye(m*n)", "X: m×n", order=2),
    R("normF(A*X - B)^2", "X", "2*kron(eye(p), A'*A)", "A: m×n; X: n×p", order=2),
    R("sin(t)", "t", "-sin(t)", "t: scalar", order=2),
    R("norm2(a + t*b)^2", "t", "2*b'*b", "t: scalar", order=2),
]

ROWS = [*VECTOR, *MATRIX, *SCALAR, *JACOBIAN, *HESSIAN]


def read(row: Row) -> tuple[Problem, Term]:
    problem = parse_problem(row.text, declare=row.declare, wrt=row.wrt)
    return problem, parse_expression(row.expected, problem)


def sizes_of(problem: Problem) -> dict[str, int]:
    """Pairwise different numbers for whatever the sizes are called; what is declared first is largest."""
    names = dict.fromkeys(n for s in problem.symbols.values() for d in s.shape for n in d.names())
    return {n: 7 - i for i, n in enumerate(names)}


def truth(row: Row, problem: Problem, values: dict[str, Any], sizes: dict[str, int]) -> Any:
    """Automatic differentiation, in the layout of the answer."""

    def f(x: Any) -> Any:
        return value(problem.objective, {**values, row.wrt: x}, sizes)

    x = values[row.wrt]
    if row.order == 2:
        matrix = derivative(lambda z: derivative(f, z).reshape(z.shape, order="F"), x)
    else:
        matrix = derivative(f, x)
    if problem.objective.is_scalar and row.order == 1:
        g = matrix.reshape(x.shape, order="F")
        properties = problem.symbols[row.wrt].properties
        if "symmetric" in properties:
            return g + g.T - np.diag(np.diag(g)) if row.structure == "entries" else (g + g.T) / 2
        if "skew" in properties:
            return g - g.T if row.structure == "entries" else (g - g.T) / 2
        return np.diag(np.diag(g)) if "diagonal" in properties else g
    return matrix.reshape(f(x).shape, order="F") if x.size == 1 else matrix


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.id)
def test_the_closed_form_is_found(row: Row) -> None:
    problem, expected = read(row)
    answer = derive(problem, order=row.order, structure=row.structure).answers[row.wrt]
    sizes = sizes_of(problem)
    compared = 0
    for seed in range(20):
        values = sample(problem, sizes, [seed])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            right = truth(row, problem, values, sizes)
            if not np.all(np.isfinite(right)):  # outside of a logarithm's domain
                continue
            compared += 1
            np.testing.assert_allclose(value(expected, values, sizes), right, rtol=1e-7, atol=1e-9)
            np.testing.assert_allclose(value(answer, values, sizes), right, rtol=1e-7, atol=1e-9)
        if compared == 2:
            break
    assert compared == 2
    assert operations(answer)["total"] <= operations(expected)["total"], f"{answer} is longer than {expected}"


def test_there_are_enough_of_every_kind() -> None:
    assert len(ROWS) >= 150
    assert all(len(kind) >= 15 for kind in (VECTOR, MATRIX, SCALAR, JACOBIAN, HESSIAN))
