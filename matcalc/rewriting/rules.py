"""Rules: an undirected identity of typed terms with conditions, a sentence and a source, read from ``rules/*.rules``.

The lines of a file are read into statements (:mod:`matcalc.rewriting.rulefile`, cheap); a statement becomes a
:class:`Rule`, typed terms on both sides, when the rule is asked for.

Invariants: ids are unique in a book; the right side has no name and no size that the left side lacks, and fits the left
side's most general shapes.  Reading a rule says nothing about its truth: see :mod:`matcalc.trust`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from matcalc import resources
from matcalc.errors import MatcalcError, RuleError, ShapeError, Span
from matcalc.language.dims import SCALAR, shape
from matcalc.language.problem import Function
from matcalc.language.terms import Term, size_names, subterms
from matcalc.rewriting.rulefile import (
    CONDITIONS,
    KINDS,
    NO_TERM,
    Condition,
    Statement,
    nearest,
    read_file,
    read_statements,
    statement_text,
    wrong_line,
)

__all__ = [
    "CONDITIONS",
    "KINDS",
    "Condition",
    "IllShaped",
    "Rule",
    "RuleBook",
    "Statement",
    "load",
    "parse_rules",
    "read_file",
    "read_statements",
    "rule_book",
    "rule_of",
]

FUNCTION_KINDS = ("elementwise", "function")
WORD = re.compile(r"\w+")


class IllShaped(RuleError):
    """The right side does not fit the most general shapes of the left side."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``lhs = rhs`` under ``conditions``. Metavariables are plain symbols of the two terms, named in ``metavars``.

    ``metavars`` maps a name to its kind: matrix (any shape the identity allows), square, vector, row, scalar, or
    tangent (contains a differential; the other metavariables of a rule with tangents do not).
    ``functions`` are the names that stand for any function: elementwise ones where they occur as ``fn``, functions of
    whole arguments where they occur as ``call``.
    """

    id: str
    lhs: Term
    rhs: Term
    conditions: tuple[Condition, ...] = ()
    metavars: Mapping[str, str] = field(default_factory=dict)
    functions: tuple[str, ...] = ()
    say: str = ""
    source: str = ""
    where: str = ""  # file:line
    group: str = ""  # the file's name without its ending
    false: bool = False  # kept as a warning: known to be wrong
    text: tuple[str, str] = ("", "")  # the two sides as written
    kinds: Mapping[str, str] = field(default_factory=dict)  # of every declared name, functions and sizes too

    def __str__(self) -> str:
        return statement_text(self.text, self.conditions)


# ------------------------------------------------------------------------- from text to terms
def rule_of(s: Statement) -> Rule:
    """The typed rule of a statement. Raises RuleError; IllShaped where the right side does not fit."""
    from matcalc.language.elaborate import parse_rule

    words = set(WORD.findall(" ".join(s.text)))
    used = words | {w[1:] for w in words if w[0] == "d"}  # dX is d(X)
    kinds = {n: k for n, k in shape_kinds(s).items() if n in used}
    functions = {n: _function(n, k) for n, k in s.kinds.items() if k.startswith(FUNCTION_KINDS) and n in used}
    try:
        lhs, rhs = parse_rule(*s.text, kinds, functions)
    except MatcalcError as e:
        kind = IllShaped if isinstance(e, ShapeError) else RuleError
        span, source = (e.span, e.source) if e.span is not None else (Span(0, len(s.line)), s.line)
        message = f"{s.where}: {s.id}: {e.message}"
        raise kind(message, span=span, source=source, label=e.label, hint=e.hint) from e
    return _checked(s, lhs, rhs)


def _function(name: str, kind: str) -> Function:
    """The opaque function that a header line declares."""
    if kind == "elementwise":
        return Function(name, "elementwise")
    rows = kind.partition(" -> ")[2]
    return Function(name, "value", shape(rows) if rows else SCALAR)


def shape_kinds(s: Statement) -> dict[str, str]:
    """The kinds of the metavariables as far as shapes go: a condition such as ``square(A)`` decides."""
    out = {n: k.replace("tangent", "matrix") for n, k in s.kinds.items() if not k.startswith(NO_TERM)}
    for c in s.conditions:
        kind = CONDITIONS[c.name].kind
        if kind and out[c.args[0]] == "matrix":
            out[c.args[0]] = kind
    return out


def _checked(s: Statement, lhs: Term, rhs: Term) -> Rule:
    known = size_names(lhs)
    new = [n for n in size_names(rhs) if n not in known]
    if new:
        raise wrong_line(f"{s.id}: the size {new[0]} is on the right side only", s.where, s.line, new[0])
    metavars = {n: k for n, k in s.kinds.items() if n in lhs.free}
    for c in s.conditions:
        if c.args[0] not in metavars:
            raise wrong_line(f"{s.id}: {c} speaks of a name that is not in the rule", s.where, s.line, str(c))
    functions = tuple(n for n, k in s.kinds.items() if k.startswith(FUNCTION_KINDS) and _names_function(lhs, n))
    return Rule(
        s.id, lhs, rhs, s.conditions, metavars, functions, s.say, s.source, s.where, s.group, s.false, s.text, s.kinds
    )


def _names_function(t: Term, name: str) -> bool:
    return any(u.op in ("fn", "call", "grad", "jac", "hess") and u.data[0] == name for u in subterms(t))


def parse_rules(text: str, where: str) -> list[Rule]:
    """The rules of a text in the format of rule files."""
    return [rule_of(s) for s in read_statements(text, where)]


def load(path: str | Path) -> list[Rule]:
    """The rules of a file."""
    return parse_rules(read_file(path), str(path))


# ----------------------------------------------------------------------------------- the book
class RuleBook:
    """Rules by id, in the order of their files; true and false ones together. A rule is read when it is asked for."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        self._statements: dict[str, Statement] = {}
        self._rules: dict[str, Rule] = {}
        for s in statements:
            if s.id in self._statements:
                raise RuleError(f"{s.where}: the id '{s.id}' is taken: {self._statements[s.id].where}")
            self._statements[s.id] = s

    def __getitem__(self, id: str) -> Rule:
        if id not in self._rules:
            self._rules[id] = rule_of(self.statement(id))
        return self._rules[id]

    def __contains__(self, id: object) -> bool:
        return id in self._statements

    def __len__(self) -> int:
        return len(self._statements)

    def __iter__(self) -> Iterator[Rule]:
        return (self[id] for id in self._statements)

    def get(self, id: str) -> Rule | None:
        return self[id] if id in self._statements else None

    def statement(self, id: str) -> Statement:
        """The rule as written. Raises RuleError for an unknown id."""
        if id not in self._statements:
            raise RuleError(f"there is no rule '{id}'", hint=nearest(id, self._statements))
        return self._statements[id]

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Everything as written, in order, without reading the mathematics."""
        return tuple(self._statements.values())

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(s.group for s in self._statements.values()))

    def group(self, name: str) -> list[Rule]:
        """The rules of one file, false ones included. Raises RuleError for an unknown group."""
        if name not in self.groups:
            raise RuleError(f"there is no group of rules '{name}'", hint=nearest(name, self.groups))
        return [self[s.id] for s in self._statements.values() if s.group == name]

    @property
    def rules(self) -> list[Rule]:
        """The rules that hold."""
        return [self[s.id] for s in self._statements.values() if not s.false]

    @property
    def mistakes(self) -> list[Rule]:
        """The well-known false identities."""
        return [self[s.id] for s in self._statements.values() if s.false]

    def with_user(self, path: str | Path) -> RuleBook:
        """This book and the rules of a user's file, unchecked: :func:`matcalc.trust.with_checked` tests them first."""
        return self.with_statements(read_statements(read_file(path), str(path)))

    def with_statements(self, statements: Iterable[Statement]) -> RuleBook:
        book = RuleBook((*self._statements.values(), *statements))
        book._rules.update(self._rules)
        return book


@cache
def rule_book() -> RuleBook:
    """The bundled rules, read once."""
    names = resources.named("rules", ".rules")
    return RuleBook(s for name in names for s in read_statements(resources.read("rules", name), f"rules/{name}"))
