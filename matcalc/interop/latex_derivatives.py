r"""Derivatives in LaTeX: ``\nabla_X f``, ``\frac{\partial L}{\partial W}``, ``\mathrm{d}X``.

``\nabla_X E`` is the call ``grad(E, X)``, ``\nabla E`` the call ``grad(E)`` with its variable left open, ``\nabla
f(x)`` with an opaque f its gradient at x.  ``\partial y/\partial x`` is ``grad(y, x)`` where y is a number, else
``jac(y, x)``; by ``x^T`` the gradient is a row.  What they mean in a problem is decided where the problem is known;
the ``mark`` of the node is the place of the command, which tells which notation was used.

How far ``\nabla`` reaches: a function or a norm is its whole operand, as in ``\nabla_Y L \cdot W^T``; otherwise it is
the product that follows, as in ``\nabla a^T X b``.
"""

from __future__ import annotations

from dataclasses import replace

from matcalc.interop.latex_grammar import Grammar, cover
from matcalc.interop.latex_names import ACCENTS, LOSS_LETTERS
from matcalc.interop.latex_scripts import is_transpose, scripted
from matcalc.interop.latex_tokens import Token
from matcalc.language.syntax import Node

__all__ = ["differential_of", "nabla", "partial", "quotient_of_differentials"]

NUMBERS = frozenset(("tr", "det", "logdet", "norm1", "norm2", "normF", "logsumexp", "inner", "loss"))
OF_ONE_FACTOR = NUMBERS | {"bars", "relu", "softmax"}


# ----------------------------------------------------------------------- nabla
def nabla(g: Grammar) -> Node:
    """A gradient, a Hessian, or the gradient of the objective where nothing follows."""
    start = g.next()
    by, second, transposed = _scripts_of_nabla(g)
    if not g.begins_operand() or transposed:
        if by is None:
            raise g.error("it is not said by what the gradient is taken", start)
        name = g.node("name", start.span, data=g.known.objective, mark=start.span)
        tree = _gradient(g, start, [name], by, second)
        if transposed:
            tree = g.node("transpose", tree.span, tree, mark=start.span)
        return scripted(g, tree)
    operand, ends = _operand(g)
    tree = _gradient(g, start, [operand], by, second)
    if ends:  # what is raised stands on the whole gradient: \nabla_u l(u)^T
        tree = scripted(g, tree)
    return tree


def _scripts_of_nabla(g: Grammar) -> tuple[Node | None, bool, bool]:
    """By what, whether twice, whether transposed."""
    by: Node | None = None
    second = transposed = False
    while g.token.is_sign("_", "^"):
        mark = g.next()
        script = [t for t in g.group() if t.kind != "newline"]
        if mark.value == "_":
            below = g.inside(script)
            by = below.expression()
            if by.kind == "chain" and len(by.args) == 2 and _same(*by.args):  # \nabla^2_{xx}
                by = by.args[0]
            if below.token.is_sign("="):  # \nabla_{u = W x} l
                below.next()
                below.expression()
            if not below.at_end:
                raise below.unexpected()
        elif [t.value for t in script] == ["2"]:
            second = True
        elif script and is_transpose(script[-1]) and len(script) == 1:
            transposed = True
        else:
            raise g.error("this superscript of a gradient is not understood", mark)
    return by, second, transposed


def _operand(g: Grammar) -> tuple[Node, bool]:
    """What is differentiated, and whether it is one function or norm."""
    mark = g.i
    first = _factor_without_transpose(g)
    if first is not None:
        return first, True
    g.i = mark
    factors, signs = [g.factor()], []
    single = g.token.is_sign("*") or g.token.is_cmd("cdot")
    if _is_group(g, factors[0]) or (single and _is_number_name(g, factors[0])):
        return factors[0], False
    while True:
        if g.token.is_cmd("cdot") or g.token.is_sign("*"):
            g.next()
        elif not g.begins_operand() or (g.token.is_cmd("nabla") and len(factors) > 1):
            break
        signs.append("*")
        factors.append(g.factor())
    return g.chain(factors, signs), False


def _is_group(g: Grammar, node: Node) -> bool:
    """Whether a factor is a pair of parentheses without scripts."""
    written = g.text[node.span.start : node.span.end]
    return written.startswith(("(", "[", "\\left", "\\big", "\\Big")) and written.endswith((")", "]"))


def _factor_without_transpose(g: Grammar) -> Node | None:
    """A function, norm or scalar name as an operand by itself; a transpose behind it belongs to the gradient."""
    before = g.i
    tree = g.factor()
    while tree.kind == "transpose" and _stands_alone(g, tree.args[0]):
        tree = tree.args[0]
        g.i = _before_transpose(g, before)
    return tree if _stands_alone(g, tree) else None


def _before_transpose(g: Grammar, before: int) -> int:
    """The place of the last script between two places."""
    place = next(k for k in range(g.i - 1, before, -1) if g.tokens[k].is_sign("^", "'"))
    while g.tokens[place - 1].is_sign("'"):
        place -= 1
    return place


def _stands_alone(g: Grammar, node: Node) -> bool:
    if node.kind == "call":
        return node.data[0] in OF_ONE_FACTOR or not _is_known_function(node.data[0])
    if node.kind == "pow":
        return node.args[0].kind == "call" and node.args[0].data[0] in NUMBERS | {"bars"}
    if node.kind == "name":
        return _is_number_name(g, node)
    return node.kind == "binder"


def _is_known_function(name: str) -> bool:
    from matcalc.interop.latex_operands import function_word

    return bool(function_word(name))


def _is_number_name(g: Grammar, node: Node) -> bool:
    """Whether a name is that of a number: known as one, or the letter of a loss."""
    if node.kind not in ("name", "index"):
        return False
    name = str(node.data)
    known = g.known.is_scalar(name)
    if known is not None:
        return known
    if name == g.known.objective or g.known.is_function(name):
        return True
    return _is_loss(name) and not _bold(g, node)


def _is_loss(name: str) -> bool:
    """``L``, ``L_t``, ``Lbar``."""
    stem = name.split("_")[0]
    return stem in LOSS_LETTERS or any(stem.removesuffix(a) in LOSS_LETTERS for a in set(ACCENTS.values()))


def _bold(g: Grammar, node: Node) -> bool:
    return any(t.bold and t.span.start == (node.mark or node.span).start for t in g.tokens)


def _gradient(g: Grammar, start: Token, of: list[Node], by: Node | None, second: bool) -> Node:
    """The call of a gradient, in the form the language has where it has one."""
    operand = of[0]
    name = "hess" if second else "grad"
    row = by is not None and by.kind == "transpose"
    if by is not None and by.kind == "transpose":
        by = by.args[0]
    opaque = operand.kind == "call" and (
        g.known.is_function(operand.data[0]) or not _is_known_function(operand.data[0])
    )
    if by is not None and by.kind == "num" and opaque:  # \nabla_{2} loss(h, y)
        function = _function_name(g, operand)
        args = (function, *operand.args)
        place = cover(start.span, operand.span)
        return g.node("partial", place, *args, data=int(by.data[0]) - 1, mark=start.span)
    if by is None and g.known.variable and not opaque:
        by = g.node("name", start.span, data=g.known.variable, mark=start.span)
    same = by is not None and opaque and len(operand.args) == 1 and _same(operand.args[0], by)
    if opaque and operand.data[1] == 0 and (by is None or same):
        args = (_function_name(g, operand), *operand.args)
    else:
        args = (operand,) if by is None else (operand, by)
    tree = g.call(name, list(args), start)
    tree = replace(tree, span=cover(start.span, operand.span, g.tokens[g.i - 1].span))
    return g.node("transpose", tree.span, tree, mark=start.span) if row and not second else tree


def _function_name(g: Grammar, call: Node) -> Node:
    return g.node("name", call.mark or call.span, data=call.data[0], mark=call.mark)


def _same(a: Node, b: Node) -> bool:
    return a.kind == b.kind and a.data == b.data and len(a.args) == len(b.args) and all(map(_same, a.args, b.args))


# ------------------------------------------------------------------- quotients
def quotient_of_differentials(g: Grammar, start: Token, top: list[Token], bottom: list[Token]) -> Node | None:
    r"""``\frac{\partial L}{\partial W}``; None where the fraction is a plain one."""
    sign = _sign_of(g, top, bottom)
    if sign is None:
        return None
    above = [t for t in top if t.kind != "newline"][1:]
    second = False
    if above and above[0].is_sign("^"):
        rest = g.inside(above)
        rest.next()
        second = [t.value for t in rest.group()] == ["2"]
        above = rest.tokens[rest.i : -1]
    by = _below(g, start, [t for t in bottom if t.kind != "newline"], sign, second)
    if above:
        return scripted(g, derivative(g, start, g.whole(above, start), by, second))
    if not g.begins_operand():
        raise g.error("it is not said what is differentiated", start)
    operand, ends = _operand(g)
    tree = derivative(g, start, operand, by, second)
    return scripted(g, tree) if ends else tree


def _sign_of(g: Grammar, top: list[Token], bottom: list[Token]) -> str | None:
    """The sign that both sides of a quotient begin with: ``partial`` or a d."""

    def first(tokens: list[Token]) -> str:
        t = next((t for t in tokens if t.kind != "newline"), None)
        if t is None:
            return ""
        if t.is_cmd("partial", "differential"):
            return t.value
        return "d" if t.kind == "letter" and t.value == "d" and not g.known.is_variable("d") else ""

    signs = (first(top), first(bottom))
    if "" in signs or (signs[0] != signs[1] and "partial" in signs):
        return None
    if signs == ("d", "d") and len([t for t in bottom if t.kind != "newline"]) < 2:
        return None
    return signs[1]


def _below(g: Grammar, start: Token, bottom: list[Token], sign: str, second: bool) -> Node:
    r"""By what: ``\partial x``, ``\partial x^2``, ``\partial x \, \partial x^T``."""
    parts: list[list[Token]] = []
    for t in bottom:
        if t.value == sign and (t.kind == "cmd" or (sign == "d" and t.kind == "letter")):
            parts.append([])
        elif parts:
            parts[-1].append(t)
    if second and len(parts) == 1:
        below = g.inside(parts[0])
        if [t.value for t in parts[0][-2:]] == ["^", "2"] or [t.value for t in parts[0][-4:]] == ["^", "{", "2", "}"]:
            below = g.inside(parts[0][: -2 if parts[0][-2].is_sign("^") else -4])
        return below.expression()
    nodes = [g.whole(p, start) for p in parts]
    if len(nodes) == 2 and second and _same(nodes[0], _untransposed(nodes[1])):
        return nodes[0]
    if len(nodes) != 1:
        raise g.error("this derivative is not read", start)
    return nodes[0]


def _untransposed(node: Node) -> Node:
    return node.args[0] if node.kind == "transpose" else node


def derivative(g: Grammar, start: Token, of: Node, by: Node, second: bool = False) -> Node:
    """The gradient of a number, else a Jacobian."""
    span = cover(start.span, of.span, by.span, g.tokens[g.i - 1].span)
    if second:
        return replace(_gradient(g, start, [of], _untransposed(by), True), span=span)
    if is_number(g, of):
        return replace(_gradient(g, start, [of], by, False), span=span)
    return replace(g.call("jac", [of, _untransposed(by)], start), span=span)


def is_number(g: Grammar, node: Node) -> bool:
    """Whether a node looks like a number, as far as can be told without shapes."""
    if node.kind in ("name", "index"):
        return _is_number_name(g, node)
    if node.kind == "call":
        known = g.known.is_scalar(node.data[0])
        if g.known.is_function(node.data[0]) and known is not None:
            return known
        return node.data[0] in NUMBERS or _is_loss(str(node.data[0]))
    if node.kind in ("pow", "neg"):
        return is_number(g, node.args[0])
    if node.kind == "binder":
        return is_number(g, node.args[2])
    if node.kind in ("sum", "chain"):
        return all(a.kind == "num" or is_number(g, a) for a in node.args)
    return False


# ---------------------------------------------------------------- differentials
def partial(g: Grammar) -> Node:
    r"""``\partial L / \partial W``, or ``\partial X`` as a differential."""
    start = g.next()
    of = g.factor()
    if g.token.is_sign("/") and g.peek().is_cmd("partial"):
        g.next()
        g.next()
        return derivative(g, start, of, g.factor())
    return g.call("d", [of], start)


def differential_of(g: Grammar, start: Token, always: bool) -> Node | None:
    """``dX``, ``d(AX)``, ``d\\log\\det X``; a plain d before something that is not a name is a factor."""
    following = g.token
    begins = (
        following.kind in ("letter", "word")
        or following.is_sign("(")
        or (following.kind == "cmd" and g.begins_operand())
    )
    between = g.text[start.span.end : following.span.start]
    if not always and (not begins or any(c.isspace() for c in between)):
        return None
    if not g.begins_operand():
        raise g.error("the differential of what?", start)
    return g.call("d", [g.factor()], start)
