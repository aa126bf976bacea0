"""Sums over the entries of matrices as products: what stands under the sum, for all indices together.

A number that depends on an index through entries is an entry of a column, a column is a row of a matrix: *along* finds
the column or the matrix (``x[i]*log(y[i])`` is ``x.*log(y)``, ``A*X[i,:]'`` is ``X*A'``).  A sum over the index is then
the sum of the entries of the column, or a product of the matrices.

Invariants: the index runs over the whole of what is picked from, from 1 to its length; where a part has no such form
the answer is None and the sum stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matcalc.language import terms as T
from matcalc.language.binders import lowered, lowered_dim
from matcalc.language.dims import ONE, Dim, dim
from matcalc.language.ops import ROWWISE
from matcalc.language.terms import Term, subterms

__all__ = ["along", "depends_by_entries", "gathered", "gathered_sums"]

BOUND = dim("#0")


def depends_by_entries(body: Term) -> bool:
    """Whether a body under a binder picks entries at the binder's own index."""
    return any(s.op == "unit" and s.data[0] is BOUND for s in subterms(body))


def gathered(body: Term, low: Dim, high: Dim) -> Term | None:
    """The sum of a body over its index, without the sum; None where it has no such form."""
    if low is not ONE or not depends_by_entries(body):
        return None
    return _sum_of(body, high)


def gathered_sums(t: Term) -> Term:
    """A term with every sum over entries gathered that can be; distances are written out where that helps."""
    made = _gathered(t)
    if _sums_left(made):
        other = _gathered(_distances_apart(t))
        if _sums_left(other) < _sums_left(made):
            return other
    return made


def _sums_left(t: Term) -> int:
    return sum(s.op == "sumover" and depends_by_entries(s.args[0]) for s in subterms(t))


def _distances_apart(t: Term) -> Term:
    """``norm2(u - v)^2`` written out, under sums: then u and v can belong to different indices."""

    def visit(node: Term, args: list[Term]) -> Term:
        new = T.rebuild(node, args)
        if new.op != "pow" or new.args[1] is not T.number(2) or new.args[0].op not in ("norm2", "normF"):
            return new
        inside = new.args[0].args[0]
        if inside.op != "add" or ONE not in inside.shape:
            return new
        parts = [a if a.shape.cols is ONE else _turned(a) for a in inside.args]
        squares = [T.power(T.make("norm2", p.args[0] if p.op == "neg" else p), 2) for p in parts]
        mixed = [_mixed(a, b) for i, a in enumerate(parts) for b in parts[i + 1 :]]
        return T.add(*squares, *mixed)

    return T.bottom_up(t, visit, {})


def _mixed(a: Term, b: Term) -> Term:
    odd = (a.op == "neg") != (b.op == "neg")
    u, v = (x.args[0] if x.op == "neg" else x for x in (a, b))
    twice = T.mul(T.number(2), T.mul(_turned(u), v))
    return T.neg(twice) if odd else twice


def _gathered(t: Term) -> Term:
    """A term with every sum over entries gathered that can be, the inner ones first."""

    def visit(node: Term, args: list[Term]) -> Term:
        new = T.rebuild(node, args)
        if new.op != "sumover":
            return new
        return gathered(new.args[0], *new.data) or new

    return T.bottom_up(t, visit, {})


# ------------------------------------------------------------------------------------- sums
def _sum_of(t: Term, n: Dim) -> Term | None:
    if t.op == "neg":
        inside = _sum_of(t.args[0], n)
        return inside and T.neg(inside)
    if t.op == "div" and (below := lowered(t.args[1])) is not None:
        inside = _sum_of(t.args[0], n)
        return inside and T.div(inside, below)
    if t.op == "sum" and (split := _scaled_apart(t.args[0])) is not None:  # sum(c*u) = c*sum(u)
        return _sum_of(T.mul(split[0], T.make("sum", split[1])), n)
    if t.op == "sum":
        rows = along(t.args[0], n) if t.args[0].shape.cols is ONE else None
        return T.make("sum", rows) if rows is not None else None
    if t.op == "tr":
        inside = _sum_of(t.args[0], n)
        return inside and T.make("tr", inside)
    if t.op == "add" and not t.is_scalar:
        parts = [_sum_of(a, n) if _moves(a) else _times(a, n) for a in t.args]
        known = [p for p in parts if p is not None]
        return T.add(*known) if len(known) == len(parts) else None
    if t.op == "mul":
        return _sum_of_product(t.args, n)
    if t.is_scalar:
        column = along(t, n)
        return None if column is None else T.make("sum", column)
    if t.op == "transpose":
        inside = _sum_of(t.args[0], n)
        return inside and T.transpose(inside)
    if t.op == "diag":
        inside = _sum_of(t.args[0], n)
        return inside and T.make("diag", inside)
    if t.shape.cols is ONE:
        rows = along(t, n)
        return None if rows is None else T.mul(T.transpose(rows), T.ones(n))
    return None


def _scaled_apart(t: Term) -> tuple[Term, Term] | None:
    """A column as a number times a column, where numbers and constant columns are among its entrywise factors."""
    scalars: list[Term] = []
    columns: list[Term] = []
    for a in t.args if t.op == "had" else (t,):
        if a.op != "mul":
            columns.append(a)
            continue
        numbers, shaped = _segments([f for f in a.args if not f.is_scalar])
        here = [*(f for f in a.args if f.is_scalar), *numbers]
        if len(shaped) != 1 or not here:
            columns.append(a)
            continue
        scalars += here
        if shaped[0].op != "ones":
            columns.append(shaped[0])
    if not scalars:
        return None
    body = T.ones(t.shape.rows) if not columns else columns[0] if len(columns) == 1 else T.had(*columns)
    return (scalars[0] if len(scalars) == 1 else T.mul(*scalars)), body


def _moves(t: Term) -> bool:
    return lowered(t) is None


def _times(t: Term, n: Dim) -> Term | None:
    outside = lowered(t)
    return None if outside is None else T.mul(T.size(n), outside)


def _sum_of_product(args: Sequence[Term], n: Dim) -> Term | None:
    """The sum of a product: what does not move comes out, what moves is a column or a row on either side of a cut."""
    fixed = [o for a in args if a.is_scalar and (o := lowered(a)) is not None]
    moving = [a for a in args if a.is_scalar and _moves(a)]
    factors = [a for a in args if not a.is_scalar]
    left: list[Term] = []
    right: list[Term] = []
    while factors and factors[0].shape.rows is not ONE and (o := lowered(factors[0])) is not None:
        left.append(o)
        factors.pop(0)
    while factors and factors[-1].shape.cols is not ONE and (o := lowered(factors[-1])) is not None:
        right.insert(0, o)
        factors.pop()
    middle = _middle(moving, factors, n)
    if middle is None:
        return None
    if not factors and not moving:
        return None
    return _product([*fixed, *left, middle, *right])


def _middle(scalars: Sequence[Term], factors: Sequence[Term], n: Dim) -> Term | None:
    numbers, outer = _segments(factors)
    fixed = [o for s in numbers if (o := lowered(s)) is not None]
    weights = _all(lambda s: along(s, n), [*scalars, *(s for s in numbers if _moves(s))])
    if weights is None:
        return None
    weight = None if not weights else weights[0] if len(weights) == 1 else T.had(*weights)
    if not outer:
        made = T.make("sum", weight) if weight is not None else None
    elif len(outer) == 1:
        made = _weighted(outer[0], weight, n)
    elif len(outer) == 2:
        a, b = along(outer[0], n), along(outer[1], n)
        if a is None or b is None:
            return None
        made = _product([T.transpose(a if weight is None else T.mul(T.make("diag", weight), a)), b])
    else:
        return None
    return made if made is None or not fixed else T.mul(*fixed, made)


def _segments(factors: Sequence[Term]) -> tuple[list[Term], list[Term]]:
    """A chain cut at the inner sizes 1: the numbers among the parts, and the others."""
    if not factors:
        return [], []
    cuts = [i for i in range(1, len(factors)) if factors[i].shape.rows is ONE]
    parts = [_product(factors[i:j]) for i, j in zip([0, *cuts], [*cuts, len(factors)], strict=True)]
    return [p for p in parts if p.is_scalar], [p for p in parts if not p.is_scalar]


def _weighted(t: Term, weight: Term | None, n: Dim) -> Term | None:
    """The sum of a column, a row or a matrix that is not a product of two, with weights."""
    if t.shape.cols is ONE or t.shape.rows is ONE:
        rows = along(t, n)
        if rows is None:
            return None
        total = _product([T.transpose(rows), weight if weight is not None else T.ones(n)])
        return total if t.shape.cols is ONE else T.transpose(total)
    outside = lowered(t)
    if outside is not None:
        return None if weight is None else T.mul(T.make("sum", weight), outside)
    if t.op == "diag":
        inside = _weighted(t.args[0], weight, n)
        return inside and T.make("diag", inside)
    return _sum_of(t, n) if weight is None and t.op != "mul" else None


# ------------------------------------------------------------------------------------- along
def along(t: Term, n: Dim) -> Term | None:
    """The values of a number at the indices 1..n as a column; of a column or a row, as the rows of a matrix."""
    outside = lowered(t)
    if outside is not None:
        if t.is_scalar:
            return T.ones(n) if outside is T.number(1) else T.mul(outside, T.ones(n))
        if t.shape.cols is ONE:
            return T.mul(T.ones(n), T.transpose(outside))
        return T.mul(T.ones(n), outside) if t.shape.rows is ONE else None
    found = _ALONG.get(t.op)
    return found(t, n) if found is not None and ONE in t.shape else None


def _all(one: Callable[[Term], Term | None], parts: Sequence[Term]) -> list[Term] | None:
    made = [one(p) for p in parts]
    known = [m for m in made if m is not None]
    return known if len(known) == len(made) else None


def _product(parts: Sequence[Term]) -> Term:
    """A product without the identities in it."""
    kept = [p for p in parts if p.op != "eye"] or list(parts[:1])
    return kept[0] if len(kept) == 1 else T.mul(*kept)


def _unit(t: Term, n: Dim) -> Term | None:
    index, length = t.data
    return T.eye(n) if index is BOUND and lowered_dim(length) is n else None


def _linear(t: Term, n: Dim) -> Term | None:
    parts = _all(lambda a: along(a, n), t.args)
    return None if parts is None else T.rebuild(t, parts)


def _transposed(t: Term, n: Dim) -> Term | None:
    return along(t.args[0], n)


def _quotient(t: Term, n: Dim) -> Term | None:
    top = along(t.args[0], n)
    fixed = lowered(t.args[1])
    if top is None:
        return None
    if fixed is not None:
        return T.div(top, fixed)
    below = along(t.args[1], n)
    if below is None:
        return None
    if t.is_scalar:
        one = lowered(t.args[0]) is T.number(1)
        return T.hdiv(T.number(1) if one else top, below)
    return T.mul(T.make("diag", T.hdiv(T.number(1), below)), top)


def _entrywise(t: Term, n: Dim) -> Term | None:
    if t.op == "hdiv" and t.args[0].is_scalar:
        top, inside = lowered(t.args[0]), along(t.args[1], n)
        return None if top is None or inside is None else T.hdiv(top, inside)
    parts = _all(lambda a: along(a, n), t.args)
    if parts is None:
        return None
    return T.hdiv(parts[0], parts[1]) if t.op == "hdiv" else T.had(*parts)


def _power(t: Term, n: Dim) -> Term | None:
    exponent = lowered(t.args[1])
    squared = _squared_norm(t, n)
    if squared is not None:
        return squared
    base = along(t.args[0], n)
    return None if exponent is None or base is None else T.hpower(base, exponent)


def _squared_norm(t: Term, n: Dim) -> Term | None:
    """``norm2(a)^2`` as the row sums of squares."""
    base, exponent = t.args
    if base.op not in ("norm2", "normF") or ONE not in base.args[0].shape or exponent is not T.number(2):
        return None
    rows = along(base.args[0], n)
    return None if rows is None else T.mul(T.hpower(rows, 2), T.ones(rows.shape.cols))


def _function(t: Term, n: Dim) -> Term | None:
    inside = along(t.args[0], n)
    return None if inside is None else T.fn(t.data[0], inside, t.data[1])


def _by_rows(t: Term, n: Dim) -> Term | None:
    """A softmax or log-sum-exp of a column is one of the rows."""
    inside = along(t.args[0], n) if ONE in t.args[0].shape and t.data is None else None
    return None if inside is None else T.make(t.op, inside, data=ROWWISE)


def _total(t: Term, n: Dim) -> Term | None:
    inside = along(t.args[0], n) if ONE in t.args[0].shape else None
    return None if inside is None else T.mul(inside, T.ones(inside.shape.cols))


def _norm(t: Term, n: Dim) -> Term | None:
    inside = along(t.args[0], n) if ONE in t.args[0].shape else None
    if inside is None:
        return None
    return T.fn("sqrt", T.mul(T.hpower(inside, 2), T.ones(inside.shape.cols)))


def _chain(t: Term, n: Dim) -> Term | None:
    """A product: numbers weigh the rest, a factor at an end that does not move acts on all rows alike."""
    numbers, shaped = _segments([a for a in t.args if not a.is_scalar])
    scalars = [*(a for a in t.args if a.is_scalar), *numbers]
    if len(shaped) > 1:
        return None
    if len(scalars) == 1 and not shaped:
        return _segment(scalars[0].args, n)
    fixed = [o for s in scalars if (o := lowered(s)) is not None]
    columns = _all(lambda s: along(s, n), [s for s in scalars if _moves(s)])
    if columns is None:
        return None
    column = None if not columns else columns[0] if len(columns) == 1 else T.had(*columns)
    out = column if not shaped else _weighted_rows(shaped[0], column, n)
    return None if out is None else T.mul(*fixed, out) if fixed else out


def _weighted_rows(t: Term, weight: Term | None, n: Dim) -> Term | None:
    """A column or a row as rows, each with its weight."""
    outside = lowered(t)
    if outside is not None and weight is not None:  # the same row, weighted
        return T.mul(weight, T.transpose(outside) if outside.shape.cols is ONE else outside)
    rows = _segment(t.args if t.op == "mul" else (t,), n) if outside is None else along(t, n)
    if rows is None or weight is None:
        return rows
    return T.mul(T.make("diag", weight), rows)


def _segment(factors: Sequence[Term], n: Dim) -> Term | None:
    """A chain without an inner size 1: a column, a row, or a number from a row to a column."""
    if factors[0].shape.rows is ONE and factors[-1].shape.cols is ONE:
        return _form(factors, n)
    if factors[0].shape.rows is ONE:
        head, rest = factors[0], factors[1:]
        if not rest:
            return along(head, n)
        if lowered(head) is not None:  # the row is the same: what moves is further to the right
            return None
        rows = along(head, n)
        outside = _all(lowered, rest)
        return None if rows is None or outside is None else _product([rows, *outside])
    *before, column = factors
    if not before:
        return along(column, n)
    rows = along(column, n)
    if rows is None:
        return None
    for f in reversed(before):
        fixed = lowered(f)
        if fixed is not None:
            rows = _product([rows, _turned(fixed)])
        elif f.op == "diag":
            scale = along(f.args[0], n)
            if scale is None:
                return None
            rows = T.had(scale, rows)
        else:
            return None
    return rows


def _turned(t: Term) -> Term:
    if t.op == "neg":
        return T.neg(_turned(t.args[0]))
    return t.args[0] if t.op == "transpose" else t if t.op in ("eye", "diag") else T.transpose(t)


def _form(factors: Sequence[Term], n: Dim) -> Term | None:
    """``u'*A*v`` as a column: one end moves, or both do."""
    row, *inner, column = factors
    outside = _all(lowered, inner)
    if outside is None:
        return _diagonal_form(row, inner, column, n)
    ends = lowered(row), lowered(column)
    if ends[0] is None and ends[1] is not None:
        rows = along(row, n)
        return None if rows is None else _product([rows, *outside, ends[1]])
    if ends[0] is not None and ends[1] is None:
        rows = along(column, n)
        back = [_turned(f) for f in reversed(outside)]
        return None if rows is None else _product([rows, *back, _turned(ends[0])])
    left, right = along(row, n), along(column, n)
    if left is None or right is None:
        return None
    left = _product([left, *outside])
    if left.op == "eye" or right.op == "eye":  # the entries on the diagonal
        other = right if left.op == "eye" else left
        return T.ones(n) if other.op == "eye" else T.make("diagvec", other)
    return T.mul(T.had(left, right), T.ones(left.shape.cols))


def _diagonal_form(row: Term, inner: Sequence[Term], column: Term, n: Dim) -> Term | None:
    if len(inner) != 1 or inner[0].op != "diag":
        return None
    parts = _all(lambda a: along(a, n), (row, inner[0].args[0], column))
    return None if parts is None else T.mul(T.had(*parts), T.ones(parts[0].shape.cols))


_ALONG: dict[str, Callable[[Term, Dim], Term | None]] = {
    "unit": _unit,
    "add": _linear,
    "neg": _linear,
    "mul": _chain,
    "div": _quotient,
    "transpose": _transposed,
    "had": _entrywise,
    "hdiv": _entrywise,
    "pow": _power,
    "hpow": _power,
    "fn": _function,
    "softmax": _by_rows,
    "logsumexp": _by_rows,
    "sum": _total,
    "norm2": _norm,
    "normF": _norm,
}
