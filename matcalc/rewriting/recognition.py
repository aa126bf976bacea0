"""Recognising softmax: ``exp(u)/sum(exp(u))`` in a monomial, among its factors or inside one of its scalar chains.

What is printed is to be the function that does not overflow where the problem does not.
"""

from __future__ import annotations

from fractions import Fraction

from matcalc.language import terms as T
from matcalc.language.dims import ONE
from matcalc.language.ops import COLWISE, ROWWISE
from matcalc.language.terms import Term
from matcalc.rewriting.normal import Normalizer
from matcalc.rewriting.polynomial import Scalars, Word

__all__ = ["exp_sum", "recognised"]


def recognised(n: Normalizer, scalars: Scalars, word: Word) -> tuple[Scalars, Word]:
    """``exp(u)/sum(exp(u))`` in a monomial becomes softmax(u)."""
    for i, (a, e) in enumerate(scalars):
        u = exp_sum(a)
        if u is None or e.denominator != 1 or e >= 0 or not word:
            continue
        for k, f in enumerate(word):
            base = f.args[0] if f.op in ("transpose", "diag") else f
            if base.shape.cols is not ONE:
                continue
            table = n.elements(base)
            ex = T.fn("exp", u)
            if table.get(ex, 0) < 1:
                continue
            table[ex] -= 1
            soft = T.make("softmax", u)
            table[soft] = table.get(soft, Fraction(0)) + 1
            new = n.vector({b: x for b, x in table.items() if x}, base.shape)
            new = T.make(f.op, new) if base is not f else new
            left = scalars[:i] + (((a, e + 1),) if e != -1 else ()) + scalars[i + 1 :]
            return recognised(n, left, word[:k] + (new,) + word[k + 1 :])
    for k in range(len(word) - 1):
        found = _of_rows(n, word[k], word[k + 1])
        if found is not None:
            return recognised(n, scalars, word[:k] + found + word[k + 2 :])
    return _in_chain(n, scalars, word)


def _of_rows(n: Normalizer, left: Term, right: Term) -> Word | None:
    """``diag(1./(exp(X)*ones))*exp(X)`` is a softmax of every row, and the other way round one of every column."""
    for scale, e, side in ((left, right, ROWWISE), (right, left, COLWISE)):
        bare = e.args[0] if e.op == "transpose" else e
        if scale.op != "diag" or bare.op != "fn" or bare.data != ("exp", 0):
            continue
        ones = T.ones(e.shape.cols if side == ROWWISE else e.shape.rows)
        total = T.mul(e if side == ROWWISE else n.flip(e), ones)
        table = n.elements(scale.args[0])
        if table.get(total) != -1:
            continue
        axis = side if bare is e else {ROWWISE: COLWISE, COLWISE: ROWWISE}[side]
        soft = T.make("softmax", bare.args[0], data=axis)
        soft = soft if bare is e else T.transpose(soft)
        rest = {b: x for b, x in table.items() if b is not total}
        if not rest:
            return (soft,)
        outer = T.make("diag", n.vector(rest, scale.args[0].shape))
        return (outer, soft) if side == ROWWISE else (soft, outer)
    return None


def _in_chain(n: Normalizer, scalars: Scalars, word: Word) -> tuple[Scalars, Word]:
    """``a'*exp(u)/sum(exp(u))`` among the scalars becomes ``a'*softmax(u)``."""
    for i, (a, e) in enumerate(scalars):
        u = exp_sum(a)
        if u is None or e.denominator != 1 or e >= 0:
            continue
        for k, (chain, times) in enumerate(scalars):
            if chain.op != "mul" or times != 1:
                continue
            soft = _with_softmax(n, chain.args, u)
            if soft is not None:
                new = dict(enumerate(scalars))
                new[k] = (soft, times)
                new[i] = (a, e + 1)
                return recognised(n, tuple(p for p in new.values() if p[1]), word)
    return scalars, word


def _with_softmax(n: Normalizer, word: Word, u: Term) -> Term | None:
    """A chain with softmax(u) for one of its exp(u)."""
    ex = T.fn("exp", u)
    for k, f in enumerate(word):
        base = f.args[0] if f.op in ("transpose", "diag") else f
        table = n.elements(base) if base.shape.cols is ONE else {}
        if table.get(ex, 0) >= 1:
            table[ex] -= 1
            soft = T.make("softmax", u)
            table[soft] = table.get(soft, Fraction(0)) + 1
            new = n.vector({b: x for b, x in table.items() if x}, base.shape)
            return T.mul(*word[:k], T.make(f.op, new) if base is not f else new, *word[k + 1 :])
    return None


def exp_sum(a: Term) -> Term | None:
    """u where the atom is ``ones'*exp(u)``."""
    if a.op == "mul" and len(a.args) == 2:
        row, column = a.args
        if row.op == "transpose" and row.args[0].op == "ones" and column.op == "fn" and column.data == ("exp", 0):
            return column.args[0]
    return None
