r"""Faces, words and wrappings: what is left of LaTeX when only its meaning counts.

Faces are dropped (a bold letter keeps a mark), upright words become one token, text between formulas becomes a remark,
wrappings such as ``\underbrace`` give way to what they wrap.

Invariant: the work is bounded, however deeply wrappings are nested.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from matcalc.errors import ParseError, Span
from matcalc.interop.latex_macros import argument, optional
from matcalc.interop.latex_tokens import MAX_TOKENS, Token

__all__ = ["simplify"]

BOLD = frozenset("mathbf boldsymbol bm mathbfit mathbfsf textbf pmb mathbb mathbbm mathds vb".split())
FACES = frozenset("mathcal mathscr mathfrak mathit mathnormal textit emph mathbfcal".split()) | BOLD
UPRIGHT = frozenset("mathrm mathsf mathtt operatorname textrm textsf texttt textnormal".split())
TEXT = frozenset("text mbox intertext shortintertext hbox".split())
SWITCHES = {"rm": "mathrm", "sf": "mathrm", "tt": "mathrm", "bf": "mathbf", "it": "", "cal": "", "mathstrut": ""}
DROPPED = frozenset(  # with their argument
    "label tag color hspace vspace phantom hphantom vphantom ref eqref cite require mspace kern smash".split()
)
WRAPPED = frozenset(
    "mathop boxed cancel bcancel xcancel overline underline underbar mathclap fbox vv overrightarrow".split()
)
BRACED = frozenset(("underbrace", "overbrace", "underbracket", "overbracket"))
STACKED = frozenset(("overset", "underset", "stackrel"))  # remark first, then what counts
REMARKS = frozenset(
    "if otherwise where and for with so then thus hence is or when let in as such that since by from to of "
    "so, i.e. e.g. assuming note on at both all all, each every we get have because using gives yields".split()
)
STARTS = frozenset(("let", "where", "with", "then", "thus", "hence", "so"))
NAMES = frozenset("const constant loss cost cov var mse elbo lr reg err rss nll".split())
CONDITIONS = frozenset(("if", "for", "when", "otherwise", "assuming", "since", "because", "using", "by", "as", "from"))


def simplify(tokens: list[Token], text: str) -> list[Token]:
    """The tokens without faces and wrappings, words put together."""
    out: list[Token] = []
    waiting = list(reversed(tokens))
    work = 0
    while waiting:
        token = waiting.pop()
        action = _action(token)
        if action is None:
            out.append(token)
            continue
        before = out[-1] if out else None
        made = action(token, waiting, before, text)
        work += len(made)
        if work > 4 * MAX_TOKENS:
            raise ParseError("the formula is nested too deeply", span=token.span, source=text)
        waiting.extend(reversed(made))
    return _fences(_upright_switches(out), text)


Action = Callable[[Token, list[Token], Token | None, str], list[Token]]


def _action(token: Token) -> Action | None:
    if token.kind != "cmd":
        return None
    for names, action in ACTIONS:
        if token.value in names:
            return action
    return None


def _face(token: Token, waiting: list[Token], before: Token | None, text: str) -> list[Token]:
    content = argument(waiting, token, text)
    bold = token.value in BOLD
    digits = [t for t in content if t.kind != "newline"]
    if bold and len(digits) == 1 and digits[0].value in ("0", "1"):
        return [Token("cmd", "zero" if digits[0].value == "0" else "one", token.span)]
    if token.value == "mathbb" and len(digits) == 1 and digits[0].value == "R":
        return [Token("cmd", "R", token.span)]
    if token.value == "mathbb" and len(digits) == 1 and digits[0].value in ("E", "P"):  # no matrix
        return [Token("cmd", "expectation" if digits[0].value == "E" else "probability", token.span)]
    if token.value in ("mathit", "textit", "textbf") and len(content) > 1 and _word(content):
        return [Token("word", _word(content), _cover(token, content))]
    made = [t._replace(bold=True) for t in content] if bold else content
    return _kept(made, token, before)


def _kept(made: list[Token], token: Token, before: Token | None) -> list[Token]:
    """The content; as one group where it is an argument of a script."""
    if len(made) > 1 and before is not None and before.is_sign("^", "_"):
        return [Token("sign", "{", token.span), *made, Token("sign", "}", token.span)]
    return made


def _word(content: list[Token]) -> str:
    """The word that letters, digits and ``\\_`` make together; empty where there is anything else."""
    letters = [
        "_" if t.is_sign("\\_") else t.value for t in content if t.kind in ("letter", "digit") or t.is_sign("\\_")
    ]
    lettered = any(t.kind == "letter" for t in content)
    return "".join(letters) if len(letters) == len(content) and lettered else ""


def _cover(token: Token, content: list[Token]) -> Span:
    inside = [t.span.end for t in content]
    return Span(token.span.start, max([token.span.end, *(e + 1 for e in inside if e >= token.span.end)]))


def _upright(token: Token, waiting: list[Token], before: Token | None, text: str) -> list[Token]:
    content = [t for t in argument(waiting, token, text) if t.kind != "newline"]
    word = _word(content)
    span = _cover(token, content)
    written = _written(token, content, text)
    if (len(written.split()) > 1 and "\\" not in written) or word.lower() in CONDITIONS | STARTS:
        return [Token("remark", " ".join(written.split()), span)]
    if len(word) > 1:
        return [Token("word", word, span)]
    if word in ("d", "e") and token.value != "mathsf":
        return [Token("cmd", "differential" if word == "d" else "euler", span)]
    if token.value == "operatorname":
        raise ParseError("the name of this operator is not understood", span=token.span, source=text)
    return _kept(content, token, before)


def _written(token: Token, content: list[Token], text: str) -> str:
    """The argument as it is written, with its spaces."""
    if not content or content[0].span.start < token.span.end:
        return "".join(t.value for t in content)
    end = content[-1].span.end
    while end < len(text) and text[end].isspace():
        end += 1
    inside = text[token.span.end : end]
    return inside.lstrip().removeprefix("{")


def _text(token: Token, waiting: list[Token], before: Token | None, text: str) -> list[Token]:
    """Text in a formula: the name of a function, a word that is a name, or a remark."""
    content = [t for t in argument(waiting, token, text) if t.kind != "newline"]
    span = _cover(token, content)
    written = _written(token, content, text)
    word = _word(content)
    following = waiting[-1] if waiting else None
    tight = word and written == written.strip() and word.lower() not in REMARKS
    named = (
        len(word) == 1
        or word.lower() in NAMES
        or function_like(word)
        or (following is not None and following.is_sign("_", "("))
    )
    if tight and named:
        return [Token("word", word, span)] if len(word) > 1 else content
    return [Token("remark", " ".join(written.split()), span)]


def function_like(word: str) -> bool:
    from matcalc.interop.latex_operands import function_word

    return bool(function_word(word))


def _drop(token: Token, waiting: list[Token], before: Token | None, text: str) -> list[Token]:
    optional(waiting)
    argument(waiting, token, text)
    return []


def _unwrap(token: Token, waiting: list[Token], before: Token | None, text: str) -> list[Token]:
    content = argument(waiting, token, text)
    if token.value == "overline" and not any(
        t.is_sign("(", "+", "-") for t in content
    ):  # a bar over a letter is part of the name
        return [Token("cmd", "bar", token.span), *_braced(content, token)]
    return _braced(content, token)


def _braced(content: list[Token], token: Token) -> list[Token]:
    if len(content) == 1:
        return content
    return [Token("sign", "{", token.span), *content, Token("sign", "}", token.span)]


def _unbrace(token: Token, waiting: list[Token], before: Token | None, text: str) -> list[Token]:
    content = argument(waiting, token, text)
    while waiting and waiting[-1].is_sign("_", "^"):  # the remark under the brace
        waiting.pop()
        argument(waiting, token, text)
    return _braced(content, token)


def _unstack(token: Token, waiting: list[Token], before: Token | None, text: str) -> list[Token]:
    argument(waiting, token, text)
    return _braced(argument(waiting, token, text), token)


def _coloured(token: Token, waiting: list[Token], before: Token | None, text: str) -> list[Token]:
    argument(waiting, token, text)
    return _braced(argument(waiting, token, text), token)


ACTIONS: tuple[tuple[frozenset[str], Action], ...] = (
    (FACES, _face),
    (UPRIGHT, _upright),
    (TEXT, _text),
    (DROPPED, _drop),
    (WRAPPED, _unwrap),
    (BRACED, _unbrace),
    (STACKED, _unstack),
    (frozenset(("textcolor", "colorbox")), _coloured),
)


def _upright_switches(tokens: list[Token]) -> list[Token]:
    r"""``{\rm tr}`` is a word; other switches of face are dropped."""
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        t = tokens[i]
        if t.kind == "cmd" and t.value in SWITCHES:
            j = i + 1
            while tokens[j].kind in ("letter", "digit"):
                j += 1
            word = "".join(x.value for x in tokens[i + 1 : j])
            closes = bool(out) and out[-1].is_sign("{") and tokens[j].is_sign("}")
            if SWITCHES[t.value] == "mathrm" and len(word) > 1 and closes:
                out[-1] = Token("word", word, Span(out[-1].span.start, tokens[j].span.end))
                i = j + 1
                continue
            i += 1
            continue
        out.append(t)
        i += 1
    return out


TAKING = frozenset("frac dfrac tfrac cfrac sqrt begin end hat bar tilde dot vec widehat widetilde binom".split())
SAME_FENCE = {"lbrack": "[", "rbrack": "]", "lparen": "(", "rparen": ")", "lbrace": "{", "rbrace": "}"}
BARS = {"vert": "|", "mid": "|", "Vert": "||", "parallel": "||", "|": "||"}
ANGLES = {"<": "langle", ">": "rangle"}


def _fences(tokens: list[Token], text: str) -> list[Token]:
    r"""Brackets without ``\left`` and ``\right``; sided bars are ``lvert``, ``rvert``, ``lVert``, ``rVert``."""
    out: list[Token] = []
    side = ""
    begun: Token | None = None
    for k, t in enumerate(tokens):
        if t.is_cmd("left", "right"):
            side, begun = t.value, t
            continue
        t = _fence(t)
        if side and begun is not None:
            t = _sided(t, side, begun, text)
            side = ""
        elif t.is_sign("|") and out and out[-1].is_sign("|") and out[-1].span.end == t.span.start and k:
            out[-1] = Token("sign", "||", Span(out[-1].span.start, t.span.end))
            continue
        elif t.is_sign("}") and out and out[-1].is_sign("{") and not _takes_argument(out[-2:-1]):
            out.pop()  # an empty group
            continue
        out.append(t)
    return out


def _takes_argument(before: list[Token]) -> bool:
    return bool(before) and (before[0].is_sign("^", "_", "}") or before[0].is_cmd(*TAKING))


def _fence(t: Token) -> Token:
    if t.kind != "cmd":
        return t
    if t.value in BARS:
        return t._replace(kind="sign", value=BARS[t.value])
    if t.value in ("{", "}"):
        return t._replace(kind="sign", value="(" if t.value == "{" else ")")
    if t.value in SAME_FENCE:
        return t._replace(kind="sign", value={"{": "(", "}": ")"}.get(SAME_FENCE[t.value], SAME_FENCE[t.value]))
    return t


def _sided(t: Token, side: str, begun: Token, text: str) -> Token:
    span = Span(min(begun.span.start, t.span.start), max(begun.span.end, t.span.end))
    if t.kind == "end":
        raise ParseError(f"\\{side} needs a bracket", span=begun.span, source=text)
    if t.is_sign("|", "||"):
        letter = "l" if side == "left" else "r"
        return Token("cmd", letter + ("vert" if t.value == "|" else "Vert"), span)
    if t.is_sign("."):
        return Token("cmd", "open fence", span)
    if t.is_sign("<", ">"):
        return Token("cmd", ANGLES[t.value], span)
    return t._replace(span=span)


def near(word: str, known: list[str]) -> str:
    """A hint for a command or a function that is not known."""
    close = get_close_matches(word, known, 1, 0.6)
    return f"did you mean {close[0]}?" if close else ""
