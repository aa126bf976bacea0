"""Normal forms of sums over an index, products over an index and matrices of rows.

A sum is taken apart into its monomials; what does not depend on the index comes out, and every range begins at 1.  In
the opaque mode, from which answers are written, a sum stays whole and only numbers, scalars and outer factors come out.

Invariant: the value does not change; the body of a canonical sum is canonical.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from matcalc.language import terms as T
from matcalc.language.binders import at_index, lowered
from matcalc.language.dims import ONE, Dim, Shape, dim
from matcalc.language.gathering import gathered
from matcalc.language.selections import is_unit
from matcalc.language.terms import Term
from matcalc.rewriting.polynomial import Monomial, Poly, Scalars, Word, order, total

if TYPE_CHECKING:
    from matcalc.rewriting.normal import Normalizer

__all__ = ["over_index", "product_over_index", "rows_over_index"]

F1 = Fraction(1)
Range = tuple[Dim, Dim]


def over_index(n: Normalizer, t: Term, args: list[Poly]) -> Poly:
    """A sum over an index."""
    body, ends = _from_one(t.args[0], t.data) if not n.opaque else (t.args[0], t.data)
    p = n.poly(body)
    if not p.terms:
        return Poly(t.shape, {})
    if n.opaque and len(p.terms) > 1:
        whole = gathered(n.term(p), *ends)
        if whole is not None:
            return n.poly(whole)
        c, scalars, rest = n.content(p)
        fixed, moving = _apart(scalars)
        inside = n.term(Poly(p.shape, n.times_scalars(rest.terms, moving)))
        return n.with_scalars(_atom(n, inside, ends), fixed).scaled(c)
    return total(t.shape, [_monomial(n, m, ends, t.shape).scaled(c) for m, c in p.terms.items()])


def _from_one(body: Term, ends: Range) -> tuple[Term, Range]:
    """The same sum, counted from 1."""
    low, high = ends
    if low is ONE:
        return body, ends
    return at_index(body, dim("#0") + low - 1, 1), (ONE, high - low + 1)


def _apart(scalars: Scalars) -> tuple[Scalars, Scalars]:
    """The powers of scalars that do not depend on the index, as they are written outside, and the others."""
    fixed: list[tuple[Term, Fraction]] = []
    moving: list[tuple[Term, Fraction]] = []
    for a, e in scalars:
        outside = lowered(a)
        if outside is None:
            moving.append((a, e))
        else:
            fixed.append((outside, e))
    return tuple(sorted(fixed, key=lambda ae: order(ae[0]))), tuple(moving)


def _outer_factors(word: Word) -> tuple[Word, Word, Word]:
    """The factors on the left and on the right that do not depend on the index, and what is between them."""
    left: list[Term] = []
    right: list[Term] = []
    middle = list(word)
    while middle and (outside := lowered(middle[0])) is not None:
        left.append(outside)
        middle.pop(0)
    while middle and (outside := lowered(middle[-1])) is not None:
        right.insert(0, outside)
        middle.pop()
    if left and middle and middle[0].op == "unit":  # a row or a column stays one
        left.pop()
        middle.insert(0, word[len(left)])
    if right and middle and is_unit(middle[-1], transposed=True):
        right.pop(0)
        middle.append(word[len(word) - len(right) - 1])
    return tuple(left), tuple(middle), tuple(right)


def _outer_entries(n: Normalizer, f: Term) -> tuple[dict[Term, Fraction], dict[Term, Fraction]]:
    """The entrywise factors that do not depend on the index, as they are written outside, and the others."""
    outside: dict[Term, Fraction] = {}
    inside: dict[Term, Fraction] = {}
    for b, e in n.elements(f).items():
        fixed = lowered(b)
        if fixed is None:
            inside[b] = e
        else:
            outside[fixed] = e
    return outside, inside


def _monomial(n: Normalizer, m: Monomial, ends: Range, shape: Shape) -> Poly:
    """The sum of one monomial."""
    fixed, moving = _apart(m[0])
    left, middle, right = _outer_factors(m[1])
    if not left and not right and len(middle) == 1 and not shape.is_scalar and not shape.is_row:
        outside, inside = _outer_entries(n, middle[0])
        if outside and inside:
            core = _atom(n, n.write((moving, n.word_of(n.vector(inside, shape))), F1), ends)
            factor = n.unit(n.word_of(n.vector(outside, shape)), shape)
            return n.with_scalars(n.entrywise([factor, core], shape), fixed)
    if middle or moving:
        body = n.write((moving, middle), F1)
        whole = gathered(body, *ends)
        core = _atom(n, body, ends) if whole is None else n.poly(whole)
    else:
        core = n.poly(T.size(ends[1] - ends[0] + 1))
    out: Poly | None = None
    for part in (left, None, right):
        if part is None and not (core.shape.is_scalar and (left or right)):
            out = core if out is None else n.product(out, core)
        elif part:
            chain = n.unit(part, Shape(part[0].shape.rows, part[-1].shape.cols))
            out = chain if out is None else n.product(out, chain)
    assert out is not None
    if core.shape.is_scalar and (left or right):
        out = n.product(core, out)
    return n.with_scalars(out, fixed)


def _atom(n: Normalizer, body: Term, ends: Range) -> Poly:
    """The sum of a canonical body as one factor; of a sum and its transpose the one with the smaller body."""
    if body.is_scalar:
        return n.atom(T.make("sumover", body, data=ends))
    turned = n.flip_term(body)
    row = body.shape.rows is ONE
    if row or (body.shape.cols is not ONE and order(turned) < order(body) and not n.opaque):
        inside = T.make("sumover", turned, data=ends)
        return n.unit((T.transpose(inside),), body.shape)
    return n.unit((T.make("sumover", body, data=ends),), body.shape)


def product_over_index(n: Normalizer, t: Term, args: list[Poly]) -> Poly:
    """A product over an index: one factor, its body canonical."""
    made = T.make("prod", n.canon(t.args[0]), data=t.data)
    return n.atom(made) if made.is_scalar else n.unit((made,), made.shape)


def rows_over_index(n: Normalizer, t: Term, args: list[Poly]) -> Poly:
    """A matrix given by its rows: one factor, its body canonical."""
    made = T.make("stack", n.canon(t.args[0]), data=t.data)
    return n.unit((made,), made.shape)


# ------------------------------------------------------------------------------- putting sums together
def merged(n: Normalizer, p: Poly) -> Poly | None:
    """The polynomial with sums over one range, and with the same factors around them, added up under one sum."""
    groups: dict[object, list[tuple[Term, Monomial, Fraction]]] = {}
    rest: dict[Monomial, Fraction] = {}
    for m, c in p.terms.items():
        found = _summed(m)
        if found is None:
            rest[m] = c
        else:
            core, around = found
            groups.setdefault((core.data, around), []).append((core, m, c))
    if all(len(g) == 1 for g in groups.values()):
        return None
    parts = [Poly(p.shape, rest)]
    for group in groups.values():
        if len(group) == 1:
            parts.append(Poly(p.shape, {group[0][1]: group[0][2]}))
            continue
        body = T.add(*(_scaled(c, core.args[0]) for core, _, c in group))
        whole = n.poly(T.make("sumover", body, data=group[0][0].data))
        scalars, (left, right, turned) = _summed_around(group[0][1])
        out = n.transposed(whole) if turned else whole
        for k, side in enumerate((left, right)):
            if side:
                chain = n.unit(side, Shape(side[0].shape.rows, side[-1].shape.cols))
                out = n.product(chain, out) if k == 0 else n.product(out, chain)
        parts.append(n.with_scalars(out, scalars))
    return total(p.shape, parts)


def _scaled(c: Fraction, t: Term) -> Term:
    scaled = t if abs(c) == 1 else T.mul(T.number(abs(c)), t)
    return T.neg(scaled) if c < 0 else scaled


Around = tuple[Scalars, tuple[Word, Word, bool]]


def _summed(m: Monomial) -> tuple[Term, Around] | None:
    """The one sum over an index in a monomial, and what is around it."""
    scalars, word = m
    cores = [a for a, e in scalars if a.op == "sumover" and e == 1]
    cores += [_bare(f) for f in word if _bare(f).op == "sumover"]
    return (cores[0], _summed_around(m)) if len(cores) == 1 else None


def _summed_around(m: Monomial) -> Around:
    scalars, word = m
    others = tuple((a, e) for a, e in scalars if not (a.op == "sumover" and e == 1))
    for i, f in enumerate(word):
        if _bare(f).op == "sumover":
            return others, (word[:i], word[i + 1 :], f.op == "transpose")
    return others, (word, (), False)


def _bare(f: Term) -> Term:
    return f.args[0] if f.op == "transpose" else f
