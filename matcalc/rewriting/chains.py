"""Chains of factors: what cancels, where a chain falls apart, what a diagonal does to the column behind it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from matcalc.language import terms as T
from matcalc.language.dims import ONE as ONE_DIM
from matcalc.language.dims import SCALAR, Shape
from matcalc.language.terms import Term
from matcalc.rewriting.contraction import contract, split_hadamard
from matcalc.rewriting.picking import picked_chain
from matcalc.rewriting.polynomial import Poly, Word, numeral, total

if TYPE_CHECKING:
    from matcalc.rewriting.normal import Normalizer

F1 = Fraction(1)


def inverse_factor(n: Normalizer, f: Term) -> Term | None:
    """The inverse of one square factor, canonical; None where it is not square."""
    if not f.shape.is_square:
        return None
    if f.op == "transpose":
        inner = n.inverse_factor(f.args[0])
        return None if inner is None else n.flip(inner)
    if f.op == "inv":
        return f.args[0]
    if f.op == "eye":
        return f
    if n.has(f, "orthogonal"):
        return n.flip(f)
    if f.op == "diag":
        return T.make("diag", n.column_power(f.args[0], Fraction(-1)))
    if f.op == "commutation":
        return n.flip(f)
    return T.make("inv", f)


def column_power(n: Normalizer, v: Term, e: Fraction) -> Term:
    return n.vector({b: k * e for b, k in n.elements(v).items()}, v.shape)


def simplify(n: Normalizer, word: Word) -> tuple[Word, bool]:
    """Neighbours that cancel or merge: identities, inverses, orthogonal pairs, diagonals. The measure is length."""
    out: list[Term] = []
    for f in word:
        if f.op == "eye":
            continue
        if out:
            g = out[-1]
            if n.adds_to_one(g, f):
                out.pop()
                if f.op == "ones" and g.shape.rows is not ONE_DIM:
                    out.append(T.ones(g.shape.rows))
                elif f.op != "ones" and f.shape.cols is not ONE_DIM:
                    out.append(T.transpose(T.ones(f.shape.cols)))
                continue
            if g.op == "diag" and n.is_diagonal(f):  # diagonal matrices commute: names before diag(...)
                out[-1], f, g = f, g, f
            if f.op == "diag" and g.op == "diag":
                out[-1] = T.make("diag", n.merged(g.args[0], f.args[0]))
                if out[-1].args[0].op == "ones":
                    out.pop()
                continue
            if f.op == "commutation" and g.op == "kron" and len(g.args) == 2:
                a, b = g.args
                if f.data == (a.shape.cols, b.shape.cols) and a is not b:  # the exchange goes in front
                    g = out[-1] = T.commutation(a.shape.rows, b.shape.rows)
                    f = T.make("kron", b, a)
            if f.op == "kron" and g.op == "kron" and (mixed := _mixed_product(n, g, f)) is not None:
                out[-1] = mixed
                continue
            if f.shape.is_square and g.shape == f.shape and f.op != "diag" and n.inverse_factor(g) is f:
                out.pop()
                continue
        out.append(f)
    if not out and word and word[0].shape.rows is not ONE_DIM:
        out.append(T.eye(word[0].shape.rows))
    return tuple(out), len(out) < len(word)


def _mixed_product(n: Normalizer, a: Term, b: Term) -> Term | None:
    """``kron(A, B)*kron(C, D) = kron(A*C, B*D)`` where both products are single chains."""
    if len(a.args) != len(b.args):
        return None
    parts = []
    for x, y in zip(a.args, b.args, strict=True):
        if x.is_scalar or y.is_scalar or x.shape.cols is not y.shape.rows:
            return None
        single = n.product(n.unit(n.word_of(x), x.shape), n.unit(n.word_of(y), y.shape)).single
        if single is None or single[1] != 1 or single[0][0] or not single[0][1]:
            return None
        parts.append(T.mul(*single[0][1]) if len(single[0][1]) > 1 else single[0][1][0])
    if all(p.op == "eye" for p in parts):
        return T.eye(a.shape.rows)
    return T.make("kron", *parts)


def _kronecker_pair(n: Normalizer, g: Term, f: Term) -> Poly | None:
    """``kron(A, B)*vec(X) = vec(B*X*A')``, and ``kron(a', B)*kron(c, D) = (a'*c)*B*D``; None where neither applies."""
    if g.op == "kron" and f.op == "vec" and len(g.args) == 2:
        (a, b), x = g.args, f.args[0]
        if x.shape.rows is b.shape.cols and x.shape.cols is a.shape.cols:
            return n.poly(T.make("vec", T.mul(b, x, T.transpose(a))))
    if f.op == "kron" and g.op == "transpose" and g.args[0].op == "vec":
        met = _kronecker_pair(n, n.flip(f), g.args[0])
        return None if met is None else n.transposed(met)
    if f.op == "kron" and g.op == "kron" and len(f.args) == len(g.args):
        pairs = list(zip(g.args, f.args, strict=True))
        fits = all(x.shape.cols is y.shape.rows for x, y in pairs)
        if fits and any(x.shape.rows is ONE_DIM and y.shape.cols is ONE_DIM for x, y in pairs):
            return n.poly(T.make("kron", *(T.mul(x, y) for x, y in pairs)))
    return None


def merged(n: Normalizer, u: Term, v: Term) -> Term:
    """The Hadamard product of two canonical columns that are plain multisets."""
    table = dict(n.elements(u))
    for b, e in n.elements(v).items():
        table[b] = table.get(b, Fraction(0)) + e
    return n.vector({b: e for b, e in table.items() if e}, u.shape)


def chain(n: Normalizer, word: Word, shape: Shape) -> Poly:
    """The polynomial of a chain of canonical factors. One that was met before is not worked out again."""
    found = n.chains.get((word, shape))
    if found is None:
        found = n.chains[(word, shape)] = _chained(n, word, shape)
    return found


def _chained(n: Normalizer, word: Word, shape: Shape) -> Poly:
    sign, word = n.unskewed(word)
    if sign < 0:
        return chain(n, word, shape).scaled(sign)
    while True:
        word, changed = n.simplify(word)
        if not changed:
            break
    if not word:
        return numeral(F1)
    if len(word) == 1 and word[0].op == "eye":
        return numeral(F1) if shape.is_scalar else n.unit(word, shape)
    for i in range(1, len(word)):
        met = _kronecker_pair(n, word[i - 1], word[i])
        if met is not None:
            sides = [n.unit(w, Shape(w[0].shape.rows, w[-1].shape.cols)) for w in (word[: i - 1], word[i + 1 :]) if w]
            out = n.product(sides.pop(0), met) if i > 1 else met
            return n.product(out, sides[0]) if sides else out
    segments: list[Word] = []
    start = 0
    for i in range(1, len(word)):
        if word[i].shape.rows is ONE_DIM:
            segments.append(word[start:i])
            start = i
    segments.append(word[start:])
    if len(segments) == 1:
        return n.segment(word, shape)
    parts = [n.segment(s, Shape(s[0].shape.rows, s[-1].shape.cols)) for s in segments]
    if shape.is_scalar or len(parts) > 2 or parts[0].shape.is_scalar or parts[-1].shape.is_scalar:
        scalars = [p for p in parts if p.shape.is_scalar]
        rest = [p for p in parts if not p.shape.is_scalar]
        out = n.outer(rest, shape) if rest else numeral(F1)
        for p in scalars:
            out = n.product(p, out)
        return out
    return n.outer(parts, shape)


def outer(n: Normalizer, parts: Sequence[Poly], shape: Shape) -> Poly:
    """A column times a row: the words stand side by side."""
    if len(parts) == 1:
        return parts[0]
    out = []
    for (s1, w1), c1 in parts[0].terms.items():
        for (s2, w2), c2 in parts[1].terms.items():
            out.append(n.reduce((n.join(s1, s2), w1 + w2), shape).scaled(c1 * c2))
    return total(shape, out)


def segment(n: Normalizer, word: Word, shape: Shape) -> Poly:
    """A chain without an inner size 1."""
    if shape.is_scalar:
        return n.scalar_chain(word)
    if shape.cols is ONE_DIM:
        return n.column_chain(word, shape)
    if shape.rows is ONE_DIM:
        return n.transposed(n.column_chain(n.flip_word(word), shape.transposed))
    return n.unit(word, shape)


def column_chain(n: Normalizer, word: Word, shape: Shape) -> Poly:
    """A chain that ends in a column: diagonals are entrywise products with what follows."""
    for i in range(len(word) - 2, -1, -1):
        if word[i].op == "diag":
            below = word[i + 1 :]
            column = Shape(below[0].shape.rows, ONE_DIM)
            v = n.entrywise([n.unit((word[i].args[0],), column), n.unit(below, column)], column)
            return n.product(n.unit(word[:i], Shape(word[0].shape.rows, word[i].shape.rows)), v) if i else v
    return n.unit(word, shape)


def scalar_chain(n: Normalizer, word: Word) -> Poly:
    """A chain from a row to a column."""
    picked = picked_chain(n, word)
    if picked is not None:
        return picked
    split = split_hadamard(n, word)
    if split is not None:
        return split
    row = n.flip(word[0])
    column = Shape(row.shape.rows, ONE_DIM)
    for i in range(1, len(word) - 1):
        if word[i].op == "diag":
            k = Shape(word[i].shape.rows, ONE_DIM)
            left = n.column_chain(n.flip_word(word[:i]), k)
            v = n.entrywise([left, n.unit((word[i].args[0],), k), n.column_chain(word[i + 1 :], k)], k)
            return n.sum_of_column(v)
    v = n.entrywise([n.unit((row,), column), n.column_chain(word[1:], column)], column)
    return contract(n, v) if v.single else n.sum_of_column(v)


def sum_of_column(n: Normalizer, v: Poly) -> Poly:
    """The sum of the entries of a column."""
    parts = []
    for (s, w), c in v.terms.items():
        parts.append(n.product(Poly(SCALAR, {(s, ()): c}), contract(n, n.unit(w, v.shape))))
    return total(SCALAR, parts)
