"""The well-known mistakes, read from the rule files and undone in an answer by structure alone.

A false line ``meant = written`` of the rules is a slip: wherever an answer has the shape of the right side, the left
side is tried in its place.  The shapes of the line's own symbols do not matter here, which is why a transpose can be
put back into an answer that is not even well-shaped.

Invariant: the order of what is tried depends on the rule files and the answer alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from matcalc.homework.form_building import shape_of
from matcalc.homework.form_trees import Names, form_of_tree
from matcalc.homework.forms import FLAT, Form, call, leaf, with_args
from matcalc.language.syntax import Node, parse_tree
from matcalc.language.terms import Term
from matcalc.rewriting.rules import Statement, rule_book

__all__ = ["Slip", "slips", "undone"]

PREFIX = "mistake-"
FUNCTIONS = ("elementwise", "function")
NUMBERS = ("scalar",)
SIZES = ("rows", "cols")
Bound = Mapping[str, Form | str]


@dataclass(frozen=True, slots=True)
class Slip:
    """What is meant and what is written; ``kinds`` are the kinds of the metavariables."""

    id: str
    kind: str  # of the finding
    says: str
    meant: Form
    written: Form
    kinds: Mapping[str, str]


@cache
def slips() -> tuple[Slip, ...]:
    """The slips of the rule files: the mistakes in their order, then the other false lines."""
    false = [s for s in rule_book().statements if s.false]
    own = [s for s in false if s.id.startswith(PREFIX)]
    others = [s for s in false if not s.id.startswith(PREFIX)]
    return tuple(made for s in (*own, *others) if (made := _slip(s)) is not None)


def _slip(s: Statement) -> Slip | None:
    """The slip of a false line; None where it speaks of differentials or where its right side is everything."""
    words = {n for n, k in s.kinds.items() if "tangent" in k}
    sides = [parse_tree(side) for side in s.text]
    nodes = [n for side in sides for n in side.walk()]
    if any((n.kind == "call" and n.data[0] in ("d", "inner")) or (n.kind == "name" and n.data in words) for n in nodes):
        return None
    elementwise = frozenset(n for n, k in s.kinds.items() if k.startswith("elementwise"))
    meant, written = (form_of_tree(side, Names(lambda name: None, elementwise)) for side in sides)
    own = s.id.startswith(PREFIX)
    if not own and written.op == "leaf":
        return None
    kind = _kind(s.id.removeprefix(PREFIX)) if own else "other"
    return Slip(s.id, kind, s.say, meant, written, s.kinds)


def _kind(rest: str) -> str:
    from matcalc.homework.verdict import KINDS

    return next(k for k in KINDS if rest == k or rest.startswith(k + "-"))


# ---------------------------------------------------------------------------------- matching
def undone(slip: Slip, form: Form) -> Iterator[tuple[Form, Form, Form]]:
    """What stands in the place of ``form`` when the slip is undone in it: (before, after, the new form)."""
    written = slip.written
    if written.op in FLAT and form.op == written.op:
        for start in range(len(form.args)):
            for bound, stop in _run(slip, written.args, form.args, start, {}):
                before = call(form.op, *form.args[start:stop])
                after = _filled(slip.meant, bound)
                yield before, after, call(form.op, *form.args[:start], after, *form.args[stop:])
        return
    for bound in _match(slip, written, form, {}):
        after = _filled(slip.meant, bound)
        yield form, after, after
    if _is_variable(slip, written) and form.op == "mul":  # a few adjacent factors are an argument as well
        for start in range(len(form.args)):
            for stop in range(start + 2, min(len(form.args) + 1, start + len(form.args))):
                before = call("mul", *form.args[start:stop])
                for bound in _match(slip, written, before, {}):
                    after = _filled(slip.meant, bound)
                    yield before, after, call("mul", *form.args[:start], after, *form.args[stop:])


def _run(
    slip: Slip, patterns: tuple[Form, ...], args: tuple[Form, ...], start: int, bound: Bound
) -> Iterator[tuple[Bound, int]]:
    """Adjacent arguments from ``start`` on that the patterns match; a metavariable may take several of them."""
    if not patterns:
        yield bound, start
        return
    first, rest = patterns[0], patterns[1:]
    longest = len(args) - start - len(rest)
    for many in range(1, (longest if _is_variable(slip, first) else min(longest, 1)) + 1):
        piece = args[start] if many == 1 else call(slip.written.op, *args[start : start + many])
        for found in _match(slip, first, piece, bound):
            yield from _run(slip, rest, args, start + many, found)


def _is_variable(slip: Slip, pattern: Form) -> bool:
    return pattern.op == "leaf" and isinstance(pattern.item, Node) and pattern.item.data in slip.kinds


def _match(slip: Slip, pattern: Form, form: Form, bound: Bound) -> Iterator[Bound]:
    if pattern.op == "leaf":
        yield from _match_leaf(slip, pattern, form, bound)
    elif pattern.op == "word" and pattern.data[0] in ("ones", "zeros", "eye"):
        if _fills(form) == pattern.data[0]:  # of whatever size
            yield bound
    elif pattern.op == "fn":
        yield from _match_function(slip, pattern, form, bound)
    elif pattern.op == form.op and len(pattern.args) == len(form.args) and pattern.data == form.data:
        yield from _match_all(slip, pattern.args, form.args, bound)


def _match_all(slip: Slip, patterns: tuple[Form, ...], forms: tuple[Form, ...], bound: Bound) -> Iterator[Bound]:
    if not patterns:
        yield bound
        return
    for found in _match(slip, patterns[0], forms[0], bound):
        yield from _match_all(slip, patterns[1:], forms[1:], found)


def _match_leaf(slip: Slip, pattern: Form, form: Form, bound: Bound) -> Iterator[Bound]:
    item = pattern.item
    if isinstance(item, Term):
        if form.op == "leaf" and form.item is item:
            yield bound
        return
    assert item is not None
    name = item.data
    kind = slip.kinds.get(name, "")
    if not kind or kind.startswith(FUNCTIONS) or kind == "size":
        return
    if name in bound:
        if bound[name] == form:
            yield bound
        return
    shape = shape_of(form)
    if shape is None or shape.is_scalar == (kind in NUMBERS):
        yield {**bound, name: form}


def _match_function(slip: Slip, pattern: Form, form: Form, bound: Bound) -> Iterator[Bound]:
    """``f'(X)`` with any function for f, ``tanh(X)`` with that one."""
    if form.op != "fn" or pattern.data[1] != form.data[1]:
        return
    name = pattern.data[0]
    if name not in slip.kinds:
        if name == form.data[0]:
            yield from _match(slip, pattern.args[0], form.args[0], bound)
        return
    if bound.get(name, form.data[0]) == form.data[0]:
        yield from _match(slip, pattern.args[0], form.args[0], {**bound, name: form.data[0]})


def _fills(form: Form) -> str:
    """Whether a form is ``ones``, ``zeros`` or ``eye`` of some size."""
    item = form.item
    if isinstance(item, Term):
        return item.op
    if item is not None:
        return {"I": "eye"}.get(item.data, str(item.data)) if item.kind == "name" else ""
    return {"vector": "ones", "matrix": "ones"}.get(form.data[0], form.data[0]) if form.op == "word" else ""


def _filled(meant: Form, bound: Bound) -> Form:
    """The left side with what the metavariables stand for."""
    if meant.op == "leaf":
        if isinstance(meant.item, Node) and meant.item.kind == "name" and meant.item.data in bound:
            found = bound[meant.item.data]
            assert isinstance(found, Form)
            return found
        return leaf(meant.item) if meant.item is not None else meant
    args = tuple(_filled(a, bound) for a in meant.args)
    data = meant.data
    if meant.op == "fn" and isinstance(bound.get(data[0]), str):
        data = (bound[data[0]], data[1])
    return with_args(meant, args, data)
