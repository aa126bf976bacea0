"""Tokens: text cut into numbers, names and signs, each with its place in the text.

Everything that is refused before any grammar is refused here: text that is too long, control and direction marks, names
that begin with an underscore.  Unicode notation is brought to the signs of the plain notation (``·`` is ``*``, ``ᵀ`` is
the transpose sign, ``²`` a power), so that the parser knows one notation only.

Invariant: the spans of the tokens are in order and point into the text as it was given.
"""

from __future__ import annotations

import unicodedata
from fractions import Fraction
from typing import NamedTuple

from matcalc.errors import ParseError, Span

__all__ = ["MAX_LENGTH", "MAX_TOKENS", "Token", "tokenize"]

MAX_LENGTH = 100_000
MAX_TOKENS = 3_000
MAX_DIGITS = 40
MAX_TEN_EXPONENT = 30


class Token(NamedTuple):
    """``kind`` is num, name, sign, power (a superscript), bar, newline or end; ``value`` is what it stands for."""

    kind: str
    value: str
    span: Span
    number: Fraction | None = None  # of num and power


SIGNS = (  # the longest first
    "->", "..", ".*", "./", ".^", ".'", "**", "==", "<=", ">=", "!=", ":=",
    "<", ">", "+", "-", "*", "/", "^", "@", "'", "(", ")", "[", "]", ",", ";", ":", "=", "⊗", "×",
)  # fmt: skip
SAME = {
    "−": "-", "–": "-", "·": "*", "⋅": "*", "∙": "*", "∗": "*", "⊙": ".*", "∘": ".*", "⊘": "./", "÷": "/",
    "’": "'", "′": "'", "‘": "'", "ᵀ": "'", "⊤": "'", "ᵗ": "'", "ᐪ": "'", "…": "..", "→": "->", "≤": "<=", "≥": ">=",
}  # fmt: skip
SUPERSCRIPTS = {c: str(i) for i, c in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
SUBSCRIPTS = {c: str(i) for i, c in enumerate("₀₁₂₃₄₅₆₇₈₉")}
SAME_LETTER = {"µ": "μ", "ϵ": "ε", "ϕ": "φ", "ϑ": "θ", "ϱ": "ρ"}
NOT_LETTERS = frozenset("ᵀᵗᐪ")
OPENING = {"(": ")", "[": "]"}
WRONG_SIGNS = {
    "{": "write parentheses ( )",
    "}": "write parentheses ( )",
    "|": "write abs(x), norm1(x) or norm2(x)",
    "%": "comments begin with #",
    '"': "a transpose is the sign '",
    "`": "a transpose is the sign '",
    "\\": "LaTeX is not read here",
    ".": "attributes and methods are not part of the language",
}
CONTINUES = frozenset(("+", "-", "*", "/", "^", "@", ".*", "./", ".^", "=", "⊗"))  # a line that ends so goes on


def tokenize(text: str, start: int = 0, stop: int | None = None) -> list[Token]:
    """The tokens of a part of the text, ``end`` last. Newlines inside brackets do not count."""
    if stop is None:
        stop = len(text)
    if stop - start > MAX_LENGTH:
        raise ParseError(f"the text is too long: {stop - start} characters, at most {MAX_LENGTH} are read")
    out: list[Token] = []
    brackets: list[Token] = []
    i = start
    while i < stop:
        token, i = _next(text, i, stop, out)
        if token is None or (token.kind == "newline" and _inside_line(brackets, out)):
            continue
        _match(token, brackets, text)
        out.append(token)
        if len(out) > MAX_TOKENS:
            raise ParseError(f"the text is too long: more than {MAX_TOKENS} numbers, names and signs")
    if brackets:
        raise _unclosed(brackets[-1], text)
    out.append(Token("end", "", Span(stop, stop)))
    return out


def _inside_line(brackets: list[Token], out: list[Token]) -> bool:
    return bool(brackets) or (bool(out) and out[-1].value in CONTINUES and out[-1].kind == "sign")


def _match(token: Token, brackets: list[Token], text: str) -> None:
    if token.kind != "sign":
        return
    if token.value in OPENING:
        brackets.append(token)
    elif token.value in (")", "]"):
        if not brackets:
            raise ParseError(
                f"'{token.value}' closes nothing", span=token.span, source=text, label="no bracket is open here"
            )
        if OPENING[brackets[-1].value] != token.value:
            raise _unclosed(brackets[-1], text, token)
        brackets.pop()


def _unclosed(opened: Token, text: str, instead: Token | None = None) -> ParseError:
    what = "parenthesis" if opened.value == "(" else "bracket"
    label = f"this '{opened.value}' is never closed"
    if instead is not None:
        label = f"this '{opened.value}' is closed by '{instead.value}'"
    return ParseError(f"unclosed {what}", span=opened.span, source=text, label=label)


def _next(text: str, i: int, stop: int, out: list[Token]) -> tuple[Token | None, int]:
    """The token at a place (None for space and comments) and the place after it."""
    c = text[i]
    if c == "\n":
        return Token("newline", "\n", Span(i, i + 1)), i + 1
    if c in " \t\r\u00a0\u2009\u202f\u2062":
        return None, i + 1
    if c == "#":
        end = text.find("\n", i, stop)
        return None, stop if end < 0 else end
    if c.isascii() and (c.isdigit() or (c == "." and text[i + 1 : i + 2].isascii() and text[i + 1 : i + 2].isdigit())):
        return _number(text, i, stop)
    if _is_letter(c) or c == "_":
        return _name(text, i, stop)
    if c in SUPERSCRIPTS or c == "⁻":
        return _superscript(text, i, stop)
    if c == "‖" or text.startswith("||", i):
        return _bar(text, i, stop)
    if text.startswith(".T", i) and not _is_name_part(text[i + 2 : i + 3]):
        return Token("sign", "'", Span(i, i + 2)), i + 2
    if c in SAME:
        return Token("sign", SAME[c], Span(i, i + 1)), i + 1
    if c == "√":
        return Token("name", "sqrt", Span(i, i + 1)), i + 1
    if c == "½":
        return Token("num", "1/2", Span(i, i + 1), Fraction(1, 2)), i + 1
    for sign in SIGNS:
        if text.startswith(sign, i):
            return Token("sign", "'" if sign == ".'" else sign, Span(i, i + len(sign))), i + len(sign)
    raise _unreadable(text, i)


def _is_letter(c: str) -> bool:
    return c.isalpha() and c not in NOT_LETTERS and unicodedata.category(c) != "Lm"


def _is_name_part(c: str) -> bool:
    return bool(c) and (_is_letter(c) or c == "_" or (c.isascii() and c.isdigit()) or c in SUBSCRIPTS)


def _digits(text: str, i: int, stop: int) -> int:
    while i < stop and text[i].isascii() and text[i].isdigit():
        i += 1
    return i


def _number(text: str, i: int, stop: int) -> tuple[Token, int]:
    """A number. The point of ``2.*x`` belongs to the sign, the points of ``1..N`` to the range."""
    end = _digits(text, i, stop)
    if end < stop and text[end] == ".":
        after = _digits(text, end + 1, stop)
        if after > end + 1 or after >= stop or not (text[after] in ".*/^'" or _is_name_part(text[after])):
            end = after
    mantissa = end
    if end < stop and text[end] in "eE":
        sign = end + 1 + (text[end + 1 : end + 2] in ("+", "-"))
        after = _digits(text, sign, stop)
        if after > sign and not _is_name_part(text[after : after + 1]):
            end = after
    span = Span(i, end)
    power = text[mantissa + 1 : end]
    if mantissa - i > MAX_DIGITS or len(power) > 4 or abs(int(power or 0)) > MAX_TEN_EXPONENT:
        raise ParseError(f"the number is too long (at most {MAX_DIGITS} digits)", span=span, source=text)
    value = Fraction(text[i:mantissa]) * Fraction(10) ** int(power or 0)
    return Token("num", text[i:end], span, value), end


def _name(text: str, i: int, stop: int) -> tuple[Token, int]:
    end = i
    letters: list[str] = []
    while end < stop and _is_name_part(text[end]):
        c = text[end]
        if c in SUBSCRIPTS:  # x₁ is x_1
            if text[end - 1] not in SUBSCRIPTS and letters[-1:] != ["_"]:
                letters.append("_")
            c = SUBSCRIPTS[c]
        letters.append(SAME_LETTER.get(c, c))
        end += 1
    name = "".join(letters)
    span = Span(i, end)
    if name.startswith("_") or "__" in name:
        raise ParseError(
            f"'{name}' is not a name here",
            span=span,
            source=text,
            label="a name begins with a letter and has no double underscore",
        )
    if len(name) > 60:
        raise ParseError("the name is too long (at most 60 letters)", span=span, source=text)
    return Token("name", name, span), end


def _superscript(text: str, i: int, stop: int) -> tuple[Token, int]:
    end = i + (text[i] == "⁻")
    digits = ""
    while end < stop and text[end] in SUPERSCRIPTS:
        digits += SUPERSCRIPTS[text[end]]
        end += 1
    if text[i] == "⁻" and not digits and text[end : end + 1] in ("ᵀ", "⊤"):
        return Token("power", "-T", Span(i, end + 1)), end + 1
    if not digits:
        raise _unreadable(text, i)
    value = int(digits[:6]) * (-1 if text[i] == "⁻" else 1)
    return Token("power", str(value), Span(i, end), Fraction(value)), end


def _bar(text: str, i: int, stop: int) -> tuple[Token, int]:
    """‖, with the subscript that tells which norm: ₁, ₂, _F, _1, _2."""
    end = i + (1 if text[i] == "‖" else 2)
    for suffix in ("₁", "₂", "_1", "_2", "_F", "_{F}", "_{2}", "_{1}"):
        if text.startswith(suffix, end) and not _is_name_part(text[end + len(suffix) : end + len(suffix) + 1]):
            which = suffix.strip("_{}").replace("₁", "1").replace("₂", "2")
            return Token("bar", which, Span(i, end + len(suffix))), end + len(suffix)
    return Token("bar", "", Span(i, end)), end


def _unreadable(text: str, i: int) -> ParseError:
    c = text[i]
    span = Span(i, i + 1)
    category = unicodedata.category(c)
    if category in ("Cc", "Cf", "Cs", "Co", "Cn"):
        return ParseError(f"the text holds an invisible or control character (U+{ord(c):04X})", span=span, source=text)
    return ParseError(f"'{c}' is not a sign of the language", span=span, source=text, hint=WRONG_SIGNS.get(c, ""))
