"""Quotients of exponentials in forms that do not overflow.

``exp(u)/(1 + exp(u))`` is sigmoid(u), ``exp(u)/(exp(u) + exp(v))`` sigmoid(u - v), ``sinh(u)/cosh(u)`` tanh(u), and
``(1 - t^2)/(1 + t)`` is 1 - t, which has a value where both vanish.

Invariant: every rewriting is exact for real numbers wherever the original has a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Protocol

from matcalc.code.nodes import Graph, Node
from matcalc.code.ratios import Ratio, ratio

__all__ = [
    "Weighted",
    "complement_of",
    "exponential_in",
    "exponential_less_one",
    "from_the_top",
    "is_one",
    "one_and_square",
    "tame",
    "weighted_exponentials",
    "with_argument",
]


class Prod(Protocol):
    def __call__(self, g: Graph, c: Fraction | int, above: Iterable[Node], below: Iterable[Node] = (), /) -> Node: ...


class Add(Protocol):
    def __call__(self, g: Graph, items: Sequence[Node], /) -> Node: ...


Weighted = tuple[Fraction, Node | None]  # a positive weight of exp(u), or (None) of 1


def tame(g: Graph, r: Ratio, prod: Prod, add: Add) -> None:
    """Rewrite the quotients in a product. ``prod`` and ``add`` build what they are rewritten to."""
    if not r.denominators:
        return
    rewritings = (_same, _hyperbolic, _less_one, _squares, _exponentials, _weighted_sums)
    for d in list(r.denominators):
        any(rewrite(g, r, d, prod, add) for rewrite in rewritings)


# --------------------------------------------------------------------------------- what is a sum of what
def is_one(a: Node) -> bool:
    return a.op == "ones" or (a.op == "num" and a.data == 1)


def _number(a: Node) -> Fraction | None:
    """The c of a number c, or of an array ``c*ones``."""
    if a.op == "num":
        return Fraction(a.data)
    if a.op == "ones":
        return Fraction(1)
    if a.op == "prod" and [x.op for x in a.args] == ["ones"] and a.data[1] == 1:
        return Fraction(a.data[0])
    return None


def _weighted(a: Node) -> tuple[Fraction, Node | None] | None:
    """``c*exp(u)`` as (c, u), the number c as (c, None); else None."""
    c = _number(a)
    if c is not None:
        return c, None
    r = ratio(a)
    if r.denominators or len(r.numerators) != 1:
        return None
    (e,) = r.numerators
    return (r.coefficient, e.args[0]) if e.op == "fn" and e.data == "exp" else None


def weighted_exponentials(d: Node) -> tuple[Weighted, Weighted] | None:
    """A sum of two positive multiples of exponentials or of one and a positive number, the number first; else None."""
    if d.op != "add" or len(d.args) != 2:
        return None
    first, second = (_weighted(a) for a in d.args)
    if first is None or second is None or min(first[0], second[0]) <= 0:
        return None
    return (second, first) if second[1] is None else (first, second)


def one_and_square(n: Node) -> tuple[int, Node] | None:
    """``1 - t^2`` as (1, t), ``t^2 - 1`` as (-1, t), else None."""
    if n.op != "add" or len(n.args) != 2:
        return None
    for one, other in (n.args, n.args[::-1]):
        c, r = _number(one), ratio(other)
        square = not r.denominators and len(r.numerators) == 2 and r.numerators[0] is r.numerators[1]
        if c is not None and abs(c) == 1 and square and r.coefficient == -c:
            return int(c), r.numerators[0]
    return None


def exponential_less_one(n: Node) -> Node | None:
    """The u of ``exp(u) - 1``, else None."""
    found = [_weighted(a) for a in n.args] if n.op == "add" and len(n.args) == 2 else []
    weights = {u: c for w in found if w is not None for c, u in (w,)}
    u = next((u for u, c in weights.items() if u is not None and c == 1), None)
    return u if weights.get(None) == -1 else None


def complement_of(n: Node) -> Node | None:
    """The sigmoid s of ``1 - s``, else None."""
    if n.op != "add" or len(n.args) != 2:
        return None
    one, other = n.args if is_one(n.args[0]) else n.args[::-1]
    r = ratio(other)
    found = r.numerators[0] if is_one(one) and r.coefficient == -1 and len(r.numerators) == 1 else None
    return found if found is not None and not r.denominators and found.data == "sigmoid" else None


# --------------------------------------------------------------------------------- the quotients
def _same(g: Graph, r: Ratio, d: Node, prod: Prod, add: Add) -> bool:
    """A sum of exponentials above and below."""
    if d not in r.numerators or weighted_exponentials(d) is None:
        return False
    r.denominators.remove(d)
    r.numerators.remove(d)
    r.numerators += [g.ones(d.dims)] if d.dims else []
    return True


def _less_one(g: Graph, r: Ratio, d: Node, prod: Prod, add: Add) -> bool:
    """``exp(u)/(exp(u) - 1)`` is ``-1/expm1(-u)``."""
    u = exponential_less_one(d)
    e = None if u is None else g.find("fn", (u,), "exp", d.dims)
    if u is None or e is None or e not in r.numerators:
        return False
    r.numerators.remove(e)
    r.denominators[r.denominators.index(d)] = g.node("fn", (prod(g, -1, [u]),), "expm1", d.dims)
    r.coefficient = -r.coefficient
    return True


def _hyperbolic(g: Graph, r: Ratio, d: Node, prod: Prod, add: Add) -> bool:
    """``sinh(u)/cosh(u)`` is tanh(u), and the other way round."""
    if d.op != "fn" or d.data not in ("sinh", "cosh"):
        return False
    other = g.find("fn", d.args, "cosh" if d.data == "sinh" else "sinh", d.dims)
    if other is None or other not in r.numerators:
        return False
    r.denominators.remove(d)
    r.numerators.remove(other)
    (r.denominators if d.data == "sinh" else r.numerators).append(g.node("fn", d.args, "tanh", d.dims))
    return True


def _squares(g: Graph, r: Ratio, d: Node, prod: Prod, add: Add) -> bool:
    """``(1 - t^2)/(1 + t)`` is 1 - t."""
    if d.op != "add" or len(d.args) != 2:
        return False
    one, other = d.args if is_one(d.args[0]) else d.args[::-1]
    inside = ratio(other)
    if not is_one(one) or abs(inside.coefficient) != 1:
        return False
    t = prod(g, inside.coefficient, [other])
    for n in r.numerators:
        found = one_and_square(n)
        if found is not None and found[1] is t:
            r.denominators.remove(d)
            r.coefficient *= found[0]
            r.numerators[r.numerators.index(n)] = add(g, [one, prod(g, -1, [other])])
            return True
    return False


def _exponentials(g: Graph, r: Ratio, d: Node, prod: Prod, add: Add) -> bool:
    """A quotient of exponentials as sigmoid or tanh of their difference."""
    found = weighted_exponentials(d)
    if found is None:
        return False
    (a, u), (b, v) = found

    def difference(sign: int) -> Node:
        """``v - u``, and the logarithm of the ratio of weights, with a sign."""
        assert v is not None
        parts = [prod(g, sign, [v])] if u is None else [prod(g, sign, [v]), prod(g, -sign, [u])]
        if a != b:
            log = g.node("fn", (g.num(b / a),), "log", ())
            parts.append(prod(g, sign, [log, g.ones(v.dims)] if v.dims else [log]))
        return add(g, parts)

    for n in r.numerators:
        for w, weight, sign in ((v, b, 1), (u, a, -1)):
            power = 0 if w is None or n.op != "fn" or n.data != "exp" else _multiple(g, n.args[0], w, prod)
            if not power or w is None:
                continue
            r.denominators.remove(d)
            r.coefficient /= weight
            r.numerators[r.numerators.index(n)] = g.node("fn", (difference(sign),), "sigmoid", d.dims)
            if power > 1:
                r.numerators.append(g.node("fn", (prod(g, power - 1, [w]),), "exp", d.dims))
            return True
        if a == b == 1 and u is not None and n.op == "add" and _is_difference(n, u, v):
            r.denominators.remove(d)
            half = prod(g, Fraction(1, 2), [difference(1)])
            of_v = next(p for x in n.args if (p := _weighted(x)) is not None and p[1] is v)
            r.coefficient *= of_v[0]
            r.numerators[r.numerators.index(n)] = g.node("fn", (half,), "tanh", d.dims)
            return True
    if u is None:  # 1/(1 + exp(v))
        r.denominators.remove(d)
        r.coefficient /= a
        r.numerators.append(g.node("fn", (difference(-1),), "sigmoid", d.dims))
        return True
    return False


def _weighted_sums(g: Graph, r: Ratio, d: Node, prod: Prod, add: Add) -> bool:
    """``exp(z)/(v'*exp(z))`` and ``exp(u)/sum(exp(z))``: from the largest z down, so that nothing overflows."""
    e = exponential_in(d)
    if e is None:
        return False
    top, shifted = from_the_top(g, e.args[0], prod, add)
    for i, a in enumerate(r.numerators):
        if a.op == "fn" and a.data == "exp" and a.is_scalar:
            r.numerators[i] = g.node("fn", (add(g, [a.args[0], prod(g, -1, [top])]),), "exp", ())
        elif d.op == "dot" and a is e:  # without weights it is a softmax
            r.numerators[i] = shifted
        elif d.op == "dot" and a.op in ("matvec", "dot") and e in a.args:
            r.numerators[i] = with_argument(g, a, e, shifted)
        else:
            continue
        r.denominators[r.denominators.index(d)] = with_argument(g, d, e, shifted)
        return True
    return False


def exponential_in(d: Node) -> Node | None:
    """The vector ``exp(z)`` of a number ``sum(exp(z))`` or ``v'*exp(z)``, else None."""
    if d.op != "dot" and (d.op != "sum" or d.data is not None):
        return None
    found = [a for a in d.args if a.op == "fn" and a.data == "exp" and a.is_vector]
    return found[0] if len(found) == 1 else None


def from_the_top(g: Graph, z: Node, prod: Prod, add: Add) -> tuple[Node, Node]:
    """The largest entry of a vector, and ``exp(z - max(z))``."""
    top = g.node("max", (z,), None, ())
    below = add(g, [z, prod(g, -1, [top, g.ones(z.dims)])])
    return top, g.node("shifted", (below,), None, z.dims)


def with_argument(g: Graph, node: Node, old: Node, new: Node) -> Node:
    """A node with another argument in place of one."""
    args = [new if a is old else a for a in node.args]
    return g.node(node.op, args, node.data, node.dims, same=(2,) if node.op == "dot" else ())


def _multiple(g: Graph, x: Node, u: Node, prod: Prod) -> int:
    """The k of 1, 2, 3 for which x is ``k*u``, else 0."""
    return next((k for k in (1, 2, 3) if x is prod(g, k, [u])), 0)


def _is_difference(n: Node, u: Node | None, v: Node | None) -> bool:
    """Whether a sum is ``c*(exp(v) - exp(u))``."""
    found = [_weighted(x) for x in n.args]
    if len(found) != 2 or any(w is None for w in found):
        return False
    weights = {w[1]: w[0] for w in found if w is not None}
    return weights.keys() == {u, v} and weights[u] == -weights[v]
