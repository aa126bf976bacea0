"""Parts of a variable that one may derive by: ``H[d,m]``, ``H[d,:]``, ``x[3]``.

A part is named by its text, set as the printer sets it, so that a derivative by it has a name like any other.

Invariant: ``part(text)`` of a plain name is that name without indices.
"""

from __future__ import annotations

from typing import NamedTuple

from matcalc.errors import ParseError
from matcalc.language.declarations import index_dim
from matcalc.language.dims import ONE, Dim, Shape
from matcalc.language.indices import Order
from matcalc.language.syntax import Node, parse_tree

__all__ = ["Part", "base_of", "part", "part_of_node", "split_names"]


class Part(NamedTuple):
    """A variable's name, and its indices; None stands for a colon."""

    base: str
    indices: tuple[Dim | None, ...] = ()

    def __str__(self) -> str:
        written = [":" if d is None else str(d).replace(" ", "") for d in self.indices]
        return f"{self.base}[{','.join(written)}]" if written else self.base

    def sides(self, shape: Shape) -> tuple[Dim | None, Dim | None]:
        """The row and the column of a variable of this shape; raises ParseError where the indices do not fit it."""
        sides: tuple[Dim | None, Dim | None] | None = None
        if len(self.indices) == 2 and not shape.is_scalar:
            sides = self.indices[0], self.indices[1]
        elif len(self.indices) == 1 and ONE in shape and not shape.is_scalar:
            sides = (self.indices[0], None) if shape.cols is ONE else (None, self.indices[0])
        if sides is not None:
            for index, length in zip(sides, shape, strict=True):
                if index is not None and False in (Order().compare(ONE, index), Order().compare(index, length)):
                    raise ParseError(f"{self}: the index {index} is out of range", hint=f"{self.base} is {shape}")
            return sides
        what = "a number has no entries" if shape.is_scalar else "an entry of a matrix needs two indices"
        raise ParseError(f"{self}: {what}", hint=f"{self.base} is {shape}")


def base_of(name: str) -> str:
    """The variable that a name is a part of."""
    return name.partition("[")[0]


def part(text: str) -> Part:
    """The part that a text names."""
    return part_of_node(parse_tree(text), text)


def part_of_node(node: Node, text: str) -> Part:
    """The part that a syntax tree names."""
    if node.kind == "name":
        return Part(node.data)
    if node.kind == "index":
        return Part(node.data, (index_dim(node.args[0], text),))
    if node.kind == "entry" and node.args[0].kind == "name":
        indices = iter(node.args[1:])
        return Part(node.args[0].data, tuple(None if all_ else index_dim(next(indices), text) for all_ in node.data))
    raise ParseError(f"'{text}' is not the name of a variable", span=node.span, source=text)


def split_names(text: str) -> list[str]:
    """The names in a list with commas; those within brackets belong to the name."""
    out = [""]
    depth = 0
    for c in text:
        depth += (c == "[") - (c == "]")
        if c == "," and depth <= 0:
            out.append("")
        else:
            out[-1] += c
    return [name.strip() for name in out]
