"""The steps of a backward derivation that no rule of the book can state: they speak of a whole program.

``dL`` is a form in the changes of everything that varies.  The *tangent recurrences* say how the changes of members
follow from each other; each, paired with its cotangent, is zero and may be added.  The *indices are shifted* until
every change stands at its own index; what belongs to one change is *collected*; and the *cotangents are chosen* such
that nothing is left but the changes of the variables.

Invariant: a move here gives a term of the same value wherever the members satisfy their equations and the cotangents
their recurrences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from matcalc.calculus.chain import Chain
from matcalc.calculus.cotangents import OBJECTIVE, Part, contributions, solved
from matcalc.calculus.recurrence import System, formula
from matcalc.calculus.segments import Cotangent, Segment, cotangent_of
from matcalc.language import terms
from matcalc.language.binders import bind, instantiate, substitute_index
from matcalc.language.dims import dim
from matcalc.language.indices import Binder, Range
from matcalc.language.terms import Path, Term, differential, put, subterms
from matcalc.rewriting.engine import Setting
from matcalc.rewriting.steps import Step

__all__ = ["CHAIN_MOVES", "CHAIN_READINGS", "Backward", "chain_move", "is_collected", "raw_cotangents"]

Given = Mapping[str, Term]


@dataclass(frozen=True, slots=True)
class Backward(Setting):
    """What is known while a backward derivation runs: the system, and the forms its formulas went through."""

    system: System | None = None
    forms: Mapping[str, Mapping[Term, Term]] = field(default_factory=dict)  # by rule: before -> after

    @property
    def known(self) -> System:
        assert self.system is not None
        return self.system


def raw_cotangents(system: System) -> list[Cotangent]:
    """The formulas of every cotangent before any is put into another."""
    chain, names = system.chain, system.cotangents
    return [cotangent_of(chain, i, names[i], system.raw, names) for i in sorted(names, reverse=True)]


# ------------------------------------------------------------------------- tangent recurrences
def _constraints(system: System) -> Iterator[Term]:
    """For every equation that varies: its cotangent, paired with a change that is zero."""
    for i, cotangent in system.cotangents.items():
        e = system.chain.equations[i]
        change = terms.inner(cotangent, differential(e.term))
        own = terms.inner(terms.neg(cotangent), differential(e.target))
        yield _closed(terms.add(change, own), e.binders)


def _closed(t: Term, binders: tuple[Binder, ...]) -> Term:
    for b in reversed(binders):
        t = bind("sumover", b.name, b.low, b.high, t)
    return t


def _tangent_recurrence(t: Term, given: Given, setting: Backward) -> Term | None:
    """The changes of members follow from each other: what is added is zero."""
    return terms.add(t, *_constraints(setting.known))


# ---------------------------------------------------------------------------------- shifting
def _shifted(t: Term, given: Given, setting: Backward) -> Term | None:
    """Every sum over an index such that the change in it stands at the index of the sum."""
    return terms.add(*(_at_own_index(setting.known, p) for p in _parts(setting.known.chain, t)))


def _parts(chain: Chain, t: Term) -> Iterator[Part]:
    taken = {*chain.families, *(f.index for f in chain.families.values())}
    for leaf, binders, term in contributions(t, (), taken):
        yield Part(leaf, OBJECTIVE, binders, term)


def is_collected(system: System, t: Term) -> bool:
    """Whether what is paired with the change of a variable's member stands in one place, under the member's index."""
    parts = [p for p in _parts(system.chain, t) if p.is_member]
    counts = {n: sum(bool(s.parts) for s in g.segments) for n, g in system.raw_gradients.items() if g.index}
    simple = all(not p.binders or [p.target.data[1]] == [dim(b.name) for b in p.binders] for p in parts)
    return simple and all(sum(p.name == n for p in parts) == k for n, k in counts.items())


def _at_own_index(system: System, p: Part) -> Term:
    if not p.is_member:
        return _closed(terms.inner(p.term, differential(p.target)), p.binders)
    p = solved(system.chain, p)
    return _members(p.range, p.binders[0].name, p.summed, p.target)


def _members(where: Range, index: str, term: Term, member: Term) -> Term:
    """The inner products with the changes of members, summed over a range; at one position, the one there."""
    if where.is_point:
        return terms.inner(*(substitute_index(t, index, where.low) for t in (term, differential(member))))
    return bind("sumover", index, where.low, where.high, terms.inner(term, differential(member)))


# -------------------------------------------------------------------------------- collecting
def _collected(t: Term, given: Given, setting: Backward) -> Term | None:
    """What is paired with the change of one member, for the ranges where the same formula holds."""
    system = setting.known
    out = [_bracket(system, c, s) for c in raw_cotangents(system) for s in c.segments]
    return terms.add(*out, *_variables(system))


def _bracket(system: System, c: Cotangent, s: Segment) -> Term:
    e = system.chain.equations[c.equation]
    if not c.index:
        return terms.inner(terms.sub(formula(s, e.target, ""), c.target), differential(e.target))
    member = system.chain.families[e.name].member(dim(c.index)) if not e.index else e.target
    own, target = c.target, member
    if s.range.is_point:
        own, target = (substitute_index(x, c.index, s.range.low) for x in (own, target))
        return terms.inner(terms.sub(formula(s, target, c.index), own), differential(target))
    body = terms.inner(terms.sub(formula(s, target, c.index), own), differential(target))
    return bind("sumover", c.index, s.range.low, s.range.high, body)


def _variables(system: System) -> Iterator[Term]:
    """What is paired with the changes of the variables."""
    defined = {e.name for e in system.chain.equations}
    for name, g in system.raw_gradients.items():
        if name in defined:
            continue
        for s in g.segments:
            if not s.parts:
                continue
            if not g.index:
                yield terms.inner(formula(s, g.variable, ""), differential(g.variable))
            else:
                at = substitute_index(g.variable, g.index, s.range.low) if s.range.is_point else g.variable
                yield _members(s.range, g.index, formula(s, at, g.index), g.variable)


def _chosen(t: Term, given: Given, setting: Backward) -> Term | None:
    """The cotangents are such that the changes of members drop out."""
    left = list(_variables(setting.known))
    return terms.add(*left) if left else terms.number(0)


# ------------------------------------------------------------------------------------ reading
def _read_part(t: Term, given: Given, setting: Setting) -> Term | None:
    """The gradient by one of several variables: what its change is paired with."""
    change = given["d"]
    found = [s.args[0] for s in (t.args if t.op == "add" else (t,)) if s.op == "inner" and s.args[1] is change]
    return terms.add(*found) if found else None


def _read_cotangent(t: Term, given: Given, setting: Setting) -> Term | None:
    """What is paired with the change of a member, added."""
    return _read_part(t, given, setting)


def _read_member(t: Term, given: Given, setting: Backward) -> Term | None:
    """The gradient by one member of a range, which begins at ``low``: what its change is paired with under the sum."""
    change = given["d"]
    index = change.args[0].data[1].names()
    for s in t.args if t.op == "add" else (t,):
        if s.op == "sumover" and index and terms.size(s.data[0]) is given["low"]:
            s = instantiate(s, dim(index[0]))
        if s.op == "inner" and s.args[1] is change:
            return s.args[0]
    return None


def _absent(t: Term, given: Given, setting: Backward) -> Term | None:
    """The gradient by a variable whose change is not there."""
    return given["zero"] if given["d"] not in set(subterms(t)) else None


def _form(rule: str) -> Callable[[Term, Given, Backward], Term | None]:
    return lambda t, given, setting: setting.forms[rule].get(t)


CHAIN_READINGS = frozenset(("read-part", "read-cotangent", "read-member", "is-absent"))
CHAIN_MOVES: dict[str, Callable[[Term, Given, Backward], Term | None]] = {
    "tangent-recurrence": _tangent_recurrence,
    "shift-index": _shifted,
    "collect-members": _collected,
    "choose-cotangent": _chosen,
    "read-cotangent": _read_cotangent,
    "read-part": _read_part,
    "read-member": _read_member,
    "is-absent": _absent,
    "put-in-cotangents": _form("put-in-cotangents"),
    "fold-members": _form("fold-members"),
    "unroll": _form("unroll"),
}

REASONS = {
    "tangent-recurrence": "the changes of members follow from each other: what is added is zero for any cotangents",
    "shift-index": "every sum is counted by the index of the change in it",
    "collect-members": "what is paired with the change of the same member is added",
    "choose-cotangent": "the cotangents are chosen such that the changes of the members drop out",
    "read-cotangent": "the cotangent is what the change is paired with",
    "read-part": "read off the gradient",
    "read-member": "read off the gradient by one member",
    "is-absent": "the variable does not occur",
    "put-in-cotangents": "cotangents that are used once are put in",
    "fold-members": "by definition",
    "unroll": "every step back multiplies by one more matrix from the left",
}


def chain_move(
    name: str,
    line: Term,
    setting: Backward,
    given: Given | None = None,
    label: str = "",
    reason: str = "",
    level: int = 1,
    path: Path = (),
) -> Step:
    """The step that makes a move of this module."""
    new = CHAIN_MOVES[name](line, given or {}, setting)
    assert new is not None, name
    after = put(line, path, new)
    return Step(name, line, after, reason or REASONS[name], label, path, bindings=dict(given or {}), level=level)
