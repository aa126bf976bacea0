"""Unknown sizes and their unification.

An unknown size is a ``Dim`` of one atom that begins with ``?``.  Names that the user wrote are rigid: two of them are never
made equal.  An unknown never silently becomes 1 (a matrix of the text stays a matrix), except where ``flexible`` is set,
which is how the shapes of rules are made as general as they can be.

Invariants: the solved unknowns form no cycle; an equation that cannot be solved yet is kept and tried again, never dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd

from matcalc.language.dims import ONE, Dim, Shape, dim

__all__ = ["Sizes", "name_sizes"]

PREFERRED = ("m", "n", "p", "k", "q", "r", "s", "l", "u", "v", "w")


class Sizes:
    """A set of equations between sizes, solved as far as they can be."""

    __slots__ = ("_count", "_values", "deferred", "flexible")

    def __init__(self, flexible: bool = False) -> None:
        self.flexible = flexible
        self._count = 0
        self._values: dict[str, Dim] = {}
        self.deferred: list[tuple[Dim, Dim]] = []

    def fresh(self) -> Dim:
        """A new unknown size."""
        self._count += 1
        return dim(f"?{self._count}")

    def resolve(self, d: Dim) -> Dim:
        """The size with every solved unknown put in."""
        while unknowns(d):
            new = d.substitute(self._values)
            if new is d:
                return d
            d = new
        return d

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
        solved = _solve(a - b)
        if solved is None:
            self.deferred.append((a, b))
            return True
        name, value = solved
        if not self._may_be(value):
            return False
        self._values[name] = value
        return self._retry() if self.deferred else True

    def assign(self, name: str, value: Dim) -> None:
        """Give an unknown that nothing determines its name."""
        self._values[name] = value

    def unify_shapes(self, a: Shape, b: Shape) -> bool:
        """Make two shapes equal; where they cannot be, nothing is changed."""
        before, waiting = dict(self._values), list(self.deferred)
        if self.unify(a.rows, b.rows) and self.unify(a.cols, b.cols):
            return True
        self._values, self.deferred = before, waiting
        return False

    def _may_be(self, value: Dim) -> bool:
        known = value.value
        return known is None or known > 1 or (known == 1 and self.flexible)

    def _retry(self) -> bool:
        waiting, self.deferred = self.deferred, []
        return all([self.unify(a, b) for a, b in waiting])


def unknowns(d: Dim) -> list[str]:
    """The unknowns of a size, in order."""
    return [a for a in d.atoms() if isinstance(a, str) and a.startswith("?")]


def _solve(difference: Dim) -> tuple[str, Dim] | None:
    """An unknown and its value from ``difference = 0``, where one occurs linearly and alone."""
    difference = _primitive(difference)
    names = unknowns(difference)
    for name in sorted(names, key=lambda n: -int(n[1:])):  # the youngest is solved for
        holders = [(mono, c) for mono, c in difference.coefficients if name in mono]
        if len(holders) == 1 and holders[0][0] == (name,) and abs(holders[0][1]) == 1:
            rest = difference - holders[0][1] * dim(name)
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


def name_sizes(sizes: Sizes, shapes: Iterable[Shape], used: Iterable[str], preferred: tuple[str, ...] = PREFERRED) -> dict[str, Dim]:
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


