"""The misprints of a document: every chain of equalities that can be read is judged, each line by itself.

A chain becomes a derivation with the definitions of the document that it uses.  A name that is only ever
differentiated (``\\nabla_Y L``) is read as an opaque function of the outermost of the things it is differentiated by.

Invariant: a line is called wrong only where a small change makes it right; whatever else does not agree is not
understood.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from matcalc.errors import MatcalcError, Span
from matcalc.homework.belief import DIFFERS, Found, believable, found_of
from matcalc.homework.derivation import Course
from matcalc.homework.grade import Strictness
from matcalc.homework.intake import EQUALITIES, lines_of_chain
from matcalc.homework.listings import Listing, listings
from matcalc.homework.notebook import Group, Notebook, names_of
from matcalc.homework.passage import Passage, posed
from matcalc.homework.readings import Way, ways
from matcalc.homework.repairs import Repair, repairs
from matcalc.homework.statements import Line, Side
from matcalc.interop.documents import DocumentChain, chains, formulas, kind_of, line_at, line_starts
from matcalc.interop.latex_plain import write_plain
from matcalc.interop.prose import told
from matcalc.language.syntax import Node, parse_tree

__all__ = ["Found", "Report", "check_document", "told_document"]

VARIABLES = ("x", "X", "W", "w", "theta", "y", "Y", "z")  # by what \nabla is taken where it does not say
UNLIKELY = ("wrong-point", "symmetric")
BY_ENTRY = re.compile(r", \w+\[[^\]]*,[^\]]*\]\)")  # a derivative by an entry: of a matrix it is a matrix
MOST_REPAIRS = 150


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
    kind = kind_of(text, name)
    found = chains(text, kind)
    starts = line_starts(text)
    book = Notebook(found, told(text, formulas(text, kind), found))
    given = list(declare or ())
    sheet = _Sheet(text, starts, book, given, seed)
    passages = [(group, _tried(sheet, group)) for group in _groups(found)]
    worked = Counter(t.way.key for _, tries in passages for t in tries for _ in range(t.fine))
    out = [f for group, tries in passages for f in _best(sheet, group, tries, worked)]
    for listing in listings(book):
        told_of = _listed(sheet, listing, worked)
        out = [f for f in out if (f.number, f.text) not in {(t.number, t.text) for t in told_of}] + told_of
    return Report(name, tuple(sorted(out, key=lambda f: f.number)))


@dataclass(frozen=True, slots=True)
class _Try:
    """A passage in one reading, where mistakes are not looked for. ``order``: the plainest reading is 0."""

    way: Way
    found: list[Found]
    order: int

    @property
    def fine(self) -> int:
        return sum(f.mark == "fine" for f in self.found)

    @property
    def read(self) -> int:
        """How many lines could be compared with something."""
        return self.fine + sum(f.message.startswith(DIFFERS) for f in self.found)

    @property
    def done(self) -> bool:
        return all(f.mark in ("fine", "definition") for f in self.found)


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A document that is being judged."""

    text: str
    starts: list[int]
    book: Notebook
    declare: list[str]
    seed: int


def _tried(sheet: _Sheet, group: Group) -> list[_Try]:
    """A passage in its readings, up to one in which all is right."""
    if _is_update(group):
        return []
    out: list[_Try] = []
    for k, way in enumerate(ways(sheet.book, group, sheet.text)):
        lines = _lines(sheet, group, way)
        if not any(line.kind == "equation" for line in lines):
            return []
        out.append(_Try(way, _judged(sheet, group, lines, way, explains=False), k))
        if out[-1].done:
            break
    return out


def _best(sheet: _Sheet, group: Group, tries: Sequence[_Try], worked: Counter[tuple[object, ...]]) -> list[Found]:
    """The lines of a passage in the reading in which most is right.

    Mistakes are looked for in a few readings: of those with most lines right the plainest, those that worked for the
    rest of the document, and those in which most lines can be compared.
    """
    if not tries or tries[-1].done:
        return tries[-1].found if tries else _updates(sheet, group)
    most = max(t.fine for t in tries)
    good = [t for t in tries if t.fine == most]
    usual = sorted(good, key=lambda t: (-worked[t.way.key], t.order))
    read = sorted(usual, key=lambda t: -t.read)
    known = [t for t in usual if t.way.losses and worked[t.way.key]]  # what other passages confirm comes first
    best: list[Found] = []
    for order in dict.fromkeys(t.order for t in (*known[:2], *usual[:2], *good[:1], *read[:2])):
        way = tries[order].way
        judged = _judged(sheet, group, _lines(sheet, group, way), way)
        if way.losses and not worked[way.key]:  # a fact that nothing else confirms is no ground to call a line wrong
            judged = [replace(f, mark="not understood", message=DIFFERS) if f.mark == "wrong" else f for f in judged]
        if not best or _understood(judged) > _understood(best):
            best = judged
    return best


def _listed(sheet: _Sheet, listing: Listing, worked: Counter[tuple[object, ...]]) -> list[Found]:
    """What is said of the updates of a listing: they lead to the next gradient, or would with one slip undone."""
    where = [_place_of(sheet, u.chain) for u in listing.updates]
    for activation in listing.activations(sheet.text):
        sheet.book.activation = activation
        try:
            for group in listing.groups():
                tries = _tried(sheet, group)
                if tries and tries[-1].done:
                    return [Found(n, w, "fine") for n, w in where]
                slip = _slip(sheet, listing, group, sorted(tries, key=lambda t: (-worked[t.way.key], -t.read)))
                if slip is not None:
                    k, repair = slip
                    text = write_plain(repair.tree).text
                    message = f"would be correct if written {text}: {repair.says}"
                    marks = [Found(n, w, "fine") for n, w in where]
                    marks[k] = Found(*where[k], "wrong", message, text)
                    return marks
        finally:
            sheet.book.activation = ""
    return []


def _slip(sheet: _Sheet, listing: Listing, group: Group, tries: Sequence[_Try]) -> tuple[int, Repair] | None:
    """The one change of one update with which a listing is right."""
    layouts: dict[object, _Try] = {}
    for t in tries:
        layouts.setdefault(t.way.key[2:3], t)  # the likeliest reading with gradients as columns, and as rows
    for t in layouts.values():
        course = _course(sheet, group, _lines(sheet, group, t.way), t.way)
        for k, u in enumerate(listing.updates) if course is not None else ():
            for repair in islice(repairs(u.body), MOST_REPAIRS):
                changed = replace(repair, tree=listing.composed(k, repair.tree))
                if course is not None and repair.kind not in UNLIKELY and _fits(changed, course, t.way):
                    return k, repair
    return None


def _place_of(sheet: _Sheet, d: DocumentChain) -> tuple[int, str]:
    sides = d.chain.sides
    words = " ".join(sheet.text[sides[0].span.start : sides[1].span.end].split())
    return line_at(sheet.starts, sides[0].span.start), words


def _is_update(group: Group) -> bool:
    """Whether a passage gives a name a new value made from the old one: ``g = g*W`` is no equality."""
    left, *rest = [s.tree for d in group.chains for s in d.chain.sides]
    if left is None or left.kind not in ("name", "index") or group.chains[0].chain.continues:
        return False
    written = write_plain(left).text
    return any(t is not None and written in {write_plain(n).text for n in t.walk()} for t in rest[:1])


def _updates(sheet: _Sheet, group: Group) -> list[Found]:
    if not _is_update(group):
        return []
    return [Found(*_place_of(sheet, group.chains[0]), "definition", "a new value for an old name")]


def _lines(sheet: _Sheet, group: Group, way: Way) -> list[Line]:
    def number(span: Span) -> int:
        return line_at(sheet.starts, span.start)

    return [line for d in group.chains for line in lines_of_chain(d.chain, sheet.text, number, way.changed, True)]


def _understood(lines: list[Found]) -> tuple[int, int]:
    """How many lines are right, and how many could be compared with something."""
    fine = sum(f.mark == "fine" for f in lines)
    return fine, fine + sum(f.mark in ("wrong", "follows") or f.message.startswith(DIFFERS) for f in lines)


def _groups(found: Sequence[DocumentChain]) -> Iterator[Group]:
    """A chain with those that go on from it."""
    group: list[DocumentChain] = []
    start = 0
    for place, d in enumerate(found):
        if d.chain.continues and group:
            group.append(d)
            continue
        if group:
            yield Group(tuple(group), start)
        group, start = [d], place
    if group:
        yield Group(tuple(group), start)


def _judged(sheet: _Sheet, group: Group, lines: Sequence[Line], way: Way, explains: bool = True) -> list[Found]:
    try:
        passage = posed(sheet.book, lines, group.place, way, sheet.declare)
    except MatcalcError as error:
        return [_not_understood(line, error.message) for line in lines if line.kind == "equation"]
    course = _taken(sheet, passage, lines, explains)
    functions = passage.problem.functions.values()
    sure = not any(f.assumed and f.kind == "value" and f.name != "loss" for f in functions)
    sure = sure and len(passage.losses) < 2 and not _is_condition(lines)
    sure = sure and not any(BY_ENTRY.search(s.words) for line in lines for s in line.sides if s.error is None)
    closed = not _asks_for_a_top(passage, lines)
    found = [
        found_of(sheet.text, j, sure and (closed or k in course.by_second), passage, way)
        for k, j in enumerate(course.results)
    ]
    if explains and sure and closed and len(found) == len(lines):
        written = [s for d in group.chains for s in _written(d)]
        found = [_rewritten(sheet, f, written[k], course, passage, way, group.place) for k, f in enumerate(found)]
    if all(f.mark != "wrong" for f in found):  # what follows from a line that is not believed to be wrong is open
        found = [replace(f, mark="not understood") if f.mark == "follows" else f for f in found]
    return [f for f, j in zip(found, course.results, strict=True) if j.mark != "remark"]


def _course(sheet: _Sheet, group: Group, lines: Sequence[Line], way: Way) -> Course | None:
    """A passage in one reading, gone through without looking for mistakes."""
    try:
        return _taken(sheet, posed(sheet.book, lines, group.place, way, sheet.declare), lines, False)
    except MatcalcError:
        return None


def _taken(sheet: _Sheet, passage: Passage, lines: Sequence[Line], explains: bool) -> Course:
    problem = passage.problem
    guesses = (*sheet.book.functions.get(problem.objective_name, ()), *VARIABLES)
    asked = tuple(n for n in guesses if n in problem.symbols and problem.symbols[n].index is None)[:1]
    course = Course(problem, (), Strictness(), "projected", sheet.seed, passage.given, lenient=True, explains=explains)
    course.context.asked = asked
    course.unsettled = not passage.settled
    for name, body in passage.later.items():
        course.context.define(name, body)
    for i, line in enumerate(lines):
        course.take(i, line, lines)
    return course


def _written(d: DocumentChain) -> list[Node | None]:
    """The side that each line of a chain ends with, as the document has it."""
    sides = [s.tree for s in d.chain.sides if s.relation in EQUALITIES]
    return sides if d.chain.continues or len(sides) < 2 else sides[1:]


def _rewritten(
    sheet: _Sheet, f: Found, written: Node | None, course: Course, passage: Passage, way: Way, place: int
) -> Found:
    """A line with the slip in it as the document writes it, where one is found that makes it right."""
    open_ended = f.mark == "not understood" and (f.message.startswith(DIFFERS) or "do not fit" in f.message)
    if written is None or not (f.mark == "wrong" or (open_ended and way.members is not None)):
        return f
    own = sheet.book.plainly(written)
    if f.mark == "wrong" and way.members is None and own == sheet.book.resolved(own, place):
        return f
    for repair in islice(repairs(own), MOST_REPAIRS):
        if not believable(repair.kind, passage) or _is_layout(repair, sheet.book, place):
            continue
        if _fits(repair, course, way):
            text = write_plain(repair.tree).text
            message = f"would be correct if written {text}: {repair.says}"
            return replace(f, mark="wrong", message=message, correction=text)
    return f


def _is_layout(repair: Repair, book: Notebook, place: int) -> bool:
    """Whether a change only turns a gradient round, which is a convention."""
    part = repair.part
    return repair.kind == "transpose" and part is not None and book.resolved(part, place).kind == "call"


def _fits(repair: Repair, course: Course, way: Way) -> bool:
    """Whether a formula is equal to what its chain is about."""
    try:
        text = write_plain(way.changed(repair.tree)).text
        return course.agrees(Side(text, 0, len(text)))
    except MatcalcError:
        return False


def _is_condition(lines: Sequence[Line]) -> bool:
    """Whether an equation is likely one that is set, ``A'*A*x = A'*b``, and not one that always holds: no function or
    name stands alone on the left, and the sides speak of different things."""
    first = lines[0]
    if first.continues or len(first.sides) < 2 or any(s.error is not None for s in first.sides[:2]):
        return False
    left, right = (parse_tree(s.text, s.start, s.stop) for s in first.sides[:2])
    if left.kind in ("name", "index") or any(n.kind in ("call", "binder", "norm", "partial") for n in left.walk()):
        return False
    return names_of(left) != names_of(right)


def _asks_for_a_top(passage: Passage, lines: Sequence[Line]) -> bool:
    """Whether a loss is differentiated by one of several things whose relation is unknown."""
    left = lines[0].sides[0].words.strip() if lines and lines[0].sides else ""
    match = re.fullmatch(r"\(?(?:grad|jac)\((\w+), (\w+)'?\)\)?'?", left)
    tops = passage.losses.get(match[1], []) if match is not None else []
    return match is not None and len(tops) > 1 and match[2] in tops


def _not_understood(line: Line, message: str) -> Found:
    return Found(line.number, line.text, "not understood", message)


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
