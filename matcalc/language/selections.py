"""Entries, rows and columns: products with unit columns, and where a product shows them.

``Y[d,n]`` is ``unit(d)'*Y*unit(n)``, ``Y[d,:]`` is ``unit(d)'*Y``, ``Y[:,n]`` is ``Y*unit(n)`` and ``x[i]`` of a column
is ``unit(i)'*x``.  So every rule about products is a rule about entries.  A flat product shows a selection wherever a
unit stands beside a factor: *picked* finds these places, for all notations alike.

Invariant: what a notation writes for the places, it reads back as the same flat product.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from matcalc.language import terms
from matcalc.language.dims import ONE, Dim, Shape
from matcalc.language.terms import Term

__all__ = ["Pick", "entry", "index_names", "is_selection", "is_unit", "picked", "unit_of", "units_in"]


class Pick(NamedTuple):
    """A part of a product: the place of the factor, and the indices of the row and of the column taken of it.

    A factor as it stands has neither.  Of two units side by side (an entry of the identity) the place is None.
    """

    place: int | None
    row: Dim | None = None
    col: Dim | None = None
    length: Dim | None = None  # of two units side by side

    @property
    def is_whole(self) -> bool:
        return self.row is None and self.col is None


def unit_of(t: Term) -> Term | None:
    """The unit column that a factor is, or is the transpose of."""
    inside = t.args[0] if t.op == "transpose" else t
    return inside if inside.op == "unit" else None


def is_unit(t: Term, transposed: bool) -> bool:
    """Whether a factor is a unit column, or a transposed one."""
    return t.op == "transpose" and t.args[0].op == "unit" if transposed else t.op == "unit"


def entry(base: Term, row: Dim | None, col: Dim | None) -> Term:
    """``base[row,col]``; None takes all of that side. Of an identity the units alone."""
    factors: list[Term] = [] if base.op == "eye" else [base]
    if row is not None:
        factors.insert(0, terms.transpose(terms.unit(row, base.shape.rows)) if base.shape.rows is not ONE else ONE_TERM)
    if col is not None:
        factors.append(terms.unit(col, base.shape.cols))
    factors = [f for f in factors if f is not ONE_TERM]
    if not factors:
        return base
    return factors[0] if len(factors) == 1 else terms.mul(*factors)


ONE_TERM = terms.number(1)


def picked(args: Sequence[Term]) -> Iterator[Pick]:
    """The parts of a product from left to right, units taken together with the factor beside them."""
    i = 0
    while i < len(args):
        if is_unit(args[i], True) and i + 1 < len(args):
            row = args[i].args[0].data[0]
            after = args[i + 1]
            if after.op == "unit":
                yield Pick(None, row, after.data[0], after.data[1])
                i += 2
                continue
            if _is_selected_from(after):
                if i + 2 < len(args) and args[i + 2].op == "unit" and after.shape.cols is not ONE:
                    yield Pick(i + 1, row, args[i + 2].data[0])
                    i += 3
                else:
                    yield Pick(i + 1, row)
                    i += 2
                continue
        if i + 1 < len(args) and args[i + 1].op == "unit" and _is_selected_from(args[i]):
            yield Pick(i, None, args[i + 1].data[0])
            i += 2
            continue
        yield Pick(i)
        i += 1


def is_selection(t: Term) -> bool:
    """Whether a term is one entry, row or column."""
    return t.op == "mul" and any(unit_of(f) for f in t.args) and sum(1 for _ in picked(t.args)) == 1


def _is_selected_from(t: Term) -> bool:
    return not t.is_scalar and t.op != "eye" and unit_of(t) is None


def units_in(roots: Iterable[Term]) -> list[tuple[Dim, Dim]]:
    """The indices of entries in terms, and the lengths of what they are taken from."""
    return list(dict.fromkeys(t.data for t in terms.subterms(*roots) if t.op == "unit"))


def index_names(roots: Sequence[Term], shapes: Iterable[Shape] = ()) -> list[str]:
    """The names that are indices of entries in terms, and sizes of nothing."""
    sizes = {n for s in shapes for d in s for n in d.names()}
    for t in terms.subterms(*roots):
        data = t.data[1:] if t.op == "unit" else () if t.op == "size" else t.data
        inside = data if isinstance(data, tuple) else (data,)
        sizes.update(n for d in (*t.shape, *inside) if isinstance(d, Dim) for n in d.names())
    names = dict.fromkeys(n for index, _ in units_in(roots) for n in index.names() if not n.startswith("#"))
    return [n for n in names if n not in sizes]
