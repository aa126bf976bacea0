r"""What the letters of a text tell about themselves, where nothing is known of them.

A letter that stands without an argument somewhere is a variable there; a letter with arithmetic in a subscript,
``h_{t-1}``, is an index; a sum with limits tells the range of its index.
"""

from __future__ import annotations

from matcalc.interop.latex_grammar import Facts, matching
from matcalc.interop.latex_names import ACCENTS, greek
from matcalc.interop.latex_tokens import Token

__all__ = ["facts_of"]

MAX_ACCENTS = 4  # over one letter


def facts_of(tokens: list[Token]) -> Facts:
    """What the letters of a formula tell about themselves."""
    bare: dict[str, None] = {}
    indices: dict[str, None] = {}
    limits: dict[str, list[Token]] = {}
    deltas = False
    i = 0
    while i < len(tokens):
        t = tokens[i]
        if t.is_sign("_", "^"):
            end = matching(tokens, i + 1) if tokens[i + 1].is_sign("{") else i + 1
            end = len(tokens) - 1 if end is None else end
            _note_script(tokens[i + 2 : end], indices)
            i = end + 1
            continue
        if t.is_cmd("sum", "prod"):
            i = _note_limits(tokens, i, limits, indices)
            continue
        if t.is_cmd("delta") and _begins_side(tokens, i) and tokens[i + 1].kind in ("letter", "word"):
            deltas = True
        if t.is_cmd("nabla", "partial", "differential"):
            i = _after_name(tokens, _after_scripts(tokens, i + 1))[1]  # what is differentiated tells nothing
            continue
        key, after = _after_name(tokens, i)
        if key and not tokens[_after_scripts(tokens, after)].is_sign("("):
            bare[key] = None
        i = after
    return Facts(frozenset(bare), frozenset(indices), limits, deltas)


def _after_name(tokens: list[Token], i: int) -> tuple[str, int]:
    """The name at a place, with its accents, and the place after it; empty where there is none."""
    accents: list[str] = []
    first = i
    while i < len(tokens) - 1 and tokens[i].kind == "cmd" and tokens[i].value in ACCENTS and len(accents) < MAX_ACCENTS:
        accents.insert(0, ACCENTS[tokens[i].value])
        i += 1
        if tokens[i].is_sign("{"):
            i += 1
    t = tokens[i]
    stem = t.value if t.kind in ("letter", "word") else (greek(t.value) or "" if t.kind == "cmd" else "")
    if not stem or i >= len(tokens) - 1:
        return "", min(first + 1, len(tokens))
    i += 1
    for _ in accents:
        i += tokens[min(i, len(tokens) - 1)].is_sign("}")
    return stem + "".join(accents), min(i, len(tokens) - 1)


def _begins_side(tokens: list[Token], i: int) -> bool:
    return (
        i == 0
        or tokens[i - 1].is_sign("(", "&", "[")
        or tokens[i - 1].kind in ("row", "newline")
        or tokens[i - 1].is_cmd("approx")
    )


def _after_scripts(tokens: list[Token], i: int) -> int:
    """The place after scripts and primes."""
    while i < len(tokens) - 1 and (tokens[i].is_sign("_", "^", "'") or tokens[i].is_cmd("prime")):
        if tokens[i].is_sign("_", "^"):
            end = matching(tokens, i + 1) if tokens[i + 1].is_sign("{") else i + 1
            i = (len(tokens) - 2 if end is None else end) + 1
        else:
            i += 1
    return min(i, len(tokens) - 1)


def _note_script(script: list[Token], indices: dict[str, None]) -> None:
    """Letters with arithmetic, as in ``_{t-1}`` and ``^{(i-1)T}``."""
    if script and script[0].is_sign("(", "["):
        close = next((k for k, t in enumerate(script) if t.is_sign(")", "]")), len(script))
        script = script[1:close]
    elif any(t.is_sign("^") for t in script):
        return
    arithmetic = (
        len(script) >= 3
        and script[0].kind == "letter"
        and script[1].is_sign("+", "-")
        and script[2].kind in ("digit", "letter")
    )
    if arithmetic:
        indices[script[0].value] = None


def _note_limits(tokens: list[Token], i: int, limits: dict[str, list[Token]], indices: dict[str, None]) -> int:
    """The upper limit of a sum with both limits; the place after them."""
    below: list[Token] = []
    above: list[Token] = []
    i += 1
    while i < len(tokens) - 1 and tokens[i].is_sign("_", "^"):
        braced = tokens[i + 1].is_sign("{")
        end = matching(tokens, i + 1) if braced else i + 1
        end = len(tokens) - 2 if end is None else end
        script = tokens[i + 2 : end] if braced else tokens[i + 1 : end + 1]
        if tokens[i].value == "_":
            below = script
        else:
            above = script
        i = end + 1
    if above and len(below) > 2 and below[0].kind == "letter" and below[1].is_sign("="):
        limits.setdefault(below[0].value, above)
    return i
