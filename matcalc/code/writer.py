"""Pieces of source and the state of writing them.

A :class:`Piece` is a piece of source and how tightly it binds.  The writer knows nothing about statements: it writes
one node, given the pieces of its arguments, by a table of operations (see ``source``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from matcalc.code.lower_entries import constant_of
from matcalc.code.nodes import Dims, Graph, Node
from matcalc.language.dims import Dim, IndexedName

__all__ = ["AT", "ATOM", "PLUS", "POWER", "TIMES", "UNARY", "Piece", "Row", "Writer"]

ATOM, POWER, UNARY, TIMES, AT, PLUS = 10, 9, 8, 7, 6, 5  # Python ranks @ with *; parentheses read better


class Piece(NamedTuple):
    """Source text and the level of its outermost operator."""

    text: str
    level: int = ATOM

    def at(self, level: int) -> str:
        """The text, in parentheses where it binds less tightly than asked."""
        return self.text if self.level >= level else f"({self.text})"


@dataclass(slots=True)
class Writer:
    """Writes nodes. ``pieces`` holds what is written already: names of statements, or inline expressions."""

    graph: Graph
    rows: Mapping[str, Row]  # the table of operations
    sizes: Mapping[str, str]  # names of sizes -> Python names
    np: str = "np"
    helpers: Mapping[str, str] = field(default_factory=dict)  # helper -> its name in the module
    pieces: dict[Node, Piece] = field(default_factory=dict)
    named: set[Node] = field(default_factory=set)  # those whose piece is a name
    cores: dict[Node, Node] = field(default_factory=dict)  # products written as a multiple of another
    used_sizes: dict[str, None] = field(default_factory=dict)  # names of sizes, in order of use
    used_helpers: dict[str, None] = field(default_factory=dict)
    used_scipy: dict[str, None] = field(default_factory=dict)

    def write(self, node: Node) -> Piece:
        """The expression of a node from the pieces of its arguments."""
        return self.rows[node.op](self, node)

    def of(self, node: Node) -> Piece:
        """The piece of an argument; structured matrices are written on the spot."""
        found = self.pieces.get(node)
        return found if found is not None else self.write(node)

    # -------------------------------------------------------------------------- small things
    def helper(self, name: str) -> str:
        self.used_helpers[name] = None
        return self.helpers.get(name, f"_{name}")

    def scipy(self, name: str) -> str:
        self.used_scipy[name] = None
        return self.helpers.get(name, name)

    def dim(self, d: Dim) -> Piece:
        """A size as an expression of the sizes the module reads from its arrays."""
        if not d.coefficients:
            return Piece("0")
        out = ""
        for mono, c in d.coefficients:
            factors = [] if abs(c) == 1 and mono else [str(abs(c))]
            for a in mono:
                name = str(a) if isinstance(a, IndexedName) else a
                self.used_sizes[name] = None
                factors.append(self.sizes.get(name, name))
            sign = ("-" if c < 0 else "") if not out else (" - " if c < 0 else " + ")
            out += sign + " * ".join(factors)
        single = len(d.coefficients) == 1 and d.coefficients[0][1] >= 0
        plain = single and (len(d.coefficients[0][0]) + (d.coefficients[0][1] != 1) < 2)
        return Piece(out, ATOM if plain else TIMES if single else PLUS)

    def shape(self, dims: Dims) -> str:
        inside = ", ".join(self.dim(d).text for d in dims)
        return f"({inside})" if len(dims) > 1 else inside

    def entry(self, node: Node) -> Piece:
        """An argument of an entrywise operation: structured matrices by broadcasting, ``ones`` by the number."""
        if node.op == "bcol":
            return Piece(f"{self.of(node.args[0]).at(ATOM)}[:, None]")
        if node.op == "brow":
            return self.of(node.args[0])
        constant = self.constant(node)
        return self.of(node) if constant is None else self.write(constant)

    def constant(self, node: Node) -> Node | None:
        """The number of an array ``c*ones`` that has no name, else None."""
        return constant_of(self.graph, node) if node.dims and node not in self.named else None


Row = Callable[[Writer, Node], Piece]
