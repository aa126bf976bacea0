"""One handler per operation: from the polynomials of the arguments to the polynomial of the value.

``HANDLERS`` is compared with the operation table when it is imported, so that no operation lacks a normal form.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

from matcalc.language import terms as T
from matcalc.language.dims import ONE, SCALAR, Shape
from matcalc.language.ops import OPS
from matcalc.language.terms import Term
from matcalc.rewriting.contraction import diagonal, trace
from matcalc.rewriting.entry_powers import hpower, reciprocal, scalar_power
from matcalc.rewriting.hadamard import diagonal_of
from matcalc.rewriting.normal_functions import h_fn, h_logsumexp, h_softmax, h_sum, logarithm
from matcalc.rewriting.polynomial import (
    MAX_PRODUCTS,
    Poly,
    Scalars,
    Word,
    monomial_order,
    numeral,
    order,
    total,
)
from matcalc.rewriting.sums import over_index, product_over_index, rows_over_index

if TYPE_CHECKING:
    from matcalc.rewriting.normal import Normalizer

__all__ = ["ATOMIC", "HANDLERS"]

F1 = Fraction(1)
MAX_REPEAT = 12  # a matrix power is a repeated factor up to this exponent
ATOMIC = frozenset(
    (
        "d",
        "sumover",
        "prod",
        "stack",
        "elem",
        "sym",
        "num",
        "const",
        "size",
        "eye",
        "ones",
        "zeros",
        "unit",
        "commutation",
    )
)


def leaf(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    """A term that is taken as it is."""
    if t.shape.is_scalar:
        return n.atom(t)
    if t.op == "d" and t.args[0].op == "transpose":  # d(x') is d(x)'
        return n.unit((T.transpose(T.differential(t.args[0].args[0])),), t.shape)
    return n.unit((t,), t.shape)


def h_num(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    return numeral(Fraction(t.data))


def h_size(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    return n.size(t.data) if t.data.value is not None else n.atom(t)


def h_eye(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    return n.unit((t,), t.shape)


def h_commutation(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    """The commutation matrix of rows or columns alone changes nothing."""
    return n.unit((T.eye(t.shape.rows) if ONE in t.data else t,), t.shape)


def h_ones(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    rows, cols = t.shape
    if rows is ONE:
        return n.unit((T.transpose(T.ones(cols)),), t.shape)
    if cols is ONE:
        return n.unit((t,), t.shape)
    return n.unit((T.ones(rows), T.transpose(T.ones(cols))), t.shape)


def h_zeros(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    return Poly(t.shape, {})


def h_add(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    return total(t.shape, p)


def h_neg(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    return p[0].scaled(Fraction(-1))


def h_mul(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    groups: list[Poly] = []  # a chain falls apart where its inner size is 1
    for q in p:
        if q.shape.is_scalar:
            continue
        if groups and groups[-1].shape.cols is not ONE:
            groups[-1] = n.product(groups[-1], q)
        else:
            groups.append(q)
    out: Poly | None = None
    for q in groups:
        if not q.shape.is_scalar:
            out = q if out is None else n.product(out, q)
    for q in n.gathered([q for q in (*p, *groups) if q.shape.is_scalar]):
        out = q if out is None else n.product(out, q) if out.shape.is_scalar else n.product(q, out)
    assert out is not None
    return out


def h_div(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    return n.product(p[0], reciprocal(n, t.args[1]))


def h_had(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    return n.entrywise(p, t.shape)


def h_hdiv(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    return n.entrywise([p[0], reciprocal(n, t.args[1])], t.shape)


def h_pow(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    e = p[1].rational
    if e is not None and e.denominator == 1 and e % 2 == 0 and t.args[0].op in ("norm2", "normF"):
        q = n.poly(t.args[0].args[0])
        return n.raised(h_inner(n, t, [q, q]), e / 2)
    if t.shape.is_scalar:
        return scalar_power(n, p[0], p[1])
    if e is None or e.denominator != 1 or abs(e) > MAX_REPEAT:
        exponent = n.term(p[1])
        return n.unit((T.power(n.term(p[0]), exponent),), t.shape)
    base = p[0] if e >= 0 else inverse(n, p[0])
    if e == 0:
        return n.unit((T.eye(t.shape.rows),), t.shape)
    if len(base.terms) > 1 and (n.opaque or len(base.terms) ** abs(int(e)) > MAX_PRODUCTS):
        base = n.whole(base)
    out = base
    for _ in range(abs(int(e)) - 1):
        out = n.product(out, base)
    return out


def h_hpow(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    e = p[1].rational
    if e is None:
        return n.unit((T.hpower(n.term(p[0]), n.term(p[1])),), t.shape)
    return hpower(n, p[0], e)


def h_transpose(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    return n.transposed(p[0])


def h_inv(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    return inverse(n, p[0])


def inverse(n: Normalizer, p: Poly) -> Poly:
    """The inverse of a square polynomial."""
    if p.shape.is_scalar:
        return n.raised(p, Fraction(-1))
    if not p.terms:
        return n.unit((T.make("inv", T.zeros(*p.shape)),), p.shape)
    below, p = n.cleared(p)
    if below:
        return n.product(n.raised(Poly(SCALAR, {(below, ()): F1}), Fraction(-1)), inverse(n, p))
    c, scalars, rest = content_of_argument(n, p)
    front = n.raised(Poly(SCALAR, {(scalars, ()): c}), Fraction(-1))
    if len(rest.terms) == 1:
        ((_, word),) = rest.terms
        parts = [n.inverse_factor(f) for f in reversed(word)]
        if all(f is not None for f in parts):
            return n.product(front, n.chain(tuple(f for f in parts if f is not None), p.shape))
    return n.product(front, n.unit((_inverse_atom(n, rest, "inv"),), p.shape))


def content_of_argument(n: Normalizer, p: Poly) -> tuple[Fraction, Scalars, Poly]:
    """The scalar factors of the argument of inv, det or logdet; none of a sum that is to stay as it was written."""
    if n.opaque and len(p.terms) > 1:
        return F1, (), p
    return n.content(p)


def _inverse_atom(n: Normalizer, rest: Poly, op: str) -> Term:
    """``inv`` of a canonical argument, or of its transpose, whichever is smaller."""
    body = n.term(rest)
    other = n.transposed(rest)
    if len(rest.terms) > 1:
        lead = other.terms[min(other.terms, key=monomial_order)]
        if lead < 0:
            return T.make(op, body)
    twin = n.term(other)
    if twin is not body and order(twin) < order(body):
        return T.transpose(T.make(op, twin))
    return T.make(op, body)


def h_det(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    q = p[0]
    if q.shape.is_scalar:
        return q
    if not q.terms:
        return Poly(SCALAR, {})
    if n.opaque and q.single is not None and (q.single[0][0] or q.single[1] != 1):
        return n.atom(T.make("det", n.term(q)))  # det(2*A) is to stay
    c, scalars, rest = content_of_argument(n, q)
    front = Poly(SCALAR, {(scalars, ()): c})
    power = numeral(1) if front.rational == 1 else scalar_power(n, front, n.size(q.shape.rows))
    if len(rest.terms) == 1:
        ((_, word),) = rest.terms
        if all(f.shape.is_square for f in word) and not (n.opaque and len(word) > 1):
            out = power
            for f in word:
                out = n.product(out, _det_factor(n, f))
            return out
    return n.product(power, n.atom(T.make("det", _smaller(n, rest))))


def _det_factor(n: Normalizer, f: Term) -> Poly:
    if f.op == "transpose":
        return _det_factor(n, f.args[0])
    if f.op == "eye":
        return numeral(1)
    if f.op == "inv":
        return n.raised(n.poly(T.make("det", f.args[0])), Fraction(-1))
    return n.atom(T.make("det", f))


def _smaller(n: Normalizer, p: Poly) -> Term:
    """A canonical square argument or its transpose, whichever is smaller, for functions that do not see it."""
    body = n.term(p)
    other = n.transposed(p)
    if len(p.terms) > 1 and other.terms[min(other.terms, key=monomial_order)] < 0:
        return body
    return min(body, n.term(other), key=order)


def h_logdet(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    q = p[0]
    if q.shape.is_scalar:
        return n.poly(T.fn("log", T.fn("abs", n.term(q)))) if not n.nonnegative(n.term(q)) else logarithm(n, q)
    if not q.terms:
        return n.atom(T.make("logdet", T.zeros(*q.shape)))
    c, scalars, rest = content_of_argument(n, q)
    if not all(n.nonnegative(a) for a, _ in scalars):
        scalars, rest = (), q.scaled(1 / c)
    front = Poly(SCALAR, {(scalars, ()): abs(c)})
    parts = [n.product(n.size(q.shape.rows), logarithm(n, front))]
    word: Word = next(iter(rest.terms))[1] if len(rest.terms) == 1 else ()
    split = all(f.shape.is_square for f in word) and not (n.opaque and len(word) > 1)
    if word and split and not next(iter(rest.terms))[0]:
        for f in word:
            f = f.args[0] if f.op == "transpose" else f
            if f.op == "eye":
                continue
            sign = Fraction(-1) if f.op == "inv" else F1
            inner = f.args[0] if f.op == "inv" else f
            parts.append(
                n.poly(T.make("logdet", inner)).scaled(sign) if f.op == "inv" else n.atom(T.make("logdet", inner))
            )
    else:
        parts.append(n.atom(T.make("logdet", _smaller(n, rest))))
    return total(SCALAR, parts)


def h_tr(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    return trace(n, p[0])


def h_diag(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    return diagonal(n, p[0])


def h_diagvec(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    return diagonal_of(n, p[0])


def h_vec(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    if p[0].shape.cols is ONE:
        return p[0]
    if p[0].shape.rows is ONE:
        return n.transposed(p[0])
    return linear_atom(n, p[0], t.shape, lambda x: x.args[0] if x.op == "unvec" else T.make("vec", x))


def h_unvec(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    rows, cols = t.data
    if cols is ONE:
        return p[0]
    if rows is ONE:
        return n.transposed(p[0])

    def undone(x: Term) -> Term:
        return x.args[0] if x.op == "vec" and x.args[0].shape == t.shape else T.make("unvec", x, data=t.data)

    return linear_atom(n, p[0], t.shape, undone)


def linear_atom(n: Normalizer, p: Poly, shape: Shape, build: Callable[[Term], Term]) -> Poly:
    """A linear operation applied to each monomial, scalars in front."""
    parts = []
    for (s, w), c in p.terms.items():
        inner = build(w[0] if len(w) == 1 else T.mul(*w))
        body = n.unit(n.word_of(inner), shape)
        parts.append(n.product(Poly(SCALAR, {(s, ()): c}), body))
    return total(shape, parts)


def h_kron(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    out = p[0]
    for q in p[1:]:
        shape = Shape(out.shape.rows * q.shape.rows, out.shape.cols * q.shape.cols)
        if out.shape.is_scalar or q.shape.is_scalar:
            out = n.product(out, q)
            continue
        parts = []
        for (s1, w1), c1 in n.whole(out).terms.items():
            for (s2, w2), c2 in n.whole(q).terms.items():
                a = w1[0] if len(w1) == 1 else T.mul(*w1)
                b = w2[0] if len(w2) == 1 else T.mul(*w2)
                k = T.eye(shape.rows) if a.op == "eye" and b.op == "eye" else T.make("kron", a, b)
                parts.append(n.with_scalars(n.unit((k,), shape), n.join(s1, s2)).scaled(c1 * c2))
        out = total(shape, parts)
    return out


def h_inner(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    a, b = p
    if a.shape.cols is ONE or a.shape.rows is ONE:
        if a.shape.rows is ONE:
            a, b = n.transposed(a), n.transposed(b)
        return n.product(n.transposed(a), b) if not a.shape.is_scalar else n.product(a, b)
    return trace(n, n.product(n.transposed(a), b))


def h_norm1(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    c = n.content(p[0])[0] if p[0].terms else F1
    if not p[0].terms:
        return Poly(SCALAR, {})
    return n.atom(T.make("norm1", n.term(p[0].scaled(1 / c)))).scaled(abs(c))


def h_norm(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    return n.raised(h_inner(n, t, [p[0], p[0]]), Fraction(1, 2))


def opaque(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    """A function of whole arguments: an atom of canonical arguments."""
    return leaf(n, T.rebuild(t, (n.term(q) for q in p)), [])


HANDLERS: dict[str, Callable[[Normalizer, Term, list[Poly]], Poly]] = {
    "num": h_num,
    "const": leaf,
    "size": h_size,
    "sym": leaf,
    "elem": leaf,
    "eye": h_eye,
    "ones": h_ones,
    "zeros": h_zeros,
    "unit": leaf,
    "commutation": h_commutation,
    "add": h_add,
    "neg": h_neg,
    "mul": h_mul,
    "div": h_div,
    "had": h_had,
    "hdiv": h_hdiv,
    "pow": h_pow,
    "hpow": h_hpow,
    "kron": h_kron,
    "inner": h_inner,
    "transpose": h_transpose,
    "inv": h_inv,
    "det": h_det,
    "logdet": h_logdet,
    "tr": h_tr,
    "sum": h_sum,
    "diag": h_diag,
    "diagvec": h_diagvec,
    "vec": h_vec,
    "unvec": h_unvec,
    "norm1": h_norm1,
    "norm2": h_norm,
    "normF": h_norm,
    "softmax": h_softmax,
    "logsumexp": h_logsumexp,
    "fn": h_fn,
    "call": opaque,
    "grad": opaque,
    "jac": opaque,
    "hess": opaque,
    "stop": opaque,
    "d": leaf,
    "sumover": over_index,
    "prod": product_over_index,
    "stack": rows_over_index,
}
assert set(HANDLERS) == set(OPS), set(HANDLERS) ^ set(OPS)
