"""Answers: right in every form, right up to a named convention, wrong, unreadable, undecided."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import matcalc
from matcalc.errors import MatcalcError
from matcalc.homework.grade import Judge
from matcalc.homework.verdict import KINDS, Verdict
from matcalc.language.elaborate import parse_problem
from matcalc.numeric.evaluate import Point, evaluate_all
from matcalc.numeric.sample import Sample, sample_problem
from tests.answers import PROBLEMS, RIGHT, UNREADABLE, WRONG, Array, Values

STEP = 1e-5


@cache
def judge(key: str) -> Judge:
    """One judge for each problem, as for a class."""
    case = PROBLEMS[key]
    return Judge.of(parse_problem(case.text, None, case.wrt), case.wrt)


def check(key: str, answer: str, **options: Any) -> Verdict:
    return matcalc.check(PROBLEMS[key].text, PROBLEMS[key].wrt, answer, **options)


# ------------------------------------------------------- the labels, by finite differences
def functions_at(point: Point) -> Callable[[str, Array], Array]:
    """The opaque functions of a point: ``loss`` of a whole array, ``g`` of its entries."""

    def apply(name: str, x: Array) -> Array:
        f = point.functions[name]
        return f.value([x], (1, 1)) if name == "loss" else f.elementwise(x, 0)

    return apply


def differences(key: str, sample: Sample) -> Array:
    """The gradient of the NumPy function by central differences."""
    case, point = PROBLEMS[key], sample.point
    values: dict[str, Array] = dict(point.values)
    apply = functions_at(point)

    def value(x: Array) -> float:
        moved: Values = {**values, case.wrt: x}
        return float(np.sum(case.value(moved, apply)))

    x0 = np.array(values[case.wrt], dtype=float)
    out = np.zeros_like(x0)
    for i in np.ndindex(*x0.shape):
        up, down = x0.copy(), x0.copy()
        up[i] += STEP
        down[i] -= STEP
        out[i] = (value(up) - value(down)) / (2 * STEP)
    return out


def given(key: str, answer: str, sample: Sample) -> Array | None:
    """The value of an answer at a point; None where its shapes do not fit."""
    from matcalc.homework.read import read_answer

    j = judge(key)
    term = read_answer(answer, j.context(), j.question.shape).term
    return None if term is None else evaluate_all([term], sample.point)[0]


def agrees(a: Array | None, b: Array) -> bool:
    return (
        a is not None
        and a.shape == b.shape
        and bool(np.max(np.abs(a - b)) <= 1e-5 * max(1.0, float(np.max(np.abs(b)))))
    )


@pytest.mark.parametrize(("key", "answer", "up_to"), RIGHT, ids=lambda v: str(v)[:40])
def test_right_answers_agree_with_differences(key: str, answer: str, up_to: str | None) -> None:
    for turn in range(2):
        sample = sample_problem(judge(key).question.problem, 5, turn)
        found, value = differences(key, sample), given(key, answer, sample)
        assert value is not None
        structured = key in ("symmetric", "gaussian")
        if structured:  # the NumPy function is differentiated by every entry by itself
            projected, value = (found + found.T) / 2, (value + value.T) / 2
            entries = found + found.T - np.diag(np.diag(found))
            assert agrees(value, entries if up_to == "independent entries" else projected)
        else:
            assert agrees(value, found.T if up_to == "transpose" else found)


@pytest.mark.parametrize(("key", "answer", "kind"), WRONG, ids=lambda v: str(v)[:40])
def test_wrong_answers_differ_from_differences(key: str, answer: str, kind: str) -> None:
    sample = sample_problem(judge(key).question.problem, 5, 0)
    assert not agrees(given(key, answer, sample), differences(key, sample))


# ----------------------------------------------------------------------------- the verdicts
@pytest.mark.parametrize(("key", "answer", "up_to"), RIGHT, ids=lambda v: str(v)[:40])
def test_right_answers_are_correct(key: str, answer: str, up_to: str | None) -> None:
    verdict = judge(key).check(answer)
    assert (verdict.status, verdict.equal_up_to) == ("correct", up_to), verdict
    assert verdict.certificate.status == "verified"
    assert verdict.certificate.worst_error < 1e-9
    assert verdict.diagnosis == []


@pytest.mark.parametrize(("key", "answer"), UNREADABLE, ids=lambda v: str(v)[:40])
def test_what_cannot_be_read_is_not_called_wrong(key: str, answer: str) -> None:
    verdict = judge(key).check(answer)
    assert verdict.status == "unreadable"
    assert verdict.message


def test_there_are_enough_answers() -> None:
    assert len(RIGHT) >= 30
    assert len(WRONG) >= 30
    told = {f.kind for key, answer, _ in WRONG for f in judge(key).check(answer).diagnosis}
    assert told >= set(KINDS) - {"layout", "other"}


def test_the_deriver_answers_are_correct() -> None:
    for key, case in PROBLEMS.items():
        answer = str(matcalc.derive(case.text, case.wrt, verify=False).answer)
        verdict = judge(key).check(answer)
        assert (verdict.status, verdict.equal_up_to) == ("correct", None), (key, answer, verdict.message)


@pytest.mark.parametrize("statement", ["det(A)", "tr(A) + A", "A*A", "A + x", "x'*x + x"])
def test_a_statement_that_does_not_exist_is_unreadable(statement: str) -> None:
    verdict = matcalc.check(statement, "A", "A", "A : m×n; x : n")
    assert verdict.status == "unreadable"
    assert verdict.message.startswith("error:")


# ------------------------------------------------------------------------------ conventions
@pytest.mark.parametrize(
    ("problem", "wrt", "answer", "declare", "up_to"),
    [
        ("A*x", "x", "A", "A : m×n; x : n", None),
        ("A*x", "x", "A'", "A : m×n; x : n", "transpose"),
        ("norm2(x)^2", "x", "2*x'", "x : n", "transpose"),
        ("A*X*B", "X", "kron(B', A)", "A : m×n; X : n×p; B : p×q", None),
        ("A*X*B", "X", "kron(B, A')", "A : m×n; X : n×p; B : p×q", "transpose"),
        ("A*X*B", "X", "kron(A, B')", "A : m×n; X : n×p; B : p×q", "row-wise vec"),
        ("tr(A*X)", "X", "vec(A')", "A : n×m; X : m×n", "vec"),
        ("c*A", "c", "A", "c : scalar; A : m×n", None),
        ("c*A", "c", "A'", "c : scalar; A : m×n", "transpose"),
        ("tr(A*X)", "X", "A'", "A : n×n; X : n×n symmetric", "symmetric projection"),
        ("tr(A*X)", "X", "A + A' - A.*eye(n)", "A : n×n; X : n×n symmetric", "independent entries"),
        ("tr(A*X)", "X", "diag(diag(A))", "A : n×n; X : n×n diagonal", None),
    ],
)  # fmt: skip
def test_conventions_are_named(problem: str, wrt: str, answer: str, declare: str, up_to: str | None) -> None:
    verdict = matcalc.check(problem, wrt, answer, declare)
    assert (verdict.status, verdict.equal_up_to) == ("correct", up_to), verdict
    strict = matcalc.check(problem, wrt, answer, declare, strict=True)
    assert strict.status == ("correct" if up_to is None else "wrong")
    if up_to is not None:
        assert strict.diagnosis[0].kind in ("layout", "symmetric")


def test_a_layout_that_is_given_is_insisted_on() -> None:
    def asked(answer: str, layout: str) -> Verdict:
        return matcalc.check("A*x", "x", answer, "A : m×n; x : n", layout=layout)

    assert asked("A", "numerator").equal_up_to is None
    assert asked("A'", "denominator").status == "correct"
    assert asked("A", "denominator").diagnosis[0].kind == "layout"
    assert matcalc.check("tr(A*X)", "X", "A", "A : n×m; X : m×n", layout="numerator").status == "correct"


def test_the_transpose_of_a_matrix_gradient_is_no_layout() -> None:
    verdict = matcalc.check("tr(A*X)", "X", "A", "A : n×n; X : n×n")
    assert verdict.status == "wrong"
    assert verdict.diagnosis[0].kind == "transpose"


def test_entries_may_be_what_is_asked_for() -> None:
    declare = "A : n×n; X : n×n symmetric"
    assert matcalc.check("tr(A*X)", "X", "A + A' - A.*eye(n)", declare, structure="entries").equal_up_to is None
    assert matcalc.check("tr(A*X)", "X", "(A + A')/2", declare, structure="entries").equal_up_to == "projected"


def test_a_factor_or_the_mean_is_left_open_only_where_it_is_said() -> None:
    declare = "A : m×n; x : n; b : m"
    half, mean = "A'*(A*x - b)", "2*A'*(A*x - b)/m"
    assert matcalc.check("norm2(A*x - b)^2", "x", half, declare).status == "wrong"
    assert matcalc.check("norm2(A*x - b)^2", "x", half, declare, up_to="factor").equal_up_to == "the factor 2"
    assert matcalc.check("norm2(A*x - b)^2", "x", mean, declare, up_to="mean").equal_up_to == "mean instead of sum"
    assert matcalc.check("norm2(A*x - b)^2", "x", mean, declare, up_to="factor").status == "wrong"


def test_a_hessian_and_a_value_can_be_asked_for() -> None:
    declare = "A : m×n; x : n; b : m"
    assert matcalc.check("norm2(A*x - b)^2", "x", "2*A'*A", declare, order=2).status == "correct"
    assert matcalc.check("norm2(A*x - b)^2", "x", "A'*A", declare, order=2).diagnosis[0].kind == "factor"
    assert matcalc.check("A*(x + y)", answer="A*x + A*y").status == "correct"
    assert matcalc.check("A*(x + y)", answer="A*x - A*y").diagnosis[0].kind == "sign"
    with pytest.raises(MatcalcError, match="by which variable"):
        matcalc.check("norm2(A*x - b)^2", answer="2*A'*(A*x - b)")


def test_an_answer_may_be_a_shape() -> None:
    problem, declare = "L = loss(W*x + b)", "W : m×d; x : d; b : m"
    assert matcalc.check(problem, "b", "1 x m", declare).equal_up_to == "transpose"
    wrong = matcalc.check(problem, "b", "1 x d", declare)
    assert (wrong.status, wrong.diagnosis[0].kind, wrong.diagnosis[0].answer) == ("wrong", "shape", "1×m")


def test_an_answer_must_not_repeat_the_question() -> None:
    assert check("squares", "grad(f, x)").status == "unreadable"
    assert check("layer", "grad(L, W)").status == "unreadable"
    assert matcalc.check("loss(Y)", "Y", "grad(loss, Y)", "Y : m×n").status == "correct"


def test_a_differential_is_right_up_to_reading_it_off() -> None:
    assert check("squares", "df = 2*(A*x - b)'*A*dx").equal_up_to == "differential"
    assert check("squares", "df = 2*(A*x - b)'*A*dx", strict=True).status == "wrong"
    assert check("squares", "2*(A*x + b)'*A*d(x)").diagnosis[0].kind == "sign"


def test_a_variable_with_very_many_entries() -> None:
    declare = "A : 70×80; X : 80×60; B : 70×60"
    assert matcalc.check("normF(A*X - B)^2", "X", "2*A'*(A*X - B)", declare).status == "correct"
    assert matcalc.check("normF(A*X - B)^2", "X", "A'*(A*X - B)", declare).diagnosis[0].kind == "factor"


# ------------------------------------------------------------------------- other languages
@pytest.mark.parametrize(
    "answer",
    [
        r"2A^\top(Ax-b)",
        r"$2 \mathbf{A}^{T} (\mathbf{A x} - \mathbf{b})$",
        r"\nabla_x f = 2A^TAx - 2A^Tb",
        "2A'(Ax - b)",
    ],
)
def test_latex_is_read(answer: str) -> None:
    assert check("squares", answer).status == "correct"


@pytest.mark.parametrize(
    "code",
    [
        "2*A.T @ (A @ x - b)",
        "2*(A @ x - b) @ A",
        "r = A.dot(x) - b\nreturn 2 * A.T.dot(r)",
        "2*np.sum((A @ x - b)[:, None] * A, axis=0)",
    ],
)
def test_numpy_is_read_and_never_run(code: str) -> None:
    assert check("squares", code).status == "correct"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("2*A @ (A @ x - b)", "transpose"),
        ("A.T @ (A @ x - b)", "factor"),
        ("2*A.T @ (A @ x + b)", "sign"),
        ("2*A.T * (A @ x - b)", "hadamard"),
        ("2*np.sum((A @ x - b)[:, None] * A, axis=1)", "reduction"),
    ],
)
def test_mistakes_in_numpy_are_named(code: str, kind: str) -> None:
    verdict = check("squares", code)
    assert (verdict.status, verdict.diagnosis[0].kind) == ("wrong", kind), verdict


def test_code_is_not_executed(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    verdict = check("squares", f"open({str(mark)!r}, 'w').write('x') @ A", form="numpy")
    assert verdict.status == "unreadable"
    assert not mark.exists()


def test_several_variables() -> None:
    text = "X : m×n; U : m×k; V : n×k; normF(X - U*V')^2"
    right = {"U": "-2*(X - U*V')*V", "V": "-2*(X - U*V')'*U"}
    assert matcalc.check(text, ["U", "V"], right).status == "correct"
    assert matcalc.check(text, ["U", "V"], "dU = -2*(X - U*V')*V; dV = -2*(X - U*V')'*U").status == "correct"
    wrong = matcalc.check(text, ["U", "V"], {**right, "V": "2*(X - U*V')'*U"})
    assert (wrong.status, wrong.diagnosis[0].kind, wrong.line) == ("wrong", "sign", 2)


# ----------------------------------------------------------------------------- hostile input
@pytest.mark.parametrize(
    "answer",
    [
        "(" * 5000 + "x" + ")" * 5000,
        "A^1000000",
        "sum(i in 1..1000000000, x)",
        "sum(i in 1..10000, sum(j in 1..10000, x))",
        "kron(kron(kron(A*A', A*A'), kron(A*A', A*A')), kron(A*A', A*A'))*ones(m)",
        "ones(100000, 100000)*x",
        "__import__('os').system('x')",
        "x" + "'" * 3000,
        "\x00",
    ],
    ids=range(9),
)
def test_hostile_answers_end_soon(answer: str) -> None:
    verdict = judge("squares").check(answer)
    assert verdict.status in ("unreadable", "undecided")


# --------------------------------------------------------------------- counterexample, data
def test_a_counterexample_has_small_numbers_and_both_values() -> None:
    c = check("squares", "2*A'*(A*x + b)").counterexample
    assert c is not None
    assert sorted(c.sizes.values()) == [2, 3]
    assert all(float(x) == int(x) for v in c.values.values() for x in np.ravel(v))
    a, x, b = (c.values[n] for n in "Axb")
    assert np.allclose(c.expected, 2 * a.T @ (a @ x - b))
    assert np.allclose(c.given, 2 * a.T @ (a @ x + b))
    i, j = c.entry
    assert np.max(np.abs(c.expected - c.given)) == abs(c.expected[i - 1, j - 1] - c.given[i - 1, j - 1])


def test_a_clash_of_shapes_tells_both() -> None:
    assert check("squares", "2*A*(A*x - b)").counterexample.shapes == ("m×n", "m×1")
    assert check("squares", "A").counterexample.shapes == ("m×n", "n×1")


def test_the_verdict_is_data_and_the_same_every_time() -> None:
    first, second = check("batch-scale", "(G.*Xhat)*ones(d)"), check("batch-scale", "(G.*Xhat)*ones(d)")
    assert json.dumps(first.as_data()) == json.dumps(second.as_data())
    assert first.report() == second.report()
    assert "reduction" in first.report()


def test_many_answers_to_one_problem_are_quick() -> None:
    """A bound on work, not on a clock: values are remembered for one answer only."""
    j = judge("squares")
    for k in range(60):
        j.check(f"2*A'*(A*x + {k}*b)")
    place = j.question.ground.place(0)
    assert place is not None
    assert len(place.known) < 5000


def test_several_variables_in_latex_and_in_a_backward_pass() -> None:
    text = "X : m×d; W : d×k; b : k; Y = X*W + ones(m)*b'; L = loss(Y)"
    latex = r"\frac{\partial L}{\partial W} = X^\top G, \quad \frac{\partial L}{\partial b} = G^\top \mathbf{1}"
    assert matcalc.check(text, ["W", "b"], latex).status == "correct"
    code = "def backward(dY, cache):\n    X, W = cache\n    return X.T @ dY, dY.sum({})"
    assert matcalc.check(text, ["W", "b"], code.format(0)).status == "correct"
    wrong = matcalc.check(text, ["W", "b"], code.format(1))
    assert (wrong.status, wrong.line, wrong.diagnosis[0].kind) == ("wrong", 2, "reduction")


def test_the_largest_entry_may_be_subtracted_before_exponents_are_taken() -> None:
    text = "A : m×n; x : n; log(sum(exp(A*x)))"
    shifted = "z = A @ x\np = np.exp(z - z.max())\nA.T @ (p / p.sum())"
    assert matcalc.check(text, "x", shifted).status == "correct"
    assert matcalc.check(text, "x", "A.T @ np.exp(A @ x - np.max(A @ x))").status == "unreadable"


def test_definitions_that_grow_without_end_are_refused() -> None:
    doubled = "\n".join(["a0 = A*x", *(f"a{i} = a{i - 1} + a{i - 1}" for i in range(1, 60)), "A'*a59"])
    assert check("squares", doubled).status == "unreadable"


def test_silent_broadcasting_is_a_finding() -> None:
    text = "X : m×n; w : n; y : m; norm2(X*w - y)^2"
    verdict = matcalc.check(text, "w", "2*X.T @ (X @ w - y[:, None]).sum(axis=1)")
    assert (verdict.status, verdict.diagnosis[0].kind) == ("wrong", "shape")
    assert "spreads both to (m, m)" in verdict.diagnosis[0].message
