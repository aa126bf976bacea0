"""Single products, sums and solves of array nodes that are one factor each.

Structured factors meet here: a diagonal matrix scales rows, an inverse becomes a solve, ones become sums.

Invariants: arguments come without scalar factors; ``inv(A)`` is computed only where the plan says that it is needed.
"""

from __future__ import annotations

from matcalc.code.lower_entries import add, bcol, brow, diag, prod, rescaled, scaled
from matcalc.code.lower_picks import pick
from matcalc.code.lower_views import transpose
from matcalc.code.nodes import ONE_DIM, Dims, Graph, Node, is_zero
from matcalc.code.ratios import ratio
from matcalc.errors import CannotDerive
from matcalc.language.dims import Dim

__all__ = [
    "base_of_inverse",
    "cho_factor",
    "dot",
    "inverse",
    "matmul",
    "matvec",
    "solve",
    "solved_with",
    "total",
    "unvec",
    "vec",
]


def matmul(g: Graph, a: Node, b: Node) -> Node:
    dims = (a.dims[0], b.dims[1])
    if is_zero(a) or is_zero(b):
        return g.zeros(dims)
    sa, a = scaled(g, a)
    sb, b = scaled(g, b)
    sa.times(prod(g, sb.coefficient, sb.numerators, sb.denominators))
    return rescaled(g, sa, _matmul(g, a, b, dims))


def _matmul(g: Graph, a: Node, b: Node, dims: Dims) -> Node:
    if a.op == "eye" or b.op == "eye":
        return b if a.op == "eye" else a
    if a.op == "diag" and b.op == "diag":
        return diag(g, prod(g, 1, [a.args[0], b.args[0]]))
    if a.op == "diag":
        return prod(g, 1, [bcol(g, a.args[0], dims[1]), b])
    if b.op == "diag":
        return prod(g, 1, [a, brow(g, b.args[0], dims[0])])
    base = base_of_inverse(g, a)
    if base is not None:
        return solve(g, base, b)
    base = base_of_inverse(g, b)
    if base is not None:
        return transpose(g, solve(g, transpose(g, base), transpose(g, a)))
    if a.op == "kron" and b.op == "kron" and _conform(a, b):
        return g.node("kron", [matmul(g, x, y) for x, y in zip(a.args, b.args, strict=True)], a.data, dims)
    if a.op == "commutation":
        return g.node("permute", (b,), a.data, dims)
    if b.op == "commutation":
        return transpose(g, g.node("permute", (transpose(g, a),), b.data[::-1], (dims[1], dims[0])))
    if a.op == b.op == "transpose":
        return transpose(g, _matmul(g, b.args[0], a.args[0], (dims[1], dims[0])))
    mirror = g.find("matmul", (transpose(g, b), transpose(g, a)), None, (dims[1], dims[0]))
    if mirror is not None:
        return transpose(g, mirror)
    return g.node("matmul", (a, b), None, dims)


def _conform(a: Node, b: Node) -> bool:
    return len(a.args) == len(b.args) and all(
        x.is_matrix and y.is_matrix and x.dims[1] is y.dims[0] for x, y in zip(a.args, b.args, strict=True)
    )


def matvec(g: Graph, a: Node, x: Node) -> Node:
    """``A @ x``; a row vector times a matrix is the transposed matrix times the vector."""
    dims = (a.dims[0],)
    if is_zero(a) or is_zero(x):
        return g.zeros(dims)
    outside, x = scaled(g, x)
    sa, a = scaled(g, a)
    outside.times(prod(g, sa.coefficient, sa.numerators, sa.denominators))
    return rescaled(g, outside, _matvec(g, a, x, dims))


def _matvec(g: Graph, a: Node, x: Node, dims: Dims) -> Node:
    if a.op == "eye":
        return x
    if a.op == "diag":
        return prod(g, 1, [a.args[0], x])
    base = base_of_inverse(g, a)
    if base is not None:
        return solve(g, base, x)
    if x.op == "ones":
        return _sums(g, a, 1)
    if x.op == "unit":
        return pick(g, a, (None, x.data))
    if a.op == "commutation":
        m, n = a.data
        return vec(g, transpose(g, unvec(g, x, m, n)))
    return g.node("matvec", (a, x), None, dims)


def vec(g: Graph, x: Node) -> Node:
    """The columns of a matrix under each other."""
    if not x.is_matrix:
        return x
    outside, x = scaled(g, x)
    dims = (x.dims[0] * x.dims[1],)
    if is_zero(x) or x.op == "ones":
        return rescaled(g, outside, g.node(x.op, (), None, dims))
    if x.op == "unvec":
        return rescaled(g, outside, x.args[0])
    return rescaled(g, outside, g.node("vec", (x,), None, dims))


def unvec(g: Graph, x: Node, rows: Dim, cols: Dim) -> Node:
    """The matrix whose columns under each other are the vector."""
    if rows is ONE_DIM or cols is ONE_DIM:
        return x
    outside, x = scaled(g, x)
    if is_zero(x) or x.op == "ones":
        return rescaled(g, outside, g.node(x.op, (), None, (rows, cols)))
    if x.op == "vec" and x.args[0].dims == (rows, cols):
        return rescaled(g, outside, x.args[0])
    if x.op == "add" and all(scaled(g, a)[1].op == "vec" for a in x.args):
        return rescaled(g, outside, add(g, [unvec(g, a, rows, cols) for a in x.args]))
    return rescaled(g, outside, g.node("unvec", (x,), None, (rows, cols)))


def dot(g: Graph, u: Node, v: Node) -> Node:
    """``u'*v``."""
    if is_zero(u) or is_zero(v):
        return g.num(0)
    su, u = scaled(g, u)
    sv, v = scaled(g, v)
    su.times(prod(g, sv.coefficient, sv.numerators, sv.denominators))
    if u.op == "ones" or v.op == "ones":
        return rescaled(g, su, total(g, v if u.op == "ones" else u))
    if u.op == "unit" or v.op == "unit":
        picked, of = (u, v) if u.op == "unit" else (v, u)
        return rescaled(g, su, pick(g, of, (picked.data,)))
    return rescaled(g, su, g.node("dot", (u, v), None, (), same=(2,)))


def _sums(g: Graph, x: Node, axis: int) -> Node:
    """Row sums (axis 1) or column sums (axis 0) of a matrix that is one factor."""
    if x.op == "transpose":
        return _sums(g, x.args[0], 1 - axis)
    dims = (x.dims[1 - axis],)
    halves = None if x in g.plan.formed else _halves(g, x)
    if halves is not None:
        return g.node("rowdot", halves, axis, dims, same=(2,))
    if x.op == "add" and is_zero(add(g, [_part_sums(g, a, axis) for a in x.args])):
        return g.zeros(dims)  # of a matrix that is centred
    return g.node("sumaxis", (x,), axis, dims)


def _part_sums(g: Graph, x: Node, axis: int) -> Node:
    """The sums along an axis of a summand."""
    outside, core = scaled(g, x)
    repeated = core.op == ("brow" if axis == 0 else "bcol")
    return rescaled(
        g, outside, prod(g, 1, [g.size(core.dims[axis]), core.args[0]]) if repeated else _sums(g, core, axis)
    )


def total(g: Graph, x: Node) -> Node:
    """The sum of the entries of a vector or matrix that is one factor."""
    x = x.args[0] if x.op == "transpose" else x
    if x.op == "ones":
        return prod(g, 1, [g.size(d) for d in x.dims])
    if x.op == "unit":
        return g.num(1)
    halves = None if x in g.plan.formed else _halves(g, x)
    if halves is not None:
        return g.node("dot" if x.is_vector else "vdot", halves, None, (), same=(2,))
    return g.node("sum", (x,), None, ())


def _halves(g: Graph, x: Node) -> tuple[Node, Node] | None:
    """Two factors of a product of entries, whose sum is then a dot product."""
    if x.op != "prod" or x.data[1] < 2 or any(a.op in ("bcol", "brow") for a in x.args):
        return None
    r = ratio(x)
    return r.numerators[0], prod(g, r.coefficient, r.numerators[1:], r.denominators)


# ------------------------------------------------------------------------------------ inverses
def inverse(g: Graph, a: Node) -> Node:
    """``inv(A)``: in a product it becomes a linear solve, by itself it is computed."""
    if a.is_scalar:
        return prod(g, 1, [], [a])
    outside, a = scaled(g, a)
    turned = prod(g, 1, [], [prod(g, outside.coefficient, outside.numerators, outside.denominators)])
    return prod(g, 1, [turned, _inverse(g, a)])


def _inverse(g: Graph, a: Node) -> Node:
    if a.op == "inv":
        return a.args[0]
    if a.op == "eye":
        return a
    if a.op == "diag":
        return diag(g, prod(g, 1, [], [a.args[0]]))
    if a.op == "input" and "orthogonal" in g.facts.get(a.data, ()):
        return transpose(g, a)
    if a.op == "transpose":
        return transpose(g, inverse(g, a.args[0]))
    if a.op == "kron" and all(x.is_matrix and x.dims[0] is x.dims[1] for x in a.args):
        return g.node("kron", [inverse(g, x) for x in a.args], a.data, a.dims)
    if is_zero(a):
        raise CannotDerive("there is no code for the inverse of a zero matrix")
    return g.node("inv", (a,), None, a.dims)


def solve(g: Graph, a: Node, b: Node) -> Node:
    """``inv(A)*B`` without the inverse."""
    if is_zero(b):
        return b
    if b.op == "eye":
        return inverse(g, a)
    outside, b = scaled(g, b)
    if a in g.plan.factored:
        return rescaled(g, outside, g.node("cho_solve", (cho_factor(g, a), b), None, b.dims))
    return rescaled(g, outside, g.node("solve", (a, b), None, b.dims))


def cho_factor(g: Graph, a: Node) -> Node:
    """The Cholesky factor of a positive definite matrix, in the form SciPy's solver takes."""
    return g.node("cho_factor", (a,), None, a.dims)


def solved_with(node: Node) -> Node:
    """The matrix of a solve node."""
    return node.args[0].args[0] if node.op == "cho_solve" else node.args[0]


def base_of_inverse(g: Graph, x: Node) -> Node | None:
    """The matrix to solve with, where a factor is an inverse that is not computed itself; else None."""
    if x.op == "inv" and x not in g.plan.inverted:
        return x.args[0]
    if x.op == "transpose" and x.args[0].op == "inv" and x.args[0] not in g.plan.inverted:
        return transpose(g, x.args[0].args[0])
    return None
