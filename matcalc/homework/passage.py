"""The problem that one chain of a document is about: its sides, and the definitions and declarations they need.

A name that is differentiated and nowhere defined is an opaque function of the outermost of the things it is
differentiated by.

Invariant: a definition that does not fit with the others is left out, it never makes the chain unreadable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from matcalc.errors import MatcalcError
from matcalc.homework.members import MANY, Members
from matcalc.homework.notebook import Notebook, is_derivative
from matcalc.homework.posing import (
    HIDDEN,
    NAME,
    Seed,
    differentiated,
    expressions,
    grown,
    in_order,
    names_in,
    together,
    unknown_sides,
    used_names,
    with_objective,
)
from matcalc.homework.readings import Way
from matcalc.homework.statements import Line, Side
from matcalc.interop.latex_plain import write_plain
from matcalc.language.conventions import Names
from matcalc.language.problem import Definition, Problem
from matcalc.language.program import KNOWN
from matcalc.language.syntax import Node, parse_tree
from matcalc.language.terms import Term
from matcalc.language.terms import replace as replaced

__all__ = ["Passage", "posed"]

MOST_SEEDS = 24


@dataclass(frozen=True, slots=True)
class Passage:
    """The problem of a chain. ``given``: the lines that define its names; ``later``: what is defined by the objective;
    ``losses``: the opaque functions, with their arguments."""

    problem: Problem
    given: frozenset[int]
    later: dict[str, Term]
    losses: dict[str, list[str]]
    settled: bool  # everything that is defined can be read
    names: frozenset[str]  # that the definitions speak of


def posed(book: Notebook, lines: Sequence[Line], place: int, way: Way, declare: Sequence[str] = ()) -> Passage:
    """The problem of a chain in one reading. Raises MatcalcError where nothing can be read."""
    members = way.members
    own = _own_definitions(lines)
    used = _names_of(lines)
    needed = _closure(book, [n for n in used if n not in own], place, set(own), way)
    for name in _out_of_reach(lines, needed):
        del needed[name]
    losses = {f: by for f, by in _losses(lines, {*needed, *own}).items() if f not in way.losses}
    inside = [n for body in way.losses.values() for n in names_in(body)]
    needed.update(_closure(book, [n for n in inside if n not in needed], place, {*own, *needed}, way))
    needed.update(way.losses)
    bodies = {**needed, **{n: body for n, (_, body) in own.items()}}
    tops: dict[str, list[str]] = {}
    for loss, variables in losses.items():
        tops[loss] = _outermost(variables, bodies, members)
        if len(tops[loss]) > 1:
            tops[loss] = _users(book, tops[loss], bodies, place, way)
    bodies.update({loss: f"loss({', '.join(above)})" for loss, above in tops.items() if above})
    seeds = in_order([Seed(n, body, own[n][0] if n in own else -1) for n, body in bodies.items()])
    sides = [Seed(f"{HIDDEN}{k}", body, i) for k, (i, body) in enumerate(_bodies(lines, own), 1)][:MOST_SEEDS]
    names = list(dict.fromkeys([*used, *needed, *(n for body in bodies.values() for n in names_in(body))]))
    declarations = [*declare, *way.declared, *book.declarations(names, bodies, place, members, way.shapes)]
    read = grown if way.careful else _all
    kept, problem = read(seeds, sides, declarations)
    more = list(unknown_sides([_without_own(line, own) for line in lines], problem, MOST_SEEDS))
    if more:
        kept, problem = read(kept, more, declarations)
    found = [s.name for s in kept]
    shown = [n for line in lines for side in line.sides for n in differentiated(side)]
    hidden = [n for n in found if n.startswith(HIDDEN)]
    objective = next((n for n in (*losses, *shown, *hidden) if n in found), found[-1])
    given = frozenset(s.line for s in kept if s.line >= 0 and not s.name.startswith(HIDDEN))
    settled = not losses and book.unreadable.isdisjoint(names)
    return Passage(
        with_objective(problem, objective), given, _later(problem, objective), tops, settled, _spoken_of(needed)
    )


def _all(seeds: list[Seed], more: Sequence[Seed], declarations: list[str]) -> tuple[list[Seed], Problem]:
    return together([*seeds, *more], declarations)


def _spoken_of(needed: Mapping[str, str]) -> frozenset[str]:
    return frozenset((*needed, *(n for body in needed.values() for n in names_in(body))))


def _without_own(line: Line, own: Mapping[str, object]) -> Line:
    """A line without the name that it defines."""
    defines = line.sides and not line.continues and line.sides[0].error is None and line.sides[0].words.strip() in own
    return replace(line, sides=line.sides[1:]) if defines else line


def _closure(book: Notebook, names: Sequence[str], place: int, taken: set[str], way: Way) -> dict[str, str]:
    """The definitions that are needed, each after those it uses."""
    out: dict[str, str] = {}

    def visit(name: str, above: frozenset[str]) -> None:
        if name in out or name in above or name in taken:
            return
        try:
            tree = book.nearest(name, place, way.members)
        except MatcalcError:
            return
        if tree is None or is_derivative(tree):
            return
        body = write_plain(way.defined(tree)).text
        inside = names_in(body)
        if name in inside:
            return
        for inner in inside:
            visit(inner, above | {name})
        out[name] = body

    for name in names:
        visit(name, frozenset())
    return out


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


def _out_of_reach(lines: Sequence[Line], definitions: Mapping[str, str]) -> list[str]:
    """The names whose definitions do not depend on anything they are differentiated by: they are taken for losses."""
    losses = _losses(lines, set())
    out = []
    for f, variables in losses.items():
        below = _below(f, definitions)
        if f in definitions and below.isdisjoint(losses) and not any(v == f or v in below for v in variables):
            out.append(f)
    return out


def _below(name: str, definitions: Mapping[str, str], seen: frozenset[str] = frozenset()) -> set[str]:
    """What a name depends on, by the definitions."""
    body = definitions.get(name)
    if body is None or name in seen:
        return set()
    inner = set(names_in(body))
    return inner | {d for n in inner for d in _below(n, definitions, seen | {name})}


def _outermost(variables: Sequence[str], definitions: Mapping[str, str], members: Members | None) -> list[str]:
    """The variables that none of the others depends on; of a family that is written out, all members."""
    tops = [v for v in variables if not any(v in _below(u, definitions) for u in variables if u != v)]
    if members is not None and members.written_out:
        bases = dict.fromkeys(members.names[t][0] for t in tops if t in members.names)
        alone = [t for t in tops if t not in members.names]
        return [*(f"{b}_{k}" for b in bases for k in range(1, MANY + 1)), *alone]
    return tops


def _users(book: Notebook, tops: list[str], bodies: dict[str, str], place: int, way: Way) -> list[str]:
    """What several variables come together in, by the definitions of the document; the variables where there is no
    one thing."""
    candidates = [n for n in book.definitions if n not in tops]
    if way.members is not None:
        for base in book.members:
            candidates += way.members.named(base)
    using = [c for c in candidates if _names_one(book, c, tops, place, way)]
    more = _closure(book, using, place, set(bodies), way)
    known = {**bodies, **more}
    found = _outermost([*tops, *(u for u in using if u in known)], known, None)
    if len(found) != 1 or found[0] in tops:
        return tops
    bodies.update(_closure(book, found, place, set(bodies), way))
    return found


def _names_one(book: Notebook, candidate: str, tops: Sequence[str], place: int, way: Way) -> bool:
    """Whether the definition of a candidate speaks of one of the variables."""
    try:
        tree = book.nearest(candidate, place, way.members)
    except MatcalcError:
        return False
    return tree is not None and not is_derivative(tree) and not set(tops).isdisjoint(names_in(write_plain(tree).text))


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
