"""Terms as text: the plain form that parses back to the same term, and a Unicode form to read.

One walk serves both: every distinct subterm is written once, from the leaves up, as a :class:`Piece` (its text and how
tightly it holds together); a :class:`Style` says which marks are used.  LaTeX has its own module.

Invariants: ``parse(text(t)) is t``; no recursion, so that depth is no limit; the time is that of the result's length.
A product inside a Hadamard product (and the other way round) always gets parentheses, because nobody remembers which of
the two binds first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from typing import NamedTuple

from matcalc.language.dims import ONE, Dim
from matcalc.language.named_loss import function_of, told_as
from matcalc.language.ops import ADD, MUL, NEG, OPS, POST, POW
from matcalc.language.selections import Pick, picked, unit_of
from matcalc.language.terms import Term, bottom_up, size_names

__all__ = ["decimal_text", "latex", "text", "unicode"]

ATOM = 100
BOUND = re.compile(r"#(\d+)")
NAME = re.compile(r"[^\W\d]\w*")
LETTERS = ("i", "j", "k", "l", "p", "q", "r", "s", "t")


class Piece(NamedTuple):
    """A written subterm: its text, how tightly it binds, and the family of its outermost product (``*`` or ``.*``)."""

    text: str
    level: int = ATOM
    family: str = ""


@dataclass(frozen=True, slots=True)
class Style:
    """The marks of one notation."""

    infix: dict[str, str]  # mul, div, had, hdiv, pow, hpow
    minus: str
    transpose: str
    name: Callable[[str], str]
    function: Callable[[str, int], str]  # an elementwise function and the order of its derivative
    special: dict[str, Callable[[Term, Sequence[Piece]], Piece | None]]  # ops written differently; None: as usual
    taken: str = ""  # names that no bound index may have


# ------------------------------------------------------------------------ numbers and names
def decimal_text(value: Fraction) -> str:
    """A finite decimal in digits: ``1/2`` is ``0.5``."""
    if value.denominator == 1:
        return str(value.numerator)
    places, scaled = 0, value
    while scaled.denominator != 1:
        scaled *= 10
        places += 1
    digits = str(scaled.numerator).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}"


def bound_letter(written: str, high: Dim | None = None) -> str:
    """A letter for a bound index that does not occur in the text yet: ``t`` for one that runs up to ``T``.

    The first letters are left to the outer indices in the text, which have no names yet.
    """
    used = set(NAME.findall(written))
    names = high.names() if high is not None else []
    ends = [n.lower() for n in names if len(n) == 1 and n.isascii() and n.isupper() and n != "D"]  # d is a differential
    first = ends if len(ends) == 1 else []
    outer = max((int(k) for k in BOUND.findall(written)), default=0)
    own = next((c for c in first if c not in used), None)
    letters = (c + (str(k) if k else "") for k in range(len(used) + outer + 1) for c in LETTERS)
    return own or next(islice((c for c in letters if c not in used), outer, None))


# --------------------------------------------------------------------------------- the walk
def post_order(t: Term, write: Callable[[Term, Sequence[Piece]], Piece]) -> Piece:
    """Write every distinct subterm once, from the leaves up."""
    return bottom_up(t, write, {})


def _writing(t: Term, style: Style) -> str:
    style = replace(style, taken=" ".join(sorted({*t.free, *size_names(t)})))
    return post_order(t, lambda node, args: _piece(node, args, style)).text


def _piece(t: Term, args: Sequence[Piece], style: Style) -> Piece:
    special = style.special.get(t.op)
    if special is not None:
        found = special(t, args)
        if found is not None:
            return found
    return WRITE[t.op](t, args, style)


def _within(p: Piece, level: int) -> str:
    """The text, in parentheses where it binds less tightly than ``level``."""
    return p.text if p.level >= level else f"({p.text})"


def _leaf(write: Callable[[Term, Style], str]) -> Callable[[Term, Sequence[Piece], Style], Piece]:
    return lambda t, args, style: Piece(write(t, style))


def _sized(t: Term, style: Style) -> str:
    rows, cols = t.data
    sizes = dim_text(rows, style) + (f", {dim_text(cols, style)}" if cols is not ONE else "")
    return f"{t.op}({sizes})"


def dim_text(d: Dim, style: Style) -> str:
    """A size; names as the style writes them."""
    written = str(d).replace("*", style.infix["mul"]).replace("-", style.minus)
    return NAME.sub(lambda m: style.name(m.group()), written)


def index_text(d: Dim, style: Style) -> str:
    """An index or the end of a range: ``t-1``, set close."""
    return dim_text(d, style).replace(" ", "")


def index_plain(d: Dim) -> str:
    """An index in plain text, set close."""
    return str(d).replace(" ", "")


def _add(t: Term, args: Sequence[Piece], style: Style) -> Piece:
    parts = [_within(args[0], NEG)]
    for a, p in zip(t.args[1:], args[1:], strict=True):
        if a.op == "neg" and p.text.startswith(style.minus):
            parts.append(f" {style.minus} {p.text[len(style.minus) :]}")
        else:
            parts.append(f" + {_within(p, MUL)}")
    return Piece("".join(parts), ADD)


def _neg(t: Term, args: Sequence[Piece], style: Style) -> Piece:
    return Piece(style.minus + _within(args[0], MUL), NEG)


def _factor(p: Piece, family: str, first: bool) -> str:
    """An operand of a product-like operation; only the first may be of the same family without parentheses.

    A product inside a product is the product of a row and a column, one factor of a longer one: ``c*(x'*y)*z``.
    """
    if p.level > MUL or (p.level == MUL and first and p.family == family):
        return p.text
    return f"({p.text})"


def _picks(t: Term, args: Sequence[Piece], style: Style) -> Sequence[Piece]:
    """The factors of a product, entries, rows and columns written with brackets."""
    if not any(unit_of(a) for a in t.args):
        return args
    return [_pick(p, t, args, style) for p in picked(t.args)]


def _pick(p: Pick, t: Term, args: Sequence[Piece], style: Style) -> Piece:
    if p.is_whole:
        return args[p.place or 0]
    if p.place is None:
        assert p.length is not None
        body, vector = f"eye({dim_text(p.length, style)})", False
    else:
        body, vector = (
            _within(args[p.place], POST),
            t.args[p.place].shape.cols is ONE or t.args[p.place].shape.rows is ONE,
        )
    sides = [":" if d is None else index_text(d, style) for d in (p.row, p.col)]
    inside = [s for s in sides if s != ":"] if vector else sides
    named = p.place is not None and t.args[p.place].op in ("sym", "elem")
    return Piece(f"{body}[{','.join(inside)}]", ATOM if named else POST)  # 2^x[1], 2^(exp(x)[1])


def _infix(family: str) -> Callable[[Term, Sequence[Piece], Style], Piece]:
    def write(t: Term, args: Sequence[Piece], style: Style) -> Piece:
        mark = style.infix[t.op]
        open_first = not t.op == t.args[0].op == "mul"
        pieces = _picks(t, args, style) if t.op == "mul" else args
        if len(pieces) == 1:
            return pieces[0]
        parts = [_factor(p, family, i == 0 and open_first) for i, p in enumerate(pieces)]
        return Piece(mark.join(parts), MUL, family)

    return write


def _power(t: Term, args: Sequence[Piece], style: Style) -> Piece:
    return Piece(_within(args[0], POST) + style.infix[t.op] + _within(args[1], ATOM), POW)


def _transpose(t: Term, args: Sequence[Piece], style: Style) -> Piece:
    return Piece(_within(args[0], POST) + style.transpose, POST)


def _listed(args: Sequence[Piece]) -> str:
    return ", ".join(p.text for p in args)


def _call_by_name(t: Term, args: Sequence[Piece], style: Style) -> Piece:
    return Piece(f"{OPS[t.op].notation.text}({_listed(args)})")


def _softmax(t: Term, args: Sequence[Piece], style: Style) -> Piece:
    return Piece(f"{t.op}({args[0].text}{'' if t.data is None else f', {t.data}'})")


def _unvec(t: Term, args: Sequence[Piece], style: Style) -> Piece:
    return Piece(f"unvec({args[0].text}, {dim_text(t.data[0], style)}, {dim_text(t.data[1], style)})")


def _fn(t: Term, args: Sequence[Piece], style: Style) -> Piece:
    return Piece(f"{style.function(*t.data)}({args[0].text})")


def _call(t: Term, args: Sequence[Piece], style: Style) -> Piece:
    return Piece(f"{style.name(function_of(t.data[0]))}({_listed(args)})")


def positions(t: Term) -> tuple[int, ...]:
    """The argument positions (from 1) that a gradient, Jacobian or Hessian is taken by."""
    return tuple(p + 1 for p in (t.data[1:3] if t.op == "hess" else t.data[1:2]))


def _derivative(t: Term, args: Sequence[Piece], style: Style) -> Piece:
    name = style.name(told_as(t.data[0], t.args))
    if len(args) == 1:
        return Piece(f"{t.op}({name}, {args[0].text})")
    marks = "".join(f"_{p}" for p in positions(t))
    return Piece(f"{t.op}{marks}({name})({_listed(args)})")


def _binder(t: Term, args: Sequence[Piece], style: Style) -> Piece:
    low, high = (index_text(d, style) for d in t.data)
    letter, body = bind(args[0].text, f"{low} {high} {t.shape} {style.taken}", t.data[1])
    return Piece(f"{OPS[t.op].notation.text}({letter} in {low}..{high}, {body})")


def bind(body: str, around: str, high: Dim | None = None) -> tuple[str, str]:
    """A letter for the index of the nearest binder, ``#0``, and the body with it; outer indices come one nearer."""
    letter = bound_letter(f"{body} {around}", high)
    return letter, BOUND.sub(lambda m: f"#{int(m[1]) - 1}" if m[1] != "0" else letter, body)


WRITE: dict[str, Callable[[Term, Sequence[Piece], Style], Piece]] = {
    "num": _leaf(lambda t, style: decimal_text(t.data)),
    "const": _leaf(lambda t, style: style.name(t.data)),
    "size": _leaf(lambda t, style: dim_text(t.data, style)),
    "sym": _leaf(lambda t, style: style.name(t.data)),
    "elem": _leaf(lambda t, style: f"{style.name(t.data[0])}[{index_text(t.data[1], style)}]"),
    "eye": _leaf(lambda t, style: f"eye({dim_text(t.data, style)})"),
    "ones": _leaf(_sized),
    "zeros": _leaf(_sized),
    "unit": _leaf(lambda t, style: f"unit({index_text(t.data[0], style)}, {dim_text(t.data[1], style)})"),
    "commutation": _leaf(lambda t, style: f"commutation({dim_text(t.data[0], style)}, {dim_text(t.data[1], style)})"),
    "add": _add,
    "neg": _neg,
    "mul": _infix("*"),
    "div": _infix("*"),
    "had": _infix(".*"),
    "hdiv": _infix(".*"),
    "pow": _power,
    "hpow": _power,
    "transpose": _transpose,
    "softmax": _softmax,
    "logsumexp": _softmax,
    "unvec": _unvec,
    "fn": _fn,
    "call": _call,
    "grad": _derivative,
    "jac": _derivative,
    "hess": _derivative,
    "sumover": _binder,
    "prod": _binder,
    "stack": _binder,
} | dict.fromkeys(
    ("kron", "inner", "inv", "det", "logdet", "tr", "sum", "diag", "diagvec", "vec", "norm1", "norm2", "normF")
    + ("d", "stop"),
    _call_by_name,
)

if WRITE.keys() != OPS.keys():
    raise AssertionError(f"operations and their printing differ: {sorted(WRITE.keys() ^ OPS.keys())}")


# ------------------------------------------------------------------------------- plain text
PLAIN = Style(
    infix={"mul": "*", "div": "/", "had": ".*", "hdiv": "./", "pow": "^", "hpow": ".^"},
    minus="-",
    transpose="'",
    name=lambda name: name,
    function=lambda name, order: name + "'" * order,
    special={},
)


def text(t: Term) -> str:
    """The term in the language itself: it parses back to the same term."""
    return _writing(t, PLAIN)


def unicode(t: Term) -> str:
    """The term in Unicode notation, e.g. ``2·Aᵀ·(A·x − b)``."""
    from matcalc.language.unicode import UNICODE

    return _writing(t, UNICODE)


def latex(t: Term) -> str:
    """The term in LaTeX, without delimiters, e.g. ``2 A^{\\top} \\left(A x - b\\right)``."""
    from matcalc.language.latex import write_latex

    return write_latex(t)
