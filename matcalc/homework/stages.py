"""The stages of the search for a mistake: each tries changes of one kind.

What is tried first is left to :mod:`matcalc.homework.diagnose`; two changes at once are in
:mod:`matcalc.homework.combined`.

Invariant: a stage only adds findings that make the answer right.
"""

from __future__ import annotations

from collections.abc import Callable

from matcalc.errors import MatcalcError
from matcalc.homework.compare import Place, close
from matcalc.homework.edits import linear, slips_of, structural
from matcalc.homework.form_building import build
from matcalc.homework.form_text import text_of
from matcalc.homework.forms import Form, at, call, form_of, put
from matcalc.homework.paths import Variant
from matcalc.homework.scalars import ratio
from matcalc.homework.search import MOST_FINDINGS, Search, Stage
from matcalc.homework.verdict import Finding
from matcalc.homework.wardrobe import Edit
from matcalc.homework.writing import about_factor, multiplied, turned
from matcalc.language import terms
from matcalc.language.terms import Term, subterms
from matcalc.numeric.evaluate import Array

__all__ = [
    "code",
    "dropped_from_the_truth",
    "expanded_missing",
    "factor_of",
    "from_the_truth",
    "function_left_out",
    "has_value",
    "left_out",
    "other_convention",
    "other_factor",
    "others",
    "slips",
    "summand_missing",
    "summand_off",
    "summand_wrong",
    "two_factors",
    "whole_factor",
    "whole_transpose",
]

ZERO = terms.number(0)
PLAIN = frozenset(("num", "size", "div", "mul", "neg", "pow"))  # in a factor that is a number or a size


def whole_transpose(s: Search) -> None:
    if s.value is None or s.answer.term is None:
        return
    for name, expected in s.targets:
        turns = name is None and close(s.value.T, expected)
        if turns and s.fits(terms.transpose(s.answer.term), None):
            form = turned(s.answer.pieces[s.last].form)
            s.found("transpose", "this is the transpose of the derivative", s.answer.written(s.last, text_of(form)))


def slips(*kinds: str) -> Stage:
    def stage(s: Search) -> None:
        for i, form in s.each_piece():
            s.try_edits(slips_of(form, kinds), i)

    return stage


def code(*kinds: str) -> Stage:
    """Changes of an answer in code, which keep the words of the code."""

    def stage(s: Search) -> None:
        s.try_code(kinds)

    return stage


def whole_factor(s: Search) -> None:
    """A sign, a number, a size or a name that is missing or too many in the whole."""
    _scaled(s, 0)


def other_factor(s: Search) -> None:
    """Any scalar of the problem or the answer that is missing or too many in the whole."""
    _scaled(s, 1)


def two_factors(s: Search) -> None:
    """Two scalars of any kind that are missing or too many in the whole."""
    _scaled(s, 2)


def _scaled(s: Search, level: int) -> None:
    if s.value is None or s.answer.term is None:
        return
    for name, _ in s.targets:
        c = factor_of(s, s.answer.term, name, level)
        if c is not None:
            form = s.answer.pieces[s.last].form
            text = s.answer.written(s.last, text_of(multiplied(c, form)))
            s.found(*about_factor(c, "the derivative"), text)
            return


def factor_of(s: Search, term: Term, convention: str | None, level: int = 2) -> Term | None:
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
    return s.scalars.named(ratios, level)


def left_out(s: Search) -> None:
    """A summand of the objective, a path, an occurrence that was not differentiated."""
    _held(s, s.background.variants)


def function_left_out(s: Search) -> None:
    """A function that was differentiated as if it were the identity."""
    _held(s, s.background.function_variants)


def _held(s: Search, held_constant: list[Variant]) -> None:
    if s.value is None or s.answer.term is None:
        return
    wanted = next(((n, e) for n, e in s.targets if n in (None, "transpose") and e.shape == s.value.shape), None)
    if wanted is None:
        return
    name = wanted[0]
    own = s.value if name is None else s.value.T
    whole = s.targets[0][1]
    for v in held_constant:
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


def summand_missing(s: Search) -> None:
    """A summand of the right answer that is not there."""
    _missing(s, s.background.summands)


def expanded_missing(s: Search) -> None:
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
            if not has_value(s, new, rest) or not s.fits(terms.add(s.answer.term, new), name):
                continue
            form = call("add", s.answer.pieces[s.last].form, form_of(new))
            s.found("missing-term", f"the term {new} is missing", s.answer.written(s.last, text_of(form)))
            return


def has_value(s: Search, t: Term, wanted: Array) -> bool:
    """Whether a term has a value at the first point."""
    try:
        v = s.place.value(t)
    except MatcalcError:
        return False
    return v.shape == wanted.shape and close(v, wanted)


def summand_off(s: Search) -> None:
    """A summand of the answer with the wrong sign, or with a number or a size too many or too few."""
    _wrong_summands(s, lambda c: c is not ZERO and not any(t.op not in PLAIN for t in subterms(c)))


def summand_wrong(s: Search) -> None:
    """A summand of the answer that is too many, or has the wrong factor."""
    _wrong_summands(s, lambda c: True)


def _wrong_summands(s: Search, wanted: Callable[[Term], bool]) -> None:
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
            if c is not None and wanted(c[1]):
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
                return name, ZERO
            named = s.scalars.named(ratios, 1) if len(ratios) > 1 else None
            if named is not None:
                return name, named
    return None


def _tell_summand(
    s: Search, i: int, form: Form, path: tuple[int, ...], a: Form, rest: Form, found: tuple[str | None, Term]
) -> None:
    c = found[1]
    shown = text_of(a.args[0] if a.op == "neg" else a)
    if c is ZERO:
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


def others(*kinds: str) -> Stage:
    def stage(s: Search) -> None:
        for i, form in s.each_piece():
            s.try_edits((e for e in structural(form, s.background.wardrobe) if not kinds or e.kind in kinds), i)

    return stage


def dropped_from_the_truth(s: Search) -> None:
    """A factor or a term of the right answer that is not there."""
    _slipped(s, [found for found in s.background.slipped if found[0] in ("factor", "missing-term")])


def from_the_truth(s: Search) -> None:
    """A slip made in the right answer that leads to this one."""
    _slipped(s, sorted(s.background.slipped, key=lambda found: found[0] != "order"))


def _slipped(s: Search, slips: list[tuple[str, str, Form]]) -> None:
    if s.value is None or s.answer.term is None or s.question.formula is None:
        return
    for kind, says, form in slips:
        try:
            term = build(form)
            if not close(s.place.value(term), s.value):
                continue
            if all(close(p.value(term), p.value(s.answer.term)) for p in s.places()):
                s.found(kind, says, str(s.question.formula))
                return
        except MatcalcError:
            continue


def other_convention(s: Search) -> None:
    """A change that makes the answer right in another convention than the one asked for."""
    s.take_deferred()
