"""The arguments of a call in code, by position and by name.

Invariant: an argument that is not understood is refused, never left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from matcalc.interop.numpy_arrays import Source, Value
from matcalc.language.dims import Dim

__all__ = ["Arguments", "Item", "Made"]

Item = Value | tuple["Item", ...] | str | bool | None  # what an argument may be


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of a call, by position and by name."""

    source: Source
    name: str
    given: tuple[Item, ...]
    named: Mapping[str, Item]

    def item(self, i: int, name: str = "") -> Item:
        if i < len(self.given):
            return self.given[i]
        return self.named.get(name) if name else None

    def array(self, i: int, name: str = "") -> Value:
        found = self.item(i, name)
        if not isinstance(found, Value):
            raise self.source.unread(f"{self.name} needs an array as argument number {i + 1}")
        return found

    def axis(self, i: int = 1) -> int | None:
        found = self.item(i, "axis")
        if found is None:
            return None
        if isinstance(found, tuple) and len(found) == 2:
            return None  # both axes
        value = found.size.value if isinstance(found, Value) and found.size is not None else None
        if value is None:
            raise self.source.unread("an axis is a number that is written in the code")
        return value

    @property
    def keep(self) -> bool:
        return self.named.get("keepdims") is True

    def size(self, item: Item) -> Dim:
        if not isinstance(item, Value) or item.size is None:
            raise self.source.unread(f"a size of {self.name} must be a whole number or a size of the problem")
        return item.size

    def allow(self, most: int, *names: str) -> None:
        if len(self.given) > most:
            raise self.source.unread(f"{self.name} takes at most {most} arguments here, not {len(self.given)}")
        extra = [n for n in self.named if n not in names]
        if extra:
            raise self.source.unread(f"the argument {extra[0]} of {self.name} is not read")


Made = Callable[[Arguments], Value]
