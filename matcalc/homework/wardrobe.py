"""One change of an answer, and what may be put into an answer: the arguments, names and factors of a problem.

Invariant: the order of what is offered depends on the problem alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from matcalc.homework.forms import Form
from matcalc.language import terms
from matcalc.language.terms import Path, Term, subterms

__all__ = ["POINTS", "Edit", "Wardrobe", "wardrobe"]

POINTS = frozenset("fn grad jac hess call softmax logsumexp word".split())


@dataclass(frozen=True, slots=True)
class Edit:
    """One change: the whole form after it, and the part that was changed, before and after."""

    kind: str
    says: str
    form: Form
    path: Path
    before: Form | None = None
    after: Form | None = None


@dataclass(frozen=True, slots=True)
class Wardrobe:
    """What may be put into an answer: the arguments, names and factors of the problem and of the right answer."""

    arguments: tuple[Term, ...] = ()
    names: tuple[Term, ...] = ()
    factors: tuple[Term, ...] = ()
    entry_factors: tuple[Term, ...] = ()
    defined: frozenset[Term] = frozenset()  # the names that are intermediate values
    scales: tuple[Term, ...] = ()  # the vectors that may scale rows or columns
    values: tuple[tuple[Term, Term], ...] = ()  # names of values of functions, and their arguments


def wardrobe(
    roots: Iterable[Term], names: Iterable[Term], truth: Term | None, defined: Mapping[Term, Term]
) -> Wardrobe:
    """What the terms of a problem and its right answer offer; ``defined``: the definitions."""
    arguments: dict[Term, None] = {}
    names = tuple(names)
    for root in roots:
        for t in subterms(root):
            if t.op in POINTS:
                arguments.update(dict.fromkeys(a for a in t.args if not a.is_scalar))
    factors: dict[Term, None] = {}
    entries: dict[Term, None] = {}
    for t in subterms(truth) if truth is not None else ():
        if t.op in ("mul", "had", "hdiv"):
            (factors if t.op == "mul" else entries).update(dict.fromkeys(a for a in t.args if not a.is_scalar))
    for n in names:
        if not n.is_scalar:
            factors.setdefault(n)
            factors.setdefault(terms.transpose(n))
    points = dict.fromkeys([*names, *arguments])
    scales = tuple(n for n in names if n.shape.is_vector)
    values = tuple((name, body.args[0]) for name, body in defined.items() if body.op == "fn")
    return Wardrobe(tuple(points), names, tuple(factors), tuple(entries), frozenset(defined), scales, values)
