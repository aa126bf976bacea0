"""Answers that are programs: ``delta[T] = ...``, ``delta[t] = ... for t = T-1, ..., 1``, and a gradient in their terms.

The members that an answer defines are read as statements behind the problem's own, by the reader of problems, and the
certifier runs them in that order.  A range that is not written is that of the problem's loop, from where the given
members end.

Invariant: an answer may use what the problem and the lines above it define, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from matcalc.calculus.recurrence import member_ranges
from matcalc.errors import MatcalcError, ParseError, ShapeError
from matcalc.homework.meaning import unreadable
from matcalc.homework.verdict import Finding, Verdict
from matcalc.language import terms
from matcalc.language.binders import free_indices
from matcalc.language.declarations import index_dim
from matcalc.language.dims import Dim, Shape, dim, runs_down
from matcalc.language.elaborate import parse_problem
from matcalc.language.indices import Order
from matcalc.language.problem import Block, Definition, Problem, Statement, declaration
from matcalc.language.statements import Deriving, Standing, parse_program
from matcalc.language.syntax import parse_tree
from matcalc.language.terms import Term
from matcalc.numeric.certify import Certificate, certify

__all__ = ["check_program", "is_program"]

MEMBER = re.compile(r"^\s*([^\W\d]\w*)\s*\[([^\]=]*)\]\s*=(?!=)\s*(.+?)\s*$")
HEADING = re.compile(r"^\s*for\s+([^\W\d]\w*)\s*(?:=|in)\s*(.+?)\s*:\s*(.*)$")
RANGED = re.compile(r"^(.*?\S)\s+for\s+([^\W\d]\w*)\s*(?:=|in)\s*(.+?)\s*$")
GRADIENT = re.compile(r"^\s*grad\(\s*\w+\s*,\s*([^\W\d]\w*)(?:\s*\[\s*(\w+)\s*\])?\s*\)\s*=(?!=)\s*(.+)$")
DOTS = re.compile(r"^(.+?)\s*(?:,\s*(?:\.\.\.|…)\s*,|\.\.)\s*(.+?)(\s+down)?$")
LEAST = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class _Line:
    """A member that is defined, perhaps for a range (index, first, last), or the final formula (no name)."""

    name: str
    at: str
    body: str
    range: tuple[str, str, str] | None = None


def is_program(text: str, problem: Problem) -> bool:
    """Whether an answer defines members of families that the problem has not."""
    found = {m[1] for line in _logical(text) if (m := MEMBER.match(RANGED.sub(r"\1", _unheaded(line))))}
    loops = any(isinstance(s, Block) for s in problem.statements)
    return loops and bool(found) and found.isdisjoint(problem.symbols)


def check_program(problem: Problem, wrt: str, text: str, seed: int = 0) -> Verdict:
    """The verdict on the gradient by a name in terms of members that the answer defines."""
    asked = f"grad({problem.objective_name}, {wrt})"
    base = Verdict("unreadable", problem=problem.text, asked=asked, answer=text)
    try:
        whole, answer, index = _program(problem, wrt, text)
        found, least = _certified(problem, whole, answer, wrt, index, seed)
    except MatcalcError as error:
        return replace(base, message=unreadable(error))
    notes = (f"for lengths of at least {least}",) if least > 1 else ()
    if found.status == "verified":
        return replace(base, status="correct", certificate=found, read_as=str(answer), notes=notes)
    if found.status == "failed":
        message = "the lines do not lead to the derivative: its numerical value is another one"
        return replace(base, status="wrong", certificate=found, diagnosis=[Finding("other", message)], notes=notes)
    return replace(base, status="undecided", certificate=found, message="; ".join(found.notes))


# ------------------------------------------------------------------------------- reading the lines
def _logical(text: str) -> list[str]:
    return [part for line in text.splitlines() for part in line.split(";") if part.strip()]


def _unheaded(line: str) -> str:
    heading = HEADING.match(line)
    return heading[3] if heading is not None else line


def _lines(text: str) -> Iterator[_Line]:
    """The lines of an answer with their ranges; a heading holds for the indented lines under it."""
    held: tuple[str, str, str] | None = None
    for line in _logical(text):
        heading = HEADING.match(line)
        where = None
        if heading is not None:
            where = _ends(heading[1], heading[2])
            held = where
            line = heading[3]
            if not line.strip():
                continue
        elif line[:1].isspace() and held is not None:
            where = held
        else:
            held = None
        ranged = RANGED.match(line)
        if ranged is not None and _ends(ranged[2], ranged[3]) is not None:
            line, where = ranged[1], _ends(ranged[2], ranged[3])
        member, gradient = MEMBER.match(line), GRADIENT.match(line)
        if member is not None:
            yield _Line(member[1], member[2].strip(), member[3], where)
        elif gradient is not None:
            yield _Line("", gradient[2] or "", gradient[3], where)
        else:
            yield _Line("", "", line.strip(), where)


def _ends(index: str, written: str) -> tuple[str, str, str] | None:
    """``T, ..., 1``, ``1..T`` and ``1..T down`` as index, first and last."""
    match = DOTS.match(written)
    if match is None:
        return None
    first, last = match[1], match[2]
    turned = bool(match[3]) and not runs_down(_dim(first), _dim(last))
    return (index, last, first) if turned else (index, first, last)


def _dim(text: str) -> Dim:
    return index_dim(parse_tree(text), text)


# --------------------------------------------------------------------------- as one program
def _program(problem: Problem, wrt: str, text: str) -> tuple[Problem, Term, str]:
    """The problem with the answer's statements behind its own, the final formula, and the index of its members."""
    lines = list(_lines(text))
    finals = [line for line in lines if not line.name]
    if len(finals) != 1 or lines[-1] is not finals[0]:
        raise ParseError(f"the last line of the answer is the gradient by {wrt}, in terms of the lines above it")
    own = _own_text(problem)
    for i, line in enumerate(lines):
        _require_known(problem, line, {other.name for other in lines[: i + 1] if other.name})
    final, family = finals[0], problem.symbols[wrt].index if wrt in problem.symbols else None
    body = _of_loss(problem, final.body)
    name = next(n for n in ("answer_", *(f"answer_{k}" for k in range(99))) if n not in own)
    if family is None:
        last = [f"{name} = {body}"]
    else:
        low, high = member_ranges(problem, ())[wrt]
        index = final.at or (final.range[0] if final.range else family)
        last = [f"for {index} in {low}..{high}:", f"    {name}[{index}] = {body}", f"{name}[{high}]"]
    whole = _read(problem, own, lines[:-1], last)
    return whole, whole.objective, name if family is not None else ""


def _read(problem: Problem, own: str, lines: Sequence[_Line], last: Sequence[str]) -> Problem:
    """One program of the problem's own and an answer's lines; a zero has the shape that the other lines tell."""
    known = [*map(declaration, problem.symbols.values()), *map(declaration, problem.functions.values())]

    def read(zeros: Mapping[str, Shape] | None, more: Sequence[str]) -> Problem:
        written = [_statement(problem, line, lines, zeros) for line in lines]
        return parse_problem("\n".join([own, *filter(None, written), *last]) + "\n", [*known, *more])

    names = dict.fromkeys(line.name for line in lines)
    try:
        first = read(None, ())
    except ShapeError:
        first = read(None, [f"{n}[i] : vector" for n in names])  # a Greek name need not be a number
    if all(line.body != "0" for line in lines):
        return first
    shapes = {str(t.data[0]): t.shape for s in first.statements for t in _targets(s)}
    return read(shapes, [f"{n}[i] : ({s.rows}, {s.cols})" for n, s in shapes.items() if n in names and not _varies(s)])


def _targets(s: Statement) -> list[Term]:
    if isinstance(s, Definition):
        return []
    return [line.target for line in s.body] if isinstance(s, Block) else [s.target]


def _varies(s: Shape) -> bool:
    """Whether a size depends on an index."""
    return any(not isinstance(a, str) for d in s for a in d.atoms())


def _require_known(problem: Problem, line: _Line, above: set[str]) -> None:
    """Raises ParseError for a name that neither the problem nor a line above defines."""
    tree = parse_tree(line.body)
    own = [x for s in problem.statements for x in (s.body if isinstance(s, Block) else (s,))]
    known = {*problem.symbols, *problem.functions, *problem.formulas, problem.objective_name, *above, "e", "pi", "I"}
    known |= {n for t in (problem.objective, *(x.term for x in own)) for n in (*t.free, *free_indices(t))}
    known |= {n for s in problem.symbols.values() for d in s.shape for n in d.names()}
    known |= {x.name if isinstance(x, Definition) else str(x.target.data[0]) for x in own}
    known |= {n for s in problem.statements if isinstance(s, Block) for d in (s.low, s.high) for n in d.names()}
    known |= {*re.findall(r"[^\W\d]\w*", line.at), *(line.range[:1] if line.range else ())}
    known |= {n.data[1] for n in tree.walk() if n.kind == "binder"}
    for n in tree.walk():
        if n.kind in ("name", "index") and n.data not in known:
            message = f"'{n.data}' is neither a name of the problem nor defined above"
            raise ParseError(message, span=n.mark or n.span, source=line.body)


def _own_text(problem: Problem) -> str:
    """The problem's own program, its objective by name, without what it asks for."""
    text = problem.text
    for s in reversed(list(parse_program(text))):
        if isinstance(s, Deriving):
            text = text[: s.span.start] + text[s.span.end :]
        elif isinstance(s, Standing):
            text = text[: s.span.start] + f"{problem.objective_name} = " + text[s.span.start :]
    return text.rstrip("; \n")


def _of_loss(problem: Problem, body: str) -> str:
    """``grad(L, Y)``, where L is an opaque loss, by the name of the loss."""
    if problem.objective.op != "call":
        return body
    name = problem.objective.data[0].partition("=")[0]
    return re.sub(rf"\bgrad\(\s*{re.escape(problem.objective_name)}\s*,", f"grad({name},", body)


def _statement(problem: Problem, line: _Line, lines: Sequence[_Line], zeros: Mapping[str, Shape] | None) -> str:
    body = _of_loss(problem, line.body)
    if body == "0":
        if zeros is None:
            return ""  # of a shape that is not known yet
        rows, cols = zeros[line.name]
        body = body if zeros[line.name].is_scalar else f"zeros({rows}, {cols})"
    where = line.range if line.range is not None and line.range[0] in line.at else _inferred(problem, line, lines)
    if where is None:
        return f"{line.name}[{line.at}] = {body}"
    index, first, last = where
    down = " down" if runs_down(_dim(first), _dim(last)) else ""
    return f"for {index} in {first}..{last}{down}:\n    {line.name}[{line.at}] = {body}"


def _inferred(problem: Problem, line: _Line, lines: Sequence[_Line]) -> tuple[str, str, str] | None:
    """The range of a line that says none: that of the loop, without the members that are given by themselves."""
    blocks = [s for s in problem.statements if isinstance(s, Block)]
    lengths = {n for s in blocks for d in (s.low, s.high) for n in d.names()}
    if not re.fullmatch(r"[^\W\d]\w*", line.at) or line.at in lengths:
        return None
    block = next((s for s in blocks if s.index == line.at), blocks[0])
    given = [_dim(other.at) for other in lines if other.name == line.name and other is not line]
    reads = re.findall(rf"\b{re.escape(line.name)}\s*\[([^\]]*)\]", line.body)
    steps = [(_dim(r) - dim(line.at)).value or 0 for r in reads]
    low, high = block.low, block.high
    order = Order(LEAST[-1])
    if any(s > 0 for s in steps):
        high = order.min((high, *(g - 1 for g in given)))
        return line.at, str(high), str(low)
    if any(s < 0 for s in steps):
        low = order.max((low, *(g + 1 for g in given)))
    return line.at, str(low), str(high)


# ------------------------------------------------------------------------------------ at numbers
def _certified(
    problem: Problem, whole: Problem, answer: Term, wrt: str, family: str, seed: int
) -> tuple[Certificate, int]:
    """The certificate of the final formula after the answer's statements, and the least length it was tried at."""
    name = problem.objective_name
    place = next(i for i, s in enumerate(whole.statements) if isinstance(s, Definition) and s.name == name)
    objective = whole.statements[place]
    assert isinstance(objective, Definition)
    asked = replace(whole, objective=objective.term, objective_name=name, statements=whole.statements[:place])
    backward = whole.statements[place + 1 :]
    families = {}
    if family:
        families = {wrt: backward[-1:]}
        backward = backward[:-1]
    elif answer.shape is asked.variable(wrt).shape.transposed and answer.shape is not asked.variable(wrt).shape:
        answer = terms.transpose(answer)
    last: MatcalcError | None = None
    for least in LEAST:
        try:
            found = certify(asked, {wrt: answer}, seed=seed, families=families, backward=backward, shortest=least)
            if found.status != "skipped":
                return found, least
        except (MatcalcError, KeyError) as error:
            last = error if isinstance(error, MatcalcError) else ParseError(f"the member {error} is not defined")
    raise last or ParseError("the answer has no value at any length that was tried")
