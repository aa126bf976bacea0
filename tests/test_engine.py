"""The engine: rules applied in both directions, conditions, and steps that can be done again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from matcalc.language.terms import (
    Term,
    add,
    differential,
    eye,
    fn,
    had,
    inner,
    make,
    mul,
    neg,
    number,
    size,
    sub,
    symbol,
    transpose,
)
from matcalc.rewriting import rules as rule_language
from matcalc.rewriting.engine import CONDITIONS, Setting, apply, by_head, decide, head, rewrite
from matcalc.rewriting.matching import Bindings
from matcalc.rewriting.replay import BrokenStep, check_chain, replay
from matcalc.rewriting.rules import Condition, rule_book
from matcalc.rewriting.steps import Step

BOOK = rule_book()
A = symbol("A", "m", "n")
B = symbol("B", "n", "k")
C = symbol("C", "m", "k")
N = symbol("N", "n", "n")
S = symbol("S", "n", "n")
x = symbol("x", "n")
b = symbol("b", "m")
c = symbol("c")
VARIES = Setting(varying=frozenset("x"))


def results(
    rule: str, term: Term, setting: Setting | None = None, direction: int = 1, within: bool = False
) -> list[Term]:
    return [new for new, _ in apply(BOOK[rule], term, setting, direction, within=within)]


def test_a_rule_applies_left_to_right() -> None:
    assert results("transpose-product", transpose(mul(A, B))) == [mul(transpose(B), transpose(A))]


def test_a_rule_applies_right_to_left() -> None:
    assert results("transpose-product", mul(transpose(B), transpose(A)), direction=-1) == [transpose(mul(A, B))]


def test_every_split_of_a_product_is_a_result() -> None:
    D = symbol("D", "k", "k")
    found = results("d-product", differential(mul(A, B, D)))
    assert found == [
        add(mul(differential(A), B, D), mul(A, differential(mul(B, D)))),
        add(mul(differential(mul(A, B)), D), mul(A, B, differential(D))),
    ]


def test_a_rule_does_not_apply_where_a_condition_is_not_known() -> None:
    assert results("transpose-symmetric", transpose(S)) == []
    assert results("transpose-symmetric", transpose(S), Setting({"S": frozenset(["symmetric"])})) == [S]


def test_constants_are_what_does_not_vary() -> None:
    assert results("d-constant", differential(b), VARIES) != []
    assert results("d-constant", differential(x), VARIES) == []
    assert results("d-left", differential(mul(A, x)), VARIES) == [mul(A, differential(x))]
    assert results("d-left", differential(mul(A, x)), Setting(varying=frozenset(("A", "x")))) == []


def test_a_rule_may_replace_a_part_of_a_product() -> None:
    long = mul(A, N, make("inv", N), B)
    assert results("inverse-cancel", long, Setting()) == []
    (found,) = set(results("inverse-cancel", long, Setting(), within=True))
    assert found is mul(A, eye("n"), B)


def test_a_rule_may_replace_a_part_of_a_sum() -> None:
    E = symbol("E", "m", "k")
    D = symbol("D", "n", "k")
    found = results("factor-left", add(mul(A, B), E, mul(A, D)), within=True)
    assert any(set(f.args) == {mul(A, add(B, D)), E} for f in found)


def test_a_rule_without_the_metavariables_of_its_other_side_does_not_apply_backwards() -> None:
    for rule in BOOK.rules:
        if not rule.lhs.free <= rule.rhs.free:
            assert list(apply(rule, rule.rhs, Setting(), -1)) == [], rule.id


@pytest.mark.parametrize("rule", BOOK.rules, ids=lambda r: r.id)
def test_every_rule_applies_to_its_own_left_side(rule: rule_language.Rule) -> None:
    """The identity as it stands is one way of applying it, where its conditions are granted."""
    plain = replace(rule, conditions=(), metavars={n: k.replace("tangent", "matrix") for n, k in rule.metavars.items()})
    assert any(new is rule.rhs for new, _ in apply(plain, rule.lhs, Setting()))


def test_rules_are_filed_under_their_heads() -> None:
    table = by_head(BOOK.rules)
    assert BOOK["d-det"] in table["d", "det"]
    assert BOOK["adjoint-trace"] in table["inner", "tr"]
    assert all(head(r.lhs) == h and not r.false for h, found in table.items() for r in found)


# ------------------------------------------------------------------- conditions
def test_every_condition_of_the_language_is_decided() -> None:
    assert CONDITIONS.keys() == rule_language.CONDITIONS.keys()


KNOWN = Setting(
    {
        "S": frozenset(["symmetric"]),
        "P": frozenset(["posdef"]),
        "Q": frozenset(["orthogonal"]),
        "D": frozenset(["diagonal"]),
        "K": frozenset(["skew"]),
        "V": frozenset(["invertible"]),
        "t": frozenset(["positive"]),
    },
    frozenset("x"),
)
P, Q, D, K, V = (symbol(name, "n", "n") for name in "PQDKV")
t = symbol("t")


@pytest.mark.parametrize(
    ("condition", "term", "expected"),
    [
        ("square", N, True),
        ("square", A, False),
        ("scalar", mul(transpose(x), x), True),
        ("scalar", x, False),
        ("vector", x, True),
        ("vector", A, False),
        ("vector", c, False),
        ("row", transpose(x), True),
        ("row", x, False),
        ("symmetric", S, True),
        ("symmetric", P, True),
        ("symmetric", add(N, transpose(N)), True),
        ("symmetric", mul(A, S, transpose(A)), True),
        ("symmetric", make("inv", S), True),
        ("symmetric", N, None),
        ("symmetric", A, False),
        ("skew", K, True),
        ("skew", sub(N, transpose(N)), True),
        ("skew", S, None),
        ("diagonal", make("diag", x), True),
        ("diagonal", D, True),
        ("diagonal", add(D, eye("n")), True),
        ("diagonal", N, None),
        ("orthogonal", Q, True),
        ("orthogonal", mul(Q, transpose(Q)), True),
        ("orthogonal", add(Q, Q), None),
        ("orthogonal", A, False),
        ("posdef", P, True),
        ("posdef", add(P, eye("n")), True),
        ("posdef", S, None),
        ("invertible", V, True),
        ("invertible", P, True),
        ("invertible", make("inv", N), True),
        ("invertible", N, None),
        ("invertible", A, False),
        ("positive", t, True),
        ("positive", fn("exp", x), True),
        ("positive", size("n"), True),
        ("positive", number(0), None),
        ("positive", neg(number(1)), None),
        ("positive", mul(number(2), t), True),
        ("positive", c, None),
        ("nonzero", number(2), True),
        ("nonzero", neg(t), True),
        ("nonzero", number(0), False),
        ("nonzero", c, None),
        ("nonzero", make("det", V), True),
        ("integer", number(3), True),
        ("integer", sub(size("n"), number(1)), True),
        ("integer", c, None),
        ("constant", b, True),
        ("constant", mul(A, x), False),
        ("constant", differential(b), False),
    ],
    ids=lambda v: str(v),
)
def test_conditions_have_three_values(condition: str, term: Term, expected: bool | None) -> None:
    assert decide(Condition(condition, ("X",)), Bindings({"X": term}), KNOWN) is expected


# ------------------------------------------------------------------------ replay
def a_step() -> Step:
    line = add(mul(transpose(mul(A, B)), C), eye("k"))
    made = rewrite(BOOK["transpose-product"], line, (0, 0))
    assert made is not None
    return made


def test_a_step_can_be_done_again() -> None:
    made = a_step()
    assert made.after is add(mul(transpose(B), transpose(A), C), eye("k"))
    assert replay(made, BOOK, Setting()) is made.after


@pytest.mark.parametrize(
    "change",
    [
        {"after": add(mul(transpose(B), transpose(A), C), neg(eye("k")))},
        {"path": (0, 1)},
        {"rule": "transpose-sum"},
        {"rule": "no-such-rule"},
        {"direction": -1},
        {"bindings": {"A": A, "B": symbol("Z", "n", "k")}},
    ],
)
def test_a_forged_step_is_broken(change: dict[str, object]) -> None:
    with pytest.raises(BrokenStep):
        replay(replace(a_step(), **change), BOOK, Setting())  # type: ignore[arg-type]


def test_a_step_whose_condition_does_not_hold_is_broken() -> None:
    known = Setting({"S": frozenset(["symmetric"])})
    made = rewrite(BOOK["transpose-symmetric"], transpose(S), (), known)
    assert made is not None
    assert replay(made, BOOK, known) is S
    with pytest.raises(BrokenStep):
        replay(made, BOOK, Setting())


def test_substeps_must_lead_from_the_first_to_the_last_line() -> None:
    made = a_step()
    whole = Step("group", made.before, made.after, "", substeps=(made,))
    assert replay(whole, BOOK, Setting()) is made.after
    for broken in (
        replace(whole, before=made.after),
        replace(whole, after=made.before),
        replace(whole, substeps=(made, made)),
    ):
        with pytest.raises(BrokenStep):
            replay(broken, BOOK, Setting())


def test_a_chain_has_no_gaps() -> None:
    made = a_step()
    check_chain([made])
    with pytest.raises(BrokenStep):
        check_chain([made, made])


def test_a_presentation_step_is_an_equation_of_normal_forms() -> None:
    twice = Step("collect-terms", add(A, A), mul(number(2), A), "collect like terms")
    assert replay(twice, BOOK, Setting()) is twice.after
    with pytest.raises(BrokenStep):
        replay(replace(twice, after=mul(number(3), A)), BOOK, Setting())


def test_functions_in_bindings_are_replayed() -> None:
    line = differential(fn("phi", A))
    made = rewrite(BOOK["d-function"], line, (), Setting(varying=frozenset("A")))
    assert made is not None
    assert made.after is had(fn("phi", A, 1), differential(A))
    assert replay(made, BOOK, Setting()) is made.after


def test_an_adjoint_rule_is_a_rule_like_any_other() -> None:
    line = inner(c, make("tr", mul(N, differential(S))))
    made = rewrite(BOOK["adjoint-trace"], line)
    assert made is not None
    assert made.after is inner(mul(c, eye("n")), mul(N, differential(S)))
