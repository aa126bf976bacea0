"""Arrays as NumPy sees them, written as terms: shapes of no, one or two axes, broadcasting, products, reductions.

A vector with one axis is kept as a column; that it has one axis only matters where NumPy behaves differently (``.T``
does nothing, ``x @ y`` is a number, beside a matrix it is a row).  What broadcasting does silently is noted as a
finding.

Invariant: the term of an array has its entries in the same places; a shape that NumPy would refuse raises ShapeError.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from matcalc.errors import ParseError, ShapeError, Span
from matcalc.language import terms
from matcalc.language.dims import ONE, Dim, dim
from matcalc.language.terms import Term

__all__ = [
    "Finding",
    "Source",
    "Value",
    "added",
    "as_column",
    "count",
    "divided",
    "flipped",
    "matmul",
    "multiplied",
    "negated",
    "number",
    "one_axis",
    "powered",
    "reduced",
    "sized",
    "transposed",
]


MAX_EXPONENT = 1000
START = Span(0, 0)


@dataclass(frozen=True, slots=True)
class Value:
    """An array of ``axes`` axes (0, 1 or 2).

    ``size`` is the whole number it is, where it is one that can be a size; ``mask``: its entries are truth values.
    """

    term: Term
    axes: int
    size: Dim | None = None
    mask: bool = False

    @property
    def shape(self) -> tuple[Dim, ...]:
        return (self.term.shape.rows, self.term.shape.cols)[: self.axes]

    @property
    def is_scalar(self) -> bool:
        return self.term.is_scalar

    @property
    def is_number(self) -> bool:
        """Whether it is a number that is written in the code."""
        return all(t.op in ("num", "neg", "div", "const") for t in terms.subterms(self.term))

    def shown(self) -> str:
        """The shape as Python writes it: ``(m, n)``, ``(n,)``."""
        inside = ", ".join(str(d) for d in self.shape)
        return f"({inside}{',' * (self.axes == 1)})"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something the code does that its writer may not have meant. Kinds: scalar, rows, columns, outer, transpose."""

    kind: str
    message: str
    span: Span


@dataclass(slots=True)
class Source:
    """The code that is read, what was found in it, and the place that is read now."""

    code: str
    findings: dict[tuple[str, Span], Finding] = field(default_factory=dict)
    span: Span = START
    shift: str = ""  # what the largest entry is read as: "zero", "mean", or not at all

    def found(self, kind: str, message: str) -> None:
        self.findings.setdefault((kind, self.span), Finding(kind, message, self.span))

    def shape_error(self, message: str, hint: str = "") -> ShapeError:
        return ShapeError(message, span=self.span, source=self.code, hint=hint)

    def unread(self, message: str, hint: str = "") -> ParseError:
        return ParseError(message, span=self.span, source=self.code, hint=hint)


def flipped(t: Term) -> Term:
    """The transpose; of a transpose, what was transposed."""
    return t.args[0] if t.op == "transpose" else terms.transpose(t)


# --------------------------------------------------------------------- numbers
def number(term: Term, size: Dim | None = None) -> Value:
    return Value(term, 0, size)


def sized(d: Dim) -> Value:
    """A size as a number."""
    return Value(terms.size(d), 0, d)


def one_axis(term: Term) -> Value:
    """A vector with one axis; a row is laid down as a column."""
    return Value(term if term.shape.cols is ONE else flipped(term), 1)


# ----------------------------------------------------------------- broadcasting
def together(s: Source, a: Value, b: Value, sign: str) -> tuple[Term, Term, int]:
    """Both terms in the shape that NumPy gives them."""
    axes = max(a.axes, b.axes)
    shape = _common(s, a, b, sign)
    if not a.is_scalar and not b.is_scalar:
        _note_spreading(s, a, b, shape, sign)
    elif sign in ("+", "-") and a.is_scalar is not b.is_scalar:
        scalar, other = (a, b) if a.is_scalar else (b, a)
        if not scalar.is_number:
            does = "adds a scalar to" if sign == "+" else "subtracts a scalar from"
            s.found("scalar", f"{does} every entry of {other.shown()}")
    return spread(a, shape), spread(b, shape), axes


def _common(s: Source, a: Value, b: Value, sign: str) -> tuple[Dim, ...]:
    out: list[Dim] = []
    first, second = a.shape[::-1], b.shape[::-1]
    for k in range(max(len(first), len(second))):
        x = first[k] if k < len(first) else ONE
        y = second[k] if k < len(second) else ONE
        if x is not y and x is not ONE and y is not ONE:
            raise s.shape_error(
                f"operands of '{sign}' have shapes {a.shown()} and {b.shown()}, which do not fit", _hint(a, b)
            )
        out.append(y if x is ONE else x)
    return tuple(out[::-1])


def _hint(a: Value, b: Value) -> str:
    vector, matrix = (a, b) if a.axes == 1 else (b, a)
    if vector.axes == 1 and matrix.axes == 2 and vector.shape[0] is matrix.shape[0]:
        return "a vector beside a matrix is a row; write v[:, None] for a column"
    if a.axes == b.axes == 2 and a.shape == b.shape[::-1]:
        return "is a transpose missing?"
    return ""


def _note_spreading(s: Source, a: Value, b: Value, shape: tuple[Dim, ...], sign: str) -> None:
    grown = [v for v in (a, b) if v.shape != shape and not v.is_scalar]
    if len(shape) < 2 or not grown:
        return
    whole = f"({', '.join(map(str, shape))})"
    if len(grown) == 2:
        s.found("outer", f"'{sign}' of {a.shown()} and {b.shown()} spreads both to {whole}")
        return
    v = grown[0]
    column = v.axes == 2 and v.shape[1] is ONE
    s.found(
        "columns" if column else "rows",
        f"'{sign}' applies {v.shown()} to every {'column' if column else 'row'} of {whole}",
    )


def spread(v: Value, shape: tuple[Dim, ...]) -> Term:
    """The term repeated to a shape; numbers stay numbers where the shape is that of a number."""
    t = v.term
    if v.shape == shape or not shape:
        return t
    rows, cols = (shape[0], ONE) if len(shape) == 1 else shape
    if t.is_scalar:
        ones = terms.ones(rows, cols)
        return ones if t is terms.number(1) else t if ones.is_scalar else terms.mul(t, ones)
    if v.axes == 1:
        t = flipped(t)
    if t.shape.rows is ONE and rows is not ONE:
        t = terms.mul(terms.ones(rows), t)
    if t.shape.cols is ONE and cols is not ONE:
        t = terms.mul(t, flipped(terms.ones(cols)))
    return t


# ------------------------------------------------------------------ arithmetic
def added(s: Source, a: Value, b: Value, sign: str = "+") -> Value:
    if a.mask and b.mask:
        raise s.unread(f"'{sign}' of two comparisons is no sum in NumPy", "convert them first: .astype(float)")
    x, y, axes = together(s, a, b, sign)
    size = None
    if a.size is not None and b.size is not None:
        size = a.size + b.size if sign == "+" else a.size - b.size
    return Value(terms.add(x, y) if sign == "+" else terms.sub(x, y), axes, size)


def multiplied(s: Source, a: Value, b: Value) -> Value:
    size = a.size * b.size if a.size is not None and b.size is not None else None
    axes = max(a.axes, b.axes)
    if a.is_scalar or b.is_scalar:
        return Value(terms.mul(a.term, b.term), axes, size)
    x, y, axes = together(s, a, b, "*")
    return Value(terms.had(x, y), axes, mask=a.mask and b.mask)


def divided(s: Source, a: Value, b: Value) -> Value:
    axes = max(a.axes, b.axes)
    if b.is_scalar:
        return Value(terms.div(a.term, b.term), axes)
    if a.is_scalar:
        return Value(terms.hdiv(a.term, b.term), axes)
    x, y, axes = together(s, a, b, "/")
    return Value(terms.hdiv(x, y), axes)


def powered(s: Source, a: Value, b: Value) -> Value:
    """``**`` is entry by entry."""
    if not b.is_scalar:
        raise s.unread("an exponent that is an array is not part of the language")
    if (magnitude(b.term) or 0) > MAX_EXPONENT:
        raise s.unread(f"the exponent is too large (at most {MAX_EXPONENT})")
    size = None
    if a.size is not None and b.size is not None and b.size.value == 2:
        size = a.size * a.size
    return Value(terms.hpower(a.term, b.term), a.axes, size)


def magnitude(t: Term) -> float | None:
    """The size of a number that is written out, at most 1e300; None where there is a name in it."""
    below = [magnitude(a) for a in t.args]
    if t.op == "num":
        return float(min(t.data, 10**300))
    if None in below or t.op not in ("neg", "add", "mul", "div", "pow"):
        return None
    known = [b for b in below if b is not None]
    if t.op == "pow":
        return 1e300 if known[1] > MAX_EXPONENT else min(max(known[0], 1.0) ** min(known[1], 60.0), 1e300)
    if t.op == "div":
        return known[0] / known[1] if known[1] else 1e300
    out = 0.0 if t.op == "add" else 1.0
    for k in known:
        out = min(out + k if t.op == "add" else out * k, 1e300)
    return out


def negated(a: Value) -> Value:
    return Value(terms.neg(a.term), a.axes, -a.size if a.size is not None else None)


def transposed(s: Source, a: Value) -> Value:
    if a.axes < 2:
        if a.axes == 1:
            s.found("transpose", f"the transpose of an array with one axis, {a.shown()}, is the array itself")
        return a
    return Value(flipped(a.term), 2)


def matmul(s: Source, a: Value, b: Value, sign: str = "@") -> Value:
    """``a @ b`` of one or two axes."""
    if not a.axes or not b.axes:
        raise s.shape_error(f"'{sign}' needs arrays, not a number", "write * for the product with a number")
    inner = (a.shape[-1], b.shape[0])
    if inner[0] is not inner[1]:
        message = f"'{sign}' of {a.shown()} and {b.shown()}: the inner sizes {inner[0]} and {inner[1]} differ"
        raise s.shape_error(message, _product_hint(a, b))
    if a.axes == 1 and b.axes == 1:
        return Value(terms.mul(flipped(a.term), b.term), 0)
    if a.axes == 1:
        return Value(terms.mul(flipped(b.term), a.term), 1)
    return Value(terms.mul(a.term, b.term), b.axes)


def _product_hint(a: Value, b: Value) -> str:
    if a.axes == 2 and a.shape[0] is b.shape[0]:
        return "would the transpose of the first fit?"
    if b.axes == 2 and a.shape[-1] is b.shape[-1]:
        return "would the transpose of the second fit?"
    return ""


# ------------------------------------------------------------------ reductions
def reduced(s: Source, a: Value, axis: int | None, keep: bool) -> Value:
    """Sums over all entries or along an axis."""
    if axis is not None and not -a.axes <= axis < a.axes:
        raise s.shape_error(f"there is no axis {axis} in {a.shown()}")
    if a.axes == 0:
        return a
    if axis is None or a.axes == 1:
        total = a.term if a.is_scalar else terms.make("sum", a.term)
        return Value(total, a.axes if keep else 0)
    rows, cols = a.shape
    if axis % 2 == 0:
        out = a.term if rows is ONE else terms.mul(flipped(terms.ones(rows)), a.term)
        column = flipped(out) if rows is ONE else terms.mul(flipped(a.term), terms.ones(rows))
    else:
        out = column = a.term if cols is ONE else terms.mul(a.term, terms.ones(cols))
    return Value(out, 2) if keep else Value(column, 1)


def count(a: Value, axis: int | None) -> Dim:
    """How many entries a reduction runs over."""
    if axis is not None and a.axes:
        return a.shape[axis]
    total = dim(1)
    for d in a.shape:
        total = total * d
    return total


def as_column(v: Value) -> Term:
    """All entries in NumPy's order, row after row, as a column."""
    t = v.term
    if t.shape.cols is ONE:
        return t
    return flipped(t) if t.shape.rows is ONE else terms.make("vec", flipped(t))
