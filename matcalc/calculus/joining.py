"""Formulas that are the same on neighbouring ranges told once, and scalar products told as products.

A boundary that is an equation by itself (``a[1] = p``) has a cotangent by itself, and members at the ends of a range
have gradients by themselves, though their formula is often that of all the others.

Invariant: what is joined is one formula with the index put in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from matcalc.calculus.passes import Lines
from matcalc.language import terms
from matcalc.language.binders import substitute_index
from matcalc.language.dims import ONE, Dim
from matcalc.language.indices import Range
from matcalc.language.problem import Block, Boundary, Statement
from matcalc.language.terms import Term

__all__ = ["joined", "joined_lines", "with_products"]


def joined(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """The statements with single members behind a block that are one step more of it put into the block."""
    out: list[Statement] = []
    for s in statements:
        longer = _longer(out[-1], s) if out and isinstance(s, Boundary) else None
        if longer is None:
            out.append(s)
        else:
            out[-1] = longer
    return tuple(out)


def _longer(block: Statement, single: Boundary) -> Block | None:
    """The block with one step more, where the member behind it is what the block would define there."""
    if not isinstance(block, Block) or len(block.body) != 1:
        return None
    at = block.low - 1 if block.down else block.high + 1
    (line,) = block.body
    same = _at(line.target, block.index, at) is single.target and _at(line.term, block.index, at) is single.term
    if not same:
        return None
    return replace(block, low=at) if block.down else replace(block, high=at)


def _at(t: Term, index: str, at: Dim) -> Term:
    return substitute_index(t, index, at)


def joined_lines(told: Sequence[Lines], index: str) -> list[Lines]:
    """The formulas of the members of a family, in the order of their ranges, with equal neighbours as one."""
    out: list[Lines] = []
    for new in told:
        whole = _as_one(out[-1], new, index) if out else None
        if whole is None:
            out.append(new)
        else:
            out[-1] = whole
    return out


def _as_one(a: Lines, b: Lines, index: str) -> Lines | None:
    """A range and the one member beside it, where that has the formula of the range."""
    low, high = a.whole or a.range, b.whole or b.range
    if low is None or high is None or low.high + 1 is not high.low or low.is_point == high.is_point:
        return None
    general, special, at = (a, b, high.low) if high.is_point else (b, a, low.low)
    same = _at(general.term, index, at) is special.term
    return replace(general, whole=Range(low.low, high.high)) if same else None


def with_products(t: Term) -> Term:
    """The term with scalar products written as products: ``inner(x, y)`` is ``x'*y``, ``inner(u*v', A)`` ``u'*A*v``."""

    def write(node: Term, args: list[Term]) -> Term:
        if node.op != "inner" or node.tangent:
            return terms.rebuild(node, args)
        minus = args[0].op == "neg"
        first = args[0].args[0] if minus else args[0]
        made = _product(first, args[1])
        if made is None:
            return terms.rebuild(node, args)
        return terms.neg(made) if minus else made

    return terms.bottom_up(t, write, {})


def _product(a: Term, b: Term) -> Term | None:
    if a.shape.cols is ONE:
        return terms.mul(terms.transpose(a), b)
    factors = a.args if a.op == "mul" else ()
    for i in range(1, len(factors)):
        if factors[i - 1].shape.cols is ONE and not factors[i - 1].is_scalar and factors[i].shape.rows is ONE:
            left, right = terms.mul(*factors[:i]), terms.mul(*factors[i:])
            return terms.mul(_transposed(left), b, _transposed(right))
    return None


def _transposed(t: Term) -> Term:
    return t.args[0] if t.op == "transpose" else terms.transpose(t)
