"""Terms in the three notations: what they look like, and that plain text is read back as the same term."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from random_terms import ALL, names_in, random_shape, random_term

from matcalc.language import terms
from matcalc.language.binders import bind
from matcalc.language.dims import ONE, SCALAR, IndexedName, dim, shape
from matcalc.language.elaborate import parse_expression, parse_problem
from matcalc.language.latex import name_latex
from matcalc.language.ops import OPS
from matcalc.language.printing import latex, text, unicode
from matcalc.language.problem import Symbol
from matcalc.language.selections import entry
from matcalc.language.terms import (
    Term,
    add,
    commutation,
    constant,
    decimal,
    differential,
    div,
    element,
    eye,
    fn,
    had,
    hdiv,
    hpower,
    inner,
    make,
    mul,
    neg,
    number,
    ones,
    power,
    size,
    sub,
    symbol,
    transpose,
    unit,
    zeros,
)

A, B = symbol("A", "m", "n"), symbol("B", "m", "n")
X, S = symbol("X", "n", "n"), symbol("S", "n", "n")
x, y, z = symbol("x", "n"), symbol("y", "n"), symbol("z", "k")
b, r = symbol("b", "m"), symbol("r", "m")
c, s, lam = symbol("c"), symbol("s"), symbol("lambda")
T = transpose
inv = lambda t: make("inv", t)  # noqa: E731
norm2 = lambda t: make("norm2", t)  # noqa: E731
half = div(number(1), number(2))
step = element("h", dim("t") - 1, shape("n"))
summed = bind("sumover", "t", dim(1), dim("N"), power(norm2(sub(element("h", "t", shape("n")), x)), 2))
double = bind(
    "sumover",
    "p",
    dim(1),
    dim("N"),
    bind("sumover", "q", dim(1), dim("p"), mul(element("g", "p", SCALAR), element("g", "q", SCALAR))),
)

# term, plain text, Unicode, LaTeX
LOOKS: list[tuple[Term, str, str, str]] = [
    (
        mul(number(2), T(A), sub(mul(A, x), b)),
        "2*A'*(A*x - b)",
        "2·Aᵀ·(A·x − b)",
        r"2 A^{\top} \left(A x - b\right)",
    ),
    (had(mul(A, x), b), "(A*x).*b", "(A·x)⊙b", r"\left(A x\right) \odot b"),
    (mul(number(2), had(b, r)), "2*(b.*r)", "2·(b⊙r)", r"2 \left(b \odot r\right)"),
    (neg(add(b, r)), "-(b + r)", "−(b + r)", r"-\left(b + r\right)"),
    (add(neg(b), r), "-b + r", "−b + r", "-b + r"),
    (sub(b, neg(r)), "b - (-r)", "b − (−r)", r"b - \left(-r\right)"),
    (sub(b, add(b, r)), "b - (b + r)", "b − (b + r)", r"b - \left(b + r\right)"),
    (neg(neg(b)), "-(-b)", "−(−b)", r"-\left(-b\right)"),
    (mul(neg(c), b), "(-c)*b", "(−c)·b", r"\left(-c\right) b"),
    (neg(mul(c, b)), "-c*b", "−c·b", "-c b"),
    (div(x, mul(c, s)), "x/(c*s)", "x/(c·s)", r"\frac{x}{c s}"),
    (div(mul(c, s), s), "c*s/s", "c·s/s", r"\frac{c s}{s}"),
    (div(mul(A, x), s), "A*x/s", "A·x/s", r"\frac{1}{s} A x"),
    (div(div(c, s), c), "c/s/c", "c/s/c", r"\frac{\frac{c}{s}}{c}"),
    (div(c, div(s, c)), "c/(s/c)", "c/(s/c)", r"\frac{c}{\frac{s}{c}}"),
    (mul(half, X), "1/2*X", "1/2·X", r"\frac{1}{2} X"),
    (mul(X, half), "X*(1/2)", "X·(1/2)", r"X \frac{1}{2}"),
    (mul(number(2), number(3), c), "2*3*c", "2·3·c", r"2 \cdot 3 c"),
    (div(neg(c), s), "(-c)/s", "(−c)/s", r"\frac{-c}{s}"),
    (div(had(x, y), c), "(x.*y)/c", "(x⊙y)/c", r"\frac{1}{c} \left(x \odot y\right)"),
    (hdiv(number(1), x), "1./x", "1⊘x", r"1 \oslash x"),
    (hdiv(had(x, y), x), "x.*y./x", "x⊙y⊘x", r"\left(x \odot y\right) \oslash x"),
    (had(x, hdiv(y, x)), "x.*(y./x)", "x⊙(y⊘x)", r"x \odot \left(y \oslash x\right)"),
    (mul(mul(T(x), y), z), "(x'*y)*z", "(xᵀ·y)·z", r"\left(x^{\top} y\right) z"),
    (mul(c, mul(mul(T(x), y), z)), "c*(x'*y)*z", "c·(xᵀ·y)·z", r"c \left(x^{\top} y\right) z"),
    (mul(z, T(x), y), "z*x'*y", "z·xᵀ·y", r"z x^{\top} y"),
    (T(inv(X)), "inv(X)'", "X⁻ᵀ", r"X^{-\top}"),
    (inv(T(X)), "inv(X')", "(Xᵀ)⁻¹", r"\left(X^{\top}\right)^{-1}"),
    (inv(mul(X, S)), "inv(X*S)", "(X·S)⁻¹", r"\left(X S\right)^{-1}"),
    (power(inv(X), 2), "inv(X)^2", "(X⁻¹)²", r"\left(X^{-1}\right)^2"),
    (T(mul(A, x)), "(A*x)'", "(A·x)ᵀ", r"\left(A x\right)^{\top}"),
    (T(T(A)), "A''", "Aᵀᵀ", r"\left(A^{\top}\right)^{\top}"),
    (power(norm2(x), 2), "norm2(x)^2", "‖x‖₂²", r"\lVert x \rVert_2^2"),
    (make("normF", A), "normF(A)", "‖A‖_F", r"\lVert A \rVert_F"),
    (make("norm1", A), "norm1(A)", "‖A‖₁", r"\lVert A \rVert_1"),
    (power(power(c, 2), s), "(c^2)^s", "(c²)^s", r"\left(c^2\right)^{s}"),
    (power(neg(c), 2), "(-c)^2", "(−c)²", r"\left(-c\right)^2"),
    (neg(power(c, 2)), "-c^2", "−c²", "-c^2"),
    (power(c, neg(number(2))), "c^(-2)", "c⁻²", "c^{-2}"),
    (power(c, half), "c^(1/2)", "c^(1/2)", r"c^{\frac{1}{2}}"),
    (power(c, T(s)), "c^(s')", "c^(sᵀ)", r"c^{s^{\top}}"),
    (hpower(x, 2), "x.^2", "x.^2", r"x^{\odot 2}"),
    (power(T(X), 2), "X'^2", "(Xᵀ)²", r"\left(X^{\top}\right)^2"),
    (T(hpower(x, 2)), "(x.^2)'", "(x.^2)ᵀ", r"\left(x^{\odot 2}\right)^{\top}"),
    (decimal(Fraction(1, 20)), "0.05", "0.05", "0.05"),
    (number(Fraction(-3, 2)), "-3/2", "−3/2", r"-\frac{3}{2}"),
    (constant("pi"), "pi", "π", r"\pi"),
    (constant("e"), "e", "e", r"\mathrm{e}"),
    (size(dim("m") * 2 - 1), "2*m - 1", "2·m − 1", "2 m - 1"),
    (mul(lam, x), "lambda*x", "λ·x", r"\lambda x"),
    (eye("n"), "eye(n)", "eye(n)", "I_{n}"),
    (ones("n"), "ones(n)", "ones(n)", r"\mathbf{1}_{n}"),
    (ones("m", "n"), "ones(m, n)", "ones(m, n)", r"\mathbf{1}_{m \times n}"),
    (zeros("m", "n"), "zeros(m, n)", "zeros(m, n)", r"\mathbf{0}_{m \times n}"),
    (unit("i", "n"), "unit(i, n)", "unit(i, n)", r"\mathrm{e}_{i, n}"),
    (entry(A, dim("i"), dim("j")), "A[i,j]", "A[i,j]", "A_{i, j}"),
    (entry(A, dim("i"), None), "A[i,:]", "A[i,:]", "A_{i, :}"),
    (transpose(entry(A, None, dim(2))), "A[:,2]'", "A[:,2]ᵀ", r"A_{:, 2}^{\top}"),
    (commutation("m", "n"), "commutation(m, n)", "commutation(m, n)", "K_{m, n}"),
    (inner(A, B), "inner(A, B)", "⟨A, B⟩", r"\left\langle A, B \right\rangle"),
    (make("kron", A, B, A), "kron(A, B, A)", "kron(A, B, A)", r"A \otimes B \otimes A"),
    (make("tr", X), "tr(X)", "tr(X)", r"\operatorname{tr}\left(X\right)"),
    (make("det", X), "det(X)", "det(X)", r"\det\left(X\right)"),
    (make("logdet", X), "logdet(X)", "logdet(X)", r"\log \left\lvert \det X \right\rvert"),
    (make("diag", x), "diag(x)", "diag(x)", r"\operatorname{diag}\left(x\right)"),
    (make("diagvec", X), "diag(X)", "diag(X)", r"\operatorname{diag}\left(X\right)"),
    (
        make("unvec", make("vec", A), data=(dim("m"), dim("n"))),
        "unvec(vec(A), m, n)",
        "unvec(vec(A), m, n)",
        r"\operatorname{vec}_{m \times n}^{-1}\left(\operatorname{vec}\left(A\right)\right)",
    ),
    (make("stop", x), "stop(x)", "stop(x)", r"\operatorname{stop}\left(x\right)"),
    (make("softmax", x), "softmax(x)", "softmax(x)", r"\operatorname{softmax}\left(x\right)"),
    (fn("exp", x), "exp(x)", "exp(x)", r"\exp\left(x\right)"),
    (fn("sigmoid", x), "sigmoid(x)", "σ(x)", r"\sigma\left(x\right)"),
    (fn("sqrt", c), "sqrt(c)", "√(c)", r"\sqrt{c}"),
    (power(fn("sqrt", c), 3), "sqrt(c)^3", "√(c)³", r"\left(\sqrt{c}\right)^3"),
    (fn("abs", c), "abs(c)", "abs(c)", r"\left\lvert c \right\rvert"),
    (fn("f", x, 2), "f''(x)", "f′′(x)", r"f''\left(x\right)"),
    (make("call", x, c, data=("loss", ONE, ONE)), "loss(x, c)", "loss(x, c)", r"\operatorname{loss}\left(x, c\right)"),
    (make("grad", A, data=("f", 0)), "grad(f, A)", "∇f(A)", r"\nabla f\left(A\right)"),
    (make("grad", x, c, data=("f", 1)), "grad_2(f)(x, c)", "∇₂f(x, c)", r"\nabla_{2} f\left(x, c\right)"),
    (make("jac", x, data=("u", 0, dim("m"), ONE)), "jac(u, x)", "jac(u, x)", r"J_{u}\left(x\right)"),
    (make("hess", x, data=("f", 0, 0)), "hess(f, x)", "∇²f(x)", r"\nabla^{2} f\left(x\right)"),
    (differential(A), "d(A)", "dA", r"\mathrm{d}A"),
    (T(differential(A)), "d(A)'", "dAᵀ", r"\left(\mathrm{d}A\right)^{\top}"),
    (differential(mul(A, x)), "d(A*x)", "d(A·x)", r"\mathrm{d}\left(A x\right)"),
    (step, "h[t-1]", "h[t−1]", "h_{t - 1}"),
    (
        summed,
        "sum(i in 1..N, norm2(h[i] - x)^2)",
        "sum(i in 1..N, ‖h[i] − x‖₂²)",
        r"\sum_{i=1}^{N} \lVert h_{i} - x \rVert_2^2",
    ),
    (
        double,
        "sum(n in 1..N, sum(j in 1..n, g[n]*g[j]))",
        "sum(n in 1..N, sum(j in 1..n, g[n]·g[j]))",
        r"\sum_{n=1}^{N} \sum_{j=1}^{n} g_{n} g_{j}",
    ),
    (bind("stack", "i", dim(1), dim("N"), mul(size("i"), x)), "rows(i in 1..N, i*x)", "rows(i in 1..N, i·x)", ""),
]


@pytest.mark.parametrize(("term", "plain", "pretty", "tex"), LOOKS, ids=[row[1] for row in LOOKS])
def test_looks(term: Term, plain: str, pretty: str, tex: str) -> None:
    assert text(term) == plain
    assert unicode(term) == pretty
    if tex:
        assert latex(term) == tex


def test_every_operation_has_a_look() -> None:
    shown = {t.op for row in LOOKS for t in terms.subterms(row[0])}
    shown |= {"vec", "sum", "logsumexp", "prod"}  # written like their neighbours
    assert shown == OPS.keys()


def read_back(t: Term, written: str) -> Term:
    shapes, functions = names_in(t)
    return parse_expression(written, shapes, functions=functions, shape=t.shape)


@pytest.mark.parametrize("term", [row[0] for row in LOOKS if row[0] not in (step, summed, double)], ids=text)
def test_looks_are_read_back(term: Term) -> None:
    assert read_back(term, text(term)) is term


@pytest.mark.parametrize("term", [step, summed, double], ids=text)
def test_families_are_read_back(term: Term) -> None:
    known = {"h": Symbol("h", shape("n"), index="t"), "g": Symbol("g", SCALAR, index="t"), "x": shape("n")}
    known |= {f"sized_{n}": Symbol("", shape(n)) for n in ("t", "N")}
    assert parse_expression(text(term), known) is term


def test_random_terms_are_read_back() -> None:
    rng = random.Random(11)
    seen = set()
    for i in range(1200):
        t = random_term(rng, random_shape(rng), rng.choice((3, 4, 5)), tangents=i % 3 == 0)
        seen |= {s.op for s in terms.subterms(t)}
        assert read_back(t, text(t)) is t, text(t)
    assert seen >= ALL - {"commutation", "kron"}


def test_unicode_is_read_back_where_it_uses_the_signs_of_the_language() -> None:
    rng = random.Random(12)
    ops = ALL - {"grad", "hess", "inner", "const"}
    for _ in range(300):
        t = random_term(rng, random_shape(rng), 4, ops=ops, functions=("exp", "tanh", "sigmoid", "abs"))
        if not any(s.op == "fn" and s.data[0] == "sqrt" for s in terms.subterms(t)):
            assert read_back(t, unicode(t)) is t, unicode(t)


def test_latex_of_random_terms_is_balanced() -> None:
    rng = random.Random(13)
    for _ in range(400):
        written = latex(random_term(rng, random_shape(rng), 5, tangents=True))
        depth = 0
        for previous, sign in zip(" " + written, written, strict=False):
            if previous != "\\":
                depth += (sign == "{") - (sign == "}")
            assert depth >= 0
        assert depth == 0
        assert written.count(r"\left") == written.count(r"\right")


NAMES = {
    "x": "x",
    "x_1": "x_{1}",
    "W1": "W_{1}",
    "lambda": r"\lambda",
    "λ": r"\lambda",
    "eps": r"\varepsilon",
    "mu_k": r"\mu_{k}",
    "theta_2": r"\theta_{2}",
    "Xhat": r"\hat{X}",
    "ybar": r"\bar{y}",
    "x_max": r"x_{\mathrm{max}}",
    "loss": r"\mathrm{loss}",
    "long_name_1": r"\mathrm{long\_name\_1}",
    "omicron": "o",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_in_latex(name: str) -> None:
    assert name_latex(name) == NAMES[name]


def test_a_bound_index_takes_no_name_of_the_term() -> None:
    named_i = symbol("i", "n")
    body = mul(T(named_i), element("h", "t", shape("n")))
    assert text(bind("sumover", "t", dim(1), dim("N"), body)) == "sum(j in 1..N, i'*h[j])"
    outside = mul(c, bind("sumover", "t", dim(1), dim("N"), mul(element("g", "t", SCALAR), number(2))), symbol("i"))
    assert text(outside) == "c*sum(n in 1..N, g[n]*2)*i"


def test_an_indexed_size() -> None:
    d = dim(IndexedName("m", dim("i") - 1))
    assert text(ones(d)) == "ones(m[i - 1])"


def test_depth_is_no_limit() -> None:
    t = x
    for _ in range(3000):
        t = fn("sin", neg(t))
    assert text(t).count("sin") == unicode(t).count("sin") == latex(t).count(r"\sin") == 3000


def test_shared_subterms_are_written_once_per_use() -> None:
    t = x
    for _ in range(10):
        t = add(had(t, t), x)
    assert text(t).count("x") == 2047


def test_the_outer_of_two_sums_has_the_first_letter() -> None:
    given = "sum(i in 1..n, sum(j in 1..m, X[i,j]*sum(k in 1..p, Y[j,k]*Z[i,k])))"
    assert str(parse_problem(given, declare="X: n×m; Y: m×p; Z: n×p").objective) == given
