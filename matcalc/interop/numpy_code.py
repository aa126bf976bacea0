"""NumPy code in: an answer written as a program is read as mathematics, and never run.

Python's own parser makes the tree; the walk over it knows assignments, expressions and one-level functions, with
NumPy's meaning of ``*``, of broadcasting and of vectors with one axis.  Every variable is a term, so that the answer
is one too.

Vectors of the problem are arrays with one axis; where that does not fit, columns with two axes are tried.

Invariants: no name of the code is looked up in Python; work is bounded by the number of nodes visited.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from matcalc.errors import MatcalcError, ParseError, ShapeError, Span
from matcalc.interop.numpy_arguments import Item
from matcalc.interop.numpy_arrays import Finding, Source, Value
from matcalc.interop.numpy_names import KnownNames, gradient_names
from matcalc.interop.numpy_walk import CodeReader, Places
from matcalc.language.dims import Shape
from matcalc.language.problem import Problem
from matcalc.language.terms import Term

__all__ = ["NumpyAnswer", "is_numpy", "parsed_code", "read_numpy"]

Vectors = Literal["auto", "1-D", "2-D"]
MAX_LENGTH = 20_000
MAX_BRACKETS = 60
MAX_TERM_DEPTH = 120
MARKS = re.compile(
    r"\b(?:np|numpy|jnp|scipy|math)\.|@|\*\*|\.(?:dot|sum|mean|reshape|shape|copy|transpose|flatten|ravel|outer|astype|trace)\b|"
    r"\baxis\s*=|\bkeepdims\b|\blen\(|\[\s*:\s*,|,\s*None\s*\]|\breturn\b|\bimport\s|\bdef\s|\blambda\b|^\s*\w+\s*[-+*/]=",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class NumpyAnswer:
    """What code computes. ``terms`` by the name of the variable it is the answer for ('' where there is one answer)."""

    terms: Mapping[str, Term]
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    vectors: str = "1-D"
    assigned: Mapping[str, Term] = field(default_factory=dict)  # every name the code gave a value

    @property
    def term(self) -> Term:
        """The one answer, or the first."""
        return next(iter(self.terms.values()))


def is_numpy(text: str) -> bool:
    """Whether a text looks like NumPy code and not like the plain language or LaTeX."""
    return MARKS.search(text) is not None and "\\" not in text


def read_numpy(
    code: str,
    problem: Problem,
    wrt: Sequence[str] = (),
    *,
    shape: Shape | None = None,
    extra: Mapping[str, Term] | None = None,
    vectors: Vectors = "auto",
    shift: str = "",
) -> NumpyAnswer:
    """The terms that code computes, against the names of a problem.

    ``wrt``: the variables that answers are for, where there are several; ``shape``: the expected shape, which decides
    between vectors of one axis and columns; ``extra``: names that stand for further terms; ``shift``: what the largest
    entry of an array is read as.  Raises ParseError or
    ShapeError with the place in the code.
    """
    tree = parsed_code(code)
    if vectors != "auto":
        return _read(code, tree, problem, wrt, extra, vectors, shift)
    first: MatcalcError | None = None
    fallback: NumpyAnswer | None = None
    for mode in ("1-D", "2-D"):
        try:
            answer = _read(code, tree, problem, wrt, extra, mode, shift)
        except (ParseError, ShapeError) as error:
            first = first or error
            continue
        if shape is None or answer.term.shape == shape:
            return answer
        fallback = fallback or answer
    if fallback is not None:
        return fallback
    assert first is not None
    raise first


# --------------------------------------------------------------------- the tree
def parsed_code(code: str) -> tuple[ast.Module, int]:
    """Python's tree, and by how much the code is indented."""
    if len(code) > MAX_LENGTH:
        raise ParseError(f"the code is too long: {len(code)} characters, at most {MAX_LENGTH} are read")
    if "\0" in code:
        place = code.index("\0")
        raise ParseError(
            "the code holds an invisible or control character (U+0000)", span=Span(place, place + 1), source=code
        )
    _check_brackets(code)
    lines = code.split("\n")
    indents = [len(line) - len(line.lstrip(" ")) for line in lines if line.strip()]
    indent = min(indents, default=0)
    text = "\n".join(line[indent:] if line.strip() else "" for line in lines)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the code's own strings
            return ast.parse(text), indent
    except SyntaxError as error:
        raise ParseError(f"this is not Python: {error.msg}", span=_place_of(code, error, indent), source=code) from None
    except (ValueError, MemoryError, RecursionError):
        raise ParseError("the code is nested too deeply", span=Span(0, 1), source=code) from None


def _place_of(code: str, error: SyntaxError, indent: int) -> Span:
    starts = _line_starts(code)
    line = min(max(error.lineno or 1, 1), len(starts))
    place = min(starts[line - 1] + max((error.offset or 1) - 1, 0) + indent, max(len(code) - 1, 0))
    return Span(place, place + 1)


def _check_brackets(code: str) -> None:
    depth = 0
    for i, c in enumerate(code):
        depth += (c in "([{") - (c in ")]}")
        if depth > MAX_BRACKETS:
            raise ParseError(
                f"the code is nested too deeply (more than {MAX_BRACKETS} brackets)", span=Span(i, i + 1), source=code
            )


def _line_starts(code: str) -> list[int]:
    return [0, *(i + 1 for i, c in enumerate(code) if c == "\n")]


# --------------------------------------------------------------------- the answers
def _read(
    code: str,
    parsed: tuple[ast.Module, int],
    problem: Problem,
    wrt: Sequence[str],
    extra: Mapping[str, Term] | None,
    vectors: str,
    shift: str,
) -> NumpyAnswer:
    tree, indent = parsed
    known = KnownNames(problem, extra or {}, vectors == "2-D")
    reader = CodeReader(Source(code, shift=shift), known, Places(code, indent))
    result = reader.program(tree)
    findings = tuple(reader.source.findings.values())
    found = _by_variable(reader, result, tuple(wrt) or problem.wrt)
    assigned = {n: v.term for n, v in reader.names.items() if isinstance(v, Value)}
    for t in found.values():
        if t.depth > MAX_TERM_DEPTH:
            raise ParseError("the code is nested too deeply", span=Span(0, 1), source=code)
    return NumpyAnswer(found, findings, tuple(known.notes), vectors, assigned)


def _by_variable(reader: CodeReader, result: Item, wrt: Sequence[str]) -> dict[str, Term]:
    """The answers by the variables they are for."""
    if isinstance(result, tuple):
        values = [v for v in result if isinstance(v, Value)]
        if len(values) != len(result) or not values:
            raise reader.source.unread("what is returned is not an array")
        if len(values) == 1:
            return {"": values[0].term}
        if len(values) == len(wrt):
            return {name: v.term for name, v in zip(wrt, values, strict=True)}
        raise reader.source.unread(f"the code returns {len(values)} arrays, not {len(wrt) or 1}")
    if not isinstance(result, Value):
        raise reader.source.unread("the answer is not an array")
    if wrt and not (reader.explicit and len(wrt) == 1):
        named = {w: v.term for w in wrt for v in [_gradient_named(reader, w)] if v is not None}
        if len(named) == len(wrt):
            return named if len(wrt) > 1 else {"": named[wrt[0]]}
    return {"": result.term}


def _gradient_named(reader: CodeReader, variable: str) -> Value | None:
    """What the code calls the gradient by a variable."""
    found = next((reader.names[n] for n in gradient_names(variable) if n in reader.names), None)
    return found if isinstance(found, Value) else None
