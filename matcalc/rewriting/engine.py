"""Applying one rule at one place, in either direction, under what is known.

The engine has no strategy: it yields every way a rule applies, and the caller chooses.  A condition is decided from the
facts about the symbols and the structure of the term; the verdict has three values, and a rule applies only where every
condition is certainly true.

Invariants: what is yielded is an instance of the rule (:mod:`matcalc.rewriting.replay` can do it again); the order of
the results depends on the input alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from matcalc.errors import ShapeError
from matcalc.language.dims import Shape
from matcalc.language.terms import Path, Term, at, make, put, symbol, transpose
from matcalc.rewriting.matching import Bindings, instantiate, match
from matcalc.rewriting.rules import Condition, Rule
from matcalc.rewriting.steps import Step

__all__ = ["CONDITIONS", "Setting", "apply", "by_head", "decide", "head", "rewrite", "step"]

REST = "·rest"  # the metavariable for summands that a rule does not touch; no user can type it


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known while a derivation runs.

    ``varying`` are the names whose differential is not zero: the variable and the definitions that depend on it.
    """

    facts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    varying: frozenset[str] = frozenset()
    definitions: Mapping[str, Term] = field(default_factory=dict)

    def constant(self, t: Term) -> bool:
        """Whether the differential of a term is zero because nothing in it varies."""
        return not t.tangent and self.varying.isdisjoint(t.varies)


# ------------------------------------------------------------------ conditions
Verdict = bool | None
Decider = Callable[[Term, Setting], Verdict]


def _has(*names: str) -> Callable[[Term, Setting], bool]:
    """Whether a symbol is declared with one of the properties."""

    def holds(t: Term, s: Setting) -> bool:
        return t.op == "sym" and not s.facts.get(t.data, frozenset()).isdisjoint(names)

    return holds


def _through(ops: Iterable[str], declared: Callable[[Term, Setting], bool], always: Iterable[str] = ()) -> Decider:
    """A property that passes through some operations from all their arguments; unknown where it does not."""
    passing, sure = frozenset(ops), frozenset(always)

    def decide_it(t: Term, s: Setting) -> Verdict:
        stack = [t]
        while stack:
            node = stack.pop()
            if node.op in sure or declared(node, s):
                continue
            if node.op not in passing or not node.args:
                return None
            stack.extend(node.args)
        return True

    return decide_it


_is_diagonal = _through(("transpose", "inv", "neg", "add"), _has("diagonal"), always=("diag", "eye"))
_is_orthogonal = _through(("transpose", "inv", "mul"), _has("orthogonal"), always=("eye", "commutation"))
_is_invertible = _through(
    ("transpose", "neg"), _has("invertible", "posdef", "orthogonal"), always=("eye", "inv", "commutation")
)
_is_positive_definite = _through(("transpose", "inv", "add"), _has("posdef"), always=("eye",))
_POSITIVE_SURE = ("size", "const", "ones")
_is_positive = _through(
    ("add", "mul", "div", "pow", "had", "hdiv", "hpow", "transpose"),
    lambda t, s: (
        _has("positive")(t, s)
        or (t.op == "num" and t.data > 0)
        or (t.op == "fn" and t.data in (("exp", 0), ("sigmoid", 0), ("softplus", 0), ("cosh", 0)))
    ),
    always=(*_POSITIVE_SURE, "softmax"),
)
_is_integer = _through(("add", "mul", "neg"), lambda t, s: t.op == "num" and t.data.denominator == 1, always=("size",))


def _equal_under_facts(t: Term, image: Term, s: Setting) -> Verdict:
    from matcalc.rewriting.normal import equal

    return equal(t, image, s.facts)


def _symmetric(t: Term, s: Setting) -> Verdict:
    if not t.shape.is_square:
        return False
    if _has("symmetric", "posdef", "diagonal")(t, s):
        return True
    return _equal_under_facts(t, transpose(t), s)


def _skew(t: Term, s: Setting) -> Verdict:
    if not t.shape.is_square:
        return False
    return True if _has("skew")(t, s) else _equal_under_facts(t, make("neg", transpose(t)), s)


def _nonzero(t: Term, s: Setting) -> Verdict:
    if t.op == "num":
        return bool(t.data != 0)
    if t.op == "neg":
        return _nonzero(t.args[0], s)
    if t.op == "det":
        return _is_invertible(t.args[0], s)
    return _is_positive(t, s)


def _stochastic(t: Term, s: Setting) -> Verdict:
    if t.op == "softmax":
        return t.data == "rowwise" or None
    return (t.shape.is_matrix and _has("stochastic")(t, s)) or None


def _by_shape(test: Callable[[Shape], bool]) -> Decider:
    return lambda t, s: test(t.shape)


CONDITIONS: dict[str, Decider] = {
    "square": _by_shape(lambda s: s.is_square),
    "scalar": _by_shape(lambda s: s.is_scalar),
    "vector": _by_shape(lambda s: s.rows.value != 1 and s.cols.value == 1),
    "row": _by_shape(lambda s: s.rows.value == 1 and s.cols.value != 1),
    "symmetric": _symmetric,
    "skew": _skew,
    "diagonal": lambda t, s: _is_diagonal(t, s) if t.shape.is_square else False,
    "orthogonal": lambda t, s: _is_orthogonal(t, s) if t.shape.is_square else False,
    "posdef": lambda t, s: _is_positive_definite(t, s) if t.shape.is_square else False,
    "invertible": lambda t, s: _is_invertible(t, s) if t.shape.is_square else False,
    "positive": _is_positive,
    "nonzero": _nonzero,
    "integer": _is_integer,
    "stochastic": _stochastic,
    "constant": lambda t, s: s.constant(t),
}


def decide(condition: Condition, bindings: Bindings, setting: Setting) -> Verdict:
    """Whether a condition holds for what its metavariables are bound to: True, False, or None for unknown."""
    if any(a not in bindings.terms for a in condition.args):
        return None
    verdicts = [CONDITIONS[condition.name](bindings.terms[a], setting) for a in condition.args]
    if any(v is False for v in verdicts):
        return False
    return True if all(verdicts) else None


# ------------------------------------------------------------------- application
def apply(
    rule: Rule,
    term: Term,
    setting: Setting | None = None,
    direction: int = 1,
    bindings: Bindings | None = None,
    within: bool = False,
) -> Iterator[tuple[Term, Bindings]]:
    """Every result of the rule at the root of a term, with its bindings.

    ``bindings`` fixes some metavariables beforehand.  With ``within`` the rule may also replace some neighbouring
    factors of a longer product, or some summands of a longer sum.
    """
    setting = setting or Setting()
    source, target = (rule.lhs, rule.rhs) if direction > 0 else (rule.rhs, rule.lhs)
    still = frozenset(a for c in rule.conditions if c.name == "constant" for a in c.args)
    for found in match(source, term, rule.metavars, bindings, still, setting.constant):
        new = _result(rule, target, found, setting)
        if new is not None:
            yield new, found
    if within and source.op == term.op and term.row.associative:
        yield from _apply_within(rule, source, target, term, setting, bindings)


def _result(rule: Rule, target: Term, found: Bindings, setting: Setting) -> Term | None:
    """The other side of the rule, or None where a condition is not certain or a metavariable stays open."""
    if any(name in rule.metavars and name not in found.terms for name in target.free):
        return None
    if not all(decide(c, found, setting) for c in rule.conditions):
        return None
    return instantiate(target, found)


def _apply_within(
    rule: Rule, source: Term, target: Term, term: Term, setting: Setting, bindings: Bindings | None
) -> Iterator[tuple[Term, Bindings]]:
    if term.row.commutative:
        wider = make(source.op, source, symbol(REST, *source.shape))
        for found in match(wider, term, {**rule.metavars, REST: "matrix"}, bindings):
            new = _result(rule, target, found, setting)
            if new is not None:
                yield make(term.op, new, found.terms[REST]), found
        return
    size = len(term.args)
    for length in range(len(source.args), size):
        for i in range(size - length + 1):
            try:
                run = make(term.op, *term.args[i : i + length])
            except ShapeError:  # a run with scalars in it that only chains with its neighbours
                continue
            for found in match(source, run, rule.metavars, bindings):
                new = _result(rule, target, found, setting)
                if new is not None:
                    yield make(term.op, *term.args[:i], new, *term.args[i + length :]), found


# ------------------------------------------------------------------------- steps
def step(rule: Rule, line: Term, path: Path, new: Term, found: Bindings, direction: int = 1, level: int = 2) -> Step:
    """The step in which a rule's result replaces the subterm at a path of a line."""
    names = {f: symbol(value) for f, value in found.functions.items()}
    return Step(
        rule=rule.id,
        before=line,
        after=put(line, path, new),
        reason=rule.say,
        path=path,
        direction=direction,
        bindings={**found.terms, **names},
        level=level,
    )


def rewrite(
    rule: Rule, line: Term, path: Path = (), setting: Setting | None = None, direction: int = 1, within: bool = False
) -> Step | None:
    """The first way the rule applies at a path of a line, as a step; None where it does not apply."""
    for new, found in apply(rule, at(line, path), setting, direction, within=within):
        return step(rule, line, path, new, found, direction)
    return None


# ------------------------------------------------------------------------- index
Head = tuple[str, str]


def head(t: Term) -> Head:
    """The operation of a term and of its last argument: what rules are filed under."""
    return t.op, t.args[-1].op if t.args else ""


def by_head(rules: Iterable[Rule], direction: int = 1) -> dict[Head, tuple[Rule, ...]]:
    """The rules under the head of the side they are read from; a metavariable as last argument is filed as ``sym``."""
    table: dict[Head, list[Rule]] = {}
    for rule in rules:
        if not rule.false:
            table.setdefault(head(rule.lhs if direction > 0 else rule.rhs), []).append(rule)
    return {h: tuple(found) for h, found in table.items()}
