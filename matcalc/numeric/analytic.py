"""Functions of arrays that are analytic away from kinks, so that the complex step through them is exact.

NumPy's own norms, ``slogdet`` and ``abs`` take absolute values of complex numbers and would give wrong derivatives
silently; here a branch is chosen by the real part and everything else is written with analytic operations.

Invariant: outside its domain a function gives values that are not finite, never an exception.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from matcalc.language.functions import FUNCTIONS

__all__ = [
    "BRANCHED",
    "Array",
    "commutation",
    "elementwise",
    "inverse",
    "logdet",
    "logsumexp",
    "matrix_power",
    "norm",
    "power",
    "softmax",
]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
MOST_WHOLE = 4096  # the largest exponent that is multiplied out

BRANCHED: dict[str, Callable[[Array], Array]] = {
    "abs": lambda x: np.where(np.real(x) >= 0, x, -x),
    "sign": lambda x: np.sign(np.real(x)) * np.ones_like(x),
    "relu": lambda x: np.where(np.real(x) > 0, x, 0 * x),
    "step": lambda x: np.where(np.real(x) > 0, 1.0, 0.0) * np.ones_like(x),
}


# ----------------------------------------------------------------------------------- entries
def elementwise(name: str, x: Array, order: int = 0) -> Array:
    """A function of the table, or its derivative of the given order, at every entry."""
    if name in BRANCHED:
        if order == 0:
            return BRANCHED[name](x)
        after = {"abs": "sign", "relu": "step"}.get(name)  # away from the kink
        return BRANCHED[after](x) if after is not None and order == 1 else 0 * x
    if order == 0:
        return np.asarray(FUNCTIONS[name].evaluate(np, x))
    return np.asarray(_derivative(name, order)(x) * np.ones_like(x))


@cache
def _derivative(name: str, order: int) -> Callable[[Array], Array]:
    import sympy

    t = sympy.Symbol("t", real=True)
    formula = sympy.diff(sympy.sympify(FUNCTIONS[name].sympy, locals={"t": t}), t, order)
    known = {"erf": lambda x: FUNCTIONS["erf"].evaluate(np, x)}  # NumPy has none
    found: Callable[[Array], Array] = sympy.lambdify(t, formula, [known, "numpy"])
    return found


def _whole(exponent: Array) -> int | None:
    """The exponent as an integer, or None."""
    e = exponent[0, 0]
    if np.imag(e) != 0 or not np.isfinite(e) or np.real(e) != np.round(np.real(e)) or abs(e) > MOST_WHOLE:
        return None
    return int(np.round(np.real(e)))


def power(x: Array, exponent: Array) -> Array:
    """Entrywise power with a scalar exponent; whole exponents by multiplication, which is exact for complex numbers."""
    k = _whole(exponent)
    if k is None:
        safe = np.where(np.real(x) > 0, x, np.nan)
        return np.asarray(np.exp(exponent[0, 0] * np.log(safe)))
    out, square = np.ones_like(x * 1.0), x
    for bit in bin(abs(k))[:1:-1]:  # the lowest binary digit first
        if bit == "1":
            out = out * square
        square = square * square
    return out if k >= 0 else 1.0 / out


def softmax(x: Array, axis: int | None = None) -> Array:
    """Of all entries, or along an axis."""
    e = np.exp(x - np.max(np.real(x), axis=axis, keepdims=True))
    return np.asarray(e / np.sum(e, axis=axis, keepdims=True))


def logsumexp(x: Array, axis: int | None = None) -> Array:
    """Of all entries (1×1), or along an axis (one column)."""
    top = np.max(np.real(x), axis=axis, keepdims=True)
    return np.asarray(top + np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True))).reshape(-1, 1)


# ---------------------------------------------------------------------------------- matrices
def norm(x: Array) -> Any:
    """The square root of the sum of squares."""
    return np.sqrt(np.sum(x * x))


def matrix_power(x: Array, exponent: Array) -> Array:
    k = _whole(exponent)
    if k is None:
        return np.full(x.shape, np.nan)
    return np.linalg.matrix_power(x if k >= 0 else inverse(x), abs(k))


def inverse(x: Array) -> Array:
    try:
        return np.asarray(np.linalg.inv(x))
    except np.linalg.LinAlgError:
        return np.full(x.shape, np.nan)


def logdet(x: Array) -> Any:
    """The logarithm of the determinant's absolute value."""
    d = np.linalg.det(x)
    return np.log(d if np.real(d) > 0 else -d)


def commutation(rows: int, cols: int) -> Array:
    """K with ``K*vec(X) = vec(X')`` for X of the given shape."""
    k = np.zeros((rows * cols, rows * cols))
    for i in range(rows):
        for j in range(cols):
            k[i * cols + j, j * rows + i] = 1.0
    return k
