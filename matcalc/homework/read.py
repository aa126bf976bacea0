"""From the text of an answer to its pieces: definitions on the way and the expression at the end.

An answer is an expression, or a short program whose last line is the answer (``g = grad(loss, Y); X'*g``).  Every
piece is kept as a form, so that an answer whose shapes do not fit can still be talked about.

Invariants: text that is not of the language raises ParseError; shapes that do not fit are kept as ``error``, not
raised.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from matcalc.errors import MatcalcError, ParseError, ShapeError, Span
from matcalc.homework.form_building import build
from matcalc.homework.form_trees import form_of_tree
from matcalc.homework.forms import Form, form_of, places, with_args
from matcalc.homework.meaning import Context, without_fractions
from matcalc.language.dims import Shape
from matcalc.language.syntax import Node, parse_tree
from matcalc.language.terms import Term

__all__ = ["Answer", "Piece", "inlined", "parts_of", "place_of", "read_answer", "sides", "statements"]

NAME = re.compile(r"\s*([^\W\d]\w*)\s*")
OPENING, CLOSING = "([{", ")]}"
OPERATORS = ("+", "*", ".*", "./", "/", "@")


@dataclass(frozen=True, slots=True)
class Piece:
    """One statement of an answer. ``name``: what it defines; None for the answer itself."""

    name: str | None
    form: Form
    term: Term | None = None  # with the names of earlier pieces; None where the shapes do not fit
    source: Form | None = None  # as it is written in the text, with places


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was read. ``term`` is the whole without its own names; None where its shapes do not fit."""

    text: str
    pieces: tuple[Piece, ...]
    context: Context
    term: Term | None
    error: MatcalcError | None = None
    shape: Shape | None = None  # that was expected
    notes: tuple[str, ...] = ()
    reread: Callable[[str], Term] | None = None  # of an answer in code: the term of other code in its place

    def edited(self, i: int, form: Form) -> Term:
        """The whole with another form for one piece (after the last one: for the whole). Raises a MatcalcError where
        it does not fit."""
        return build(form, self.reader()) if i == len(self.pieces) else self.edited_pieces({i: form})

    def edited_pieces(self, forms: Mapping[int, Form]) -> Term:
        """The whole with other forms for some pieces."""
        table: dict[str, Form] = {}
        out = self.pieces[-1].form
        for k, piece in enumerate(self.pieces):
            here = forms.get(k, piece.form)
            out = inlined(here, table) if table else here
            if piece.name is not None:
                table[piece.name] = out
        return build(out, self.reader())

    def reader(self) -> _Reader:
        return _Reader(self.context, self.text, self.shape)

    def written(self, i: int, form: str) -> str:
        """The text of the whole with another text for one piece."""
        return self.written_pieces({i: form})

    def written_pieces(self, forms: Mapping[int, str]) -> str:
        """The text of the whole with other texts for some pieces."""
        from matcalc.homework.form_text import text_of

        lines = []
        for k, piece in enumerate(self.pieces):
            body = forms[k] if k in forms else text_of(piece.form)
            lines.append(body if piece.name is None else f"{piece.name} = {body}")
        return "; ".join(lines)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads syntax trees in the context of an answer, without its own names in the result."""

    context: Context
    text: str
    shape: Shape | None

    def __call__(self, tree: Node) -> Term:
        return self.context.written_out(self.context.read(tree, self.text, self.shape))


def inlined(form: Form, table: dict[str, Form]) -> Form:
    """The form with names replaced by what they stand for."""
    if form.op == "leaf":
        item = form.item
        if isinstance(item, Term):
            return table.get(item.data, form) if item.op == "sym" else form
        return table.get(item.data, form) if item is not None and item.kind == "name" else form
    args = tuple(inlined(a, table) for a in form.args)
    return form if args == form.args else with_args(form, args, form.data)


# ------------------------------------------------------------------------------- statements
def statements(text: str) -> Iterator[Span]:
    """The places of the statements of a text: lines and parts between semicolons, outside of brackets.

    A line that begins with an operator belongs to the line before it; one that begins with a minus sign only where it
    is indented.
    """
    depth = 0
    start = 0
    i = 0
    while i < len(text):
        c = text[i]
        if c == "#":
            end = text.find("\n", i)
            yield from _trimmed(text, start, i)
            i = start = len(text) if end < 0 else end
            continue
        if c in OPENING:
            depth += 1
        elif c in CLOSING:
            depth = max(0, depth - 1)
        elif (c == ";" and depth == 0) or (c == "\n" and depth == 0 and not _goes_on(text, start, i)):
            yield from _trimmed(text, start, i)
            start = i + 1
        i += 1
    yield from _trimmed(text, start, len(text))


def _goes_on(text: str, start: int, newline: int) -> bool:
    rest = text[newline:].lstrip()
    if rest.startswith(OPERATORS):
        return True
    if not rest.startswith("-") or rest.startswith(("->", "--")) or "=" in _line(rest):
        return False
    return _indent(text, len(text) - len(rest)) > _indent(text, start + len(text[start:]) - len(text[start:].lstrip()))


def _indent(text: str, place: int) -> int:
    """How far a place is from the beginning of its line."""
    return place - (text.rfind("\n", 0, place) + 1)


def _line(text: str) -> str:
    return text.partition("\n")[0]


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield Span(start, end)


def sides(text: str, span: Span) -> list[Span]:
    """The sides of the equations in a statement: ``a = b = c`` has three. A missing side is an empty span."""
    out: list[Span] = []
    depth = 0
    start = span.start
    i = span.start
    while i < span.end:
        c = text[i]
        if c in OPENING:
            depth += 1
        elif c in CLOSING:
            depth = max(0, depth - 1)
        elif c in "=≈" and depth == 0 and text[i - 1 : i] not in ("<", ">", "!", "~") and text[i + 1 : i + 2] != ">":
            end = i - 1 if text[i - 1 : i] == ":" and i > span.start else i
            out.append(_trim(text, start, end))
            start = i + 2 if text[i + 1 : i + 2] == "=" else i + 1
            i = start
            continue
        i += 1
    out.append(_trim(text, start, span.end))
    return out


def _trim(text: str, start: int, end: int) -> Span:
    return next(_trimmed(text, start, max(start, end)), Span(start, start))


# ---------------------------------------------------------------------------------- answers
def parts_of(text: str) -> list[tuple[str | None, Span]]:
    """The statements of an answer: the name that is defined, or None, and the place of the right side.

    What stands left of an equals sign and is no name (``grad(f, x) = ...``) repeats the question.
    """
    out: list[tuple[str | None, Span]] = []
    for span in statements(text):
        *left, right = sides(text, span)
        if right.start == right.end:
            raise ParseError("the right side is missing", span=span, source=text)
        name = NAME.fullmatch(text[left[0].start : left[0].end]) if len(left) == 1 else None
        out.append((name.group(1) if name else None, right))
    if not out:
        raise ParseError("there is no answer", span=Span(0, 0), source=text, label="nothing is written here")
    return out


def read_answer(text: str, context: Context, shape: Shape | None = None) -> Answer:
    """Read an answer against a problem. Raises ParseError for text that is not of the language."""
    plain = without_fractions(text)
    pieces: list[Piece] = []
    error: MatcalcError | None = None
    parts = parts_of(plain)
    whole: Term | None = None
    for k, (name, span) in enumerate(parts):
        last = k == len(parts) - 1
        if not last and name is None:
            raise ParseError("only the last line may be without a name", span=span, source=text)
        tree = parse_tree(plain, span.start, span.end)
        wanted = shape if last else None
        term, problem = _read(tree, plain, context, wanted)
        if problem is not None and problem.source == plain:
            problem.source = text
        error = error or problem
        source = form_of_tree(tree, context.names())
        form = form_of(term) if term is not None and error is None else source
        pieces.append(Piece(None if last else name, form, term, source))
        if term is not None:
            whole = context.written_out(term)
            if name is not None and not last:
                context.define(name, whole)
        elif name is not None and not last:
            return Answer(text, _remaining(plain, parts, k, pieces, context), context, None, error, shape)
    return Answer(text, tuple(pieces), context, whole if error is None else None, error, shape, tuple(context.notes))


def _read(tree: Node, text: str, context: Context, shape: Shape | None) -> tuple[Term | None, MatcalcError | None]:
    """The term, or why its shapes do not fit. The transposed shape is tried where a size depends on it."""
    try:
        return context.read(tree, text, shape), None
    except ShapeError as first:
        if shape is None or shape.transposed == shape:
            return None, first
        try:
            return context.read(tree, text, shape.transposed), None
        except ShapeError:
            return None, first


def _remaining(
    text: str, parts: list[tuple[str | None, Span]], k: int, pieces: list[Piece], context: Context
) -> tuple[Piece, ...]:
    """The pieces after one whose shapes do not fit: nothing is known of their shapes."""
    rest = []
    for j, (name, span) in enumerate(parts[k + 1 :], k + 1):
        form = form_of_tree(parse_tree(text, span.start, span.end), context.names())
        rest.append(Piece(None if j == len(parts) - 1 else name, form))
    return (*pieces, *rest)


def place_of(part: Form, source: Form | None) -> Span | None:
    """Where a part of an answer stands in the text."""
    if part.span is not None or source is None:
        return part.span
    for _, here in places(source):
        if here.span is not None and (here == part or _same(here, part)):
            return here.span
    return None


def _same(a: Form, b: Form) -> bool:
    try:
        return build(a) is build(b)
    except MatcalcError:
        return False
