"""How the matrix of a linear map is read off a column (or a scalar), one rule for each operation that can head one."""

from __future__ import annotations

from collections.abc import Mapping

from matcalc.calculus.jacobian_parts import (
    Form,
    Reading,
    Rule,
    compose,
    diagonal_of,
    entrywise,
    flipped,
    kronecker,
    numel,
    split,
    stacked,
)
from matcalc.language.dims import ONE
from matcalc.language.terms import Term, eye, ones

__all__ = ["COLUMN"]


def _variable(t: Term, context: Term | None, form: Form) -> Term:
    return eye(t.shape.rows)


def _product(t: Term, context: Term | None, form: Form) -> Reading:
    """``left*core*right`` is a column, so only three shapes of the core can be."""
    _, left, core, right = split(t, form)
    if core.shape.cols is ONE:  # what is right of it is a scalar
        part = yield "column", core, None
        return compose(right, compose(left, part))
    assert right is not None
    if core.shape.rows is ONE:  # core*right is a scalar: right'*core'
        part = yield "column", flipped(core, form), None
        return compose(left, compose(flipped(right, form), part))
    return compose(left, (yield "apply", core, right))


def _hadamard(t: Term, context: Term | None, form: Form) -> Reading:
    inside = [a for a in t.args if form.holds(a)]
    if len(inside) != 1:
        raise form.not_linear(t)
    others = [a for a in t.args if a is not inside[0]]
    weight = others[0]
    for v in others[1:]:
        weight = entrywise(weight, v)
    part = yield "column", inside[0], None
    return compose(diagonal_of(weight) if not weight.is_scalar else weight, part)


def _transpose(t: Term, context: Term | None, form: Form) -> Reading:
    """A row made a column."""
    row = t.args[0]
    if row is form.h or row.op == "unvec":  # a row read through vec is its transpose
        if row is form.h:
            return eye(numel(row))
        return (yield "column", row.args[0], None)
    inward = flipped(row, form)
    if inward is t:
        raise form.no_matrix(row)
    return (yield "column", inward, None)


def _vec(t: Term, context: Term | None, form: Form) -> Reading:
    return (yield "vec", t.args[0], None)


def _unvec(t: Term, context: Term | None, form: Form) -> Reading:
    return (yield "column", t.args[0], None)


def _diagvec(t: Term, context: Term | None, form: Form) -> Reading:
    return (yield "diagonal", t.args[0], None)


def _kron(t: Term, context: Term | None, form: Form) -> Reading:
    """``kron(u, t, w)`` of columns is ``kron(u, M, w)`` times the variable."""
    if sum(form.holds(a) for a in t.args) != 1:
        raise form.not_linear(t)
    factors = []
    for a in t.args:
        factors.append((yield "column", a, None) if form.holds(a) else a)
    return kronecker(*factors)


def _trace(t: Term, context: Term | None, form: Form) -> Reading:
    return (yield "trace", t.args[0], None)


def _sum(t: Term, context: Term | None, form: Form) -> Reading:
    s = t.args[0].shape
    if s.is_scalar:
        return (yield "column", t.args[0], None)
    if s.is_matrix:
        return (yield "trace", t.args[0], ones(s.cols, s.rows))
    column = t.args[0] if s.cols is ONE else flipped(t.args[0], form)
    return compose(ones(1, column.shape.rows), (yield "column", column, None))


def _inner(t: Term, context: Term | None, form: Form) -> Reading:
    """``inner(G, H) = tr(G'*H)``; on the left side of a column it is ``G'*H``."""
    g, k = t.args
    if form.holds(g) and form.holds(k):
        raise form.not_linear(t)
    if form.holds(g):
        g, k = k, g
    if k.shape.is_matrix:
        return (yield "trace", k, flipped(g, form))
    column = k if k.shape.cols is ONE else flipped(k, form)
    weight = stacked(g)
    return compose(flipped(weight, form), (yield "column", column, None))


def _scalar(t: Term, context: Term | None, form: Form) -> Reading:
    """``diag`` of a scalar is the scalar."""
    return (yield "column", t.args[0], None)


COLUMN: Mapping[str, Rule] = {
    "h": _variable,
    "mul": _product,
    "had": _hadamard,
    "transpose": _transpose,
    "vec": _vec,
    "unvec": _unvec,
    "diag": _scalar,
    "diagvec": _diagvec,
    "kron": _kron,
    "tr": _trace,
    "sum": _sum,
    "inner": _inner,
}
