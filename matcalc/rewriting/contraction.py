"""Scalars made of chains: ``u'*A*v``, ``sum(u.*(A*v).*w)``, traces.

A scalar chain is a tree: its joints are columns multiplied entrywise, its edges are products of matrices. The same
scalar can be written from any joint; the canonical form is the least of these writings. A trace is a cycle; its
canonical form is the least rotation of the word or of its transpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from matcalc.language import terms as T
from matcalc.language.dims import ONE, SCALAR, Shape
from matcalc.language.terms import Term
from matcalc.rewriting.picking import picked_chain
from matcalc.rewriting.polynomial import Poly, Word, numeral, order, total

if TYPE_CHECKING:
    from matcalc.rewriting.normal import Normalizer

__all__ = ["contract", "split_hadamard", "trace"]

F1 = Fraction(1)
MAX_JOINTS = 24  # writings of one scalar that are compared
Joint = tuple[tuple[Term, Fraction], ...]


def contract(n: Normalizer, v: Poly) -> Poly:
    """The sum of the entries of a column of one monomial."""
    single = v.single
    if single is None:
        return n.sum_of_column(v) if v.terms else Poly(SCALAR, {})
    (scalars, word), c = single
    if scalars or c != 1:
        inner = contract(n, n.unit(word, v.shape))
        return n.product(Poly(SCALAR, {(scalars, ()): c}), inner)
    table = n.elements(word[0]) if len(word) == 1 else {T.mul(*word): F1}
    return _contract(n, table, v.shape)


def _contract(n: Normalizer, table: Mapping[Term, Fraction], shape: Shape) -> Poly:
    if not table:
        return n.size(shape.rows)
    alone = next(iter(table)) if list(table.values()) == [F1] else None
    if alone is not None and alone.op != "mul" and n.adds_to_one(n.flip(alone), T.ones(shape.rows)):
        return numeral(F1)
    ends = _two_ends(n, table)
    if ends is not None:
        word, changed = n.simplify(ends)
        if changed:
            return n.chain(word, SCALAR)
        entry = picked_chain(n, word)
        if entry is not None:
            return entry
        split = split_hadamard(n, word)
        if split is not None:
            return split
        table = _joint_of(n, word)
        shape = n.flip(word[0]).shape
    found = _writings(n, table, shape)
    joints = sorted(found, key=_joint_key)
    if not joints[0]:  # everything cancels at one joint: the sum of ones of that joint's own size
        return n.size(found[joints[0]].rows)
    for joint in joints:  # sum(u.*diag(A)) = tr(diag(u)*A)
        for b, e in joint:
            if b.op == "diagvec" and e == 1:
                rest = n.vector({k: x for k, x in joint if k is not b}, b.shape)
                square = Shape(b.shape.rows, b.shape.rows)
                left = diagonal(n, n.unit(n.word_of(rest), b.shape))
                return trace(n, n.product(Poly(square, left.terms), n.poly(b.args[0])))
    written = _written(n, dict(joints[0]), shape)
    if written.op != "mul":
        return n.atom(written)
    sign, word = n.unskewed(written.args)
    return n.atom(T.mul(*word)).scaled(sign)


def _two_ends(n: Normalizer, table: Mapping[Term, Fraction]) -> Word | None:
    """A joint of two edges is no joint: one chain from end to end."""
    ends = pair_of(table)
    if ends is None:
        return None
    a, b = ends
    if a.op != "mul" and b.op != "mul":
        return None
    return (*n.flip_word(n.word_of(a)), *n.word_of(b))


def pair_of(table: Mapping[Term, Fraction]) -> tuple[Term, Term] | None:
    """The two entrywise factors of a multiset of exactly two (or one squared); None for any other."""
    powers = list(table.items())
    if len(powers) == 1 and powers[0][1] == 2:
        return powers[0][0], powers[0][0]
    if len(powers) == 2 and powers[0][1] == powers[1][1] == 1:
        return powers[0][0], powers[1][0]
    return None


def _joint_of(n: Normalizer, word: Word) -> dict[Term, Fraction]:
    """The multiset at the row end of a chain."""
    table = dict(n.elements(n.flip(word[0])))
    tail = word[1:]
    for b, e in ({T.mul(*tail): F1} if len(tail) > 1 else n.elements(tail[0])).items():
        table[b] = table.get(b, Fraction(0)) + e
    return {b: e for b, e in table.items() if e}


def _joint_key(joint: Joint) -> Any:
    return [(order(b), e) for b, e in joint]


def _writings(n: Normalizer, table: Mapping[Term, Fraction], shape: Shape) -> dict[Joint, Shape]:
    """The scalar written from every joint that can be reached, with the shape of the column there."""
    first = _sorted(table)
    seen: dict[Joint, Shape] = {first: shape}
    todo = [first]
    while todo and len(seen) < MAX_JOINTS:
        joint = todo.pop()
        here = seen[joint]
        for b, e in joint:
            if b.op != "mul" or e != 1 or b.args[-1].op == "unit":
                continue
            rest = n.vector({k: x for k, x in joint if k is not b}, here)
            far = b.args[-1]
            edge = n.flip_word(b.args[:-1])
            tail, _ = n.simplify((*edge, *n.word_of(rest)))
            moved = dict(n.elements(far))
            tail_term = T.mul(*tail) if len(tail) > 1 else tail[0]
            for k, x in (n.elements(tail_term) if len(tail) == 1 else {tail_term: F1}).items():
                moved[k] = moved.get(k, Fraction(0)) + x
            new = _sorted({k: x for k, x in moved.items() if x})
            if new not in seen:
                seen[new] = Shape(far.shape.rows, ONE)
                todo.append(new)
    return seen


def _sorted(table: Mapping[Term, Fraction]) -> Joint:
    return tuple(sorted(table.items(), key=lambda be: order(be[0])))


def _written(n: Normalizer, table: dict[Term, Fraction], shape: Shape) -> Term:
    """One writing as a term: a row times a chain that ends in a column."""
    edges = [b for b, e in table.items() if b.op == "mul" and e == 1]
    if edges:
        tail = max(edges, key=order)
        rest = n.vector({b: e for b, e in table.items() if b is not tail}, Shape(tail.shape.rows, ONE))
        return T.mul(T.transpose(rest), *tail.args)
    values = list(table.items())
    if len(values) == 1 and values[0][1] == 2:
        return T.mul(T.transpose(values[0][0]), values[0][0])
    if len(values) == 2 and all(e == 1 for _, e in values):
        return T.mul(T.transpose(values[0][0]), values[1][0])
    column = n.vector(table, _shape_of(values, shape))
    return T.mul(T.transpose(T.ones(column.shape.rows)), column)


def _shape_of(values: list[tuple[Term, Fraction]], shape: Shape) -> Shape:
    return values[0][0].shape if values else shape


def split_site(word: Word) -> int | None:
    """Where the only Hadamard product of two matrices stands in a chain."""
    sites = [
        i
        for i in range(1, len(word) - 1)
        if word[i].op == "had" or (word[i].op == "transpose" and word[i].args[0].op == "had")
    ]
    return sites[0] if len(sites) == 1 else None


def split_hadamard(n: Normalizer, word: Word) -> Poly | None:
    """``u'*(P.*Q)*v = tr(diag(u)*P*diag(v)*Q')`` for exactly two matrices of exponent 1 (or a square)."""
    i = split_site(word)
    if i is None:
        i = next((k for k in range(1, len(word) - 1) if word[k].op == "hpow"), None)
        if i is None:
            return None
    f = word[i]
    table = n.elements(f.args[0] if f.op == "transpose" else f)
    pair = pair_of(table)
    if pair is None:
        return None
    p, q = pair
    pw, qw = n.word_of(p), n.word_of(q)
    if f.op == "transpose":
        pw, qw = n.flip_word(pw), n.flip_word(qw)
    rows, cols = f.shape.rows, f.shape.cols
    left = n.column_chain(n.flip_word(word[:i]), Shape(rows, ONE))
    right = n.column_chain(word[i + 1 :], Shape(cols, ONE))
    cycle = n.product(diagonal(n, left), n.unit(pw, Shape(rows, cols)))
    cycle = n.product(n.product(cycle, diagonal(n, right)), n.unit(n.flip_word(qw), Shape(cols, rows)))
    return trace(n, cycle)


def diagonal(n: Normalizer, v: Poly) -> Poly:
    """``diag`` of a column, term by term; ``diag(ones)`` is the identity."""
    square = Shape(v.shape.rows, v.shape.rows)
    out = Poly(square, {})
    for (s, w), c in v.terms.items():
        key = (s, _diagonal_word(n, w[0] if len(w) == 1 else T.mul(*w)))
        out.terms[key] = out.terms.get(key, Fraction(0)) + c
    out.terms = {m: c for m, c in out.terms.items() if c}
    return out


def _diagonal_word(n: Normalizer, column: Term) -> Word:
    """``diag`` of a canonical column; ``diag(diag(D))`` of a matrix declared diagonal is D itself."""
    if column.op == "ones":
        return (T.eye(column.shape.rows),)
    if column.op == "unit":  # one on the diagonal is an outer product
        return (column, T.transpose(column))
    table = n.elements(column) if column.op != "mul" else {}
    own = {b: e for b, e in table.items() if b.op == "diagvec" and e.denominator == 1 and n.is_diagonal(b.args[0])}
    if not own:
        return (T.make("diag", column),)
    word: list[Term] = []
    for b, e in sorted(own.items(), key=lambda be: order(be[0])):
        d = b.args[0] if e > 0 else n.inverse_factor(b.args[0])
        word += [d] * abs(int(e)) if d is not None else []
    rest = {b: e for b, e in table.items() if b not in own}
    return (*word, T.make("diag", n.vector(rest, column.shape))) if rest else tuple(word)


def trace(n: Normalizer, p: Poly) -> Poly:
    """The trace of a polynomial, term by term."""
    if p.shape.is_scalar:
        return p
    out = Poly(SCALAR, {})
    for (s, w), c in p.terms.items():
        part = n.product(Poly(SCALAR, {(s, ()): c}), _trace_word(n, w))
        out = total(SCALAR, [out, part])
    return out


def _trace_word(n: Normalizer, word: Word) -> Poly:
    for i in range(len(word)):  # a rank-one factor opens the cycle
        if word[i].shape.rows is ONE:
            return n.chain((*word[i:], *word[:i]), SCALAR)
    while len(word) > 1:
        joined, changed = n.simplify((*word[1:], word[0]))
        if not changed:
            joined, changed = n.simplify((word[-1], *word[:-1]))
        if not changed:
            break
        word = joined
    if len(word) == 1:
        f = word[0]
        if f.op == "eye":
            return n.size(f.shape.rows)
        if f.op == "diag":
            return n.sum_of_column(n.unit(n.word_of(f.args[0]), f.args[0].shape))
    turns = [
        (w[i:] + w[:i], sign) for sign, w in (n.unskewed(word), n.unskewed(n.flip_word(word))) for i in range(len(word))
    ]
    best, sign = min(turns, key=lambda turn: [order(f) for f in turn[0]])
    if any(turn == best and other != sign for turn, other in turns):  # tr(A*K) with A symmetric, K skew
        return Poly(SCALAR, {})
    return n.atom(T.make("tr", T.mul(*best) if len(best) > 1 else best[0])).scaled(sign)
