"""Whole axes of arrays: ``x[:, None]``, ``X[:, :]``; entries and parts of arrays are no terms."""

from __future__ import annotations

import ast

from matcalc.interop.numpy_arrays import Source, Value, flipped, number, one_axis
from matcalc.language.dims import ONE

__all__ = ["sliced"]


def sliced(source: Source, v: Value, index: ast.expr) -> Value:
    """Whole axes, new axes, and the only index of an axis of length 1."""
    parts = list(index.elts) if isinstance(index, ast.Tuple) else [index]
    kinds = [_kind_of(p) for p in parts]
    if "..." in kinds:
        k = kinds.index("...")
        kinds[k : k + 1] = [":"] * (v.axes - sum(c in ":0" for c in kinds if c != "..."))
    kinds += [":"] * (v.axes - sum(c in ":0" for c in kinds))
    if "?" in kinds or sum(c in ":0" for c in kinds) != v.axes:
        raise source.unread(
            "entries and parts of arrays are not part of the language", "whole axes can be taken: x[:, None]"
        )
    shape, axis = list(v.shape), 0
    for c in kinds:
        if c == "0" and shape[axis] is not ONE:
            raise source.unread("entries and parts of arrays are not part of the language")
        axis += c in ":0"
    axes = sum(c in (":", "+") for c in kinds)
    if axes > 2:
        raise source.unread("arrays with more than two axes are not part of the language")
    if v.axes == 1 and axes == 2:
        return Value(v.term if kinds == [":", "+"] else flipped(v.term), 2)
    if "0" in kinds:
        return number(v.term) if axes == 0 else one_axis(v.term)
    if axes == v.axes:
        return v
    raise source.unread("this index is not read")


def _kind_of(part: ast.expr) -> str:
    if isinstance(part, ast.Slice):
        return ":" if part.lower is None and part.upper is None and part.step is None else "?"
    if isinstance(part, ast.Constant):
        if part.value is None:
            return "+"
        if part.value is Ellipsis:
            return "..."
        return "0" if part.value == 0 and isinstance(part.value, int) and not isinstance(part.value, bool) else "?"
    if isinstance(part, ast.Attribute) and part.attr == "newaxis":
        return "+"
    return "?"
