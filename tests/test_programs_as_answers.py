"""Answers and derivations that define members of their own: cotangents by recurrences, gradients in terms of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import matcalc
from matcalc.report.notation import TEXT
from matcalc.report.recurrences import rows

RNN = "h[0] = h0\nfor t in 1..T:\n    h[t] = W*tanh(h[t-1]) + U*x[t] + b\nL = loss(h[T])\nderive L wrt W, b, h0"
NET = "W[i] : m[i]×m[i-1]\nx[0] = x0\nfor i in 1..k:\n    x[i] = f(W[i]*x[i-1] + b[i])\nL = norm2(x[k] - y)^2/2\nderive L wrt W, b, x0"
STEPS = "h[0] = h0\nfor t in 1..T:\n    h[t] = tanh(W*h[t-1] + U*x[t])\nL = sum(t in 1..T, norm2(h[t] - y[t])^2)/2\nderive L wrt W"
SMOOTH = "alpha : scalar; y[t] : scalar; s[1] = y[1]\nfor t in 2..T:\n    s[t] = alpha*y[t] + (1 - alpha)*s[t-1]\nL = (y[T] - s[T])^2/2\nderive L wrt alpha"

BACK = "delta[T] = grad(L, h[T])\ndelta[t] = (1 - tanh(h[t]).^2).*(W'*delta[t+1])"
RIGHT = {
    "lines": (RNN, "W", f"{BACK}\ngrad(L, W) = sum(t in 1..T, delta[t]*tanh(h[t-1])')"),
    "by the name of the loss": (RNN, "b", f"{BACK.replace('(L,', '(loss,')}; sum(t in 1..T, delta[t])"),
    "a range as it is printed": (RNN, "b", f"{BACK}   for t = T-1, ..., 1\nsum(t in 1..T, delta[t])"),
    "a block": (RNN, "b", BACK.replace("delta[t] =", "for t in 1..T-1 down:\n    delta[t] =") + "\nsum(t in 1..T, delta[t])"),
    "in one line": (RNN, "b", BACK.replace("delta[t] =", "for t in T-1..1 down: delta[t] =") + "\nsum(t in 1..T, delta[t])"),
    "down to the first state": (RNN, "h0", f"{BACK} for t = T-1, ..., 0\ndelta[0]"),
    "a boundary behind the end": (
        STEPS, "W",
        "d1[T+1] = zeros(rows(W))\nd1[t] = (1 - h[t].^2).*(h[t] - y[t] + W'*d1[t+1])\nsum(t in 1..T, d1[t]*h[t-1]')",
    ),
    "forward in time": (
        SMOOTH, "alpha", "g[1] = 0\ng[t] = y[t] - s[t-1] + (1 - alpha)*g[t-1]\n(s[T] - y[T])*g[T]",
    ),
    "members": (
        NET, "W",
        "z[i] = W[i]*x[i-1] + b[i]\ndelta[k] = f'(z[k]).*(x[k] - y)\ndelta[i] = f'(z[i]).*(W[i+1]'*delta[i+1])\ngrad(L, W[i]) = delta[i]*x[i-1]'",
    ),
}  # fmt: skip
WRONG = {
    "untransposed": RIGHT["lines"][2].replace("W'*", "W*"),
    "the slope at the wrong step": RIGHT["lines"][2].replace("tanh(h[t]).^2", "tanh(h[t+1]).^2"),
    "one step late": RIGHT["lines"][2].replace("tanh(h[t-1])'", "tanh(h[t])'"),
    "a sign": RIGHT["lines"][2].replace("= grad(L", "= -grad(L"),
    "one step missing": RIGHT["lines"][2].replace("sum(t in 1..T,", "sum(t in 2..T,"),
}
UNREADABLE = {
    "a name that nothing defines": (RIGHT["lines"][2] + " + foo", "neither a name of the problem nor defined above"),
    "no last line": (BACK, "the last line of the answer is the gradient"),
    "no boundary": ("delta[t] = W'*delta[t+1]\nsum(t in 1..T, delta[t])", "no value is known for 'delta["),
    "shapes": (RIGHT["lines"][2].replace("W'*delta", "U'*delta"), "shapes do not fit"),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_with_members_of_its_own_is_right(name: str) -> None:
    program, wrt, answer = RIGHT[name]
    verdict = matcalc.check(program, wrt, answer)
    assert verdict.status == "correct" and verdict.certificate.points == 6, verdict.report()
    assert matcalc.check_lines(answer, program, wrt).status == "correct"


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_one_is_wrong(name: str) -> None:
    verdict = matcalc.check(RNN, "W", WRONG[name])
    assert verdict.status == "wrong" and verdict.diagnosis[0].kind == "other", verdict.report()


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_says_why(name: str) -> None:
    text, message = UNREADABLE[name]
    verdict = matcalc.check(RNN, "W", text)
    assert verdict.status == "unreadable" and message in verdict.message, verdict.report()


@pytest.mark.parametrize(
    ("program", "wrt"), [(RNN, "W"), (RNN, "h0"), (NET, "W"), (NET, "b"), (STEPS, "W"), (SMOOTH, "alpha")]
)
def test_what_derive_prints_is_a_right_answer(program: str, wrt: str) -> None:
    d = matcalc.derive(program, wrt=wrt)
    lines = [f"{r.left} = {r.right}   {r.indices}".rstrip() for r in rows(d.back.statements, TEXT)]
    shown = [m.label for m in d.back.members.get(wrt, ())] or [d.labels[wrt]]
    verdict = matcalc.check(program, wrt, "\n".join([*lines, f"{shown[0]} = {d.answer}"]))
    assert verdict.status == "correct", verdict.report()


def test_the_command_line(tmp_path: Path) -> None:
    problem, answer = tmp_path / "rnn.mc", tmp_path / "answer.txt"
    problem.write_text(RNN, encoding="utf-8")
    answer.write_text(RIGHT["lines"][2], encoding="utf-8")
    command = [sys.executable, "-m", "matcalc", "check", str(problem), "--wrt", "W", "--lines", str(answer)]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and json.loads(done.stdout)["status"] == "correct", done.stderr
