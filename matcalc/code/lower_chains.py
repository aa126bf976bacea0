"""Chains of matrix products: the order of multiplication is chosen by cost.

A chain is a list of :class:`Factor`.  Structured matrices take part as their vectors: ``diag(v)``, ``u*v'``, ``ones``
and scaled rows are never multiplied out; products inside sums and definitions are taken apart, so that ``(A*B)*x``
becomes ``A*(B*x)`` wherever it was written.  ``inv(A)`` in a chain is a linear solve.

Invariants: scalars stand outside every product; a vector is multiplied before a matrix is; a product that is computed
anyway (:class:`~matcalc.code.nodes.Plan`) costs nothing a second time, up to transposition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matcalc.code.lower_entries import add, bcol, diag, outer, prod, rescaled, scaled
from matcalc.code.lower_products import (
    base_of_inverse,
    dot,
    inverse,
    matmul,
    matvec,
    solved_with,
    total,
    unvec,
    vec,
)
from matcalc.code.lower_views import is_nonnegative, square_root, transpose
from matcalc.code.nodes import ONE_DIM, Graph, Node, dims_of, is_zero, representative
from matcalc.code.ratios import Ratio, ratio
from matcalc.language.dims import Dim

__all__ = ["Factor", "chain", "column", "expand", "flipped", "matrix", "order", "product_key", "ready_product", "row"]

EXACT = 16  # factors; longer chains are ordered greedily
POWER = 6  # highest matrix power that is written as factors
THIN = 3  # summands of a sum of diagonal and rank-one matrices that is multiplied out


class Factor(NamedTuple):
    """An array in a product, with its orientation: a vector is a column (n x 1) or a row (1 x n)."""

    node: Node
    rows: Dim
    cols: Dim

    @property
    def is_matrix(self) -> bool:
        return self.node.is_matrix


def matrix(node: Node) -> Factor:
    return Factor(node, *node.dims)


def column(node: Node) -> Factor:
    return Factor(node, node.dims[0], ONE_DIM)


def row(node: Node) -> Factor:
    return Factor(node, ONE_DIM, node.dims[0])


def flipped(g: Graph, f: Factor) -> Factor:
    return Factor(transpose(g, f.node), f.cols, f.rows)


# --------------------------------------------------------------------------------- taking apart
def expand(g: Graph, f: Factor, outside: Ratio) -> list[Factor]:
    """The factors of a factor; its scalars go to ``outside``. The product of no factors is the identity."""
    done: list[Factor] = []
    stack = [f]
    while stack:
        f = stack.pop()
        scalars, node = scaled(g, f.node)
        outside.coefficient *= scalars.coefficient
        outside.numerators += scalars.numerators
        outside.denominators += scalars.denominators
        parts = _parts(g, node) if node.is_matrix and node not in g.plan.whole else None
        if parts is None:
            done.append(Factor(node, f.rows, f.cols))
        else:
            stack += reversed(parts)
    return done


def _parts(g: Graph, x: Node) -> list[Factor] | None:
    """A matrix as a product of simpler ones, or None where it is a factor by itself."""
    if x.op == "transpose":
        inside = _parts(g, x.args[0])
        return None if inside is None else [flipped(g, f) for f in reversed(inside)]
    if x.op == "matmul":
        return [matrix(a) for a in x.args]
    if x.op == "eye":
        return []
    if x.op == "ones":
        return [column(g.ones((x.dims[0],))), row(g.ones((x.dims[1],)))]
    if x.op == "bcol":
        return [column(x.args[0]), row(g.ones((x.dims[1],)))]
    if x.op == "brow":
        return [column(g.ones((x.dims[0],))), row(x.args[0])]
    if x.op == "outer":
        return [column(x.args[0]), row(x.args[1])]
    if x.op in ("solve", "cho_solve"):
        return [matrix(inverse(g, solved_with(x))), matrix(x.args[1])]
    if x.op == "matpow" and x.data <= POWER:
        return [matrix(x.args[0])] * x.data
    if x.op == "prod":
        return _scaled_parts(g, x)
    return None


def _scaled_parts(g: Graph, x: Node) -> list[Factor] | None:
    """``(u*ones').*X`` is ``diag(u)*X``: cheap next to a vector."""
    r = ratio(x)
    left = [a for a in r.numerators if a.op == "bcol"]
    right = [a for a in r.numerators if a.op == "brow"]
    if not left and not right:
        return None
    dense = [a for a in r.numerators if a.op not in ("bcol", "brow")]
    core = prod(g, r.coefficient, dense, r.denominators)
    out = [matrix(diag(g, a.args[0])) for a in left]
    return [*out, matrix(core), *(matrix(diag(g, a.args[0])) for a in right)]


def product_key(g: Graph, node: Node) -> tuple[Node, ...] | None:
    """The factors of a computed product, to recognise it inside a longer chain; None where it is also scaled."""
    if node.op == "prod":
        factors = _scaled_parts(g, node) or [matrix(node)]
    else:
        first = inverse(g, solved_with(node)) if node.op in ("solve", "cho_solve") else node.args[0]
        second = node.args[1]
        factors = [matrix(first), matrix(second) if second.is_matrix else column(second)]
    out: list[Node] = []
    outside = Ratio()
    for f in factors:
        out += [e.node for e in expand(g, f, outside)]
    scaled = outside.coefficient != 1 or outside.numerators or outside.denominators
    return None if scaled else tuple(out)


# ---------------------------------------------------------------------------------------- chains
def chain(g: Graph, factors: Sequence[Factor], rows: Dim, cols: Dim) -> Node:
    """The product of a chain. Its value has the given rows and columns."""
    outside = Ratio()
    flat: list[Factor] = []
    for f in factors:
        flat += expand(g, f, outside)
    if outside.coefficient == 0 or any(is_zero(f.node) for f in flat):
        return g.zeros(dims_of(rows, cols))
    if not flat:
        return rescaled(g, outside, g.eye(rows) if rows is not ONE_DIM else g.num(1))
    thin = next((i for i, f in enumerate(flat) if len(flat) > 1 and _is_thin_sum(g, f.node)), None)
    if thin is not None:
        parts = [[*flat[:thin], matrix(s), *flat[thin + 1 :]] for s in _summands(g, flat[thin].node) or ()]
        return rescaled(g, outside, add(g, [chain(g, p, rows, cols) for p in parts]))
    flat = _normalised(g, flat, outside)
    segments = _cut(flat)
    first, last = segments[0], segments[-1]
    for middle in segments[1:-1]:
        outside.times(_segment(g, middle))
    core = _segment(g, first)
    if len(segments) > 1:
        other = _segment(g, last)
        if first[0].rows is ONE_DIM or last[-1].cols is ONE_DIM:  # one of them is a scalar
            core = prod(g, 1, [core, other])
        else:
            core = outer(g, core, other)
    return rescaled(g, outside, core)


def _normalised(g: Graph, flat: list[Factor], outside: Ratio) -> list[Factor]:
    """Diagonal neighbours become one; ``exp(z)`` in a chain over ``sum(exp(z))`` is softmax(z)."""
    out: list[Factor] = []
    for f in flat:
        if out and f.node.op == out[-1].node.op == "diag":
            f = matrix(diag(g, prod(g, 1, [out.pop().node.args[0], f.node.args[0]])))
        out.append(f)
    for d in list(outside.denominators):
        if d.op != "sum" or d.args[0].op != "fn" or d.args[0].data != "exp":
            continue
        for i, f in enumerate(out):
            if d.args[0] in ratio(f.node).numerators and f.node.is_vector:
                out[i] = Factor(prod(g, 1, [f.node], [d]), f.rows, f.cols)
                outside.denominators.remove(d)
                break
    return out


def _cut(flat: Sequence[Factor]) -> list[list[Factor]]:
    """The chain in pieces, cut where an inner size is 1."""
    out: list[list[Factor]] = [[]]
    for i, f in enumerate(flat):
        out[-1].append(f)
        if f.cols is ONE_DIM and i + 1 < len(flat):
            out.append([])
    return out


def _segment(g: Graph, seg: list[Factor]) -> Node:
    if len(seg) == 1:
        return seg[0].node
    if len(seg) == 3 and seg[0].node.op == seg[2].node.op == "ones":
        return total(g, seg[1].node)
    if seg[0].rows is ONE_DIM and seg[-1].cols is ONE_DIM:
        long = [*_unrolled(g, seg[0]), *seg[1:-1], *(flipped(g, f) for f in reversed(_unrolled(g, seg[-1])))]
        mirrored = _mirrored(g, long)
        if mirrored > 1:
            half = _segment(g, long[-mirrored:])
            return _ordered(g, [row(half), *long[mirrored : len(long) - mirrored], column(half)])
        if len(seg) < len(long) <= EXACT and order(g, long)[0] < order(g, seg)[0] + _made(g, seg[0]) + _made(
            g, seg[-1]
        ):
            return _ordered(g, long)
    elif len(seg) == 3:
        weights = seg[1].node
        if weights.op == "diag" and _mirrored(g, seg) == 1 and is_nonnegative(g, weights.args[0]):
            root = prod(g, 1, [bcol(g, square_root(g, weights.args[0]), seg[2].cols), seg[2].node])
            return matmul(g, transpose(g, root), root)  # Z'*Z takes half the work of a general product
    return _ordered(g, seg)


def _ordered(g: Graph, seg: list[Factor]) -> Node:
    """The product of a segment in the best order."""
    nodes = tuple(f.node for f in seg)
    twin = g.built.get(tuple(transpose(g, n) for n in reversed(nodes)))
    if twin is not None:  # the transpose has been computed
        return transpose(g, twin)
    if len(seg) > EXACT:
        return _greedy(g, seg)
    g.built[nodes] = node = _build(g, seg, order(g, seg)[1], 0, len(seg) - 1).node
    return node


def _unrolled(g: Graph, f: Factor) -> list[Factor]:
    """A vector at the left end of a chain as the product it is: ``(A*x)'`` is x', A'."""
    v = f.node
    if v.op == "matvec":
        return [*_unrolled(g, row(v.args[1])), matrix(transpose(g, v.args[0]))]
    return [row(v)]


def _made(g: Graph, f: Factor) -> float:
    """What a vector at the end of a chain costs, where nobody else computes it."""
    v, cost = f.node, 0.0
    while v.op == "matvec" and v not in g.plan.computed:
        a, v = v.args
        cost += 2.0 * representative(a.dims[0]) * representative(a.dims[1])
    return cost


def _mirrored(g: Graph, seg: Sequence[Factor]) -> int:
    """How many factors at both ends of ``x'*A'*W*A*x`` are transposes of each other."""
    k = 0
    while 2 * (k + 1) <= len(seg) and transpose(g, seg[k].node) is seg[-1 - k].node:
        k += 1
    return k


def _greedy(g: Graph, seg: list[Factor]) -> Node:
    """A long chain: vectors first, else from the left."""
    if seg[-1].cols is ONE_DIM:
        done = seg[-1]
        for f in reversed(seg[:-1]):
            done = combine(g, f, done)
        return done.node
    done = seg[0]
    for f in seg[1:]:
        done = combine(g, done, f)
    return done.node


def _build(g: Graph, seg: list[Factor], split: dict[tuple[int, int], int | Node], i: int, j: int) -> Factor:
    if i == j:
        return seg[i]
    s = split[i, j]
    if isinstance(s, Node):
        return Factor(s, seg[i].rows, seg[j].cols)
    return combine(g, _build(g, seg, split, i, s), _build(g, seg, split, s + 1, j))


def order(g: Graph, seg: Sequence[Factor]) -> tuple[float, dict[tuple[int, int], int | Node]]:
    """The cost of a chain and its best splits, by dynamic programming over typical sizes."""
    n = len(seg)
    size = [representative(seg[0].rows), *(representative(f.cols) for f in seg)]
    scalar = seg[0].rows is ONE_DIM and seg[-1].cols is ONE_DIM
    cost: dict[tuple[int, int], float] = {(i, i): 0.0 for i in range(n)}
    split: dict[tuple[int, int], int | Node] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            best: tuple[float, int | Node] = (float("inf"), i)
            for s in range(i, j):
                left, right = (seg[i] if i == s else None), (seg[j] if s + 1 == j else None)
                step = _cost(g, left, right, size[i], size[s + 1], size[j + 1])
                total = cost[i, s] + cost[s + 1, j] + step
                if total < best[0] or (total == best[0] and not scalar):
                    best = (total, s)
            ready = ready_product(g, seg[i : j + 1])
            if ready is not None and length < n - 1:
                best = (0.0, ready)
            cost[i, j], split[i, j] = best
    return cost[0, n - 1], split


def ready_product(g: Graph, seg: Sequence[Factor]) -> Node | None:
    """A node for this part of a chain that is computed anyway."""
    if not g.plan.ready:
        return None
    found = g.plan.ready.get(tuple(f.node for f in seg))
    if found is None:
        found = g.plan.ready.get(tuple(transpose(g, f.node) for f in reversed(seg)))
        return None if found is None else transpose(g, found)
    return found


def _cost(g: Graph, left: Factor | None, right: Factor | None, a: int, p: int, c: int) -> float:
    """Operations of an (a x p)(p x c) product; the factors are given where they are leaves of the chain."""
    for f, other in ((left, c), (right, a)):
        if f is None:
            continue
        op = f.node.op
        if op == "unit":  # a row, a column or an entry is there already
            return 0.0
        if op == "diag":
            return float(min(p * other, a * c))
        if base_of_inverse(g, f.node) is not None:  # a solve from the right costs transposes
            return 2 / 3 * p**3 + (2.0 if f is left else 2.02) * p * p * other
        if op == "ones":
            return float(a * p * c)
        if op in ("kron", "commutation"):
            return 0.1 * a * p * c
    return 2.0 * a * p * c


def combine(g: Graph, left: Factor, right: Factor) -> Factor:
    """The product of two factors."""
    outside, a = scaled(g, left.node)
    more, b = scaled(g, right.node)
    outside.times(prod(g, more.coefficient, more.numerators, more.denominators))
    if left.is_matrix and right.is_matrix:
        node = matmul(g, a, b)
    elif left.is_matrix:
        node = _times_vector(g, a, b)
    elif right.is_matrix:
        node = _times_vector(g, transpose(g, b), a)
    else:
        node = dot(g, a, b)
    return Factor(rescaled(g, outside, node), left.rows, right.cols)


def _times_vector(g: Graph, a: Node, x: Node) -> Node:
    """A matrix times a vector: a sum that nobody else needs is not formed, nor is a Kronecker product."""
    summands = _summands(g, a)
    if summands is not None:
        return add(g, [chain(g, [matrix(s), column(x)], a.dims[0], ONE_DIM) for s in summands])
    if a.op == "kron" and all(f.is_matrix for f in a.args) and not is_zero(x):
        return _kron_times(g, a, x)
    return matvec(g, a, x)


def _summands(g: Graph, a: Node) -> list[Node] | None:
    """The terms of a matrix sum that is not formed anyway, else None."""
    flip = a.op == "transpose"
    a = a.args[0] if flip else a
    if a.op != "add" or not a.is_matrix or a in g.plan.whole:
        return None
    return [transpose(g, s) if flip else s for s in a.args]


def _kron_times(g: Graph, a: Node, x: Node) -> Node:
    """``kron(A, B)*vec(X) = vec(B*X*A')``."""
    left = a.args[0]
    rest = a.args[1]
    if len(a.args) > 2:
        rows, cols = ONE_DIM, ONE_DIM
        for f in a.args[1:]:
            rows, cols = rows * f.dims[0], cols * f.dims[1]
        rest = g.node("kron", a.args[1:], a.data[1:], (rows, cols))
    x = unvec(g, x, rest.dims[1], left.dims[1])
    rows, cols = rest.dims[0], left.dims[0]
    return vec(g, chain(g, [matrix(rest), matrix(x), matrix(transpose(g, left))], rows, cols))


def _is_thin_sum(g: Graph, x: Node) -> bool:
    """Whether a matrix is a short sum of diagonal and rank-one matrices: products distribute over it at less cost."""
    summands = _summands(g, x)
    return summands is not None and len(summands) <= THIN and all(_is_thin(s) for s in summands)


def _is_thin(x: Node) -> bool:
    parts = [a for a in (x.args if x.op == "prod" else (x,)) if not a.is_scalar]
    return len(parts) == 1 and parts[0].op in ("outer", "bcol", "brow", "ones", "eye", "diag")
