"""The computation graph: method ``graph`` node by node, and its drawings."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

import matcalc
from matcalc.calculus.derive import replayed
from matcalc.calculus.graph import graph_of
from matcalc.errors import CannotDerive, MatcalcError
from matcalc.language.elaborate import parse_expression, parse_problem
from matcalc.language.terms import Term, replace, subterms
from matcalc.numeric.lines import certify_equal
from matcalc.report.graph_layout import lay_out
from matcalc.report.graph_model import drawing_of

BATCH_NORM = """
X : m×d;  gamma : d;  beta : d;  eps : scalar positive
mu   = mean(X, rows)
var  = mean((X - ones(m)*mu').^2, rows)
Xhat = (X - ones(m)*mu') ./ (ones(m)*sqrt(var + eps)')
Y    = Xhat .* (ones(m)*gamma') + ones(m)*beta'
L    = loss(Y)
derive L wrt X, gamma, beta
"""
PROGRAMS = {
    "batch norm": BATCH_NORM,
    "two layers": """
        x : d; W1 : h×d; b1 : h; W2 : k×h; b2 : k; y : k; lambda : scalar
        s1 = W1*x + b1; a = relu(s1); s2 = W2*a + b2; p = softmax(s2)
        L = -y'*log(p) + lambda*(normF(W1)^2 + normF(W2)^2)
        derive L wrt W1, b1, W2, b2""",
    "tied": "x : d; W : h×d; b1 : h; b2 : d; s = sigmoid(W*x + b1); y = b2 + W'*s; L = loss(y); derive L wrt W, b1, x",
    "tied in one node": "x : d; W : h×d; b1 : h; b2 : d; L = loss(b2 + W'*sigmoid(W*x + b1)); derive L wrt W",
    "attention": """
        Q : n×d; K : m×d; V : m×p; S = Q*K'/sqrt(d); P = softmax(S, rowwise); O = P*V; L = loss(O)
        derive L wrt Q, K, V""",
    "column": """
        y : n; eps : scalar positive; mu = sum(y)/n; u = y - mu*ones(n); v = u'*u/(n - 1); s = sqrt(v + eps); z = u/s
        L = loss(z)
        derive L wrt y""",
    "scalars": "a : scalar; x : n; c = x'*x; e = exp(a*c); q = c/e; L = q^2 + e; derive L wrt x, a",
    "one expression": "A : m×n; x : n; b : m; norm2(A*x - b)^2; derive f wrt x".replace("; derive f wrt x", ""),
    "a node asked for": "A : m×n; x : n; r = A*x; q = r'*r; L = q + sin(q); derive L wrt r, x",
    "symmetric": "S : n×n symmetric; B : n×n; R = S*B; L = normF(R)^2 + tr(S); derive L wrt S",
    "absent": "x : n; z : n; c = x'*x; L = c^2; derive L wrt x, z",
    "held": "W : h×d; x : d; s = tanh(W*x); L = norm2(s - stop(s.^2))^2; derive L wrt W",
}


def derived(program: str, method: str = "graph") -> matcalc.Derivation:
    wrt = None if "derive " in program else "x"
    return matcalc.derive(program, wrt=wrt, method=method)


def written_out(d: matcalc.Derivation, t: Term) -> Term:
    """A term without names of cotangents."""
    assert d.back is not None
    table: dict[Term, Term] = {}
    for s in d.back.statements:
        table[s.symbol] = replace(s.term, table)
    return replace(t, table)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_gradients_are_those_of_the_other_methods(name: str) -> None:
    d, other = derived(PROGRAMS[name]), derived(PROGRAMS[name], "differential")
    assert set(d.methods.values()) == {"graph"}
    assert d.certificate.status == "verified"
    assert replayed(d)
    for variable, answer in d.answers.items():
        error = certify_equal(d.problem, written_out(d, answer), other.answers[variable])
        assert error < 1e-9, f"{variable}: {answer}"


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_module_checks_itself(name: str, tmp_path: Path) -> None:
    if name == "a node asked for":
        return
    module = tmp_path / "module.py"
    module.write_text(derived(PROGRAMS[name]).code(), encoding="utf-8")
    done = subprocess.run([sys.executable, module], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "PASS" in done.stdout, done.stdout + done.stderr


def test_batch_normalization_is_told_as_the_notes_do() -> None:
    text = derived(BATCH_NORM).report("text")
    labels = re.findall(r"^(grad\([^=]*?) +=", text, re.MULTILINE)
    assert labels[:6] == [
        "grad(L, Y)",
        "grad(L, Xhat)",
        "grad(L, var)",
        "grad(L, mu) through Xhat",
        "grad(L, mu) through var",
        "grad(L, mu)",
    ]
    for told in (
        "the only child is Y: 1 path to L",
        "the children are Xhat and var: 2 paths to L",
        "the children are Xhat, var and mu: 4 paths to L",
        "= zeros(d)",  # mu is the mean: through the variance nothing comes back
        "G_Y    = grad(L, Y)",
        "grad(L, gamma) = (G_Y.*Xhat)'*ones(m)",
        "grad(L, beta) = G_Y'*ones(m)",
        "var alone varies",
        "G_Y is grad(L, Y), the cotangent of Y",
    ):
        assert told in text, told


def test_each_use_of_a_tied_weight_is_told_with_the_others_held_constant() -> None:
    d = derived(PROGRAMS["tied in one node"])
    text = d.report("text")
    assert "grad(L, W) through L, use 1" in text and "grad(L, W) through L, use 2" in text
    assert "one use varies at a time, the others are held constant" in text
    assert "stop(W)" in text and "stop" not in str(d.answer)
    uses = [lines.term for lines in d.back.lines]
    g = "grad(loss, b2 + W'*sigmoid(W*x + b1))"
    book = f"sigmoid(W*x + b1)*{g}'", f"((W*{g}).*sigmoid(W*x + b1).*(ones(h) - sigmoid(W*x + b1)))*x'"
    assert all(
        certify_equal(d.problem, t, parse_expression(b, d.problem)) < 1e-12 for t, b in zip(uses, book, strict=True)
    )


def test_the_names_of_cotangents_are_free() -> None:
    d = matcalc.derive("G_s : d; W : h×d; s = W*G_s; L = loss(s); derive L wrt W", method="graph")
    assert [s.name for s in d.back.statements] == ["G_s_1"]
    assert str(d.answer) == "G_s_1*G_s'"


def residual(layers: int) -> str:
    declare = ["x : d", *(f"A{k} : h×d; B{k} : d×h" for k in range(1, layers + 1))]
    body = [f"h{k} = {f'h{k - 1}' if k > 1 else 'x'} + B{k}*tanh(A{k}*{f'h{k - 1}' if k > 1 else 'x'})"
            for k in range(1, layers + 1)]  # fmt: skip
    return "; ".join(declare) + "\n" + "\n".join(body) + f"\nL = loss(h{layers})\nderive L wrt A1, x\n"


def test_the_length_grows_with_the_program_not_with_its_paths() -> None:
    lengths = [
        sum(len(str(s.after)) for lines in d.back.lines for top in lines.steps for s in top.walk())
        for d in (matcalc.derive(residual(k), method="graph", verify=False) for k in (6, 12, 24))
    ]
    assert lengths[2] - lengths[1] < 2.3 * (lengths[1] - lengths[0])


def test_auto_names_cotangents_where_lines_would_be_too_long() -> None:
    d = matcalc.derive(residual(14))
    assert set(d.methods.values()) == {"graph"} and d.method == "auto"
    assert d.certificate.status == "verified"
    with pytest.raises(CannotDerive, match="too large"):
        matcalc.derive(residual(14), method="differential")


def test_the_graph_itself() -> None:
    graph = graph_of(parse_problem(BATCH_NORM))
    assert [n.name for n in graph.nodes.values() if n.kind == "input"] == ["X", "gamma", "beta", "eps"]
    assert [c.name for c in graph.children("X")] == ["Xhat", "var", "mu"]
    assert graph.active(["gamma"]).nodes.keys() == {"gamma", "Y", "L"}
    assert graph.paths()["X"] == 4
    with pytest.raises(CannotDerive, match="recurrences"):
        graph_of(parse_problem("h[0] = a\nfor t in 1..T:\n    h[t] = tanh(h[t-1])\nL = loss(h[T])\nderive L wrt a"))


# --------------------------------------------------------------------------------- drawings
RECURRENCE = """
h[0] = h0
c[0] = c0
for t in 1..T:
    i[t] = sigmoid(W*h[t-1] + U*x[t])
    c[t] = c[t-1] + i[t]
    h[t] = tanh(c[t])
L = sum(t in 1..T, loss(h[t], y[t]))
derive L wrt W
"""
DRAWN = {
    **PROGRAMS,
    "recurrence": RECURRENCE,
    "odd names": "x_1 : n; W_max : m×n; A1 = W_max*x_1; L = loss(A1)\nderive L wrt W_max",
}


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("name", DRAWN)
def test_an_svg_is_well_formed_and_nothing_overlaps(name: str, gradients: bool) -> None:
    d = derived(DRAWN[name])
    shown = d.report("svg", gradients=gradients)
    assert shown == d.report("svg", gradients=gradients)
    root = ElementTree.fromstring(shown)
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    boxes = [r for r in root.iter("{http://www.w3.org/2000/svg}rect") if (r.get("class") or "").startswith("box")]
    areas = [tuple(float(r.get(k, "0")) for k in ("x", "y", "width", "height")) for r in boxes]
    for i, (x, y, w, h) in enumerate(areas):
        assert min(x, y) >= 0 and x + w <= width and y + h <= height
        for x2, y2, w2, h2 in areas[i + 1 :]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y, "two boxes overlap"
    assert len(boxes) == len(drawing_of(d).boxes)
    assert ("∇" in shown.replace("∇loss", "")) >= gradients


@pytest.mark.parametrize("name", DRAWN)
def test_edges_lead_downward(name: str) -> None:
    drawing = drawing_of(derived(DRAWN[name]))
    layout = lay_out(drawing, dict.fromkeys(drawing.boxes, (60.0, 30.0)))
    for e, route in layout.routes.items():
        if not e.is_back:
            assert layout.places[e.source].y < layout.places[e.target].y
            assert all(a[1] <= b[1] for a, b in pairwise(route))


LSTM = """h[0] = h0; c[0] = c0
for t in 1..T:
    i[t] = sigmoid(Wi*h[t-1] + Ui*x[t])
    f[t] = sigmoid(Wf*h[t-1] + Uf*x[t])
    g[t] = tanh(Wg*h[t-1] + Ug*x[t])
    c[t] = f[t].*c[t-1] + i[t].*g[t]
    h[t] = i[t].*tanh(c[t])
L = sum(t in 1..T, loss(h[t], y[t]))
derive L wrt Wi"""


def test_edges_from_earlier_steps_go_round_the_boxes() -> None:
    drawing = drawing_of(derived(LSTM))
    assert {(e.source, e.target) for e in drawing.edges if e.is_back} == {("c", "c"), *(("h", n) for n in "ifg")}
    layout = lay_out(drawing, dict.fromkeys(drawing.boxes, (80.0, 40.0)))
    for e in (e for e in drawing.edges if e.is_back):
        for (x0, y0), (x1, y1) in pairwise(layout.routes[e]):
            for p in layout.places.values():
                inside = min(x0, x1) < p.x + p.width / 2 and max(x0, x1) > p.x - p.width / 2
                assert not (inside and min(y0, y1) < p.y + p.height and max(y0, y1) > p.y), (e, p)


def test_the_last_state_leads_to_the_loss() -> None:
    drawing = drawing_of(
        derived("x[0] = x0\nfor i in 1..k:\n    x[i] = tanh(W[i]*x[i-1])\nL = loss(x[k])\nderive L wrt W")
    )
    labels = {(e.source, e.target): (e.label, e.is_back) for e in drawing.edges}
    assert labels["x", "L"] == ("x[k], n", False) and labels["x", "x"] == ("x[i−1], n", True)


def test_shapes_stand_on_the_edges() -> None:
    drawing = drawing_of(derived(BATCH_NORM))
    labels = {(e.source, e.target): e.label for e in drawing.edges}
    assert labels["X", "mu"] == "m×d" and labels["mu", "var"] == "d" and labels["eps", "Xhat"] == "scalar"
    again = drawing_of(derived(RECURRENCE))
    assert {e.label for e in again.edges if e.member} == {"h[t−1], m", "c[t−1], m"}
    assert all(t.op != "stop" for t in subterms(derived(RECURRENCE).answer))


def test_dot_and_mermaid() -> None:
    d = derived(BATCH_NORM)
    dot, mermaid = d.report("dot", gradients=True), d.report("mermaid", gradients=True)
    assert dot.startswith("digraph program {") and dot.rstrip().endswith("}")
    assert '"X" -> "mu" [label="m×d"];' in dot and "∇L(γ)" in dot
    assert mermaid.startswith("flowchart TD") and '-->|"m×d"|' in mermaid
    assert not re.search(r"\[\"[^\"]*[()\[\]{}<>|][^\"]*\"\]", mermaid.replace("<br/>", "")), "unescaped marks"


def test_the_command_line_draws(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    run = request.getfixturevalue("matcalc")
    file = tmp_path / "graph.svg"
    done = run("derive", BATCH_NORM, "--format", "svg", "--gradients", "--output", str(file))
    assert done.returncode == 0, done.stderr
    assert file.read_text(encoding="utf-8").startswith("<svg")
    wrong = run("derive", BATCH_NORM, "--gradients")
    assert wrong.returncode == 2 and "--format dot, mermaid or svg" in wrong.stderr


# -------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("a = b + x; b = a + y; derive b wrt x", "a uses b, b uses a"),
        ("a = a + x; derive a wrt x", "a uses a"),
        ("a = b; b = c*x; c = a'*x; derive c wrt x", "a uses b, b uses c, c uses a"),
    ],
)
def test_a_circle_of_definitions_is_named(program: str, told: str) -> None:
    with pytest.raises(MatcalcError, match="go round in a circle") as caught:
        parse_problem(program)
    assert told in caught.value.message
    assert caught.value.span is not None and "h[t]" in caught.value.hint


@pytest.mark.parametrize("method", ["auto", "graph", "differential"])
def test_a_variable_that_does_not_occur_is_said_to_have_a_zero_gradient(method: str) -> None:
    d = matcalc.derive("x : n; z : m; c = x'*x; L = c^2; derive L wrt x, z", method=method)
    assert str(d.answers["z"]) == "zeros(m)"
    assert "z does not occur in L: the derivative is zero" in d.notes
    held = matcalc.derive("x : n; L = norm2(stop(x))^2; derive L wrt x", method=method)
    assert any("only in copies that are held constant" in n for n in held.notes)


def test_a_loss_that_is_no_number_is_said_to_have_a_jacobian() -> None:
    d = matcalc.derive("H : n×d; W : d×k; L = H*W; derive L wrt W", method="graph")
    assert d.methods == {"W": "differential"}
    assert "L is n×k, not a number: this is its Jacobian; a loss is a number" in d.notes
    assert not any("not a number" in n for n in matcalc.derive("H : n×d; x : d; H*x", wrt="x").notes)


def test_another_name_for_the_variable_is_a_node_like_others() -> None:
    d = matcalc.derive("r = x; s = r + A*r; norm2(s)^2", wrt="x", declare="x: n", method="graph")
    assert d.certificate.status == "verified"
    assert str(d.answer) == "G_r"


def test_many_definitions_cost_what_their_edges_cost() -> None:
    lines = ["r0 = x", *(f"r{i} = r{i - 1} + A{i}*r{i - 1}" for i in range(1, 40)), "norm2(r39)^2"]
    d = matcalc.derive("; ".join(lines), wrt="x", declare="x: n")
    assert d.certificate.status == "verified"
    assert max(definition.term.size for definition in d.introduced) < 20
