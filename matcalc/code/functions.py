"""One function of a module: from the terms it returns to its lines.

Invariants: arguments are checked first; sizes are read from arrays; statements follow in single-assignment order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from matcalc.code.inputs import shape_text, size_lines
from matcalc.code.layout import lay_out
from matcalc.code.lower import Scope, lower_terms
from matcalc.code.names import Namer
from matcalc.code.nodes import Graph, Node
from matcalc.code.program import Input, Program
from matcalc.code.source import SOURCE
from matcalc.code.text import assigned, checked_call, docstring, leading, signature, statement_lines
from matcalc.code.writer import Writer
from matcalc.language.terms import Term

__all__ = ["Function", "Module", "body_lines", "function", "render", "writer_for"]

INDENT = "    "


@dataclass(slots=True)
class Module:
    """What all functions of a module share: names, inputs, the meaning of symbols; and what they turn out to need."""

    inputs: tuple[Input, ...]
    sizes: Mapping[str, str]
    np: str
    real: str  # the type of numbers: float, unless a parameter is called so
    names: Mapping[str, str]  # helpers, private functions and SciPy functions -> names in the source
    scope: Scope
    taken: frozenset[str]  # names that statements must not use
    helpers: dict[str, None] = field(default_factory=dict)
    scipy: dict[str, None] = field(default_factory=dict)

    def note(self, program: Program) -> None:
        self.helpers.update(dict.fromkeys(program.helpers))
        self.scipy.update(dict.fromkeys(program.scipy))

    @property
    def parameters(self) -> list[str]:
        return [i.name for i in self.inputs]


@dataclass(frozen=True, slots=True)
class Function:
    """A finished function: its lines without the indent of the module."""

    name: str
    lines: tuple[str, ...]


def writer_for(module: Module, graph: Graph) -> Writer:
    return Writer(graph, SOURCE, module.sizes, module.np, module.names)


def given_inputs(graph: Graph, inputs: Sequence[Input]) -> dict[Node, str]:
    return {graph.input(i.symbol, i.dims): i.name for i in inputs}


def checked(module: Module) -> list[str]:
    """The line that checks the arguments."""
    arguments = module.parameters
    if not arguments:
        return []
    return checked_call(module.names["arrays"], arguments)


def body_lines(module: Module, program: Program) -> list[str]:
    """The statements of a program, each with its shape."""
    out: list[str] = []
    for s in program.statements:
        out += statement_lines(s, shape_text(s.dims, module.sizes) if s.dims else "")
    return out


def render(name: str, parameters: Sequence[str], doc: Sequence[str], body: Sequence[str]) -> Function:
    lines = [*signature(name, parameters), *docstring(doc, INDENT), *(f"{INDENT}{b}".rstrip() for b in body)]
    return Function(name, tuple(lines))


def function(
    module: Module,
    name: str,
    doc: Sequence[str],
    outputs: Sequence[tuple[str, Term]],
    returned: Callable[[Sequence[str]], str],
    extra: Sequence[Input] = (),
    extra_checks: Sequence[str] = (),
) -> Function:
    """A function of the module's inputs that returns the values of terms."""
    graph, nodes, named = lower_terms([t for _, t in outputs], module.scope)
    inputs = (*module.inputs, *extra)
    namer = Namer(module.taken | {i.name for i in extra})
    wanted = [(label, node) for (label, _), node in zip(outputs, nodes, strict=True)]
    writer = writer_for(module, graph)
    program, _ = lay_out(writer, namer, wanted, definitions=named, given=given_inputs(graph, inputs))
    module.note(program)
    sizes = size_lines(program.sizes, [(i.name, i.dims) for i in inputs], module.sizes)
    body = [*checked(module), *extra_checks, *sizes, *body_lines(module, program)]
    body += assigned("return ", returned(program.outputs))
    cost = leading(program.operations)
    if len(doc) > 1 and any(c.isalpha() for c in cost):
        doc = [*doc, f"Takes about {cost} operations."]
    return render(name, [i.name for i in inputs], doc, body)
