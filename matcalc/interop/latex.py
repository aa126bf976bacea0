r"""LaTeX in: formulas as people write them, read as problems, expressions and chains of equalities.

``read_chains`` gives the syntax tree of every side of every equality, with places in the LaTeX; ``read_problem`` and
``read_term`` go on through the plain language, so that inference, conventions and errors are those of plain
text: what was understood is the text of the problem, and an error points into the LaTeX.

Invariant: nothing is guessed silently; what cannot be read raises :class:`~matcalc.errors.ParseError` with its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from matcalc.errors import MatcalcError, ParseError, Span
from matcalc.interop.latex_facts import facts_of
from matcalc.interop.latex_grammar import Facts, Grammar
from matcalc.interop.latex_layout import Run, flattened, runs
from matcalc.interop.latex_macros import Macros, expand
from matcalc.interop.latex_names import WORDS, Known, known_of
from matcalc.interop.latex_plain import Written, write_plain
from matcalc.interop.latex_tokens import Token, is_latex, tokenize
from matcalc.interop.latex_words import simplify
from matcalc.language.declarations import parse_declarations
from matcalc.language.dims import Shape
from matcalc.language.elaborate import parse_expression, parse_problem
from matcalc.language.problem import Function, Problem, Symbol
from matcalc.language.syntax import Node
from matcalc.language.terms import Term, subterms

__all__ = ["Chain", "Side", "is_latex", "latex_tree", "read_chains", "read_problem", "read_term", "sizes_of"]

Declare = Mapping[str, str] | Iterable[str] | str | None


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a chain. Of ``tree`` and ``error`` one is None; ``relation`` stands before the side."""

    relation: str  # = | approx | propto | gets | in | le | ge | ne | to | sim | : | += ... ; empty for the first side
    span: Span
    tree: Node | None
    error: ParseError | None = None

    @property
    def text(self) -> str | None:
        """The side in the plain language; None where it was not understood."""
        return None if self.tree is None else write_plain(self.tree).text


@dataclass(frozen=True, slots=True)
class Chain:
    """``a = b = c``. Where the first side has a relation, the chain goes on with one above; ``word``: where, let."""

    sides: tuple[Side, ...]
    span: Span
    word: str = ""
    tokens: tuple[tuple[Token, ...], ...] = field(default=(), repr=False)

    @property
    def continues(self) -> bool:
        return bool(self.sides[0].relation)


# ---------------------------------------------------------------------- chains
def prepared(
    text: str, start: int = 0, stop: int | None = None, macros: Macros | None = None, entities: bool = False
) -> list[Token]:
    """The tokens of a formula, with macros, faces and environments out of the way."""
    tokens = tokenize(text, start, stop, entities)
    return flattened(simplify(expand(tokens, {} if macros is None else macros, text), text), text)


def read_chains(
    text: str,
    known: Known | None = None,
    *,
    start: int = 0,
    stop: int | None = None,
    macros: Macros | None = None,
    lines: bool = False,
    entities: bool = False,
) -> list[Chain]:
    """The chains of equalities of a formula, side by side; a side that cannot be read holds its error.

    ``lines``: the end of a line ends a row, as in a derivation written line by line.  ``macros`` are the commands
    that are defined so far, and take in those that the formula defines.  Raises ParseError where nothing can be told
    apart.
    """
    tokens = prepared(text, start, stop, macros, entities)
    return chains_of(tokens, text, known or Known(), facts_of(tokens), lines)


def chains_of(tokens: list[Token], text: str, known: Known, facts: Facts, lines: bool = False) -> list[Chain]:
    """The chains of prepared tokens."""
    return [_chain(chain, text, known, facts) for chain in runs(tokens, lines)]


def _chain(chain: list[Run], text: str, known: Known, facts: Facts) -> Chain:
    if not chain[0].tokens and chain[0].relation == "" and len(chain) > 1:
        chain = chain[1:]
    sides = tuple(_side(run, text, known, facts) for run in chain)
    span = Span(min(s.span.start for s in sides), max(s.span.end for s in sides))
    return Chain(sides, span, chain[0].word, tuple(tuple(run.tokens) for run in chain))


def _side(run: Run, text: str, known: Known, facts: Facts) -> Side:
    places = [t.span for t in run.tokens] or [run.mark]
    span = Span(min(p.start for p in places), max(p.end for p in places))
    try:
        return Side(run.relation, span, _tree(run.tokens, text, known, facts))
    except ParseError as error:
        return Side(run.relation, span, None, error)


def _tree(tokens: list[Token], text: str, known: Known, facts: Facts) -> Node:
    grammar = Grammar(_without_goal(tokens), text, known, facts)
    tree = grammar.expression()
    if not grammar.at_end:
        raise grammar.unexpected()
    return tree


def _without_goal(tokens: list[Token]) -> list[Token]:
    r"""A side without ``\min_W`` before it: the objective is what counts."""
    if not (
        tokens
        and (
            tokens[0].is_cmd("min", "argmin")
            or (tokens[0].is_cmd("arg") and len(tokens) > 1 and tokens[1].is_cmd("min", "max"))
            or (tokens[0].kind == "word" and tokens[0].value in ("minimize", "argmin", "min"))
        )
    ):
        return tokens
    if tokens[0].is_cmd("arg"):
        tokens = tokens[1:]
    if len(tokens) > 1 and tokens[1].is_sign("_"):
        end, depth = 2, 0
        while end < len(tokens):
            depth += tokens[end].is_sign("{") - tokens[end].is_sign("}")
            end += 1
            if depth == 0:
                break
        return tokens[end:]
    return tokens if len(tokens) > 1 and tokens[1].is_sign("(", "[") else tokens[1:]  # \min(a, b) is a number


def latex_tree(text: str, known: Known | None = None, macros: Macros | None = None) -> Node:
    """The syntax tree of one expression in LaTeX."""
    return _tree(*_one_side(text, known or Known(), macros))


def _one_side(text: str, known: Known, macros: Macros | None) -> tuple[list[Token], str, Known, Facts]:
    tokens = prepared(text, macros=macros)
    facts = facts_of(tokens)
    found = runs(tokens)
    if not found:
        raise ParseError("there is no expression", span=Span(0, 0), source=text, label="nothing is written here")
    if len(found) > 1 or len(found[0]) > 1:
        other = found[1][0] if len(found) > 1 else found[0][1]
        raise ParseError(
            "one expression is expected here", span=other.mark, source=text, label="this begins another one"
        )
    return found[0][0].tokens, text, known, facts


# ------------------------------------------------------------- through plain text
def read_term(
    text: str,
    known: Problem | Mapping[str, Shape | Symbol],
    *,
    extra: Mapping[str, Shape | Symbol] | None = None,
    functions: Mapping[str, Function] | None = None,
    shape: Shape | None = None,
    latex: bool | None = None,
    macros: Macros | None = None,
) -> Term:
    """Read an expression in LaTeX or plain text against the names of a problem. ``latex`` None: the text decides."""
    if not (is_latex(text) if latex is None else latex):
        return parse_expression(text, known, extra=extra, functions=functions, shape=shape)
    names = known_of(known, functions, extra or ())
    written = write_plain(latex_tree(text, names, macros))
    try:
        return parse_expression(written.text, known, extra=extra, functions=functions, shape=shape)
    except MatcalcError as error:
        raise relocated(error, written, text) from None


def relocated(error: MatcalcError, written: Written, text: str) -> MatcalcError:
    """The same error, pointing into the LaTeX."""
    if error.span is not None and error.source in (None, written.text):
        error.span, error.source = written.source(error.span), text
    return error


# -------------------------------------------------------------------- problems
PLAIN_LINE = re.compile(
    r"\s*(?:derive\s|for\s+\w+\s+in\s|#|[^\W\d]\w*(?:\[\w+\])?(?:\s*,\s*[^\W\d]\w*(?:\[\w+\])?)*\s*:(?!=))"
)


def read_problem(
    text: str, declare: Declare = None, wrt: str | Sequence[str] | None = None, *, latex: bool | None = None
) -> Problem:
    """Read a program or one expression, in LaTeX or plain text. ``latex`` None: the text decides."""
    if not isinstance(text, str) or not (is_latex(text) if latex is None else latex):
        return parse_problem(text, declare, wrt)
    asked = [wrt] if isinstance(wrt, str) else list(wrt or ())
    declared = _declared(declare)
    written, more = _program(text, _known_by(declared, asked))
    given = [f"{name} : {shape}" for name, shape in declared.items()]
    given += [line for name, line in more.items() if name not in declared]
    try:
        return _with_norm_note(parse_problem(written.text, given or None, wrt), text)
    except MatcalcError as error:
        raise relocated(error, written, text) from None


TWO_NORM = re.compile(r"(?:\\\||\\[lr]?Vert|\|\|)\s*(?:\^\s*(?:\{[^{}]*\}|\w)\s*)?_\s*\{?\s*2")


def _with_norm_note(problem: Problem, text: str) -> Problem:
    r"""``\|A\|_2`` of a matrix is the spectral norm for some: that it is read as the Frobenius norm is said."""
    bodies = [problem.objective, *(d.term for d in problem.definitions)]
    found = [t.args[0] for b in bodies for t in subterms(b) if t.op == "normF"]
    if not found or TWO_NORM.search(text) is None:
        return problem
    note = f"\\|{found[0].latex()}\\|_2 read as the Frobenius norm of a matrix, not as its largest singular value"
    return replace(problem, notes=(*problem.notes, note))


def _declared(declare: Declare) -> dict[str, str]:
    """The declarations by name; several names in one declaration are taken apart."""
    if declare is None:
        return {}
    lines = [f"{n} : {s}" for n, s in declare.items()] if isinstance(declare, Mapping) else declare
    lines = (
        re.split(r"[;\n]", lines) if isinstance(lines, str) else [p for line in lines for p in re.split(r"[;\n]", line)]
    )
    out: dict[str, str] = {}
    for line in lines:
        names, colon, shape = line.partition(":")
        if colon:
            out.update((name.strip(), shape.strip()) for name in names.split(","))
        elif line.strip():
            out[line.strip()] = ""
    return out


def _known_by(declared: Mapping[str, str], asked: Sequence[str]) -> Known:
    """What declarations tell of names. Declarations that are wrong are reported by the language."""
    shapes: dict[str, Shape | Symbol] = {}
    functions: dict[str, Function] = {}
    open_names = list(asked)
    try:
        declarations = parse_declarations(declared)
    except MatcalcError:
        declarations = []
    for d in declarations:
        if d.function is not None:
            functions[d.name] = d.function
        elif d.shape is not None:
            shapes[d.name] = Symbol(d.name, d.shape, index=d.index)
        else:
            open_names.append(d.name)
    return known_of(shapes, functions, open_names, differentials=False)


def _program(text: str, known: Known) -> tuple[Written, dict[str, str]]:
    """The program in the plain language, and the declarations that are made in LaTeX."""
    written = Written()
    declarations: dict[str, str] = {}
    macros: Macros = {}
    statements: list[tuple[bool, Node | None, Node | None, Span]] = []
    for start, stop, plain in _blocks(text):
        if plain:
            written.copy(text[start:stop], start)
            written.add("\n")
            continue
        known = _with_plain_names(known, text[:start])
        tokens = prepared(text, start, stop, macros)
        for chain in chains_of(tokens, text, known, facts_of(tokens), lines=True):
            declaration = declaration_of(chain, text)
            if declaration is not None:
                declarations.update(declaration)
            else:
                statements.append(_statement(chain, text))
    if not statements and not written.parts:
        raise ParseError("there is no expression", span=Span(0, 0), source=text, label="nothing is written here")
    for _, target, body, _ in sorted(statements, key=lambda s: not s[0]):  # what stands behind "where" comes first
        _write_statement(written, target, body)
    return written.done(), declarations


def _blocks(text: str) -> list[tuple[int, int, bool]]:
    """The parts of a program that are plain lines (declarations, derive) and those that are LaTeX."""
    out: list[tuple[int, int, bool]] = []
    place = 0
    for piece in re.split(r"(?<=\n)|(?<=;)", text):
        end = place + len(piece)
        plain = (
            "\\" not in piece
            and "$" not in piece
            and (PLAIN_LINE.match(piece) is not None or not piece.strip(" ;\n\t"))
        )
        if out and out[-1][2] == plain:
            out[-1] = (out[-1][0], end, plain)
        elif piece.strip(" ;\n\t") or not plain:
            out.append((place, end, plain))
        place = end
    return [(a, b, plain) for a, b, plain in out if text[a:b].strip(" ;\n\t")]


def _with_plain_names(known: Known, before: str) -> Known:
    """The names that plain declarations of the program have made known."""
    lines = [
        line
        for line in re.split(r"[;\n]", before)
        if PLAIN_LINE.match(line) and ":" in line and "\\" not in line and " in " not in line
    ]
    if not lines:
        return known
    more = _known_by(_declared([line.partition("#")[0] for line in lines]), ())
    return Known({**more.roles, **known.roles}, {**more.shapes, **known.shapes}, known.differentials, known.objective)


def _statement(chain: Chain, text: str) -> tuple[bool, Node | None, Node | None, Span]:
    """Whether it is an aside, the name it defines, its expression."""
    for side in chain.sides:
        if side.error is not None:
            raise side.error
        if side.relation not in ("", "="):
            raise ParseError(
                "this relation is not part of a problem", span=side.span, source=text, hint="write NAME = EXPRESSION"
            )
    if chain.continues or len(chain.sides) > 2:
        span = chain.sides[0 if chain.continues else 2].span
        raise ParseError(
            "a problem has one expression for each name",
            span=span,
            source=text,
            hint="a chain of equalities is for 'check'",
        )
    aside = chain.word.split(" ")[0] in ("where", "with", "given", "let")
    if len(chain.sides) == 1:
        return aside, None, chain.sides[0].tree, chain.span
    target = chain.sides[0].tree
    assert target is not None
    applied = target.kind == "call" and target.data[0] not in WORDS and not target.data[1]
    if applied and all(a.kind in ("name", "index") for a in target.args):
        target = Node("name", target.mark or target.span, data=target.data[0])  # f(W) = ...
    if target.kind not in ("name", "index"):
        raise ParseError("only a name can be defined", span=target.span, source=text, label="not a name")
    return aside, target, chain.sides[1].tree, chain.span


def _write_statement(written: Written, target: Node | None, body: Node | None) -> None:
    assert body is not None
    if target is not None:
        written.node(target)
        written.add(" = ")
    elif (
        body.kind == "call"
        and body.data == ("grad", 0)
        and len(body.args) == 2
        and body.args[1].kind == "name"
        and body.args[0].kind != "name"
    ):
        written.add("derive ")  # \nabla_x E asks for the derivative of E
        written.node(body.args[0])
        written.add(" wrt ")
        body = body.args[1]
    written.node(body)
    written.add("\n")


# ---------------------------------------------------------------- declarations
def declaration_of(chain: Chain, text: str) -> dict[str, str] | None:
    r"""``X \in \mathbb{R}^{m \times n}`` as a declaration by name; None for any other chain."""
    if len(chain.sides) != 2 or chain.sides[1].relation != "in" or chain.sides[0].tree is None:
        return None
    name = _member(chain.sides[0].tree)
    tokens = [t for t in chain.tokens[1] if not t.is_sign("{", "}")]
    if not name or not tokens or not tokens[0].is_cmd("R", "reals", "Reals"):
        return None
    if len(tokens) == 1:
        return {name: f"{name} : scalar"}
    if not tokens[1].is_sign("^"):
        return None
    sizes = sizes_of(tokens[2:])
    return None if sizes is None or len(sizes) > 2 else {name: f"{name} : {'×'.join(sizes)}"}


def _member(tree: Node) -> str:
    """A name, or a member of a family as it is declared; empty for anything else."""
    if tree.kind == "index" and tree.args[0].kind == "name":
        return f"{tree.data}[{tree.args[0].data}]"
    return str(tree.data) if tree.kind == "name" else ""


def sizes_of(tokens: Sequence[Token]) -> list[str] | None:
    r"""``n \times m_1`` as its sizes; None for anything else."""
    if not all(t.kind in ("letter", "digit", "word") or t.is_cmd("times") or t.is_sign("+", "-", "_") for t in tokens):
        return None
    sizes = [""]
    for t in tokens:
        if t.is_cmd("times"):
            sizes.append("")
        else:
            sizes[-1] += _joined(sizes[-1], t)
    return sizes if all(sizes) else None


def _joined(before: str, t: Token) -> str:
    """A token behind others of a size: ``2n`` is a product, ``m_1`` a name."""
    goes_on = t.kind == "sign" or (t.kind == "digit" and before[-1:].isdigit())
    return t.value if not before or before[-1] in "+-_" or goes_on else f"*{t.value}"
