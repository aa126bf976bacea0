"""Bad, hostile and huge input ends quickly in a clear error, and errors about shapes say what would fit."""

from __future__ import annotations

import random
import subprocess
import sys
import time

import pytest

from matcalc.errors import MatcalcError, ParseError, ShapeError
from matcalc.language.elaborate import parse_expression, parse_problem

HOSTILE = {
    "empty": "",
    "blank": " \n\t\n",
    "only a comment": "# nothing",
    "separators": ";;;",
    "10,000 nested parentheses": "(" * 10_000 + "x" + ")" * 10_000,
    "10,000 open parentheses": "(" * 10_000,
    "2,000 nested parentheses": "(" * 2_000 + "x" + ")" * 2_000,
    "2,000 nested calls": "sin(" * 2_000 + "x" + ")" * 2_000,
    "2,000 minus signs": "-" * 2_000 + "x",
    "2,000 transposes": "x" + "'" * 2_000,
    "2,000 powers": "x" + "^x" * 2_000,
    "2,000 divisions": "x" + "/x" * 2_000,
    "nested indices": "a[" * 2_000 + "1" + "]" * 2_000,
    "a product of 900 factors": "x'*" + "A*" * 900 + "x",
    "an entrywise product of 900 factors": "sum(x" + ".*x" * 900 + ")",
    "1 MB": "x + " * 250_000 + "x",
    "1 MB of one name": "x" * 1_000_000,
    "1 MB of digits": "9" * 1_000_000,
    "1 MB of newlines": "\n" * 1_000_000,
    "many products that do not fit": " + ".join(f"x{i}*y{i}*z{i}" for i in range(450)),
    "variances of variances": "var(" * 50 + "x" + ")" * 50,
    "a large power": "x^10000",
    "a large matrix power": "tr(X^100)",
    "a tower": "9^9^9^9",
    "powers of powers": "(9^999)^999",
    "a power in a denominator": "x^(1/0)",
    "division by zero": "x/0",
    "import": "__import__('os').system('x')",
    "system": "os.system('x')",
    "template": "{{7*7}}",
    "percent template": "{% for x in y %}",
    "shell": "$(rm -rf x)",
    "markup": "<script>alert(1)</script>",
    "lambda": "lambda x: x",
    "null byte": "x\0y",
    "right-to-left mark": "x\u202ey",
    "zero-width space": "x\u200by",
    "byte order mark": "\ufeffx",
    "lone surrogate": "x\ud800",
    "combining accent": "x\u0301",
    "emoji": "🙂*x",
    "half a formula": "norm2(A*x - ",
    "half a program": "R = A*x; derive",
    "a declaration only": "x : n",
    "nonsense": ")(*&^%$#@!",
    "two derive lines": "L = tr(X); derive L wrt X; derive L wrt X",
    "loop": "x = x",
    "circle": "a = b; b = a",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_input_ends_quickly_in_a_clear_error(text: str) -> None:
    start = time.perf_counter()
    with pytest.raises(MatcalcError) as caught:
        parse_problem(text)
    assert time.perf_counter() - start < 2
    assert caught.value.message
    shown = caught.value.render()
    assert len(shown) < 1_000 and all(c.isprintable() or c == "\n" for c in shown)


@pytest.mark.parametrize(
    "declare",
    ["x", "x :", "x : ", ": n", "x : n n", "x : -1", "x : 0", "x : n×", "x : n×m×k", "x : sin(n)", "x y : n", "1 : n"]
    + [
        "__x : n",
        "x.y : n",
        "in : n",
        "x : n symetric",
        "S : m×n symmetric",
        "x : 10000000000",
        "x : n; x : m",
        "x[ : n",
    ]
    + [
        "x : function ->",
        "x : function of y",
        "x : elementwise n",
        "x : " + "(" * 5_000,
        "x : n^2",
        "x : 1/2",
        "x : \0",
    ],
)
def test_bad_declarations(declare: str) -> None:
    with pytest.raises(MatcalcError) as caught:
        parse_problem("tr(A)", declare)
    assert caught.value.message


MISTAKES = [  # text, declarations, caret is under, label has, hint has
    (
        "norm2(A*x - b*y)",
        "b : m; y : n",
        "b*y",
        "b is m×1 and y is n×1: the inner sizes 1 and n differ",
        "b'*y is a scalar (needs m = n), b*y' is an m×n matrix, b.*y multiplies entries",
    ),
    (
        "X*W + b",
        "X : n×d; W : d×k; b : k",
        "b",
        "X*W is n×k and b is k×1",
        "did you mean ones(n)*b' (added to every row)?",
    ),
    (
        "X*W + b",
        "X : n×d; W : d×k; b : n",
        "b",
        "X*W is n×k and b is n×1",
        "did you mean b*ones(k)' (added to every column)?",
    ),
    ("X*W + b", None, "b", "X*W is m×p", "ones(m)*b' (added to every row), or b*ones(p)' (added to every column)?"),
    (
        "inv(S + s^2)",
        "S : n×n; s : scalar",
        "s^2",
        "S is n×n and s^2 is 1×1",
        "s^2*eye(n) (the diagonal) or s^2*ones(n, n)",
    ),
    ("R + 1", "R : m×n", "1", "R is m×n and 1 is 1×1", "ones(m, n)"),
    ("x + norm2(x)", "x : n", "norm2(x)", "x is n×1 and norm2(x) is 1×1", "vector(norm2(x))"),
    ("A*B", "A : m×n; B : m×n", "A*B", "the inner sizes n and m differ", "A'*B would fit"),
    ("A'*C*B", "A : m×n; C : m×k; B : n×k", "C*B", "C is m×k and B is n×k", "C*B' would fit"),
    ("A.*B", "A : m×n; B : n×m", "A.*B", "A is m×n and B is n×m", "A'.*B would fit"),
    ("A.*v", "A : m×n; v : m", "A.*v", "A is m×n and v is m×1", "diag(v)*A scales the rows"),
    ("A + B", "A : m×n; B : n×m", "B", "A is m×n and B is n×m", "did you mean B'?"),
    ("b*A", "b : n; A : m×k", "b*A", "the inner sizes 1 and m differ", "m does not silently become 1"),
    ("b/A", "A : n×n; b : n", "A", "A is n×n", "inv(A)*b"),
    ("tr(A)", "A : m×n", "A", "A is m×n", ""),
    ("A^2", "A : m×n", "A", "A is m×n", ".^"),
    ("A^(1/2)", "A : n×n", "(1/2)", "", ".^"),
    ("x^A", "A : n×n; x : scalar", "A", "A is n×n", ""),
    ("softmax(A)", "A : m×n", "A", "A is m×n", "every row"),
    ("norm2(Ax - b)", None, "b", "Ax is m×n", "is Ax the product A*x?"),
    ("I", None, "I", "", "eye(n)"),
    ("vector(1)", None, "vector(1)", "", "ones(n)"),
]


@pytest.mark.parametrize(("text", "declare", "under", "label", "hint"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_shape_errors_say_what_would_fit(text: str, declare: str | None, under: str, label: str, hint: str) -> None:
    with pytest.raises(ShapeError) as caught:
        parse_problem(text, declare)
    error = caught.value
    assert error.span is not None and text[error.span.start : error.span.end] == under
    assert label in error.label and hint in error.hint


def test_the_example_of_a_shape_error() -> None:
    with pytest.raises(ShapeError) as caught:
        parse_problem("norm2(A*x - b*y)", {"b": "m", "y": "n"})
    assert caught.value.render() == (
        "error: shapes do not fit in '*'\n"
        "  norm2(A*x - b*y)\n"
        "              ^^^ b is m×1 and y is n×1: the inner sizes 1 and n differ\n"
        "  hint: b'*y is a scalar (needs m = n), b*y' is an m×n matrix, b.*y multiplies entries"
    )


@pytest.mark.parametrize(
    ("text", "declare", "message", "hint"),
    [
        ("sgmoid(x)", None, "unknown function 'sgmoid'", "did you mean sigmoid?"),
        ("foo(x)", None, "unknown function 'foo'", "foo : function"),
        ("nrom2(x)^2", None, "unknown function 'nrom2'", "did you mean norm2?"),
        ("A*x + A(x)", None, "'A' is a variable", "A*(...)"),
        ("tr(A, B)", None, "tr takes 1 argument, not 2", ""),
        ("exp(A, B)", None, "exp takes 1 argument, not 2", ""),
        ("mean(X, 1)", None, "is rows or cols", "mean(X, rows)"),
        ("d(x)", None, "is the differential", ""),
        ("y = x; y = 2*x", None, "'y' is defined twice", ""),
        ("z = 2*y; y = x; z", None, "'y' is used before it is defined", ""),
        ("m*tr(A)", "A : m×m; m : scalar", "'m' is used as a size and as a variable", ""),
        ("sum(i in 1..N, x[i]) + x", None, "'x' is a family of members and is used without an index", ""),
        ("x[4]", "x : 3", "the index 4 is out of range", ""),
        ("x[0]", "x : n", "the index 0 is below 1", "indices begin at 1"),
        ("X[4,1]", "X : 3×2", "the index 4 is out of range", ""),
        ("X[1]", "X : m×n", "needs two indices", "X[1,:] for a row"),
        ("X[1,:]*X[1,2,3]", "X : m×n", "a matrix has two indices", "X[i,j]"),
        ("c[1]", "c : scalar", "a number has no entries", "declare c : n"),
        ("x[1/2]", "x : n", "an index is a whole number", ""),
        ("sum(i in 1..n, x[i-1])", "x : n", "the index i-1 is below 1: it is 0 at first", ""),
        ("sum(i in 1..n, x[i+1])", "x : n", "the index i+1 is out of range: it runs up to n + 1", ""),
        ("sum(i in 1..k, x[i])", "x : n", "the index i runs up to k", "1..n"),
        ("sum(i, x[i]*y[i])", "x : n; y : m", "the index i runs up to n", "declare y with n entries"),
        ("x[i]*i(3)", "x : n", "'i' is used as an index and as a function", ""),
        ("x[c]*c", "x : n; c : scalar", "'c' is used as an index and as a variable", ""),
        ("W", "W[i] : n×n", "'W' is a family", ""),
        ("kron(A, B)*vec(X)", None, "cannot be inferred", "declare"),
        ("S = X'*X; tr(S)", "S : n×n symmetric", "cannot be declared", ""),
        ("tr(X)", "X : n×n; X : m×m", "'X' is declared twice", ""),
        ("L = tr(X); derive M wrt X", None, "'M' is not defined", ""),
        ("grad(f, x)", None, "", ""),
    ],
)
def test_other_errors(text: str, declare: str | None, message: str, hint: str) -> None:
    if not message:
        assert parse_problem(text, declare).objective.op == "grad"
        return
    with pytest.raises(MatcalcError) as caught:
        parse_problem(text, declare)
    assert message in caught.value.message and hint in caught.value.hint


def test_an_answer_with_an_unknown_name() -> None:
    p = parse_problem("norm2(A*xhat - b)^2", wrt="xhat")
    with pytest.raises(ParseError) as caught:
        parse_expression("2*A'*(A*xhatt - b)", p)
    assert caught.value.hint == "did you mean xhat?" and caught.value.span == (8, 13)
    with pytest.raises(ParseError, match="unknown name 'q'"):
        parse_expression("ones(q)", p)
    with pytest.raises(ParseError, match="unknown function 'g'"):
        parse_expression("g(xhat)", p)


SIGNS = "( ) [ ] + - * / .* ./ ^ .^ ' ‖ ² ᵀ = ; : , × .. | { $ # _ ^-1"
WORDS = (
    "x y A W lambda f loss n 2 1.5 1e9 in wrt I e symmetric 𝔸 norm2( sum( tr( grad( d( mean( diag( kron( vector(1) x[t]"
)
PIECES = [*SIGNS.split(), *WORDS.split(), "\n", " ", "\0", "for t in 1..T:", "derive ", "sum(i in 1..N, "]


@pytest.mark.parametrize("seed", range(40))
def test_random_pieces_raise_nothing_else(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        text = "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 14)))
        declare = rng.choice([None, None, "A : n×n; x : n", "x : scalar", "".join(rng.choices(PIECES, k=4))])
        wrt = rng.choice([None, "x", "A", "q"])
        try:
            problem = parse_problem(text, declare, wrt)
        except MatcalcError as error:
            assert error.message and error.render()
        else:
            assert str(problem.objective)


def test_reading_needs_no_heavy_package() -> None:
    code = (
        "import sys; from matcalc.language.elaborate import parse_problem;"
        "print(parse_problem('norm2(A*x - b)^2').objective);"
        "print(*sorted({'numpy', 'sympy', 'jinja2', 'scipy', 'click', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["norm2(A*x - b)^2", "", ""]
