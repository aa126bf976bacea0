r"""The LaTeX that matcalc writes, as MathML, which browsers show without any script or font of ours.

Not a reader of LaTeX at large: only of the small part that the printer produces.  A command outside of it raises
KeyError, so that a new one cannot be set wrongly without notice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import escape

__all__ = ["mathml"]

TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\s+|.", re.DOTALL)

_OPERATORS = {
    "odot": "⊙", "oslash": "⊘", "otimes": "⊗", "cdot": "·", "times": "×", "sum": "∑", "prod": "∏", "nabla": "∇",
    "partial": "∂", "lVert": "‖", "rVert": "‖", "lvert": "|", "rvert": "|", "langle": "⟨", "rangle": "⟩",
    "dots": "…",
}  # fmt: skip
_MARKS = {"top": "⊤"}  # marks without the space of an operator
_NAMED = ("exp", "log", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "det", "max", "min")
_LETTERS = dict(
    zip(
        re.findall(
            r"\w+",
            "alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau"
            " upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell",
        ),
        "αβγδϵεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩℓ",
        strict=True,
    )
)
_CAPITALS = {  # capital Greek letters that LaTeX takes from the Latin alphabet, written out by name
    "Alpha": "Α", "Beta": "Β", "Epsilon": "Ε", "Zeta": "Ζ", "Eta": "Η", "Iota": "Ι", "Kappa": "Κ", "Mu": "Μ",
    "Nu": "Ν", "Omicron": "Ο", "Rho": "Ρ", "Tau": "Τ", "Chi": "Χ",
}  # fmt: skip
_ACCENTS = {"hat": "^", "bar": "¯", "tilde": "~", "dot": "˙"}
_SPACES = {"quad": "1em", ",": "0.17em", ";": "0.28em", " ": "0.33em", "!": "0"}

Build = Callable[[list[str]], str]


def _row(items: list[str]) -> str:
    """The items as one; a row of its own tells a sign from a difference."""
    return items[0] if len(items) == 1 else f"<mrow>{''.join(items)}</mrow>"


def _tag(name: str) -> Build:
    return lambda args: f"<{name}>{''.join(args)}</{name}>"


def _bold(args: list[str]) -> str:
    return f'<mstyle style="font-weight: bold">{args[0]}</mstyle>'


def _upright(args: list[str]) -> str:
    """``\\mathrm{abc}`` and ``\\operatorname{abc}``: the letters as one name."""
    return f'<mi mathvariant="normal">{escape(re.sub(r"<[^>]*>", "", args[0]))}</mi>'


def _words(args: list[str]) -> str:
    """Words between formulas, with the space behind them."""
    return f"<mtext>{escape(re.sub(r'<[^>]*>', '', args[0]))}&#160;</mtext>"


def _accent(mark: str) -> Build:
    return lambda args: f'<mover accent="true">{args[0]}<mo>{mark}</mo></mover>'


_COMMANDS: dict[str, tuple[int, Build]] = {
    "frac": (2, _tag("mfrac")),
    "sqrt": (1, _tag("msqrt")),
    "mathrm": (1, _upright),
    "operatorname": (1, _upright),
    "text": (1, _words),
    "mathbf": (1, _bold),
    **{name: (1, _accent(mark)) for name, mark in _ACCENTS.items()},
}


class _Frame:
    """An open group: what is in it, and the commands that still wait for their arguments."""

    def __init__(self, opened: str = "") -> None:
        self.opened = opened  # the fence that began the group
        self.items: list[str] = []
        self.waiting: list[tuple[int, Build, list[str]]] = []

    def put(self, item: str) -> None:
        while self.waiting:
            count, build, args = self.waiting[-1]
            args.append(item)
            if len(args) < count:
                return
            self.waiting.pop()
            item = build(args)
        self.items.append(item)

    def wait(self, count: int, build: Build, *args: str) -> None:
        self.waiting.append((count, build, list(args)))


def mathml(latex: str, display: bool = False) -> str:
    """The formula as a ``<math>`` element."""
    frames = [_Frame()]
    tokens = iter(TOKEN.findall(latex))
    for token in tokens:
        top = frames[-1]
        if token.isspace():
            continue
        if token in ("{", r"\left"):
            frames.append(_Frame(_next(tokens) if token == r"\left" else ""))
        elif token in ("}", r"\right"):
            frames.pop()
            inside = _row(top.items)
            frames[-1].put(_fenced(top.opened, inside, _next(tokens)) if token == r"\right" else inside)
        elif token in ("^", "_"):
            base = top.items.pop() if top.items else "<mrow></mrow>"
            top.wait(2, _tag("msup" if token == "^" else "msub"), base)
        elif token[:1] == "\\" and token[1:] in _COMMANDS:
            top.wait(*_COMMANDS[token[1:]])
        else:
            top.put(_atom(token))
    (whole,) = frames
    shown = ' display="block"' if display else ""
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML"{shown}>{_row(whole.items)}</math>'


def _next(tokens: Iterator[str]) -> str:
    return next(t for t in tokens if not t.isspace())


def _fenced(left: str, inside: str, right: str) -> str:
    """Fences grow with a fraction between them and with nothing else: nested parentheses stay small."""
    tall = "true" if "<mfrac" in inside else "false"
    first, last = (escape(_OPERATORS[m[1:]] if m.startswith("\\") else m) for m in (left, right))
    return f'<mrow><mo stretchy="{tall}">{first}</mo>{inside}<mo stretchy="{tall}">{last}</mo></mrow>'


def _atom(token: str) -> str:
    if token.startswith("\\"):
        name = token[1:]
        if name in _OPERATORS:
            return f"<mo>{_OPERATORS[name]}</mo>"
        if name in _NAMED:
            return f"<mi>{name}</mi>"
        if name in _MARKS:
            return f'<mi mathvariant="normal">{_MARKS[name]}</mi>'
        if name in _SPACES:
            return f'<mspace width="{_SPACES[name]}"/>'
        if name == "_":
            return "<mi>_</mi>"
        return f"<mi>{_LETTERS.get(name) or _CAPITALS[name]}</mi>"
    if token[0].isdigit():
        return f"<mn>{token}</mn>"
    if token.isalpha():
        return f"<mi>{token}</mi>"
    return f"<mo>{'−' if token == '-' else '′' if token == chr(39) else escape(token)}</mo>"
