"""NumPy's ways to make arrays and to change their axes, as terms.

NumPy goes through the entries row by row, ``vec`` column by column.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from matcalc.interop.numpy_arguments import Arguments, Made
from matcalc.interop.numpy_arrays import Value, as_column, count, flipped, multiplied, one_axis, sized, transposed
from matcalc.language import terms
from matcalc.language.dims import ONE, Dim

__all__ = [
    "as_number",
    "expanded",
    "eye",
    "filled",
    "flat",
    "full",
    "item",
    "length",
    "like",
    "reshape",
    "same",
    "squeeze",
    "tile",
    "transpose",
]


def transpose(a: Arguments) -> Value:
    a.allow(1, "axes")
    return transposed(a.source, a.array(0))


def same(a: Arguments) -> Value:
    a.allow(2, "dtype", "copy", "order")
    return replace(a.array(0), mask=a.array(0).mask and a.name in ("copy", "array", "asarray"))


def reshape(a: Arguments) -> Value:
    """To a column, a row, one axis, or back from one axis; NumPy goes row by row."""
    s, v = a.source, a.array(0)
    sizes = a.given[1] if len(a.given) == 2 and isinstance(a.given[1], tuple) else a.given[1:]
    wanted = [a.size(i) for i in sizes]
    minus = Dim([((), -1)])
    total = count(v, None)
    if wanted in ([minus], [total]):
        return one_axis(as_column(v))
    if len(wanted) != 2:
        raise s.unread("this reshape is not read")
    rows, cols = wanted
    if cols is ONE and rows in (minus, total):
        return Value(as_column(v), 2)
    if rows is ONE and cols in (minus, total):
        return Value(flipped(as_column(v)), 2)
    if v.axes == 2 and rows in (minus, v.shape[0]) and cols in (minus, v.shape[1]) and wanted != [minus, minus]:
        return v
    if minus not in wanted and rows * cols is total:
        return Value(flipped(terms.make("unvec", as_column(v), data=(cols, rows))), 2)
    raise s.shape_error(f"{v.shown()} cannot be reshaped to ({rows}, {cols})")


def flat(a: Arguments) -> Value:
    a.allow(1)
    return one_axis(as_column(a.array(0)))


def squeeze(a: Arguments) -> Value:
    a.allow(2, "axis")
    v = a.array(0)
    if v.is_scalar:
        return Value(v.term, 0)
    return one_axis(v.term) if v.axes == 2 and ONE in v.shape else v


def expanded(a: Arguments) -> Value:
    a.allow(2, "axis")
    v, axis = a.array(0), a.axis()
    if v.axes != 1 or axis is None:
        raise a.source.unread("expand_dims is read of an array with one axis")
    return Value(v.term, 2) if axis in (1, -1) else Value(flipped(v.term), 2)


def filled(fill: Callable[[Dim, Dim], terms.Term]) -> Made:
    def made(a: Arguments) -> Value:
        a.allow(1, "dtype", "shape")
        shape = a.item(0, "shape")
        sizes = [a.size(i) for i in (shape if isinstance(shape, tuple) else (shape,))]
        if len(sizes) > 2:
            raise a.source.unread("arrays with more than two axes are not part of the language")
        return Value(fill(sizes[0], sizes[1] if len(sizes) == 2 else ONE), len(sizes))

    return made


def full(a: Arguments) -> Value:
    a.allow(2, "dtype")
    ones = filled(terms.ones)(Arguments(a.source, a.name, a.given[:1], {}))
    return multiplied(a.source, a.array(1), ones)


def like(fill: Callable[[Dim, Dim], terms.Term]) -> Made:
    def made(a: Arguments) -> Value:
        a.allow(1, "dtype")
        return Value(fill(*a.array(0).term.shape), a.array(0).axes)

    return made


def eye(a: Arguments) -> Value:
    a.allow(1, "dtype")
    return Value(terms.eye(a.size(a.item(0))), 2)


def tile(a: Arguments) -> Value:
    a.allow(2)
    v, times = a.array(0), a.item(1)
    if not isinstance(times, tuple) or len(times) != 2 or v.axes == 0:
        raise a.source.unread("this tile is not read")
    rows, cols = (a.size(i) for i in times)
    t = flipped(v.term) if v.axes == 1 else v.term
    if (rows is not ONE and t.shape.rows is not ONE) or (cols is not ONE and t.shape.cols is not ONE):
        raise a.source.unread("only rows and columns are tiled")
    t = terms.mul(terms.ones(rows), t) if rows is not ONE else t
    return Value(terms.mul(t, flipped(terms.ones(cols))) if cols is not ONE else t, 2)


def length(a: Arguments) -> Value:
    a.allow(1)
    v = a.array(0)
    if not v.axes:
        raise a.source.shape_error("len of a number")
    return sized(v.shape[0])


def item(a: Arguments) -> Value:
    a.allow(1)
    v = a.array(0)
    if not v.is_scalar:
        raise a.source.shape_error(f"{a.name} of an array of shape {v.shown()}")
    return Value(v.term, 0, v.size)


def as_number(a: Arguments) -> Value:
    a.allow(1)
    return a.array(0) if a.array(0).axes else item(a)
