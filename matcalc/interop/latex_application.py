r"""Names before parentheses: functions applied to arguments, or factors.

A name before parentheses is a function where it is known as one, or where it looks like one: its argument is a list
or a single name, or its letter is one that usually names a function, and it stands nowhere without an argument.
"""

from __future__ import annotations

from matcalc.interop.latex_grammar import ENTRYWISE, Grammar, cover, matching
from matcalc.interop.latex_names import ACCENTS, FUNCTION_LETTERS, LOSS_LETTERS, WORDS, Name, greek
from matcalc.interop.latex_tokens import Token
from matcalc.language.functions import ALIASES, FUNCTIONS
from matcalc.language.syntax import Node

__all__ = ["applied", "arguments", "lists_names"]


def applied(g: Grammar, tree: Node, name: Name) -> Node:
    """The name applied to the parentheses that follow, where it is a function."""
    if tree.kind != "name":
        return tree
    order, ahead = 0, 0
    while g.peek(ahead).is_sign("'") or g.peek(ahead).is_cmd("prime"):
        ahead += 1
        order += 1
    if g.peek(ahead).is_sign("^") and _is_primes(g, ahead):
        order += 1
        ahead += 2 if not g.peek(ahead + 1).is_sign("{") else 4
    if not g.peek(ahead).is_sign("(") or not _is_function(g, str(tree.data), name, ahead, order):
        return tree
    for _ in range(ahead):
        g.next()
    args, close = arguments(g)
    data = (str(tree.data), order)
    return g.node("call", cover(tree.span, close.span), *args, data=data, mark=tree.span)


def _is_primes(g: Grammar, ahead: int) -> bool:
    following = g.peek(ahead + 1)
    return following.is_cmd("prime") or (
        following.is_sign("{") and g.peek(ahead + 2).is_cmd("prime") and g.peek(ahead + 3).is_sign("}")
    )


def arguments(g: Grammar) -> tuple[list[Node], Token]:
    """The list between parentheses; a bar separates too, as in ``p(t | x)``."""
    opened = g.next()
    bars, g.bars = g.bars, []
    if g.token.is_sign(")", "]"):
        raise g.error("there is nothing between the parentheses", opened)
    if g.token.is_cmd("cdot") and g.peek().is_sign(")", "]"):
        raise g.error("a dot stands for an argument that is not written", g.token)
    lone = _lone_bar(g)  # p(t | x): the bar separates
    if lone:
        g.bars = ["|"]
    args = [g.expression()]
    while g.accept(",", ";") or (lone and g.accept("|")):
        args.append(g.expression())
    close = g.close(opened)
    g.bars = bars
    return args, close


def _lone_bar(g: Grammar) -> bool:
    """Whether the bars between the parentheses do not come in pairs."""
    return _bars(_inside(g, -1)) % 2 == 1


def _bars(tokens: list[Token]) -> int:
    return sum(t.is_sign("|") for t in tokens)


def _is_function(g: Grammar, spelling: str, name: Name, ahead: int, order: int) -> bool:
    if g.known.is_function(spelling):
        return True
    known_elementwise = ALIASES.get(spelling, spelling) in FUNCTIONS or spelling in WORDS
    if g.known.is_variable(spelling):
        # The objective may be written with its variables: f(W).
        return spelling == g.known.objective and lists_names(g, ahead) and name.key not in g.facts.bare
    if known_elementwise:
        return True
    bare = name.key in g.facts.bare
    if order:
        return not bare or name.stem in FUNCTION_LETTERS
    if _has_comma(g, ahead) or _bars(_inside(g, ahead)) % 2 == 1:
        return True
    if name.stem in FUNCTION_LETTERS or name.stem in LOSS_LETTERS:
        return not bare or lists_names(g, ahead)
    return lists_names(g, ahead) and not bare


def _inside(g: Grammar, ahead: int) -> list[Token]:
    """The tokens between the parenthesis at a place and the one that closes it."""
    start = g.i + ahead
    depth = 0
    for j in range(start, len(g.tokens)):
        depth += g.tokens[j].is_sign("(") - g.tokens[j].is_sign(")")
        if depth == 0:
            return g.tokens[start + 1 : j]
    return []


def _has_comma(g: Grammar, ahead: int) -> bool:
    depth = 0
    for t in _inside(g, ahead):
        depth += t.is_sign("(", "[", "{") - t.is_sign(")", "]", "}")
        if depth == 0 and t.is_sign(",", ";"):
            return True
    return False


def lists_names(g: Grammar, ahead: int) -> bool:
    """Whether there is nothing but one name (with scripts) between the parentheses, or several with commas."""
    inside = _inside(g, ahead)
    names, i = 0, 0
    while i < len(inside):
        t = inside[i]
        if t.is_sign("_", "^"):
            end = matching(inside, i + 1) if i + 1 < len(inside) and inside[i + 1].is_sign("{") else i + 1
            i = (end if end is not None else len(inside)) + 1
            continue
        if t.is_sign(","):
            names = 0
        elif t.kind in ("letter", "word") or (t.kind == "cmd" and (greek(t.value) or t.value in ACCENTS)):
            names += t.kind != "cmd" or t.value not in ACCENTS
        elif not t.is_sign("{", "}"):
            return False
        if names > 1 or (t.kind == "cmd" and t.value in ENTRYWISE):
            return False
        i += 1
    return names == 1
