"""Declarations: ``A : n×n symmetric``, ``x, y : n``, ``W[i] : m[i]×m[i-1]``, ``u : function -> m``.

A shape is ``scalar``, ``n`` (a column), ``m×n`` / ``m x n`` / ``(m,n)``, ``vector``, ``matrix`` (sizes to be inferred)
or is left out before properties.  Where a size is to be inferred the declaration holds None.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from matcalc.errors import ParseError, Span
from matcalc.language.dims import ONE, Dim, IndexedName, Shape, dim
from matcalc.language.problem import PROPERTIES, Function
from matcalc.language.syntax import Node, parse_tree

__all__ = ["Declaration", "index_dim", "parse_declaration", "parse_declarations"]

NEED_SQUARE = frozenset(("symmetric", "skew", "diagonal", "orthogonal", "posdef", "invertible"))
KINDS = ("scalar", "vector", "row", "matrix", "square")
NAME = re.compile(r"\s*([^\W\d_]\w*)\s*")
RESERVED = frozenset(("in", "wrt", "for", "derive"))
MAX_SIZE = 10**9
SYNONYMS = {"onehot": "stochastic"}  # what is used of it is that it adds up to one


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is declared of one name. ``kind`` is a word of KINDS, or '' where ``shape`` or ``function`` says it all."""

    name: str
    shape: Shape | None = None
    kind: str = ""
    index: str | None = None
    properties: frozenset[str] = frozenset()
    function: Function | None = None
    span: Span | None = None
    source: str = ""

    @property
    def is_family(self) -> bool:
        return self.index is not None


def parse_declarations(declare: Mapping[str, str] | Iterable[str] | str | None) -> list[Declaration]:
    """The declarations of the ``declare`` argument: a mapping, a list of strings, or one string with ``;``."""
    if declare is None:
        return []
    if isinstance(declare, Mapping):
        texts = [f"{name} : {_shape_text(value)}" for name, value in declare.items()]
    else:
        texts = [declare] if isinstance(declare, str) else list(declare)
    out: list[Declaration] = []
    for text in texts:
        place = 0
        for part in re.split(r"[;\n]", text):
            if part.split("#")[0].strip():
                out += parse_declaration(text, Span(place, place + len(part.split("#")[0])))
            place += len(part) + 1
    return out


def _shape_text(value: object) -> str:
    """A shape as it is written; a tuple of sizes is one too, as in NumPy."""
    if not isinstance(value, tuple):
        return str(value)
    return str(value[0]) if len(value) == 1 else f"({', '.join(map(str, value))})"


def parse_declaration(text: str, span: Span) -> list[Declaration]:
    """The declarations in a part of the text: one for each name before the colon."""
    colon = text.find(":", span.start, span.end)
    if colon < 0:
        raise ParseError(
            "a declaration is written NAME : SHAPE", span=span, source=text, hint="for example A : m×n symmetric"
        )
    names = _names(text, span.start, colon)
    words = _Words(text, colon + 1, span.end)
    if words.accept("function"):
        function_shape = words.value_shape()
        words.expect_end()
        return [Declaration(n, function=Function(n, "value", function_shape), span=s, source=text) for n, _, s in names]
    if words.accept("elementwise"):
        words.expect_end()
        return [Declaration(n, function=Function(n, "elementwise"), span=s, source=text) for n, _, s in names]
    shape, kind = words.shape()
    properties = words.properties()
    _check(shape, properties, Span(words.start, span.end), text)
    return [Declaration(n, shape, kind, i, properties, span=s, source=text) for n, i, s in names]


def _names(text: str, start: int, stop: int) -> list[tuple[str, str | None, Span]]:
    out: list[tuple[str, str | None, Span]] = []
    place = start
    for part in text[start:stop].split(","):
        span = Span(place + len(part) - len(part.lstrip()), place + len(part.rstrip()))
        place += len(part) + 1
        name, bracket, rest = part.strip().partition("[")
        name, index = name.strip(), rest.rstrip().removesuffix("]").strip()
        good = parse_name(name) and (not bracket or (parse_name(index) and rest.rstrip().endswith("]")))
        if not good:
            raise ParseError("this is not a name that can be declared", span=span, source=text)
        out.append((_tokenized(name), index if bracket else None, span))
    return out


def parse_name(name: str) -> bool:
    """Whether a text is a name of the language and nothing else."""
    if name in RESERVED or not name:
        return False
    try:
        return parse_tree(name).kind == "name"
    except ParseError:
        return False


def _tokenized(name: str) -> str:
    return str(parse_tree(name).data)


class _Words:
    """The right side of a declaration, read from the left."""

    def __init__(self, text: str, start: int, stop: int) -> None:
        self.text = text
        self.start = self.i = start
        self.stop = stop
        self._skip()

    def _skip(self) -> None:
        while self.i < self.stop and (self.text[self.i].isspace() or self.text[self.i] == ","):
            self.i += 1

    def word(self) -> str:
        found = re.compile(r"[^\W\d_][\w-]*").match(self.text, self.i, self.stop)
        return found.group() if found else ""

    def accept(self, word: str) -> bool:
        if self.word() != word:
            return False
        self.i += len(word)
        self._skip()
        return True

    def expect_end(self) -> None:
        if self.i < self.stop:
            raise ParseError("the declaration should end here", span=Span(self.i, self.stop), source=self.text)

    def shape(self) -> tuple[Shape | None, str]:
        for kind in KINDS:
            if self.accept(kind):
                return (Shape(ONE, ONE), "") if kind == "scalar" else (None, kind)
        end = self._end_of_shape()
        if end == self.i:
            if self.i >= self.stop:
                raise ParseError(
                    "the declaration has no shape",
                    span=Span(self.start, self.stop),
                    source=self.text,
                    hint="for example m×n, n or scalar",
                )
            return None, ""
        parts = self._split(self.i, end)
        sizes = [_size(self.text, s) for s in parts]
        self.i = end
        self._skip()
        if len(sizes) > 2:
            raise ParseError("a shape has one or two sizes", span=Span(self.start, end), source=self.text)
        return Shape(sizes[0], sizes[1] if len(sizes) > 1 else ONE), ""

    def value_shape(self) -> Shape:
        if self.text.startswith(("->", "→"), self.i):
            self.i += 2 if self.text.startswith("->", self.i) else 1
            self._skip()
            shape, _ = self.shape()
            if shape is None:
                raise ParseError(
                    "the shape of the function's value must be written",
                    span=Span(self.start, self.stop),
                    source=self.text,
                )
            return shape
        return Shape(ONE, ONE)

    def _end_of_shape(self) -> int:
        """Where the first property begins, or the end."""
        depth = 0
        j = self.i
        last_operand = False
        while j < self.stop:
            c = self.text[j]
            if c in "([":
                depth += 1
            elif c in ")]":
                depth -= 1
                last_operand = True
            elif c.isspace() or c == ",":
                pass
            elif c.isalnum() or c == "_":
                word = re.compile(r"\w+").match(self.text, j, self.stop)
                assert word is not None
                if depth == 0 and (last_operand or word.group() in PROPERTIES):
                    if word.group() == "x" or re.fullmatch(r"x\d+", word.group()):
                        last_operand = word.group() != "x"
                        j += len(word.group())
                        continue
                    break
                last_operand = True
                j = word.end()
                continue
            else:
                last_operand = False
            j += 1
        j = min(j, self.stop)
        while j > self.i and self.text[j - 1] in " \t,":
            j -= 1
        return j

    def _split(self, start: int, end: int) -> list[Span]:
        """The spans of the sizes in ``m×n``, ``m x n``, ``3x4`` or ``(m, n)``."""
        text = self.text[start:end]
        if text.startswith("(") and text.endswith(")") and "," in text:
            cut = text.index(",")
            return [Span(start + 1, start + cut), Span(start + cut + 1, end - 1)]
        cuts = [
            m.span() for m in re.finditer(r"×|(?<=[\w\])])\s+[xX]\s+(?=[\w(])|(?<=\d)[xX](?=[\w(])|\s+x(?=\d)", text)
        ]
        out: list[Span] = []
        place = 0
        for a, b in [*cuts, (len(text), len(text))]:
            out.append(Span(start + place, start + a))
            place = b
        return out

    def properties(self) -> frozenset[str]:
        out: set[str] = set()
        while self.i < self.stop:
            word = self.word()
            known = SYNONYMS.get(word, word)
            if known not in PROPERTIES:
                span = Span(self.i, self.i + max(1, len(word)))
                close = get_close_matches(word, sorted(PROPERTIES), 1, 0.6)
                hint = f"did you mean {close[0]}?" if close else f"properties are {', '.join(sorted(PROPERTIES))}"
                raise ParseError(
                    f"'{word or self.text[self.i]}' is not a property", span=span, source=self.text, hint=hint
                )
            out.add(known)
            self.i += len(word)
            self._skip()
        return frozenset(out)


def _check(shape: Shape | None, properties: frozenset[str], span: Span, text: str) -> None:
    if "stochastic" in properties:
        for p in sorted(properties - {"stochastic", "positive", "constant"}):
            raise ParseError(f"'stochastic' and '{p}' are not declared together", span=span, source=text)
        if shape is not None and (shape.is_scalar or shape.is_row):
            raise ParseError(
                f"a vector or a matrix can be stochastic, not one of shape {shape}", span=span, source=text
            )
    for p in sorted(properties & NEED_SQUARE):
        if shape is not None and not shape.is_square:
            raise ParseError(f"only a square matrix can be {p}, not one of shape {shape}", span=span, source=text)


def _size(text: str, span: Span) -> Dim:
    if not text[span.start : span.end].strip():
        raise ParseError("a size is missing", span=span, source=text, hint="for example m×n, n or scalar")
    d = index_dim(parse_tree(text, span.start, span.end), text)
    if d.value is not None and not 1 <= d.value <= MAX_SIZE:
        raise ParseError("a size must be a positive integer", span=span, source=text)
    return d


def index_dim(node: Node, text: str) -> Dim:
    """A size or an index from its syntax tree: integers, names, indexed names, sums and products."""
    if node.kind == "num" and node.data[0].denominator == 1:
        return dim(int(node.data[0]))
    if node.kind == "name":
        return dim(str(node.data))
    if node.kind == "index":
        return dim(IndexedName(str(node.data), index_dim(node.args[0], text)))
    if node.kind == "neg":
        return -index_dim(node.args[0], text)
    if node.kind == "sum":
        total = dim(0)
        for sign, a in zip(node.data, node.args, strict=True):
            part = index_dim(a, text)
            total = total + part if sign == "+" else total - part
        return total
    if node.kind == "chain" and set(node.data) == {"*"} and len(node.args) <= 8:
        total = dim(1)
        for a in node.args:
            total = total * index_dim(a, text)
        return total
    raise ParseError(
        "a size must be an integer, a name, or a sum or product of these",
        span=node.span,
        source=text,
        label="not a size",
    )
