"""A program: named statements in single-assignment form, with shapes and operation counts.

Invariant: every name is assigned once and before it is used; inputs are never assigned.
"""

from __future__ import annotations

from dataclasses import dataclass

from matcalc.code.nodes import Dims, Node
from matcalc.language.dims import ONE, ZERO, Dim, dim

__all__ = ["Input", "Program", "Statement", "operations"]


@dataclass(frozen=True, slots=True)
class Input:
    name: str  # in the source
    symbol: str  # in the problem
    dims: Dims


@dataclass(frozen=True, slots=True)
class Statement:
    """``name = source``, then perhaps updates in place of the array that the statement made."""

    name: str
    source: str
    dims: Dims
    operations: Dim  # about how many arithmetic operations, as a polynomial in the sizes
    formula: str | None = None
    updates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """Statements and the expressions of the outputs."""

    statements: tuple[Statement, ...]
    outputs: tuple[str, ...]
    operations: Dim
    sizes: tuple[str, ...] = ()  # names of sizes the source uses
    helpers: tuple[str, ...] = ()
    scipy: tuple[str, ...] = ()


def _numel(dims: Dims) -> Dim:
    out = ONE
    for d in dims:
        out = out * d
    return out


FREE = frozenset(
    (
        *("input", "num", "const", "size", "eye", "ones", "zeros"),
        *("transpose", "bcol", "brow", "vec", "unvec", "diagvec", "kept", "unit", "pick"),
    )
)


def operations(node: Node) -> Dim:
    """About how many arithmetic operations a node takes, without its arguments."""
    if node.op in FREE:
        return ZERO
    if node.op in ("matvec", "matmul"):
        return 2 * node.args[0].dims[1] * _numel(node.dims)
    if node.op in ("solve", "inv", "det", "logdet", "logdet_positive", "cho_factor"):
        n = node.args[0].dims[0]
        return n * n * n + (2 * n * _numel(node.dims) if node.op == "solve" else ZERO)
    if node.op == "cho_solve":
        return 2 * node.args[0].dims[0] * _numel(node.dims)
    if node.op == "matpow":
        return dim(node.data) * node.dims[0] * node.dims[0] * node.dims[0]
    if node.op in ("dot", "vdot", "rowdot"):
        return 2 * _numel(node.args[0].dims)
    if node.op in ("sum", "sumaxis", "max", "product", "trace", "cho_logdet"):
        return _numel(node.args[0].dims if node.op not in ("trace", "cho_logdet") else node.args[0].dims[:1])
    return _numel(node.dims) * dim(max(1, len(node.args) - 1))
