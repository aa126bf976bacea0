"""Writing one monomial the way a person would: the other half of the normal form.

The normal form keeps a product as powers of scalars and a word of factors.  Here it gets its printed shape: a
fraction in front, ``norm2(u)^2`` for ``u'*u``, ``softmax``, quotients, runs of transposes, powers.  Every choice is
between equal forms; the cheapest one is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

from matcalc.language import terms as T
from matcalc.language.dims import ONE
from matcalc.language.ops import COLWISE, ROWWISE
from matcalc.language.selections import is_unit, unit_of
from matcalc.language.terms import Term
from matcalc.rewriting.assembly import (
    HALF,
    entries,
    entry_power,
    entry_rank,
    linear,
    negated,
    positive,
    product,
    quotient,
    rank_of_cost,
    scalar_rank,
    signed,
    transposed,
    unsigned,
)
from matcalc.rewriting.contraction import pair_of
from matcalc.rewriting.cost import cost
from matcalc.rewriting.normal import Normalizer
from matcalc.rewriting.polynomial import Monomial, Scalars, Word, as_rational
from matcalc.rewriting.recognition import exp_sum, recognised

__all__ = ["Writer"]


class Writer:
    """Writes monomials; ``show`` writes a canonical argument (a sum, the argument of a function)."""

    def __init__(
        self,
        n: Normalizer,
        show: Callable[[Term], Term],
        known: Callable[[Term], Term | None],
        plain: Callable[[Term], Term],
    ) -> None:
        self.n = n
        self.show = show
        self.known = known
        self.plain = plain  # a sum as it is
        self._factors: dict[Term, Term] = {}

    # ----------------------------------------------------------- monomials
    def monomial(self, m: Monomial, c: Fraction) -> Term:
        """The monomial with its coefficient, a leading sign outermost."""
        forms = [signed(c < 0, t) if t.op != "neg" else t.args[0] if c < 0 else t for t in self._variants(m, abs(c))]
        if c < 0:
            for flipped in self._flipped_sums(m):
                forms += self._variants(flipped, abs(c))
        return min(forms, key=rank_of_cost)

    def _flipped_sums(self, m: Monomial) -> Iterator[Monomial]:
        """The monomial with one of its sums negated: ``-(b - a)`` is ``a - b``."""
        scalars, word = m
        for i, (a, e) in enumerate(scalars):
            if a.op == "add" and e.denominator == 1 and e % 2 == 1 and a.free:
                yield (scalars[:i] + ((negated(a), e),) + scalars[i + 1 :], word)
            elif a.op == "mul" and e == 1:
                for new in self._negated_factors(a):
                    yield (scalars[:i] + ((new, e),) + scalars[i + 1 :], word)
        for i, f in enumerate(word):
            for new in self._negated_factors(f):
                yield (scalars, word[:i] + (new,) + word[i + 1 :])

    def _negated_factors(self, f: Term) -> Iterator[Term]:
        """The negative of a factor, with the sign taken into one of its sums."""
        if f.op == "add":
            yield negated(f)
        elif f.op in ("transpose", "diag", "sumover"):
            yield from (T.make(f.op, inner, data=f.data) for inner in self._negated_factors(f.args[0]))
        elif f.op == "mul":
            for i, a in enumerate(f.args):
                if not a.is_scalar:
                    yield from (T.mul(*f.args[:i], new, *f.args[i + 1 :]) for new in self._negated_factors(a))
        elif f.op == "had":
            table = self.n.elements(f)
            for b, e in table.items():
                if e.denominator == 1 and e % 2 == 1 and (e == 1 or b.op == "add"):
                    rest = {k: x for k, x in table.items() if k is not b}
                    for new in self._negated_factors(b):
                        if new not in rest:
                            yield self.n.vector({**rest, new: e}, f.shape)

    def _variants(self, m: Monomial, c: Fraction) -> list[Term]:
        scalars, word = recognised(self.n, *m)
        scalars, above = self._joined_powers(scalars)
        below: list[Term] = []
        for a, e in scalars:
            if e == 1 and _beside_sigmoid(a, [b for b, _ in scalars]):
                above.append(self.plain(a))
                continue
            t, down = self.power(a, e)
            number = as_rational(t)
            if number is not None and number > 0:
                c = c / number if down else c * number
                continue
            (below if down else above).append(t)
        above.sort(key=scalar_rank)
        below.sort(key=scalar_rank)
        out = []
        for chain in self.words(word) if word else [None]:
            out.append(self._fraction(c, above, below, chain))
        return out

    def _joined_powers(self, scalars: Scalars) -> tuple[Scalars, list[Term]]:
        """``b^p/b^2`` with a symbol for exponent becomes ``b^(p - 2)``; the rest, and what was joined."""
        rest = dict(scalars)
        joined: list[Term] = []
        for a, e in scalars:
            if a.op != "pow" or e != 1 or as_rational(a.args[1]) is not None:
                continue
            base = self.n.poly(a.args[0]).single
            if base is None or base[1] != 1 or len(base[0][0]) != 1:
                continue
            ((atom, k),) = base[0][0]
            times = rest.get(atom, Fraction(0)) / k
            if times and times.denominator == 1:
                del rest[a], rest[atom]
                exponent = self.n.canon(T.add(a.args[1], T.number(times)))
                joined.append(T.power(self.scalar(a).args[0], self.show(exponent)))
        return (tuple(rest.items()) if joined else scalars), joined

    def _fraction(self, c: Fraction, above: list[Term], below: list[Term], chain: Term | None) -> Term:
        up = list(above)
        down = list(below)
        if c.numerator != 1:
            up.insert(0, T.number(c.numerator))
        if c.denominator != 1:
            down.insert(0, T.number(c.denominator))
        if chain is not None and chain.op == "hdiv" and chain.args[0].op == "num" and chain.args[0].data == 1 and up:
            chain = T.hdiv(product(up), chain.args[1])  # c*(1./x) is c./x
            up = []
        if not down:
            parts = [*up, *([chain] if chain is not None else [])]
            return product(parts)
        under = product(down)
        if chain is None:
            return quotient(product(up), under)
        if up and all(not t.args for t in down) and len(down) <= 2:
            return product([quotient(product(up), under), chain])
        return quotient(product([*up, chain]), under)

    # ------------------------------------------------------------- scalars
    def power(self, a: Term, e: Fraction) -> tuple[Term, bool]:
        """A power of a scalar atom, and whether it stands below the line."""
        if a.op == "fn" and a.data == ("exp", 0) and e != 1:
            return T.fn("exp", self.show(self.n.canon(T.mul(T.number(e), a.args[0])))), False
        down = e < 0
        e = abs(e)
        root = self._root(a)
        forms = []
        if root is not None:
            twice = 2 * e
            forms.append(root if twice == 1 else T.power(root, T.number(twice)))
        if e == HALF:
            forms.append(T.fn("sqrt", self.scalar(a)))
        elif root is None or e.denominator == 1:
            s = self.scalar(a)
            forms.append(s if e == 1 else T.power(s, T.number(e)))
        return min(forms, key=rank_of_cost), down

    def _root(self, a: Term) -> Term | None:
        """``norm2(u)`` for ``u'*u``, ``normF(X)`` for ``tr(X'*X)``."""
        if a.op == "mul" and not any(f.is_scalar for f in a.args):
            word = a.args
            half = len(word) // 2
            if len(word) % 2 == 0 and self.n.flip_word(word) == word:
                u = min(self.words(word[half:]), key=cost)
                return T.make("norm2", positive(u)) if u.op != "ones" else None
        if a.op == "tr" and a.args[0].op == "mul":
            word = a.args[0].args
            half = len(word) // 2
            if len(word) % 2 == 0:
                for i in range(len(word)):
                    turn = word[i:] + word[:i]
                    if self.n.flip_word(turn) == turn:
                        x = min(self.words(turn[half:]), key=cost)
                        x = positive(x)
                        return T.make("normF", x.args[0] if x.op == "transpose" else x)
        return None

    def scalar(self, a: Term) -> Term:
        """A scalar atom as a person writes it."""
        found = self._factors.get(a)
        if found is None:
            found = self._factors[a] = self._scalar(a)
        return found

    def _scalar(self, a: Term) -> Term:
        known = self.known(a)
        if known is not None:
            return known
        if a.op == "add":
            return self.show(a)
        if a.op == "mul" and not any(f.is_scalar for f in a.args):
            return self._chain(a.args)
        if a.op == "tr":
            return self._trace(a.args[0].args if a.args[0].op == "mul" else (a.args[0],))
        if a.op == "fn" and a.data == ("log", 0):
            u = exp_sum(a.args[0])
            if u is not None:
                return T.make("logsumexp", self.show(u))
        return self._inside(a)

    def _chain(self, word: Word) -> Term:
        forms = []
        for w in (word, self.n.flip_word(word)):
            row = w[0].args[0] if w[0].op == "transpose" else None
            if row is not None and row.op == "ones":
                inner = min(self.words(w[1:]), key=cost)
                last = w[-1]
                if last.op == "ones" and len(w) > 2:
                    inner = min(self.words(w[1:-1]), key=cost)
                forms.append(linear("sum", inner))
            forms += self.words(w)
        return min(forms, key=rank_of_cost)

    def _trace(self, word: Word) -> Term:
        forms = []
        for w in (word, self.n.flip_word(word)):
            for i in range(len(w)):
                turn = w[i:] + w[:i]
                forms += [linear("tr", t) for t in self.words(turn)]
        if len(word) == 2:
            a, b = word
            forms.append(linear("sum", entries([self.factor(self.n.flip(a)), self.factor(b)])))
            forms.append(linear("sum", entries([self.factor(a), self.factor(self.n.flip(b))])))
        return min(forms, key=rank_of_cost)

    # --------------------------------------------------------------- words
    def words(self, word: Word) -> list[Term]:
        """Ways to write a chain that is not empty."""
        if len(word) >= 3 and word[0].op == "diag" and word[-1].op == "diag":
            u, v = self.factor(word[0].args[0]), self.factor(word[-1].args[0])
            middle = min(self.words(word[1:-1]), key=cost)
            return [entries([product([u, transposed(v)]), middle]), product(self._run(word, False))]
        if len(word) == 2 and _is_ones_matrix(word):
            return [T.ones(word[0].shape.rows, word[1].shape.cols)]
        plain = self._run(word, False)
        out = [product(plain)]
        if len(word) == 2 and word[1].op == "ones" and (rows := self._row_sums(word[0])) is not None:
            out.append(rows)
        if sum(f.op == "transpose" for f in word) > 1:
            out.append(product(self._run(word, True)))
        cuts = [i for i in range(1, len(word)) if word[i].shape.rows is ONE]
        if cuts and any(unit_of(f) for f in word):  # a column times a row, each as it reads best
            parts = [word[i:j] for i, j in zip([0, *cuts], [*cuts, len(word)], strict=True)]
            out.append(product([min(self.words(p), key=rank_of_cost) for p in parts]))
        turned = self._turned_ends(word)
        if turned is not None:
            out.append(turned)
        back = self.n.flip_word(word)
        saved = _turns(word) - _turns(back)
        if len(word) > 1 and (saved > 1 or (saved == 1 and any(unit_of(f) for f in word))):
            out.append(transposed(product(self._run(back, False))))
        return out

    def _turned_ends(self, word: Word) -> Term | None:
        """A chain that ends in ``A'*unit(i)``, written ``A[i,:]'``, or begins with ``unit(i)'*A'``, ``A[:,i]'``."""
        first = len(word) > 2 and is_unit(word[0], transposed=True) and word[1].op == "transpose"
        last = len(word) > 2 and word[-1].op == "unit" and word[-2].op == "transpose"
        if not (first or last) or (first and last and len(word) < 4):
            return None
        middle = word[2 * first : len(word) - 2 * last]
        parts = self._run(middle, False) if middle else []
        if first:
            parts.insert(0, transposed(product([self.factor(word[1].args[0]), word[0].args[0]])))
        if last:
            parts.append(transposed(product([T.transpose(word[-1]), self.factor(word[-2].args[0])])))
        return product(parts)

    def _row_sums(self, f: Term) -> Term | None:
        """``(A.*B)*ones`` as ``diag(A*B')``."""
        turned = f.op == "transpose"
        pair = pair_of(self.n.elements(f.args[0] if turned else f))
        if pair is None or not f.shape.is_matrix or all(x.op != "mul" for x in pair):
            return None
        a, b = (self.n.word_of(x) for x in pair)
        chains = [(*a, *self.n.flip_word(b)), (*b, *self.n.flip_word(a))]
        if turned:
            chains = [(*self.n.flip_word(a), *b), (*self.n.flip_word(b), *a)]
        return min((linear("diagvec", t) for chain in chains for t in self.words(chain)), key=rank_of_cost)

    def _run(self, word: Word, grouped: bool) -> list[Term]:
        """The factors from left to right: equal neighbours as powers, runs of transposes grouped on demand."""
        out: list[Term] = []
        i = 0
        while i < len(word):
            j = i
            if grouped and word[i].op == "transpose" and word[i].shape.rows is not ONE:
                while j < len(word) and word[j].op == "transpose" and word[j].shape.rows is not ONE:
                    j += 1
            if j - i > 1:
                inner = product(self._run(self.n.flip_word(word[i:j]), False))
                out.append(transposed(inner))
                i = j
                continue
            if _is_ones_matrix(word[i : i + 2]):
                out.append(T.ones(word[i].shape.rows, word[i + 1].shape.cols))
                i += 2
                continue
            if out and word[i].op == "diag" and word[i].args[0].op == "diagvec" and self.n.is_diagonal(word[i - 1]):
                out[-1] = entries([out[-1], self.factor(word[i].args[0].args[0])])  # D*diag(diag(A)) is D.*A
                i += 1
                continue
            length, times = _repetition(word, i)
            if length == 1:
                out.append(self._repeated(word[i], times))
            else:
                out.append(T.power(product(self._run(word[i : i + length], False)), times))
            i += length * times
        return out

    def _repeated(self, f: Term, times: int) -> Term:
        if times == 1:
            return self.factor(f)
        if f.op == "transpose":
            return transposed(self._repeated(f.args[0], times))
        base = self.factor(f)
        if base.op == "neg":
            return signed(times % 2 == 1, T.power(base.args[0], times))
        return T.power(base, times)

    def factor(self, f: Term) -> Term:
        """One factor of a word."""
        found = self._factors.get(f)
        if found is None:
            found = self._factors[f] = self._factor(f)
        return found

    def _factor(self, f: Term) -> Term:
        known = self.known(f)
        if known is not None:
            return known
        if f.op == "transpose":
            return self._turned(f.args[0])
        if f.op == "had" or (f.op == "hpow" and as_rational(f.args[1]) is not None):
            return self._entrywise(f)
        if f.op in ("add", "mul"):
            return self.show(f)
        return self._inside(f)

    def _turned(self, f: Term) -> Term:
        """A transposed factor; of a Hadamard product also factor by factor: ``(A.*B')' = A'.*B``."""
        forms = [transposed(self.factor(f))]
        if f.op == "had" and f.shape.is_matrix:
            table = {}
            for b, e in self.n.elements(f).items():
                word = self.n.flip_word(self.n.word_of(b))
                table[T.mul(*word) if len(word) > 1 else word[0]] = e
            forms.append(self._entrywise(self.n.vector(table, f.shape.transposed)))
        return min(forms, key=rank_of_cost)

    def _inside(self, f: Term) -> Term:
        """The same operation on arguments as a person writes them."""
        if not f.args or f.op == "d":
            return f
        if f.op == "fn" and f.data == ("log", 0) and f.args[0].op == "mul" and len(f.args[0].args) == 2:
            e, ones = f.args[0].args  # log(exp(X)*ones): the log-sum-exp of every row
            bare = e.args[0] if e.op == "transpose" else e
            if ones.op == "ones" and bare.op == "fn" and bare.data == ("exp", 0):
                return T.make("logsumexp", self.show(bare.args[0]), data=ROWWISE if bare is e else COLWISE)
        if f.op == "diag" and f.args[0].op == "diagvec":  # diag(diag(X)) is shorter as X.*I
            return entries([self.show(f.args[0].args[0]), T.eye(f.shape.rows)])
        shown = [self.show(a) for a in f.args]
        if f.op in ("diag", "diagvec", "inv", "vec", "unvec", "sumover") and shown[0].op == "neg":
            return T.neg(T.rebuild(f, [shown[0].args[0]]))
        return T.rebuild(f, shown)

    def _entrywise(self, f: Term) -> Term:
        """A Hadamard product: quotients below, roots, exp with its exponent inside."""
        table = self.n.elements(f)
        above: list[Term] = []
        below: list[Term] = []
        for b, e in sorted(table.items(), key=lambda be: entry_rank(be[0])):
            if b.op == "fn" and b.data == ("exp", 0) and e != 1:
                above.append(T.fn("exp", self.show(self.n.canon(T.mul(T.number(e), b.args[0])))))
                continue
            entry = self.plain(b) if _beside_sigmoid(b, table) else self.factor(b)
            (above if e > 0 else below).append(entry_power(entry, abs(e)))
        top = entries(above) if above else T.number(1)
        if not below:
            return top
        odd, (over, under) = unsigned([top, entries(below)])
        return signed(odd, T.hdiv(over, under))


def _is_ones_matrix(pair: Word) -> bool:
    """``ones*ones'`` side by side."""
    if len(pair) != 2 or pair[0].op != "ones" or pair[0].shape.cols is not ONE:
        return False
    return pair[1].op == "transpose" and pair[1].args[0].op == "ones" and pair[0].shape.rows is not ONE


def _repetition(word: Word, i: int) -> tuple[int, int]:
    """The length of the piece at i that is repeated at once, and how often it stands there."""
    best = (1, 1)
    for length in range(1, (len(word) - i) // 2 + 1):
        piece = word[i : i + length]
        if piece[0].shape.rows is not piece[-1].shape.cols or any(ONE in f.shape for f in piece):
            continue
        times = 1
        while word[i + length * times : i + length * (times + 1)] == piece:
            times += 1
        if times > 1 and length * times > best[0] * best[1]:
            best = (length, times)
    return best


def _turns(word: Word) -> int:
    """How many transposes a chain shows; a row or an entry taken is none."""
    return sum(f.op == "transpose" and f.args[0].op != "unit" for f in word)


def _beside_sigmoid(t: Term, factors: Iterable[Term]) -> bool:
    """Whether t is ``1 - s`` next to s = sigmoid(z): people write s*(1 - s), not s*sigmoid(-z)."""
    return t.op == "add" and any(f.op == "fn" and f.data == ("sigmoid", 0) and _mentions(t, f) for f in factors)


def _mentions(t: Term, f: Term) -> bool:
    return any((a.args[0] if a.op == "neg" else a) is f for a in t.args)
