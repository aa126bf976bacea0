"""From array nodes to statements: what gets a name, in which order, and what stays inside an expression.

A node gets a name where it is used more than once, where the user named it, where it is an output, or where the line
would grow too long.  Everything else is written inline, which reads better and lets NumPy reuse temporary arrays.

Invariants: arguments come before their users; an output is never an input or a view of one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from matcalc.code.arithmetic import signed
from matcalc.code.lower_entries import prod
from matcalc.code.mathematics import formula
from matcalc.code.names import Namer
from matcalc.code.nodes import Graph, Node, live
from matcalc.code.program import Program, Statement, operations
from matcalc.code.ratios import ratio
from matcalc.code.source import in_place
from matcalc.code.writer import ATOM, Piece, Writer
from matcalc.language.dims import ZERO, Dim

__all__ = ["lay_out"]

WORD = re.compile(r"\w+")
WIDTH = 76  # longest expression on one line
LEAVES = frozenset(("input", "num", "const", "size"))
CLEAR = frozenset(("transpose", "bcol", "brow", "ones", "zeros", "eye", "diag"))  # views and structure: never named
VIEWS = frozenset(("input", "transpose", "vec", "unvec", "diagvec", "pick"))
FRESH = frozenset(("add", "prod", "matmul", "fn", "power", "solve", "kron"))  # what makes a new array
HINTS = {
    "softmax": "p", "logsumexp": "lse", "inv": "inverse", "norm": "norm", "max": "top", "sum": "total", "dot": "s",
    "vdot": "s", "trace": "t", "det": "det", "logdet": "logdet", "logdet_positive": "logdet", "cho_factor": "factor",
    "sumaxis": "s", "rowdot": "s", "solve": "u", "cho_solve": "u", "shifted": "e",
}  # fmt: skip
FUNCTION_HINTS = {"exp": "e", "tanh": "h", "relu": "h", "sigmoid": "s", "log": "l", "sqrt": "root", "step": "mask"}


@dataclass(slots=True)
class _Layout:
    writer: Writer
    namer: Namer
    names: dict[Node, str]
    uses: Mapping[Node, int]
    forced: Mapping[Node, str | None]  # nodes that must be named, with the wanted name
    statements: list[Statement] = field(default_factory=list)
    counted: set[Node] = field(default_factory=set)

    def visit(self, node: Node) -> None:
        if node in self.writer.pieces or node.op in CLEAR:
            return
        if node.op in LEAVES:
            self.writer.pieces[node] = self.writer.write(node)
            return
        diagonal = _diagonal_parts(node)
        if diagonal:
            self._update(node, diagonal)
            return
        piece = self.writer.write(node)
        while len(piece.text) > WIDTH and self._shorten(node):
            piece = self.writer.write(node)
        wanted = node in self.forced or (self.uses[node] > 1 and not _cheap(node))
        if node.is_matrix and (self._apply_in_place(node) or (wanted and self._subtract_in_place(node))):
            return
        if wanted:
            self.name(node, piece)
        else:
            self.writer.pieces[node] = piece

    def _is_fresh(self, a: Node) -> bool:
        """Whether an inline expression makes a new matrix that nobody else holds."""
        return a.is_matrix and a not in self.names and a.op in FRESH and a not in self.writer.cores

    def _apply_in_place(self, node: Node) -> bool:
        """``H = X @ W`` and ``np.tanh(H, out=H)``: no second matrix. Large arrays cost as much to get as to fill."""
        if node.op not in ("fn", "shifted") or not self._is_fresh(node.args[0]):
            return False
        call = in_place(self.writer, node)
        if call is None:
            return False
        self.name(node, self.writer.pieces[node.args[0]], (call,))
        return True

    def _subtract_in_place(self, node: Node) -> bool:
        """``X - U @ V.T`` into the product's own array; NumPy does so by itself only where the product comes first."""
        if node.op != "add" or len(node.args) != 2:
            return False
        for kept, other in (node.args, node.args[::-1]):
            minus, piece = signed(self.writer, other)
            whole = kept in self.names or kept.op == "input"
            if whole and minus and other.op == "prod" and len(other.args) == 1 and self._is_fresh(other.args[0]):
                call = f"{self.writer.np}.subtract({self.writer.of(kept).text}, {{0}}, out={{0}})"
                self.name(node, piece, (call,))
                return True
        return False

    def _shorten(self, node: Node) -> bool:
        """Name the longest inline argument of a node. False where there is none."""
        inline = [a for a in _reach(node) if a not in self.names and a.op not in LEAVES and a in self.writer.pieces]
        inline = [a for a in inline if len(self.writer.pieces[a].text) > 12]
        if not inline:
            return False
        longest = max(inline, key=lambda a: len(self.writer.pieces[a].text))
        self.name(longest, self.writer.pieces[longest])
        return True

    def name(self, node: Node, piece: Piece, updates: tuple[str, ...] = ()) -> None:
        wanted = self.forced.get(node)
        name = self.namer.exact(wanted) if wanted else self.namer.fresh(_hint(node, self.names))
        shown = formula(node, self.names, self.writer.cores)
        self.names[node] = name
        self.writer.pieces[node] = Piece(name)
        self.writer.named.add(node)
        lines = tuple(u.replace("{0}", name) for u in updates)
        self.statements.append(Statement(name, piece.text, node.dims, self._count(node), shown, lines))

    def _count(self, root: Node) -> Dim:
        """The operations of a statement: of its node and of everything inline that was not counted before."""
        total = ZERO
        for node in live([root], lambda n: () if n in self.counted else n.args):
            if node not in self.counted:
                self.counted.add(node)
                total = total + operations(node)
        return total

    def _update(self, node: Node, diagonal: Sequence[Node]) -> None:
        """Add to the diagonal of an array of our own, without building a diagonal matrix."""
        rest = [a for a in node.args if a not in diagonal]
        if len(rest) == 1:
            piece = self.writer.of(rest[0])
            if rest[0] in self.names or rest[0].op in LEAVES or rest[0].op in VIEWS:
                piece = Piece(f"{piece.at(ATOM)}.copy()")
        else:
            piece = self.writer.write(Node("add", tuple(rest), None, node.dims, -1))
        n = self.writer.dim(node.dims[0] + 1).text
        updates = []
        for d in diagonal:
            r = ratio(d)
            kind = next(a for a in r.numerators if a.op in ("eye", "diag"))
            factors = [a for a in r.numerators if a is not kind]
            inside = self._value(r.coefficient, [*factors, *kind.args], r.denominators)
            updates.append(f"{{0}}.flat[:: {n}] {inside}")
        self.name(node, piece, tuple(updates))

    def _value(self, c: Fraction, above: Sequence[Node], below: Sequence[Node]) -> str:
        node = prod(self.writer.graph, c, above, below)
        minus, piece = signed(self.writer, node)
        return f"{'-' if minus else '+'}= {piece.text}"


def _reach(node: Node) -> Iterable[Node]:
    """The nodes whose text stands in a node's expression: its arguments, and what is behind views and structure."""
    stack = list(reversed(node.args))
    while stack:
        a = stack.pop()
        yield a
        if a.op in CLEAR:
            stack += reversed(a.args)


def _diagonal_parts(node: Node) -> list[Node]:
    """The multiples of ``eye`` and ``diag`` in a matrix sum that has other terms."""
    if node.op != "add" or not node.is_matrix:
        return []
    found = [a for a in node.args if any(b.op in ("eye", "diag") for b in ratio(a).numerators)]
    return found if len(found) < len(node.args) else []


def _cheap(node: Node) -> bool:
    """Whether to write an expression twice rather than name it: a number made of one or two leaves."""
    return node.is_scalar and node.op == "prod" and len(node.args) <= 2 and all(a.op in LEAVES for a in node.args)


def _hint(node: Node, names: Mapping[Node, str]) -> str:
    """A short name an expert might choose: capital for a matrix, small for a vector or number."""
    if node.op in ("matvec", "matmul"):
        letters = "".join(_letters(a, names) for a in node.args)
        if letters.isidentifier() and len(letters) <= 4:
            return letters
    if node.op == "apply":
        letters = "".join(_letters(a, names) for a in node.args)
        return f"{node.data[0]}_{letters}" if letters.isidentifier() else f"{node.data[0]}_value"
    if node.op in ("inv", "cho_factor"):
        base, end = _letters(node.args[0], names), HINTS[node.op]
        return f"{base}_{end[:3] if node.op == 'inv' else end}" if base.isidentifier() else end
    if node.op == "add" and any(a.op == "prod" and a.data[0] < 0 for a in node.args):
        base = "r"
    elif node.op == "fn":
        base = FUNCTION_HINTS.get(node.data, node.data[:1])
    else:
        base = HINTS.get(node.op, "")
    if not base:
        base = "c" if node.is_scalar else "v" if node.is_vector else "m"
    return base.upper() if node.is_matrix and len(base) == 1 else base


def _letters(node: Node, names: Mapping[Node, str]) -> str:
    if node.op == "transpose":
        inside = _letters(node.args[0], names)
        return f"{inside}t" if inside else ""
    name = node.data if node.op == "input" else names.get(node, "")
    return name if isinstance(name, str) and 0 < len(name) <= 2 else "?"


def _shared_cores(g: Graph, order: Sequence[Node]) -> dict[Node, Node]:
    """Products that differ from another one by a number only, with the product they share: ``-z`` and ``z``."""
    cores: dict[Node, list[Node]] = {}
    for n in order:
        if n.op == "prod" and len(n.args) > 1 and n.dims:
            outside, core = ratio(n), n
            if outside.coefficient != 1:
                core = prod(g, 1 / outside.coefficient, [n])
            cores.setdefault(core, []).append(n)
    return {n: core for core, group in cores.items() if len(group) > 1 for n in group if n is not core}


def _uses(order: Sequence[Node], outputs: Sequence[Node], inside: Callable[[Node], Sequence[Node]]) -> dict[Node, int]:
    """How often the text of each node is written."""
    uses = dict.fromkeys(order, 0)
    for o in outputs:
        uses[o] += 1
    for node in reversed(order):
        times = uses[node] if node.op in CLEAR else 1
        for a in inside(node):
            if a in uses:
                uses[a] += times
    return uses


def lay_out(
    writer: Writer,
    namer: Namer,
    outputs: Sequence[tuple[str, Node]],
    *,
    definitions: Mapping[str, Node] | None = None,
    given: Mapping[Node, str] | None = None,
    keep: Iterable[Node] = (),
) -> tuple[Program, dict[Node, str]]:
    """The program of the outputs (wanted name, node), and the names of its nodes.

    ``definitions`` are names the user gave; ``given`` nodes that have a name already; ``keep`` nodes that must get one.
    """
    given = dict(given or {})
    nodes = [n for _, n in outputs]
    keep = list(keep)
    shared = _shared_cores(writer.graph, list(live([*nodes, *keep])))
    writer.cores.update(shared)

    def inside(n: Node) -> Sequence[Node]:
        return () if n in given else (shared[n],) if n in shared else n.args

    order = list(live([*nodes, *keep], inside))
    forced: dict[Node, str | None] = dict.fromkeys(keep)
    for name, node in (definitions or {}).items():
        if node in set(order) and node.op not in LEAVES | CLEAR and not forced.get(node):
            forced[node] = name
    for name, node in outputs:
        single = len(outputs) == 1 and not _diagonal_parts(node)
        if not single and node not in given and node.op not in LEAVES | CLEAR and not forced.get(node):
            forced[node] = name
    layout = _Layout(writer, namer, dict(given), _uses(order, nodes, inside), forced)
    writer.pieces.update({n: Piece(name) for n, name in given.items()})
    writer.named.update(given)
    for node in order:
        layout.visit(node)
    sources = [_output(layout, node, nodes[:i]) for i, node in enumerate(nodes)]
    total: Dim = ZERO
    for node in order:
        total = total + operations(node) if node not in given else total
    texts = [*sources, *(t for s in layout.statements for t in (s.source, *s.updates))]
    words = {w for t in texts for w in WORD.findall(t)}
    program = Program(
        tuple(layout.statements),
        tuple(sources),
        total,
        tuple(n for n in writer.used_sizes if writer.sizes.get(n, n) in words),
        tuple(h for h in writer.used_helpers if writer.helpers.get(h, f"_{h}") in words),
        tuple(h for h in writer.used_scipy if writer.helpers.get(h, h) in words),
    )
    return program, layout.names


def _output(layout: _Layout, node: Node, earlier: Sequence[Node]) -> str:
    """The expression of an output: an array of its own, a float where it is a number."""
    piece = layout.writer.of(node)
    if node.is_scalar:
        constant = not any(n.op not in ("num", "size", "prod", "add", "power") for n in live([node]))
        return f"{layout.writer.np}.float64({piece.text})" if constant else piece.text
    if node in earlier or _is_view(layout, node):
        return f"{piece.at(ATOM)}.copy()"
    return piece.text


def _is_view(layout: _Layout, node: Node) -> bool:
    while node.op in VIEWS and node.op != "input" and node not in layout.names:
        node = node.args[0]
    return node.op == "input" or (node in layout.names and not _own(layout, node))


def _own(layout: _Layout, node: Node) -> bool:
    return any(s.name == layout.names[node] for s in layout.statements) and node.op not in VIEWS
