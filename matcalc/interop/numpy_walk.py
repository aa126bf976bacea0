"""The walk over Python's tree: statements in order, expressions as arrays, the code's own functions written out.

Invariants: no name of the code is looked up in Python; work is bounded by the number of nodes visited.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from matcalc.errors import MatcalcError, ParseError, Span
from matcalc.interop.numpy_arguments import Item
from matcalc.interop.numpy_arrays import (
    Source,
    Value,
    added,
    divided,
    matmul,
    multiplied,
    negated,
    number,
    powered,
    sized,
    transposed,
)
from matcalc.interop.numpy_entries import ONE_VALUE, greater
from matcalc.interop.numpy_functions import called, knows
from matcalc.interop.numpy_names import KnownNames
from matcalc.interop.numpy_slices import sliced
from matcalc.language import terms
from matcalc.language.dims import dim

__all__ = ["CodeReader", "Places"]

MAX_WORK = 20_000  # nodes visited
MAX_DEPTH = 120
MAX_TERM = 5_000  # nodes of a term, written out
MAX_DIGITS = 40
MODULES = frozenset("np numpy jnp onp anp cp scipy sp special linalg la math torch random".split())
KINDS = frozenset("float int bool float64 float32 int64 int32".split())  # of numbers


class Places:
    """Where the nodes of Python's tree stand in the code, in characters."""

    def __init__(self, code: str, indent: int) -> None:
        self.lines = code.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.indent = indent  # that was taken off every line

    def of(self, node: ast.AST) -> Span:
        first = int(getattr(node, "lineno", 1))
        last = int(getattr(node, "end_lineno", None) or first)
        start = self.at(first, getattr(node, "col_offset", 0))
        return Span(start, max(start + 1, self.at(last, getattr(node, "end_col_offset", 1))))

    def at(self, line: int, offset: int) -> int:
        """The place of a byte of a line."""
        row = min(line, len(self.lines)) - 1
        text = self.lines[row][self.indent :]
        return self.starts[row] + self.indent + len(text.encode()[:offset].decode(errors="ignore"))


@dataclass(slots=True)
class CodeReader:
    """The state of the walk: the names of the code and their values."""

    source: Source
    known: KnownNames
    places: Places
    names: dict[str, Item] = field(default_factory=dict)
    functions: dict[str, ast.FunctionDef | ast.Lambda] = field(default_factory=dict)
    explicit: bool = False  # the result was returned or stands by itself, it is not the last assignment
    work: int = 0
    depth: int = 0

    def here(self, node: ast.AST) -> Source:
        self.source.span = self.places.of(node)
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
            if self.known.known(name) is None:
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
            if self._is_cache(target, value):
                return None
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

    def _is_cache(self, target: ast.Tuple | ast.List, value: ast.expr) -> bool:
        """``X, W = cache``: what a forward pass kept, under the problem's names."""
        if not isinstance(value, ast.Name) or value.id in self.names or self.known.known(value.id) is not None:
            return False
        names = [t.id for t in target.elts if isinstance(t, ast.Name)]
        return len(names) == len(target.elts) and all(self.known.known(n) is not None for n in names)

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
                error.span, error.source = self.places.of(node), self.source.code
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
            if operand.mask:
                raise self.here(node).unread("a comparison has no negative in NumPy", "1.0 * (x > 0) is a number")
            return negated(operand)
        if isinstance(node.op, ast.UAdd):
            return operand
        if not operand.mask:
            raise self.here(node).unread("this operator is read of comparisons only")
        return replace(added(self.here(node), ONE_VALUE, operand, "-"), mask=True)

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
            return replace(greater(source, a, b, isinstance(op, ast.Gt)), mask=True)
        if isinstance(op, ast.Lt | ast.LtE):
            return replace(greater(source, b, a, isinstance(op, ast.Lt)), mask=True)
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
        found = self.known.known(node.id)
        if found is not None:
            return found
        if node.id in KINDS:
            return node.id
        raise self.here(node).unread(f"unknown name '{node.id[:60]}'", self.known.near(node.id, self.names))

    # ------------------------------------------------------------- attributes
    def attribute(self, node: ast.Attribute) -> Item:
        if isinstance(node.value, ast.Name) and self._is_module(node.value.id):
            if node.attr in ("pi", "e"):
                return number(terms.constant(node.attr))
            if node.attr == "newaxis":
                return None
            if node.attr in KINDS:
                return node.attr
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
        return name in MODULES and name not in self.names and self.known.known(name) is None

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
        return sliced(self.here(node), base, index)

    # ------------------------------------------------------------------ calls
    def call(self, node: ast.Call) -> Item:
        given = self._arguments(node)
        named = {
            k.arg: self.item(k.value)
            for k in node.keywords
            if k.arg is not None and k.arg not in ("dtype", "out", "where")
        }
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
        opaque = self.known.problem.functions.get(name)
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
        function = self.known.problem.functions.get(inner)
        known = inner in ("sigmoid", "tanh", "relu", "softplus", "exp", "log", "sin", "cos")
        if function is not None and function.kind == "value" and name == f"grad_{inner}":
            return self.known.placed(terms.make("grad", v.term, data=(inner, 0)))
        if not known and (function is None or function.kind != "elementwise"):
            return called(self.here(node), name, [v], {})
        self.known.notes[f"{name} read as the derivative of {inner}"] = None
        return Value(terms.fn(inner, v.term, 1), v.axes)

    def _opaque(self, node: ast.Call, name: str, given: list[Item]) -> Value:
        function = self.known.problem.functions[name]
        arrays = [g for g in given if isinstance(g, Value)]
        if len(arrays) != len(given) or not arrays:
            raise self.here(node).unread(f"{name} needs arrays")
        if function.kind == "elementwise":
            return Value(terms.fn(name, arrays[0].term), arrays[0].axes)
        assert function.shape is not None
        return self.known.placed(terms.make("call", *(a.term for a in arrays), data=(name, *function.shape)))

    def _own(
        self, node: ast.Call, function: ast.FunctionDef | ast.Lambda, given: list[Item], named: dict[str, Item]
    ) -> Item:
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


OPERATORS: dict[type[ast.operator], Callable[[Source, Value, Value], Value]] = {
    ast.Add: added,
    ast.Sub: lambda s, a, b: added(s, a, b, "-"),
    ast.Mult: multiplied,
    ast.Div: divided,
    ast.MatMult: matmul,
    ast.Pow: powered,
    ast.BitAnd: multiplied,
}
_EXPRESSIONS: dict[type[ast.expr], Callable[[CodeReader, ast.expr], Item]] = {
    ast.BinOp: CodeReader.binary,  # type: ignore[dict-item]
    ast.UnaryOp: CodeReader.unary,  # type: ignore[dict-item]
    ast.Constant: CodeReader.constant,  # type: ignore[dict-item]
    ast.Compare: CodeReader.compare,  # type: ignore[dict-item]
    ast.Name: CodeReader._named,  # type: ignore[dict-item]
    ast.Attribute: CodeReader.attribute,  # type: ignore[dict-item]
    ast.Subscript: CodeReader.subscript,  # type: ignore[dict-item]
    ast.Call: CodeReader.call,  # type: ignore[dict-item]
    ast.Tuple: CodeReader.listed,  # type: ignore[dict-item]
    ast.List: CodeReader.listed,  # type: ignore[dict-item]
}
