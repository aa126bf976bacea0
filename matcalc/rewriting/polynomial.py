"""Polynomials of matrix expressions: what the normal form computes with.

A polynomial maps monomials to rational coefficients. A monomial is a pair ``(scalars, word)``: ``scalars`` are powers
of 1×1 atoms, sorted; ``word`` is a chain of factors that are not scalars, empty for a 1×1 monomial. Atoms and factors
are canonical terms, so that two monomials are equal exactly where their tuples are.

Invariants: no coefficient is zero; a scalar polynomial has empty words, another one has words that chain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from weakref import WeakKeyDictionary

from matcalc.language.dims import SCALAR, Shape
from matcalc.language.terms import Term, bottom_up, number

__all__ = ["Monomial", "Poly", "Scalars", "Word", "as_rational", "numeral", "order", "rational_term"]

Scalars = tuple[tuple[Term, Fraction], ...]
Word = tuple[Term, ...]
Monomial = tuple[Scalars, Word]
ONE = Fraction(1)
MAX_PRODUCTS = 32  # monomials a product of sums may grow to before its sums are kept whole
MAX_POWER = 6  # powers of sums are multiplied out up to this exponent
EMPTY: Monomial = ((), ())


@dataclass(slots=True)
class Poly:
    """A polynomial of one shape. Treated as immutable once built."""

    shape: Shape
    terms: dict[Monomial, Fraction]

    @property
    def single(self) -> tuple[Monomial, Fraction] | None:
        """The one monomial and its coefficient, or None."""
        return next(iter(self.terms.items())) if len(self.terms) == 1 else None

    @property
    def rational(self) -> Fraction | None:
        """The number this polynomial is, or None."""
        if not self.terms:
            return Fraction(0)
        if len(self.terms) == 1 and EMPTY in self.terms:
            return self.terms[EMPTY]
        return None

    def scaled(self, c: Fraction) -> Poly:
        if c == 1:
            return self
        return Poly(self.shape, {m: k * c for m, k in self.terms.items()} if c else {})


def numeral(q: Fraction | int) -> Poly:
    """A rational number as a scalar polynomial."""
    return Poly(SCALAR, {EMPTY: Fraction(q)} if q else {})


def total(shape: Shape, parts: Iterable[Poly]) -> Poly:
    """The sum of polynomials of one shape."""
    out: dict[Monomial, Fraction] = {}
    for p in parts:
        for m, c in p.terms.items():
            new = out.get(m, 0) + c
            if new:
                out[m] = Fraction(new)
            else:
                out.pop(m, None)
    return Poly(shape, out)


_keys: WeakKeyDictionary[Term, Any] = WeakKeyDictionary()
_DIGITS = re.compile(r"\d+")
_RANK = {"num": 0, "const": 0, "size": 1, "sym": 2, "elem": 2, "unit": 2, "transpose": 3}


def order(t: Term) -> Any:
    """A deterministic total order of terms: small ones first, then by operation, name and arguments.

    The key of a term holds the keys of its arguments themselves, so that building it is linear and comparing it stops
    at the first difference.
    """
    return bottom_up(t, _key, _keys)


def _key(t: Term, keys: list[Any]) -> Any:
    name = _DIGITS.sub(lambda d: d.group().zfill(6), str(t.data))  # A2 before A10
    return (t.size, _RANK.get(t.op, 9), t.op, name, tuple(keys), str(t.shape) if not t.args else "")


def monomial_order(m: Monomial) -> Any:
    """Sort key of monomials: more factors first, so that constants come last; then by the factors."""
    scalars, word = m
    size = sum(a.size for a, _ in scalars) + sum(f.size for f in word)
    return (-size, [order(f) for f in word], [(order(a), e) for a, e in scalars])


def as_rational(t: Term) -> Fraction | None:
    """The exact number a constant term is, or None."""
    if t.op == "num":
        return Fraction(t.data)
    if t.op == "neg":
        inner = as_rational(t.args[0])
        return None if inner is None else -inner
    if t.op == "div":
        a, b = as_rational(t.args[0]), as_rational(t.args[1])
        return None if a is None or b is None or b == 0 else a / b
    return None


def rational_term(q: Fraction) -> Term:
    return number(q)
