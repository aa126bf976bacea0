"""Which names have a differential in a chain of lines, and the formula for the differential of a number.

Invariant: a name varies only where a line says so, where it was asked for, or where nothing says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from matcalc.calculus.differential import forward, tables
from matcalc.errors import MatcalcError
from matcalc.homework.derived import written_out
from matcalc.homework.question import Question
from matcalc.language.problem import Problem
from matcalc.language.terms import Term, add, differential, make, mul, subterms, transpose
from matcalc.rewriting.engine import Setting
from matcalc.rewriting.rules import rule_book

__all__ = ["differential_formula", "varying_names"]


def varying_names(problem: Problem, wrt: Sequence[str], sides: Iterable[Term]) -> tuple[str, ...]:
    """The names with a differential in a chain: those that occur under ``d``, else those that are asked for."""
    found: dict[str, None] = {}
    under: dict[str, None] = {}
    for side in sides:
        for s in subterms(side):
            if s.op == "d":
                (found if s.args[0].op == "sym" else under).update(dict.fromkeys(sorted(s.args[0].free)))
    found = found or under  # d(x) says that x varies; d(A*x) alone does not say which of them
    inputs = [n for n in problem.symbols if n in found]
    for d in problem.definitions:
        if d.name in found:  # d(R) of a definition: something it depends on varies
            below = _inputs_of(problem, d.name)
            if not any(n in inputs for n in below):
                inputs += [n for n in below if n in _open(problem)]
    if wrt:
        inputs = [*wrt, *(n for n in inputs if n not in wrt)]
    names = inputs or list(problem.wrt) or _open(problem)
    return tuple(n for n in dict.fromkeys(names) if n in problem.symbols and problem.symbols[n].index is None)


def _open(problem: Problem) -> list[str]:
    """The names that are not declared to be constant."""
    return [n for n, s in problem.symbols.items() if "constant" not in s.properties]


def _inputs_of(problem: Problem, name: str) -> list[str]:
    """The symbols that a definition depends on."""
    bodies = {d.name: d.term for d in problem.definitions}
    out: dict[str, None] = {}
    todo = [name]
    while todo:
        for n in sorted(bodies[todo.pop()].free):
            if n in bodies:
                todo.append(n)
            elif n in problem.symbols:
                out[n] = None
    return list(out)


def differential_formula(problem: Problem, head: Term, varying: Sequence[str], seed: int) -> Term | None:
    """The formula for ``d(f)``: the gradient beside the differential, for every name that varies; of a vector or a
    matrix, the differential as the rules work it out."""
    if head.op != "d" or head.args[0].op in ("sym", "elem"):
        return None
    if not head.args[0].is_scalar:
        return _worked_out(problem, head, varying)
    parts = []
    for name in varying:
        asked = Question(replace(problem, objective=head.args[0]), name, seed=seed)
        if asked.formula is None:
            return None
        product = mul(transpose(asked.formula), differential(problem.variable(name)))
        parts.append(product if product.is_scalar else make("tr", product))
    return add(*parts) if parts else None


def _worked_out(problem: Problem, head: Term, varying: Sequence[str]) -> Term | None:
    """A differential by the rules, with the definitions written out."""
    line = written_out(head, {d.symbol: d.term for d in problem.definitions})
    setting = Setting(problem.facts, frozenset(varying))
    done = {differential(problem.variable(n)) for n in varying}
    try:
        steps = list(forward(line, tables(rule_book()), setting, done, ""))
    except MatcalcError:
        return None
    return steps[-1].after if steps else None
