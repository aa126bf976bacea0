"""Forms: expressions whose shapes need not fit, so that a slip can be undone in an answer that is not even
well-shaped.

A form is made from a term or from a syntax tree, edited freely, and built into a term again.  A form that holds
pieces of text (names with sizes to be inferred, such as ``I``) is built by the language's own reader, any other by
the constructors of terms.

Invariant: ``build(form_of(t)) is t``; building either gives a well-shaped term or raises a MatcalcError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from matcalc.errors import MatcalcError, ShapeError, Span
from matcalc.language import terms
from matcalc.language.dims import Dim, Shape, dim
from matcalc.language.functions import ALIASES, FUNCTIONS
from matcalc.language.problem import Problem
from matcalc.language.syntax import Node
from matcalc.language.terms import Path, Term

__all__ = [
    "Form",
    "Names",
    "at",
    "build",
    "call",
    "form_of",
    "form_of_tree",
    "leaf",
    "names_of",
    "places",
    "put",
    "shape_of",
    "text_of",
    "tree_of",
    "with_args",
]

HERE = Span(0, 0)
FLAT = frozenset(("add", "mul", "had"))
UNARY_CALLS = frozenset(
    "inv det tr logdet sum diag diagvec vec norm1 norm2 normF softmax logsumexp transpose d".split()
)
OF_NAMES = {"trace": "tr", "norm": "norm2"}


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
    if not t.args or t.op in ("sumover", "prod", "stack"):
        return leaf(t)
    return Form(t.op, tuple(form_of(a) for a in t.args), t.data)


# ----------------------------------------------------------------------------- from syntax trees
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
    if name in ("grad", "jac", "hess") and node.args[0].kind != "name":
        return leaf(node)
    known = ALIASES.get(name, name)
    if len(node.args) == 1 and (known in FUNCTIONS or name in names.elementwise):
        return Form("fn", (inner(node.args[0]),), (name if name in names.elementwise else known, order))
    op = OF_NAMES.get(name, name)
    if op in UNARY_CALLS and len(node.args) == 1 and not order:
        return Form(op, (inner(node.args[0]),))
    if name in ("kron", "inner"):
        return Form(name, tuple(inner(a) for a in node.args))
    if name in ("grad", "jac", "hess"):
        return Form("word", (leaf(node.args[0]), *(inner(a) for a in node.args[1:])), (name, order))
    return Form("word", tuple(inner(a) for a in node.args), (name, order))


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
    "norm": _norm,
}


# ------------------------------------------------------------------------------------- building
def build(form: Form, read: Callable[[Node], Term] | None = None) -> Term:
    """The term of a form. ``read`` reads a syntax tree, where the form has pieces of text in it."""
    if _has_text(form):
        if read is None:
            raise ShapeError("a form with text in it needs a reader")
        return read(tree_of(form))
    return _built(form)


@lru_cache(maxsize=65536)
def _has_text(form: Form) -> bool:
    if form.op == "leaf":
        return not isinstance(form.item, Term)
    return (form.op == "word" and form.data[0] not in FILLED) or any(map(_has_text, form.args))


@lru_cache(maxsize=65536)
def _built(form: Form) -> Term:
    if form.op == "leaf":
        assert isinstance(form.item, Term)
        return form.item
    if form.op == "word":
        sizes = [_size(form)] if form.data[0] in ("rows", "cols") else [_size(a) for a in form.args]
        return FILLED[form.data[0]](*sizes)
    args = [_built(a) for a in form.args]
    if form.op in _MAKE:
        return _MAKE[form.op](*args)
    return terms.make(form.op, *args, data=form.data)


def _size(form: Form) -> Dim:
    """The size that ``rows(X)``, ``cols(X)``, a name of a size or a number is."""
    if form.op == "word" and form.data[0] in ("rows", "cols"):
        return getattr(_built(form.args[0]).shape, form.data[0])  # type: ignore[no-any-return]
    if form.op == "leaf" and isinstance(form.item, Term) and form.item.op in ("size", "num"):
        return form.item.data if form.item.op == "size" else dim(int(form.item.data))
    raise ShapeError("a size is a name, a number, rows(X) or cols(X)")


FILLED: dict[str, Callable[..., Term]] = {
    "ones": terms.ones,
    "zeros": terms.zeros,
    "eye": terms.eye,
    "rows": terms.size,
    "cols": terms.size,
}


def shape_of(form: Form) -> Shape | None:
    """The shape of a form that has one by itself."""
    if _has_text(form):
        return None
    try:
        return _built(form).shape
    except MatcalcError:
        return None


def _sum_of(*parts: Term) -> Term:
    """A sum as the reader makes it: a number is added to every entry of a column."""
    column = next((t for t in parts if t.shape.is_vector), None)
    if column is None or not all(t.shape.cols is terms.ONE for t in parts):
        return terms.add(*parts)
    return terms.add(*(_spread(t, column) if t.is_scalar else t for t in parts))


def _spread(t: Term, column: Term) -> Term:
    if t.op == "neg":
        return terms.neg(_spread(t.args[0], column))
    ones = terms.ones(column.shape.rows)
    return ones if t is terms.number(1) else terms.mul(t, ones)


def _diagonal(t: Term) -> Term:
    return terms.make("diag" if t.shape.cols is terms.ONE else "diagvec", t)


def _norm_of(t: Term) -> Term:
    return terms.make("normF" if t.shape.is_matrix else "norm2", t)


def _power_of(a: Term, b: Term) -> Term:
    """A power as the reader makes it: a matrix to a negative number is the power of its inverse."""
    if not a.is_scalar and b.op == "neg":
        inverse = terms.make("inv", a)
        return inverse if b.args[0] is terms.number(1) else terms.power(inverse, b.args[0])
    return terms.power(a, b)


_MAKE: dict[str, Callable[..., Term]] = {
    "add": _sum_of,
    "mul": terms.mul,
    "had": terms.had,
    "hdiv": terms.hdiv,
    "pow": _power_of,
    "hpow": terms.hpower,
    "diag": _diagonal,
    "diagvec": _diagonal,
    "norm2": _norm_of,
}


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
    return Node("call", span, args, _name_of(form), span, depth)


def _name_of(form: Form) -> tuple[str, int]:
    """The name and the primes of what is applied."""
    if form.op in ("fn", "word"):
        return form.data[0], form.data[1]
    return (form.data[0], 0) if form.op == "call" else (NAMED.get(form.op, form.op), 0)


NAMED = {"diagvec": "diag"}


def _tree_of_derivative(form: Form, args: tuple[Node, ...], span: Span, depth: int) -> Node:
    name = form.data[0]
    if form.op == "unvec":
        sizes = tuple(_parsed(str(d)) for d in form.data)
        return Node("call", span, (*args, *sizes), ("unvec", 0), span, depth)
    head = Node("name", span, data=name)
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
    from matcalc.language.syntax import parse_tree

    return parse_tree(text)


# ------------------------------------------------------------------------------------- editing
def at(form: Form, path: Path) -> Form:
    for i in path:
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


# -------------------------------------------------------------------------------------- writing
def text_of(form: Form) -> str:
    """A form as text, whether or not its shapes fit."""
    return _written(form)[0]


SIGNS = {"mul": "*", "had": ".*", "div": "/", "hdiv": "./"}
SUM, SIGN, PRODUCT, POWER, POSTFIX, ATOM = range(6)


def _written(form: Form) -> tuple[str, int]:
    """The text and how tightly it binds."""
    if form.op == "leaf":
        return _leaf_text(form)

    def inside(i: int, least: int) -> str:
        text, level = _written(form.args[i])
        return text if level >= least else f"({text})"

    if form.op == "add":
        out = inside(0, SUM)
        for i, a in enumerate(form.args[1:], 1):
            if a.op == "neg":
                text, level = _written(a.args[0])
                out += " - " + (text if level >= PRODUCT else f"({text})")
            else:
                out += " + " + inside(i, PRODUCT)
        return out, SUM
    if form.op == "neg":
        return "-" + inside(0, PRODUCT), SIGN
    if form.op in SIGNS:
        others = [inside(i, POWER) for i in range(1, len(form.args))]
        first = form.args[0]
        mixed = first.op in SIGNS and ({first.op, form.op} & {"had", "hdiv"}) and first.op != form.op
        return SIGNS[form.op].join([inside(0, POWER if mixed else PRODUCT), *others]), PRODUCT
    if form.op in ("pow", "hpow"):
        return inside(0, POSTFIX) + ("^" if form.op == "pow" else ".^") + inside(1, ATOM), POWER
    if form.op == "transpose":
        return inside(0, POSTFIX) + "'", POSTFIX
    return _call_text(form), ATOM


def _leaf_text(form: Form) -> tuple[str, int]:
    if isinstance(form.item, Term):
        return str(form.item), ATOM if form.item.row.notation.kind in ("leaf", "call") else SUM
    assert form.item is not None
    if form.item.kind == "name":
        return str(form.item.data), ATOM
    return "...", ATOM


def _call_text(form: Form) -> str:
    inner = ", ".join(text_of(a) for a in form.args)
    if form.op in ("grad", "jac", "hess"):
        name = form.data[0]
        if form.op == "grad" and len(form.args) > 1:
            return f"grad_{form.data[1] + 1}({name})({inner})"
        return f"{form.op}({name}, {inner})"
    if form.op == "unvec":
        return f"unvec({inner}, {form.data[0]}, {form.data[1]})"
    name, order = _name_of(form)
    primes = "'" * order
    return f"{name}{primes}({inner})"


def names_of(problem: Problem) -> Names:
    """The symbols, definitions and elementwise functions of a problem."""

    def find(name: str) -> Term | None:
        try:
            return problem.variable(name)
        except KeyError:
            return None

    return Names(find, frozenset(n for n, f in problem.functions.items() if f.kind == "elementwise"))
