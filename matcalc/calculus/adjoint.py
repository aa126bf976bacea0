"""The adjoint: what is linear in a change moves over to the other side of an inner product.

``inner(G, L(H)) = inner(L*(G), H)`` by the rules of the book, until nothing but a differential that is *done* stands on
the right; what is then paired with the same change is added.  The cotangent ``G`` flows down the expression, each
occurrence of a variable adds its part.

Invariant: as in :mod:`matcalc.calculus.differential`, every elementary step is an instance of one rule at one path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from itertools import islice

from matcalc.calculus.differential import Tables, grouped, halved, occurrences, round_of
from matcalc.calculus.moves import move
from matcalc.errors import CannotDerive
from matcalc.language.terms import Path, Term, at, subterms
from matcalc.rewriting.engine import Setting, apply, rewrite, step
from matcalc.rewriting.matching import Bindings
from matcalc.rewriting.rules import Rule
from matcalc.rewriting.steps import Step

__all__ = ["is_paired", "paired", "push", "reverse", "written"]

# What may be rewritten where no adjoint rule fits: the same thing with the change in another place.
TURNED = {"hdiv": ("hdivide-scalar",), "inner": ("inner-symmetric",), "mul": ("scalar-behind", "scalar-front")}


def summands(line: Term) -> Iterator[tuple[Path, Term]]:
    """The summands of a line, those under sums over an index among them, from the left."""
    waiting: list[tuple[Path, Term]] = [((), line)]
    while waiting:
        path, t = waiting.pop()
        if t.op in ("add", "sumover"):
            waiting += reversed([((*path, i), a) for i, a in enumerate(t.args)])
        else:
            yield path, t


def is_paired(line: Term) -> bool:
    """Whether a line is a sum of inner products with changes."""
    return all(s.op == "inner" and s.args[1].tangent for _, s in summands(line))


def _next(line: Term, done: Set[Term]) -> Path | None:
    """The first summand whose change is not a differential yet."""
    for path, s in summands(line):
        if s.op == "inner" and s.args[1].tangent and s.args[1] not in done and s.args[1].op != "d":
            return path
    return None


def _left_over(rule: Rule, found: Bindings) -> int:
    tangents = [n for n, kind in rule.metavars.items() if kind.endswith("tangent")]
    return sum(found.terms[n].size for n in tangents if n in found.terms)


def _adjoint_step(line: Term, path: Path, book: Tables, setting: Setting) -> Step:
    """One operation moves over: the rule that leaves the least on the right."""
    node = at(line, path)
    change = node.args[1]
    ways = 1 if change.op == "add" else None  # a sum is split in some way, all are as good
    least = min((a.size for a in change.args if a.tangent), default=0)  # nothing leaves less on the right
    best: tuple[int, Rule, Term, Bindings] | None = None
    for rule in book.for_adjoint(change):
        for new, found in islice(apply(rule, node, setting, bindings=halved(rule, change)), ways):
            left = _left_over(rule, found)
            if best is None or left < best[0]:
                best = (left, rule, new, found)
            if left <= least:
                break
        if best is not None and best[0] <= least:
            break
    if best is not None:
        _, rule, new, found = best
        return step(rule, line, path, new, found)
    for name in TURNED.get(change.op, ()):
        rule_ = book.rules.get(name)
        made = rewrite(rule_, line, (*path, 1), setting) if rule_ is not None else None
        if made is not None and made.after is not line:
            return made
    raise CannotDerive(f"no rule gives the adjoint of {change}")


def push(line: Term, book: Tables, setting: Setting, done: Set[Term] = frozenset()) -> list[Step]:
    """The elementary steps that move everything but differentials to the left, and add what belongs together."""
    steps: list[Step] = []
    clean = move("arithmetic", line, setting, level=3)
    if clean is not None and clean.after is not line:  # zeros have no adjoint
        steps.append(clean)
        line = clean.after
    if not is_paired(line):
        made = move("unit-cotangent", line, setting)
        if made is None:
            raise CannotDerive(f"only a number has a gradient, and this is a matrix: {line}")
        steps.append(made)
    line = steps[-1].after if steps else line
    while (path := _next(line, done)) is not None:
        steps.append(_adjoint_step(line, path, book, setting))
        line = steps[-1].after
    steps += _collected(line, setting)
    steps += gathered(steps[-1].after if steps else line, book, setting)
    steps += _collected(steps[-1].after if steps else line, setting)
    return steps


def _collected(line: Term, setting: Setting) -> list[Step]:
    made = move("collect", line, setting)
    return [made] if made is not None and made.after is not line else []


def gathered(line: Term, book: Tables, setting: Setting) -> Iterator[Step]:
    """The steps that take sums over an index apart, and what is paired with one and the same change out of them."""
    names = ("split-sum", "sum-inner-members")
    rules = [r for r in (book.rules.get(n) for n in names) if r is not None]
    while True:
        made = next((m for path in _sums(line) for r in rules if (m := rewrite(r, line, path, setting))), None)
        if made is None:
            return
        yield made
        line = made.after


def _sums(line: Term) -> Iterator[Path]:
    """The places of sums over an index among the summands of a line, the innermost first."""
    found: list[Path] = []
    waiting: list[tuple[Path, Term]] = [((), line)]
    while waiting:
        path, t = waiting.pop()
        if t.op in ("add", "sumover"):
            waiting += reversed([((*path, i), a) for i, a in enumerate(t.args)])
        if t.op == "sumover":
            found.append(path)
    yield from reversed(found)


def paired(line: Term, book: Tables, setting: Setting, label: str, write: bool = False) -> Step | None:
    """The line in which every change stands alone in an inner product; ``write``: as a trace or scalar product."""
    steps = push(line, book, setting)
    if write:
        last = steps[-1].after if steps else line
        clean = move("transposes", last, setting, level=3)
        if clean is not None and clean.after is not last:
            steps.append(clean)
        steps += written(steps[-1].after if steps else line, book, setting)
    return (
        grouped(steps, label, "adjoints", "everything moves over to the other side", turn=not write) if steps else None
    )


def written(line: Term, book: Tables, setting: Setting) -> list[Step]:
    """Inner products in the notation of the books: ``tr(G'*d(X))`` for matrices, ``g'*d(x)`` for columns."""
    steps: list[Step] = []
    for i in range(len(line.args) if line.op == "add" else 1):
        path: Path = (i,) if line.op == "add" else ()
        node = at(line, path)
        if node.op != "inner" or node.args[1].op != "d":
            continue
        change = node.args[1].shape
        name = "inner-scalar" if change.is_scalar else "inner-vector" if change.cols.value == 1 else "inner-trace"
        rule = book.rules.get(name)
        made = rewrite(rule, line, path, setting) if rule is not None else None
        if made is not None and made.after.op in (line.op, "mul", "tr"):
            steps.append(made)
            line = made.after
    return steps


def reverse(line: Term, book: Tables, setting: Setting, done: Set[Term], label: str) -> Iterator[Step]:
    """The lines from ``inner(G, d(...))`` to inner products with the changes that are done, the cotangent flowing down.

    What is linear goes in one line (``linear-transform``), then each function once.
    """
    spread = True
    idle = 0
    while idle < 2:
        steps = round_of(line, book, setting, done, chain=not spread, spread=spread)
        if steps:
            last = steps[-1].after
            steps += push(last, book, setting)
            name = (
                ("linear-transform", "the transposed map carries the gradient back")
                if spread and _linear(steps)
                else ("", "")
            )
            made = grouped(steps, label, *name, turn=True)
            yield made
            line = made.after
        idle = 0 if steps else idle + 1
        spread = not spread


def _linear(steps: Sequence[Step]) -> bool:
    return not any(s.rule in ("d-product", "d-hadamard", "d-scalar-product", "d-kron", "d-inner") for s in steps)


def repeated(line: Term, done: Set[Term]) -> bool:
    """Whether a differential that is not done occurs more than once in a line."""
    waiting = [s for s in subterms(line) if s.op == "d" and s not in done]
    return any(occurrences(line, d) > 1 for d in waiting)
