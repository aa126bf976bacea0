"""The method ``entries``: the derivative by one entry, as a sum; for a whole row; for the whole variable.

The differential is taken as ever; then one entry of the variable changes and nothing else.  What comes out holds for
every index, so that the entries are put together, first along a row, then row under row.

Invariant: the letters of the indices are not names of the problem.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from matcalc.calculus.methods import Question, by_differential, linear_form, started
from matcalc.calculus.moves import move
from matcalc.errors import CannotDerive
from matcalc.language.binders import bind, free_indices
from matcalc.language.dims import ONE, Dim, dim
from matcalc.language.parts import Part
from matcalc.language.selections import is_unit
from matcalc.language.terms import Term, mul, rebuild, transpose, unit
from matcalc.rewriting.cost import cost
from matcalc.rewriting.normal import equal
from matcalc.rewriting.present import present
from matcalc.rewriting.steps import Step

__all__ = ["by_entries"]

LETTERS = "ijklpqrst"
SAME = 0.1  # difference of costs that only reorders factors


def by_entries(q: Question) -> Iterator[Step]:
    """The lines from the objective to the gradient, by way of one entry of it."""
    if q.variable.is_scalar:
        yield from by_differential(q)
        return
    first = started(q)
    yield first
    line = first.after
    for made in linear_form(q, line):
        yield made
        line = made.after
    row, col = _indices(q)
    one = {"d": q.change} | ({"row": row} if row is not None else {}) | ({"col": col} if col is not None else {})
    label = _label(q, row, col)
    read = move("read-entry", line, q.setting, given=one, label=label, level=1)
    assert read is not None
    yield from _told(q, read, label)
    last = _shown(q, read.after)
    for side, u in (("col", col), ("row", row)):
        if u is None:
            continue
        label = _label(q, row if side == "col" else None, None)
        stacked = move("stack-entries", last, q.setting, given={side: u}, label=label, level=1)
        if stacked is None:
            raise CannotDerive(f"the entries {last} are not put together", hint="use another method")
        shown = _shown(q, stacked.after)
        if shown is not stacked.after:
            tidied = Step("simplify", stacked.after, shown, "simplify", label, level=2)
            yield replace(stacked, after=shown, substeps=(replace(stacked, level=2), tidied))
        else:
            yield stacked
        last = shown


def _told(q: Question, read: Step, label: str) -> Iterator[Step]:
    """The entry as a sum over the entries of the factors, then as a product."""
    shown = _shown(q, read.after)
    summed = _summed(q, shown)
    if summed is None or equal(summed, shown, q.setting.facts) is not True:
        yield read
        if shown is not read.after:
            yield Step("simplify", read.after, shown, "simplify", label)
        return
    written = Step("simplify", read.after, summed, "only what the entry is multiplied with is left", label, level=2)
    yield replace(read, after=summed, substeps=(replace(read, level=2), written))
    yield Step("simplify", summed, shown, "the sum is a row times a column", label)


def _shown(q: Question, t: Term) -> Term:
    known = (q.objective, *q.setting.definitions.values())
    return present(t, q.setting.facts, q.setting.definitions, known)[0]


# --------------------------------------------------------------------------------- indices
def _indices(q: Question) -> tuple[Term | None, Term | None]:
    """The unit columns at the row and the column of the entry that changes."""
    taken = {n for t in (q.objective, q.variable, *q.setting.definitions.values()) for n in (*t.free, *free_indices(t))}
    taken |= {q.name, *q.setting.definitions}
    out: list[Term | None] = []
    for length in q.variable.shape:
        if length is ONE:
            out.append(None)
            continue
        letter = _letter(length, taken)
        taken.add(letter)
        out.append(unit(letter, length))
    return out[0], out[1]


def _letter(length: Dim, taken: set[str]) -> str:
    """``d`` for the rows 1..D, else the next letter that is free."""
    name = str(length)
    own = [name.lower()] if len(name) == 1 and name.isupper() else []
    letters: list[str] = [*own, *LETTERS, *(f"i{k}" for k in range(1, len(taken) + 2))]
    return next(c for c in letters if c not in taken)


def _label(q: Question, row: Term | None, col: Term | None) -> str:
    shape = q.variable.shape
    sides = [None if u is None else u.data[0] for u, n in ((row, shape.rows), (col, shape.cols)) if n is not ONE]
    named = Part(q.variable.data, tuple(sides)) if any(s is not None for s in sides) else q.variable.data
    return f"grad({q.name}, {named})"


# ------------------------------------------------------------------------------------ sums
def _summed(q: Question, t: Term) -> Term | None:
    """A number with its product of a row and a column written as a sum over their entries; None: it has none."""
    if t.op in ("neg", "div", "add"):
        inside = [_summed(q, a) if k == 0 or t.op == "add" else a for k, a in enumerate(t.args)]
        return None if any(a is None for a in inside) else rebuild(t, [a for a in inside if a is not None])
    if t.op != "mul":
        return None
    scalars = [a for a in t.args if a.is_scalar]
    chain = [a for a in t.args if not a.is_scalar]
    cut = 2 if chain and is_unit(chain[0], transposed=True) and len(chain) > 2 else 1
    if any(f.shape.rows is ONE for f in chain[1:]) or len(chain) <= cut or is_unit(chain[cut], transposed=False):
        return None
    n = chain[cut].shape.rows
    letter = _letter(n, {*t.free, *free_indices(t)})
    u = unit(letter, n)
    body = mul(*scalars, mul(_at(chain[:cut], u, row=True), _at(chain[cut:], u, row=False)))
    simpler = _shown(q, body)
    return bind("sumover", letter, dim(1), n, simpler if cost(simpler) < cost(body) - SAME else body)


def _at(chain: list[Term], u: Term, row: bool) -> Term:
    """The entry of a row or a column at a unit, without a transpose where there is one."""
    if len(chain) == 1 and chain[0].op == "transpose":
        inside = chain[0].args[0]
        return mul(transpose(u), inside) if row else mul(inside, u)
    return mul(*chain, u) if row else mul(transpose(u), *chain)
