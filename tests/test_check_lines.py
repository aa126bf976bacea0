"""Derivations judged line by line, documents, folders of answers, and the command line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import matcalc
from matcalc.homework.document import check_document
from matcalc.homework.verdict import MARKS, Verdict

Run = Callable[..., Any]


def marks(v: Verdict) -> list[str]:
    return [j.mark for j in v.lines]


def kinds(v: Verdict) -> list[str]:
    return [f.kind for f in v.diagnosis]


LEAST_SQUARES = """f = norm2(A*x - b)^2
d(f) = 2*(A*x - b)'*d(A*x - b)
     = 2*(A*x - b)'*A*dx
grad(f, x) = 2*A'*(A*x - b)
           = 2*A'*A*x - 2*A'*b"""

# Whole derivations that are right, of every kind of line.
RIGHT: list[tuple[str, dict[str, Any]]] = [
    (LEAST_SQUARES, {}),
    ("grad(f, x) = 2*A'*(A*x - b)", {"problem": "norm2(A*x - b)^2", "wrt": "x"}),
    (
        "let r = A*x - b\nf = r'*r\ndf = 2*r'*dr\n = 2*r'*A*dx\ngrad(f, r) = 2*r\n"
        "grad(f, x) = A'*grad(f, r)\n = 2*A'*r",
        {},
    ),
    (
        "f = tr(X*A*X'*B)\ndf = tr(dX*A*X'*B) + tr(X*A*dX'*B)\n = tr(A*X'*B*dX) + tr(A'*X'*B'*dX)\n"
        "grad(f, X) = B'*X*A' + B*X*A",
        {"declare": "A : n×n; B : m×m; X : m×n"},
    ),
    ("f = logdet(X)\nd(f) = tr(inv(X)*d(X))\ngrad(f, X) = inv(X)'", {"declare": {"X": "n×n invertible"}}),
    ("d(inv(X)) = -inv(X)*d(X)*inv(X)", {"declare": "X : n×n invertible"}),
    ("y = A*x\njac(y, x) = A", {"declare": "A : m×n; x : n"}),
    ("y = sigmoid(A*x)\njac(y, x) = diag(y.*(1 - y))*A", {"declare": "A : m×n; x : n"}),
    ("f = x'*A*x\ngrad(f, x) = (A + A')*x\nhess(f, x) = A + A'", {"declare": "A : n×n; x : n"}),
    ("f = x'*A*x\ndf = dx'*A*x + x'*A*dx = x'*(A' + A)*dx", {"declare": "A : n×n; x : n"}),
    (
        "u = W*x + b\ny = sigmoid(u)\nL = loss(y)\ndL/du = grad(loss, y).*y.*(1 - y)\ndL/dW = dL/du*x'\n"
        "dL/db = dL/du\ndL/dx = W'*dL/du",
        {"declare": "W : m×n; x : n; b : m"},
    ),
    ("Y = H*W\nL = loss(Y)\ngrad(L, H) = grad(L, Y)*W'\ngrad(L, W) = H'*grad(L, Y)", {"declare": "H : d×m; W : m×n"}),
    ("tr(A*B) = tr(B*A) = sum(A.*B')", {"declare": "A : m×n; B : n×m"}),
    ("(A*B)' = B'*A'", {"declare": "A : m×n; B : n×p"}),
    (
        "f = u(x)'*v(x)\ngrad(f, x) = jac(u, x)'*v(x) + jac(v, x)'*u(x)",
        {"declare": "x : n; u : function -> m; v : function -> m"},
    ),
    (
        "grad(norm2(A*x - b)^2, x) = grad((A*x - b)'*(A*x - b), x)\n"
        " = grad(x'*A'*A*x, x) - 2*grad(b'*A*x, x)\n = 2*A'*A*x - 2*A'*b\n = 0",
        {},
    ),
    (
        "f = normF(X - U*V')^2\nd(f) = -2*tr((X - U*V')'*dU*V')\ngrad(f, U) = -2*(X - U*V')*V",
        {"declare": "X : m×n; U : m×k; V : n×k"},
    ),
    (
        "f = sum(n in 1..N, norm2(t[n] - W'*x[n])^2)\ngrad(f, W) = -2*sum(n in 1..N, x[n]*(t[n] - W'*x[n])')",
        {"declare": "W : d×k; x[n] : d; t[n] : k"},
    ),
    (
        r"""\begin{align}
        \nabla_x \|Ax-b\|_2^2 &= \nabla_x (Ax-b)^T(Ax-b) \\
        &= \nabla_x (x^TA^TAx) - 2\nabla_x (b^TAx) \\
        &= 2A^TAx - 2A^Tb \\
        &= 2A^T(Ax-b)
        \end{align}""",
        {},
    ),
]


@pytest.mark.parametrize(("text", "options"), RIGHT, ids=range(len(RIGHT)))
def test_right_derivations_are_correct(text: str, options: dict[str, Any]) -> None:
    verdict = matcalc.check_lines(text, **options)
    assert verdict.status == "correct", verdict
    assert verdict.line is None
    assert set(marks(verdict)) <= {"right", "definition", "remark"}
    assert "right" in marks(verdict)


@pytest.mark.parametrize(("text", "options"), RIGHT, ids=range(len(RIGHT)))
def test_one_wrong_line_is_found(text: str, options: dict[str, Any]) -> None:
    """The last side of a right derivation, doubled or negated, is wrong in its own line."""
    if "\\" in text or text.endswith("= 0"):
        text, options = LEAST_SQUARES, {}
    head, _, last = text.rpartition("=")
    for slip, kind in (("2*({})", "factor"), ("-({})", "sign")):
        verdict = matcalc.check_lines(f"{head}= {slip.format(last.strip())}", **options)
        assert verdict.status == "wrong", verdict
        assert verdict.line == text.count("\n") + 1
        assert kinds(verdict)[0] in (kind, "symmetric"), verdict


# Derivations with a wrong line: the lines' marks, the first wrong line, the kind.
WRONG: list[tuple[str, dict[str, Any], list[str], int, str]] = [
    (
        LEAST_SQUARES.replace("= 2*(A*x - b)'*A*dx", "= 2*(A*x + b)'*A*dx"),
        {},
        ["definition", "right", "wrong", "right", "right"],
        3,
        "sign",
    ),
    (
        "f = norm2(A*x - b)^2\nd(f) = 2*(A*x + b)'*A*dx\n = 2*x'*A'*A*dx + 2*b'*A*dx\n"
        "grad(f, x) = 2*A'*(A*x + b)\n = 2*A'*A*x + 2*A'*b\n = 2*A'*A*x - 2*A'*b",
        {},
        ["definition", "wrong", "follows", "follows", "follows", "right again"],
        2,
        "sign",
    ),
    (
        "f = x'*A*x\ngrad(f, x) = 2*A*x\nhess(f, x) = 2*A",
        {"declare": "A : n×n; x : n"},
        ["definition", "wrong", "follows"],
        2,
        "symmetric",
    ),
    (
        "u = W*x\nL = norm2(u)^2\ngrad(L, u) = u\ngrad(L, x) = W'*u",
        {"declare": "W : m×n; x : n"},
        ["definition", "definition", "wrong", "follows"],
        3,
        "factor",
    ),
    (
        "r = A*x + b\ngrad(f, x) = 2*A'*(A*x + b)",
        {"problem": "A : m×n; x : n; b : m; r = A*x - b; f = r'*r", "wrt": "x"},
        ["wrong", "follows"],
        1,
        "sign",
    ),
    (
        "f = tr(A*X)\nd(f) = tr(A*dX)\ngrad(f, X) = A",
        {"declare": "A : n×m; X : m×n"},
        ["definition", "right", "wrong"],
        3,
        "transpose",
    ),
    (
        "grad(f, x) = A'*(A*x - b)\n = 2*A'*(A*x - b)",
        {"problem": "norm2(A*x - b)^2", "wrt": "x"},
        ["wrong", "right again"],
        1,
        "factor",
    ),
    ("diag(W*S*W') = diag(W'*S*W)", {"declare": "W : m×p; S : p×p symmetric"}, ["wrong"], 1, "transpose"),
    ("inv(A*B) = inv(A)*inv(B)", {"declare": "A : n×n; B : n×n"}, ["wrong"], 1, "order"),
    ("d(A*X*B) = A*dX*B'", {"declare": "A : m×n; X : n×p; B : p×p"}, ["wrong"], 1, "transpose"),
    (
        "y = f(A*x)\njac(y, x) = f'(A*x)*A",
        {"declare": "A : m×n; x : n; f : elementwise"},
        ["definition", "wrong"],
        2,
        "hadamard",
    ),
    (
        "Y = H*W\nL = loss(Y)\ngrad(L, W) = grad(L, W)'\n = H'*grad(L, Y)",
        {"declare": "H : d×m; W : m×n"},
        ["definition", "definition", "wrong", "right again"],
        3,
        "transpose",
    ),
    (
        "f = -(beta/2)*normF(Phi*W - T)^2\ngrad(f, W) = grad((beta/2)*normF(Phi*W - T)^2, W)\n"
        " = -beta/2*Phi'*(2*(Phi*W - T))\n = -beta*Phi'*(Phi'*W - T)",
        {"declare": "Phi : N×M; W : M×K; T : N×K; beta : scalar"},
        ["definition", "wrong", "right again", "wrong"],
        2,
        "sign",
    ),
    (
        r"""\begin{align}
        \nabla_x \|Ax-b\|_2^2 &= 2A^TAx - 2A^Tb \\
        &= 2A^T(Ax+b)
        \end{align}""",
        {},
        ["right", "wrong"],
        3,
        "sign",
    ),
]


@pytest.mark.parametrize(("text", "options", "expected", "line", "kind"), WRONG, ids=range(len(WRONG)))
def test_wrong_lines_are_marked(text: str, options: dict[str, Any], expected: list[str], line: int, kind: str) -> None:
    verdict = matcalc.check_lines(text, **options)
    assert marks(verdict) == expected, verdict
    assert (verdict.status, verdict.line) == ("wrong", line)
    assert kinds(verdict)[0] == kind, verdict
    assert verdict.report()


def test_a_wrong_middle_does_not_hide_that_the_end_is_right() -> None:
    verdict = matcalc.check_lines(LEAST_SQUARES.replace("(A*x - b)'*A*dx", "(A*x + b)'*A*dx"))
    assert verdict.message == "the last line is right"


def test_lines_may_be_a_list_and_have_words_before_them() -> None:
    lines = [
        "Let f = norm2(A*x - b)^2.".rstrip("."),
        "so d(f) = 2*(A*x - b)'*A*dx",
        "",
        "therefore grad(f, x) = A'*(A*x - b)",
    ]
    verdict = matcalc.check_lines(lines)
    assert (verdict.status, verdict.line) == ("wrong", 4)


def test_a_line_that_cannot_be_read_is_not_wrong_and_does_not_hide_the_others() -> None:
    verdict = matcalc.check_lines(
        "f = norm2(A*x - b)^2\ngrad(f, x) = 2*A'*(A*x - q)\n = 2*A'*(A*x - b)\n = 2*A'*(A*x + b)"
    )
    assert marks(verdict) == ["definition", "unreadable", "right", "wrong"]
    assert matcalc.check_lines("f = norm2(A*x - b)^2\ngrad(f, x) = 2*A'*(A*x - q)").status == "unreadable"


@pytest.mark.parametrize("text", ["", "   \n", "f = det(A)\n", "f = tr(A) + A"])
def test_nothing_to_judge(text: str) -> None:
    verdict = matcalc.check_lines(text, declare="A : m×n")
    assert verdict.status in ("unreadable", "undecided")
    assert verdict.message


def test_only_one_of_two_variables_may_vary_in_a_chain() -> None:
    text = "f = normF(X - U*V')^2\nd(f) = -2*tr((X - U*V')'*dU*V')\nd(f) = -2*tr((X - U*V')'*U*dV')"
    declare = "X : m×n; U : m×k; V : n×k"
    assert matcalc.check_lines(text, declare=declare).status == "correct"
    assert matcalc.check_lines(text, wrt=["U", "V"], declare=declare).line == 2


def test_the_layout_of_lines() -> None:
    declare = "A : m×n; x : n"
    assert matcalc.check_lines("y = A*x\njac(y, x) = A'", declare=declare).equal_up_to == "transpose"
    assert matcalc.check_lines("y = A*x\njac(y, x) = A'", declare=declare, strict=True).diagnosis[0].kind == "layout"


def test_marks_are_the_documented_ones() -> None:
    for text, options, *_ in WRONG:
        assert set(marks(matcalc.check_lines(text, **options))) <= set(MARKS)


# -------------------------------------------------------------------------------- documents
NOTES = r"""# Least squares

Let $A \in \mathbb{R}^{m \times n}$.

$$\nabla_x \|Ax - b\|_2^2 = 2A^T(Ax - b)$$

$$\begin{align}
\nabla_X \operatorname{tr}(X A X^T B) &= B^T X A^T + B X A \\
\nabla_X \log |X| &= X^{-1}
\end{align}$$

Let $Y = HW$. Then $\nabla_H L = \nabla_Y L \cdot W^T$ and $\nabla_W L = \nabla_Y L^T H$.

$$\nabla_x \|Ax - b\|^2 = A^T(Ax - b)$$

$$\text{a sum over } i \dots$$
"""


def test_the_misprints_of_a_document_are_found_with_their_lines_and_corrections() -> None:
    report = check_document(NOTES, "notes.md")
    found = {(f.number, f.mark) for f in report.lines}
    assert {(5, "fine"), (8, "fine"), (9, "wrong"), (12, "fine"), (12, "wrong"), (14, "wrong")} <= found
    corrections = {f.number: f.correction for f in report.wrong}
    assert corrections[14] == "2*A'*(A*x - b)"
    assert corrections[12].startswith("H'*grad(")
    assert all(f.correction for f in report.wrong)


REGRESSION = r"""$$f(W) = c - \frac{\beta}{2} \sum_n \|t_n - W^T x_n\|^2$$

$$\begin{align}
\nabla f &= \nabla \left( \frac{\beta}{2} \sum_n \|t_n - W^T x_n\|^2 \right) \\
&= \beta \sum_n x_n (t_n - W^T x_n)^T
\end{align}$$

Let $\bar{L}(Y^T) = L(Y)$ with $Y = HW$. Then $\nabla_{W^T} \bar{L} = (\nabla_W L)^T$, so
$$\nabla_W L = \nabla_{W^T} \bar{L}$$ and $$\frac{\partial L}{\partial H} = \nabla_Y L\, W^T$$
"""


def test_a_document_names_its_functions_and_sums() -> None:
    report = check_document(REGRESSION, "notes.md")
    assert [(f.number, f.message.rpartition(": ")[2]) for f in report.wrong] == [
        (4, "the derivative has the wrong sign"),
        (9, "this is the transpose of the derivative"),
    ]
    assert {(5, "fine"), (8, "fine"), (9, "fine")} <= {(f.number, f.mark) for f in report.lines}


def test_a_document_that_is_right_has_no_misprints() -> None:
    right = (
        NOTES.replace("X^{-1}", "X^{-T}").replace(r"\nabla_Y L^T H", r"H^T \nabla_Y L").replace("= A^T(Ax", "= 2A^T(Ax")
    )
    report = check_document(right, "notes.md")
    assert report.wrong == ()
    assert sum(f.mark == "fine" for f in report.lines) >= 6


# ------------------------------------------------------------------------------ command line
LS = ("norm2(A*x - b)^2", "--wrt", "x")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((*LS, "--answer", "2*A'*(A*x - b)"), 0),
        ((*LS, "--answer", "2*(A*x - b)'*A"), 0),
        ((*LS, "--answer", "2*(A*x - b)'*A", "--strict"), 1),
        ((*LS, "--answer", "-2*A'*(A*x - b)"), 1),
        ((*LS, "--answer", "2*A'*(A*x - b"), 2),
        ((*LS, "--answer", "sum(i in 1..1000000000, x)"), 3),
        ((*LS,), 2),
        (("check-nothing",), 2),
        ((*LS, "--latex", "--answer", "2A^T(Ax-b)"), 0),
        ((*LS, "--answer", "2*A.T @ (A @ x - b)"), 0),
    ],
)
def test_exit_codes(matcalc: Run, arguments: tuple[str, ...], code: int) -> None:
    done = matcalc("check", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_lines_from_standard_input_and_json(matcalc: Run) -> None:
    done = matcalc("check", "--lines", "-", "--format", "json", stdin=LEAST_SQUARES.replace("2*A'*A*x", "A'*A*x"))
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (found["status"], found["line"], found["diagnosis"][0]["kind"]) == ("wrong", 5, "factor")
    assert [j["mark"] for j in found["lines"]] == ["definition", "right", "right", "right", "wrong"]


def test_a_document_on_the_command_line(matcalc: Run, tmp_path: Path) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text(NOTES, encoding="utf-8")
    done = matcalc("check", str(notes))
    assert done.returncode == 1
    assert "wrong" in done.stdout


# ----------------------------------------------------------------------------------- folders
ANSWERS = {
    "adam.txt": ("2*A'*(A*x - b)\n", "correct"),
    "beth.txt": ("2*A*(A*x - b)\n", "wrong"),
    "carl.py": ("r = A @ x - b\nreturn 2 * A.T @ r\n", "correct"),
    "dora.tex": ("2A^\\top(Ax-b)", "correct"),
    "emil.txt": ("f = norm2(A*x - b)^2\ngrad(f, x) = 2*A'*(A*x + b)\n = 2*A'*A*x + 2*A'*b\n", "wrong"),
    "fay.txt": ("2*A'*(A*x - b", "unreadable"),
    "gus.txt": ("sum(i in 1..100000, sum(j in 1..100000, x))", "undecided"),
    "hal.txt": ("", "unreadable"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    answers = tmp_path / "answers"
    answers.mkdir()
    for name, (text, _) in ANSWERS.items():
        (answers / name).write_text(text, encoding="utf-8")
    (answers / "ida.txt").write_bytes(b"\xff\xfe\x00 not text")
    (answers / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "p.mc").write_text("A : m×n;  b : m;  x : n\nderive norm2(A*x - b)^2 wrt x\n", encoding="utf-8")
    return tmp_path


def test_a_folder_is_graded(matcalc: Run, folder: Path) -> None:
    done = matcalc("check", "--problem", str(folder / "p.mc"), str(folder / "answers"), "--jobs", "2")
    assert done.returncode == 1, done.stderr
    with (folder / "answers-verdicts.csv").open(encoding="utf-8") as stream:
        rows = {row["file"]: row for row in csv.DictReader(stream)}
    assert {name: rows[name]["status"] for name in ANSWERS} == {name: status for name, (_, status) in ANSWERS.items()}
    assert rows["ida.txt"]["status"] == "unreadable"
    assert "picture.png" not in rows
    assert rows["beth.txt"]["kind"] == "transpose"
    assert rows["emil.txt"]["line"] == "2"
    whole = json.loads((folder / "answers-verdicts.json").read_text(encoding="utf-8"))
    assert whole["counts"] == {"correct": 3, "wrong": 2, "undecided": 1, "unreadable": 3}
    assert "9 answers" in done.stdout


def test_an_answer_that_takes_too_long_is_ended_alone(folder: Path) -> None:
    from matcalc.homework.folder import Grading, grade_folder

    slow = "*".join(f"inv(A'*A + {k}*eye(n))" for k in range(1, 25))
    (folder / "answers" / "slow.txt").write_text(f"sum(i in 1..19000, {slow}*x)", encoding="utf-8")
    problem = (folder / "p.mc").read_text(encoding="utf-8")
    grades = grade_folder(folder / "answers", Grading(problem, timeout=0.4, jobs=1))
    found = {g.name: g for g in grades}
    assert found["slow.txt"].status == "undecided"
    assert "longer than" in found["slow.txt"].message
    assert found["adam.txt"].status == "correct"


def test_answers_by_several_variables_in_one_file(matcalc: Run, tmp_path: Path) -> None:
    answers = tmp_path / "answers"
    answers.mkdir()
    (answers / "a.txt").write_text("dW = X'*G\ndb = G'*ones(m)", encoding="utf-8")
    (answers / "b.py").write_text("dW = X.T @ dY\ndb = dY.sum(axis=1)", encoding="utf-8")
    (answers / "c.txt").write_text("dW = X'*G", encoding="utf-8")
    problem = "X : m×d; W : d×k; b : k\nY = X*W + ones(m)*b'\nL = loss(Y)\nderive L wrt W, b"
    done = matcalc("check", "--problem", problem, str(answers), "--format", "json", "--jobs", "1")
    found = {a["file"]: a for a in json.loads(done.stdout)["answers"]}
    assert [found[n]["status"] for n in ("a.txt", "b.py", "c.txt")] == ["correct", "wrong", "unreadable"]
    assert found["b.py"]["diagnosis"][0]["kind"] == "reduction"


def test_a_wrong_definition_of_another_shape_does_not_carry_on() -> None:
    text = "z = X*w\n = -X'*(y./(1 + exp(-y.*(X*w))))\nL = sum(log(1 + exp(-y.*z)))\ngrad(L, z) = -y.*sigmoid(y.*z)"
    verdict = matcalc.check_lines(text, declare="X : m×n; y : m; w : n")
    assert marks(verdict) == ["definition", "wrong", "definition", "wrong"]


def test_a_hessian_need_not_name_the_only_variable() -> None:
    v = matcalc.check_lines(r"\nabla^2 J = \frac1n X^\top X", problem="J = 1/(2*n)*norm2(X*w - y)^2", wrt="w")
    assert v.status == "correct"
