"""Sums, products, quotients and powers as NumPy expressions.

Invariants: structured matrices are broadcast where entries are combined and built only where nothing else will do;
scalars are multiplied before arrays are.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from matcalc.code.lower_entries import constant_of
from matcalc.code.nodes import Node
from matcalc.code.ratios import ratio
from matcalc.code.writer import AT, ATOM, PLUS, POWER, TIMES, UNARY, Piece, Writer

__all__ = ["add_source", "number_source", "power_source", "prod_source", "product_source", "signed", "tile_source"]


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


def signed(w: Writer, node: Node) -> tuple[bool, Piece]:
    """Whether the node carries a minus sign, and the piece without it."""
    constant = w.constant(node)
    if constant is not None:
        return signed(w, constant)
    if node.op == "num" and node.data < 0:
        return True, number_source(w, -node.data)
    if node.op == "prod" and node.data[0] < 0 and node not in w.named:
        return True, prod_source(w, node, -node.data[0])
    return False, w.entry(node)


def number_source(w: Writer, q: Fraction) -> Piece:
    if q < 0:
        return Piece(f"-{number_source(w, -q).at(POWER)}", UNARY)
    text = number_text(q)
    return Piece(text) if text is not None else Piece(f"{q.numerator} / {q.denominator}", TIMES)


def prod_source(w: Writer, node: Node, coefficient: Fraction | None = None) -> Piece:
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
        fill = w.entry(constant).text
        fill += ".0" if fill.lstrip("-").isdigit() else ""  # an array of floats
        return Piece(f"{w.np}.full({w.shape(node.dims)}, {fill})")
    if others:
        return _quotient(w, node, node.data[0])
    sign = "-" if node.data[0] < 0 else ""
    first = sign + w.of(array.args[0]).at(POWER if sign else 0)
    if array.op == "outer":
        return Piece(f"{w.np}.outer({first}, {w.of(array.args[1]).text})")
    return tile_source(w, array, Piece(first, UNARY))


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


def add_source(w: Writer, node: Node) -> Piece:
    """A sum: the first term without a minus leads; arrays before what is broadcast into them."""
    terms = sorted(node.args, key=lambda a: _breadth(w, a))
    pieces = [signed(w, t) for t in terms]
    lead = next((i for i, (minus, _) in enumerate(pieces) if not minus), None)
    if lead is not None:
        pieces.insert(0, pieces.pop(lead))
    minus, piece = pieces[0]
    out = f"-{piece.at(TIMES)}" if minus else piece.at(PLUS)
    for minus, piece in pieces[1:]:
        out += f" {'-' if minus else '+'} {piece.at(AT)}"
    return Piece(out, PLUS)


def _breadth(w: Writer, a: Node) -> int:
    if a in w.named:
        return 0
    if a.dims and constant_of(w.graph, a) is not None:
        return 2
    return 1 if any(b.op in ("bcol", "brow") for b in (a, *a.args)) and len(a.args) < 2 else 0


def product_source(w: Writer, node: Node) -> Piece:
    left, right = (w.of(a) for a in node.args)
    first = node.args[0]
    chained = left.level == AT and first.op == "matmul"
    return Piece(f"{left.text if chained else left.at(POWER)} @ {right.at(POWER)}", AT)


def power_source(w: Writer, node: Node) -> Piece:
    base, exponent = w.of(node.args[0]), w.of(node.args[1])
    tight = exponent.level == ATOM or (exponent.level == UNARY and node.args[1].op == "num")
    return Piece(f"{base.at(ATOM)}**{exponent.text if tight else f'({exponent.text})'}", POWER)


def tile_source(w: Writer, node: Node, vector: Piece | None = None) -> Piece:
    v = vector if vector is not None else w.of(node.args[0])
    if node.op == "bcol":
        return Piece(f"{w.np}.tile({v.at(ATOM)}[:, None], (1, {w.dim(node.dims[1]).text}))")
    return Piece(f"{w.np}.tile({v.text}, ({w.dim(node.dims[0]).text}, 1))")
