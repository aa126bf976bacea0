"""What is said about an answer or a derivation: the verdict, its findings and its counterexample.

Invariants: a verdict is data, nothing is computed from it; ``wrong`` means that values differ (or that the shapes of
the answer do not fit and a small change makes it right), never that something could not be read or decided; findings
are the best first, and each of them makes the answer correct.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from matcalc.errors import Span

__all__ = ["KINDS", "MARKS", "Counterexample", "Finding", "Judged", "Status", "Verdict"]

Status = Literal["correct", "wrong", "undecided", "unreadable"]
Mark = Literal["right", "wrong", "follows", "right again", "definition", "remark", "unreadable", "undecided"]

KINDS = (
    "transpose",
    "order",
    "factor",
    "sign",
    "missing-term",
    "extra-term",
    "shape",
    "layout",
    "hadamard",
    "symmetric",
    "reduction",
    "missing-path",
    "wrong-point",
    "other",
)
MARKS: tuple[Mark, ...] = (
    "right",
    "wrong",
    "follows",
    "right again",
    "definition",
    "remark",
    "unreadable",
    "undecided",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One explanation of what is wrong. ``answer`` is the text that would be correct, where there is one."""

    kind: str
    message: str
    answer: str = ""
    span: Span | None = None  # what is to blame, in the text of the answer

    def as_data(self) -> dict[str, Any]:
        """The finding for JSON."""
        place = list(self.span) if self.span is not None else None
        return {"kind": self.kind, "message": self.message, "answer": self.answer, "span": place}


@dataclass(frozen=True, slots=True)
class Counterexample:
    """Numbers at which an answer is not what it should be, or the two shapes where already these differ."""

    values: Mapping[str, Any] = field(default_factory=dict)  # of the symbols: two-dimensional arrays
    sizes: Mapping[str, int] = field(default_factory=dict)
    expected: Any = None
    given: Any = None
    entry: tuple[int, int] | None = None  # where they differ most, counted from 1
    shapes: tuple[str, str] | None = None  # of the answer and of what it should be

    def as_data(self) -> dict[str, Any]:
        """The counterexample for JSON."""
        return {
            "values": {name: _listed(v) for name, v in self.values.items()},
            "sizes": dict(self.sizes),
            "expected": _listed(self.expected),
            "given": _listed(self.given),
            "entry": list(self.entry) if self.entry is not None else None,
            "shapes": list(self.shapes) if self.shapes is not None else None,
        }


def _listed(value: Any) -> Any:
    """Arrays as nested lists, families as mappings with text for keys."""
    if isinstance(value, Mapping):
        return {str(k): _listed(v) for k, v in value.items()}
    return value.tolist() if hasattr(value, "tolist") else value


@dataclass(frozen=True, slots=True)
class Judged:
    """One statement of a derivation and what is said about it. ``number`` is its line in the text, counted from 1."""

    number: int
    text: str
    mark: Mark
    message: str = ""
    equal_up_to: str | None = None
    findings: tuple[Finding, ...] = ()
    span: Span | None = None  # the part of the text that is to blame

    def as_data(self) -> dict[str, Any]:
        """The line for JSON."""
        return {
            "line": self.number,
            "text": self.text,
            "mark": self.mark,
            "message": self.message,
            "equal_up_to": self.equal_up_to,
            "diagnosis": [f.as_data() for f in self.findings],
            "span": list(self.span) if self.span is not None else None,
        }


@dataclass(frozen=True)
class Verdict:
    """The verdict on an answer or on the lines of a derivation.

    ``equal_up_to`` names the convention under which a correct answer is right; ``line`` is the first wrong line (None
    for a single answer and where none is wrong); ``message`` says why an answer is unreadable or undecided.
    """

    status: Status
    equal_up_to: str | None = None
    line: int | None = None
    diagnosis: list[Finding] = field(default_factory=list)
    counterexample: Counterexample | None = None
    certificate: Any = None
    message: str = ""
    lines: tuple[Judged, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""
    asked: str = ""  # what the answer is to: "grad(f, x)"
    answer: str = ""  # as it was given
    read_as: str = ""  # as it was understood, in the notation of the language
    expected: str = ""  # the right answer as a formula, where one was derived

    @property
    def correct(self) -> bool:
        return self.status == "correct"

    def as_data(self) -> dict[str, Any]:
        """The verdict for JSON."""
        c = self.certificate
        certificate = None
        if c is not None:
            certificate = {
                "status": c.status,
                "method": c.method,
                "worst_error": c.worst_error if c.worst_error is None or c.worst_error < float("inf") else None,
                "points": c.points,
                "shapes": [dict(s) for s in c.shapes],
                "seed": c.seed,
                "notes": list(c.notes),
            }
        return {
            "status": self.status,
            "equal_up_to": self.equal_up_to,
            "line": self.line,
            "diagnosis": [f.as_data() for f in self.diagnosis],
            "counterexample": self.counterexample.as_data() if self.counterexample is not None else None,
            "certificate": certificate,
            "message": self.message,
            "lines": [j.as_data() for j in self.lines],
            "notes": list(self.notes),
            "problem": self.problem,
            "asked": self.asked,
            "answer": self.answer,
            "read_as": self.read_as,
            "expected": self.expected,
        }

    def report(self) -> str:
        """The verdict as text for a person."""
        from matcalc.homework.telling import told

        return told(self)

    def __str__(self) -> str:
        return self.report()
