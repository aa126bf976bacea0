"""Members below each other: a formula for matrices with as many rows at every index as one for all of them.

``X[t]*U + ones(N)*b'`` for all t is ``X*U + ones(T*N)*b'`` with all rows of all members under each other, and a sum of
``X[t]'*D[t]`` is one product of two tall matrices.  What mixes the rows of a member has no such form and is None.

Invariant: rows ``t*N .. t*N + N - 1`` of the result are the formula at the t-th index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matcalc.code.stacking import Member, is_fixed, is_spread, spread, turned
from matcalc.language import terms as T
from matcalc.language.binders import BINDERS
from matcalc.language.dims import ONE, Dim
from matcalc.language.ops import ROWWISE
from matcalc.language.terms import Term, subterms

__all__ = ["Tall", "height"]


def height(t: Term, index: str) -> Dim | None:
    """The number of rows that all matrices among the moving members of a term have. None: there is no such number."""
    members = [s for s in subterms(t) if s.op == "elem" and not is_fixed(s, index) and s.shape.is_matrix]
    found = dict.fromkeys(s.shape.rows for s in members)
    return next(iter(found)) if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class Tall:
    """The rows of all members for one index. ``member`` gives the tall matrix of a family's members."""

    index: str
    count: Dim
    height: Dim
    member: Member

    def of(self, t: Term) -> Term | None:
        """The tall matrix of a term. None: there is no formula."""
        if t.shape.rows is not self.height or any(s.op in BINDERS for s in subterms(t)):
            return None
        if t.op in ("ones", "zeros"):
            make = T.ones if t.op == "ones" else T.zeros
            return make(self.count * self.height, t.shape.cols)
        rule = RULES.get(t.op)
        return None if rule is None else rule(self, t)

    def all(self, ts: Sequence[Term]) -> list[Term] | None:
        found = [self.of(t) for t in ts]
        return None if any(f is None for f in found) else [f for f in found if f is not None]

    # ------------------------------------------------------------------------------------ sums
    def total(self, t: Term) -> Term | None:
        """The sum of a term over the index. None: there is no formula."""
        if any(s.op in BINDERS for s in subterms(t)) or is_fixed(t, self.index):
            return None
        if is_spread(t, self.index):
            return spread(t, self.total)
        if t.op == "mul":
            return self._total_of_product(t)
        if t.op == "transpose":
            inside = self.total(t.args[0])
            return inside and T.transpose(inside)
        return self._total_of_number(t) if t.is_scalar else None

    def _total_of_number(self, t: Term) -> Term | None:
        """The sum of the entries of members, or of a scalar product of two."""
        if t.op == "sum":
            inside = self.of(t.args[0])
            return inside and T.make("sum", inside)
        pair: Sequence[Term] = t.args if t.op == "inner" else ()
        if t.op == "pow" and t.args[0].op in ("norm2", "normF") and t.args[1] is T.number(2):
            pair = (t.args[0].args[0],) * 2
        both = self.all(pair) if pair else None
        return None if both is None else T.inner(*both)

    def _total_of_product(self, t: Term) -> Term | None:
        scalars = [f for f in t.args if f.is_scalar]
        chain = [f for f in t.args if not f.is_scalar]
        if not all(is_fixed(s, self.index) for s in scalars):
            moving = [s for s in scalars if not is_fixed(s, self.index)]
            inside = self._total_of_number(moving[0]) if len(moving) == 1 and not chain else None
            return inside and T.mul(*(s for s in scalars if s is not moving[0]), inside)
        left: list[Term] = []
        right: list[Term] = []
        while chain and is_fixed(chain[0], self.index):
            left.append(chain.pop(0))
        while chain and is_fixed(chain[-1], self.index):
            right.insert(0, chain.pop())
        if right and right[0].op == "ones" and right[0].shape.rows is self.height:
            chain.append(right.pop(0))
        if left and turned(left[-1]).op == "ones" and left[-1].shape.cols is self.height:
            chain.insert(0, left.pop())
        for cut in range(1, len(chain)):
            if chain[cut].shape.rows is self.height:
                both = self.all([turned(T.mul(*chain[:cut])), T.mul(*chain[cut:])])
                if both is not None:
                    return T.mul(*scalars, *left, T.transpose(both[0]), both[1], *right)
        return None


# ------------------------------------------------------------------------------ one operation
def _each(r: Tall, t: Term) -> Term | None:
    found = r.all(t.args)
    return None if found is None else T.make(t.op, *found, data=t.data)


def _product(r: Tall, t: Term) -> Term | None:
    scalars = [f for f in t.args if f.is_scalar]
    chain = [f for f in t.args if not f.is_scalar]
    if not all(is_fixed(s, r.index) for s in scalars):
        return None
    first, *rest = chain
    if first.op == "diag":
        both = r.all([first.args[0], T.mul(*rest)]) if rest else None
        return None if both is None else T.mul(*scalars, T.make("diag", both[0]), both[1])
    if not all(is_fixed(f, r.index) for f in rest):
        return None
    tall = r.of(first)
    return tall and T.mul(*scalars, tall, *rest)


def _quotient(r: Tall, t: Term) -> Term | None:
    above = r.of(t.args[0]) if is_fixed(t.args[1], r.index) else None
    return above and T.div(above, t.args[1])


def _entrywise_quotient(r: Tall, t: Term) -> Term | None:
    if t.args[0].is_scalar and is_fixed(t.args[0], r.index):
        below = r.of(t.args[1])
        return below and T.hdiv(t.args[0], below)
    return _each(r, t)


def _power(r: Tall, t: Term) -> Term | None:
    base = r.of(t.args[0]) if is_fixed(t.args[1], r.index) else None
    return base and T.hpower(base, t.args[1])


def _of_rows(r: Tall, t: Term) -> Term | None:
    rows = r.of(t.args[0]) if t.data == ROWWISE and t.args[0].shape.cols is not ONE else None
    return rows and T.make(t.op, rows, data=ROWWISE)


RULES: dict[str, Callable[[Tall, Term], Term | None]] = {
    "elem": lambda r, t: None if is_fixed(t, r.index) else r.member(t),
    "add": _each,
    "neg": _each,
    "had": _each,
    "fn": _each,
    "mul": _product,
    "div": _quotient,
    "hdiv": _entrywise_quotient,
    "hpow": _power,
    "softmax": _of_rows,
    "logsumexp": _of_rows,
}
