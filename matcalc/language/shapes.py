"""What is said when shapes do not fit: both shapes, the place, and the repairs that would fit."""

from __future__ import annotations

from matcalc.language.dims import ONE, Shape
from matcalc.language.inference import unknowns
from matcalc.language.reading import Misfit, Part, Reading
from matcalc.language.syntax import Node

__all__ = ["entrywise_misfit", "is_euler", "off_by_one", "product_misfit", "sum_misfit"]


def _factor(r: Reading, part: Part) -> str:
    """The words for a part as a factor: in parentheses where it is a sum."""
    text = r.says(part.node)
    return f"({text})" if part.node.kind in ("sum", "neg") and not text.startswith("(") else text


def _transposed(r: Reading, part: Part) -> str:
    text = r.says(part.node)
    simple = part.node.kind in ("name", "call", "index") or text.startswith("(")
    return f"{text}'" if simple else (text[:-1] if part.node.kind == "transpose" else f"({text})'")


def _could_be(r: Reading, a: Shape, b: Shape) -> bool:
    """Whether two sizes-to-be could still agree (an unknown may, two different names may not)."""
    return all(x is y or ((unknowns(x) or unknowns(y)) and ONE not in (x, y)) for x, y in zip(a, b, strict=True))


def product_misfit(r: Reading, node: Node, left: Part, right: Part) -> Misfit:
    """The inner sizes of a product differ."""
    a, b = r.shape(left), r.shape(right)
    shown = r.shown(left, right)
    inner = (shown[0].rpartition("×")[2], shown[1].partition("×")[0])
    label = (
        f"{r.says(left.node)} is {shown[0]} and {r.says(right.node)} is {shown[1]}: "
        f"the inner sizes {inner[0]} and {inner[1]} differ"
    )
    u, v = _factor(r, left), _factor(r, right)
    ut, vt = _transposed(r, left), _transposed(r, right)
    hints: list[str] = []
    rows = (shown[0].partition("×")[0], shown[1].partition("×")[0])
    if a.cols is ONE and b.cols is ONE:
        needs = "" if a.rows is b.rows else f" (needs {rows[0]} = {rows[1]})"
        hints = [
            f"{ut}*{v} is a scalar{needs}",
            f"{u}*{vt} is an {rows[0]}×{rows[1]} matrix",
            f"{u}.*{v} multiplies entries",
        ]
    else:
        if _could_be(r, Shape(a.rows, ONE), Shape(b.rows, ONE)):
            hints.append(f"{ut}*{v} would fit")
        if _could_be(r, Shape(a.cols, ONE), Shape(b.cols, ONE)):
            hints.append(f"{u}*{vt} would fit")
        if _could_be(r, Shape(a.rows, ONE), Shape(b.cols, ONE)):
            hints.append(f"{v}*{u} would fit")
        if _could_be(r, a, b):
            hints.append(f"{u}.*{v} multiplies entries")
        if not hints and "1" in inner:
            hints.append(f"{inner[0] if inner[1] == '1' else inner[1]} does not silently become 1")
    return Misfit("shapes do not fit in '*'", node, r.text, label=label, hint=off_by_one(inner) or ", ".join(hints))


def off_by_one(inner: tuple[str, str]) -> str:
    """A hint where two sizes are one family's at different indices."""
    names = [i.partition("[")[0] for i in inner]
    if names[0] == names[1] and all("[" in i for i in inner):
        return "the same sizes at shifted indices: is an index off by one?"
    return ""


def entrywise_misfit(r: Reading, node: Node, sign: str, left: Part, right: Part) -> Misfit:
    """Entry by entry needs equal shapes."""
    shown = r.shown(left, right)
    a, b = r.shape(left), r.shape(right)
    hint = ""
    if _could_be(r, a.transposed, b):
        hint = f"{_transposed(r, left)}{sign}{_factor(r, right)} would fit"
    elif b.cols is ONE and a.cols is not ONE and _could_be(r, Shape(a.rows, ONE), b):
        hint = f"diag({r.says(right.node)})*{_factor(r, left)} scales the rows" if sign == ".*" else ""
    elif a.cols is ONE and b.cols is not ONE and _could_be(r, Shape(b.rows, ONE), a):
        hint = f"diag({r.says(left.node)})*{_factor(r, right)} scales the rows" if sign == ".*" else ""
    label = f"{r.says(left.node)} is {shown[0]} and {r.says(right.node)} is {shown[1]}"
    return Misfit(f"shapes do not fit in '{sign}'", node, r.text, label=label, hint=hint)


def sum_misfit(r: Reading, node: Node, sign: str, first: Part, other: Part) -> Misfit:
    """Two terms of a sum differ in shape."""
    shown = r.shown(first, other)
    label = f"{r.says(first.node)} is {shown[0]} and {r.says(other.node)} is {shown[1]}"
    a, b = r.shape(first), r.shape(other)
    if b.is_scalar:
        hint = _scalar_hint(r, other, first, shown[0])
    elif a.is_scalar:
        hint = _scalar_hint(r, first, other, shown[1])
    elif a.is_matrix and b.cols is ONE:
        hint = _bias_hint(r, other, first, shown[0])
    elif b.is_matrix and a.cols is ONE:
        hint = _bias_hint(r, first, other, shown[1])
    elif _could_be(r, a, b.transposed):
        hint = f"did you mean {_transposed(r, other)}?"
    else:
        hint = ""
    guilty = first if a.is_scalar and not b.is_scalar else other
    return Misfit(f"shapes do not fit in '{sign}'", node, r.text, span=guilty.node.span, label=label, hint=hint)


def is_euler(r: Reading, node: Node) -> bool:
    """Whether a part of the text is the number e, and no name of the user's."""
    return node.kind == "name" and node.data == "e" and "e" not in r.entries


def _scalar_hint(r: Reading, scalar: Part, other: Part, shown: str) -> str:
    """A scalar added to something: the two things that may be meant."""
    s = _factor(r, scalar)
    s = f"({s})" if scalar.node.kind in ("chain", "neg") and "/" in s else s
    rows, _, cols = shown.partition("×")
    shape = r.shape(other)
    one = s == "1"
    if is_euler(r, scalar.node):
        size = rows if shape.cols is ONE else shown
        return f"e is the number 2.718... here; to use the name as your own, declare it: e : {size}"
    if shape.cols is ONE:
        return f"did you mean vector({r.says(scalar.node)}), which adds it to every entry?"
    every = f"ones({rows}, {cols})" if one else f"{s}*ones({rows}, {cols})"
    if shape.rows is shape.cols:
        eye = f"eye({rows})" if one else f"{s}*eye({rows})"
        return f"did you mean {eye} (the diagonal) or {every} (every entry)?"
    return f"did you mean {every}?"


def _bias_hint(r: Reading, vector: Part, matrix: Part, shown: str) -> str:
    """A vector added to a matrix: to each row (a bias) or to each column."""
    rows, _, cols = shown.partition("×")
    m, v = r.shape(matrix), r.shape(vector)
    to_rows = f"ones({rows})*{_transposed(r, vector)} (added to every row)"
    to_columns = f"{_factor(r, vector)}*ones({cols})' (added to every column)"
    if v.rows is m.cols and v.rows is not m.rows:
        return f"did you mean {to_rows}?"
    if v.rows is m.rows and v.rows is not m.cols:
        return f"did you mean {to_columns}?"
    return f"did you mean {to_rows}, or {to_columns}?"
