"""A program as equations: what is defined at which indices, what reads what, and whether it can be run.

A line of a ``for`` block is an equation for a whole range of members, ``h[0] = h0`` one for a single member, a plain
definition one without an index.  A single member that continues a block (``s[k] = ...`` after ``for i in 1..k-1``) is
absorbed into it, so that both ways of writing a network lead to the same answer.

Invariants: the members of a family that are defined fill one range, each once; every read meets a defined member, and
one that is computed before; what cannot be decided for all lengths raises :class:`Undecided`, never passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from matcalc.errors import CannotDerive, Span
from matcalc.language import terms
from matcalc.language.binders import BINDERS, free_indices, instantiate, substitute_index
from matcalc.language.dims import Dim, IndexedName, Shape, dim
from matcalc.language.indices import Binder, Order, Range, Undecided, extremes
from matcalc.language.problem import Block, Boundary, Definition, Problem
from matcalc.language.terms import Term

__all__ = ["Chain", "Equation", "Family", "Read", "chain_of", "opened", "reads"]


@dataclass(frozen=True, slots=True)
class Equation:
    """``target = term`` for the indices of ``range``; of a plain definition the range is None and the index empty."""

    target: Term
    term: Term
    index: str = ""  # free in both sides; empty where there is one position only
    range: Range | None = None
    place: int = 0  # of its statement in the program
    down: bool = False
    span: Span | None = None

    @property
    def name(self) -> str:
        return str(self.target.data if self.target.op == "sym" else self.target.data[0])

    @property
    def binders(self) -> tuple[Binder, ...]:
        return (Binder(self.index, *self.range),) if self.range is not None and self.index else ()


@dataclass(frozen=True, slots=True)
class Family:
    """An indexed family: the shape of a member in terms of ``index``, and the range where its members are."""

    name: str
    index: str
    shape: Shape
    range: Range | None  # None: of an input that is read at indices of unknown order
    defined: bool

    def member(self, index: Dim) -> Term:
        return terms.element(self.name, index, self.shape.substitute({self.index: index}))


@dataclass(frozen=True, slots=True)
class Chain:
    """A program in order, and its families by name."""

    problem: Problem
    order: Order
    equations: tuple[Equation, ...]
    families: dict[str, Family] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Read:
    """``family[index]`` under binders, the outermost first."""

    family: str
    index: Dim
    binders: tuple[Binder, ...]


# --------------------------------------------------------------------- looking into terms
LETTERS = ("i", "j", "k", "l", "r", "s", "t", "u", "v", "w")


def opened(t: Term, taken: set[str]) -> tuple[Binder, Term]:
    """A sum over an index as a binder and its body; the index has a name that is not taken."""
    used = taken | free_indices(t) | t.free
    ends = [n.lower() for n in t.data[1].names() if len(n) == 1 and n.isupper() and n != "D"]
    several = (c + (str(n) if n else "") for n in range(len(used) + 2) for c in (*ends, *LETTERS))
    name = next(c for c in several if c not in used)
    return Binder(name, *t.data), instantiate(t, dim(name))


def reads(t: Term, binders: tuple[Binder, ...] = ()) -> Iterator[Read]:
    """Every member of a family that a term reads, with the binders it stands under."""
    waiting = [(t, binders)]
    seen: set[tuple[Term, tuple[Binder, ...]]] = set()
    while waiting:
        node, around = waiting.pop()
        if (node, around) in seen:
            continue
        seen.add((node, around))
        if node.op == "elem":
            yield Read(node.data[0], node.data[1], around)
        elif node.op in BINDERS:
            binder, body = opened(node, {b.name for b in around})
            waiting.append((body, (*around, binder)))
        else:
            waiting += [(a, around) for a in reversed(node.args)]


# ------------------------------------------------------------------------- from a problem
def chain_of(problem: Problem, order: Order) -> Chain:
    """The equations of a problem's statements. Raises CannotDerive where they cannot be run."""
    equations = _absorbed([e for i, s in enumerate(problem.statements) for e in _equations(problem, s, i)], order)
    families = _families(problem, equations, order)
    chain = Chain(problem, order, tuple(equations), families)
    for e in equations:
        for read in reads(e.term, e.binders):
            _check_read(chain, e, read)
    for read in reads(problem.objective):
        _check_read(chain, None, read)
    return replace(chain, equations=tuple(_sorted(chain)), families=_with_inputs(chain))


def _equations(problem: Problem, s: Definition | Boundary | Block, place: int) -> Iterator[Equation]:
    if isinstance(s, Definition):
        yield Equation(s.symbol, s.term, place=place, span=s.span)
    elif isinstance(s, Boundary):
        at = s.target.data[1]
        yield Equation(s.target, s.term, "", Range(at, at), place, span=s.span)
    else:
        for line in s.body:
            yield _block_line(problem, s, line, place)


def _block_line(problem: Problem, s: Block, line: Boundary, place: int) -> Equation:
    """A line of a block, counted by the index of the member that it defines."""
    family, at = line.target.data
    shift = at - dim(s.index)
    if s.index in shift.names():
        written = str(line.target)
        raise CannotDerive(
            f"{written}: a block defines a member at its index plus a constant",
            span=line.span,
            source=problem.text,
            hint=f"write for {s.index} in {s.low}..{s.high} down: {family}[{s.index}] = ...",
        )
    target, term, low, high = line.target, line.term, s.low, s.high
    if shift.value != 0:
        back = dim(s.index) - shift
        target, term = (substitute_index(t, s.index, back) for t in (target, term))
        low, high = low + shift, high + shift
    return Equation(target, term, s.index, Range(low, high), place, s.down, line.span)


# ------------------------------------------------------------------------------- absorbing
def _absorbed(equations: list[Equation], order: Order) -> list[Equation]:
    """Single members that continue a block become part of it."""
    out = list(equations)
    changed = True
    while changed:
        changed = False
        for single in [e for e in out if e.range is not None and not e.index]:
            for i, block in enumerate(out):
                longer = _continued(block, single, order)
                if longer is not None:
                    out[i] = longer
                    out.remove(single)
                    changed = True
                    break
            if changed:
                break
    return out


def _continued(block: Equation, single: Equation, order: Order) -> Equation | None:
    """The block with one position more, where the single member is what the block would define there."""
    if not block.index or block.name != single.name or block.range is None or single.range is None:
        return None
    at = single.range.low
    before = single.place < block.place
    if at is block.range.high + 1 and before == block.down:
        new = Range(block.range.low, at)
    elif at is block.range.low - 1 and before != block.down:
        new = Range(at, block.range.high)
    else:
        return None
    same = substitute_index(block.term, block.index, at) is single.term
    return replace(block, range=new) if same else None


# -------------------------------------------------------------------------------- families
def _families(problem: Problem, equations: Sequence[Equation], order: Order) -> dict[str, Family]:
    """The families that the program defines, each on one range."""
    out: dict[str, Family] = {}
    for e in equations:
        if e.range is None or e.name in out:
            continue
        own = [f for f in equations if f.name == e.name and f.range is not None]
        model = next((f for f in own if f.index), e)
        whole = _one_range(problem, e.name, own, order)
        out[e.name] = Family(e.name, model.index or "i", model.target.shape, whole, True)
    return out


def _one_range(problem: Problem, name: str, own: Sequence[Equation], order: Order) -> Range:
    ranges = [e.range for e in own if e.range is not None]
    for i, e in enumerate(own):
        for f in own[:i]:
            assert e.range is not None and f.range is not None
            both = order.intersection(e.range, f.range)
            if both is not None:
                where = both.low if both.is_point else both
                raise CannotDerive(f"{name}[{where}] is defined twice", span=e.span, source=problem.text)
    whole, rest = ranges[0], list(ranges[1:])
    while rest:
        next_one = next((r for r in rest if r.low is whole.high + 1 or r.high is whole.low - 1), None)
        if next_one is None:
            listed = ", ".join(map(str, ranges))
            raise CannotDerive(f"{name} is defined on {listed}: not one range", span=own[-1].span, source=problem.text)
        rest.remove(next_one)
        whole = Range(whole.low, next_one.high) if next_one.low is whole.high + 1 else Range(next_one.low, whole.high)
    return whole


def _with_inputs(chain: Chain) -> dict[str, Family]:
    """All families; an input's range is that of the indices at which it is read."""
    out = dict(chain.families)
    found: dict[str, list[Range | None]] = {}
    every = [(e.term, e.binders) for e in chain.equations] + [(chain.problem.objective, ())]
    for t, binders in every:
        for read in reads(t, binders):
            found.setdefault(read.family, []).append(extremes(read.index, read.binders))
    for name, symbol in chain.problem.symbols.items():
        if symbol.index is not None:
            out[name] = Family(name, symbol.index, symbol.shape, _hull(found.get(name, []), chain.order), False)
    return out


def _hull(ranges: Sequence[Range | None], order: Order) -> Range | None:
    """The range from the smallest to the largest index; None where these are not known."""
    known = [r for r in ranges if r is not None]
    if not known or len(known) < len(ranges):
        return None
    lows, highs = [r.low for r in known], [r.high for r in known]
    low = next((a for a in lows if all(order.compare(a, b) for b in lows)), None)
    high = next((a for a in highs if all(order.compare(b, a) for b in highs)), None)
    return None if low is None or high is None else Range(low, high)


# ----------------------------------------------------------------------------------- reads
def _check_read(chain: Chain, e: Equation | None, read: Read) -> None:
    """Whether what is read is there, and is computed before. ``e`` is the reading equation; None: the objective."""
    data = next((a for a in read.index.atoms() if isinstance(a, IndexedName)), None)
    who = "the objective" if e is None else str(e.target)
    what = f"{read.family}[{read.index}]".replace(" ", "")
    span = _place(chain, what, None if e is None else e.span)
    if data is not None:
        hint = "an index must be an integer expression of bound indices and lengths"
        raise _refused(chain, f"the index '{data.name}[...]' depends on data", span, hint)
    family = chain.families.get(read.family)
    if family is None:
        return
    ends = extremes(read.index, read.binders)
    if ends is None:
        raise _refused(chain, f"{who} reads {what}: the index is not linear", span)
    assert family.range is not None
    inside = chain.order.within(ends, family.range)
    if not inside:
        first, last = (f"{read.family}[{end}]".replace(" ", "") for end in ends)
        between = (
            ""
            if what == first == last
            else f", that is {first}"
            if ends.is_point
            else f", down to {first} and up to {last}"
        )
        message = f"{who} reads {what}{between}, but {read.family} is defined for {family.range}"
        if inside is not None:
            raise _refused(chain, f"{message}: a boundary value is missing", span)
        hint = "equal lengths need one name; a number as an index needs a number as the length"
        told = _refused(chain, f"{message}: that depends on the lengths", span, hint)
        for a, b in ((family.range.low, ends.low), (ends.high, family.range.high)):
            if chain.order.compare(a, b) is None:
                raise Undecided(a, b, told)
    if e is not None:
        _check_order(chain, e, read, ends, who, what)


def _place(chain: Chain, written: str, around: Span | None) -> Span | None:
    """Where a member is written in the program, within a line of it; the line, where it is written otherwise."""
    pattern = r"\s*".join(re.escape(c) for c in written)
    start, end = (0, len(chain.problem.text)) if around is None else (around.start, around.end)
    first = re.compile(pattern).search(chain.problem.text, start, end)
    return around if first is None else Span(*first.span())


def _check_order(chain: Chain, e: Equation, read: Read, ends: Range, who: str, what: str) -> None:
    for other in chain.equations:
        if other.name != read.family or other.range is None or not chain.order.may_meet(other.range, ends):
            continue
        if other.place > e.place:
            where = _place(chain, what, e.span)
            raise _refused(chain, f"{who} needs {what}, which is defined after it", where)
        if other.place == e.place:
            _check_within_block(chain, e, read, who, what)


def _check_within_block(chain: Chain, e: Equation, read: Read, who: str, what: str) -> None:
    """In its own block an equation reads members at a fixed distance, and none that come later."""
    distance = (read.index - dim(e.index)).value if e.index else None
    if distance is None:
        hint = "members of the block itself are read at a fixed distance"
        message = f"{who} reads {what}: the distance between the indices is not a constant"
        raise _refused(chain, message, _place(chain, what, e.span), hint)
    if (distance > 0) != e.down and distance != 0:
        way = "downward" if e.down else "upward"
        later = "an earlier" if e.down else "a later"
        message = f"{who} reads {what}, {later} index, in a block that runs {way}"
        raise _refused(chain, message, _place(chain, what, e.span))


def _refused(chain: Chain, message: str, span: Span | None, hint: str = "") -> CannotDerive:
    return CannotDerive(message, span=span, source=chain.problem.text if span is not None else None, hint=hint)


def _sorted(chain: Chain) -> list[Equation]:
    """The equations in the order in which they can be run: within a block by what is read at the same index."""
    out: list[Equation] = []
    for place in dict.fromkeys(e.place for e in chain.equations):
        waiting = [e for e in chain.equations if e.place == place]
        while waiting:
            ready = next((e for e in waiting if not _needed(e, waiting)), None)
            if ready is None:
                e, read = waiting[0], _needed(waiting[0], waiting)[0]
                message = f"{e.target} needs {read.family}[{read.index}], which is defined after it in the same block"
                raise _refused(chain, f"{message} (cycle)", e.span)
            out.append(ready)
            waiting.remove(ready)
    return out


def _needed(e: Equation, waiting: Sequence[Equation]) -> list[Read]:
    """What an equation reads at its own index of the equations of its block that are still waiting."""
    own = {f.name for f in waiting if f.index}
    return [r for r in reads(e.term) if e.index and r.family in own and r.index is dim(e.index)]
