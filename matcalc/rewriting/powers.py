"""Powers of scalars, and the relations between functions of one argument (sigmoid with exp, step with relu)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from matcalc.language import terms as T
from matcalc.language.dims import SCALAR, Shape
from matcalc.language.terms import Term
from matcalc.rewriting.polynomial import (
    EMPTY,
    MAX_POWER,
    MAX_PRODUCTS,
    Poly,
    Scalars,
    monomial_order,
    numeral,
    order,
    rational_term,
    total,
)

if TYPE_CHECKING:
    from matcalc.rewriting.normal import Normalizer

F1 = Fraction(1)
MAX_DIVISOR = 3  # terms of a sum that its multiples are divided by
QUOTIENTS = {"sin": ("cos", "tan"), "sinh": ("cosh", "tanh")}  # above, below, quotient


def raised(n: Normalizer, p: Poly, e: Fraction) -> Poly:
    """A rational power of a scalar polynomial."""
    if e == 1:
        return p
    r = p.rational
    if r is not None:
        return n.number_power(r, e)
    if len(p.terms) > 1:
        if e.denominator == 1 and 0 < e <= MAX_POWER and not n.opaque and len(p.terms) ** int(e) <= MAX_PRODUCTS:
            out = p
            for _ in range(int(e) - 1):
                out = n.product(out, p)
            return out
        logistic = n.logistic(p)
        if logistic is not None and e.denominator == 1 and e < 0:
            c, reciprocal = logistic
            return n.product(n.number_power(c, e), n.raised(reciprocal, -e))
        below, p = n.cleared(p)
        if below and (e.denominator == 1 or all(n.nonnegative(a) for a, _ in below)):
            return n.product(n.raised(Poly(SCALAR, {(below, ()): F1}), e), n.raised(p, e))
        p = n.whole(Poly(SCALAR, n.times_scalars(p.terms, below)))
    (scalars, _), c = p.single or (EMPTY, F1)
    if e.denominator != 1 and c < 0:
        scalars, c = _sign_inside(n, scalars, c)
    if e.denominator != 1 and c < 0:
        body = n.write(p.single[0], c) if p.single else n.term(p)
        return n.atom(T.power(body, rational_term(e)))
    kept: list[tuple[Term, Fraction]] = []
    stuck: list[tuple[Term, Fraction]] = []
    for a, k in scalars:
        fine = e.denominator == 1 or n.nonnegative(a)
        (kept if fine else stuck).append((a, k * e) if fine else (a, k))
    if len(stuck) == 1 and stuck[0][1].denominator == 1 and stuck[0][1] % 2 == 1:
        # An odd power of one factor of unknown sign: where the root exists the factor is not negative.
        kept.append((stuck[0][0], stuck[0][1] * e))
        stuck = []
    if stuck and all(k.denominator == 1 and k % 2 == 0 for _, k in stuck):  # (x^2)^(1/2) is abs(x)
        kept += [(T.fn("abs", a), k * e) for a, k in stuck]
        stuck = []
    out = n.reduce((n.join((), tuple(kept)), ()), SCALAR) if kept else numeral(F1)
    if stuck:
        body = n.write((tuple(stuck), ()), F1)
        out = n.product(out, n.atom(T.power(body, rational_term(e))))
    return n.product(n.number_power(c, e), out)


def _sign_inside(n: Normalizer, scalars: Scalars, c: Fraction) -> tuple[Scalars, Fraction]:
    """A negative number taken into a sum: a root is that of ``1 - y^2``, not of ``-(y^2 - 1)``."""
    for i, (a, k) in enumerate(scalars):
        if a.op == "add" and k.denominator == 1 and k % 2 == 1:
            turned = n.term(n.poly(a).scaled(Fraction(-1)))
            return n.join(scalars[:i] + scalars[i + 1 :], ((turned, k),)), -c
    return scalars, c


def logistic(n: Normalizer, p: Poly) -> tuple[Fraction, Poly] | None:
    """A multiple c of one of the four sums whose reciprocal is again a polynomial, as c and that reciprocal.

    With e = exp(z) and s = sigmoid(z): ``1 + e`` and ``1 - s``, ``1 + 1/e`` and ``s``, ``1 - s`` and ``1 + e``.
    """
    if len(p.terms) != 2 or n.opaque:
        return None
    one = numeral(F1) if p.shape.is_scalar else n.poly(T.ones(*p.shape))
    ((unit, _),) = one.terms.items()
    c = p.terms.get(unit)
    if c is None:
        return None
    (((scalars, word), k),) = ((m, k) for m, k in p.terms.items() if m != unit)
    if p.shape.is_scalar:
        powers = dict(scalars)
    elif scalars or len(word) != 1:
        return None
    else:
        powers = n.elements(word[0])
    if len(powers) == 1:
        ((f, e),) = powers.items()
        if f.op == "fn" and f.data == ("sigmoid", 0) and e == 1 and k == -c:
            return c, total(p.shape, [one, n.poly(T.fn("exp", f.args[0]))])
    z = _exponent(n, powers, p.shape) if k == c else None
    if z is None:
        return None
    up = z.terms[min(z.terms, key=monomial_order)] > 0
    s = n.powers_of({T.fn("sigmoid", n.term(z if up else z.scaled(Fraction(-1)))): F1}, p.shape)
    return c, total(p.shape, [one, s.scaled(Fraction(-1))]) if up else s


def _exponent(n: Normalizer, powers: Mapping[Term, Fraction], shape: Shape) -> Poly | None:
    """z where a product of powers is exp(z); None where another factor stands in it."""
    parts = []
    for f, e in powers.items():
        if f.op == "fn" and f.data == ("exp", 0):
            parts.append(n.poly(f.args[0]).scaled(e))
        elif f.op == "const" and f.data == "e":
            parts.append(numeral(e))
        else:
            return None
    z = total(shape, parts)
    return z if z.terms else None


def _exponentials(n: Normalizer, z: Term) -> Mapping[Term, Fraction] | None:
    """The powers that exp(z) is a product of."""
    p = n.poly(T.fn("exp", z))
    if p.single is None or p.single[1] != 1:
        return None
    scalars, word = p.single[0]
    if p.shape.is_scalar:
        return dict(scalars)
    return n.elements(word[0]) if not scalars and len(word) == 1 else None


def powers_of(n: Normalizer, table: Mapping[Term, Fraction], shape: Shape) -> Poly:
    """Powers as a scalar, or as a column or matrix multiset, without applying relations."""
    if shape.is_scalar:
        return Poly(SCALAR, {(n.join((), tuple(table.items())), ()): F1})
    if not table:
        return n.poly(T.ones(*shape))
    v = n.vector(table, shape)
    return n.unit(n.word_of(v), shape)


def relation(
    n: Normalizer, table: Mapping[Term, Fraction], shape: Shape
) -> list[tuple[Fraction, dict[Term, Fraction]]] | None:
    """Relations between functions of one argument, as the sum that replaces a product of powers; None: no relation.

    ``s*e = e - s``, ``s/e = 1 - s``, ``1/s = 1 + 1/e`` for s = sigmoid(z), e = exp(z); ``step^2 = step``,
    ``relu*step = relu``. Each lowers the powers of sigmoid or step, so that applying them ends.
    """
    for b, e in table.items():
        if b.op == "add" and e < 0 and n.divides:
            divided = _divided(n, table, b, shape)
            if divided is not None:
                return divided
        if b.op != "fn" or b.data[1] != 0 or e.denominator != 1:
            continue
        if b.data[0] == "step" and e > 1:
            return [(F1, _changed(table, {b: 1 - e}))]
        if b.data[0] == "step" and e > 0 and table.get(T.fn("relu", b.args[0]), 0) > 0:
            return [(F1, _changed(table, {b: -e}))]
        found = _quotient(table, b) or _of_sign(table, b)
        if found is not None:
            return [(F1, found)]
        if b.data[0] == "sigmoid" and not n.opaque:
            parts = _exponentials(n, b.args[0])
            if not parts:
                continue
            down = {f: -k for f, k in parts.items()}
            if e < 0:
                return [(F1, _changed(table, {b: F1})), (F1, _changed(table, {b: F1, **down}))]
            turns = [table.get(f, Fraction(0)) / k for f, k in parts.items()]
            if min(turns) >= 1:
                return [(F1, _changed(table, {b: -F1})), (-F1, _changed(table, down))]
            if max(turns) <= -1:
                return [(F1, _changed(table, {b: -F1, **parts})), (-F1, _changed(table, parts))]
    return None


def _divided(
    n: Normalizer, table: Mapping[Term, Fraction], b: Term, shape: Shape
) -> list[tuple[Fraction, dict[Term, Fraction]]] | None:
    """``x/(x + y) = 1 - y/(x + y)``: the largest term of a sum of few is not left above the sum."""
    p = n.poly(b)
    if len(p.terms) > MAX_DIVISOR:
        return None
    sides = []
    for m in sorted(p.terms, key=monomial_order):
        word = m[1]
        if not shape.is_scalar and (m[0] or len(word) != 1):
            return None
        powers = dict(m[0]) if shape.is_scalar else n.elements(word[0])
        if any(e < 0 or e.denominator != 1 for e in powers.values()):
            return None
        sides.append((powers, p.terms[m]))
    atoms = sorted({a for powers, _ in sides for a in powers}, key=order)
    # Graded lexicographic: an order that multiplication keeps, so that dividing ends.
    sides.sort(key=lambda s: (sum(s[0].values()), [s[0].get(a, 0) for a in atoms]), reverse=True)
    (lead, c), *others = sides
    if not lead or any(table.get(a, 0) < e for a, e in lead.items()):
        return None
    down = _changed(table, {a: -e for a, e in lead.items()})
    return [(1 / c, _changed(down, {b: F1})), *((-k / c, _changed(down, rest)) for rest, k in others)]


def _quotient(table: Mapping[Term, Fraction], b: Term) -> dict[Term, Fraction] | None:
    """``sin/cos = tan``, ``sinh/cosh = tanh``, also upside down, and ``tan*cos = sin``."""
    for above, (below, quotient) in QUOTIENTS.items():
        if b.data[0] not in (above, quotient):
            continue
        other, whole = T.fn(below, b.args[0]), T.fn(quotient, b.args[0])
        e, k = table[b], table.get(other, Fraction(0))
        turns = -1 if b.data[0] == above else 1
        if k * turns * e > 0 and k.denominator == 1:
            times = min(abs(e), abs(k)) * (1 if e > 0 else -1)
            into = whole if b.data[0] == above else T.fn(above, b.args[0])
            return _changed(table, {b: -times, other: -turns * times, into: times})
    return None


def _of_sign(table: Mapping[Term, Fraction], b: Term) -> dict[Term, Fraction] | None:
    """``abs(x)^2 = x^2``, ``x/abs(x) = sign(x)``, ``x*sign(x) = abs(x)``, ``abs(x)*sign(x) = x``."""
    x, e = b.args[0], table[b]
    plain = table.get(x, Fraction(0))
    if b.data[0] == "abs":
        if e.denominator == 1 and abs(e) > 1:
            even = e - e % 2
            return _changed(table, {b: -even, x: even})
        if plain and plain.denominator == 1 and e * plain < 0:
            one = F1 if plain > 0 else -F1
            return _changed(table, {b: one, x: -one, T.fn("sign", x): F1})
    elif b.data[0] == "sign" and e > 0:
        size = T.fn("abs", x)
        k = table.get(size, Fraction(0))
        if k and k.denominator == 1:
            one = F1 if k > 0 else -F1
            return _changed(table, {b: -F1, size: -one, x: one})
        if plain and plain.denominator == 1:
            one = F1 if plain > 0 else -F1
            return _changed(table, {b: -F1, x: -one, size: one})
    return None


def number_power(n: Normalizer, c: Fraction, e: Fraction) -> Poly:
    if e.denominator == 1 and abs(e) <= 64 and (c != 0 or e > 0):
        return numeral(c ** int(e))
    if c == 1:
        return numeral(F1)
    root = _exact_root(c, e)
    return numeral(root) if root is not None else n.atom(T.power(rational_term(c), rational_term(e)))


def _exact_root(c: Fraction, e: Fraction) -> Fraction | None:
    """``c**e`` where it is rational, e.g. 4^(1/2)."""
    if c <= 0 or abs(e.numerator) > 16 or e.denominator > 8:
        return None
    num = round(c.numerator ** (1 / e.denominator))
    den = round(c.denominator ** (1 / e.denominator))
    if num**e.denominator != c.numerator or den**e.denominator != c.denominator:
        return None
    return Fraction(num, den) ** e.numerator


def _changed(table: Mapping[Term, Fraction], by: Mapping[Term, Fraction]) -> dict[Term, Fraction]:
    """A table of powers with some exponents changed."""
    out = dict(table)
    for b, e in by.items():
        out[b] = out.get(b, Fraction(0)) + e
    return {b: e for b, e in out.items() if e}
