"""A problem: what was asked, in typed terms, with everything that was assumed while reading it.

Definitions keep their names: ``R`` in ``R = A*X - B; normF(R)^2`` is the symbol ``R`` in the objective, and its body is
in :attr:`Problem.definitions`.  Nothing is expanded here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from matcalc.errors import Span
from matcalc.language.dims import Dim, Shape
from matcalc.language.terms import Term, symbol

__all__ = ["PROPERTIES", "Block", "Boundary", "Definition", "Formula", "Function", "Problem", "Symbol"]

PROPERTIES = frozenset(
    ("symmetric", "skew", "diagonal", "orthogonal", "posdef", "invertible", "positive", "constant", "stochastic")
)


@dataclass(frozen=True, slots=True)
class Symbol:
    """A free name of the problem (not a definition)."""

    name: str
    shape: Shape  # of one member, where the symbol is a family
    properties: frozenset[str] = frozenset()
    assumed: bool = False  # the shape was inferred, not declared
    index: str | None = None  # the index in the declared shape, for a family
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """An opaque function: scalar-valued or matrix-valued of whole arguments, or elementwise."""

    name: str
    kind: Literal["value", "elementwise"]
    shape: Shape | None = None  # of the value; None for an elementwise function
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class Formula:
    """``swish(t) := t*sigmoid(t)``: a function of numbers that acts on every entry; terms hold it written out."""

    name: str
    parameters: tuple[str, ...]  # the first is the variable
    term: Term  # of the parameters, and of numbers of the problem

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.parameters)}) := {self.term}"


@dataclass(frozen=True, slots=True)
class Definition:
    """``name = term``; the term may use the names of earlier definitions."""

    name: str
    term: Term
    span: Span | None = None

    @property
    def symbol(self) -> Term:
        return symbol(self.name, *self.term.shape)


@dataclass(frozen=True, slots=True)
class Boundary:
    """``h[0] = h0``: one member of a family.

    A line of a block may hold for fewer indices than the block, from ``low`` to ``high``.
    """

    target: Term
    term: Term
    span: Span | None = None
    low: Dim | None = None
    high: Dim | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """``for t in low..high:`` with definitions of family members at the index; ``down``: from high to low."""

    index: str
    low: Dim
    high: Dim
    body: tuple[Boundary, ...]
    span: Span | None = None
    down: bool = False


Statement = Definition | Boundary | Block


@dataclass(frozen=True, slots=True)
class Problem:
    """What was asked. ``objective`` uses the definitions by name.

    ``symbols`` are in order of declaration, then of appearance.
    """

    text: str
    objective: Term
    objective_name: str = "f"
    wrt: tuple[str, ...] = ()
    symbols: Mapping[str, Symbol] = field(default_factory=dict)
    functions: Mapping[str, Function] = field(default_factory=dict)
    statements: tuple[Statement, ...] = ()
    notes: tuple[str, ...] = ()  # every assumption, as sentences for the user
    named: bool = False  # the objective's name is the user's own
    formulas: Mapping[str, Formula] = field(default_factory=dict)  # the functions that the text defines

    def __repr__(self) -> str:
        return f"<Problem {self.text!r}>"

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """The plain definitions, in order."""
        return tuple(s for s in self.statements if isinstance(s, Definition))

    @property
    def intermediates(self) -> tuple[Definition, ...]:
        """The definitions beside the objective's own."""
        return tuple(d for d in self.definitions if d.name != self.objective_name)

    @property
    def facts(self) -> dict[str, frozenset[str]]:
        """The properties of each symbol that has any."""
        return {s.name: s.properties for s in self.symbols.values() if s.properties}

    def variable(self, name: str) -> Term:
        """The leaf term of a symbol or definition. Raises KeyError for an unknown name."""
        if name in self.symbols:
            return symbol(name, *self.symbols[name].shape)
        for d in self.definitions:
            if d.name == name:
                return d.symbol
        raise KeyError(name)


# ------------------------------------------------------------------------- declarations as text
def shape_text(shape: Shape) -> str:
    """A shape as it is declared: ``scalar``, ``n``, ``m×n``."""
    if shape.is_scalar:
        return "scalar"
    return str(shape.rows) if shape.is_vector else str(shape)


def declaration(name: Symbol | Function) -> str:
    """``S : n×n symmetric``, as it could be typed."""
    if isinstance(name, Function):
        if name.kind == "elementwise":
            return f"{name.name} : elementwise"
        value = "" if name.shape is None or name.shape.is_scalar else f" -> {shape_text(name.shape)}"
        return f"{name.name} : function{value}"
    family = f"[{name.index}]" if name.index else ""
    return " ".join([f"{name.name}{family} : {shape_text(name.shape)}", *sorted(name.properties)])
