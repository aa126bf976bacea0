"""Numerical derivatives of a problem's objective: complex step where it is exact, extrapolated differences elsewhere.

Invariant: the complex step is trusted only where every operation is analytic here *and* central differences agree with
it in a random direction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from matcalc.language.problem import Problem
from matcalc.language.terms import Term, subterms
from matcalc.numeric.draw import into_subspace, subspace
from matcalc.numeric.evaluate import STEP, Array, Point, evaluate_all, extrapolated, is_analytic
from matcalc.numeric.statements import all_terms, with_statements

__all__ = [
    "Objective",
    "Structure",
    "all_directions",
    "relative_error",
    "some_directions",
    "stacked_members",
    "unstacked_members",
]

Structure = Literal["projected", "entries"]
FLOOR = 1e-3
STEPS = (2e-3, 2e-5, 2e-7)  # of central differences
AGREEMENT = 1e-5  # of the complex step with central differences


def relative_error(a: Array, b: Array, floor: float) -> float:
    """The largest difference, relative to the largest entry (at least ``floor``); infinite if not comparable."""
    if a.shape != b.shape or not (np.all(np.isfinite(a)) and np.all(np.isfinite(b))):
        return float("inf")
    scale = max(float(np.max(np.abs(a), initial=0.0)), float(np.max(np.abs(b), initial=0.0)), floor)
    return float(np.max(np.abs(a - b), initial=0.0)) / scale if scale else 0.0  # both are zero


def stacked_members(members: Mapping[int, Array]) -> Array:
    """The entries of all members of a family in one column, by index."""
    return np.vstack([members[k].reshape(-1, 1, order="F") for k in sorted(members)])


def unstacked_members(column: Array, like: Mapping[int, Array]) -> dict[int, Array]:
    """The members of a family, shaped as others are, from one column."""
    out: dict[int, Array] = {}
    start = 0
    for k in sorted(like):
        out[k] = column[start : start + like[k].size].reshape(like[k].shape, order="F")
        start += like[k].size
    return out


# ------------------------------------------------------------------------------- directions
def all_directions(shape: tuple[int, int], kind: str | None, structure: Structure) -> list[Array]:
    """A basis of the space a variable moves in, in column-stacking order.

    Projected: orthonormal.  Entries: one direction per independent entry, which moves every entry that depends on it.
    """
    rows, cols = shape
    out: list[Array] = []
    for j in range(cols):
        for i in range(rows):
            e = np.zeros(shape)
            e[i, j] = 1.0
            if kind is None or rows != cols or (i == j and kind != "skew"):
                out.append(e)
            elif i > j and kind != "diagonal":
                both = e + e.T if kind == "symmetric" else e - e.T
                out.append(both / np.sqrt(2) if structure == "projected" else both)
    return out


def some_directions(shape: tuple[int, int], kind: str | None, rng: np.random.Generator, many: int) -> list[Array]:
    """Random directions of length one in the space a variable moves in."""
    drawn = (into_subspace(rng.normal(size=shape), kind) for _ in range(many))
    return [d / np.sqrt(np.sum(d * d)) for d in drawn]


# ------------------------------------------------------------------------------- derivatives
DISAGREE = "the complex step and central differences disagree: differences were used"

STEEP = "the function is too steep for differences, which disagree with the complex step"


@dataclass(frozen=True, slots=True)
class Survey:
    """How a derivative can be found at a point. ``floor``: derivatives far below it are rounding.

    The floor of the complex step comes from the rates of change of all intermediate values, not from the values: a
    small term of a large sum is not lost in it.
    """

    exact: bool
    floor: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Objective:
    """The objective of a problem near one point, as a function of one symbol or definition."""

    problem: Problem
    point: Point
    name: str

    @property
    def variable(self) -> Array:
        """The value of the variable; the members of a family are stacked into one column."""
        value = self.point.values[self.name]
        return stacked_members(value) if isinstance(value, Mapping) else np.asarray(value)

    @property
    def subspace(self) -> str | None:
        """What the variable's declared properties keep it in."""
        symbol = self.problem.symbols.get(self.name)
        if isinstance(self.point.values[self.name], Mapping):
            return None
        square = self.variable.shape[0] == self.variable.shape[1] > 1
        return subspace(symbol.properties) if symbol is not None and square else None

    def value(self) -> Array:
        return evaluate_all([self.problem.objective], self.point)[0]

    def moved(self, move: Array) -> Array:
        """The value, column-stacked, with the variable moved."""
        members = self.point.values[self.name]
        moves = unstacked_members(move, members) if isinstance(members, Mapping) else move
        held = self._copies()
        start = self.point if held is None else replace(self.point, held=iter(held))
        point = with_statements(self.problem, start, {self.name: moves})
        return evaluate_all([self.problem.objective], point)[0].reshape(-1, order="F")

    def _copies(self) -> list[Array] | None:
        """The values of the constant copies where nothing has moved, in order of evaluation; None: there are none."""
        if not any(s.op == "stop" for t in all_terms(self.problem) for s in subterms(t)):
            return None
        found: list[Array] = []

        def watch(t: Term, args: Sequence[Array], value: Array) -> None:
            if t.op == "stop":
                found.append(value)

        point = with_statements(self.problem, replace(self.point, watch=watch))
        evaluate_all([self.problem.objective], point)
        return found

    def derivative(self, along: Array, exact: bool) -> Array:
        """The derivative of the column-stacked value along a direction."""
        if exact:
            return np.asarray(np.imag(self.moved(1j * STEP * along)) / STEP)
        return extrapolated(lambda h: self.moved(h * along))

    def second(self, a: Array, b: Array, exact: bool) -> float:
        """The second derivative of a scalar objective along two directions."""

        def first(h: float) -> Array:
            if exact:
                return np.asarray(np.imag(self.moved(h * b + 1j * STEP * a)) / STEP)
            return extrapolated(lambda s: self.moved(h * b + s * a), 2e-2)

        return float(extrapolated(first, 4e-3 if exact else 2e-2)[0])

    def survey(self, rng: np.random.Generator) -> Survey:
        """Whether the complex step may be trusted here, and how large the numbers are that an error is measured by."""
        shape = (self.variable.shape[0], self.variable.shape[1])
        along = some_directions(shape, self.subspace, rng, 1)[0]
        largest = 1.0
        rates = 0.0

        def watch(t: Term, args: Sequence[Array], value: Array) -> None:
            nonlocal largest, rates
            largest = max(largest, float(np.max(np.abs(np.real(value)), initial=0.0)))
            rates = max(rates, float(np.max(np.abs(np.imag(value)), initial=0.0)) / STEP)

        one = replace(self, point=replace(self.point, watch=watch)).derivative(along, True)
        if not all(is_analytic(t) for t in all_terms(self.problem)):
            return Survey(False, FLOOR * largest, "an operation is not analytic: central differences were used")
        floor = FLOOR * max(largest, rates)
        found: list[Array] = []
        for step in STEPS:  # a steep function needs a short one
            found.append(extrapolated(lambda h: self.moved(h * along), step))
            if relative_error(one, found[-1], floor) < AGREEMENT:
                return Survey(True, FLOOR * rates)
        agree = relative_error(found[0], found[1], floor) < AGREEMENT
        return Survey(False, FLOOR * largest, DISAGREE if agree else STEEP)
