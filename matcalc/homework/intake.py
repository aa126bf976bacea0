"""Text as it comes in, turned into the plain language: LaTeX, NumPy code, or what is plain already.

Invariant: every place in the plain text knows where it came from, so that an error points into what was handed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from matcalc.errors import MatcalcError, ParseError, Span
from matcalc.homework.labels import labelled
from matcalc.homework.posing import NAME
from matcalc.homework.statements import Line, Side, arguments, plain_lines
from matcalc.interop.latex import Chain, is_latex, read_chains
from matcalc.interop.latex import Side as LatexSide
from matcalc.interop.latex_names import known_of
from matcalc.interop.latex_plain import write_plain
from matcalc.language.problem import Problem
from matcalc.language.syntax import Node

__all__ = [
    "FORMS", "Intake", "answer_text", "answers_by_name", "gradients_as_rows", "lines_of", "lines_of_chain",
    "variable_of",
]  # fmt: skip

FORMS = ("auto", "plain", "latex", "numpy")
Place = Callable[[Span], Span]
# f(x) = ... at the beginning of a line or formula
INNER = r"(?:\\(?:mathbf|boldsymbol|bm|vec)\s*)?(?:\{?\\?[A-Za-z]+\}?)"
DEFINED = re.compile(
    rf"(?:^|[$\n&\[]|\\\\|\}})\s*(?P<name>[A-Za-z])\s*(?:\\left)?\(\s*"
    rf"(?P<inner>{INNER}(?:\s*,\s*{INNER})*)\s*(?:\\right)?\)\s*&?\s*:?=(?!=)"
)
EQUALITIES = frozenset(("", "=", "approx", ":=", "gets"))


@dataclass(frozen=True, slots=True)
class Intake:
    """An answer in the plain language."""

    given: str
    plain: str
    place: Place | None = None  # from the plain text to what was given; None: they are the same
    notes: tuple[str, ...] = ()

    def relocated(self, error: MatcalcError) -> MatcalcError:
        """The error, pointing into what was given."""
        if self.place is not None and error.span is not None and error.source == self.plain:
            error.span, error.source = self.place(error.span), self.given
        return error


def answer_text(text: str, problem: Problem, form: str = "auto") -> Intake:
    """An answer in the plain language. Raises ParseError for what cannot be read."""
    if form == "latex" or (form == "auto" and _is_book(text)):
        return _from_latex(text, problem)
    return Intake(text, text)


def _is_book(text: str) -> bool:
    """Whether a text is in the notation of books: LaTeX, or with a nabla."""
    return is_latex(text) or "∇" in text


def _from_latex(text: str, problem: Problem) -> Intake:
    chains = read_chains(text, known_of(problem, differentials=False), lines=True)
    if not chains:
        raise ParseError("there is no answer", span=Span(0, 0), source=text, label="nothing is written here")
    pieces: list[str] = []
    parts: list[tuple[int, int, Place]] = []
    length = 0
    for k, chain in enumerate(chains):
        last = k == len(chains) - 1
        name = _defined(chain, text)
        if name is None and not last:
            continue
        side = chain.sides[-1]
        if side.tree is None:
            raise (
                side.error if side.error is not None else ParseError("this cannot be read", span=side.span, source=text)
            )
        written = write_plain(side.tree)
        before = "" if last or name is None else f"{name} = "
        start = length + len(before)
        pieces.append(before + written.text)
        parts.append((start, start + len(written.text), written.source))
        length = start + len(written.text) + 1
    return Intake(text, "\n".join(pieces), _joined(parts))


def answers_by_name(text: str, names: Sequence[str], problem: Problem) -> dict[str, str]:
    """The parts of a text that answer by each variable, in the words of the text."""
    if not _is_book(text):
        return labelled(text, names)
    found: dict[str, str] = {}
    for chain in read_chains(text, known_of(problem, differentials=False), lines=True):
        first, last = chain.sides[0].tree, chain.sides[-1].span
        asked = first is not None and first.kind == "call" and first.data[0] in ("grad", "jac") and len(first.args) == 2
        if first is not None and asked and len(chain.sides) > 1 and first.args[1].kind == "name":
            name = str(first.args[1].data)
            if name in names:
                found[name] = _as_book(text, last)
    return found


def _as_book(text: str, span: Span) -> str:
    """A part of a text in LaTeX that is read as LaTeX by itself."""
    group = re.compile(r"\s*\{[^{}]*\}").match(text, span.end)  # the argument of a last command
    part = text[span.start : group.end() if group is not None else span.end]
    return part if "\\" in part else f"${part}$"


def _defined(chain: Chain, text: str) -> str | None:
    """The name that a chain defines."""
    first = chain.sides[0]
    if len(chain.sides) < 2 or first.tree is None or first.tree.kind != "name":
        return None
    return str(first.tree.data) if NAME.fullmatch(str(first.tree.data)) else None


def _joined(parts: Sequence[tuple[int, int, Place]]) -> Place:
    def place(span: Span) -> Span:
        for start, end, inner in parts:
            if start <= span.start <= end:
                return inner(Span(span.start - start, min(span.end, end) - start))
        return Span(0, 0)

    return place


# ------------------------------------------------------------------------------------- lines
def lines_of(text: str | Sequence[str], problem: Problem | None, form: str = "auto") -> tuple[str, list[Line]]:
    """The whole text and its lines, in the plain language."""
    whole = text if isinstance(text, str) else "\n".join(str(t).replace("\n", " ") for t in text)
    if form == "latex" or (form == "auto" and _is_book(whole)):
        return whole, latex_lines(whole, problem)
    return plain_lines(text)


def latex_lines(text: str, problem: Problem | None) -> list[Line]:
    """The lines of a derivation in LaTeX."""
    plain = _without_arguments(text)
    chains = read_chains(plain, known_of(problem) if problem is not None else None, lines=True)
    return [
        line
        for chain in chains
        for line in lines_of_chain(chain, text, lambda span: text.count("\n", 0, span.start) + 1)
    ]


def _without_arguments(text: str) -> str:
    """The text with ``f(x)`` as f, where a line defines ``f(x) = ...``; every character keeps its place."""
    for match in list(DEFINED.finditer(text)):
        name, inner = re.escape(match["name"]), re.escape(match["inner"])
        applied = rf"(?<![A-Za-z\\])({name})(\s*(?:\\left)?\(\s*{inner}\s*(?:\\right)?\))"
        text = re.sub(applied, lambda m: m[1] + " " * len(m[2]), text)
    return text


def variable_of(text: str) -> tuple[str, ...]:
    """The variable of the functions that lines define by their argument: x of ``f(x) = ...``, in LaTeX as well."""
    if not _is_book(text):
        return arguments(text)
    found = {re.sub(r"\\(?:mathbf|boldsymbol|bm|vec)|[{}\s\\]", "", m["inner"]) for m in DEFINED.finditer(text)}
    return tuple(found) if len(found) == 1 and NAME.fullmatch(next(iter(found))) else ()


def lines_of_chain(
    chain: Chain,
    text: str,
    number: Callable[[Span], int],
    changed: Callable[[Node], Node] | None = None,
    apart: bool = False,
) -> list[Line]:
    """A chain as lines: one for the first equation, one for every side that continues it on another line.

    ``changed`` is done to the syntax tree of every side; ``apart``: every side is a line of its own.
    """
    out: list[Line] = []
    sides = [s for s in chain.sides if s.relation in EQUALITIES]
    if not sides:
        return out
    if len(sides) == 1 and not chain.continues:
        one = sides[0]
        return [Line(number(one.span), _words(text, one.span), "expression", (_side(one, text, changed),))]
    groups: list[list[int]] = []
    for i, s in enumerate(sides):
        needed = 2 if len(groups) == 1 and not chain.continues else 1
        other = apart or (bool(groups) and number(s.span) != number(sides[groups[-1][-1]].span))
        fresh = not groups or (other and len(groups[-1]) >= needed)
        if fresh:
            groups.append([i])
        else:
            groups[-1].append(i)
    for k, group in enumerate(groups):
        inside = [sides[i] for i in group]
        span = Span(inside[0].span.start, inside[-1].span.end)
        continues = chain.continues or k > 0
        shown = ("= " if continues else "") + _words(text, span)
        out.append(
            Line(
                number(inside[-1 if not continues else 0].span),
                shown,
                "equation",
                tuple(_side(s, text, changed) for s in inside),
                continues,
            )
        )
    return out


def _words(text: str, span: Span) -> str:
    return " ".join(text[span.start : span.end].split())


def gradients_as_rows(text: str) -> Callable[[Node], Node]:
    """Turns the derivatives of numbers that are written with \\partial into rows, as in the numerator layout."""

    def changed(node: Node) -> Node:
        args = tuple(changed(a) for a in node.args)
        data = node.data
        if node.kind == "call" and data == ("grad", 0) and len(args) == 2:
            mark = node.mark or node.span
            if not text[mark.start : mark.end].startswith("\\nabla"):
                data = ("jac", 0)
        return replace(node, args=args, data=data)

    return changed


def _side(side: LatexSide, text: str, changed: Callable[[Node], Node] | None) -> Side:
    if side.tree is None:
        return Side(
            "",
            0,
            0,
            lambda span: side.span,
            side.error or ParseError("this cannot be read", span=side.span, source=text),
        )
    written = write_plain(side.tree if changed is None else changed(side.tree))
    return Side(written.text, 0, len(written.text), written.source)
