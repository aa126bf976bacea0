"""Small changes of NumPy code: the slips that only code has, undone in the text that was written.

The axis of a reduction, ``keepdims``, ``*`` for ``@``, a transpose, the order of two factors, a sign: each change
replaces one expression of the code and leaves the rest as it is, so that the correction looks like the answer.

Invariants: the code is never run; the order of the changes depends on the code alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from matcalc.errors import MatcalcError, Span
from matcalc.interop.numpy_code import parsed_code
from matcalc.interop.numpy_walk import Places

__all__ = ["Rewrite", "rewrites"]

MOST_REWRITES = 400
LARGEST_CODE = 4_000
REDUCTIONS = ("sum", "mean")
AXES = (*REDUCTIONS, "norm")  # functions with an axis
MODULES = ("np", "numpy", "jnp")


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One change: its kind, what it means, the code after it, and what was replaced."""

    kind: str
    says: str
    code: str
    span: Span
    before: str
    after: str


def rewrites(code: str) -> Iterator[Rewrite]:
    """The changes of a piece of code, the likeliest kinds first."""
    if len(code) > LARGEST_CODE:
        return
    try:
        tree, indent = parsed_code(code)
    except MatcalcError:
        return
    places = Places(code, indent)
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.expr)]
    inside = (part for n in nodes for part in _untransposed(n))
    kept = {id(below) for part in inside for below in ast.walk(part)}
    many = 0
    for make in (_transposed, _signs, _ordered, _products, _axes, _means):
        for node in nodes:
            if make is _transposed and id(node) in kept:
                continue
            for kind, says, new in make(node):
                span = places.of(node)
                before = code[span.start : span.end]
                after = ast.unparse(new)
                after = f"({after})" if isinstance(new, (ast.BinOp, ast.UnaryOp)) and before.startswith("(") else after
                many += 1
                if many > MOST_REWRITES:
                    return
                yield Rewrite(kind, says, code[: span.start] + after + code[span.end :], span, before, after)


Made = Iterator[tuple[str, str, ast.expr]]


def _transposed(node: ast.expr) -> Made:
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield "transpose", "there is a transpose too many", node.value
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in MODULES:
        yield "transpose", "a transpose is missing", ast.Attribute(node, "T", ast.Load())
    if isinstance(node, ast.Call) and _called(node) == "outer" and len(node.args) == 2:
        turned = ast.Call(node.func, [node.args[1], node.args[0]], node.keywords)
        yield "transpose", "this is the transpose of what is meant", turned


def _signs(node: ast.expr) -> Made:
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        other: ast.operator = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        word = "minus" if isinstance(node.op, ast.Add) else "plus"
        yield "sign", f"a {word} sign is meant", ast.BinOp(node.left, other, node.right)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign", "there is a minus sign too many", node.operand


def _ordered(node: ast.expr) -> Made:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        yield "order", "the factors are in the wrong order", ast.BinOp(node.right, node.op, node.left)


def _products(node: ast.expr) -> Made:
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.MatMult)):
        entries = isinstance(node.op, ast.MatMult)
        other: ast.operator = ast.Mult() if entries else ast.MatMult()
        says = (
            "the entries are multiplied, not the matrices"
            if entries
            else "the matrices are multiplied, not the entries"
        )
        yield "hadamard", says, ast.BinOp(node.left, other, node.right)


def _axes(node: ast.expr) -> Made:
    if isinstance(node, ast.Call) and _called(node) in AXES:
        axis = next((k.value for k in node.keywords if k.arg == "axis"), None)
        value = axis.value if isinstance(axis, ast.Constant) else None
        for new in (0, 1):
            for kept in (False, True):
                if (value, _keeps(node)) != (new, kept) and not (value is None and _has_axis(node)):
                    yield "reduction", _about_axis(value, new, _has_axis(node)), _reduced(node, new, kept)
        if axis is not None:
            yield "reduction", "the reduction is over all entries", _reduced(node, None, False)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple) and len(node.slice.elts) == 2:
        first, second = node.slice.elts
        if any(isinstance(e, ast.Constant) and e.value is None for e in (first, second)):
            turned = ast.Tuple([second, first], ast.Load())
            yield "reduction", "the other axis is meant", ast.Subscript(node.value, turned, ast.Load())


def _about_axis(value: object, new: int, has_axis: bool) -> str:
    if value == new:
        return "the axis is to be kept, or not"
    return "the reduction runs over the wrong axis" if has_axis else "the reduction is over one axis"


def _means(node: ast.expr) -> Made:
    if not (isinstance(node, ast.Call) and _called(node) in REDUCTIONS):
        return
    name = _called(node)
    other = "mean" if name == "sum" else "sum"
    if isinstance(node.func, ast.Attribute):
        func = ast.Attribute(node.func.value, other, ast.Load())
        says = f"the {other} is meant, not the {name}"
        yield "factor", says, ast.Call(func, node.args, node.keywords)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else ""


def _untransposed(node: ast.expr) -> list[ast.expr]:
    """The parts in which another axis is meant, not a transpose: what is reduced, whose shape is asked for."""
    if isinstance(node, ast.Attribute) and node.attr == "shape":
        return [node.value]
    if isinstance(node, ast.Call) and _called(node) in AXES:
        return [*node.args[:1], *([node.func.value] if isinstance(node.func, ast.Attribute) else [])]
    return []


def _has_axis(node: ast.Call) -> bool:
    return any(k.arg == "axis" for k in node.keywords)


def _keeps(node: ast.Call) -> bool:
    return any(k.arg == "keepdims" and isinstance(k.value, ast.Constant) and bool(k.value.value) for k in node.keywords)


def _reduced(node: ast.Call, axis: int | None, kept: bool) -> ast.Call:
    keywords = [k for k in node.keywords if k.arg not in ("axis", "keepdims")]
    if axis is not None:
        keywords.append(ast.keyword("axis", ast.Constant(axis)))
    if kept:
        keywords.append(ast.keyword("keepdims", ast.Constant(True)))
    return ast.Call(node.func, node.args, keywords)
