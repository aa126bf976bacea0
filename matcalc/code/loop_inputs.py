"""The arguments of code with families: arrays with the index first, lists where members differ in shape, and lengths.

Invariant: every size is read from an argument before it is used; a length that no argument has is an argument itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from matcalc.code.inputs import as_array, check_lines, size_lines, size_text
from matcalc.code.loop_text import axes, used_names
from matcalc.code.names import Namer, parameter_names
from matcalc.code.nodes import dims_of
from matcalc.code.program import Input
from matcalc.code.selfcheck import sample_lines
from matcalc.code.stores import Store
from matcalc.errors import CannotDerive
from matcalc.language.dims import Dim, IndexedName, Shape, dim
from matcalc.language.problem import Problem

__all__ = ["Arguments", "arguments_of", "names_in", "not_negative"]

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


def _indexed(dims: Iterable[Dim]) -> list[IndexedName]:
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
        return [i for i in self.inputs if i not in lists and i.symbol not in self.counts and not _indexed(i.dims)]

    @property
    def members(self) -> list[Input]:
        """Arrays with an axis of the size of a member of a family."""
        lists = [*self.lists]
        return [i for i in self.inputs if i not in lists and _indexed(i.dims)]

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
            line = _from_lists(n, lists, self.stores, sizes)
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

    # ---------------------------------------------------------------------------------- checks
    def check_lines(self, sizes: Mapping[str, str], np: str, real: str, misfit: str) -> list[str]:
        """The body of the function that turns arguments into arrays of floats that fit together."""
        namer = Namer([*(i.name for i in self.inputs), *sizes.values(), np, real, misfit])
        out: list[str] = []
        for i in self.inputs:
            if i.symbol in self.counts:
                out += [f"{i.name} = int({i.name})", f"if {i.name} < 1:"]
                out += [f'    raise {misfit}("{i.name}", "a positive number", {i.name})']
        out += check_lines(self.arrays, sizes, np, real, misfit)
        known = {n for i in self.arrays for n in names_in(i.dims)} | set(self.counts)
        if not self.lists and not self.members:
            return out
        names = dict.fromkeys(a.name for i in (*self.lists, *self.members) for a in _indexed(self._dims(i)))
        shapes = {n: namer.fresh(n) for n in names}
        rest = [f"{name} = {{}}" for name in shapes.values()]
        one = namer.fresh("member")
        for i in self.lists:
            rest += self._list_lines(i, one, namer, sizes, shapes, known, np, real, misfit)
        for i in self.members:
            rest.append(as_array(i.name, i.dims, np, real))
            rest += [f"if {i.name}.ndim != {len(i.dims)}:"]
            rest += [f'    raise {misfit}("{i.name}", "shape {axes(i.dims)}", {i.name})']
            for axis, d in enumerate(i.dims):
                if d.as_name is not None and d.as_name not in known:
                    rest += [f"{sizes[d.as_name]} = {i.name}.shape[{axis}]"]
                    known.add(d.as_name)
            rest += _fits(f'"{i.name}"', i.name, i.dims, sizes, shapes, misfit)
        made = {n for line in (*out, *rest) if " = " in line for n in line.strip().split(" = ")[0].split(", ")}
        unread = [n for n, own in sizes.items() if own in used_names([own], rest) and own not in made]
        return [*out, *self.size_lines([n for n in unread if n not in self.counts], sizes), *rest]

    def _dims(self, i: Input) -> list[Dim]:
        return list(dims_of(*self.stores[i.symbol].shape)) if i.symbol in self.stores else list(i.dims)

    def _list_lines(
        self,
        i: Input,
        one: str,
        namer: Namer,
        sizes: Mapping[str, str],
        shapes: Mapping[str, str],
        known: set[str],
        np: str,
        real: str,
        misfit: str,
    ) -> list[str]:
        store = self.stores[i.symbol]
        out = [f"{i.name} = [{np}.asarray({one}, dtype={real}) for {one} in {i.name}]"]
        if all(n in known for n in names_in([store.count])):
            count = size_text(store.count, sizes)
            out += [f"if len({i.name}) != {count}:"]
            out += [f'    raise ValueError(f"{i.name}: expected {{{count}}} arrays, got {{len({i.name})}}")']
        else:
            n = next(n for n in names_in([store.count]) if n not in known)
            line = _from_lists(n, [i], self.stores, sizes)
            out += [f"if not {i.name}:", f'    raise ValueError("{i.name}: expected a list of arrays")']
            out += [] if line is None else [line]
            known.add(n)
        index = namer.fresh(store.index)
        inside = {**sizes, store.index: index}
        dims = dims_of(*store.shape)
        out += [f"for {index}, {one} in enumerate({i.name}, {size_text(store.low, sizes)}):"]
        out += [f"    if {one}.ndim != {len(dims)}:"]
        label = f'f"{i.name}: member {{{index}}}"'
        out += [f'        raise {misfit}({label}, "shape {axes(dims)}", {one})']
        for axis, d in enumerate(dims):
            if d.as_name is not None and d.as_name != store.index and d.as_name not in known:
                out += [f"    {sizes[d.as_name]} = {i.name}[0].shape[{axis}]"]
                known.add(d.as_name)
        out += [f"    {line}" for line in _fits(label, one, dims, inside, shapes, misfit)]
        namer.taken.discard(index)
        return out

    # ----------------------------------------------------------------------------- test points
    def sample_lines(self, problem: Problem, sizes: Mapping[str, str], np: str, local: Mapping[str, str]) -> list[str]:
        """Lines that draw all arguments with their properties."""
        namer = Namer([*local.values(), *sizes.values(), np, "rng", "draw", "attempt"])
        table = self._member_sizes()
        shapes = {name: namer.fresh(name) for name in table}
        index = namer.fresh("i")
        out: list[str] = []
        for name, (low, high) in table.items():
            count = size_text(high - low + 1, sizes)
            start = size_text(low, sizes)
            inside = f"2 + rng.permutation({count})"
            out.append(f"{shapes[name]} = dict(enumerate({inside}{'' if start == '0' else f', {start}'}))")
        for i in self.inputs:
            if i.symbol in self.counts:
                continue
            store, name = self.stores.get(i.symbol), local[i.symbol]
            known = sizes if store is None else {**sizes, store.index: index}
            dims = [_sized(d, known, shapes) for d in self._dims(i)]
            has = problem.symbols[i.symbol].properties
            if store is None or (not store.is_list and len(dims) < 2):
                axes = dims if store is None else [size_text(store.count, sizes), *dims]
                out += sample_lines(np, name, axes, has)
                continue
            ends = f"{size_text(store.low, sizes)}, {size_text(store.high + 1, sizes)}"
            own = sample_lines(np, name, dims, has)
            if len(own) == 1:
                drawn = own[0].removeprefix(f"{name} = ")
                made = f"[{drawn} for {index} in range({ends})]"
                out.append(f"{name} = {made if store.is_list else f'{np}.array({made})'}")
                continue
            one = namer.fresh("member")
            out += [f"{name} = []", f"for {index} in range({ends}):"]
            out += [f"    {line}" for line in sample_lines(np, one, dims, has)]
            out += [f"    {name}.append({one})"]
            out += [] if store.is_list else [f"{name} = {np}.array({name})"]
        return out

    def _member_sizes(self) -> dict[str, tuple[Dim, Dim]]:
        """The sizes of members that the shapes of arguments have, with the range of their index."""
        out: dict[str, tuple[Dim, Dim]] = {}
        for i in self.inputs:
            store = self.stores.get(i.symbol)
            for a in _indexed(self._dims(i)):
                ends = (a.index, a.index)
                if store is not None:
                    ends = tuple(a.index.substitute({store.index: e}) for e in (store.low, store.high))  # type: ignore[assignment]
                low, high = out.get(a.name, ends)
                low = ends[0] if not_negative(low - ends[0]) else low
                high = ends[1] if not_negative(ends[1] - high) else high
                out[a.name] = (low, high)
        return out


def _from_lists(name: str, lists: Sequence[Input], stores: Mapping[str, Store], sizes: Mapping[str, str]) -> str | None:
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


def _sized(d: Dim, sizes: Mapping[str, str], shapes: Mapping[str, str]) -> str:
    """A size of an axis, sizes of members looked up in a dictionary."""
    atoms = d.atoms()
    atom, others = (atoms[0], atoms[1:]) if atoms else (None, [])
    if not isinstance(atom, IndexedName):
        return size_text(d, sizes)
    if others or d is not dim(atom):
        raise CannotDerive(f"there is no code for members of the size {d}")
    return f"{shapes[atom.name]}[{size_text(atom.index, sizes)}]"


def _fits(
    label: str, name: str, dims: Sequence[Dim], sizes: Mapping[str, str], shapes: Mapping[str, str], misfit: str
) -> list[str]:
    """The check of a shape; a size of a member is what it was when it was first seen."""
    seen = [_sized(d, sizes, shapes) for d in dims]
    first = [
        f"{t.partition('[')[0]}.setdefault({t.partition('[')[2][:-1]}, {name}.shape[{axis}])" if t.endswith("]") else t
        for axis, t in enumerate(seen)
    ]
    comma = "," if len(seen) == 1 else ""
    expected = ", ".join(f"{{{t}}}" for t in seen)
    return [
        f"if {name}.shape != ({', '.join(first)}{comma}):",
        f'    raise {misfit}({label}, f"shape ({expected}{comma})", {name})',
    ]


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
