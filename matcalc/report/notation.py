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
    """``grad(f, x)`` is ``grad`` of f and x; a plain name has no kind."""
    match = LABEL.fullmatch(label)
    return (match[1], [n.strip() for n in match[2].split(",")]) if match else ("", [label])


def _unicode_label(label: str) -> str:
    kind, words = _parts(label)
    names = [name_unicode(n) for n in words]
    if kind == "d":
        return f"d{names[0]}"
    if kind == "jac":
        return f"∂{names[0]}/∂{names[1]}"
    mark = {"grad": "∇", "hess": "∇²"}.get(kind)
    return f"{mark}{names[0]}({names[1]})" if mark else label


def _latex_label(label: str) -> str:
    kind, words = _parts(label)
    names = [name_latex(n) for n in words]
    if kind == "d":
        return rf"\mathrm{{d}}{names[0]}"
    if kind == "jac":
        return rf"\frac{{\partial {names[0]}}}{{\partial {names[1]}}}"
    mark = {"grad": r"\nabla", "hess": r"\nabla^{2}"}.get(kind)
    return f"{mark}_{{{names[1]}}} {names[0]}" if mark else names[0]


TEXT = Notation(printing.text, lambda label: label)
UNICODE = Notation(printing.unicode, _unicode_label)
LATEX = Notation(printing.latex, _latex_label)
