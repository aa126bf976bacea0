"""Names applied to arguments: the known operations, elementwise functions, opaque functions and their derivatives.

One table row for each known name: how many arguments it takes and how its part is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches

from matcalc.errors import ParseError
from matcalc.language import terms
from matcalc.language.dims import ONE, SCALAR, Dim, Shape
from matcalc.language.entries import unit
from matcalc.language.formulas import FORMULAS, SPELLINGS, formula_call, formula_of, indicator
from matcalc.language.functions import ALIASES, FUNCTIONS
from matcalc.language.opaque import differential, elementwise, gradient, hessian, jacobian, opaque
from matcalc.language.operators import integer, kronecker
from matcalc.language.reading import Part, Reading, reads
from matcalc.language.reductions import (
    applied,
    argument,
    logsumexp,
    magnitude,
    mean,
    norm_call,
    softmax,
    total,
    variance,
    wrong,
)
from matcalc.language.shapes import entrywise_misfit
from matcalc.language.syntax import Node
from matcalc.language.terms import Term

__all__ = ["CALLS", "call", "known_names"]

Made = Callable[[Reading, Node], Part]


@dataclass(frozen=True, slots=True)
class Call:
    """A known name: the numbers of arguments it takes, and what makes its part."""

    arities: tuple[int, ...]
    made: Made


# ------------------------------------------------------------------ of square matrices
def _square_part(r: Reading, node: Node) -> Part:
    part = argument(r, node)
    shape = r.shape(part)
    if not r.sizes.unify(shape.rows, shape.cols):
        raise wrong(r, node, part, "a square matrix")
    return part


def _of_square(op: str, to_scalar: bool) -> Made:
    def made(r: Reading, node: Node) -> Part:
        part = _square_part(r, node)
        return applied(op, node, part, SCALAR if to_scalar else part.shape)

    return made


# -------------------------------------------------------------------- shapes
def _diag(r: Reading, node: Node) -> Part:
    part = argument(r, node)
    shape = r.shape(part)
    if shape.cols is ONE:
        return applied("diag", node, part, Shape(shape.rows, shape.rows))
    if not r.sizes.unify(shape.rows, shape.cols):
        raise wrong(r, node, part, "a column vector or a square matrix")
    return applied("diagvec", node, part, Shape(shape.rows, ONE))


def _transposed(r: Reading, node: Node) -> Part:
    part = r.infer(node.args[0])
    return applied("transpose", node, part, part.shape.transposed)


def _vec(r: Reading, node: Node) -> Part:
    part = r.infer(node.args[0])
    shape = r.shape(part)
    return applied("vec", node, part, Shape(shape.rows * shape.cols, ONE))


def _unvec(r: Reading, node: Node) -> Part:
    part = r.infer(node.args[0])
    rows, cols = r.dim(node.args[1]), r.dim(node.args[2])
    if not r.fits(part.shape, Shape(rows * cols, ONE)):
        raise wrong(r, node, part, f"a column of length {r.sizes.resolve(rows * cols)}")

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


def _stop(r: Reading, node: Node) -> Part:
    """``stop(W)``: a copy of W that is held constant."""
    part = r.infer(node.args[0])
    return applied("stop", node, part, part.shape)


CALLS: dict[str, Call] = {
    "transpose": Call((1,), _transposed),
    "tr": Call((1,), _of_square("tr", True)),
    "trace": Call((1,), _of_square("tr", True)),
    "det": Call((1,), _of_square("det", True)),
    "logdet": Call((1,), _of_square("logdet", True)),
    "inv": Call((1,), _of_square("inv", False)),
    "sum": Call((1, 2), total),
    "mean": Call((1, 2), mean),
    "var": Call((1, 2, 3), variance),
    "norm": Call((1,), norm_call),
    "norm1": Call((1,), norm_call),
    "norm2": Call((1,), norm_call),
    "normF": Call((1,), norm_call),
    "bars": Call((1,), magnitude),
    "diag": Call((1,), _diag),
    "vec": Call((1,), _vec),
    "unvec": Call((3,), _unvec),
    "kron": Call(tuple(range(2, 9)), _kron),
    "inner": Call((2,), _inner),
    "softmax": Call((1, 2), softmax),
    "log_softmax": Call((1, 2), softmax),
    "logsumexp": Call((1, 2), logsumexp),
    "ones": Call((1, 2), _filled("ones")),
    "zeros": Call((1, 2), _filled("zeros")),
    "eye": Call((1,), _eye),
    "unit": Call((1, 2), unit),
    "commutation": Call((2,), _commutation),
    "vector": Call((1,), _spread(False)),
    "matrix": Call((1,), _spread(True)),
    "rows": Call((1,), _size),
    "cols": Call((1,), _size),
    "stop": Call((1,), _stop),
    "indicator": Call((1,), indicator),
    "d": Call((1,), differential),
    "grad": Call(tuple(range(1, 9)), gradient),
    "jac": Call((2, 1), jacobian),
    "hess": Call((2, 1), hessian),
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
    if name == "grad" and len(node.args) == 2 and node.args[1].kind == "entry" and not _is_opaque(r, node.args[0]):
        base, *indices = node.args[1].args
        whole = replace(node, args=(node.args[0], base))
        return r.infer(replace(node.args[1], span=node.span, args=(whole, *indices), depth=node.depth + 1))
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


def _is_opaque(r: Reading, node: Node) -> bool:
    """Whether a name is a function's: its gradient at an entry is no entry of a gradient."""
    return node.kind == "name" and node.data in r.functions


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
