"""Emitted modules: they compute the problem and its derivatives, check themselves, stand alone and stay readable."""

from __future__ import annotations

import ast
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import matcalc
from matcalc.code.emit import emit
from matcalc.code.load import load_module
from matcalc.code.names import parameter_names, safe_name
from matcalc.errors import CannotDerive, MatcalcError
from matcalc.language.dims import shape
from matcalc.language.elaborate import parse_expression, parse_problem
from matcalc.language.problem import Problem, Symbol
from matcalc.language.terms import Term, make, mul, number, power, size, symbol
from matcalc.numeric.evaluate import Array, Point, evaluate_all, size_of

ROOT = Path(__file__).resolve().parent.parent

GRADIENTS: list[tuple[str, str, dict[str, str]]] = [  # problem, declarations, known gradients
    ("norm2(A*x - b)^2", "", {"x": "2*A'*(A*x - b)"}),
    ("norm2(A*x - b)^2 + lambda*norm2(x)^2", "lambda : scalar", {"x": "2*A'*(A*x - b) + 2*lambda*x"}),
    ("norm2(A*x - b)^2", "", {"A": "2*(A*x - b)*x'", "x": "2*A'*(A*x - b)", "b": "2*(b - A*x)"}),
    ("norm2(x)", "", {"x": "x/norm2(x)"}),
    ("a'*x", "", {"x": "a"}),
    ("x'*A*x", "", {"x": "(A + A')*x"}),
    ("(A*x - b)'*W*(A*x - b)", "W : m×m symmetric", {"x": "2*A'*W*(A*x - b)"}),
    ("tr(A*X)", "", {"X": "A'"}),
    ("tr(X*A*X'*B)", "", {"X": "B'*X*A' + B*X*A"}),
    ("a'*inv(X)*b", "", {"X": "-inv(X)'*a*b'*inv(X)'"}),
    ("det(X)", "", {"X": "det(X)*inv(X)'"}),
    ("logdet(X)", "", {"X": "inv(X)'"}),
    ("log(det(X'*X))", "", {"X": "2*X*inv(X'*X)"}),
    ("logdet(X'*C*X)", "C : m×m symmetric posdef; X : m×n", {"X": "2*C*X*inv(X'*C*X)"}),
    ("sum(log(exp(-y.*(X*w)) + vector(1)))", "", {"w": "-X'*(y.*sigmoid(-y.*(X*w)))"}),
    ("log(sum(exp(A*x)))", "", {"x": "A'*softmax(A*x)"}),
    (
        "-n/2*logdet(S) - 1/2*tr(inv(S)*C)",
        "S : n×n symmetric posdef; C : n×n symmetric",
        {"S": "-n/2*inv(S) + 1/2*inv(S)*C*inv(S)"},
    ),
    ("x'*inv(S)*x + logdet(S)", "S : n×n symmetric posdef", {"x": "2*inv(S)*x"}),
    ("normF(X - U*V')^2", "", {"U": "-2*(X - U*V')*V", "V": "-2*(X - U*V')'*U"}),
    ("R = X - U*V'; normF(R)^2", "", {"U": "-2*R*V", "V": "-2*R'*U"}),
    (
        "sum(log(exp(F*W)*vector(1))) - sum(T.*(F*W))",
        "",
        {"W": "F'*(diag(1./(exp(F*W)*vector(1)))*exp(F*W) - T)"},
    ),
    (
        "a'*log(A*sin(X)*B)*b",
        "A : p×m positive; B : n×q positive; X : m×n positive",
        {"X": "(A'*((a*b')./(A*sin(X)*B))*B').*cos(X)"},
    ),
    (
        "0.5*norm2(W'*tanh(W*x) - x)^2",
        "",
        {"W": "tanh(W*x)*(W'*tanh(W*x) - x)' + (W*(W'*tanh(W*x) - x) - (W*(W'*tanh(W*x) - x)).*tanh(W*x).^2)*x'"},
    ),
    ("tr(A*X*B*X)", "X : n×n symmetric; A : n×n; B : n×n", {"X": "(A*X*B + B*X*A + (A*X*B)' + (B*X*A)')/2"}),
    ("tr(A*K)", "K : n×n skew", {"K": "(A' - A)/2"}),
    ("tr(A*D*D)", "D : n×n diagonal; A : n×n", {"D": "2*diag(diag(A).*diag(D))"}),
    ("sum(relu(X*w))", "", {"w": "X'*step(X*w)"}),
    ("norm1(x)", "", {"x": "sign(x)"}),
    ("det(A + t*B)", "t : scalar; A : n×n; B : n×n", {"t": "det(A + t*B)*tr(inv(A + t*B)*B)"}),
    ("c^2*s", "c : scalar; s : scalar", {"c": "2*c*s"}),
    ("sum(x)", "x : 3", {"x": "vector(1)"}),
    ("a'*vec(X*B)", "X : m×n; B : n×k; a : m*k", {"X": "unvec(a, m, k)*B'"}),
]  # fmt: skip

JACOBIANS: list[tuple[str, str, dict[str, str]]] = [
    ("A*x", "", {"x": "A"}),
    ("A*x", "", {"x": "A", "A": "kron(x', eye(m))"}),
    ("softmax(x)", "", {"x": "diag(softmax(x)) - softmax(x)*softmax(x)'"}),
    ("c*x.*y", "c : scalar", {"c": "x.*y", "x": "c*diag(y)"}),
    ("A*X*B", "A : p×m; X : m×n; B : n×q", {"X": "kron(B', A)"}),
    ("X'", "X : m×n", {"X": "commutation(m, n)"}),
    ("t*A", "t : scalar; A : m×n", {"t": "A"}),
    ("x'*A", "x : m; A : m×n", {"x": "A'"}),
]

HESSIANS: list[tuple[str, str, dict[str, str], dict[str, str] | None]] = [  # ..., gradients where they are known
    ("norm2(A*x - b)^2", "", {"x": "2*A'*A"}, {"x": "2*A'*(A*x - b)"}),
    ("norm2(A*x - b)^2 + c*norm2(x)^2", "c : scalar", {"x": "2*A'*A + 2*c*eye(n)"}, None),
    ("tr(X*A*X'*B)", "X : m×n; A : n×n; B : m×m", {"X": "kron(A, B') + kron(A', B)"}, {"X": "B'*X*A' + B*X*A"}),
    ("tr(X*A*X'*B)", "X : m×n; A : n×n; B : m×m", {"X": "kron(A, B') + kron(A', B)"}, None),
    ("logsumexp(A*x)", "", {"x": "A'*(diag(softmax(A*x)) - softmax(A*x)*softmax(A*x)')*A"}, {"x": "A'*softmax(A*x)"}),
    ("c^3", "c : scalar", {"c": "6*c"}, {"c": "3*c^2"}),
    ("x'*A*x + norm2(y)^2", "y : m; x : n", {"x": "A + A'", "y": "2*eye(m)"}, {"x": "(A + A')*x", "y": "2*y"}),
]

LOSSES: list[tuple[str, str, dict[str, str]]] = [
    ("Y = H*W; loss(Y)", "H : m×n; W : n×k", {"H": "grad(loss, Y)*W'", "W": "H'*grad(loss, Y)"}),
    ("loss(W*x + b)", "W : m×n; x : n; b : m", {"W": "grad(loss, W*x + b)*x'", "b": "grad(loss, W*x + b)"}),
    ("loss(x)", "x : n", {"x": "grad(loss, x)"}),
    ("loss(A*h, B*h)", "A : m×n; B : k×n; h : n", {"h": "A'*grad_1(loss)(A*h, B*h) + B'*grad_2(loss)(A*h, B*h)"}),
    (
        "H = tanh(X*V + ones(m)*b'); loss(H*W) + c*normF(V)^2",
        "X : m×n; V : n×k; b : k; W : k×p; c : scalar",
        {
            "V": "X'*((grad(loss, H*W)*W').*(ones(m, k) - H.^2)) + 2*c*V",
            "b": "((grad(loss, H*W)*W').*(ones(m, k) - H.^2))'*ones(m)",
            "W": "H'*grad(loss, H*W)",
        },
    ),
    (
        "H = relu(X*V); loss(H*W)",
        "X : m×n; V : n×k; W : k×p",
        {"V": "X'*((grad(loss, H*W)*W').*step(X*V))", "W": "H'*grad(loss, H*W)"},
    ),
]


def problem_of(text: str, declare: str, answers: Mapping[str, str]) -> tuple[Problem, dict[str, Term]]:
    problem = parse_problem(text, declare=declare or None, wrt=list(answers))
    wanted = {name: problem.variable(name).shape for name in answers}
    return problem, {name: parse_expression(t, problem, shape=wanted[name]) for name, t in answers.items()}


def gradient_module(text: str, declare: str, answers: Mapping[str, str]) -> tuple[Problem, dict[str, Term], ModuleType]:
    problem, terms = problem_of(text, declare, answers)
    return problem, terms, load_module(emit(problem, terms))


def matrix_module(text: str, declare: str, answers: Mapping[str, str], **more: Any) -> ModuleType:
    problem = parse_problem(text, declare=declare or None, wrt=list(answers))
    return load_module(emit(problem, {n: parse_expression(t, problem) for n, t in answers.items()}, **more))


def hessian_module(
    text: str, declare: str, answers: Mapping[str, str], gradients: Mapping[str, str] | None
) -> ModuleType:
    problem = parse_problem(text, declare=declare or None, wrt=list(answers))
    known = None if gradients is None else {n: parse_expression(t, problem) for n, t in gradients.items()}
    return matrix_module(text, declare, answers, order=2, gradients=known)


def point_of(problem: Problem, seed: int) -> tuple[dict[str, Array], dict[str, int]]:
    """Values (two-dimensional, as the evaluator wants them) and pairwise different sizes."""
    rng = np.random.default_rng(seed)
    names = list(dict.fromkeys(n for s in problem.symbols.values() for d in s.shape for n in d.names()))
    numbers = [5, 3, 4, 2, 6, 7]
    if seed % 2 and "symmetric" not in str(problem.facts):
        numbers = [4, 2, 5, 3, 6, 7]
    sizes = dict(zip(names, numbers, strict=False))
    values: dict[str, Array] = {}
    for s in problem.symbols.values():
        v = rng.standard_normal([size_of(d, sizes) for d in s.shape])
        has = s.properties
        if "posdef" in has:
            v = v @ v.T + np.eye(len(v))
        elif "symmetric" in has:
            v = v + v.T
        v = v - v.T if "skew" in has else np.diag(np.diag(v)) if "diagonal" in has else v
        values[s.name] = np.abs(v) + 0.1 if "positive" in has else v
    return values, sizes


def arguments(problem: Problem, values: Mapping[str, Array]) -> dict[str, Any]:
    """The values as the module wants them: numbers, 1-D vectors, matrices; by parameter."""
    out: dict[str, Any] = {}
    names = parameter_names(problem.symbols)
    for s in problem.symbols.values():
        dims = [k for k, d in zip(values[s.name].shape, s.shape, strict=True) if d.value != 1]
        out[names[s.name]] = values[s.name].reshape(dims) if dims else float(values[s.name][0, 0])
    return out


# ------------------------------------------------------------------------------- right values
@pytest.mark.parametrize(("text", "declare", "answers"), GRADIENTS, ids=[f"{g[0]}-{'-'.join(g[2])}" for g in GRADIENTS])
def test_value_and_gradient_are_those_of_the_evaluator(text: str, declare: str, answers: dict[str, str]) -> None:
    problem, terms, module = gradient_module(text, declare, answers)
    bodies = {d.symbol: d.term for d in problem.definitions}
    from matcalc.language.terms import replace as substitute

    checked = 0
    for seed in range(4):
        values, sizes = point_of(problem, seed)
        whole = [substitute(t, bodies) for t in (problem.objective, *terms.values())]
        wanted = evaluate_all(whole, Point(values, sizes))
        if not all(np.all(np.isfinite(w)) and np.max(np.abs(w)) < 1e6 for w in wanted):
            continue
        given = arguments(problem, values)
        kept = {name: np.array(v) for name, v in given.items()}
        value, grads = module.value_and_grad(**given)
        assert module.value(*given.values()) == pytest.approx(wanted[0][0, 0], rel=1e-9, abs=1e-12)
        assert value == pytest.approx(wanted[0][0, 0], rel=1e-9, abs=1e-12)
        for g, w, name in zip(grads if len(answers) > 1 else (grads,), wanted[1:], answers, strict=True):
            assert np.shape(g) == np.shape(given[parameter_names(problem.symbols)[name]])
            assert np.allclose(np.reshape(g, w.shape), w, rtol=1e-8, atol=1e-10)
        assert all(np.array_equal(kept[name], given[name]) for name in given), "an argument was changed"
        checked += 1
    assert checked >= 1


@pytest.mark.parametrize(("text", "declare", "answers"), GRADIENTS, ids=[f"{g[0]}-{'-'.join(g[2])}" for g in GRADIENTS])
def test_the_module_of_a_gradient_passes_its_own_check(
    text: str, declare: str, answers: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, module = gradient_module(text, declare, answers)
    assert module._self_check()
    assert capsys.readouterr().out.startswith("PASS: gradient by ")


@pytest.mark.parametrize(("text", "declare", "answers"), JACOBIANS, ids=[f"{j[0]}-{'-'.join(j[2])}" for j in JACOBIANS])
def test_the_module_of_a_jacobian_passes_its_own_check(text: str, declare: str, answers: dict[str, str]) -> None:
    module = matrix_module(text, declare, answers)
    assert module._self_check()
    assert not hasattr(module, "value")


@pytest.mark.parametrize(
    ("text", "declare", "answers", "gradients"), HESSIANS, ids=[f"{h[0]}-{h[3] is not None}" for h in HESSIANS]
)
def test_the_module_of_a_hessian_passes_its_own_check(
    text: str, declare: str, answers: dict[str, str], gradients: dict[str, str] | None
) -> None:
    module = hessian_module(text, declare, answers, gradients)
    assert module._self_check()
    assert hasattr(module, "value_and_grad") == (gradients is not None)
    assert hasattr(module, "hessian_vector_product") == (len(answers) == 1)


@pytest.mark.parametrize(("text", "declare", "answers"), LOSSES, ids=[loss[0] for loss in LOSSES])
def test_the_module_of_a_loss_passes_its_own_check(text: str, declare: str, answers: dict[str, str]) -> None:
    module = matrix_module(text, declare, answers)
    assert module._self_check()


def test_a_hessian_times_a_direction_has_the_shape_of_the_variable() -> None:
    text, declare, answers, gradients = HESSIANS[2]
    module = hessian_module(text, declare, answers, gradients)
    rng = np.random.default_rng(0)
    x, a, b, v = (rng.standard_normal(s) for s in ((4, 3), (3, 3), (4, 4), (4, 3)))
    product = module.hessian_vector_product(x, a, b, v)
    expected = module.hessian(x, a, b) @ v.ravel(order="F")
    assert np.allclose(product, expected.reshape((4, 3), order="F"))
    with pytest.raises(ValueError, match=r"v: expected shape \(4, 3\) \(that of X\), got \(3, 4\)"):
        module.hessian_vector_product(x, a, b, v.T)


def test_forward_and_backward_of_a_layer() -> None:
    module = matrix_module(*LOSSES[4])
    rng = np.random.default_rng(1)
    x, v, b, w = (rng.standard_normal(s) for s in ((5, 3), (3, 4), (4,), (4, 2)))
    output, cache = module.forward(x, v, b, w, 0.5)
    assert np.allclose(output, np.tanh(x @ v + b) @ w)
    upstream = rng.standard_normal((5, 2))
    grad_v, grad_b, grad_w = module.backward(upstream, cache)
    delta = (upstream @ w.T) * (1 - np.tanh(x @ v + b) ** 2)
    assert np.allclose(grad_v, x.T @ delta + v)
    assert np.allclose(grad_b, delta.sum(axis=0))
    assert np.allclose(grad_w, np.tanh(x @ v + b).T @ upstream)
    with pytest.raises(ValueError, match=r"upstream: expected shape \(5, 2\), got \(2, 5\)"):
        module.backward(upstream.T, cache)


def test_the_cache_holds_what_backward_needs_and_no_more() -> None:
    problem = parse_problem("H = relu(X*V); loss(H*W)", declare="X : m×n; V : n×k; W : k×p", wrt=["V", "W"])
    answers = {n: parse_expression(t, problem) for n, t in LOSSES[5][2].items()}
    source = emit(problem, answers)
    assert "cache = (H, X, W)" in source  # not the argument of relu: H > 0 tells its sign
    assert source.count("np.maximum(H, 0, out=H)") == 1


# ---------------------------------------------------------------------------- wrong is found out
@pytest.mark.parametrize(
    ("text", "declare", "wrong"),
    [
        ("norm2(A*x - b)^2", "", {"x": "A'*(A*x - b)"}),
        ("tr(A*X)", "X : n×n", {"X": "A"}),
        ("x'*A*x", "", {"x": "2*A*x"}),
        ("log(sum(exp(x)))", "", {"x": "exp(x)"}),
        ("sum(log(x))", "x : n positive", {"x": "x"}),
        ("sum(x)/0.000001", "", {"x": "vector(1)"}),
        ("tr(A*X)", "X : n×n symmetric; A : n×n", {"X": "A - A'"}),
    ],
)
def test_the_check_finds_a_wrong_gradient(
    text: str, declare: str, wrong: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, module = gradient_module(text, declare, wrong)
    assert not module._self_check()
    assert capsys.readouterr().out.startswith("FAIL")


def test_the_check_finds_a_wrong_jacobian_hessian_and_pullback() -> None:
    assert not matrix_module("A*x", "A : n×n", {"x": "A'"})._self_check()
    assert not hessian_module("norm2(A*x - b)^2", "", {"x": "A'*A"}, None)._self_check()
    assert not hessian_module("norm2(A*x)^2", "A : n×n", {"x": "2*A*A'"}, {"x": "2*A'*A*x"})._self_check()
    assert not matrix_module("loss(W*x)", "W : n×n; x : n", {"x": "W*grad(loss, W*x)"})._self_check()


def test_a_module_without_a_usable_point_fails(capsys: pytest.CaptureFixture[str]) -> None:
    _, _, module = gradient_module("sum(log(-x.*x))", "", {"x": "2./x"})
    assert not module._self_check()
    assert "at 0 points" in capsys.readouterr().out


# --------------------------------------------------------------------------------- as a program
def run_file(source: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "emitted.py"
    path.write_text(source, encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        timeout=60,
    )


def test_the_file_checks_itself_and_exits_with_the_verdict(tmp_path: Path) -> None:
    problem, right = problem_of("norm2(A*x - b)^2", "", {"x": "2*A'*(A*x - b)"})
    done = run_file(emit(problem, right), tmp_path)
    assert (done.returncode, done.stdout[:4], done.stderr) == (0, "PASS", "")
    _, wrong = problem_of("norm2(A*x - b)^2", "", {"x": "A'*(A*x - b)"})
    done = run_file(emit(problem, wrong), tmp_path)
    assert (done.returncode, done.stdout[:4], done.stderr) == (1, "FAIL", "")


def sources() -> list[str]:
    """One module of every kind and helper."""
    out = []
    for text, declare, answers in GRADIENTS:
        problem, terms = problem_of(text, declare, answers)
        out.append(emit(problem, terms))
    for text, declare, answers in (*JACOBIANS, *LOSSES):
        problem = parse_problem(text, declare=declare or None, wrt=list(answers))
        out.append(emit(problem, {n: parse_expression(t, problem) for n, t in answers.items()}))
    for text, declare, answers, gradients in HESSIANS:
        problem = parse_problem(text, declare=declare or None, wrt=list(answers))
        known = None if gradients is None else {n: parse_expression(t, problem) for n, t in gradients.items()}
        out.append(
            emit(problem, {n: parse_expression(t, problem) for n, t in answers.items()}, order=2, gradients=known)
        )
    return out


def test_modules_stand_alone() -> None:
    for source in sources():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                assert [a.name for a in node.names] == ["numpy"]
            if isinstance(node, ast.ImportFrom):
                assert node.module in ("scipy.linalg", "scipy.special")


def test_lines_are_short_and_nothing_is_defined_twice_or_unused() -> None:
    for source in sources():
        assert max(map(len, source.splitlines())) < 100, source
        tree = ast.parse(source)
        functions = [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]
        assert len(set(functions)) == len(functions)
        for name in functions:
            assert source.count(name) > 1 or not name.startswith("_"), f"{name} is never used"


def test_modules_are_formatted_and_free_of_lint(tmp_path: Path) -> None:
    for k, source in enumerate(sources()):
        (tmp_path / f"m{k}.py").write_text(source, encoding="utf-8")
    for arguments_ in (["format", "--check"], ["check", "--select", "E,F,W,B,PLW", "--ignore", "A002"]):
        command = [sys.executable, "-m", "ruff", *arguments_, "--isolated", "--line-length", "99", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout


def test_the_same_problem_gives_the_same_bytes() -> None:
    code = (
        "from matcalc.code.emit import emit\n"
        "from matcalc.language.elaborate import parse_expression, parse_problem\n"
        "p = parse_problem(\"normF(M.*(X - U*V'))^2 + c*normF(U)^2\", declare='c : scalar', wrt=['U', 'V'])\n"
        "a = {'U': \"-2*(M.^2.*(X - U*V'))*V + 2*c*U\", 'V': \"-2*(M.^2.*(X - U*V'))'*U\"}\n"
        "print(emit(p, {n: parse_expression(t, p) for n, t in a.items()}))\n"
    )
    texts = set()
    for seed in ("0", "1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, timeout=60)
        assert done.returncode == 0, done.stderr
        texts.add(done.stdout)
    assert len(texts) == 1


# -------------------------------------------------------------------------------------- arguments
def test_arguments_by_position_keyword_and_as_lists() -> None:
    _, _, module = gradient_module("norm2(A*x - b)^2", "", {"x": "2*A'*(A*x - b)"})
    a, x, b = [[1, 2], [3, 4], [5, 6]], [1, -1], (0, 1, 0)
    value, grad = module.value_and_grad(a, x, b)
    assert value == 1 + 4 + 1
    assert module.value(b=b, x=np.array(x), A=np.array(a)) == value
    assert np.allclose(grad, [2 * (-1 - 6 - 5), 2 * (-2 - 8 - 6)])


MISFITS = [
    ((np.ones((3, 2)), np.ones(3), np.ones(3)), "x: expected shape (n,) with n = 2 (from A), got (3,)"),
    ((np.ones((3, 2)), np.ones(2), np.ones(2)), "b: expected shape (m,) with m = 3 (from A), got (2,)"),
    ((np.ones(3), np.ones(2), np.ones(2)), "A: expected shape (m, n), got (3,)"),
    ((np.ones((3, 2)), np.ones((2, 1)), np.ones(3)), "x: expected shape (n,) with n = 2 (from A), got (2, 1)"),
    ((np.ones((3, 2)), 1.0, np.ones(3)), "x: expected shape (n,) with n = 2 (from A), got ()"),
]


@pytest.mark.parametrize(("given", "message"), MISFITS)
def test_a_shape_that_does_not_fit_is_named(given: tuple[Any, ...], message: str) -> None:
    _, _, module = gradient_module("norm2(A*x - b)^2", "", {"x": "2*A'*(A*x - b)"})
    for function in (module.value, module.value_and_grad):
        with pytest.raises(ValueError) as caught:
            function(*given)
        assert str(caught.value) == message


def test_square_compound_and_fixed_shapes_are_checked() -> None:
    _, _, module = gradient_module("c*det(X)", "c : scalar", {"X": "c*det(X)*inv(X)'"})
    with pytest.raises(ValueError, match=r"X: expected shape \(n, n\) with n = 2, got \(2, 3\)"):
        module.value(c=1.0, X=np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"c: expected a number, got \(2,\)"):
        module.value(c=[1.0, 2.0], X=np.eye(2))
    _, _, module = gradient_module("a'*vec(X)", "X : m×n; a : m*n", {"X": "unvec(a, m, n)"})
    with pytest.raises(
        ValueError, match=r"a: expected shape \(m \* n,\) with m = 2 \(from X\), n = 3 \(from X\), got \(5,\)"
    ):
        module.value(X=np.ones((2, 3)), a=np.ones(5))
    _, _, module = gradient_module("sum(x)", "x : 3", {"x": "vector(1)"})
    with pytest.raises(ValueError, match=r"x: expected shape \(3,\), got \(4,\)"):
        module.value(np.ones(4))


def test_sizes_are_read_from_arrays_also_where_they_are_sums_and_multiples() -> None:
    x = symbol("x", shape("n").rows * 2 + 1)
    problem = Problem(
        "", mul(parse_expression("n", {"x": shape("n")}), make("sum", x)), symbols={"x": Symbol("x", x.shape)}
    )
    module = load_module(
        emit(problem, {"x": mul(parse_expression("n", {"x": shape("n")}), make("diagvec", make("diag", x)))})
    )
    assert module.value(np.ones(7)) == 21


def test_a_size_that_no_argument_has_is_an_argument() -> None:
    problem = Problem("", mul(symbol("c"), size("q")), symbols={"c": Symbol("c", shape(1))})
    module = load_module(emit(problem, {"c": size("q")}))
    assert module.value_and_grad(2.5, 4) == (10.0, 4.0)
    assert module._self_check()
    with pytest.raises(ValueError, match="q: expected a positive number"):
        module.value(2.5, 0)


def test_outputs_are_never_arguments_or_views_of_them() -> None:
    _, _, module = gradient_module("a'*x + tr(A*X)", "", {"x": "a", "a": "x", "X": "A'"})
    a, x, m = np.ones(2), np.ones(2), np.ones((3, 4))
    point = {"a": a, "x": x, "A": m, "X": m.T.copy()}
    _, grads = module.value_and_grad(**point)
    for g in grads:
        for v in point.values():
            assert not np.shares_memory(g, v)


def test_a_value_is_a_number() -> None:
    for text, declare, answers in GRADIENTS[:12]:
        problem, _, module = gradient_module(text, declare, answers)
        values, _ = point_of(problem, 0)
        assert isinstance(module.value(**arguments(problem, values)), float)


# ------------------------------------------------------------------------------------------ names
NASTY = (
    """
class lambda lambda_ None np numpy sum float value grad _arrays _misfit _sigmoid __debug__ __import__ λ x₁ ϵ ﬁ draw rng
point n m self r s e upstream cache result forward {{7*7}} \\ x');import_os#
""".split()
    + ["a b", '"""', "{% raw %}", "\n\n", "\u202e"]
)


def test_parameters_keep_the_users_names_wherever_python_allows() -> None:
    names = parameter_names(NASTY)
    assert len(set(names.values())) == len(NASTY)
    for user, own in names.items():
        assert own.isidentifier() and safe_name(own) == own
        assert own == user or not (user.isidentifier() and safe_name(user) == user)
    assert (names["lambda"], names["np"], names["sum"], names["λ"], names["ϵ"]) == ("lambda__", "np", "sum", "λ", "ε")
    assert parameter_names(["lambda"]) == {"lambda": "lambda_"}


@pytest.mark.parametrize("nasty", NASTY, ids=ascii)
def test_no_name_breaks_the_module(nasty: str) -> None:
    x, c = symbol(nasty, "n"), symbol("c")
    squares = make("sum", make("fn", x, data=("softplus", 0)))
    objective = mul(c, squares)
    gradient = mul(c, make("fn", x, data=("sigmoid", 0)))
    symbols = {"c": Symbol("c", shape(1)), nasty: Symbol(nasty, shape("n"))}
    source = emit(Problem("", objective, symbols=symbols), {nasty: gradient})
    module = load_module(source)
    assert module._self_check()
    name = parameter_names(symbols)[nasty]
    assert module.value(c=2.0, **{name: [0.0, 0.0]}) == pytest.approx(4 * np.log(2))


def test_many_nasty_names_at_once() -> None:
    symbols = {name: Symbol(name, shape("size")) for name in NASTY}
    terms = [symbol(name, "size") for name in NASTY]
    objective = make("add", *(power(make("norm2", t), 2) for t in terms))
    source = emit(
        Problem("", objective, symbols=symbols), {name: mul(number(2), symbol(name, "size")) for name in NASTY}
    )
    assert load_module(source)._self_check()


def test_definitions_with_unsafe_names_are_renamed() -> None:
    problem, answers = problem_of("grad_ = A*x; normF(grad_)^2", "A : m×n; x : n", {"x": "2*A'*grad_"})
    problem = replace(problem, objective_name="value")
    assert load_module(emit(problem, answers))._self_check()


def test_text_of_the_user_stays_inside_docstrings_and_comments() -> None:
    name = "\\u0022" + '"""\nimport os\nos.system("x")\n"""'
    problem = Problem(
        "", make("sum", symbol(name, "n")), objective_name='f"""\nboom()\n', symbols={name: Symbol(name, shape("n"))}
    )
    source = emit(problem, {name: parse_expression("ones(n)", {"q": shape("n")})})
    calls = [n.func.id for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    assert "boom" not in calls
    assert not [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Import) and n.names[0].name != "numpy"]


# --------------------------------------------------------------------------------------- refusals
def test_a_derivative_of_an_impossible_shape_is_refused() -> None:
    problem = parse_problem("x'*A*x", declare="A : n×n", wrt=["x"])
    with pytest.raises(MatcalcError, match="not a shape it can have"):
        emit(problem, {"x": parse_expression("A", problem)})


def test_a_derivative_by_a_definition_is_refused() -> None:
    problem = parse_problem("R = A*x; norm2(R)^2", wrt=["R"])
    with pytest.raises(CannotDerive, match="definition R"):
        emit(problem, {"R": parse_expression("2*R", problem)})


# ---------------------------------------------------------------------------------------- reading
def test_least_squares_reads_like_a_textbook() -> None:
    problem, answers = problem_of("norm2(A*x - b)^2", "", {"x": "2*A'*(A*x - b)"})
    source = emit(problem, answers)
    assert source.startswith('"""f = norm2(A*x - b)^2\n\ngrad(f, x) = 2*A\'*(A*x - b)\n')
    expected = '''
def value_and_grad(A, x, b):
    """f and its gradient by x.

    grad(f, x) = 2*A'*(A*x - b)
    Takes about 4*m*n operations.
    """
    A, x, b = _arrays(A, x, b)
    r = A @ x - b  # (m,)  A*x - b
    value = r @ r  # norm2(r)^2
    grad = 2 * (A.T @ r)  # (n,)  2*A'*r
    return value, grad
'''
    assert expected in source


def test_random_gradients_of_sums_check_themselves() -> None:
    """A sum of problems has the sum of the gradients: whatever is shared between them stays right."""
    rng = random.Random(2)
    pool = [g for g in GRADIENTS if list(g[2]) == ["x"] and not g[1]]
    for _ in range(4):
        chosen = rng.sample(pool, 2)
        text = " + ".join(f"({g[0]})" for g in chosen)
        answer = " + ".join(f"({g[2]['x']})" for g in chosen)
        _, _, module = gradient_module(text, "", {"x": answer})
        assert module._self_check()


def test_entries_of_a_variable_without_structure_are_all_independent() -> None:
    """``structure="entries"`` changes nothing for a plain matrix, also not what the module checks."""
    declared = "X: n×n invertible; S: n×n symmetric"
    d = matcalc.derive("logdet(X) + tr(A*S)", wrt=["X", "S"], declare=declared, structure="entries")
    source = d.code()
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


SCALED_PRODUCTS = [
    ("L = (f*g' - eye(p))*diag(w)*M", "M", "M: p×n; f: p; g: p; w: p"),
    ("f = softmax(-diag(X1.^3))", "X1", "X1: p×p"),
]


@pytest.mark.parametrize(("problem", "wrt", "declare"), SCALED_PRODUCTS)
def test_a_scaled_product_is_not_taken_for_the_bare_one(problem: str, wrt: str, declare: str) -> None:
    """``-w.*M`` once stood in for ``diag(w)*M`` inside a longer chain (found by random testing)."""
    source = matcalc.derive(problem, wrt=wrt, declare=declare).code()
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# ------------------------------------------------------------------------------ large arguments
LARGE: list[tuple[str, float, float, float]] = [  # of x, at x, value and derivative
    ("log(cosh(x))", 800.0, 800 - np.log(2), 1.0),
    ("log(cosh(x))", -800.0, 800 - np.log(2), -1.0),
    ("log(2*cosh(x))", 800.0, 800.0, 1.0),
    ("sinh(x)./cosh(x)", 800.0, 1.0, 0.0),
    ("log(vector(1) + exp(x))", 800.0, 800.0, 1.0),
    ("log(2*vector(1) + 3*exp(x))", 800.0, 800 + np.log(3), 1.0),
    ("log(2*vector(1) + 3*exp(x))", -800.0, np.log(2), 0.0),
    ("log(exp(x) + exp(-x))", 800.0, 800.0, 1.0),
    ("log(exp(x) + exp(-x))", -800.0, 800.0, -1.0),
    ("log(sigmoid(x))", -800.0, -800.0, 1.0),
    ("log(sigmoid(x))", 40.0, -np.exp(-40.0), np.exp(-40.0)),
    ("log(vector(1) - sigmoid(x))", 800.0, -800.0, -1.0),
    ("log(vector(1) + tanh(x))", -40.0, np.log(2) - 80, 2.0),
    ("log(vector(1) - tanh(x))", 40.0, np.log(2) - 80, -2.0),
    ("log(vector(1) - tanh(x).^2)", 800.0, 2 * np.log(2) - 1600, -2.0),
    ("log(exp(x) - vector(1))", 800.0, 800.0, 1.0),
    ("log(exp(x) - vector(1))", 1e-9, np.log(1e-9), 1e9),
    ("log(exp(x)./cosh(x))", 800.0, np.log(2), 0.0),
]


@pytest.mark.parametrize(("text", "at", "value", "slope"), LARGE)
def test_large_arguments_do_not_overflow(text: str, at: float, value: float, slope: float) -> None:
    module = matcalc.derive(f"sum({text})", wrt="x", declare="x : n").compile()
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        found, gradient = module.value_and_grad(np.array([at, at]))
    assert np.allclose([found / 2, *gradient], [value, slope, slope], rtol=1e-8, atol=1e-25)


@pytest.mark.parametrize(
    ("text", "declare", "by"),
    [
        ("sum(logsumexp(X*W, rowwise)) - sum(Y.*(X*W))", "X : n×d; W : d×k; Y : n×k", "W"),
        ("-sum(Y.*log(softmax(X*W, rowwise)))", "X : n×d; W : d×k; Y : n×k stochastic", "W"),
        ("P = softmax(X*W, rowwise); -sum(Y.*log(P))", "X : n×d; W : d×k; Y : n×k", "W"),
        ("sum(log(exp(X*W)*vector(1))) - sum(Y.*(X*W))", "X : n×d; W : d×k; Y : n×k", "W"),
        ("-y'*log(softmax(W*x))", "W : k×d; x : d; y : k", "W"),
        ("log(sum(exp(W*x)))", "W : k×d; x : d", "x"),
        ("tau*logsumexp(x/tau)", "x : n; tau : scalar positive", "x"),
    ],
)
def test_large_logits_do_not_overflow(text: str, declare: str, by: str) -> None:
    module = matcalc.derive(text, wrt=by, declare=declare).compile()
    rng = np.random.default_rng(2)
    shapes = {"X": (4, 3), "W": (3, 5), "Y": (4, 5), "x": (3,), "y": (5,), "tau": ()}
    if "W*x" in text:
        shapes["W"] = (5, 3)
    point = {
        n: rng.uniform(0.1, 1, shapes[n])
        for n in module.value.__code__.co_varnames[: module.value.__code__.co_argcount]
    }
    large = "x" if "W" not in point else "W"
    point[large] = 900 * rng.normal(size=shapes[large])
    value, gradient = module.value_and_grad(**point)
    assert np.isfinite(value) and np.all(np.isfinite(gradient))
