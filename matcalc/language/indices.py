"""Integer expressions as indices: their order, ranges of them, and solving an index for a bound one.

A length (``T``, ``k``) is at least ``least``; what does not follow from that alone is *undecided* and never a guess:
the caller may assume longer lengths, and has to say so.

Invariant: a comparison that returns is true for all lengths that are allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from matcalc.errors import CannotDerive
from matcalc.language.dims import Dim, dim

__all__ = ["Binder", "Order", "Range", "Undecided", "coefficient", "extremes"]


class Undecided(Exception):
    """Whether one index is at most another depends on the lengths; ``told`` is what to say where it stays open."""

    def __init__(self, a: Dim, b: Dim, told: CannotDerive | None = None) -> None:
        super().__init__(f"whether {a} <= {b}")
        self.a, self.b = a, b
        self.told = told or CannotDerive(f"whether {a} <= {b} depends on the lengths")


class Range(NamedTuple):
    """The indices from low to high; none where high is below low."""

    low: Dim
    high: Dim

    @property
    def is_point(self) -> bool:
        return self.low is self.high

    def shifted(self, by: Dim | int) -> Range:
        return Range(self.low + by, self.high + by)

    def __str__(self) -> str:
        return f"{self.low}..{self.high}".replace(" ", "")


class Binder(NamedTuple):
    """An index that runs over a range whose ends may depend on indices further out."""

    name: str
    low: Dim
    high: Dim


@dataclass(frozen=True, slots=True)
class Order:
    """What is known of lengths: each is at least ``least``."""

    least: int = 1

    def compare(self, a: Dim, b: Dim) -> bool | None:
        """Whether a <= b for all lengths (True), a > b for all lengths (False), or neither (None)."""
        smallest, largest = self._bounds(b - a)
        if smallest is not None and smallest >= 0:
            return True
        return False if largest is not None and largest < 0 else None

    def at_most(self, a: Dim, b: Dim) -> bool:
        """Whether a <= b. Raises Undecided where that depends on the lengths."""
        found = self.compare(a, b)
        if found is None:
            raise Undecided(a, b)
        return found

    def _bounds(self, d: Dim) -> tuple[int | None, int | None]:
        """The least and the largest value of an expression in lengths; None where there is none."""
        low: int | None = 0
        high: int | None = 0
        for mono, c in d.coefficients:
            value = c * self.least ** len(mono)
            if mono == ():
                low = None if low is None else low + c
                high = None if high is None else high + c
            elif c > 0:
                low, high = (None if low is None else low + value), None
            else:
                low, high = None, (None if high is None else high + value)
        return low, high

    def max(self, ends: Iterable[Dim]) -> Dim:
        """The largest of some indices. Raises Undecided where that depends on the lengths."""
        return self._most(ends, lambda a, b: self.compare(b, a))

    def min(self, ends: Iterable[Dim]) -> Dim:
        """The smallest of some indices. Raises Undecided where that depends on the lengths."""
        return self._most(ends, self.compare)

    def _most(self, ends: Iterable[Dim], precedes: Callable[[Dim, Dim], bool | None]) -> Dim:
        best, *others = ends
        for d in others:
            if not precedes(best, d):
                if not precedes(d, best):
                    raise Undecided(d, best)
                best = d
        return best

    def is_empty(self, r: Range) -> bool:
        """Whether a range has no index, whatever the lengths; a range that may have one is not empty."""
        return self.compare(r.low, r.high) is False

    def intersection(self, a: Range, b: Range) -> Range | None:
        """The indices in both ranges; None where there are none."""
        if self.compare(a.low, b.high) is False or self.compare(b.low, a.high) is False:
            return None
        both = Range(self.max((a.low, b.low)), self.min((a.high, b.high)))
        return None if self.is_empty(both) else both

    def may_meet(self, a: Range, b: Range) -> bool:
        """Whether two ranges may have an index in common."""
        return self.compare(a.low, b.high) is not False and self.compare(b.low, a.high) is not False

    def within(self, inner: Range, outer: Range) -> bool | None:
        """Whether a range lies in another: True, False, or None where that depends on the lengths."""
        ends = (self.compare(outer.low, inner.low), self.compare(inner.high, outer.high))
        if False in ends:
            return False
        return None if None in ends else True


def coefficient(d: Dim, name: str) -> int | None:
    """The factor of a name in a linear expression; None where the expression is not linear in it."""
    found = 0
    for mono, c in d.coefficients:
        if name in (n for a in mono for n in (dim(a).names())):
            if mono != (name,):
                return None
            found = c
    return found


def extremes(index: Dim, binders: Sequence[Binder]) -> Range | None:
    """The smallest and the largest value of an index under binders (the outermost first); None: it is not linear."""
    ends = [index, index]
    for b in reversed(binders):
        for i, is_high in enumerate((False, True)):
            k = coefficient(ends[i], b.name)
            if k is None:
                return None
            if k:
                ends[i] = ends[i].substitute({b.name: b.high if (k > 0) == is_high else b.low})
    return Range(ends[0], ends[1])
