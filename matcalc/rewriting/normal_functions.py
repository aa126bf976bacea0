"""Normal forms of functions: exp and log as powers and sums, parities, softmax, what the domain allows."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

from matcalc.language import terms as T
from matcalc.language.dims import ONE, SCALAR, Shape
from matcalc.language.functions import FUNCTIONS
from matcalc.language.ops import COLWISE, ROWWISE
from matcalc.language.terms import Term
from matcalc.rewriting.entry_powers import exponential, hpower
from matcalc.rewriting.polynomial import (
    Poly,
    monomial_order,
    numeral,
    total,
)

if TYPE_CHECKING:
    from matcalc.rewriting.normal import Normalizer

F1 = Fraction(1)


def h_sum(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    rows, cols = p[0].shape
    out = p[0]
    if rows is not ONE:
        out = n.product(n.unit((T.transpose(T.ones(rows)),), Shape(ONE, rows)), out)
    if cols is not ONE:
        out = n.product(out, n.unit((T.ones(cols),), Shape(cols, ONE)))
    return out


def h_softmax(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    arg = n.term(p[0])
    if t.data is not None and arg.op == "transpose":  # the rows of X' are the columns of X
        return n.transposed(n.poly(T.make("softmax", arg.args[0], data=TURNED[t.data])))
    if n.opaque:  # a bare exp may overflow where softmax does not
        if t.shape.rows is ONE and t.data is None:
            return n.transposed(n.poly(T.make("softmax", T.transpose(t.args[0]))))
        return n.unit((T.make("softmax", arg, data=t.data),), t.shape)
    e = h_fn(n, T.fn("exp", t.args[0]), p)
    if t.data is None:
        return n.product(n.raised(h_sum(n, t, [e]), Fraction(-1)), e)
    exponentials = n.term(e)
    below = T.make("diag", T.hdiv(T.number(1), _sums(exponentials, t.data)))
    return n.poly(T.mul(below, exponentials) if t.data == ROWWISE else T.mul(exponentials, below))


def h_logsumexp(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    arg = n.term(p[0])
    if t.data is not None and arg.op == "transpose":
        return n.poly(T.make("logsumexp", arg.args[0], data=TURNED[t.data]))
    if n.opaque:
        made = T.make("logsumexp", arg, data=t.data)
        return n.atom(made) if t.shape.is_scalar else n.unit((made,), t.shape)
    e = h_fn(n, T.fn("exp", t.args[0]), p)
    if t.data is None:
        return logarithm(n, h_sum(n, t, [e]))
    return n.poly(T.fn("log", _sums(n.term(e), t.data)))


TURNED = {ROWWISE: COLWISE, COLWISE: ROWWISE}


def _sums(x: Term, axis: str) -> Term:
    """The sum of every row, or of every column, as a column."""
    return T.mul(x, T.ones(x.shape.cols)) if axis == ROWWISE else T.mul(T.transpose(x), T.ones(x.shape.rows))


def logarithm(n: Normalizer, p: Poly) -> Poly:
    """``log`` of a scalar polynomial, split where the domain allows it."""
    r = p.rational
    if r == 1:
        return Poly(SCALAR, {})
    if r is not None or not p.terms:
        return n.atom(T.fn("log", n.term(p)))
    if len(p.terms) > 1:
        p = n.whole(p) if n.content(p)[0] > 0 else p
    if len(p.terms) > 1:
        return n.atom(T.fn("log", n.term(p)))
    (scalars, _), c = next(iter(p.terms.items()))
    if c < 0:
        return n.atom(T.fn("log", n.term(p)))
    unknown = [(a, e) for a, e in scalars if not n.nonnegative(a)]
    odd = len(unknown) == 1 and unknown[0][1].denominator == 1 and unknown[0][1] % 2 == 1
    if unknown and not odd:
        return n.atom(T.fn("log", n.term(p)))
    parts = [n.atom(T.fn("log", T.number(c)))] if c != 1 else []
    for a, e in scalars:
        if a.op == "fn" and a.data == ("exp", 0):
            parts.append(n.poly(a.args[0]).scaled(e))
        elif a.op == "const" and a.data == "e":
            parts.append(numeral(e))
        elif a.op == "det":
            parts.append(n.poly(T.make("logdet", a.args[0])).scaled(e))
        else:
            parts.append(n.atom(T.fn("log", a)).scaled(e))
    return total(SCALAR, parts)


def h_fn(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    name, degree = t.data
    q = p[0]
    if q.shape.rows is ONE and not q.shape.is_scalar:
        return n.transposed(h_fn(n, T.fn(name, n.term(n.transposed(q)), degree), [n.transposed(q)]))
    if degree == 0 and name in _REWRITTEN:
        done = _REWRITTEN[name](n, q)
        if done is not None:
            return done
    row = FUNCTIONS.get(name)
    sign = F1
    if row is not None and row.parity and degree == 0 and q.terms:
        lead = min(q.terms, key=monomial_order)
        if q.terms[lead] < 0:
            q = q.scaled(Fraction(-1))
            sign = Fraction(-1) if row.parity == "odd" else F1
    arg = n.term(q)
    if arg.op == "transpose":  # functions of entries: the transpose stands outside
        return n.unit((T.transpose(T.fn(name, arg.args[0], degree)),), t.shape).scaled(sign)
    body = T.fn(name, arg, degree)
    return (n.atom(body) if t.shape.is_scalar else n.unit((body,), t.shape)).scaled(sign)


def _sigmoid(n: Normalizer, q: Poly) -> Poly | None:
    """``sigmoid(-z) = 1 - sigmoid(z)``: the argument has a positive leading coefficient."""
    if n.opaque or not q.terms or q.terms[min(q.terms, key=monomial_order)] > 0:
        return None
    body = T.fn("sigmoid", n.term(q.scaled(Fraction(-1))))
    s = n.poly(body)
    one = numeral(1) if q.shape.is_scalar else n.poly(T.ones(*q.shape))
    return total(q.shape, [one, s.scaled(Fraction(-1))])


def _exp(n: Normalizer, q: Poly) -> Poly | None:
    """``exp`` of a sum of columns is an entrywise product; signs become exponents."""
    if not q.terms:
        return numeral(1) if q.shape.is_scalar else n.poly(T.ones(*q.shape))
    if q.shape.is_scalar:
        if not n.opaque:
            return exponential(n, q)
        c, scalars, rest = n.content(q)
        if abs(c) == 1 or not len(q.terms) > 1:
            body = Poly(SCALAR, n.times_scalars(rest.terms, scalars))
            return n.atom(T.fn("exp", n.term(body)), c)
        return n.atom(T.fn("exp", n.term(q)))
    if n.opaque:
        lead = q.terms[min(q.terms, key=monomial_order)]
        e = n.unit((T.fn("exp", n.term(q.scaled(Fraction(-1)) if lead < 0 else q)),), q.shape)
        return hpower(n, e, Fraction(-1)) if lead < 0 else e
    parts = []
    for m, c in sorted(q.terms.items(), key=lambda mc: monomial_order(mc[0])):
        arg = n.write(m, F1)
        if arg.op == "transpose":
            e = n.unit((T.transpose(T.fn("exp", arg.args[0])),), q.shape)
        else:
            e = n.unit((T.fn("exp", arg),), q.shape)
        parts.append(hpower(n, e, c))
    return n.entrywise(parts, q.shape)


def _log(n: Normalizer, q: Poly) -> Poly | None:
    if q.shape.is_scalar:
        return logarithm(n, q)
    single = q.single
    if single is not None and not single[0][0] and single[1] == 1 and len(single[0][1]) == 1:
        f = single[0][1][0]
        if f.op == "fn" and f.data == ("exp", 0):
            return n.poly(f.args[0])
        if f.op == "ones":
            return Poly(q.shape, {})
    return None


def _sqrt(n: Normalizer, q: Poly) -> Poly | None:
    return hpower(n, q, Fraction(1, 2))


def _softplus(n: Normalizer, q: Poly) -> Poly | None:
    one = numeral(1) if q.shape.is_scalar else n.poly(T.ones(*q.shape))
    e = h_fn(n, T.fn("exp", n.term(q)), [q])
    inside = total(q.shape, [one, e])
    return h_fn(n, T.fn("log", n.term(inside)), [inside])


def _swish(n: Normalizer, q: Poly) -> Poly | None:
    """``t*sigmoid(t)``, multiplied out where sums are."""
    if n.opaque:
        return None
    return n.entrywise([q, h_fn(n, T.fn("sigmoid", n.term(q)), [q])], q.shape)


def _gelu(n: Normalizer, q: Poly) -> Poly | None:
    """``t*(1 + erf(t/sqrt(2)))/2``, multiplied out where sums are."""
    if n.opaque:
        return None
    inside = n.poly(T.div(n.term(q), T.fn("sqrt", T.number(2))))
    one = numeral(1) if q.shape.is_scalar else n.poly(T.ones(*q.shape))
    both = total(q.shape, [one, h_fn(n, T.fn("erf", n.term(inside)), [inside])])
    return n.entrywise([q, both], q.shape).scaled(Fraction(1, 2))


def _abs(n: Normalizer, q: Poly) -> Poly | None:
    single = q.single
    if single is None:
        return None
    (s, w), c = single
    if all(n.nonnegative(a) for a, _ in s) and all(n.nonnegative(f) for f in w):
        return q.scaled(Fraction(-1)) if c < 0 else q
    return None


_REWRITTEN: dict[str, Callable[[Normalizer, Poly], Poly | None]] = {
    "exp": _exp,
    "log": _log,
    "sqrt": _sqrt,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "swish": _swish,
    "gelu": _gelu,
    "abs": _abs,
}
