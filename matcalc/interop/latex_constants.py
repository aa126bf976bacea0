r"""Matrices with a name, ``\mathbf 1_n``, ``I_n``, ``K_{m, n}``, and conditions as numbers, ``\mathbb 1[x > 0]``."""

from __future__ import annotations

from dataclasses import replace

from matcalc.interop.latex_application import arguments
from matcalc.interop.latex_grammar import CLOSING, Grammar, cover
from matcalc.interop.latex_scripts import scripted
from matcalc.interop.latex_symbols import named
from matcalc.interop.latex_tokens import Token
from matcalc.language.syntax import Node

__all__ = [
    "cases",
    "commutation",
    "identity",
    "indicator",
    "jacobian_letter",
    "maximum",
    "ones",
    "sizes_below",
    "zeros",
]


# ------------------------------------------------------------ maxima, indicators
def maximum(g: Grammar, start: Token) -> Node:
    """``\\max(0, x)`` is the rectifier, ``\\max(a, x)`` the larger of two numbers."""
    name = start.value
    if not g.token.is_sign("(", "["):
        raise g.error(
            "minima and maxima over sets are not part of the language",
            start,
            hint="\\max(0, x) is the rectifier",
        )
    args, _ = arguments(g)
    if len(args) != 2:
        raise g.error(f"{name} takes two arguments", start)
    zero = [(a.kind == "num" and a.data[0] == 0) or (a.kind == "call" and a.data == ("vector", 0)) for a in args]
    if name != "max" or sum(zero) != 1:
        return scripted(g, g.call(name, args, start))
    return scripted(g, g.call("relu", [args[zero.index(False)]], start))


def indicator(g: Grammar, start: Token) -> Node:
    """``\\mathbb 1[x > 0]``, ``\\mathbf 1_{x > 0}``, ``\\mathrm{Ind}(x > 0)``."""
    if g.token.is_sign("_"):
        g.next()
        below = g.inside(g.group())
        return _where(below, start)
    opened = g.next()
    tree = _where(g, start)
    if not g.token.is_sign(*CLOSING):
        raise g.error("unclosed parenthesis", opened, "this one is never closed")
    g.next()
    return tree


def cases(g: Grammar, start: Token) -> Node:
    """Two cases, laid out as ``where(condition, a, b)``."""
    g.next()
    parts = [_where(g, start)]
    while g.accept(","):
        parts.append(g.expression())
    if len(parts) != 3 or not g.accept(")"):
        raise g.unexpected()
    return g.call("where", parts, start)


OR_EQUAL = frozenset(("ge", "geq", "geqslant", "le", "leq", "leqslant"))
GREATER = {">": 1, "gt": 1, "ge": 1, "geq": 1, "geqslant": 1, "<": -1, "lt": -1, "le": -1, "leq": -1, "leqslant": -1}


def _where(g: Grammar, start: Token) -> Node:
    """A condition as a number: ``step`` of what is positive where it holds."""
    tree = _condition(g)
    return tree if tree.kind == "compare" else g.call("step", [tree], start)


def _condition(g: Grammar) -> Node:
    """``x > c`` as the expression that is positive where it holds; ``x \\ge c`` as a comparison."""
    left = g.expression()
    token = g.token
    if token.value not in GREATER:
        return left
    g.next()
    right = g.expression()
    if token.value in OR_EQUAL:
        sign = ">=" if GREATER[token.value] > 0 else "<="
        return g.node("compare", cover(left.span, right.span), left, right, data=sign, mark=token.span)
    high, low = (left, right) if GREATER[token.value] > 0 else (right, left)
    if low.kind == "num" and low.data[0] == 0:
        return high
    if high.kind == "num" and high.data[0] == 0:
        return g.node("neg", low.span, low, mark=token.span)
    return g.node("sum", cover(left.span, right.span), high, low, data=("+", "-"), mark=token.span)


# ---------------------------------------------------------------- ones and sizes
def sizes_below(g: Grammar, script: list[Token], mark: Token) -> list[Node]:
    """``m \\times n`` or ``m, n``."""
    parts: list[list[Token]] = [[]]
    for t in script:
        if t.is_cmd("times") or t.is_sign(","):
            parts.append([])
        else:
            parts[-1].append(t)
    return [g.whole(p, mark) for p in parts]


def ones(g: Grammar) -> Node:
    start = g.next()
    condition = any(g.peek(k).value in GREATER for k in range(12))
    if condition and g.token.is_sign("(", "[", "_"):
        return scripted(g, indicator(g, start))
    if g.token.is_sign("_"):
        mark = g.next()
        return scripted(g, g.call("ones", sizes_below(g, g.group(), mark), start))
    return scripted(g, g.node("name", start.span, data="ones", mark=start.span))


def zeros(g: Grammar) -> Node:
    start = g.next()
    if g.token.is_sign("_"):
        mark = g.next()
        return scripted(g, g.call("zeros", sizes_below(g, g.group(), mark), start))
    zero = g.node("num", start.span, data=(0, False))
    return scripted(g, g.call("vector", [zero], start))


def identity(g: Grammar, token: Token) -> Node:
    """``I`` and ``I_n``."""
    if not g.token.is_sign("_"):
        return scripted(g, g.node("name", token.span, data="I", mark=token.span))
    mark = g.next()
    sizes = sizes_below(g, g.group(), mark)
    if len(sizes) == 2 and sizes[0].data == sizes[1].data:
        sizes = sizes[:1]
    if len(sizes) != 1:
        raise g.error("the identity has one size", mark)
    return scripted(g, g.call("eye", sizes, token))


def commutation(g: Grammar, token: Token) -> Node | None:
    """``K_{m, n}``; None where the subscript is not two sizes."""
    mark = g.i
    at = g.next()
    script = g.group()
    if not any(t.is_sign(",") for t in script):
        g.i = mark
        return None
    return scripted(g, g.call("commutation", sizes_below(g, script, at), token))


def jacobian_letter(g: Grammar, token: Token) -> Node | None:
    """``J_u(x)`` with a known function u; None where it is something else."""
    mark = g.i
    g.next()
    below = g.inside(g.group())
    if below.token.kind not in ("letter", "word", "cmd"):
        g.i = mark
        return None
    first = below.token
    name = named(below) if not below.peek().is_sign("(") else None
    found = name is not None and name.kind == "name" and below.at_end and g.known.is_function(str(name.data))
    if not found or not g.token.is_sign("("):
        g.i = mark
        return None
    assert name is not None
    args, _ = arguments(g)
    return scripted(g, g.call("jac", [replace(name, span=first.span), *args], token))
