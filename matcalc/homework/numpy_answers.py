"""Answers in NumPy code: read as mathematics by :mod:`matcalc.interop.numpy_code`, never run.

Code whose shapes do not fit is made into a form as well, as far as it is one expression, so that a slip can be found
in it.

Invariant: what NumPy would do silently (broadcasting) is told beside the verdict.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from matcalc.errors import MatcalcError, ShapeError, Span
from matcalc.homework.forms import Form, call, form_of, leaf
from matcalc.homework.meaning import Context
from matcalc.homework.read import Answer, Piece
from matcalc.interop.numpy_code import read_numpy
from matcalc.language import terms
from matcalc.language.dims import Shape
from matcalc.language.functions import ALIASES, FUNCTIONS
from matcalc.language.syntax import Node
from matcalc.language.terms import Term

__all__ = ["numpy_answers"]

MODULES = frozenset(("np", "numpy", "linalg"))
OPERATIONS = {"trace": "tr", "inv": "inv", "det": "det", "diag": "diag", "maximum": "", "transpose": "transpose"}


def numpy_answers(
    code: str, context: Context, wrt: Sequence[str], shape: Shape | None, shift: str = ""
) -> dict[str, Answer]:
    """The answers that code gives, by variable ('' where there is one). Raises ParseError for what cannot be read.

    ``shift``: what the largest entry of an array is read as.
    """
    try:
        found = read_numpy(code, context.problem, wrt, shape=shape, shift=shift)
    except ShapeError as error:
        form = _form(code, context)
        if form is None:
            form = leaf(Node("name", Span(0, 0), data="…"))  # nothing but the code itself can be changed
        reread = _reader(context, wrt, shape, "", shift)
        return {"": Answer(code, (Piece(None, form),), context, None, error, shape, reread=reread)}
    notes = (*found.notes, *(f.message for f in found.findings))
    return {
        name: Answer(
            code,
            (Piece(None, form_of(t), t),),
            context,
            context.written_out(t),
            None,
            shape,
            notes,
            _reader(context, wrt, shape, name, shift),
        )
        for name, t in found.terms.items()
    }


def _reader(context: Context, wrt: Sequence[str], shape: Shape | None, name: str, shift: str) -> Callable[[str], Term]:
    """Reads other code in the place of an answer's."""

    def reread(code: str) -> Term:
        found = read_numpy(code, context.problem, wrt, shape=shape, shift=shift).terms
        return context.written_out(found[name] if name in found else next(iter(found.values())))

    return reread


def _form(code: str, context: Context) -> Form | None:
    """The last expression of the code as a form, with the variables it assigned written out; None where it is not
    that simple."""
    try:
        tree = ast.parse(code.strip())
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    reader = _Forms(context)
    try:
        return reader.program(tree.body)
    except (MatcalcError, RecursionError):
        return None


class _Forms:
    """A walk over Python's tree that knows the common operations; anything else gives up."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.assigned: dict[str, Form] = {}

    def program(self, body: list[ast.stmt]) -> Form | None:
        last: Form | None = None
        for statement in body:
            if (
                isinstance(statement, ast.Assign)
                and len(statement.targets) == 1
                and isinstance(statement.targets[0], ast.Name)
            ):
                last = self.assigned[statement.targets[0].id] = self.expression(statement.value)
            elif isinstance(statement, (ast.Expr, ast.Return)) and statement.value is not None:
                last = self.expression(statement.value)
            else:
                return None
        return last

    def expression(self, node: ast.expr) -> Form:
        reader = _READ.get(type(node))
        if reader is None:
            raise ShapeError("this code is not read as a form")
        return reader(self, node)

    def name(self, node: ast.Name) -> Form:
        if node.id in self.assigned:
            return self.assigned[node.id]
        found: Term | None = self.context.variable(node.id)
        if found is None:
            raise ShapeError(f"'{node.id}' is not known")
        return leaf(found)

    def number(self, node: ast.Constant) -> Form:
        if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
            raise ShapeError("only numbers are read")
        from fractions import Fraction

        return form_of(terms.number(Fraction(str(node.value))))

    def unary(self, node: ast.UnaryOp) -> Form:
        inner = self.expression(node.operand)
        if isinstance(node.op, ast.USub):
            return call("neg", inner)
        return inner

    def binary(self, node: ast.BinOp) -> Form:
        a, b = self.expression(node.left), self.expression(node.right)
        for kind, make in _BINARY:
            if isinstance(node.op, kind):
                return make(a, b)
        raise ShapeError("this operator is not read")

    def attribute(self, node: ast.Attribute) -> Form:
        if node.attr != "T":
            raise ShapeError("this attribute is not read")
        return call("transpose", self.expression(node.value))

    def called(self, node: ast.Call) -> Form:
        if not isinstance(node.func, ast.Attribute):
            raise ShapeError("this call is not read")
        name, args = node.func.attr, [self.expression(a) for a in node.args]
        of_module = isinstance(node.func.value, (ast.Name, ast.Attribute)) and _last(node.func.value) in MODULES
        if not of_module:
            args.insert(0, self.expression(node.func.value))
        if name in ("dot", "matmul") and len(args) == 2:
            return call("mul", *args)
        if name == "outer" and len(args) == 2:
            return call("mul", args[0], call("transpose", args[1]))
        if name == "sum" and not node.keywords and len(args) == 1:
            return call("sum", args[0])
        if name == "sum" and len(node.keywords) == 1 and node.keywords[0].arg == "axis":
            return _along(args[0], node.keywords[0].value)
        known = ALIASES.get(name, name)
        if known in FUNCTIONS and len(args) == 1:
            return Form("fn", (args[0],), (known, 0))
        if OPERATIONS.get(name) and len(args) == 1:
            return call(OPERATIONS[name], args[0])
        raise ShapeError(f"'{name}' is not read")


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else (node.id if isinstance(node, ast.Name) else "")


def _along(a: Form, axis: ast.expr) -> Form:
    """A sum over one axis."""
    if not (isinstance(axis, ast.Constant) and axis.value in (0, 1)):
        raise ShapeError("this axis is not read")
    side = "rows" if axis.value == 0 else "cols"
    ones = Form("word", (Form("word", (a,), (side, 0)),), ("ones", 0))
    return call("mul", call("transpose", a) if axis.value == 0 else a, ones)


def _power(a: Form, b: Form) -> Form:
    return call("hpow", a, b)


_BINARY: tuple[tuple[type[ast.operator], Callable[[Form, Form], Form]], ...] = (
    (ast.Add, lambda a, b: call("add", a, b)),
    (ast.Sub, lambda a, b: call("add", a, call("neg", b))),
    (ast.MatMult, lambda a, b: call("mul", a, b)),
    (ast.Mult, lambda a, b: call("had", a, b)),
    (ast.Div, lambda a, b: call("hdiv", a, b)),
    (ast.Pow, _power),
)
_READ: dict[type[ast.expr], Callable[..., Form]] = {
    ast.Name: _Forms.name,
    ast.Constant: _Forms.number,
    ast.UnaryOp: _Forms.unary,
    ast.BinOp: _Forms.binary,
    ast.Attribute: _Forms.attribute,
    ast.Call: _Forms.called,
}
