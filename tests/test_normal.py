"""The normal form: equal terms meet, values are kept, it is idempotent; and what must not be identified is not."""

from __future__ import annotations

import random

import numpy as np
import pytest
from random_terms import random_shape, random_term, values_for

from matcalc.language.elaborate import parse_problem
from matcalc.language.terms import Term, differential, subterms, transpose
from matcalc.numeric.evaluate import evaluate
from matcalc.rewriting.normal import Normalizer, equal, normal_form

DECLARED = (
    "A: m×n; B: n×p; C: p×m; X: n×n; Y: n×n; S: n×n symmetric; Q: n×n orthogonal; P: n×n posdef; W: n×p; V: n×p; x: n; "
    "y: n; z: n; u: m; w: n positive; c: scalar; s: scalar; k: scalar positive; r: 1×n; rho: 1×n positive; "
    "K: n×n skew; D: n×n diagonal; E: n×n diagonal"
)


def term(text: str) -> tuple[Term, dict[str, frozenset[str]]]:
    p = parse_problem(text, declare=DECLARED)
    return p.objective, p.facts


EQUAL = [
    ("tr(A*B*C)", "tr(C*A*B)"),
    ("tr(A*B*C)", "tr(C'*B'*A')"),
    ("(A*B)'", "B'*A'"),
    ("inv(X*Y)", "inv(Y)*inv(X)"),
    ("inv(X')", "inv(X)'"),
    ("X*inv(X)*Y", "Y"),
    ("Q'*Q*x", "x"),
    ("det(X*Y)", "det(X)*det(Y)"),
    ("det(inv(X))", "1/det(X)"),
    ("logdet(inv(X))", "-logdet(X)"),
    ("log(det(X))", "logdet(X)"),
    ("x'*A'*u", "u'*A*x"),
    ("sum(x.*(S*y))", "x'*S*y"),
    ("sum(W.*V)", "tr(W'*V)"),
    ("x'*(X.*Y)*y", "tr(diag(x)*X*diag(y)*Y')"),
    ("diag(x)*y", "x.*y"),
    ("(x*y').*X", "diag(x)*X*diag(y)"),
    ("X.*I", "diag(diag(X))"),
    ("sum(x.*y.*z)", "x'*diag(y)*z"),
    ("sum(diag(X))", "tr(X)"),
    ("norm2(x)^2", "x'*x"),
    ("normF(W)^2", "sum(W.^2)"),
    ("norm2(x - y)^2", "x'*x - 2*x'*y + y'*y"),
    ("exp(x + y)", "exp(x).*exp(y)"),
    ("exp(-c)", "1/exp(c)"),
    ("sigmoid(-x)", "ones(n) - sigmoid(x)"),
    ("1/(1 + exp(-c))", "sigmoid(c)"),
    ("exp(c)/(1 + exp(c))", "sigmoid(c)"),
    ("exp(x)./(ones(n) + exp(x))", "sigmoid(x)"),
    ("1/(1 - sigmoid(c))", "1 + exp(c)"),
    ("softplus(c)", "log(1 + exp(c))"),
    ("exp(x)/sum(exp(x))", "softmax(x)"),
    ("log(sum(exp(x)))", "logsumexp(x)"),
    ("sqrt(w).*sqrt(w)", "w"),
    ("log(k^2)", "2*log(k)"),
    ("relu(x).*step(x)", "relu(x)"),
    ("step(x).^2", "step(x)"),
    ("S'", "S"),
    ("inv(P)'", "inv(P)"),
    ("(c*s)/(c*s)*x", "x"),
    ("(c + s)*x/(c + s)", "x"),
    ("(X + Y)*inv(X + Y)*x", "x"),
    ("(X + c*I)*inv(X + c*I)", "I"),
    ("vec(x)", "x"),
    ("inner(W, V)", "tr(V*W')"),
    ("sin(x)./cos(x)", "tan(x)"),
    ("sinh(c)/cosh(c)", "tanh(c)"),
    ("cos(c)/sin(c)", "1/tan(c)"),
    ("tan(c)*cos(c)", "sin(c)"),
    ("(c^2)^(1/2)", "abs(c)"),
    ("c/abs(c)", "sign(c)"),
    ("abs(x).*sign(x)", "x"),
    ("abs(x).^2", "x.^2"),
    ("log(e)", "1"),
    ("1/sqrt(1 - c^2)", "(1 - c^2)/(1 - c^2)^(3/2)"),
    ("c/(c + s)", "1 - s/(c + s)"),
    ("x./(x + y)", "ones(n) - y./(x + y)"),
    ("(c^2 - s^2)/(c - s)", "c + s"),
    ("c*s/(c^2 + c*s + s^2)", "1 - (c^2 + s^2)/(c^2 + c*s + s^2)"),
    ("K'", "-K"),
    ("inv(K)'", "-inv(K)"),
    ("tr(S*K)", "0"),
    ("u'*A*K*x", "-x'*K*A'*u"),
    ("tr(X'*K)", "-tr(X*K)"),
    ("D.*I", "D"),
    ("D'", "D"),
    ("inv(D).*I", "inv(D)"),
    ("diag(diag(D*X))", "D.*X"),
    ("diag(x)*D", "D*diag(x)"),
    ("kron(X, S)*vec(Y)", "vec(S*Y*X')"),
    ("vec(Y)'*kron(X, S)", "vec(S*Y*X)'"),
    ("kron(x', X)*kron(y, Y)", "(x'*y)*X*Y"),
    ("commutation(n, 1)*x", "x"),
    # Everything cancels at the other end of the chain, whose size counts (found by random testing).
    ("u'*A*(1./(A'*u))", "n"),
]
# Not equal in general: identifying any of them would be a wrong answer.
DIFFERENT = [
    ("X*Y", "Y*X"),
    ("sqrt(x.^2)", "x"),
    ("log(x.^2)", "2*log(x)"),
    ("(c^2)^(1/2)", "c"),
    ("inv(X + Y)", "inv(X) + inv(Y)"),
    ("det(A'*A)", "det(S)"),
    ("det(2*X)", "2*det(X)"),
    ("norm2(c*x)", "c*norm2(x)"),
    ("relu(x)", "x"),
    ("abs(c)", "c"),
    ("X'", "X"),
    ("x*y'", "y*x'"),
    ("sum(x)*sum(y)", "x'*y"),
    ("x./abs(x)", "ones(n)"),
    ("sign(c)^2*abs(c)", "c"),
    ("tan(c)*cos(s)", "sin(c)"),
    ("K*S", "-S*K"),
    ("tr(K*K)", "0"),
    ("D*X", "X*D"),
    ("D.*X", "D*X"),
    ("kron(X, S)*vec(Y)", "vec(X*Y*S')"),
    # Exponents that add up to two are not two factors (found by random testing).
    ("(r.*((y'*X)./sqrt(rho)))*sqrt(w)", "r*X'*y"),
]


@pytest.mark.parametrize(("a", "b"), EQUAL)
def test_equal_terms_meet(a: str, b: str) -> None:
    t, facts = term(f"({a}) - ({b})")
    left, right = t.args[0], t.args[1].args[0]
    assert equal(left, right, facts)
    assert normal_form(left, facts) is normal_form(right, facts)


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_different_terms_stay_apart(a: str, b: str) -> None:
    t, facts = term(f"({a}) - ({b})")
    assert not equal(t.args[0], t.args[1].args[0], facts)


@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_values_are_kept(seed: int, opaque: bool) -> None:
    """Random terms have the value of their normal form; printed seeds reproduce a failure."""
    for k in range(120):
        rng = random.Random(seed * 1_000_003 + k)
        t = random_term(rng, random_shape(rng), depth=rng.choice([3, 4, 5]))
        values, sizes = values_for(t, rng)
        expected = evaluate(t, values, sizes)
        if not np.all(np.isfinite(expected)) or _singular(t, values, sizes):
            continue
        got = evaluate(Normalizer({}, opaque).canon(t), values, sizes)
        if np.all(np.isfinite(got)):
            scale = max(1e-6, float(np.max(np.abs(expected))))
            assert np.max(np.abs(got - expected)) <= 1e-6 * scale, f"seed {seed}, term {k}: {t}"


@pytest.mark.parametrize("seed", range(4))
def test_values_are_kept_under_facts(seed: int) -> None:
    """The same where square matrices are declared symmetric, skew or diagonal."""
    structures = {"symmetric": lambda x: x + x.T, "skew": lambda x: x - x.T, "diagonal": lambda x: np.diag(np.diag(x))}
    for k in range(150):
        rng = random.Random(seed * 1_000_003 + k)
        t = random_term(rng, random_shape(rng), depth=rng.choice([3, 4, 5]))
        values, sizes = values_for(t, rng)
        facts = {}
        for s in subterms(t):
            if s.op == "sym" and s.shape.is_square and not s.is_scalar:
                positive = s.data.startswith("pos")  # the entries of a skew or diagonal matrix are not all positive
                structure = "symmetric" if positive else rng.choice(sorted(structures))
                facts[s.data] = frozenset((structure,))
                values[s.data] = structures[structure](values[s.data])
        expected = evaluate(t, values, sizes)
        if not np.all(np.isfinite(expected)) or _singular(t, values, sizes):
            continue
        got = evaluate(Normalizer(facts, bool(k % 2)).canon(t), values, sizes)
        if np.all(np.isfinite(got)):
            scale = max(1e-6, float(np.max(np.abs(expected))))
            assert np.max(np.abs(got - expected)) <= 1e-6 * scale, f"seed {seed}, term {k}: {t}, {facts}"


def _singular(t: Term, values: dict[str, np.ndarray], sizes: dict[str, int]) -> bool:
    """Whether an inverse or determinant is taken of a matrix without full rank: its value is rounding noise."""
    for s in subterms(t):
        if s.op in ("inv", "det", "logdet") and not s.args[0].is_scalar:
            m = evaluate(s.args[0], values, sizes)
            if not np.all(np.isfinite(m)) or np.linalg.cond(m) > 1e6:
                return True
    return False


def test_no_silent_growth() -> None:
    """A product of many sums is kept whole beyond the limit."""
    factors = "*".join(f"(X + {i}*Y)" for i in range(1, 13))
    t, facts = term(factors)
    n = Normalizer(facts)
    assert len(n.poly(t).terms) <= 64


def test_a_sum_of_outer_products_is_symmetric() -> None:
    p = parse_problem("x[n]: p; mu: p; sum(n in 1..N, (x[n] - mu)*(x[n] - mu)')")
    assert equal(p.objective, transpose(p.objective), p.facts) is True
    q = parse_problem("x[n]: p; y[n]: p; sum(n in 1..N, x[n]*y[n]')")
    assert equal(q.objective, transpose(q.objective), q.facts) is not True


def test_the_differential_of_a_transpose_ends() -> None:
    x = term("x")[0]
    assert equal(differential(transpose(x)), transpose(differential(x))) is True


def test_the_commutation_matrix_passes_one_kronecker_product_and_stands_in_front() -> None:
    t, facts = term("kron(inv(X), inv(X)')*commutation(n, n)")
    assert str(normal_form(t, facts)) == "commutation(n, n)*kron(inv(X)', inv(X))"
