"""The shapes of a whole program under one choice of what its undeclared names are.

*Options* says what each name may be, *attempt* infers the shapes of all statements under one choice, *blamed* tells
which names a misfit may be due to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from matcalc.errors import ParseError, ShapeError
from matcalc.language.conventions import base, convention, evident_vectors, lone_factors, scalar_calls
from matcalc.language.declarations import NEED_SQUARE
from matcalc.language.dims import ONE, SCALAR, Shape
from matcalc.language.formulas import check_formula, parameter_names
from matcalc.language.inference import INDEX, Sizes
from matcalc.language.problem import Formula, Function
from matcalc.language.program import CONSTANTS, Program, bodies
from matcalc.language.reading import Entry, Misfit, Part, Reading
from matcalc.language.statements import Defining, Formulating, Looping, Standing, Statement
from matcalc.language.syntax import Node

__all__ = ["Attempt", "attempt", "blamed", "options", "shape_of_kind"]


def options(program: Program) -> dict[str, tuple[str, ...]]:
    """What each undeclared name may be, the usual reading first."""
    out: dict[str, tuple[str, ...]] = {}
    names = program.names
    nodes = [s.body for s in bodies(program)] + ([program.objective.body] if program.objective else [])
    for name in [*names.variables, *names.families]:
        if name in program.families and name not in program.declared:
            out[name] = tuple(dict.fromkeys((*convention(name), "vector", "scalar", "matrix")))
        elif program.is_variable(name):
            out[name] = convention(name)
        elif name in program.declared and program.declared[name].shape is None and not program.declared[name].kind:
            square = program.declared[name].properties & NEED_SQUARE
            out[name] = ("square",) if square else convention(name)

    for name in names.two_indices:
        if name in out:
            out[name] = ("matrix",)
    for family, sources in program.families.items():  # a declared family says what its boundary value may be
        for n in sources if family in program.declared else []:
            if n.kind == "name" and n.data in out:
                out[n.data] = tuple(dict.fromkeys((*out[n.data], "matrix")))

    def scalar_name(name: str) -> bool:
        declared = program.declared.get(name)
        if declared is not None:
            return declared.shape == SCALAR
        return (
            name in names.sizes
            or name in names.indices
            or out.get(name, ("",))[0] == "scalar"
            or (name in ("e", "pi", "π") and name not in out)
        )

    def open_name(name: str) -> bool:
        return out.get(name, ("",))[0] == "vector" and name not in program.families

    for name in evident_vectors(nodes):
        if out.get(name, ("",))[0] == "scalar":
            out[name] = ("vector", "scalar")
    for name in lone_factors(nodes, scalar_name, open_name):
        out[name] = ("scalar", "vector")
    for name in parameter_names(nodes, program.formulas):
        if out.get(name, ("",))[0] == "vector":
            out[name] = ("scalar", "vector")
    for s in program.formulas.values():
        inside = {n.data for n in s.body.walk() if n.kind == "name"} - {p.data for p in s.parameters}
        out.update((n, ("scalar",)) for n in inside if n in out)
    return out | _function_options(program)


def _function_options(program: Program) -> dict[str, tuple[str, ...]]:
    opaque = {n: nodes for n, nodes in program.names.functions.items() if n not in program.functions}
    expected = scalar_calls(program.objective.body, lambda n: n in opaque) if program.objective else set()
    out: dict[str, tuple[str, ...]] = {}
    for name, nodes in opaque.items():
        primed = any(n.kind == "call" and n.data[1] for n in nodes)
        whole = base(name) == "loss" or name in program.names.differentiated or any(len(n.args) != 1 for n in nodes)
        if primed:
            out[name] = ("elementwise",)
        elif whole:
            out[name] = ("value",)
        else:
            out[name] = ("value", "elementwise") if name in expected else ("elementwise", "value")
    return out


def blamed(program: Program, node: Node) -> list[str]:
    """The names that may be to blame for a misfit at a node, those of the definitions it uses included."""
    out: dict[str, None] = {}
    waiting = [node]
    seen: set[str] = set()
    while waiting:
        for n in waiting.pop().walk():
            name = n.data[0] if n.kind == "call" else n.data
            if n.kind not in ("name", "index", "call"):
                continue
            out[name] = None
            if n.kind == "name" and program.juxtaposed:
                out.update(dict.fromkeys(name))
            if name not in seen:
                seen.add(name)
                waiting += [program.defined[name]] if name in program.defined else program.families.get(name, [])
    return list(out)


@dataclass(slots=True)
class Attempt:
    """The shapes of all statements under one reading."""

    reading: Reading
    parts: list[tuple[Statement, list[Part]]]
    objective: Part

    @property
    def is_scalar(self) -> bool:
        return self.reading.shape(self.objective).is_scalar


def attempt(program: Program, chosen: Mapping[str, str], broadcast: bool = False, quiet: bool = False) -> Attempt:
    """Infer everything. Raises Misfit where the shapes do not fit under this reading."""
    sizes = Sizes(indices=program.names.indices)
    functions = dict(program.functions)
    for name in program.names.functions:
        if name in chosen:
            functions[name] = _function(name, chosen[name])
    reading = Reading(
        program.text,
        _entries(program, chosen, sizes),
        functions,
        sizes,
        juxtaposed=program.juxtaposed,
        reserved=program.names.all(),
        places=frozenset(program.names.places),
        broadcast=broadcast,
        quiet=quiet,
        departed=frozenset(n for n, kind in chosen.items() if kind == "scalar" and convention(n)[0] != "scalar"),
    )
    parts: list[tuple[Statement, list[Part]]] = []
    objective: Part | None = None
    for s in program.statements:
        made = _infer(program, reading, s)
        parts.append((s, made))
        if program.objective is not None and s is program.objective:
            objective = made[-1]
    if objective is None:
        assert program.objective is not None
        objective = reading.infer(program.objective.body)
    return Attempt(reading, parts, objective)


def _function(name: str, kind: str) -> Function:
    if kind == "elementwise":
        return Function(name, "elementwise", assumed=True)
    return Function(name, "value", SCALAR, assumed=True)


def shape_of_kind(kind: str, sizes: Sizes, family: bool = False) -> Shape:
    """A shape with new unknown sizes; those of a family may depend on its index."""
    if kind == "scalar":
        return SCALAR
    fresh = sizes.fresh_family if family else sizes.fresh
    rows = fresh()
    if kind == "vector":
        return Shape(rows, ONE)
    if kind == "row":
        return Shape(ONE, rows)
    return Shape(rows, rows) if kind == "square" else Shape(rows, fresh())


def _entries(program: Program, chosen: Mapping[str, str], sizes: Sizes) -> dict[str, Entry]:
    names = program.names
    entries: dict[str, Entry] = {}
    for name, d in program.declared.items():
        shape = (
            d.shape
            if d.shape is not None
            else shape_of_kind(d.kind or chosen.get(name) or convention(name)[0], sizes, d.is_family)
        )
        if name not in program.defined:
            entries[name] = Entry("symbol", shape, INDEX if d.is_family and d.shape is None else d.index)
    for name in names.sizes:
        if name not in entries:
            entries[name] = Entry("size", SCALAR)
    for name in names.variables:
        if name in chosen and name not in entries:
            entries[name] = Entry("symbol", shape_of_kind(chosen[name], sizes))
    for name in [*names.families, *program.families]:
        if name not in entries:
            kind = chosen.get(name) or convention(name)[0]
            entries[name] = Entry("symbol", shape_of_kind(kind, sizes, family=True), INDEX)
    return entries


def _infer(program: Program, reading: Reading, s: Statement) -> list[Part]:
    if isinstance(s, Standing):
        return [reading.infer(s.body)]
    if isinstance(s, Defining):
        return [_infer_definition(program, reading, s)]
    if isinstance(s, Looping):
        return _infer_block(program, reading, s)
    if isinstance(s, Formulating):
        _infer_formula(program, reading, s)
    return []


def _infer_formula(program: Program, reading: Reading, s: Formulating) -> None:
    """The term of a formula: its parameters are numbers, whatever their names are elsewhere."""
    names = [p.data for p in s.parameters]
    outside = {n: reading.entries.get(n) for n in names}
    reading.entries.update((n, Entry("symbol", SCALAR)) for n in names)
    part = reading.scalar(s.body, "a function's formula")
    check_formula(part, s.body, program.text)
    for n, entry in outside.items():
        if entry is None:
            del reading.entries[n]
        else:
            reading.entries[n] = entry
    reading.formulas[s.name.data] = Formula(s.name.data, tuple(names), part.build())


def _infer_block(program: Program, reading: Reading, s: Looping) -> list[Part]:
    reading.entries[s.index.data] = Entry("index", SCALAR)
    made = [_infer_definition(program, reading, inner) for inner in s.body]
    del reading.entries[s.index.data]
    return made


def _infer_definition(program: Program, reading: Reading, s: Defining) -> Part:
    for n in s.body.walk():
        if n.kind == "name" and n.data in program.defined and n.data not in reading.entries:
            if n.data in CONSTANTS and n.data not in program.defined:
                continue
            raise _too_early(program, s, n)
    part = reading.infer(s.body)
    name = s.target.data
    if s.target.kind == "index":
        target = reading.infer(s.target)
        if not reading.fits(target.shape, part.shape):
            raise _differs(reading, s, target, part)
        return part
    declared = program.declared.get(name)
    if declared is not None and declared.shape is not None:
        target = Part(s.target, declared.shape, part.build)
        if not reading.fits(declared.shape, part.shape):
            raise _differs(reading, s, target, part)
    reading.entries[name] = Entry("definition", part.shape)
    return part


def _too_early(program: Program, s: Defining, n: Node) -> ParseError:
    """The error for a name that is defined later, perhaps by way of the one that uses it."""
    circle = _circle(program, n.data, s.target.data)
    if circle:
        told = ", ".join(f"{a} uses {b}" for a, b in pairwise([s.target.data, *circle]))
        return ParseError(
            f"the definitions go round in a circle: {told}",
            span=n.span,
            source=program.text,
            hint="what is computed cannot be used to compute itself; a recurrence has an index, as in h[t] = f(h[t-1])",
        )
    return ParseError(f"'{n.data}' is used before it is defined", span=n.span, source=program.text)


def _circle(program: Program, start: str, end: str) -> list[str]:
    """The names on a way from one definition to another, each using the next; empty where there is none."""
    ways: list[list[str]] = [[start]]
    seen = {start}
    while ways:
        way = ways.pop(0)
        if way[-1] == end:
            return way
        body = program.defined.get(way[-1])
        used = dict.fromkeys(n.data for n in body.walk() if n.kind == "name") if body is not None else {}
        for name in used:
            if name in program.defined and name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []


def _differs(reading: Reading, s: Defining, target: Part, part: Part) -> ShapeError:
    from matcalc.language.shapes import off_by_one

    shown = reading.shown(target, part)
    rows = (shown[0].partition("×")[0], shown[1].partition("×")[0])
    both = Node("sum", s.span, (s.target, s.body), ("+", "+"), depth=1 + s.body.depth)
    return Misfit(
        "the two sides of a definition differ in shape",
        both,
        reading.text,
        span=s.body.span,
        label=f"{reading.says(s.target)} is {shown[0]} and the right side is {shown[1]}",
        hint=off_by_one(rows),
    )
