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

from matcalc.language import terms as T
from matcalc.language.dims import ONE as ONE_DIM
from matcalc.language.dims import SCALAR, Dim, Shape, dim
from matcalc.language.ops import OPS
from matcalc.language.terms import Term
from matcalc.rewriting.contraction import contract, split_hadamard
from matcalc.rewriting.hadamard import matrix_hadamard
from matcalc.rewriting.normal_ops import ATOMIC, HANDLERS, MAX_POWER, MAX_PRODUCTS
from matcalc.rewriting.polynomial import (
    EMPTY,
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

    def __init__(self, facts: Facts, opaque: bool = False) -> None:
        self.facts = facts
        self.opaque = opaque
        self._memo: dict[Term, Poly] = {}
        self._canon: dict[Term, Term] = {}
        self._flip: dict[Term, Term] = {}

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
        c, scalars, rest = self.content(p)
        body = self.term(rest)
        if p.shape.is_scalar:
            return Poly(SCALAR, self.times_scalars({((), ()): c}, (*scalars, (body, F1))))
        factor = self.oriented(body)
        if p.shape.is_matrix:
            other = self.transposed(rest)
            sign = 1 if other.terms[min(other.terms, key=monomial_order)] > 0 else -1
            twin = self.term(other.scaled(Fraction(sign)))
            if _transposes(twin) < _transposes(body) or (_transposes(twin) == _transposes(body) and order(twin) < order(body)):
                factor, c = T.transpose(twin) if twin is not self.canon(T.transpose(twin)) else twin, c * sign
        word: Word = (factor,)
        return Poly(p.shape, self.times_scalars({((), word): c}, scalars))

    def content(self, p: Poly) -> tuple[Fraction, Scalars, Poly]:
        """Number, common scalar factors (with the least exponent) and what remains, of positive leading coefficient."""
        lead = min(p.terms, key=monomial_order)
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
            return g, (), p.scaled(1 / g)
        down = tuple((a, -e) for a, e in common.items())
        rest: dict[Monomial, Fraction] = {}
        for (scalars, word), c in p.terms.items():
            rest[(self.join(scalars, down), word)] = c / g
        return g, tuple(common.items()), Poly(p.shape, rest)

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
        parts = [
            self.multiply(m1, m2, shape, a.shape, b.shape).scaled(c1 * c2)
            for m1, c1 in a.terms.items()
            for m2, c2 in b.terms.items()
        ]
        return parts[0] if len(parts) == 1 else total(shape, parts)

    def cancel_sum(self, a: Poly, b: Poly, shape: Shape) -> Poly | None:
        """``(x + y)*(x + y)^-1`` and ``S*inv(S)`` before the sum is multiplied out."""
        for p, q in ((a, b), (b, a)):
            if len(p.terms) < 2:
                continue
            (s, w), c = self.whole(p).single or (EMPTY, F1)
            if p.shape.is_scalar:
                body = s and next((x for x, _ in s if x.op == "add"), None)
                if body and any(dict(s2).get(body, F1) < 0 for s2, _ in q.terms):
                    parts = [self.reduce((self.join(s, s2), w2), q.shape).scaled(c * c2) for (s2, w2), c2 in q.terms.items()]
                    return total(shape, parts)
            elif w and q.shape.is_square and p.shape.is_square and not q.shape.is_scalar:
                undo = self.inverse_factor(w[0])
                edge = -1 if q is a else 0
                if undo is not None and all(w2[edge] is undo for _, w2 in q.terms):
                    whole = self.whole(p)
                    ab = (q, whole) if q is a else (whole, q)
                    parts = [
                        self.multiply(m1, m2, shape, ab[0].shape, ab[1].shape).scaled(c1 * c2)
                        for m1, c1 in ab[0].terms.items()
                        for m2, c2 in ab[1].terms.items()
                    ]
                    return total(shape, parts)
        return None

    def multiply(self, m1: Monomial, m2: Monomial, shape: Shape, left: Shape, right: Shape) -> Poly:
        scalars = self.join(m1[0], m2[0])
        if not m1[1] or not m2[1]:
            return self.reduce((scalars, m1[1] or m2[1]), shape)
        chained = self.chain((*m1[1], *m2[1]), shape)
        return self.with_scalars(chained, scalars)

    def with_scalars(self, p: Poly, scalars: Scalars) -> Poly:
        if not scalars:
            return p
        return total(p.shape, [self.reduce((self.join(s, scalars), w), p.shape).scaled(c) for (s, w), c in p.terms.items()])

    def reduce(self, m: Monomial, shape: Shape) -> Poly:
        """Relations between scalar atoms: sums with a positive power, sigmoid with exp."""
        scalars, word = m
        for i, (a, e) in enumerate(scalars):
            rest = scalars[:i] + scalars[i + 1 :]
            if a.op == "add" and e > 0 and e.denominator == 1 and self.expandable(scalars):
                p = numeral(F1)
                for _ in range(int(e)):
                    p = self.product(p, self.poly(a))
                return self.product(p, Poly(shape, {(rest, word): F1}))
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
        if op == "sym" and f.shape.is_square and self.facts.get(f.data, frozenset()) & {"symmetric", "posdef", "diagonal"}:
            return f
        if op == "hess" and f.data[1] == f.data[2]:
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

    # ------------------------------------------------------------- facts
    def nonnegative(self, a: Term) -> bool:
        """Whether a scalar or every entry of a canonical term is known not to be negative."""
        op = a.op
        if op in ("size", "norm1", "norm2", "normF", "num", "const", "ones", "eye"):
            return True
        if op in ("sym", "elem"):
            name = a.data if op == "sym" else a.data[0]
            return "positive" in self.facts.get(name, frozenset())
        if op == "fn":
            return a.data[1] == 0 and a.data[0] in ("exp", "sigmoid", "abs", "relu", "step", "softplus", "sqrt", "cosh")
        if op in ("det",):
            return a.args[0].op == "sym" and "posdef" in self.facts.get(a.args[0].data, frozenset())
        if op in ("add", "had"):
            return all(self.nonnegative(x) for x in a.args)
        if op in ("pow", "hpow"):
            e = as_rational(a.args[1])
            return self.nonnegative(a.args[0]) or (e is not None and e.denominator == 1 and e.numerator % 2 == 0)
        if op == "transpose":
            return self.nonnegative(a.args[0])
        if op == "mul":
            if all(self.nonnegative(x) for x in a.args):
                return True
            flipped = tuple(self.flip(x) for x in reversed(a.args)) if not any(x.is_scalar for x in a.args) else ()
            half, odd = divmod(len(a.args), 2)
            if a.is_scalar and flipped == a.args:
                return not odd or self.positive_definite(a.args[half])
        if op == "tr":
            inner = a.args[0]
            if inner.op == "mul" and len(inner.args) == 2:
                return inner.args[0] is self.flip(inner.args[1])
        return False

    def positive_definite(self, f: Term) -> bool:
        if f.op == "inv":
            f = f.args[0]
        return f.op == "sym" and "posdef" in self.facts.get(f.data, frozenset())

    def has(self, f: Term, fact: str) -> bool:
        base = f.args[0] if f.op == "transpose" else f
        return base.op == "sym" and fact in self.facts.get(base.data, frozenset())

    # ------------------------------------------------------------- chains
    def inverse_factor(self, f: Term) -> Term | None:
        """The inverse of one square factor, canonical; None where it is not square."""
        if not f.shape.is_square:
            return None
        if f.op == "transpose":
            inner = self.inverse_factor(f.args[0])
            return None if inner is None else self.flip(inner)
        if f.op == "inv":
            return f.args[0]
        if f.op == "eye":
            return f
        if self.has(f, "orthogonal"):
            return self.flip(f)
        if f.op == "diag":
            return T.make("diag", self.column_power(f.args[0], Fraction(-1)))
        if f.op == "commutation":
            return self.flip(f)
        return T.make("inv", f)

    def column_power(self, v: Term, e: Fraction) -> Term:
        return self.vector({b: k * e for b, k in self.elements(v).items()}, v.shape)

    def simplify(self, word: Word) -> tuple[Word, bool]:
        """Neighbours that cancel or merge: identities, inverses, orthogonal pairs, diagonals. The measure is length."""
        out: list[Term] = []
        for f in word:
            if f.op == "eye":
                continue
            if out:
                g = out[-1]
                if f.op == "diag" and g.op == "diag":
                    out[-1] = T.make("diag", self.merged(g.args[0], f.args[0]))
                    if out[-1].args[0].op == "ones":
                        out.pop()
                    continue
                if f.shape.is_square and g.shape == f.shape and f.op != "diag" and self.inverse_factor(g) is f:
                    out.pop()
                    continue
            out.append(f)
        if not out and word:
            out.append(T.eye(word[0].shape.rows))
        return tuple(out), len(out) < len(word)

    def merged(self, u: Term, v: Term) -> Term:
        """The Hadamard product of two canonical columns that are plain multisets."""
        table = dict(self.elements(u))
        for b, e in self.elements(v).items():
            table[b] = table.get(b, Fraction(0)) + e
        return self.vector({b: e for b, e in table.items() if e}, u.shape)

    def chain(self, word: Word, shape: Shape) -> Poly:
        """The polynomial of a chain of canonical factors."""
        while True:
            word, changed = self.simplify(word)
            if not changed:
                break
        if len(word) == 1 and word[0].op == "eye":
            return numeral(F1) if shape.is_scalar else self.unit(word, shape)
        segments: list[Word] = []
        start = 0
        for i in range(1, len(word)):
            if word[i].shape.rows is ONE_DIM:
                segments.append(word[start:i])
                start = i
        segments.append(word[start:])
        if len(segments) == 1:
            return self.segment(word, shape)
        parts = [
            self.segment(s, Shape(s[0].shape.rows, s[-1].shape.cols)) for s in segments
        ]
        if shape.is_scalar or len(parts) > 2 or parts[0].shape.is_scalar or parts[-1].shape.is_scalar:
            scalars = [p for p in parts if p.shape.is_scalar]
            rest = [p for p in parts if not p.shape.is_scalar]
            out = self.outer(rest, shape) if rest else numeral(F1)
            for p in scalars:
                out = self.product(p, out)
            return out
        return self.outer(parts, shape)

    def outer(self, parts: Sequence[Poly], shape: Shape) -> Poly:
        """A column times a row: the words stand side by side."""
        if len(parts) == 1:
            return parts[0]
        out = []
        for (s1, w1), c1 in parts[0].terms.items():
            for (s2, w2), c2 in parts[1].terms.items():
                out.append(self.reduce((self.join(s1, s2), w1 + w2), shape).scaled(c1 * c2))
        return total(shape, out)

    def segment(self, word: Word, shape: Shape) -> Poly:
        """A chain without an inner size 1."""
        if shape.is_scalar:
            return self.scalar_chain(word)
        if shape.cols is ONE_DIM:
            return self.column_chain(word, shape)
        if shape.rows is ONE_DIM:
            return self.transposed(self.column_chain(self.flip_word(word), shape.transposed))
        return self.unit(word, shape)

    def transposed(self, p: Poly) -> Poly:
        if p.shape.is_scalar:
            return p
        out: dict[Monomial, Fraction] = {}
        for (s, w), c in p.terms.items():
            key = (s, self.flip_word(w))
            out[key] = out.get(key, Fraction(0)) + c
        return Poly(p.shape.transposed, {m: c for m, c in out.items() if c})

    def column_chain(self, word: Word, shape: Shape) -> Poly:
        """A chain that ends in a column: diagonals are entrywise products with what follows."""
        for i in range(len(word) - 2, -1, -1):
            if word[i].op == "diag":
                below = word[i + 1 :]
                n = Shape(below[0].shape.rows, ONE_DIM)
                v = self.entrywise([self.unit((word[i].args[0],), n), self.unit(below, n)], n)
                return self.product(self.unit(word[:i], Shape(word[0].shape.rows, word[i].shape.rows)), v) if i else v
        return self.unit(word, shape)

    # ------------------------------------------------- columns as multisets
    def elements(self, v: Term) -> dict[Term, Fraction]:
        """The entrywise factors of a canonical column or matrix, with their exponents."""
        if v.op == "ones":
            return {}
        out: dict[Term, Fraction] = {}
        for f in v.args if v.op == "had" else (v,):
            e = F1
            if f.op == "hpow":
                q = as_rational(f.args[1])
                if q is not None:
                    f, e = f.args[0], q
            out[f] = out.get(f, Fraction(0)) + e
        return {b: e for b, e in out.items() if e}

    def vector(self, table: Mapping[Term, Fraction], shape: Shape) -> Term:
        """The canonical column or matrix with these entrywise factors."""
        if not table:
            return T.ones(*shape)
        parts = [b if e == 1 else T.hpower(b, rational_term(e)) for b, e in sorted(table.items(), key=lambda x: order(x[0]))]
        return T.had(*parts) if len(parts) > 1 else parts[0]

    def word_of(self, v: Term) -> Word:
        return v.args if v.op == "mul" else (v,)

    def entrywise(self, parts: Sequence[Poly], shape: Shape) -> Poly:
        """The Hadamard product of polynomials of one shape (a scalar one scales)."""
        out: Poly | None = None
        for p in parts:
            if out is None:
                out = p
            elif out.shape.is_scalar or p.shape.is_scalar:
                out = self.product(out, p)
            else:
                a, b = out, p
                if not a.terms or not b.terms:
                    return Poly(shape, {})
                if (len(a.terms) > 1 or len(b.terms) > 1) and (
                    self.opaque or len(a.terms) * len(b.terms) > MAX_PRODUCTS
                ):
                    a, b = self.whole(a), self.whole(b)
                done = []
                for (s1, w1), c1 in a.terms.items():
                    for (s2, w2), c2 in b.terms.items():
                        done.append(self.with_scalars(self.hadamard(w1, w2, shape), self.join(s1, s2)).scaled(c1 * c2))
                out = total(shape, done)
        assert out is not None
        return out

    def hadamard(self, w1: Word, w2: Word, shape: Shape) -> Poly:
        if shape.cols is ONE_DIM:
            table: dict[Term, Fraction] = {}
            for w in (w1, w2):
                for b, e in (self.elements(w[0]) if len(w) == 1 else {T.mul(*w): F1}).items():
                    table[b] = table.get(b, Fraction(0)) + e
            return self.column({b: e for b, e in table.items() if e}, shape)
        if shape.rows is ONE_DIM:
            return self.transposed(self.hadamard(self.flip_word(w1), self.flip_word(w2), shape.transposed))
        return matrix_hadamard(self, w1, w2, shape)

    def expandable(self, powers: Iterable[tuple[Term, Fraction]]) -> bool:
        """Whether the sums among entrywise or scalar factors may be multiplied out: the count stays below the limit."""
        if self.opaque:
            return False
        count = 1
        for b, e in powers:
            if b.op == "add" and e > 0 and e.denominator == 1:
                if e > MAX_POWER:
                    return False
                count *= len(self.poly(b).terms) ** int(e)
        return count <= MAX_PRODUCTS

    def column(self, table: Mapping[Term, Fraction], shape: Shape) -> Poly:
        """The polynomial of a column multiset; relations between its members are applied."""
        related = self.relation(table, shape)
        if related is not None:
            return total(shape, [self.column(t, shape).scaled(c) for c, t in related])
        for b, e in table.items():
            if e.denominator != 1 or e <= 0:
                continue
            rest = {k: v for k, v in table.items() if k is not b}
            if b.op == "add" and self.expandable(table.items()):
                parts = [self.poly(b)] * int(e) + [self.column(rest, shape)]
                return self.entrywise(parts, shape)
            if b.op == "mul" and e == 1 and len(table) == 1:
                return self.unit(b.args, shape)
        return self.unit((self.vector(table, shape),), shape)

    # ------------------------------------------------------------ scalars
    def scalar_chain(self, word: Word) -> Poly:
        """A chain from a row to a column."""

        split = split_hadamard(self, word)
        if split is not None:
            return split
        row = self.flip(word[0])
        n = Shape(row.shape.rows, ONE_DIM)
        for i in range(1, len(word) - 1):
            if word[i].op == "diag":
                k = Shape(word[i].shape.rows, ONE_DIM)
                left = self.column_chain(self.flip_word(word[:i]), k)
                v = self.entrywise(
                    [left, self.unit((word[i].args[0],), k), self.column_chain(word[i + 1 :], k)], k
                )
                return self.sum_of_column(v)
        v = self.entrywise([self.unit((row,), n), self.column_chain(word[1:], n)], n)
        return contract(self, v) if v.single else self.sum_of_column(v)

    def sum_of_column(self, v: Poly) -> Poly:
        """The sum of the entries of a column."""

        parts = []
        for (s, w), c in v.terms.items():
            parts.append(self.product(Poly(SCALAR, {(s, ()): c}), contract(self, self.unit(w, v.shape))))
        return total(SCALAR, parts)

    def size(self, d: Dim) -> Poly:
        """A size as a scalar polynomial."""
        parts = []
        for mono, c in d.coefficients:
            p = numeral(Fraction(c))
            for a in mono:
                p = self.product(p, self.atom(T.size(dim(a))))
            parts.append(p)
        return total(SCALAR, parts)

    def raised(self, p: Poly, e: Fraction) -> Poly:
        """A rational power of a scalar polynomial."""
        if e == 1:
            return p
        r = p.rational
        if r is not None:
            return self._number_power(r, e)
        if len(p.terms) > 1:
            if e.denominator == 1 and 0 < e <= MAX_POWER and not self.opaque and len(p.terms) ** int(e) <= MAX_PRODUCTS:
                out = p
                for _ in range(int(e) - 1):
                    out = self.product(out, p)
                return out
            logistic = self.logistic(p)
            if logistic is not None and e.denominator == 1 and e < 0:
                c, reciprocal = logistic
                return self.product(self._number_power(c, e), self.raised(reciprocal, -e))
            p = self.whole(p)
        (scalars, _), c = p.single or (EMPTY, F1)
        if e.denominator != 1 and c < 0:
            body = self.write(p.single[0], c) if p.single else self.term(p)
            return self.atom(T.power(body, rational_term(e)))
        kept: list[tuple[Term, Fraction]] = []
        stuck: list[tuple[Term, Fraction]] = []
        for a, k in scalars:
            fine = e.denominator == 1 or self.nonnegative(a)
            (kept if fine else stuck).append((a, k * e) if fine else (a, k))
        if len(stuck) == 1 and stuck[0][1] == 1:  # one factor of unknown sign: the domain makes it nonnegative
            kept.append((stuck[0][0], e))
            stuck = []
        out = self.reduce((self.join((), tuple(kept)), ()), SCALAR) if kept else numeral(F1)
        if stuck:
            body = self.write((tuple(stuck), ()), F1)
            out = self.product(out, self.atom(T.power(body, rational_term(e))))
        return self.product(self._number_power(c, e), out)

    def logistic(self, p: Poly) -> tuple[Fraction, Poly] | None:
        """A multiple c of one of the four sums whose reciprocal is again a polynomial, as c and that reciprocal.

        With e = exp(z) and s = sigmoid(z): ``1 + e`` and ``1 - s``, ``1 + 1/e`` and ``s``, ``1 - s`` and ``1 + e``.
        """
        if len(p.terms) != 2 or self.opaque:
            return None
        one = numeral(F1) if p.shape.is_scalar else self.poly(T.ones(*p.shape))
        ((unit, _),) = one.terms.items()
        c = p.terms.get(unit)
        if c is None:
            return None
        (((scalars, word), k),) = ((m, k) for m, k in p.terms.items() if m != unit)
        if p.shape.is_scalar:
            powers = dict(scalars)
        elif scalars or len(word) != 1:
            return None
        else:
            powers = self.elements(word[0])
        if len(powers) != 1:
            return None
        ((f, e),) = powers.items()
        if f.op != "fn" or abs(e) != 1:
            return None
        if f.data == ("exp", 0) and k == c:
            s = self._powers({T.fn("sigmoid", f.args[0]): F1}, p.shape)
            return c, s if e < 0 else total(p.shape, [one, s.scaled(Fraction(-1))])
        if f.data == ("sigmoid", 0) and e == 1 and k == -c:
            return c, total(p.shape, [one, self._powers({T.fn("exp", f.args[0]): F1}, p.shape)])
        return None

    def _powers(self, table: Mapping[Term, Fraction], shape: Shape) -> Poly:
        """Powers as a scalar, or as a column or matrix multiset, without applying relations."""
        if shape.is_scalar:
            return Poly(SCALAR, {(self.join((), tuple(table.items())), ()): F1})
        if not table:
            return self.poly(T.ones(*shape))
        v = self.vector(table, shape)
        return self.unit(self.word_of(v), shape)

    def relation(self, table: Mapping[Term, Fraction], shape: Shape) -> list[tuple[Fraction, dict[Term, Fraction]]] | None:
        """Relations between functions of one argument, as the sum that replaces a product of powers; None: no relation.

        ``s*e = e - s``, ``s/e = 1 - s``, ``1/s = 1 + 1/e`` for s = sigmoid(z), e = exp(z); ``step^2 = step``,
        ``relu*step = relu``. Each lowers the powers of sigmoid or step, so that applying them ends.
        """
        for b, e in table.items():
            if b.op != "fn" or b.data[1] != 0 or e.denominator != 1:
                continue
            if b.data[0] == "step" and e > 1:
                return [(F1, _changed(table, {b: 1 - e}))]
            if b.data[0] == "step" and e > 0 and table.get(T.fn("relu", b.args[0]), 0) > 0:
                return [(F1, _changed(table, {b: -e}))]
            if b.data[0] == "sigmoid" and not self.opaque:
                ex = T.fn("exp", b.args[0])
                if e < 0:
                    return [(F1, _changed(table, {b: F1})), (F1, _changed(table, {b: F1, ex: -F1}))]
                k = table.get(ex, Fraction(0))
                if k.denominator == 1 and k > 0:
                    return [(F1, _changed(table, {b: -F1})), (-F1, _changed(table, {ex: -F1}))]
                if k.denominator == 1 and k < 0:
                    return [(F1, _changed(table, {b: -F1, ex: F1})), (-F1, _changed(table, {ex: F1}))]
        return None

    def _number_power(self, c: Fraction, e: Fraction) -> Poly:
        if e.denominator == 1 and abs(e) <= 64 and (c != 0 or e > 0):
            return numeral(c ** int(e))
        if c == 1:
            return numeral(F1)
        root = _exact_root(c, e)
        return numeral(root) if root is not None else self.atom(T.power(rational_term(c), rational_term(e)))


def _exact_root(c: Fraction, e: Fraction) -> Fraction | None:
    """``c**e`` where it is rational, e.g. 4^(1/2)."""
    if c <= 0 or abs(e.numerator) > 16 or e.denominator > 8:
        return None
    num = round(c.numerator ** (1 / e.denominator))
    den = round(c.denominator ** (1 / e.denominator))
    if num**e.denominator != c.numerator or den**e.denominator != c.denominator:
        return None
    return Fraction(num, den) ** e.numerator


def _transposes(t: Term) -> int:
    """How many transposes a sum shows at its surface."""
    return sum(f.op == "transpose" for a in t.args for f in ((a.args[0] if a.op == "neg" else a).args or (a,)) + (a,))


def _gcd(a: Fraction, b: Fraction) -> Fraction:
    from math import gcd, lcm

    return Fraction(gcd(a.numerator, b.numerator), lcm(a.denominator, b.denominator))


def _changed(table: Mapping[Term, Fraction], by: Mapping[Term, Fraction]) -> dict[Term, Fraction]:
    """A table of powers with some exponents changed."""
    out = dict(table)
    for b, e in by.items():
        out[b] = out.get(b, Fraction(0)) + e
    return {b: e for b, e in out.items() if e}
