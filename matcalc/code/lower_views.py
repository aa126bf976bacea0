"""Transposes of array nodes, and what is known of a node by facts or by its form: symmetric, nonnegative.

Invariants: a transpose is a view or nothing at all, never computed; a property that is not known is denied.
"""

from __future__ import annotations

from matcalc.code.lower_entries import add, bcol, brow, neg, outer, prod, rescaled, scaled
from matcalc.code.nodes import Graph, Node, live
from matcalc.code.ratios import ratio

__all__ = ["flat_product", "is_nonnegative", "is_symmetric", "square_root", "transpose"]


def transpose(g: Graph, x: Node) -> Node:
    """The transpose: a view, or nothing at all (vectors, symmetric matrices, structured matrices)."""
    if not x.is_matrix:
        return x
    flipped = (x.dims[1], x.dims[0])
    if x.op == "transpose":
        return x.args[0]
    if x.op in ("ones", "zeros"):
        return g.node(x.op, (), None, flipped)
    if x.op == "bcol":
        return brow(g, x.args[0], x.dims[1])
    if x.op == "brow":
        return bcol(g, x.args[0], x.dims[0])
    if x.op == "outer":
        return outer(g, x.args[1], x.args[0])
    if x.op == "kron" and all(a.is_matrix for a in x.args):
        return g.node("kron", [transpose(g, a) for a in x.args], x.data, flipped)
    if x.op == "commutation":
        return g.node("commutation", (), x.data[::-1], flipped)
    if x.op == "input" and "skew" in g.facts.get(x.data, ()):
        return neg(g, x)
    if x.op == "prod":
        outside, core = scaled(g, x)
        if core is not x:
            return rescaled(g, outside, transpose(g, core))
    if is_symmetric(g, x):
        return x
    if x.op in ("add", "prod") and any(a.op in ("bcol", "brow", "outer") for a in x.args) and _thin(x):
        parts = [transpose(g, a) for a in x.args]
        return add(g, parts) if x.op == "add" else prod(g, x.data[0], parts[: x.data[1]], parts[x.data[1] :])
    if x.op == "add" and x not in g.plan.whole and 2 * sum(_is_turned(a) for a in x.args) >= len(x.args):
        return add(g, [transpose(g, a) for a in x.args])
    return g.node("transpose", (x,), None, flipped)


def _is_turned(a: Node) -> bool:
    return any(f.op == "transpose" for f in (a.args if a.op == "prod" else (a,)))


def _thin(x: Node) -> bool:
    """Whether a node consists of structured matrices alone."""
    return all(
        not ratio(a).denominators and all(b.op in ("bcol", "brow", "outer") for b in ratio(a).numerators)
        for a in x.args
    )


def is_nonnegative(g: Graph, v: Node) -> bool:
    """Whether no entry is negative, by facts or form. False where that is not known."""
    if v.op == "prod":
        r = ratio(v)
        odd = [a for part in (r.numerators, r.denominators) for a in dict.fromkeys(part) if part.count(a) % 2]
        return r.coefficient >= 0 and all(is_nonnegative(g, a) for a in odd)
    if v.op == "add" and len(v.args) == 2:  # 1 - sigmoid(u)
        one, other = v.args if v.args[1].op == "prod" else v.args[::-1]
        inside = ratio(other)
        bounded = (
            inside.coefficient == -1 and not inside.denominators and [a.data for a in inside.numerators] == ["sigmoid"]
        )
        if bounded and (one.op == "ones" or (one.op == "num" and one.data >= 1)):
            return True
    if v.op == "add":
        return all(is_nonnegative(g, a) for a in v.args)
    if v.op == "fn":
        return v.data in ("exp", "sigmoid", "softplus", "abs", "relu", "step", "sqrt", "cosh")
    if v.op == "input":
        return "positive" in g.facts.get(v.data, ())
    return v.op in ("ones", "zeros", "size", "softmax", "norm") or (v.op == "num" and v.data >= 0)


def square_root(g: Graph, v: Node) -> Node:
    """The entrywise square root."""
    return g.node("fn", (v,), "sqrt", v.dims)


def is_symmetric(g: Graph, x: Node) -> bool:
    """Whether a matrix is symmetric by facts or by its form. False where that is not known."""
    if x.dims[0] is not x.dims[1]:
        return False
    known = g.memo.setdefault("symmetric", {})
    if x not in known:
        for node in live([x], lambda n: () if n in known else n.args):  # arguments first: depth is no limit
            if node not in known:
                square = node.is_matrix and node.dims[0] is node.dims[1]
                known[node] = square and _find_symmetric(g, node)
    return bool(known[x])


def _find_symmetric(g: Graph, x: Node) -> bool:
    if x.op == "input":
        return bool(g.facts.get(x.data, frozenset()) & {"symmetric", "posdef", "diagonal"})
    if x.op in ("eye", "diag", "ones", "zeros"):
        return True
    if x.op in ("inv", "matpow", "fn", "power", "kron", "transpose"):
        return all(a.is_scalar or (a.is_matrix and is_symmetric(g, a)) for a in x.args)
    if x.op == "outer":
        return x.args[0] is x.args[1]
    if x.op in ("add", "prod"):
        return all(a.is_scalar or is_symmetric(g, a) for a in x.args)
    if x.op == "matmul":
        factors = flat_product(g, x)
        return all(a is transpose(g, b) for a, b in zip(factors, reversed(factors), strict=True))
    return False


def flat_product(g: Graph, x: Node) -> list[Node]:
    """The factors of a matrix product, transposes pushed to them."""
    out: list[Node] = []
    stack = [x]
    while stack:
        node = stack.pop()
        if node.op == "matmul":
            stack += reversed(node.args)
        elif node.op == "transpose" and node.args[0].op == "matmul":
            stack += [transpose(g, a) for a in node.args[0].args]  # reversed twice: the last factor comes first
        else:
            out.append(node)
    return out
