"""The ways in which the formulas of a passage may be meant, the plainest first.

Each is a change of the syntax trees: derivatives of numbers as rows, powers and quotients entry by entry, softmax along
rows or columns, one member of a family as a name, a family written out.

Invariant: a later reading is looked at only where an earlier one leaves something open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from matcalc.homework.intake import gradients_as_rows
from matcalc.homework.members import Members, NoMembers, free_letters
from matcalc.homework.moments import covariances, speaks_of_covariance, with_moments
from matcalc.homework.notebook import Fact, Group, Notebook, facts, formal, names_of
from matcalc.interop.latex_plain import write_plain
from matcalc.language.syntax import Node

__all__ = ["Way", "ways"]

Change = Callable[[Node], Node]
SOFT = ("softmax", "log_softmax", "logsumexp")


@dataclass(frozen=True, slots=True)
class Way:
    """One way to read a passage. ``shapes``: with those that the document gives."""

    changed: Change
    defined: Change  # what is done to definitions
    members: Members | None = None
    shapes: bool = True
    careful: bool = True  # no side makes sizes equal
    key: tuple[object, ...] = ()  # the same for the same way of reading another passage
    losses: Mapping[str, str] = field(default_factory=dict)  # what is known of a loss that is nowhere defined
    declared: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)  # names that stand for something, and how it is written


def ways(book: Notebook, group: Group, text: str) -> Iterator[Way]:
    """The ways to read the chains of one passage."""
    place = group.place
    trees = [book.plainly(s.tree) for d in group.chains for s in d.chain.sides if s.tree is not None]
    resolved = [_as_gradients(book.resolved(t, place)) for t in trees]
    several = _members(book, resolved)
    rows = gradients_as_rows(text)

    def base(tree: Node) -> Node:
        return _as_gradients(book.resolved(book.plainly(tree), place))

    extra: dict[str, Change] = {**_sized(book, resolved), "": _same}
    bodies = [d.body for known in (*book.definitions.values(), *book.members.values()) for d in known]
    if any(_is_entrywise(n) for t in (*resolved, *bodies) if t is not None for n in t.walk()):
        extra["entry by entry"] = _entrywise
    if _uses_softmax(book, trees):
        extra = {axis: partial(_along, axis=axis) for axis in ("rowwise", "colwise")}
    declared: tuple[str, ...] = ()
    names: dict[str, str] = {}
    if speaks_of_covariance(resolved):
        extra = {"moments": lambda t: _entrywise(with_moments(t, resolved))}
        declared = tuple(covariances(resolved))
        names = {(n := d.partition(" ")[0]): f"cov({n.partition('_')[2]})" for d in declared}
    for called, more in extra.items():
        for members in several:
            for by_rows in (False, True):
                changed = _in_turn(base, more, rows if by_rows else _same, members)
                key = (called, members is None or members.written_out, by_rows)
                for shapes in (True, False) if book.shapes else (True,):
                    yield Way(changed, more, members, shapes, key=(*key, shapes), declared=declared, names=names)
                yield Way(changed, more, members, careful=False, key=(*key, "loose"))
    yield from _by_facts(book, place, resolved, base, extra)
    stacked = _stacked(book, resolved)
    if stacked:
        for by_rows in (False, True):
            yield Way(
                _in_turn(base, _same, rows if by_rows else _same, None), _same, losses=stacked, key=("stacked", by_rows)
            )


def _stacked(book: Notebook, trees: Sequence[Node]) -> dict[str, str]:
    """Matrices that are nowhere defined, as the members of the family with the small letter in rows: Phi of the vectors
    ``phi(x[n])``."""
    binders = [n for t in trees for n in t.walk() if n.kind == "binder" and n.args[1].kind == "name"]
    if not binders:
        return {}
    index, low, high = str(binders[0].data[1]), write_plain(binders[0].args[0]).text, str(binders[0].args[1].data)
    inside = [n for b in binders for n in b.args[2].walk()]
    large = {str(n.data) for t in trees for n in t.walk() if n.kind == "name" and str(n.data)[:1].isupper()}
    out: dict[str, str] = {}
    for name in sorted(large - set(book.definitions)):
        small = name[:1].lower() + name[1:]
        member = next((n for n in inside if n.kind == "index" and n.data == small), None)
        applied = next((n for n in inside if n.kind == "call" and n.data == (small, 0) and len(n.args) == 1), None)
        found = member or (applied if applied is not None and applied.args[0].kind == "index" else None)
        if found is not None and names_of(found) <= {small, index, *book.families}:
            out[name] = f"rows({index} in {low}..{high}, {write_plain(found).text})"
    return out


def _by_facts(
    book: Notebook, place: int, trees: Sequence[Node], base: Change, extra: Mapping[str, Change]
) -> Iterator[Way]:
    """A gradient by the help of another one that the document has found before: the loss is what has that gradient."""
    for fact in facts(book):
        spoken = {str(n.args[1].data) for t in trees for n in t.walk() if _is_gradient(n, fact.loss)}
        body = book.nearest(fact.by, place)
        if fact.place >= place or fact.by in spoken or not spoken & fact.others or body is None:
            continue
        for called, more in extra.items():
            value = write_plain(more(formal(fact.value, fact.loss, fact.others))).text

            def changed(tree: Node, fact: Fact = fact, more: Change = more) -> Node:
                return more(formal(base(tree), fact.loss, fact.others))

            losses = {fact.loss: f"tr(stop({value})'*({fact.by}))"}
            names = {f"{_letter(x)}_{fact.loss}_{x}": f"grad({fact.loss}, {x})" for x in fact.others}
            yield Way(changed, more, key=("fact", fact.place, called), losses=losses, names=names)


def _letter(by: str) -> str:
    return "G" if by[:1].isupper() else "g"


def _is_gradient(n: Node, loss: str) -> bool:
    named = n.kind == "call" and n.data[0] in ("grad", "jac") and len(n.args) == 2 and n.args[0].kind == "name"
    return named and n.args[0].data == loss and n.args[1].kind == "name"


def _as_gradients(tree: Node) -> Node:
    """Derivatives as gradients: of what is no number, a gradient is the Jacobian."""
    args = tuple(_as_gradients(a) for a in tree.args)
    if tree.kind == "call" and tree.data == ("jac", 0) and len(args) == 2 and args[0].kind == "name":
        return replace(tree, args=args, data=("grad", 0))
    return replace(tree, args=args) if args else tree


def _same(tree: Node) -> Node:
    return tree


def _in_turn(base: Change, more: Change, layout: Change, members: Members | None) -> Change:
    def changed(tree: Node) -> Node:
        tree = layout(more(base(tree)))
        return tree if members is None else members.flat(tree)

    return changed


def _members(book: Notebook, trees: Sequence[Node]) -> list[Members | None]:
    """How the families of a passage are read: as they are, as members at one place, written out."""
    letters = list(dict.fromkeys(x for t in trees for x in free_letters(t)))
    bases = {str(n.data) for t in trees for n in t.walk() if n.kind == "index"}
    binds = any(n.kind == "binder" for t in trees for n in t.walk())
    out: list[Members | None] = []
    if len(letters) == 1:
        one = Members(letters[0])
        for t in trees:
            try:
                one.flat(t)
            except NoMembers:
                return [None]
        one.widen()
        out.append(one)
    else:
        out.append(None)
    if binds and len(letters) <= 1 and bases & set(book.members):
        lengths = frozenset(
            str(n.args[1].data) for t in trees for n in t.walk() if n.kind == "binder" and n.args[1].kind == "name"
        )
        sized = {x for known in book.shapes.values() for _, s in known for x in s.replace("×", " ").split()}
        if lengths and not lengths & sized:
            out.append(Members(letters[0] if letters else "", lengths))
    return out


# ------------------------------------------------------------------------------ ones of a size
def _sized(book: Notebook, trees: Sequence[Node]) -> dict[str, Change]:
    """Where ``1/n`` stands beside a vector of ones, the ones are n."""
    bare = any(n.kind == "name" and n.data == "ones" for t in trees for n in t.walk())
    below = [
        str(n.data)
        for t in trees
        for c in t.walk()
        if c.kind == "chain" and "/" in c.data
        for sign, a in zip(c.data, c.args[1:], strict=True)
        if sign == "/"
        for n in a.walk()
        if n.kind == "name" and n.data not in book.definitions
    ]
    sizes = [n for n in dict.fromkeys(below) if len(n) == 1 and n.isascii()][:2] if bare else []
    spread = any(_is_variance(n) for t in trees for n in t.walk())
    return {
        f"ones of {n}{', unbiased' if u else ''}": partial(_of_size, size=n, unbiased=u)
        for n in sizes
        for u in ((True, False) if spread else (False,))
    }


def _is_variance(n: Node) -> bool:
    return n.kind == "call" and n.data[0] == "var" and len(n.args) == 1


def _of_size(tree: Node, size: str, unbiased: bool) -> Node:
    """Ones of a size; a variance divided by the size less one where it is ``unbiased``."""
    name = Node("name", tree.span, data=size)
    if tree.kind == "name" and tree.data == "ones":
        return Node("call", tree.span, (name,), ("ones", 0))
    made = replace(tree, args=tuple(_of_size(a, size, unbiased) for a in tree.args)) if tree.args else tree
    if unbiased and _is_variance(tree):
        less = Node("sum", tree.span, (name, Node("num", tree.span, data=(1, False))), ("+", "-"))
        return Node("chain", tree.span, (name, made, less), ("*", "/"))
    return made


# ---------------------------------------------------------------------------- entry by entry
def _is_entrywise(n: Node) -> bool:
    if n.kind == "pow":
        return n.data == "^" and n.args[1].kind in ("num", "call", "chain") and n.args[0].kind != "num"
    return n.kind == "chain" and "/" in n.data


def _entrywise(tree: Node) -> Node:
    """Powers and quotients entry by entry."""
    args = tuple(_entrywise(a) for a in tree.args)
    if tree.kind == "pow" and _is_entrywise(tree):
        return replace(tree, args=args, data=".^")
    if tree.kind == "chain" and "/" in tree.data:
        return replace(tree, args=args, data=tuple("./" if s == "/" else s for s in tree.data))
    return replace(tree, args=args) if args else tree


# ------------------------------------------------------------------------------------ softmax
def _uses_softmax(book: Notebook, trees: Sequence[Node]) -> bool:
    """Whether a softmax of a matrix stands in a passage, or in a definition of the document."""
    bodies = [d.body for known in book.definitions.values() for d in known if d.body is not None]
    return any(_is_soft(n) for t in (*trees, *bodies) for n in t.walk())


def _is_soft(n: Node) -> bool:
    return n.kind == "call" and n.data[0] in SOFT and len(n.args) == 1 and _is_matrix(n.args[0])


def _is_matrix(tree: Node) -> bool:
    """Whether an expression is likely a matrix: it has a name with a large letter, and no small one beside it."""
    names = [str(n.data) for n in tree.walk() if n.kind == "name"]
    return bool(names) and names[-1][:1].isupper()


def _along(tree: Node, axis: str) -> Node:
    args = tuple(_along(a, axis) for a in tree.args)
    if _is_soft(tree):
        return replace(tree, args=(*args, Node("name", tree.span, data=axis)))
    return replace(tree, args=args) if args else tree
