"""Entries, rows and columns: reading and writing, the normal form, sums over entries as matrices, derivatives, checks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import matcalc
from matcalc.calculus.derive import replayed
from matcalc.interop.latex import read_problem, read_term
from matcalc.language.binders import BINDERS
from matcalc.language.elaborate import parse_expression, parse_problem
from matcalc.language.gathering import gathered_sums
from matcalc.language.terms import Term, subterms
from matcalc.numeric.certify import certify_equal
from matcalc.rewriting.normal import equal, normal_form

# ------------------------------------------------------------------------------------------ reading and writing
WRITTEN = [
    ("Y[d,n]", None, r"Y_{d, n}"),
    ("Y[d,:]*W[:,n]", None, r"Y_{d, :} W_{:, n}"),
    ("Y[1,:]", None, r"Y_{1, :}"),
    ("Y[:,n+1]'", None, r"Y_{:, n + 1}^{\top}"),
    ("x[i]^2*y[3]", "x: n; y: n", r"x_{i}^2 y_{3}"),
    ("A'[i,j]", None, r"\left[A^{\top}\right]_{i, j}"),
    ("(A + B)[i,:]", None, r"\left[A + B\right]_{i, :}"),
    ("exp(X)[i,j]", None, r"\left[\exp\left(X\right)\right]_{i, j}"),
    ("W[i][a,b]", "W[i]: m×n", r"\left[W_{i}\right]_{a, b}"),
    ("x[t][i]", "x[t]: n", r"\left[x_{t}\right]_{i}"),
    ("eye(n)[i,j]", None, r"\left[I_{n}\right]_{i, j}"),
    ("unit(i, n)*x'", "x: n", r"\mathrm{e}_{i, n} x^{\top}"),
    ("x'[i]*c*A[i,:]", "x: n; c: scalar", r"\left[x^{\top}\right]_{i} c A_{i, :}"),
    ("sum(i in 1..m, sum(j in 1..n, X[i,j]^2))", "X: m×n", r"\sum_{i=1}^{m} \sum_{j=1}^{n} X_{i, j}^2"),
    ("sum(i in 1..n-1, (x[i+1] - x[i])^2)", "x: n", r"\sum_{i=1}^{n - 1} \left(x_{i + 1} - x_{i}\right)^2"),
]


@pytest.mark.parametrize(("text", "declare", "latex"), WRITTEN, ids=[w[0] for w in WRITTEN])
def test_entries_are_written_as_they_are_read(text: str, declare: str | None, latex: str) -> None:
    problem = parse_problem(text, declare)
    term = problem.objective
    assert str(term) == text
    assert parse_expression(str(term), problem, shape=term.shape) is term
    assert term.latex() == latex
    assert read_term(f"${latex}$", problem, shape=term.shape, latex=True) is term


SAME = [
    ("X[i][j]", "X[i]: n", "X[i][j]"),
    ("eye(n)[:,i]", None, "unit(i, n)"),
    ("unit(i)'*x", "x: n", "x[i]"),
    ("X[:,:]", "X: m×n", "X"),
    ("sum(i, j, X[i,j]^2)", "X: m×n", "sum(i in 1..m, sum(j in 1..n, X[i,j]^2))"),
    ("sum(i in 1..m, j in 1..n, X[i,j]^2)", "X: m×n", "sum(i in 1..m, sum(j in 1..n, X[i,j]^2))"),
    ("sum(i, x[i])", "x: n", "sum(i in 1..n, x[i])"),
]


@pytest.mark.parametrize(("text", "declare", "other"), SAME, ids=[s[0] for s in SAME])
def test_spellings_are_one_term(text: str, declare: str | None, other: str) -> None:
    problem = parse_problem(text, declare)
    assert parse_expression(other, problem, shape=problem.objective.shape) is problem.objective


def test_a_name_is_a_family_unless_it_is_declared() -> None:
    assert any(t.op == "elem" for t in subterms(parse_problem("sum(i in 1..n, x[i]^2)").objective))
    assert not any(t.op == "elem" for t in subterms(parse_problem("sum(i in 1..n, x[i]^2)", "x: n").objective))
    defined = parse_problem("r = A*x - b\nsum(i in 1..m, r[i]^2)", "A: m×n; x: n; b: m").objective
    assert not any(t.op == "elem" for t in subterms(defined))


def test_sizes_come_from_the_sums() -> None:
    problem = parse_problem("sum(d in 1..D, sum(n in 1..N, (Y[d,n] - H[d,:]*W[:,n])^2))")
    assert {n: str(s.shape) for n, s in problem.symbols.items()} == {"Y": "D×N", "H": "D×m", "W": "m×N"}


LATEX = [
    (r"\sum_{i,j} X_{ij}^2", "X: m×n", "sum(i, j, X[i,j]^2)"),
    (r"\mathbf{y}_{d,:} \mathbf{W}_{:n}", "y: D×M; W: M×N", "y[d,:]*W[:,n]"),
    (r"Y_{d\cdot} W_{m\cdot}^\top", "Y: D×N; W: M×N", "Y[d,:]*W[m,:]'"),
    (r"W_{2,ij}", "W_2: m×n", "W_2[i,j]"),
    (r"W_{12}", "W: m×n", "W[1,2]"),
    (r"W_{12}", "W_12: m×n", "W_12"),
    (r"(A B)_{ij}", "A: m×n; B: n×p", "(A*B)[i,j]"),
    (r"\sum_{i=1}^n \sum_{j=1}^n A_{ij} x_i x_j", "A: n×n; x: n", "sum(i in 1..n, sum(j in 1..n, A[i,j]*x[i]*x[j]))"),
    (r"\sum_i x_i \log x_i", "x: n", "sum(i, x[i]*log(x[i]))"),
]


@pytest.mark.parametrize(("text", "declare", "plain"), LATEX, ids=[s[0] for s in LATEX])
def test_latex_is_read(text: str, declare: str, plain: str) -> None:
    assert read_problem(text, declare, latex=True).objective is parse_problem(plain, declare).objective


# ------------------------------------------------------------------------------------------------ the normal form
EQUAL = [
    ("(A*B)[i,j]", "A[i,:]*B[:,j]", None),
    ("A'[i,j]", "A[j,i]", None),
    ("exp(X)[i,j]", "exp(X[i,j])", None),
    ("(X.*Y)[i,j]", "X[i,j]*Y[i,j]", None),
    ("(X.^2)[i,j]", "X[i,j]^2", None),
    ("(X + c*Y)[i,:]", "X[i,:] + c*Y[i,:]", "c: scalar"),
    ("diag(x)*unit(i, n)", "x[i]*unit(i, n)", "x: n"),
    ("diag(x)[i,j]", "x[i]*eye(n)[i,j]", "x: n"),
    ("unit(i, n)'*unit(i, n)", "1", None),
    ("eye(n)[2,3]", "0", None),
    ("eye(n)[i,j] - eye(n)[j,i]", "0", None),
    ("ones(n)[i]", "1", None),
    ("(x*y')[i,j]", "x[i]*y[j]", "x: n; y: m"),
    ("tr(unit(i, n)*unit(j, n)'*X)", "X[j,i]", None),
    ("x'*unit(i, n)", "x[i]", "x: n"),
    ("sum(i in 1..n, unit(i, n)*unit(i, n)')", "eye(n)", None),
    ("sum(i in 1..n, x[i]*unit(i, n))", "x", "x: n"),
    ("sum(d in 1..n, A*unit(d, n)*unit(d, n)'*B)", "A*B", None),
    ("sum(d, A[:,d]*B[d,:])", "A*B", None),
    ("sum(i, X[i,i])", "tr(X)", "X: n×n"),
    ("sum(i, x[i])", "sum(x)", "x: n"),
    ("sum(k, A[i,k]*B[k,j])", "A[i,:]*B[:,j]", None),
    ("sum(j, eye(n)[i,j]*x[j])", "x[i]", "x: n"),
    ("sum(i, j, X[i,j]^2)", "normF(X)^2", None),
    ("sum(i, j, k, A[i,j]*B[j,k]*C[k,i])", "tr(A*B*C)", None),
    ("sum(i, j, (x[i] - x[j])^2)", "2*n*norm2(x)^2 - 2*sum(x)^2", "x: n"),
    ("sum(i, norm2(X[i,:] - mu')^2)", "normF(X - ones*mu')^2", "mu: n"),
    ("sum(i, log(sum(j, exp(X[i,j]))))", "sum(logsumexp(X, rowwise))", None),
]


@pytest.mark.parametrize(("left", "right", "declare"), EQUAL, ids=str)
def test_what_is_equal_has_one_normal_form(left: str, right: str, declare: str | None) -> None:
    problem = parse_problem(left, declare)
    other = parse_expression(right, problem, shape=problem.objective.shape)
    assert equal(problem.objective, other) is True
    assert certify_equal(problem, problem.objective, other) < 1e-9


DIFFERENT = [
    ("eye(n)[i,j]", "0", None),  # i and j may be the same
    ("(A*B)[i,j]", "A[i,j]*B[i,j]", "A: n×n; B: n×n"),
    ("softmax(x)[i]", "softmax(x[i]*ones(n))[i]", "x: n"),
    ("inv(X)[1,2]", "1/X[1,2]", "X: n×n"),
    ("sum(i in 1..n-1, x[i+1]*x[i])", "x'*x", "x: n"),
    ("sum(i in 2..n, x[i])", "sum(x)", "x: n"),
]


@pytest.mark.parametrize(("left", "right", "declare"), DIFFERENT, ids=str)
def test_what_differs_has_different_normal_forms(left: str, right: str, declare: str | None) -> None:
    problem = parse_problem(left, declare)
    other = parse_expression(right, problem, shape=problem.objective.shape)
    assert normal_form(problem.objective) is not normal_form(other)
    assert certify_equal(problem, problem.objective, other) > 1e-3


# ------------------------------------------------------------------------------------------ sums over entries
GATHERED = [
    ("sum(d in 1..D, sum(n in 1..N, (Y[d,n] - H[d,:]*W[:,n])^2))", None),
    ("sum(i, x[i]*log(x[i]/y[i]))", "x: n positive; y: n positive"),
    ("sum(i, j, A[i,j]*x[i]*x[j])", "x: n"),
    ("sum(i, max(0, 1 - y[i]*(X[i,:]*w)))", "y: n; w: p"),
    ("sum(i, j, M[i,j]*(X[i,j] - U[i,:]*V[j,:]')^2)", None),
    ("sum(i, k, R[i,k]*norm2(X[i,:] - M[k,:])^2)", None),
    ("-sum(i, k, Y[i,k]*log(softmax(X, rowwise)[i,k]))", None),
    ("sum(i, logsumexp(X[i,:]*W))", None),
    ("sum(i, f(X[i,:]*w))", "w: n; f: elementwise"),
    ("sum(i, s[i]*X[i,:]'*Y[i,:])", "s: m"),
    ("sum(i, (x[i] + 1)/y[i])", "x: n; y: n positive"),
    ("sum(i, X[i,:]*diag(y)*X[i,:]')", "y: n"),
    ("sum(i, X[i,i]^2)", "X: n×n"),
    ("sum(i, j, exp(-norm2(X[i,:] - X[j,:])^2))", None),
    ("sum(i, 2*X[i,:])", None),
    ("sum(i, -X[:,i]/c)", "c: scalar"),
    ("sum(i, diag(X[i,:]'))", None),
]


@pytest.mark.parametrize(("text", "declare"), GATHERED, ids=[g[0] for g in GATHERED])
def test_sums_over_entries_become_matrices(text: str, declare: str | None) -> None:
    problem = parse_problem(text, declare)
    made = gathered_sums(problem.objective)
    assert not any(t.op in BINDERS for t in subterms(made))
    assert certify_equal(problem, problem.objective, made) < 1e-9


STAYS = [
    ("sum(i, loss(X[i,:]*W))", None),
    ("sum(i in 1..n-1, (x[i+1] - x[i])^2)", "x: n"),
    ("sum(i, i*x[i])", "x: n"),
    ("sum(i in 1..n, sum(j in 1..i, x[j]))", "x: n"),
    ("sum(t in 1..T, x[t]'*A[:,t])", "x[t]: n"),
]


@pytest.mark.parametrize(("text", "declare"), STAYS, ids=[g[0] for g in STAYS])
def test_other_sums_stay(text: str, declare: str | None) -> None:
    problem = parse_problem(text, declare)
    assert any(t.op in BINDERS for t in subterms(gathered_sums(problem.objective)))
    assert certify_equal(problem, problem.objective, normal_form(problem.objective)) < 1e-9


# ------------------------------------------------------------------------------------------------- derivatives
DERIVED = [
    ("sum(d in 1..D, sum(n in 1..N, (Y[d,n] - H[d,:]*W[:,n])^2))", "W", None, "2*H'*(H*W - Y)"),
    ("sum(i in 1..n, x[i]^2)", "x", "x: n", "2*x"),
    ("sum(i, x[i]*log(x[i]/y[i]))", "x", "x: n; y: n", "log(x./y) + ones(n)"),
    ("sum(i in 1..n, sum(j in 1..n, A[i,j]*x[i]*x[j]))", "x", "x: n", "(A + A')*x"),
    ("sum(i, max(0, 1 - y[i]*(X[i,:]*w)))", "w", "y: n; w: p", "-X'*(y.*step(ones(n) - y.*(X*w)))"),
    ("sum(i, j, M[i,j]*(X[i,j] - U[i,:]*V[j,:]')^2)", "U", None, "2*(M.*(U*V' - X))*V"),
    ("sum(i, log(sum(j, exp(X[i,j]))))", "X", None, "softmax(X, rowwise)"),
    ("sum(i, k, R[i,k]*norm2(X[i,:] - M[k,:])^2)", "M", None, "(2*M).*(R'*ones(m, p)) - 2*R'*X"),
    ("X[1,2]*X[2,1]", "X", "X: n×n", "X[2,1]*unit(1, n)*unit(2, n)' + X[1,2]*unit(2, n)*unit(1, n)'"),
    ("X[i,j]^2", "X", "X: m×n", "2*X[i,j]*unit(i, m)*unit(j, n)'"),
    ("x[i]", "x", "x: n", "unit(i, n)"),
    ("A[i,:]*x", "x", "x: n", "A[i,:]'"),
    ("softmax(x)[i]", "x", "x: n", "softmax(x)[i]*(unit(i, n) - softmax(x))"),
    ("s = sum(i, x[i]^2)\nlog(s)", "x", "x: n", "2/s*x"),
    ("sum(i, loss(X[i,:]*W))", "W", None, "sum(i in 1..m, X[i,:]'*grad(loss, X[i,:]*W))"),
]


@pytest.mark.parametrize(("text", "by", "declare", "answer"), DERIVED, ids=str)
def test_derivatives_are_closed_forms(text: str, by: str, declare: str | None, answer: str) -> None:
    d = matcalc.derive(text, wrt=by, declare=declare)
    assert d.certificate.status == "verified"
    assert str(d.answer) == answer
    assert replayed(d)
    back = parse_expression(str(d.answer), d.problem, shape=d.answer.shape)
    assert back is d.answer


def lines(d: matcalc.Derivation) -> Iterator[tuple[str, str]]:
    return ((s.label, str(s.after)) for s in d.steps)


def test_the_objective_is_told_as_matrices_first() -> None:
    d = matcalc.derive("sum(d in 1..D, sum(n in 1..N, (Y[d,n] - H[d,:]*W[:,n])^2))", wrt="W")
    assert next(lines(d)) == ("f", "normF(H*W - Y)^2")
    assert d.steps[0].rule == "gather-entries"


def test_certificates_take_several_indices() -> None:
    d = matcalc.derive("X[i,j]^2*X[i,1]", wrt="X")
    assert d.certificate.status == "verified"
    assert d.certificate.points >= 3


def has_unit(t: Term) -> bool:
    return any(s.op == "unit" for s in subterms(t))


def test_closed_answers_have_no_unit_left() -> None:
    for text, by, declare, answer in DERIVED:
        if answer and "unit" not in answer and "[" not in answer:
            assert not has_unit(matcalc.derive(text, wrt=by, declare=declare, verify=False).answer)


# ------------------------------------------------------------------------------- by parts, entry by entry
LAYER = ("Y = H*W\nL = loss(Y)", "H: D×M; W: M×N")
PARTS = [
    (*LAYER, "H[d,m]", "grad(L, Y)[d,:]*W[m,:]'"),
    (*LAYER, "H[d,:]", "grad(L, Y)[d,:]*W'"),
    (*LAYER, "W[i,j]", "H[:,i]'*grad(L, Y)[:,j]"),
    (*LAYER, "W[:,2]", "H'*grad(L, Y)[:,2]"),
    ("norm2(A*x - b)^2", None, "x[3]", "2*A[:,3]'*(A*x - b)"),
    ("norm2(A*x - b)^2", None, "A[1,2]", "2*x[2]*(A[1,:]*x - b[1])"),
    ("tr(S*A)", "S: n×n symmetric", "S[1,2]", "(A[1,2] + A[2,1])/2"),
    ("A*x", None, "x[i]", "A[:,i]"),
    ("A*X", None, "X[:,j]", "kron(unit(j, p), A)"),
    ("h[0] = h0\nfor t in 1..T:\n    h[t] = W*tanh(h[t-1])\nL = loss(h[T])", None, "h0[1]", ""),
]


@pytest.mark.parametrize(("text", "declare", "by", "answer"), PARTS, ids=lambda p: str(p)[:20])
def test_derivatives_by_entries_rows_and_columns(text: str, declare: str | None, by: str, answer: str) -> None:
    d = matcalc.derive(text, wrt=by, declare=declare)
    assert d.certificate.status == "verified"
    assert replayed(d)
    assert not answer or str(d.answer) == answer
    assert list(d.answers) == [by]


def test_a_derive_line_may_name_an_entry() -> None:
    d = matcalc.derive("Y = H*W; L = loss(Y); derive L wrt H[d, m], W", declare="H: D×M; W: M×N")
    assert {n: str(t) for n, t in d.answers.items()} == {
        "H[d,m]": "grad(L, Y)[d,:]*W[m,:]'",
        "W": "H'*grad(L, Y)",
    }


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("x[1,2]", "the index 2 is out of range"),
        ("A[1]", "needs two indices"),
        ("b[0]", "the index 0 is out of range"),
        ("Q[1]", "does not occur"),
        ("x[", "unclosed bracket"),
    ],
)
def test_parts_that_are_not_there(by: str, message: str) -> None:
    with pytest.raises(matcalc.MatcalcError) as caught:
        matcalc.derive("norm2(A*x - b)^2", wrt=[by])
    assert message in str(caught.value) or message in getattr(caught.value, "label", "")


ENTRYWISE = [
    (
        *LAYER,
        "H",
        [
            ("grad(L, H[d,m])", "sum(n in 1..N, grad(L, Y)[d,n]*W[m,n])"),
            ("grad(L, H[d,m])", "grad(L, Y)[d,:]*W[m,:]'"),
            ("grad(L, H[d,:])", "grad(L, Y)[d,:]*W'"),
            ("grad(L, H)", "grad(L, Y)*W'"),
        ],
    ),
    (
        *LAYER,
        "W",
        [
            ("grad(L, W[m,n])", "sum(i in 1..D, H[i,m]*grad(L, Y)[i,n])"),
            ("grad(L, W[m,n])", "H[:,m]'*grad(L, Y)[:,n]"),
            ("grad(L, W[m,:])", "H[:,m]'*grad(L, Y)"),
            ("grad(L, W)", "H'*grad(L, Y)"),
        ],
    ),
    (
        "norm2(A*x - b)^2",
        None,
        "x",
        [
            ("grad(f, x[i])", "sum(j in 1..m, 2*A[j,i]*(A*x - b)[j])"),
            ("grad(f, x[i])", "2*A[:,i]'*(A*x - b)"),
            ("grad(f, x)", "2*A'*(A*x - b)"),
        ],
    ),
]


@pytest.mark.parametrize(("text", "declare", "by", "told"), ENTRYWISE, ids=["input", "weights", "least squares"])
def test_entry_by_entry(text: str, declare: str | None, by: str, told: list[tuple[str, str]]) -> None:
    d = matcalc.derive(text, wrt=by, declare=declare, method="entries")
    assert list(lines(d))[-len(told) :] == told
    assert replayed(d)
    assert d.certificate.status == "verified"


def test_where_entries_are_not_put_together_the_method_is_another() -> None:
    d = matcalc.derive("det(X'*X)", wrt="X", method="entries")
    assert d.certificate.status == "verified"


# ------------------------------------------------------------------------------------------ checking answers
ANSWERS = [
    (*LAYER, "H[d,m]", "grad(L, Y)[d,:]*W[m,:]'", "correct", ""),
    (*LAYER, "H[d,m]", "sum(n, grad(L, Y)[d,n]*W[m,n])", "correct", ""),
    (*LAYER, "H[d,m]", r"\sum_{n=1}^{N} \frac{\partial L}{\partial Y_{dn}} W_{mn}", "correct", ""),
    (*LAYER, "H[d,m]", "grad(L, Y)*W[m,:]'", "wrong", "only row d is meant"),
    (*LAYER, "H[d,m]", "grad(L, Y)[m,:]*W[d,:]'", "wrong", ""),
    (*LAYER, "H[d,:]", "grad(L, Y)[d,:]*W'", "correct", ""),
    (*LAYER, "H[d,:]", "grad(L, Y)*W'", "wrong", "only row d is meant"),
    (*LAYER, "H[d,:]", "grad(L, Y)[d,:]*W", "wrong", "a transpose is missing"),
    (*LAYER, "W", "sum(d in 1..D, H[d,:]'*grad(L, Y)[d,:])", "correct", ""),
    (*LAYER, "W", "sum(d in 1..D, grad(L, Y)[d,:]'*H[d,:])", "wrong", "transpose"),
    ("L = loss(H[d,:]*W)", "H: D×M; W: M×N", "W", "H[d,:]'*grad(loss, H[d,:]*W)", "correct", ""),
    ("L = loss(H[d,:]*W)", "H: D×M; W: M×N", "W", "grad(loss, H[d,:]*W)'*H[d,:]", "wrong", "transpose"),
    ("sum(i, x[i]^2)", "x: n", "x[i]", "2*x[i]", "correct", ""),
    ("sum(i, x[i]^2)", "x: n", "x[i]", "2*x", "wrong", "only row i is meant"),
    ("sum(i, j, A[i,j]*x[i]*x[j])", "x: n; A: n×n", "x", "sum(j, (A[:,j] + A[j,:]')*x[j])", "correct", ""),
]


@pytest.mark.parametrize(("text", "declare", "by", "answer", "status", "says"), ANSWERS, ids=lambda a: str(a)[:24])
def test_answers_with_entries_are_judged(text: str, declare: str, by: str, answer: str, status: str, says: str) -> None:
    verdict = matcalc.check(text, wrt=by, answer=answer, declare=declare)
    assert verdict.status == status, verdict
    assert says in (verdict.diagnosis[0].message if verdict.diagnosis else "")


# --------------------------------------------------------------------------------------------------- code
CODED = [
    ("X[i,j]^2", "X", None),
    ("X[5,1]^2", "X", None),
    ("A[i,:]*x", "x", "x: n"),
    ("softmax(x)[i]", "x", "x: n"),
    ("X[i,:]*A*X[j,:]'", "X", None),
    ("(A*X)[:,j]", "X", None),
    ("s = sum(i, x[i]^2)\nlog(s)", "x", "x: n"),
    ("sum(d in 1..D, sum(n in 1..N, (Y[d,n] - H[d,:]*W[:,n])^2))", "W", None),
]


@pytest.mark.parametrize(("text", "by", "declare"), CODED, ids=[c[0] for c in CODED])
def test_code_passes_its_own_check(text: str, by: str, declare: str | None) -> None:
    module = matcalc.derive(text, wrt=by, declare=declare).compile()
    assert module._self_check()


def test_entries_are_indices_in_code() -> None:
    source = matcalc.derive("A[i,:]*x", wrt="x", declare="x: n").code()
    assert "A[i - 1] @ x" in source
    assert "i an index from 1" in source
    assert "return value, grad.copy()" in source  # a row of an argument is not handed out


def test_there_is_no_code_by_a_part() -> None:
    with pytest.raises(matcalc.CannotDerive, match="not for that by"):
        matcalc.derive(LAYER[0], wrt="H[d,m]", declare=LAYER[1]).code()


def test_lines_with_entries_are_judged() -> None:
    text = """grad(L, H[d,m]) = sum(n, grad(L, Y)[d,n]*W[m,n])
= grad(L, Y)*W[m,:]'
= grad(L, Y)[d,:]*W[m,:]'
grad(L, H[d,:]) = grad(L, Y)[d,:]*W'
grad(L, H) = grad(L, Y)*W'"""
    verdict = matcalc.check_lines(text, problem=LAYER[0], wrt="H", declare=LAYER[1])
    assert (verdict.status, verdict.line) == ("wrong", 2)
    assert "only row d is meant" in verdict.diagnosis[0].message
    assert str(verdict).count("WRONG") == 1


def test_latex_lines_with_entries_are_judged() -> None:
    text = r"""\frac{\partial L}{\partial W_{ij}} = \sum_{d=1}^{D} \frac{\partial L}{\partial Y_{dj}} H_{di}
= H_{:i}^\top (\nabla_Y L)_{:j}
\frac{\partial L}{\partial W} = \sum_{d=1}^D (H_{d\cdot})^\top (\nabla_Y L)_{d\cdot} = H^\top \nabla_Y L"""
    assert matcalc.check_lines(text, problem=LAYER[0], wrt="W", declare=LAYER[1]).status == "correct"


@pytest.mark.parametrize("given", ["2^x[1]", "2^(tanh(x)[2])", "exp(x)[1]^2", "(x'*x)^(exp(x)[1])"])
def test_entries_in_exponents_are_read_back(given: str) -> None:
    assert str(parse_problem(given, declare="x: m").objective) == given
    term = parse_problem(given, declare="x: m").objective
    assert parse_problem(str(term), declare="x: m").objective is term


def test_the_gradient_of_a_function_at_an_entry_is_no_entry_of_a_gradient() -> None:
    whole = parse_problem("grad(g, G[:,2])", declare="G: m×n; g: function").objective
    assert whole.op == "grad" and str(whole) == "grad(g, G[:,2])"
