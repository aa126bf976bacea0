"""The command line. It reads options and files and writes results; everything in between is the Python interface.

Invariant: importing this module loads click and nothing heavier, so that ``--version`` and ``--help`` are instant.

Exit codes: 0 done; 1 a refused rule or a failed certificate; 2 usage, parse or shape error; 3 cannot derive.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

from matcalc import __version__
from matcalc.errors import CannotDerive, FailedCertificate, MatcalcError, ParseError, RuleError, ShapeError
from matcalc.terminal import ReaderLeft, coloured, silence, write, write_error

if TYPE_CHECKING:
    from matcalc.api import Derivation

__all__ = ["main"]

METHODS = ("auto", "differential", "linear", "expand", "graph", "entries")
LAYOUTS = ("gradient", "numerator", "denominator")
FORMATS = ("text", "unicode", "latex", "markdown", "html", "json", "dot", "mermaid", "svg")
SEED = click.IntRange(min=0)
_LONG_OPTION = re.compile(r"--[A-Za-z][A-Za-z-]*(=.*)?", re.DOTALL)


class Formulas(click.Command):
    """A command whose arguments may begin with ``-``: ``-A*x`` is a formula, ``--wrrt`` is still a mistyped option.

    Only long options exist (and ``-h``), so a single dash always begins a formula.
    """

    ignore_unknown_options = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        args = ["--help" if a == "-h" else a for a in args]
        options = {o: p for p in self.get_params(ctx) if isinstance(p, click.Option) for o in p.opts}
        rest = iter(args)
        for a in rest:
            if a == "--":
                break
            name = a.partition("=")[0]
            if name in options:
                if "=" not in a and not options[name].is_flag:
                    next(rest, None)  # the option's value, whatever it looks like
            elif _LONG_OPTION.fullmatch(a):
                raise click.NoSuchOption(name, possibilities=get_close_matches(name, options, n=1), ctx=ctx)
        return super().parse_args(ctx, args)


class Program(click.Group):
    """The group of commands; a mistyped command is met with the nearest one."""

    command_class = Formulas

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, ["--help" if a == "-h" and i == 0 else a for i, a in enumerate(args)])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = get_close_matches(name, self.list_commands(ctx))
            hint = f"Did you mean {near[0]!r}?" if near else f"Did you mean: matcalc derive {name!r}?"
            ctx.fail(f"No such command {name!r}. {hint}")
        return super().resolve_command(ctx, args)


def _names(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[str]:
    """``--wrt X --wrt Y`` and ``--wrt X,Y`` are the same."""
    from matcalc.language.parts import split_names

    return [name.strip() for value in values for name in split_names(value) if name]


def _problem_options(command: Any) -> Any:
    """The options that say what is derived, shared by every command that derives."""
    options = (
        click.argument("problem", metavar="PROBLEM|FILE.mc"),
        click.option("--wrt", multiple=True, metavar="NAME", callback=_names, help="Variable to differentiate by."),
        click.option("--declare", multiple=True, metavar="DECL", help='A declaration, e.g. "A : m×n symmetric".'),
        click.option("--method", type=click.Choice(METHODS), default="auto", show_default=True, help="How it is told."),
        click.option(
            "--order", type=click.IntRange(1, 2), metavar="1|2", default=1, show_default=True, help="2 for the Hessian."
        ),
        click.option("--layout", type=click.Choice(LAYOUTS), default="gradient", show_default=True, help="Layout."),
        click.option(
            "--structure",
            type=click.Choice(("projected", "entries")),
            default="projected",
            show_default=True,
            help="What the gradient by a symmetric, skew or diagonal variable means.",
        ),
        click.option(
            "--rules",
            multiple=True,
            metavar="FILE",
            type=click.Path(exists=True, dir_okay=False),
            help="A file of further rules, checked before use.",
        ),
        click.option(
            "--sums",
            type=click.Choice(("kept", "stacked", "stacked-answer", "members")),
            default="kept",
            show_default=True,
            help="Sums over an index as products of matrices of rows, first or in the answer, or the other way.",
        ),
        click.option("--unrolled", is_flag=True, help="Also write out the recurrences of loops."),
        click.option("--seed", type=SEED, default=0, show_default=True, help="Of the numerical check."),
        click.option("--no-verify", is_flag=True, help="Leave out the numerical check."),
        click.option("--latex", is_flag=True, help="The problem is LaTeX, though it has no backslash."),
        click.option("--output", metavar="FILE", help="Write to a file, not to standard output."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group(cls=Program, context_settings={"help_option_names": ["--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="matcalc")
def program() -> None:
    """Matrix calculus: closed forms with their steps, checked numerically, and NumPy code."""


@program.command()
@_problem_options
@click.option("--steps", type=click.Choice(("none", "brief", "full")), default="brief", show_default=True)
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--gradients", is_flag=True, help="Write the gradients beside the nodes of a graph (dot, mermaid, svg).")
def derive(steps: str, form: str, gradients: bool, output: str | None, **options: Any) -> None:
    """Print a derivative with its steps and its certificate, or draw the computation graph (dot, mermaid, svg).

    PROBLEM is an expression or a program, FILE.mc a problem file, - standard input.
    """
    from matcalc.report import GRAPHS, render

    if gradients and form not in GRAPHS:
        raise click.UsageError(f"--gradients goes with --format {', '.join(GRAPHS[:-1])} or {GRAPHS[-1]}")
    derivation = _derivation(options)
    colour = output is None and coloured(sys.stdout)
    write(render(derivation, form, steps, colour, gradients), output)


@program.command()
@_problem_options
@click.option("--target", type=click.Choice(("numpy",)), default="numpy", show_default=True)
def code(target: str, output: str | None, **options: Any) -> None:
    """Print a derivative as a stand-alone Python module."""
    write(_derivation(options).code(target), output)


@program.command()
@click.argument("what", metavar="[PROBLEM | FILE.mc | NOTES.md | ANSWERS/]", required=False)
@click.option("--answer", metavar="EXPR", help="The answer to judge; - is standard input.")
@click.option("--lines", metavar="FILE", help="A derivation to judge line by line; - is standard input.")
@click.option("--problem", metavar="PROBLEM|FILE.mc", help="The problem that a folder of answers is about.")
@click.option("--wrt", multiple=True, metavar="NAME", callback=_names, help="Variable to differentiate by.")
@click.option("--declare", multiple=True, metavar="DECL", help='A declaration, e.g. "A : m×n symmetric".')
@click.option("--order", type=click.IntRange(1, 2), metavar="1|2", default=1, show_default=True, help="2: the Hessian.")
@click.option("--layout", type=click.Choice(LAYOUTS), help="Insist on a layout.")
@click.option("--structure", type=click.Choice(("projected", "entries")), default="projected", show_default=True)
@click.option("--strict", is_flag=True, help="Accept no other convention.")
@click.option("--up-to", type=click.Choice(("factor", "mean")), multiple=True, help="What the problem leaves open.")
@click.option("--form", type=click.Choice(("auto", "plain", "latex", "numpy")), default="auto", show_default=True)
@click.option("--latex", "form", flag_value="latex", help="The answer is LaTeX.")
@click.option("--timeout", type=float, default=10.0, show_default=True, help="Seconds for each answer of a folder.")
@click.option("--memory", type=int, default=2000, show_default=True, help="Megabytes for each process of a folder.")
@click.option("--jobs", type=int, default=0, help="Processes for a folder; default: one for each processor.")
@click.option("--format", "as", type=click.Choice(("text", "json")), default="text", show_default=True)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the points that are compared.")
@click.option("--output", metavar="FILE", help="Write the report to a file; for a folder, the stem of CSV and JSON.")
def check(what: str | None, **options: Any) -> int:
    """Judge an answer, a derivation line by line, a document, or a folder of answers.

    Exit code 0: correct; 1: wrong; 2: it cannot be read; 3: it cannot be decided.
    """
    from matcalc.cli_check import run_check

    return run_check(_read_problem, what, options)


@program.command()
@click.argument("which", metavar="[ID | FILE.rules]", required=False)
@click.option("--verify", is_flag=True, help="Check the rules numerically.")
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
def rules(which: str | None, verify: bool, form: str) -> int:
    """List the rules, explain one, or check a file of them."""
    from matcalc.cli_rules import show_rules

    if which is not None and which.endswith(".rules"):
        read_text(which)  # whatever cannot be read is a usage error
    return show_rules(which, verify, form)


def _derivation(options: dict[str, Any]) -> Derivation:
    from matcalc import api

    return api.derive(
        _read_problem(options["problem"]),
        wrt=options["wrt"] or None,
        declare=list(options["declare"]) or None,
        method=options["method"],
        order=options["order"],
        layout=options["layout"],
        structure=options["structure"],
        rules=list(options["rules"]) or None,
        seed=options["seed"],
        verify=not options["no_verify"],
        latex=True if options["latex"] else None,
        sums=options["sums"],
        unrolled=options["unrolled"],
    )


def _read_problem(source: str) -> str:
    """The problem's text: of a file, of standard input, or the argument itself."""
    if source == "-":
        return read_text(None)
    if source.endswith(".mc") and "\n" not in source:
        return read_text(source)
    return source


def read_text(file: str | None) -> str:
    """The text of a file or, for None, of standard input. What cannot be read is a usage error."""
    name = "standard input" if file is None else f"'{file}'"
    try:
        if file is None:
            return sys.stdin.buffer.read().decode("utf-8-sig")
        with open(file, encoding="utf-8-sig") as stream:
            return stream.read()
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a null byte in the name
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise click.ClickException(f"cannot read {name}: {reason}") from None


def _exit_code(error: MatcalcError) -> int:
    codes: Iterable[tuple[type[MatcalcError], int]] = (
        (CannotDerive, 3),
        (FailedCertificate, 1),
        (RuleError, 1),
        (ParseError, 2),
        (ShapeError, 2),
    )
    return next((code for kind, code in codes if isinstance(error, kind)), 2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    try:
        return _run(arguments)
    except ReaderLeft:
        silence()
        return 0


def _run(arguments: Sequence[str] | None) -> int:
    try:
        result = program.main(arguments, prog_name="matcalc", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.UsageError as error:
        error.show(sys.stderr)
        return 2
    except click.ClickException as error:
        write_error(f"error: {error.format_message()}")
        return 2
    except (click.Abort, KeyboardInterrupt):
        return 130
    except MatcalcError as error:
        write_error(error.render())
        return _exit_code(error)
    except OSError as error:
        write_error(f"error: {error.strerror or error}" + (f": {error.filename}" if error.filename else ""))
        return 2
