"""Random values for symbols: signed entries, with the properties that were declared, well away from degenerate.

Invariant: the value has every property exactly (symmetric means ``X == X.T``), up to rounding for orthogonal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from matcalc.language.problem import PROPERTIES

__all__ = ["Scheme", "draw_value", "into_subspace", "subspace"]

Array = np.ndarray[Any, np.dtype[Any]]
Rng = np.random.Generator
Scheme = Mapping[str, Any]  # positive: bool, posdef: bool, mixed: bool, scale: float (negative: turns the sign)


def signed(rng: Rng, shape: tuple[int, int]) -> Array:
    """Entries of both signs, none near zero."""
    return np.asarray(rng.uniform(0.35, 1.35, shape) * rng.choice((-1.0, 1.0), shape))


def orthogonal(rng: Rng, n: int) -> Array:
    q, r = np.linalg.qr(rng.normal(size=(n, n)))
    return np.asarray(q * np.sign(np.diag(r)))


def posdef(rng: Rng, n: int) -> Array:
    """Symmetric with eigenvalues in 0.6 .. 1.8."""
    q = orthogonal(rng, n)
    s = (q * rng.uniform(0.6, 1.8, n)) @ q.T
    return np.asarray((s + s.T) / 2)


def conditioned(rng: Rng, n: int) -> Array:
    """Invertible with singular values in 0.6 .. 1.8 and a determinant of either sign."""
    return np.asarray((orthogonal(rng, n) * rng.uniform(0.6, 1.8, n)) @ orthogonal(rng, n))


def _symmetric(rng: Rng, n: int, has: frozenset[str]) -> Array:
    if "posdef" in has:
        return posdef(rng, n)
    if "orthogonal" in has:  # a reflection
        v = rng.normal(size=(n, 1))
        return np.asarray(np.eye(n) - 2 * v @ v.T / (v.T @ v))
    if "invertible" in has:
        q = orthogonal(rng, n)
        s = (q * signed(rng, (1, n))) @ q.T
    else:
        s = signed(rng, (n, n))
    return np.asarray((s + s.T) / 2)


def _skew(rng: Rng, n: int, has: frozenset[str]) -> Array:
    if has & {"orthogonal", "invertible"} and n % 2 == 0:  # turns in planes; an odd one is always singular
        q = orthogonal(rng, n)
        angles = np.ones(n // 2) if "orthogonal" in has else rng.uniform(0.6, 1.8, n // 2)
        s = q @ np.kron(np.diag(angles), np.array([[0.0, 1.0], [-1.0, 0.0]])) @ q.T
    else:
        s = signed(rng, (n, n))
    return np.asarray((s - s.T) / 2)


def _diagonal(rng: Rng, n: int, has: frozenset[str]) -> Array:
    entries = signed(rng, (1, n))[0]
    if has & {"posdef", "positive"}:
        entries = np.abs(entries)
    return np.diag(np.sign(entries) if "orthogonal" in has else entries)


def _stochastic(rng: Rng, shape: tuple[int, int]) -> Array:
    """Positive entries; a column adds up to one, and so does every row of anything else."""
    value = rng.uniform(0.35, 1.35, shape)
    return np.asarray(value / value.sum(axis=0 if shape[1] == 1 else 1, keepdims=True))


def draw_value(rng: Rng, shape: tuple[int, int], properties: frozenset[str], scheme: Scheme) -> Array:
    """A value of a shape with the given properties; ``scheme`` narrows what is not fixed by them."""
    n = shape[0]
    if "stochastic" in properties:
        return _stochastic(rng, shape)
    if scheme.get("mixed"):
        size = float(rng.choice((0.1, 0.4, 1.0, 3.0)))
        turns: tuple[dict[str, Any], ...] = (
            {},
            {"positive": True},
            {"positive": True, "scale": -size},
            {"posdef": True},
        )
        scheme = {"scale": size, **turns[int(rng.integers(4))]}
    if shape[0] == shape[1] and n > 1:
        for name in ("diagonal", "skew", "symmetric"):
            if name in properties or (name == "symmetric" and "posdef" in properties):
                value = STRUCTURED[name](rng, n, properties)
                keeps = name == "diagonal" or "positive" not in properties
                return value if keeps else np.abs(value)
        if "orthogonal" in properties:
            return orthogonal(rng, n)
        if scheme.get("posdef") and "positive" not in properties:
            return np.asarray(posdef(rng, n) * abs(scheme.get("scale", 1.0)))
        if "invertible" in properties and "positive" not in properties:
            return conditioned(rng, n)
    value = signed(rng, shape)
    scale = scheme.get("scale", 1.0)
    if properties & {"positive", "posdef"}:
        return np.asarray(np.abs(value) * abs(scale))
    return np.asarray((np.abs(value) if scheme.get("positive") else value) * scale)


STRUCTURED: dict[str, Callable[[Rng, int, frozenset[str]], Array]] = {
    "diagonal": _diagonal,
    "skew": _skew,
    "symmetric": _symmetric,
}
DRAWN = STRUCTURED.keys() | {"orthogonal", "posdef", "invertible", "positive", "constant", "stochastic"}
if DRAWN != PROPERTIES:
    raise AssertionError(f"properties that cannot be drawn: {sorted(DRAWN ^ PROPERTIES)}")


# -------------------------------------------------------------------------------- subspaces
def subspace(properties: frozenset[str]) -> str | None:
    """The linear subspace that a variable's properties keep it in, or None."""
    if "diagonal" in properties:
        return "diagonal"
    if "skew" in properties:
        return "skew"
    return "symmetric" if properties & {"symmetric", "posdef"} else None


def into_subspace(x: Array, kind: str | None) -> Array:
    """The orthogonal projection onto a subspace."""
    if kind is None:
        return x
    if kind == "diagonal":
        return np.diag(np.diag(x))
    return np.asarray((x + x.T) / 2 if kind == "symmetric" else (x - x.T) / 2)
