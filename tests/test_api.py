"""The Python interface."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sympy

import matcalc
from matcalc import verify
from matcalc.interop.from_sympy import from_sympy
from matcalc.interop.to_sympy import to_sympy
from matcalc.language.elaborate import parse_problem
from matcalc.language.terms import mul, number, symbol
from matcalc.report import FORMATS

LEAST_SQUARES = "norm2(A*x - b)^2"
ANSWER = "2*A'*(A*x - b)"


@pytest.fixture(scope="module")
def least_squares() -> matcalc.Derivation:
    return matcalc.derive(LEAST_SQUARES, wrt="x", declare={"A": "m×n", "b": "m"})


# ------------------------------------------------------------------ what a derivation tells
def test_the_contract(least_squares: matcalc.Derivation) -> None:
    d = least_squares
    assert str(d.answer) == ANSWER
    assert list(d.answers) == ["x"] and d.answers["x"] is d.answer
    assert d.answer.unicode() == "2·Aᵀ·(A·x − b)"
    assert d.answer.latex() == r"2 A^{\top} \left(A x - b\right)"
    assert all(s.rule and s.reason and s.before is not None for s in d.steps)
    assert d.steps[-1].after is d.answer
    assert d.certificate.status == "verified"
    assert d.certificate.worst_error < 1e-9
    assert (d.certificate.seed, d.certificate.method) == (0, "complex step")
    assert d.certificate.points == len(d.certificate.shapes)
    assert d.operations == {
        **dict.fromkeys(("inverse", "hadamard", "function"), 0),
        **dict.fromkeys(("transpose", "sum"), 1),
        "product": 3,
        "total": 5,
    }


def test_code_and_the_loaded_module(least_squares: matcalc.Derivation) -> None:
    assert "import numpy" in least_squares.code()
    rng = np.random.default_rng(1)
    a, x, b = rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=4)
    value, gradient = least_squares.compile().value_and_grad(A=a, x=x, b=b)
    np.testing.assert_allclose(value, np.sum((a @ x - b) ** 2))
    np.testing.assert_allclose(gradient, 2 * a.T @ (a @ x - b))


def test_several_variables() -> None:
    d = matcalc.derive("normF(X - U*V')^2", wrt=["U", "V"])
    assert list(d.answers) == ["U", "V"]
    assert set(d.labels.values()) == {"grad(f, U)", "grad(f, V)"}
    assert d.certificate.status == "verified"


def test_names_in_one_text_are_several_variables() -> None:
    assert list(matcalc.derive("x'*A*y", wrt="x, y").answers) == ["x", "y"]


@pytest.mark.parametrize("seed", [-1, "a", 0.5, None])
def test_a_seed_is_a_number_that_is_not_negative(seed: object) -> None:
    with pytest.raises(matcalc.MatcalcError, match="seed"):
        matcalc.derive("x'*x", wrt="x", seed=seed)  # type: ignore[arg-type]


def test_what_a_prompt_shows_is_one_line(least_squares: matcalc.Derivation) -> None:
    assert repr(least_squares) == f"<Derivation grad(f, x) = {ANSWER} (verified)>"
    assert repr(least_squares.problem) == f"<Problem {LEAST_SQUARES!r}>"


@pytest.mark.parametrize(("shape", "rows"), [(("m", "n"), "m"), ((3,), "3"), (("n", 1), "n"), (4, "4")])
def test_a_shape_may_be_a_tuple_or_a_number(shape: object, rows: str) -> None:
    problem = matcalc.parse("X", declare={"X": shape})  # type: ignore[dict-item]
    assert str(problem.symbols["X"].shape.rows) == rows


def test_a_parsed_problem_is_a_problem() -> None:
    problem = matcalc.parse(LEAST_SQUARES, declare="A : m×n; b : m")
    assert problem.symbols["A"].assumed is False
    assert str(matcalc.derive(problem, wrt="x").answer) == ANSWER
    with pytest.raises(matcalc.MatcalcError):
        matcalc.derive(problem, wrt="x", declare="A : k×n")


@pytest.mark.parametrize("declare", [{"S": "n×n symmetric"}, ["S : n×n symmetric"], "S : n×n symmetric; x : n"])
def test_declarations_come_in_three_forms(declare: object) -> None:
    assert str(matcalc.derive("x'*S*x", wrt="x", declare=declare).answer) == "2*S*x"  # type: ignore[arg-type]


def test_seeds_change_the_points_and_not_the_answer() -> None:
    one, two = (matcalc.derive("x'*A*x", wrt="x", seed=seed) for seed in (1, 2))
    assert one.answer is two.answer
    assert (one.certificate.seed, two.certificate.seed) == (1, 2)
    assert (
        one.certificate.worst_error != two.certificate.worst_error or one.certificate.shapes != two.certificate.shapes
    )


def test_verification_can_be_left_out() -> None:
    d = matcalc.derive(LEAST_SQUARES, wrt="x", verify=False)
    assert d.certificate.status == "skipped"
    assert "not verified" in d.report()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("steps", ["none", "brief", "full"])
def test_reports(least_squares: matcalc.Derivation, form: str, steps: str) -> None:
    assert least_squares.report(form, steps).endswith(("\n", "}"))


def test_a_notebook_shows_formulas(least_squares: matcalc.Derivation) -> None:
    assert least_squares._repr_latex_().startswith("$\\displaystyle \\nabla_{x} f = 2 A^{\\top}")
    assert "<math" in least_squares._repr_html_()
    assert least_squares.answer._repr_latex_() == r"$\displaystyle 2 A^{\top} \left(A x - b\right)$"


def test_the_brief_report_ends_with_the_answer(least_squares: matcalc.Derivation) -> None:
    from matcalc.report.telling import lines

    for steps in ("brief", "full"):
        top = [line for line in lines(least_squares.steps_of("x"), steps) if line.depth == 0]
        assert top[-1].term is least_squares.answer


# ------------------------------------------------------------------ errors
@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        ("norm2(A*x - b", matcalc.ParseError),
        ("nrom2(x)", matcalc.ParseError),
        ("norm2(A*A*x)", matcalc.ShapeError),
    ],
)
def test_errors_point_into_the_text(problem: str, kind: type[matcalc.MatcalcError]) -> None:
    with pytest.raises(kind) as caught:
        matcalc.derive(problem, wrt="x", declare={"A": "m×n"})
    assert isinstance(caught.value, matcalc.MatcalcError)
    assert caught.value.span is not None
    assert "^" in caught.value.render()


def test_what_is_not_a_problem() -> None:
    with pytest.raises(TypeError):
        matcalc.derive(7, wrt="x")
    with pytest.raises(matcalc.MatcalcError):
        matcalc.derive("x'*x", wrt="z")
    with pytest.raises(matcalc.MatcalcError):
        matcalc.derive("x'*x", wrt="x", method="guess")


def test_names_of_the_package() -> None:
    assert set(matcalc.__all__) <= set(dir(matcalc))
    for name in matcalc.__all__:
        assert getattr(matcalc, name) is not None
    with pytest.raises(AttributeError):
        _ = matcalc.no_such_name


# ------------------------------------------------------------------ a derivation that is wrong
def test_a_wrong_answer_is_never_returned(least_squares: matcalc.Derivation) -> None:
    """Every line of a derivation, changed in turn, is caught."""
    steps = least_squares.lines["x"]
    wrong = replace(steps[-1], after=symbol("x", "n"))
    with pytest.raises(matcalc.FailedCertificate) as caught:
        verify.verified(replace(least_squares, lines={"x": (*steps[:-1], wrong)}))
    assert "report" in caught.value.render()
    for i, step in enumerate(steps[1:-1], 1):
        doubled = replace(step, after=mul(number(2), step.after), substeps=())
        with pytest.raises(matcalc.FailedCertificate) as caught:
            verify.verified(replace(least_squares, lines={"x": (*steps[:i], doubled, *steps[i + 1 :])}))
        assert str(step.before) in str(caught.value)


def test_a_wrong_answer_ends_the_program_with_1(environment: dict[str, str], tmp_path: Path) -> None:
    """The deriver made wrong on purpose: the program prints no answer and exits 1."""
    (tmp_path / "broken.py").write_text(
        "import sys\n"
        "from dataclasses import replace\n"
        "from matcalc.calculus import derive as calculus\n"
        "from matcalc.cli import main\n"
        "from matcalc.language.terms import mul, number\n"
        "honest = calculus.derive\n"
        "def derive(*args):\n"
        "    told = honest(*args)\n"
        "    last = told.lines['x'][-1]\n"
        "    wrong = replace(last, after=mul(number(3), last.after))\n"
        "    return replace(told, lines={'x': (*told.lines['x'][:-1], wrong)})\n"
        "calculus.derive = derive\n"
        "sys.exit(main(['derive', \"x'*A*x\", '--wrt', 'x', *sys.argv[1:]]))\n",
        encoding="utf-8",
    )
    run = [sys.executable, str(tmp_path / "broken.py")]
    done = subprocess.run(run, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ") and "report" in done.stderr
    output = tmp_path / "out.txt"
    done = subprocess.run(
        [*run, "--output", str(output)], capture_output=True, env=environment, timeout=60, check=False
    )
    assert done.returncode == 1
    assert not output.exists()


# ------------------------------------------------------------------ SymPy
m, n = sympy.symbols("m n", integer=True)
A, X = sympy.MatrixSymbol("A", m, n), sympy.MatrixSymbol("X", m, n)
S, C = sympy.MatrixSymbol("S", n, n), sympy.MatrixSymbol("C", n, n)
x, y = sympy.MatrixSymbol("x", n, 1), sympy.MatrixSymbol("y", n, 1)
c, t = sympy.Symbol("c"), sympy.Symbol("t", positive=True)

EXPRESSIONS = [
    A * x,
    x.T * S * x,
    2 * A - 3 * X,
    -A.T,
    c * sympy.Trace(A.T * X) / 3,
    sympy.Trace(S) / t,
    sympy.log(sympy.Determinant(S)),
    S.inverse() * C,
    S**3,
    sympy.HadamardProduct(A, X),
    sympy.KroneckerProduct(A, S),
    A.applyfunc(sympy.exp),
    sympy.Identity(n) + S,
    sympy.OneMatrix(n, 1).T * x,
    sympy.DiagMatrix(x) * y,
    c**2 + sympy.sqrt(t) + sympy.exp(-c) + sympy.sin(c) * sympy.tanh(t),
    sympy.Rational(3, 4) * c,
]


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_there_and_back(expression: sympy.Basic) -> None:
    """A term goes to SymPy and comes back as a term of the same value at explicit matrices."""
    term = from_sympy(expression)
    again = to_sympy(term)
    sizes = {m: 3, n: 2}
    rng = np.random.default_rng(3)
    values: dict[sympy.Basic, sympy.Basic] = {c: sympy.Rational(3, 2), t: sympy.Rational(1, 4)}
    values |= {s: sympy.Matrix(rng.integers(1, 5, _at(s.shape, sizes)).tolist()) for s in (A, X, S, C, x, y)}
    values[S] += 9 * sympy.eye(2)  # a positive determinant
    one, two = (_number(e, sizes, values) for e in (expression, again))
    np.testing.assert_allclose(one.ravel(), two.ravel(), rtol=1e-12)


def _at(shape: tuple[sympy.Basic, ...], sizes: dict[sympy.Basic, int]) -> tuple[int, ...]:
    return tuple(int(d.subs(sizes)) for d in shape)


def _number(e: sympy.Basic, sizes: dict[sympy.Basic, int], values: dict[sympy.Basic, sympy.Basic]) -> np.ndarray:
    plain = e.subs({sympy.Symbol(d.name): d for d in sizes}).subs({sympy.Symbol("t"): t})
    names = {s.name: v for s, v in values.items()}
    for s in sorted(plain.atoms(sympy.MatrixSymbol), key=str):
        plain = plain.subs(s, sympy.ImmutableMatrix(names[s.name]))
    plain = plain.subs(sizes).subs({k: v for k, v in values.items() if k.is_Symbol and not k.is_Matrix})
    done = plain.doit()
    done = done.as_explicit() if hasattr(done, "as_explicit") else done
    return np.array(sympy.Matrix([done]) if not hasattr(done, "shape") else done, dtype=float)


def test_a_sympy_expression_is_a_problem() -> None:
    d = matcalc.derive((A * x).T * (A * x), wrt=x)
    assert str(d.answer) == "2*A'*A*x"
    assert str(matcalc.derive(sympy.log(sympy.Determinant(S)), wrt=[S]).answer) == "inv(S)'"


def test_an_explicit_sympy_matrix_is_refused_by_name() -> None:
    with pytest.raises(matcalc.CannotDerive, match="Matrix"):
        matcalc.derive(sympy.Matrix([1, 2]), wrt="x")


def test_what_sympy_means_differently_is_refused() -> None:
    square = sympy.MatrixSymbol("S", 2, 2)
    for foreign in (sympy.exp(square), sympy.Matrix([[1, 2]]), sympy.Sum(c, (c, 1, n))):
        with pytest.raises(matcalc.CannotDerive):
            from_sympy(foreign)


def test_an_answer_goes_to_sympy() -> None:
    term = parse_problem(LEAST_SQUARES).objective
    assert to_sympy(term).free_symbols
