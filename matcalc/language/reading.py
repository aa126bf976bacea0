"""From a syntax tree to a typed term, under one reading of its names.

Two phases.  *Infer* walks the tree once, gives every node a shape (perhaps with unknown sizes) and solves the equations
between sizes.  *Build* makes the terms when the sizes are known.  A node between the phases is a ``Part``.

A reading is fixed: which names are vectors, scalars, matrices, functions is in ``entries`` and ``functions``; several
readings are tried by :mod:`matcalc.language.conventions`.  Invariant: shapes that do not fit raise :class:`Misfit` with
the smallest part of the text that is to blame; nothing is repaired silently.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from matcalc.errors import MatcalcError, ParseError, ShapeError, Span
from matcalc.language import binders, terms
from matcalc.language.declarations import index_dim
from matcalc.language.dims import ONE, SCALAR, Dim, IndexedName, Shape, dim
from matcalc.language.inference import Sizes, name_sizes, unknowns
from matcalc.language.problem import Function
from matcalc.language.syntax import Node
from matcalc.language.terms import Term

__all__ = ["Entry", "Misfit", "Part", "Reading"]

Build = Callable[[], Term]
CONSTANTS = ("pi", "e")
MAX_POWER = 64  # of a matrix
HUGE = 1e100
MAX_EXPONENT = 1000  # of a scalar or of entries


@dataclass(frozen=True, slots=True)
class Entry:
    """What a name stands for. A family's shape may depend on ``index``."""

    kind: Literal["symbol", "definition", "size", "index"]
    shape: Shape
    index: str | None = None


@dataclass(slots=True)
class Part:
    """A node with its shape; ``build`` gives the term once the sizes are known, and makes it once."""

    node: Node
    shape: Shape
    make: Build
    term: Term | None = None

    def build(self) -> Term:
        if self.term is None:
            self.term = self.make()
        return self.term


class Misfit(ShapeError):
    """Shapes that do not fit; ``node`` is the smallest guilty part."""

    def __init__(self, message: str, node: Node, source: str, *, span: Span | None = None, label: str = "", hint: str = "") -> None:
        super().__init__(message, span=span or node.span, source=source, label=label, hint=hint)
        self.node = node


@dataclass(slots=True)
class Reading:
    """One reading of a text. ``rule``: metavariables, exponents may be symbolic. ``differentials``: d(X) is allowed."""

    text: str
    entries: dict[str, Entry]
    functions: Mapping[str, Function]
    sizes: Sizes = field(default_factory=Sizes)
    rule: bool = False
    differentials: bool = False
    juxtaposed: bool = False
    closed: bool = False  # every size must be known
    reserved: frozenset[str] = frozenset()  # names of the text, which no inferred size may take
    quiet: bool = False  # nobody will read what is said about shapes
    broadcast: bool = False  # a scalar may be added to every entry of a column vector
    departed: frozenset[str] = frozenset()  # names read as scalars against the convention
    objective: tuple[str, Term] | None = None  # name and body of the problem's objective, for grad(L, Y)
    notes: dict[str, None] = field(default_factory=dict)
    sized: list[tuple[Dim, Node]] = field(default_factory=list)  # sizes that nothing may determine, e.g. of I
    applied: dict[str, list[list[Shape]]] = field(default_factory=dict)  # shapes of the arguments of opaque functions

    # ------------------------------------------------------------------- sizes
    def shape(self, part: Part) -> Shape:
        return self.sizes.shape(part.shape)

    def shown(self, *parts: Part) -> list[str]:
        """The shapes of parts for a message, with names for what is not known yet."""
        if self.quiet:
            return ["?×?"] * len(parts)
        shapes = [self.shape(p) for p in parts]
        names = name_sizes(self.sizes, [e.shape for e in self.entries.values()] + shapes, self.used_names())
        return [str(s.substitute(names)) for s in shapes]

    def used_names(self) -> set[str]:
        """Names that a new size may not take."""
        used = set(self.entries) | set(self.functions) | self.reserved
        for e in self.entries.values():
            for d in e.shape:
                used.update(self.sizes.resolve(d).names())
        return used

    def fresh_size(self, node: Node) -> Dim:
        d = self.sizes.fresh()
        self.sized.append((d, node))
        return d

    def says(self, node: Node) -> str:
        """The user's own words for a node."""
        return " ".join(self.text[node.span.start : node.span.end].split())

    def finish(self) -> None:
        """Check that every size is determined, once the entries' sizes have names."""
        for a, b in self.sizes.deferred:
            equation = [self.sizes.resolve(d) for d in (a, b)]
            held = [n for n, e in self.entries.items() if any(self.sizes.resolve(d).atoms() and self._shares(d, equation) for d in e.shape)]
            raise ShapeError(
                f"the sizes of {' and '.join(held) or 'some names'} cannot be inferred: {equation[0]} = {equation[1]} does not determine them",
                hint="declare their shapes, for example A : m×n",
            )
        for d, node in self.sized:
            if unknowns(self.sizes.resolve(d)):
                what = self.says(node)
                hint = {"I": "eye(n)", "eye": "eye(n)"}.get(what.partition("(")[0], "ones(n) or ones(m, n)")
                raise Misfit(f"the size of '{what}' cannot be inferred", node, self.text, hint=f"write {hint}")

    def check_uniform(self, index: str, cause: Exception | None = None) -> None:
        """Refuse to infer sizes that depend on the index for a family that was not declared."""
        for name, e in self.entries.items():
            if e.index == "#" and any(index in self.sizes.resolve(d).names() for d in e.shape):
                raise ParseError(
                    f"the sizes of the family {name} depend on its index", hint=f"declare it, for example {name}[{index}] : m[{index}]"
                ) from cause

    def _shares(self, d: Dim, equation: list[Dim]) -> bool:
        return bool(set(self.sizes.resolve(d).names()) & {n for e in equation for n in e.names()})

    def finish_rule(self) -> None:
        """What the left side of a rule leaves open may be anything, but not an equation between products."""
        for a, b in self.sizes.deferred:
            raise ShapeError(f"the sizes of the left side are not determined by {_plain(a)} = {_plain(b)}")

    # ------------------------------------------------------------------- nodes
    def infer(self, node: Node) -> Part:
        """The shape of a node and of everything below it."""
        return INFER[node.kind](self, node)

    def scalar(self, node: Node, what: str) -> Part:
        part = self.infer(node)
        shape = self.shape(part)
        if not shape.is_scalar and not self.fits(shape, SCALAR):
            raise Misfit(f"{what} must be a scalar", node, self.text, label=f"{self.says(node)} is {self.shown(part)[0]}")
        return part

    def fits(self, a: Shape, b: Shape) -> bool:
        """Make two shapes equal, where possible."""
        return self.sizes.unify_shapes(a, b)

    def dim(self, node: Node, is_index: bool = False) -> Dim:
        """A size written in the text: ``n``, ``2*n``, ``rows(X)``, ``m[i-1]``; or an index."""
        if node.kind == "call" and node.data[0] in ("rows", "cols") and len(node.args) == 1:
            shape = self.infer(node.args[0]).shape
            return shape.rows if node.data[0] == "rows" else shape.cols
        if node.kind == "neg":
            return -self.dim(node.args[0], is_index)
        if node.kind == "sum":
            total = dim(0)
            for sign, a in zip(node.data, node.args):
                total = total + self.dim(a, is_index) if sign == "+" else total - self.dim(a, is_index)
            return total
        if node.kind == "chain" and set(node.data) == {"*"}:
            total = dim(1)
            for a in node.args:
                total = total * self.dim(a, is_index)
            return total
        if self.closed and not is_index and node.kind == "name" and node.data not in self.entries:
            raise unknown_name(self, node)
        if node.kind == "name" and node.data in self.entries and self.entries[node.data].kind not in ("size", "index"):
            raise ParseError(
                f"'{node.data}' is a variable; a size must be an integer or a name of its own", span=node.span, source=self.text
            )
        return index_dim(node, self.text)

    def member(self, node: Node) -> tuple[Entry, Dim]:
        """The family and the index of ``x[t]``."""
        entry = self.entries.get(node.data)
        if entry is None or entry.index is None:
            raise ParseError(f"'{node.data}' has no index here", span=node.span, source=self.text, hint="entries of a matrix are not part of the language")
        return entry, self.dim(node.args[0], is_index=True)

    def member_shape(self, entry: Entry, index: Dim) -> Shape:
        assert entry.index is not None
        return entry.shape.substitute({entry.index: index})


def _plain(d: Dim) -> str:
    return str(d).replace("?", "n")


# ------------------------------------------------------------------- leaves
def _num(r: Reading, node: Node) -> Part:
    value, decimal = node.data
    return Part(node, SCALAR, lambda: terms.decimal(value) if decimal else terms.number(value))


def _name(r: Reading, node: Node) -> Part:
    name = node.data
    entry = r.entries.get(name)
    if entry is not None:
        if entry.kind in ("size", "index"):
            return Part(node, SCALAR, lambda: terms.size(name))
        if entry.index is not None:
            raise ParseError(f"'{name}' is a family: write {name}[...] with an index", span=node.span, source=r.text)
        return Part(node, entry.shape, lambda: terms.symbol(name, *r.sizes.shape(entry.shape)))
    if name == "ones":
        d = r.fresh_size(node)
        return Part(node, Shape(d, ONE), lambda: terms.ones(r.sizes.resolve(d)))
    if name in ("I", "eye"):
        d = r.fresh_size(node)
        return Part(node, Shape(d, d), lambda: terms.eye(r.sizes.resolve(d)))
    if name in CONSTANTS or name == "π":
        if name == "e":
            r.notes["e is the number 2.718... (declare it to use it as a variable)"] = None
        return Part(node, SCALAR, lambda: terms.constant("pi" if name == "π" else name))
    split = r.juxtaposed and 2 <= len(name) <= 4 and all(c in r.entries for c in name)
    if split:
        start = node.span.start
        letters = [Node("name", Span(start + i, start + i + 1), data=c) for i, c in enumerate(name)]
        r.notes[f"{name} read as {'*'.join(name)}"] = None
        return r.infer(Node("chain", node.span, tuple(letters), ("*",) * (len(name) - 1), depth=2))
    if r.differentials and len(name) > 1 and name[0] == "d" and name[1:] in r.entries:  # dX
        entry = r.entries[name[1:]]
        return Part(node, entry.shape, lambda: terms.differential(terms.symbol(name[1:], *r.sizes.shape(entry.shape))))
    raise unknown_name(r, node)


def unknown_name(r: Reading, node: Node) -> ParseError:
    from difflib import get_close_matches

    close = get_close_matches(node.data, list(r.entries), 1, 0.5)
    return ParseError(
        f"unknown name '{node.data}'", span=node.span, source=r.text, hint=f"did you mean {close[0]}?" if close else ""
    )


def _index(r: Reading, node: Node) -> Part:
    entry, index = r.member(node)
    shape = r.member_shape(entry, index)
    return Part(node, shape, lambda: terms.element(node.data, index, r.sizes.shape(shape)))


# ------------------------------------------------------------- sums, products
def _neg(r: Reading, node: Node) -> Part:
    part = r.infer(node.args[0])
    return Part(node, part.shape, lambda: terms.neg(part.build()))


def _sum(r: Reading, node: Node) -> Part:
    from matcalc.language.shapes import sum_misfit

    parts = [r.infer(a) for a in node.args]
    if r.broadcast:
        parts = _spread(r, parts)
    first = parts[0]
    for part in parts[1:]:
        if not r.fits(first.shape, part.shape):
            raise sum_misfit(r, node, first, part)
    signs = node.data

    def build() -> Term:
        made = [p.build() for p in parts]
        return terms.add(*(t if s == "+" else terms.neg(t) for s, t in zip(signs, made)))

    return Part(node, first.shape, build)


def _spread(r: Reading, parts: list[Part]) -> list[Part]:
    """Scalars among column vectors become vectors of equal entries: ``var + eps`` is ``var + eps*ones(d)``."""
    vector = next((p for p in parts if r.shape(p).is_vector), None)
    plain = {"num", "name", "neg", "sum", "chain", "pow"}  # numbers and names: no norm is spread silently
    simple = all(n.kind in plain for p in parts if r.shape(p).is_scalar for n in p.node.walk())
    if vector is None or not simple or not all(r.shape(p).cols is ONE for p in parts):
        return parts
    held = vector

    def spread(p: Part) -> Part:
        r.notes[f"{r.says(p.node)} is added to every entry of {r.says(held.node)}"] = None

        def build() -> Term:
            ones = terms.ones(r.sizes.resolve(held.shape.rows))
            return ones if integer(p.node) == 1 else terms.mul(p.build(), ones)

        return Part(p.node, held.shape, build)

    return [spread(p) if r.shape(p).is_scalar else p for p in parts]


def _chain(r: Reading, node: Node) -> Part:
    left = r.infer(node.args[0])
    i = 0
    while i < len(node.data):
        sign = node.data[i]
        end = i
        while end < len(node.data) and node.data[end] == sign and sign in ("*", ".*"):
            end += 1
        if end > i:
            parts = [left, *(r.infer(a) for a in node.args[i + 1 : end + 1])]
            left = product(r, parts) if sign == "*" else hadamard(r, parts)
            i = end
        else:
            left = QUOTIENTS[sign](r, left, r.infer(node.args[i + 1]))
            i += 1
    return Part(node, left.shape, left.build)


def _between(a: Part, b: Part) -> Node:
    return Node("chain", Span(a.node.span.start, b.node.span.end), (a.node, b.node), ("*",), depth=1 + max(a.node.depth, b.node.depth))


def product(r: Reading, parts: list[Part]) -> Part:
    """``a*b*c`` from the left. A prefix that is a scalar by itself, as in ``x'*x*y``, becomes one factor."""
    from matcalc.language.shapes import product_misfit

    factors = [parts[0]]
    shape = r.shape(parts[0])
    last = parts[0]
    for part in parts[1:]:
        shape, here = r.sizes.shape(shape), r.shape(part)
        if here.is_scalar:
            factors.append(part)
            continue
        if shape.is_scalar:
            if any(not r.shape(f).is_scalar for f in factors):
                factors = [_multiplied(r, factors, SCALAR)]
            shape = here
        elif r.sizes.unify(shape.cols, here.rows):
            shape = Shape(shape.rows, here.cols)
        else:
            raise product_misfit(r, _between(last, part), last, part)
        factors.append(part)
        last = part
    return _multiplied(r, factors, shape)


def _multiplied(r: Reading, factors: list[Part], shape: Shape) -> Part:
    held = tuple(factors)
    node = _between(held[0], held[-1])
    return Part(node, shape, lambda: terms.mul(*(f.build() for f in held)))


def hadamard(r: Reading, parts: list[Part]) -> Part:
    from matcalc.language.shapes import entrywise_misfit

    shaped = [p for p in parts if not r.shape(p).is_scalar]
    for p in shaped[1:]:
        if not r.fits(shaped[0].shape, p.shape):
            raise entrywise_misfit(r, _between(shaped[0], p), ".*", shaped[0], p)
    shape = shaped[0].shape if shaped else SCALAR
    return Part(_between(parts[0], parts[-1]), shape, lambda: terms.had(*(p.build() for p in parts)))


def _div(r: Reading, left: Part, right: Part) -> Part:
    if not r.shape(right).is_scalar and not (r.rule and r.fits(right.shape, SCALAR)):
        raise Misfit(
            "'/' needs a scalar below",
            right.node,
            r.text,
            label=f"{r.says(right.node)} is {r.shown(right)[0]}",
            hint="use inv(A)*b or b*inv(A) for matrices and ./ for entries",
        )
    if right.node.kind == "num" and right.node.data[0] == 0:
        raise ParseError("division by zero", span=right.node.span, source=r.text)
    return Part(_between(left, right), left.shape, lambda: terms.div(left.build(), right.build()))


def _hdiv(r: Reading, left: Part, right: Part) -> Part:
    from matcalc.language.shapes import entrywise_misfit

    node = _between(left, right)
    if r.shape(right).is_scalar or r.shape(left).is_scalar:
        shape = left.shape if r.shape(right).is_scalar else right.shape
    elif r.fits(left.shape, right.shape):
        shape = left.shape
    else:
        raise entrywise_misfit(r, node, "./", left, right)
    return Part(node, shape, lambda: terms.hdiv(left.build(), right.build()))


def kronecker(r: Reading, left: Part, right: Part) -> Part:
    a, b = r.shape(left), r.shape(right)
    shape = Shape(a.rows * b.rows, a.cols * b.cols)
    return Part(_between(left, right), shape, lambda: terms.make("kron", left.build(), right.build()))


QUOTIENTS: dict[str, Callable[[Reading, Part, Part], Part]] = {"/": _div, "./": _hdiv, "⊗": kronecker}


# --------------------------------------------------------------------- powers
def not_of_scalar(r: Reading, part: Part, what: str) -> None:
    """Refuse a departure from the conventions that would make a reduction or a transpose one of a scalar."""
    if r.departed and r.shape(part).is_scalar and any(n.kind in ("name", "index") and n.data in r.departed for n in part.node.walk()):
        raise Misfit(f"{what} of a scalar", part.node, r.text)


def _transpose(r: Reading, node: Node) -> Part:
    part = r.infer(node.args[0])
    if part.node.kind in ("name", "index"):
        not_of_scalar(r, part, "transpose")
    return Part(node, part.shape.transposed, lambda: terms.transpose(part.build()))


def integer(node: Node) -> int | None:
    """The integer a node is, as written; else None."""
    if node.kind == "num" and node.data[0].denominator == 1:
        return int(node.data[0])
    if node.kind == "neg":
        below = integer(node.args[0])
        return None if below is None else -below
    return None


def _is_transpose_sign(r: Reading, node: Node) -> bool:
    return node.kind == "name" and node.data == "T" and ("T" not in r.entries or not r.entries["T"].shape.is_scalar)


def _pow(r: Reading, node: Node) -> Part:
    base, exponent = node.args
    inverted = exponent.kind == "neg" and _is_transpose_sign(r, exponent.args[0])
    if node.data == "^" and (inverted or _is_transpose_sign(r, exponent)):
        part = r.infer(base)
        if inverted:
            part = _matrix_power(r, node, part, -1)
        held = part
        return Part(node, held.shape.transposed, lambda: terms.transpose(held.build()))
    part = r.infer(base)
    _bounded(r, exponent)
    _bounded_number(r, node)
    if node.data == "^" and not r.shape(part).is_scalar and integer(exponent) is not None:
        k = integer(exponent)
        assert k is not None
        return _matrix_power(r, node, part, k)
    above = r.scalar(exponent, "an exponent")
    if node.data == ".^":
        return Part(node, part.shape, lambda: terms.hpower(part.build(), above.build()))
    if not r.shape(part).is_scalar:
        _square(r, node, part)
        if not r.rule:
            raise Misfit("the exponent of a matrix must be an integer", exponent, r.text, hint="use .^ for the powers of the entries")
    return Part(node, part.shape, lambda: terms.power(part.build(), above.build()))


def _square(r: Reading, node: Node, part: Part) -> None:
    shape = r.shape(part)
    if not r.sizes.unify(shape.rows, shape.cols):
        raise Misfit(
            "'^' needs a scalar or a square matrix",
            part.node,
            r.text,
            label=f"{r.says(part.node)} is {r.shown(part)[0]}",
            hint="use .^ for the powers of the entries",
        )


def _matrix_power(r: Reading, node: Node, part: Part, k: int) -> Part:
    if r.shape(part).is_scalar:
        return Part(node, part.shape, lambda: terms.power(part.build(), k))
    _square(r, node, part)
    if abs(k) > MAX_POWER:
        raise ParseError(f"the power {k} of a matrix is too large (at most {MAX_POWER})", span=node.span, source=r.text)
    if k >= 0:
        return Part(node, part.shape, lambda: terms.power(part.build(), k))

    def build() -> Term:
        inverse = terms.make("inv", part.build())
        return inverse if k == -1 else terms.power(inverse, -k)

    return Part(node, part.shape, build)


def _bounded(r: Reading, exponent: Node) -> None:
    """Refuse numbers so large that computing with them would take forever."""
    value = magnitude(exponent)
    if value is not None and value > MAX_EXPONENT:
        raise ParseError(
            f"the exponent is too large (at most {MAX_EXPONENT})", span=exponent.span, source=r.text, label=r.says(exponent)[:40]
        )


def _bounded_number(r: Reading, node: Node) -> None:
    value = magnitude(node)
    if value is not None and value >= HUGE:
        raise ParseError("the number is too large", span=node.span, source=r.text)


def magnitude(node: Node) -> float | None:
    """The size of a number written without names, at most HUGE; None where there is a name in it."""
    if node.kind == "num":
        return float(node.data[0])
    below = [magnitude(a) for a in node.args]
    known = [b for b in below if b is not None]
    if not known or len(known) < len(below):
        return None
    if node.kind == "neg":
        return known[0]
    if node.kind == "sum":
        return min(sum(known), HUGE)
    if node.kind == "chain":
        total = known[0]
        for sign, k in zip(node.data, known[1:]):
            total = min(total * k if sign not in ("/", "./") else (total / k if k else HUGE), HUGE)
        return total
    if node.kind == "pow":
        digits = math.log10(max(known[0], 1 / known[0] if known[0] else 1.0)) * known[1]
        return HUGE if digits >= 100 else float(10**digits)
    return None


# -------------------------------------------------------------- norms, binders
def _norm(r: Reading, node: Node) -> Part:
    from matcalc.language.calls import norm

    which = {"1": "norm1", "F": "normF"}.get(node.data, "norm2")
    return norm(r, node, which, r.infer(node.args[0]))


def _binder(r: Reading, node: Node) -> Part:
    op, index = node.data
    low, high = r.dim(node.args[0]), r.dim(node.args[1])
    outer = r.entries.get(index)
    if outer is not None and outer.kind != "index":
        raise ParseError(f"'{index}' is already the name of something else", span=node.mark, source=r.text)
    r.entries[index] = Entry("index", SCALAR)
    body = r.infer(node.args[2])
    r.check_uniform(index)
    if outer is None:
        del r.entries[index]
    else:
        r.entries[index] = outer
    shape = body.shape
    if op == "stack":
        if not r.fits(Shape(ONE, shape.cols), SCALAR):
            raise Misfit("rows(...) stacks column vectors", node.args[2], r.text, label=f"this is {r.shown(body)[0]}")
        shape = Shape(high - low + 1, shape.rows)
    elif op == "prod" and not r.sizes.unify(shape.rows, shape.cols):
        raise Misfit("prod needs scalars or square matrices", node.args[2], r.text, label=f"this is {r.shown(body)[0]}")

    def build() -> Term:
        term = body.build()
        if any(index in d.names() for d in term.shape):
            raise Misfit("the members under a sum must have one shape", node.args[2], r.text, label=f"this is {term.shape}, which depends on {index}")
        return binders.bind(op, index, r.sizes.resolve(low), r.sizes.resolve(high), term)

    return Part(node, shape, build)


def _call(r: Reading, node: Node) -> Part:
    from matcalc.language.calls import call

    return call(r, node)


def _partial(r: Reading, node: Node) -> Part:
    from matcalc.language.calls import partial

    return partial(r, node)


INFER: dict[str, Callable[[Reading, Node], Part]] = {
    "num": _num,
    "name": _name,
    "index": _index,
    "neg": _neg,
    "sum": _sum,
    "chain": _chain,
    "transpose": _transpose,
    "pow": _pow,
    "norm": _norm,
    "binder": _binder,
    "call": _call,
    "partial": _partial,
}
