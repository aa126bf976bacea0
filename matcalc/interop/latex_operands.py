r"""What commands stand for at the place of a factor: fractions, roots, sums, functions, ones, brackets.

``OPERANDS`` is the table; the derivatives (``\nabla``, ``\partial``, ``\mathrm{d}``) have their own module.

A function without parentheses, ``\log x``, takes one factor; ``\operatorname{tr}`` and ``\det`` take the whole
product; where more could be meant, parentheses are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from matcalc.errors import ParseError
from matcalc.interop.latex_application import arguments
from matcalc.interop.latex_constants import cases, indicator, maximum, ones, sizes_below, zeros
from matcalc.interop.latex_grammar import DOTS, ENTRYWISE, Grammar, cover
from matcalc.interop.latex_macros import KNOWN as KNOWN_MACROS
from matcalc.interop.latex_names import ACCENTS, VARIANTS, VERSALS, WORDS
from matcalc.interop.latex_scripts import above, is_transpose, scripted
from matcalc.interop.latex_symbols import named
from matcalc.interop.latex_tokens import Token
from matcalc.interop.latex_words import near
from matcalc.language.functions import ALIASES, FUNCTIONS
from matcalc.language.syntax import Node
from matcalc.language.unicode import GREEK

__all__ = [
    "OPERANDS",
    "called",
    "differential",
    "explain",
    "function_word",
]

SAME_FUNCTION = {
    "Tr": "tr", "trace": "tr", "Trace": "tr", "Diag": "diag", "ln": "log", "Vec": "vec", "softplus": "softplus",
    "Sum": "sum",
    "sgn": "sign", "relu": "relu", "ReLU": "relu", "ReLu": "relu", "RELU": "relu", "Relu": "relu", "Det": "det",
    "Var": "var",
    "sig": "sigmoid", "sigm": "sigmoid", "logistic": "sigmoid", "Softmax": "softmax", "SoftMax": "softmax",
    "SOFTMAX": "softmax",
    "softmax": "softmax", "LSE": "logsumexp", "lse": "logsumexp", "Tanh": "tanh", "Sigmoid": "sigmoid", "Mean": "mean",
    "LeakyReLU": "leaky_relu", "ELU": "elu", "Ind": "step", "ind": "step", "Indicator": "step", "expit": "sigmoid",
    "dg": "diag", "Exp": "exp", "Log": "log",
}  # fmt: skip
NOT_FUNCTIONS = frozenset(
    ("T", "I", "d", "e", "rows", "cols", "ones", "eye", "zeros", "matrix", "vector", "grad", "jac", "hess", "inner")
)
OF_PRODUCTS = frozenset(("tr", "det", "logdet", "vec"))  # without parentheses they take the whole product
AXES = {"rows": "rowwise", "columns": "colwise", "rowwise": "rowwise", "colwise": "colwise", "cols": "colwise"}
BY_AXIS = {"softmax": AXES, "logsumexp": AXES}
OF_SQUARES = frozenset(("tr", "det", "logdet"))
COMMANDS = "log ln exp det sin cos tan sinh cosh tanh arcsin arccos arctan"
UNREAD = {
    "lim": "limits", "int": "integrals", "iint": "integrals", "oint": "integrals", "infty": "infinity",
    "binom": "binomial coefficients",
    "begin": "matrices written by their entries", "dots": "dots", "cdots": "dots", "ldots": "dots", "vdots": "dots",
    "ddots": "dots",
    "sup": "suprema", "inf": "infima", "argmin": "minimizers", "argmax": "maximizers", "lfloor": "rounding",
    "lceil": "rounding",
    "open fence": "brackets of one side", "emptyset": "sets", "min": "minima", "cup": "sets", "cap": "sets",
    "setminus": "sets",
    "cases": "cases", "quad": "blocks side by side", "qquad": "blocks side by side", "R": "sets of numbers",
    "pm": "signs that are open",
}  # fmt: skip


def function_word(word: str) -> str:
    """The function of the language that a word names; empty where there is none."""
    if word in NOT_FUNCTIONS:
        return ""
    if word in SAME_FUNCTION:
        return SAME_FUNCTION[word]
    found = ALIASES.get(word, word)
    if word in ("max", "min"):
        return word
    if word in ("prod", "sigma", "Sigma") or len(word) < 2:
        return ""
    return found if found in FUNCTIONS or found in WORDS else ""


def explain(g: Grammar, token: Token) -> ParseError:
    """The error for a command that cannot stand here."""
    if token.value in UNREAD:
        what = UNREAD[token.value]
        return g.error(f"{what} {'is' if what == 'infinity' else 'are'} not part of the language", token)
    if token.value in OPERANDS or token.value in ENTRYWISE or token.value in DOTS:
        return g.error(f"\\{token.value} cannot stand here", token)
    hint = near(token.value, [*OPERANDS, *KNOWN_MACROS, *ENTRYWISE, "top", "cdot"])
    return g.error(
        f"the command \\{token.value} is not known",
        token,
        hint=hint or f"define it: \\newcommand{{\\{token.value}}}{{...}}",
    )


# ------------------------------------------------------------------- functions
def _function(g: Grammar) -> Node:
    return called(g, function_word(g.token.value))


def called(g: Grammar, name: str) -> Node:
    """A known function with its powers, primes and argument."""
    start = g.next()
    if name in ("max", "min"):
        return maximum(g, start)
    if name == "where" and g.token.is_sign("("):
        return scripted(g, cases(g, start))
    if name == "step":
        return scripted(g, indicator(g, start))
    order, power, below = _function_scripts(g, name, start)
    if below:
        return scripted(g, _indexed_function(g, name, start, below, power))
    if name == "log" and g.token.is_cmd("det"):
        tree = called(g, "logdet")
        return _raised(g, tree, power, start)
    if g.token.is_sign("(", "["):
        mark = g.i
        args, _ = arguments(g)
        if name in OF_SQUARES and _transposed_next(g):  # tr (A + B)^T C
            g.i = mark
            return _raised(g, _of_product(g, name, start), power, start)
        tree = g.call(name, args, start, order)
    elif name in OF_PRODUCTS:
        return _raised(g, _of_product(g, name, start), power, start)
    else:
        tree = _of_factor(g, name, start, order)
    tree = _logdet(tree)
    if power is not None:
        return _raised(g, tree, power, start)
    return scripted(g, tree)


def _function_scripts(g: Grammar, name: str, start: Token) -> tuple[int, list[Token] | None, list[Token]]:
    """Primes, the power of ``\\sin^2`` and the subscript of a function."""
    order, power, below = 0, None, []
    while True:
        token = g.token
        if token.is_sign("'") or token.is_cmd("prime"):
            g.next()
            order += 1
        elif token.is_sign("^"):
            g.next()
            script = g.group()
            if all(t.is_cmd("prime") or t.is_sign("'") for t in script):
                order += len(script)
            else:
                power = script
        elif token.is_sign("_"):
            g.next()
            below = g.group()
            if name not in ("vec", *BY_AXIS):
                raise g.error(f"{name} with a subscript is not part of the language", token)
        else:
            return order, power, below


def _transposed_next(g: Grammar) -> bool:
    if not g.token.is_sign("^"):
        return bool(g.token.is_sign("'"))
    first = g.peek(2) if g.peek().is_sign("{") else g.peek()
    return is_transpose(first)


def _raised(g: Grammar, tree: Node, power: list[Token] | None, start: Token) -> Node:
    r"""``\sin^2 x``: of entries where the function is one of entries."""
    if power is None:
        return tree
    if len(power) >= 2 and power[0].is_sign("-") and power[1].value == "1":
        raise g.error("an inverse function and a reciprocal look alike", start, hint="write 1/f(x), or \\arctan")
    if tree.kind == "call" and tree.data[0] in FUNCTIONS:
        exponent = g.whole(power, start)
        return g.node("pow", tree.span, tree, exponent, data=".^", mark=start.span)
    return above(g, tree, power, start)


def _of_product(g: Grammar, name: str, start: Token) -> Node:
    """``\\operatorname{tr} A B``: the whole product, up to a function, a dot or a fence."""
    if g.token.is_sign("{"):
        return g.call(name, [g.factor()], start)
    factors = [g.factor()]
    while g.begins_operand() and not (g.token.kind == "cmd" and g.token.value in STOPPING) and g.token.kind != "word":
        factors.append(g.factor())
    tree = g.chain(factors, ["*"] * (len(factors) - 1))
    return g.call(name, [tree], start)


def _of_factor(g: Grammar, name: str, start: Token, order: int) -> Node:
    """``\\log x``, ``\\sin 2 x``; what more follows makes it unclear."""
    if not g.begins_operand():
        raise g.error(f"{name} needs an argument", start) if g.at_end else g.unexpected()
    factors = [g.factor()]
    while factors[-1].kind == "num" and g.begins_operand():
        factors.append(g.factor())
    tree = g.chain(factors, ["*"] * (len(factors) - 1))
    simple = tree.kind != "call"
    if simple and g.begins_operand() and not g.token.is_sign("(", "[", "|", "||") and g.token.kind != "cmd":
        raise g.error(
            f"it is not clear what {name} is applied to", cover(start.span, g.token.span), hint="write parentheses"
        )
    return g.call(name, [tree], start, order)


def _logdet(tree: Node) -> Node:
    r"""``\log|\det X|`` and ``\log|X|`` of a matrix are the log-determinant."""
    if (
        tree.kind != "call"
        or tree.data != ("log", 0)
        or tree.args[0].kind != "call"
        or tree.args[0].data != ("bars", 0)
    ):
        return tree
    bars = tree.args[0]
    if bars.args[0].kind == "call" and bars.args[0].data == ("det", 0):
        return replace(tree, args=bars.args[0].args, data=("logdet", 0))
    matrix = any(n.kind == "name" and str(n.data)[0].isupper() for n in bars.args[0].walk())
    return replace(tree, args=bars.args, data=("logdet", 0)) if matrix else tree


def _indexed_function(g: Grammar, name: str, start: Token, below: list[Token], power: list[Token] | None) -> Node:
    r"""``\operatorname{vec}_{m \times n}^{-1}``, ``\operatorname{softmax}_{\mathrm{rows}}``."""
    if name == "vec":
        if power is None or [t.value for t in power] != ["-", "1"]:
            raise g.error("vec with a subscript is its inverse: \\operatorname{vec}_{m \\times n}^{-1}", start)
        sizes = sizes_below(g, below, start)
        if len(sizes) != 2:
            raise g.error("the two sizes of the matrix must stand below", start)
        args, _ = arguments(g)
        return g.call("unvec", [*args, *sizes], start)
    axis = BY_AXIS[name].get("".join(t.value for t in below), "")
    if not axis or not g.token.is_sign("("):
        raise g.error(f"{name} with this subscript is not part of the language", start)
    args, _ = arguments(g)
    return g.call(name, [*args, g.node("name", start.span, data=axis, mark=start.span)], start)


# ------------------------------------------------------- fractions, roots, inner
def _fraction(g: Grammar) -> Node:
    from matcalc.interop.latex_derivatives import quotient_of_differentials

    start = g.next()
    top, bottom = g.group(), g.group()
    derivative = quotient_of_differentials(g, start, top, bottom)
    if derivative is not None:
        return derivative
    above_, below = g.whole(top, start), g.whole(bottom, start)
    span = cover(start.span, above_.span, below.span, g.tokens[g.i - 1].span)
    return scripted(g, g.node("chain", span, above_, below, data=("/",)))


def _root(g: Grammar) -> Node:
    start = g.next()
    if g.token.is_sign("["):
        raise g.error("only square roots are read", start, hint="write x^{1/3}")
    inside = g.whole(g.group(), start) if not g.token.is_sign("(") else g.bracketed()
    return scripted(g, g.call("sqrt", [inside], start))


def _inner(g: Grammar) -> Node:
    """``\\langle A, B \\rangle``."""
    start = g.next()
    args = [g.expression()]
    while g.accept(","):
        args.append(g.expression())
    if not g.token.is_cmd("rangle"):
        raise g.error("unclosed bracket", start, "this one is never closed")
    g.next()
    if len(args) != 2:
        raise g.error("an inner product has two arguments", start)
    tree = g.call("inner", args, start)
    if g.token.is_sign("_"):
        g.next()
        g.group()
    return scripted(g, tree)


def _euler(g: Grammar) -> Node:
    start = g.next()
    if g.token.is_sign("_"):  # the unit columns
        mark = g.next()
        return scripted(g, g.call("unit", sizes_below(g, g.group(), mark), start))
    return scripted(g, g.node("name", start.span, data="e", mark=start.span))


def _vector(g: Grammar) -> Node:
    """``\\vec{x}`` is a name with an arrow, ``\\vec(X)`` the operator."""
    if g.peek().is_sign("("):
        return called(g, "vec")
    return named(g)


def _sum(g: Grammar) -> Node:
    from matcalc.interop.latex_sums import ranged

    return ranged(g, "sumover")


def _product(g: Grammar) -> Node:
    from matcalc.interop.latex_sums import ranged

    return ranged(g, "prod")


def _nabla(g: Grammar) -> Node:
    from matcalc.interop.latex_derivatives import nabla

    return nabla(g)


def _partial(g: Grammar) -> Node:
    from matcalc.interop.latex_derivatives import partial

    return partial(g)


def _differential(g: Grammar) -> Node:
    tree = differential(g, g.next(), always=True)
    assert tree is not None
    return tree


def differential(g: Grammar, start: Token, always: bool = False) -> Node | None:
    """``dX``; None where a plain d is a factor."""
    from matcalc.interop.latex_derivatives import differential_of

    return differential_of(g, start, always)


Operand = Callable[[Grammar], Node]
OPERANDS: dict[str, Operand] = {
    **dict.fromkeys((*GREEK, *VARIANTS, *VERSALS, *ACCENTS), named),
    **dict.fromkeys(COMMANDS.split(), _function),
    **dict.fromkeys(("frac", "dfrac", "tfrac", "cfrac", "nicefrac", "sfrac"), _fraction),
    "sqrt": _root,
    "langle": _inner,
    "one": ones,
    "zero": zeros,
    "euler": _euler,
    "max": _function,
    "min": _function,
    "vec": _vector,
    "sum": _sum,
    "prod": _product,
    "nabla": _nabla,
    "partial": _partial,
    "differential": _differential,
}
STOPPING = frozenset((*COMMANDS.split(), "sum", "prod", "nabla", "partial", "max", "min"))
