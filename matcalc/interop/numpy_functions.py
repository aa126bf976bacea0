"""NumPy's functions as terms: one table row for each name, whether it is called as ``np.sum(X)`` or as ``X.sum()``.

Invariant: what is not in the table is not read; nothing is ever run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from matcalc.errors import ParseError
from matcalc.interop.numpy_arrays import (
    Source,
    Value,
    added,
    as_column,
    count,
    divided,
    flipped,
    matmul,
    multiplied,
    negated,
    number,
    one_axis,
    powered,
    reduced,
    sized,
    transposed,
)
from matcalc.language import terms
from matcalc.language.dims import ONE, Dim
from matcalc.language.functions import ALIASES, FUNCTIONS
from matcalc.language.ops import COLWISE, ROWWISE

__all__ = ["FUNCTIONS_OF_NUMPY", "Arguments", "called", "greater", "knows"]

Item = Value | tuple["Item", ...] | str | bool | None  # what an argument may be


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of a call, by position and by name."""

    source: Source
    name: str
    given: tuple[Item, ...]
    named: Mapping[str, Item]

    def item(self, i: int, name: str = "") -> Item:
        if i < len(self.given):
            return self.given[i]
        return self.named.get(name) if name else None

    def array(self, i: int, name: str = "") -> Value:
        found = self.item(i, name)
        if not isinstance(found, Value):
            raise self.source.unread(f"{self.name} needs an array as argument number {i + 1}")
        return found

    def axis(self, i: int = 1) -> int | None:
        found = self.item(i, "axis")
        if found is None:
            return None
        if isinstance(found, tuple) and len(found) == 2:
            return None  # both axes
        value = found.size.value if isinstance(found, Value) and found.size is not None else None
        if value is None:
            raise self.source.unread("an axis is a number that is written in the code")
        return value

    @property
    def keep(self) -> bool:
        return self.named.get("keepdims") is True

    def size(self, item: Item) -> Dim:
        if not isinstance(item, Value) or item.size is None:
            raise self.source.unread(f"a size of {self.name} must be a whole number or a size of the problem")
        return item.size

    def allow(self, most: int, *names: str) -> None:
        if len(self.given) > most:
            raise self.source.unread(f"{self.name} takes at most {most} arguments here, not {len(self.given)}")
        extra = [n for n in self.named if n not in names]
        if extra:
            raise self.source.unread(f"the argument {extra[0]} of {self.name} is not read")


Made = Callable[[Arguments], Value]


# -------------------------------------------------------------------- elementwise
def _entrywise(name: str) -> Made:
    def made(a: Arguments) -> Value:
        a.allow(1, "dtype")
        v = a.array(0)
        return Value(terms.fn(name, v.term), v.axes)

    return made


def _composed(make: Callable[[Source, Value], Value]) -> Made:
    def made(a: Arguments) -> Value:
        a.allow(1)
        return make(a.source, a.array(0))

    return made


ONE_VALUE = number(terms.number(1), ONE)
ZERO_TERM = terms.number(0)
TWO = number(terms.number(2), ONE + 1)


def _fn(name: str, v: Value) -> Value:
    return Value(terms.fn(name, v.term), v.axes)


def _of_two(make: Callable[[Source, Value, Value], Value]) -> Made:
    def made(a: Arguments) -> Value:
        a.allow(2)
        return make(a.source, a.array(0), a.array(1))

    return made


def _is_zero(v: Value) -> bool:
    return v.term is ZERO_TERM or (v.term.op == "neg" and v.term.args[0] is ZERO_TERM)


def _maximum(s: Source, a: Value, b: Value) -> Value:
    if _is_zero(a) or _is_zero(b):
        return _fn("relu", a if _is_zero(b) else b)
    low, other = (b, a) if b.is_scalar else (a, b)
    return added(s, _fn("relu", added(s, other, low, "-")), low)


def _minimum(s: Source, a: Value, b: Value) -> Value:
    return negated(_maximum(s, negated(a), negated(b)))


def greater(s: Source, a: Value, b: Value, strict: bool = True) -> Value:
    """``a > b`` as the number 1 where it holds; ``a >= b`` where not strict."""
    if not strict:
        return added(s, ONE_VALUE, greater(s, b, a), "-")
    return _fn("step", negated(b) if _is_zero(a) else a if _is_zero(b) else added(s, a, b, "-"))


def _where(a: Arguments) -> Value:
    a.allow(3)
    mask, yes, no = (a.array(i) for i in range(3))
    s = a.source
    first = multiplied(s, mask, yes)
    if _is_zero(no):
        return first
    second = multiplied(s, added(s, ONE_VALUE, mask, "-"), no)
    return second if _is_zero(yes) else added(s, first, second)


def _logaddexp(s: Source, a: Value, b: Value) -> Value:
    if _is_zero(a) or _is_zero(b):
        return _fn("softplus", a if _is_zero(b) else b)
    return _fn("log", added(s, _fn("exp", a), _fn("exp", b)))


def _heaviside(s: Source, a: Value, b: Value) -> Value:
    return _fn("step", a)


def _clip(a: Arguments) -> Value:
    a.allow(3, "min", "max", "a_min", "a_max")
    s, v = a.source, a.array(0)
    low, high = a.item(1) or a.named.get("min") or a.named.get("a_min"), a.item(2) or a.named.get("max") or a.named.get("a_max")
    if isinstance(low, Value):
        v = _maximum(s, v, low)
    return _minimum(s, v, high) if isinstance(high, Value) else v


# --------------------------------------------------------------------- reductions
def _sum(a: Arguments) -> Value:
    a.allow(2, "axis", "keepdims", "dtype")
    return reduced(a.source, a.array(0), a.axis(), a.keep)


def _average(s: Source, v: Value, axis: int | None, keep: bool) -> Value:
    return divided(s, reduced(s, v, axis, keep), sized(count(v, axis)))


def _mean(a: Arguments) -> Value:
    a.allow(2, "axis", "keepdims", "dtype")
    return _average(a.source, a.array(0), a.axis(), a.keep)


def _variance(a: Arguments) -> Value:
    a.allow(2, "axis", "keepdims", "ddof")
    s, v, axis = a.source, a.array(0), a.axis()
    centred = added(s, v, _average(s, v, axis, True), "-") if v.axes else v
    total = reduced(s, powered(s, centred, TWO), axis, a.keep)
    less = a.named.get("ddof")
    n = count(v, axis) - (a.size(less) if less is not None else 0)
    return divided(s, total, sized(n))


def _deviation(a: Arguments) -> Value:
    return _fn("sqrt", _variance(a))


def _extreme(a: Arguments) -> Value:
    raise a.source.unread(
        f"{a.name} over the entries of an array is not part of the language",
        "softmax(x) and logsumexp(x) need no shift by the largest entry here",
    )


def _trace(a: Arguments) -> Value:
    a.allow(1)
    return number(terms.make("tr", a.array(0).term))


def _norm(a: Arguments) -> Value:
    a.allow(2, "ord", "axis", "keepdims")
    s, v = a.source, a.array(0)
    order = a.item(1, "ord")
    if "axis" in a.named:
        return _fn("sqrt", reduced(s, powered(s, v, TWO), a.axis(9), a.keep))
    which = order if isinstance(order, str) or order is None else str(order.term) if isinstance(order, Value) else "?"
    if v.axes == 2 and not (v.term.shape.cols is ONE or v.term.shape.rows is ONE):
        if which in (None, "fro"):
            return number(terms.make("normF", v.term))
        raise s.unread(f"the norm {which} of a matrix is not part of the language")
    names = {None: "norm2", "2": "norm2", "1": "norm1", "fro": "norm2"}
    if which not in names:
        raise s.unread(f"the norm {which} is not part of the language")
    return number(terms.make(names[which], v.term if not v.is_scalar else v.term))


# ----------------------------------------------------------------------- products
def _dot(a: Arguments) -> Value:
    a.allow(2)
    x, y = a.array(0), a.array(1)
    return multiplied(a.source, x, y) if not x.axes or not y.axes else matmul(a.source, x, y, a.name)


def _inner(s: Source, a: Value, b: Value) -> Value:
    if not a.axes or not b.axes:
        return multiplied(s, a, b)
    return matmul(s, a, Value(flipped(b.term), 2) if b.axes == 2 else b, "inner")


def _vdot(s: Source, a: Value, b: Value) -> Value:
    if a.shape == b.shape and a.axes == 2:
        return number(terms.inner(a.term, b.term))
    return matmul(s, one_axis(as_column(a)), one_axis(as_column(b)), "vdot")


def _outer(s: Source, a: Value, b: Value) -> Value:
    return Value(terms.mul(as_column(a), flipped(as_column(b))), 2)


def _multi_dot(a: Arguments) -> Value:
    a.allow(1)
    items = a.item(0)
    if not isinstance(items, tuple) or len(items) < 2 or not all(isinstance(i, Value) for i in items):
        raise a.source.unread("multi_dot needs a list of arrays")
    arrays = [i for i in items if isinstance(i, Value)]
    out = arrays[0]
    for v in arrays[1:]:
        out = matmul(a.source, out, v, "multi_dot")
    return out


def _kron(s: Source, a: Value, b: Value) -> Value:
    return Value(terms.make("kron", a.term, b.term), max(a.axes, b.axes))


# ----------------------------------------------------------------- linear algebra
def _of_square(op: str, axes: int) -> Made:
    def made(a: Arguments) -> Value:
        a.allow(1)
        v = a.array(0)
        if v.axes != 2:
            raise a.source.shape_error(f"{a.name} needs a square matrix, not {v.shown()}")
        return Value(terms.make(op, v.term), axes)

    return made


def _solve(a: Arguments) -> Value:
    a.allow(2, "assume_a", "check_finite")
    m, v = a.array(0), a.array(1)
    if m.axes != 2:
        raise a.source.shape_error(f"solve needs a square matrix, not {m.shown()}")
    return matmul(a.source, Value(terms.make("inv", m.term), 2), v, "solve")


def _matrix_power(a: Arguments) -> Value:
    a.allow(2)
    v, k = a.array(0), a.size(a.item(1)).value
    if k is None or abs(k) > 64:
        raise a.source.unread("the power of a matrix is a whole number up to 64")
    base = terms.make("inv", v.term) if k < 0 else v.term
    return Value(base if abs(k) == 1 else terms.power(base, abs(k)), 2)


def _diag(a: Arguments) -> Value:
    a.allow(1)
    v = a.array(0)
    if v.axes == 1:
        return Value(terms.make("diag", v.term), 2)
    if v.axes == 2 and not v.term.shape.is_square:
        hint = "np.diag of a column takes its first entry; flatten it before" if v.term.shape.cols is ONE else ""
        raise a.source.shape_error(f"{a.name} needs a vector or a square matrix, not {v.shown()}", hint)
    return Value(terms.make("diagvec", v.term), 1)


def _softmax(a: Arguments) -> Value:
    a.allow(2, "axis")
    v, axis = a.array(0), a.axis()
    return Value(terms.make("softmax", v.term, data=_along(a.source, v, axis, "softmax")), v.axes)


def _logsumexp(a: Arguments) -> Value:
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


# ------------------------------------------------------------------------- shapes
def _transpose(a: Arguments) -> Value:
    a.allow(1, "axes")
    return transposed(a.source, a.array(0))


def _same(a: Arguments) -> Value:
    return a.array(0)


def _reshape(a: Arguments) -> Value:
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
    if (rows, cols) == v.shape or (rows in (minus, v.shape[0]) and cols is v.shape[-1] and v.axes == 2):
        return v
    if minus not in wanted and rows * cols is total:
        return Value(flipped(terms.make("unvec", as_column(v), data=(cols, rows))), 2)
    raise s.shape_error(f"{v.shown()} cannot be reshaped to ({rows}, {cols})")


def _flat(a: Arguments) -> Value:
    return one_axis(as_column(a.array(0)))


def _squeeze(a: Arguments) -> Value:
    a.allow(2, "axis")
    v = a.array(0)
    if v.is_scalar:
        return Value(v.term, 0)
    return one_axis(v.term) if v.axes == 2 and ONE in v.shape else v


def _expanded(a: Arguments) -> Value:
    a.allow(2, "axis")
    v, axis = a.array(0), a.axis()
    if v.axes != 1 or axis is None:
        raise a.source.unread("expand_dims is read of an array with one axis")
    return Value(v.term, 2) if axis in (1, -1) else Value(flipped(v.term), 2)


def _filled(fill: Callable[[Dim, Dim], terms.Term]) -> Made:
    def made(a: Arguments) -> Value:
        a.allow(1, "dtype", "shape")
        shape = a.item(0, "shape")
        sizes = [a.size(i) for i in (shape if isinstance(shape, tuple) else (shape,))]
        if len(sizes) > 2:
            raise a.source.unread("arrays with more than two axes are not part of the language")
        return Value(fill(sizes[0], sizes[1] if len(sizes) == 2 else ONE), len(sizes))

    return made


def _full(a: Arguments) -> Value:
    a.allow(2, "dtype")
    ones = _filled(terms.ones)(Arguments(a.source, a.name, a.given[:1], {}))
    return multiplied(a.source, a.array(1), ones)


def _like(fill: Callable[[Dim, Dim], terms.Term]) -> Made:
    return lambda a: Value(fill(*a.array(0).term.shape), a.array(0).axes)


def _eye(a: Arguments) -> Value:
    a.allow(1, "dtype")
    return Value(terms.eye(a.size(a.item(0))), 2)


def _tile(a: Arguments) -> Value:
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


def _len(a: Arguments) -> Value:
    a.allow(1)
    v = a.array(0)
    if not v.axes:
        raise a.source.shape_error("len of a number")
    return sized(v.shape[0])


def _item(a: Arguments) -> Value:
    v = a.array(0)
    if not v.is_scalar:
        raise a.source.shape_error(f"{a.name} of an array of shape {v.shown()}")
    return Value(v.term, 0, v.size)


def _number(a: Arguments) -> Value:
    a.allow(1)
    return a.array(0) if a.array(0).axes else _item(a)


def _einsum(a: Arguments) -> Value:
    from matcalc.interop.numpy_einsum import einsum

    spec = a.item(0)
    arrays = [a.array(i) for i in range(1, len(a.given))]
    if not isinstance(spec, str):
        raise a.source.unread("the first argument of einsum is its indices, as text")
    return einsum(a.source, spec, arrays)


FUNCTIONS_OF_NUMPY: dict[str, Made] = {
    **{n: _entrywise(n) for n in "exp log sqrt sin cos tan sinh cosh tanh arcsin arccos arctan abs sign".split()},
    **{n: _entrywise(f) for n, f in {"absolute": "abs", "fabs": "abs", "asin": "arcsin", "acos": "arccos", "atan": "arctan"}.items()},
    **{n: _entrywise(f) for n, f in {"expit": "sigmoid", "ReLU": "relu", "logistic": "sigmoid", "sgn": "sign"}.items()},
    **{n: _entrywise(n) for n in ("sigmoid", "softplus", "relu", "step")},
    "log1p": _composed(lambda s, v: _fn("log", added(s, ONE_VALUE, v))),
    "expm1": _composed(lambda s, v: added(s, _fn("exp", v), ONE_VALUE, "-")),
    "square": _composed(lambda s, v: powered(s, v, TWO)),
    "reciprocal": _composed(lambda s, v: divided(s, ONE_VALUE, v)),
    "negative": _composed(lambda s, v: negated(v)),
    "positive": _same,
    "add": _of_two(added),
    "subtract": _of_two(lambda s, a, b: added(s, a, b, "-")),
    "multiply": _of_two(multiplied),
    "divide": _of_two(divided),
    "true_divide": _of_two(divided),
    "power": _of_two(powered),
    "maximum": _of_two(_maximum),
    "minimum": _of_two(_minimum),
    "fmax": _of_two(_maximum),
    "fmin": _of_two(_minimum),
    "greater": _of_two(greater),
    "less": _of_two(lambda s, a, b: greater(s, b, a)),
    "greater_equal": _of_two(lambda s, a, b: greater(s, a, b, strict=False)),
    "less_equal": _of_two(lambda s, a, b: greater(s, b, a, strict=False)),
    "logaddexp": _of_two(_logaddexp),
    "heaviside": _of_two(_heaviside),
    "where": _where,
    "clip": _clip,
    "sum": _sum,
    "mean": _mean,
    "average": _mean,
    "var": _variance,
    "std": _deviation,
    **dict.fromkeys(("max", "min", "amax", "amin", "argmax", "argmin", "prod", "cumsum", "median", "sort"), _extreme),
    "trace": _trace,
    "norm": _norm,
    "dot": _dot,
    "matmul": _of_two(matmul),
    "inner": _of_two(_inner),
    "vdot": _of_two(_vdot),
    "outer": _of_two(_outer),
    "multi_dot": _multi_dot,
    "kron": _of_two(_kron),
    "einsum": _einsum,
    "inv": _of_square("inv", 2),
    "det": _of_square("det", 0),
    "logdet": _of_square("logdet", 0),
    "solve": _solve,
    "matrix_power": _matrix_power,
    "diag": _diag,
    "diagonal": _diag,
    "softmax": _softmax,
    "logsumexp": _logsumexp,
    "transpose": _transpose,
    **dict.fromkeys(("array", "asarray", "copy", "astype", "ascontiguousarray", "atleast_1d", "float64", "float32", "real"), _same),
    "reshape": _reshape,
    **dict.fromkeys(("ravel", "flatten"), _flat),
    "squeeze": _squeeze,
    "expand_dims": _expanded,
    "ones": _filled(terms.ones),
    "zeros": _filled(terms.zeros),
    "full": _full,
    "ones_like": _like(terms.ones),
    "zeros_like": _like(terms.zeros),
    "eye": _eye,
    "identity": _eye,
    "tile": _tile,
    "len": _len,
    "item": _item,
    "float": _number,
    "int": _number,
}


def knows(name: str) -> bool:
    """Whether a name is a function that can be read."""
    return name in FUNCTIONS_OF_NUMPY


def called(source: Source, name: str, given: Sequence[Item], named: Mapping[str, Item]) -> Value:
    """A function applied. Raises ParseError for one that is not in the table."""
    made = FUNCTIONS_OF_NUMPY.get(name)
    if made is None:
        raise unknown(source, name)
    return made(Arguments(source, name, tuple(given), named))


def unknown(source: Source, name: str) -> ParseError:
    known = [*FUNCTIONS_OF_NUMPY, *FUNCTIONS, *ALIASES]
    close = get_close_matches(name, known, 1, 0.6)
    return source.unread(f"the function {name[:60]} is not read", f"did you mean {close[0]}?" if close else "")
