"""What an answer costs: the measure by which the presentation chooses among equal forms.

The cost is the number of operations plus small terms for what makes a formula harder to read.  All weights stand in one
table, since they were tuned together.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from matcalc.language.binders import lowered
from matcalc.language.dims import ONE, dim
from matcalc.language.operations import node_operations
from matcalc.language.selections import Pick, is_selection, picked
from matcalc.language.terms import Term, bottom_up, neg, subterms

__all__ = ["cost"]

SUM_AS_FACTOR = 0.5  # a sum in parentheses that is a factor
SUM_IN_SUM = 1.2  # such a sum inside another one
TRANSPOSED_LEAF = -0.3  # B'*A' reads more easily than (A*B)'
TRANSPOSED_PRODUCT = 0.3
TRANSPOSED_AGAIN = 1.2  # (A*B' + C*D')': B*A' + D*C' reads more easily
LOGISTIC_POWER = 1.2  # s - s.^2: people write s.*(1 - s)
LOGISTIC_PAIR = 1.0  # sigmoid(z)*sigmoid(-z): people write s*(1 - s)
NUMBER_OF_SUM = 0.3  # a bare number in front of a sum
IDENTITY_IN_FACTOR = 1.0  # A*X + A as A*(X + I)
SCALED_IDENTITY = 0.8  # c*x + A*x as (c*I + A)*x
REPEATED_SUMMAND = 1.2  # E + E is 2*E
POWER_OF_SIZE = 2.0  # det(2*A) is not 2^n*det(A)
NUMBER_INSIDE = 0.2  # x.*(2*y) is 2*(x.*y); sum(i, c*x[i]) is c*sum(i, x[i])
SCALAR_BEHIND = 0.1  # A*c*x is c*A*x
ONES_IN_FACTOR = -0.2  # v.*(1 - s) reads better than v - v.*s
TURNED_ONES = 0.05  # t.^2 - 1 for 1 - t.^2
TURNED_SLOPE = 1.1  # s.*(s - 1): people write -s.*(1 - s), and 1 - tanh(z).^2
ONES_BESIDE_DIAGONAL = 2.2  # diag(p)*(A - ones*p'*A) is (diag(p) - p*p')*A
REPEATED_FACTOR = 0.1  # lambda*lambda is lambda^2
OPPOSITE_SUMS = 1.1  # (x - y)*(y - x)' is -(x - y)*(x - y)'
SUM_OVER_ENTRIES = 2.0  # what can be a product of matrices is better one
PICKED_TRANSPOSE = 0.2  # X'[i,j] is X[j,i]
NUMBER_BEHIND = 0.05  # u*X[i,j]*v' reads better with the entry in front
LENGTH = 0.004  # per node, to break ties

BOUND = dim("#0")

_costs: WeakKeyDictionary[Term, tuple[float, float]] = WeakKeyDictionary()


def cost(t: Term) -> float:
    """The cost of a term as it is printed."""
    return bottom_up(t, lambda node, _: _cost(node), _costs)[0]


def _cost(t: Term) -> tuple[float, float]:
    """(cost, what it costs more inside a sum that is a factor)."""
    own = node_operations(t) + LENGTH
    nested = 0.0
    factor = t.op in ("mul", "had", "div", "hdiv", "transpose")
    for a in t.args:
        c, inner = _costs[a]
        own += c
        nested += inner
        if factor and a.op == "mul" and a.args[0].op == "num":
            own += NUMBER_INSIDE
        if factor and a.op == "add" and not (t.op in ("div", "hdiv") and a is not t.args[0]):
            own += ONES_IN_FACTOR if any(b.op in ("ones", "num") for b in a.args) else SUM_AS_FACTOR
            if not _only_numbers_beside(t, a):
                own += inner
            if sum(not b.is_scalar for b in t.args) > 1:
                # I + K of a commutation matrix is one matrix to a reader
                own += 0.0 if any(b.op == "commutation" for b in a.args) else max(_identity(b) for b in a.args)
            nested += SUM_IN_SUM
    if t.op == "sumover":
        own += NUMBER_INSIDE * _has_constant(t.args[0])
        own += SUM_OVER_ENTRIES * any(s.op == "unit" and s.data[0] is BOUND for s in subterms(t.args[0]))
    if t.op == "mul":
        parts = list(picked(t.args)) if len(t.args) > 2 else []
        own += SCALAR_BEHIND * _scalars_behind(t)
        own += PICKED_TRANSPOSE * _picked_transposes(t) + NUMBER_BEHIND * _numbers_behind(t, parts)
    if t.op in ("mul", "had"):
        own += REPEATED_FACTOR * _repeats(t) + OPPOSITE_SUMS * _opposites(t)
        logistic = {a.args[0] for a in t.args if a.op == "fn" and a.data == ("sigmoid", 0)}
        own += LOGISTIC_PAIR * any(z.op == "neg" and z.args[0] in logistic for z in logistic)
    if t.op == "add":
        own += TURNED_ONES * any(a.op == "neg" and a.args[0].op in ("ones", "eye") for a in t.args)
        own += REPEATED_SUMMAND * (len(t.args) - len({a.args[0] if a.op == "neg" else a for a in t.args}))
    if t.op in ("mul", "had"):
        own += TURNED_SLOPE * any(a.op == "add" and _turned_slope(a, t) for a in t.args)
    if t.op == "mul":
        own += ONES_BESIDE_DIAGONAL * _ones_beside_diagonal(t)
    if t.op == "transpose" and t.args[0].op != "unit":
        leaf = not t.args[0].args or t.args[0].op == "inv" or is_selection(t.args[0])
        own += TRANSPOSED_LEAF if leaf else TRANSPOSED_PRODUCT if t.args[0].op == "mul" else 0.0
        own += TRANSPOSED_AGAIN * (t.args[0].op == "add" and sum(map(_transposes, t.args[0].args)) > 1)
    elif t.op in ("pow", "hpow") and t.args[0].op == "fn" and t.args[0].data == ("sigmoid", 0):
        own += LOGISTIC_POWER
    elif t.op == "pow" and t.args[1].op == "size":
        own += POWER_OF_SIZE
    elif t.op == "mul" and len(t.args) == 2 and t.args[0].op == "num" and t.args[1].op == "add":
        own += NUMBER_OF_SUM
    if t.op in ("fn", "inv", "det", "logdet", "tr", "sum", "norm2", "normF", "grad", "call"):
        nested = 0.0  # inside a function a sum has its own parentheses anyway
    return own, nested


def _only_numbers_beside(t: Term, a: Term) -> bool:
    """Whether a sum is multiplied by numbers only: ``(... - ...)/2``."""
    return all(b is a or b.op == "num" for b in t.args)


def _repeats(t: Term) -> int:
    """How many factors a power would save: equal scalars and entries anywhere, equal matrices side by side."""
    if t.op == "had":
        return len(t.args) - len(set(t.args))
    scalars = [a for a in t.args if a.is_scalar]
    matrices = [a for a in t.args if not a.is_scalar]
    return len(scalars) - len(set(scalars)) + sum(a is b for a, b in itertools.pairwise(matrices))


def _opposites(t: Term) -> bool:
    """Whether a sum stands in a product beside its negative."""
    bare = [a.args[0] if a.op == "transpose" else a for a in t.args]
    sums = [frozenset(a.args) for a in bare if a.op == "add"]
    return len(sums) > 1 and any(
        frozenset(b.args[0] if b.op == "neg" else neg(b) for b in s) in sums for s in sums[:-1]
    )


def _transposes(t: Term) -> int:
    """How many transposes a summand shows among its factors."""
    if t.op in ("neg", "mul", "div"):
        return sum(map(_transposes, t.args))
    return int(t.op == "transpose" and not t.is_scalar)


def _turned_slope(total: Term, product: Term) -> bool:
    """Whether a sum is ``tanh(z)^2 - 1``, or ``s - 1`` beside s = sigmoid(z): the negative of what derivatives have."""
    if len(total.args) != 2 or not any(a.op == "neg" and a.args[0].op in ("ones", "num") for a in total.args):
        return False
    for a in total.args:
        if a.op in ("pow", "hpow") and a.args[0].op == "fn" and a.args[0].data == ("tanh", 0):
            return True
        if a.op == "fn" and a.data == ("sigmoid", 0) and a in product.args:
            return True
    return False


def _ones_beside_diagonal(t: Term) -> bool:
    """Whether ``ones`` stands in a sum for what a diagonal matrix beside it took out of a rank-one term."""
    for a, b in itertools.pairwise(t.args):
        for d, total, end in ((a, b, 0), (b, a, -1)):
            if total.op == "transpose":
                total, end = total.args[0], -1 - end
            if d.op == "diag" and total.op == "add":
                for s in total.args:
                    product = s.args[0] if s.op == "neg" else s
                    edge = product.args[end] if product.op == "mul" else product
                    edge = edge.args[0] if edge.op == "transpose" else edge
                    if edge.op == "ones" and edge.shape.is_vector:
                        return True
    return False


def _identity(t: Term) -> float:
    """What an identity in a sum that is a factor costs."""
    if t.op == "eye":
        return IDENTITY_IN_FACTOR
    if t.op in ("neg", "mul", "div"):
        inner = max(_identity(a) for a in t.args)
        return inner + SCALED_IDENTITY * (inner > 0 and t.op != "neg")
    return 0.0


def _has_constant(body: Term) -> bool:
    """Whether a number, or a factor of the entries, that does not change with the index stands under a sum."""
    if body.op == "neg":
        return True
    entries = body.op in ("had", "hdiv")
    factors = [f for f in body.args if entries or f.is_scalar] if entries or body.op in ("mul", "div") else []
    return any(f.op == "num" or lowered(f) is not None for f in factors)


def _scalars_behind(t: Term) -> int:
    """The scalar factors of a product of matrices that stand behind a matrix."""
    if t.is_scalar:
        return 0
    first = next((i for i, a in enumerate(t.args) if not a.is_scalar), len(t.args))
    return sum(a.is_scalar for a in t.args[first:])


def _numbers_behind(t: Term, parts: Sequence[Pick]) -> int:
    """How many entries stand behind a factor that is no number."""
    if all(p.is_whole for p in parts):
        return 0
    entries = [p.row is not None and (p.col is not None or t.args[p.place or 0].shape.cols is ONE) for p in parts]
    shaped = [not e and not t.args[p.place or 0].is_scalar for e, p in zip(entries, parts, strict=True)]
    return sum(e and any(shaped[:i]) for i, e in enumerate(entries))


def _picked_transposes(t: Term) -> int:
    places = [p.place for p in picked(t.args) if not p.is_whole and p.place is not None]
    return sum(t.args[k].op == "transpose" for k in places)
