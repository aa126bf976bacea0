"""Terms as numbers: one table row per operation, everything a two-dimensional array.

This is the checking twin of the emitted code: written for truth, not for speed.  Every row is analytic away from kinks,
so that the complex step is exact (see :mod:`matcalc.numeric.analytic`); transposes do not conjugate.

Invariants: the result has exactly the term's shape (a scalar is 1×1, a vector n×1); every distinct subterm is evaluated
once; outside a function's domain the result is not finite, never an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from matcalc.errors import MatcalcError
from matcalc.language.binders import BINDERS
from matcalc.language.dims import Atom, Dim
from matcalc.language.functions import FUNCTIONS
from matcalc.language.named_loss import function_of
from matcalc.language.ops import COLWISE, OPS, ROWWISE
from matcalc.language.terms import Term, subterms
from matcalc.numeric import analytic
from matcalc.numeric.analytic import Array
from matcalc.numeric.opaque import Opaque, opaque

__all__ = [
    "Array",
    "OutsideRange",
    "Point",
    "directional",
    "evaluate",
    "evaluate_all",
    "extrapolated",
    "is_analytic",
    "scaled",
    "size_of",
]

AXES = {None: None, ROWWISE: 1, COLWISE: 0}  # along which an operation on rows or columns runs
STEP = 1e-20  # of the complex step: no subtraction, so as small as one likes


class OutsideRange(MatcalcError):
    """An index of an entry that no row or column has at these sizes."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where to evaluate: the values of the symbols (families: mappings from index to array), sizes and functions.

    ``tangents`` are the values of ``d(X)``; a symbol without one is constant.  None: differentials have no value.
    ``watch`` is told of every operation (term, arguments, value), to find kinks and domains.  A constant copy keeps the
    value it has where nothing has moved: that of ``held``, else the real part.
    """

    values: Mapping[str, Any]
    sizes: Mapping[str, int] = field(default_factory=dict)
    functions: Mapping[str, Opaque] = field(default_factory=dict)
    tangents: Mapping[str, Any] | None = None
    seed: int = 0  # of the functions that are not given
    watch: Callable[[Term, Sequence[Array], Array], None] | None = None
    tremble: Callable[[Term, Array], Array] | None = None  # what rounding does to a value, enlarged
    held: Iterator[Array] | None = None  # the values of constant copies where nothing has moved, in order of evaluation


def evaluate(
    term: Term,
    values: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    functions: Mapping[str, Opaque] | None = None,
    tangents: Mapping[str, Any] | None = None,
) -> Array:
    """The value of a term, always two-dimensional."""
    return evaluate_all([term], Point(values, sizes or {}, functions or {}, tangents))[0]


def evaluate_all(terms: Sequence[Term], point: Point, known: dict[Term, Array] | None = None) -> list[Array]:
    """The values of several terms at one point; what they share is evaluated once.

    ``known`` has values from before at the same point and is added to.
    """
    done = {} if known is None else known
    with np.errstate(all="ignore"):
        for t in terms:
            _walk(t, point, done)
    return [done[t] for t in terms]


def _walk(root: Term, point: Point, done: dict[Term, Array]) -> None:
    stack = [root]
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
            continue
        inside = () if node.op in BINDERS or node.op == "d" else node.args  # these evaluate their body themselves
        todo = [a for a in inside if a not in done]
        if todo:
            stack.extend(todo)
            continue
        args = [done[a] for a in inside]
        value = EVALUATE[node.op](node, args, point)
        if point.tremble is not None:
            value = point.tremble(node, value)
        if point.watch is not None:
            point.watch(node, args, value)
        done[node] = value
        stack.pop()


# ----------------------------------------------------------------------------------- sizes
def size_of(d: Dim, sizes: Mapping[str, Any]) -> int:
    """The integer a size is. Indexed sizes ``m[i]`` are ``sizes["m"][i]``."""
    total = 0
    for mono, c in d.coefficients:
        for a in mono:
            c *= _atom(a, sizes)
        total += c
    return total


def _atom(a: Atom, sizes: Mapping[str, Any]) -> int:
    try:
        return int(sizes[a]) if isinstance(a, str) else int(sizes[a.name][size_of(a.index, sizes)])
    except (KeyError, IndexError):
        raise MatcalcError(f"no value is known for the size {a}") from None


def is_analytic(t: Term) -> bool:
    """Whether the complex step may be used: every row here is analytic away from kinks, save unknown functions."""
    for s in subterms(t):
        if (
            s.op == "fn"
            and s.data[0] in FUNCTIONS
            and not (FUNCTIONS[s.data[0]].analytic or s.data[0] in analytic.BRANCHED)
        ):
            return False
        if s.op == "d" and s.args[0].op not in ("sym", "elem"):
            return False  # its value is found by a complex step itself
    return True


# ----------------------------------------------------------------------------------- leaves
def _scalar(x: Any) -> Array:
    return np.array([[x]])


def _number(t: Term, args: Sequence[Array], p: Point) -> Array:
    return _scalar(float(t.data))


def _filled(fill: Callable[[tuple[int, int]], Array]) -> Callable[[Term, Sequence[Array], Point], Array]:
    return lambda t, args, p: fill((size_of(t.shape.rows, p.sizes), size_of(t.shape.cols, p.sizes)))


def _unit(t: Term, args: Sequence[Array], p: Point) -> Array:
    index, n = (size_of(d, p.sizes) for d in t.data)
    if not 1 <= index <= n:
        raise OutsideRange(f"the index {index} is outside 1..{n}")
    out = np.zeros((n, 1))
    out[index - 1] = 1.0
    return out


def _symbol(t: Term, args: Sequence[Array], p: Point) -> Array:
    if t.data not in p.values:
        raise MatcalcError(f"no value is known for '{t.data}'")
    return np.asarray(p.values[t.data])


def _element(t: Term, args: Sequence[Array], p: Point) -> Array:
    family, index = t.data
    k = size_of(index, p.sizes)
    try:
        return np.asarray(p.values[family][k])
    except (KeyError, IndexError):
        raise MatcalcError(f"no value is known for '{family}[{k}]'") from None


# --------------------------------------------------------------------------------- algebra
def _sum(t: Term, args: Sequence[Array], p: Point) -> Array:
    out = args[0]
    for a in args[1:]:
        out = out + a
    return out


def _times(t: Term, args: Sequence[Array], p: Point) -> Array:
    scale: Any = 1.0
    out: Array | None = None
    for a, s in zip(args, t.args, strict=True):
        if s.is_scalar:
            scale = scale * a[0, 0]
        else:
            out = a if out is None else out @ a
    return _scalar(scale) if out is None else scale * out


def _hadamard(t: Term, args: Sequence[Array], p: Point) -> Array:
    out = args[0]
    for a in args[1:]:
        out = out * a
    return out


def _power(t: Term, args: Sequence[Array], p: Point) -> Array:
    return (analytic.power if t.args[0].is_scalar else analytic.matrix_power)(args[0], args[1])


def _kron(t: Term, args: Sequence[Array], p: Point) -> Array:
    out = args[0]
    for a in args[1:]:
        out = np.kron(out, a)
    return out


def _vec(t: Term, args: Sequence[Array], p: Point) -> Array:
    return args[0].reshape(-1, 1, order="F")


def _unvec(t: Term, args: Sequence[Array], p: Point) -> Array:
    return args[0].reshape([size_of(d, p.sizes) for d in t.data], order="F")


# ------------------------------------------------------------------------------- functions
def _function(t: Term, args: Sequence[Array], p: Point) -> Array:
    name, order = t.data
    if name in p.functions or name not in FUNCTIONS:
        return _opaque(name, p).elementwise(args[0], order)
    return analytic.elementwise(name, args[0], order)


def _opaque(name: str, p: Point) -> Opaque:
    name = function_of(name)
    return p.functions[name] if name in p.functions else opaque(name, p.seed)


def _call(t: Term, args: Sequence[Array], p: Point) -> Array:
    rows, cols = size_of(t.shape.rows, p.sizes), size_of(t.shape.cols, p.sizes)
    return _opaque(t.data[0], p).value(args, (rows, cols))


def _gradient(t: Term, args: Sequence[Array], p: Point) -> Array:
    name, position = t.data
    jacobian = _opaque(name, p).jacobian(args, position, (1, 1))
    return jacobian.reshape(args[position].shape, order="F")


def _jacobian(t: Term, args: Sequence[Array], p: Point) -> Array:
    name, position, rows, cols = t.data
    return _opaque(name, p).jacobian(args, position, (size_of(rows, p.sizes), size_of(cols, p.sizes)))


def _hessian(t: Term, args: Sequence[Array], p: Point) -> Array:
    name, first, second = t.data
    return _opaque(name, p).hessian(args, first, second)


def _copy(t: Term, args: Sequence[Array], p: Point) -> Array:
    return next(p.held) if p.held is not None else np.real(args[0])


# --------------------------------------------------------------- differentials and binders
def _differential(t: Term, args: Sequence[Array], p: Point) -> Array:
    """``d(X)`` of a symbol is its tangent; of a compound term the directional derivative along the tangents."""
    if p.tangents is None:
        raise MatcalcError(f"no value is known for the differential '{t}'")
    body = t.args[0]
    if body.op not in ("sym", "elem"):
        return directional(body, p)
    name = body.data if body.op == "sym" else body.data[0]
    found: Any = p.tangents.get(name)
    if body.op == "elem" and found is not None:
        found = found.get(size_of(body.data[1], p.sizes))
    if found is None:  # constant
        return np.zeros((size_of(t.shape.rows, p.sizes), size_of(t.shape.cols, p.sizes)))
    return np.asarray(found)


def directional(t: Term, p: Point) -> Array:
    """The derivative of a term along the point's tangents: complex step, else extrapolated central differences."""
    tangents = p.tangents or {}
    quiet = replace(p, watch=None)
    read = {k: p.values[k] for k in t.free if k in p.values}

    def moved(step: complex | float) -> Array:
        values = {k: _moved(v, step, tangents[k]) if k in tangents else v for k, v in read.items()}
        return evaluate_all([t], replace(quiet, values=values))[0]

    if is_analytic(t) and not any(_is_complex(v) for v in read.values()):
        return np.asarray(np.imag(moved(1j * STEP)) / STEP)
    return extrapolated(moved)


def _moved(value: Any, step: complex | float, tangent: Any) -> Any:
    """``value + step*tangent``, member by member for families."""
    if isinstance(value, Mapping):
        return {k: v + step * tangent[k] if k in tangent else v for k, v in value.items()}
    return value + step * tangent


def _is_complex(value: Any) -> bool:
    members = value.values() if isinstance(value, Mapping) else (value,)
    return any(np.iscomplexobj(v) for v in members)


def scaled(value: Any, factor: float, part: Callable[[Array], Array]) -> Any:
    """A part of a value (real, imaginary) times a factor, member by member for families."""
    if isinstance(value, Mapping):
        return {k: factor * part(v) for k, v in value.items()}
    return factor * part(np.asarray(value))


def extrapolated(moved: Callable[[float], Array], step: float = 2e-3, levels: int = 4) -> Array:
    """The derivative at 0 by central differences at halved steps, Richardson-extrapolated."""
    with np.errstate(all="ignore"):
        table = [(moved(h) - moved(-h)) / (2 * h) for h in (step / 2**k for k in range(levels))]
        for order in range(1, levels):
            q = 4**order
            table = [(q * b - a) / (q - 1) for a, b in pairwise(table)]
    return np.asarray(table[0])


def _over_range(t: Term, p: Point) -> list[Array]:
    """The body at every index. The nearest index is ``#0``; the outer ones move one further."""
    low, high = (size_of(d, p.sizes) for d in t.data)
    outer = {f"#{int(n[1:]) + 1}" if n.startswith("#") else n: v for n, v in p.sizes.items()}
    return [evaluate_all([t.args[0]], replace(p, sizes={**outer, "#0": k}))[0] for k in range(low, high + 1)]


def _shape_at_low(t: Term, p: Point) -> tuple[int, int]:
    return size_of(t.shape.rows, p.sizes), size_of(t.shape.cols, p.sizes)


def _sum_over(t: Term, args: Sequence[Array], p: Point) -> Array:
    parts = _over_range(t, p)
    return np.asarray(sum(parts[1:], parts[0])) if parts else np.zeros(_shape_at_low(t, p))


def _product_over(t: Term, args: Sequence[Array], p: Point) -> Array:
    parts = _over_range(t, p)
    if not parts:
        return np.eye(_shape_at_low(t, p)[0])
    out = parts[0]
    for a in parts[1:]:
        out = out @ a
    return out


def _stack(t: Term, args: Sequence[Array], p: Point) -> Array:
    parts = _over_range(t, p)
    return np.hstack(parts).T if parts else np.zeros(_shape_at_low(t, p))


EVALUATE: dict[str, Callable[[Term, Sequence[Array], Point], Array]] = {
    "num": _number,
    "const": lambda t, a, p: _scalar({"pi": np.pi, "e": np.e}[t.data]),
    "size": lambda t, a, p: _scalar(float(size_of(t.data, p.sizes))),
    "sym": _symbol,
    "elem": _element,
    "eye": lambda t, a, p: np.eye(size_of(t.data, p.sizes)),
    "ones": _filled(np.ones),
    "zeros": _filled(np.zeros),
    "unit": _unit,
    "commutation": lambda t, a, p: analytic.commutation(*(size_of(d, p.sizes) for d in t.data)),
    "add": _sum,
    "neg": lambda t, a, p: -a[0],
    "mul": _times,
    "div": lambda t, a, p: a[0] / a[1][0, 0],
    "had": _hadamard,
    "hdiv": lambda t, a, p: a[0] / a[1],
    "pow": _power,
    "hpow": lambda t, a, p: analytic.power(a[0], a[1]),
    "kron": _kron,
    "inner": lambda t, a, p: _scalar(np.sum(a[0] * a[1])),
    "transpose": lambda t, a, p: a[0].T,
    "inv": lambda t, a, p: analytic.inverse(a[0]),
    "det": lambda t, a, p: _scalar(np.linalg.det(a[0])),
    "logdet": lambda t, a, p: _scalar(analytic.logdet(a[0])),
    "tr": lambda t, a, p: _scalar(np.trace(a[0])),
    "sum": lambda t, a, p: _scalar(np.sum(a[0])),
    "diag": lambda t, a, p: np.diag(a[0][:, 0]),
    "diagvec": lambda t, a, p: np.diag(a[0]).reshape(-1, 1),
    "vec": _vec,
    "unvec": _unvec,
    "norm1": lambda t, a, p: _scalar(np.sum(analytic.elementwise("abs", a[0]))),
    "norm2": lambda t, a, p: _scalar(analytic.norm(a[0])),
    "normF": lambda t, a, p: _scalar(analytic.norm(a[0])),
    "softmax": lambda t, a, p: analytic.softmax(a[0], AXES[t.data]),
    "logsumexp": lambda t, a, p: analytic.logsumexp(a[0], AXES[t.data]),
    "fn": _function,
    "call": _call,
    "grad": _gradient,
    "jac": _jacobian,
    "hess": _hessian,
    "stop": _copy,
    "d": _differential,
    "sumover": _sum_over,
    "prod": _product_over,
    "stack": _stack,
}

if EVALUATE.keys() != OPS.keys():
    raise AssertionError(f"operations and their evaluation differ: {sorted(EVALUATE.keys() ^ OPS.keys())}")
