"""Functions of array nodes: elementwise functions, powers, determinants, softmax, in forms that do not overflow.

What is recognised: ``log(1 + exp(u))``, ``log(sum(exp(z)))`` whole or along rows and columns, ``log(softmax(z))``,
``log(sigmoid(u))``, ``log(det(A))``, ``log(1 + u)``.  (Quotients that are a sigmoid or a softmax are found where
products are built.)  Functions of repeated rows or columns are functions of the vector.

Invariant: every rewriting here is exact for real numbers wherever the original has a value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from matcalc.code.lower_entries import (
    add,
    along,
    bcol,
    brow,
    constant_of,
    diag,
    neg,
    prod,
    shifted_exponential,
    softmax,
)
from matcalc.code.lower_products import cho_factor, inverse
from matcalc.code.lower_sums import sum_of, vdot
from matcalc.code.lower_views import flat_product, transpose
from matcalc.code.nodes import Dims, Graph, Node
from matcalc.code.overflow import (
    exponential_in,
    exponential_less_one,
    from_the_top,
    is_one,
    one_and_square,
    weighted_exponentials,
    with_argument,
)
from matcalc.code.ratios import Ratio, ratio
from matcalc.errors import CannotDerive, MatcalcError
from matcalc.language.functions import FUNCTIONS

__all__ = [
    "determinant",
    "elementwise",
    "entrywise",
    "is_posdef",
    "log_determinant",
    "logsumexp",
    "matrix_power",
    "norm",
    "power",
    "softmax",
]

FACTORS = 4  # the highest power that is written as a product


def elementwise(g: Graph, name: str, x: Node) -> Node:
    """A known elementwise function of a scalar, vector or matrix."""
    return entrywise(g, lambda y: _elementwise(g, name, y), x)


def entrywise(g: Graph, function: Callable[[Node], Node], x: Node) -> Node:
    """A function of entries: of repeated rows or columns it is that of the vector, repeated."""
    if x.is_matrix:
        r = ratio(x)
        (kind, *others) = [a for a in (*r.numerators, *r.denominators) if not a.is_scalar]
        if kind.op in ("bcol", "brow") and not others and kind in r.numerators:
            rest = [a for a in r.numerators if a is not kind]
            vector = function(prod(g, r.coefficient, [*rest, kind.args[0]], r.denominators))
            return bcol(g, vector, x.dims[1]) if kind.op == "bcol" else brow(g, vector, x.dims[0])
    constant = constant_of(g, x) if x.dims else None
    return function(x) if constant is None else prod(g, 1, [function(constant), g.ones(x.dims)])


def _elementwise(g: Graph, name: str, x: Node) -> Node:
    if name in COMPOSITE:
        return COMPOSITE[name](g, x)
    if name == "log":
        return _log(g, x)
    if name == "step" and x in g.plan.rectified:  # relu(x) is at hand and positive where x is
        x = g.node("fn", (x,), "relu", x.dims)
    return g.node("fn", (x,), name, x.dims)


def _swish(g: Graph, x: Node) -> Node:
    return prod(g, 1, [x, elementwise(g, "sigmoid", x)])


def _gelu(g: Graph, x: Node) -> Node:
    half_root = g.node("fn", (g.num(2),), "sqrt", ())
    inside = elementwise(g, "erf", prod(g, 1, [x], [half_root]))
    return prod(g, Fraction(1, 2), [x, add(g, [inside, g.ones(x.dims)])])


# Functions that are made of others, so that what they are made of is shared.
COMPOSITE: dict[str, Callable[[Graph, Node], Node]] = {"swish": _swish, "gelu": _gelu}
for _row in FUNCTIONS.values():
    if _row.numpy.count("{0}") > 1 and _row.name not in COMPOSITE:
        raise MatcalcError(f"the function {_row.name} uses its argument twice: say in COMPOSITE what it is made of")


# ------------------------------------------------------------------------------------ logarithms
def _log(g: Graph, x: Node) -> Node:
    if _is_exp(x):
        return x.args[0]
    if x.op == "fn" and x.data == "sigmoid":
        return neg(g, softplus(g, neg(g, x.args[0])))
    if x.op == "fn" and x.data == "cosh":
        return log_cosh(g, x.args[0])
    if x.op == "softmax":
        z = x.args[0]
        return add(g, [z, neg(g, along(g, logsumexp(g, z, x.data), z.dims, x.data))])
    if x in g.memo.get("softmax", {}):  # of the shifted exponentials: not the logarithm of what may be 0
        below, total, axis = g.memo["softmax"][x]
        return add(g, [below, neg(g, along(g, g.node("fn", (total,), "log", total.dims), x.dims, axis))])
    if x.op == "det":
        known = is_posdef(g, x.args[0])  # then the determinant is positive
        return log_determinant(g, x.args[0]) if known else g.node("logdet_positive", x.args, None, ())
    if x.op == "add":
        found = _log_of_sum(g, x)
        if found is not None:
            return found
    if x.op in ("sum", "sumaxis") and _is_exp(x.args[0]):
        return logsumexp(g, x.args[0].args[0], x.data)
    e = exponential_in(x)
    if e is not None:  # with weights
        top, shifted = from_the_top(g, e.args[0], prod, add)
        return add(g, [top, g.node("fn", (with_argument(g, x, e, shifted),), "log", ())])
    if x.op == "prod":
        found = _log_of_product(g, x)
        if found is not None:
            return found
    return g.node("fn", (x,), "log", x.dims)


def _log_of_sum(g: Graph, x: Node) -> Node | None:
    """``log(a + b*exp(u))``, ``log(a*exp(u) + b*exp(v))``, ``log(1 - sigmoid(u))``, ``log(1 + tanh(u))``, ..."""
    found = weighted_exponentials(x)
    if found is not None:
        (a, u), (b, v) = found
        assert v is not None
        if u is not None:
            shifted = [_plus_log(g, v, b), _plus_log(g, u, a)]
            return g.node("logaddexp", shifted, None, x.dims, same=(2,))
        return _plus_log(g, softplus(g, _plus_log(g, v, b / a)), a)
    less = exponential_less_one(x)
    if less is not None:
        rest = neg(g, g.node("fn", (neg(g, less),), "expm1", x.dims))
        return add(g, [less, g.node("fn", (rest,), "log", x.dims)])
    square = one_and_square(x)
    if square is not None and square[0] == 1 and square[1].op == "fn" and square[1].data == "tanh":
        return prod(g, -2, [log_cosh(g, square[1].args[0])])
    if len(x.args) != 2:
        return None
    for one, other in (x.args, x.args[::-1]):
        if not is_one(one):
            continue
        r = ratio(other)
        bounded = r.numerators[0] if len(r.numerators) == 1 and not r.denominators else other
        if bounded.op == "fn" and bounded.data == "sigmoid" and r.coefficient == -1:
            return neg(g, softplus(g, bounded.args[0]))
        if bounded.op == "fn" and bounded.data == "tanh" and abs(r.coefficient) == 1:  # 2*sigmoid(2*u)
            return _plus_log(g, neg(g, softplus(g, prod(g, -2 * r.coefficient, bounded.args))), Fraction(2))
        return g.node("fn", (other,), "log1p", x.dims)
    return None


def _log_of_product(g: Graph, x: Node) -> Node | None:
    """``log(1/t)`` is -log(t); ``log(c*exp(z)/cosh(u))`` and ``log(c*sum(exp(z)))`` are sums of logarithms."""
    r = ratio(x)
    if r.coefficient == 1 and not r.numerators and len(r.denominators) == 1:
        return neg(g, elementwise(g, "log", r.denominators[0]))
    above = [a for a in r.numerators if _grows(a)]
    below = [a for a in r.denominators if _grows(a)]
    rest = [a for a in (*r.numerators, *r.denominators) if not _grows(a)]
    if (above or below) and r.coefficient > 0 and all(a.op == "size" for a in rest):
        logs = [*(_log(g, a) for a in above), *(neg(g, _log(g, a)) for a in below)]
        sizes = ([a for a in nodes if a.op == "size"] for nodes in (r.numerators, r.denominators))
        scale = elementwise(g, "log", prod(g, r.coefficient, *sizes))
        return add(g, [*logs, prod(g, 1, [scale, g.ones(x.dims)]) if x.dims else scale])
    return None


def _grows(a: Node) -> bool:
    """Whether a factor is positive and may overflow where its logarithm does not."""
    inside = a.args[0] if a.op in ("sum", "sumaxis") else a
    return _is_exp(inside) or (a.op == "fn" and a.data == "cosh")


def _plus_log(g: Graph, x: Node, c: Fraction) -> Node:
    """``x + log(c)`` in every entry."""
    if c == 1:
        return x
    log = g.node("fn", (g.num(c),), "log", ())
    return add(g, [x, prod(g, 1, [log, g.ones(x.dims)]) if x.dims else log])


def log_cosh(g: Graph, u: Node) -> Node:
    """``log(cosh(u))`` without overflow: ``|u| + log1p(exp(-2*|u|)) - log(2)``."""
    size = elementwise(g, "abs", u)
    rest = g.node("fn", (elementwise(g, "exp", prod(g, -2, [size])),), "log1p", u.dims)
    return _plus_log(g, add(g, [size, rest]), Fraction(1, 2))


def _is_exp(a: Node) -> bool:
    return a.op == "fn" and a.data == "exp"


def softplus(g: Graph, u: Node) -> Node:
    return g.node("fn", (u,), "softplus", u.dims)


def logsumexp(g: Graph, z: Node, axis: int | None) -> Node:
    """``log(sum(exp(z)))`` of a vector (or whole matrix), or along an axis of a matrix."""
    if (z, axis) in g.plan.exponentials:
        _, total, top = shifted_exponential(g, z, axis)
        return add(g, [top, g.node("fn", (total,), "log", total.dims)])
    dims: Dims = () if axis is None else (z.dims[1 - axis],)
    return g.node("logsumexp", (z,), axis, dims)


# ---------------------------------------------------------------------------------------- powers
def power(g: Graph, x: Node, exponent: Node) -> Node:
    """The entrywise power; small whole powers as products, halves by the square root."""
    e = exponent.data if exponent.op == "num" else None
    if e is None:
        return g.node("power", (x, exponent), None, x.dims)
    if e.denominator == 1 and abs(e) <= FACTORS:
        factors = [x] * int(abs(e))
        return prod(g, 1, [*factors, g.ones(x.dims)]) if e >= 0 else prod(g, 1, [g.ones(x.dims)], factors)
    if x.op == "norm" and e.denominator == 1 and e.numerator % 2 == 0:
        return power(g, x.args[0], g.num(e / 2))
    if abs(e) in (Fraction(1, 2), Fraction(3, 2)):
        root = elementwise(g, "sqrt", x)
        factors = [root] if abs(e) < 1 else [x, root]
        return prod(g, 1, factors) if e > 0 else prod(g, 1, [g.ones(x.dims)], factors)
    return g.node("power", (x, exponent), None, x.dims)


def matrix_power(g: Graph, x: Node, exponent: Node) -> Node:
    """A whole power of a square matrix."""
    e = exponent.data if exponent.op == "num" else None
    if e is None or e.denominator != 1:
        raise CannotDerive("there is no code for a matrix power whose exponent is not a whole number")
    k = int(e)
    if k == 0:
        return g.eye(x.dims[0])
    base = x if k > 0 else inverse(g, x)
    if abs(k) == 1 or base.op == "eye":
        return base
    if base.op == "diag":
        return diag(g, power(g, base.args[0], g.num(abs(k))))
    return g.node("matpow", (base,), abs(k), x.dims)


def norm(g: Graph, x: Node) -> Node:
    """The Euclidean or Frobenius norm."""
    if x.is_scalar:
        return elementwise(g, "abs", x)
    return g.node("norm", (vdot(g, x, x),), None, ())


# ---------------------------------------------------------------------------------- determinants
def determinant(g: Graph, a: Node) -> Node:
    if a.is_scalar:
        return a
    if a.op == "eye":
        return g.num(1)
    if a.op == "transpose":
        return determinant(g, a.args[0])
    if a.op == "inv":
        return prod(g, 1, [], [determinant(g, a.args[0])])
    if a.op == "diag":
        return g.node("product", a.args, None, ())
    return g.node("det", (a,), None, ())


def log_determinant(g: Graph, a: Node) -> Node:
    """``log|det(A)|``."""
    if a.is_scalar:
        return elementwise(g, "log", elementwise(g, "abs", a))
    if a.op == "eye":
        return g.num(0)
    if a.op == "transpose":
        return log_determinant(g, a.args[0])
    if a.op == "inv":
        return neg(g, log_determinant(g, a.args[0]))
    if a.op == "diag":
        return sum_of(g, elementwise(g, "log", elementwise(g, "abs", a.args[0])))
    if a in g.plan.factored:
        return prod(g, 2, [g.node("cho_logdet", (cho_factor(g, a),), None, ())])  # half of it
    return g.node("logdet", (a,), None, ())


# -------------------------------------------------------------------------------- definiteness
def is_posdef(g: Graph, x: Node, strictly: bool = True) -> bool:
    """Whether a matrix is positive definite (or, not strictly, semidefinite) by facts or form. False: not known."""
    facts: frozenset[str] = g.facts.get(x.data, frozenset()) if x.op == "input" else frozenset()
    if x.op == "input":
        return "posdef" in facts
    if x.op == "eye":
        return True
    if x.op == "inv":
        return is_posdef(g, x.args[0])
    if x.op == "matmul" and not strictly:
        return _is_congruence(g, x)
    if x.op == "add":
        return all(is_posdef(g, a, False) for a in x.args) and (not strictly or any(is_posdef(g, a) for a in x.args))
    if x.op == "prod":
        return _positive_multiple(g, ratio(x), strictly)
    return False


def _is_congruence(g: Graph, x: Node) -> bool:
    """Whether a product is ``X'*C*X`` with a positive definite C, or ``X'*X``."""
    factors = flat_product(g, x)
    if any(a is not transpose(g, b) for a, b in zip(factors, reversed(factors), strict=True)):
        return False
    return len(factors) % 2 == 0 or is_posdef(g, factors[len(factors) // 2])


def _positive_multiple(g: Graph, r: Ratio, strictly: bool) -> bool:
    scalars = [a for a in (*r.numerators, *r.denominators) if a.is_scalar]
    arrays: Sequence[Node] = [a for a in (*r.numerators, *r.denominators) if not a.is_scalar]
    positive = all(a.op == "size" or "positive" in g.facts.get(a.data if a.op == "input" else "", ()) for a in scalars)
    return r.coefficient > 0 and positive and len(arrays) == 1 and is_posdef(g, arrays[0], strictly)
