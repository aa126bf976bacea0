"""The arguments of code with families: arrays with the index first, lists where members differ in shape, and lengths.

Invariant: every size is read from an argument before it is used; a length that no argument has is an argument itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from matcalc.code.inputs import size_lines, size_text
from matcalc.code.names import Namer, parameter_names
from matcalc.code.nodes import dims_of
from matcalc.code.program import Input
from matcalc.code.stores import Store
from matcalc.errors import CannotDerive
from matcalc.language.dims import Dim, IndexedName, Shape, dim
from matcalc.language.problem import Problem

__all__ = ["Arguments", "arguments_of", "indexed", "names_in", "not_negative", "read_from_lists"]

Ranges = Mapping[str, tuple[Dim, Dim]]


def not_negative(d: Dim) -> bool:
    """Whether an expression in lengths (at least 1 each) is never negative."""
    return all(c > 0 for mono, c in d.coefficients if mono) and sum(c for _, c in d.coefficients) >= 0


def names_in(dims: Iterable[Dim]) -> list[str]:
    """The plain names of sizes, those in the indices of member sizes included."""
    out: dict[str, None] = {}
    for d in dims:
        for a in d.atoms():
            inside = names_in([a.index]) if isinstance(a, IndexedName) else [a]
            out.update(dict.fromkeys(n for n in inside if not n.startswith("#")))
    return list(out)


def indexed(dims: Iterable[Dim]) -> list[IndexedName]:
    """The sizes of members."""
    return [a for d in dims for a in d.atoms() if isinstance(a, IndexedName)]


@dataclass(frozen=True, slots=True)
class Arguments:
    """The parameters in order, and the stores of those that are families."""

    inputs: tuple[Input, ...]
    stores: Mapping[str, Store]  # by symbol
    counts: tuple[str, ...] = ()  # symbols that are lengths

    @property
    def lists(self) -> list[Input]:
        return [i for i in self.inputs if i.symbol in self.stores and self.stores[i.symbol].is_list]

    @property
    def arrays(self) -> list[Input]:
        """Those whose axes have plain sizes."""
        lists = [*self.lists]
        return [i for i in self.inputs if i not in lists and i.symbol not in self.counts and not indexed(i.dims)]

    @property
    def members(self) -> list[Input]:
        """Arrays with an axis of the size of a member of a family."""
        lists = [*self.lists]
        return [i for i in self.inputs if i not in lists and indexed(i.dims)]

    # ----------------------------------------------------------------------------------- sizes
    def size_lines(
        self, wanted: Sequence[str], sizes: Mapping[str, str], held: Iterable[str] | None = None
    ) -> list[str]:
        """Lines that read sizes from arguments, or from those among them that are ``held``."""
        names = None if held is None else set(held)
        arrays = [(i.name, i.dims) for i in self.arrays if names is None or i.name in names]
        lists = [i for i in (*self.lists, *self.members) if names is None or i.name in names]
        out: list[str] = []
        plain: list[str] = []
        for n in wanted:
            if names is None and n in self.counts:
                continue
            line = read_from_lists(n, lists, self.stores, sizes)
            try:
                size_lines([n], arrays, sizes)
                plain.append(n)
            except CannotDerive:
                if line is None:
                    raise
                out.append(line)
        return [*size_lines(plain, arrays, sizes), *out]

    def readable(self, name: str, sizes: Mapping[str, str], held: Iterable[str] | None = None) -> bool:
        try:
            self.size_lines([name], sizes, held)
        except CannotDerive:
            return False
        return True

    def dims_of(self, i: Input) -> list[Dim]:
        """The sizes of the axes of an argument, or of one member of it."""
        return list(dims_of(*self.stores[i.symbol].shape)) if i.symbol in self.stores else list(i.dims)

    def member_sizes(self) -> dict[str, tuple[Dim, Dim]]:
        """The sizes of members that the shapes of arguments have, with the range of their index."""
        out: dict[str, tuple[Dim, Dim]] = {}
        for i in self.inputs:
            store = self.stores.get(i.symbol)
            for a in indexed(self.dims_of(i)):
                ends = (a.index, a.index)
                if store is not None:
                    ends = tuple(a.index.substitute({store.index: e}) for e in (store.low, store.high))  # type: ignore[assignment]
                low, high = out.get(a.name, ends)
                low = ends[0] if not_negative(low - ends[0]) else low
                high = ends[1] if not_negative(ends[1] - high) else high
                out[a.name] = (low, high)
        return out


def read_from_lists(
    name: str, lists: Sequence[Input], stores: Mapping[str, Store], sizes: Mapping[str, str]
) -> str | None:
    """The line that reads a size from the length of a list, from its members, or from an array with member sizes."""
    for i in lists:
        store = stores.get(i.symbol)
        if store is None:
            axis = next((axis for axis, d in enumerate(i.dims) if d.as_name == name), None)
            if axis is not None:
                return f"{sizes[name]} = {i.name}.shape[{axis}]"
            continue
        rest = store.count - dim(name)
        if name not in rest.names():
            text = size_text(-rest, sizes)
            sign = "" if text == "0" else f" - {text[1:]}" if text.startswith("-") else f" + {text}"
            return f"{sizes[name]} = len({i.name}){sign}"
        for axis, d in enumerate(dims_of(*store.shape)):
            if d.as_name == name:
                return f"{sizes[name]} = {i.name}[0].shape[{axis}]"
    return None


def arguments_of(problem: Problem, ranges: Ranges, used: Iterable[str]) -> Arguments:
    """The arguments of the code of a problem. ``used`` are the names of sizes that occur in it."""
    parameters = parameter_names(problem.symbols)
    stores: dict[str, Store] = {}
    inputs: list[Input] = []
    for s in problem.symbols.values():
        name = parameters[s.name]
        if s.index is None:
            inputs.append(Input(name, s.name, dims_of(*s.shape)))
            continue
        if s.name not in ranges:
            raise CannotDerive(f"there is no code: which members {s.name} has is not known")
        low, high = ranges[s.name]
        store = Store(s.name, name, low, high, s.index, Shape(*s.shape))
        stores[s.name] = store
        inputs.append(Input(name, s.name, (store.count,) if store.is_list else store.dims))
    found = Arguments(tuple(inputs), stores)
    every = [*(d for i in inputs for d in i.dims), *(d for s in stores.values() for d in (*s.shape, s.low, s.high))]
    indices = {s.index for s in stores.values()}
    names = [n for n in dict.fromkeys([*names_in(every), *used]) if n not in indices]
    sizes = {n: n for n in names}
    counts = [n for n in names if not found.readable(n, sizes)]
    namer = Namer(parameters.values())
    extra = [Input(namer.exact(n), n, ()) for n in counts]
    return Arguments((*inputs, *extra), stores, tuple(counts))
