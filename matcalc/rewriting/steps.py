"""Steps and derivations. The tree of steps is the computation: the answer is the last line and has no other source.

A top-level step is a line of the derivation; ``label`` is its left side (``d(f)``, ``grad(f, x)``).  Where the label
changes from one line to the next (reading a gradient off a differential), the rule says how the two are related.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from matcalc.language.terms import Path, Term

__all__ = ["Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """One rewriting: ``before`` became ``after`` by ``rule``.

    Where ``substeps`` is empty and ``bindings`` is not, the rule's sides instantiated with the bindings replace one
    another at ``path`` (left to right for direction +1, right to left for -1).
    """

    rule: str
    before: Term
    after: Term
    reason: str
    label: str = ""  # left side of the line, e.g. "d(f)" or "grad(f, x)"
    path: Path = ()
    direction: int = 1
    bindings: Mapping[str, Term] = field(default_factory=dict)
    level: int = 1  # 1: a line of the brief derivation; 2: shown in full; 3: structural
    substeps: tuple[Step, ...] = ()

    def walk(self) -> Iterator[Step]:
        """This step and everything below it, in order."""
        yield self
        for s in self.substeps:
            yield from s.walk()
