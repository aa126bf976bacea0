"""Names applied to arguments: the known operations, elementwise functions, opaque functions and their derivatives.

One table row for each known name: how many arguments it takes and how its part is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from matcalc.errors import ParseError
from matcalc.language import terms
from matcalc.language.dims import ONE, SCALAR, Dim, Shape
from matcalc.language.formulas import FORMULAS, SPELLINGS, formula_call, formula_of, indicator
from matcalc.language.functions import ALIASES, FUNCTIONS
from matcalc.language.opaque import differential, elementwise, gradient, hessian, jacobian, opaque
from matcalc.language.ops import COLWISE, ROWWISE
from matcalc.language.operators import integer, kronecker, not_of_scalar
from matcalc.language.reading import Misfit, Part, Reading, reads
from matcalc.language.shapes import entrywise_misfit
from matcalc.language.syntax import Node
from matcalc.language.terms import Term

__all__ = ["CALLS", "call", "known_names", "norm"]

Made = Callable[[Reading, Node], Part]


@dataclass(frozen=True, slots=True)
class Call:
    """A known name: the numbers of arguments it takes, and what makes its part."""

    arities: tuple[int, ...]
    made: Made


# ------------------------------------------------------------------ helpers
def _apply(op: str, node: Node, part: Part, shape: Shape, data: Any = None) -> Part:
    return Part(node, shape, lambda: terms.make(op, part.build(), data=data))


def _wrong(r: Reading, node: Node, part: Part, needs: str, hint: str = "") -> Misfit:
    name = node.data[0] if isinstance(node.data, tuple) else "norm"
    return Misfit(
        f"{name} needs {needs}", part.node, r.text, label=f"{r.says(part.node)} is {r.shown(part)[0]}", hint=hint
    )


def _argument(r: Reading, node: Node) -> Part:
    """The first argument of a reduction, which no departure from the conventions may make a scalar."""
    part = r.infer(node.args[0])
    not_of_scalar(r, part, node.data[0])
    return part


def _square_part(r: Reading, node: Node) -> Part:
    part = _argument(r, node)
    shape = r.shape(part)
    if not r.sizes.unify(shape.rows, shape.cols):
        raise _wrong(r, node, part, "a square matrix")
    return part


def _of_square(op: str, to_scalar: bool) -> Made:
    def made(r: Reading, node: Node) -> Part:
        part = _square_part(r, node)
        return _apply(op, node, part, SCALAR if to_scalar else part.shape)

    return made


def _is_column(r: Reading, part: Part) -> bool:
    return r.shape(part).cols is ONE


def _softmax(r: Reading, node: Node) -> Part:
    """``softmax(x)`` of a vector, ``softmax(X, rowwise)`` of every row of a matrix; ``log_softmax`` is its logarithm."""
    part, axis = _of_vectors(r, node)
    if node.data[0] == "softmax":
        return _apply("softmax", node, part, part.shape, axis)

    def build() -> Term:
        x = part.build()
        total = terms.make("logsumexp", x, data=axis)
        if axis is None:
            return terms.sub(x, terms.mul(total, terms.ones(*x.shape)))
        if axis == ROWWISE:
            return terms.sub(x, terms.mul(total, terms.transpose(terms.ones(x.shape.cols))))
        return terms.sub(x, terms.mul(terms.ones(x.shape.rows), terms.transpose(total)))

    return Part(node, part.shape, build)


def _logsumexp(r: Reading, node: Node) -> Part:
    part, axis = _of_vectors(r, node)
    if axis is None:
        return _apply("logsumexp", node, part, SCALAR)
    return _apply("logsumexp", node, part, Shape(part.shape.rows if axis == ROWWISE else part.shape.cols, ONE), axis)


def _of_vectors(r: Reading, node: Node) -> tuple[Part, str | None]:
    """The argument, a vector, or a matrix of which every row or column is taken by itself."""
    part = _argument(r, node)
    name = node.data[0]
    if len(node.args) == 1:
        if r.shape(part).is_matrix:
            raise _wrong(r, node, part, "a vector", f"of every row of X: {name}(X, rowwise), of every column: colwise")
        return part, None
    axis = node.args[1]
    if name != "logsumexp" and axis.kind == "name" and axis.data in ("rows", "cols"):
        raise ParseError(
            f"{name}(X, {axis.data}) can be read in two ways",
            span=axis.span,
            source=r.text,
            hint=f"{name}(X, rowwise): every row by itself; {name}(X, colwise): every column by itself",
        )
    return part, _axis(r, node)


# ------------------------------------------------------- reductions and norms
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


def _count(x: Term, axis: str = "") -> Term:
    """How many entries are summed over, as a number."""
    sizes = {COLWISE: x.shape.rows, ROWWISE: x.shape.cols, "": x.shape.rows * x.shape.cols}
    return terms.size(sizes[axis])


def _sum(r: Reading, node: Node) -> Part:
    part = _argument(r, node)
    if len(node.args) == 2:
        return _along(part, _axis(r, node), node)
    return _apply("sum", node, part, SCALAR)


def _mean_of(part: Part, axis: str, node: Node) -> Part:
    if not axis:
        return Part(node, SCALAR, lambda: _divided(terms.make("sum", part.build()), _count(part.build())))
    total = _along(part, axis, node)
    return Part(node, total.shape, lambda: _divided(total.build(), _count(part.build(), axis)))


def _divided(total: Term, count: Term) -> Term:
    return terms.div(total, count)


def _mean(r: Reading, node: Node) -> Part:
    axis = _axis(r, node) if len(node.args) == 2 else ""
    return _mean_of(_argument(r, node), axis, node)


def _var(r: Reading, node: Node) -> Part:
    """The mean of the squared distances from the mean (division by n, not n - 1)."""
    part = _argument(r, node)
    axis = _axis(r, node) if len(node.args) == 2 else ""
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

    r.notes[f"{r.says(node)} divides by the number of entries n, not by n - 1"] = None
    return _mean_of(Part(node, part.shape, centred), axis, node)


def norm(r: Reading, node: Node, which: str, part: Part) -> Part:
    """A norm; norm2 of a matrix is the Frobenius norm."""
    if which == "norm2" and r.shape(part).is_matrix:
        which = "normF"
    return _apply(which, node, part, SCALAR)


@reads("norm")
def _bars(r: Reading, node: Node) -> Part:
    """``‖x‖``, ``‖x‖₁``, ``‖X‖_F``."""
    which = {"1": "norm1", "F": "normF"}.get(node.data, "norm2")
    return norm(r, node, which, r.infer(node.args[0]))


def _norm_call(r: Reading, node: Node) -> Part:
    return norm(r, node, node.data[0] if node.data[0] != "norm" else "norm2", _argument(r, node))


def _magnitude(r: Reading, node: Node) -> Part:
    """``|X|`` of the books: the determinant of a square matrix, the absolute value of a scalar."""
    part = r.infer(node.args[0])
    shape = r.shape(part)
    if shape.is_scalar:
        return Part(node, SCALAR, lambda: terms.fn("abs", part.build()))
    if not shape.is_matrix or not r.sizes.unify(shape.rows, shape.cols):
        hint = "norm2(x) is the length of a vector, abs(x) acts on the entries"
        raise _wrong(r, node, part, "a scalar or a square matrix", hint)
    return _apply("det", node, part, SCALAR)


# -------------------------------------------------------------------- shapes
def _diag(r: Reading, node: Node) -> Part:
    part = _argument(r, node)
    shape = r.shape(part)
    if shape.cols is ONE:
        return _apply("diag", node, part, Shape(shape.rows, shape.rows))
    if not r.sizes.unify(shape.rows, shape.cols):
        raise _wrong(r, node, part, "a column vector or a square matrix")
    return _apply("diagvec", node, part, Shape(shape.rows, ONE))


def _transposed(r: Reading, node: Node) -> Part:
    part = r.infer(node.args[0])
    return _apply("transpose", node, part, part.shape.transposed)


def _vec(r: Reading, node: Node) -> Part:
    part = r.infer(node.args[0])
    shape = r.shape(part)
    return _apply("vec", node, part, Shape(shape.rows * shape.cols, ONE))


def _unvec(r: Reading, node: Node) -> Part:
    part = r.infer(node.args[0])
    rows, cols = r.dim(node.args[1]), r.dim(node.args[2])
    if not r.fits(part.shape, Shape(rows * cols, ONE)):
        raise _wrong(r, node, part, f"a column of length {r.sizes.resolve(rows * cols)}")

    def build() -> Term:
        return terms.make("unvec", part.build(), data=(r.sizes.resolve(rows), r.sizes.resolve(cols)))

    return Part(node, Shape(rows, cols), build)


def _kron(r: Reading, node: Node) -> Part:
    first, *others = (r.infer(a) for a in node.args)
    for other in others:
        first = kronecker(r, first, other)
    return Part(node, first.shape, first.build)


def _inner(r: Reading, node: Node) -> Part:
    g, h = (r.infer(a) for a in node.args)
    if not r.fits(g.shape, h.shape):
        raise entrywise_misfit(r, node, "inner", g, h)
    return Part(node, SCALAR, lambda: terms.inner(g.build(), h.build()))


# -------------------------------------------------------- constant matrices
def _filled(op: str) -> Made:
    """``ones(m, n)``, ``ones(n)`` (a column); without sizes they are inferred."""

    def made(r: Reading, node: Node) -> Part:
        rows = r.dim(node.args[0])
        cols = r.dim(node.args[1]) if len(node.args) == 2 else ONE
        fill = {"ones": terms.ones, "zeros": terms.zeros}[op]
        return Part(node, Shape(rows, cols), lambda: fill(r.sizes.resolve(rows), r.sizes.resolve(cols)))

    return made


def _eye(r: Reading, node: Node) -> Part:
    d = r.dim(node.args[0])
    return Part(node, Shape(d, d), lambda: terms.eye(r.sizes.resolve(d)))


def _commutation(r: Reading, node: Node) -> Part:
    rows, cols = r.dim(node.args[0]), r.dim(node.args[1])
    both = rows * cols
    return Part(node, Shape(both, both), lambda: terms.commutation(r.sizes.resolve(rows), r.sizes.resolve(cols)))


def _spread(matrix: bool) -> Made:
    """``vector(c)`` and ``matrix(c)``: every entry is c; the sizes are inferred."""

    def made(r: Reading, node: Node) -> Part:
        value = r.scalar(node.args[0], f"the argument of {node.data[0]}")
        rows = r.fresh_size(node)
        cols = r.fresh_size(node) if matrix else ONE

        def build() -> Term:
            ones = terms.ones(r.sizes.resolve(rows), r.sizes.resolve(cols))
            return ones if integer(node.args[0]) == 1 else terms.mul(value.build(), ones)

        return Part(node, Shape(rows, cols), build)

    return made


def _size(r: Reading, node: Node) -> Part:
    """``rows(X)`` and ``cols(X)`` as numbers."""
    d: Dim = r.dim(node)
    return Part(node, SCALAR, lambda: terms.size(r.sizes.resolve(d)))


CALLS: dict[str, Call] = {
    "transpose": Call((1,), _transposed),
    "tr": Call((1,), _of_square("tr", True)),
    "trace": Call((1,), _of_square("tr", True)),
    "det": Call((1,), _of_square("det", True)),
    "logdet": Call((1,), _of_square("logdet", True)),
    "inv": Call((1,), _of_square("inv", False)),
    "sum": Call((1, 2), _sum),
    "mean": Call((1, 2), _mean),
    "var": Call((1, 2), _var),
    "norm": Call((1,), _norm_call),
    "norm1": Call((1,), _norm_call),
    "norm2": Call((1,), _norm_call),
    "normF": Call((1,), _norm_call),
    "bars": Call((1,), _magnitude),
    "diag": Call((1,), _diag),
    "vec": Call((1,), _vec),
    "unvec": Call((3,), _unvec),
    "kron": Call(tuple(range(2, 9)), _kron),
    "inner": Call((2,), _inner),
    "softmax": Call((1, 2), _softmax),
    "log_softmax": Call((1, 2), _softmax),
    "logsumexp": Call((1, 2), _logsumexp),
    "ones": Call((1, 2), _filled("ones")),
    "zeros": Call((1, 2), _filled("zeros")),
    "eye": Call((1,), _eye),
    "commutation": Call((2,), _commutation),
    "vector": Call((1,), _spread(False)),
    "matrix": Call((1,), _spread(True)),
    "rows": Call((1,), _size),
    "cols": Call((1,), _size),
    "indicator": Call((1,), indicator),
    "d": Call((1,), differential),
    "grad": Call(tuple(range(1, 9)), gradient),
    "jac": Call((2,), jacobian),
    "hess": Call((2,), hessian),
}


def known_names() -> list[str]:
    """Every name that can be applied, for "did you mean"."""
    return [*CALLS, *FUNCTIONS, *ALIASES, *FORMULAS, *SPELLINGS, "prod"]


APPLIED = frozenset(known_names())


@reads("call")
def call(r: Reading, node: Node) -> Part:
    """A name applied to arguments."""
    name, order = node.data
    if name in r.formulas:
        return formula_call(r, node, r.formulas[name])
    if name in r.functions:
        return opaque(r, node, r.functions[name])
    if name in r.entries and name not in APPLIED:
        raise _not_a_function(r, node)
    if name in CALLS and not order:
        row = CALLS[name]
        if len(node.args) not in row.arities:
            wanted = " or ".join(str(a) for a in row.arities[:2])
            raise ParseError(
                f"{name} takes {wanted} argument{'s' * (wanted != '1')}, not {len(node.args)}",
                span=node.span,
                source=r.text,
            )
        return row.made(r, node)
    formula = formula_of(r, name)
    if formula is not None:
        return formula_call(r, node, formula)
    known = ALIASES.get(name, name)
    if known in FUNCTIONS:
        return elementwise(r, node, known)
    raise unknown_function(r, node)


def _not_a_function(r: Reading, node: Node) -> ParseError:
    name, order = node.data
    prime = "'" * order
    return ParseError(
        f"'{name}' is a variable and is not applied to arguments",
        span=node.mark or node.span,
        source=r.text,
        label="is a sign such as * missing after it?",
        hint=f"write {name}{prime}*(...), or declare {name} : function",
    )


def unknown_function(r: Reading, node: Node) -> ParseError:
    """The error for a name that is applied and that nobody knows."""
    name = node.data[0]
    close = get_close_matches(name, known_names() + list(r.functions), 1, 0.7)
    declare = f"declare it: {name} : function (scalar-valued), or {name} : elementwise"
    hint = f"did you mean {close[0]}? Or {declare}" if close else declare
    return ParseError(f"unknown function '{name}'", span=node.mark or node.span, source=r.text, hint=hint)
