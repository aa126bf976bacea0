"""A process that grades one answer after the other: requests and verdicts are lines of JSON.

It is started and watched by :mod:`matcalc.homework.folder`.  An answer that needs too much memory is told as
undecided; one that needs too much time is ended from outside, with the process.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from matcalc.errors import MatcalcError, ParseError
from matcalc.homework.check import check_lines, checked_text, posed_problem, together
from matcalc.homework.grade import Judge
from matcalc.homework.intake import answers_by_name
from matcalc.homework.labels import is_derivation
from matcalc.homework.verdict import Verdict
from matcalc.interop.numpy_code import is_numpy
from matcalc.language.problem import Problem

__all__ = ["Grader", "main"]


class Grader:
    """One problem and its judges."""

    def __init__(self, problem: Problem, options: Mapping[str, Any]) -> None:
        self.problem = problem
        self.options = dict(options)
        names: list[str | None] = list(problem.wrt)
        if not names:
            free = [n for n, s in problem.symbols.items() if "constant" not in s.properties]
            names = [free[0]] if len(free) == 1 else [None]
        self.judges = {name: Judge.of(problem, name, **self.options) for name in names}
        for judge in self.judges.values():
            assert judge.question.shape is not None
            _ = judge.question.formula  # derived once, before the clock of any answer runs

    def grade(self, text: str, form: str) -> Verdict:
        """The verdict on the text of one file."""
        if form != "numpy" and not (form == "auto" and is_numpy(text)) and is_derivation(text):
            kept = {k: v for k, v in self.options.items() if k in ("layout", "structure", "strict", "seed")}
            return check_lines(text, self.problem, [n for n in self.judges if n is not None] or None, form=form, **kept)
        if len(self.judges) == 1:
            return checked_text(next(iter(self.judges.values())), text, form)
        names = [n for n in self.judges if n is not None]
        if form == "numpy" or (form == "auto" and is_numpy(text)):
            return together({n: checked_text(self.judges[n], text, "numpy", names) for n in names})
        answers = answers_by_name(text, names, self.problem)
        found: dict[str | None, Verdict] = {}
        for name in names:
            judge = self.judges[name]
            if name in answers:
                found[name] = checked_text(judge, answers[name], form)
            else:
                found[name] = judge.verdict("unreadable", text, message=f"there is no answer by {name}")
        return together(found)


def limit_memory(megabytes: int) -> None:
    """Let the process have that much memory, where the system can see to it."""
    try:
        import resource
    except ImportError:  # not on every system
        return
    wanted = megabytes * 1024 * 1024
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))


def main(requests: TextIO = sys.stdin, replies: TextIO = sys.stdout) -> int:
    """Grade until there are no more requests."""
    for reply in _replies(requests):
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
    return 0


def _replies(requests: TextIO) -> Iterator[dict[str, Any]]:
    first = json.loads(requests.readline())
    try:
        problem = posed_problem(first["problem"], first["declare"] or None, first["wrt"] or None)
        grader = Grader(problem, first["options"])
    except MatcalcError as error:
        yield {"error": error.render()}
        return
    limit_memory(first["memory"])
    yield {"ready": True}
    for line in requests:
        request = json.loads(line)
        try:
            verdict = grader.grade(request["text"], request["form"])
        except ParseError as error:
            verdict = Verdict("unreadable", message=error.render(), answer=request["text"])
        except (MatcalcError, MemoryError, RecursionError) as error:
            reason = error.render() if isinstance(error, MatcalcError) else "the answer needs too much memory"
            verdict = Verdict("undecided", message=reason, answer=request["text"])
        yield {"verdict": verdict.as_data()}


if __name__ == "__main__":
    sys.exit(main())
