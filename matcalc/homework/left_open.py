"""What a question leaves open: a factor, or the mean for the sum.

Invariant: only what was said to be open is forgiven.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from matcalc.errors import MatcalcError
from matcalc.homework.compare import Place
from matcalc.homework.scalars import ratio
from matcalc.language import terms
from matcalc.language.terms import Term
from matcalc.numeric.sample import CannotSample

if TYPE_CHECKING:
    from matcalc.homework.grade import Judge

__all__ = ["left_open"]


def left_open(judge: Judge, term: Term) -> str | None:
    """Whether the answer is right up to what the question leaves open: a factor, or the mean for the sum."""
    if not judge.strictness.up_to:
        return None
    ratios: list[tuple[Place, float]] = []
    for turn in range(5):
        try:
            place = judge.question.ground.place(turn)
            if place is None:
                continue
            c = ratio(judge.question.expectations(place)[0][1], place.value(term))
        except (CannotSample, MatcalcError):
            return None
        if c is None or abs(c) < 1e-9:
            return None
        ratios.append((place, c))
    named = judge.background.scalars.named(ratios)
    if named is None:
        return None
    if "mean" in judge.strictness.up_to and _is_count(named):
        return "mean instead of sum" if named.op != "div" else "sum instead of mean"
    only_numbers = not named.free and not any(s.op == "size" for s in terms.subterms(named))
    return f"the factor {named}" if "factor" in judge.strictness.up_to and only_numbers else None


def _is_count(t: Term) -> bool:
    """Whether a term is a product of sizes, or one divided by such a product."""
    if t.op == "div":
        return t.args[0] is terms.number(1) and _is_count(t.args[1])
    return t.op == "size" or (t.op == "mul" and all(_is_count(a) for a in t.args))
