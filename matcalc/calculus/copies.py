"""Constant copies: a variable that is used several times, one use at a time, and copies put back into an answer."""

from __future__ import annotations

from matcalc.calculus.differential import Tables
from matcalc.calculus.methods import Question, presented
from matcalc.language.terms import Path, Term, make, put, subterms
from matcalc.rewriting.engine import Setting, rewrite
from matcalc.rewriting.steps import Step

__all__ = ["one_at_a_time", "released", "without_copies"]

MOST = 4  # uses that are told apart


def one_at_a_time(body: Term, variable: Term) -> list[Term]:
    """The body once for every use of a variable, the other uses held constant. One body where that says nothing."""
    places = _places(body, variable)
    if not 2 <= len(places) <= MOST or not variable.shape.is_matrix:
        return [body]
    copy = make("stop", variable)
    out = []
    for own in places:
        held = body
        for other in places:
            held = held if other == own else put(held, other, copy)
        out.append(held)
    return out


def _places(t: Term, leaf: Term) -> list[Path]:
    """The paths at which a leaf stands, outside constant copies; a few of them, where there are many."""
    found: list[Path] = []
    stack: list[tuple[Term, Path]] = [(t, ())]
    while stack and len(found) <= MOST:
        node, path = stack.pop()
        if node is leaf:
            found.append(path)
        elif leaf.data in node.varies:
            stack.extend((a, (*path, i)) for i, a in reversed(list(enumerate(node.args))))
    return found


def released(q: Question, last: Step, book: Tables) -> tuple[Step, ...]:
    """The steps in which constant copies become what they are copies of, once everything is differentiated."""
    step = without_copies(last.after, book, q.setting, last.label)
    return () if step is None else (step, *presented(q, step, last.label))


def without_copies(before: Term, book: Tables, setting: Setting, label: str) -> Step | None:
    """The step to a term in which constant copies are what they are copies of; None where there are none."""
    rule = book.rules["stop-value"]
    parts: list[Step] = []
    line = before
    while (path := _first_copy(line)) is not None:
        made = rewrite(rule, line, path, setting)
        assert made is not None
        parts.append(made)
        line = made.after
    return Step(rule.id, before, line, rule.say, label, substeps=tuple(parts)) if parts else None


def _first_copy(line: Term) -> Path | None:
    """The path of an outermost constant copy."""
    if not any(t.op == "stop" for t in subterms(line)):
        return None
    stack: list[tuple[Term, Path]] = [(line, ())]
    while stack:
        t, path = stack.pop()
        if t.op == "stop":
            return path
        stack.extend((a, (*path, i)) for i, a in reversed(list(enumerate(t.args))))
    return None
