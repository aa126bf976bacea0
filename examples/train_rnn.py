"""Train a recurrent network to read handwritten digits row by row, with nothing but emitted code.

An image is a sequence of eight rows of eight pixels; a gated state runs over it, and a softmax
layer says after the last row which digit it was. Two problems are derived: the network, with a
symbolic number of steps, in front of an opaque loss, and the cross-entropy of its scores. The
modules that come out compute every value and every gradient, by backpropagation through time; here
are only the steps of Adam and the data.

    pip install "matcalc-derive[examples]"
    python examples/train_rnn.py
"""

from __future__ import annotations

import sys
import time

import numpy as np

import matcalc

NETWORK = """
# a mini-batch of sequences: x[t] has one example in each row
x[t] : N×p;  h[t] : N×m;  z[t] : N×m;  a[t] : N×m
W : m×m;  U : p×m;  b : m;  Wz : m×m;  Uz : p×m;  bz : m;  V : m×k;  c : k
h[0] = zeros(N, m)
for t in 1..T:
    z[t] = sigmoid(h[t-1]*Wz + x[t]*Uz + ones(N)*bz')
    a[t] = tanh(h[t-1]*W + x[t]*U + ones(N)*b')
    h[t] = h[t-1] + z[t].*(a[t] - h[t-1])
S = h[T]*V + ones(N)*c'
L = loss(S)
derive L wrt W, U, b, Wz, Uz, bz, V, c
"""
HEAD = """
# the mean cross-entropy of the scores S; the rows of Y are one-hot
S : N×k;  Y : N×k stochastic
J = (sum(logsumexp(S, rowwise)) - sum(Y.*S))/N
derive J wrt S
"""
NAMES = ("W", "U", "b", "Wz", "Uz", "bz", "V", "c")
Array = np.ndarray
Parameters = dict[str, Array]


def start(inputs: int, width: int, classes: int, rng: np.random.Generator) -> Parameters:
    """Random weights; the gates begin nearly closed, so that the state is kept."""
    sizes = {"W": (width, width), "U": (inputs, width), "V": (width, classes)}
    sizes |= {"Wz": sizes["W"], "Uz": sizes["U"]}
    out = {n: rng.normal(size=s) / np.sqrt(s[0]) for n, s in sizes.items()}
    return {**out, "b": np.zeros(width), "bz": np.full(width, -1.0), "c": np.zeros(classes)}


def adam(parameters: Parameters, grads: Parameters, state: dict[str, tuple[Array, Array]], t: int, rate: float) -> None:
    """One step of Adam."""
    for name, g in grads.items():
        m, v = state.get(name, (np.zeros_like(g), np.zeros_like(g)))
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        state[name] = m, v
        parameters[name] = parameters[name] - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)


def train(x: Array, labels: Array, width: int = 64, epochs: int = 25, held_out: float = 0.25, seed: int = 0) -> float:
    """Train on a part of the sequences ``x`` (steps, examples, entries); the accuracy on the rest."""
    network, head = matcalc.derive(NETWORK).compile(), matcalc.derive(HEAD).compile()
    rng = np.random.default_rng(seed)
    order = rng.permutation(x.shape[1])
    cut = int(len(order) * (1 - held_out))
    rows, rest = order[:cut], order[cut:]
    Y = np.eye(int(labels.max()) + 1)[labels]
    p = start(x.shape[2], width, Y.shape[1], rng)
    state: dict[str, tuple[Array, Array]] = {}
    steps, accuracy = 0, 0.0
    batches = max(1, cut // 32)
    for epoch in range(1, epochs + 1):
        total = 0.0
        for batch in np.array_split(rng.permutation(rows), batches):
            steps += 1
            scores, cache = network.forward(x[:, batch], **p)
            value, upstream = head.value_and_grad(scores, Y[batch])
            grads = network.backward(upstream, cache)
            rate = 5e-3 * 0.5 * (1 + np.cos(np.pi * steps / (epochs * batches)))
            adam(p, dict(zip(NAMES, grads, strict=True)), state, steps, rate)
            total += float(value) / batches
        scores, _ = network.forward(x[:, rest], **p)
        accuracy = float(np.mean(scores.argmax(axis=1) == labels[rest]))
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
    accuracy = train(digits.images.transpose(1, 0, 2) / 8 - 1, digits.target)
    print(f"{accuracy:.2%} of the held-out digits are right, after {time.perf_counter() - started:.1f} s")
    return 0 if accuracy >= 0.95 else 1


if __name__ == "__main__":
    sys.exit(main())
