"""Samples, certificates and checked lines: right answers pass, wrong ones fail, what cannot be checked says why."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from matcalc.calculus.derive import derive
from matcalc.language.elaborate import parse_expression, parse_problem
from matcalc.language.problem import PROPERTIES, Problem
from matcalc.language.terms import mul, number, symbol
from matcalc.numeric import certify as certifying
from matcalc.numeric import evaluate as evaluating
from matcalc.numeric.certify import Certificate, certify
from matcalc.numeric.draw import draw_value, into_subspace, subspace
from matcalc.numeric.lines import Claim, certify_equal, check_steps
from matcalc.numeric.sample import SCHEMES, CannotSample, sample_problem

# problem, declarations, variable, right answer, wrong answers
ANSWERS: list[tuple[str, str, str, str, tuple[str, ...]]] = [
    ("norm2(A*x - b)^2", "", "x", "2*A'*(A*x - b)", ("A'*(A*x - b)", "-2*A'*(A*x - b)", "2*A'*(A*x + b)", "2*A'*A*x")),
    ("x'*A*x", "", "x", "(A + A')*x", ("2*A*x", "2*A'*x", "x'*(A + A')")),
    ("x'*S*x", "S : n×n symmetric", "x", "2*S*x", ("S*x",)),
    ("tr(X*A*X'*B)", "", "X", "B'*X*A' + B*X*A", ("2*B*X*A", "B*X*A' + B'*X*A")),
    ("tr(A*X)", "A : n×n; X : n×n", "X", "A'", ("A",)),
    ("a'*X*b", "", "X", "a*b'", ("b*a'",)),
    ("det(X)", "", "X", "det(X)*inv(X)'", ("det(X)*inv(X)", "inv(X)'")),
    ("log(det(X'*X))", "", "X", "2*X*inv(X'*X)", ("X*inv(X'*X)",)),
    ("norm2(x)", "", "x", "x/norm2(x)", ("2*x", "norm2(x)*x")),
    ("norm1(x)", "", "x", "sign(x)", ("abs(x)",)),
    ("sum(relu(A*x))", "", "x", "A'*step(A*x)", ("A'*relu(A*x)",)),
    ("log(sum(exp(A*x)))", "", "x", "A'*softmax(A*x)", ("softmax(A*x)'*A",)),
    ("f(A*X + B)", "f : function", "X", "A'*grad(f, A*X + B)", ("A'*grad(f, A*X)",)),
    ("sum(f(A*x))", "f : elementwise", "x", "A'*f'(A*x)", ("A'*f(A*x)",)),
    ("u(x)'*u(x)", "u : function -> m; x : n", "x", "2*jac(u, x)'*u(x)", ("jac(u, x)'*u(x)",)),
    ("loss(Y, w)", "loss : function; Y : m×n; w : k", "w", "grad_2(loss)(Y, w)", ("2*grad_2(loss)(Y, w)",)),
    ("A*x", "", "x", "A", ("A'", "2*A")),
    ("A*X*B", "", "X", "kron(B', A)", ("kron(A, B')",)),
    ("X'", "X : m×n", "X", "commutation(m, n)", ("eye(m*n)",)),
    ("exp(-x)", "x : n", "x", "-diag(exp(-x))", ("diag(exp(-x))",)),
    ("t*A + B", "A : m×n; t : scalar", "t", "A", ("B",)),
    ("t*A + B", "A : m×n; t : scalar", "t", "vec(A)", ("vec(B)",)),
    ("c^(3/2)*x'*x", "c : scalar; x : n", "c", "3/2*c^(1/2)*x'*x", ("c^(1/2)*x'*x",)),
]
CASES = [(row, answer, i == 0) for row in ANSWERS for i, answer in enumerate((row[3], *row[4]))]


def certified(problem: Problem, name: str, answer: str, **more: Any) -> Certificate:
    return certify(problem, {name: parse_expression(answer, problem)}, **more)


@pytest.mark.parametrize(
    ("row", "answer", "right"), CASES, ids=[f"{row[0]} by {row[2]}: {answer}" for row, answer, _ in CASES]
)
def test_right_answers_pass_and_wrong_ones_fail(
    row: tuple[str, str, str, str, tuple[str, ...]], answer: str, right: bool
) -> None:
    problem = parse_problem(row[0], row[1] or None, row[2])
    c = certified(problem, row[2], answer)
    assert c.status == ("verified" if right else "failed")
    assert c.points == len(c.shapes) == 6
    assert c.worst_error is not None
    assert c.worst_error < 1e-12 if right else c.worst_error > 1e-3
    assert c.method == "complex step"


def test_several_answers_and_definitions() -> None:
    problem = parse_problem("R = A*X - B; Q = R*C; normF(Q)^2", "A : m×n; C : k×p", ["X", "R"])
    texts = {"X": "2*A'*Q*C'", "R": "2*Q*C'", "C": "2*R'*Q"}
    answers = {name: parse_expression(text, problem) for name, text in texts.items()}
    assert certify(problem, answers).status == "verified"
    c = certify(problem, {**answers, "X": answers["X"].args[0]})
    assert c.status == "failed"
    assert c.errors["R"] < 1e-12 < 1e-3 < c.errors["X"]


def test_the_shape_of_a_wrong_answer_is_told() -> None:
    c = certified(parse_problem("x'*A*x", None, "x"), "x", "x'*(A + A')")
    assert c.status == "failed"
    assert any("1×n" in note for note in c.notes)


LAYOUTS = [
    ("A*x - b", "x", "numerator", "A"),
    ("A*x - b", "x", "denominator", "A'"),
    ("a'*X*b", "X", "numerator", "b*a'"),
    ("a'*X*b", "X", "denominator", "a*b'"),
    ("x'*A*x", "x", "numerator", "x'*(A + A')"),
    ("t*b", "t", "numerator", "b"),
    ("t*b", "t", "denominator", "b'"),
]


@pytest.mark.parametrize(("text", "name", "layout", "answer"), LAYOUTS)
def test_layouts(text: str, name: str, layout: Any, answer: str) -> None:
    problem = parse_problem(text, "t : scalar; b : m" if text == "t*b" else None, name)
    assert certified(problem, name, answer, layout=layout).status == "verified"
    other = "denominator" if layout == "numerator" else "numerator"
    assert certified(problem, name, answer, layout=other).status == "failed"


SECOND = [
    ("x'*A*x", "x", "A + A'", "2*A"),
    ("log(sum(exp(x)))", "x", "diag(softmax(x)) - softmax(x)*softmax(x)'", "diag(softmax(x))"),
    ("logdet(X)", "X", "-commutation(n, n)*kron(inv(X)', inv(X))", "-kron(inv(X)', inv(X))"),
    ("a'*X'*X*a", "X", "2*kron(a*a', eye(m))", "2*kron(eye(m), a*a')"),
    ("c^3", "c", "6*c", "3*c"),
]


@pytest.mark.parametrize(("text", "name", "right", "wrong"), SECOND)
def test_second_derivatives(text: str, name: str, right: str, wrong: str) -> None:
    declare = {"c^3": "c : scalar", "a'*X'*X*a": "X : m×n"}.get(text, "X : n×n" if "X" in text else None)
    problem = parse_problem(text, declare, name)
    c = certified(problem, name, right, order=2)
    assert c.status == "verified"
    assert c.worst_error is not None and c.worst_error < 1e-8
    assert certified(problem, name, wrong, order=2).status == "failed"


STRUCTURED = [
    ("symmetric", "a'*X*b", "projected", "(a*b' + b*a')/2"),
    ("symmetric", "a'*X*b", "entries", "a*b' + b*a' - (a*b').*eye(n)"),
    ("symmetric", "logdet(X)", "projected", "inv(X)"),
    ("symmetric", "logdet(X)", "entries", "2*inv(X) - inv(X).*eye(n)"),
    ("posdef", "logdet(X)", "projected", "inv(X)"),
    ("skew", "a'*X*b", "projected", "(a*b' - b*a')/2"),
    ("skew", "a'*X*b", "entries", "a*b' - b*a'"),
    ("diagonal", "a'*X*b", "projected", "diag(a.*b)"),
    ("diagonal", "a'*X*b", "entries", "diag(a.*b)"),
]


@pytest.mark.parametrize(("property_", "text", "structure", "answer"), STRUCTURED)
def test_structured_variables(property_: str, text: str, structure: Any, answer: str) -> None:
    declare = f"X : n×n {property_}" + ("; a : n; b : n" if "a" in text.split("*") or "a'" in text else "")
    problem = parse_problem(text, declare, "X")
    assert certified(problem, "X", answer, structure=structure).status == "verified"
    if text == "a'*X*b":
        assert certified(problem, "X", "a*b'", structure=structure).status == "failed"


def test_the_same_question_has_the_same_certificate() -> None:
    problem = parse_problem("norm2(A*x - b)^2", None, "x")
    first, again, other = (certified(problem, "x", "2*A'*(A*x - b)", seed=s) for s in (3, 3, 4))
    assert first == again
    assert first.worst_error != other.worst_error


TINY = [
    ("1000000*tr(B) + 0.0000001*x'*x", "0.0000002*x", "0.0000001*x"),
    ("(x'*x)^8*0.000001", "0.000016*(x'*x)^7*x", "x"),
]


@pytest.mark.parametrize(("text", "right", "wrong"), TINY)
def test_a_small_derivative_of_a_large_value_is_not_lost(text: str, right: str, wrong: str) -> None:
    problem = parse_problem(text, "x : n; B : m×m", "x")
    assert certified(problem, "x", right).status == "verified"
    assert certified(problem, "x", wrong).status == "failed"


ZERO = ["tr(X*inv(X))", "det(X)*det(inv(X))", "tr(X*A - A*X)", "norm2(x/norm2(x))", "sum(softmax(x))"]


@pytest.mark.parametrize("text", ZERO)
def test_derivatives_that_cancel_are_zero(text: str) -> None:
    name = "X" if "X" in text else "x"
    problem = parse_problem(text, {"X": "n×n", "A": "n×n"} if name == "X" else "x : n", name)
    assert certified(problem, name, f"0*{name}").status == "verified"
    assert certified(problem, name, name).status == "failed"


def test_what_has_no_value_is_skipped() -> None:
    c = certified(parse_problem("log(-x'*x)", "x : n", "x"), "x", "x")
    assert c.status == "skipped"
    assert c.worst_error is None
    assert "log needs a positive argument" in c.notes[0]


def test_what_is_too_large_is_skipped() -> None:
    problem = parse_problem("tr(X*X)", "X : 20000×20000", "X")
    c = certified(problem, "X", "2*X'")
    assert c.status == "skipped"
    assert "too large" in c.notes[0]


@pytest.mark.parametrize(("answer", "status"), [("2*X'", "verified"), ("2*X", "failed")])
def test_large_variables_are_checked_along_random_directions(answer: str, status: str) -> None:
    assert certified(parse_problem("tr(X*X)", "X : 40×40", "X"), "X", answer, points=2).status == status


# ------------------------------------------------------------- complex step and differences
@pytest.mark.parametrize("row", [r for r in ANSWERS if "kron" not in r[3]], ids=lambda row: row[0])
def test_differences_reach_the_same_verdicts(
    row: tuple[str, str, str, str, tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matcalc.numeric.derivative.is_analytic", lambda t: False)
    problem = parse_problem(row[0], row[1] or None, row[2])
    c = certified(problem, row[2], row[3])
    assert (c.status, c.method) == ("verified", "central differences")
    assert c.worst_error is not None and c.worst_error < 1e-7
    assert all(certified(problem, row[2], wrong).status == "failed" for wrong in row[4])


def test_second_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matcalc.numeric.derivative.is_analytic", lambda t: False)
    problem = parse_problem("log(sum(exp(x)))", "x : n", "x")
    right = "diag(softmax(x)) - softmax(x)*softmax(x)'"
    assert certified(problem, "x", right, order=2).status == "verified"
    assert certified(problem, "x", "diag(softmax(x))", order=2).status == "failed"


def test_a_complex_step_that_lies_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """``np.linalg.norm`` takes absolute values: a complex step through it gives zero."""
    monkeypatch.setitem(evaluating.EVALUATE, "norm2", lambda t, args, p: np.array([[np.linalg.norm(args[0])]]))
    problem = parse_problem("norm2(x)^2", "x : n", "x")
    c = certified(problem, "x", "2*x")
    assert (c.status, c.method) == ("verified", "central differences")
    assert any("disagree" in note for note in c.notes)
    assert certified(problem, "x", "0*x").status == "failed"


def test_kinks_are_kept_away_from() -> None:
    problem = parse_problem("sum(abs(A*x - b)) + sum(relu(x))", None, "x")
    for turn in range(6):
        point = sample_problem(problem, 0, turn).point
        a, x, b = (np.asarray(point.values[n]) for n in ("A", "x", "b"))
        assert np.min(np.abs(a @ x - b)) > 0.01
        assert np.min(np.abs(x)) > 0.01


# ----------------------------------------------------------------------------------- samples
def test_sizes_are_pairwise_different_and_change() -> None:
    problem = parse_problem("tr(A*B*C*D)", "A : m×n; B : n×p; C : p×q; D : q×m", "A")
    seen = set()
    for turn in range(6):
        sizes = [sample_problem(problem, 0, turn).point.sizes[n] for n in "mnpq"]
        assert len(set(sizes)) == 4
        assert min(sizes) > 1
        seen.add(tuple(sizes))
    assert len(seen) >= 3


def test_literal_sizes_stay_and_are_not_met_again() -> None:
    problem = parse_problem("norm2(A*x)^2", "A : m×3; x : 3", "x")
    for turn in range(6):
        sample = sample_problem(problem, 0, turn)
        assert sample.shapes["A"][1] == 3 != sample.shapes["A"][0]


def test_sizes_may_be_sums_and_products() -> None:
    problem = parse_problem("norm2(A*x)^2", "A : (n - 1)×(2*n); x : 2*n", "x")
    sample = sample_problem(problem)
    n = sample.point.sizes["n"]
    assert sample.shapes == {"A": [n - 1, 2 * n], "x": [2 * n, 1]}


def test_entries_have_both_signs() -> None:
    sample = sample_problem(parse_problem("tr(A'*X)", "A : m×n", "X"))
    values = np.concatenate([np.ravel(np.asarray(v)) for v in sample.point.values.values()])
    assert 0.2 < np.mean(values < 0) < 0.8
    assert sample.notes == ()


NARROW = {
    "log(prod_) for positive": ("sum(log(x))", "x : n"),
    "negative": ("sum(log(-x)) + sum(sqrt(-x))", "x : 5"),
    "positive definite": ("log(a'*S*a) + log(b'*S*b) + log(det(S)) + log(tr(S)) + log(c'*S*c)", "S : 4×4"),
    "small": ("arcsin(norm1(x)/2)", "x : 5"),
    "large": ("sum(log(x - 2*ones(5)))", "x : 5"),
    "between": ("sum(log(x)) + sum(log(ones(4) - x)) + log(norm1(y) - 5)", "x : 4; y : 3"),
}


@pytest.mark.parametrize("what", NARROW)
def test_narrow_domains_are_reached(what: str) -> None:
    text, declare = NARROW[what]
    problem = parse_problem(text, declare, "x" if "x" in declare else "S")
    for turn in range(6):
        sample = sample_problem(problem, 0, turn)
        assert set(sample.notes) <= {note for _, _, note in SCHEMES}


def test_a_narrow_domain_is_told() -> None:
    c = certified(parse_problem("sum(log(x))", "x : 5", "x"), "x", "1./x")
    assert c.status == "verified"
    assert "sampled at positive entries only" in c.notes


HOLDS = {
    "symmetric": lambda v: np.array_equal(v, v.T),
    "skew": lambda v: np.array_equal(v, -v.T),
    "diagonal": lambda v: np.count_nonzero(v - np.diag(np.diag(v))) == 0,
    "orthogonal": lambda v: np.allclose(v.T @ v, np.eye(len(v)), atol=1e-12),
    "posdef": lambda v: np.array_equal(v, v.T) and np.min(np.linalg.eigvalsh(v)) > 0.1,
    "invertible": lambda v: np.linalg.cond(v) < 20,
    "positive": lambda v: np.min(v[v != 0]) > 0,
    "constant": lambda v: True,
    "stochastic": lambda v: np.allclose(v.sum(axis=1), 1) and np.min(v) > 0,
}
IMPOSSIBLE = {("skew", "diagonal"), ("skew", "posdef"), ("skew", "positive"), ("skew", "symmetric")}
IMPOSSIBLE |= {(p, "stochastic") for p in PROPERTIES - {"positive", "constant"}}  # refused where they are declared
BOTH = [p for p in itertools.combinations(sorted(PROPERTIES), 2) if not {p, p[::-1]} & IMPOSSIBLE]
# an orthogonal matrix of positive entries is a permutation, a positive definite orthogonal one the identity: not drawn
NOT_DRAWN = {
    ("orthogonal", "positive"),
    ("orthogonal", "posdef"),
    ("invertible", "positive"),
    ("positive", "symmetric"),
}


@pytest.mark.parametrize("properties", [(p,) for p in sorted(PROPERTIES)] + [p for p in BOTH if p not in NOT_DRAWN])
def test_drawn_values_have_their_properties(properties: tuple[str, ...]) -> None:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        for _, scheme, _ in SCHEMES:
            value = draw_value(rng, (4, 4), frozenset(properties), scheme)
            assert all(HOLDS[p](value) for p in properties), (properties, scheme)


@pytest.mark.parametrize("property_", ["symmetric", "skew", "diagonal", "posdef"])
def test_subspaces(property_: str) -> None:
    kind = subspace(frozenset([property_]))
    x = into_subspace(np.random.default_rng(0).normal(size=(3, 3)), kind)
    assert HOLDS["symmetric" if property_ == "posdef" else property_](x)
    np.testing.assert_allclose(into_subspace(x, kind), x)


def test_samples_are_reproducible() -> None:
    problem = parse_problem("f(A*X)", "f : function; A : m×n", "X")
    one, two = sample_problem(problem, 7, 2), sample_problem(problem, 7, 2)
    assert one.shapes == two.shapes
    assert all(np.array_equal(one.point.values[n], two.point.values[n]) for n in one.point.values)


def test_no_sample_says_why() -> None:
    with pytest.raises(CannotSample, match="smooth and finite"):
        sample_problem(parse_problem("a'*inv(I - ones(n)*ones(n)'/n)*a", "a : n", "a"))


# ------------------------------------------------------------------------------------- lines
LEAST_SQUARES = parse_problem("R = A*X - B; normF(R)^2", "A : m×n; B : m×k", "X")


def line(text: str) -> Any:
    return parse_expression(text, LEAST_SQUARES)


def test_lines_of_a_derivation() -> None:
    steps = [
        (line("d(normF(R)^2)"), line("2*tr(R'*d(R))")),
        (line("2*tr(R'*d(R))"), line("2*tr(R'*A*d(X))")),
        Claim(line("2*tr(R'*A*d(X))"), line("2*A'*R"), "gradient", "X"),
    ]
    assert max(check_steps(LEAST_SQUARES, steps)) < 1e-12


WRONG_LINES = [
    ("d(normF(R)^2)", "tr(R'*d(R))", "equal"),
    ("d(R)", "A*d(X) - B", "equal"),
    ("2*tr(R'*A*d(X))", "2*A*R", "gradient"),
    ("2*tr(R'*A*d(X))", "2*R'*A", "gradient"),
    ("A*d(X)", "kron(A, eye(n))", "jacobian"),
    ("tr(d(X)'*A'*A*d(X))", "kron(A'*A, eye(k))", "hessian"),
]


@pytest.mark.parametrize(("before", "after", "relation"), WRONG_LINES)
def test_wrong_lines_are_found(before: str, after: str, relation: Any) -> None:
    if after in ("2*A*R", "kron(A, eye(n))"):  # these have the right shape for square matrices only
        problem = parse_problem("R = A*X - B; normF(R)^2", "A : n×n; B : n×n", "X")
    else:
        problem = LEAST_SQUARES
    claim = Claim(parse_expression(before, problem), parse_expression(after, problem), relation, "X")
    assert check_steps(problem, [claim])[0] > 1e-3


READ_OFF = [
    ("A*d(X)", "kron(eye(k), A)", "jacobian"),
    ("tr(d(X)'*A'*A*d(X))", "kron(eye(k), A'*A)", "hessian"),
    ("inner(2*A'*R, d(X))", "2*A'*R", "gradient"),
]


@pytest.mark.parametrize(("before", "after", "relation"), READ_OFF)
def test_derivatives_are_read_off(before: str, after: str, relation: Any) -> None:
    assert check_steps(LEAST_SQUARES, [Claim(line(before), line(after), relation, "X")])[0] < 1e-12


def test_only_the_variable_moves() -> None:
    zero, moved = line("d(A)"), line("d(A*X)")
    both = [(zero, line("zeros(m, n)")), (moved, line("A*d(X)"))]
    assert max(check_steps(LEAST_SQUARES, both)) == pytest.approx(0, abs=1e-12)
    assert check_steps(LEAST_SQUARES, [(moved, line("d(A)*X"))], wrt=["A"])[0] < 1e-12


def test_tangents_stay_in_the_subspace() -> None:
    problem = parse_problem("tr(S*S)", "S : n×n symmetric", "S")
    step = (parse_expression("d(S)'", problem), parse_expression("d(S)", problem))
    assert check_steps(problem, [step])[0] == 0
    free = parse_problem("tr(S*S)", "S : n×n", "S")
    assert check_steps(free, [step])[0] > 1e-3


def test_names_of_the_derivation_only() -> None:
    g = symbol("G", "m", "k")
    problem = LEAST_SQUARES
    before = parse_expression("inner(G, A*d(X))", problem, extra={"G": g.shape})
    after = parse_expression("inner(A'*G, d(X))", problem, extra={"G": g.shape})
    assert certify_equal(problem, before, after) < 1e-12


def test_small_lines_are_not_lost() -> None:
    problem = parse_problem("x'*x", "x : n", "x")
    texts = ("0.000000001*d(x'*x)", "0.000000002*x'*d(x)", "0.000000001*x'*d(x)")
    before, right, wrong = (parse_expression(text, problem) for text in texts)
    errors = check_steps(problem, [(before, right), (before, wrong)])
    assert errors[0] < 1e-7
    assert errors[1] > 1e-3


def test_lines_without_a_value_are_not_passed() -> None:
    never = parse_expression("log(-x'*x)", parse_problem("x'*x", "x : n", "x"))
    assert check_steps(parse_problem("x'*x", "x : n", "x"), [(never, never)]) == [float("inf")]


def test_the_module_offers_the_checks_of_lines() -> None:
    assert certifying.check_steps is check_steps


# ----------------------------------------------------------------------- families and recurrences
def test_a_sum_over_families() -> None:
    problem = parse_problem("sum(n in 1..N, norm2(t[n] - W'*x[n])^2)", "W : d×k", "W")
    right, wrong = ("-2*sum(n in 1..N, x[n]*(t[n] - W'*x[n])')", "-2*sum(n in 1..N, x[n]*t[n]')")
    assert certified(problem, "W", right).status == "verified"
    assert certified(problem, "W", wrong).status == "failed"


RECURRENCE = """
h[0] = h0
for t in 1..T:
    h[t] = W*h[t-1] + b
c'*h[T]
"""


def test_a_recurrence_is_run() -> None:
    problem = parse_problem(RECURRENCE, "W : n×n; b : n; h0 : n; c : n", ["h0", "b"])
    sample = sample_problem(problem)
    steps = sample.point.sizes["T"]
    values = {n: np.asarray(sample.point.values[n]) for n in ("W", "h0", "b")}
    h = values["h0"]
    for _ in range(steps):
        h = values["W"] @ h + values["b"]
    np.testing.assert_allclose(sample.point.values["h"][steps], h)
    right = "prod(i in 1..T, W)'*c"
    assert certified(problem, "h0", right).status == "verified"
    assert certified(problem, "h0", "W'*c").status == "failed"


def test_an_answer_by_a_family_says_what_each_member_is() -> None:
    problem = parse_problem("sum(n in 1..N, a'*x[n])", "a : d", "a")
    c = certify(problem, {"x": parse_expression("a", problem)})
    assert c.status == "skipped"
    assert "does not say what each member is" in c.notes[0]


# ---------------------------------------------------------------- points that decide nothing
DEEP = "\n".join(
    ["h0 = tanh(5*W*x)", *(f"h{i} = tanh(5*W{i}*h{i - 1})" for i in range(1, 30)), "norm2(h29)^2"]
)  # every unit is 1 to the last digit at ordinary points


@pytest.mark.parametrize(
    ("text", "wrt"),
    [
        ("10^(-12)*x'*x", "x"),
        ("exp(-1000*norm2(x - m)^2)", "x"),
        ("a'*softmax(1000*A*x)", "x"),
        ("sum(sigmoid(50*A*x))", "x"),
        ("det(A*X*B*X)", "X"),
        (DEEP, "W"),
    ],
)
def test_a_wrong_answer_is_found_where_numbers_are_tiny_or_saturated(text: str, wrt: str) -> None:
    problem = parse_problem(text, None, wrt)
    right = derive(problem, wrt).answers[wrt]
    assert certify(problem, {wrt: right}).status == "verified"
    for factor in (number(Fraction(3, 2)), number(-1)):
        assert certify(problem, {wrt: mul(factor, right)}).status == "failed"


def test_zeros_alone_decide_nothing() -> None:
    layers = [f"h{i} = relu(W{i}*h{i - 1})" for i in range(1, 60)]
    problem = parse_problem("\n".join(["h0 = relu(W*x)", *layers, "norm2(h59)^2"]), "x : n", "W")
    c = certify(problem, derive(problem, "W").answers)
    assert c.status == "skipped"
    assert "decides nothing" in c.notes[0]
