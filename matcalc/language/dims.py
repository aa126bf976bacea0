"""Sizes: integers, names, and polynomials in them, always in one canonical form.

A ``Dim`` is a polynomial with integer coefficients over *atoms*: names (``m``), names with an index
(``m[i-1]``) and, while text is being elaborated, unknowns (names that begin with ``?``).  The same class serves for
sizes, for indices and for the ends of ranges, so ``m[i-1]`` and ``m[(i+1)-2]`` are one object.

Invariants: a ``Dim`` is immutable and interned (equality is ``is``); no coefficient is zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, NamedTuple
from weakref import WeakValueDictionary

__all__ = ["ONE", "ZERO", "Dim", "IndexedName", "Shape", "dim", "runs_down", "shape"]


class IndexedName(NamedTuple):
    """An indexed size such as ``m[i-1]``."""

    name: str
    index: Dim  # type: ignore[assignment]  # hides tuple.index, which nothing here uses

    def __str__(self) -> str:
        return f"{self.name}[{self.index}]"


Atom = str | IndexedName
Monomial = tuple[Atom, ...]  # sorted; the empty tuple is the constant


def _atom_key(atom: Atom) -> tuple[int, str]:
    return (0, atom) if isinstance(atom, str) else (1, str(atom))


class Dim:
    """A size. Build with :func:`dim` or by arithmetic on other sizes."""

    __slots__ = ("__weakref__", "_text", "coefficients")

    coefficients: tuple[tuple[Monomial, int], ...]
    _text: str

    # A weak table: a long session does not keep every size it ever saw.
    _table: ClassVar[WeakValueDictionary[tuple[tuple[Monomial, int], ...], Dim]] = WeakValueDictionary()

    def __new__(cls, coefficients: Iterable[tuple[Monomial, int]]) -> Dim:
        key = tuple(coefficients)
        found = cls._table.get(key)
        if found is not None:
            return found
        self = object.__new__(cls)
        self.coefficients = key
        self._text = ""
        cls._table[key] = self
        return self

    # ------------------------------------------------------------------ reading
    @property
    def value(self) -> int | None:
        """The integer this size is, or None where it has names in it."""
        if not self.coefficients:
            return 0
        if len(self.coefficients) == 1 and self.coefficients[0][0] == ():
            return self.coefficients[0][1]
        return None

    def atoms(self) -> list[Atom]:
        """The atoms in order of first appearance, without repetition."""
        return list(dict.fromkeys(a for mono, _ in self.coefficients for a in mono))

    def names(self) -> list[str]:
        """The plain names (and the base names and index names of indexed sizes)."""
        out: dict[str, None] = {}
        for a in self.atoms():
            if isinstance(a, str):
                out[a] = None
            else:
                out[a.name] = None
                out.update(dict.fromkeys(a.index.names()))
        return list(out)

    @property
    def as_name(self) -> str | None:
        """The name, where this size is one plain name; else None."""
        if len(self.coefficients) == 1:
            mono, c = self.coefficients[0]
            if c == 1 and len(mono) == 1 and isinstance(mono[0], str):
                return mono[0]
        return None

    def substitute(self, values: Mapping[str, Dim] | Callable[[Atom], Dim | None]) -> Dim:
        """This size with names replaced: a mapping from plain names, or a function of an atom (None keeps it)."""
        look = values if callable(values) else lambda a: values.get(a) if isinstance(a, str) else None
        total = ZERO
        for mono, c in self.coefficients:
            part = dim(c)
            for a in mono:
                new = look(a)
                if new is None:
                    if isinstance(a, IndexedName):
                        a = IndexedName(a.name, a.index.substitute(values))
                    new = Dim([((a,), 1)])
                part = part * new
            total = total + part
        return total

    # --------------------------------------------------------------- arithmetic
    def __add__(self, other: Dim | int) -> Dim:
        table = dict(self.coefficients)
        for mono, c in dim(other).coefficients:
            table[mono] = table.get(mono, 0) + c
        return _canonical(table)

    def __neg__(self) -> Dim:
        return Dim((m, -c) for m, c in self.coefficients)

    def __sub__(self, other: Dim | int) -> Dim:
        return self + (-dim(other))

    def __mul__(self, other: Dim | int) -> Dim:
        table: dict[Monomial, int] = {}
        for m1, c1 in self.coefficients:
            for m2, c2 in dim(other).coefficients:
                mono = tuple(sorted(m1 + m2, key=_atom_key))
                table[mono] = table.get(mono, 0) + c1 * c2
        return _canonical(table)

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: int) -> Dim:
        return dim(other) - self

    def __reduce__(self) -> tuple[type[Dim], tuple[tuple[tuple[Monomial, int], ...]]]:
        return (Dim, (self.coefficients,))

    # ----------------------------------------------------------------- printing
    def __str__(self) -> str:
        if not self._text:
            self._text = self._write()
        return self._text

    def __repr__(self) -> str:
        return f"dim({str(self)!r})"

    def _write(self) -> str:
        if not self.coefficients:
            return "0"
        out = ""
        for mono, c in sorted(self.coefficients, key=lambda mc: mc[1] < 0 and self.coefficients[0][1] < 0):
            body = "*".join(str(a) for a in mono)
            size = abs(c)
            text = body if size == 1 and body else (f"{size}*{body}" if body else str(size))
            out += (("-" if c < 0 else "") if not out else (" - " if c < 0 else " + ")) + text
        return out


def _canonical(table: Mapping[Monomial, int]) -> Dim:
    items = [(m, c) for m, c in table.items() if c]
    # Names first, the constant last: "n + 1" and "2*m - 1".
    items.sort(key=lambda mc: (not mc[0], -len(mc[0]), [_atom_key(a) for a in mc[0]]))
    return Dim(items)


def dim(value: Dim | int | str | IndexedName) -> Dim:
    """A size from an integer, a plain name or an indexed name."""
    if isinstance(value, Dim):
        return value
    if isinstance(value, int):
        return Dim([((), value)] if value else [])
    return Dim([((value,), 1)])


ZERO = dim(0)
ONE = dim(1)


def runs_down(low: Dim, high: Dim) -> bool:
    """Whether a range is written from its last index to its first: ``T..1``, ``5..2``."""
    names = [c for mono, c in (low - high).coefficients if mono]
    if not names:
        return ((low - high).value or 0) > 0
    return all(c > 0 for c in names)


class Shape(NamedTuple):
    """Rows and columns. A scalar is 1×1, a (column) vector n×1."""

    rows: Dim
    cols: Dim

    @property
    def is_scalar(self) -> bool:
        return self.rows is ONE and self.cols is ONE

    @property
    def is_vector(self) -> bool:
        """A column that is not a scalar."""
        return self.cols is ONE and self.rows is not ONE

    @property
    def is_row(self) -> bool:
        """A row that is not a scalar."""
        return self.rows is ONE and self.cols is not ONE

    @property
    def is_matrix(self) -> bool:
        return self.rows is not ONE and self.cols is not ONE

    @property
    def is_square(self) -> bool:
        return self.rows is self.cols

    @property
    def transposed(self) -> Shape:
        return Shape(self.cols, self.rows)

    def substitute(self, values: Mapping[str, Dim] | Callable[[Atom], Dim | None]) -> Shape:
        return Shape(self.rows.substitute(values), self.cols.substitute(values))

    def __str__(self) -> str:
        return f"{_in_product(self.rows)}×{_in_product(self.cols)}"


def _in_product(d: Dim) -> str:
    text = str(d)
    return f"({text})" if len(d.coefficients) > 1 else text


def shape(rows: Dim | int | str, cols: Dim | int | str = 1) -> Shape:
    """A shape from sizes, integers or names."""
    return Shape(dim(rows), dim(cols))


SCALAR = Shape(ONE, ONE)
