"""One function of a module: from the terms it returns to its lines.

Invariants: arguments are checked first; sizes are read from arrays; statements follow in single-assignment order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from matcalc.code.inputs import is_readable, shape_text, size_lines
from matcalc.code.layout import lay_out
from matcalc.code.lower import Scope, lower_terms
from matcalc.code.names import Namer
from matcalc.code.nodes import Dims, Graph, Node
from matcalc.code.opaque import Given
from matcalc.code.program import Input, Program
from matcalc.code.source import SOURCE
from matcalc.code.text import assigned, checked_call, docstring, leading, signature, statement_lines, used_names
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
    functions: tuple[Given, ...] = ()  # opaque functions that are arguments
    counts: tuple[str, ...] = ()  # sizes that are arguments
    helpers: dict[str, None] = field(default_factory=dict)
    scipy: dict[str, None] = field(default_factory=dict)
    unread: dict[str, None] = field(default_factory=dict)  # sizes that no argument has

    def note(self, program: Program) -> None:
        self.helpers.update(dict.fromkeys(program.helpers))
        self.scipy.update(dict.fromkeys(program.scipy))

    @property
    def arrays(self) -> list[tuple[str, Dims]]:
        """The names and sizes of the arrays among the arguments."""
        return [(i.name, i.dims) for i in self.inputs if i.symbol not in self.counts]

    def has(self, size: str) -> bool:
        """Whether an argument has a size, or is it."""
        return size in self.counts or is_readable(size, self.arrays, self.sizes)

    def read(self, wanted: Sequence[str], more: Sequence[tuple[str, Dims]] = ()) -> list[str]:
        """Lines that read sizes from the arguments; what none of them has is noted."""
        arrays = [*self.arrays, *more]
        missing = [n for n in wanted if not self.has(n) and not is_readable(n, arrays, self.sizes)]
        self.unread.update(dict.fromkeys(missing))
        return size_lines([n for n in wanted if n not in missing and n not in self.counts], arrays, self.sizes)

    @property
    def parameters(self) -> list[str]:
        return [*(i.name for i in self.inputs), *(f.name for f in self.functions)]

    def parameters_of(self, lines: Sequence[str]) -> list[str]:
        """The parameters of a function with these lines: derivatives at the end that it does not use are optional."""
        out = self.parameters
        for k, g in reversed(list(enumerate(self.functions, len(self.inputs)))):
            if not g.is_derivative or used_names([g.name], lines):
                break
            out[k] += "=None"
        return out


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
    sizes = module.read(program.sizes, [(i.name, i.dims) for i in extra])
    body = [*extra_checks, *sizes, *body_lines(module, program)]
    body += assigned("return ", returned(program.outputs))
    parameters = module.parameters if extra else module.parameters_of(body)
    cost = leading(program.operations)
    if len(doc) > 1 and any(c.isalpha() for c in cost):
        doc = [*doc, f"Takes about {cost} operations."]
    return render(name, [*parameters, *(i.name for i in extra)], doc, [*checked(module), *body])
