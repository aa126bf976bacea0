"""Opaque and elementwise functions, and their derivatives in an answer: ``grad(f, Y)``, ``f'(s)``, ``jac(u, x)``."""

from __future__ import annotations

from matcalc.errors import ParseError
from matcalc.language import terms
from matcalc.language.dims import SCALAR, Shape
from matcalc.language.named_loss import same_call
from matcalc.language.problem import Function
from matcalc.language.reading import Part, Reading, reads
from matcalc.language.syntax import Node
from matcalc.language.terms import Term

__all__ = ["differential", "elementwise", "gradient", "hessian", "jacobian", "opaque"]


def elementwise(r: Reading, node: Node, name: str) -> Part:
    order = node.data[1]
    if len(node.args) != 1:
        raise ParseError(f"{node.data[0]} takes 1 argument, not {len(node.args)}", span=node.span, source=r.text)
    part = r.infer(node.args[0])
    return Part(node, part.shape, lambda: terms.fn(name, part.build(), order))


def opaque(r: Reading, node: Node, function: Function) -> Part:
    name, order = node.data
    if function.kind == "elementwise":
        return elementwise(r, node, name)
    if order:
        raise ParseError(
            f"{name}' needs a function of entries",
            span=node.span,
            source=r.text,
            hint=f"write grad({name}, ...), or declare {name} : elementwise",
        )
    args = [r.infer(a) for a in node.args]
    r.applied.setdefault(name, []).append([a.shape for a in args])
    assert function.shape is not None
    shape = function.shape

    def build() -> Term:
        rows, cols = r.sizes.shape(shape)
        made = tuple(a.build() for a in args)
        return terms.make("call", *made, data=(_called(r, name, made), rows, cols))

    return Part(node, shape, build)


def differential(r: Reading, node: Node) -> Part:
    if not r.differentials:
        raise ParseError(
            "d(...) is the differential; it has no place in a problem",
            span=node.span,
            source=r.text,
            hint="name the function otherwise",
        )
    part = r.infer(node.args[0])
    return Part(node, part.shape, lambda: terms.differential(part.build()))


def _function_name(r: Reading, node: Node) -> str:
    first = node.args[0]
    if first.kind != "name":
        raise ParseError(
            f"the first argument of {node.data[0]} is the name of a function", span=first.span, source=r.text
        )
    return str(first.data)


def _value_function(r: Reading, name: str, node: Node) -> Function:
    found = r.functions.get(name)
    if found is None or found.kind != "value":
        what = "is not a function here" if found is None else "is applied to the entries"
        raise ParseError(f"'{name}' {what}", span=node.span, source=r.text, hint=f"declare it: {name} : function")
    return found


def _derived(r: Reading, node: Node) -> Part | None:
    """A derivative of something that is no function, where the reader of the text knows what it is."""
    return r.derived(r, node) if r.derived is not None else None


def _needs_variable(r: Reading, node: Node) -> None:
    if len(node.args) == 1:
        name, word = _function_name(r, node), node.data[0]
        what = {"grad": "gradient", "jac": "Jacobian", "hess": "Hessian"}[word]
        raise ParseError(f"by what is the {what} taken?", span=node.span, source=r.text, hint=f"{word}({name}, x)")


def gradient(r: Reading, node: Node) -> Part:
    part = _derived(r, node)
    if part is not None:
        return part
    _needs_variable(r, node)
    if len(node.args) > 2:
        raise ParseError(
            "a gradient by one of several arguments says which",
            span=node.span,
            source=r.text,
            hint=f"grad_1({_function_name(r, node)})(...)",
        )
    return _gradient_at(r, node, 0)


@reads("partial")
def partial(r: Reading, node: Node) -> Part:
    """``grad_1(loss)(h, y)``."""
    if not 0 <= node.data < len(node.args) - 1:
        raise ParseError(f"there is no argument number {node.data + 1}", span=node.span, source=r.text)
    return _gradient_at(r, node, node.data)


def _gradient_at(r: Reading, node: Node, position: int) -> Part:
    first = node.args[0]
    name = str(first.data) if first.kind == "name" else ""
    args = [r.infer(a) for a in node.args[1:]]
    if r.objective is not None and name == r.objective[0] and name not in r.functions:
        return Part(node, args[position].shape, lambda: _gradient_of(r, name, args, position))
    function = _value_function(r, name, first)
    if function.shape != SCALAR:
        raise ParseError(f"'{name}' is not scalar-valued", span=first.span, source=r.text, hint=f"jac({name}, x)")
    return Part(node, args[position].shape, lambda: _gradient_of(r, name, args, position))


def _gradient_of(r: Reading, name: str, args: list[Part], position: int) -> Term:
    """``grad(L, Y)`` where the objective L is ``loss(Y)`` or ``loss(Y, T)`` is the gradient of loss by Y."""
    made = tuple(a.build() for a in args)
    body = r.objective[1] if r.objective is not None and r.objective[0] == name else None
    if body is not None and body.op == "call" and len(made) == 1 < len(body.args) and made[0] in body.args:
        return terms.make("grad", *body.args, data=(body.data[0], body.args.index(made[0])))
    return terms.make("grad", *made, data=(_called(r, name, made), position))


def _called(r: Reading, name: str, args: tuple[Term, ...]) -> str:
    return same_call(name, args, r.objective[1] if r.objective is not None else None, r.bodies)


def jacobian(r: Reading, node: Node) -> Part:
    part = _derived(r, node)
    if part is not None:
        return part
    _needs_variable(r, node)
    name = _function_name(r, node)
    args = [r.infer(a) for a in node.args[1:]]
    function = _value_function(r, name, node.args[0])
    assert function.shape is not None
    value, x = function.shape, r.shape(args[0])

    def build() -> Term:
        rows, cols = r.sizes.shape(value)
        return terms.make("jac", *(a.build() for a in args), data=(name, 0, rows, cols))

    return Part(node, Shape(value.rows * value.cols, x.rows * x.cols), build)


def hessian(r: Reading, node: Node) -> Part:
    part = _derived(r, node)
    if part is not None:
        return part
    _needs_variable(r, node)
    name = _function_name(r, node)
    args = [r.infer(a) for a in node.args[1:]]
    if not (r.objective is not None and r.objective[0] == name):
        _value_function(r, name, node.args[0])
    x = r.shape(args[0])
    both = x.rows * x.cols

    def build() -> Term:
        made = tuple(a.build() for a in args)
        return terms.make("hess", *made, data=(_called(r, name, made), 0, 0))

    return Part(node, Shape(both, both), build)
