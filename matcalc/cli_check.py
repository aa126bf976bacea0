"""``matcalc check``: one answer, the lines of a derivation, a document, or a folder of answers.

Exit codes: 0 correct; 1 wrong; 2 what cannot be read; 3 undecided.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from matcalc.homework.verdict import Verdict
from matcalc.terminal import coloured, write, write_error

__all__ = ["CODES", "run_check"]

CODES = {"correct": 0, "wrong": 1, "unreadable": 2, "undecided": 3}
DOCUMENTS = (".md", ".markdown", ".html", ".htm", ".tex", ".txt")
BAR = 30


def run_check(read: Callable[[str], str], what: str | None, options: dict[str, Any]) -> int:
    """Check what was asked for and return the exit code. ``read`` reads a problem's text."""
    given = [options[k] for k in ("answer", "lines") if options[k] is not None]
    if len(given) > 1:
        raise click.UsageError("--answer and --lines exclude each other")
    if options["problem"] is not None or (what is not None and not given and Path(what).is_dir()):
        return _folder(read, what, options)
    if options["lines"] is not None:
        return _shown(_lines(read, what, options), options)
    if what is None:
        raise click.UsageError("what is to be checked? A PROBLEM with --answer, --lines FILE, or a document")
    if options["answer"] is not None:
        return _shown(_answer(read, what, options), options)
    if what.endswith(DOCUMENTS):
        return _document(what, options)
    raise click.UsageError("an answer is missing: --answer EXPR, or --lines FILE")


def _kept(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: options[name] for name in names}


def _answer(read: Callable[[str], str], what: str, options: dict[str, Any]) -> Verdict:
    from matcalc.homework.check import check

    answer = _text("-") if options["answer"] == "-" else options["answer"]
    kept = _kept(options, "layout", "structure", "order", "strict", "up_to", "form", "seed")
    return check(read(what), options["wrt"] or None, answer, list(options["declare"]) or None, **kept)


def _lines(read: Callable[[str], str], what: str | None, options: dict[str, Any]) -> Verdict:
    from matcalc.homework.check import check_lines

    kept = _kept(options, "layout", "structure", "strict", "form", "seed")
    problem = read(what) if what is not None else None
    return check_lines(
        _text(options["lines"]), problem, options["wrt"] or None, list(options["declare"]) or None, **kept
    )


def _text(source: str) -> str:
    from matcalc.cli import read_text

    return read_text(None if source == "-" else source)


def _shown(verdict: Verdict, options: dict[str, Any]) -> int:
    from matcalc.homework.telling import told

    if options["as"] == "json":
        write(json.dumps(verdict.as_data(), ensure_ascii=False, indent=2), options["output"])
    else:
        write(told(verdict, options["output"] is None and coloured(sys.stdout)), options["output"])
    return CODES[verdict.status]


# ----------------------------------------------------------------------------------- a folder
def _folder(read: Callable[[str], str], what: str | None, options: dict[str, Any]) -> int:
    from matcalc.homework.folder import Grading, as_csv, as_json, grade_folder, table

    if options["problem"] is None:
        raise click.UsageError("a folder of answers needs --problem FILE.mc")
    if what is None:
        raise click.UsageError("which answers? Give a folder, or one file")
    path = Path(what)
    if not path.exists():
        raise click.ClickException(f"cannot read '{what}': there is no such file or folder")
    grading = Grading(
        read(options["problem"]),
        list(options["declare"]),
        list(options["wrt"]),
        {
            k: list(v) if isinstance(v, tuple) else v
            for k, v in _kept(options, "layout", "structure", "order", "strict", "up_to", "seed").items()
        },
        options["timeout"],
        options["memory"],
        options["jobs"],
        options["form"],
        _progress() if sys.stderr.isatty() else None,
    )
    grades = grade_folder(path, grading)
    stem = options["output"] or str(path.resolve().parent / f"{path.resolve().name}-verdicts")
    stem = stem.removesuffix(".csv").removesuffix(".json")
    write(as_csv(grades), f"{stem}.csv")
    write(as_json(grades, grading), f"{stem}.json")
    write(as_json(grades, grading) if options["as"] == "json" else table(grades))
    write_error(f"written: {stem}.csv, {stem}.json")
    return _worst([g.status for g in grades])


def _worst(statuses: Sequence[str]) -> int:
    return next((CODES[s] for s in ("wrong", "unreadable", "undecided") if s in statuses), 0)


def _progress() -> Callable[[int, int], None]:
    """A bar on standard error that is drawn over itself."""

    def draw(done: int, whole: int) -> None:
        filled = BAR * done // whole
        sys.stderr.write(f"\r[{'#' * filled}{' ' * (BAR - filled)}] {done}/{whole}" + ("\n" if done == whole else ""))
        sys.stderr.flush()

    return draw


# --------------------------------------------------------------------------------- a document
def _document(what: str, options: dict[str, Any]) -> int:
    from matcalc.homework.document import check_document, told_document

    found = check_document(_text(what), what, list(options["declare"]) or None, options["seed"])
    if options["as"] == "json":
        write(json.dumps(found.as_data(), ensure_ascii=False, indent=2), options["output"])
    else:
        write(told_document(found), options["output"])
    return 1 if found.wrong else 0
