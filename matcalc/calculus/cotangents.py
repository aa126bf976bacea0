"""What reaches a variable: the parts of its gradient, one for each way from the objective through an equation.

Every equation has a cotangent with a name, ``delta_h[t]`` for ``h[t] = ...``.  One reverse walk over its right side
gives parts that are linear in that name; a part of a member ``h[t-1]`` is solved for the index, so that it reads
``delta_h[t+1]`` and holds for one index less: the shift of the range *is* the first and the last step.

Invariants: a part is linear in the cotangent of its source (or, from the objective, free of cotangents); binders are
renamed before an index is put in, so that nothing is captured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from matcalc.calculus.adjoint import reverse
from matcalc.calculus.chain import Chain, Equation, opened
from matcalc.calculus.differential import Tables
from matcalc.calculus.moves import move
from matcalc.errors import CannotDerive
from matcalc.language import terms
from matcalc.language.binders import BINDERS, bind, free_indices, substitute_index
from matcalc.language.dims import Dim, dim
from matcalc.language.indices import Binder, Order, Range, coefficient
from matcalc.language.terms import Term, differential, subterms
from matcalc.rewriting.engine import Setting
from matcalc.rewriting.steps import Step

__all__ = ["OBJECTIVE", "Part", "contributions", "eliminated", "leaf_differentials", "parts_of", "solved", "walked"]

OBJECTIVE = -1  # the source of what comes from the objective itself


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the gradient by ``target``.

    Of a member the target is at the family's index, ``binders`` begin with that index and its range, and the part is
    one for each member in it; what else is bound is summed over.
    """

    target: Term
    source: int  # the number of an equation, or OBJECTIVE
    binders: tuple[Binder, ...]
    term: Term

    @property
    def name(self) -> str:
        return str(self.target.data if self.target.op == "sym" else self.target.data[0])

    @property
    def is_member(self) -> bool:
        return self.target.op == "elem"

    @property
    def range(self) -> Range:
        """Of a member: the indices at which there is this part."""
        return Range(self.binders[0].low, self.binders[0].high)

    @property
    def summed(self) -> Term:
        """The part, what is bound (but for a member's own index) summed over."""
        out = self.term
        for b in reversed(self.binders[1:] if self.is_member else self.binders):
            out = bind("sumover", b.name, b.low, b.high, out)
        return out


# ----------------------------------------------------------------------------- the reverse walk
def leaf_differentials(t: Term, setting: Setting) -> set[Term]:
    """The differentials of the symbols in a term that vary: where the walk ends."""
    return {differential(s) for s in subterms(t) if s.op in ("sym", "elem") and not setting.constant(s)}


def walked(t: Term, cotangent: Term, book: Tables, setting: Setting, label: str) -> list[Step]:
    """The lines from ``inner(cotangent, d(t))`` to inner products with the changes of symbols and members."""
    line = terms.inner(cotangent, differential(t))
    return list(reverse(line, book, setting, leaf_differentials(t, setting), label))


def contributions(
    line: Term, around: tuple[Binder, ...], taken: set[str]
) -> Iterator[tuple[Term, tuple[Binder, ...], Term]]:
    """What a line says: for every inner product with a change its leaf, the binders around it, and the cotangent."""
    if line.op == "add":
        for a in line.args:
            yield from contributions(a, around, taken)
    elif line.op == "sumover":
        binder, body = opened(line, taken | {b.name for b in around})
        yield from contributions(body, (*around, binder), taken)
    elif line.op == "inner" and line.args[1].op == "d":
        yield line.args[1].args[0], around, line.args[0]
    elif move("arithmetic", line, Setting(), level=3) is not None and line.tangent:
        raise CannotDerive(f"the gradient cannot be read off {line}")


def parts_of(chain: Chain, source: int, line: Term, around: tuple[Binder, ...]) -> Iterator[Part]:
    """The parts that the last line of a walk gives, solved for the indices of members."""
    taken = {*chain.families, *(f.index for f in chain.families.values()), *(e.index for e in chain.equations)}
    for leaf, binders, term in contributions(line, around, taken):
        part = Part(leaf, source, binders, term)
        yield solved(chain, part) if part.is_member else part


# ------------------------------------------------------------------------- solving for an index
def solved(chain: Chain, part: Part) -> Part:
    """A part of ``F[b - 1]`` under a binder b as one of ``F[s]``: b is s + 1, and the range of b becomes one of s."""
    family = chain.families[part.name]
    part = _renamed(part, family.index)
    index = part.target.data[1]
    inside = [b for b in part.binders if b.name in index.names()]
    member = family.member(dim(family.index))
    if not inside:
        return replace(part, target=member, binders=(Binder(family.index, index, index), *part.binders))
    if len(inside) > 1:
        names = ", ".join(b.name for b in inside)
        raise CannotDerive(f"{part.target}: the index mixes two bound indices ({names})")
    (bound,) = inside
    k = coefficient(index, bound.name)
    if k is None or abs(k) != 1:
        told = "is not linear" if k is None else f"has coefficient {k}"
        raise CannotDerive(f"{part.target}: the index {bound.name} {told}; only shifts t+c or c-t can be inverted")
    offset = index - k * dim(bound.name)
    value = k * (dim(family.index) - offset)
    low, high = (bound.low + offset, bound.high + offset) if k == 1 else (offset - bound.high, offset - bound.low)
    others = [b for b in part.binders if b is not bound]
    at = part.binders.index(bound)
    outer, inner = others[:at], [_substituted(b, bound.name, value) for b in others[at:]]
    guard, outer = _guarded(chain.order, family.index, low, high, outer, part)
    term = substitute_index(part.term, bound.name, value)
    return replace(part, target=member, binders=(Binder(family.index, *guard), *outer, *inner), term=term)


def _substituted(b: Binder, name: str, value: Dim) -> Binder:
    return Binder(b.name, b.low.substitute({name: value}), b.high.substitute({name: value}))


def _renamed(part: Part, taken: str) -> Part:
    """The part with another name for a binder that is called like the index it is solved for."""
    clash = next((i for i, b in enumerate(part.binders) if b.name == taken), None)
    if clash is None:
        return part
    used = {taken, *(b.name for b in part.binders), *part.term.free, *free_indices(part.term)}
    used |= {n for b in part.binders for d in (b.low, b.high) for n in d.names()}
    new = next(c for c in (*"ijklrsuvwabcpq", *(f"i{n}" for n in range(len(used) + 1))) if c not in used)
    head, b, tail = part.binders[:clash], part.binders[clash], part.binders[clash + 1 :]
    return replace(
        part,
        target=substitute_index(part.target, taken, dim(new)),
        binders=(*head, b._replace(name=new), *(_substituted(x, taken, dim(new)) for x in tail)),
        term=substitute_index(part.term, taken, dim(new)),
    )


def _guarded(
    order: Order, index: str, low: Dim, high: Dim, outer: Sequence[Binder], part: Part
) -> tuple[Range, list[Binder]]:
    """The range of the index, where its ends depend on binders further out these are narrowed instead."""
    out = list(outer)
    for i in reversed(range(len(out))):
        b = out[i]
        for is_high in (False, True):
            end = high if is_high else low
            if b.name not in end.names():
                continue
            if coefficient(end, b.name) != 1:
                raise CannotDerive(f"{part.target}: a range that ends at {end} cannot be inverted")
            shift = end - dim(b.name)
            bound = dim(index) - shift  # s <= b + shift is b >= s - shift
            if is_high:
                high = b.high + shift
                out[i] = b = b._replace(low=_the_tighter(order, bound, b.low, index, Range(low, high), True))
            else:
                low = b.low + shift
                out[i] = b = b._replace(high=_the_tighter(order, bound, b.high, index, Range(low, high), False))
    return Range(low, high), out


def _the_tighter(order: Order, new: Dim, old: Dim, index: str, guard: Range, is_low: bool) -> Dim:
    """The larger of two lower ends (the smaller of two upper ends), for every index in the guard."""
    worst, best = new.substitute({index: guard.low}), new.substitute({index: guard.high})
    if (order.compare(old, worst) if is_low else order.compare(best, old)) is True:
        return new
    if (order.compare(best, old) if is_low else order.compare(old, worst)) is True:
        return old
    raise CannotDerive(f"whether {new} or {old} is reached first depends on {index}")


# ----------------------------------------------------------------------------------- elimination
def eliminated(chain: Chain, parts: list[Part], wanted: Sequence[str], cotangent: dict[int, Term]) -> list[Part]:
    """The parts without the cotangents that are used once and do not refer to themselves: these are put in.

    ``wanted`` are names that gradients are asked by; ``cotangent`` has a name for each equation, at its index.
    """
    gone: set[int] = set()
    while True:
        waiting = [i for i in cotangent if chain.equations[i].name not in wanted and i not in gone]
        single = next((i for i in waiting if _is_single(chain, parts, i, cotangent[i])), None)
        if single is None:
            return parts
        gone.add(single)
        (use,) = [p for p in parts if p.source == single]
        made = _put_in(chain, use, cotangent[single], parts, chain.equations[single])
        i = parts.index(use)
        left = [chain.equations[j] for j in cotangent if j not in gone]
        name = chain.equations[single].name
        rest = [*parts[:i], *made, *parts[i + 1 :]]
        parts = [p for p in rest if p.name != name or _is_needed(chain, p, left, wanted)]


def _is_needed(chain: Chain, p: Part, left: Sequence[Equation], wanted: Sequence[str]) -> bool:
    """Whether a part reaches an equation whose cotangent is left, or a name that a gradient is asked by."""
    if p.name in wanted:
        return True
    return any(e.name == p.name and (e.range is None or chain.order.may_meet(p.range, e.range)) for e in left)


def _is_single(chain: Chain, parts: Sequence[Part], i: int, cotangent: Term) -> bool:
    """Whether a cotangent is used once, not by itself, and not under a sum over its index."""
    e = chain.equations[i]
    uses = [p for p in parts if p.source == i]
    if len(uses) != 1:
        return False
    (use,) = uses
    bound = (t for s in subterms(use.term) if s.op in BINDERS for t in subterms(s))
    if any(t.op == "elem" and cotangent.op == "elem" and t.data[0] == cotangent.data[0] for t in bound):
        return False
    if use.name == e.name:
        return use.is_member and e.range is not None and not chain.order.may_meet(use.range, e.range)
    return True


def _put_in(chain: Chain, use: Part, cotangent: Term, parts: Sequence[Part], e: Equation) -> list[Part]:
    """A use of a cotangent with every part of the cotangent in its place."""
    out: list[Part] = []
    for p in parts:
        if p.name != e.name:
            continue
        if e.range is None:
            out.append(replace(use, source=p.source, term=terms.replace(use.term, {cotangent: p.summed})))
            continue
        for at in _occurrences(use.term, cotangent):
            put = _put_member(chain, use, at, p, e)
            if put is not None:
                out.append(put)
    return out


def _occurrences(t: Term, cotangent: Term) -> list[Term]:
    name = cotangent.data[0]
    return [s for s in subterms(t) if s.op == "elem" and s.data[0] == name]


def _put_member(chain: Chain, use: Part, at: Term, p: Part, e: Equation) -> Part | None:
    """A part of a member's cotangent put in; the range is where there are both. None where there is no such index."""
    index: Dim = at.data[1]
    own = chain.families[e.name].index
    assert e.range is not None
    there = chain.order.intersection(p.range, e.range)
    if there is None:
        return None
    holder = next((b for b in use.binders if b.name in index.names()), None)
    if holder is None:  # at one position
        inside = chain.order.within(Range(index, index), there)
        if inside is None:
            chain.order.at_most(there.low, index)
            chain.order.at_most(index, there.high)
        term = terms.replace(use.term, {at: substitute_index(p.summed, own, index)})
        return replace(use, source=p.source, term=term) if inside else None
    k = coefficient(index, holder.name)
    if k is None or abs(k) != 1:
        raise CannotDerive(f"the index of {at} cannot be solved for {holder.name}")
    offset = index - k * dim(holder.name)
    ends = (there.low - offset, there.high - offset) if k == 1 else (offset - there.high, offset - there.low)
    both = chain.order.intersection(Range(holder.low, holder.high), Range(*ends))
    if both is None:
        return None
    narrowed = tuple(Binder(b.name, *both) if b is holder else b for b in use.binders)
    held = use.term
    if both.is_point:  # a member may have another shape there than elsewhere
        held, at = (substitute_index(t, holder.name, both.low) for t in (held, at))
        index = at.data[1]
    term = terms.replace(held, {at: substitute_index(p.summed, own, index)})
    return replace(use, source=p.source, term=term, binders=narrowed)
