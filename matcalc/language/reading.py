"""From a syntax tree to a typed term, under one reading of its names.

Two phases.  *Infer* walks the tree once, gives every node a shape (perhaps with unknown sizes) and solves the equations
between sizes.  *Build* makes the terms when the sizes are known.  A node between the phases is a ``Part``.

A reading is fixed: which names are vectors, scalars, matrices, functions is in ``entries`` and ``functions``; several
readings are tried by :mod:`matcalc.language.conventions`.  Invariant: shapes that do not fit raise :class:`Misfit` with
the smallest part of the text that is to blame; nothing is repaired silently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from matcalc.errors import ParseError, ShapeError, Span
from matcalc.language import binders, terms
from matcalc.language.declarations import index_dim
from matcalc.language.dims import ONE, SCALAR, Dim, Shape, dim, runs_down
from matcalc.language.inference import Sizes, name_sizes, renamed, unknowns
from matcalc.language.problem import Formula, Function
from matcalc.language.syntax import Node
from matcalc.language.terms import Term
from matcalc.language.undefined import undefined_part

__all__ = ["READERS", "Entry", "Misfit", "Part", "Reading", "checked", "reads", "unknown_name"]

Build = Callable[[], Term]
CONSTANTS = ("pi", "e")
MAX_TERM_DEPTH = 120
MAX_TERM_SIZE = 50_000


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

    def __init__(
        self, message: str, node: Node, source: str, *, span: Span | None = None, label: str = "", hint: str = ""
    ) -> None:
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
    bodies: Mapping[str, Term] = field(default_factory=dict)  # of the problem's definitions
    derived: Callable[[Reading, Node], Part | None] | None = None  # reads grad, jac, hess of what is no function
    formulas: dict[str, Formula] = field(default_factory=dict)  # the functions that the text defines
    parts: list[Part] = field(default_factory=list)  # every part that was read
    notes: dict[str, None] = field(default_factory=dict)
    sized: list[tuple[Dim, Node]] = field(default_factory=list)  # sizes that nothing may determine, e.g. of I
    applied: dict[str, list[list[Shape]]] = field(default_factory=dict)  # shapes of the arguments of opaque functions
    aliases: dict[str, Dim] = field(default_factory=dict)  # of indices that have the name of a size elsewhere
    places: frozenset[str] = frozenset()  # names that are indices of entries somewhere
    ranges: dict[str, tuple[Dim, Dim]] = field(default_factory=dict)  # of the indices of the binders around
    free_indices: set[str] = field(default_factory=set)  # indices of entries that stand for any row or column
    spans: list[tuple[Dim, Dim]] = field(default_factory=list)  # lengths, and what the entries used of them need

    # ------------------------------------------------------------------- sizes
    def shape(self, part: Part) -> Shape:
        return self.sizes.shape(part.shape)

    def shown(self, *parts: Part) -> list[str]:
        """The shapes of parts for a message, with names for what is not known yet."""
        if self.quiet:
            return ["?×?"] * len(parts)
        shapes = [self.shape(p) for p in parts]
        names = name_sizes(self.sizes, [e.shape for e in self.entries.values()] + shapes, self.used_names())
        return [str(renamed(s, names)) for s in shapes]

    def used_names(self) -> set[str]:
        """Names that a new size may not take."""
        used = set(self.entries) | set(self.functions) | self.reserved
        for e in self.entries.values():
            for d in e.shape:
                used.update(self.sizes.resolve(d).names())
        return used

    def fresh_size(self, node: Node) -> Dim:
        d = self.sizes.fresh(local=True)
        self.sized.append((d, node))
        return d

    def says(self, node: Node) -> str:
        """The user's own words for a node."""
        return " ".join(self.text[node.span.start : node.span.end].split())

    def finish(self) -> None:
        """Check that every size is determined, once the entries' sizes have names."""
        for a, b in self.sizes.deferred:
            equation = [self.sizes.resolve(d) for d in (a, b)]
            held = [
                n
                for n, e in self.entries.items()
                if any(self.sizes.resolve(d).atoms() and self._shares(d, equation) for d in e.shape)
            ]
            whose = " and ".join(held) or "some names"
            raise ShapeError(
                f"the sizes of {whose} cannot be inferred: {equation[0]} = {equation[1]} does not determine them",
                hint="declare their shapes, for example A : m×n",
            )
        for d, node in self.sized:
            if unknowns(self.sizes.resolve(d)):
                what = self.says(node)
                hints = {"I": "eye(n)", "eye": "eye(n)", "unit": "unit(i, n)"}
                hint = hints.get(what.partition("(")[0], "ones(n) or ones(m, n)")
                if node.kind == "unsaid":
                    message, hint = f"the range of '{what}' cannot be inferred", f"sum({what} in 1..n, ...)"
                else:
                    message = f"the size of '{what}' cannot be inferred"
                raise Misfit(message, node, self.text, hint=f"write {hint}")

    def _shares(self, d: Dim, equation: list[Dim]) -> bool:
        return bool(set(self.sizes.resolve(d).names()) & {n for e in equation for n in e.names()})

    def finish_rule(self) -> None:
        """What the left side of a rule leaves open may be anything, but not an equation between products."""
        for a, b in self.sizes.deferred:
            raise ShapeError(f"the sizes of the left side are not determined by {_plain(a)} = {_plain(b)}")

    # ------------------------------------------------------------------- nodes
    def infer(self, node: Node) -> Part:
        """The shape of a node and of everything below it."""
        part = READERS[node.kind](self, node)
        self.parts.append(part)
        return part

    def scalar(self, node: Node, what: str) -> Part:
        part = self.infer(node)
        shape = self.shape(part)
        if not shape.is_scalar and not self.fits(shape, SCALAR):
            raise Misfit(
                f"{what} must be a scalar", node, self.text, label=f"{self.says(node)} is {self.shown(part)[0]}"
            )
        return part

    def fits(self, a: Shape, b: Shape) -> bool:
        """Make two shapes equal, where possible."""
        return self.sizes.unify_shapes(a, b)

    def dim(self, node: Node, is_index: bool = False) -> Dim:
        """A size written in the text: ``n``, ``2*n``, ``rows(X)``, ``m[i-1]``; or an index."""
        if node.kind == "unsaid":
            return self.fresh_size(node)
        if node.kind == "call" and node.data[0] in ("rows", "cols") and len(node.args) == 1:
            shape = self.infer(node.args[0]).shape
            return shape.rows if node.data[0] == "rows" else shape.cols
        if node.kind == "neg":
            return -self.dim(node.args[0], is_index)
        if node.kind == "sum":
            total = dim(0)
            for sign, a in zip(node.data, node.args, strict=True):
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
                f"'{node.data}' is a variable; a size must be an integer or a name of its own",
                span=node.span,
                source=self.text,
            )
        if node.kind == "name" and node.data in self.sizes.indices and node.data not in self.entries:
            raise ParseError(
                f"the index '{node.data}' has no value here",
                span=node.span,
                source=self.text,
                hint=f"inside its sum or block only: sum({node.data} in 1..N, ...); one member is, for example, x[N]",
            )
        return index_dim(node, self.text).substitute(self.aliases)

    def member(self, node: Node) -> tuple[Entry, Dim]:
        """The family and the index of ``x[t]``."""
        entry = self.entries.get(node.data)
        if entry is None or entry.index is None:
            raise ParseError(
                f"'{node.data}' has no index here",
                span=node.span,
                source=self.text,
                hint="entries of a matrix are not part of the language",
            )
        return entry, self.dim(node.args[0], is_index=True)

    def member_shape(self, entry: Entry, index: Dim) -> Shape:
        assert entry.index is not None
        return entry.shape.substitute({entry.index: index})


Reader = Callable[[Reading, Node], Part]
READERS: dict[str, Reader] = {}  # by the kind of the node; filled by this module, operators and calls


def reads(kind: str) -> Callable[[Reader], Reader]:
    """Mark the function that reads one kind of node."""

    def mark(reader: Reader) -> Reader:
        READERS[kind] = reader
        return reader

    return mark


def _plain(d: Dim) -> str:
    return str(d).replace("?", "n")


# ------------------------------------------------------------------- leaves
@reads("num")
def _num(r: Reading, node: Node) -> Part:
    value, decimal = node.data
    return Part(node, SCALAR, lambda: terms.decimal(value) if decimal else terms.number(value))


@reads("name")
def _name(r: Reading, node: Node) -> Part:
    name = node.data
    entry = r.entries.get(name)
    if entry is not None:
        if entry.kind in ("size", "index"):
            known = r.aliases.get(name, dim(name))
            return Part(node, SCALAR, lambda: terms.size(known))
        if entry.index is not None:
            raise ParseError(f"'{name}' is a family: write {name}[...] with an index", span=node.span, source=r.text)
        shape = entry.shape
        return Part(node, shape, lambda: terms.symbol(name, *r.sizes.shape(shape)))
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
        part = r.infer(Node("chain", node.span, tuple(letters), ("*",) * (len(name) - 1), depth=2))
        return Part(node, part.shape, part.build)
    if r.differentials and len(name) > 1 and name[0] == "d" and name[1:] in r.entries:  # dX
        entry = r.entries[name[1:]]
        return Part(node, entry.shape, lambda: terms.differential(terms.symbol(name[1:], *r.sizes.shape(entry.shape))))
    raise unknown_name(r, node)


def checked(term: Term, node: Node, r: Reading) -> Term:
    """The term, if it is not too large for the rooms that walk it, and has a value somewhere."""
    if term.depth > MAX_TERM_DEPTH or term.size > MAX_TERM_SIZE:
        raise ParseError("the expression is nested too deeply", span=node.span, source=r.text)
    found = undefined_part(term)
    if found is not None:
        part, why = found
        own = [p.node for p in r.parts if p.term is part] or [node]
        smallest = min(own, key=lambda n: n.span.end - n.span.start)
        raise ParseError(f"{r.says(smallest)} has no value: {why}", span=smallest.span, source=r.text)
    return term


def unknown_name(r: Reading, node: Node) -> ParseError:
    from difflib import get_close_matches

    close = get_close_matches(node.data, list(r.entries), 1, 0.5)
    return ParseError(
        f"unknown name '{node.data}'", span=node.span, source=r.text, hint=f"did you mean {close[0]}?" if close else ""
    )


@reads("index")
def _index(r: Reading, node: Node) -> Part:
    entry, index = r.member(node)
    shape = r.member_shape(entry, index)
    return Part(node, shape, lambda: terms.element(node.data, index, r.sizes.shape(shape)))


@reads("binder")
def _binder(r: Reading, node: Node) -> Part:
    op, index = node.data
    low, high = r.dim(node.args[0]), r.dim(node.args[1])
    if runs_down(low, high) and not r.closed:
        first, last = r.says(node.args[0]), r.says(node.args[1])
        raise ParseError(
            f"the range {first}..{last} is empty",
            span=Span(node.args[0].span.start, node.args[1].span.end),
            source=r.text,
            hint=f"{index} in {last}..{first}",
        )
    outer = r.entries.get(index)
    shadows = outer is not None and outer.kind == "size" and (r.closed or index in r.places)
    if outer is not None and outer.kind != "index" and not shadows:
        raise ParseError(f"'{index}' is already the name of something else", span=node.mark, source=r.text)
    r.entries[index] = Entry("index", SCALAR)
    if shadows:
        r.aliases[index] = dim(f"{index}·{len(r.aliases)}")
    bound = r.aliases[index].names()[0] if shadows else index
    around = r.ranges
    r.ranges = {**{n: ends for n, ends in around.items() if n != bound}, bound: (low, high)}
    body = r.infer(node.args[2])
    r.ranges = around
    if shadows:
        del r.aliases[index]
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
        if any(bound in d.names() for d in term.shape):
            raise Misfit(
                "the members under a sum must have one shape",
                node.args[2],
                r.text,
                label=f"this is {term.shape}, which depends on {index}",
            )
        return binders.bind(op, bound, r.sizes.resolve(low), r.sizes.resolve(high), term)

    return Part(node, shape, build)
