"""The verdict on an answer: read, compare, explain.

A :class:`Judge` holds one question with everything that does not depend on the answer, so that a class of a thousand
answers costs the derivation once.

Invariants: ``wrong`` needs a point at which both values exist and differ (or shapes that differ, or that do not fit
while a small change of the answer is right); what cannot be read is ``unreadable``, what cannot be told is
``undecided``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from matcalc.errors import MatcalcError
from matcalc.homework.background import Background
from matcalc.homework.compare import ROUNDING, Agreement, Place, agreement, close
from matcalc.homework.counterexample import counterexample
from matcalc.homework.diagnose import diagnosis
from matcalc.homework.families import with_families
from matcalc.homework.intake import Intake
from matcalc.homework.left_open import left_open
from matcalc.homework.meaning import Context, unreadable
from matcalc.homework.misfits import ill_shaped, shape_only
from matcalc.homework.question import LAYOUTS, UP_TO, Question
from matcalc.homework.read import Answer, read_answer
from matcalc.homework.shapes import read_shape
from matcalc.homework.verdict import Counterexample, Finding, Verdict
from matcalc.language import terms
from matcalc.language.problem import Problem
from matcalc.language.terms import Term, differential
from matcalc.numeric.certify import Certificate
from matcalc.numeric.evaluate import Array
from matcalc.numeric.sample import CannotSample
from matcalc.rewriting.normal import equal

__all__ = ["Judge", "Strictness", "certificate_of"]

LARGEST_PROVED = 1_500  # nodes of terms whose normal forms are compared
METHODS = {True: "complex step", False: "central differences"}
FIRST_POINTS = 8
LARGEST_ANSWER = 20_000  # nodes, with its own names written out


@dataclass(frozen=True, slots=True)
class Strictness:
    """What is not forgiven: ``strict`` forgives no other convention, ``layout`` (given by the user) no other layout."""

    strict: bool = False
    layout: bool = False
    up_to: frozenset[str] = frozenset()

    def forgives(self, convention: str | None) -> bool:
        if convention is None:
            return True
        return not (self.strict or (self.layout and convention.startswith("transpose")))


class Judge:
    """One question, asked of many answers."""

    def __init__(self, question: Question, strictness: Strictness | None = None, explains: bool = True) -> None:
        self.question = question
        self.explains = explains  # whether the mistake is looked for
        self.strictness = Strictness() if strictness is None else strictness
        self.background = Background(question)

    @classmethod
    def of(
        cls,
        problem: Problem,
        wrt: str | None = None,
        order: int = 1,
        layout: str | None = None,
        structure: str = "projected",
        strict: bool = False,
        up_to: Iterable[str] = (),
        seed: int = 0,
    ) -> Judge:
        """A judge from what a user says. Raises MatcalcError for an option that does not exist."""
        if layout is not None and layout not in LAYOUTS:
            raise MatcalcError(f"layout is one of {', '.join(LAYOUTS)}, not {layout!r}")
        given = frozenset((up_to,) if isinstance(up_to, str) else up_to)
        wrong = sorted(given - set(UP_TO))
        if wrong:
            raise MatcalcError(f"what may be left open is {' or '.join(UP_TO)}, not {wrong[0]!r}")
        question = Question(problem, wrt, order, layout, structure, seed)
        return cls(question, Strictness(strict, layout is not None, given))

    # ------------------------------------------------------------------------------- reading
    def context(self) -> Context:
        """A fresh context for one answer."""
        wrt = self.question.wrt
        return Context(self.question.problem, self.question.derived, asked=() if wrt is None else (wrt,))

    def check(self, text: str, intake: Intake | None = None) -> Verdict:
        """The verdict on an answer in the plain language; ``intake`` knows what it was before."""
        self.question.ground.forget()
        label = read_shape(text)
        if label is not None:
            return shape_only(self, text, label)
        given = text if intake is None else intake.given
        try:
            wider = with_families(self.question.problem, text)
        except MatcalcError as error:
            return self.verdict("unreadable", given, message=unreadable(error))
        if wider is not None:
            verdict = self._among(wider[0]).check(wider[1])
            head = text[: text.rindex(wider[1].split("\n")[0])]  # what the correction still needs
            found = [replace(f, answer=head + f.answer) if f.answer else f for f in verdict.diagnosis]
            return replace(verdict, answer=given, diagnosis=[replace(f, span=None) for f in found])
        try:
            answer = read_answer(text, self.context(), self.question.shape)
        except MatcalcError as error:
            return self.verdict("unreadable", given, message=unreadable(_relocated(error, intake)))
        if answer.error is not None:
            _relocated(answer.error, intake)
        return replace(self.judge(answer), answer=given)

    def _among(self, problem: Problem) -> Judge:
        """The judge of the same question where the problem has more families in it."""
        q = self.question
        asked = Question(problem, q.wrt, q.order, q.layout, q.structure, q.seed, like=q)
        return Judge(asked, self.strictness)

    def verdict(self, status: str, text: str, **parts: object) -> Verdict:
        """A verdict with what is the same for all answers."""
        q = self.question
        formula = q.formula if status == "wrong" else None
        made = Verdict(
            status,  # type: ignore[arg-type]
            problem=q.problem.text,
            asked=q.label,
            answer=text,
            expected=str(formula) if formula is not None else "",
        )
        return replace(made, **parts)  # type: ignore[arg-type]

    # ------------------------------------------------------------------------------- judging
    def judge(self, answer: Answer, repeats: bool = False) -> Verdict:
        """The verdict on an answer that was read.

        ``repeats``: the question may stand in it, as in a line of a derivation.
        """
        if answer.term is None:
            return ill_shaped(self, answer)
        if answer.term.size > LARGEST_ANSWER:
            return self.verdict(
                "undecided", answer.text, message="the answer is too long when its names are written out"
            )
        if not repeats and self._repeats_the_question(answer.term):
            return self.verdict("unreadable", answer.text, message="the answer repeats the question")
        if answer.term.tangent and self.question.wrt is not None:
            return self._differential(answer)
        try:
            convention, found = self._compared(answer.term)
        except (CannotSample, MatcalcError) as reason:
            return self._undecided(answer, reason.message)
        if found.outcome == "agree":
            return self._correct(answer, convention, found)
        if found.outcome == "unknown":
            return self._undecided(answer, found.reason)
        return self._wrong(answer, found)

    def is_right(self, term: Term) -> bool:
        """Whether a term is right, in a convention that is forgiven."""
        try:
            convention, found = self._compared(term)
        except CannotSample:
            return False
        return found.outcome == "agree" and self.strictness.forgives(convention)

    def _repeats_the_question(self, term: Term) -> bool:
        """Whether the derivative that is asked for stands in the answer by name."""
        q = self.question
        if q.wrt is None:
            return False
        asked = [n for n, d in q.derived.items() if d.body is q.problem.objective and d.by is q.variable]
        return any(n in term.free for n in asked if q.derived[n].kind != "hessian" or q.order == 2)

    def _differential(self, answer: Answer) -> Verdict:
        """An answer with differentials in it is the differential of the objective."""
        q = self.question
        assert q.wrt is not None
        change = differential(q.variable)
        hint = None
        if q.kind == "gradient" and q.formula is not None and q.formula.shape == q.variable.shape:
            product = terms.mul(terms.transpose(q.formula), change)
            hint = product if product.is_scalar else terms.make("tr", product)
        asked = Question(
            q.problem,
            None,
            seed=q.seed,
            derived=q.derived,
            target=differential(q.problem.objective),
            varying=(q.wrt,),
            hint=hint,
        )
        verdict = Judge(asked, self.strictness).judge(answer)
        if verdict.status == "correct" and self.strictness.strict:
            finding = Finding("layout", "this is the differential, not the derivative", str(q.formula or ""))
            return replace(verdict, status="wrong", diagnosis=[finding])
        return replace(verdict, equal_up_to="differential" if verdict.status == "correct" else None)

    def _read_as(self, answer: Answer) -> str:
        return str(answer.term) if answer.term is not None else ""

    def _undecided(self, answer: Answer, reason: str) -> Verdict:
        return self.verdict("undecided", answer.text, message=reason, notes=answer.notes, read_as=self._read_as(answer))

    def _compared(self, term: Term) -> tuple[str | None, Agreement]:
        """The convention in which a term is right, and how it compared; else how it differs from what was asked."""
        best: Agreement | None = None
        for convention in self._possible(term):
            found = self._agreement(term, convention)
            if found.outcome == "agree":
                return convention, found
            if best is None or (best.outcome == "differ" and found.outcome == "unknown"):
                best = found
        assert best is not None
        return None, best

    def _possible(self, term: Term) -> list[str | None]:
        """The conventions worth comparing: those in which the answer is right at the first point, and the one asked
        for."""
        out: list[str | None] = []
        for turn in range(FIRST_POINTS):
            place = self.question.ground.place(turn)
            if place is None:
                continue
            value = place.value(term)
            expected = self.question.expectations(place)
            if not np.all(np.isfinite(value)) or not np.all(np.isfinite(expected[0][1])):
                out = [n for n, v in expected if v.shape == value.shape]
                continue
            out = [n for n, v in expected if v.shape == value.shape and close(value, v, 1e-4)]
            break
        return list(dict.fromkeys([*out, None]))

    def _agreement(self, term: Term, convention: str | None) -> Agreement:
        q = self.question

        def values(place: Place) -> tuple[Array, Array, float, bool]:
            given = place.value(term)
            expected = q.expected(place, convention)
            if expected is None:
                expected = np.full((1, 1), np.nan)
            several = [v for n, v in q.expectations(place) if n == convention and v.shape == given.shape]
            if several:
                expected = min(several, key=lambda v: float(np.max(np.abs(v - given), initial=0.0)))
            exact = q.is_exact(place) and place.is_exact(term)
            largest = place.largest(term) if q.wrt is not None else max(place.largest(term), place.largest(q.target))
            return given, expected, max(ROUNDING * largest, q.floor(place)), exact

        return agreement(q.ground, values)

    # ------------------------------------------------------------------------------- correct
    def _correct(self, answer: Answer, convention: str | None, found: Agreement) -> Verdict:
        proved = self._proved(answer, convention)
        certificate = certificate_of(found, self.question.seed, proved)
        if not self.strictness.forgives(convention):
            return self._other_convention(answer, convention, certificate)
        return self.verdict(
            "correct",
            answer.text,
            equal_up_to=convention,
            certificate=certificate,
            notes=(*answer.notes, *found.notes),
            read_as=self._read_as(answer),
        )

    def _proved(self, answer: Answer, convention: str | None) -> bool:
        """Whether the normal forms prove what the numbers say."""
        q = self.question
        if convention not in (None, "transpose") or q.expanded is None or answer.term is None:
            return False
        given = q.fully(answer.term)
        truth = q.expanded if convention is None else terms.transpose(q.expanded)
        if given.shape != truth.shape or given.size + truth.size > LARGEST_PROVED:
            return False
        if not q.derived.keys().isdisjoint(given.free):
            return False
        try:
            return equal(given, truth, q.problem.facts) is True
        except MatcalcError:
            return False

    def _other_convention(self, answer: Answer, convention: str | None, certificate: Certificate) -> Verdict:
        """Right, but not in the convention that is insisted on."""
        assert convention is not None
        kind = "layout" if convention.startswith(("transpose", "vec", "row")) else "symmetric"
        right = self.question.formula
        message = f"this is right up to the convention: {convention}"
        finding = Finding(kind, message, str(right) if right is not None else "")
        return self.verdict(
            "wrong",
            answer.text,
            diagnosis=[finding],
            certificate=replace(certificate, status="failed"),
            counterexample=self._counterexample(answer, None),
            notes=answer.notes,
            read_as=self._read_as(answer),
        )

    # --------------------------------------------------------------------------------- wrong
    def _wrong(self, answer: Answer, found: Agreement) -> Verdict:
        assert answer.term is not None
        up_to = left_open(self, answer.term)
        if up_to is not None:
            return self.verdict(
                "correct",
                answer.text,
                equal_up_to=up_to,
                certificate=certificate_of(found, self.question.seed, False, "verified"),
                notes=answer.notes,
                read_as=self._read_as(answer),
            )
        if not self.explains:
            return self.verdict("wrong", answer.text)
        place = self._where_wrong(answer.term)
        findings = diagnosis(self.background, answer, place, place.value(answer.term)) if place is not None else []
        findings = findings or self._unexplained(answer)
        return self.verdict(
            "wrong",
            answer.text,
            diagnosis=findings,
            certificate=certificate_of(found, self.question.seed, False),
            counterexample=self._counterexample(answer, findings),
            notes=answer.notes,
            read_as=self._read_as(answer),
        )

    def _where_wrong(self, term: Term) -> Place | None:
        """The first point at which the answer has a value that is not the right one."""
        for turn in range(FIRST_POINTS):
            try:
                place = self.question.ground.place(turn)
                if place is None:
                    continue
                value, expected = place.value(term), self.question.expectations(place)[0][1]
            except (CannotSample, MatcalcError):
                return None
            finite = np.all(np.isfinite(expected)) and np.all(np.isfinite(value))
            if finite and (value.shape != expected.shape or not close(value, expected)):
                return place
        return None

    def _unexplained(self, answer: Answer) -> list[Finding]:
        """What is said where no small change makes the answer right."""
        assert answer.term is not None
        shape, wanted = answer.term.shape, self.question.shape
        right = self.question.formula
        text = str(right) if right is not None else ""
        if shape not in (wanted, wanted.transposed):
            message = f"the answer is {shape}, but {self.question.label} is {wanted}"
            return [Finding("shape", message + (f"; it is {text}" if text else ""), text)]
        truth = f"; {self.question.label} is {text}" if text else ""
        return [Finding("other", f"no small change makes it right{truth}", text)]

    def _counterexample(self, answer: Answer, findings: list[Finding] | None) -> Counterexample | None:
        assert answer.term is not None
        shape, wanted = answer.term.shape, self.question.shape
        try:
            made = counterexample(self.question, answer.term)
        except (CannotSample, MatcalcError):
            made = None
        if shape == wanted:
            return made
        shapes = (str(shape), str(wanted))
        return replace(made, shapes=shapes) if made is not None else Counterexample(shapes=shapes)


def _relocated(error: MatcalcError, intake: Intake | None) -> MatcalcError:
    return error if intake is None else intake.relocated(error)


def certificate_of(found: Agreement, seed: int, proved: bool, status: str = "") -> Certificate:
    """The comparison as a certificate."""
    method = METHODS[found.exact] + (", and the normal forms are equal" if proved else "")
    return Certificate(
        status or ("verified" if found.outcome == "agree" else "failed"),  # type: ignore[arg-type]
        found.worst,
        found.points,
        tuple(found.shapes),
        seed,
        method,
        found.notes,
    )
