"""The three notations a report can be written in, each for terms and for the left sides of lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from matcalc.language import printing
from matcalc.language.latex import name_latex
from matcalc.language.terms import Term
from matcalc.language.unicode import name as name_unicode

__all__ = ["LATEX", "TEXT", "UNICODE", "Notation"]

LABEL = re.compile(r"(d|grad|jac|hess)\((.*)\)")


class Notation(NamedTuple):
    """How a term and how the left side of a line are written."""

    term: Callable[[Term], str]
    label: Callable[[str], str]


def _parts(label: str) -> tuple[str, list[str]]:
    """``grad(f, x)`` is ``grad`` of f and x, ``d(f)`` is ``d`` of f; a plain name has no kind."""
    match = LABEL.fullmatch(label)
    if match is None:
        return "", [label]
    return match[1], [match[2]] if match[1] == "d" else [n.strip() for n in match[2].split(",")]


def _unicode_label(label: str) -> str:
    kind, words = _parts(label)
    if kind == "d":
        inside = _unicode_label(words[0])
        return f"d{inside}" if words[0].isidentifier() else f"d({inside})"
    if kind not in _MARKS:
        return name_unicode(label) if label.isidentifier() else label
    of, by = (name_unicode(n) for n in words)
    return f"∂{of}/∂{by}" if kind == "jac" else f"{_MARKS[kind][0]}{of}({by})"


def _latex_label(label: str) -> str:
    kind, words = _parts(label)
    if kind == "d":
        inside = _latex_label(words[0])
        return rf"\mathrm{{d}}{inside}" if words[0].isidentifier() else rf"\mathrm{{d}}\left({inside}\right)"
    if kind not in _MARKS:
        return name_latex(label) if label.isidentifier() else label
    of, by = (name_latex(n) for n in words)
    return rf"\frac{{\partial {of}}}{{\partial {by}}}" if kind == "jac" else f"{_MARKS[kind][1]}_{{{by}}} {of}"


_MARKS = {"grad": ("∇", r"\nabla"), "hess": ("∇²", r"\nabla^{2}"), "jac": ("", "")}
TEXT = Notation(printing.text, lambda label: label)
UNICODE = Notation(printing.unicode, _unicode_label)
LATEX = Notation(printing.latex, _latex_label)
