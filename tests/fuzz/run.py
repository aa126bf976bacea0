"""Many fuzzed problems: run them, count what became of them, say it, and keep what went wrong for good."""

from __future__ import annotations

import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from tests.fuzz.check import Outcome, check
from tests.fuzz.problems import Case, random_case

__all__ = ["KINDS", "REGRESSIONS", "Tally", "block", "kind_of", "record", "run"]

REGRESSIONS = Path(__file__).with_name("regressions.mc")
KINDS = ("scalar", "vector", "matrix", "hessian")
SECONDS = 60.0  # no problem of this size may take longer


@dataclass(slots=True)
class Tally:
    """What became of the problems of a run."""

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    seconds: list[tuple[float, str]] = field(default_factory=list)

    def add(self, case: Case, outcome: Outcome, seconds: float) -> None:
        self.counts[outcome.status] += 1
        self.seconds.append((seconds, case.label))
        if outcome.status in ("refused", "discarded"):
            self.reasons[f"{outcome.status}: {general(outcome.detail)}"] += 1
        elif outcome.status != "right":
            self.failures.append(block(case, outcome))

    def lines(self) -> Iterator[str]:
        yield ", ".join(f"{n} {status}" for status, n in sorted(self.counts.items()))
        for reason, n in self.reasons.most_common():
            yield f"  {n:5d} {reason}"
        slowest = sorted(self.seconds, reverse=True)[:3]
        yield f"  {sum(s for s, _ in self.seconds):.1f} s; slowest " + ", ".join(f"{s:.2f} s ({x})" for s, x in slowest)


def general(reason: str) -> str:
    """A reason without the names and terms of one problem, so that equal reasons are counted together."""
    first = reason.splitlines()[0] if reason else ""
    first = re.sub(r"(functions yet: |function: ).*", r"\1...", first)
    told = r"(differential of |read off |language: )(\w+\(|).*"
    return re.sub(told, lambda m: m[1] + (m[2] or "...(") + "...)", first)[:110]


def block(case: Case, outcome: Outcome) -> str:
    """A problem as a program that can be run again, with what went wrong as its comment."""
    comment = "\n".join(
        f"# {line}".rstrip() for line in f"{case.label}: {outcome.status}\n{outcome.detail}".splitlines()
    )
    return "\n".join((comment, f"# asked: {case.order} {case.convention}", case.program))


def record(failures: list[str]) -> None:
    """Keep failures where the tests replay them."""
    with REGRESSIONS.open("a", encoding="utf-8") as file:
        file.writelines(f"\n{text}\n" for text in failures)


class TooLong(BaseException):
    """Not an Exception: no handler on the way may swallow it."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Stop what takes too long."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def kind_of(i: int) -> str:
    """Of eight problems one has a vector or a matrix as its objective or asks for a Hessian."""
    return KINDS[1 + i // 8 % 3] if i % 8 == 7 else KINDS[0]


def run(
    seed: int,
    indices: range,
    *,
    kind: str = "",
    depth: int | None = None,
    examine: Callable[[Case], Outcome] = check,
    seen: Callable[[Case, Outcome, float], None] | None = None,
) -> Tally:
    """The problems of a seed with the given numbers."""
    tally = Tally()
    for i in indices:
        case = random_case(f"{seed}:{i}", kind or kind_of(i), depth)
        start = time.perf_counter()
        try:
            with limited(SECONDS):
                outcome = examine(case)
        except TooLong:
            outcome = Outcome("crashed", f"took longer than {SECONDS:.0f} s")
        elapsed = time.perf_counter() - start
        tally.add(case, outcome, elapsed)
        if seen:
            seen(case, outcome, elapsed)
    return tally
