"""Opaque losses: ``forward`` computes what the loss is of, ``backward`` turns the loss's gradient there into gradients.

A loss is an opaque scalar function whose value the gradients do not need; any other one is an argument of the code.

Invariant: backward uses what forward computed; the cache holds exactly what backward needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as replace_fields

from matcalc.code.functions import Function, Module, body_lines, checked, function, given_inputs, render, writer_for
from matcalc.code.inputs import as_array, is_readable, shape_text, size_lines
from matcalc.code.layout import CLEAR, LEAVES, lay_out
from matcalc.code.lower import lower_terms
from matcalc.code.names import Namer
from matcalc.code.nodes import Dims, Graph, Node, dims_of, live
from matcalc.code.program import Input
from matcalc.code.text import assigned, bracketed, leading, plain
from matcalc.language import terms as T
from matcalc.language.functions import FUNCTIONS
from matcalc.language.problem import Problem
from matcalc.language.terms import Term, replace, subterms

__all__ = ["Loss", "compared", "expanded", "find_loss", "loss_functions", "used_bodies", "values_in"]


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
    terms = [*answers.values(), *used_bodies(answers.values(), bodies)]
    wanted: dict[_Place, list[Term]] = {}
    for t in (s for term in terms for s in subterms(term) if s.op == "grad"):
        key = (t.data[0], t.data[1], tuple(compared(expanded(a, bodies)) for a in t.args))
        wanted.setdefault(key, []).append(t)
    scalar = [t for t in subterms(whole) if t.op == "call" and t.is_scalar] if problem.objective.is_scalar else []
    places = {(c.data[0], k, tuple(compared(a) for a in c.args)): (c, k) for c in scalar for k in range(len(c.args))}
    others = values_in(whole, terms) | {key[0] for key in wanted if key not in places}
    calls = [c for c in scalar if c.data[0] not in others]
    if not calls:
        return None
    found = [(c, k, wanted[key]) for key, (c, k) in places.items() if key in wanted and c in calls]
    if not found:  # the gradient is zero; it still goes back from what the loss is of
        names = set(answers)
        moving = [(c, k) for c, k in places.values() if c in calls and c.args[k].free & names]
        found = [(c, k, []) for c, k in moving or [(calls[0], 0)]]
    return _loss(problem, whole, calls, found)


_Place = tuple[str, int, tuple[Term, ...]]  # a function, the number of an argument, all arguments


def values_in(whole: Term | None, terms: Sequence[Term]) -> set[str]:
    """The opaque functions whose values or second derivatives other functions or copies in a term need, or terms."""
    every = () if whole is None else subterms(whole)
    applied = [c for c in every if c.op in ("call", "stop") or (c.op == "fn" and c.data[0] not in FUNCTIONS)]
    inside = [s for c in applied for a in c.args for s in subterms(a)]
    return {s.data[0] for s in (*inside, *(s for t in terms for s in subterms(t))) if s.op in ("call", "hess")}


def used_bodies(answers: Iterable[Term], bodies: Mapping[str, Term]) -> list[Term]:
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
        gradients=tuple(plain(str(terms[0] if terms else _gradient(c, k))) for c, k, terms in found),
        names=names,
        inputs=tuple(inputs),
        plain=whole.op == "call" and len(found) == 1,
        objective=replace(whole, stand_ins),
    )


def _gradient(c: Term, k: int) -> Term:
    """The gradient of an opaque function by one argument."""
    return T.make("grad", *c.args, data=(c.data[0], k))


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
    grads = list(answers.values())
    bodies = module.scope.definitions
    kept_names = frozenset(n for t in (*grads, *used_bodies(grads, bodies)) for n in t.free if n in bodies)
    symbols = {n: T.symbol(n, *bodies[n].shape) for n in bodies if n in kept_names}
    back = {expanded(s, bodies): s for s in symbols.values()}
    outputs = [replace(t, back) for t in loss.outputs]  # with what backward needs by name
    graph, nodes, named = lower_terms([*outputs, *grads], replace_fields(module.scope, kept=kept_names))
    results, gradients = nodes[: len(outputs)], nodes[len(outputs) :]
    kept, passed = _frontier(graph, module, results, gradients)
    late = _sized_by_functions(graph, module, results)
    held = [*kept, *(n for n in late if n not in kept)]
    forward, names = _forward(module, problem, loss, graph, results, named, held)
    cached = [(names[n], n) for n in kept] + [(i.name, graph.input(i.symbol, i.dims)) for i in passed]
    functions = _functions_behind(module, gradients, kept)
    sizes, backward = _backward(module, problem, loss, graph, list(answers), gradients, named, cached, functions)
    arrays = [(name, node.dims) for node, name in names.items() if node in late]
    made = [_closed(module, forward, [*(n for n, _ in cached), *functions], sizes, arrays), backward]
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


def _closed(
    module: Module,
    forward: _Open,
    arrays: Sequence[str],
    sizes: Sequence[str],
    made: Sequence[tuple[str, Dims]],
) -> Function:
    """The forward function; ``sizes`` are what backward cannot read from the cached arrays.

    ``made`` are the arrays that opaque functions made: some sizes are seen only there.
    """
    names = [*arrays, *(module.sizes[n] for n in sizes)]
    cache = (
        bracketed("cache = (", names, ")") if len(names) > 1 else [f"cache = ({names[0]},)" if names else "cache = ()"]
    )
    outputs = forward.outputs[0] if len(forward.outputs) == 1 else f"({', '.join(forward.outputs)})"
    late = [n for n in sizes if not module.has(n) and n not in forward.sizes and is_readable(n, made, module.sizes)]
    wanted = [n for n in dict.fromkeys([*forward.sizes, *sizes]) if n not in late]
    after = size_lines(late, made, module.sizes)
    body = [*module.read(wanted), *forward.body, *after, *cache, f"return {outputs}, cache"]
    return render("forward", module.parameters_of(body), forward.doc, [*checked(module), *body])


def _frontier(
    g: Graph, module: Module, results: Sequence[Node], gradients: Sequence[Node]
) -> tuple[list[Node], list[Input]]:
    """What backward needs of what forward has: computed nodes, and inputs of the module."""
    computed = {n for n in live(results) if n.op not in LEAVES | CLEAR}
    inputs = {g.input(i.symbol, i.dims): i for i in module.inputs}
    order = list(live(gradients, lambda n: () if n in computed else n.args))
    kept = [n for n in order if n in computed]
    return kept, [inputs[n] for n in order if n in inputs]


def _sized_by_functions(g: Graph, module: Module, results: Sequence[Node]) -> list[Node]:
    """The values of opaque functions with sizes that no argument has."""
    applied = [n for n in live(results) if n.op == "apply"]
    return [n for n in applied if any(not module.has(name) for d in n.dims for name in d.names())]


def _functions_behind(module: Module, gradients: Sequence[Node], kept: Sequence[Node]) -> list[str]:
    """The functions among the arguments that backward applies."""
    behind = live(gradients, lambda n: () if n in kept else n.args)
    applied = {n.data[0] for n in behind if n.op == "apply" and n not in kept}
    return [g.name for g in module.functions if g.name in applied]


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
    functions: Sequence[str],
) -> tuple[list[str], Function]:
    """The names of the sizes that the cache must hold besides arrays, and the function."""
    given = {node: name for name, node in cached} | given_inputs(g, loss.inputs)
    namer = Namer(module.taken | set(given.values()) | {"cache", "upstream", *functions})
    labels = ["grad"] if len(names) == 1 else [f"grad_{n}" for n in names]
    program, _ = lay_out(
        writer_for(module, g), namer, list(zip(labels, gradients, strict=True)), definitions=named, given=given
    )
    module.note(program)
    arrays = [(name, node.dims) for name, node in cached]
    shapes = [d for i in loss.inputs for d in i.dims]
    wanted = list(dict.fromkeys([*program.sizes, *(n for d in shapes for n in d.names())]))
    missing = [n for n in wanted if not is_readable(n, arrays, module.sizes)]
    unpacked = [*(name for name, _ in cached), *functions, *(module.sizes[n] for n in missing)]
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
