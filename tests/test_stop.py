"""Constant copies: ``stop(W)`` has the value of W and no differential."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import matcalc
from matcalc.calculus.derive import replayed
from matcalc.language.elaborate import parse_expression, parse_problem
from matcalc.language.terms import make, subterms, symbol
from matcalc.numeric.evaluate import evaluate
from matcalc.rewriting.normal import equal

SHAPES = "W: h×d; x: d; b: h; c: d; g: d; X: n×n; v: n"

# (program, variable, answer)
ONE_COPY = [
    ("g'*stop(W)'*sigmoid(W*x + b)", "W", "((W*g).*sigmoid(W*x + b).*(ones(h) - sigmoid(W*x + b)))*x'"),
    ("g'*W'*sigmoid(stop(W)*x + b)", "W", "sigmoid(W*x + b)*g'"),
    ("g'*W'*sigmoid(W*x + b)", "W", "sigmoid(W*x + b)*g' + ((W*g).*sigmoid(W*x + b).*(ones(h) - sigmoid(W*x + b)))*x'"),
    ("v'*v + stop(v)'*v", "v", "3*v"),
    ("stop(v'*v)*(v'*v)", "v", "2*(v'*v)*v"),
    ("tr(X*stop(X)*X')", "X", "X*(X + X')"),
    ("s = stop(X); tr(X*s)", "X", "s'"),
    ("sum(relu(v).*stop(v.^3))", "v", "v.^3.*step(v)"),
    ("norm2(stop(v))^2", "v", "zeros(n)"),
]


@pytest.mark.parametrize("method", ["auto", "differential", "linear", "expand"])
@pytest.mark.parametrize(("text", "by", "answer"), ONE_COPY, ids=[c[0] for c in ONE_COPY])
def test_a_copy_is_constant(text: str, by: str, answer: str, method: str) -> None:
    d = matcalc.derive(text, wrt=by, declare=SHAPES, method=method)
    assert d.certificate.status == "verified"
    assert equal(d.answer, parse_expression(answer, d.problem), d.problem.facts), str(d.answer)
    assert not any(t.op == "stop" for t in subterms(d.answer)), "an answer is about values"
    assert replayed(d)


def test_the_copies_add_up_to_the_whole() -> None:
    whole, first, second = (
        matcalc.derive(text, wrt="W", declare=SHAPES) for text, _, _ in (ONE_COPY[2], *ONE_COPY[:2])
    )
    total = first.answer, second.answer
    both = make("add", *total)
    assert equal(whole.answer, both, {})


def test_it_is_told() -> None:
    d = matcalc.derive(ONE_COPY[0][0], wrt="W", declare=SHAPES)
    assert "the copy stop(W) of W is held constant" in d.conventions
    assert d.steps[-1].rule == "stop-value" or any(s.rule == "stop-value" for s in d.steps)


def test_a_second_derivative_keeps_the_copy_constant() -> None:
    d = matcalc.derive("(v'*v)*stop(v'*v)", wrt="v", declare="v: n", order=2)
    assert d.certificate.status == "verified"
    assert equal(d.answer, parse_expression("2*(v'*v)*eye(n)", d.problem), {})


def test_the_value_and_the_text() -> None:
    t = make("stop", symbol("X", "n", "n"))
    assert str(t) == "stop(X)"
    assert t.latex() == r"\operatorname{stop}\left(X\right)"
    assert parse_problem("stop(X)", "X: n×n").objective is t
    x = np.arange(4.0).reshape(2, 2)
    assert np.array_equal(evaluate(t, {"X": x}), x)
    assert t.free == {"X"} and not t.varies


@pytest.mark.parametrize(
    "text",
    [
        "g'*stop(W)'*sigmoid(W*x + b)",
        "s = sigmoid(stop(W)*x + b); L = loss(c + W'*s)",
        "s = sigmoid(W*x + b); L = loss(c + stop(W)'*s, x) + norm2(W*x - stop(W*x + b))^2",
        "stop(W*x).*(W*x)",
    ],
)
def test_the_module_checks_itself(text: str, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(matcalc.derive(text, wrt="W", declare="W: h×d; x: d; b: h; c: d; g: d").code(), encoding="utf-8")
    done = subprocess.run([sys.executable, module], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "PASS" in done.stdout, done.stdout + done.stderr


def test_a_module_without_copies_has_nothing_about_them() -> None:
    assert "held constant" not in matcalc.derive("v'*v", wrt="v").code()


def test_copies_in_a_recurrence_are_what_they_are_copies_of_in_the_answer() -> None:
    told = matcalc.derive(
        "h[0] = h0\nfor t in 1..T:\n    h[t] = tanh(stop(W)*h[t-1] + W*x[t])\n"
        "L = loss(h[T]) + norm2(stop(W)*h[T])^2\nderive L wrt W, h0"
    )
    assert told.certificate.status == "verified" and replayed(told)
    text = told.report("text", steps="none")
    assert "delta[T] = (ones(n) - h[T].^2).*(grad(loss, h[T]) + 2*W'*W*h[T])" in text
    assert "grad(L, h0) = W'*delta[1]" in text
    assert "the copy stop(W) of W is held constant" in told.conventions
