"""Opaque functions as arguments of emitted code: the functions and their derivatives are given by the caller."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import elementwise_grad, grad, hessian, jacobian

import matcalc

Array = Any

# problem, declarations, by which, order: every one passes the check of its own module
PROBLEMS = [
    ("u(x)'*v(x)", "u : function -> m; v : function -> m; x : n", ["x"], 1),
    ("A*u(x)", "u : function -> m; x : n; A : p×m", ["x", "A"], 1),
    ("f(u(x))", "u : function -> m; x : n; f : function", ["x"], 1),
    ("alpha(x)*u(x)", "u : function -> m; x : n; alpha : function", ["x"], 1),
    ("f(A*x + b)", "A : m×n; b : m; x : n; f : function", ["x"], 2),
    ("W*f(h) + b", "f : elementwise; W : m×m; h : m; b : m", ["h"], 1),
    ("sum(f(W*x))", "f : elementwise; W : m×n; x : n", ["W", "x"], 1),
    ("sum(f(W*x))", "f : elementwise; W : m×n; x : n", ["x"], 2),
    ("f(x)'*A*f(x)", "f : elementwise; x : n; A : n×n", ["x"], 2),
    ("exp(f(x))*a'*x", "f : function; x : n; a : n", ["x"], 1),
    ("c*f(x, y)", "f : function; x : n; y : m; c : scalar", ["c", "x", "y"], 1),
    ("f(g(x))", "f : function; g : function; x : n", ["x"], 1),
    ("g(h(x))", "g : function -> n; h : function -> q; x : m", ["x"], 1),
    ("u(t)", "u : function -> n; t : scalar", ["t"], 1),
    ("f(t)", "f : function; t : scalar", ["t"], 2),
    ("tr(F(X)*A)", "F : function -> m×n; A : n×m; X : k×l", ["X"], 1),
    ("(f(A*x) + f(B*x))^2", "f : function; A : m×n; B : k×n; x : n", ["x"], 1),
    ("f(x, A*x)", "f : function; x : n; A : m×n", ["x"], 2),
    ("f(diag(x)*A)^2", "f : function; x : n; A : n×m", ["x"], 1),
    ("sum(f(x*ones(m)'))", "f : elementwise; x : n", ["x"], 1),
    ("H = f(X*W + ones(n)*b'); L = loss(H*V)", "f : elementwise; X : n×d; W : d×k; V : k×c; b : k", ["W", "b", "V"], 1),
    ("stop(loss(cosh(X)))*sum(X)", "X : m×m; loss : function", ["X"], 1),
    ("sum(i in 1..N, f(w'*x[i]))", "f : elementwise; x[i] : d; w : d", ["w"], 1),
    ("sum(i in 1..N, loss(w'*x[i]))^2", "loss : function; x[i] : d; w : d", ["w"], 1),
    ("sum(n in 1..N, sum(k in 1..n, loss(W*x[k], y[n])))", "W : m×d; x[i] : d; y[i] : m", ["W"], 1),
    ("sum(i in 1..N, norm2(u(x[i]) - y[i])^2)", "u : function -> m; x[i] : d; y[i] : m", ["x"], 1),
    ("h[0] = h0\nfor t in 1..T:\n    h[t] = W*f(h[t-1]) + U*x[t]\nL = loss(h[T])", "f : elementwise", ["W", "U"], 1),
    ("x[0] = x0\nfor i in 1..k:\n    x[i] = W[i]*f(x[i-1])\nL = norm2(x[k])^2", "W[i] : m[i]×m[i-1]; f : elementwise", ["W"], 1),
    ("x[0] = x0\nfor i in 1..k:\n    x[i] = W[i]*x[i-1]\nL = sum(i in 1..k, loss(x[i]))", "W[i] : m[i]×m[i-1]", ["W"], 1),
    ("z[0] = x\nfor t in 1..T:\n    z[t] = z[t-1] + h*u(z[t-1])\nL = norm2(z[T])^2", "u : function -> n; x : n; h : scalar", ["x", "h"], 1),
]  # fmt: skip


def module_of(text: str, declare: str, wrt: list[str], order: int = 1) -> ModuleType:
    d = matcalc.derive(text, wrt=wrt, declare=declare, order=order)
    assert d.certificate.status == "verified"
    return d.compile()


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p[0].split("\n")[-1])
def test_the_module_checks_itself(problem: tuple[str, str, list[str], int], capsys: pytest.CaptureFixture[str]) -> None:
    assert module_of(*problem)._self_check()
    assert "PASS" in capsys.readouterr().out


# -------------------------------------------------------------------- automatic differentiation
def bend(x: Array) -> Array:
    return anp.sin(1.3 * x) + 0.2 * x * x


def curve(x: Array) -> Array:
    return anp.stack([anp.sum(anp.sin(x)), x[0] * x[1], anp.exp(0.3 * x[2])])


def height(x: Array) -> Array:
    return anp.sum(anp.cos(x)) * x[0] + anp.sum(x**3)


RNG = np.random.default_rng(4)
A, W, x, h = RNG.normal(size=(3, 3)), RNG.normal(size=(4, 3)), RNG.normal(size=3), RNG.normal(size=4)


def agrees(given: Array, wanted: Array) -> None:
    np.testing.assert_allclose(given, wanted, rtol=1e-9, atol=1e-12)


def test_functions_of_entries() -> None:
    module = module_of("sum(f(W*x))", "f : elementwise; W : m×n; x : n", ["W", "x"])
    value, (by_w, by_x) = module.value_and_grad(W, x, bend, elementwise_grad(bend))
    agrees(value, module.value(W, x, bend))  # the derivative may be left out where it is not used
    agrees(value, np.sum(bend(W @ x)))
    agrees(by_w, grad(lambda w: anp.sum(bend(w @ x)))(W))
    agrees(by_x, grad(lambda y: anp.sum(bend(W @ y)))(x))


def test_second_derivatives_of_a_function_of_entries() -> None:
    module = module_of("sum(f(W*x))", "f : elementwise; W : m×n; x : n", ["x"], 2)
    given = {"f": bend, "df": elementwise_grad(bend), "d2f": elementwise_grad(elementwise_grad(bend))}
    agrees(module.hessian(W, x, **given), hessian(lambda y: anp.sum(bend(W @ y)))(x))


def test_vector_functions_with_their_jacobians() -> None:
    module = module_of("u(x)'*A*u(x)", "u : function -> m; x : n", ["x"])
    value, gradient = module.value_and_grad(A=A, x=x, u=curve, jac_u=jacobian(curve))
    agrees(value, curve(x) @ A @ curve(x))
    agrees(gradient, grad(lambda y: curve(y) @ A @ curve(y))(x))


def test_the_hessian_of_a_scalar_function() -> None:
    module = module_of("f(A*x)", "f : function; A : m×n; x : n", ["x"], 2)
    given = {"f": height, "grad_f": grad(height), "hess_f": hessian(height)}
    agrees(module.hessian(A, x, **given), hessian(lambda y: height(A @ y))(x))
    v = RNG.normal(size=3)
    agrees(module.hessian_vector_product(A, x, **given, v=v), hessian(lambda y: height(A @ y))(x) @ v)


def test_a_function_before_an_opaque_loss() -> None:
    module = module_of("L = loss(f(W*x))", "f : elementwise; W : m×n; x : n", ["W", "x"])
    output, cache = module.forward(W, x, bend, elementwise_grad(bend))
    by_w, by_x = module.backward(h, cache)
    agrees(output, bend(W @ x))
    agrees(by_w, grad(lambda w: h @ bend(w @ x))(W))
    agrees(by_x, grad(lambda y: h @ bend(W @ y))(x))


def test_a_recurrence_through_an_opaque_activation() -> None:
    text = "h[0] = h0\nfor t in 1..T:\n    h[t] = f(W*h[t-1] + x[t])\nL = norm2(h[T])^2"
    module = module_of(text, "f : elementwise; W : n×n; x[t] : n", ["W", "x"])
    inputs = RNG.normal(size=(5, 3))

    def run(w: Array, xs: Array) -> Array:
        state = x
        for row in xs:
            state = bend(w @ state + row)
        return anp.sum(state**2)

    names = {"h0": x, "W": A / 3, "x": inputs, "f": bend, "df": elementwise_grad(bend)}
    value, (by_w, by_x) = module.value_and_grad(**names)
    agrees(value, run(A / 3, inputs))
    agrees(by_w, grad(run)(A / 3, inputs))
    agrees(by_x, grad(run, 1)(A / 3, inputs))


# -------------------------------------------------------------------------------------- arguments
def test_functions_come_after_arrays_and_derivatives_last() -> None:
    module = module_of("u(x)'*v(x)", "u : function -> m; v : function -> m; x : n", ["x"])
    assert module.value_and_grad.__code__.co_varnames[:5] == ("x", "u", "v", "jac_u", "jac_v")
    assert "u of (n,) gives (m,)" in str(module.__doc__)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"f": lambda y: np.sum(y)}, r"f: expected shape \(4,\), got \(\)"),
        ({"df": lambda y: np.outer(y, y)}, r"df: expected shape \(4,\), got \(4, 4\)"),
    ],
)
def test_what_a_function_returns_must_fit(change: dict[str, Any], message: str) -> None:
    module = module_of("sum(f(W*x))", "f : elementwise; W : m×n; x : n", ["x"])
    with pytest.raises(ValueError, match=message):
        module.value_and_grad(W, x, **{"f": bend, "df": elementwise_grad(bend), **change})


def test_a_function_that_returns_its_argument_lends_it_to_nobody() -> None:
    module = module_of("f(x)", "f : elementwise; x : n", ["x"])
    assert not np.shares_memory(module.forward(x, lambda y: y), x)


def test_a_size_is_read_from_what_a_function_returns_or_is_an_argument() -> None:
    module = module_of("loss(u(x))", "u : function -> m; x : n", ["x"])
    output, cache = module.forward(x, curve, jacobian(curve))
    agrees(output, curve(x))
    agrees(module.backward(np.ones(3), cache), jacobian(curve)(x).sum(axis=0))
    with pytest.raises(ValueError, match=r"upstream: expected shape \(3,\), got \(2,\)"):
        module.backward(np.ones(2), cache)


# ---------------------------------------------------------------------- a gradient that is zero
def test_a_bias_before_batch_normalization_has_the_gradient_zero() -> None:
    text = "S = X*W' + ones(n)*b'; Y = (S - ones(n)*mean(S, rows)')./(ones(n)*sqrt(var(S, rows) + eps)'); loss(Y)"
    module = module_of(text, "X : n×d; W : m×d; b : m; eps : scalar positive", ["b"])
    output, cache = module.forward(RNG.normal(size=(5, 3)), W, h, 1e-5)
    assert output.shape == (5, 4)
    assert np.array_equal(module.backward(np.ones((5, 4)), cache), np.zeros(4))
    with pytest.raises(ValueError, match="upstream"):
        module.backward(np.ones((4, 5)), cache)


def test_a_variable_that_a_recurrence_does_not_have_has_the_gradient_zero() -> None:
    text = "h[0] = h0\nfor t in 1..T:\n    h[t] = tanh(W*h[t-1])\nL = loss(h[T])"
    module = module_of(text, "W : n×n; h0 : n; q : m", ["q"])
    _, cache = module.forward(W=A, h0=x, q=h, T=2)
    assert np.array_equal(module.backward(np.ones(3), cache), np.zeros(4))
