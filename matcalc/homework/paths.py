"""The derivative with something left out: a summand of the objective, a path of the graph, one of several
occurrences.

What is left out is held constant: it becomes a symbol with the value it has.  The derivative of the remaining problem
is found numerically, like the truth itself.

Invariant: the variants of a question are made once, in an order that depends on the problem alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations
from weakref import WeakKeyDictionary

from matcalc.errors import MatcalcError
from matcalc.homework.compare import Place
from matcalc.homework.derived import jacobian_at
from matcalc.homework.question import Question
from matcalc.language import terms
from matcalc.language.problem import Definition, Problem, Symbol
from matcalc.language.terms import Path, Term, put, subterms, symbol
from matcalc.numeric.evaluate import Array

__all__ = ["Variant", "function_variants", "variants"]

HELD = "·held"
MOST_OCCURRENCES = 8
MOST_SUBTERMS = 24
MOST_PAIRS = 15
FUNCTIONS = frozenset(("fn", "softmax"))
SCALING = frozenset(("mul", "div", "neg", "add"))


@dataclass(slots=True)
class Variant:
    """A question with something left out."""

    kind: str
    says: str
    problem: Problem
    held: Term | None = None  # whose value the held symbol has
    _values: WeakKeyDictionary[Place, Array | None] = field(default_factory=WeakKeyDictionary)

    def value(self, place: Place, question: Question) -> Array | None:
        """The derivative of what is left, in the shape of the first expectation; None where there is none."""
        if place not in self._values:
            self._values[place] = self._computed(place, question)
        return self._values[place]

    def _computed(self, place: Place, question: Question) -> Array | None:
        assert question.wrt is not None
        try:
            values = dict(place.values)
            if self.held is not None:
                values[HELD] = place.value(self.held)
            point = replace(place.point, values=values)
            found = jacobian_at(self.problem, point, question.wrt).value
            whole = question.expectations(place)[0][1]
        except MatcalcError:
            return None
        if question.kind == "gradient":
            own = found.reshape(place.values[question.wrt].shape, order="F")
            return own.T if question.layout == "numerator" else own
        if question.kind == "slope":
            found = found.reshape(place.value(question.problem.objective).shape, order="F")
        return found if found.shape == whole.shape else found.T


def variants(question: Question) -> list[Variant]:
    """What may be left out: summands first, then whole paths, then single occurrences and subexpressions."""
    if question.wrt is None or question.wrt != question.base or question.kind == "hessian":
        return []
    makers = (_summands, _definitions, _uses, _pairs, _occurrences, _subexpressions)
    return [v for make in makers for v in make(question)]


def function_variants(question: Question) -> list[Variant]:
    """The functions whose derivative may be left out."""
    if question.wrt is None or question.wrt != question.base or question.kind == "hessian":
        return []
    return list(_functions(question))


def _depends(question: Question) -> set[str]:
    """The names that vary with the variable."""
    assert question.wrt is not None
    varying = {question.wrt}
    for d in question.problem.definitions:
        if d.name != question.wrt and not varying.isdisjoint(d.term.free):
            varying.add(d.name)
    return varying


# ---------------------------------------------------------------------------------- summands
def _summands(question: Question) -> Iterator[Variant]:
    varying = _depends(question)
    for path, t in _sums(question.problem.objective):
        for i, a in enumerate(t.args):
            if varying.isdisjoint(a.free) or len(t.args) < 2:
                continue
            rest = terms.add(*t.args[:i], *t.args[i + 1 :])
            if varying.isdisjoint(rest.free):
                continue
            objective = put(question.problem.objective, path, rest)
            shown = a.args[0] if a.op == "neg" else a
            yield Variant(
                "missing-term",
                f"the derivative of the summand {shown} is missing",
                replace(question.problem, objective=objective),
            )


def _sums(t: Term) -> Iterator[tuple[Path, Term]]:
    """The sums at the top of an objective, under factors and signs."""
    stack: list[tuple[Path, Term]] = [((), t)]
    while stack:
        path, here = stack.pop(0)
        if here.op == "add":
            yield path, here
        if here.op in SCALING:
            stack += [((*path, i), a) for i, a in enumerate(here.args)]


# ------------------------------------------------------------------------------------- paths
def _definitions(question: Question) -> Iterator[Variant]:
    """Every definition on the way held constant as a whole."""
    varying = _depends(question)
    for d in question.problem.definitions:
        if d.name in varying and d.name != question.wrt:
            yield Variant(
                "missing-path",
                f"the path through {d.name} is left out",
                _with_symbol(_without(question.problem, d.name), d.name, d.symbol),
            )


def _pairs(question: Question) -> Iterator[Variant]:
    """Two definitions held constant at once."""
    varying = _depends(question)
    found = [d for d in question.problem.definitions if d.name in varying and d.name != question.wrt]
    for a, b in list(combinations(found, 2))[:MOST_PAIRS]:
        problem = _with_symbol(_without(question.problem, a.name), a.name, a.symbol)
        problem = _with_symbol(_without(problem, b.name), b.name, b.symbol)
        yield Variant("missing-path", f"the paths through {a.name} and {b.name} are left out", problem)


def _without(problem: Problem, name: str) -> Problem:
    kept = tuple(s for s in problem.statements if not (isinstance(s, Definition) and s.name == name))
    return replace(problem, statements=kept)


def _with_symbol(problem: Problem, name: str, t: Term) -> Problem:
    return replace(problem, symbols={**problem.symbols, name: Symbol(name, t.shape)})


def _uses(question: Question) -> Iterator[Variant]:
    """A definition held constant where one other definition, or the objective, uses it."""
    varying = _depends(question)
    problem = question.problem
    for d in problem.definitions:
        if d.name not in varying or d.name == question.wrt:
            continue
        for user in (*problem.definitions, None):
            body = problem.objective if user is None else user.term
            if d.name not in body.free:
                continue
            held = symbol(HELD, *d.term.shape)
            new = terms.replace(body, {d.symbol: held})
            where = problem.objective_name if user is None else user.name
            yield Variant(
                "missing-path",
                f"the path through {d.name} in {where} is left out",
                _with_symbol(_with_body(problem, user, new), HELD, held),
                d.symbol,
            )


def _with_body(problem: Problem, user: Definition | None, body: Term) -> Problem:
    if user is None:
        return replace(problem, objective=body)
    changed = (replace(s, term=body) if s is user else s for s in problem.statements)
    return replace(problem, statements=tuple(changed))


# ------------------------------------------------------------------------------- occurrences
def _occurrences(question: Question) -> Iterator[Variant]:
    """One of several occurrences of the variable held constant: the product rule with a term too few."""
    problem = question.problem
    assert question.wrt is not None
    variable = question.variable
    held = symbol(HELD, *variable.shape)
    found = [
        (user, path)
        for user in (*problem.definitions, None)
        for path in _paths(problem.objective if user is None else user.term, variable)
    ]
    if not 2 <= len(found) <= MOST_OCCURRENCES:
        return
    holders = {None if user is None else user.name for user, _ in found}
    kind = "missing-term" if len(holders) == 1 else "missing-path"
    for user, path in found:
        body = problem.objective if user is None else user.term
        one = _with_symbol(_with_body(problem, user, put(body, path, held)), HELD, held)
        yield Variant(kind, _says(variable, user, body, path), one, variable)
    if len(found) > 2:
        for user, path in found:
            alone = _all_but(problem, found, user, path, held)
            says = f"only one of the places of {variable} is differentiated"
            yield Variant(kind, says, _with_symbol(alone, HELD, held), variable)


def _says(variable: Term, user: Definition | None, body: Term, path: Path) -> str:
    parent = terms.at(body, path[:-1]) if path else body
    if parent.op == "transpose" and len(path) > 1:
        parent = terms.at(body, path[:-2])
    where = f"in {parent}" if parent.size < 40 else (f"in {user.name}" if user is not None else "")
    return f"one term of the product rule is missing: {variable} was held constant {where}".rstrip()


def _paths(t: Term, wanted: Term) -> Iterator[Path]:
    stack: list[tuple[Path, Term]] = [((), t)]
    while stack:
        path, here = stack.pop()
        if here is wanted:
            yield path
        elif here.op not in ("prod", "stack"):
            stack += [((*path, i), a) for i, a in reversed(list(enumerate(here.args)))]


def _all_but(
    problem: Problem, found: list[tuple[Definition | None, Path]], user: Definition | None, path: Path, held: Term
) -> Problem:
    for other, place in found:
        if other is user and place == path:
            continue
        current = (
            problem.objective if other is None else next(d.term for d in problem.definitions if d.name == other.name)
        )
        now = None if other is None else next(d for d in problem.definitions if d.name == other.name)
        problem = _with_body(problem, now, put(current, place, held))
    return problem


# ---------------------------------------------------------------------------- subexpressions
def _subexpressions(question: Question) -> Iterator[Variant]:
    """A subexpression that varies held constant: a norm, a mean, a denominator that was taken for a number."""
    varying = _depends(question)
    problem = question.problem
    seen: set[Term] = set()
    for user in (*problem.definitions, None):
        body = problem.objective if user is None else user.term
        for t in subterms(body):
            plain = t.op in ("sym", "transpose", "neg") or t is body
            if plain or t in seen or varying.isdisjoint(t.free) or len(seen) >= MOST_SUBTERMS or t.tangent:
                continue
            if "#" in "".join(n for d in t.shape for n in d.names()):
                continue
            seen.add(t)
            held = symbol(HELD, *t.shape)
            new = terms.replace(body, {t: held})
            if varying.isdisjoint(new.free):
                continue
            yield Variant(
                "missing-path",
                f"{t} depends on {question.variable} too",
                _with_symbol(_with_body(problem, user, new), HELD, held),
                t,
            )


# --------------------------------------------------------------------------------- functions
def _functions(question: Question) -> Iterator[Variant]:
    """A function of the way taken for the identity when it was differentiated: its factor in the chain is missing."""
    varying = _depends(question)
    problem = question.problem
    seen: set[Term] = set()
    for user in (*problem.definitions, None):
        body = problem.objective if user is None else user.term
        for t in subterms(body):
            if t.op not in FUNCTIONS or t in seen or varying.isdisjoint(t.free) or t.tangent or t.is_scalar:
                continue
            if t.args[0].shape != t.shape or "#" in "".join(n for d in t.shape for n in d.names()):
                continue
            seen.add(t)
            rest = terms.add(t, terms.neg(t.args[0]))  # held constant: the value of t, the derivative of its argument
            new = terms.replace(body, {t: terms.add(t.args[0], symbol(HELD, *t.shape))})
            yield Variant(
                "factor" if t.op == "fn" else "missing-path",
                f"the derivative of {t} is left out",
                _with_symbol(_with_body(problem, user, new), HELD, symbol(HELD, *t.shape)),
                rest,
            )
