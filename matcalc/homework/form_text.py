"""Forms as text, whether or not their shapes fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from matcalc.homework.forms import SIGNS, Form, applied, at
from matcalc.language.dims import ONE
from matcalc.language.named_loss import function_of
from matcalc.language.terms import Path, Term

__all__ = ["index_letter", "text_of", "text_of_term", "unit_in", "with_indices"]

BOUND = re.compile(r"#(\d+)")


@lru_cache(maxsize=8192)
def text_of(form: Form) -> str:
    """A form as text, whether or not its shapes fit."""
    return _written(form)[0]


@lru_cache(maxsize=8192)
def text_of_term(t: Term) -> str:
    """The text of a term that is named again and again."""
    return str(t)


SUM, SIGN, PRODUCT, POWER, POSTFIX, ATOM = range(6)


def _written(form: Form) -> tuple[str, int]:
    """The text and how tightly it binds."""
    if form.op == "leaf":
        return _leaf_text(form)

    def inside(i: int, least: int) -> str:
        text, level = _written(form.args[i])
        return text if level >= least else f"({text})"

    if form.op == "add":
        out = inside(0, SUM)
        for i, a in enumerate(form.args[1:], 1):
            if a.op == "neg":
                text, level = _written(a.args[0])
                out += " - " + (text if level >= PRODUCT else f"({text})")
            else:
                out += " + " + inside(i, PRODUCT)
        return out, SUM
    if form.op == "neg":
        return "-" + inside(0, PRODUCT), SIGN
    if form.op == "mul" and any(unit_in(a) is not None for a in form.args):
        parts = list(_picked(form))
        if len(parts) == 1:
            return parts[0]
        return "*".join(t if level >= POWER else f"({t})" for t, level in parts), PRODUCT
    if form.op in SIGNS:
        others = [inside(i, POWER) for i in range(1, len(form.args))]
        first = form.args[0]
        mixed = first.op in SIGNS and ({first.op, form.op} & {"had", "hdiv"}) and first.op != form.op
        return SIGNS[form.op].join([inside(0, POWER if mixed else PRODUCT), *others]), PRODUCT
    if form.op in ("pow", "hpow"):
        return inside(0, POSTFIX) + ("^" if form.op == "pow" else ".^") + inside(1, ATOM), POWER
    if form.op == "transpose":
        return inside(0, POSTFIX) + "'", POSTFIX
    return _call_text(form), ATOM


def unit_in(form: Form) -> Term | None:
    """The unit column that a form is, or is the transpose of."""
    inside = form.args[0] if form.op == "transpose" else form
    item = inside.item if inside.op == "leaf" else None
    return item if isinstance(item, Term) and item.op == "unit" else None


def _picked(form: Form) -> Iterator[tuple[str, int]]:
    """The factors of a product, entries, rows and columns with brackets, and how tightly each binds."""
    args = form.args
    i = 0
    while i < len(args):
        row = unit_in(args[i]) if args[i].op == "transpose" else None
        base = i if row is None else i + 1
        if base >= len(args) or unit_in(args[base]) is not None:
            yield _written(args[i])
            i += 1
            continue
        behind = args[base + 1] if base + 1 < len(args) else None
        col = unit_in(behind) if behind is not None and behind.op == "leaf" else None
        text, level = _written(args[base])
        if row is None and col is None:
            yield text, level
        else:
            item = args[base].item if args[base].op == "leaf" else None
            column = isinstance(item, Term) and item.shape.cols is ONE
            sides = [":" if u is None else str(u.data[0]).replace(" ", "") for u in (row, col)]
            inside = sides[0] if column else ",".join(sides)
            yield (text if level >= POSTFIX else f"({text})") + f"[{inside}]", ATOM
        i = base + 1 + (col is not None)


def _leaf_text(form: Form) -> tuple[str, int]:
    if isinstance(form.item, Term):
        return text_of_term(form.item), ATOM if form.item.row.notation.kind in ("leaf", "call") else SUM
    assert form.item is not None
    if form.item.kind == "name":
        return str(form.item.data), ATOM
    return "...", ATOM


def _call_text(form: Form) -> str:
    inner = ", ".join(text_of(a) for a in form.args)
    if form.op in ("grad", "jac", "hess"):
        name = function_of(form.data[0])
        if form.op == "grad" and len(form.args) > 1:
            return f"grad_{form.data[1] + 1}({name})({inner})"
        return f"{form.op}({name}, {inner})"
    if form.op == "sumover":
        low, high = form.data
        letter = index_letter(form)
        return f"sum({letter} in {low}..{high}, {inner.replace('#0', letter)})"
    if form.op == "unvec":
        return f"unvec({inner}, {form.data[0]}, {form.data[1]})"
    if form.op in ("softmax", "logsumexp") and form.data is not None:
        return f"{form.op}({inner}, {form.data})"
    name, order = applied(form)
    primes = "'" * order
    return f"{name}{primes}({inner})"


# ------------------------------------------------------------------------------ bound indices
def index_letter(form: Form) -> str:
    """The letter of the index of a sum, as the printing of terms chooses it: n for one that runs up to N."""
    high = str(form.data[1])
    return high.lower() if len(high) == 1 and high.isupper() else "i"


def with_indices(text: str, form: Form, path: Path) -> str:
    """The text of a part of a form with letters for the indices of the sums around it."""
    if "#" not in text:
        return text
    around = [at(form, path[:i]) for i in range(len(path), -1, -1)]
    letters = [index_letter(f) for f in around if f.op == "sumover"]
    return BOUND.sub(lambda m: letters[int(m[1])] if int(m[1]) < len(letters) else m[0], text)
