"""Five ways to tell one derivation: all use the two tables, in another order and with other lines.

- ``differential``: take differentials to the end, then bring the change to the right end and read off the gradient;
- ``linear``: peel ``f(A*X + B)``: differentiate in ``Y = A*X + B``, then carry the gradient back through the linear
  map; where there is no such layer, let the cotangent flow down node by node;
- ``expand``: multiply out, then term by term;
- ``entries``: the derivative by one entry, then by a row, then by the whole variable;
- ``auto``: ``linear`` for a function of one affine layer that is not just a norm, else ``differential``.

A definition is entered when everything that uses it has been worked out, and only once: where its differential stands
in several places these are added first.  So the work grows with the length of a program, not with its paths.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from matcalc.calculus.adjoint import paired, push, repeated, reverse
from matcalc.calculus.arithmetic import is_zero
from matcalc.calculus.differential import Tables, differentials_in, grouped, occurrences, round_of
from matcalc.calculus.moves import move, read_gradient
from matcalc.errors import CannotDerive
from matcalc.language.binders import BINDERS
from matcalc.language.terms import Term, differential, subterms, symbol
from matcalc.rewriting.engine import Setting
from matcalc.rewriting.present import present
from matcalc.rewriting.steps import Step

__all__ = ["METHODS", "Question", "by_differential", "chosen", "gradient", "linear_form"]

# Operations that keep a term affine in the variable: every one, where at most one argument varies.
AFFINE = frozenset(("add", "neg", "mul", "had", "transpose", "sym"))
NORMS = frozenset(
    ("norm2", "normF", "pow", "mul", "div", "neg", "add", "inner", "tr", "sum", "transpose", "sym", "num")
)


@dataclass(frozen=True, slots=True)
class Question:
    """A derivative that is asked for: of an objective by a variable."""

    name: str  # of the objective
    objective: Term
    variable: Term
    setting: Setting
    book: Tables
    introduced: Mapping[str, Term] = field(default_factory=dict)  # names given by the derivations before this one

    @property
    def change(self) -> Term:
        return differential(self.variable)

    @property
    def label(self) -> str:
        return f"d({self.name})"

    @property
    def held(self) -> dict[str, Term]:
        """The differentials of the definitions that vary, by name, in order of definition."""
        s = self.setting
        return {n: differential(symbol(n, *body.shape)) for n, body in s.definitions.items() if n in s.varying}


def started(q: Question) -> Step:
    """The first line: ``d(f) = d(...)``."""
    made = move("differential", q.objective, q.setting, label=q.label, level=1)
    assert made is not None
    return made


# --------------------------------------------------------------------- the lines
def linear_form(q: Question, line: Term) -> Iterator[Step]:
    """The lines from ``d(...)`` to a form in the change of the variable, by differentials from the outside in."""
    held = q.held
    while True:
        done = {q.change, *held.values()}
        steps = round_of(line, q.book, q.setting, done)
        if steps:
            made = grouped(steps, q.label)
            yield made
            line = made.after
            if line.is_scalar and repeated(line, done):
                line = yield from _paired(q, line)
            continue
        occurring = set(differentials_in(line))
        inside = [n for n, d in held.items() if d in occurring]
        if not inside:
            return
        if line.is_scalar and occurrences(line, held[inside[-1]]) > 1:
            line = yield from _paired(q, line)
        del held[inside[-1]]


def _paired(q: Question, line: Term) -> Generator[Step, None, Term]:
    made = paired(line, q.book, q.setting, q.label)
    if made is None:
        return line
    yield made
    return made.after


def reverse_form(q: Question, line: Term) -> Iterator[Step]:
    """The lines from ``inner(G, d(...))`` to an inner product with the change, the cotangent flowing down."""
    held = q.held
    while True:
        done = {q.change, *held.values()}
        for made in reverse(line, q.book, q.setting, done, q.label):
            yield made
            line = made.after
        occurring = set(differentials_in(line))
        inside = [n for n, d in held.items() if d in occurring]
        if not inside:
            return
        del held[inside[-1]]


def read_off(q: Question, line: Term) -> Iterator[Step]:
    """From a form that is linear in the change to the gradient."""
    label = f"grad({q.name}, {q.variable})"
    if q.variable.is_scalar:
        read = move("read-slope", line, q.setting, given={"d": q.change}, label=label, level=1)
    else:
        if not is_zero(line) and read_gradient(line, q.change) is None:
            made = paired(line, q.book, q.setting, q.label, write=True)
            if made is not None:
                yield made
                line = made.after
        read = move("read-off", line, q.setting, given={"d": q.change}, label=label, level=1)
    if read is None:
        raise CannotDerive(f"the gradient cannot be read off {line}")
    yield read


def presented(q: Question, last: Step, label: str) -> tuple[Step, ...]:
    """The line in which an answer is written as a person would write it; none where it is so already."""
    known = (q.objective, *q.setting.definitions.values())
    new, parts = present(last.after, q.setting.facts, q.setting.definitions, known)
    if new is last.after:
        return ()
    inner = tuple(replace(p, level=2) for p in parts)
    if len(inner) == 1:
        return (replace(inner[0], label=label, level=1),)
    reason = "; ".join(dict.fromkeys(p.reason for p in inner))
    return (Step("simplify", last.after, new, reason, label, substeps=inner),)


def parts_of(t: Term) -> tuple[Term, ...]:
    """What a user wrote under the sums over an index of a term, without the sums."""
    return tuple(s.args[0] for s in subterms(t) if s.op == "sumover")


def by_matrices(q: Question) -> tuple[tuple[Step, ...], Question]:
    """The objective with its sums over entries as products of matrices, and the question about that; as it was if none.

    Nothing is differentiated entry by entry that can be differentiated as a whole.
    """
    made = move("gather-entries", q.objective, q.setting)
    if made is None:
        return (), q
    after, shown = present(made.after, q.setting.facts, q.setting.definitions, parts_of(q.objective))
    parts = (made, *(replace(s, level=2) for s in shown))
    line = Step(made.rule, q.objective, after, made.reason, q.name, substeps=parts if len(parts) > 1 else ())
    return (line,), replace(q, objective=after)


# -------------------------------------------------------------------- the methods
def by_differential(q: Question) -> Iterator[Step]:
    first = started(q)
    yield first
    line = first.after
    for made in linear_form(q, line):
        yield made
        line = made.after
    yield from read_off(q, line)


def by_reverse(q: Question) -> Iterator[Step]:
    first = started(q)
    yield first
    opened = move("unit-cotangent", first.after, q.setting)
    assert opened is not None
    lines = list(reverse_form(q, opened.after))
    if lines:  # the pairing with 1 is part of the first line
        parts = (opened, *(lines[0].substeps or (replace(lines[0], level=2),)))
        lines[0] = replace(lines[0], before=first.after, substeps=parts)
    yield from lines
    yield from read_off(q, lines[-1].after if lines else first.after)


def by_linear(q: Question) -> Iterator[Step]:
    layer = affine_layer(q)
    if layer is None or q.variable.is_scalar:
        yield from by_reverse(q)
        return
    name, body, outer = layer
    if name not in q.setting.definitions:
        made = move("introduce", q.objective, q.setting, given={name: body}, reason=f"with {name} = {body}", level=1)
        assert made is not None
        yield replace(made, label=q.name)
    last: Step | None = None
    for last in by_differential(outer):
        yield last
    assert last is not None
    shown = presented(outer, last, last.label)
    yield from shown
    carried = carried_back(q, outer, body, shown[-1].after if shown else last.after)
    yield carried
    if name not in q.setting.definitions:
        yield from put_back(q, name, body, carried.after)


def put_back(q: Question, name: str, body: Term, line: Term) -> Iterator[Step]:
    """The name of the layer is replaced by what it stands for."""
    made = move("put-back", line, q.setting, given={name: body}, reason=f"{name} = {body}", level=1)
    if made is not None and made.after is not line:
        yield replace(made, label=f"grad({q.name}, {q.variable})")


def carried_back(q: Question, outer: Question, body: Term, gradient_: Term) -> Step:
    """``grad_X = A'*grad_Y*B'``: the gradient by the layer becomes the gradient by the variable."""
    pair = move("pair", gradient_, q.setting, given={"d": outer.change})
    assert pair is not None
    inside = Setting(q.setting.facts, q.setting.varying | outer.setting.varying, {outer.variable.data: body})
    steps = [pair, *round_of(pair.after, q.book, inside, {q.change})]
    steps += push(steps[-1].after, q.book, inside)
    clean = move("transposes", steps[-1].after, inside, level=3)
    if clean is not None and clean.after is not clean.before:
        steps.append(clean)
    read = move("read-off", steps[-1].after, q.setting, given={"d": q.change})
    if read is None:
        raise CannotDerive(f"the gradient cannot be read off {steps[-1].after}")
    steps.append(read)
    label = f"grad({q.name}, {q.variable})"
    reason = f"the gradient by {outer.variable} goes back through the linear map"
    return Step("linear-transform", gradient_, read.after, reason, label, substeps=tuple(steps))


def by_expanding(q: Question) -> Iterator[Step]:
    made = move("expand", q.objective, q.setting, label=q.name, level=1)
    assert made is not None
    if made.after is not made.before:
        yield made
    plain = replace(q.setting, definitions={}, varying=frozenset((q.variable.data,)))
    yield from by_differential(replace(q, objective=made.after, setting=plain))


def by_entry(q: Question) -> Iterator[Step]:
    """One entry, a row, the whole; where the entries cannot be put together again, by differentials."""
    from matcalc.calculus.by_entries import by_entries

    try:
        yield from list(by_entries(q))
    except CannotDerive:
        yield from by_differential(q)


# "graph" is told by graph_telling for scalar objectives; where it does not apply it is "differential".
METHODS = {
    "differential": by_differential,
    "linear": by_linear,
    "expand": by_expanding,
    "graph": by_differential,
    "entries": by_entry,
}


def chosen(q: Question, method: str) -> str:
    """The method that ``auto`` stands for in this question."""
    if method != "auto":
        return method
    layer = affine_layer(q)
    if layer is None or q.variable.is_scalar:
        return "differential"
    return "differential" if all(t.op in NORMS for t in _varying(layer[2])) else "linear"


def gradient(q: Question, method: str) -> Iterator[Step]:
    """The lines of a method, from the objective to the gradient as it is read off."""
    yield from METHODS[method](q)


# ---------------------------------------------------------------------- the layer
def _varying(q: Question) -> list[Term]:
    return [t for t in subterms(q.objective) if not q.setting.constant(t)]


def affine_layer(q: Question) -> tuple[str, Term, Question] | None:
    """The one affine subterm through which the objective depends on the variable: name, body, what is around it."""
    if any(t.op in BINDERS for t in _varying(q)):  # a term under a sum over an index is another one for every index
        return None
    used = [n for n in q.held if n in q.objective.varies]
    if used:
        body = q.setting.definitions[used[-1]]
        direct = q.variable.data in q.objective.varies
        if len(used) > 1 or direct or not _is_affine(body, q.setting, {q.variable.data}):
            return None
        name = used[0]
        objective = q.objective
    else:
        layers = _largest_affine(q)
        if len(layers) != 1 or layers[0] is q.variable or layers[0] is q.objective:
            return None
        body = layers[0]
        name = _free_name(q, body)
        objective = _named(q.objective, body, name)
    inner_setting = replace(q.setting, varying=frozenset((name,)), definitions={})
    outer = replace(q, objective=objective, variable=symbol(name, *body.shape), setting=inner_setting)
    return name, body, outer


def _named(t: Term, body: Term, name: str) -> Term:
    made = move("introduce", t, Setting(), given={name: body})
    assert made is not None
    return made.after


def _is_affine(t: Term, setting: Setting, names: Set[str]) -> bool:
    """Whether a term is affine in the names, by its structure."""
    for s in subterms(t):
        if setting.constant(s):
            continue
        if s.op == "div":
            if not setting.constant(s.args[1]):
                return False
        elif (
            s.op not in AFFINE
            or (s.op in ("mul", "had") and sum(not setting.constant(a) for a in s.args) > 1)
            or (s.op == "sym" and s.data not in names)
        ):
            return False
    return True


def _largest_affine(q: Question) -> list[Term]:
    """The affine subterms that stand in none larger, in order; the variable itself where nothing is around it."""
    found: dict[Term, None] = {}
    seen: set[Term] = set()
    stack = [q.objective]
    names = {q.variable.data}
    while stack:
        t = stack.pop()
        if t in seen or q.setting.constant(t):
            continue
        seen.add(t)
        if _is_affine(t, q.setting, names):
            found[t] = None
        else:
            stack.extend(reversed(t.args))
    return list(found)


def _free_name(q: Question, body: Term) -> str:
    """A name that means nothing else, here or in the derivations before this one."""
    matrix = body.shape.cols.value != 1
    inside = [body.free for body in q.setting.definitions.values()]
    taken = q.objective.free.union(q.setting.definitions, q.setting.facts, (q.name,), *inside)
    candidates: Sequence[str] = ("Y", "Z", "U", "V") if matrix else ("y", "z", "u", "v")
    for c in (*candidates, *(f"{candidates[0]}_{i}" for i in range(1, 1000))):
        if c not in taken and q.introduced.get(c, body) is body:
            return c
    raise CannotDerive("there are too many names in the problem")
