"""Reading an identity between metavariables, with rigid sizes.

The left side alone decides the shapes, as general as they can be; the right side must fit them as they are.  So a rule
that holds only where a size is 1, or where two sizes agree, is refused by its shapes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from matcalc.errors import RuleError, ShapeError
from matcalc.language.attempts import shape_of_kind
from matcalc.language.conventions import (
    Names,
)
from matcalc.language.dims import ONE, SCALAR, Shape
from matcalc.language.inference import INDEX, Sizes, name_sizes
from matcalc.language.problem import Function
from matcalc.language.program import KNOWN
from matcalc.language.reading import Entry, Reading
from matcalc.language.syntax import Node, parse_tree
from matcalc.language.terms import Term

__all__ = ["parse_rule"]

KINDS = frozenset(("matrix", "square", "vector", "row", "scalar", "tangent"))


def parse_rule(
    lhs: str, rhs: str, metavars: Mapping[str, str], functions: Iterable[str] | Mapping[str, Function] = ()
) -> tuple[Term, Term]:
    """Read ``lhs = rhs`` with rigid sizes: the most general shapes of the left side; the right side must fit as it is.

    A kind is a word (matrix, square, vector, row, scalar, tangent) or two (``scalar tangent``).
    """
    left, right = parse_tree(lhs), parse_tree(rhs)
    sizes = Sizes(flexible=True)
    occurring = {
        _metavar(n.data, metavars) for side in (left, right) for n in side.walk() if n.kind in ("name", "index")
    }
    entries = {name: _rule_entry(kind, sizes) for name, kind in metavars.items() if name in occurring}
    _check_metavars(left, right, entries, rhs)
    table = _rule_functions(functions, (left, right), sizes)
    for name in _size_names(left, right):
        entries.setdefault(name, Entry("size", SCALAR))
    one = Reading(lhs, entries, table, sizes, rule=True, differentials=True)
    part = one.infer(left)
    shapes = (
        [e.shape for e in entries.values()] + [f.shape for f in table.values() if f.shape is not None] + [part.shape]
    )
    one.finish_rule()
    numbered = tuple(f"n{i}" for i in range(1, 60))
    for name, value in name_sizes(sizes, shapes, set(metavars) | set(table) | {"n"}, numbered).items():
        sizes.assign(name, value)
    first = part.build()
    sizes.flexible = False
    two = Reading(rhs, entries, table, sizes, rule=True, differentials=True)
    other = two.infer(right)
    if not two.fits(part.shape, other.shape):
        raise ShapeError(f"the left side is {sizes.shape(part.shape)} and the right side {sizes.shape(other.shape)}")
    two.finish()
    return first, other.build()


def _rule_entry(kind: str, sizes: Sizes) -> Entry:
    """What a metavariable is; the members of a family have one shape."""
    family = kind.startswith("family ")
    return Entry("symbol", _rule_shape(kind.removeprefix("family "), sizes), INDEX if family else None)


def _rule_shape(kind: str, sizes: Sizes) -> Shape:
    words = kind.split()
    if not words or not set(words) <= KINDS:
        raise RuleError(f"'{kind}' is not a kind of metavariable", hint=f"kinds are {', '.join(sorted(KINDS))}")
    shaped = [w for w in words if w != "tangent"]
    return shape_of_kind(shaped[0] if shaped else "matrix", sizes)


def _metavar(name: str, metavars: Collection[str]) -> str:
    """The metavariable of a name: ``dX`` is the differential of X."""
    return name[1:] if name not in metavars and name[0] == "d" and name[1:] in metavars else name


def _size_names(*sides: Node) -> list[str]:
    names = Names()
    for side in sides:
        names.read(side, lambda n: n in KNOWN)
    return list(names.sizes)


def _check_metavars(left: Node, right: Node, entries: Mapping[str, Entry], rhs: str) -> None:
    def used(node: Node) -> dict[str, Node]:
        names = Names()
        names.read(node, lambda n: n in KNOWN)
        return {_metavar(n, entries): at for n, at in {**names.variables, **names.families}.items()}

    extra = [(n, node) for n, node in used(right).items() if n in entries and n not in used(left)]
    if extra:
        name, node = extra[0]
        raise RuleError(f"the metavariable {name} is on the right side only", span=node.span, source=rhs)


def _rule_functions(
    functions: Iterable[str] | Mapping[str, Function], sides: tuple[Node, Node], sizes: Sizes
) -> dict[str, Function]:
    if isinstance(functions, Mapping):
        return dict(functions)
    names = Names()
    for side in sides:
        names.read(side, lambda n: n in KNOWN)
    out: dict[str, Function] = {}
    for name in functions:
        under = {
            n.data[0]
            for side in sides
            for n in side.walk()
            if n.kind == "call" and n.args and n.args[0].kind == "name" and n.args[0].data == name
        }
        if "jac" in under:
            out[name] = Function(name, "value", Shape(sizes.fresh(), ONE))
        elif under & {"grad", "hess"}:
            out[name] = Function(name, "value", SCALAR)
        else:
            out[name] = Function(name, "elementwise")
    return out
