r"""Names in LaTeX: how ``\hat{\mu}_{B}`` is spelt in the language, and what is known of the names of a problem.

A name has a stem (a letter, a Greek letter, a word), accents and a subscript.  It has several spellings (``W_1`` and
``W1``, ``lambda`` and ``λ``); the one that is known is taken, else the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from matcalc.language.calls import known_names
from matcalc.language.dims import SCALAR, Shape
from matcalc.language.problem import Block, Definition, Function, Problem, Symbol
from matcalc.language.terms import subterms
from matcalc.language.unicode import GREEK

__all__ = ["ACCENTS", "Known", "Name", "Role", "greek", "known_of", "spelled"]

Role = Literal["symbol", "family", "size", "function"]
ACCENTS = {
    "hat": "hat", "widehat": "hat", "bar": "bar", "tilde": "tilde", "widetilde": "tilde", "dot": "dot", "ddot": "ddot",
    "breve": "breve", "check": "check", "acute": "acute", "grave": "grave", "mathring": "ring",
}  # fmt: skip
VARIANTS = {
    "varepsilon": "eps", "vartheta": "theta", "varphi": "phi", "varrho": "rho", "varpi": "pi", "varsigma": "sigma",
    "varkappa": "kappa", "ell": "l", "digamma": "digamma", "hbar": "hbar", "imath": "i", "jmath": "j",
}  # fmt: skip
LETTERS_OF_GREEK = {letter: word for word, letter in GREEK.items() if word != "eps"}
OTHERS = {"eps": ("epsilon", "ε"), "epsilon": ("eps", "ε"), "lambda": ("lam", "λ"), "l": ("ell", "loss")}
VERSALS = {
    "Alpha": "A",
    "Beta": "B",
    "Epsilon": "E",
    "Zeta": "Z",
    "Eta": "H",
    "Iota": "I",
    "Kappa": "K",
    "Mu": "M",
    "Nu": "N",
    "Rho": "P",
    "Tau": "T",
    "Chi": "X",
}
FUNCTION_LETTERS = frozenset("f g h l F o O phi psi sigma theta rho loss".split())  # usually functions when applied
LOSS_LETTERS = frozenset("L J E l f loss ell".split())  # usually a number


@dataclass(frozen=True, slots=True)
class Known:
    """The names of a problem, and how its text is read.

    ``differentials``: ``dX`` is the differential of X.  ``objective``: what ``\\nabla_X`` alone is the gradient of,
    ``variable`` what ``\\nabla E`` is taken by (empty: left open).
    """

    roles: Mapping[str, Role] = field(default_factory=dict)
    shapes: Mapping[str, Shape | None] = field(default_factory=dict)
    differentials: bool = True
    objective: str = "L"
    variable: str = ""
    length: str = ""  # of the sums of the problem, where they have one; what a sum without limits runs up to

    def is_known(self, name: str) -> bool:
        return name in self.roles

    def is_function(self, name: str) -> bool:
        return self.roles.get(name) == "function"

    def is_variable(self, name: str) -> bool:
        return self.roles.get(name) in ("symbol", "family", "size")

    def is_scalar(self, name: str) -> bool | None:
        """Whether a name stands for a number; None where nothing is known of it."""
        role, shape = self.roles.get(name), self.shapes.get(name)
        if role == "size":
            return True
        return None if role is None or shape is None else shape == SCALAR


def known_of(
    source: Problem | Mapping[str, Shape | Symbol] | None,
    functions: Mapping[str, Function] | None = None,
    names: Iterable[str] = (),
    *,
    differentials: bool = True,
    variable: str = "",
) -> Known:
    """What is known of a problem's names (or of a table of shapes); ``names`` are further variables."""
    roles: dict[str, Role] = dict.fromkeys(names, "symbol")
    shapes: dict[str, Shape | None] = {}
    sizes: dict[str, None] = {}

    def note(name: str, shape: Shape, index: str | None) -> None:
        roles[name] = "symbol" if index is None else "family"
        shapes[name] = shape
        sizes.update(dict.fromkeys(n for d in shape for n in d.names() if n != index))

    for f in (*((source.functions if isinstance(source, Problem) else {}).values()), *(functions or {}).values()):
        roles[f.name] = "function"
        shapes[f.name] = f.shape
        sizes.update(dict.fromkeys(n for d in f.shape or () for n in d.names()))
    symbols = source.symbols if isinstance(source, Problem) else source or {}
    for name, s in symbols.items():
        note(name, *((s.shape, s.index) if isinstance(s, Symbol) else (s, None)))
    objective = "L"
    if isinstance(source, Problem):
        for st in source.statements:
            if isinstance(st, Definition):
                note(st.name, st.term.shape, None)
            elif isinstance(st, Block):
                sizes.update(dict.fromkeys(n for d in (st.low, st.high) for n in d.names()))
                for b in st.body:
                    note(b.target.data[0], b.target.shape, st.index)
        objective = source.objective_name
        if objective not in roles:
            roles[objective], shapes[objective] = "symbol", source.objective.shape
    for name in sizes:
        roles.setdefault(name, "size")
    length = _length(source) if isinstance(source, Problem) else ""
    if length:
        roles.setdefault(length, "size")
    return Known(roles, shapes, differentials, objective, variable, length)


def _length(problem: Problem) -> str:
    """The name of the end of the problem's sums, where they all have one."""
    bodies = (problem.objective, *(d.term for d in problem.definitions))
    found = {str(s.data[1]) for b in bodies for s in subterms(b) if s.op == "sumover"}
    return next(iter(found)) if len(found) == 1 and next(iter(found)).isidentifier() else ""


# --------------------------------------------------------------------- spelling
def greek(command: str) -> str | None:
    r"""The name of a Greek (or like) letter command: ``\lambda``, ``\varepsilon``, ``\ell``."""
    if command in GREEK:
        return command
    return VARIANTS.get(command) or VERSALS.get(command)


@dataclass(frozen=True, slots=True)
class Name:
    """A name as it stands: stem, accents from the inside out, subscript pieces (letters, digits, words)."""

    stem: str
    accents: tuple[str, ...] = ()
    subscript: tuple[str, ...] = ()
    bold: bool = False

    @property
    def key(self) -> str:
        """The stem with its accents: what facts about the letters of a text are kept by."""
        return self.stem + "".join(self.accents)

    def spellings(self) -> list[str]:
        """Every spelling, the usual one first."""
        stems = [self.stem, *OTHERS.get(self.stem, ())]
        if self.stem in GREEK and GREEK[self.stem] not in stems:
            stems.append(GREEK[self.stem])
        if self.stem in LETTERS_OF_GREEK:
            stems = [LETTERS_OF_GREEK[self.stem], *stems]
        for accent in self.accents:
            stems = [s + j + accent for j in ("", "_") for s in stems]
        if not self.subscript:
            return stems
        joined = "_".join(self.subscript)
        plain = "".join(self.subscript)
        tails = dict.fromkeys((f"_{joined}", f"_{plain}", plain, joined))
        return [s + t for t in tails for s in stems]


def spelled(name: Name, known: Known) -> str:
    """The known spelling, else the usual one."""
    spellings = name.spellings()
    return next((s for s in spellings if known.is_known(s)), spellings[0])


WORDS = frozenset(known_names())
