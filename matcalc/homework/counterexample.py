"""A counterexample a person can follow: the smallest sizes, small whole numbers, both values and where they differ
most.

Invariant: at the numbers shown the problem is smooth and the two values differ clearly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from matcalc.errors import MatcalcError
from matcalc.homework.compare import Ground, Place
from matcalc.homework.question import Question
from matcalc.homework.verdict import Counterexample
from matcalc.language.problem import Problem
from matcalc.language.terms import Term
from matcalc.numeric.draw import draw_value
from matcalc.numeric.evaluate import Array, Point, size_of
from matcalc.numeric.sample import CannotSample, eased

__all__ = ["clash", "counterexample"]

TRIES = 40
LARGEST = 3  # of the whole numbers that are tried
CLEAR = 1e-3  # relative difference
SHAPES = re.compile(r"\bis (\S+×\S+?)(?=[:,;]|\s|$)")
Pair = Callable[[Place], tuple[Array, Array] | None]  # given and expected


def counterexample(question: Question, term: Term, convention: str | None = None) -> Counterexample | None:
    """Numbers at which a term is not the right answer."""

    def pair(place: Place) -> tuple[Array, Array] | None:
        given = place.value(term)
        expected = next((v for n, v in question.expectations(place) if v.shape == given.shape), None)
        if expected is None or convention is not None:
            expected = question.expected(place, convention)
        return None if expected is None else (given, expected)

    shown = term.free | question.problem.objective.free | {question.wrt or ""}
    return at_small_numbers(question.ground, pair, shown)


def at_small_numbers(ground: Ground, pair: Pair, shown: frozenset[str] | set[str]) -> Counterexample | None:
    """The first point of small whole numbers at which two values differ; else a point of the ground."""
    try:
        first = ground.place(0)
    except CannotSample:
        return None
    for turn in range(TRIES):
        if first is None:
            break
        place = _small(ground, first, turn)
        made = _shown(place, pair, shown) if place is not None else None
        if made is not None:
            return made
    for turn in range(4):
        try:
            place = ground.place(turn)
        except CannotSample:
            return None
        made = _shown(place, pair, shown) if place is not None else None
        if made is not None:
            return made
    return None


def _shown(place: Place, pair: Pair, names: frozenset[str] | set[str]) -> Counterexample | None:
    try:
        both = pair(place)
    except MatcalcError:
        return None
    if both is None:
        return None
    given, expected = both
    if not (np.all(np.isfinite(expected)) and np.all(np.isfinite(given))):
        return None
    entry = None
    if given.shape == expected.shape:
        difference = np.abs(given - expected)
        scale = max(float(np.max(np.abs(expected))), float(np.max(np.abs(given))), 1e-9)
        if float(np.max(difference)) < CLEAR * scale:
            return None
        row, column = np.unravel_index(int(np.argmax(difference)), difference.shape)
        entry = (int(row) + 1, int(column) + 1)
    problem = place.problem
    values: dict[str, Any] = {
        n: place.values[n] for n in problem.symbols if n in place.values and _is_used(problem, n, names)
    }
    sizes = {n: k for n, k in place.point.sizes.items() if isinstance(k, int) and not n.startswith("#")}
    return Counterexample(values, sizes, _tidy(expected), _tidy(given), entry)


def _is_used(problem: Problem, name: str, names: frozenset[str] | set[str]) -> bool:
    return name in names or any(name in d.term.free for d in problem.definitions)


def _tidy(x: Array) -> Array:
    """Whole numbers without the dust of rounding."""
    near = np.round(x)
    return np.where(np.abs(x - near) < 1e-9 * np.maximum(1.0, np.abs(x)), near, x) + 0.0


def _small(ground: Ground, first: Place, turn: int) -> Place | None:
    """A point of small whole numbers at the smallest pairwise different sizes."""
    problem = ground.problem
    rng = np.random.default_rng([ground.seed, turn, 11])
    plain = [n for n, k in first.point.sizes.items() if isinstance(k, int)]
    sizes: dict[str, Any] = {**first.point.sizes, **{n: 2 + i for i, n in enumerate(plain)}}
    values: dict[str, Any] = {}
    for name, s in problem.symbols.items():
        if s.index is not None or isinstance(first.values.get(name), Mapping):
            return None  # families keep the numbers that were drawn for them
        shape = size_of(s.shape.rows, sizes), size_of(s.shape.cols, sizes)
        values[name] = _whole(rng, shape, s.properties, turn)
    point = Point(values, sizes, first.point.functions, None, first.point.seed)
    point_or_none = eased(problem, point)
    if point_or_none is None:
        return None
    if ground.turned is not None:
        point_or_none = ground.turned(problem, point_or_none)
        if point_or_none is None:
            return None
    tangents = {
        n: _whole(rng, np.shape(values[n]), problem.symbols[n].properties, turn) for n in ground.varying if n in values
    }
    return Place(problem, replace(point_or_none, tangents=tangents or None), ground.derived, ground.varying)


def _whole(rng: np.random.Generator, shape: tuple[int, ...], properties: frozenset[str], turn: int) -> Array:
    """Small whole numbers with the properties, where there are such; else numbers as they are drawn for checks."""
    n, m = shape
    if "stochastic" in properties:  # one 1 in every row, or in a column
        place = rng.integers(n if m == 1 else m, size=1 if m == 1 else n)
        return np.eye(n)[:, place] if m == 1 else np.eye(m)[place]
    low = 1 if properties & {"positive"} or turn % 3 == 2 else -LARGEST + 1
    x = rng.integers(low, LARGEST, (n, m)).astype(float)
    x[x == 0] = 1.0
    if n != m or n == 1:
        return np.abs(x) if "posdef" in properties else x
    if "diagonal" in properties:
        return np.diag(np.abs(np.diag(x)) if properties & {"posdef", "positive"} else np.diag(x))
    if "posdef" in properties:
        return np.asarray(x @ x.T + np.eye(n))
    if "orthogonal" in properties:
        return draw_value(rng, (n, m), properties, {}) if turn % 2 else np.asarray(np.eye(n)[rng.permutation(n)])
    if "skew" in properties:
        return np.asarray(np.triu(x, 1) - np.triu(x, 1).T)
    return np.asarray(np.triu(x) + np.triu(x, 1).T) if "symmetric" in properties else x


def clash(error: MatcalcError) -> Counterexample | None:
    """The two shapes that do not fit, from the error that tells them."""
    found = SHAPES.findall(error.label or error.message)
    return Counterexample(shapes=(found[0], found[1])) if len(found) >= 2 else None
