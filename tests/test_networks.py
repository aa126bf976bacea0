"""Layers of networks as textbooks have them: the closed forms, and emitted code against automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad as autograd_grad
from autograd.scipy.special import logsumexp

import matcalc
from matcalc.language.elaborate import parse_expression
from matcalc.language.operations import operations
from matcalc.numeric.lines import certify_equal

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
Array = Any

G, g = "grad(loss, Y)", "grad(loss, y)"
GO, GH = "grad(loss, O)", "grad(loss, Yhat)"
SCORES = f"(P.*({GO}*V') - diag((P.*({GO}*V'))*ones(m))*P)"
CENTRED = f"(H*{GH} - Yhat*diag((Yhat.*{GH})'*ones(n))/(n - 1))*diag(1./s)"

# what a book prints, by example and variable
BOOK: dict[str, dict[str, str]] = {
    "linear_layer": {"H": f"{G}*W'", "W": f"H'*{G}"},
    "linear_layer_transposed": {"W": f"H'*{G}"},
    "two_layer_classifier": {
        "W1": "(step(s1).*(W2'*(p - y)))*x' + 2*lambda*W1",
        "b1": "step(s1).*(W2'*(p - y))",
        "W2": "(p - y)*a' + 2*lambda*W2",
        "b2": "p - y",
    },
    "two_layer_minibatch": {
        "W1": "X'*(step(S1).*((P - Y)*W2'))/n + 2*lambda*W1",
        "b1": "(step(S1).*((P - Y)*W2'))'*ones(n)/n",
        "W2": "A'*(P - Y)/n + 2*lambda*W2",
        "b2": "(P - Y)'*ones(n)/n",
    },
    "tied_autoencoder": {
        "W": f"s*{g}' + ((W*{g}).*s.*(ones(h) - s))*x'",
        "b1": f"(W*{g}).*s.*(ones(h) - s)",
        "b2": g,
    },
    "tied_autoencoder_minibatch": {
        "W": f"S'*{G} + (({G}*W').*S.*(ones(n, h) - S))'*X",
        "b1": f"(({G}*W').*S.*(ones(n, h) - S))'*ones(n)",
        "b2": f"{G}'*ones(n)",
    },
    "batch_norm_column": {"y": "(eye(n) - ones(n)*ones(n)'/n - yhat*yhat'/(n - 1))/s"},
    "batch_norm_design": {"Y": CENTRED},
    "batch_norm_layer": {"W": f"({CENTRED})'*X", "X": f"{CENTRED}*W"},
    "batch_norm": {
        "X": f"({G} - (ones(m)*ones(m)'*{G} + Xhat*diag((Xhat.*{G})'*ones(m)))/m)*diag(gamma./s)",
        "gamma": f"(Xhat.*{G})'*ones(m)",
        "beta": f"{G}'*ones(m)",
    },
    "layer_norm": {
        "X": f"diag(1./s)*({G}*diag(gamma) - (({G}*gamma)*ones(d)' + diag((Xhat.*{G})*gamma)*Xhat)/d)",
        "gamma": f"(Xhat.*{G})'*ones(n)",
        "beta": f"{G}'*ones(n)",
    },
    "attention": {"Q": f"{SCORES}*K/sqrt(d)", "K": f"{SCORES}'*Q/sqrt(d)", "V": f"P'*{GO}"},
    "logistic_regression": {"w": "X'*(sigmoid(z) - y)/n + 2*lambda*w", "b": "sum(sigmoid(z) - y)/n"},
    "softmax_regression": {"W": "X'*(P - Y)/n", "b": "(P - Y)'*ones(n)/n"},
    "gaussian_likelihood": {"mu": "inv(S)*R'*ones(n)", "S": "(inv(S)*R'*R*inv(S) - n*inv(S))/2"},
    "masked_factorization": {"U": "(M.*R)*V + lambda*U", "V": "(M.*R)'*U + lambda*V"},
    "word2vec": {
        "c": "(sigmoid(o'*c) - 1)*o + N'*sigmoid(N*c)",
        "o": "(sigmoid(o'*c) - 1)*c",
        "N": "sigmoid(N*c)*c'",
    },
    "vae_kl": {"mu": "mu", "ell": "(exp(ell) - ones(n))/2"},
}
LONGER = {("batch_norm", "X"): 3, ("layer_norm", "X"): 1}  # by so many operations than the book
ROWS = [(name, variable) for name, forms in BOOK.items() for variable in forms]


def derived(name: str, method: str = "auto") -> matcalc.Derivation:
    return matcalc.derive((EXAMPLES / f"{name}.mc").read_text(encoding="utf-8"), method=method)


@pytest.mark.parametrize(("name", "variable"), ROWS, ids=[f"{n} by {v}" for n, v in ROWS])
def test_the_books_form(name: str, variable: str) -> None:
    d = derived(name)
    assert d.certificate.status == "verified"
    book = parse_expression(BOOK[name][variable], d.problem)
    answer = d.answers[variable]
    assert certify_equal(d.problem, answer, book) < 1e-9, f"{answer} is not {book}"
    allowed = operations(book)["total"] + LONGER.get((name, variable), 0)
    assert operations(answer)["total"] <= allowed, f"{answer} is longer than {book}"


# ------------------------------------------------------------------ automatic differentiation
def sigmoid(x: Array) -> Array:
    return 0.5 * (1 + anp.tanh(0.5 * x))


def relu(x: Array) -> Array:
    return anp.where(x > 0, x, 0.0 * x)


def log_softmax(z: Array) -> Array:
    return z - logsumexp(z, axis=-1, keepdims=True)


def normalized(y: Array, eps: float, axis: int, ddof: int) -> Array:
    c = y - anp.mean(y, axis=axis, keepdims=True)
    v = anp.sum(c * c, axis=axis, keepdims=True) / (y.shape[axis] - ddof)
    return c / anp.sqrt(v + eps)


def attention(Q: Array, K: Array, V: Array) -> Array:
    return anp.dot(anp.exp(log_softmax(anp.dot(Q, K.T) / anp.sqrt(1.0 * Q.shape[1]))), V)


# what each example's loss is of, or its objective, in arrays
PLAIN: dict[str, Callable[..., Array]] = {
    "linear_layer": lambda H, W: anp.dot(H, W),
    "linear_layer_transposed": lambda H, W: anp.dot(H, W),
    "two_layer_classifier": lambda x, W1, b1, W2, b2, y, lam: (
        -anp.dot(y, log_softmax(anp.dot(W2, relu(anp.dot(W1, x) + b1)) + b2))
        + lam * (anp.sum(W1 * W1) + anp.sum(W2 * W2))
    ),
    "two_layer_minibatch": lambda X, W1, b1, W2, b2, Y, lam: (
        -anp.sum(Y * log_softmax(anp.dot(relu(anp.dot(X, W1) + b1), W2) + b2)) / len(X)
        + lam * (anp.sum(W1 * W1) + anp.sum(W2 * W2))
    ),
    "tied_autoencoder": lambda x, W, b1, b2: b2 + anp.dot(W.T, sigmoid(anp.dot(W, x) + b1)),
    "tied_autoencoder_minibatch": lambda X, W, b1, b2: anp.dot(sigmoid(anp.dot(X, W.T) + b1), W) + b2,
    "batch_norm_design": lambda Y, eps: normalized(Y, eps, 0, 1),
    "batch_norm_layer": lambda X, W, eps: normalized(anp.dot(X, W.T), eps, 0, 1),
    "batch_norm": lambda X, gamma, beta, eps: normalized(X, eps, 0, 0) * gamma + beta,
    "layer_norm": lambda X, gamma, beta, eps: normalized(X, eps, 1, 0) * gamma + beta,
    "attention": attention,
    "attention_projections": lambda X, Wq, Wk, Wv: attention(anp.dot(X, Wq), anp.dot(X, Wk), anp.dot(X, Wv)),
    "logistic_regression": lambda X, w, y, b, lam: (
        anp.mean(anp.logaddexp(0.0, anp.dot(X, w) + b) - y * (anp.dot(X, w) + b)) + lam * anp.sum(w * w)
    ),
    "softmax_regression": lambda X, W, b, Y: -anp.sum(Y * log_softmax(anp.dot(X, W) + b)) / len(X),
    "masked_factorization": lambda A, M, U, V, lam: (
        anp.sum(M * (anp.dot(U, V.T) - A) ** 2) / 2 + lam / 2 * (anp.sum(U * U) + anp.sum(V * V))
    ),
    "word2vec": lambda c, o, N: -anp.log(sigmoid(anp.dot(o, c))) - anp.sum(anp.log(sigmoid(-anp.dot(N, c)))),
    "vae_kl": lambda mu, ell: -anp.sum(1 + ell - mu**2 - anp.exp(ell)) / 2,
}
SIZES = {"n": 5, "m": 6, "d": 4, "p": 3, "h": 7, "k": 8, "r": 2, "c": 9}


def arguments(d: matcalc.Derivation, rng: np.random.Generator) -> list[Array]:
    out = []
    for s in d.problem.symbols.values():
        shape = [SIZES[str(size)] for size in s.shape if size.value != 1]
        value = rng.normal(size=shape)
        if "positive" in s.properties:
            value = np.abs(value) + 0.1
        if "stochastic" in s.properties:
            value = np.exp(value) / np.exp(value).sum(axis=-1, keepdims=True)
        out.append(value)
    return out


@pytest.mark.parametrize("method", ["auto", "graph"])
@pytest.mark.parametrize("name", PLAIN)
def test_the_code_agrees_with_automatic_differentiation(name: str, method: str) -> None:
    d = derived(name, method)
    module = d.compile()
    names = list(d.problem.symbols)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        given = arguments(d, rng)
        value = PLAIN[name](*given)
        upstream = rng.normal(size=np.shape(value))
        if hasattr(module, "backward"):
            output, cache = module.forward(*given)
            found = module.backward(upstream, cache)
        else:
            output, found = module.value_and_grad(*given)
            upstream = np.array(1.0)
        assert np.allclose(output, value, rtol=1e-11, atol=1e-11)
        found = found if isinstance(found, tuple) else (found,)
        for variable, got in zip(d.answers, found, strict=True):
            i = names.index(variable)
            exact = autograd_grad(lambda *args, u=upstream: anp.sum(u * PLAIN[name](*args)), i)(*given)
            assert np.max(np.abs(got - exact)) <= 1e-9 * max(1.0, np.max(np.abs(exact))), (name, variable)


def test_batch_norm_saves_what_the_books_save() -> None:
    """Of the batch only the normalized one is kept, besides the vectors of spreads and scales."""
    module = derived("batch_norm").compile()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3))
    _, cache = module.forward(x, rng.normal(size=3), rng.normal(size=3), 1e-5)
    matrices = [a for a in cache if np.ndim(a) == 2]
    assert len(matrices) == 1 and np.allclose(matrices[0], (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5))
    assert all(np.size(a) <= 3 for a in cache if np.ndim(a) < 2)


def test_the_gradient_of_a_named_objective_is_told_by_its_name() -> None:
    """``grad(L, Y)`` where L is ``loss(Y)``; the loss itself in larger expressions, of several arguments, of no name."""
    layer = matcalc.derive("H: n×d; W: d×k; Y = H*W; L = loss(Y); derive L wrt W")
    assert str(layer.answer) == "H'*grad(L, Y)"
    assert layer.answer.latex() == r"H^{\top} \nabla L\left(Y\right)"
    assert parse_expression("H'*grad(L, Y)", layer.problem) is layer.answer
    assert parse_expression("H'*grad(loss, Y)", layer.problem) is layer.answer
    expanded = matcalc.derive("H: n×d; W: d×k; Y = H*W; L = loss(Y); derive L wrt W", method="expand")
    assert str(expanded.answer) == "H'*grad(L, Y)"
    for text, answer in (
        ("y = A*x; L = loss(y) + norm2(x)^2; derive L wrt x", "A'*grad(loss, y) + 2*x"),
        ("y = A*x; L = loss(y, t); derive L wrt x", "A'*grad_1(loss)(y, t)"),
        ("L = loss(A*x); derive L wrt x", "A'*grad(loss, A*x)"),
        ("y = A*x; loss(y)", "A'*grad(loss, y)"),
    ):
        d = matcalc.derive(text, wrt="x")
        assert str(d.answer) == answer and parse_expression(answer, d.problem) is d.answer
