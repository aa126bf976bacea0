"""What is asked, and what counts as a right answer: the derivative in the conventions of the language, and the same
derivative in the other customary conventions.

The truth at a point is numerical, found from the problem itself; the deriver's formula comes beside it, for proofs
and for the diagnosis, and only where the numbers confirm it.

Invariant: the first expectation is the one that is right without reservation; every other one has a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np

from matcalc.calculus.derive import derive
from matcalc.errors import MatcalcError
from matcalc.homework.compare import Ground, Place, close
from matcalc.homework.derived import (
    MOST_ENTRIES,
    Derived,
    Found,
    hessian_at,
    jacobian_at,
    shape_of_derivative,
    written_out,
)
from matcalc.language.dims import Shape
from matcalc.language.parts import part
from matcalc.language.problem import Problem
from matcalc.language.selections import entry
from matcalc.language.terms import Term, subterms
from matcalc.numeric.certify import certify
from matcalc.numeric.draw import subspace
from matcalc.numeric.evaluate import Array, size_of
from matcalc.numeric.sample import CannotSample

__all__ = ["LAYOUTS", "UP_TO", "Expectation", "Question"]

LAYOUTS = ("gradient", "numerator", "denominator")
UP_TO = ("factor", "mean")  # what a problem may leave open, where it is said to
LARGEST_DERIVED = 4_000  # nodes of a term that is derived and normalised

Expectation = tuple[str | None, Array]  # the convention (None: as asked) and the value


class Question:
    """One question about one problem: a value (``wrt`` None), the first or the second derivative by a name.

    ``target`` is the term whose value is asked for (default: the objective), which may have differentials of the
    names in ``varying``; ``hint`` is a formula for it, believed only where the numbers confirm it.
    """

    def __init__(
        self,
        problem: Problem,
        wrt: str | None,
        order: int = 1,
        layout: str | None = None,
        structure: str = "projected",
        seed: int = 0,
        derived: dict[str, Derived] | None = None,
        target: Term | None = None,
        varying: Sequence[str] = (),
        ground: Ground | None = None,
        hint: Term | None = None,
        like: Question | None = None,
    ) -> None:
        self.problem = problem
        self.part = part(wrt) if wrt is not None else None  # of a variable, where that is what is derived by
        self.wrt = None if self.part is None else str(self.part)
        self.base = "" if self.part is None else self.part.base
        self.order = order
        self.layout = layout
        self.structure = structure
        self.seed = seed
        self.derived = {} if derived is None else derived
        self.target = problem.objective if target is None else target
        if self.part is not None:
            problem.variable(self.base)
        self.ground = Ground(problem, seed, varying, self.derived, also=self._picked()) if ground is None else ground
        self.hint = hint
        self.like = like  # the same question of a smaller problem, whose formula is this one's
        self._found: WeakKeyDictionary[Place, tuple[list[Expectation], bool, float]] = WeakKeyDictionary()

    # -------------------------------------------------------------------------- what is asked
    @property
    def kind(self) -> str:
        """value, gradient, jacobian, slope (the derivative by a number) or hessian."""
        if self.wrt is None:
            return "value"
        if self.order == 2:
            return "hessian"
        if self.problem.objective.is_scalar:
            return "gradient"
        return "slope" if self.variable.is_scalar else "jacobian"

    @property
    def variable(self) -> Term:
        assert self.wrt is not None
        return self.problem.variable(self.base)

    def _picked(self) -> tuple[Term, ...]:
        """The part of the variable as a term: its indices need values."""
        if self.part is None or not self.part.indices:
            return ()
        return (entry(self.variable, *self.part.sides(self.variable.shape)),)

    @property
    def label(self) -> str:
        """The left side of the answer: ``grad(f, x)``."""
        name = self.problem.objective_name
        if self.wrt is None:
            return name if self.target is self.problem.objective else str(self.target)
        word = {"gradient": "grad", "hessian": "hess"}.get(self.kind, "jac")
        return f"{word}({name}, {self.wrt})"

    @cached_property
    def shape(self) -> Shape:
        """The shape of the answer that is asked for."""
        if self.wrt is None:
            return self.target.shape
        kind = {"slope": "gradient"}.get(self.kind, self.kind)
        own = next((t.shape for t in self._picked()), self.variable.shape)
        shape = shape_of_derivative(kind, self.problem.objective.shape, own)
        return shape.transposed if self._is_turned else shape

    @property
    def _is_turned(self) -> bool:
        if self.kind == "gradient":
            return self.layout == "numerator"
        return self.layout == "denominator" and self.kind in ("jacobian", "slope")

    @cached_property
    def structured(self) -> str | None:
        """The subspace the variable is declared to lie in."""
        symbol = self.problem.symbols.get(self.base)
        if symbol is None or not symbol.shape.is_square or symbol.shape.is_scalar:
            return None
        return subspace(symbol.properties)

    # ------------------------------------------------------------------------------- the truth
    def expectations(self, place: Place) -> list[Expectation]:
        """The right answers at a point, the one that was asked for first. Raises MatcalcError."""
        return self._at(place)[0]

    def expected(self, place: Place, convention: str | None) -> Array | None:
        """The right answer in one convention."""
        return next((v for name, v in self.expectations(place) if name == convention), None)

    def is_exact(self, place: Place) -> bool:
        """Whether the truth at a point was found without differences."""
        return self._at(place)[1]

    def floor(self, place: Place) -> float:
        """What differences at a point are measured by where the truth is smaller."""
        return self._at(place)[2]

    def _at(self, place: Place) -> tuple[list[Expectation], bool, float]:
        if place not in self._found:
            self._found[place] = self._computed(place)
        return self._found[place]

    def _computed(self, place: Place) -> tuple[list[Expectation], bool, float]:
        if self.wrt is None:
            return [(None, place.value(self.target))], place.is_exact(self.target), 0.0
        if self.kind == "hessian":
            found = hessian_at(self.problem, place.point, self.base)
            return self._stackings([(None, found.value)], place), found.exact, found.floor
        found = self._first(place)
        if self.kind == "gradient":
            return self._gradients(found, place), found.exact, found.floor
        value = found.value[:, self._columns(place)] if self._picked() else found.value
        first = [(None, value), ("transpose", value.T)]
        if self._is_turned:
            first = [(None, value.T), ("transpose", value)]
        if self.kind == "slope":
            shape = place.value(self.problem.objective).shape
            own = found.value.reshape(shape, order="F")
            first = [(None, own.T if self._is_turned else own), ("transpose", own if self._is_turned else own.T)]
            first.append(("vec", found.value))
        return self._stackings(first, place), found.exact, found.floor

    def _first(self, place: Place) -> Found:
        """The first derivative; of a variable with very many entries the deriver's, which the certifier has compared
        along directions."""
        assert self.wrt is not None
        if self._picked() or place.values[self.base].size <= MOST_ENTRIES or self.structured is not None:
            return jacobian_at(place.problem, place.point, self.base)
        formula = self._certified
        if formula is None:
            raise MatcalcError(f"'{self.wrt}' has too many entries to be differentiated numerically")
        value = place.value(formula)
        outputs = place.value(self.problem.objective).size
        return Found(value.reshape(outputs, -1, order="F"), True)

    @cached_property
    def _certified(self) -> Term | None:
        found = self._derived()
        assert self.wrt is not None
        if found is None or certify(self.problem, {self.wrt: found}, points=3).status != "verified":
            return None
        return found

    def _places(self, place: Place) -> tuple[list[int], list[int]]:
        """The rows and the columns of the variable that are derived by, from 0."""
        assert self.part is not None
        sides = self.part.sides(self.variable.shape) if self.part.indices else (None, None)
        out: list[list[int]] = []
        for index, n in zip(sides, place.values[self.base].shape, strict=True):
            k = None if index is None else size_of(index, place.point.sizes)
            if k is not None and not 1 <= k <= n:
                raise MatcalcError(f"the index {index} is outside 1..{n} at these sizes")
            out.append(list(range(n)) if k is None else [k - 1])
        return out[0], out[1]

    def _columns(self, place: Place) -> list[int]:
        """The columns of the Jacobian that belong to a part of the variable."""
        rows, cols = self._places(place)
        return [i + place.values[self.base].shape[0] * j for j in cols for i in rows]

    def _gradients(self, found: Found, place: Place) -> list[Expectation]:
        """A gradient, and the ways in which it may be written besides."""
        shape = place.values[self.base].shape
        own = found.value.reshape(shape, order="F")
        if self.structured is not None:
            return [(name, v[np.ix_(*self._places(place))]) for name, v in self._structured(own, place)]
        own = own[np.ix_(*self._places(place))]
        shape = own.shape
        if 1 in shape:
            out: list[Expectation] = [(None, own), ("transpose", own.T)]
        else:  # the transpose of a matrix is another matrix, not a layout, unless it is asked for
            out = [(None, own), ("vec", own.reshape(-1, 1, order="F")), ("vec", own.reshape(1, -1, order="F"))]
        if self._is_turned:
            out = [(None, own.T), ("transpose", own)]
        return out

    def _structured(self, projected: Array, place: Place) -> list[Expectation]:
        """The gradient by a symmetric, skew or diagonal matrix: projected, by independent entries, and not
        restricted."""
        assert self.wrt is not None
        free = jacobian_at(_without_properties(place.problem, self.base), place.point, self.base).value
        entries = jacobian_at(place.problem, place.point, self.base, "entries").value
        named = [
            ("projected", projected),
            ("independent entries", entries.reshape(projected.shape, order="F")),
            (f"{self.structured} projection", free.reshape(projected.shape, order="F")),
        ]
        asked = "independent entries" if self.structure == "entries" else "projected"
        first = next(v for name, v in named if name == asked)
        return [(None, first), *((name, v) for name, v in named if name != asked)]

    def _stackings(self, found: Sequence[Expectation], place: Place) -> list[Expectation]:
        """The same with matrices read row by row, where there are matrices."""
        assert self.wrt is not None
        value = place.value(self.problem.objective).shape
        variable = place.values[self.base].shape
        out = list(found)
        if (1 in value and 1 in variable) or self._picked():
            return out
        rows, columns = _row_order(value), _row_order(variable)
        if self.kind == "hessian":
            rows = columns
        for name, v in found:
            if v.shape == (len(rows), len(columns)):
                out.append((_joined(name, "row-wise vec"), v[np.ix_(rows, columns)]))
            elif v.shape == (len(columns), len(rows)):
                out.append((_joined(name, "row-wise vec"), v[np.ix_(columns, rows)]))
        return out

    # ----------------------------------------------------------------------------- the formula
    @cached_property
    def formula(self) -> Term | None:
        """The deriver's answer, where there is one and the numbers confirm it."""
        found = self._derived()
        if found is None or found.shape != self.shape:
            return None
        for turn in range(3):
            try:
                place = self.ground.place(turn)
                if place is None:
                    continue
                if not close(place.value(found), self.expectations(place)[0][1], 1e-5):
                    return None
            except (MatcalcError, CannotSample):
                return None
        return found

    def _derived(self) -> Term | None:
        if self.like is not None:
            return self.like.formula
        if self.wrt is None:
            return self.target if self.hint is None else self.hint
        bodies = (self.problem.objective, *(d.term for d in self.problem.definitions))
        if sum(b.size for b in bodies) > LARGEST_DERIVED:
            return None
        try:
            told = derive(self.problem, self.wrt, "auto", self.order, self.layout or "gradient", self.structure)
        except MatcalcError:
            return None
        return told.answers[self.wrt]

    @cached_property
    def expanded(self) -> Term | None:
        """The formula with the problem's definitions written out."""
        return None if self.formula is None else self.fully(self.formula)

    def fully(self, t: Term) -> Term:
        """A term with the problem's definitions written out."""
        return written_out(t, {d.symbol: d.term for d in self.problem.definitions})

    def everything(self) -> list[Term]:
        """The objective and the bodies of the definitions."""
        bodies = [self.problem.objective, *(d.term for d in self.problem.definitions)]
        return bodies if self.target is self.problem.objective else [self.target, *bodies]

    def symbols(self) -> list[Term]:
        """The symbols and definitions that an answer may use."""
        used = {s for t in self.everything() for s in subterms(t) if s.op == "sym"}
        own = [self.problem.variable(n) for n, s in self.problem.symbols.items() if s.index is None]
        return [*(v for v in own if v in used or v.data == self.base), *(d.symbol for d in self.problem.definitions)]


def _joined(a: str | None, b: str) -> str:
    return b if a is None else f"{a}, {b}"


def _row_order(shape: tuple[int, ...]) -> list[int]:
    """The places of entries in the column-wise order, listed row by row."""
    rows, columns = shape
    return [j * rows + i for i in range(rows) for j in range(columns)]


def _without_properties(problem: Problem, name: str) -> Problem:
    symbol = problem.symbols[name]
    return replace(problem, symbols={**problem.symbols, name: replace(symbol, properties=frozenset())})
