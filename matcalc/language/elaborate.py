"""From text to a problem: the public doors of the language room.

``parse_problem`` reads a program or one expression, ``parse_expression`` reads an answer against a problem,
``parse_rule`` reads an identity between metavariables.  All three read the same language by the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from matcalc.errors import ParseError, ShapeError, Span
from matcalc.language.attempts import Attempt, attempt, blamed, options
from matcalc.language.blocks import ordered
from matcalc.language.conventions import base, first_reading, is_greek
from matcalc.language.dims import SCALAR, Shape, dim, runs_down
from matcalc.language.entries import settle_ranges
from matcalc.language.expressions import parse_expression
from matcalc.language.identities import parse_rule
from matcalc.language.inference import INDEX, name_sizes
from matcalc.language.named_loss import named_loss
from matcalc.language.notes import notes_of, with_entrywise_notes
from matcalc.language.problem import Block, Boundary, Definition, Problem, Statement, Symbol
from matcalc.language.program import Program, bodies, gather
from matcalc.language.reading import Entry, Misfit, Part, Reading, checked
from matcalc.language.statements import Defining, Looping
from matcalc.language.syntax import Node
from matcalc.language.terms import Term

__all__ = ["parse_expression", "parse_problem", "parse_rule"]

OBJECTIVE_NAMES = ("f", "L", "J", "phi", "objective")


# ------------------------------------------------------------------- problems
def parse_problem(
    text: str,
    declare: Mapping[str, str] | Iterable[str] | str | None = None,
    wrt: str | Sequence[str] | None = None,
) -> Problem:
    """Read a program or one expression. What is not declared is inferred or assumed, and noted."""
    program = gather(text, declare, wrt)
    open_names = options(program)
    done, chosen = _read(program, open_names)
    scalar = _functions_of_scalars(program, done, chosen)
    if scalar:
        done, chosen = _read(program, open_names | scalar)
    return _problem(program, done, chosen)


def _read(program: Program, open_names: Mapping[str, tuple[str, ...]]) -> tuple[Attempt, dict[str, str]]:
    """The first reading that fits; where none does, one in which scalars are added to every entry of a vector.

    So too where only that makes the objective a number: ``y'*log(1 + exp(-x))``, where x would else be a scalar.
    """

    def search(broadcast: bool) -> tuple[Attempt, dict[str, str]]:
        return first_reading(
            open_names,
            lambda chosen, quiet: attempt(program, chosen, broadcast, quiet),
            lambda node: blamed(program, node),
            lambda a: a.is_scalar,
            program.bases,
            program.nodes,
        )

    try:
        found = search(broadcast=False)
        return found if found[0].is_scalar else _scalar_reading(search) or found
    except Misfit as error:
        try:
            return search(broadcast=True)
        except Misfit:
            products = [n for n in _words(error.node) if program.is_variable(n)]
            if products:
                error.hint = ", ".join(f"is {n} the product {'*'.join(n)}?" for n in products)
            raise error from None


def _scalar_reading(
    search: Callable[[bool], tuple[Attempt, dict[str, str]]],
) -> tuple[Attempt, dict[str, str]] | None:
    """The reading with scalars added to every entry, if there the objective is a number."""
    try:
        found = search(True)
    except ShapeError:
        return None
    return found if found[0].is_scalar else None


def _words(node: Node) -> list[str]:
    """Names such as ``Ax`` that may be meant as products."""
    names = dict.fromkeys(
        n.data for n in node.walk() if n.kind == "name" and 2 <= len(n.data) <= 3 and n.data.isalpha()
    )
    return [n for n in names if not is_greek(n) and not n.islower() and (len(n) == 2 or not n.istitle())]


def _functions_of_scalars(program: Program, done: Attempt, chosen: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Assumed functions that are applied to scalars only: read as elementwise, so that f'(s) can be written."""
    out: dict[str, tuple[str, ...]] = {}
    for name, nodes in program.names.functions.items():
        if chosen.get(name) != "value" or base(name) == "loss" or name in program.names.differentiated:
            continue
        shapes = done.reading.applied.get(name, [])
        if nodes and shapes and all(len(s) == 1 and done.reading.sizes.shape(s[0]).is_scalar for s in shapes):
            out[name] = ("elementwise",)
    return out


def _problem(program: Program, done: Attempt, chosen: Mapping[str, str]) -> Problem:
    reading = done.reading
    entries = reading.entries
    variables = [n for n in _in_order(program) if n in entries and entries[n].kind == "symbol"]
    families = [n for n in program.families if n in entries]
    settle_ranges(reading)
    if not reading.sizes.settle():
        raise ShapeError(
            "the sizes of a family cannot be inferred: they depend on its index",
            hint="declare it, for example x[i] : m[i]",
        )
    _name_sizes(reading, [entries[n].shape for n in [*variables, *families]])
    reading.finish()
    inputs = [n for n in variables if n not in program.families]
    statements, objective = _build(program, done)
    used = _used(program, statements, objective)
    symbols = {n: _symbol(program, reading, n) for n in inputs if n in program.declared or n in used}
    name = _objective_name(program, symbols)
    functions = {n: f for n, f in reading.functions.items() if n in program.functions or n in program.names.functions}
    notes = notes_of(program, reading, symbols, functions, chosen)
    named = isinstance(program.objective, Defining)
    objective = named_loss(objective, name) if named else objective
    problem = Problem(
        program.text,
        objective,
        name,
        program.wrt,
        symbols,
        functions,
        statements,
        tuple(notes),
        named,
        reading.formulas,
    )
    return with_entrywise_notes(problem)


def _used(program: Program, statements: Iterable[Statement], objective: Term) -> frozenset[str]:
    """The names that occur in what is derived, those whose sizes only are used included."""
    used = objective.free
    assert program.objective is not None
    end = program.objective.span.end
    for body in [*(s.body for s in bodies(program) if s.span.end < end), program.objective.body]:
        used |= {n.data for n in body.walk() if n.kind in ("name", "index")}
    for f in program.formulas.values():
        used |= {n.data for n in f.body.walk() if n.kind == "name"}
    for s in statements:
        for t in (s,) if isinstance(s, (Definition, Boundary)) else s.body:
            used |= t.term.free
    return used


def _in_order(program: Program) -> list[str]:
    names = program.names
    seen = {**names.variables, **names.families}
    undeclared = sorted((n for n in seen if n not in program.declared), key=lambda n: seen[n].span.start)
    return [*program.declared, *undeclared]


def _name_sizes(reading: Reading, shapes: list[Shape]) -> None:
    for name, value in name_sizes(reading.sizes, shapes, reading.used_names()).items():
        reading.sizes.assign(name, value)


def _symbol(program: Program, reading: Reading, name: str) -> Symbol:
    entry = reading.entries[name]
    declared = program.declared.get(name)
    assumed = declared is None or declared.shape is None
    span = (
        declared.span
        if declared is not None
        else (program.names.variables.get(name) or program.names.families[name]).span
    )
    shape, index = reading.sizes.shape(entry.shape), entry.index
    if index == INDEX:
        index = _index_name(program, name)
        shape = shape.substitute({INDEX: dim(index)})
    return Symbol(name, shape, declared.properties if declared else frozenset(), assumed, index, span)


def _index_name(program: Program, name: str) -> str:
    """What the index of a family is called where its shape is told: as it is where the family is first used."""
    node = program.names.families.get(name)
    used = [n.data for n in node.args[0].walk() if n.kind == "name"] if node is not None else []
    return next((str(n) for n in used if n in program.names.indices), "i")


def _objective_name(program: Program, symbols: Mapping[str, Symbol]) -> str:
    if isinstance(program.objective, Defining):
        return str(program.objective.target.data)
    taken = {
        *symbols,
        *program.defined,
        *program.families,
        *program.functions,
        *program.names.functions,
        *program.names.sizes,
    }
    return next(n for n in (*OBJECTIVE_NAMES, *(f"f{i}" for i in range(len(taken) + 1))) if n not in taken)


def _build(program: Program, done: Attempt) -> tuple[tuple[Statement, ...], Term]:
    """The statements before the objective, and the objective."""
    out: list[Statement] = []
    for s, parts in done.parts:
        if s is program.objective:
            break
        if isinstance(s, Defining):
            term = checked(parts[0].build(), s.body, done.reading)
            if s.target.kind == "name":
                out.append(Definition(s.target.data, term, s.span))
            else:
                out.append(Boundary(_target(done.reading, s), term, s.span))
        elif isinstance(s, Looping):
            out.append(_block(program, done.reading, s, parts))
    assert program.objective is not None
    return tuple(out), checked(done.objective.build(), program.objective.body, done.reading)


def _target(reading: Reading, s: Defining) -> Term:
    return reading.infer(s.target).build()


def _block(program: Program, reading: Reading, s: Looping, parts: list[Part]) -> Block:
    reading.entries[s.index.data] = Entry("index", SCALAR)
    body = tuple(
        Boundary(_target(reading, inner), checked(part.build(), inner.body, reading), inner.span)
        for inner, part in zip(s.body, parts, strict=True)
    )
    del reading.entries[s.index.data]
    low, high = reading.dim(s.low), reading.dim(s.high)
    if runs_down(low, high):
        if not s.down:
            index, first, last = s.index.data, reading.says(s.low), reading.says(s.high)
            raise ParseError(
                f"the range {first}..{last} runs downward",
                span=Span(s.low.span.start, s.high.span.end),
                source=program.text,
                hint=f"for {index} in {last}..{first} down: counts from {first} to {last}",
            )
        low, high = high, low
    return Block(s.index.data, low, high, ordered(body), s.span, s.down)
