"""Slips in the families that an answer defines: W for W' in ``delta[t] = ...``, a member one place off.

Invariant: a change of a definition is believed where the whole answer is right with it, at several points.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import chain, islice

from matcalc.errors import MatcalcError
from matcalc.homework.compare import Place, close
from matcalc.homework.edits import slips_of, structural
from matcalc.homework.form_building import build
from matcalc.homework.forms import form_of
from matcalc.homework.search import Search, sentence
from matcalc.homework.verdict import Finding
from matcalc.language.problem import Block, Boundary, Problem, Statement
from matcalc.language.terms import Term
from matcalc.numeric.statements import defined_names, with_statements

__all__ = ["in_families"]

MOST = 250  # changes of one statement
KINDS = ("transpose", "sign", "order", "hadamard")


def in_families(s: Search) -> None:
    """A slip in a family that the answer defines."""
    smaller = s.question.like
    if smaller is None or s.answer.term is None:
        return
    known = defined_names(smaller.problem.statements)
    for target, term in _own(s.question.problem, known):
        form = form_of(term)
        changes = chain(slips_of(form, KINDS), structural(form, s.background.wardrobe))
        for edit in islice(changes, MOST):
            try:
                new = build(edit.form)
            except MatcalcError:
                continue
            if new is term or new.shape != term.shape or not _fits(s, target, new):
                continue
            text = f"{target} = {new}"
            message = f"would be correct with {text}: {sentence(edit)}"
            s.findings.append(Finding(edit.kind, message))
            return


def _own(problem: Problem, known: Collection[str]) -> Iterator[tuple[Term, Term]]:
    """The members that the answer defines, and what they are."""
    for statement in problem.statements:
        bodies = statement.body if isinstance(statement, Block) else (statement,)
        for b in bodies:
            if isinstance(b, Boundary) and b.target.data[0] not in known:
                yield b.target, b.term


def _fits(s: Search, target: Term, new: Term) -> bool:
    problem = s.question.problem
    changed = replace(problem, statements=tuple(_with(statement, target, new) for statement in problem.statements))
    compared = 0
    for place in (s.place, *s.places()):
        expected = s.question.expected(place, None)
        try:
            value = _there(changed, place).value(s.answer.term) if s.answer.term is not None else None
        except MatcalcError:
            return False
        if expected is None or value is None or not close(value, expected):
            return False
        compared += 1
    return compared > 1


def _with(statement: Statement, target: Term, new: Term) -> Statement:
    if isinstance(statement, Boundary) and statement.target is target:
        return replace(statement, term=new)
    if isinstance(statement, Block):
        body = tuple(replace(b, term=new) if b.target is target else b for b in statement.body)
        return replace(statement, body=body)
    return statement


def _there(problem: Problem, place: Place) -> Place:
    kept = {n: v for n, v in place.values.items() if n in problem.symbols}
    point = with_statements(problem, replace(place.point, values=kept))
    return Place(problem, point, place.derived, place.varying)
