"""What a module's own check compares: the data of ``templates/numpy_check.py.j2``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matcalc.code.backward import Loss
from matcalc.code.functions import Module
from matcalc.code.inputs import size_names, size_text, test_sizes
from matcalc.code.names import Namer
from matcalc.code.nodes import Dims
from matcalc.code.opaque import sample_functions
from matcalc.code.program import Input
from matcalc.code.text import bracketed, signature
from matcalc.language.dims import Dim
from matcalc.language.problem import Problem
from matcalc.language.selections import index_names, units_in
from matcalc.language.terms import Term

__all__ = [
    "AROUND",
    "MOVED",
    "Check",
    "Parts",
    "by_entries",
    "check_of",
    "drawn_functions",
    "parts_of",
    "sample_lines",
    "sizes_drawn",
    "sizes_text",
    "structure_of",
    "turned_for",
]


@dataclass(frozen=True, slots=True)
class Check:
    """Pieces of source for the check."""

    what: str  # for the printed line
    before: tuple[str, ...]  # lines that make ``result`` and the tuple ``derivatives`` at ``point``
    function: tuple[str, ...]  # body of the function of x, the variable number i
    predicted: str  # the derivative's prediction along d
    after: tuple[str, ...]  # further comparisons
    tolerance: str
    doubt: str  # how far differences of two step sizes may differ at a usable point
    by_values: bool  # whether gradients have to come from values
    valued: str  # the value at a point with x moved to y
    is_matrix: bool  # whether the derivatives are Jacobians or Hessians
    variables: str
    structures: tuple[str, ...]
    sizes: str
    signature: tuple[str, ...]  # of the function that draws a point
    sample: tuple[str, ...]
    returned: tuple[str, ...]
    lists: bool = False  # whether some arguments are lists of arrays
    entrywise: bool = False  # whether functions of entries are drawn
    smooth: bool = False  # whether functions of arrays are


Parts = tuple[list[str], str, str, list[str]]  # before, function, predicted, after: see Check

MOVED = "*point[:i], y, *point[i + 1 :]"
AROUND = "*point[:i], x, *point[i + 1 :]"


def check_of(
    module: Module,
    problem: Problem,
    answers: Mapping[str, Term],
    kind: str,
    layout: str,
    structure: str,
    has_gradient: bool,
    loss: Loss | None,
    copies: bool = False,
) -> Check:
    """The check of a module of the given kind: gradient, jacobian, hessian or backward."""
    np, single = module.np, len(answers) == 1
    has_gradient = has_gradient and not copies  # the gradient moves the copies
    turned = turned_for(layout, kind)
    parts = parts_of(module, kind, has_gradient, single, turned, loss)
    before, function, predicted, after = _holding(module, kind, loss, parts) if copies else parts
    position = {i.symbol: k for k, i in enumerate(module.inputs)}
    structures = {x: structure_of(problem, x) for x in answers}
    kinds = tuple(dict.fromkeys(s for s in structures.values() if s))
    if kinds and structure == "entries" and kind in ("gradient", "backward"):  # one entry stands for all it moves
        predicted = by_entries(np, turned)
    rows = [f'({position[x]}, "{s}")' if kinds else str(position[x]) for x, s in structures.items()]
    names = sizes_drawn(module, [i.dims for i in module.inputs])
    fixed = [d.value for i in module.inputs for d in i.dims if d.value is not None]
    sizes = [{module.sizes[n]: v for n, v in s.items()} for s in test_sizes(names, fixed, *_entries(problem, answers))]
    taken = Namer(["draw", "rng", "attempt", np, *(module.sizes[n] for n in names)])
    arrays = [i for i in module.inputs if i.symbol not in module.counts]
    local = {i.symbol: taken.exact(i.name) for i in arrays}
    own = {g.name: taken.exact(g.name) for g in module.functions}
    returned = [*local.values(), *(module.sizes[n] for n in module.counts), *own.values()]
    by = ", ".join(module.inputs[position[x]].name for x in answers)
    by = by if len(by) < 60 else f"{len(answers)} arguments"
    what = f"{'gradient' if kind == 'backward' else kind} by {by}"
    return Check(
        what=what,
        before=tuple(before),
        function=(*function.split("; ")[:-1], f"return {function.split('; ')[-1]}"),
        predicted=predicted,
        after=tuple(after),
        tolerance="1e-6" if kind != "hessian" or has_gradient else "1e-4",
        by_values=kind == "hessian" and not has_gradient,
        valued=f"{module.names['held']}((*{module.names['copies']}(*point),), {MOVED})"
        if copies
        else f"value({MOVED})",
        is_matrix=kind in ("jacobian", "hessian"),
        doubt="1e-5" if kind != "hessian" or has_gradient else "1e-3",
        variables=f"({', '.join(rows)}{',' if len(rows) == 1 else ''})",
        structures=kinds,
        sizes=sizes_text(sizes),
        signature=tuple(signature(module.names["point"], ["rng", "attempt", *(module.sizes[n] for n in names)])),
        sample=(
            *(line for i in arrays for line in _sample(module, problem, i, local[i.symbol])),
            *drawn_functions(module, own),
        ),
        returned=tuple(bracketed("return (", returned, ")" if len(returned) > 1 else ",)")),
        entrywise=any(g.key[0] == "fn" for g in module.functions),
        smooth=any(g.key[0] != "fn" for g in module.functions),
    )


def turned_for(layout: str, kind: str) -> str:
    """What turns a derivative from a layout to the one that the check compares."""
    return ".T" if (layout, kind) in (("numerator", "gradient"), ("denominator", "jacobian")) else ""


def by_entries(np: str, turned: str) -> str:
    """The prediction by the derivative by independent entries: one entry stands for all it moves."""
    return f"{np}.sum({np}.tril(derivative{turned} * d)) if structure else {np}.vdot(derivative{turned}, d)"


def parts_of(module: Module, kind: str, has_gradient: bool, single: bool, turned: str, loss: Loss | None) -> Parts:
    """What is compared in a module of a kind."""
    table = {
        "gradient": _gradient,
        "jacobian": _jacobian,
        "hessian": _hessian if has_gradient else _hessian_of_values,
        "backward": _backward,
    }
    return table[kind](module, single, turned, loss)


def _entries(problem: Problem, answers: Mapping[str, Term]) -> tuple[list[tuple[Dim, Dim]], list[str]]:
    """The indices of entries, with lengths, and those among them that are names of their own."""
    roots = [problem.objective, *(d.term for d in problem.definitions), *answers.values()]
    return units_in(roots), index_names(roots, (s.shape for s in problem.symbols.values()))


def sizes_drawn(module: Module, dims: Sequence[Dims]) -> list[str]:
    """The names of the sizes that a point of the check is drawn for."""
    values = [tuple(t.data[-2:]) for g in module.functions for t in g.sites if t.op in ("call", "jac")]
    return list(dict.fromkeys([*size_names([*dims, *values]), *module.counts]))


def drawn_functions(module: Module, local: Mapping[str, str]) -> list[str]:
    """Lines that draw the opaque functions among the arguments."""
    names = module.names
    return [*sample_functions(module.functions, local, module.sizes, names["entrywise"], names["smooth"])]


def sizes_text(sizes: Sequence[Mapping[str, int]]) -> str:
    """The sizes of the points of a check as a tuple of dictionaries."""
    rows = ["{" + ", ".join(f'"{k}": {v}' for k, v in s.items()) + "}" for s in sizes]
    line = f"({', '.join(rows)})"
    return line if len(line) < 88 else "(\n" + "".join(f"    {r},\n" for r in rows) + ")"


def structure_of(problem: Problem, name: str) -> str:
    """How a variable is structured, as far as the check moves it along its structure only."""
    has = problem.symbols[name].properties
    if not problem.symbols[name].shape.is_matrix:
        return ""
    for structure in ("diagonal", "skew", "symmetric", "orthogonal"):
        if structure in has or (structure == "symmetric" and "posdef" in has):
            return structure
    return ""


# -------------------------------------------------------------------------------- what is compared
def _gradient(module: Module, single: bool, turned: str, loss: Loss | None) -> Parts:
    before = ["result, derivatives = value_and_grad(*point)"]
    before += ["derivatives = (derivatives,)"] if single else []
    after = [f"worst = {module.np}.maximum(worst, {module.names['error']}(result, value(*point), abs(result)))"]
    return before, f"value({AROUND})", f"{module.np}.vdot(derivative{turned}, d)", after


def _jacobian(module: Module, single: bool, turned: str, loss: Loss | None) -> Parts:
    before = ["result, derivatives = forward(*point), jacobian(*point)"]
    before += ["derivatives = (derivatives,)"] if single else []
    function = f'{module.np}.ravel(forward({AROUND}), order="F")'
    return before, function, f"{module.names['along']}(derivative{turned}, d)", []


def _hessian(module: Module, single: bool, turned: str, loss: Loss | None) -> Parts:
    before = ["result, derivatives = value(*point), hessian(*point)"]
    before += ["derivatives = (derivatives,)"] if single else []
    gradient = "gradient" if single else f"gradient[{module.names['variables']}.index(i)]"
    function = f'gradient = value_and_grad({AROUND})[1]; {module.np}.ravel({gradient}, order="F")'
    return before, function, f"{module.names['along']}(derivative, d)", _product_check(module) if single else []


def _hessian_of_values(module: Module, single: bool, turned: str, loss: Loss | None) -> Parts:
    names = module.names
    before = ["result, derivatives = value(*point), hessian(*point)"]
    before += ["derivatives = (derivatives,)"] if single else []
    function = f"{names['gradient']}(point, i, x)"
    return before, function, f"{names['along']}(derivative, d)", _product_check(module) if single else []


def _product_check(module: Module) -> list[str]:
    np, names = module.np, module.names
    return [
        f"v = rng.standard_normal({np}.shape(point[i]))",
        f'product = {np}.ravel(hessian_vector_product(*point, v), order="F")',
        f"expected = {names['along']}(derivatives[0], v)",
        f"worst = {np}.maximum(worst, {names['error']}(product, expected, 1.0))",
    ]


def _backward(module: Module, single: bool, turned: str, loss: Loss | None) -> Parts:
    np = module.np
    assert loss is not None
    before = ["result, cache = forward(*point)"]
    single_output = len(loss.outputs) == 1
    if single_output:
        before.append(f"upstream = rng.standard_normal({np}.shape(result))")
    else:
        before.append(f"upstream = tuple(rng.standard_normal({np}.shape(y)) for y in result)")
    before.append("derivatives = backward(upstream, cache)")
    before += ["derivatives = (derivatives,)"] if single else []
    if not single_output:
        before.append(f"result = {np}.concatenate([{np}.ravel(y) for y in result])")
    function = f"{np}.vdot(upstream, forward({AROUND})[0])"
    if not loss.plain:
        function = f"{module.names['linear_value']}(upstream, {AROUND})"
    return before, function, f"{np}.vdot(derivative{turned}, d)", []


def _holding(module: Module, kind: str, loss: Loss | None, parts: Parts) -> Parts:
    """The same with constant copies held where they are."""
    before, function, predicted, after = parts
    if kind == "hessian":
        return before, function, predicted, after
    upstream = "" if loss is None else "upstream, " if len(loss.inputs) == 1 else "*upstream, "
    before = [*before, f"given = ({upstream}*{module.names['copies']}(*point),)"]
    function = f"{module.names['held']}(given, {AROUND})"
    return before, f'{module.np}.ravel({function}, order="F")' if kind == "jacobian" else function, predicted, after


# ------------------------------------------------------------------------------------- test points
def _sample(module: Module, problem: Problem, i: Input, name: str) -> list[str]:
    axes = [size_text(d, module.sizes) for d in i.dims]
    return sample_lines(module.np, name, axes, problem.symbols[i.symbol].properties)


def sample_lines(np: str, name: str, axes: Sequence[str], has: frozenset[str]) -> list[str]:
    """Lines that draw an array with some properties."""
    out = [f"{name} = draw({', '.join(axes)})"]
    if len(axes) == 2 and axes[0] == axes[1]:
        if "posdef" in has:
            out.append(f"{name} = {name} @ {name}.T / {axes[0]} + {np}.eye({axes[0]})")
        elif "symmetric" in has:
            out.append(f"{name} = ({name} + {name}.T) / 2")
        if "skew" in has:
            out.append(f"{name} = ({name} - {name}.T) / 2")
        if "diagonal" in has:
            out.append(f"{name} = {np}.diag({np}.diag({name}))")
        if "orthogonal" in has:
            out.append(f"{name} = {np}.linalg.qr({name})[0]")
    if "positive" in has or ("posdef" in has and len(axes) < 2):
        out.append(f"{name} = {np}.abs({name}) + 0.1")
    if "stochastic" in has and axes:
        out.append(f"{name} = {np}.abs({name}) / {np}.abs({name}).sum(axis=-1, keepdims=True)")
    return out
