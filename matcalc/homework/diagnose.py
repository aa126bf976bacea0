"""What was most likely done: a search for the smallest change that makes a wrong answer right.

Stages follow each other from the most telling to the least; the first stage that finds something ends the search, but for
the properties that would save the answer, which are always told.  A change is looked at in one point first and believed
only when it is right at several, of different sizes.

Invariant: every finding with an answer is right at every point that was tried; nothing is offered that does not make it
correct.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from matcalc.errors import MatcalcError
from matcalc.homework.assumptions import Assumption, saving
from matcalc.homework.compare import Place, close
from matcalc.homework.edits import Edit, Wardrobe, linear, slips_of, structural, wardrobe
from matcalc.homework.forms import Form, at, build, call, form_of, places, put, text_of
from matcalc.homework.mistakes import slips, undone
from matcalc.homework.paths import Variant, variants
from matcalc.homework.question import Question
from matcalc.homework.read import Answer
from matcalc.homework.scalars import Scalars, ratio
from matcalc.homework.verdict import Finding
from matcalc.language import terms
from matcalc.language.dims import Shape
from matcalc.language.terms import Path, Term
from matcalc.numeric.evaluate import Array
from matcalc.numeric.sample import CannotSample

__all__ = ["Background", "diagnosis"]

CONFIRMING = 4  # further points
MOST_EDITS = 1_500  # of a well-shaped answer
MOST_READ = 500  # of one whose pieces have to be read again
MOST_FINDINGS = 3
MOST_SUMMANDS = 40


class Background:
    """What is known of a question, whoever answers it: formulas, variants, scalars. Made once, when it is needed."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self._variants: list[Variant] | None = None
        self._scalars: Scalars | None = None
        self._wardrobe: Wardrobe | None = None
        self._summands: list[Term] | None = None
        self._slipped: list[tuple[str, str, Form]] | None = None
        self.assumptions: dict[str, Assumption] = {}

    @property
    def variants(self) -> list[Variant]:
        if self._variants is None:
            self._variants = variants(self.question)
        return self._variants

    @property
    def scalars(self) -> Scalars:
        if self._scalars is None:
            formula = self.question.formula
            self._scalars = Scalars.of([*self.question.everything(), *([] if formula is None else [formula])])
        return self._scalars

    @property
    def wardrobe(self) -> Wardrobe:
        if self._wardrobe is None:
            q = self.question
            roots = [*q.everything(), *([] if q.formula is None else [q.formula])]
            self._wardrobe = wardrobe(roots, q.symbols(), q.formula)
        return self._wardrobe

    @property
    def summands(self) -> list[Term]:
        """The summands of the right answer: as it is written, and multiplied out."""
        if self._summands is None:
            self._summands = list(_summands(self.question))
        return self._summands

    @property
    def slipped(self) -> list[tuple[str, str, Form]]:
        """What the right answer becomes by one slip: kind, sentence, form."""
        if self._slipped is None:
            self._slipped = list(_slipped(self.question))
        return self._slipped


def _summands(question: Question) -> Iterator[Term]:
    from matcalc.rewriting.normal import normal_form

    formula = question.formula
    if formula is None:
        return
    seen: set[Term] = set()
    forms = [formula]
    expanded = question.expanded
    if expanded is not None and expanded.size < 400:
        try:
            forms.append(normal_form(expanded, question.problem.facts))
        except MatcalcError:
            pass
    for f in forms:
        for t in _parts(f):
            if t not in seen and len(seen) < MOST_SUMMANDS:
                seen.add(t)
                yield t


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
    """The right answer with one slip made in it."""
    formula = question.formula
    if formula is None or formula.size > 200:
        return
    form = form_of(formula)
    everywhere = list(places(form))
    for slip in slips():
        made = type(slip)(slip.id, slip.kind, slip.says, slip.written, slip.meant, slip.kinds)
        for path, here in everywhere:
            for _, _, new in undone(made, here):
                yield slip.kind, slip.says, put(form, path, new)


# ---------------------------------------------------------------------------------- the search
@dataclass(slots=True)
class Search:
    """One wrong answer. ``value`` is None where its shapes do not fit."""

    background: Background
    answer: Answer
    place: Place  # where it was seen to be wrong
    value: Array | None
    findings: list[Finding] = field(default_factory=list)
    seen: set[Term] = field(default_factory=set)
    tried: int = 0
    candidates: list[tuple[Edit, int, Term]] = field(default_factory=list)  # well-shaped changes that are still wrong

    @property
    def question(self) -> Question:
        return self.background.question

    @property
    def targets(self) -> list[tuple[str | None, Array]]:
        return self.question.expectations(self.place)

    @property
    def last(self) -> int:
        return len(self.answer.pieces) - 1

    # ------------------------------------------------------------------------- believing
    def places(self) -> Iterator[Place]:
        """The points that a change is confirmed at."""
        many = 0
        for turn in range(3 * CONFIRMING):
            try:
                place = self.question.ground.place(turn)
            except CannotSample:
                return
            if place is not None and place is not self.place:
                yield place
                many += 1
            if many >= CONFIRMING:
                return

    def fits(self, term: Term, convention: str | None) -> bool:
        """Whether a term is right at further points."""
        compared = 0
        for place in self.places():
            try:
                given, expected = place.value(term), self.question.expected(place, convention)
            except MatcalcError:
                return False
            if expected is None or not (np.all(np.isfinite(expected)) and np.all(np.isfinite(given))):
                continue
            if not close(given, expected):
                return False
            compared += 1
        return compared > 0

    def hit(self, value: Array) -> Iterator[str | None]:
        """The conventions in which a value at the first point is right."""
        for name, expected in self.targets:
            if value.shape == expected.shape and close(value, expected):
                yield name

    def right(self, term: Term) -> tuple[bool, str | None]:
        """Whether a term is right, and in which convention."""
        try:
            value = self.place.value(term)
        except MatcalcError:
            return False, None
        for name in self.hit(value):
            if self.fits(term, name):
                return True, name
        return False, None

    def found(self, kind: str, says: str, text: str, edit: Edit | None = None) -> None:
        """Take up a finding."""
        message = f"would be correct if written {text}: {says}" if says else f"would be correct if written {text}"
        span = edit.before.span if edit is not None and edit.before is not None else None
        if all(f.answer != text for f in self.findings):
            self.findings.append(Finding(kind, message, text, span))

    # --------------------------------------------------------------------------- trying
    def try_edits(self, edits: Iterable[Edit], piece: int) -> None:
        """Try changes of one piece; those that fit go into the findings."""
        limit = MOST_EDITS if self.answer.term is not None else MOST_READ
        good: list[tuple[Edit, str]] = []
        for edit in edits:
            if self.tried >= limit:
                break
            term = self._built(edit, piece)
            if term is None:
                continue
            if self.right(term)[0]:
                good.append((edit, self._text(edit, piece, term)))
            else:
                self.candidates.append((edit, piece, term))
        self._take(good)

    def _take(self, good: list[tuple[Edit, str]]) -> None:
        """Take up the plainest changes, one for each place."""
        taken: list[Path] = []
        for edit, text in sorted(good, key=lambda g: len(g[1])):
            if any(edit.path[: len(p)] == p[: len(edit.path)] for p in taken):
                continue
            taken.append(edit.path)
            self.found(edit.kind, _sentence(edit), text, edit)

    def _built(self, edit: Edit, piece: int) -> Term | None:
        """The term after a change, where it is new and has one of the shapes that could be right."""
        self.tried += 1
        try:
            term = self.answer.edited(piece, edit.form)
        except MatcalcError:
            return None
        if term in self.seen:
            return None
        self.seen.add(term)
        return term

    def _text(self, edit: Edit, piece: int, term: Term) -> str:
        if len(self.answer.pieces) == 1:
            return str(term)
        return self.answer.written(piece, text_of(edit.form))

    def each_piece(self) -> Iterator[tuple[int, Form]]:
        """The pieces that may be changed, the answer itself first."""
        for i in reversed(range(len(self.answer.pieces))):
            yield i, self.answer.pieces[i].form


def _sentence(edit: Edit) -> str:
    if edit.before is not None and edit.after is not None:
        return f"{edit.says} ({text_of(edit.after)} in place of {text_of(edit.before)})"
    return edit.says


# ---------------------------------------------------------------------------------- the stages
def _whole_transpose(s: Search) -> None:
    if s.value is None or s.answer.term is None:
        return
    for name, expected in s.targets:
        if name is None and s.value.T.shape == expected.shape and close(s.value.T, expected):
            if s.fits(terms.transpose(s.answer.term), None):
                form = turned(s.answer.pieces[s.last].form)
                s.found("transpose", "this is the transpose of the derivative", s.answer.written(s.last, text_of(form)))


def _slips(*kinds: str) -> object:
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
            text = s.answer.written(s.last, text_of(_multiplied(c, form)))
            s.found(*_about_factor(c, "the derivative"), text)
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


def _about_factor(c: Term, what: str) -> tuple[str, str]:
    """The kind of a finding about a factor, and what to say."""
    if c is terms.neg(terms.number(1)):
        return "sign", f"{what} has the wrong sign"
    bare = c.args[0] if c.op == "neg" else c
    sign = " and the sign is wrong" if c.op == "neg" else ""
    if bare.op == "div" and bare.args[0] is terms.number(1):
        return "factor", f"there is a factor {bare.args[1]} too many in {what}{sign}"
    return "factor", f"the factor {bare} is missing in {what}{sign}"


def _multiplied(c: Term, form: Form) -> Form:
    """The form with a factor, written with the numbers together."""
    if c.op == "neg":
        inner = _multiplied(c.args[0], form)
        return inner.args[0] if inner.op == "neg" else call("neg", inner)
    if c is terms.number(1):
        return form
    if form.op == "neg":
        return call("neg", _multiplied(c, form.args[0]))
    if form.op == "mul":
        first, rest = form.args[0], form.args[1:]
        merged = _numbers(c, first)
        if merged is not None:
            return call("mul", *rest) if merged is terms.number(1) else call("mul", form_of(merged), *rest)
    if c.op == "div" and c.args[0] is terms.number(1):
        return call("div", form, form_of(c.args[1]))
    return call("mul", form_of(c), form)


def _numbers(c: Term, first: Form) -> Term | None:
    """The product of two numbers, where both are."""
    if c.op not in ("num", "div") or first.op != "leaf" and first.op != "div":
        return None
    try:
        t = build(first)
    except MatcalcError:
        return None
    a, b = _rational(c), _rational(t)
    return None if a is None or b is None else terms.number(a * b)


def _rational(t: Term) -> object:
    if t.op == "num":
        return t.data
    if t.op == "div" and t.args[0].op == t.args[1].op == "num":
        return t.args[0].data / t.args[1].data
    return None


def _left_out(s: Search) -> None:
    """A summand of the objective, a path, an occurrence that was not differentiated."""
    if s.value is None or s.answer.term is None:
        return
    wanted = next(((n, e) for n, e in s.targets if n in (None, "transpose") and e.shape == s.value.shape), None)
    if wanted is None:
        return
    name, expected = wanted
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
    if s.value is None or s.answer.term is None:
        return
    for name, expected in s.targets:
        if name not in (None, "transpose") or expected.shape != s.value.shape:
            continue
        rest = expected - s.value
        for t in s.background.summands:
            new = t if name is None else terms.transpose(t)
            try:
                v = s.place.value(new)
            except MatcalcError:
                continue
            if v.shape == rest.shape and close(v, rest) and s.fits(terms.add(s.answer.term, new), name):
                form = call("add", s.answer.pieces[s.last].form, form_of(new))
                s.found("missing-term", f"the term {new} is missing", s.answer.written(s.last, text_of(form)))
                return


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
        new = put(form, path, _multiplied(c, a))
        kind, says = _about_factor(c, f"the term {shown}")
    try:
        term = s.answer.edited(i, new)
    except MatcalcError:
        return
    if s.right(term)[0]:
        s.found(kind, says, s._text(Edit(kind, says, new, path), i, term), Edit(kind, says, new, path, a))


def _others(*kinds: str) -> object:
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
            if term in s.seen or not close(s.place.value(term), s.value):
                continue
            if all(close(p.value(term), p.value(s.answer.term)) for p in s.places()):
                s.found(kind, says, str(s.question.formula))
                return
        except MatcalcError:
            continue


def _two_changes(s: Search) -> None:
    """One of the changes that were tried, and besides a sign, a factor, a term or a transpose of the whole."""
    for edit, piece, term in s.candidates:
        if len(s.findings) >= 1:
            return
        try:
            value = s.place.value(term)
        except MatcalcError:
            continue
        name, expected = s.targets[0]
        if value.shape != expected.shape or not np.all(np.isfinite(value)):
            continue
        second = _second_change(s, term, value, expected)
        if second is not None:
            says, whole = second
            s.found(edit.kind, f"{_sentence(edit)}; and {says}", str(whole), edit)


def _second_change(s: Search, term: Term, value: Array, expected: Array) -> tuple[str, Term] | None:
    if ratio(expected, value) is not None:
        c = _factor(s, term, None)
        if c is not None:
            new = build(_multiplied(c, form_of(term)))
            return _about_factor(c, "the derivative")[1], new
    rest = expected - value
    for t in s.background.summands:
        try:
            v = s.place.value(t)
        except MatcalcError:
            continue
        if v.shape == rest.shape and close(v, rest):
            new = terms.add(term, t)
            if s.fits(new, None):
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
    _others("factor", "other"),
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
        if stage is STAGES[7] and saved:  # a property comes before what changes the answer more
            break
        stage(s)  # type: ignore[operator]
        if s.findings:
            break
    return [*s.findings[:MOST_FINDINGS], *saved]


# -------------------------------------------------------------------------------------- writing
def turned(form: Form) -> Form:
    """The transpose of a form, as a person writes it: ``H'*G`` for ``G'*H``."""
    if form.op == "transpose":
        return form.args[0]
    if form.op in ("add", "had"):
        return call(form.op, *(turned(a) for a in form.args))
    if form.op in ("neg", "div"):
        return call(form.op, turned(form.args[0]), *form.args[1:])
    if form.op == "mul":
        numbers = [a for a in form.args if _is_number(a)]
        return call("mul", *numbers, *(turned(a) for a in reversed(form.args) if not _is_number(a)))
    return form if _is_number(form) else call("transpose", form)


def _is_number(form: Form) -> bool:
    from matcalc.homework.forms import shape_of

    shape: Shape | None = shape_of(form)
    return shape is not None and shape.is_scalar


