"""Reading an expression against names that are known: an answer, or a printed term."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from matcalc.language import terms
from matcalc.language.conventions import Names, base, first_reading, is_opaque_name
from matcalc.language.dims import SCALAR, Dim, Shape
from matcalc.language.entries import as_entries
from matcalc.language.inference import INDEX
from matcalc.language.problem import Block, Boundary, Definition, Function, Problem, Statement, Symbol
from matcalc.language.program import KNOWN
from matcalc.language.reading import Entry, Part, Reading, checked
from matcalc.language.syntax import Node, is_juxtaposed, parse_tree
from matcalc.language.terms import Term

__all__ = ["parse_expression", "read_expression"]

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
    return read_expression(parse_tree(text), text, known, extra=extra, functions=functions, shape=shape)


def read_expression(
    tree: Node,
    text: str,
    known: Known,
    *,
    extra: Mapping[str, Shape | Symbol] | None = None,
    functions: Mapping[str, Function] | None = None,
    shape: Shape | None = None,
    derived: Callable[[Reading, Node], Part | None] | None = None,
) -> Term:
    """The term of a syntax tree (of ``text``, for messages). ``derived`` reads ``grad(f, X)`` of no function."""
    tree = as_entries(tree, _plain_names(known, extra))
    names = Names()
    given = dict(known.functions if isinstance(known, Problem) else {}) | dict(functions or {})
    formulas = known.formulas if isinstance(known, Problem) else {}
    names.read(tree, lambda n: n in formulas or (n in KNOWN and n not in given))
    opened: dict[str, tuple[str, ...]] = {}
    for name, nodes in names.functions.items():
        if name not in given and is_opaque_name(name) and not isinstance(known, Problem):
            whole = base(name) == "loss" or any(len(n.args) != 1 for n in nodes)
            opened[name] = ("value",) if whole else ("elementwise", "value")

    def once(chosen: Mapping[str, str], quiet: bool) -> tuple[Reading, Part]:
        more = {
            n: Function(
                n, "elementwise" if k == "elementwise" else "value", None if k == "elementwise" else SCALAR, True
            )
            for n, k in chosen.items()
        }
        reading = Reading(
            text,
            _known_entries(known, extra),
            given | more,
            differentials=True,
            juxtaposed=is_juxtaposed(text),
            closed=True,
            broadcast=True,
        )
        reading.quiet = quiet
        if isinstance(known, Problem):
            reading.formulas.update(known.formulas)
        reading.derived = derived
        if isinstance(known, Problem):
            reading.objective = (known.objective_name, known.objective)
            reading.bodies = {d.name: d.term for d in known.definitions}
        part = reading.infer(tree)
        if shape is not None:
            reading.fits(part.shape, shape)
        return reading, part

    (reading, part), _ = first_reading(
        opened, once, lambda node: [n.data[0] for n in node.walk() if n.kind == "call"], lambda _: True
    )
    reading.finish()
    return checked(part.build(), tree, reading)


def _plain_names(known: Known, extra: Mapping[str, Shape | Symbol] | None) -> set[str]:
    """The names that are no families."""
    given: dict[str, Shape | Symbol] = {**(known.symbols if isinstance(known, Problem) else known), **(extra or {})}
    plain = {n for n, s in given.items() if not isinstance(s, Symbol) or s.index is None}
    return plain | ({d.name for d in known.definitions} if isinstance(known, Problem) else set())


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
        for st in sorted(known.statements, key=lambda st: isinstance(st, Block)):  # blocks know how sizes depend on i
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
    if isinstance(st, Boundary):
        note(st.target.data[0], st.target.shape, INDEX)
    elif isinstance(st, Definition):
        note(st.name, st.term.shape, None, "definition")
    elif isinstance(st, Block):
        for d in (st.low, st.high):
            sizes.update(dict.fromkeys(d.names()))
        for b in st.body:
            note(b.target.data[0], b.target.shape, st.index)


def _sizes_in(t: Term) -> list[Dim]:
    data = t.data if isinstance(t.data, tuple) else (t.data,)
    return [d for d in data if isinstance(d, Dim)]
