"""Which number is it? A ratio that was measured at several points is named: 2, 1/n, beta, 2/norm2(x).

Invariant: a name is given only where it fits at every point that was measured, at different sizes where there are
sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations

import numpy as np

from matcalc.errors import MatcalcError
from matcalc.homework.compare import Place
from matcalc.language import terms
from matcalc.language.terms import Term, subterms
from matcalc.numeric.evaluate import Array

__all__ = ["Scalars", "ratio", "simple"]

TOLERANCE = 1e-7
POWERS = (1, -1, 2, -2, Fraction(1, 2), Fraction(-1, 2))
LARGEST = 24  # numerator or denominator of a simple number
MOST = 24  # scalars that are tried


def ratio(above: Array, below: Array) -> float | None:
    """The number c with ``above = c*below``; None where there is none."""
    if above.shape != below.shape:
        return None
    if not (np.all(np.isfinite(above)) and np.all(np.isfinite(below))):
        return None
    size = float(np.sum(below * below))
    if size < 1e-24:
        return None
    c = float(np.sum(above * below)) / size
    scale = max(float(np.max(np.abs(above), initial=0.0)), abs(c) * float(np.max(np.abs(below), initial=0.0)), 1e-9)
    return c if float(np.max(np.abs(above - c * below), initial=0.0)) < TOLERANCE * scale else None


def simple(value: float) -> Fraction | None:
    """A fraction of small numbers near a value."""
    if not np.isfinite(value) or abs(value) > LARGEST or abs(value) < 1 / (2 * LARGEST):
        return None
    q = Fraction(value).limit_denominator(LARGEST)
    return q if q != 0 and abs(float(q) - value) < TOLERANCE * abs(value) else None


@dataclass(slots=True)
class Scalars:
    """The scalars of a problem that may be missing as a factor: sizes, symbols and scalar subexpressions."""

    terms: list[Term] = field(default_factory=list)

    @classmethod
    def of(cls, roots: Iterable[Term]) -> Scalars:
        """The scalars in some terms: sizes first, then names, then the rest."""
        found: dict[Term, None] = {}
        for root in roots:
            for t in subterms(root):
                for d in t.shape:
                    if d.value is None and not any(n.startswith("#") for n in d.names()):
                        found.setdefault(terms.size(d))
                if t.is_scalar and not t.tangent and t.op not in ("num", "neg", "add") and not _is_bound(t):
                    found.setdefault(t)
        rank = {"size": 0, "sym": 1}
        ordered = sorted(found, key=lambda t: rank.get(t.op, 2))
        return cls(ordered[:MOST])

    def with_more(self, term: Term) -> Scalars:
        """These scalars and those of one more term."""
        more = [t for t in Scalars.of([term]).terms if t not in self.terms and t.op != "div"]
        return Scalars([*self.terms, *more[: MOST // 2]]) if more else self

    def named(self, ratios: Sequence[tuple[Place, float]], level: int = 2) -> Term | None:
        """The term that has these values at these places, as a simple number times powers of scalars.

        ``level``: 0 for sizes and names only, 1 for one scalar of any kind, 2 for two of them.
        """
        if not ratios:
            return None
        fixed = _common([r for _, r in ratios])
        if fixed is not None:
            return terms.number(fixed)
        if len(ratios) < 2:
            return None
        offered = [t for t in self.terms if t.op in ("size", "sym")] if level == 0 else self.terms
        table = [(t, values) for t in offered if (values := _values(t, ratios)) is not None]
        for t, values in table:
            for e in POWERS:
                made = _named(ratios, [v ** float(e) if v > 0 or isinstance(e, int) else np.nan for v in values])
                if made is not None:
                    return _product(made, [(t, Fraction(e))])
        pairs = table[:10] if level > 1 else [(t, v) for t, v in table if t.op in ("size", "sym")][:10]
        for (t, a), (u, b) in combinations(pairs, 2):
            for e, f in ((-1, -1), (1, 1), (1, -1), (-1, 1)):
                made = _named(ratios, [x**e * y**f for x, y in zip(a, b, strict=True)])
                if made is not None:
                    return _product(made, [(t, Fraction(e)), (u, Fraction(f))])
        return None


def _is_bound(t: Term) -> bool:
    return t.op == "elem" or any(s.op == "elem" for s in subterms(t))


def _values(t: Term, ratios: Sequence[tuple[Place, float]]) -> list[float] | None:
    out = []
    for place, _ in ratios:
        try:
            v = float(place.value(t)[0, 0])
        except MatcalcError:
            return None
        if not np.isfinite(v) or abs(v) < 1e-9:
            return None
        out.append(v)
    return out


def _common(values: Sequence[float]) -> Fraction | None:
    """The simple number that all values are."""
    first = simple(values[0])
    if first is None:
        return None
    return first if all(abs(v - float(first)) < TOLERANCE * abs(v) for v in values[1:]) else None


def _named(ratios: Sequence[tuple[Place, float]], bases: Sequence[float]) -> Fraction | None:
    quotients = [r / b for (_, r), b in zip(ratios, bases, strict=True)]
    return _common(quotients) if all(np.isfinite(q) for q in quotients) else None


def _product(q: Fraction, parts: Sequence[tuple[Term, Fraction]]) -> Term:
    """``2*beta/n`` from a number and powers."""
    above = [_power(t, e) for t, e in parts if e > 0]
    below = [_power(t, -e) for t, e in parts if e < 0]
    if abs(q.numerator) != 1 or not above:
        above.insert(0, terms.number(abs(q.numerator)))
    if q.denominator != 1:
        below.insert(0, terms.number(q.denominator))
    out = terms.mul(*above)
    if below:
        out = terms.div(out, terms.mul(*below))
    return terms.neg(out) if q < 0 else out


def _power(t: Term, e: Fraction) -> Term:
    if e == 1:
        return t
    return terms.fn("sqrt", t) if e == Fraction(1, 2) else terms.power(t, int(e))


def places_of(places: Iterable[Place | None]) -> Iterator[Place]:
    return (p for p in places if p is not None)
