"""The mathematics of array nodes, for comments: a node as a term of the language, named nodes as symbols.

Vectors become columns.  Where the language has no word for a node (a maximum that only serves stability), there is no
comment: None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from matcalc.code.nodes import Node
from matcalc.errors import ShapeError
from matcalc.language import terms as T
from matcalc.language.dims import ONE, Shape
from matcalc.language.ops import COLWISE, ROWWISE
from matcalc.language.selections import entry
from matcalc.language.terms import Term

__all__ = ["formula"]

LIMIT = 40  # nodes of a formula that is still worth reading


def formula(node: Node, names: Mapping[Node, str], cores: Mapping[Node, Node]) -> str | None:
    """What a node computes, from named nodes; None where the language has no word for it or it would be too long.

    ``cores`` are products that are written as a multiple of another.
    """
    try:
        term = _term(node, names, cores, top=True)
    except ShapeError:
        return None
    return None if term is None or term.size > LIMIT else str(term)


def _term(node: Node, names: Mapping[Node, str], cores: Mapping[Node, Node], top: bool = False) -> Term | None:
    if not top and node in names and node.op != "cho_factor":
        return T.symbol(names[node], *_shape(node))
    core = cores.get(node)
    if core is not None and core in names:
        factor = T.number(abs(node.data[0]))
        multiple = T.symbol(names[core], *_shape(core))
        multiple = multiple if abs(node.data[0]) == 1 else T.mul(factor, multiple)
        return T.neg(multiple) if node.data[0] < 0 else multiple
    args: list[Term] = []
    for a in node.args:
        inside = _term(a, names, cores)
        if inside is None or inside.size > LIMIT:
            return None
        args.append(inside)
    row = TERMS.get(node.op)
    return None if row is None else row(node, args)


def _shape(node: Node) -> Shape:
    rows, cols = (*node.dims, ONE, ONE)[:2]
    return Shape(rows, cols)


def _prod(node: Node, args: Sequence[Term]) -> Term:
    c, k = node.data
    front = [T.number(abs(c))] if abs(c) != 1 else []
    scalars = [*front, *_powers([t for t in args[:k] if t.is_scalar], T.power)]
    arrays = _powers([t for t in args[:k] if not t.is_scalar], T.hpower)
    out: Term | None = T.mul(*scalars, *([T.had(*arrays)] if arrays else [])) if scalars or arrays else None
    below = _powers([t for t in args[k:] if t.is_scalar], T.power)
    if below:
        out = T.div(out if out is not None else T.number(1), T.mul(*below))
    arrays_below = _powers([t for t in args[k:] if not t.is_scalar], T.hpower)
    if arrays_below:
        under = T.had(*arrays_below)
        top = out if out is not None else T.number(1)
        out = T.hdiv(top if not top.is_scalar or top.op == "num" else T.mul(top, T.ones(*under.shape)), under)
    assert out is not None
    return T.neg(out) if c < 0 else out


def _powers(factors: Sequence[Term], power: Callable[[Term, int], Term]) -> list[Term]:
    counts: dict[Term, int] = {}
    for t in factors:
        counts[t] = counts.get(t, 0) + 1
    return [t if n == 1 else power(t, n) for t, n in counts.items()]


def _sum_along(node: Node, args: Sequence[Term]) -> Term:
    x = args[0] if node.data == 1 else T.transpose(args[0])
    return T.mul(x, T.ones(x.shape.cols))


def _rowdot(node: Node, args: Sequence[Term]) -> Term:
    x = T.had(*args)
    x = x if node.data == 1 else T.transpose(x)
    return T.mul(x, T.ones(x.shape.cols))


def _function(node: Node, args: Sequence[Term]) -> Term:
    if node.data == "log1p":
        one = T.ones(*args[0].shape)
        return T.fn("log", T.add(one, args[0]))
    if node.data == "expm1":
        return T.sub(T.fn("exp", args[0]), T.ones(*args[0].shape))
    return T.fn(node.data, args[0])


def _dot(node: Node, args: Sequence[Term]) -> Term:
    u, v = args
    return T.power(T.make("norm2", u), 2) if u is v else T.mul(T.transpose(u), v)


def _vdot(node: Node, args: Sequence[Term]) -> Term:
    a, b = args
    return T.power(T.make("normF", a), 2) if a is b else T.make("sum", T.had(a, b))


def _norm(node: Node, args: Sequence[Term]) -> Term:
    square = args[0]
    return square.args[0] if square.op == "pow" else T.fn("sqrt", square)


def _relu_of(x: Term, c: Term) -> Term:
    return T.fn("relu", T.sub(x, T.mul(c, T.ones(*x.shape))))


def _maximum(node: Node, args: Sequence[Term]) -> Term:
    x, c = args
    return T.add(T.mul(c, T.ones(*x.shape)), _relu_of(x, c))


def _clip(node: Node, args: Sequence[Term]) -> Term:
    x, low, high = args
    return T.sub(_maximum(node, (x, low)), _relu_of(x, high))


def _softmax(node: Node, args: Sequence[Term]) -> Term | None:
    if node.data is None:
        return T.make(node.op, args[0]) if node.args[0].is_vector else None
    return T.make(node.op, args[0], data=ROWWISE if node.data == 1 else COLWISE)


def _picked(node: Node, args: Sequence[Term]) -> Term:
    if len(node.data) == 1:
        return entry(args[0], node.data[0], None)
    made = entry(args[0], *node.data)
    return T.transpose(made) if made.shape.is_row else made  # rows are columns here


def _made(op: str) -> Callable[[Node, Sequence[Term]], Term]:
    return lambda node, args: T.make(op, *args)


def _plain(build: Callable[..., Term]) -> Callable[[Node, Sequence[Term]], Term]:
    return lambda node, args: build(*args)


TERMS: dict[str, Callable[[Node, Sequence[Term]], Term | None]] = {
    "num": lambda node, args: T.number(node.data),
    "const": lambda node, args: T.constant(node.data),
    "size": lambda node, args: T.size(node.data),
    "eye": lambda node, args: T.eye(node.dims[0]),
    "ones": lambda node, args: T.ones(*_shape(node)),
    "zeros": lambda node, args: T.zeros(*_shape(node)),
    "commutation": lambda node, args: T.commutation(*node.data),
    "unit": lambda node, args: T.unit(node.data, node.dims[0]),
    "pick": _picked,
    "input": lambda node, args: T.symbol(node.data, *_shape(node)),
    "add": _plain(T.add),
    "prod": _prod,
    "power": _plain(T.hpower),
    "matpow": lambda node, args: T.power(args[0], node.data),
    "matvec": _plain(T.mul),
    "matmul": _plain(T.mul),
    "dot": _dot,
    "vdot": _vdot,
    "rowdot": _rowdot,
    "diagdot": lambda node, args: T.make("diagvec", T.mul(*args)),
    "outer": lambda node, args: T.mul(args[0], T.transpose(args[1])),
    "bcol": lambda node, args: T.mul(args[0], T.transpose(T.ones(node.dims[1]))),
    "brow": lambda node, args: T.mul(T.ones(node.dims[0]), T.transpose(args[0])),
    "diag": _made("diag"),
    "diagvec": _made("diagvec"),
    "kept": _plain(lambda a: a),
    "maximum": _maximum,
    "minimum": lambda node, args: T.sub(args[0], _relu_of(*args)),
    "clip": _clip,
    "transpose": _plain(T.transpose),
    "sum": _made("sum"),
    "sumaxis": _sum_along,
    "trace": _made("tr"),
    "norm": _norm,
    "fn": _function,
    "apply": lambda node, args: T.make(node.data[1], *args, data=node.data[2]),
    "shifted": lambda node, args: T.fn("exp", args[0]),
    "softmax": _softmax,
    "logsumexp": _softmax,
    "solve": lambda node, args: T.mul(T.make("inv", args[0]), args[1]),
    "inv": _made("inv"),
    "det": _made("det"),
    "logdet": _made("logdet"),
    "logdet_positive": lambda node, args: T.fn("log", T.make("det", args[0])),
    "cho_factor": _plain(lambda a: a),
    "cho_solve": lambda node, args: T.mul(T.make("inv", args[0]), args[1]),
    "cho_logdet": lambda node, args: T.div(T.make("logdet", args[0]), T.number(2)),
    "kron": lambda node, args: T.make(
        "kron", *(T.transpose(a) if k == "row" else a for a, k in zip(args, node.data, strict=True))
    ),
    "vec": _made("vec"),
    "unvec": lambda node, args: T.make("unvec", args[0], data=node.dims),
    "permute": lambda node, args: T.mul(T.commutation(*node.data), args[0]),
}
