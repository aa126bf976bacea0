"""What stands in a loop and reads nothing of it, computed before the loop: for all indices at once, or once.

Invariant: the line that is left in the loop reads members of families as before, hoisted parts among them.
"""

from __future__ import annotations

from typing import Protocol

from matcalc.code.names import Namer
from matcalc.code.stacking import is_fixed
from matcalc.code.stores import Store
from matcalc.code.together import Gather, Together
from matcalc.language import terms as T
from matcalc.language.binders import BINDERS
from matcalc.language.dims import Dim, dim
from matcalc.language.problem import Block, Boundary
from matcalc.language.terms import Term, subterms

__all__ = ["Writing", "hoisted"]

CHEAP = frozenset(("elem", "sym", "num", "const", "size", "transpose", "neg", "ones", "zeros", "eye"))


class Writing(Protocol):
    """What is used of the lines that are being written."""

    stores: dict[str, Store]
    namer: Namer
    computed: dict[Term, str]

    def assign(self, before: str, source: str) -> None: ...
    def bare(self, t: Term) -> str: ...
    def gather(self, index: str, low: Dim, high: Dim) -> Gather: ...
    def size(self, d: Dim) -> str: ...


def hoisted(w: Writing, s: Block, line: Boundary, own: set[str]) -> Boundary:
    """The line with what reads nothing of the families ``own`` of the loop computed before it."""
    low, high = line.low or s.low, line.high or s.high
    if w.stores[line.target.data[0]].is_list or low is high:
        return line
    term = _without(w, line.term, s.index, low, high, own)
    return Boundary(line.target, term, line.span, line.low, line.high)


def _without(w: Writing, t: Term, index: str, low: Dim, high: Dim, own: set[str]) -> Term:
    if not t.args or t.op in BINDERS:
        return t
    if not t.free & own:
        return _stored(w, t, index, low, high, own)
    if t.op in ("add", "had"):
        free = [a for a in t.args if not a.free & own]
        if 1 < len(free) < len(t.args) and not all(is_fixed(a, index) for a in free):
            together = _without(w, T.make(t.op, *free), index, low, high, own)
            rest = [_without(w, a, index, low, high, own) for a in t.args if a not in free]
            first = t.args[0] in free
            return T.make(t.op, *([together, *rest] if first else [*rest, together]))
    return T.rebuild(t, [_without(w, a, index, low, high, own) for a in t.args])


def _stored(w: Writing, t: Term, index: str, low: Dim, high: Dim, own: set[str]) -> Term:
    """A part of a line that does not read the loop: computed for all indices, or once."""
    if all(x.op in CHEAP for x in subterms(t)):
        return t
    if is_fixed(t, index):
        if not any(_is_dear(x) for x in subterms(t)):
            return t
        name = _computed(w, t, "c" if t.is_scalar else "M" if t.shape.is_matrix else "v")
        return T.symbol(name, *t.shape)
    found = w.gather(index, low, high).together(t)
    if found is None:
        return T.rebuild(t, [_without(w, a, index, low, high, own) for a in t.args])
    name = _computed(w, found.term, "a" if t.is_scalar else "A", found)
    family = f"·{name} {low} {high}"
    w.stores[family] = Store(family, name, low, high, index, t.shape)
    return T.element(family, dim(index), t.shape)


def _is_dear(t: Term) -> bool:
    """Whether a matrix is worth a variable: not so what broadcasting makes of a row or column."""
    broadcast = t.op == "mul" and any(f.op in ("ones", "transpose") and "ones" in (f.op, *_ops(f)) for f in t.args)
    return t.op in ("mul", "inv", "kron") and t.shape.is_matrix and not broadcast


def _ops(t: Term) -> list[str]:
    return [a.op for a in t.args]


def _computed(w: Writing, t: Term, hint: str, shaped: Together | None = None) -> str:
    """The variable of a term: a new one, or the one that has it already (members never change)."""
    if t not in w.computed:
        source = w.bare(t)
        w.computed[t] = w.namer.fresh(hint)
        w.assign(f"{w.computed[t]} = ", source if shaped is None else shaped.shaped(source, w.size))
    return w.computed[t]
