"""The answers of the examiner: verdict, convention and first finding of every one of them."""

from __future__ import annotations

from functools import cache

import pytest

from matcalc.homework.check import checked_text
from matcalc.homework.grade import Judge
from matcalc.homework.verdict import Verdict
from matcalc.language.elaborate import parse_problem
from tests.examiner import ANSWERS, PROBLEMS


@cache
def judge(key: str) -> Judge:
    """One judge for each problem, as for a class."""
    text, wrt, options = PROBLEMS[key]
    return Judge.of(parse_problem(text, None, [wrt]), wrt, **options)


def outcome(verdict: Verdict) -> str:
    """The verdict in the words of the table."""
    if verdict.status == "correct":
        return "" if verdict.equal_up_to is None else f"= {verdict.equal_up_to}"
    if verdict.status == "unreadable":
        return "?"
    if verdict.status == "undecided":
        return "~"
    return verdict.diagnosis[0].kind


@pytest.mark.parametrize("key", PROBLEMS)
def test_the_examiner_agrees(key: str) -> None:
    wrong = []
    for answer, said in [(a, s) for k, a, s in ANSWERS if k == key]:
        verdict = checked_text(judge(key), answer)
        found = outcome(verdict)
        if found not in said.split("|"):
            wrong.append((answer, said, found, [f.message for f in verdict.diagnosis]))
        offered = [
            f for f in verdict.diagnosis if verdict.status == "wrong" and f.message.startswith("would be correct")
        ]
        for finding in offered[:1]:
            if finding.answer:  # what is offered is right indeed
                again = checked_text(judge(key), finding.answer)
                assert again.status == "correct", (answer, finding, again.message)
    assert not wrong


def test_every_problem_has_answers() -> None:
    assert {k for k, _, _ in ANSWERS} == set(PROBLEMS)
    assert len(set(ANSWERS)) == len(ANSWERS)
