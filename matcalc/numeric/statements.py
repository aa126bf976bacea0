"""A problem's statements run in order at numbers: definitions, single members of families, and loops.

Invariants: nothing is expanded (the definition ``R`` is evaluated once and then has a value like any symbol); a loop
is run in its own direction and strictly, so that a member that is read before it is defined has no value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from matcalc.language.problem import Block, Boundary, Definition, Problem, Statement
from matcalc.numeric.evaluate import Array, Point, evaluate_all, size_of

__all__ = ["all_terms", "defined_names", "run", "terms_of", "with_statements"]

NOTHING: Mapping[str, Any] = {}


def with_statements(problem: Problem, point: Point, moves: Mapping[str, Any] = NOTHING) -> Point:
    """The point with a value for everything the statements define.

    ``moves`` are added to symbols, definitions and members of that name: what depends on them moves along.
    """
    values: dict[str, Any] = dict(point.values)
    defined = defined_names(problem.statements)
    for name, move in moves.items():
        if name not in values or name in defined:
            continue
        members = values[name]
        values[name] = _moved_members(members, move) if isinstance(members, Mapping) else members + move
    return run(problem.statements, replace(point, values=values), moves)


def _moved_members(members: Mapping[int, Array], move: Mapping[int, Array]) -> dict[int, Array]:
    return {k: v + move[k] if k in move else v for k, v in members.items()}


def run(statements: Iterable[Statement], point: Point, moves: Mapping[str, Any] = NOTHING) -> Point:
    """The point with a value for everything these statements define."""
    values: dict[str, Any] = dict(point.values)
    here = replace(point, values=values)
    for name in _families(statements):
        values[name] = {}
    for s in statements:
        if isinstance(s, Definition):
            value = evaluate_all([s.term], here)[0]
            values[s.name] = value + moves[s.name] if s.name in moves else value
        elif isinstance(s, Boundary):
            _set_member(s, here, values, moves)
        else:
            _loop(s, here, values, moves)
    return here


def _loop(s: Block, here: Point, values: dict[str, Any], moves: Mapping[str, Any]) -> None:
    low, high = size_of(s.low, here.sizes), size_of(s.high, here.sizes)
    for k in reversed(range(low, high + 1)) if s.down else range(low, high + 1):
        inside = replace(here, sizes={**here.sizes, s.index: k})
        for line in s.body:
            if _holds(line, k, here):
                _set_member(line, inside, values, moves)


def _holds(line: Boundary, k: int, here: Point) -> bool:
    """Whether a line of a block is one for an index."""
    above = line.low is None or k >= size_of(line.low, here.sizes)
    return above and (line.high is None or k <= size_of(line.high, here.sizes))


def _set_member(line: Boundary, here: Point, values: dict[str, Any], moves: Mapping[str, Any]) -> None:
    name, index = line.target.data
    value = evaluate_all([line.term], here)[0]
    k = size_of(index, here.sizes)
    if name in moves and k in moves[name]:
        value = value + moves[name][k]
    values[name][k] = value  # the members are this run's own: see run


def _families(statements: Iterable[Statement]) -> Iterator[str]:
    for s in statements:
        for line in s.body if isinstance(s, Block) else (s,):
            if isinstance(line, Boundary):
                yield line.target.data[0]


def defined_names(statements: Iterable[Statement]) -> set[str]:
    """The names of the definitions and families that statements give a value to."""
    held = list(statements)
    return {*_families(held), *(s.name for s in held if isinstance(s, Definition))}


def terms_of(s: Statement) -> list[Any]:
    """The terms of one statement, the members that it defines among them."""
    if isinstance(s, Definition):
        return [s.term]
    lines = s.body if isinstance(s, Block) else (s,)
    return [t for line in lines for t in (line.target, line.term)]


def all_terms(problem: Problem) -> list[Any]:
    """Every term of the problem: of its statements in order, and the objective."""
    return [t for s in problem.statements for t in terms_of(s)] + [problem.objective]
