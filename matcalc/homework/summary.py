"""The verdict on a derivation from the marks of its lines.

Invariant: the first wrong line speaks; a derivation without a line that was judged is undecided.
"""

from __future__ import annotations

from collections.abc import Sequence

from matcalc.homework.verdict import Judged, Verdict
from matcalc.numeric.certify import Certificate

__all__ = ["summed_up"]


def summed_up(
    results: Sequence[Judged],
    first_wrong: Verdict | None,
    certificates: Sequence[Certificate],
    problem: str,
    notes: tuple[str, ...],
    whole: str,
) -> Verdict:
    """The verdict on all lines."""
    marks = [j.mark for j in results]
    judged = [m for m in marks if m not in ("definition", "remark")]
    status = next((s for s in ("wrong", "unreadable", "undecided") if s in marks), "correct")
    message = ""
    if not judged:
        status, message = "undecided", "there is no line with something to check"
    elif status == "wrong" and judged[-1] in ("right", "right again"):
        message = "the last line is right"
    else:
        message = next((j.message.partition("\n")[0] for j in results if j.mark == status), "")
    line = next((j.number for j in results if j.mark == "wrong"), None)
    up_to = next((j.equal_up_to for j in results if j.equal_up_to is not None), None)
    first = first_wrong if status == "wrong" else None
    findings = next((list(j.findings) for j in results if j.mark == "wrong"), [])
    worst = max(
        certificates,
        key=lambda c: (c.status != "verified", c.worst_error or 0.0),
        default=None,
    )
    return Verdict(
        status,  # type: ignore[arg-type]
        up_to if status == "correct" else None,
        line,
        findings,
        first.counterexample if first is not None else None,
        first.certificate if first is not None else worst,
        message,
        tuple(results),
        notes,
        problem,
        first.asked if first is not None else "",
        whole,
        expected=first.expected if first is not None else "",
    )
