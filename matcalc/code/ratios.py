"""Products of entries being taken apart and put together: coefficient, numerators, denominators."""

from __future__ import annotations

from fractions import Fraction

from matcalc.code.nodes import Node
from matcalc.errors import CannotDerive

__all__ = ["Ratio", "cancel_sizes", "join_roots", "ratio"]


class Ratio:
    """A product being taken apart: coefficient, numerators and denominators, without nesting."""

    __slots__ = ("coefficient", "denominators", "numerators")

    def __init__(self, coefficient: Fraction | int = 1) -> None:
        self.coefficient = Fraction(coefficient)
        self.numerators: list[Node] = []
        self.denominators: list[Node] = []

    def times(self, node: Node) -> None:
        if node.op == "num":
            self.coefficient *= node.data
        elif node.op == "prod":
            c, k = node.data
            self.coefficient *= c
            self.numerators += node.args[:k]
            self.denominators += node.args[k:]
        else:
            self.numerators.append(node)

    def over(self, node: Node) -> None:
        if node.op == "num" or node.op == "prod":
            c = node.data if node.op == "num" else node.data[0]
            if c == 0:
                raise CannotDerive("there is no code for a division by the number zero")
            self.coefficient /= c
        if node.op == "prod":
            k = node.data[1]
            self.denominators += node.args[:k]
            self.numerators += node.args[k:]
        elif node.op != "num":
            self.denominators.append(node)


def ratio(node: Node) -> Ratio:
    """A node as coefficient, numerators and denominators."""
    out = Ratio()
    out.times(node)
    return out


def join_roots(r: Ratio) -> None:
    """``norm*norm`` is the sum of squares again. Only norms: there the radicand cannot be negative."""
    for nodes in (r.numerators, r.denominators):
        roots = [a for a in nodes if a.op == "norm"]
        for root in dict.fromkeys(roots):
            while nodes.count(root) > 1:
                nodes.remove(root)
                nodes[nodes.index(root)] = root.args[0]


def cancel_sizes(r: Ratio) -> None:
    """``m/m`` is 1 for sizes, which are not zero."""
    for a in [a for a in r.denominators if a.op == "size"]:
        if a in r.numerators:
            r.numerators.remove(a)
            r.denominators.remove(a)
