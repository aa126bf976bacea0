"""Softmax and log-sum-exp of rows and columns, targets that add up to one, and means and variances along an axis."""

from __future__ import annotations

import numpy as np
import pytest

import matcalc
from matcalc.errors import MatcalcError, ParseError
from matcalc.language.elaborate import parse_expression, parse_problem
from matcalc.numeric.evaluate import evaluate
from matcalc.rewriting.normal import equal

SHAPES = "X: n×d; W: d×k; Y: n×k; Z: n×k; z: k; y: k"

# (problem, variable, the answer as it is printed)
PRINTED = [
    ("-sum(Y.*log(softmax(X*W, rowwise)))/n", "W", "X'*(diag(Y*ones(k))*softmax(X*W, rowwise) - Y)/n"),
    ("P = softmax(X*W, rowwise); -sum(Y.*log(P))/n", "W", "X'*(diag(Y*ones(k))*P - Y)/n"),
    ("-sum(Y.*log_softmax(Z, rowwise))", "Z", "diag(Y*ones(k))*softmax(Z, rowwise) - Y"),
    ("-sum(Y.*log_softmax(Z, colwise))", "Z", "softmax(Z, colwise)*diag(Y'*ones(n)) - Y"),
    ("-y'*log(softmax(z))", "z", "sum(y)*softmax(z) - y"),
    ("sum(logsumexp(Z, rowwise))", "Z", "softmax(Z, rowwise)"),
    ("sum(logsumexp(Z, rows))", "Z", "softmax(Z, colwise)"),
]
# the same with targets that are declared to add up to one
STOCHASTIC = [
    ("-sum(Y.*log(softmax(X*W, rowwise)))/n", "W", "X'*(softmax(X*W, rowwise) - Y)/n"),
    ("P = softmax(X*W, rowwise); -sum(Y.*log(P))/n", "W", "X'*(P - Y)/n"),
    ("-sum(Y.*log_softmax(Z, rowwise))", "Z", "softmax(Z, rowwise) - Y"),
    ("logsumexp(z) - y'*z", "z", "softmax(z) - y"),
    ("p = softmax(z); -y'*log(p)", "z", "p - y"),
]


@pytest.mark.parametrize(("text", "by", "answer"), PRINTED, ids=[p[0] for p in PRINTED])
def test_general_targets(text: str, by: str, answer: str) -> None:
    d = matcalc.derive(text, wrt=by, declare=SHAPES)
    assert str(d.answer) == answer
    assert d.certificate.status == "verified"


@pytest.mark.parametrize(("text", "by", "answer"), STOCHASTIC, ids=[p[0] for p in STOCHASTIC])
def test_targets_that_add_up_to_one(text: str, by: str, answer: str) -> None:
    declare = SHAPES.replace("Y: n×k", "Y: n×k stochastic").replace("y: k", "y: k stochastic")
    d = matcalc.derive(text, wrt=by, declare=declare)
    assert str(d.answer) == answer
    assert d.certificate.status == "verified"


@pytest.mark.parametrize("method", ["differential", "linear", "expand"])
def test_every_method_reaches_the_same_gradient(method: str) -> None:
    text = "A : n×k; sum(A.*softmax(X*W, rowwise))"
    d = matcalc.derive(text, wrt="W", declare=SHAPES, method=method)
    p = "softmax(X*W, rowwise)"
    book = parse_expression(f"X'*({p}.*(A - (({p}.*A)*ones(k))*ones(k)'))", d.problem)
    assert equal(d.answer, book, d.problem.facts)


@pytest.mark.parametrize("axis", ["rowwise", "colwise"])
def test_axes_against_numpy(axis: str) -> None:
    z = np.random.default_rng(0).normal(size=(4, 3))
    k = 1 if axis == "rowwise" else 0
    e = np.exp(z)
    values, sizes = {"Z": z}, {"n": 4, "k": 3}
    for text, expected in (
        (f"softmax(Z, {axis})", e / e.sum(axis=k, keepdims=True)),
        (f"log_softmax(Z, {axis})", np.log(e / e.sum(axis=k, keepdims=True))),
        (f"logsumexp(Z, {axis})", np.log(e.sum(axis=k))[:, None]),
        (f"sum(Z, {axis})", z.sum(axis=k)[:, None]),
        (f"mean(Z, {axis})", z.mean(axis=k)[:, None]),
        (f"var(Z, {axis})", z.var(axis=k)[:, None]),
        (f"var(Z, {axis}, unbiased)", z.var(axis=k, ddof=1)[:, None]),
    ):
        assert np.allclose(evaluate(parse_problem(text, "Z: n×k").objective, values, sizes), expected), text


def test_rows_and_cols_say_what_a_reduction_runs_over() -> None:
    for op in ("sum", "mean", "var", "logsumexp"):
        one, two = (parse_problem(f"{op}(Z, {w})", "Z: n×k").objective for w in ("rows", "colwise"))
        assert one is two
    assert str(parse_problem("var(x, unbiased)", "x: n").objective).endswith("/(n - 1)")


def test_a_word_that_could_mean_two_things_is_refused() -> None:
    for op in ("softmax", "log_softmax"):
        with pytest.raises(ParseError, match="read in two ways") as caught:
            parse_problem(f"sum({op}(Z, rows))", "Z: n×k")
        assert f"{op}(X, rowwise): every row by itself" in caught.value.hint
    with pytest.raises(MatcalcError) as shape:
        parse_problem("sum(softmax(Z))", "Z: n×k")
    assert "softmax(X, rowwise)" in shape.value.hint


@pytest.mark.parametrize("words", ["symmetric", "orthogonal", "posdef", "diagonal"])
def test_what_cannot_be_stochastic_is_refused(words: str) -> None:
    with pytest.raises(ParseError, match="not declared together"):
        parse_problem("tr(A)", f"A: n×n stochastic {words}")


def test_the_code_does_not_overflow() -> None:
    shapes = "X: n×d; W: d×k; Y: n×k"
    d = matcalc.derive("P = softmax(X*W, rowwise); -sum(Y.*log(P))/n", wrt="W", declare=shapes)
    module = d.compile()
    rng = np.random.default_rng(3)
    x, w = rng.normal(size=(5, 4)), 1e3 * rng.normal(size=(4, 3))
    y = np.eye(3)[rng.integers(3, size=5)]
    value, grad = module.value_and_grad(X=x, W=w, Y=y)
    z = x @ w
    top = z.max(axis=1, keepdims=True)
    log_p = z - top - np.log(np.exp(z - top).sum(axis=1, keepdims=True))
    assert value == pytest.approx(-(y * log_p).sum() / 5)
    assert value == pytest.approx(module.value(X=x, W=w, Y=y))
    assert np.allclose(grad, x.T @ (np.exp(log_p) - y) / 5)


def test_the_latex_says_rows_or_columns() -> None:
    shown = parse_problem("sum(softmax(Z, rowwise))", "Z: n×k").objective.latex()
    assert r"\operatorname{softmax}_{\mathrm{rows}}" in shown
    assert r"_{\mathrm{columns}}" in parse_problem("sum(logsumexp(Z, colwise))", "Z: n×k").objective.latex()


def test_one_hot_targets_add_up_to_one() -> None:
    told = matcalc.derive("-sum(Y.*log(softmax(Z, rowwise)))", wrt="Z", declare="Y : n×k onehot")
    assert str(told.answer) == "softmax(Z, rowwise) - Y" and told.certificate.status == "verified"
