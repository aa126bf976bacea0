"""Opaque functions as arguments of a module: ``f`` and the derivatives of it that occur, ``df``, ``jac_u``, ``hess_f``.

A function that is no loss is an argument itself.  The functions stand behind the arrays: first the functions, then
their derivatives.  A derivative takes what its function takes, and gives an array as the module's own derivatives are:
``df`` entry by entry, ``grad_f`` in the shape of the argument, ``jac_u`` with entries of the value in rows and those of
the argument in columns, matrices read column by column.

Invariants: a function is told apart by what it is of, never by its place; what it returns is checked where its shape is
known; the check of the module draws functions that agree with their derivatives.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matcalc.code.inputs import size_text
from matcalc.code.names import Namer
from matcalc.code.nodes import dims_of
from matcalc.language.dims import Dim, IndexedName
from matcalc.language.functions import FUNCTIONS
from matcalc.language.terms import Term

__all__ = [
    "Given",
    "Key",
    "described",
    "functions_in",
    "given_functions",
    "key_of",
    "sample_functions",
    "wrapping_lines",
]

Key = tuple[str, str, tuple[int, ...]]  # the operation, the function, the order or the arguments derived by

DERIVED = ("grad", "jac", "hess")


@dataclass(frozen=True, slots=True)
class Given:
    """A function among the arguments, and the terms that apply it."""

    name: str  # in the source
    key: Key
    sites: tuple[Term, ...]

    @property
    def function(self) -> str:
        return self.key[1]

    @property
    def is_derivative(self) -> bool:
        op, _, by = self.key
        return op in DERIVED or (op == "fn" and by != (0,))


def key_of(t: Term) -> Key | None:
    """Which function a term applies; None where it applies none, or one that the language knows."""
    if t.op == "fn":
        name, order = t.data
        return None if name in FUNCTIONS else ("fn", name, (order,))
    if t.op == "call":
        return ("call", t.data[0], ())
    if t.op == "grad" or t.op == "jac":
        return (t.op, t.data[0], (t.data[1],))
    if t.op == "hess":
        return ("hess", t.data[0], (t.data[1], t.data[2]))
    return None


def functions_in(terms: Iterable[Term], known: Collection[Term] = ()) -> dict[Key, list[Term]]:
    """The functions that terms apply, in order; ``known`` are terms that have a value already."""
    found: dict[Key, dict[Term, None]] = {}
    seen: set[Term] = set(known)
    stack = list(terms)[::-1]
    while stack:
        t = stack.pop()
        if t in seen:
            continue
        seen.add(t)
        key = key_of(t)
        if key is not None:
            found.setdefault(key, {})[t] = None
        stack.extend(reversed(t.args))
    return {key: list(sites) for key, sites in found.items()}


def given_functions(found: Mapping[Key, Sequence[Term]], order: Sequence[str], namer: Namer) -> tuple[Given, ...]:
    """The functions as arguments: the functions in the order of the problem, then their derivatives."""
    places = {name: k for k, name in enumerate(order)}
    several = {key[1] for key, sites in found.items() if any(len(t.args) > 1 for t in sites)}

    def rank(key: Key) -> tuple[int, int, int, tuple[int, ...]]:
        op, name, by = key
        orders = {"call": 0, "fn": by[0] if op == "fn" else 0, "grad": 1, "jac": 1, "hess": 2}
        return (min(orders[op], 1), places.get(name, len(places)), orders[op], by)

    keys = sorted(found, key=rank)
    return tuple(Given(namer.exact(_name(k, k[1] in several)), k, tuple(found[k])) for k in keys)


def _name(key: Key, several: bool) -> str:
    op, name, by = key
    if op == "call" or (op == "fn" and by == (0,)):
        return name
    if op == "fn":
        return f"d{name}" if by == (1,) else f"d{by[0]}{name}"
    return f"{op}_{''.join(str(k + 1) for k in by)}_{name}" if several else f"{op}_{name}"


# ------------------------------------------------------------------------------------- what they are
def described(g: Given) -> str:
    """What a function is, for the docstring of the module."""
    op, name, by = g.key
    arguments = ", ".join(_axes(args) for args in zip(*(t.args for t in g.sites), strict=True))
    if op == "fn":
        order = f" of order {by[0]}" if by > (1,) else ""
        return f"{g.name} {'entry by entry' if by == (0,) else f'the derivative of {name}{order}'}"
    if op == "call":
        return f"{g.name} of {arguments} gives {_axes(g.sites)}"
    of = "" if len(g.sites[0].args) == 1 else " by argument " + " and ".join(str(k + 1) for k in by)
    kind = {"grad": "gradient", "jac": "Jacobian", "hess": "Hessian"}[op]
    return f"{g.name} the {kind} of {name}{of}, {_axes(g.sites)}"


def _axes(terms: Sequence[Term]) -> str:
    """The shape of an argument or a value at all sites."""
    dims = dims_of(*terms[0].shape)
    inside = ", ".join(str(d) for d in dims)
    if len({t.shape for t in terms}) > 1 or any(isinstance(a, IndexedName) for d in dims for a in d.atoms()):
        return "an array"
    return "a number" if not dims else f"({inside},)" if len(dims) == 1 else f"({inside})"


# ------------------------------------------------------------------------------------- their results
def wrapping_lines(
    given: Sequence[Given], sizes: Mapping[str, str], readable: Collection[str], wrap: str, np: str
) -> Iterator[str]:
    """Lines that make the functions return arrays of floats of the shapes that they must have."""
    for g in given:
        shape = _expected(g, sizes, readable, np)
        yield f'{g.name} = {wrap}("{g.name}", {g.name}{"" if shape is None else f", {shape}"})'


def _expected(g: Given, sizes: Mapping[str, str], readable: Collection[str], np: str) -> str | None:
    """The function from the arguments to the shape of the result; None where that is not known."""
    op, _, by = g.key
    several = len(g.sites[0].args) > 1
    head = f"lambda {'*x' if several else 'x'}: "

    def argument(k: int) -> str:
        return f"x[{k}]" if several else "x"

    if op in ("fn", "grad"):
        return f"{head}{np}.shape({argument(by[0] if op == 'grad' else 0)})"
    axes: list[str] = []
    if op in ("call", "jac"):
        value = {tuple(t.data[-2:]) for t in g.sites}
        rows, cols = value.pop()
        dims = dims_of(rows, cols) if op == "call" else dims_of(rows * cols, rows * cols)[:1]
        if value or any(_unreadable(d, readable) for d in dims):
            return None
        axes = [size_text(d, sizes) for d in dims]
    for k in by:
        scalars = {t.args[k].is_scalar for t in g.sites}
        if len(scalars) > 1:
            return None
        axes += [f"{np}.size({argument(k)})"] if scalars == {False} else []
    return f"{head}({', '.join(axes)}{',' if len(axes) == 1 else ''})"


def _unreadable(d: Dim, readable: Collection[str]) -> bool:
    return any(isinstance(a, IndexedName) or a not in readable for a in d.atoms())


# --------------------------------------------------------------------------------- for the check
def sample_functions(
    given: Sequence[Given], local: Mapping[str, str], sizes: Mapping[str, str], entrywise: str, smooth: str
) -> Iterator[str]:
    """Lines that make functions for the check that agree with their derivatives."""
    numbers = {name: k for k, name in enumerate(dict.fromkeys(g.function for g in given), 1)}
    values: dict[str, Any] = {}
    for g in given:
        if g.key[0] in ("call", "jac"):
            values[g.function] = g.sites[0].data[-2:]
    for g in given:
        op, name, by = g.key
        if op == "fn":
            yield f"{local[g.name]} = {entrywise}({numbers[name]}, {by[0]})"
            continue
        dims = dims_of(*values[name]) if name in values else ()
        shape = ", ".join(size_text(d, sizes) for d in dims)
        shape = f"({shape},)" if len(dims) == 1 else f"({shape})"
        end = "" if op == "call" else f', "{op}", {", ".join(map(str, by))}'
        yield f"{local[g.name]} = {smooth}({numbers[name]}, {shape}{end})"
