"""A derivation judged line by line.

Every side of an equation is compared with what the chain's left side means for the problem, and with the side before
it.  The first line that is not right is the wrong one; a line that follows correctly from a wrong one "follows"; a
line that is right although the one before was wrong is "right again".

Invariants: a line is called wrong only where its value differs from what its left side means; a line that cannot be
read breaks the chain and is not held against the lines after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from matcalc.errors import MatcalcError, ParseError, ShapeError, Span
from matcalc.homework.compare import Ground
from matcalc.homework.consequence import Wrong, follows, same_value, solves
from matcalc.homework.family_lines import with_lines_of_families
from matcalc.homework.form_trees import form_of_tree
from matcalc.homework.forms import form_of
from matcalc.homework.grade import Judge, Strictness
from matcalc.homework.indices import at_some_index, indices_of
from matcalc.homework.meaning import LOSSES, Context, NoVariable, unreadable
from matcalc.homework.posing import NAME, is_differential_name, names_in, pose
from matcalc.homework.question import Question
from matcalc.homework.read import Answer, Piece, inlined
from matcalc.homework.statements import Line, Side
from matcalc.homework.summary import summed_up
from matcalc.homework.varying import differential_formula, varying_names
from matcalc.homework.verdict import Finding, Judged, Verdict
from matcalc.language import terms
from matcalc.language.problem import Problem
from matcalc.language.selections import units_in
from matcalc.language.syntax import parse_tree
from matcalc.language.terms import Term, differential
from matcalc.numeric.certify import Certificate

__all__ = ["judge_lines"]

BAD = ("wrong", "follows", "unreadable", "undecided")
ZERO = (terms.number(0),)
FORGIVING = Strictness()


def judge_lines(
    whole: str,
    lines: Sequence[Line],
    problem: Problem | None = None,
    wrt: Sequence[str] = (),
    declare: Iterable[str] = (),
    strictness: Strictness = FORGIVING,
    structure: str = "projected",
    seed: int = 0,
    layout: str | None = None,
) -> Verdict:
    """The verdict on the lines of a derivation. Without a problem, the lines themselves say what it is about."""
    given: frozenset[int] = frozenset()
    if problem is None:
        posed = pose(lines, declare, wrt)
        problem, given = posed.problem, posed.given
    else:
        problem, given = with_lines_of_families(problem, lines)
    course = Course(problem, tuple(wrt), strictness, structure, seed, given, layout)
    for i, line in enumerate(lines):
        course.take(i, line, lines)
    return course.verdict(whole)


@dataclass(slots=True)
class Course:
    """A derivation on its way: the chain that is open, and what was wrong so far."""

    problem: Problem
    wrt: tuple[str, ...]
    strictness: Strictness
    structure: str
    seed: int
    given: frozenset[int]
    layout: str | None = None
    lenient: bool = False  # what no small change explains is not called wrong
    explains: bool = True  # whether mistakes are looked for
    unsettled: bool = False  # not all definitions are known: a side that differs may begin the chain anew
    context: Context = field(init=False)
    head: Term | None = None  # what the open chain is about
    second: Term | None = None  # a side that differs from it for reasons unknown
    before: Term | None = None  # the side before, where it was read
    before_right: bool = True
    hint: Term | None = None  # the last right side of the chain
    varying: tuple[str, ...] = ()
    posed: bool = False  # an equation was set, after which equations are conditions
    equation: Term | None = None  # what was set to zero
    wrong: list[Wrong] = field(default_factory=list)
    results: list[Judged] = field(default_factory=list)
    by_second: set[int] = field(default_factory=set)  # results that were found by a second side
    first: Verdict | None = None  # on the first wrong side
    grounds: dict[tuple[tuple[str, ...], tuple[str, ...], tuple[Term, ...]], Ground] = field(default_factory=dict)
    judges: dict[Term, Judge] = field(default_factory=dict)
    certificates: list[Certificate] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context = Context(self.problem, differentials=True, asked=self.wrt or tuple(self.problem.wrt))

    # ------------------------------------------------------------------------------- lines
    def take(self, i: int, line: Line, lines: Sequence[Line]) -> None:
        """Judge one line."""
        if line.kind == "family":
            known = i in self.given
            self._told(line, "definition" if known else "unreadable", "" if known else "this family cannot be read")
            return
        if line.kind in ("remark", "declaration", "derive"):
            self._told(line, "definition" if line.kind == "declaration" else "remark")
            return
        if line.kind == "expression":
            self._begin_with(line, lines, i)
            return
        sides = list(line.sides)
        if not line.continues:
            opened = self._open(i, line, sides, lines)
            if opened is None:
                return
            sides = opened
        elif self.head is None and self.before is None:
            self._told(line, "unreadable", "there is no line that this one goes on from")
            return
        self._told_all(line, [self._side(line, s) for s in sides])

    def _told(self, line: Line, mark: str, message: str = "", span: Span | None = None) -> None:
        self.results.append(Judged(line.number, line.text, mark, message, span=span))  # type: ignore[arg-type]

    def _told_all(self, line: Line, judged: list[Judged]) -> None:
        """One line from its sides: the worst of them speaks."""
        order = ("wrong", "unreadable", "undecided", "follows", "remark", "right again", "right", "definition")
        if judged:
            self.results.append(min(judged, key=lambda j: order.index(j.mark)))

    def _begin_with(self, line: Line, lines: Sequence[Line], i: int) -> None:
        """An expression by itself: the beginning of a chain, or a remark."""
        following = lines[i + 1] if i + 1 < len(lines) else None
        if following is None or not following.continues:
            self._told(line, "remark")
            return
        try:
            self._start(self._read(line.sides[0]), i, lines)
            self._told(line, "remark")
        except MatcalcError as error:
            self._break()
            self._told(line, "unreadable", unreadable(error), error.span)

    # ------------------------------------------------------------------------------ chains
    def _open(self, i: int, line: Line, sides: list[Side], lines: Sequence[Line]) -> list[Side] | None:
        """Begin a chain; the sides that are left to judge, None where the line is done."""
        left = sides[0]
        name = left.words.strip()
        if left.error is None and NAME.fullmatch(name) and self._is_new(name):
            return self._define(i, line, name, sides, lines)
        try:
            head = self._head(left, sides[1:])
        except MatcalcError as error:
            self._go_on_from(sides[1:], i, lines)
            span = left.place(error.span) if error.span is not None else None
            self._told(line, "unreadable", unreadable(error), span)
            return None
        self._start(head, i, lines)
        if i in self.given:
            self.before = self.hint = head
            if len(sides) == 2:
                self._told(line, "definition")
                return None
            return sides[2:]
        return sides[1:]

    def _head(self, left: Side, others: Sequence[Side]) -> Term:
        """What a left side means. A gradient that does not say by what is by the only variable of the shape of what
        follows."""
        try:
            return self._read(left)
        except NoVariable:
            shape = next((t.shape for t in self._terms(others)), None)
            found = [n for n, s in self.problem.symbols.items() if s.shape == shape and "constant" not in s.properties]
            if len(found) != 1:
                raise
            self.context.asked = (found[0],)
            self.context.notes[f"the gradient is taken by {found[0]}"] = None
            return self._read(left)

    def _terms(self, sides: Sequence[Side]) -> Iterator[Term]:
        """The sides that can be read."""
        for side in sides:
            try:
                yield self._read(side)
            except MatcalcError:
                continue

    def _go_on_from(self, sides: Sequence[Side], i: int, lines: Sequence[Line]) -> None:
        """Take the first side that can be read for the beginning of the chain: the lines after it are judged by it."""
        self._break()
        for side in sides:
            try:
                head = self._read(side)
            except MatcalcError:
                continue
            self._start(head, i, lines)
            self.before = self.hint = head
            return

    def _is_new(self, name: str) -> bool:
        known = self.context.is_known(name) or (
            name in LOSSES and self.problem.objective.is_scalar and name not in self.context.own
        )
        if known and not self.context.is_known(name):
            return True  # L, where the problem calls its objective f: a definition, as good as any
        if known or is_differential_name(name, self._names()):
            return False
        return self.context.variable(name) is None

    def _is_variable(self, name: str) -> bool:
        return name in self.problem.symbols or any(d.name == name for d in self.problem.definitions)

    def _names(self) -> list[str]:
        return [
            *self.problem.symbols,
            *(d.name for d in self.problem.definitions),
            self.problem.objective_name,
            *self.context.own,
        ]

    def _define(self, i: int, line: Line, name: str, sides: list[Side], lines: Sequence[Line]) -> list[Side] | None:
        try:
            body = self._read(sides[1])
        except MatcalcError as error:
            self._break()
            span = sides[1].place(error.span) if error.span is not None else None
            self._told(line, "unreadable", unreadable(error), span)
            return None
        if not body.tangent:
            try:
                self.context.define(name, body)
            except MatcalcError as error:
                self._break()
                self._told(line, "unreadable", error.message)
                return None
        self._start(body, i, lines)
        self.before = self.hint = body
        if len(sides) == 2:
            self._told(line, "definition")
            return None
        return sides[2:]

    def _start(self, head: Term, i: int, lines: Sequence[Line]) -> None:
        self.head, self.before, self.hint, self.before_right = head, None, None, True
        self.second = None
        self.varying = varying_names(self.problem, self.wrt, self._readable(i, lines))

    def _break(self) -> None:
        self.head = self.second = self.before = self.hint = None

    def _readable(self, i: int, lines: Sequence[Line]) -> list[Term]:
        """The right sides of the chain that begins in a line, as far as they can be read."""
        sides = list(lines[i].sides[1:])
        for line in lines[i + 1 :]:
            if not line.continues:
                break
            sides += line.sides
        out = []
        for side in sides:
            try:
                out.append(self._read(side))
            except MatcalcError:
                out += self._differentials(side)
        return out

    def _differentials(self, side: Side) -> list[Term]:
        """The differentials in a side that cannot be read, by their names."""
        if side.error is not None:
            return []
        found = [n[1:] for n in names_in(side.words) if n[:1] == "d" and self.context.variable(n) is None]
        return [differential(self.problem.variable(n)) for n in found if self._is_variable(n)]

    # -------------------------------------------------------------------------------- sides
    def _read(self, side: Side) -> Term:
        if side.error is not None:
            raise side.error
        tree = parse_tree(side.text, side.start, side.stop)
        shape = self.head.shape if self.head is not None else None
        return self.context.written_out(self.context.read(tree, side.text, shape))

    def _answer(self, side: Side) -> Answer:
        """A side as an answer. Raises ParseError for what is not of the language."""
        if side.error is not None:
            raise side.error
        tree = parse_tree(side.text, side.start, side.stop)
        shape = self.head.shape if self.head is not None else None
        try:
            term = self.context.written_out(self.context.read(tree, side.text, shape))
        except ShapeError as error:
            own = {n: form_of(b) for n, b in self.context.own.items()}
            form = inlined(form_of_tree(tree, self.context.names()), own)
            return Answer(side.words, (Piece(None, form, None, form),), self.context, None, error, shape)
        source = form_of_tree(tree, self.context.names())
        return Answer(side.words, (Piece(None, form_of(term), term, source),), self.context, term, None, shape)

    def _side(self, line: Line, side: Side) -> Judged:
        try:
            answer = self._answer(side)
        except MatcalcError as error:
            if self._names_it(side):
                return self._judged(line, "definition")
            self.before = None
            span = side.place(error.span) if error.span is not None else None
            return self._judged(line, "unreadable", unreadable(error), span=span)
        if self.head is None:  # the left side could not be read: compare with what could
            assert self.before is not None
            self.head = self.before
        if answer.term in ZERO and self.head not in ZERO:
            return self._condition(line, side, answer)
        if self._is_free(self.head) and answer.term is not None and answer.term is not self.head:
            return self._solution(line, side, answer.term)
        verdict = self._verdict(answer)
        if self.second is not None and verdict.status != "correct" and not _explained(verdict):
            verdict = self._against_second(answer, verdict)
        return self._marked(line, side, answer, verdict)

    def _against_second(self, answer: Answer, first: Verdict) -> Verdict:
        """The verdict by a side that was not understood, where that says more than the one by the left side."""
        head, self.head = self.head, self.second
        verdict = self._verdict(answer)
        self.head = head
        if verdict.status != "correct" and not _explained(verdict):
            return first
        self.by_second.add(len(self.results))
        return verdict

    def _names_it(self, side: Side) -> bool:
        """Whether a side is a new name, for what the left side means: ``dL/dh = G``."""
        name = side.words.strip()
        fresh = side.error is None and NAME.fullmatch(name) is not None and self._is_new(name)
        if not fresh or self.head is None or self.head.tangent or self.context.variable(name) is not None:
            return False
        self.context.define(name, self.head)
        self.before = self.head
        return True

    def _condition(self, line: Line, side: Side, answer: Answer) -> Judged:
        """``... = 0`` is a condition unless the left side is 0 indeed."""
        assert self.head is not None
        if not self.head.is_scalar:
            zeros = terms.zeros(*self.head.shape)
            answer = replace(answer, term=zeros, pieces=(Piece(None, form_of(zeros), zeros),))
        verdict = self._verdict(answer)
        if verdict.status == "correct":
            return self._marked(line, side, answer, verdict)
        self.posed = True
        self.equation = self.head
        self.before = None
        return self._judged(line, "remark", "an equation that is set, not one that holds")

    def _is_free(self, head: Term) -> bool:
        """Whether a left side is a variable of the problem, of which nothing is said but its shape."""
        return head.op == "sym" and head.data in self.problem.symbols and head.data not in self.context.derived

    def _solution(self, line: Line, side: Side, value: Term) -> Judged:
        """A value for a variable: right where it solves the equation that was set, else a condition."""
        assert self.head is not None
        self.before = None
        if self.equation is None or self.head.data in value.free or self.head.shape != value.shape:
            return self._judged(line, "remark", "a condition on a variable, not an equation that holds")
        ground = Ground(self.problem, self.seed, (), self.context.derived)
        solved = solves(ground, self.equation, self.head.data, value)
        if solved is None:
            return self._judged(line, "undecided", "whether this solves the equation that was set is not known")
        if solved:
            return self._judged(line, "right", "solves the equation that was set")
        span = side.place(Span(side.start, side.stop))
        finding = Finding("other", f"this does not solve {self.equation} = 0")
        if self.first is None:
            self.first = Verdict("wrong", diagnosis=[finding], asked=self.head.data)
        return self._judged(line, "wrong", findings=(finding,), span=span)

    def _verdict(self, answer: Answer) -> Verdict:
        try:
            return self._judge().judge(answer, repeats=True)
        except MatcalcError as error:
            return Verdict("undecided", message=error.message)

    def _judge(self) -> Judge:
        """The judge of the open chain: of a derivative by its own question, of anything else by its value."""
        assert self.head is not None
        head = self.head
        made = self.judges.get(head)
        if made is not None:
            return made
        d = self.context.derived.get(head.data) if head.op == "sym" else None
        if d is not None and d.by.op == "sym" and d.kind != "hessian" and self._is_variable(d.by.data):
            asked = replace(self.problem, objective=d.body)
            question = Question(asked, d.by.data, 1, self.layout, self.structure, self.seed, self.context.derived)
            self.judges[head] = made = Judge(question, self.strictness, self.explains)
            return made
        ground = self._ground()
        hint = self.hint or differential_formula(self.problem, head, self.varying, self.seed)
        question = Question(self.problem, None, derived=self.context.derived, target=head, ground=ground, hint=hint)
        return Judge(question, self.strictness, self.explains)

    def _ground(self) -> Ground:
        """The points of the open chain; where its lines speak of members at any index, at some index."""
        assert self.head is not None
        entries = {n for index, _ in units_in([self.head]) for n in index.names()}
        open_indices = indices_of(self.problem, self.head, self.context.derived)
        indices = tuple(n for n in open_indices if n not in entries)
        places = tuple(terms.unit(*u) for u in units_in([self.head]))  # the indices of entries
        key = (self.varying, indices, places)
        if key not in self.grounds:
            turned = at_some_index(indices) if indices else None
            self.grounds[key] = Ground(self.problem, self.seed, self.varying, self.context.derived, turned, places)
        return self.grounds[key]

    def agrees(self, side: Side) -> bool:
        """Whether a side is right for the chain that is open. Raises MatcalcError for what cannot be read."""
        if self.head is None:
            return False
        term = self._read(side)
        return Judge(self._judge().question, self.strictness, False).is_right(term)

    # -------------------------------------------------------------------------------- marks
    def _marked(self, line: Line, side: Side, answer: Answer, verdict: Verdict) -> Judged:
        if verdict.certificate is not None:
            self.certificates.append(verdict.certificate)
        span = side.place(Span(side.start, side.stop))
        if verdict.status == "correct":
            mark = "right" if self.before_right else "right again"
            self.before, self.before_right, self.hint = answer.term, True, answer.term
            return self._judged(line, mark, equal_up_to=verdict.equal_up_to)
        if verdict.status == "wrong":
            return self._wrong(line, side, answer, verdict, span)
        if self.posed and self.head is not None and not self._is_named(self.head):
            self.before = answer.term
            return self._judged(line, "remark", "holds where the equation does that was set")
        self.before = answer.term
        return self._judged(line, verdict.status, verdict.message, span=span)

    def _doubtful(self, line: Line, answer: Answer, verdict: Verdict, span: Span) -> Judged:
        """A side that differs and that no small change makes right: perhaps it was not understood."""
        before = self.before
        self.before, self.hint = answer.term, answer.term
        if (
            before is not None
            and answer.term is not None
            and same_value(self._judge().question.ground, answer.term, before)
        ):
            return self._judged(line, "right", "agrees with the line before")
        if self.unsettled and answer.term is not None and self.second is None:
            self.second = answer.term
        message = "this differs, but no small change explains it"
        return self._judged(line, "undecided", message, findings=tuple(verdict.diagnosis), span=span)

    def _is_named(self, head: Term) -> bool:
        """Whether a left side means something by itself: a derivative, a differential, a name."""
        return head.op in ("sym", "d") or head is self.problem.objective

    def _wrong(self, line: Line, side: Side, answer: Answer, verdict: Verdict, span: Span) -> Judged:
        assert self.head is not None
        if self.lenient and not _explained(verdict):
            return self._doubtful(line, answer, verdict, span)
        if self.posed and not self._is_named(self.head):
            self.before = answer.term
            return self._judged(line, "remark", "holds only where the equation does that was set")
        if answer.term is not None and self._follows(answer.term):
            self._remember(answer.term)
            self.before, self.before_right = answer.term, False
            return self._judged(line, "follows", "follows from a wrong line")
        self._remember(answer.term)
        self.before, self.before_right = answer.term, False
        if self.first is None:
            self.first = verdict
        message = verdict.message.partition("\n")[0].removeprefix("error: ")
        findings = tuple(self._moved(f, side) for f in verdict.diagnosis)
        return self._judged(line, "wrong", message, findings=findings, span=span)

    def _moved(self, finding: Finding, side: Side) -> Finding:
        """A finding with its place in the whole text."""
        return finding if finding.span is None else replace(finding, span=side.place(finding.span))

    def _follows(self, term: Term) -> bool:
        assert self.head is not None
        if self.before is not None and not self.before_right:
            ground = self._judge().question.ground
            if same_value(ground, term, self.before):
                return True
        return any(follows(w, self.head, term, self.problem, self.context, self.seed) for w in self.wrong)

    def _remember(self, term: Term | None) -> None:
        if term is not None and self.head is not None:
            self.wrong.append(Wrong(self.head, term, self.varying))

    def _judged(
        self,
        line: Line,
        mark: str,
        message: str = "",
        equal_up_to: str | None = None,
        findings: tuple[Finding, ...] = (),
        span: Span | None = None,
    ) -> Judged:
        return Judged(line.number, line.text, mark, message, equal_up_to, findings, span)  # type: ignore[arg-type]

    # ------------------------------------------------------------------------------ at the end
    def verdict(self, whole: str) -> Verdict:
        """The verdict on all lines."""
        notes = tuple(self.context.notes)
        return summed_up(self.results, self.first, self.certificates, self.problem.text, notes, whole)


def _explained(verdict: Verdict) -> bool:
    """Whether the first finding is a change that makes the answer right."""
    first = verdict.diagnosis[0] if verdict.diagnosis else None
    return first is not None and bool(first.answer) and "no small change" not in first.message and first.kind != "shape"


def require_lines(lines: Sequence[Line]) -> None:
    """Refuse a text without any line to judge."""
    if not lines:
        raise ParseError("there are no lines", hint="write f = ..., d(f) = ... or grad(f, x) = ...")
