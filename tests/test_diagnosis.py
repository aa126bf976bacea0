"""What is said about wrong answers: the kind, the correction, and that every correction is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from matcalc.errors import MatcalcError
from matcalc.homework.form_building import build
from matcalc.homework.form_text import text_of
from matcalc.homework.form_trees import form_of_tree, names_of, tree_of
from matcalc.homework.forms import at, form_of, places, put
from matcalc.homework.mistakes import slips, undone
from matcalc.homework.verdict import KINDS
from matcalc.language.elaborate import parse_expression, parse_problem
from matcalc.language.expressions import read_expression
from matcalc.language.syntax import parse_tree
from matcalc.language.terms import Term
from matcalc.numeric.rulecheck import check_identity
from matcalc.rewriting.mutants import mutants
from matcalc.rewriting.normal import equal
from matcalc.rewriting.rules import Rule, rule_book
from matcalc.trust import samples_of
from tests.answers import PROBLEMS, WRONG, Array
from tests.test_check import judge


@pytest.mark.parametrize(("key", "answer", "kind"), WRONG, ids=lambda v: str(v)[:40])
def test_the_first_finding_names_the_mistake(key: str, answer: str, kind: str) -> None:
    verdict = judge(key).check(answer)
    assert verdict.status == "wrong", verdict
    assert verdict.diagnosis[0].kind == kind, verdict
    assert all(f.kind in KINDS and f.message for f in verdict.diagnosis)
    assert verdict.counterexample is not None


@pytest.mark.parametrize(("key", "answer", "kind"), WRONG, ids=lambda v: str(v)[:40])
def test_every_correction_is_correct(key: str, answer: str, kind: str) -> None:
    """Nothing is offered that does not make the answer right."""
    for finding in judge(key).check(answer).diagnosis:
        if finding.answer:
            assert judge(key).check(finding.answer).status == "correct", finding


def _near(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.max(np.abs(a - b)) <= 1e-9 * (1 + np.max(np.abs(b))))


@pytest.mark.parametrize("key", [k for k in PROBLEMS if k not in ("batch",)])
def test_a_slip_of_the_pen_is_found_and_never_called_right(key: str) -> None:
    """One-edit mutants of the right answer: wrong unless they are equal, and explained."""
    j = judge(key)
    formula = j.question.formula
    assert formula is not None
    points = [p for turn in range(6) if (p := j.question.ground.place(turn)) is not None]
    unexplained = 0
    several = [m.term for m in mutants(formula) if m.term is not None][:25]
    for term in several:
        verdict = j.check(str(term))
        expected = [(p.value(term), j.question.expectations(p)) for p in points]
        conventions = range(len(expected[0][1]))
        differs = not any(all(_near(v, right[k][1]) for v, right in expected) for k in conventions)
        assert verdict.status == ("wrong" if differs else "correct"), term
        if differs:
            assert verdict.diagnosis
            unexplained += "no small change" in verdict.diagnosis[0].message
    assert unexplained <= len(several) // 10


@pytest.mark.parametrize(
    ("problem", "wrt", "answer", "says"),
    [
        ("A : n×n; x : n; x'*A*x", "x", "2*A*x", "A is symmetric"),
        ("A : n×n; B : m×m; X : m×n; tr(X*A*X'*B)", "X", "2*B*X*A", "A and B are symmetric"),
        ("x : n; y : n; -sum(y.*log(softmax(x)))", "x", "softmax(x) - y", "the entries of y sum to 1"),
        ("s : c; y : c; p = softmax(s); -log(y'*p)", "s", "-(y./p)'*(diag(p) - p*p')", "y is one-hot"),
        ("X : n×n; logdet(X)", "X", "2*inv(X) - inv(X).*eye(n)", "X is symmetric (independent entries)"),
        ("c : scalar; x : n; norm2(c*x)", "x", "c*x/norm2(x)", "c is positive"),
    ],
)
def test_a_property_that_would_save_the_answer_is_told(problem: str, wrt: str, answer: str, says: str) -> None:
    from matcalc import check

    verdict = check(problem, wrt, answer)
    assert verdict.status == "wrong"
    assert any(f.message == f"would be correct if {says}" or says in f.message for f in verdict.diagnosis), verdict


def test_two_slips_at_once() -> None:
    from matcalc import check

    declare = "W : m×d; x : d; b : m"
    verdict = check("W*x + b", answer="kron(eye(m), x)*vec(W')", declare=declare)
    assert (verdict.status, verdict.diagnosis[0].kind) == ("wrong", "transpose")
    assert "b is missing" in verdict.diagnosis[0].message


def test_the_place_of_a_mistake_is_marked() -> None:
    answer = "2*A'*(A*x + b)"
    span = judge("squares").check(answer).diagnosis[0].span
    assert span is not None
    assert answer[span.start : span.end] == "b"


# ------------------------------------------------------------------------- mistakes as data
def test_every_mistake_has_a_kind_and_a_sentence() -> None:
    own = [s for s in slips() if s.id.startswith("mistake-")]
    assert len(own) > 40
    assert all(s.kind in KINDS and s.says for s in own)
    named = {s.id for s in rule_book().statements if s.group == "mistakes"}
    assert named == {s.id for s in own}
    assert len({(s.meant, s.written) for s in own}) == len(own)


def slipped(rule: Rule) -> Iterator[Term]:
    """The right side of a rule with one slip made in it, where the shapes still fit."""
    form = form_of(rule.rhs)
    seen = {rule.rhs}
    for slip in slips():
        made = replace(slip, meant=slip.written, written=slip.meant)
        for path, here in places(form):
            if any(at(form, path[:k]).op == "d" for k in range(len(path))):
                continue
            for _, _, new in undone(made, here):
                try:
                    term = build(put(form, path, new))
                except MatcalcError:
                    continue
                if term.shape == rule.rhs.shape and term not in seen:
                    seen.add(term)
                    yield term


def test_a_slip_in_a_rule_is_refused_unless_it_makes_an_equal_term() -> None:
    """The mistakes are mutations of the rules as well: what the rule check lets pass is equal by its normal form."""
    book = rule_book()
    made = 0
    unproved = []
    for rule in book.rules:
        facts = {n: frozenset(c.name for c in rule.conditions if n in c.args) for n in rule.metavars}
        samples = samples_of(rule)
        for term in list(slipped(rule))[:25]:
            made += 1
            if check_identity(samples, term)[1] is None and equal(term, rule.rhs, facts) is not True:
                unproved.append((rule.id, str(term)))
    assert made > 3000
    constant = [u for u in unproved if any(w in u[1] for w in ("eye(", "ones(", "zeros(", "commutation("))]
    assert len(unproved) - len(constant) < 40, unproved  # 0 and 1 are their own squares, exp its own derivative, ...


# ------------------------------------------------------------------------------------ forms
FORMS = """2*A'*(A*x - b)
-(A*x - b)'*A
(eye(n) - ones(n)*ones(n)'/n)*x
diag(x)*A'*b./(A'*b)
inv(A'*A)^2*x
exp(-x).^2
norm2(A*x)^3*x
kron(x, b)
1 - x
unvec(vec(A), m, n)*x
-(-x) - (x + x)
x.*(A'*b).*x""".splitlines()


@pytest.mark.parametrize("text", FORMS)
def test_a_form_is_built_into_the_term_it_was_made_from(text: str) -> None:
    problem = parse_problem("A : m×n; x : n; b : m; norm2(A*x - b)^2")
    term = parse_expression(text, problem)
    assert build(form_of(term)) is term
    tree = form_of_tree(parse_tree(text), names_of(problem))
    read = build(tree, lambda node: read_expression(node, text, problem))
    assert read is term
    assert read_expression(tree_of(form_of(term)), text, problem) is term
    assert parse_expression(text_of(form_of(term)), problem) is term
    for path, here in places(tree):
        assert put(tree, path, here) == tree
