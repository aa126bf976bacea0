"""The normal form: decides equality and collects like terms. It is never what is printed.

Every operation has a handler from the polynomials of its arguments to the polynomial of its value. Two terms with the
same normal form are equal; two different normal forms say nothing (equality is then decided numerically elsewhere).

Conditions come from *facts* about symbols; what depends on a fact that is not known is left alone. Identities that hold
only where the expression is defined (``x*x^-1 = 1``, ``log(det(X)) = logdet(X)``) are used.

A sum is multiplied out while the number of products stays below a limit; beyond it, or everywhere in the *opaque*
mode, a sum is a factor by itself, which stays correct and is only less decisive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import gcd, lcm

from matcalc.language import terms as T
from matcalc.language.dims import ONE as ONE_DIM
from matcalc.language.dims import SCALAR, Dim, Shape, dim
from matcalc.language.ops import OPS
from matcalc.language.terms import Term
from matcalc.rewriting import chains, columns, powers, signs
from matcalc.rewriting.normal_ops import ATOMIC, HANDLERS
from matcalc.rewriting.polynomial import (
    EMPTY,
    MAX_PRODUCTS,
    Monomial,
    Poly,
    Scalars,
    Word,
    as_rational,
    monomial_order,
    numeral,
    order,
    rational_term,
    total,
)

__all__ = ["Normalizer", "equal", "normal_form"]

Facts = Mapping[str, frozenset[str]]
F1 = Fraction(1)
SEVERAL = 4  # scalar factors from which on they are multiplied at once
SYMMETRIC = frozenset(("symmetric", "posdef", "diagonal"))


def normal_form(t: Term, facts: Facts | None = None) -> Term:
    """The canonical term equal to ``t`` under the facts."""
    return Normalizer(facts or {}).canon(t)


def equal(a: Term, b: Term, facts: Facts | None = None) -> bool | None:
    """True where the normal forms agree; None where that decides nothing. Different shapes are different."""
    if a.shape != b.shape:
        return False
    n = Normalizer(facts or {})
    return True if not total(a.shape, [n.poly(a), n.poly(b).scaled(Fraction(-1))]).terms else None


class Normalizer:
    """Computes normal forms under one set of facts; remembers what it computed."""

    def __init__(self, facts: Facts, opaque: bool = False, divides: bool = True) -> None:
        self.facts = facts
        self.opaque = opaque
        self.divides = divides and not opaque  # multiples of a sum by the sum; an answer reads better undivided
        self._memo: dict[Term, Poly] = {}
        self._canon: dict[Term, Term] = {}
        self._flip: dict[Term, Term] = {}
        self.chains: dict[tuple[Word, Shape], Poly] = {}
        self.turned: set[frozenset[tuple[Monomial, Fraction]]] = set()  # sums whose written sign is the other one

    # ------------------------------------------------------------- entrances
    def poly(self, t: Term) -> Poly:
        """The polynomial of a term."""
        memo = self._memo
        if t in memo:
            return memo[t]
        stack = [t]
        while stack:
            node = stack[-1]
            if node in memo:
                stack.pop()
                continue
            todo = [a for a in node.args if a not in memo]
            if todo and node.op not in ATOMIC:
                stack.extend(todo)
                continue
            memo[node] = HANDLERS[node.op](self, node, [] if node.op in ATOMIC else [memo[a] for a in node.args])
            stack.pop()
        return memo[t]

    def canon(self, t: Term) -> Term:
        """The canonical term of a term."""
        found = self._canon.get(t)
        if found is None:
            found = self._canon[t] = self.term(self.poly(t))
        return found

    def term(self, p: Poly) -> Term:
        """A polynomial written as a term, deterministically."""
        if not p.terms:
            return T.zeros(*p.shape)
        parts = [self.write(m, p.terms[m]) for m in sorted(p.terms, key=monomial_order)]
        return T.add(*parts) if len(parts) > 1 else parts[0]

    def write(self, m: Monomial, c: Fraction) -> Term:
        """A monomial with its coefficient as a term."""
        scalars, word = m
        factors = [a if e == 1 else T.power(a, rational_term(e)) for a, e in scalars] + list(word)
        if abs(c) != 1 or not factors:
            factors.insert(0, rational_term(abs(c)))
        body = T.mul(*factors) if len(factors) > 1 else factors[0]
        return T.neg(body) if c < 0 else body

    # ------------------------------------------------------------ arithmetic
    def unit(self, word: Word, shape: Shape) -> Poly:
        """The polynomial of one chain, already canonical."""
        return Poly(shape, {((), word): F1})

    def atom(self, a: Term, e: Fraction = F1) -> Poly:
        """A power of a scalar atom."""
        return Poly(SCALAR, {(((a, e),), ()): F1})

    def whole(self, p: Poly) -> Poly:
        """A sum as one factor: content and sign in front, the sum itself an atom or a factor."""
        if len(p.terms) < 2:
            return p
        if p.shape.is_row:  # a row is the transpose of a column, with the column's sign
            return self.transposed(self.whole(self.transposed(p)))
        c, scalars, rest = self.content(p)
        body = self.term(rest)
        if p.shape.is_scalar:
            return Poly(SCALAR, self.times_scalars({((), ()): c}, (*scalars, (body, F1))))
        factor = self.oriented(body)
        if p.shape.is_matrix:
            sign, _, other = self.content(self.transposed(rest))
            twin = self.term(other)
            if _transposes(twin) < _transposes(body) or (
                _transposes(twin) == _transposes(body) and order(twin) < order(body)
            ):
                factor, c = T.transpose(twin) if twin is not self.canon(T.transpose(twin)) else twin, c * sign
        word: Word = (factor,)
        return Poly(p.shape, self.times_scalars({((), word): c}, scalars))

    def content(self, p: Poly) -> tuple[Fraction, Scalars, Poly]:
        """Number, common scalar factors (with the least exponent) and what remains, of positive leading coefficient."""
        lead = min(p.terms, key=lambda m: (not _is_constant(m, p.terms), monomial_order(m)))
        values = list(p.terms.values())
        g = values[0]
        for v in values[1:]:
            g = _gcd(g, v)
        g = abs(g) if p.terms[lead] > 0 else -abs(g)
        common = dict(lead[0])
        for scalars, _ in p.terms:
            have = dict(scalars)
            common = {a: min(e, have[a]) for a, e in common.items() if a in have and (have[a] > 0) == (e > 0)}
            common = {a: (e if e > 0 else max(e, have[a])) for a, e in common.items()}
        # Negative exponents are pulled out too: the largest denominator that every term has.
        if not common:
            return self._as_turned(g, (), p.scaled(1 / g))
        down = tuple((a, -e) for a, e in common.items())
        rest: dict[Monomial, Fraction] = {}
        for (scalars, word), c in p.terms.items():
            rest[(self.join(scalars, down), word)] = c / g
        return self._as_turned(g, tuple(common.items()), Poly(p.shape, rest))

    def cleared(self, p: Poly) -> tuple[Scalars, Poly]:
        """The common denominator of a sum (as negative powers), and the sum without it: ``1 + q/s = (s + q)/s``."""
        least: dict[Term, Fraction] = {}
        if not self.opaque and len(p.terms) > 1:
            for scalars, _ in p.terms:
                for a, e in scalars:
                    if e < 0 and a.op != "add":
                        least[a] = min(e, least.get(a, e))
        if not least:
            return (), p
        up = tuple((a, -e) for a, e in least.items())
        return self.join((), tuple(least.items())), Poly(p.shape, self.times_scalars(p.terms, up))

    def _as_turned(self, g: Fraction, scalars: Scalars, rest: Poly) -> tuple[Fraction, Scalars, Poly]:
        """The other sign where the user wrote the sum the other way round."""
        if self.turned and frozenset(rest.terms.items()) in self.turned:
            return -g, scalars, rest.scaled(Fraction(-1))
        return g, scalars, rest

    def join(self, a: Scalars, b: Scalars) -> Scalars:
        """The product of two lists of scalar powers, sorted."""
        if not a or not b:
            return a or tuple(sorted(b, key=lambda ae: order(ae[0])))
        table = dict(a)
        for atom, e in b:
            new = table.get(atom, Fraction(0)) + e
            if new:
                table[atom] = new
            else:
                del table[atom]
        return tuple(sorted(table.items(), key=lambda ae: order(ae[0])))

    def times_scalars(self, terms: dict[Monomial, Fraction], scalars: Scalars) -> dict[Monomial, Fraction]:
        out: dict[Monomial, Fraction] = {}
        for (s, w), c in terms.items():
            key = (self.join(s, scalars), w)
            out[key] = out.get(key, Fraction(0)) + c
        return {m: c for m, c in out.items() if c}

    def product(self, a: Poly, b: Poly) -> Poly:
        """The product of two polynomials: scalars scale, others chain."""
        shape = OPS["mul"].shape(None, [a.shape, b.shape])
        if not a.terms or not b.terms:
            return Poly(shape, {})
        for p, q in ((a, b), (b, a)):
            r = p.rational
            if r is not None and p.shape.is_scalar and (abs(r) == 1 or len(q.terms) == 1 or not self.opaque):
                return q.scaled(r)
        if len(a.terms) > 1 or len(b.terms) > 1:
            cancelled = self.cancel_sum(a, b, shape)
            if cancelled is not None:
                return cancelled
        if self.opaque or len(a.terms) * len(b.terms) > MAX_PRODUCTS:
            a, b = self.whole(a), self.whole(b)
        return self.multiply_all(a, b, shape)

    def multiply_all(self, a: Poly, b: Poly, shape: Shape) -> Poly:
        """Every monomial of one times every monomial of the other."""
        parts = [
            self.multiply(m1, m2, shape).scaled(c1 * c2) for m1, c1 in a.terms.items() for m2, c2 in b.terms.items()
        ]
        return parts[0] if len(parts) == 1 else total(shape, parts)

    def gathered(self, factors: Sequence[Poly]) -> list[Poly]:
        """Scalar factors with the single terms among them multiplied at once: a long product is sorted one time."""
        single = [p for p in factors if len(p.terms) == 1]
        if len(single) < SEVERAL:
            return list(factors)
        powers: dict[Term, Fraction] = {}
        number = F1
        for p in single:
            ((scalars, _), c) = next(iter(p.terms.items()))
            number *= c
            for a, e in scalars:
                powers[a] = powers.get(a, Fraction(0)) + e
        at_once = self.join((), tuple((a, e) for a, e in powers.items() if e))
        return [self.reduce((at_once, ()), SCALAR).scaled(number), *(p for p in factors if len(p.terms) != 1)]

    def cancel_sum(self, a: Poly, b: Poly, shape: Shape) -> Poly | None:
        """``(x + y)*(x + y)^-1`` and ``S*inv(S)`` before the sum is multiplied out."""
        for p, q in ((a, b), (b, a)):
            if len(p.terms) < 2:
                continue
            if any(a.op == "add" and e < 0 for s2, _ in q.terms for a, e in s2):
                kept = self._sums_kept(p, {a for s2, _ in q.terms for a, e in s2 if a.op == "add" and e < 0})
                if kept is not None:
                    return self.multiply_all(kept, q, shape) if p is a else self.multiply_all(q, kept, shape)
                continue
            if p.shape.is_scalar:
                continue
            w = () if (single := self.whole(p).single) is None else single[0][1]
            if w and q.shape.is_square and p.shape.is_square and not q.shape.is_scalar:
                undo = self.inverse_factor(w[0])
                edge = -1 if q is a else 0
                if undo is not None and all(w2[edge] is undo for _, w2 in q.terms):
                    whole = self.whole(p)
                    return self.multiply_all(q, whole, shape) if q is a else self.multiply_all(whole, q, shape)
        return None

    def _sums_kept(self, p: Poly, below: set[Term]) -> Poly | None:
        """``(a + b)*x`` with its scalar sum kept whole, for every word of p; None where another sum remains."""
        words: dict[Word, dict[Monomial, Fraction]] = {}
        for (s, w), c in p.terms.items():
            words.setdefault(w, {})[(s, ())] = c
        out: dict[Monomial, Fraction] = {}
        for w, sums in words.items():
            (scalars, _), c = self.whole(Poly(SCALAR, sums)).single or (EMPTY, F1)
            if not any(a in below for a, _ in scalars):
                return None
            out[(scalars, w)] = c
        return Poly(p.shape, out)

    def multiply(self, m1: Monomial, m2: Monomial, shape: Shape) -> Poly:
        scalars = self.join(m1[0], m2[0])
        if not m1[1] or not m2[1]:
            return self.reduce((scalars, m1[1] or m2[1]), shape)
        chained = self.chain((*m1[1], *m2[1]), shape)
        return self.with_scalars(chained, scalars)

    def with_scalars(self, p: Poly, scalars: Scalars) -> Poly:
        if not scalars:
            return p
        return total(
            p.shape, [self.reduce((self.join(s, scalars), w), p.shape).scaled(c) for (s, w), c in p.terms.items()]
        )

    def reduce(self, m: Monomial, shape: Shape) -> Poly:
        """Relations between scalar atoms: sums with a positive power, sigmoid with exp."""
        scalars, word = m
        for i, (a, e) in enumerate(scalars):
            rest = scalars[:i] + scalars[i + 1 :]
            if a.op == "add" and a.args[0].op == "neg" and e.denominator == 1:  # under a root a sum has its own sign
                whole = self.whole(self.poly(a)).single
                if whole is not None and whole[0][0] != ((a, F1),):
                    own = tuple((b, k * e) for b, k in whole[0][0])
                    return self.reduce((self.join(rest, own), word), shape).scaled(whole[1] ** int(e))
            if a.op == "add" and e > 0 and e.denominator == 1 and self.expandable(scalars):
                p = numeral(F1)
                for _ in range(int(e)):
                    p = self.product(p, self.poly(a))
                return self.product(p, Poly(shape, {(rest, word): F1}))
            q = as_rational(a.args[1]) if a.op == "pow" and e.denominator == 1 else None
            if q is not None and q.denominator != 1 and (e * q).denominator == 1:  # sqrt(s)^2 is s
                return self.product(self.raised(self.poly(a.args[0]), e * q), Poly(shape, {(rest, word): F1}))
        related = self.relation(dict(scalars), SCALAR)
        if related is not None:
            parts = [self.reduce((self.join((), tuple(t.items())), word), shape).scaled(c) for c, t in related]
            return total(shape, parts)
        return Poly(shape, {m: F1})

    # ------------------------------------------------------------- transposes
    def flip(self, f: Term) -> Term:
        """The transpose of one canonical factor, canonical again."""
        found = self._flip.get(f)
        if found is None:
            found = self._flip[f] = self._flipped(f)
        return found

    def _flipped(self, f: Term) -> Term:
        op = f.op
        if op == "transpose":
            return f.args[0]
        if op in ("diag", "eye"):
            return f
        if op == "commutation":
            return T.commutation(f.data[1], f.data[0])
        if op == "kron":
            return T.make("kron", *(self.flip_term(a) for a in f.args))
        if f.shape.is_square and any(self.has(f, fact) for fact in ("symmetric", "posdef", "diagonal")):
            return f
        if op == "hess" and f.data[1] == f.data[2]:
            return f
        if op == "sumover" and f.shape.is_square and self.flip_term(f.args[0]) is f.args[0]:
            return f
        if op in ("inv", "fn", "pow", "had", "hpow", "add") and f.shape.is_square and not f.shape.is_scalar:
            args = [self.flip_term(a) if not a.is_scalar else a for a in f.args]
            if op in ("had", "add"):
                args.sort(key=order)
                if args == sorted(f.args, key=order):
                    return f
            elif args == list(f.args):
                return f
        return T.transpose(f)

    def flip_term(self, t: Term) -> Term:
        """The canonical transpose of a canonical term."""
        return self.canon(T.transpose(t))

    def flip_word(self, word: Word) -> Word:
        return tuple(self.flip(f) for f in reversed(word))

    def oriented(self, body: Term) -> Term:
        """A canonical row stands for the transpose of a column."""
        if body.op == "transpose":
            return body
        if body.shape.rows is ONE_DIM:
            return T.transpose(self.canon(T.transpose(body)))
        return body

    def transposed(self, p: Poly) -> Poly:
        if p.shape.is_scalar:
            return p
        out: dict[Monomial, Fraction] = {}
        for (s, w), c in p.terms.items():
            sign, turned = self.unskewed(self.flip_word(w))
            key = (s, turned)
            out[key] = out.get(key, Fraction(0)) + c * sign
        return Poly(p.shape.transposed, {m: c for m, c in out.items() if c})

    def size(self, d: Dim) -> Poly:
        """A size as a scalar polynomial."""
        parts = []
        for mono, c in d.coefficients:
            p = numeral(Fraction(c))
            for a in mono:
                p = self.product(p, self.atom(T.size(dim(a))))
            parts.append(p)
        return total(SCALAR, parts)

    # Signs: what is known to be nonnegative, from the facts and from the form of a canonical term
    nonnegative = signs.nonnegative
    positive_definite = signs.positive_definite
    has = signs.has
    is_skew = signs.is_skew
    is_diagonal = signs.is_diagonal
    unskewed = signs.unskewed
    adds_to_one = signs.adds_to_one

    # Powers of scalars, and the relations between functions of one argument (sigmoid with exp, step with relu)
    raised = powers.raised
    logistic = powers.logistic
    powers_of = powers.powers_of
    relation = powers.relation
    number_power = powers.number_power

    # Chains of factors: what cancels, where a chain falls apart, what a diagonal does to the column behind it
    inverse_factor = chains.inverse_factor
    column_power = chains.column_power
    simplify = chains.simplify
    merged = chains.merged
    chain = chains.chain
    outer = chains.outer
    segment = chains.segment
    column_chain = chains.column_chain
    scalar_chain = chains.scalar_chain
    sum_of_column = chains.sum_of_column

    # Columns and matrices as multisets of entrywise factors with exponents
    elements = columns.elements
    vector = columns.vector
    word_of = columns.word_of
    entrywise = columns.entrywise
    hadamard = columns.hadamard
    expandable = columns.expandable
    column = columns.column


def _is_constant(m: Monomial, others: Iterable[Monomial]) -> bool:
    """Whether a monomial is the 1 of ``1 - s``: ones or an identity, or a number next to a function."""
    if m[1]:
        bare = [f.args[0] if f.op == "transpose" else f for f in m[1]]
        return not m[0] and all(f.op in ("ones", "eye") for f in bare)
    return not m[0] and any(a.op == "fn" for scalars, _ in others for a, _ in scalars)


def _transposes(t: Term) -> int:
    """How many transposes a sum shows at its surface."""
    return sum(f.op == "transpose" for a in t.args for f in ((a.args[0] if a.op == "neg" else a).args or (a,)) + (a,))


def _gcd(a: Fraction, b: Fraction) -> Fraction:
    return Fraction(gcd(a.numerator, b.numerator), lcm(a.denominator, b.denominator))
