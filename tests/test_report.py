"""The layouts of a derivation: well-formed, alike in what they say, and safe with any name."""

from __future__ import annotations

import random
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from random_terms import random_shape, random_term

import matcalc
from matcalc.language.latex import name_latex
from matcalc.report.mathml import mathml
from matcalc.report.notation import LATEX, TEXT, UNICODE
from matcalc.report.telling import lines
from matcalc.terminal import ascii_only

PROBLEMS = [
    ("norm2(A*x - b)^2", ["x"], {}),
    ("Y = H*W; loss(Y)", ["H", "W"], {}),
    ("tr(A*X)", ["X"], {"declare": "X : n×n symmetric"}),
    ("x'*A*x", ["x"], {"order": 2}),
    ("A*x", ["x"], {"layout": "denominator"}),
    ("sum(abs(x))", ["x"], {}),
]


@pytest.fixture(params=PROBLEMS, ids=lambda p: p[0], scope="module")
def derivation(request: pytest.FixtureRequest) -> matcalc.Derivation:
    problem, wrt, options = request.param
    return matcalc.derive(problem, wrt=wrt, **options)


# ------------------------------------------------------------------ MathML
@pytest.mark.parametrize("seed", range(300))
def test_every_formula_is_well_formed_mathml(seed: int) -> None:
    rng = random.Random(seed)
    term = random_term(rng, random_shape(rng), rng.randrange(1, 6))
    root = ElementTree.fromstring(mathml(term.latex()))
    assert root.tag.endswith("math")
    for node in root.iter():
        name = node.tag.rpartition("}")[2]
        expected = {"mfrac": 2, "msup": 2, "msub": 2, "mover": 2, "msqrt": 1}
        if name in expected:
            assert len(node) == expected[name], mathml(term.latex())


@pytest.mark.parametrize(
    "name", ["x", "x_1", "W1", "lambda", "Xhat", "eps", "W_ih", "_", "x_", "Phi", "Alpha", "über", "выход", "a_b_c"]
)
def test_every_name_is_well_formed_mathml(name: str) -> None:
    ElementTree.fromstring(mathml(name_latex(name)))


def test_depth_is_no_limit() -> None:
    latex = "x"
    for _ in range(5_000):
        latex = rf"\left({latex}\right)"
    assert mathml(latex).count("<mrow>") == 5_000


def test_an_unknown_command_is_noticed() -> None:
    with pytest.raises(KeyError):
        mathml(r"\unheardof{x}")


# ------------------------------------------------------------------ left sides
@pytest.mark.parametrize(
    ("label", "unicode", "latex"),
    [
        ("f", "f", "f"),
        ("d(f)", "df", r"\mathrm{d}f"),
        ("grad(L, W1)", "∇L(W₁)", r"\nabla_{W_{1}} L"),
        ("jac(f, x)", "∂f/∂x", r"\frac{\partial f}{\partial x}"),
        ("hess(f, x)", "∇²f(x)", r"\nabla^{2}_{x} f"),
        ("d(grad(f, x))", "d(∇f(x))", r"\mathrm{d}\left(\nabla_{x} f\right)"),
        ("", "", ""),
    ],
)
def test_labels(label: str, unicode: str, latex: str) -> None:
    assert (TEXT.label(label), UNICODE.label(label), LATEX.label(label)) == (label, unicode, latex)


# ------------------------------------------------------------------ whole reports
class Balance(HTMLParser):
    """Counts what is opened and not closed."""

    VOID = frozenset(("meta", "br"))

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("steps", ["none", "brief", "full"])
def test_pages_are_balanced_and_self_contained(derivation: matcalc.Derivation, steps: str) -> None:
    page = derivation.report("html", steps)
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    assert "<script" not in page and "<link" not in page and "src=" not in page


@pytest.mark.parametrize("steps", ["none", "brief", "full"])
def test_latex_environments_are_balanced(derivation: matcalc.Derivation, steps: str) -> None:
    for form in ("latex", "markdown"):
        report = derivation.report(form, steps)
        assert re.findall(r"\\begin\{(\w+\*?)\}", report) == re.findall(r"\\end\{(\w+\*?)\}", report)
        assert report.count(r"\left") == report.count(r"\right")


def test_every_format_shows_every_answer(derivation: matcalc.Derivation) -> None:
    for name, answer in derivation.answers.items():
        assert f"{derivation.labels[name]} = {answer}" in derivation.report("text", "none")
        assert answer.unicode() in derivation.report("unicode", "none")
        assert answer.latex() in derivation.report("latex", "none")
        assert answer.latex() in derivation.report("markdown", "none")
        assert mathml(answer.latex()).partition("<mrow>")[2].rpartition("</mrow>")[0] in derivation.report(
            "html", "none"
        )


def test_the_last_line_is_the_answer(derivation: matcalc.Derivation) -> None:
    for name, answer in derivation.answers.items():
        for detail in ("brief", "full"):
            told = [line for line in lines(derivation.steps_of(name), detail) if line.depth == 0]
            assert told[-1].term is answer


def test_a_structured_variable_shows_both_readings() -> None:
    report = matcalc.derive("tr(A*X)", wrt="X", declare="X : n×n symmetric").report("text", "none")
    assert "grad(f, X) = (A + A')/2" in report
    assert "by the independent entries: A + A' - " in report


def test_markup_in_names_is_escaped() -> None:
    page = matcalc.derive("a'*x  # <b>&</b>", wrt="x").report("html")
    assert "<b>" not in page


# ------------------------------------------------------------------ terminals
@pytest.mark.parametrize("form", ["text", "unicode", "markdown", "latex"])
def test_reports_can_be_written_in_ascii(derivation: matcalc.Derivation, form: str) -> None:
    plain = ascii_only(derivation.report(form, "full"))
    assert plain.isascii()
    assert "\\u" not in plain and "\\x" not in plain


def test_a_page_of_a_recurrence_is_readable() -> None:
    d = matcalc.derive(
        "# a recurrent network\nh[0] = h0\nfor t in 1..T:\n    h[t] = tanh(W*h[t-1])\nL = loss(h[T])\nderive L wrt W"
    )
    page = d.report("html")
    assert "<h1>a recurrent network</h1>" in page
    assert "<mtext>for&#160;</mtext>" in page
    assert page.count("overflow-x: auto") >= len(d.steps), "wide formulas scroll by themselves"
