"""Random values for the symbols of a fuzzed problem: what is declared of a symbol holds of its value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from matcalc.language.problem import Problem
from tests.fuzz.reference import size_of

__all__ = ["sample"]

Array = Any


def sample(problem: Problem, sizes: Mapping[str, int], seed: list[int]) -> dict[str, Array]:
    """One array for each symbol of the problem, signed and of moderate size."""
    rng = np.random.default_rng(seed)
    return {
        name: _draw((size_of(s.shape.rows, sizes), size_of(s.shape.cols, sizes)), s.properties, rng)
        for name, s in sorted(problem.symbols.items())
    }


def _draw(shape: tuple[int, int], properties: frozenset[str], rng: np.random.Generator) -> Array:
    entries = rng.choice([-1.0, 1.0], shape) * (0.2 + rng.random(shape))
    if "positive" in properties:
        return np.abs(entries)
    if properties & {"posdef", "orthogonal"}:
        q, _ = np.linalg.qr(rng.standard_normal(shape))
        return q if "orthogonal" in properties else q @ np.diag(0.5 + rng.random(shape[0])) @ q.T
    if "diagonal" in properties:
        return np.diag(np.diag(entries))
    if "symmetric" in properties:
        return (entries + entries.T) / 2
    if "skew" in properties:
        return (entries - entries.T) / 2
    if "invertible" in properties:
        q, r = np.linalg.qr(rng.standard_normal(shape))
        return q @ np.diag(np.sign(np.diag(r)) * (0.6 + rng.random(shape[0]))) + 0.1 * entries
    return entries
