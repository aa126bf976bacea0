"""A formula for all indices of a range at once: as rows, as matrices below each other, or entry by entry.

Invariant: with its shape, the array of a formula has the index first, and then the axes of what it is at one index.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from matcalc.code.stacking import Rows, is_fixed
from matcalc.code.stores import Store
from matcalc.code.tall import Tall, height
from matcalc.language import terms as T
from matcalc.language.dims import Dim, dim
from matcalc.language.terms import Term, subterms

__all__ = ["Gather", "Together", "is_thin"]

Size = Callable[[Dim], str]
ENTRYWISE = frozenset(("elem", "add", "neg", "had", "fn", "hdiv", "hpow", "ones"))


def is_thin(t: Term) -> bool:
    return t.shape.cols.value == 1


@dataclass(frozen=True, slots=True)
class Together:
    """A term for all indices: rows, or matrices below each other that are to have the shape ``dims``."""

    term: Term
    dims: tuple[Dim, ...] = ()

    def shaped(self, source: str, size: Size) -> str:
        """The source of the term as an array with the index first."""
        if not self.dims:
            return source
        simple = re.fullmatch(r"[\w.]+(\[[^\[\]]*\])?", source)
        return f"{source if simple else f'({source})'}.reshape({', '.join(size(d) for d in self.dims)})"


@dataclass(frozen=True, slots=True)
class Gather:
    """Members of families as arrays, for an index from ``low`` to ``high``."""

    stores: Mapping[str, Store]
    size: Size
    index: str
    low: Dim
    high: Dim

    @property
    def count(self) -> Dim:
        return self.high - self.low + 1

    def slice(self, t: Term) -> str | None:
        """The members from the first to the last index. None: they are not in one array."""
        name, at = t.data
        store = self.stores.get(name)
        shift = at - dim(self.index)
        if store is None or store.is_list or self.index in shift.names():
            return None
        return store.between(self.low + shift, self.high + shift, self.size)

    @property
    def rows(self) -> Rows:
        def member(t: Term) -> Term | None:
            text = self.slice(t) if is_thin(t) else None
            return None if text is None else T.symbol(text, self.count, t.shape.rows)

        return Rows(self.index, self.count, member)

    def tall(self, rows: Dim, flat: bool = True) -> Tall:
        """Members below each other. Not ``flat``: as they are, for what is done entry by entry."""

        def member(t: Term) -> Term | None:
            text = self.slice(t)
            if text is None:
                return None
            if flat:
                text += f".reshape({'-1' if is_thin(t) else f'-1, {self.size(t.shape.cols)}'})"
            return T.symbol(text, self.count * t.shape.rows, t.shape.cols)

        return Tall(self.index, self.count, rows, member)

    def height(self, t: Term) -> Dim | None:
        rows = height(t, self.index)
        return None if rows is None or self.index in rows.names() else rows

    # ------------------------------------------------------------------------------------- formulas
    def together(self, t: Term) -> Together | None:
        """A term for all indices. None: there is no formula."""
        if is_thin(t):
            rows = self.rows.of(t)
            return None if rows is None else Together(rows)
        rows_of_each = self.height(t)
        if rows_of_each is None:
            return None
        entrywise = self.is_entrywise(t)
        found = self.tall(rows_of_each, flat=not entrywise).of(t)
        if found is None:
            return None
        return Together(found, () if entrywise else (self.count, *t.shape))

    def total(self, t: Term) -> Term | None:
        """The sum of a term over the index. None: there is no formula."""
        found = self.rows.total(t)
        if found is not None:
            return found
        rows = self.height(t)
        return None if rows is None else self.tall(rows).total(t)

    def is_entrywise(self, t: Term) -> bool:
        """Whether every entry of a moving matrix comes from the entries at its own place."""
        waiting = [t]
        while waiting:
            s = waiting.pop()
            if s.is_scalar and is_fixed(s, self.index):
                continue
            scaled = s.op in ("mul", "div") and sum(not a.is_scalar for a in s.args) == 1
            if s.shape != t.shape or not (s.op in ENTRYWISE or scaled):
                return False
            waiting += s.args
        return any(s.op == "elem" for s in subterms(t))
