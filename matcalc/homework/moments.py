"""Variances and covariances of linear maps of random vectors: ``cov(A*x + b)`` is ``A*cov(x)*A'``.

Where a passage speaks of a covariance, ``cov(x)`` of a name is a symmetric matrix with a name of its own, and the
variance of a vector is the diagonal of its covariance.

Invariant: what is not a linear map of one random vector stays as it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matcalc.language.syntax import Node

__all__ = ["covariances", "speaks_of_covariance", "with_moments"]

COVARIANCE = ("cov", "Cov")
VARIANCE = ("var", "Var")


def speaks_of_covariance(trees: Sequence[Node]) -> bool:
    """Whether a covariance stands in one of the trees."""
    return any(_is(n, COVARIANCE) for t in trees for n in t.walk())


def covariances(trees: Sequence[Node]) -> list[str]:
    """The declarations of the covariances of the random vectors."""
    return [f"{_named(n)} : symmetric" for n in _random(trees)]


def with_moments(tree: Node, trees: Sequence[Node]) -> Node:
    """The tree with covariances of linear maps worked out; ``trees`` say which vectors are random."""
    args = tuple(with_moments(a, trees) for a in tree.args)
    if _is(tree, COVARIANCE):
        found = _covariance(args[0], _random(trees))
        if found is not None:
            return found
    if _is(tree, VARIANCE):
        found = _covariance(args[0], _random(trees))
        if found is not None:
            return Node("call", tree.span, (found,), ("diag", 0))
    return replace(tree, args=args) if args else tree


def _is(n: Node, names: tuple[str, ...]) -> bool:
    return n.kind == "call" and n.data[0] in names and len(n.args) == 1


def _random(trees: Sequence[Node]) -> list[str]:
    """The names whose covariance is spoken of."""
    inside = [n.args[0] for t in trees for n in t.walk() if _is(n, COVARIANCE)]
    return list(dict.fromkeys(str(a.data) for a in inside if a.kind == "name"))


def _named(name: str) -> str:
    return f"Cov_{name}"


def _covariance(tree: Node, random: Sequence[str]) -> Node | None:
    """The covariance of a linear map of one random vector."""
    if tree.kind == "name":
        return Node("name", tree.span, data=_named(str(tree.data))) if tree.data in random else None
    if tree.kind == "neg":
        return _covariance(tree.args[0], random)
    if tree.kind == "sum":
        moving = [a for a in tree.args if any(n.kind == "name" and n.data in random for n in a.walk())]
        return _covariance(moving[0], random) if len(moving) == 1 else None
    if tree.kind == "chain" and all(s == "*" for s in tree.data):
        inner = _covariance(tree.args[-1], random)
        if inner is None:
            return None
        before = tree.args[:-1]
        back = tuple(Node("transpose", a.span, (a,)) for a in reversed(before))
        return Node("chain", tree.span, (*before, inner, *back), ("*",) * (2 * len(before)))
    return None
