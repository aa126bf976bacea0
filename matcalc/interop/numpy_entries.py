"""NumPy's functions that act entry by entry, as terms.

A comparison is the number 1 where it holds, so that ``dA * (A > 0)`` is a product.
"""

from __future__ import annotations

from collections.abc import Callable

from matcalc.interop.numpy_arguments import Arguments, Made
from matcalc.interop.numpy_arrays import Source, Value, added, multiplied, negated, number
from matcalc.language import terms
from matcalc.language.dims import ONE

__all__ = [
    "ONE_VALUE",
    "TWO",
    "applied",
    "clip",
    "composed",
    "entrywise",
    "greater",
    "heaviside",
    "is_zero",
    "logaddexp",
    "maximum",
    "minimum",
    "of_two",
    "where",
]


def entrywise(name: str) -> Made:
    def made(a: Arguments) -> Value:
        a.allow(1, "dtype")
        v = a.array(0)
        return Value(terms.fn(name, v.term), v.axes)

    return made


def composed(make: Callable[[Source, Value], Value]) -> Made:
    def made(a: Arguments) -> Value:
        a.allow(1)
        return make(a.source, a.array(0))

    return made


ONE_VALUE = number(terms.number(1), ONE)
ZERO_TERM = terms.number(0)
TWO = number(terms.number(2), ONE + 1)


def applied(name: str, v: Value) -> Value:
    return Value(terms.fn(name, v.term), v.axes)


def of_two(make: Callable[[Source, Value, Value], Value]) -> Made:
    def made(a: Arguments) -> Value:
        a.allow(2)
        return make(a.source, a.array(0), a.array(1))

    return made


def is_zero(v: Value) -> bool:
    return v.term is ZERO_TERM or (v.term.op == "neg" and v.term.args[0] is ZERO_TERM)


def maximum(s: Source, a: Value, b: Value) -> Value:
    if is_zero(a) or is_zero(b):
        return applied("relu", a if is_zero(b) else b)
    low, other = (b, a) if b.is_scalar else (a, b)
    return added(s, applied("relu", added(s, other, low, "-")), low)


def minimum(s: Source, a: Value, b: Value) -> Value:
    return negated(maximum(s, negated(a), negated(b)))


def greater(s: Source, a: Value, b: Value, strict: bool = True) -> Value:
    """``a > b`` as the number 1 where it holds; ``a >= b`` where not strict."""
    if not strict:
        return added(s, ONE_VALUE, greater(s, b, a), "-")
    return applied("step", negated(b) if is_zero(a) else a if is_zero(b) else added(s, a, b, "-"))


def where(a: Arguments) -> Value:
    a.allow(3)
    mask, yes, no = (a.array(i) for i in range(3))
    s = a.source
    first = multiplied(s, mask, yes)
    if is_zero(no):
        return first
    second = multiplied(s, added(s, ONE_VALUE, mask, "-"), no)
    return second if is_zero(yes) else added(s, first, second)


def logaddexp(s: Source, a: Value, b: Value) -> Value:
    if is_zero(a) or is_zero(b):
        return applied("softplus", a if is_zero(b) else b)
    return applied("log", added(s, applied("exp", a), applied("exp", b)))


def heaviside(s: Source, a: Value, b: Value) -> Value:
    return applied("step", a)


def clip(a: Arguments) -> Value:
    a.allow(3, "min", "max", "a_min", "a_max")
    s, v = a.source, a.array(0)
    low, high = (
        a.item(1) or a.named.get("min") or a.named.get("a_min"),
        a.item(2) or a.named.get("max") or a.named.get("a_max"),
    )
    if isinstance(low, Value):
        v = maximum(s, v, low)
    return minimum(s, v, high) if isinstance(high, Value) else v
