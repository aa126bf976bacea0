"""How much of a number is rounding: the same evaluation with every operation trembling a little.

The result of each operation is multiplied by ``1 + TREMOR*noise``.  How far the value moves, divided by the tremor and
multiplied by the rounding of floating point, is how much of it is lost: nothing for a product of tiny numbers, all of
it for ``1 - h^2`` where h is 1 to the last digit.

Invariant: what is computed without rounding (signs, transposes, constants) does not tremble.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from matcalc.language.terms import Term
from matcalc.numeric.evaluate import Array, Point

__all__ = ["TREMOR", "moved_by", "trembling"]

TREMOR = 1e-13
STILL = frozenset(("transpose", "neg", "vec", "unvec", "diag", "diagvec", "stop", "sym", "elem", "stack", "d", "unit"))
STEPS = frozenset(("step", "sign", "relu", "abs"))  # functions without rounding
TIMES = 2  # trembling evaluations


def trembling(point: Point, rng: np.random.Generator) -> Point:
    """The point at which every operation trembles."""

    def tremble(t: Term, value: Array) -> Array:
        if not t.free or t.op in STILL or (t.op == "fn" and t.data[0] in STEPS):
            return value
        return np.asarray(value * (1 + TREMOR * rng.uniform(-1, 1, value.shape)))

    return replace(point, tremble=tremble)


def moved_by(evaluate: Callable[[Point], Array], point: Point, rng: np.random.Generator) -> float:
    """How far a value moves when operations tremble; infinite where it has none then."""
    still = evaluate(point)
    moved = [evaluate(trembling(point, rng)) for _ in range(TIMES)]
    far = [float(np.max(np.abs(m - still), initial=0.0)) for m in moved if m.shape == still.shape]
    return max(far) if len(far) == TIMES and np.all(np.isfinite(far)) else float("inf")
