"""Entries in the normal form: what a unit column meets.

``unit(i)'*x`` is an entry; the entries of what is made entry by entry are made of the entries (``f(X)[i,j] =
f(X[i,j])``, ``diag(x)*unit(i) = x[i]*unit(i)``), two units are one or nothing where their indices tell.

Invariant: an entry that nothing can be said of is one atom, a chain from a transposed unit to a column, and the smaller
one of the chain and its transpose.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from matcalc.language import terms as T
from matcalc.language.dims import ONE, SCALAR, Shape
from matcalc.language.selections import is_unit
from matcalc.language.terms import Term
from matcalc.rewriting.polynomial import Poly, Word, numeral, order, total

if TYPE_CHECKING:
    from matcalc.rewriting.normal import Normalizer

__all__ = ["entry_of", "meets_unit", "picked_chain", "unit_column"]

F1 = Fraction(1)


def picked_chain(n: Normalizer, word: Word) -> Poly | None:
    """A chain from a row to a column of which an end is a unit; None where none is."""
    if is_unit(word[0], transposed=True):
        return entry_of(n, word[0].args[0], word[1:])
    if word[-1].op == "unit":
        return entry_of(n, word[-1], n.flip_word(word[:-1]))
    return None


def entry_of(n: Normalizer, unit: Term, word: Word) -> Poly:
    """The entry of a column, given as a chain, at the index of a unit."""
    head, rest = word[0], word[1:]
    if not rest:
        return _entry_of_column(n, unit, head)
    if head.op == "diag":  # the entry of a scaled column
        return n.product(entry_of(n, unit, n.word_of(head.args[0])), entry_of(n, unit, rest))
    if head.op == "unit" or head.shape.cols is ONE:  # an outer product falls apart
        return n.product(entry_of(n, unit, word[:1]), n.chain(rest, SCALAR))
    if len(word) == 2 and word[1].op == "unit":
        made = _entry_of_matrix(n, unit, head, word[1])
        if made is not None:
            return made
    forward: Word = (T.transpose(unit), *word)
    backward = n.flip_word(forward)
    if word[-1].op == "unit":
        forward = min(forward, backward, key=lambda w: (_turns(w), [order(f) for f in w]))
    return n.atom(T.mul(*forward))


def _turns(word: Word) -> int:
    return sum(f.op == "transpose" for f in word)


def _delta(n: Normalizer, a: Term, b: Term) -> Poly:
    """One where two indices are the same, zero where they certainly are not."""
    if a is b:
        return numeral(1)
    if (a.data[0] - b.data[0]).value is not None:
        return Poly(SCALAR, {})
    first, second = sorted((a, b), key=order)
    return n.atom(T.mul(T.transpose(first), second))


def _entry_of_column(n: Normalizer, unit: Term, v: Term) -> Poly:
    if v.op == "unit":
        return _delta(n, unit, v)
    if v.op == "ones":
        return numeral(1)
    if v.op == "zeros":
        return Poly(SCALAR, {})
    if v.op == "mul":
        return entry_of(n, unit, v.args)
    return _elementwise(n, v, lambda x: T.mul(T.transpose(unit), x)) or n.atom(T.mul(T.transpose(unit), v))


def _entry_of_matrix(n: Normalizer, unit: Term, x: Term, col: Term) -> Poly | None:
    """The entry of one factor between two units, where it is made of entries."""
    inside, row = x, unit
    if x.op == "transpose":
        inside, row, col = x.args[0], col, unit
    if inside.op == "diag":
        return n.product(_delta(n, row, col), entry_of(n, row, n.word_of(inside.args[0])))
    if inside.op == "kron":
        return None
    return _elementwise(n, inside, lambda y: T.mul(T.transpose(row), y, col))


def _elementwise(n: Normalizer, x: Term, pick: object) -> Poly | None:
    """The entry of what acts entry by entry; None for any other operation."""
    assert callable(pick)
    if x.op == "fn":
        return n.poly(T.fn(x.data[0], n.term(n.poly(pick(x.args[0]))), x.data[1]))
    if x.op == "hpow" and x.args[1].is_scalar:
        return n.poly(T.power(n.term(n.poly(pick(x.args[0]))), x.args[1]))
    if x.op == "had":
        out = numeral(1)
        for a in x.args:
            out = n.product(out, n.poly(pick(a)))
        return out
    if x.op == "add":
        return total(SCALAR, [n.poly(pick(a)) for a in x.args])
    if x.op == "neg":
        return n.poly(pick(x.args[0])).scaled(-F1)
    return None


def meets_unit(table: object) -> Term | None:
    """The unit among the entrywise factors of a column."""
    assert isinstance(table, dict)
    return next((b for b, e in table.items() if b.op == "unit" and e > 0), None)


def unit_column(n: Normalizer, unit: Term, table: dict[Term, Fraction]) -> Poly:
    """The product of a unit column with others, entry by entry: the one entry that is left, times the unit."""
    scalar = numeral(1)
    for b, e in table.items():
        if b is not unit:
            scalar = n.product(scalar, n.raised(entry_of(n, unit, n.word_of(b)), e))
    return n.product(scalar, n.unit((unit,), Shape(unit.shape.rows, ONE)))
