"""Where the members of a family live: one array with the index first, or a list where members differ in shape.

Invariant: member ``low`` is at position 0; a text for a member or for several consists of names and sizes only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matcalc.code.nodes import Dims, dims_of
from matcalc.language.dims import Dim, Shape

__all__ = ["Store"]

SizeText = Callable[[Dim], str]


@dataclass(frozen=True, slots=True)
class Store:
    """A family's members in the source: the variable, the range, and the shape of a member in terms of ``index``."""

    name: str  # of the family
    variable: str
    low: Dim
    high: Dim
    index: str
    shape: Shape

    @property
    def count(self) -> Dim:
        return self.high - self.low + 1

    @property
    def is_list(self) -> bool:
        """Whether members differ in shape."""
        return any(self.index in d.names() for d in self.shape)

    @property
    def dims(self) -> Dims:
        """The axes of the array."""
        return (self.count, *dims_of(*self.shape))

    def member_shape(self, index: Dim) -> Shape:
        return self.shape.substitute({self.index: index})

    def at(self, index: Dim, size: SizeText) -> str:
        """One member."""
        place = index - self.low
        if (place - self.count).value in (-1,):
            return f"{self.variable}[-1]"
        return f"{self.variable}[{size(place)}]"

    def between(self, low: Dim, high: Dim, size: SizeText) -> str:
        """The members from low to high."""
        start, stop = low - self.low, high - self.low + 1
        behind = (stop - self.count).value
        first = "" if start.value == 0 else size(start)
        last = "" if behind == 0 else str(behind) if behind is not None and behind < 0 else size(stop)
        return f"{self.variable}[{first}:{last}]" if first or last else self.variable
