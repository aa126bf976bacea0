r"""LaTeX cut into tokens: commands, single characters and braces, each with its place in the text.

TeX reads ``\frac12`` and ``x^2y`` character by character, so letters and digits are tokens of one character each; the
grammar puts numbers and words together again.  Comments, spacing commands and marks of size are dropped here.

Invariants: a token's span lies in the text as it was given; a token made by a macro has the span of the macro's use.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from matcalc.errors import ParseError, Span

__all__ = ["MAX_LENGTH", "MAX_TOKENS", "Token", "is_latex", "tokenize"]

MAX_LENGTH = 100_000
MAX_TOKENS = 20_000


class Token(NamedTuple):
    r"""``kind`` is cmd (value without the backslash), letter, digit, sign, param, row, newline or end.

    ``\\\\`` and the bounds of a formula are rows.

    Later passes add word (several letters that belong together) and remark (text between formulas).
    """

    kind: str
    value: str
    span: Span
    bold: bool = False  # set in bold face

    def is_cmd(self, *values: str) -> bool:
        return self.kind == "cmd" and self.value in values

    def is_sign(self, *values: str) -> bool:
        return self.kind == "sign" and self.value in values


NOTHING = frozenset(  # spacing, sizes and marks that say nothing
    (
        *", ; : ! > / - thinspace medspace thickspace negthinspace enspace enskip".split(),
        *"displaystyle textstyle scriptstyle scriptscriptstyle limits nolimits nonumber notag allowbreak".split(),
        *"tiny scriptsize footnotesize small normalsize large Large LARGE huge Huge strut mathstrut".split(),
        *"big Big bigg Bigg bigl Bigl biggl Biggl bigr Bigr biggr Biggr bigm Bigm biggm Biggm".split(),
        *"boldmath unboldmath middle hfill null relax noindent centering smallskip medskip bigskip".split(),
        *"protect ensuremath mathop mathrel mathbin mathord mathopen mathclose mathinner".split(),
        *"blacksquare square qed qedhere Box par".split(),
    )
)
SAME = {  # Unicode signs and the commands that say the same
    "∇": "nabla", "∂": "partial", "·": "cdot", "⋅": "cdot", "⊙": "odot", "∘": "circ", "⊗": "otimes", "⊘": "oslash",
    "×": "times", "⊤": "top", "ᵀ": "top", "‖": "|", "√": "sqrt", "∑": "sum", "∏": "prod", "⟨": "langle", "⟩": "rangle",
    "≈": "approx", "∝": "propto", "≤": "le", "≥": "ge", "≠": "ne", "→": "to", "←": "gets", "∈": "in", "ℝ": "R",
    "∀": "forall", "∞": "infty", "…": "dots", "⋯": "cdots", "⇒": "implies", "≡": "equiv", "ℓ": "ell",
}  # fmt: skip
SAME_SIGN = {"−": "-", "–": "-", "′": "'", "’": "'", "∗": "*"}
SUPERSCRIPTS = {c: str(i) for i, c in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")} | {"⁻": "-"}
SPACES = frozenset(" \t\r~\u00a0\u2009\u202f\u2002\u2003\u2062")
ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&nbsp;": " ", "&#39;": "'", "&quot;": '"'}


def is_latex(text: str) -> bool:
    """Whether a text is LaTeX: it has a backslash or a ``$`` outside the comments of the plain language."""
    return any("\\" in line or "$" in line for line in (full.partition("#")[0] for full in text.splitlines()))


def tokenize(text: str, start: int = 0, stop: int | None = None, entities: bool = False) -> list[Token]:
    """The tokens of a part of the text, ``end`` last. ``entities``: ``&amp;`` is written for ``&``, as in HTML."""
    stop = len(text) if stop is None else stop
    if stop - start > MAX_LENGTH:
        raise ParseError(f"the text is too long: {stop - start} characters, at most {MAX_LENGTH} are read")
    out: list[Token] = []
    i = start
    while i < stop:
        token, i = _next(text, i, stop, entities)
        if token is not None:
            out.append(token)
        if len(out) > MAX_TOKENS:
            raise ParseError(f"the text is too long: more than {MAX_TOKENS} signs")
    out.append(Token("end", "", Span(stop, stop)))
    return out


def _next(text: str, i: int, stop: int, entities: bool) -> tuple[Token | None, int]:
    """The token at a place (None where there is nothing to say) and the place after it."""
    c = text[i]
    if c == "\\":
        return _command(text, i, stop)
    if c in SPACES:
        return None, i + 1
    if c == "$":
        return Token("row", "$", Span(i, i + 1)), i + 1
    if c == "\n":
        return Token("newline", "\n", Span(i, i + 1)), i + 1
    if c == "%":
        end = text.find("\n", i, stop)
        return None, stop if end < 0 else end
    if c == "&" and entities:
        for written, meant in ENTITIES.items():
            if text.startswith(written, i):
                span = Span(i, i + len(written))
                return (None if meant == " " else Token("sign", meant, span)), span.end
    span = Span(i, i + 1)
    if c == "#":
        if text[i + 1 : i + 2].isascii() and text[i + 1 : i + 2].isdigit():
            return Token("param", text[i + 1], Span(i, i + 2)), i + 2
        return Token("sign", "#", span), i + 1
    if c.isascii() and c.isdigit():
        return Token("digit", c, span), i + 1
    if c in SAME:
        return Token("cmd", SAME[c], span), i + 1
    if c in SUPERSCRIPTS:
        return Token("cmd", f"super{SUPERSCRIPTS[c]}", span), i + 1
    if c.isalpha() and unicodedata.category(c) != "Lm":
        return Token("letter", c, span), i + 1
    if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn"):
        raise ParseError(f"the text holds an invisible or control character (U+{ord(c):04X})", span=span, source=text)
    return Token("sign", SAME_SIGN.get(c, c), span), i + 1


def _command(text: str, i: int, stop: int) -> tuple[Token | None, int]:
    end = i + 1
    while end < stop and text[end].isascii() and text[end].isalpha():
        end += 1
    if end == i + 1:  # a sign: \\, \|, \{, \,
        end = min(i + 2, stop)
        value = text[i + 1 : end]
        if value == "\\":
            return Token("row", "\\\\", Span(i, end)), _after_row(text, end, stop)
        if not value.strip():
            return None, end
        if value in "()[]":  # the bounds of a formula
            return Token("row", value, Span(i, end)), end
        if value in "_&#%":
            return Token("sign", "\\" + value, Span(i, end)), end
    else:
        value = text[i + 1 : end]
        if end < stop and text[end] == "*" and value in STARRED:
            end += 1
    if value in NOTHING:
        return None, end
    return Token("cmd", value, Span(i, end)), end


STARRED = frozenset(
    ("operatorname", "newcommand", "renewcommand", "providecommand", "DeclareMathOperator", "tag", "hspace", "vspace")
)


def _after_row(text: str, i: int, stop: int) -> int:
    r"""The place after ``\\*`` and ``\\[2pt]``."""
    if i < stop and text[i] == "*":
        i += 1
    if i < stop and text[i] == "[":
        close = text.find("]", i, min(stop, i + 12))
        length = text[i + 1 : close].strip() if close > 0 else ""
        if length[-2:] in ("pt", "em", "ex", "mm", "cm", "in"):
            return close + 1
    return i
