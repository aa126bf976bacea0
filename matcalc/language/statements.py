"""From a program to statements: declarations, definitions, blocks, expressions and the ``derive`` line.

Statements are separated by newlines or ``;``.  The body of a ``for`` block is what is indented below it (or what
follows on its line).  Nothing is given a meaning here.
"""

from __future__ import annotations

from dataclasses import dataclass

from matcalc.errors import ParseError, Span
from matcalc.language.syntax import Node, Parser
from matcalc.language.tokens import Token, tokenize

__all__ = ["Declaring", "Defining", "Deriving", "Formulating", "Looping", "Standing", "Statement", "parse_program"]


@dataclass(frozen=True, slots=True)
class Declaring:
    """``NAME : SHAPE PROPERTY*``; the text is read by :mod:`matcalc.language.declarations`."""

    span: Span


@dataclass(frozen=True, slots=True)
class Defining:
    """``R = A*X - B`` or ``h[0] = h0``; the target is a name or an index node."""

    target: Node
    body: Node
    span: Span


@dataclass(frozen=True, slots=True)
class Formulating:
    """``swish(t) := t*sigmoid(t)``: a function of numbers, with the names of its parameters."""

    name: Node
    parameters: tuple[Node, ...]
    body: Node
    span: Span


@dataclass(frozen=True, slots=True)
class Standing:
    """An expression by itself."""

    body: Node
    span: Span


@dataclass(frozen=True, slots=True)
class Deriving:
    """``derive L wrt X, gamma``."""

    body: Node
    wrt: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Looping:
    """``for t in 1..T:`` (or ``for t in 1..T down:``) and its body."""

    index: Node
    low: Node
    high: Node
    body: tuple[Defining, ...]
    span: Span
    down: bool = False


Statement = Declaring | Defining | Formulating | Standing | Deriving | Looping


def parse_program(text: str) -> tuple[Statement, ...]:
    """The statements of a program, in order."""
    parser = Parser(text, tokenize(text))
    out: list[Statement] = []
    while True:
        _skip_separators(parser)
        if parser.at_end:
            break
        out.append(_statement(parser))
        _expect_separator(parser)
    if not out:
        raise ParseError("there is no expression", span=Span(0, 0), source=text, label="nothing is written here")
    return tuple(out)


def _skip_separators(parser: Parser) -> None:
    while parser.token.kind == "newline" or parser.is_sign(";"):
        parser.next()


def _expect_separator(parser: Parser) -> None:
    if not (parser.at_end or parser.token.kind == "newline" or parser.is_sign(";")):
        raise parser.unexpected()


def _word(token: Token, value: str) -> bool:
    return token.kind == "name" and token.value == value


def _begins_statement(parser: Parser) -> bool:
    """Whether a word such as ``for`` or ``derive`` is used as one here (and not as a name)."""
    return parser.peek().kind in ("name", "num", "bar", "end", "newline") or parser.peek().value in ("(", ";")


def _statement(parser: Parser) -> Statement:
    if _word(parser.token, "for") and parser.peek().kind == "name":
        return _loop(parser)
    if _word(parser.token, "derive") and _begins_statement(parser):
        return _derive(parser)
    if parser.token.kind == "name" and _declares(parser):
        return _declaration(parser)
    return _definition_or_expression(parser)


def _declares(parser: Parser) -> bool:
    """``A : ...``, ``A, B : ...`` or ``W[i] : ...``."""
    ahead = 1
    while parser.peek(ahead).value == "," and parser.peek(ahead + 1).kind == "name":
        ahead += 2
    if parser.peek(ahead).value == "[":
        while parser.peek(ahead).kind in ("name", "num", "sign") and parser.peek(ahead).value != "]":
            ahead += 1
        ahead += 1
    return parser.peek(ahead).kind == "sign" and parser.peek(ahead).value == ":"


def _declaration(parser: Parser) -> Declaring:
    start = parser.token.span.start
    end = start
    while not (parser.at_end or parser.token.kind == "newline" or parser.is_sign(";")):
        end = parser.next().span.end
    return Declaring(Span(start, end))


def _definition_or_expression(parser: Parser) -> Defining | Formulating | Standing:
    body = parser.expression()
    if not parser.is_sign("=", ":="):
        return Standing(body, body.span)
    sign = parser.next()
    if body.kind == "call" and sign.value == ":=":
        return _formula(parser, body)
    if body.kind not in ("name", "index"):
        says = parser.text[body.span.start : body.span.end]
        of_names = body.kind == "call" and not body.data[1] and all(a.kind == "name" for a in body.args)
        raise ParseError(
            "only a name can be defined",
            span=body.span,
            source=parser.text,
            label="not a name",
            hint=f"a function of every entry is defined by {says} := EXPRESSION"
            if of_names
            else "write NAME = EXPRESSION, or h[t] = EXPRESSION in a for block",
        )
    parser.skip_newlines()
    if parser.at_end or parser.is_sign(";"):
        raise parser.error("the definition has no right side", sign)
    value = parser.expression()
    return Defining(body, value, Span(body.span.start, value.span.end))


def _formula(parser: Parser, head: Node) -> Formulating:
    """``swish(t) := t*sigmoid(t)``, after the sign."""
    names = [a.data for a in head.args if a.kind == "name"]
    if head.data[1] or len(set(names)) < len(head.args):
        raise ParseError(
            "the parameters of a function are different names",
            span=head.span,
            source=parser.text,
            hint="write NAME(t) := EXPRESSION",
        )
    parser.skip_newlines()
    body = parser.expression()
    name = Node("name", head.mark or head.span, data=head.data[0])
    return Formulating(name, head.args, body, Span(head.span.start, body.span.end))


def _derive(parser: Parser) -> Deriving:
    start = parser.next().span.start
    body = parser.expression()
    wrt: list[Node] = []
    if _word(parser.token, "wrt"):
        while True:
            parser.next()
            token = parser.token
            if token.kind != "name":
                raise (
                    parser.error("the name of a variable must follow 'wrt'")
                    if not parser.at_end
                    else parser.unexpected()
                )
            wrt.append(_variable(parser))
            if not parser.is_sign(","):
                break
    end = wrt[-1].span.end if wrt else body.span.end
    return Deriving(body, tuple(wrt), Span(start, end))


def _variable(parser: Parser) -> Node:
    """A variable's name, or a part of one: ``H[d,:]``."""
    token = parser.next()
    name = Node("name", token.span, data=token.value)
    if not parser.is_sign("["):
        return name
    indices, flags, end = parser.bracket()
    return parser.node("entry", Span(token.span.start, end), name, *indices, data=flags, mark=token.span)


def _loop(parser: Parser) -> Looping:
    start = parser.next().span.start
    name = parser.next()
    index = Node("name", name.span, data=name.value)
    if not _word(parser.token, "in"):
        raise parser.error("'in' is missing in the 'for' line", hint="for t in 1..T:")
    parser.next()
    low, high = parser.range()
    down = _word(parser.token, "down")
    if down:
        parser.next()
    if _word(parser.token, "step") or _word(parser.token, "by") or parser.is_sign(".."):
        hint = f"for every second one write {name.value} in 1..N and the index 2*{name.value}"
        raise parser.error("an index takes every integer from the first to the last", hint=hint)
    parser.expect(":", "at the end of the 'for' line")
    if parser.token.kind == "newline":
        body = _indented(parser, _column(parser.text, start))
    else:
        body = [_inside(parser)]
        while parser.is_sign(";") and parser.peek().kind not in ("newline", "end"):
            parser.next()
            body.append(_inside(parser))
    if not body:
        raise ParseError(
            "the 'for' block is empty", span=Span(start, high.span.end), source=parser.text, hint="indent its lines"
        )
    return Looping(index, low, high, tuple(body), Span(start, body[-1].span.end), down)


def _indented(parser: Parser, column: int) -> list[Defining]:
    body: list[Defining] = []
    while True:
        mark = parser.i
        _skip_separators(parser)
        if parser.at_end or _column(parser.text, parser.token.span.start) <= column:
            parser.i = mark  # the separator belongs to the block's surroundings
            return body
        body.append(_inside(parser))
        _expect_separator(parser)


def _inside(parser: Parser) -> Defining:
    if _word(parser.token, "for") and parser.peek().kind == "name":
        hint = "one index counts the steps of a block: give each layer a name of its own, as in h1[t] and h2[t]"
        raise parser.error("a block inside a block is not supported", hint=hint)
    statement = _definition_or_expression(parser)
    if not isinstance(statement, Defining) or statement.target.kind != "index":
        raise ParseError(
            "a block holds definitions of members only",
            span=statement.span,
            source=parser.text,
            hint="give every name of the block its index, as in h[t] = ...",
        )
    return statement


def _column(text: str, place: int) -> int:
    return place - (text.rfind("\n", 0, place) + 1)
