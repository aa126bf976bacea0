"""Hadamard products of matrices: rank-one and diagonal parts move out, the rest is a multiset.

``(u*v').*X = diag(u)*X*diag(v)``, ``(D*P*E).*Q = D*(P.*Q)*E`` for diagonal D and E, ``I.*X = diag(diag(X))``.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from matcalc.language import terms as T
from matcalc.language.dims import ONE, Shape
from matcalc.language.terms import Term
from matcalc.rewriting.contraction import diagonal
from matcalc.rewriting.polynomial import Poly, Word, order, total

if TYPE_CHECKING:
    from matcalc.rewriting.normal import Normalizer

__all__ = ["diagonal_of", "matrix_hadamard", "matrix_power"]

F1 = Fraction(1)


def matrix_hadamard(n: Normalizer, w1: Word, w2: Word, shape: Shape) -> Poly:
    """The Hadamard product of two words of one matrix shape."""
    for a, b in ((w1, w2), (w2, w1)):
        if all(n.is_diagonal(f) for f in a):
            column = Shape(shape.rows, ONE)
            return diagonal(
                n, n.entrywise([diagonal_of(n, n.unit(a, shape)), diagonal_of(n, n.unit(b, shape))], column)
            )
        if len(a) == 1 and a[0].op in ("eye", "diag"):
            below = diagonal_of(n, n.unit(b, shape))
            if a[0].op == "diag":
                v = Shape(shape.rows, ONE)
                below = n.entrywise([n.unit(n.word_of(a[0].args[0]), v), below], v)
            return diagonal(n, below)
    left: list[Poly] = []
    right: list[Poly] = []
    core: dict[Term, Fraction] = {}
    for w in (w1, w2):
        rest = _peel(n, w, shape, left, right)
        for f, e in rest.items():
            core[f] = core.get(f, Fraction(0)) + e
    return _assembled(n, {b: e for b, e in core.items() if e}, left, right, shape)


def _peel(n: Normalizer, word: Word, shape: Shape, left: list[Poly], right: list[Poly]) -> dict[Term, Fraction]:
    """Move rank-one and diagonal parts of a word to the sides; return the entrywise factors that remain."""
    rows, cols = Shape(shape.rows, ONE), Shape(shape.cols, ONE)
    cut = next((i for i in range(1, len(word)) if word[i].shape.rows is ONE), None)
    if cut is not None:
        left.append(n.unit(word[:cut], rows))
        right.append(n.unit(n.flip_word(word[cut:]), cols))
        return {}
    if len(word) > 1 and word[0].op == "diag":
        left.append(n.unit(n.word_of(word[0].args[0]), rows))
        word = word[1:]
    if len(word) > 1 and word[-1].op == "diag":
        right.append(n.unit(n.word_of(word[-1].args[0]), cols))
        word = word[:-1]
    if len(word) > 1:
        return {T.mul(*word): F1}
    f = word[0]
    if f.op == "transpose" and f.args[0].op in ("had", "hpow"):
        out: dict[Term, Fraction] = {}
        for b, e in n.elements(f.args[0]).items():
            flipped = n.flip_word(n.word_of(b))
            term = T.mul(*flipped) if len(flipped) > 1 else flipped[0]
            out[term] = out.get(term, Fraction(0)) + e
        return out
    return n.elements(f)


def _assembled(n: Normalizer, core: Mapping[Term, Fraction], left: list[Poly], right: list[Poly], shape: Shape) -> Poly:
    rows, cols = Shape(shape.rows, ONE), Shape(shape.cols, ONE)
    u = n.entrywise(left, rows) if left else n.unit((T.ones(shape.rows),), rows)
    v = n.entrywise(right, cols) if right else n.unit((T.ones(shape.cols),), cols)
    if not core:
        return n.product(u, n.transposed(v))
    middle = relations(n, core, shape)
    out = middle if _is_ones(u) else n.product(diagonal(n, u), middle)
    return out if _is_ones(v) else n.product(out, diagonal(n, v))


def _is_ones(p: Poly) -> bool:
    single = p.single
    return (
        single is not None
        and single[0][0] == ()
        and single[1] == 1
        and len(single[0][1]) == 1
        and single[0][1][0].op == "ones"
    )


def relations(n: Normalizer, core: Mapping[Term, Fraction], shape: Shape) -> Poly:
    """The multiset of matrices as a polynomial; sums with a positive power are multiplied out."""
    related = n.relation(core, shape)
    if related is not None:
        return total(shape, [relations(n, t, shape).scaled(c) for c, t in related])
    if shape.cols is not ONE and len(core) >= 1:
        for b, e in core.items():
            if b.op == "add" and e.denominator == 1 and e > 0 and n.expandable(core.items()):
                rest = {k: x for k, x in core.items() if k is not b}
                parts = [n.poly(b)] * int(e) + [relations(n, rest, shape)]
                return n.entrywise(parts, shape)
    if not core:
        return n.poly(T.ones(*shape))
    if len(core) == 1:
        b, e = next(iter(core.items()))
        if e == 1:
            return n.unit(n.word_of(b), shape)
    term = n.vector(core, shape)
    if term.op == "had":  # of the product and its transpose the smaller one is written
        other = {T.mul(*n.flip_word(n.word_of(b))) if b.op == "mul" else n.flip(b): e for b, e in core.items()}
        twin = n.vector(other, shape.transposed)
        if order(twin) < order(term):
            return n.unit((T.transpose(twin),), shape)
    return n.unit((term,), shape)


def matrix_power(n: Normalizer, word: Word, e: Fraction, shape: Shape) -> Poly | None:
    """An entrywise power of one word; None where its parts may not be powered one by one."""
    left: list[Poly] = []
    right: list[Poly] = []
    core = _peel(n, word, shape, left, right)
    whole = e.denominator == 1
    if len(word) == 1 and word[0].op in ("eye", "diag"):
        return None
    if not whole and (
        left or right or not all(k.denominator != 1 or k % 2 or n.nonnegative(b) for b, k in core.items())
    ):
        return None
    if not whole and len(core) > 1 and not all(n.nonnegative(b) for b in core):
        return None

    def powered(p: Poly) -> Poly:
        ((_, w),) = p.terms
        table = n.elements(w[0]) if len(w) == 1 else {T.mul(*w): F1}
        return n.column({b: k * e for b, k in table.items()}, p.shape)

    return _assembled(
        n, {b: k * e for b, k in core.items()}, [powered(p) for p in left], [powered(p) for p in right], shape
    )


def diagonal_of(n: Normalizer, p: Poly) -> Poly:
    """``diag(X)`` of a square polynomial as a column, term by term."""
    column = Shape(p.shape.rows, ONE)
    parts = []
    for (s, w), c in p.terms.items():
        parts.append(n.product(Poly(_scalar(), {(s, ()): c}), _diagonal_of_word(n, w, column)))
    return total(column, parts)


def _scalar() -> Shape:
    return Shape(ONE, ONE)


def _row_sums(n: Normalizer, word: Word, column: Shape) -> Poly:
    """``diag(X*Y') = (X.*Y)*ones``, cut where the fewest transposes are left."""
    cuts = []
    for i in range(1, len(word)):
        left, right = word[:i], n.flip_word(word[i:])
        cuts.append((sum(f.op == "transpose" for f in left + right), [order(f) for f in left], left, right))
    _, _, left, right = min(cuts, key=lambda c: c[:2])
    shape = Shape(column.rows, left[-1].shape.cols)
    product = n.entrywise([n.unit(left, shape), n.unit(right, shape)], shape)
    return n.product(product, n.unit((T.ones(shape.cols),), Shape(shape.cols, ONE)))


def _side(n: Normalizer, f: Term, column: Shape) -> Poly | None:
    """The diagonal of a factor that is a diagonal matrix: by its form, or by declaration."""
    if f.op == "diag":
        return n.unit(n.word_of(f.args[0]), column)
    if not n.is_diagonal(f):
        return None
    if f.op == "inv":
        return n.column({T.make("diagvec", f.args[0]): -F1}, column)
    return n.unit((T.make("diagvec", f),), column)


def _diagonal_of_word(n: Normalizer, word: Word, column: Shape) -> Poly:
    if len(word) == 1 and word[0].op == "eye":
        return n.unit((T.ones(column.rows),), column)
    if len(word) == 1 and word[0].op == "diag":
        return n.unit(n.word_of(word[0].args[0]), column)
    cut = next((i for i in range(1, len(word)) if word[i].shape.rows is ONE), None)
    if cut is not None:
        return n.entrywise([n.unit(word[:cut], column), n.unit(n.flip_word(word[cut:]), column)], column)
    sides: list[Poly] = []
    while len(word) > 1 and (side := _side(n, word[0], column)) is not None:
        sides.append(side)
        word = word[1:]
    while len(word) > 1 and (side := _side(n, word[-1], column)) is not None:
        sides.append(side)
        word = word[:-1]
    if len(word) == 1 and word[0].op == "diag":
        sides.append(n.unit(n.word_of(word[0].args[0]), column))
        return n.entrywise(sides, column)
    word = min(word, n.flip_word(word), key=lambda w: [order(f) for f in w])
    if len(word) > 1:
        return n.entrywise([*sides, _row_sums(n, word, column)], column)
    inner = word[0]
    if inner.op == "inv" and (side := _side(n, inner, column)) is not None:
        return n.entrywise([*sides, side], column)
    if inner.op == "had":
        return n.entrywise([*sides, *(diagonal_of(n, n.poly(a)) for a in inner.args)], column)
    core = n.unit((T.make("diagvec", inner),), column)
    return n.entrywise([*sides, core], column)
