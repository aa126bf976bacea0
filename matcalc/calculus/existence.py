"""Problems that have no value at any point, as the normal form shows: ``1/(a'*b - b'*a)``, ``log(-x'*x)``.

What can be seen in the numbers and shapes of a text is refused when it is read (:mod:`matcalc.language.undefined`).
Here definitions are written out and the quotients, inverses, logarithms and roots of a problem are looked at under
what is declared.

Invariant: what is refused has no value at any point, or at no point with others around it.
"""

from __future__ import annotations

from collections.abc import Iterator

from matcalc.errors import MatcalcError
from matcalc.language.problem import Problem
from matcalc.language.terms import Term, neg, replace, subterms
from matcalc.language.undefined import undefined_part
from matcalc.rewriting.normal import Normalizer
from matcalc.rewriting.polynomial import as_rational

__all__ = ["require_value"]

LARGE = 400  # nodes: beyond it no normal form is made


def require_value(problem: Problem) -> None:
    """Raise MatcalcError where no point gives the problem a value."""
    n = Normalizer(problem.facts)
    written_out: dict[Term, Term] = {}
    for d in problem.definitions:
        body = replace(d.term, written_out)
        if body.size <= LARGE:
            written_out[d.symbol] = body
    for t in subterms(problem.objective, *(d.term for d in problem.definitions)):
        for part, kind in _delicate(t):
            whole = replace(part, written_out)
            if whole.size <= LARGE and (why := _impossible(n, whole, kind)):
                raise MatcalcError(f"{t} has no value: {part} is {why}")
            found = undefined_part(replace(t, written_out)) if written_out and t.size <= LARGE else None
            if found is not None:
                raise MatcalcError(f"{t} has no value: {found[1]}")


def _delicate(t: Term) -> Iterator[tuple[Term, str]]:
    """The arguments that an operation does not take everywhere: what may not be zero, what must be positive."""
    if t.op in ("div", "hdiv"):
        yield t.args[1], "zero"
    elif t.op in ("inv", "logdet"):
        yield t.args[0], "zero"
    elif t.op == "fn" and t.data in (("log", 0), ("sqrt", 0)):
        yield t.args[0], "positive" if t.data[0] == "log" else "root"
    elif t.op in ("pow", "hpow"):
        exponent = as_rational(t.args[1])
        if exponent is not None and exponent < 0:
            yield t.args[0], "zero"
        if exponent is not None and exponent.denominator != 1 and (t.op == "hpow" or t.is_scalar):
            yield t.args[0], "root"


def _impossible(n: Normalizer, part: Term, kind: str) -> str:
    """Why an argument is never what it has to be; empty where it may be."""
    poly = n.poly(part)
    if not poly.terms:
        return "" if kind == "root" else "always zero"
    if kind == "zero":
        return ""
    return "never positive" if n.nonnegative(n.canon(neg(part))) else ""
