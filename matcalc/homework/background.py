"""What is known of a question, whoever answers it: the summands of the right answer, its variants, what a slip makes
of it.

Everything here is made once for a question, when the first wrong answer needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from matcalc.errors import MatcalcError
from matcalc.homework.assumptions import Assumption
from matcalc.homework.form_building import shape_of
from matcalc.homework.form_text import text_of, unit_in
from matcalc.homework.forms import Form, at, call, form_of, places, put
from matcalc.homework.mistakes import Slip, slips, undone
from matcalc.homework.paths import Variant, function_variants, variants
from matcalc.homework.question import Question
from matcalc.homework.scalars import Scalars
from matcalc.homework.wardrobe import POINTS, Wardrobe, wardrobe
from matcalc.language import terms
from matcalc.language.terms import Path, Term
from matcalc.rewriting.normal import normal_form

__all__ = ["Background"]

MOST_SUMMANDS = 40
LARGEST_EXPANDED = 400  # nodes of a formula that is multiplied out
LARGEST_SLIPPED = 200


class Background:
    """What does not depend on the answer."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.assumptions: dict[str, Assumption] = {}

    @cached_property
    def variants(self) -> list[Variant]:
        """The derivative with something left out."""
        return variants(self.question)

    @cached_property
    def function_variants(self) -> list[Variant]:
        """The derivative with a function taken for the identity."""
        return function_variants(self.question)

    @cached_property
    def _roots(self) -> list[Term]:
        formula = self.question.formula
        return [*self.question.everything(), *([] if formula is None else [formula])]

    @cached_property
    def scalars(self) -> Scalars:
        """The scalars that may be missing as factors."""
        return Scalars.of(self._roots)

    @cached_property
    def wardrobe(self) -> Wardrobe:
        """What may be put into an answer."""
        defined = {d.symbol: d.term for d in self.question.problem.definitions}
        return wardrobe(self._roots, self.question.symbols(), self.question.formula, defined)

    @cached_property
    def summands(self) -> list[Term]:
        """The summands of the right answer as it is written."""
        formula = self.question.formula
        return [] if formula is None else list(dict.fromkeys(_parts(formula)))[:MOST_SUMMANDS]

    @cached_property
    def expanded_summands(self) -> list[Term]:
        """The summands of the right answer multiplied out."""
        expanded = self.question.expanded
        if expanded is None or expanded.size > LARGEST_EXPANDED:
            return []
        try:
            return list(dict.fromkeys(_parts(normal_form(expanded, self.question.problem.facts))))[:MOST_SUMMANDS]
        except MatcalcError:
            return []

    @cached_property
    def slipped(self) -> list[tuple[str, str, Form]]:
        """What the right answer becomes by one slip: kind, sentence, form."""
        return list(_slipped(self.question))


def _parts(t: Term) -> Iterator[Term]:
    """The summands of a term, with factors and signs around a sum carried to each."""
    if t.op == "add":
        for a in t.args:
            yield from _parts(a)
    elif t.op == "neg":
        yield from (terms.neg(a) for a in _parts(t.args[0]))
    elif t.op == "div":
        yield from (terms.div(a, t.args[1]) for a in _parts(t.args[0]))
    elif t.op == "mul" and any(a.op == "add" and not a.is_scalar for a in t.args):
        i = next(i for i, a in enumerate(t.args) if a.op == "add" and not a.is_scalar)
        for a in t.args[i].args:
            yield terms.mul(*t.args[:i], a, *t.args[i + 1 :])
    else:
        yield t


def _slipped(question: Question) -> Iterator[tuple[str, str, Form]]:
    formula = question.formula
    if formula is None or formula.size > LARGEST_SLIPPED:
        return
    form = form_of(formula)
    everywhere = list(places(form))
    yield from _dropped(form, everywhere)
    for slip in slips():
        made = Slip(slip.id, slip.kind, slip.says, slip.written, slip.meant, slip.kinds)
        for path, here in everywhere:
            for _, _, new in undone(made, here):
                yield slip.kind, slip.says, put(form, path, new)


def _dropped(form: Form, everywhere: list[tuple[Path, Form]]) -> Iterator[tuple[str, str, Form]]:
    """The right answer without one of its summands, factors or functions."""
    for path, here in everywhere:
        if len(here.args) == 1 and here.op not in ("neg", "transpose"):
            yield "other", f"{text_of(here)} is meant, not {text_of(here.args[0])}", put(form, path, here.args[0])
        if here.op not in ("add", "mul", "had"):
            continue
        inside = any(at(form, path[:i]).op in POINTS for i in range(len(path)))
        for i, a in enumerate(here.args):
            rest = call(here.op, *here.args[:i], *here.args[i + 1 :])
            kind, what = ("missing-term", "term") if here.op == "add" else ("factor", "factor")
            if _is_one_and_more(a):
                continue  # what is missing is the term beside the 1
            unit = unit_in(a)
            if unit is not None:  # the whole stands where a row or a column of it is meant
                side = "row" if a.op == "transpose" else "column"
                yield "other", f"only {side} {unit.data[0]} is meant: {text_of(here)}", put(form, path, rest)
                continue
            says = f"the {what} {text_of(a)} is missing in {text_of(here)}"
            yield "other" if inside and what == "factor" else kind, says, put(form, path, rest)
    whole = shape_of(form)
    for path, here in everywhere:
        if path and here.op != "neg" and whole is not None and shape_of(here) == whole:
            yield "factor", f"{text_of(here)} is only a part of it", here


def _is_one_and_more(form: Form) -> bool:
    """Whether a factor is a sum with an identity in it."""
    inner = form.args[0] if form.op == "transpose" else form
    return inner.op == "add" and any(isinstance(a.item, Term) and a.item.op == "eye" for a in inner.args)
