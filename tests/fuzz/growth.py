"""Random terms of a wanted shape, grown from the root, and the symbols and functions they invent on the way.

Domains are kept by construction (a logarithm stands over something positive, an inverse over something invertible),
sizes are pairwise different, and the same seed gives the same problem.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise

from matcalc.language.dims import ONE, SCALAR, Dim, Shape, dim
from matcalc.language.problem import Function, Symbol
from matcalc.language.selections import entry
from matcalc.language.terms import (
    Term,
    add,
    commutation,
    constant,
    decimal,
    div,
    eye,
    fn,
    had,
    hdiv,
    hpower,
    inner,
    make,
    mul,
    neg,
    number,
    ones,
    power,
    size,
    sub,
    symbol,
    transpose,
    zeros,
)

__all__ = ["PRODUCED", "SIZES", "Growth"]

SIZES = {"m": 4, "n": 3, "p": 2, "q": 5}
WHOLE_LINE = ("exp", "sin", "cos", "arctan", "tanh", "sigmoid", "softplus", "sinh", "cosh")
KINKED = ("abs", "relu", "sign", "step")
POSITIVE = ("log", "sqrt")
UNIT = ("arcsin", "arccos", "tan")  # kept inside -1..1

Grow = Callable[[int], Term]


class Growth:
    """One random choice after the other, with the symbols and functions that were needed so far."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.symbols: dict[str, Symbol] = {}
        self.functions: dict[str, Function] = {}

    # ------------------------------------------------------------------- shapes
    def dim(self) -> Dim:
        return dim(self.rng.choice(tuple(SIZES)))

    def shape(self) -> Shape:
        roll = self.rng.random()
        if roll < 0.35:
            return Shape(self.dim(), ONE)
        if roll < 0.42:
            return Shape(ONE, self.dim())
        return self.square() if roll < 0.6 else Shape(self.dim(), self.dim())

    def square(self) -> Shape:
        d = self.dim()
        return Shape(d, d)

    def wide(self) -> Shape:
        """A shape with a product of sizes, as vec and kron make them."""
        a, b = (dim(d) for d in self.rng.sample(tuple(SIZES), 2))
        return Shape(a * b, ONE) if self.rng.random() < 0.7 else Shape(a * b, self.dim())

    # ------------------------------------------------------------------- leaves
    def symbol(self, s: Shape, *, positive: bool = False, invertible: bool = False) -> Term:
        """An old symbol of the shape, or a new one."""
        fit = [t for t in self.symbols.values() if t.shape == s and self._suits(t, positive, invertible)]
        if fit and self.rng.random() < 0.7:
            chosen = self.rng.choice(fit)
        else:
            chosen = self._new(s, positive, invertible)
        return symbol(chosen.name, *chosen.shape)

    @staticmethod
    def _suits(t: Symbol, positive: bool, invertible: bool) -> bool:
        if positive:
            return "positive" in t.properties
        return not invertible or bool(t.properties & {"invertible", "posdef", "orthogonal"})

    def _new(self, s: Shape, positive: bool, invertible: bool) -> Symbol:
        prefix = "c" if s.is_scalar else "x" if s.is_vector else "r" if s.is_row else "X"
        name = f"{prefix}{sum(t.name.startswith(prefix) for t in self.symbols.values()) + 1}"
        properties: set[str] = set()
        if positive:
            properties = {"positive"}
        elif invertible:
            properties = {self.rng.choice(("invertible", "invertible", "posdef", "orthogonal"))}
        elif s.is_square and not s.is_scalar and self.rng.random() < 0.35:
            properties = {self.rng.choice(("symmetric", "symmetric", "skew", "diagonal", "posdef", "orthogonal"))}
        if "posdef" in properties:
            properties.add("symmetric")
        new = Symbol(name, s, frozenset(properties))
        self.symbols[name] = new
        return new

    def number(self) -> Term:
        roll = self.rng.random()
        if roll < 0.15:
            return size(self.dim())
        if roll < 0.2:
            return constant(self.rng.choice(("pi", "e")))
        if roll < 0.35:
            return decimal(Fraction(self.rng.choice((5, 25, 15)), 10))
        if roll < 0.5:
            return number(Fraction(self.rng.choice((1, 3)), self.rng.choice((2, 4))))
        return number(self.rng.choice((1, 2, 2, 3, 5)))

    def leaf(self, s: Shape) -> Term:
        roll = self.rng.random()
        if s.is_scalar and roll < 0.35:
            return self.number()
        if not s.is_scalar and roll < 0.06:
            return ones(*s)
        if not s.is_scalar and roll < 0.075:
            return zeros(*s)
        if s.is_square and not s.is_scalar and roll < 0.14:
            return eye(s.rows)
        return self.symbol(s)

    # -------------------------------------------------------------------- terms
    def term(self, s: Shape, depth: int) -> Term:
        if depth <= 0 or self.rng.random() < 0.08:
            return self.leaf(s)
        choices = list(self.productions(s))
        if self.rng.random() < 0.6:  # each operation alike, the rare ones too
            name = self.rng.choice(sorted({op for op, _ in choices}))
            choices = [c for c in choices if c[0] == name]
        return self.rng.choice(choices)[1](depth - 1)

    def productions(self, s: Shape) -> Iterator[tuple[str, Grow]]:
        """What may stand at the head of a term of the shape, by operation; twice where it is common."""
        yield "add", lambda d: add(*(self.term(s, d) for _ in range(self.rng.choice((2, 2, 2, 3)))))
        yield "add", lambda d: sub(self.term(s, d), self.term(s, d))
        yield "neg", lambda d: neg(self.term(s, d))
        yield "mul", lambda d: self.product(s, d)
        yield "mul", lambda d: self.product(s, d)
        yield "mul", lambda d: mul(self.term(SCALAR, d), self.term(s, d))
        yield "div", lambda d: div(self.term(s, d), self.nonzero(d))
        yield "fn", lambda d: fn(self.rng.choice(WHOLE_LINE), self.term(s, d))
        yield "fn", lambda d: self.special(s, d)
        if self.rng.random() < 0.2:
            yield "stop", lambda d: make("stop", self.term(s, d))
        if s.is_scalar:
            yield from self.scalars()
            return
        yield "had", lambda d: had(*(self.term(s, d) for _ in range(self.rng.choice((2, 2, 3)))))
        yield "hdiv", lambda d: hdiv(self.rng.choice((self.term(s, d), number(1))), self.positive(s, d))
        yield "hpow", lambda d: hpower(self.term(s, d), self.rng.choice((2, 3)))
        yield "hpow", lambda d: hpower(self.positive(s, d), self.exponent(d))
        yield "transpose", lambda d: transpose(self.term(s.transposed, d))
        yield "call", lambda d: self.opaque(s, d)
        if s.is_vector:
            yield from self.columns(s)
        if s.is_vector or s.is_row:
            yield "softmax", lambda d: make("softmax", self.term(s, d))
        if s.is_matrix:
            yield "softmax", lambda d: make("softmax", self.term(s, d), data=self.rng.choice(("rowwise", "colwise")))
        if s.is_square:
            yield from self.squares(s)
        if len(_names(s.rows)) == 2 or len(_names(s.cols)) == 2:
            yield "kron", lambda d: self.kronecker(s, d)
            yield "kron", lambda d: self.kronecker(s, d)

    def logsumexps(self, depth: int) -> Term:
        """A log-sum-exp of every row or every column."""
        s = Shape(self.dim(), self.dim())
        return make("logsumexp", self.term(s, depth), data=self.rng.choice(("rowwise", "colwise")))

    def scalars(self) -> Iterator[tuple[str, Grow]]:
        def any_shape() -> Shape:
            return self.wide() if self.rng.random() < 0.2 else self.shape()

        def pairing(d: int) -> Term:
            s = self.shape()
            return inner(self.term(s, d), self.term(s, d))

        for _ in range(2):
            yield "sum", lambda d: make("sum", self.term(any_shape(), d))
            yield "tr", lambda d: make("tr", self.term(self.square(), d))
            yield "pow", lambda d: power(make("norm2", self.term(Shape(self.dim(), ONE), d)), 2)
            yield "pow", lambda d: power(make("normF", self.term(any_shape(), d)), 2)
            yield "mul", lambda d: self.product(SCALAR, d)
        yield "unit", lambda d: entry(self.term(self.square(), d), dim(1), dim(2))
        yield "unit", lambda d: entry(self.term(Shape(self.dim(), ONE), d), dim(2), None)
        yield "norm1", lambda d: make("norm1", self.term(any_shape(), d))
        yield "norm2", lambda d: make("norm2", self.term(Shape(self.dim(), ONE), d))
        yield "normF", lambda d: make("normF", self.term(any_shape(), d))
        yield "logsumexp", lambda d: make("logsumexp", self.term(Shape(self.dim(), ONE), d))
        yield "sum", lambda d: make("sum", self.logsumexps(d))
        yield "inner", pairing
        yield "det", lambda d: make("det", self.invertible(self.square(), d))
        yield "logdet", lambda d: make("logdet", self.invertible(self.square(), d))
        yield "fn", lambda d: fn("log", make("det", self.definite(self.dim(), d)))
        yield "pow", lambda d: power(self.term(SCALAR, d), self.rng.choice((2, 3)))
        yield "pow", lambda d: power(self.positive(SCALAR, d), self.exponent(d))
        yield "pow", lambda d: power(self.rng.choice((number(2), constant("e"))), self.term(SCALAR, d))
        yield "call", lambda d: self.opaque(SCALAR, d)

    def columns(self, s: Shape) -> Iterator[tuple[str, Grow]]:
        yield "mul", lambda d: self.product(s, d)
        yield "unit", lambda d: entry(self.term(Shape(s.rows, self.dim()), d), None, dim(1))
        yield "diagvec", lambda d: make("diagvec", self.term(Shape(s.rows, s.rows), d))
        if len(_names(s.rows)) == 2:
            a, b = _names(s.rows)
            for _ in range(2):
                yield "vec", lambda d: make("vec", self.term(Shape(a, b), d))
            yield "commutation", lambda d: mul(commutation(a, b), self.term(s, d))

    def squares(self, s: Shape) -> Iterator[tuple[str, Grow]]:
        yield "diag", lambda d: make("diag", self.term(Shape(s.rows, ONE), d))
        yield "inv", lambda d: make("inv", self.invertible(s, d))
        yield "pow", lambda d: power(self.term(s, d), self.rng.choice((2, 3)))
        yield "pow", lambda d: power(make("inv", self.invertible(s, d)), 2)
        if len(_names(s.rows)) == 1:
            yield "unvec", lambda d: make("unvec", self.term(Shape(s.rows * s.cols, ONE), d), data=tuple(s))

    def product(self, s: Shape, depth: int) -> Term:
        inside = [self.dim() if self.rng.random() < 0.85 else ONE for _ in range(self.rng.choice((1, 1, 1, 2, 2, 3)))]
        sizes = [s.rows, *inside, s.cols]
        shapes = [Shape(a, b) for a, b in pairwise(sizes)]
        long = self.rng.randrange(len(shapes))  # one factor grows, the others stay short
        return mul(*(self.term(f, depth if i == long else min(depth, 1)) for i, f in enumerate(shapes)))

    def kronecker(self, s: Shape, depth: int) -> Term:
        (a, b), (c, d) = ((*_names(e), ONE)[:2] if e is not ONE else (ONE, ONE) for e in s)
        return make("kron", self.term(Shape(a, c), depth), self.term(Shape(b, d), depth))

    def special(self, s: Shape, depth: int) -> Term:
        """Elementwise functions with a domain or a kink, and opaque ones."""
        roll = self.rng.random()
        if roll < 0.3:
            return fn(self.rng.choice(POSITIVE), self.positive(s, depth))
        if roll < 0.55:
            return fn(self.rng.choice(KINKED[:2] if self.rng.random() < 0.8 else KINKED), self.term(s, depth))
        if roll < 0.8:
            bounded = mul(decimal(Fraction(9, 10)), fn(self.rng.choice(("tanh", "sin")), self.term(s, depth)))
            return fn(self.rng.choice(UNIT), bounded)
        self.functions["phi"] = Function("phi", "elementwise")
        return fn("phi", self.term(s, depth))

    def opaque(self, s: Shape, depth: int) -> Term:
        """An opaque function of a whole argument."""
        sizes = ["".join(map(str, _names(d))) for d in s]
        kind = "loss" if s.is_scalar else "u" if s.is_vector else "w" if s.is_row else "U"
        name = "_".join((kind, *filter(None, sizes)))
        self.functions[name] = Function(name, "value", s)
        return make("call", self.term(self.shape(), depth), data=(name, *s))

    # ------------------------------------------------------------------ domains
    def exponent(self, depth: int) -> Term:
        half = div(number(1), number(2))
        return self.rng.choice((half, neg(half), decimal(Fraction(3, 2)), neg(number(1)), self.symbol(SCALAR)))

    def nonzero(self, depth: int) -> Term:
        roll = self.rng.random()
        if roll < 0.4:
            return self.rng.choice((number(2), number(3), self.symbol(SCALAR)))
        return self.positive(SCALAR, depth)

    def positive(self, s: Shape, depth: int) -> Term:
        roll = self.rng.random()
        if depth <= 0 or roll < 0.2:
            return self.symbol(s, positive=True)
        if roll < 0.4:
            return fn(self.rng.choice(("exp", "sigmoid", "softplus", "cosh")), self.term(s, depth - 1))
        if s.is_scalar and roll < 0.7:
            inside = self.term(self.shape(), depth - 1)
            return self.rng.choice((add(power(make("normF", inside), 2), number(1)), make("sum", fn("exp", inside))))
        if roll < 0.85:
            return add(
                hpower(self.term(s, depth - 1), 2),
                ones(*s) if self.rng.random() < 0.5 else self.symbol(s, positive=True),
            )
        if s.is_vector or s.is_row:
            return make("softmax", self.term(s, depth - 1))
        return had(*(self.positive(s, depth - 1) for _ in range(2)))

    def definite(self, n: Dim, depth: int) -> Term:
        """A positive definite matrix: ``A'*A + I``."""
        a = self.term(Shape(self.dim(), n), depth - 1)
        return add(mul(transpose(a), a), eye(n))

    def invertible(self, s: Shape, depth: int) -> Term:
        roll = self.rng.random()
        if depth <= 0 or roll < 0.35:
            return self.symbol(s, invertible=True)
        if roll < 0.55:
            return self.definite(s.rows, depth)
        if roll < 0.75:
            return mul(self.symbol(s, invertible=True), self.invertible(s, depth - 1))
        return add(self.symbol(s, invertible=True), div(self.term(s, depth - 1), number(5)))


def _names(d: Dim) -> tuple[Dim, ...]:
    """The sizes whose product d is; none for 1."""
    ((names, _),) = d.coefficients
    return tuple(dim(n) for n in names)


PRODUCED = frozenset(
    """num const size sym eye ones zeros unit commutation add neg mul div had hdiv pow hpow kron inner transpose inv det
    logdet tr sum diag diagvec vec unvec norm1 norm2 normF softmax logsumexp fn call stop""".split()
)
