"""Rules as data: an undirected identity with conditions, a sentence and a source, read from ``rules/*.rules``.

A file is read line by line into :class:`Statement` (cheap; this is all that listing needs); a statement becomes a
:class:`Rule`, typed terms on both sides, when the rule is asked for.

Invariants: conditions, kinds and tags come from closed sets, so that a misspelling is an error with its line and never
a rule that is silently unused; ids are unique in a book; the right side has no name that the left side lacks, and fits
the left side's most general shapes.  Reading a rule says nothing about its truth: see :mod:`matcalc.trust`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from matcalc import resources
from matcalc.errors import MatcalcError, RuleError, ShapeError, Span
from matcalc.language.terms import Term

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
    "read_statements",
    "rule_book",
    "rule_of",
]

# Kinds of metavariables, as a header line names them.
KINDS = {
    "matrix": "any matrix the identity allows; a column, a row or a number where it fits",
    "square": "a square matrix",
    "vector": "a column",
    "row": "a row",
    "scalar": "a number",
    "tangent": "a term with a differential in it, of any shape",
    "size": "a number of rows or columns",
    "elementwise": "a function of every entry",
    "function": "an opaque function of whole arguments; 'function u -> m' has a column of m entries as its value",
}
FUNCTION_KINDS = ("elementwise", "function")


@dataclass(frozen=True, slots=True)
class ConditionKind:
    """A row of the vocabulary: what the condition says, and the kind of metavariable that it makes of its argument."""

    name: str
    meaning: str
    kind: str = ""


CONDITIONS: dict[str, ConditionKind] = {
    row.name: row
    for row in (
        ConditionKind("square", "{0} is square", "square"),
        ConditionKind("symmetric", "{0} is symmetric", "square"),
        ConditionKind("skew", "{0}' = -{0}", "square"),
        ConditionKind("diagonal", "{0} is a diagonal matrix", "square"),
        ConditionKind("orthogonal", "{0} is square with {0}'*{0} = I", "square"),
        ConditionKind("posdef", "{0} is symmetric positive definite", "square"),
        ConditionKind("invertible", "{0} has an inverse", "square"),
        ConditionKind("scalar", "{0} is a number", "scalar"),
        ConditionKind("vector", "{0} is a column", "vector"),
        ConditionKind("row", "{0} is a row", "row"),
        ConditionKind("positive", "every entry of {0} is positive"),
        ConditionKind("nonzero", "no entry of {0} is zero"),
        ConditionKind("integer", "every entry of {0} is a whole number"),
        ConditionKind("constant", "{0} does not depend on the variable: d({0}) = 0"),
    )
}


class IllShaped(RuleError):
    """The right side does not fit the most general shapes of the left side."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of the closed vocabulary, e.g. ``square(A)``."""

    name: str
    args: tuple[str, ...]  # metavariables

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.args)})"

    @property
    def meaning(self) -> str:
        """The condition as a sentence."""
        return CONDITIONS[self.name].meaning.format(*self.args)


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
    kinds: Mapping[str, str] = field(default_factory=dict)  # of every name declared in the file, functions and sizes too

    def __str__(self) -> str:
        return statement_text(self.text, self.conditions)


@dataclass(frozen=True, slots=True)
class Statement:
    """A rule as it was written, with the metavariables declared before it."""

    id: str
    text: tuple[str, str]
    conditions: tuple[Condition, ...]
    kinds: Mapping[str, str]  # of every name declared so far, functions and sizes included
    say: str = ""
    source: str = ""
    where: str = ""
    group: str = ""
    false: bool = False
    line: str = ""  # the line of the file

    def __str__(self) -> str:
        return statement_text(self.text, self.conditions)


def statement_text(sides: tuple[str, str], conditions: Iterable[Condition]) -> str:
    """``left = right   if conditions``, on one line."""
    under = ", ".join(map(str, conditions))
    return f"{sides[0]} = {sides[1]}" + (f"   if {under}" if under else "")


# -------------------------------------------------------------------------- reading lines
ID = re.compile(r"[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*")
NAME = re.compile(r"[^\W\d]\w*")
WORD = re.compile(r"\w+")
TAGS = ("say", "source")


def read_statements(text: str, where: str) -> list[Statement]:
    """The statements of a rule file. ``where`` is the file's name, for messages."""
    group = Path(where).name.removesuffix(".rules")
    out: list[Statement] = []
    kinds: dict[str, str] = {}
    first_line: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.partition("#")[0].rstrip()
        place = f"{where}:{number}"
        if not line.strip():
            continue
        if line[0].isspace():
            _read_tag(line, place, out)
        elif ":" not in line:
            kinds = {**kinds, **_read_header(line, place, kinds)}
        else:
            found = _read_rule(line, place, kinds, group)
            if found.id in first_line:
                raise _error(f"the id '{found.id}' is taken: {first_line[found.id]}", place, line, found.id)
            first_line[found.id] = place
            out.append(found)
    return out


def _read_tag(line: str, place: str, out: list[Statement]) -> None:
    """An indented line: a tag of the rule above it."""
    tag, _, value = line.strip().partition(" ")
    if tag not in TAGS:
        raise _error(f"'{tag}' is not a tag of a rule", place, line, tag, _near(tag, TAGS))
    if not out:
        raise _error(f"'{tag}' stands before the first rule", place, line, tag)
    if getattr(out[-1], tag):
        raise _error(f"'{tag}' is said twice of {out[-1].id}", place, line, tag)
    if not value.strip():
        raise _error(f"'{tag}' says nothing", place, line, tag)
    said = value.strip()
    out[-1] = replace(out[-1], say=said) if tag == "say" else replace(out[-1], source=said)


def _read_header(line: str, place: str, kinds: Mapping[str, str]) -> dict[str, str]:
    """A line such as ``matrix A B X`` or ``function u -> m``."""
    kind, *names = line.split()
    if kind not in KINDS:
        hint = _near(kind, KINDS)
        raise _error(f"'{kind}' is not a kind, and the line is not a rule (ID: LEFT = RIGHT)", place, line, kind, hint)
    value = ""
    if kind == "function" and "->" in names:
        if len(names) != 3 or names[1] != "->":
            raise _error("a function with a column as its value is declared 'function u -> m'", place, line, "->")
        value, names = f" -> {names[2]}", names[:1]
    if not names:
        raise _error(f"'{kind}' declares no name", place, line, kind)
    for name in names:
        if not NAME.fullmatch(name):
            raise _error(f"'{name}' is not a name", place, line, name)
        if kinds.get(name, kind + value) != kind + value:
            raise _error(f"'{name}' is declared already as {kinds[name]}", place, line, name)
    return dict.fromkeys(names, kind + value)


def _read_rule(line: str, place: str, kinds: Mapping[str, str], group: str) -> Statement:
    head, _, rest = line.partition(":")
    words = head.split()
    false = len(words) == 2 and words[0] == "false"
    if not false and len(words) != 1:
        hint = _near(words[0], ("false",)) if words else ""
        raise _error("a rule is written 'ID: LEFT = RIGHT' or 'false ID: LEFT = RIGHT'", place, line, head, hint)
    name = words[-1]
    if not ID.fullmatch(name):
        raise _error(f"'{name}' is not an id: letters and digits with '-' between words", place, line, name)
    sides, found, under = _split_conditions(rest)
    left, equals, right = sides.partition("=")
    if not equals or not left.strip() or not right.strip() or "=" in right:
        raise _error("a rule states one equation, LEFT = RIGHT", place, line, sides.strip() or name)
    conditions = _read_conditions(under, place, line, kinds) if found else ()
    text = (left.strip(), right.strip())
    return Statement(name, text, conditions, dict(kinds), where=place, group=group, false=false, line=line)


def _split_conditions(rest: str) -> tuple[str, bool, str]:
    parts = re.split(r"\s+if\s+", rest, maxsplit=1)
    return parts[0], len(parts) == 2, parts[-1] if len(parts) == 2 else ""


CONDITION = re.compile(r"\s*([^\s(),]+)\s*\(\s*([^()]*?)\s*\)\s*")


def _read_conditions(text: str, place: str, line: str, kinds: Mapping[str, str]) -> tuple[Condition, ...]:
    out: list[Condition] = []
    position = 0
    while True:
        m = CONDITION.match(text, position)
        if m is None:
            raise _error("conditions are written 'if square(A), symmetric(B)'", place, line, text[position:].strip() or "if")
        name, arg = m.groups()
        if name not in CONDITIONS:
            raise _error(f"'{name}' is not a condition", place, line, name, _near(name, CONDITIONS))
        if arg not in kinds:
            raise _error(f"'{arg}' in {name}({arg}) is not declared", place, line, arg or name, _near(arg, kinds))
        condition = Condition(name, (arg,))
        if condition in out:
            raise _error(f"{condition} is said twice", place, line, name)
        out.append(condition)
        position = m.end()
        if position == len(text):
            return tuple(out)
        if text[position] != ",":
            raise _error("a comma is missing between conditions", place, line, text[position:].strip())
        position += 1


def _near(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else ""


def _error(message: str, place: str, line: str, part: str, hint: str = "") -> RuleError:
    at = max(0, line.find(part))
    return RuleError(f"{place}: {message}", span=Span(at, at + len(part)), source=line, hint=hint)


# ------------------------------------------------------------------------- from text to terms
def rule_of(s: Statement) -> Rule:
    """The typed rule of a statement. Raises RuleError; IllShaped where the right side does not fit."""
    from matcalc.language.elaborate import parse_rule

    words = set(WORD.findall(" ".join(s.text)))
    used = words | {w[1:] for w in words if w[0] == "d"}  # dX is d(X)
    kinds = {n: k for n, k in shape_kinds(s).items() if n in used}
    functions = [n for n, k in s.kinds.items() if k.startswith(FUNCTION_KINDS) and n in used]
    try:
        lhs, rhs = parse_rule(*s.text, kinds, functions)
    except ShapeError as e:
        raise IllShaped(f"{s.where}: {s.id}: {e.message}", span=e.span, source=e.source, label=e.label, hint=e.hint) from e
    except MatcalcError as e:
        raise RuleError(f"{s.where}: {s.id}: {e.message}", span=e.span, source=e.source, label=e.label, hint=e.hint) from e
    return _checked(s, lhs, rhs)


def shape_kinds(s: Statement) -> dict[str, str]:
    """The kinds of the metavariables as far as shapes go: a condition such as ``square(A)`` decides."""
    no_term = ("size", *FUNCTION_KINDS)
    out = {n: "matrix" if k == "tangent" else k for n, k in s.kinds.items() if not k.startswith(no_term)}
    for c in s.conditions:
        kind = CONDITIONS[c.name].kind
        if kind and out[c.args[0]] == "matrix":
            out[c.args[0]] = kind
    return out


def _checked(s: Statement, lhs: Term, rhs: Term) -> Rule:
    new = sorted(rhs.free - lhs.free)
    if new:
        raise _error(f"{s.id}: '{new[0]}' is on the right side only", s.where, s.line, new[0])
    metavars = {n: k for n, k in s.kinds.items() if n in lhs.free}
    for c in s.conditions:
        if c.args[0] not in metavars:
            raise _error(f"{s.id}: {c} speaks of a name that is not in the rule", s.where, s.line, str(c))
    functions = tuple(n for n, k in s.kinds.items() if k.startswith(FUNCTION_KINDS) and _names_function(lhs, n))
    return Rule(
        s.id, lhs, rhs, s.conditions, metavars, functions, s.say, s.source, s.where, s.group, s.false, s.text, s.kinds
    )


def _names_function(t: Term, name: str) -> bool:
    from matcalc.language.terms import subterms

    return any(u.op in ("fn", "call", "grad", "jac", "hess") and u.data[0] == name for u in subterms(t))


def parse_rules(text: str, where: str) -> list[Rule]:
    """The rules of a text in the format of rule files."""
    return [rule_of(s) for s in read_statements(text, where)]


def load(path: str | Path) -> list[Rule]:
    """The rules of a file."""
    return parse_rules(read_file(path), str(path))


def read_file(path: str | Path) -> str:
    """The text of a rule file. Raises RuleError where there is none to read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        reason = e.strerror if isinstance(e, OSError) else "it is not UTF-8 text"
        raise RuleError(f"the rule file {path} cannot be read: {reason}") from e


# ----------------------------------------------------------------------------------- the book
class RuleBook:
    """Rules by id, in the order of their files. True rules and false ones share the ids; a rule is read when asked for."""

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
        return self[id] if id in self else None

    def statement(self, id: str) -> Statement:
        """The rule as written. Raises RuleError for an unknown id."""
        if id not in self._statements:
            raise RuleError(f"there is no rule '{id}'", hint=_near(id, self._statements))
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
            raise RuleError(f"there is no group of rules '{name}'", hint=_near(name, self.groups))
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
