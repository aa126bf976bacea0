"""A program before its names get a meaning.

*Gather* collects statements, declarations and the names that are used, and sorts the names by their roles.

Invariant: a name has one role: variable, definition, function, size or index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from matcalc.errors import ParseError, Span
from matcalc.language.calls import known_names, unknown_function
from matcalc.language.conventions import (
    Names,
    is_greek,
    is_opaque_name,
)
from matcalc.language.declarations import Declaration, parse_declaration, parse_declarations
from matcalc.language.entries import as_entries
from matcalc.language.parts import base_of, part, part_of_node
from matcalc.language.problem import Function
from matcalc.language.reading import Reading
from matcalc.language.statements import (
    Declaring,
    Defining,
    Deriving,
    Formulating,
    Looping,
    Standing,
    Statement,
    parse_program,
)
from matcalc.language.syntax import Node, is_juxtaposed
from matcalc.language.tokens import tokenize

__all__ = ["CONSTANTS", "KNOWN", "Program", "bodies", "gather"]

KNOWN = frozenset(known_names())
CONSTANTS = frozenset(("I", "e", "pi", "π", "ones", "eye"))


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
    formulas: dict[str, Formulating] = field(default_factory=dict)  # the functions that the text defines
    objective: Defining | Standing | None = None
    juxtaposed: bool = False
    nodes: int = 0  # how many nodes there are

    def is_variable(self, name: str) -> bool:
        """Whether an undeclared name of the text is a variable (and not a definition, a size or a constant)."""
        if name in self.defined or name in self.declared or name in self.families or name in self.names.sizes:
            return False
        if name in self.formulas:
            return False
        return name not in CONSTANTS or name in self.bases

    @property
    def bases(self) -> tuple[str, ...]:
        """The variables that are derived by, also where only a part of one is."""
        return tuple(dict.fromkeys(base_of(n) for n in self.wrt))


def gather(
    text: str, declare: Mapping[str, str] | Iterable[str] | str | None, wrt: str | Sequence[str] | None
) -> Program:
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
    program.statements = _with_entries(program)
    _read_statements(program, asked)
    _check_roles(program)
    return program


def _with_entries(program: Program) -> list[Statement]:
    """The statements in which ``x[i]`` is an entry where x is declared or defined as one matrix."""
    plain = {n for n, d in program.declared.items() if not d.is_family}
    plain |= {s.target.data for s in program.statements if isinstance(s, Defining) and s.target.kind == "name"}
    if not plain:
        return program.statements

    def read(s: Statement) -> Statement:
        if isinstance(s, Looping):
            return replace(s, body=tuple(replace(b, body=as_entries(b.body, plain)) for b in s.body))
        if isinstance(s, (Defining, Standing, Deriving)):
            return replace(s, body=as_entries(s.body, plain))
        return s

    return [read(s) for s in program.statements]


def declare_name(word: str) -> str:
    """A variable's name as given from outside."""
    tokens = tokenize(word)
    if len(tokens) > 2 and tokens[0].kind == "name" and tokens[1].value == "[":
        return str(part(word))
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
        elif isinstance(s, Formulating):
            _note_formula(program, s)
        elif isinstance(s, Standing):
            last = s
    program.wrt = tuple(asked) or (tuple(str(part_of_node(n, program.text)) for n in derive.wrt) if derive else ())
    program.objective = _objective(program, derive, last)
    program.nodes = sum(1 for s in [*bodies(program), program.objective] for _ in s.body.walk())
    program.juxtaposed = is_juxtaposed(program.text)
    for s in program.statements:
        _read_names(program, s)
    for name in program.wrt:
        for n in (n for d in part(name).indices if d is not None for n in d.names()):
            names.places.setdefault(n, Node("name", Span(0, 0), data=n))
            names.sizes.setdefault(n, None)
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


def _note_formula(program: Program, s: Formulating) -> None:
    name = s.name.data
    if name in program.formulas:
        raise ParseError(f"'{name}' is defined twice", span=s.name.span, source=program.text)
    if name in program.functions or name in program.declared:
        raise ParseError(f"'{name}' is declared and defined", span=s.name.span, source=program.text)
    program.formulas[name] = s


def _objective(program: Program, derive: Deriving | None, last: Defining | Standing | None) -> Defining | Standing:
    if derive is not None:
        if derive.body.kind != "name":
            return Standing(derive.body, derive.body.span)
        if derive.body.data not in program.defined:
            close = get_close_matches(derive.body.data, list(program.defined), 1, 0.3)
            hint = f"did you mean {close[0]}?" if close else ""
            raise ParseError(
                f"'{derive.body.data}' is not defined", span=derive.body.span, source=program.text, hint=hint
            )
        name = derive.body.data
        return next(
            s
            for s in program.statements
            if isinstance(s, Defining) and s.target.kind == "name" and s.target.data == name
        )
    final = next((s for s in reversed(program.statements) if not isinstance(s, (Declaring, Formulating))), None)
    if last is None or final is not last:
        raise ParseError(
            "there is no expression",
            span=program.statements[0].span,
            source=program.text,
            hint="end with an expression, or derive L wrt x",
        )
    return last


def _read_names(program: Program, s: Statement) -> None:
    names = program.names

    def known(name: str) -> bool:
        return name in program.formulas or (name in KNOWN and name not in program.functions)

    if isinstance(s, Defining):
        names.read(s.body, known)
        if s.target.kind == "index":
            names.read_size(s.target.args[0], known, ())
    elif isinstance(s, Standing):
        names.read(s.body, known)
    elif isinstance(s, Formulating):
        names.read(s.body, known, tuple(p.data for p in s.parameters))
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
    for name, s in program.formulas.items():
        if name in program.defined or name in names.variables or name in names.families:
            raise _clash(program, name, s.name, "a function", "a variable")
    _split_words(program)
    for name, nodes in names.functions.items():
        _check_function(program, name, nodes)
    for name in names.differentiated:
        if name not in program.functions and name not in names.functions and name not in program.defined:
            names.functions.setdefault(name, [])
    for name, node in names.sizes.items():
        other = ""
        if name in program.declared or name in program.bases:
            other = "a variable"
        elif name in program.defined or name in program.families:
            other = "a definition"
        elif name in program.functions or name in names.functions or name in program.formulas:
            other = "a function"
        elif name in names.families:
            other = "a family"
        if other:
            raise _clash(program, name, node, "an index" if name in names.places else "a size", other)
    _check_ends(program)
    for name in names.indices:
        if name in program.declared or name in program.defined or (name in names.variables and name not in names.sizes):
            node = names.variables.get(name) or next(iter(names.families.values()), None)
            raise _clash(program, name, node, "an index", "a variable")
    for name, node in names.families.items():
        if name in names.variables and (name in program.families or name in names.families):
            raise _bare_family(program, name, node)
        if name in program.defined:
            raise _clash(program, name, node, "a family with an index", "a name without one")
    _check_declared(program)
    _check_wrt(program)
    for name in program.wrt:
        base = base_of(name)
        if name != base and (base in names.families or (base in program.declared and program.declared[base].is_family)):
            raise ParseError(f"'{base}' is a family: derive by all of its members", hint=f"wrt {base}")


def _check_ends(program: Program) -> None:
    """An index must not have the name of an end of its own range."""
    loops = [(s.index.data, s.index, (s.low, s.high)) for s in program.statements if isinstance(s, Looping)]
    nodes = [n for s in bodies(program) for n in s.body.walk() if n.kind == "binder"]
    for name, at, ends in [*loops, *((n.data[1], n, n.args[:2]) for n in nodes)]:
        if any(n.kind == "name" and n.data == name for end in ends for n in end.walk()):
            message = f"the index '{name}' is also an end of its range"
            raise ParseError(message, span=at.mark or at.span, source=program.text, hint="give the index another name")


def _bare_family(program: Program, name: str, node: Node) -> ParseError:
    """The error for a family that is used without its index."""
    member = program.text[node.span.start : node.span.end]
    return ParseError(
        f"'{name}' is a family of members and is used without an index",
        span=program.names.variables[name].span,
        source=program.text,
        hint=f"write one member, as in {member}, or give one of the two another name",
    )


def _clash(program: Program, name: str, node: Node | None, one: str, other: str) -> ParseError:
    span = (node.mark or node.span) if node is not None else None
    return ParseError(
        f"'{name}' is used as {one} and as {other}",
        span=span,
        source=program.text,
        hint="give one of them another name",
    )


def _split_words(program: Program) -> None:
    """In the notation of ``‖Ax − b‖²``, a word of several letters that nobody declared is a product."""
    variables = program.names.variables
    for name in list(variables):
        splits = program.juxtaposed and program.is_variable(name) and 2 <= len(name) <= 4 and name.isalpha()
        if splits and not is_greek(name) and name not in program.bases:
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
            raise ParseError(
                f"'{name}' is a family: write {name}[...] with an index", span=node.span, source=program.text
            )
        members = program.names.families.get(name) or _member(program, name)
        if not d.is_family and d.shape is not None and members is not None:
            node = members
            index, shape = next(iter(program.names.indices), "i"), d.shape.rows if d.shape.is_vector else d.shape
            hint = f"declare {name}[{index}] : {shape}" if name not in program.defined else ""
            raise ParseError(
                f"'{name}' has no index: it is declared as one variable", span=node.span, source=program.text, hint=hint
            )


def _member(program: Program, name: str) -> Node | None:
    """The member by which a family is first defined."""
    every = [inner for s in program.statements for inner in (s.body if isinstance(s, Looping) else (s,))]
    targets = (s.target for s in every if isinstance(s, Defining))
    return next((t for t in targets if t.kind == "index" and t.data == name), None)


def _comes_before(program: Program, name: str) -> bool:
    objective = program.objective
    assert objective is not None
    target = next(s for s in program.statements if isinstance(s, Defining) and s.target.data == name)
    return not isinstance(objective, Defining) or target.span.start < objective.span.start


def _check_wrt(program: Program) -> None:
    names = program.names
    variables = [*program.declared, *(n for n in [*names.variables, *names.families] if n not in program.declared)]
    for name in program.bases:
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


def bodies(program: Program) -> list[Defining | Standing]:
    out: list[Defining | Standing] = []
    for s in program.statements:
        if isinstance(s, (Defining, Standing)):
            out.append(s)
        elif isinstance(s, Looping):
            out += s.body
    return out
