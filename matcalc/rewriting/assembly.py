"""Products, quotients and Hadamard products with their sign in front, and the order in which factors are written."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from matcalc.language import terms as T
from matcalc.language.terms import Term
from matcalc.rewriting.cost import cost
from matcalc.rewriting.polynomial import order

HALF = Fraction(1, 2)


def entry_power(b: Term, e: Fraction) -> Term:
    if e == 1:
        return b
    if b.op == "neg" and e.denominator == 1:
        return signed(e % 2 == 1, T.hpower(b.args[0], T.number(e)))
    return T.fn("sqrt", b) if e == HALF else T.hpower(b, T.number(e))


def signed(sign: bool, t: Term) -> Term:
    return T.neg(t) if sign else t


def unsigned(parts: Sequence[Term]) -> tuple[bool, list[Term]]:
    """Factors without their signs, and whether the product of the signs is negative."""
    odd = sum(p.op == "neg" for p in parts) % 2 == 1
    return odd, [p.args[0] if p.op == "neg" else p for p in parts]


def product(parts: Sequence[Term]) -> Term:
    """A product with its sign in front."""
    if not parts:
        return T.number(1)
    odd, plain = unsigned(parts)
    if any(p.op == "diag" for p in plain):
        plain = scaled_columns(plain)
    return signed(odd, plain[0] if len(plain) == 1 else T.mul(*plain))


def scaled_columns(parts: Sequence[Term]) -> list[Term]:
    """``diag(u)*v`` before a column v is ``u.*v``."""
    flat = [f for p in parts for f in (p.args if p.op == "mul" and not p.is_scalar else (p,))]
    out: list[Term] = []
    for f in flat:
        if out and out[-1].op == "diag" and f.shape.is_vector:
            f = entries([out.pop().args[0], f])
        out.append(f)
    return out


def entries(parts: Sequence[Term]) -> Term:
    """A Hadamard product with its sign in front."""
    odd, plain = unsigned(parts)
    return signed(odd, plain[0] if len(plain) == 1 else T.had(*plain))


def quotient(a: Term, b: Term) -> Term:
    odd, (x, y) = unsigned([a, b])
    return signed(odd, T.div(x, y))


def negated(t: Term) -> Term:
    """A sum with every sign turned."""
    return T.add(*(a.args[0] if a.op == "neg" else T.neg(a) for a in t.args))


def positive(t: Term) -> Term:
    """A term without its sign, for functions that do not see it."""
    return t.args[0] if t.op == "neg" else t


def linear(op: str, t: Term) -> Term:
    return T.neg(T.make(op, t.args[0])) if t.op == "neg" else T.make(op, t)


def transposed(t: Term) -> Term:
    if t.op == "neg":
        return T.neg(transposed(t.args[0]))
    return t.args[0] if t.op == "transpose" else T.transpose(t)


def rank_of_cost(t: Term) -> tuple[float, Any]:
    """The cheapest form first, ties broken the same way every time."""
    return (cost(t), order(t))


def scalar_rank(t: Term) -> tuple[int, int, Any]:
    """Numbers, sizes, names, then longer scalars; members of families, which change with an index, come last."""
    kinds = {"num": 0, "const": 1, "size": 2, "sym": 3}
    moving = any(s.op == "elem" for s in T.subterms(t))
    return (kinds.get(t.op, 4) + 2 * moving, t.size, order(t))


def entry_rank(t: Term) -> Any:
    return (t.size, order(t))
