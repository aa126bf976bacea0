"""The backward recurrences of a program: the cotangents of its equations, and the gradients in terms of them.

The derivative of a loop is a loop in the other direction.  Here the parts of :mod:`matcalc.calculus.cotangents` and the
segments of :mod:`matcalc.calculus.segments` become a *system*: statements of the language that can be run after the
program's own, printed, checked and lowered as they stand.

Invariant: what a system assumes of lengths is in ``least``, and everything in it is true for all lengths from there on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from matcalc.calculus.chain import Chain, Equation, chain_of
from matcalc.calculus.cotangents import OBJECTIVE, Part, eliminated, parts_of, walked
from matcalc.calculus.differential import Tables
from matcalc.calculus.naming import named_arguments
from matcalc.calculus.segments import Cotangent, Segment, Sweep, cotangent_of, cut, sweeps
from matcalc.errors import CannotDerive
from matcalc.language import terms
from matcalc.language.binders import substitute_index
from matcalc.language.dims import Dim, dim
from matcalc.language.indices import Order, Range, Undecided
from matcalc.language.problem import Block, Boundary, Definition, Problem, Statement
from matcalc.language.terms import Term, subterms
from matcalc.rewriting.engine import Setting
from matcalc.rewriting.steps import Step

__all__ = ["Gradient", "System", "member_ranges", "system_of", "with_lengths"]

LONGEST = 3  # lengths from there on are tried: a formula that needs longer ones is not derived
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Gradient:
    """The gradient by a name: parts to be added, for a family in segments of its range."""

    name: str
    variable: Term  # for a family its member at the index
    index: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class System:
    """What was found for one problem. ``walks`` are the lines of the reverse walks, by equation (or OBJECTIVE)."""

    chain: Chain
    setting: Setting
    names: tuple[str, ...]
    cotangents: Mapping[int, Term]  # the name of every equation's cotangent, at the equation's own index
    walks: Mapping[int, tuple[Step, ...]]
    raw: tuple[Part, ...]  # every part, before elimination
    parts: tuple[Part, ...]  # after it
    sweeps: tuple[Sweep, ...]
    gradients: Mapping[str, Gradient]
    raw_gradients: Mapping[str, Gradient]  # before elimination
    introduced: tuple[Equation, ...] = ()
    needed: frozenset[int] = frozenset()  # the equations whose cotangents are left
    least: int = field(default=1)


def with_lengths(work: Callable[[Order], T]) -> tuple[T, int]:
    """The result of some work under the weakest assumption on lengths that decides it."""
    for least in range(1, LONGEST + 1):
        try:
            return work(Order(least)), least
        except Undecided as undecided:
            last = undecided
    raise last.told


def system_of(problem: Problem, names: Sequence[str], book: Tables) -> System:
    """The system of a problem for the gradients by some names."""
    found, least = with_lengths(lambda order: _system(problem, tuple(names), book, order))
    return replace(found, least=least)


def _system(problem: Problem, names: tuple[str, ...], book: Tables, order: Order) -> System:
    plain = chain_of(problem, order)
    chain, introduced = named_arguments(plain, _varying(plain, names))
    varying = _varying(chain, names)
    setting = Setting(problem.facts, varying)
    cotangents = _cotangents(chain, setting)
    walks: dict[int, tuple[Step, ...]] = {}
    raw: list[Part] = []
    for number, line, steps in _lines(chain, cotangents, book, setting):
        walks[number] = steps
        around = () if number == OBJECTIVE else chain.equations[number].binders
        raw += parts_of(chain, number, line, around)
    raw, cotangents = _reached(chain, raw, cotangents)
    parts = eliminated(chain, list(raw), names, dict(cotangents))
    needed = frozenset(p.source for p in parts) - {OBJECTIVE}
    called = _called(chain, cotangents, needed, problem)
    raw, parts = [_renamed_part(p, called) for p in raw], [_renamed_part(p, called) for p in parts]
    cotangents = {i: terms.replace(t, _renaming(t, called)) for i, t in cotangents.items()}
    walks = {i: tuple(_renamed_step(s, called) for s in steps) for i, steps in walks.items()}
    left = [cotangent_of(chain, i, cotangents[i], parts, cotangents) for i in sorted(needed, key=lambda i: (-i,))]
    return System(
        chain=chain,
        setting=setting,
        names=names,
        cotangents=cotangents,
        walks=walks,
        raw=tuple(raw),
        parts=tuple(parts),
        sweeps=sweeps(chain, left),
        gradients={n: _gradient(chain, n, parts) for n in names},
        raw_gradients={n: _gradient(chain, n, raw) for n in names},
        introduced=introduced,
        needed=needed,
    )


def _varying(chain: Chain, names: Sequence[str]) -> frozenset[str]:
    """The names that move with those asked for."""
    out = set(names)
    grown = True
    while grown:
        grown = False
        for e in chain.equations:
            if e.name not in out and not out.isdisjoint(e.term.varies):
                out.add(e.name)
                grown = True
    return frozenset(out)


def _cotangents(chain: Chain, setting: Setting) -> dict[int, Term]:
    """A name for the cotangent of every equation that varies, at the equation's own index."""
    out: dict[int, Term] = {}
    for i, e in enumerate(chain.equations):
        if setting.constant(e.term):
            continue
        name = f"delta_{e.name}"
        if e.range is None:
            out[i] = terms.symbol(name, *e.target.shape)
        else:
            out[i] = terms.element(name, e.target.data[1], e.target.shape)
    return out


def _lines(
    chain: Chain, cotangents: Mapping[int, Term], book: Tables, setting: Setting
) -> Iterator[tuple[int, Term, tuple[Step, ...]]]:
    """The reverse walks: for the objective and every equation the last line, and the steps to it."""
    every = [(OBJECTIVE, chain.problem.objective, terms.number(1))]
    every += [(i, chain.equations[i].term, c) for i, c in cotangents.items()]
    for number, term, cotangent in every:
        steps = tuple(walked(term, cotangent, book, setting, ""))
        line = steps[-1].after if steps else terms.inner(cotangent, terms.differential(term))
        yield number, line, steps


def _reached(chain: Chain, parts: list[Part], cotangents: dict[int, Term]) -> tuple[list[Part], dict[int, Term]]:
    """Without what comes from equations that the objective does not depend on."""
    found = {OBJECTIVE}
    grown = True
    while grown:
        grown = False
        for p in parts:
            if p.source in found:
                for i in cotangents:
                    if i not in found and chain.equations[i].name == p.name and _meets(chain, p, chain.equations[i]):
                        found.add(i)
                        grown = True
    return [p for p in parts if p.source in found], {i: c for i, c in cotangents.items() if i in found}


def _meets(chain: Chain, p: Part, e: Equation) -> bool:
    return e.range is None or chain.order.may_meet(p.range, e.range)


# -------------------------------------------------------------------------------- naming
def _called(chain: Chain, cotangents: Mapping[int, Term], needed: frozenset[int], problem: Problem) -> dict[str, str]:
    """Final names of cotangents: ``delta`` where only one family's is left, and none that the problem uses."""
    own = {*problem.symbols, *problem.functions, *chain.families, *(e.name for e in chain.equations)}
    own |= {problem.objective_name, *(n for e in chain.equations for n in terms.size_names(e.term))}
    out: dict[str, str] = {}
    left = dict.fromkeys(str(_name(cotangents[i])) for i in sorted(needed))
    for old in dict.fromkeys(str(_name(c)) for c in cotangents.values()):
        wanted = "delta" if len(left) == 1 and old in left else old
        several = (wanted, old, *(f"{old}{n}" for n in range(1, 100)))
        out[old] = next(n for n in several if n not in own and n not in out.values())
    return out


def _name(t: Term) -> object:
    return t.data if t.op == "sym" else t.data[0]


def _renaming(t: Term, called: Mapping[str, str]) -> dict[Term, Term]:
    """The leaves of a term that are called otherwise in the end."""
    out: dict[Term, Term] = {}
    for s in subterms(t):
        if s.op == "elem" and s.data[0] in called:
            out[s] = terms.element(called[s.data[0]], s.data[1], s.shape)
        elif s.op == "sym" and s.data in called:
            out[s] = terms.symbol(called[s.data], *s.shape)
    return out


def _renamed_part(p: Part, called: Mapping[str, str]) -> Part:
    return replace(p, term=terms.replace(p.term, _renaming(p.term, called)))


def _renamed_step(s: Step, called: Mapping[str, str]) -> Step:
    def new(t: Term) -> Term:
        return terms.replace(t, _renaming(t, called))

    return replace(
        s,
        before=new(s.before),
        after=new(s.after),
        bindings={n: new(t) for n, t in s.bindings.items()},
        substeps=tuple(_renamed_step(x, called) for x in s.substeps),
    )


# ------------------------------------------------------------------------------ gradients
def _gradient(chain: Chain, name: str, parts: Sequence[Part]) -> Gradient:
    own = [p for p in parts if p.name == name]
    family = chain.families.get(name)
    if family is None:
        return Gradient(name, chain.problem.variable(name), "", (Segment(Range(dim(0), dim(0)), tuple(own)),))
    if family.range is None:
        raise CannotDerive(f"the range of the indices at which {name} is read is not known")
    member = family.member(dim(family.index))
    return Gradient(name, member, family.index, cut(chain.order, family.range, own, family.index))


def formula(segment: Segment, like: Term, index: str) -> Term:
    """The sum of the parts of a segment; zero where there are none. At one position that is put in for the index."""
    summed = [p.summed for p in segment.parts] or [terms.zeros(*like.shape)]
    if index and segment.range.is_point:
        summed = [substitute_index(t, index, segment.range.low) for t in summed]
    return terms.add(*summed)


# ---------------------------------------------------------------------------------- ranges
def member_ranges(problem: Problem, statements: Sequence[Statement]) -> dict[str, tuple[Dim, Dim]]:
    """The first and the last index at which a member of each family is, cotangents included, where that is known."""

    def work(order: Order) -> dict[str, tuple[Dim, Dim]]:
        chain = chain_of(problem, order)
        out = {n: (f.range.low, f.range.high) for n, f in chain.families.items() if f.range is not None}
        found: dict[str, list[Range]] = {}
        for s in statements:
            for name, where in _defined_at(s):
                found.setdefault(name, []).append(where)
        for name, ranges in found.items():
            out[name] = (order.min(r.low for r in ranges), order.max(r.high for r in ranges))
        return out

    return with_lengths(work)[0]


def _defined_at(s: Statement) -> Iterator[tuple[str, Range]]:
    if isinstance(s, Boundary):
        yield s.target.data[0], Range(s.target.data[1], s.target.data[1])
    elif isinstance(s, Block):
        for line in s.body:
            name, at = line.target.data
            shift = at - dim(s.index)
            yield name, Range(line.low or s.low, line.high or s.high).shifted(shift)


# ------------------------------------------------------------------------------ statements
Present = Callable[[Term, "Range | None"], Term]


def statements_of(system: System, written: Callable[[Cotangent, Segment], Term]) -> Iterator[Statement]:
    """The cotangents as statements of the language, in the order in which they are run."""
    zeros: dict[Term, None] = {}
    for sweep in system.sweeps:
        for z in dict.fromkeys(z for c in sweep.members for z in c.zeros):
            if z not in zeros:
                zeros[z] = None
                yield Boundary(z, terms.zeros(*z.shape))
        yield from _statements(sweep, written)


def _statements(sweep: Sweep, written: Callable[[Cotangent, Segment], Term]) -> Iterator[Statement]:
    if len(sweep.members) == 1:
        (c,) = sweep.members
        if c.target.op == "sym":
            yield Definition(c.name, written(c, c.segments[0]))
            return
        segments = c.segments[::-1] if sweep.down else c.segments
        for s in segments:
            yield at_range(c.target, written(c, s), c.index, s.range, sweep.down and sweep.loops)
        return
    assert sweep.range is not None
    lines: list[Boundary] = []
    for c in sweep.members:
        segments = c.segments[::-1] if sweep.down else c.segments
        for s in segments:
            whole = s.range == sweep.range
            ends = (None, None) if whole else tuple(s.range)
            lines.append(Boundary(c.target, written(c, s), low=ends[0], high=ends[1]))
    yield Block(sweep.index, sweep.range.low, sweep.range.high, tuple(lines), down=sweep.down)


def at_range(target: Term, term: Term, index: str, where: Range, down: bool) -> Statement:
    """A definition of members for a range, or of one member."""
    if where.is_point:
        return Boundary(substitute_index(target, index, where.low), substitute_index(term, index, where.low))
    return Block(index, where.low, where.high, (Boundary(target, term),), down=down)
