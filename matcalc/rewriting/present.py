"""Presentation: from a right answer to the form a person would write.

Several equal forms are made (sums kept whole, everything multiplied out), each is factored by greedy search over named
moves, and the cheapest is printed, never anything dearer than what came in.  Every form is normalised again and dropped
where it does not come back to the normal form it was made from.

What the user wrote is preferred: a subterm that equals one of the problem's own subterms is printed as it stands there,
and a definition's body by the definition's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice

from matcalc.language import terms as T
from matcalc.language.gathering import depends_by_entries
from matcalc.language.operations import operations
from matcalc.language.terms import Term, subterms
from matcalc.rewriting.cost import cost
from matcalc.rewriting.factoring import Move, moves
from matcalc.rewriting.folding import fold, reachable
from matcalc.rewriting.normal import Normalizer
from matcalc.rewriting.polynomial import Monomial, Poly, monomial_order, numeral, total
from matcalc.rewriting.steps import Step
from matcalc.rewriting.writing import Writer

__all__ = ["present"]

Facts = Mapping[str, frozenset[str]]
Path = tuple[tuple[str, Poly], ...]  # rule and polynomial after each move
Best = tuple[Term, Path]
KEPT_SUMS = (0.9, 1.4)  # what it is worth to print the user's own sums: where that is longer, where it is not
MOVES_TRIED = (3, 2, 1)  # per level of nesting
WIDE = 40  # sums of more terms are only collected
LARGE = 600  # nodes: beyond it a term is not multiplied out
DEEP = 30  # levels: beyond it inner terms are written before outer ones, so that depth is no limit
BUDGET = 1200  # terms of sums looked at before the best so far is taken
MANY = 8  # sums of more terms are tried one way only

REASONS = {
    "collect-terms": "collect like terms",
    "factor-left": "common factor on the left",
    "factor-right": "common factor on the right",
    "factor-vector": "common vector on the right",
    "factor-scalar": "common scalar factor",
    "factor-scalars": "collect the scalar factors of one term",
    "factor-hadamard": "common entrywise factor",
    "factor-diagonal-left": "common scaling of the rows",
    "factor-diagonal-right": "common scaling of the columns",
    "one-diagonal": "diagonal matrices are added entry by entry",
    "common-denominator": "common denominator",
    "transpose-sum": "transpose of a sum",
    "merge-sums": "sums over one range are one sum",
    "simplify": "simplify",
}


@dataclass(slots=True)
class Presenter:
    """One presentation: the opaque normalizer, what the user wrote, what was shown already."""

    facts: Facts
    known: dict[Term, tuple[Term, int]] = field(default_factory=dict)
    work: int = 0

    def __post_init__(self) -> None:
        self.n = Normalizer(self.facts, opaque=True)
        self.full = Normalizer(self.facts, divides=False)
        self.exact = Normalizer(self.facts)
        self.writer = Writer(self.n, self.show_term, self.lookup, lambda t: self.plain(self.n.poly(t)))
        self._shown: dict[tuple[object, frozenset[object]], Term] = {}
        self._open: set[object] = set()
        self._forms: dict[Term, Term] = {}

    n: Normalizer = field(init=False)
    full: Normalizer = field(init=False)
    exact: Normalizer = field(init=False)  # decides whether two forms are equal
    writer: Writer = field(init=False)
    _shown: dict[tuple[object, frozenset[object]], Term] = field(init=False)
    _open: set[object] = field(init=False)
    _forms: dict[Term, Term] = field(init=False)

    # --------------------------------------------------- the user's own forms
    def learn(self, written: Term, name: Term | None = None) -> None:
        """Remember how the user wrote a term (or what it is called)."""
        if not written.args or written.op in ("neg", "transpose"):
            return
        if name is None and written.op in ("det", "logdet", "tr") and written.args[0].op == "transpose":
            return
        if written.op == "mul" and name is None:  # a product is kept as it stands under a function only
            for n in (self.n, self.full):
                self._forms.setdefault(n.canon(written), written)
            return
        for n in (self.n, self.full):
            p = n.poly(written)
            if written.op == "add" and len(p.terms) > 1 and name is None and not (p.shape.is_scalar or p.shape.is_row):
                c, _, rest = n.content(p)
                if c < 0:
                    n.turned |= {frozenset(q.terms.items()) for q in (rest, n.transposed(rest))}
            body, sign = _bare(n.canon(written))
            if name is None and cost(written) > cost(body) + 1:  # 1/(1 + exp(-z)) is better called sigmoid(z)
                continue
            self.known.setdefault(body, (name if name is not None else written, sign))

    def learn_all(
        self, names: Mapping[Term, Term], written: Iterable[Term], inside: frozenset[str], before: frozenset[str]
    ) -> None:
        """Learn the definitions and what the user wrote, as far as it can occur in a term with these names in it.

        What has only names from ``before`` in it was learnt already.
        """

        def is_new(t: Term) -> bool:
            return t.free <= inside and not t.free <= before

        for name, body in names.items():
            if is_new(body) or (not before and not body.free):
                self.learn(body, name)
        for t in written:
            for part in reversed(list(subterms(t))):  # inner ones first: outer ones are written with them
                if is_new(part) or (not before and not part.free):
                    self.learn(part)

    def lookup(self, canonical: Term) -> Term | None:
        found = self.known.get(canonical)
        if found is None or found[1] < 0:
            return None
        return found[0]

    # -------------------------------------------------------------- showing
    def show_term(self, t: Term) -> Term:
        """A canonical term as a person writes it."""
        form = self._forms.get(t)
        if form is None:
            form = self._forms[t] = self._show_term(t)
        return form

    def _show_term(self, t: Term) -> Term:
        body, sign = _bare(t)
        found = self.known.get(body)
        if found is not None:
            return found[0] if found[1] == sign else _turned(found[0])
        if not t.args:
            return t
        return self.show(self.n.poly(t), 1)

    def prepare(self, t: Term) -> None:
        """Write the inner parts of a deep term first."""
        if t.depth > DEEP:
            inside_out: dict[Term, None] = {}
            T.bottom_up(t, lambda node, _: None, inside_out)
            for s in inside_out:
                if s.args and s.op not in ("neg", "pow"):
                    (self.writer.scalar if s.is_scalar else self.writer.factor)(s)

    def show(self, p: Poly, level: int = 0) -> Term:
        """A polynomial as a person writes it: the cheapest of the forms that the moves reach."""
        return self.best(p, level)[0]

    def best(self, p: Poly, level: int) -> Best:
        """The cheapest form of a polynomial and the moves that lead to it."""
        if not p.terms:
            return T.zeros(*p.shape), ()
        own = self._as_written(p)
        if own is not None:
            return own, ()
        if len(p.terms) == 1:
            ((m, c),) = p.terms.items()
            return self.writer.monomial(m, c), ()
        key = (p.shape, frozenset(p.terms.items()))
        if key in self._shown:
            return self._shown[key], ()
        self.work += len(p.terms)
        best: Best = (self.plain(p), ())
        if len(p.terms) <= WIDE and self.work <= BUDGET and key not in self._open:
            self._open.add(key)  # a form that leads back to itself is no better
            best = self._factored(p, level, best)
            self._open.discard(key)
        self._shown[key] = best[0]
        return best

    def _factored(self, p: Poly, level: int, best: Best) -> Best:
        tried = 1 if len(p.terms) > MANY else MOVES_TRIED[min(level, len(MOVES_TRIED) - 1)]
        for move in islice(self._moves(p), tried):
            form, rest = self.best(move.poly, level)
            if cost(form) < cost(best[0]) - 1e-9:
                best = (form, ((move.rule, move.poly), *rest))
        if level == 0 and p.shape.is_matrix:
            flipped = self.n.transposed(p)
            form, _ = self.best(flipped, 1)
            form = T.neg(T.transpose(form.args[0])) if form.op == "neg" else T.transpose(form)
            if cost(form) < cost(best[0]) - 1e-9:
                best = (form, (("transpose-sum", p),))
        return best

    def _moves(self, p: Poly) -> Iterator[Move]:
        def weight(t: Term) -> float:
            return cost(self.writer.scalar(t) if t.is_scalar else self.writer.factor(t))

        return moves(self.n, self.full, p, weight)

    def _as_written(self, p: Poly) -> Term | None:
        """The user's own form of a sum, up to a number in front."""
        if len(p.terms) == 2:
            logistic = self._one_minus_sigmoid(p)
            if logistic is not None:
                return logistic
        body, sign = _bare(self.n.term(p))
        found = self.known.get(body)
        if found is not None:
            return found[0] if found[1] == sign else _turned(found[0])
        return None

    def _one_minus_sigmoid(self, p: Poly) -> Term | None:
        """``1 - sigmoid(z)`` as sigmoid(-z), unless the user wrote sigmoid(z)."""
        one = numeral(1) if p.shape.is_scalar else self.n.poly(T.ones(*p.shape))
        for sign in (Fraction(1), Fraction(-1)):
            f = _lone_factor(total(p.shape, [one, p.scaled(-sign)]))
            if f is not None and f.op == "fn" and f.data == ("sigmoid", 0) and self.lookup(f) is None:
                flipped = T.fn("sigmoid", self.show_term(self.n.canon(T.neg(f.args[0]))))
                return flipped if sign > 0 else T.neg(flipped)
        return None

    def plain(self, p: Poly) -> Term:
        """The sum of its monomials, in reading order."""
        parts = [(m, self.writer.monomial(m, p.terms[m])) for m in sorted(p.terms, key=monomial_order)]
        parts.sort(key=lambda mt: _reading_order(mt[0], mt[1]))
        return T.add(*(t for _, t in parts)) if len(parts) > 1 else parts[0][1]


def _lone_factor(p: Poly) -> Term | None:
    """The one atom or factor a polynomial is."""
    if p.single is None or p.single[1] != 1:
        return None
    scalars, word = p.single[0]
    if not word and len(scalars) == 1 and scalars[0][1] == 1:
        return scalars[0][0]
    return word[0] if not scalars and len(word) == 1 else None


def _reading_order(m: Monomial, t: Term) -> tuple[bool, bool, bool]:
    """Positive terms first, a lone constant last among them."""
    constant = not m[1] and not m[0]
    return (t.op == "neg", constant, t.op == "transpose")


def _turned(t: Term) -> Term:
    """The negative of what the user wrote: ``b - a`` for ``a - b``."""
    if t.op == "add":
        parts = [a.args[0] if a.op == "neg" else T.neg(a) for a in t.args]
        parts.sort(key=lambda a: a.op == "neg")
        if parts[0].op != "neg":
            return T.add(*parts)
    return T.neg(t)


def _bare(t: Term) -> tuple[Term, int]:
    """A canonical term without its sign, so that a form is known up to sign."""
    if t.op == "neg":
        return t.args[0], -1
    if t.op == "add" and t.args[0].op == "neg":
        return T.add(*(a.args[0] if a.op == "neg" else T.neg(a) for a in t.args)), -1
    return t, 1


def present(
    raw: Term,
    facts: Facts | None = None,
    definitions: Mapping[str, Term] | Mapping[Term, Term] | None = None,
    known: Iterable[Term] = (),
    label: str = "",
) -> tuple[Term, tuple[Step, ...]]:
    """The form a person would print, and the steps that lead to it from ``raw``.

    ``definitions`` are names (or members of families) with bodies; ``known`` are terms the user wrote, whose parts
    are printed as they stand.
    """
    p = Presenter(facts or {})
    names = {
        name if isinstance(name, Term) else T.symbol(name, *body.shape): body
        for name, body in (definitions or {}).items()
    }
    written = list(known)
    inside = reachable(raw, names)
    p.learn_all(names, written, inside, frozenset())
    form, steps = _written(p, raw, names, label)
    folded, before = fold(raw, names, p.full, label)
    if folded is not raw:
        p.learn_all(names, written, reachable(folded, names), inside)
        other, after = _written(p, folded, names, label)
        if cost(other) < cost(form):
            return other, before + after
    return form, steps


def _written(p: Presenter, raw: Term, names: Mapping[Term, Term], label: str) -> tuple[Term, tuple[Step, ...]]:
    """The best of the equal forms of one term, and the steps to it."""
    candidates: list[tuple[Term, Poly | None, Path]] = [(raw, None, ())]
    for n in (p.n, p.full, p.exact) if raw.size <= LARGE else (p.n,):
        made = n.poly(raw)
        if any(poly is not None and poly.terms == made.terms for _, poly, _ in candidates):
            continue
        p.prepare(n.term(made))
        form, path = p.best(made, 0)
        candidates.append((form, made, path))
    length = [operations(form)["total"] for form, _, _ in candidates]
    kept = KEPT_SUMS[length[1] == min(length)] if cost(candidates[1][0]) <= cost(raw) else 0.0
    entrywise = _sums_entries(raw)

    def rank(i: int) -> tuple[bool, bool, float, bool, int]:
        written = candidates[i][0]
        # nothing longer than what came in
        return (entrywise and _sums_entries(written), length[i] > length[0], cost(written) - kept * (i == 1), i == 0, i)

    for i in sorted(range(len(candidates)), key=rank):
        form, poly, path = candidates[i]
        if i == 0 or _same(p, form, raw, names):
            return form, _told(p, raw, form, poly, path, label)
    raise AssertionError("the raw form is always a candidate")


def _sums_entries(t: Term) -> bool:
    """Whether a term has a sum over the entries of matrices in it."""
    return any(s.op == "sumover" and depends_by_entries(s.args[0]) for s in subterms(t))


def _same(p: Presenter, a: Term, b: Term, names: Mapping[Term, Term]) -> bool:
    """Whether two forms have one normal form, where need be with definitions put back or written out."""
    if any(n.canon(a) is n.canon(b) for n in (p.full, p.n, p.exact)):
        return True
    if not names:
        return False
    bodies = {body: name for name, body in names.items() if body.args}
    if p.n.canon(T.replace(a, bodies)) is p.n.canon(T.replace(b, bodies)):
        return True
    written_out: dict[Term, Term] = {}
    for name, body in names.items():  # a definition may use the names of earlier ones
        written_out[name] = T.replace(body, written_out)
    a, b = T.replace(a, written_out), T.replace(b, written_out)
    return any(n.canon(a) is n.canon(b) for n in (p.full, p.exact))


def _told(p: Presenter, raw: Term, form: Term, poly: Poly | None, path: Path, label: str) -> tuple[Step, ...]:
    """The steps from the raw term to the printed one, line by line."""
    lines: list[tuple[str, Term]] = []
    if poly is not None and path:
        lines.append(("collect-terms", p.plain(poly)))
        for rule, after in path[:-1]:
            lines.append((rule, p.plain(after)))
        lines.append((path[-1][0], form))
    elif form is not raw:
        lines.append(("simplify" if poly is None or len(poly.terms) == 1 else "collect-terms", form))
    steps = []
    before = raw
    for rule, line in lines:
        if line is not before:
            steps.append(Step(rule, before, line, REASONS[rule], label=label))
            before = line
    return tuple(steps)
