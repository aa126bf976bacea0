"""What the code room reads of a derivation: its problem, its answers, the way they were asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from matcalc.language.dims import Dim
from matcalc.language.problem import Definition, Problem
from matcalc.language.terms import Term

__all__ = ["Derived"]


class Derived(Protocol):
    """What is read of a derivation."""

    @property
    def problem(self) -> Problem: ...
    @property
    def answers(self) -> Mapping[str, Term]: ...
    @property
    def lines(self) -> Mapping[str, Sequence[Any]]: ...
    @property
    def definitions(self) -> Sequence[Definition]: ...
    @property
    def conventions(self) -> Sequence[str]: ...
    @property
    def order(self) -> int: ...
    @property
    def layout(self) -> str: ...
    @property
    def structure(self) -> str: ...
    @property
    def ranges(self) -> Mapping[str, tuple[Dim, Dim]]: ...
    @property
    def back(self) -> Any: ...
