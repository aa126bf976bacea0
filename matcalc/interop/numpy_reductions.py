"""NumPy's sums, means, norms and softmax along axes, as terms.

The largest entry is no term; ``softmax`` and ``logsumexp`` need none.  Code that subtracts it before it takes exponents
is read with another number in its place, twice: where both give the same, it does not matter.
"""

from __future__ import annotations

from matcalc.errors import ParseError
from matcalc.interop.numpy_arguments import Arguments
from matcalc.interop.numpy_arrays import (
    Source,
    Value,
    added,
    as_column,
    count,
    divided,
    number,
    one_axis,
    powered,
    reduced,
    sized,
)
from matcalc.interop.numpy_entries import TWO, applied
from matcalc.language import terms
from matcalc.language.dims import ONE
from matcalc.language.ops import COLWISE, ROWWISE

__all__ = [
    "LargestEntry",
    "deviation",
    "extreme",
    "logsumexp",
    "mean",
    "norm",
    "softmax",
    "total",
    "trace",
    "variance",
]


def total(a: Arguments) -> Value:
    a.allow(2, "axis", "keepdims", "dtype")
    return reduced(a.source, a.array(0), a.axis(), a.keep)


def _average(s: Source, v: Value, axis: int | None, keep: bool) -> Value:
    return divided(s, reduced(s, v, axis, keep), sized(count(v, axis)))


def mean(a: Arguments) -> Value:
    a.allow(2, "axis", "keepdims", "dtype")
    return _average(a.source, a.array(0), a.axis(), a.keep)


def variance(a: Arguments) -> Value:
    a.allow(2, "axis", "keepdims", "ddof")
    s, v, axis = a.source, a.array(0), a.axis()
    centred = added(s, v, _average(s, v, axis, True), "-") if v.axes else v
    total = reduced(s, powered(s, centred, TWO), axis, a.keep)
    less = a.named.get("ddof")
    n = count(v, axis) - (a.size(less) if less is not None else 0)
    return divided(s, total, sized(n))


def deviation(a: Arguments) -> Value:
    return applied("sqrt", variance(a))


class LargestEntry(ParseError):
    """The largest entry of an array, which is no term."""


def extreme(a: Arguments) -> Value:
    """Not read, but for the largest entry in the place of which any number would do: ``exp(z - max(z))``."""
    s = a.source
    if s.shift and a.name in ("max", "amax"):
        a.allow(2, "axis", "keepdims")
        return number(terms.number(0)) if s.shift == "zero" else _average(s, a.array(0), a.axis(), a.keep)
    error = LargestEntry if a.name in ("max", "amax") else ParseError
    raise error(
        f"{a.name} over the entries of an array is not part of the language",
        span=s.span,
        source=s.code,
        hint="softmax(x) and logsumexp(x) need no shift by the largest entry here",
    )


def trace(a: Arguments) -> Value:
    a.allow(1)
    if a.array(0).axes != 2:
        raise a.source.shape_error(f"trace needs a square matrix, not {a.array(0).shown()}")
    return number(terms.make("tr", a.array(0).term))


def norm(a: Arguments) -> Value:
    a.allow(2, "ord", "axis", "keepdims")
    s, v = a.source, a.array(0)
    order = a.item(1, "ord")
    if "axis" in a.named:
        return applied("sqrt", reduced(s, powered(s, v, TWO), a.axis(9), a.keep))
    which = order if isinstance(order, str) or order is None else str(order.term) if isinstance(order, Value) else "?"
    if v.axes == 2 and not (v.term.shape.cols is ONE or v.term.shape.rows is ONE):
        if which in (None, "fro"):
            return number(terms.make("normF", v.term))
        raise s.unread(f"the norm {which} of a matrix is not part of the language")
    names = {None: "norm2", "2": "norm2", "1": "norm1", "fro": "norm2"}
    if which not in names:
        raise s.unread(f"the norm {which} is not part of the language")
    return number(terms.make(names[which], v.term))


def softmax(a: Arguments) -> Value:
    a.allow(2, "axis")
    v, axis = a.array(0), a.axis()
    return Value(terms.make("softmax", v.term, data=_along(a.source, v, axis, "softmax")), v.axes)


def logsumexp(a: Arguments) -> Value:
    a.allow(2, "axis", "keepdims")
    s, v, axis = a.source, a.array(0), a.axis()
    if v.axes == 2 and axis is None:
        return number(terms.make("logsumexp", as_column(v)))
    made = terms.make("logsumexp", v.term, data=_along(s, v, axis, "logsumexp"))
    if v.axes == 1:
        return Value(made, 1 if a.keep else 0)
    return Value(made, 2) if a.keep else one_axis(made)


def _along(s: Source, v: Value, axis: int | None, name: str) -> str | None:
    if v.axes < 2 or v.term.shape.is_vector or v.term.shape.is_row:
        return None
    if axis is None:
        raise s.unread(f"{name} of a matrix needs its axis", "axis=1: every row by itself")
    return ROWWISE if axis % 2 else COLWISE
