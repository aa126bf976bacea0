"""``matcalc.check`` and ``matcalc.check_lines``: the doors of this room.

A problem that cannot be read, or that asks for something that does not exist, gives the verdict *unreadable* with the
reason; a question that is not one (a variable that is not in the problem, an option that does not exist) raises
MatcalcError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from matcalc.errors import MatcalcError, ParseError, ShapeError
from matcalc.homework.consequence import same_value
from matcalc.homework.derivation import judge_lines, require_lines
from matcalc.homework.grade import Judge, Strictness
from matcalc.homework.intake import FORMS, answer_text, answers_by_name, lines_of, variable_of
from matcalc.homework.meaning import unreadable
from matcalc.homework.numpy_answers import numpy_answers
from matcalc.homework.programs import check_program, is_program
from matcalc.homework.question import LAYOUTS
from matcalc.homework.read import Answer
from matcalc.homework.statements import Line
from matcalc.homework.verdict import Finding, Judged, Verdict
from matcalc.interop.from_sympy import declarations, from_sympy, is_sympy
from matcalc.interop.latex import read_problem
from matcalc.interop.numpy_code import is_numpy
from matcalc.interop.numpy_reductions import LargestEntry
from matcalc.language.problem import Problem

__all__ = ["check", "check_lines", "checked_text", "posed_problem", "together"]

Declare = Mapping[str, str] | Iterable[str] | str | None
Wrt = str | Sequence[str] | None
LATEX_SIGNS = (
    "side by side", "'{' is not a sign", "unknown function 'T'", "is a variable and is not applied",
    "'(' cannot stand here",
)  # fmt: skip
OPEN = ("unreadable", "undecided")
SPREAD = "spreads both"  # what is said of two arrays that are both made larger
SEVERITY = ("wrong", "unreadable", "undecided", "correct")


def check(
    problem: str | Problem | Any,
    wrt: Wrt = None,
    answer: str | Mapping[str, str] | Sequence[str] | Any = None,
    declare: Declare = None,
    *,
    layout: str | None = None,
    structure: str = "projected",
    order: int = 1,
    strict: bool = False,
    up_to: Iterable[str] = (),
    form: str = "auto",
    seed: int = 0,
) -> Verdict:
    """The verdict on an answer to "what is the derivative of the problem by ``wrt``?".

    Without ``wrt``, where the problem has not exactly one variable, the answer is compared with the expression
    itself. ``strict`` and ``layout`` make another convention an error; ``up_to`` ("factor", "mean") says what the
    problem leaves open; ``form`` is auto, plain, latex or numpy.  Several variables take a mapping from name to
    answer.
    """
    if answer is None:
        raise MatcalcError("there is no answer to check", hint="check(problem, wrt, answer)")
    if form not in FORMS:
        raise MatcalcError(f"form is one of {', '.join(FORMS)}, not {form!r}")
    try:
        asked = posed_problem(problem, declare, wrt)
    except (ParseError, ShapeError) as error:
        return Verdict("unreadable", message=unreadable(error), problem=str(problem), answer=str(answer))
    options: dict[str, Any] = {
        "layout": layout, "structure": structure, "order": order, "strict": strict, "up_to": up_to, "seed": seed
    }  # fmt: skip
    answers = _by_name(asked, wrt, answer)
    several = (
        [n for n in answers if n is not None] if len(answers) > 1 and len(set(map(str, answers.values()))) == 1 else []
    )
    found = {name: _checked(asked, name, text, form, options, several) for name, text in answers.items()}
    return next(iter(found.values())) if len(found) == 1 else together(found)


def posed_problem(problem: str | Problem | Any, declare: Declare, wrt: Wrt) -> Problem:
    """The problem from whatever says it. Raises ParseError or ShapeError."""
    names = [wrt] if isinstance(wrt, str) else [str(w) for w in wrt] if wrt is not None else None
    if isinstance(problem, Problem):
        return problem
    if isinstance(problem, str):
        return read_problem(problem, declare, names)
    if is_sympy(problem):
        given = declarations(problem)
        own = dict(declare) if isinstance(declare, Mapping) else {}
        return read_problem(str(from_sympy(problem)), {**given, **own}, names)
    raise TypeError(f"a problem is text, a Problem or a SymPy expression, not {type(problem).__name__}")


def _by_name(problem: Problem, wrt: Wrt, answer: Any) -> Mapping[str | None, Any]:
    """The answers by the variable they are the derivative by; None: the value itself."""
    if isinstance(answer, Mapping):
        return dict(answer)
    names = [wrt] if isinstance(wrt, str) else [str(w) for w in wrt] if wrt is not None else list(problem.wrt)
    if isinstance(answer, Sequence) and not isinstance(answer, str):
        if len(answer) != len(names):
            raise MatcalcError(f"there are {len(answer)} answers for {len(names)} variables")
        return _keyed(names, answer)
    if len(names) > 1:
        if is_numpy(str(answer)):
            return _keyed(names, [answer] * len(names))  # the code says what is the gradient by what
        found = answers_by_name(str(answer), names, problem)
        if set(found) != set(names):
            missing = next(n for n in names if n not in found)
            raise MatcalcError(f"there is no answer by {missing}", hint="give a mapping, or lines such as dW = ...")
        return _keyed(names, [found[n] for n in names])
    if names:
        return {names[0]: answer}
    free = [n for n, s in problem.symbols.items() if "constant" not in s.properties]
    return {free[0] if len(free) == 1 else None: answer}


def _keyed(names: Sequence[str], answers: Sequence[Any]) -> dict[str | None, Any]:
    out: dict[str | None, Any] = {}
    out.update(zip(names, answers, strict=True))
    return out


def _checked(
    problem: Problem, name: str | None, answer: Any, form: str, options: dict[str, Any], several: Sequence[str]
) -> Verdict:
    own = _as_program(problem, name, str(answer), form, options["seed"])
    if own is not None and own.correct:
        return own
    judge = Judge.of(problem, name, **options)
    verdict = checked_text(judge, str(answer), form, several)
    if own is not None and verdict.status in OPEN:
        return own
    if (
        name is None
        and verdict.status == "wrong"
        and verdict.counterexample
        and verdict.counterexample.shapes
        and not verdict.message
    ):
        listed = ", ".join(problem.symbols)
        raise MatcalcError("by which variable?", hint=f"say wrt=...; the names of the problem are {listed}")
    return verdict


def _as_program(problem: Problem, name: str | None, text: str, form: str, seed: int) -> Verdict | None:
    """The verdict on an answer that defines members of its own; None for any other."""
    if name is None or form not in ("auto", "plain") or not is_program(text, problem):
        return None
    return check_program(problem, name, text, seed)


def checked_text(judge: Judge, text: str, form: str = "auto", several: Sequence[str] = ()) -> Verdict:
    """The verdict of a judge on a text in any of the forms. ``several``: all variables that code answers by."""
    if form == "numpy" or (form == "auto" and is_numpy(text)):
        code = _checked_code(judge, text, several)
        if form == "numpy" or code.status != "unreadable":
            return code
        other = _checked_formula(judge, text, form)
        return code if other.status == "unreadable" else other
    return _checked_formula(judge, text, form)


def _checked_code(judge: Judge, text: str, several: Sequence[str] = ()) -> Verdict:
    """The verdict on NumPy code; ``several``: all the variables that it has gradients by."""
    wrt = judge.question.wrt
    names = list(several) or ([wrt] if wrt is not None else [])

    def read(shift: str = "") -> Answer:
        shape = judge.question.shape if len(names) < 2 else None
        found = numpy_answers(text, judge.context(), names, shape, shift)
        return found[wrt] if wrt in found else next(iter(found.values()))

    try:
        answer = read()
    except LargestEntry as error:
        shifted = _without_shift(judge, read)
        if shifted is None:
            return judge.verdict("unreadable", text, message=unreadable(error))
        answer = shifted
    except MatcalcError as error:
        return judge.verdict("unreadable", text, message=unreadable(error))
    return _with_broadcasting(judge.judge(answer))


def _with_broadcasting(verdict: Verdict) -> Verdict:
    """Of wrong code, what NumPy silently spread to a larger array comes first."""
    spread = [note for note in verdict.notes if SPREAD in note]
    if verdict.status != "wrong" or not spread:
        return verdict
    found = [Finding("shape", f"silent broadcasting: {note}") for note in spread]
    told = [f for f in verdict.diagnosis if f.message.startswith("would be correct with ")]  # in the words of the code
    return replace(verdict, diagnosis=[*told, *found, *(f for f in verdict.diagnosis if f not in told)])


def _without_shift(judge: Judge, read: Callable[[str], Answer]) -> Answer | None:
    """The answer without the largest entries that are subtracted in it, where any number may be subtracted instead."""
    try:
        one, other = read("zero"), read("mean")
    except MatcalcError:
        return None
    if one.term is None or other.term is None or not same_value(judge.question.ground, one.term, other.term):
        return None
    return one


def _checked_formula(judge: Judge, text: str, form: str) -> Verdict:
    problem = judge.question.problem
    try:
        intake = answer_text(text, problem, form)
    except MatcalcError as error:
        return judge.verdict("unreadable", text, message=unreadable(error))
    verdict = judge.check(intake.plain, intake)
    if verdict.status != "unreadable" or form != "auto" or not _may_be_latex(verdict.message):
        return verdict
    try:  # LaTeX without a backslash: 2A'(Ax - b), X^{-1}
        again = answer_text(text, problem, "latex")
    except MatcalcError:
        return verdict
    other = judge.check(again.plain, again)
    return verdict if other.status == "unreadable" else other


def _may_be_latex(message: str) -> bool:
    """Whether a text was refused for what is at home in LaTeX: factors side by side, braces, X^T before a bracket."""
    return any(sign in message for sign in LATEX_SIGNS)


def together(found: Mapping[str | None, Verdict]) -> Verdict:
    """The verdict on answers by several variables: the worst of them speaks."""
    worst = min(found.values(), key=lambda v: SEVERITY.index(v.status))
    lines = tuple(
        Judged(
            i + 1,
            f"{v.asked} = {v.answer}",
            "right" if v.status == "correct" else v.status,
            v.message,
            v.equal_up_to,
            tuple(v.diagnosis),
        )
        for i, v in enumerate(found.values())
    )
    number = next((j.number for j in lines if j.mark == "wrong"), None)
    return replace(worst, line=number, lines=lines)


def check_lines(
    text_or_lines: str | Sequence[str],
    problem: str | Problem | Any = None,
    wrt: Wrt = None,
    declare: Declare = None,
    *,
    layout: str | None = None,
    structure: str = "projected",
    strict: bool = False,
    form: str = "auto",
    seed: int = 0,
) -> Verdict:
    """The verdict on a derivation, line by line.

    A line is ``LHS = RHS`` or a continuation ``= RHS``; the left side is the objective's name, its differential,
    ``grad(f, X)``, ``jac(y, x)``, ``hess(f, x)``, an expression, or a new name, which is a definition.
    """
    if layout is not None and layout not in LAYOUTS:
        raise MatcalcError(f"layout is one of {', '.join(LAYOUTS)}, not {layout!r}")
    names = (wrt,) if isinstance(wrt, str) else tuple(str(w) for w in wrt or ())
    whole = text_or_lines if isinstance(text_or_lines, str) else "\n".join(map(str, text_or_lines))
    try:
        asked = None if problem is None else posed_problem(problem, declare, names or None)
        _, lines = lines_of(text_or_lines, asked, form)
        require_lines(lines)
        names = names or (variable_of(whole) if asked is None else ())

        def judged(read: Sequence[Line]) -> Verdict:
            given = Strictness(strict, layout is not None)
            return judge_lines(whole, read, asked, names, _declarations(declare), given, structure, seed, layout)

        verdict = judged(lines)
        if form == "auto" and any(j.mark == "unreadable" and _may_be_latex(j.message) for j in verdict.lines):
            verdict = _fewer_unreadable(verdict, lambda: judged(lines_of(text_or_lines, asked, "latex")[1]))
        if verdict.status not in OPEN or asked is None:
            return verdict
        by = names or asked.wrt
        own = _as_program(asked, by[0], whole, form, seed) if len(by) == 1 else None
        return verdict if own is None or own.status in OPEN else own
    except (ParseError, ShapeError) as error:
        shown = problem.text if isinstance(problem, Problem) else str(problem or "")
        return Verdict("unreadable", message=unreadable(error), problem=shown, answer=whole)


def _fewer_unreadable(first: Verdict, again: Callable[[], Verdict]) -> Verdict:
    """Of two readings of a derivation the one that understands more lines."""
    try:
        second = again()
    except (ParseError, ShapeError):
        return first
    dark = [sum(j.mark == "unreadable" for j in v.lines) for v in (first, second)]
    bright = [sum(j.mark not in ("unreadable", "remark") for j in v.lines) for v in (first, second)]
    return second if dark[1] < dark[0] and bright[1] >= bright[0] else first


def _declarations(declare: Declare) -> list[str]:
    if declare is None:
        return []
    if isinstance(declare, Mapping):
        return [f"{name} : {shape}" for name, shape in declare.items()]
    return declare.split(";") if isinstance(declare, str) else list(declare)
