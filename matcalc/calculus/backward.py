"""Telling a backward derivation: ``dL`` in the changes of the variables, the cotangents' recurrences, the gradients.

Everything that is printed is what a step leads to: the right side of a recurrence, too, is the last line of its own
short derivation.

Invariants: the statements are in the order in which they can be run; what holds only for longer lengths is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from matcalc.calculus.adjoint import reverse
from matcalc.calculus.chain import Chain, Equation
from matcalc.calculus.chain_moves import Backward, chain_move, is_collected, raw_cotangents
from matcalc.calculus.conventions import absent, conventions_of
from matcalc.calculus.copies import without_copies
from matcalc.calculus.cotangents import OBJECTIVE, leaf_differentials
from matcalc.calculus.differential import Tables
from matcalc.calculus.folding import folded
from matcalc.calculus.joining import joined, joined_lines, with_products
from matcalc.calculus.methods import Question
from matcalc.calculus.moves import move
from matcalc.calculus.passes import Lines, Pass, Told, opened_lines
from matcalc.calculus.recurrence import Gradient, System, at_range, formula, statements_of, system_of
from matcalc.calculus.segments import Cotangent, Segment, sweeps
from matcalc.calculus.sums import rewritten
from matcalc.calculus.unrolled import unrolled
from matcalc.errors import CannotDerive
from matcalc.language import terms
from matcalc.language.binders import substitute_index
from matcalc.language.dims import Shape, dim
from matcalc.language.indices import Range
from matcalc.language.problem import Block, Boundary, Definition, Problem, Statement
from matcalc.language.terms import Term, differential
from matcalc.rewriting.cost import cost
from matcalc.rewriting.present import present
from matcalc.rewriting.steps import Step

__all__ = ["defined_shapes", "needs_backward", "through_recurrences"]

BETTER = 0.05  # cheaper than this a form must be to be written instead of the one that came out
Finish = Callable[[str, Step], tuple[Step, ...]]
FEW = 2  # equations: the lines of larger programs are told as parts of one line


def needs_backward(problem: Problem, names: Sequence[str]) -> bool:
    """Whether a problem has members that are defined, or is to be derived by a family."""
    loops = any(not isinstance(s, Definition) for s in problem.statements)
    return loops or any(n in problem.symbols and problem.symbols[n].index is not None for n in names)


def through_recurrences(
    problem: Problem,
    names: Sequence[str],
    book: Tables,
    order: int,
    finish: Finish,
    sums: str = "kept",
    unroll: bool = False,
    layout: str = "gradient",
    structure: str = "projected",
) -> Told:
    """The derivation of the gradients by some names. ``finish`` leads on to the layout and convention asked for."""
    if not problem.objective.is_scalar:
        raise CannotDerive(
            f"{problem.objective_name} is {problem.objective.shape}, not a number: through recurrences and by families "
            "only a number is derived",
            hint=f"a loss of it is a number, as in loss({problem.objective})",
        )
    if order == 2:
        raise CannotDerive("second derivatives through recurrences and by families are not derived")
    system = system_of(problem, names, book)
    for n in (n for n in names if n in system.chain.families):
        if layout != "gradient":
            raise CannotDerive(f"gradients by the members of {n} are in the shape of the variable only")
        if not problem.facts.get(n, frozenset()).isdisjoint(("symmetric", "skew", "diagonal", "posdef")):
            raise CannotDerive(f"gradients by structured members ({n}) are not derived")
    told = _Telling(problem, system, book, sums, unroll, finish).told()
    told_of = _conventions(problem, names, book, told, layout, structure)
    return replace(told, conventions=tuple(dict.fromkeys(told_of)))


def _conventions(
    problem: Problem, names: Sequence[str], book: Tables, told: Told, layout: str, structure: str
) -> Iterator[str]:
    bodies = [problem.objective, *(e.term for e in told.back.setting.known.chain.equations)]
    shapes = defined_shapes(problem)
    for n in names:
        s = problem.symbols.get(n)
        name = n if s is None or s.index is None else f"{n}[{s.index}]"
        variable = terms.symbol(name, *(shapes[n] if s is None else s.shape))
        for body in bodies:
            q = Question(problem.objective_name, body, variable, told.back.setting, book)
            yield from conventions_of(q, "gradient", layout, structure)


def defined_shapes(problem: Problem) -> dict[str, Shape]:
    """The names that the statements define, with the shapes of what is first defined."""
    out: dict[str, Shape] = {}
    for s in problem.statements:
        for line in _lines_of(s):
            name = line.name if isinstance(line, Definition) else str(line.target.data[0])
            out.setdefault(name, line.term.shape)
    return out


class _Telling:
    """The lines of one system, made one after the other."""

    def __init__(self, problem: Problem, system: System, book: Tables, sums: str, unroll: bool, finish: Finish) -> None:
        self.problem = problem
        self.finish = finish
        self.sums = sums
        self.unroll = unroll
        self.system = system
        self.book = book
        self.chain: Chain = system.chain
        self.forms: dict[str, dict[Term, Term]] = {"put-in-cotangents": {}, "fold-members": {}, "unroll": {}}
        base = system.setting
        bodies = {d.name: d.term for d in problem.intermediates}
        self.setting = Backward(base.facts, base.varying, bodies, system, self.forms)
        self.members: dict[str, tuple[Lines, ...]] = {}
        self.known = (problem.objective, *(e.term for e in self.chain.equations))
        self.raw = raw_cotangents(system) if system.cotangents else []

    # -------------------------------------------------------------------------- all of it
    def told(self) -> Told:
        lines: list[Lines] = []
        final: dict[tuple[str, Range], Term] = {}
        for sweep in self.system.sweeps:
            for c in sweep.members:
                for s in c.segments[::-1] if c.down else c.segments:
                    made = self.cotangent(c, s)
                    lines.append(made)
                    final[c.name, s.range] = made.term
        statements = joined(statements_of(self.system, lambda c, s: final[c.name, s.range]))
        own, families = self.gradients()
        used = {n for s in (*statements, *(t for f in families.values() for t in f)) for n in _free(s)}
        used |= {n for steps in own.values() for n in steps[-1].after.free}
        named = tuple(_introduced(e) for e in self.system.introduced if e.name in used)
        every = tuple(_introduced(e) for e in self.system.introduced)
        checking = (*every, *self.raw_statements(statements), *statements)
        least = self.system.least
        closed = tuple(self.written_out()) if self.unroll else ()
        program = tuple(self.program({e.name for e in self.system.introduced if e.name in used}))
        back = Pass(
            (*named, *statements),
            program,
            len(named),
            checking,
            tuple(lines),
            families,
            self.members,
            closed,
            least,
            self.setting,
        )
        return Told(own, back, tuple(self.notes(named)))

    def program(self, names: set[str]) -> Iterator[Statement]:
        """The problem's statements with lines for the names that were introduced."""
        for place, s in enumerate(self.problem.statements):
            mine = [e for e in self.system.introduced if e.place == place and e.name in names]
            if not isinstance(s, Block) or not mine:
                yield s
                continue
            body: list[Boundary] = []
            for line in s.body:
                at = line.target.data[1]
                for e in mine:
                    term, target = (substitute_index(t, e.index, at) for t in (e.term, e.target))
                    shorter = terms.replace(line.term, {term: target})
                    if shorter is not line.term:
                        body.append(Boundary(target, term))
                        line = replace(line, term=shorter)
                body.append(line)
            yield replace(s, body=tuple(body))

    def notes(self, named: Sequence[Statement]) -> Iterator[str]:
        for g in self.system.gradients.values():
            if not any(s.parts for s in g.segments):
                yield f"{absent(self.problem, g.name)}: the derivative is zero"
        least = self.system.least
        if least > 1:
            ranges = [e.range for e in self.chain.equations] + [f.range for f in self.chain.families.values()]
            ends = [d for r in ranges if r is not None for d in r]
            lengths = dict.fromkeys(n for d in ends for n in d.names())
            yield f"for {', '.join(f'{n} >= {least}' for n in lengths)}"

    def raw_statements(self, final: Sequence[Statement]) -> Iterator[Statement]:
        """The cotangents that were put into others, which still occur in the lines."""
        defined = {n for s in final for n in _targets(s)}
        loose = [c for c in self.raw if c.name not in defined or self.is_own_position(c, defined)]
        system = replace(self.system, sweeps=sweeps(self.chain, self.raw))
        written = statements_of(system, lambda c, s: formula(s, c.target, c.index))
        if loose:
            yield from written

    def is_own_position(self, c: Cotangent, defined: set[str]) -> bool:
        return c.equation not in self.system.needed

    def written_out(self) -> Iterator[Lines]:
        """The recurrences in closed form, where they have one."""
        for sweep in self.system.sweeps:
            found = unrolled(self.system, sweep)
            if found is not None:
                member, term, index, where = found
                self.forms["unroll"][member] = term
                made = chain_move("unroll", member, self.setting, label=str(member))
                yield Lines(str(member), term, (made, *self.presented(term, str(member))), index, where, self.setting)

    # -------------------------------------------------------------------------- the recurrences
    def cotangent(self, c: Cotangent, s: Segment) -> Lines:
        """The short derivation of a cotangent's formula on one range."""
        e = self.chain.equations[c.equation]
        target, own = self.at(c.target, c.index, s.range), e.target
        if c.index and not e.index:
            own = self.chain.families[e.name].member(s.range.low)
        elif c.index and e.index != c.index:
            own = substitute_index(own, e.index, dim(c.index))
        own = self.at(own, c.index, s.range)
        raw = self.raw_segment(c, s)
        steps: list[Step] = []
        label = str(target)
        if raw is not None:
            index = self.chain.families[e.name].index if c.index else ""
            parts = [self.at(p.summed, index, s.range, c.index) for p in raw.parts]
            change = differential(own)
            line = terms.add(*(terms.inner(p, change) for p in parts)) if parts else terms.number(0)
            if parts:
                steps.append(chain_move("read-cotangent", line, self.setting, {"d": change}, label))
        more, term = self.finished(s, c.target, c.index, label, steps[-1].after if steps else None)
        index = "" if s.range.is_point else c.index
        return Lines(label, term, (*steps, *more), index, s.range if c.index else None, self.setting)

    def at(self, t: Term, index: str, where: Range, new: str = "") -> Term:
        """A term at the index of a range, or at its only position."""
        if not index:
            return t
        if where.is_point:
            return substitute_index(t, index, where.low)
        return substitute_index(t, index, dim(new)) if new and new != index else t

    def raw_segment(self, c: Cotangent, s: Segment) -> Segment | None:
        """What the cotangent was on this range before others were put in."""
        for r in self.raw:
            if r.equation == c.equation:
                inside = [x for x in r.segments if not c.index or self.chain.order.within(s.range, x.range)]
                return inside[0] if inside else None
        return None

    def finished(self, s: Segment, like: Term, index: str, label: str, start: Term | None) -> tuple[list[Step], Term]:
        """From the raw formula to the printed one: cotangents put in, definitions folded, written well."""
        steps: list[Step] = []
        put = formula(s, like, index)
        first = put if start is None else start
        if put is not first:
            self.forms["put-in-cotangents"][first] = put
            steps.append(chain_move("put-in-cotangents", first, self.setting, label=label))
        short = formula(Segment(s.range, tuple(folded(self.chain, p) for p in s.parts)), like, index)
        if short is not put:
            self.forms["fold-members"][put] = short
            steps.append(chain_move("fold-members", put, self.setting, label=label, level=2))
        steps += self.presented(short, label)
        term = steps[-1].after if steps else put
        plain = without_copies(term, self.book, self.setting, label)
        if plain is not None:
            steps += [plain, *self.presented(plain.after, label)]
        return steps, steps[-1].after if steps else put

    def presented(self, t: Term, label: str) -> list[Step]:
        plain = with_products(t)
        new, parts = present(plain, self.setting.facts, self.setting.definitions, self.known)
        if new is plain or cost(new) > cost(plain) - BETTER:
            new, parts = plain, ()
        elif self.setting.definitions:  # names may stand for what the first writing brought together
            shorter, more = present(new, self.setting.facts, self.setting.definitions, self.known)
            new, parts = shorter, (*parts, *more)
        if new is t:
            return []
        first = (Step("simplify", t, plain, "a scalar product of columns is a product"),) if plain is not t else ()
        inner = tuple(replace(p, level=2) for p in (*first, *parts))
        if len(inner) == 1:
            return [replace(inner[0], label=label, level=1)]
        reason = "; ".join(dict.fromkeys(p.reason for p in inner))
        return [Step("simplify", t, new, reason, label, substeps=inner)]

    # ---------------------------------------------------------------------------- the gradients
    def gradients(self) -> tuple[dict[str, tuple[Step, ...]], dict[str, tuple[Statement, ...]]]:
        shared = self.shared()
        lines: dict[str, tuple[Step, ...]] = {}
        families: dict[str, tuple[Statement, ...]] = {}
        last = shared[-1].after
        defined = {e.name for e in self.chain.equations}
        inputs = [name for name in self.system.gradients if name not in defined]
        for name, g in self.system.gradients.items():
            first = shared if name in inputs[:1] else ()  # d(L) is told in the changes of what is no definition
            if g.index:
                steps, families[name] = self.by_members(g, last)
            else:
                steps = self.by_symbol(g, last)
                steps += self.finish(name, steps[-1])
            lines[name] = (*first, *steps)
        return lines, families

    def by_symbol(self, g: Gradient, last: Term) -> list[Step]:
        """The gradient by a variable, read off the last line of ``dL``."""
        label = f"grad({self.problem.objective_name}, {g.name})"
        (s,) = g.segments
        if not s.parts:
            given = {"zero": terms.zeros(*g.variable.shape), "d": differential(g.variable)}
            reason = absent(self.problem, g.name)
            return [chain_move("is-absent", last, self.setting, given, label, reason)]
        defined = any(e.name == g.name for e in self.chain.equations)
        if defined:
            return self.by_definition(formula(s, g.variable, ""), g, s, label)
        read = chain_move("read-part", last, self.setting, {"d": differential(g.variable)}, label)
        steps = [read, *self.finished(s, g.variable, "", label, read.after)[0]]
        if self.sums != "kept":
            steps += rewritten(self.sums, steps[-1].after, self.book.rules, self.setting, label)
            steps += self.presented(steps[-1].after, label)
        return steps

    def by_definition(self, raw: Term, g: Gradient, s: Segment, label: str) -> list[Step]:
        """The gradient by a name that the program defines: its cotangent."""
        change = differential(g.variable)
        read = chain_move("read-cotangent", terms.inner(raw, change), self.setting, {"d": change}, label)
        return [read, *self.finished(s, g.variable, "", label, raw)[0]]

    def by_members(self, g: Gradient, last: Term) -> tuple[list[Step], tuple[Statement, ...]]:
        """The gradient by each member of a family; the lines are those of the longest range."""
        name = f"grad_{g.name}"
        told: list[Lines] = []
        starts: list[Term] = []
        for s in g.segments:
            member = self.at(g.variable, g.index, s.range)
            label = f"grad({self.problem.objective_name}, {member})"
            raw = self.raw_members(g, s)
            start = formula(s, g.variable, g.index) if raw is None else raw
            steps, term = self.finished(s, g.variable, g.index, label, start)
            starts.append(start)
            told.append(Lines(label, term, tuple(steps), g.index, s.range, self.setting))
        target = terms.element(name, dim(g.index), g.variable.shape)
        together = joined_lines(told, g.index)
        ranges = [where for t in together if (where := t.whole or t.range) is not None]
        statements = tuple(
            at_range(target, t.term, g.index, where, False) for t, where in zip(together, ranges, strict=True)
        )
        found = [i for i, s in enumerate(g.segments) if s.parts] or [0]
        i = next((i for i in found if not g.segments[i].range.is_point), found[0])
        first = next(t for t in together if t.label == told[i].label)
        self.members[g.name] = (first, *(t for t in together if t is not first))
        if any(e.name == g.name for e in self.chain.equations):
            change = differential(self.at(g.variable, g.index, g.segments[i].range))
            line = terms.inner(starts[i], change)
            read = chain_move("read-cotangent", line, self.setting, {"d": change}, told[i].label)
        else:
            where = g.segments[i].range
            change = differential(self.at(g.variable, g.index, where))
            given = {"d": change, "low": terms.size(where.low)}
            read = chain_move("read-member", last, self.setting, given, told[i].label)
        return [read, *told[i].steps], statements

    def raw_members(self, g: Gradient, s: Segment) -> Term | None:
        """What the gradient by members was on this range before cotangents were put in."""
        raw = self.system.raw_gradients[g.name]
        inside = [x for x in raw.segments if self.chain.order.within(s.range, x.range)]
        return formula(Segment(s.range, inside[0].parts), g.variable, g.index) if inside else None

    # ------------------------------------------------------------------------------ the lines of dL
    def shared(self) -> list[Step]:
        """From ``d(L)`` to a form in the changes of the variables alone."""
        label = f"d({self.problem.objective_name})"
        start = move("differential", self.problem.objective, self.setting, label=label, level=1)
        assert start is not None
        opened = move("unit-cotangent", start.after, self.setting)
        assert opened is not None
        steps = [start, *opened_lines(start, opened, self.system.walks[OBJECTIVE], label)]
        if not self.system.cotangents:
            return [*steps, *self.collected(steps[-1].after, label)]
        inner = self.through_the_program(steps[-1].after, label)
        if len(self.system.cotangents) <= FEW:
            return [*steps, *inner]
        reason = "the changes of the members follow from each other; the cotangents are chosen such that they drop out"
        parts = tuple(replace(s, level=2) for s in inner)
        return [*steps, Step("adjoint-recurrence", inner[0].before, inner[-1].after, reason, label, substeps=parts)]

    def through_the_program(self, line: Term, label: str) -> list[Step]:
        steps = [chain_move("tangent-recurrence", line, self.setting, label=label)]
        done: set[Term] = set()
        for e in self.chain.equations:
            done |= leaf_differentials(e.term, self.setting) | {differential(e.target)}
        done |= leaf_differentials(self.problem.objective, self.setting)
        walk = list(reverse(steps[-1].after, self.book, self.setting, done, label))
        if walk:
            parts = tuple(p for s in walk for p in (s.substeps or (replace(s, level=2),)))
            reason = "everything moves over to the other side, and sums are added up part by part"
            steps.append(Step("adjoints", walk[0].before, walk[-1].after, reason, label, substeps=parts))
        for name in ("shift-index", "collect-members", "choose-cotangent"):
            made = chain_move(name, steps[-1].after, self.setting, label=label, reason=self.reason(name))
            if made.after is not made.before:
                steps.append(made)
        return steps

    def collected(self, line: Term, label: str) -> list[Step]:
        """Without recurrences: what belongs to one member's change in one place, where it is not already."""
        steps: list[Step] = []
        if is_collected(self.system, line):
            return steps
        for name in ("shift-index", "collect-members"):
            made = chain_move(name, line, self.setting, label=label, reason=self.reason(name))
            if made.after is not line:
                steps.append(made)
            line = made.after
        return steps

    def reason(self, name: str) -> str:
        if name != "collect-members":
            return ""
        zeros = dict.fromkeys(str(z) for c in self.raw for z in c.zeros)
        told = f", with {', '.join(f'{z} = 0' for z in zeros)}" if zeros else ""
        return f"what is paired with the change of the same member is added{told}"


def _introduced(e: Equation) -> Statement:
    assert e.range is not None
    return Block(e.index, e.range.low, e.range.high, (Boundary(e.target, e.term),), down=e.down)


def _lines_of(s: Statement) -> tuple[Definition | Boundary, ...]:
    return s.body if isinstance(s, Block) else (s,)


def _free(s: Statement) -> set[str]:
    return {n for line in _lines_of(s) for n in line.term.free}


def _targets(s: Statement) -> set[str]:
    return {line.name if isinstance(line, Definition) else str(line.target.data[0]) for line in _lines_of(s)}
