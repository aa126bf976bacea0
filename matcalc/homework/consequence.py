"""Whether a line follows from an earlier wrong one: the same value, or the step from one to the other done right.

Known steps: the differential of something and its gradient, either way; the gradient by an intermediate value and the
gradient by what it depends on; the gradient and the Hessian; a definition and what uses it.

Invariant: only values are compared; nothing that is merely similar follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from matcalc.errors import MatcalcError
from matcalc.homework.compare import Ground, Place, close
from matcalc.homework.derived import Derived, jacobian_at, written_out
from matcalc.homework.meaning import Context
from matcalc.language.dims import ONE
from matcalc.language.problem import Definition, Problem, Symbol
from matcalc.language.terms import Term, add, differential, inner, make, mul, neg, symbol
from matcalc.numeric.evaluate import Array
from matcalc.numeric.sample import CannotSample
from matcalc.numeric.statements import with_statements

__all__ = ["Wrong", "follows", "same_value"]

POINTS = 3
CARRIED = "·carried"


@dataclass(frozen=True, slots=True)
class Wrong:
    """A wrong line: what its left side means, and what was written."""

    head: Term
    written: Term
    varying: tuple[str, ...]


def same_value(ground: Ground, a: Term, b: Term) -> bool:
    """Whether two terms have one value at several points."""
    if a.shape != b.shape:
        return False
    compared = 0
    for place in _places(ground):
        try:
            x, y = place.value(a), place.value(b)
        except MatcalcError:
            return False
        if not close(x, y):
            return False
        compared += 1
    return compared > 0


def solves(ground: Ground, equation: Term, name: str, value: Term) -> bool | None:
    """Whether an expression is zero where a variable has a value; None where neither can be said."""
    compared = 0
    for place in _places(ground):
        try:
            kept = {n: v for n, v in place.values.items() if n not in ground.derived}  # derivatives change with it
            moved = replace(place.point, values={**kept, name: place.value(value)})
            there = Place(ground.problem, with_statements(ground.problem, moved), ground.derived, ground.varying)
            residual, elsewhere = there.value(equation), place.value(equation)
        except MatcalcError:
            return None
        if not np.all(np.isfinite(residual)):
            continue
        if float(np.max(np.abs(residual), initial=0.0)) > 1e-6 * float(np.max(np.abs(elsewhere), initial=1e-9)):
            return False
        compared += 1
    return True if compared else None


def _places(ground: Ground) -> Iterator[Place]:
    for turn in range(POINTS):
        try:
            place = ground.place(turn)
        except CannotSample:
            return
        if place is not None:
            yield place


def follows(wrong: Wrong, head: Term, term: Term, problem: Problem, context: Context, seed: int) -> bool:
    """Whether ``head = term`` is what a wrong line leads to."""
    try:
        return _follows(wrong, head, term, problem, context, seed)
    except MatcalcError:
        return False


def _follows(wrong: Wrong, head: Term, term: Term, problem: Problem, context: Context, seed: int) -> bool:
    ground = Ground(problem, seed, wrong.varying, context.derived)
    if wrong.head is head:
        return same_value(ground, wrong.written, term)
    now, then = _derived(head, context), _derived(wrong.head, context)
    if now is not None and wrong.head.op == "d" and wrong.head.args[0] is now.body and now.by.op == "sym":
        return _read_off(now, term, wrong.written, problem, context, seed)
    if then is not None and head.op == "d" and head.args[0] is then.body and then.by.op == "sym":
        return _read_off(then, wrong.written, term, problem, context, seed)
    if now is not None and then is not None and now.body is then.body:
        if now.kind == "hessian" and then.kind == "gradient" and now.by is then.by:
            return _derivative(wrong.written, now.by, term, ground)
        if now.kind == then.kind == "gradient" and now.by is not then.by:
            return _carried(wrong.written, then.by, now.by, term, ground)
    if now is not None and now.by.op == "sym" and now.kind != "hessian":
        body = written_out(now.body, {d.symbol: d.term for d in problem.definitions})
        stacked = wrong.head.args[0] if wrong.head.op == "vec" else wrong.head
        if written_out(stacked, {d.symbol: d.term for d in problem.definitions}) is body:
            return _derivative(wrong.written, now.by, term, ground)
    if (then is not None and then.kind in ("gradient", "jacobian")) or wrong.head.op == "d":
        local = _local(wrong, then, problem)
        if local is not None:
            return _through(local, head, term, problem, context, wrong, seed)
    if wrong.head.op == "sym" and any(d.symbol is wrong.head for d in problem.definitions):
        return _redefined(wrong, head, term, problem, context, seed)
    return False


def _derived(t: Term, context: Context) -> Derived | None:
    return context.derived.get(t.data) if t.op == "sym" else None


def _read_off(d: Derived, gradient: Term, form: Term, problem: Problem, context: Context, seed: int) -> bool:
    """Whether a differential is the one that belongs to a gradient or Jacobian."""
    change = differential(d.by)
    if d.body.is_scalar and gradient.shape == d.by.shape:
        claim = inner(gradient, change)
    elif d.body.is_scalar and gradient.shape == d.by.shape.transposed:
        claim = mul(gradient, change) if gradient.shape.is_row else make("tr", mul(gradient, change))
    else:
        column = change if change.shape.is_vector or change.is_scalar else make("vec", change)
        claim = mul(gradient, column)
        form = form if form.shape.is_vector or form.is_scalar else make("vec", form)
    return same_value(Ground(problem, seed, (d.by.data,), context.derived), claim, form)


def _derivative(gradient: Term, by: Term, term: Term, ground: Ground) -> bool:
    """Whether a term is the derivative of a (wrong) gradient."""
    for place in _places(ground):
        found = jacobian_at(replace(ground.problem, objective=gradient), place.point, by.data).value
        value = place.value(term)
        if found.shape != value.shape or not (close(value, found) or close(value, found.T)):
            return False
    return True


def _carried(cotangent: Term, through: Term, by: Term, term: Term, ground: Ground) -> bool:
    """Whether a term is a (wrong) gradient by an intermediate value carried on to another variable."""
    if by.op != "sym":
        return False
    compared = 0
    for place in _places(ground):
        held = place.value(cotangent)
        if held.shape != place.value(through).shape:
            return False
        point = replace(place.point, values={**place.values, CARRIED: held})
        objective = inner(symbol(CARRIED, *through.shape), through)
        found = jacobian_at(replace(ground.problem, objective=objective), point, by.data).value
        value = place.value(term)
        expected: Array = found.reshape(np.shape(place.values[by.data]), order="F")
        if not (value.shape == expected.shape and close(value, expected)):
            return False
        compared += 1
    return compared > 0


def _redefined(wrong: Wrong, head: Term, term: Term, problem: Problem, context: Context, seed: int) -> bool:
    """Whether a line is right for the problem with a (wrong) definition in it."""
    if wrong.written.shape != wrong.head.shape:
        return False
    changed = tuple(
        Definition(s.name, wrong.written, s.span) if isinstance(s, Definition) and s.symbol is wrong.head else s
        for s in problem.statements
    )
    other = replace(problem, statements=changed)
    return same_value(Ground(other, seed, wrong.varying, context.derived), head, term)


# --------------------------------------------------------- a wrong derivative inside a chain of them
@dataclass(frozen=True, slots=True)
class _Local:
    """A definition whose derivative was got wrong. ``by``: the name it was differentiated by; None: a differential."""

    name: str
    by: Term | None


def _local(wrong: Wrong, then: Derived | None, problem: Problem) -> _Local | None:
    """The definition that a wrong derivative or differential is of."""
    bodies = {
        d.symbol: written_out(d.term, {x.symbol: x.term for x in problem.definitions}) for d in problem.definitions
    }
    body = wrong.head.args[0] if wrong.head.op == "d" else then.body if then is not None else None
    if body is None:
        return None
    whole = written_out(body, {x.symbol: x.term for x in problem.definitions})
    name = next((s.data for s, b in bodies.items() if b is whole), None)
    if name is None:
        return None
    if wrong.head.op == "d":
        return _Local(name, None)
    assert then is not None
    vectors = then.by.op == "sym" and then.by.shape.cols is ONE and body.shape.cols is ONE
    return _Local(name, then.by) if vectors else None


def _through(
    local: _Local, head: Term, term: Term, problem: Problem, context: Context, wrong: Wrong, seed: int
) -> bool:
    """Whether a line is right where the definition has the (wrong) derivative that was written."""
    ground = Ground(problem, seed, wrong.varying, context.derived)
    compared = 0
    for place in _places(ground):
        written = place.value(wrong.written)
        there = _differential_held(local, place, written) if local.by is None else _linear(local, place, written)
        if there is None or not close(there.value(head), place.value(term)):
            return False
        compared += 1
    return compared > 0


def _differential_held(local: _Local, place: Place, written: Array) -> Place | None:
    """The place where the definition is a variable of its own, with the differential that was written."""
    problem = place.problem
    definition = next(d for d in problem.definitions if d.name == local.name)
    value = place.value(definition.symbol)
    if value.shape != written.shape:
        return None
    kept = tuple(s for s in problem.statements if not (isinstance(s, Definition) and s.name == local.name))
    symbols = {**problem.symbols, local.name: Symbol(local.name, definition.term.shape)}
    values = {**place.values, local.name: value}
    tangents = {**place.tangents, local.name: written}
    changed = replace(problem, statements=kept, symbols=symbols)
    return Place(changed, replace(place.point, values=values, tangents=tangents), place.derived, place.varying)


def _linear(local: _Local, place: Place, written: Array) -> Place | None:
    """The place where the definition has its value, and as its derivative the one that was written."""
    assert local.by is not None
    problem = place.problem
    definition = next(d for d in problem.definitions if d.name == local.name)
    value, at = place.value(definition.symbol), place.value(local.by)
    slope = written if written.shape == (value.size, at.size) else written.T
    if slope.shape != (value.size, at.size):
        return None
    names = [f"{CARRIED}{i}" for i in range(3)]
    rows, cols = definition.term.shape.rows, local.by.shape.rows
    held, matrix, start = symbol(names[0], rows, ONE), symbol(names[1], rows, cols), symbol(names[2], cols, ONE)
    body = add(held, mul(matrix, add(local.by, neg(start))))
    statements = tuple(
        Definition(s.name, body, s.span) if isinstance(s, Definition) and s.name == local.name else s
        for s in problem.statements
    )
    values = {**place.values, names[0]: value, names[1]: slope, names[2]: at}
    changed = replace(problem, statements=statements)
    return Place(changed, replace(place.point, values=values), place.derived, place.varying)
