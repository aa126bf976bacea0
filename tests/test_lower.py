"""Lowering: terms as NumPy programs compute what the evaluator computes, in the form an expert would write."""

from __future__ import annotations

import random
import re
import warnings
from collections.abc import Mapping, Sequence
from types import ModuleType

import numpy as np
import pytest
from random_terms import ALL, FINITE, random_shape, random_term, values_for

from matcalc.code.layout import lay_out
from matcalc.code.load import load_module
from matcalc.code.lower import LOWER, REFUSED, Scope, lower_terms
from matcalc.code.mathematics import TERMS
from matcalc.code.names import Namer
from matcalc.code.nodes import live
from matcalc.code.source import SOURCE
from matcalc.code.writer import Writer
from matcalc.errors import CannotDerive
from matcalc.language.dims import Shape, dim, shape
from matcalc.language.elaborate import parse_expression
from matcalc.language.functions import FUNCTIONS
from matcalc.language.ops import OPS
from matcalc.language.terms import Term, fn, make, mul, neg, number, subterms, symbol, transpose
from matcalc.numeric.evaluate import Array, Point, evaluate_all, size_of

LOWERED = ALL - {"call", "grad", "jac", "hess"}
HELPERS = """
import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import erf


def _sigmoid(x):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def _softplus(x):
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


def _softmax(z, axis=None):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _logsumexp(z, axis=None):
    top = z.max(axis=axis, keepdims=True)
    return np.log(np.exp(z - top).sum(axis=axis)) + top.squeeze(axis=axis)


def _log_det(X):
    sign, logabsdet = np.linalg.slogdet(X)
    return logabsdet if sign > 0 else np.nan


def _commutation(m, n):
    return np.eye(m * n).reshape(n, m, m * n).swapaxes(0, 1).reshape(m * n, m * n)
"""


def lines_of(
    terms: Sequence[Term],
    definitions: Mapping[str, Term] | None = None,
    facts: Mapping[str, frozenset[str]] | None = None,
) -> list[str]:
    """The statements of terms and a last line that returns their values."""
    graph, nodes, named = lower_terms(terms, Scope(definitions or {}, facts or {}))
    names = {name for t in terms for s in subterms(t) for name in s.free} - set(definitions or {})
    outputs = [(f"out{k}", node) for k, node in enumerate(nodes)]
    program, _ = lay_out(Writer(graph, SOURCE, {}), Namer(names | {"m", "n", "k"}), outputs, definitions=named)
    out = [line for s in program.statements for line in (f"{s.name} = {s.source}", *s.updates)]
    return [*out, f"return {', '.join(program.outputs)},"]


def module_of(terms: Sequence[Term], lines: Sequence[str]) -> ModuleType:
    names = sorted({s.data for t in terms for s in subterms(t) if s.op == "sym"})
    body = "\n".join(f"    {line}" for line in lines)
    return load_module(f"{HELPERS}\n\ndef run(m, n, k{''.join(', ' + x for x in names)}):\n{body}\n")


def one_dimensional(value: Array, s: Shape, sizes: Mapping[str, int]) -> Array:
    """A value of the evaluator in the layout of emitted code: numbers 0-D, rows and columns 1-D."""
    return np.asarray(value).reshape([size_of(d, sizes) for d in s if d.value != 1])


def run(terms: Sequence[Term], values: Mapping[str, Array], sizes: Mapping[str, int]) -> list[Array]:
    shapes = {s.data: s.shape for t in terms for s in subterms(t) if s.op == "sym"}
    point = {name: one_dimensional(values[name], shapes[name], sizes)[()] for name in shapes}
    before = {name: np.array(v) for name, v in point.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = module_of(terms, lines_of(terms)).run(**sizes, **point)
    for name, v in before.items():
        assert np.array_equal(v, point[name]), f"{name} was changed"
    return [np.asarray(x) for x in out]


# ---------------------------------------------------------------------------------- the tables
def test_every_operation_has_a_lowering_or_refuses() -> None:
    assert LOWER.keys() == OPS.keys()
    assert REFUSED.keys() <= OPS.keys()


def test_every_node_that_is_written_has_mathematics_or_serves_stability_alone() -> None:
    assert SOURCE.keys() - TERMS.keys() == {"max", "logaddexp", "product"}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("order", [0, 1])
def test_every_elementwise_function_has_code(name: str, order: int) -> None:
    x = np.array([0.2, 0.4, 0.7])
    term = fn(name, symbol("x", "n"), order)
    assert np.allclose(run([term], {"x": x[:, None]}, {"m": 2, "n": 3, "k": 4})[0], expected_function(name, order, x))


def expected_function(name: str, order: int, x: Array) -> Array:
    f = FUNCTIONS[name].evaluate
    return f(np, x) if order == 0 else (f(np, x + 1e-6) - f(np, x - 1e-6)) / 2e-6


@pytest.mark.parametrize("op", sorted(REFUSED))
def test_a_refusal_says_what_it_is_about(op: str) -> None:
    x = symbol("x", "n")
    if op == "elem":
        from matcalc.language.terms import element

        term = element("x", "t", shape("n"))
    elif op in ("sumover", "prod", "stack"):
        term = make(op, symbol("S", "n", "n") if op == "prod" else x, data=(dim(1), dim("N")))
    else:
        term = make(op, x)
    with pytest.raises(CannotDerive, match="no NumPy code for"):
        lower_terms([term], Scope())


def test_an_opaque_function_is_refused_by_name() -> None:
    with pytest.raises(CannotDerive, match=r"opaque function in f\(x\)"):
        lower_terms([fn("f", symbol("x", "n"))], Scope())


# ----------------------------------------------------------------------------- random terms
def usable(value: Array) -> bool:
    return bool(np.all(np.isfinite(value)) and np.max(np.abs(value)) < 1e8)


def well_conditioned(terms: Sequence[Term], point: Point) -> bool:
    """Whether no inverse or determinant on the way is of a nearly singular matrix."""
    inner = [s.args[0] for t in terms for s in subterms(t) if s.op in ("inv", "det", "logdet")]
    inner += [s.args[0] for t in terms for s in subterms(t) if s.op == "pow" and not s.is_scalar]
    values = evaluate_all(inner, point)
    return all(np.all(np.isfinite(v)) and np.linalg.cond(v) < 1e6 for v in values)


@pytest.mark.parametrize("block", range(8))
def test_random_terms_compute_what_the_evaluator_computes(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random_terms.ELEMENTWISE", ("tanh", "sin"))
    checked = 0
    for seed in range(block * 60, block * 60 + 60):
        rng = random.Random(seed)
        first = random_term(rng, random_shape(rng), rng.choice((3, 4, 5)), ops=LOWERED, functions=FINITE)
        second = rng.choice((transpose(first), mul(number(3), first), neg(first)))
        third = random_term(rng, random_shape(rng), 3, ops=LOWERED)
        terms = [first, second, third]
        if any(s.op == "fn" and s.data[1] > 1 for t in terms for s in subterms(t)):
            continue
        values, sizes = values_for(terms, rng)
        point = Point(values, sizes)
        wanted = evaluate_all(terms, point)
        if not all(usable(w) for w in wanted) or not well_conditioned(terms, point):
            continue
        try:
            found = run(terms, values, sizes)
        except CannotDerive as refusal:
            assert "zero" in str(refusal), f"seed {seed}: {refusal}"
            continue
        for t, got, want in zip(terms, found, wanted, strict=True):
            want = one_dimensional(want, t.shape, sizes)
            assert got.shape == want.shape, f"seed {seed}: {t}"
            assert np.allclose(got, want, rtol=1e-6, atol=1e-7 * max(1.0, np.max(np.abs(want)))), f"seed {seed}: {t}"
            checked += 1
    assert checked > 80


# -------------------------------------------------------------------------------- expert forms
SHAPES = {
    "A": shape("m", "n"), "B": shape("m", "n"), "C": shape("n", "m"), "S": shape("n", "n"), "Q": shape("n", "n"),
    "M": shape("m", "m"), "U": shape("m", "k"), "V": shape("n", "k"), "W": shape("n", "k"), "D": shape("n", "n"),
    "x": shape("n"), "y": shape("n"), "b": shape("m"), "u": shape("m"), "w": shape("k"), "c": shape(1), "s": shape(1),
}  # fmt: skip
FACTS = {"S": frozenset(("symmetric", "posdef")), "Q": frozenset(("orthogonal",)), "D": frozenset(("diagonal",))}

FORMS = [  # expression, what the code must be, or what must and must not stand in it
    ("A'*(A*x)", "A.T @ (A @ x)"),
    ("(A'*A)*x", "A.T @ (A @ x)"),
    ("A'*A*C*b", "A.T @ (A @ (C @ b))"),
    ("x*y'*S*x", "y @ (S @ x) * x|(S @ x @ y) * x|((S @ x) @ y) * x|(y @ (S @ x)) * x"),
    ("norm2(A*x - b)^2", "r = A @ x - b; r @ r"),
    ("norm2(x)^4", "s = x @ x; s**2"),
    ("norm2(x)", "np.sqrt(x @ x)"),
    ("normF(A)^2", "np.vdot(A, A)"),
    ("tr(A'*B)", "np.vdot(A, B)"),
    ("tr(A*C)", 'np.einsum("ij,ji->", A, C)'),
    ("tr(x*y'*S)", "(S @ y) @ x"),
    ("inner(A, B)", "np.vdot(A, B)"),
    ("sum(A.*B)", "np.vdot(A, B)"),
    ("sum(x.*y)", "x @ y"),
    ("sum(A*x)", "A.sum(axis=0) @ x|(A @ x).sum()"),
    ("ones(m)'*A*ones(n)", "A.sum()"),
    ("A'*ones(m)", "A.sum(axis=0)"),
    ("A*ones(n)", "A.sum(axis=1)"),
    ("diag(A*C)", 'np.einsum("ij,ji->i", A, C)'),
    ("(A.*B)*ones(n)", 'np.einsum("ij,ij->i", A, B)'),
    ("diag(u)*A", "u[:, None] * A"),
    ("A*diag(x)", "A * x"),
    ("(u*x').*A", "u[:, None] * A * x"),
    ("A + ones(m)*x'", "A + x"),
    ("A + u*ones(n)'", "A + u[:, None]"),
    ("A - ones(m, n)", "A - 1"),
    ("A.^2", "A * A"),
    ("x.^3", "x * x * x"),
    ("c^2", "c**2"),
    ("1./x", "1 / x"),
    ("x/c", "x / c"),
    ("c*x/s", "c / s * x"),
    ("1/3*x", "1 / 3 * x|x / 3"),
    ("1/2*x", "0.5 * x"),
    ("-2*A*x", "-2 * (A @ x)"),
    ("b - A*x", "b - A @ x"),
    ("inv(S)*x", "np.linalg.solve(S, x)"),
    ("x'*inv(S)", "np.linalg.solve(S, x)"),
    ("inv(S)", "np.linalg.inv(S)"),
    ("inv(Q)*x", "Q.T @ x"),
    ("tr(inv(S)*D*S)", None),
    ("logdet(S)", "np.linalg.slogdet(S).logabsdet"),
    ("log(det(S))", "np.linalg.slogdet(S).logabsdet"),
    ("det(S')", "np.linalg.det(S)"),
    ("D*x", "np.diagonal(D) * x"),
    ("S + c*eye(n)", "out0 = S.copy(); out0.flat[:: n + 1] += c; out0"),
    ("A'*A + diag(x)", "out0 = A.T @ A; out0.flat[:: n + 1] += x; out0"),
    ("(S + c*eye(n))*x", "S @ x + c * x"),
    ("(eye(m) - ones(m)*ones(m)'/m)*A", "A - A.sum(axis=0) / m"),
    ("A'*diag(u.^2)*A", "M = np.sqrt(u * u)[:, None] * A; M.T @ M"),
    ("A'*diag(u)*A", "(A.T * u) @ A"),
    ("kron(S, M)*vec(A)", '(M @ A @ S).ravel(order="F")'),
    ("vec(A')", "A.ravel().copy()"),
    ("commutation(m, n)*vec(A)", "A.ravel().copy()"),
    ("log(exp(u) + ones(m))", "_softplus(u)"),
    ("log(ones(m) + exp(-u))", "_softplus(-u)"),
    ("exp(u)./(ones(m) + exp(u))", "_sigmoid(u)"),
    ("1./(ones(m) + exp(-u))", "_sigmoid(u)"),
    ("1/(1 + exp(-c))", "_sigmoid(c)"),
    ("log(sigmoid(u))", "-_softplus(-u)"),
    ("log(sum(exp(u)))", "_logsumexp(u)"),
    ("exp(u)/sum(exp(u))", "_softmax(u)"),
    ("log(softmax(u))", "u - _logsumexp(u)"),
    ("A'*exp(u)/sum(exp(u))", "A.T @ _softmax(u)"),
    ("log(exp(A)*ones(n))", "_logsumexp(A, axis=1)"),
    ("log(exp(A)'*ones(m))", "_logsumexp(A, axis=0)"),
    ("diag(1./(exp(A)*ones(n)))*exp(A)", "_softmax(A, axis=1)"),
    ("exp(A)./(exp(A)*ones(n)*ones(n)')", "_softmax(A, axis=1)"),
    ("(A.*B)*x + 2*(A.*B)*y", None),
    ("relu(A).*step(A)", "H = np.maximum(A, 0); H * (H > 0)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), FORMS, ids=[f[0] for f in FORMS])
def test_the_code_is_what_an_expert_writes(text: str, wanted: str | None) -> None:
    term = parse_expression(text, SHAPES)
    lines = lines_of([term], facts=FACTS)
    if wanted is not None:
        code = "; ".join(lines).removesuffix(",").replace("return ", "")
        assert code in wanted.split("|")
    assert not re.search(r"np\.(eye|diag|ones|kron)\(", "; ".join(lines))


@pytest.mark.parametrize("text", [f[0] for f in FORMS])
def test_the_expert_form_has_the_right_value(text: str) -> None:
    term = parse_expression(text, SHAPES)
    rng = np.random.default_rng(5)
    sizes = {"m": 4, "n": 3, "k": 2}
    values = {x: rng.uniform(0.2, 1.0, [size_of(d, sizes) for d in s]) for x, s in SHAPES.items()}
    values["S"] = values["S"] @ values["S"].T + np.eye(3)
    values["Q"] = np.linalg.qr(values["Q"])[0]
    values["D"] = np.diag(np.diag(values["D"]))
    shapes = {s.data: s.shape for s in subterms(term) if s.op == "sym"}
    point = {x: one_dimensional(values[x], s, sizes)[()] for x, s in shapes.items()}
    got = module_of([term], lines_of([term], facts=FACTS)).run(**sizes, **point)[0]
    want = evaluate_all([term], Point(values, sizes))[0]
    assert np.allclose(got, one_dimensional(want, term.shape, sizes), rtol=1e-9)


STABLE = [  # expression of x, at which x, its value
    ("sum(log(exp(x) + ones(n)))", [800.0, -800.0, 0.0], 800 + np.log(2)),
    ("sum(sigmoid(x))", [800.0, -800.0, 0.0], 1.5),
    ("sum(exp(x)./(ones(n) + exp(x)))", [800.0, -800.0, 0.0], 1.5),
    ("log(sum(exp(x)))", [900.0, 900.0, -900.0], 900 + np.log(2)),
    ("logsumexp(x)", [-900.0, -900.0, -2000.0], -900 + np.log(2)),
    ("sum((exp(x)/sum(exp(x))).^2)", [900.0, 900.0, -900.0], 0.5),
    ("sum(log(softmax(x)))", [900.0, 900.0, 900.0], -3 * np.log(3)),
    ("sum(log(sigmoid(x)))", [-800.0, 800.0, 0.0], -800 - np.log(2)),
    ("sum(log(exp(x*ones(4)')*ones(4)))", [900.0, -900.0, 0.0], 3 * np.log(4)),
    ("log(sum(exp(x))/n)", [900.0, 900.0, 900.0], 900.0),
]


@pytest.mark.parametrize(("text", "at", "value"), STABLE, ids=[s[0] for s in STABLE])
def test_large_arguments_do_not_overflow(text: str, at: list[float], value: float) -> None:
    term = parse_expression(text, {"x": shape("n")})
    found = module_of([term], lines_of([term])).run(m=2, n=3, k=4, x=np.array(at))[0]
    assert found == pytest.approx(value, rel=1e-12)


# -------------------------------------------------------------------------------------- sharing
def test_value_and_gradient_share_the_residual() -> None:
    terms = [parse_expression(t, SHAPES) for t in ("norm2(A*x - b)^2", "2*A'*(A*x - b)")]
    assert "\n".join(lines_of(terms)).count("A @ x") == 1


def test_products_are_shared_up_to_transposes() -> None:
    terms = [parse_expression(t, SHAPES) for t in ("A*S*C", "C'*S'*A'")]
    code = "\n".join(lines_of(terms))
    assert code.count(" @ ") == 2


def test_a_sum_and_its_negative_are_one() -> None:
    terms = [parse_expression(t, SHAPES) for t in ("norm2(A*x - b)^2", "A'*(b - A*x)")]
    assert "\n".join(lines_of(terms)).count("A @ x") == 1


def test_one_exponential_serves_logsumexp_and_softmax() -> None:
    terms = [parse_expression(t, SHAPES) for t in ("logsumexp(A*x)", "A'*softmax(A*x)")]
    code = "\n".join(lines_of(terms))
    assert code.count("np.exp(") == 1 and "_softmax" not in code


def test_a_cholesky_factor_serves_several_uses_of_a_definite_matrix() -> None:
    terms = [parse_expression(t, SHAPES) for t in ("x'*inv(S)*x + logdet(S)", "2*inv(S)*x")]
    code = "\n".join(lines_of(terms, facts=FACTS))
    assert code.count("cho_factor(") == 1 and "linalg" not in code


def test_definitions_keep_their_names() -> None:
    body = parse_expression("A*x - b", SHAPES)
    terms = [parse_expression("norm2(R)^2", {"R": shape("m")}), parse_expression("2*A'*R", {**SHAPES, "R": shape("m")})]
    assert lines_of(terms, definitions={"R": body})[0] == "R = A @ x - b"


def growth(count: int) -> list[Term]:
    """Random terms that have code."""
    out: list[Term] = []
    for seed in range(count):
        t = random_term(random.Random(seed), random_shape(random.Random(seed)), 4, ops=LOWERED - {"zeros"})
        if all(s.op != "fn" or (s.data[0] in FUNCTIONS and s.data[1] < 2) for s in subterms(t)):
            out.append(t)
    return out


def test_lowering_is_deterministic() -> None:
    terms = growth(40)
    assert len(terms) > 15
    assert lines_of(terms) == lines_of(terms)


def test_nodes_are_interned_and_flat() -> None:
    graph, nodes, _ = lower_terms(growth(60), Scope())
    assert len(set(graph.table.values())) == len(graph.table)
    for node in live(nodes):
        if node.op == "prod":
            assert not any(a.op in ("prod", "num") for a in node.args), node


def test_depth_is_no_limit() -> None:
    t = symbol("X", "n", "n")
    for _ in range(3000):
        t = fn("sin", transpose(t))
    assert lines_of([make("tr", t)])


def test_a_long_chain_is_ordered_in_linear_time() -> None:
    a, x = symbol("A", "n", "n"), symbol("x", "n")
    code = "\n".join(lines_of([mul(*[a] * 800, x)]))
    assert code.count("@") == 800 and "A @ A" not in code


def test_the_column_sums_of_a_centred_matrix_are_zero() -> None:
    X = symbol("X", "m", "n")
    mean_ = parse_expression("X'*ones(m)/m", {"X": X.shape})
    centred = parse_expression("X - ones(m)*(X'*ones(m)/m)'", {"X": X.shape})
    total = mul(transpose(centred), parse_expression("ones(m)", {"X": X.shape}))
    assert lines_of([total]) == ["return np.zeros(n),"]
    assert lines_of([mean_]) == ["return X.sum(axis=0) / m,"]
