"""A derivation as a stand-alone NumPy module.

What is decided here: which functions the module has, their parameters and what each computes; ``selfcheck`` decides
what the module's own check compares.  The text is laid out by ``templates/numpy_*.py.j2``, which compute nothing.

Invariants: parameters are the problem's symbols in order, by the user's names wherever Python allows; nothing of the
user's text enters the source but validated names, numbers and formulas that the printer wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matcalc.code.backward import Loss, expanded, find_loss, loss_functions, used_bodies
from matcalc.code.copies import copies_functions, find_copies
from matcalc.code.derived import Derived
from matcalc.code.functions import Function, Module, function
from matcalc.code.inputs import as_array, shape_text, size_names
from matcalc.code.loop_module import emit_loops, has_families
from matcalc.code.lower import Scope
from matcalc.code.modules import new_module, rendered
from matcalc.code.names import Namer, parameter_names
from matcalc.code.nodes import dims_of
from matcalc.code.opaque import Key, described, functions_in, given_functions
from matcalc.code.program import Input
from matcalc.code.second import gradients_before, hessian_times
from matcalc.code.selfcheck import check_of
from matcalc.code.text import docstring, plain
from matcalc.errors import CannotDerive, MatcalcError
from matcalc.language import terms as T
from matcalc.language.dims import Shape
from matcalc.language.parts import base_of
from matcalc.language.problem import Definition, Problem
from matcalc.language.selections import index_names
from matcalc.language.terms import Term

__all__ = ["Derived", "emit", "emit_module"]

TARGETS = ("numpy",)


def emit_module(derivation: Derived, target: str = "numpy") -> str:
    """The source of a module for a derivation. Raises CannotDerive where something has no code."""
    if target not in TARGETS:
        raise MatcalcError(f"target is one of {', '.join(TARGETS)}, not {target!r}")
    if has_families(derivation.problem):
        return emit_loops(derivation)
    return emit(
        derivation.problem,
        derivation.answers,
        order=derivation.order,
        layout=derivation.layout,
        structure=derivation.structure,
        gradients=gradients_before(derivation) if derivation.order == 2 else None,
        definitions=derivation.definitions,
        conventions=derivation.conventions,
    )


def emit(
    problem: Problem,
    answers: Mapping[str, Term],
    *,
    order: int = 1,
    layout: str = "gradient",
    structure: str = "projected",
    gradients: Mapping[str, Term] | None = None,
    definitions: Sequence[Definition] = (),
    conventions: Sequence[str] = (),
) -> str:
    """The source of a module: ``answers`` are derivatives of the problem's objective by name."""
    task = _Task(problem, answers, order, layout, structure, gradients)
    _refuse_what_has_no_code(task)
    bodies = {d.name: d.term for d in (*problem.definitions, *definitions)}
    loss = find_loss(problem, answers, bodies) if order == 1 else None
    module = _module(task, bodies, loss, ())
    functions, copies = _made(module, task, bodies, loss)
    if module.unread:  # sizes that no argument has are arguments
        module = _module(task, bodies, loss, tuple(module.unread))
        functions, copies = _made(module, task, bodies, loss)
    kind = "backward" if loss is not None else _kind(task)
    check = check_of(module, problem, answers, kind, layout, structure, gradients is not None, loss, copies)
    header = _header(task, module, kind, definitions, conventions)
    return rendered(module, functions, header, check)


def _made(module: Module, task: _Task, bodies: Mapping[str, Term], loss: Loss | None) -> tuple[list[Function], bool]:
    """The functions of a module, and whether constant copies are among what the check holds."""
    problem, answers = task.problem, task.answers
    functions = loss_functions(module, problem, answers, loss) if loss is not None else _functions(module, task)
    copies = find_copies(module, problem, bodies, loss)
    return functions + (copies_functions(module, problem, copies) if copies is not None else []), copies is not None


@dataclass(frozen=True, slots=True)
class _Task:
    problem: Problem
    answers: Mapping[str, Term]
    order: int
    layout: str
    structure: str
    gradients: Mapping[str, Term] | None


def _kind(task: _Task) -> str:
    if task.order == 2:
        return "hessian"
    return "gradient" if task.problem.objective.is_scalar else "jacobian"


def _refuse_what_has_no_code(task: _Task) -> None:
    for s in task.problem.symbols.values():
        if s.index is not None:
            raise CannotDerive(f"there is no code for indexed families such as {s.name} yet")
    if any(not isinstance(s, Definition) for s in task.problem.statements):
        raise CannotDerive("there is no code for recurrences yet")
    for name, answer in task.answers.items():
        if name not in task.problem.symbols:
            part = f"there is code for the derivative by all of {base_of(name)}, not for that by {name}"
            whole = f"there is no code for the derivative by the definition {name}: it is not an input"
            raise CannotDerive(part if base_of(name) in task.problem.symbols else whole)
        if answer.shape not in _shapes(task, name):
            raise MatcalcError(f"the derivative by {name} is {answer.shape}: not a shape it can have")


def _shapes(task: _Task, name: str) -> list[Shape]:
    """The shapes a derivative by a name may have."""
    f, x = task.problem.objective.shape, task.problem.symbols[name].shape
    entries, own = f.rows * f.cols, x.rows * x.cols
    if task.order == 2:
        return [Shape(own, own)]
    if f.is_scalar:
        return [x.transposed if task.layout == "numerator" else x]
    if x.is_scalar:
        return [f.transposed if task.layout == "denominator" else f]
    return [Shape(own, entries) if task.layout == "denominator" else Shape(entries, own)]


# ------------------------------------------------------------------------------------- the module
def _module(task: _Task, bodies: Mapping[str, Term], loss: Loss | None, counts: tuple[str, ...]) -> Module:
    problem = task.problem
    parameters = parameter_names(problem.symbols)
    arrays = [Input(parameters[s.name], s.name, dims_of(*s.shape)) for s in problem.symbols.values()]
    namer = Namer(parameters.values())
    inputs = (*arrays, *(Input(namer.exact(n), n, ()) for n in counts))
    functions = given_functions(_applied(task, bodies, loss), list(problem.functions), namer)
    used = [t for body in (*bodies.values(), problem.objective) for t in T.subterms(body)]
    dims = [i.dims for i in inputs] + [tuple(d for d in t.shape) for t in used]
    scope = Scope(bodies, problem.facts, loss.names if loss is not None else {})
    dims += [tuple(t.data[-2:]) for g in functions for t in g.sites if t.op in ("call", "jac")]
    return new_module(inputs, dict.fromkeys([*size_names(dims), *counts]), scope, counts, functions)


def _applied(task: _Task, bodies: Mapping[str, Term], loss: Loss | None) -> dict[Key, list[Term]]:
    """The opaque functions that are no losses, with the terms that apply them."""
    derivatives = [*task.answers.values(), *(task.gradients or {}).values()]
    objective = [expanded(task.problem.objective, bodies)] if loss is None else [*loss.outputs, loss.objective]
    known = () if loss is None else loss.names
    return functions_in([*objective, *derivatives, *used_bodies(derivatives, bodies)], known)


def _functions(module: Module, task: _Task) -> list[Function]:
    if task.order == 2:
        return _second_order(module, task)
    f, name = task.problem.objective, task.problem.objective_name
    formula = [f"{name} = {plain(str(f))}"]
    if not f.is_scalar:
        forward = function(module, "forward", formula, [("output", f)], _first)
        return [forward, _derivatives(module, "jacobian", "jac", task, task.answers)]
    return [function(module, "value", formula, [("value", f)], _first), _value_and_grad(module, task, task.answers)]


def _first(sources: Sequence[str]) -> str:
    return sources[0]


def _tuple(sources: Sequence[str]) -> str:
    return sources[0] if len(sources) == 1 else f"({', '.join(sources)})"


def _labelled(kind: str, task: _Task, answers: Mapping[str, Term]) -> list[str]:
    name = task.problem.objective_name
    return [f"{kind}({name}, {x}) = {plain(str(t))}" for x, t in answers.items()]


def _value_and_grad(module: Module, task: _Task, gradients: Mapping[str, Term]) -> Function:
    name, names = task.problem.objective_name, list(gradients)
    labels = ["grad"] if len(names) == 1 else [f"grad_{n}" for n in names]
    outputs = [("value", task.problem.objective), *zip(labels, gradients.values(), strict=True)]
    doc = [f"{name} and its gradient by {', '.join(names)}.", "", *_labelled("grad", task, gradients)]
    return function(module, "value_and_grad", doc, outputs, lambda s: f"{s[0]}, {_tuple(s[1:])}")


def _derivatives(module: Module, public: str, kind: str, task: _Task, answers: Mapping[str, Term]) -> Function:
    names = list(answers)
    letter = public[0].upper()
    labels = [letter] if len(names) == 1 else [f"{letter}_{n}" for n in names]
    what = {"jac": "Jacobian", "hess": "Hessian"}[kind]
    doc = [f"The {what} of {task.problem.objective_name} by {', '.join(names)}.", "", *_labelled(kind, task, answers)]
    return function(module, public, doc, list(zip(labels, answers.values(), strict=True)), ", ".join)


def _second_order(module: Module, task: _Task) -> list[Function]:
    problem = task.problem
    if not problem.objective.is_scalar:
        raise CannotDerive("there is no code for second derivatives of a vector or matrix")
    formula = [f"{problem.objective_name} = {plain(str(problem.objective))}"]
    out = [function(module, "value", formula, [("value", problem.objective)], _first)]
    if task.gradients is not None:
        out.append(_value_and_grad(module, task, task.gradients))
    out.append(_derivatives(module, "hessian", "hess", task, task.answers))
    if len(task.answers) == 1:
        out.append(_hessian_vector_product(module, task))
    return out


def _hessian_vector_product(module: Module, task: _Task) -> Function:
    """The Hessian times a direction, without the Hessian."""
    (name, hessian), problem = next(iter(task.answers.items())), task.problem
    x = problem.variable(name)
    v = Namer([*module.parameters, *problem.symbols, *module.scope.definitions, *module.sizes.values()]).exact("v")
    direction = T.symbol(v, *x.shape)
    product = hessian_times(hessian, direction)
    extra = Input(v, v, dims_of(*x.shape))
    parameter = next(i.name for i in module.inputs if i.symbol == name)
    misfit = f'{module.names["misfit"]}("{v}", f"shape {{{parameter}.shape}} (that of {parameter})", {v})'
    checks = [
        as_array(v, extra.dims, module.np, module.real),
        f"if {v}.shape != {parameter}.shape:",
        f"    raise {misfit}",
    ]
    doc = [f"The Hessian of {problem.objective_name} by {name} times {v}, without forming the Hessian."]
    return function(module, "hessian_vector_product", doc, [("product", product)], _first, [extra], checks)


# ------------------------------------------------------------------------------------- the text
LAYOUTS = {
    "numerator": "Layout: numerator (rows are outputs, columns inputs).",
    "denominator": "Layout: denominator (rows are inputs, columns outputs).",
}


def _header(
    task: _Task, module: Module, kind: str, definitions: Sequence[Definition], conventions: Sequence[str]
) -> list[str]:
    problem = task.problem
    lines = [f"{d.name} = {plain(str(d.term))}" for d in problem.intermediates]
    lines.append(f"{problem.objective_name} = {plain(str(problem.objective))}")
    label = {"jacobian": "jac", "hessian": "hess"}.get(kind, "grad")
    lines += ["", *_labelled(label, task, task.answers)]
    inside = {d.name for d in problem.definitions}
    said = {name for t in task.answers.values() for name in t.free}
    where = [f"where {d.name} = {plain(str(d.term))}" for d in definitions if d.name not in inside and d.name in said]
    roots = [problem.objective, *(d.term for d in problem.definitions), *task.answers.values()]
    indices = index_names(roots, (s.shape for s in problem.symbols.values()))
    arguments = [f"{i.name} {_kind_of_argument(i, module, indices)}" for i in module.inputs]
    lines += [*where, ""]
    lines += [f"Arguments: {', '.join(arguments)}."] if arguments else []
    lines += [f"Functions: {'; '.join(map(described, module.functions))}."] if module.functions else []
    worth = [plain(c) for c in conventions if not c.startswith("the gradient has the shape")]
    lines += [c[:1].upper() + c[1:].rstrip(".") + "." for c in worth]
    if not conventions and task.layout in LAYOUTS:
        lines.append(LAYOUTS[task.layout])
    lines.append("Written by matcalc. Run this file to check the derivatives numerically.")
    return docstring(lines)


def _kind_of_argument(i: Input, module: Module, indices: Sequence[str]) -> str:
    if i.dims:
        return shape_text(i.dims, module.sizes)
    return "a number" if i.symbol not in module.counts else "an index from 1" if i.symbol in indices else "a size"
