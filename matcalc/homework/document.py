"""The misprints of a document: every chain of equalities that can be read is judged, each line by itself.

A chain becomes a derivation with the definitions of the document that it uses.  A name that is only ever
differentiated (``\\nabla_Y L``) is read as an opaque function of the outermost of the things it is differentiated by.

Invariant: a line is called wrong only where a small change makes it right; whatever else does not agree is not
understood.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from matcalc.errors import MatcalcError
from matcalc.homework.derivation import Course
from matcalc.homework.grade import Strictness
from matcalc.homework.intake import gradients_as_rows, lines_of_chain
from matcalc.homework.notebook import Notebook
from matcalc.homework.statements import Line
from matcalc.homework.verdict import Judged
from matcalc.interop.documents import DocumentChain, chains, kind_of, line_at, line_starts
from matcalc.language.syntax import Node

__all__ = ["Found", "Report", "check_document", "told_document"]

MARKS = {"right": "fine", "right again": "fine", "wrong": "wrong", "follows": "follows", "definition": "definition"}
VARIABLES = ("x", "X", "W", "w", "theta", "y", "Y", "z")  # by what \nabla is taken where it does not say
ELSEWHERE = ("wrong-point", "symmetric")  # findings that may only mean that a name means something else here


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


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in a document."""

    name: str
    lines: tuple[Found, ...]

    @property
    def wrong(self) -> tuple[Found, ...]:
        return tuple(f for f in self.lines if f.mark == "wrong")

    def as_data(self) -> dict[str, Any]:
        """The report for JSON."""
        return {"document": self.name, "counts": counts(self), "lines": [f.as_data() for f in self.lines]}


def counts(report: Report) -> dict[str, int]:
    """How many lines of each mark."""
    kinds = ("fine", "wrong", "follows", "definition", "not understood")
    return {k: sum(f.mark == k for f in report.lines) for k in kinds}


def check_document(text: str, name: str = "", declare: Iterable[str] | None = None, seed: int = 0) -> Report:
    """Judge every chain of a document that can be read."""
    found = chains(text, kind_of(text, name))
    starts = line_starts(text)
    book = Notebook(text, found, list(declare or ()))
    out: list[Found] = []
    rows = gradients_as_rows(text)
    for group in _groups(found):
        tries: list[list[Found]] = []
        for changed in (book.plainly, partial(_in_turn, book.plainly, rows)):
            lines = [
                line
                for d in group
                for line in lines_of_chain(d.chain, text, lambda span: line_at(starts, span.start), changed, True)
            ]
            if any(line.kind == "equation" for line in lines):
                place = found.index(group[0])
                tries += [
                    _judged(book, lines, place, seed, declared)
                    for declared in ((True, False) if book.declared else (True,))
                ]
        if tries:
            out += sorted(tries, key=_understood)[-1]  # the reading in which most is right
    return Report(name, tuple(sorted(out, key=lambda f: f.number)))


def _in_turn(first: Callable[[Node], Node], second: Callable[[Node], Node], tree: Node) -> Node:
    return second(first(tree))


def _understood(lines: list[Found]) -> tuple[int, int]:
    return -sum(f.mark == "wrong" for f in lines), sum(f.mark == "fine" for f in lines)


def _groups(found: Sequence[DocumentChain]) -> Iterator[list[DocumentChain]]:
    """A chain with those that go on from it."""
    group: list[DocumentChain] = []
    for d in found:
        if d.chain.continues and group:
            group.append(d)
            continue
        if group:
            yield group
        group = [d]
    if group:
        yield group


def _judged(book: Notebook, lines: Sequence[Line], place: int, seed: int, declared: bool) -> list[Found]:
    try:
        problem, given, later = book.problem(lines, place, declared)
    except MatcalcError as error:
        return [_not_understood(line, error.message) for line in lines if line.kind == "equation"]
    guesses = (*book.functions.get(problem.objective_name, ()), *VARIABLES)
    asked = tuple(n for n in guesses if n in problem.symbols and problem.symbols[n].index is None)[:1]
    course = Course(problem, (), Strictness(), "projected", seed, given, lenient=True)
    course.context.asked = asked
    for name, body in later.items():
        course.context.define(name, body)
    for i, line in enumerate(lines):
        course.take(i, line, lines)
    sure = not any(f.assumed and f.kind == "value" and f.name not in ("loss",) for f in problem.functions.values())
    return [_found(j, sure) for j in course.results if j.mark != "remark"]


def _not_understood(line: Line, message: str) -> Found:
    return Found(line.number, line.text, "not understood", message)


def _found(j: Judged, sure: bool) -> Found:
    """What is said of a line. ``sure``: no function in it had to be taken for a scalar one."""
    mark = MARKS.get(j.mark, "not understood")
    first = j.findings[0] if j.findings else None
    if mark == "wrong" and (not sure or first is None or first.kind in ELSEWHERE):
        return Found(j.number, j.text, "not understood", "this differs, but perhaps names are meant otherwise")
    message = (
        first.message if first is not None and mark == "wrong" else j.message.partition("\n")[0].removeprefix("error: ")
    )
    return Found(
        j.number, j.text, mark, message, first.answer if first is not None and mark == "wrong" else "", j.equal_up_to
    )


# -------------------------------------------------------------------------------------- telling
def told_document(report: Report) -> str:
    """The report for a person."""
    out = []
    digits = max((len(str(f.number)) for f in report.lines), default=1)
    for f in report.lines:
        up_to = f" (up to: {f.equal_up_to})" if f.equal_up_to else ""
        out.append(f"{f.number:>{digits}}  {f.mark:14}{up_to}  {_short(f.text)}")
        if f.mark == "wrong":
            out.append(f"{' ' * digits}    {f.message}")
        elif f.mark == "not understood" and f.message:
            out.append(f"{' ' * digits}    ({f.message})")
    told = ", ".join(f"{k} {mark}" for mark, k in counts(report).items() if k)
    return (
        "\n".join([*out, "", f"{len(report.lines)} lines: {told}" if report.lines else "no equations were found"])
        + "\n"
    )


def _short(text: str, width: int = 90) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
