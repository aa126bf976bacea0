r"""What the sentences of a document tell of its letters: shapes and properties.

"Let $X$ be an $n \times d$ matrix", "a symmetric matrix $A$", "$\Sigma$ is positive definite", "covariance $\Sigma$",
"$C = ...$ is a diagonal matrix".  Formulas are taken out of the text and leave a mark; sentences are looked through for
a closed list of turns of phrase.

Invariant: only what is said of a letter by itself is taken; a sentence with a negation tells nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matcalc.interop.documents import DocumentChain, Formula
from matcalc.interop.latex import declaration_of, sizes_of
from matcalc.interop.latex_tokens import Token
from matcalc.language.syntax import Node

__all__ = ["Told", "told"]


@dataclass(frozen=True, slots=True)
class Told:
    """Something said of a name. ``formula``: the number of the formula it is said of."""

    formula: int
    name: str  # ``x`` or, of a member, ``x[i]``
    shape: str = ""
    properties: tuple[str, ...] = ()


PROPERTIES = {
    "skew-symmetric": "skew", "skew symmetric": "skew", "antisymmetric": "skew", "anti-symmetric": "skew",
    "positive definite": "posdef", "positive-definite": "posdef", "spd": "posdef",
    "positive semidefinite": "symmetric", "positive semi-definite": "symmetric", "psd": "symmetric",
    "positive-semidefinite": "symmetric", "positive-semi-definite": "symmetric", "self-adjoint": "symmetric",
    "symmetric": "symmetric", "diagonal": "diagonal", "orthogonal": "orthogonal", "orthonormal": "",
    "one-hot": "stochastic", "one hot": "stochastic",
    "invertible": "invertible", "nonsingular": "invertible", "non-singular": "invertible",
}  # fmt: skip
KINDS = {
    "covariance": "symmetric", "covariance matrix": "symmetric",
    "precision matrix": "symmetric", "kernel matrix": "symmetric", "gram matrix": "symmetric",
    "scatter matrix": "symmetric", "adjacency matrix": "", "laplacian": "symmetric", "hessian matrix": "symmetric",
}  # fmt: skip
WORD = re.compile(r"[A-Za-z][A-Za-z-]*")
MARK = r"\x02(\d+)\x03"
LIST = rf"{MARK}(?:\s*(?:,|and|or|,\s*and)\s*{MARK}){{0,4}}"
ADJECTIVE = "|".join(sorted((re.escape(p) for p in PROPERTIES), key=len, reverse=True))
KIND = "|".join(sorted((re.escape(p) for p in KINDS), key=len, reverse=True))
WORDS = r"(?:[A-Za-z-]+\s+)"
IS = r"(?:is|are|be|being|denotes?|as)"
LISTED = rf"((?:{ADJECTIVE})(?:(?:\s*,\s*|\s+and\s+|\s+)(?:{ADJECTIVE}))*)"
NO_OTHER = rf"(?!\s+(?:(?!and\b|or\b){WORDS}){{0,4}}\x02)"  # "mu and symmetric Sigma" is not about mu
AFTER = (
    re.compile(rf"{LIST}\s*,?\s*(?:which\s+|that\s+)?{IS}\s+(?:both\s+|also\s+|{WORDS})?{LISTED}\b", re.IGNORECASE),
    re.compile(rf"{LIST}\s*,?\s*(?:an?\s+|the\s+)?{LISTED}\b{NO_OTHER}", re.IGNORECASE),
)
BEFORE = re.compile(rf"\b{LISTED}\s+{WORDS}{{0,4}}?{LIST}", re.IGNORECASE)
KIND_BEFORE = re.compile(rf"\b({KIND})\s+(?:is\s+|be\s+|by\s+)?{LIST}", re.IGNORECASE)
KIND_AFTER = re.compile(rf"{LIST}\s*,?\s*{IS}\s+{WORDS}{{0,3}}?({KIND})\b", re.IGNORECASE)
SIZED = (
    re.compile(rf"{LIST}\s*,?\s*(?:{IS}|has|have|with|of)\s+{WORDS}{{0,4}}?{MARK}", re.IGNORECASE),
    re.compile(rf"{LIST}\s*\(\s*{WORDS}{{0,3}}?{MARK}", re.IGNORECASE),
)
SIZED_BEFORE = re.compile(rf"{MARK}\s+{WORDS}{{0,3}}?(?:matrix|matrices|mask|vector|array)\s+{LIST}", re.IGNORECASE)
SUMMING = re.compile(
    rf"\b(?:entries|elements|components)\s+of\s+{WORDS}{{0,3}}?{LIST}\s+(?:sum|add\s+up|sums|adds\s+up)\s+to\s+(?:one|1)\b",
    re.IGNORECASE,
)
NEGATED = re.compile(r"\b(?:not|neither|no|non|unless|without|if|isn't|needn't)\b", re.IGNORECASE)
OF_OTHERS = re.compile(r"\b(?:jacobian|derivatives?|hessian|gradients?|product|inverse)\b", re.IGNORECASE)
BLOCK = r"</?(?:p|div|li|ul|ol|dl|dt|dd|table|tr|td|th|h\d|br|hr|body|html|section|blockquote)\b[^<>]{0,300}>"
SENTENCE = re.compile(rf"(?<=[.;:!?])\s+|\n\s*\n|{BLOCK}|\n\s*(?=[-*\d])|\\item\b", re.IGNORECASE)
CLUTTER = re.compile(r"</?\w[^<>]{0,300}>|[*_`~]|\\(?:emph|textit|textbf)\{|(?<!\\)[{}]")


@dataclass(frozen=True, slots=True)
class _Formula:
    """What a formula may say: the names it lists or defines, the shape it gives, the shape it is."""

    names: tuple[str, ...] = ()
    shape: str = ""  # of the names
    sizes: str = ""  # the formula is nothing but sizes


def told(text: str, formulas: Sequence[Formula], found: Sequence[DocumentChain]) -> list[Told]:
    """What is said of names, in the order of the text."""
    by_formula: dict[int, list[DocumentChain]] = {}
    for d in found:
        by_formula.setdefault(d.formula, []).append(d)
    read = {k: _read(group, text) for k, group in by_formula.items()}
    out = [Told(k, n, f.shape) for k, f in read.items() if f.shape for n in f.names]
    for sentence in SENTENCE.split(_without_formulas(text, formulas)):
        if sentence and "\x02" in sentence:
            out += _said(" ".join(CLUTTER.sub("", sentence).split()), read)
    return sorted(out, key=lambda t: t.formula)


def _without_formulas(text: str, formulas: Sequence[Formula]) -> str:
    """The text with a mark in the place of every formula."""
    pieces: list[str] = []
    place = 0
    for k, f in enumerate(formulas):
        pieces.append(text[place : f.span.start].rstrip("$").removesuffix("\\(").removesuffix("\\["))
        pieces.append(f"\x02{k}\x03")
        place = f.span.end
        for mark in ("$$", "$", "\\)", "\\]"):
            if text.startswith(mark, place):
                place += len(mark)
                break
    pieces.append(text[place:])
    return "".join(pieces)


# ------------------------------------------------------------------------------ formulas
def _read(group: Sequence[DocumentChain], text: str) -> _Formula:
    """What the chains of a formula tell by themselves."""
    names: list[str] = []
    shape = ""
    for d in group:
        sides = d.chain.sides
        declared = declaration_of(d.chain, text)
        name = _name(sides[0].tree)
        if declared is not None and name is not None:
            names.append(name)
            shape = next(iter(declared.values())).partition(" : ")[2]
        elif name is not None and not shape:
            names.append(name)
            if len(sides) > 1:
                return _Formula((name,) if sides[1].relation in ("=", ":=", "gets") and len(names) == 1 else ())
        elif len(group) == 1 and len(sides) == 1:
            return _Formula(sizes=_sizes(d.chain.tokens[0]))
        else:
            return _Formula()
    return _Formula(tuple(names), shape)


def _name(tree: Node | None) -> str | None:
    """A name, a member of a family, or one of them inverted or transposed."""
    if tree is None:
        return None
    if tree.kind == "name":
        return str(tree.data)
    if tree.kind == "index" and tree.args[0].kind == "name":
        return f"{tree.data}[{tree.args[0].data}]"
    inverted = tree.kind == "pow" and tree.args[1].kind == "neg" and tree.args[1].args[0].kind == "num"
    return _name(tree.args[0]) if inverted and tree.args[0].kind == "name" else None


def _sizes(tokens: Sequence[Token]) -> str:
    """``n \\times d`` as ``n×d``; empty for any other formula."""
    if not any(t.is_cmd("times") for t in tokens):
        return ""
    sizes = sizes_of([t for t in tokens if not t.is_sign("{", "}")])
    return "×".join(sizes) if sizes is not None and len(sizes) == 2 else ""


# ----------------------------------------------------------------------------- sentences
def _said(sentence: str, read: dict[int, _Formula]) -> Iterator[Told]:
    """What a sentence tells."""
    if NEGATED.search(sentence):
        return
    for pattern in (BEFORE, *AFTER):
        for match in pattern.finditer(sentence):
            words = next(g for g in match.groups() if g is not None and not g.isdigit())
            found = tuple(p for w in re.findall(ADJECTIVE, words.lower()) if (p := PROPERTIES[w]))
            yield from _of_all(match, read, properties=found)
    for match in SUMMING.finditer(sentence):
        yield from _of_all(match, read, properties=("stochastic",))
    for pattern in (KIND_BEFORE, KIND_AFTER):
        for match in pattern.finditer(sentence):
            words = next(g for g in match.groups() if g is not None and not g.isdigit())
            found = tuple(filter(None, (KINDS[words.lower()],)))
            yield from _of_all(match, read, properties=found)
    if OF_OTHERS.search(sentence):
        return
    for pattern in SIZED:
        for match in pattern.finditer(sentence):
            yield from _sized(match, read, last=True)
    for match in SIZED_BEFORE.finditer(sentence):
        yield from _sized(match, read, last=False)


def _of_all(match: re.Match[str], read: dict[int, _Formula], properties: tuple[str, ...]) -> Iterator[Told]:
    if not properties:
        return
    for g in match.groups():
        if g is not None and g.isdigit():
            for name in read.get(int(g), _Formula()).names:
                yield Told(int(g), name, properties=properties)


def _sized(match: re.Match[str], read: dict[int, _Formula], last: bool) -> Iterator[Told]:
    marks = [int(g) for g in match.groups() if g is not None and g.isdigit()]
    at, others = (marks[-1], marks[:-1]) if last else (marks[0], marks[1:])
    sizes = read.get(at, _Formula()).sizes
    for k in others if sizes else ():
        for name in read.get(k, _Formula()).names:
            yield Told(k, name, shape=sizes)
