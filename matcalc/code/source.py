"""Array nodes as NumPy expressions: one table row per node operation.

A :class:`Piece` is a piece of source and how tightly it binds.  The writer knows nothing about statements: it writes one
node, given the pieces of its arguments.

Invariants: every text consists of names that the tool chose, numbers and the fixed text of this table; structured
matrices are broadcast where entries are combined and built only where nothing else will do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from matcalc.code.lower_entries import constant_of, ratio
from matcalc.code.nodes import Dims, Graph, Node
from matcalc.language.dims import Dim, IndexedName
from matcalc.language.functions import FUNCTIONS

__all__ = ["HELPERS", "Piece", "Writer", "number_text"]

ATOM, POWER, UNARY, TIMES, AT, PLUS = 10, 9, 8, 7, 6, 5  # Python ranks @ with *; parentheses read better

# Helper functions that generated modules carry with them; their text is in the templates.
HELPERS = ("sigmoid", "softplus", "softmax", "logsumexp", "log_det", "commutation")


class Piece(NamedTuple):
    """Source text and the level of its outermost operator."""

    text: str
    level: int = ATOM

    def at(self, level: int) -> str:
        """The text, in parentheses where it binds less tightly than asked."""
        return self.text if self.level >= level else f"({self.text})"


def number_text(q: Fraction) -> str | None:
    """A nonnegative number as a short exact literal, or None where it needs a quotient."""
    if q.denominator == 1:
        return str(q.numerator) if q.numerator < 10**15 else f"{q.numerator}.0"
    rest = q.denominator
    for p in (2, 5):
        while rest % p == 0:
            rest //= p
    text = repr(float(q))
    return text if rest == 1 and len(text) <= 12 else None


@dataclass(slots=True)
class Writer:
    """Writes nodes. ``pieces`` holds what is written already: names of statements, or inline expressions."""

    graph: Graph
    sizes: Mapping[str, str]  # names of sizes -> Python names
    np: str = "np"
    helpers: Mapping[str, str] = field(default_factory=dict)  # helper -> its name in the module
    pieces: dict[Node, Piece] = field(default_factory=dict)
    named: set[Node] = field(default_factory=set)  # those whose piece is a name
    cores: dict[Node, Node] = field(default_factory=dict)  # products written as a multiple of another
    used_sizes: dict[str, None] = field(default_factory=dict)  # names of sizes, in order of use
    used_helpers: dict[str, None] = field(default_factory=dict)
    used_scipy: dict[str, None] = field(default_factory=dict)

    def write(self, node: Node) -> Piece:
        """The expression of a node from the pieces of its arguments."""
        return SOURCE[node.op](self, node)

    def of(self, node: Node) -> Piece:
        """The piece of an argument; structured matrices are written on the spot."""
        found = self.pieces.get(node)
        return found if found is not None else self.write(node)

    def in_place(self, node: Node) -> str | None:
        """The call that applies a function to the array ``{0}`` in place, None where there is none."""
        template = (
            f"{self.np}.exp({{0}})"
            if node.op == "shifted"
            else LOG1P
            if node.data == "log1p"
            else FUNCTIONS[node.data].numpy
        )
        call = re.fullmatch(r"np\.(\w+)\(\{0\}((?:, \w+)?)\)", template.replace(f"{self.np}.", "np."))
        return None if call is None else f"{self.np}.{call[1]}({{0}}{call[2]}, out={{0}})"

    # -------------------------------------------------------------------------- small things
    def helper(self, name: str) -> str:
        self.used_helpers[name] = None
        return self.helpers.get(name, f"_{name}")

    def scipy(self, name: str) -> str:
        self.used_scipy[name] = None
        return self.helpers.get(name, name)

    def dim(self, d: Dim) -> Piece:
        """A size as an expression of the sizes the module reads from its arrays."""
        if not d.coefficients:
            return Piece("0")
        out = ""
        for mono, c in d.coefficients:
            factors = [] if abs(c) == 1 and mono else [str(abs(c))]
            for a in mono:
                name = str(a) if isinstance(a, IndexedName) else a
                self.used_sizes[name] = None
                factors.append(self.sizes.get(name, name))
            sign = ("-" if c < 0 else "") if not out else (" - " if c < 0 else " + ")
            out += sign + " * ".join(factors)
        single = len(d.coefficients) == 1 and d.coefficients[0][1] >= 0
        plain = single and (len(d.coefficients[0][0]) + (d.coefficients[0][1] != 1) < 2)
        return Piece(out, ATOM if plain else TIMES if single else PLUS)

    def shape(self, dims: Dims) -> str:
        inside = ", ".join(self.dim(d).text for d in dims)
        return f"({inside})" if len(dims) > 1 else inside

    def entry(self, node: Node) -> Piece:
        """An argument of an entrywise operation: structured matrices by broadcasting, ``ones`` by the number."""
        if node.op == "bcol":
            return Piece(f"{self.of(node.args[0]).at(ATOM)}[:, None]")
        if node.op == "brow":
            return self.of(node.args[0])
        if node.dims and node not in self.named:
            constant = constant_of(self.graph, node)
            if constant is not None:
                return self.write(constant)
        return self.of(node)

    def signed(self, node: Node) -> tuple[bool, Piece]:
        """Whether the node carries a minus sign, and the piece without it."""
        constant = constant_of(self.graph, node) if node.dims and node not in self.named else None
        if constant is not None:
            return self.signed(constant)
        if node.op == "num" and node.data < 0:
            return True, _number(self, -node.data)
        if node.op == "prod" and node.data[0] < 0 and node not in self.named:
            return True, _prod(self, node, -node.data[0])
        return False, self.entry(node)


LOG1P = "np.log1p({0})"
Row = Callable[[Writer, Node], Piece]


# --------------------------------------------------------------------------------- the arithmetic
def _number(w: Writer, q: Fraction) -> Piece:
    if q < 0:
        return Piece(f"-{_number(w, -q).at(POWER)}", UNARY)
    text = number_text(q)
    return Piece(text) if text is not None else Piece(f"{q.numerator} / {q.denominator}", TIMES)


def _prod(w: Writer, node: Node, coefficient: Fraction | None = None) -> Piece:
    c = node.data[0] if coefficient is None else coefficient
    arrays = [a for a in node.args if a.dims]
    if coefficient is None and len(arrays) == 1 and arrays[0].op in ("ones", "bcol", "brow", "outer"):
        return _scaled_structure(w, node, arrays[0])
    if c >= 0:
        return _quotient(w, node, c)
    if abs(c) != 1 and number_text(-c) is not None:
        return Piece(f"-{_quotient(w, node, -c).text}", TIMES)  # -2 * x
    inside = _quotient(w, node, -c)
    first = ratio(node).numerators if node not in w.cores else []
    if inside.level == TIMES and len(node.args) > 1 and first and w.of(first[0]).level == ATOM:
        return Piece(f"-{inside.text}", TIMES)  # -c * x: the sign costs less on the first factor
    return Piece(f"-{inside.at(POWER)}", UNARY)


def _scaled_structure(w: Writer, node: Node, array: Node) -> Piece:
    """A multiple of a structured matrix that has to be built: the factors go to its vector."""
    others = [a for a in node.args if a is not array]
    if array.op == "ones":
        constant = constant_of(w.graph, node)
        assert constant is not None
        return Piece(f"{w.np}.full({w.shape(node.dims)}, {w.entry(constant).text})")
    if others:
        return _quotient(w, node, node.data[0])
    sign = "-" if node.data[0] < 0 else ""
    first = sign + w.of(array.args[0]).at(POWER if sign else 0)
    if array.op == "outer":
        return Piece(f"{w.np}.outer({first}, {w.of(array.args[1]).text})")
    return _tile(w, array, Piece(first, UNARY))


def _quotient(w: Writer, node: Node, c: Fraction) -> Piece:
    """``c * a * b / (d * e)`` with a nonnegative c; scalars are gathered in front of the arrays."""
    r = ratio(node)
    core = w.cores.get(node)
    if core is not None:
        r.numerators, r.denominators = [core], []
    literal = number_text(c)
    above = [] if c == 1 else [Piece(literal)] if literal is not None else []
    if literal is None and c.numerator != 1:
        above.append(Piece(str(c.numerator)))
    below = [Piece(str(c.denominator))] if literal is None else []
    above += _repeated(w, [a for a in r.numerators if a.is_scalar])
    below += _repeated(w, [a for a in r.denominators if a.is_scalar])
    masks = [a for a in r.numerators if a.op == "fn" and a.data == "step" and a.dims and a not in w.named]
    floats = [a for a in r.numerators if a.dims and a not in masks]
    arrays = _repeated(w, floats)
    if floats:  # a mask multiplies floats as zeros and ones
        arrays += [Piece(f"({w.of(a.args[0]).at(PLUS)} > 0)") for a in masks]
    else:
        arrays += _repeated(w, masks)
    arrays_below = _repeated(w, [a for a in r.denominators if not a.is_scalar])
    if above and arrays and below and not arrays_below:  # c / d * X, one pass over X
        return _times([_over(above, below), *arrays])
    return _over([*above, *arrays], [*below, *arrays_below])


def _times(factors: Sequence[Piece]) -> Piece:
    if len(factors) == 1:
        return factors[0]
    texts = [factors[0].at(TIMES), *(f.at(UNARY) for f in factors[1:])]
    return Piece(" * ".join(texts), TIMES)


def _over(above: Sequence[Piece], below: Sequence[Piece]) -> Piece:
    top = _times(above) if above else Piece("1")
    if not below:
        return top
    return Piece(f"{top.at(TIMES)} / {_times(below).at(UNARY)}", TIMES)


def _repeated(w: Writer, nodes: Sequence[Node]) -> list[Piece]:
    """The pieces of factors; a repeated scalar is a power, a repeated array stands twice."""
    counts: dict[Node, int] = {}
    for a in nodes:
        counts[a] = counts.get(a, 0) + 1
    out: list[Piece] = []
    for a, k in counts.items():
        piece = w.entry(a)
        if k > 1 and a.is_scalar:
            out.append(Piece(f"{piece.at(ATOM)}**{k}", POWER))
        else:
            out += [piece] * k
    return out


def _add(w: Writer, node: Node) -> Piece:
    """A sum: the first term without a minus leads; arrays before what is broadcast into them."""
    terms = sorted(node.args, key=lambda a: _breadth(w, a))
    signed = [w.signed(t) for t in terms]
    lead = next((i for i, (minus, _) in enumerate(signed) if not minus), None)
    if lead is not None:
        signed.insert(0, signed.pop(lead))
    minus, piece = signed[0]
    out = f"-{piece.at(TIMES)}" if minus else piece.at(PLUS)
    for minus, piece in signed[1:]:
        out += f" {'-' if minus else '+'} {piece.at(AT)}"
    return Piece(out, PLUS)


def _breadth(w: Writer, a: Node) -> int:
    if a in w.named:
        return 0
    if a.dims and constant_of(w.graph, a) is not None:
        return 2
    return 1 if any(b.op in ("bcol", "brow") for b in (a, *a.args)) and len(a.args) < 2 else 0


def _matmul(w: Writer, node: Node) -> Piece:
    left, right = (w.of(a) for a in node.args)
    first = node.args[0]
    chained = left.level == AT and first.op == "matmul"
    return Piece(f"{left.text if chained else left.at(POWER)} @ {right.at(POWER)}", AT)


def _power(w: Writer, node: Node) -> Piece:
    base, exponent = w.of(node.args[0]), w.of(node.args[1])
    tight = exponent.level == ATOM or (exponent.level == UNARY and node.args[1].op == "num")
    return Piece(f"{base.at(ATOM)}**{exponent.text if tight else f'({exponent.text})'}", POWER)


# ---------------------------------------------------------------------------- calls and methods
def _call(name: str) -> Row:
    """``np.name(args)``."""
    return lambda w, node: Piece(f"{w.np}.{name}({', '.join(w.of(a).text for a in node.args)})")


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
    if name == "log1p":
        return Piece(f"{w.np}.log1p({argument.text})")
    if name == "step" and node.is_scalar:
        return Piece(f"{w.np}.float64({argument.at(PLUS)} > 0)")
    template = FUNCTIONS[name].numpy
    called = re.fullmatch(r"_(\w+)\(\{0\}\)", template)
    if called:
        return Piece(f"{w.helper(called[1])}({argument.text})")
    inside = argument.text if re.search(r"\w\(\{0\}[,)]", template) else argument.at(ATOM)
    text = template.replace("np.", f"{w.np}.").replace("{0}", inside)
    return Piece(text, ATOM if text.endswith(")") else 0)


def _einsum(w: Writer, indices: str, a: Node, b: Node) -> Piece:
    return Piece(f'{w.np}.einsum("{indices}", {w.of(a).text}, {w.of(b).text})')


def _untransposed(a: Node) -> tuple[Node, bool]:
    return (a.args[0], True) if a.op == "transpose" else (a, False)


def _vdot(w: Writer, node: Node) -> Piece:
    (a, ta), (b, tb) = (_untransposed(x) for x in node.args)
    if ta == tb:
        return Piece(f"{w.np}.vdot({w.of(a).text}, {w.of(b).text})")
    return _einsum(w, "ij,ji->", a, b)


def _rowdot(w: Writer, node: Node) -> Piece:
    (a, ta), (b, tb) = (_untransposed(x) for x in node.args)
    indices = f"{'ji' if ta else 'ij'},{'ji' if tb else 'ij'}->{'i' if node.data == 1 else 'j'}"
    return _einsum(w, indices, a, b)


def _transpose(w: Writer, node: Node) -> Piece:
    return Piece(f"{w.of(node.args[0]).at(ATOM)}.T")


def _tile(w: Writer, node: Node, vector: Piece | None = None) -> Piece:
    v = vector if vector is not None else w.of(node.args[0])
    if node.op == "bcol":
        return Piece(f"{w.np}.tile({v.at(ATOM)}[:, None], (1, {w.dim(node.dims[1]).text}))")
    return Piece(f"{w.np}.tile({v.text}, ({w.dim(node.dims[0]).text}, 1))")


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
    "num": lambda w, node: _number(w, node.data),
    "const": lambda w, node: Piece(f"{w.np}.{node.data}"),
    "size": lambda w, node: w.dim(node.data),
    "eye": lambda w, node: Piece(f"{w.np}.eye({w.dim(node.dims[0]).text})"),
    "ones": lambda w, node: Piece(f"{w.np}.ones({w.shape(node.dims)})"),
    "zeros": lambda w, node: Piece(f"{w.np}.zeros({w.shape(node.dims)})"),
    "commutation": _commutation,
    "diag": _call("diag"),
    "outer": _call("outer"),
    "bcol": _tile,
    "brow": _tile,
    "transpose": _transpose,
    "add": _add,
    "prod": _prod,
    "power": _power,
    "matpow": _matpow,
    "matvec": _matmul,
    "matmul": _matmul,
    "dot": _matmul,
    "vdot": _vdot,
    "rowdot": _rowdot,
    "sum": _method("sum"),
    "sumaxis": _method("sum"),
    "max": _method("max"),
    "product": _method("prod"),
    "trace": _call("trace"),
    "diagvec": _call("diagonal"),
    "norm": _call("sqrt"),
    "fn": _function,
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
