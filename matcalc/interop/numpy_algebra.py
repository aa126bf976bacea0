"""NumPy's products and linear algebra, as terms."""

from __future__ import annotations

from matcalc.interop.numpy_arguments import Arguments, Made
from matcalc.interop.numpy_arrays import Source, Value, as_column, flipped, matmul, multiplied, number, one_axis
from matcalc.interop.numpy_einsum import einsum
from matcalc.language import terms
from matcalc.language.dims import ONE

__all__ = [
    "diagonal",
    "dot",
    "einsum_of",
    "inner",
    "kron",
    "matrix_power",
    "multi_dot",
    "of_square",
    "outer",
    "solve",
    "vdot",
]


def dot(a: Arguments) -> Value:
    a.allow(2)
    x, y = a.array(0), a.array(1)
    return multiplied(a.source, x, y) if not x.axes or not y.axes else matmul(a.source, x, y, a.name)


def inner(s: Source, a: Value, b: Value) -> Value:
    if not a.axes or not b.axes:
        return multiplied(s, a, b)
    return matmul(s, a, Value(flipped(b.term), 2) if b.axes == 2 else b, "inner")


def vdot(s: Source, a: Value, b: Value) -> Value:
    if a.shape == b.shape and a.axes == 2:
        return number(terms.inner(a.term, b.term))
    return matmul(s, one_axis(as_column(a)), one_axis(as_column(b)), "vdot")


def outer(s: Source, a: Value, b: Value) -> Value:
    return Value(terms.mul(as_column(a), flipped(as_column(b))), 2)


def multi_dot(a: Arguments) -> Value:
    a.allow(1)
    items = a.item(0)
    if not isinstance(items, tuple) or len(items) < 2 or not all(isinstance(i, Value) for i in items):
        raise a.source.unread("multi_dot needs a list of arrays")
    arrays = [i for i in items if isinstance(i, Value)]
    out = arrays[0]
    for v in arrays[1:]:
        out = matmul(a.source, out, v, "multi_dot")
    return out


def kron(s: Source, a: Value, b: Value) -> Value:
    return Value(terms.make("kron", a.term, b.term), max(a.axes, b.axes))


def of_square(op: str, axes: int) -> Made:
    def made(a: Arguments) -> Value:
        a.allow(1)
        v = a.array(0)
        if v.axes != 2:
            raise a.source.shape_error(f"{a.name} needs a square matrix, not {v.shown()}")
        return Value(terms.make(op, v.term), axes)

    return made


def solve(a: Arguments) -> Value:
    a.allow(2, "assume_a", "check_finite")
    m, v = a.array(0), a.array(1)
    if m.axes != 2:
        raise a.source.shape_error(f"solve needs a square matrix, not {m.shown()}")
    return matmul(a.source, Value(terms.make("inv", m.term), 2), v, "solve")


def matrix_power(a: Arguments) -> Value:
    a.allow(2)
    v, k = a.array(0), a.size(a.item(1)).value
    if k is None or abs(k) > 64:
        raise a.source.unread("the power of a matrix is a whole number up to 64")
    base = terms.make("inv", v.term) if k < 0 else v.term
    return Value(base if abs(k) == 1 else terms.power(base, abs(k)), 2)


def diagonal(a: Arguments) -> Value:
    a.allow(1)
    v = a.array(0)
    if v.axes == 0:
        raise a.source.shape_error(f"{a.name} of a number")
    if v.axes == 1:
        return Value(terms.make("diag", v.term), 2)
    if v.axes == 2 and not v.term.shape.is_square:
        hint = "np.diag of a column takes its first entry; flatten it before" if v.term.shape.cols is ONE else ""
        raise a.source.shape_error(f"{a.name} needs a vector or a square matrix, not {v.shown()}", hint)
    return Value(terms.make("diagvec", v.term), 1)


def einsum_of(a: Arguments) -> Value:
    spec = a.item(0)
    arrays = [a.array(i) for i in range(1, len(a.given))]
    if not isinstance(spec, str):
        raise a.source.unread("the first argument of einsum is its indices, as text")
    return einsum(a.source, spec, arrays)
