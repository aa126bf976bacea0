"""The format of rule files, line by line: header lines, statements, and their tags.

Invariants: conditions, kinds and tags come from closed sets, so that a misspelling is an error with its line and never
a rule that is silently unused; ids are unique in a file.  Nothing of the mathematics is read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from matcalc.errors import RuleError, Span

__all__ = ["CONDITIONS", "KINDS", "Condition", "ConditionKind", "Statement", "read_file", "read_statements"]

# Kinds of metavariables, as a header line names them.
KINDS = {
    "matrix": "any matrix the identity allows; a column, a row or a number where it fits",
    "square": "a square matrix",
    "vector": "a column",
    "row": "a row",
    "scalar": "a number",
    "tangent": "a term with a differential in it, of any shape",
    "size": "a number of rows or columns, or an end of a range",
    "family matrix": "members of a family, matrices of one shape, under a sum over their index",
    "family vector": "members of a family, columns of one length, under a sum over their index",
    "family scalar": "members of a family of numbers, under a sum over their index",
    "family tangent": "members of a family with a differential in them, of one shape, under a sum over their index",
    "elementwise": "a function of every entry",
    "function": "an opaque function of whole arguments; 'function u -> m' has a column of m entries as its value",
}


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
        ConditionKind("stochastic", "every row of {0} adds up to 1"),
        ConditionKind("constant", "{0} does not depend on the variable: d({0}) = 0"),
    )
}


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
TAGS = ("say", "source")
NO_TERM = ("size", "elementwise", "function")  # kinds of names that are no metavariables


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
                raise wrong_line(f"the id '{found.id}' is taken: {first_line[found.id]}", place, line, found.id)
            first_line[found.id] = place
            out.append(found)
    return out


def _read_tag(line: str, place: str, out: list[Statement]) -> None:
    """An indented line: a tag of the rule above it."""
    tag, _, value = line.strip().partition(" ")
    if tag not in TAGS:
        raise wrong_line(f"'{tag}' is not a tag of a rule", place, line, tag, nearest(tag, TAGS))
    if not out:
        raise wrong_line(f"'{tag}' stands before the first rule", place, line, tag)
    if getattr(out[-1], tag):
        raise wrong_line(f"'{tag}' is said twice of {out[-1].id}", place, line, tag)
    if not value.strip():
        raise wrong_line(f"'{tag}' says nothing", place, line, tag)
    said = value.strip()
    out[-1] = replace(out[-1], say=said) if tag == "say" else replace(out[-1], source=said)


def _read_header(line: str, place: str, kinds: Mapping[str, str]) -> dict[str, str]:
    """A line such as ``matrix A B X`` or ``function u -> m``."""
    kind, *names = line.split()
    if kind == "family" and names:
        kind, names = f"family {names[0]}", names[1:]
    if kind not in KINDS:
        hint = nearest(kind, KINDS)
        raise wrong_line(
            f"'{kind}' is not a kind, and the line is not a rule (ID: LEFT = RIGHT)", place, line, kind, hint
        )
    value = ""
    if kind == "function" and "->" in names:
        if len(names) != 3 or names[1] != "->":
            raise wrong_line("a function with a column as its value is declared 'function u -> m'", place, line, "->")
        value, names = f" -> {names[2]}", names[:1]
    if not names:
        raise wrong_line(f"'{kind}' declares no name", place, line, kind)
    for name in names:
        if not NAME.fullmatch(name):
            raise wrong_line(f"'{name}' is not a name", place, line, name)
        if kinds.get(name, kind + value) != kind + value:
            raise wrong_line(f"'{name}' is declared already as {kinds[name]}", place, line, name)
    return dict.fromkeys(names, kind + value)


def _read_rule(line: str, place: str, kinds: Mapping[str, str], group: str) -> Statement:
    head, _, rest = line.partition(":")
    words = head.split()
    false = len(words) == 2 and words[0] == "false"
    if not false and len(words) != 1:
        hint = nearest(words[0], ("false",)) if words else ""
        raise wrong_line("a rule is written 'ID: LEFT = RIGHT' or 'false ID: LEFT = RIGHT'", place, line, head, hint)
    name = words[-1]
    if not ID.fullmatch(name):
        raise wrong_line(f"'{name}' is not an id: letters and digits with '-' between words", place, line, name)
    sides, found, under = _split_conditions(rest)
    left, equals, right = sides.partition("=")
    if not equals or not left.strip() or not right.strip() or "=" in right:
        raise wrong_line("a rule states one equation, LEFT = RIGHT", place, line, sides.strip() or name)
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
            part = text[position:].strip() or "if"
            raise wrong_line("conditions are written 'if square(A), symmetric(B)'", place, line, part)
        name, arg = m.groups()
        if name not in CONDITIONS:
            raise wrong_line(f"'{name}' is not a condition", place, line, name, nearest(name, CONDITIONS))
        if kinds.get(arg, "size").startswith(NO_TERM):
            raise wrong_line(f"'{arg}' in {name}({arg}) is not declared", place, line, arg or name, nearest(arg, kinds))
        condition = Condition(name, (arg,))
        if condition in out:
            raise wrong_line(f"{condition} is said twice", place, line, name)
        out.append(condition)
        position = m.end()
        if position == len(text):
            return tuple(out)
        if text[position] != ",":
            raise wrong_line("a comma is missing between conditions", place, line, text[position:].strip())
        position += 1


def nearest(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else ""


def wrong_line(message: str, place: str, line: str, part: str, hint: str = "") -> RuleError:
    at = max(0, line.find(part))
    return RuleError(f"{place}: {message}", span=Span(at, at + len(part)), source=line, hint=hint)


def read_file(path: str | Path) -> str:
    """The text of a rule file. Raises RuleError where there is none to read."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as e:
        reason = e.strerror if isinstance(e, OSError) else "it is not UTF-8 text"
        raise RuleError(f"the rule file {path} cannot be read: {reason}") from e
