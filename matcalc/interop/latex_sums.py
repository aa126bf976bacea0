r"""Sums, products and stacks over an index: ``\sum_{i=1}^{n} x_i^T x_i``.

The index is bound in the body, which is the product that follows.  A sum without limits runs over all members: from 1
to the limit that the text gives the same index elsewhere, else to N.
"""

from __future__ import annotations

from matcalc.interop.latex_application import arguments
from matcalc.interop.latex_grammar import Grammar, cover, matching
from matcalc.interop.latex_tokens import Token
from matcalc.language.syntax import Node, indices_of

__all__ = ["ranged"]

DOTS = frozenset(("dots", "ldots", "cdots"))
AT_MOST = frozenset(("le", "leq", "leqslant"))


def ranged(g: Grammar, kind: str) -> Node:
    """The binder at this place."""
    start = g.next()
    below: list[Token] = []
    high: list[Token] = []
    while g.token.is_sign("_", "^"):
        if g.next().value == "_":
            below = g.group()
        else:
            high = g.group()
    several = _several(below) if kind != "stack" else []
    if several:
        return _nested(g, kind, start, several, high)
    index, low_tokens, high_tokens = _range(g, start, below, high)
    low = g.whole(low_tokens, start) if low_tokens else g.node("num", start.span, data=(1, False))
    top = (
        g.whole(high_tokens, start) if high_tokens else g.node("name", start.span, data=_all(g, index), mark=start.span)
    )
    outer = g.bound
    g.bound = (*outer, index.value)
    g.deeper()
    if kind == "stack":
        args, _ = arguments(g)
        if len(args) != 1:
            raise g.error("rows stack one expression", start)
        body = args[0]
    else:
        if g.at_end:
            raise g.error("there is nothing under the sum", start)
        body = _with_what_follows(g, g.signed(g.entrywise), index.value, outer)
    g.depth -= 1
    g.bound = outer
    span = cover(start.span, body.span, g.tokens[g.i - 1].span)
    if not high_tokens and not low_tokens and _is_of_entries(g, body, index.value):
        top = g.node("unsaid", index.span, data=index.value)
    return g.node("binder", span, low, top, body, data=(kind, index.value), mark=index.span)


def _with_what_follows(g: Grammar, body: Node, index: str, outer: tuple[str, ...]) -> Node:
    r"""``\sum_i a_i + b_i`` without brackets: a term that has the index in a subscript is under the sum as well."""
    terms, signs, mark = [body], ["+"], g.token.span
    while g.token.is_sign("+", "-") and index not in outer and _has_index(g, index):
        signs.append(g.next().value)
        terms.append(g.signed(g.entrywise))
    if len(terms) == 1:
        return body
    return g.node("sum", cover(*(t.span for t in terms)), *terms, data=tuple(signs), mark=mark)


def _has_index(g: Grammar, index: str) -> bool:
    """Whether the next term has a letter as an index and no sum of its own over it."""
    depth, found = 0, False
    i = g.i + 1
    while i < len(g.tokens) - 1:
        t = g.tokens[i]
        if t.is_sign("(", "[", "{"):
            depth += 1
        elif t.is_sign(")", "]", "}"):
            depth -= 1
        if depth < 0 or (depth == 0 and t.is_sign("+", "-", "=", ",", ";") and i > g.i + 1):
            break
        if t.kind == "cmd" and t.value in ("sum", "prod"):
            return False
        if t.is_sign("_"):
            end = matching(g.tokens, i + 1) if g.tokens[i + 1].is_sign("{") else None
            inside = g.tokens[i + 2 : end] if end is not None else [g.tokens[i + 1]]
            found = found or any(x.kind == "letter" and x.value == index for x in inside)
        i += 1
    return found


def _is_of_entries(g: Grammar, body: Node, index: str) -> bool:
    """Whether an index is one of entries, so that the matrices tell its range."""
    of_entries = (
        n for n in body.walk() if n.kind == "entry" or (n.kind == "index" and g.known.roles.get(n.data) == "symbol")
    )
    return any(a.kind == "name" and a.data == index for n in of_entries for a in indices_of(n))


def _several(below: list[Token]) -> list[Token]:
    r"""The indices of ``\sum_{i,j}`` and ``\sum_{ij}``; none where it is one."""
    letters = [t for t in below if t.kind == "letter"]
    others = [t for t in below if t.kind not in ("letter", "newline") and not t.is_sign(",")]
    return letters if len(letters) > 1 and not others else []


def _nested(g: Grammar, kind: str, start: Token, indices: list[Token], high: list[Token]) -> Node:
    """A sum over several indices without limits: one sum in another."""
    if high:
        raise g.error("a sum over two indices has no one limit", start, hint="write two sums")
    outer = g.bound
    g.bound = (*outer, *(t.value for t in indices))
    g.deeper()
    body = g.signed(g.entrywise)
    g.depth -= 1
    g.bound = outer
    span = cover(start.span, body.span, g.tokens[g.i - 1].span)
    for t in reversed(indices):
        limit = g.facts.limits.get(t.value)
        if limit:
            top = g.whole(limit, start)
        elif _is_of_entries(g, body, t.value):
            top = g.node("unsaid", t.span, data=t.value)
        else:
            top = g.node("name", start.span, data=_all(g, t), mark=start.span)
        low = g.node("num", start.span, data=(1, False))
        body = g.node("binder", span, low, top, body, data=(kind, t.value), mark=t.span)
    return body


def _range(g: Grammar, start: Token, below: list[Token], high: list[Token]) -> tuple[Token, list[Token], list[Token]]:
    """The index and the tokens of both limits (empty where they are not written)."""
    below = [t for t in below if t.kind != "newline"]
    if not below:
        raise g.error(
            "a sum needs its index", start, hint="\\sum_{i=1}^{n}, or \\operatorname{sum}(X) over all entries"
        )
    if len(below) == 1 and below[0].kind == "letter":
        limit = g.facts.limits.get(below[0].value) or _limit_of_like(g, below[0].value)
        return below[0], [], high or limit
    if len(below) > 2 and below[0].kind == "letter" and below[1].is_sign("="):
        rest = below[2:]
        dots = next((k for k, t in enumerate(rest) if t.kind == "cmd" and t.value in DOTS), None)
        if dots is not None and not high:  # i = 1, ..., n
            before, after = rest[:dots], rest[dots + 1 :]
            return below[0], _without_commas(before), _without_commas(after)
        return below[0], rest, high
    at_most = [k for k, t in enumerate(below) if t.kind == "cmd" and t.value in AT_MOST]
    if len(at_most) == 2 and at_most[1] == at_most[0] + 2 and below[at_most[0] + 1].kind == "letter":
        return below[at_most[0] + 1], below[: at_most[0]], below[at_most[1] + 1 :]
    raise g.error("the range of this sum is not read", start, hint="\\sum_{i=1}^{n}")


def _limit_of_like(g: Grammar, index: str) -> list[Token]:
    """Indices of one kind, such as i and j, run over the same members where nothing else is said."""
    alike = "ijkl" if index in "ijkl" else index
    return next((g.facts.limits[c] for c in alike if c in g.facts.limits), [])


def _without_commas(tokens: list[Token]) -> list[Token]:
    return [t for t in tokens if not t.is_sign(",")]


def _all(g: Grammar, index: Token) -> str:
    """The name of how many members there are."""
    versal = index.value.upper()
    if g.known.roles.get(versal) == "size" and versal != index.value:
        return versal
    return g.known.length or "N"
