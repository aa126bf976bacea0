"""What was most likely done: a search for the smallest change that makes a wrong answer right.

Stages follow each other from the most telling to the least; the first stage that finds something ends the search, but
for the properties that would save the answer, which are always told.  A change is looked at in one point first and
believed only when it is right at several, of different sizes.

Invariant: every finding with an answer is right at every point that was tried; nothing is offered that does not make
it correct.
"""

from __future__ import annotations

from matcalc.homework.assumptions import is_likely, saving
from matcalc.homework.background import Background
from matcalc.homework.combined import (
    everywhere,
    factor_and_missing,
    misfit_and_more,
    resized,
    summand_exchanged,
    turned_in_statements,
    two_changes,
    two_misfits,
    two_places,
    two_turned,
)
from matcalc.homework.compare import Place
from matcalc.homework.family_slips import in_families
from matcalc.homework.read import Answer
from matcalc.homework.search import MOST_FINDINGS, Search
from matcalc.homework.stages import (
    code,
    dropped_from_the_truth,
    expanded_missing,
    from_the_truth,
    function_left_out,
    left_out,
    other_convention,
    other_factor,
    others,
    slips,
    summand_missing,
    summand_off,
    summand_wrong,
    two_factors,
    whole_factor,
    whole_transpose,
)
from matcalc.homework.verdict import Finding
from matcalc.numeric.evaluate import Array

__all__ = ["diagnosis"]

STAGES = (
    whole_transpose,
    code("transpose"),
    slips("transpose"),
    everywhere("transpose"),
    turned_in_statements,
    whole_factor,
    summand_off,
    code("factor"),
    left_out,
    summand_missing,
    code("sign"),
    slips("sign"),
    other_factor,
    summand_wrong,
    code("order"),
    slips("order"),
    code("hadamard"),
    slips("hadamard"),
    others("hadamard"),
    code("reduction"),
    slips("reduction"),
    slips("other"),
    dropped_from_the_truth,
    others("wrong-point"),
    everywhere("wrong-point"),
    others("reduction"),
    others("factor", "other", "sign"),
    function_left_out,
    in_families,
    expanded_missing,
    from_the_truth,
    other_convention,
    two_turned,
    two_factors,
    factor_and_missing,
    two_changes,
    two_places,
    two_misfits,
    misfit_and_more,
    resized,
    summand_exchanged,
)


def diagnosis(background: Background, answer: Answer, place: Place, value: Array | None) -> list[Finding]:
    """The findings on a wrong answer, the best first; empty where nothing makes it right."""
    s = Search(background, answer, place, value)
    if answer.term is not None:
        s.seen.add(answer.term)
    saved = saving(background.question, background.assumptions, answer.term) if answer.term is not None else []
    for stage in STAGES:
        if stage is summand_wrong and any(is_likely(f) for f in saved):
            break  # a property comes before what changes the answer more
        stage(s)
        if s.findings:
            break
    return [*s.findings[:MOST_FINDINGS], *saved]
