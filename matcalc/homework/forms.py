"""Forms: expressions whose shapes need not fit, so that a slip can be undone in an answer that is not even well-shaped.

A form is made from a term or from a syntax tree, edited freely, and built into a term again
(:mod:`matcalc.homework.form_building`).

Invariants: a form is never changed; two forms that differ only in their places in a text are equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from matcalc.errors import Span
from matcalc.language.named_loss import function_of
from matcalc.language.syntax import Node
from matcalc.language.terms import Path, Term

__all__ = [
    "FLAT", "NAMED", "SIGNS", "Form", "applied", "at", "call", "form_of", "leaf", "part", "places", "put", "with_args",
]  # fmt: skip

FLAT = frozenset(("add", "mul", "had"))
SIGNS = {"mul": "*", "had": ".*", "div": "/", "hdiv": "./"}
NAMED = {"diagvec": "diag"}  # how an operation is called in text


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """``op`` is an operation of the language, ``leaf``, or ``word`` (data: a name and its primes): what only the
    reader knows."""

    op: str
    args: tuple[Form, ...] = ()
    data: Any = None
    item: Term | Node | None = None  # of a leaf
    span: Span | None = None  # where it stands in the text; two forms that differ in it only are equal
    _hash: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.op, self.args, self.data, self._thing())))

    def _thing(self) -> object:
        """What a leaf is, without its place."""
        return (self.item.kind, self.item.data, self.item.args) if isinstance(self.item, Node) else self.item

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Form) or self._hash != other._hash or self.op != other.op:
            return False
        return self.args == other.args and self.data == other.data and self._thing() == other._thing()


def leaf(item: Term | Node, span: Span | None = None) -> Form:
    return Form("leaf", item=item, span=span)


def call(op: str, *args: Form, data: Any = None) -> Form:
    """A form of an operation, flat where the operation is."""
    if op in FLAT:
        spread: list[Form] = []
        for a in args:
            spread.extend(a.args if a.op == op else (a,))
        args = tuple(spread)
        if len(args) == 1:
            return args[0]
    return Form(op, args, data)


@lru_cache(maxsize=4096)
def form_of(t: Term) -> Form:
    """The form of a term."""
    if not t.args or t.op in ("prod", "stack"):
        return leaf(t)
    return Form(t.op, tuple(form_of(a) for a in t.args), t.data)


def applied(form: Form) -> tuple[str, int]:
    """The name and the primes of what is applied."""
    if form.op in ("fn", "word"):
        return form.data[0], form.data[1]
    return (function_of(form.data[0]), 0) if form.op == "call" else (NAMED.get(form.op, form.op), 0)


# ------------------------------------------------------------------------------------- editing
def at(form: Form, path: Path) -> Form:
    for i in path:
        form = form.args[i]
    return form


def part(form: Form, path: Path) -> Form | None:
    """What stands at a path; None where there is nothing, because sums and products were made flat."""
    for i in path:
        if i >= len(form.args):
            return None
        form = form.args[i]
    return form


def put(form: Form, path: Path, new: Form) -> Form:
    """The form with a part replaced; flat where the operation is."""
    if not path:
        return new
    i = path[0]
    below = put(form.args[i], path[1:], new)
    return with_args(form, (*form.args[:i], below, *form.args[i + 1 :]), form.data)


def with_args(form: Form, args: tuple[Form, ...], data: Any) -> Form:
    """The same operation on other arguments; flat where the operation is."""
    return call(form.op, *args) if form.op in FLAT else Form(form.op, args, data, form.item, form.span)


def places(form: Form) -> Iterator[tuple[Path, Form]]:
    """Every place of a form, outermost first."""
    stack: list[Path] = [()]
    while stack:
        path = stack.pop()
        here = at(form, path)
        yield path, here
        stack.extend((*path, i) for i in reversed(range(len(here.args))))
