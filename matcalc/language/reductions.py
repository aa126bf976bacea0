"""Reductions: sums, means, variances, norms, softmax and log-sum-exp, of everything or along the rows or columns.

Sums along an axis are written as products with ones.  ``rows`` and ``cols`` say what a reduction runs over; ``rowwise``
and ``colwise`` say what is taken by itself.  Invariant: a word that could be read in two ways is refused.
"""

from __future__ import annotations

from typing import Any

from matcalc.errors import ParseError
from matcalc.language import terms
from matcalc.language.dims import ONE, SCALAR, Shape
from matcalc.language.operators import not_of_scalar
from matcalc.language.ops import COLWISE, ROWWISE
from matcalc.language.reading import Misfit, Part, Reading, reads
from matcalc.language.syntax import Node
from matcalc.language.terms import Term

__all__ = [
    "applied",
    "argument",
    "logsumexp",
    "magnitude",
    "mean",
    "norm",
    "norm_call",
    "softmax",
    "total",
    "variance",
    "wrong",
]


def applied(op: str, node: Node, part: Part, shape: Shape, data: Any = None) -> Part:
    return Part(node, shape, lambda: terms.make(op, part.build(), data=data))


def wrong(r: Reading, node: Node, part: Part, needs: str, hint: str = "") -> Misfit:
    name = node.data[0] if isinstance(node.data, tuple) else "norm"
    return Misfit(
        f"{name} needs {needs}", part.node, r.text, label=f"{r.says(part.node)} is {r.shown(part)[0]}", hint=hint
    )


def argument(r: Reading, node: Node) -> Part:
    """The first argument of a reduction, which no departure from the conventions may make a scalar."""
    part = r.infer(node.args[0])
    not_of_scalar(r, part, node.data[0])
    return part


# -------------------------------------------------------------------------- along an axis
# What a second argument says a reduction runs over: the rows (one number for every column) or the columns.
AXES = {"rows": COLWISE, "cols": ROWWISE, ROWWISE: ROWWISE, COLWISE: COLWISE}


def _axis(r: Reading, node: Node) -> str:
    axis = node.args[1]
    if axis.kind == "name" and axis.data in AXES:
        return AXES[axis.data]
    raise ParseError(
        f"the second argument of {node.data[0]} is rows or cols",
        span=axis.span,
        source=r.text,
        hint=f"{node.data[0]}(X, rows) runs over the rows",
    )


def _along(part: Part, axis: str, node: Node) -> Part:
    """The sums over the rows (or columns), as a column vector: ``X'*ones(m)``."""

    def build() -> Term:
        x = part.build()
        if axis == COLWISE:
            return terms.mul(terms.transpose(x), terms.ones(x.shape.rows))
        return terms.mul(x, terms.ones(x.shape.cols))

    return Part(node, Shape(part.shape.cols if axis == COLWISE else part.shape.rows, ONE), build)


def _count(x: Term, axis: str, less: int) -> Term:
    """How many entries are summed over (``less`` so many), as a number."""
    sizes = {COLWISE: x.shape.rows, ROWWISE: x.shape.cols, "": x.shape.rows * x.shape.cols}
    return terms.size(sizes[axis] - less)


def total(r: Reading, node: Node) -> Part:
    part = argument(r, node)
    if len(node.args) == 2:
        return _along(part, _axis(r, node), node)
    return applied("sum", node, part, SCALAR)


def _mean_of(part: Part, axis: str, node: Node, less: int = 0) -> Part:
    """The sum over the number of summands (``less`` so many)."""
    if not axis:
        return Part(node, SCALAR, lambda: terms.div(terms.make("sum", part.build()), _count(part.build(), "", less)))
    sums = _along(part, axis, node)
    return Part(node, sums.shape, lambda: terms.div(sums.build(), _count(part.build(), axis, less)))


def mean(r: Reading, node: Node) -> Part:
    axis = _axis(r, node) if len(node.args) == 2 else ""
    return _mean_of(argument(r, node), axis, node)


def variance(r: Reading, node: Node) -> Part:
    """The mean of the squared distances from the mean; ``unbiased`` divides by one less than their number."""
    part = argument(r, node)
    unbiased = len(node.args) > 1 and node.args[-1].kind == "name" and node.args[-1].data == "unbiased"
    axis = _axis(r, node) if len(node.args) - unbiased == 2 else ""
    if len(node.args) == 3 and not unbiased:
        last = node.args[-1]
        raise ParseError("the last argument of var is unbiased", span=last.span, source=r.text)
    mean = _mean_of(part, axis, node)

    def centred() -> Term:
        x, mu = part.build(), mean.build()
        if not axis:
            spread = terms.mul(mu, terms.ones(*x.shape))
        elif axis == COLWISE:
            spread = terms.mul(terms.ones(x.shape.rows), terms.transpose(mu))
        else:
            spread = terms.mul(mu, terms.transpose(terms.ones(x.shape.cols)))
        return terms.hpower(terms.sub(x, spread), 2)

    divisor = "n - 1, n being the number of entries" if unbiased else "the number of entries n, not by n - 1"
    r.notes[f"{r.says(node)} divides by {divisor}"] = None
    return _mean_of(Part(node, part.shape, centred), axis, node, less=int(unbiased))


# ---------------------------------------------------------------- softmax and log-sum-exp
def softmax(r: Reading, node: Node) -> Part:
    """``softmax(x)`` of a vector, ``softmax(X, rowwise)`` of every row of a matrix; ``log_softmax``: its logarithm."""
    part, axis = _of_vectors(r, node)
    if node.data[0] == "softmax":
        return applied("softmax", node, part, part.shape, axis)

    def build() -> Term:
        x = part.build()
        total = terms.make("logsumexp", x, data=axis)
        if axis is None:
            return terms.sub(x, terms.mul(total, terms.ones(*x.shape)))
        if axis == ROWWISE:
            return terms.sub(x, terms.mul(total, terms.transpose(terms.ones(x.shape.cols))))
        return terms.sub(x, terms.mul(terms.ones(x.shape.rows), terms.transpose(total)))

    return Part(node, part.shape, build)


def logsumexp(r: Reading, node: Node) -> Part:
    part, axis = _of_vectors(r, node)
    if axis is None:
        return applied("logsumexp", node, part, SCALAR)
    return applied("logsumexp", node, part, Shape(part.shape.rows if axis == ROWWISE else part.shape.cols, ONE), axis)


def _of_vectors(r: Reading, node: Node) -> tuple[Part, str | None]:
    """The argument, a vector, or a matrix of which every row or column is taken by itself."""
    part = argument(r, node)
    name = node.data[0]
    if len(node.args) == 1:
        if r.shape(part).is_matrix:
            raise wrong(r, node, part, "a vector", f"of every row of X: {name}(X, rowwise), of every column: colwise")
        return part, None
    axis = node.args[1]
    hint = f"{name}(X, rowwise): every row by itself; {name}(X, colwise): every column by itself"
    if name != "logsumexp" and axis.kind == "name" and axis.data in ("rows", "cols"):
        message = f"{name}(X, {axis.data}) can be read in two ways"
        raise ParseError(message, span=axis.span, source=r.text, hint=hint)
    if axis.kind != "name" or axis.data not in AXES:
        message = f"the second argument of {name} is {ROWWISE} or {COLWISE}"
        raise ParseError(message, span=axis.span, source=r.text, hint=hint)
    return part, _axis(r, node)


# --------------------------------------------------------------------------------- norms
def norm(r: Reading, node: Node, which: str, part: Part) -> Part:
    """A norm; norm2 of a matrix is the Frobenius norm."""
    if which == "norm2" and r.shape(part).is_matrix:
        which = "normF"
    return applied(which, node, part, SCALAR)


@reads("norm")
def _bars(r: Reading, node: Node) -> Part:
    """``‖x‖``, ``‖x‖₁``, ``‖X‖_F``."""
    which = {"1": "norm1", "F": "normF"}.get(node.data, "norm2")
    return norm(r, node, which, r.infer(node.args[0]))


def norm_call(r: Reading, node: Node) -> Part:
    return norm(r, node, node.data[0] if node.data[0] != "norm" else "norm2", argument(r, node))


def magnitude(r: Reading, node: Node) -> Part:
    """``|X|`` of the books: the determinant of a square matrix, the absolute value of a scalar."""
    part = r.infer(node.args[0])
    shape = r.shape(part)
    if shape.is_scalar:
        return Part(node, SCALAR, lambda: terms.fn("abs", part.build()))
    if not shape.is_matrix or not r.sizes.unify(shape.rows, shape.cols):
        hint = "norm2(x) is the length of a vector, abs(x) acts on the entries"
        raise wrong(r, node, part, "a scalar or a square matrix", hint)
    return applied("det", node, part, SCALAR)
