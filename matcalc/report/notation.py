"""The three notations a report can be written in, each for terms and for the left sides of lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from matcalc.language import printing
from matcalc.language.dims import Dim
from matcalc.language.latex import dim_latex, name_latex, subscripted
from matcalc.language.terms import Term
from matcalc.language.unicode import name as name_unicode

__all__ = ["LATEX", "TEXT", "UNICODE", "Notation"]

LABEL = re.compile(r"(d|grad|jac|hess)\((.*)\)")


class Notation(NamedTuple):
    """How a term and how the left side of a line are written."""

    term: Callable[[Term], str]
    label: Callable[[str], str]
    indices: Callable[[str, Dim, Dim, bool], str]  # index, low, high, whether they run down


def _parts(label: str) -> tuple[str, list[str]]:
    """``grad(f, x)`` is ``grad`` of f and x, ``d(f)`` is ``d`` of f; a plain name has no kind."""
    match = LABEL.fullmatch(label)
    if match is None:
        return "", [label]
    return match[1], [match[2]] if match[1] == "d" else [n.strip() for n in match[2].split(",")]


MEMBER = re.compile(r"(\w+)\[(.*)\]")


def _unicode_word(word: str) -> str:
    member = MEMBER.fullmatch(word)
    return f"{name_unicode(member[1])}[{member[2].replace('-', '−')}]" if member else name_unicode(word)


def _latex_word(word: str) -> str:
    member = MEMBER.fullmatch(word)
    if member is None:
        return name_latex(word)
    index = re.sub(r"[^\W\d]\w*", lambda m: name_latex(m.group()), member[2])
    return subscripted(name_latex(member[1]), index)


THROUGH = " through "  # of what comes back along one edge of a graph


def _unicode_label(label: str) -> str:
    if THROUGH in label:
        whole, _, edge = label.partition(THROUGH)
        return f"{_unicode_label(whole)}{THROUGH}{_each_word(edge, _unicode_word)}"
    kind, words = _parts(label)
    if kind == "d":
        inside = _unicode_label(words[0])
        return f"d{inside}" if words[0].isidentifier() else f"d({inside})"
    if kind not in _MARKS:
        return _unicode_word(label) if label.isidentifier() or MEMBER.fullmatch(label) else label
    of, by = (_unicode_word(n) for n in words)
    return f"∂{of}/∂{by}" if kind == "jac" else f"{_MARKS[kind][0]}{of}({by})"


def _each_word(edge: str, write: Callable[[str], str]) -> str:
    """A node, and perhaps which of several uses."""
    node, comma, use = edge.partition(",")
    return write(node) + comma + use


def _latex_label(label: str) -> str:
    if THROUGH in label:
        whole, _, edge = label.partition(THROUGH)
        node, comma, use = edge.partition(",")
        behind = rf"\text{{{comma}{use}}}" if comma else ""
        return rf"{_latex_label(whole)} \text{{ through }} {_latex_word(node)}{behind}"
    kind, words = _parts(label)
    if kind == "d":
        inside = _latex_label(words[0])
        return rf"\mathrm{{d}}{inside}" if words[0].isidentifier() else rf"\mathrm{{d}}\left({inside}\right)"
    if kind not in _MARKS:
        return _latex_word(label) if label.isidentifier() or MEMBER.fullmatch(label) else label
    of, by = (_latex_word(n) for n in words)
    return rf"\frac{{\partial {of}}}{{\partial {by}}}" if kind == "jac" else f"{_MARKS[kind][1]}_{{{by}}} {of}"


_MARKS = {"grad": ("∇", r"\nabla"), "hess": ("∇²", r"\nabla^{2}"), "jac": ("", "")}


def _indices(dots: str, dim: Callable[[Dim], str], name: Callable[[str], str], before: str) -> Any:
    """``for t = T, ..., 1``."""

    def write(index: str, low: Dim, high: Dim, down: bool) -> str:
        first, last = (high, low) if down else (low, high)
        return f"{before}{name(index)} = {dim(first)}, {dots}, {dim(last)}"

    return write


TEXT = Notation(printing.text, lambda label: label, _indices("...", printing.index_plain, str, "for "))
UNICODE = Notation(printing.unicode, _unicode_label, _indices("…", printing.index_plain, name_unicode, "for "))
LATEX = Notation(printing.latex, _latex_label, _indices(r"\dots", dim_latex, name_latex, r"\text{for } "))
