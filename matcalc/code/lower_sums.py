"""Inner products, sums and traces of array nodes: numbers that need no matrix product.

``tr(A*B)`` is a sum over entries, ``sum(A.*B)`` an inner product, ``sum(A*B)`` two sums and a dot product.

Invariant: a matrix product is formed only where no cheaper way to the number exists, or where it is needed anyway.
"""

from __future__ import annotations

from matcalc.code.lower_chains import Factor, chain, column, expand, flipped, matrix, order, ready_product, row
from matcalc.code.lower_entries import add, diagvec, prod, rescaled, scaled
from matcalc.code.lower_products import base_of_inverse, dot, solve, total
from matcalc.code.lower_views import transpose
from matcalc.code.nodes import ONE_DIM, Graph, Node, is_zero, representative
from matcalc.code.ratios import Ratio

__all__ = ["sum_along", "sum_of", "trace", "vdot"]


def vdot(g: Graph, a: Node, b: Node) -> Node:
    """The sum of the products of entries: ``tr(A'*B)``, ``u'*v``, or the product of two scalars."""
    if a.is_scalar:
        return prod(g, 1, [a, b])
    if a.is_vector:
        return dot(g, a, b)
    if is_zero(a) or is_zero(b):
        return g.num(0)
    sa, a = scaled(g, a)
    sb, b = scaled(g, b)
    sa.times(prod(g, sb.coefficient, sb.numerators, sb.denominators))
    return rescaled(g, sa, _vdot(g, a, b))


def _vdot(g: Graph, a: Node, b: Node) -> Node:
    for x, y in ((a, b), (b, a)):
        if x.op == "outer":
            return chain(g, [row(x.args[0]), matrix(y), column(x.args[1])], ONE_DIM, ONE_DIM)
        if x.op == "bcol":
            return dot(g, x.args[0], sum_along(g, y, 1))
        if x.op == "brow":
            return dot(g, x.args[0], sum_along(g, y, 0))
        if x.op == "ones":
            return sum_of(g, y)
        if x.op == "eye":
            return trace(g, y)
        if x.op == "diag":
            return dot(g, x.args[0], diagvec(g, y))
    if a.op == b.op == "transpose":
        a, b = a.args[0], b.args[0]
    return g.node("vdot", (a, b), None, (), same=(2,))


def sum_of(g: Graph, x: Node) -> Node:
    """The sum of all entries."""
    if x.is_scalar:
        return x
    if x.is_vector:
        return dot(g, x, g.ones(x.dims))
    if x.op == "add" and x not in g.plan.whole:
        return add(g, [sum_of(g, a) for a in x.args])
    if x in g.plan.computed:
        return total(g, x)
    return chain(g, [row(g.ones((x.dims[0],))), matrix(x), column(g.ones((x.dims[1],)))], ONE_DIM, ONE_DIM)


def sum_along(g: Graph, x: Node, axis: int) -> Node:
    """The sums of the rows (axis 1) or columns (axis 0), a vector."""
    x = x if axis == 1 else transpose(g, x)
    return chain(g, [matrix(x), column(g.ones((x.dims[1],)))], x.dims[0], ONE_DIM)


def trace(g: Graph, x: Node) -> Node:
    """The trace, as a sum of products of entries wherever it is of a product."""
    if x.is_scalar:
        return x
    outside, x = scaled(g, x)
    return rescaled(g, outside, _trace(g, x))


def _trace(g: Graph, x: Node) -> Node:
    if is_zero(x):
        return g.num(0)
    if x.op == "transpose":
        return trace(g, x.args[0])
    if x.op == "add":
        return add(g, [trace(g, a) for a in x.args]) if x not in g.plan.whole else g.node("trace", (x,), None, ())
    outside = Ratio()
    flat = expand(g, matrix(x), outside)
    return rescaled(g, outside, _trace_of_chain(g, flat, x))


def _trace_of_chain(g: Graph, flat: list[Factor], x: Node) -> Node:
    if not flat:
        return g.size(x.dims[0])
    for i, f in enumerate(flat):
        if f.rows is ONE_DIM:  # cyclic: begin where the chain is one number wide
            return chain(g, [*flat[i:], *flat[:i]], ONE_DIM, ONE_DIM)
    if len(flat) == 1:
        node = flat[0].node
        if node.op == "diag":
            return sum_of(g, node.args[0])
        return g.node("trace", (node,), None, ())
    if sum(f.node.op == "transpose" for f in flat) > len(flat) / 2:  # the trace of the transpose is the same
        flat = [flipped(g, f) for f in reversed(flat)]
    left, right = _best_arcs(g, flat)
    a, b = _product(g, left), _product(g, right)
    for u, v in ((a, b), (b, a)):
        base = base_of_inverse(g, u)
        if base is not None:
            return g.node("trace", (solve(g, base, v),), None, ())
    return vdot(g, transpose(g, a), b)


def _product(g: Graph, factors: list[Factor]) -> Node:
    return chain(g, factors, factors[0].rows, factors[-1].cols)


def _best_arcs(g: Graph, flat: list[Factor]) -> tuple[list[Factor], list[Factor]]:
    """A cyclic product in two parts whose products are cheapest; their trace is a sum over entries."""
    k = len(flat)
    if k > 6:
        return flat[:1], flat[1:]
    best: tuple[float, list[Factor], list[Factor]] | None = None
    for i in range(k):
        for n in range(1, k // 2 + 1):
            turned = [*flat[i:], *flat[:i]]
            left, right = turned[:n], turned[n:]
            cost = _arc_cost(g, left) + _arc_cost(g, right)
            if best is None or cost < best[0]:
                best = (cost, left, right)
    assert best is not None
    return best[1], best[2]


def _arc_cost(g: Graph, arc: list[Factor]) -> float:
    if ready_product(g, arc) is not None:
        return 0.0
    if len(arc) > 1:
        return order(g, arc)[0]
    inside = base_of_inverse(g, arc[0].node) is not None
    return 2 / 3 * representative(arc[0].rows) ** 3 if inside else 0.0
