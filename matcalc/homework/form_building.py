"""Forms built into terms: by the constructors of terms, or by the language's own reader where text is left in them.

A form that holds pieces of text (names with sizes to be inferred, such as ``I``) needs the reader; any other is built
here, by the conventions of the reader.

Invariant: ``build(form_of(t)) is t``; building either gives a well-shaped term or raises a MatcalcError.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from matcalc.errors import MatcalcError, ShapeError
from matcalc.homework.form_trees import tree_of
from matcalc.homework.forms import Form
from matcalc.language import terms
from matcalc.language.dims import ONE, Dim, Shape, dim
from matcalc.language.syntax import Node
from matcalc.language.terms import Term

__all__ = ["build", "shape_of"]


def build(form: Form, read: Callable[[Node], Term] | None = None) -> Term:
    """The term of a form. ``read`` reads a syntax tree, where the form has pieces of text in it."""
    if _has_text(form):
        if read is None:
            raise ShapeError("a form with text in it needs a reader")
        return read(tree_of(form))
    return _built(form)


@lru_cache(maxsize=65536)
def _has_text(form: Form) -> bool:
    if form.op == "leaf":
        return not isinstance(form.item, Term)
    return (form.op == "word" and form.data[0] not in FILLED) or any(map(_has_text, form.args))


@lru_cache(maxsize=65536)
def _built(form: Form) -> Term:
    if form.op == "leaf":
        assert isinstance(form.item, Term)
        return form.item
    if form.op == "word":
        sizes = [_size(form)] if form.data[0] in ("rows", "cols") else [_size(a) for a in form.args]
        return FILLED[form.data[0]](*sizes)
    args = [_built(a) for a in form.args]
    if form.op in _MAKE:
        return _MAKE[form.op](*args)
    return terms.make(form.op, *args, data=form.data)


def _size(form: Form) -> Dim:
    """The size that ``rows(X)``, ``cols(X)``, a name of a size or a number is."""
    if form.op == "word" and form.data[0] in ("rows", "cols"):
        return getattr(_built(form.args[0]).shape, form.data[0])  # type: ignore[no-any-return]
    if form.op == "leaf" and isinstance(form.item, Term) and form.item.op in ("size", "num"):
        return form.item.data if form.item.op == "size" else dim(int(form.item.data))
    raise ShapeError("a size is a name, a number, rows(X) or cols(X)")


FILLED: dict[str, Callable[..., Term]] = {
    "ones": terms.ones,
    "zeros": terms.zeros,
    "eye": terms.eye,
    "rows": terms.size,
    "cols": terms.size,
}


def shape_of(form: Form) -> Shape | None:
    """The shape of a form that has one by itself."""
    if _has_text(form):
        return None
    try:
        return _built(form).shape
    except MatcalcError:
        return None


def _sum_of(*parts: Term) -> Term:
    """A sum as the reader makes it: a number is added to every entry of a column."""
    column = next((t for t in parts if t.shape.is_vector), None)
    if column is None or not all(t.shape.cols is ONE for t in parts):
        return terms.add(*parts)
    return terms.add(*(_spread(t, column) if t.is_scalar else t for t in parts))


def _product_of(*factors: Term) -> Term:
    """A product as the reader makes it: in ``x'*x*A`` the number ``x'*x`` is one factor."""
    try:
        return terms.mul(*factors)
    except ShapeError:
        if len(factors) < 3:
            raise
    done: list[Term] = []
    for t in factors:
        held = [f for f in done if not f.is_scalar]
        if held and not t.is_scalar and held[-1].shape.cols is not t.shape.rows:
            number = terms.mul(*done)
            if not number.is_scalar:
                raise ShapeError(f"'*' needs equal inner sizes, not {held[-1].shape.cols} and {t.shape.rows}")
            done = [number]
        done.append(t)
    return terms.mul(*done)


def _spread(t: Term, column: Term) -> Term:
    if t.op == "neg":
        return terms.neg(_spread(t.args[0], column))
    ones = terms.ones(column.shape.rows)
    return ones if t is terms.number(1) else terms.mul(t, ones)


def _diagonal(t: Term) -> Term:
    return terms.make("diag" if t.shape.cols is ONE else "diagvec", t)


def _norm_of(t: Term) -> Term:
    return terms.make("normF" if t.shape.is_matrix else "norm2", t)


def _power_of(a: Term, b: Term) -> Term:
    """A power as the reader makes it: a matrix to a negative number is the power of its inverse."""
    if not a.is_scalar and b.op == "neg":
        inverse = terms.make("inv", a)
        return inverse if b.args[0] is terms.number(1) else terms.power(inverse, b.args[0])
    return terms.power(a, b)


_MAKE: dict[str, Callable[..., Term]] = {
    "add": _sum_of,
    "mul": _product_of,
    "had": terms.had,
    "hdiv": terms.hdiv,
    "pow": _power_of,
    "hpow": terms.hpower,
    "diag": _diagonal,
    "diagvec": _diagonal,
    "norm2": _norm_of,
}
