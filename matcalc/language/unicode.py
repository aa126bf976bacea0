"""The marks of the Unicode notation: ``2·Aᵀ·(A·x − b)``, ``X⁻¹``, ``‖x‖₂²``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from matcalc.language.named_loss import told_as
from matcalc.language.ops import POST, POW
from matcalc.language.printing import ATOM, PLAIN, Piece, Style, positions
from matcalc.language.terms import Term

__all__ = ["GREEK", "UNICODE"]

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ",
    "eta": "η", "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ",
    "nu": "ν", "xi": "ξ", "omicron": "ο", "pi": "π", "rho": "ρ", "sigma": "σ",
    "tau": "τ", "upsilon": "υ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π",
    "Sigma": "Σ", "Upsilon": "Υ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
}  # fmt: skip
GREEK["eps"] = "ε"
SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
NUMBERED = re.compile(r"([^\W\d_]+)_?(\d+)")


def name(word: str) -> str:
    """``lambda`` is λ, ``x_1`` and ``x1`` are x₁."""
    numbered = NUMBERED.fullmatch(word)
    if numbered:
        stem, digits = numbered.groups()
        return name(stem) + digits.translate(SUBSCRIPTS)
    head, bar, tail = word.partition("_")
    return GREEK.get(head, head) + bar + tail if tail else GREEK.get(word, word)


def _power(t: Term, args: Sequence[Piece]) -> Piece | None:
    """Whole exponents are raised; others stay behind ``^``."""
    exponent = args[1].text.replace("−", "-")
    return _raised(args[0], exponent.translate(SUPERSCRIPTS)) if exponent.lstrip("-").isdigit() else None


def _raised(p: Piece, mark: str) -> Piece:
    """A base with raised marks; a base that ends in raised marks itself gets parentheses."""
    return Piece((p.text if p.level >= ATOM else f"({p.text})") + mark, POW)


def _transpose(t: Term, args: Sequence[Piece]) -> Piece | None:
    inside = t.args[0]
    if inside.op == "inv" and args[0].text.endswith("⁻¹"):
        return Piece(args[0].text[:-2] + "⁻ᵀ", POST)
    return None


def _sqrt(t: Term, args: Sequence[Piece]) -> Piece | None:
    return Piece(f"√({args[0].text})") if t.data == ("sqrt", 0) else None


def _derivative(mark: str) -> Callable[[Term, Sequence[Piece]], Piece]:
    def write(t: Term, args: Sequence[Piece]) -> Piece:
        by = "" if len(args) == 1 else ",".join(map(str, positions(t))).translate(SUBSCRIPTS)
        return Piece(f"{mark}{by}{name(told_as(t.data[0], t.args))}({', '.join(p.text for p in args)})")

    return write


def _differential(t: Term, args: Sequence[Piece]) -> Piece | None:
    return Piece(f"d{args[0].text}") if t.args[0].op == "sym" else None


UNICODE = Style(
    infix={"mul": "·", "div": "/", "had": "⊙", "hdiv": "⊘", "pow": "^", "hpow": ".^"},
    minus="−",
    transpose="ᵀ",
    name=name,
    function=lambda word, order: PLAIN.function(name(word) if word != "sigmoid" else "σ", 0) + "′" * order,
    special={
        "pow": _power,
        "transpose": _transpose,
        "inv": lambda t, args: _raised(args[0], "⁻¹"),
        "norm1": lambda t, args: Piece(f"‖{args[0].text}‖₁"),
        "norm2": lambda t, args: Piece(f"‖{args[0].text}‖₂"),
        "normF": lambda t, args: Piece(f"‖{args[0].text}‖_F"),
        "inner": lambda t, args: Piece(f"⟨{args[0].text}, {args[1].text}⟩"),
        "fn": _sqrt,
        "grad": _derivative("∇"),
        "hess": _derivative("∇²"),
        "d": _differential,
    },
)
