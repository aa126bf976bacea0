r"""The grammar of formulas: tokens to the syntax tree of the language.

Loosest first: ``+ -``; entry by entry ``\odot \otimes \oslash``; products, by juxtaposition, ``\cdot`` or ``/``;
scripts.  The nodes are those of :mod:`matcalc.language.syntax`, so that everything behind it works unchanged.

What a letter means is decided by what is known of the problem, else by the text itself (:class:`Facts`); what could be
read in two ways that differ, such as ``1/2\sigma^2``, is an error and never a guess.

Invariant: no node is deeper than the language allows, no walk recurses deeper than that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from matcalc.errors import ParseError, Span
from matcalc.interop.latex_names import FUNCTION_LETTERS, Known
from matcalc.interop.latex_tokens import Token
from matcalc.language.syntax import MAX_DEPTH, Node, Parser
from matcalc.language.tokens import MAX_DIGITS

__all__ = ["Facts", "Grammar", "matching"]

ENTRYWISE = {"odot": ".*", "circ": ".*", "oslash": "./", "otimes": "⊗", "circledast": ".*"}
DOTS = frozenset(("cdot", "times", "ast", "star"))
NODES = Parser("", [])  # makes nodes and knows how deep they are
OPENING = {"(": ")", "[": "]", "{": "}"}
CLOSING = frozenset(OPENING.values())
TAKING = {"frac": 2, "dfrac": 2, "tfrac": 2, "sqrt": 1}  # how many arguments a command takes
OPEN_BARS = {"lvert": "rvert", "lVert": "rVert", "|": "|", "||": "||"}


@dataclass(slots=True)
class Facts:
    """What a text tells about its own letters, where nothing is known of them."""

    bare: frozenset[str] = frozenset()  # stems that stand without an argument somewhere
    indices: frozenset[str] = frozenset()  # letters that occur in arithmetic of a subscript, as in h_{t-1}
    limits: dict[str, list[Token]] = field(default_factory=dict)  # of sums, by the index
    deltas: bool = False  # whether \delta X is a differential


class Grammar:
    """A place in a list of tokens."""

    def __init__(
        self, tokens: list[Token], text: str, known: Known, facts: Facts, above: Grammar | None = None
    ) -> None:
        self.tokens = [t for t in tokens if t.kind not in ("newline", "row") and not t.is_sign("&")]
        if not self.tokens or self.tokens[-1].kind != "end":
            place = self.tokens[-1].span.end if self.tokens else 0
            self.tokens.append(Token("end", "", Span(place, place)))
        self.text = text
        self.known = known
        self.facts = facts
        self.i = 0
        self.depth: int = above.depth if above is not None else 0
        self.bars: list[str] = []
        self.bound: tuple[str, ...] = above.bound if above is not None else ()
        self.factors: int = above.factors + 1 if above is not None else 0  # how many factors are being read

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

    def accept(self, *signs: str) -> Token | None:
        return self.next() if self.token.is_sign(*signs) else None

    def error(self, message: str, place: Token | Span | None = None, label: str = "", hint: str = "") -> ParseError:
        span = place if isinstance(place, Span) else (place or self.token).span
        return ParseError(message, span=span, source=self.text, label=label, hint=hint)

    def unexpected(self) -> ParseError:
        token = self.token
        if token.kind == "end":
            before = self.tokens[max(0, self.i - 1)]
            if self.i == 0:
                return self.error("there is no expression", label="nothing is written here")
            return self.error("the formula ends too early", before, "something must follow")
        if token.kind == "cmd":
            return self.unknown(token)
        if token.kind == "remark":
            return self.error("text inside a formula", token)
        if token.is_sign(*CLOSING):
            return self.error(f"'{token.value}' closes nothing", token, "no bracket is open here")
        return self.error(f"'{token.value}' cannot stand here", token)

    def unknown(self, token: Token) -> ParseError:
        from matcalc.interop.latex_operands import explain

        return explain(self, token)

    def node(self, kind: str, span: Span, *args: Node, data: object = None, mark: Span | None = None) -> Node:
        try:
            return NODES.node(kind, span, *args, data=data, mark=mark)
        except ParseError as error:  # the only one is that of too deep a tree
            raise self.error(error.message, span) from None

    def call(self, name: str, args: list[Node], start: Token, order: int = 0) -> Node:
        span = cover(start.span, *(a.span for a in args), self.tokens[self.i - 1].span)
        return self.node("call", span, *args, data=(name, order), mark=start.span)

    def inside(self, tokens: list[Token]) -> Grammar:
        """A grammar for the tokens of a group."""
        if self.factors > 2 * MAX_DEPTH:
            raise self.too_deep()
        return Grammar(tokens, self.text, self.known, self.facts, self)

    def whole(self, tokens: list[Token], where: Token) -> Node:
        """The expression that is all of some tokens."""
        if not tokens:
            raise self.error("there is nothing in this group", where)
        below = self.inside(tokens)
        tree = below.expression()
        if not below.at_end:
            raise below.unexpected()
        return tree

    # ------------------------------------------------------------- expressions
    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.too_deep()

    def too_deep(self) -> ParseError:
        return self.error(f"the formula is nested too deeply (more than {MAX_DEPTH} levels)")

    def expression(self) -> Node:
        """A sum: the loosest level."""
        self.deeper()
        terms, signs, mark, sign = [self.signed(self.entrywise)], ["+"], self.token.span, "+"
        while self.token.is_sign("+", "-"):
            sign = self.next().value
            signs.append(sign)
            terms.append(self.signed(self.entrywise))
        if self.token.is_cmd("pm", "mp"):
            raise self.error("± stands for two formulas", self.token)
        self.depth -= 1
        if len(terms) == 1:
            return terms[0]
        return self.node("sum", cover(*(t.span for t in terms)), *terms, data=tuple(signs), mark=mark)

    def signed(self, operand: Callable[[], Node]) -> Node:
        """``-a b`` is ``-(a b)``."""
        marks: list[Token] = []
        while self.token.is_sign("-", "+"):
            marks.append(self.next())
            if len(marks) > MAX_DEPTH:
                raise self.too_deep()
        tree = operand()
        for mark in reversed(marks):
            if mark.value == "-":
                tree = self.node("neg", cover(mark.span, tree.span), tree, mark=mark.span)
        return tree

    def entrywise(self) -> Node:
        factors, signs = [self.product()], []
        while True:
            token = self.token
            sign = self._entrywise_sign()
            if not sign:
                break
            signs.append(sign)
            factors.append(self.signed(self.product))
            if token.is_cmd("circ") and all(self._names_a_function(f) for f in factors[-2:]):
                raise self.error(
                    "the composition of functions is not part of the language", token, hint="write g(h(x))"
                )
        return self.chain(factors, signs)

    def _names_a_function(self, node: Node) -> bool:
        if node.kind != "name" or self.known.is_variable(str(node.data)):
            return False
        return self.known.is_function(str(node.data)) or str(node.data) in FUNCTION_LETTERS

    def _entrywise_sign(self) -> str:
        token = self.token
        if token.kind == "cmd" and token.value in ENTRYWISE:
            return ENTRYWISE[self.next().value]
        if token.is_sign(".") and self.peek().is_sign("*", "/"):  # the plain signs .* and ./
            self.next()
            return "." + self.next().value
        return ""

    def chain(self, factors: list[Node], signs: list[str]) -> Node:
        if not signs:
            return factors[0]
        return self.node("chain", cover(*(f.span for f in factors)), *factors, data=tuple(signs))

    def product(self) -> Node:
        """Factors side by side, ``\\cdot`` and ``/``."""
        factors, signs, written = [self.factor()], [], [False]
        while True:
            token = self.token
            if token.is_sign("*", "/") or (token.kind == "cmd" and token.value in DOTS):
                self.next()
                signs.append("/" if token.value == "/" else "*")
                factors.append(self.signed(self.factor))
                written.append(True)
            elif self.begins_operand():
                signs.append("*")
                factors.append(self.factor())
                written.append(False)
            else:
                break
        self._check_quotient(factors, signs, written)
        return self.chain(factors, signs)

    def _check_quotient(self, factors: list[Node], signs: list[str], written: list[bool]) -> None:
        """Refuse ``1/2\\sigma^2`` and ``a/b c``, which people read in two ways; ``1/2 x^T x`` is a coefficient."""
        if "/" not in signs:
            return
        at = len(signs) - 1 - signs[::-1].index("/")
        rest = factors[at + 2 :]
        if not rest or written[at + 2]:
            return
        below = factors[at + 1]
        clear = self.text[below.span.start : below.span.end].startswith(("(", "\\left("))
        coefficient = all(is_plain(f) for f in factors[: at + 1]) and (clear or is_plain(below))
        if not coefficient or all(is_plain(f) for f in rest):
            span = cover(factors[at + 1].span, rest[0].span)
            raise self.error(
                "it is not clear what is below this fraction", span, hint="write \\frac{...}{...} or parentheses"
            )

    def begins_operand(self) -> bool:
        """Whether a factor begins here."""
        from matcalc.interop.latex_operands import OPERANDS

        token = self.token
        if token.kind in ("letter", "digit", "word"):
            return True
        if token.kind == "cmd":
            return token.value in OPERANDS or token.value == "lvert" or token.value == "lVert"
        if token.is_sign("|", "||"):
            inner = self.bars[-1] if self.bars else ""
            return token.value not in self.bars and not (token.value == "||" and inner == "|")
        return token.is_sign("(", "[", "{") or (token.is_sign(".") and self.peek().kind == "digit")

    # ------------------------------------------------------------------ factors
    def factor(self) -> Node:
        """One factor with its scripts."""
        self.factors += 1
        if self.factors > 2 * MAX_DEPTH:
            raise self.too_deep()
        tree = self._factor()
        self.factors -= 1
        return tree

    def _factor(self) -> Node:
        from matcalc.interop.latex_operands import OPERANDS
        from matcalc.interop.latex_scripts import scripted
        from matcalc.interop.latex_symbols import named

        token = self.token
        if token.kind == "digit" or (token.is_sign(".") and self.peek().kind == "digit"):
            tree = self.number()
        elif token.kind in ("letter", "word"):
            return named(self)
        elif token.is_sign("(", "["):
            tree = self.bracketed()
        elif token.is_sign("{"):
            return scripted(self, self.braced())
        elif token.kind in ("cmd", "sign") and token.value in OPEN_BARS:
            return self.barred()
        elif token.kind == "cmd" and token.value in OPERANDS:
            return OPERANDS[token.value](self)
        else:
            raise self.unexpected()
        return scripted(self, tree)

    def number(self) -> Node:
        """Digits that stand together, with a decimal point among them."""
        start = self.i
        digits, point = "", False
        while self.token.kind == "digit" or (not point and self.token.is_sign(".") and self.peek().kind == "digit"):
            if self.i > start and self.token.span.start != self.tokens[self.i - 1].span.end:
                break
            point = point or self.token.is_sign(".")
            digits += self.next().value
        span = cover(*(t.span for t in self.tokens[start : self.i]))
        if len(digits) > MAX_DIGITS:
            raise self.error(f"the number is too long (at most {MAX_DIGITS} digits)", span)
        return self.node("num", span, data=(Fraction(digits if not digits.startswith(".") else "0" + digits), point))

    def bracketed(self) -> Node:
        """``( ... )``; the place of the node includes the parentheses."""
        opened = self.next()
        bars, self.bars = self.bars, []
        if self.token.is_sign(OPENING[opened.value]):
            raise self.error("there is nothing between the parentheses", opened)
        tree = self.expression()
        close = self.close(opened)
        self.bars = bars
        return replace(tree, span=cover(opened.span, close.span))

    def close(self, opened: Token) -> Token:
        wanted = OPENING[opened.value]
        if self.token.is_sign(wanted):
            return self.next()
        if self.at_end or self.token.is_sign(*CLOSING):
            what = {"(": "parenthesis", "[": "bracket", "{": "brace"}[opened.value]
            raise self.error(f"unclosed {what}", opened, f"this '{opened.value}' is never closed")
        if self.token.is_sign(","):
            raise self.error("a list cannot stand here", self.token)
        raise self.unexpected()

    def braced(self) -> Node:
        """A group of TeX: no parentheses are meant, but what is inside holds together."""
        opened = self.next()
        if self.accept("}"):
            if self.begins_operand():
                return self.factor()
            raise self.unexpected()
        tree = self.expression()
        self.close(opened)
        return tree

    def group(self) -> list[Token]:
        """The tokens of a script or of an argument: one token, or what is between braces."""
        if self.at_end:
            raise self.error("something must follow", self.tokens[max(0, self.i - 1)])
        if not self.token.is_sign("{"):
            token = self.next()
            if token.kind == "cmd" and token.value in TAKING:  # x^\frac{1}{2}
                start = self.i - 1
                for _ in range(TAKING[token.value]):
                    self.group()
                return self.tokens[start : self.i]
            if token.kind == "digit" and self.token.kind == "digit" and self.token.span.start == token.span.end:
                self._several_digits(token)
            return [token]
        end = matching(self.tokens, self.i)
        if end is None:
            raise self.error("unclosed brace", self.token, "this '{' is never closed")
        inside = self.tokens[self.i + 1 : end]
        self.i = end + 1
        return inside

    def _several_digits(self, token: Token) -> None:
        before = self.tokens[self.i - 2] if self.i > 1 else token
        if before.is_sign("^", "_"):
            raise self.error(
                "TeX takes one digit here", token, hint=f"write {before.value}{{...}} around the whole number"
            )

    def barred(self) -> Node:
        """``|x|``, ``\\|x\\|_2``: the determinant or absolute value, or a norm."""
        from matcalc.interop.latex_scripts import norm, scripted

        opened = self.next()
        self.bars.append(OPEN_BARS[opened.value])
        tree = self.expression()
        closing = OPEN_BARS[opened.value]
        if closing == "|" and self.token.is_sign("||"):  # |a||b|
            self.tokens[self.i : self.i + 1] = [self.token._replace(value="|")] * 2
        if not (self.token.value == closing and self.token.kind in ("sign", "cmd")):
            if self.at_end or self.token.is_sign(*CLOSING):
                raise self.error("unclosed bar", opened, "this bar is never closed")
            raise self.unexpected()
        close = self.next()
        self.bars.pop()
        span = cover(opened.span, close.span)
        if opened.value in ("||", "lVert"):
            return norm(self, tree, span)
        return scripted(self, self.node("call", span, tree, data=("bars", 0), mark=opened.span))


# ----------------------------------------------------------------------- places
def cover(first: Span, *others: Span) -> Span:
    """The place from the first to the last of some places."""
    spans = (first, *others)
    return Span(min(s.start for s in spans), max(s.end for s in spans))


def matching(tokens: list[Token], i: int) -> int | None:
    """Where the brace at a place is closed."""
    depth = 0
    for j in range(i, len(tokens)):
        t = tokens[j]
        if t.is_sign("{"):
            depth += 1
        elif t.is_sign("}"):
            depth -= 1
            if depth == 0:
                return j
    return None


def is_plain(node: Node) -> bool:
    """Whether a node is a number, a small letter, or a power of one: what may stand below a fraction."""
    if node.kind == "num":
        return True
    if node.kind == "name":
        return not str(node.data)[:1].isupper()
    if node.kind in ("pow", "neg"):
        return all(is_plain(a) for a in node.args)
    return False
