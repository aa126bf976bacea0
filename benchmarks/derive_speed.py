"""How long a derivation takes: textbook problems, and problems that grow. ``python -m benchmarks.derive_speed``.

Every figure is the median of the repetitions, in milliseconds of this process; the cold start is a process of its own.
Growth is shown by families of k parts: where ten times the size costs much more than ten times the time, a walk is not
linear.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from matcalc.calculus.derive import derive
from matcalc.errors import CannotDerive
from matcalc.language.elaborate import parse_problem

TEXTBOOK = (
    ("least squares", "norm2(A*x - b)^2", "x"),
    ("quadratic form", "x'*A*x", "x"),
    ("logistic regression", "sum(log(exp(-y.*(X*w)) + vector(1)))", "w"),
    ("softmax regression", "sum(log(exp(F*W)*vector(1))) - sum(T.*(F*W))", "W"),
    ("log-determinant", "log(det(X'*X))", "X"),
    ("Gaussian likelihood", "-n/2*logdet(S) - 1/2*tr(inv(S)*C)", "S"),
    ("factorization", "normF(X - U*V')^2", "U"),
    ("tied autoencoder", "0.5*norm2(W'*tanh(W*x) - x)^2", "W"),
    ("Rayleigh quotient", "(A*x)'*x/norm2(x)^2", "x"),
    ("matrix power", "a'*X^3*b", "X"),
)
DECLARED = {"Gaussian likelihood": "S: n×n symmetric posdef; C: n×n symmetric", "Rayleigh quotient": "A: n×n symmetric"}
SIZES = (10, 30, 100, 300)


@dataclass(frozen=True, slots=True)
class Timed:
    parse: float
    derive: float
    operations: int


def chain(k: int) -> str:
    """A product of k matrices; the variable stands in the middle."""
    factors = [f"A{i}" for i in range(k)]
    factors[k // 2] = "X"
    return f"tr({'*'.join(factors)})"


def traces(k: int) -> str:
    """A sum of k traces."""
    return " + ".join(f"tr(A{i}*X)" for i in range(k))


def residuals(k: int) -> str:
    """A sum of k squared norms."""
    return " + ".join(f"norm2(A{i}*x - b{i})^2" for i in range(k))


def layers(k: int) -> str:
    """A network of k layers, each with a name; differentiated by the first weight."""
    lines = ["h0 = tanh(W*x)"] + [f"h{i} = tanh(W{i}*h{i - 1})" for i in range(1, k)]
    return "\n".join([*lines, f"norm2(h{k - 1})^2"])


FAMILIES: tuple[tuple[str, Callable[[int], str], str, str], ...] = (
    ("product of k matrices", chain, "X", ""),
    ("sum of k traces", traces, "X", ""),
    ("sum of k residuals", residuals, "x", ""),
    ("k tanh layers", layers, "W", "x: n"),
)


def measured(text: str, wrt: str, declare: str, repeat: int) -> Timed:
    parse, work, size = [], [], 0
    for _ in range(repeat):
        start = time.perf_counter()
        problem = parse_problem(text, declare=declare, wrt=wrt)
        middle = time.perf_counter()
        answer = derive(problem).answers[wrt]
        end = time.perf_counter()
        parse.append(1000 * (middle - start))
        work.append(1000 * (end - middle))
        size = answer.size
    return Timed(statistics.median(parse), statistics.median(work), size)


def textbook(repeat: int) -> Iterator[str]:
    yield f"{'problem':24s} {'parse':>8s} {'derive':>8s}   ms"
    for name, text, wrt in TEXTBOOK:
        t = measured(text, wrt, DECLARED.get(name, ""), repeat)
        yield f"{name:24s} {t.parse:8.2f} {t.derive:8.2f}"


def growth(largest: int, repeat: int) -> Iterator[str]:
    sizes = [k for k in SIZES if k <= largest]
    yield f"{'derive, ms':24s} " + " ".join(f"{'k = ' + str(k):>10s}" for k in sizes)
    for name, family, wrt, declare in FAMILIES:
        row = []
        for k in sizes:
            try:
                row.append(f"{measured(family(k), wrt, declare, 1 if k >= 100 else repeat).derive:10.1f}")
            except (CannotDerive, RecursionError):
                row.append(f"{'refused':>10s}")
        yield f"{name:24s} " + " ".join(row)


def cold_start() -> str:
    """A whole process: start, read, derive, check, print."""
    command = [sys.executable, "-m", "matcalc", "derive", "norm2(A*x - b)^2", "--wrt", "x"]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return f"{'cold command line':24s} {1000 * (time.perf_counter() - start):17.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--largest", type=int, default=100, help="of the growing problems, at most 300")
    options = parser.parse_args()
    for line in textbook(options.repeat):
        print(line, flush=True)
    print(cold_start())
    print()
    for line in growth(options.largest, options.repeat):
        print(line, flush=True)


if __name__ == "__main__":
    main()
