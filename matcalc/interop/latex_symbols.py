r"""Names: letters with their accents and subscripts, members of families, and names applied to arguments.

A subscript is part of the name (``W_1``, ``x_{\mathrm{max}}``) unless it is an index: a letter bound by a sum, a
letter that the text does arithmetic with (``h_{t-1}``), or any subscript of a known family.  ``^{(k)}`` is read like
a subscript.
"""

from __future__ import annotations

from dataclasses import replace

from matcalc.interop.latex_application import applied, lists_names
from matcalc.interop.latex_entries import Selection, is_entry_index, selected, selection_below
from matcalc.interop.latex_grammar import Grammar, cover, matching
from matcalc.interop.latex_names import ACCENTS, Name, greek, spelled
from matcalc.interop.latex_scripts import above, is_transpose, scripted
from matcalc.interop.latex_tokens import Token
from matcalc.language.syntax import Node

__all__ = ["named", "stem_of"]

LONGEST_PRODUCT = 4  # so many small letters in a row are a word
LAYERS = frozenset(("l", "ell"))
STARS = {"*": "star", "+": "plus", "-": "minus", "star": "star", "ast": "star", "perp": "perp", "infty": "inf"}


def named(g: Grammar) -> Node:
    """A name with all that belongs to it, applied to its argument where it is a function."""
    word = _word(g)
    if word is not None:
        return word
    start = g.i
    name = stem_of(g)
    special = _special(g, name, g.tokens[start])
    if special is not None:
        return special
    return scripted(g, applied(g, *_member(g, name, start)))


# ----------------------------------------------------------------------- stems
def stem_of(g: Grammar) -> Name:
    """The letter, Greek letter, word or accented symbol at this place."""
    token = g.next()
    if token.kind == "cmd" and token.value in ACCENTS:
        below = g.inside(g.group())
        inner = stem_of(below)
        if below.token.is_sign("_"):
            below.next()
            inner = replace(inner, subscript=_pieces(below, below.group()))
        if not below.at_end:
            raise g.error("an accent belongs on one letter", token)
        return replace(inner, accents=(*inner.accents, ACCENTS[token.value]))
    if token.kind == "cmd" and token.value == "vec":
        below = g.inside(g.group())
        return stem_of(below)
    if token.kind == "cmd":
        stem = greek(token.value)
        if stem is None:
            raise g.unknown(token)
        return Name(stem, bold=token.bold)
    if token.kind not in ("letter", "word"):
        raise g.error("a name must stand here", token)
    if token.value.startswith("_") or "__" in token.value or len(token.value) > 60:
        raise g.error(f"'{token.value[:60]}' is not a name here", token)
    return Name(token.value, bold=token.bold)


def _word(g: Grammar) -> Node | None:
    """Letters in a row that are a known name, or a function before its parenthesis; ``\\operatorname`` words."""
    from matcalc.interop.latex_operands import called, function_word

    token = g.token
    if token.kind == "word":
        function = function_word(token.value)
        if function and not g.known.is_variable(token.value):
            return called(g, function)
        return None
    if token.kind != "letter":
        return None
    run = _run(g)
    for length in range(len(run), 1, -1):
        word = "".join(t.value for t in run[:length])
        opens = g.peek(length).is_sign("(", "[") or g.peek(length).is_sign("^", "_")
        one = Token("word", word, cover(run[0].span, run[length - 1].span), token.bold)
        if g.known.is_known(word):
            g.tokens[g.i : g.i + length] = [one]
            return None
        function = function_word(word)
        if function and length == len(run) and opens and word not in ("d", "e"):
            g.tokens[g.i : g.i + length] = [one]
            return called(g, function)
    if len(run) >= LONGEST_PRODUCT and all(t.value.islower() for t in run):
        place = cover(*(t.span for t in run))
        raise g.error("a word inside a formula", place, hint="write \\text{...}, or \\mathrm{...} for a name")
    applied = len(run) > 1 and all(t.value.isupper() for t in run) and g.peek(len(run)).is_sign("(")
    if applied and not g.facts.bare & {t.value for t in run} and lists_names(g, len(run)):  # BN(y)
        word = "".join(t.value for t in run)
        g.tokens[g.i : g.i + len(run)] = [Token("word", word, cover(*(t.span for t in run)))]
        return None
    tail = next((k for k in range(1, len(run) - 1) if function_word("".join(t.value for t in run[k:]))), None)
    if tail is not None and g.peek(len(run)).is_sign("(") and not g.facts.bare & {t.value for t in run[tail:]}:
        word = "".join(t.value for t in run[tail:])
        g.tokens[g.i + tail : g.i + len(run)] = [Token("word", word, cover(run[tail].span, run[-1].span))]
    return None


def _run(g: Grammar) -> list[Token]:
    """The letters that stand together from here."""
    run = [g.token]
    while len(run) < 12:
        following = g.peek(len(run))
        if following.kind != "letter" or following.span.start != run[-1].span.end:
            break
        run.append(following)
    return run


# -------------------------------------------------------------- special letters
def _special(g: Grammar, name: Name, token: Token) -> Node | None:
    """``I_n``, ``K_{m, n}`` and ``dX``, where those letters are not known otherwise."""
    from matcalc.interop.latex_constants import commutation, identity, jacobian_letter
    from matcalc.interop.latex_operands import differential

    role = g.known.roles.get(name.stem)
    if name.accents or (role is not None and not (role == "size" and name.stem == "d")):
        return None
    if name.stem in ("I", "Id") and not _is_index_script(g):
        return identity(g, token)
    if name.stem == "K" and g.token.is_sign("_"):
        return commutation(g, token)
    if name.stem == "J" and g.token.is_sign("_"):
        return jacobian_letter(g, token)
    if name.stem == "d" and token.kind == "letter" and g.known.differentials:
        return differential(g, token)
    if name.stem == "delta" and g.facts.deltas and g.known.differentials and _begins_name(g):
        return differential(g, token, always=True)
    return None


def _is_index_script(g: Grammar) -> bool:
    """Whether ``I_i`` has a bound index below."""
    return g.token.is_sign("_") and g.peek().kind == "letter" and g.peek().value in g.bound


def _begins_name(g: Grammar) -> bool:
    t = g.token
    return (
        t.kind in ("letter", "word")
        or t.is_sign("(")
        or (t.kind == "cmd" and (greek(t.value) is not None or t.value in ACCENTS))
    )


# ------------------------------------------------------------------- subscripts
def _subscript_first(g: Grammar) -> None:
    r"""``x^T_1`` is ``x_1^T``: the subscript belongs to the name; ``A^T_{ij}`` is an entry of the transpose."""
    start = g.i
    if not g.token.is_sign("^"):
        return
    g.next()
    script = g.group()
    middle = g.i
    if len(script) == 1 and is_transpose(script[0]) and g.token.is_sign("_"):
        mark = g.next()
        if selection_below(g, None, g.group(), mark) is not None:  # an entry of the transpose
            g.i = start
            return
        g.tokens[start : g.i] = [*g.tokens[middle : g.i], *g.tokens[start:middle]]
    g.i = start


def _member(g: Grammar, name: Name, start: int) -> tuple[Node, Name]:
    """The name with its subscript and ``^{(k)}``: a name node or a member of a family."""
    _subscript_first(g)
    index: Node | None = None
    taken: Selection | None = None
    pieces: tuple[str, ...] = name.subscript
    marks = 0
    raised: tuple[list[Token], Token] | None = None
    while marks < 3:
        marks += 1
        if g.token.is_sign("_"):
            mark = g.next()
            script = g.group()
        elif raised is None and g.token.is_sign("^") and _is_superindex(g):
            mark = g.next()
            script, rest = _superindex(g, g.group())
            raised = (rest, mark) if rest else None
        else:
            break
        script = _unwrapped([t for t in script if t.kind != "newline"])
        below = selection_below(g, name, script, mark) if mark.value == "_" and taken is None else None
        if below is not None:
            taken = below
            pieces = (*pieces, *_pieces(g, list(below.pieces)))
            continue
        found, more = _subscript(g, name, script, mark)
        if found is not None and index is not None:
            raise g.error("a member with two indices is not part of the language", mark)
        index = found if found is not None else index
        pieces = (*pieces, *more)
    full = replace(name, subscript=pieces)
    span = cover(g.tokens[start].span, g.tokens[g.i - 1].span)
    spelling = spelled(full, g.known)
    if index is not None:
        tree = g.node("index", span, index, data=spelling, mark=g.tokens[start].span)
    else:
        tree = g.node("name", span, data=spelling, mark=g.tokens[start].span)
    if taken is not None:
        tree = selected(g, tree, taken)
    if raised is not None:
        tree = above(g, tree, raised[0], raised[1])
    return tree, full


def _is_superindex(g: Grammar) -> bool:
    """``^{(k)}`` and ``^{[l]}``; also a layer: ``W^{l+1}``."""
    if g.peek().is_sign("("):
        return True
    if not g.peek().is_sign("{"):
        return g.peek().value in LAYERS
    if g.peek(2).is_sign("(", "["):
        return True
    return g.peek(2).value in LAYERS and (g.peek(3).is_sign("}") or g.peek(5).is_sign("}"))


def _superindex(g: Grammar, script: list[Token]) -> tuple[list[Token], list[Token]]:
    if len(script) == 1 and script[0].is_sign("("):  # ^(k)
        inside: list[Token] = []
        while not (g.at_end or g.token.is_sign(")")):
            inside.append(g.next())
        g.next()
        return inside, []
    if script[0].value in LAYERS:
        return script, []
    depth = 0
    for k, t in enumerate(script):
        depth += t.is_sign("(", "[") - t.is_sign(")", "]")
        if depth == 0:
            return script[1:k], script[k + 1 :]
    raise g.error("unclosed parenthesis", script[0], "this one is never closed")


def _subscript(g: Grammar, name: Name, script: list[Token], mark: Token) -> tuple[Node | None, tuple[str, ...]]:
    """An index, or pieces of the name."""
    script = _unwrapped([t for t in script if t.kind != "newline"])
    if not script:
        return None, ()
    if any(t.is_sign(":") or t.is_cmd("cdot", "bullet") for t in script):
        raise g.error("this subscript is not understood", mark, hint="Y_{d,:} is a row, Y_{:,n} a column")
    family = any(g.known.roles.get(s) == "family" for s in name.spellings())
    if family or _is_index(g, script) or is_entry_index(g, name, script):
        if any(t.is_sign(",") for t in script):
            raise g.error("a family has one index", mark)
        return g.whole(script, mark), ()
    return None, _pieces(g, script)


def _unwrapped(script: list[Token]) -> list[Token]:
    while (
        len(script) > 2
        and script[0].is_sign("{", "(")
        and script[-1].is_sign("}", ")")
        and matching(script, 0) in (len(script) - 1, None)
    ):
        script = script[1:-1]
    return script


def _is_index(g: Grammar, script: list[Token]) -> bool:
    """One letter that is an index, or arithmetic with letters."""
    if len(script) == 1 and script[0].kind in ("letter", "cmd"):
        letter = script[0].value
        return letter in g.bound or letter in g.facts.indices
    signs = [t for t in script if t.is_sign("+", "-")]
    simple = all(t.kind in ("letter", "digit") or t.is_sign("+", "-") for t in script)
    return (
        bool(signs)
        and simple
        and len(script) > 1
        and script[-1].kind in ("letter", "digit")
        and script[0].kind in ("letter", "digit")
    )


def _pieces(g: Grammar, script: list[Token]) -> tuple[str, ...]:
    """The words of a subscript that is part of a name."""
    pieces: list[str] = []
    joined = False  # whether the next letter belongs to the last piece
    for t in script:
        if t.kind in ("letter", "digit"):
            if joined:
                pieces[-1] += t.value
            else:
                pieces.append(t.value)
            joined = True
            continue
        joined = False
        if t.kind == "word":
            pieces.append(t.value)
        elif t.kind == "remark":
            pieces.append("".join(c for c in t.value if c.isalnum()) or "text")
        elif t.kind == "cmd" and (greek(t.value) or t.value in STARS or t.value in ACCENTS):
            pieces.append(greek(t.value) or STARS.get(t.value) or t.value)
        elif t.is_sign("*", "+", "-"):
            pieces.append(STARS[t.value])
        elif not t.is_sign(",", "_", "{", "}", "(", ")"):
            raise g.error("this subscript is not understood", t)
    return tuple(p.strip("_") for p in pieces if p.strip("_"))
