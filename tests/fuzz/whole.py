"""One fuzzed problem through all that a user meets: certificate, every report, the emitted code and its result."""

from __future__ import annotations

import contextlib
import inspect
import io
import traceback
import warnings
from typing import Any

import numpy as np

import matcalc
from matcalc.errors import CannotDerive, MatcalcError
from matcalc.language.problem import Symbol
from tests.fuzz.check import TOLERANCE, Outcome, Point, points
from tests.fuzz.growth import SIZES
from tests.fuzz.problems import Case

__all__ = ["FORMS", "check_whole"]

FORMS = ("text", "unicode", "latex", "markdown", "html", "json")


def check_whole(case: Case) -> Outcome:
    """Derive by the Python interface; the code must give autograd's derivative."""
    used = points(case, 1)
    if not used:
        return Outcome("discarded", "no point with moderate values")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of arithmetic: overflow at a point is not what is asked here
            derivation = matcalc.derive(case.program, order=case.order, structure=case.convention)
            for form in FORMS:
                derivation.report(form, "full")
    except CannotDerive as refusal:
        return Outcome("refused", refusal.message)
    except MatcalcError as error:
        return Outcome("crashed", error.render())
    except Exception:
        return Outcome("crashed", traceback.format_exc(limit=-8))
    if derivation.certificate.status != "verified":
        return Outcome("wrong", f"certificate {derivation.certificate}")
    return _check_code(case, derivation, used[0])


def _check_code(case: Case, derivation: Any, point: Point) -> Outcome:
    try:
        module = derivation.compile()
    except CannotDerive as refusal:
        return Outcome("refused", f"code: {refusal.message}")
    except Exception:
        return Outcome("crashed", traceback.format_exc(limit=-8))
    if case.problem.functions:  # the code asks for the functions; its own check draws some
        told = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(told):
            warnings.simplefilter("ignore")
            passed = module._self_check()
        return Outcome("right") if passed else Outcome("wrong", f"{told.getvalue()}{derivation.code()}")
    arrays = {name: _as_argument(point.values[name], s) for name, s in case.problem.symbols.items()}
    asked = inspect.signature(getattr(module, _function(case))).parameters
    arrays |= {name: SIZES[name] for name in asked if name not in arrays}  # sizes that no array has
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = _computed(case, module, arrays)
    except Exception:
        return Outcome("crashed", f"{traceback.format_exc(limit=-8)}\n{derivation.code()}")
    truth = point.truth
    if found.size != truth.size:
        return Outcome("wrong", f"the code gives {found.shape} where {truth.shape} is right")
    found = found.reshape(truth.shape)
    if point.onto is not None:
        found, truth = found @ point.onto, truth @ point.onto
    error = float(np.max(np.abs(found - truth), initial=0)) / max(1e-3, float(np.max(np.abs(truth), initial=0)))
    if error < TOLERANCE:
        return Outcome("right")
    return Outcome("wrong", f"the code has a relative error of {error:.2g}\n{derivation.code()}")


def _function(case: Case) -> str:
    if case.order == 2:
        return "hessian"
    return "value_and_grad" if case.problem.objective.is_scalar else "jacobian"


def _computed(case: Case, module: Any, arrays: dict[str, Any]) -> Any:
    found = getattr(module, _function(case))(**arrays)
    return np.asarray(found[1] if _function(case) == "value_and_grad" else found, dtype=float)


def _as_argument(x: Any, s: Symbol) -> Any:
    """The array as emitted code wants it: columns and rows have one dimension, scalars none."""
    if s.shape.is_scalar:
        return float(x[0, 0])
    return x.reshape(-1) if s.shape.is_vector or s.shape.is_row else x.copy()
