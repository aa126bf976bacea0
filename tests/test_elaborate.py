"""From text to typed terms: shapes, conventions, notes, programs, answers and rules."""

from __future__ import annotations

from fractions import Fraction

import pytest

from matcalc.errors import MatcalcError, ParseError, RuleError, ShapeError
from matcalc.language import terms
from matcalc.language.dims import SCALAR, Shape, dim, shape
from matcalc.language.elaborate import parse_expression, parse_problem, parse_rule
from matcalc.language.problem import Block, Boundary, Definition, Function, Problem
from matcalc.language.terms import Term, fn, hpower, make, mul, neg, number, ones, power, symbol, transpose

A, B = symbol("A", "n", "n"), symbol("B", "n", "n")
x, y = symbol("x", "n"), symbol("y", "n")
c = symbol("c")
KNOWN = {"A": A.shape, "B": B.shape, "x": x.shape, "y": y.shape, "c": c.shape, "R": shape("m", "n"), "v": shape("m")}


def read(text: str, want: Shape | None = None) -> Term:
    return parse_expression(text, KNOWN, shape=want)


TERMS = [
    ("2.*x", mul(number(2), x)),
    ("x.*2", mul(number(2), x)),
    ("1./x", make("hdiv", number(1), x)),
    ("x./c", terms.div(x, c)),
    ("-x.^2", neg(hpower(x, 2))),
    ("A^-1", make("inv", A)),
    ("A^(-1)", make("inv", A)),
    ("A⁻¹", make("inv", A)),
    ("A^-2", power(make("inv", A), 2)),
    ("A^3", power(A, 3)),
    ("A^T", transpose(A)),
    ("A^-T", transpose(make("inv", A))),
    ("A.T", transpose(A)),
    ("c^-1", power(c, neg(number(1)))),
    ("c'^2", power(transpose(c), 2)),
    ("x.^2'", transpose(hpower(x, 2))),
    ("2^-1", power(number(2), neg(number(1)))),
    ("x'*A'*y", mul(transpose(x), transpose(A), y)),
    ("x*y'*x", mul(x, transpose(y), x)),
    ("x'*x*A*y", mul(mul(transpose(x), x), A, y)),
    ("A'.*B'", terms.had(transpose(A), transpose(B))),
    ("A.*B.*A", terms.had(A, B, A)),
    ("c*x.*y", terms.had(mul(c, x), y)),
    ("1.5*x", mul(terms.decimal(Fraction(3, 2)), x)),
    ("A - B - A", terms.add(A, neg(B), neg(A))),
    ("A - (B - A)", terms.add(A, neg(terms.add(B, neg(A))))),
    ("1/2*c", mul(terms.div(number(1), number(2)), c)),
    ("norm2(A)", make("normF", A)),
    ("norm2(x)", make("norm2", x)),
    ("‖A·x − y‖²", power(make("norm2", terms.sub(mul(A, x), y)), 2)),
    ("‖A‖_F", make("normF", A)),
    ("‖x‖₁", make("norm1", x)),
    ("diag(x)", make("diag", x)),
    ("diag(A)", make("diagvec", A)),
    ("sum(A)", make("sum", A)),
    ("sum(R, rows)", mul(transpose(symbol("R", "m", "n")), ones("m"))),
    ("sum(R, cols)", mul(symbol("R", "m", "n"), ones("n"))),
    ("mean(x)", terms.div(make("sum", x), terms.size("n"))),
    ("mean(R, rows)", terms.div(mul(transpose(symbol("R", "m", "n")), ones("m")), terms.size("m"))),
    ("rows(R)*cols(R)", mul(terms.size("m"), terms.size("n"))),
    ("n*c", mul(terms.size("n"), c)),
    ("A + I", terms.add(A, terms.eye("n"))),
    ("I*x", mul(terms.eye("n"), x)),
    ("x + vector(1)", terms.add(x, ones("n"))),
    ("x + vector(c)", terms.add(x, mul(c, ones("n")))),
    ("R + matrix(c)", terms.add(symbol("R", "m", "n"), mul(c, ones("m", "n")))),
    ("ones(n)'*x", mul(transpose(ones("n")), x)),
    ("ones'*x", mul(transpose(ones("n")), x)),
    ("1 + x", terms.add(ones("n"), x)),
    ("x - c", terms.add(x, neg(mul(c, ones("n"))))),
    ("eye(n + 1)", terms.eye(dim("n") + 1)),
    ("ones(2, 2*n)", ones(2, 2 * dim("n"))),
    ("kron(A, B)", make("kron", A, B)),
    ("A⊗B", make("kron", A, B)),
    ("kron(A, B)*kron(A, B)", mul(make("kron", A, B), make("kron", A, B))),
    ("vec(R)", make("vec", symbol("R", "m", "n"))),
    ("unvec(vec(R), m, n)", make("unvec", make("vec", symbol("R", "m", "n")), data=(dim("m"), dim("n")))),
    ("commutation(m, n)*vec(R)", mul(terms.commutation("m", "n"), make("vec", symbol("R", "m", "n")))),
    ("inner(A, B)", terms.inner(A, B)),
    ("d(A)*x", mul(terms.differential(A), x)),
    ("dA*x", mul(terms.differential(A), x)),
    ("sigma(x)", fn("sigmoid", x)),
    ("σ(x)", fn("sigmoid", x)),
    ("ln(c)", fn("log", c)),
    ("tanh'(x)", fn("tanh", x, 1)),
    ("pi*c", mul(terms.constant("pi"), c)),
    ("e^c", power(terms.constant("e"), c)),
    ("transpose(A)", transpose(A)),
    ("trace(A)", make("tr", A)),
    ("x.^(1/2)", hpower(x, terms.div(number(1), number(2)))),
]


@pytest.mark.parametrize(("text", "term"), TERMS, ids=[t[0] for t in TERMS])
def test_terms(text: str, term: Term) -> None:
    assert read(text) is term


def test_answers_know_the_functions_of_the_problem() -> None:
    p = parse_problem("Y = H*W; L = loss(Y); derive L wrt W")
    Y, H = p.variable("Y"), p.variable("H")
    gradient = make("grad", Y, data=("loss=L", 0))  # both names of the loss that is the objective
    assert str(gradient) == "grad(L, Y)"
    assert parse_expression("H'*grad(loss, Y)", p) is mul(transpose(H), gradient)
    assert parse_expression("H'*grad(L, Y)", p) is mul(transpose(H), gradient)
    q = parse_problem("u(x)'*v(x)", "u : function -> m; v : function -> m; x : n")
    jac = make("jac", x, data=("u", 0, dim("m"), dim(1)))
    assert parse_expression("jac(u, x)", q) is jac and jac.shape == shape("m", "n")
    r = parse_problem("f(x) + s*g(s)", "f : function; x : n; s : scalar; g : elementwise")
    assert parse_expression("hess(f, x)", r) is make("hess", x, data=("f", 0, 0))
    assert parse_expression("g'(s)", r) is fn("g", symbol("s"), 1)
    two = parse_problem("loss(x, y)", "x : n; y : n")
    assert parse_expression("grad_2(loss)(x, y)", two) is make("grad", x, y, data=("loss", 1))


def test_an_answer_of_unknown_size_takes_the_size_that_is_expected() -> None:
    assert read("2*c*I", shape("n", "n")) is mul(number(2), c, terms.eye("n"))
    with pytest.raises(ShapeError, match="size of 'I' cannot be inferred"):
        read("2*c*I")


# ------------------------------------------------------------------ inference
SHAPES = [
    ("norm2(A*x - b)^2", "A m×n, x n×1, b m×1"),
    ("a'*x", "a n×1, x n×1"),
    ("x'*A*x", "x n×1, A n×n"),
    ("a'*X*b", "a m×1, X m×n, b n×1"),
    ("tr(A*X*B)", "A m×n, X n×p, B p×m"),
    ("tr(X*A*X'*B)", "X m×n, A n×n, B m×m"),
    ("sum(sigmoid(A*X).*B)", "A m×n, X n×p, B m×p"),
    ("norm2(A*x - b)^2 + lambda*norm2(x)^2", "A m×n, x n×1, b m×1, lambda 1×1"),
    ("-beta/2*normF(Phi*W - T)^2", "beta 1×1, Phi m×n, W n×p, T m×p"),
    ("c*norm2(x)^2", "c 1×1, x n×1"),
    ("1/c*X*w", "c 1×1, X m×n, w n×1"),
    ("2*c*x", "c 1×1, x n×1"),
    ("c*x.*y", "c 1×1, x n×1, y n×1"),
    ("(t*A + C)*sin(t*b)", "t 1×1, A m×n, C m×n, b n×1"),
    ("sin(t*a)'*exp(t*b)", "t 1×1, a n×1, b n×1"),
    ("a'*x*(B*x)", "a m×1, x m×1, B n×m"),
    ("x'*x*(A*x)", "x m×1, A n×m"),
    ("a*b'*c", "a m×1, b n×1, c n×1"),
    ("c*x'*A*x", "c 1×1, x n×1, A n×n"),
    ("a^2*norm2(x) + (1 - b)*tr(X)", "a 1×1, x m×1, b 1×1, X n×n"),
    ("x + z*vector(1)", "x n×1, z 1×1"),
    ("x^2 + 2*x", "x 1×1"),
    ("exp(x)/sum(exp(x))", "x n×1"),
    ("x/norm2(x)", "x n×1"),
    ("norm2(y - X*beta)^2", "y m×1, X m×n, beta n×1"),
    ("(x - mu)'*inv(Sigma)*(x - mu)", "x n×1, mu n×1, Sigma n×n"),
    ("alpha*x + beta*y", "alpha 1×1, x n×1, beta 1×1, y n×1"),
    ("mu'*inv(Sigma)*mu", "mu n×1, Sigma n×n"),
    ("lambda*norm1(theta) + gamma*x", "lambda 1×1, theta n×1, gamma 1×1, x 1×1"),
    ("sigma^2*sum(sigma(x))", "sigma 1×1, x n×1"),
    ("rows(X)*c", "X m×n, c 1×1"),
    ("t*x + (1 - t)*y", "t 1×1, x n×1, y n×1"),
    ("log(1 + exp(-y*w'*x))", "y 1×1, w n×1, x n×1"),
    ("1/N*norm2(X*w - y)^2", "N 1×1, X m×n, w n×1, y m×1"),
    ("sum(log(exp(-y.*(X*w)) + vector(1)))", "y m×1, X m×n, w n×1"),
]


@pytest.mark.parametrize(("text", "shapes"), SHAPES, ids=[s[0] for s in SHAPES])
def test_shapes_are_inferred(text: str, shapes: str) -> None:
    problem = parse_problem(text)
    assert ", ".join(f"{s.name} {s.shape}" for s in problem.symbols.values()) == shapes
    assert all(s.assumed for s in problem.symbols.values())
    assert parse_problem(text) == problem  # deterministic


def test_a_declaration_always_wins() -> None:
    p = parse_problem("c*x + lambda*a", {"c": "n×n", "lambda": "n×n", "a": "n"})
    assert p.objective.shape == shape("n") and p.symbols["lambda"].shape == shape("n", "n")
    assert not p.symbols["c"].assumed and p.symbols["x"].assumed
    p = parse_problem("X'*I*X", "X : n×d; I : n×n")
    assert p.objective is mul(transpose(symbol("X", "n", "d")), symbol("I", "n", "n"), symbol("X", "n", "d"))
    assert parse_problem("e*x", "e : scalar").symbols["e"].shape == SCALAR
    assert parse_problem("A : m x n\nA*x", "A : p×q").symbols["A"].shape == shape("p", "q")  # an argument over the text


@pytest.mark.parametrize(
    ("declare", "expected"),
    [
        ({"S": "n×n symmetric posdef"}, (shape("n", "n"), {"symmetric", "posdef"})),
        (["S: n x n symmetric", "c : scalar"], (shape("n", "n"), {"symmetric"})),
        ("c : scalar; S : (n, n), invertible", (shape("n", "n"), {"invertible"})),
        ("S : (2*n + 1) × (2*n + 1)", (shape(2 * dim("n") + 1, 2 * dim("n") + 1), set())),
        ("S : 3x3", (shape(3, 3), set())),
        ("S : symmetric", (shape("n", "n"), {"symmetric"})),
        ("S : matrix", (shape("n", "n"), set())),
        ("R, S : n×n diagonal", (shape("n", "n"), {"diagonal"})),
    ],
)
def test_declarations(declare: object, expected: tuple[Shape, set[str]]) -> None:
    p = parse_problem("tr(S)", declare)  # type: ignore[arg-type]
    assert (p.symbols["S"].shape, set(p.symbols["S"].properties)) == expected
    assert p.facts.get("S", frozenset()) == expected[1]


def test_sizes_are_numbers_one_can_use() -> None:
    p = parse_problem("-n/2*logdet(S) - 1/2*tr(inv(S)*C)", "S : n×n symmetric; C : n×n symmetric")
    assert set(p.symbols) == {"S", "C"} and terms.size("n") in set(terms.subterms(p.objective))
    q = parse_problem("tr(X)/rows(X)")
    assert q.objective is terms.div(make("tr", symbol("X", "n", "n")), terms.size("n"))


def test_sizes_keep_out_of_each_others_way() -> None:
    p = parse_problem("n*norm2(A*x - m)^2")
    assert {str(d) for s in p.symbols.values() for d in s.shape} & {"n", "m"} == set()
    with pytest.raises(ShapeError, match="shapes do not fit"):
        parse_problem("x'*y", "x : n; y : m")  # two declared names are never made equal
    with pytest.raises(ShapeError, match="shapes do not fit"):
        parse_problem("A*x", "A : m×n; x : 1×k")


# ---------------------------------------------------------------------- notes
@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("norm2(A*x - b)^2", "A is m×n, x is n×1, b is m×1 (inferred)"),
        ("c*norm2(x)^2", "c read as a scalar"),
        ("lambda*norm2(x)^2", "lambda read as a scalar"),
        ("norm2(y - X*beta)^2", "beta read as a vector"),
        ("f(A*X + B)", "f read as a scalar-valued function"),
        ("sum(f(A*x))", "f read as a function of each entry"),
        ("tr(exp(X))", "exp under tr is applied to the entries, it is not the function of the matrix"),
        ("tr(A*sqrt(X'*X))", "sqrt under tr is applied to the entries, it is not the function of the matrix"),
        ("e^c", "e is the number 2.718... (declare it to use it as a variable)"),
        ("var(x)", "var(x) divides by the number of entries n, not by n - 1"),
        ("‖Ax − b‖²", "Ax read as A*x"),
        ("x : n; eps : scalar\nsqrt(x + eps)", "eps is added to every entry of x"),
        ("tr(X); norm2(x)", "only norm2(x) is derived; the other expressions are not used"),
    ],
)
def test_assumptions_are_told(text: str, note: str) -> None:
    assert note in parse_problem(text).notes


def test_nothing_is_noted_where_all_is_declared() -> None:
    assert parse_problem("norm2(A*x - b)^2", "A : m×n; x : n; b : m").notes == ()


# ------------------------------------------------------------------ functions
def ops_of(p: Problem) -> set[tuple[str, str]]:
    found = {p.objective, *(d.term for d in p.definitions)}
    return {(t.op, t.data[0]) for body in found for t in terms.subterms(body) if t.op in ("call", "fn")}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("f(A*X + B)", {("call", "f")}),
        ("2*f(x) + g(x)^2", {("call", "f"), ("call", "g")}),
        ("y'*f(W*x)", {("fn", "f")}),
        ("f(x)*x", {("call", "f")}),
        ("f(s) + s^2", {("fn", "f")}),
        ("h = f(W*x + b); L = loss(h)", {("fn", "f"), ("call", "loss=L")}),
        ("loss(h, y)", {("call", "loss")}),
        ("log(f(x))", {("call", "f"), ("fn", "log")}),
        ("sum(phi(A*x))", {("fn", "phi")}),
        ("L(Y)", {("call", "L")}),
    ],
)
def test_opaque_functions(text: str, found: set[tuple[str, str]]) -> None:
    assert ops_of(parse_problem(text)) == found


def test_declared_functions() -> None:
    p = parse_problem("F(x)*x + g(y)", "F : function -> m×n; g : elementwise; y : m")
    assert p.functions == {"F": Function("F", "value", shape("m", "n")), "g": Function("g", "elementwise")}
    assert p.objective.shape == shape("m") and p.symbols["x"].shape == shape("n")
    assert parse_problem("loss(X)", "loss : function").functions["loss"].shape == SCALAR


# ------------------------------------------------------------------- programs
BATCH_NORMALIZATION = """# batch normalization, biased variance
X : m×d;  gamma : d;  beta : d;  eps : scalar positive
mu   = mean(X, rows)                       # a column vector of length d
var  = mean((X - ones(m)*mu').^2, rows)
Xhat = (X - ones(m)*mu') ./ (ones(m)*sqrt(var + eps)')
Y    = Xhat .* (ones(m)*gamma') + ones(m)*beta'
L    = loss(Y)                             # an opaque scalar function of Y
derive L wrt X, gamma, beta
"""
RECURRENCE = """# a recurrence of symbolic length
h[0] = h0
for t in 1..T:
    h[t] = W*tanh(h[t-1]) + U*x[t] + b
L = sum(t in 1..T, loss(h[t], y[t]))
derive L wrt W, U, b
"""


def test_batch_normalization() -> None:
    p = parse_problem(BATCH_NORMALIZATION)
    assert p.wrt == ("X", "gamma", "beta") and p.objective_name == "L"
    assert [d.name for d in p.definitions] == ["mu", "var", "Xhat", "Y"]
    assert str(p.objective) == "loss(Y)" and p.variable("Y").shape == shape("m", "d")
    assert list(p.symbols) == ["X", "gamma", "beta", "eps"] and p.facts == {"eps": frozenset({"positive"})}


def test_a_recurrence() -> None:
    p = parse_problem(RECURRENCE)
    start, block = p.statements
    assert isinstance(start, Boundary) and isinstance(block, Block)
    assert str(start.target) == "h[0]" and start.term is p.variable("h0")
    assert (block.index, str(block.low), str(block.high)) == ("t", "1", "T")
    assert str(block.body[0].target) == "h[t]" and str(block.body[0].term).replace(" ", "") == "W*tanh(h[t-1])+U*x[t]+b"
    W, U, h0 = (p.symbols[n].shape for n in ("W", "U", "h0"))
    assert W.is_square and W.rows is h0.rows is U.rows and p.symbols["x"].shape.rows is U.cols
    assert "h" not in p.symbols and p.objective.op == "sumover"
    assert (
        p.objective
        is parse_problem(
            RECURRENCE.replace("sum(t in 1..T, loss(h[t], y[t]))", "sum(j in 1..T, loss(h[j], y[j]))")
        ).objective
    )


def test_sums_over_an_index() -> None:
    p = parse_problem("-beta/2*sum(n in 1..N, norm2(t[n] - W'*phi[n])^2)")
    assert p.symbols["t"].shape.is_vector and p.symbols["W"].shape.is_matrix and p.objective.is_scalar
    stacked = parse_problem("normF(rows(n in 1..N, phi[n])*W)^2").objective
    stack = next(t for t in terms.subterms(stacked) if t.op == "stack")
    assert stack.shape.rows is dim("N")


def test_the_objective() -> None:
    assert parse_problem("R = A*X - B; normF(R)^2").objective_name == "f"
    assert parse_problem("y = A*x").objective_name == "y"
    assert parse_problem("f(A*x)").objective_name != "f"
    p = parse_problem("J = tr(X); K = J^2; derive J wrt X")
    assert p.objective_name == "J" and str(p.objective) == "tr(X)" and p.statements == ()
    q = parse_problem("R = A*x; derive norm2(R)^2 wrt x")
    assert str(q.objective) == "norm2(R)^2" and q.wrt == ("x",)
    assert isinstance(q.statements[0], Definition) and q.statements[0].term is mul(q.variable("A"), q.variable("x"))


def test_a_variable_that_does_not_occur_must_be_declared() -> None:
    assert parse_problem("norm2(x)^2", "z : n", wrt="z").wrt == ("z",)
    with pytest.raises(ParseError, match="'z' does not occur"):
        parse_problem("norm2(x)^2", wrt="z")
    with pytest.raises(ParseError) as caught:
        parse_problem("tr(X)", wrt="x")
    assert caught.value.hint == "did you mean X?"
    assert parse_problem("e*x", wrt="e").symbols["e"].shape.is_scalar  # a constant's name, asked for as a variable


# ---------------------------------------------------------------------- rules
KINDS = dict.fromkeys("ABCDXG", "matrix")
KINDS |= {"H": "tangent", "S": "square", "u": "vector", "v": "vector", "r": "row"}
KINDS |= {"c": "scalar", "s": "scalar", "h": "scalar tangent", "k": "scalar"}
RULES = [  # true of all shapes the left side allows
    ("d(A*B)", "d(A)*B + A*d(B)"),
    ("d(inv(X))", "-inv(X)*d(X)*inv(X)"),
    ("inv(S*A)", "inv(S*A)"),
    ("tr(A*B)", "tr(B*A)"),
    ("inner(G, A*H)", "inner(A'*G, H)"),
    ("inner(c, tr(H))", "inner(c*eye(rows(H)), H)"),
    ("inner(G, h*B)", "inner(inner(G, B), h)"),
    ("d(f(X))", "f'(X).*d(X)"),
    ("d(g(X))", "inner(grad(g, X), d(X))"),
    ("d(w(u))", "jac(w, u)*d(u)"),
    ("sum(X)", "ones(rows(X))'*X*ones(cols(X))"),
    ("X^k", "X*X^(k-1)"),
    ("d(c^s)", "log(c)*c^s*d(s)"),
    ("diag(u)*X", "(u*ones(cols(X))').*X"),
    ("(u*v').*X", "diag(u)*X*diag(v)"),
    ("vec(A*X*B)", "kron(B', A)*vec(X)"),
    ("kron(A*C, B*D)", "kron(A, B)*kron(C, D)"),
    ("inner(u, vec(H))", "inner(unvec(u, rows(H), cols(H)), H)"),
    ("A*I", "A"),
    ("u'*v", "v'*u"),
    ("(r*u)*A", "A*(r*u)"),
    ("d(A/c)", "d(A)/c - d(c)*A/c^2"),
    ("dA", "d(A)"),
]
FALSE_SHAPES = [  # the right side would make a size more specific
    ("inv(A*B)", "inv(B)*inv(A)"),
    ("tr(A*B)", "tr(A'*B)"),
    ("det(A*B)", "det(A)*det(B)"),
    ("X'", "X"),
    ("d(X)", "0"),
    ("A*B", "B*A"),
    ("sum(X)", "tr(X)"),
    ("A.*B", "A*B"),
]


@pytest.mark.parametrize(("lhs", "rhs"), RULES, ids=[f"{a} = {b}" for a, b in RULES])
def test_rules_are_rigid(lhs: str, rhs: str) -> None:
    left, right = parse_rule(lhs, rhs, KINDS, ("f", "g", "w"))
    assert left.shape == right.shape and right.free <= left.free
    names = [str(d) for t in terms.subterms(left) if t.op == "sym" for d in t.shape]
    assert all(n == "1" or n.startswith("n") for n in names)


@pytest.mark.parametrize(("lhs", "rhs"), FALSE_SHAPES, ids=[f"{a} = {b}" for a, b in FALSE_SHAPES])
def test_a_right_side_that_is_more_specific_is_refused(lhs: str, rhs: str) -> None:
    with pytest.raises(ShapeError):
        parse_rule(lhs, rhs, KINDS)


def test_rules_with_unknown_names_are_refused() -> None:
    with pytest.raises(RuleError, match="B is on the right side only"):
        parse_rule("A", "A + B - B", KINDS)
    with pytest.raises(RuleError, match="not a kind"):
        parse_rule("A", "A", {"A": "tensor"})
    with pytest.raises(MatcalcError, match="unknown name 'Z'"):
        parse_rule("A*Z", "A*Z", KINDS)


@pytest.mark.parametrize(
    "text",
    [
        "-y'*log(sigmoid(x)) - (vector(1) - y)'*log(1 - sigmoid(x))",
        "y'*log(1./(1 + exp(-x)))",
    ],
)
def test_a_number_is_spread_where_only_that_makes_the_objective_a_number(text: str) -> None:
    problem = parse_problem(text)
    assert problem.objective.shape.is_scalar and problem.symbols["x"].shape.is_vector


@pytest.mark.parametrize("text", ["(A*x + b)'*C*(D*x + e)", "norm2(x - e)", "X + e"])
def test_the_number_e_is_not_added_to_every_entry(text: str) -> None:
    with pytest.raises(ShapeError) as caught:
        parse_problem(text)
    assert "declare it: e : " in caught.value.hint
