"""The end of a test run says what became of the fuzzed problems, from every worker together."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the hook is imported with every test run
    from tests.fuzz.run import Tally

__all__ = ["properties", "pytest_terminal_summary"]


def properties(tally: Tally) -> list[tuple[str, str, int]]:
    """A tally as plain values, which travel between processes."""
    return [
        *(("status", name, n) for name, n in sorted(tally.counts.items())),
        *(("reason", name, n) for name, n in sorted(tally.reasons.items())),
    ]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """pytest's hook."""
    counts: dict[str, Counter[str]] = {"status": Counter(), "reason": Counter()}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, rows in getattr(report, "user_properties", ()):
                if name == "fuzz" and getattr(report, "when", "") == "call":
                    for kind, text, n in rows:
                        counts[kind][text] += n
    if counts["status"]:
        terminalreporter.section("fuzzed problems")
        terminalreporter.write_line(", ".join(f"{n} {status}" for status, n in sorted(counts["status"].items())))
        for reason, n in counts["reason"].most_common():
            terminalreporter.write_line(f"  {n:5d} {reason}")
