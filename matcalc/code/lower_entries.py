"""Sums and elementwise products of array nodes, in canonical form.

``prod`` is the one node for everything that multiplies entries: coefficient, scalars, Hadamard products, quotients and
rows or columns scaled by a vector.  Structured matrices stay structured: ``(u*ones').*X`` is ``u[:, None] * X`` and a
product of structured matrices alone is structured again, so that nothing of size m x n is built where vectors do.

Invariants: a ``prod`` has at most one ``bcol`` and one ``brow``, and its numeric coefficient is exact; an ``add`` has
no two arguments that differ only by a coefficient; a sum and its negation share one node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

from matcalc.code.nodes import Dims, Graph, Node, is_zero
from matcalc.code.overflow import complement_of, tame
from matcalc.code.ratios import Ratio, cancel_sizes, join_roots, ratio
from matcalc.language.dims import Dim

__all__ = [
    "add",
    "along",
    "bcol",
    "brow",
    "constant_of",
    "diag",
    "diagvec",
    "neg",
    "outer",
    "prod",
    "rescaled",
    "scaled",
]

ONE = Fraction(1)


# ------------------------------------------------------------------------------- scalar factors
def scaled(g: Graph, node: Node) -> tuple[Ratio, Node]:
    """A node as scalar factors and the rest, an array without scalar factors."""
    if node.op != "prod":
        return Ratio(), node
    r = ratio(node)
    if not any(a.is_scalar for a in node.args):
        outside = Ratio(r.coefficient)
        return outside, node if r.coefficient == 1 else _node(g, ONE, r.numerators, r.denominators, node.dims)
    outside = Ratio(r.coefficient)
    outside.numerators = [a for a in r.numerators if a.is_scalar]
    outside.denominators = [a for a in r.denominators if a.is_scalar]
    above = [a for a in r.numerators if not a.is_scalar]
    below = [a for a in r.denominators if not a.is_scalar]
    return outside, _node(g, ONE, above, below, node.dims)


def rescaled(g: Graph, outside: Ratio, node: Node) -> Node:
    """The inverse of :func:`scaled`."""
    return prod(g, outside.coefficient, [*outside.numerators, node], outside.denominators)


# ------------------------------------------------------------------------------------ products
def prod(g: Graph, coefficient: Fraction | int, above: Iterable[Node], below: Iterable[Node] = ()) -> Node:
    """``coefficient * above... / below...``, entry by entry; scalars multiply everything."""
    r = Ratio(coefficient)
    for a in above:
        r.times(a)
    for b in below:
        r.over(b)
    dims: Dims = next((a.dims for a in (*r.numerators, *r.denominators) if a.dims), ())
    if r.coefficient == 0 or any(is_zero(a) for a in r.numerators):
        return g.zeros(dims)
    join_roots(r)
    cancel_sizes(r)
    tame(g, r, prod, add)
    if len(dims) == 2:
        return _matrix(g, r, dims)
    _softmax(g, r, r.numerators, r.denominators, None)
    return _node(g, r.coefficient, r.numerators, r.denominators, dims)


def neg(g: Graph, node: Node) -> Node:
    return prod(g, -1, [node])


def _node(g: Graph, c: Fraction, above: Sequence[Node], below: Sequence[Node], dims: Dims) -> Node:
    """The ``prod`` itself, or what is left where there is nothing to multiply."""
    arrays = [a for a in (*above, *below) if a.dims and a.op != "ones"]
    above = [a for a in above if a.op != "ones"]
    below = [a for a in below if a.op != "ones"]
    if dims and not arrays:
        above.append(g.ones(dims))
    if not above and not below:
        return g.num(c)
    if c == 1 and len(above) == 1 and not below:
        return above[0]
    above.sort(key=lambda a: len(a.dims) > 0)  # scalars first, otherwise as written
    return g.node("prod", (*above, *below), (c, len(above)), dims, same=(len(above), len(below)))


def _matrix(g: Graph, r: Ratio, dims: Dims) -> Node:
    matrices = [a for a in r.numerators if a.is_matrix]
    if any(a.op in ("diag", "eye") for a in matrices):
        return _diagonal_product(g, r, dims)
    sign = Fraction(-1 if r.coefficient < 0 else 1)
    scalars = _split(r, lambda a: a.is_scalar)
    scalars.coefficient = abs(r.coefficient)
    column, row = Ratio(), Ratio()
    dense = _sort_structured(r, column, row)
    if not dense.numerators and not dense.denominators:
        return _signed(g, sign, _structured(g, scalars, column, row, dims))
    _softmax(g, dense, column.numerators, column.denominators, 1)
    _softmax(g, dense, row.numerators, row.denominators, 0)
    u, v = _vector(g, column, dims[0]), _vector(g, row, dims[1])
    if u is not None:  # scalars are cheapest on the vector
        u, scalars = _absorb(g, scalars, u), Ratio()
    elif v is not None:
        v, scalars = _absorb(g, scalars, v), Ratio()
    for w in (u, v):
        constant = None if w is None else constant_of(g, w)
        if constant is not None:
            scalars.times(constant)
    above = list(scalars.numerators)
    above += [bcol(g, u, dims[1])] if u is not None and constant_of(g, u) is None else []
    above += dense.numerators
    above += [brow(g, v, dims[0])] if v is not None and constant_of(g, v) is None else []
    return _node(g, sign * scalars.coefficient, above, [*scalars.denominators, *dense.denominators], dims)


def _split(r: Ratio, wanted: Callable[[Node], bool]) -> Ratio:
    """Move the wanted factors out of a ratio into one of their own."""
    out = Ratio()
    out.numerators = [a for a in r.numerators if wanted(a)]
    out.denominators = [a for a in r.denominators if wanted(a)]
    r.numerators = [a for a in r.numerators if not wanted(a)]
    r.denominators = [a for a in r.denominators if not wanted(a)]
    return out


def _sort_structured(r: Ratio, column: Ratio, row: Ratio) -> Ratio:
    """Put the vectors of structured factors into the column or row factor; what is left is dense."""
    dense = Ratio()
    for above, nodes in ((True, r.numerators), (False, r.denominators)):
        for a in nodes:
            if a.op in ("bcol", "outer"):
                (column.times if above else column.over)(a.args[0])
            if a.op in ("brow", "outer"):
                (row.times if above else row.over)(a.args[-1])
            if a.op not in ("bcol", "brow", "outer", "ones"):
                (dense.numerators if above else dense.denominators).append(a)
    return dense


def _vector(g: Graph, r: Ratio, n: Dim) -> Node | None:
    if not r.numerators and not r.denominators:
        return None
    return prod(g, r.coefficient, [*r.numerators, g.ones((n,))], r.denominators)


def _absorb(g: Graph, scalars: Ratio, v: Node) -> Node:
    return prod(g, scalars.coefficient, [*scalars.numerators, v], scalars.denominators)


def _structured(g: Graph, scalars: Ratio, column: Ratio, row: Ratio, dims: Dims) -> Node:
    u, v = _vector(g, column, dims[0]), _vector(g, row, dims[1])
    if u is not None:
        u = _absorb(g, scalars, u)
        return bcol(g, u, dims[1]) if v is None else outer(g, u, v)
    if v is not None:
        return brow(g, _absorb(g, scalars, v), dims[0])
    return _node(g, scalars.coefficient, scalars.numerators, scalars.denominators, dims)


def _signed(g: Graph, sign: Fraction, node: Node) -> Node:
    """The node with a sign that stays outside, where a sum can turn it into a subtraction."""
    if sign == 1:
        return node
    r = ratio(node)
    return _node(g, sign * r.coefficient, r.numerators, r.denominators, node.dims)


def _diagonal_product(g: Graph, r: Ratio, dims: Dims) -> Node:
    """A product of entries with a diagonal matrix: only the diagonals multiply."""
    sign = Fraction(-1 if r.coefficient < 0 else 1)
    arrays = [a for a in (*r.numerators, *r.denominators) if not a.is_scalar]
    if len(arrays) == 1 and arrays[0].op == "eye":
        return _node(g, r.coefficient, r.numerators, r.denominators, dims)
    above = [a if a.is_scalar else diagvec(g, a) for a in r.numerators]
    below = [a if a.is_scalar else diagvec(g, a) for a in r.denominators]
    return _signed(g, sign, diag(g, prod(g, abs(r.coefficient), above, below)))


# ---------------------------------------------------------------------- patterns inside a product
def _softmax(g: Graph, r: Ratio, above: list[Node], below: list[Node], axis: int | None) -> None:
    """``exp(z)/sum(exp(z))`` is softmax(z); along an axis, where the sum stands in a vector that scales."""
    for d in list(below):
        if d.op != ("sum" if axis is None else "sumaxis") or d.data != axis:
            continue
        e = d.args[0]
        if e.op != "fn" or e.data != "exp" or len(e.dims) != (1 if axis is None else 2):
            continue
        for i, a in enumerate(r.numerators):
            if a is e:
                r.numerators[i] = softmax(g, e.args[0], axis)
            elif a.op in ("matvec", "dot") and e in (a.args[1], a.args[0]):
                inside = [softmax(g, e.args[0], axis) if x is e else x for x in a.args]
                r.numerators[i] = g.node(a.op, inside, None, a.dims, same=(2,) if a.op == "dot" else ())
            else:
                continue
            below.remove(d)
            break


def softmax(g: Graph, z: Node, axis: int | None) -> Node:
    """Softmax of a vector, or of the rows (axis 1) or columns (axis 0) of a matrix."""
    if (z, axis) in g.plan.exponentials:
        e, total, _ = shifted_exponential(g, z, axis)
        node = prod(g, 1, [e], [along(g, total, z.dims, axis)])
        g.memo.setdefault("softmax", {})[node] = (e.args[0], total, axis)  # its logarithm must not be that of 0
        return node
    return g.node("softmax", (z,), axis, z.dims)


def shifted_exponential(g: Graph, z: Node, axis: int | None) -> tuple[Node, Node, Node]:
    """``exp(z - max(z))``, its sum and the maximum: what softmax and logsumexp share."""
    dims: Dims = () if axis is None else (z.dims[1 - axis],)
    top = g.node("max", (z,), axis, dims)
    below = add(g, [z, neg(g, along(g, top, z.dims, axis))])
    e = g.node("shifted", (below,), None, z.dims)  # not "exp", lest it be taken for a softmax again
    total = g.node("sum", (e,), None, ()) if axis is None else g.node("sumaxis", (e,), axis, dims)
    return e, total, top


def along(g: Graph, v: Node, dims: Dims, axis: int | None) -> Node:
    """A reduction along an axis, repeated so that it fits what was reduced."""
    if axis is None:
        return prod(g, 1, [v, g.ones(dims)])
    return bcol(g, v, dims[1]) if axis == 1 else brow(g, v, dims[0])


# -------------------------------------------------------------------------- structured matrices
def constant_of(g: Graph, v: Node) -> Node | None:
    """The scalar c of a vector or matrix ``c*ones``, else None."""
    if v.op == "ones":
        return g.num(1)
    if v.op == "prod" and any(a.op == "ones" for a in v.args):
        c, k = v.data
        above = [a for a in v.args[:k] if a.op != "ones"]
        if all(a.is_scalar for a in (*above, *v.args[k:])):
            return _node(g, c, above, v.args[k:], ())
    return None


def _pull_sign(g: Graph, v: Node) -> tuple[Fraction, Node]:
    if v.op == "prod" and v.data[0] < 0:
        return Fraction(-1), neg(g, v)
    return ONE, v


def bcol(g: Graph, v: Node, cols: Dim) -> Node:
    """The matrix whose every column is v."""
    return _repeat(g, "bcol", v, (v.dims[0], cols))


def brow(g: Graph, v: Node, rows: Dim) -> Node:
    """The matrix whose every row is v."""
    return _repeat(g, "brow", v, (rows, v.dims[0]))


def _repeat(g: Graph, op: str, v: Node, dims: Dims) -> Node:
    if is_zero(v):
        return g.zeros(dims)
    c = constant_of(g, v)
    if c is not None:
        return prod(g, 1, [c, g.ones(dims)])
    sign, v = _pull_sign(g, v)
    return _signed(g, sign, g.node(op, (v,), None, dims))


def outer(g: Graph, u: Node, v: Node) -> Node:
    """``u*v'``, kept as its two vectors."""
    if is_zero(u) or is_zero(v):
        return g.zeros((u.dims[0], v.dims[0]))
    cu, cv = constant_of(g, u), constant_of(g, v)
    if cu is not None:
        return brow(g, prod(g, 1, [cu, v]), u.dims[0])
    if cv is not None:
        return bcol(g, prod(g, 1, [cv, u]), v.dims[0])
    su, u = _pull_sign(g, u)
    sv, v = _pull_sign(g, v)
    return _signed(g, su * sv, g.node("outer", (u, v), None, (u.dims[0], v.dims[0])))


def diag(g: Graph, v: Node) -> Node:
    """The diagonal matrix of a vector."""
    if is_zero(v):
        return g.zeros((v.dims[0], v.dims[0]))
    c = constant_of(g, v)
    if c is not None:
        return prod(g, 1, [c, g.eye(v.dims[0])])
    sign, v = _pull_sign(g, v)
    return _signed(g, sign, g.node("diag", (v,), None, (v.dims[0], v.dims[0])))


def diagvec(g: Graph, x: Node) -> Node:
    """The diagonal of a matrix, without computing what is beside it."""
    n = x.dims[0]
    if is_zero(x):
        return g.zeros((n,))
    if x.op in ("eye", "ones"):
        return g.ones((n,))
    if x.op in ("diag", "bcol", "brow"):
        return x.args[0]
    if x.op == "outer":
        return prod(g, 1, x.args)
    if x.op == "transpose":
        return diagvec(g, x.args[0])
    if x.op == "prod":
        k = x.data[1]
        parts = [a if a.is_scalar else diagvec(g, a) for a in x.args]
        return prod(g, x.data[0], parts[:k], parts[k:])
    if x.op == "add" and x not in g.plan.whole:
        return add(g, [diagvec(g, a) for a in x.args])
    if x.op == "matmul":
        return g.node("diagdot", x.args, None, (n,))
    return g.node("diagvec", (x,), None, (n,))


# ------------------------------------------------------------------------------------------ sums
def add(g: Graph, items: Sequence[Node]) -> Node:
    """The sum of arrays of equal dims, with like terms collected and structured parts merged."""
    dims = items[0].dims
    parts: dict[Node, Fraction] = {}
    constant = Fraction(0)
    for item in items:
        if is_zero(item):
            continue
        if item.op == "num":
            constant += item.data
            continue
        r = ratio(item)
        core = _node(g, ONE, r.numerators, r.denominators, dims) if item.op == "prod" else item
        parts[core] = parts.get(core, Fraction(0)) + (r.coefficient if item.op == "prod" else 1)
    if constant:
        parts[g.num(1)] = constant
    terms = [prod(g, c, [core]) for core, c in parts.items() if c]
    if len(dims) == 2:
        terms = _merge_structured(g, terms, dims)
    elif dims:
        terms = _merge_constants(g, terms, dims)
    if not terms:
        return g.zeros(dims)
    if len(terms) == 1:
        return terms[0]
    shared = _common_factor(g, terms)
    if shared is not None:
        return shared
    common = abs(ratio(terms[0]).coefficient)
    if common != 1 and all(abs(ratio(t).coefficient) == common and not _is_diagonal(t) for t in terms):
        return prod(g, common, [add(g, [prod(g, 1 / common, [t]) for t in terms])])
    negated = g.find("add", [neg(g, t) for t in terms], None, dims, same=(len(terms),))
    if negated is not None:
        return neg(g, negated)
    node = g.node("add", terms, None, dims, same=(len(terms),))
    s = complement_of(node) if g.plan.complements else None
    return node if s is None or s not in g.plan.complements else g.node("fn", (neg(g, s.args[0]),), "sigmoid", dims)


def _common_factor(g: Graph, terms: Sequence[Node]) -> Node | None:
    """``P.*D - (s*ones').*P`` as ``P.*(D - s*ones')``: one matrix less; None where no term needs that."""
    if any(t.op != "prod" or not t.is_matrix or t in g.plan.formed for t in terms):
        return None
    structured = ("bcol", "brow", "eye", "diag")
    dense = [[a for a in ratio(t).numerators if a.is_matrix and a.op not in structured] for t in terms]
    for factor in dense[0]:
        if not all(factor in found for found in dense):
            continue
        rests = []
        for t in terms:
            r = ratio(t)
            r.numerators.remove(factor)
            rests.append(prod(g, r.coefficient, r.numerators, r.denominators))
        if all(rest.is_matrix for rest in rests):
            return prod(g, 1, [factor, add(g, rests)])
    return None


def _is_diagonal(t: Node) -> bool:
    return any(a.op in ("eye", "diag") for a in ratio(t).numerators)


def _merge_constants(g: Graph, terms: list[Node], dims: Dims) -> list[Node]:
    """``a*ones + b*ones`` in a sum of vectors is one constant."""
    constants = [c for c in (constant_of(g, t) for t in terms) if c is not None]
    if len(constants) < 2:
        return terms
    rest = [t for t in terms if constant_of(g, t) is None]
    merged = prod(g, 1, [add(g, constants), g.ones(dims)])
    return rest if is_zero(merged) else [*rest, merged]


def _merge_structured(g: Graph, terms: list[Node], dims: Dims) -> list[Node]:
    """Add rows to rows, columns to columns, diagonals to diagonals: as vectors."""
    rows: list[Node] = []
    columns: list[Node] = []
    diagonal: list[Node] = []  # vectors
    multiples: list[Node] = []  # scalars: c*eye
    constants: list[Node] = []  # scalars: c*ones
    rest: list[Node] = []
    for t in terms:
        r = ratio(t)
        c = constant_of(g, t)
        kind = next((a for a in r.numerators if a.op in ("eye", "diag", "brow", "bcol")), None)
        alone = kind is not None and all(a.is_scalar for a in (*r.numerators, *r.denominators) if a is not kind)
        if c is not None:
            constants.append(c)
        elif kind is None or not alone:
            rest.append(t)
        else:
            factors = [a for a in r.numerators if a is not kind]
            inside = prod(g, r.coefficient, [*factors, *kind.args], r.denominators)
            {"eye": multiples, "diag": diagonal, "brow": rows, "bcol": columns}[kind.op].append(inside)
    merged = _merge_scaled(g, rest)
    if rows or columns:
        side, n = (rows, dims[1]) if rows else (columns, dims[0])
        side += [prod(g, 1, [c, g.ones((n,))]) for c in constants]
        constants = []
    merged += [bcol(g, add(g, columns), dims[1])] if columns else []
    merged += [brow(g, add(g, rows), dims[0])] if rows else []
    merged += [prod(g, 1, [add(g, constants), g.ones(dims)])] if constants else []
    if diagonal:
        diagonal += [prod(g, 1, [c, g.ones((dims[0],))]) for c in multiples]
        merged.append(diag(g, add(g, diagonal)))
    elif multiples:
        merged.append(prod(g, 1, [add(g, multiples), g.eye(dims[0])]))
    return [m for m in merged if not is_zero(m)]


def _merge_scaled(g: Graph, terms: list[Node]) -> list[Node]:
    """``X - diag(s)*X`` is ``diag(1 - s)*X``: terms that scale the rows (or columns) of one matrix become one."""
    for kind, axis in (("bcol", 0), ("brow", 1)):
        weights: dict[Node, list[Node]] = {}
        for t in terms:
            r = ratio(t)
            vectors = [a for a in r.numerators if a.op == kind]
            rest = [a for a in r.numerators if not a.is_scalar and a.op != kind]
            below = [a for a in r.denominators if not a.is_scalar]
            if not rest and not below:
                continue
            core = prod(g, 1, rest, below)
            scalars = [a for a in r.numerators if a.is_scalar]
            ones = g.ones((t.dims[axis],))
            inside = [a for v in vectors for a in v.args]
            weight = prod(g, r.coefficient, [*scalars, *inside, ones], [a for a in r.denominators if a.is_scalar])
            weights.setdefault(core, []).append(weight)
        mixed = {c: ws for c, ws in weights.items() if len(ws) > 1 and any(constant_of(g, w) is None for w in ws)}
        if mixed:
            kept = [t for t in terms if not any(_is_multiple(g, t, c, kind) for c in mixed)]
            repeat = bcol if kind == "bcol" else brow
            cross = [(c, add(g, ws)) for c, ws in mixed.items()]
            return [*kept, *(prod(g, 1, [repeat(g, w, c.dims[1 - axis]), c]) for c, w in cross)]
    return terms


def _is_multiple(g: Graph, t: Node, core: Node, kind: str) -> bool:
    r = ratio(t)
    rest = [a for a in r.numerators if not a.is_scalar and a.op != kind]
    below = [a for a in r.denominators if not a.is_scalar]
    return bool(rest or below) and prod(g, 1, rest, below) is core
