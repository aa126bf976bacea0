r"""What stands above and below: transposes, inverses, powers, the kind of a norm.

``X^T``, ``X^{\top}``, ``X^{\mathsf T}`` and ``X'`` are transposes, ``X^{-\top}`` the transpose of the inverse,
``X^{\odot 2}`` the power of each entry, ``e^{x}`` the exponential function.
"""

from __future__ import annotations

from matcalc.errors import Span
from matcalc.interop.latex_entries import Selection, selected, selection_below
from matcalc.interop.latex_grammar import Grammar, cover
from matcalc.interop.latex_tokens import Token
from matcalc.language.syntax import Node

__all__ = ["above", "is_transpose", "norm", "scripted"]

TRANSPOSES = frozenset(("top", "intercal", "transpose", "tran", "trans", "tp"))
DECORATIONS = {
    "*": "a star", "dagger": "a dagger", "ast": "a star", "star": "a star", "+": "a pseudo-inverse",
    "ddagger": "a dagger",
    "H": "the conjugate transpose", "sharp": "a sharp", "perp": "a complement", "circ": "a circle",
}  # fmt: skip
NORMS = {
    "1": "norm1",
    "2": "norm2",
    "F": "normF",
    "": "norm2",
    "fro": "normF",
    "Fro": "normF",
    "Frob": "normF",
    "l2": "norm2",
}
OTHER_NORMS = {"*": "the nuclear norm", "infty": "the maximum norm", "p": "the p-norm"}


def is_transpose(t: Token) -> bool:
    return (t.kind == "letter" and t.value == "T") or (t.kind == "cmd" and t.value in TRANSPOSES)


def scripted(g: Grammar, tree: Node) -> Node:
    """The node with everything that stands above it; what stands below must have been taken before."""
    while True:
        token = g.token
        if token.is_sign("'") or token.is_cmd("prime"):
            g.next()
            tree = g.node("transpose", cover(tree.span, token.span), tree, mark=token.span)
        elif token.is_sign("^"):
            g.next()
            tree = above(g, tree, g.group(), token)
        elif token.kind == "cmd" and token.value.startswith("super"):
            tree = _superscript(g, tree)
        elif token.is_sign("{") and g.peek().is_sign("}"):  # X{}^T
            g.next()
            g.next()
        elif token.is_sign("_"):
            tree = _below(g, tree)
        else:
            return tree


def _below(g: Grammar, tree: Node) -> Node:
    """An entry, a row or a column of an expression."""
    mark = g.next()
    script = [t for t in g.group() if t.kind != "newline"]
    found = selection_below(g, None, script, mark)
    if found is None and len(script) == 1 and script[0].kind in ("letter", "digit"):
        found = Selection((False,), (g.whole(script, mark),))
    if found is None:
        raise g.error("this subscript is not understood", mark)
    return selected(g, tree, found)


def _superscript(g: Grammar, tree: Node) -> Node:
    """Unicode superscripts: ``x²``."""
    start, digits = g.token, ""
    while g.token.kind == "cmd" and g.token.value.startswith("super"):
        digits += g.next().value[5:]
    span = cover(start.span, g.tokens[g.i - 1].span)
    exponent = [Token("sign" if c == "-" else "digit", c, span) for c in digits]
    return above(g, tree, exponent, start)


def above(g: Grammar, tree: Node, script: list[Token], mark: Token) -> Node:
    """A node with a superscript."""
    script = [t for t in script if t.kind != "newline"]
    end = g.tokens[g.i - 1].span
    span = cover(tree.span, mark.span, end)
    if not script:  # x^{} is x
        return tree
    if all(t.is_cmd("prime") or t.is_sign("'") for t in script):
        return g.node("transpose", span, tree, mark=mark.span)
    if script[0].is_cmd("odot", "circ") and len(script) > 1:
        return g.node("pow", span, tree, g.whole(script[1:], script[0]), data=".^", mark=mark.span)
    if len(script) == 1 and _is_decoration(g, script[0]):
        raise g.error(f"{DECORATIONS[script[0].value]} above is not part of the language", cover(mark.span, end))
    if is_transpose(script[-1]) and not _is_power(g, tree, script):
        return _transposed(g, tree, script[:-1], mark, span)
    return _power(g, tree, g.whole(script, mark), span, mark)


def _is_decoration(g: Grammar, t: Token) -> bool:
    if t.kind == "letter" and g.known.is_known(t.value):
        return False
    return t.value in DECORATIONS and t.kind in ("sign", "cmd", "letter")


def _is_power(g: Grammar, tree: Node, script: list[Token]) -> bool:
    r"""``\gamma^T`` with a known number T and a known number γ is a power."""
    last = script[-1]
    number = len(script) == 1 and last.kind == "letter" and bool(g.known.is_scalar("T"))
    return number and tree.kind == "name" and bool(g.known.is_scalar(str(tree.data)))


def _transposed(g: Grammar, tree: Node, before: list[Token], mark: Token, span: Span) -> Node:
    if len(before) == 1 and before[0].is_sign("-"):  # ^{-T}
        one = g.node("num", before[0].span, data=(1, False))
        tree = _power(g, tree, g.node("neg", before[0].span, one, mark=before[0].span), span, mark)
    elif before:
        tree = above(g, tree, before, mark)
    return g.node("transpose", span, tree, mark=mark.span)


def _power(g: Grammar, tree: Node, exponent: Node, span: Span, mark: Token) -> Node:
    bare = exponent.args[0] if exponent.kind == "neg" else exponent
    if tree.kind == "name" and tree.data == "e" and not g.known.is_known("e") and bare.kind != "num":
        return g.node("call", span, exponent, data=("exp", 0), mark=mark.span)
    return g.node("pow", span, tree, exponent, data="^", mark=mark.span)


# ----------------------------------------------------------------------- norms
def norm(g: Grammar, tree: Node, span: Span) -> Node:
    r"""``\|x\|`` with its subscript: 1, 2, F or none."""
    which, place = "", None
    script: list[Token] = []
    raised: tuple[list[Token], Token] | None = None
    if g.token.is_sign("^"):  # \|x\|^2_2
        mark = g.next()
        raised = (g.group(), mark)
    if g.token.is_sign("_"):
        place = g.next()
        script = [t for t in g.group() if t.kind != "newline"]
        which = "".join(t.value for t in script)
        place = place._replace(span=cover(place.span, g.tokens[g.i - 1].span))
    if which not in NORMS and place is not None and which not in OTHER_NORMS:
        weighted = _weighted(g, tree, span, g.whole(script, place), raised)
        if weighted is not None:
            return weighted
    if which not in NORMS:
        kind = OTHER_NORMS.get(which, f"the norm with index {which}")
        raise g.error(f"{kind} is not part of the language", place, hint="norms are \\|x\\|_1, \\|x\\|_2 and \\|X\\|_F")
    made = g.node("call", cover(span, g.tokens[g.i - 1].span), tree, data=(NORMS[which], 0), mark=span)
    if raised is not None:
        made = above(g, made, raised[0], raised[1])
    return scripted(g, made)


def _weighted(
    g: Grammar, tree: Node, span: Span, weight: Node, raised: tuple[list[Token], Token] | None
) -> Node | None:
    r"""``\|x\|_A^2`` as ``x'*A*x``; None where it is not squared."""
    start = g.i
    if raised is None and g.token.is_sign("^"):
        mark = g.next()
        raised = (g.group(), mark)
    if raised is None or [t.value for t in raised[0] if t.kind != "newline"] != ["2"]:
        g.i = start
        return None
    whole = cover(span, g.tokens[g.i - 1].span)
    turned = g.node("transpose", tree.span, tree, mark=span)
    return scripted(g, g.node("chain", whole, turned, weight, tree, data=("*", "*"), mark=span))
