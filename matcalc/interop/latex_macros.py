r"""A document's own commands: ``\newcommand``, ``\def``, ``\DeclareMathOperator`` and their relatives.

Definitions take effect from where they stand.  Expanding is bounded by the number of tokens made, so that a command
that calls itself, or doubles itself thirty times, ends in an error under its use.

Invariant: the tokens of a definition have the span of the command's use, the tokens of an argument keep their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from matcalc.errors import ParseError, Span
from matcalc.interop.latex_tokens import MAX_TOKENS, Token, tokenize

__all__ = ["Macro", "Macros", "argument", "definitions", "expand", "optional"]


@dataclass(frozen=True, slots=True)
class Macro:
    """``body`` holds param tokens for the arguments; ``default`` is the first argument where it is left out."""

    parameters: int
    body: tuple[Token, ...]
    default: tuple[Token, ...] | None = None
    fences: bool = False  # a paired delimiter: a star or [\big] may follow


Macros = dict[str, Macro]
NEW = frozenset(("newcommand", "renewcommand", "providecommand", "DeclareRobustCommand"))
OPERATORS = frozenset(("DeclareMathOperator",))
PAIRS = frozenset(("DeclarePairedDelimiter", "DeclarePairedDelimiters"))
OTHER = frozenset(("def", "gdef", "edef", "let"))
DEFINING = NEW | OPERATORS | PAIRS | OTHER
DEFINITION = re.compile(r"\\(?:" + "|".join(sorted(DEFINING, key=lambda n: (-len(n), n))) + r")(?![A-Za-z])")
MAX_MACROS = 2000
MAX_DEFINITION = 4000  # characters of one definition outside of formulas


def _known() -> Macros:
    """Commands that nearly everybody defines, and so may be used without a definition."""
    here = Span(0, 0)

    def cmd(name: str) -> Token:
        return Token("cmd", name, here)

    def operator(word: str) -> Macro:
        return Macro(
            0,
            (
                cmd("operatorname"),
                Token("sign", "{", here),
                *(Token("letter", c, here) for c in word),
                Token("sign", "}", here),
            ),
        )

    def pair(left: str, right: str) -> Macro:
        return Macro(1, (cmd(left), Token("param", "1", here), cmd(right)), fences=True)

    words = "tr Tr trace diag Diag relu ReLU softmax sigmoid sign sgn logdet var mean kron rank softplus".split()
    return {
        **{w: operator(w) for w in words},
        "norm": pair("lVert", "rVert"),
        "abs": pair("lvert", "rvert"),
        "T": Macro(0, (cmd("top"),)),
    }


KNOWN = _known()


# ------------------------------------------------------------------- definitions
def definitions(text: str, macros: Macros | None = None) -> Macros:
    """The commands that a document defines anywhere, added to those that are known already."""
    found = dict(macros or {})
    places = [match.start() for match in DEFINITION.finditer(text)]
    for start, following in pairwise([*places, len(text)]):
        stop = min(following, start + MAX_DEFINITION)
        try:
            tokens = tokenize(text, start, stop)
            define(tokens, 0, found, text)
        except ParseError:
            continue  # a definition that is not understood leaves its command unknown
        if len(found) > MAX_MACROS:
            break
    return found


def _group(tokens: list[Token], i: int, text: str, what: str) -> tuple[list[Token], int]:
    """The argument at a place, without its braces, and the place after it. One token is an argument by itself."""
    while tokens[i].kind == "newline":
        i += 1
    first = tokens[i]
    if first.kind == "end":
        before = tokens[i - 1]
        raise ParseError(f"{what} needs an argument", span=before.span, source=text)
    if not first.is_sign("{"):
        return [first], i + 1
    depth = 0
    for j in range(i, len(tokens)):
        if tokens[j].is_sign("{"):
            depth += 1
        elif tokens[j].is_sign("}"):
            depth -= 1
            if depth == 0:
                return tokens[i + 1 : j], j + 1
    raise ParseError("unclosed brace", span=first.span, source=text, label="this '{' is never closed")


def _bracketed(tokens: list[Token], i: int, text: str) -> tuple[list[Token] | None, int]:
    """The optional argument ``[...]`` at a place, or None."""
    if not tokens[i].is_sign("["):
        return None, i
    depth = 0
    for j in range(i + 1, len(tokens)):
        if tokens[j].is_sign("{"):
            depth += 1
        elif tokens[j].is_sign("}"):
            depth -= 1
        elif tokens[j].is_sign("]") and depth == 0:
            return tokens[i + 1 : j], j + 1
    raise ParseError("unclosed bracket", span=tokens[i].span, source=text, label="this '[' is never closed")


def define(tokens: list[Token], i: int, macros: Macros, text: str) -> int:
    """Take in the definition at a place; the place after it."""
    kind = tokens[i].value
    head, i = _group(tokens, i + 1, text, f"\\{kind}")
    if len(head) != 1 or head[0].kind != "cmd":
        raise ParseError(f"\\{kind} defines a command", span=tokens[i - 1].span, source=text)
    name = head[0].value
    if kind in NEW:
        count, i = _bracketed(tokens, i, text)
        default, i = _bracketed(tokens, i, text)
        body, i = _group(tokens, i, text, f"\\{kind}")
        number = count[0].value if count and count[0].kind == "digit" else "0"
        macros[name] = Macro(int(number), tuple(body), None if default is None else tuple(default))
    elif kind in OPERATORS:
        body, i = _group(tokens, i, text, f"\\{kind}")
        here = tokens[i - 1].span
        macros[name] = Macro(
            0, (Token("cmd", "operatorname", here), Token("sign", "{", here), *body, Token("sign", "}", here))
        )
    elif kind in PAIRS:
        left, i = _group(tokens, i, text, f"\\{kind}")
        right, i = _group(tokens, i, text, f"\\{kind}")
        macros[name] = Macro(1, (*left, Token("param", "1", head[0].span), *right), fences=True)
    elif kind == "let":
        i += tokens[i].is_sign("=")
        macros[name] = Macro(0, (tokens[i],))
        i += 1
    else:
        i = _define_plainly(tokens, i, name, macros, text)
    return i


def _define_plainly(tokens: list[Token], i: int, name: str, macros: Macros, text: str) -> int:
    r"""``\def\v#1{...}``; parameters with text between them are not understood."""
    count = 0
    while tokens[i].kind == "param" and tokens[i].value == str(count + 1):
        count += 1
        i += 1
    if not tokens[i].is_sign("{"):
        raise ParseError(f"the definition of \\{name} is not understood", span=tokens[i].span, source=text)
    body, i = _group(tokens, i, text, f"\\{name}")
    macros[name] = Macro(count, tuple(body))
    return i


# --------------------------------------------------------------------- expansion
def expand(tokens: list[Token], macros: Macros, text: str) -> list[Token]:
    """The tokens with every defined command replaced; definitions among them are taken into ``macros``."""
    out: list[Token] = []
    waiting = list(reversed(tokens))  # the next token is the last
    made = 0
    while waiting:
        token = waiting.pop()
        if token.kind == "cmd" and token.value in DEFINING:
            _take_definition(token, waiting, macros, text)
            continue
        macro = (macros.get(token.value) or KNOWN.get(token.value)) if token.kind == "cmd" else None
        if macro is None:
            out.append(token)
            continue
        body = _used(macro, token, waiting, text)
        made += len(body) + 1
        if made > MAX_TOKENS:
            raise ParseError(
                f"the command \\{token.value} expands to too much",
                span=token.span,
                source=text,
                label="is it defined by itself?",
            )
        waiting.extend(reversed(body))
    return out


def _take_definition(token: Token, waiting: list[Token], macros: Macros, text: str) -> None:
    near = [token, *reversed(waiting[-MAX_DEFINITION:])]
    if near[-1].kind != "end":
        near.append(Token("end", "", token.span))
    used = define(near, 0, macros, text) - 1
    del waiting[len(waiting) - min(used, len(waiting)) :]


def _used(macro: Macro, token: Token, waiting: list[Token], text: str) -> list[Token]:
    """What the use of a command stands for; its arguments are taken from what waits."""
    if not macro.parameters:
        return [t._replace(span=token.span) for t in macro.body]
    if macro.fences:
        _skip_size(waiting)
    arguments: list[list[Token]] = []
    if macro.default is not None:
        given = optional(waiting)
        arguments.append(list(macro.default) if given is None else given)
    while len(arguments) < macro.parameters:
        arguments.append(argument(waiting, token, text))
    body: list[Token] = []
    for t in macro.body:
        if t.kind == "param":
            body += arguments[int(t.value) - 1] if 0 < int(t.value) <= len(arguments) else []
        else:
            body.append(t._replace(span=token.span))
    return body


def _skip_size(waiting: list[Token]) -> None:
    """The star or ``[\\big]`` of a paired delimiter."""
    if waiting and waiting[-1].is_sign("*"):
        waiting.pop()
    else:
        optional(waiting)


def optional(waiting: list[Token]) -> list[Token] | None:
    """The ``[...]`` that comes next, taken from what waits; None where there is none."""
    if not (waiting and waiting[-1].is_sign("[")):
        return None
    taken: list[Token] = []
    for k in range(len(waiting) - 2, -1, -1):
        if waiting[k].is_sign("]"):
            del waiting[k:]
            return taken
        taken.append(waiting[k])
    return None


def argument(waiting: list[Token], use: Token, text: str) -> list[Token]:
    """The next argument, without its braces, taken from what waits (the next token is the last)."""
    while waiting and waiting[-1].kind == "newline":
        waiting.pop()
    if not waiting or waiting[-1].kind == "end" or waiting[-1].is_sign("}"):
        raise ParseError(f"\\{use.value} needs an argument", span=use.span, source=text)
    first = waiting.pop()
    if not first.is_sign("{"):
        return [first]
    taken: list[Token] = []
    depth = 1
    while waiting:
        t = waiting.pop()
        depth += t.is_sign("{") - t.is_sign("}")
        if depth == 0:
            return taken
        taken.append(t)
    raise ParseError("unclosed brace", span=first.span, source=text, label="this '{' is never closed")
