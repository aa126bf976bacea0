"""What was most likely done: a search for the smallest change that makes a wrong answer right.

Stages follow each other from the most telling to the least; the first stage that finds something ends the search, but
for the properties that would save the answer, which are always told.  A change is looked at in one point first and
believed only when it is right at several, of different sizes.

Invariant: every finding with an answer is right at every point that was tried; nothing is offered that does not make
it correct.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from matcalc.errors import MatcalcError
from matcalc.homework.assumptions import saving
from matcalc.homework.background import Background
from matcalc.homework.compare import Place, close
from matcalc.homework.edits import Edit, linear, slips_of, structural
from matcalc.homework.form_building import build
from matcalc.homework.form_text import text_of
from matcalc.homework.forms import Form, at, call, form_of, put
from matcalc.homework.paths import Variant
from matcalc.homework.read import Answer
from matcalc.homework.scalars import ratio
from matcalc.homework.search import MOST_FINDINGS, Search, sentence
from matcalc.homework.verdict import Finding
from matcalc.homework.writing import about_factor, multiplied, turned
from matcalc.language import terms
from matcalc.language.terms import Term
from matcalc.numeric.evaluate import Array

__all__ = ["diagnosis"]

Stage = Callable[[Search], None]


# ---------------------------------------------------------------------------------- the stages
def _whole_transpose(s: Search) -> None:
    if s.value is None or s.answer.term is None:
        return
    for name, expected in s.targets:
        turns = name is None and close(s.value.T, expected)
        if turns and s.fits(terms.transpose(s.answer.term), None):
            form = turned(s.answer.pieces[s.last].form)
            s.found("transpose", "this is the transpose of the derivative", s.answer.written(s.last, text_of(form)))


def _slips(*kinds: str) -> Stage:
    def stage(s: Search) -> None:
        for i, form in s.each_piece():
            s.try_edits(slips_of(form, kinds), i)

    return stage


def _whole_factor(s: Search) -> None:
    """A sign, a number or a scalar of the problem that is missing or too many in the whole."""
    if s.value is None or s.answer.term is None:
        return
    for name, _ in s.targets:
        c = _factor(s, s.answer.term, name)
        if c is not None:
            form = s.answer.pieces[s.last].form
            text = s.answer.written(s.last, text_of(multiplied(c, form)))
            s.found(*about_factor(c, "the derivative"), text)
            return


def _factor(s: Search, term: Term, convention: str | None) -> Term | None:
    """The scalar by which a term must be multiplied to be right."""
    ratios: list[tuple[Place, float]] = []
    for place in (s.place, *s.places()):
        try:
            given, expected = place.value(term), s.question.expected(place, convention)
        except MatcalcError:
            return None
        c = ratio(expected, given) if expected is not None else None
        if c is None:
            return None
        ratios.append((place, c))
    return s.background.scalars.named(ratios)


def _left_out(s: Search) -> None:
    """A summand of the objective, a path, an occurrence that was not differentiated."""
    if s.value is None or s.answer.term is None:
        return
    wanted = next(((n, e) for n, e in s.targets if n in (None, "transpose") and e.shape == s.value.shape), None)
    if wanted is None:
        return
    name = wanted[0]
    own = s.value if name is None else s.value.T
    whole = s.targets[0][1]
    for v in s.background.variants:
        held = v.value(s.place, s.question)
        if held is None or not close(own, held) or close(held, whole):
            continue
        if _variant_fits(s, v, name):
            right = s.question.formula
            text = str(right if name is None or right is None else terms.transpose(right)) if right is not None else ""
            message = f"{v.says}; the whole derivative is {text}" if text else v.says
            s.findings.append(Finding(v.kind, message, text))
            return


def _variant_fits(s: Search, v: Variant, convention: str | None) -> bool:
    assert s.answer.term is not None
    compared = 0
    for place in s.places():
        try:
            given, held = place.value(s.answer.term), v.value(place, s.question)
        except MatcalcError:
            return False
        if held is None:
            continue
        if not close(given if convention is None else given.T, held):
            return False
        compared += 1
    return compared > 0


def _summand_missing(s: Search) -> None:
    """A summand of the right answer that is not there."""
    _missing(s, s.background.summands)


def _expanded_missing(s: Search) -> None:
    """A summand of the right answer multiplied out that is not there."""
    _missing(s, s.background.expanded_summands)


def _missing(s: Search, summands: list[Term]) -> None:
    if s.value is None or s.answer.term is None:
        return
    for name, expected in s.targets:
        if name not in (None, "transpose") or expected.shape != s.value.shape:
            continue
        rest = expected - s.value
        for t in summands:
            new = t if name is None else terms.transpose(t)
            if not _is(s, new, rest) or not s.fits(terms.add(s.answer.term, new), name):
                continue
            form = call("add", s.answer.pieces[s.last].form, form_of(new))
            s.found("missing-term", f"the term {new} is missing", s.answer.written(s.last, text_of(form)))
            return


def _is(s: Search, t: Term, wanted: Array) -> bool:
    """Whether a term has a value at the first point."""
    try:
        v = s.place.value(t)
    except MatcalcError:
        return False
    return v.shape == wanted.shape and close(v, wanted)


def _summand_wrong(s: Search) -> None:
    """A summand of the answer that is too many, or has the wrong sign or factor."""
    if s.value is None:
        return
    for i, form in s.each_piece():
        for path, a in linear(form):
            parent = at(form, path[:-1])
            if len(parent.args) < 2 or len(s.findings) >= MOST_FINDINGS:
                continue
            rest = call("add", *(x for k, x in enumerate(parent.args) if k != path[-1]))
            try:
                without = s.answer.edited(i, put(form, path[:-1], rest))
            except MatcalcError:
                continue
            c = _coefficient(s, without)
            if c is not None:
                _tell_summand(s, i, form, path, a, rest, c)


def _coefficient(s: Search, without: Term) -> tuple[str | None, Term] | None:
    """The factor with which the summand would be right, and in which convention."""
    assert s.answer.term is not None
    whole = s.answer.term
    for name, _ in s.targets:
        ratios: list[tuple[Place, float]] = []
        for place in (s.place, *s.places()):
            try:
                v0, v1 = place.value(without), place.value(whole)
                expected = s.question.expected(place, name)
            except MatcalcError:
                break
            if expected is None or v0.shape != expected.shape:
                break
            if close(v0, expected):
                ratios.append((place, 0.0))
                continue
            c = ratio(expected - v0, v1 - v0)
            if c is None:
                break
            ratios.append((place, c))
        else:
            if ratios and all(abs(c) < 1e-9 for _, c in ratios):
                return name, terms.number(0)
            named = s.background.scalars.named(ratios) if len(ratios) > 1 else None
            if named is not None:
                return name, named
    return None


def _tell_summand(
    s: Search, i: int, form: Form, path: tuple[int, ...], a: Form, rest: Form, found: tuple[str | None, Term]
) -> None:
    c = found[1]
    shown = text_of(a.args[0] if a.op == "neg" else a)
    if c is terms.number(0):
        new = put(form, path[:-1], rest)
        kind, says = "extra-term", f"the term {shown} is too many"
    else:
        new = put(form, path, multiplied(c, a))
        kind, says = about_factor(c, f"the term {shown}")
    try:
        term = s.answer.edited(i, new)
    except MatcalcError:
        return
    if s.right(term)[0]:
        s.found(kind, says, s._text(Edit(kind, says, new, path), i, term), Edit(kind, says, new, path, a), i)


def _others(*kinds: str) -> Stage:
    def stage(s: Search) -> None:
        for i, form in s.each_piece():
            s.try_edits((e for e in structural(form, s.background.wardrobe) if not kinds or e.kind in kinds), i)

    return stage


def _from_the_truth(s: Search) -> None:
    """A slip made in the right answer that leads to this one."""
    if s.value is None or s.answer.term is None or s.question.formula is None:
        return
    for kind, says, form in s.background.slipped:
        try:
            term = build(form)
            if not close(s.place.value(term), s.value):
                continue
            if all(close(p.value(term), p.value(s.answer.term)) for p in s.places()):
                s.found(kind, says, str(s.question.formula))
                return
        except MatcalcError:
            continue


def _two_changes(s: Search) -> None:
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


def _second_change(s: Search, term: Term, value: Array, expected: Array) -> tuple[str, Term] | None:
    if ratio(expected, value) is not None:
        c = _factor(s, term, None)
        if c is not None:
            return about_factor(c, "the derivative")[1], build(multiplied(c, form_of(term)))
    for t in s.background.summands if len(s.background.summands) > 1 else ():
        new = terms.add(term, t)
        if _is(s, t, expected - value) and s.fits(new, None):
            return f"the term {t} is missing", new
    return None


STAGES = (
    _whole_transpose,
    _slips("transpose"),
    _whole_factor,
    _left_out,
    _summand_missing,
    _summand_wrong,
    _slips("sign"),
    _slips("order"),
    _slips("hadamard"),
    _others("hadamard"),
    _slips("reduction"),
    _others("wrong-point"),
    _others("reduction"),
    _slips("other"),
    _others("factor", "other", "sign"),
    _expanded_missing,
    _from_the_truth,
    _two_changes,
)


def diagnosis(background: Background, answer: Answer, place: Place, value: Array | None) -> list[Finding]:
    """The findings on a wrong answer, the best first; empty where nothing makes it right."""
    s = Search(background, answer, place, value)
    if answer.term is not None:
        s.seen.add(answer.term)
    saved = saving(background.question, background.assumptions, answer.term) if answer.term is not None else []
    for stage in STAGES:
        if stage is _summand_wrong and saved:  # a property comes before what changes the answer more
            break
        stage(s)
        if s.findings:
            break
    return [*s.findings[:MOST_FINDINGS], *saved]
