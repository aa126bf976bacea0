"""The inputs of a module: how arrays are checked, where sizes come from, how test points are drawn.

Invariant: a size is read from an array's shape before it is used; a shape that does not fit is an error that names the
argument, the expected and the given shape.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from matcalc.code.nodes import Dims
from matcalc.code.program import Input
from matcalc.errors import CannotDerive
from matcalc.language.dims import Dim, IndexedName, dim

__all__ = [
    "Sizes",
    "as_array",
    "check_lines",
    "count_lines",
    "is_readable",
    "size_lines",
    "size_names",
    "size_text",
    "test_sizes",
]

Sizes = Mapping[str, str]  # names of sizes -> names in the source


def size_names(dims: Sequence[Dims]) -> list[str]:
    """The names of all sizes, in order of appearance."""
    out: dict[str, None] = {}
    for group in dims:
        for d in group:
            for a in d.atoms():
                if isinstance(a, IndexedName):
                    raise CannotDerive(f"there is no code for indexed sizes such as {a} yet")
                out[a] = None
    return list(out)


def size_text(d: Dim, sizes: Sizes) -> str:
    """A size as a Python expression."""
    if not d.coefficients:
        return "0"
    out = ""
    for mono, c in d.coefficients:
        factors = [] if abs(c) == 1 and mono else [str(abs(c))]
        factors += [sizes[str(a)] for a in mono]
        out += (("-" if c < 0 else "") if not out else (" - " if c < 0 else " + ")) + " * ".join(factors)
    return out


def shape_text(dims: Dims, sizes: Sizes) -> str:
    inside = ", ".join(size_text(d, sizes) for d in dims)
    return f"({inside},)" if len(dims) == 1 else f"({inside})"


def _solvable(d: Dim, known: Sequence[str]) -> tuple[str, int, Dim] | None:
    """The only unknown name of a size that is linear in it, its factor and the rest."""
    unknown = [n for n in d.names() if n not in known]
    if len(unknown) != 1:
        return None
    name = unknown[0]
    factor, rest = 0, d
    for mono, c in d.coefficients:
        if name in mono:
            if len(mono) > 1:
                return None
            factor, rest = c, rest - Dim([(mono, c)])
    return (name, factor, rest) if factor > 0 else None


def _read(name: str, factor: int, rest: Dim, source: str, sizes: Sizes) -> str:
    """``n = A.shape[0]``, or the size solved from a linear expression of it."""
    text = source
    if rest.coefficients:
        minus = size_text(rest, sizes)
        text = (
            f"({source} - {minus})"
            if len(rest.coefficients) == 1 and not minus.startswith("-")
            else f"({source} - ({minus}))"
        )
    if factor != 1:
        text += f" // {factor}"
    return f"{sizes[name]} = {text.removeprefix('(').removesuffix(')') if factor == 1 and text[0] == '(' else text}"


# ------------------------------------------------------------------------------------- the checks
def as_array(name: str, dims: Dims, np: str, real: str) -> str:
    """The line that makes an argument an array of floats (a number where it has no axes); ``real`` is float's name."""
    return f"{name} = {np}.asarray({name}, dtype={real}){'' if dims else '[()]'}"


def check_lines(
    inputs: Sequence[Input],
    sizes: Sizes,
    np: str,
    real: str,
    misfit: str,
    more: Sequence[str] = (),
    counts: Sequence[str] = (),
) -> list[str]:
    """The body of the function that turns arguments into arrays of floats that fit together, and ``more`` lines.

    ``counts`` are the inputs that are sizes themselves.
    """
    out: list[str] = []
    for i in inputs:
        out += count_lines(i.name) if i.symbol in counts else [as_array(i.name, i.dims, np, real)]
    known: dict[str, str] = dict.fromkeys(counts, "the argument")  # size -> the input it was read from
    waiting = [i for i in inputs if i.symbol not in counts]
    while waiting:
        ready = [i for i in waiting if _readable(i, known)]
        if not ready:
            out += [_dimension_check(i, sizes, misfit, known) for i in waiting]
            break
        chosen = ready[0]
        waiting.remove(chosen)
        out += _check_one(chosen, sizes, misfit, known)
    lines = [line for block in (*out, *more) for line in block.split("\n")]
    return [line for k, line in enumerate(lines) if not _is_idle(line, lines[k + 1 :])]


def count_lines(name: str, least: int = 1) -> list[str]:
    """The check of an argument that is a size."""
    wanted = "a positive number" if least == 1 else f"a number of at least {least}"
    misfit = f'    raise ValueError(f"{name}: expected {wanted}, got {{{name}}}")'
    return [f"{name} = int({name})", f"if {name} < {least}:", misfit]


def _is_idle(line: str, later: Sequence[str]) -> bool:
    """Whether a line only reads a size that nobody needs."""
    name, _, value = line.partition(" = ")
    return ".shape[" in value and not any(re.search(rf"\b{name}\b", other) for other in later)


def _readable(i: Input, known: Mapping[str, str]) -> bool:
    """Whether every unknown size of an input can be read from it."""
    seen = list(known)
    for d in i.dims:
        solved = _solvable(d, seen)
        if solved is not None:
            seen.append(solved[0])
        elif any(n not in seen for n in d.names()):
            return False
    return True


def _expected(dims: Dims, sizes: Sizes, known: Mapping[str, str], own: str) -> tuple[str, bool]:
    """The expected shape with the known sizes and where they come from, and whether that is an f-string."""
    names = [n for n in size_names([dims]) if n in known]
    where = [f"{sizes[n]} = {{{sizes[n]}}}" + (f" (from {known[n]})" if known[n] != own else "") for n in names]
    shape = shape_text(dims, sizes)
    return f"{shape} with {', '.join(where)}" if where else shape, bool(where)


def _misfit(i: Input, sizes: Sizes, known: Mapping[str, str], misfit: str) -> str:
    """The statement that raises, indented under its condition."""
    text, formatted = _expected(i.dims, sizes, known, i.name) if i.dims else ("", False)
    expected = f'{"f" if formatted else ""}"shape {text}"' if i.dims else '"a number"'
    arguments = f'"{i.name}", {expected}, {i.name}'
    if len(arguments) + len(misfit) <= 83:
        return f"    raise {misfit}({arguments})"
    if len(arguments) <= 87:
        return f"    raise {misfit}(\n        {arguments}\n    )"
    return f'    raise {misfit}(\n        "{i.name}",\n        {expected},\n        {i.name},\n    )'


def _dimension_check(i: Input, sizes: Sizes, misfit: str, known: Mapping[str, str]) -> str:
    return f"if {i.name}.ndim != {len(i.dims)}:\n{_misfit(i, sizes, known, misfit)}"


def _check_one(i: Input, sizes: Sizes, misfit: str, known: dict[str, str]) -> list[str]:
    out: list[str] = []
    fresh: list[str] = []
    if any(n not in known for n in size_names([i.dims])):
        out.append(_dimension_check(i, sizes, misfit, known))
        fresh = list(_bind(i, sizes, known))
        out += fresh
    plain = bool(i.dims) and len(fresh) == len(i.dims) and all(d.as_name is not None for d in i.dims)
    if plain and len(fresh) == 2:
        out[1:] = [f"{', '.join(sizes[d.as_name or ''] for d in i.dims)} = {i.name}.shape"]
    if not plain:
        shape = shape_text(i.dims, sizes) if i.dims else "()"
        out.append(f"if {i.name}.shape != {shape}:\n{_misfit(i, sizes, known, misfit)}")
    return out


def _bind(i: Input, sizes: Sizes, known: dict[str, str]) -> Iterator[str]:
    for axis, d in enumerate(i.dims):
        solved = _solvable(d, list(known))
        if solved is not None:
            name, factor, rest = solved
            known[name] = i.name
            yield _read(name, factor, rest, f"{i.name}.shape[{axis}]", sizes)


# ------------------------------------------------------------------------------------- the sizes
def size_lines(wanted: Sequence[str], arrays: Sequence[tuple[str, Dims]], sizes: Sizes) -> list[str]:
    """Lines that read the wanted sizes from arrays that are at hand. Raises CannotDerive where one cannot be read."""
    out: list[str] = []
    known: list[str] = []
    for name in wanted:
        out += _size_line(name, arrays, sizes, known)
    return _joined(out, {array for array, dims in arrays if len(dims) == 2})


def is_readable(name: str, arrays: Sequence[tuple[str, Dims]], sizes: Sizes) -> bool:
    """Whether a size can be read from arrays that are at hand."""
    try:
        size_lines([name], arrays, sizes)
    except CannotDerive:
        return False
    return True


def _size_line(name: str, arrays: Sequence[tuple[str, Dims]], sizes: Sizes, known: list[str]) -> list[str]:
    if name in known:
        return []
    for plain in (True, False):
        for array, dims in arrays:
            for axis, d in enumerate(dims):
                if plain and d.as_name != name:
                    continue
                solved = _solvable(d, [n for n in d.names() if n != name])
                if solved is None or solved[0] != name:
                    continue
                before: list[str] = []
                try:
                    for other in (n for n in d.names() if n != name):
                        before += _size_line(other, [a for a in arrays if a[0] != array], sizes, known)
                except CannotDerive:
                    continue
                known.append(name)
                return [*before, _read(name, solved[1], solved[2], f"{array}.shape[{axis}]", sizes)]
    raise CannotDerive(
        f"the size {name} cannot be read from any argument of the code", hint="use it in a declared shape"
    )


def _joined(lines: Sequence[str], matrices: set[str]) -> list[str]:
    """``m = A.shape[0]`` and ``n = A.shape[1]`` as ``m, n = A.shape``, for a matrix ``A``."""
    for i in range(len(lines) - 1):
        (a, x), (b, y) = lines[i].split(" = "), lines[i + 1].split(" = ")
        array = x.removesuffix(".shape[0]")
        if array in matrices and y == f"{array}.shape[1]":
            return [*lines[:i], f"{a}, {b} = {array}.shape", *_joined(lines[i + 2 :], matrices)]
    return list(lines)


# -------------------------------------------------------------------------------- points to check
def test_sizes(
    names: Sequence[str], fixed: Sequence[int], units: Sequence[tuple[Dim, Dim]] = (), indices: Collection[str] = ()
) -> list[dict[str, int]]:
    """Three choices of pairwise different sizes, in changing order.

    ``units`` are the indices of entries with the lengths they are taken from: ``indices``, which are no sizes, lie
    inside, and the lengths hold the numbers among them.
    """
    sized = [n for n in names if n not in indices]
    least = {length.as_name: index.value for index, length in units if index.value is not None}
    out = []
    for k, chosen in enumerate(_different_sizes(sized, fixed)):
        for j, (name, value) in enumerate(least.items()):
            if name in chosen and value is not None and chosen[name] < value:
                chosen[name] = value + j
        for j, name in enumerate(n for n in names if n in indices):
            lengths = [
                d.substitute({n: dim(v) for n, v in chosen.items()}).value for i, d in units if i.as_name == name
            ]
            chosen[name] = 1 + (k + j) % min((v for v in lengths if v is not None), default=1)
        out.append({n: chosen[n] for n in names})
    return out


def _different_sizes(names: Sequence[str], fixed: Sequence[int]) -> list[dict[str, int]]:
    """Three choices of pairwise different sizes, in changing order."""
    pool = [k for k in (4, 3, 5, 2, 6, 7, 8, 9, 10, 11, 12, 13, 14) if k not in fixed]
    pool += range(15, 15 + len(names))
    k = len(names)
    orders = [pool[:k], pool[:k][::-1] if k > 1 else pool[2 : k + 2], pool[1 : k + 1]]
    return [dict(zip(names, numbers, strict=True)) for numbers in orders]
