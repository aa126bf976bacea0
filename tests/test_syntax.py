"""The parser: precedence, notation, and errors that point at the user's own text."""

from __future__ import annotations

import pytest

from matcalc.errors import ParseError
from matcalc.language.statements import Declaring, Defining, Deriving, Looping, Standing, parse_program
from matcalc.language.syntax import MAX_DEPTH, Node, parse_tree


def shown(node: Node) -> str:
    """A tree in prefix notation, without places."""
    inside = ", ".join(shown(a) for a in node.args)
    match node.kind:
        case "num":
            return str(node.data[0])
        case "name":
            return str(node.data)
        case "chain":
            signs = iter(("", *node.data))
            return "[" + " ".join(f"{next(signs)} {shown(a)}".strip() for a in node.args) + "]"
        case "sum":
            return "(" + " ".join(f"{s}{shown(a)}" for s, a in zip(node.data, node.args, strict=True)) + ")"
        case "pow":
            return f"{node.data}({inside})"
        case "call":
            return f"{node.data[0]}{chr(39) * node.data[1]}({inside})"
        case "binder":
            return f"{node.data[0]} {node.data[1]}({inside})"
        case _:
            return f"{node.kind}{'' if node.data is None else ':' + str(node.data)}({inside})"


PRECEDENCE = [
    ("2.*x", "[2 .* x]"),
    ("1./x", "[1 ./ x]"),
    ("2.5.*x", "[5/2 .* x]"),
    (".5*x", "[1/2 * x]"),
    ("1e-3*x", "[1/1000 * x]"),
    ("2.", "2"),
    ("-x^2", "neg(^(x, 2))"),
    ("-a*b", "neg([a * b])"),
    ("-a + b", "(+neg(a) +b)"),
    ("a - -b", "(+a -neg(b))"),
    ("a*-b", "[a * neg(b)]"),
    ("+a", "a"),
    ("A^-1", "^(A, neg(1))"),
    ("2^-1", "^(2, neg(1))"),
    ("2^3^2", "^(2, ^(3, 2))"),
    ("x'^2", "^(transpose(x), 2)"),
    ("x.^2'", "transpose(.^(x, 2))"),
    ("X^-1'", "transpose(^(X, neg(1)))"),
    ("x'*A'*y", "[transpose(x) * transpose(A) * y]"),
    ("a*b'*c", "[a * transpose(b) * c]"),
    ("a*(b'*c)", "[a * [transpose(b) * c]]"),
    ("X'.*Y'", "[transpose(X) .* transpose(Y)]"),
    ("1.5*x", "[3/2 * x]"),
    ("x''", "transpose(transpose(x))"),
    ("a/b*c", "[a / b * c]"),
    ("a@b", "[a * b]"),
    ("a.*b/c", "[a .* b / c]"),
    ("a + b*c - d", "(+a +[b * c] -d)"),
    ("X.T*X^T", "[transpose(X) * ^(X, T)]"),
    ("X.T", "transpose(X)"),
    ("f'(s)", "f'(s)"),
    ("tanh''(s)", "tanh''(s)"),
    ("f(x, y)", "f(x, y)"),
    ("grad_1(loss)(h, y)", "partial:0(loss, h, y)"),
    ("h[t-1]", "index:h((+t -1))"),
    ("sum(i in 1..N, x[i])", "sumover i(1, N, index:x(i))"),
    ("rows(i in 0..N-1, x[i])", "stack i(0, (+N -1), index:x(i))"),
    ("sum(x)", "sum(x)"),
    ("x_1 + W1*lambda", "(+x_1 +[W1 * lambda])"),
]


@pytest.mark.parametrize(("text", "tree"), PRECEDENCE, ids=[p[0] for p in PRECEDENCE])
def test_precedence(text: str, tree: str) -> None:
    assert shown(parse_tree(text)) == tree


UNICODE = [
    ("‖Ax−b‖²", "^(norm:((+Ax -b)), 2)"),
    ("λ‖x‖₂²", "[λ * ^(norm:2(x), 2)]"),
    ("‖x‖₁ + ‖X‖_F", "(+norm:1(x) +norm:F(X))"),
    ("||x||_1", "norm:1(x)"),
    ("‖norm2(x)·y‖", "norm:([norm2(x) * y])"),
    ("½xᵀAx", "[1/2 * transpose(x) * Ax]"),
    ("A⊙B⊘C", "[A .* B ./ C]"),
    ("A⊗B", "[A ⊗ B]"),
    ("A·B⋅C", "[A * B * C]"),
    ("X⁻¹", "^(X, neg(1))"),
    ("X⁻ᵀ", "transpose(^(X, neg(1)))"),
    ("x¹⁰", "^(x, 10)"),
    ("X^⊤", "^(X, T)"),
    ("x₁ + x_1", "(+x_1 +x_1)"),
    ("√(x)", "sqrt(x)"),
    ("x′", "transpose(x)"),
]


@pytest.mark.parametrize(("text", "tree"), UNICODE, ids=[p[0] for p in UNICODE])
def test_unicode_notation(text: str, tree: str) -> None:
    assert shown(parse_tree(text)) == tree


ERRORS = [  # text, words of the message, what the caret is under, words of the label or hint
    ("", "no expression", "", "nothing"),
    ("  ", "no expression", "", ""),
    ("(a + b", "unclosed parenthesis", "(", "never closed"),
    ("a*(b + (c - d)", "unclosed parenthesis", "(", "never closed"),
    ("x[t", "unclosed bracket", "[", "never closed"),
    ("(a]", "unclosed parenthesis", "(", "closed by ']'"),
    ("a)", "closes nothing", ")", ""),
    ("()", "nothing between", ")", ""),
    ("f()", "needs an argument", "f", ""),
    ("A x", "two operands side by side", "x", "between 'A' and 'x'"),
    ("2x", "two operands side by side", "x", "between '2' and 'x'"),
    ("x'y", "two operands side by side", "y", ""),
    ("(a)(b)", "cannot stand here", "(", ""),
    ("a + ", "ends too early", "+", "follow '+'"),
    ("a*", "ends too early", "*", ""),
    ("a + * b", "'*' cannot stand here", "*", ""),
    ("*a", "'*' cannot stand here", "*", ""),
    ("a ** 2", "'**' cannot stand here", "**", "^"),
    ("a == b", "'==' cannot stand here", "==", "="),
    ("f(a,)", "')' cannot stand here", ")", ""),
    ("sum(i in 1..N)", "',' is missing", ")", ""),
    ("sum(i in N, x)", "'..' is missing", ",", ""),
    ("x[1, 2, 3]", "a matrix has two indices", "[1, 2, 3]", "X[i,:]"),
    ("x[1, 2", "unclosed bracket", "[", ""),
    ("x[]", "']' cannot stand here", "]", ""),
    ("‖x", "unclosed norm", "‖", "never closed"),
    ("x$", "'$' is not a sign", "$", ""),
    ("{{7*7}}", "'{' is not a sign", "{", "parentheses"),
    ("x | y", "'|' is not a sign", "|", "norm"),
    ("\\frac{a}{b}", "is not a sign", "\\", "LaTeX"),
    ("__import__", "'__import__' is not a name", "__import__", "underscore"),
    ("_x", "'_x' is not a name", "_x", ""),
    ("a__b", "'a__b' is not a name", "a__b", ""),
    ("os.system('x')", "'.' is not a sign", ".", "attributes"),
    ("a\0b", "control character (U+0000)", "\0", ""),
    ("a\u202eb", "control character (U+202E)", "\u202e", ""),
    ("a\u200bb", "control character (U+200B)", "\u200b", ""),
    ("in + x", "'in' is a word of the language", "in", ""),
    ("9" * 50, "number is too long", "9" * 50, ""),
    ("1e400", "number is too long", "1e400", ""),
    ("a" * 70, "name is too long", "a" * 70, ""),
    ("sum(i in 1..N down, x)", "downward", "down", ""),
]


@pytest.mark.parametrize(("text", "message", "under", "more"), ERRORS, ids=[repr(e[0])[:30] for e in ERRORS])
def test_errors_point_at_the_text(text: str, message: str, under: str, more: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_tree(text)
    error = caught.value
    assert message in error.message
    assert more in error.label + error.hint
    assert error.span is not None and error.source == text
    assert text[error.span.start : error.span.end] == under
    assert "^" in error.render()


def test_an_unclosed_parenthesis_is_the_innermost_that_was_opened() -> None:
    with pytest.raises(ParseError) as caught:
        parse_tree("norm2((A*x - b)^2 + tr((X)")
    assert caught.value.span is not None and caught.value.span.start == 22


@pytest.mark.parametrize("pattern", ["({})", "-{}", "{}'", "x^{}", "sin({})", "{}/x", "x[{}]", "sum(i in 1..2, {})"])
def test_depth_is_bounded(pattern: str) -> None:
    def nested(n: int) -> str:
        before, after = pattern.split("{}")
        return before * n + "x" + after * n

    assert parse_tree(nested(30)).depth <= MAX_DEPTH
    with pytest.raises(ParseError, match="nested too deeply"):
        parse_tree(nested(3 * MAX_DEPTH))


def test_spans_cover_what_was_written() -> None:
    text = "norm2(A*x - b)^2 + lambda*norm1(x)"
    pieces = [text[n.span.start : n.span.end] for n in parse_tree(text).walk()]
    assert pieces[:7] == [text, "norm2(A*x - b)^2", "norm2(A*x - b)", "A*x - b", "A*x", "A", "x"]


PROGRAM = """# batch normalization
X : m×d;  gamma : d   # declarations
mu = mean(X, rows)
h[0] = h0
for t in 1..T:
    h[t] = W*h[t-1] +
        U*x[t]

    s[t] = 2*h[t]
L = loss(
    h[T])
derive L wrt X, gamma
"""


def test_statements() -> None:
    kinds = [type(s) for s in parse_program(PROGRAM)]
    assert kinds == [Declaring, Declaring, Defining, Defining, Looping, Defining, Deriving]
    loop = parse_program(PROGRAM)[4]
    assert isinstance(loop, Looping) and [b.target.data for b in loop.body] == ["h", "s"]
    derive = parse_program(PROGRAM)[-1]
    assert isinstance(derive, Deriving) and [w.data for w in derive.wrt] == ["X", "gamma"]


def test_statements_on_one_line() -> None:
    assert [type(s) for s in parse_program("A, B : n×n; for t in 1..3: h[t] = h[t-1]\nW[i] : m[i]×m[i-1]; tr(A)")] == [
        Declaring,
        Looping,
        Declaring,
        Standing,
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a + b = c", "only a name can be defined"),
        ("x =", "no right side"),
        ("x = 1 = 2", "'=' cannot stand here"),
        ("derive L wrt", "ends too early"),
        ("derive L wrt 2", "name of a variable"),
        ("for t in 1..T\n  h[t] = 1", "':' is missing"),
        ("for t of 1..T: h[t] = 1", "'in' is missing"),
        ("for t in 1..T:\nh[t] = 1", "block is empty"),
        ("for t in 1..T:\n  z = 1", "members only"),
        ("for t in 1..T:\n  for s in 1..T:\n    h[t] = 1", "block inside a block"),
    ],
)
def test_statement_errors(text: str, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_program(text)
    assert message in caught.value.message
