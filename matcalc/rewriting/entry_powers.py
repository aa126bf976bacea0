"""Powers: of scalars with any exponent, of the entries of columns and matrices, of denominators."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from matcalc.language import terms as T
from matcalc.language.dims import ONE, SCALAR
from matcalc.language.terms import Term
from matcalc.rewriting.hadamard import matrix_power
from matcalc.rewriting.polynomial import (
    EMPTY,
    MAX_POWER,
    MAX_PRODUCTS,
    Poly,
    monomial_order,
    numeral,
)

if TYPE_CHECKING:
    from matcalc.rewriting.normal import Normalizer

F1 = Fraction(1)


def reciprocal(n: Normalizer, t: Term) -> Poly:
    """``1/t`` entrywise, factor by factor: a power in a denominator is not multiplied out."""
    if (t.op == "mul" and t.is_scalar and all(a.is_scalar for a in t.args)) or t.op == "had":
        return n.entrywise([reciprocal(n, a) for a in t.args], t.shape)
    if (t.op == "pow" and t.is_scalar) or t.op == "hpow":
        e = n.poly(t.args[1]).rational
        if e is not None and e.denominator == 1:
            return hpower(n, n.poly(t.args[0]), -e)
    return hpower(n, n.poly(t), Fraction(-1))


def scalar_power(n: Normalizer, base: Poly, exponent: Poly) -> Poly:
    """``s^e``: the rational part of the exponent is a power of its own."""
    e = exponent.rational
    if e is not None:
        return n.raised(base, e)
    constant = exponent.terms.get(EMPTY, Fraction(0))
    rest = Poly(SCALAR, {m: c for m, c in exponent.terms.items() if m != EMPTY})
    b = n.term(base)
    if b.op == "const" and b.data == "e":
        return n.product(exponential(n, rest), n.raised(base, constant) if constant else numeral(1))
    out = n.atom(T.power(b, n.term(rest)))
    return n.product(out, n.raised(base, constant)) if constant else out


def hpower(n: Normalizer, p: Poly, e: Fraction) -> Poly:
    """A rational entrywise power."""
    shape = p.shape
    if shape.is_scalar:
        return n.raised(p, e)
    if shape.rows is ONE:
        return n.transposed(hpower(n, n.transposed(p), e))
    if e == 1:
        return p
    if e == 0:
        return n.poly(T.ones(*shape))
    if not p.terms:
        return n.unit((T.hpower(T.zeros(*shape), T.number(e)),), shape) if e < 0 else p
    if len(p.terms) > 1:
        return _power_of_sum(n, p, e)
    (s, w), c = next(iter(p.terms.items()))
    front = n.raised(Poly(SCALAR, {(s, ()): abs(c)}), e)
    if c < 0:
        if e.denominator != 1:
            return n.unit((T.hpower(n.term(p), T.number(e)),), shape)
        front = front.scaled(Fraction(-1) ** int(e))
    if shape.cols is ONE:
        table = n.elements(w[0]) if len(w) == 1 else {T.mul(*w): F1}
        if e.denominator != 1 and not _may_power(n, table):
            return n.product(front, n.unit((T.hpower(n.term(n.unit(w, shape)), T.number(e)),), shape))
        return n.product(front, n.column({b: k * e for b, k in table.items()}, shape))
    powered = matrix_power(n, w, e, shape)
    if powered is None:
        powered = n.unit((T.hpower(n.term(n.unit(w, shape)), T.number(e)),), shape)
    return n.product(front, powered)


def _may_power(n: Normalizer, table: dict[Term, Fraction]) -> bool:
    """Whether exponents may be multiplied by a fraction: ``(x.^2).^(1/2)`` is not x."""
    unknown = [(b, k) for b, k in table.items() if not n.nonnegative(b)]
    return (
        not unknown
        or (len(unknown) == 1 and unknown[0][1].denominator == 1 and unknown[0][1] % 2 == 1)
        or (len(unknown) == 1 and unknown[0][1].denominator != 1)
    )


def _power_of_sum(n: Normalizer, p: Poly, e: Fraction) -> Poly:
    if e.denominator == 1 and 0 < e <= MAX_POWER and not n.opaque and len(p.terms) ** int(e) <= MAX_PRODUCTS:
        return n.entrywise([p] * int(e), p.shape)
    logistic = n.logistic(p)
    if logistic is not None and e.denominator == 1 and e < 0:
        c, reciprocal = logistic
        return hpower(n, reciprocal, -e).scaled(c ** int(e))
    below, over = n.cleared(p)
    if below and e.denominator == 1:
        return n.product(n.raised(Poly(SCALAR, {(below, ()): F1}), e), _power_of_sum(n, over, e))
    c, scalars, rest = n.content(p)
    if e.denominator != 1 and c < 0:
        c, rest = -c, rest.scaled(Fraction(-1))
    if e.denominator != 1 and not all(n.nonnegative(a) for a, _ in scalars):
        scalars, rest = (), p.scaled(1 / c)
    front = n.raised(Poly(SCALAR, {(scalars, ()): c}), e)
    body = n.term(rest)
    return n.product(front, n.unit((T.hpower(body, T.number(e)),), p.shape))


def exponential(n: Normalizer, p: Poly) -> Poly:
    """``exp`` of a scalar polynomial: a product of powers of exp of its monomials."""
    out = numeral(1)
    for m, c in sorted(p.terms.items(), key=lambda mc: monomial_order(mc[0])):
        if m == EMPTY:
            out = n.product(out, n.raised(n.atom(T.constant("e")), c))
        elif len(m[0]) == 1 and m[0][0][1] == 1 and m[0][0][0].op == "fn" and m[0][0][0].data == ("log", 0):
            out = n.product(out, n.raised(n.poly(m[0][0][0].args[0]), c))
        else:
            out = n.product(out, n.atom(T.fn("exp", n.write(m, F1)), c))
    return out
