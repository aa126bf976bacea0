"""Terms as SymPy expressions, with matrix symbols of symbolic size.

A scalar that is a product of vectors is a 1×1 matrix in SymPy; where a number is needed it becomes its trace.
What SymPy cannot hold (opaque functions of matrices, ``vec``) is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matcalc.errors import CannotDerive
from matcalc.language.dims import Dim
from matcalc.language.functions import FUNCTIONS
from matcalc.language.terms import Term

__all__ = ["to_sympy"]


def to_sympy(term: Term) -> Any:
    """The term as a SymPy expression: a matrix expression, or a number where the term is 1×1."""
    import sympy

    done: dict[Term, Any] = {}
    stack = [term]
    while stack:
        node = stack[-1]
        todo = [a for a in node.args if a not in done]
        if node in done or not todo:
            stack.pop()
            done.setdefault(node, _convert(sympy, node, [done[a] for a in node.args]))
        else:
            stack.extend(todo)
    return done[term]


def _convert(sp: Any, t: Term, args: Sequence[Any]) -> Any:
    build = _BUILD.get(t.op)
    if build is None:
        raise CannotDerive(f"SymPy has no form for {t.op} in {t}")
    value = build(sp, t, args)
    return sp.Trace(value) if t.is_scalar and getattr(value, "is_Matrix", False) else value


def _size(sp: Any, d: Dim) -> Any:
    return sp.Add(*(c * sp.Mul(*(sp.Symbol(str(a), integer=True) for a in mono)) for mono, c in d.coefficients))


def _symbol(sp: Any, t: Term, args: Sequence[Any]) -> Any:
    name = str(t.data)
    return sp.Symbol(name) if t.is_scalar else sp.MatrixSymbol(name, _size(sp, t.shape.rows), _size(sp, t.shape.cols))


def _entries(sp: Any, t: Term, args: Sequence[Any]) -> Any:
    name, order = t.data
    if name not in FUNCTIONS:
        f = sp.Function(name)
        s = sp.Dummy("t")
        body = f(s).diff(s, order) if order else f(s)
    else:
        s = sp.Dummy("t")
        body = sp.sympify(FUNCTIONS[name].sympy, locals={"t": s}).diff(s, order)
    return body.subs(s, args[0]) if t.is_scalar else args[0].applyfunc(sp.Lambda(s, body))


def _hadamard_quotient(sp: Any, t: Term, args: Sequence[Any]) -> Any:
    from sympy.matrices.expressions.hadamard import HadamardPower

    below = HadamardPower(args[1], -1)
    return args[0] * below if t.args[0].is_scalar else sp.HadamardProduct(args[0], below)


def _total(sp: Any, t: Term, args: Sequence[Any]) -> Any:
    rows, cols = (_size(sp, d) for d in t.args[0].shape)
    ones = sp.OneMatrix
    return args[0] if t.args[0].is_scalar else sp.Trace(ones(1, rows) * args[0] * ones(cols, 1))


def _norm(sp: Any, t: Term, args: Sequence[Any]) -> Any:
    a = args[0]
    return sp.Abs(a) if t.args[0].is_scalar else sp.sqrt(sp.Trace(a.T * a))


def _inner(sp: Any, t: Term, args: Sequence[Any]) -> Any:
    return args[0] * args[1] if t.args[0].is_scalar else sp.Trace(args[0].T * args[1])


_BUILD: dict[str, Callable[[Any, Term, Sequence[Any]], Any]] = {
    "num": lambda sp, t, a: sp.Rational(t.data.numerator, t.data.denominator),
    "const": lambda sp, t, a: sp.pi if t.data == "pi" else sp.E,
    "size": lambda sp, t, a: _size(sp, t.data),
    "sym": _symbol,
    "eye": lambda sp, t, a: sp.Identity(_size(sp, t.data)),
    "ones": lambda sp, t, a: sp.OneMatrix(*(_size(sp, d) for d in t.data)),
    "zeros": lambda sp, t, a: sp.ZeroMatrix(*(_size(sp, d) for d in t.data)),
    "add": lambda sp, t, a: sp.Add(*a) if t.is_scalar else sp.MatAdd(*a),
    "neg": lambda sp, t, a: -a[0],
    "mul": lambda sp, t, a: sp.Mul(*a) if all(f.is_scalar for f in t.args) else sp.MatMul(*a),
    "div": lambda sp, t, a: a[0] / a[1],
    "had": lambda sp, t, a: sp.HadamardProduct(*a),
    "hdiv": _hadamard_quotient,
    "pow": lambda sp, t, a: a[0] ** a[1],
    "hpow": lambda sp, t, a: sp.HadamardPower(a[0], a[1]),
    "kron": lambda sp, t, a: sp.KroneckerProduct(*a),
    "inner": _inner,
    "transpose": lambda sp, t, a: a[0] if t.is_scalar else a[0].T,
    "inv": lambda sp, t, a: 1 / a[0] if t.is_scalar else a[0].inverse(),
    "det": lambda sp, t, a: a[0] if t.args[0].is_scalar else sp.Determinant(a[0]),
    "logdet": lambda sp, t, a: sp.log(sp.Abs(a[0] if t.args[0].is_scalar else sp.Determinant(a[0]))),
    "tr": lambda sp, t, a: a[0] if t.args[0].is_scalar else sp.Trace(a[0]),
    "sum": _total,
    "diag": lambda sp, t, a: a[0] if t.is_scalar else sp.DiagMatrix(a[0]),
    "diagvec": lambda sp, t, a: a[0] if t.is_scalar else sp.DiagonalOf(a[0]),
    "norm2": _norm,
    "normF": _norm,
    "fn": _entries,
}
