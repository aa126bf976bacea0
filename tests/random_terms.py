"""Random well-typed terms, for tests that must hold for every term.

``random_term`` grows a term of a wanted shape from the root down.  Symbols are named after their shape, so that one
name has one shape in every term; names that begin with ``pos`` stand for positive numbers, and only positive terms come
under ``log``, ``sqrt`` and broken powers, so that a term is finite and real at almost every point of ``values_for``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable
from fractions import Fraction
from itertools import pairwise

import numpy as np

from matcalc.language.binders import free_indices
from matcalc.language.dims import ONE, SCALAR, Dim, Shape, dim, shape
from matcalc.language.functions import FUNCTIONS
from matcalc.language.ops import OPS
from matcalc.language.problem import Function
from matcalc.language.selections import entry
from matcalc.language.terms import (
    Term,
    add,
    commutation,
    constant,
    decimal,
    differential,
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
    subterms,
    symbol,
    transpose,
    unit,
    zeros,
)
from matcalc.language.undefined import undefined_part
from matcalc.numeric.evaluate import Array, size_of

DIMS = ("m", "n", "k")
ALL = frozenset(OPS) - {"elem", "sumover", "prod", "stack", "d"}
FINITE = ("exp", "sin", "cos", "arctan", "tanh", "sigmoid", "softplus", "abs", "sign", "relu", "step")
ELEMENTWISE = ("f", "q")  # opaque functions: of entries; scalar-valued are g and loss
POWERS = (2, 3, -2)

_NAMES = {  # symbols of the shapes people use; the others are named after their shape
    ("m", "n"): "AB",
    ("n", "k"): "CD",
    ("m", "k"): "EF",
    ("m", "m"): "GH",
    ("n", "n"): "ST",
    ("k", "k"): "VW",
    ("n", "m"): "XY",
    ("m", "1"): "bu",
    ("n", "1"): "xy",
    ("k", "1"): "vw",
    ("1", "1"): "cs",
}


AXES = ("rowwise", "colwise")


def symbols_of(s: Shape) -> tuple[str, ...]:
    """The names of the symbols of a shape."""
    known = _NAMES.get((str(s.rows), str(s.cols)))
    if known:
        return tuple(known)
    plain = "_by_".join(str(d).replace("*", "x").replace(" + ", "p").replace(" - ", "m") for d in s)
    return (f"Q_{plain}", f"R_{plain}")


def positive_symbol(s: Shape) -> Term:
    return symbol("pos_" + symbols_of(s)[0], *s)


class _Growth:
    """One random choice after the other."""

    def __init__(
        self, rng: random.Random, ops: Collection[str], functions: Collection[str], scalars_ok: bool, tangents: bool
    ) -> None:
        self.rng, self.ops, self.scalars_ok, self.tangents = rng, ops, scalars_ok, tangents
        self.functions = functions

    # ------------------------------------------------------------------------------ shapes
    def dim(self, *, wide: bool = True) -> Dim:
        if wide and self.rng.random() < 0.15:
            a, b = self.rng.sample(DIMS, 2)
            return dim(a) * dim(b)
        return dim(self.rng.choice(DIMS))

    def shape(self) -> Shape:
        """A shape that is not a scalar."""
        kind = self.rng.random()
        rows = self.dim()
        if kind < 0.4:
            return Shape(rows, ONE)
        return Shape(rows, rows) if kind < 0.6 else Shape(rows, self.dim(wide=False))

    def square(self) -> Shape:
        rows = self.dim()
        return Shape(rows, rows)

    # -------------------------------------------------------------------------------- terms
    def leaf(self, s: Shape) -> Term:
        roll = self.rng.random()
        if roll < 0.12 and "ones" in self.ops and not s.is_scalar:
            return ones(*s)
        if roll < 0.16 and "zeros" in self.ops and not s.is_scalar:
            return zeros(*s)
        if roll < 0.3 and "eye" in self.ops and s.is_square and not s.is_scalar:
            return eye(s.rows)
        if 0.3 < roll < 0.36 and "unit" in self.ops and s.is_vector:
            return unit(self.rng.choice((1, 2)), s.rows)
        if roll < 0.5 and s.is_scalar and "num" in self.ops:
            return self.number()
        t = symbol(self.rng.choice(symbols_of(s)), *s)
        return differential(t) if self.tangents and self.rng.random() < 0.3 else t

    def number(self) -> Term:
        roll = self.rng.random()
        if roll < 0.15 and "size" in self.ops:
            return size(self.dim(wide=False))
        if roll < 0.25 and "const" in self.ops:
            return constant(self.rng.choice(("pi", "e")))
        if roll < 0.4:
            return decimal(Fraction(self.rng.choice((1, 5, 25, 125, 3)), 100))
        if roll < 0.55 and "div" in self.ops:
            return number(Fraction(self.rng.choice((1, 3)), 2))
        return number(self.rng.choice((1, 2, 3, 7)))

    def term(self, s: Shape, depth: int) -> Term:
        if depth <= 1 or self.rng.random() < 0.08:
            return self.leaf(s)
        choices = [c for name, c in self.productions(s) if name in self.ops]
        return self.rng.choice(choices)(s, depth - 1) if choices else self.leaf(s)

    def productions(self, s: Shape) -> Iterable[tuple[str, Callable[[Shape, int], Term]]]:
        yield "add", lambda s, d: add(*(self.term(s, d) for _ in range(self.rng.choice((2, 2, 2, 3)))))
        yield "add", lambda s, d: add(self.term(s, d), neg(self.term(s, d))) if "neg" in self.ops else self.leaf(s)
        yield "neg", lambda s, d: neg(self.term(s, d))
        yield "mul", self.product
        yield "mul", self.product
        yield "fn", lambda s, d: fn(self.rng.choice(self.functions), self.term(s, d))
        yield "stop", lambda s, d: make("stop", self.term(s, d))
        yield "fn", lambda s, d: fn(self.rng.choice(ELEMENTWISE), self.term(s, d), self.rng.choice((0, 0, 1, 2)))
        if self.scalars_ok:
            yield "div", lambda s, d: div(self.term(s, d), self.term(SCALAR, d))
            yield "mul", self.scaled
        if ONE in s:
            yield "unit", self.picked
        if s.is_scalar:
            yield from self.scalar_productions()
            return
        yield "had", lambda s, d: had(self.term(s, d), self.term(s, d))
        yield "hdiv", lambda s, d: hdiv(self.term(s, d), self.term(s, d))
        yield "hdiv", lambda s, d: hdiv(number(1), self.term(s, d))
        yield "hpow", lambda s, d: hpower(self.term(s, d), self.whole())
        yield "transpose", lambda s, d: transpose(self.term(s.transposed, d))
        yield "grad", lambda s, d: make("grad", self.term(s, d), data=("g", 0))
        yield "grad", lambda s, d: make("grad", self.term(self.shape(), d), self.term(s, d), data=("loss", 1))
        yield "fn", lambda s, d: fn(self.rng.choice(("log", "sqrt")), self.positive(s, d))
        yield "call", lambda s, d: make("call", self.term(self.shape(), d), data=(f"F_{symbols_of(s)[0]}", *s))
        if s.is_vector or s.is_row:
            yield "softmax", lambda s, d: make("softmax", self.term(s, d))
        if s.is_matrix:
            yield "softmax", lambda s, d: make("softmax", self.term(s, d), data=self.rng.choice(AXES))
        if s.is_vector:
            yield from self.vector_productions(s)
        if s.is_square:
            yield from self.square_productions(s)
        pairs = [_factors(s.rows), _factors(s.cols)]
        if any(p is not None for p in pairs):
            yield "kron", self.kronecker

    def scalar_productions(self) -> Iterable[tuple[str, Callable[[Shape, int], Term]]]:
        def of_any(op: str) -> tuple[str, Callable[[Shape, int], Term]]:
            return op, lambda s, d: make(op, self.term(self.shape(), d))

        def of_square(op: str) -> tuple[str, Callable[[Shape, int], Term]]:
            return op, lambda s, d: make(op, self.term(self.square(), d))

        def of_vector(op: str) -> tuple[str, Callable[[Shape, int], Term]]:
            return op, lambda s, d: make(op, self.term(Shape(self.dim(), ONE), d))

        def pairing(s: Shape, d: int) -> Term:
            inside = self.shape()
            return inner(self.term(inside, d), self.term(inside, d))

        yield from (of_any(op) for op in ("sum", "norm1", "normF"))
        yield from (of_square(op) for op in ("tr", "tr", "det", "logdet"))
        yield from (of_vector(op) for op in ("norm2", "logsumexp"))
        yield "inner", pairing
        yield "pow", lambda s, d: power(self.term(s, d), self.whole())
        yield "pow", lambda s, d: power(make("norm2", self.term(Shape(self.dim(), ONE), d)), 2)
        yield "pow", lambda s, d: power(self.positive(s, d), div(number(1), number(2)))
        yield "fn", lambda s, d: fn(self.rng.choice(("log", "sqrt")), self.positive(s, d))
        yield "call", lambda s, d: make("call", self.term(self.shape(), d), data=("g", ONE, ONE))
        yield "call", lambda s, d: make("call", self.term(self.shape(), d), self.term(s, d), data=("loss", ONE, ONE))

    def sums_along(self, s: Shape, depth: int) -> Term:
        """A log-sum-exp of every row or of every column."""
        axis, other = self.rng.choice(AXES), self.dim(wide=False)
        return make(
            "logsumexp",
            self.term(Shape(s.rows, other) if axis == "rowwise" else Shape(other, s.rows), depth),
            data=axis,
        )

    def vector_productions(self, s: Shape) -> Iterable[tuple[str, Callable[[Shape, int], Term]]]:
        yield "logsumexp", self.sums_along
        yield "diagvec", lambda s, d: make("diagvec", self.term(Shape(s.rows, s.rows), d))
        parts = _factors(s.rows)
        if parts is not None:
            yield "vec", lambda s, d: make("vec", self.term(Shape(*parts), d))

    def square_productions(self, s: Shape) -> Iterable[tuple[str, Callable[[Shape, int], Term]]]:
        yield "inv", lambda s, d: make("inv", self.term(s, d))
        yield "diag", lambda s, d: make("diag", self.term(Shape(s.rows, ONE), d))
        yield "pow", lambda s, d: power(self.term(s, d), self.rng.choice((2, 3)))
        parts = _factors(s.rows)
        if parts is not None:
            yield "commutation", lambda s, d: commutation(*parts)
        name = s.rows.as_name
        if name is not None:
            yield "hess", lambda s, d: make("hess", self.term(Shape(s.rows, ONE), d), data=("g", 0, 0))
            yield "jac", lambda s, d: make("jac", self.term(Shape(s.rows, ONE), d), data=("u_" + name, 0, s.rows, ONE))
            yield "unvec", lambda s, d: make("unvec", self.term(Shape(s.rows * s.cols, ONE), d), data=tuple(s))

    def whole(self) -> Term:
        return number(self.rng.choice(POWERS)) if "neg" in self.ops else number(2)

    def scaled(self, s: Shape, depth: int) -> Term:
        factors = [self.term(SCALAR, depth), self.term(s, depth)]
        if self.rng.random() < 0.2:
            factors.reverse()
        return mul(*factors)

    def product(self, s: Shape, depth: int) -> Term:
        """A chain of two or three factors; row times column where a scalar is wanted."""
        if s.is_scalar and not self.scalars_ok:
            inside = [self.dim(wide=False)]
        else:
            inside = [self.dim(wide=False) for _ in range(self.rng.choice((1, 1, 2)))]
        sizes = [s.rows, *inside, s.cols]
        return mul(*(self.term(Shape(a, b), depth) for a, b in pairwise(sizes)))

    def picked(self, s: Shape, depth: int) -> Term:
        """An entry, a row or a column. Every size is at least two."""
        row, col = (dim(self.rng.choice((1, 2))) for _ in range(2))
        if s.is_scalar and self.rng.random() < 0.5:
            return entry(self.term(Shape(self.dim(), ONE), depth), row, None)
        rows = self.dim() if s.rows is ONE else s.rows
        cols = self.dim(wide=False) if s.cols is ONE else s.cols
        return entry(
            self.term(Shape(rows, cols), depth), row if s.rows is ONE else None, col if s.cols is ONE else None
        )

    def kronecker(self, s: Shape, depth: int) -> Term:
        (a, b), (c, d) = _factors(s.rows) or (s.rows, ONE), _factors(s.cols) or (s.cols, ONE)
        return make("kron", self.term(Shape(a, c), depth), self.term(Shape(b, d), depth))

    def positive(self, s: Shape, depth: int) -> Term:
        """A term whose entries are positive."""
        if depth <= 1:
            return positive_symbol(s)
        roll = self.rng.random()
        if roll < 0.3:
            return fn(self.rng.choice(("exp", "sigmoid", "softplus")), self.term(s, depth - 1))
        if roll < 0.5:
            return add(self.positive(s, depth - 1), self.positive(s, depth - 1))
        if roll < 0.7:
            return add(hpower(self.term(s, depth - 1), 2), positive_symbol(s))
        if roll < 0.9 and not s.is_scalar:
            return had(self.positive(s, depth - 1), self.positive(s, depth - 1))
        return make("sum", self.positive(self.shape(), depth - 1)) if s.is_scalar else positive_symbol(s)


def _factors(d: Dim) -> tuple[Dim, Dim] | None:
    """The two names of a product of names."""
    if len(d.coefficients) == 1:
        names, c = d.coefficients[0]
        if c == 1 and len(names) == 2:
            return dim(names[0]), dim(names[1])
    return None


def random_term(
    rng: random.Random,
    want: Shape = SCALAR,
    depth: int = 4,
    scalars_ok: bool = True,
    ops: Collection[str] = ALL,
    functions: Collection[str] = FINITE,
    tangents: bool = False,
) -> Term:
    """A random term of a shape that may have a value. ``scalars_ok``: with scalar factors; ``tangents``: with ``d(X)``."""
    missing = set(functions) - FUNCTIONS.keys()
    if missing:
        raise ValueError(f"unknown functions {sorted(missing)}")
    while True:
        made = _Growth(rng, ops, tuple(functions), scalars_ok, tangents).term(want, depth)
        if undefined_part(made) is None:
            return made


def random_shape(rng: random.Random) -> Shape:
    """A scalar, vector, row or matrix shape over the names of sizes."""
    a, b = rng.choice(DIMS), rng.choice(DIMS)
    return rng.choice((SCALAR, shape(a), shape(1, a), shape(a, b)))


def values_for(term: Term | Iterable[Term], rng: random.Random) -> tuple[dict[str, Array], dict[str, int]]:
    """Signed values for the symbols of terms (positive for ``pos`` names), and pairwise different sizes."""
    numbers = [2, 3, 4]
    rng.shuffle(numbers)
    sizes = dict(zip(DIMS, numbers, strict=True))
    draw = np.random.default_rng(rng.getrandbits(32))
    leaves: dict[str, Shape] = {}
    for t in [term] if isinstance(term, Term) else term:
        leaves.update((s.data, s.shape) for s in subterms(t) if s.op == "sym")
    values: dict[str, Array] = {}
    for name in sorted(leaves):
        dims = [size_of(d, sizes) for d in leaves[name]]
        signed = draw.uniform(0.4, 1.6, dims) * draw.choice((-1.0, 1.0), dims)
        values[name] = np.abs(signed) if name.startswith("pos") else signed
    return values, sizes


def tangents_for(values: dict[str, Array], rng: random.Random) -> dict[str, Array]:
    """A random tangent for every symbol."""
    draw = np.random.default_rng(rng.getrandbits(32))
    return {name: draw.normal(size=v.shape) for name, v in values.items()}


def names_in(term: Term) -> tuple[dict[str, Shape], dict[str, Function]]:
    """The shapes of a term's symbols and the kinds of its functions, as a reader of its text must know them."""
    shapes: dict[str, Shape] = {}
    functions: dict[str, Function] = {}
    for t in subterms(term):
        if t.op == "sym":
            shapes[t.data] = t.shape
        elif t.op == "fn" and t.data[0] not in FUNCTIONS:
            functions[t.data[0]] = Function(t.data[0], "elementwise")
        elif t.op in ("call", "grad", "jac", "hess"):
            value = t.shape if t.op == "call" else Shape(*t.data[2:]) if t.op == "jac" else SCALAR
            functions[t.data[0]] = Function(t.data[0], "value", value)
    for name in sorted(free_indices(term)):
        shapes[f"sized_{name}"] = shape(name)  # so that the size is known
    return shapes, functions
