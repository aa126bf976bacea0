"""The presentation: what is printed, that it keeps its value, that it is stable and never longer than what came in."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from random_terms import random_shape, random_term, values_for

from matcalc.language.elaborate import parse_expression, parse_problem
from matcalc.numeric.evaluate import evaluate
from matcalc.rewriting.cost import cost
from matcalc.rewriting.normal import equal
from matcalc.rewriting.present import present

DECLARED = (
    "A: m×n; B: n×n; X: n×n; Y: n×n; S: n×n symmetric; x: n; y: n; b: m; u: m; c: scalar; s: scalar; "
    "k: scalar positive; W: p×n; V: p×n"
)

# (what a derivation leaves, what the user wrote, what is printed)
PRINTED = [
    ("(2*(A*x - b)'*A)'", "norm2(A*x - b)^2", "2*A'*(A*x - b)"),
    ("2*A'*A*x - 2*A'*b", "norm2(A*x - b)^2", "2*A'*(A*x - b)"),
    ("A*x*c + A*x*s", "", "(c + s)*A*x"),
    ("X*x + X'*x", "x'*X*x", "(X + X')*x"),
    ("x + x", "", "2*x"),
    ("x*1 - (-x)", "", "2*x"),
    ("x/sqrt(x'*x)", "", "x/norm2(x)"),
    ("A'*exp(A*x)/sum(exp(A*x))", "", "A'*softmax(A*x)"),
    ("x.*sigmoid(x) - x.*sigmoid(x).^2", "", "x.*sigmoid(x).*(ones(n) - sigmoid(x))"),
    ("-A'*(b - A*x)", "norm2(A*x - b)^2", "A'*(A*x - b)"),
    ("diag(diag(X))", "", "X.*I"),
    ("c*(1./x)", "", "c./x"),
    ("-(inv(X)*Y*inv(X))'", "", "-(inv(X)*Y*inv(X))'"),
    ("X*X*X", "", "X^3"),
    ("(x'')'", "", "x'"),
    ("x.*(2*y)", "", "2*(x.*y)"),
    ("0*x", "", "zeros(n)"),
    ("S'*x + S*x", "", "2*S*x"),
    ("sinh(x)./cosh(x)", "", "tanh(x)"),
    ("c*c*x", "", "c^2*x"),
    ("c/(c^2)^(1/2)*x", "", "sign(c)*x"),
    ("1/sqrt(1 - c^2)*x", "", "x/sqrt(1 - c^2)"),
    ("2*(-x + y)'*(x + y)", "", "2*(x + y)'*(y - x)"),
    ("ones(m, m)*A + ones(m, m)*A", "", "2*ones(m, m)*A"),
    ("A*A'*A*A'*A", "", "(A*A')^2*A"),
    ("2*det(2*X)*inv(2*X)'", "det(2*X)", "det(2*X)*inv(X)'"),
    ("X/2 - Y/2", "", "(X - Y)/2"),
    ("x/(1 + k) - k*x/(1 + k)^2", "", "x/(k + 1)^2"),
    ("1/k/(1 + c/k)", "", "1/(c + k)"),
    ("diag(x) - diag(x.*y)", "", "diag(x.*(ones(n) - y))"),
    ("(u'*exp(A*x))*y/sum(exp(A*x))", "", "(u'*softmax(A*x))*y"),
    ("S*x - (y'*x)*y", "", "(S - y*y')*x"),
    ("x'*S - (y'*x)*y'", "", "x'*(S - y*y')"),
    ("(V.*W)'", "", "(V.*W)'"),
    ("diag(x)*X - x*x'*X", "", "(diag(x) - x*x')*X"),
    ("(X'*Y)''", "", "X'*Y"),
]


@pytest.mark.parametrize(("raw", "written", "printed"), PRINTED)
def test_printed_form(raw: str, written: str, printed: str) -> None:
    p = parse_problem(raw, declare=DECLARED)
    known = [parse_expression(written, p)] if written else []
    form, steps = present(p.objective, p.facts, known=known)
    assert form is parse_expression(printed, p, shape=p.objective.shape), str(form)
    if steps:
        assert steps[0].before is p.objective
        assert steps[-1].after is form
    for one, two in itertools.pairwise(steps):
        assert one.after is two.before
    for s in steps:
        assert equal(s.before, s.after, p.facts)


def test_definitions_are_called_by_name() -> None:
    p = parse_problem("R = A*x - b; norm2(R)^2", declare=DECLARED)
    raw = parse_expression("2*A'*(A*x - b)", p)
    form, _ = present(raw, p.facts, {d.name: d.term for d in p.definitions}, [p.objective])
    assert str(form) == "2*A'*R"


@pytest.mark.parametrize("seed", range(6))
def test_random_terms(seed: int) -> None:
    """Presentation keeps the value, does not lengthen, and is stable."""
    for k in range(60):
        rng = random.Random(seed * 1_000_003 + k)
        t = random_term(rng, random_shape(rng), depth=rng.choice([3, 4]))
        values, sizes = values_for(t, rng)
        expected = evaluate(t, values, sizes)
        if not np.all(np.isfinite(expected)):
            continue
        form, _ = present(t)
        where = f"seed {seed}, term {k}: {t} printed {form}"
        assert cost(form) <= cost(t) + 1e-9, where
        assert present(form)[0] is form, where
        got = evaluate(form, values, sizes)
        if np.all(np.isfinite(got)):
            assert np.max(np.abs(got - expected)) <= 1e-6 * max(1e-6, float(np.max(np.abs(expected)))), where


def test_wide_sums_are_only_collected() -> None:
    p = parse_problem(" + ".join(f"a{i}*x" for i in range(60)), declare="x: n")
    form, _ = present(p.objective, p.facts)
    assert equal(form, p.objective, p.facts)
