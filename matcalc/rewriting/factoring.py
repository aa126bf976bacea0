"""Moves that factor a sum, each a named undirected identity.

A move takes a group of monomials with something in common out of a polynomial and puts back one monomial in which their
rest is a sum by itself.  The normalizer is the opaque one: it keeps such a sum whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

from matcalc.language import terms as T
from matcalc.language.dims import ONE, SCALAR, Shape
from matcalc.language.terms import Term
from matcalc.rewriting.normal import Normalizer
from matcalc.rewriting.polynomial import Monomial, Poly, Word, monomial_order, total
from matcalc.rewriting.sums import merged

__all__ = ["Move", "moves"]

F1 = Fraction(1)
Key = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Move:
    """One factoring: ``rule`` is the identity, ``poly`` the polynomial afterwards."""

    rule: str
    saving: float
    poly: Poly


def moves(n: Normalizer, full: Normalizer, p: Poly, weight: Callable[[Term], float]) -> Iterator[Move]:
    """The moves on a polynomial, the most saving first, made one at a time. ``weight`` is the cost of a factor."""
    groups: dict[Key, list[Monomial]] = {}
    weights: dict[Key, float] = {}
    for m in sorted(p.terms, key=monomial_order):
        for key, w in _common(n, m, p.shape, weight):
            groups.setdefault(key, []).append(m)
            weights[key] = w
    found: list[tuple[float, int, Callable[[], Move | None]]] = []
    done: set[tuple[str, tuple[Monomial, ...]]] = set()
    # Of several prefixes shared by the same monomials the longest one is taken.
    for key, ms in sorted(groups.items(), key=lambda km: -weights[km[0]]):
        mark = (key[0], tuple(ms))
        if len(ms) > 1 and mark not in done:
            done.add(mark)
            saving = (len(ms) - 1) * (1 + weights[key]) + (0.5 if len(ms) == len(p.terms) else 0.0)
            found.append((-saving, len(found), partial(_grouped, n, p, key, ms, saving)))
    found.append((-4.0, len(found), partial(_merged, n, p)))
    diagonals = [m for m in p.terms if len(m[1]) == 1 and m[1][0].op in ("diag", "eye")]
    if len(diagonals) > 1 and p.shape.is_matrix:
        found.append((-2.5 * (len(diagonals) - 1), len(found), partial(_one_diagonal, n, p, diagonals)))
    for b, group in _below(n, p).items():
        found.append((-3.0, len(found), partial(_over, n, full, p, b, group)))
    c, scalars, _ = n.content(p)
    if abs(c) != 1 or scalars or all(k < 0 for k in p.terms.values()):
        saving = float(len(p.terms) - 1 + len(scalars))
        found.append((-saving, len(found), lambda: Move("factor-scalar", saving, n.whole(p))))
    for _, _, make in sorted(found, key=lambda f: f[:2]):
        move = make()
        if move is not None:
            yield move


def _grouped(n: Normalizer, p: Poly, key: Key, group: list[Monomial], saving: float) -> Move | None:
    new = _applied(n, p, key, group)
    return None if new is None else Move(key[0], saving, new)


def _merged(n: Normalizer, p: Poly) -> Move | None:
    together = merged(n, p)
    return None if together is None else Move("merge-sums", 4.0, together)


def _one_diagonal(n: Normalizer, p: Poly, group: list[Monomial]) -> Move | None:
    """``diag(u) + diag(v) + I = diag(u + v + ones)``."""
    column = Shape(p.shape.rows, ONE)
    inner: dict[Monomial, Fraction] = {}
    for m in group:
        v = T.ones(p.shape.rows) if m[1][0].op == "eye" else m[1][0].args[0]
        inner[(m[0], n.word_of(v))] = p.terms[m]
    made = n.whole(Poly(column, inner)).single
    if made is None:
        return None
    (scalars, word), c = made
    v = word[0] if len(word) == 1 else T.mul(*word)
    one = Poly(p.shape, {(scalars, (T.make("diag", v),)): c})
    rest = Poly(p.shape, {m: k for m, k in p.terms.items() if m not in group})
    return Move("one-diagonal", 2.5, total(p.shape, [one, rest]))


def _below(n: Normalizer, p: Poly) -> dict[Term, list[Monomial]]:
    """Sums that stand below the line of several terms, scalar or entrywise, by different powers."""
    out: dict[Term, list[Monomial]] = {}
    powers: dict[Term, set[Fraction]] = {}
    for m in sorted(p.terms, key=monomial_order):
        for b, e in (*m[0], *_entries(n, m[1], p.shape).items()):
            if b.op == "add" and e < 0:
                out.setdefault(b, []).append(m)
                powers.setdefault(b, set()).add(e)
    return {b: ms for b, ms in out.items() if len(ms) > 1 and len(powers[b]) > 1}


def _over(n: Normalizer, full: Normalizer, p: Poly, b: Term, group: list[Monomial]) -> Move | None:
    """``x/b - y/b^2 = (x*b - y)/b^2``, where what is above collapses when it is multiplied out."""
    tables = [dict(m[0]) if b.is_scalar else _entries(n, m[1], p.shape) for m in group]
    least = min(t[b] for t in tables)
    above = []
    for m, table in zip(group, tables, strict=True):
        up = table[b] - least
        if up.denominator != 1:
            return None
        left = {a: e for a, e in table.items() if a is not b}
        if b.is_scalar:
            one = Poly(p.shape, {(n.join((), tuple(left.items())), m[1]): p.terms[m]})
        else:
            v = n.vector(left, p.shape)
            q = n.poly(v) if v.op == "ones" else n.unit(n.word_of(v), p.shape)
            one = n.product(Poly(SCALAR, {(m[0], ()): p.terms[m]}), q)
        factors = [full.poly(n.term(one)), *[full.poly(b)] * int(up)]
        above.append(full.entrywise(factors, p.shape))
    quotient = total(p.shape, above)
    if len(quotient.terms) >= len(group):
        return None
    under = n.atom(b, least) if b.is_scalar else n.column({b: least}, p.shape)
    rest = Poly(p.shape, {m: k for m, k in p.terms.items() if m not in group})
    return Move("common-denominator", 3.0, total(p.shape, [n.entrywise([under, n.whole(quotient)], p.shape), rest]))


def _common(n: Normalizer, m: Monomial, shape: Shape, weight: Callable[[Term], float]) -> Iterator[tuple[Key, float]]:
    """What a monomial could share with others: prefixes, suffixes, scalars, entrywise factors."""
    scalars, word = m
    for a, e in scalars:
        yield ("factor-scalar", (a, e > 0)), weight(a)
    if word:
        yield ("factor-scalars", word), sum(weight(f) for f in word) + len(word) - 1
    total_weight = 0.0
    for j in range(1, len(word) + 1):
        total_weight += weight(word[j - 1]) + (1 if j > 1 else 0)
        if j < len(word) or not shape.is_scalar:
            yield ("factor-left", word[:j]), total_weight
    total_weight = 0.0
    for j in range(len(word) - 1, -1, -1):
        total_weight += weight(word[j]) + (1 if j < len(word) - 1 else 0)
        if j > 0 or not shape.is_scalar:
            yield ("factor-right", word[j:]), total_weight
    for side in ("left", "right"):
        for b, e in _edge(n, word, shape, side).items():
            yield (f"factor-diagonal-{side}", (b, e > 0)), weight(b)
    if shape.is_vector or shape.is_row:
        for v in dict.fromkeys(v for v, _ in _before_vector(n, m, shape)):
            yield ("factor-vector", v), weight(v)
    for b, e in _entries(n, word, shape).items():
        yield ("factor-hadamard", (b, e > 0)), weight(b)


def _before_vector(n: Normalizer, m: Monomial, shape: Shape) -> Iterator[tuple[Term, Monomial]]:
    """The vectors a monomial of column shape can end in, and the matrix before each: ``(b'*x)*a = a*b'*x``."""
    scalars, word = m
    if shape.is_row:
        word = n.flip_word(word)
    if len(word) > 1:
        yield word[-1], (scalars, word[:-1])
    for i, (a, e) in enumerate(scalars):
        if a.op != "mul" or e != 1 or a.args[0].shape.rows is not ONE:
            continue
        if a.args[-1] is n.flip(a.args[0]):  # x'*A*x is one number to a reader
            continue
        for chain in (a.args, n.flip_word(a.args)):
            yield chain[-1], (scalars[:i] + scalars[i + 1 :], (*word, *chain[:-1]))


def _entries(n: Normalizer, word: Word, shape: Shape) -> dict[Term, Fraction]:
    if shape.is_scalar or not word:
        return {}
    if shape.cols is ONE:
        return n.elements(word[0]) if len(word) == 1 else {T.mul(*word): F1}
    return n.elements(word[0]) if len(word) == 1 and word[0].op in ("had", "hpow") else {}


def _applied(n: Normalizer, p: Poly, key: Key, group: list[Monomial]) -> Poly | None:
    kind, what = key
    rest = Poly(p.shape, {m: c for m, c in p.terms.items() if m not in group})
    made = BUILDERS[kind](n, p, what, group)
    if made is None or len(made.terms) >= len(group):
        return None
    return total(p.shape, [made, rest])


def _left(n: Normalizer, p: Poly, prefix: Word, group: list[Monomial]) -> Poly | None:
    inner = Shape(prefix[-1].shape.cols, p.shape.cols)
    quotient: dict[Monomial, Fraction] = {}
    for m in group:
        tail = m[1][len(prefix) :]
        if not tail and not inner.is_square:
            return None
        if not tail and not inner.is_scalar:
            tail = (T.eye(inner.rows),)
        quotient[(m[0], tail)] = p.terms[m]
    return n.product(n.unit(prefix, Shape(p.shape.rows, inner.rows)), n.whole(Poly(inner, quotient)))


def _right(n: Normalizer, p: Poly, suffix: Word, group: list[Monomial]) -> Poly | None:
    inner = Shape(p.shape.rows, suffix[0].shape.rows)
    quotient: dict[Monomial, Fraction] = {}
    for m in group:
        head = m[1][: len(m[1]) - len(suffix)]
        if not head and not inner.is_square:
            return None
        if not head and not inner.is_scalar:
            head = (T.eye(inner.rows),)
        quotient[(m[0], head)] = p.terms[m]
    if inner.is_scalar:
        return n.product(n.whole(Poly(SCALAR, quotient)), n.unit(suffix, p.shape))
    return n.product(n.whole(Poly(inner, quotient)), n.unit(suffix, Shape(inner.cols, p.shape.cols)))


def _vector(n: Normalizer, p: Poly, v: Term, group: list[Monomial]) -> Poly | None:
    inner = Shape(p.shape.rows if p.shape.is_vector else p.shape.cols, v.shape.rows)
    quotient: dict[Monomial, Fraction] = {}
    for m in group:
        matrix = next(rest for end, rest in _before_vector(n, m, p.shape) if end is v)
        quotient[matrix] = quotient.get(matrix, Fraction(0)) + p.terms[m]
    made = n.product(n.whole(Poly(inner, quotient)), n.unit((v,), v.shape))
    return made if p.shape.is_vector else n.transposed(made)


def _scalar(n: Normalizer, p: Poly, what: tuple[Term, bool], group: list[Monomial]) -> Poly | None:
    atom, positive = what
    powers = [dict(m[0])[atom] for m in group]
    e = min(powers) if positive else max(powers)
    quotient = {(n.join(m[0], ((atom, -e),)), m[1]): p.terms[m] for m in group}
    return n.product(n.atom(atom, e), n.whole(Poly(p.shape, quotient)))


def _scalars(n: Normalizer, p: Poly, word: Word, group: list[Monomial]) -> Poly | None:
    quotient = Poly(SCALAR, {(m[0], ()): p.terms[m] for m in group})
    return n.product(n.whole(quotient), n.unit(word, p.shape))


def _edge(n: Normalizer, word: Word, shape: Shape, side: str) -> dict[Term, Fraction]:
    """The entrywise factors of the diagonal, or of the column, at one end of a matrix chain."""
    if not word or not shape.is_matrix:
        return {}
    f = word[0] if side == "left" else word[-1]
    if f.op == "diag":
        return n.elements(f.args[0])
    if side == "left":
        return n.elements(f) if f.shape.cols is ONE else {}
    return n.elements(n.flip(f)) if f.shape.rows is ONE else {}


def _diagonal_left(n: Normalizer, p: Poly, what: tuple[Term, bool], group: list[Monomial]) -> Poly | None:
    """``diag(u.*v)*X + u*y' = diag(u)*(diag(v)*X + ones*y')``."""
    turned = Poly(p.shape.transposed, {(m[0], n.flip_word(m[1])): c for m, c in p.terms.items()})
    made = _diagonal_right(n, turned, what, [(m[0], n.flip_word(m[1])) for m in group])
    return None if made is None else n.transposed(made)


def _diagonal_right(n: Normalizer, p: Poly, what: tuple[Term, bool], group: list[Monomial]) -> Poly | None:
    """``X*diag(u.*v) + y*u' = (X*diag(v) + y*ones')*diag(u)``, everything the group shares at once."""
    tables = [_edge(n, m[1], p.shape, "right") for m in group]
    common: dict[Term, Fraction] = {}
    for b in tables[0]:
        powers = [t.get(b, Fraction(0)) for t in tables]
        if min(powers) > 0 or max(powers) < 0:
            common[b] = min(powers) if powers[0] > 0 else max(powers)
    column = Shape(p.shape.cols, ONE)
    parts = []
    for m, table in zip(group, tables, strict=True):
        left = {b: k - common.get(b, 0) for b, k in table.items()}
        rest = n.vector({b: k for b, k in left.items() if k}, column)
        head = m[1][:-1]
        if m[1][-1].op == "diag":
            tail = () if rest.op == "ones" else (T.make("diag", rest),)
            word = (*head, *tail) or (T.eye(p.shape.cols),)
        else:
            word = (*head, *n.flip_word(n.word_of(rest)))
        parts.append(Poly(p.shape, {(m[0], word): p.terms[m]}))
    quotient = total(p.shape, parts)
    if len(quotient.terms) < 2:
        return None
    factor = n.unit((T.make("diag", n.vector(common, column)),), Shape(p.shape.cols, p.shape.cols))
    return n.product(n.whole(quotient), factor)


def _hadamard(n: Normalizer, p: Poly, what: tuple[Term, bool], group: list[Monomial]) -> Poly | None:
    """Everything the group shares entrywise comes out at once."""
    tables = [_entries(n, m[1], p.shape) for m in group]
    common: dict[Term, Fraction] = {}
    for b in tables[0]:
        powers = [t.get(b, Fraction(0)) for t in tables]
        if min(powers) > 0 or max(powers) < 0:
            common[b] = min(powers) if powers[0] > 0 else max(powers)
    parts = []
    for m, table in zip(group, tables, strict=True):
        left = {b: k - common.get(b, 0) for b, k in table.items()}
        rest = n.vector({b: k for b, k in left.items() if k}, p.shape)
        q = n.poly(rest) if rest.op == "ones" else n.unit(n.word_of(rest), p.shape)
        parts.append(n.product(Poly(SCALAR, {(m[0], ()): p.terms[m]}), q))
    factor = n.unit(n.word_of(n.vector(common, p.shape)), p.shape)
    quotient = total(p.shape, parts)
    return n.entrywise([factor, n.whole(quotient)], p.shape) if quotient.terms else None


BUILDERS: Mapping[str, Callable[[Normalizer, Poly, Any, list[Monomial]], Poly | None]] = {
    "factor-left": _left,
    "factor-right": _right,
    "factor-vector": _vector,
    "factor-scalar": _scalar,
    "factor-scalars": _scalars,
    "factor-hadamard": _hadamard,
    "factor-diagonal-left": _diagonal_left,
    "factor-diagonal-right": _diagonal_right,
}
