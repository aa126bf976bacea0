"""Members as rows: a formula for every index of a range as one formula for the matrix of its rows.

``W*x[t] + b`` for all t is ``X*W' + ones*b'``, a sum of outer products is a product of two matrices of rows.  What
has no such form (an opaque function, members of different shapes) is None, and stays in a loop.

Invariant: row t of the result is the formula at t; a number at t is entry t of a column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matcalc.language import terms as T
from matcalc.language.binders import BINDERS, free_indices
from matcalc.language.dims import ONE, Dim
from matcalc.language.ops import ROWWISE
from matcalc.language.terms import Term, subterms

__all__ = ["Member", "Rows", "is_fixed", "is_spread", "spread", "turned"]

Member = Callable[[Term], "Term | None"]


def is_fixed(t: Term, index: str) -> bool:
    """Whether a term is the same for every value of an index."""
    return index not in free_indices(t)


def is_spread(t: Term, index: str) -> bool:
    """Whether a sum over an index goes to the parts of a term: signs, sums, and divisors that are fixed."""
    return t.op in ("neg", "add") or (t.op == "div" and is_fixed(t.args[1], index))


def spread(t: Term, total: Callable[[Term], Term | None]) -> Term | None:
    """The sum of such a term from the sums of its parts. None: one of them has no formula."""
    if t.op == "div":
        inside = total(t.args[0])
        return inside and T.div(inside, t.args[1])
    parts = [total(a) for a in t.args]
    known = [p for p in parts if p is not None]
    if len(known) < len(parts):
        return None
    return T.neg(known[0]) if t.op == "neg" else T.add(*known)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of terms for one index. ``member`` gives the matrix (or column) whose rows are a family's members."""

    index: str
    count: Dim
    member: Member

    # -------------------------------------------------------------------------------- one term
    def of(self, t: Term) -> Term | None:
        """The matrix whose rows are a column; the column whose entries are a number. None: there is no formula."""
        if t.shape.cols is not ONE:
            return None
        if any(s.op in BINDERS for s in subterms(t)):
            return None
        if is_fixed(t, self.index):
            return T.mul(t, T.ones(self.count)) if t.is_scalar else T.mul(T.ones(self.count), T.transpose(t))
        rule = ROWS.get(t.op)
        return None if rule is None else rule(self, t)

    def all(self, ts: Sequence[Term]) -> list[Term] | None:
        found = [self.of(t) for t in ts]
        return None if any(f is None for f in found) else [f for f in found if f is not None]

    def dot(self, a: Term, b: Term) -> Term | None:
        """The scalar products of the rows of two columns."""
        if is_fixed(a, self.index):
            rows = self.of(b)
            return rows and T.mul(rows, a)
        if is_fixed(b, self.index):
            return self.dot(b, a)
        both = self.all([a, b])
        return None if both is None else T.mul(T.had(*both), T.ones(a.shape.rows))

    def dots(self, t: Term) -> Term | None:
        """The sum over the index of a scalar product of two columns that depend on it, as that of the rows."""
        pair: Sequence[Term] = ()
        if t.op == "pow" and t.args[0].op == "norm2" and t.args[1] is T.number(2):
            pair = (t.args[0].args[0],) * 2
        elif t.op == "inner" and t.args[0].shape.cols is ONE:
            pair = t.args
        elif t.op == "mul" and not any(f.is_scalar for f in t.args):
            pair = (turned(t.args[0]), T.mul(*t.args[1:]))
        if not pair or pair[0].is_scalar or any(is_fixed(a, self.index) for a in pair):
            return None
        both = self.all(pair)
        return None if both is None else T.inner(*both)

    def weighted(self, weights: Sequence[Term], rows: Term) -> Term | None:
        """Rows times numbers, some of which depend on the index."""
        fixed = [w for w in weights if is_fixed(w, self.index)]
        moving = self.all([w for w in weights if not is_fixed(w, self.index)])
        if moving is None:
            return None
        if moving:
            column = T.had(*moving) if len(moving) > 1 else moving[0]
            same = rows.shape == column.shape
            rows = T.had(column, rows) if same else T.mul(T.make("diag", column), rows)
        return T.mul(*fixed, rows) if fixed else rows

    # ------------------------------------------------------------------------------------ sums
    def total(self, t: Term) -> Term | None:
        """The sum of a term over the index. None: there is no formula."""
        if any(s.op in BINDERS for s in subterms(t)):
            return None
        if is_fixed(t, self.index):
            return T.mul(T.size(self.count), t)
        if is_spread(t, self.index):
            return spread(t, self.total)
        dots = self.dots(t) if t.is_scalar else None
        if dots is not None:
            return dots
        if t.op == "mul":
            return self._total_of_product(t)
        if t.is_scalar:
            column = self.of(t)
            return column and T.make("sum", column)
        return self._total_of_vector(t)

    def _total_of_vector(self, t: Term) -> Term | None:
        if t.shape.rows is ONE:
            inside = self._total_of_vector(T.transpose(t) if t.op != "transpose" else t.args[0])
            return inside and T.transpose(inside)
        rows = self.of(t)
        return rows and T.mul(T.transpose(rows), T.ones(self.count))

    def _total_of_product(self, t: Term) -> Term | None:
        scalars = [f for f in t.args if f.is_scalar]
        chain = [f for f in t.args if not f.is_scalar]
        fixed = [s for s in scalars if is_fixed(s, self.index)]
        moving = [s for s in scalars if not is_fixed(s, self.index)]
        left: list[Term] = []
        right: list[Term] = []
        while chain and is_fixed(chain[0], self.index):
            left.append(chain.pop(0))
        while chain and is_fixed(chain[-1], self.index):
            right.insert(0, chain.pop())
        core = self._core(moving, chain)
        if core is None:
            return None
        parts = [*left, core, *right] if not core.is_scalar or left or right else [core]
        return T.mul(*fixed, *parts)

    def _core(self, moving: Sequence[Term], chain: Sequence[Term]) -> Term | None:
        """The sum of what depends on the index on both of its sides."""
        if not chain:
            column = self.of(T.mul(*moving))
            return column and T.make("sum", column)
        product = T.mul(*chain)
        if product.is_scalar:
            dots = self.dots(product) if not moving else None
            if dots is not None:
                return dots
            column = self.of(T.mul(*moving, product))
            return column and T.make("sum", column)
        if product.shape.cols is ONE:
            if moving:
                both = self.all([T.mul(*moving), product])
                return None if both is None else T.mul(T.transpose(both[1]), both[0])
            return self._total_of_vector(product)
        if product.shape.rows is ONE:
            column = self._core(moving, [turned(f) for f in reversed(chain)])
            return column and T.transpose(column)
        cut = next((i for i in range(1, len(chain)) if chain[i].shape.rows is ONE), None)
        if cut is None:
            return None
        both = self.all([T.mul(*chain[:cut]), turned(T.mul(*chain[cut:]))])
        weighted = None if both is None else self.weighted(moving, both[0])
        return T.mul(T.transpose(weighted), both[1]) if both and weighted is not None else None


def turned(t: Term) -> Term:
    """The transpose, products turned round."""
    if t.op == "transpose":
        return t.args[0]
    if t.op == "mul":
        scalars = [f for f in t.args if f.is_scalar]
        return T.mul(*scalars, *(turned(f) for f in reversed(t.args) if not f.is_scalar))
    return t if t.is_scalar else T.transpose(t)


# ------------------------------------------------------------------------------ one operation
def _product(r: Rows, t: Term) -> Term | None:
    scalars = [f for f in t.args if f.is_scalar]
    chain = [f for f in t.args if not f.is_scalar]
    segments: list[list[Term]] = []
    for f in chain:
        if not segments or f.shape.rows is ONE:
            segments.append([])
        segments[-1].append(f)
    column: Term | None = None
    if segments and chain[0].shape.rows is not ONE:
        column = _column(r, segments.pop(0))
        if column is None:
            return None
    numbers: list[Term] = list(scalars)
    for s in segments:
        numbers.append(T.mul(*s))
    if column is not None:
        return r.weighted(numbers, column) if numbers else column
    found = [_number(r, n) if n.op == "mul" else r.of(n) for n in numbers if not is_fixed(n, r.index)]
    fixed = [n for n in numbers if is_fixed(n, r.index)]
    known = [f for f in found if f is not None]
    if len(known) < len(found):
        return None
    whole = T.had(*known) if len(known) > 1 else known[0]
    return T.mul(*fixed, whole) if fixed else whole


def _number(r: Rows, t: Term) -> Term | None:
    """A row times a column."""
    chain = [f for f in t.args if not f.is_scalar]
    if len(chain) < 2 or len(chain) < len(t.args):
        return r.of(t)
    return r.dot(turned(chain[0]), T.mul(*chain[1:]))


def _column(r: Rows, chain: Sequence[Term]) -> Term | None:
    """A chain that ends in a column: the maps before it act on every row."""
    rows = r.of(chain[-1])
    for f in reversed(chain[:-1]):
        if rows is None:
            return None
        if is_fixed(f, r.index):
            rows = T.mul(rows, turned(f))
        elif f.op == "diag":
            both = r.of(f.args[0])
            rows = both and T.had(both, rows)
        else:
            return None
    return rows


def _each(op: str) -> Callable[[Rows, Term], Term | None]:
    def rule(r: Rows, t: Term) -> Term | None:
        found = r.all(t.args)
        return None if found is None else T.make(op, *found, data=t.data)

    return rule


def _quotient(r: Rows, t: Term) -> Term | None:
    above, below = t.args
    if is_fixed(below, r.index):
        rows = r.of(above)
        return rows and T.div(rows, below)
    both = r.all([above, below])
    if both is None:
        return None
    return T.hdiv(*both) if above.is_scalar else T.mul(T.make("diag", T.hdiv(T.number(1), both[1])), both[0])


def _entrywise_quotient(r: Rows, t: Term) -> Term | None:
    if t.args[0].is_scalar and is_fixed(t.args[0], r.index):
        rows = r.of(t.args[1])
        return rows and T.hdiv(t.args[0], rows)
    both = r.all(t.args)
    return None if both is None else T.hdiv(*both)


def _power(r: Rows, t: Term) -> Term | None:
    base, exponent = t.args
    if not is_fixed(exponent, r.index):
        return None
    if base.op == "norm2" and exponent is T.number(2):
        return r.dot(base.args[0], base.args[0])
    rows = r.of(base)
    return rows and T.hpower(rows, exponent)


def _norm(r: Rows, t: Term) -> Term | None:
    squares = r.dot(t.args[0], t.args[0])
    return squares and T.fn("sqrt", squares)


def _sum_of_entries(r: Rows, t: Term) -> Term | None:
    rows = r.of(t.args[0])
    return rows and T.mul(rows, T.ones(t.args[0].shape.rows))


def _of_rows(r: Rows, t: Term) -> Term | None:
    rows = r.of(t.args[0])
    return rows and T.make(t.op, rows, data=ROWWISE) if not t.args[0].is_scalar else None


ROWS: dict[str, Callable[[Rows, Term], Term | None]] = {
    "elem": lambda r, t: r.member(t),
    "add": _each("add"),
    "neg": _each("neg"),
    "had": _each("had"),
    "fn": _each("fn"),
    "mul": _product,
    "div": _quotient,
    "hdiv": _entrywise_quotient,
    "pow": _power,
    "hpow": _power,
    "norm2": _norm,
    "sum": _sum_of_entries,
    "inner": lambda r, t: r.dot(*t.args) if t.args[0].shape.cols is ONE else None,
    "softmax": _of_rows,
    "logsumexp": _of_rows,
    "transpose": lambda r, t: r.of(t.args[0]) if t.is_scalar else None,
}
