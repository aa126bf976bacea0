"""How the matrix of a linear map is read off a matrix: through ``vec``, times a column, under a trace, on the diagonal.

Surroundings travel inwards.  A Hadamard product with something of rank one is a product with diagonals,
``D.*(c*r') = diag(c)*D*diag(r)``, and ``(D.*(L*diag(t)*R))*v = (L.*(D*diag(v)*R'))*t``; these two keep the maps of a
vector plain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from matcalc.calculus.jacobian_parts import (
    Form,
    Reading,
    Rule,
    commute,
    compose,
    diagonal_of,
    diagonal_part,
    entrywise,
    flipped,
    khatri_rao,
    kronecker,
    numel,
    product,
    reciprocal,
    split,
    stacked,
)
from matcalc.language.dims import ONE
from matcalc.language.terms import Term, add, div, eye, had, make, mul, neg, transpose

Wrap = Callable[[Term], Term]

__all__ = ["APPLY", "DIAGONAL", "TRACE", "VEC"]


def _mask(t: Term, form: Form) -> tuple[Term, Term]:
    """A Hadamard product as (constant, what holds the variable)."""
    inside = [a for a in t.args if form.holds(a)]
    if len(inside) != 1:
        raise form.not_linear(t)
    others = [a for a in t.args if a is not inside[0]]
    return (others[0] if len(others) == 1 else had(*others)), inside[0]


def _chain(left: Term | None, core: Term, right: Term | None) -> Term:
    whole = product(left, core, right)
    assert whole is not None
    return whole


# ------------------------------------------------------------------------- vec
def _vec_variable(t: Term, context: Term | None, form: Form) -> Term:
    return eye(numel(t))


def _vec_product(t: Term, context: Term | None, form: Form) -> Reading:
    """``vec(L*T*R) = kron(R', L)*vec(T)``."""
    _, left, core, right = split(t, form)
    a = eye(core.shape.rows) if left is None else left
    b = eye(core.shape.cols) if right is None else flipped(right, form)
    if core.op == "diag":
        return compose(khatri_rao(b, a), (yield "column", core.args[0], None))
    return compose(kronecker(b, a), (yield "vec", core, None))


def _vec_hadamard(t: Term, context: Term | None, form: Form) -> Reading:
    mask, inside = _mask(t, form)
    return compose(diagonal_of(stacked(mask)), (yield "vec", inside, None))


def _vec_transpose(t: Term, context: Term | None, form: Form) -> Reading:
    inside = t.args[0]
    inward = flipped(inside, form)
    if inward is not t:
        return (yield "vec", inward, None)
    return compose(commute(*inside.shape), (yield "vec", inside, None))


def _vec_diag(t: Term, context: Term | None, form: Form) -> Reading:
    n = t.shape.rows
    return compose(khatri_rao(eye(n), eye(n)), (yield "column", t.args[0], None))


def _vec_unvec(t: Term, context: Term | None, form: Form) -> Reading:
    return (yield "column", t.args[0], None)


def _vec_kron(t: Term, context: Term | None, form: Form) -> Reading:
    """``vec(kron(A, B)) = kron(I, K, I)*kron(vec(A), vec(B))``, from the variable outwards."""
    at = [i for i, a in enumerate(t.args) if form.holds(a)]
    if len(at) != 1:
        raise form.not_linear(t)
    core = t.args[at[0]]
    matrix = yield "vec", core, None
    shape = core.shape
    for b in t.args[at[0] + 1 :]:
        order = kronecker(eye(shape.cols), commute(b.shape.cols, shape.rows), eye(b.shape.rows))
        matrix = compose(order, kronecker(matrix, stacked(b)))
        shape = type(shape)(shape.rows * b.shape.rows, shape.cols * b.shape.cols)
    for a in reversed(t.args[: at[0]]):
        order = kronecker(eye(a.shape.cols), commute(shape.cols, a.shape.rows), eye(shape.rows))
        matrix = compose(order, kronecker(stacked(a), matrix))
        shape = type(shape)(shape.rows * a.shape.rows, shape.cols * a.shape.cols)
    return matrix


VEC: Mapping[str, Rule] = {
    "h": _vec_variable,
    "mul": _vec_product,
    "had": _vec_hadamard,
    "transpose": _vec_transpose,
    "diag": _vec_diag,
    "unvec": _vec_unvec,
    "kron": _vec_kron,
}


# ------------------------------------------------------------- times a column
def _apply_by_vec(t: Term, v: Term | None, form: Form) -> Reading:
    """``T*v = kron(v', I)*vec(T)``."""
    assert v is not None
    return compose(kronecker(flipped(v, form), eye(t.shape.rows)), (yield "vec", t, None))


def _apply_product(t: Term, v: Term | None, form: Form) -> Reading:
    _, left, core, right = split(t, form)
    assert v is not None
    column = v if right is None else compose(right, v)
    if core.shape.cols is ONE:  # right*v is a scalar
        return compose(column, compose(left, (yield "column", core, None)))
    if core.shape.rows is ONE:  # core*column is a scalar
        part = yield "column", flipped(core, form), None
        return compose(left, compose(flipped(column, form), part))
    return compose(left, (yield "apply", core, column))


def _apply_transpose(t: Term, v: Term | None, form: Form) -> Reading:
    inside = t.args[0]
    assert v is not None
    inward = flipped(inside, form)
    if inward is not t:
        return (yield "apply", inward, v)
    across = kronecker(eye(t.shape.rows), flipped(v, form))  # T'*v = vec(v'*T)
    return across if inside is form.h else compose(across, (yield "vec", inside, None))


def _apply_diag(t: Term, v: Term | None, form: Form) -> Reading:
    assert v is not None
    return compose(diagonal_of(v), (yield "column", t.args[0], None))


def _apply_hadamard(t: Term, v: Term | None, form: Form) -> Reading:
    mask, inside = _mask(t, form)
    assert v is not None
    plain = _unmasked(mask, inside, form)
    if plain is not None:
        return (yield "apply", plain, v)
    if inside.op == "mul":
        _, left, core, right = split(inside, form)
        if core.op == "diag":  # both sides are there, or it would be plain
            assert left is not None and right is not None
            weights = had(left, mul(mask, diagonal_of(v), flipped(right, form)))
            return compose(weights, (yield "column", core.args[0], None))
    return (yield from _apply_by_vec(t, v, form))


def _apply_kron(t: Term, v: Term | None, form: Form) -> Reading:
    """``kron(P, Q)*v = vec(Q*unvec(v)*P')``."""
    assert v is not None
    p, q = t.args[0], t.args[1:]
    second = q[0] if len(q) == 1 else make("kron", *q)
    grid = make("unvec", v, data=(second.shape.cols, p.shape.cols))
    if p.shape.cols is ONE:
        grid = v
    return (yield "vec", mul(second, grid, flipped(p, form)), None)


APPLY: Mapping[str, Rule] = {
    "h": _apply_by_vec,
    "mul": _apply_product,
    "had": _apply_hadamard,
    "transpose": _apply_transpose,
    "diag": _apply_diag,
    "unvec": _apply_by_vec,
    "kron": _apply_kron,
}


def _unmasked(mask: Term, inside: Term, form: Form) -> Term | None:
    """``mask.*inside`` with the mask moved out of the way of the variable; None where it cannot be."""
    op = inside.op
    if op == "add":
        return add(*(had(mask, a) if form.holds(a) else a for a in inside.args if form.holds(a) or not form.is_zero(a)))
    if op == "neg":
        return neg(had(mask, inside.args[0]))
    if op == "div":
        return div(had(mask, inside.args[0]), inside.args[1])
    if op == "hdiv":
        top, weights = inside.args[0], had(mask, reciprocal(inside.args[1]))
        return mul(weights, top) if top.is_scalar else had(weights, top)
    if op == "diag":  # D.*diag(t) = diag(diag(D).*t)
        return make("diag", had(diagonal_part(mask), inside.args[0]))
    if op == "transpose":
        inward = flipped(inside.args[0], form)
        return None if inward is inside else had(mask, inward)
    return _unmasked_product(mask, inside, form) if op == "mul" else None


def _unmasked_product(mask: Term, inside: Term, form: Form) -> Term | None:
    scalars, left, core, right = split(inside, form)
    if core.is_scalar:
        rest = product(left, right)
        return mul(*scalars, had(mask, rest) if rest is not None else mask, core)
    if scalars:
        return mul(*scalars, had(mask, _chain(left, core, right)))
    if core.shape.cols is ONE or core.shape.rows is ONE:  # rank one
        column = _chain(left, core, None) if core.shape.cols is ONE else left
        row = right if core.shape.cols is ONE else _chain(None, core, right)
        assert column is not None and row is not None
        return mul(make("diag", column), mask, make("diag", flipped(row, form)))
    if core.op == "diag" and left is None:
        assert right is not None
        return mul(core, had(mask, right))
    if core.op == "diag" and right is None:
        assert left is not None
        return mul(had(mask, left), core)
    return _unfolded(left, core, right, form, lambda part: had(mask, part))


def _unfolded(left: Term | None, core: Term, right: Term | None, form: Form, wrap: Wrap) -> Term | None:
    """A product around a core that can be opened, ``L*(D.*(c*r'))*R`` or ``L*(S + T)*R``; each part is wrapped."""
    if core.op == "add":
        return add(*(wrap(_chain(left, a, right)) for a in core.args if form.holds(a) or not form.is_zero(a)))
    if core.op == "neg":
        return neg(wrap(_chain(left, core.args[0], right)))
    if core.op == "div":
        return div(wrap(_chain(left, core.args[0], right)), core.args[1])
    if core.op == "transpose":
        inward = flipped(core.args[0], form)
        return None if inward is core else wrap(_chain(left, inward, right))
    if core.op == "had":
        plain = _unmasked(*_mask(core, form), form)
        return None if plain is None else wrap(_chain(left, plain, right))
    return None


# ---------------------------------------------------------------- under a trace
def _trace_by_vec(t: Term, g: Term | None, form: Form) -> Reading:
    """``tr(G*T) = vec(G')'*vec(T)``."""
    weight = eye(t.shape.rows) if g is None else flipped(g, form)
    return compose(transpose(stacked(weight)), (yield "vec", t, None))


def _trace_product(t: Term, g: Term | None, form: Form) -> Reading:
    """``tr(G*L*T*R) = tr((R*G*L)*T)``."""
    _, left, core, right = split(t, form)
    around = product(right, g, left)
    if around is None:
        raise AssertionError("a product of one factor")
    return (yield "trace", core, around)


def _trace_hadamard(t: Term, g: Term | None, form: Form) -> Reading:
    """``tr(G*(D.*T)) = tr((G.*D')*T)``."""
    mask, inside = _mask(t, form)
    weight = make("diag", diagonal_part(mask)) if g is None else entrywise(g, flipped(mask, form))
    return (yield "trace", inside, weight)


def _trace_transpose(t: Term, g: Term | None, form: Form) -> Reading:
    return (yield "trace", t.args[0], None if g is None else flipped(g, form))


def _trace_diag(t: Term, g: Term | None, form: Form) -> Reading:
    weight = eye(t.shape.rows) if g is None else g
    return compose(transpose(diagonal_part(weight)), (yield "column", t.args[0], None))


TRACE: Mapping[str, Rule] = {
    "h": _trace_by_vec,
    "mul": _trace_product,
    "had": _trace_hadamard,
    "transpose": _trace_transpose,
    "diag": _trace_diag,
    "unvec": _trace_by_vec,
    "kron": _trace_by_vec,
}


# -------------------------------------------------------------- on the diagonal
def _diagonal_by_vec(t: Term, context: Term | None, form: Form) -> Reading:
    n = t.shape.rows
    return compose(transpose(khatri_rao(eye(n), eye(n))), (yield "vec", t, None))


def _diagonal_product(t: Term, context: Term | None, form: Form) -> Reading:
    _, left, core, right = split(t, form)
    if core.shape.cols is ONE:  # L*t*r' has the diagonal r.*(L*t)
        assert right is not None
        return compose(diagonal_of(flipped(right, form)), compose(left, (yield "column", core, None)))
    if core.shape.rows is ONE:
        assert left is not None
        part = yield "column", flipped(core, form), None
        return compose(diagonal_of(left), compose(None if right is None else flipped(right, form), part))
    a = eye(core.shape.rows) if left is None else left
    b = eye(core.shape.cols) if right is None else flipped(right, form)
    if core.op == "diag":
        weights = entrywise(a, b) if left is not None and right is not None else make("diag", diagonal_part(mul(a, b)))
        return compose(weights, (yield "column", core.args[0], None))
    if core is form.h or core.op == "unvec":  # entry i is row i of L times H times column i of R
        matrix = yield "vec", core, None
        return compose(transpose(khatri_rao(transpose(b), transpose(a))), matrix)
    if core.op == "transpose" and (core.args[0] is form.h or core.args[0].op == "unvec"):
        return (yield "diagonal", _chain(b, core.args[0], flipped(a, form)), None)
    plain = _unfolded(left, core, right, form, lambda part: part)
    if plain is not None:
        return (yield "diagonal", plain, None)
    return (yield from _diagonal_by_vec(t, context, form))


def _diagonal_hadamard(t: Term, context: Term | None, form: Form) -> Reading:
    mask, inside = _mask(t, form)
    return compose(diagonal_of(diagonal_part(mask)), (yield "diagonal", inside, None))


def _diagonal_transpose(t: Term, context: Term | None, form: Form) -> Reading:
    return (yield "diagonal", t.args[0], None)


def _diagonal_diag(t: Term, context: Term | None, form: Form) -> Reading:
    return (yield "column", t.args[0], None)


DIAGONAL: Mapping[str, Rule] = {
    "h": _diagonal_by_vec,
    "mul": _diagonal_product,
    "had": _diagonal_hadamard,
    "transpose": _diagonal_transpose,
    "diag": _diagonal_diag,
    "unvec": _diagonal_by_vec,
    "kron": _diagonal_by_vec,
}
