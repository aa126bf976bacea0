"""``matcalc rules``: the book of rules listed, one rule explained with an example, a file of rules checked.

Listing reads the rules as text alone; numbers are only computed for an example or a check.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from matcalc.errors import RuleError
from matcalc.rewriting.rules import KINDS, RuleBook, Statement, read_file, read_statements, rule_book, rule_of
from matcalc.terminal import write, write_error

if TYPE_CHECKING:
    from matcalc.trust import Report

__all__ = ["show_rules"]


def show_rules(which: str | None, verify: bool, form: str) -> int:
    """Print what was asked and return the exit code: 1 where a rule is refused, 2 for an unknown one."""
    if which is None:
        statements: Sequence[Statement] = rule_book().statements
    elif which.endswith(".rules"):
        statements = read_statements(read_file(which), which)
    elif which in rule_book():
        statements = [rule_book().statement(which)]
    else:
        return _unknown(rule_book(), which)
    reports = _reports(statements) if verify else None
    if form == "json":
        write(json.dumps(_as_data(statements, reports), ensure_ascii=True, indent=2))
    elif reports is not None:
        write(_verdict(reports))
    elif which is not None and not which.endswith(".rules"):
        write(_explained(statements[0]))
    else:
        write(_listed(statements))
    return 0 if reports is None or all(r.ok for r in reports) else 1


def _unknown(book: RuleBook, which: str) -> int:
    try:
        book.statement(which)
    except RuleError as error:
        write_error(error.render())
    return 2


def _reports(statements: Sequence[Statement]) -> list[Report]:
    from matcalc.trust import verify_statements

    return verify_statements(statements)


# ------------------------------------------------------------------ text
def _listed(statements: Sequence[Statement]) -> str:
    """Every rule on a line, file by file."""
    width = max((len(s.id) for s in statements), default=0)
    out: list[str] = []
    for group, members in groupby(statements, key=lambda s: s.group):
        out += ["", group] if out else [group]
        for s in members:
            out.append(f"  {s.id:{width}}  {s}" + ("   (false, kept as a warning)" if s.false else ""))
    held = sum(not s.false for s in statements)
    false = len(statements) - held
    out += ["", f"{held} rules" + (f" and {false} well-known false identities" if false else "")]
    return "\n".join(out)


def _explained(s: Statement) -> str:
    out = [f"{s.id}: {s}"]
    if s.false:
        out.append("  This identity is FALSE; it is kept as a warning.")
    if s.say:
        out.append(f"  {s.say}")
    named = [f"{n} is {_kind(s.kinds[n])}" for n in s.kinds if _mentions(s, n)]
    out += [f"  where {line}" if i == 0 else f"        {line}" for i, line in enumerate(named)]
    out += [f"  if {c.meaning}" for c in s.conditions]
    if s.source:
        out.append(f"  source: {s.source}")
    out += [f"  stated in {s.where}", "", *_example(s)]
    return "\n".join(out)


def _kind(kind: str) -> str:
    name, arrow, value = kind.partition(" -> ")
    return "an opaque function whose value is a column of " + value + " entries" if arrow else KINDS[name]


def _mentions(s: Statement, name: str) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", side) for side in s.text)


def _example(s: Statement) -> list[str]:
    """Both sides at small whole numbers; for a false identity, where they differ."""
    import numpy as np

    from matcalc.numeric.evaluate import evaluate_all
    from matcalc.numeric.rulecheck import CounterExample
    from matcalc.trust import samples_of, verify

    rule = rule_of(s)
    if s.false:
        found = verify([rule])[0].counterexample
        return [] if found is None else ["counterexample", *_indented(found.describe())]
    samples = samples_of(rule)
    rng = np.random.default_rng(0)
    sizes = {name: 2 + k for k, name in enumerate(samples.sizes)}
    for attempt in range(80):
        at = samples.sample(rng, sizes, {}, attempt // 2, whole=True)
        if at is not None:
            right = evaluate_all([rule.rhs], at.point)[0]
            values = {n: np.asarray(v) for n, v in at.point.values.items()}
            shown = CounterExample(sizes, values, dict(at.point.tangents or {}), at.left, right)
            return ["example", *_indented(shown.describe())]
    return []


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]


def _verdict(reports: Sequence[Report]) -> str:
    refused = sum(not r.ok for r in reports)
    lines = [r.render() for r in reports]
    return "\n".join([*lines, "", f"{len(reports) - refused} of {len(reports)} rules passed"])


# ------------------------------------------------------------------ JSON
def _as_data(statements: Sequence[Statement], reports: Sequence[Report] | None) -> dict[str, Any]:
    rules = [
        {
            "id": s.id,
            "group": s.group,
            "lhs": s.text[0],
            "rhs": s.text[1],
            "conditions": [str(c) for c in s.conditions],
            "kinds": {n: k for n, k in s.kinds.items() if _mentions(s, n)},
            "say": s.say,
            "source": s.source,
            "where": s.where,
            "false": s.false,
        }
        for s in statements
    ]
    return {"rules": rules} if reports is None else {"rules": rules, "reports": [r.as_dict() for r in reports]}
