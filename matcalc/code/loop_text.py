"""What the docstrings of modules with families say, and which names stand in lines of code."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Protocol

from matcalc.code.opaque import Given, described
from matcalc.code.text import docstring, plain
from matcalc.language.binders import free_indices, substitute_index
from matcalc.language.dims import Dim
from matcalc.language.printing import index_plain
from matcalc.language.problem import Boundary, Definition, Statement
from matcalc.language.terms import Term

__all__ = ["axes", "gradient_lines", "header", "index_name", "lines_of", "range_text", "said", "where"]


def index_name(s: Term, taken: Collection[str]) -> str:
    """A name for the bound index of a sum that nothing in it has: ``t`` where the range ends at ``T``."""
    inside = {*free_indices(s), *s.free, *taken}
    ends = [n.lower() for n in s.data[1].names() if len(n) == 1 and n.isupper()]
    return next(str(n) for n in (*ends, *"ijkrst", *(f"i{k}" for k in range(1, 99))) if n not in inside)


def range_text(index: str, low: Dim, high: Dim, down: bool = False) -> str:
    """``t = T, ..., 1``."""
    first, last = (high, low) if down else (low, high)
    return f"{index} = {index_plain(first)}, ..., {index_plain(last)}"


def lines_of(statements: Iterable[Statement]) -> list[str]:
    """Statements as lines of text."""
    return [line for s in statements for line in _lines(s)]


def _lines(s: Statement) -> Iterator[str]:
    if isinstance(s, Definition):
        yield f"{s.name} = {plain(str(s.term))}"
    elif isinstance(s, Boundary):
        yield f"{plain(str(s.target))} = {plain(str(s.term))}"
    else:
        heading = ""
        for line in s.body:
            low, high = line.low or s.low, line.high or s.high
            pair = (line.target, line.term)
            if low is high:
                yield " = ".join(plain(str(substitute_index(t, s.index, low))) for t in pair)
                continue
            own = f"for {range_text(s.index, low, high, s.down)}:"
            if own != heading:
                yield own
            heading = own
            yield "    " + " = ".join(plain(str(t)) for t in pair)


# ------------------------------------------------------------------------------------- docstrings
class Answered(Protocol):
    """What is read of a derivation."""

    @property
    def problem(self) -> Any: ...
    @property
    def answers(self) -> Any: ...
    @property
    def conventions(self) -> Sequence[str]: ...
    @property
    def back(self) -> Any: ...


def gradient_lines(derivation: Answered) -> list[str]:
    """The backward pass and the gradients."""
    name, back = derivation.problem.objective_name, derivation.back
    families = {} if back is None else back.families
    lines = lines_of(() if back is None else back.statements[back.introduced :])
    for x, t in derivation.answers.items():
        if x in families:
            lines += [line.replace(f"grad_{x}[", f"grad {x}[") for line in lines_of(families[x])]
        else:
            lines.append(f"grad({name}, {x}) = {plain(str(t))}")
    return lines


class Taking(Protocol):
    """What is read of the arguments."""

    @property
    def inputs(self) -> Any: ...
    @property
    def stores(self) -> Any: ...
    @property
    def counts(self) -> Collection[str]: ...


def header(
    derivation: Answered, program: Iterable[Statement], arguments: Taking, functions: Sequence[Given]
) -> list[str]:
    """The docstring of the module."""
    problem = derivation.problem
    lines = [*lines_of(program), f"{problem.objective_name} = {plain(str(problem.objective))}", ""]
    lines += [*gradient_lines(derivation), "", "Arguments:"]
    lines += [f"    {line}" for line in _arguments(arguments)]
    lines += [f"Functions: {'; '.join(map(described, functions))}."] if functions else []
    worth = [plain(c) for c in derivation.conventions if not c.startswith("the gradient has the shape")]
    lines += [c[:1].upper() + c[1:].rstrip(".") + "." for c in worth]
    lines.append("Written by matcalc. Run this file to check the derivatives numerically.")
    return docstring(lines)


def _arguments(arguments: Taking) -> Iterator[str]:
    """The arguments without families on one line, then every family with its range."""
    plain_ones = [i for i in arguments.inputs if i.symbol not in arguments.stores]
    counts = arguments.counts
    said = [f"{i.name} {'a length' if i.symbol in counts else axes(i.dims)}" for i in plain_ones]
    if said:
        yield ", ".join(said)
    for i in arguments.inputs:
        store = arguments.stores.get(i.symbol)
        if store is not None:
            own = tuple(d for d in store.shape if d.value != 1)
            kind = f"a list of arrays {axes(own)}" if store.is_list else axes(i.dims)
            yield f"{i.name} {kind}, {range_text(store.index, store.low, store.high)}"


def axes(dims: Sequence[Dim]) -> str:
    """The shape of an array."""
    inside = ", ".join(index_plain(d) for d in dims)
    return "a number" if not dims else f"({inside},)" if len(dims) == 1 else f"({inside})"


def said(o: Any) -> str:
    """An output of ``forward``."""
    return f"{plain(str(o.argument))}{where(o)}"


def where(o: Any) -> str:
    """At which indices a loss is called."""
    s = o.site
    return f" for {range_text(s.index, s.low, s.high)}" if s.low is not None else ""
