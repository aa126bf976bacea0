r"""LaTeX as people write it, read as the plain language; what the tool prints is read back as it was."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest
from conftest import Run
from random_terms import ALL, names_in, random_shape, random_term

import matcalc
from matcalc.errors import MatcalcError, ParseError, ShapeError
from matcalc.interop.latex import Chain, is_latex, latex_tree, read_chains, read_problem, read_term
from matcalc.interop.latex_names import Known, known_of
from matcalc.interop.latex_plain import write_plain
from matcalc.language import terms
from matcalc.language.binders import bind
from matcalc.language.dims import SCALAR, dim, shape
from matcalc.language.elaborate import parse_expression, parse_problem
from matcalc.language.printing import latex
from matcalc.language.problem import Function, Symbol
from matcalc.language.syntax import Node, parse_tree
from matcalc.language.terms import Term, div, element, mul, number

# What is written, and what it is in the plain language.
READ = [
    # faces, sizes, brackets
    (r"\frac{1}{2}\|A\mathbf{x}-\mathbf{b}\|_2^2", "(1/2)*norm2(A*x - b)^2"),
    (r"\displaystyle \left(A\boldsymbol{x}-\bm b\right)^{\mathsf{T}}\,W\bigl(A x-b\bigr)", "(A*x - b)'*W*(A*x - b)"),
    (r"\mathrm{Tr}\left[X^{\intercal} A\right]", "tr(X'*A)"),
    (r"{\rm tr}(A^{\rm T}X) + {\bf x}^{\!\top}y", "tr(A'*X) + x'*y"),
    (r"\overbrace{A x}^{\text{model}} - \boxed{b}", "A*x - b"),
    (r"\textcolor{red}{2} x \label{eq:1}", "2*x"),
    (r"[A + \{B - (C)\}] x", "(A + (B - C))*x"),
    # transposes, inverses, powers
    (r"A^T + B^\top + C^\intercal + D^{\mathsf T} + E'", "A' + B' + C' + D' + E'"),
    (r"A^{-1} + A^{-T} + A^{-\top} + {A^T}^{-1} + (A^{-1})^T", "A^-1 + (A^-1)' + (A^-1)' + (A')^-1 + (A^-1)'"),
    (r"{A^{-1}}{}^T + \alpha{} b", "(A^-1)' + alpha*b"),
    (r"x'Ax + \mathbf{x}^{\mathrm{T}} y", "x'*A*x + x'*y"),
    (r"x^2y^{10} + X^{\odot 2}", "x^2*y^10 + X.^2"),
    (r"\frac12 x^\frac{1}{2}", "(1/2)*x^(1/2)"),
    (r"e^{x} + \mathrm{e}^2 + e^{-z}", "exp(x) + e^2 + exp(-z)"),
    (r"\sqrt{x^Tx} + \sqrt x", "sqrt(x'*x) + sqrt(x)"),
    (r"10^{-3} x + .5y + 1.25", "10^-3*x + 0.5*y + 1.25"),
    # norms, bars
    (r"\lVert X\rVert_F^2 + ||w||^2 + \left\|v\right\|^2_2 + \|x\|_1",
     "normF(X)^2 + norm2(w)^2 + norm2(v)^2 + norm1(x)"),
    (r"\norm{x}_2 + \abs{c} + \norm*{A}_{F}", "norm2(x) + bars(c) + normF(A)"),
    (r"|X| + \lvert c\rvert + |a||b| + \left|x^Ty\right|", "bars(X) + bars(c) + bars(a)*bars(b) + bars(x'*y)"),
    (r"\log|X| + \log\det X + \ln|\det(X)| + \log|c|", "logdet(X) + logdet(X) + logdet(X) + log(bars(c))"),
    (r"\langle A, B\rangle + \left\langle x, Ax \right\rangle", "inner(A, B) + inner(x, A*x)"),
    (r"\|x-y\|_A^2 + \|z\|^2_{\Sigma^{-1}}", "(x - y)'*A*(x - y) + z'*Sigma^-1*z"),
    # functions
    (r"x^{}y", "x*y"),
    (r"\operatorname{tr}(AX) + \mathrm{tr}\,A^TB + \tr(C)", "tr(A*X) + tr(A'*B) + tr(C)"),
    (r"\operatorname{tr} A X + c", "tr(A*X) + c"),
    (r"\operatorname{tr}(A+B)^T C", "tr((A + B)'*C)"),
    (r"\det(A)\operatorname{tr}(B) x", "det(A)*tr(B)*x"),
    (r"\ln(1+e^{-z}) + \log x \exp y", "log(1 + exp(-z)) + log(x)*exp(y)"),
    (r"\sin^2 x + 1 - \tanh^2(s)", "sin(x).^2 + 1 - tanh(s).^2"),
    (r"\exp\{-\tfrac{1}{2} x^T x\}", "exp(-(1/2)*x'*x)"),
    (r"\operatorname{diag}(\mathbf{a})\mathbf{b} + \text{diag}(p)", "diag(a)*b + diag(p)"),
    (r"\sigma(Wx+b) + \sigma'(s) + \mathrm{ReLU}(z)", "sigma(W*x + b) + sigma'(s) + relu(z)"),
    (r"\max(0, s) + \max\{x, 0\} + \max(0.1x, x)", "relu(s) + relu(x) + max(0.1*x, x)"),
    (r"\mathbb{1}[x > 0] + \mathrm{Ind}(s_1 > 0) + \mathbf 1_{x < c}", "step(x) + step(s_1) + step(c - x)"),
    (r"\begin{cases} x & \text{if } x > 0 \\ a x & \text{otherwise} \end{cases}", "where(step(x), x, a*x)"),
    (r"\operatorname{softmax}(Wx) + \operatorname{vec}(X) + \vec(X)", "softmax(W*x) + vec(X) + vec(X)"),
    (r"f(x) + g(x, y) + f'(s) + h''(t)", "f(x) + g(x, y) + f'(s) + h''(t)"),
    (r"a(b+c) + \lambda(x-1) + A(x - b)", "a*(b + c) + lambda*(x - 1) + A*(x - b)"),
    (r"p(t \mid x) + \phi(\mathbf{x}_1)", "p(t, x) + phi(x_1)"),
    # products
    (r"a \odot b + A x \circ y + A \otimes B + u \oslash v", "a.*b + (A*x).*y + A ⊗ B + u./v"),
    (r"2\cdot 3 x + a \times b + X\cdot W", "2*3*x + a*b + X*W"),
    (r"1/2 x^T A x + \|w\|^2/2 + n/2 \log\det S", "1/2*x'*A*x + norm2(w)^2/2 + n/2*logdet(S)"),
    (r"\frac{x}{\|x\|}(y - -z)", "(x/norm2(x))*(y - (-z))"),
    (r"-\frac{1}{2} \cdot -x", "-(1/2)*(-x)"),
    # names
    (r"W_1 x + b_{12} + \hat{\mathbf y} + \bar x_{\text{max}} + \mu_B", "W_1*x + b_12 + yhat + xbar_max + mu_B"),
    (r"\lambda \alpha \boldsymbol{\Sigma} \varphi \ell", "lambda*alpha*Sigma*phi*l"),
    (r"\mathrm{loss} + x_{\mathrm{size\_n}} + \mathit{cost}", "loss + x_size_n + cost"),
    (r"\mathbf{x}^{(1)} + W^{(2)}", "x_1 + W_2"),
    (r"\mathbf 1^T x + \mathbf{1}_n + \mathbf{1}_{m\times n} + \boldsymbol{0}_{n}",
     "ones'*x + ones(n) + ones(m, n) + zeros(n)"),
    (r"I + I_n + K_{m, n}", "I + eye(n) + commutation(m, n)"),
    (r"2\pi", "2*pi"),
    # sums
    (r"\sum_{n=1}^{N} \|t_n - W^T x_n\|_2^2 + c", "sum(n in 1..N, norm2(t[n] - W'*x[n])^2) + c"),
    (r"\frac1n\sum_i \ell(x_i) y_{i+1}", "(1/n)*sum(i in 1..N, l(x[i])*y[i + 1])"),
    (r"\sum\limits_{i=1}^{n}\sum_{j=i+1}^n a_i b_j", "sum(i in 1..n, sum(j in i + 1..n, a[i]*b[j]))"),
    (r"\prod_{t=1}^T A_t", "prod(t in 1..T, A[t])"),
    # derivatives
    (r"\nabla_{\mathbf x} \|Ax-b\|^2", "grad(norm2(A*x - b)^2, x)"),
    (r"A^T\nabla_Y f + \nabla_Y L \cdot W^T", "A'*grad(f, Y) + grad(L, Y)*W'"),
    (r"\nabla f(x) + \nabla_2 f(x, y)", "grad(f, x) + grad_2(f)(x, y)"),
    (r"\nabla \mathbf{a}^T X \mathbf{b}", "grad(a'*X*b)"),
    (r"\nabla_x\left(x^TAx\right) - 2\nabla_x (b^TAx)", "grad(x'*A*x, x) - 2*grad(b'*A*x, x)"),
    (r"\nabla_{x}(A x-b)^{T}(A x-b)", "grad((A*x - b)'*(A*x - b), x)"),
    (r"\nabla_{x^T} f + (\nabla_{X^T} L)^T", "grad(f, x)' + grad(L, X)''"),
    (r"\nabla_x^2 f + \nabla^2 f(x)", "hess(f, x) + hess(f, x)"),
    (r"(I-C)\nabla_{\hat Y} - \nabla_{\hat Y}^\top D", "(I - C)*grad(L, Yhat) - grad(L, Yhat)'*D"),
    (r"\frac{\partial L}{\partial W} + \partial L/\partial b^T", "grad(L, W) + grad(L, b)'"),
    (r"\frac{\partial \mathbf h}{\partial \mathbf s^T} + \frac{\partial y_1}{\partial x}", "jac(h, s) + jac(y_1, x)"),
    (r"\frac{\partial}{\partial X} \operatorname{tr}(XA) B", "grad(tr(X*A), X)*B"),
    (r"\frac{\partial^2 f}{\partial x \partial x^T} + \frac{d f}{d x}", "hess(f, x) + grad(f, x)"),
    (r"\mathrm{d}X + d\mathbf{x} + \mathrm d(AX) + dX^{-1} + \partial Y", "d(X) + d(x) + d(A*X) + d(X^-1) + d(Y)"),
    (r"d\log\det X", "d(logdet(X))"),
]  # fmt: skip


def plain(text: str, known: Known | None = None) -> str:
    return write_plain(latex_tree(text, known)).text


@pytest.mark.parametrize(("text", "wanted"), READ, ids=[r[0][:40] for r in READ])
def test_reading(text: str, wanted: str) -> None:
    assert plain(text) == wanted


def structure(node: Node) -> object:
    return (node.kind, node.data, [structure(a) for a in node.args])


@pytest.mark.parametrize(("text", "wanted"), READ, ids=[r[0][:40] for r in READ])
def test_the_plain_text_has_the_same_structure(text: str, wanted: str) -> None:
    tree = latex_tree(text)
    assert structure(parse_tree(write_plain(tree).text)) == structure(tree)


def test_places_lie_in_the_latex() -> None:
    for text, _ in READ:
        for node in latex_tree(text).walk():
            assert 0 <= node.span.start < node.span.end <= len(text)


# What cannot be read, what is said of it, and the part of the text that is to blame.
UNREAD = [
    (r"1/2\sigma^2", "below this fraction", r"2\sigma^2"),
    (r"a/b c", "below this fraction", "b c"),
    (r"x^10", "one digit", "1"),
    (r"\foo x", "not known", r"\foo"),
    (r"\frac{x}", "must follow", "}"),
    (r"\frac{x}{", "unclosed brace", "{"),
    (r"(A x - b", "unclosed parenthesis", "("),
    (r"\left(A x - b", "unclosed parenthesis", r"\left("),
    (r"\|A x", "unclosed bar", r"\|"),
    (r"A x) + b", "closes nothing", ")"),
    (r"A +", "ends too early", "+"),
    (r"\begin{pmatrix} a \\ b \end{pmatrix}", "written by their entries", r"\begin{pmatrix} a \\ b \end{pmatrix}"),
    (r"\begin{cases} 1 & i = j \\ 0 & i \ne j \end{cases}",
     "cases", r"\begin{cases} 1 & i = j \\ 0 & i \ne j \end{cases}"),
    (r"A_1 \cdots A_n", "dots", r"\cdots"),
    (r"\sigma(\cdot)", "not written", r"\cdot"),
    (r"\|x\|_\infty", "maximum norm", r"_\infty"),
    (r"X^{\dagger}", "dagger", r"^{\dagger}"),
    (r"\int f(x)", "integrals", r"\int"),
    (r"\log x y", "applied to", r"\log x y"),
    (r"x \pm y", "two formulas", r"\pm"),
    (r"f \circ g", "composition", r"\circ"),
    (r"\sqrt[3]{x}", "square roots", r"\sqrt"),
    (r"\sum_{i \ne j} x_i", "range of this sum", r"\sum"),
    (r"\hat{x + y}", "one letter", r"\hat"),
    (r"wordlike x \alpha", "word inside", "wordlike"),
    (r"\alpha \text{ some text } \beta", "one expression", r"\beta"),
    ("\\alpha \x00", "control character", "\x00"),
    (r"\newcommand{\a}{\a x}\a", "expands to too much", r"\a"),
    (r"\mathrm{\_\_import\_\_}(x)", "not a name", r"\mathrm{\_\_import\_\_}"),
    (r"", "no expression", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message", "place"), UNREAD, ids=[r[1] for r in UNREAD])
def test_errors_point_into_the_latex(text: str, message: str, place: str) -> None:
    with pytest.raises(ParseError, match=message) as caught:
        latex_tree(text)
    assert caught.value.span is not None
    assert text[slice(*caught.value.span)] == place
    assert caught.value.render().startswith("error: ")


def test_the_two_norm_of_a_matrix_is_told() -> None:
    """``\\|A\\|_2`` is the spectral norm for some readers."""
    told = matcalc.derive(r"\frac12 \|XW - Y\|_2^2", "W", declare="X: n×d; W: d×k; Y: n×k")
    assert any("Frobenius" in note for note in told.notes)
    for text in (r"\|Ax - b\|_2^2", r"\|X\|_F^2 + \|x\|_1"):
        assert not any("Frobenius" in note for note in matcalc.derive(text, "x", declare="x: n; X: n×n").notes)


def test_a_delta_on_the_right_is_a_name() -> None:
    (chain,) = read_chains(r"\frac{\partial L}{\partial W} = \delta x^T")
    assert [s.text for s in chain.sides] == ["grad(L, W)", "delta*x'"]
    (chain,) = read_chains(r"\delta f = x^T A\,\delta x")
    assert [s.text for s in chain.sides] == ["d(f)", "x'*A*d(x)"]


def test_an_expectation_is_no_matrix() -> None:
    with pytest.raises(ParseError, match="not known"):
        latex_tree(r"\mathbb{E}[x]")


def test_what_is_minimised_and_second_derivatives_by_a_name_twice() -> None:
    assert [s.text for c in read_chains(r"\arg\min_x \|Ax - b\|^2") for s in c.sides] == ["norm2(A*x - b)^2"]
    assert write_plain(latex_tree(r"\nabla^2_{xx} f")).text == "hess(f, x)"


# ----------------------------------------------------------------------- round trip
def lifted(t: Term) -> Term:
    """The term with a scalar divisor before a long matrix, as the notation has it: ``1/c * A*x`` for ``A*x/c``."""
    args = [lifted(a) for a in t.args]
    if (
        t.op == "div"
        and not t.args[0].is_scalar
        and t.args[0].op in ("mul", "add", "neg", "had", "hdiv", "kron", "sumover", "prod")
    ):
        return mul(div(number(1), args[1]), args[0])
    return terms.rebuild(t, args) if args else t


def read_back(t: Term) -> Term:
    shapes, functions = names_in(t)
    return read_term(latex(t), shapes, functions=functions, shape=t.shape, latex=True)


def test_random_terms_are_read_back() -> None:
    rng = random.Random(2)
    seen: set[str] = set()
    for i in range(1200):
        t = random_term(rng, random_shape(rng), rng.choice((2, 3, 4)), tangents=i % 3 == 0)
        if any(s.op == "div" and all(a.tangent for a in s.args) for s in terms.subterms(t)):
            continue  # a quotient of differentials is the sign of a derivative
        seen |= {s.op for s in terms.subterms(t)}
        assert lifted(read_back(t)) is lifted(t), latex(t)
    assert seen >= ALL - {"commutation", "kron", "unvec", "jac", "hess"}


STEP = element("h", dim("t") - 1, shape("n"))
SUMMED = bind(
    "sumover",
    "t",
    dim(1),
    dim("N"),
    terms.power(terms.make("norm2", terms.sub(element("h", "t", shape("n")), terms.symbol("x", "n"))), 2),
)


@pytest.mark.parametrize("term", [STEP, SUMMED], ids=str)
def test_families_are_read_back(term: Term) -> None:
    known = {"h": Symbol("h", shape("n"), index="t"), "x": shape("n"), "s": Symbol("s", shape("t", "N"))}
    assert read_term(latex(term), known, latex=True) is term


def test_names_are_read_back() -> None:
    for name in (
        "W1",
        "W_1",
        "x_max",
        "lambda",
        "λ",
        "eps",
        "epsilon",
        "Xhat",
        "X_hat",
        "mu_k",
        "long_name_1",
        "T",
        "d",
        "e",
        "I",
        "pos_A",
    ):
        x = terms.symbol(name, "n", "n")
        assert read_term(latex(x), {name: x.shape}, latex=True) is x


# ------------------------------------------------------------------------ known names
def test_known_names_decide() -> None:
    table = {
        "W1": shape("m", "n"),
        "T": SCALAR,
        "gamma": SCALAR,
        "A": shape("m", "n"),
        "x": Symbol("x", shape("n"), index="i"),
        "AB": shape("n", "n"),
        "tr": SCALAR,
    }
    known = known_of(table, {"K": Function("K", "value", SCALAR), "B": Function("B", "elementwise")})
    assert plain(r"W_1", known) == "W1"
    assert plain(r"A^T + \gamma^T", known) == "A' + gamma^T"  # a known number T is an exponent of a number
    assert plain(r"x_3 + x_k", known) == "x[3] + x[k]"
    assert plain(r"ABA^T", known) == "AB*A'"
    assert plain(r"K(A + W_1) + B(A)", known) == "K(A + W1) + B(A)"
    assert plain(r"\mathrm{tr} A", known) == "tr*A"
    assert plain(r"dA + d(A)", known) == "d(A) + d(A)"
    assert plain(r"d A + dA", known_of({"d": SCALAR, "A": SCALAR}, differentials=False)) == "d*A + d*A"
    assert plain(r"\nabla A^T A", known_of(table, variable="A")) == "grad(A'*A, A)"


def test_the_text_tells_about_its_letters() -> None:
    assert plain(r"u(x) + W u") == "u*x + W*u"  # u stands alone elsewhere: it is a variable
    assert plain(r"A(x)") == "A(x)"
    assert plain(r"A(x) + A") == "A*x + A"
    assert plain(r"h_t + W h_{t-1}") == "h[t] + W*h[t - 1]"
    assert plain(r"h_t + W h") == "h_t + W*h"
    assert plain(r"\delta^{l} \odot z^{l+1}") == "delta[l].*z[l + 1]"


# ------------------------------------------------------------------------------ macros
def test_definitions_are_expanded() -> None:
    text = r"""\newcommand{\R}{\mathbb{R}} \newcommand{\v}[1]{\mathbf{#1}}
    \newcommand{\p}[2][2]{#2^{#1}} \def\t#1{#1^\top}
    \DeclareMathOperator{\trace}{tr} \DeclarePairedDelimiter\len{\lVert}{\rVert} \let\w\omega
    \trace(\t{\v A} X) + \len*{\v x}^2 + \len[\big]{y} + \p{z} + \p[3]{z} + \w"""
    assert plain(text) == "tr(A'*X) + norm2(x)^2 + norm2(y) + z^2 + z^3 + omega"


def test_an_error_in_a_macro_points_at_its_use() -> None:
    text = r"\newcommand{\bad}{\foo} x + \bad"
    with pytest.raises(ParseError) as caught:
        latex_tree(text)
    assert caught.value.span is not None
    assert text[slice(*caught.value.span)] == r"\bad"


# ------------------------------------------------------------------------------ chains
def told(chains: list[Chain]) -> list[str]:
    return [" ".join(f"{s.relation} {s.text}".strip() for s in c.sides) for c in chains]


def test_rows_and_relations() -> None:
    text = r"""\begin{align*} \nabla f &= \nabla \|A x - b\|^2 \label{a} \\
      &\approx 2A^T(Ax - b) \tag{1} \\ &\quad + c \\
      L &= \frac{\partial L}{\partial W} \end{align*}"""
    assert told(read_chains(text)) == ["grad(f) = grad(norm2(A*x - b)^2) approx 2*A'*(A*x - b) + c", "L = grad(L, W)"]


def test_eqnarray_and_several_equations() -> None:
    assert told(read_chains(r"\begin{eqnarray} y & = & W x \\ & = & z \end{eqnarray}")) == ["y = W*x = z"]
    text = r"v = \sigma(u), \quad t = b + W^T v \quad (2)"
    assert told(read_chains(text)) == ["v = sigma(u)", "t = b + W'*v"]
    assert told(read_chains(r"W \leftarrow W - \eta G \text{ for } i = 1, \dots, n")) == ["W gets W - eta*G"]
    assert told(read_chains(r"f = \|R\|^2 \text{ where } R = Ax - b")) == ["f = norm2(R)^2", "R = A*x - b"]
    assert [c.word for c in read_chains(r"f = \|R\|^2 \text{ where } R = Ax - b")] == ["", "where"]


def test_lines_and_continuations() -> None:
    chains = read_chains("= 2A^T(Ax - b) \n x = \\mathbf{y} \n = z", lines=True)
    assert [c.continues for c in chains] == [True, False]
    assert told(chains) == ["= 2*A'*(A*x - b)", "x = y = z"]


def test_one_bad_side_does_not_hide_the_others() -> None:
    (chain,) = read_chains(r"f = \foo = x^Tx")
    assert [s.text for s in chain.sides] == ["f", None, "x'*x"]
    assert chain.sides[1].error is not None and chain.sides[1].error.message == r"the command \foo is not known"


# ---------------------------------------------------------------------------- problems
PROBLEMS = [
    (r"\frac{1}{2}\|A\mathbf{x}-\mathbf{b}\|_2^2 + \frac{\lambda}{2}\|x\|^2",
     "1/2*norm2(A*x - b)^2 + lambda/2*norm2(x)^2"),
    (r"R = AX - B \\ \|R\|_F^2", "R = A*X - B; normF(R)^2"),
    (r"\|R\|_F^2 \text{ where } R = AX - B", "R = A*X - B; normF(R)^2"),
    (r"f(W) = l(\mathbf{b}_2 + W^T \sigma(W\mathbf{x} + \mathbf{b}_1))", "f = l(b_2 + W'*sigma(W*x + b_1))"),
    ("A : m×n\nR = A x - b\n$\\|R\\|_2^2$", "A : m×n; R = A*x - b; norm2(R)^2"),
    (r"A \in \mathbb{R}^{p \times q}, \|A x\|^2", "A : p×q; norm2(A*x)^2"),
    (r"\min_{W} \frac{1}{2n}\|XW - Y\|_F^2", "1/(2*n)*normF(X*W - Y)^2"),
    (r"\nabla_x (x^T A x)", "derive x'*A*x wrt x"),
    (r"\sum_{i=1}^n (y_i - w^Tx_i)^2", "sum(i in 1..n, (y[i] - w'*x[i])^2)"),
    (r"|X^TX|\, + |y^Ty|", "det(X'*X) + abs(y'*y)"),
    (r"-\log(\mathbf{y}^T \mathbf{p}) + \lambda \sum_{i=1}^k ||W_i||^2",
     "-log(y'*p) + lambda*sum(i in 1..k, norm2(W[i])^2)"),
    (r"w^T\begin{cases} x & x > 0 \\ 0 & x \le 0 \end{cases}", "w'*where((x > 0), x, 0)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "same"), PROBLEMS, ids=[p[1][:40] for p in PROBLEMS])
def test_problems(text: str, same: str) -> None:
    found, wanted = read_problem(text), parse_problem(same)
    assert found.objective is wanted.objective
    assert [d.term for d in found.definitions] == [d.term for d in wanted.definitions]
    assert found.wrt == wanted.wrt


def test_declarations_reach_the_reader() -> None:
    found = read_problem(r"\|W_1 x_t\|^2", {"W1": "m×n", "x[t]": "n"})
    assert found.symbols.keys() == {"W1", "x"}
    assert matcalc.derive(r"\lambda x^Tx", wrt="λ").answers.keys() == {"λ"}
    assert read_problem(r"X \in \mathbb{R}^{a \times b}, \|X\|_F", {"X": "m×n"}).symbols["X"].shape == shape("m", "n")


def test_errors_of_shapes_point_into_the_latex() -> None:
    text = r"\operatorname{tr}(A X + \mathbf{b})"
    with pytest.raises(ShapeError, match="do not fit") as caught:
        read_problem(text)
    assert caught.value.source == text and caught.value.span is not None
    assert text[slice(*caught.value.span)] == "b"
    with pytest.raises(MatcalcError, match="unknown name 'z'") as caught:
        read_term(r"2A^\top z", {"A": shape("m", "n")})
    assert caught.value.render().splitlines()[1:3] == [r"  2A^\top z", "          ^"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (r"\|x\|^2 \le c", "relation"),
        (r"f = \|x\|^2 = x^Tx", "one expression"),
        (r"\frac{\partial f}{\partial x} = x", "only a name"),
        (r"$$", "no expression"),
    ],
)
def test_what_is_no_problem(text: str, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        read_problem(text)


# ---------------------------------------------------------------------------- outside
def test_the_text_switches_latex_on() -> None:
    assert is_latex(r"\frac{1}{2}") and is_latex("$x^T x$")
    assert not is_latex("norm2(A*x - b)^2  # see \\cite{x}")
    assert str(matcalc.derive(r"\|A x - b\|_2^2", wrt="x").answer) == "2*A'*(A*x - b)"
    assert matcalc.parse("x^T A x", latex=True).objective is parse_problem("x'*A*x").objective
    with pytest.raises(ParseError):
        matcalc.parse(r"\|x\|", latex=False)


def test_what_is_printed_is_read_as_an_answer() -> None:
    d = matcalc.derive("log(sum(exp(A*x))) + lambda*normF(A)^2", wrt=["x", "A"])
    for t in d.answers.values():
        assert read_term(latex(t), d.problem, shape=t.shape) is t
        assert parse_expression(str(t), d.problem, shape=t.shape) is t


def test_the_command_line(matcalc: Run) -> None:
    done = matcalc("derive", r"\|A x - b\|_2^2", "--wrt", "x", "--steps", "none")
    assert done.returncode == 0 and "2*A'*(A*x - b)" in done.stdout
    done = matcalc("derive", "x^T A x", "--wrt", "x", "--latex", "--no-verify")
    assert done.returncode == 0 and "(A + A')*x" in done.stdout
    done = matcalc("derive", r"\operatorname{tr}(A X + \foo)", "--wrt", "X")
    assert done.returncode == 2 and r"the command \foo is not known" in done.stderr


# --------------------------------------------------------------------------- bad input
def hostile() -> Iterator[str]:
    for opened, closed in (
        ("(", ")"),
        (r"\left(", r"\right)"),
        ("{", "}"),
        (r"\frac{", "}{2}"),
        (r"\sqrt{", "}"),
        (r"\hat{", "}"),
        (r"\mathbf{", "}"),
        (r"\norm{", "}"),
        ("x^{", "}"),
        ("x_{", "}"),
    ):
        yield r"\alpha " + opened * 3000 + "x" + closed * 3000
        yield r"\alpha " + opened * 3000
    for repeated in (
        r"\|",
        "-",
        "^2",
        "'",
        r"\sum_{i=1}^n ",
        "+x",
        " x",
        r"\quad x",
        r"\\ x",
        "=",
        "= x",
        "f(x)",
        "f(x",
        "[(x",
        r"\nabla",
        r"\partial",
        r"\mathrm{d}",
        r"\log ",
        r"\operatorname{tr} ",
        r"\langle ",
        r"\mathbf{1}_{",
        r"\begin{align}",
        r"\end{align}",
        r"\begin{cases}",
        r"\def\a{x}",
        "x/",
    ):
        yield r"\alpha " + repeated * 3000
    yield (
        r"\newcommand{\a}{\b\b\b\b\b\b\b\b}\newcommand{\b}{\c\c\c\c\c\c\c\c}"
        r"\newcommand{\c}{\d\d\d\d\d\d\d\d}\newcommand{\d}{xxxxxxxxxxxxxx}\a\a\a"
    )
    yield r"\def\a#1{\a{#1#1}}\a{x}"
    yield r"\alpha " * 150_000


def test_hostile_input_ends_soon() -> None:
    for text in hostile():
        for read in (read_problem, read_chains):
            begun = time.process_time()
            try:
                read(text)
            except MatcalcError as error:
                assert error.render()
            assert time.process_time() - begun < 2, text[:40]


def test_a_subscript_behind_a_transpose_belongs_to_the_name() -> None:
    assert str(read_problem(r"x^\top_1 y").objective) == "x_1'*y"
    assert str(read_problem(r"\sum_{i=1}^n x^\top_i A x_i").objective) == "sum(i in 1..n, x[i]'*A*x[i])"
    assert str(read_problem(r"A^\top_{ij}").objective) == "A'[i,j]"


def test_terms_with_the_index_behind_a_sum_are_under_it() -> None:
    declared = {"y": "n", "q": "n"}
    found = read_problem(r"-\sum_i y_i \log q_i + (1 - y_i) \log(1 - q_i)", declared).objective
    assert str(found) == "-sum(i in 1..n, y[i]*log(q[i]) + (1 - y[i])*log(1 - q[i]))"
    apart = read_problem(r"\sum_{i=1}^n q_i y_i + \lambda q_1 + \sum_{i=1}^n y_i", declared).objective
    assert str(apart) == "sum(i in 1..n, q[i]*y[i]) + lambda*q[1] + sum(i in 1..n, y[i])"
