"""The operations: one table row each, a closed set.

A row says what an operation is: how many arguments, the shape of its value, how it is written, in which arguments it
is linear and whether it is analytic (so that the complex step may be used).  Facets that need another room's context
(evaluation, lowering to NumPy, the differential) live in that room's own table, which is compared with this one when
it is imported: an operation that lacks a facet cannot be used by accident.

Elementwise functions share the row ``fn``; their names are in :mod:`matcalc.language.functions`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from matcalc.errors import ShapeError
from matcalc.language.dims import ONE, SCALAR, Atom, Dim, Shape, dim

__all__ = ["COLWISE", "OPS", "ROWWISE", "Notation", "Op"]

Linear = Literal["", "joint", "each", "first"]
ShapeRule = Callable[[Any, Sequence[Shape]], Shape]


@dataclass(frozen=True, slots=True)
class Notation:
    """How an operation is written: its place in an expression, and its symbol in text and LaTeX."""

    kind: Literal["leaf", "prefix", "postfix", "infix", "call", "binder"]
    text: str = ""
    latex: str = ""
    precedence: int = 100  # of an infix, prefix or postfix; larger binds tighter


@dataclass(frozen=True, slots=True)
class Op:
    name: str
    arity: int | None  # None: two or more
    shape: ShapeRule
    notation: Notation
    linear: Linear = ""  # joint: of all arguments together; each: of every argument by itself; first: of the first
    associative: bool = False
    commutative: bool = False
    analytic: bool = True


# --------------------------------------------------------------------- shapes
def _fail(message: str, hint: str = "") -> ShapeError:
    return ShapeError(message, hint=hint)


def _same(name: str) -> ShapeRule:
    def rule(data: Any, shapes: Sequence[Shape]) -> Shape:
        first = shapes[0]
        for s in shapes[1:]:
            if s != first:
                raise _fail(f"'{name}' needs equal shapes, not {first} and {s}")
        return first

    return rule


def _product(data: Any, shapes: Sequence[Shape]) -> Shape:
    rows = cols = None
    for s in shapes:
        if s.is_scalar:
            continue
        if cols is not None and cols is not s.rows:
            raise _fail(f"'*' needs equal inner sizes, not {cols} and {s.rows}")
        rows = s.rows if rows is None else rows
        cols = s.cols
    return SCALAR if rows is None or cols is None else Shape(rows, cols)


def _identity(data: Any, shapes: Sequence[Shape]) -> Shape:
    return shapes[0]


def _scaled(data: Any, shapes: Sequence[Shape]) -> Shape:
    if not shapes[1].is_scalar:
        raise _fail(f"'/' needs a scalar below, not {shapes[1]}", "use inv(A)*b for matrices and ./ for entries")
    return shapes[0]


def _hdiv(data: Any, shapes: Sequence[Shape]) -> Shape:
    if shapes[0].is_scalar:  # 1 ./ X
        return shapes[1]
    return _same("./")(data, shapes)


def _power(data: Any, shapes: Sequence[Shape]) -> Shape:
    if not shapes[1].is_scalar:
        raise _fail(f"an exponent must be a scalar, not {shapes[1]}")
    if not shapes[0].is_square:
        raise _fail(f"'^' needs a scalar or a square matrix, not {shapes[0]}", "use .^ for the powers of the entries")
    return shapes[0]


def _hpower(data: Any, shapes: Sequence[Shape]) -> Shape:
    if not shapes[1].is_scalar:
        raise _fail(f"an exponent must be a scalar, not {shapes[1]}")
    return shapes[0]


def _square(name: str, scalar: bool) -> ShapeRule:
    def rule(data: Any, shapes: Sequence[Shape]) -> Shape:
        if not shapes[0].is_square:
            raise _fail(f"{name} needs a square matrix, not {shapes[0]}")
        return SCALAR if scalar else shapes[0]

    return rule


def _to_scalar(data: Any, shapes: Sequence[Shape]) -> Shape:
    return SCALAR


def _vector_only(name: str, scalar: bool) -> ShapeRule:
    def rule(data: Any, shapes: Sequence[Shape]) -> Shape:
        if shapes[0].cols is not ONE and shapes[0].rows is not ONE:
            raise _fail(f"{name} needs a vector, not {shapes[0]}")
        return SCALAR if scalar else shapes[0]

    return rule


# A softmax or log-sum-exp of a matrix says which vectors it is of; of one vector it says nothing (None).
ROWWISE, COLWISE = "rowwise", "colwise"


def _softmax(data: Any, shapes: Sequence[Shape]) -> Shape:
    return shapes[0] if data in (ROWWISE, COLWISE) else _vector_only("softmax", False)(data, shapes)


def _logsumexp(data: Any, shapes: Sequence[Shape]) -> Shape:
    """One number for every row, or for every column, in a column vector."""
    if data in (ROWWISE, COLWISE):
        return Shape(shapes[0].rows if data == ROWWISE else shapes[0].cols, ONE)
    return _vector_only("logsumexp", True)(data, shapes)


def _column(name: str, result: Callable[[Shape], Shape]) -> ShapeRule:
    def rule(data: Any, shapes: Sequence[Shape]) -> Shape:
        if shapes[0].cols is not ONE:
            raise _fail(f"{name} needs a column vector, not {shapes[0]}")
        return result(shapes[0])

    return rule


def _diag_of(data: Any, shapes: Sequence[Shape]) -> Shape:
    if not shapes[0].is_square:
        raise _fail(f"diag needs a vector or a square matrix, not {shapes[0]}")
    return Shape(shapes[0].rows, ONE)


def _kron(data: Any, shapes: Sequence[Shape]) -> Shape:
    rows, cols = ONE, ONE
    for s in shapes:
        rows, cols = rows * s.rows, cols * s.cols
    return Shape(rows, cols)


def _unvec(data: Any, shapes: Sequence[Shape]) -> Shape:
    rows, cols = data
    if shapes[0].cols is not ONE or shapes[0].rows is not rows * cols:
        raise _fail(f"unvec to {rows}×{cols} needs a column of length {rows * cols}, not {shapes[0]}")
    return Shape(rows, cols)


def _inner(data: Any, shapes: Sequence[Shape]) -> Shape:
    _same("inner")(data, shapes)
    return SCALAR


def _leaf(data: Any, shapes: Sequence[Shape]) -> Shape:  # symbols bring their shape
    raise AssertionError("a leaf with its own shape is built by its own constructor")


def _numel(s: Shape) -> Any:
    return s.rows * s.cols


def _grad(data: Any, shapes: Sequence[Shape]) -> Shape:
    position: int = data[1]
    return shapes[position]


def _call(data: Any, shapes: Sequence[Shape]) -> Shape:
    return Shape(data[1], data[2])


def _jac(data: Any, shapes: Sequence[Shape]) -> Shape:
    return Shape(data[2] * data[3], _numel(shapes[data[1]]))


def _hess(data: Any, shapes: Sequence[Shape]) -> Shape:
    return Shape(_numel(shapes[data[1]]), _numel(shapes[data[2]]))


def _binder(data: Any, shapes: Sequence[Shape]) -> Shape:
    return shapes[0]


def _stack(data: Any, shapes: Sequence[Shape]) -> Shape:
    if shapes[0].cols is not ONE:
        raise _fail(f"rows(...) stacks columns, not {shapes[0]}")
    return Shape(data[1] - data[0] + 1, shapes[0].rows)


def _chained(data: Any, shapes: Sequence[Shape]) -> Shape:
    """A product of factors whose sizes may depend on the index: the rows of the first, the columns of the last."""
    rows, cols = shapes[0]
    following = rows.substitute({"#0": dim("#0") + 1})
    if following is not cols:
        raise _fail(f"the factors of prod do not follow one another: {shapes[0]} is not square")

    def outside(d: Dim, end: Dim) -> Dim:
        return d.substitute(lambda a: end if a == "#0" else _one_nearer(a))

    return Shape(outside(rows, data[0]), outside(rows, data[1] + 1))


def _one_nearer(a: Atom) -> Dim | None:
    return dim(f"#{int(a[1:]) - 1}") if isinstance(a, str) and a.startswith("#") else None


ADD, NEG, MUL, POW, POST = 10, 15, 20, 30, 40


def _n(kind: Any, text: str, latex: str, precedence: int = 100) -> Notation:
    return Notation(kind, text, latex, precedence)


def _call_n(text: str, latex: str = "") -> Notation:
    return Notation("call", text, latex or rf"\operatorname{{{text}}}")


_LEAF = Notation("leaf")

_TABLE = [
    # leaves: data is the number, the name, the sizes
    Op("num", 0, _to_scalar, _LEAF),  # data: Fraction, not negative
    Op("const", 0, _to_scalar, _LEAF),  # data: "pi" | "e"
    Op("size", 0, _to_scalar, _LEAF),  # data: Dim of one atom, as a number
    Op("sym", 0, _leaf, _LEAF),  # data: name
    Op("elem", 0, _leaf, _LEAF),  # data: (family, index Dim): a member of an indexed family
    Op("eye", 0, lambda d, s: Shape(d, d), _LEAF),  # data: Dim
    Op("ones", 0, lambda d, s: Shape(*d), _LEAF),  # data: (rows, cols)
    Op("zeros", 0, lambda d, s: Shape(*d), _LEAF),
    Op("unit", 0, lambda d, s: Shape(d[1], ONE), _LEAF),  # data: (index, length): the column 1 there, 0 elsewhere
    Op("commutation", 0, lambda d, s: Shape(d[0] * d[1], d[0] * d[1]), _LEAF),  # K*vec(X) = vec(X'), X is d[0]×d[1]
    # sums and products
    Op("add", None, _same("+"), _n("infix", " + ", " + ", ADD), "joint", associative=True, commutative=True),
    Op("neg", 1, _identity, _n("prefix", "-", "-", NEG), "joint"),
    Op("mul", None, _product, _n("infix", "*", r" ", MUL), "each", associative=True),
    Op("div", 2, _scaled, _n("infix", "/", r"\frac", MUL), "first"),
    Op("had", None, _same(".*"), _n("infix", ".*", r" \odot ", MUL), "each", associative=True, commutative=True),
    Op("hdiv", 2, _hdiv, _n("infix", "./", r" \oslash ", MUL), "first"),
    Op("pow", 2, _power, _n("infix", "^", "^", POW)),
    Op("hpow", 2, _hpower, _n("infix", ".^", r"^{\odot", POW)),
    Op("kron", None, _kron, _call_n("kron", r"\otimes"), "each", associative=True),
    Op("inner", 2, _inner, _call_n("inner", r"\langle"), "each"),
    # of one matrix
    Op("transpose", 1, lambda d, s: s[0].transposed, _n("postfix", "'", r"^{\top}", POST), "joint"),
    Op("inv", 1, _square("inv", False), _call_n("inv", "^{-1}")),
    Op("det", 1, _square("det", True), _call_n("det", r"\det")),
    Op("logdet", 1, _square("logdet", True), _call_n("logdet", r"\log\det"), analytic=False),
    Op("tr", 1, _square("tr", True), _call_n("tr"), "joint"),
    Op("sum", 1, _to_scalar, _call_n("sum", r"\operatorname{sum}"), "joint"),
    Op("diag", 1, _column("diag", lambda s: Shape(s.rows, s.rows)), _call_n("diag"), "joint"),
    Op("diagvec", 1, _diag_of, _call_n("diag"), "joint"),
    Op("vec", 1, lambda d, s: Shape(s[0].rows * s[0].cols, ONE), _call_n("vec"), "joint"),
    Op("unvec", 1, _unvec, _call_n("unvec"), "joint"),
    Op("norm1", 1, _to_scalar, _call_n("norm1", r"\|"), analytic=False),
    Op("norm2", 1, _vector_only("norm2", True), _call_n("norm2", r"\|"), analytic=False),
    Op("normF", 1, _to_scalar, _call_n("normF", r"\|"), analytic=False),
    Op("softmax", 1, _softmax, _call_n("softmax")),  # data: None, "rowwise" or "colwise"
    Op("logsumexp", 1, _logsumexp, _call_n("logsumexp")),
    # functions
    Op("fn", 1, _identity, _call_n("")),  # data: (name, order of the derivative)
    Op("call", None, _call, _call_n("")),  # data: (name, rows, cols): an opaque function of whole arguments
    Op("grad", None, _grad, _call_n("grad", r"\nabla")),  # data: (name, argument position)
    Op("jac", None, _jac, _call_n("jac")),  # data: (name, argument position, rows, cols of the function's value)
    Op("hess", None, _hess, _call_n("hess", r"\nabla^2")),  # data: (name, position, position)
    Op("stop", 1, _identity, _call_n("stop")),  # a constant copy of its argument: its value, without a differential
    Op("d", 1, _identity, _call_n("d", r"\mathrm{d}"), "joint"),  # the differential of its argument
    # binders: data is (lowest index, highest index); the bound index is "#0" in the body, see binders
    Op("sumover", 1, _binder, Notation("binder", "sum", r"\sum"), "joint"),
    Op("prod", 1, _chained, Notation("binder", "prod", r"\prod")),
    Op("stack", 1, _stack, Notation("binder", "rows", r"\operatorname{rows}"), "joint"),
]

OPS: dict[str, Op] = {row.name: row for row in _TABLE}
