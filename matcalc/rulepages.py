"""What a reader is told about rules: a page for each, applied to terms and to numbers, and the list of all.

The list needs only the rules' text; a page reads the rule, and its example in numbers imports the numeric room.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from matcalc.language import terms
from matcalc.language.dims import Dim, Shape, dim
from matcalc.language.terms import Term, subterms
from matcalc.rewriting.matching import Bindings, instantiate
from matcalc.rewriting.rules import KINDS, Rule, RuleBook

__all__ = ["describe", "explain", "instance", "listing", "page"]

SIZES = ("m", "n", "p", "q", "r", "s")
INNER_SIZE = "k"
WIDTH = 100  # of a line
MATRICES, COLUMNS = ("W", "Z", "V", "U", "P"), ("z", "w", "y", "p")


# -------------------------------------------------------------------------------------- the list
def listing(book: RuleBook) -> str:
    """Every rule on one line, by groups."""
    width = max((len(s.id) for s in book.statements), default=0) + 2
    out: list[str] = []
    for group in book.groups:
        out += ["", group] if out else [group]
        for s in book.statements:
            if s.group == group:
                mark = "false: " if s.false else ""
                out.append(f"  {s.id:<{width}}{mark}{s}")
    return "\n".join(out)


def catalogue(book: RuleBook) -> list[dict[str, Any]]:
    """The list for JSON."""
    return [
        {
            "id": s.id,
            "group": s.group,
            "left": s.text[0],
            "right": s.text[1],
            "conditions": [str(c) for c in s.conditions],
            "say": s.say,
            "source": s.source,
            "where": s.where,
            "false": s.false,
        }
        for s in book.statements
    ]


# ---------------------------------------------------------------------------------------- one rule
def describe(rule: Rule) -> dict[str, Any]:
    """The rule for JSON, without numbers."""
    left, right, shapes = named(rule)
    return {
        "id": rule.id,
        "group": rule.group,
        "left": rule.text[0],
        "right": rule.text[1],
        "unicode": f"{left.unicode()} = {right.unicode()}",
        "latex": f"{left.latex()} = {right.latex()}",
        "metavariables": {n: {"kind": rule.metavars[n], "shape": str(s)} for n, s in shapes.items()},
        "conditions": [{"text": str(c), "meaning": c.meaning} for c in rule.conditions],
        "say": rule.say,
        "source": rule.source,
        "where": rule.where,
        "false": rule.false,
    }


def named(rule: Rule) -> tuple[Term, Term, dict[str, Shape]]:
    """Both sides with readable sizes (m, n, ...), and the shapes of the metavariables in order of appearance."""
    bindings = Bindings(dims=_readable(rule))
    shapes: dict[str, Shape] = {}
    for s in _in_order(rule.lhs):
        if s.op in ("sym", "elem"):
            name = s.data if s.op == "sym" else s.data[0]
            shapes.setdefault(name, s.shape.substitute(bindings.dims))
    return _resized(rule.lhs, bindings), _resized(rule.rhs, bindings), shapes


def _in_order(t: Term) -> Iterator[Term]:
    yield t
    for a in t.args:
        yield from _in_order(a)


def _readable(rule: Rule) -> dict[str, Dim]:
    """New names for the sizes of a rule, but for those that the rule names itself."""
    symbols = [s for s in _in_order(rule.lhs) if s.op in ("sym", "elem")]
    names = dict.fromkeys(n for s in symbols for n in terms.size_names(s))
    names.update(dict.fromkeys(terms.size_names(rule.lhs)))
    own = [n for n in names if rule.kinds.get(n) == "size"]
    free = (n for n in SIZES if n not in own and n not in rule.metavars)
    return {n: dim(n if n in own else next(free, n)) for n in names}


def _resized(t: Term, b: Bindings) -> Term:
    table = {s.data: terms.symbol(s.data, *s.shape.substitute(b.dims)) for s in subterms(t) if s.op == "sym"}
    members = {s.data[0]: s.shape.substitute(b.dims) for s in subterms(t) if s.op == "elem"}
    table |= {name: terms.element(name, "#0", shape) for name, shape in members.items()}
    return instantiate(t, Bindings({**table, **b.terms}, b.dims, b.functions))


def instance(rule: Rule) -> tuple[Term, Term]:
    """The rule applied to something: one metavariable stands for a product of two others."""
    chosen = _replaceable(rule)
    bindings = Bindings(dims=_readable(rule))
    if chosen is not None:
        shape = chosen.shape.substitute(bindings.dims)
        bindings = bindings.term(chosen.data, _product(rule, chosen.data, shape))
    return _resized(rule.lhs, bindings), _resized(rule.rhs, bindings)


def _replaceable(rule: Rule) -> Term | None:
    """The metavariable that the example replaces: a tangent, else one under a d(...), else the first that is free."""
    bound = {c.args[0] for c in rule.conditions}
    symbols = [
        s for s in dict.fromkeys(_in_order(rule.lhs)) if s.op == "sym" and not s.is_scalar and s.data not in bound
    ]
    moving = [s.args[0] for s in _in_order(rule.rhs) if s.op == "d" and s.args[0] in symbols]
    tangents = [s for s in symbols if rule.metavars[s.data] == "tangent"]
    open_ = [s for s in symbols if rule.metavars[s.data] in ("matrix", "vector")]
    return next(iter(tangents or [s for s in moving if s in open_] or open_), None)


def _product(rule: Rule, name: str, shape: Shape) -> Term:
    matrix = next(n for n in MATRICES if n not in rule.metavars)
    column = next(n for n in COLUMNS if n not in rule.metavars)
    other = next(n for n in MATRICES if n not in rule.metavars and n != matrix)
    left = terms.symbol(matrix, shape.rows, INNER_SIZE)
    right = terms.symbol(column if shape.is_vector else other, INNER_SIZE, shape.cols)
    return terms.mul(left, terms.differential(right) if rule.metavars[name] == "tangent" else right)


def explain(rule: Rule, seed: int = 0) -> dict[str, Any]:
    """The rule for JSON, with its worked example: applied to terms, and at numbers."""
    left, right = instance(rule)
    return {**describe(rule), "example": {"left": str(left), "right": str(right), "numbers": _numbers(rule, seed)}}


def _numbers(rule: Rule, seed: int) -> list[str] | None:
    """Small values and both sides; of a false rule, a counterexample. None where no point was found."""
    from matcalc.trust import example

    found = example(rule, seed)
    return None if found is None else found.describe().splitlines()


def _kind(kind: str, rows: str, cols: str) -> str:
    """What a metavariable is, in words."""
    return KINDS["square"] if kind == "matrix" and rows == cols else KINDS[kind].partition(";")[0]


def _equation(left: str, right: str) -> list[str]:
    """An equation on one line if it is short, else on two."""
    whole = f"  {left} = {right}"
    return [whole] if len(whole) <= WIDTH else [f"  {left}", f"    = {right}"]


def page(rule: Rule, seed: int = 0) -> str:
    """The page of ``matcalc rules ID``."""
    facts = explain(rule, seed)
    head = f"{rule.id} (false: kept as a warning)" if rule.false else rule.id
    lines = [head, f"  {rule}"]
    if rule.say:
        lines.append(f"  {rule.say}")
    lines.append("")
    for name, known in facts["metavariables"].items():
        kind = _kind(known["kind"], *known["shape"].split("×"))
        lines.append(f"  {name} : {known['shape']}   {kind}")
    lines += [f"  {c['text']}: {c['meaning']}" for c in facts["conditions"]]
    if rule.source:
        lines.append(f"  source: {rule.source}")
    lines.append(f"  stated in {rule.where}")
    example = facts["example"]
    if not rule.false:
        lines += ["", "example", *_equation(example["left"], example["right"])]
    if example["numbers"] is not None:
        lines += ["", "counterexample" if rule.false else "in numbers", *(f"  {line}" for line in example["numbers"])]
    return "\n".join(lines)
