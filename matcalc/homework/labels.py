"""Answers by several variables in one text: ``dW = ...``, ``grad(L, b) = ...``; and whether a text is a derivation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from matcalc.homework.meaning import without_fractions
from matcalc.homework.read import sides, statements

__all__ = ["is_derivation", "labelled"]

NAME = re.compile(r"[^\W\d]\w*")
CALL = re.compile(r"(?:grad|jac|hess|d)\s*\(.*\)", re.DOTALL)
QUOTIENT = re.compile(r"d\w+?_+d\w+")


def labelled(text: str, names: Sequence[str]) -> dict[str, str]:
    """The part of a text that answers by each variable: its own line and the definitions before it."""
    plain = without_fractions(text)
    found: dict[str, str] = {}
    before: list[str] = []
    for span in statements(plain):
        parts = sides(plain, span)
        left = plain[parts[0].start : parts[0].end].strip()
        name = _named(left, names) if len(parts) > 1 else None
        right = plain[parts[-1].start : parts[-1].end]
        if name is not None:
            found[name] = "; ".join([*before, right])
        if len(parts) == 2 and NAME.fullmatch(left) and left not in names:
            before.append(f"{left} = {right}")
    return found


def _named(left: str, names: Sequence[str]) -> str | None:
    """The variable that a left side is the derivative by."""
    for name in names:
        n = re.escape(name)
        if re.fullmatch(
            rf"{n}|[dg]{n}|(?:grad|nabla)_?{n}|{n}_grad|d\w+?_+d{n}|(?:grad|jac)\(\s*\w+\s*,\s*{n}\s*\)", left
        ):
            return name
    return None


def is_derivation(text: str) -> bool:
    """Whether a text is a chain of lines, and not one answer: a line begins with an equals sign, or several say what a
    derivative is."""
    plain = without_fractions(text)
    many = 0
    for span in statements(plain):
        parts = sides(plain, span)
        if len(parts) < 2:
            continue
        left = plain[parts[0].start : parts[0].end].strip()
        if not left or len(parts) > 2:
            return True
        many += bool(CALL.fullmatch(left) or QUOTIENT.fullmatch(left))
    return many > 1
