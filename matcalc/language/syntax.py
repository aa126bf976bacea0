"""From text to a syntax tree: a Pratt parser, with the place in the text on every node.

Precedence, loosest first: ``+ -``, the minus sign, ``* / .* ./ @ ⊗`` (one level, from the left), ``^ .^`` (from the
right; the exponent may have a minus sign), ``'``.  A transpose written after an exponent transposes the power:
``x.^2'`` is ``(x.^2)'``.  Sums and products are flat nodes, so that long expressions are not deep ones.

Invariant: no node is deeper than ``MAX_DEPTH``; whoever walks a tree may recurse.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from matcalc.errors import ParseError, Span
from matcalc.language.tokens import Token, tokenize

__all__ = ["MAX_DEPTH", "Node", "Parser", "indices_of", "is_juxtaposed", "parse_tree"]

MAX_DEPTH = 64
PRODUCT_SIGNS = frozenset(("*", "/", ".*", "./", "@", "⊗"))
POWER_SIGNS = frozenset(("^", ".^"))
BOOK_SIGNS = frozenset("‖ᵀ⊤⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
BINDERS = {"sum": "sumover", "prod": "prod", "rows": "stack"}
COMPARISONS = frozenset(("<", ">", "<=", ">="))
WRONG_SIGNS = {
    "**": "^ is the power of a square matrix or scalar, .^ the power of each entry",
    "==": "a single = defines a name",
    "=": "a definition is a statement of its own: NAME = EXPRESSION",
    "×": "* is the product; × is written in declarations only",
    ":": "a declaration is a statement of its own: NAME : SHAPE",
    "->": "",
    "..": "a range is written i in 1..N",
    **dict.fromkeys(COMPARISONS, "a comparison stands in parentheses: (x > 0)"),
}


@dataclass(frozen=True, slots=True)
class Node:
    """One node. ``kind`` and ``data``:

    num (value, whether a decimal) | name (the name) | neg | sum (signs) | chain (signs) | pow (sign) | transpose |
    call (name, order of the derivative) | partial (argument position) | index (name) | binder (operation, index) |
    norm (which) | compare (sign) | entry (for each index whether it is ``:``; what it is of, then the other indices) |
    unsaid (the end of a range that is as long as what its index is used for)
    """

    kind: str
    span: Span
    args: tuple[Node, ...] = ()
    data: Any = None
    mark: Span | None = None  # of the sign, or of the name of a call
    depth: int = 1

    def walk(self) -> Iterator[Node]:
        """The node and everything below it, in the order of the text."""
        yield self
        for a in self.args:
            yield from a.walk()


def parse_tree(text: str, start: int = 0, stop: int | None = None) -> Node:
    """The syntax tree of one expression."""
    parser = Parser(text, tokenize(text, start, stop))
    parser.skip_newlines()
    if parser.at_end:
        raise ParseError(
            "there is no expression", span=Span(start, start), source=text, label="nothing is written here"
        )
    tree = parser.expression()
    parser.skip_newlines()
    if parser.token.kind != "end":
        raise parser.unexpected()
    return tree


def is_juxtaposed(text: str) -> bool:
    """Whether a text uses the notation of books, in which factors stand side by side: norm bars or superscripts."""
    return "||" in text or any(c in BOOK_SIGNS for c in text)


class Parser:
    """A place in a list of tokens. ``juxtapose``: factors may stand side by side, as in ``λ‖x‖²``."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self.text = text
        self.tokens = tokens
        self.i = 0
        self.depth = 0
        self.bars: list[Token] = []
        self.juxtapose = is_juxtaposed(text)

    # ------------------------------------------------------------------ tokens
    @property
    def token(self) -> Token:
        return self.tokens[self.i]

    @property
    def at_end(self) -> bool:
        return self.token.kind == "end"

    def peek(self, ahead: int = 1) -> Token:
        return self.tokens[min(self.i + ahead, len(self.tokens) - 1)]

    def next(self) -> Token:
        token = self.tokens[self.i]
        self.i = min(self.i + 1, len(self.tokens) - 1)
        return token

    def is_sign(self, *values: str) -> bool:
        return self.token.kind == "sign" and self.token.value in values

    def accept(self, value: str) -> Token | None:
        return self.next() if self.is_sign(value) else None

    def expect(self, value: str, where: str) -> Token:
        if not self.is_sign(value):
            raise self.error(f"'{value}' is missing {where}")
        return self.next()

    def skip_newlines(self) -> None:
        while self.token.kind == "newline":
            self.next()

    def error(self, message: str, token: Token | None = None, label: str = "", hint: str = "") -> ParseError:
        token = token or self.token
        return ParseError(message, span=token.span, source=self.text, label=label, hint=hint)

    def unexpected(self) -> ParseError:
        """The error for a token that cannot stand here."""
        token = self.token
        if token.kind == "end" or token.kind == "newline":
            before = self.tokens[max(0, self.i - 1)]
            return self.error("the expression ends too early", before, f"something must follow '{before.value}'")
        if token.kind == "sign":
            return self.error(f"'{token.value}' cannot stand here", hint=WRONG_SIGNS.get(token.value, ""))
        before = self.tokens[self.i - 1]
        between = f"between '{before.value}' and" if before.kind in ("name", "num") else "before"
        return self.error("two operands side by side", label=f"a sign such as * is missing {between} '{token.value}'")

    def node(self, kind: str, span: Span, *args: Node, data: Any = None, mark: Span | None = None) -> Node:
        depth = 1 + max((a.depth for a in args), default=0)
        if kind == "chain":  # quotients and changes of sign nest in the term
            depth += sum(1 for x, y in zip(data, ("*", *data[:-1]), strict=True) if x != y or x in ("/", "./"))
        if depth > MAX_DEPTH:
            raise ParseError(
                f"the expression is nested too deeply (more than {MAX_DEPTH} levels)",
                span=Span(span.start, span.start + 1),
                source=self.text,
            )
        return Node(kind, span, args, data, mark, depth)

    # ------------------------------------------------------------- expressions
    def expression(self) -> Node:
        """A sum: the loosest level."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"the expression is nested too deeply (more than {MAX_DEPTH} levels)")
        terms: list[Node] = []
        signs: list[str] = []
        marks = self.token.span
        sign = "+"
        while True:
            terms.append(self.signed())
            signs.append(sign)
            if not self.is_sign("+", "-"):
                break
            sign = self.next().value
        self.depth -= 1
        if len(terms) == 1:
            return terms[0]
        return self.node("sum", _cover(terms), *terms, data=tuple(signs), mark=marks)

    def signed(self) -> Node:
        """A product with a minus sign before it: ``-a*b`` is ``-(a*b)``."""
        return self.with_minus(self.product)

    def with_minus(self, operand: Any) -> Node:
        marks: list[Token] = []
        while self.is_sign("-", "+"):
            marks.append(self.next())
            if len(marks) > MAX_DEPTH:
                raise self.error(f"the expression is nested too deeply (more than {MAX_DEPTH} levels)")
        tree: Node = operand()
        for mark in reversed(marks):
            if mark.value == "-":
                tree = self.node("neg", Span(mark.span.start, tree.span.end), tree, mark=mark.span)
        return tree

    def product(self) -> Node:
        factors = [self.power()]
        signs: list[str] = []
        while True:
            if self.token.kind == "sign" and self.token.value in PRODUCT_SIGNS:
                sign = self.next().value
                signs.append("*" if sign == "@" else sign)
                factors.append(self.with_minus(self.power))
            elif self.juxtapose and self.begins_operand():
                signs.append("*")
                factors.append(self.power())
            else:
                break
        if not signs:
            return factors[0]
        return self.node("chain", _cover(factors), *factors, data=tuple(signs))

    def begins_operand(self) -> bool:
        """Whether a factor may begin here without a sign before it."""
        if self.token.kind == "bar":
            return not self.bars
        if self.token.kind in ("name", "num"):
            return self.token.value not in ("in", "for", "wrt", "down")
        return self.is_sign("(")

    def power(self) -> Node:
        tree = self.postfix(self.primary())
        while self.token.kind == "sign" and self.token.value in POWER_SIGNS:
            sign = self.next()
            exponent = self.exponent()
            span = Span(tree.span.start, exponent.span.end)
            tree = self.postfix(self.node("pow", span, tree, exponent, data=sign.value, mark=sign.span))
        return tree

    def exponent(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"the expression is nested too deeply (more than {MAX_DEPTH} levels)")
        if self.is_sign("'") and self.text[self.token.span.start] in "ᵀ⊤":  # X^⊤
            mark = self.next()
            return self.node("name", mark.span, data="T")
        tree = self.with_minus(self.primary)
        if self.token.kind == "sign" and self.token.value in POWER_SIGNS:
            sign = self.next()
            above = self.exponent()
            tree = self.node("pow", Span(tree.span.start, above.span.end), tree, above, data=sign.value, mark=sign.span)
        self.depth -= 1
        return tree

    def postfix(self, tree: Node) -> Node:
        """Transpose signs, superscripts and indices."""
        while True:
            token = self.token
            span = Span(tree.span.start, token.span.end)
            if token.kind == "sign" and token.value == "[":
                indices, flags, end = self.bracket()
                tree = self.node("entry", Span(span.start, end), tree, *indices, data=flags, mark=tree.span)
            elif token.kind == "sign" and token.value == "'":
                self.next()
                tree = self.node("transpose", span, tree, mark=token.span)
            elif token.kind == "power":
                self.next()
                if token.number is None:  # ⁻ᵀ
                    minus = Node(
                        "neg", token.span, (Node("num", token.span, data=(1, False)),), mark=token.span, depth=2
                    )
                    tree = self.node("pow", span, tree, minus, data="^", mark=token.span)
                    tree = self.node("transpose", span, tree, mark=token.span)
                    continue
                exponent = Node("num", token.span, data=(abs(token.number), False))
                if token.number < 0:
                    exponent = Node("neg", token.span, (exponent,), mark=token.span, depth=2)
                tree = self.node("pow", span, tree, exponent, data="^", mark=token.span)
            else:
                return tree

    def primary(self) -> Node:
        token = self.token
        if token.kind == "num":
            self.next()
            return Node(
                "num", token.span, data=(token.number, token.value.isdigit() is False and "/" not in token.value)
            )
        if token.kind == "name":
            return self.named()
        if token.kind == "bar":
            return self.norm()
        if self.is_sign("("):
            self.next()
            if self.is_sign(")"):
                raise self.error("there is nothing between the parentheses")
            tree = self.comparison()
            if not self.is_sign(")"):
                raise self.unexpected()
            close = self.next()
            return replace(tree, span=Span(token.span.start, close.span.end))  # the place includes the parentheses
        raise self.unexpected()

    def comparison(self) -> Node:
        """An expression, or ``a < b`` of two: what may stand between parentheses or as an argument."""
        tree = self.expression()
        if self.token.kind != "sign" or self.token.value not in COMPARISONS:
            return tree
        sign = self.next()
        other = self.expression()
        span = Span(tree.span.start, other.span.end)
        return self.node("compare", span, tree, other, data=sign.value, mark=sign.span)

    def norm(self) -> Node:
        opened = self.next()
        self.bars.append(opened)
        tree = self.expression()
        if self.token.kind != "bar":
            raise self.error("unclosed norm", opened, "this bar is never closed")
        close = self.next()
        self.bars.pop()
        return self.node("norm", Span(opened.span.start, close.span.end), tree, data=close.value)

    def named(self) -> Node:
        token = self.next()
        name, order, ahead = token.value, 0, 0
        if name in ("in", "wrt"):
            raise self.error(f"'{name}' is a word of the language, not a name", token)
        while self.peek(ahead).kind == "sign" and self.peek(ahead).value == "'":
            ahead += 1
        opens = self.peek(ahead)
        if (
            opens.value == "("
            and opens.kind == "sign"
            and (ahead == 0 or opens.span.start == self.peek(ahead - 1).span.end)
        ):
            for _ in range(ahead):
                self.next()
                order += 1
            return self.call(token, order)
        if self.is_sign("["):
            indices, flags, end = self.bracket()
            span = Span(token.span.start, end)
            if flags == (False,):
                return self.node("index", span, *indices, data=name, mark=token.span)
            return self.node("entry", span, Node("name", token.span, data=name), *indices, data=flags, mark=token.span)
        return Node("name", token.span, data=name)

    def bracket(self) -> tuple[list[Node], tuple[bool, ...], int]:
        """``[d,:]``: the indices, for each whether it is a colon, and where the bracket ends."""
        opened = self.next()
        bars, self.bars = self.bars, []
        indices: list[Node] = []
        flags: list[bool] = []
        while True:
            flags.append(self.accept(":") is not None)
            if not flags[-1]:
                indices.append(self.expression())
            if not self.accept(","):
                break
        close = self.expect("]", "after the index")
        self.bars = bars
        if len(flags) > 2:
            raise ParseError(
                "a matrix has two indices, not more",
                span=Span(opened.span.start, close.span.end),
                source=self.text,
                hint="write X[i,j], X[i,:] or X[:,j]",
            )
        return indices, tuple(flags), close.span.end

    def call(self, name: Token, order: int) -> Node:
        if order == 0 and name.value in BINDERS and self.peek().kind == "name" and self.peek(2).value == "in":
            return self.binder(name)
        args, close = self.arguments(name)
        unsaid = self.unsaid_range(name, args, close) if order == 0 else None
        if unsaid is not None:
            return unsaid
        if name.value.startswith("grad_") and name.value[5:].isdigit() and self.is_sign("(") and len(args) == 1:
            more, close = self.arguments(name)
            span = Span(name.span.start, close.span.end)
            return self.node("partial", span, *args, *more, data=int(name.value[5:][:4]) - 1, mark=name.span)
        return self.node("call", Span(name.span.start, close.span.end), *args, data=(name.value, order), mark=name.span)

    def arguments(self, name: Token) -> tuple[list[Node], Token]:
        self.expect("(", "before the arguments")
        if self.is_sign(")"):
            raise self.error(f"{name.value}() needs an argument", name)
        bars, self.bars = self.bars, []
        args = [self.comparison()]
        while self.accept(","):
            args.append(self.comparison())
        if not self.is_sign(")"):
            raise self.unexpected()
        self.bars = bars
        return args, self.next()

    def binder(self, name: Token) -> Node:
        """``sum(i in 1..N, body)``."""
        self.next()
        ranges: list[tuple[Token, Node, Node]] = []
        while True:
            index = self.next()
            self.next()
            ranges.append((index, *self.range()))
            if self.token.kind == "name" and self.token.value == "down":
                raise self.error("ranges that run downward are not supported yet")
            if self.is_sign(".."):
                hint = f"for every second one write {index.value} in 1..N and the index 2*{index.value}"
                raise self.error("an index takes every integer from the first to the last", hint=hint)
            self.expect(",", f"between the range and what is under {name.value}")
            if name.value == "rows" or not (self.token.kind == "name" and self.peek().value == "in"):
                break
        body = self.expression()
        close = self.expect(")", f"after what is under {name.value}")
        span = Span(name.span.start, close.span.end)
        for index, low, high in reversed(ranges):
            body = self.node("binder", span, low, high, body, data=(BINDERS[name.value], index.value), mark=index.span)
        return body

    def unsaid_range(self, name: Token, args: list[Node], close: Token) -> Node | None:
        """``sum(i, x[i]^2)``, ``sum(i, j, X[i,j])``: every index runs over all entries that it is used for."""
        *indices, body = args
        if name.value not in ("sum", "prod") or not indices or any(a.kind != "name" for a in indices):
            return None
        used = {n.data for b in body.walk() for a in indices_of(b) for n in a.walk() if n.kind == "name"}
        if not all(a.data in used for a in indices):
            return None
        span = Span(name.span.start, close.span.end)
        for a in reversed(indices):
            low = Node("num", a.span, data=(Fraction(1), False))
            high = Node("unsaid", a.span, data=a.data)
            body = self.node("binder", span, low, high, body, data=(BINDERS[name.value], a.data), mark=a.span)
        return body

    def range(self) -> tuple[Node, Node]:
        low = self.expression()
        self.expect("..", "in the range")
        return low, self.expression()


def indices_of(node: Node) -> tuple[Node, ...]:
    """The indices of a member, an entry, a row or a column."""
    return node.args if node.kind == "index" else node.args[1:] if node.kind == "entry" else ()


def _cover(nodes: list[Node]) -> Span:
    return Span(nodes[0].span.start, nodes[-1].span.end)
