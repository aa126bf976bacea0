"""Certificates: an answer compared with the numerical derivative of the problem itself.

The objective is evaluated as it was parsed, definitions run in order, and differentiated numerically; the whole
gradient is compared, entry by entry, at several sizes (pairwise different) and several seeds.

An error is measured by the derivative itself, or by the rounding in it and in the answer where that is more: a point
decides only where an answer that is wrong by a thousandth would be seen.

Invariants: nothing of the deriver is imported here; a wrong answer is never "verified" and a right one never "failed";
what cannot be checked, or is decided at too few points, is "skipped" with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from matcalc.language.parts import base_of, part
from matcalc.language.problem import Problem, Statement
from matcalc.language.terms import Term
from matcalc.language.undefined import entry
from matcalc.numeric.derivative import (
    STEEP,
    Objective,
    Structure,
    Survey,
    all_directions,
    relative_error,
    some_directions,
    stacked_members,
)
from matcalc.numeric.evaluate import Array, Point, evaluate_all, size_of
from matcalc.numeric.lines import Claim, certify_equal, check_steps
from matcalc.numeric.rounding import moved_by
from matcalc.numeric.sample import CannotSample, Sample, sample_problem
from matcalc.numeric.statements import defined_names, run, with_statements

__all__ = ["Certificate", "Claim", "certify", "certify_equal", "check_steps"]

Layout = Literal["gradient", "numerator", "denominator"]
EXACT, DIFFERENCES, WRONG = 1e-9, 1e-6, 1e-4  # errors: up to the first two right, above the last wrong
FEWEST = 3  # points that a certificate needs
RETRIES = 4  # other points, where an error is neither small nor large
MOST_ENTRIES = 150  # of a variable that is compared entry by entry
MANY, FEW = 50, 12  # random directions along which larger and very large variables are compared
ROUNDED, UNCERTAIN = 1e9, 1e5  # errors are measured by at least so much of what moves: complex step, differences
ALIKE = 1e3  # rounding on both sides of zero
COMPLEX, REAL = "complex step", "central differences"


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was checked and how well it agreed. ``worst_error`` is relative; None where nothing was compared."""

    status: Literal["verified", "failed", "skipped"]
    worst_error: float | None = None
    points: int = 0
    shapes: tuple[dict[str, list[int]], ...] = ()
    seed: int = 0
    method: str = ""
    notes: tuple[str, ...] = ()
    errors: Mapping[str, float] = field(default_factory=dict)  # the worst of each answer
    lengths: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # of ranges, by name


@dataclass(frozen=True, slots=True)
class Question:
    """What the answers claim to be."""

    problem: Problem
    answers: Mapping[str, Term]
    order: int
    layout: Layout
    structure: Structure
    seed: int
    families: Mapping[str, tuple[Statement, ...]] = field(default_factory=dict)  # what an answer by members says
    backward: tuple[Statement, ...] = ()  # what defines the names in the answers that the problem has not
    shortest: int = 1


@dataclass(frozen=True, slots=True)
class Measure:
    """One answer compared at one point."""

    error: float
    exact: bool
    order: int
    note: str = ""
    doubt: str = ""  # why the point decides nothing, where it does not
    empty: bool = False  # both are zero: no contradiction, and no evidence where all points are like that

    @property
    def limit(self) -> float:
        return _limit(self.exact, self.order)

    @property
    def right(self) -> bool:
        return self.error <= self.limit and not self.doubt

    @property
    def wrong(self) -> bool:
        return self.error == float("inf") or (self.error > WRONG and self.note != STEEP and not self.doubt)


def _limit(exact: bool, order: int) -> float:
    return EXACT if exact and order == 1 else DIFFERENCES


def certify(
    problem: Problem,
    answers: Mapping[str, Term],
    order: int = 1,
    layout: Layout = "gradient",
    structure: Structure = "projected",
    seed: int = 0,
    points: int = 6,
    families: Mapping[str, tuple[Statement, ...]] | None = None,
    backward: tuple[Statement, ...] = (),
    shortest: int = 1,
) -> Certificate:
    """Compare each answer with the numerical derivative of the objective by the symbol or definition of that name.

    Order 1: the gradient of a scalar objective in the variable's shape, the Jacobian of any other.  Order 2: the
    Hessian of a scalar objective, the matrix of the linear map on ``vec`` of the variable.  By a family: ``families``
    are statements that define a gradient for each of its members.  ``backward`` are statements to run after the
    problem's own, in the order in which they are printed; ``shortest`` is the least length that the answers hold for.
    """
    question = Question(problem, answers, order, layout, structure, seed, families or {}, backward, shortest)
    settled: list[tuple[Sample, dict[str, Measure]]] = []
    if order == 2 and not problem.objective.is_scalar:
        return Certificate("skipped", seed=seed, notes=("second derivatives are checked for scalar objectives only",))
    for turn in range(points):
        try:
            settled.append(_settled(question, turn))
        except CannotSample as reason:
            if len(settled) < min(FEWEST, points):
                notes = dict.fromkeys((*(n for s, _ in settled for n in s.notes), reason.message))
                return Certificate("skipped", seed=seed, notes=tuple(notes))
            return _judged(question, settled, min(FEWEST, points), reason.message)
    return _judged(question, settled, min(FEWEST, points))


def _judged(
    question: Question, settled: Sequence[tuple[Sample, dict[str, Measure]]], fewest: int, more: str = ""
) -> Certificate:
    """The certificate from what was found at the points: those that decide nothing do not count."""
    failed = any(m.wrong for _, found in settled for m in found.values())
    for name in () if failed else question.answers:
        doubts = [m.doubt or m.note for _, found in settled if not (m := found[name]).right]
        if len(settled) - len(doubts) < fewest:
            what = doubts[0] or "the error is neither small nor large"
            return Certificate("skipped", seed=question.seed, notes=(f"by {name}: {what}",))
    used = [(s, found) for s, found in settled if failed or all(m.right or m.empty for m in found.values())]
    used = used or list(settled)
    measures = [m for _, found in used for m in found.values()]
    errors = {name: max((found[name].error for _, found in used), default=0.0) for name in question.answers}
    notes = dict.fromkeys(n for s, found in used for n in (*s.notes, *(m.note for m in found.values() if m.note)))
    lengths: dict[str, set[int]] = {}
    for sample, _ in used:
        for length, value in sample.lengths.items():
            lengths.setdefault(length, set()).add(value)
    return Certificate(
        "failed" if failed else "verified",
        max(errors.values(), default=0.0),
        len(used),
        tuple(s.shapes for s, _ in used),
        question.seed,
        " and ".join(dict.fromkeys(COMPLEX if m.exact else REAL for m in measures)),
        (*notes, *([more] if more else [])),
        errors,
        {n: tuple(sorted(values)) for n, values in lengths.items()},
    )


def _settled(question: Question, turn: int) -> tuple[Sample, dict[str, Measure]]:
    """A point at which every error is clearly small or clearly large; after some retries the best one."""
    best: tuple[tuple[int, float], Sample, dict[str, Measure]] | None = None
    for retry in range(RETRIES):
        largest = 5 if question.order == 1 else 4
        again = turn + 1200 * retry  # another point with the same lengths
        try:
            sample = sample_problem(
                question.problem, question.seed, again, largest, question.shortest, question.answers.values(), retry
            )
        except CannotSample:
            if best is None:
                raise
            continue
        sample = replace(sample, point=run(question.backward, sample.point))
        found = {name: _compared(question, sample, name, turn) for name in question.answers}
        worst = max((m.error for m in found.values()), default=0.0)
        rank = (sum(not m.right for m in found.values()), worst)
        if best is None or rank < best[0]:
            best = (rank, sample, found)
        if any(m.wrong and m.error < float("inf") for m in found.values()) or all(m.right for m in found.values()):
            return sample, found
    assert best is not None
    return best[1], best[2]


def _compared(question: Question, sample: Sample, name: str, turn: int) -> Measure:
    """One answer at one point."""
    base = base_of(name)
    objective = Objective(question.problem, sample.point, base)
    if base not in sample.point.values:
        raise CannotSample(f"'{name}' is not a variable that can be checked at numbers")
    rng = np.random.default_rng([question.seed, turn, 77])
    given = _given(question, sample.point, name)
    if given is None:
        note = f"the answer by {name} does not define a gradient for exactly its members"
        return Measure(float("inf"), False, question.order, note)
    with np.errstate(all="ignore"):
        survey = objective.survey(rng)
        if base != name:
            both = _of_part(objective, given, question, survey, _places(question, sample, name))
        elif question.order == 2:
            both = _hessians(objective, given, question.structure, survey)
        else:
            both = _jacobians(objective, given, question, survey, rng)
    if both is None:
        shape = question.answers[name].shape
        wrong_shape = f"the answer by {name} is {shape}, which is not the shape of the derivative"
        return Measure(float("inf"), survey.exact, question.order, wrong_shape)
    if not np.all(np.isfinite(given)):
        return Measure(float("inf"), survey.exact, question.order, f"the answer by {name} has no finite value")
    with np.errstate(all="ignore"):
        return _weighed(question, objective, name, both, survey, rng)


def _weighed(
    question: Question,
    objective: Objective,
    name: str,
    both: tuple[Array, Array],
    survey: Survey,
    rng: np.random.Generator,
) -> Measure:
    """The error of an answer, measured by the derivative or by what rounding leaves of the two."""
    given, expected = both
    limit = _limit(survey.exact, question.order)
    own = moved_by(lambda p: _known(_given(question, p, name)), objective.point, rng)
    other = moved_by(_probe(objective, question.order, survey, rng), objective.point, rng)
    largest, size = (float(np.max(np.abs(x), initial=0.0)) for x in (given, expected))
    error = relative_error(given, expected, max(own, other) * (ROUNDED if limit == EXACT else UNCERTAIN))
    is_zero = entry(question.answers[name], {}) == 0  # as it is written
    doubt = ""
    empty = largest <= own and size <= other
    if empty and other > 0 and own <= ALIKE * other:  # what moves cancels, on both sides: the derivative is zero
        return Measure(error, survey.exact, question.order, survey.note)
    if empty and not is_zero:
        doubt = "the derivative is 0 at the points that were tried, which decides nothing"
    elif max(largest, size) < 1e3 * limit * max(own, other) * (ROUNDED if limit == EXACT else UNCERTAIN):
        doubt = "" if is_zero else "rounding leaves nothing of the derivative at the points that were tried"
    return Measure(error, survey.exact, question.order, survey.note, doubt, empty)


def _known(value: Array | None) -> Array:
    assert value is not None
    return value


def _probe(objective: Objective, order: int, survey: Survey, rng: np.random.Generator) -> Callable[[Point], Array]:
    """A derivative along one direction, from the point that is given."""
    shape = (objective.variable.shape[0], objective.variable.shape[1])
    a, b = some_directions(shape, objective.subspace, rng, 2)

    def derivative(p: Point) -> Array:
        here = replace(objective, point=p)
        return here.derivative(a, survey.exact) if order == 1 else np.array([here.second(a, b, survey.exact)])

    return derivative


def _given(question: Question, point: Point, name: str) -> Array | None:
    """The value of an answer; of a family's members all in one column, None where they are not the right ones."""
    if point.tremble is not None:  # what is defined on the way trembles as well
        point = run(question.backward, with_statements(question.problem, point))
    members = point.values[base_of(name)]
    if not isinstance(members, Mapping):
        return evaluate_all([question.answers[name]], point)[0]
    statements = question.families.get(name, ())
    if not statements:
        raise CannotSample(f"the answer by the family {name} does not say what each member is")
    found = run(statements, point).values
    (gradient,) = defined_names(statements)
    own = found[gradient]
    fits = own.keys() >= members.keys() and all(own[k].shape == members[k].shape for k in members)
    fits = fits and not any(np.any(own[k]) for k in own.keys() - members.keys())  # members that nothing reads
    return stacked_members({k: own[k] for k in members}) if fits else None


# ------------------------------------------------------------------------------- first order
def _jacobians(
    objective: Objective, given: Array, question: Question, survey: Survey, rng: np.random.Generator
) -> tuple[Array, Array] | None:
    """What is given and what is expected, entry by entry or along directions; None: the shape is another one."""
    flat = _as_jacobian(given, objective, question.layout)
    if flat is None:
        return None
    shape = (objective.variable.shape[0], objective.variable.shape[1])
    basis: Sequence[Array] = ()
    if objective.variable.size > MOST_ENTRIES:  # compared along directions only
        basis = some_directions(shape, objective.subspace, rng, FEW if objective.variable.size > 2500 else MANY)
    elif objective.subspace is not None and flat.shape[0] > 1:  # a Jacobian says what changes within the subspace do
        basis = list(all_directions(shape, objective.subspace, "projected"))
    if basis:
        derivatives = np.stack([objective.derivative(b, survey.exact) for b in basis], axis=1)
        return flat @ np.stack([_stacked(b) for b in basis], axis=1), derivatives
    expected = np.zeros_like(flat)
    for b in all_directions(shape, objective.subspace, question.structure):
        expected = expected + np.outer(objective.derivative(b, survey.exact), _stacked(b))
    return flat, expected


def _places(question: Question, sample: Sample, name: str) -> tuple[list[int], list[int]]:
    """The rows and the columns of a variable that a part of it takes, from 0."""
    p = part(name)
    row, col = p.sides(question.problem.variable(p.base).shape)
    rows, cols = sample.point.values[p.base].shape
    taken = [size_of(d, sample.point.sizes) - 1 if d is not None else None for d in (row, col)]
    if any(k is not None and not 0 <= k < n for k, n in zip(taken, (rows, cols), strict=True)):
        raise CannotSample(f"'{name}' is outside the variable at these sizes")
    return (
        list(range(rows)) if taken[0] is None else [taken[0]],
        list(range(cols)) if taken[1] is None else [taken[1]],
    )


def _of_part(
    objective: Objective, given: Array, question: Question, survey: Survey, places: tuple[list[int], list[int]]
) -> tuple[Array, Array] | None:
    """The derivative by a part of a variable as it is given, and the entries of that by the whole that belong to it."""
    rows, cols = places
    shape = (objective.variable.shape[0], objective.variable.shape[1])
    if objective.variable.size > MOST_ENTRIES:
        raise CannotSample("the variable is too large to check a part of it")
    full = sum(
        np.outer(objective.derivative(b, survey.exact), _stacked(b))
        for b in all_directions(shape, objective.subspace, question.structure)
    )
    expected = np.asarray(full)[:, [i + shape[0] * j for j in cols for i in rows]]
    if expected.shape[0] > 1:
        own = given.T if question.layout == "denominator" else given
    else:
        own = (given.T if question.layout == "numerator" else given).reshape(1, -1, order="F")
        if given.shape != ((len(cols), len(rows)) if question.layout == "numerator" else (len(rows), len(cols))):
            return None
    return (own, expected) if own.shape == expected.shape else None


def _stacked(x: Array) -> Array:
    return x.reshape(-1, order="F")


def _as_jacobian(given: Array, objective: Objective, layout: Layout) -> Array | None:
    """The answer with rows for the entries of the value and columns for those of the variable; None: no such shape."""
    value, variable = objective.value().shape, objective.variable.shape
    outputs, inputs = value[0] * value[1], variable[0] * variable[1]

    def read(x: Array) -> Array:
        return x.reshape(outputs, inputs, order="F")

    readings: list[tuple[tuple[int, ...], Callable[[Array], Array]]]
    if outputs == 1:  # in the variable's shape, or that of its transpose
        turned = layout == "numerator"
        readings = [(variable[::-1], lambda x: read(x.T))] if turned else [(variable, read)]
    elif layout == "denominator":
        readings = [((inputs, outputs), lambda x: x.T)]
    else:
        readings = [((outputs, inputs), lambda x: x)]
    if inputs == 1 and outputs > 1:  # by a scalar: also in the value's own shape
        turned = layout == "denominator"
        readings.append((value[::-1], lambda x: read(x.T)) if turned else (value, read))
    return next((how(given) for shape, how in readings if given.shape == shape), None)


# ------------------------------------------------------------------------------ second order
def _hessians(objective: Objective, given: Array, structure: Structure, survey: Survey) -> tuple[Array, Array] | None:
    size = objective.variable.size
    if given.shape != (size, size):
        return None
    if size > MANY:
        raise CannotSample(f"a Hessian of {size}×{size} entries is too large to check at numbers")
    shape = (objective.variable.shape[0], objective.variable.shape[1])
    basis = all_directions(shape, objective.subspace, structure)
    expected = np.zeros((size, size))
    for i, a in enumerate(basis):
        for j, b in enumerate(basis[: i + 1]):
            both = objective.second(a, b, survey.exact) * np.outer(_stacked(a), _stacked(b))
            expected += both if i == j else both + both.T
    return given, expected
