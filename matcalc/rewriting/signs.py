"""What is known from the facts and from the form of a canonical term: signs, and sums that are one."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from matcalc.language.dims import ONE
from matcalc.language.ops import COLWISE, ROWWISE
from matcalc.language.terms import Term
from matcalc.rewriting.polynomial import Word, as_rational

if TYPE_CHECKING:
    from matcalc.rewriting.normal import Normalizer


def nonnegative(n: Normalizer, a: Term) -> bool:
    """Whether a scalar or every entry of a canonical term is known not to be negative."""
    op = a.op
    if op in ("size", "norm1", "norm2", "normF", "num", "const", "ones", "eye"):
        return True
    if op in ("sym", "elem"):
        return n.has(a, "positive")
    if op == "fn":
        return a.data[1] == 0 and a.data[0] in ("exp", "sigmoid", "abs", "relu", "step", "softplus", "sqrt", "cosh")
    if op in ("det",):
        return n.has(a.args[0], "posdef")
    if op in ("add", "had"):
        return all(n.nonnegative(x) for x in a.args)
    if op in ("pow", "hpow"):
        e = as_rational(a.args[1])
        return n.nonnegative(a.args[0]) or (e is not None and e.denominator == 1 and e.numerator % 2 == 0)
    if op == "transpose":
        return n.nonnegative(a.args[0])
    if op == "mul":
        if all(n.nonnegative(x) for x in a.args):
            return True
        flipped = tuple(n.flip(x) for x in reversed(a.args)) if not any(x.is_scalar for x in a.args) else ()
        half, odd = divmod(len(a.args), 2)
        if a.is_scalar and flipped == a.args:
            return not odd or n.positive_definite(a.args[half])
    if op == "tr":
        inner = a.args[0]
        if inner.op == "mul" and len(inner.args) == 2:
            return inner.args[0] is n.flip(inner.args[1])
    return False


def positive_definite(n: Normalizer, f: Term) -> bool:
    if f.op == "inv":
        f = f.args[0]
    return n.has(f, "posdef")


def has(n: Normalizer, f: Term, fact: str) -> bool:
    """Whether a symbol, or a member of a family, is declared to have a property; its transpose has it too."""
    base = f.args[0] if f.op == "transpose" else f
    if base.op not in ("sym", "elem"):
        return False
    return fact in n.facts.get(base.data if base.op == "sym" else base.data[0], frozenset())


def is_skew(n: Normalizer, f: Term) -> bool:
    """Whether a canonical factor, not transposed, is minus its transpose: a symbol or its inverse."""
    return n.has(f.args[0] if f.op == "inv" else f, "skew") and f.op != "transpose"


def is_diagonal(n: Normalizer, f: Term) -> bool:
    """Whether a canonical factor is declared diagonal, or the inverse of such a one."""
    return n.has(f.args[0] if f.op == "inv" else f, "diagonal")


def unskewed(n: Normalizer, word: Sequence[Term]) -> tuple[Fraction, Word]:
    """A word with ``-K`` for ``K'`` where K is skew, and the sign that comes out."""
    sign = Fraction(1)
    out = []
    for f in word:
        if f.op == "transpose" and n.is_skew(f.args[0]):
            f, sign = f.args[0], -sign
        out.append(f)
    return sign, tuple(out)


def adds_to_one(n: Normalizer, g: Term, f: Term) -> bool:
    """Whether ``g*f`` is a sum along ones that is known to be one: of the rows of g, or of the columns of f."""
    if f.op == "ones":
        return _rows_add_to_one(n, g)
    return g.op == "transpose" and g.args[0].op == "ones" and _rows_add_to_one(n, n.flip(f))


def _rows_add_to_one(n: Normalizer, f: Term) -> bool:
    turned = f.op == "transpose"
    base = f.args[0] if turned else f
    if base.op == "softmax":
        if base.data is None:
            return turned
        return bool(base.data == (COLWISE if turned else ROWWISE))
    if not n.has(base, "stochastic"):
        return False
    return turned if base.shape.cols is ONE else not turned
