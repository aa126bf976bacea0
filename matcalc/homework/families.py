"""Families and recurrences that an answer or a derivation defines: ``delta[t] = ... for t in T..1``, a ``for`` block.

They become statements of the problem: the problem is written as a program, theirs are put before the objective, and
the whole is read again, so that sizes are inferred from all of it.

Invariant: what is asked does not change; a name of the problem keeps its meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from matcalc.errors import MatcalcError, ParseError, Span
from matcalc.homework.read import sides, statements
from matcalc.language.dims import SCALAR, Shape
from matcalc.language.elaborate import parse_problem
from matcalc.language.problem import Block, Boundary, Definition, Function, Problem, Symbol, declaration, shape_text
from matcalc.language.terms import Term

__all__ = ["Family", "families_in", "grouped", "is_block_head", "program_of", "with_families", "with_statements_of"]

MEMBER = re.compile(r"\s*(?:[A-Za-z]+[:,]?\s+)*(?P<member>(?P<name>[^\W\d]\w*)\s*\[(?P<index>[^\][]*)\])\s*")
RANGE = re.compile(r"\bin\s+([^\s,:]+?)\s*\.\.\s*(\w+)")
HEAD = re.compile(r"\s*for\s+(\w+)\s+in\s+([^:\n]+?)\s*\.\.\s*([^:\n]+?)\s*:\s*")
DOTS = r"(?:\.\.|,\s*(?:\.\.\.|…|\\dots|\\ldots)\s*,|to)"
SUFFIX = re.compile(rf",?\s*\b(?:for|∀)\s+(\w+)\s*(?:in|=|∈)\s*([^\s,.]+)\s*{DOTS}\s*(\S+)\s*$")
NAME = re.compile(r"[^\W\d]\w*")
LONGEST = 1_000  # of a range of whole numbers
ZERO = re.compile(r"\s*0(?:\.0*)?\s*")


@dataclass(frozen=True, slots=True)
class Family:
    """One statement about members of a family. ``ranges``: index, first and last; None for a single member."""

    name: str
    left: str
    right: str
    ranges: tuple[str, str, str] | None
    place: Span

    @property
    def is_zero(self) -> bool:
        """Whether a member is said to be the number 0."""
        return ZERO.fullmatch(self.right) is not None

    @property
    def runs_down(self) -> bool:
        """Whether the statement goes through its range backward."""
        return self.ranges is not None and _head(self.ranges).endswith("down:")

    def lines(self, zero: str = "") -> list[str]:
        """The statement in the language of programs; ``zero``: how the number 0 is written."""
        right = zero if zero and ZERO.fullmatch(self.right) else self.right
        body = f"{self.left} = {' '.join(right.split())}"
        if self.ranges is None:
            return [body]
        return [_head(self.ranges), f"    {body}"]


def _head(ranges: tuple[str, str, str]) -> str:
    """The head of a block; one that runs down to a number says so."""
    index, first, last = ranges
    if last.isdigit() and not (first.isdigit() and int(first) <= int(last)):
        return f"for {index} in {last}..{first} down:"
    return f"for {index} in {first}..{last}:"


def is_block_head(text: str) -> bool:
    """Whether a statement is the head of a block: ``for t in 1..T:``."""
    return HEAD.fullmatch(text) is not None


def families_in(text: str) -> tuple[list[Family], list[Span]]:
    """The statements about families in a text, and the places of the other statements."""
    found: list[Family] = []
    others: list[Span] = []
    block: tuple[tuple[str, str, str], int] | None = None
    for span in statements(text):
        start = span.start
        head = HEAD.match(text, start, span.end)
        if head is not None:
            block = (head[1], head[2], head[3]), _column(text, start)
            if head.end() >= span.end:
                continue
            start = head.end()
        elif block is not None and _column(text, start) <= block[1]:
            block = None
        inside = block[0] if block is not None else None
        made = _family(text, Span(start, span.end), inside)
        if made is None:
            others.append(span)
        else:
            found.append(made)
    return found, others


def _column(text: str, place: int) -> int:
    return place - (text.rfind("\n", 0, place) + 1)


def _family(text: str, span: Span, block: tuple[str, str, str] | None) -> Family | None:
    suffix = SUFFIX.search(text, span.start, span.end)
    parts = sides(text, span if suffix is None else Span(span.start, suffix.start()))
    if len(parts) != 2:
        return None
    left, right = (text[p.start : p.end] for p in parts)
    member = MEMBER.fullmatch(left)
    if member is None:
        return None
    if suffix is not None:
        block = (suffix[1], suffix[2], suffix[3])
    if block is None and NAME.fullmatch(member["index"].strip()):
        block = _only_range(text, member["index"].strip())
    return Family(member["name"], member["member"], right, block, span)


def _only_range(text: str, index: str) -> tuple[str, str, str] | None:
    """The range of an index that has none: the only one that the text speaks of."""
    found = set(RANGE.findall(text))
    if len(found) != 1:
        return None
    low, high = next(iter(found))
    return None if index in NAME.findall(f"{low} {high}") else (index, low, high)


# ------------------------------------------------------------------------------- the program
def with_families(problem: Problem, text: str) -> tuple[Problem, str] | None:
    """The problem with the families that an answer defines, and the rest of the answer; None where it defines none.

    Definitions before the families are the problem's as well: the families may use them. Raises MatcalcError.
    """
    found, others = families_in(text)
    if not found or not others:
        return None
    _require_short(found)
    last = max(f.place.start for f in found)
    before = [s for s in others if s.start < last]
    rest = "\n".join(text[s.start : s.end] for s in others if s.start > last)
    if not rest:
        return None
    definitions = [text[s.start : s.end] for s in before]
    return with_statements_of(problem, found, definitions), rest


def with_statements_of(problem: Problem, found: Sequence[Family], definitions: Sequence[str] = ()) -> Problem:
    """The problem with more families before its objective."""
    first: MatcalcError | None = None
    for shape in _shapes(problem, found):
        names = _with_zeros(found) or dict.fromkeys(f.name for f in found)
        declared = [] if shape is None else [f"{n}[i] : {shape_text(shape)}" for n in names]
        zero = "" if shape is None or shape.is_scalar else _zeros(shape)
        lines = [line for f in grouped(found, zero) for line in f]
        try:
            read = parse_problem(program_of(problem, [*declared, *definitions, *lines]))
        except MatcalcError as error:
            first = first or error
            continue
        _require_known(read, problem, found)
        return replace(read, text=problem.text, objective_name=problem.objective_name, notes=problem.notes)
    assert first is not None
    raise first


def _require_short(found: Sequence[Family]) -> None:
    """Refuse ranges that would take forever."""
    for f in found:
        for end in f.ranges[1:] if f.ranges is not None else ():
            if end.isdigit() and int(end) > LONGEST:
                raise ParseError(f"a range of more than {LONGEST} members is too long to evaluate")


def _require_known(read: Problem, problem: Problem, found: Sequence[Family]) -> None:
    """Refuse names that neither the problem nor the answer knows."""
    known = {*(f.name for f in found), *problem.symbols, *problem.functions}
    unknown = [n for n in (*read.symbols, *read.functions) if n not in known]
    if unknown:
        raise ParseError(f"unknown name '{unknown[0]}'")


def _with_zeros(found: Sequence[Family]) -> list[str]:
    """The families of which a member is said to be 0: of whatever shape."""
    return list(dict.fromkeys(f.name for f in found if f.is_zero))


def _shapes(problem: Problem, found: Sequence[Family]) -> list[Shape | None]:
    """The shapes that families may have, likeliest first; None: as the text says."""
    members = [b.target.shape for s in problem.statements if isinstance(s, Block) for b in s.body]
    others = [s.shape for s in problem.symbols.values()]
    shaped = dict.fromkeys(s for s in (*members, *others) if not s.is_scalar)
    return [*shaped, None, SCALAR] if _with_zeros(found) else [None, SCALAR, *shaped]


def _zeros(shape: Shape) -> str:
    return f"zeros({shape.rows})" if shape.is_vector else f"zeros({shape.rows}, {shape.cols})"


def grouped(found: Sequence[Family], zero: str = "") -> Iterator[list[str]]:
    """The lines of the statements; neighbours over one range are one block, so that they may use each other."""
    lines: list[str] = []
    ranges: tuple[str, str, str] | None = None
    for f in found:
        own = f.lines(zero)
        if f.ranges is not None and f.ranges == ranges:
            lines.append(own[1])
            continue
        if lines:
            yield lines
        lines, ranges = own, f.ranges
    if lines:
        yield lines


def program_of(problem: Problem, more: Sequence[str] = ()) -> str:
    """The problem as a program, with more statements before its objective."""
    every: list[Symbol | Function] = [*problem.symbols.values(), *problem.functions.values()]
    lines = [declaration(s) for s in every]
    lines += [str(f) for f in problem.formulas.values()]
    for s in problem.statements:
        if not (isinstance(s, Definition) and s.name == problem.objective_name):
            lines += _statement(s)
    lines += more
    lines.append(f"{problem.objective_name} = {_body(problem)}")
    names = problem.wrt or tuple(problem.symbols)[:1]
    lines.append(f"derive {problem.objective_name} wrt {', '.join(names)}")
    return "\n".join(lines)


def _body(problem: Problem) -> Term:
    own = next((d.term for d in problem.definitions if d.name == problem.objective_name), None)
    return problem.objective if own is None else own


def _statement(s: Definition | Boundary | Block) -> list[str]:
    if isinstance(s, Definition):
        return [f"{s.name} = {s.term}"]
    if isinstance(s, Boundary):
        return [f"{s.target} = {s.term}"]
    if any(b.low is not None or b.high is not None for b in s.body):
        raise MatcalcError("blocks whose lines hold for different indices are not written as a program")
    return [
        f"for {s.index} in {s.low}..{s.high}{' down' if s.down else ''}:",
        *(f"    {b.target} = {b.term}" for b in s.body),
    ]
