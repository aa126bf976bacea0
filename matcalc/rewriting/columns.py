"""Columns and matrices as multisets of entrywise factors with exponents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from matcalc.language import terms as T
from matcalc.language.dims import ONE as ONE_DIM
from matcalc.language.dims import Shape
from matcalc.language.terms import Term
from matcalc.rewriting.hadamard import matrix_hadamard
from matcalc.rewriting.picking import meets_unit, unit_column
from matcalc.rewriting.polynomial import MAX_POWER, MAX_PRODUCTS, Poly, Word, as_rational, order, rational_term, total

if TYPE_CHECKING:
    from matcalc.rewriting.normal import Normalizer

F1 = Fraction(1)


def elements(n: Normalizer, v: Term) -> dict[Term, Fraction]:
    """The entrywise factors of a canonical column or matrix, with their exponents."""
    if v.op == "ones":
        return {}
    out: dict[Term, Fraction] = {}
    for f in v.args if v.op == "had" else (v,):
        e = F1
        if f.op == "hpow":
            q = as_rational(f.args[1])
            if q is not None:
                f, e = f.args[0], q
        out[f] = out.get(f, Fraction(0)) + e
    return {b: e for b, e in out.items() if e}


def vector(n: Normalizer, table: Mapping[Term, Fraction], shape: Shape) -> Term:
    """The canonical column or matrix with these entrywise factors."""
    if not table:
        return T.ones(*shape)
    parts = [
        b if e == 1 else T.hpower(b, rational_term(e)) for b, e in sorted(table.items(), key=lambda x: order(x[0]))
    ]
    return T.had(*parts) if len(parts) > 1 else parts[0]


def word_of(n: Normalizer, v: Term) -> Word:
    return v.args if v.op == "mul" else (v,)


def entrywise(n: Normalizer, parts: Sequence[Poly], shape: Shape) -> Poly:
    """The Hadamard product of polynomials of one shape (a scalar one scales)."""
    out: Poly | None = None
    for p in parts:
        if out is None:
            out = p
        elif out.shape.is_scalar or p.shape.is_scalar:
            out = n.product(out, p)
        else:
            a, b = out, p
            if not a.terms or not b.terms:
                return Poly(shape, {})
            if (len(a.terms) > 1 or len(b.terms) > 1) and (n.opaque or len(a.terms) * len(b.terms) > MAX_PRODUCTS):
                a, b = n.whole(a), n.whole(b)
            done = []
            for (s1, w1), c1 in a.terms.items():
                for (s2, w2), c2 in b.terms.items():
                    done.append(n.with_scalars(n.hadamard(w1, w2, shape), n.join(s1, s2)).scaled(c1 * c2))
            out = total(shape, done)
    assert out is not None
    return out


def hadamard(n: Normalizer, w1: Word, w2: Word, shape: Shape) -> Poly:
    if shape.cols is ONE_DIM:
        table: dict[Term, Fraction] = {}
        for w in (w1, w2):
            for b, e in (n.elements(w[0]) if len(w) == 1 else {T.mul(*w): F1}).items():
                table[b] = table.get(b, Fraction(0)) + e
        return n.column({b: e for b, e in table.items() if e}, shape)
    if shape.rows is ONE_DIM:
        return n.transposed(n.hadamard(n.flip_word(w1), n.flip_word(w2), shape.transposed))
    return matrix_hadamard(n, w1, w2, shape)


def expandable(n: Normalizer, powers: Iterable[tuple[Term, Fraction]]) -> bool:
    """Whether the sums among entrywise or scalar factors may be multiplied out: the count stays below the limit."""
    if n.opaque:
        return False
    count = 1
    for b, e in powers:
        if b.op == "add" and e > 0 and e.denominator == 1:
            if e > MAX_POWER:
                return False
            count *= len(n.poly(b).terms) ** int(e)
    return count <= MAX_PRODUCTS


def column(n: Normalizer, table: Mapping[Term, Fraction], shape: Shape) -> Poly:
    """The polynomial of a column multiset; relations between its members are applied."""
    unit = meets_unit(table)
    if unit is not None:
        return unit_column(n, unit, dict(table))
    related = n.relation(table, shape)
    if related is not None:
        return total(shape, [n.column(t, shape).scaled(c) for c, t in related])
    for b, e in table.items():
        if e.denominator != 1 or e <= 0:
            continue
        rest = {k: v for k, v in table.items() if k is not b}
        if b.op == "add" and n.expandable(table.items()):
            parts = [n.poly(b)] * int(e) + [n.column(rest, shape)]
            return n.entrywise(parts, shape)
        if b.op == "mul" and e == 1 and len(table) == 1:
            return n.unit(b.args, shape)
    return n.unit((n.vector(table, shape),), shape)
