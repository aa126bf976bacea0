"""Problems with their objectives as NumPy functions, and answers to them that are known to be right or wrong.

What is right is decided in the tests by finite differences of the NumPy functions, not by matcalc.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Values = Mapping[str, Array]
Function = Callable[[str, Array], Array]  # an opaque function: by name, of an argument


@dataclass(frozen=True)
class Case:
    """A problem: its text, what is differentiated by what, and the same in NumPy."""

    text: str
    wrt: str
    value: Callable[[Values, Function], Any]


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def softmax(x: Array) -> Array:
    e = np.exp(x - np.max(x))
    return np.asarray(e / np.sum(e))


def normalized(v: Values) -> Array:
    mean = v["X"].mean(axis=0)
    spread = v["X"].var(axis=0)
    return np.asarray((v["X"] - mean) / np.sqrt(spread + v["eps"]) * v["gamma"].T + v["beta"].T)


BATCH = """X : m×d;  gamma : d;  beta : d;  eps : scalar positive
mu = mean(X, rows)
var = mean((X - ones(m)*mu').^2, rows)
Xhat = (X - ones(m)*mu')./(ones(m)*sqrt(var + eps)')
Y = Xhat.*(ones(m)*gamma') + ones(m)*beta'
L = loss(Y)
"""
NET = """W1 : p×d;  W2 : k×p;  x : d;  b : p
s1 = W1*x + b
h = tanh(s1)
s2 = W2*h
L = loss(s2)
"""


def net(v: Values, f: Function) -> Any:
    return f("loss", v["W2"] @ np.tanh(v["W1"] @ v["x"] + v["b"]))


PROBLEMS: dict[str, Case] = {
    "squares": Case(
        "A : m×n; x : n; b : m; norm2(A*x - b)^2", "x", lambda v, f: np.sum((v["A"] @ v["x"] - v["b"]) ** 2)
    ),
    "ridge": Case(
        "A : m×n; x : n; b : m; lambda : scalar; norm2(A*x - b)^2 + lambda*norm2(x)^2",
        "x",
        lambda v, f: np.sum((v["A"] @ v["x"] - v["b"]) ** 2) + v["lambda"] * np.sum(v["x"] ** 2),
    ),
    "mean-squares": Case(
        "A : m×n; x : n; b : m; norm2(A*x - b)^2/m", "x", lambda v, f: np.mean((v["A"] @ v["x"] - v["b"]) ** 2)
    ),
    "quadratic": Case("A : n×n; x : n; x'*A*x", "x", lambda v, f: v["x"].T @ v["A"] @ v["x"]),
    "weighted": Case(
        "A : m×n; x : n; b : m; W : m×m symmetric; (A*x - b)'*W*(A*x - b)",
        "x",
        lambda v, f: (v["A"] @ v["x"] - v["b"]).T @ v["W"] @ (v["A"] @ v["x"] - v["b"]),
    ),
    "factors": Case(
        "X : m×n; U : m×k; V : n×k; normF(X - U*V')^2", "U", lambda v, f: np.sum((v["X"] - v["U"] @ v["V"].T) ** 2)
    ),
    "trace": Case(
        "X : m×n; A : n×n; B : m×m; tr(X*A*X'*B)", "X", lambda v, f: np.trace(v["X"] @ v["A"] @ v["X"].T @ v["B"])
    ),
    "linear-trace": Case("A : n×m; X : m×n; tr(A*X)", "X", lambda v, f: np.trace(v["A"] @ v["X"])),
    "outer": Case("a : m; X : m×n; b : n; a'*X*b", "X", lambda v, f: v["a"].T @ v["X"] @ v["b"]),
    "gram": Case("a : n; X : m×n; a'*X'*X*a", "X", lambda v, f: np.sum((v["X"] @ v["a"]) ** 2)),
    "bilinear-inverse": Case(
        "a : n; b : n; X : n×n invertible; a'*inv(X)*b", "X", lambda v, f: v["a"].T @ np.linalg.inv(v["X"]) @ v["b"]
    ),
    "logdet": Case("X : n×n invertible; logdet(X)", "X", lambda v, f: np.linalg.slogdet(v["X"])[1]),
    "det": Case("X : n×n invertible; det(X)", "X", lambda v, f: np.linalg.det(v["X"])),
    "symmetric": Case("X : n×n symmetric; A : n×n; tr(A*X)", "X", lambda v, f: np.trace(v["A"] @ v["X"])),
    "gaussian": Case(
        "S : p×p symmetric posdef; C : p×p symmetric; logdet(S) + tr(inv(S)*C)",
        "S",
        lambda v, f: np.linalg.slogdet(v["S"])[1] + np.trace(np.linalg.inv(v["S"]) @ v["C"]),
    ),
    "norm": Case("A : m×n; x : n; norm2(A*x)", "x", lambda v, f: np.sqrt(np.sum((v["A"] @ v["x"]) ** 2))),
    "logistic": Case(
        "X : m×n; y : m; w : n; sum(log(1 + exp(-y.*(X*w))))",
        "w",
        lambda v, f: np.sum(np.log(1 + np.exp(-v["y"] * (v["X"] @ v["w"])))),
    ),
    "logsumexp": Case("A : m×n; x : n; log(sum(exp(A*x)))", "x", lambda v, f: np.log(np.sum(np.exp(v["A"] @ v["x"])))),
    "cross-entropy": Case(
        "x : n; y : n; -sum(y.*log(softmax(x)))", "x", lambda v, f: -np.sum(v["y"] * np.log(softmax(v["x"])))
    ),
    "sigmoids": Case(
        "A : m×n; X : n×k; B : m×k; sum(sigmoid(A*X).*B)", "X", lambda v, f: np.sum(sigmoid(v["A"] @ v["X"]) * v["B"])
    ),
    "elementwise": Case(
        "g : elementwise; A : m×n; x : n; c : m; c'*g(A*x)", "x", lambda v, f: v["c"].T @ f("g", v["A"] @ v["x"])
    ),
    "layer": Case("H : d×p; W : p×k; Y = H*W; L = loss(Y)", "W", lambda v, f: f("loss", v["H"] @ v["W"])),
    "layer-input": Case("H : d×p; W : p×k; Y = H*W; L = loss(Y)", "H", lambda v, f: f("loss", v["H"] @ v["W"])),
    "bias": Case(
        "X : m×d; W : d×k; b : k; Y = X*W + ones(m)*b'; L = loss(Y)",
        "b",
        lambda v, f: f("loss", v["X"] @ v["W"] + v["b"].T),
    ),
    "net": Case(NET, "W1", net),
    "net-bias": Case(NET, "b", net),
    "batch": Case(BATCH, "X", lambda v, f: f("loss", normalized(v))),
    "batch-scale": Case(BATCH, "gamma", lambda v, f: f("loss", normalized(v))),
    "tied": Case(
        "W : p×n; x : n; u = tanh(W*x); L = norm2(x - W'*u)^2",
        "W",
        lambda v, f: np.sum((v["x"] - v["W"].T @ np.tanh(v["W"] @ v["x"])) ** 2),
    ),
    "normalized": Case(
        "x : n; c : n; c'*x/norm2(x)", "x", lambda v, f: v["c"].T @ v["x"] / np.sqrt(np.sum(v["x"] ** 2))
    ),
    "scaled": Case(
        "beta : scalar; Phi : N×M; W : M×K; T : N×K; -beta/2*normF(Phi*W - T)^2",
        "W",
        lambda v, f: -v["beta"] / 2 * np.sum((v["Phi"] @ v["W"] - v["T"]) ** 2),
    ),
    "spread": Case(
        "x : m; mu : scalar; sum((x - mu*ones(m)).^2)/m",
        "mu",
        lambda v, f: np.sum((v["x"] - v["mu"]) ** 2) / v["x"].size,
    ),
    "row-sums": Case(
        "X : m×d; v : m; f = v'*(X.*X)*ones(d)",
        "X",
        lambda v, f: np.sum(v["v"] * (v["X"] ** 2).sum(axis=1, keepdims=True)),
    ),
    "cubes": Case("x : n; c : n; c'*x.^3", "x", lambda v, f: v["c"].T @ v["x"] ** 3),
    "relu": Case("A : m×n; x : n; c : m; c'*relu(A*x)", "x", lambda v, f: v["c"].T @ np.maximum(v["A"] @ v["x"], 0)),
}

# Right answers in forms that are unusual: the answer, and the convention it is right up to.
RIGHT: list[tuple[str, str, str | None]] = [
    ("squares", "A'*A*x*2 - A'*b - A'*b", None),
    ("squares", "(2*(A*x - b)'*A)'", None),
    ("squares", "2*(A*x - b)'*A", "transpose"),
    ("squares", "r = A*x - b; A'*r + A'*r", None),
    ("squares", "-(2*A)'*(b - A*x)", None),
    ("squares", "2*diag(diag(A'*(A*x - b)*ones(n)'))*ones(n)", None),
    ("ridge", "2*(A'*A + lambda*eye(n))*x - 2*A'*b", None),
    ("ridge", "2*lambda*x + 2*(A'*A)*x - 2*(b'*A)'", None),
    ("mean-squares", "A'*(A*x - b)/(m/2)", None),
    ("quadratic", "A*x + (x'*A)'", None),
    ("quadratic", "x'*A + x'*A'", "transpose"),
    ("weighted", "A'*(W + W')*(A*x - b)", None),
    ("factors", "2*(U*V' - X)*V", None),
    ("factors", "2*U*(V'*V) - 2*X*V", None),
    ("trace", "(A*X'*B)' + B*X*A", None),
    ("linear-trace", "(A' + A')/2", None),
    ("outer", "(b*a')'", None),
    ("outer", "diag(a)*ones(m, n)*diag(b)", None),
    ("gram", "2*X*a*a'", None),
    ("bilinear-inverse", "-inv(X')*a*(inv(X)*b)'", None),
    ("logdet", "inv(X')", None),
    ("logdet", "inv(X*X')*X", None),
    ("det", "det(X)*inv(X')", None),
    ("symmetric", "(A + A')/2", None),
    ("symmetric", "A + A' - A.*eye(n)", "independent entries"),
    ("symmetric", "A'", "symmetric projection"),
    ("gaussian", "inv(S)*(S - C)*inv(S)", None),
    ("norm", "A'*A*x*norm2(A*x)^-1", None),
    ("norm", "(A'*A)*x/sqrt(x'*A'*A*x)", None),
    ("logistic", "-X'*(y./(1 + exp(y.*(X*w))))", None),
    ("logistic", "X'*(y.*(sigmoid(y.*(X*w)) - 1))", None),
    ("logsumexp", "A'*exp(A*x)/sum(exp(A*x))", None),
    ("logsumexp", "(softmax(A*x)'*A)'", None),
    ("cross-entropy", "sum(y)*softmax(x) - y", None),
    ("sigmoids", "A'*(B.*sigmoid(A*X).*sigmoid(-A*X))", None),
    ("elementwise", "A'*diag(c)*g'(A*x)", None),
    ("elementwise", "(diag(g'(A*x))*A)'*c", None),
    ("layer", "(G'*H)'", None),
    ("layer", "g = grad(loss, H*W); H'*g", None),
    ("layer-input", "(W*grad(loss, Y)')'", None),
    ("bias", "grad(loss, Y)'*ones(m)", None),
    ("bias", "ones(m)'*grad(loss, Y)", "transpose"),
    ("net", "diag(1 - h.^2)*W2'*G*x'", None),
    ("net", "dh = W2'*G; ds = dh - dh.*h.*h; ds*x'", None),
    ("net-bias", "(G'*W2*diag(1 - tanh(s1).^2))'", None),
    (
        "batch",
        "g = G.*(ones(m)*(gamma./sqrt(var + eps))'); "
        "g - ones(m)*(ones(m)'*g)/m - Xhat.*(ones(m)*(ones(m)'*(g.*Xhat)))/m",
        None,
    ),
    ("batch-scale", "diag(G'*Xhat)", None),
    ("tied", "r = x - W'*u; -2*u*r' - 2*((W*r).*(1 - u.^2))*x'", None),
    ("normalized", "(eye(n) - x*x'/norm2(x)^2)*c/norm2(x)", None),
    ("scaled", "beta*Phi'*(T - Phi*W)", None),
    ("spread", "2*(mu - mean(x))", None),
    ("row-sums", "2*diag(v)*X", None),
    ("row-sums", "(v*ones(d)').*X + X.*(v*ones(d)')", None),
    ("cubes", "3*diag(x)*diag(x)*c", None),
    ("relu", "A'*(c.*(sign(A*x) + 1)/2)", None),
]

# Wrong answers and the kind of the first finding.
WRONG: list[tuple[str, str, str]] = [
    ("squares", "A'*(A*x - b)", "factor"),
    ("squares", "2*A*(A*x - b)", "transpose"),
    ("squares", "2*(A*x - b)*A'", "transpose"),
    ("squares", "2*A'*(A*x + b)", "sign"),
    ("squares", "-2*A'*(A*x - b)", "sign"),
    ("squares", "2*A'*A*x", "missing-term"),
    ("squares", "2*A'*A*x - A'*b", "factor"),
    ("squares", "2*A'.*(A*x - b)", "hadamard"),
    ("squares", "2*A'*(A*x - b) + x", "extra-term"),
    ("ridge", "2*A'*(A*x - b)", "missing-term"),
    ("ridge", "2*A'*(A*x - b) + lambda*x", "factor"),
    ("ridge", "2*A'*(A*x - b) + 2*x", "factor"),
    ("ridge", "2*A'*(A*x - b) - 2*lambda*x", "sign"),
    ("mean-squares", "2*A'*(A*x - b)", "factor"),
    ("quadratic", "2*A*x", "symmetric"),
    ("quadratic", "A*x", "missing-term"),
    ("quadratic", "(A - A')*x", "sign"),
    ("weighted", "2*A'*W'*A*x", "missing-term"),
    ("factors", "2*(X - U*V')*V", "sign"),
    ("factors", "-2*(X - U*V')'*V", "transpose"),
    ("factors", "-2*(X - V*U')*V", "transpose"),
    ("trace", "B*X*A", "missing-term"),
    ("trace", "B*X*A + B*X*A'", "transpose"),
    ("linear-trace", "A", "transpose"),
    ("outer", "b*a'", "transpose"),
    ("outer", "a.*b", "hadamard"),
    ("gram", "2*a*a'*X", "order"),
    ("gram", "X*a*a'", "factor"),
    ("bilinear-inverse", "inv(X)'*a*b'*inv(X)'", "sign"),
    ("bilinear-inverse", "-inv(X)*a*b'*inv(X)", "transpose"),
    ("logdet", "inv(X)", "transpose"),
    ("det", "inv(X)'", "factor"),
    ("gaussian", "inv(S) + inv(S)*C*inv(S)", "sign"),
    ("gaussian", "inv(S) - inv(S)*C", "factor"),
    ("norm", "A'*A*x", "factor"),
    ("norm", "2*A'*A*x", "factor"),
    ("logistic", "X'*(y.*sigmoid(-y.*(X*w)))", "sign"),
    ("logistic", "-X'*sigmoid(-y.*(X*w))", "factor"),
    ("logsumexp", "softmax(A*x)", "factor"),
    ("cross-entropy", "softmax(x) - y", "other"),
    ("sigmoids", "A'*(B.*sigmoid(A*X))", "other"),
    ("elementwise", "A'*(c.*g(A*x))", "other"),
    ("elementwise", "A'*(c.*g'(x))", "wrong-point"),
    ("elementwise", "A'*(c*g'(A*x))", "hadamard"),
    ("layer", "G'*H", "transpose"),
    ("layer", "G*H'", "order"),
    ("layer-input", "W'*G", "order"),
    ("bias", "G*ones(k)", "reduction"),
    ("bias", "grad(loss, Y)", "reduction"),
    ("bias", "sum(G)", "reduction"),
    ("net", "((W2'*G).*(1 - tanh(h).^2))*x'", "wrong-point"),
    ("net", "((W2'*G).*(1 - tanh(s2).^2))*x'", "wrong-point"),
    ("net", "(W2'*G)*(1 - h.^2)'*x'", "hadamard"),
    ("net", "((W2*G).*(1 - h.^2))*x'", "transpose"),
    ("net", "x*((W2'*G).*(1 - h.^2))'", "transpose"),
    ("net-bias", "(W2'*G).*(1 - h)", "other"),
    ("batch", "g = G.*(ones(m)*(gamma./sqrt(var + eps))'); g - ones(m)*(ones(m)'*g)/m", "missing-path"),
    ("batch", "g = G.*(ones(m)*(gamma./sqrt(var + eps))'); g - Xhat.*(ones(m)*(ones(m)'*(g.*Xhat)))/m", "missing-path"),
    ("batch", "G.*(ones(m)*(gamma./sqrt(var + eps))')", "missing-path"),
    ("batch-scale", "(G.*Xhat)*ones(d)", "reduction"),
    ("batch-scale", "(G.*X)'*ones(m)", "wrong-point"),
    ("tied", "-2*u*(x - W'*u)'", "missing-path"),
    ("normalized", "c/norm2(x)", "missing-term"),
    ("scaled", "beta*Phi'*(Phi*W - T)", "sign"),
    ("scaled", "-beta*Phi'*(Phi'*W - T)", "transpose"),
    ("scaled", "-Phi'*(Phi*W - T)", "factor"),
    ("spread", "2/m*sum(x - mu*ones(m))", "sign"),
    ("row-sums", "2*X*diag(v)", "order"),
    ("cubes", "3*c.*x", "other"),
    ("relu", "A'*(c.*relu(A*x))", "other"),
    ("relu", "A'*c", "factor"),
]
# What cannot be read: an answer is not called wrong for it.
UNREADABLE: list[tuple[str, str]] = [
    ("squares", "2*A'*(A*x - b"),
    ("squares", "2*A'*(A*x - z)"),
    ("squares", ""),
    ("squares", "2*A'*(A*x - b) + A"),
    ("squares", "det(A)*x"),
    ("quadratic", "A + x'*x"),
    ("logdet", "__import__('os')"),
]
