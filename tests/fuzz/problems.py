"""Fuzzed problems: an objective, the program that states it, and one of its symbols to differentiate by.

The same seed gives the same problem.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from matcalc.language.dims import ONE, SCALAR, Shape
from matcalc.language.functions import FUNCTIONS
from matcalc.language.named_loss import function_of
from matcalc.language.problem import Function, Problem, Symbol
from matcalc.language.terms import Term, make, number, replace, subterms, symbol
from tests.fuzz.growth import Growth

__all__ = ["Case", "expanded", "make_case", "random_case", "structure_of"]


@dataclass(frozen=True, slots=True)
class Case:
    """One problem. ``problem`` has no definitions: ``program`` may name parts of it."""

    label: str
    problem: Problem
    program: str
    order: int = 1
    convention: str = "projected"  # how a structured variable's gradient is asked for

    @property
    def wrt(self) -> str:
        return self.problem.wrt[0]

    @property
    def structure(self) -> str:
        """The structure of the variable: symmetric, skew, diagonal or nothing."""
        return structure_of(self.problem.symbols[self.wrt])


def structure_of(s: Symbol) -> str:
    if s.properties & {"diagonal", "skew"}:
        return "diagonal" if "diagonal" in s.properties else "skew"
    return "symmetric" if s.properties & {"symmetric", "posdef"} else ""


def _declaration(s: Symbol) -> str:
    if s.shape.is_scalar:
        where = "scalar"
    elif s.shape.is_vector:
        where = str(s.shape.rows)
    else:
        where = str(s.shape)
    return " ".join((f"{s.name}: {where}", *sorted(s.properties)))


def _function(f: Function) -> str:
    if f.kind == "elementwise":
        return f"{f.name}: elementwise"
    assert f.shape is not None
    if f.shape.is_scalar:
        return f"{f.name}: function"
    return f"{f.name}: function -> {f.shape.rows if f.shape.is_vector else f.shape}"


def random_case(seed: str, kind: str = "scalar", depth: int | None = None) -> Case:
    """The problem of a seed. ``kind``: a scalar, vector or matrix objective, or the Hessian of a scalar one."""
    rng = random.Random(seed)
    while True:
        growth = Growth(rng)
        levels = depth or (rng.choice((1, 2, 2, 3)) if kind == "hessian" else rng.choice((2, 3, 3, 4, 4, 5, 6)))
        want = SCALAR
        if kind in ("vector", "matrix"):
            want = Shape(growth.dim(), ONE if kind == "vector" else growth.dim())
        objective = _with_known_sizes(growth.term(want, levels), growth.symbols)
        names = sorted(objective.free, key=lambda n: (-_occurrences(objective, n), n))
        names = [n for n in names if "orthogonal" not in growth.symbols[n].properties]
        if kind == "hessian":
            names = [n for n in names if not structure_of(growth.symbols[n])]
        if names and objective.op != "sym":
            break
    by = names[0] if rng.random() < 0.6 else rng.choice(names)
    named = _parts(objective, rng) if rng.random() < 0.2 else {}
    convention = "entries" if kind == "scalar" and rng.random() < 0.3 else "projected"
    return make_case(
        seed, objective, by, growth.symbols, growth.functions, named, 2 if kind == "hessian" else 1, convention
    )


def _with_known_sizes(t: Term, symbols: Mapping[str, Symbol]) -> Term:
    """A size can be told from a number only where some symbol has it."""
    known = {n for name in t.free for d in symbols[name].shape for n in d.names()}
    return replace(t, {s: number(2) for s in subterms(t) if s.op == "size" and str(s.data) not in known})


def _occurrences(t: Term, name: str) -> int:
    return sum(name in s.free for s in subterms(t))


def _parts(t: Term, rng: random.Random) -> dict[str, Term]:
    """One to three parts of a term that get a name, the inner ones first."""
    inside = [s for s in subterms(t) if s is not t and s.args and s.free]
    chosen = sorted(rng.sample(inside, min(len(inside), rng.choice((1, 2, 3)))), key=lambda s: (s.depth, s.size))
    letters = {(True, True): "t", (False, True): "y", (True, False): "y", (False, False): "Y"}
    return {f"{letters[s.shape.rows is ONE, s.shape.cols is ONE]}{9 - i}": s for i, s in enumerate(chosen)}


def make_case(
    label: str,
    objective: Term,
    by: str,
    symbols: Mapping[str, Symbol],
    functions: Mapping[str, Function],
    named: Mapping[str, Term] | None = None,
    order: int = 1,
    convention: str = "projected",
) -> Case:
    """A case with the program that states it."""
    used = {n: s for n, s in symbols.items() if n in objective.free}
    called = {function_of(t.data[0]) for t in subterms(objective) if t.op in ("call", "fn")}
    functions = {n: f for n, f in functions.items() if n in called and n not in FUNCTIONS}
    lines = ["; ".join((*map(_declaration, used.values()), *map(_function, functions.values())))]
    names: dict[Term, Term] = {}
    for name, part in (named or {}).items():
        lines.append(f"{name} = {replace(part, names)}")
        names[part] = symbol(name, *part.shape)
    lines += [f"f = {replace(objective, names)}", f"derive f wrt {by}"]
    problem = Problem(text=str(objective), objective=objective, wrt=(by,), symbols=used, functions=functions)
    return Case(label, problem, "\n".join(lines), order, convention)


def expanded(problem: Problem) -> Term:
    """The objective of a program with every name replaced by what it stands for."""
    t = problem.objective
    for d in reversed(problem.definitions):
        t = replace(t, {d.symbol: d.term})
    return make("call", *t.args, data=(function_of(t.data[0]), *t.data[1:])) if t.op == "call" else t
