"""Sums over an index: binders, the rules that speak of members, derivatives in the sum form, and stacks of rows."""

from __future__ import annotations

import numpy as np
import pytest

import matcalc
from matcalc.errors import CannotDerive, MatcalcError, ParseError, ShapeError
from matcalc.language.binders import at_index, bind, lifted, lowered, open_
from matcalc.language.dims import SCALAR, dim, shape
from matcalc.language.elaborate import parse_expression, parse_problem
from matcalc.language.problem import Symbol
from matcalc.language.terms import Term, element, make, mul, number, size, symbol, transpose
from matcalc.numeric.evaluate import evaluate
from matcalc.rewriting.engine import Setting, apply
from matcalc.rewriting.matching import instantiate, match
from matcalc.rewriting.normal import equal, normal_form
from matcalc.rewriting.present import present
from matcalc.rewriting.rules import rule_book

BOOK = rule_book()
W = symbol("W", "d", "k")
KNOWN = {
    "x": Symbol("x", shape("d"), index="n"),
    "y": Symbol("y", shape("k"), index="n"),
    "a": Symbol("a", SCALAR, index="n"),
}
KNOWN |= {"W": shape("d", "k"), "A": shape("d", "d"), "c": SCALAR, "w": shape("d"), "N": SCALAR}


def read(text: str) -> Term:
    known = {n: s for n, s in KNOWN.items() if n != "N"}
    return parse_expression(text, known | {"sized": Symbol("", shape("N"))})


# ----------------------------------------------------------------------------------- binders
def test_the_name_of_an_index_does_not_matter() -> None:
    assert read("sum(n in 1..N, x[n])") is read("sum(q in 1..N, x[q])")
    assert read("sum(n in 1..N, x[n-1])") is not read("sum(n in 0..N-1, x[n])")


def test_terms_are_lifted_and_lowered_across_binders() -> None:
    inner = element("x", dim("#0"), shape("d"))
    assert lifted(inner) is element("x", dim("#1"), shape("d"))
    assert lowered(lifted(inner)) is inner
    assert lowered(inner) is None
    nested = read("sum(n in 1..N, a[n]*sum(i in 1..n, x[i]))").args[0]
    assert lowered(lifted(nested)) is nested


def test_a_body_at_an_index() -> None:
    body = read("sum(n in 1..N, a[n-1]*x[n])").args[0]
    assert str(at_index(body, dim("t") + 1)) == "a[t]*x[t+1]"
    assert at_index(body, dim("#0"), 1) is body
    with_sum = read("sum(n in 1..N, sum(i in n..N, a[i]*x[n]))").args[0]
    assert str(at_index(with_sum, dim("t"))) == "sum(n in t..N, a[n]*x[t])"


def test_an_index_may_have_the_name_of_a_size_that_is_not_used() -> None:
    problem = parse_problem("sum(i in 1..N, x[i]'*x[i]) + tr(A*A)", "A : n×n")
    assert str(parse_expression("sum(n in 1..N, n*x[n])", problem)) == "sum(n in 1..N, n*x[n])"
    assert str(parse_expression("sum(n in 1..N, x[n])*tr(eye(n))", problem)) == "sum(i in 1..N, x[i])*tr(eye(n))"


def test_rows_need_columns_and_products_a_chain() -> None:
    with pytest.raises(ShapeError):
        make("stack", transpose(element("x", dim("#0"), shape("d"))), data=(dim(1), dim("N")))
    with pytest.raises(ShapeError):
        bind("prod", "i", dim(1), dim("k"), symbol("B", "p", "q"))
    problem = parse_problem("W[i] : m[i-1]×m[i]; sum(i in 1..k, normF(W[i])^2)")
    chained = bind(
        "prod", "i", dim(1), dim("k"), parse_expression("W[i]", problem, extra={"i_": Symbol("", shape("i"))})
    )
    assert str(chained.shape) == "m[0]×m[k]"


def test_members_of_different_shapes_are_not_added() -> None:
    with pytest.raises(ShapeError, match="one shape"):
        parse_problem("b[i] : m[i]; norm2(sum(i in 1..k, b[i]))")


# --------------------------------------------------------------------------------- the rules
def test_a_member_of_a_rule_stands_for_anything_and_a_name_for_what_is_free_of_the_index() -> None:
    rule = BOOK["sum-factor-left"]
    found = list(apply(rule, read("sum(n in 1..N, W*y[n]*y[n]')"), Setting()))
    assert str(found[0][0]) in ("W*sum(n in 1..N, y[n]*y[n]')",)
    assert not list(apply(rule, read("sum(n in 1..N, x[n]*y[n]')"), Setting()))
    outer = list(apply(BOOK["stack-outer"], read("sum(n in 1..N, A*x[n]*y[n]')"), Setting()))
    assert str(outer[0][0]) == "rows(n in 1..N, A*x[n])'*rows(n in 1..N, y[n])"


def test_an_index_shifts() -> None:
    (new, _), *_rest = apply(BOOK["shift-index"], read("sum(n in 0..N-1, a[n]*x[n+1])"), Setting())
    assert str(new) == "sum(n in 1..N, a[n-1]*x[n])"
    (back, _), *_rest = apply(BOOK["shift-index"], new, Setting(), direction=-1)
    assert back is read("sum(n in 0..N-1, a[n]*x[n+1])")


@pytest.mark.parametrize("rule", [r for r in BOOK.group("families") if not r.false], ids=lambda r: r.id)
def test_rules_of_members_apply_both_ways_and_inside_other_sums(rule) -> None:  # type: ignore[no-untyped-def]
    plain = {n: k.replace("tangent", "matrix") for n, k in rule.metavars.items()}
    for side in (rule.lhs, rule.rhs):
        assert any(instantiate(side, b) is side for b in match(side, side, plain))
        moved = lifted(side)
        assert any(instantiate(side, b) is moved for b in match(side, moved, plain))


# ----------------------------------------------------------------------------- normal form
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sum(n in 1..N, x[n-1])", "sum(n in 0..N-1, x[n])"),
        ("sum(n in 1..N, c*W*y[n])", "c*W*sum(n in 1..N, y[n])"),
        ("sum(n in 1..N, x[n] - 2*x[n])", "-sum(n in 1..N, x[n])"),
        ("sum(n in 1..N, x[n]*y[n]')", "sum(n in 1..N, y[n]*x[n]')'"),
        ("sum(n in 1..N, (x[n] - W*y[n])*y[n]')", "sum(n in 1..N, x[n]*y[n]') - W*sum(n in 1..N, y[n]*y[n]')"),
        ("sum(n in 1..N, w)", "N*w"),
        ("sum(n in 1..N, a[n]*sum(i in 1..N, a[i]))", "sum(n in 1..N, a[n])^2"),
        ("sum(n in 1..N, sum(i in 1..n, c*a[i]))", "c*sum(n in 1..N, sum(i in 1..n, a[i]))"),
    ],
)
def test_equal_sums_have_one_normal_form(one: str, other: str) -> None:
    assert equal(read(one), read(other)) is True


def test_normal_forms_of_sums_are_stable_and_keep_their_value() -> None:
    t = read("sum(n in 2..N, 2*(x[n-1] - W*y[n])*y[n]' - c*x[n]*y[n-1]')")
    n = normal_form(t)
    assert normal_form(n) is n
    rng = np.random.default_rng(0)
    values = {"x": {k: rng.normal(size=(3, 1)) for k in range(6)}, "y": {k: rng.normal(size=(2, 1)) for k in range(6)}}
    values |= {"W": rng.normal(size=(3, 2)), "c": rng.normal(size=(1, 1))}
    for length in (1, 2, 5):
        sizes = {"d": 3, "k": 2, "N": length}
        np.testing.assert_allclose(evaluate(n, values, sizes), evaluate(t, values, sizes), atol=1e-12)


def test_sums_over_one_range_are_written_as_one() -> None:
    form, _ = present(read("sum(n in 1..N, a[n]*c*x[n]) - sum(n in 1..N, a[n]*x[n])"))
    assert str(form) == "(c - 1)*sum(n in 1..N, a[n]*x[n])"
    form, _ = present(read("sum(n in 1..N, a[n]^2*x[n]) - sum(n in 1..N, a[n]*x[n])"))
    assert str(form).count("sum(") == 1


# ---------------------------------------------------------------------------- derivatives
@pytest.mark.parametrize(
    ("problem", "wrt", "answer"),
    [
        ("-beta/2*sum(n in 1..N, norm2(t[n] - W'*phi[n])^2)", "W", "beta*sum(n in 1..N, phi[n]*(t[n] - W'*phi[n])')"),
        ("sum(n in 1..N, norm2(t[n] - W'*phi[n])^2)", "W", "2*sum(n in 1..N, phi[n]*(W'*phi[n] - t[n])')"),
        ("sum(t in 1..T, loss(W*h[t], y[t]))", "W", "sum(t in 1..T, grad_1(loss)(W*h[t], y[t])*h[t]')"),
        ("log(sum(n in 1..N, exp(w'*x[n])))", "w", "sum(n in 1..N, exp(w'*x[n])*x[n])/sum(n in 1..N, exp(w'*x[n]))"),
        (
            "sum(n in 1..N, sum(k in 1..K, r[n]*s[k]*norm2(x[n] - M*u[k])^2))",
            "M",
            "2*sum(n in 1..N, r[n]*sum(k in 1..K, s[k]*(M*u[k] - x[n])*u[k]'))",
        ),
    ],
)
def test_gradients_by_what_the_members_share(problem: str, wrt: str, answer: str) -> None:
    d = matcalc.derive(problem, wrt)
    assert str(d.answer) == answer
    assert d.certificate.status == "verified"
    assert set(d.certificate.lengths["N" if "N" in problem else "T"]) == {1, 2, 3, 5}


def test_gradients_by_the_members_themselves() -> None:
    d = matcalc.derive("sum(n in 1..N, norm2(t[n] - W'*phi[n])^2)", ["phi", "t", "W"])
    assert d.certificate.status == "verified"
    assert {n: str(t) for n, t in d.answers.items()} == {
        "phi": "2*W*(W'*phi[n] - t[n])",
        "t": "2*(t[n] - W'*phi[n])",
        "W": "2*sum(n in 1..N, phi[n]*(W'*phi[n] - t[n])')",
    }
    assert d.labels["phi"] == "grad(f, phi[n])"
    assert "for n = 1, ..., N" in d.report("text", "none")


def test_a_window_has_its_ends_told_apart() -> None:
    d = matcalc.derive("sum(t in 1..T, norm2(h[t] - h[t-1])^2)", "h")
    told = d.report("text", "none")
    assert "grad(f, h[0])" in told and "grad(f, h[T])" in told and "for t = 1, ..., T-1" in told
    assert d.certificate.status == "verified" and 1 in d.certificate.lengths["T"]


def test_second_derivatives_and_jacobians_of_sums() -> None:
    d = matcalc.derive("sum(n in 1..N, exp(w'*x[n]))", "w", order=2)
    assert str(d.answer) == "sum(n in 1..N, exp(w'*x[n])*x[n]*x[n]')" and d.certificate.status == "verified"
    j = matcalc.derive("sum(n in 1..N, tanh(A*x[n]))", "A")
    assert j.certificate.status == "verified"
    assert matcalc.derive("sum(n in 1..N, norm2(A*x[n])^2)", "A", order=2).certificate.status == "verified"


def test_the_steps_of_a_sum_name_its_rules() -> None:
    d = matcalc.derive("-beta/2*sum(n in 1..N, norm2(t[n] - W'*phi[n])^2)", "W")
    used = {s.rule for top in d.steps for s in top.walk()}
    assert {"d-sum-over", "d-norm2-square", "adjoint-sum-over", "sum-inner-members"} <= used
    assert max(e for e in d.checks["W"] if e is not None) < 1e-9


def test_a_wrong_shift_is_not_verified() -> None:
    from matcalc.numeric.certify import certify

    problem = parse_problem("sum(t in 1..T, norm2(W*h[t-1] - y[t])^2)", wrt="W")
    right, wrong = "2*sum(t in 1..T, (W*h[t-1] - y[t])*h[t-1]')", "2*sum(t in 1..T-1, (W*h[t-1] - y[t])*h[t-1]')"
    assert certify(problem, {"W": parse_expression(right, problem)}).status == "verified"
    assert certify(problem, {"W": parse_expression(wrong, problem)}).status == "failed"


# ------------------------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("problem", "wrt", "error", "message"),
    [
        ("prod(i in 1..N, a'*x[i])", "a", CannotDerive, "form of answers"),
        ("sum(n in 1..N, norm2(x[n])) + x'*x", "x", ParseError, "family"),
        ("sum(t in 1..T, norm2(x[2*t])^2)", "x", CannotDerive, "coefficient 2"),
        ("sum(t in 1..T, sum(j in 1..T, c[j]*norm2(x[t-j+1])^2))", "x", CannotDerive, "mixes two bound indices"),
        ("sum(n in 1..N, x[n])", "x", CannotDerive, "not a number"),
        ("sum(n in 1..N, norm2(x[n])^2)", "y", ParseError, "does not occur"),
    ],
)
def test_what_is_refused(problem: str, wrt: str, error: type[MatcalcError], message: str) -> None:
    with pytest.raises(error, match=message):
        matcalc.derive(problem, wrt)


def test_a_shared_variable_does_not_mind_a_strange_index() -> None:
    d = matcalc.derive("sum(t in 1..T, norm2(A*x[2*t])^2)", "A")
    assert d.certificate.status == "verified"


def test_numbers_and_sizes_may_be_bound() -> None:
    assert str(bind("sumover", "n", dim(1), dim("N"), mul(size("n"), number(2)))) == "sum(n in 1..N, n*2)"
    assert open_(read("sum(n in 1..N, x[n])"), "n")[0] == "n"


def test_the_sum_is_stacked_before_it_is_derived_and_the_rows_have_names() -> None:
    text = "t[n]: K; phi[n]: M; L = sum(n in 1..N, norm2(t[n] - W'*phi[n])^2)"
    d = matcalc.derive(text, wrt="W", sums="stacked")
    assert str(d.answer) == "2*Phi'*(Phi*W - T)"
    assert [x.name for x in d.problem.definitions] == ["T", "Phi"]
    assert str(d.steps[1].after) == "normF(T - Phi*W)^2"
    last = matcalc.derive(text, wrt="W", sums="stacked-answer")
    assert last.answer is d.answer
    assert not any("normF" in str(s.after) for s in last.steps)


def test_a_name_for_rows_that_is_taken_is_not_taken_again() -> None:
    text = "x[n]: p; X: p×q; sum(n in 1..N, norm2(X'*x[n] - w)^2)"
    d = matcalc.derive(text, wrt="w", sums="stacked")
    assert [x.name for x in d.problem.definitions] == ["X_rows"]
    given = "x[n]: p; Z = rows(n in 1..N, x[n]); sum(n in 1..N, norm2(B'*x[n])^2)"
    assert str(matcalc.derive(given, wrt="B", sums="stacked").answer) == "2*Z'*Z*B"


def test_matrices_of_rows_are_the_arrays_of_the_members_in_code() -> None:
    text = "L = sum(n in 1..N, (y[n] - w'*x[n])^2)"
    source = matcalc.derive(text, wrt="w", sums="stacked").code()
    assert "grad = " in source and "x.T @" in source
    assert "X = x" not in source
