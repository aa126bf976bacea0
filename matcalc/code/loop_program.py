"""What a module with families computes: statements in order, where every family lives, what the results need.

Invariant: statements are those of the derivation; nothing is computed that no result needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from matcalc.code.derived import Derived
from matcalc.code.functions import Module
from matcalc.code.loop_inputs import Arguments, arguments_of, names_in
from matcalc.code.loop_losses import Heard, calls_of, heard, values_needed
from matcalc.code.lower import Scope
from matcalc.code.modules import new_module
from matcalc.code.names import Namer
from matcalc.code.opaque import functions_in, given_functions
from matcalc.code.second import gradients_before
from matcalc.code.stores import Store
from matcalc.language.dims import Dim, Shape, dim
from matcalc.language.problem import Block, Boundary, Definition, Problem, Statement
from matcalc.language.terms import Term, subterms
from matcalc.language.terms import replace as replaced

__all__ = ["Plan", "Result", "merged", "needed", "plan_of", "reads", "targets", "terms_of"]


@dataclass(frozen=True, slots=True)
class Result:
    """One gradient: a term, or statements that fill a family."""

    variable: str
    label: str
    term: Term | None
    family: str = ""
    statements: tuple[Statement, ...] = ()

    @property
    def reads(self) -> set[str]:
        """The names of what it is computed from."""
        return reads(self.statements) if self.term is None else set(self.term.free)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is computed: the program, the backward pass, the gradients; with a loss in terms of what is upstream."""

    problem: Problem
    module: Module
    arguments: Arguments
    program: tuple[Statement, ...]
    back: tuple[Statement, ...]
    results: tuple[Result, ...]
    heard: Heard | None
    stores: Mapping[str, Store]
    least: int  # for shorter loops the backward pass does not hold

    @property
    def lengths(self) -> list[str]:
        """The sizes that recurrences run to."""
        return names_in(s.high for s in self.program if isinstance(s, Block))


# --------------------------------------------------------------------------------- statements
def terms_of(s: Statement) -> list[Term]:
    return [line.term for line in s.body] if isinstance(s, Block) else [s.term]


def reads(statements: Iterable[Statement]) -> set[str]:
    """The families and names in statements."""
    return {n for s in statements for t in terms_of(s) for n in t.free}


def targets(statements: Iterable[Statement]) -> dict[str, tuple[str, Shape]]:
    """The families that statements define members of: their index and the shape of the member at the index."""
    out: dict[str, tuple[str, Shape]] = {}
    for s in sorted(statements, key=lambda s: not isinstance(s, Block)):  # blocks say what the index is
        if isinstance(s, Boundary):
            out.setdefault(str(s.target.data[0]), ("i", s.target.shape))
        for line in s.body if isinstance(s, Block) else ():
            assert isinstance(s, Block)
            name, at = line.target.data
            shift = at - dim(s.index)
            out.setdefault(str(name), (s.index, line.target.shape.substitute({s.index: dim(s.index) - shift})))
    return out


def needed(statements: Sequence[Statement], names: Iterable[str]) -> list[Statement]:
    """The statements that some names need, in order."""
    wanted = set(names)
    out: list[Statement] = []
    for s in reversed(statements):
        if isinstance(s, Block):
            kept = _needed_lines(s, wanted)
            if kept:
                out.append(s if len(kept) == len(s.body) else replace(s, body=kept))
        elif (s.name if isinstance(s, Definition) else s.target.data[0]) in wanted:
            out.append(s)
            wanted |= s.term.free
    return out[::-1]


def _needed_lines(s: Block, wanted: set[str]) -> tuple[Boundary, ...]:
    kept: set[int] = set()
    while True:
        more = [k for k, line in enumerate(s.body) if k not in kept and line.target.data[0] in wanted]
        if not more:
            return tuple(line for k, line in enumerate(s.body) if k in kept)
        kept.update(more)
        wanted |= {n for k in more for n in s.body[k].term.free}


def merged(statements: Iterable[Statement]) -> list[Statement]:
    """Statements none of which reads what another one defines, loops over the same range made one."""
    out: list[Statement] = []
    loops: dict[tuple[str, Dim, Dim, bool], int] = {}
    for s in statements:
        if not isinstance(s, Block):
            out.append(s)
            continue
        key = (s.index, s.low, s.high, s.down)
        first = out[loops[key]] if key in loops else None
        if isinstance(first, Block):
            out[loops[key]] = replace(first, body=(*first.body, *s.body))
        else:
            loops[key] = len(out)
            out.append(s)
    return out


# --------------------------------------------------------------------------------------- the plan
def plan_of(derivation: Derived) -> Plan:
    """The plan of a derivation."""
    problem, back = derivation.problem, derivation.back
    program: tuple[Statement, ...] = problem.statements if back is None else back.program
    program = tuple(s for s in program if not _is_objective(s, problem))
    program += tuple(d for d in derivation.definitions if d not in problem.definitions)
    statements: tuple[Statement, ...] = () if back is None else back.statements[back.introduced :]
    families: Mapping[str, tuple[Statement, ...]] = {} if back is None else back.families
    rows = {d.symbol: d.term for d in derivation.definitions if d.term.op == "stack" and d.term.args[0].op == "elem"}
    answers = {n: replaced(t, rows) for n, t in derivation.answers.items() if n not in families}  # they are arrays
    every = [*program, *statements, *(s for f in families.values() for s in f)]
    arguments, names = _arguments(derivation, every)
    behind = [*answers.values(), *(t for s in every[len(program) :] for t in terms_of(s))]
    sites = calls_of(program, problem.objective, values_needed(program, problem.objective, behind))
    told = None
    taken = {*new_module(arguments.inputs, names, Scope(), arguments.counts).taken, *problem.functions}
    if sites:
        told = heard(sites, program, problem.objective, statements, answers, families, Namer(taken))
    computed: list[Term] = [problem.objective, *behind, *(t for s in program for t in terms_of(s))]
    computed += (gradients_before(derivation) or {}).values() if derivation.order == 2 else ()
    if told is not None:
        statements, answers, families = told.statements, dict(told.answers), told.families
        computed = [told.linear, *answers.values(), *(o.argument for o in told.outputs)]
        every = [*told.linear_program, *statements, *(s for f in families.values() for s in f)]
        computed += [t for s in every for t in terms_of(s)]
    named = [*(i.name for i in arguments.inputs), *(o.variable for o in (told.outputs if told else ()))]
    functions = given_functions(functions_in(computed), list(problem.functions), Namer(named))
    module = new_module(arguments.inputs, names, Scope(), arguments.counts, functions)
    results = tuple(_results(derivation, answers, families))
    stores = _stores(derivation, module, arguments, told, [*program, *statements], results)
    least = 1 if back is None else int(back.least)
    return Plan(problem, module, arguments, program, statements, results, told, stores, least)


def _is_objective(s: Statement, problem: Problem) -> bool:
    return isinstance(s, Definition) and s.name == problem.objective_name and s.name not in problem.objective.free


def _arguments(derivation: Derived, every: Sequence[Statement]) -> tuple[Arguments, list[str]]:
    """The arguments and the names of all sizes."""
    problem = derivation.problem
    blocks = [s for s in every if isinstance(s, Block)]
    indices = {s.index for s in blocks} | {s.index for s in problem.symbols.values() if s.index is not None}
    terms = [problem.objective, *derivation.answers.values(), *(t for s in every for t in terms_of(s))]
    dims = [d for t in terms for s in subterms(t) for d in (*s.shape, *_dims_in(s.data))]
    dims += [d for s in blocks for d in (s.low, s.high)]
    used = [n for n in names_in(dims) if n not in indices]
    arguments = arguments_of(problem, derivation.ranges, used)
    stores = arguments.stores.values()
    own = [d for i in arguments.inputs for d in i.dims] + [d for s in stores for d in (s.low, s.high, *s.shape)]
    return arguments, list(dict.fromkeys([*(n for n in names_in(own) if n not in indices), *used]))


def _dims_in(data: object) -> list[Dim]:
    return [d for d in (data if isinstance(data, tuple) else (data,)) if isinstance(d, Dim)]


def _results(
    derivation: Derived, answers: Mapping[str, Term], families: Mapping[str, tuple[Statement, ...]]
) -> Iterable[Result]:
    single = len(derivation.answers) == 1
    for n in derivation.answers:
        label = "grad" if single else f"grad_{n}"
        if n in families:
            (family,) = targets(families[n])
            yield Result(n, label, None, family, families[n])
        else:
            yield Result(n, label, answers[n])


def _stores(
    derivation: Derived,
    module: Module,
    arguments: Arguments,
    told: Heard | None,
    statements: Sequence[Statement],
    results: Sequence[Result],
) -> dict[str, Store]:
    """Where every family lives: arguments, what is upstream, what the statements define, gradients."""
    out = dict(arguments.stores)
    namer = Namer(module.taken)
    for o in told.outputs if told is not None else ():
        namer.taken.add(o.variable)
        if o.store is not None:
            out[o.name] = o.store
    for name, (index, shape) in targets(statements).items():
        low, high = derivation.ranges[name]
        out[name] = Store(name, namer.exact(name), low, high, index, shape)
    for r in results:
        if r.family:
            index, shape = targets(r.statements)[r.family]
            low, high = derivation.ranges[r.variable]
            out[r.family] = Store(r.family, namer.exact(r.label), low, high, index, shape)
    return out
