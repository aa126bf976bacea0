"""The computation graph of a program: its inputs, its named nodes and its objective, and who uses whom.

An edge leads from what is used to what uses it: from a *parent* to a *child*.  Invariant: the nodes are in an order in
which they can be computed, so that there is no cycle; the last one is the objective.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from matcalc.errors import CannotDerive
from matcalc.language.problem import Definition, Problem
from matcalc.language.terms import Term, symbol

__all__ = ["Graph", "Node", "graph_of"]


@dataclass(frozen=True, slots=True)
class Node:
    """An input, a named intermediate or the objective; ``parents`` are the names it uses."""

    name: str
    symbol: Term
    kind: Literal["input", "defined", "objective"]
    body: Term | None = None  # None: an input
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes by name, each after its parents."""

    nodes: Mapping[str, Node]

    @property
    def backward(self) -> list[Node]:
        """The nodes from the objective back."""
        return list(self.nodes.values())[::-1]

    @property
    def objective(self) -> Node:
        return self.backward[0]

    def children(self, name: str) -> list[Node]:
        """The nodes that use a node, the nearest to the objective first."""
        return [n for n in self.backward if name in n.parents]

    def active(self, names: Collection[str]) -> Graph:
        """What lies on a path from one of the names to the objective."""
        varying: set[str] = set()
        for n in self.nodes.values():
            if n.name in names or not varying.isdisjoint(n.parents):
                varying.add(n.name)
        reaching = {self.objective.name}
        for n in self.backward:
            if n.name in reaching:
                reaching.update(n.parents)
        kept = varying & reaching
        return Graph({n: node for n, node in self.nodes.items() if n in kept or node is self.objective})

    def paths(self) -> dict[str, int]:
        """From how many paths the objective can be reached, for every node."""
        counts = {self.objective.name: 1}
        for n in self.backward[1:]:
            counts[n.name] = sum(counts[c.name] for c in self.children(n.name))
        return counts


def graph_of(problem: Problem) -> Graph:
    """The graph of a program of definitions. Raises CannotDerive where a program has recurrences."""
    if any(not isinstance(s, Definition) for s in problem.statements):
        raise CannotDerive("a program with recurrences has no finite graph")
    nodes: dict[str, Node] = {
        s.name: Node(s.name, symbol(s.name, *s.shape), "input") for s in problem.symbols.values() if s.index is None
    }
    for d in problem.definitions:
        if d.name != problem.objective_name:
            nodes[d.name] = Node(d.name, d.symbol, "defined", d.term, _used(d.term, nodes))
    body = problem.objective
    name = _free_name(problem.objective_name, nodes)
    nodes[name] = Node(name, symbol(name, *body.shape), "objective", body, _used(body, nodes))
    return Graph(nodes)


def _used(body: Term, nodes: Iterable[str]) -> tuple[str, ...]:
    """The nodes that a body varies with, in order; what it holds constant is not among them."""
    return tuple(n for n in nodes if n in body.varies)


def _free_name(name: str, taken: Collection[str]) -> str:
    return (
        name
        if name not in taken
        else next(f"{name}_{i}" for i in range(1, len(taken) + 2) if f"{name}_{i}" not in taken)
    )
