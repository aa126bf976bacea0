"""Reading entries, rows and columns: ``Y[d,n]``, ``Y[d,:]``, ``Y[:,n]``, ``x[i]``.

An index is a number, the index of a sum around it, or a name of its own, which then stands for any row (or column).
Indices begin at 1.  Whether one stays inside is decided where the sizes are known; what is certainly outside, and a sum
over a range that has nothing to do with the matrix, is refused with its place in the text.

Invariant: ``x[i]`` is a member of a family unless x is known as one column or row; *as_entries* says so in the tree.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from matcalc.errors import ParseError
from matcalc.language import terms
from matcalc.language.dims import ONE, Dim, Shape, dim
from matcalc.language.indices import Binder, Order, extremes
from matcalc.language.inference import unknowns
from matcalc.language.reading import Misfit, Part, Reading, reads
from matcalc.language.selections import entry
from matcalc.language.syntax import Node

__all__ = ["as_entries", "settle_ranges", "unit"]


def as_entries(node: Node, plain: Collection[str]) -> Node:
    """The tree in which ``x[i]`` is an entry wherever x is a plain name, and not a member of a family."""
    args = tuple(as_entries(a, plain) for a in node.args)
    if node.kind == "index" and node.data in plain:
        mark = node.mark or node.span
        base = Node("name", mark, data=node.data)
        return Node("entry", node.span, (base, *args), (False,), mark, max(node.depth, 2))
    return node if all(a is b for a, b in zip(args, node.args, strict=True)) else replace(node, args=args)


@reads("entry")
def _entry(r: Reading, node: Node) -> Part:
    base, *indices = node.args
    part = r.infer(base)
    shape = r.shape(part)
    _has_entries(r, node, part)
    if len(node.data) == 1:
        if node.data[0]:
            raise Misfit("[:] takes everything", node, r.text, hint=f"write {r.says(base)}, or X[i,:] for a row")
        if ONE not in shape:
            raise _needs_two(r, node, part)
        flags = (False, True) if shape.cols is ONE else (True, False)
    else:
        flags = node.data
    waiting = iter(indices)
    row = (
        None if flags[0] else _index(r, next(waiting), shape.rows, base, "rows" if shape.cols is not ONE else "entries")
    )
    col = None if flags[1] else _index(r, next(waiting), shape.cols, base, "columns")
    checks = [c for c in (row, col) if c is not None]
    taken = Shape(shape.rows if row is None else ONE, shape.cols if col is None else ONE)

    def build() -> terms.Term:
        term = part.build()
        for c in checks:
            c.check(r)
        return entry(term, row.dim if row else None, col.dim if col else None)

    return Part(node, taken, build)


def _has_entries(r: Reading, node: Node, part: Part) -> None:
    if r.shape(part).is_scalar:
        says = r.says(part.node)
        raise Misfit("a number has no entries", node, r.text, label=f"{says} is a scalar", hint=f"declare {says} : n")


def _needs_two(r: Reading, node: Node, part: Part) -> Misfit:
    says, index = r.says(part.node), r.says(node.args[1])
    return Misfit(
        "an entry of a matrix needs two indices",
        node,
        r.text,
        label=f"{says} is {r.shown(part)[0]}",
        hint=f"write {says}[{index},:] for a row, {says}[:,{index}] for a column, {says}[{index},j] for an entry",
    )


class _Index:
    """An index, what it picks from, and the ranges of the sums around it."""

    __slots__ = ("binders", "dim", "length", "node", "of", "what")

    def __init__(self, index: Dim, length: Dim, binders: list[Binder], node: Node, of: Node, what: str) -> None:
        self.dim, self.length, self.binders, self.node, self.of, self.what = index, length, binders, node, of, what

    def check(self, r: Reading) -> None:
        """Raises Misfit where the index is outside, or nothing says that it stays inside."""
        length = r.sizes.resolve(self.length)
        binders = [Binder(b.name, r.sizes.resolve(b.low), r.sizes.resolve(b.high)) for b in self.binders]
        ends = extremes(self.dim, binders)
        if ends is None:
            return
        of, says = r.says(self.of), r.says(self.node)
        has = f"{of} has {_count(length, self.what)}"
        if Order().compare(dim(1), ends.low) is False or _below_one(ends.low):
            reaches = "" if self.dim is ends.low else f": it is {ends.low} at first"
            raise Misfit(
                f"the index {says} is below 1{reaches}", self.node, r.text, label=has, hint="indices begin at 1"
            )
        inside = Order().compare(ends.high, length)
        if inside is False:
            reaches = "" if self.dim is ends.high else f": it runs up to {ends.high}"
            raise Misfit(f"the index {says} is out of range{reaches}", self.node, r.text, label=has)
        runs = set(self.dim.names()) & {b.name for b in binders}
        if inside is None and runs and set(ends.high.names()) - r.free_indices:
            raise Misfit(
                f"the index {says} runs up to {ends.high}",
                self.node,
                r.text,
                label=has,
                hint=f"let it run over 1..{length}, or declare {of} with {ends.high} {self.what}",
            )


_OF_INDICES = frozenset(("num", "name", "neg", "sum", "chain", "index", "call"))


def _below_one(low: Dim) -> bool:
    value = low.value
    return value is not None and value < 1


def _count(length: Dim, what: str) -> str:
    singular = {"entries": "entry"}.get(what, what[:-1])
    return f"{length} {singular if length is ONE else what}"


def _index(r: Reading, node: Node, length: Dim, of: Node, what: str) -> _Index:
    """An index of the text. A sum over it whose range is not said, or of a matrix of unknown size, tells the size."""
    written = all(n.kind in _OF_INDICES and not (n.kind == "chain" and set(n.data) != {"*"}) for n in node.walk())
    if not written or any(n.kind == "num" and n.data[0].denominator != 1 for n in node.walk()):
        raise ParseError("an index is a whole number, a name, or a sum of these", span=node.span, source=r.text)
    d = r.dim(node, is_index=True)
    r.free_indices.update(n for n in d.names() if n not in r.ranges)
    name = d.as_name or ""
    runs = r.sizes.resolve(r.ranges[name][1]) if name in r.ranges else ONE
    if unknowns(runs):
        if not r.sizes.unify(length, runs):
            own = r.sizes.resolve(length)
            raise Misfit(
                f"the index {r.says(node)} runs over things of different lengths",
                node,
                r.text,
                label=f"up to {runs} elsewhere, and {r.says(of)} has {_count(own, what)}",
                hint=f"say its range: sum({name} in 1..{runs}, ...)",
            )
    else:
        for bound in d.names():
            if bound in r.ranges and (d - dim(bound)).value is not None:
                r.spans.append((length, r.ranges[bound][1] + (d - dim(bound))))
    ranges = [Binder(n, low, high) for n, (low, high) in r.ranges.items()]
    return _Index(d, length, ranges, node, of, what)


def settle_ranges(r: Reading) -> None:
    """Where nothing else tells the size of a matrix, it is as large as the sums over its entries need."""
    for length, needed in sorted(r.spans, key=lambda s: -_shift(s[1])):
        if unknowns(r.sizes.resolve(length)):
            r.sizes.unify(length, needed)


def _shift(d: Dim) -> int:
    """The number in ``n + 1``."""
    return dict(d.coefficients).get((), 0)


def unit(r: Reading, node: Node) -> Part:
    """``unit(i, n)``: the column of length n that is 1 at i; without n its length is inferred."""
    length = r.dim(node.args[1]) if len(node.args) == 2 else r.fresh_size(node)
    index = _index(r, node.args[0], length, node, "entries")

    def build() -> terms.Term:
        index.check(r)
        return terms.unit(index.dim, r.sizes.resolve(length))

    return Part(node, Shape(length, ONE), build)
