"""Functions by formula: parametrised and piecewise functions, comparisons, and functions that a program defines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy

import matcalc
from matcalc.errors import MatcalcError, ParseError
from matcalc.language.elaborate import parse_expression, parse_problem
from matcalc.language.formulas import COMPARISONS, FORMULAS, known_formula, slope
from matcalc.language.terms import subterms
from matcalc.numeric.evaluate import evaluate

X = np.array([[-2.3, -0.7, 0.4], [0.9, 1.7, -1.2]])
Y = np.array([[0.3, -1.1, 0.8], [-0.2, 2.5, -1.9]])

# What each formula is, said in NumPy: of the array, and of one number for each further parameter.
DIRECT: dict[str, Callable[..., Any]] = {
    "leaky_relu": lambda x, a: np.where(x > 0, x, a * x),
    "elu": lambda x, a: np.where(x > 0, x, a * np.expm1(x)),
    "max": np.maximum,
    "min": np.minimum,
    "clip": lambda x, lo, hi: np.clip(x, lo, hi),
    "relu6": lambda x: np.clip(x, 0, 6),
    "hardtanh": lambda x: np.clip(x, -1, 1),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "where": lambda c, x, y: np.where(c != 0, x, y),
}
NUMBERS = (0.3, 1.4)


def value(text: str, **arrays: Any) -> Any:
    shaped = {n: np.asarray(v, dtype=float).reshape(np.shape(v) or (1, 1)) for n, v in arrays.items()}
    declare = {n: "scalar" if v.shape == (1, 1) else f"{v.shape[0]}×{v.shape[1]}" for n, v in shaped.items()}
    return evaluate(parse_problem(text, declare).objective, shaped)


def test_every_formula_is_tested() -> None:
    assert DIRECT.keys() == FORMULAS.keys()


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_is_what_it_says(name: str) -> None:
    numbers = NUMBERS[: len(FORMULAS[name].parameters) - 1]
    if name == "where":
        got = value("where(X > c, X, Y)", X=X, Y=Y, c=0.3)
        assert np.allclose(got, np.where(X > 0.3, X, Y))
        return
    names = ["c", "d"][: len(numbers)]
    got = value(f"{name}(X{''.join(', ' + n for n in names)})", X=X, **dict(zip(names, numbers, strict=True)))
    assert np.allclose(got, DIRECT[name](X, *numbers))


@pytest.mark.parametrize("name", FORMULAS)
def test_the_slope_of_a_formula_agrees_with_sympy(name: str) -> None:
    formula = known_formula(name)
    symbols = {p: sympy.Symbol(p, real=True) for p in formula.parameters}
    special = {"relu": lambda t: sympy.Max(0, t), "softplus": lambda t: sympy.log(1 + sympy.exp(t))}
    body = sympy.sympify(str(formula.term), locals={**symbols, **special, "abs": sympy.Abs})
    for parameter in formula.parameters:
        expected = sympy.diff(body, symbols[parameter])
        made = slope(formula.term, parameter)
        for k in range(6):
            point = {p: float(v) for p, v in zip(symbols, np.random.default_rng(k).normal(size=3) * 1.7, strict=False)}
            exact = float(expected.subs({symbols[p]: v for p, v in point.items()}).doit().evalf())
            found = evaluate(made, {p: np.array([[v]]) for p, v in point.items()})[0, 0]
            assert found == pytest.approx(exact, abs=1e-12), (parameter, point)


@pytest.mark.parametrize("sign", COMPARISONS)
def test_a_comparison_is_one_where_it_holds(sign: str) -> None:
    whole = np.round(X)
    expected = {">": whole > 1, "<": whole < 1, ">=": whole >= 1, "<=": whole <= 1}[sign]
    assert np.array_equal(value(f"(X {sign} 1).*ones(2, 3)", X=whole), expected * 1.0)
    assert np.array_equal(value(f"indicator(X {sign} c)", X=whole, c=1), expected * 1.0)
    assert np.array_equal(value(f"where(X {sign} Y, X, Y)", X=X, Y=Y).shape, X.shape)


def test_constants_may_stand_first_and_arrays_may_be_compared() -> None:
    assert str(parse_problem("sum(max(0, A*x))").objective) == "sum(relu(A*x))"
    assert np.allclose(value("max(X, Y)", X=X, Y=Y), np.maximum(X, Y))
    assert np.allclose(value("min(c, X)", X=X, c=0.5), np.minimum(X, 0.5))


GRADIENTS = [
    ("sum(leaky_relu(W*x, a))", "W", "(a*ones(m) + (1 - a)*step(W*x))*x'"),
    ("sum(leaky_relu(W*x, a))", "a", "sum(W*x - relu(W*x))"),
    ("sum(elu(W*x, a))", "W", "(step(W*x) + a*(exp(W*x - relu(W*x)).*(ones(m) - step(W*x))))*x'"),
    ("sum(max(W*x, c))", "W", "(W*x > c)*x'"),
    ("sum(max(W*x, c))", "c", "m - sum(W*x > c)"),
    ("sum(min(W*x, c))", "W", "(W*x <= c)*x'"),
    ("sum(clip(W*x, lo, hi))", "W", "((W*x > lo) - (W*x > hi))*x'"),
    ("sum(gelu(W*x))", "W", "((ones(m) + erf(W*x/sqrt(2)))/2 + (W*x).*exp(-(W*x).^2/2)/sqrt(2*pi))*x'"),
    ("sum(silu(W*x))", "W", "(sigmoid(W*x) + (W*x).*sigmoid(W*x).*(ones(m) - sigmoid(W*x)))*x'"),
    ("swish(t) := t*sigmoid(t); sum(swish(W*x))", "W", "swish'(W*x)*x'"),
    ("f(t) := a*t^2 + 2^t; f(x'*x)", "x", "2*(2*a*x'*x + log(2)*2^(x'*x))*x"),
    ("huber(t) := where(abs(t) < 1, t^2/2, abs(t) - 1/2); sum(huber(A*x - b))", "x", "A'*huber'(A*x - b)"),
]
SHAPES = "W: m×n; x: n; a: scalar; c: scalar; A: k×n; b: k"


@pytest.mark.parametrize(("text", "by", "expected"), GRADIENTS, ids=[f"{g[0]} by {g[1]}" for g in GRADIENTS])
def test_gradients(text: str, by: str, expected: str) -> None:
    d = matcalc.derive(text, wrt=by, declare=SHAPES)
    assert d.certificate.status == "verified"
    book = parse_expression(expected, d.problem)
    rng = np.random.default_rng(1)
    sizes = {"m": 3, "n": 2, "k": 4}
    for _ in range(8):
        values = {n: rng.normal(size=[sizes.get(str(d_), 1) for d_ in s.shape]) for n, s in d.problem.symbols.items()}
        assert np.allclose(evaluate(d.answer, values, sizes), evaluate(book, values, sizes)), str(d.answer)


def test_the_reading_is_told() -> None:
    d = matcalc.derive("swish(t) := t*sigmoid(t)\nsum(swish(W*x) + max(W*x, c))", wrt="W")
    told = " | ".join((*d.notes, *d.conventions))
    assert "swish(t) is t*sigmoid(t) for every entry" in told
    assert "max(t, a) is a + relu(t - a) for every entry" in told
    assert "relu'(0) = 0" in told
    assert "c read as a scalar" in told


def test_a_parameter_may_have_the_name_of_a_variable() -> None:
    d = matcalc.derive("f(x) := x^2; sum(f(A*x))", wrt="x", declare="A: m×n; x: n")
    assert str(d.answer) == "2*A'*A*x"


def test_a_formula_may_use_another_and_a_known_name() -> None:
    problem = parse_problem("gate(t) := sigmoid(2*t); swish(t) := t*gate(t); sum(swish(x))", "x: n")
    assert str(problem.objective) == "sum(x.*sigmoid(2*x))"
    assert list(problem.formulas) == ["gate", "swish"]
    assert not any(t.op == "fn" and t.data[0] == "swish" for t in subterms(problem.objective))


WRONG = [
    ("f(t) := norm2(t); f(x)", "a formula is made of numbers"),
    ("f(t, t) := t; f(x)", "different names"),
    ("f(t) := t; f(t) := t^2; f(x)", "defined twice"),
    ("f(t) := t*x; x: n; sum(f(x))", "must be a scalar"),
    ("f(t) := t^2; f(x, x)", "takes 1 argument"),
    ("f(t) = t^2; f(x)", "only a name can be defined"),
    ("f = 3; f(t) := t; f(x)", "used as a function and as a variable"),
    ("sum(leaky_relu(x))", r"leaky_relu\(t, a\) takes 2 arguments"),
    ("x > 3", "cannot stand here"),
    ("sum(x == 3)", "cannot stand here"),
    ("indicator(x)", "takes a comparison"),
    ("A: m×n; B: n×m; sum(max(A, B))", "needs equal shapes|do not fit"),
    ("f(t) := g(t); g(t) := t; sum(f(x))", "unknown function|g"),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[w[0] for w in WRONG])
def test_what_cannot_be_meant_is_refused(text: str, message: str) -> None:
    with pytest.raises(MatcalcError, match=message) as caught:
        parse_problem(text)
    assert caught.value.span is not None


def test_the_hint_says_how_a_function_is_defined() -> None:
    with pytest.raises(ParseError) as caught:
        parse_problem("f(t) = t^2; f(x)")
    assert "f(t) := EXPRESSION" in caught.value.hint


def test_formulas_are_printed_with_their_problem() -> None:
    formula = parse_problem("f(t, a) := a*t^2; f(norm2(x), 3)").formulas["f"]
    assert str(formula) == "f(t, a) := a*t^2"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("sum(max(W*x, c))", ["np.maximum(W @ x, c)", "(Wx > c)"]),
        ("sum(min(W*x, c))", ["np.minimum(W @ x, c)", "(Wx > c)"]),
        ("sum(clip(W*x, -1, 2))", ["np.clip(W @ x, -1, 2)", "(Wx > -1)", "(Wx > 2)"]),
        ("sum(max(W, 0))", ["np.maximum(W, 0)"]),
        ("sum(gelu(W*x))", ["from scipy.special import erf"]),
        ("sum(silu(W*x))", ["s = _sigmoid(Wx)"]),
    ],
)
def test_the_code_is_what_one_would_write(text: str, wanted: list[str]) -> None:
    source = matcalc.derive(text, wrt="W", declare="W: m×n; x: n; c: scalar").code()
    for part in wanted:
        assert part in source, source


@pytest.mark.parametrize("lo", [-1.0, 2.0])
def test_a_clip_with_symbolic_limits_keeps_its_formula(lo: float) -> None:
    module = matcalc.derive("sum(clip(x, lo, hi))", wrt="x", declare="x: n; lo: scalar; hi: scalar").compile()
    x = np.linspace(-3, 3, 13)
    assert module.value(x, lo, 1.0) == pytest.approx(np.sum(lo + np.maximum(x - lo, 0) - np.maximum(x - 1.0, 0)))
