"""Text inside generated source: docstrings, comments and signatures that cannot break out of their place."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterable, Sequence

from matcalc.code.program import Statement
from matcalc.language.dims import Dim

__all__ = [
    "assigned",
    "bracketed",
    "checked_call",
    "docstring",
    "leading",
    "plain",
    "returned",
    "signature",
    "statement_lines",
    "used_names",
]

WIDTH = 99
INDENT = "    "


def plain(text: str) -> str:
    """One line of printable characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def docstring(lines: Sequence[str], indent: str = "") -> list[str]:
    """The lines of a docstring in its quotes, wrapped; nothing in them can end it or escape."""
    safe = [_wrapped("".join(c for c in line if c.isprintable()), indent) for line in lines]
    flat = [s.replace("\\", "\\\\").replace('"""', "'''") for block in safe for s in block]
    if flat and flat[-1].endswith('"'):
        flat[-1] += " "
    if len(flat) == 1 and len(flat[0]) + len(indent) + 6 <= WIDTH:
        return [f'{indent}"""{flat[0]}"""']
    body = [f"{indent}{line}".rstrip() for line in flat[1:]]
    return [f'{indent}"""{flat[0]}', *body, f'{indent}"""']


def _wrapped(line: str, indent: str) -> list[str]:
    room = WIDTH - len(indent) - 3
    if len(line) <= room:
        return [line]
    own = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(line, room, initial_indent="", subsequent_indent=own + INDENT, break_on_hyphens=False)


def signature(name: str, parameters: Sequence[str]) -> list[str]:
    """``def name(a, b):``, one parameter a line where it would be too long."""
    return bracketed(f"def {name}(", parameters, "):")


def bracketed(before: str, items: Sequence[str], after: str) -> list[str]:
    """Items between brackets, on one line or one a line."""
    line = f"{before}{', '.join(items)}{after}"
    if len(line) + len(INDENT) <= WIDTH:
        return [line]
    return [before, *(f"{INDENT}{item}," for item in items), after]


def checked_call(function: str, names: Sequence[str]) -> list[str]:
    """``a, b = function(a, b)``."""
    left, right = ", ".join(names), bracketed(f"{function}(", names, ")")
    if len(f"{left} = {right[0]}") + len(INDENT) <= WIDTH:
        return [f"{left} = {right[0]}", *right[1:]]
    return ["(", *(f"{INDENT}{n}," for n in names), f") = {right[0]}", *right[1:]]


def returned(names: Sequence[str]) -> list[str]:
    """``return a, b``."""
    line = f"return {', '.join(names)}"
    return [line] if len(line) + len(INDENT) <= WIDTH else bracketed("return (", names, ")")


def assigned(before: str, source: str, depth: int = 0) -> list[str]:
    """``before`` and an expression, broken at its outermost operators where it is too long for a line.

    ``depth`` is how far the line will be indented beyond the body of a function.
    """
    if len(before) + len(source) + len(INDENT) * (depth + 1) <= WIDTH:
        return [f"{before}{source}"]
    for operators in ((" + ", " - "), (" * ", " / "), (" @ ",)):
        parts = _split(source, operators)
        if len(parts) > 1 and len(source) + len(INDENT) * (depth + 2) <= WIDTH:
            break
        if len(parts) > 1:
            return [f"{before}(", *(f"{INDENT}{part}" for part in parts), ")"]
    return [f"{before}(", f"{INDENT}{source}", ")"]


def _split(source: str, operators: Sequence[str]) -> list[str]:
    """The operands of the outermost operators, each with its operator in front."""
    out, depth, start = [], 0, 0
    for i, c in enumerate(source):
        depth += (c in "([{") - (c in ")]}")
        if depth == 0 and source[i : i + 3] in operators:
            out.append(source[start:i])
            start = i + 1
    return [*out, source[start:]]


def statement_lines(s: Statement, shape: str, depth: int = 0) -> list[str]:
    """A statement with its shape and the mathematics in a comment: beside its last line, or above it."""
    lines = [*assigned(f"{s.name} = ", s.source, depth), *s.updates]
    room = WIDTH - len(INDENT) * (depth + 1) - 4
    notes = [f"{shape}  {plain(s.formula)}".strip()] if s.formula is not None else []
    notes += [shape]
    for note in notes:
        if not note:
            continue
        if len(lines[-1]) + len(note) <= room and lines[-1] != ")":
            return [*lines[:-1], f"{lines[-1]}  # {note}"]
        if len(s.name) + len(note) <= room:
            return [f"# {s.name}: {note}", *lines]
    return lines


def used_names(names: Collection[str], lines: Iterable[str]) -> list[str]:
    """Those of the names that stand in lines of code, in order of appearance; not attributes, nor comments."""
    found: dict[str, None] = {}
    for line in lines:
        code = "" if line.lstrip().startswith("#") else line.split("  # ")[0]
        found.update(dict.fromkeys(w for w in re.findall(r"(?<![\w.])\w+", code) if w in names))
    return list(found)


def leading(d: Dim) -> str:
    """The terms of highest degree of an operation count, at most three."""
    if not d.coefficients:
        return "0"
    degree = max(len(mono) for mono, _ in d.coefficients)
    parts = []
    for mono, c in [(mono, c) for mono, c in d.coefficients if len(mono) == degree][:3]:
        powers = {str(a): sum(b == a for b in mono) for a in mono}
        factors = [a if k == 1 else f"{a}^{k}" for a, k in powers.items()]
        parts.append("*".join([*([str(c)] if c != 1 or not factors else []), *factors]))
    return " + ".join(parts)
