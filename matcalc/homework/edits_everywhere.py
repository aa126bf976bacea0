"""One slip at every place at once: a part transposed wherever it stands, one name for another, values for arguments.

Invariant: the order of the edits depends on the answer and the problem alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from matcalc.homework.form_text import text_of, text_of_term
from matcalc.homework.forms import Form, call, form_of, leaf, places, with_args
from matcalc.homework.wardrobe import Edit, Wardrobe
from matcalc.homework.writing import is_number
from matcalc.language.terms import Path, Term

__all__ = ["edits_everywhere", "points_everywhere", "transposed_everywhere"]


def edits_everywhere(form: Form, kind: str, offers: Wardrobe) -> Iterator[Edit]:
    """One slip at every place at once."""
    places_of = list(places(form))
    if kind == "transpose":
        yield from transposed_everywhere(form, places_of)
    else:
        yield from points_everywhere(form, places_of, offers)


def points_everywhere(form: Form, places_of: list[tuple[Path, Form]], offers: Wardrobe) -> Iterator[Edit]:
    """The arguments of functions for their values, then one name for another, at every place."""
    values = dict(offers.values)
    new = _at_arguments(form, values)
    if new != form:
        yield Edit(
            "wrong-point", "derivatives are to be taken at the argument of the function, not at its value", new, ()
        )
    yield from _other_name_everywhere(form, places_of, offers)


def _at_arguments(form: Form, values: Mapping[Term, Term]) -> Form:
    """The form with ``f'(s)`` for ``f'(h)``, where h is f(s)."""
    if not form.args:
        return form
    inner = form.args[0].item
    if form.op == "fn" and form.data[1] > 0 and isinstance(inner, Term) and inner in values:
        return Form("fn", (form_of(values[inner]),), form.data)
    return with_args(form, tuple(_at_arguments(a, values) for a in form.args), form.data)


def _other_name_everywhere(form: Form, everywhere: list[tuple[Path, Form]], offers: Wardrobe) -> Iterator[Edit]:
    """Another name of the problem at every place of a name: h for s in ``s.*(1 - s)``."""
    found: dict[Term, list[Path]] = {}
    for path, here in everywhere:
        if here.op == "leaf" and isinstance(here.item, Term) and here.item.op == "sym":
            found.setdefault(here.item, []).append(path)
    for own, paths in found.items():
        for other in offers.names if len(paths) > 1 else ():
            if other is not own:
                kind = "wrong-point" if {other, own} & offers.defined else "other"
                yield Edit(
                    kind,
                    f"{text_of_term(other)} is meant, not {text_of_term(own)}",
                    _renamed(form, own, other),
                    paths[0],
                )


def _renamed(form: Form, own: Term, other: Term) -> Form:
    if form.op == "leaf":
        return leaf(other) if form.item is own else form
    return with_args(form, tuple(_renamed(a, own, other) for a in form.args), form.data)


def transposed_everywhere(form: Form, everywhere: list[tuple[Path, Form]]) -> Iterator[Edit]:
    """A part that occurs several times, transposed at every place."""
    paths: dict[Form, list[Path]] = {}
    for path, here in everywhere:
        if path and here.op not in ("add", "mul", "neg", "transpose"):
            paths.setdefault(here, []).append(path)
    for part, found in paths.items():
        if len(found) > 1 and not is_number(part):
            says = f"{text_of(part)} is transposed at every place, or nowhere"
            yield Edit("transpose", says, _everywhere(form, part), found[0])


def _everywhere(form: Form, part: Form) -> Form:
    """The form with every occurrence of a part transposed."""
    if form == part:
        return call("transpose", part)
    if form.op == "transpose" and form.args[0] == part:
        return part
    return with_args(form, tuple(_everywhere(a, part) for a in form.args), form.data) if form.args else form
