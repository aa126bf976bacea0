"""NumPy code in: an answer written as a program is read as mathematics, and never run.

Python's own parser makes the tree; the walk over it knows assignments, expressions and one-level functions, with NumPy's
meaning of ``*``, of broadcasting and of vectors with one axis.  Every variable is a term, so that the answer is one too.

Vectors of the problem are arrays with one axis; where that does not fit, columns with two axes are tried.

Invariants: no name of the code is looked up in Python; work is bounded by the number of nodes visited.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction
from typing import Literal

from matcalc.errors import MatcalcError, ParseError, ShapeError, Span
from matcalc.interop.numpy_arrays import (
    Finding,
    Source,
    Value,
    added,
    divided,
    flipped,
    matmul,
    multiplied,
    negated,
    number,
    one_axis,
    powered,
    sized,
    transposed,
)
from matcalc.interop.numpy_functions import ONE_VALUE, Item, called, greater, knows
from matcalc.language import terms
from matcalc.language.dims import ONE, Shape, dim
from matcalc.language.problem import Problem
from matcalc.language.terms import Term, size_names

__all__ = ["NumpyAnswer", "is_numpy", "read_numpy"]

Vectors = Literal["auto", "1-D", "2-D"]
MAX_LENGTH = 20_000
MAX_BRACKETS = 60
MAX_WORK = 20_000  # nodes visited
MAX_DEPTH = 120
MAX_TERM = 5_000  # nodes of a term, written out
MAX_TERM_DEPTH = 120
MAX_DIGITS = 40
MODULES = frozenset("np numpy jnp onp anp cp scipy sp special linalg la math torch random".split())
MARKS = re.compile(
    r"\b(?:np|numpy|jnp|scipy|math)\.|@|\*\*|\.(?:dot|sum|mean|reshape|shape|copy|transpose|flatten|ravel|outer|astype|trace)\b|"
    r"\baxis\s*=|\bkeepdims\b|\blen\(|\[\s*:\s*,|,\s*None\s*\]|\breturn\b|\bimport\s|\bdef\s|\blambda\b|^\s*\w+\s*[-+*/]=",
    re.MULTILINE,
)
LAMBDA_NAMES = ("lam", "lambda_", "lamb", "lmbda", "lmbd", "lbda", "lam_", "reg", "l2", "_lambda")
UPSTREAM = ("upstream", "dout", "grad_output", "grad_out", "gout", "g_out", "delta", "G", "dL", "dloss", "grad", "g")


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
) -> NumpyAnswer:
    """The terms that code computes, against the names of a problem.

    ``wrt``: the variables that answers are for, where there are several; ``shape``: the expected shape, which decides between
    vectors of one axis and columns; ``extra``: names that stand for further terms.  Raises ParseError or ShapeError with the
    place in the code.
    """
    tree = _parsed(code)
    if vectors != "auto":
        return _read(code, tree, problem, wrt, extra, vectors)
    first: MatcalcError | None = None
    fallback: NumpyAnswer | None = None
    for mode in ("1-D", "2-D"):
        try:
            answer = _read(code, tree, problem, wrt, extra, mode)
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
def _parsed(code: str) -> tuple[ast.Module, int]:
    """Python's tree, and by how much the code is indented."""
    if len(code) > MAX_LENGTH:
        raise ParseError(f"the code is too long: {len(code)} characters, at most {MAX_LENGTH} are read")
    if "\0" in code:
        place = code.index("\0")
        raise ParseError("the code holds an invisible or control character (U+0000)", span=Span(place, place + 1), source=code)
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
            raise ParseError(f"the code is nested too deeply (more than {MAX_BRACKETS} brackets)", span=Span(i, i + 1), source=code)


def _line_starts(code: str) -> list[int]:
    return [0, *(i + 1 for i, c in enumerate(code) if c == "\n")]


# --------------------------------------------------------------------- the walk
def _read(
    code: str,
    parsed: tuple[ast.Module, int],
    problem: Problem,
    wrt: Sequence[str],
    extra: Mapping[str, Term] | None,
    vectors: str,
) -> NumpyAnswer:
    tree, indent = parsed
    reader = _Reader(Source(code), problem, vectors, dict(extra or {}), indent, _line_starts(code), code.split("\n"))
    result = reader.program(tree)
    findings = tuple(reader.source.findings.values())
    found = _by_variable(reader, result, tuple(wrt) or problem.wrt)
    assigned = {n: v.term for n, v in reader.names.items() if isinstance(v, Value)}
    for t in found.values():
        if t.depth > MAX_TERM_DEPTH:
            raise ParseError("the code is nested too deeply", span=Span(0, 1), source=code)
    return NumpyAnswer(found, findings, tuple(reader.notes), vectors, assigned)


def _by_variable(reader: _Reader, result: Item, wrt: Sequence[str]) -> dict[str, Term]:
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
    assert isinstance(result, Value)
    if wrt and not (reader.explicit and len(wrt) == 1):
        named = {w: v.term for w in wrt for v in [reader.gradient_named(w)] if v is not None}
        if len(named) == len(wrt):
            return named if len(wrt) > 1 else {"": named[wrt[0]]}
    return {"": result.term}


@dataclass(slots=True)
class _Reader:
    """The state of the walk: the names of the code and their values."""

    source: Source
    problem: Problem
    vectors: str
    extra: dict[str, Term]
    indent: int
    starts: list[int]
    lines: list[str]
    names: dict[str, Item] = field(default_factory=dict)
    functions: dict[str, ast.FunctionDef | ast.Lambda] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    explicit: bool = False  # the result was returned or stands by itself, it is not the last assignment
    work: int = 0
    depth: int = 0

    # ---------------------------------------------------------------- places
    def at(self, node: ast.AST) -> Span:
        """The place of a node in the code, in characters."""
        first, last = getattr(node, "lineno", 1), getattr(node, "end_lineno", None) or getattr(node, "lineno", 1)
        start = self._column(first, getattr(node, "col_offset", 0))
        return Span(start, max(start + 1, self._column(last, getattr(node, "end_col_offset", 1))))

    def _column(self, line: int, offset: int) -> int:
        row = min(line, len(self.lines)) - 1
        text = self.lines[row][self.indent :]
        return self.starts[row] + self.indent + len(text.encode()[:offset].decode(errors="ignore"))

    def here(self, node: ast.AST) -> Source:
        self.source.span = self.at(node)
        return self.source

    # ------------------------------------------------------------- statements
    def program(self, tree: ast.Module) -> Item:
        result = self.block(tree.body)
        if result is not None:
            return result
        defined = [f for f in self.functions.values() if isinstance(f, ast.FunctionDef)]
        if not defined:
            raise ParseError("there is no answer in this code", span=Span(0, 1), source=self.source.code)
        main = defined[-1]
        self._parameters(main)
        result = self.block(main.body)
        if result is None:
            raise self.here(main).unread("this function returns nothing")
        return result

    def _parameters(self, function: ast.FunctionDef) -> None:
        """Parameters stand for the problem's names; a default is used for one that the problem does not know."""
        args = function.args
        defaults = dict(zip([a.arg for a in args.args][::-1], args.defaults[::-1], strict=False))
        for name, default in reversed(defaults.items()):
            if self._known(name) is None:
                self.names[name] = self.item(default)

    def block(self, body: Sequence[ast.stmt]) -> Item:
        """The statements in order: what is returned, else the last expression or assignment."""
        last: Item = None
        for statement in body:
            if isinstance(statement, ast.Return):
                if statement.value is None:
                    raise self.here(statement).unread("nothing is returned")
                self.explicit = True
                return self.item(statement.value)
            last = self._statement(statement, last)
        return last

    def _statement(self, node: ast.stmt, last: Item) -> Item:
        self._count(node)
        if isinstance(node, ast.Expr):
            if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                return last  # a docstring
            self.explicit = True
            return self.item(node.value)
        self.explicit = False
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            return self._assign(node.targets[0], node.value)
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            return self._assign(node.target, node.value)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            new = self._binary(node, node.op, self.name(node.target), self.array(node.value))
            self.names[node.target.id] = new
            return new
        if isinstance(node, ast.FunctionDef):
            self.functions[node.name] = node
            return last
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass | ast.Assert):
            return last
        what = {ast.For: "loops", ast.While: "loops", ast.If: "branches"}.get(type(node), "statements of this kind")
        raise self.here(node).unread(f"{what} are not read", "write the formula with array operations")

    def _assign(self, target: ast.expr, value: ast.expr) -> Item:
        if isinstance(target, ast.Name):
            if isinstance(value, ast.Lambda):
                self.functions[target.id] = value
                return None
            made = self.item(value)
            self.names[target.id] = made
            self.functions.pop(target.id, None)
            return made
        if isinstance(target, ast.Tuple | ast.List):
            items = self.item(value)
            if not isinstance(items, tuple) or len(items) != len(target.elts):
                raise self.here(target).unread("the two sides of this assignment do not match")
            for t, item in zip(target.elts, items, strict=True):
                if not isinstance(t, ast.Name):
                    raise self.here(t).unread("only names are assigned to")
                self.names[t.id] = item
            return items
        if isinstance(target, ast.Subscript):
            return self._masked(target, value)
        raise self.here(target).unread("only names are assigned to")

    def _masked(self, target: ast.Subscript, value: ast.expr) -> Item:
        """``dZ[Z <= 0] = 0``."""
        zero = isinstance(value, ast.Constant) and value.value == 0
        if not isinstance(target.value, ast.Name) or not isinstance(target.slice, ast.Compare):
            raise self.here(target).unread("entries and parts of arrays are not assigned to")
        if not zero:
            raise self.here(value).unread("masked entries can be set to 0 only")
        array, mask = self.array(target.value), self.array(target.slice)
        source = self.here(target)
        new = multiplied(source, array, added(source, ONE_VALUE, mask, "-"))
        self.names[target.value.id] = new
        return new

    # ------------------------------------------------------------ expressions
    def _count(self, node: ast.AST) -> None:
        self.work += 1
        if self.work > MAX_WORK:
            raise self.here(node).unread("the code is too long")

    def array(self, node: ast.expr) -> Value:
        """The value of an expression that is an array or a number."""
        found = self.item(node)
        if not isinstance(found, Value):
            raise self.here(node).unread("an array or a number must stand here")
        return found

    def item(self, node: ast.expr) -> Item:
        """The value of an expression."""
        self._count(node)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.here(node).unread(f"the code is nested too deeply (more than {MAX_DEPTH} levels)")
        read = _EXPRESSIONS.get(type(node))
        if read is None:
            raise self.here(node).unread("this kind of expression is not read")
        try:
            found = read(self, node)
        except MatcalcError as error:
            if error.span is None:
                error.span, error.source = self.at(node), self.source.code
            raise
        self.depth -= 1
        if isinstance(found, Value) and found.term.size > MAX_TERM:
            raise self.here(node).unread("the formula of this code is too long")
        return found

    def binary(self, node: ast.BinOp) -> Value:
        return self._binary(node, node.op, self.array(node.left), self.array(node.right))

    def _binary(self, node: ast.AST, op: ast.operator, a: Value, b: Value) -> Value:
        row = OPERATORS.get(type(op))
        if row is None:
            raise self.here(node).unread("this operator is not read")
        return row(self.here(node), a, b)

    def unary(self, node: ast.UnaryOp) -> Value:
        operand = self.array(node.operand)
        if isinstance(node.op, ast.USub):
            return negated(operand)
        if isinstance(node.op, ast.UAdd):
            return operand
        return added(self.here(node), ONE_VALUE, operand, "-")  # ~mask, not mask

    def constant(self, node: ast.Constant) -> Item:
        value = node.value
        if value is None or isinstance(value, bool | str):
            return value
        if not isinstance(value, int | float):
            raise self.here(node).unread("this constant is not read")
        ordinary = value == 0 or 1e-30 < abs(value) < 1e30
        text = str(value) if ordinary else ""
        if not text or len(text) > MAX_DIGITS:
            raise self.here(node).unread("this number is not read")
        exact = Fraction(text)
        whole = exact.denominator == 1
        return number(terms.number(exact) if whole else terms.decimal(exact), dim(int(exact)) if whole else None)

    def compare(self, node: ast.Compare) -> Value:
        """``Z > 0`` as the number 1 where it holds."""
        if len(node.ops) != 1:
            raise self.here(node).unread("comparisons in a row are not read")
        a, b = self.array(node.left), self.array(node.comparators[0])
        source, op = self.here(node), node.ops[0]
        if isinstance(op, ast.Gt | ast.GtE):
            return greater(source, a, b, isinstance(op, ast.Gt))
        if isinstance(op, ast.Lt | ast.LtE):
            return greater(source, b, a, isinstance(op, ast.Lt))
        raise source.unread("this comparison is not read")

    def listed(self, node: ast.Tuple | ast.List) -> Item:
        return tuple(self.item(e) for e in node.elts)

    # ------------------------------------------------------------------ names
    def name(self, node: ast.Name) -> Value:
        found = self._named(node)
        if not isinstance(found, Value):
            raise self.here(node).unread("an array or a number must stand here")
        return found

    def _named(self, node: ast.Name) -> Item:
        if node.id in self.names:
            return self.names[node.id]
        found = self._known(node.id)
        if found is not None:
            return found
        names = [*self.names, *self.problem.symbols, *(d.name for d in self.problem.definitions)]
        close = get_close_matches(node.id, names, 1, 0.5)
        raise self.here(node).unread(f"unknown name '{node.id[:60]}'", f"did you mean {close[0]}?" if close else "")

    def _known(self, name: str) -> Value | None:
        """What a name stands for in the problem, under any of its spellings."""
        if name in self.extra:
            return self.placed(self.extra[name])
        for spelling in (name, *_spellings(name)):
            try:
                return self.placed(self.problem.variable(spelling))
            except KeyError:
                pass
        if name in self._sizes():
            return sized(dim(name))
        found = self._upstream(name)
        return None if found is None else self.placed(found)

    def placed(self, t: Term) -> Value:
        """A term of the problem as an array."""
        if t.is_scalar:
            return number(t)
        if t.shape.cols is ONE and self.vectors == "1-D":
            return one_axis(t)
        return Value(t, 2)

    def _sizes(self) -> dict[str, None]:
        out: dict[str, None] = {}
        roots = [self.problem.objective, *(d.term for d in self.problem.definitions)]
        for s in self.problem.symbols.values():
            out.update(dict.fromkeys(n for d in s.shape for n in d.names()))
        for t in roots:
            out.update(dict.fromkeys(n for n in size_names(t) if not n.startswith("#")))
        return out

    def _upstream(self, name: str) -> Term | None:
        """The gradient of the opaque loss, by the usual names: ``dY``, ``grad_Y``, ``dout``."""
        roots = (self.problem.objective, *(d.term for d in self.problem.definitions))
        calls = dict.fromkeys(t for r in roots for t in terms.subterms(r) if t.op == "call" and t.is_scalar)
        for call in calls:
            for k, argument in enumerate(call.args):
                by = argument.data if argument.op == "sym" else None
                if (by is not None and name in _gradient_names(by)) or (k == 0 and len(calls) == 1 and name in UPSTREAM):
                    made = terms.make("grad", *call.args, data=(call.data[0], k))
                    self.notes[f"{name} read as {made}"] = None
                    return made
        return None

    def gradient_named(self, variable: str) -> Value | None:
        """What the code calls the gradient by a variable."""
        found = next((self.names[n] for n in _gradient_names(variable) if n in self.names), None)
        return found if isinstance(found, Value) else None

    # ------------------------------------------------------------- attributes
    def attribute(self, node: ast.Attribute) -> Item:
        if isinstance(node.value, ast.Name) and self._is_module(node.value.id):
            if node.attr in ("pi", "e"):
                return number(terms.constant(node.attr))
            if node.attr == "newaxis":
                return None
        v = self.array(node.value)
        source = self.here(node)
        if node.attr in ("T", "mT"):
            return transposed(source, v)
        if node.attr == "shape":
            return tuple(sized(d) for d in v.shape)
        if node.attr == "size":
            total = dim(1)
            for d in v.shape:
                total = total * d
            return sized(total)
        if node.attr == "ndim":
            return number(terms.number(v.axes), dim(v.axes))
        raise source.unread(f"the attribute {node.attr[:60]} is not read")

    def _is_module(self, name: str) -> bool:
        return name in MODULES and name not in self.names and self._known(name) is None

    def subscript(self, node: ast.Subscript) -> Item:
        base = self.item(node.value)
        index = node.slice
        if isinstance(base, tuple):
            at = self.item(index)
            k = at.size.value if isinstance(at, Value) and at.size is not None else None
            if k is None or not -len(base) <= k < len(base):
                raise self.here(node).unread("this index is not read")
            return base[k]
        if not isinstance(base, Value):
            raise self.here(node).unread("this index is not read")
        parts = list(index.elts) if isinstance(index, ast.Tuple) else [index]
        return self._sliced(node, base, parts)

    def _sliced(self, node: ast.Subscript, v: Value, parts: list[ast.expr]) -> Value:
        """Whole axes, new axes, and the only index of an axis of length 1."""
        kinds = [self._kind_of(p) for p in parts]
        if "..." in kinds:
            k = kinds.index("...")
            kinds[k : k + 1] = [":"] * (v.axes - sum(c in ":0" for c in kinds if c != "..."))
        kinds += [":"] * (v.axes - sum(c in ":0" for c in kinds))
        source = self.here(node)
        if "?" in kinds or sum(c in ":0" for c in kinds) != v.axes:
            raise source.unread("entries and parts of arrays are not part of the language", "whole axes can be taken: x[:, None]")
        shape, axis = list(v.shape), 0
        for c in kinds:
            if c == "0" and shape[axis] is not ONE:
                raise source.unread("entries and parts of arrays are not part of the language")
            axis += c in ":0"
        axes = sum(c in (":", "+") for c in kinds)
        if axes > 2:
            raise source.unread("arrays with more than two axes are not part of the language")
        if v.axes == 1 and axes == 2:
            return Value(v.term if kinds == [":", "+"] else flipped(v.term), 2)
        if "0" in kinds:
            return number(v.term) if axes == 0 else one_axis(v.term)
        if axes == v.axes:
            return v
        raise source.unread("this index is not read")

    def _kind_of(self, part: ast.expr) -> str:
        if isinstance(part, ast.Slice):
            return ":" if part.lower is None and part.upper is None and part.step is None else "?"
        if isinstance(part, ast.Constant):
            return {None: "+", Ellipsis: "...", 0: "0"}.get(part.value, "?") if not isinstance(part.value, bool) else "?"
        if isinstance(part, ast.Attribute) and part.attr == "newaxis":
            return "+"
        return "?"

    # ------------------------------------------------------------------ calls
    def call(self, node: ast.Call) -> Item:
        given = self._arguments(node)
        named = {k.arg: self.item(k.value) for k in node.keywords if k.arg is not None and k.arg not in ("dtype", "out", "where")}
        if any(k.arg is None for k in node.keywords):
            raise self.here(node).unread("** in a call is not read")
        function = node.func
        if isinstance(function, ast.Name):
            return self._call_of_name(node, function.id, given, named)
        if not isinstance(function, ast.Attribute):
            raise self.here(node).unread("this call is not read")
        if _is_path(function.value, self._is_module):
            return self._library(node, function.attr, given, named)
        v = self.array(function.value)
        if function.attr == "T":
            raise self.here(node).unread("T is not called")
        if function.attr == "reshape" and len(given) == 2:
            given = [tuple(given)]
        return self._library(node, function.attr, [v, *given], named)

    def _arguments(self, node: ast.Call) -> list[Item]:
        if any(isinstance(a, ast.Starred) for a in node.args):
            raise self.here(node).unread("* in a call is not read")
        return [self.item(a) for a in node.args]

    def _library(self, node: ast.AST, name: str, given: Sequence[Item], named: Mapping[str, Item]) -> Item:
        source = self.here(node)
        if name == "slogdet":
            determinant = called(source, "logdet", given, named)
            return (number(terms.fn("sign", called(source, "det", given, named).term)), determinant)
        return called(source, name, given, named)

    def _call_of_name(self, node: ast.Call, name: str, given: list[Item], named: dict[str, Item]) -> Item:
        if name in self.functions:
            return self._own(node, self.functions[name], given, named)
        if name in self.names:
            raise self.here(node).unread(f"'{name[:60]}' is an array and is not called")
        opaque = self.problem.functions.get(name)
        if opaque is not None:
            return self._opaque(node, name, given)
        if knows(name):
            return self._library(node, name, given, named)
        primed = re.fullmatch(r"(?:d_?|grad_)?(\w+?)(?:_prime|prime|_deriv|_derivative|_grad|_d)?", name)
        inner = primed.group(1) if primed is not None else ""
        if inner != name and len(given) == 1 and isinstance(given[0], Value):
            return self._slope(node, name, inner, given[0])
        return called(self.here(node), name, given, named)

    def _slope(self, node: ast.Call, name: str, inner: str, v: Value) -> Item:
        """``f_prime(s)``, ``dsigmoid(s)``: the derivative of an elementwise function."""
        function = self.problem.functions.get(inner)
        known = inner in ("sigmoid", "tanh", "relu", "softplus", "exp", "log", "sin", "cos")
        if function is not None and function.kind == "value" and name == f"grad_{inner}":
            return self.placed(terms.make("grad", v.term, data=(inner, 0)))
        if not known and (function is None or function.kind != "elementwise"):
            return called(self.here(node), name, [v], {})
        self.notes[f"{name} read as the derivative of {inner}"] = None
        return Value(terms.fn(inner, v.term, 1), v.axes)

    def _opaque(self, node: ast.Call, name: str, given: list[Item]) -> Value:
        function = self.problem.functions[name]
        arrays = [g for g in given if isinstance(g, Value)]
        if len(arrays) != len(given) or not arrays:
            raise self.here(node).unread(f"{name} needs arrays")
        if function.kind == "elementwise":
            return Value(terms.fn(name, arrays[0].term), arrays[0].axes)
        assert function.shape is not None
        return self.placed(terms.make("call", *(a.term for a in arrays), data=(name, *function.shape)))

    def _own(self, node: ast.Call, function: ast.FunctionDef | ast.Lambda, given: list[Item], named: dict[str, Item]) -> Item:
        """A function that the code defines, written out at its use."""
        parameters = [a.arg for a in function.args.args]
        if len(given) > len(parameters) or not set(named) <= set(parameters):
            raise self.here(node).unread("these arguments do not fit the function")
        outer = dict(self.names)
        defaults = dict(zip(parameters[::-1], function.args.defaults[::-1], strict=False))
        self.names.update({p: self.item(d) for p, d in defaults.items()})
        self.names.update(dict(zip(parameters, given, strict=False)) | named)
        self.depth += 2
        result = self.item(function.body) if isinstance(function, ast.Lambda) else self.block(function.body)
        self.depth -= 2
        self.names = outer
        if result is None:
            raise self.here(node).unread("this function returns nothing")
        return result


def _is_path(node: ast.expr, is_module: Callable[[str], bool]) -> bool:
    """``np``, ``np.linalg``, ``scipy.special``."""
    while isinstance(node, ast.Attribute) and node.attr in MODULES:
        node = node.value
    return isinstance(node, ast.Name) and is_module(node.id)


def _spellings(name: str) -> list[str]:
    """Other spellings of a name that Python cannot or people do not write: ``lam`` for lambda, ``W1`` for W_1."""
    out = [name.rstrip("_"), name.replace("_", "")]
    match = re.fullmatch(r"([^\W\d]+)_?(\d+)", name)
    if match is not None:
        out += [f"{match.group(1)}_{match.group(2)}", f"{match.group(1)}{match.group(2)}"]
    if name in LAMBDA_NAMES:
        out += ["lambda", "λ", "lam"]
    if name in ("eps", "epsilon"):
        out += ["eps", "epsilon", "ε"]
    return [n for n in out if n and n != name]


def _gradient_names(variable: str) -> tuple[str, ...]:
    """What code calls the gradient by a variable."""
    v = variable
    return (f"d{v}", f"grad_{v}", f"{v}_grad", f"g{v}", f"d_{v}", f"dL_d{v}", f"dLd{v}", f"dL{v}", f"G{v}", f"G_{v}", f"g_{v}", f"grad{v}", f"delta_{v}")


OPERATORS: dict[type[ast.operator], Callable[[Source, Value, Value], Value]] = {
    ast.Add: added,
    ast.Sub: lambda s, a, b: added(s, a, b, "-"),
    ast.Mult: multiplied,
    ast.Div: divided,
    ast.MatMult: matmul,
    ast.Pow: powered,
    ast.BitAnd: multiplied,
}
_EXPRESSIONS: dict[type[ast.expr], Callable[[_Reader, ast.expr], Item]] = {
    ast.BinOp: _Reader.binary,  # type: ignore[dict-item]
    ast.UnaryOp: _Reader.unary,  # type: ignore[dict-item]
    ast.Constant: _Reader.constant,  # type: ignore[dict-item]
    ast.Compare: _Reader.compare,  # type: ignore[dict-item]
    ast.Name: _Reader._named,  # type: ignore[dict-item]
    ast.Attribute: _Reader.attribute,  # type: ignore[dict-item]
    ast.Subscript: _Reader.subscript,  # type: ignore[dict-item]
    ast.Call: _Reader.call,  # type: ignore[dict-item]
    ast.Tuple: _Reader.listed,  # type: ignore[dict-item]
    ast.List: _Reader.listed,  # type: ignore[dict-item]
}
