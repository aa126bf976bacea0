"""Train a batch-normalized network on handwritten digits with nothing but emitted code.

Three problems are derived: a hidden layer (linear, batch normalization, relu) in front of an opaque loss, a softmax
cross-entropy head, and the affine layer that the hidden one becomes once its statistics are fixed.  The modules that
come out compute every value and every gradient; here are only the loop, the steps of Adam and the data.

    pip install "matcalc-derive[examples]"
    python examples/train_digits.py
"""

from __future__ import annotations

import sys
import time
from types import ModuleType

import numpy as np

import matcalc

HIDDEN = """
# a hidden layer: linear map, batch normalization with scale and shift, relu
X : n×p;  W : p×h;  gamma : h;  beta : h;  eps : scalar positive
Z    = X*W
mu   = mean(Z, rows)
s    = sqrt(var(Z, rows) + eps)
Zhat = (Z - ones(n)*mu') ./ (ones(n)*s')
A    = relu(Zhat.*(ones(n)*gamma') + ones(n)*beta')
L    = loss(A)
derive L wrt X, W, gamma, beta
"""
HEAD = """
# the mean cross-entropy of a softmax layer; the rows of Y are one-hot
A : n×h;  W : h×k;  b : k;  Y : n×k stochastic
P = softmax(A*W + ones(n)*b', rowwise)
J = -sum(Y.*log(P))/n
derive J wrt A, W, b
"""
AFFINE = """
# what a hidden layer is once its mean and its spread are fixed
X : n×p;  W : p×h;  b : h
A = relu(X*W + ones(n)*b')
L = loss(A)
derive L wrt W, b
"""
EPS = 1e-5
Array = np.ndarray
Parameters = dict[str, Array]


def emitted(problem: str) -> ModuleType:
    """The NumPy module of a problem."""
    return matcalc.derive(problem).compile()


class Network:
    """Hidden layers and a head; all of their mathematics is emitted code."""

    def __init__(self, sizes: list[int], rng: np.random.Generator) -> None:
        self.hidden, self.head, self.affine = emitted(HIDDEN), emitted(HEAD), emitted(AFFINE)
        self.depth = len(sizes) - 2
        self.parameters: Parameters = {}
        for i in range(self.depth):
            self.parameters[f"W{i}"] = rng.normal(size=(sizes[i], sizes[i + 1])) * np.sqrt(2 / sizes[i])
            self.parameters[f"gamma{i}"] = np.ones(sizes[i + 1])
            self.parameters[f"beta{i}"] = np.zeros(sizes[i + 1])
        self.parameters["W"] = rng.normal(size=sizes[-2:]) * np.sqrt(1 / sizes[-2])
        self.parameters["b"] = np.zeros(sizes[-1])

    def loss_and_gradients(self, x: Array, y: Array) -> tuple[float, Parameters]:
        """Forward through the layers, backward through their caches."""
        p, caches, grads = self.parameters, [], {}
        for i in range(self.depth):
            x, cache = self.hidden.forward(x, p[f"W{i}"], p[f"gamma{i}"], p[f"beta{i}"], EPS)
            caches.append(cache)
        value, (upstream, grads["W"], grads["b"]) = self.head.value_and_grad(x, p["W"], p["b"], y)
        for i in reversed(range(self.depth)):
            upstream, grads[f"W{i}"], grads[f"gamma{i}"], grads[f"beta{i}"] = self.hidden.backward(upstream, caches[i])
        return float(value), grads

    def scores(self, x: Array, training: Array) -> Array:
        """The scores of each class; the layers' statistics are those of the training data."""
        p = self.parameters
        for i in range(self.depth):
            z = training @ p[f"W{i}"]
            scale = p[f"gamma{i}"] / np.sqrt(z.var(axis=0) + EPS)
            w, b = p[f"W{i}"] * scale, p[f"beta{i}"] - z.mean(axis=0) * scale
            x, training = self.affine.forward(x, w, b)[0], self.affine.forward(training, w, b)[0]
        return x @ p["W"] + p["b"]


def adam(parameters: Parameters, grads: Parameters, state: dict[str, tuple[Array, Array]], t: int, rate: float) -> None:
    """One step of Adam with a little weight decay."""
    for name, g in grads.items():
        m, v = state.get(name, (np.zeros_like(g), np.zeros_like(g)))
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        state[name] = m, v
        step = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        decay = 1e-3 * parameters[name] if name.startswith("W") else 0.0
        parameters[name] = parameters[name] - rate * (step + decay)


def train(
    x: Array,
    labels: Array,
    held_out: float = 0.25,
    hidden: tuple[int, ...] = (128, 64),
    epochs: int = 40,
    seed: int = 0,
) -> float:
    """Train on a part of the data; the accuracy on the rest."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(x))
    cut = int(len(x) * (1 - held_out))
    rows, rest = order[:cut], order[cut:]
    y = np.eye(int(labels.max()) + 1)[labels]
    network = Network([x.shape[1], *hidden, y.shape[1]], rng)
    state: dict[str, tuple[Array, Array]] = {}
    steps, accuracy = 0, 0.0
    batches = max(1, cut // 64)
    for epoch in range(1, epochs + 1):
        total = 0.0
        for batch in np.array_split(rng.permutation(rows), batches):
            steps += 1
            value, grads = network.loss_and_gradients(x[batch], y[batch])
            rate = 3e-3 * 0.5 * (1 + np.cos(np.pi * steps / (epochs * batches)))
            adam(network.parameters, grads, state, steps, rate)
            total += value / batches
        accuracy = float(np.mean(network.scores(x[rest], x[rows]).argmax(axis=1) == labels[rest]))
        bar = "#" * (20 * epoch // epochs)
        print(
            f"\r[{bar:20}] epoch {epoch}/{epochs}  loss {total:.4f}  held out {accuracy:.1%}", end="", file=sys.stderr
        )
    print(file=sys.stderr)
    return accuracy


def main() -> int:
    from sklearn.datasets import load_digits

    digits = load_digits()
    started = time.perf_counter()
    accuracy = train(digits.data / 16 - 0.5, digits.target)
    print(f"{accuracy:.2%} of the held-out digits are right, after {time.perf_counter() - started:.1f} s")
    return 0 if accuracy >= 0.97 else 1


if __name__ == "__main__":
    sys.exit(main())
