"""The differential: from ``d(f(x))`` to a form that is linear in ``d(x)``, by the rules ``d(...) = ...`` of the book.

The rules say what is true; this module says which one is used next, where, and in which of the ways it fits.  Of the
rules that apply, the most specific goes first, and it takes as much that is constant as it can.  A round is one line of
the brief derivation: everything linear (and the product rule) as far as it goes, then every function that stands
directly under a ``d`` once.

Invariants: every elementary step is an instance of one rule at one path; a rule that does not apply is never replaced
by a guess: :class:`~matcalc.errors.CannotDerive` says which differential is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import islice

from matcalc.calculus.arithmetic import numeral
from matcalc.calculus.moves import MOVES, move
from matcalc.errors import CannotDerive
from matcalc.language.functions import FUNCTIONS
from matcalc.language.terms import Path, Term, add, at, differential, subterms
from matcalc.rewriting.engine import Head, Setting, apply, by_head, step
from matcalc.rewriting.matching import Bindings
from matcalc.rewriting.rules import Rule, RuleBook
from matcalc.rewriting.steps import Step

__all__ = ["Tables", "TooLarge", "differentials_in", "forward", "grouped", "occurrences", "round_of", "tables"]

LARGEST_POWER = 12  # of a matrix: a larger one is not written out as a product (as in the normal form)
LONG_SUM = 8  # summands up to which they are split off one by one
LARGEST_LINE = 20_000  # nodes: beyond it a line is no answer to anybody

# Rules that a reader does not want to see one by one.
ROUTINE = frozenset(
    (
        "d-add", "d-neg", "d-left", "d-right", "d-scale", "d-scale-constant", "d-constant", "d-transpose", "d-trace",
        "d-sum", "d-diag", "d-diagvec", "d-vec", "d-unvec", "d-quotient-constant", "d-hquotient-constant",
        "d-hadamard-left", "d-inner-constant", "d-kron-left", "d-kron-right", "arithmetic", "unit-cotangent", "collect",
        "inner-symmetric", "scalar-behind", "scalar-front", "hdivide-scalar", "d-sum-over", "sum-inner-members",
        "split-sum",
    )
)  # fmt: skip
# Operations that are linear, or products: they are followed to the end within one line.
SPREADING = frozenset(
    (
        "add", "neg", "mul", "had", "div", "hdiv", "transpose", "tr", "sum", "diag", "diagvec", "vec", "unvec", "kron",
        "inner", "sym", "sumover",
    )
)  # fmt: skip


class TooLarge(CannotDerive):
    """A line would be longer than anybody reads; named cotangents may help."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The two tables of calculus, and the book they come from."""

    rules: RuleBook
    differentials: Mapping[Head, tuple[Rule, ...]]
    adjoints: Mapping[Head, tuple[Rule, ...]]

    def for_differential(self, e: Term) -> tuple[Rule, ...]:
        return self.differentials.get(("d", e.op), ()) + self.differentials.get(("d", "sym"), ())

    def for_adjoint(self, h: Term) -> tuple[Rule, ...]:
        return self.adjoints.get(("inner", h.op), ())


def tables(book: RuleBook) -> Tables:
    """The two tables in a book, told apart by form: ``d(E) = ...``, and ``inner(G, L(H)) = inner(..., H)``.

    Only rules of these forms are read: the rest of the book costs nothing.
    """
    written = [s for s in book.statements if not s.false and s.text[0].startswith(("d(", "inner("))]
    rules = [book[s.id] for s in written]
    differentials = [r for r in rules if r.lhs.op == "d" and not r.id.startswith("linear-transform")]
    adjoints = [r for r in rules if r.lhs.op == "inner" and _has_tangent(r) and _moves_over(r)]
    return Tables(book, by_head(differentials), by_head(adjoints))


def _has_tangent(rule: Rule) -> bool:
    return any(kind.endswith("tangent") for kind in rule.metavars.values())


def _moves_over(rule: Rule) -> bool:
    """Whether the left side has an operation on the tangent that the right side has taken away."""
    return rule.lhs.args[1].op != "sym" and rule.rhs.op in ("inner", "add", "sumover")


# ----------------------------------------------------------------------- places
def occurrences(line: Term, wanted: Term, most: int = 2) -> int:
    """How often a tangent subterm occurs, counted up to ``most``."""
    count, stack = 0, [line]
    while stack and count < most:
        node = stack.pop()
        if node is wanted:
            count += 1
        elif node.op != "d":
            stack.extend(a for a in node.args if a.tangent)
    return count


def first_place(line: Term, skip: Set[Term]) -> Path | None:
    """The path of the leftmost differential that is not among those to skip."""
    stack: list[tuple[Term, Path]] = [(line, ())]
    while stack:
        node, path = stack.pop()
        if node.op == "d":
            if node not in skip:
                return path
            continue
        stack.extend((a, (*path, i)) for i, a in reversed(list(enumerate(node.args))) if a.tangent)
    return None


def differentials_in(t: Term) -> list[Term]:
    """The distinct differentials in a term, in order."""
    out: dict[Term, None] = {}
    seen: set[Term] = set()
    stack = [t]
    while stack:
        node = stack.pop()
        if node.op == "d":
            out[node] = None
        elif node not in seen:
            seen.add(node)
            stack.extend(a for a in reversed(node.args) if a.tangent)
    return list(out)


# ---------------------------------------------------------------------- choosing
def _rank(rule: Rule, scalar: bool) -> tuple[bool, int, int]:
    """More specific rules first: made for scalars, more structure, more conditions."""
    structure = sum(2 if s.op == "fn" and s.data[0] in FUNCTIONS else s.op != "sym" for s in subterms(rule.lhs))
    return (scalar and rule.lhs.is_scalar, structure, len(rule.conditions))


def _taken(rule: Rule, found: Bindings) -> int:
    """How much of the term a rule's constant metavariables take."""
    return sum(found.terms[a].size for c in rule.conditions if c.name == "constant" for a in c.args)


def _ways(rule: Rule) -> int | None:
    """How many ways of applying a rule are looked at: every one (None) where they differ in what they take."""
    return None if any(c.name == "constant" for c in rule.conditions) else 1


def _choice(node: Term, book: Tables, setting: Setting) -> tuple[Rule, Term, Bindings] | None:
    """The rule to use for one differential, with its result: the most specific, taking the most."""
    inside = node.args[0]
    if setting.constant(inside):
        candidates = [r for r in book.for_differential(inside) if r.lhs.args[0].op == "sym"]
    else:
        candidates = [r for r in book.for_differential(inside) if r.lhs.args[0].op != "sym"]
    ranks = sorted({_rank(r, inside.is_scalar) for r in candidates}, reverse=True)
    for rank in ranks:
        equals = [r for r in candidates if _rank(r, inside.is_scalar) == rank]
        fits = [
            (rule, *fit)
            for rule in equals
            for fit in islice(apply(rule, node, setting, bindings=halved(rule, inside)), _ways(rule))
        ]
        if fits:
            return max(fits, key=lambda fit: _taken(fit[0], fit[2]))
    return None


def halved(rule: Rule, long: Term) -> Bindings | None:
    """A long sum is split in the middle by a rule of two summands: so is a sum of n terms in log(n) levels."""
    parts = rule.lhs.args[-1]
    if long.op != "add" or len(long.args) <= LONG_SUM or parts.op != "add" or parts.args[0].op != "sym":
        return None
    return Bindings({parts.args[0].data: add(*long.args[: len(long.args) // 2])})


def elementary(line: Term, path: Path, book: Tables, setting: Setting) -> tuple[Step, Term]:
    """One step: the differential at a path of the line is worked out by one rule. With what it became."""
    node = at(line, path)
    inside = node.args[0]
    if inside.op == "sym" and inside.data in setting.definitions and not setting.constant(inside):
        body = setting.definitions[inside.data]
        made = move("definition", line, setting, path, reason=f"{inside} = {body}")
        return _required(made, inside), differential(body)
    choice = _choice(node, book, setting)
    if choice is not None:
        rule, new, found = choice
        return step(rule, line, path, new, found), new
    rewritten = move("row-as-column", line, setting, (*path, 0))
    if rewritten is None and _is_matrix_power(inside):
        rewritten = move("power-product", line, setting, (*path, 0))
    if rewritten is not None:
        return rewritten, at(rewritten.after, path)
    return _required(move("total-differential", line, setting, path), inside), _total(node, setting)


def _required(made: Step | None, inside: Term) -> Step:
    if made is None:
        raise CannotDerive(_reason(inside))
    return made


def _total(node: Term, setting: Setting) -> Term:
    return MOVES["total-differential"](node, {}, setting) or node


def _is_matrix_power(inside: Term) -> bool:
    if inside.op != "pow" or inside.is_scalar:
        return False
    exponent = numeral(inside.args[1])
    if exponent is None or exponent.denominator != 1:
        raise CannotDerive(f"the differential of {inside} is known only where the exponent is a whole number")
    if abs(exponent) > LARGEST_POWER:
        raise CannotDerive(f"{inside} is not written out as a product: the exponent is larger than {LARGEST_POWER}")
    return True


_REASONS = {
    "jac": "the derivative of a Jacobian of an opaque function has no name in the language",
    "hess": "the derivative of a Hessian of an opaque function has no name in the language",
}


def _reason(inside: Term) -> str:
    known = _REASONS.get(inside.op)
    return f"{known}: {inside}" if known else f"no rule gives the differential of {inside}"


# ------------------------------------------------------------------------ rounds
def _spreads(inside: Term, setting: Setting) -> bool:
    if inside.op in ("div", "hdiv"):
        return setting.constant(inside.args[1])
    return inside.op in SPREADING or setting.constant(inside)


def round_of(
    line: Term, book: Tables, setting: Setting, done: Set[Term], chain: bool = True, spread: bool = True
) -> list[Step]:
    """The elementary steps of one line: what is linear to its end, then each function once (``chain``)."""
    steps: list[Step] = []
    waiting: set[Term] = set(done)
    while (path := first_place(line, waiting)) is not None:
        node = at(line, path)
        if node.args[0].op == "elem" and not setting.constant(node.args[0]):  # the change of a member stands for itself
            waiting.add(node)
            continue
        spreads = _spreads(node.args[0], setting)
        if (spreads and not spread) or (not spreads and not chain):
            waiting.add(node)
            continue
        made, new = elementary(line, path, book, setting)
        if not spreads and new.op != "d":
            waiting.update(differentials_in(new))
        steps.append(made)
        line = made.after
        if line.size > LARGEST_LINE:
            raise TooLarge("the differential becomes too large to be written out")
    return steps


def forward(
    line: Term, book: Tables, setting: Setting, done: Set[Term], label: str, most: int | None = None
) -> Iterator[Step]:
    """The lines from ``d(...)`` to a form linear in the differentials that are ``done``, one round each."""
    while most is None or most > 0:
        steps = round_of(line, book, setting, done)
        if not steps:
            return
        made = grouped(steps, label)
        yield made
        line = made.after
        most = None if most is None else most - 1


# ---------------------------------------------------------------------- grouping
def grouped(steps: Sequence[Step], label: str, rule: str = "", reason: str = "", turn: bool = False) -> Step:
    """Elementary steps as one line, tidied; named by the one rule in it that is not routine, where there is one."""
    parts = list(steps)
    clean = move("transposes" if turn else "arithmetic", parts[-1].after, Setting(), level=3)
    if clean is not None and clean.after is not clean.before:
        parts.append(clean)
    if len(parts) == 1 and not rule:
        return replace(parts[0], label=label, level=1)
    if not rule:
        rule, reason = _headline(parts)
    return Step(rule, parts[0].before, parts[-1].after, reason, label, substeps=tuple(parts))


def _headline(parts: Sequence[Step]) -> tuple[str, str]:
    notable: dict[str, str] = {}
    for p in parts:
        if p.rule not in ROUTINE and not p.rule.startswith("adjoint-") and p.level < 3:
            notable.setdefault(p.rule, p.reason)
    if not notable:
        return "linearity", "the differential is linear; what is constant comes out"
    if len(notable) == 1:
        return next(iter(notable.items()))
    return "differentials", "; ".join(dict.fromkeys(notable.values()))
