"""The matrix of a linear map: right for every linear operation in every surrounding, and plain where a person's is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product as pairs

import numpy as np
import pytest

from matcalc.calculus.jacobian import READINGS, matrix_of
from matcalc.errors import CannotDerive
from matcalc.language.ops import OPS
from matcalc.language.terms import (
    Term,
    add,
    differential,
    div,
    eye,
    fn,
    had,
    hdiv,
    inner,
    make,
    mul,
    neg,
    number,
    ones,
    power,
    sub,
    subterms,
    symbol,
    transpose,
    zeros,
)
from tests.fuzz.reference import size_of, value

SIZES = {"m": 4, "n": 3, "p": 2, "q": 5}

x, y, a, b = (symbol(s, "n") for s in "xyab")
u, v = (symbol(s, "m") for s in "uv")
A, B = symbol("A", "m", "n"), symbol("B", "m", "n")
S, Q = symbol("S", "n", "n"), symbol("Q", "n", "n")
P = symbol("P", "p", "m")
X = symbol("X", "m", "n")
c = symbol("c")
dx, dX, dc = differential(x), differential(X), differential(c)
T = transpose


def diag(t: Term) -> Term:
    return make("diag", t)


def diagvec(t: Term) -> Term:
    return make("diagvec", t)


def vec(t: Term) -> Term:
    return make("vec", t)


def kron(*ts: Term) -> Term:
    return make("kron", *ts)


def unvec(t: Term, rows: Term, cols: Term) -> Term:
    return make("unvec", t, data=(rows.shape.rows, cols.shape.rows))


def shape_of(t: Term) -> tuple[int, int]:
    return size_of(t.shape.rows, SIZES), size_of(t.shape.cols, SIZES)


def environment(t: Term, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    env = {}
    for s in sorted((s for s in subterms(t) if s.op in ("sym", "d")), key=str_key):
        name = s.data if s.op == "sym" else f"d({s.args[0].data})"
        env[name] = rng.choice([-1.0, 1.0], shape_of(s)) * (0.3 + rng.random(shape_of(s)))
    return env


def str_key(t: Term) -> str:
    return t.op + (t.data if t.op == "sym" else t.args[0].data)


def assert_right(linear: Term, h: Term) -> Term:
    """The matrix, after it was compared with the map at random points."""
    matrix = matrix_of(linear, h)
    assert h not in set(subterms(matrix))
    for seed in range(3):
        env = environment(add(linear, linear) if linear.is_scalar else linear, seed)
        there = value(linear, env, SIZES)
        step = value(h, env, SIZES)
        m = value(matrix, env, SIZES)
        assert m.shape == shape_of(matrix)
        if h.is_scalar:
            assert matrix.shape == linear.shape
            expected = m * step
        else:
            assert m.shape == (there.size, step.size)
            expected = (m @ step.flatten(order="F")).reshape(there.shape, order="F")
        np.testing.assert_allclose(expected, there, rtol=1e-10, atol=1e-12)
    return matrix


# ----------------------------------------------------------------- plain forms
PLAIN = [
    (dx, eye("n")),
    (neg(dx), neg(eye("n"))),
    (mul(A, dx), A),
    (mul(number(2), A, dx), mul(number(2), A)),
    (mul(A, dx, c), mul(c, A)),
    (mul(P, A, dx), mul(P, A)),
    (div(mul(A, dx), c), div(A, c)),
    (mul(T(dx), a), T(a)),
    (mul(T(x), Q, dx), mul(T(x), Q)),
    (mul(u, mul(T(x), Q, dx)), mul(u, T(x), Q)),
    (mul(dx, mul(T(x), a)), mul(mul(T(x), a), eye("n"))),
    (mul(dx, T(x), a), mul(mul(T(x), a), eye("n"))),
    (mul(x, T(dx), a), mul(x, T(a))),
    (mul(dx, T(a), S, b), mul(mul(T(a), S, b), eye("n"))),
    (mul(diag(dx), b), diag(b)),
    (mul(A, diag(dx), b), mul(A, diag(b))),
    (had(b, dx), diag(b)),
    (had(a, b, dx), diag(had(a, b))),
    (had(u, mul(A, dx)), mul(diag(u), A)),
    (had(u, had(v, mul(A, dx))), mul(diag(had(u, v)), A)),
    (hdiv(dx, b), diag(hdiv(number(1), b))),
    (add(mul(S, dx), mul(Q, dx)), add(S, Q)),
    (mul(had(Q, mul(dx, T(a))), b), diag(mul(Q, had(a, b)))),
    (mul(had(Q, mul(a, T(dx))), b), mul(diag(a), Q, diag(b))),
    (make("sum", had(a, dx)), mul(ones(1, "n"), diag(a))),
    (inner(a, mul(S, dx)), mul(T(a), S)),
    (diagvec(mul(S, diag(dx), Q)), had(S, T(Q))),
    (vec(mul(dx, T(u))), kron(u, eye("n"))),
]


@pytest.mark.parametrize(("linear", "expected"), PLAIN, ids=range(len(PLAIN)))
def test_the_plain_form_is_found(linear: Term, expected: Term) -> None:
    assert assert_right(linear, dx) is expected


MATRIX = [
    (dX, eye(symbol("n", "n").shape.rows * symbol("m", "m").shape.rows)),
    (mul(P, dX), kron(eye("n"), P)),
    (mul(P, dX, S), kron(T(S), P)),
    (mul(S, T(dX), T(P)), mul(kron(P, S), make("commutation", data=X.shape))),
    (mul(dX, x), kron(T(x), eye("m"))),
    (mul(T(dX), u), kron(eye("n"), T(u))),
    (had(A, dX), diag(vec(A))),
]


@pytest.mark.parametrize(("linear", "expected"), MATRIX, ids=range(len(MATRIX)))
def test_a_matrix_variable_is_read_through_vec(linear: Term, expected: Term) -> None:
    assert assert_right(linear, dX) is expected


SCALAR = [
    (mul(dc, A), A),
    (mul(number(2), dc, x), mul(number(2), x)),
    (mul(add(dc, dc), A), None),
    (add(mul(A, dc), mul(dc, B)), add(A, B)),
    (neg(dc), neg(number(1))),
    (make("tr", mul(dc, S)), make("tr", S)),
    (had(mul(dc, x), y), had(x, y)),
    (mul(u, T(dc)), u),
    (kron(mul(dc, u), x), kron(u, x)),
]


@pytest.mark.parametrize(("linear", "expected"), SCALAR, ids=range(len(SCALAR)))
def test_of_a_scalar_variable_the_coefficient_has_the_shape_of_the_map(linear: Term, expected: Term | None) -> None:
    found = assert_right(linear, dc)
    assert expected is None or found is expected


# ------------------------------------------------- every operation, everywhere
def headed() -> Iterator[tuple[str, Term, Term]]:
    """For each linear operation: maps that it heads, of a column and of a matrix variable."""
    square = mul(T(A), dX)  # n×n, of dX
    outer = mul(dx, T(y))  # n×n, of dx
    rows: dict[str, list[tuple[Term, Term]]] = {
        "add": [(add(mul(A, dx), mul(B, dx)), dx), (add(dX, had(A, dX), zeros("m", "n")), dX)],
        "neg": [(neg(mul(A, dx)), dx), (neg(dX), dX)],
        "mul": [(mul(P, A, dx), dx), (mul(P, dX, S), dX), (mul(u, make("tr", square)), dX), (mul(A, diag(dx), Q), dx)],
        "div": [(div(dx, c), dx), (div(mul(P, dX), c), dX)],
        "had": [(had(mul(A, dx), u), dx), (had(A, B, dX), dX), (had(S, outer), dx)],
        "hdiv": [(hdiv(dx, y), dx), (hdiv(dX, A), dX), (hdiv(mul(T(x), dx), A), dx), (hdiv(outer, S), dx)],
        "kron": [
            (kron(u, dx), dx),
            (kron(dx, u), dx),
            (kron(P, dX), dX),
            (kron(dX, P), dX),
            (kron(P, dX, S), dX),
            (kron(A, dx), dx),
            (kron(u, outer, v), dx),
            (mul(kron(dX, S), kron(x, y)), dX),
            (mul(kron(A, outer), kron(x, y)), dx),
            (T(kron(u, dx)), dx),
        ],
        "inner": [(inner(A, dX), dX), (inner(dx, y), dx), (inner(T(dx), T(y)), dx), (inner(outer, S), dx)],
        "transpose": [(T(dx), dx), (T(dX), dX), (T(mul(P, dX)), dX), (T(mul(A, dx)), dx), (T(outer), dx)],
        "tr": [(make("tr", square), dX), (make("tr", outer), dx), (make("tr", mul(S, had(Q, outer))), dx)],
        "sum": [
            (make("sum", dX), dX),
            (make("sum", dx), dx),
            (make("sum", T(dx)), dx),
            (make("sum", mul(A, outer)), dx),
        ],
        "diag": [(diag(dx), dx), (diag(mul(dX, y)), dX), (mul(A, diag(had(dx, y)), S), dx)],
        "diagvec": [
            (diagvec(square), dX),
            (diagvec(outer), dx),
            (diagvec(T(square)), dX),
            (diagvec(mul(S, T(dX), A)), dX),
            (diagvec(mul(A, outer, T(B))), dx),
            (diagvec(mul(A, diag(dx), T(B))), dx),
            (diagvec(diag(dx)), dx),
            (diagvec(mul(diag(dx), S)), dx),
            (diagvec(had(S, square)), dX),
            (diagvec(mul(S, had(Q, square), S)), dX),
            (diagvec(mul(S, add(outer, diag(dx)), Q)), dx),
            (diagvec(kron(S, outer)), dx),
            (diagvec(mul(y, T(dx), S)), dx),
        ],
        "vec": [(vec(dX), dX), (vec(dx), dx), (vec(T(dx)), dx), (vec(T(mul(P, dX))), dX), (vec(outer), dx)],
        "unvec": [
            (unvec(vec(dX), x, u), dX),
            (T(unvec(kron(dx, u), u, x)), dx),
            (mul(unvec(kron(dx, u), u, x), y), dx),
            (mul(T(unvec(vec(dX), x, u)), y), dX),
            (make("tr", mul(A, unvec(vec(dX), x, u))), dX),
            (diagvec(mul(A, unvec(vec(dX), x, u))), dX),
            (diagvec(mul(T(unvec(vec(dX), x, u)), T(A))), dX),
        ],
        "d": [(dx, dx), (dX, dX)],
    }
    for op, cases in rows.items():
        for linear, h in cases:
            yield op, linear, h


WITHOUT = {"sumover", "stack"}  # a binder's matrix would need one for each member
HEADED = list(headed())


def test_every_linear_operation_heads_a_case() -> None:
    assert {op for op, _, _ in HEADED} | WITHOUT == {name for name, row in OPS.items() if row.linear}


def test_the_tables_have_only_linear_operations() -> None:
    for table in READINGS.values():
        assert set(table) - {"h"} <= {name for name, row in OPS.items() if row.linear}


@pytest.mark.parametrize(("op", "linear", "h"), HEADED, ids=[f"{op}-{i}" for i, (op, _, _) in enumerate(HEADED)])
def test_each_operation_at_the_head(op: str, linear: Term, h: Term) -> None:
    assert_right(linear, h)


def matrices() -> list[tuple[Term, Term]]:
    """n×n maps of many kinds."""
    outer, back = mul(dx, T(y)), mul(a, T(dx))
    square = mul(T(A), dX)
    return [
        (outer, dx),
        (back, dx),
        (diag(dx), dx),
        (diag(mul(S, dx)), dx),
        (had(S, outer), dx),
        (had(S, add(back, outer)), dx),
        (had(S, mul(Q, diag(dx), S)), dx),
        (had(S, mul(diag(dx), Q)), dx),
        (had(S, mul(Q, diag(dx))), dx),
        (had(S, diag(dx)), dx),
        (had(S, mul(Q, had(S, outer), Q)), dx),
        (had(S, mul(Q, add(outer, neg(div(back, c))), Q)), dx),
        (had(S, T(mul(Q, outer))), dx),
        (had(S, mul(Q, mul(T(dx), a))), dx),
        (had(S, mul(number(3), outer)), dx),
        (hdiv(diag(dx), S), dx),
        (hdiv(outer, S), dx),
        (T(mul(Q, had(S, outer))), dx),
        (mul(mul(T(dx), a), S), dx),
        (div(neg(outer), c), dx),
        (sub(outer, diag(dx)), dx),
        (unvec(kron(dx, a), a, a), dx),
        (T(unvec(kron(dx, a), a, a)), dx),
        (square, dX),
        (T(square), dX),
        (had(S, square), dX),
        (had(S, T(square)), dX),
        (mul(diag(mul(T(dX), u)), S), dX),
        (mul(make("tr", square), S), dX),
        (unvec(vec(square), a, a), dX),
        (mul(had(S, square), Q), dX),
    ]


SURROUNDINGS: dict[str, Callable[[Term], Term]] = {
    "alone": lambda t: t,
    "transposed": T,
    "times a column": lambda t: mul(t, b),
    "transposed, times a column": lambda t: mul(T(t), b),
    "between": lambda t: mul(T(y), t, b),
    "between matrices": lambda t: mul(A, t, S),
    "between, times a column": lambda t: mul(A, t, S, b),
    "under a trace": lambda t: make("tr", t),
    "in a trace": lambda t: make("tr", mul(S, t, Q)),
    "on the diagonal": diagvec,
    "on the diagonal of a product": lambda t: diagvec(mul(S, t, Q)),
    "summed": lambda t: make("sum", t),
    "stacked": vec,
    "masked": lambda t: had(Q, t),
    "masked, times a column": lambda t: mul(had(Q, t), b),
    "scaled": lambda t: mul(number(2), t),
    "weighed": lambda t: mul(A, mul(T(x), y), t, b),
    "in an inner product": lambda t: inner(t, Q),
    "on the diagonal, as a matrix": lambda t: mul(A, diag(diagvec(t))),
}


@pytest.mark.parametrize(("around", "i"), list(pairs(SURROUNDINGS, range(len(matrices())))))
def test_each_matrix_in_each_surrounding(around: str, i: int) -> None:
    linear, h = matrices()[i]
    assert_right(SURROUNDINGS[around](linear), h)


@pytest.mark.parametrize(
    "around",
    ["times a column", "between", "between, times a column", "under a trace", "in a trace", "masked, times a column"],
)
def test_a_map_of_a_vector_is_plain_where_it_can_be(around: str) -> None:
    for linear, h in matrices():
        if h is dx and not any(t.op == "unvec" for t in subterms(linear)):
            ops = {t.op for t in subterms(assert_right(SURROUNDINGS[around](linear), h))}
            assert not ops & {"kron", "vec", "unvec", "commutation"}, linear


# ---------------------------------------------------------------------- others
def test_facts_remove_a_transpose() -> None:
    linear = mul(T(mul(S, dx)), a)
    assert matrix_of(linear, dx, {"S": frozenset(("symmetric",))}) is mul(T(a), S)


def test_a_row_variable_and_a_plain_symbol() -> None:
    r = differential(symbol("r", 1, "n"))
    assert assert_right(mul(r, S), r) is T(S)
    assert assert_right(mul(S, x), x) is S
    assert assert_right(mul(S, T(r)), r) is S


def test_zero_is_a_zero_matrix() -> None:
    assert matrix_of(zeros("m"), dx) is zeros("m", "n")
    assert matrix_of(number(0), dx) is zeros(1, "n")


@pytest.mark.parametrize(
    "term",
    [
        had(dx, dx),
        mul(T(dx), dx),
        inner(dx, dx),
        kron(dx, dx),
        fn("exp", dx),
        power(mul(T(a), dx), 2),
        div(a, mul(T(a), dx)),
        hdiv(a, dx),
        add(dx, a),
        a,
        mul(make("inv", diag(dx)), a),
    ],
    ids=range(11),
)
def test_what_is_not_linear_is_refused(term: Term) -> None:
    with pytest.raises(CannotDerive):
        matrix_of(term, dx)


@pytest.mark.parametrize("term", [mul(dc, dc), power(dc, 2), add(dc, c), div(c, dc), fn("exp", dc)], ids=range(5))
def test_what_is_not_linear_in_a_scalar_is_refused(term: Term) -> None:
    with pytest.raises(CannotDerive):
        matrix_of(term, dc)


def test_depth_is_no_limit() -> None:
    t = dx
    for _ in range(3000):
        t = add(mul(S, had(a, t)), T(T(t)))
    assert matrix_of(neg(t), dx).shape == S.shape
