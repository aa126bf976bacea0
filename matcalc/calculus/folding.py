"""Members put back by name: ``tanh(z[t])`` is ``h[t]`` where ``h[t] = tanh(z[t])``.

Invariant: a member is put only where it is defined.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from matcalc.calculus.chain import Chain, Equation
from matcalc.calculus.cotangents import Part
from matcalc.language import terms
from matcalc.language.binders import substitute_index
from matcalc.language.dims import Dim, dim
from matcalc.language.indices import Range, extremes
from matcalc.language.terms import Term, subterms

__all__ = ["folded"]


def folded(chain: Chain, part: Part) -> Part:
    """The part with right sides of equations replaced by the members they define."""
    table: dict[Term, Term] = {}
    inside = set(subterms(part.term))
    for e in chain.equations:
        if not e.index and e.term.args and e.term in inside and e.target.op == "sym":
            table.setdefault(e.term, e.target)
        elif e.index and e.term.args:
            for index in _candidates(e, part):
                body = substitute_index(e.term, e.index, index)
                if body in inside and _defined(chain, e, index, part):
                    table.setdefault(body, substitute_index(e.target, e.index, index))
    return replace(part, term=terms.replace(part.term, table)) if table else part


def _candidates(e: Equation, part: Part) -> Iterator[Dim]:
    """The indices at which an equation could stand in a part: those at which it would read what the part reads."""
    own = next((s for s in subterms(e.term) if s.op == "elem" and e.index in s.data[1].names()), None)
    if own is None:
        return
    shift = own.data[1] - dim(e.index)
    if shift.value is None:
        return
    met: dict[Dim, None] = {}
    for s in subterms(part.term):
        if s.op == "elem" and s.data[0] == own.data[0]:
            met[s.data[1] - shift] = None
    yield from met


def _defined(chain: Chain, e: Equation, index: Dim, part: Part) -> bool:
    ends = extremes(index, part.binders)
    assert e.range is not None
    return ends is not None and bool(chain.order.within(Range(*ends), e.range))
