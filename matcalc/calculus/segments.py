"""From the parts of cotangents to recurrences: where which formula holds, the order to run them in, and their zeros.

The parts of a cotangent hold on ranges.  Where all hold on the whole range, or fall short only where a cotangent beyond
the last index may be read as zero, there is one formula (``delta[T+1] = 0``); else the range is cut.  What refers to
each other is run in one loop, against the direction of the program.

Invariants: each position of a cotangent has one formula; a formula reads only what is there; a cotangent is set to zero
only beyond its range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from matcalc.calculus.chain import Chain, Equation, Family, reads
from matcalc.calculus.cotangents import OBJECTIVE, Part
from matcalc.errors import CannotDerive
from matcalc.language.binders import free_indices, substitute_index
from matcalc.language.dims import Dim, dim
from matcalc.language.indices import Binder, Order, Range, Undecided, extremes
from matcalc.language.terms import Term

__all__ = ["Cotangent", "Segment", "Sweep", "cotangent_of", "cut", "sweeps"]


@dataclass(frozen=True, slots=True)
class Segment:
    """The parts that make up a cotangent for the indices of a range."""

    range: Range
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Cotangent:
    """The cotangent of one equation: its formulas, each for a range of indices (one without a range for a name)."""

    equation: int
    target: Term  # its own name, at the index
    index: str
    segments: tuple[Segment, ...]
    down: bool = True  # whether its indices are run from high to low
    zeros: tuple[Term, ...] = ()  # cotangents beyond their range that its formulas read as zero

    @property
    def name(self) -> str:
        return str(self.target.data if self.target.op == "sym" else self.target.data[0])


@dataclass(frozen=True, slots=True)
class Sweep:
    """Cotangents that are run together, in this order at each index; alone, where they do not refer to themselves."""

    members: tuple[Cotangent, ...]
    index: str = ""
    range: Range | None = None
    down: bool = True
    loops: bool = False


# ---------------------------------------------------------------------------------- cutting
def cut(order: Order, whole: Range, parts: Sequence[Part], index: str) -> tuple[Segment, ...]:
    """The range cut where parts begin or end; neighbours with the same parts stay together."""
    marks = [whole.low, whole.high + 1]
    held: list[tuple[Part, Range]] = []
    for p in parts:
        inside = order.intersection(p.range, whole)
        if inside is not None:
            held.append((p, inside))
            marks += [inside.low, inside.high + 1]
    marks = _sorted(order, marks)
    out: list[Segment] = []
    place = {m: i for i, m in enumerate(marks)}
    for i, (low, after) in enumerate(pairwise(marks)):
        here = Range(low, after - 1)
        active = tuple(p for p, r in held if place[r.low] <= i < place[r.high + 1])
        if out and out[-1].parts == active:
            out[-1] = Segment(Range(out[-1].range.low, here.high), active)
        else:
            out.append(Segment(here, active))
    return tuple(out)


def _sorted(order: Order, marks: Sequence[Dim]) -> list[Dim]:
    """The different marks in ascending order. Raises Undecided where that depends on the lengths."""
    out: list[Dim] = []
    for m in marks:
        if m in out:
            continue
        place = next((i for i, other in enumerate(out) if _before(order, m, other)), len(out))
        out.insert(place, m)
    return out


def _before(order: Order, a: Dim, b: Dim) -> bool:
    if order.compare(a, b) is True:
        return True
    if order.compare(b, a) is True:
        return False
    raise Undecided(a, b)


# -------------------------------------------------------------------------- zero extension
def cotangent_of(
    chain: Chain, number: int, target: Term, parts: Sequence[Part], cotangents: Mapping[int, Term]
) -> Cotangent:
    """The formulas of an equation's cotangent. ``cotangents`` are the names of all, at their own index."""
    e = chain.equations[number]
    own = [p for p in parts if p.name == e.name]
    if e.range is None:
        return Cotangent(number, target, "", (Segment(Range(dim(0), dim(0)), tuple(own)),))
    family = chain.families[e.name]
    there = [p for p in own if chain.order.may_meet(p.range, e.range)]
    extended = _extended(chain, e, there, cotangents, family)
    if extended is not None:
        segment, zeros = extended
        return Cotangent(number, target, family.index, (segment,), not e.down, zeros)
    segments = cut(chain.order, e.range, there, family.index)
    return Cotangent(number, target, family.index, segments, not e.down)


def _extended(
    chain: Chain, e: Equation, parts: Sequence[Part], cotangents: Mapping[int, Term], family: Family
) -> tuple[Segment, tuple[Term, ...]] | None:
    """One formula for the whole range, where the parts that fall short may be continued by zeros; else None."""
    assert e.range is not None
    zeros: dict[Term, None] = {}
    for p in parts:
        inside = chain.order.intersection(p.range, e.range)
        if inside is None or not parts:
            return None
        missing = _missing(inside, e.range)
        if missing is None:
            return None
        for at in missing:
            read = _zero_read(chain, p, family.index, at, cotangents)
            if read is None:
                return None
            zeros[read] = None
    return (Segment(e.range, tuple(parts)), tuple(zeros)) if parts else None


LONGEST = 8  # indices that a formula is continued by


def _missing(inside: Range, whole: Range) -> list[Dim] | None:
    """The few indices of the whole range that are not inside; None where that is no fixed number."""
    below, above = (inside.low - whole.low).value, (whole.high - inside.high).value
    if below is None or above is None or below < 0 or above < 0 or below + above > LONGEST:
        return None
    return [whole.low + i for i in range(below)] + [whole.high - i for i in range(above)]


def _zero_read(chain: Chain, p: Part, index: str, at: Dim, cotangents: Mapping[int, Term]) -> Term | None:
    """The cotangent beyond its range that a part reads at an index, where that is all it reads out of range."""
    if p.source == OBJECTIVE:
        return None
    cotangent = cotangents[p.source]
    source = chain.equations[p.source]
    if cotangent.op != "elem" or source.range is None:
        return None
    zero: Term | None = None
    for read in reads(substitute_index(p.summed, index, at)):
        if read.family == cotangent.data[0]:
            beyond = extremes(read.index, read.binders)
            domain = chain.families[source.name].range
            if beyond is None or not beyond.is_point or domain is None or chain.order.may_meet(beyond, domain):
                return None
            shape = chain.families[source.name].shape
            if any(chain.families[source.name].index in d.names() for d in shape):
                return None
            zero = replace_index(cotangent, chain.families[source.name], read.index)
            continue
        family = chain.families.get(read.family)
        ends = extremes(read.index, read.binders)
        if family is None or family.range is None or ends is None or not chain.order.within(ends, family.range):
            return None
    return zero


def replace_index(cotangent: Term, family: Family, index: Dim) -> Term:
    """The cotangent of a family at an index."""
    return substitute_index(cotangent, family.index, index)


# ----------------------------------------------------------------------------------- sweeps
def sweeps(chain: Chain, cotangents: Sequence[Cotangent]) -> tuple[Sweep, ...]:
    """The cotangents in the order in which they can be run; what refers to each other together."""
    uses = {c.equation: _used(c) for c in cotangents}
    by_number = {c.equation: c for c in cotangents}
    out: list[Sweep] = []
    done: set[int] = set()
    waiting = [c.equation for c in cotangents]
    while waiting:
        group = _next_group(waiting, uses, done)
        out += _sweep(chain, [by_number[i] for i in group], uses)
        done.update(group)
        waiting = [i for i in waiting if i not in done]
    return tuple(out)


def _used(c: Cotangent) -> set[int]:
    return {p.source for s in c.segments for p in s.parts if p.source != OBJECTIVE}


def _reached(start: int, uses: Mapping[int, set[int]]) -> set[int]:
    found: set[int] = set()
    waiting = [start]
    while waiting:
        for i in uses.get(waiting.pop(), ()):
            if i not in found:
                found.add(i)
                waiting.append(i)
    return found


def _next_group(waiting: Sequence[int], uses: Mapping[int, set[int]], done: set[int]) -> list[int]:
    """A cotangent that needs nothing that waits but itself and what needs it in turn, with those."""
    for i in waiting:
        needed = _reached(i, uses) - done
        group = [j for j in waiting if j == i or (j in needed and i in _reached(j, uses))]
        if needed <= set(group):
            return group
    raise AssertionError("a graph has a component that needs no other")


def _sweep(chain: Chain, group: Sequence[Cotangent], uses: Mapping[int, set[int]]) -> list[Sweep]:
    first = group[0]
    alone = len(group) == 1 and first.equation not in uses[first.equation]
    if alone:
        e = chain.equations[first.equation]
        return [Sweep((first,), first.index if e.index else "", e.range, first.down, bool(e.index))]
    if any(not c.index for c in group):
        raise CannotDerive("a definition and a recurrence need each other")
    ranges = [r for c in group if (r := chain.equations[c.equation].range) is not None]
    whole = Range(chain.order.min(r.low for r in ranges), chain.order.max(r.high for r in ranges))
    index = _common_index(chain, group)
    members = [_with_index(c, index) for c in group]
    down = _direction(chain, members, index)
    return [Sweep(tuple(_ordered(members, index)), index, whole, down, True)]


def _common_index(chain: Chain, group: Sequence[Cotangent]) -> str:
    """One name for the index of cotangents that are run together: one that none of their formulas uses otherwise."""
    names = list(dict.fromkeys(c.index for c in group))
    for name in names:
        if all(c.index == name or name not in _indices(c) for c in group):
            return name
    used = {n for c in group for n in _indices(c)}
    return next(str(n) for n in (*"tijklsr", *(f"i{k}" for k in range(len(used) + 1))) if n not in used)


def _indices(c: Cotangent) -> set[str]:
    found = {n for s in c.segments for p in s.parts for n in free_indices(p.summed) | p.summed.free}
    return found | {c.index}


def _with_index(c: Cotangent, index: str) -> Cotangent:
    if c.index == index:
        return c
    new = dim(index)
    segments = tuple(Segment(s.range, tuple(_reindexed(p, c.index, new) for p in s.parts)) for s in c.segments)
    return replace(c, index=index, target=substitute_index(c.target, c.index, new), segments=segments)


def _reindexed(p: Part, old: str, new: Dim) -> Part:
    (name,) = new.names()
    first, *others = p.binders
    binders = (Binder(name, first.low, first.high), *(_moved(b, old, new) for b in others))
    target = substitute_index(p.target, old, new)
    return replace(p, target=target, binders=binders, term=substitute_index(p.term, old, new))


def _moved(b: Binder, old: str, new: Dim) -> Binder:
    return Binder(b.name, b.low.substitute({old: new}), b.high.substitute({old: new}))


def _distances(members: Sequence[Cotangent], index: str) -> list[tuple[int, int, int | None]]:
    """For every cotangent that one reads: the two, and how far ahead it is read."""
    places = {c.name: i for i, c in enumerate(members)}
    out: list[tuple[int, int, int | None]] = []
    for i, c in enumerate(members):
        for p in (p for s in c.segments for p in s.parts):
            for read in reads(p.summed):
                if read.family in places:
                    out.append((i, places[read.family], (read.index - dim(index)).value))
    return out


def _direction(chain: Chain, members: Sequence[Cotangent], index: str) -> bool:
    distances = [d for _, _, d in _distances(members, index)]
    if any(d is None for d in distances):
        raise CannotDerive("cotangents that need each other are not at fixed distances")
    if any(d > 0 for d in distances if d) and any(d < 0 for d in distances if d):
        raise CannotDerive("cotangents need each other in both directions")
    return not any(d < 0 for d in distances if d)


def _ordered(members: Sequence[Cotangent], index: str) -> list[Cotangent]:
    """The members of a sweep in an order in which each finds what it reads at the same index."""
    needs = {(i, j) for i, j, d in _distances(members, index) if d == 0 and i != j}
    out: list[int] = []
    waiting = list(range(len(members)))
    while waiting:
        ready = next((i for i in waiting if not any((i, j) in needs for j in waiting)), None)
        if ready is None:
            raise CannotDerive("cotangents need each other at the same index")
        out.append(ready)
        waiting.remove(ready)
    return [members[i] for i in out]
