"""Sums, products, quotients, powers and transposes: how their shapes come about and which terms they become.

Invariant: numbers that would take forever to compute with are refused here.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from matcalc.errors import ParseError, Span
from matcalc.language import terms
from matcalc.language.dims import ONE, SCALAR, Shape
from matcalc.language.reading import Misfit, Part, Reading, reads
from matcalc.language.shapes import entrywise_misfit, is_euler, product_misfit, sum_misfit
from matcalc.language.syntax import Node
from matcalc.language.terms import Term

__all__ = ["integer", "kronecker", "magnitude", "not_of_scalar"]

MAX_FACTORS = 100  # of one product
MAX_POWER = 64  # of a matrix
MAX_EXPONENT = 1000  # of a scalar or of entries
HUGE = 1e100


# ------------------------------------------------------------- sums, products
@reads("neg")
def _neg(r: Reading, node: Node) -> Part:
    part = r.infer(node.args[0])
    return Part(node, part.shape, lambda: terms.neg(part.build()))


@reads("sum")
def _sum(r: Reading, node: Node) -> Part:
    parts = [r.infer(a) for a in node.args]
    if r.broadcast:
        parts = _spread(r, parts)
    first = parts[0]
    for sign, part in zip(node.data[1:], parts[1:], strict=True):
        if not r.fits(first.shape, part.shape):
            raise sum_misfit(r, node, sign, first, part)
    signs = node.data

    def build() -> Term:
        made = [p.build() for p in parts]
        return terms.add(*(t if s == "+" else terms.neg(t) for s, t in zip(signs, made, strict=True)))

    return Part(node, first.shape, build)


def _is_plain(node: Node) -> bool:
    """Numbers, names and averages: no norm is spread silently."""
    average = node.kind == "call" and node.data in (("mean", 0), ("var", 0))
    return average or node.kind in {"num", "name", "index", "neg", "sum", "chain", "pow"}


def _spread(r: Reading, parts: list[Part]) -> list[Part]:
    """Scalars among column vectors become vectors of equal entries: ``var + eps`` is ``var + eps*ones(d)``."""
    vector = next((p for p in parts if r.shape(p).is_vector), None)
    simple = all(_is_plain(n) for p in parts if r.shape(p).is_scalar for n in p.node.walk())
    if any(is_euler(r, p.node) for p in parts):
        return parts  # in D*x + e a vector is meant, not 2.718...
    if vector is None or not simple or not all(r.shape(p).cols is ONE for p in parts):
        return parts
    held = vector

    def spread(p: Part) -> Part:
        r.notes[f"{r.says(p.node)} is added to every entry of {r.says(held.node)}"] = None

        def build() -> Term:
            ones = terms.ones(r.sizes.resolve(held.shape.rows))
            return ones if integer(p.node) == 1 else terms.mul(p.build(), ones)

        return Part(p.node, held.shape, build)

    return [spread(p) if r.shape(p).is_scalar else p for p in parts]


@reads("chain")
def _chain(r: Reading, node: Node) -> Part:
    if len(node.args) > MAX_FACTORS:
        raise ParseError(f"the product is too long: more than {MAX_FACTORS} factors", span=node.span, source=r.text)
    left = r.infer(node.args[0])
    i = 0
    while i < len(node.data):
        sign = node.data[i]
        end = i
        while end < len(node.data) and node.data[end] == sign and sign in ("*", ".*"):
            end += 1
        if end > i:
            parts = [left, *(r.infer(a) for a in node.args[i + 1 : end + 1])]
            left = product(r, parts) if sign == "*" else hadamard(r, parts)
            i = end
        else:
            left = QUOTIENTS[sign](r, left, r.infer(node.args[i + 1]))
            i += 1
    return Part(node, left.shape, left.build)


def _between(a: Part, b: Part) -> Node:
    return Node(
        "chain",
        Span(a.node.span.start, b.node.span.end),
        (a.node, b.node),
        ("*",),
        depth=1 + max(a.node.depth, b.node.depth),
    )


def product(r: Reading, parts: list[Part]) -> Part:
    """``a*b*c`` from the left. A prefix that is a scalar by itself, as in ``x'*x*y``, becomes one factor."""
    factors = [parts[0]]
    shape = r.shape(parts[0])
    last = parts[0]
    for part in parts[1:]:
        shape, here = r.sizes.shape(shape), r.shape(part)
        if here.is_scalar:
            factors.append(part)
            continue
        if shape.is_scalar:
            if any(not r.shape(f).is_scalar for f in factors):
                factors = [_multiplied(r, factors, SCALAR)]
            shape = here
        elif r.sizes.unify(shape.cols, here.rows):
            shape = Shape(shape.rows, here.cols)
        else:
            raise product_misfit(r, _between(last, part), last, part)
        factors.append(part)
        last = part
    return _multiplied(r, factors, shape)


def _multiplied(r: Reading, factors: list[Part], shape: Shape) -> Part:
    held = tuple(factors)
    node = _between(held[0], held[-1])
    return Part(node, shape, lambda: terms.mul(*(f.build() for f in held)))


def hadamard(r: Reading, parts: list[Part]) -> Part:
    shaped = [p for p in parts if not r.shape(p).is_scalar]
    for p in shaped[1:]:
        if not r.fits(shaped[0].shape, p.shape):
            raise entrywise_misfit(r, _between(shaped[0], p), ".*", shaped[0], p)
    shape = shaped[0].shape if shaped else SCALAR
    return Part(_between(parts[0], parts[-1]), shape, lambda: terms.had(*(p.build() for p in parts)))


def _div(r: Reading, left: Part, right: Part) -> Part:
    if not r.shape(right).is_scalar and not (r.rule and r.fits(right.shape, SCALAR)):
        raise Misfit(
            "'/' needs a scalar below",
            right.node,
            r.text,
            label=f"{r.says(right.node)} is {r.shown(right)[0]}",
            hint="use inv(A)*b or b*inv(A) for matrices and ./ for entries",
        )
    if right.node.kind == "num" and right.node.data[0] == 0:
        raise ParseError("division by zero", span=right.node.span, source=r.text)
    return Part(_between(left, right), left.shape, lambda: terms.div(left.build(), right.build()))


def _hdiv(r: Reading, left: Part, right: Part) -> Part:
    node = _between(left, right)
    if r.shape(right).is_scalar or r.shape(left).is_scalar:
        shape = left.shape if r.shape(right).is_scalar else right.shape
    elif r.fits(left.shape, right.shape):
        shape = left.shape
    else:
        raise entrywise_misfit(r, node, "./", left, right)
    return Part(node, shape, lambda: terms.hdiv(left.build(), right.build()))


def kronecker(r: Reading, left: Part, right: Part) -> Part:
    a, b = r.shape(left), r.shape(right)
    shape = Shape(a.rows * b.rows, a.cols * b.cols)
    return Part(_between(left, right), shape, lambda: terms.make("kron", left.build(), right.build()))


QUOTIENTS: dict[str, Callable[[Reading, Part, Part], Part]] = {"/": _div, "./": _hdiv, "⊗": kronecker}


# --------------------------------------------------------------------- powers
def not_of_scalar(r: Reading, part: Part, what: str) -> None:
    """Refuse a departure from the conventions that would make a reduction or a transpose one of a scalar."""
    if (
        r.departed
        and r.shape(part).is_scalar
        and any(n.kind in ("name", "index") and n.data in r.departed for n in part.node.walk())
    ):
        raise Misfit(f"{what} of a scalar", part.node, r.text)


@reads("transpose")
def _transpose(r: Reading, node: Node) -> Part:
    part = r.infer(node.args[0])
    if part.node.kind in ("name", "index"):
        not_of_scalar(r, part, "transpose")
    return Part(node, part.shape.transposed, lambda: terms.transpose(part.build()))


def integer(node: Node) -> int | None:
    """The integer a node is, as written; else None."""
    if node.kind == "num" and node.data[0].denominator == 1:
        return int(node.data[0])
    if node.kind == "neg":
        below = integer(node.args[0])
        return None if below is None else -below
    return None


def _is_transpose_sign(r: Reading, node: Node) -> bool:
    return node.kind == "name" and node.data == "T" and ("T" not in r.entries or not r.entries["T"].shape.is_scalar)


@reads("pow")
def _pow(r: Reading, node: Node) -> Part:
    base, exponent = node.args
    inverted = exponent.kind == "neg" and _is_transpose_sign(r, exponent.args[0])
    if node.data == "^" and (inverted or _is_transpose_sign(r, exponent)):
        part = r.infer(base)
        if inverted:
            part = _matrix_power(r, node, part, -1)
        held = part
        return Part(node, held.shape.transposed, lambda: terms.transpose(held.build()))
    part = r.infer(base)
    _bounded(r, exponent)
    _bounded_number(r, node)
    if node.data == "^" and not r.shape(part).is_scalar and integer(exponent) is not None:
        k = integer(exponent)
        assert k is not None
        return _matrix_power(r, node, part, k)
    above = r.scalar(exponent, "an exponent")
    if node.data == ".^":
        return Part(node, part.shape, lambda: terms.hpower(part.build(), above.build()))
    if not r.shape(part).is_scalar:
        _square(r, node, part)
        if not r.rule:
            raise Misfit(
                "the exponent of a matrix must be an integer",
                exponent,
                r.text,
                hint="use .^ for the powers of the entries",
            )
    return Part(node, part.shape, lambda: terms.power(part.build(), above.build()))


def _square(r: Reading, node: Node, part: Part) -> None:
    shape = r.shape(part)
    if not r.sizes.unify(shape.rows, shape.cols):
        raise Misfit(
            "'^' needs a scalar or a square matrix",
            part.node,
            r.text,
            label=f"{r.says(part.node)} is {r.shown(part)[0]}",
            hint="use .^ for the powers of the entries",
        )


def _matrix_power(r: Reading, node: Node, part: Part, k: int) -> Part:
    if r.shape(part).is_scalar:
        return Part(node, part.shape, lambda: terms.power(part.build(), k))
    _square(r, node, part)
    if abs(k) > MAX_POWER:
        raise ParseError(f"the power {k} of a matrix is too large (at most {MAX_POWER})", span=node.span, source=r.text)
    if k >= 0:
        return Part(node, part.shape, lambda: terms.power(part.build(), k))

    def build() -> Term:
        inverse = terms.make("inv", part.build())
        return inverse if k == -1 else terms.power(inverse, -k)

    return Part(node, part.shape, build)


def _bounded(r: Reading, exponent: Node) -> None:
    """Refuse numbers so large that computing with them would take forever."""
    value = magnitude(exponent)
    if value is not None and value > MAX_EXPONENT:
        raise ParseError(
            f"the exponent is too large (at most {MAX_EXPONENT})",
            span=exponent.span,
            source=r.text,
            label=r.says(exponent)[:40],
        )


def _bounded_number(r: Reading, node: Node) -> None:
    value = magnitude(node)
    if value is not None and value >= HUGE:
        raise ParseError("the number is too large", span=node.span, source=r.text)


def magnitude(node: Node) -> float | None:
    """The size of a number written without names, at most HUGE; None where there is a name in it."""
    if node.kind == "num":
        return float(node.data[0])
    below = [magnitude(a) for a in node.args]
    known = [b for b in below if b is not None]
    if not known or len(known) < len(below):
        return None
    if node.kind == "neg":
        return known[0]
    if node.kind == "sum":
        return min(sum(known), HUGE)
    if node.kind == "chain":
        total = known[0]
        for sign, k in zip(node.data, known[1:], strict=True):
            total = min(total * k if sign not in ("/", "./") else (total / k if k else HUGE), HUGE)
        return total
    if node.kind == "pow":
        digits = math.log10(max(known[0], 1 / known[0] if known[0] else 1.0)) * known[1]
        return HUGE if digits >= 100 else float(10**digits)
    return None
