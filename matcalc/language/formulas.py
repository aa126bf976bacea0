"""Functions given by a formula of numbers, applied to every entry: ``swish(t) := t*sigmoid(t)``.

A formula is a scalar term of its parameters.  *Lifting* makes a term of whole arrays of it: products and quotients go
entry by entry, a number that is added becomes a multiple of ``ones``.  The formulas that everybody knows are in
``FORMULAS``, written in the language itself; a program may define others.

Invariants: every entry of a lifted term is the formula's value at the entries of the arguments; what is no function of
numbers (a norm, a trace) is refused where the formula is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from matcalc.errors import ParseError
from matcalc.language import terms
from matcalc.language.dims import SCALAR, Shape
from matcalc.language.functions import FUNCTIONS
from matcalc.language.problem import Formula
from matcalc.language.reading import Misfit, Part, Reading, reads
from matcalc.language.shapes import entrywise_misfit
from matcalc.language.syntax import Node
from matcalc.language.terms import Term

__all__ = [
    "COMPARISONS",
    "FORMULAS",
    "SPELLINGS",
    "check_formula",
    "formula_call",
    "formula_of",
    "indicator",
    "lifted",
    "parameter_names",
    "slope",
]

ZERO, ONE = terms.number(0), terms.number(1)


@dataclass(frozen=True, slots=True)
class Row:
    """A formula that everybody knows; the parameters after the first are numbers, or arrays of the same shape."""

    parameters: tuple[str, ...]
    text: str


# At a kink the derivative is the one from the left, as that of relu: step(0) = 0.
FORMULAS: dict[str, Row] = {
    "leaky_relu": Row(("t", "a"), "a*t + (1 - a)*relu(t)"),
    "elu": Row(("t", "a"), "relu(t) + a*(exp(t - relu(t)) - 1)"),
    "max": Row(("t", "a"), "a + relu(t - a)"),
    "min": Row(("t", "a"), "t - relu(t - a)"),
    "clip": Row(("t", "lo", "hi"), "lo + relu(t - lo) - relu(t - hi)"),
    "relu6": Row(("t",), "relu(t) - relu(t - 6)"),
    "hardtanh": Row(("t",), "relu(t + 1) - relu(t - 1) - 1"),
    "softsign": Row(("t",), "t/(1 + abs(t))"),
    "mish": Row(("t",), "t*tanh(softplus(t))"),
    "where": Row(("c", "t", "a"), "c*t + (1 - c)*a"),
}
SPELLINGS = {"maximum": "max", "minimum": "min", "leakyrelu": "leaky_relu", "lrelu": "leaky_relu", "clamp": "clip"}

# What a comparison is for numbers: 1 where it holds, 0 elsewhere.
COMPARISONS = {
    ">": "step(t - a)",
    "<": "step(a - t)",
    ">=": "1 - step(a - t)",
    "<=": "1 - step(t - a)",
}


@cache
def known_formula(name: str) -> Formula:
    """A formula of the table, as a term."""
    row = FORMULAS[name]
    return Formula(name, row.parameters, _read(row.text, row.parameters))


@cache
def _comparison(sign: str) -> Formula:
    return Formula(sign, ("t", "a"), _read(COMPARISONS[sign], ("t", "a")))


def _read(text: str, names: Iterable[str]) -> Term:
    from matcalc.language.expressions import parse_expression  # the reader of text stands on this module

    return parse_expression(text, dict.fromkeys(names, SCALAR))


# ------------------------------------------------------------------------- lifting
NUMERIC = frozenset(("num", "const", "size", "sym", "add", "neg", "mul", "div", "pow", "fn"))


def check_formula(part: Part, node: Node, text: str) -> None:
    """Refuse a formula that is no function of numbers."""
    for t in terms.subterms(part.build()):
        if t.op not in NUMERIC:
            raise ParseError(
                f"a formula is made of numbers, and {t} is more than that",
                span=node.span,
                source=text,
                hint="a formula has + - * / ^ and functions of one number; it is applied to every entry",
            )


def lifted(t: Term, given: Mapping[str, Term], shape: Shape) -> Term:
    """The formula ``t`` with every parameter replaced, entry by entry: a number or an array of the given shape."""
    if t.op == "sym":
        return given.get(t.data, t)
    args = [lifted(a, given, shape) for a in t.args]
    if t.op == "neg" and args[0].op == "neg":
        return args[0].args[0]
    if all(a.is_scalar for a in args):
        return _sum(args) if t.op == "add" else terms.rebuild(t, args) if args else t
    if t.op == "add":
        return _sum([a if not a.is_scalar or _is_zero(a) else _spread(a, shape) for a in args])
    if t.op == "neg":
        return terms.neg(args[0])
    if t.op == "mul":
        return terms.had(*args)
    if t.op == "div":
        return terms.hdiv(*args)
    if t.op == "fn":
        return terms.fn(t.data[0], args[0], t.data[1])
    base, exponent = args
    if exponent.is_scalar:
        return terms.hpower(base, exponent)
    if base.op == "const" and base.data == "e":
        return terms.fn("exp", exponent)
    return terms.fn("exp", terms.had(terms.fn("log", base), exponent))


def _sum(args: Iterable[Term]) -> Term:
    """The sum, without a zero that a parameter stands for."""
    kept = [a for a in args if not _is_zero(a)]
    return terms.add(*kept) if len(kept) > 1 else kept[0] if kept else ZERO


def _is_zero(t: Term) -> bool:
    return t is ZERO or (t.op == "neg" and t.args[0] is ZERO)


def _spread(c: Term, shape: Shape) -> Term:
    """The number c in every entry."""
    ones = terms.ones(*shape)
    if c.op == "neg":
        return terms.neg(_spread(c.args[0], shape))
    return ones if c is ONE else terms.mul(c, ones)


# -------------------------------------------------------------------- the derivative
def slope(t: Term, name: str) -> Term:
    """The derivative of a formula by one of its parameters."""
    if name not in t.free:
        return ZERO
    if t.op == "sym":
        return ONE
    if t.op == "neg":
        return terms.neg(slope(t.args[0], name))
    if t.op == "add":
        parts = [s for s in (slope(a, name) for a in t.args) if s is not ZERO]
        return terms.add(*parts) if len(parts) > 1 else parts[0]
    if t.op == "mul":
        varying = [i for i, a in enumerate(t.args) if name in a.free]
        parts = [_product([*t.args[:i], slope(t.args[i], name), *t.args[i + 1 :]]) for i in varying]
        return terms.add(*parts) if len(parts) > 1 else parts[0]
    if t.op == "div":
        return _slope_of_quotient(t, name)
    if t.op == "fn":
        return _product([_outer_slope(t), slope(t.args[0], name)])
    return _slope_of_power(t, name)


def _product(factors: Iterable[Term]) -> Term:
    kept = [f for f in factors if f is not ONE]
    return terms.mul(*kept) if len(kept) > 1 else kept[0] if kept else ONE


def _slope_of_quotient(t: Term, name: str) -> Term:
    above, below = t.args
    first = terms.div(slope(above, name), below) if name in above.free else None
    if name not in below.free:
        return first or ZERO
    second = terms.div(_product([above, slope(below, name)]), terms.power(below, 2))
    return terms.neg(second) if first is None else terms.sub(first, second)


def _outer_slope(t: Term) -> Term:
    """The derivative of an elementwise function at its argument."""
    function, order = t.data
    if order or function not in FUNCTIONS:
        return terms.fn(function, t.args[0], order + 1)
    return terms.replace(_read(FUNCTIONS[function].derivative, ("t",)), {terms.symbol("t"): t.args[0]})


def _slope_of_power(t: Term, name: str) -> Term:
    base, exponent = t.args
    if name not in exponent.free:
        lower = terms.sub(exponent, ONE) if exponent.op != "num" else terms.number(exponent.data - 1)
        return _product([exponent, base if lower is ONE else terms.power(base, lower), slope(base, name)])
    rate = _product([slope(exponent, name), terms.fn("log", base)])
    if name in base.free:
        rate = terms.add(rate, terms.div(_product([exponent, slope(base, name)]), base))
    return terms.mul(t, rate)


# ------------------------------------------------------------------------- reading
def formula_of(r: Reading, name: str) -> Formula | None:
    """What a name stands for, where it is a formula: the program's own, or one of the table."""
    if name in r.formulas:
        return r.formulas[name]
    known = SPELLINGS.get(name, name)
    return known_formula(known) if known in FORMULAS else None


def formula_call(r: Reading, node: Node, formula: Formula) -> Part:
    """A formula applied to the entries of its arguments."""
    name, order = node.data
    if len(node.args) != len(formula.parameters):
        wanted = ", ".join(formula.parameters)
        raise ParseError(
            f"{name}({wanted}) takes {len(formula.parameters)} argument{'s' * (len(formula.parameters) > 1)}, "
            f"not {len(node.args)}",
            span=node.span,
            source=r.text,
        )
    term = formula.term
    for _ in range(order):
        term = slope(term, formula.parameters[0])
    shown = ", ".join(formula.parameters)
    where = "; both must have a value everywhere" if formula.name == "where" else ""
    r.notes[f"{name}{chr(39) * order}({shown}) is {term} for every entry{where}"] = None
    parts = [r.infer(a) for a in node.args]
    if formula.name in ("max", "min") and _is_number_first(r, parts):
        parts.reverse()
    return _applied(r, node, formula, term, parts)


def _is_number_first(r: Reading, parts: list[Part]) -> bool:
    """``max(0, X)``: the constant may stand on either side."""
    first, second = parts
    literal = all(n.kind in ("num", "neg") for n in first.node.walk())
    return literal or (r.shape(first).is_scalar and not r.shape(second).is_scalar)


def _applied(r: Reading, node: Node, formula: Formula, term: Term, parts: list[Part]) -> Part:
    shaped = [p for p in parts if not r.shape(p).is_scalar]
    for p in shaped[1:]:
        if not r.fits(shaped[0].shape, p.shape):
            raise entrywise_misfit(r, node, formula.name, shaped[0], p)
    shape = shaped[0].shape if shaped else SCALAR

    def build() -> Term:
        given = {name: p.build() for name, p in zip(formula.parameters, parts, strict=True)}
        entries = r.sizes.shape(shape)
        made = lifted(term, given, entries)
        return _spread(made, entries) if made.is_scalar and not entries.is_scalar else made

    return Part(node, shape, build)


@reads("compare")
def compare(r: Reading, node: Node) -> Part:
    """``(x > 0)``: 1 where it holds, 0 elsewhere."""
    formula = _comparison(node.data)
    parts = [r.infer(a) for a in node.args]
    r.notes[f"{r.says(node)} is 1 where it holds and 0 elsewhere"] = None
    return _applied(r, node, formula, formula.term, parts)


def indicator(r: Reading, node: Node) -> Part:
    """``indicator(x > 0)`` is ``(x > 0)``."""
    if node.args[0].kind != "compare":
        raise Misfit("indicator takes a comparison", node.args[0], r.text, hint="indicator(x > 0)")
    return r.infer(node.args[0])


def parameter_names(nodes: Iterable[Node], formulas: Mapping[str, object]) -> set[str]:
    """Names in the place of a parameter, as the c of ``max(X, c)``: usually numbers."""
    return {a.data for top in nodes for n in top.walk() for a in _parameters(n, formulas) if a.kind == "name"}


def _parameters(n: Node, formulas: Mapping[str, object]) -> Iterator[Node]:
    if n.kind == "compare":
        yield from n.args[1:]
    elif n.kind == "call" and n.data[0] != "where":
        named = n.data[0] in formulas or SPELLINGS.get(n.data[0], n.data[0]) in FORMULAS
        if named and n.args and n.args[0].kind not in ("num", "neg"):
            yield from n.args[1:]
