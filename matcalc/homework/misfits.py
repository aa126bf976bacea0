"""Answers whose shapes do not fit, and answers that are a shape.

Shapes that do not fit are wrong where a small change is right; else there is nothing to judge, and the answer is
unreadable with the reason.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from matcalc.errors import MatcalcError
from matcalc.homework.counterexample import clash
from matcalc.homework.diagnose import diagnosis
from matcalc.homework.meaning import unreadable
from matcalc.homework.read import Answer
from matcalc.homework.spreading import spread_answer
from matcalc.homework.verdict import Counterexample, Finding, Verdict
from matcalc.numeric.sample import CannotSample

if TYPE_CHECKING:
    from matcalc.homework.grade import Judge

__all__ = ["ill_shaped", "shape_only"]


def ill_shaped(judge: Judge, answer: Answer) -> Verdict:
    """Shapes that do not fit: wrong where a small change is right, else there is nothing to judge."""
    assert answer.error is not None
    reason = unreadable(answer.error)
    findings: list[Finding] = []
    if not judge.explains:
        return judge.verdict("unreadable", answer.text, message=reason)
    try:
        place = next((p for t in range(3) if (p := judge.question.ground.place(t)) is not None), None)
        if place is not None:
            judge.question.expectations(place)
            findings = diagnosis(judge.background, answer, place, None)
    except (CannotSample, MatcalcError):
        pass
    shape = Finding("shape", answer.error.message + (f": {answer.error.label}" if answer.error.label else ""))
    meant = spread_answer(answer) if not findings or "ones(" in findings[0].message else None
    if meant is not None:
        return spread(judge, answer, meant, shape, reason)
    if not findings:
        return judge.verdict(
            "unreadable", answer.text, message=reason, diagnosis=[shape], counterexample=clash(answer.error)
        )
    shape = replace(shape, span=answer.error.span)
    return judge.verdict(
        "wrong",
        answer.text,
        message=reason,
        diagnosis=[*findings, shape],
        counterexample=clash(answer.error),
        notes=answer.notes,
    )


def spread(judge: Judge, answer: Answer, meant: Answer, shape: Finding, reason: str) -> Verdict:
    """A number added to a vector is no statement: what it may mean is told, and is not held against it."""
    assert answer.error is not None
    verdict = judge.judge(meant)
    hint = [f for f in verdict.diagnosis if f.answer and f.kind != "shape"]
    if verdict.status == "correct":
        text = str(meant.term)
        hint = [Finding("shape", f"would be correct if written {text}: a number is added to every entry", text)]
    return judge.verdict(
        "unreadable",
        answer.text,
        message=reason,
        diagnosis=[*hint, shape],
        counterexample=clash(answer.error),
    )


def shape_only(judge: Judge, text: str, given: tuple[str, str]) -> Verdict:
    """An answer that is a shape: ``m×n``."""
    wanted = judge.question.shape
    right = (str(wanted.rows), str(wanted.cols))
    if given == right:
        return judge.verdict("correct", text)
    if given == right[::-1] and judge.strictness.forgives("transpose"):
        return judge.verdict("correct", text, equal_up_to="transpose")
    row = 1 in (wanted.rows.value, wanted.cols.value) and given[0] == "1"
    shown = wanted.transposed if row else wanted
    finding = Finding("shape", f"would be correct if written {shown}", str(shown))
    return judge.verdict(
        "wrong", text, diagnosis=[finding], counterexample=Counterexample(shapes=("×".join(given), str(shown)))
    )
