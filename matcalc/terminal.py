"""Writing to people and pipes: encodings that lack a character, colour, readers that leave early.

Results go to standard output or a file, everything else to standard error.  Colour is for terminals: ``NO_COLOR``
turns it off everywhere, ``FORCE_COLOR`` on.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TextIO

__all__ = ["ReaderLeft", "ascii_only", "coloured", "silence", "style", "write", "write_error"]

_RAISED, _LOWERED = "⁰¹²³⁴⁵⁶⁷⁸⁹", "₀₁₂₃₄₅₆₇₈₉"
_PLAIN = {  # longer marks come before their parts
    **{f"⁻{mark}": f"^-{digit}" for digit, mark in enumerate(_RAISED)},
    **{mark: f"^{digit}" for digit, mark in enumerate(_RAISED)},
    **{mark: f"_{digit}" for digit, mark in enumerate(_LOWERED)},
    "⁻ᵀ": "^-T", "ᵀ": "'", "×": "x", "·": "*", "⋅": "*", "−": "-", "–": "-", "—": "-", "⊙": ".*", "⊘": "./",
    "⊗": "(x)", "‖": "||", "∇": "grad ", "½": "1/2", "√": "sqrt", "∑": "sum", "∏": "prod", "≠": "!=", "≤": "<=",
    "≥": ">=", "≈": "~", "∈": "in", "…": "...", "′": "'", "∂": "d", "𝟏": "ones", "⟨": "<", "⟩": ">", "→": "->",
    "“": '"', "”": '"', "‘": "'", "’": "'",
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma",
    "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta",
    "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma", "Υ": "Upsilon", "Φ": "Phi", "Ψ": "Psi",
    "Ω": "Omega",
}  # fmt: skip
_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "cyan": "36"}


def ascii_only(text: str) -> str:
    """The text in ASCII: mathematics spelled out, other characters as escapes."""
    for char, plain in _PLAIN.items():
        text = text.replace(char, plain)
    return text.encode("ascii", "backslashreplace").decode("ascii")


def coloured(stream: TextIO) -> bool:
    """Whether colour may be written to the stream."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def style(text: str, colour: str, on: bool = True) -> str:
    """The text in one of the few colours used, or unchanged where colour is off."""
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if on and text else text


def write(text: str, output: str | None = None) -> None:
    """Write a result, with a newline at its end, to a file or (None and ``-``) to standard output."""
    text = text if text.endswith("\n") else text + "\n"
    if output is not None and output != "-":
        Path(output).write_text(text, encoding="utf-8", newline="\n")
        return
    _write(sys.stdout, text)


def write_error(text: str) -> None:
    """Write a message to standard error; what it quotes of the user's text cannot steer the terminal."""
    text = "".join(c if c == "\n" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if coloured(sys.stderr):
        text = re.sub(r"^error:", lambda m: style(m.group(), "red"), text, count=1)
    _write(sys.stderr, text + "\n")


class ReaderLeft(Exception):
    """Whoever read the output has closed it: there is nobody to write to."""


def _write(stream: TextIO, text: str) -> None:
    try:
        try:
            stream.write(text)  # encodes everything before it writes anything
        except UnicodeEncodeError:
            stream.write(ascii_only(text))
        stream.flush()
    except BrokenPipeError as error:
        raise ReaderLeft from error


def silence() -> None:
    """After the reader has left: let nothing more be written, not even at exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
