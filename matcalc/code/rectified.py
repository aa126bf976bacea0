"""Sums that are a maximum, a minimum or a clip: ``c + relu(x - c)``, ``x - relu(x - c)``, both at once.

Invariant: what is recognised is equal to the sum for all real entries.
"""

from __future__ import annotations

from matcalc.code.lower_entries import add, constant_of, neg
from matcalc.code.nodes import Graph, Node, is_zero
from matcalc.code.ratios import ratio

__all__ = ["rectified"]


def rectified(g: Graph, node: Node) -> Node:
    """The sum itself, or the maximum, minimum or clip of an array that it is."""
    if node.op != "add" or not node.dims:
        return node
    ups, downs, rest = _sorted(node)
    if len(ups) == 1 and len(downs) <= 1 and len(rest) == 1:
        low = constant_of(g, rest[0])
        x, c = _shifted(g, ups[0].args[0])
        if low is None or c is None or not is_zero(add(g, [low, neg(g, c)])):
            return node
        if not downs:
            return g.node("maximum", (x, low), None, node.dims)
        y, high = _shifted(g, downs[0].args[0])
        numbers = high is not None and high.op == low.op == "num" and low.data <= high.data
        return g.node("clip", (x, low, high), None, node.dims) if high is not None and y is x and numbers else node
    if len(downs) == 1 and not ups and rest:
        x, c = _shifted(g, downs[0].args[0])
        if c is not None and (rest[0] if len(rest) == 1 else add(g, rest)) is x:
            return g.node("minimum", (x, c), None, node.dims)
    return node


def _sorted(node: Node) -> tuple[list[Node], list[Node], list[Node]]:
    """The summands: relu of something, minus relu of something, and others."""
    ups: list[Node] = []
    downs: list[Node] = []
    rest: list[Node] = []
    for a in node.args:
        r = ratio(a)
        lone = len(r.numerators) == 1 and not r.denominators and abs(r.coefficient) == 1
        if lone and r.numerators[0].op == "fn" and r.numerators[0].data == "relu":
            (ups if r.coefficient > 0 else downs).append(r.numerators[0])
        else:
            rest.append(a)
    return ups, downs, rest


def _shifted(g: Graph, u: Node) -> tuple[Node, Node | None]:
    """``x - c`` as x and the number c; None where nothing is subtracted."""
    if u.op != "add":
        return u, None
    constants = [a for a in u.args if constant_of(g, a) is not None]
    if len(constants) != 1:
        return u, None
    others = [a for a in u.args if a is not constants[0]]
    found = constant_of(g, constants[0])
    assert found is not None
    return (others[0] if len(others) == 1 else add(g, others)), neg(g, found)
