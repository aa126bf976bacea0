"""The names of a document: what it defines and declares, found by name and place, and the problem each chain is about.

A name that is only ever differentiated (``\\nabla_Y L``) is an opaque function of the outermost of the things it is
differentiated by.

Invariant: a definition counts where it stands before, or shortly after ("where u = W*x").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from matcalc.errors import MatcalcError
from matcalc.homework.posing import (
    HIDDEN,
    NAME,
    Seed,
    differentiated,
    expressions,
    in_order,
    names_in,
    together,
    unknown_sides,
    used_names,
    with_objective,
)
from matcalc.homework.statements import Line, Side
from matcalc.interop.documents import DocumentChain
from matcalc.interop.latex import declaration_of
from matcalc.interop.latex_plain import write_plain
from matcalc.language.conventions import Names
from matcalc.language.problem import Definition, Problem
from matcalc.language.program import KNOWN
from matcalc.language.syntax import Node, parse_tree
from matcalc.language.terms import Term
from matcalc.language.terms import replace as replaced

__all__ = ["Notebook"]

MOST_SEEDS = 24
NEAR = 4  # formulas: a definition that follows ("where u = W*x") is not far


class Notebook:
    """The definitions and declarations of a document, found by name and place."""

    def __init__(self, text: str, found: Sequence[DocumentChain], declare: list[str]) -> None:
        self.declare = declare
        self.declared: dict[str, str] = {}
        self.definitions: dict[str, list[tuple[int, str]]] = {}
        self.values = _differentiated_alone(found)
        self.functions: dict[str, tuple[str, ...]] = {}  # defined as f(W) = ..., and written f elsewhere: its arguments
        for place, d in enumerate(found):
            declaration = declaration_of(d.chain, text)
            if declaration is not None:
                self.declared.update(declaration)
                continue
            sides = d.chain.sides
            if d.chain.continues or len(sides) < 2 or sides[0].tree is None or sides[1].tree is None:
                continue
            if sides[1].relation not in ("=", "gets", ":="):
                continue
            name, body = _defined(sides[0].tree), sides[1].text
            if name is None and (name := _defined_function(sides[0].tree)) is not None:
                self.functions[name] = tuple(n.data for a in sides[0].tree.args for n in a.walk() if n.kind == "name")
                last = sides[-1].tree
                body = write_plain(self.plainly(last)).text if last is not None else None
            if name is not None and body is not None:
                self.definitions.setdefault(name, []).append((place, body))

    def plainly(self, tree: Node) -> Node:
        """The tree with ``f(W)`` as f, where the document defines f so or speaks of it as of a number."""
        if (name := _defined_function(tree)) is not None and (name in self.functions or name in self.values):
            return Node("name", tree.span, data=tree.data[0])
        return replace(tree, args=tuple(self.plainly(a) for a in tree.args)) if tree.args else tree

    def nearest(self, name: str, place: int) -> str | None:
        """The definition of a name that counts at a place: the last one before it, else the first after it."""
        known = self.definitions.get(name, [])
        before = [body for at, body in known if at < place]
        after = [body for at, body in known if place < at <= place + NEAR]
        return before[-1] if before else (after[0] if after else None)

    def problem(
        self, lines: Sequence[Line], place: int, declared: bool
    ) -> tuple[Problem, frozenset[int], dict[str, Term]]:
        """The problem that a chain is about, the lines that define its names, and what is defined by its objective.

        ``declared``: with the shapes that the document gives to names.  Raises MatcalcError where nothing can be read.
        """
        own = _own_definitions(lines)
        used = _names_of(lines)
        needed = self._closure([n for n in used if n not in own], place, set(own))
        losses = _losses(lines, {*needed, *own})
        bodies = {**needed, **{n: body for n, (_, body) in own.items()}}
        for loss, variables in losses.items():
            top = _outermost(variables, bodies)
            if top is not None:
                bodies[loss] = f"loss({top})"
        seeds = in_order([Seed(n, body, own[n][0] if n in own else -1) for n, body in bodies.items()])
        seeds += [Seed(f"{HIDDEN}{k}", body, i) for k, (i, body) in enumerate(_bodies(lines, own), 1)][:MOST_SEEDS]
        own_shapes = [line for n, line in self.declared.items() if n in used or n in needed] if declared else []
        declarations = [*self.declare, *own_shapes]
        kept, problem = together(seeds, declarations)
        more = list(unknown_sides(lines, problem, len(kept)))
        if more:
            kept, problem = together([*kept, *more], declarations)
        names = [s.name for s in kept]
        shown = [n for line in lines for side in line.sides for n in differentiated(side)]
        hidden = [n for n in names if n.startswith(HIDDEN)]
        objective = next((n for n in (*losses, *shown, *hidden) if n in names), names[-1])
        given = frozenset(s.line for s in kept if s.line >= 0 and not s.name.startswith(HIDDEN))
        return with_objective(problem, objective), given, _later(problem, objective)

    def _closure(self, names: Sequence[str], place: int, taken: set[str]) -> dict[str, str]:
        """The definitions that are needed, each after those it uses."""
        out: dict[str, str] = {}

        def visit(name: str, above: frozenset[str]) -> None:
            body = self.nearest(name, place)
            if body is None or name in out or name in above or name in taken:
                return
            for inner in names_in(body):
                visit(inner, above | {name})
            out[name] = body

        for name in names:
            visit(name, frozenset())
        return out


def _defined(left: Node) -> str | None:
    """The name that a left side defines."""
    name = str(left.data)
    return name if left.kind == "name" and NAME.fullmatch(name) else None


def _defined_function(left: Node) -> str | None:
    """The name f of ``f(W)`` or ``f(x, y)``, where that is no known function."""
    plain = left.kind == "call" and left.data[0] not in KNOWN and not left.data[1]
    bare = [a.args[0] if a.kind == "transpose" else a for a in left.args]
    return str(left.data[0]) if plain and all(a.kind == "name" for a in bare) else None


def _differentiated_alone(found: Sequence[DocumentChain]) -> frozenset[str]:
    """The names that stand without arguments under a gradient somewhere in the document."""
    out: set[str] = set()
    for d in found:
        for side in d.chain.sides:
            for n in side.tree.walk() if side.tree is not None else ():
                if n.kind == "call" and n.data[0] == "grad" and len(n.args) == 2 and n.args[0].kind == "name":
                    out.add(str(n.args[0].data))
    return frozenset(out)


def _own_definitions(lines: Sequence[Line]) -> dict[str, tuple[int, str]]:
    """What the chain itself defines."""
    out: dict[str, tuple[int, str]] = {}
    for i, line in enumerate(lines):
        if (
            line.kind == "equation"
            and not line.continues
            and line.sides[0].error is None
            and line.sides[1].error is None
        ):
            name = line.sides[0].words.strip()
            if NAME.fullmatch(name) and name not in out:
                out[name] = (i, line.sides[1].words)
    return out


def _tree(side: Side) -> Node | None:
    if side.error is not None:
        return None
    try:
        return parse_tree(side.text, side.start, side.stop)
    except MatcalcError:
        return None


def _trees(lines: Sequence[Line]) -> Iterator[Node]:
    for line in lines:
        for side in line.sides:
            tree = _tree(side)
            if tree is not None:
                yield tree


def _names_of(lines: Sequence[Line]) -> list[str]:
    found: dict[str, None] = {}
    for tree in _trees(lines):
        found.update(dict.fromkeys(used_names(tree)))
    return list(found)


def _losses(lines: Sequence[Line], defined: set[str]) -> dict[str, list[str]]:
    """The names that are differentiated and nowhere defined, with the names they are differentiated by."""
    out: dict[str, list[str]] = {}
    applied: set[str] = set()
    for tree in _trees(lines):
        for n in tree.walk():
            if n.kind == "call" and n.data[0] not in KNOWN:
                applied.add(str(n.data[0]))
            if n.kind == "call" and n.data[0] in ("grad", "jac") and len(n.args) == 2:
                f, by = n.args
                if f.kind == by.kind == "name" and f.data not in defined:
                    out.setdefault(str(f.data), []).append(str(by.data))
    standing = {n.data for tree in _trees(lines) for n in _standing(tree)}
    return {f: list(dict.fromkeys(by)) for f, by in out.items() if f not in applied and f not in standing}


def _standing(tree: Node) -> Iterator[Node]:
    """The names that stand for a value by themselves."""
    names = Names()
    names.read(tree, lambda n: n in KNOWN)
    yield from names.variables.values()


def _outermost(variables: Sequence[str], definitions: Mapping[str, str]) -> str | None:
    """The variable that depends on the others and that none of them depends on."""

    def below(name: str, seen: frozenset[str] = frozenset()) -> set[str]:
        body = definitions.get(name)
        if body is None or name in seen:
            return set()
        inner = set(names_in(body))
        return inner | {d for n in inner for d in below(n, seen | {name})}

    tops = [v for v in variables if not any(v in below(u) for u in variables if u != v)]
    return tops[0] if tops else None


def _later(problem: Problem, objective: str) -> dict[str, Term]:
    """What is defined after the objective, with the objective written out."""
    every = [*problem.definitions, Definition(problem.objective_name, problem.objective)]
    at = next(i for i, d in enumerate(every) if d.name == objective)
    table: dict[Term, Term] = {every[at].symbol: every[at].term}
    out: dict[str, Term] = {}
    for d in every[at + 1 :]:
        if not d.name.startswith(HIDDEN):
            out[d.name] = replaced(d.term, table)
            table[d.symbol] = out[d.name]
    return out


def _bodies(lines: Sequence[Line], own: Mapping[str, tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The expressions that belong into the program, so that sizes are inferred from them."""
    for i, line in enumerate(lines):
        for side in line.sides:
            if side.error is None and not (NAME.fullmatch(side.words.strip()) and side.words.strip() in own):
                for body in expressions(side, ()):
                    yield i, body
