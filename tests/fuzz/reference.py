"""The values of terms in arrays that autograd can differentiate, written apart from matcalc's evaluator and rules.

Every value is a two-dimensional array. Derivatives of elementwise and of opaque functions come from autograd too:
nothing here was differentiated by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import autograd.numpy as anp
from autograd import elementwise_grad, grad, jacobian
from autograd.scipy.special import erf
from autograd.tracer import getval, isbox

from matcalc.language.dims import Dim
from matcalc.language.named_loss import function_of
from matcalc.language.terms import Term

__all__ = ["FUNCTION_VALUES", "KINKED", "derivative", "size_of", "value"]

Array = Any
Environment = Mapping[str, Array]

FUNCTION_VALUES: dict[str, Callable[[Array], Array]] = {
    "exp": lambda x: anp.exp(x),
    "log": lambda x: anp.log(x),
    "sqrt": lambda x: anp.sqrt(x),
    "sin": lambda x: anp.sin(x),
    "cos": lambda x: anp.cos(x),
    "tan": lambda x: anp.tan(x),
    "arcsin": lambda x: anp.arcsin(x),
    "arccos": lambda x: anp.arccos(x),
    "arctan": lambda x: anp.arctan(x),
    "sinh": lambda x: anp.sinh(x),
    "cosh": lambda x: anp.cosh(x),
    "tanh": lambda x: anp.tanh(x),
    "sigmoid": lambda x: 0.5 * (1.0 + anp.tanh(0.5 * x)),
    "softplus": lambda x: anp.logaddexp(0.0 * x, x),
    "abs": lambda x: anp.where(x > 0, x, -x),
    "sign": lambda x: anp.where(x > 0, 1.0, -1.0) + 0.0 * x,
    "relu": lambda x: anp.where(x > 0, x, 0.0 * x),
    "erf": lambda x: erf(x),
    "swish": lambda x: x * 0.5 * (1.0 + anp.tanh(0.5 * x)),
    "gelu": lambda x: 0.5 * x * (1.0 + erf(x / anp.sqrt(2.0))),
    "step": lambda x: anp.where(x > 0, 1.0, 0.0) + 0.0 * x,
}
KINKED = frozenset(("abs", "sign", "relu", "step"))

# What stands in for opaque functions of one entry and of whole arguments.
OPAQUE_ENTRY: Callable[[Array], Array] = lambda x: anp.sin(1.3 * x) + 0.2 * x * x  # noqa: E731


def size_of(d: Dim, sizes: Mapping[str, int]) -> int:
    """A size as an integer."""
    from matcalc.language.dims import dim

    found = d.substitute({n: dim(v) for n, v in sizes.items()}).value
    assert found is not None, f"no integer for the size {d}"
    return found


def opaque_value(name: str, rows: int, cols: int, args: tuple[Array, ...]) -> Array:
    """A smooth function that differs with its name and mixes all entries of all arguments."""
    seed = sum((i + 1) * ord(c) for i, c in enumerate(name)) % 97
    total = 0.0
    for k, a in enumerate(args):
        weights = anp.cos(anp.arange(a.size) * 1.7 + seed + 3 * k).reshape(a.shape)
        total = total + anp.sum(weights * a) + 0.3 * anp.sum(anp.sin(a + seed)) + 0.1 * anp.sum(weights * a * a)
    at = anp.arange(rows * cols).reshape((rows, cols))
    shift = 0.9 * at + 0.37 * at**2 + seed  # not linear in the place, or a matrix of these has rank two
    first = anp.sum(args[0] * anp.cos(anp.arange(args[0].size) * 0.8).reshape(args[0].shape))
    return anp.sin(0.2 * total + shift) + 0.1 * first * anp.cos(shift)


def value(t: Term, env: Environment, sizes: Mapping[str, int], memo: dict[Term, Array] | None = None) -> Array:
    """The value of a term; ``env`` has arrays for its symbols, and for a differential under the name ``d(X)``."""
    memo = {} if memo is None else memo
    stack = [t]
    while stack:
        node = stack[-1]
        if node.op == "d":
            memo[node] = env[f"d({node.args[0].data})"]
        todo = [a for a in node.args if a not in memo] if node not in memo else []
        if todo:
            stack.extend(todo)
            continue
        if node not in memo:
            memo[node] = _value(node, [memo[a] for a in node.args], env, sizes)
        stack.pop()
    return memo[t]


def _value(t: Term, args: list[Array], env: Environment, sizes: Mapping[str, int]) -> Array:
    if t.op in _LEAVES:
        return _LEAVES[t.op](t, env, sizes)
    if t.op in ("softmax", "logsumexp"):
        return _of_exponentials(t.op, {None: None, "rowwise": 1, "colwise": 0}[t.data], args[0])
    if t.op in _SIMPLE:
        return _SIMPLE[t.op](*args)
    if t.op == "unvec":
        return _unstack(args[0], size_of(t.data[0], sizes), size_of(t.data[1], sizes))
    if t.op == "fn":
        return _entrywise(t.data[0], t.data[1], args[0])
    if t.op == "call":
        name, rows, cols = t.data
        return opaque_value(function_of(name), size_of(rows, sizes), size_of(cols, sizes), tuple(args))
    if t.op in ("grad", "jac", "hess"):
        return _opaque_derivative(t, args, sizes)
    raise NotImplementedError(f"the reference has no value for '{t.op}'")


def _fixed(data: tuple[Dim, Dim], sizes: Mapping[str, int]) -> tuple[int, int]:
    return size_of(data[0], sizes), size_of(data[1], sizes)


def _unit(index: int, n: int) -> Array:
    out = anp.zeros((n, 1))
    out[index - 1, 0] = 1.0
    return out


def _commutation(rows: int, cols: int) -> Array:
    out = anp.zeros((rows * cols, rows * cols))
    for i in range(rows):
        for j in range(cols):
            out[i * cols + j, j * rows + i] = 1.0
    return out


_LEAVES: dict[str, Callable[[Term, Environment, Mapping[str, int]], Array]] = {
    "num": lambda t, env, sizes: anp.array([[float(t.data)]]),
    "const": lambda t, env, sizes: anp.array([[{"pi": anp.pi, "e": anp.e}[t.data]]]),
    "size": lambda t, env, sizes: anp.array([[float(size_of(t.data, sizes))]]),
    "sym": lambda t, env, sizes: env[t.data],
    "eye": lambda t, env, sizes: anp.eye(size_of(t.data, sizes)),
    "ones": lambda t, env, sizes: anp.ones(_fixed(t.data, sizes)),
    "zeros": lambda t, env, sizes: anp.zeros(_fixed(t.data, sizes)),
    "unit": lambda t, env, sizes: _unit(*_fixed(t.data, sizes)),
    "commutation": lambda t, env, sizes: _commutation(*_fixed(t.data, sizes)),
}


def _fold(combine: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    def run(first: Array, *rest: Array) -> Array:
        for r in rest:
            first = combine(first, r)
        return first

    return run


def _times(a: Array, b: Array) -> Array:
    return a * b if 1 in (a.size, b.size) else anp.dot(a, b)


def _multiply(*factors: Array) -> Array:
    """Scalars apart: a 1×1 factor may stand anywhere in a chain."""
    scalar, chain = anp.array([[1.0]]), None
    for f in factors:
        if f.size == 1:
            scalar = scalar * f
        else:
            chain = f if chain is None else anp.dot(chain, f)
    return scalar if chain is None else scalar * chain


def _unstack(v: Array, rows: int, cols: int) -> Array:
    return anp.transpose(anp.reshape(v, (cols, rows)))


def _stack(x: Array) -> Array:
    return anp.reshape(anp.transpose(x), (-1, 1))


def _power(x: Array, exponent: Array) -> Array:
    p = exponent[0, 0]
    if x.size == 1:
        return x**p
    k = round(float(p))
    assert float(p) == k, "a matrix has integer powers"
    base = anp.linalg.inv(x) if k < 0 else x
    out = anp.eye(x.shape[0])
    for _ in range(abs(k)):
        out = anp.dot(out, base)
    return out


def _diagonal(x: Array) -> Array:
    return anp.reshape(anp.sum(x * anp.eye(x.shape[0]), axis=1), (-1, 1))


def _kron(a: Array, b: Array) -> Array:
    big = a[:, None, :, None] * b[None, :, None, :]
    return anp.reshape(big, (a.shape[0] * b.shape[0], a.shape[1] * b.shape[1]))


def _scalar(x: Array) -> Array:
    return anp.reshape(x, (1, 1))


def _of_exponentials(op: str, axis: int | None, x: Array) -> Array:
    top = anp.max(x, axis=axis, keepdims=True)
    e = anp.exp(x - top)
    total = anp.sum(e, axis=axis, keepdims=True)
    return e / total if op == "softmax" else anp.reshape(top + anp.log(total), (-1, 1))


def _stopped(x: Array) -> Array:
    """The value alone, for every derivative that is being taken."""
    while isbox(x):
        x = getval(x)
    return x


_SIMPLE: dict[str, Callable[..., Array]] = {
    "stop": _stopped,
    "add": _fold(lambda a, b: a + b),
    "neg": lambda a: -a,
    "mul": _multiply,
    "div": lambda a, c: a / c[0, 0],
    "had": _fold(lambda a, b: a * b),
    "hdiv": lambda a, b: a / b,
    "pow": _power,
    "hpow": lambda a, c: a ** c[0, 0],
    "kron": _fold(_kron),
    "inner": lambda a, b: _scalar(anp.sum(a * b)),
    "transpose": lambda a: anp.transpose(a),
    "inv": lambda a: anp.linalg.inv(a),
    "det": lambda a: _scalar(anp.linalg.det(a)),
    "logdet": lambda a: _scalar(anp.linalg.slogdet(a)[1]),
    "tr": lambda a: _scalar(anp.trace(a)),
    "sum": lambda a: _scalar(anp.sum(a)),
    "diag": lambda a: a * anp.eye(a.shape[0]),
    "diagvec": _diagonal,
    "vec": _stack,
    "norm1": lambda a: _scalar(anp.sum(anp.where(a > 0, a, -a))),
    "norm2": lambda a: _scalar(anp.sqrt(anp.sum(a * a))),
    "normF": lambda a: _scalar(anp.sqrt(anp.sum(a * a))),
}


def _entrywise(name: str, order: int, x: Array) -> Array:
    f = FUNCTION_VALUES.get(name, OPAQUE_ENTRY)
    for _ in range(order):
        f = elementwise_grad(f)
    return f(x)


def _opaque_derivative(t: Term, args: list[Array], sizes: Mapping[str, int]) -> Array:
    name, position = function_of(t.data[0]), t.data[1]
    rows, cols = (size_of(t.data[2], sizes), size_of(t.data[3], sizes)) if t.op == "jac" else (1, 1)

    def f(*xs: Array) -> Array:
        return opaque_value(name, rows, cols, xs)

    if t.op == "jac":
        return derivative(lambda x: f(*args[:position], x, *args[position + 1 :]), args[position])
    slope = grad(lambda *xs: f(*xs)[0, 0], position)
    if t.op == "grad":
        return slope(*args)
    second = t.data[2]
    return derivative(lambda x: slope(*args[:second], x, *args[second + 1 :]), args[second])


def derivative(f: Callable[[Array], Array], x: Array) -> Array:
    """The matrix that takes ``vec`` of a change of x to ``vec`` of the change of f(x)."""
    columns = jacobian(lambda v: anp.reshape(_stack(f(_unstack(v, *x.shape))), (-1,)))(anp.reshape(_stack(x), (-1,)))
    return columns
