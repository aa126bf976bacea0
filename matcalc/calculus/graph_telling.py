"""Method ``graph``: the named nodes in reverse order, each with its children and what comes back along each edge.

The local derivative of an edge is the differential of the child with everything but the parent held constant.  Paired
with the child's cotangent and read off it is what the edge contributes; the sum of the contributions is the parent's
cotangent, which gets a name (``G_Y`` for ``grad(L, Y)``), so that everything that is written down grows with the number
of edges, never with the number of paths.

Invariant: cotangents are in an order in which they can be computed; every contribution is what the steps lead to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from matcalc.calculus.adjoint import paired
from matcalc.calculus.arithmetic import is_zero
from matcalc.calculus.chain_moves import Backward
from matcalc.calculus.copies import one_at_a_time, released
from matcalc.calculus.differential import Tables
from matcalc.calculus.graph import Graph, Node, graph_of
from matcalc.calculus.methods import Question, linear_form, presented, started
from matcalc.calculus.moves import move
from matcalc.calculus.passes import Lines, Pass
from matcalc.errors import CannotDerive
from matcalc.language import terms
from matcalc.language.problem import Definition, Problem
from matcalc.language.terms import Term
from matcalc.rewriting.cost import cost
from matcalc.rewriting.engine import Setting
from matcalc.rewriting.steps import Step

__all__ = ["through_graph"]

SHORTER = 0.5  # of cost: what a formula must gain to be written without the names of cotangents
Finish = Callable[[str, Step], tuple[Step, ...]]  # the last lines of a variable: conventions, layout


@dataclass(frozen=True, slots=True)
class _Contribution:
    """What comes back along one edge: its short derivation and where it leads."""

    child: Node
    steps: tuple[Step, ...]
    term: Term
    use: int = 0  # of several uses in one child, from 1; 0: the only one


def through_graph(
    problem: Problem, names: Sequence[str], book: Tables, finish: Finish
) -> tuple[dict[str, tuple[Step, ...]], Pass]:
    """The lines of every variable, and the cotangents of the nodes between them and the objective."""
    return _Telling(problem, names, book).told(finish)


class _Telling:
    """The nodes of one graph, told one after the other."""

    def __init__(self, problem: Problem, names: Sequence[str], book: Tables) -> None:
        self.problem = problem
        self.names = names
        self.book = book
        whole = graph_of(problem)
        self.graph: Graph = whole.active(names)
        self.paths = self.graph.paths()
        self.bodies = {d.name: d.term for d in problem.definitions}
        taken = {*whole.nodes, *problem.functions, *problem.formulas}
        taken |= {n for s in problem.symbols.values() for d in s.shape for n in d.names()}
        self.weights = {n: _free(f"G_{n}", taken) for n in self.graph.nodes}
        self.lines: list[Lines] = []
        self.statements: list[Definition] = []

    def told(self, finish: Finish) -> tuple[dict[str, tuple[Step, ...]], Pass]:
        own: dict[str, tuple[Step, ...]] = {}
        for node in self.graph.backward[1:]:
            if node.kind == "input" and node.name not in self.names:
                continue
            steps = self.shorter(node, self.node(node))
            is_used = node.kind == "defined" and any(n != node.name for n in self.names)
            if node.name in self.names:
                own[node.name] = (*steps, *finish(node.name, steps[-1]))
            if node.name not in self.names or is_used:
                if node.name not in self.names:
                    self.lines.append(self._lines(f"grad({self.label}, {node.name})", steps, node))
                self.statements.append(Definition(self.weights[node.name], steps[-1].after))
        ordered = {n: own[n] for n in self.names if n in own}
        statements = self.used([steps[-1].after for steps in own.values()])
        setting = self.setting(frozenset(self.names))
        defined = {s.name for s in statements}
        named = {n: w for n, w in self.weights.items() if w in defined}
        back = Pass(
            statements=statements,
            program=self.problem.statements,
            introduced=0,
            checking=tuple(self.statements),
            lines=tuple(self.lines),
            setting=setting,
            local=True,
            cotangents=named,
        )
        return ordered, back

    @property
    def label(self) -> str:
        return self.problem.objective_name

    def setting(self, varying: frozenset[str]) -> Backward:
        """For presentation and replay: every definition is known."""
        return Backward(self.problem.facts, varying, self.bodies)

    def _lines(self, label: str, steps: Sequence[Step], node: Node) -> Lines:
        setting = self.setting(frozenset((node.name,)))
        return Lines(label, steps[-1].after, tuple(steps), setting=setting, local=node.name)

    # ------------------------------------------------------------------------------ nodes
    def node(self, node: Node) -> tuple[Step, ...]:
        """The lines that end in a node's cotangent. The edges of a node with several are lines of their own."""
        found = [c for child in self.graph.children(node.name) for c in self.edges(child, node)]
        label = f"grad({self.label}, {node.name})"
        if len(found) == 1:
            return tuple(self.only_child(found[0], node, label))
        for c in found:
            self.lines.append(self._lines(self.through(c, node), c.steps, node))
        total = terms.add(*(c.term for c in found))
        made = move("sum-contributions", total, Setting(), label=label, reason=self.reason(found, node), level=1)
        assert made is not None
        q = self.question(node)
        return (made, *presented(q, made, label))

    def shorter(self, node: Node, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        """With the children's cotangents put in, where that is shorter: ``P - Y`` behind softmax and cross-entropy."""
        last = steps[-1]
        bodies = {s.name: s.term for s in self.statements if s.name in last.after.free}
        if not bodies:
            return steps
        made = move("put-back", last.after, Setting(), given=bodies, label=last.label, level=1)
        assert made is not None
        more = (made, *presented(self.question(node), made, last.label))
        return (*steps, *more) if cost(more[-1].after) < cost(last.after) - SHORTER else steps

    def used(self, answers: Sequence[Term]) -> tuple[Definition, ...]:
        """The cotangents that the answers are written with, in the order in which they are computed."""
        names = {n for t in answers for n in t.free}
        kept = []
        for s in reversed(self.statements):
            if s.name in names:
                kept.append(s)
                names |= s.term.free
        return tuple(reversed(kept))

    def only_child(self, c: _Contribution, node: Node, label: str) -> Iterator[Step]:
        for s in c.steps:
            if s.rule == "through":
                s = replace(s, reason=f"{s.reason}; {self.reason([c], node)}")
            yield replace(s, label=label) if s.label == self.through(c, node) else s

    def reason(self, found: Sequence[_Contribution], node: Node) -> str:
        children = list(dict.fromkeys(c.child.name for c in found))
        uses = len(found) > len(children)
        n = self.paths[node.name] if not uses else sum(self.paths[c.child.name] for c in found)
        paths = f"{n} path{'s' * (n > 1)} to {self.label}"
        named = " and ".join(filter(None, (", ".join(children[:-1]), children[-1])))
        told = f"the only child is {named}" if len(children) == 1 else f"the children are {named}"
        return f"{told}: {paths}" + ("; one use varies at a time, the others are held constant" if uses else "")

    def through(self, c: _Contribution, node: Node) -> str:
        use = f", use {c.use}" if c.use else ""
        return f"grad({self.label}, {node.name}) through {c.child.name}{use}"

    def question(self, node: Node) -> Question:
        """For presentation: the definitions are known."""
        return Question(
            self.label, self.problem.objective, node.symbol, self.setting(frozenset((node.name,))), self.book
        )

    # ------------------------------------------------------------------------------ edges
    def edges(self, child: Node, parent: Node) -> Iterator[_Contribution]:
        """What comes back from a child: along one edge, or along one for each use of an input."""
        assert child.body is not None
        bodies = one_at_a_time(child.body, parent.symbol) if parent.kind == "input" else [child.body]
        for i, body in enumerate(bodies, 1):
            yield self.edge(child, body, parent, i if len(bodies) > 1 else 0)

    def edge(self, child: Node, body: Term, parent: Node, use: int) -> _Contribution:
        """The local derivative of the child, paired with its cotangent and read off."""
        local = Setting(self.problem.facts, frozenset((parent.name,)), {})
        q = Question(child.name, body, parent.symbol, local, self.book)
        steps = [replace(started(q), reason=f"{parent.name} alone varies")]
        for made in linear_form(q, steps[-1].after):
            steps.append(made)
        if child.kind == "defined" and body.args:  # another name of the parent says nothing new
            steps += self.by_name(child, steps[-1])
        c = _Contribution(child, (), body, use)
        label = self.through(c, parent)
        steps.append(self.read(q, child, parent, steps[-1].after, label))
        shown = self.question(parent)
        steps += presented(shown, steps[-1], label)
        steps += released(shown, steps[-1], self.book)
        return replace(c, steps=tuple(steps), term=steps[-1].after)

    def by_name(self, child: Node, last: Step) -> list[Step]:
        """The child's own value in its derivative, as in ``d(p) = p.*d(s) - p*(p'*d(s))``."""
        assert child.body is not None
        made = move("by-name", last.after, Setting(), given={child.name: child.body}, label=last.label, level=1)
        return [made] if made is not None and made.after is not last.after else []

    def read(self, q: Question, child: Node, parent: Node, line: Term, label: str) -> Step:
        """From the local derivative to what it contributes, in one line."""
        parts: list[Step] = []
        name = self.weights[child.name]
        if child.kind != "objective" and not is_zero(line):
            weight = terms.symbol(name, *child.symbol.shape)
            made = move("weigh", line, q.setting, given={"g": weight}, label=label)
            assert made is not None
            parts.append(made)
        together = None if is_zero(line) else paired(parts[-1].after if parts else line, self.book, q.setting, label)
        if together is not None:
            parts.append(together)
        last = parts[-1].after if parts else line
        read = move("read-off", last, q.setting, given={"d": q.change}, label=label)
        if read is None:
            raise CannotDerive(f"the gradient by {parent.name} cannot be read off {last}")
        parts.append(read)
        reason = f"paired with {name}" if child.kind != "objective" else "read off"
        return Step("through", line, read.after, reason, label, substeps=tuple(parts))


def _free(name: str, taken: set[str]) -> str:
    """A name that is not taken yet, and now is."""
    found = next(n for n in (name, *(f"{name}_{i}" for i in range(1, len(taken) + 2))) if n not in taken)
    taken.add(found)
    return found
