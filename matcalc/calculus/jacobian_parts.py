"""The pieces from which the matrix of a linear map is put together: tidy products, transposes and Kronecker products.

Tidy means only what every reader would do without a word: no identity and no 1 as a factor, no double transposes,
signs in front, ``diag(u)*v`` as ``u.*v``.  Nothing is multiplied out or reordered; that is left to the presentation.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from fractions import Fraction

from matcalc.errors import CannotDerive
from matcalc.language.dims import ONE, Dim
from matcalc.language.terms import (
    Term,
    commutation,
    div,
    eye,
    had,
    hdiv,
    make,
    mul,
    neg,
    number,
    ones,
    rebuild,
    transpose,
)

__all__ = [
    "Form",
    "Goal",
    "Reading",
    "Rule",
    "commute",
    "compose",
    "diagonal_of",
    "entrywise",
    "flipped",
    "khatri_rao",
    "kronecker",
    "negative",
    "numel",
    "outer",
    "over",
    "product",
    "reciprocal",
    "scaled",
    "split",
    "stacked",
    "surround",
    "without_ones",
]

Goal = tuple[str, Term, Term | None]  # the reading, what is read, its surroundings
Reading = Generator[Goal, Term, Term]
Rule = Callable[[Term, Term | None, "Form"], Reading | Term]

SYMMETRIC = frozenset(("symmetric", "diagonal", "posdef"))


class Form:
    """The variable of a linear form, and which terms hold it."""

    __slots__ = ("_holds", "facts", "h")

    def __init__(self, h: Term, facts: Mapping[str, frozenset[str]]) -> None:
        self.h = h
        self.facts = facts
        self._holds: dict[Term, bool] = {h: True}

    def holds(self, t: Term) -> bool:
        """Whether the variable occurs in the term. Iterative: depth is no limit."""
        known = self._holds
        stack = [t]
        while stack:
            node = stack[-1]
            todo = [] if node in known else [a for a in node.args if a not in known]
            if todo:
                stack.extend(todo)
                continue
            if node not in known:
                known[node] = any(known[a] for a in node.args)
            stack.pop()
        return known[t]

    def is_zero(self, t: Term) -> bool:
        return t.op == "zeros" or (t.op == "num" and t.data == 0) or (t.op == "neg" and self.is_zero(t.args[0]))

    def not_linear(self, t: Term) -> CannotDerive:
        return CannotDerive(f"what should be linear in the differential is not ('{t.op}')")

    def no_matrix(self, t: Term) -> CannotDerive:
        return CannotDerive(f"the matrix of this linear map has no closed form here ('{t.op}' inside)")


def numel(t: Term) -> Dim:
    """The number of entries."""
    return t.shape.rows * t.shape.cols


def is_one(t: Term) -> bool:
    return t.op == "num" and t.data == Fraction(1)


# ------------------------------------------------------------------- products
def negative(t: Term) -> Term:
    return t.args[0] if t.op == "neg" else neg(t)


def scaled(scalars: Sequence[Term], t: Term) -> Term:
    """Scalar factors in front."""
    if not scalars:
        return t
    if t.op == "neg":
        return negative(scaled(scalars, t.args[0]))
    factors = [s for s in scalars if not is_one(s)]
    if is_one(t):
        return mul(*factors) if factors else t
    return mul(*factors, t) if factors else t


def over(t: Term, c: Term) -> Term:
    return negative(over(t.args[0], c)) if t.op == "neg" else div(t, c)


def product(*factors: Term | None) -> Term | None:
    """The product of what is there; None where nothing is."""
    present = [f for f in factors if f is not None]
    return mul(*present) if present else None


def compose(a: Term | None, m: Term) -> Term:
    """``a*m``, where an absent a is the identity. A scalar a multiplies."""
    if a is None or is_one(a) or a.op == "eye":
        return m
    if m.op == "neg":
        return negative(compose(a, m.args[0]))
    if a.op == "neg":
        return negative(compose(a.args[0], m))
    if m.op == "div":
        return div(compose(a, m.args[0]), m.args[1])
    if a.is_scalar:
        return scaled([a], m)
    if m.is_scalar:
        return scaled([m], a)
    first, rest = (m.args[0], m.args[1:]) if m.op == "mul" else (m, ())
    if all(f.is_scalar for f in (first, *rest[:-1])) and rest and rest[-1].op == "eye":
        return scaled((first, *rest[:-1]), a)
    if m.op == "eye":
        return a
    if a.op == "diag" and first.op == "diag":
        return mul(diagonal_of(entrywise(a.args[0], first.args[0])), *rest)
    if a.op == "diag" and m.shape.cols is ONE:
        return entrywise(a.args[0], m)
    if a.op == "mul" and a.args[-1].op == "diag":  # diagonals meet what stands right of them
        return compose(mul(*a.args[:-1]), compose(a.args[-1], m))
    return mul(a, m)


def outer(value: Term, row: Term) -> Term:
    """``value*row``: a scalar form with its constant factor, which is read as a column (or is a scalar)."""
    return compose(value, row) if not is_one(row) else value


def entrywise(u: Term, v: Term) -> Term:
    """``u.*v`` without ones and with the sign in front."""
    if u.op == "neg":
        return negative(entrywise(u.args[0], v))
    if v.op == "neg":
        return negative(entrywise(u, v.args[0]))
    if u.op == "ones":
        return v
    return u if v.op == "ones" else had(u, v)


def diagonal_of(v: Term) -> Term:
    """``diag(v)``."""
    if v.op == "neg":
        return negative(diagonal_of(v.args[0]))
    return eye(v.shape.rows) if v.op == "ones" else make("diag", v)


def diagonal_part(t: Term) -> Term:
    """The diagonal of a matrix, as a column."""
    if t.op == "diag":
        return t.args[0]
    return ones(t.shape.rows) if t.op == "eye" else make("diagvec", t)


def reciprocal(v: Term) -> Term:
    """``1./v``."""
    if v.op == "hdiv" and is_one(v.args[0]):
        return v.args[1]
    return v if v.op == "ones" else hdiv(number(1), v)


def stacked(t: Term) -> Term:
    """``vec(t)``: a column is its own, a row its transpose."""
    if t.shape.cols is ONE:
        return t
    if t.op == "ones":
        return ones(numel(t))
    if t.op == "neg":
        return negative(stacked(t.args[0]))
    return transpose(t) if t.shape.rows is ONE else make("vec", t)


# ----------------------------------------------------------------- transposes
def flipped(t: Term, form: Form) -> Term:
    """The transpose. Of what holds the variable it is taken one level inwards; of a constant it is only tidied."""
    if t.is_scalar:
        return t
    if t.op in ("transpose", "eye", "diag"):
        return t.args[0] if t.op == "transpose" else t
    if t.op == "ones":
        return ones(t.shape.cols, t.shape.rows)
    if t.op == "neg":
        return negative(flipped(t.args[0], form))
    properties = form.facts.get(t.data, frozenset()) if t.op == "sym" else frozenset()
    if properties & SYMMETRIC:
        return t
    if not form.holds(t):
        return transpose(t)
    return pushed(t, form) or transpose(t)


def pushed(t: Term, form: Form) -> Term | None:
    """The transpose of ``t``, written with the transposes of its arguments; None where that is not possible."""
    if t.op in ("add", "had", "kron"):
        return make(t.op, *(flipped(a, form) for a in t.args))
    if t.op == "mul":
        return mul(*(flipped(a, form) for a in reversed(t.args)))
    if t.op in ("div", "hdiv"):
        return rebuild(t, (flipped(t.args[0], form), flipped(t.args[1], form)))
    return None


# ------------------------------------------------------- Kronecker and friends
def kronecker(*factors: Term) -> Term:
    """``kron`` without factors 1 and with the identities joined."""
    sign = False
    out: list[Term] = []
    for f in factors:
        if f.op == "neg":
            sign, f = not sign, f.args[0]
        if is_one(f):
            continue
        if f.op == "eye" and out and out[-1].op == "eye":
            out[-1] = eye(out[-1].shape.rows * f.shape.rows)
        else:
            out.append(f)
    joined = number(1) if not out else out[0] if len(out) == 1 else make("kron", *out)
    return neg(joined) if sign else joined


def khatri_rao(b: Term, a: Term) -> Term:
    """Column k is ``kron(b[:,k], a[:,k])``: the matrix of ``t -> vec(a*diag(t)*b')``."""
    return had(kronecker(b, ones(a.shape.rows)), kronecker(ones(b.shape.rows), a))


def commute(rows: Dim, cols: Dim) -> Term:
    """The commutation matrix; the identity for vectors."""
    return eye(rows * cols) if rows is ONE or cols is ONE else commutation(rows, cols)


# --------------------------------------------------------------------- reading
def split(t: Term, form: Form) -> tuple[list[Term], Term | None, Term, Term | None]:
    """A product as ``scalars * left * core * right``, where the core holds the variable."""
    at = [i for i, a in enumerate(t.args) if form.holds(a)]
    if len(at) != 1:
        raise form.not_linear(t)
    core = t.args[at[0]]
    before = [a for a in t.args[: at[0]] if not a.is_scalar]
    after = [a for a in t.args[at[0] + 1 :] if not a.is_scalar]
    scalars = [a for i, a in enumerate(t.args) if a.is_scalar and i != at[0]]
    if core.is_scalar:
        rest = before + after
        return scalars, (mul(*rest) if rest else None), core, None
    return scalars, (mul(*before) if before else None), core, (mul(*after) if after else None)


def surround(name: str, value: Term, context: Term | None) -> Term:
    """What a reading makes of a constant: the column it stands for."""
    if name == "column":
        return value
    if name == "vec":
        return stacked(value)
    if name == "apply":
        assert context is not None
        return compose(value, context)
    if name == "trace":
        whole = value if context is None else compose(context, value)
        return whole if whole.is_scalar else make("tr", whole)
    return diagonal_part(value)


def without_ones(t: Term) -> Term:
    """The term without factors 1, and without operations that do nothing to a 1. Iterative."""
    done: dict[Term, Term] = {}
    stack = [t]
    while stack:
        node = stack[-1]
        todo = [a for a in node.args if a not in done]
        if todo:
            stack.extend(todo)
            continue
        stack.pop()
        if node not in done:
            done[node] = _without_one(rebuild(node, [done[a] for a in node.args]))
    return done[t]


SAME_ON_SCALARS = frozenset(("transpose", "tr", "sum", "diag", "diagvec", "vec", "unvec"))


def _without_one(t: Term) -> Term:
    if t.op == "mul":
        kept = [a for a in t.args if not is_one(a)]
        return mul(*kept) if kept else number(1)
    if t.op in ("had", "kron") and all(a.is_scalar for a in t.args):
        return _without_one(mul(*t.args))
    if t.op in SAME_ON_SCALARS and t.args[0].is_scalar and t.is_scalar:
        return t.args[0]
    return t
