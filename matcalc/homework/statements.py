"""The lines of a derivation: declarations, definitions, chains of equalities and their continuations, remarks.

Plain text and LaTeX end in the same statements, whose sides are text of the plain language.  Words before a statement
(*let*, *where*, *therefore*) and numbers of lines are put aside.

Invariant: nothing is given a meaning here; every side knows its place in the text that was given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from matcalc.errors import MatcalcError, Span
from matcalc.homework.families import Family, families_in, is_block_head
from matcalc.homework.meaning import without_fractions
from matcalc.homework.read import sides, statements
from matcalc.language.program import KNOWN

__all__ = ["Line", "Side", "arguments", "plain_lines"]

WORD = (
    "let where with set define denote put write then so thus hence therefore and but now since because i\\.e\\. here "
    "gives? implies finally also next first proof solution"
).split()
PHRASES = (
    "that is", "it follows that", "we have", "we get", "we obtain", "so that", "such that", "this gives", "which gives",
    "(?:note|notice|observe|recall|remember)(?: that)?", "in particular", "by the chain rule", "by the product rule",
    "substituting", "therefore we have", r"step \d+",
)  # fmt: skip
WORDS = re.compile(
    rf"(?:(?:{'|'.join([*PHRASES, *WORD])})\b[:,]?\s*"
    r"|∴\s*|⇒\s*|=>\s*|⟹\s*|-\s+(?=\w+\s*[=(])|\(\w{1,3}\)\s+(?=\S)|\d{1,3}[.):]\s+|[*•]\s+)",
    re.IGNORECASE,
)
DECLARATION = re.compile(r"\s*[^\W\d]\w*(?:\[\w+\])?(?:\s*,\s*[^\W\d]\w*)*\s*:(?!=)\s*(?P<what>.+)", re.DOTALL)
PROPERTY = "symmetric|skew|diagonal|orthogonal|posdef|invertible|positive|constant"
SHAPED = re.compile(rf"\s*(?:scalar\b|function\b|elementwise\b|\(|[\w*+\- ]+(?:[×x,].*)?$|\w+\s+(?:{PROPERTY}))")
APPLIED = re.compile(r"\s*([^\W\d]\w*)\(\s*([^\W\d]\w*(?:\s*,\s*[^\W\d]\w*)*)\s*\)\s*")
NAMED = re.compile(r"[^\W\d]\w*")
EQUATION_NUMBER = re.compile(r"(?:\s{2,}|\t)\(\d{1,2}[a-z]?\)$")
DERIVE = re.compile(r"\s*derive\s+(\w+)\s+wrt\s+(.+)")


def _same(span: Span) -> Span:
    return span


@dataclass(frozen=True, slots=True)
class Side:
    """One side of an equation: a part of a text of the plain language, and where it came from."""

    text: str
    start: int
    stop: int
    place: Callable[[Span], Span] = _same
    error: MatcalcError | None = None  # why it could not be read

    @property
    def words(self) -> str:
        """The side as it is written in the plain language."""
        return self.text[self.start : self.stop]

    @property
    def is_empty(self) -> bool:
        return self.start >= self.stop and self.error is None


@dataclass(frozen=True, slots=True)
class Line:
    """One statement. ``kind``: equation, expression, declaration, derive or family. ``continues``: it begins with an
    equals sign."""

    number: int
    text: str
    kind: str
    sides: tuple[Side, ...] = ()
    continues: bool = False
    family: Family | None = None  # what the line says of members of a family


def plain_lines(text: str | Sequence[str]) -> tuple[str, list[Line]]:
    """The text as a whole and its statements. Of a list, every item is one line."""
    if isinstance(text, str):
        whole = text.lstrip("\n")
    else:
        items = [str(t).replace("\n", " ") for t in text]
        whole = "\n".join(items)
    plain = _without_arguments(without_fractions(whole))
    return whole, list(_lines(whole, plain))


def _without_arguments(text: str) -> str:
    """The text with ``f(x)`` as f, where a line defines ``f(x) = ...``; every character keeps its place."""
    for span in statements(text):
        left, *rest = sides(text, span)
        match = APPLIED.fullmatch(text[_after_words(text, span) : left.end])
        if match is None or not rest or match[1] in KNOWN:
            continue
        call = re.compile(rf"(?<!\w){match[1]}\(\s*{re.escape(match[2].strip())}\s*\)")
        text = call.sub(lambda m, f=match[1]: f.ljust(len(m.group())), text)  # type: ignore[misc]
    return text


def arguments(text: str) -> tuple[str, ...]:
    """The variable of a function that a line defines by its argument: x of ``f(x) = ...``; none where there are
    several."""
    found: set[str] = set()
    for span in statements(text):
        left, *rest = sides(text, span)
        match = APPLIED.fullmatch(text[_after_words(text, span) : left.end])
        if match is not None and rest and match[1] not in KNOWN:
            found.add(match[2].strip())
    return tuple(found) if len(found) == 1 and NAMED.fullmatch(next(iter(found))) else ()


def _lines(whole: str, plain: str) -> Iterator[Line]:
    members = {f.place.start: f for f in families_in(plain)[0]}
    for given in statements(plain):
        span = _without_stop(plain, given)
        family = next((f for start, f in members.items() if span.start <= start < span.end), None)
        if family is not None or is_block_head(plain[span.start : span.end]):
            kind = "remark" if family is None else "family"
            yield Line(whole.count("\n", 0, span.start) + 1, whole[span.start : span.end], kind, family=family)
            continue
        number = whole.count("\n", 0, span.start) + 1
        begin = _after_words(plain, span)
        shown = whole[span.start : span.end]
        rest = plain[begin : span.end]
        if not rest:
            yield Line(number, shown, "remark")
            continue
        if DERIVE.fullmatch(rest):
            yield Line(number, shown, "derive", (Side(plain, begin, span.end),))
            continue
        if _declares(rest):
            yield Line(number, shown, "declaration", (Side(plain, begin, span.end),))
            continue
        found = [Side(plain, s.start, s.end) for s in sides(plain, Span(begin, span.end))]
        if len(found) == 1:
            yield Line(number, shown, "expression", tuple(found))
        elif found[0].is_empty:
            yield Line(number, shown, "equation", tuple(found[1:]), continues=True)
        else:
            yield Line(number, shown, "equation", tuple(found))


def _without_stop(text: str, span: Span) -> Span:
    """The place of a statement without the full stop, the comma or the number of the equation behind it."""
    number = EQUATION_NUMBER.search(text, span.start, span.end)
    end = number.start() if number is not None else span.end
    while end > span.start and text[end - 1] in ".,;" and not text[end - 2 : end - 1].isspace():
        end -= 1
    return Span(span.start, len(text[: max(end, span.start + 1)].rstrip())) if end < span.end else span


def _declares(text: str) -> bool:
    match = DECLARATION.fullmatch(text)
    return match is not None and "=" not in text and SHAPED.match(match["what"]) is not None


def _after_words(text: str, span: Span) -> int:
    """Where the mathematics begins."""
    begin = span.start
    for _ in range(4):
        match = WORDS.match(text, begin, span.end)
        if match is None or match.end() == begin:
            break
        rest = text[match.end() : span.end].lstrip()
        if rest.startswith(("=", "(")) and text[begin : match.end()].strip().isalpha():
            break  # a name, not a word
        begin = match.end()
    return begin
