"""A long run: ``python -m tests.fuzz --count 20000 --seed 7``. Exit code 1 where an answer was wrong or one crashed."""

from __future__ import annotations

import argparse
import functools
import sys
from concurrent.futures import ProcessPoolExecutor

from tests.fuzz.check import Outcome, check
from tests.fuzz.problems import Case
from tests.fuzz.run import KINDS, Tally, record, run
from tests.fuzz.whole import check_whole

CHUNK = 50


def main() -> int:
    options = arguments()
    ends = range(options.start, options.start + options.count, CHUNK)
    chunks = [range(a, min(a + CHUNK, options.start + options.count)) for a in ends]
    job = functools.partial(_chunk, options)
    total = Tally()
    with ProcessPoolExecutor(options.workers) as pool:
        for tally in pool.map(job, chunks):
            merge(total, tally)
            for failure in tally.failures:
                print(f"\n{failure}\n", flush=True)
            if not options.quiet:
                print(
                    f"{sum(total.counts.values())}: {dict(sorted(total.counts.items()))}", file=sys.stderr, flush=True
                )
    print(f"seed {options.seed}, {options.count} problems from {options.start}, method {options.method}")
    print("\n".join(total.lines()))
    if total.failures and options.record:
        record(total.failures)
    return 1 if total.failures else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="number of the first problem")
    parser.add_argument("--kind", choices=("", *KINDS), default="", help="only objectives of this kind")
    parser.add_argument("--depth", type=int, default=None)
    parser.add_argument("--method", default="auto")
    parser.add_argument("--whole", action="store_true", help="certificate, reports and code as well")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--record", action="store_true", help="append failures to tests/fuzz/regressions.mc")
    parser.add_argument("--verbose", action="store_true", help="print every problem")
    parser.add_argument("--quiet", action="store_true")
    return parser.parse_args()


def _chunk(options: argparse.Namespace, indices: range) -> Tally:
    def say(case: Case, outcome: Outcome, seconds: float) -> None:
        detail = (outcome.detail.splitlines() or [""])[0]
        print(f"{case.label} {outcome.status} {seconds:.2f} s: {case.problem.text} by {case.wrt}: {detail}", flush=True)

    examine = check_whole if options.whole else functools.partial(check, method=options.method)
    seen = say if options.verbose else None
    return run(options.seed, indices, kind=options.kind, depth=options.depth, examine=examine, seen=seen)


def merge(total: Tally, part: Tally) -> None:
    total.counts.update(part.counts)
    total.reasons.update(part.reasons)
    total.failures.extend(part.failures)
    total.seconds.extend(part.seconds)


if __name__ == "__main__":
    sys.exit(main())
