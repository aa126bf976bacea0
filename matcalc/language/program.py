"""A program before and while its names get a meaning.

*Gather* collects statements, declarations and the names that are used; *options* says what each undeclared name may be;
*attempt* infers the shapes of all statements under one choice.

Invariant: a name has one role: variable, definition, function, size or index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from matcalc.errors import ParseError, ShapeError
from matcalc.language.calls import known_names, unknown_function
from matcalc.language.conventions import Names, base, convention, is_greek, is_opaque_name, lone_factors, scalar_calls
from matcalc.language.declarations import NEED_SQUARE, Declaration, parse_declaration, parse_declarations
from matcalc.language.dims import ONE, SCALAR, Shape
from matcalc.language.inference import Sizes
from matcalc.language.problem import Function
from matcalc.language.reading import Entry, Misfit, Part, Reading
from matcalc.language.statements import Declaring, Defining, Deriving, Looping, Standing, Statement, parse_program
from matcalc.language.syntax import Node, is_juxtaposed
from matcalc.language.tokens import tokenize

__all__ = ["Attempt", "Program", "attempt", "blamed", "gather", "options"]

KNOWN = frozenset(known_names())
CONSTANT_NAMES = frozenset(("I", "e", "pi", "π", "ones", "eye"))


@dataclass(slots=True)
class Program:
    """The statements of a text and what was declared, before any name has a meaning."""

    text: str
    statements: list[Statement]
    declared: dict[str, Declaration]
    functions: dict[str, Function]
    wrt: tuple[str, ...] = ()
    names: Names = field(default_factory=Names)
    defined: dict[str, Node] = field(default_factory=dict)  # plain names and their right sides
    families: dict[str, list[Node]] = field(default_factory=dict)  # defined member by member, their right sides
    objective: Defining | Standing | None = None
    juxtaposed: bool = False
    nodes: int = 0  # how many nodes there are

    def is_variable(self, name: str) -> bool:
        """Whether an undeclared name of the text is a variable (and not a definition, a size or a constant)."""
        if name in self.defined or name in self.declared or name in self.families or name in self.names.sizes:
            return False
        return name not in CONSTANT_NAMES or name in self.wrt


def gather(text: str, declare: Mapping[str, str] | Iterable[str] | str | None, wrt: str | Sequence[str] | None) -> Program:
    """The program of a text, its names sorted by what they are used for."""
    if not isinstance(text, str):
        raise TypeError(f"a problem is text, not {type(text).__name__}")
    statements = list(parse_program(text))
    declarations = parse_declarations(declare)
    own = [d for s in statements if isinstance(s, Declaring) for d in parse_declaration(text, s.span)]
    asked = [declare_name(w) for w in ([wrt] if isinstance(wrt, str) else list(wrt or ()))]
    given = {d.name for d in declarations}
    program = Program(text, statements, {}, {})
    for d in [*declarations, *(d for d in own if d.name not in given)]:  # an argument wins over the text
        if d.name in program.declared or d.name in program.functions:
            raise ParseError(f"'{d.name}' is declared twice", span=d.span, source=d.source)
        if d.function is not None:
            program.functions[d.name] = d.function
        else:
            program.declared[d.name] = d
    _read_statements(program, asked)
    _check_roles(program)
    return program


def declare_name(word: str) -> str:
    """A variable's name as given from outside."""
    tokens = tokenize(word)
    if len(tokens) != 2 or tokens[0].kind != "name":
        raise ParseError(f"'{word}' is not the name of a variable", source=word, span=tokens[0].span)
    return tokens[0].value


def _read_statements(program: Program, asked: list[str]) -> None:
    names = program.names
    derive: Deriving | None = None
    last: Defining | Standing | None = None
    for s in program.statements:
        if isinstance(s, Deriving):
            if derive is not None:
                raise ParseError("there are two 'derive' lines", span=s.span, source=program.text)
            derive = s
        elif isinstance(s, Defining):
            _note_definition(program, s)
            last = s if s.target.kind == "name" else last
        elif isinstance(s, Looping):
            for inner in s.body:
                _note_definition(program, inner)
        elif isinstance(s, Standing):
            last = s
    program.wrt = tuple(asked) or (tuple(n.data for n in derive.wrt) if derive else ())
    program.objective = _objective(program, derive, last)
    program.nodes = sum(1 for s in _defining(program) for _ in s.body.walk())
    program.juxtaposed = is_juxtaposed(program.text)
    for s in program.statements:
        _read_names(program, s)
    for d in program.declared.values():
        for size in d.shape or ():
            for n in size.names():
                if n != d.index:
                    names.sizes.setdefault(n, None)
    for f in program.functions.values():
        for size in f.shape or ():
            for n in size.names():
                names.sizes.setdefault(n, None)


def _note_definition(program: Program, s: Defining) -> None:
    name = s.target.data
    if s.target.kind == "index":
        program.families.setdefault(name, []).append(s.body)
    elif name in program.defined:
        raise ParseError(f"'{name}' is defined twice", span=s.target.span, source=program.text)
    else:
        program.defined[name] = s.body


def _objective(program: Program, derive: Deriving | None, last: Defining | Standing | None) -> Defining | Standing:
    if derive is not None:
        if derive.body.kind != "name":
            return Standing(derive.body, derive.body.span)
        if derive.body.data not in program.defined:
            close = get_close_matches(derive.body.data, list(program.defined), 1, 0.3)
            hint = f"did you mean {close[0]}?" if close else ""
            raise ParseError(f"'{derive.body.data}' is not defined", span=derive.body.span, source=program.text, hint=hint)
        name = derive.body.data
        return next(s for s in program.statements if isinstance(s, Defining) and s.target.kind == "name" and s.target.data == name)
    final = next((s for s in reversed(program.statements) if not isinstance(s, Declaring)), None)
    if last is None or final is not last:
        raise ParseError("there is no expression", span=program.statements[0].span, source=program.text, hint="end with an expression, or derive L wrt x")
    return last


def _read_names(program: Program, s: Statement) -> None:
    names = program.names

    def known(name: str) -> bool:
        return name in KNOWN and name not in program.functions

    if isinstance(s, Defining):
        names.read(s.body, known)
        if s.target.kind == "index":
            names.read_size(s.target.args[0], known, ())
    elif isinstance(s, Standing):
        names.read(s.body, known)
    elif isinstance(s, Deriving) and s is not None:
        if program.objective is not None and program.objective.body is s.body:
            names.read(s.body, known)
    elif isinstance(s, Looping):
        names.indices[s.index.data] = None
        names.read_size(s.low, known, ())
        names.read_size(s.high, known, ())
        for inner in s.body:
            names.read(inner.body, known, (s.index.data,))
            names.read_size(inner.target.args[0], known, (s.index.data,))


# ---------------------------------------------------------------- one role each
def _check_roles(program: Program) -> None:
    names = program.names
    _split_words(program)
    for name, nodes in names.functions.items():
        _check_function(program, name, nodes)
    for name in names.differentiated:
        if name not in program.functions and name not in names.functions and name not in program.defined:
            names.functions.setdefault(name, [])
    for name, node in names.sizes.items():
        other = ""
        if name in program.declared or name in program.wrt:
            other = "a variable"
        elif name in program.defined or name in program.families:
            other = "a definition"
        elif name in program.functions or name in names.functions:
            other = "a function"
        elif name in names.families:
            other = "a family"
        if other:
            raise _clash(program, name, node, "a size", other)
    for name in names.indices:
        if name in program.declared or name in program.defined or (name in names.variables and name not in names.sizes):
            node = names.variables.get(name) or next(iter(names.families.values()), None)
            raise _clash(program, name, node, "an index", "a variable")
    for name, node in names.families.items():
        if name in names.variables or name in program.defined:
            raise _clash(program, name, node, "a family with an index", "a name without one")
    _check_declared(program)
    _check_wrt(program)


def _clash(program: Program, name: str, node: Node | None, one: str, other: str) -> ParseError:
    span = (node.mark or node.span) if node is not None else None
    return ParseError(f"'{name}' is used as {one} and as {other}", span=span, source=program.text, hint="give one of them another name")


def _split_words(program: Program) -> None:
    """In the notation of ``‖Ax − b‖²``, a word of several letters that nobody declared is a product."""
    variables = program.names.variables
    for name in list(variables):
        splits = program.juxtaposed and program.is_variable(name) and 2 <= len(name) <= 4 and name.isalpha()
        if splits and not is_greek(name) and name not in program.wrt:
            node = variables.pop(name)
            for c in name:
                if c not in program.names.sizes:
                    variables.setdefault(c, node)


def _check_function(program: Program, name: str, nodes: list[Node]) -> None:
    node = nodes[0]
    clash = name in program.declared or name in program.defined or name in program.families
    if name in program.functions:
        if clash or name in program.names.variables:
            raise _clash(program, name, program.names.variables.get(name), "a function", "a variable")
        return
    if clash or name in program.names.variables or name in program.names.families:
        prime = "'" * node.data[1] if node.kind == "call" else ""
        raise ParseError(
            f"'{name}' is a variable and is not applied to arguments",
            span=node.mark or node.span,
            source=program.text,
            label="is a sign such as * missing after it?",
            hint=f"write {name}{prime}*(...), or declare {name} : function",
        )
    if not is_opaque_name(name):
        reading = Reading(program.text, {}, program.functions)
        raise unknown_function(reading, node)


def _check_declared(program: Program) -> None:
    """Declared names that the text defines must not be variables to derive by; families need their index."""
    for name, d in program.declared.items():
        if name in program.defined and d.properties:
            words = ", ".join(sorted(d.properties))
            raise ParseError(
                f"'{name}' is defined in the text; that it is {words} cannot be declared", span=d.span, source=d.source
            )
        if d.is_family and name in program.names.variables:
            node = program.names.variables[name]
            raise ParseError(f"'{name}' is a family: write {name}[...] with an index", span=node.span, source=program.text)
        if not d.is_family and name in program.names.families:
            node = program.names.families[name]
            hint = f"declare {name}[i] : ..." if name not in program.defined else ""
            raise ParseError(f"'{name}' has no index: it is declared as one variable", span=node.span, source=program.text, hint=hint)


def _comes_before(program: Program, name: str) -> bool:
    objective = program.objective
    assert objective is not None
    target = next(s for s in program.statements if isinstance(s, Defining) and s.target.data == name)
    return not isinstance(objective, Defining) or target.span.start < objective.span.start


def _check_wrt(program: Program) -> None:
    names = program.names
    variables = [*program.declared, *(n for n in [*names.variables, *names.families] if n not in program.declared)]
    for name in program.wrt:
        if name in program.defined and not _comes_before(program, name):
            raise ParseError(f"'{name}' is defined after what is derived")
        if name in variables or name in program.defined or name in program.families:
            continue
        if name in names.sizes or name in names.functions or name in program.functions:
            what = "size" if name in names.sizes else "function"
            raise ParseError(f"'{name}' is a {what}; one can derive by variables only")
        close = get_close_matches(name, [v for v in variables if v not in names.sizes], 1, 0.3)
        same = [v for v in variables if v.lower() == name.lower()]
        guess = (same or close or [""])[0]
        raise ParseError(f"'{name}' does not occur in the problem", hint=f"did you mean {guess}?" if guess else "")


# -------------------------------------------------------------------- readings
def options(program: Program) -> dict[str, tuple[str, ...]]:
    """What each undeclared name may be, the usual reading first."""
    out: dict[str, tuple[str, ...]] = {}
    names = program.names
    nodes = [s.body for s in _defining(program)] + ([program.objective.body] if program.objective else [])
    for name in [*names.variables, *names.families]:
        if name in program.families and name not in program.declared:
            out[name] = tuple(dict.fromkeys((*convention(name), "vector", "scalar")))
        elif program.is_variable(name):
            out[name] = convention(name)
        elif name in program.declared and program.declared[name].shape is None and not program.declared[name].kind:
            square = program.declared[name].properties & NEED_SQUARE
            out[name] = ("square",) if square else convention(name)

    def scalar_name(name: str) -> bool:
        declared = program.declared.get(name)
        if declared is not None:
            return declared.shape == SCALAR
        return name in names.sizes or name in names.indices or out.get(name, ("",))[0] == "scalar" or (name in ("e", "pi", "π") and name not in out)

    def open_name(name: str) -> bool:
        return out.get(name, ("",))[0] == "vector" and name not in program.families

    for name in lone_factors(nodes, scalar_name, open_name):
        out[name] = ("scalar", "vector")
    return out | _function_options(program)


def _defining(program: Program) -> list[Defining | Standing]:
    out: list[Defining | Standing] = []
    for s in program.statements:
        if isinstance(s, (Defining, Standing)):
            out.append(s)
        elif isinstance(s, Looping):
            out += s.body
    return out


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
    sizes = Sizes()
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


def shape_of_kind(kind: str, sizes: Sizes) -> Shape:
    """A shape with new unknown sizes."""
    if kind == "scalar":
        return SCALAR
    rows = sizes.fresh()
    if kind == "vector":
        return Shape(rows, ONE)
    if kind == "row":
        return Shape(ONE, rows)
    return Shape(rows, rows) if kind == "square" else Shape(rows, sizes.fresh())


def _entries(program: Program, chosen: Mapping[str, str], sizes: Sizes) -> dict[str, Entry]:
    names = program.names
    entries: dict[str, Entry] = {}
    for name, d in program.declared.items():
        shape = d.shape if d.shape is not None else shape_of_kind(d.kind or chosen.get(name) or convention(name)[0], sizes)
        if name not in program.defined:
            entries[name] = Entry("symbol", shape, d.index)
    for name in names.sizes:
        if name not in entries:
            entries[name] = Entry("size", SCALAR)
    for name in names.variables:
        if name in chosen and name not in entries:
            entries[name] = Entry("symbol", shape_of_kind(chosen[name], sizes))
    for name in [*names.families, *program.families]:
        if name not in entries:
            entries[name] = Entry("symbol", shape_of_kind(chosen.get(name) or convention(name)[0], sizes), "#")
    return entries


def _infer(program: Program, reading: Reading, s: Statement) -> list[Part]:
    if isinstance(s, Standing):
        return [reading.infer(s.body)]
    if isinstance(s, Defining):
        return [_infer_definition(program, reading, s)]
    if isinstance(s, Looping):
        return _infer_block(program, reading, s)
    return []


def _infer_block(program: Program, reading: Reading, s: Looping) -> list[Part]:
    reading.entries[s.index.data] = Entry("index", SCALAR)
    try:
        made = [_infer_definition(program, reading, inner) for inner in s.body]
    except Misfit as error:
        reading.check_uniform(s.index.data, error)
        raise
    reading.check_uniform(s.index.data)
    del reading.entries[s.index.data]
    return made


def _infer_definition(program: Program, reading: Reading, s: Defining) -> Part:
    for n in s.body.walk():
        if n.kind == "name" and n.data in program.defined and n.data not in reading.entries:
            if n.data in CONSTANT_NAMES and n.data not in program.defined:
                continue
            raise ParseError(f"'{n.data}' is used before it is defined", span=n.span, source=program.text)
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


def _differs(reading: Reading, s: Defining, target: Part, part: Part) -> ShapeError:
    shown = reading.shown(target, part)
    both = Node("sum", s.span, (s.target, s.body), ("+", "+"), depth=1 + s.body.depth)
    return Misfit(
        "the two sides of a definition differ in shape",
        both,
        reading.text,
        span=s.body.span,
        label=f"{reading.says(s.target)} is {shown[0]} and the right side is {shown[1]}",
    )
