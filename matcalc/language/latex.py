r"""Terms in LaTeX, the way a textbook sets them: ``2 A^{\top} \left(A x - b\right)``.

The same walk as the other notations, with its own table of how each operation is set.  Factors stand side by side; a
number behind another factor gets a dot.

Invariants: braces and ``\left``/``\right`` balance; names reach the output only as letters, digits and escapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from matcalc.language.dims import ONE, Dim
from matcalc.language.functions import FUNCTIONS
from matcalc.language.named_loss import function_of, told_as
from matcalc.language.ops import ADD, COLWISE, MUL, NEG, OPS, POST, POW, ROWWISE
from matcalc.language.printing import ATOM, NAME, Piece, bind, decimal_text, positions, post_order
from matcalc.language.selections import Pick, picked
from matcalc.language.terms import Term, size_names
from matcalc.language.unicode import GREEK

__all__ = ["name_latex", "write_latex"]

Write = Callable[[Term, Sequence[Piece]], Piece]
ACCENTS = {"hat": r"\hat", "bar": r"\bar", "tilde": r"\tilde", "dot": r"\dot"}
ACCENTED = re.compile(r"(.+?)_?(hat|bar|tilde|dot)")
INDEXED = re.compile(r"([^\W\d_]+)_?(\d+)")
SUBSCRIPT = re.compile(r"(.*_\{)(.*)\}")
GREEK_BACK = {letter: word for word, letter in GREEK.items()}
DIGITS = tuple("0123456789")


# ------------------------------------------------------------------------------------ names
def name_latex(word: str) -> str:
    r"""A name: ``lambda`` is ``\lambda``, ``x_1`` and ``W1`` get subscripts, ``Xhat`` an accent."""
    word = GREEK_BACK.get(word, word)
    if word == "eps":
        return r"\varepsilon"
    if word in GREEK:
        return _greek(word)
    if len(word) == 1:
        return r"\_" if word == "_" else word
    numbered = INDEXED.fullmatch(word)
    if numbered:
        return f"{name_latex(numbered[1])}_{{{numbered[2]}}}"
    accented = ACCENTED.fullmatch(word)
    if accented and (len(accented[1]) == 1 or accented[1] in GREEK):
        return f"{ACCENTS[accented[2]]}{{{name_latex(accented[1])}}}"
    head, _, tail = word.partition("_")
    if tail and head and (len(head) == 1 or head in GREEK):
        return f"{name_latex(head)}_{{{_upright(tail)}}}"
    return _upright(word)


def _greek(word: str) -> str:
    return "o" if word == "omicron" else rf"\{word}"


def _upright(word: str) -> str:
    return rf"\mathrm{{{word}}}".replace("_", r"\_") if len(word) > 1 else name_latex(word)


def dim_latex(d: Dim) -> str:
    """A size."""
    return NAME.sub(lambda m: name_latex(m.group()), str(d).replace("*", " "))


# ---------------------------------------------------------------------------------- brackets
def paren(body: str) -> str:
    return rf"\left({body}\right)"


def _within(p: Piece, level: int) -> str:
    return p.text if p.level >= level else paren(p.text)


def _applied(head: str) -> Write:
    return lambda t, args: Piece(head + paren(", ".join(p.text for p in args)))


def _fenced(left: str, right: str) -> Write:
    return lambda t, args: Piece(rf"\left{left} {', '.join(p.text for p in args)} \right{right}")


# ------------------------------------------------------------------------------------ leaves
def _sized(letter: str) -> Write:
    def write(t: Term, args: Sequence[Piece]) -> Piece:
        rows, cols = t.data
        sizes = dim_latex(rows) if cols is ONE else rf"{dim_latex(rows)} \times {dim_latex(cols)}"
        return Piece(rf"{letter}_{{{sizes}}}")

    return write


def _element(t: Term, args: Sequence[Piece]) -> Piece:
    family, index = t.data
    return Piece(subscripted(name_latex(family), dim_latex(index)))


def subscripted(name: str, index: str) -> str:
    """A name with an index; one that has a subscript gets the index behind it."""
    has_one = SUBSCRIPT.fullmatch(name)
    return f"{has_one[1]}{has_one[2]}, {index}}}" if has_one else f"{name}_{{{index}}}"


def _size(t: Term, args: Sequence[Piece]) -> Piece:
    return Piece(dim_latex(t.data))


# ----------------------------------------------------------------------------------- algebra
def _add(t: Term, args: Sequence[Piece]) -> Piece:
    parts = [_within(args[0], NEG)]
    for a, p in zip(t.args[1:], args[1:], strict=True):
        parts.append(f" - {p.text[1:]}" if a.op == "neg" else f" + {_within(p, MUL)}")
    return Piece("".join(parts), ADD)


def _neg(t: Term, args: Sequence[Piece]) -> Piece:
    return Piece("-" + _within(args[0], MUL), NEG)


def _mul(t: Term, args: Sequence[Piece]) -> Piece:
    pieces = [_pick(p, t, args) for p in picked(t.args)]
    if len(pieces) == 1:
        return pieces[0]
    out = _factor(pieces[0])
    for p in pieces[1:]:
        f = _factor(p)
        out += (r" \cdot " if f[:1].isdigit() or (f.startswith(r"\frac") and out[-1:].isdigit()) else " ") + f
    return Piece(out, MUL, "*")


def _pick(p: Pick, t: Term, args: Sequence[Piece]) -> Piece:
    """An entry, a row or a column: indices below the factor, in brackets where it has a subscript of its own."""
    if p.is_whole:
        return args[p.place or 0]
    if p.place is None:
        assert p.length is not None and p.row is not None and p.col is not None
        return Piece(rf"\left[I_{{{dim_latex(p.length)}}}\right]_{{{dim_latex(p.row)}, {dim_latex(p.col)}}}")
    base, written = t.args[p.place], args[p.place].text
    sides = [":" if d is None else dim_latex(d) for d in (p.row, p.col)]
    inside = ", ".join([s for s in sides if s != ":"] if ONE in base.shape else sides)
    plain = base.op == "sym" and "_" not in written
    return Piece(f"{written}_{{{inside}}}" if plain else rf"\left[{written}\right]_{{{inside}}}")


def _unit(t: Term, args: Sequence[Piece]) -> Piece:
    return Piece(rf"\mathrm{{e}}_{{{dim_latex(t.data[0])}, {dim_latex(t.data[1])}}}")


def _factor(p: Piece) -> str:
    return p.text if p.level > MUL else paren(p.text)


def _div(t: Term, args: Sequence[Piece]) -> Piece:
    top, bottom = args
    if t.args[0].is_scalar or top.level > MUL:
        return Piece(rf"\frac{{{top.text}}}{{{bottom.text}}}", POW)
    # a long matrix is not lifted onto a fraction
    return Piece(rf"\frac{{1}}{{{bottom.text}}} {top.text if top.family == '*' else _factor(top)}", MUL, "*")


def _entrywise(mark: str) -> Write:
    return lambda t, args: Piece(mark.join(_factor(p) for p in args), MUL, ".*")


def _power(t: Term, args: Sequence[Piece]) -> Piece:
    exponent = args[1].text
    return Piece(_base(args[0]) + (f"^{exponent}" if exponent in DIGITS else f"^{{{exponent}}}"), POW)


def _hadamard_power(t: Term, args: Sequence[Piece]) -> Piece:
    return Piece(rf"{_base(args[0])}^{{\odot {_within(args[1], POST)}}}", POW)


def _base(p: Piece) -> str:
    """A base under an exponent: it must hold together and carry no exponent yet."""
    return p.text if p.level >= ATOM else paren(p.text)


def _transpose(t: Term, args: Sequence[Piece]) -> Piece:
    inside = t.args[0]
    if inside.op == "inv" and args[0].text.endswith("^{-1}"):
        return Piece(args[0].text[:-4] + r"{-\top}", POST)
    if inside.op in ("grad", "hess"):  # what is transposed can only be the whole gradient
        return Piece(args[0].text + r"^{\top}", POST)
    return Piece(_base(args[0]) + r"^{\top}", POST)


# --------------------------------------------------------------------------------- functions
def _norm(index: str) -> Write:
    return lambda t, args: Piece(rf"\lVert {args[0].text} \rVert_{index}")


def _fn(t: Term, args: Sequence[Piece]) -> Piece:
    name, order = t.data
    body = args[0].text
    if order == 0 and name == "sqrt":
        return Piece(rf"\sqrt{{{body}}}", POW)
    if order == 0 and name == "abs" and t.is_scalar:  # |X| of a matrix is its determinant
        return Piece(rf"\left\lvert {body} \right\rvert")
    head = FUNCTIONS[name].latex if name in FUNCTIONS else function_latex(name)
    return Piece(head + "'" * order + paren(body))


def function_latex(name: str) -> str:
    """The name of a function; long names are set as operators."""
    written = name_latex(name)
    return written.replace(r"\mathrm", r"\operatorname", 1) if written.startswith(r"\mathrm") else written


def _call(t: Term, args: Sequence[Piece]) -> Piece:
    return Piece(function_latex(function_of(t.data[0])) + paren(", ".join(p.text for p in args)))


def _derivative(mark: str) -> Write:
    def write(t: Term, args: Sequence[Piece]) -> Piece:
        by = "" if len(args) == 1 else f"_{{{', '.join(map(str, positions(t)))}}}"
        return Piece(
            f"{mark}{by} {function_latex(told_as(t.data[0], t.args))}" + paren(", ".join(p.text for p in args)), POST
        )

    return write


def _jacobian(t: Term, args: Sequence[Piece]) -> Piece:
    by = "" if len(args) == 1 else f", {positions(t)[0]}"
    return Piece(f"J_{{{name_latex(t.data[0])}{by}}}" + paren(", ".join(p.text for p in args)))


def _softmax(t: Term, args: Sequence[Piece]) -> Piece:
    of = {ROWWISE: r"_{\mathrm{rows}}", COLWISE: r"_{\mathrm{columns}}"}.get(t.data, "")
    return Piece(rf"\operatorname{{{t.op}}}{of}" + paren(args[0].text))


def _unvec(t: Term, args: Sequence[Piece]) -> Piece:
    rows, cols = (dim_latex(d) for d in t.data)
    return Piece(rf"\operatorname{{vec}}_{{{rows} \times {cols}}}^{{-1}}" + paren(args[0].text))


def _differential(t: Term, args: Sequence[Piece]) -> Piece:
    """The level of a power, for ``\\mathrm{d}X^{-1}`` is the differential of the inverse."""
    return Piece(r"\mathrm{d}" + (args[0].text if t.args[0].op in ("sym", "elem") else paren(args[0].text)), POW)


def _kron(t: Term, args: Sequence[Piece]) -> Piece:
    return Piece(r" \otimes ".join(_factor(p) for p in args), MUL, "kron")


def _names(t: Term) -> str:
    """The names that a bound index may not have."""
    return " ".join(sorted({*t.free, *size_names(t)}))


def _binder(mark: str) -> Write:
    def write(t: Term, args: Sequence[Piece]) -> Piece:
        low, high = (dim_latex(d) for d in t.data)
        letter, body = bind(_within(args[0], MUL), f"{low} {high} {_names(t)}", t.data[1])
        return Piece(f"{mark}_{{{letter}={low}}}^{{{high}}} {body}", MUL, "sum")

    return write


def _stack(t: Term, args: Sequence[Piece]) -> Piece:
    low, high = (dim_latex(d) for d in t.data)
    letter, body = bind(args[0].text, f"{low} {high} {_names(t)}", t.data[1])
    return Piece(rf"\operatorname{{rows}}_{{{letter}={low}}}^{{{high}}}{paren(body)}")


SET: dict[str, Write] = {
    "num": lambda t, args: Piece(decimal_text(t.data)),
    "const": lambda t, args: Piece({"pi": r"\pi", "e": r"\mathrm{e}"}[t.data]),
    "size": _size,
    "sym": lambda t, args: Piece(name_latex(t.data)),
    "elem": _element,
    "eye": lambda t, args: Piece(f"I_{{{dim_latex(t.data)}}}"),
    "ones": _sized(r"\mathbf{1}"),
    "zeros": _sized(r"\mathbf{0}"),
    "unit": _unit,
    "commutation": lambda t, args: Piece(f"K_{{{dim_latex(t.data[0])}, {dim_latex(t.data[1])}}}"),
    "add": _add,
    "neg": _neg,
    "mul": _mul,
    "div": _div,
    "had": _entrywise(r" \odot "),
    "hdiv": _entrywise(r" \oslash "),
    "pow": _power,
    "hpow": _hadamard_power,
    "kron": _kron,
    "inner": _fenced(r"\langle", r"\rangle"),
    "transpose": _transpose,
    "inv": lambda t, args: Piece(_base(args[0]) + "^{-1}", POW),
    "det": _applied(r"\det"),
    "logdet": lambda t, args: Piece(rf"\log \left\lvert \det {_base(args[0])} \right\rvert", POW),
    "tr": _applied(r"\operatorname{tr}"),
    "sum": _applied(r"\operatorname{sum}"),
    "diag": _applied(r"\operatorname{diag}"),
    "diagvec": _applied(r"\operatorname{diag}"),
    "vec": _applied(r"\operatorname{vec}"),
    "unvec": _unvec,
    "norm1": _norm("1"),
    "norm2": _norm("2"),
    "normF": _norm("F"),
    "softmax": _softmax,
    "logsumexp": _softmax,
    "fn": _fn,
    "call": _call,
    "grad": _derivative(r"\nabla"),
    "jac": _jacobian,
    "hess": _derivative(r"\nabla^{2}"),
    "stop": _applied(r"\operatorname{stop}"),
    "d": _differential,
    "sumover": _binder(r"\sum"),
    "prod": _binder(r"\prod"),
    "stack": _stack,
}

if SET.keys() != OPS.keys():
    raise AssertionError(f"operations and their LaTeX differ: {sorted(SET.keys() ^ OPS.keys())}")


def write_latex(t: Term) -> str:
    """The term in LaTeX, without delimiters."""
    return post_order(t, lambda node, args: SET[node.op](node, args)).text
