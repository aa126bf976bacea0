"""NumPy code read as mathematics: what it means is what NumPy computes, and nothing of it is ever run by the reader."""

from __future__ import annotations

import random
import time
import warnings
from typing import Any

import numpy as np
import pytest

import matcalc.interop.numpy_walk as walk
from matcalc.errors import MatcalcError, ParseError, ShapeError
from matcalc.interop.numpy_code import NumpyAnswer, is_numpy, read_numpy
from matcalc.interop.numpy_functions import FUNCTIONS_OF_NUMPY
from matcalc.language.elaborate import parse_problem
from matcalc.language.problem import Problem
from matcalc.language.terms import Term
from matcalc.numeric.evaluate import Point, evaluate

SIZES = {"m": 3, "n": 4, "k": 2}
ARRAYS = parse_problem(
    "X, Y : m×n; Z : n×k; S, Q : n×n; v, w : n; u : m; c, lambda : scalar; "
    "sum(X.*Y)*sum(Z)*tr(S*Q)*c*lambda*(v'*w)*sum(u)"
)
LEAST_SQUARES = parse_problem("A : m×n; x : n; b : m; norm2(A*x - b)^2", wrt="x")
LAYER = parse_problem("X : n×d; W : d×k; b : k; Y = X*W + ones(n)*b'; L = loss(Y)")


def drawn(problem: Problem, seed: int = 0, columns: bool = False) -> tuple[Point, dict[str, Any]]:
    """A point of a problem, and the same values as NumPy code has them."""
    rng = np.random.default_rng(seed)
    values: dict[str, np.ndarray] = {}
    arrays: dict[str, Any] = {}
    for name, s in problem.symbols.items():
        shape = [SIZES.get(str(d), 1) for d in s.shape]
        value = rng.uniform(0.4, 1.6, shape) * rng.choice((-1.0, 1.0), shape)
        values[name] = value
        flat = value[0, 0] if s.shape.is_scalar else value[:, 0] if s.shape.is_vector and not columns else value
        arrays["lam" if name == "lambda" else name] = flat
    return Point(values, SIZES), arrays


def computed(code: str, arrays: dict[str, Any]) -> Any:
    """What NumPy computes: tests run the code that they themselves hold."""
    scope: dict[str, Any] = {"np": np, **arrays}
    *before, last = code.strip().split("\n")
    exec("\n".join([*before, f"answer = {last.removeprefix('return ')}"]), scope)
    return scope["answer"]


def same(term: Term, point: Point, expected: Any) -> bool:
    value = evaluate(term, point.values, point.sizes)
    wanted = np.asarray(expected, dtype=float)
    return value.size == wanted.size and bool(np.allclose(value.reshape(-1), wanted.reshape(-1), rtol=1e-9, atol=1e-9))


# What programs write, each compared with what NumPy makes of it.
CODES = [
    "X.T @ Y",
    "X.T.dot(Y) @ Z",
    "np.dot(X, v) + u",
    "X @ v / len(X)",
    "v @ S @ w",
    "v @ X.T",
    "(X * Y).sum()",
    "np.sum(X, axis=0)",
    "np.sum(X, axis=1)",
    "np.sum(X, axis=-1, keepdims=True)",
    "X.sum(0, keepdims=True)",
    "X.sum((0, 1))",
    "np.mean(X)",
    "X.mean(axis=0)",
    "np.mean(v**2)",
    "X.var(axis=0)",
    "np.var(X, axis=1, keepdims=True)",
    "np.std(v, ddof=1)",
    "X + v",
    "X - u[:, None]",
    "X * v[None, :]",
    "X / u[:, np.newaxis]",
    "X + c",
    "c - X",
    "2 * c * X / 3",
    "X**2",
    "v**-2.0",
    "X * X.shape[0] / X.shape[1]",
    "np.outer(u, v)",
    "np.outer(v, v) @ S",
    "u[:, None] @ v[None, :]",
    "u[:, None] * v",
    "np.diag(v) @ S",
    "np.diag(S)",
    "np.diagonal(S) * v",
    "np.trace(S @ Q)",
    "np.linalg.inv(S) @ v",
    "np.linalg.solve(S, v)",
    "np.linalg.solve(S.T, X.T)",
    "np.linalg.det(S)",
    "np.linalg.slogdet(S)[1]",
    "np.linalg.matrix_power(S, 3)",
    "np.linalg.norm(v)",
    "np.linalg.norm(X)",
    "np.linalg.norm(v, 1)",
    "np.linalg.norm(X, 'fro')**2",
    "np.linalg.norm(X, axis=1)",
    "np.exp(X) * np.log(np.abs(Y))",
    "np.tanh(X @ v)",
    "1 - np.tanh(X)**2",
    "1 / (1 + np.exp(-X))",
    "np.log1p(np.exp(v))",
    "np.logaddexp(0, X)",
    "np.maximum(X, 0)",
    "np.maximum(0, X) * (X > 0)",
    "np.maximum(X, Y)",
    "np.minimum(v, w)",
    "np.clip(X, 0, 1)",
    "np.where(X > 0, X, 0)",
    "np.where(X > 0, X, 0.1 * X)",
    "(X > 0).astype(float)",
    "(X >= Y) * X",
    "(X < 0.5) * 1.0",
    "((X > 0) & (Y > 0)) * X",
    "(X > 0).astype(float) + (Y > 0)",
    "~(X > 0) * X",
    "np.sign(X)",
    "np.heaviside(X, 0)",
    "np.eye(len(v)) @ v",
    "np.eye(len(v)) + S",
    "np.ones((X.shape[0], 1)) @ v[None, :]",
    "np.ones(len(u)) @ X",
    "np.zeros_like(X) + Y",
    "np.ones_like(v) * c",
    "np.full(len(v), c) + v",
    "np.kron(S, X)",
    "np.multiply(X, Y)",
    "np.divide(X, Y)",
    "np.add(X, np.subtract(Y, X))",
    "np.power(X, 2)",
    "np.square(v)",
    "np.negative(v)",
    "np.transpose(X) @ u",
    "X.transpose() @ u",
    "v.reshape(-1, 1) @ u.reshape(1, -1)",
    "X.reshape(-1)",
    "X.ravel() @ Y.ravel()",
    "X.flatten()",
    "np.expand_dims(v, 1) * np.expand_dims(w, 0)",
    "np.squeeze(v[:, None])",
    "np.tile(v, (3, 1))",
    "np.vdot(X, Y)",
    "np.inner(v, w)",
    "np.inner(X, Y)",
    "np.matmul(X, Z)",
    "np.linalg.multi_dot([X, S, Z])",
    "np.einsum('ij,jk->ik', X, Z)",
    "np.einsum('ij,ij->', X, Y)",
    "np.einsum('ij,ij->j', X, Y)",
    "np.einsum('ij,j->i', X, v)",
    "np.einsum('ij,i->j', X, u)",
    "np.einsum('i,ij->ij', u, X)",
    "np.einsum('i,j->ji', u, v)",
    "np.einsum('ij,kj->ki', X, Y)",
    "np.einsum('ii', S)",
    "np.einsum('ij->ji', X)",
    "np.einsum('i,i', v, w)",
    "X.size * c",
    "np.pi * v",
    "abs(v)",
    "lam * v",
    "sum(v)",
    "float(c) * v",
    "P = np.exp(X) / np.sum(np.exp(X), axis=1, keepdims=True)\nX.T @ (P - Y) / X.shape[0]",
    "r = X @ v - u\ng = 2 * X.T @ r\ng += 2 * lam * v\ng",
    "m, n = X.shape\nnp.ones((m, n)) * c",
    "D = X.copy()\nD[Y <= 0] = 0\nD",
    "sig = lambda z: 1 / (1 + np.exp(-z))\nsig(X @ v)",
    "def f(z, a=2):\n    return a * z**2\nf(v) + f(w, a=3)",
    "a, b = v, w\na @ b",
]


@pytest.mark.parametrize("code", CODES)
def test_code_means_what_numpy_computes(code: str) -> None:
    answer = read_numpy(code, ARRAYS, vectors="1-D")
    for seed in range(2):
        point, arrays = drawn(ARRAYS, seed)
        assert same(answer.term, point, computed(code, arrays))


COLUMNS = [
    "X @ v",
    "X @ v - u",
    "v @ v.T",
    "2*X.T @ (X @ v - u)",
    "(X @ v).T @ u",
    "np.sum(v)",
    "v.sum(axis=0)",
    "v[:, 0] * w[:, 0]",
]


@pytest.mark.parametrize("code", COLUMNS)
def test_columns_with_two_axes(code: str) -> None:
    answer = read_numpy(code, ARRAYS, vectors="2-D")
    point, arrays = drawn(ARRAYS, 1, columns=True)
    assert same(answer.term, point, computed(code, arrays))


def test_the_expected_shape_decides_between_vectors_and_columns() -> None:
    one = read_numpy("v @ v.T", ARRAYS)
    assert (one.vectors, str(one.term)) == ("1-D", "v'*v")
    square = read_numpy("v @ v.T", ARRAYS, shape=ARRAYS.symbols["S"].shape)
    assert (square.vectors, str(square.term)) == ("2-D", "v*v'")
    assert read_numpy("X - u", ARRAYS).vectors == "2-D"  # does not fit otherwise


# ---------------------------------------------------------------------- random code
class Growth:
    """Random expressions over the arrays; most of them fit."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def grow(self, depth: int) -> str:
        if depth == 0 or self.rng.random() < 0.12:
            return self.rng.choice(("X", "Y", "Z", "S", "v", "w", "u", "c", "2", "0.5"))
        a = self.grow(depth - 1)
        b = self.grow(depth - 1)
        return self.rng.choice(
            (
                *(f"({a} {sign} {b})" for sign in "+-*/@"),
                *(f"({a} @ {b})", f"np.dot({a}, {b})"),
                *(f"({a}).T", f"np.tanh({a})", f"np.maximum({a}, 0)", f"(-{a})", f"({a})**2", f"({a} > {b}) * {a}"),
                *(f"np.sum({a})", f"np.sum({a}, axis=0)", f"np.mean({a}, axis=1, keepdims=True)", f"({a}).sum(-1)"),
                *(f"({a})[:, None]", f"({a})[None, :]", f"np.outer({a}, {b})", f"np.diag({a})", f"np.linalg.norm({a})"),
                *(f"np.exp(-({a})**2)", f"np.trace({a})", f"({a}).reshape(-1, 1)", f"len({a})"),
            )
        )


def test_random_code_fits_and_means_what_numpy_says() -> None:
    rng = random.Random(3)
    point, arrays = drawn(ARRAYS, 2)
    agreed = refused = 0
    while agreed < 400:
        code = Growth(rng).grow(rng.choice((1, 2, 3)))
        if code in ("2", "0.5"):
            continue
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                expected = computed(code, arrays)
        except (AttributeError, SyntaxError):
            continue  # of Python's own numbers
        except (ValueError, TypeError, IndexError, np.linalg.LinAlgError):
            expected = None
        try:
            answer = read_numpy(code, ARRAYS, vectors="1-D")
        except (ParseError, ShapeError):
            refused += expected is not None and np.ndim(expected) < 3
            continue
        assert expected is not None, f"NumPy refuses {code}"
        with np.errstate(all="ignore"):
            value = evaluate(answer.term, point.values, point.sizes)
        wanted = np.asarray(expected, dtype=float)
        assert value.size == wanted.size, code
        finite = np.isfinite(wanted).all() and np.isfinite(value).all()
        if finite:
            assert np.allclose(value.reshape(-1), wanted.reshape(-1), rtol=1e-7, atol=1e-7), code
            agreed += 1
    assert refused < 120  # what NumPy does with arrays of three axes on the way, numbers with .T and the like


# ------------------------------------------------------------------------- answers
def test_several_answers() -> None:
    code = "dW = X.T @ dY\ndb = np.sum(dY, axis=0)"
    found = read_numpy(code, LAYER, ("W", "b"))
    assert {n: str(t) for n, t in found.terms.items()} == {"W": "X'*grad(L, Y)", "b": "grad(L, Y)'*ones(n)"}
    assert found.notes == ("dY read as grad(L, Y)",)
    assert read_numpy(code + "\nreturn dW, db", LAYER, ("W", "b")).terms == found.terms
    assert str(read_numpy(code, LAYER, ("W",)).term) == "X'*grad(L, Y)"
    assert str(read_numpy(code, LAYER).term) == "grad(L, Y)'*ones(n)"
    with pytest.raises(ParseError, match="returns 2 arrays, not 3"):
        read_numpy("return X, W", LAYER, ("W", "b", "X"))


def test_a_function_is_an_answer() -> None:
    code = '''
    import numpy as np

    def backward(X, W, b, dout, scale=2.0):
        """The gradient by the weights."""
        n = X.shape[0]
        return scale * X.T @ dout / n
    '''
    assert str(read_numpy(code, LAYER, ("W",)).term) == "2*X'*grad(L, Y)/n"


@pytest.mark.parametrize("name", ["dout", "upstream", "grad_Y", "dL_dY", "Y_grad", "dY", "gY"])
def test_names_of_the_upstream_gradient(name: str) -> None:
    assert str(read_numpy(f"{name} @ W.T", LAYER).term) == "grad(L, Y)*W'"


def test_opaque_functions_and_their_slopes() -> None:
    problem = parse_problem("f : elementwise; W : n×n; x : n; s = W*x; y = f(s); L = loss(y)")
    assert str(read_numpy("np.outer(dy * f_prime(s), x)", problem).term) == "(grad(L, y).*f'(s))*x'"
    assert str(read_numpy("W @ f(x)", problem).term) == "W*f(x)"


def test_findings() -> None:
    def kinds(code: str) -> list[str]:
        return [f.kind for f in read_numpy(code, ARRAYS, vectors="1-D").findings]

    assert kinds("X + c") == ["scalar"]
    assert kinds("1 + X") == []  # a number that is written is meant
    assert kinds("X + v") == ["rows"]
    assert kinds("X * u[:, None]") == ["columns"]
    assert kinds("v - w[:, None]") == ["outer"]
    assert kinds("v.T @ w") == ["transpose"]
    finding = read_numpy("r = 2 * X\nr - lam", ARRAYS).findings[0]
    assert finding.message == "subtracts a scalar from every entry of (m, n)"
    assert "r = 2 * X\nr - lam"[slice(*finding.span)] == "r - lam"


REFUSED = [
    ("2*A @ (A @ x - b)", ShapeError, "inner sizes n and m", "2*A @ (A @ x - b)"),
    ("A.T @ (A @ z - b)", ParseError, "unknown name 'z'", "z"),
    ("A.T @ (A @ x - b", ParseError, "not Python", "("),
    ("x + b", ShapeError, r"\(n,\) and \(m,\)", "x + b"),
    ("A[0]", ParseError, "entries and parts", "A[0]"),
    ("A[1:, :]", ParseError, "entries and parts", "A[1:, :]"),
    ("for i in range(3):\n    x = x", ParseError, "loops", "for i in range(3):\n    x = x"),
    ("if x:\n    x", ParseError, "branches", "if x:\n    x"),
    ("[a for a in x]", ParseError, "not read", "[a for a in x]"),
    ("np.linalg.eig(A)", ParseError, "the function eig", "np.linalg.eig(A)"),
    ("x.max()", ParseError, "max over the entries", "x.max()"),
    ("__import__('os').system('x')", ParseError, "__import__", "__import__('os')"),
    ("x.__class__", ParseError, "__class__", "x.__class__"),
    ("open('f')", ParseError, "the function open", "open('f')"),
    ("x**10000000", ParseError, "exponent is too large", "x**10000000"),
    ("x * 1e400", ParseError, "number", "1e400"),
    ("np.linalg.inv(A)", MatcalcError, "square", "np.linalg.inv(A)"),
    ("(x > 0) + (x > 1)", ParseError, "two comparisons", "(x > 0) + (x > 1)"),
    ("-(x > 0)", ParseError, "no negative", "-(x > 0)"),
    ("import os", ParseError, "no answer", "i"),
    ("", ParseError, "no answer", ""),
]


@pytest.mark.parametrize(("code", "kind", "message", "place"), REFUSED, ids=[r[0][:20] for r in REFUSED])
def test_refusals_point_into_the_code(code: str, kind: type[MatcalcError], message: str, place: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        read_numpy(code, LEAST_SQUARES)
    assert caught.value.span is not None
    assert code[slice(*caught.value.span)] == place
    caught.value.render()


def test_places_are_characters_in_indented_code() -> None:
    code = "    α = 2*x\n    return A @ zß"
    with pytest.raises(ParseError) as caught:
        read_numpy(code, LEAST_SQUARES)
    assert caught.value.span is not None
    assert code[slice(*caught.value.span)] == "zß"


HOSTILE = [
    *("(" * 5000 + "x" + ")" * 5000, "-" * 10000 + "x", "x" + ".T" * 5000, "+".join(["x"] * 5000), "x" + "**2" * 5000),
    *("a = x\n" + "a = a*a\n" * 2000 + "a", "def f(x):\n    return f(x)\nf(x)", "f = lambda x: f(f(x))\nf(x)"),
    *(
        "x" * 30000,
        "x\0",
        "not " * 3000 + "x",
        "x*" + "9" * 5000,
        ",".join(["x"] * 5000),
        '"a" * 1000000',
        "x*10**10**10",
    ),
]


@pytest.mark.parametrize("code", HOSTILE, ids=[h[:12].encode().hex() for h in HOSTILE])
def test_hostile_code_ends_soon(code: str) -> None:
    begun = time.process_time()
    with pytest.raises(MatcalcError):
        read_numpy(code, LEAST_SQUARES)
    assert time.process_time() - begun < 2


def test_code_is_never_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: object, **kwargs: object) -> None:
        raise AssertionError("code was run")

    for name in ("eval", "exec", "compile"):
        monkeypatch.setitem(walk.__dict__, name, forbidden)
    answer: NumpyAnswer = read_numpy("import os\nA.T @ (A @ x - b)", LEAST_SQUARES)
    assert str(answer.term) == "A'*(A*x - b)"


@pytest.mark.parametrize(
    "text", ["X.T @ (A - Y) / len(X)", "np.sum(dZ, axis=0)", "X.T.dot(Q)", "return x", "x**2", "g += x", "x[:, None]"]
)
def test_code_is_recognised(text: str) -> None:
    assert is_numpy(text)


@pytest.mark.parametrize(
    "text", ["2*A'*(A*x - b)", r"2A^{\top}(Ax-b)", "inv(A)*b", "sum(i in 1..n, x[i])", "norm2(x)^2", "A.T*x", "x.^2"]
)
def test_the_plain_language_is_not_code(text: str) -> None:
    assert not is_numpy(text)


def test_every_function_is_used_by_a_test_or_refused() -> None:
    assert {"sum", "dot", "where", "einsum", "solve"} <= FUNCTIONS_OF_NUMPY.keys()
    for name in FUNCTIONS_OF_NUMPY:
        with pytest.raises(MatcalcError):  # arguments that no function takes
            read_numpy(f"np.{name}(X, X, X, X, X, X, nonsense=X)", ARRAYS)
            pytest.fail(name)
