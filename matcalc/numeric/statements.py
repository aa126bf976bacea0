"""A problem's statements run in order at numbers: definitions, single members of families, and loops.

Invariant: nothing is expanded; the definition ``R`` is evaluated once and then has a value like any symbol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from matcalc.language.problem import Block, Boundary, Definition, Problem, Statement
from matcalc.numeric.evaluate import Array, Point, evaluate_all, size_of

__all__ = ["all_terms", "with_statements"]

NOTHING: Mapping[str, Array] = {}


def with_statements(problem: Problem, point: Point, moves: Mapping[str, Any] = NOTHING) -> Point:
    """The point with a value for everything the statements define.

    ``moves`` are added to the values of symbols and definitions of that name: what depends on them moves along.
    """
    values: dict[str, Any] = dict(point.values)
    for name, move in moves.items():
        if name in values:
            values[name] = values[name] + move
    here = replace(point, values=values)
    for s in problem.statements:
        _run(s, here, values, moves)
    return here


def _run(s: Statement, here: Point, values: dict[str, Any], moves: Mapping[str, Any]) -> None:
    if isinstance(s, Definition):
        value = evaluate_all([s.term], here)[0]
        values[s.name] = value + moves[s.name] if s.name in moves else value
    elif isinstance(s, Boundary):
        _set_member(s, here, values)
    else:
        _loop(s, here, values)


def _loop(s: Block, here: Point, values: dict[str, Any]) -> None:
    low, high = size_of(s.low, here.sizes), size_of(s.high, here.sizes)
    for k in range(low, high + 1):
        inside = replace(here, sizes={**here.sizes, s.index: k})
        for line in s.body:
            _set_member(line, inside, values)


def _set_member(line: Boundary, here: Point, values: dict[str, Any]) -> None:
    target = line.target
    value = evaluate_all([line.term], here)[0]
    if target.op == "sym":
        values[target.data] = value
        return
    family, index = target.data
    members = values.get(family)
    if not isinstance(members, dict):
        members = dict(enumerate(members)) if isinstance(members, (list, tuple, np.ndarray)) else {}
    values[family] = {**members, size_of(index, here.sizes): value}


def all_terms(problem: Problem) -> list[Any]:
    """Every term of the problem: of its statements in order, and the objective."""
    out: list[Any] = []
    for s in problem.statements:
        if isinstance(s, Definition):
            out.append(s.term)
        elif isinstance(s, Boundary):
            out += [s.target, s.term]
        else:
            out += [t for line in s.body for t in (line.target, line.term)]
    return [*out, problem.objective]
