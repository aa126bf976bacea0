"""Trust in rules: every rule is tested before it is used, a user's too.

A rule is *tested* where its right side fits the left side's most general shapes, both sides agree at 20 signed samples
or more with pairwise different sizes, and every condition is needed: without it the rule fails.  A rule that is not
tested is not used; the report says why, with a counterexample.  Tested is not proved.

A ``false`` line is held to the opposite: the samples must show it to be false.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from matcalc.errors import MatcalcError, RuleError
from matcalc.language.terms import Term, subterms
from matcalc.numeric.rulecheck import (
    DEGENERATE,
    SAMPLERS,
    CounterExample,
    Identity,
    Samples,
    check_identity,
    counterexample,
    small_point,
)
from matcalc.rewriting.mutants import Mutant, mutants
from matcalc.rewriting.rules import (
    CONDITIONS,
    Condition,
    IllShaped,
    Rule,
    RuleBook,
    Statement,
    read_file,
    read_statements,
    rule_of,
)

__all__ = ["Report", "example", "surviving_mutants", "verify", "verify_file", "verify_statements", "with_checked"]

if SAMPLERS.keys() != CONDITIONS.keys():
    raise AssertionError(f"conditions and their samplers differ: {sorted(SAMPLERS.keys() ^ CONDITIONS.keys())}")

ENOUGH = 20  # samples without which a rule is undecided

Status = Literal[
    "tested", "refuted", "ill-shaped", "needless-condition", "undecided", "unreadable", "shown-false", "not-shown-false"
]
GOOD = frozenset(("tested", "shown-false"))


@dataclass(frozen=True, slots=True)
class Report:
    """What the test of one rule found."""

    rule: str
    status: Status
    message: str
    samples: int = 0
    counterexample: CounterExample | None = None
    where: str = ""
    statement: str = ""

    @property
    def ok(self) -> bool:
        return self.status in GOOD

    def render(self) -> str:
        """One line; where the rule is refused, the statement, the reason and the counterexample below it."""
        head = f"{self.where}: {self.rule}: {self.status}"
        if self.ok:
            return f"{head} ({self.samples} samples)" if self.status == "tested" else f"{head} ({self.message})"
        lines = [head, f"  {self.statement}", *(f"  {line}" for line in self.message.splitlines())]
        if self.counterexample is not None:
            lines += [f"    {line}" for line in self.counterexample.describe().splitlines()]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The report for JSON."""
        c = self.counterexample
        return {
            "rule": self.rule,
            "status": self.status,
            "message": self.message,
            "samples": self.samples,
            "where": self.where,
            "statement": self.statement,
            "counterexample": c
            and {
                "sizes": dict(c.sizes),
                "values": {n: v.tolist() for n, v in c.values.items()},
                "tangents": {n: v.tolist() for n, v in c.tangents.items()},
                "left": c.left.tolist(),
                "right": [[x if abs(x) < float("inf") else None for x in row] for row in c.right.tolist()],
            },
        }


# ------------------------------------------------------------------------------- from rule to samples
def identity_of(rule: Rule) -> Identity:
    """What the numeric room needs to know of a rule."""
    conditions = tuple((c.name, c.args[0]) for c in rule.conditions)
    return Identity(rule.lhs, rule.metavars, conditions)


def samples_of(rule: Rule, seed: int = 0) -> Samples:
    return Samples(identity_of(rule), seed)


def _statement(rule: Rule) -> Statement:
    """The rule as a statement, to be read again with fewer conditions."""
    return Statement(
        rule.id, rule.text, rule.conditions, rule.kinds, where=rule.where, group=rule.group, line=str(rule)
    )


# ----------------------------------------------------------------------------------------- the test
def verify(rules: Iterable[Rule], seed: int = 0) -> list[Report]:
    """A report for every rule."""
    return [_verify_rule(r, seed) for r in rules]


def _verify_rule(rule: Rule, seed: int) -> Report:
    samples = samples_of(rule, seed)
    count, bad = check_identity(samples, rule.rhs)
    found = None if bad is None else counterexample(samples, rule.rhs, bad)
    report = Report(rule.id, "tested", "", count, found, rule.where, str(rule))
    if rule.false:
        if found is not None:
            return replace(report, status="shown-false", message="a counterexample was found, as it should be")
        return replace(report, status="not-shown-false", message=f"no counterexample was found in {count} samples")
    if found is not None:
        return replace(report, status="refuted", message="the two sides differ:")
    if count < ENOUGH:
        message = f"only {count} samples were found at which the left side has a value; {ENOUGH} are needed"
        return replace(report, status="undecided", message=message)
    for c in rule.conditions:
        if not is_needed(rule, c, seed):
            message = f"the condition {c} is not needed: the rule holds without it"
            return replace(report, status="needless-condition", message=message)
    return replace(report, message="both sides agreed")


STRUCTURES = frozenset(("symmetric", "skew", "diagonal", "orthogonal", "posdef", "invertible"))


def is_needed(rule: Rule, condition: Condition, seed: int = 0) -> bool:
    """Whether the rule fails, is ill-shaped, or says something else without the condition."""
    rest = tuple(c for c in rule.conditions if c is not condition)
    name, arg = condition.name, condition.args[0]
    if name in STRUCTURES:  # such a matrix is square in any case
        return _fails(replace(rule, conditions=rest), seed, ((name, arg),) if name in DEGENERATE else ())
    if not CONDITIONS[name].kind:
        return _fails(replace(rule, conditions=rest), seed, ((name, arg),) if name in DEGENERATE else ())
    try:
        weaker = rule_of(replace(_statement(rule), conditions=rest))
    except MatcalcError:
        return True
    return _operations(weaker.lhs) != _operations(rule.lhs) or _fails(weaker, seed, ())


def _operations(t: Term) -> list[str]:
    return [s.op for s in subterms(t)]


def _fails(rule: Rule, seed: int, degenerate: tuple[tuple[str, str], ...]) -> bool:
    samples = Samples(replace(identity_of(rule), degenerate=degenerate), seed)
    return check_identity(samples, rule.rhs)[1] is not None


# ------------------------------------------------------------------------------------ files of rules
def verify_statements(statements: Iterable[Statement], seed: int = 0) -> list[Report]:
    """A report for every statement, also for those that cannot be read."""
    out: list[Report] = []
    for s in statements:
        try:
            out += verify([rule_of(s)], seed)
        except IllShaped as e:
            out.append(_ill_shaped(s, e, seed))
        except MatcalcError as e:
            out.append(Report(s.id, "unreadable", _said(s, e), where=s.where, statement=str(s)))
    return out


def _said(s: Statement, e: MatcalcError) -> str:
    return e.render().removeprefix("error: ").removeprefix(f"{s.where}: ").removeprefix(f"{s.id}: ")


def _ill_shaped(s: Statement, e: IllShaped, seed: int) -> Report:
    """The report on a rule whose right side is more special than its left: what becomes of it for square matrices."""
    report = Report(s.id, "ill-shaped", _said(s, e), where=s.where, statement=str(s))
    square = replace(s, kinds={n: "square" if k == "matrix" else k for n, k in s.kinds.items()})
    try:
        rule = rule_of(square)
    except MatcalcError:
        return report
    found = _verify_rule(rule, seed)
    if found.status == "refuted":
        return replace(found, message="the two sides differ, even for square matrices:")
    if s.false and found.ok:
        return found
    hint = "the left side allows other shapes, for which the right side has no value"
    if found.ok:
        free = [n for n, k in rule.metavars.items() if k == "square" and s.kinds[n] == "matrix"]
        hint += f"; for square matrices the rule holds: add a condition such as square({free[0]})"
    return replace(report, message=f"{report.message}\n{hint}")


def verify_file(path: str | Path, seed: int = 0) -> list[Report]:
    """A report for every rule of a file. Raises RuleError where the file is not one of rules."""
    return verify_statements(read_statements(read_file(path), str(path)), seed)


def with_checked(book: RuleBook, path: str | Path, seed: int = 0) -> RuleBook:
    """The book with a user's rules, all of them tested. Raises RuleError with the first refused rule's report."""
    statements = read_statements(read_file(path), str(path))
    bigger = book.with_statements(statements)
    for report in verify_statements(statements, seed):
        if not report.ok:
            raise RuleError(f"the rule is refused: {report.render()}")
    return bigger


# ------------------------------------------------------------------------------------------ mutants
def surviving_mutants(rule: Rule, seed: int = 0) -> tuple[list[Mutant], int, int]:
    """The mutants that neither shapes nor values refuse, how many the shapes refused, and how many the values."""
    samples = samples_of(rule, seed)
    alive: list[Mutant] = []
    by_shape = by_value = 0
    for m in mutants(rule.rhs):
        if m.term is None:
            by_shape += 1
        elif check_identity(samples, m.term)[1] is not None:
            by_value += 1
        else:
            alive.append(m)
    return alive, by_shape, by_value


# ------------------------------------------------------------------------------------------ examples
def example(rule: Rule, seed: int = 0) -> CounterExample | None:
    """A small point with both sides' values: where they differ for a false rule, else where they agree."""
    samples = samples_of(rule, seed)
    if rule.false:
        bad = check_identity(samples, rule.rhs)[1]
        return None if bad is None else counterexample(samples, rule.rhs, bad)
    return small_point(samples, rule.rhs)
