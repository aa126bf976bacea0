"""SymPy expressions as terms.

A class is recognised by its name, so SymPy is never imported here: whoever has a SymPy expression has imported it.
Anything unknown is refused by name; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from matcalc.errors import CannotDerive
from matcalc.language import terms
from matcalc.language.dims import ONE, Dim, dim
from matcalc.language.functions import ALIASES, FUNCTIONS
from matcalc.language.terms import Term

__all__ = ["declarations", "from_sympy", "is_sympy"]

_SPELLINGS = {"Abs": "abs", "Max": "relu"}  # Max only where one argument is 0


def is_sympy(value: object) -> bool:
    """Whether a value is a SymPy object."""
    return any(kind.__module__.partition(".")[0] == "sympy" for kind in type(value).__mro__)


def declarations(expression: Any) -> dict[str, str]:
    """The declarations of an expression's symbols, in alphabetical order."""
    out: dict[str, str] = {}
    stack = [expression]
    while stack:
        node = stack.pop()
        name = type(node).__name__
        if name == "MatrixSymbol":
            rows, cols = (_size(n) for n in node.shape)
            out[str(node.name)] = f"({rows}, {cols})"
        elif getattr(node, "is_Symbol", False):
            out[str(node.name)] = "scalar positive" if node.is_positive else "scalar"
        elif name == "ElementwiseApplyFunction":
            stack.append(node.expr)
        elif name not in ("Identity", "ZeroMatrix", "OneMatrix"):  # names in their sizes are no scalars
            stack.extend(getattr(node, "args", ()))
    return {name: out[name] for name in sorted(out)}


def from_sympy(expression: Any) -> Term:
    """The term of a SymPy expression (scalar or matrix). Raises CannotDerive for what the language does not have."""
    for kind in type(expression).__mro__:
        convert = _CONVERT.get(kind.__name__)
        if convert is not None:
            return convert(expression)
    raise CannotDerive(f"SymPy's {type(expression).__name__} is not in the language: {expression}")


def _size(n: Any) -> Dim:
    name = type(n).__name__
    if getattr(n, "is_Integer", False):
        return dim(int(n))
    if getattr(n, "is_Symbol", False):
        return dim(str(n.name))
    if name in ("Add", "Mul"):
        total = dim(0 if name == "Add" else 1)
        for a in n.args:
            total = total + _size(a) if name == "Add" else total * _size(a)
        return total
    raise CannotDerive(f"a size must be an integer, a name, or a sum or product of these, not {n}")


def _each(expression: Any) -> list[Term]:
    return [from_sympy(a) for a in expression.args]


def _first(expression: Any) -> Term:
    return from_sympy(expression.args[0])


def _symbol(s: Any) -> Term:
    return terms.symbol(str(s.name), *(_size(n) for n in s.shape)) if hasattr(s, "shape") else terms.symbol(str(s.name))


def _add(expression: Any) -> Term:
    parts = [(_negated(a), a) for a in expression.args]
    plus = [from_sympy(a) for positive, a in parts if positive is None]
    minus = [terms.neg(from_sympy(positive)) for positive, _ in parts if positive is not None]
    return terms.add(*plus, *minus)


def _negated(expression: Any) -> Any:
    """The expression without its leading minus, or None where it has none."""
    factor = expression.args[0] if type(expression).__name__ in ("Mul", "MatMul") else expression
    return -expression if getattr(factor, "is_Rational", False) and factor < 0 else None


def _mul(expression: Any) -> Term:
    positive = _negated(expression)
    if positive is not None:
        return terms.neg(from_sympy(positive))
    over, under = [], []
    for a in expression.args:
        exponent = a.args[1] if type(a).__name__ == "Pow" else None
        if exponent is not None and getattr(exponent, "is_Rational", False) and exponent < 0:
            under.append(from_sympy(1 / a))
        else:
            over.append(from_sympy(a))
    result = terms.mul(*over) if over else terms.number(1)
    return terms.div(result, terms.mul(*under)) if under else result


def _power(expression: Any) -> Term:
    base, exponent = expression.args
    if exponent == -1:
        below = from_sympy(base)
        return terms.div(terms.number(1), below) if below.is_scalar else terms.make("inv", below)
    if str(exponent) == "1/2" and type(expression).__name__ == "Pow":
        return terms.fn("sqrt", from_sympy(base))
    return terms.power(from_sympy(base), from_sympy(exponent))


def _hadamard_power(expression: Any) -> Term:
    base, exponent = _each(expression)
    return terms.hpower(base, exponent)


def _applied(expression: Any) -> Term:
    name = type(expression).__name__
    name = _SPELLINGS.get(name, ALIASES.get(name, name))
    arguments = [a for a in expression.args if not (name == "relu" and a == 0)]
    if name in FUNCTIONS and len(arguments) == 1:
        inside = from_sympy(arguments[0])
        if not inside.is_scalar:  # SymPy means the function of the matrix, the language the function of its entries
            raise CannotDerive(f"{expression} is a matrix function; for the entries write .applyfunc({name})")
        return terms.fn(name, inside)
    raise CannotDerive(f"SymPy's {type(expression).__name__} is not in the language: {expression}")


def _elementwise(expression: Any) -> Term:
    """``expr.applyfunc(f)`` for a function f of the language."""
    body, variable = expression.function.expr, expression.function.variables[0]
    applied = from_sympy(body)
    if applied.op != "fn" or applied.args[0].op != "sym" or applied.args[0].data != str(variable.name):
        raise CannotDerive(f"applyfunc of {body} is not in the language; apply one function at a time")
    return terms.fn(applied.data[0], from_sympy(expression.expr), applied.data[1])


def _diag(expression: Any) -> Term:
    t = _first(expression)
    if t.shape.rows is ONE:
        t = terms.transpose(t)
    return terms.make("diag", t) if t.shape.cols is ONE else terms.had(t, terms.eye(t.shape.rows))


def _inverse(expression: Any) -> Term:
    t = _first(expression)
    return terms.div(terms.number(1), t) if t.is_scalar else terms.make("inv", t)


def _float(expression: Any) -> Term:
    q = Fraction(str(expression))
    return terms.neg(terms.decimal(-q)) if q < 0 else terms.decimal(q)


_CONVERT: dict[str, Callable[[Any], Term]] = {
    "Integer": lambda e: terms.number(int(e)),
    "Rational": lambda e: terms.number(Fraction(int(e.p), int(e.q))),
    "Float": _float,
    "Exp1": lambda e: terms.constant("e"),
    "Pi": lambda e: terms.constant("pi"),
    "Symbol": _symbol,
    "MatrixSymbol": _symbol,
    "Identity": lambda e: terms.eye(_size(e.shape[0])),
    "ZeroMatrix": lambda e: terms.zeros(*(_size(n) for n in e.shape)),
    "OneMatrix": lambda e: terms.ones(*(_size(n) for n in e.shape)),
    "Add": _add,
    "MatAdd": _add,
    "Mul": _mul,
    "MatMul": _mul,
    "Pow": _power,
    "MatPow": _power,
    "Inverse": _inverse,
    "Transpose": lambda e: terms.transpose(_first(e)),
    "Trace": lambda e: terms.make("tr", _first(e)),
    "Determinant": lambda e: terms.make("det", _first(e)),
    "HadamardProduct": lambda e: terms.had(*_each(e)),
    "HadamardPower": _hadamard_power,
    "KroneckerProduct": lambda e: terms.make("kron", *_each(e)),
    "DiagMatrix": _diag,
    "DiagonalMatrix": _diag,
    "DiagonalOf": lambda e: terms.make("diagvec", _first(e)),
    "ElementwiseApplyFunction": _elementwise,
    "Function": _applied,
    "Max": _applied,
}
