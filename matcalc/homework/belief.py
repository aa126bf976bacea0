"""What is said of a line of a document, and when a finding is believed.

Many things differ only because a name means something else here, a matrix is symmetric, a gradient is a row: a line is
called wrong only where a single slip explains it and nothing of that kind may.

Invariant: what is not believed is "not understood".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from matcalc.homework.passage import Passage
from matcalc.homework.readings import Way
from matcalc.homework.verdict import Finding, Judged

__all__ = ["DIFFERS", "Found", "believable", "found_of"]

DIFFERS = "this differs"
MARKS = {"right": "fine", "right again": "fine", "wrong": "wrong", "follows": "follows", "definition": "definition"}
ELSEWHERE = ("wrong-point", "symmetric")  # findings that may only mean that a name means something else here
OPEN = (*ELSEWHERE, "extra-term", "other")  # the same where not everything is defined
OPEN_REPAIRS = (*ELSEWHERE, "extra-term")
MEANT = re.compile(r": (\w+) is meant, not (\w+)")  # one name for another
PROPERTY = re.compile(r"if (\w+(?:(?:, | and )\w+)*) (?:is|are) (symmetric|skew|diagonal|orthogonal)")
SAYING = {
    "symmetric": re.compile(
        r"symmetr|covarianc|positive.{0,6}definite|kernel|Gram\b|precision|Hessian|Laplacian", re.I
    ),
    "skew": re.compile(r"skew|antisymmetr", re.I),
    "diagonal": re.compile(r"diagonal", re.I),
    "orthogonal": re.compile(r"orthogonal|orthonormal|unitary|rotation", re.I),
}
ONE_HOT = re.compile(r"sum to 1|one-hot")
ONE_HOT_SAID = re.compile(r"one-hot|one hot|sums? to (?:one|1|\$1\$)|label|class|distribution|probabilit|categor", re.I)
SYMMETRIC = frozenset("Sigma Lambda Omega K".split())  # letters of covariances, precisions and kernels


@dataclass(frozen=True, slots=True)
class Found:
    """One line of the document. ``mark``: fine, wrong, follows, definition or not understood."""

    number: int
    text: str
    mark: str
    message: str = ""
    correction: str = ""
    equal_up_to: str | None = None

    def as_data(self) -> dict[str, Any]:
        """The line for JSON."""
        return {
            "line": self.number,
            "text": self.text,
            "mark": self.mark,
            "message": self.message,
            "correction": self.correction,
            "equal_up_to": self.equal_up_to,
        }


def found_of(text: str, j: Judged, sure: bool, passage: Passage, way: Way) -> Found:
    """What is said of a line. ``sure``: no function in it had to be taken for a scalar one."""
    mark = MARKS.get(j.mark, "not understood")
    first = j.findings[0] if j.findings else None
    saved = next((f for f in j.findings if not f.answer and f.message.startswith("would be correct if")), None)
    one_hot = saved is not None and ONE_HOT.search(saved.message) and ONE_HOT_SAID.search(text)
    if j.mark in ("wrong", "undecided") and saved is not None and one_hot:
        return Found(j.number, j.text, "fine", equal_up_to=saved.message.removeprefix("would be correct "))
    if mark == "wrong" and (not sure or first is None or not _is_believed(first, j, passage, way)):
        return Found(j.number, j.text, "not understood", f"{DIFFERS}, but perhaps names are meant otherwise")
    if mark == "wrong" and saved is not None and _is_likely(saved.message, text):
        return Found(j.number, j.text, "not understood", saved.message)
    message = (
        first.message if first is not None and mark == "wrong" else j.message.partition("\n")[0].removeprefix("error: ")
    )
    answer = first.answer if first is not None and mark == "wrong" else ""
    message, answer = _as_written(message, passage, way), _as_written(answer, passage, way)
    return Found(j.number, j.text, mark, message, answer, j.equal_up_to)


def _as_written(text: str, passage: Passage, way: Way) -> str:
    """A text with losses and members by the names that the document has for them."""
    for loss, tops in passage.losses.items():
        arguments = ", ".join(tops)
        for k, top in enumerate(tops, 1):
            gradient = f"grad_{k}(loss)({arguments})" if len(tops) > 1 else f"grad(loss, {top})"
            text = text.replace(gradient, f"grad({loss}, {top})")
    if way.members is not None:
        text = way.members.shown(text)
    for name, body in way.losses.items():
        text = text.replace(body, name)
    for name, meaning in way.names.items():
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", meaning, text)
    return text


def _is_believed(finding: Finding, j: Judged, passage: Passage, way: Way) -> bool:
    """Whether a finding tells a misprint, and not only that something means something else here."""
    match = MEANT.search(finding.message) if finding.kind in ("wrong-point", "other") else None
    if match is not None and not match[2].isdigit():
        return {match[1], match[2]} <= passage.names
    return finding.kind not in (ELSEWHERE if passage.settled else OPEN)


def _is_likely(message: str, text: str) -> bool:
    """Whether a property that would save a line may well be meant: the document speaks of it, or the letter is one that
    usually has it. Of what is not about matrices (positive, sums to 1), always."""
    match = PROPERTY.search(message)
    if match is None:
        return True
    names = match[1].replace(" and ", ", ").split(", ")
    usual = any(n.rstrip("0123456789").rpartition("_")[0] in SYMMETRIC or n in SYMMETRIC for n in names)
    return usual or SAYING[match[2]].search(text) is not None


def believable(kind: str, passage: Passage) -> bool:
    """Whether a change of a kind tells a misprint in a passage."""
    return kind not in (ELSEWHERE if passage.settled else OPEN_REPAIRS)
