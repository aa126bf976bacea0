r"""Entries, rows and columns in LaTeX: ``Y_{d,n}``, ``W_{ij}``, ``Y_{d,:}``, ``Y_{d\cdot}``, ``(A B)_{ij}``.

Two indices below a matrix are an entry, a colon or a dot in place of one takes the whole row or column.  Where the
letters with their subscript are a name of their own (``W_{12}`` where that is declared) they stay one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from matcalc.interop.latex_grammar import Grammar
from matcalc.interop.latex_names import Name
from matcalc.interop.latex_tokens import Token
from matcalc.language.dims import ONE
from matcalc.language.syntax import Node

__all__ = ["Selection", "is_entry_index", "selected", "selection_below"]

ALL = frozenset(("cdot", "bullet", "ast", "star", "colon"))


@dataclass(frozen=True, slots=True)
class Selection:
    """What a subscript takes: for each index whether it is a colon, the other indices, and pieces of the name."""

    flags: tuple[bool, ...]
    indices: tuple[Node, ...]
    pieces: tuple[Token, ...] = ()


def selected(g: Grammar, tree: Node, selection: Selection) -> Node:
    """The entry, row or column of a node."""
    return g.node("entry", tree.span, tree, *selection.indices, data=selection.flags, mark=tree.span)


def selection_below(g: Grammar, name: Name | None, script: list[Token], mark: Token) -> Selection | None:
    """The selection that a subscript is; None where it is part of the name, or one index."""
    parts = _parts(script)
    named = () if name is None or len(parts) < 2 else tuple(parts[0])
    if len(parts) == 2 and len(parts[1]) == 2 and _letters(parts[1]) and _is_number(parts[0]):  # W_{2,ij}
        return _selection(g, [[t] for t in parts[1]], mark, named)
    if len(parts) == 3 and _is_number(parts[0]):  # W_{2,i,j}
        return _selection(g, parts[1:], mark, named)
    if len(parts) == 1:
        parts = _apart(g, name, script)
    if len(parts) != 2 or not all(_is_index(p) for p in parts):
        return None
    colons = any(_is_all(p) for p in parts)
    if name is not None and not colons and _is_name(g, name, script):
        return None
    return _selection(g, parts, mark)


def is_entry_index(g: Grammar, name: Name, script: list[Token]) -> bool:
    """Whether one letter or number below a name is the index of an entry: of what is known as one column."""
    if len(script) != 1 or script[0].kind not in ("letter", "digit") or _is_name(g, name, script):
        return False
    known = next((s for s in name.spellings() if g.known.is_known(s)), None)
    shape = g.known.shapes.get(known) if known is not None and g.known.roles[known] == "symbol" else None
    return shape is not None and shape.cols is ONE and shape.rows is not ONE


def _selection(g: Grammar, parts: list[list[Token]], mark: Token, pieces: tuple[Token, ...] = ()) -> Selection:
    flags = tuple(_is_all(p) for p in parts)
    return Selection(flags, tuple(g.whole(p, mark) for p in parts if not _is_all(p)), pieces)


def _parts(script: list[Token]) -> list[list[Token]]:
    """The script cut at its commas."""
    out: list[list[Token]] = [[]]
    for t in script:
        if t.is_sign(","):
            out.append([])
        elif t.kind != "newline":
            out[-1].append(t)
    return out


def _apart(g: Grammar, name: Name | None, script: list[Token]) -> list[list[Token]]:
    r"""``ij``, ``12``, ``d\cdot``, ``:n``: two indices side by side."""
    for k, t in enumerate(script):
        if _is_all([t]) and len(script) > 1 and k in (0, len(script) - 1):
            rest = [u for u in script if u is not t]
            return [[t], rest] if k == 0 else [rest, [t]]
    if len(script) != 2 or not all(t.kind in ("letter", "digit") for t in script):
        return [script]
    letters = [t for t in script if t.kind == "letter"]
    bound = any(t.value in g.bound for t in letters)
    usual = bool(letters) and all(t.value in "ijklmnpqrst" for t in letters)
    known = name is None or any(_is_matrix(g, s) for s in name.spellings())
    return [[t] for t in script] if known or bound or (usual and len(letters) == 2) else [script]


def _is_matrix(g: Grammar, spelling: str) -> bool:
    shape = g.known.shapes.get(spelling)
    return shape is not None and shape.is_matrix and g.known.roles.get(spelling) in ("symbol", "family")


def _is_name(g: Grammar, name: Name, script: list[Token]) -> bool:
    """Whether the letters with the whole subscript are a known name."""
    pieces = tuple(t.value for t in script if t.kind in ("letter", "digit", "word"))
    joined = ("".join(pieces),)
    return any(g.known.is_known(s) for p in (pieces, joined) for s in replace(name, subscript=p).spellings())


def _is_all(part: list[Token]) -> bool:
    return len(part) == 1 and (part[0].is_sign(":", "*") or (part[0].kind == "cmd" and part[0].value in ALL))


def _is_number(part: list[Token]) -> bool:
    return bool(part) and all(t.kind == "digit" for t in part)


def _letters(part: list[Token]) -> bool:
    return all(t.kind == "letter" for t in part)


def _is_index(part: list[Token]) -> bool:
    """A colon, or letters and numbers with arithmetic."""
    return _is_all(part) or (
        bool(part) and all(t.kind in ("letter", "digit") or t.is_sign("+", "-") for t in part) and len(part) < 8
    )
