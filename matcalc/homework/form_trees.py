"""Forms from syntax trees, and syntax trees from forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from matcalc.errors import Span
from matcalc.homework.forms import FLAT, SIGNS, Form, applied, call, leaf
from matcalc.language import terms
from matcalc.language.functions import ALIASES, FUNCTIONS
from matcalc.language.named_loss import function_of
from matcalc.language.ops import COLWISE, ROWWISE
from matcalc.language.problem import Problem
from matcalc.language.syntax import Node, parse_tree
from matcalc.language.terms import Term

__all__ = ["Names", "form_of_tree", "names_of", "tree_of"]

HERE = Span(0, 0)
UNARY_CALLS = frozenset(
    "inv det tr logdet sum diag diagvec vec norm1 norm2 normF softmax logsumexp transpose d".split()
)
OF_NAMES = {"trace": "tr", "norm": "norm2"}


@dataclass(frozen=True, slots=True)
class Names:
    """What is known of the names in a syntax tree: the terms of variables, and the elementwise functions."""

    variable: Callable[[str], Term | None]
    elementwise: frozenset[str] = frozenset()


def form_of_tree(node: Node, names: Names) -> Form:
    """The form of a syntax tree."""
    made = _TREES.get(node.kind, _piece)(node, lambda n: form_of_tree(n, names), names)
    return replace(made, span=node.span)


Inner = Callable[[Node], Form]


def _piece(node: Node, inner: Inner, names: Names) -> Form:
    return leaf(node)


def _number(node: Node, inner: Inner, names: Names) -> Form:
    value, decimal = node.data
    return leaf(terms.decimal(value) if decimal else terms.number(value))


def _name(node: Node, inner: Inner, names: Names) -> Form:
    found = names.variable(node.data)
    return leaf(node if found is None else found)


def _sum(node: Node, inner: Inner, names: Names) -> Form:
    parts = [inner(a) if sign == "+" else call("neg", inner(a)) for sign, a in zip(node.data, node.args, strict=True)]
    return call("add", *parts)


def _chain(node: Node, inner: Inner, names: Names) -> Form:
    signs = {"*": "mul", ".*": "had", "/": "div", "./": "hdiv", "⊗": "kron"}
    out = inner(node.args[0])
    for sign, a in zip(node.data, node.args[1:], strict=True):
        op = signs[sign]
        right = inner(a)
        parts = (*out.args, right) if out.op == op and op in FLAT else (out, right)
        out = Form(op, parts)
    return out


def _power(node: Node, inner: Inner, names: Names) -> Form:
    base, exponent = node.args
    if node.data == "^":
        inverted = exponent.kind == "neg"
        e = exponent.args[0] if inverted else exponent
        if e.kind == "name" and e.data == "T" and names.variable("T") is None:
            return call("transpose", call("inv", inner(base)) if inverted else inner(base))
        if inverted and e.kind == "num" and e.data[0] == 1:
            return call("inv", inner(base))
    return call("pow" if node.data == "^" else "hpow", inner(base), inner(exponent))


def _call(node: Node, inner: Inner, names: Names) -> Form:
    name, order = node.data
    if name in ("max", "maximum") and len(node.args) == 2 and not order:
        parts = [inner(a) for a in node.args]
        rest = [p for p in parts if form_of_number(p) != 0]
        if len(rest) == 1:
            return Form("fn", (rest[0],), ("relu", 0))
    if name in ("grad", "jac", "hess") and node.args[0].kind != "name":
        return leaf(node)
    known = ALIASES.get(name, name)
    if len(node.args) == 1 and (known in FUNCTIONS or name in names.elementwise):
        return Form("fn", (inner(node.args[0]),), (name if name in names.elementwise else known, order))
    op = OF_NAMES.get(name, name)
    if op in UNARY_CALLS and len(node.args) == 1 and not order:
        return Form(op, (inner(node.args[0]),))
    if name in ("softmax", "logsumexp") and len(node.args) == 2 and node.args[1].data in (ROWWISE, COLWISE):
        return Form(name, (inner(node.args[0]),), node.args[1].data)
    if name in ("kron", "inner"):
        return Form(name, tuple(inner(a) for a in node.args))
    if name in ("grad", "jac", "hess"):
        return Form("word", (leaf(node.args[0]), *(inner(a) for a in node.args[1:])), (name, order))
    return Form("word", tuple(inner(a) for a in node.args), (name, order))


def _compare(node: Node, inner: Inner, names: Names) -> Form:
    if node.data not in ("<", ">"):
        return leaf(node)
    a, b = (inner(n) for n in (node.args if node.data == ">" else node.args[::-1]))
    zero = form_of_number(b) == 0
    return Form("fn", (a if zero else call("add", a, call("neg", b)),), ("step", 0))


def form_of_number(form: Form) -> Fraction | None:
    """The number that a form is."""
    item = form.item
    return Fraction(item.data) if isinstance(item, Term) and item.op == "num" else None


def _norm(node: Node, inner: Inner, names: Names) -> Form:
    return Form({"1": "norm1", "F": "normF"}.get(node.data, "norm2"), (inner(node.args[0]),))


_TREES: dict[str, Callable[[Node, Inner, Names], Form]] = {
    "num": _number,
    "name": _name,
    "neg": lambda node, inner, names: call("neg", inner(node.args[0])),
    "sum": _sum,
    "chain": _chain,
    "pow": _power,
    "transpose": lambda node, inner, names: call("transpose", inner(node.args[0])),
    "call": _call,
    "compare": _compare,
    "norm": _norm,
}


def names_of(problem: Problem) -> Names:
    """The symbols, definitions and elementwise functions of a problem."""

    def find(name: str) -> Term | None:
        try:
            return problem.variable(name)
        except KeyError:
            return None

    return Names(find, frozenset(n for n, f in problem.functions.items() if f.kind == "elementwise"))


# ----------------------------------------------------------------------------- to syntax trees
def tree_of(form: Form) -> Node:
    """The syntax tree of a form, for the reader."""
    if form.op == "leaf":
        return form.item if isinstance(form.item, Node) else _tree_of_term(form.item)
    args = tuple(tree_of(a) for a in form.args)
    depth = 1 + max((a.depth for a in args), default=0)
    span = form.span or HERE
    if form.op == "add":
        signs = tuple("-" if f.op == "neg" else "+" for f in form.args)
        parts = tuple(a.args[0] if s == "-" else a for a, s in zip(args, signs, strict=True))
        return Node("sum", span, parts, signs, depth=depth)
    if form.op in ("mul", "had", "div", "hdiv"):
        return Node("chain", span, args, (SIGNS[form.op],) * (len(args) - 1), depth=depth)
    if form.op in ("neg", "transpose"):
        return Node(form.op, span, args, depth=depth)
    if form.op in ("pow", "hpow"):
        return Node("pow", span, args, "^" if form.op == "pow" else ".^", span, depth)
    if form.op in ("grad", "jac", "hess", "unvec"):
        return _tree_of_derivative(form, args, span, depth)
    if form.op in ("softmax", "logsumexp") and form.data is not None:
        return Node("call", span, (*args, Node("name", span, data=form.data)), applied(form), span, depth)
    return Node("call", span, args, applied(form), span, depth)


def _tree_of_derivative(form: Form, args: tuple[Node, ...], span: Span, depth: int) -> Node:
    name = form.data[0]
    if form.op == "unvec":
        sizes = tuple(_parsed(str(d)) for d in form.data)
        return Node("call", span, (*args, *sizes), ("unvec", 0), span, depth)
    head = Node("name", span, data=function_of(name))
    if form.op == "grad" and len(args) > 1:
        return Node("partial", span, (head, *args), form.data[1], span, depth)
    return Node("call", span, (head, *args), (form.op, 0), span, depth)


def _tree_of_term(t: Term | None) -> Node:
    assert t is not None
    if t.op == "sym":
        return Node("name", HERE, data=t.data)
    return _parsed(str(t))


@lru_cache(maxsize=512)
def _parsed(text: str) -> Node:
    return parse_tree(text)
