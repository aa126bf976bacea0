"""Values at points: where two things are compared, and what counts as equal.

A :class:`Ground` is the points of one problem, drawn when they are needed and kept; a :class:`Place` is one of them and
remembers every value it was asked for, so that a thousand variations of an answer cost little more than one.

Closed forms agree below a relative error of 1e-9, comparisons with differences below 1e-6; above 1e-4 they differ; in
between another point is drawn.

Invariants: the same problem and seed give the same points; what is too large to evaluate is refused before it is begun.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from matcalc.errors import MatcalcError
from matcalc.homework.derived import Derived, Found, derivative_at, derived_value, mentions
from matcalc.language.binders import BINDERS
from matcalc.language.parts import base_of
from matcalc.language.problem import Problem
from matcalc.language.terms import Term, subterms
from matcalc.numeric.derivative import relative_error
from matcalc.numeric.evaluate import Array, Point, evaluate_all, size_of
from matcalc.numeric.lines import step_point
from matcalc.numeric.sample import CannotSample

__all__ = ["Agreement", "Ground", "Place", "TooLarge", "agreement", "close", "require_affordable", "turns"]

EXACT, DIFFERENCES, WRONG = 1e-9, 1e-6, 1e-4  # relative errors: up to the first two equal, above the last different
POINTS = 6  # that must agree
FEWEST = 3  # that must agree where an answer has no value at the others
TRIES = 16
ROUNDING = 1e-5  # of the largest intermediate number: differences far below it are lost digits
MOST_ENTRIES = 250_000  # of an array
REMEMBERED = 2_000  # values of terms at one point
MOST_TURNS = 20_000  # of a body under sums


class TooLarge(MatcalcError):
    """A term that would take too long or too much memory to evaluate."""


class Place:
    """One point: the values of symbols, and of every term that was asked for."""

    def __init__(self, problem: Problem, point: Point, derived: Mapping[str, Derived], varying: Sequence[str]) -> None:
        self.problem = problem
        self.values = dict(point.values)
        self.tangents = dict(point.tangents or {})
        self.varying = tuple(varying)
        self.point = replace(point, values=self.values, tangents=self.tangents)
        self.known: dict[Term, Array] = {}
        self.derived = derived
        self.inexact: set[str] = set()  # derivatives that were found by differences
        self.affordable: set[Term] = set()  # terms that were seen to be small enough to evaluate

    @property
    def shapes(self) -> dict[str, list[int]]:
        """The shapes of the problem's symbols here."""
        return {n: list(np.shape(v)) for n, v in self.values.items() if not isinstance(v, Mapping)}

    def value(self, t: Term) -> Array:
        """The value of a term. Raises TooLarge, MatcalcError where something has no value."""
        found = self.known.get(t)
        if found is not None:
            return found
        require_affordable(t, self.point.sizes, self.affordable)
        self._provide(t)
        return evaluate_all([t], self.point, self.known)[0]

    def _provide(self, t: Term) -> None:
        for name in mentions(t, self.derived) if not self.derived.keys().isdisjoint(t.free) else ():
            if name not in self.values:
                found: Found = derived_value(self.derived[name], self.problem, self.point)
                self.values[name] = found.value
                if not found.exact:
                    self.inexact.add(name)
            if t.tangent and name not in self.tangents:
                moves = {n: self.tangents[n] for n in self.varying if n in self.tangents}
                self.tangents[name] = derivative_at(self.derived[name], self.problem, self.point, moves)
                self.inexact.add(name)

    def forget(self) -> None:
        """Forget the values of terms, so that a thousand answers do not fill the memory."""
        if len(self.known) > REMEMBERED:
            self.known.clear()
            self.affordable.clear()

    def is_exact(self, t: Term) -> bool:
        """Whether the value of a term needs no differences."""
        return self.inexact.isdisjoint(t.free)

    def largest(self, t: Term) -> float:
        """The largest finite number met while evaluating a term: rounding is measured by it."""
        self.value(t)
        found = 0.0
        for s in subterms(t):
            v = self.known.get(s)
            if v is not None:
                top = float(np.max(np.abs(v), initial=0.0))
                found = max(found, top if np.isfinite(top) else 0.0)
        return found


class Ground:
    """The points of a problem. ``varying``: the names that have a differential."""

    def __init__(
        self,
        problem: Problem,
        seed: int = 0,
        varying: Sequence[str] = (),
        derived: Mapping[str, Derived] | None = None,
        turned: Callable[[Problem, Point], Point | None] | None = None,
        also: Sequence[Term] = (),
    ) -> None:
        self.problem = problem
        self.seed = seed
        self.varying = tuple(dict.fromkeys(base_of(n) for n in varying))
        self.also = tuple(also)  # terms whose indices have values at the points too
        self.derived: Mapping[str, Derived] = {} if derived is None else derived
        self.turned = turned  # what is done to a point after it was drawn; None: the point is no good
        self._places: dict[int, Place | None] = {}

    def place(self, turn: int) -> Place | None:
        """The point number ``turn``; None where it is not suitable. Raises CannotSample."""
        if turn not in self._places:
            point: Point | None = step_point(self.problem, self.varying, self.also, self.seed, turn)
            assert point is not None
            if self.turned is not None:
                point = self.turned(self.problem, point)
            self._places[turn] = None if point is None else Place(self.problem, point, self.derived, self.varying)
        return self._places[turn]

    def forget(self) -> None:
        """Forget the values of terms at all points."""
        for place in self._places.values():
            if place is not None:
                place.forget()


# ------------------------------------------------------------------------------------ agreement
@dataclass(slots=True)
class Agreement:
    """How two things compared at the points."""

    outcome: Literal["agree", "differ", "unknown"]
    worst: float = 0.0
    points: int = 0
    exact: bool = True
    shapes: list[dict[str, list[int]]] = field(default_factory=list)
    reason: str = ""
    notes: tuple[str, ...] = ()


Values = Callable[[Place], tuple[Array, Array, float, bool]]  # given, expected, floor, exact


def agreement(ground: Ground, values: Values, points: int = POINTS) -> Agreement:
    """Compare at points until it is decided."""
    out = Agreement("unknown")
    holes = 0
    doubtful = 0
    for turn in range(TRIES):
        try:
            place = ground.place(turn)
            if place is None:
                continue
            given, expected, floor, exact = values(place)
        except CannotSample as reason:
            out.reason = reason.message
            break
        except MatcalcError as reason:
            return Agreement("unknown", reason=reason.message)
        if not np.all(np.isfinite(expected)):
            continue
        if given.shape == expected.shape and not np.all(np.isfinite(given)):
            holes += 1
            continue
        error = relative_error(given, expected, floor)
        out.exact = out.exact and exact
        if error > WRONG:
            return Agreement("differ", error, out.points + 1, exact, [*out.shapes, place.shapes])
        if error > (EXACT if exact else DIFFERENCES):
            doubtful += 1
            continue
        out.points += 1
        out.worst = max(out.worst, error)
        out.shapes.append(place.shapes)
        if out.points >= points:
            break
    if holes and out.points:
        out.notes = ("the answer has no value at some points where the derivative has one",)
    if out.points >= min(FEWEST, points) and not doubtful:
        out.outcome = "agree"
    elif out.points >= min(FEWEST, points) and doubtful <= out.points // 2:
        out.outcome = "agree"
        out.notes += ("at some points rounding was too large to compare",)
    elif not out.reason:
        out.reason = _why(holes, doubtful)
    return out


def _why(holes: int, doubtful: int) -> str:
    if holes:
        return "the answer has no finite value at points where the derivative has one"
    if doubtful:
        return "the values neither agree nor clearly differ: rounding is too large"
    return "no point was found at which both have a value"


def close(a: Array, b: Array, tolerance: float = 1e-7) -> bool:
    """Whether two arrays agree, for a first look."""
    if a.shape != b.shape:
        return False
    with np.errstate(all="ignore"):  # what is not finite is not close
        scale = max(float(np.max(np.abs(b), initial=0.0)), 1e-6)
        return bool(np.isfinite(scale) and np.max(np.abs(a - b), initial=0.0) <= tolerance * scale)


# ---------------------------------------------------------------------------------- affordable
def require_affordable(t: Term, sizes: Mapping[str, object], known: set[Term] | None = None) -> None:
    """Refuse what would fill the memory or take forever. ``known``: terms that were looked at with these sizes."""
    seen = set() if known is None else known
    if t not in seen:
        _require(t, dict(sizes), 1.0, seen)
        seen.update(_outside_binders(t, seen))


def _require(t: Term, sizes: dict[str, object], turns: float, known: AbstractSet[Term] = frozenset()) -> None:
    for s in _outside_binders(t, known):
        if all(n in sizes for d in s.shape for n in d.names()):
            try:
                entries = size_of(s.shape.rows * s.shape.cols, sizes)
            except (MatcalcError, OverflowError, TypeError):
                continue
            if entries > MOST_ENTRIES:
                raise TooLarge(f"a value of shape {s.shape} is too large to evaluate")
        if s.op in BINDERS:
            many = _length(s, sizes)
            if many * turns > MOST_TURNS:
                raise TooLarge("a sum has too many terms to evaluate")
            _require(s.args[0], {**sizes, **_inner(s, sizes)}, max(1.0, many) * turns)


def turns(t: Term, sizes: Mapping[str, object]) -> float:
    """How many times bodies are evaluated under the sums of a term."""
    total = 0.0
    for s in _outside_binders(t):
        if s.op in BINDERS:
            many = max(1.0, _length(s, dict(sizes)))
            total += many * max(1.0, turns(s.args[0], {**sizes, **_inner(s, dict(sizes))}))
    return total


def _outside_binders(t: Term, known: AbstractSet[Term] = frozenset()) -> list[Term]:
    """The subterms that are not under a binder, but for those that are known."""
    seen = {t}
    stack = [t]
    out = []
    while stack:
        node = stack.pop()
        out.append(node)
        for a in () if node.op in BINDERS else node.args:
            if a not in seen and a not in known:
                seen.add(a)
                stack.append(a)
    return out


def _length(s: Term, sizes: dict[str, object]) -> float:
    low, high = s.data
    try:
        return float(size_of(high, sizes) - size_of(low, sizes) + 1)
    except MatcalcError:
        return float(MOST_TURNS) if high.value is not None and high.value > MOST_TURNS else 1.0


def _inner(s: Term, sizes: dict[str, object]) -> dict[str, object]:
    """The sizes inside a binder: its own index at its largest, the outer ones one further."""
    outer = {f"#{int(n[1:]) + 1}": v for n, v in sizes.items() if n.startswith("#")}
    try:
        return {**outer, "#0": size_of(s.data[1], sizes)}
    except MatcalcError:
        return outer
