"""Members of families as names of their own, so that a chain about one place needs no family.

``s[i] = W[i]*x[i - 1] + b[i]`` for one free i becomes ``s_i = W_i*x_im1 + b_i``; or, where a chain sums over the
family, a family of three members is written out: i is 2, and the sum has three terms.

Invariant: a name stands for one member of one family; what cannot be told apart so raises :class:`NoMembers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from matcalc.errors import MatcalcError, Span
from matcalc.language.syntax import Node

__all__ = ["MANY", "Members", "NoMembers", "free_letters", "shifted", "with_indices"]

MANY = 3  # members of a family that is written out
MIDDLE = 2  # the member that a free index stands for then

Place = tuple[str, int]  # a letter (or none) and what is added to it
Env = Mapping[str, Place | None]  # None: a bound index that stays


class NoMembers(MatcalcError):
    """The indices of a chain are not of the simple kind."""


@dataclass(slots=True)
class Members:
    """The members that one chain speaks of. ``lengths``: the names of lengths, where families are written out."""

    letter: str = ""
    lengths: frozenset[str] = frozenset()
    names: dict[str, tuple[str, Place]] = field(default_factory=dict)
    span: tuple[int, int] = (0, 0)  # the members that have definitions: from, to

    @property
    def written_out(self) -> bool:
        return bool(self.lengths)

    def flat(self, tree: Node, env: Env | None = None) -> Node:
        """The tree with members as names."""
        env = {} if env is None else env
        if tree.kind == "index":
            return self._member(tree, env)
        if tree.kind == "name" and tree.data in self.lengths:
            return Node("num", tree.span, data=(MANY, False))
        if tree.kind == "binder":
            return self._binder(tree, env)
        return replace(tree, args=tuple(self.flat(a, env) for a in tree.args)) if tree.args else tree

    def _member(self, node: Node, env: Env) -> Node:
        place = _place(node.args[0], env)
        if place is None:
            return node  # bound, and it stays a family
        letter, k = place
        if letter and letter == self.letter and self.written_out:
            letter, k = "", MIDDLE + k
        elif letter and letter != self.letter:
            raise NoMembers(f"the index '{letter}' stands beside another one")
        name = f"{node.data}_{letter}" + (("p" if k > 0 else "m") + str(abs(k)) if k and letter else "")
        if not letter:
            name = f"{node.data}_{k}"
        self.names[name] = (str(node.data), (letter, k))
        return Node("name", node.span, data=name)

    def _binder(self, node: Node, env: Env) -> Node:
        kind, index = node.data
        low, high, body = node.args
        if not self.written_out:
            inner: dict[str, Place | None] = {**env, index: None}
            return replace(node, args=(low, high, self.flat(body, inner)))
        first, last = _place(low, env), _end(high, self, env)
        if kind != "sumover" or first is None or first[0] or last is None or last - first[1] >= 2 * MANY:
            raise NoMembers("the range of a sum is not of the simple kind")
        terms = [self.flat(body, {**env, index: ("", j)}) for j in range(first[1], last + 1)]
        if not terms:
            return Node("num", node.span, data=(0, False))
        if len(terms) == 1:
            return terms[0]
        return Node("sum", node.span, tuple(terms), ("+",) * len(terms))

    def defines(self, place: Place) -> bool:
        """Whether a member lies among those that have definitions."""
        low, high = (1, MANY) if self.written_out else self.span
        return low <= place[1] <= high

    def named(self, base: str) -> list[str]:
        """The names of the members of a family that have definitions."""
        low, high = (1, MANY) if self.written_out else self.span
        letter = "" if self.written_out else self.letter
        nowhere = Span(0, 0)
        out = []
        for k in range(low, high + 1):
            number = Node("num", nowhere, data=(abs(k), False))
            index = number
            if letter:
                name = Node("name", nowhere, data=letter)
                index = Node("sum", nowhere, (name, number), ("+", "-" if k < 0 else "+")) if k else name
            out.append(str(self.flat(Node("index", nowhere, (index,), base)).data))
        return out

    def widen(self) -> None:
        """Take the members met so far for those that have definitions."""
        offsets = [k for _, (letter, k) in self.names.values() if letter]
        self.span = (min(offsets, default=0), max(offsets, default=0))

    def shown(self, text: str) -> str:
        """A text with the names of members as they are written in the language."""
        for name in sorted(self.names, key=len, reverse=True):
            base, (letter, k) = self.names[name]
            index = f"{letter} {'+' if k > 0 else '-'} {abs(k)}" if letter and k else letter or str(k)
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", f"{base}[{index}]", text)
        return text


def _place(node: Node, env: Env) -> Place | None:
    """The value of an index; None for one that is bound."""
    if node.kind == "name":
        return env[node.data] if node.data in env else (str(node.data), 0)
    if node.kind == "num" and node.data[0] == int(node.data[0]):
        return "", int(node.data[0])
    if node.kind == "neg":
        inner = _place(node.args[0], env)
        if inner is not None and not inner[0]:
            return "", -inner[1]
    if node.kind == "sum":
        letter, k = "", 0
        for sign, a in zip(node.data, node.args, strict=True):
            one = _place(a, env)
            if one is None:
                return None
            if one[0] and (letter or sign == "-"):
                break
            letter, k = letter or one[0], k + (-one[1] if sign == "-" else one[1])
        else:
            return letter, k
    raise NoMembers("this index is not of the simple kind")


def _end(node: Node, members: Members, env: Env) -> int | None:
    if node.kind == "name" and node.data in members.lengths:
        return MANY
    place = _place(node, env)
    if place is None:
        return None
    letter, k = place
    if letter and letter == members.letter:
        return MIDDLE + k
    return None if letter else k


def free_letters(tree: Node, bound: frozenset[str] = frozenset()) -> Iterable[str]:
    """The letters in indices that no sum binds."""
    if tree.kind == "binder":
        low, high, body = tree.args
        yield from free_letters(low, bound)
        yield from free_letters(high, bound)
        yield from free_letters(body, bound | {tree.data[1]})
        return
    if tree.kind == "index":
        yield from (n.data for n in tree.args[0].walk() if n.kind == "name" and n.data not in bound)
        return
    for a in tree.args:
        yield from free_letters(a, bound)


def shifted(body: Node, letter: str, by: Node) -> Node:
    """A body with another index in the place of its letter."""
    if body.kind == "name" and body.data == letter:
        return by
    if body.kind == "binder" and body.data[1] == letter:
        return body
    return replace(body, args=tuple(shifted(a, letter, by) for a in body.args)) if body.args else body


def with_indices(tree: Node, families: frozenset[str], letters: frozenset[str]) -> Node:
    """The tree with names such as ``b_i`` as members, where b is a family elsewhere and i an index."""
    if tree.kind == "name":
        base, bar, index = str(tree.data).rpartition("_")
        if bar and base in families and index in letters:
            return Node("index", tree.span, (Node("name", tree.span, data=index),), base)
        return tree
    return replace(tree, args=tuple(with_indices(a, families, letters) for a in tree.args)) if tree.args else tree
