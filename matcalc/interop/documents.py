r"""Documents in: the chains of equalities of a Markdown, HTML or TeX file, with their lines.

Formulas are found by their marks: ``$$ $$``, ``$ $``, ``\( \)``, ``\[ \]``, environments such as ``align``, script
elements of type ``math/tex`` and fenced ``math`` blocks.  Code, comments and verbatim text are passed over.  The
commands a document defines are known in all of its formulas.

Invariants: places are those of the document, so that an error points into it; the time is linear in its length.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from matcalc.errors import ParseError, Span
from matcalc.interop.latex import Chain, chains_of, prepared
from matcalc.interop.latex_facts import facts_of
from matcalc.interop.latex_grammar import Facts
from matcalc.interop.latex_macros import definitions
from matcalc.interop.latex_names import Known
from matcalc.interop.latex_tokens import Token

__all__ = ["DocumentChain", "Formula", "Kind", "chains", "formulas", "kind_of"]

Kind = Literal["markdown", "html", "tex"]
MAX_DOCUMENT = 2_000_000
MAX_FORMULA = 50_000
SUFFIXES: dict[str, Kind] = {
    "md": "markdown", "markdown": "markdown", "txt": "markdown", "rmd": "markdown", "qmd": "markdown",
    "html": "html", "htm": "html",
    "xhtml": "html", "tex": "tex", "latex": "tex", "ltx": "tex",
}  # fmt: skip
ENVIRONMENTS = "equation|align|alignat|gather|multline|eqnarray|displaymath|math|flalign|dmath"
OPENING = re.compile(
    r"(?P<escaped>\\[\\$])"
    r"|(?P<fence>^[ \t]{0,12}(?P<ticks>(?>```+|~~~+))[ \t]*+(?P<language>\w*+)[^\n]*+\n)"
    r"|(?P<comment><!--)"
    r"|(?P<script><script\b(?P<attributes>[^>]{0,300})>)"
    r"|(?P<raw><(?P<tag>pre|code|style)\b[^>]{0,300}>)"
    r"|(?P<code>`++)"
    r"|(?P<percent>%)"
    r"|(?P<verbatim>\\begin\{(?P<listing>verbatim|lstlisting|minted)\*?\})"
    r"|(?P<environment>\\begin\{(?P<name>(?:" + ENVIRONMENTS + r")\*?)\})"
    r"|(?P<display>\$\$)"
    r"|(?P<bracket>\\\[)"
    r"|(?P<parenthesis>\\\()"
    r"|(?P<dollar>\$)",
    re.MULTILINE,
)

CLOSING = {"display": "$$", "bracket": "\\]", "parenthesis": "\\)"}


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula of a document: the place between its marks, the line it begins on, whether it stands by itself."""

    span: Span
    line: int
    display: bool
    entities: bool = False  # & is written &amp;


@dataclass(frozen=True, slots=True)
class DocumentChain:
    """A chain with the line of each of its sides. ``formula`` counts the formulas of the document from 0."""

    chain: Chain
    lines: tuple[int, ...]
    formula: int

    @property
    def line(self) -> int:
        return self.lines[0]


def kind_of(text: str, name: str = "") -> Kind:
    """The kind of a document, by the end of its file's name, else by what it holds."""
    by_name = SUFFIXES.get(name.rpartition(".")[2].lower()) if "." in name else None
    if by_name is not None and not (by_name == "markdown" and "<script" in text[:5000]):
        return by_name
    if "\\documentclass" in text or "\\begin{document}" in text:
        return "tex"
    return "html" if re.search(r"<(?:html|body|script|div|p)\b", text[:20_000], re.IGNORECASE) else "markdown"


# -------------------------------------------------------------------- formulas
class _Closers:
    """The next place of a mark; places only grow, so that the text is searched once for each mark."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._next: dict[str, int] = {}

    def find(self, mark: str, start: int) -> int:
        """The first place of the mark at or behind ``start``; -1 where there is none."""
        known = self._next.get(mark, -2)
        if known == -1 or known >= start:
            return known
        found = self.text.find(mark, start)
        self._next[mark] = found
        return found


def formulas(text: str, kind: Kind) -> list[Formula]:
    """The formulas of a document, in order."""
    if len(text) > MAX_DOCUMENT:
        raise ParseError(f"the document is too long: {len(text)} characters, at most {MAX_DOCUMENT} are read")
    starts = line_starts(text)
    entities = kind == "html"
    return [
        Formula(span, line_at(starts, span.start), display, entities and not raw)
        for span, display, raw in _found(text, kind)
        if span.end - span.start <= MAX_FORMULA and text[span.start : span.end].strip()
    ]


def _found(text: str, kind: Kind) -> Iterator[tuple[Span, bool, bool]]:
    """The place of each formula, whether it is displayed, whether its text is raw (has no entities)."""
    closers = _Closers(text)
    i = 0
    while True:
        match = OPENING.search(text, i)
        if match is None:
            return
        span, display, raw, i = _formula(text, kind, match, closers)
        if span is not None:
            yield span, display, raw


Found = tuple[Span | None, bool, bool, int]  # the formula (None: there is none), displayed, raw, where to go on


def _formula(text: str, kind: Kind, match: re.Match[str], closers: _Closers) -> Found:
    after = match.end()
    which = next(name for name, value in match.groupdict().items() if value is not None)
    if which == "fence":
        return _fenced(match, closers)
    if which == "script":
        return _scripted(match, closers)
    if which in ("comment", "raw", "verbatim", "code", "percent"):
        return None, False, False, _passed_over(text, kind, which, match, closers)
    if which == "environment":
        closing = f"\\end{{{match['name']}}}"
        end = closers.find(closing, after)
        if end < 0:
            return None, True, False, after
        return Span(match.start(), end + len(closing)), True, False, end + len(closing)
    if which in CLOSING:
        closing = CLOSING[which]
        end = closers.find(closing, after)
        if end < 0 or (
            which != "display" and kind == "markdown" and "\n\n" in text[after : min(end, after + MAX_FORMULA)]
        ):
            return None, False, False, after
        return Span(after, end), which != "parenthesis", False, end + len(closing)
    if which == "dollar":
        return _inline(text, kind, match.start())
    return None, False, False, after


def _fenced(match: re.Match[str], closers: _Closers) -> Found:
    closing = "\n" + match["ticks"]
    end = closers.find(closing, match.end() - 1)
    stop = len(closers.text) if end < 0 else end
    after = stop + len(closing) if end >= 0 else stop
    formula = match["language"].lower() in ("math", "latex", "tex", "katex")
    return (Span(match.end(), max(match.end(), stop)) if formula else None), True, True, after


def _scripted(match: re.Match[str], closers: _Closers) -> Found:
    end = closers.find("</script>", match.end())
    stop = len(closers.text) if end < 0 else end
    attributes = match["attributes"].lower()
    formula = "math/tex" in attributes or "math/latex" in attributes
    return (Span(match.end(), stop) if formula else None), "display" in attributes, True, stop


def _passed_over(text: str, kind: Kind, which: str, match: re.Match[str], closers: _Closers) -> int:
    """The place behind a part of the document that holds no formulas."""
    after = match.end()
    if which == "percent":
        return _after(closers.find("\n", after), 1, len(text)) if kind == "tex" else after
    if which == "code":
        if kind == "tex":
            return after
        end = closers.find(match.group(), after)
        return after if end < 0 or "\n\n" in text[after : min(end, after + 2000)] else end + len(match.group())
    if which == "comment":
        return _after(closers.find("-->", after), 3, after)
    closing = f"</{match['tag']}>" if which == "raw" else f"\\end{{{match['listing']}"
    return _after(closers.find(closing, after), len(closing), after)


def _after(place: int, width: int, otherwise: int) -> int:
    return otherwise if place < 0 else place + width


INLINE = re.compile(r"\$((?:[^$\\\n]|\\.|\n(?![ \t]*\n))+)\$", re.DOTALL)


def _inline(text: str, kind: Kind, start: int) -> Found:
    """``$ ... $``; sums of money are not formulas."""
    match = INLINE.match(text, start)
    if match is None:
        return None, False, False, start + 1
    inside = match[1]
    tight = not inside[0].isspace() and not inside[-1].isspace() and not text[match.end() : match.end() + 1].isdigit()
    if kind != "tex" and not tight and not any(c in inside for c in "\\^_="):
        return None, False, False, start + 1
    return Span(match.start(1), match.end(1)), False, False, match.end()


# ----------------------------------------------------------------------- lines
def line_starts(text: str) -> list[int]:
    """Where each line begins."""
    return [0, *(m.end() for m in re.finditer("\n", text))]


def line_at(starts: list[int], place: int) -> int:
    """The number of the line of a place, from 1."""
    return bisect_right(starts, place)


# ---------------------------------------------------------------------- chains
def chains(text: str, kind: Kind | None = None, known: Known | None = None) -> list[DocumentChain]:
    """The chains of all formulas of a document, in order.

    A formula that falls apart is a chain of one side with its error.
    """
    kind = kind or kind_of(text)
    known = known or Known()
    starts = line_starts(text)
    macros = definitions(text)
    ready: list[list[Token] | ParseError] = []
    found = formulas(text, kind)
    for f in found:
        try:
            ready.append(prepared(text, f.span.start, f.span.end, macros, f.entities))
        except ParseError as error:
            ready.append(error)
    shared = _shared([r for r in ready if not isinstance(r, ParseError)])
    out: list[DocumentChain] = []
    for k, (f, tokens) in enumerate(zip(found, ready, strict=True)):
        for chain in _chains(text, f, tokens, known, shared):
            lines = tuple(line_at(starts, s.span.start) for s in chain.sides)
            out.append(DocumentChain(chain, lines, k))
    return out


def _shared(all_tokens: list[list[Token]]) -> Facts:
    """What the letters of a document tell about themselves."""
    facts = Facts()
    for tokens in all_tokens:
        own = facts_of(tokens)
        limits = {**own.limits, **facts.limits}
        facts = Facts(frozenset(), facts.indices | own.indices, limits, facts.deltas or own.deltas)
    return facts


def _chains(text: str, f: Formula, tokens: list[Token] | ParseError, known: Known, shared: Facts) -> list[Chain]:
    from matcalc.interop.latex import Side

    if isinstance(tokens, ParseError):
        return [Chain((Side("", f.span, None, tokens),), f.span)]
    own = facts_of(tokens)
    return chains_of(tokens, text, known, Facts(own.bare, shared.indices, shared.limits, shared.deltas))
