"""From a problem to its derivation: which question is asked of which name, and how the answer is read.

A derivative is a linear form; gradient, Jacobian, Hessian and layout are readings of it, made here and nowhere else.
The steps are the computation: the answer of a name is what its last step leads to, by construction.

Invariants: a derivative is zero only where the variable does not occur or the steps prove it; whatever is not known is
:class:`~matcalc.errors.CannotDerive`; every convention that the answer depends on is told in ``conventions``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from matcalc.calculus.backward import defined_shapes, needs_backward, through_recurrences
from matcalc.calculus.by_parts import by_parts
from matcalc.calculus.chain_moves import CHAIN_MOVES, CHAIN_READINGS
from matcalc.calculus.conventions import absence, conventions_of, everything, kind_of_structure, remarks, structured
from matcalc.calculus.copies import released
from matcalc.calculus.differential import Tables, TooLarge, tables
from matcalc.calculus.existence import require_value
from matcalc.calculus.facts import with_symmetries
from matcalc.calculus.graph_telling import through_graph
from matcalc.calculus.methods import (
    METHODS,
    Question,
    by_matrices,
    chosen,
    gradient,
    linear_form,
    presented,
    started,
)
from matcalc.calculus.moves import MOVES, READINGS, move
from matcalc.calculus.passes import Pass
from matcalc.calculus.recurrence import member_ranges
from matcalc.calculus.sums import FORMS, folded_back, rewritten, with_named_rows
from matcalc.errors import CannotDerive, MatcalcError
from matcalc.language.dims import Dim
from matcalc.language.parts import base_of, part
from matcalc.language.problem import Definition, Problem
from matcalc.language.terms import Term, symbol, zeros
from matcalc.rewriting.engine import Setting
from matcalc.rewriting.replay import check_chain, replay
from matcalc.rewriting.rules import RuleBook, rule_book
from matcalc.rewriting.steps import Step

__all__ = ["Derivation", "derive", "replayed"]


@dataclass(frozen=True)
class Derivation:
    """A problem with its answer and how it was reached. ``lines`` has the top-level steps by variable."""

    problem: Problem
    lines: Mapping[str, tuple[Step, ...]]
    method: str = "auto"
    methods: Mapping[str, str] = field(default_factory=dict)  # what ``auto`` became, by variable
    layout: str = "gradient"
    structure: str = "projected"
    order: int = 1
    conventions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    alternatives: Mapping[str, Mapping[str, Term]] = field(default_factory=dict)  # by variable, by convention
    introduced: tuple[Definition, ...] = ()  # names given on the way; the answer has none of them
    rules: RuleBook = field(default_factory=rule_book)
    settings: Mapping[str, Setting] = field(default_factory=dict)
    certificate: Any = None
    back: Pass | None = None  # of a program with recurrences, or of a derivative by a family

    @property
    def answers(self) -> dict[str, Term]:
        """The derivative by each variable: what the last line leads to."""
        return {name: steps[-1].after for name, steps in self.lines.items()}

    @property
    def answer(self) -> Term:
        """The derivative by the only variable, or by the first."""
        return next(iter(self.answers.values()))

    @property
    def steps(self) -> tuple[Step, ...]:
        """The top-level steps of all variables, one after the other."""
        return tuple(s for steps in self.lines.values() for s in steps)

    @property
    def ranges(self) -> dict[str, tuple[Dim, Dim]]:
        """The first and the last index of the members of each family, those of cotangents included."""
        return member_ranges(self.problem, self.back.statements if self.back is not None else ())

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """The names that may stand in the lines: the problem's, and those introduced on the way."""
        return (*self.problem.definitions, *self.introduced)


def derive(
    problem: Problem,
    wrt: str | Sequence[str] | None = None,
    method: str = "auto",
    order: int = 1,
    layout: str = "gradient",
    structure: str = "projected",
    rules: RuleBook | None = None,
    sums: str = "kept",
    unrolled: bool = False,
) -> Derivation:
    """The derivation of a problem's derivative by each name. Raises CannotDerive where no rule leads to it.

    ``sums``: sums over an index are kept, or written as products of matrices of rows, before they are derived
    (``stacked``) or in the answer (``stacked-answer``), or such products as sums (``members``).
    ``unrolled``: recurrences are written out beside themselves where they can be.
    """
    _require("method", method, ("auto", *METHODS))
    _require("order", order, (1, 2))
    _require("layout", layout, ("gradient", "numerator", "denominator"))
    _require("structure", structure, ("projected", "entries"))
    _require("sums", sums, ("kept", *FORMS))
    _require_supported(problem)
    require_value(problem)
    names = _names(problem, wrt)
    book = tables(rules if rules is not None else rule_book())
    asked = _Asked(_with_objective(problem), book, method, order, layout, structure, sums)
    whole = _by_whole(asked, problem, tuple(dict.fromkeys(base_of(n) for n in names)), unrolled)
    return by_parts(whole, problem, names)


def _by_whole(asked: _Asked, problem: Problem, names: tuple[str, ...], unrolled: bool) -> Derivation:
    """The derivation by whole variables."""
    method, order = asked.method, asked.order
    if needs_backward(problem, names):
        return _through_recurrences(asked, names, unrolled)
    if method == "graph" and problem.objective.is_scalar and order == 1:
        return _through_graph(asked, names)
    try:
        told = _every(asked, names)
        named = with_named_rows(problem, (s.after for t in told.values() for s in t.steps), asked.sums)
        if named is not problem:  # once more, with names for the matrices of rows
            problem, asked = named, replace(asked, problem=_with_objective(named))
            told = _every(asked, names)
    except TooLarge:
        if method != "auto" or order != 1 or not problem.objective.is_scalar or not problem.definitions:
            raise
        return _through_graph(asked, names)
    by_name = any(problem.objective_name in t.steps[-1].after.free for t in told.values())
    return Derivation(
        problem=asked.problem if by_name else problem,
        lines={n: t.steps for n, t in told.items()},
        method=method,
        methods={n: t.method for n, t in told.items()},
        layout=asked.layout,
        structure=asked.structure,
        order=order,
        conventions=tuple(dict.fromkeys(c for t in told.values() for c in t.conventions)),
        notes=tuple(dict.fromkeys((*problem.notes, *(n for t in told.values() for n in t.notes)))),
        alternatives={n: t.alternatives for n, t in told.items() if t.alternatives},
        introduced=tuple(d for t in told.values() for d in t.introduced),
        rules=asked.book.rules,
        settings={n: t.setting for n, t in told.items()},
    )


def _with_objective(problem: Problem) -> Problem:
    """The objective among the definitions, where it is no number: ``softmax`` by its own name in its Jacobian."""
    if not problem.named or problem.objective.is_scalar or problem.objective_name in problem.symbols:
        return problem
    return replace(problem, statements=(*problem.statements, Definition(problem.objective_name, problem.objective)))


def replayed(derivation: Derivation) -> bool:
    """Do the whole derivation again. Raises BrokenStep where a step does not hold; else True."""
    for name, steps in derivation.lines.items():
        check_chain(steps)
        for s in steps:
            replay(s, derivation.rules, derivation.settings[name], ALL_MOVES, ALL_READINGS)
    back = derivation.back
    for lines in back.lines if back is not None else ():
        check_chain(lines.steps)
        for s in lines.steps:
            replay(s, derivation.rules, lines.setting, ALL_MOVES, ALL_READINGS)
    return True


ALL_MOVES: Mapping[str, Any] = {**MOVES, **CHAIN_MOVES}
ALL_READINGS = READINGS | CHAIN_READINGS


# ------------------------------------------------------------------------ the question
NOT_DERIVED = {
    "prod": "prod is a form of answers; write it as a recurrence (for t in 1..T: p[t] = ...) to differentiate it",
    "stack": "matrices given by their rows are a form of answers; write a sum over the index to differentiate it",
}


@dataclass(frozen=True, slots=True)
class _Asked:
    problem: Problem
    book: Tables
    method: str
    order: int
    layout: str
    structure: str
    sums: str = "kept"


@dataclass(frozen=True, slots=True)
class _Told:
    """The derivation by one variable."""

    steps: tuple[Step, ...]
    method: str
    setting: Setting
    conventions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    alternatives: Mapping[str, Term] = field(default_factory=dict)
    introduced: tuple[Definition, ...] = ()


def _require(what: str, given: object, allowed: Sequence[object]) -> None:
    if given not in allowed:
        raise MatcalcError(f"{what} is one of {', '.join(map(str, allowed))}, not {given!r}")


def _require_supported(problem: Problem) -> None:
    if problem.objective.tangent:
        raise CannotDerive("the objective has a differential in it: derive what it is the differential of")


def _require_problem_forms(q: Question) -> None:
    """Forms of answers are not differentiated."""
    for t in everything(q):
        if t.op in NOT_DERIVED and not q.setting.constant(t):
            raise CannotDerive(f"{NOT_DERIVED[t.op]}: {t}")


def _names(problem: Problem, wrt: str | Sequence[str] | None) -> tuple[str, ...]:
    names = (wrt,) if isinstance(wrt, str) else tuple(wrt or problem.wrt)
    if not names:
        free = [n for n, s in problem.symbols.items() if "constant" not in s.properties]
        if len(free) != 1:
            listed = ", ".join(free) or "none"
            raise MatcalcError("by which variable?", hint=f"say wrt=...; the names of the problem are {listed}")
        names = tuple(free)
    defined = defined_shapes(problem)
    names = tuple(str(part(n)) if "[" in n else n for n in names)
    for n in map(base_of, names):
        if n not in problem.symbols and n not in defined:
            listed = ", ".join((*problem.symbols, *defined))
            raise MatcalcError(f"there is no {n!r} in the problem", hint=f"its names are {listed}")
    return tuple(dict.fromkeys(names))


def _stacked_before(asked: _Asked, q: Question) -> tuple[Step, ...]:
    """The objective with its sums over an index as products of matrices of rows: then these are derived."""
    if asked.sums != "stacked" or q.setting.constant(q.objective):
        return ()
    made = rewritten("stacked", q.objective, asked.book.rules, q.setting, q.name)
    named = folded_back(made[-1].after, q.setting, q.name) if made else None
    return (*made, named) if named is not None else tuple(made)


def _with_rows(asked: _Asked, q: Question, last: Step) -> tuple[Step, ...]:
    """The answer with its sums over an index as products of matrices of rows, or the other way round."""
    if asked.sums == "kept":
        return ()
    made = rewritten(asked.sums, last.after, asked.book.rules, q.setting, last.label)
    return (*made, *presented(q, made[-1], last.label)) if made else ()


def _through_recurrences(asked: _Asked, names: tuple[str, ...], unrolled: bool) -> Derivation:
    """The gradients of a program with recurrences, or by families."""
    problem = asked.problem
    alternatives: dict[str, dict[str, Term]] = {}
    shapes = defined_shapes(problem)

    def finish(name: str, last: Step) -> tuple[Step, ...]:
        variable = symbol(name, *(shapes[name] if name in shapes else problem.symbols[name].shape))
        q = Question(problem.objective_name, problem.objective, variable, Setting(problem.facts), asked.book)
        return _finished(asked, q, last, alternatives)

    told = through_recurrences(
        problem, names, asked.book, asked.order, finish, asked.sums, unrolled, asked.layout, asked.structure
    )
    return Derivation(
        problem=problem,
        lines=told.lines,
        method=asked.method,
        methods=dict.fromkeys(names, "backward"),
        layout=asked.layout,
        structure=asked.structure,
        conventions=told.conventions,
        alternatives=alternatives,
        notes=(*problem.notes, *told.notes),
        rules=asked.book.rules,
        settings=dict.fromkeys(names, told.back.setting),
        back=told.back,
    )


def _through_graph(asked: _Asked, names: tuple[str, ...]) -> Derivation:
    """The gradients node by node: cotangents get names, so that the work grows with the edges of the graph."""
    problem = asked.problem
    settings = {name: _setting(problem, name) for name in names}
    questions = {
        n: Question(problem.objective_name, problem.objective, problem.variable(n), settings[n], asked.book)
        for n in names
    }
    alternatives: dict[str, dict[str, Term]] = {}

    def finish(name: str, last: Step) -> tuple[Step, ...]:
        return _finished(asked, questions[name], last, alternatives)

    for q in questions.values():
        _require_problem_forms(q)
    present_names = tuple(n for n in names if not settings[n].constant(problem.objective))
    told, back = through_graph(problem, present_names, asked.book, finish)
    label = problem.objective_name
    for n in names:
        if n not in told:
            told[n] = (_absent(questions[n], f"grad({label}, {n})", "gradient"),)
    conventions = [c for q in questions.values() for c in conventions_of(q, "gradient", asked.layout, asked.structure)]
    if back.statements:
        node, weight = list(back.cotangents.items())[-1]
        others = "" if len(back.cotangents) == 1 else ", and so are the other cotangents named"
        conventions.append(f"{weight} is grad({label}, {node}), the cotangent of {node}{others}")
    return Derivation(
        problem=problem,
        lines={n: told[n] for n in names},
        method=asked.method,
        methods=dict.fromkeys(names, "graph"),
        layout=asked.layout,
        structure=asked.structure,
        conventions=tuple(dict.fromkeys(conventions)),
        notes=tuple(dict.fromkeys((*problem.notes, *(r for q in questions.values() for r in remarks(q))))),
        alternatives=alternatives,
        introduced=tuple(s for s in back.statements if isinstance(s, Definition)),
        rules=asked.book.rules,
        settings={n: replace(settings[n], varying=frozenset((n,))) for n in names},
        back=back,
    )


def _finished(asked: _Asked, q: Question, last: Step, alternatives: dict[str, dict[str, Term]]) -> tuple[Step, ...]:
    """From a gradient to the convention and the layout asked for; what it is in others goes into ``alternatives``."""
    final, found = _structured(asked, q, last.after, "gradient")
    if found:
        alternatives[q.variable.data] = found
    last = final[-1] if final else last
    return (*final, *_layout(asked, q, last, "gradient"))


def _setting(problem: Problem, name: str) -> Setting:
    """What varies with a name: itself and the definitions that use it. A definition asked for is a variable."""
    bodies = {d.name: d.term for d in problem.definitions if d.name != name}
    varying = {name}
    for n, body in bodies.items():
        if not varying.isdisjoint(body.varies):
            varying.add(n)
    return Setting(with_symmetries(problem.facts, bodies), frozenset(varying), bodies)


def _every(asked: _Asked, names: Sequence[str]) -> dict[str, _Told]:
    """The derivation by every variable; no name is introduced for two different things."""
    told: dict[str, _Told] = {}
    for name in names:
        introduced = {d.name: d.term for t in told.values() for d in t.introduced}
        told[name] = _told(asked, name, introduced)
    return told


def _told(asked: _Asked, name: str, introduced: Mapping[str, Term]) -> _Told:
    problem = asked.problem
    setting = _setting(problem, name)
    variable = problem.variable(name)
    question = Question(problem.objective_name, problem.objective, variable, setting, asked.book, introduced)
    _require_problem_forms(question)
    opening, question = by_matrices(question)
    before = _stacked_before(asked, question)
    if before:
        question = replace(question, objective=before[-1].after)
    method = chosen(question, asked.method) if problem.objective.is_scalar else "differential"
    steps, read_as = _first_order(asked, question, method)
    steps = (*opening, *before, *steps)
    if asked.order == 2:
        steps += tuple(_second_order(asked, question, steps[-1].after))
        read_as = "hessian"
    final, alternatives = _structured(asked, question, steps[-1].after, read_as)
    steps += final
    steps += _layout(asked, question, steps[-1], read_as)
    steps += released(question, steps[-1], asked.book)
    steps += _with_rows(asked, question, steps[-1])
    told = conventions_of(question, read_as, asked.layout, asked.structure)
    names = _introduced(steps)
    known = replace(
        setting,
        varying=setting.varying | {d.name for d in names},
        definitions={**setting.definitions, **{d.name: d.term for d in names}},
    )
    return _Told(steps, method, known, told, remarks(question), alternatives, names)


def _introduced(steps: Sequence[Step]) -> tuple[Definition, ...]:
    return tuple(Definition(n, body) for s in steps if s.rule == "introduce" for n, body in s.bindings.items())


# ----------------------------------------------------------------------- the readings
def _first_order(asked: _Asked, q: Question, method: str) -> tuple[tuple[Step, ...], str]:
    """The lines to the gradient or the Jacobian, and which of the two it is."""
    scalar = q.objective.is_scalar
    label = f"grad({q.name}, {q.variable})" if scalar else f"jac({q.name}, {q.variable})"
    read_as = "gradient" if scalar else "slope" if q.variable.is_scalar else "jacobian"
    if q.setting.constant(q.objective):
        return (_absent(q, label, read_as),), read_as
    lines = gradient(q, method) if scalar else _jacobian(q, label)
    steps = tuple(lines)
    return steps + presented(q, steps[-1], label), read_as


def _absent(q: Question, label: str, read_as: str) -> Step:
    v, f = q.variable.shape, q.objective.shape
    zero = (
        zeros(*v)
        if read_as == "gradient"
        else zeros(*f)
        if read_as == "slope"
        else zeros(f.rows * f.cols, v.rows * v.cols)
    )
    made = move("does-not-occur", q.objective, q.setting, given={"zero": zero}, label=label, level=1,
                reason=absence(q))  # fmt: skip
    assert made is not None
    return made


def _jacobian(q: Question, label: str) -> Iterator[Step]:
    first = started(q)
    yield first
    line = first.after
    for made in linear_form(q, line):
        yield made
        line = made.after
    yield _matrix(q, line, label)


def _matrix(q: Question, line: Term, label: str) -> Step:
    """The linear form read as a matrix, or as a slope where the variable is a number."""
    name = "read-slope" if q.variable.is_scalar else "read-matrix"
    made = move(name, line, q.setting, given={"d": q.change}, label=label, level=1)
    if made is None:
        raise CannotDerive(f"the derivative cannot be read off {line}")
    return made


def _second_order(asked: _Asked, q: Question, slope: Term) -> Iterator[Step]:
    """The gradient differentiated again, and the matrix of that linear form."""
    if not q.objective.is_scalar:
        raise CannotDerive("second derivatives are derived for scalar objectives only")
    if kind_of_structure(q) is not None:
        raise CannotDerive(f"second derivatives by a structured matrix ({q.variable}) are not derived yet")
    label = f"hess({q.name}, {q.variable})"
    again = replace(q, name=f"grad({q.name}, {q.variable})", objective=slope)
    if q.setting.constant(slope):
        zero = zeros(q.variable.shape.rows * q.variable.shape.cols, q.variable.shape.rows * q.variable.shape.cols)
        made = move("does-not-occur", slope, q.setting, given={"zero": zero}, label=label, level=1,
                    reason=f"{q.variable} does not occur in the gradient")  # fmt: skip
        assert made is not None
        yield made
        return
    last: Step | None = None
    for last in _jacobian(again, label):
        yield last
    assert last is not None
    yield from presented(q, last, label)


# ---------------------------------------------------------------------- conventions
def _structured(asked: _Asked, q: Question, raw: Term, read_as: str) -> tuple[tuple[Step, ...], dict[str, Term]]:
    """The gradient by a symmetric, skew or diagonal matrix, in the convention asked for and in the other."""
    if read_as != "gradient" or kind_of_structure(q) is None:
        return (), {}
    label = f"grad({q.name}, {q.variable})"
    found: dict[str, tuple[Step, ...]] = {}
    for convention in ("projected", "entries"):
        made = structured(q, raw, convention, label)
        steps = () if made is None else (made, *presented(q, made, label))
        found[convention] = steps
    answers = {c: (steps[-1].after if steps else raw) for c, steps in found.items()}
    return found[asked.structure], answers


def _layout(asked: _Asked, q: Question, last: Step, read_as: str) -> tuple[Step, ...]:
    """The transpose, where the layout asked for is not the one the derivative is read in."""
    turned = {"gradient": ("numerator",), "hessian": ()}.get(read_as, ("denominator",))
    if asked.layout not in turned or last.after.is_scalar:
        return ()
    made = move("layout", last.after, q.setting, label=last.label, level=1)
    assert made is not None
    return (made, *presented(q, made, last.label))
