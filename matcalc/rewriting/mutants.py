"""One-edit mutants of a rule's right side: what a slip of the pen makes of it.

The terms keep their sizes, so that a mutant which does not fit is refused by the shapes alone: it is reported as text.

Invariants: no mutant is the original, nor the original up to the order of commuting parts; each mutant occurs once; the
order depends on the term alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from matcalc.errors import ShapeError
from matcalc.language import terms
from matcalc.language.terms import Path, Term, at, make, put

__all__ = ["EDITS", "Mutant", "mutants"]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One edit. ``term`` is None where the result does not fit the shapes."""

    edit: str  # which of EDITS
    path: Path
    term: Term | None


Edit = Callable[[Term], Iterator[Callable[[], Term]]]
# An edit yields builders, not terms: building may fail for want of fitting shapes.


def _transposed(t: Term) -> Iterator[Callable[[], Term]]:
    if not t.is_scalar and t.op not in ("transpose", "eye", "zeros", "num", "ones"):
        yield lambda: terms.transpose(t)


def _untransposed(t: Term) -> Iterator[Callable[[], Term]]:
    if t.op == "transpose":
        yield lambda: t.args[0]


def _swapped(t: Term) -> Iterator[Callable[[], Term]]:
    """Two neighbouring factors change places; the operands of what does not commute change places."""
    if t.op == "mul":
        matrices = [i for i, a in enumerate(t.args) if not a.is_scalar]
        for i, j in pairwise(matrices):
            yield lambda i=i, j=j: _exchange(t, i, j)  # type: ignore[misc]
    elif t.op in ("div", "hdiv", "pow", "hpow", "kron", "inner"):
        yield lambda: _exchange(t, 0, 1)


def _exchange(t: Term, i: int, j: int) -> Term:
    args = list(t.args)
    args[i], args[j] = args[j], args[i]
    return make(t.op, *args, data=t.data)


def _hadamard(t: Term) -> Iterator[Callable[[], Term]]:
    """The product becomes the product of entries, and back."""
    if t.op == "mul":
        scalars = [a for a in t.args if a.is_scalar]
        matrices = [a for a in t.args if not a.is_scalar]
        if len(matrices) > 1:
            yield lambda: terms.mul(*scalars, make("had", *matrices)) if scalars else make("had", *matrices)
    elif t.op == "had":
        yield lambda: terms.mul(*t.args)


def _is_zero(t: Term) -> bool:
    return t.op == "zeros" or (t.op == "num" and t.data == 0)


def _sign(t: Term) -> Iterator[Callable[[], Term]]:
    if not _is_zero(t):
        yield (lambda: t.args[0]) if t.op == "neg" else (lambda: terms.neg(t))


def _doubled(t: Term) -> Iterator[Callable[[], Term]]:
    if not _is_zero(t):
        yield lambda: terms.mul(terms.number(2), t)


def _number(t: Term) -> Iterator[Callable[[], Term]]:
    """A number is one too large; a coefficient is forgotten (by ``fewer``)."""
    if t.op == "num":
        yield lambda: terms.number(t.data + 1)


def _fewer(t: Term) -> Iterator[Callable[[], Term]]:
    """A summand or a factor is forgotten; of a quotient or a power, what stands below or above."""
    if t.op in ("add", "mul", "had", "kron"):
        for i in range(len(t.args)):
            rest = t.args[:i] + t.args[i + 1 :]
            yield lambda rest=rest: make(t.op, *rest, data=t.data)  # type: ignore[misc]
    elif t.op in ("div", "hdiv", "pow", "hpow"):
        yield lambda: t.args[0]


def _bare(t: Term) -> Iterator[Callable[[], Term]]:
    """An inverse, a diagonal, a function or another operation of one argument is forgotten."""
    if t.op in BARE:
        yield lambda: t.args[0]


BARE = frozenset(("inv", "diag", "diagvec", "fn", "tr", "sum", "det", "logdet", "vec", "unvec", "softmax", "logsumexp"))

EDITS: dict[str, Edit] = {
    "transposed": _transposed,
    "transpose dropped": _untransposed,
    "swapped": _swapped,
    "Hadamard for product": _hadamard,
    "sign": _sign,
    "factor 2": _doubled,
    "number": _number,
    "part dropped": _fewer,
    "operation dropped": _bare,
}
# Edits that a linear operation passes on to the outside: made of the whole, of summands, and where they stay inside.
OUTSIDE = frozenset(("sign", "factor 2"))


def mutants(t: Term) -> Iterator[Mutant]:
    """Every one-edit mutant of a term that has a shape, and one with no term for each that has none."""
    seen = {_sorted(t)}
    for path, node in _places(t):
        for edit, make_all in EDITS.items():
            if edit in OUTSIDE and not _speaks(t, path):
                continue
            for build in make_all(node):
                new = _built(t, path, build)
                if new is None:
                    yield Mutant(edit, path, None)
                elif (key := _sorted(new)) not in seen:
                    seen.add(key)
                    yield Mutant(edit, path, new)


def _built(t: Term, path: Path, build: Callable[[], Term]) -> Term | None:
    try:
        new = put(t, path, build())
    except ShapeError:
        return None
    return new if new.shape == t.shape else None


def _places(t: Term) -> Iterator[tuple[Path, Term]]:
    """Every place of a term, outermost first. What stands under a d(...) is not changed: the tangents are given."""
    stack: list[Path] = [()]
    while stack:
        path = stack.pop()
        node = at(t, path)
        yield path, node
        if node.op != "d":
            stack.extend((*path, i) for i in reversed(range(len(node.args))))


def _speaks(t: Term, path: Path) -> bool:
    """Whether a sign or a factor at the place is not simply one of the whole expression around it."""
    if not path:
        return True
    parent = at(t, path[:-1])
    return at(t, path).op != "add" and (parent.op == "add" or not parent.row.linear)


def _sorted(t: Term) -> Term:
    """The term with commuting parts in one order and scalars first, so that reordering is no mutation."""
    args = [_sorted(a) for a in t.args]
    if t.row.commutative or t.op == "inner":
        args.sort(key=_key)
    elif t.op == "mul":
        args = sorted((a for a in args if a.is_scalar), key=_key) + [a for a in args if not a.is_scalar]
    return terms.rebuild(t, args)


def _key(t: Term) -> tuple[int, str]:
    return t.size, _spelled(t)


def _spelled(t: Term) -> str:
    return f"{t.op}{t.data}({','.join(map(_spelled, t.args))})"
