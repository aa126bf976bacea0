"""Unknown sizes and their unification.

An unknown size is a ``Dim`` of one atom that begins with ``?``.  The unknown size of a family is a function of its
index, ``?3[t-1]``: an equation ``?3[t+c] = e`` for every t solves it for every index.  Names that the user wrote are
rigid: two of them are never made equal.  An unknown never silently becomes 1 (a matrix of the text stays a matrix),
except where ``flexible`` is set, which is how the shapes of rules are made as general as they can be.

Invariants: the solved unknowns form no cycle; an equation that cannot be solved yet is kept and tried again, never
dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import gcd

from matcalc.language.dims import Atom, Dim, IndexedName, Shape, dim

__all__ = ["INDEX", "Sizes", "name_sizes", "renamed"]

PREFERRED = ("m", "n", "p", "k", "q", "r", "s", "l", "u", "v", "w")
INDEX = "#"  # the index in the shape of a family whose shape is to be inferred


class Sizes:
    """A set of equations between sizes, solved as far as they can be."""

    __slots__ = ("_count", "_functions", "_local", "_values", "deferred", "flexible", "indices")

    def __init__(self, flexible: bool = False, indices: Collection[str] = ()) -> None:
        self.flexible = flexible
        self._count = 0
        self._values: dict[str, Dim] = {}
        self._functions: dict[str, Dim | None] = {}  # sizes of families, in the index INDEX; None: not known yet
        self.indices = frozenset(indices)  # names that stand for every index of a range
        self._local: set[str] = set()  # unknowns that may depend on the index they stand under
        self.deferred: list[tuple[Dim, Dim]] = []

    def fresh(self, local: bool = False) -> Dim:
        """A new unknown size. ``local``: of something in the text, which may depend on an index there."""
        self._count += 1
        if local:
            self._local.add(f"?{self._count}")
        return dim(f"?{self._count}")

    def fresh_family(self) -> Dim:
        """A new unknown size of a family, at the index INDEX."""
        self._count += 1
        self._functions[f"?{self._count}"] = None
        return dim(IndexedName(f"?{self._count}", dim(INDEX)))

    def resolve(self, d: Dim) -> Dim:
        """The size with every solved unknown put in."""
        while unknowns(d):
            new = d.substitute(self._solved)
            if new is d:
                return d
            d = new
        return d

    def _solved(self, a: Atom) -> Dim | None:
        if isinstance(a, str):
            return self._values.get(a)
        body = self._functions.get(a.name)
        return None if body is None else body.substitute({INDEX: a.index})

    def shape(self, s: Shape) -> Shape:
        return Shape(self.resolve(s.rows), self.resolve(s.cols))

    def unify(self, a: Dim, b: Dim) -> bool:
        """Make two sizes equal; False where they cannot be."""
        a, b = self.resolve(a), self.resolve(b)
        if a is b:
            return True
        open_names = unknowns(a) + unknowns(b)
        if not open_names:
            return False
        difference = _primitive(a - b)
        solved = _solve(difference, self.indices, self._local)
        if solved is None:
            return self._unify_families(difference, a, b)
        name, value = solved
        if not self._may_be(value):
            return False
        self._values[name] = value
        return self._retry() if self.deferred else True

    def _unify_families(self, difference: Dim, a: Dim, b: Dim) -> bool:
        """An equation in which no plain unknown can be solved: perhaps it tells the size of a family at every index."""
        open_families = [x for x in difference.atoms() if isinstance(x, IndexedName) and x.name.startswith("?")]
        for atom in open_families:
            value = _solve_family(difference, atom, self.indices)
            if value is None:
                continue
            if any(isinstance(x, IndexedName) and x.name == atom.name for x in value.atoms()):
                value = self.fresh()  # ?x[t] = ?x[t-1]: the same at every index
            if not self._may_be(value):
                return False
            self._functions[atom.name] = value
            return self._retry() and self.unify(a, b)
        if not open_families and _is_fixed(difference):
            return False
        self.deferred.append((a, b))
        return True

    def settle(self) -> bool:
        """Sizes of families that nothing determines are the same at every index. False where that cannot be."""
        for name, body in list(self._functions.items()):
            if body is None and self._functions[name] is None:
                self._functions[name] = self.fresh()
                if not self._retry():
                    return False
        return True

    def assign(self, name: str, value: Dim) -> None:
        """Give an unknown that nothing determines its name."""
        self._values[name] = value

    def unify_shapes(self, a: Shape, b: Shape) -> bool:
        """Make two shapes equal; where they cannot be, nothing is changed."""
        before, waiting, families = dict(self._values), list(self.deferred), dict(self._functions)
        if self.unify(a.rows, b.rows) and self.unify(a.cols, b.cols):
            return True
        self._values, self.deferred, self._functions = before, waiting, families
        return False

    def _may_be(self, value: Dim) -> bool:
        known = value.value
        return known is None or known > 1 or (known == 1 and self.flexible)

    def _retry(self) -> bool:
        waiting, self.deferred = self.deferred, []
        fits = [self.unify(a, b) for a, b in waiting]  # all of them: none is dropped
        return all(fits)


def unknowns(d: Dim) -> list[str]:
    """The unknowns of a size, in order."""
    return [n for a in d.atoms() if (n := a if isinstance(a, str) else a.name).startswith("?")]


def renamed(s: Shape, names: Mapping[str, Dim]) -> Shape:
    """The shape with other names for unknowns, those of families included."""

    def look(a: Atom) -> Dim | None:
        if isinstance(a, str):
            return names.get(a)
        name = names[a.name].as_name if a.name in names else None
        return None if name is None else dim(IndexedName(name, a.index))

    return s.substitute(look)


def _solve_family(difference: Dim, atom: IndexedName, indices: Collection[str]) -> Dim | None:
    """The size of a family at every index from ``difference = 0``, where it stands there at one index of a range."""
    bound = [n for n in atom.index.names() if n in indices]
    holders = [(mono, c) for mono, c in difference.coefficients if atom in mono]
    if len(bound) != 1 or len(holders) != 1 or holders[0][0] != (atom,) or abs(holders[0][1]) != 1:
        return None
    scale = dict(atom.index.coefficients).get((bound[0],), 0)
    rest = difference - holders[0][1] * dim(atom)
    value = -rest if holders[0][1] > 0 else rest
    if abs(scale) != 1 or any(n in indices and n != bound[0] for n in value.names()):
        return None
    shift = atom.index - scale * dim(bound[0])
    return value.substitute({bound[0]: scale * (dim(INDEX) - shift)})


def _is_fixed(difference: Dim) -> bool:
    """Whether an equation asks one unknown to be a size that depends on an index."""
    return len(unknowns(difference)) == 1 and _solve(difference, ()) is not None


def _solve(difference: Dim, indices: Collection[str] = (), local: Collection[str] = ()) -> tuple[str, Dim] | None:
    """An unknown and its value from ``difference = 0``, where one occurs linearly and alone.

    What depends on an index of a range is no value of a plain size, except of a local one.
    """
    names = [n for n in unknowns(difference) if (n,) in {mono for mono, _ in difference.coefficients}]
    for name in sorted(names, key=lambda n: -int(n[1:])):  # the youngest is solved for
        holders = [(mono, c) for mono, c in difference.coefficients if name in mono]
        if len(holders) == 1 and holders[0][0] == (name,) and abs(holders[0][1]) == 1:
            rest = difference - holders[0][1] * dim(name)
            if name in local or not any(n in indices for n in rest.names()):
                return name, -rest if holders[0][1] > 0 else rest
    return None


def _primitive(d: Dim) -> Dim:
    """The size without the integer and the atoms common to all its terms: sizes are not zero."""
    common = 0
    for _, c in d.coefficients:
        common = gcd(common, c)
    if common > 1:
        d = Dim([(mono, c // common) for mono, c in d.coefficients])
    for atom in d.coefficients[0][0] if d.coefficients else ():
        if all(atom in mono for mono, _ in d.coefficients):
            d = Dim([(_without(mono, atom), c) for mono, c in d.coefficients]) * 1
    return d


def _without(mono: tuple, atom: object) -> tuple:  # type: ignore[type-arg]
    i = mono.index(atom)
    return mono[:i] + mono[i + 1 :]


def name_sizes(
    sizes: Sizes, shapes: Iterable[Shape], used: Iterable[str], preferred: tuple[str, ...] = PREFERRED
) -> dict[str, Dim]:
    """Nice names for the unknowns that are left, in order of the shapes: m, n, p, ... and n where there is only one."""
    left: dict[str, None] = {}
    for s in shapes:
        for d in s:
            left.update(dict.fromkeys(unknowns(sizes.resolve(d))))
    taken = set(used)
    free = [p for p in preferred if p not in taken]
    free += [f"n{i}" for i in range(1, 2 + len(left) + len(taken)) if f"n{i}" not in taken and f"n{i}" not in preferred]
    if len(left) == 1 and "n" in free:
        return {next(iter(left)): dim("n")}
    return {name: dim(free[i]) for i, name in enumerate(left)}
