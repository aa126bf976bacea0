"""A derivation checked at numbers: its answers against the problem, and every line against the line above it.

What a line claims follows from its rule.  Most say that a term is equal to the one before; a reading says how its
answer and the form before it belong together (``inner(G, d(x))`` is the form that the gradient G is read off).  Every
claim is an equation between two terms, evaluated at random points with random differentials.

Invariant: a derivation that is contradicted anywhere raises FailedCertificate; nothing of it is an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace as replace_fields
from typing import Any, NamedTuple

from matcalc.calculus.derive import ALL_READINGS, Derivation
from matcalc.calculus.passes import Lines, Pass
from matcalc.errors import CannotDerive, FailedCertificate, MatcalcError
from matcalc.language.parts import base_of
from matcalc.language.problem import Problem
from matcalc.language.terms import Term, add, inner, make, mul, replace, transpose, zeros
from matcalc.numeric.certify import Certificate, certify, check_steps
from matcalc.numeric.lines import Where
from matcalc.numeric.sample import CannotSample, Sample
from matcalc.rewriting.steps import Step

__all__ = ["Checks", "verified"]

LONG = 60  # summands of a line up to which all of it is compared
LIMIT = 1e-5  # of a line; differences of functions that are not analytic lose half of the digits
REPORT = "this is a fault of matcalc, not of your problem: please report it with the problem's text"

Samples = dict[int, Sample]  # by turn, of the problem with all that is defined on the way
Checks = Mapping[str, tuple[float | None, ...]]  # by variable, for every step in the order of Step.walk


class _Equation(NamedTuple):
    """What a step claims: two terms of one value."""

    left: Term
    right: Term


def verified(derivation: Derivation, seed: int = 0) -> tuple[Certificate, Checks]:
    """The certificate and the error of every step (None: it claims nothing that can be evaluated)."""
    samples: Samples = {}
    checks = {name: _checked(derivation, name, seed, samples) for name in derivation.answers}
    for lines in _formulas(derivation):
        checks[lines.label] = _checked_members(derivation, lines, lines.steps, seed, samples)
    certificate = _certified(derivation, derivation.answers, derivation.structure, seed)
    for structure in ("projected", "entries"):  # what is shown beside the answer is checked as well
        others = {n: found[structure] for n, found in derivation.alternatives.items() if structure in found}
        if others and structure != derivation.structure:
            _certified(derivation, others, structure, seed)
    return certificate, checks


def _certified(derivation: Derivation, answers: Mapping[str, Term], structure: str, seed: int) -> Certificate:
    certificate = certify(
        derivation.problem,
        answers,
        derivation.order,
        derivation.layout,  # type: ignore[arg-type]
        structure,  # type: ignore[arg-type]
        seed,
        **_through(derivation.back),
    )
    if certificate.status == "failed":
        name = max(certificate.errors, key=lambda n: certificate.errors[n])
        if any("no finite value" in note for note in certificate.notes):
            raise CannotDerive(
                f"the formula by {name} has no value where the problem has one, since a matrix in it can never be "
                f"inverted: {answers[name]}"
            )
        raise FailedCertificate(
            f"the answer by {name} is contradicted by the numerical derivative of the problem "
            f"(relative error {certificate.errors[name]:.0e}): {answers[name]}",
            hint=REPORT,
        )
    return certificate


def _through(back: Pass | None) -> dict[str, Any]:
    """What the certifier has to run beside the problem."""
    if back is None:
        return {}
    return {"families": back.families, "backward": back.statements, "shortest": back.least}


def _formulas(derivation: Derivation) -> list[Lines]:
    """The derivations of recurrences, and of gradients by members that are not among the lines of a variable."""
    back = derivation.back
    if back is None:
        return []
    return [*back.lines, *back.unrolled, *(m for found in back.members.values() for m in found[1:])]


def _checked(derivation: Derivation, name: str, seed: int, samples: Samples) -> tuple[float | None, ...]:
    """The errors of the lines of one variable."""
    back = derivation.back
    steps = derivation.lines[name]
    name = base_of(name)
    if back is None:
        inline = {d.symbol: d.term for d in derivation.introduced}
        return _errors(derivation.problem, steps, (name,), seed, inline, samples=samples)
    problem = replace_fields(derivation.problem, statements=(*derivation.problem.statements, *back.checking))
    if back.local:
        return _errors(problem, steps, (name,), seed, local=True, samples=samples)
    label = f"d({problem.objective_name})"
    shared = [s for s in steps if s.label == label]  # these speak of the changes of all variables
    own = [s for s in steps if s.label != label]
    moving = tuple(n for n in map(base_of, derivation.answers) if n in problem.symbols)  # what is defined moves along
    out = _errors(problem, shared, moving, seed, shortest=back.least, samples=samples)
    if name in back.members:
        return (*out, *_checked_members(derivation, back.members[name][0], own, seed, samples))
    return (*out, *_errors(problem, own, (name,), seed, shortest=back.least, samples=samples))


def _checked_members(
    derivation: Derivation, lines: Lines, steps: Sequence[Step], seed: int, samples: Samples
) -> tuple[float | None, ...]:
    """The errors of lines that hold for every index of a range."""
    back = derivation.back
    assert back is not None
    problem = replace_fields(derivation.problem, statements=(*derivation.problem.statements, *back.checking))
    if back.local:
        return _errors(problem, steps, (lines.local,), seed, local=True, samples=samples)
    where = Where(lines.index, *lines.range) if lines.index and lines.range is not None else None
    return _errors(problem, steps, tuple(derivation.answers), seed, {}, where, back.least, samples=samples)


def _errors(
    problem: Problem,
    tops: Sequence[Step],
    names: tuple[str, ...],
    seed: int,
    inline: Mapping[Term, Term] | None = None,
    where: Where | None = None,
    shortest: int = 1,
    local: bool = False,
    samples: Samples | None = None,
) -> tuple[float | None, ...]:
    """The error of every step, in the order of Step.walk. Raises FailedCertificate where one is wrong."""
    steps = [s for top in tops for s in top.walk()]
    claims = [_claim(s, inline or {}) for s in steps]
    equations = [(c.left, c.right) for c in claims if c is not None]
    try:
        found = iter(
            check_steps(problem, equations, names, seed, where=where, shortest=shortest, local=local, samples=samples)
        )
    except CannotSample:
        return (None,) * len(steps)
    errors = [None if c is None else next(found) for c in claims]
    for step, error in zip(steps, errors, strict=True):
        if error is not None and LIMIT < error < float("inf"):
            raise _contradicted(step, error)
    return tuple(None if e == float("inf") else e for e in errors)


def _contradicted(step: Step, error: float | None = None) -> FailedCertificate:
    by = f" (relative error {error:.0e})" if error is not None else ""
    label = f"{step.label} = " if step.label else ""
    return FailedCertificate(
        f"a line of the derivation is wrong{by}: by the rule {step.rule}\n"
        f"  {label}{step.before}\nbecame\n  {label}{step.after}",
        hint=REPORT,
    )


def _claim(step: Step, inline: Mapping[Term, Term]) -> _Equation | None:
    """The equation that a step claims, with introduced names written out; None where it only changes the question."""
    try:
        claim = _plain_claim(step)
    except MatcalcError as misfit:
        raise _contradicted(step) from misfit
    if claim is None:
        return None
    if claim.left.shape != claim.right.shape:
        raise _contradicted(step)
    claim = _without_common(claim)
    return _Equation(replace(claim.left, inline), replace(claim.right, inline)) if inline else claim


def _without_common(claim: _Equation) -> _Equation:
    """A long equation without the summands that both sides begin and end with: what a step in it changes."""
    if all(t.op != "add" or len(t.args) <= LONG for t in claim):
        return claim
    left, right = (t.args if t.op == "add" else (t,) for t in claim)
    shared = min(len(left), len(right))
    start = next((i for i in range(shared) if left[i] is not right[i]), shared)
    end = next((i for i in range(shared - start) if left[-1 - i] is not right[-1 - i]), shared - start)
    return _Equation(*(_sum(side[start : len(side) - end], claim.left) for side in (left, right)))


def _sum(parts: Sequence[Term], like: Term) -> Term:
    return add(*parts) if len(parts) > 1 else parts[0] if parts else zeros(*like.shape)


def _plain_claim(step: Step) -> _Equation | None:
    before, after = step.before, step.after
    if not any(s.rule in ALL_READINGS for s in step.walk()):
        return _Equation(before, after)
    change = step.bindings.get("d")
    if step.rule == "weigh":
        return _Equation(inner(step.bindings["g"], before), after)
    if step.rule == "read-part-of":
        sides = step.bindings
        return _Equation(mul(*(s for s in (sides.get("left"), before, sides.get("right")) if s is not None)), after)
    if step.rule == "read-entry":
        given = step.bindings
        one = mul(*(given[k] if k == "row" else transpose(given[k]) for k in ("row", "col") if k in given))
        return _Equation(replace(before, {given["d"]: one}), after)
    if step.rule == "stack-entries":
        side, unit = next(iter(step.bindings.items()))
        return _Equation(before, mul(transpose(unit), after) if side == "row" else mul(after, unit))
    if step.rule == "layout":
        return _Equation(transpose(before), after)
    if change is None:
        return None
    if step.rule in ("read-off", "read-part", "read-cotangent"):
        return _Equation(before, inner(after, change))
    if step.rule == "pair":
        return _Equation(inner(before, change), after)
    if step.rule == "read-slope":
        return _Equation(before, mul(after, change))
    if step.rule == "read-matrix":
        return _Equation(_column(before), mul(after, _column(change)))
    return None


def _column(t: Term) -> Term:
    return t if t.shape.is_vector or t.is_scalar else make("vec", t)


def walked(derivation: Derivation, checks: Checks) -> Iterator[tuple[Step, float | None]]:
    """Every step with its error, for reports."""
    for name, steps in derivation.lines.items():
        every = [s for top in steps for s in top.walk()]
        yield from zip(every, checks.get(name, (None,) * len(every)), strict=True)
