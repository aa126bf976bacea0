"""Modules with families, sums and recurrences: they compute what the evaluator does, and check themselves."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from matcalc.calculus.derive import Derivation, derive
from matcalc.code.emit import emit_module
from matcalc.code.load import load_module
from matcalc.code.loop_program import plan_of
from matcalc.language.dims import dim
from matcalc.language.elaborate import parse_problem
from matcalc.numeric.evaluate import evaluate_all
from matcalc.numeric.sample import sample_problem
from matcalc.numeric.statements import run

ROOT = Path(__file__).resolve().parent.parent

PROGRAMS = {  # with a loss that is known: value and value_and_grad
    "rnn": """h[0] = h0
for t in 1..T:
    h[t] = W*tanh(h[t-1]) + U*x[t] + b
L = sum(t in 1..T, norm2(h[t] - y[t])^2)
derive L wrt W, U, b, h0, x""",
    "lstm": """h[0] = h0
c[0] = c0
for t in 1..T:
    i[t] = sigmoid(Wi*h[t-1] + Ui*x[t] + bi)
    f[t] = sigmoid(Wf*h[t-1] + Uf*x[t] + bf)
    o[t] = sigmoid(Wo*h[t-1] + Uo*x[t] + bo)
    g[t] = tanh(Wg*h[t-1] + Ug*x[t] + bg)
    c[t] = f[t].*c[t-1] + i[t].*g[t]
    h[t] = o[t].*tanh(c[t])
L = sum(t in 1..T, norm2(h[t] - y[t])^2)
derive L wrt Wi, Wf, Wo, Wg, Ui, bf, h0, c0""",
    "gru": """h[0] = h0
for t in 1..T:
    z[t] = sigmoid(Wz*h[t-1] + Uz*x[t] + bz)
    r[t] = sigmoid(Wr*h[t-1] + Ur*x[t] + br)
    a[t] = tanh(W*(r[t].*h[t-1]) + U*x[t] + b)
    h[t] = (1 - z[t]).*h[t-1] + z[t].*a[t]
L = norm2(h[T] - y)^2
derive L wrt Wz, Wr, W, U, b, h0""",
    "net": """W[i] : m[i]×m[i-1]
x[0] = x0
for i in 1..k:
    s[i] = W[i]*x[i-1] + b[i]
    x[i] = softplus(s[i])
L = logsumexp(s[k]) - y'*s[k] + lambda*sum(i in 1..k, normF(W[i])^2)
derive L wrt W, b, x0""",
    "mini-batch": """W[i] : m[i]×m[i-1]
X[i] : n×m[i]
b[i] : m[i]
X[0] = X0
for i in 1..k:
    S[i] = X[i-1]*W[i]' + ones(n)*b[i]'
    X[i] = tanh(S[i])
L = normF(X[k] - Y)^2
derive L wrt W, b, X0""",
    "two blocks": """h[0] = h0
for t in 1..T:
    h[t] = tanh(W*h[t-1] + U*x[t])
s[0] = h[T]
for t in 1..T:
    s[t] = tanh(V*s[t-1])
L = sum(t in 1..T, norm2(s[t] - y[t])^2)
derive L wrt W, U, V, h0""",
    "both directions": """h[0] = h0
g[T+1] = g0
for t in 1..T:
    h[t] = tanh(W*h[t-1] + U*x[t])
for t in 1..T down:
    g[t] = tanh(V*g[t+1] + R*x[t])
L = sum(t in 1..T, norm2(P*h[t] + Q*g[t] - y[t])^2)
derive L wrt W, U, V, R, P, Q, h0, g0, x""",
    "residual": """x[0] = x0
for i in 1..k:
    x[i] = x[i-1] + A[i]*tanh(B[i]*x[i-1] + b[i])
L = norm2(x[k] - y)^2
derive L wrt A, B, b, x0""",
    "mirrored": """W[i] : m[i]×m[i-1]
x[0] = x0
for i in 1..k:
    x[i] = tanh(W[i]*x[i-1])
z[k] = x[k]
for i in 1..k down:
    z[i-1] = tanh(W[i]'*z[i])
L = norm2(z[0] - x0)^2/2
derive L wrt W""",
    "smooth": """h[0] = h0
for t in 1..T:
    h[t] = W*tanh(h[t-1]) + U*x[t]
L = sum(t in 1..T, norm2(V*h[t] - y[t])^2) + lambda*sum(t in 1..T, norm2(h[t] - h[t-1])^2)
derive L wrt W, U, V, h0""",
    "numbers": """h[0] = h0
for t in 1..T:
    h[t] = w*tanh(h[t-1]) + u*x[t]
L = sum(t in 1..T, (h[t] - y[t])^2)
derive L wrt w, u, h0, x""",
    "window": """h[0] = h0
for t in 1..T:
    h[t] = tanh(W*h[t-1] + U*x[t-1] + V*x[t])
L = sum(t in 1..T, norm2(h[t] - y[t])^2)
derive L wrt W, U, V, x""",
    "matrices": """P[0] = P0
for t in 1..T:
    P[t] = A*P[t-1]*A' + Q
L = tr(P[T]*C)
derive L wrt A, Q, P0""",
    "control": """s[0] = s0
for t in 1..T:
    s[t] = A*s[t-1] + B*u[t]
L = sum(t in 1..T, s[t]'*Q*s[t] + u[t]'*R*u[t])
derive L wrt u, A, B, s0, Q""",
    "two steps": """h[0] = h0
h[1] = h1
for t in 2..T:
    h[t] = tanh(W*h[t-1] + V*h[t-2])
L = sum(t in 1..T, norm2(h[t] - y[t])^2)
derive L wrt W, V, h0, h1""",
    "mini-batches": """h[t] : N×m;  x[t] : N×p;  y[t] : N×m
h[0] = zeros(N, m)
for t in 1..T:
    h[t] = tanh(h[t-1]*W + x[t]*U + ones(N)*b')
L = sum(t in 1..T, normF(h[t] - y[t])^2)
derive L wrt W, U, b, x""",
    "attention over time": """q[t] : N×m;  h[t] : N×m
h[0] = h0
for t in 1..T:
    q[t] = softmax(h[t-1]*W, rowwise)
    h[t] = h[t-1] + (q[t].*h[t-1])*V
L = normF(h[T])^2
derive L wrt W, V, h0""",
    "no length": """h[0] = h0
for t in 1..T:
    h[t] = tanh(W*h[t-1])
e = h[T] - y
L = norm2(e)^2
derive L wrt W, h0""",
    "names": """value[0] = np
for t in 1..T:
    value[t] = tanh(float*value[t-1] + total*lambda[t])
A = sum(t in 1..T, norm2(value[t])^2)
derive A wrt float, total, lambda, np""",
}
SUMS: list[tuple[str, str, str]] = [  # without loops
    ("-beta/2*sum(n in 1..N, norm2(t[n] - W'*phi[n])^2)", "W, phi, beta, t", ""),
    ("sum(n in 1..N, log(1 + exp(-y[n]*(w'*x[n])))) + lambda/2*norm2(w)^2", "w, x", "y[n] : scalar"),
    ("sum(i in 1..k, normF(A[i]*X - B[i])^2)", "X, A", ""),
    ("sum(i in 1..k, norm2(A[i]*x - b[i])^2)", "x, A, b", "A[i] : m[i]×n; b[i] : m[i]"),
    ("sum(n in 1..N, logsumexp(W*x[n] + b) - t[n]'*(W*x[n] + b))/N", "W, b, x", ""),
    ("sum(i in 1..N, sum(j in 1..N, exp(-norm2(x[i] - x[j])^2)))", "x", ""),
    ("sum(i in 1..N, sum(j in 1..i, norm2(W*x[i] - x[j])^2))", "W", ""),
    ("sum(n in 2..N, norm2(x[n] - A*x[n-1])^2)", "x, A", ""),
    ("norm2(x[1])^2 + norm2(x[N])^2 + sum(n in 1..N, a[n]'*b)", "x, a, b", ""),
    ("sum(n in 1..N, norm2(V'*softmax(V*q[n]) - y[n])^2)", "V, q", ""),
    ("sum(t in 1..T, x[t]'*inv(S[t])*x[t])", "x", "S[t] : n×n symmetric posdef; x[t] : n"),
    ("sum(t in 1..T, logdet(S[t] + a[t]*a[t]'))", "a", "S[t] : n×n symmetric posdef; a[t] : n"),
    ("sum(t in 1..T, t*norm2(x[t] - a)^2)", "a, x", "x[t] : n; a : n"),
    ("sum(t in 1..T, c[t]*x[t])^2", "x, c", "c[t] : scalar; x[t] : scalar"),
    ("sum(t in 1..T, normF(X[t]*W + ones(N)*b' - Y[t])^2)", "W, b, X", "X[t] : N×p; Y[t] : N×q; b : q"),
    ("sum(t in 1..T, c'*tanh(X[t]*W)*d)", "W, X, c, d", "X[t] : N×p; c : N; d : q"),
    ("sum(t in 1..T, tr(X[t]'*A*X[t]))", "A, X", "X[t] : N×p; A : N×N"),
    ("sum(t in 1..T, v[t]'*X[t]*b)/T", "b, X, v", "X[t] : N×p; v[t] : N"),
    ("sum(t in 1..T, sum(softmax(X[t]*W, rowwise).*Y[t]))", "W, X", "X[t] : N×p; Y[t] : N×q"),
    ("sum(t in 1..T, norm2(diag(v[t])*X[t]*w)^2)", "w, X, v", "X[t] : N×p; v[t] : N; w : p"),
    ("sum(t in 1..T, s[t]*normF(X[t])^2)", "s, X", "X[t] : N×p; s[t] : scalar"),
    ("sum(t in 1..T, norm2(ones(N)'*X[t])^2)", "X", "X[t] : N×p"),
    ("sum(t in 1..T, norm2(X[t]'*ones(N)/N - a)^2)", "a, X", "X[t] : N×p; a : p"),
    ("sum(t in 1..T, normF(A*X[t]*B)^2)", "A, B, X", "X[t] : N×p; A : m×N; B : p×q"),
]
LOSSES = {  # with an opaque loss: forward and backward
    "rnn": """h[0] = h0
for t in 1..T:
    h[t] = tanh(W*h[t-1] + U*x[t] + b)
L = sum(t in 1..T, loss(h[t], y[t]))
derive L wrt W, U, b, h0, x""",
    "last state": """h[0] = h0
for t in 1..T:
    h[t] = tanh(W*h[t-1] + U*x[t] + b)
L = loss(h[T])
derive L wrt W, U, b, h0""",
    "output layer": """h[0] = h0
for t in 1..T:
    h[t] = tanh(W*h[t-1] + U*x[t])
L = sum(t in 1..T, loss(V*h[t] + c, y[t]))/T + lambda*normF(W)^2
derive L wrt W, U, V, c, h0""",
    "in the loop": """h[0] = h0
for t in 1..T:
    h[t] = tanh(W*h[t-1] + U*x[t])
    e[t] = loss(h[t], y[t])
L = sum(t in 1..T, e[t])/T
derive L wrt W, U""",
    "two arguments": """h[0] = h0
for t in 1..T:
    h[t] = tanh(W*h[t-1] + U*x[t])
L = sum(t in 1..T, loss(h[t], V*h[t]))
derive L wrt W, U, V""",
    "deep": """W[i] : m[i]×m[i-1]
X[i] : n×m[i]
X[0] = X0
for i in 1..k:
    S[i] = X[i-1]*W[i]'
    X[i] = relu(S[i])
L = loss(S[k], y)
derive L wrt W, X0""",
    "mini-batches": """h[t] : N×m;  x[t] : N×p
h[0] = h0
for t in 1..T:
    h[t] = tanh(h[t-1]*W + x[t]*U + ones(N)*b')
L = sum(t in 1..T, loss(h[t]*V))
derive L wrt W, U, b, h0, V""",
    "sum": "L = sum(n in 1..N, loss(W*x[n] + b, y[n]))\nderive L wrt W, b, x",
    "two losses": "L = sum(n in 1..N, loss(W*x[n])) + c(W*z)\nderive L wrt W, z",
    "names": """value[0] = np
for t in 1..T:
    value[t] = tanh(cache*value[t-1] + upstream*lambda[t])
A = sum(t in 1..T, loss(value[t]))
derive A wrt cache, upstream, lambda, np""",
}


@cache
def derived(text: str, wrt: str = "", declare: str = "") -> Derivation:
    names = [n.strip() for n in wrt.split(",")] if wrt else None
    return derive(parse_problem(text, declare or None, names))


@cache
def source_of(text: str, wrt: str = "", declare: str = "") -> str:
    return emit_module(derived(text, wrt, declare))


def module_of(text: str, wrt: str = "", declare: str = "") -> ModuleType:
    return load_module(source_of(text, wrt, declare))


def array(x: Any) -> Any:
    """A value of the evaluator as an argument of the code."""
    x = np.asarray(x)
    return x[0, 0] if x.shape == (1, 1) else x[:, 0] if x.shape[1] == 1 else x


def members(values: Mapping[int, Any], ranges: tuple[int, int], is_list: bool) -> Any:
    """The members of a family; what nothing reads is zero."""
    known = next(iter(values.values()))
    found = [array(values[k]) if k in values else np.zeros_like(array(known)) for k in range(ranges[0], ranges[1] + 1)]
    return found if is_list else np.array(found)


def agree(derivation: Derivation, module: ModuleType, turn: int) -> float:
    """The worst relative difference between code and evaluator at one point."""
    problem, back = derivation.problem, derivation.back
    least = 1 if back is None else back.least
    sample = sample_problem(problem, 7, turn, 5, least)
    point = (
        sample.point
        if back is None
        else run((*back.statements, *(s for f in back.families.values() for s in f)), sample.point)
    )
    plan = plan_of(derivation)
    lengths = {n: k for n, k in point.sizes.items() if isinstance(k, int)}

    def ends(name: str) -> tuple[int, int]:
        values = [d.substitute({n: dim(k) for n, k in lengths.items()}).value for d in derivation.ranges[name]]
        assert values[0] is not None and values[1] is not None
        return values[0], values[1]

    def given(name: str, value: Any) -> Any:
        if name not in plan.arguments.stores:
            return array(value)
        return members(value, ends(name), plan.arguments.stores[name].is_list)

    arguments = [
        lengths[i.symbol] if i.symbol in plan.arguments.counts else given(i.symbol, point.values[i.symbol])
        for i in plan.arguments.inputs
    ]
    value, gradients = module.value_and_grad(*arguments)
    gradients = gradients if len(derivation.answers) > 1 else (gradients,)
    wanted = evaluate_all([problem.objective], point)[0]
    pairs = [(value, array(wanted)), (module.value(*arguments), array(wanted))]
    for r, found in zip(plan.results, gradients, strict=True):
        if r.family:
            right = members(point.values[f"grad_{r.variable}"], ends(r.variable), plan.stores[r.family].is_list)
        else:
            right = array(evaluate_all([derivation.answers[r.variable]], point)[0])
        pairs += list(zip(found, right, strict=True)) if isinstance(found, list) else [(found, right)]
    assert all(np.shape(a) == np.shape(b) for a, b in pairs)
    return max(float(np.max(np.abs(a - b), initial=0.0) / (1 + np.max(np.abs(b), initial=0.0))) for a, b in pairs)


# ---------------------------------------------------------------------------------- what they compute
@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("turn", range(4))
def test_recurrences_agree_with_the_evaluator(name: str, turn: int) -> None:
    assert agree(derived(PROGRAMS[name]), module_of(PROGRAMS[name]), turn) < 1e-12


@pytest.mark.parametrize("case", SUMS, ids=lambda c: c[0])
@pytest.mark.parametrize("turn", range(3))
def test_sums_agree_with_the_evaluator(case: tuple[str, str, str], turn: int) -> None:
    assert agree(derived(*case), module_of(*case), turn) < 1e-12


@pytest.mark.parametrize("name", PROGRAMS)
def test_modules_of_recurrences_pass_their_own_check(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert module_of(PROGRAMS[name])._self_check(), capsys.readouterr().out


@pytest.mark.parametrize("case", SUMS, ids=lambda c: c[0])
def test_modules_of_sums_pass_their_own_check(case: tuple[str, str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert module_of(*case)._self_check(), capsys.readouterr().out


@pytest.mark.parametrize("name", LOSSES)
def test_modules_with_a_loss_pass_their_own_check(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert module_of(LOSSES[name])._self_check(), capsys.readouterr().out


def test_the_check_tries_several_lengths() -> None:
    assert [s["T"] for s in module_of(PROGRAMS["rnn"])._SIZES] == [3, 1, 2, 5]
    assert [s["T"] for s in module_of(PROGRAMS["two steps"])._SIZES] == [3, 5, 4, 6]


def test_the_check_finds_a_wrong_recurrence() -> None:
    source = source_of(PROGRAMS["rnn"])
    assert source.count("W.T @ delta[t]") == 1
    for wrong in (source.replace("W.T @ delta[t]", "W @ delta[t]"), source.replace("delta[t]", "delta[t - 1]")):
        assert not load_module(wrong)._self_check()


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_recurrent_net_is_backpropagated_through_time(length: int) -> None:
    module = module_of(LOSSES["rnn"])
    rng = np.random.default_rng(length)
    m, n = 3, 2
    W, U, b, h0 = rng.normal(size=(m, m)), rng.normal(size=(m, n)), rng.normal(size=m), rng.normal(size=m)
    x, y = rng.normal(size=(length, n)), rng.normal(size=(length, m))
    states, cache = module.forward(h0=h0, W=W, U=U, x=x, b=b, y=y)
    grads = module.backward(2 * (states - y), cache)
    h = [h0]
    for t in range(length):
        h.append(np.tanh(W @ h[-1] + U @ x[t] + b))
    assert np.allclose(states, h[1:])
    gW, gU, gb, gx, after = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b), np.zeros_like(x), np.zeros(m)
    for t in range(length, 0, -1):
        d = (1 - h[t] ** 2) * (2 * (h[t] - y[t - 1]) + after)
        gW, gU, gb, gx[t - 1], after = gW + np.outer(d, h[t - 1]), gU + np.outer(d, x[t - 1]), gb + d, U.T @ d, W.T @ d
    for found, right in zip(grads, (gW, gU, gb, after, gx), strict=True):
        assert np.allclose(found, right, rtol=1e-12, atol=1e-13)


def test_layers_of_different_widths_are_lists() -> None:
    module = module_of(LOSSES["deep"])
    rng = np.random.default_rng(0)
    widths = [4, 3, 5, 2]
    W = [rng.normal(size=(b, a)) for a, b in pairwise(widths)]
    X0 = rng.normal(size=(6, 4))
    output, cache = module.forward(W, X0, np.zeros(3))
    assert output.shape == (6, 2)
    grads, grad_X0 = module.backward(np.ones((6, 2)), cache)
    assert [g.shape for g in grads] == [w.shape for w in W] and grad_X0.shape == X0.shape


# ------------------------------------------------------------------------------------------ how they look
def function(source: str, name: str) -> list[str]:
    """The statements of a function, without its docstring and comments."""
    node = next(n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.name == name)
    return [ast.unparse(s) for s in node.body[1:]]


def test_what_reads_nothing_of_the_loop_is_outside_of_it() -> None:
    body = function(source_of(PROGRAMS["lstm"]), "value")
    loop = next(s for s in body if s.startswith("for"))
    assert "x" not in {n.id for n in ast.walk(ast.parse(loop)) if isinstance(n, ast.Name)}
    assert sum(s.endswith(".T + bi") or " @ U" in s for s in body) == 4
    body = function(source_of(LOSSES["rnn"]), "backward")
    loop = next(s for s in body if s.startswith("for"))
    assert "tanh" not in loop and "@ h" not in loop
    assert any(s == "grad_W = delta[:-1].T @ h[:-1]" for s in body)


def test_what_all_indices_have_in_common_is_computed_once() -> None:
    source = source_of(*SUMS[4])  # a softmax over the rows, for value and all gradients
    assert "".join(function(source, "value_and_grad")).count("x @ W.T") == 1
    assert not any(s.startswith("for") for s in function(source, "value_and_grad"))


def test_mini_batches_are_one_product() -> None:
    body = function(source_of(PROGRAMS["mini-batches"]), "value_and_grad")
    assert any(s == "A = (x.reshape(-1, p) @ U + b).reshape(T, N, m)" for s in body)
    assert "grad_W = h[:-1].reshape(-1, m).T @ delta[:-1].reshape(-1, m)" in body
    assert sum(s.startswith("for") for s in body) == 2


def test_the_cache_holds_what_backward_needs_and_no_more() -> None:
    for text in LOSSES.values():
        source = source_of(text)
        node = next(n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.name == "backward")
        assigned = [n for n in ast.walk(node) if isinstance(n, ast.Assign) and ast.unparse(n.value) == "cache"]
        names = [n.id for a in assigned for n in ast.walk(a.targets[0]) if isinstance(n, ast.Name)]
        used = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
        assert names and set(names) <= set(used)


def test_results_are_never_arguments() -> None:
    module = load_module(
        emit_module(
            derived(
                "L = sum(i in 1..k, normF(W[i])^2)/2 + sum(i in 1..k, b[i]'*c[i])", "W, b", "W[i] : m[i]×n; b[i] : m[i]"
            )
        )
    )
    W, b, c = ([np.ones((2, 3)), np.ones((4, 3))], [np.ones(2), np.ones(4)], [np.ones(2), np.ones(4)])
    _, (grad_W, grad_b) = module.value_and_grad(W, b, c)
    for found in (*grad_W, *grad_b):
        found += 1
    assert all(np.all(x == 1) for x in (*W, *b, *c))


def all_sources() -> list[str]:
    texts = [source_of(t) for t in (*PROGRAMS.values(), *LOSSES.values())]
    return [*texts, *(source_of(*case) for case in SUMS)]


def test_modules_are_formatted_and_free_of_lint(tmp_path: Path) -> None:
    for k, source in enumerate(all_sources()):
        (tmp_path / f"m{k}.py").write_text(source, encoding="utf-8")
    for arguments in (["format", "--check", "--diff"], ["check", "--select", "E,F,W,B,PLW", "--ignore", "A002"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--line-length", "99", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout


def test_sizes_that_nobody_needs_are_not_read() -> None:
    for source in all_sources():
        for node in ast.parse(source).body:
            if not isinstance(node, ast.FunctionDef):
                continue
            names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
            targets = [n.targets[0] for n in ast.walk(node) if isinstance(n, ast.Assign)]
            stored = {n.id for n in targets if isinstance(n, ast.Name)}
            assert stored <= {n.id for n in names if isinstance(n.ctx, ast.Load)}, node.name


def test_the_same_problem_gives_the_same_bytes() -> None:
    code = (
        "import sys\nsys.path.insert(0, 'tests')\n"
        "from test_code_loops import LOSSES, PROGRAMS, source_of\n"
        "print(source_of(PROGRAMS['net']), source_of(LOSSES['output layer']), source_of(PROGRAMS['lstm']))\n"
    )
    texts = set()
    for seed in ("0", "1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, env=environment, cwd=ROOT, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        texts.add(done.stdout)
    assert len(texts) == 1


# --------------------------------------------------------------------------------- arguments, refusals
def test_arguments_that_do_not_fit_are_named() -> None:
    module = module_of(PROGRAMS["net"])
    W, b = [np.ones((3, 2)), np.ones((4, 3))], [np.ones(3), np.ones(4)]
    right: dict[str, Any] = {"W": W, "x0": np.ones(2), "b": b, "y": np.ones(4), "lambda_": 1.0}
    module.value(**right)
    changes: list[tuple[dict[str, Any], str]] = [
        ({"W": [np.ones((3, 2)), np.ones((4, 2))]}, r"W: member 2: expected shape \(4, 3\), got \(4, 2\)"),
        ({"W": [np.ones((3, 2)), np.ones(4)]}, r"W: member 2: expected shape \(m\[i\], m\[i-1\]\), got \(4,\)"),
        ({"W": []}, "W: expected a list of arrays"),
        ({"b": [np.ones(3)]}, "b: expected 2 arrays, got 1"),
        ({"b": [np.ones(3), np.ones(5)]}, r"b: member 2: expected shape \(4,\), got \(5,\)"),
        ({"x0": np.ones(5)}, r"x0: expected shape \(2,\), got \(5,\)"),
        ({"y": np.ones(3)}, r"y: expected shape \(4,\), got \(3,\)"),
    ]
    for change, message in changes:
        with pytest.raises(ValueError, match=message):
            module.value(**{**right, **change})
    with pytest.raises(ValueError, match="T: expected a positive number"):
        module_of(PROGRAMS["no length"]).value(np.ones(2), np.ones((2, 2)), np.ones(2), 0)


TWO_STEPS = "h[0] = h0\nh[1] = h1\nfor t in 2..T:\n    h[t] = A*h[t-1] + B*h[t-2]\nL = norm2(h[T])^2\nderive L wrt A"


def test_a_recurrence_that_is_too_short_is_refused_by_its_length() -> None:
    text = "h[0] = h0\nfor t in 1..T:\n    h[t] = tanh(W*h[t-1] + x[t])\nL = norm2(h[T])^2\nderive L wrt W"
    with pytest.raises(ValueError, match="T is 0: expected at least 1"):
        module_of(text).value_and_grad(h0=np.ones(2), W=np.eye(2), x=np.zeros((0, 2)))
    with pytest.raises(ValueError, match="T: expected a number of at least 3, got 2"):
        module_of(TWO_STEPS).value(h0=np.ones(2), h1=np.ones(2), A=np.eye(2), B=np.eye(2), T=2)


def test_a_sum_of_nothing_is_zero() -> None:
    module = module_of("L = sum(i in 1..N, (y[i] - w'*x[i])^2)\nderive L wrt w")
    value, gradient = module.value_and_grad(y=np.zeros(0), w=np.ones(2), x=np.zeros((0, 2)))
    assert value == 0
    assert np.array_equal(gradient, np.zeros(2))


def test_sums_over_one_range_share_their_loop() -> None:
    text = "L = -sum(n in 1..N, log(sum(k in 1..K, a[k]*exp(-s[k]*norm2(x[n] - m[k])^2))))\nderive L wrt a, s, m"
    source = source_of(text, declare="a[k] : scalar; s[k] : scalar; m[k] : d; x[n] : d")
    body = source[source.index("def value_and_grad") : source.index("# -----")]
    assert body.count("for n in") == 2  # for the gradients, and for the value
