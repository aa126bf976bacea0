"""Properties that would save a wrong answer: ``2*A*x`` is right if A is symmetric, ``p - y`` if the entries of y sum
to 1.

The same question is asked at points that have the property.  Invariant: what is said to save an answer makes it right
at every such point that was tried, and the answer is wrong without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from matcalc.errors import MatcalcError
from matcalc.homework.compare import Ground, close
from matcalc.homework.question import Question
from matcalc.homework.verdict import Finding
from matcalc.language.problem import Problem, Symbol
from matcalc.language.terms import Term
from matcalc.numeric.evaluate import Array, Point
from matcalc.numeric.sample import CannotSample, eased

__all__ = ["Assumption", "is_likely", "saving"]

UNLIKELY = (" is skew", " is diagonal", " is orthogonal", " is positive")
LAYOUT = ("transpose", "row")  # conventions that an answer in the shape that was asked for is not meant in
POINTS = 4
TRIES = 12
MOST_SYMBOLS = 8
SMALLEST = 1e-6  # where everything is zero, nothing is saved


@dataclass(frozen=True, slots=True)
class Assumption:
    """A property of a symbol, and the question asked where it holds."""

    kind: str
    says: str
    question: Question


def saving(question: Question, known: dict[str, Assumption], term: Term) -> list[Finding]:
    """The properties under which an answer is right; at most one for each symbol."""
    out: list[Finding] = []
    done: set[str] = set()
    for key, symbol, make in _assumptions(question, term):
        if symbol in done:
            continue
        if key not in known:
            known[key] = make()
        convention = _holds(known[key], term)
        if convention is not None:
            done.add(symbol)
            how = f" ({convention})" if convention else ""
            out.append(Finding(known[key].kind, f"would be correct if {known[key].says}{how}"))
    return out or _jointly(question, known, term)


def is_likely(finding: Finding) -> bool:
    """Whether a property is one that people take for granted."""
    return not finding.message.startswith("would be correct if") or not any(w in finding.message for w in UNLIKELY)


def _jointly(question: Question, known: dict[str, Assumption], term: Term) -> list[Finding]:
    """Several matrices symmetric at once: the fewest that are needed."""
    problem = question.problem
    names = [s.name for s in problem.symbols.values() if _may_be_symmetric(s) and s.name in question.fully(term).free]
    if len(names) < 2 or not _holds_for(question, known, names, term):
        return []
    for name in list(names):
        fewer = [n for n in names if n != name]
        if fewer and _holds_for(question, known, fewer, term):
            names = fewer
    return [Finding("symmetric", f"would be correct if {_listed(names)} are symmetric")]


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _may_be_symmetric(s: Symbol) -> bool:
    square = s.shape.is_square and not s.shape.is_scalar and s.index is None
    return square and not s.properties & {"symmetric", "posdef", "diagonal", "skew"}


def _holds_for(question: Question, known: dict[str, Assumption], names: list[str], term: Term) -> bool:
    key = f"{' '.join(names)} symmetric"
    if key not in known:
        symbols = dict(question.problem.symbols)
        for n in names:
            symbols[n] = replace(symbols[n], properties=symbols[n].properties | {"symmetric"})
        asked = _again(question, replace(question.problem, symbols=symbols))
        known[key] = Assumption("symmetric", f"{_listed(names)} are symmetric", asked)
    return _holds(known[key], term) is not None


Made = tuple[str, str, Callable[[], Assumption]]


def _assumptions(question: Question, term: Term) -> Iterator[Made]:
    problem = question.problem
    formula = question.formula
    names = question.fully(term).free | (question.fully(formula).free if formula is not None else frozenset())
    symbols = [s for n, s in problem.symbols.items() if n in names and s.index is None][:MOST_SYMBOLS]
    for s in symbols:
        if s.shape.is_square and not s.shape.is_scalar:
            for word in ("symmetric", "skew", "diagonal", "orthogonal"):
                contradicts = word == "skew" and s.properties & {"symmetric", "posdef", "diagonal"}
                own = s.name == question.wrt and word != "symmetric"
                if word not in s.properties and not contradicts and not own:
                    yield f"{s.name} {word}", s.name, _property(question, s.name, word)
        elif s.shape.is_scalar and "positive" not in s.properties and s.name != question.wrt:
            yield f"{s.name} positive", s.name, _property(question, s.name, "positive")
        elif s.shape.is_vector and s.name != question.wrt:
            yield f"{s.name} sum", s.name, _turned(question, s.name, f"the entries of {s.name} sum to 1", _to_sum_one)
            yield f"{s.name} one-hot", s.name, _turned(question, s.name, f"{s.name} is one-hot", _one_hot)


def _property(question: Question, name: str, word: str) -> Callable[[], Assumption]:
    def make() -> Assumption:
        problem = question.problem
        symbol = problem.symbols[name]
        having = replace(symbol, properties=symbol.properties | {word})
        asked = _again(question, replace(problem, symbols={**problem.symbols, name: having}))
        return Assumption("symmetric" if word == "symmetric" else "other", f"{name} is {word}", asked)

    return make


def _again(question: Question, problem: Problem) -> Question:
    return Question(
        problem, question.wrt, question.order, question.layout, question.structure, question.seed, question.derived
    )


def _turned(question: Question, name: str, says: str, how: Callable[[Array], Array | None]) -> Callable[[], Assumption]:
    def turn(problem: Problem, point: Point) -> Point | None:
        value = how(np.asarray(point.values[name]))
        if value is None:
            return None
        return eased(problem, replace(point, values={**point.values, name: value}))

    def make() -> Assumption:
        asked = _again(question, question.problem)
        asked.ground = Ground(question.problem, question.seed, derived=question.derived, turned=turn)
        return Assumption("other", says, asked)

    return make


def _to_sum_one(x: Array) -> Array | None:
    total = float(np.sum(x))
    return x / total if abs(total) > 0.2 else None


def _one_hot(x: Array) -> Array | None:
    out = np.zeros_like(x)
    out[int(np.argmax(np.abs(x))), 0] = 1.0
    return out


def _holds(assumption: Assumption, term: Term) -> str | None:
    """The convention in which the answer is right ('' for the one that was asked for); None where it is not."""
    question = assumption.question
    open_ones: list[str | None] | None = None
    compared, largest = 0, 0.0
    for turn in range(TRIES):
        try:
            place = question.ground.place(turn)
            if place is None:
                continue
            given = place.value(term)
            expected = question.expectations(place)
        except (MatcalcError, CannotSample):
            return None
        if not np.all(np.isfinite(given)):
            continue
        largest = max(largest, float(np.max(np.abs(expected[0][1]), initial=0.0)))
        asked = given.shape == expected[0][1].shape
        fitting = [(n, v) for n, v in expected if not (asked and n is not None and n.startswith(LAYOUT))]
        here = [n for n, v in fitting if v.shape == given.shape and close(given, v)]
        open_ones = here if open_ones is None else [n for n in open_ones if n in here]
        if not open_ones:
            return None
        compared += 1
        if compared >= POINTS:
            break
    if compared < POINTS or not open_ones or largest < SMALLEST:
        return None
    question.ground.forget()
    return open_ones[0] or ""
