r"""The layout of formulas: environments, rows, chains of equalities.

A *chain* is a row of sides with relations between them, ``a = b = c``; a row of ``align`` that begins with a relation
goes on with the chain above it.  Commas, ``\quad`` before a new equation, arrows and words end a chain.

Invariant: every token of a formula is in one side, or is a separator, a remark or a condition.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from matcalc.errors import ParseError, Span
from matcalc.interop.latex_grammar import DOTS, ENTRYWISE, matching
from matcalc.interop.latex_tokens import Token
from matcalc.interop.latex_words import CONDITIONS

__all__ = ["Run", "flattened", "runs"]

DISPLAYS = frozenset(
    "equation align aligned alignat alignedat split gather gathered eqnarray multline multlined displaymath math "
    "flalign subequations IEEEeqnarray dmath center document".split()
)
RELATIONS = {
    "equiv": "=", "triangleq": "=", "coloneqq": "=", "doteq": "=", "eqqcolon": "=", "approx": "approx",
    "simeq": "approx",
    "cong": "approx", "propto": "propto", "sim": "sim", "gets": "gets", "leftarrow": "gets", "Leftarrow": "gets",
    "le": "le", "leq": "le",
    "ge": "ge", "geq": "ge", "ne": "ne", "neq": "ne", "in": "in", "to": "to", "rightarrow": "to", "mapsto": "to",
    "longrightarrow": "to",
    "ll": "le", "gg": "ge", "subset": "in", "subseteq": "in", "colon": ":", "lesssim": "le", "gtrsim": "ge",
    "preceq": "le",
    "succeq": "ge", "succ": "ge", "prec": "le", "lt": "le", "gt": "ge", "uparrow": "to", "downarrow": "to",
}  # fmt: skip
ARROWS = frozenset(
    "implies Rightarrow Longrightarrow therefore because iff Leftrightarrow Longleftrightarrow impliedby land lor "
    "wedge vee Downarrow bullet".split()
)
SIGNED = {"=": "=", "<": "le", ">": "ge", ":": ":", "≔": "="}
ENDS = frozenset((",", ";"))
SPACES = frozenset(("quad", "qquad"))


@dataclass(slots=True)
class Run:
    """The tokens of one side, and the relation before it (empty for the first side of a chain)."""

    relation: str
    tokens: list[Token]
    mark: Span  # of the relation, or where the side begins
    word: str = ""  # the remark before the chain: where, let


# ---------------------------------------------------------------- environments
def flattened(tokens: list[Token], text: str) -> list[Token]:
    """Displays are opened up, matrices and cases become one token each."""
    out: list[Token] = []
    displays = 0
    i = 0
    while i < len(tokens):
        t = tokens[i]
        if t.is_cmd("begin"):
            name, after = _environment(tokens, i, text)
            if name in DISPLAYS:
                displays += 1
                i = _after_arguments(tokens, after, name)
                continue
            end = _end_of(tokens, i, name)
            if end is None:
                raise ParseError(f"the environment {name} is not closed", span=t.span, source=text)
            span = Span(t.span.start, tokens[end - 1].span.end)
            whole = Token("cmd", "cases" if "cases" in name else "begin", span)
            out += _two_cases(tokens[after:end], span) if name == "cases" else [whole]
            i = end
            continue
        if t.is_cmd("end"):
            _, i = _environment(tokens, i, text)
            displays = max(0, displays - 1)
            if displays == 0:
                out.append(Token("row", "\\\\", t.span))
            continue
        if t.kind == "newline" and displays:
            i += 1
            continue
        out.append(t)
        i += 1
    return out


def _two_cases(inside: list[Token], span: Span) -> list[Token]:
    """``a`` where a condition holds and ``b`` elsewhere, as ``where(condition, a, b)``; other cases are one token."""
    close = next((k for k, t in enumerate(inside) if t.is_cmd("end", "begin")), len(inside))
    rows: list[list[list[Token]]] = [[[]]]
    for t in inside[:close]:
        if t.kind == "row":
            rows.append([[]])
        elif t.is_sign("&"):
            rows[-1].append([])
        elif t.kind not in ("newline", "remark"):
            rows[-1][-1].append(t)
    rows = [r for r in rows if any(r)]
    if [len(r) for r in rows] != [2, 2] or not _opposite(*(_compared(r[1]) for r in rows)):
        return [Token("cmd", "cases", span)]

    def sign(value: str) -> Token:
        return Token("sign", value, span)

    (first, condition), (second, _) = ((_without_end(a), _without_end(b)) for a, b in rows)
    return [Token("word", "where", span), sign("("), *condition, sign(","), *first, sign(","), *second, sign(")")]


def _without_end(tokens: list[Token]) -> list[Token]:
    return tokens[:-1] if tokens and tokens[-1].is_sign(",", ".", ";") else tokens


def _compared(condition: list[Token]) -> tuple[str, str]:
    """A condition as the larger side and the other; empty where nothing is said, question marks for others."""
    condition = _without_end(condition)
    if not condition:
        return "", ""
    at = [k for k in range(len(condition)) if _relation(condition, k)[0] in ("le", "ge")]
    if len(at) != 1 or any(_relation(condition, k)[0] in ("=", "ne", "in") for k in range(len(condition))):
        return "?", "?"
    left, right = (" ".join(t.value for t in part) for part in (condition[: at[0]], condition[at[0] + 1 :]))
    if not left or not right:
        return "?", "?"
    return (left, right) if _relation(condition, at[0])[0] == "ge" else (right, left)


def _opposite(one: tuple[str, str], other: tuple[str, str]) -> bool:
    return bool(one[0]) and one[0] != "?" and other in (("", ""), (one[1], one[0]))


def _environment(tokens: list[Token], i: int, text: str) -> tuple[str, int]:
    end = matching(tokens, i + 1) if tokens[i + 1].is_sign("{") else None
    if end is None:
        raise ParseError(f"\\{tokens[i].value} needs the name of an environment", span=tokens[i].span, source=text)
    return "".join(t.value for t in tokens[i + 2 : end] if t.kind == "letter"), end + 1


def _after_arguments(tokens: list[Token], i: int, name: str) -> int:
    if tokens[i].is_sign("[") and tokens[i + 1].kind == "letter" and tokens[i + 2].is_sign("]"):
        i += 3
    if name in ("alignat", "alignedat", "IEEEeqnarray") and tokens[i].is_sign("{"):
        i = (matching(tokens, i) or i) + 1
    return i


def _end_of(tokens: list[Token], i: int, name: str) -> int | None:
    """The place after the end of the environment that begins at a place."""
    depth = 0
    for j in range(i, len(tokens)):
        if tokens[j].is_cmd("begin"):
            depth += 1
        elif tokens[j].is_cmd("end"):
            depth -= 1
            if depth == 0:
                close = matching(tokens, j + 1) if tokens[j + 1].is_sign("{") else j
                return None if close is None else close + 1
    return None


# ---------------------------------------------------------------------- chains
@dataclass(slots=True)
class _Split:
    """The chains found so far, and the place in the tokens."""

    tokens: list[Token]
    lines: bool  # a line is a row
    chains: list[list[Run]] = field(default_factory=list)
    i: int = 0
    depth: int = 0
    fresh: bool = True  # the next token begins a chain
    word: str = ""

    def side(self) -> Run | None:
        return self.chains[-1][-1] if self.chains and not self.fresh else None

    def begin(self, relation: str, mark: Span) -> None:
        """A new side; of the chain at hand, or of a new one that has no left side of its own."""
        if self.fresh or not self.chains:
            self.chains.append([])
            self.fresh = False
        chain = self.chains[-1]
        if chain and not _says(chain[-1].tokens) and chain[-1].relation:
            chain[-1] = Run(relation, [], mark, chain[-1].word)  # a relation was repeated: = \\ =
        else:
            chain.append(Run(relation, [], mark, self.word))
        self.word = ""

    def put(self, token: Token) -> None:
        if self.fresh or not self.chains:
            self.begin("", token.span)
        self.chains[-1][-1].tokens.append(token)


def runs(tokens: list[Token], lines: bool = False) -> list[list[Run]]:
    """The chains of a formula. ``lines``: the end of a line ends a row, as in a program."""
    s = _Split(tokens, lines)
    while s.i < len(tokens) and tokens[s.i].kind != "end":
        t = tokens[s.i]
        if s.depth == 0 and _is_number_of_equation(s):
            s.i += 3
            continue
        s.depth = max(0, s.depth + _opens(t) - _closes(t))
        if t.kind == "row" or (t.kind == "newline" and lines):
            _row(s)
        elif t.kind == "newline":
            s.i += 1
        elif s.depth == 0 and not _closes(t):
            _outside(s, t)
        else:
            s.put(t)
            s.i += 1
    found = [[r for k, r in enumerate(chain) if _says(r.tokens) or k == 0] for chain in s.chains]
    return [chain for chain in found if any(_says(r.tokens) for r in chain)]


def _opens(t: Token) -> bool:
    return t.is_sign("(", "[", "{") or t.is_cmd("langle")


def _closes(t: Token) -> bool:
    return t.is_sign(")", "]", "}") or t.is_cmd("rangle")


def _says(tokens: list[Token]) -> bool:
    return any(not t.is_sign("{", "}", "&") and t.kind != "remark" for t in tokens)


def _row(s: _Split) -> None:
    """The end of a row: the next one goes on with the chain, with its last side, or begins a new chain."""
    s.i += 1
    while s.i < len(s.tokens) and (
        s.tokens[s.i].kind in ("newline", "row") or s.tokens[s.i].is_sign("&") or s.tokens[s.i].is_cmd(*SPACES)
    ):
        s.i += 1
    following = s.tokens[min(s.i, len(s.tokens) - 1)]
    if _relation(s.tokens, s.i)[0]:
        s.depth = 0
        return
    if s.depth:
        return
    side = s.side()
    goes_on = following.is_sign("+", "-", "*", "/") or (
        following.kind == "cmd" and (following.value in DOTS or following.value in ENTRYWISE)
    )
    open_end = side is not None and bool(side.tokens) and _is_operator(side.tokens[-1])
    if side is not None and (
        (_says(side.tokens) and goes_on) or open_end or (side.relation and not _says(side.tokens))
    ):
        return
    s.fresh = True


def _is_operator(t: Token) -> bool:
    return t.is_sign("+", "-", "*", "/") or (t.kind == "cmd" and (t.value in DOTS or t.value in ENTRYWISE))


def _relation(tokens: list[Token], i: int) -> tuple[str, int]:
    """The relation at a place and how many tokens it has; empty where there is none."""
    t = tokens[min(i, len(tokens) - 1)]
    following = tokens[min(i + 1, len(tokens) - 1)]
    if t.is_sign(":", "+", "-", "/", "*") and following.is_sign("=") and following.span.start == t.span.end:
        return ("=" if t.value == ":" else f"{t.value}="), 2
    if t.is_sign("=") and following.is_sign("="):
        return "=", 2
    if t.kind == "sign" and t.value in SIGNED:
        return SIGNED[t.value], 1
    if t.kind == "cmd" and t.value in RELATIONS:
        return RELATIONS[t.value], 1
    return "", 0


def _outside(s: _Split, t: Token) -> None:
    """A token outside of all brackets."""
    relation, width = _relation(s.tokens, s.i)
    if relation:
        s.begin(relation, t.span)
        s.i += width
    elif t.is_sign("&"):
        s.i += 1
    elif (
        t.is_sign(*ENDS)
        or (t.is_sign(".") and s.tokens[s.i + 1].kind != "digit" and not s.tokens[s.i + 1].is_sign("*", "/", "^"))
        or t.is_cmd(*ARROWS)
    ):
        s.i += 1
        _end(s)
    elif t.is_cmd(*SPACES):
        s.i += 1
        if _new_equation(s):
            _end(s)
    elif t.is_cmd("forall"):
        _skip_row(s)
    elif t.kind == "remark":
        s.i += 1
        words = t.value.lower().strip(" ,.;:()").split()
        if words and words[0] in CONDITIONS:
            _skip_row(s)
        else:
            _end(s)
            s.word = " ".join(words)
    else:
        s.put(t)
        s.i += 1


def _end(s: _Split) -> None:
    """The chain ends, unless what comes next goes on with it."""
    j = s.i
    while s.tokens[j].kind in ("newline", "row", "remark") or s.tokens[j].is_sign("&") or s.tokens[j].is_cmd(*SPACES):
        j += 1
    if not _relation(s.tokens, j)[0]:
        s.fresh = True


def _skip_row(s: _Split) -> None:
    depth = 0
    while s.tokens[s.i].kind not in ("end", "row"):
        t = s.tokens[s.i]
        depth += _opens(t) - _closes(t)
        if depth == 0 and ((t.kind == "newline" and s.lines) or t.is_cmd("qquad")):
            break
        s.i += 1
    s.fresh = True


def _new_equation(s: _Split) -> bool:
    """Whether an equation of its own begins after a wide space."""
    depth, said = 0, False
    for j in range(s.i, len(s.tokens)):
        t = s.tokens[j]
        if depth == 0 and (t.kind in ("end", "row") or t.is_cmd(*SPACES) or t.is_sign(*ENDS)):
            return False
        if depth == 0 and _relation(s.tokens, j)[0]:
            return said
        depth += _opens(t) - _closes(t)
        said = said or not t.is_sign("&")
    return False


def _is_number_of_equation(s: _Split) -> bool:
    """``(1)`` at the end of a row."""
    t = s.tokens[s.i : s.i + 4]
    side = s.side()
    numbered = len(t) == 4 and t[0].is_sign("(") and t[1].kind in ("digit", "sign") and t[2].is_sign(")")
    return (
        numbered
        and t[3].kind in ("end", "row", "newline")
        and s.i > 0
        and side is not None
        and s.tokens[s.i - 1].is_cmd(*SPACES)
    )
