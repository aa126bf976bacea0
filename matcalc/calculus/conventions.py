"""The conventions an answer depends on, told in sentences, and the readings for structured variables.

Invariant: what an answer leaves open (layout, a point without a derivative, the sign of a determinant) is said
beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

from matcalc.calculus.methods import Question
from matcalc.calculus.moves import move
from matcalc.language.functions import FUNCTIONS
from matcalc.language.problem import Block, Problem
from matcalc.language.terms import Term, make, neg, number, subterms, transpose
from matcalc.rewriting.normal import equal
from matcalc.rewriting.steps import Step

__all__ = ["absence", "absent", "conventions_of", "everything", "kind_of_structure", "remarks", "structured"]

_KINDS = {"diagonal": "diagonal", "symmetric": "symmetric", "posdef": "symmetric", "skew": "skew"}

_AT_ZERO = {
    "norm2": "the norm is differentiated where its argument is not 0",
    "normF": "the norm is differentiated where its argument is not 0",
    "norm1": "the 1-norm is differentiated where no entry is 0",
}


def kind_of_structure(q: Question) -> str | None:
    """The subspace the variable is declared to lie in: diagonal, symmetric or skew."""
    properties = q.setting.facts.get(q.variable.data, frozenset())
    return next((kind for p, kind in _KINDS.items() if p in properties), None)


def structured(q: Question, raw: Term, convention: str, label: str) -> Step | None:
    """The step from the unconstrained gradient to that of a structured variable; None where it is that already."""
    kind = kind_of_structure(q)
    if kind is None:
        return None
    if kind == "diagonal":
        name = "project-diagonal"
    else:
        name = f"project-{kind}" if convention == "projected" else f"entries-{kind}"
    if name == "project-diagonal" and raw.op == "diag":
        return None
    if name in ("project-symmetric", "project-skew"):
        image = transpose(raw) if kind == "symmetric" else neg(transpose(raw))
        if equal(raw, image, q.setting.facts):
            return None
    made = move(name, raw, q.setting, label=label, level=1)
    assert made is not None
    return made


def conventions_of(q: Question, read_as: str, layout: str, structure: str) -> tuple[str, ...]:
    """Everything about the answer that is a convention, in sentences."""
    return tuple(dict.fromkeys((*_of_reading(q, read_as, layout, structure), *_of_points(q))))


def _of_reading(q: Question, read_as: str, layout: str, structure: str) -> Iterator[str]:
    v = q.variable
    if read_as == "gradient":
        yield (
            f"numerator layout: the derivative has the shape of {v}'"
            if layout == "numerator" and not v.is_scalar
            else f"the gradient has the shape of {v}"
        )
    elif read_as == "slope":
        yield f"the derivative by the number {v} has the shape of {q.name}" + (
            ", transposed (denominator layout)" if layout == "denominator" and not q.objective.is_scalar else ""
        )
    elif read_as == "hessian" and not v.is_scalar:
        yield (
            "the Hessian is that of the entries stacked by columns (vec)"
            if v.shape.is_matrix
            else "the Hessian has a row and a column for every entry"
        )
    elif read_as == "jacobian":
        outputs, inputs = ("columns", "rows") if layout == "denominator" else ("rows", "columns")
        yield f"Jacobian: {outputs} are entries of {q.name}, {inputs} are entries of {v}"
        if v.shape.is_matrix or q.objective.shape.is_matrix:
            yield "a matrix is read column by column (vec)"
    kind = kind_of_structure(q)
    if kind is not None and read_as == "gradient":
        yield (
            f"{v} is {kind}: the gradient is projected onto the {kind} matrices"
            if structure == "projected"
            else f"{v} is {kind}: the derivative is by its independent entries"
        )
    if kind is not None and read_as in ("jacobian", "slope"):
        yield f"{v} is {kind}: the Jacobian is for {kind} changes"
    if "orthogonal" in q.setting.facts.get(v.data, frozenset()):
        yield f"{v} is orthogonal: the gradient is that of the surrounding space, not projected"


def _of_points(q: Question) -> Iterator[str]:
    """Points where something has no derivative, in what varies."""
    seen: set[Term] = set()
    for t in everything(q):
        if t.op == "stop":
            yield f"the copy {t} of {t.args[0]} is held constant"
        if t in seen or q.setting.constant(t):
            continue
        seen.add(t)
        if t.op == "fn" and t.data[0] in FUNCTIONS and FUNCTIONS[t.data[0]].kink_note:
            yield FUNCTIONS[t.data[0]].kink_note
        elif t.op in _AT_ZERO and not _squared(t, q):
            yield _AT_ZERO[t.op]
        elif t.op == "logdet":
            yield "logdet is log|det|"
        elif t.op == "pow" and not q.setting.constant(t.args[1]):
            yield "a power with a varying exponent is differentiated where its base is positive"


def everything(q: Question) -> Iterator[Term]:
    """The subterms of the objective and of the definitions it uses, in order."""
    reached: set[str] = set()
    todo = [q.objective]
    while todo:
        body = todo.pop()
        yield from subterms(body)
        for name in sorted(body.free):
            if name in q.setting.definitions and name not in reached:
                reached.add(name)
                todo.append(q.setting.definitions[name])


def _squared(norm: Term, q: Question) -> bool:
    """Whether a norm occurs only squared, where it has a derivative everywhere."""
    square = make("pow", norm, number(2))
    users = [t for t in everything(q) if norm in t.args]
    return bool(users) and all(t is square for t in users)


# ---------------------------------------------------------------- what may not have been meant
LOSSES = frozenset(("L", "J", "loss", "Loss", "cost", "Cost"))


def remarks(q: Question) -> tuple[str, ...]:
    """What the reader may not have meant: a loss that is no number, a variable that does not occur."""
    out = []
    if not q.objective.is_scalar and q.name in LOSSES:
        out.append(f"{q.name} is {q.objective.shape}, not a number: this is its Jacobian; a loss is a number")
    if q.setting.constant(q.objective):
        out.append(f"{absence(q)}: the derivative is zero")
    return tuple(out)


def absent(problem: Problem, name: str) -> str:
    """That a name does not occur in what the objective depends on, or only where it is held constant."""
    lines = [line for s in problem.statements for line in (s.body if isinstance(s, Block) else (s,))]
    bodies = [problem.objective, *(line.term for line in lines)]
    objective = problem.objective_name
    if any(t.op == "stop" and name in t.free for body in bodies for t in subterms(body)):
        return f"{name} occurs in {objective} only in copies that are held constant"
    if any(name in body.free for body in bodies):
        return f"{objective} does not depend on {name}"
    return f"{name} does not occur in {objective}"


def absence(q: Question) -> str:
    """That a variable does not occur, or only where it is held constant."""
    held = any(t.op == "stop" and q.variable.data in t.free for t in everything(q))
    if held:
        return f"{q.variable} occurs in {q.name} only in copies that are held constant"
    return f"{q.variable} does not occur in {q.name}"
