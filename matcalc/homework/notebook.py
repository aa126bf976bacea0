"""The names of a document: what it defines, declares and says of them, found by name and place.

A name that stands for a derivative (``G = grad(L, Y)``) is written out wherever it occurs.  A name that is only ever
differentiated is a loss.

Invariants: a definition counts where it stands before, or shortly after ("where u = W*x"); behind an update
(``g = g*W``) the name has no definition.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from matcalc.errors import Span
from matcalc.homework.members import Members, NoMembers, free_letters, shifted, with_indices
from matcalc.homework.posing import NAME
from matcalc.interop.documents import DocumentChain
from matcalc.interop.latex import Side
from matcalc.interop.latex_plain import write_plain
from matcalc.interop.prose import Told
from matcalc.language.functions import FUNCTIONS
from matcalc.language.program import KNOWN
from matcalc.language.syntax import Node

__all__ = ["Defined", "Fact", "Group", "Notebook", "facts", "formal", "is_derivative", "names_of"]

LETTERS = re.compile(r"[^\W\d]\w*")  # of sizes
END = "N"  # of a sum that is written without an end
NEAR = 4  # formulas: a definition that follows ("where u = W*x") is not far
DEEPEST = 12  # definitions inside definitions
DEFINING = ("=", "gets", ":=")


@dataclass(frozen=True, slots=True)
class Defined:
    """A definition at a place. ``index``: of a member, the index it is written with; no body: what it is is unknown."""

    place: int
    body: Node | None
    index: Node | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Chains that belong together, and the place of the first among the chains of the document."""

    chains: tuple[DocumentChain, ...]
    place: int


@dataclass(frozen=True, slots=True)
class Fact:
    """A gradient by a name, as the document has found it: ``grad(loss, by) = value``, with other gradients in it."""

    place: int
    loss: str
    by: str
    value: Node
    others: frozenset[str]  # what the loss is differentiated by in the value


@dataclass(slots=True)
class Notebook:
    """The definitions and declarations of a document."""

    found: Sequence[DocumentChain]
    told: Sequence[Told] = ()
    definitions: dict[str, list[Defined]] = field(default_factory=dict)
    members: dict[str, list[Defined]] = field(default_factory=dict)  # of families
    functions: dict[str, tuple[str, ...]] = field(default_factory=dict)  # defined as f(W), written f elsewhere
    values: frozenset[str] = frozenset()
    families: frozenset[str] = frozenset()
    letters: frozenset[str] = frozenset()  # indices
    lengths: frozenset[str] = frozenset()  # the upper limits of sums
    shapes: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    properties: dict[str, tuple[str, ...]] = field(default_factory=dict)
    plain: frozenset[str] = frozenset()  # names that stand without an index, where no sum is up to N
    unreadable: frozenset[str] = frozenset()  # defined by something that cannot be read
    activation: str = ""  # what a rectifier in the definitions is read as, where the text speaks of another function

    def __post_init__(self) -> None:
        self.values = _differentiated_alone(self.found)
        trees = [s.tree for d in self.found for s in d.chain.sides if s.tree is not None]
        nodes = [n for t in trees for n in t.walk()]
        self.families = frozenset(str(n.data) for n in nodes if n.kind == "index")
        self.letters = frozenset(x for t in trees for x in free_letters(t)) | frozenset(
            str(n.data[1]) for n in nodes if n.kind == "binder"
        )
        self.lengths = frozenset(str(n.args[1].data) for n in nodes if n.kind == "binder" and n.args[1].kind == "name")
        if not any(t.value == END for d in self.found for side in d.chain.tokens for t in side):
            self.plain = frozenset(str(n.data) for n in nodes if n.kind == "name")
        self._define()
        self._note_what_is_told()

    # ------------------------------------------------------------------------- building
    def _define(self) -> None:
        unreadable: set[str] = set()
        for place, d in enumerate(self.found):
            sides = [s for s in d.chain.sides if s.relation in ("", *DEFINING)]
            left = sides[0].tree if sides else None
            if left is None or d.chain.continues or len(sides) < 2 or sides[1] is not d.chain.sides[1]:
                continue
            bodies = [s.tree for s in sides[1:]]
            if (name := _applied(left)) is not None:
                self.functions[name] = tuple(n.data for a in left.args for n in a.walk() if n.kind == "name")
                bodies = bodies[-1:]
            elif (left.kind == "name" and NAME.fullmatch(str(left.data))) or left.kind == "index":
                name = str(left.data)
            else:
                self._named_at_the_end(place, sides[-2].tree, sides[-1].tree)
                continue
            if name in self.letters and len(bodies) == 1 and bodies[0] is not None and bodies[0].kind == "num":
                continue  # where an index begins
            body = next((b for b in bodies if b is not None and is_derivative(b)), bodies[0])
            if body is None:
                unreadable.add(name)
            table = self.members if left.kind == "index" else self.definitions
            index = left.args[0] if left.kind == "index" else None
            if body is not None:
                body = self.plainly(body)
                if index is None and name in names_of(body):
                    body = None  # an update
            table.setdefault(name, []).append(Defined(place, body, index))
        self.unreadable = frozenset(unreadable)

    def _named_at_the_end(self, place: int, before: Node | None, last: Node | None) -> None:
        """``grad(L, z) = p - y = delta`` names what stands before the last equals sign."""
        if before is None or last is None or last.kind != "name" or last.data in names_of(before):
            return
        elsewhere = any(
            s.tree is not None and s.tree.kind == "name" and s.tree.data == last.data
            for d in self.found
            for s in d.chain.sides[:1]
        )
        earlier = [s.tree for d in self.found[:place] for s in d.chain.sides if s.tree is not None]
        told = any(t.name == last.data for t in self.told)
        if not elsewhere and not told and is_derivative(before) and not any(last.data in names_of(t) for t in earlier):
            self.definitions.setdefault(str(last.data), []).append(Defined(place, before))

    def _note_what_is_told(self) -> None:
        first: dict[int, int] = {}
        for place, d in enumerate(self.found):
            first.setdefault(d.formula, place)
        properties: dict[str, dict[str, None]] = {}
        for t in self.told:
            base = t.name.partition("[")[0]
            if t.shape:
                self.shapes.setdefault(t.name, []).append((first.get(t.formula, 0), t.shape))
            properties.setdefault(t.name, {}).update(dict.fromkeys(t.properties))
            if base != t.name and t.shape and t.name.partition("[")[2].rstrip("]") not in t.shape:
                self.shapes.setdefault(base + "[]", []).append((first.get(t.formula, 0), t.shape))
        self.properties = {n: tuple(p) for n, p in properties.items() if p}

    # --------------------------------------------------------------------------- asking
    def plainly(self, tree: Node) -> Node:
        """The tree with ``f(W)`` as f, where the document defines f so or speaks of it as of a number, and with
        ``b_i`` as a member."""
        return with_indices(over_entries(self._unapplied(tree), self.plain), self.families, self.letters)

    def _unapplied(self, tree: Node) -> Node:
        if (name := _applied(tree)) is not None and (name in self.functions or name in self.values):
            return Node("name", tree.span, data=tree.data[0])
        return replace(tree, args=tuple(self._unapplied(a) for a in tree.args)) if tree.args else tree

    def nearest(self, name: str, place: int, members: Members | None = None) -> Node | None:
        """The definition of a name that counts at a place: the last one before it, else the first after it.

        With ``members`` the definition of a member is that of its family, for its index.
        """
        if members is not None and name in members.names:
            base, index = members.names[name]
            if not members.defines(index):
                return None
            found = self._of_member(base, _index(index), place)
        else:
            one = _counting(self.definitions.get(name, []), place)
            found = one.body if one is not None and not self._comes_late(name, one, place) else None
        if found is not None and self.activation:
            found = with_activation(found, self.activation)
        return found if found is None or members is None else members.flat(self.resolved(found, place))

    def _comes_late(self, name: str, one: Defined, place: int) -> bool:
        """Whether a name had a meaning before the place, and is defined behind it."""
        return one.place > place and any(at <= place for at, _ in self.shapes.get(name, ()))

    def _of_member(self, base: str, index: Node, place: int, derivatives: bool = False) -> Node | None:
        """The body of a family's definition for an index."""
        known = self.members.get(base, [])
        exact = [d for d in known if d.index is not None and write_plain(d.index).text == write_plain(index).text]
        general = [d for d in known if d.index is not None and len(_letters_in(d.index)) == 1]
        if derivatives:
            general = [d for d in general if d.body is not None and is_derivative(d.body)]
            exact = [d for d in exact if d.body is not None and is_derivative(d.body)]
        one = _counting(exact, place) or _counting(general, place)
        if one is None or one.body is None or one.index is None:
            return None
        if one in exact:
            return one.body
        (letter,) = _letters_in(one.index)
        return shifted(one.body, letter, _less(index, one.index))

    def resolved(self, tree: Node, place: int, above: tuple[str, ...] = ()) -> Node:
        """The tree with names that stand for derivatives written out."""
        if len(above) > DEEPEST:
            return tree
        if tree.kind == "name" and tree.data not in above:
            one = _counting(self.definitions.get(str(tree.data), []), place)
            body = one.body if one is not None else None
            if body is not None:
                body = self.resolved(body, place, (*above, str(tree.data)))
                if is_derivative(body):
                    return body
            return tree
        if tree.kind == "index":
            body = self._of_member(str(tree.data), tree.args[0], place, derivatives=True)
            return tree if body is None else self.resolved(body, place, (*above, str(tree.data)))
        return replace(tree, args=tuple(self.resolved(a, place, above) for a in tree.args)) if tree.args else tree

    def shape(self, name: str, place: int, members: Members | None = None) -> str:
        """The shape that the document gives to a name."""
        key = name
        if members is not None and name in members.names:
            key = members.names[name][0] + "[]"
        known = self.shapes.get(key) or self.shapes.get(name, [])
        before = [s for at, s in known if at <= place]
        said = before[-1] if before else (known[0][1] if known else "")
        return LETTERS.sub(
            lambda m: f"{m[0]}_size" if m[0] in self.definitions else m[0], said
        )  # p: a size, and a name

    def declarations(
        self, names: Sequence[str], defined: Collection[str], place: int, members: Members | None, shapes: bool
    ) -> list[str]:
        """What is declared of names, some of which have definitions. Without ``shapes``: only what is said of square
        matrices."""
        out = []
        for name in names:
            shape = self.shape(name, place, members)
            words = self.properties.get(name, ())
            rows, _, columns = shape.partition("×")
            square = bool(columns) and rows == columns
            if words and name in defined:
                continue
            if "stochastic" in words:
                if not columns:
                    out.append(f"{name} : {shape} stochastic" if shape else f"{name} : stochastic")
                continue
            if words and square:
                out.append(f"{name} : {shape} {' '.join(words)}")
            elif words and not shape and name[:1].isupper():
                out.append(f"{name} : {' '.join(words)}")
            elif shape and shapes:
                out.append(f"{name} : {shape}")
        return out


def over_entries(tree: Node, plain: frozenset[str]) -> Node:
    """The tree with sums over all entries of vectors without an index: ``sum(y.*log(p))``.

    ``plain``: the names that stand without an index elsewhere; of a sum without limits the reader takes N for its end.
    """
    args = tuple(over_entries(a, plain) for a in tree.args)
    if tree.kind == "binder" and tree.data[0] == "sumover" and args[1].kind == "name" and args[1].data == END:
        index, body = str(tree.data[1]), args[2]
        inside = [n for n in body.walk() if n.kind == "index"] if _is_of_numbers(body) else []
        alone = all(n.data in plain and n.args[0].kind == "name" and n.args[0].data == index for n in inside)
        used = sum(1 for n in body.walk() if n.kind == "name" and n.data == index)
        if inside and alone and used == len(inside):
            return Node("call", tree.span, (_entrywise(body),), ("sum", 0))
    return replace(tree, args=args) if args else tree


def _is_of_numbers(tree: Node) -> bool:
    """Whether a body is surely a number for each index: ``y[k]*log(p[k])``, and not a sum of vectors."""
    kinds = ("index", "num", "neg", "sum", "chain", "pow", "call")

    def fits(n: Node) -> bool:
        if n.kind == "index":
            return True
        return n.kind in kinds and (n.kind != "call" or n.data[0] in FUNCTIONS) and all(map(fits, n.args))

    bases = {n.data for n in tree.walk() if n.kind == "index"}
    return fits(tree) and (len(bases) > 1 or any(n.kind in ("call", "pow") for n in tree.walk()))


def _entrywise(tree: Node) -> Node:
    """A formula of entries as one of whole vectors."""
    if tree.kind == "index":
        return Node("name", tree.span, data=tree.data)
    args = tuple(_entrywise(a) for a in tree.args)
    vectors = [any(n.kind == "index" for n in a.walk()) for a in tree.args]
    if tree.kind == "chain" and sum(vectors) > 1:
        return replace(tree, args=args, data=tuple({"*": ".*", "/": "./"}.get(s, s) for s in tree.data))
    if tree.kind == "pow" and any(vectors):
        return replace(tree, args=args, data=".^")
    return replace(tree, args=args) if args else tree


def with_activation(tree: Node, name: str) -> Node:
    """The tree with another function in the place of a rectifier."""
    args = tuple(with_activation(a, name) for a in tree.args)
    if tree.kind == "call" and tree.data[0] == "relu" and not tree.data[1]:
        return replace(tree, args=args, data=(name, 0))
    if tree.kind == "call" and tree.data[0] == "max" and len(args) == 2 and args[0].kind == "num":
        return replace(tree, args=args[1:], data=(name, 0))
    return replace(tree, args=args) if args else tree


def facts(book: Notebook) -> list[Fact]:
    """The gradients of losses that are nowhere defined, as the document finds them."""
    out = []
    for place, group in _chains_with_continuations(book.found):
        head = group[0].tree
        loss, by = _gradient(head) if head is not None else ("", "")
        if not loss or loss in book.definitions:
            continue
        for side in group[1:]:
            if side.tree is None or side.relation not in DEFINING:
                continue
            others = {b for n in side.tree.walk() for f, b in (_gradient(n),) if f == loss}
            if others and by not in others:
                out.append(Fact(place, loss, by, book.plainly(side.tree), frozenset(others)))
            break
    return out


def _chains_with_continuations(found: Sequence[DocumentChain]) -> Iterator[tuple[int, list[Side]]]:
    sides: list[Side] = []
    start = 0
    for place, d in enumerate(found):
        if d.chain.continues and sides:
            sides += d.chain.sides
            continue
        if sides:
            yield start, sides
        sides, start = list(d.chain.sides), place
    if sides:
        yield start, sides


def _gradient(n: Node) -> tuple[str, str]:
    """The names f and x of ``grad(f, x)``; empty ones for anything else."""
    plain = n.kind == "call" and n.data[0] in ("grad", "jac") and len(n.args) == 2
    if not plain or n.args[0].kind != "name" or n.args[1].kind != "name":
        return "", ""
    return str(n.args[0].data), str(n.args[1].data)


def formal(tree: Node, loss: str, names: frozenset[str]) -> Node:
    """The tree with the gradients of a loss by some names as names of their own."""
    f, by = _gradient(tree)
    if f == loss and by in names:
        return Node("name", tree.span, data=f"{'G' if by[:1].isupper() else 'g'}_{loss}_{by}")
    return replace(tree, args=tuple(formal(a, loss, names) for a in tree.args)) if tree.args else tree


# ------------------------------------------------------------------------------- definitions
def _counting(known: Sequence[Defined], place: int) -> Defined | None:
    """The definition that counts at a place; of a derivative by name what is said later is a claim about it."""
    before = [d for d in known if d.place < place]
    after = [d for d in known if place < d.place <= place + NEAR]
    if not before:
        return after[0] if after and all(d.place != place for d in known) else None
    exact = [d for d in before if d.body is not None and d.body.kind == "call" and is_derivative(d.body)]
    return exact[-1] if exact and all(d.body is not None for d in before) else before[-1]


def _applied(left: Node) -> str | None:
    """The name f of ``f(W)`` or ``f(x, y)``, where that is no known function."""
    plain = left.kind == "call" and left.data[0] not in KNOWN and not left.data[1]
    bare = [a.args[0] if a.kind == "transpose" else a for a in left.args]
    return str(left.data[0]) if plain and all(a.kind == "name" for a in bare) else None


def is_derivative(tree: Node) -> bool:
    """Whether a derivative by name stands in a tree."""
    return any(n.kind == "call" and n.data[0] in ("grad", "jac", "hess") and len(n.args) == 2 for n in tree.walk())


def names_of(tree: Node) -> set[str]:
    """The names in a tree, those of families too."""
    return {str(n.data) for n in tree.walk() if n.kind in ("name", "index")}


def _letters_in(index: Node) -> list[str]:
    return list(dict.fromkeys(str(n.data) for n in index.walk() if n.kind == "name"))


def _less(index: Node, written: Node) -> Node:
    """What the letter of a written index stands for, where the whole is another index: ``i + 1`` read as j - 1."""
    if written.kind == "name":
        return index
    try:
        k = _added(written)
    except NoMembers:
        return index
    number = Node("num", index.span, data=(abs(k), False))
    return Node("sum", index.span, (index, number), ("+", "-" if k > 0 else "+")) if k else index


def _added(written: Node) -> int:
    """What is added to the letter in an index."""
    if written.kind != "sum" or written.args[0].kind != "name":
        raise NoMembers("this index is not of the simple kind")
    total = 0
    for sign, a in zip(written.data[1:], written.args[1:], strict=True):
        if a.kind != "num":
            raise NoMembers("this index is not of the simple kind")
        total += int(a.data[0]) * (-1 if sign == "-" else 1)
    return total


def _index(place: tuple[str, int]) -> Node:
    """An index as a tree."""
    nowhere = Span(0, 0)
    letter, k = place
    number = Node("num", nowhere, data=(abs(k), False))
    if not letter:
        return number
    name = Node("name", nowhere, data=letter)
    return Node("sum", nowhere, (name, number), ("+", "-" if k < 0 else "+")) if k else name


def _differentiated_alone(found: Sequence[DocumentChain]) -> frozenset[str]:
    """The names that stand without arguments under a gradient somewhere in the document."""

    def alone() -> Iterator[str]:
        for d in found:
            for side in d.chain.sides:
                for n in side.tree.walk() if side.tree is not None else ():
                    if n.kind == "call" and n.data[0] == "grad" and len(n.args) == 2 and n.args[0].kind == "name":
                        yield str(n.args[0].data)

    return frozenset(alone())
