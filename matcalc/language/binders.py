"""Binders: finite sums, products and stacks over an index, locally nameless.

Inside a binder the bound index is the size ``#0``, ``#1``, ... (the number of binders between it and its own); a free
index is a name.  So two sums that differ in the name of their index are one term.  *Bind* closes a body over a name;
*open_* puts an index back.

Invariant: the shape of a binder does not mention its own index (the factors of a product may; they have to chain).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matcalc.errors import ShapeError
from matcalc.language import terms
from matcalc.language.dims import Atom, Dim, dim
from matcalc.language.terms import Term

__all__ = [
    "BINDERS",
    "at_index",
    "bind",
    "free_indices",
    "instantiate",
    "lifted",
    "lowered",
    "lowered_dim",
    "open_",
    "substitute_index",
]

BINDERS = frozenset(("sumover", "prod", "stack"))

Values = dict[str, Dim] | Callable[[Atom], Dim | None]
Move = Callable[[int], Values]


def bind(op: str, index: str, low: Dim, high: Dim, body: Term) -> Term:
    """The sum, product or stack of ``body`` for the index from low to high."""
    if op != "prod" and any(index in d.names() for d in body.shape):
        raise ShapeError(f"the members under a sum must have one shape, not {body.shape} for every {index}")
    closed = _moved(body, lambda depth: {index: dim(f"#{depth}")}, 0)
    return terms.make(op, closed, data=(low, high))


def instantiate(t: Term, value: Dim) -> Term:
    """The body of a binder at one index."""
    return _moved(t.args[0], lambda depth: {f"#{depth}": value}, 0)


def open_(t: Term, preferred: str = "i") -> tuple[str, Term]:
    """The body of a binder with a name for its index: the preferred one, else the first letter that is free."""
    taken = free_indices(t) | t.free
    letters = [preferred, *"ijklrstuvwabcdefghmnopqxyz"]
    name = next((c for c in letters if c not in taken), None)
    n = 1
    while name is None:
        name = f"i{n}" if f"i{n}" not in taken else None
        n += 1
    return name, instantiate(t, dim(name))


def substitute_index(t: Term, name: str, value: Dim) -> Term:
    """The term with a free index (or size) replaced."""
    return _moved(t, lambda depth: {name: value}, 0)


def _bound(a: Atom) -> int:
    """How many binders are between a bound index and its own; -1 for any other atom."""
    return int(a[1:]) if isinstance(a, str) and a[0] == "#" and len(a) > 1 else -1


def lifted(t: Term, by: int = 1) -> Term:
    """A term as it is written under so many more binders."""
    return _moved(t, lambda depth: lambda a: dim(f"#{_bound(a) + by}") if _bound(a) >= depth else None, 0) if by else t


def lowered(t: Term, by: int = 1) -> Term | None:
    """A term as it is written under so many fewer binders; None where it depends on one of their indices."""
    met = False

    def move(depth: int) -> Values:
        def look(a: Atom) -> Dim | None:
            nonlocal met
            met = met or depth <= _bound(a) < depth + by
            return dim(f"#{_bound(a) - by}") if _bound(a) >= depth + by else None

        return look

    new = _moved(t, move, 0) if by else t
    return None if met else new


def lowered_dim(d: Dim, by: int = 1) -> Dim | None:
    """A size as it is written under so many fewer binders; None where it depends on one of their indices."""
    names = [_bound(n) for n in d.names()]
    if any(0 <= n < by for n in names):
        return None
    return d.substitute(lambda a: dim(f"#{_bound(a) - by}") if _bound(a) >= by else None)


def at_index(body: Term, index: Dim, depth: int = 0) -> Term:
    """A binder's body at an index, as it is written under ``depth`` binders (the index is as it is written there)."""

    def move(level: int) -> Values:
        inner = index.substitute(lambda a: dim(f"#{_bound(a) + level}") if _bound(a) >= 0 else None)

        def look(a: Atom) -> Dim | None:
            n = _bound(a)
            return inner if n == level else dim(f"#{n - 1 + depth}") if n > level else None

        return look

    return _moved(body, move, 0)


def free_indices(t: Term) -> set[str]:
    """The names of sizes and indices in a term."""
    out: set[str] = set()
    for s in terms.subterms(t):
        for d in (*s.shape, *_dims(s)):
            out.update(n for n in d.names() if not n.startswith("#"))
    return out


def _dims(t: Term) -> list[Dim]:
    data = t.data if isinstance(t.data, tuple) else (t.data,)
    return [d for d in data if isinstance(d, Dim)]


def _moved(t: Term, move: Move, depth: int) -> Term:
    """The term with sizes replaced by ``move(depth)``; the depth grows under each binder. Each part is done once."""
    done: dict[tuple[Term, int], Term] = {}

    def visit(node: Term, level: int) -> Term:
        key = (node, level)
        if key not in done:
            done[key] = _rebuilt(node, move(level), [visit(a, level + (node.op in BINDERS)) for a in node.args])
        return done[key]

    return visit(t, depth)


def _rebuilt(t: Term, values: Values, args: list[Term]) -> Term:
    if t.op == "size":
        return terms.size(t.data.substitute(values))
    if t.op == "elem":
        return terms.element(t.data[0], t.data[1].substitute(values), t.shape.substitute(values))
    if t.op == "sym":
        return t
    data = _data(t.data, values)
    if t.op in ("eye", "ones", "zeros", "unit"):
        return terms.eye(data) if t.op == "eye" else getattr(terms, t.op)(*data)
    if data == t.data and all(a is b for a, b in zip(args, t.args, strict=True)):
        return t
    return terms.make(t.op, *args, data=data)


def _data(data: Any, values: Values) -> Any:
    if isinstance(data, Dim):
        return data.substitute(values)
    if type(data) is tuple:
        return tuple(d.substitute(values) if isinstance(d, Dim) else d for d in data)
    return data
