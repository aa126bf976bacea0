"""``matcalc rules``: the book of rules listed, one rule explained with an example, a file of rules checked.

Listing reads the rules as text alone; numbers are only computed for an example or a check.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from matcalc.errors import RuleError
from matcalc.rewriting.rules import RuleBook, Statement, read_file, read_statements, rule_book
from matcalc.terminal import write, write_error

if TYPE_CHECKING:
    from matcalc.trust import Report

__all__ = ["show_rules"]


def show_rules(which: str | None, verify: bool, form: str) -> int:
    """Print what was asked and return the exit code: 1 where a rule is refused, 2 for an unknown one."""
    if which is not None and which.endswith(".rules"):
        book = RuleBook(read_statements(read_file(which), which))
    else:
        book = rule_book()
        if which is not None and which not in book:
            return _unknown(book, which)
    one = book.statement(which) if which is not None and which in book else None
    if verify:
        return _checked(book.statements if one is None else (one,), form)
    from matcalc import rulepages

    if form == "json":
        shown: dict[str, Any] = {"rules": rulepages.catalogue(book)} if one is None else rulepages.explain(book[one.id])
        write(json.dumps(shown, ensure_ascii=True, indent=2))
    else:
        write(rulepages.listing(book) if one is None else rulepages.page(book[one.id]))
    return 0


def _unknown(book: RuleBook, which: str) -> int:
    try:
        book.statement(which)
    except RuleError as error:
        write_error(error.render())
    return 2


def _checked(statements: tuple[Statement, ...], form: str) -> int:
    """Test the rules and print a report; 1 where one is refused."""
    from matcalc.trust import verify_statements

    reports = verify_statements(statements)
    refused = sum(not r.ok for r in reports)
    if form == "json":
        write(json.dumps({"reports": [r.as_dict() for r in reports]}, ensure_ascii=True, indent=2))
    else:
        write(_verdict(reports, refused))
    return 1 if refused else 0


def _verdict(reports: list[Report], refused: int) -> str:
    lines = [r.render() for r in reports]
    return "\n".join([*lines, "", f"{len(reports) - refused} of {len(reports)} rules passed"])
