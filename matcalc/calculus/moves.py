"""Moves that no rule of the book can state: definitions, functions of several arguments, powers written out, numbers
folded, cotangents added, a gradient read off.

A move is a function of the subterm it replaces (and of the named terms it is given), so that it can be done again when
a derivation is replayed.  ``MOVES`` is the whole list; a step whose rule is neither here nor in the book is no step.

Invariant: a move returns None where it does not apply, and never a term of another value (a reading changes the
question, not the value: see ``READINGS``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from matcalc.calculus.arithmetic import is_zero, numeral, tidy
from matcalc.calculus.jacobian import matrix_of
from matcalc.language import terms
from matcalc.language.binders import substitute_index
from matcalc.language.dims import ONE, dim
from matcalc.language.gathering import along, gathered_sums
from matcalc.language.terms import Path, Term, at, differential, make, put
from matcalc.rewriting.engine import Setting
from matcalc.rewriting.normal import normal_form
from matcalc.rewriting.steps import Step

__all__ = ["MOVES", "READINGS", "move", "read_gradient"]

Given = Mapping[str, Term]
Move = Callable[[Term, Given, Setting], Term | None]


def move(
    name: str,
    line: Term,
    setting: Setting,
    path: Path = (),
    given: Given | None = None,
    reason: str = "",
    level: int = 2,
    label: str = "",
) -> Step | None:
    """The step that makes a move at a path of a line, or None where it does not apply."""
    given = given or {}
    new = MOVES[name](at(line, path), given, setting)
    if new is None:
        return None
    after = new if name in READINGS else put(line, path, new)
    return Step(name, line, after, reason or REASONS[name], label, path, bindings=dict(given), level=level)


# ---------------------------------------------------------------------- definitions
def _definition(t: Term, given: Given, setting: Setting) -> Term | None:
    """A name, or the differential of a name, becomes that of its definition."""
    name = t.args[0] if t.op == "d" else t
    body = setting.definitions.get(name.data) if name.op == "sym" else None
    if body is None:
        return None
    return differential(body) if t.op == "d" else body


def _introduce(t: Term, given: Given, setting: Setting) -> Term | None:
    """A subterm gets a name, everywhere."""
    return terms.replace(t, {body: terms.symbol(name, *body.shape) for name, body in given.items()})


def _put_back(t: Term, given: Given, setting: Setting) -> Term | None:
    """A name that a derivation introduced is replaced by what it stands for, everywhere."""
    return terms.replace(t, {terms.symbol(name, *body.shape): body for name, body in given.items()})


# ----------------------------------------------------------------- opaque functions
def _as_column(t: Term) -> Term:
    return t if t.shape.cols is ONE else make("vec", t)


def _in_shape(t: Term, like: Term) -> Term:
    return t if like.shape.cols is ONE else make("unvec", t, data=tuple(like.shape))


def _opaque(t: Term, given: Given, setting: Setting) -> Term | None:
    """The total differential of an opaque function: one term for every argument that varies."""
    inside = t.args[0] if t.op == "d" else t
    part = _PARTS.get(inside.op)
    if part is None or t.op != "d":
        return None
    varying = [i for i, a in enumerate(inside.args) if not setting.constant(a)]
    parts = [part(inside, i) for i in varying]
    return terms.add(*parts) if parts else terms.zeros(*inside.shape)


def _part_of_call(f: Term, i: int) -> Term:
    name, rows, cols = f.data
    change = differential(f.args[i])
    if f.is_scalar:
        return terms.inner(make("grad", *f.args, data=(name, i)), change)
    slope = make("jac", *f.args, data=(name, i, rows, cols))
    return _in_shape(terms.mul(slope, _as_column(change)), f)


def _part_of_gradient(g: Term, i: int) -> Term:
    name, position = g.data
    curvature = make("hess", *g.args, data=(name, position, i))
    return _in_shape(terms.mul(curvature, _as_column(differential(g.args[i]))), g)


_PARTS: dict[str, Callable[[Term, int], Term]] = {"call": _part_of_call, "grad": _part_of_gradient}


# -------------------------------------------------------------------------- powers
def _power_product(t: Term, given: Given, setting: Setting) -> Term | None:
    """A whole power of a matrix, written out by one factor."""
    exponent = numeral(t.args[1]) if t.op == "pow" else None
    if exponent is None or exponent.denominator != 1:
        return None
    base, k = t.args[0], int(exponent)
    if k < 0:
        inverse = make("inv", base)
        return inverse if k == -1 else terms.power(inverse, -k)
    if k < 2:
        return base if k == 1 else terms.eye(t.shape.rows)
    return terms.mul(base, base if k == 2 else terms.power(base, k - 1))


# ---------------------------------------------------------------------------- rows
def _as_column_function(t: Term, given: Given, setting: Setting) -> Term | None:
    """A function of a row is that of the column: the rules of the book are stated for columns."""
    if t.op not in ("softmax", "logsumexp", "norm2") or not t.args[0].shape.is_row:
        return None
    of_column = make(t.op, terms.transpose(t.args[0]))
    return of_column if t.is_scalar else terms.transpose(of_column)


def _gathered(t: Term, given: Given, setting: Setting) -> Term | None:
    """Sums over the entries of matrices as products and sums of the matrices."""
    new = gathered_sums(t)
    return None if new is t else new


# -------------------------------------------------------------------------- tidying
def _expand(t: Term, given: Given, setting: Setting) -> Term | None:
    """Multiplied out, like terms collected; definitions are put in first."""
    for name, body in reversed(list(setting.definitions.items())):
        t = terms.replace(t, {terms.symbol(name, *body.shape): body})
    return normal_form(t, setting.facts)


def _arithmetic(t: Term, given: Given, setting: Setting) -> Term | None:
    return tidy(t)


def _turning(t: Term, given: Given, setting: Setting) -> Term | None:
    return tidy(t, turn=True)


# ---------------------------------------------------------------------- cotangents
def _unit_cotangent(t: Term, given: Given, setting: Setting) -> Term | None:
    return terms.inner(terms.number(1), t) if t.is_scalar else None


def _collect(t: Term, given: Given, setting: Setting) -> Term | None:
    """Inner products with the same change on the right are added, those under a sum over an index too."""
    summands = [_collected_under(s) for s in (t.args if t.op == "add" else (t,))]
    weights: dict[Term, list[Term]] = {}
    parts: list[Term | None] = []  # None: the inner products of the next change
    for s in summands:
        if s is None:
            return None
        if s.op == "sumover":
            parts.append(s)
        else:
            if s.args[1] not in weights:
                parts.append(None)
            weights.setdefault(s.args[1], []).append(s.args[0])
    made = iter(terms.inner(g[0] if len(g) == 1 else terms.add(*g), h) for h, g in weights.items())
    return terms.add(*(next(made) if p is None else p for p in parts))


def _collected_under(s: Term) -> Term | None:
    if s.op == "sumover":
        body = _collect(s.args[0], {}, Setting())
        return None if body is None else terms.rebuild(s, [body])
    return s if s.op == "inner" else None


# ------------------------------------------------------------------------ readings
def read_gradient(t: Term, change: Term) -> Term | None:
    """The gradient in a scalar line that is written ``inner(G, dx)``, ``g'*dx``, ``tr(M*dX)`` or a sum of such."""
    if t is change:
        return terms.number(1) if change.is_scalar else None
    if is_zero(t):
        return terms.zeros(*change.shape)
    if t.op == "neg":
        part = read_gradient(t.args[0], change)
        return part and terms.neg(part)
    if t.op == "add":
        parts = [read_gradient(s, change) for s in t.args]
        known = [p for p in parts if p is not None]
        return terms.add(*known) if len(known) == len(parts) else None
    if t.op == "div" and not t.args[1].tangent:
        part = read_gradient(t.args[0], change)
        return part and terms.div(part, t.args[1])
    if t.op == "inner" and t.args[1] is change and not t.args[0].tangent:
        return t.args[0]
    if t.op == "tr" and t.args[0] is change:
        return terms.eye(change.shape.rows)
    if t.op == "tr" and t.args[0].op == "mul":
        found = _before_change(t.args[0].args, change)
        scaled = found is not None and found.is_scalar and not change.is_scalar
        return terms.mul(found, terms.eye(change.shape.rows)) if found is not None and scaled else found
    if t.op == "mul" and not any(f.tangent for f in t.args[:-1]):
        if t.args[-1].op == "tr":
            part = read_gradient(t.args[-1], change)
            scalars = all(f.is_scalar for f in t.args[:-1])
            return terms.mul(*t.args[:-1], part) if part is not None and scalars else None
        return _before_change(t.args, change) if change.shape.cols is ONE else None
    return None


def _before_change(factors: tuple[Term, ...], change: Term) -> Term | None:
    """G where the factors are ``G'`` and the change."""
    if factors[-1] is not change or any(f.tangent for f in factors[:-1]):
        return None
    return tidy(terms.transpose(terms.mul(*factors[:-1])), turn=True)


def _read_off(t: Term, given: Given, setting: Setting) -> Term | None:
    found = read_gradient(t, given["d"])
    return None if found is None or found.shape != given["d"].shape else tidy(found, turn=True)


def _read_slope(t: Term, given: Given, setting: Setting) -> Term | None:
    """The derivative by a scalar: what is linear in the change, at the change one."""
    change = given["d"]
    return tidy(terms.replace(t, {change: terms.number(1)})) if change.is_scalar else None


def _read_matrix(t: Term, given: Given, setting: Setting) -> Term | None:
    if is_zero(t):
        outputs, inputs = t.shape, given["d"].shape
        return terms.zeros(outputs.rows * outputs.cols, inputs.rows * inputs.cols)
    return matrix_of(t, given["d"], setting.facts)


def _pair(t: Term, given: Given, setting: Setting) -> Term | None:
    return terms.inner(t, given["d"])


def _weigh(t: Term, given: Given, setting: Setting) -> Term | None:
    """A change paired with a cotangent: what it adds to the change of the objective."""
    return terms.inner(given["g"], t)


def _part_of(t: Term, given: Given, setting: Setting) -> Term | None:
    """The derivative by a part of a variable: rows and columns of that by the whole."""
    factors = (*([given["left"]] if "left" in given else []), t, *([given["right"]] if "right" in given else []))
    return terms.mul(*factors)


def _read_entry(t: Term, given: Given, setting: Setting) -> Term | None:
    """The derivative by one entry: the form, where only that entry changes, by one."""
    change = given["d"]
    sides = [given[k] if k == "row" else terms.transpose(given[k]) for k in ("row", "col") if k in given]
    one = terms.mul(*sides)
    return None if one.shape != change.shape else tidy(terms.replace(t, {change: one}), turn=True)


def _stacked_entries(t: Term, given: Given, setting: Setting) -> Term | None:
    """What holds for every index, for all of them together: entries as a row or a column, rows as a matrix."""
    side, unit_ = next(iter(given.items()))
    index, length = unit_.data
    rows = along(substitute_index(t, str(index), dim("#0")), length)
    if rows is None:
        return None
    return rows if side == "row" else tidy(terms.transpose(rows), turn=True)


def _same(t: Term, given: Given, setting: Setting) -> Term | None:
    """A sum as it stands: only the reason is told."""
    return t


def _start(t: Term, given: Given, setting: Setting) -> Term | None:
    return differential(t)


def _absent(t: Term, given: Given, setting: Setting) -> Term | None:
    """The derivative by a variable that does not occur; ``given`` tells its shape."""
    return given["zero"] if setting.constant(t) else None


def _transposed(t: Term, given: Given, setting: Setting) -> Term | None:
    return tidy(terms.transpose(t), turn=True)


def _turned(t: Term) -> Term:
    """The transpose, of a transpose what is under it."""
    return t.args[0] if t.op == "transpose" else terms.transpose(t)


def _symmetric_part(t: Term, given: Given, setting: Setting) -> Term | None:
    return terms.div(terms.add(t, _turned(t)), terms.number(2))


def _skew_part(t: Term, given: Given, setting: Setting) -> Term | None:
    return terms.div(terms.sub(t, _turned(t)), terms.number(2))


def _diagonal_part(t: Term, given: Given, setting: Setting) -> Term | None:
    return make("diag", make("diagvec", t))


def _symmetric_entries(t: Term, given: Given, setting: Setting) -> Term | None:
    return terms.add(t, _turned(t), terms.neg(terms.had(t, terms.eye(t.shape.rows))))


def _skew_entries(t: Term, given: Given, setting: Setting) -> Term | None:
    return terms.sub(t, _turned(t))


# Moves that change what the line is about: the value before and after are different things.
READINGS = frozenset(
    (
        "differential", "read-off", "read-slope", "read-matrix", "does-not-occur", "layout", "linear-transform",
        "read-part-of", "read-entry", "stack-entries",
        "pair", "weigh",
        "project-symmetric", "project-skew", "project-diagonal", "entries-symmetric", "entries-skew",
    )
)  # fmt: skip

MOVES: dict[str, Move] = {
    "definition": _definition,
    "introduce": _introduce,
    "put-back": _put_back,
    "by-name": _introduce,
    "total-differential": _opaque,
    "power-product": _power_product,
    "row-as-column": _as_column_function,
    "gather-entries": _gathered,
    "expand": _expand,
    "arithmetic": _arithmetic,
    "transposes": _turning,
    "unit-cotangent": _unit_cotangent,
    "collect": _collect,
    "differential": _start,
    "pair": _pair,
    "weigh": _weigh,
    "sum-contributions": _same,
    "read-off": _read_off,
    "read-slope": _read_slope,
    "read-part-of": _part_of,
    "read-entry": _read_entry,
    "stack-entries": _stacked_entries,
    "read-matrix": _read_matrix,
    "does-not-occur": _absent,
    "layout": _transposed,
    "project-symmetric": _symmetric_part,
    "project-skew": _skew_part,
    "project-diagonal": _diagonal_part,
    "entries-symmetric": _symmetric_entries,
    "entries-skew": _skew_entries,
}

REASONS: dict[str, str] = {
    "definition": "by definition",
    "introduce": "with a name for the inner part",
    "put-back": "the name is replaced by what it stands for",
    "by-name": "what is defined is called by its name",
    "total-differential": "the differential of a function of several arguments has one term for each",
    "row-as-column": "a row is a transposed column",
    "gather-entries": "sums over the entries are products and sums of the matrices",
    "power-product": "a power is a product",
    "expand": "multiply out and collect",
    "arithmetic": "numbers, signs and zeros",
    "transposes": "numbers, signs and transposes",
    "unit-cotangent": "a number is its inner product with 1",
    "collect": "what is paired with the same change is added",
    "differential": "take differentials",
    "pair": "the gradient is paired with the change",
    "weigh": "the change is paired with its cotangent",
    "sum-contributions": "what comes back along every edge is added",
    "read-off": "read off the gradient",
    "read-part-of": "read off the part that is asked for",
    "read-entry": "one entry changes, and nothing else",
    "stack-entries": "this holds for every index",
    "read-slope": "divide by the change of the variable",
    "read-matrix": "read off the matrix of the linear map",
    "does-not-occur": "the variable does not occur",
    "layout": "the other layout is the transpose",
    "project-symmetric": "the variable is symmetric: the symmetric part",
    "project-skew": "the variable is skew: the skew part",
    "project-diagonal": "the variable is diagonal: the diagonal part",
    "entries-symmetric": "the independent entries of a symmetric matrix: both triangles count, the diagonal once",
    "entries-skew": "the independent entries of a skew matrix: both triangles count, with opposite signs",
}
