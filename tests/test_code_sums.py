"""Modules of sums over an index: Jacobians, Hessians, layouts, structured variables, products, constant copies."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad, hessian, jacobian

import matcalc

Array = Any
Options = dict[str, Any]

SCALARS = "y[i] : scalar; x[i] : d; w : d"
PAIRS = "a[i] : n; b[i] : n; S : n×n "
PROBLEMS: list[tuple[str, str, str | list[str], Options]] = [
    ("sum(i in 1..N, log(1 + exp(-y[i]*(w'*x[i]))))", SCALARS, "w", {"order": 2}),
    ("sum(i in 1..N, norm2(t[i] - W'*x[i])^2)", "t[i] : k; x[i] : d; W : d×k", "W", {"order": 2}),
    ("sum(i in 1..N, norm2(A[i]*x)^2)", "A[i] : m[i]×d", "x", {"order": 2}),
    ("sum(i in 1..N, y[i]*f(w'*x[i]))", SCALARS + "; f : elementwise", "w", {"order": 2}),
    ("n*logdet(S)/2 + sum(i in 1..n, (x[i] - u)'*inv(S)*(x[i] - u))/2", "x[i] : d; u : d; S : d×d posdef", "u", {"order": 2}),
    ("sum(i in 1..N, y[i]*tanh(W*x[i]))", "y[i] : scalar; x[i] : d; W : k×d", "W", {}),
    ("sum(i in 1..n, (s[i] - u).^2)/n", "s[i] : m; u : m", "u", {}),
    ("A*sum(i in 1..N, y[i]*x[i]) + c", "x[i] : d; y[i] : scalar; A : m×d; c : m", ["A", "c"], {}),
    ("sum(i in 1..N, x[i]*x[i]')*w", "x[i] : d; w : d", "w", {"layout": "denominator"}),
    ("sum(i in 1..N, norm2(t[i] - W'*x[i])^2)", "t[i] : k; x[i] : d; W : d×k", "W", {"layout": "numerator"}),
    ("sum(i in 1..N, a[i]'*S*b[i])", PAIRS + "symmetric", "S", {}),
    ("sum(i in 1..N, a[i]'*S*b[i])", PAIRS + "symmetric", "S", {"structure": "entries"}),
    ("sum(i in 1..N, a[i]'*S*b[i])", PAIRS + "skew", "S", {}),
    ("sum(i in 1..N, a[i]'*S*b[i])", PAIRS + "diagonal", "S", {}),
    ("c^2*prod(t in 1..T, 1 + w*a[t])", "a[t] : scalar; c : scalar; w : scalar", "c", {}),
    ("a'*prod(t in 1..T, eye(n) + A[t])*x", "A[t] : n×n; x : n; a : n", "x", {}),
    ("sum(t in 1..T, (r[t] + c*stop(v)'*x[t+1] - v'*x[t])^2)", "r[t] : scalar; x[t] : d; v : d; c : scalar", "v", {}),
    ("sum(t in 1..T, stop(W)*W*x[t])", "x[t] : d; W : d×d", "W", {}),
    ("h[0] = h0\nfor t in 1..T:\n    h[t] = tanh(W*h[t-1] + stop(W)*x[t])\nL = norm2(h[T])^2", "W : n×n; h0 : n; x[t] : n", "W", {}),
    ("h[0] = h0\nfor t in 1..T:\n    h[t] = tanh(W*h[t-1] + stop(h[t-1]))\nL = loss(h[T])", "W : n×n; h0 : n", "W", {}),
    ("h[0] = h0\nfor t in 1..T:\n    h[t] = tanh(W*h[t-1]) + stop(f(h[t-1]))\nL = sum(t in 1..T, loss(h[t], y[t]))", "W : n×n; h0 : n; f : elementwise; y[t] : n", "W", {}),
]  # fmt: skip


def module_of(text: str, declare: str, wrt: str | list[str], options: Options) -> ModuleType:
    d = matcalc.derive(text, wrt=wrt, declare=declare, **options)
    assert d.certificate.status == "verified"
    return d.compile()


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: f"{p[0].splitlines()[-1]} {p[3]}")
def test_the_module_checks_itself(problem: tuple[str, str, str, Options], capsys: pytest.CaptureFixture[str]) -> None:
    assert module_of(*problem)._self_check(), capsys.readouterr().out


def agrees(given: Array, wanted: Array) -> None:
    np.testing.assert_allclose(given, wanted, rtol=1e-9, atol=1e-12)


RNG = np.random.default_rng(7)
X, w, y, W = RNG.normal(size=(5, 3)), RNG.normal(size=3), RNG.normal(size=5), RNG.normal(size=(2, 3))


def logistic(v: Array) -> Array:
    return anp.sum(anp.log(1 + anp.exp(-y * (X @ v))))


def test_the_hessian_of_a_sum() -> None:
    module = module_of("sum(i in 1..N, log(1 + exp(-y[i]*(w'*x[i]))))", SCALARS, "w", {"order": 2})
    value, gradient = module.value_and_grad(y=y, w=w, x=X)
    agrees(value, logistic(w))
    agrees(gradient, grad(logistic)(w))
    agrees(module.hessian(y=y, w=w, x=X), hessian(logistic)(w))
    agrees(module.hessian_vector_product(y=y, w=w, x=X, v=X[0]), hessian(logistic)(w) @ X[0])
    with pytest.raises(ValueError, match=r"v: expected shape \(3,\), got \(5,\)"):
        module.hessian_vector_product(y=y, w=w, x=X, v=y)


def test_the_jacobian_of_a_sum() -> None:
    module = module_of("sum(i in 1..N, y[i]*tanh(W*x[i]))", "y[i] : scalar; x[i] : d; W : k×d", "W", {})

    def total(v: Array) -> Array:
        return anp.tanh(X @ v.T).T @ y

    agrees(module.forward(y=y, W=W, x=X), total(W))
    agrees(module.jacobian(y=y, W=W, x=X), jacobian(total)(W).transpose(0, 2, 1).reshape(2, 6))


def test_a_target_that_is_held_constant() -> None:
    text = "sum(t in 1..T, (r[t] + c*stop(v)'*x[t+1] - v'*x[t])^2)"
    module = module_of(text, "r[t] : scalar; x[t] : d; v : d; c : scalar", "v", {})
    r = y[:4]

    def error(v: Array, target: Array) -> Array:
        return anp.sum((r + 0.9 * (X[1:] @ target) - X[:-1] @ v) ** 2)

    value, gradient = module.value_and_grad(r=r, c=0.9, v=w, x=X)
    agrees(value, error(w, w))
    agrees(gradient, grad(error)(w, w))


def test_a_product_over_an_index() -> None:
    module = module_of("a'*prod(t in 1..T, A[t])*x", "A[t] : n×n; x : n; a : n", "x", {})
    A, a = RNG.normal(size=(4, 3, 3)), RNG.normal(size=3)
    value, gradient = module.value_and_grad(A=A, x=w, a=a)
    agrees(value, a @ A[0] @ A[1] @ A[2] @ A[3] @ w)
    agrees(gradient, (A[0] @ A[1] @ A[2] @ A[3]).T @ a)


def test_a_mixture_far_from_its_data_does_not_underflow() -> None:
    text = "-sum(n in 1..N, log(sum(k in 1..K, a[k]*exp(-norm2(x[n] - m[k])^2))))"
    module = module_of(text, "a[k] : scalar positive; m[k] : d; x[n] : d", ["a", "m"], {})
    a, m, x = np.array([0.3, 0.7]), np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[50.0, 50.0], [-60.0, 3.0]])
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        value, (by_a, by_m) = module.value_and_grad(a=a, m=m, x=x)

    def likelihood(weights: Array, centres: Array) -> Array:
        squares = anp.sum((x[:, None, :] - centres[None, :, :]) ** 2, axis=2)
        top = anp.min(squares, axis=1)
        return anp.sum(top - anp.log(anp.exp(top[:, None] - squares) @ weights))

    agrees(value, likelihood(a, m))
    agrees(by_a, grad(likelihood)(a, m))
    agrees(by_m, grad(likelihood, 1)(a, m))
