"""A backward recurrence written out: ``delta[k] = sum(t in k..T, prod(j in k..t-1, B[j])*g[t])``.

Of a recurrence ``delta[t] = g[t] + B[t]*delta[t+1]`` every step back multiplies by one more matrix from the left.  The
products ascend; an empty one is the identity.

Invariant: only a recurrence by itself, one step back, for columns or numbers, is written out; for others None.
"""

from __future__ import annotations

from collections.abc import Sequence

from matcalc.calculus.arithmetic import tidy
from matcalc.calculus.cotangents import Part
from matcalc.calculus.folding import folded
from matcalc.calculus.jacobian import matrix_of
from matcalc.calculus.recurrence import System
from matcalc.calculus.segments import Cotangent, Segment, Sweep
from matcalc.errors import CannotDerive
from matcalc.language import terms
from matcalc.language.binders import bind, free_indices, substitute_index
from matcalc.language.dims import ONE, Dim, dim
from matcalc.language.indices import Range
from matcalc.language.terms import Term

__all__ = ["unrolled"]

LETTERS = ("k", "l", "i", "s", "r", "p", "q")


def unrolled(system: System, sweep: Sweep) -> tuple[Term, Term, str, Range] | None:
    """The cotangent at an index, its closed form, the index, and the range: ``delta[k] = ...`` for k in the range."""
    if len(sweep.members) != 1 or not sweep.loops or not sweep.down or sweep.range is None:
        return None
    (c,) = sweep.members
    if c.target.op != "elem" or c.target.shape.cols is not ONE:
        return None
    through, direct = _parts(system, c)
    factor = _factor(c, through)
    if factor is None:
        return None
    taken = {*free_indices(factor), *factor.free, c.index, *(n for d in sweep.range for n in d.names())}
    taken |= {n for s in c.segments for p in s.parts for n in (*free_indices(p.summed), *p.summed.free)}
    several = [n for n in (*LETTERS, *(f"k{i}" for i in range(1, 9))) if n not in taken]
    start, step = several[0], several[1]
    out = [_from(c, factor, s, direct[s.range], sweep.range, start, step) for s in c.segments if direct[s.range]]
    if not out:
        return None
    member = substitute_index(c.target, c.index, dim(start))
    return member, terms.add(*out), start, sweep.range


def _parts(system: System, c: Cotangent) -> tuple[list[Part], dict[Range, list[Part]]]:
    """The parts that go through the recurrence, and the others by segment."""
    through: dict[Part, None] = {}
    direct: dict[Range, list[Part]] = {}
    for s in c.segments:
        parts = [folded(system.chain, p) for p in s.parts]
        direct[s.range] = [p for p in parts if p.source != c.equation]
        through.update(dict.fromkeys(p for p in parts if p.source == c.equation))
    return list(through), direct


def _factor(c: Cotangent, through: Sequence[Part]) -> Term | None:
    """B[t] of ``B[t]*delta[t+1]``; None where the recurrence goes back by more than one step."""
    later = substitute_index(c.target, c.index, dim(c.index) + 1)
    if not through or any(_read(p, c) != {later} for p in through):
        return None
    try:
        return tidy(matrix_of(terms.add(*(p.summed for p in through)), later), turn=True)
    except CannotDerive:
        return None


def _read(p: Part, c: Cotangent) -> set[Term]:
    return {s for s in terms.subterms(p.summed) if s.op == "elem" and s.data[0] == c.name}


def _from(c: Cotangent, factor: Term, s: Segment, direct: Sequence[Part], whole: Range, start: str, step: str) -> Term:
    """What comes from the direct parts of one segment: all indices of it that are not before the start."""
    body = substitute_index(factor, c.index, dim(step))

    def back_to_start(at: Dim) -> Term:
        here = terms.add(*(substitute_index(p.summed, c.index, at) for p in direct))
        steps = bind("prod", step, dim(start), at - 1, body)
        return terms.mul(steps, here)

    if s.range.is_point:
        return back_to_start(s.range.low)
    if s.range.low is not whole.low:
        raise CannotDerive("a recurrence with parts that begin late is not written out")
    return bind("sumover", c.index, dim(start), s.range.high, back_to_start(dim(c.index)))
