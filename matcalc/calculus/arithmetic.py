"""Tidying a line: numbers folded, zeros and ones dropped, signs and numbers in front. Nothing that a reader would miss.

Differential rules leave ``2*x^(2 - 1)`` and sums with zeros behind; this pass cleans up after them and never multiplies
out, factors or reorders anything but numbers.  With ``turn`` transposes of products are turned round as well
(``(A*B)'`` to ``B'*A'``), which is wanted in cotangents and not in what the user wrote.

Invariant: the value and the shape do not change; tidying twice is tidying once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from weakref import WeakSet

from matcalc.language import terms
from matcalc.language.dims import ONE as ONE_DIM
from matcalc.language.terms import Term, make

__all__ = ["tidy"]

ONE = terms.number(1)
_CLEAN: dict[bool, WeakSet[Term]] = {turn: WeakSet() for turn in (False, True)}  # terms that are tidy as they are


def tidy(t: Term, turn: bool = False) -> Term:
    """The tidied term. Iterative; every distinct subterm is looked at once, and what was tidied before not again."""
    clean = _CLEAN[turn]
    done: dict[Term, Term] = {}
    stack = [t]
    while stack:
        node = stack[-1]
        if node in done or node in clean:
            stack.pop()
            continue
        todo = [a for a in node.args if a not in done and a not in clean]
        if todo:
            stack.extend(todo)
            continue
        new = done[node] = _local(node, [done.get(a, a) for a in node.args], turn)
        if new is node:
            clean.add(node)
        stack.pop()
    return done.get(t, t)


def _local(node: Term, args: list[Term], turn: bool) -> Term:
    if not args or node.op in ("prod", "d"):
        return terms.rebuild(node, args)
    if _vanishes(node, args):
        return terms.zeros(*node.shape)
    if node.op == "transpose":
        return _transpose(args[0], turn)
    rule = _RULES.get(node.op)
    if turn and node.op == "mul":
        args = [a for a in args if a.is_scalar] + [a for a in args if not a.is_scalar]
    new = rule(node, args) if rule is not None else terms.rebuild(node, args)
    return _over(new) if turn and new.op == "had" else new


# --------------------------------------------------------------------- recognising
def is_zero(t: Term) -> bool:
    return t.op == "zeros" or (t.op == "num" and t.data == 0)


def numeral(t: Term) -> Fraction | None:
    """The rational number a term is written as, or None."""
    if t.op == "num":
        return Fraction(t.data)
    if t.op == "neg":
        inner = numeral(t.args[0])
        return None if inner is None else -inner
    if t.op == "div":
        a, b = numeral(t.args[0]), numeral(t.args[1])
        return a / b if a is not None and b else None
    if t.op == "add":
        parts = [numeral(a) for a in t.args]
        return sum((p for p in parts if p is not None), Fraction(0)) if None not in parts else None
    return None


def _written(q: Fraction, like: Sequence[Term]) -> Term:
    """A number, as a decimal where one of the numbers it came from was one."""
    decimal = any(s.op == "num" and s.data.denominator != 1 for t in like for s in terms.subterms(t))
    finite = all(p in (2, 5) for p in _prime_factors(q.denominator))
    if decimal and finite:
        return terms.neg(terms.decimal(-q)) if q < 0 else terms.decimal(q)
    return terms.number(q)


def _prime_factors(n: int) -> set[int]:
    found = set()
    for p in (2, 5):
        while n % p == 0:
            n //= p
            found.add(p)
    return found | ({n} if n > 1 else set())


def _vanishes(node: Term, args: Sequence[Term]) -> bool:
    """A linear operation of zero is zero."""
    linear = node.row.linear
    if linear == "each":
        return any(is_zero(a) for a in args)
    if linear == "first":
        return is_zero(args[0])
    return linear == "joint" and all(is_zero(a) for a in args)


# ------------------------------------------------------------------------ operations
def _add(node: Term, args: list[Term]) -> Term:
    kept = [a for a in args if not is_zero(a)]
    numbers = [a for a in kept if numeral(a) is not None]
    if len(numbers) > 1:
        total = _written(sum((numeral(a) or Fraction(0) for a in numbers), Fraction(0)), numbers)
        first = kept.index(numbers[0])
        kept = [total if i == first else a for i, a in enumerate(kept) if i == first or numeral(a) is None]
        kept = [a for a in kept if not is_zero(a)] or [total]
    return kept[0] if len(kept) == 1 else terms.add(*kept)


def _neg(node: Term, args: list[Term]) -> Term:
    return args[0].args[0] if args[0].op == "neg" else terms.neg(args[0])


def _signs(factors: Sequence[Term]) -> tuple[bool, list[Term]]:
    """Whether the signs of the factors multiply to minus, and the factors without signs."""
    minus = sum(f.op == "neg" for f in factors) % 2 == 1
    return minus, [f.args[0] if f.op == "neg" else f for f in factors]


def _product(node: Term, args: list[Term]) -> Term:
    flat = terms.mul(*args)  # an argument may have become a product
    minus, factors = _signs(flat.args if flat.op == "mul" else [flat])
    numbers = [f for f in factors if numeral(f) is not None]
    rest = [f for f in factors if numeral(f) is None]
    value = Fraction(1)
    for f in numbers:
        value *= numeral(f) or Fraction(0)
    if any(not f.is_scalar and f.op != "eye" for f in rest):
        rest = [f for f in rest if f.op != "eye"]
    front = [] if value == 1 else ([numbers[0]] if len(numbers) == 1 else [_written(value, numbers)])
    parts = [*front, *rest] or [ONE]
    new = parts[0] if len(parts) == 1 else terms.mul(*parts)
    return _neg(node, [new]) if minus else new


def _entrywise_product(node: Term, args: list[Term]) -> Term:
    minus, factors = _signs(args)
    kept = [f for f in factors if f.op != "ones"] or factors[:1]
    new = terms.had(*kept) if len(kept) > 1 else kept[0]
    return _neg(node, [new]) if minus else new


def _over(t: Term) -> Term:
    """``A.*(ones./B)`` is written ``A./B``: adjoints leave reciprocals behind."""
    below = [f.args[1] for f in t.args if f.op == "hdiv" and f.args[0].op == "ones"]
    above = [f for f in t.args if not (f.op == "hdiv" and f.args[0].op == "ones")]
    if len(below) != 1 or not above:
        return t
    return terms.hdiv(above[0] if len(above) == 1 else terms.had(*above), below[0])


def _quotient(node: Term, args: list[Term]) -> Term:
    above, below = args
    if below is ONE:
        return above
    if above.op == "neg":
        return _neg(node, [terms.rebuild(node, [above.args[0], below])])
    return terms.rebuild(node, args)


def _power(node: Term, args: list[Term]) -> Term:
    base, exponent = args
    value = numeral(exponent)
    if value == 1:
        return base
    if value == 0 and node.op == "pow":
        return terms.eye(node.shape.rows)
    if value == 0:
        return terms.ones(*node.shape)
    if value == -1 and node.op == "pow" and not base.is_scalar:
        return make("inv", base)
    return terms.rebuild(node, args)


def _transpose(a: Term, turn: bool) -> Term:
    if a.op == "transpose":
        return a.args[0]
    if a.is_scalar or a.op in ("eye", "diag"):
        return a
    if a.op in ("zeros", "commutation") or (a.op == "ones" and a.shape.is_matrix):
        return make(a.op, data=(a.data[1], a.data[0]))
    if turn and a.op == "neg":
        return terms.neg(_transpose(a.args[0], turn))
    if turn and a.op == "div":
        return terms.div(_transpose(a.args[0], turn), a.args[1])
    if turn and a.op == "mul":
        scalars = [f for f in a.args if f.is_scalar]
        chain = [f for part in reversed(_parts([f for f in a.args if not f.is_scalar])) for f in _turned(part, turn)]
        return _product(a, scalars + chain)
    return terms.transpose(a)


def _parts(factors: Sequence[Term]) -> list[list[Term]]:
    """A chain cut at its inner sizes 1."""
    out: list[list[Term]] = []
    for f in factors:
        if not out or f.shape.rows is ONE_DIM:
            out.append([])
        out[-1].append(f)
    return out


def _turned(part: Sequence[Term], turn: bool) -> list[Term]:
    """The transpose of a part; a number such as ``X[i,j]`` stays as it is written."""
    if part[0].shape.rows is ONE_DIM and part[-1].shape.cols is ONE_DIM:
        return list(part)
    return [_transpose(f, turn) for f in reversed(part)]


def _inner(node: Term, args: list[Term]) -> Term:
    if args[1].op == "neg":
        args = [_neg(node, [args[0]]), args[1].args[0]]
    return terms.inner(*args)


_RULES: dict[str, Callable[[Term, list[Term]], Term]] = {
    "add": _add,
    "neg": _neg,
    "mul": _product,
    "had": _entrywise_product,
    "div": _quotient,
    "hdiv": _quotient,
    "pow": _power,
    "hpow": _power,
    "inner": _inner,
}
