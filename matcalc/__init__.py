"""matcalc: matrix calculus with steps, certificates and NumPy code.

>>> import matcalc
>>> str(matcalc.derive("norm2(A*x - b)^2", wrt="x").answer)
"2*A'*(A*x - b)"

Importing the package loads nothing else: every public name is fetched when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matcalc.api import Derivation, derive, parse
    from matcalc.errors import CannotDerive, FailedCertificate, MatcalcError, ParseError, RuleError, ShapeError
    from matcalc.homework.check import check, check_lines
    from matcalc.homework.verdict import Verdict

__version__ = "0.1.0"

__all__ = [
    "CannotDerive",
    "Derivation",
    "FailedCertificate",
    "MatcalcError",
    "ParseError",
    "RuleError",
    "ShapeError",
    "Verdict",
    "__version__",
    "check",
    "check_lines",
    "derive",
    "parse",
]

_HOME = {
    "CannotDerive": "matcalc.errors",
    "Derivation": "matcalc.api",
    "FailedCertificate": "matcalc.errors",
    "MatcalcError": "matcalc.errors",
    "ParseError": "matcalc.errors",
    "RuleError": "matcalc.errors",
    "ShapeError": "matcalc.errors",
    "Verdict": "matcalc.homework.verdict",
    "check": "matcalc.homework.check",
    "check_lines": "matcalc.homework.check",
    "derive": "matcalc.api",
    "parse": "matcalc.api",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'matcalc' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(__all__) | set(globals()))
