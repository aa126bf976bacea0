"""The evaluator: every operation against NumPy, analytic everywhere, differentials, opaque functions, binders."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from random_terms import ALL, FINITE, random_shape, random_term, tangents_for, values_for

from matcalc.errors import MatcalcError
from matcalc.language import terms
from matcalc.language.binders import bind
from matcalc.language.dims import ONE, SCALAR, IndexedName, dim, shape
from matcalc.language.functions import FUNCTIONS
from matcalc.language.ops import OPS
from matcalc.language.terms import Term, differential, fn, make, mul, number, symbol, transpose
from matcalc.numeric.evaluate import Array, Point, directional, evaluate, evaluate_all, is_analytic, size_of
from matcalc.numeric.opaque import opaque

SIZES = {"m": 3, "n": 2, "k": 4}
RNG = np.random.default_rng(5)
A, B = symbol("A", "m", "n"), symbol("B", "m", "n")
C, D = symbol("C", "n", "k"), symbol("D", "k", "m")
S, X = symbol("S", "n", "n"), symbol("X", "m", "m")
a, x, c = symbol("a", "m"), symbol("x", "n"), symbol("c")
VALUES = {
    t.data: RNG.normal(size=tuple(size_of(d, SIZES) for d in t.shape)) + (1.5 if t is c else 0)
    for t in (A, B, C, D, S, X, a, x, c)
}
V = VALUES

DIRECT: dict[str, list[tuple[Term, Array]]] = {
    "num": [(number(3), np.array([[3.0]])), (terms.decimal(number(1).data / 4), np.array([[0.25]]))],
    "const": [(terms.constant("pi"), np.array([[np.pi]])), (terms.constant("e"), np.array([[np.e]]))],
    "size": [(terms.size(dim("m") * 2 - 1), np.array([[5.0]]))],
    "sym": [(A, V["A"])],
    "eye": [(terms.eye("k"), np.eye(4))],
    "ones": [(terms.ones("m", "k"), np.ones((3, 4)))],
    "zeros": [(terms.zeros("k"), np.zeros((4, 1)))],
    "unit": [(terms.unit(2, "m"), np.eye(3)[:, [1]]), (terms.unit(1, "n"), np.eye(2)[:, [0]])],
    "commutation": [(mul(terms.commutation("m", "n"), make("vec", A)), V["A"].T.reshape(-1, 1, order="F"))],
    "add": [(terms.add(A, B, A), 2 * V["A"] + V["B"])],
    "neg": [(terms.neg(A), -V["A"])],
    "mul": [(mul(c, A, C, c, D), V["c"][0, 0] ** 2 * V["A"] @ V["C"] @ V["D"]), (mul(c, c), V["c"] ** 2)],
    "div": [(terms.div(A, c), V["A"] / V["c"])],
    "had": [(terms.had(A, B, B), V["A"] * V["B"] ** 2)],
    "hdiv": [(terms.hdiv(A, B), V["A"] / V["B"]), (terms.hdiv(number(2), B), 2 / V["B"])],
    "pow": [
        (terms.power(X, 3), V["X"] @ V["X"] @ V["X"]),
        (make("pow", X, terms.neg(number(2))), np.linalg.inv(V["X"] @ V["X"])),
        (make("pow", c, terms.div(number(1), number(2))), np.sqrt(V["c"])),
        (terms.power(terms.neg(c), 3), -(V["c"] ** 3)),
    ],
    "hpow": [(terms.hpower(A, 3), V["A"] ** 3), (terms.hpower(A, terms.neg(number(1))), 1 / V["A"])],
    "kron": [(make("kron", A, C, c), np.kron(np.kron(V["A"], V["C"]), V["c"]))],
    "inner": [(terms.inner(A, B), np.array([[np.trace(V["A"].T @ V["B"])]]))],
    "transpose": [(transpose(A), V["A"].T)],
    "inv": [(make("inv", X), np.linalg.inv(V["X"]))],
    "det": [(make("det", X), np.array([[np.linalg.det(V["X"])]]))],
    "logdet": [(make("logdet", X), np.array([[np.linalg.slogdet(V["X"])[1]]]))],
    "tr": [(make("tr", X), np.array([[np.trace(V["X"])]]))],
    "sum": [(make("sum", A), np.array([[V["A"].sum()]]))],
    "diag": [(make("diag", a), np.diag(V["a"][:, 0]))],
    "diagvec": [(make("diagvec", X), np.diag(V["X"])[:, None])],
    "vec": [(make("vec", A), V["A"].T.reshape(-1, 1))],
    "unvec": [(make("unvec", make("vec", A), data=(dim("m"), dim("n"))), V["A"])],
    "norm1": [(make("norm1", A), np.array([[np.abs(V["A"]).sum()]]))],
    "norm2": [(make("norm2", a), np.array([[np.linalg.norm(V["a"])]]))],
    "normF": [(make("normF", A), np.array([[np.linalg.norm(V["A"])]]))],
    "stop": [(make("stop", A), V["A"])],
    "softmax": [
        (make("softmax", a), np.exp(V["a"]) / np.exp(V["a"]).sum()),
        (make("softmax", A, data="rowwise"), np.exp(V["A"]) / np.exp(V["A"]).sum(axis=1, keepdims=True)),
        (make("softmax", A, data="colwise"), np.exp(V["A"]) / np.exp(V["A"]).sum(axis=0)),
    ],
    "logsumexp": [
        (make("logsumexp", a), np.array([[np.log(np.exp(V["a"]).sum())]])),
        (make("logsumexp", A, data="rowwise"), np.log(np.exp(V["A"]).sum(axis=1))[:, None]),
        (make("logsumexp", A, data="colwise"), np.log(np.exp(V["A"]).sum(axis=0))[:, None]),
    ],
    "fn": [
        (fn(name, c), FUNCTIONS[name].evaluate(np, V["c"])) for name in FUNCTIONS if FUNCTIONS[name].domain != "unit"
    ],
    "call": [(make("call", a, data=("f", ONE, ONE)), opaque("f").value([V["a"]], (1, 1)))],
    "grad": [(make("grad", A, data=("f", 0)), opaque("f").jacobian([V["A"]], 0, (1, 1)).reshape(2, 3).T)],
    "jac": [(make("jac", a, data=("u", 0, dim("k"), ONE)), opaque("u").jacobian([V["a"]], 0, (4, 1)))],
    "hess": [(make("hess", a, data=("f", 0, 0)), opaque("f").hessian([V["a"]], 0, 0))],
    "elem": [(terms.element("t", 2, shape(1)), np.array([[5.0]]))],
    "d": [(differential(A), V["B"]), (differential(mul(A, x)), V["B"] @ V["x"])],
    "sumover": [(bind("sumover", "i", dim(1), dim("k"), terms.size("i")), np.array([[10.0]]))],
    "prod": [(bind("prod", "i", dim(1), dim("k"), terms.size("i")), np.array([[24.0]]))],
    "stack": [
        (bind("stack", "i", dim(1), dim("m"), mul(terms.size("i"), x)), np.array([[1.0], [2.0], [3.0]]) @ V["x"].T)
    ],
}


@pytest.mark.parametrize("op", OPS)
def test_every_operation_against_numpy(op: str) -> None:
    values = {**VALUES, "t": {2: np.array([[5.0]])}}
    for term, expected in DIRECT[op]:
        found = evaluate(term, values, SIZES, tangents={"A": V["B"]})
        assert found.shape == tuple(size_of(d, SIZES) for d in term.shape)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def test_the_generator_reaches_every_operation() -> None:
    rng = random.Random(0)
    seen = {s.op for _ in range(1500) for s in terms.subterms(random_term(rng, random_shape(rng), 6, tangents=True))}
    assert seen >= ALL | {"d"}


def test_the_shape_is_always_that_of_the_term() -> None:
    rng = random.Random(2)
    for _ in range(400):
        t = random_term(rng, random_shape(rng), 5)
        values, sizes = values_for(t, rng)
        assert evaluate(t, values, sizes).shape == tuple(size_of(d, sizes) for d in t.shape), str(t)


def test_complex_step_agrees_with_differences_for_random_terms() -> None:
    """Every row is analytic, or the complex step would be silently wrong."""
    rng = random.Random(4)
    compared = 0
    while compared < 250:
        t = random_term(rng, random_shape(rng), 4, ops=ALL - {"stop"})
        values, sizes = values_for(t, rng)
        tangents = tangents_for(values, rng)
        assert is_analytic(t)
        exact = directional(t, Point(values, sizes, tangents=tangents))
        if not np.all(np.isfinite(exact)) or np.max(np.abs(exact)) > 1e3:
            continue

        one, two = (differences(t, values, sizes, tangents, h) for h in (1e-4, 5e-5))
        scale = max(1.0, float(np.max(np.abs(exact))))
        if not np.all(np.abs(one - two) < 1e-4 * scale):  # near a kink or a pole
            continue
        compared += 1
        assert np.max(np.abs((4 * two - one) / 3 - exact)) < 1e-6 * scale, str(t)


def differences(
    t: Term, values: dict[str, Array], sizes: dict[str, int], tangents: dict[str, Array], h: float
) -> Array:
    up, down = (evaluate(t, {k: v + s * tangents[k] for k, v in values.items()}, sizes) for s in (h, -h))
    return (up - down) / (2 * h) if np.all(np.isfinite(up) & np.isfinite(down)) else np.full(up.shape, np.nan)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_and_their_derivatives_are_analytic(name: str) -> None:
    point = np.array([[0.3], [0.8]]) if FUNCTIONS[name].domain == "unit" else np.array([[0.4], [1.7]])
    z = symbol("z", 2)
    for order in range(3):
        stepped = evaluate(fn(name, z, order), {"z": point + 1e-20j})
        above = evaluate(fn(name, z, order + 1), {"z": point})
        np.testing.assert_allclose(np.imag(stepped) / 1e-20, above, rtol=1e-9, atol=1e-12)


def test_the_value_of_a_shared_subterm_is_computed_once() -> None:
    t = X
    for _ in range(60):
        t = terms.add(transpose(t), make("inv", terms.add(t, t)))
    seen: list[Term] = []
    evaluate_all([t, t], Point(VALUES, SIZES, watch=lambda node, args, value: seen.append(node)))
    assert len(seen) == len(set(seen)) < 400


# -------------------------------------------------------------------------- differentials
PRODUCT_RULES: dict[str, tuple[Term, Term]] = {
    "product": (differential(mul(A, C)), terms.add(mul(differential(A), C), mul(A, differential(C)))),
    "inverse": (differential(make("inv", X)), terms.neg(mul(make("inv", X), differential(X), make("inv", X)))),
    "determinant": (
        differential(make("det", X)),
        mul(make("det", X), make("tr", mul(make("inv", X), differential(X)))),
    ),
    "constant": (differential(mul(c, B)), mul(differential(c), B)),
    "second": (
        differential(differential(mul(transpose(x), S, x))),
        mul(number(2), transpose(differential(x)), S, differential(x)),
    ),
    "opaque": (
        differential(make("call", mul(A, x), data=("f", ONE, ONE))),
        terms.inner(
            make("grad", mul(A, x), data=("f", 0)), terms.add(mul(differential(A), x), mul(A, differential(x)))
        ),
    ),
}


@pytest.mark.parametrize("name", PRODUCT_RULES)
def test_differentials_obey_the_rules(name: str) -> None:
    tangents = {n: RNG.normal(size=V[n].shape) for n in ("A", "C", "X", "c", "x")}
    left, right = (evaluate(side, VALUES, SIZES, tangents=tangents) for side in PRODUCT_RULES[name])
    np.testing.assert_allclose(left, right, rtol=1e-8, atol=1e-9)
    assert np.max(np.abs(left)) > 1e-3


def test_a_differential_needs_tangents() -> None:
    with pytest.raises(MatcalcError, match="no value is known for the differential"):
        evaluate(differential(A), VALUES, SIZES)


# ------------------------------------------------------------------------ opaque functions
def test_derivatives_of_opaque_functions_are_consistent() -> None:
    p, q = RNG.normal(size=(3, 2)), RNG.normal(size=(2, 1))
    f = opaque("loss", seed=9)
    step = 1e-20j
    for position, arg in enumerate((p, q)):
        columns, second = [], []
        for j in range(arg.size):
            move = np.zeros(arg.size)
            move[j] = 1.0
            moved = [p * 1.0, q * 1.0]
            moved[position] = arg + step * move.reshape(arg.shape, order="F")
            columns.append(np.imag(f.value(moved, (2, 2)).reshape(-1, order="F")) / 1e-20)
            second.append(np.imag(f.jacobian(moved, 0, (1, 1))[0]) / 1e-20)
        np.testing.assert_allclose(np.stack(columns, 1), f.jacobian([p, q], position, (2, 2)), rtol=1e-12)
        np.testing.assert_allclose(np.stack(second, 1), f.hessian([p, q], 0, position), rtol=1e-12, atol=1e-15)


def test_opaque_functions_depend_on_name_and_seed_only() -> None:
    p = RNG.normal(size=(3, 1))
    values = [opaque(name, seed).value([p], (1, 1))[0, 0] for name, seed in (("f", 0), ("f", 0), ("g", 0), ("f", 1))]
    assert values[0] == values[1]
    assert len(set(values)) == 3


# --------------------------------------------------------------------- families and binders
def test_nested_binders_and_families() -> None:
    member = terms.element("Y", "i", shape("m"))
    other = terms.element("Z", dim("j") + 1, shape("m"))
    inside = bind("sumover", "j", dim(1), dim("i"), mul(transpose(member), other))
    t = bind("sumover", "i", dim(1), dim("n"), inside)
    y = {k: RNG.normal(size=(3, 1)) for k in range(1, 4)}
    z = {k: RNG.normal(size=(3, 1)) for k in range(1, 5)}
    expected = sum((y[i].T @ z[j + 1])[0, 0] for i in (1, 2) for j in range(1, i + 1))
    assert evaluate(t, {"Y": y, "Z": z}, SIZES)[0, 0] == pytest.approx(expected)


def test_the_differential_of_a_sum_over_a_family() -> None:
    member = terms.element("Y", "i", shape("m"))
    t = bind("sumover", "i", dim(1), dim("n"), terms.power(make("norm2", terms.sub(member, a)), 2))
    y = {k: RNG.normal(size=(3, 1)) for k in (1, 2)}
    dy = {k: RNG.normal(size=(3, 1)) for k in (1, 2)}
    found = evaluate(differential(t), {"Y": y, "a": V["a"]}, SIZES, tangents={"Y": dy})
    expected = sum(2 * ((y[k] - V["a"]).T @ dy[k])[0, 0] for k in (1, 2))
    assert found[0, 0] == pytest.approx(expected)


def test_empty_ranges() -> None:
    for op, expected in (("sumover", np.zeros((2, 2))), ("prod", np.eye(2))):
        t = bind(op, "i", dim(3), dim(2), mul(terms.size("i"), S))
        np.testing.assert_array_equal(evaluate(t, VALUES, SIZES), expected)


def test_indexed_sizes() -> None:
    d = dim(IndexedName("m", dim("i") - 1))
    assert size_of(d * 2, {"m": {0: 4, 1: 5}, "i": 2}) == 10


MISSING: dict[str, Callable[[], object]] = {
    "symbol": lambda: evaluate(symbol("Q", "m"), {}, SIZES),
    "member": lambda: evaluate(terms.element("Y", 7, SCALAR), {"Y": {1: V["a"]}}, SIZES),
    "size": lambda: evaluate(terms.ones("r"), {}, SIZES),
}


@pytest.mark.parametrize("what", MISSING)
def test_what_has_no_value_is_an_error(what: str) -> None:
    with pytest.raises(MatcalcError, match="no value is known"):
        MISSING[what]()


def test_outside_the_domain_the_value_is_not_finite() -> None:
    minus = terms.neg(number(1))
    for t in (fn("log", minus), fn("sqrt", minus), make("pow", minus, terms.div(number(1), number(3)))):
        assert not np.isfinite(evaluate(t, {})).all()
    assert not np.isfinite(evaluate(make("inv", terms.zeros("m", "m")), {}, SIZES)).all()


def test_whole_powers_are_multiplied_out() -> None:
    found = evaluate(terms.power(terms.neg(c), 101), {"c": np.array([[1.01]])})
    assert found[0, 0] == pytest.approx(-(1.01**101))


def test_the_functions_of_the_generator_are_defined_everywhere() -> None:
    assert all(FUNCTIONS[name].domain == "real" for name in FINITE)
