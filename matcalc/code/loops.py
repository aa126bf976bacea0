"""Statements of a program with families, written as lines of a Python function: arrays, loops and running sums.

In a loop stays only what has to: a line that reads nothing computed there becomes one statement for all indices, and
of the other lines the largest parts that do so are computed for all indices before the loop (*hoisted*), as are sums.

Invariants: statements keep their order; a member is written before it is read; every name is chosen by the namer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from matcalc.code.functions import Module
from matcalc.code.hoisting import hoisted
from matcalc.code.inputs import shape_text
from matcalc.code.layout import lay_out
from matcalc.code.loop_text import index_name
from matcalc.code.lower import Scope, lower_terms
from matcalc.code.names import Namer
from matcalc.code.nodes import Graph, Node, dims_of, live
from matcalc.code.source import SOURCE
from matcalc.code.stores import Store
from matcalc.code.text import assigned, statement_lines
from matcalc.code.together import Gather, Together
from matcalc.code.writer import Writer
from matcalc.errors import CannotDerive
from matcalc.language import terms as T
from matcalc.language.binders import BINDERS, free_indices, instantiate, substitute_index
from matcalc.language.dims import Dim, IndexedName, dim
from matcalc.language.problem import Block, Boundary, Definition, Statement
from matcalc.language.terms import Term, subterms

__all__ = ["Lines"]

INDENT = "    "


@dataclass(slots=True)
class Lines:
    """The lines of one function as they are written. ``symbols`` are the names of variables for names of terms."""

    module: Module
    stores: dict[str, Store]
    symbols: dict[str, str]
    namer: Namer
    facts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    depth: int = 0
    indices: dict[str, str] = field(default_factory=dict)  # of the loops around: names in the source
    ranges: dict[str, tuple[Dim, Dim]] = field(default_factory=dict)  # of these loops
    made: set[str] = field(default_factory=set)  # families that have their array
    computed: dict[Term, str] = field(default_factory=dict)  # what stands before loops, and its variable
    totals: set[str] = field(default_factory=set)  # the variables of running totals
    summed: dict[Term, Term] = field(default_factory=dict)  # sums outside of loops

    # --------------------------------------------------------------------------------- small things
    def put(self, *lines: str) -> None:
        self.lines += [f"{INDENT * self.depth}{line}" for line in lines]

    def assign(self, before: str, source: str) -> None:
        self.put(*assigned(before, source, self.depth))

    def size(self, d: Dim) -> str:
        """A size or an index as an expression."""
        writer = Writer(Graph(), SOURCE, self.size_names(d), self.module.np, self.module.names)
        return writer.dim(d).text

    def size_names(self, *dims: Dim) -> dict[str, str]:
        """The names of sizes in the source: those of the module, loop indices, and sizes of members."""
        out = {**self.module.sizes, **self.indices}
        for d in dims:
            for a in d.atoms():
                if isinstance(a, IndexedName):
                    out[str(a)] = self.indexed_size(a)
        return out

    def indexed_size(self, a: IndexedName) -> str:
        """The size of a member, read from the member itself."""
        wanted = dim(a)
        for i in self.module.inputs:
            for axis, d in enumerate(i.dims):
                if d is wanted and i.symbol not in self.stores:
                    return f"{i.name}.shape[{axis}]"
        for store in self.stores.values():
            for axis, d in enumerate(dims_of(*store.shape)):
                (atom, *others) = d.atoms()
                if others or not isinstance(atom, IndexedName) or atom.name != a.name:
                    continue
                index = a.index - (atom.index - dim(store.index))
                if self.is_within(index, store) and store.name in self.inputs():
                    return f"{store.at(index, self.size)}.shape[{axis}]"
        raise CannotDerive(f"the size {a} cannot be read from any argument of the code")

    def inputs(self) -> set[str]:
        return {i.symbol for i in self.module.inputs}

    def is_within(self, index: Dim, store: Store) -> bool:
        """Whether an index is one of a family's for every turn of the loops around."""
        low = high = index
        for name, (first, last) in reversed(self.ranges.items()):
            low, high = (_end(low, name, first, last), _end(high, name, last, first))
        return _not_negative(low - store.low) and _not_negative(store.high - high)

    # --------------------------------------------------------------------------------- expressions
    def expression(self, t: Term) -> str:
        """The source of a term; what it needs before is written first."""
        return self.expressions([("", t)])[0]

    def bare(self, t: Term) -> str:
        """The source of a term whose value an assignment copies, or that nobody changes."""
        return self.expression(t).removesuffix(".copy()")

    def expressions(self, wanted: Sequence[tuple[str, Term]]) -> tuple[str, ...]:
        """The sources of several terms that share what they have in common."""
        made = self.sum_together([t for _, t in wanted])
        known = [(label, self.with_members(self.with_totals(t, label))) for label, t in wanted]
        for total in made if self.depth else ():
            del self.summed[total]
        graph, nodes, _ = lower_terms([t for _, t in known], Scope({}, self.facts, {}, self.module.scope.functions))
        dims = [d for n in graph.table.values() for d in n.dims]
        writer = Writer(graph, SOURCE, self.size_names(*dims), self.module.np, self.module.names)
        given = {n: self.name_of(n) for n in live(nodes) if n.op == "input"}
        labelled = [(label, n) for (label, _), n in zip(known, nodes, strict=True)]
        program, _ = lay_out(writer, self.namer, labelled, given=given)
        self.module.note(program)
        for s in program.statements:
            plain = not any("[" in n for d in s.dims for n in (str(d),))
            self.put(*statement_lines(s, shape_text(s.dims, writer.sizes) if s.dims and plain else "", self.depth))
        out: list[str] = []
        for source in program.outputs:  # a total is nobody else's
            name = source.removesuffix(".copy()")
            out.append(name if name in self.totals and name not in out else source)
        return tuple(out)

    def name_of(self, n: Node) -> str:
        name = self.symbols.get(n.data, n.data)
        assert isinstance(name, str)
        return name

    def with_members(self, t: Term) -> Term:
        """The term with members of families as symbols that are called as they are written."""
        table = {s: T.symbol(self.member(s), *s.shape) for s in subterms(t) if s.op == "elem"}
        return T.replace(t, table) if table else t

    def member(self, t: Term) -> str:
        name, index = t.data
        if name not in self.stores:
            raise CannotDerive(f"there is no code for the members of {name}")
        return self.stores[name].at(index, self.size)

    def gather(self, index: str, low: Dim, high: Dim) -> Gather:
        return Gather(self.stores, self.size, index, low, high)

    # ---------------------------------------------------------------------------------------- sums
    def with_totals(self, t: Term, label: str = "") -> Term:
        """The term with sums over an index computed: as products of arrays where that can be, else in a loop."""
        table = {s: self.total(s, label if s is t else "") for s in _outermost_binders(t)}
        return T.replace(t, table) if table else t

    def total(self, s: Term, label: str = "") -> Term:
        """The variable of a sum, product or rows over an index, or what it is in terms of arrays."""
        if s in self.summed:
            return self.summed[s]
        found = self.computed_total(s, label)
        if not self.depth:  # members never change: outside of loops once is enough
            self.summed[s] = found
        return found

    def computed_total(self, s: Term, label: str) -> Term:
        index = self.namer_index(s)
        low, high = s.data
        body = instantiate(s, dim(index))
        if s.op == "prod":
            return self.running_product(s, body, index)
        gather = self.gather(index, low, high)
        found = gather.rows.of(body) if s.op == "stack" else gather.total(body)
        if found is not None:
            return found
        if s.op == "stack":
            return self.rows_one_by_one(s, body, index)
        return self.running_total(body, index, low, high, label)

    def namer_index(self, s: Term) -> str:
        """A name for a bound index that nothing in the sum has."""
        return index_name(s, {*self.indices})

    def running_total(self, body: Term, index: str, low: Dim, high: Dim, label: str) -> Term:
        """A sum that is added up in a loop, in an array of its own."""
        total = self.started(body, label)
        with _Loop(self, index, low, high, False):
            self.assign(f"{total.data} += ", self.bare(body))
        return total

    def sum_together(self, terms: Sequence[Term], own: AbstractSet[str] = frozenset()) -> list[Term]:
        """Sums over one range that need a loop share it, and what they have in common; not those that read ``own``."""
        groups: dict[tuple[Dim, Dim], list[Term]] = {}
        for s in dict.fromkeys(b for t in terms for b in _outermost_binders(t)):
            if s.op == "sumover" and s not in self.summed and not s.free & own:
                index = self.namer_index(s)
                if self.gather(index, *s.data).total(instantiate(s, dim(index))) is None:
                    groups.setdefault(s.data, []).append(s)
        made: list[Term] = []
        for (low, high), sums in groups.items():
            if len(sums) < 2:
                continue
            inside = {n for s in sums for n in (*s.free, *free_indices(s))}
            index = index_name(sums[0], {*self.indices, *inside})
            totals = [self.started(s, "") for s in sums]
            with _Loop(self, index, low, high, False):
                sources = self.expressions([("", instantiate(s, dim(index))) for s in sums])
                for total, source in zip(totals, sources, strict=True):
                    self.assign(f"{total.data} += ", source.removesuffix(".copy()"))
            self.summed.update(zip(sums, totals, strict=True))
            made += sums
        return made

    def started(self, s: Term, label: str) -> Term:
        """The variable of a sum, zero as yet."""
        name = self.namer.exact(label) if label else self.namer.fresh("total")
        self.totals.add(name)
        shape = dims_of(*s.shape)
        self.put(f"{name} = {f'{self.module.np}.zeros({self.array_shape(shape)})' if shape else '0.0'}")
        return T.symbol(name, *s.shape)

    def running_product(self, s: Term, body: Term, index: str) -> Term:
        """A product that is multiplied up in a loop, factors from left to right."""
        name = self.namer.fresh("product")
        self.totals.add(name)
        self.put(f"{name} = {f'{self.module.np}.eye({self.size(s.shape.rows)})' if s.shape.is_matrix else '1.0'}")
        low, high = s.data
        with _Loop(self, index, low, high, False):
            factor = self.bare(body)
            if s.shape.is_matrix:
                factor = factor if re.fullmatch(r"\w+(\[[^][]*\])?", factor) else f"({factor})"
                self.assign(f"{name} = {name} @ ", factor)
            else:
                self.assign(f"{name} *= ", factor)
        return T.symbol(name, *s.shape)

    def rows_one_by_one(self, s: Term, body: Term, index: str) -> Term:
        """Rows that are computed in a loop."""
        name = self.namer.fresh("rows")
        low, high = s.data
        self.put(f"{name} = {self.module.np}.empty({self.array_shape(dims_of(*s.shape))})")
        with _Loop(self, index, low, high, False):
            self.assign(f"{name}[{self.size(dim(index) - low)}] = ", self.bare(body))
        return T.symbol(name, *s.shape)

    def array_shape(self, dims: Sequence[Dim]) -> str:
        inside = ", ".join(self.size(d) for d in dims)
        return inside if len(dims) == 1 else f"({inside})"

    # ---------------------------------------------------------------------------------- statements
    def run(self, statements: Sequence[Statement]) -> None:
        for s in statements:
            if isinstance(s, Definition):
                source = self.bare(s.term)
                name = self.namer.exact(s.name)
                self.assign(f"{name} = ", source)
                self.symbols[s.name] = name
            elif isinstance(s, Boundary):
                self.store(s.target, s.term)
            else:
                self.block(s)

    def make(self, name: str) -> Store:
        """The store of a family, its array made where it is not yet."""
        store = self.stores[name]
        if name not in self.made:
            self.made.add(name)
            if store.is_list:
                count = self.size(store.count)
                self.put(f"{store.variable} = [None] * {count if count.isidentifier() else f'({count})'}")
            else:
                self.put(f"{store.variable} = {self.module.np}.empty({self.array_shape(store.dims)})")
        return store

    def everything(self, name: str, statements: Sequence[Statement]) -> Together | None:
        """All members of a family as one array. None: there is no formula."""
        (s, *others) = statements
        store = self.stores[name]
        if others or not isinstance(s, Block) or store.low is not s.low or store.high is not s.high:
            return None
        return self.whole(s, s.body[0])

    def start(self, name: str, statements: Sequence[Statement], like: Store) -> None:
        """A family that statements leave gaps in begins with zeros; ``like`` has members of the same shapes."""
        store = self.stores[name]
        said = dim(0)
        for s in statements:
            if isinstance(s, Block):
                said += sum((line.high or s.high) - (line.low or s.low) + 1 for line in s.body)
            else:
                said += 1
        if said is not store.count:
            self.made.add(name)
            np = self.module.np
            zeros = f"[{np}.zeros_like(a) for a in {like.variable}]" if store.is_list else ""
            self.put(f"{store.variable} = {zeros or f'{np}.zeros({self.array_shape(store.dims)})'}")

    def store(self, target: Term, term: Term) -> None:
        """One member gets its value."""
        name, index = target.data
        store = self.make(name)
        if term.op == "zeros" and not store.is_list:
            self.put(f"{store.at(index, self.size)} = 0.0")
            return
        source = self.expression(term) if store.is_list else self.bare(term)
        self.assign(f"{store.at(index, self.size)} = ", source)

    # -------------------------------------------------------------------------------------- blocks
    def block(self, s: Block) -> None:
        """A loop: what needs no loop before it or after it."""
        before, inside, after = self.parted(s)
        for line in before:
            self.at_once(s, line)
        if inside:
            for name in dict.fromkeys(str(line.target.data[0]) for line in inside):
                self.make(name)
            own = {str(line.target.data[0]) for line in inside}
            lines = [hoisted(self, s, line, own) for line in inside]
            with _Loop(self, s.index, s.low, s.high, s.down):
                everywhere = [x.term for x in lines if (x.low or s.low) is s.low and (x.high or s.high) is s.high]
                made = self.sum_together(everywhere, own)
                for line in lines:
                    self.guarded(s, line)
                for total in made:
                    del self.summed[total]
        for line in after:
            self.at_once(s, line)

    def parted(self, s: Block) -> tuple[list[Boundary], list[Boundary], list[Boundary]]:
        """The lines that read nothing of the loop, those of the loop, and those that only read it."""
        waiting = list(s.body)
        before: list[Boundary] = []
        while True:
            own = {line.target.data[0] for line in waiting}
            ready = next((x for x in waiting if not x.term.free & own and self.whole(s, x) is not None), None)
            if ready is None:
                break
            before.append(ready)
            waiting.remove(ready)
        after: list[Boundary] = []
        for line in reversed(waiting[:]):
            others = [x for x in waiting if x is not line]
            alone = all(line.target.data[0] not in {*x.term.free, x.target.data[0]} for x in others)
            if alone and line.target.data[0] not in line.term.free and self.whole(s, line) is not None:
                after.insert(0, line)
                waiting.remove(line)
        return before, waiting, after

    def whole(self, s: Block, line: Boundary) -> Together | None:
        """A line for all indices at once."""
        store = self.stores[line.target.data[0]]
        if store.is_list or s.index not in line.target.data[1].names():
            return None
        return self.gather(s.index, line.low or s.low, line.high or s.high).together(line.term)

    def at_once(self, s: Block, line: Boundary) -> None:
        low, high = line.low or s.low, line.high or s.high
        if low is high:
            self.store(*(substitute_index(t, s.index, low) for t in (line.target, line.term)))
            return
        name, at = line.target.data
        shift = at - dim(s.index)
        store = self.stores[name]
        found = self.whole(s, line)
        assert found is not None
        everything = low + shift is store.low and high + shift is store.high
        if everything and name not in self.made:
            self.made.add(name)
            self.assign(f"{store.variable} = ", found.shaped(self.expression(found.term), self.size))
        else:
            source = found.shaped(self.bare(found.term), self.size)
            self.make(name)
            place = store.between(low + shift, high + shift, self.size)
            self.assign(f"{place if '[' in place else f'{place}[:]'} = ", source)

    def guarded(self, s: Block, line: Boundary) -> None:
        """A line of a loop, under a condition where it is not for every index."""
        low, high = line.low or s.low, line.high or s.high
        name = self.indices[s.index]
        if low is s.low and high is s.high:
            self.store(line.target, line.term)
            return
        if low is high:
            condition = f"{name} == {self.size(low)}"
        elif low is s.low:
            condition = f"{name} < {self.size(high + 1)}"
        elif high is s.high:
            condition = f"{name} > {self.size(low - 1)}"
        else:
            condition = f"{self.size(low)} <= {name} <= {self.size(high)}"
        self.put(f"if {condition}:")
        self.depth += 1
        target, term = line.target, line.term
        if low is high:
            target = substitute_index(target, s.index, low)
        self.store(target, term)
        self.depth -= 1


class _Loop:
    """``for t in range(...):`` around lines."""

    def __init__(self, lines: Lines, index: str, low: Dim, high: Dim, down: bool) -> None:
        self.lines, self.index, self.ends, self.down = lines, index, (low, high), down

    def __enter__(self) -> None:
        w, (low, high) = self.lines, self.ends
        name = w.namer.fresh(self.index)
        ends = f"{w.size(high)}, {w.size(low - 1)}, -1" if self.down else f"{w.size(low)}, {w.size(high + 1)}"
        ends = w.size(high + 1) if not self.down and low.value == 0 else ends
        w.put(f"for {name} in range({ends}):")
        w.indices[self.index] = name
        w.ranges[self.index] = self.ends
        w.depth += 1

    def __exit__(self, *_: object) -> None:
        w = self.lines
        w.depth -= 1
        w.namer.taken.discard(w.indices.pop(self.index))
        del w.ranges[self.index]


def _is_thin(t: Term) -> bool:
    return t.shape.cols.value == 1


def _outermost_binders(t: Term) -> list[Term]:
    found: dict[Term, None] = {}
    waiting = [t]
    while waiting:
        s = waiting.pop()
        if s.op in BINDERS:
            found[s] = None
        else:
            waiting += reversed(s.args)
    return list(found)


def _end(d: Dim, name: str, when_positive: Dim, when_negative: Dim) -> Dim:
    """An extreme of an index that is linear in a loop's index."""
    c = dict(d.coefficients).get((name,), 0)
    return d.substitute({name: when_positive if c > 0 else when_negative}) if c else d


def _not_negative(d: Dim) -> bool:
    """Whether an expression in lengths (at least 1 each) is never negative."""
    return all(c > 0 for mono, c in d.coefficients if mono) and sum(c for _, c in d.coefficients) >= 0
