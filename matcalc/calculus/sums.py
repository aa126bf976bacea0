"""Sums over an index as products of matrices of rows, and back, by the rules of the book.

*Stacked*: ``sum(n, a[n]*b[n]')`` becomes ``A'*B`` with the members as rows.  The rules go from the outside in; where
something is left that has no rows (an opaque loss), the sum stays as it was.  *By members* is the other direction.

The rows that come up get names (``Phi = rows(n in 1..N, phi[n])``), unless the problem has given them some.

Invariant: every step is an instance of a rule at one path; the value does not change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count

from matcalc.calculus.moves import move
from matcalc.language.binders import BINDERS
from matcalc.language.problem import Definition, Problem
from matcalc.language.terms import Path, Term, at, subterms, symbol
from matcalc.rewriting.engine import Setting, rewrite
from matcalc.rewriting.folding import FOLDS
from matcalc.rewriting.normal import Normalizer
from matcalc.rewriting.rules import Rule, RuleBook
from matcalc.rewriting.steps import Step

__all__ = ["FORMS", "by_members", "folded_back", "rewritten", "stacked", "with_named_rows"]

OUT_OF_SUMS = ("sum-sign", "sum-divisor", "sum-factor-scalar")
TO_ROWS = ("stack-norm2", "stack-square", "stack-outer", "stack-weights", "stack-inner", "stack-sum", "split-sum")
ROWS = (
    *("rows-sign", "rows-divide", "rows-scale", "rows-add", "rows-constant", "rows-linear-transposed", "rows-linear"),
    *("rows-weights", "rows-dot", "rows-hadamard", "rows-power", "rows-quotient", "rows-elementwise"),
)
MOST = 400  # steps of one term


def rewritten(form: str, t: Term, book: RuleBook, setting: Setting, label: str) -> list[Step]:
    """The steps to the stacked form, or to the form by members; none where nothing changes."""
    parts = list(FORMS[form](t, book, setting))
    if not parts or parts[-1].after is t:
        return []
    reason = "row by row" if form == "members" else "the members are the rows of matrices"
    return [Step(form.removesuffix("-answer"), t, parts[-1].after, reason, label, substeps=tuple(parts))]


# -------------------------------------------------------------------------------- stacking
def with_named_rows(problem: Problem, terms: Iterable[Term], form: str) -> Problem:
    """The problem with a definition for each matrix of rows in some terms that has no name yet."""
    if form not in ("stacked", "stacked-answer"):
        return problem
    found = {s: s.args[0].data[0] for t in terms for _, s in _outermost(t, "stack") if s.args[0].op == "elem"}
    taken = {*problem.symbols, *problem.functions, problem.objective_name, *_names_in(problem)}
    known = {d.term for d in problem.definitions}
    made = []
    for rows, family in found.items():
        if rows not in known:
            name = next(n for n in _names_of_rows(family) if n not in taken)
            taken.add(name)
            made.append(Definition(name, rows))
    return replace(problem, statements=(*problem.statements, *made)) if made else problem


def folded_back(t: Term, setting: Setting, label: str) -> Step | None:
    """The rows by their names."""
    names = {symbol(name, *body.shape): body for name, body in setting.definitions.items()}
    after = FOLDS["fold-definition"](t, names, Normalizer(setting.facts))
    return Step("fold-definition", t, after, "the rows by their names", label) if after is not t else None


def _names_in(problem: Problem) -> set[str]:
    """The names that sizes, lengths and definitions have."""
    shapes = [d for s in problem.symbols.values() for d in s.shape]
    bodies = [problem.objective, *(d.term for d in problem.definitions)]
    ends = [d for b in bodies for s in subterms(b) for d in (*s.shape, *(s.data if s.op in BINDERS else ()))]
    return {n for d in (*shapes, *ends) for n in d.names()} | {d.name for d in problem.definitions}


def _names_of_rows(family: str) -> Iterator[str]:
    """Phi for phi, X for x; where that is taken, X_rows, X_rows2, ..."""
    name = family.upper() if len(family) == 1 else family[:1].upper() + family[1:]
    yield from (name, f"{name}_rows")
    yield from (f"{name}_rows{k}" for k in count(2))


def stacked(t: Term, book: RuleBook, setting: Setting) -> Iterator[Step]:
    """Every sum over an index that can be: a product of matrices of rows."""
    kept: set[Term] = set()
    while True:
        path = next((p for p, s in _outermost(t, "sumover") if s not in kept), None)
        if path is None:
            return
        attempt = list(_one_stacked(t, path, book, setting))
        if not attempt or _has_compound_rows(attempt[-1].after):
            kept.add(at(t, path))
            continue
        yield from attempt
        t = attempt[-1].after


def _one_stacked(t: Term, path: Path, book: RuleBook, setting: Setting) -> Iterator[Step]:
    """The steps that stack the sum at a path, and push its rows inwards."""
    for name in (*OUT_OF_SUMS, *TO_ROWS):
        made = rewrite(book[name], t, path, setting)
        if made is not None and made.after is not t:
            yield made
            if name in TO_ROWS:
                yield from _pushed(made.after, book, setting)
            return


def _pushed(t: Term, book: RuleBook, setting: Setting) -> Iterator[Step]:
    """The steps that push rows inwards until they are the rows of members, and tidy up."""
    while True:
        places = [path for path, s in _outermost(t, "stack") if s.args[0].op != "elem"]
        tries = (rewrite(book[name], t, path, setting) for path in places for name in ROWS)
        made = next((m for m in tries if m is not None and m.after is not t), None)
        if made is None:
            break
        yield made
        t = made.after
    clean = move("transposes", t, setting, level=3)
    if clean is not None and clean.after is not t:
        yield clean


def _outermost(t: Term, op: str) -> Iterator[tuple[Path, Term]]:
    """The places of an operation that are under no binder, from the left."""
    waiting: list[tuple[Path, Term]] = [((), t)]
    while waiting:
        path, node = waiting.pop()
        if node.op == op:
            yield path, node
        if node.op not in BINDERS:
            waiting += reversed([((*path, i), a) for i, a in enumerate(node.args)])


def _has_compound_rows(t: Term) -> bool:
    return any(s.op == "stack" and s.args[0].op != "elem" for _, s in _outermost(t, "stack"))


# ------------------------------------------------------------------------------- by members
def by_members(t: Term, book: RuleBook, setting: Setting) -> Iterator[Step]:
    """Matrices of rows put together again, and their products as sums over the index."""
    names = {n: body for n, body in setting.definitions.items() if any(s.op == "stack" for s in subterms(body))}
    for _ in range(MOST):
        made = _written_out(t, names, setting) or _backwards(t, book, setting)
        if made is None:
            return
        yield made
        t = made.after


def _written_out(t: Term, names: dict[str, Term], setting: Setting) -> Step | None:
    """A name that was given to a matrix of rows."""
    for path, s in _everywhere(t):
        if s.op == "sym" and s.data in names:
            return move("definition", t, setting, path)
    return None


def _backwards(t: Term, book: RuleBook, setting: Setting) -> Step | None:
    for path, s in _everywhere(t):
        if not any(a.op == "stack" for a in subterms(s)) or s.op in BINDERS:
            continue
        for rule in _rules(book, (*ROWS, *TO_ROWS)):
            made = rewrite(rule, t, path, setting, direction=-1, within=True)
            if made is not None and made.after is not t and _fewer_rows(t, made.after):
                return made
    return None


def _rules(book: RuleBook, names: Sequence[str]) -> list[Rule]:
    return [book[n] for n in names if n not in ("rows-constant", "rows-sign", "split-sum")] + [book["rows-sign"]]


def _fewer_rows(before: Term, after: Term) -> bool:
    """Whether the rows have moved outwards: what is in them has grown, or they have become a sum."""
    return _rows_size(after) > _rows_size(before) or _count(after) < _count(before)


def _rows_size(t: Term) -> int:
    return max((s.args[0].size for s in subterms(t) if s.op == "stack"), default=0)


def _count(t: Term) -> int:
    return sum(s.op == "stack" for s in subterms(t))


def _everywhere(t: Term) -> Iterator[tuple[Path, Term]]:
    """Every place under no binder, the outermost first."""
    waiting: list[tuple[Path, Term]] = [((), t)]
    while waiting:
        path, node = waiting.pop(0)
        yield path, node
        if node.op not in BINDERS:
            waiting += [((*path, i), a) for i, a in enumerate(node.args)]


FORMS = {"stacked": stacked, "stacked-answer": stacked, "members": by_members}
