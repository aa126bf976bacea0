"""The shapes of arguments with families: how they are checked, and how points of the check are drawn.

Invariant: an argument that does not fit is named, with the member where it is a list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from matcalc.code.functions import Module
from matcalc.code.inputs import as_array, check_lines, count_lines, size_text
from matcalc.code.loop_inputs import Arguments, indexed, names_in, read_from_lists
from matcalc.code.loop_text import axes
from matcalc.code.modules import wrapped_functions
from matcalc.code.names import Namer
from matcalc.code.nodes import dims_of
from matcalc.code.program import Input
from matcalc.code.selfcheck import sample_lines
from matcalc.code.text import used_names
from matcalc.errors import CannotDerive
from matcalc.language.dims import Dim, IndexedName, dim
from matcalc.language.problem import Problem

__all__ = ["argument_lines", "point_lines"]

READ = re.compile(r"len\(\w+\)( [-+] \d+)?|\w+(\[0\])?\.shape\[\d\]")


def argument_lines(module: Module, arguments: Arguments, lengths: Sequence[str], least: int) -> list[str]:
    """The body of the function that turns arguments into arrays of floats that fit together.

    ``lengths`` are the sizes that loops run to; the code holds for those of at least ``least``.
    """
    return _Checks(module, arguments, lengths, least).lines()


class _Checks:
    """The lines of the check, as they are written."""

    def __init__(self, module: Module, arguments: Arguments, lengths: Sequence[str], least: int) -> None:
        self.lengths, self.least = lengths, least
        self.module, self.arguments = module, arguments
        self.sizes, self.np, self.real = module.sizes, module.np, module.real
        self.misfit = module.names["misfit"]
        self.known = {n for i in arguments.arrays for n in names_in(i.dims)} | set(arguments.counts)
        self.namer = Namer([*module.parameters, *self.sizes.values(), self.np, self.real, self.misfit])
        inside = [a.name for i in (*arguments.lists, *arguments.members) for a in indexed(arguments.dims_of(i))]
        self.shapes = {n: self.namer.fresh(n) for n in dict.fromkeys(inside)}
        self.one, self.shape = self.namer.fresh("member"), self.namer.fresh("shape")

    def lines(self) -> list[str]:
        arguments = self.arguments
        out: list[str] = []
        for i in arguments.inputs:
            if i.symbol in arguments.counts:
                out += count_lines(i.name, self.least if i.symbol in self.lengths else 1)
        out += check_lines(arguments.arrays, self.sizes, self.np, self.real, self.misfit)
        rest = [f"{name} = {{}}" for name in self.shapes.values()]
        rest += [line for i in arguments.lists for line in self.of_list(i)]
        rest += [line for i in arguments.members for line in self.of_array(i)]
        known = [n for n in self.sizes if n in arguments.counts or arguments.readable(n, self.sizes)]
        rest += wrapped_functions(self.module, known)
        for n in (n for n in self.lengths if n not in arguments.counts):
            own = self.sizes[n]
            rest += [f"if {own} < {self.least}:"]
            rest += [f'    raise ValueError(f"{own} is {{{own}}}: expected at least {self.least}")']
        made = {n for line in (*out, *rest) if " = " in line for n in line.strip().split(" = ")[0].split(", ")}
        unread = [n for n, own in self.sizes.items() if own in used_names([own], rest) and own not in made]
        read = arguments.size_lines([n for n in unread if n not in arguments.counts], self.sizes)
        lines = [*read, *rest]
        return [*out, *(line for k, line in enumerate(lines) if not _is_idle(line, lines[k + 1 :]))]

    def of_array(self, i: Input) -> list[str]:
        """The check of an array with an axis of the size of a member."""
        out = [as_array(i.name, i.dims, self.np, self.real), f"if {i.name}.ndim != {len(i.dims)}:"]
        out += [f'    raise {self.misfit}("{i.name}", "shape {axes(i.dims)}", {i.name})']
        out += self.new_sizes(i.dims, i.name)
        return [*out, *self.fits(f'"{i.name}"', i.name, i.dims, self.sizes)]

    def of_list(self, i: Input) -> list[str]:
        store = self.arguments.stores[i.symbol]
        one, dims = self.one, dims_of(*store.shape)
        out = [f"{i.name} = [{self.np}.asarray({one}, dtype={self.real}) for {one} in {i.name}]"]
        unknown = [n for n in names_in([store.count]) if n not in self.known]
        if unknown:
            line = read_from_lists(unknown[0], [i], self.arguments.stores, self.sizes)
            out += [f"if not {i.name}:", f'    raise ValueError("{i.name}: expected a list of arrays")']
            out += [] if line is None else [line]
            self.known.add(unknown[0])
        else:
            count = size_text(store.count, self.sizes)
            out += [f"if len({i.name}) != {count}:"]
            out += [f'    raise ValueError(f"{i.name}: expected {{{count}}} arrays, got {{len({i.name})}}")']
        index = self.namer.fresh(store.index)
        label = f'f"{i.name}: member {{{index}}}"'
        out += [f"for {index}, {one} in enumerate({i.name}, {size_text(store.low, self.sizes)}):"]
        out += [f"    if {one}.ndim != {len(dims)}:"]
        out += [f'        raise {self.misfit}({label}, "shape {axes(dims)}", {one})']
        out += [f"    {line}" for line in self.new_sizes(dims, f"{i.name}[0]")]
        out += [f"    {line}" for line in self.fits(label, one, dims, {**self.sizes, store.index: index})]
        self.namer.taken.discard(index)
        return out

    def new_sizes(self, dims: Sequence[Dim], array: str) -> list[str]:
        """The lines that read sizes that no argument before has."""
        found = {d.as_name: axis for axis, d in enumerate(dims) if d.as_name is not None}
        new = {n: axis for n, axis in found.items() if n not in self.known}
        self.known.update(new)
        return [f"{self.sizes[n]} = {array}.shape[{axis}]" for n, axis in new.items()]

    def fits(self, label: str, name: str, dims: Sequence[Dim], sizes: Mapping[str, str]) -> list[str]:
        """The check of a shape; a size of a member is what it was when it was first seen."""
        seen = [_sized(d, sizes, self.shapes) for d in dims]
        for axis, text in enumerate(seen):
            table, _, place = text.partition("[")
            if place:
                seen[axis] = f"{table}.setdefault({place[:-1]}, {name}.shape[{axis}])"
        return [
            f"{self.shape} = ({', '.join(seen)}{',' if len(seen) == 1 else ''})",
            f"if {name}.shape != {self.shape}:",
            f'    raise {self.misfit}({label}, f"shape {{{self.shape}}}", {name})',
        ]


def _is_idle(line: str, later: Sequence[str]) -> bool:
    """Whether a line only reads a size that nobody needs."""
    name, _, value = line.strip().partition(" = ")
    return bool(READ.fullmatch(value)) and not used_names([name], later)


def _sized(d: Dim, sizes: Mapping[str, str], shapes: Mapping[str, str]) -> str:
    """A size of an axis, sizes of members looked up in a dictionary."""
    atoms = d.atoms()
    atom, others = (atoms[0], atoms[1:]) if atoms else (None, [])
    if not isinstance(atom, IndexedName):
        return size_text(d, sizes)
    if others or d is not dim(atom):
        raise CannotDerive(f"there is no code for members of the size {d}")
    return f"{shapes[atom.name]}[{size_text(atom.index, sizes)}]"


def point_lines(module: Module, arguments: Arguments, problem: Problem, local: Mapping[str, str]) -> list[str]:
    """Lines that draw all arguments with their properties."""
    sizes, np = module.sizes, module.np
    namer = Namer([*local.values(), *sizes.values(), np, "rng", "draw", "attempt"])
    table = arguments.member_sizes()
    shapes = {name: namer.fresh(name) for name in table}
    index = namer.fresh("i")
    out: list[str] = []
    for name, (low, high) in table.items():
        count = size_text(high - low + 1, sizes)
        start = size_text(low, sizes)
        inside = f"2 + rng.permutation({count})"
        out.append(f"{shapes[name]} = dict(enumerate({inside}{'' if start == '0' else f', {start}'}))")
    for i in arguments.inputs:
        if i.symbol in arguments.counts:
            continue
        store, name = arguments.stores.get(i.symbol), local[i.symbol]
        known = sizes if store is None else {**sizes, store.index: index}
        dims = [_sized(d, known, shapes) for d in arguments.dims_of(i)]
        has = problem.symbols[i.symbol].properties
        if store is None or (not store.is_list and len(dims) < 2):
            shape = dims if store is None else [size_text(store.count, sizes), *dims]
            out += sample_lines(np, name, shape, has)
            continue
        ends = f"{size_text(store.low, sizes)}, {size_text(store.high + 1, sizes)}"
        own = sample_lines(np, name, dims, has)
        if len(own) == 1:
            drawn = own[0].removeprefix(f"{name} = ")
            turn = index if used_names([index], [drawn]) else "_"
            made = f"[{drawn} for {turn} in range({ends})]"
            out.append(f"{name} = {made if store.is_list else f'{np}.array({made})'}")
            continue
        one = namer.fresh("member")
        lines = sample_lines(np, one, dims, has)
        turn = index if used_names([index], lines) else "_"
        out += [f"{name} = []", f"for {turn} in range({ends}):", *(f"    {line}" for line in lines)]
        out += [f"    {name}.append({one})"]
        out += [] if store.is_list else [f"{name} = {np}.array({name})"]
    return out
