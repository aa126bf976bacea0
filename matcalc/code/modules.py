"""The frame of a module: the names that it uses besides the user's, and its text around the functions.

Invariants: no name is given twice; the text is laid out by ``templates/numpy_*.py.j2``, which compute nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from matcalc import resources
from matcalc.code.functions import Function, Module
from matcalc.code.inputs import check_lines
from matcalc.code.lower import Scope
from matcalc.code.names import Namer
from matcalc.code.opaque import Given, wrapping_lines
from matcalc.code.program import Input
from matcalc.code.selfcheck import Check
from matcalc.code.source import HELPERS, SCIPY
from matcalc.code.text import returned, signature

__all__ = ["new_module", "rendered"]

PRIVATE = (
    "arrays",
    "misfit",
    "draw",
    "point",
    "directions",
    "slope",
    "error",
    "error_at",
    "scale",
    "along",
    "gradient",
    "linear_value",
    "copies",
    "held",
    "flat",
    "like",
    "function",
    "entrywise",
    "smooth",
)
PUBLIC = ("value", "value_and_grad", "forward", "backward", "jacobian", "hessian", "hessian_vector_product")
BUILTINS = frozenset(
    ("abs", "all", "any", "float", "id", "int", "len", "list", "max", "min", "pow", "range", "round", "sum")
)


def new_module(
    inputs: tuple[Input, ...],
    sizes: Iterable[str],
    scope: Scope,
    counts: Iterable[str] = (),
    functions: tuple[Given, ...] = (),
) -> Module:
    """The module of some inputs; ``sizes`` are the names of the sizes that occur, ``counts`` those that are inputs."""
    counts = tuple(counts)
    parameters = [*(i.name for i in inputs), *(g.name for g in functions)]
    namer = Namer([*parameters, *PUBLIC])
    alias = next(a for a in ("np", "numpy", "np_", "numpy_", "_np") if a not in namer.taken)
    namer.exact(alias)
    names = {name: namer.exact(f"_{name}") for name in (*PRIVATE, *HELPERS)}
    names |= {name: namer.exact(name) for name in SCIPY}
    names |= {
        "variables": namer.exact("_VARIABLES"),
        "sizes": namer.exact("_SIZES"),
        "check": namer.exact("_self_check"),
    }
    given = {i.symbol: i.name for i in inputs if i.symbol in set(counts)}
    called = {n: given[n] if n in given else namer.exact(n) for n in sizes}
    taken = frozenset(namer.taken - ({"value"} - set(parameters)) | BUILTINS)
    real = "float" if "float" not in parameters else f"{alias}.float64"
    scope = replace(scope, functions={g.key: g.name for g in functions})
    return Module(inputs, called, alias, real, names, scope, taken, functions, counts)


def _scipy_imports(module: Module) -> list[str]:
    """The import lines for what comes from SciPy."""
    out = []
    for package in sorted(set(SCIPY.values())):
        used = [s for s in SCIPY if s in module.scipy and SCIPY[s] == package]
        names = [s if module.names[s] == s else f"{s} as {module.names[s]}" for s in used]
        out += [f"from {package} import {', '.join(names)}"] if used else []
    return out


def wrapped_functions(module: Module, readable: Iterable[str]) -> list[str]:
    """Lines that make opaque functions return arrays that fit. ``readable`` are the sizes that are known before."""
    known = set(readable)
    return [*wrapping_lines(module.functions, module.sizes, known, module.names["function"], module.np)]


def rendered(
    module: Module,
    functions: Sequence[Function],
    header: Sequence[str],
    check: Check,
    checks: Sequence[str] | None = None,
) -> str:
    """The text of a module. ``checks`` are the lines that check the arguments, where arrays are not all there is."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: resources.read("templates", name)),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # the result is Python
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    if checks is None:
        wrapped = wrapped_functions(module, [n for n in module.sizes if module.has(n)])
        misfit = module.names["misfit"]
        checks = check_lines(module.inputs, module.sizes, module.np, module.real, misfit, wrapped, module.counts)
    text = environment.get_template("numpy_module.py.j2").render(
        docstring=header,
        np=module.np,
        scipy=_scipy_imports(module),
        functions=functions,
        inputs=module.parameters,
        has_functions=bool(module.functions),
        real=module.real,
        arrays=signature(module.names["arrays"], module.parameters),
        returned=returned(module.parameters),
        check_lines=checks,
        names=module.names,
        helpers=[(h, module.names[h]) for h in HELPERS if h in module.helpers],
        check=check,
    )
    return text.rstrip("\n") + "\n"
