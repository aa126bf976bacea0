"""A syntax tree in the plain language, and where each part of that text came from.

``parse_tree(plain(node).text)`` is the node again, but for its places.

Invariant: the ranges of the map nest like the nodes, so that the smallest range around a place is the best answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from matcalc.errors import Span
from matcalc.language.printing import decimal_text
from matcalc.language.syntax import Node

__all__ = ["Written", "write_plain"]

SUM, NEG, MUL, POW, POST, ATOM = 10, 15, 20, 30, 40, 100
LEVELS = {"sum": SUM, "neg": NEG, "chain": MUL, "pow": POW, "transpose": POST}
BINDERS = {"sumover": "sum", "prod": "prod", "stack": "rows"}
SPACED = {"⊗": " ⊗ "}


@dataclass(slots=True)
class Written:
    """Text that grows, with the place in the source of each of its parts."""

    text: str = ""
    parts: list[tuple[int, int, Span]] = field(default_factory=list)
    _pieces: list[str] = field(default_factory=list)
    _length: int = 0

    def add(self, piece: str) -> None:
        self._pieces.append(piece)
        self._length += len(piece)

    def copy(self, piece: str, start: int) -> None:
        """A piece that stands in the source as it is."""
        self.parts.append((self._length, self._length + len(piece), Span(start, start + len(piece))))
        self.add(piece)

    def done(self) -> Written:
        self.text = "".join(self._pieces)
        return self

    def node(self, node: Node, level: int = 0) -> None:
        """Write a node; in parentheses where it binds less tightly than ``level``."""
        start = self._length
        bracket = LEVELS.get(node.kind, ATOM) < level
        if bracket:
            self.add("(")
        _WRITE[node.kind](self, node)
        if bracket:
            self.add(")")
        self.parts.append((start, self._length, node.span))

    def listed(self, nodes: Sequence[Node]) -> None:
        for k, a in enumerate(nodes):
            self.add(", " if k else "")
            self.node(a)

    def source(self, span: Span) -> Span:
        """The place in the source of a part of the text."""
        around = [
            (end - start, k) for k, (start, end, _) in enumerate(self.parts) if start <= span.start and span.end <= end
        ]
        if around:
            _, k = min(around)
            start, end, place = self.parts[k]
            if place.end - place.start == end - start:  # copied text
                return Span(place.start + span.start - start, place.start + span.end - start)
            return place
        places = [place for start, end, place in self.parts if start < span.end and span.start < end]
        if places:
            return Span(min(p.start for p in places), max(p.end for p in places))
        return Span(0, 0)


def write_plain(node: Node) -> Written:
    """One expression in the plain language."""
    written = Written()
    written.node(node)
    return written.done()


def _num(w: Written, node: Node) -> None:
    w.add(decimal_text(node.data[0]))


def _neg(w: Written, node: Node) -> None:
    w.add("-")
    w.node(node.args[0], MUL)


def _sum(w: Written, node: Node) -> None:
    w.node(node.args[0], NEG)
    for sign, a in zip(node.data[1:], node.args[1:], strict=True):
        w.add(f" {sign} ")
        w.node(a, MUL)


def _chain(w: Written, node: Node) -> None:
    for k, a in enumerate(node.args):
        if k:
            w.add(SPACED.get(node.data[k - 1], node.data[k - 1]))
        w.node(a, POW)


def _pow(w: Written, node: Node) -> None:
    base, exponent = node.args
    w.node(base, ATOM if base.kind != "num" or node.data == "^" else ATOM + 1)
    w.add(node.data)
    simple = exponent.kind in ("num", "name", "call", "index")
    inverse = exponent.kind == "neg" and exponent.args[0].kind in ("num", "name")
    w.node(exponent, 0 if simple or inverse else ATOM + 1)


def _transpose(w: Written, node: Node) -> None:
    w.node(node.args[0], POST)
    w.add("'")


def _call(w: Written, node: Node) -> None:
    name, order = node.data
    w.add(name + "'" * order + "(")
    w.listed(node.args)
    w.add(")")


def _partial(w: Written, node: Node) -> None:
    w.add(f"grad_{node.data + 1}(")
    w.node(node.args[0])
    w.add(")(")
    w.listed(node.args[1:])
    w.add(")")


def _index(w: Written, node: Node) -> None:
    w.add(f"{node.data}[")
    w.node(node.args[0])
    w.add("]")


def _entry(w: Written, node: Node) -> None:
    base, *indices = node.args
    waiting = iter(indices)
    w.node(base, POST)
    w.add("[")
    for k, whole in enumerate(node.data):
        w.add("," if k else "")
        if whole:
            w.add(":")
        else:
            w.node(next(waiting))
    w.add("]")


def _compare(w: Written, node: Node) -> None:
    w.add("(")
    w.node(node.args[0], SUM)
    w.add(f" {node.data} ")
    w.node(node.args[1], SUM)
    w.add(")")


def _binder(w: Written, node: Node) -> None:
    kind, index = node.data
    low, high, body = node.args
    w.add(f"{BINDERS[kind]}({index}")
    if high.kind != "unsaid":
        w.add(" in ")
        w.node(low)
        w.add("..")
        w.node(high)
    w.add(", ")
    w.node(body)
    w.add(")")


_WRITE = {
    "num": _num,
    "name": lambda w, node: w.add(node.data),
    "neg": _neg,
    "sum": _sum,
    "chain": _chain,
    "pow": _pow,
    "transpose": _transpose,
    "call": _call,
    "partial": _partial,
    "index": _index,
    "entry": _entry,
    "binder": _binder,
    "compare": _compare,
}
