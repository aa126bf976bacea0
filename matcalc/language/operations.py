"""How long an answer is: the operations of a term as it is printed.

A chain of k factors has k - 1 products; a subtraction is one sum and its sign is not counted again; a leading sign is a
product (by -1).  The count is of the tree, not of shared subterms: what is written twice is read twice.

Invariant: every operation of the table of operations has its kind here.
"""

from __future__ import annotations

from matcalc.language.ops import OPS
from matcalc.language.selections import is_unit, picked
from matcalc.language.terms import Term

__all__ = ["KINDS", "node_operations", "operations"]

KINDS = ("product", "transpose", "inverse", "sum", "hadamard", "function")

_LEAVES = ("num", "const", "size", "sym", "elem", "eye", "ones", "zeros", "unit", "commutation")
_FUNCTIONS = (
    *(
        "pow",
        "hpow",
        "inner",
        "det",
        "logdet",
        "tr",
        "sum",
        "diag",
        "diagvec",
        "vec",
        "unvec",
        "norm1",
        "norm2",
        "normF",
    ),
    *("softmax", "logsumexp", "fn", "call", "grad", "jac", "hess", "stop", "d", "sumover", "prod", "stack"),
)
_KIND: dict[str, str | None] = {
    **dict.fromkeys(_LEAVES),
    **dict.fromkeys(_FUNCTIONS, "function"),
    **dict.fromkeys(("neg", "mul", "div", "kron"), "product"),
    **dict.fromkeys(("had", "hdiv"), "hadamard"),
    "add": "sum",
    "transpose": "transpose",
    "inv": "inverse",
}

if _KIND.keys() != OPS.keys():
    raise AssertionError(f"operations without a kind: {sorted(OPS.keys() ^ _KIND.keys())}")


def node_operations(node: Term) -> int:
    """The operations one node adds to the count by itself."""
    if _KIND[node.op] is None:
        return 0
    many = _many(node)
    if node.op == "add":
        many -= sum(a.op == "neg" for a in node.args[1:])
    return many


def _many(node: Term) -> int:
    """How often a node shows its operation; taking an entry, a row or a column is none."""
    if node.op == "mul":
        return sum(1 for _ in picked(node.args)) - 1
    if is_unit(node, transposed=True):
        return 0
    return len(node.args) - 1 if node.row.associative else 1


def operations(term: Term) -> dict[str, int]:
    """The number of operations of each kind, and their ``total``."""
    count = dict.fromkeys(KINDS, 0)
    # Shared subterms are visited once and weighed by how often the tree shows them.
    for node, times in _multiplicities(term):
        kind = _KIND[node.op]
        if kind is not None:
            count[kind] += times * _many(node)
        if node.op == "add":  # a - b is one operation
            count["product"] -= times * sum(a.op == "neg" for a in node.args[1:])
    count["total"] = sum(count.values())
    return count


def _multiplicities(term: Term) -> list[tuple[Term, int]]:
    """Every distinct subterm with the number of its occurrences in the tree."""
    order: list[Term] = []
    seen: set[Term] = set()
    stack: list[tuple[Term, bool]] = [(term, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((a, False) for a in node.args)
    times = dict.fromkeys(order, 0)
    times[term] = 1
    for node in reversed(order):  # parents come before their arguments
        for a in node.args:
            times[a] += times[node]
    return [(node, times[node]) for node in reversed(order)]
