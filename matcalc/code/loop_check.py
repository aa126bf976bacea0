"""The check of a module with families: several lengths of the loops, one among them, beside sizes that differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matcalc.code.functions import Module
from matcalc.code.inputs import test_sizes
from matcalc.code.loop_inputs import Arguments, names_in
from matcalc.code.loop_losses import Heard
from matcalc.code.loop_shapes import point_lines
from matcalc.code.names import Namer
from matcalc.code.selfcheck import (
    AROUND,
    MOVED,
    Check,
    Parts,
    by_entries,
    drawn_functions,
    parts_of,
    sizes_text,
    structure_of,
    turned_for,
)
from matcalc.code.text import bracketed, signature
from matcalc.language.dims import Dim, dim
from matcalc.language.problem import Problem

__all__ = ["check_of_loops"]

LENGTHS = (3, 1, 2, 5)
MORE = (4, 6, 7, 8)  # where short ones are too short


def check_of_loops(
    module: Module,
    problem: Problem,
    arguments: Arguments,
    names: Sequence[str],
    told: Heard | None,
    least: int,
    kind: str,
    has_gradient: bool,
    layout: str,
    structure: str,
    copies: bool,
) -> Check:
    """The check of a module: of value and gradient, of forward and backward, of a Jacobian or a Hessian."""
    np, own = module.np, module.names
    turned = turned_for(layout, kind)
    has_gradient = has_gradient and not copies  # the gradient moves the copies
    lists = bool(arguments.lists) and kind == "gradient"
    position = {i.symbol: k for k, i in enumerate(module.inputs)}
    structures = {x: structure_of(problem, x) if x not in arguments.stores else "" for x in names}
    kinds = tuple(dict.fromkeys(s for s in structures.values() if s))
    if told is None:
        before, text, predicted, after = parts_of(module, kind, has_gradient, len(names) == 1, turned, None)
    else:
        before, text, predicted, after = _heard(module, told, len(names) == 1, turned)
    if copies:
        upstream = "" if told is None else "upstream, " if len(told.outputs) == 1 else "*upstream, "
        call = f"{own['held']}(point, {upstream}{AROUND})"
        table = {"jacobian": f'{np}.ravel({call}, order="F")', "hessian": text}
        text = table.get(kind, call)
    if kinds and structure == "entries":
        predicted = by_entries(np, turned)
    rows = [f'({position[x]}, "{s}")' if kinds else str(position[x]) for x, s in structures.items()]
    *lines, last = text.split("; ")
    function = [*lines, f"return {last}"]
    if lists:
        before.append(f"derivatives = tuple({own['flat']}(x) for x in derivatives)")
        function = [f"x = {own['like']}(x, point[i])", *function]
    sizes = [n for n in module.sizes if _is_drawn(n, module, arguments)]
    taken = Namer(["draw", "rng", "attempt", np, *(module.sizes[n] for n in sizes)])
    local = {i.symbol: i.name if i.symbol in arguments.counts else taken.exact(i.name) for i in module.inputs}
    functions = {g.name: taken.exact(g.name) for g in module.functions}
    returned = [*local.values(), *functions.values()]
    by = ", ".join(module.inputs[position[x]].name for x in names)
    by = by if len(by) < 60 else f"{len(names)} arguments"
    points = [{module.sizes[n]: v for n, v in p.items()} for p in _points(module, arguments, sizes, least)]
    return Check(
        what=f"{kind} by {by}",
        before=tuple(before),
        function=tuple(function),
        predicted=predicted,
        after=tuple(after),
        tolerance="1e-6" if kind != "hessian" or has_gradient else "1e-4",
        by_values=kind == "hessian" and not has_gradient,
        valued=f"{own['held']}(point, {MOVED})" if copies else f"value({MOVED})",
        is_matrix=kind in ("jacobian", "hessian"),
        doubt="1e-5" if kind != "hessian" or has_gradient else "1e-3",
        variables=f"({', '.join(rows)}{',' if len(names) == 1 else ''})",
        structures=kinds,
        sizes=sizes_text(points),
        signature=tuple(signature(own["point"], ["rng", "attempt", *(module.sizes[n] for n in sizes)])),
        sample=(*point_lines(module, arguments, problem, local), *drawn_functions(module, functions)),
        returned=tuple(bracketed("return (", returned, ")" if len(returned) > 1 else ",)")),
        lists=lists,
        entrywise=any(g.key[0] == "fn" for g in module.functions),
        smooth=any(g.key[0] != "fn" for g in module.functions),
    )


def _heard(module: Module, told: Heard, single: bool, turned: str) -> Parts:
    """What is compared where a loss is opaque."""
    np, own = module.np, module.names
    predicted = f"{np}.vdot(derivative{turned}, d)"
    before = ["result, cache = forward(*point)"]
    if len(told.outputs) == 1:
        before += [f"upstream = rng.standard_normal({np}.shape(result))", "derivatives = backward(upstream, cache)"]
    else:
        before += [f"upstream = tuple(rng.standard_normal({np}.shape(y)) for y in result)"]
        before += ["derivatives = backward(upstream, cache)"]
        before += [f"result = {np}.concatenate([{np}.ravel(y) for y in result])"]
    before += ["derivatives = (derivatives,)"] if single else []
    if told.plain:
        return before, f"{np}.vdot(upstream, forward({AROUND})[0])", predicted, []
    return before, f"{own['linear_value']}(upstream, {AROUND})", predicted, []


def _is_drawn(name: str, module: Module, arguments: Arguments) -> bool:
    """Whether the points of the check need a size."""
    dims = [d for i in arguments.inputs for d in i.dims]
    dims += [d for s in arguments.stores.values() for d in (*s.shape, s.low, s.high)]
    dims += [d for g in module.functions for t in g.sites if t.op in ("call", "jac") for d in t.data[-2:]]
    return name in arguments.counts or name in names_in(dims)


def _points(module: Module, arguments: Arguments, names: Sequence[str], least: int) -> Iterator[dict[str, int]]:
    """The sizes of four points: lengths of loops that are short, other sizes different from each other."""
    stores = list(arguments.stores.values())
    loops = {*names_in(d for s in stores for d in (s.low, s.high)), *arguments.counts}
    lengths = [n for n in names if n in loops]
    others = [n for n in names if n not in loops]
    fixed = [d.value for i in arguments.inputs for d in i.dims if d.value is not None]
    choices = test_sizes(others, [*fixed, 2])
    made = 0
    for turn, length in enumerate((*LENGTHS, *MORE)):
        sizes = {n: length + k for k, n in enumerate(lengths)} | choices[turn % len(choices)]
        table = {n: dim(v) for n, v in sizes.items()}
        if length < least or any(not _is_positive(s.count.substitute(table)) for s in stores):
            continue
        yield sizes
        made += 1
        if made == len(LENGTHS):
            return


def _is_positive(d: Dim) -> bool:
    return d.value is None or d.value > 0
