"""The names of a problem as code spells them: ``lam`` for lambda, ``W1`` for ``W_1``, ``dY`` for the gradient by Y.

Invariant: a name of the problem keeps its meaning; every other reading is told in ``notes``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from matcalc.interop.numpy_arrays import Value, number, one_axis, sized
from matcalc.language import terms
from matcalc.language.dims import ONE, dim
from matcalc.language.problem import Problem
from matcalc.language.terms import Term, size_names

__all__ = ["KnownNames", "gradient_names"]

LAMBDA_NAMES = ("lam", "lambda_", "lamb", "lmbda", "lmbd", "lbda", "lam_", "reg", "l2", "_lambda")
UPSTREAM = ("upstream", "dout", "grad_output", "grad_out", "gout", "g_out", "delta", "G", "dL", "dloss", "grad", "g")


@dataclass(slots=True)
class KnownNames:
    """The names of a problem as code writes them. ``columns``: vectors have two axes."""

    problem: Problem
    extra: Mapping[str, Term]
    columns: bool = False
    notes: dict[str, None] = field(default_factory=dict)

    def known(self, name: str) -> Value | None:
        """What a name stands for in the problem, under any of its spellings."""
        if name in self.extra:
            return self.placed(self.extra[name])
        for spelling in (name, *_spellings(name)):
            try:
                return self.placed(self.problem.variable(spelling))
            except KeyError:
                pass
        if name in self._sizes():
            return sized(dim(name))
        found = self._upstream(name)
        return None if found is None else self.placed(found)

    def placed(self, t: Term) -> Value:
        """A term of the problem as an array."""
        if t.is_scalar:
            return number(t)
        if t.shape.cols is ONE and not self.columns:
            return one_axis(t)
        return Value(t, 2)

    def near(self, name: str, more: Iterable[str]) -> str:
        """A hint for a name that is not known."""
        names = [*more, *self.problem.symbols, *(d.name for d in self.problem.definitions)]
        close = get_close_matches(name, names, 1, 0.5)
        return f"did you mean {close[0]}?" if close else ""

    def _roots(self) -> list[Term]:
        return [self.problem.objective, *(d.term for d in self.problem.definitions)]

    def _sizes(self) -> dict[str, None]:
        out: dict[str, None] = {}
        for s in self.problem.symbols.values():
            out.update(dict.fromkeys(n for d in s.shape for n in d.names()))
        for t in self._roots():
            out.update(dict.fromkeys(n for n in size_names(t) if not n.startswith("#")))
        return out

    def _upstream(self, name: str) -> Term | None:
        """The gradient of the opaque loss, by the usual names: ``dY``, ``grad_Y``, ``dout``."""
        calls = dict.fromkeys(t for r in self._roots() for t in terms.subterms(r) if t.op == "call" and t.is_scalar)
        for call in calls:
            for k, argument in enumerate(call.args):
                by = argument.data if argument.op == "sym" else None
                general = k == 0 and len(calls) == 1 and name in UPSTREAM
                if general or (by is not None and name in gradient_names(by)):
                    made = terms.make("grad", *call.args, data=(call.data[0], k))
                    self.notes[f"{name} read as {made}"] = None
                    return made
        return None


def _spellings(name: str) -> list[str]:
    """Other spellings of a name that Python cannot or people do not write: ``lam`` for lambda, ``W1`` for W_1."""
    out = [name.rstrip("_"), name.replace("_", "")]
    match = re.fullmatch(r"([^\W\d]+)_?(\d+)", name)
    if match is not None:
        out += [f"{match.group(1)}_{match.group(2)}", f"{match.group(1)}{match.group(2)}"]
    if name in LAMBDA_NAMES:
        out += ["lambda", "λ", "lam"]
    if name in ("eps", "epsilon"):
        out += ["eps", "epsilon", "ε"]
    return [n for n in out if n and n != name]


def gradient_names(variable: str) -> tuple[str, ...]:
    """What code calls the gradient by a variable."""
    v = variable
    return (
        f"d{v}",
        f"grad_{v}",
        f"{v}_grad",
        f"g{v}",
        f"d_{v}",
        f"dL_d{v}",
        f"dLd{v}",
        f"dL{v}",
        f"G{v}",
        f"G_{v}",
        f"g_{v}",
        f"grad{v}",
        f"delta_{v}",
    )
