"""From text to a problem: the public doors of the language room.

``parse_problem`` reads a program or one expression, ``parse_expression`` reads an answer against a problem, ``parse_rule``
reads an identity between metavariables.  All three read the same language by the same code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from matcalc.errors import ParseError, RuleError, ShapeError
from matcalc.language import terms
from matcalc.language.calls import known_names, unknown_function
from matcalc.language.conventions import (
    Names,
    convention,
    first_reading,
    is_opaque_name,
    lone_factors,
    scalar_calls,
)
from matcalc.language.declarations import NEED_SQUARE, Declaration, parse_declaration, parse_declarations
from matcalc.language.dims import ONE, SCALAR, Dim, Shape, dim
from matcalc.language.inference import Sizes, name_sizes
from matcalc.language.problem import Block, Boundary, Definition, Function, Problem, Symbol
from matcalc.language.reading import Entry, Misfit, Part, Reading
from matcalc.language.statements import Declaring, Defining, Deriving, Looping, Standing, Statement, parse_program
from matcalc.language.syntax import Node, parse_tree
from matcalc.language.terms import Term

__all__ = ["parse_expression", "parse_problem", "parse_rule"]

KNOWN = frozenset(known_names())
CONSTANT_NAMES = frozenset(("I", "e", "pi", "ones", "eye"))


# ------------------------------------------------------------------- problems
@dataclass(slots=True)
class Program:
    """The statements of a text and what was declared, before any name has a meaning."""

    text: str
    statements: list[Statement]
    declared: dict[str, Declaration]
    functions: dict[str, Function]
    wrt: tuple[str, ...]
    names: Names = field(default_factory=Names)
    defined: dict[str, Node] = field(default_factory=dict)  # plain names
    families: dict[str, Node] = field(default_factory=dict)  # defined member by member
    objective: Defining | Standing | None = None
    juxtaposed: bool = False


def parse_problem(
    text: str,
    declare: Mapping[str, str] | Iterable[str] | str | None = None,
    wrt: str | Sequence[str] | None = None,
) -> Problem:
    """Read a program or one expression."""
    program = _program(text, declare, wrt)
    options = _options(program)
    result, chosen = first_reading(
        options, lambda reading: _attempt(program, reading), lambda node: _blamed(program, node), _is_scalar, program.wrt
    )
    result, chosen = _scalar_arguments(program, options, result, chosen)
    return _problem(program, result, chosen)
