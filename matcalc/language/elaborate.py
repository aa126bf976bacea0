"""From text to a problem: the public doors of the language room.

``parse_problem`` reads a program or one expression, ``parse_expression`` reads an answer against a problem, ``parse_rule``
reads an identity between metavariables.  All three read the same language by the same code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from matcalc.errors import ParseError, RuleError, ShapeError
from matcalc.language import terms
from matcalc.language.conventions import Names, base, first_reading, is_greek, is_opaque_name
from matcalc.language.dims import ONE, SCALAR, Dim, Shape, dim
from matcalc.language.inference import Sizes, name_sizes
from matcalc.language.problem import Block, Boundary, Definition, Function, Problem, Statement, Symbol
from matcalc.language.program import KNOWN, Attempt, Program, attempt, blamed, gather, options, shape_of_kind
from matcalc.language.reading import Entry, Misfit, Part, Reading
from matcalc.language.statements import Defining, Looping, Standing
from matcalc.language.syntax import Node, is_juxtaposed, parse_tree
from matcalc.language.terms import Term

__all__ = ["parse_expression", "parse_problem", "parse_rule"]

MAX_TERM_DEPTH = 120
MAX_TERM_SIZE = 50_000
NAMED_ENTRYWISE = frozenset(("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "abs", "arcsin", "arccos", "arctan"))
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
    """The first reading that fits; where none does, one in which scalars are added to every entry of a vector."""

    def search(broadcast: bool) -> tuple[Attempt, dict[str, str]]:
        return first_reading(
            open_names,
            lambda chosen, quiet: attempt(program, chosen, broadcast, quiet),
            lambda node: blamed(program, node),
            lambda a: a.is_scalar,
            program.wrt,
            program.nodes,
        )

    try:
        return search(broadcast=False)
    except Misfit as error:
        try:
            return search(broadcast=True)
        except Misfit:
            products = [n for n in _words(error.node) if program.is_variable(n)]
            if products:
                error.hint = ", ".join(f"is {n} the product {'*'.join(n)}?" for n in products)
            raise error from None


def _words(node: Node) -> list[str]:
    """Names such as ``Ax`` that may be meant as products."""
    names = dict.fromkeys(n.data for n in node.walk() if n.kind == "name" and 2 <= len(n.data) <= 3 and n.data.isalpha())
    return [n for n in names if not is_greek(n) and not n.islower() and (len(n) == 2 or not n.istitle())]


def _functions_of_scalars(program: Program, done: Attempt, chosen: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Assumed functions that are applied to scalars only: they are read as elementwise, so that f'(s) can be written."""
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
    _name_sizes(reading, [entries[n].shape for n in [*variables, *families]])
    reading.finish()
    inputs = [n for n in variables if n not in program.families]
    statements, objective = _build(program, done)
    used = _used(statements, objective)
    symbols = {n: _symbol(program, reading, n) for n in inputs if n in program.declared or n in used}
    name = _objective_name(program, symbols)
    functions = {n: f for n, f in reading.functions.items() if n in program.functions or n in program.names.functions}
    notes = _notes(program, reading, symbols, functions, chosen)
    problem = Problem(program.text, objective, name, program.wrt, symbols, functions, statements, tuple(notes))
    return _with_entrywise_notes(problem)


def _used(statements: Iterable[Statement], objective: Term) -> frozenset[str]:
    """The names that occur in what is derived."""
    used = objective.free
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
    span = declared.span if declared is not None else (program.names.variables.get(name) or program.names.families[name]).span
    index = entry.index if entry.index != "#" else "i"
    return Symbol(name, reading.sizes.shape(entry.shape), declared.properties if declared else frozenset(), assumed, index, span)


def _objective_name(program: Program, symbols: Mapping[str, Symbol]) -> str:
    if isinstance(program.objective, Defining):
        return str(program.objective.target.data)
    taken = {*symbols, *program.defined, *program.families, *program.functions, *program.names.functions, *program.names.sizes}
    return next(n for n in (*OBJECTIVE_NAMES, *(f"f{i}" for i in range(len(taken) + 1))) if n not in taken)


def _build(program: Program, done: Attempt) -> tuple[tuple[Statement, ...], Term]:
    """The statements before the objective, and the objective."""
    out: list[Statement] = []
    for s, parts in done.parts:
        if s is program.objective:
            break
        if isinstance(s, Defining):
            term = _checked(parts[0].build(), s.body, program.text)
            if s.target.kind == "name":
                out.append(Definition(s.target.data, term, s.span))
            else:
                out.append(Boundary(_target(done.reading, s), term, s.span))
        elif isinstance(s, Looping):
            out.append(_block(program, done.reading, s, parts))
    assert program.objective is not None
    return tuple(out), _checked(done.objective.build(), program.objective.body, program.text)


def _target(reading: Reading, s: Defining) -> Term:
    return reading.infer(s.target).build()


def _block(program: Program, reading: Reading, s: Looping, parts: list[Part]) -> Block:
    reading.entries[s.index.data] = Entry("index", SCALAR)
    body = tuple(
        Boundary(_target(reading, inner), _checked(part.build(), inner.body, program.text), inner.span) for inner, part in zip(s.body, parts)
    )
    del reading.entries[s.index.data]
    low, high = reading.dim(s.low), reading.dim(s.high)
    return Block(s.index.data, low, high, body, s.span)


def _checked(term: Term, node: Node, text: str) -> Term:
    if term.depth > MAX_TERM_DEPTH or term.size > MAX_TERM_SIZE:
        raise ParseError("the expression is nested too deeply", span=node.span, source=text)
    return term


# ---------------------------------------------------------------------- notes
def _notes(
    program: Program, reading: Reading, symbols: Mapping[str, Symbol], functions: Mapping[str, Function], chosen: Mapping[str, str]
) -> list[str]:
    notes: list[str] = []
    shaped = [s for s in symbols.values() if s.assumed and not s.shape.is_scalar]
    if shaped:
        notes.append(", ".join(f"{s.name}{_of_index(s)} is {s.shape}" for s in shaped) + " (inferred)")
    for s in symbols.values():
        if s.assumed and s.shape.is_scalar:
            notes.append(f"{s.name}{_of_index(s)} read as a scalar")
        elif s.assumed and chosen.get(s.name) == "vector" and s.name[0].isupper() is False and _usually_scalar(s.name):
            notes.append(f"{s.name} read as a vector")
    for f in functions.values():
        if f.assumed:
            how = "a scalar-valued function" if f.kind == "value" else "a function of each entry"
            notes.append(f"{f.name} read as {how}")
    standing = [s for s in program.statements if isinstance(s, Standing)]
    if len(standing) > 1 or (standing and program.objective is not standing[-1]):
        assert program.objective is not None
        notes.append(f"only {reading.says(program.objective.body)[:60]} is derived; the other expressions are not used")
    return notes + list(reading.notes)


def _usually_scalar(name: str) -> bool:
    from matcalc.language.conventions import convention

    return convention(name)[0] == "scalar"


def _of_index(s: Symbol) -> str:
    return f"[{s.index}]" if s.index is not None else ""


def _with_entrywise_notes(problem: Problem) -> Problem:
    """Say where an elementwise function under a trace could be taken for a function of the matrix."""
    from dataclasses import replace

    found: dict[str, None] = {}
    bodies = [problem.objective, *(d.term for d in problem.definitions)]
    for body in bodies:
        for t in terms.subterms(body):
            if t.op not in ("tr", "det", "logdet", "inv"):
                continue
            for u in terms.subterms(t.args[0]):
                if u.op == "fn" and u.data[0] in NAMED_ENTRYWISE and u.shape.is_matrix:
                    found[f"{u.data[0]} under {t.op} is applied to the entries, it is not the function of the matrix"] = None
    return replace(problem, notes=problem.notes + tuple(found)) if found else problem


# ---------------------------------------------------------------- expressions
Known = Problem | Mapping[str, Shape | Symbol]


def parse_expression(
    text: str,
    known: Known,
    *,
    extra: Mapping[str, Shape | Symbol] | None = None,
    functions: Mapping[str, Function] | None = None,
    shape: Shape | None = None,
) -> Term:
    """Read an expression (an answer, a printed term) against the names of a problem.

    ``extra`` names more symbols, ``functions`` more functions; ``shape`` is the expected shape, where sizes of ``I`` or
    ``vector(1)`` depend on it.
    """
    tree = parse_tree(text)
    names = Names()
    given = dict(known.functions if isinstance(known, Problem) else {}) | dict(functions or {})
    names.read(tree, lambda n: n in KNOWN and n not in given)
    opened: dict[str, tuple[str, ...]] = {}
    for name, nodes in names.functions.items():
        if name not in given and is_opaque_name(name) and not isinstance(known, Problem):
            whole = base(name) == "loss" or any(len(n.args) != 1 for n in nodes)
            opened[name] = ("value",) if whole else ("elementwise", "value")

    def once(chosen: Mapping[str, str], quiet: bool) -> tuple[Reading, Part]:
        more = {n: Function(n, "elementwise" if k == "elementwise" else "value", None if k == "elementwise" else SCALAR, True) for n, k in chosen.items()}
        reading = Reading(text, _known_entries(known, extra), given | more, differentials=True, juxtaposed=is_juxtaposed(text), closed=True, broadcast=True)
        reading.quiet = quiet
        if isinstance(known, Problem):
            reading.objective = (known.objective_name, known.objective)
        part = reading.infer(tree)
        if shape is not None:
            reading.fits(part.shape, shape)
        return reading, part

    (reading, part), _ = first_reading(opened, once, lambda node: [n.data[0] for n in node.walk() if n.kind == "call"], lambda _: True)
    reading.finish()
    return _checked(part.build(), tree, text)


def _known_entries(known: Known, extra: Mapping[str, Shape | Symbol] | None) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    sizes: dict[str, None] = {}

    def note(name: str, shape: Shape, index: str | None, kind: str = "symbol") -> None:
        entries[name] = Entry("definition" if kind == "definition" else "symbol", shape, index)
        for d in shape:
            sizes.update(dict.fromkeys(n for n in d.names() if n != index))

    if isinstance(known, Problem):
        for s in known.symbols.values():
            note(s.name, s.shape, s.index)
        for st in known.statements:
            _note_statement(st, note, sizes)
        for f in known.functions.values():
            for d in f.shape or ():
                sizes.update(dict.fromkeys(d.names()))
        for t in (known.objective, *(d.term for d in known.definitions)):
            for u in terms.subterms(t):
                for d in _sizes_in(u):
                    sizes.update(dict.fromkeys(n for n in d.names() if not n.startswith("#")))
    else:
        for name, given in known.items():
            note(name, *((given.shape, given.index) if isinstance(given, Symbol) else (given, None)))
    for name, given in (extra or {}).items():
        note(name, *((given.shape, given.index) if isinstance(given, Symbol) else (given, None)))
    for name in sizes:
        entries.setdefault(name, Entry("size", SCALAR))
    return entries


def _note_statement(st: Statement, note: object, sizes: dict[str, None]) -> None:
    assert callable(note)
    if isinstance(st, Definition):
        note(st.name, st.term.shape, None, "definition")
    elif isinstance(st, Block):
        for d in (st.low, st.high):
            sizes.update(dict.fromkeys(d.names()))
        for b in st.body:
            note(b.target.data[0], b.target.shape, st.index)


def _sizes_in(t: Term) -> list[Dim]:
    data = t.data if isinstance(t.data, tuple) else (t.data,)
    return [d for d in data if isinstance(d, Dim)]


# ---------------------------------------------------------------------- rules
KINDS = frozenset(("matrix", "square", "vector", "row", "scalar", "tangent"))


def parse_rule(
    lhs: str, rhs: str, metavars: Mapping[str, str], functions: Iterable[str] | Mapping[str, Function] = ()
) -> tuple[Term, Term]:
    """Read ``lhs = rhs`` with rigid sizes: the most general shapes of the left side; the right side must fit as it is.

    A kind is a word (matrix, square, vector, row, scalar, tangent) or two (``scalar tangent``).
    """
    left, right = parse_tree(lhs), parse_tree(rhs)
    sizes = Sizes(flexible=True)
    occurring = {n.data for side in (left, right) for n in side.walk() if n.kind == "name"}
    entries = {name: Entry("symbol", _rule_shape(kind, sizes)) for name, kind in metavars.items() if name in occurring}
    _check_metavars(left, right, entries, rhs)
    table = _rule_functions(functions, (left, right), sizes)
    for name in _size_names(left, right):
        entries.setdefault(name, Entry("size", SCALAR))
    one = Reading(lhs, entries, table, sizes, rule=True, differentials=True)
    part = one.infer(left)
    shapes = [e.shape for e in entries.values()] + [f.shape for f in table.values() if f.shape is not None] + [part.shape]
    one.finish_rule()
    numbered = tuple(f"n{i}" for i in range(1, 60))
    for name, value in name_sizes(sizes, shapes, set(metavars) | set(table) | {"n"}, numbered).items():
        sizes.assign(name, value)
    first = part.build()
    sizes.flexible = False
    two = Reading(rhs, entries, table, sizes, rule=True, differentials=True)
    other = two.infer(right)
    if not two.fits(part.shape, other.shape):
        raise ShapeError(f"the left side is {sizes.shape(part.shape)} and the right side {sizes.shape(other.shape)}")
    two.finish()
    return first, other.build()


def _rule_shape(kind: str, sizes: Sizes) -> Shape:
    words = kind.split()
    if not words or not set(words) <= KINDS:
        raise RuleError(f"'{kind}' is not a kind of metavariable", hint=f"kinds are {', '.join(sorted(KINDS))}")
    shaped = [w for w in words if w != "tangent"]
    return shape_of_kind(shaped[0] if shaped else "matrix", sizes)


def _size_names(*sides: Node) -> list[str]:
    names = Names()
    for side in sides:
        names.read(side, lambda n: n in KNOWN)
    return list(names.sizes)


def _check_metavars(left: Node, right: Node, entries: Mapping[str, Entry], rhs: str) -> None:
    def used(node: Node) -> dict[str, Node]:
        names = Names()
        names.read(node, lambda n: n in KNOWN)
        return names.variables

    extra = [(n, node) for n, node in used(right).items() if n in entries and n not in used(left)]
    if extra:
        name, node = extra[0]
        raise RuleError(f"the metavariable {name} is on the right side only", span=node.span, source=rhs)


def _rule_functions(functions: Iterable[str] | Mapping[str, Function], sides: tuple[Node, Node], sizes: Sizes) -> dict[str, Function]:
    if isinstance(functions, Mapping):
        return dict(functions)
    names = Names()
    for side in sides:
        names.read(side, lambda n: n in KNOWN)
    out: dict[str, Function] = {}
    for name in functions:
        under = {n.data[0] for side in sides for n in side.walk() if n.kind == "call" and n.args and n.args[0].kind == "name" and n.args[0].data == name}
        if "jac" in under:
            out[name] = Function(name, "value", Shape(sizes.fresh(), ONE))
        elif under & {"grad", "hess"}:
            out[name] = Function(name, "value", SCALAR)
        else:
            out[name] = Function(name, "elementwise")
    return out
