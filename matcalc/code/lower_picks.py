"""Entries, rows and columns of array nodes: a product with a unit column is an index, not a product.

Invariant: a pick is of one factor, never of a transpose, a pick or a structured matrix that has the entries at hand.
"""

from __future__ import annotations

from matcalc.code.lower_entries import prod
from matcalc.code.nodes import Dims, Graph, Node, is_zero
from matcalc.language.dims import Dim

__all__ = ["Index", "pick", "unit"]

Index = tuple["Dim | None", ...]  # for every axis its index, from 1; None takes all


def unit(g: Graph, index: Dim, n: Dim) -> Node:
    """The vector that is 1 at an index."""
    return g.node("unit", (), index, (n,))


def pick(g: Graph, x: Node, index: Index) -> Node:
    """Entries, a row or a column of a vector or matrix that is one factor."""
    dims: Dims = tuple(d for d, i in zip(x.dims, index, strict=True) if i is None)
    if all(i is None for i in index):
        return x
    if is_zero(x):
        return g.zeros(dims)
    if x.op == "ones":
        return g.ones(dims)
    if x.op == "transpose":
        return pick(g, x.args[0], index[::-1])
    if x.op == "pick":
        return pick(g, x.args[0], _composed(x.data, index))
    if x.op in ("bcol", "brow", "outer"):
        return _of_outer(g, x, index)
    return g.node("pick", (x,), index, dims)


def _composed(outer: Index, inner: Index) -> Index:
    """One pick after another: the inner one is of the axes that are left."""
    waiting = iter(inner)
    return tuple(i if i is not None else next(waiting) for i in outer)


def _of_outer(g: Graph, x: Node, index: Index) -> Node:
    """Of a matrix that is a column times a row."""
    u = x.args[0] if x.op != "brow" else g.ones((x.dims[0],))
    v = x.args[-1] if x.op != "bcol" else g.ones((x.dims[1],))
    return prod(g, 1, [pick(g, u, index[:1]), pick(g, v, index[1:])])
