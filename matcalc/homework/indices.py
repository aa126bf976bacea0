"""Lines about a member at any index, such as ``grad(L, h[t]) = ...``: they are compared at some index of the range.

Invariant: the index is drawn from the inside of the range of the recurrences, so that its neighbours exist; a line that
holds at the ends only is not called right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from matcalc.errors import MatcalcError
from matcalc.homework.derived import Derived
from matcalc.language.binders import free_indices
from matcalc.language.problem import Block, Problem
from matcalc.language.terms import Term, size_names
from matcalc.numeric.evaluate import Point, size_of

__all__ = ["at_some_index", "indices_of"]


def indices_of(problem: Problem, head: Term, derived: Mapping[str, Derived]) -> tuple[str, ...]:
    """The indices that a left side leaves open."""
    found: set[str] = set(free_indices(head))
    for name in head.free:
        if name in derived:
            found |= set(free_indices(derived[name].by)) | set(free_indices(derived[name].body))
    return tuple(sorted(found - _sizes(problem)))


def _sizes(problem: Problem) -> set[str]:
    """The names of the sizes and lengths of a problem."""
    out: set[str] = set()
    for s in problem.symbols.values():
        out.update(n for d in s.shape for n in d.names())
    out.update(size_names(problem.objective))
    for block in problem.statements:
        if isinstance(block, Block):
            out.update((*block.low.names(), *block.high.names()))
    return out


def at_some_index(indices: Sequence[str]) -> Callable[[Problem, Point], Point | None]:
    """What gives a point values for open indices; points whose recurrences are too short are no good."""

    def turned(problem: Problem, point: Point) -> Point | None:
        block = next((s for s in problem.statements if isinstance(s, Block)), None)
        if block is None:
            return None
        try:
            low, high = size_of(block.low, point.sizes), size_of(block.high, point.sizes)
        except MatcalcError:
            return None
        if high - low < 2:
            return None
        rng = np.random.default_rng([point.seed, 5])
        chosen = {n: int(rng.integers(low + 1, high)) for n in indices}
        return replace(point, sizes={**point.sizes, **chosen})

    return turned
