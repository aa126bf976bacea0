"""A verdict as text for a person: what was asked and given, the verdict, what is wrong and how to put it right.

Invariant: the text depends on the verdict alone; nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from matcalc.errors import Span
from matcalc.homework.verdict import Counterexample, Finding, Judged, Verdict
from matcalc.terminal import style

__all__ = ["told"]

WIDTH = 76  # longest line of a derivation that is shown beside its mark
MOST_ROWS = 8  # of an array
SHOWN = {"right again": "right again", "wrong": "WRONG", "definition": "", "remark": ""}
COLOURS = {"right": "green", "right again": "green", "wrong": "red", "follows": "dim", "correct": "green"}


def told(v: Verdict, colour: bool = False) -> str:
    """The whole report."""
    body = _lines(v, colour) if v.lines else _single(v, colour)
    return "\n".join(body) + "\n"


# ------------------------------------------------------------------------------ a single answer
def _single(v: Verdict, colour: bool) -> Iterator[str]:
    if v.problem:
        yield f"problem  {_joined(v.problem)}"
    if v.answer:
        yield f"answer   {v.asked + ' = ' if v.asked else ''}{_joined(v.answer)}"
    yield ""
    yield from _verdict(v, colour)
    if v.status == "wrong" and v.diagnosis:
        for finding in v.diagnosis:
            if finding.kind == "shape" and v.message:
                continue  # said already, with its place
            yield from _finding(finding, v.answer, "  ")
    if v.counterexample is not None:
        yield from _counterexample(v.counterexample)
    yield from _certificate(v)
    for note in v.notes:
        yield f"note: {note}"


def _verdict(v: Verdict, colour: bool) -> Iterator[str]:
    if v.status == "correct":
        up_to = f" (up to the convention: {v.equal_up_to})" if v.equal_up_to else ""
        yield style(f"correct{up_to}", "green", colour)
    elif v.status == "wrong":
        yield style("wrong", "red", colour)
        if v.message:
            yield from _indented(v.message.removeprefix("error: "))
    else:
        yield style(v.status, "bold", colour)
        yield from _indented(v.message.removeprefix("error: "))


def _indented(text: str, by: str = "  ") -> Iterator[str]:
    yield from (f"{by}{line}" for line in text.splitlines())


def _joined(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def _finding(finding: Finding, source: str, by: str) -> Iterator[str]:
    yield f"{by}{finding.kind}: {finding.message}"
    if finding.span is not None:
        yield from (f"{by}  {line}" for line in _caret(source, finding.span))


def _caret(source: str, span: Span) -> list[str]:
    """The line of the text with marks under a place in it."""
    start = max(0, min(span.start, len(source)))
    begin = source.rfind("\n", 0, start) + 1
    stop = source.find("\n", start)
    stop = len(source) if stop < 0 else stop
    end = max(start + 1, min(span.end, stop))
    return [source[begin:stop], " " * (start - begin) + "^" * (end - start)]


# ------------------------------------------------------------------------------- counterexample
def _counterexample(c: Counterexample) -> Iterator[str]:
    if c.shapes is not None:
        yield f"  shapes: {c.shapes[0]} and {c.shapes[1]}"
    if c.expected is None:
        return
    sizes = ", ".join(f"{n} = {k}" for n, k in c.sizes.items())
    yield f"counterexample{f' ({sizes})' if sizes else ''}:"
    for name, value in c.values.items():
        if not isinstance(value, Mapping):
            yield from _named(name, value)
    yield from _named("expected", c.expected)
    yield from _named("given", c.given)
    if c.entry is not None:
        i, j = c.entry[0] - 1, c.entry[1] - 1
        both = f"{_number(c.expected[i][j])} and {_number(c.given[i][j])}"
        yield f"  they differ most at entry ({c.entry[0]}, {c.entry[1]}): {both}"


def _named(name: str, value: Any) -> Iterator[str]:
    rows = [[_number(x) for x in row] for row in value]
    width = max((len(x) for row in rows for x in row), default=1)
    margin = f"  {name} = "
    for i, row in enumerate(rows[:MOST_ROWS]):
        inside = " ".join(f"{x:>{width}}" for x in row)
        yield (margin if i == 0 else " " * len(margin)) + f"[{inside}]"
    if len(rows) > MOST_ROWS:
        yield " " * len(margin) + f"... {len(rows) - MOST_ROWS} more rows"


def _number(x: Any) -> str:
    value = float(x)
    return str(int(value)) if value == int(value) and abs(value) < 1e9 else f"{value:.4g}"


def _certificate(v: Verdict) -> Iterator[str]:
    c = v.certificate
    if c is None or not c.points:
        return
    points = f"{c.points} point{'s' * (c.points != 1)}"
    if c.status == "verified":
        yield f"agrees at {points}, worst relative error {c.worst_error:.0e} ({c.method}, seed {c.seed})"
    else:
        error = "shapes that differ" if c.worst_error == float("inf") else f"a relative error of {c.worst_error:.0e}"
        yield f"differs at point {c.points} by {error} ({c.method}, seed {c.seed})"
    yield from (f"note: {note}" for note in c.notes)


# ---------------------------------------------------------------------------------------- lines
def _lines(v: Verdict, colour: bool) -> Iterator[str]:
    digits = max(len(str(j.number)) for j in v.lines)
    beside = max(min(len(_one(j.text)), WIDTH) for j in v.lines)
    for j in v.lines:
        yield from _line(j, v, digits, beside, colour)
    yield ""
    yield from _summary(v, colour)
    if v.counterexample is not None and v.status == "wrong":
        yield from _counterexample(v.counterexample)
    for note in v.notes:
        yield f"note: {note}"


def _one(text: str) -> str:
    return " ".join(text.split())


def _line(j: Judged, v: Verdict, digits: int, beside: int, colour: bool) -> Iterator[str]:
    mark = SHOWN.get(j.mark, j.mark)
    if j.equal_up_to:
        mark += f" (up to: {j.equal_up_to})"
    text = _one(j.text)
    shown = style(mark, COLOURS.get(j.mark, "bold"), colour)
    margin = " " * (digits + 2)
    if len(text) <= WIDTH:
        yield f"{j.number:>{digits}}  {text:{beside}}   {shown}".rstrip()
    else:
        yield f"{j.number:>{digits}}  {text}"
        if shown:
            yield f"{margin}  {shown}"
    if j.mark in ("wrong", "unreadable", "undecided"):
        span = next((f.span for f in j.findings if f.span is not None), j.span)
        if span is not None and j.mark == "wrong" and "\n" not in v.answer[span.start : span.end]:
            yield margin + " " * _offset(v.answer, j, span) + "^" * max(1, span.end - span.start)
        if j.message:
            yield from _indented(j.message.removeprefix("error: "), margin + "  ")
        for f in j.findings:
            if f.kind == "shape" and j.message:
                continue
            yield f"{margin}  {f.kind}: {f.message}"
    elif j.message:
        yield f"{margin}  ({j.message})"


def _offset(whole: str, j: Judged, span: Span) -> int:
    """How far to the right a place is in the line as it is shown."""
    begin = whole.rfind("\n", 0, span.start) + 1
    line = whole[begin : whole.find("\n", begin) if whole.find("\n", begin) >= 0 else len(whole)]
    within = line.find(j.text.split("\n")[0].strip()) if j.text else -1
    return max(0, span.start - begin - max(within, 0))


def _summary(v: Verdict, colour: bool) -> Iterator[str]:
    if v.status == "correct":
        up_to = f" (up to the convention: {v.equal_up_to})" if v.equal_up_to else ""
        yield style(f"correct{up_to}: every line is right", "green", colour)
    elif v.status == "wrong":
        more = f"; {v.message}" if v.message else ""
        yield style(f"wrong: line {v.line} is the first that is not right{more}", "red", colour)
    else:
        yield style(v.status, "bold", colour) + (f": {v.message}" if v.message else "")
