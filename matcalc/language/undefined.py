"""Expressions that have no value wherever the variables are: ``x/0``, ``log(0)``, ``inv(a*b')``.

Looked at are the numbers in a term and its shapes alone, so that a text is refused while it is read.  The entries of a
term are often one number (``0*ones(n)``), and the rank of a product is at most its smallest size.

Invariant: what is called undefined has no value at any point; what is not may still have none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from matcalc.language.terms import Term, bottom_up, subterms

__all__ = ["undefined_part"]

Number = Fraction | float | None  # exact where it is rational; None: not known
Rank = int | None  # at most that; None: not known
LARGEST = 1000  # exponents and digits beyond it are not computed
CONSTANTS = {"pi": math.pi, "e": math.e}


def undefined_part(t: Term) -> tuple[Term, str] | None:
    """The first subterm that has no value at any point, and why; arguments before what they are arguments of."""
    numbers: dict[Term, Number] = {}
    ranks: dict[Term, Rank] = {}
    for s in reversed(list(subterms(t))):
        check = _CHECKS.get(s.op)
        why = check(s, numbers, ranks) if check is not None else None
        if why is not None:
            return s, why
    return None


# ----------------------------------------------------------------------- one number
def entry(t: Term, known: dict[Term, Number]) -> Number:
    """The number that every entry of a term is, where that can be seen."""
    return bottom_up(t, _entry, known)


def _entry(t: Term, args: list[Number]) -> Number:
    if t.op == "num":
        return Fraction(t.data)
    if t.op == "const":
        return CONSTANTS[t.data]
    if t.op in ("zeros", "ones"):
        return Fraction(t.op == "ones")
    if t.op in _ZERO and any(a == 0 for a in args):
        return Fraction(0)
    rule = _ENTRIES.get(t.op)
    if rule is None or None in args:
        return None
    try:
        return rule(t, [a for a in args if a is not None])
    except (ValueError, ZeroDivisionError, OverflowError):
        return None


def _times(t: Term, args: list[Fraction | float]) -> Number:
    matrices = sum(not a.is_scalar for a in t.args)
    return math.prod(args) if matrices <= 1 else None


def _power(t: Term, args: list[Fraction | float]) -> Number:
    base, exponent = args
    if not t.args[0].is_scalar and t.op == "pow":
        return None
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        small = abs(exponent) <= LARGEST and len(str(base)) * abs(exponent) <= LARGEST
        return base ** int(exponent) if small else None
    return None if base < 0 else float(base) ** float(exponent)


def _function(t: Term, args: list[Fraction | float]) -> Number:
    name, order = t.data
    rule = _FUNCTIONS.get(name)
    return rule(float(args[0])) if rule is not None and not order else None


_ZERO = frozenset(("mul", "had", "kron", "inner"))
_ENTRIES: dict[str, Callable[[Term, list[Fraction | float]], Number]] = {
    "neg": lambda t, a: -a[0],
    "add": lambda t, a: sum(a),
    "mul": _times,
    "had": lambda t, a: math.prod(a),
    "div": lambda t, a: a[0] / a[1],
    "hdiv": lambda t, a: a[0] / a[1],
    "pow": _power,
    "hpow": _power,
    "fn": _function,
    "transpose": lambda t, a: a[0],
    "stop": lambda t, a: a[0],
    "vec": lambda t, a: a[0],
    "unvec": lambda t, a: a[0],
    "diagvec": lambda t, a: a[0],
    **{
        op: (lambda t, a: Fraction(0) if a[0] == 0 else None) for op in ("tr", "sum", "diag", "norm1", "norm2", "normF")
    },
}
_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "abs": abs,
}
CLOSE = 1e-9  # numbers that are not exact are told apart from that far on


# ----------------------------------------------------------------------------- rank
def rank(t: Term, known: dict[Term, Rank]) -> Rank:
    """A number that the rank of a term is at most."""
    return bottom_up(t, _rank, known)


def _rank(t: Term, args: list[Rank]) -> Rank:
    bounds = [d.value for d in t.shape]
    if t.op in ("mul", "had", "kron"):
        own = [r for a, r in zip(t.args, args, strict=True) if not a.is_scalar]
        if t.op == "mul":
            bounds += own
        elif None not in own:
            bounds.append(math.prod(r for r in own if r is not None))
    elif t.op == "add" and None not in args:
        bounds.append(sum(r for r in args if r is not None))
    elif t.op in ("neg", "transpose", "div", "stop", "pow"):
        bounds.append(args[0])
    elif t.op in ("zeros", "ones"):
        bounds.append(int(t.op == "ones"))
    return min((b for b in bounds if b is not None), default=None)


# --------------------------------------------------------------------------- checks
Check = Callable[[Term, dict[Term, Number], dict[Term, Rank]], str | None]


def _quotient(t: Term, numbers: dict[Term, Number], ranks: dict[Term, Rank]) -> str | None:
    return "division by zero" if entry(t.args[1], numbers) == 0 else None


def _raised(t: Term, numbers: dict[Term, Number], ranks: dict[Term, Rank]) -> str | None:
    exponent = entry(t.args[1], numbers)
    if exponent is None:
        return None
    whole = isinstance(exponent, Fraction) and exponent.denominator == 1
    if t.op == "pow" and not t.args[0].is_scalar:
        return _singular(t, numbers, ranks) if exponent < 0 else None
    base = entry(t.args[0], numbers)
    if base == 0 and exponent < 0:
        return "division by zero"
    if base is not None and base < -CLOSE and not whole:
        return "a power of a negative number that is not whole is not a real number"
    return None


def _singular(t: Term, numbers: dict[Term, Number], ranks: dict[Term, Rank]) -> str | None:
    of = t.args[0]
    what = "inverse" if t.op != "logdet" else "log-determinant"
    if entry(of, numbers) == 0:
        return f"zero has no {what}"
    size, bound = of.shape.rows.value, rank(of, ranks)
    if of.is_scalar or bound is None or (bound > 1 if size is None else bound >= size):
        return None
    only = f" unless {of.shape.rows} = 1" if size is None else ""
    return f"the {of.shape} matrix {of} has rank at most {bound}, so that it has no {what}{only}"


def _applied(t: Term, numbers: dict[Term, Number], ranks: dict[Term, Rank]) -> str | None:
    name = t.data[0]
    test = _DOMAINS.get(name)
    value = entry(t.args[0], numbers) if test is not None else None
    if test is None or value is None or test[0](value):
        return None
    shown = value if isinstance(value, Fraction) else f"{value:.4g}"
    return f"{shown} is outside the domain of {name}, {test[1]}"


_DOMAINS: dict[str, tuple[Callable[[Fraction | float], bool], str]] = {
    "log": (lambda x: x > 0 if isinstance(x, Fraction) else x > -CLOSE, "the positive numbers"),
    "sqrt": (lambda x: x >= 0 if isinstance(x, Fraction) else x > -CLOSE, "the numbers that are not negative"),
    "arcsin": (lambda x: -1 - CLOSE <= x <= 1 + CLOSE, "the numbers from -1 to 1"),
    "arccos": (lambda x: -1 - CLOSE <= x <= 1 + CLOSE, "the numbers from -1 to 1"),
}
_CHECKS: dict[str, Check] = {
    "div": _quotient,
    "hdiv": _quotient,
    "pow": _raised,
    "hpow": _raised,
    "inv": _singular,
    "logdet": _singular,
    "fn": _applied,
}
