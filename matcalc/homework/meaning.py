"""What the words of an answer mean for a problem: its symbols and definitions, the objective by its name, derivatives
by name, and the names the answer introduces itself.

``grad(L, X)``, ``jac(y, x)`` and ``hess(f, x)`` of anything that is no opaque function become symbols that stand for
the derivative (:mod:`matcalc.homework.derived`).  So do the names that programs and books use: ``dL_dW``, ``grad_W``,
and where the objective is an opaque loss, the usual names of the upstream gradient.

Invariant: a name of the problem keeps its meaning; every other reading is told in ``notes``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from matcalc.errors import MatcalcError, ParseError
from matcalc.homework.derived import Derived, shape_of_derivative, written_out
from matcalc.homework.form_trees import Names
from matcalc.language import terms
from matcalc.language.conventions import Names as Used
from matcalc.language.dims import Shape
from matcalc.language.expressions import read_expression
from matcalc.language.functions import ALIASES, FUNCTIONS
from matcalc.language.problem import Problem
from matcalc.language.program import KNOWN
from matcalc.language.reading import Part, Reading
from matcalc.language.syntax import Node
from matcalc.language.terms import Term, subterms, symbol

__all__ = ["Context", "NoVariable", "unreadable", "without_fractions"]

FRACTION = re.compile(r"(?<![\w.])[d∂]([^\W\d_]\w*)\s?/\s?[d∂]([^\W\d_]\w*)")
QUOTIENT = re.compile(r"d([^\W\d_]\w*?)_{1,3}d([^\W\d_]\w*)")
OF_VARIABLE = (re.compile(r"(?:grad|nabla)_?(\w+)"), re.compile(r"(\w+)_grad"), re.compile(r"[dg](\w+)"))
UPSTREAM = frozenset("G dout grad_out grad_output upstream delta gout dloss g Gy GY".split())
LOSSES = frozenset("L J E l f loss cost C Loss".split())  # names for the objective that nobody needs to declare
LARGEST_WRITTEN_OUT = 20_000  # nodes
CONSTANTS = frozenset(("I", "e", "pi", "π", "ones", "eye"))


class NoVariable(ParseError):
    """A gradient that does not say by what it is taken."""


def without_fractions(text: str) -> str:
    """The text with ``dL/dW`` written as the name ``dL_dW``; every character keeps its place."""
    return FRACTION.sub(lambda m: m.group(0).replace("/", "_").replace(" ", "_").replace("∂", "d"), text)


@dataclass(slots=True)
class Context:
    """The names an answer may use. ``differentials``: ``dX`` is the differential of X, not a gradient."""

    problem: Problem
    derived: dict[str, Derived] = field(default_factory=dict)
    differentials: bool = False
    rows: bool = False  # dL/dx is a row, as the Jacobian of a number
    own: dict[str, Term] = field(default_factory=dict)  # what the answer defines, written out
    notes: dict[str, None] = field(default_factory=dict)
    asked: tuple[str, ...] = ()  # the variables that derivatives are taken by, where they are not named

    # ------------------------------------------------------------------------------- names
    def names(self) -> Names:
        """The variables and elementwise functions, for forms."""
        elementwise = frozenset(n for n, f in self.problem.functions.items() if f.kind == "elementwise")
        return Names(self.variable, elementwise)

    def variable(self, name: str) -> Term | None:
        """The symbol of a name of the answer or of the problem."""
        if name in self.own:
            return symbol(name, *self.own[name].shape)
        try:
            return self.problem.variable(name)
        except KeyError:
            return self._named(name)

    def define(self, name: str, body: Term) -> None:
        """Remember a definition of the answer. Raises ParseError where it is too long to be written out."""
        if body.size > LARGEST_WRITTEN_OUT:
            raise ParseError(f"'{name}' is too long when the names in it are written out")
        self.own[name] = body

    def is_known(self, name: str) -> bool:
        """Whether the problem or the answer knows a name as a variable."""
        if name in self.own or name == self.problem.objective_name:
            return True
        return name in self.problem.symbols or any(d.name == name for d in self.problem.definitions)

    def _named(self, name: str) -> Term | None:
        """The derivative that a name of a program or a book stands for."""
        if name in FUNCTIONS or name in ALIASES or name in CONSTANTS:
            return None
        quotient = QUOTIENT.fullmatch(name)
        if quotient is not None:
            above, below = self._value(quotient.group(1)), self._value(quotient.group(2))
            if above is not None and below is not None:
                return self.derivative("jacobian" if self.rows or not above.is_scalar else "gradient", above, below)
        if self.differentials or not self.problem.objective.is_scalar:
            return None
        for pattern in OF_VARIABLE:
            match = pattern.fullmatch(name)
            by = self._value(match.group(1)) if match is not None else None
            if by is not None and by.op == "sym" and by.data not in self.asked:
                made = self.derivative("gradient", self.problem.objective, by)
                self.notes[f"{name} read as the gradient of {self.problem.objective_name} by {by}"] = None
                return made
        return self._upstream(name) if name in UPSTREAM else None

    def _value(self, name: str) -> Term | None:
        if name == self.problem.objective_name:
            return self.problem.objective
        if name in self.own:
            return symbol(name, *self.own[name].shape)
        try:
            return self.problem.variable(name)
        except KeyError:
            return self.problem.objective if name in LOSSES and self.problem.objective.is_scalar else None

    def _upstream(self, name: str) -> Term | None:
        """The gradient of the only opaque loss by its first argument."""
        bodies = (self.problem.objective, *(d.term for d in self.problem.definitions))
        calls = dict.fromkeys(t for b in bodies for t in subterms(b) if t.op == "call" and t.is_scalar)
        if len(calls) != 1:
            return None
        loss = next(iter(calls))
        made = terms.make("grad", *loss.args, data=(loss.data[0], 0))
        self.notes[f"{name} read as {made}"] = None
        return made

    # ----------------------------------------------------------------------------- reading
    def read(self, tree: Node, text: str, shape: Shape | None = None) -> Term:
        """The term of a syntax tree, with the answer's own definitions kept by name."""
        extra: dict[str, Shape] = {n: t.shape for n, t in self.own.items()}
        extra.setdefault(self.problem.objective_name, self.problem.objective.shape)
        table: dict[Term, Term] = {}
        for name in self._unknown(tree):
            found = self._named(name)
            if found is None:
                found = self._loss(name)
            if found is not None:
                extra[name] = found.shape
                table[symbol(name, *found.shape)] = found
        if self.problem.objective_name not in self.own:
            table[symbol(self.problem.objective_name, *self.problem.objective.shape)] = self.problem.objective
        term = read_expression(tree, text, self.problem, extra=extra, shape=shape, derived=self._derivative)
        return terms.replace(term, table)

    def _loss(self, name: str) -> Term | None:
        """A usual name of the objective, where the problem has no other use for it."""
        return self.problem.objective if name in LOSSES and self.problem.objective.is_scalar else None

    def _unknown(self, tree: Node) -> list[str]:
        used = Used()
        used.read(tree, lambda n: n in KNOWN)
        return [n for n in used.variables if not self.is_known(n) and n not in CONSTANTS]

    def written_out(self, t: Term) -> Term:
        """The term without the answer's own names."""
        return terms.replace(t, {symbol(n, *b.shape): b for n, b in self.own.items()}) if self.own else t

    # ------------------------------------------------------------------------- derivatives
    def _derivative(self, r: Reading, node: Node) -> Part | None:
        """``grad(f, X)`` where f is no opaque function: the reader asks here."""
        kind = {"grad": "gradient", "jac": "jacobian", "hess": "hessian"}.get(str(node.data[0]))
        first = node.args[0]
        opaque = first.kind == "name" and first.data in r.functions
        if kind is None or len(node.args) > 2 or (opaque and len(node.args) != 1):
            return None
        body, by = r.infer(first), r.infer(node.args[1] if len(node.args) == 2 else self._variable(node))
        a, b = r.shape(body), r.shape(by)
        if kind == "gradient" and not a.is_scalar and not b.is_scalar:
            kind = "jacobian"
        shape = shape_of_derivative(kind, a, b)
        chosen = kind

        def make() -> Term:
            built = terms.replace(body.build(), self._objective())
            return self.derivative(chosen, built, by.build())

        return Part(node, shape, make)

    def _variable(self, node: Node) -> Node:
        """The variable of a gradient that does not name it: the only one there is."""
        names = self.asked or [n for n, s in self.problem.symbols.items() if "constant" not in s.properties]
        if len(names) != 1:
            raise NoVariable("by what is the derivative taken?", span=node.span, hint="grad(f, x)")
        return Node("name", node.span, data=names[0])

    def _objective(self) -> dict[Term, Term]:
        name, body = self.problem.objective_name, self.problem.objective
        return {} if name in self.own else {symbol(name, *body.shape): body}

    def derivative(self, kind: str, body: Term, by: Term) -> Term:
        """The symbol that stands for a derivative, or the derivative of an opaque function by its own argument."""
        if by.op == "transpose":
            return terms.transpose(self.derivative(kind, body, by.args[0]))
        body = self.written_out(body)
        if by.op == "sym" and by.data in self.own:
            by = self._of_problem(self.own[by.data])
        if body.op == "sym" and body.data in self.derived:
            return self._second(kind, body, by)
        row = kind == "jacobian" and body.is_scalar and by.shape.is_vector
        if (kind == "gradient" or row) and body.op == "call" and self._is_only_path(body, by):
            made = terms.make("grad", *body.args, data=(body.data[0], body.args.index(by)))
            return terms.transpose(made) if row else made
        shape = shape_of_derivative(kind, body.shape, by.shape)
        name = f"{_WORDS[kind]}({self._called(body)}, {self._called(by)})"
        known = self.derived.get(name)
        if known is not None and (known.body is not body or known.by is not by):
            name = f"{name}@{len(self.derived)}"
        self.derived[name] = Derived(kind, body, by, shape)  # type: ignore[arg-type]
        return symbol(name, *shape)

    def _is_only_path(self, body: Term, by: Term) -> bool:
        """Whether an opaque function depends on something only as its argument: not through another argument."""
        if by not in body.args:
            return False
        if by.op != "sym" or len(body.args) == 1:
            return True
        others = {s: t for s, t in self.definitions().items() if s is not by}
        return not any(by.data in written_out(a, others).free for a in body.args if a is not by)

    def _called(self, t: Term) -> str:
        """A term by its name, where it has one."""
        if t is self.problem.objective:
            return self.problem.objective_name
        return next((n for n, b in self.own.items() if b is t), str(t))

    def _of_problem(self, body: Term) -> Term:
        """A definition of the answer by the problem's name for the same, where there is one."""
        return next((d.symbol for d in self.problem.definitions if d.term is body), body)

    def _second(self, kind: str, body: Term, by: Term) -> Term:
        inner = self.derived[body.data]
        if kind in ("jacobian", "gradient") and inner.kind == "gradient" and inner.by is by:
            return self.derivative("hessian", inner.body, by)
        raise MatcalcError("of second derivatives only the Hessian hess(f, x) can be named")

    def definitions(self) -> Mapping[Term, Term]:
        """The problem's definitions, to be written out."""
        return {d.symbol: d.term for d in self.problem.definitions}

    def fully(self, t: Term) -> Term:
        """The term with the answer's and the problem's definitions written out."""
        return written_out(self.written_out(t), self.definitions())


_WORDS = {"gradient": "grad", "jacobian": "jac", "hessian": "hess"}


def unreadable(error: MatcalcError) -> str:
    """Why a text could not be read, with the caret under the place."""
    return error.render() if isinstance(error, ParseError) or error.span is not None else error.message
