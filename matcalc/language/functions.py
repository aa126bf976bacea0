"""Elementwise functions: one table row each.

The derivative is written in the language itself (the variable is ``t``); a test compares every row with SymPy, so that
no row can be wrong and SymPy need not be imported for the functions everybody uses.

Invariant: ``evaluate`` works for complex arrays where ``analytic`` is true, so that the complex step is exact there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["FUNCTIONS", "Elementwise"]


@dataclass(frozen=True, slots=True)
class Elementwise:
    """One elementwise function of a real variable ``t``."""

    name: str
    sympy: str  # the same function as a SymPy expression of t
    derivative: str  # in the language, of the scalar t
    evaluate: Callable[[Any, Any], Any]  # (numpy, array) -> array
    numpy: str  # source with {0} for the argument; what emitted code says
    latex: str
    analytic: bool = True
    domain: str = "real"  # real | positive | nonnegative | nonzero | unit (the open interval -1..1)
    kinks: tuple[float, ...] = ()
    kink_note: str = ""
    parity: str = ""  # "odd" | "even" | ""


def _erf(np: Any, x: Any) -> Any:
    """The error function of real or complex entries near the real line: its series times exp(-x^2), all of one sign."""
    inside = np.where(np.abs(np.real(x)) < FAR, x, 0)
    square = inside * inside
    term = inside + 0 * x
    total = term
    for k in range(1, ERF_TERMS):
        term = term * (2 * square) / (2 * k + 1)
        total = total + term
    near = 2 / np.sqrt(np.pi) * np.exp(-square) * total
    return np.where(np.abs(np.real(x)) < FAR, near, np.sign(np.real(x)))


FAR = 6.5  # beyond it erf is 1 to the last digit
ERF_TERMS = 200


def _rows() -> list[Elementwise]:
    e = Elementwise
    return [
        e("exp", "exp(t)", "exp(t)", lambda np, x: np.exp(x), "np.exp({0})", r"\exp"),
        e("log", "log(t)", "1/t", lambda np, x: np.log(x), "np.log({0})", r"\log", domain="positive"),
        e("sqrt", "sqrt(t)", "1/(2*sqrt(t))", lambda np, x: np.sqrt(x), "np.sqrt({0})", r"\sqrt", domain="positive"),
        e("sin", "sin(t)", "cos(t)", lambda np, x: np.sin(x), "np.sin({0})", r"\sin", parity="odd"),
        e("cos", "cos(t)", "-sin(t)", lambda np, x: np.cos(x), "np.cos({0})", r"\cos", parity="even"),
        e("tan", "tan(t)", "1 + tan(t)^2", lambda np, x: np.tan(x), "np.tan({0})", r"\tan", parity="odd"),
        e(
            "arcsin",
            "asin(t)",
            "1/sqrt(1 - t^2)",
            lambda np, x: np.arcsin(x),
            "np.arcsin({0})",
            r"\arcsin",
            domain="unit",
            parity="odd",
        ),
        e(
            "arccos",
            "acos(t)",
            "-1/sqrt(1 - t^2)",
            lambda np, x: np.arccos(x),
            "np.arccos({0})",
            r"\arccos",
            domain="unit",
        ),
        e("arctan", "atan(t)", "1/(1 + t^2)", lambda np, x: np.arctan(x), "np.arctan({0})", r"\arctan", parity="odd"),
        e("sinh", "sinh(t)", "cosh(t)", lambda np, x: np.sinh(x), "np.sinh({0})", r"\sinh", parity="odd"),
        e("cosh", "cosh(t)", "sinh(t)", lambda np, x: np.cosh(x), "np.cosh({0})", r"\cosh", parity="even"),
        e("tanh", "tanh(t)", "1 - tanh(t)^2", lambda np, x: np.tanh(x), "np.tanh({0})", r"\tanh", parity="odd"),
        e(
            "sigmoid",
            "1/(1 + exp(-t))",
            "sigmoid(t)*(1 - sigmoid(t))",
            lambda np, x: 1 / (1 + np.exp(-x)),
            "_sigmoid({0})",
            r"\sigma",
        ),
        e(
            "softplus",
            "log(1 + exp(t))",
            "sigmoid(t)",
            lambda np, x: np.log(1 + np.exp(x)),
            "_softplus({0})",
            r"\operatorname{softplus}",
        ),
        e("erf", "erf(t)", "2*exp(-t^2)/sqrt(pi)", _erf, "scipy.special.erf({0})", r"\operatorname{erf}", parity="odd"),
        e(
            "swish",
            "t/(1 + exp(-t))",
            "sigmoid(t) + swish(t)*(1 - sigmoid(t))",
            lambda np, x: x / (1 + np.exp(-x)),
            "{0}*_sigmoid({0})",
            r"\operatorname{swish}",
        ),
        e(
            "gelu",
            "t*(1 + erf(t/sqrt(2)))/2",
            "(1 + erf(t/sqrt(2)))/2 + t*exp(-t^2/2)/sqrt(2*pi)",
            lambda np, x: x * (1 + _erf(np, x / np.sqrt(2))) / 2,
            "{0}*(1 + scipy.special.erf({0}/np.sqrt(2)))/2",
            r"\operatorname{gelu}",
        ),
        e(
            "abs",
            "Abs(t)",
            "sign(t)",
            lambda np, x: np.abs(x),
            "np.abs({0})",
            r"\operatorname{abs}",
            analytic=False,
            kinks=(0.0,),
            kink_note="abs'(0) = 0",
            parity="even",
        ),
        e(
            "sign",
            "sign(t)",
            "0",
            lambda np, x: np.sign(x),
            "np.sign({0})",
            r"\operatorname{sign}",
            analytic=False,
            kinks=(0.0,),
            kink_note="sign is differentiated away from 0",
            parity="odd",
        ),
        e(
            "relu",
            "Max(0, t)",
            "step(t)",
            lambda np, x: np.maximum(x, 0),
            "np.maximum({0}, 0)",
            r"\operatorname{relu}",
            analytic=False,
            kinks=(0.0,),
            kink_note="relu'(0) = 0",
        ),
        e(
            "step",
            "Heaviside(t, 0)",
            "0",
            lambda np, x: (x > 0) * 1.0,
            "({0} > 0).astype(float)",
            r"\operatorname{step}",
            analytic=False,
            kinks=(0.0,),
            kink_note="step(0) = 0; step is differentiated away from 0",
        ),
    ]


FUNCTIONS: dict[str, Elementwise] = {row.name: row for row in _rows()}

# Other spellings that people type.
ALIASES = {
    "ln": "log",
    "logistic": "sigmoid",
    "sigma": "sigmoid",
    "σ": "sigmoid",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "sgn": "sign",
    "ReLU": "relu",
    "silu": "swish",
    "SiLU": "swish",
    "GELU": "gelu",
}
