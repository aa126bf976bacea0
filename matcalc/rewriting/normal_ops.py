"""One handler per operation: from the polynomials of the arguments to the polynomial of the value.

``HANDLERS`` is compared with the operation table when it is imported, so that no operation lacks a normal form.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

from matcalc.language import terms as T
from matcalc.language.dims import ONE, SCALAR, Shape
from matcalc.language.functions import FUNCTIONS
from matcalc.language.ops import OPS
from matcalc.language.terms import Term
from matcalc.rewriting.contraction import diagonal, trace
from matcalc.rewriting.hadamard import diagonal_of, matrix_power
from matcalc.rewriting.polynomial import (
    EMPTY,
    MAX_POWER,
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
    ("d", "sumover", "prod", "stack", "elem", "sym", "num", "const", "size", "eye", "ones", "zeros", "commutation")
)


def leaf(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    """A term that is taken as it is."""
    if t.shape.is_scalar:
        return n.atom(t)
    if t.shape.rows is ONE:
        return n.unit((T.transpose(n.canon(T.transpose(t))),), t.shape) if t.op == "d" else n.unit((t,), t.shape)
    return n.unit((t,), t.shape)


def h_num(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    return numeral(Fraction(t.data))


def h_size(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    return n.size(t.data) if t.data.value is not None else n.atom(t)


def h_eye(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    return n.unit((t,), t.shape)


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
    out: Poly | None = None
    scalars = [q for q in p if q.shape.is_scalar]
    for q in p:
        if not q.shape.is_scalar:
            out = q if out is None else n.product(out, q)
    for q in scalars:
        out = q if out is None else n.product(out, q) if out.shape.is_scalar else n.product(q, out)
    assert out is not None
    return out


def h_div(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    return n.product(p[0], reciprocal(n, t.args[1]))


def reciprocal(n: Normalizer, t: Term) -> Poly:
    """``1/t`` entrywise, factor by factor: a power in a denominator is not multiplied out."""
    if (t.op == "mul" and t.is_scalar and all(a.is_scalar for a in t.args)) or t.op == "had":
        return n.entrywise([reciprocal(n, a) for a in t.args], t.shape)
    if (t.op == "pow" and t.is_scalar) or t.op == "hpow":
        e = n.poly(t.args[1]).rational
        if e is not None and e.denominator == 1:
            return hpower(n, n.poly(t.args[0]), -e)
    return hpower(n, n.poly(t), Fraction(-1))


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


def scalar_power(n: Normalizer, base: Poly, exponent: Poly) -> Poly:
    """``s^e``: the rational part of the exponent is a power of its own."""
    e = exponent.rational
    if e is not None:
        return n.raised(base, e)
    constant = exponent.terms.get(EMPTY, Fraction(0))
    rest = Poly(SCALAR, {m: c for m, c in exponent.terms.items() if m != EMPTY})
    b = n.term(base)
    if b.op == "const" and b.data == "e":
        return n.product(exponential(n, rest), n.raised(base, constant) if constant else numeral(1))
    out = n.atom(T.power(b, n.term(rest)))
    return n.product(out, n.raised(base, constant)) if constant else out


def h_hpow(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    e = p[1].rational
    if e is None:
        return n.unit((T.hpower(n.term(p[0]), n.term(p[1])),), t.shape)
    return hpower(n, p[0], e)


def hpower(n: Normalizer, p: Poly, e: Fraction) -> Poly:
    """A rational entrywise power."""
    shape = p.shape
    if shape.is_scalar:
        return n.raised(p, e)
    if shape.rows is ONE:
        return n.transposed(hpower(n, n.transposed(p), e))
    if e == 1:
        return p
    if e == 0:
        return n.poly(T.ones(*shape))
    if not p.terms:
        return n.unit((T.hpower(T.zeros(*shape), T.number(e)),), shape) if e < 0 else p
    if len(p.terms) > 1:
        return _power_of_sum(n, p, e)
    (s, w), c = next(iter(p.terms.items()))
    front = n.raised(Poly(SCALAR, {(s, ()): abs(c)}), e)
    if c < 0:
        if e.denominator != 1:
            return n.unit((T.hpower(n.term(p), T.number(e)),), shape)
        front = front.scaled(Fraction(-1) ** int(e))
    if shape.cols is ONE:
        table = n.elements(w[0]) if len(w) == 1 else {T.mul(*w): F1}
        if e.denominator != 1 and not _may_power(n, table):
            return n.product(front, n.unit((T.hpower(n.term(n.unit(w, shape)), T.number(e)),), shape))
        return n.product(front, n.column({b: k * e for b, k in table.items()}, shape))
    powered = matrix_power(n, w, e, shape)
    if powered is None:
        powered = n.unit((T.hpower(n.term(n.unit(w, shape)), T.number(e)),), shape)
    return n.product(front, powered)


def _may_power(n: Normalizer, table: dict[Term, Fraction]) -> bool:
    """Whether exponents may be multiplied by a fraction: ``(x.^2).^(1/2)`` is not x."""
    unknown = [(b, k) for b, k in table.items() if not n.nonnegative(b)]
    return (
        not unknown
        or (len(unknown) == 1 and unknown[0][1].denominator == 1 and unknown[0][1] % 2 == 1)
        or (len(unknown) == 1 and unknown[0][1].denominator != 1)
    )


def _power_of_sum(n: Normalizer, p: Poly, e: Fraction) -> Poly:
    if e.denominator == 1 and 0 < e <= MAX_POWER and not n.opaque and len(p.terms) ** int(e) <= MAX_PRODUCTS:
        return n.entrywise([p] * int(e), p.shape)
    logistic = n.logistic(p)
    if logistic is not None and e.denominator == 1 and e < 0:
        c, reciprocal = logistic
        return hpower(n, reciprocal, -e).scaled(c ** int(e))
    c, scalars, rest = n.content(p)
    if e.denominator != 1 and c < 0:
        c, rest = -c, rest.scaled(Fraction(-1))
    if e.denominator != 1 and not all(n.nonnegative(a) for a, _ in scalars):
        scalars, rest = (), p.scaled(1 / c)
    front = n.raised(Poly(SCALAR, {(scalars, ()): c}), e)
    body = n.term(rest)
    return n.product(front, n.unit((T.hpower(body, T.number(e)),), p.shape))


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


def h_sum(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    rows, cols = p[0].shape
    out = p[0]
    if rows is not ONE:
        out = n.product(n.unit((T.transpose(T.ones(rows)),), Shape(ONE, rows)), out)
    if cols is not ONE:
        out = n.product(out, n.unit((T.ones(cols),), Shape(cols, ONE)))
    return out


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


def h_softmax(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    if n.opaque:  # a bare exp may overflow where softmax does not
        if t.shape.rows is ONE:
            return n.transposed(n.poly(T.make("softmax", T.transpose(t.args[0]))))
        return n.unit((T.make("softmax", n.term(p[0])),), t.shape)
    e = h_fn(n, T.fn("exp", t.args[0]), p)
    return n.product(n.raised(h_sum(n, t, [e]), Fraction(-1)), e)


def h_logsumexp(n: Normalizer, t: Term, p: list[Poly]) -> Poly:
    if n.opaque:
        return n.atom(T.make("logsumexp", n.term(p[0])))
    return logarithm(n, h_sum(n, t, [h_fn(n, T.fn("exp", t.args[0]), p)]))


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
        elif a.op == "det":
            parts.append(n.poly(T.make("logdet", a.args[0])).scaled(e))
        else:
            parts.append(n.atom(T.fn("log", a)).scaled(e))
    return total(SCALAR, parts)


def exponential(n: Normalizer, p: Poly) -> Poly:
    """``exp`` of a scalar polynomial: a product of powers of exp of its monomials."""
    out = numeral(1)
    for m, c in sorted(p.terms.items(), key=lambda mc: monomial_order(mc[0])):
        if m == EMPTY:
            out = n.product(out, n.raised(n.atom(T.constant("e")), c))
        elif len(m[0]) == 1 and m[0][0][1] == 1 and m[0][0][0].op == "fn" and m[0][0][0].data == ("log", 0):
            out = n.product(out, n.raised(n.poly(m[0][0][0].args[0]), c))
        else:
            out = n.product(out, n.atom(T.fn("exp", n.write(m, F1)), c))
    return out


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
    "abs": _abs,
}


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
    "commutation": leaf,
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
    "d": leaf,
    "sumover": over_index,
    "prod": product_over_index,
    "stack": rows_over_index,
}
assert set(HANDLERS) == set(OPS), set(HANDLERS) ^ set(OPS)
