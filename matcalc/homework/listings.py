"""Listings: a gradient that is carried from node to node by updates of one name.

``grad(J, b[i]) = g; g = g*W[i]; g = g*diag(s[i - 1] > 0)`` in a loop over i says that the last value is
``grad(J, b[i - 1])``; without a loop the next ``grad(J, b) = g`` says where the updates lead.

Invariant: the updates of a listing stand between two things that are known of the same name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from matcalc.errors import Span
from matcalc.homework.members import free_letters, shifted
from matcalc.homework.notebook import Group, Notebook, is_derivative, names_of
from matcalc.interop.documents import DocumentChain
from matcalc.interop.latex import Chain, Side
from matcalc.language.functions import FUNCTIONS
from matcalc.language.syntax import Node

__all__ = ["Listing", "Update", "listings"]

BEFORE = 4_000  # characters in which the function of a network is spoken of
NOWHERE = Span(0, 0)


@dataclass(frozen=True, slots=True)
class Update:
    """``g = body``, where g stands in the body."""

    chain: DocumentChain
    body: Node
    place: int


@dataclass(slots=True)
class Listing:
    """The updates of a name between a gradient and the next. ``after`` None: the next turn of a loop."""

    name: str
    before: Node
    updates: list[Update] = field(default_factory=list)
    after: Node | None = None

    def composed(self, k: int = -1, body: Node | None = None) -> Node:
        """What the name stands for behind all updates, with another body for the k-th."""
        value = self.before
        for i, u in enumerate(self.updates):
            value = _put(u.body if i != k or body is None else body, self.name, value)
        return value

    def groups(self) -> Iterator[Group]:
        """The equality that the listing claims; of a loop, backwards and forwards."""
        last = self.updates[-1]
        targets = [self.after] if self.after is not None else [_moved(self.before, k) for k in (-1, 1)]
        for target in targets:
            if target is None:
                continue
            span = last.chain.chain.span
            sides = (Side("", span, target), Side("=", span, self.composed()))
            chain = replace(last.chain, chain=Chain(sides, span), lines=last.chain.lines[:1] * 2)
            yield Group((chain,), last.place)

    def activations(self, text: str) -> list[str]:
        """The functions whose derivatives the updates use and that the text before speaks of; first none."""
        start = self.updates[0].chain.chain.span.start
        before = text[max(0, start - BEFORE) : start]
        used = [
            str(n.data[0])
            for u in self.updates
            for n in u.body.walk()
            if n.kind == "call" and n.data[1] == 1 and n.data[0] in FUNCTIONS
        ]
        return ["", *(f for f in dict.fromkeys(used) if re.search(rf"\b{f}\b", before, re.IGNORECASE))]


def listings(book: Notebook) -> list[Listing]:
    """The listings of a document, in order."""
    out: list[Listing] = []
    open_ones: dict[str, Listing] = {}
    for place, d in enumerate(book.found):
        sides = [s.tree for s in d.chain.sides]
        left = book.plainly(sides[0]) if sides and sides[0] is not None else None
        right = book.plainly(sides[1]) if len(sides) == 2 and sides[1] is not None else None
        if left is None or right is None or d.chain.continues:
            continue
        if left.kind == "name" and left.data in open_ones and left.data in names_of(right):
            open_ones[str(left.data)].updates.append(Update(d, right, place))
        elif right.kind == "name" and left.kind == "call" and is_derivative(left):
            _close(out, open_ones.pop(str(right.data), None), left, book)
            open_ones[str(right.data)] = Listing(str(right.data), left)
        elif left.kind == "name":
            _close(out, open_ones.pop(str(left.data), None), None, book)
    for one in open_ones.values():
        _close(out, one, None, book)
    return sorted(out, key=lambda x: x.updates[0].place)


def _close(out: list[Listing], one: Listing | None, after: Node | None, book: Notebook) -> None:
    if one is None or not one.updates:
        return
    letters = list(dict.fromkeys(x for u in one.updates for x in free_letters(u.body)))
    if len(letters) == 1:  # a loop: the next turn says where it leads
        one.before = _indexed(one.before, letters[0], book)
    else:
        one.after = after
    if one.after is not None or _moved(one.before, -1) is not None:
        out.append(one)


def _indexed(derivative: Node, letter: str, book: Notebook) -> Node:
    """``grad(J, b)`` as ``grad(J, b[i])``, where b is a family elsewhere."""
    by = derivative.args[1]
    if by.kind == "name" and by.data in book.families:
        by = Node("index", by.span, (Node("name", by.span, data=letter),), by.data)
    return replace(derivative, args=(derivative.args[0], by))


def _moved(derivative: Node, k: int) -> Node | None:
    """``grad(J, b[i - 1])`` from ``grad(J, b[i])``."""
    by = derivative.args[1]
    if by.kind != "index" or by.args[0].kind != "name":
        return None
    letter = by.args[0]
    number = Node("num", NOWHERE, data=(abs(k), False))
    moved = Node("sum", by.span, (letter, number), ("+", "-" if k < 0 else "+"))
    return replace(derivative, args=(derivative.args[0], shifted(by, str(letter.data), moved)))


def _put(body: Node, name: str, value: Node) -> Node:
    if body.kind == "name" and body.data == name:
        return value
    return replace(body, args=tuple(_put(a, name, value) for a in body.args)) if body.args else body
