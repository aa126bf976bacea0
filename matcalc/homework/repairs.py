"""Small changes of a formula as it is written in a document, before anything in it is written out.

What the diagnosis of answers cannot reach: an index that is off by one, a slip under a sum over a family, names that
stand for derivatives.  Each change is a syntax tree, so that the correction reads like the document.

Invariant: every change is a single slip; the plainest come first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from matcalc.interop.latex_plain import write_plain
from matcalc.language.syntax import Node

__all__ = ["Repair", "repairs"]

Rebuild = Callable[[Node], Node]


@dataclass(frozen=True, slots=True)
class Repair:
    """A change: its kind, what it says, the whole formula after it, what is changed."""

    kind: str
    says: str
    tree: Node
    part: Node | None = None


def repairs(tree: Node) -> Iterator[Repair]:
    """The changes of a formula."""
    places = list(_places(tree, lambda n: n))
    for make in (_transposed, _shifted, _signed, _factors, _dropped, _products, _turned_round):
        for node, put in places:
            for kind, says, new in make(node):
                yield Repair(kind, says, put(new), node)


def _places(node: Node, put: Rebuild) -> Iterator[tuple[Node, Rebuild]]:
    """Every part of a formula, with what puts another in its place; indices and ranges are no parts."""
    yield node, put
    if node.kind == "index" or (node.kind == "call" and node.data[0] in ("grad", "jac", "hess")):
        return
    for i, a in enumerate(node.args):
        if node.kind == "binder" and i < 2:
            continue

        def inside(new: Node, i: int = i) -> Node:
            return put(replace(node, args=(*node.args[:i], new, *node.args[i + 1 :])))

        yield from _places(a, inside)


Change = tuple[str, str, Node]


def _text(node: Node) -> str:
    return write_plain(node).text


def _transposed(node: Node) -> Iterator[Change]:
    if node.kind == "transpose":
        inner = node.args[0]
        yield "transpose", f"there is a transpose too many ({_text(inner)} in place of {_text(node)})", inner
    elif node.kind in ("name", "index", "sum", "binder", "chain") or (node.kind == "call" and node.args):
        new = Node("transpose", node.span, (node,))
        yield "transpose", f"a transpose is missing ({_text(new)} in place of {_text(node)})", new


def _shifted(node: Node) -> Iterator[Change]:
    """An index one further or one less."""
    if node.kind != "index":
        return
    for k in (-1, 1):
        new = replace(node, args=(_moved(node.args[0], k),))
        yield "other", f"{_text(new)} is meant, not {_text(node)}", new


def _moved(index: Node, k: int) -> Node:
    """``t - 1`` from t, t from ``t + 1``."""
    total = k
    base: Node | None = index
    if index.kind == "num":
        return replace(index, data=(int(index.data[0]) + k, False))
    if index.kind == "sum" and len(index.args) == 2 and index.args[1].kind == "num":
        base = index.args[0]
        total += int(index.args[1].data[0]) * (-1 if index.data[1] == "-" else 1)
    assert base is not None
    number = Node("num", index.span, data=(abs(total), False))
    return Node("sum", index.span, (base, number), ("+", "-" if total < 0 else "+")) if total else base


def _signed(node: Node) -> Iterator[Change]:
    if node.kind == "sum":
        for i, a in enumerate(node.args[1:], 1):
            signs = tuple("-" if s == "+" else "+" for s in node.data[i : i + 1])
            yield (
                "sign",
                f"the term {_text(a)} has the wrong sign",
                replace(node, data=(*node.data[:i], *signs, *node.data[i + 1 :])),
            )
        first = node.args[0]
        turned = first.args[0] if first.kind == "neg" else Node("neg", first.span, (first,))
        says = f"the term {_text(first if first.kind != 'neg' else first.args[0])} has the wrong sign"
        yield "sign", says, replace(node, args=(turned, *node.args[1:]))
    if node.kind == "neg":
        yield "sign", f"the sign of {_text(node.args[0])} is wrong", node.args[0]
    elif node.kind in ("chain", "binder", "index", "name", "call", "transpose"):
        yield "sign", f"the sign of {_text(node)} is wrong", Node("neg", node.span, (node,))


def _factors(node: Node) -> Iterator[Change]:
    if node.kind == "num" and node.data[0] in (1, 2):
        other = replace(node, data=(3 - int(node.data[0]), False))
        yield "factor", f"{_text(other)} is meant, not {_text(node)}", other
    if node.kind in ("chain", "binder"):
        two = Node("num", node.span, data=(2, False))
        yield "factor", f"the factor 2 is missing in {_text(node)}", _times(two, node, "*")
        yield "factor", f"the factor 1/2 is missing in {_text(node)}", _times(node, two, "/")
    if node.kind == "chain":
        for i, a in enumerate(node.args):
            if i and node.data[i - 1] != "*":
                continue
            rest = [x for k, x in enumerate(node.args) if k != i]
            signs = [s for k, s in enumerate(node.data) if k != max(i - 1, 0)]
            if i == 0 and node.data[0] != "*":
                continue
            new = rest[0] if len(rest) == 1 else replace(node, args=tuple(rest), data=tuple(signs))
            yield "factor", f"the factor {_text(a)} is too many", new


def _times(a: Node, b: Node, sign: str) -> Node:
    return Node("chain", a.span, (a, b), (sign,))


def _dropped(node: Node) -> Iterator[Change]:
    if node.kind != "sum":
        return
    for i, a in enumerate(node.args):
        rest = [x for k, x in enumerate(node.args) if k != i]
        signs = [s for k, s in enumerate(node.data) if k != i]
        if signs[0] == "-":
            rest[0], signs[0] = Node("neg", rest[0].span, (rest[0],)), "+"
        new = rest[0] if len(rest) == 1 else replace(node, args=tuple(rest), data=tuple(signs))
        yield "extra-term", f"the term {_text(a)} is too many", new


def _products(node: Node) -> Iterator[Change]:
    if node.kind != "chain":
        return
    for i, sign in enumerate(node.data):
        other = {"*": ".*", ".*": "*"}.get(sign)
        if other is not None:
            word = "entry by entry" if other == ".*" else "the product of matrices"
            signs = (*node.data[:i], other, *node.data[i + 1 :])
            yield "hadamard", f"{word} is meant", replace(node, data=signs)


def _turned_round(node: Node) -> Iterator[Change]:
    if node.kind != "chain":
        return
    for i, sign in enumerate(node.data):
        if sign != "*":
            continue
        a, b = node.args[i], node.args[i + 1]
        new = replace(node, args=(*node.args[:i], b, a, *node.args[i + 2 :]))
        yield "order", f"the order of {_text(a)} and {_text(b)} is wrong", new
        crossed = (_flipped(b), _flipped(a))
        new = replace(node, args=(*node.args[:i], *crossed, *node.args[i + 2 :]))
        yield "transpose", f"the transpose of {_text(a)}*{_text(b)} is meant", new


def _flipped(node: Node) -> Node:
    return node.args[0] if node.kind == "transpose" else Node("transpose", node.span, (node,))
