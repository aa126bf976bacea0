"""Random problems through the whole derivation, against automatic differentiation. No wrong answer is allowed.

Refusals are counted; the end of the test run lists their reasons.  A longer run is
``python -m tests.fuzz --count 20000 --seed 1``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
import re
import warnings
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from matcalc.calculus.derive import Derivation, derive
from matcalc.calculus.methods import METHODS
from matcalc.calculus.moves import READINGS
from matcalc.errors import CannotDerive, ShapeError
from matcalc.language.elaborate import parse_problem
from matcalc.language.ops import OPS
from matcalc.language.terms import Term, add, mul, neg, number, ones, replace, subterms, transpose
from matcalc.rewriting.normal import equal, normal_form
from matcalc.rewriting.present import present
from matcalc.rewriting.steps import Step
from tests.fuzz.check import Outcome, Point, check, compare, points, with_names
from tests.fuzz.growth import PRODUCED, SIZES
from tests.fuzz.problems import Case, expanded, make_case, random_case
from tests.fuzz.reference import value
from tests.fuzz.run import REGRESSIONS, run
from tests.fuzz.summary import properties
from tests.fuzz.whole import check_whole
from tests.random_terms import random_shape, random_term, values_for

SEED = 0
CHUNK = 100
CHUNKS = 24  # of these one problem in eight has a vector or a matrix as its objective
REFUSED = 0.15  # a larger share would say little about the rest


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_answer_is_wrong(chunk: int, record_property: Any) -> None:
    tally = run(SEED, range(chunk * CHUNK, (chunk + 1) * CHUNK))
    record_property("fuzz", properties(tally))
    assert not tally.failures, "\n\n".join(tally.failures)
    assert tally.counts["refused"] <= REFUSED * CHUNK, tally.reasons


def test_at_least_two_thousand_scalar_problems() -> None:
    assert CHUNK * CHUNKS * 7 // 8 >= 2000


# ------------------------------------------------------------------ the problems
def test_every_operation_is_fuzzed() -> None:
    not_asked = {"elem", "sumover", "prod", "stack", "stop"}  # binders, and what autograd knows nothing of
    in_answers = {"grad", "jac", "hess", "d"}
    assert PRODUCED | not_asked | in_answers == OPS.keys()
    seen: Counter[str] = Counter()
    for i in range(1500):
        stack = [random_case(f"{SEED}:{i}").problem.objective]
        while stack:
            t = stack.pop()
            seen[t.op] += 1
            stack.extend(t.args)
    assert seen.keys() >= PRODUCED


def test_the_same_seed_gives_the_same_problem() -> None:
    a, b = random_case("5:17"), random_case("5:17")
    assert a == b


def test_the_truth_is_the_slope_of_the_problem() -> None:
    """Automatic differentiation against central differences, in a random direction."""
    compared = 0
    for i in range(60):
        case = dataclasses.replace(random_case(f"slope:{i}"), convention="projected")
        if any(t.op == "stop" for t in subterms(case.problem.objective)):
            continue  # differences see through a stopped derivative
        for point in points(case, 1):
            x = point.values[case.wrt]
            step = 1e-5 * _in_structure(np.random.default_rng(i).standard_normal(x.shape), case.structure)
            ends = [value(case.problem.objective, {**point.values, case.wrt: x + s * step}, SIZES) for s in (1, -1)]
            slope = (ends[0] - ends[1]).item() / 2
            assert abs(slope - np.sum(point.truth * step)) <= 1e-5 * abs(slope) + 1e-10
            compared += 1
    assert compared > 40


def test_a_wrong_answer_would_be_seen() -> None:
    seen = 0
    for i in range(80):
        case = random_case(f"seen:{i}")
        used = points(case)
        if not used or max(float(np.max(np.abs(p.truth))) for p in used) < 1e-3:
            continue
        right = derive(case.problem, structure=case.convention).answer
        assert not compare(right, used)
        wrong = [neg(right), mul(number(Fraction(1001, 1000)), right), add(right, ones(*right.shape))]
        if right.shape.is_square and not case.structure and not np.allclose(used[0].truth, used[0].truth.T):
            wrong.append(transpose(right))
        assert all(compare(w, used) for w in wrong), case.program
        seen += 1
    assert seen > 50


def _in_structure(x: Any, structure: str) -> Any:
    if structure == "diagonal":
        return np.diag(np.diag(x))
    sign = {"symmetric": 1, "skew": -1}.get(structure)
    return x if sign is None else (x + sign * x.T) / 2


# ------------------------------------------------------------------- regressions
def regressions() -> list[str]:
    blocks = REGRESSIONS.read_text(encoding="utf-8").split("\n\n")
    return [b.strip() for b in blocks if any(line and not line.startswith("#") for line in b.splitlines())]


@pytest.mark.parametrize("examine", [check, check_whole])
@pytest.mark.parametrize("text", regressions(), ids=lambda t: t.splitlines()[-2][:60])
def test_what_went_wrong_once_is_right_now(text: str, examine: Callable[[Case], Outcome]) -> None:
    problem = parse_problem(text)
    asked = re.search(r"^# asked: ([12]) (\w+)$", text, re.MULTILINE)
    order, convention = (int(asked[1]), asked[2]) if asked else (1, "projected")
    body, by = expanded(problem), problem.wrt[0]
    case = make_case(text[:40], body, by, problem.symbols, problem.functions, {}, order, convention)
    outcome = examine(dataclasses.replace(case, program=text))
    assert outcome.status in ("right", "refused"), outcome


# ------------------------------------------------------------ everything a user meets
@pytest.mark.parametrize("chunk", range(3))
def test_certificate_reports_and_code(chunk: int, record_property: Any) -> None:
    tally = run(3, range(chunk * 50, (chunk + 1) * 50), examine=check_whole)
    record_property("fuzz", properties(tally))
    assert not tally.failures, "\n\n".join(tally.failures)


# --------------------------------------------------------------------- the methods
@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_reaches_the_same_derivative(method: str, record_property: Any) -> None:
    tally = run(1, range(100), kind="scalar", examine=lambda case: check(case, method))
    record_property("fuzz", properties(tally))
    assert not tally.failures, "\n\n".join(tally.failures)


def test_the_methods_reach_the_same_normal_form() -> None:
    """Decided by the normal form in nearly all problems; never decided otherwise."""
    decided = asked = 0
    for i in range(80):
        case = random_case(f"methods:{i}", "scalar")
        try:
            answers = [derive(case.problem, method=m, structure=case.convention).answer for m in sorted(METHODS)]
        except CannotDerive:
            continue
        for other in answers[1:]:
            verdict = equal(answers[0], other, case.problem.facts)
            assert verdict is not False, case.program
            asked += 1
            decided += verdict is True
    assert asked > 120
    assert decided >= 0.9 * asked, f"{decided} of {asked}"


# ----------------------------------------------------------------------- the steps
def _steps(derivation: Derivation) -> list[Step]:
    return [s for top in derivation.steps for s in top.walk()]


def _same_value(step: Step, point: Point, case: Case) -> bool:
    """Whether a line has the value of the line above it: of the same kind only, a form in d(X) or a gradient."""
    before, after = step.before, step.after
    if step.rule in READINGS or before.tangent != after.tangent or before.shape != after.shape:
        return True  # a reading changes the question
    values = dict(point.values)
    x = values[case.wrt]
    values[f"d({case.wrt})"] = _in_structure(np.random.default_rng(3).standard_normal(x.shape), case.structure)
    try:
        a, b = value(before, values, SIZES), value(after, values, SIZES)
    except KeyError:  # the differential of a definition, which has no value of its own here
        return True
    scale = max(1e-3, float(np.max(np.abs(a), initial=0)), float(np.max(np.abs(b), initial=0)))
    return float(np.max(np.abs(a - b), initial=0)) <= 1e-6 * scale


def _examine_steps(case: Case) -> Outcome:
    def wrong_steps(derivation: Derivation, used: list[Point]) -> str:
        places = [with_names(derivation, p) for p in used]
        bad = [s for s in _steps(derivation) for p in places if not _same_value(s, p, case)]
        return "\n".join(f"{s.rule}: {s.before} is not {s.after}" for s in bad[:3])

    return check(case, also=wrong_steps)


def test_every_line_has_the_value_of_the_line_above(record_property: Any) -> None:
    tally = run(2, range(100), examine=_examine_steps)
    record_property("fuzz", properties(tally))
    assert not tally.failures, "\n\n".join(tally.failures)


# ------------------------------------------------ the normal form and what is printed
def _value_of(t: Term, seed: int) -> tuple[Any, Any]:
    values, sizes = values_for(t, random.Random(seed))
    return values, sizes


@pytest.mark.parametrize("chunk", range(4))
def test_normal_form_and_presentation_keep_the_value_and_are_idempotent(chunk: int) -> None:
    for i in range(chunk * 75, (chunk + 1) * 75):
        rng = random.Random(f"present:{i}")
        t = random_term(rng, random_shape(rng), depth=rng.choice((2, 3, 4)))
        normal = normal_form(t, {})
        shown, _ = present(t, {}, (), ())
        again, _ = present(shown, {}, (), ())
        assert normal_form(normal, {}) is normal, t
        assert again is shown, f"{t} is shown as {shown}, and that as {again}"
        values, sizes = values_for(t, random.Random(i))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole, *others = (value(x, values, sizes) for x in (t, normal, shown))
        scale = float(np.max(np.abs(whole), initial=0))
        if not 1e-6 < scale < 1e6:  # nothing can be told where it overflows or vanishes
            continue
        for name, other in zip(("normal form", "presentation"), others, strict=True):
            assert float(np.max(np.abs(whole - other))) <= 1e-6 * scale, f"{name} of {t}"


def _mutants(t: Term, rng: random.Random) -> list[Term]:
    """The term with one subterm replaced by something else of its shape."""
    out = []
    for s in rng.sample(list(subterms(t)), min(6, sum(1 for _ in subterms(t)))):
        others = [neg(s), mul(number(2), s), *(a for a in s.args if a.shape == s.shape)]
        if s.shape.is_square and not s.is_scalar:
            others.append(transpose(s))
        if s.op == "mul" and len({a.shape for a in s.args}) == 1:
            others.append(mul(*reversed(s.args)))
        if s.op == "num":
            others.append(number(s.data + 1))
        with contextlib.suppress(ShapeError):
            out.append(replace(t, {s: rng.choice(others)}))
    return out


@pytest.mark.parametrize("chunk", range(2))
def test_only_equal_terms_are_called_equal(chunk: int) -> None:
    called_equal = 0
    for i in range(chunk * 100, (chunk + 1) * 100):
        rng = random.Random(f"equal:{i}")
        t = random_term(rng, random_shape(rng), depth=rng.choice((2, 3, 4)))
        for other in _mutants(t, rng):
            if equal(t, other, {}) is not True:
                continue
            called_equal += 1
            values, sizes = values_for([t, other], random.Random(i))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                a, b = value(t, values, sizes), value(other, values, sizes)
            scale = float(np.max(np.abs(a), initial=0))
            if 1e-6 < scale < 1e6 and np.all(np.isfinite(b)):
                assert float(np.max(np.abs(a - b))) <= 1e-6 * scale, f"{t} is not {other}"
    assert called_equal > 10  # a sign under an even function, a transpose of something symmetric
