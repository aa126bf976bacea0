"""Array nodes as NumPy expressions: one table row per node operation.

Invariants: every text consists of names that the tool chose, numbers and the fixed text of this table.
"""

from __future__ import annotations

import re

from matcalc.code.arithmetic import (
    add_source,
    number_source,
    power_source,
    prod_source,
    product_source,
    tile_source,
)
from matcalc.code.lower_entries import neg
from matcalc.code.nodes import Node
from matcalc.code.writer import AT, ATOM, PLUS, POWER, Piece, Row, Writer
from matcalc.errors import MatcalcError
from matcalc.language.dims import Dim
from matcalc.language.functions import FUNCTIONS

__all__ = ["HELPERS", "SCIPY", "SOURCE", "in_place"]

# Helper functions that generated modules carry with them; their text is in the templates.
HELPERS = ("sigmoid", "softplus", "softmax", "logsumexp", "log_det", "commutation")

# What comes from SciPy, and where from.
SCIPY = {"cho_factor": "scipy.linalg", "cho_solve": "scipy.linalg", "erf": "scipy.special"}

EXACT = ("log1p", "expm1")  # functions of NumPy that the language writes as sums

OUTSIDE = re.compile(r"(?:scipy\.special\.|\b_)(\w+)\(")  # helpers and SciPy functions in the rows of functions

for _row in FUNCTIONS.values():
    for _name in OUTSIDE.findall(_row.numpy):
        if _name not in (*HELPERS, *SCIPY):
            raise MatcalcError(
                f"the function {_row.name} needs {_name}, which is neither in the templates nor in SCIPY"
            )


def in_place(w: Writer, node: Node) -> str | None:
    """The call that applies a function to the array ``{0}`` in place, None where there is none."""
    name = "exp" if node.op == "shifted" else node.data
    template = f"np.{name}({{0}})" if name in ("exp", *EXACT) else FUNCTIONS[name].numpy
    call = re.fullmatch(r"np\.(\w+)\(\{0\}((?:, \w+)?)\)", template)
    return None if call is None else f"{w.np}.{call[1]}({{0}}{call[2]}, out={{0}})"


# ---------------------------------------------------------------------------- calls and methods
def _call(name: str) -> Row:
    """``np.name(args)``."""
    return lambda w, node: Piece(f"{w.np}.{name}({', '.join(w.of(a).text for a in node.args)})")


def _of_entries(name: str) -> Row:
    """``np.maximum(x, c)``."""
    return lambda w, node: Piece(f"{w.np}.{name}({', '.join(w.entry(a).text for a in node.args)})")


def _method(name: str) -> Row:
    """``x.name()``, along the axis in the node's data."""

    def row(w: Writer, node: Node) -> Piece:
        axis = "" if node.data is None else f"axis={node.data}"
        return Piece(f"{w.of(node.args[0]).at(ATOM)}.{name}({axis})")

    return row


def _helped(name: str) -> Row:
    def row(w: Writer, node: Node) -> Piece:
        axis = "" if node.data is None else f", axis={node.data}"
        return Piece(f"{w.helper(name)}({w.of(node.args[0]).text}{axis})")

    return row


def _function(w: Writer, node: Node) -> Piece:
    name, argument = node.data, w.of(node.args[0])
    if name in EXACT:
        return Piece(f"{w.np}.{name}({argument.text})")
    if name == "step" and not node.is_scalar and (above := _above(w, node.args[0])) is not None:
        return Piece(f"({above}).astype(float)")
    if name == "step" and node.is_scalar:
        return Piece(f"{w.np}.float64({argument.at(PLUS)} > 0)")
    template = FUNCTIONS[name].numpy
    called = OUTSIDE.match(template)
    if called and template.endswith("({0})"):
        own = w.scipy(called[1]) if called[1] in SCIPY else w.helper(called[1])
        return Piece(f"{own}({argument.text})")
    inside = argument.text if re.search(r"\w\(\{0\}[,)]", template) else argument.at(ATOM)
    text = template.replace("np.", f"{w.np}.").replace("{0}", inside)
    return Piece(text, ATOM if text.endswith(")") else 0)


def _apply(w: Writer, node: Node) -> Piece:
    """A function that is an argument of the code."""
    return Piece(f"{node.data[0]}({', '.join(w.of(a).text for a in node.args)})")


def _above(w: Writer, u: Node) -> str | None:
    """``x > c`` for the positive part of ``x - c``."""
    if u.op != "add" or len(u.args) != 2 or u in w.named:
        return None
    x, minus = u.args if w.constant(u.args[1]) is not None else u.args[::-1]
    constant = w.constant(minus)
    if constant is None or w.constant(x) is not None:
        return None
    return f"{w.entry(x).at(PLUS)} > {w.of(neg(w.graph, constant)).at(PLUS)}"


def _einsum(w: Writer, indices: str, a: Node, b: Node) -> Piece:
    return Piece(f'{w.np}.einsum("{indices}", {w.of(a).text}, {w.of(b).text})')


def _untransposed(a: Node) -> tuple[Node, bool]:
    return (a.args[0], True) if a.op == "transpose" else (a, False)


def _vdot(w: Writer, node: Node) -> Piece:
    (a, ta), (b, tb) = (_untransposed(x) for x in node.args)
    if ta == tb:
        return Piece(f"{w.np}.vdot({w.of(a).text}, {w.of(b).text})")
    return _einsum(w, "ij,ji->", a, b)


def _diagdot(w: Writer, node: Node) -> Piece:
    """The diagonal of a product."""
    (a, ta), (b, tb) = (_untransposed(x) for x in node.args)
    return _einsum(w, f"{'ji' if ta else 'ij'},{'ij' if tb else 'ji'}->i", a, b)


def _rowdot(w: Writer, node: Node) -> Piece:
    (a, ta), (b, tb) = (_untransposed(x) for x in node.args)
    indices = f"{'ji' if ta else 'ij'},{'ji' if tb else 'ij'}->{'i' if node.data == 1 else 'j'}"
    return _einsum(w, indices, a, b)


def _transpose(w: Writer, node: Node) -> Piece:
    return Piece(f"{w.of(node.args[0]).at(ATOM)}.T")


def _vec(w: Writer, node: Node) -> Piece:
    inside, turned = _untransposed(node.args[0])
    order = "" if turned else 'order="F"'
    return Piece(f"{w.of(inside).at(ATOM)}.ravel({order})")


def _unvec(w: Writer, node: Node) -> Piece:
    return Piece(f'{w.of(node.args[0]).at(ATOM)}.reshape({w.shape(node.dims)}, order="F")')


def _permute(w: Writer, node: Node) -> Piece:
    m, n = (w.dim(d).text for d in node.data)
    rows = w.dim(node.dims[0]).text
    return Piece(f"{w.of(node.args[0]).at(ATOM)}.reshape({n}, {m}, -1).swapaxes(0, 1).reshape({rows}, -1)")


def _commutation(w: Writer, node: Node) -> Piece:
    m, n = (w.dim(d).text for d in node.data)
    return Piece(f"{w.helper('commutation')}({m}, {n})")


def _unit(w: Writer, node: Node) -> Piece:
    n = w.dim(node.dims[0]).text
    return Piece(f"{w.np}.eye(1, {n}, {_place(w, node.data)})[0]")


def _pick(w: Writer, node: Node) -> Piece:
    sides = [":" if d is None else _place(w, d) for d in node.data]
    while len(sides) > 1 and sides[-1] == ":":
        sides.pop()
    return Piece(f"{w.of(node.args[0]).at(ATOM)}[{', '.join(sides)}]")


def _place(w: Writer, index: Dim) -> str:
    """An index counted from 0."""
    return w.dim(index - 1).text


def _kron(w: Writer, node: Node) -> Piece:
    mixed = len(set(node.data)) > 1
    texts = []
    for a, kind in zip(node.args, node.data, strict=True):
        end = "" if kind == "matrix" or not mixed else "[:, None]" if kind == "column" else "[None, :]"
        texts.append(w.of(a).at(ATOM) + end if end else w.of(a).text)
    out = texts[-1]
    for text in reversed(texts[:-1]):
        out = f"{w.np}.kron({text}, {out})"
    return Piece(out)


def _matpow(w: Writer, node: Node) -> Piece:
    x = w.of(node.args[0])
    if node.data == 2:
        return Piece(f"{x.at(POWER)} @ {x.at(POWER)}", AT)
    return Piece(f"{w.np}.linalg.matrix_power({x.text}, {node.data})")


def _logdet(w: Writer, node: Node) -> Piece:
    return Piece(f"{w.np}.linalg.slogdet({w.of(node.args[0]).text}).logabsdet")


def _cho_logdet(w: Writer, node: Node) -> Piece:
    return Piece(f"{w.np}.log({w.np}.diagonal({w.of(node.args[0]).at(ATOM)}[0])).sum()")


def _scipy(name: str) -> Row:
    def row(w: Writer, node: Node) -> Piece:
        arguments = ", ".join(w.of(a).text for a in node.args)
        return Piece(f"{w.scipy(name)}({arguments}, check_finite=False)")

    return row


SOURCE: dict[str, Row] = {
    "input": lambda w, node: Piece(node.data),
    "num": lambda w, node: number_source(w, node.data),
    "const": lambda w, node: Piece(f"{w.np}.{node.data}"),
    "size": lambda w, node: w.dim(node.data),
    "eye": lambda w, node: Piece(f"{w.np}.eye({w.dim(node.dims[0]).text})"),
    "ones": lambda w, node: Piece(f"{w.np}.ones({w.shape(node.dims)})"),
    "zeros": lambda w, node: Piece(f"{w.np}.zeros({w.shape(node.dims)})"),
    "commutation": _commutation,
    "unit": _unit,
    "pick": _pick,
    "diag": _call("diag"),
    "outer": _call("outer"),
    "bcol": tile_source,
    "brow": tile_source,
    "kept": lambda w, node: w.of(node.args[0]),
    "maximum": _of_entries("maximum"),
    "minimum": _of_entries("minimum"),
    "clip": _of_entries("clip"),
    "transpose": _transpose,
    "add": add_source,
    "prod": prod_source,
    "power": power_source,
    "matpow": _matpow,
    "matvec": product_source,
    "matmul": product_source,
    "dot": product_source,
    "vdot": _vdot,
    "rowdot": _rowdot,
    "sum": _method("sum"),
    "sumaxis": _method("sum"),
    "max": _method("max"),
    "product": _method("prod"),
    "trace": _call("trace"),
    "diagdot": _diagdot,
    "diagvec": _call("diagonal"),
    "norm": _call("sqrt"),
    "fn": _function,
    "apply": _apply,
    "shifted": _call("exp"),
    "logaddexp": _call("logaddexp"),
    "softmax": _helped("softmax"),
    "logsumexp": _helped("logsumexp"),
    "solve": _call("linalg.solve"),
    "inv": _call("linalg.inv"),
    "det": _call("linalg.det"),
    "logdet": _logdet,
    "logdet_positive": _helped("log_det"),
    "cho_factor": _scipy("cho_factor"),
    "cho_solve": _scipy("cho_solve"),
    "cho_logdet": _cho_logdet,
    "kron": _kron,
    "vec": _vec,
    "unvec": _unvec,
    "permute": _permute,
}
