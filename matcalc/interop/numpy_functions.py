"""The table of NumPy's functions: one row for each name, called as ``np.sum(X)`` or as ``X.sum()``.

Invariant: what is not in the table is not read; nothing is ever run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from matcalc.errors import ParseError
from matcalc.interop.numpy_algebra import (
    diagonal,
    dot,
    einsum_of,
    inner,
    kron,
    matrix_power,
    multi_dot,
    of_square,
    outer,
    solve,
    vdot,
)
from matcalc.interop.numpy_arguments import Arguments, Item, Made
from matcalc.interop.numpy_arrays import Source, Value, added, divided, matmul, multiplied, negated, powered
from matcalc.interop.numpy_entries import (
    ONE_VALUE,
    TWO,
    applied,
    clip,
    composed,
    entrywise,
    greater,
    heaviside,
    logaddexp,
    maximum,
    minimum,
    of_two,
    where,
)
from matcalc.interop.numpy_reductions import (
    deviation,
    extreme,
    logsumexp,
    mean,
    norm,
    softmax,
    total,
    trace,
    variance,
)
from matcalc.interop.numpy_shapes import (
    as_number,
    expanded,
    eye,
    filled,
    flat,
    full,
    item,
    length,
    like,
    reshape,
    same,
    squeeze,
    tile,
    transpose,
)
from matcalc.language import terms
from matcalc.language.functions import ALIASES, FUNCTIONS

__all__ = ["FUNCTIONS_OF_NUMPY", "called", "knows"]

FUNCTIONS_OF_NUMPY: dict[str, Made] = {
    **{n: entrywise(n) for n in "exp log sqrt sin cos tan sinh cosh tanh arcsin arccos arctan abs sign".split()},
    **{
        n: entrywise(f)
        for n, f in {"absolute": "abs", "fabs": "abs", "asin": "arcsin", "acos": "arccos", "atan": "arctan"}.items()
    },
    **{n: entrywise(f) for n, f in {"expit": "sigmoid", "ReLU": "relu", "logistic": "sigmoid", "sgn": "sign"}.items()},
    **{n: entrywise(n) for n in ("sigmoid", "softplus", "relu", "step")},
    "log1p": composed(lambda s, v: applied("log", added(s, ONE_VALUE, v))),
    "expm1": composed(lambda s, v: added(s, applied("exp", v), ONE_VALUE, "-")),
    "square": composed(lambda s, v: powered(s, v, TWO)),
    "reciprocal": composed(lambda s, v: divided(s, ONE_VALUE, v)),
    "negative": composed(lambda s, v: negated(v)),
    "positive": same,
    "add": of_two(added),
    "subtract": of_two(lambda s, a, b: added(s, a, b, "-")),
    "multiply": of_two(multiplied),
    "divide": of_two(divided),
    "true_divide": of_two(divided),
    "power": of_two(powered),
    "maximum": of_two(maximum),
    "minimum": of_two(minimum),
    "fmax": of_two(maximum),
    "fmin": of_two(minimum),
    "greater": of_two(greater),
    "less": of_two(lambda s, a, b: greater(s, b, a)),
    "greater_equal": of_two(lambda s, a, b: greater(s, a, b, strict=False)),
    "less_equal": of_two(lambda s, a, b: greater(s, b, a, strict=False)),
    "logaddexp": of_two(logaddexp),
    "heaviside": of_two(heaviside),
    "where": where,
    "clip": clip,
    "sum": total,
    "mean": mean,
    "average": mean,
    "var": variance,
    "std": deviation,
    **dict.fromkeys(("max", "min", "amax", "amin", "argmax", "argmin", "prod", "cumsum", "median", "sort"), extreme),
    "trace": trace,
    "norm": norm,
    "dot": dot,
    "matmul": of_two(matmul),
    "inner": of_two(inner),
    "vdot": of_two(vdot),
    "outer": of_two(outer),
    "multi_dot": multi_dot,
    "kron": of_two(kron),
    "einsum": einsum_of,
    "inv": of_square("inv", 2),
    "det": of_square("det", 0),
    "logdet": of_square("logdet", 0),
    "solve": solve,
    "matrix_power": matrix_power,
    "diag": diagonal,
    "diagonal": diagonal,
    "softmax": softmax,
    "logsumexp": logsumexp,
    "transpose": transpose,
    **dict.fromkeys(
        ("array", "asarray", "copy", "astype", "ascontiguousarray", "atleast_1d", "float64", "float32", "real"), same
    ),
    "reshape": reshape,
    **dict.fromkeys(("ravel", "flatten"), flat),
    "squeeze": squeeze,
    "expand_dims": expanded,
    "ones": filled(terms.ones),
    "zeros": filled(terms.zeros),
    "full": full,
    "ones_like": like(terms.ones),
    "zeros_like": like(terms.zeros),
    "eye": eye,
    "identity": eye,
    "tile": tile,
    "len": length,
    "item": item,
    "float": as_number,
    "int": as_number,
}


def knows(name: str) -> bool:
    """Whether a name is a function that can be read."""
    return name in FUNCTIONS_OF_NUMPY


def called(source: Source, name: str, given: Sequence[Item], named: Mapping[str, Item]) -> Value:
    """A function applied. Raises ParseError for one that is not in the table."""
    made = FUNCTIONS_OF_NUMPY.get(name)
    if made is None:
        raise unknown(source, name)
    return made(Arguments(source, name, tuple(given), named))


def unknown(source: Source, name: str) -> ParseError:
    known = [*FUNCTIONS_OF_NUMPY, *FUNCTIONS, *ALIASES]
    close = get_close_matches(name, known, 1, 0.6)
    return source.unread(f"the function {name[:60]} is not read", f"did you mean {close[0]}?" if close else "")
