"""A derivation with families, sums over an index or recurrences as a stand-alone NumPy module.

``value`` runs the program, ``value_and_grad`` the program and then the cotangents' recurrences; where the loss is
opaque, ``forward`` and ``backward`` do so in two parts, with a cache between them.

Invariants: as in ``emit``; the functions compute only what their results need; backward reads its cache and upstream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matcalc.code.derived import Derived
from matcalc.code.functions import Function, checked, render
from matcalc.code.inputs import as_array
from matcalc.code.loop_check import check_of_loops
from matcalc.code.loop_copies import Held, held, held_name, held_stores, held_variable
from matcalc.code.loop_losses import Heard, Output
from matcalc.code.loop_program import Plan, Result, merged, needed, plan_of, reads, targets
from matcalc.code.loop_shapes import argument_lines
from matcalc.code.loop_text import gradient_lines, header, lines_of, said, where
from matcalc.code.loops import Lines
from matcalc.code.modules import rendered
from matcalc.code.names import Namer
from matcalc.code.nodes import dims_of
from matcalc.code.second import gradients_before, hessian_times
from matcalc.code.stores import Store
from matcalc.code.text import assigned, bracketed, plain, used_names
from matcalc.errors import CannotDerive
from matcalc.language import terms as T
from matcalc.language.dims import Dim, dim
from matcalc.language.problem import Block, Boundary, Definition, Problem, Statement
from matcalc.language.terms import Term

__all__ = ["emit_loops", "has_families"]


def has_families(problem: Problem) -> bool:
    """Whether a problem has families or blocks."""
    blocks = any(not isinstance(s, Definition) for s in problem.statements)
    return blocks or any(s.index is not None for s in problem.symbols.values())


def emit_loops(derivation: Derived) -> str:
    """The source of the module. Raises CannotDerive where something has no code."""
    for n in derivation.answers:
        if n not in derivation.problem.symbols:
            raise CannotDerive(f"there is no code for the derivative by the definition {n}: it is not an input")
    plan = plan_of(derivation)
    writing = _Writing(plan, tuple(gradient_lines(derivation)), list(derivation.answers))
    m, kind, gradients = plan.module, "gradient", None
    if plan.heard is not None:
        functions = writing.with_loss(plan.heard)
    elif derivation.order == 2:
        kind, gradients = "hessian", gradients_before(derivation)
        functions = writing.with_hessian(gradients)
    elif not plan.problem.objective.is_scalar:
        kind = "jacobian"
        functions = writing.with_jacobian()
    else:
        functions = writing.with_value()
    told = plan.heard
    copies = held(plan.program, plan.problem.objective) if told is None else held(told.linear_program, told.linear)
    if copies is not None:
        functions.append(writing.held_function(copies))
    check = check_of_loops(
        m,
        plan.problem,
        plan.arguments,
        writing.names,
        told,
        plan.least,
        kind,
        gradients is not None,
        derivation.layout,
        derivation.structure,
        copies is not None,
    )
    text = header(derivation, plan.program, plan.arguments, m.functions)
    return rendered(m, functions, text, check, argument_lines(m, plan.arguments, plan.lengths, plan.least))


@dataclass(frozen=True, slots=True)
class _Writing:
    """The making of the functions of one module."""

    plan: Plan
    formulas: tuple[str, ...]  # of the backward pass and the gradients, for docstrings
    names: Sequence[str]  # by which there are gradients

    # -------------------------------------------------------------------------------------- parts
    def lines(self, *more: str) -> Lines:
        """Lines of a new function; ``more`` are names that it must not use."""
        plan = self.plan
        given = {i.symbol: i.name for i in plan.arguments.inputs}
        namer = Namer(plan.module.taken | {s.variable for s in plan.stores.values()} | set(more))
        return Lines(plan.module, dict(plan.stores), given, namer, plan.problem.facts)

    def returned(self, w: Lines, first: Sequence[tuple[str, Term]] = ()) -> list[str]:
        """The expressions of some terms and of the gradients; loops that fill families stand before them."""
        plan = self.plan
        together = {r: w.everything(r.family, r.statements) for r in plan.results if r.term is None}
        terms: dict[Result, Term | None] = {}
        for r in plan.results:
            whole = together.get(r)
            terms[r] = r.term if whole is None else whole.term
        families = [r for r, t in terms.items() if t is None]
        for r in families:
            w.start(r.family, r.statements, plan.arguments.stores[r.variable])
        w.run(merged(s for r in families for s in r.statements))
        w.namer.taken -= {w.stores[r.family].variable for r, t in terms.items() if r.family and t is not None}
        sources = iter(w.expressions([*first, *((r.label, t) for r, t in terms.items() if t is not None)]))
        out = [next(sources) for _ in first]
        for r, t in terms.items():
            source = w.stores[r.family].variable if t is None else next(sources)
            whole = together.get(r)
            out.append(source if whole is None else whole.shaped(source, w.size))
        return out

    def closed(self, *lines: str) -> list[str]:
        """The body of a function of all arguments."""
        sizes = self.plan.module.sizes
        wanted = [n for n in self.sizes_in(lines) if n not in self.plan.arguments.counts]
        return [*checked(self.plan.module), *self.plan.arguments.size_lines(wanted, sizes), *lines]

    def sizes_in(self, lines: Sequence[str]) -> list[str]:
        """The sizes that lines use, in order."""
        by_name = {v: k for k, v in self.plan.module.sizes.items()}
        return [by_name[n] for n in used_names(by_name, lines)]

    # ---------------------------------------------------------------------------- more derivatives
    def computing(
        self, name: str, doc: Sequence[str], wanted: Sequence[tuple[str, Term]], text: str, direction: str = ""
    ) -> Function:
        """A function of terms: ``text`` is what it returns, ``direction`` the variable in whose shape one more is."""
        w = self.lines(*(["v"] if direction else []))
        head: list[str] = []
        extra: list[str] = []
        if direction:
            symbol = self.plan.problem.variable(direction)
            (parameter,) = [i for i in self.plan.arguments.inputs if i.symbol == direction]
            v = Namer(self.plan.module.taken).exact("v")
            w.symbols["v"] = v
            misfit = f'{self.plan.module.names["misfit"]}("{v}", f"shape {{{parameter.name}.shape}}", {v})'
            head = [as_array(v, dims_of(*symbol.shape), self.plan.module.np, self.plan.module.real)]
            head += [f"if {v}.shape != {parameter.name}.shape:", f"    raise {misfit}"]
            extra = [v]
        w.run(needed(self.plan.program, {n for _, t in wanted for n in t.free}))
        sources = w.expressions(wanted)
        lines = [*head, *w.lines, *assigned("return ", text.format(*sources))]
        module = self.plan.module
        parameters = module.parameters if extra else module.parameters_of(lines)
        return render(name, [*parameters, *extra], doc, self.closed(*lines))

    def derivatives(self) -> dict[str, Term]:
        """The answers, none of which is a family."""
        out: dict[str, Term] = {}
        for r in self.plan.results:
            if r.term is None:
                raise CannotDerive(f"there is no code for the Jacobian or Hessian by the family {r.variable}")
            out[r.variable] = r.term
        return out

    def labelled(self, letter: str, terms: Mapping[str, Term]) -> list[tuple[str, Term]]:
        return [(letter if len(terms) == 1 else f"{letter}_{n}", t) for n, t in terms.items()]

    def with_jacobian(self) -> list[Function]:
        problem = self.plan.problem
        name, objective = problem.objective_name, problem.objective
        doc = [*lines_of(needed(self.plan.program, objective.free)), f"{name} = {plain(str(objective))}"]
        out = [self.computing("forward", doc, [("output", objective)], "{}")]
        terms = self.derivatives()
        doc = [f"The Jacobian of {name} by {', '.join(terms)}.", "", *self.formulas]
        return [*out, self.computing("jacobian", doc, self.labelled("J", terms), ", ".join(["{}"] * len(terms)))]

    def with_hessian(self, gradients: Mapping[str, Term] | None) -> list[Function]:
        problem = self.plan.problem
        name, objective = problem.objective_name, problem.objective
        doc = [*lines_of(needed(self.plan.program, objective.free)), f"{name} = {plain(str(objective))}"]
        out = [self.computing("value", doc, [("value", objective)], "{}")]
        terms = self.derivatives()
        by = ", ".join(terms)
        if gradients is not None:
            labels = [("value", objective), *self.labelled("grad", gradients)]
            text = "{}, {}" if len(gradients) == 1 else f"{{}}, ({', '.join(['{}'] * len(gradients))})"
            doc = [f"{name} and its gradient by {by}.", ""]
            doc += [f"grad({name}, {n}) = {plain(str(t))}" for n, t in gradients.items()]
            out.append(self.computing("value_and_grad", doc, labels, text))
        doc = [f"The Hessian of {name} by {by}.", "", *self.formulas]
        out.append(self.computing("hessian", doc, self.labelled("H", terms), ", ".join(["{}"] * len(terms))))
        if len(terms) == 1:
            ((n, hessian),) = terms.items()
            shape = problem.variable(n).shape
            product = hessian_times(hessian, T.symbol("v", *shape))
            doc = [f"The Hessian of {name} by {n} times v."]
            out.append(self.computing("hessian_vector_product", doc, [("product", product)], "{}", n))
        return out

    # ----------------------------------------------------------------------------- value, gradient
    def with_value(self) -> list[Function]:
        problem, module = self.plan.problem, self.plan.module
        name, objective = problem.objective_name, problem.objective
        own = needed(self.plan.program, objective.free)
        w = self.lines()
        w.run(own)
        value = w.expression(objective)
        doc = [*lines_of(own), f"{name} = {plain(str(objective))}"]
        lines = [*w.lines, *assigned("return ", value)]
        out = [render("value", module.parameters_of(lines), doc, self.closed(*lines))]
        wanted = objective.free.union(*(r.reads for r in self.plan.results))
        w = self.lines()
        w.run(needed((*self.plan.program, *self.plan.back), wanted))
        value, *gradients = self.returned(w, [("value", objective)])
        text = gradients[0] if len(gradients) == 1 else f"({', '.join(gradients)})"
        if len(value) + len(text) > 80:
            w.put(*bracketed("gradients = (", gradients, ")"))
            text = "gradients"
        doc = [f"{name} and its gradient by {', '.join(self.names)}.", "", *self.formulas]
        lines = [*w.lines, *assigned("return ", f"{value}, {text}")]
        return [*out, render("value_and_grad", module.parameters_of(lines), doc, self.closed(*lines))]

    # ---------------------------------------------------------------------------- forward, backward
    def with_loss(self, told: Heard) -> list[Function]:
        plan, sizes = self.plan, self.plan.module.sizes
        behind = needed(plan.back, {n for r in plan.results for n in r.reads})
        wanted = reads(behind).union(*(r.reads for r in plan.results), *(o.argument.free for o in told.outputs))
        ahead = needed(plan.program, wanted)
        forward = self.lines("cache")
        forward.run(ahead)
        outputs = [self.output(forward, o) for o in told.outputs]
        backward = self.lines("cache", "upstream", *(o.variable for o in told.outputs), *forward.symbols.values())
        backward.symbols |= {**forward.symbols, **{o.name: o.variable for o in told.outputs}}
        backward.made |= set(targets(ahead))
        checks = [line for o in told.outputs for line in self.upstream_lines(backward, o)]
        backward.run(behind)
        gradients = ", ".join(self.returned(backward))
        lines = [*checks, *backward.lines, *assigned("return ", gradients)]
        computed = [plan.stores[n].variable for n in targets(ahead)]
        computed += [forward.symbols[s.name] for s in ahead if isinstance(s, Definition)]
        arrays = [i.name for i in plan.arguments.inputs if i.symbol not in plan.arguments.counts]
        cached = used_names([*computed, *arrays, *(g.name for g in plan.module.functions)], lines)
        used = self.sizes_in(lines)
        missing = [n for n in used if not plan.arguments.readable(n, sizes, cached)]
        read = plan.arguments.size_lines([n for n in used if n not in missing], sizes, cached)
        cached += [sizes[n] for n in missing]
        out = [self.forward_function(forward, outputs, cached, ahead, told)]
        out.append(self.backward_function([*read, *lines], cached, told))
        return out if told.plain else [*out, self.linear_function(told)]

    def output(self, w: Lines, o: Output) -> str:
        """The expression of what a loss is of."""
        store = o.store
        if store is None:
            return w.expression(o.argument)
        variable = w.namer.exact(o.label)
        w.stores[o.label] = Store(o.label, variable, store.low, store.high, store.index, store.shape)
        target = T.element(o.label, dim(store.index), o.argument.shape)
        w.run([Block(store.index, store.low, store.high, (Boundary(target, o.argument),))])
        return variable

    def upstream_lines(self, w: Lines, o: Output) -> list[str]:
        """The check of what comes from upstream."""
        dims: tuple[Dim, ...] = tuple(d for d in o.argument.shape if d.value != 1)
        dims = dims if o.store is None else o.store.dims
        shape = f"({', '.join(w.size(d) for d in dims)}{',' if len(dims) == 1 else ''})"
        m = self.plan.module
        return [
            as_array(o.variable, dims, m.np, m.real),
            f"if {o.variable}.shape != {shape}:",
            f'    raise {m.names["misfit"]}("{o.variable}", f"shape {{{shape}}}", {o.variable})',
        ]

    def forward_function(
        self, w: Lines, outputs: Sequence[str], cached: Sequence[str], ahead: Sequence[Statement], told: Heard
    ) -> Function:
        problem = self.plan.problem
        formula = f"{problem.objective_name} = {plain(str(problem.objective))}"
        doc = [f"{formula}: what the loss is of, and a cache for backward.", "", *lines_of(ahead)]
        doc += [f"{o.label} = {said(o)}" for o in told.outputs]
        cache = bracketed("cache = (", cached, ")")
        if len(cached) < 2:
            cache = [f"cache = ({cached[0]},)" if cached else "cache = ()"]
        result = outputs[0] if len(outputs) == 1 else f"({', '.join(outputs)})"
        lines = [*w.lines, *cache, f"return {result}, cache"]
        return render("forward", self.plan.module.parameters_of(lines), doc, self.closed(*lines))

    def backward_function(self, lines: Sequence[str], cached: Sequence[str], told: Heard) -> Function:
        unpack = bracketed("(", cached, ") = cache") if cached else []
        if len(unpack) == 1:
            unpack = [f"({cached[0]},) = cache" if len(cached) == 1 else f"{', '.join(cached)} = cache"]
        names = [o.variable for o in told.outputs]
        body = [f"{', '.join(names)} = upstream"] if names != ["upstream"] else []  # before an argument is called so
        body += [*unpack, *lines]
        what = ", ".join(f"{plain(str(o.gradient))}{where(o)}" for o in told.outputs)
        by = ", ".join(self.names)
        doc = [f"The gradient of {self.plan.problem.objective_name} by {by} from upstream = {what}.", ""]
        return render("backward", ["upstream", "cache"], [*doc, *self.formulas], body)

    def held_function(self, copies: Held) -> Function:
        """The objective for the check, with constant copies of arguments that are given first."""
        m, told = self.plan.module, self.plan.heard
        given = Namer(m.taken).exact("given")
        names = [o.variable for o in told.outputs] if told is not None else []
        own = {p: held_variable(p) for p in m.parameters}
        w = self.lines(given, *names, *own.values())
        w.stores |= held_stores(w.stores)
        w.symbols |= {held_name(i.symbol): own[i.name] for i in self.plan.arguments.inputs}
        w.symbols |= {o.name: o.variable for o in (told.outputs if told is not None else ())}
        w.run(copies.before)
        w.run(needed(copies.program, copies.objective.free))
        value = w.expression(copies.objective)
        doc = [f"{self.plan.problem.objective_name} with constant copies of the arguments given: for the check."]
        lines = [*w.lines, *assigned("return ", value)]
        used = used_names([*own.values()], lines)
        unpack = [f"{', '.join(own.values())} = {m.names['arrays']}(*{given})"] if used else []
        body = [*unpack, *self.closed(*lines)]
        return render(m.names["held"], [given, *names, *m.parameters], doc, body)

    def linear_function(self, told: Heard) -> Function:
        """The objective for the check: with a loss that is linear."""
        m = self.plan.module
        names = [o.variable for o in told.outputs]
        upstream = names[0] if len(names) == 1 else Namer(m.taken).exact("upstream")
        w = self.lines(upstream, *names)
        w.symbols |= {o.name: o.variable for o in told.outputs}
        w.run(needed(told.linear_program, told.linear.free))
        value = w.expression(told.linear)
        unpack = [] if len(names) == 1 else [f"{', '.join(names)} = {upstream}"]
        doc = ["The objective with a loss that is linear in what it is of: for the check."]
        body = [*unpack, *self.closed(*w.lines, *assigned("return ", value))]
        return render(m.names["linear_value"], [upstream, *m.parameters], doc, body)
