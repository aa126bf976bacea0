"""Time of emitted modules against the best NumPy that could be written by hand, as ratios.

    python benchmarks/emitted.py [small|medium|large ...]

The hand-written versions are what an expert writes who knows the formula: shared intermediates, in-place arithmetic, no
checks of arguments.  Run with OPENBLAS_NUM_THREADS=1 for steady numbers.  Nothing here is a test.
"""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import exp, log
from typing import Any

import numpy as np

import matcalc

Array = Any
SIZES = {"small": (20, 5, 3), "medium": (400, 60, 10), "large": (4000, 400, 20)}


@dataclass(frozen=True)
class Workload:
    name: str
    problem: str
    wrt: Sequence[str]
    shapes: Mapping[str, str]  # of the arguments, in order
    hand: Callable[..., Any]
    declare: str = ""
    order: int = 1
    function: str = "value_and_grad"


def least_squares(A: Array, x: Array, b: Array) -> Any:
    r = A @ x
    r -= b
    g = r @ A
    g *= 2
    return r @ r, g


def ridge(A: Array, x: Array, b: Array, c: float) -> Any:
    r = A @ x
    r -= b
    g = r @ A
    g += c * x
    g *= 2
    return r @ r + c * (x @ x), g


def logistic(y: Array, X: Array, w: Array) -> Any:
    z = X @ w
    z *= y
    t = np.exp(-np.abs(z))
    value = np.log1p(t).sum() - np.minimum(z, 0).sum()
    s = np.where(z > 0, t, 1.0)
    t += 1
    s /= t
    s *= y
    g = s @ X
    return value, np.negative(g, out=g)


def logsumexp(A: Array, x: Array) -> Any:
    z = A @ x
    top = z.max()
    z -= top
    np.exp(z, out=z)
    s = z.sum()
    g = z @ A
    g /= s
    return top + np.log(s), g


def softmax_regression(F: Array, W: Array, T: Array) -> Any:
    Z = F @ W
    value = -np.vdot(T, Z)
    top = Z.max(axis=1)
    Z -= top[:, None]
    np.exp(Z, out=Z)
    s = Z.sum(axis=1)
    value += top.sum() + np.log(s).sum()
    Z /= s[:, None]
    Z -= T
    return value, F.T @ Z


def factorization(X: Array, U: Array, V: Array) -> Any:
    R = U @ V.T
    R -= X
    value = np.vdot(R, R)
    gU, gV = R @ V, R.T @ U
    gU *= 2
    gV *= 2
    return value, (gU, gV)


def gaussian(S: Array, C: Array) -> Any:
    n = len(S)
    P = np.linalg.inv(S)
    value = -n / 2 * np.linalg.slogdet(S)[1] - 0.5 * np.vdot(P, C)
    G = P @ C @ P
    P *= n
    G -= P
    G *= 0.5
    return value, G


def tanh_network(X: Array, V: Array, b: Array, W: Array, T: Array) -> Any:
    H = X @ V
    H += b
    np.tanh(H, out=H)
    R = H @ W
    R -= T
    gW = H.T @ R
    gW *= 2
    value = np.vdot(R, R)
    D = R @ W.T
    H *= H
    np.subtract(1, H, out=H)
    D *= H
    D *= 2
    return value, (X.T @ D, D.sum(axis=0), gW)


def relu_backward(X: Array, V: Array, b: Array, W: Array) -> Any:
    H = X @ V
    H += b
    np.maximum(H, 0, out=H)
    Y = H @ W
    G = Y  # any upstream gradient of its shape
    D = G @ W.T
    D *= H > 0
    return Y, (X.T @ D, D.sum(axis=0), H.T @ G)


def logistic_hessian(y: Array, X: Array, w: Array) -> Any:
    z = X @ w
    z *= y
    s = 1 / (1 + np.exp(-z))
    s *= 1 - s
    Z = np.sqrt(s)[:, None] * X
    return Z.T @ Z


def log_determinant(X: Array) -> Any:
    S = X.T @ X
    value = np.linalg.slogdet(S)[1]
    G = X @ np.linalg.inv(S)
    G *= 2
    return value, G


def recurrent(h0: Array, W: Array, U: Array, x: Array, b: Array, y: Array) -> Any:
    """``h[t] = tanh(W*h[t-1] + U*x[t] + b)``: all inputs in one product, all weights' gradients in one each."""
    T, n = y.shape
    h = np.empty((T + 1, n))
    h[0] = h0
    A = x @ U.T
    A += b
    for t in range(T):
        z = W @ h[t]
        z += A[t]
        np.tanh(z, out=h[t + 1])
    R = h[1:] - y
    value = np.vdot(R, R)
    R *= 2
    S = 1 - h[1:] ** 2
    D = np.empty((T, n))
    d = R[-1] * S[-1]
    D[-1] = d
    for t in range(T - 2, -1, -1):
        d = d @ W
        d += R[t]
        d *= S[t]
        D[t] = d
    return value, (D.T @ h[:-1], D.T @ x, D.sum(axis=0))


def deep(W: list[Array], x0: Array, y: Array) -> Any:
    """A network of tanh layers with its residual's square as the loss."""
    x = [x0]
    for w in W:
        x.append(np.tanh(w @ x[-1]))
    r = x[-1] - y
    value = r @ r
    d = 2 * r
    gradients = [None] * len(W)
    for i in range(len(W) - 1, -1, -1):
        d = d * (1 - x[i + 1] ** 2)
        gradients[i] = np.outer(d, x[i])
        d = d @ W[i]
    return value, gradients


def batch_norm(X: Array, gamma: Array, beta: Array, eps: float) -> Any:
    m = len(X)
    C = X - X.sum(axis=0) / m
    r = 1 / np.sqrt(np.einsum("ij,ij->j", C, C) / m + eps)
    C *= r
    Y = C * gamma
    Y += beta
    G = Y
    gb = G.sum(axis=0)
    gg = np.einsum("ij,ij->j", G, C)
    D = C * (gg / -m)
    D += G
    D -= gb / m
    D *= gamma * r
    return Y, (D, gg, gb)


def attention(Q: Array, K: Array, V: Array) -> Any:
    d = Q.shape[1]
    S = Q @ K.T
    S /= np.sqrt(d)
    S -= S.max(axis=1, keepdims=True)
    np.exp(S, out=S)
    S /= S.sum(axis=1, keepdims=True)
    Y = S @ V
    G = Y
    gV = S.T @ G
    D = G @ V.T
    D -= np.einsum("ij,ij->i", G, Y)[:, None]
    D *= S
    gQ, gK = D @ K, D.T @ Q
    gQ /= np.sqrt(d)
    gK /= np.sqrt(d)
    return Y, (gQ, gK, gV)


def summed(y: Array, x: Array, w: Array) -> Any:
    return logistic(y, x, w)


NORMALIZED = """
mu = mean(X, rows)
s = sqrt(mean((X - ones(m)*mu').^2, rows) + eps)
Xhat = (X - ones(m)*mu')./(ones(m)*s')
L = loss(Xhat.*(ones(m)*gamma') + ones(m)*beta')
"""
RNN = """
h[0] = h0
for t in 1..T:
    h[t] = tanh(W*h[t-1] + U*x[t] + b)
L = sum(t in 1..T, norm2(h[t] - y[t])^2)
"""
LAYERS = """
x[0] = x0
for i in 1..k:
    x[i] = tanh(W[i]*x[i-1])
L = norm2(x[k] - y)^2
"""

WORKLOADS = [
    Workload("least squares", "norm2(A*x - b)^2", ["x"], {"A": "mn", "x": "n", "b": "m"}, least_squares),
    Workload(
        "ridge", "norm2(A*x - b)^2 + c*norm2(x)^2", ["x"], {"A": "mn", "x": "n", "b": "m", "c": ""}, ridge, "c : scalar"
    ),
    Workload(
        "logistic",
        "sum(log(exp(-y.*(X*w)) + vector(1)))",
        ["w"],
        {"y": "m", "X": "mn", "w": "n"},
        logistic,
    ),
    Workload("logsumexp", "log(sum(exp(A*x)))", ["x"], {"A": "mn", "x": "n"}, logsumexp),
    Workload(
        "softmax regression",
        "sum(log(exp(F*W)*vector(1))) - sum(T.*(F*W))",
        ["W"],
        {"F": "mn", "W": "nk", "T": "mk"},
        softmax_regression,
    ),
    Workload("factorization", "normF(X - U*V')^2", ["U", "V"], {"X": "mn", "U": "mk", "V": "nk"}, factorization),
    Workload(
        "Gaussian likelihood",
        "-n/2*logdet(S) - 1/2*tr(inv(S)*C)",
        ["S"],
        {"S": "nn", "C": "nn"},
        gaussian,
        "S : n×n symmetric posdef; C : n×n symmetric",
    ),
    Workload("log-determinant", "logdet(X'*X)", ["X"], {"X": "mn"}, log_determinant),
    Workload(
        "tanh network",
        "normF(tanh(X*V + ones(m)*b')*W - T)^2",
        ["V", "b", "W"],
        {"X": "mn", "V": "nn", "b": "n", "W": "nk", "T": "mk"},
        tanh_network,
        "X : m×n; V : n×n; b : n; W : n×k; T : m×k",
    ),
    Workload(
        "relu layer, backward",
        "loss(relu(X*V + ones(m)*b')*W)",
        ["V", "b", "W"],
        {"X": "mn", "V": "nn", "b": "n", "W": "nk"},
        relu_backward,
        "X : m×n; V : n×n; b : n; W : n×k",
        function="backward",
    ),
    Workload(
        "logistic Hessian",
        "sum(log(exp(-y.*(X*w)) + vector(1)))",
        ["w"],
        {"y": "m", "X": "mn", "w": "n"},
        logistic_hessian,
        order=2,
        function="hessian",
    ),
    Workload(
        "batch norm, backward",
        NORMALIZED,
        ["X", "gamma", "beta"],
        {"X": "mn", "gamma": "n", "beta": "n", "eps": ""},
        batch_norm,
        "X : m×n; gamma : n; beta : n; eps : scalar positive",
        function="backward",
    ),
    Workload(
        "attention, backward",
        "loss(softmax(Q*K'/sqrt(d), rowwise)*V)",
        ["Q", "K", "V"],
        {"Q": "mn", "K": "mn", "V": "mn"},
        attention,
        "Q : n×d; K : m×d; V : m×p",
        function="backward",
    ),
    Workload(
        "logistic, as a sum",
        "sum(i in 1..N, log(1 + exp(-y[i]*(w'*x[i]))))",
        ["w"],
        {"y": "m", "x": "mn", "w": "n"},
        summed,
        "y[i] : scalar; x[i] : d; w : d",
    ),
    Workload(
        "recurrent network",
        RNN,
        ["W", "U", "b"],
        {"h0": "n", "W": "nn", "U": "nk", "x": "mk", "b": "n", "y": "mn"},
        recurrent,
    ),
    Workload("deep network", LAYERS, ["W"], {"W": "*nn", "x0": "n", "y": "n"}, deep, "W[i] : m[i]×m[i-1]"),
]
DEPTH = 6  # of a list of arrays, written with a star


def arguments(workload: Workload, sizes: tuple[int, int, int]) -> dict[str, Any]:
    """Random arguments; a square matrix is positive definite, labels are signs."""
    rng = np.random.default_rng(0)
    size = dict(zip("mnk", sizes, strict=True))
    out: dict[str, Any] = {}
    for name, letters in workload.shapes.items():
        if letters.startswith("*"):
            shape = [size[c] for c in letters[1:]]
            out[name] = [rng.standard_normal(shape) / np.sqrt(size["n"]) for _ in range(DEPTH)]
            continue
        value = rng.standard_normal([size[c] for c in letters]) / np.sqrt(size["n"])
        if letters == "nn" and "posdef" in workload.declare:
            value = value @ value.T + np.eye(size["n"])
        out[name] = np.sign(value) if name == "y" else value if letters else float(abs(value)) + 0.1
    return out


def emitted(workload: Workload) -> Callable[..., Any]:
    """The emitted function; forward and backward as one."""
    d = matcalc.derive(
        workload.problem, wrt=list(workload.wrt), declare=workload.declare or None, order=workload.order, verify=False
    )
    module = d.compile()
    if workload.function != "backward":
        return getattr(module, workload.function)  # type: ignore[no-any-return]

    def both(**point: Any) -> Any:
        output, cache = module.forward(**point)
        return output, module.backward(output, cache)

    return both


def seconds(run: Callable[[], Any]) -> float:
    """The shortest of several timings."""
    number = 1
    while timeit.timeit(run, number=number) < 0.05:
        number *= 2
    return min(timeit.repeat(run, number=number, repeat=7)) / number


def agree(a: Any, b: Any) -> bool:
    if isinstance(a, (tuple, list)):
        return all(agree(x, y) for x, y in zip(a, b, strict=True))
    return bool(np.allclose(a, b, rtol=1e-8, atol=1e-8 * (1 + np.max(np.abs(b)))))


def main(names: Sequence[str]) -> int:
    ratios: list[float] = []
    print(f"{'workload':24}" + "".join(f"{n:>30}" for n in names))
    for workload in WORKLOADS:
        function = emitted(workload)
        line = f"{workload.name:24}"
        for name in names:
            point = arguments(workload, SIZES[name])
            if not agree(function(**point), workload.hand(**point)):
                print(f"{workload.name}: the emitted code and the hand-written code disagree", file=sys.stderr)
                return 1
            ours, hand = (seconds(partial(f, **point)) for f in (function, workload.hand))
            ratios.append(ours / hand)
            line += f"{ours * 1e6:12.1f} us /{hand * 1e6:9.1f} {ours / hand:6.2f}"
        print(line)
    print(f"geometric mean of the ratios: {exp(sum(map(log, ratios)) / len(ratios)):.2f}")
    return 0


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(SIZES)
    if set(chosen) - set(SIZES):
        raise SystemExit(f"sizes are {', '.join(SIZES)}")
    raise SystemExit(main(chosen))
