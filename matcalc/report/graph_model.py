"""The graph of a program as it is drawn: boxes with formulas, edges with shapes, gradients where they are asked for.

Families are one box for all their members: an edge that comes from another index than its own says so, and is drawn
dashed where it goes round in a circle, from one step of a recurrence to a later one.  Everything here is text; how it
is laid out is decided elsewhere.

Invariant: boxes are in the order of the program, so that without the dashed edges there is no cycle.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from matcalc.language.problem import Block, Boundary, Definition, Problem
from matcalc.language.terms import Term, subterms
from matcalc.report.notation import UNICODE
from matcalc.report.recurrences import answer_rows

__all__ = ["Box", "Drawing", "Edge", "drawing_of"]

LONGEST = 46  # characters of a formula in a box


@dataclass(frozen=True, slots=True)
class Box:
    """An input, a named intermediate or the objective."""

    name: str
    title: str  # the name as it is shown: with its index, where it is a family
    kind: Literal["input", "variable", "defined", "objective"]
    formula: str = ""  # of what is computed
    gradient: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """From what is used to what uses it."""

    source: str
    target: str
    shape: str
    member: str = ""  # which member is used, where it is not the one at the same index
    is_back: bool = False  # from another index, and part of a circle: from an earlier step of a recurrence

    @property
    def label(self) -> str:
        return ", ".join(filter(None, (self.member, self.shape)))


@dataclass(frozen=True, slots=True)
class Drawing:
    boxes: Mapping[str, Box]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """One definition: of a name, or of a family's member at an index."""

    name: str
    title: str
    term: Term
    index: str = ""
    at: str = ""  # the index of the member that is defined


def drawing_of(derivation: Any, gradients: bool = False) -> Drawing:
    """The boxes and edges of a derivation's problem; ``gradients``: with what is known of them beside the boxes."""
    problem: Problem = derivation.problem
    known = _gradients(derivation) if gradients else {}
    asked = set(derivation.answers)
    boxes: dict[str, Box] = {}
    for s in problem.symbols.values():
        kind: Literal["input", "variable"] = "variable" if s.name in asked else "input"
        title = UNICODE.label(s.name) + (f"[{s.index}]" if s.index else "")
        boxes[s.name] = Box(s.name, title, kind, "", known.get(s.name, ""))
    lines = list(_lines(problem))
    for name in dict.fromkeys(line.name for line in lines):
        own = [line for line in lines if line.name == name]
        formula = "; ".join(_formula(line) for line in own) if own[-1].index else _short(UNICODE.term(own[-1].term))
        title = next((line.title for line in own if line.index), own[-1].title)
        boxes[name] = Box(name, title, "defined", formula, known.get(name, ""))
    last = _objective_name(problem, boxes)
    objective = _Line(last, UNICODE.label(problem.objective_name), problem.objective)
    boxes[last] = Box(last, objective.title, "objective", _short(UNICODE.term(problem.objective)))
    edges = [e for line in (*lines, objective) for e in _edges(line, boxes)]
    used = {e.source for e in edges} | {e.target for e in edges} | {last}
    return Drawing({n: b for n, b in boxes.items() if n in used}, tuple(_marked(list(dict.fromkeys(edges)))))


def _marked(edges: Sequence[Edge]) -> Iterator[Edge]:
    """The edges, those that come from another step of a recurrence marked."""
    after: dict[str, set[str]] = {}
    for e in edges:
        after.setdefault(e.source, set()).add(e.target)
    for e in edges:
        reached, waiting = {e.target}, [e.target]
        while waiting:
            new = after.get(waiting.pop(), set()) - reached
            reached |= new
            waiting += new
        circle = e.source in reached
        yield replace(e, is_back=circle and (bool(e.member) or e.source == e.target))


def _objective_name(problem: Problem, boxes: Mapping[str, Box]) -> str:
    name = problem.objective_name
    taken = name in boxes and boxes[name].kind != "defined"
    return f"{name}_" if taken else name


def _lines(problem: Problem) -> Iterator[_Line]:
    for s in problem.statements:
        if isinstance(s, Definition):
            if s.name != problem.objective_name:
                yield _Line(s.name, UNICODE.label(s.name), s.term)
        elif isinstance(s, Boundary):
            yield _member(s, "")
        elif isinstance(s, Block):
            yield from (_member(line, s.index) for line in s.body)


def _member(line: Boundary, index: str) -> _Line:
    family, at = line.target.data
    return _Line(str(family), UNICODE.term(line.target), line.term, index, str(at))


def _formula(line: _Line) -> str:
    return _short(f"{line.title} = {UNICODE.term(line.term)}")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _edges(line: _Line, boxes: Mapping[str, Box]) -> Iterator[Edge]:
    """What a line uses, in order of first appearance."""
    seen: dict[Edge, None] = {}
    for t in subterms(line.term):
        if t.op == "sym" and t.data in boxes and t.data != line.name:
            seen[Edge(t.data, line.name, _shape(t))] = None
        elif t.op == "elem" and t.data[0] in boxes:
            at = str(t.data[1])
            same = at == line.at or at.startswith("#")
            seen[Edge(str(t.data[0]), line.name, _shape(t), "" if same else UNICODE.term(t))] = None
    yield from seen


def _shape(t: Term) -> str:
    if t.is_scalar:
        return "scalar"
    return re.sub(r" ([+-]) (?=[^\[]*\])", r"\1", str(t.shape.rows) if t.shape.is_vector else str(t.shape))


def _gradients(derivation: Any) -> dict[str, str]:
    """The gradients by the variables, and the cotangents of the nodes where the derivation names them."""
    found: dict[str, str] = {}
    back = derivation.back
    if back is not None and back.local:
        bodies = {s.name: s.term for s in back.statements}
        found = {n: f"{UNICODE.label(w)} = {UNICODE.term(bodies[w])}" for n, w in back.cotangents.items()}
    for name in derivation.answers:
        rows = answer_rows(derivation, name, UNICODE)
        found[name] = "; ".join(f"{r.left} = {r.right}" for r in rows)
    return found
