"""The problem that a derivation is about, where only its lines are given.

Declarations, definitions and the expressions that are differentiated or set equal are read together as one program,
so that sizes are inferred from all of them.  The objective is what the lines take derivatives of.

Invariant: a line that does not fit into the program is left out of it (and is judged as unreadable later), it never
makes the others unreadable.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from matcalc.errors import MatcalcError, ParseError
from matcalc.homework.families import grouped
from matcalc.homework.family_lines import forward, with_lines_of_families
from matcalc.homework.meaning import CONSTANTS, LOSSES, QUOTIENT
from matcalc.homework.statements import Line, Side
from matcalc.interop.latex_plain import write_plain
from matcalc.language.binders import BINDERS
from matcalc.language.conventions import Names
from matcalc.language.dims import Dim
from matcalc.language.elaborate import parse_problem
from matcalc.language.functions import ALIASES, FUNCTIONS
from matcalc.language.problem import Definition, Problem, Statement
from matcalc.language.program import KNOWN
from matcalc.language.syntax import Node, parse_tree
from matcalc.language.terms import subterms

__all__ = [
    "HIDDEN",
    "NAME",
    "Posed",
    "Seed",
    "differentiated",
    "expressions",
    "grown",
    "in_order",
    "is_differential_name",
    "names_in",
    "pose",
    "together",
    "unknown_sides",
    "used_names",
    "with_objective",
]

NAME = re.compile(r"[^\W\d]\w*")
DERIVATIVES = ("grad", "jac", "hess", "d")
LOSS = "loss("  # of its arguments nothing follows for each other
HIDDEN = "hiddenexpression"  # no name that anybody would choose


@dataclass(frozen=True, slots=True)
class Posed:
    """The problem, and the lines that define its names."""

    problem: Problem
    given: frozenset[int]  # places in the list of lines


@dataclass(frozen=True, slots=True)
class Seed:
    """Something that belongs into the program: a definition, or an expression under a hidden name."""

    name: str
    body: str
    line: int
    others: tuple[str, ...] = ()  # further sides of the equation, where the first one cannot be read


def pose(lines: Sequence[Line], declare: Iterable[str], wrt: Sequence[str]) -> Posed:
    """The problem of a derivation. Raises MatcalcError where there is none to be found."""
    declarations = [*declare, *(line.sides[0].words for line in lines if line.kind == "declaration")]
    first, _ = forward(lines)
    declarations += [line for family in grouped(first) for line in family]
    seeds = in_order(list(_seeds(lines)))
    if not seeds:
        raise ParseError("there is no line to judge", hint="write f = ..., d(f) = ... or grad(f, x) = ...")
    kept, problem = together(seeds, declarations)
    wanted = _objective(kept, lines)
    given = frozenset(s.line for s in kept if not s.name.startswith(HIDDEN))
    wider, more = with_lines_of_families(with_objective(problem, wanted), lines)
    return Posed(wider, given | more)


def _seeds(lines: Sequence[Line]) -> Iterator[Seed]:
    defined: set[str] = set()
    varied: set[str] = set()  # what the lines before take derivatives by
    mentioned = _mentioned(lines)
    many = 0
    for i, line in enumerate(lines):
        if line.kind not in ("equation", "expression") or line.continues or line.sides[0].error is not None:
            continue
        left = line.sides[0]
        name = left.words.strip()
        if NAME.fullmatch(name) and line.kind == "equation":
            if name in varied:
                continue  # the solution of an equation, not a definition of the variable
            bodies = [s.words for s in line.sides[1:] if s.error is None]
            if name not in defined and not is_differential_name(name, defined) and bodies:
                defined.add(name)
                yield Seed(name, bodies[0], i, tuple(bodies[1:]))
            continue
        varied.update(_varied(line))
        for body in expressions(left, defined):
            many += 1
            yield Seed(f"{HIDDEN}{many}", _without_differentials(body, mentioned), i)


def _mentioned(lines: Sequence[Line]) -> set[str]:
    """The names in all sides of the lines."""
    return {n for line in lines for side in line.sides if side.error is None for n in names_in(side.words)}


def _varied(line: Line) -> Iterator[str]:
    """The names that a line takes derivatives by."""
    for side in line.sides:
        quotient = QUOTIENT.fullmatch(side.words.strip())
        if quotient is not None:
            yield quotient.group(2)
        try:
            tree = parse_tree(side.text, side.start, side.stop) if side.error is None else None
        except MatcalcError:
            continue
        for n in tree.walk() if tree is not None else ():
            if (
                n.kind == "call"
                and n.data[0] in ("grad", "jac", "hess")
                and len(n.args) == 2
                and n.args[1].kind == "name"
            ):
                yield str(n.args[1].data)


def _without_differentials(body: str, mentioned: set[str]) -> str:
    """An expression with X in the place of dX, which has its shape."""
    try:
        changed = without_derivatives(
            parse_tree(body), mentioned - {n for n in mentioned if n[:1] == "d" and n[1:] in mentioned}
        )
    except MatcalcError:
        return body
    return body if changed is None else write_plain(changed).text


def in_order(seeds: list[Seed]) -> list[Seed]:
    """The seeds, each after those whose names it uses: ``where R = A*X - B`` may come late."""
    by_name = {s.name: s for s in seeds}
    out: dict[str, Seed] = {}

    def visit(name: str, above: frozenset[str]) -> None:
        if name in out or name in above:
            return
        seed = by_name[name]
        for inner in (n for body in (seed.body, *seed.others) for n in names_in(body)):
            if inner in by_name:
                visit(inner, above | {name})
        out[name] = by_name[name]

    for name in by_name:
        visit(name, frozenset())
    return list(out.values())


def names_in(text: str) -> list[str]:
    """The names of variables in an expression; none where it cannot be read."""
    try:
        return used_names(parse_tree(text))
    except MatcalcError:
        return []


def used_names(tree: Node) -> list[str]:
    """The names of variables, and of what is differentiated by name."""
    names = Names()
    names.read(tree, lambda n: n in KNOWN)
    return [*names.variables, *names.differentiated, *names.families]


def is_differential_name(name: str, defined: Iterable[str]) -> bool:
    """Whether a name such as ``df`` or ``dL_dW`` is a differential or a derivative of known names."""
    if QUOTIENT.fullmatch(name):
        return True
    return len(name) > 1 and name[0] == "d" and (name[1:] in set(defined) or name[1:] in LOSSES)


def expressions(side: Side, defined: Iterable[str]) -> Iterator[str]:
    """The expressions of a left side: what is under ``d``, ``grad``, ..., or the whole."""
    try:
        tree = parse_tree(side.text, side.start, side.stop)
    except MatcalcError:
        return
    calls = [n for n in tree.walk() if n.kind == "call" and n.data[0] in DERIVATIVES]
    if not calls:
        yield side.words
        return
    for call in calls:
        first = call.args[0]
        if first.kind != "name":
            yield side.text[first.span.start : first.span.end]


def unknown_sides(lines: Sequence[Line], problem: Problem, many: int) -> Iterator[Seed]:
    """The sides that speak of names the problem does not have yet, with variables in the place of gradients.

    Only these: a wrong side that is read together with the others could make sizes equal that are not.
    """
    known = {*problem.symbols, *problem.functions, *(d.name for d in problem.definitions), problem.objective_name}
    for i, line in enumerate(lines):
        for side in line.sides:
            try:
                tree = parse_tree(side.text, side.start, side.stop) if side.error is None else None
            except MatcalcError:
                tree = None
            if tree is None:
                continue
            names = Names()
            names.read(tree, lambda n: n in KNOWN)
            if all(
                n in known or n in CONSTANTS or is_differential_name(n, known)
                for n in (*names.variables, *names.families)
            ):
                continue
            body = without_derivatives(tree, known)
            if body is not None:
                many += 1
                yield Seed(f"{HIDDEN}{many}", write_plain(body).text, i)


def without_derivatives(tree: Node, known: Collection[str]) -> Node | None:
    """The tree with ``grad(f, X)`` and ``d(X)`` as X, which has their shape; None where there are other derivatives."""
    if tree.kind == "name" and tree.data not in known and is_differential_name(tree.data, known):
        return replace(tree, data=tree.data[1:]) if tree.data[1:] in known else None
    if tree.kind == "call" and tree.data[0] in DERIVATIVES:
        if tree.data[0] == "d":
            return without_derivatives(tree.args[0], known)
        if tree.data[0] == "grad" and len(tree.args) == 2:
            return without_derivatives(tree.args[1], known)
        return None
    args = [without_derivatives(a, known) for a in tree.args]
    if any(a is None for a in args):
        return None
    return replace(tree, args=tuple(a for a in args if a is not None)) if args else tree


def together(seeds: list[Seed], declarations: list[str]) -> tuple[list[Seed], Problem]:
    """The seeds that can be read together, in their order, and the program they make."""
    try:
        return seeds, _program(seeds, declarations)
    except MatcalcError as error:
        first = error
    kept: list[Seed] = []
    problem: Problem | None = None
    left_out: set[str] = set()  # what stands on these would take them for variables
    for _ in seeds:
        kept, problem, failed = _one_by_one(seeds, declarations, left_out)
        if all(failed.isdisjoint(names_in(seed.body)) for seed in kept):
            break
        left_out = failed
    if problem is None:
        raise first
    return kept, problem


def _one_by_one(
    seeds: list[Seed], declarations: list[str], left_out: set[str]
) -> tuple[list[Seed], Problem | None, set[str]]:
    """The seeds that can be read one after the other, the program they make, and the names of the others."""
    kept: list[Seed] = []
    failed = set(left_out)
    problem: Problem | None = None
    for seed in seeds:
        read = None if seed.name in left_out else _first_that_fits(kept, seed, declarations, failed)
        if read is None:
            failed.add(seed.name)
        else:
            chosen, problem = read
            kept.append(chosen)
    return kept, problem, failed


def _first_that_fits(
    kept: Sequence[Seed], seed: Seed, declarations: list[str], left_out: set[str]
) -> tuple[Seed, Problem] | None:
    """The seed with the first of its sides that can be read after those that are kept."""
    for body in (seed.body, *seed.others):
        if not left_out.isdisjoint(names_in(body)):
            continue
        chosen = replace(seed, body=body)
        try:
            return chosen, _program([*kept, chosen], declarations)
        except MatcalcError:
            continue
    return None


def grown(seeds: list[Seed], more: Sequence[Seed], declarations: list[str]) -> tuple[list[Seed], Problem]:
    """The seeds that can be read together, and of the others those that make no sizes equal that were not.

    A wrong side that is read together with the others would do that.
    """
    kept: list[Seed] = []
    problem: Problem | None = None
    first: MatcalcError | None = None
    if seeds:
        try:
            kept, problem = together(seeds, declarations)
        except MatcalcError as error:
            first = error
    for seed in more:
        try:
            new = _program([*kept, seed], declarations)
        except MatcalcError as error:
            first = first or error
            continue
        if problem is None or not _merged(problem, new, kept):
            kept, problem = [*kept, seed], new
    if problem is None:
        raise first if first is not None else ParseError("there is no expression")
    return kept, problem


def _merged(old: Problem, new: Problem, kept: Sequence[Seed]) -> bool:
    """Whether sizes that were different are the same now, and not because things came together that were apart."""
    together = _groups(kept)
    homes: dict[tuple[Dim, int], Dim] = {}
    for name, symbol in old.symbols.items():
        later = new.symbols.get(name)
        if later is None or later.index is not None:
            continue
        for before, now in zip(symbol.shape, later.shape, strict=True):
            if before.value is None:
                homes[before, together.get(name, -1 - len(homes))] = now
    for home in {g for _, g in homes}:
        inside = {d: now for (d, g), now in homes.items() if g == home}
        if len(set(inside.values())) < len(inside):
            return True
    return False


def _groups(kept: Sequence[Seed]) -> dict[str, int]:
    """The names that stand together in expressions, by the number of their group."""
    group: dict[str, int] = {}
    for k, seed in enumerate(kept):
        if seed.body.startswith(LOSS):
            continue
        names = [seed.name, *names_in(seed.body)]
        joined = {group[n] for n in names if n in group}
        group.update({n: k for n, g in group.items() if g in joined})
        group.update(dict.fromkeys(names, k))
    return group


def _program(seeds: list[Seed], declarations: list[str]) -> Problem:
    text = "\n".join([*declarations, *(f"{s.name} = {' '.join(s.body.split())}" for s in seeds)])
    return parse_problem(text)


# -------------------------------------------------------------------------------- the objective
def _objective(kept: list[Seed], lines: Sequence[Line]) -> str:
    """The name of what is differentiated: of what is named under a derivative the one that is defined last, else the
    last definition, else the first expression."""
    places = {s.name: i for i, s in enumerate(kept)}
    found = [n for line in lines for side in line.sides for n in differentiated(side) if n in places]
    if found:
        return max(found, key=places.__getitem__)
    own = [s.name for s in kept if not s.name.startswith(HIDDEN)]
    hidden = [s.name for s in kept if s.name.startswith(HIDDEN)]
    return own[-1] if own else hidden[0]


def differentiated(side: Side) -> Iterator[str]:
    """The names under derivatives in a side."""
    words = side.words.strip()
    quotient = QUOTIENT.search(words)
    if quotient is not None:
        yield quotient.group(1)
    if NAME.fullmatch(words) and words[0] == "d" and words not in FUNCTIONS and words not in ALIASES:
        yield words[1:]
    try:
        tree: Node | None = parse_tree(side.text, side.start, side.stop) if side.error is None else None
    except MatcalcError:
        tree = None
    for n in tree.walk() if tree is not None else ():
        if n.kind == "call" and n.data[0] in ("grad", "hess") and n.args[0].kind == "name":
            yield str(n.args[0].data)
    if tree is not None and tree.kind == "call" and tree.data[0] in ("d", "jac") and tree.args[0].kind == "name":
        yield str(tree.args[0].data)


def with_objective(problem: Problem, name: str) -> Problem:
    """The program with another objective: definitions that come after it are not the problem's."""
    every: tuple[Statement, ...] = (*problem.statements, Definition(problem.objective_name, problem.objective))
    kept: list[Statement] = []
    for d in every:
        if not isinstance(d, Definition):
            kept.append(d)
            continue
        if d.name == name:
            shown = "f" if name.startswith(HIDDEN) else name
            taken = {*problem.symbols, *problem.functions, *(k.name for k in kept if isinstance(k, Definition))}
            shown = next(n for n in (shown, "f", "F", "objective", "f0", "f1") if n not in taken)
            return replace(problem, objective=d.term, objective_name=shown, statements=tuple(kept), wrt=())
        if not d.name.startswith(HIDDEN) or any(t.op in BINDERS for t in subterms(d.term)):
            kept.append(d)  # a sum may be the only place where the name of a length occurs
    raise ParseError(f"there is no '{name}' among the lines")
