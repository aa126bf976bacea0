"""Derivations: the acceptance table by every method, each line checked at numbers, and what is refused."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from random_terms import random_shape, random_term, values_for

import matcalc
from matcalc.calculus.arithmetic import tidy
from matcalc.calculus.derive import Derivation, derive, replayed
from matcalc.calculus.differential import tables
from matcalc.calculus.methods import METHODS
from matcalc.calculus.moves import MOVES, READINGS, REASONS
from matcalc.errors import CannotDerive, MatcalcError
from matcalc.language.elaborate import parse_expression, parse_problem
from matcalc.language.functions import FUNCTIONS
from matcalc.language.ops import OPS
from matcalc.language.problem import Problem, Symbol
from matcalc.language.terms import Term, differential, subterms
from matcalc.numeric.evaluate import Point, evaluate_all
from matcalc.rewriting.folding import FOLDS
from matcalc.rewriting.normal import equal
from matcalc.rewriting.present import REASONS as PRESENTATION
from matcalc.rewriting.rules import RuleBook, rule_book
from matcalc.rewriting.steps import Step
from matcalc.verify import verified

# problem | variable | answer | declarations
TABLE = """
a'*x | x | a
x'*x | x | 2*x
norm2(x)^2 | x | 2*x
norm2(x) | x | x/norm2(x)
A*x | x | A
x'*A*x | x | (A + A')*x
x'*A*x | x | 2*A*x | A: n×n symmetric
(A*x - b)'*W*(A*x - b) | x | 2*A'*W*(A*x - b) | W: m×m symmetric
tr(A'*X) | X | A
tr(A*X') | X | A
tr(A*X) | X | A'
tr(X*A) | X | A'
tr(X*A*X'*B) | X | B'*X*A' + B*X*A
a'*X*b | X | a*b'
a'*X'*X*a | X | 2*X*a*a'
a'*inv(X)*b | X | -inv(X)'*a*b'*inv(X)'
det(X) | X | det(X)*inv(X)'
logdet(X) | X | inv(X)'
log(det(X'*X)) | X | 2*X*inv(X'*X)
normF(X*A' - B)^2 | X | 2*(X*A' - B)*A
-beta/2*normF(Phi*W - T)^2 | W | -beta*Phi'*(Phi*W - T)
norm2(A*x - b)^2 | x | 2*A'*(A*x - b)
norm2(A*x - b)^2 + lambda*norm2(x)^2 | x | 2*A'*(A*x - b) + 2*lambda*x
f(A*X + B) | X | A'*grad(f, A*X + B)
f(X*C + D) | X | grad(f, X*C + D)*C'
Y = H*W; loss(Y) | H | grad(loss, Y)*W'
Y = H*W; loss(Y) | W | H'*grad(loss, Y)
u(x)'*v(x) | x | jac(u, x)'*v(x) + jac(v, x)'*u(x) | u : function -> m; v : function -> m
sum(log(exp(-y.*(X*w)) + vector(1))) | w | -X'*(y.*sigmoid(-y.*(X*w)))
log(sum(exp(A*x))) | x | A'*softmax(A*x)
-n/2*logdet(S) - 1/2*tr(inv(S)*C) | S | -n/2*inv(S) + 1/2*inv(S)*C*inv(S) | S: n×n symmetric; C: n×n symmetric
normF(X - U*V')^2 | U | -2*(X - U*V')*V
normF(X - U*V')^2 | V | -2*(X - U*V')'*U
sum(sigmoid(A*X).*B) | X | A'*(B.*sigmoid(A*X).*(ones(m, p) - sigmoid(A*X))) | A: m×n; X: n×p
"""
ROWS = [tuple(part.strip() for part in line.split(" | ")) for line in TABLE.strip().splitlines()]
EVERY_METHOD = ("auto", *METHODS)


def solved(text: str, wrt: str | list[str] | None = None, declare: str | None = None, **options: object) -> Derivation:
    return derive(parse_problem(text, declare, wrt), wrt, **options)  # type: ignore[arg-type]


def checked(d: Derivation) -> Derivation:
    """The derivation, replayed, and every line and the answer checked at numbers."""
    assert replayed(d)
    certificate, _ = verified(d)
    assert certificate.status == "verified"
    return d


def every_step(d: Derivation) -> Iterator[Step]:
    for top in d.steps:
        yield from top.walk()


def is_answer(d: Derivation, text: str, name: str | None = None) -> bool | None:
    answer = d.answers[name] if name else d.answer
    facts = d.settings[name or next(iter(d.answers))].facts
    return equal(answer, parse_expression(text, d.problem, shape=answer.shape), facts)


# ------------------------------------------------------------------ the acceptance table
@pytest.mark.parametrize("method", EVERY_METHOD)
@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r[0]} by {r[1]}")
def test_the_acceptance_table(row: tuple[str, ...], method: str) -> None:
    text, wrt, answer, *declare = row
    d = checked(solved(text, wrt, declare[0] if declare else None, method=method))
    expected = parse_expression(answer, d.problem, shape=d.answer.shape)
    bodies = {x.symbol: x.term for x in d.problem.definitions}
    assert equal(_written_out(d.answer, bodies), _written_out(expected, bodies), d.problem.facts) in (True, None)
    assert d.answer.shape == expected.shape


def _written_out(t: Term, bodies: dict[Term, Term]) -> Term:
    from matcalc.language.terms import replace

    return replace(t, bodies)


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r[0]} by {r[1]}")
def test_all_methods_reach_one_normal_form(row: tuple[str, ...]) -> None:
    text, wrt, _, *declare = row
    found = [solved(text, wrt, declare[0] if declare else None, method=m) for m in EVERY_METHOD]
    bodies = {x.symbol: x.term for x in found[0].problem.definitions}
    cotangents = {s.symbol: s.term for d in found if d.back is not None for s in d.back.statements}
    answers = [_written_out(_written_out(d.answer, cotangents), bodies) for d in found]
    assert all(equal(answers[0], other, found[0].problem.facts) for other in answers[1:])


# ------------------------------------------------------------------------ invariants
@pytest.mark.parametrize("method", EVERY_METHOD)
@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r[0]} by {r[1]}")
def test_lines_chain_and_steps_are_rules_or_moves(row: tuple[str, ...], method: str) -> None:
    text, wrt, _, *declare = row
    d = solved(text, wrt, declare[0] if declare else None, method=method)
    assert method == "graph" or d.steps[0].before is d.problem.objective  # a graph begins at the node's children
    for before, after in zip(d.steps, d.steps[1:], strict=False):
        assert before.after is after.before
    assert d.answer is d.steps[-1].after
    assert all(s.label for s in d.steps)
    assert all(s.reason for s in every_step(d))
    for s in every_step(d):
        if not s.substeps:
            assert s.rule in MOVES or s.rule in {*PRESENTATION, *FOLDS} or not rule_book().statement(s.rule).false


def test_every_move_has_a_reason() -> None:
    assert MOVES.keys() == REASONS.keys()
    assert READINGS - {"linear-transform"} <= MOVES.keys()


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_rules_does_not_matter(seed: int) -> None:
    statements = list(rule_book().statements)
    random.Random(seed).shuffle(statements)
    shuffled = RuleBook(statements)
    for text, wrt, _, *declare in ROWS[::3]:
        problem = parse_problem(text, declare[0] if declare else None, wrt)
        assert equal(derive(problem, wrt).answer, derive(problem, wrt, rules=shuffled).answer, problem.facts)


def test_the_same_input_gives_the_same_steps() -> None:
    for text, wrt, _, *declare in ROWS[::4]:
        first, second = (solved(text, wrt, declare[0] if declare else None) for _ in range(2))
        assert list(map(str, (s.after for s in every_step(first)))) == list(
            map(str, (s.after for s in every_step(second)))
        )


# ---------------------------------------------------------------------- the two tables
LINEAR = sorted(name for name, op in OPS.items() if op.linear and name not in ("d", "sumover", "stack", "add", "inner"))


def test_every_operation_is_in_the_table_of_differentials_or_refused_with_a_reason() -> None:
    book = tables(rule_book())
    leaves = {"num", "const", "size", "sym", "elem", "eye", "ones", "zeros", "unit", "commutation", "d"}
    have = {op for head, op in book.differentials if head == "d"}
    refused = {"sumover", "prod", "stack", "jac", "hess"}
    assert OPS.keys() - leaves - have <= refused


def test_every_linear_operation_is_in_the_table_of_adjoints() -> None:
    book = tables(rule_book())
    have = {op for head, op in book.adjoints if head == "inner"}
    assert set(LINEAR) | {"add", "inner"} <= have


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_elementwise_function_has_its_differential(name: str) -> None:
    inside = {"unit": "tanh(x)/2", "positive": "exp(x)", "nonnegative": "exp(x)"}.get(FUNCTIONS[name].domain, "x")
    d = checked(solved(f"a'*{name}({inside})", "x", "x: n; a: n"))
    assert d.answer.shape == d.problem.variable("x").shape


OTHERS = """
norm1(X) ; normF(X) ; normF(X)^3 ; norm2(x) ; norm2(x') ; logsumexp(A*x) ; logsumexp(x') ; a'*softmax(A*x)
sum(softmax(x').*a') ; sum(kron(X, B)) ; sum(kron(B, X).*C) ; a'*vec(X) ; tr(unvec(A*vec(X), n, n)*B) ; a'*diag(X)
tr(diag(x)*B) ; x'*diag(x)*a ; sum(A./X) ; sum(X./A) ; sum(1./X) ; sum((a'*x)./A) ; sum(X.^3) ; sum(X.^c) ; c^(x'*x)
(x'*x)^c ; tr(X^3*B) ; tr(X^-2) ; tr(X^2) ; (a'*x)/(x'*x) ; 1/(x'*x) ; sum(A/(x'*x)) ; inner(X, A*X) ; inner(A, X)
det(X)^2 ; log(det(X'*X)) ; logdet(X'*X) ; tr(inv(X)*B*inv(X)') ; sum(phi(A*x)) ; f(x, A*x) ; loss(X*X', a'*X*a)
exp(x'*A*x)*x'*a ; sum(X*(tr(X)*X)) ; tr(X*a*a'*X'*(a'*X*a)) ; sum((x'*x)*A*(a'*x)) ; tr(2*X) ; tr(c*X*c) ; -tr(-X/c)
"""


@pytest.mark.parametrize("text", [t.strip() for line in OTHERS.strip().splitlines() for t in line.split(" ; ")])
def test_gradients_of_every_kind(text: str) -> None:
    variable = "X" if "X" in text else "x"
    declare = "X: n×n; A: n×n; B: n×n; x: n; a: n; c: scalar positive; phi: elementwise"
    declare = declare.replace("A: n×n", "A: (n*n)×(n*n)") if "unvec" in text else declare
    declare += "; C: (n*n)×(n*n)" if "kron(B, X)" in text else ""
    declare = declare.replace("a: n;", "a: n*n;") if "vec(X)" in text else declare
    for method in METHODS:
        checked(solved(text, variable, declare, method=method))


# ------------------------------------------------------------------------ random terms
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("chunk", range(4))
def test_random_problems_agree_with_directional_derivatives(chunk: int, method: str) -> None:
    """The evaluator differentiates the objective itself along a random direction, by no rule of the book."""
    right = 0
    for seed in range(100_000 + 30 * chunk, 100_000 + 30 * (chunk + 1)):
        rng = random.Random(seed)
        term = random_term(rng, random_shape(rng), 4)
        names = sorted(n for n in term.free)
        if not names:
            continue
        name = rng.choice(names)
        right += _agrees(term, name, seed, method)
    assert right >= 12  # most problems can be derived and have a finite value


def _agrees(term: Term, name: str, seed: int, method: str) -> bool:
    shapes = {s.data: s.shape for s in subterms(term) if s.op == "sym"}
    properties = {n: frozenset(["positive"] if n.startswith("pos") else []) for n in shapes}
    problem = Problem("", term, "y", (name,), {n: Symbol(n, s, properties[n]) for n, s in shapes.items()})
    try:
        d = derive(problem, name, method)
    except CannotDerive:
        return False
    assert replayed(d)
    values, sizes = values_for(term, random.Random(seed))
    direction = np.random.default_rng(seed).normal(size=values[name].shape)
    point = Point(values, sizes, tangents={name: direction})
    truth, found = evaluate_all([differential(term), d.answer], point)
    if not (np.all(np.isfinite(truth)) and np.all(np.isfinite(found))) or np.abs(found).max() > 1e8:
        return False
    if term.is_scalar:
        value = np.sum(found * direction).reshape(1, 1)
    elif shapes[name].is_scalar:
        value = found * direction[0, 0]
    else:
        value = (found @ direction.reshape(-1, 1, order="F")).reshape(truth.shape, order="F")
    scale = max(1.0, float(np.abs(truth).max()), float(np.abs(found).max()))
    assert np.abs(value - truth).max() / scale < 1e-5, f"{term} by {name}: {d.answer}"
    return True


# ------------------------------------------------------------------------ how it is told
def lines(d: Derivation) -> list[str]:
    return [f"{s.label} = {s.after}  [{s.rule}]" for s in d.steps]


def test_least_squares_reads_like_a_textbook() -> None:
    assert lines(solved("norm2(A*x - b)^2", "x", method="differential")) == [
        "d(f) = d(norm2(A*x - b)^2)  [differential]",
        "d(f) = 2*(A*x - b)'*d(A*x - b)  [d-norm2-square]",
        "d(f) = 2*(A*x - b)'*A*d(x)  [linearity]",
        "grad(f, x) = 2*A'*(A*x - b)  [read-off]",
    ]


def test_the_linear_method_peels_a_layer() -> None:
    assert lines(solved("norm2(A*x - b)^2", "x", method="linear")) == [
        "f = norm2(y)^2  [introduce]",
        "d(f) = d(norm2(y)^2)  [differential]",
        "d(f) = 2*y'*d(y)  [d-norm2-square]",
        "grad(f, y) = 2*y  [read-off]",
        "grad(f, x) = 2*A'*y  [linear-transform]",
        "grad(f, x) = 2*A'*(A*x - b)  [put-back]",
    ]


def test_a_definition_keeps_its_name() -> None:
    d = checked(solved("R = A*X - B; normF(R)^2", "X", method="differential"))
    assert str(d.answer) == "2*A'*R"
    assert [s.rule for s in d.steps] == ["differential", "d-normF-square", "definition", "read-off"]
    assert sum(1 for s in every_step(d) if not s.substeps and s.rule.startswith("d-")) <= 6


def test_a_layer_that_has_a_name_already_is_peeled_by_that_name() -> None:
    d = checked(solved("Y = H*W; loss(Y)", "H", method="linear"))
    assert lines(d)[-2:] == [
        "grad(f, Y) = grad(loss, Y)  [read-off]",
        "grad(f, H) = grad(loss, Y)*W'  [linear-transform]",
    ]
    assert d.introduced == ()


def test_the_name_of_a_layer_is_not_taken() -> None:
    d = checked(solved("sum(sigmoid(A*x + y + z))", "x", method="linear"))
    assert {x.name for x in d.introduced}.isdisjoint(d.problem.symbols)
    assert {x.name for x in d.introduced}.isdisjoint(d.answer.free)


def test_auto_peels_functions_and_differentiates_norms() -> None:
    assert solved("sum(sigmoid(A*x + b))", "x").methods == {"x": "linear"}
    assert solved("f(A*X + B)", "X").methods == {"X": "linear"}
    assert solved("norm2(A*x - b)^2", "x").methods == {"x": "differential"}
    assert solved("tr(X*A*X'*B)", "X").methods == {"X": "differential"}


def test_definitions_are_entered_once() -> None:
    """The steps of a chain of layers, each used once, grow with its length, not with its square."""

    def count(layers: int) -> int:
        text = "".join(f"h{i + 1} = tanh(W{i}*h{i})\n" for i in range(layers)) + f"norm2(h{layers} - t)^2"
        declare = "; ".join(f"W{i} : m×m" for i in range(layers)) + "; h0 : m; t : m"
        d = solved(text, "W0", declare, method="differential")
        return sum(1 for _ in every_step(d))

    assert count(8) - count(6) == count(6) - count(4)


def test_a_definition_that_is_used_twice_is_entered_once() -> None:
    d = checked(solved("s = A*x; p = exp(s); a'*p + p'*p + s'*s", "x", method="differential"))
    entered = [s.reason for s in every_step(d) if s.rule == "definition" and not s.substeps]
    assert sorted(entered) == ["p = exp(s)", "s = A*x"]


# -------------------------------------------------------------------------- readings
def test_the_derivative_by_a_number_has_the_shape_of_the_function() -> None:
    for text, answer in (
        ("x + t*y", "y"),
        ("(A + t*B)*(A + t*B)", "(A + t*B)*B + B*(A + t*B)"),
        ("sin(t*x)'*x", "x'*(cos(t*x).*x)"),
    ):
        d = checked(solved(text, "t", "A: n×n; B: n×n; x: n; y: n; t: scalar"))
        assert is_answer(d, answer)


def test_a_jacobian_has_a_row_for_every_output() -> None:
    d = checked(solved("a'*x*(B*x)", "x", "B: m×n; x: n; a: n"))
    assert is_answer(d, "a'*x*B + B*x*a'")
    assert d.steps[-1].label == "jac(f, x)"


def test_a_jacobian_by_a_matrix_goes_through_vec() -> None:
    d = checked(solved("X'*a", "X", "X: m×n; a: m"))
    assert (
        str(d.answer.shape) == "n×(m*n)"
        or d.answer.shape.cols is d.problem.variable("X").shape.rows * d.problem.variable("X").shape.cols
    )
    assert any("vec" in c for c in d.conventions)


@pytest.mark.parametrize(
    ("text", "declare", "answer"),
    [
        ("norm2(A*x - b)^2", None, "2*A'*A"),
        ("x'*A*x", None, "A + A'"),
        ("a'*x", "a: n; x: n", "zeros(n, n)"),
        ("f(A*x + b)", None, "A'*hess(f, A*x + b)*A"),
        ("x'*x*(a'*x)", "a: n; x: n", "2*(a'*x)*I + 2*x*a' + 2*a*x'"),
    ],
)
def test_hessians(text: str, declare: str | None, answer: str) -> None:
    d = checked(solved(text, "x", declare, order=2))
    assert is_answer(d, answer)
    name = d.problem.objective_name
    assert [s.label for s in d.steps][-1] == f"hess({name}, x)"
    assert any(s.label == f"d(grad({name}, x))" for s in d.steps) or "does-not-occur" in [s.rule for s in d.steps]


def test_layouts_are_transposes() -> None:
    declare = "A: m×n; x: n; b: m"
    gradient = checked(solved("norm2(A*x - b)^2", "x", declare))
    row = checked(solved("norm2(A*x - b)^2", "x", declare, layout="numerator"))
    assert row.answer.shape == gradient.answer.shape.transposed
    assert solved("norm2(A*x - b)^2", "x", declare, layout="denominator").answer is gradient.answer
    assert str(checked(solved("A*x", "x", declare, layout="denominator")).answer) == "A'"
    assert str(solved("A*x", "x", declare, layout="numerator").answer) == "A"


def test_several_variables_have_an_answer_each() -> None:
    d = checked(solved("normF(X - U*V')^2", ["U", "V"]))
    assert list(d.answers) == ["U", "V"]
    assert d.answer is d.answers["U"]
    assert len(d.steps) == len(d.lines["U"]) + len(d.lines["V"])


def test_a_definition_may_be_the_variable() -> None:
    d = checked(solved("R = A*X - B; normF(R)^2", "R"))
    assert str(d.answer) == "2*R"


# ---------------------------------------------------------------------- structured variables
def test_a_symmetric_variable_has_both_conventions() -> None:
    projected = checked(solved("tr(A*X)", "X", "X: n×n symmetric; A: n×n"))
    assert is_answer(projected, "(A + A')/2")
    entries = checked(solved("tr(A*X)", "X", "X: n×n symmetric; A: n×n", structure="entries"))
    assert is_answer(entries, "A + A' - A.*I")
    assert projected.alternatives["X"]["entries"] is entries.answer
    assert entries.alternatives["X"]["projected"] is projected.answer
    assert any("projected" in c for c in projected.conventions)
    assert any("independent entries" in c for c in entries.conventions)


def test_a_gradient_in_the_subspace_is_not_projected_again() -> None:
    d = checked(solved("logdet(S) + tr(S*S)", "S", "S: n×n symmetric"))
    assert is_answer(d, "inv(S) + 2*S")
    assert "project-symmetric" not in [s.rule for s in d.steps]


def test_skew_and_diagonal_variables() -> None:
    skew = "K: n×n skew; A: n×n"
    assert is_answer(checked(solved("tr(A*K)", "K", skew)), "(A' - A)/2")
    assert is_answer(checked(solved("tr(A*K)", "K", skew, structure="entries")), "A' - A")
    d = checked(solved("tr(A*D)", "D", "D: n×n diagonal; A: n×n"))
    assert is_answer(d, "diag(diag(A))")


# ------------------------------------------------------------------------------ honesty
def test_a_variable_that_does_not_occur_is_said_not_to_occur() -> None:
    for text, wrt, declare, shape in (
        ("a'*a", "x", "x: n; a: m", "zeros(n)"),
        ("A*a", "X", "X: m×n; A: k×k; a: k", "zeros(k, m*n)"),
        ("A*a", "t", "t: scalar; A: k×k; a: k", "zeros(k)"),
    ):
        d = solved(text, wrt, declare)
        assert [s.rule for s in d.steps] == ["does-not-occur"]
        assert wrt in d.steps[0].reason
        assert str(d.answer) == shape
        assert replayed(d)


def test_a_zero_that_is_derived_is_proved_by_its_steps() -> None:
    d = checked(solved("sum(sign(x))", "x", "x: n"))
    assert str(d.answer) == "zeros(n)"
    assert any(s.rule == "d-sign" for s in every_step(d))
    assert any("sign" in c for c in d.conventions)


@pytest.mark.parametrize(
    ("text", "wrt", "declare", "reason"),
    [
        ("sum(X^40)", "X", "X: n×n", "larger than"),
        ("sum(jac(u, x))", "x", "u: function -> m; x: n", "Jacobian of an opaque function"),
        ("sum(hess(f, x))", "x", "f: function; x: n", "Hessian of an opaque function"),
    ],
)
def test_what_cannot_be_derived_is_refused(text: str, wrt: str, declare: str, reason: str) -> None:
    with pytest.raises(CannotDerive, match=reason.replace("^", r"\^")):
        solved(text, wrt, declare)


def test_second_derivatives_through_recurrences_are_refused() -> None:
    text = "h[0] = h0\nfor t in 1..T:\n    h[t] = W*tanh(h[t-1])\nL = loss(h[T])"
    with pytest.raises(CannotDerive, match="recurrences"):
        solved(text, "W", "W: n×n; h0: n", order=2)


def test_second_derivatives_of_matrices_with_structure_are_refused() -> None:
    with pytest.raises(CannotDerive, match="structured"):
        solved("logdet(S)", "S", "S: n×n symmetric", order=2)
    with pytest.raises(CannotDerive, match="scalar objectives"):
        solved("A*x", "x", order=2)


def test_questions_that_are_not_clear_are_errors() -> None:
    with pytest.raises(MatcalcError, match="by which variable"):
        solved("x'*y")
    with pytest.raises(MatcalcError, match="no 'z'"):
        derive(parse_problem("x'*y"), "z")
    with pytest.raises(MatcalcError, match="method"):
        solved("x'*x", "x", method="magic")


def test_points_without_a_derivative_are_told() -> None:
    assert "relu'(0) = 0" in solved("sum(relu(x))", "x").conventions
    assert any("not 0" in c for c in solved("norm2(x)", "x").conventions)
    assert not any("not 0" in c for c in solved("norm2(x)^2", "x").conventions)
    assert "logdet is log|det|" in solved("logdet(X)", "X").conventions
    assert any("positive" in c for c in solved("s^t", "t", "s: scalar; t: scalar").conventions)
    assert "relu'(0) = 0" not in solved("sum(relu(a)) + x'*x", "x", "a: n; x: n").conventions


# ------------------------------------------------------------------------------ tidying
@pytest.mark.parametrize("seed", range(40))
def test_tidying_keeps_the_value_and_is_done_once(seed: int) -> None:
    rng = random.Random(seed)
    term = random_term(rng, random_shape(rng), 5, tangents=True)
    for turn in (False, True):
        once = tidy(term, turn)
        assert once.shape == term.shape
        assert tidy(once, turn) is once
        values, sizes = values_for(term, rng)
        names = {s.data for s in subterms(term) if s.op == "sym"}
        tangents = {n: np.random.default_rng(seed).normal(size=values[n].shape) for n in sorted(names)}
        before, after = evaluate_all([term, once], Point(values, sizes, tangents=tangents))
        if np.all(np.isfinite(before)):
            assert np.allclose(before, after, rtol=1e-8, atol=1e-8)


def test_derivations_by_several_variables_do_not_share_a_name_for_different_layers() -> None:
    d = matcalc.derive(
        "relu(norm2(a - p)^2 - norm2(a - q)^2 + m)", wrt=["a", "p", "q"], declare="a : n; p : n; q : n; m : scalar"
    )
    assert d.certificate.status == "verified"
    lines = [s for steps in d.lines.values() for s in steps if s.rule == "introduce"]
    assert [list(s.bindings) for s in lines] == [["y"], ["z"]]
