"""The matrix of a linear map: ``vec(L(H)) = M*vec(H)``, read off the structure of the term ``L(H)``.

One idea: what is linear in H is a tree of operations that are linear in one argument, and each operation has a
matrix.  Five *readings* of such a tree are enough:

- ``column``    of a column (or a scalar) t:          t = M*vec(H)
- ``vec``       of a matrix T:                  vec(T) = M*vec(H)
- ``apply``     of a matrix T and a column v:      T*v = M*vec(H)
- ``trace``     of a matrix T and a matrix G:  tr(G*T) = M*vec(H)
- ``diagonal``  of a square matrix T:         diag(T) = M*vec(H)

``apply``, ``trace`` and ``diagonal`` carry their surroundings inwards, so that ``diag(h)*v`` is read as ``diag(v)`` and
no Kronecker product appears where H is a vector and the plain form exists.

Invariants: H does not occur in the matrix; a product is multiplied out only where it has to get into a sum; depth is no
limit (the readings run on a stack of their own) and a shared subterm is read once.
"""

from __future__ import annotations

from collections.abc import Mapping

from matcalc.calculus.jacobian_columns import COLUMN
from matcalc.calculus.jacobian_matrices import APPLY, DIAGONAL, TRACE, VEC
from matcalc.calculus.jacobian_parts import (
    Form,
    Goal,
    Reading,
    Rule,
    compose,
    flipped,
    negative,
    numel,
    outer,
    over,
    product,
    reciprocal,
    scaled,
    split,
    surround,
    without_ones,
)
from matcalc.language.binders import lifted
from matcalc.language.dims import ONE
from matcalc.language.terms import Term, add, had, make, mul, number, replace, subterms, zeros

__all__ = ["READINGS", "matrix_of"]

READINGS: Mapping[str, Mapping[str, Rule]] = {
    "column": COLUMN,
    "vec": VEC,
    "apply": APPLY,
    "trace": TRACE,
    "diagonal": DIAGONAL,
}


def matrix_of(linear: Term, h: Term, facts: Mapping[str, frozenset[str]] | None = None) -> Term:
    """The term M, free of ``h``, with ``vec(linear) = M*vec(h)``; for a scalar h ``linear = M*h`` with M of its shape.

    Matrices are read column by column; a scalar ``linear`` gives a row.  Raises CannotDerive where the term is not
    linear in ``h`` or the language has no closed form.
    """
    if h.is_scalar:
        _require_linear(linear, h)
        return without_ones(replace(linear, {h: number(1)}))
    form = Form(h, facts or {})
    reading = "column" if linear.shape.cols is ONE or linear.shape.rows is ONE else "vec"
    start = linear if linear.shape.cols is ONE or reading == "vec" else flipped(linear, form)
    return _run((reading, start, None), form)


def _require_linear(linear: Term, h: Term) -> None:
    """A term linear in a scalar is its value at one: that h occurs only where operations are linear is checked here."""
    form = Form(h, {})
    for t in subterms(linear):
        if t is h or not form.holds(t):
            continue
        if t.op not in LINEAR_OPS or (t.op in FIRST_ONLY and form.holds(t.args[1])):
            raise form.not_linear(t)
        if t.op in EACH and sum(form.holds(a) for a in t.args) > 1:
            raise form.not_linear(t)
        if t.op == "add" and not all(form.holds(a) or form.is_zero(a) for a in t.args):
            raise form.not_linear(t)


EACH = frozenset(("mul", "had", "kron", "inner"))
FIRST_ONLY = frozenset(("div", "hdiv"))
JOINT = frozenset(("add", "neg", "transpose", "tr", "sum", "diag", "diagvec", "vec", "unvec", "sumover", "stack"))
LINEAR_OPS = EACH | FIRST_ONLY | JOINT


# ------------------------------------------------------------------------ run
def _run(goal: Goal, form: Form) -> Term:
    """Read a goal, and every goal it asks for, on a stack of our own."""
    done: dict[Goal, Term] = {}
    stack: list[tuple[Goal, Reading]] = [(goal, _read(goal, form))]
    value: Term | None = None
    while stack:
        current, reading = stack[-1]
        try:
            asked = next(reading) if value is None else reading.send(value)
        except StopIteration as stop:
            done[current] = stop.value
            value = stop.value
            stack.pop()
            continue
        value = done.get(asked)
        if value is None:
            stack.append((asked, _read(asked, form)))
    return done[goal]


def _read(goal: Goal, form: Form) -> Reading:
    """What is the same in every reading comes first; then the row of the operation in the reading's own table."""
    name, t, context = goal
    if not form.holds(t):
        if form.is_zero(t):
            return zeros(numel(surround(name, t, context)), numel(form.h))
        raise form.not_linear(t)
    if name != "column" and not t.shape.is_matrix:
        return (yield from _thin(name, t, context, form))
    if t.op == "add":
        parts = []
        for a in t.args:
            if form.holds(a) or not form.is_zero(a):
                parts.append((yield name, a, context))
        return parts[0] if len(parts) == 1 else add(*parts)
    if t.op == "neg":
        return negative((yield name, t.args[0], context))
    if t.op == "sumover":
        inside = yield name, t.args[0], None if context is None else lifted(context)
        return make("sumover", inside, data=t.data)
    if t.op == "div":
        if form.holds(t.args[1]):
            raise form.not_linear(t)
        return over((yield name, t.args[0], context), t.args[1])
    if t.op == "hdiv":
        if form.holds(t.args[1]):
            raise form.not_linear(t)
        combine = mul if t.args[0].is_scalar else had
        return (yield name, combine(reciprocal(t.args[1]), t.args[0]), context)
    if t.op == "mul":
        scalars, left, core, right = split(t, form)
        if core.is_scalar:
            rest = product(left, right)
            shape = surround(name, number(1) if rest is None else rest, context)
            return outer(scaled(scalars, shape), (yield "column", core, None))
        if scalars:
            rest = product(left, core, right)
            assert rest is not None
            return scaled(scalars, (yield name, rest, context))
    rule = READINGS[name].get("h" if t is form.h else t.op)
    if rule is None:
        raise form.no_matrix(t)
    result = rule(t, context, form)
    return result if isinstance(result, Term) else (yield from result)


def _thin(name: str, t: Term, context: Term | None, form: Form) -> Reading:
    """The readings of a matrix, of something that is a column, a row or a scalar."""
    column = t if t.shape.cols is ONE else flipped(t, form)
    part = yield "column", column, None
    if name == "vec" or (name == "trace" and context is None):
        return part
    if name == "trace":
        assert context is not None
        return compose(context if t.shape.cols is ONE else flipped(context, form), part)
    if name == "apply":
        assert context is not None
        if t.shape.cols is ONE:  # a column times a scalar
            return compose(context, part)
        return compose(flipped(context, form), part)
    return part  # the diagonal of a scalar
