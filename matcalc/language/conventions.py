"""What undeclared names stand for: the conventions, and the search for the first reading that fits.

Uppercase names are matrices, Greek names scalars, lowercase names vectors unless only a scalar fits.  "Only a scalar
fits" is decided by trying: the reading with the fewest departures from the conventions wins, departures are made only
where shapes did not fit, and every one of them is told to the user.  One thing is decided before: a lone factor of a
number such as a norm, a trace or a quadratic form (``c*norm2(x)^2``) is a scalar, though a vector would fit.

Invariant: the same text gives the same reading; the number of readings tried is bounded.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from matcalc.language.reading import Misfit
from matcalc.language.syntax import Node

__all__ = ["Names", "convention", "evident_vectors", "first_reading", "is_opaque_name", "lone_factors", "scalar_calls"]

GREEK = frozenset(
    [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "eps",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "lambda",
        "lam",
        "mu",
        "nu",
        "xi",
        "omicron",
        "rho",
        "sigma",
        "tau",
        "upsilon",
        "phi",
        "chi",
        "psi",
        "omega",
    ]
)
MAX_TRIES = 400
BEAM = 16  # readings with equally many departures that are followed further
MAX_WORK = 50_000  # nodes looked at, all tries together
LONGEST_FORM = 40  # factors among which a quadratic form is looked for
SCALAR_CALLS = frozenset(
    [
        "tr",
        "trace",
        "det",
        "logdet",
        "sum",
        "mean",
        "var",
        "norm",
        "norm1",
        "norm2",
        "normF",
        "bars",
        "logsumexp",
        "inner",
        "rows",
        "cols",
        "loss",
    ]
)
SIZE_ARGUMENTS = {"ones": (0, 1), "unit": (0, 1), "zeros": (0, 1), "eye": (0,), "commutation": (0, 1), "unvec": (1, 2)}
REDUCTIONS = frozenset(("call", "norm", "binder"))
OF_VECTORS = frozenset(
    ("sum", "mean", "var", "norm", "norm1", "norm2", "normF", "softmax", "log_softmax", "logsumexp", "diag")
)
AXIS_CALLS = frozenset(("sum", "mean", "var", "softmax", "log_softmax", "logsumexp"))
OF_FUNCTIONS = frozenset(("grad", "jac", "hess"))


def base(name: str) -> str:
    """The letters of a name before its number or subscript: ``mu`` of ``mu_1``."""
    return re.split(r"[_\d]", name, maxsplit=1)[0]


def is_greek(name: str) -> bool:
    """Whether a name is a small Greek letter, written or spelled: ``λ``, ``lambda``, ``mu_1``."""
    b = base(name)
    return b in GREEK or (len(b) == 1 and "GREEK SMALL" in unicodedata.name(b, ""))


def convention(name: str) -> tuple[str, ...]:
    """The readings of an undeclared name, the usual one first."""
    if is_greek(name):
        return ("scalar", "vector")
    if name[0].isupper():
        return ("matrix", "scalar") if name == "N" else ("matrix",)
    return ("vector", "scalar")


def is_opaque_name(name: str) -> bool:
    """Whether an undeclared name may be applied to an argument: one letter, Greek, or ``loss``."""
    b = base(name)
    return len(b) == 1 or b.lower() in GREEK or b == "loss"


# --------------------------------------------------------- where names occur
@dataclass(slots=True)
class Names:
    """The names of a text by what they are used for, in order of appearance."""

    variables: dict[str, Node] = field(default_factory=dict)
    families: dict[str, Node] = field(default_factory=dict)
    functions: dict[str, list[Node]] = field(default_factory=dict)
    sizes: dict[str, Node | None] = field(default_factory=dict)
    indices: dict[str, None] = field(default_factory=dict)
    differentiated: dict[str, Node] = field(default_factory=dict)  # functions under grad, jac, hess
    places: dict[str, Node] = field(default_factory=dict)  # indices of entries that no sum binds
    two_indices: set[str] = field(default_factory=set)  # names of which entries with two indices are taken

    def all(self) -> frozenset[str]:
        """Every name that is used for anything."""
        return frozenset((*self.variables, *self.families, *self.functions, *self.sizes, *self.indices))

    def read(self, node: Node, known: Callable[[str], bool], bound: tuple[str, ...] = ()) -> None:
        """Note every name below a node. ``known`` tells the calls that are not opaque functions."""
        if node.kind == "name":
            if node.data not in bound:
                self.variables.setdefault(node.data, node)
        elif node.kind == "index":
            if node.data not in self.families:
                self.families[node.data] = node
            self.read_size(node.args[0], known, bound)
        elif node.kind == "entry":
            if node.args[0].kind == "name" and len(node.data) == 2:
                self.two_indices.add(node.args[0].data)
            self.read(node.args[0], known, bound)
            for a in node.args[1:]:
                self.read_index(a, known, bound)
        elif node.kind == "binder":
            self.indices[node.data[1]] = None
            self.read_size(node.args[0], known, bound)
            self.read_size(node.args[1], known, bound)
            self.read(node.args[2], known, (*bound, node.data[1]))
        elif node.kind == "pow" and _transposes(node):
            self.read(node.args[0], known, bound)
        elif node.kind in ("call", "partial"):
            self._read_call(node, known, bound)
        else:
            for a in node.args:
                self.read(a, known, bound)

    def _read_call(self, node: Node, known: Callable[[str], bool], bound: tuple[str, ...]) -> None:
        name = node.data[0] if node.kind == "call" else "grad"
        args = list(node.args)
        if name in OF_FUNCTIONS and args and args[0].kind == "name":
            self.differentiated.setdefault(args[0].data, node)
            args = args[1:]
        elif not known(name):
            self.functions.setdefault(name, []).append(node)
        if name in AXIS_CALLS:
            args = args[:1]
        for i, a in enumerate(args):
            if name == "unit" and i == 0:
                self.read_index(a, known, bound)
            elif i in SIZE_ARGUMENTS.get(name, ()):
                self.read_size(a, known, bound)
            else:
                self.read(a, known, bound)

    def read_index(self, node: Node, known: Callable[[str], bool], bound: tuple[str, ...]) -> None:
        """Note the names of an index of an entry."""
        for n in node.walk():
            if n.kind == "name" and n.data not in bound:
                self.places.setdefault(n.data, n)
        self.read_size(node, known, bound)

    def read_size(self, node: Node, known: Callable[[str], bool], bound: tuple[str, ...]) -> None:
        """Note the names of a size or an index."""
        if node.kind == "name":
            if node.data not in bound:
                self.sizes.setdefault(node.data, node)
        elif node.kind == "index":
            self.sizes.setdefault(node.data, node)
            self.read_size(node.args[0], known, bound)
        elif node.kind == "call":
            self.read(node, known, bound)
        elif node.kind != "unsaid":
            for a in node.args:
                self.read_size(a, known, bound)


def _transposes(node: Node) -> bool:
    """``X^T`` or ``X^-T``: the T is no variable because of it."""
    exponent = node.args[1].args[0] if node.args[1].kind == "neg" else node.args[1]
    return node.data == "^" and exponent.kind == "name" and exponent.data == "T"


# ------------------------------------------------------ lone factors of numbers
def _key(node: Node) -> object:
    """The structure of a node without places."""
    return (node.kind, node.data, tuple(_key(a) for a in node.args))


def _is_number(node: Node) -> bool:
    return node.kind == "num" or (node.kind in ("neg", "sum", "chain", "pow") and all(_is_number(a) for a in node.args))


@dataclass(slots=True)
class _LoneFactors:
    scalar_name: Callable[[str], bool]  # declared or by convention
    open_name: Callable[[str], bool]  # may be either
    lone: dict[str, bool] = field(default_factory=dict)

    def scalar_like(self, node: Node) -> bool:
        """Whether a node is a number whatever the open names are."""
        if node.kind in ("num", "norm"):
            return True
        if node.kind in ("name", "index"):
            return self.scalar_name(node.data)
        if node.kind == "entry":
            return not any(node.data)
        if node.kind == "call":
            return (
                node.data[0] in SCALAR_CALLS
                and len(node.args) <= 2
                and not (node.data[0] in AXIS_CALLS and len(node.args) == 2)
            )
        if node.kind in ("neg", "pow"):
            return self.scalar_like(node.args[0])
        if node.kind == "binder":
            return self.scalar_like(node.args[2])
        if node.kind == "sum":
            return all(self.scalar_like(a) for a in node.args)
        if node.kind == "chain":
            inside = self.quadratic(node)
            return all(i in inside or self.scalar_like(a) for i, a in enumerate(node.args))
        return False

    def quadratic(self, node: Node) -> range:
        """The places of the factors of a quadratic form, ``x'*x`` or ``(A*x - b)'*W*(A*x - b)``, in a product."""
        for i, a in enumerate(node.args[:LONGEST_FORM]):
            if a.kind == "transpose":
                key = _key(a.args[0])
                for j in range(min(len(node.args), LONGEST_FORM) - 1, i, -1):
                    if set(node.data[i:j]) == {"*"} and _key(node.args[j]) == key:
                        return range(i, j + 1)
        return range(0)

    def loneish(self, node: Node) -> bool:
        """A name that may be a scalar, with numbers around it: ``c``, ``c^2``, ``(1 - c)``, ``c/2``."""
        if node.kind in ("name", "index"):
            return self.open_name(node.data)
        if node.kind in ("neg", "pow", "sum", "chain"):
            return not _is_number(node) and all(self.loneish(a) or _is_number(a) for a in node.args)
        return False

    def visit(self, node: Node, lone: bool = False) -> None:
        if node.kind in ("name", "index"):
            if self.open_name(node.data):
                self.lone[node.data] = self.lone.get(node.data, True) and lone
        elif node.kind == "chain" and set(node.data) <= {"*", "/"}:
            self._chain(node, lone)
        elif node.kind in ("neg", "sum") and lone:
            for a in node.args:
                self.visit(a, True)
        elif node.kind == "pow":
            self.visit(node.args[0], lone)
            self.visit(node.args[1], True)
        elif node.kind == "neg":
            self.visit(node.args[0])
        else:
            for a in node.args:
                self.visit(a)

    def _chain(self, node: Node, lone: bool) -> None:
        form = self.quadratic(node)
        signs = ("*", *node.data)
        rest = [a for i, a in enumerate(node.args) if signs[i] == "*" and i not in form and not self.loneish(a)]
        scalar = all(self.scalar_like(a) for a in rest)
        reduced = bool(form) or any(n.kind in REDUCTIONS for a in rest for n in a.walk())
        inside = scalar and (reduced or lone)
        for i, a in enumerate(node.args):
            self.visit(a, i not in form and (signs[i] == "/" or (inside and self.loneish(a))))


def lone_factors(
    nodes: Iterable[Node], scalar_name: Callable[[str], bool], open_name: Callable[[str], bool]
) -> set[str]:
    """The open names that occur only as factors of numbers."""
    found = _LoneFactors(scalar_name, open_name)
    for node in nodes:
        found.visit(node)
    return {name for name, lone in found.lone.items() if lone}


def evident_vectors(nodes: Iterable[Node]) -> set[str]:
    """Names that are transposed or reduced by themselves: ``mu'``, ``norm1(theta)``. Nobody does that to a scalar."""
    out: set[str] = set()
    for top in nodes:
        for n in top.walk():
            reduces = n.kind in ("transpose", "norm") or (n.kind == "call" and n.data[0] in OF_VECTORS)
            if reduces and n.args[0].kind == "name":
                out.add(n.args[0].data)
    return out


def scalar_calls(node: Node, opaque: Callable[[str], bool]) -> set[str]:
    """The opaque functions in places of an objective where a scalar is expected: ``f`` of ``f(A*x) + c*g(x)^2``."""
    out: set[str] = set()

    def visit(n: Node) -> None:
        if n.kind == "call" and n.data[0] not in SCALAR_CALLS - {"loss"}:
            if opaque(n.data[0]):
                out.add(n.data[0])
            elif len(n.args) == 1:
                visit(n.args[0])
        elif n.kind in ("neg", "sum"):
            for a in n.args:
                visit(a)
        elif n.kind == "pow":
            visit(n.args[0])
        elif n.kind == "binder":
            visit(n.args[2])
        elif n.kind == "chain" and set(n.data) <= {"*", "/"}:
            plain = {"num", "name", "call", "pow", "neg", "norm", "sum"}
            if all(a.kind in plain and not (a.kind == "name" and a.data[0].isupper()) for a in n.args):
                for a in n.args:
                    visit(a)

    visit(node)
    return out


# ------------------------------------------------------------------ the search
T = TypeVar("T")
State = tuple[int, ...]  # which reading of each open name


def _rank(name: str, wrt: Iterable[str]) -> int:
    """How unlikely it is that a lowercase name is a scalar: a..g and t before others, u..z last."""
    letter = base(name)[:1]
    likely = 0 if letter in "abcdefgkst" else (2 if letter in "uvwxyz" else 1)
    return 10 * likely + (5 if name in wrt else 0)


def first_reading(
    options: Mapping[str, tuple[str, ...]],
    attempt: Callable[[dict[str, str], bool], T],
    blamed: Callable[[Node], Iterable[str]],
    is_scalar: Callable[[T], bool],
    wrt: Iterable[str] = (),
    work: int = 1,
) -> tuple[T, dict[str, str]]:
    """The attempt that fits with the fewest departures. Raises the first Misfit where none fits.

    An attempt gets a reading, and whether its error will be read by nobody.  ``work`` is how many nodes one attempt
    looks at; the number of attempts is bounded by it.
    """
    limit = max(3, min(MAX_TRIES, MAX_WORK // work))
    names = list(options)
    place = {name: i for i, name in enumerate(names)}

    def rank(state: State) -> int:
        return sum(_rank(name, wrt) for name, k in zip(names, state, strict=True) if k)

    level: list[State] = [(0,) * len(names)]
    seen: set[State] = set(level)
    first_error: Misfit | None = None
    tries = 0
    while level:
        good: list[tuple[tuple[bool, int, State], T, dict[str, str]]] = []
        following: list[tuple[int, State]] = []
        for state in level:
            reading = {name: options[name][k] for name, k in zip(names, state, strict=True)}
            tries += 1
            try:
                result = attempt(reading, tries > 1)
            except Misfit as error:
                first_error = first_error or error
                further = _departures(state, blamed(error.node), options, place, seen)
                following += [(-error.node.span.end, new) for new in further]  # the later it failed, the better
                if tries >= limit:
                    break
                continue
            good.append(((not is_scalar(result), rank(state), tuple(-k for k in state)), result, reading))
            if tries >= limit:
                break
        if good:
            _, result, reading = min(good, key=lambda g: g[0])
            return result, reading
        if tries >= limit:
            break
        following.sort(key=lambda f: (f[0], rank(f[1]), tuple(-k for k in f[1])))
        level = [state for _, state in following[:BEAM]]
    assert first_error is not None
    raise first_error


def _departures(
    state: State,
    names: Iterable[str],
    options: Mapping[str, tuple[str, ...]],
    place: Mapping[str, int],
    seen: set[State],
) -> list[State]:
    """The states one step further from the conventions, by a name that is to blame."""
    out: list[State] = []
    for name in dict.fromkeys(names):
        i = place.get(name)
        if i is None or state[i] + 1 >= len(options[name]):
            continue
        new = (*state[:i], state[i] + 1, *state[i + 1 :])
        if new not in seen:
            seen.add(new)
            out.append(new)
    return out
