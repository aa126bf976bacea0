"""What is known about the names of a problem: what was declared, and what definitions show by themselves.

Invariant: a fact about a definition holds wherever the problem's own facts do.
"""

from __future__ import annotations

from collections.abc import Mapping

from matcalc.language.terms import Term, transpose
from matcalc.rewriting.normal import equal

__all__ = ["with_symmetries"]

Facts = Mapping[str, frozenset[str]]


def with_symmetries(facts: Facts, bodies: Mapping[str, Term]) -> dict[str, frozenset[str]]:
    """The facts, and that a definition is symmetric where its body is (``H = eye(n) - ones(n)*ones(n)'/n``)."""
    out = dict(facts)
    for name, body in bodies.items():
        if body.shape.is_square and not body.shape.is_scalar and equal(body, transpose(body), out):
            out[name] = out.get(name, frozenset()) | {"symmetric"}
    return out
