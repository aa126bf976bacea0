"""Doing a derivation again: every step from its own record, and whether the steps make a chain.

A step is replayed from its rule, its path and its bindings alone; the result must *be* what the step says.  A step
with substeps is the chain of them.  Moves that are no rules of the book (see :mod:`matcalc.calculus.moves`) are given
by name.  What the presentation did is replayed as an equation between normal forms.

Invariant: nothing is accepted because it looks plausible: a step whose rule is not known is broken.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

from matcalc.errors import MatcalcError
from matcalc.language.terms import Term, at, put, replace, symbol
from matcalc.rewriting.engine import Setting, apply
from matcalc.rewriting.folding import FOLDS
from matcalc.rewriting.matching import FAMILY, Bindings
from matcalc.rewriting.normal import Normalizer, equal
from matcalc.rewriting.present import REASONS as PRESENTATION
from matcalc.rewriting.rules import Rule, RuleBook
from matcalc.rewriting.steps import Step

__all__ = ["BrokenStep", "check_chain", "replay"]

Move = Callable[[Term, Mapping[str, Term], Setting], Term | None]


class BrokenStep(MatcalcError):
    """A step of a derivation that cannot be done again: an error of matcalc, not of the user."""


def replay(
    step: Step,
    rules: RuleBook,
    setting: Setting,
    moves: Mapping[str, Move] | None = None,
    readings: frozenset[str] = frozenset(),
) -> Term:
    """What the step leads to, worked out again. Raises BrokenStep where it is not what the step says."""
    if step.substeps:
        check_chain(step.substeps)
        if step.substeps[0].before is not step.before or step.substeps[-1].after is not step.after:
            raise BrokenStep(f"the parts of step {step.rule} do not lead from {step.before} to {step.after}")
        for part in step.substeps:
            replay(part, rules, setting, moves, readings)
        return step.after
    if step.rule in FOLDS and not step.bindings:
        names = {symbol(name, *body.shape): body for name, body in setting.definitions.items()}
        if FOLDS[step.rule](step.before, names, Normalizer(setting.facts)) is step.after:
            return step.after
    if (step.rule in PRESENTATION or step.rule in FOLDS) and not step.bindings:
        if _one_normal_form(step.before, step.after, setting):
            return step.after
    elif moves is not None and step.rule in moves:
        new = moves[step.rule](at(step.before, step.path), step.bindings, setting)
        after = new if new is None or step.rule in readings else put(step.before, step.path, new)
        if after is step.after:
            return after
    elif step.rule in rules:
        rule = rules[step.rule]
        for new, _ in apply(rule, at(step.before, step.path), setting, step.direction, _bound(step, rule), within=True):
            after = put(step.before, step.path, new)
            if after is step.after:
                return after
    raise BrokenStep(f"step {step.rule} does not lead from {step.before} to {step.after}")


def _one_normal_form(a: Term, b: Term, setting: Setting) -> bool:
    """Whether two terms have one normal form: as they stand, or with definitions written out, the newest first."""
    full = Normalizer(setting.facts)
    both = (full, Normalizer(setting.facts, opaque=True))
    if any(n.canon(a) is n.canon(b) for n in both):
        return True
    for name, body in reversed(list(setting.definitions.items())):  # a definition may use the names of earlier ones
        written = {symbol(name, *body.shape): body}
        a, b = replace(a, written), replace(b, written)
        if any(n.canon(a) is n.canon(b) for n in both):
            return True
    return equal(a, b, setting.facts) is True


def _bound(step: Step, rule: Rule) -> Bindings:
    """The bindings of a step, metavariables and functions told apart."""
    kinds = rule.metavars
    values = {n: t for n, t in step.bindings.items() if kinds.get(n, "").removeprefix(FAMILY) in _TERM_KINDS}
    functions = {n: str(t.data) for n, t in step.bindings.items() if n not in values and not n.startswith("·")}
    return Bindings(values, {}, functions)


_TERM_KINDS = frozenset(("matrix", "square", "vector", "row", "scalar", "tangent"))


def check_chain(steps: Sequence[Step]) -> None:
    """Raises BrokenStep where a step does not begin with what the step before it led to."""
    for before, after in itertools.pairwise(steps):
        if before.after is not after.before:
            raise BrokenStep(f"step {after.rule} begins with {after.before}, not with {before.after}")
