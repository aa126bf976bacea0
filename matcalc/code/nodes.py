"""The graph of array operations that lies between terms and NumPy source.

A :class:`Node` is one array value: a scalar, a 1-D vector (rows and columns alike: orientation ends here) or a 2-D
matrix.  Nodes are interned in a :class:`Graph`, so that whatever is the same computation is one object, shared between
value and gradient.

Three kinds of nodes cost nothing by themselves: leaves; *structured* matrices (``eye``, ``ones``, ``diag``, ``bcol``,
``brow``, ``outer``), which exist as their vectors until somebody insists on the entries; and views (``transpose``).

Invariants: a node is built only by the functions of the ``lower_*`` modules, which keep it in canonical form: numeric
factors and signs are in the ``prod`` at the outside, sums and elementwise products are flat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from matcalc.language.dims import Dim, IndexedName, dim

__all__ = ["ONE_DIM", "Dims", "Graph", "Node", "Plan", "dims_of", "is_zero", "live", "representative"]

Dims = tuple[Dim, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One array value. ``dims`` has as many sizes as the array has axes; ``serial`` is the order of creation."""

    op: str
    args: tuple[Node, ...]
    data: Any
    dims: Dims
    serial: int

    @property
    def is_scalar(self) -> bool:
        return not self.dims

    @property
    def is_vector(self) -> bool:
        return len(self.dims) == 1

    @property
    def is_matrix(self) -> bool:
        return len(self.dims) == 2

    def __repr__(self) -> str:
        inside = ", ".join(map(repr, self.args))
        return f"{self.op}[{self.data}]({inside})" if self.data is not None else f"{self.op}({inside})"


# What is never computed by itself: an expression of it is free, or it has a cheaper form than its entries.
STRUCTURED = frozenset(("eye", "ones", "zeros", "diag", "bcol", "brow", "outer"))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a first lowering showed: nodes that are computed anyway, so that the second lowering uses them.

    ``ready`` are products with a user other than a product, by their factors; ``computed`` the same as a set; ``whole``
    the sums and ``formed`` the products of entries that are formed anyway; ``inverted`` the inverses that are needed
    themselves; ``factored`` the positive definite matrices worth a Cholesky factor; ``exponentials`` the (argument,
    axis) of which both softmax and logsumexp are wanted; ``rectified`` the arguments of relu; ``complements`` the
    sigmoids of which only ``1 - sigmoid(u)`` is wanted.
    """

    ready: Mapping[tuple[Node, ...], Node] = field(default_factory=dict)
    computed: frozenset[Node] = frozenset()
    whole: frozenset[Node] = frozenset()
    formed: frozenset[Node] = frozenset()
    inverted: frozenset[Node] = frozenset()
    factored: frozenset[Node] = frozenset()
    exponentials: frozenset[tuple[Node, int | None]] = frozenset()
    rectified: frozenset[Node] = frozenset()
    complements: frozenset[Node] = frozenset()


@dataclass(slots=True)
class Graph:
    """The table of all nodes of a lowering, the facts about its inputs, and the current plan."""

    facts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    functions: Mapping[Any, str] = field(default_factory=dict)  # opaque functions that are arguments of the code
    plan: Plan = field(default_factory=Plan)
    table: dict[Any, Node] = field(default_factory=dict)
    memo: dict[str, dict[Node, Any]] = field(default_factory=dict)  # properties of nodes
    built: dict[tuple[Node, ...], Node] = field(default_factory=dict)  # products of this pass, by their factors

    def node(self, op: str, args: Sequence[Node], data: Any, dims: Dims, same: Sequence[int] = ()) -> Node:
        """The node of an operation. Runs of arguments that commute (``same``: their lengths, else in order) are one
        node in any order; the order of the first occurrence is kept for printing."""
        args = tuple(args)
        key = _key(op, args, data, dims, same)
        found = self.table.get(key)
        if found is None:
            found = Node(op, args, data, dims, len(self.table))
            self.table[key] = found
        return found

    def find(self, op: str, args: Sequence[Node], data: Any, dims: Dims, same: Sequence[int] = ()) -> Node | None:
        """The node, if it has been built before."""
        return self.table.get(_key(op, args, data, dims, same))

    # -------------------------------------------------------------------------------- leaves
    def input(self, name: str, dims: Dims) -> Node:
        return self.node("input", (), name, dims)

    def num(self, value: int | Fraction) -> Node:
        return self.node("num", (), Fraction(value), ())

    def size(self, d: Dim) -> Node:
        return self.num(d.value) if d.value is not None else self.node("size", (), d, ())

    def ones(self, dims: Dims) -> Node:
        return self.node("ones", (), None, dims) if dims else self.num(1)

    def zeros(self, dims: Dims) -> Node:
        return self.node("zeros", (), None, dims) if dims else self.num(0)

    def eye(self, n: Dim) -> Node:
        return self.node("eye", (), None, (n, n))


def _key(op: str, args: Sequence[Node], data: Any, dims: Dims, same: Sequence[int]) -> Any:
    serials = [a.serial for a in args]
    start = 0
    for length in same:
        serials[start : start + length] = sorted(serials[start : start + length])
        start += length
    return (op, tuple(serials), data, dims)


def is_zero(node: Node) -> bool:
    return node.op == "zeros" or (node.op == "num" and node.data == 0)


def live(outputs: Iterable[Node], inside: Callable[[Node], Sequence[Node]] | None = None) -> Iterator[Node]:
    """Every node the outputs need, arguments before their users, in a fixed order. Iterative: depth is no limit."""
    done: set[Node] = set()
    for output in outputs:
        stack = [(output, False)]
        while stack:
            node, ready = stack.pop()
            if node in done:
                continue
            if ready:
                done.add(node)
                yield node
                continue
            stack.append((node, True))
            args = node.args if inside is None else inside(node)
            stack.extend((a, False) for a in reversed(args) if a not in done)


# ------------------------------------------------------------------------------ representative sizes
TYPICAL = 100
SMALL = {"k": 20, "r": 20, "q": 20, "p": 30, "c": 20}  # ranks, classes and outputs, by custom


def representative(d: Dim) -> int:
    """A typical value of a size, to compare costs where nobody said how large things are."""
    total = 0
    for mono, c in d.coefficients:
        part = c
        for a in mono:
            part *= SMALL.get(a.name if isinstance(a, IndexedName) else a, TYPICAL)
        total += part
    return max(total, 1)


def dims_of(rows: Dim, cols: Dim) -> Dims:
    """The axes of an array for a shape: none for a number, one for a vector, two for a matrix."""
    return tuple(d for d in (rows, cols) if d is not ONE_DIM)


ONE_DIM = dim(1)
