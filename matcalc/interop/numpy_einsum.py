"""``np.einsum`` of one or two arrays, as products, sums and transposes.

A pattern is brought to a canonical one: its letters renamed in order of appearance.  What a single product, sum or
entrywise product cannot say is refused.
"""

from __future__ import annotations

from collections.abc import Callable

from matcalc.interop.numpy_arrays import Source, Value, as_column, flipped, matmul, multiplied, reduced, transposed
from matcalc.language import terms
from matcalc.language.dims import Dim

__all__ = ["einsum"]

Single = Callable[[Source, Value], Value]
SINGLE: dict[str, Single] = {
    "a->a": lambda s, x: x,
    "ab->ab": lambda s, x: x,
    "ab->ba": transposed,
    "a->": lambda s, x: reduced(s, x, None, False),
    "ab->": lambda s, x: reduced(s, x, None, False),
    "ab->a": lambda s, x: reduced(s, x, 1, False),
    "ab->b": lambda s, x: reduced(s, x, 0, False),
    "aa->": lambda s, x: Value(terms.make("tr", x.term), 0),
    "aa->a": lambda s, x: Value(terms.make("diagvec", x.term), 1),
}


def einsum(s: Source, spec: str, arrays: list[Value]) -> Value:
    inputs, arrow, output = spec.replace(" ", "").partition("->")
    parts = inputs.split(",")
    fits = len(parts) == len(arrays) and all(len(p) == v.axes for p, v in zip(parts, arrays, strict=False))
    if not fits or not all(p.isalpha() for p in parts if p) or not (output.isalpha() or not output) or len(spec) > 40:
        raise s.unread("these indices of einsum do not fit the arrays")
    if not arrow:
        letters = "".join(parts)
        output = "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    if len(set(output)) < len(output) or not set(output) <= set("".join(parts)):
        raise s.unread("every index of the result of einsum is one of an array")
    _check_sizes(s, parts, arrays)
    if len(arrays) == 1:
        made = SINGLE.get(_canonical(f"{parts[0]}->{output}"))
        if made is not None:
            return made(s, arrays[0])
    elif len(arrays) == 2:
        found = _pair(s, parts, arrays, output)
        if found is not None:
            return found
    raise s.unread(f"einsum of '{spec}' is not read")


def _canonical(pattern: str) -> str:
    table: dict[str, str] = {}
    return "".join(table.setdefault(c, "abcdefgh"[len(table)]) if c.isalpha() else c for c in pattern)


def _check_sizes(s: Source, parts: list[str], arrays: list[Value]) -> None:
    sizes: dict[str, Dim] = {}
    for part, v in zip(parts, arrays, strict=True):
        for c, d in zip(part, v.shape, strict=True):
            if sizes.setdefault(c, d) is not d:
                raise s.shape_error(f"the index {c} of einsum has the sizes {sizes[c]} and {d}")


def _pair(s: Source, parts: list[str], arrays: list[Value], output: str) -> Value | None:
    (p, q), (x, y) = parts, arrays
    if len(set(p)) < len(p) or len(set(q)) < len(q):
        return None
    shared = [c for c in p if c in q]
    if len(p) == 2 and len(q) == 2 and len(shared) == 1 and shared[0] not in output:  # a product of matrices
        c = shared[0]
        left = x if p[1] == c else transposed(s, x)
        right = y if q[0] == c else transposed(s, y)
        product = matmul(s, left, right, "einsum")
        free = p.replace(c, "") + q.replace(c, "")
        return product if output == free else transposed(s, product) if output == free[::-1] else None
    if len(shared) == 2:  # entry by entry
        product = multiplied(s, x, y if p == q else transposed(s, y))
        made = SINGLE.get(_canonical(f"{p}->{output}"))
        return None if made is None else made(s, product)
    if len(q) == 2 and len(p) == 1:
        p, q, x, y = q, p, y, x
    if len(p) == 2 and len(q) == 1 and q in p:
        return _with_vector(s, p, q, x, y, output)
    if len(p) == len(q) == 1:
        if p == q:
            return SINGLE[f"a->{'a' if output else ''}"](s, multiplied(s, x, y)) if output != "" else matmul(s, x, y)
        outer = Value(terms.mul(as_column(x), flipped(as_column(y))), 2)
        return outer if output == p + q else transposed(s, outer) if output == q + p else None
    return None


def _with_vector(s: Source, p: str, q: str, x: Value, v: Value, output: str) -> Value | None:
    """A matrix and a vector that share an index."""
    rest = p.replace(q, "")
    if output == rest:
        return matmul(s, x if p[1] == q else transposed(s, x), v, "einsum")
    if output in (p, p[::-1]):
        scaled = multiplied(s, x, v if p[1] == q else Value(v.term, 2))
        return scaled if output == p else transposed(s, scaled)
    return None
