"""A derivation as a stand-alone NumPy module.

What is decided here: which functions the module has, their parameters, what each computes, what the module's own check
compares.  The text is laid out by ``templates/numpy_*.py.j2``, which compute nothing.

Invariants: parameters are the problem's symbols in order, by the user's names wherever Python allows; nothing of the
user's text enters the source but validated names, numbers and formulas that the printer wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from matcalc.code.functions import Function, Spec, build_function
from matcalc.code.inputs import check_lines, shape_text, size_names, size_text, test_sizes
from matcalc.code.lower import Scope
from matcalc.code.lower_products import dims_of
from matcalc.code.names import Namer, parameter_names
from matcalc.code.program import Input
from matcalc.code.source import HELPERS
from matcalc.code.text import comment, docstring, signature
from matcalc.errors import CannotDerive, MatcalcError
from matcalc.language import terms as T
from matcalc.language.dims import Dim
from matcalc.language.problem import Definition, Problem
from matcalc.language.terms import Term, replace, subterms

__all__ = ["Derived", "emit", "emit_module"]

TARGETS = ("numpy",)
