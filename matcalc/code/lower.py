"""Terms to array nodes: one table row per operation, compared with the table of operations when it is imported.

A term is lowered three times.  The first time shows which inverses, factorizations and exponentials are needed, the
second which products and sums are computed anyway, the third uses them (:class:`~matcalc.code.nodes.Plan`), so that
value and gradients share their intermediates.

Invariants: every operation of the language has a row, if only one that refuses; a definition's name is replaced by its
node, so that code never depends on how the mathematics was cut into names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from matcalc.code import lower_functions as functions
from matcalc.code.lower_chains import Factor, chain, product_key
from matcalc.code.lower_entries import add, diag, diagvec, neg, prod
from matcalc.code.lower_picks import unit
from matcalc.code.lower_products import inverse, solved_with, unvec, vec
from matcalc.code.lower_sums import sum_of, trace, vdot
from matcalc.code.lower_views import transpose
from matcalc.code.nodes import Graph, Node, Plan, dims_of, live
from matcalc.code.opaque import Key, key_of
from matcalc.code.overflow import complement_of
from matcalc.code.ratios import ratio
from matcalc.code.rectified import rectified
from matcalc.errors import CannotDerive, MatcalcError
from matcalc.language.dims import SCALAR
from matcalc.language.elaborate import parse_expression
from matcalc.language.functions import FUNCTIONS
from matcalc.language.gathering import gathered_sums
from matcalc.language.ops import COLWISE, OPS, ROWWISE
from matcalc.language.terms import Term

__all__ = ["Scope", "lower_terms"]


@dataclass(slots=True)
class Scope:
    """What the names in terms mean: definitions by their bodies, facts of inputs, names of upstream gradients."""

    definitions: Mapping[str, Term] = field(default_factory=dict)
    facts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    upstream: Mapping[Term, str] = field(default_factory=dict)  # grad(...) term -> name of the input
    functions: Mapping[Key, str] = field(default_factory=dict)  # opaque functions -> their names in the source
    kept: frozenset[str] = frozenset()  # definitions whose matrices are formed, not merged into other products


@dataclass(slots=True)
class Lowering:
    """One pass over terms."""

    graph: Graph
    scope: Scope
    done: dict[Term, Node] = field(default_factory=dict)
    named: dict[str, Node] = field(default_factory=dict)  # nodes of definitions

    def lower(self, root: Term) -> Node:
        stack = [root]
        while stack:
            t = stack[-1]
            if t in self.done:
                stack.pop()
                continue
            needs = self._needs(t)
            todo = [a for a in needs if a not in self.done]
            if todo:
                stack.extend(reversed(todo))
                continue
            if t in self.scope.upstream:
                node = self.graph.input(self.scope.upstream[t], dims_of(*t.shape))
            elif t.op == "sym" and t.data in self.scope.definitions:
                node = self.done[self.scope.definitions[t.data]]
                if t.data in self.scope.kept and node.op == "prod" and node.is_matrix:
                    node = self.graph.node("kept", (node,), None, node.dims)
                self.named.setdefault(t.data, node)
            else:
                node = LOWER[t.op](self.graph, t, [self.done[a] for a in needs])
            self.done[t] = node
            stack.pop()
        return self.done[root]

    def _needs(self, t: Term) -> Sequence[Term]:
        if t in self.scope.upstream or t.op in REFUSED:
            return ()
        if t.op == "sym" and t.data in self.scope.definitions:
            return (self.scope.definitions[t.data],)
        return t.args


def lower_terms(terms: Iterable[Term], scope: Scope) -> tuple[Graph, list[Node], dict[str, Node]]:
    """The nodes of several terms in one graph, and the nodes of the definitions they use, by name."""
    wanted = [gathered_sums(t) for t in terms]
    scope = replace(scope, definitions={n: gathered_sums(t) for n, t in scope.definitions.items()})
    graph = Graph(scope.facts, scope.functions)
    for stage in range(3):
        lowering = Lowering(graph, scope)
        graph.built.clear()
        nodes = [lowering.lower(t) for t in wanted]
        if stage < 2:
            graph.plan = _plan(graph, nodes, products=stage > 0)
    return graph, nodes, lowering.named


# ---------------------------------------------------------------------------------------- the plan
CHAIN = frozenset(("matmul", "matvec", "dot", "solve", "cho_solve"))


def _plan(g: Graph, outputs: Sequence[Node], products: bool) -> Plan:
    """What a pass computes anyway; the products and sums only once the inverses are settled."""
    order = list(live(outputs))
    inverted = g.plan.inverted | {n for n in order if n.op == "inv"} | _often_solved(g, order)
    factored = g.plan.factored or _factored(g, order, inverted)
    exponentials = g.plan.exponentials | _exponentials(order)
    rectified = frozenset(n.args[0] for n in order if n.op == "fn" and n.data == "relu")
    complements = g.plan.complements | _complements(order, outputs)
    if not products:
        return Plan(
            inverted=inverted,
            factored=factored,
            exponentials=exponentials,
            rectified=rectified,
            complements=complements,
        )
    wanted = set(outputs)  # nodes that somebody other than a product uses
    for node in order:
        if node.op not in CHAIN and node.op not in ("transpose", "outer"):
            wanted.update(a.args[0] if a.op == "transpose" else a for a in node.args)
    wanted |= {o.args[0] for o in outputs if o.op == "transpose"}
    shared = [n for n in order if n in wanted and (n.op in CHAIN - {"dot"} or _is_scaled_matrix(n))]
    return Plan(
        ready={key: n for n in shared if (key := product_key(g, n)) is not None},
        computed=frozenset(shared),
        whole=frozenset(n for n in order if n.op == "add" and n.is_matrix),
        formed=frozenset(n for n in order if n.op == "prod" and n.is_matrix),
        inverted=inverted,
        factored=factored,
        exponentials=exponentials,
        rectified=rectified,
        complements=complements,
    )


def _complements(order: Sequence[Node], outputs: Sequence[Node]) -> set[Node]:
    """The sigmoids that only stand in ``1 - sigmoid(u)``, which is sigmoid(-u) to the last digit."""
    users: dict[Node, list[Node]] = {}
    for n in order:
        for a in n.args:
            users.setdefault(a, []).append(n)
    found = set()
    for s in order:
        if s.op == "fn" and s.data == "sigmoid" and s not in outputs:
            minus = users.get(s, [])
            sums = [x for n in minus for x in users.get(n, [])]
            alone = all(n.op == "prod" and n.data == (-1, 1) and len(n.args) == 1 for n in minus)
            if alone and sums and all(x.op == "add" and complement_of(x) is s for x in sums):
                found.add(s)
    return found


def _often_solved(g: Graph, order: Sequence[Node]) -> set[Node]:
    """Inverses that are cheaper than three solves with matrices on the right."""
    counts: dict[Node, int] = {}
    for n in order:
        if n.op == "solve" and n.is_matrix:
            a = n.args[0].args[0] if n.args[0].op == "transpose" else n.args[0]
            counts[a] = counts.get(a, 0) + 1
    return {g.node("inv", (a,), None, a.dims) for a, k in counts.items() if k > 2}


def _is_scaled_matrix(n: Node) -> bool:
    kinds = {a.op in ("bcol", "brow") for a in n.args if a.is_matrix}
    return n.op == "prod" and len(kinds) == 2


def _factored(g: Graph, order: Sequence[Node], inverted: frozenset[Node]) -> frozenset[Node]:
    """Positive definite matrices with two uses of a factorization or more: one Cholesky factor serves them all."""
    uses: dict[Node, int] = {}
    for n in order:
        if n.op in ("solve", "cho_solve", "logdet"):
            a = solved_with(n)
            uses[a] = uses.get(a, 0) + 1
    bases = {n.args[0] for n in inverted}
    # What is semidefinite by its form and has an inverse is definite.
    return frozenset(a for a, k in uses.items() if k > 1 and a not in bases and functions.is_posdef(g, a, False))


def _exponentials(order: Sequence[Node]) -> frozenset[tuple[Node, int | None]]:
    kinds: dict[tuple[Node, int | None], set[str]] = {}
    for n in order:
        if n.op in ("softmax", "logsumexp"):
            kinds.setdefault((n.args[0], n.data), set()).add(n.op)
    return frozenset(key for key, found in kinds.items() if len(found) == 2)


# ------------------------------------------------------------------------------------- the table
Row = Callable[[Graph, Term, Sequence[Node]], Node]


def _symbol(g: Graph, t: Term, args: Sequence[Node]) -> Node:
    node = g.input(t.data, dims_of(*t.shape))
    if node.is_matrix and "diagonal" in g.facts.get(t.data, ()):
        return diag(g, g.node("diagvec", (node,), None, (node.dims[0],)))
    return node


def _product(g: Graph, t: Term, args: Sequence[Node]) -> Node:
    scalars = [n for n, a in zip(args, t.args, strict=True) if a.is_scalar]
    factors = [Factor(n, *a.shape) for n, a in zip(args, t.args, strict=True) if not a.is_scalar]
    if not factors:
        return prod(g, 1, scalars)
    return prod(g, 1, [*scalars, chain(g, factors, factors[0].rows, factors[-1].cols)])


def _power(g: Graph, t: Term, args: Sequence[Node]) -> Node:
    return functions.power(g, *args) if args[0].is_scalar else functions.matrix_power(g, *args)


def _function(g: Graph, t: Term, args: Sequence[Node]) -> Node:
    name, order = t.data
    if name not in FUNCTIONS:
        return _applied(g, t, args)
    if order == 0:
        return functions.elementwise(g, name, args[0])
    if order > 1:
        raise CannotDerive(f"there is no code for the derivative of order {order} of {name} by name")
    return _entrywise(g, parse_expression(FUNCTIONS[name].derivative, {"t": SCALAR}), args[0])


def _entrywise(g: Graph, formula: Term, x: Node) -> Node:
    """A formula of the number t (a row's derivative) for every entry of an array."""
    ones = g.ones(x.dims)
    args = [_entrywise(g, a, x) for a in formula.args]
    if formula.op == "sym":
        return x
    if formula.op in ("num", "const"):
        return prod(g, 1, [LOWER[formula.op](g, formula, ()), ones])
    if formula.op == "add":
        return add(g, args)
    if formula.op in ("mul", "neg"):
        return prod(g, 1 if formula.op == "mul" else -1, args)
    if formula.op == "div":
        return prod(g, 1, args[:1], args[1:])
    if formula.op == "pow" and formula.args[1].op == "num":
        return functions.power(g, args[0], g.num(formula.args[1].data))
    if formula.op == "fn":
        return functions.elementwise(g, formula.data[0], args[0])
    raise CannotDerive(f"there is no code for {formula} entry by entry")


def _kron(g: Graph, t: Term, args: Sequence[Node]) -> Node:
    scalars: list[Node] = []
    arrays: list[tuple[Node, str]] = []
    for n, a in zip(args, t.args, strict=True):
        if n.is_scalar:
            scalars.append(n)
            continue
        r = ratio(n) if n.op == "prod" and len(n.args) == 1 else None
        if r is not None and r.numerators:
            scalars.append(g.num(r.coefficient))
            n = r.numerators[0]
        arrays.append((n, "matrix" if n.is_matrix else "column" if a.shape.is_vector else "row"))
    if not arrays:
        return prod(g, 1, scalars)
    nodes = [n for n, _ in arrays]
    node = nodes[0] if len(nodes) == 1 else g.node("kron", nodes, tuple(k for _, k in arrays), dims_of(*t.shape))
    return prod(g, 1, [*scalars, node])


def _softmax(g: Graph, t: Term, args: Sequence[Node]) -> Node:
    x = args[0]
    if t.data is None or not x.is_matrix:
        of_numbers = not x.dims or (t.data is not None and t.args[0].shape.is_vector == (t.data == ROWWISE))
        return g.ones(x.dims) if of_numbers else functions.softmax(g, x, None)
    return functions.softmax(g, x, AXES[t.data])


def _logsumexp(g: Graph, t: Term, args: Sequence[Node]) -> Node:
    x = args[0]
    if t.data is None or not x.is_matrix:
        of_numbers = not x.dims or (t.data is not None and t.args[0].shape.is_vector == (t.data == ROWWISE))
        return x if of_numbers else functions.logsumexp(g, x, None)
    return functions.logsumexp(g, x, AXES[t.data])


AXES = {ROWWISE: 1, COLWISE: 0}


def _norm1(g: Graph, t: Term, args: Sequence[Node]) -> Node:
    return sum_of(g, functions.elementwise(g, "abs", args[0]))


def _commutation(g: Graph, t: Term, args: Sequence[Node]) -> Node:
    if len(dims_of(*t.data)) < 2:
        return g.eye(t.shape.rows) if t.shape.rows.value != 1 else g.num(1)
    return g.node("commutation", (), t.data, dims_of(*t.shape))


def _diagonal(build: Callable[[Graph, Node], Node]) -> Row:
    return lambda g, t, a: build(g, a[0]) if a[0].dims else a[0]


def _refuse(what: str) -> Row:
    def row(g: Graph, t: Term, args: Sequence[Node]) -> Node:
        raise CannotDerive(f"there is no NumPy code for {what} yet: {t}")

    return row


def _applied(g: Graph, t: Term, args: Sequence[Node]) -> Node:
    """An opaque function that is an argument of the code; entry by entry, repeated rows and columns stay repeated."""
    name = g.functions.get(key_of(t))
    if name is None:
        raise CannotDerive(f"there is no NumPy code for the opaque function in {t}")
    if t.op == "fn":
        return functions.entrywise(g, lambda x: g.node("apply", (x,), (name, t.op, t.data), x.dims), args[0])
    return g.node("apply", args, (name, t.op, t.data), dims_of(*t.shape))


REFUSED: dict[str, str] = {
    "elem": "members of families",
    "d": "differentials",
    "sumover": "sums over an index",
    "prod": "products over an index",
    "stack": "stacked families",
}

LOWER: dict[str, Row] = {
    "num": lambda g, t, a: g.num(t.data),
    "const": lambda g, t, a: g.node("const", (), t.data, ()),
    "size": lambda g, t, a: g.size(t.data),
    "sym": _symbol,
    "eye": lambda g, t, a: g.eye(t.data),
    "ones": lambda g, t, a: g.ones(dims_of(*t.shape)),
    "zeros": lambda g, t, a: g.zeros(dims_of(*t.shape)),
    "unit": lambda g, t, a: unit(g, *t.data),
    "commutation": _commutation,
    "add": lambda g, t, a: rectified(g, add(g, a)),
    "neg": lambda g, t, a: neg(g, a[0]),
    "mul": _product,
    "div": lambda g, t, a: prod(g, 1, [a[0]], [a[1]]),
    "had": lambda g, t, a: prod(g, 1, a),
    "hdiv": lambda g, t, a: prod(g, 1, [a[0], g.ones(a[1].dims)], [a[1]]),
    "pow": _power,
    "hpow": lambda g, t, a: functions.power(g, *a),
    "kron": _kron,
    "inner": lambda g, t, a: vdot(g, *a),
    "transpose": lambda g, t, a: transpose(g, a[0]),
    "inv": lambda g, t, a: inverse(g, a[0]),
    "det": lambda g, t, a: functions.determinant(g, a[0]),
    "logdet": lambda g, t, a: functions.log_determinant(g, a[0]),
    "tr": lambda g, t, a: trace(g, a[0]),
    "sum": lambda g, t, a: sum_of(g, a[0]),
    "diag": _diagonal(diag),
    "diagvec": _diagonal(diagvec),
    "vec": lambda g, t, a: vec(g, a[0]),
    "unvec": lambda g, t, a: unvec(g, a[0], *t.data) if a[0].dims else a[0],
    "norm1": _norm1,
    "norm2": lambda g, t, a: functions.norm(g, a[0]),
    "normF": lambda g, t, a: functions.norm(g, a[0]),
    "softmax": _softmax,
    "logsumexp": _logsumexp,
    "fn": _function,
    "stop": lambda g, t, a: a[0],
    "call": _applied,
    "grad": _applied,
    "jac": _applied,
    "hess": _applied,
    **{op: _refuse(what) for op, what in REFUSED.items()},
}

if LOWER.keys() != OPS.keys():
    raise MatcalcError(f"operations and their lowerings differ: {sorted(LOWER.keys() ^ OPS.keys())}")
