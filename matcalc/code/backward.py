"""Opaque losses: ``forward`` computes what the loss is of, ``backward`` turns the loss's gradient there into gradients.

Invariant: backward uses what forward computed; the cache holds exactly what backward needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as replace_fields

from matcalc.code.functions import Function, Module, body_lines, checked, function, given_inputs, render, writer_for
from matcalc.code.inputs import as_array, shape_text, size_lines
from matcalc.code.layout import CLEAR, LEAVES, lay_out
from matcalc.code.lower import lower_terms
from matcalc.code.names import Namer
from matcalc.code.nodes import Dims, Graph, Node, dims_of, live
from matcalc.code.program import Input
from matcalc.code.text import assigned, bracketed, leading, plain
from matcalc.errors import CannotDerive
from matcalc.language import terms as T
from matcalc.language.problem import Problem
from matcalc.language.terms import Term, replace, subterms

__all__ = ["Loss", "compared", "expanded", "find_loss", "loss_functions"]


@dataclass(frozen=True, slots=True)
class Loss:
    """An opaque scalar function in the objective.

    ``outputs`` are the arguments whose gradients are wanted; ``gradients`` their ``grad`` terms as text; ``names`` maps
    every such term in the answers to the name of its input; ``plain``: the objective is the loss of one output.
    """

    outputs: tuple[Term, ...]
    gradients: tuple[str, ...]
    names: Mapping[Term, str]
    inputs: tuple[Input, ...]
    plain: bool
    objective: Term  # with every loss replaced by an inner product with its upstream gradient


def find_loss(problem: Problem, answers: Mapping[str, Term], bodies: Mapping[str, Term]) -> Loss | None:
    """The opaque loss of a problem, None where there is none."""
    whole = expanded(problem.objective, bodies)
    calls = [t for t in subterms(whole) if t.op == "call" and t.is_scalar]
    if not calls:
        return None
    if not problem.objective.is_scalar:
        raise CannotDerive("there is no code for an opaque function inside a vector or matrix")
    wanted: dict[tuple[str, int, tuple[Term, ...]], list[Term]] = {}
    for answer in (*answers.values(), *_used_bodies(answers.values(), bodies)):
        for t in subterms(answer):
            if t.op == "grad":
                key = (t.data[0], t.data[1], tuple(compared(expanded(a, bodies)) for a in t.args))
                wanted.setdefault(key, []).append(t)
    places = [(c, k) for c in calls for k in range(len(c.args))]
    key_of = {c: tuple(compared(a) for a in c.args) for c in calls}
    found = [(c, k, wanted[c.data[0], k, key_of[c]]) for c, k in places if (c.data[0], k, key_of[c]) in wanted]
    return _loss(problem, whole, calls, found)


def _used_bodies(answers: Iterable[Term], bodies: Mapping[str, Term]) -> list[Term]:
    """The definitions that the answers use, named cotangents among them."""
    found: dict[str, Term] = {}
    waiting = list(answers)
    while waiting:
        for name in sorted(waiting.pop().free):
            if name in bodies and name not in found:
                found[name] = bodies[name]
                waiting.append(bodies[name])
    return list(found.values())


def _loss(problem: Problem, whole: Term, calls: Sequence[Term], found: Sequence[tuple[Term, int, list[Term]]]) -> Loss:
    taken = Namer([*problem.symbols, *(d.name for d in problem.definitions)])
    names: dict[Term, str] = {}
    inputs: list[Input] = []
    linear: dict[Term, list[Term]] = {c: [] for c in calls}
    for number, (c, k, terms) in enumerate(found, 1):
        shape = c.args[k].shape
        name = taken.exact("upstream" if len(found) == 1 else f"upstream_{number}")
        inputs.append(Input(name, name, dims_of(*shape)))
        names.update(dict.fromkeys(terms, name))
        linear[c].append(T.inner(T.symbol(name, *shape), c.args[k]))
    stand_ins = {
        c: T.add(*parts) if len(parts) > 1 else parts[0] if parts else T.number(0) for c, parts in linear.items()
    }
    return Loss(
        outputs=tuple(c.args[k] for c, k, _ in found),
        gradients=tuple(plain(str(terms[0])) for _, _, terms in found),
        names=names,
        inputs=tuple(inputs),
        plain=whole.op == "call" and len(found) == 1,
        objective=replace(whole, stand_ins),
    )


def expanded(t: Term, bodies: Mapping[str, Term]) -> Term:
    """The term without names of definitions."""
    table: dict[Term, Term] = {}
    for name, body in bodies.items():
        table[T.symbol(name, *body.shape)] = replace(body, table)
    return replace(t, table) if table else t


def compared(t: Term) -> Term:
    """A term as it is compared: summands in a fixed order, constant copies replaced by what they are copies of."""
    done: dict[Term, Term] = {}
    for s in reversed(list(_from_the_root(t))):
        args = [done[a] for a in s.args]
        if s.op == "stop":
            done[s] = args[0]
        else:
            done[s] = T.rebuild(s, sorted(args, key=str) if s.row.commutative else args)
    return done[t]


def _from_the_root(t: Term) -> list[Term]:
    """Every distinct subterm, each before its arguments."""
    order: dict[Term, None] = {}
    stack: list[tuple[Term, bool]] = [(t, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            order[node] = None
        elif node not in order:
            stack.append((node, True))
            stack.extend((a, False) for a in node.args)
    return list(reversed(order))


# ------------------------------------------------------------------------------- the two functions
def loss_functions(module: Module, problem: Problem, answers: Mapping[str, Term], loss: Loss) -> list[Function]:
    """``forward`` and ``backward``, and where the objective has more than the loss a function for the check."""
    if not loss.outputs:
        raise CannotDerive("no gradient of the loss occurs in the answers: there is nothing to propagate")
    grads = list(answers.values())
    bodies = module.scope.definitions
    kept_names = frozenset(n for t in (*grads, *_used_bodies(grads, bodies)) for n in t.free if n in bodies)
    symbols = {n: T.symbol(n, *bodies[n].shape) for n in bodies if n in kept_names}
    back = {expanded(s, bodies): s for s in symbols.values()}
    outputs = [replace(t, back) for t in loss.outputs]  # with what backward needs by name
    graph, nodes, named = lower_terms([*outputs, *grads], replace_fields(module.scope, kept=kept_names))
    results, gradients = nodes[: len(outputs)], nodes[len(outputs) :]
    kept, passed = _frontier(graph, module, results, gradients)
    forward, names = _forward(module, problem, loss, graph, results, named, kept)
    cached = [(names[n], n) for n in kept] + [(i.name, graph.input(i.symbol, i.dims)) for i in passed]
    sizes, backward = _backward(module, problem, loss, graph, list(answers), gradients, named, cached)
    made = [_closed(module, forward, [n for n, _ in cached], sizes), backward]
    if not loss.plain:
        doc = ["The objective with a loss that is linear in what it is of: for the check."]
        extra = list(loss.inputs)
        made.append(_linear_value(module, loss, doc, extra))
    return made


@dataclass(frozen=True, slots=True)
class _Open:
    """A forward function whose last lines wait for the cache."""

    doc: tuple[str, ...]
    body: tuple[str, ...]
    outputs: tuple[str, ...]
    sizes: tuple[str, ...]  # that the body uses


def _closed(module: Module, forward: _Open, arrays: Sequence[str], sizes: Sequence[str]) -> Function:
    """The forward function; ``sizes`` are what backward cannot read from the cached arrays."""
    names = [*arrays, *(module.sizes[n] for n in sizes)]
    cache = (
        bracketed("cache = (", names, ")") if len(names) > 1 else [f"cache = ({names[0]},)" if names else "cache = ()"]
    )
    outputs = forward.outputs[0] if len(forward.outputs) == 1 else f"({', '.join(forward.outputs)})"
    wanted = list(dict.fromkeys([*forward.sizes, *sizes]))
    read = size_lines(wanted, [(i.name, i.dims) for i in module.inputs], module.sizes)
    body = [*checked(module), *read, *forward.body, *cache, f"return {outputs}, cache"]
    return render("forward", module.parameters, forward.doc, body)


def _frontier(
    g: Graph, module: Module, results: Sequence[Node], gradients: Sequence[Node]
) -> tuple[list[Node], list[Input]]:
    """What backward needs of what forward has: computed nodes, and inputs of the module."""
    computed = {n for n in live(results) if n.op not in LEAVES | CLEAR}
    inputs = {g.input(i.symbol, i.dims): i for i in module.inputs}
    order = list(live(gradients, lambda n: () if n in computed else n.args))
    kept = [n for n in order if n in computed]
    return kept, [inputs[n] for n in order if n in inputs]


def _forward(
    module: Module,
    problem: Problem,
    loss: Loss,
    g: Graph,
    results: Sequence[Node],
    named: Mapping[str, Node],
    kept: Sequence[Node],
) -> tuple[_Open, dict[Node, str]]:
    writer, namer = writer_for(module, g), Namer(module.taken)
    labels = _output_names(problem, loss)
    bodies = {d.name: d.term for d in problem.definitions}
    program, names = lay_out(
        writer,
        namer,
        list(zip(labels, results, strict=True)),
        definitions=named,
        given=given_inputs(g, module.inputs),
        keep=kept,
    )
    module.note(program)
    doc = [
        f"{problem.objective_name} = {plain(str(problem.objective))}: what the loss is of, and a cache for backward.",
        "",
        *(f"{label} = {plain(str(bodies.get(label, t)))}" for label, t in zip(labels, loss.outputs, strict=True)),
    ]
    return _Open(tuple(doc), tuple(body_lines(module, program)), program.outputs, program.sizes), names


def _output_names(problem: Problem, loss: Loss) -> list[str]:
    by_body = {expanded(d.term, {e.name: e.term for e in problem.definitions}): d.name for d in problem.definitions}
    single = len(loss.outputs) == 1
    return [by_body.get(t, "output" if single else f"output_{k}") for k, t in enumerate(loss.outputs, 1)]


def _backward(
    module: Module,
    problem: Problem,
    loss: Loss,
    g: Graph,
    names: Sequence[str],
    gradients: Sequence[Node],
    named: Mapping[str, Node],
    cached: Sequence[tuple[str, Node]],
) -> tuple[list[str], Function]:
    """The names of the sizes that the cache must hold besides arrays, and the function."""
    given = {node: name for name, node in cached} | given_inputs(g, loss.inputs)
    namer = Namer(module.taken | set(given.values()) | {"cache", "upstream"})
    labels = ["grad"] if len(names) == 1 else [f"grad_{n}" for n in names]
    program, _ = lay_out(
        writer_for(module, g), namer, list(zip(labels, gradients, strict=True)), definitions=named, given=given
    )
    module.note(program)
    arrays = [(name, node.dims) for name, node in cached]
    shapes = [d for i in loss.inputs for d in i.dims]
    wanted = list(dict.fromkeys([*program.sizes, *(n for d in shapes for n in d.names())]))
    missing = [n for n in wanted if not _readable(n, arrays, module)]
    unpacked = [*(name for name, _ in cached), *(module.sizes[n] for n in missing)]
    body = bracketed("(", unpacked, ") = cache") if unpacked else []
    body = [f"{', '.join(unpacked)} = cache"] if len(body) == 1 and len(unpacked) > 1 else body
    body = [f"({unpacked[0]},) = cache"] if len(unpacked) == 1 else body
    own = [i.name for i in loss.inputs]
    if own != ["upstream"]:
        body.insert(0, f"{', '.join(own)} = upstream")  # before an argument of this name is unpacked
    body += size_lines([n for n in wanted if n not in missing], arrays, module.sizes)
    body += _upstream_lines(module, loss)
    body += body_lines(module, program)
    body += assigned("return ", ", ".join(program.outputs))
    what = ", ".join(loss.gradients)
    doc = [
        f"The gradient of {problem.objective_name} by {', '.join(names)} from upstream = {what}.",
    ]
    cost = leading(program.operations)
    doc += ["", f"Takes about {cost} operations."] if any(c.isalpha() for c in cost) else []
    return missing, render("backward", ["upstream", "cache"], doc, body)


def _readable(name: str, arrays: Sequence[tuple[str, Dims]], module: Module) -> bool:
    try:
        size_lines([name], arrays, module.sizes)
    except CannotDerive:
        return False
    return True


def _upstream_lines(module: Module, loss: Loss) -> list[str]:
    out = []
    for i in loss.inputs:
        shape = shape_text(i.dims, module.sizes) if i.dims else "()"
        out.append(as_array(i.name, i.dims, module.np, module.real))
        out.append(f"if {i.name}.shape != {shape}:")
        out.append(f'    raise {module.names["misfit"]}("{i.name}", f"shape {{{shape}}}", {i.name})')
    return out


def _linear_value(module: Module, loss: Loss, doc: Sequence[str], extra: Sequence[Input]) -> Function:
    made = function(module, module.names["linear_value"], doc, [("value", loss.objective)], lambda s: s[0], extra)
    names = [i.name for i in extra]
    upstream = names[0] if len(names) == 1 else Namer([*module.taken, *module.parameters]).exact("upstream")
    unpack = [] if len(names) == 1 else [f"    {', '.join(names)} = {upstream}"]
    parameters = f"({', '.join([upstream, *module.parameters])}):"
    rest = made.lines[made.lines.index(next(line for line in made.lines if line.endswith(":"))) + 1 :]
    return Function(made.name, (f"def {made.name}{parameters}", rest[0], *unpack, *rest[1:]))
