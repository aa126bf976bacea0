"""The Python interface: ``derive`` and ``parse``, and the derivation that a user holds.

Here the rooms meet: a problem is read, derived, verified, and can be written as code or as a report.  Nothing is
computed here.

Invariant: a derivation returned by :func:`derive` was not contradicted by its certificate; one that was raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from numbers import Integral
from pathlib import Path
from types import ModuleType
from typing import Any

from matcalc.calculus import derive as calculus
from matcalc.errors import MatcalcError
from matcalc.interop.from_sympy import declarations, from_sympy, is_sympy
from matcalc.interop.latex_tokens import is_latex
from matcalc.language.elaborate import parse_problem
from matcalc.language.operations import operations
from matcalc.language.parts import split_names
from matcalc.language.problem import Problem
from matcalc.rewriting.rules import RuleBook, rule_book
from matcalc.rewriting.steps import Step

__all__ = ["Derivation", "derive", "parse"]

Declare = Mapping[str, str] | Iterable[str] | str | None


@dataclass(frozen=True)
class Derivation(calculus.Derivation):
    """A derivation with its certificate, and the ways out of it: code, a loaded module, reports."""

    checks: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)  # the error of every step

    @property
    def labels(self) -> dict[str, str]:
        """The left side of each answer: ``grad(f, x)``."""
        return {name: steps[-1].label for name, steps in self.lines.items()}

    @property
    def operations(self) -> dict[str, int]:
        """How many operations of each kind the printed answer has (of all answers together)."""
        counts = [operations(t) for t in self.answers.values()]
        return {kind: sum(c[kind] for c in counts) for kind in counts[0]}

    def steps_of(self, name: str) -> tuple[Step, ...]:
        """The top-level steps that lead to one answer."""
        return self.lines[name]

    def code(self, target: str = "numpy") -> str:
        """The source of a stand-alone module."""
        from matcalc.code.emit import emit_module

        return emit_module(self, target)

    def compile(self) -> ModuleType:
        """The stand-alone module, loaded."""
        from matcalc.code.load import load_module

        return load_module(self.code())

    def report(self, form: str = "text", steps: str = "brief", gradients: bool = False) -> str:
        """The derivation as text, unicode, latex, markdown, html or json; steps none, brief or full.

        As dot, mermaid or svg it is the computation graph, with ``gradients`` beside the nodes.
        """
        from matcalc.report import render

        return render(self, form, steps, gradients=gradients)

    def __str__(self) -> str:
        return self.report()

    def __repr__(self) -> str:
        told = "; ".join(f"{self.labels[name]} = {t}" for name, t in self.answers.items())
        return f"<Derivation {told} ({self.certificate.status})>"

    def _repr_latex_(self) -> str:
        from matcalc.report.notation import LATEX

        told = [f"{LATEX.label(self.labels[name])} = {LATEX.term(t)}" for name, t in self.answers.items()]
        return "\n\n".join(f"$\\displaystyle {line}$" for line in told)

    def _repr_html_(self) -> str:
        from matcalc.report.page import fragment

        return fragment(self, "brief")


def parse(text: str, declare: Declare = None, latex: bool | None = None) -> Problem:
    """Read a problem: a ``.mc`` program or one expression, in LaTeX where it has a backslash or a dollar sign.

    ``latex`` says which of the two it is; None leaves it to the text.
    """
    return _read(text, declare, None, latex)


def _read(text: str, declare: Declare, names: list[str] | None, latex: bool | None) -> Problem:
    if latex is None and isinstance(text, str):
        latex = is_latex(text)
    if not latex:
        return parse_problem(text, declare, names)
    from matcalc.interop.latex import read_problem

    return read_problem(text, declare, names, latex=True)


def derive(
    problem: str | Problem | Any,
    wrt: str | Sequence[str] | Any = None,
    declare: Declare = None,
    method: str = "auto",
    order: int = 1,
    layout: str = "gradient",
    structure: str = "projected",
    rules: Sequence[str | Path] | str | Path | None = None,
    seed: int = 0,
    verify: bool = True,
    latex: bool | None = None,
    sums: str = "kept",
    unrolled: bool = False,
) -> Derivation:
    """The derivative of a problem by each name of ``wrt``, with its steps and its certificate.

    ``problem`` is text (``latex`` as in :func:`parse`), a Problem or a SymPy expression; ``rules`` are files of further
    rules, which are tested first.  Raises ParseError or ShapeError for text that cannot be read, CannotDerive where no
    rule leads to the answer, RuleError for a refused rule, FailedCertificate where the numerical check contradicts the
    derivation.
    """
    _check_seed(seed)
    names = _names(wrt)
    asked = _problem(problem, names, declare, latex)
    book = _book(rules, seed)
    told = calculus.derive(asked, names, method, order, layout, structure, book, sums, unrolled)
    parts = {f.name: getattr(told, f.name) for f in fields(told)}
    if not verify:
        return Derivation(**{**parts, "certificate": _unverified(seed)})
    from matcalc.verify import verified

    certificate, checks = verified(told, seed)
    return Derivation(**{**parts, "certificate": certificate}, checks=checks)


@dataclass(frozen=True, slots=True)
class Unverified:
    """The certificate of a derivation whose check was left out on request."""

    seed: int
    status: str = "skipped"
    worst_error: float | None = None
    points: int = 0
    shapes: tuple[dict[str, list[int]], ...] = ()
    method: str = ""
    notes: tuple[str, ...] = ("the numerical check was left out",)


def _unverified(seed: int) -> Unverified:
    return Unverified(seed)


def _check_seed(seed: Any) -> None:
    if not isinstance(seed, Integral) or int(seed) < 0:
        raise MatcalcError(f"a seed is an integer that is not negative, not {seed!r}")


def _names(wrt: Any) -> list[str] | None:
    """The variables' names, as text; SymPy symbols are named by themselves."""
    if wrt is None:
        return None
    if isinstance(wrt, str):
        return split_names(wrt)
    several = [wrt] if is_sympy(wrt) else list(wrt)
    return [w if isinstance(w, str) else str(w.name) for w in several]


def _problem(problem: Any, names: list[str] | None, declare: Declare, latex: bool | None = None) -> Problem:
    if isinstance(problem, Problem):
        if declare is not None:
            raise MatcalcError("a parsed problem has its declarations already", hint="parse(text, declare=...)")
        return problem
    if isinstance(problem, str):
        return _read(problem, declare, names, latex)
    if is_sympy(problem):
        given = declarations(problem)
        return parse_problem(str(from_sympy(problem)), {**given, **_by_name(declare)}, names)
    raise TypeError(f"a problem is text, a Problem or a SymPy expression, not {type(problem).__name__}")


def _by_name(declare: Declare) -> dict[str, str]:
    """Declarations as a mapping; of several about one name, the last."""
    if declare is None:
        return {}
    if isinstance(declare, Mapping):
        return dict(declare)
    lines = declare.split(";") if isinstance(declare, str) else list(declare)
    pairs = (line.partition(":") for line in lines if line.strip())
    return {name.strip(): shape.strip() for name, _, shape in pairs}


def _book(rules: Sequence[str | Path] | str | Path | None, seed: int) -> RuleBook | None:
    """The bundled rules with a user's, all of them tested; None where there are none of the user's."""
    if rules is None:
        return None
    from matcalc.trust import with_checked

    book = rule_book()
    for path in [rules] if isinstance(rules, str | Path) else rules:
        book = with_checked(book, path, seed)
    return book
