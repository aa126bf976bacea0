"""Two slips in one answer, and one slip made in several places.

Invariant: both changes are needed; what one of them makes right was found before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import combinations, islice, product

import numpy as np

from matcalc.errors import MatcalcError
from matcalc.homework.compare import close
from matcalc.homework.edits import linear, slips_of
from matcalc.homework.edits_everywhere import edits_everywhere
from matcalc.homework.form_building import build
from matcalc.homework.form_text import text_of
from matcalc.homework.forms import Form, at, call, form_of, leaf, part, put, with_args
from matcalc.homework.read import Answer, Piece
from matcalc.homework.scalars import ratio
from matcalc.homework.search import Search, Stage, sentence
from matcalc.homework.stages import factor_of, has_value, summand_off
from matcalc.homework.verdict import Finding
from matcalc.homework.wardrobe import Edit
from matcalc.homework.writing import about_factor, multiplied, turned
from matcalc.language import terms
from matcalc.language.syntax import parse_tree
from matcalc.language.terms import Path, Term
from matcalc.numeric.evaluate import Array

__all__ = [
    "everywhere",
    "factor_and_missing",
    "misfit_and_more",
    "resized",
    "summand_exchanged",
    "turned_in_statements",
    "two_changes",
    "two_misfits",
    "two_places",
    "two_turned",
]

IDENTITY = parse_tree("I")
MOST_SEVERAL = 200  # choices of changes in several statements
MOST_MISFITS = 40  # slips that make the shapes fit and are looked at further
FACTORS = (Fraction(2), Fraction(1, 2), Fraction(-1), Fraction(-2), Fraction(-1, 2), Fraction(4), Fraction(1, 4))
MOST_FACTORS = 6  # of a product that are transposed in pairs
MOST_TURNED = 24  # slips that are tried in pairs
LARGEST_WHOLE = 300  # nodes of an answer in several statements that is changed as a whole


def everywhere(kind: str) -> Stage:
    """The same slip at every place of an answer in several statements."""

    def stage(s: Search) -> None:
        if s.answer.term is not None and len(s.answer.pieces) > 1 and s.answer.term.size < LARGEST_WHOLE:
            s.try_edits(edits_everywhere(form_of(s.answer.term), kind, s.background.wardrobe), len(s.answer.pieces))

    return stage


def turned_in_statements(s: Search) -> None:
    """One name transposed in several statements: W for W' at every step of a recurrence."""
    many = len(s.answer.pieces)
    if many < 3 or s.answer.term is None:
        return
    by_name: dict[Term, dict[int, list[Edit]]] = {}
    for i, form in s.each_piece():
        for edit in slips_of(form, ("transpose",)):
            name = _turned_name(edit)
            if name is not None:
                by_name.setdefault(name, {}).setdefault(i, []).append(edit)
    for name, at_pieces in by_name.items():
        for forms in islice(_in_several(at_pieces), MOST_SEVERAL):
            s.try_forms("transpose", f"{name} is transposed in {len(forms)} statements, or in none", forms)
            if s.findings:
                return


def _in_several(at_pieces: Mapping[int, list[Edit]]) -> Iterator[dict[int, Form]]:
    """One change in each of several pieces, few pieces first."""
    for many in range(2, len(at_pieces) + 1):
        for chosen in combinations(at_pieces, many):
            for edits in product(*(at_pieces[i][:3] for i in chosen)):
                yield {i: e.form for i, e in zip(chosen, edits, strict=True)}


def _turned_name(edit: Edit) -> Term | None:
    """The name that a change transposes or turns back."""
    for form, other in ((edit.before, edit.after), (edit.after, edit.before)):
        if form is not None and other is not None and other.op == "transpose" and other.args[0] == form:
            return form.item if form.op == "leaf" and isinstance(form.item, Term) else None
    return None


def two_changes(s: Search) -> None:
    """One of the slips that were tried, and besides a sign, a factor or a missing term of the whole."""
    for edit, _, term in s.candidates:
        if s.findings:
            return
        if edit.kind in ("factor", "other"):
            continue
        try:
            value = s.place.value(term)
        except MatcalcError:
            continue
        expected = s.targets[0][1]
        if value.shape != expected.shape or not np.all(np.isfinite(value)):
            continue
        second = _second_change(s, term, value, expected)
        if second is not None:
            says, whole = second
            s.found(edit.kind, f"{sentence(edit)}; and {says}", str(whole), edit)


def factor_and_missing(s: Search) -> None:
    """A number that is missing in the whole, and besides a term."""
    if s.value is None or s.answer.term is None:
        return
    expected = s.targets[0][1]
    if expected.shape != s.value.shape:
        return
    for c in FACTORS:
        rest = expected - float(c) * s.value
        for t in (*s.background.summands, *s.background.expanded_summands):
            factor = terms.number(c)
            form = call("add", multiplied(factor, s.answer.pieces[s.last].form), form_of(t))
            if not has_value(s, t, rest):
                continue
            try:
                term = s.answer.edited(s.last, form)
            except MatcalcError:
                continue
            if s.right(term)[0]:
                kind, says = about_factor(factor, "the derivative")
                s.found(kind, f"{says}; and the term {t} is missing", s.answer.written(s.last, text_of(form)))
                return


def misfit_and_more(s: Search) -> None:
    """A slip that makes the shapes fit, and besides a wrong or missing summand."""
    if s.value is not None:
        return
    for edit, _, term in s.candidates[:MOST_MISFITS]:
        value = s.value_of(term)
        if value is None or value.shape != s.targets[0][1].shape or edit.kind not in ("transpose", "order", "hadamard"):
            continue
        form = form_of(term)
        meant = Answer(s.answer.text, (Piece(None, form, term),), s.answer.context, term, None, s.answer.shape)
        rest = Search(s.background, meant, s.place, value)
        summand_off(rest)
        if rest.findings:
            found = rest.findings[0]
            message = f"{found.message}; and {sentence(edit)}"
            s.findings.append(Finding(edit.kind, message, found.answer))
            return


def _second_change(s: Search, term: Term, value: Array, expected: Array) -> tuple[str, Term] | None:
    if ratio(expected, value) is not None:
        c = factor_of(s, term, None)
        if c is not None:
            return about_factor(c, "the derivative")[1], build(multiplied(c, form_of(term)))
    for t in s.background.summands if len(s.background.summands) > 1 else ():
        new = terms.add(term, t)
        if has_value(s, t, expected - value) and s.fits(new, None):
            return f"the term {t} is missing", new
    return None


def two_places(s: Search) -> None:
    """Two slips in different summands: what they change adds up to what is missing."""
    if s.value is None:
        return
    expected = s.targets[0][1]
    if expected.shape != s.value.shape:
        return
    found = [
        (edit, piece, value - s.value)
        for edit, piece, term in s.candidates
        if (value := s.value_of(term)) is not None and value.shape == expected.shape and np.all(np.isfinite(value))
    ]
    for one, two in _adding_up(found, expected - s.value):
        (a, i, _), (b, k, _) = found[one], found[two]
        if i != k or a.path[: len(b.path)] == b.path or b.path[: len(a.path)] == a.path:
            continue
        form = _with_both(a, b)
        if form is None:
            continue
        try:
            term = s.answer.edited(i, form)
        except MatcalcError:
            continue
        if s.right(term)[0]:
            both = Edit(a.kind, f"{sentence(a)}; and {sentence(b)}", form, a.path)
            s.found(a.kind, both.says, s._text(both, i, term), a, i)
            return


def _adding_up(found: list[tuple[Edit, int, Array]], wanted: Array) -> Iterator[tuple[int, int]]:
    """The pairs of changes whose effects add up to what is wanted."""
    if not found:
        return
    weights = np.random.default_rng(3).standard_normal(wanted.shape)
    effects = np.array([float(np.sum(weights * d)) for _, _, d in found])
    target = float(np.sum(weights * wanted))
    order = np.argsort(effects, kind="stable")
    ordered = effects[order]
    tolerance = 1e-7 * (abs(target) + float(np.max(np.abs(effects))))
    for i in range(len(found)):
        low = np.searchsorted(ordered, target - effects[i] - tolerance)
        high = np.searchsorted(ordered, target - effects[i] + tolerance)
        for k in order[low:high]:
            if k > i and close(found[i][2] + found[int(k)][2], wanted):
                yield i, int(k)


def two_misfits(s: Search) -> None:
    """Two slips of one kind in an answer whose shapes do not fit."""
    if s.value is not None:
        return
    for i, form in s.each_piece():
        for kind in ("transpose", "order", "hadamard"):
            edits = [e for e in slips_of(form, (kind,)) if e.after is not None and e.before is not None]
            if kind == "transpose":
                edits = [e for e in edits if e.before is not None and e.after == turned(e.before)]
            s.try_edits(_both([e for e in edits if part(e.form, e.path) == e.after][:MOST_TURNED]), i)


def two_turned(s: Search) -> None:
    """Two factors of one product that are both to be transposed, or neither."""
    if s.value is None:
        return
    for i, form in s.each_piece():
        by_product: dict[Path, list[Edit]] = {}
        for edit in slips_of(form, ("transpose",)):
            if edit.path and _turned_name(edit) is not None and part(edit.form, edit.path) == edit.after:
                by_product.setdefault(edit.path[:-1], []).append(edit)
        for edits in by_product.values():
            s.try_edits(_both(edits[:MOST_FACTORS]), i)


def _both(edits: list[Edit]) -> Iterator[Edit]:
    for a, b in combinations(edits, 2):
        if a.path[: len(b.path)] != b.path and b.path[: len(a.path)] != a.path:
            form = _with_both(a, b)
            if form is not None:
                yield Edit(a.kind, f"{sentence(a)}; and {sentence(b)}", form, a.path)


def _with_both(a: Edit, b: Edit) -> Form | None:
    """The form after both changes; None where the first one has moved the place of the second."""
    new, there = part(b.form, b.path), part(a.form, b.path)
    if new is None or there is None or (b.before is not None and there != b.before):
        return None
    return put(a.form, b.path, new)


def resized(s: Search) -> None:
    """An answer of another shape, with identities that take the size that is left to them after a slip."""
    if s.value is None or s.value.shape in (v.shape for _, v in s.targets):
        return
    for i, form in s.each_piece():
        free = _with_free_identities(form)
        if free != form:
            s.try_edits(slips_of(free, ("transpose", "order")), i)


def _with_free_identities(form: Form) -> Form:
    """The form with ``I`` in the place of identities of a given size."""
    if form.op == "leaf":
        return leaf(IDENTITY) if isinstance(form.item, Term) and form.item.op == "eye" else form
    return with_args(form, tuple(_with_free_identities(a) for a in form.args), form.data)


def summand_exchanged(s: Search) -> None:
    """A summand of the answer in the place of which a summand of the right answer belongs."""
    if s.value is None or s.answer.term is None:
        return
    expected = s.targets[0][1]
    for i, form in s.each_piece():
        for path, a in linear(form):
            parent = at(form, path[:-1])
            if len(path) > 1 or len(parent.args) < 2 or s.findings:
                continue
            rest = call("add", *(x for k, x in enumerate(parent.args) if k != path[-1]))
            try:
                value = s.value_of(s.answer.edited(i, put(form, path[:-1], rest)))
            except MatcalcError:
                continue
            if value is None or value.shape != expected.shape:
                continue
            for t in s.background.summands:
                if has_value(s, t, expected - value):
                    _tell_exchanged(s, i, form, path, a, t)


def _tell_exchanged(s: Search, i: int, form: Form, path: tuple[int, ...], a: Form, t: Term) -> None:
    new = put(form, path, form_of(t))
    try:
        term = s.answer.edited(i, new)
    except MatcalcError:
        return
    if s.right(term)[0]:
        edit = Edit("other", f"the term {t} is meant, not {text_of(a)}", new, path, a)
        s.found("other", edit.says, s._text(edit, i, term), edit, i)
