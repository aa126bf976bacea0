"""Constant copies, ``stop(W)``, in a module's own check: the check moves an argument, and the copies must stay.

The module itself computes a copy as what it is a copy of.  For the check it carries two more functions: the values of
the copies, and the objective with these values given.

Invariant: where an objective has no constant copies nothing is added to a module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from matcalc.code.backward import Loss, expanded
from matcalc.code.functions import Function, Module, function
from matcalc.code.names import Namer
from matcalc.code.nodes import dims_of
from matcalc.code.program import Input
from matcalc.language import terms as T
from matcalc.language.problem import Problem
from matcalc.language.terms import Term, replace, subterms

__all__ = ["Copies", "copies_functions", "find_copies"]


@dataclass(frozen=True, slots=True)
class Copies:
    """The outermost constant copies of an objective, and the objective with names for them."""

    terms: tuple[Term, ...]
    objective: Term
    inputs: tuple[Input, ...]  # upstream gradients first


def find_copies(module: Module, problem: Problem, bodies: Mapping[str, Term], loss: Loss | None) -> Copies | None:
    """The constant copies of a problem, None where there are none."""
    whole = expanded(problem.objective if loss is None else loss.objective, bodies)
    found = _outermost(whole)
    if not found:
        return None
    namer = Namer(module.taken | {i.name for i in (loss.inputs if loss is not None else ())})
    names = [namer.exact("copy" if len(found) == 1 else f"copy_{k}") for k in range(1, len(found) + 1)]
    symbols = {t: T.symbol(n, *t.shape) for t, n in zip(found, names, strict=True)}
    held = tuple(Input(n, n, dims_of(*t.shape)) for t, n in zip(found, names, strict=True))
    return Copies(tuple(found), replace(whole, symbols), (*(loss.inputs if loss is not None else ()), *held))


def _outermost(t: Term) -> list[Term]:
    found: dict[Term, None] = {}
    seen: set[Term] = set()
    stack = [t]
    while stack:
        node = stack.pop()
        if node in seen or not any(s.op == "stop" for s in subterms(node)):
            continue
        seen.add(node)
        if node.op == "stop":
            found[node] = None
        else:
            stack.extend(reversed(node.args))
    return list(found)


def copies_functions(module: Module, problem: Problem, copies: Copies) -> list[Function]:
    """The two functions that the check needs."""
    doc = ["The values of the copies that are held constant: for the check."]
    labels = [i.name for i in copies.inputs[-len(copies.terms) :]]
    values = [(label, t.args[0]) for label, t in zip(labels, copies.terms, strict=True)]
    first = function(module, module.names["copies"], doc, values, lambda s: f"({', '.join(s)},)")
    doc = [f"{problem.objective_name} with the copies given: for the check."]
    made = function(module, module.names["held"], doc, [("value", copies.objective)], lambda s: s[0], copies.inputs)
    names = [i.name for i in copies.inputs]
    unpack = f"    {', '.join(names)}{',' * (len(names) == 1)} = given"
    start = next(k for k, line in enumerate(made.lines) if line.endswith(":")) + 1
    head = f"def {made.name}({', '.join(['given', *module.parameters])}):"
    return [first, Function(made.name, (head, made.lines[start], unpack, *made.lines[start + 1 :]))]
