"""Opaque losses in programs with families: where they are called, and their gradients there as inputs of the code.

``L = sum(t in 1..T, loss(h[t], y[t]))`` gives ``forward`` the output ``h[1..T]``; ``grad_1(loss)(h[t], y[t])`` is then
member t of ``upstream``.

Invariant: every gradient of a loss in a term that was *heard* is a member of an input or an input.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from matcalc.code.backward import compared, expanded, values_in
from matcalc.code.loop_text import index_name
from matcalc.code.names import Namer
from matcalc.code.stores import Store
from matcalc.language import terms as T
from matcalc.language.binders import BINDERS, instantiate, substitute_index
from matcalc.language.dims import Dim, Shape, dim
from matcalc.language.problem import Block, Definition, Statement
from matcalc.language.terms import Term, subterms

__all__ = ["Heard", "Output", "Site", "calls_of", "heard", "values_needed"]


@dataclass(frozen=True, slots=True)
class Site:
    """A call of a loss, at every index of a range, or (without an index) once."""

    call: Term
    index: str = ""
    low: Dim | None = None
    high: Dim | None = None

    def member(self, arguments: Sequence[Term], bodies: Mapping[str, Term]) -> Dim | None:
        """The index at which this call has the given arguments. None: at none."""
        wanted = [_key(a, bodies) for a in arguments]
        if not self.index:
            return dim(0) if wanted == [_key(a, bodies) for a in self.call.args] else None
        own = [
            s.data for a in self.call.args for s in subterms(a) if s.op == "elem" and self.index in s.data[1].names()
        ]
        given = [s.data for a in arguments for s in subterms(a) if s.op == "elem"]
        for name, at in own:
            for other, place in given:
                index = place - (at - dim(self.index))
                if other == name and wanted == [
                    _key(substitute_index(a, self.index, index), bodies) for a in self.call.args
                ]:
                    return dim(index)
        return None


@dataclass(frozen=True, slots=True)
class Output:
    """An argument of a loss whose gradient is wanted, and the name of the input that gives it."""

    site: Site
    number: int
    name: str
    variable: str
    gradient: Term  # what it is, at the index of the call

    @property
    def label(self) -> str:
        """What it is called where it is returned."""
        return self.variable.replace("upstream", "output")

    @property
    def argument(self) -> Term:
        return self.site.call.args[self.number]

    def at(self, index: Dim) -> Term:
        shape = self.argument.shape
        if not self.site.index:
            return T.symbol(self.name, *shape)
        return T.element(self.name, index, shape)

    @property
    def store(self) -> Store | None:
        s = self.site
        if s.low is None or s.high is None:
            return None
        return Store(self.name, self.variable, s.low, s.high, s.index, Shape(*self.argument.shape))


@dataclass(frozen=True, slots=True)
class Heard:
    """What is computed, in terms of the gradients of losses as inputs."""

    statements: tuple[Statement, ...]
    answers: Mapping[str, Term]
    families: Mapping[str, tuple[Statement, ...]]
    outputs: tuple[Output, ...]
    linear: Term  # the objective with every loss replaced by its part that is linear in what it is of
    linear_program: tuple[Statement, ...]
    plain: bool  # the objective is the sum of one loss of one output


def _key(t: Term, bodies: Mapping[str, Term]) -> Term:
    return compared(expanded(t, bodies))


def values_needed(program: Sequence[Statement], objective: Term, derivatives: Sequence[Term]) -> set[str]:
    """The opaque functions that cannot be losses: whose values are needed, or that are called in loops in loops."""
    found: set[str] = set()
    for t in (objective, *(t for s in program for t in _terms(s))):
        depth = 1 if t is not objective and any(isinstance(s, Block) and t in _terms(s) for s in program) else 0
        found |= values_in(t, ()) | _nested(t, depth)
    return found | values_in(None, derivatives)


def _nested(t: Term, depth: int) -> set[str]:
    """The functions called in a sum in a sum or loop, or in a product over an index."""
    if t.op == "call" and depth > 1:
        return {t.data[0], *(n for a in t.args for n in _nested(a, depth))}
    deeper = 2 if t.op in BINDERS and t.op != "sumover" else depth + (t.op in BINDERS)
    return {n for a in t.args for n in _nested(a, deeper)}


def calls_of(program: Sequence[Statement], objective: Term, others: Collection[str]) -> list[Site]:
    """Every call of an opaque scalar function that is none of ``others``."""
    found: dict[Site, None] = {}
    for s in program:
        if isinstance(s, Block):
            for line in s.body:
                where = Site(line.term, s.index, line.low or s.low, line.high or s.high)
                found.update(dict.fromkeys(_calls(line.term, where)))
        else:
            found.update(dict.fromkeys(_calls(s.term, Site(s.term))))
    found.update(dict.fromkeys(_calls(objective, Site(objective))))
    return [s for s in found if s.call.data[0] not in others]


def _calls(t: Term, where: Site) -> Iterator[Site]:
    if t.op == "call" and t.is_scalar:
        yield replace(where, call=t)
    elif t.op in BINDERS:
        if where.index or t.op != "sumover":  # what is called there is no loss
            return
        index = index_name(t, ())
        low, high = t.data
        yield from _calls(instantiate(t, dim(index)), Site(t, index, low, high))
    else:
        for a in t.args:
            yield from _calls(a, where)


def _mapped(s: Statement, change: Callable[[Term], Term]) -> Statement:
    if isinstance(s, Block):
        return replace(s, body=tuple(replace(line, term=change(line.term)) for line in s.body))
    return replace(s, term=change(s.term))


def _terms(s: Statement) -> list[Term]:
    return [line.term for line in s.body] if isinstance(s, Block) else [s.term]


def heard(
    sites: Sequence[Site],
    program: Sequence[Statement],
    objective: Term,
    statements: Sequence[Statement],
    answers: Mapping[str, Term],
    families: Mapping[str, Sequence[Statement]],
    namer: Namer,
) -> Heard | None:
    """The gradients of losses as inputs, in everything that is computed. None: they are not those of one call each."""
    bodies = {d.name: d.term for d in program if isinstance(d, Definition)}
    every = [*answers.values(), *(t for s in statements for t in _terms(s))]
    every += [t for f in families.values() for s in f for t in _terms(s)]
    wanted: dict[tuple[int, int], dict[Term, Dim]] = {}
    names = {s.call.data[0] for s in sites}
    for t in dict.fromkeys(s for e in every for s in subterms(e) if s.op == "grad" and s.data[0] in names):
        site = _site_of(t, sites, bodies)
        if site is None:
            return None
        wanted.setdefault((site[0], t.data[1]), {})[t] = site[1]
    keys = sorted(wanted or [(k, n) for k, s in enumerate(sites) for n in range(len(s.call.args))])
    outputs = []
    for number, (k, argument) in enumerate(keys, 1):
        name = namer.exact("upstream" if len(keys) == 1 else f"upstream_{number}")
        call = sites[k].call
        here = T.make("grad", *call.args, data=(call.data[0], argument))
        outputs.append(Output(sites[k], argument, f"·{name}", name, here))
    table = {t: o.at(i) for o, key in zip(outputs, keys, strict=True) for t, i in wanted.get(key, {}).items()}
    if any(o.store is not None and o.store.is_list for o in outputs):  # members of different shapes
        return None

    def change(t: Term) -> Term:
        return T.replace(t, table)

    def linear(t: Term) -> Term:
        calls = dict.fromkeys(s for s in subterms(t) if s.op == "call" and s.data[0] in names)
        return T.replace(t, {c: _linear(c, sites, outputs, bodies) for c in calls})

    whole = expanded(objective, bodies)
    inside = instantiate(whole, dim("·")) if whole.op == "sumover" else whole
    return Heard(
        tuple(_mapped(s, change) for s in statements),
        {n: change(t) for n, t in answers.items()},
        {n: tuple(_mapped(s, change) for s in f) for n, f in families.items()},
        tuple(outputs),
        linear(objective),
        tuple(_mapped(s, linear) for s in program),
        inside.op == "call" and len(outputs) == 1,
    )


def _site_of(t: Term, sites: Sequence[Site], bodies: Mapping[str, Term]) -> tuple[int, Dim] | None:
    """The call whose gradient a term is, and at which index. None: of none, or of several."""
    found = [
        (k, index)
        for k, s in enumerate(sites)
        if s.call.data[0] == t.data[0] and (index := s.member(t.args, bodies)) is not None
    ]
    return found[0] if len(found) == 1 else None


def _linear(c: Term, sites: Sequence[Site], outputs: Sequence[Output], bodies: Mapping[str, Term]) -> Term:
    """A call as the inner product of what it is of with its gradient there."""
    parts = []
    for o in outputs:
        if o.site.call.data[0] != c.data[0]:
            continue
        index = o.site.member(c.args, bodies)
        if index is not None:
            pair = (o.at(index), c.args[o.number])
            parts.append(T.mul(*pair) if pair[0].is_scalar else T.inner(*pair))
    return T.add(*parts) if len(parts) > 1 else parts[0] if parts else T.number(0)
