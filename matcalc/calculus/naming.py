"""Names for what nonlinear functions are applied to: ``h[t] = tanh(W*h[t-1] + b)`` becomes ``h[t] = tanh(z[t])``.

A derivative repeats the argument of every nonlinear function; with a name for it (the pre-activation) the cotangent of
that name is the ``delta`` of the textbooks.

Invariant: the equations with names define the same members as before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from matcalc.calculus.chain import Chain, Equation, Family
from matcalc.language import terms
from matcalc.language.terms import Term, subterms

__all__ = ["named_arguments"]

NONLINEAR = frozenset(("fn", "softmax", "logsumexp"))
SMALL = 2  # nodes: what is not longer needs no name


def named_arguments(chain: Chain, varying: frozenset[str]) -> tuple[Chain, tuple[Equation, ...]]:
    """The chain with names for compound arguments of nonlinear functions in blocks, and the new equations."""
    found = [(e, list(_arguments(e, varying))) for e in chain.equations]
    count = sum(len(args) for _, args in found)
    taken = {*chain.families, *chain.problem.symbols, *chain.problem.functions, *(e.name for e in chain.equations)}
    taken |= {chain.problem.objective_name}
    equations: list[Equation] = []
    families = dict(chain.families)
    new: list[Equation] = []
    for e, args in found:
        for t in args:
            name = _fresh(e, count, taken)
            taken.add(name)
            made = _equation(e, name, t)
            own = families[e.name]
            families[name] = Family(name, e.index, t.shape, e.range, True)
            assert own.defined
            equations.append(made)
            new.append(made)
            e = replace(e, term=terms.replace(e.term, {t: made.target}))
        equations.append(e)
    return replace(chain, equations=tuple(equations), families=families), tuple(new)


def _arguments(e: Equation, varying: frozenset[str]) -> Iterator[Term]:
    """The compound arguments of nonlinear functions in a line of a block that vary."""
    if not e.index:
        return
    seen: set[Term] = set()
    for t in subterms(e.term):
        if t.op in NONLINEAR and t.args[0] not in seen:
            inside = t.args[0]
            bound = any("#" in str(s.data) for s in subterms(inside) if s.op in ("elem", "size"))
            if inside.size > SMALL and not bound and not varying.isdisjoint(inside.varies):
                seen.add(inside)
                yield inside


def _equation(e: Equation, name: str, t: Term) -> Equation:
    return replace(e, target=terms.element(name, e.target.data[1], t.shape), term=t)


def _fresh(e: Equation, count: int, taken: set[str]) -> str:
    several = ("z",) if count == 1 else ()
    host = f"z{e.name}" if len(e.name) == 1 else f"z_{e.name}"
    names = (*several, host, *(f"{host}{n}" for n in range(1, 100)))
    return next(str(n) for n in names if n not in taken)
