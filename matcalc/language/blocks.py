"""The lines of a ``for`` block in an order in which they can be run: a line after those it reads at the same index.

Invariant: nothing but the order changes, and that only where it has to.
"""

from __future__ import annotations

from collections.abc import Sequence

from matcalc.language.problem import Boundary
from matcalc.language.terms import Term, subterms

__all__ = ["ordered"]


def ordered(body: Sequence[Boundary]) -> tuple[Boundary, ...]:
    """The lines of a block, sorted; as they are where they need each other in a circle."""
    needs = [_reads(line.term) for line in body]
    out: list[int] = []
    waiting = list(range(len(body)))
    while waiting:
        targets = {body[j].target for j in waiting}
        ready = next((i for i in waiting if not needs[i] & targets), None)
        if ready is None:
            return tuple(body)
        out.append(ready)
        waiting.remove(ready)
    return tuple(body[i] for i in out)


def _reads(t: Term) -> set[Term]:
    return {s for s in subterms(t) if s.op == "elem"}
