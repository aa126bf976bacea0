"""Concrete stand-ins for opaque functions: smooth, random, and consistent with their own derivatives.

``f(X)`` is a sum of sines of random linear forms of all entries, a random quadratic and a linear part.  Value,
gradient, Jacobian and Hessian come from the same coefficients in closed form, so that a derivation that treats ``f`` as
unknown can be checked at numbers.  Everything is analytic (complex arguments welcome).

Invariant: the function is determined by its name, the seed and the sizes of its arguments and value.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Opaque", "opaque"]

Array = np.ndarray[Any, np.dtype[Any]]
WAVES, SQUARES = 4, 2


class Coefficients(NamedTuple):
    """Of ``waves*sin(forms*z + phases) + squares*(directions*z).^2/2 + linear*z``, one row per entry of the value."""

    waves: Array
    forms: Array
    phases: Array
    squares: Array
    directions: Array
    linear: Array


@dataclass(frozen=True, slots=True)
class Opaque:
    """One concrete function of any arguments."""

    name: str
    seed: int = 0
    calm: bool = False  # grows no faster than its argument: for functions that a loop applies again and again

    def _random(self, *sizes: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(self.name.encode()), *sizes])

    def _coefficients(self, inputs: int, outputs: int) -> Coefficients:
        rng = self._random(inputs, outputs)
        scale = 1 / np.sqrt(inputs)
        return Coefficients(
            rng.uniform(-1, 1, (outputs, WAVES)),
            rng.normal(size=(WAVES, inputs)) * scale,
            rng.uniform(-3, 3, (WAVES, 1)),
            rng.uniform(-1, 1, (outputs, SQUARES)),
            rng.normal(size=(SQUARES, inputs)) * scale,
            rng.normal(size=(outputs, inputs)) * scale,
        )

    def value(self, args: Sequence[Array], shape: tuple[int, int]) -> Array:
        """The value, of the given shape."""
        z = _stacked(args)
        c = self._coefficients(len(z), shape[0] * shape[1])
        out = c.waves @ np.sin(c.forms @ z + c.phases) + c.squares @ (c.directions @ z) ** 2 / 2 + c.linear @ z
        return np.asarray(out).reshape(shape, order="F")

    def jacobian(self, args: Sequence[Array], position: int, shape: tuple[int, int]) -> Array:
        """Rows are the entries of the value, columns those of one argument, both column-stacked."""
        z = _stacked(args)
        c = self._coefficients(len(z), shape[0] * shape[1])
        full = (c.waves * np.cos(c.forms @ z + c.phases).T) @ c.forms
        full = full + (c.squares * (c.directions @ z).T) @ c.directions + c.linear
        return np.asarray(full[:, _block(args, position)])

    def hessian(self, args: Sequence[Array], first: int, second: int) -> Array:
        """Second derivatives of the scalar value by two (or twice the same) arguments."""
        z = _stacked(args)
        c = self._coefficients(len(z), 1)
        full = -(c.forms.T * (c.waves * np.sin(c.forms @ z + c.phases).T)) @ c.forms
        full = full + (c.directions.T * c.squares) @ c.directions
        return np.asarray(full[_block(args, first), _block(args, second)])

    def elementwise(self, x: Array, order: int) -> Array:
        """The function of single numbers, or its derivative of any order, at every entry."""
        a, w, phase, linear, square = self._random().uniform(0.5, 1.5, 5)
        out = a * w**order * np.sin(w * x + phase + order * np.pi / 2)
        if self.calm:
            line = (linear * x, linear + 0 * x)
            return np.asarray((out + (line[order] if order < 2 else 0)) / 3)
        polynomial = (linear * x + square * x * x / 2, linear + square * x, square + 0 * x)
        return np.asarray(out + (polynomial[order] if order < 3 else 0))


def opaque(name: str, seed: int = 0) -> Opaque:
    """The stand-in for a function name."""
    return Opaque(name, seed)


def _stacked(args: Sequence[Array]) -> Array:
    return np.vstack([a.reshape(-1, 1, order="F") for a in args])


def _block(args: Sequence[Array], position: int) -> slice:
    start = sum(a.size for a in args[:position])
    return slice(start, start + args[position].size)
