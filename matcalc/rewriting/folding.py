"""Folding definitions back: the answer in terms of what the problem has named.

Three small passes, each a step with its own check, none of them a search:

- *solve*: a definition ``N = U./S`` or ``N = U/s`` is solved for the older sum U, so that ``U`` becomes ``N.*S``; the
  divisor is not 0 where N is defined;
- *powers*: where ``s = E^p`` is defined, other powers of E become powers of s;
- *lemmas*: a product of two neighbours one of which is defined (``ones'*Xhat``) is written out by itself; where its
  normal form is zero or another name, it is replaced.

Everything is written out once more at the place where it is replaced, never as a whole: the whole need not have a
normal form that decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from matcalc.language import terms as T
from matcalc.language.terms import Term, subterms
from matcalc.rewriting.normal import Normalizer
from matcalc.rewriting.polynomial import as_rational
from matcalc.rewriting.steps import Step

__all__ = ["FOLDS", "fold", "reachable"]

MAX_PAIRS = 48  # neighbours looked at as lemmas
ROUNDS = 3  # a lemma may enable another
LEVELS = 4  # how many times definitions are written out in a lemma

Names = Mapping[Term, Term]  # name -> body, oldest first


def fold(raw: Term, names: Names, n: Normalizer, label: str) -> tuple[Term, tuple[Step, ...]]:
    """``raw`` in terms of the defined names, and the steps to it. Unchanged where nothing folds."""
    steps: list[Step] = []
    now = _step(steps, "fold-definition", raw, _bodies(raw, names), "defined above", label)
    now = _step(steps, "solve-definition", now, _solved(now, names, n), "a definition solved for its numerator", label)
    if now is raw:
        return raw, ()
    now = _step(steps, "collect-terms", now, n.canon(now), "collect like terms", label)
    now = _step(steps, "power-of-definition", now, _powers(now, names, n), "powers of a defined root", label)
    for _ in range(ROUNDS):
        after, said = _lemmas(now, names, n)
        if after is now:
            break
        now = _step(steps, "lemma", now, after, said, label)
    return now, tuple(steps)


# Each pass by the name of its step, to be done again.
FOLDS: Mapping[str, Callable[[Term, Names, Normalizer], Term]] = {
    "fold-definition": lambda t, names, n: _bodies(t, names),
    "solve-definition": lambda t, names, n: _solved(t, names, n),
    "power-of-definition": lambda t, names, n: _powers(t, names, n),
    "lemma": lambda t, names, n: _lemmas(t, names, n)[0],
}


def _step(steps: list[Step], rule: str, before: Term, after: Term, reason: str, label: str) -> Term:
    if after is not before:
        steps.append(Step(rule, before, after, reason, label=label, level=2))
    return after


def _bodies(t: Term, names: Names) -> Term:
    """Bodies of definitions, as they stand, become the names."""
    return T.replace(t, {body: name for name, body in names.items() if body.args})


def _solved(t: Term, names: Names, n: Normalizer) -> Term:
    """Bodies of definitions become the names, numerators the name times the denominator; the newest definition wins.

    One is met as a sum, or as neighbours in a product, or transposed; it is compared with older names written
    out, so that ``H*Y`` is also met where the mean of the rows is subtracted from Y.
    """
    table: dict[Term, Term] = {}
    inside = reachable(t, names)
    for name, body in names.items():
        if body.args and _basis(body, names) <= inside:  # else it has a name that cannot be met
            table[_written_out(body, names, n)] = name
        found = _numerator(name, body)
        if found is not None and _basis(found[0], names) <= inside and (found[0].args or found[0] in names):
            for numerator, solved in (found, (T.transpose(found[0]), T.transpose(found[1]))):
                table[_written_out(numerator, names, n)] = solved
    if not table:
        return t
    shapes = {u.shape for u in table}
    heads = {"add", "sym", *(u.op for u in table), *(body.op for body in names.values())}
    seen: dict[Term, Term | None] = {}

    def met(s: Term) -> Term | None:
        if s.shape not in shapes or not s.free:
            return None
        if s not in seen:
            seen[s] = table.get(_written_out(s, names, n))
        return seen[s]

    def visit(s: Term, args: list[Term]) -> Term:
        found = met(s) if s.op in heads else None
        if found is not None:
            return found
        return _neighbours(s, args, met) if s.op == "mul" else T.rebuild(s, args) if s.args else s

    return T.bottom_up(t, visit, {})


def _basis(t: Term, names: Names) -> set[str]:
    """The names in a term with the definitions of vectors and matrices written out."""
    inside = {n: body.free for name, body in names.items() if not name.is_scalar for n in name.free}
    found = set(t.free)
    for _ in range(LEVELS):
        found = {n for m in found for n in inside.get(m, (m,))}
    return found


def reachable(t: Term, names: Names) -> frozenset[str]:
    """The names that occur in a term, or in the definitions of what occurs in it."""
    inside = {n: body.free for name, body in names.items() for n in name.free}
    found: set[str] = set()
    waiting = list(t.free)
    while waiting:
        n = waiting.pop()
        if n not in found:
            found.add(n)
            waiting.extend(inside.get(n, ()))
    return frozenset(found)


def _neighbours(s: Term, args: list[Term], met: Callable[[Term], Term | None]) -> Term:
    """A product with neighbours replaced where ``met`` knows them."""
    out: list[Term] = []
    i = 0
    while i < len(args):
        several = (met(T.mul(*s.args[i:j])) for j in range(len(args), i + 1, -1))
        ends = range(len(args), i + 1, -1)
        j, found = next(((j, f) for j, f in zip(ends, several, strict=True) if f is not None), (i + 1, args[i]))
        out.append(found)
        i = j
    return T.mul(*out) if len(out) > 1 else out[0]


def _written_out(t: Term, names: Names, n: Normalizer) -> Term:
    """The normal form with the definitions of vectors and matrices written out."""
    for _ in range(LEVELS):
        inner = {s: names[s] for s in subterms(t) if s in names and not s.is_scalar}
        if not inner:
            break
        t = T.replace(t, inner)
    return n.canon(t)


def _numerator(name: Term, body: Term) -> tuple[Term, Term] | None:
    """What a quotient divides, and the same solved from ``name = body``."""
    if body.op == "hdiv" and not body.args[0].is_scalar:
        return body.args[0], T.had(name, body.args[1])
    if body.op == "div" and not body.args[0].is_scalar:
        return body.args[0], T.mul(body.args[1], name)
    if body.op != "mul":
        return None
    for end, rest in ((0, body.args[1:]), (-1, body.args[:-1])):
        under = _inverse_diagonal(body.args[end])
        if under is not None:
            numerator = T.mul(*rest) if len(rest) > 1 else rest[0]
            return numerator, T.mul(under, name) if end == 0 else T.mul(name, under)
    return None


def _inverse_diagonal(t: Term) -> Term | None:
    """``diag(w)`` of ``diag(1./w)``."""
    if t.op == "diag" and t.args[0].op == "hdiv" and as_rational(t.args[0].args[0]) == 1:
        return T.make("diag", t.args[0].args[1])
    return None


def _powers(t: Term, names: Names, n: Normalizer) -> Term:
    """Where s = E^p: E^q becomes s^(q/p) for fractional q."""
    for name, body in names.items():
        found = _root(body)
        if found is None:
            continue
        base, p = n.canon(found[0]), found[1]
        table = {}
        for s in subterms(t):
            if s.op in ("pow", "hpow") and s.args[0] is base:
                q = as_rational(s.args[1])
                if q is not None and q.denominator != 1:
                    power = T.hpower if s.op == "hpow" else T.power
                    table[s] = name if q == p else power(name, T.number(q / p))
        t = T.replace(t, table) if table else t
    return t


def _root(body: Term) -> tuple[Term, Fraction] | None:
    if body.op == "fn" and body.data == ("sqrt", 0):
        return body.args[0], Fraction(1, 2)
    if body.op in ("pow", "hpow"):
        p = as_rational(body.args[1])
        return None if p is None or p.denominator == 1 else (body.args[0], p)
    return None


def _lemmas(t: Term, names: Names, n: Normalizer) -> tuple[Term, str]:
    """Neighbours whose product is zero or another factor, replaced everywhere."""
    said: list[str] = []
    table: dict[Term, Term] = {}
    tried: dict[tuple[Term, Term], Term | None] = {}
    for s in subterms(t):
        if s.op != "mul":
            continue
        args = list(s.args)
        i = 0
        while i + 1 < len(args):
            pair = (args[i], args[i + 1])
            if _defined(pair, names) and not any(a.is_scalar for a in pair) and pair not in tried:
                if len(tried) >= MAX_PAIRS:
                    break
                tried[pair] = _value(T.mul(*pair), names, n)
                if tried[pair] is not None:
                    said.append(f"{T.mul(*pair)} = {tried[pair]}")
            value = tried.get(pair)
            if value is None:
                i += 1
            else:
                args[i : i + 2] = [value]
                i = max(0, i - 1)
        if args != list(s.args):
            table[s] = T.mul(*args) if len(args) > 1 else args[0]
    if not table:
        return t, ""
    return n.canon(T.replace(t, table)), "; ".join(said)


def _defined(pair: tuple[Term, Term], names: Names) -> bool:
    return any((a.args[0] if a.op == "transpose" else a) in names for a in pair)


def _value(product: Term, names: Names, n: Normalizer) -> Term | None:
    """Zero or one of the factors, where writing definitions out shows it; None otherwise."""
    for name, body in names.items():
        if body.args and body.shape == product.shape and n.canon(body) is n.canon(product):
            return name
    written = product
    for _ in range(LEVELS):  # a level at a time: writing everything out would hide what cancels
        p = n.poly(written)
        inner = {s: names[s] for s in subterms(written) if s in names and not s.is_scalar}
        if not inner:  # numbers only where they are factors: 1/s stays s
            above = {a for scalars, _ in p.terms for a, e in scalars if e > 0}
            inner = {s: names[s] for s in subterms(written) if s in names and s in above}
        if not inner:
            return None
        written = n.canon(T.replace(written, inner))
        found = _simple(product, written, inner, n)
        if found is not None:
            return found
    return None


def _simple(product: Term, written: Term, inner: Names, n: Normalizer) -> Term | None:
    """What a product turned out to be: zero, ones, or one of its own factors."""
    if written.op in ("zeros", "ones") or (written.op == "num" and written.data in (0, 1)):
        return written
    for f in product.args:
        if f.shape == product.shape and n.canon(T.replace(f, inner)) is written:
            return f
    return None
