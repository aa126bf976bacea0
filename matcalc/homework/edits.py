"""Small changes of an answer, each with what it would mean: the candidates that the diagnosis tries.

Most changes undo a slip of ``rules/mistakes.rules``.  Here are the others, which are no identities of square
matrices: a summand or a factor dropped or put in, a diagonal or a sum forgotten, an argument or a name exchanged, a
number changed.

Invariants: an edit says nothing about its truth; the order of the edits depends on the answer and the problem alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations

from matcalc.homework.edits_everywhere import points_everywhere, transposed_everywhere
from matcalc.homework.form_building import shape_of
from matcalc.homework.form_text import text_of, text_of_term
from matcalc.homework.forms import Form, at, call, form_of, leaf, places, put
from matcalc.homework.mistakes import slips, undone
from matcalc.homework.wardrobe import POINTS, Edit, Wardrobe
from matcalc.language import terms
from matcalc.language.dims import Shape
from matcalc.language.selections import unit_of
from matcalc.language.terms import Path, Term

__all__ = ["linear", "slips_of", "structural"]

LINEAR = frozenset("add neg mul had transpose tr sum diag diagvec vec unvec kron inner sumover".split())
FIRST_LINEAR = frozenset(("div", "hdiv"))
MOST_INSERTED = 12  # different factors that are tried at every place


def slips_of(form: Form, kinds: Sequence[str]) -> Iterator[Edit]:
    """Every slip of some kinds undone at every place."""
    everywhere = list(places(form))
    for kind in kinds:
        for slip in slips():
            if slip.kind != kind:
                continue
            for path, here in everywhere:
                for before, after, new in undone(slip, here):
                    yield Edit(kind, slip.says, put(form, path, new), path, before, after)
        if kind == "transpose":
            yield from transposed_everywhere(form, everywhere)


def structural(form: Form, offers: Wardrobe) -> Iterator[Edit]:
    """The changes that are no slips, the likeliest first."""
    places_of = list(places(form))
    for make in (_diagonal, _point, _reduction, _other_name, _number, _fewer, _more):
        for path, here in places_of:
            for kind, says, after, shown in make(form, path, here, offers):
                yield Edit(kind, says, put(form, path, after), path, here if shown else None, after if shown else None)
        if make is _other_name:
            yield from points_everywhere(form, places_of, offers)


Made = Iterator[tuple[str, str, Form, bool]]  # kind, sentence, what stands there instead, whether to show both


def _diagonal(form: Form, path: Path, here: Form, offers: Wardrobe) -> Made:
    shape = shape_of(here)
    parent = at(form, path[:-1]) if path else None
    if shape is not None and shape.is_vector and (parent is None or parent.op in ("mul", "had", "add", "neg")):
        yield "hadamard", f"{text_of(here)} is meant as a diagonal matrix", call("diag", here), True
    if here.op in ("diag", "diagvec"):
        yield "hadamard", "there is a diagonal too many", here.args[0], True
    if here.op == "had" and len(here.args) == 2:
        a, b = here.args
        yield "hadamard", "the columns are multiplied as matrices", call("mul", a, call("transpose", b)), True
        yield "hadamard", "the columns are multiplied as matrices", call("mul", call("transpose", a), b), True
    if here.op == "had" and len(here.args) == 2:
        for i, a in enumerate(here.args):
            vector = _spread_vector(a)
            if vector is not None:
                yield (
                    "hadamard",
                    "the matrices are multiplied, not the entries",
                    call("mul", here.args[1 - i], vector),
                    True,
                )
    if here.op in ("had", "mul") and len(here.args) > 2:
        other = "mul" if here.op == "had" else "had"
        yield "hadamard", "the other product is meant", Form(other, here.args), True
    if here.op in ("had", "mul") and len(here.args) >= 2:
        yield from _scaled(here)
    if here.op == "had" and here.args[0].op == "mul" and len(here.args) == 2:
        *first, last = here.args[0].args
        yield (
            "hadamard",
            f"{text_of(last)} scales the rows",
            call("mul", *first, call("diag", last), here.args[1]),
            True,
        )
    if here.op == "mul" and len(here.args) >= 2:
        bare = tuple(a.args[0] if a.op == "transpose" else a for a in here.args)
        if bare != here.args:
            scalars = tuple(a for a in bare if _is_scalar(a))
            arrays = tuple(a for a in bare if not _is_scalar(a))
            if len(arrays) > 1:
                new = call("mul", *scalars, Form("had", arrays))
                yield "hadamard", "the entries are multiplied, not the matrices", new, True


def _spread_vector(form: Form) -> Form | None:
    """The vector v of ``ones(m)*v'`` or ``v*ones(n)'``: what broadcasting makes of it."""
    if form.op != "mul" or len(form.args) != 2:
        return None
    for i in (0, 1):
        if _is_ones(form.args[i]):
            other = form.args[1 - i]
            return other.args[0] if other.op == "transpose" else other
    return None


def _scaled(here: Form) -> Made:
    """A vector beside a matrix scales its rows or columns."""
    for i, a in enumerate(here.args):
        shape = shape_of(a)
        if shape is None or not shape.is_vector:
            continue
        rest = here.args[:i] + here.args[i + 1 :]
        other = call("had", *rest) if here.op == "had" else None
        if other is not None:
            yield "hadamard", f"{text_of(a)} scales the rows", call("mul", call("diag", a), other), True
            yield "hadamard", f"{text_of(a)} scales the columns", call("mul", other, call("diag", a)), True


def _point(form: Form, path: Path, here: Form, offers: Wardrobe) -> Made:
    if here.op not in POINTS or (here.op == "word" and here.data[0] in ("ones", "zeros", "eye", "rows", "cols")):
        return
    for i, a in enumerate(here.args):
        shape = shape_of(a)
        for other in offers.arguments:
            new = form_of(other)
            if new == a or (shape is not None and here.op in ("call", "jac", "hess") and shape != other.shape):
                continue
            args = (*here.args[:i], new, *here.args[i + 1 :])
            says = f"it is to be taken at {text_of_term(other)}, not at {text_of(a)}"
            yield "wrong-point", says, Form(here.op, args, here.data), True


def _reduction(form: Form, path: Path, here: Form, offers: Wardrobe) -> Made:
    shape = shape_of(here)
    if here.op == "sum":
        yield "reduction", "there is a sum too many", here.args[0], True
        inside = here.args[0]
        yield "reduction", "the sum runs over the rows only", _over_rows(inside), True
        yield "reduction", "the sum runs over the columns only", _over_columns(inside), True
    if here.op == "div" and here.args[1].op == "sum":
        over, by = here.args[0], here.args[1].args[0]
        rows, columns = _over_columns(by), _over_rows(by)
        spread = call("mul", rows, call("transpose", _ones_like(over, "cols")))
        yield "reduction", "every row is divided by its own sum", call("hdiv", over, spread), True
        spread = call("mul", _ones_like(over, "rows"), call("transpose", columns))
        yield "reduction", "every column is divided by its own sum", call("hdiv", over, spread), True
    if shape is None or shape.is_scalar or (here.op == "leaf" and path):
        return
    if shape.is_matrix or not path:
        yield "reduction", "the sum over the rows is missing", _over_rows(here), True
        yield "reduction", "the sum over the columns is missing", _over_columns(here), True
        yield "reduction", "the sum over all entries is missing", call("sum", here), True
    if here.op == "mul" and len(here.args) == 2:
        for i, a in enumerate(here.args):
            if _is_ones(a):
                yield "reduction", "there is a sum too many", here.args[1 - i], True
    yield from _other_axis(here)


def _other_axis(here: Form) -> Made:
    """Sums or means of the columns, repeated in every row, for those of the rows: ``X*ones(n)*ones(n)'/n``."""
    whole, divided = (here.args[0], True) if here.op == "div" and len(here.args) == 2 else (here, False)
    if whole.op != "mul":
        return
    spread = [i for i in range(len(whole.args) - 1) if _is_ones(whole.args[i]) and _is_ones(whole.args[i + 1])]
    for i in spread:
        rest = call("mul", *whole.args[:i], *whole.args[i + 2 :]) if len(whole.args) > 2 else None
        if rest is None:
            continue
        first = i == 0
        side = "cols" if first else "rows"
        ones = Form("word", (Form("word", (rest,), (side, 0)),), ("ones", 0))
        square = call("mul", ones, call("transpose", ones))
        new = call("mul", rest, square) if first else call("mul", square, rest)
        if divided:
            new = call("div", new, Form("word", (rest,), (side, 0)))
        yield (
            "reduction",
            "the mean runs over the wrong axis" if divided else "the sum runs over the wrong axis",
            new,
            True,
        )


def _is_ones(form: Form) -> bool:
    inner = form.args[0] if form.op == "transpose" else form
    return inner.op == "leaf" and isinstance(inner.item, Term) and inner.item.op == "ones"


def _ones_like(form: Form, side: str) -> Form:
    return Form("word", (Form("word", (form,), (side, 0)),), ("ones", 0))


def _over_rows(form: Form) -> Form:
    ones = Form("word", (Form("word", (form,), ("rows", 0)),), ("ones", 0))
    return call("mul", call("transpose", form), ones)


def _over_columns(form: Form) -> Form:
    ones = Form("word", (Form("word", (form,), ("cols", 0)),), ("ones", 0))
    return call("mul", form, ones)


def _other_name(form: Form, path: Path, here: Form, offers: Wardrobe) -> Made:
    """Another name of the problem, or an argument of a function of it, in the place of a name."""
    if _is_ones(here) and here.op == "leaf" and isinstance(here.item, Term) and here.item.shape.is_vector:
        for v in offers.scales:
            if v.shape == here.item.shape:
                yield "factor", f"the factor {v.data} is missing", leaf(v), False
    if here.op != "leaf" or not isinstance(here.item, Term) or here.item.op not in ("sym", "elem"):
        return
    inside = any(at(form, path[:i]).op in POINTS for i in range(len(path)))
    if here.item.op == "elem":
        family, index = here.item.data
        for off in (-1, 1):
            other_member = terms.element(family, index + off, here.item.shape)
            yield (
                "wrong-point",
                f"{text_of_term(other_member)} is meant, not {text_of_term(here.item)}",
                leaf(other_member),
                True,
            )
    for other in offers.names:
        if other is not here.item:
            kind = "wrong-point" if inside or {other, here.item} & offers.defined else "other"
            yield kind, f"{text_of_term(other)} is meant, not {text_of_term(here.item)}", leaf(other), True


def _number(form: Form, path: Path, here: Form, offers: Wardrobe) -> Made:
    if here.op != "leaf" or not isinstance(here.item, Term) or here.item.op != "num":
        return
    value = Fraction(here.item.data)
    exponent = path and at(form, path[:-1]).op in ("pow", "hpow") and path[-1] == 1
    kind = "other" if exponent else "factor"
    for new in (value + 1, value - 1, 2 * value, value / 2, -value):
        if new != value:
            t = terms.number(new)
            yield kind, f"{text_of_term(t)} is meant, not {text_of_term(here.item)}", form_of(t), True


def _fewer(form: Form, path: Path, here: Form, offers: Wardrobe) -> Made:
    """A factor less, an operation less; a sum that was written as a product."""
    if here.op in ("mul", "had"):
        for i, a in enumerate(here.args):
            rest = call(here.op, *here.args[:i], *here.args[i + 1 :])
            yield "factor", f"the factor {text_of(a)} is too many", rest, False
        for i, j in combinations(range(len(here.args)), 2) if len(here.args) > 2 else ():
            rest = call(here.op, *(a for k, a in enumerate(here.args) if k not in (i, j)))
            says = f"the factors {text_of(here.args[i])} and {text_of(here.args[j])} are too many"
            yield "factor", says, rest, False
        if len(here.args) == 2:
            a, b = here.args
            yield "sign", f"a minus sign is missing before {text_of(b)}", call("add", a, call("neg", b)), True
            yield "sign", f"a plus sign is missing before {text_of(b)}", call("add", a, b), True
    elif here.op in ("div", "hdiv"):
        yield "factor", f"the division by {text_of(here.args[1])} is too many", here.args[0], False
    elif here.op in ("fn", "softmax", "vec", "pow", "hpow") and here.args:
        yield "other", f"{text_of(here.args[0])} is meant, not {text_of(here)}", here.args[0], False


def _missing(f: Term) -> tuple[str, str]:
    """The kind of a finding about a factor that is missing, and what to say."""
    unit = unit_of(f)
    if unit is not None:  # the whole stands where a row or a column of it is meant
        return "other", f"only {'row' if f.op == 'transpose' else 'column'} {unit.data[0]} is meant"
    return "factor", f"the factor {text_of_term(f)} is missing"


def _more(form: Form, path: Path, here: Form, offers: Wardrobe) -> Made:
    """A factor more."""
    parent = at(form, path[:-1]) if path else None
    if (parent is not None and parent.op == "mul") or (here.op == "leaf" and path):
        return  # the product is the place to put it in
    args = here.args if here.op == "mul" else (here,)
    for f in offers.factors[:MOST_INSERTED]:
        new = form_of(f)
        for i in range(len(args) + 1):
            if i < len(args) and _is_scalar(args[i]):
                continue  # behind the scalars
            yield *_missing(f), call("mul", *args[:i], new, *args[i:]), False
    if here.op != "leaf" or not path:
        for v in offers.scales[:MOST_INSERTED]:
            scale = call("diag", leaf(v))
            yield "factor", f"the factor diag({v.data}) is missing", call("mul", *args, scale), False
            yield "factor", f"the factor diag({v.data}) is missing", call("mul", scale, *args), False
    for f in offers.entry_factors[:MOST_INSERTED]:
        for i, a in enumerate(args):
            if _may_be(shape_of(a), f.shape):
                put_in = call("mul", *args[:i], call("had", a, form_of(f)), *args[i + 1 :])
                yield "factor", f"the factor {text_of_term(f)} is missing", put_in, False
        if here.op == "mul":
            for i, j in _runs(len(args)):
                run = call("mul", *args[i:j])
                if _may_be(shape_of(run), f.shape):
                    put_in = call("mul", *args[:i], call("had", run, form_of(f)), *args[j:])
                    yield "factor", f"the factor {text_of_term(f)} is missing", put_in, False


def _is_scalar(form: Form) -> bool:
    shape = shape_of(form)
    return shape is not None and shape.is_scalar


def _runs(many: int) -> Iterator[tuple[int, int]]:
    """Where two or more adjacent factors begin and end."""
    for i in range(many):
        for j in range(i + 2, many + 1):
            yield i, j


def _may_be(shape: Shape | None, wanted: Shape) -> bool:
    return shape is None or shape == wanted


# -------------------------------------------------------------------------------- linear places
def linear(form: Form) -> Iterator[tuple[Path, Form]]:
    """The summands on whose coefficient the whole depends linearly, outermost first."""
    stack: list[Path] = [()]
    while stack:
        path = stack.pop(0)
        here = at(form, path)
        if here.op == "add":
            for i, a in enumerate(here.args):
                yield (*path, i), a
        if here.op in LINEAR:
            stack += [(*path, i) for i in range(len(here.args))]
        elif here.op in FIRST_LINEAR:
            stack.append((*path, 0))
