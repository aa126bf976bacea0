"""The search for a change that makes a wrong answer right: what is tried, and when it is believed.

Invariant: a finding is taken up only where the changed answer is right at several points of different sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from matcalc.errors import MatcalcError
from matcalc.homework.background import Background
from matcalc.homework.compare import Place, close, turns
from matcalc.homework.form_building import build, shape_of
from matcalc.homework.form_text import text_of, with_indices
from matcalc.homework.forms import Form
from matcalc.homework.numpy_edits import Rewrite, rewrites
from matcalc.homework.question import Question
from matcalc.homework.read import Answer, place_of
from matcalc.homework.scalars import Scalars
from matcalc.homework.verdict import Finding
from matcalc.homework.wardrobe import Edit
from matcalc.language.terms import Path, Term
from matcalc.numeric.evaluate import Array
from matcalc.numeric.sample import CannotSample

__all__ = ["MOST_FINDINGS", "Search", "Stage", "plain", "sentence"]

CONFIRMING = 4  # further points
MOST_EDITS = 1_500  # of a well-shaped answer
MOST_READ = 800  # of one whose shapes do not fit
MOST_FINDINGS = 3
CHEAP = 50  # evaluations of a body under a sum that cost little


@dataclass
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
    deferred: list[tuple[Edit, str, int]] = field(default_factory=list)  # right in another convention only

    @property
    def question(self) -> Question:
        return self.background.question

    @property
    def targets(self) -> list[tuple[str | None, Array]]:
        return self.question.expectations(self.place)

    @cached_property
    def scalars(self) -> Scalars:
        """The numbers that a factor is named by: those of the problem, then those of the answer."""
        own = self.background.scalars
        return own if self.answer.term is None else own.with_more(self.answer.term)

    @property
    def last(self) -> int:
        return len(self.answer.pieces) - 1

    @property
    def limit(self) -> int:
        """How many changes are tried: the fewer, the longer one evaluation takes."""
        if self.answer.term is None:
            return MOST_READ
        return int(MOST_EDITS / max(1.0, turns(self.answer.term, self.place.point.sizes) / CHEAP))

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

    def value_of(self, term: Term) -> Array | None:
        """The value of a term at the first point; None where it has none."""
        try:
            return self.place.value(term)
        except MatcalcError:
            return None

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

    def found(self, kind: str, says: str, text: str, edit: Edit | None = None, piece: int = -1) -> None:
        """Take up a finding."""
        message = f"would be correct if written {text}: {says}" if says else f"would be correct if written {text}"
        span = (
            place_of(edit.before, self.answer.pieces[piece].source)
            if edit is not None and edit.before is not None and piece < len(self.answer.pieces)
            else None
        )
        if all(f.answer != text for f in self.findings):
            self.findings.append(Finding(kind, message, text, span))

    # --------------------------------------------------------------------------- trying
    def try_edits(self, edits: Iterable[Edit], piece: int) -> None:
        """Try changes of one piece; those that fit go into the findings."""
        limit = self.limit
        good: list[tuple[Edit, str]] = []
        shape = self.targets[0][1].shape
        for edit in edits:
            if self.tried >= limit:
                break
            term = self._built(edit, piece)
            if term is None:
                continue
            fits, convention = self.right(term)
            if fits and _is_turned(convention) and self.value is not None and self.value.shape == shape:
                self.deferred.append((edit, self._text(edit, piece, term), piece))
            elif fits:
                good.append((edit, self._text(edit, piece, term)))
            else:
                self.candidates.append((edit, piece, term))
        self._take(good, piece)

    def try_forms(self, kind: str, says: str, forms: Mapping[int, Form]) -> None:
        """Try other forms for several pieces at once."""
        self.tried += 1
        try:
            term = self.answer.edited_pieces(forms)
        except MatcalcError:
            return
        if self.right(term)[0]:
            self.found(kind, says, self.answer.written_pieces({i: text_of(f) for i, f in forms.items()}))

    def take_deferred(self) -> None:
        """Take up the first of the changes that fit in another convention than the one asked for."""
        for edit, text, piece in self.deferred[:1]:
            self._take([(edit, text)], piece)

    def try_code(self, kinds: Sequence[str]) -> None:
        """Try changes of an answer in code; those that fit go into the findings."""
        if self.answer.reread is None:
            return
        for r in self.rewrites:
            told = any(f.span == r.span for f in self.findings)
            if r.kind not in kinds or told or len(self.findings) >= MOST_FINDINGS:
                continue
            try:
                term = self.answer.reread(r.code)
            except MatcalcError:
                continue
            if term is not self.answer.term and self.right(term)[0]:
                message = f"would be correct with {r.after} in place of {r.before}: {r.says}"
                self.findings.append(Finding(r.kind, message, r.code, r.span))

    @cached_property
    def rewrites(self) -> list[Rewrite]:
        """The changes of an answer in code."""
        return list(rewrites(self.answer.text))

    def _take(self, good: list[tuple[Edit, str]], piece: int) -> None:
        """Take up the plainest changes, one for each place."""
        taken: list[Path] = []
        for edit, text in sorted(good, key=lambda g: len(g[1])):
            if any(edit.path[: len(p)] == p[: len(edit.path)] for p in taken):
                continue
            taken.append(edit.path)
            self.found(edit.kind, sentence(edit), text, edit, piece)

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
        if len(self.answer.pieces) == 1 or piece == len(self.answer.pieces):
            return str(term)
        return self.answer.written(piece, text_of(edit.form))

    def each_piece(self) -> Iterator[tuple[int, Form]]:
        """The pieces that may be changed, the answer itself first."""
        for i in reversed(range(len(self.answer.pieces))):
            yield i, self.answer.pieces[i].form


Stage = Callable[[Search], None]


def _is_turned(convention: str | None) -> bool:
    """Whether a convention is about layout only: not what an answer in the layout that was asked for is meant in."""
    return convention is not None and convention.startswith(("transpose", "row"))


def sentence(edit: Edit) -> str:
    """What a change is, with what it changes."""
    says = edit.says
    if edit.before is not None and edit.after is not None:
        says = f"{says} ({plain(edit.after)} in place of {plain(edit.before)})"
    return with_indices(says, edit.form, edit.path)


def plain(form: Form) -> str:
    """A form as text, with its sizes worked out where it has a shape."""
    return str(build(form)) if shape_of(form) is not None else text_of(form)
