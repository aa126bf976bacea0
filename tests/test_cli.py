"""The command line: what goes where, exit codes, and the manners of a program in a shell."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from conftest import ROOT, Run

LEAST_SQUARES = ("norm2(A*x - b)^2", "--wrt", "x")
ANSWER = "2*A'*(A*x - b)"


# ------------------------------------------------------------------ deriving
def test_derive_prints_the_whole_story(matcalc: Run) -> None:
    done = matcalc("derive", *LEAST_SQUARES)
    assert done.returncode == 0
    assert done.stderr == ""
    for part in (
        "A is m×n",
        "x is n×1",
        "b is m×1",
        f"grad(f, x) = {ANSWER}",
        "verified: ",
        "seed 0",
        "worst relative error",
    ):
        assert part in done.stdout


@pytest.mark.parametrize("form", ["text", "unicode", "latex", "markdown", "html", "json"])
@pytest.mark.parametrize("steps", ["none", "brief", "full"])
def test_every_format_at_every_length(matcalc: Run, form: str, steps: str) -> None:
    done = matcalc("derive", *LEAST_SQUARES, "--format", form, "--steps", steps)
    assert done.returncode == 0, done.stderr
    expected = {"text": ANSWER, "unicode": "2·Aᵀ·(A·x − b)", "html": "<math", "json": ANSWER}
    assert expected.get(form, r"2 A^{\top} \left(A x - b\right)") in done.stdout


def test_brief_least_squares_has_at_most_six_lines(matcalc: Run) -> None:
    shown = json.loads(matcalc("derive", *LEAST_SQUARES, "--format", "json").stdout)
    assert 1 <= len([s for s in shown["steps"] if s["level"] == 1]) <= 6


def test_json_has_the_promised_shape(matcalc: Run) -> None:
    problem = "R = A*X - B; normF(R)^2 + lambda*normF(X)^2"
    shown = json.loads(matcalc("derive", problem, "--wrt", "X", "--format", "json", "--declare", "A : m×n").stdout)
    assert set(shown) >= {
        "version",
        "problem",
        "variables",
        "answers",
        "definitions",
        "steps",
        "certificate",
        "code",
        "notes",
    }
    assert shown["problem"] == problem
    assert shown["variables"]["A"] == {"shape": ["m", "n"], "properties": [], "assumed": False}
    assert shown["variables"]["lambda"]["shape"] == [1, 1]
    assert shown["variables"]["X"]["assumed"] is True
    assert set(shown["answers"]["X"]) >= {"text", "unicode", "latex", "shape", "operations"}
    assert set(shown["answers"]["X"]["operations"]) == {
        *("product", "transpose", "inverse", "sum", "hadamard", "function", "total")
    }
    assert [set(d) for d in shown["definitions"]] == [{"name", "text", "latex"}]
    for step in shown["steps"]:
        assert set(step) >= {"rule", "reason", "before", "after", "level", "substeps", "check"}
    assert set(shown["certificate"]) >= {"status", "method", "worst_error", "points", "shapes", "seed"}
    assert shown["certificate"]["status"] == "verified"
    assert set(shown["code"]) == {"target", "source"}


def test_same_input_gives_the_same_bytes(matcalc: Run) -> None:
    arguments = ("derive", "tr(X*A*X'*B) + sum(exp(X))", "--wrt", "X", "--format", "json")
    first = matcalc(*arguments, PYTHONHASHSEED="1")
    second = matcalc(*arguments, PYTHONHASHSEED="2")
    assert first.returncode == 0
    assert first.stdout == second.stdout


# ------------------------------------------------------------------ arguments
@pytest.mark.parametrize("order", [("-A*x", "--wrt", "x"), ("--wrt", "x", "-A*x"), ("--wrt=x", "--", "-A*x")])
def test_a_formula_may_begin_with_a_minus(matcalc: Run, order: tuple[str, ...]) -> None:
    done = matcalc("derive", "--steps", "none", *order)
    assert done.returncode == 0, done.stderr
    assert "jac(f, x) = -A" in done.stdout


def test_a_formula_may_begin_with_a_letter_of_an_option(matcalc: Run) -> None:
    done = matcalc("derive", "-h'*x", "--wrt", "x", "--steps", "none")
    assert done.returncode == 0, done.stderr
    assert "grad(f, x) = -h" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("derive", "-A*x", "--wrrt", "x"), "'--wrt'"),
        (("derive", "-A*x", "--wrrt=x"), "'--wrt'"),
        (("code", "x'*x", "--outptu", "f.py"), "'--output'"),
        (("derve", "x'*x"), "'derive'"),
        (("derive", "x'*x", "--method", "lineer"), "'linear'"),
    ],
)
def test_mistyped_words_are_caught(matcalc: Run, arguments: tuple[str, ...], meant: str) -> None:
    done = matcalc(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert meant in done.stderr


def test_a_file_standard_input_and_the_text_itself_are_the_same(matcalc: Run, tmp_path: Path) -> None:
    text = "A : m×n; norm2(A*x - b)^2\n"
    (tmp_path / "problem.mc").write_text(text, encoding="utf-8")
    outputs = {
        matcalc("derive", source, "--wrt", "x", stdin=text, cwd=tmp_path).stdout for source in (text, "-", "problem.mc")
    }
    assert len(outputs) == 1
    assert ANSWER in outputs.pop()


def test_output_goes_to_a_file(matcalc: Run, tmp_path: Path) -> None:
    done = matcalc("code", *LEAST_SQUARES, "--output", "ls.py", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    run = subprocess.run([sys.executable, "ls.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0
    assert "PASS" in run.stdout


def test_wrt_may_be_repeated_or_listed(matcalc: Run) -> None:
    repeated = matcalc("derive", "normF(X - U*V')^2", "--wrt", "U", "--wrt", "V", "--steps", "none")
    listed = matcalc("derive", "normF(X - U*V')^2", "--wrt", "U,V", "--steps", "none")
    assert repeated.returncode == 0, repeated.stderr
    assert repeated.stdout == listed.stdout
    assert "grad(f, U) =" in listed.stdout and "grad(f, V) =" in listed.stdout


def test_without_verification_the_answer_says_so(matcalc: Run) -> None:
    done = matcalc("derive", *LEAST_SQUARES, "--no-verify")
    assert done.returncode == 0
    assert "not verified" in done.stdout


def test_version(matcalc: Run) -> None:
    import matcalc as package

    assert matcalc("--version").stdout == f"matcalc, version {package.__version__}\n"


# ------------------------------------------------------------------ bad input
@pytest.mark.parametrize(
    ("problem", "says"),
    [
        ("", ""),
        ("norm2(A*x - b", "("),
        ("A*x b", ""),
        ("nrom2(x)", "norm2"),
        ("x'*", ""),
        ("__import__('os').system('true')", ""),
        ("os.system('x')", ""),
        ("{{7*7}}", ""),
        ("x'*x\x1b[2J", ""),
        ("x\u202e'*x", ""),
        ("(" * 10_000 + "x" + ")" * 10_000, ""),
        ("(" * 10_000, ""),
    ],
    ids=lambda v: str(v)[:20],
)
def test_bad_input_is_a_clear_error(matcalc: Run, problem: str, says: str) -> None:
    done = matcalc("derive", problem, "--wrt", "x")
    assert done.returncode == 2, done.stdout[:500] + done.stderr[-500:]
    assert done.stdout == ""
    assert says in done.stderr
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr
    assert done.stderr.replace("\n", "").isprintable()


@pytest.mark.parametrize("text", ["x'*x\0", "+".join(["x'*x"] * 200_000)], ids=["null byte", "a megabyte"])
def test_bad_standard_input_is_a_clear_error(matcalc: Run, text: str) -> None:
    done = matcalc("derive", "-", "--wrt", "x", stdin=text)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00x", None], ids=["not text", "missing"])
def test_a_file_that_cannot_be_read(matcalc: Run, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "p.mc").write_bytes(content)
    done = matcalc("derive", "p.mc", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot read 'p.mc'")


def test_an_output_that_cannot_be_written(matcalc: Run, tmp_path: Path) -> None:
    done = matcalc("derive", *LEAST_SQUARES, "--output", "no/such/folder/out.txt", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")


def test_shapes_that_do_not_fit_show_a_caret(matcalc: Run) -> None:
    done = matcalc("derive", "A*x + b", "--wrt", "x", "--declare", "A : m×n; b : n")
    assert done.returncode == 2
    assert "^" in done.stderr and "m" in done.stderr and "n" in done.stderr


# ------------------------------------------------------------------ terminals and pipes
def test_output_that_cannot_be_encoded_falls_back_to_ascii(matcalc: Run) -> None:
    for form in ("text", "unicode", "markdown", "json"):
        done = matcalc("derive", *LEAST_SQUARES, "--format", form, PYTHONIOENCODING="ascii")
        assert done.returncode == 0, done.stderr
        assert done.stdout.isascii()
        assert done.stdout.strip()


def test_a_closed_pipe_ends_quietly(environment: Mapping[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "matcalc", "derive", *LEAST_SQUARES],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
        cwd=ROOT,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 0


def on_a_terminal(environment: Mapping[str, str], **env: str) -> bytes:
    """What the program writes when its standard output is a terminal."""
    reader, writer = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "matcalc", "derive", *LEAST_SQUARES],
        stdout=writer,
        env={**environment, "TERM": "xterm", **env},
        cwd=ROOT,
    )
    os.close(writer)
    out = b""
    while True:
        try:
            piece = os.read(reader, 4096)
        except OSError:  # the other end of a terminal has closed
            break
        if not piece:
            break
        out += piece
    os.close(reader)
    assert process.wait(timeout=60) == 0
    return out


def test_colour_is_for_terminals(environment: Mapping[str, str], matcalc: Run) -> None:
    assert b"\x1b[" in on_a_terminal(environment)
    assert b"\x1b[" not in on_a_terminal(environment, NO_COLOR="1")
    assert b"\x1b[" not in on_a_terminal(environment, TERM="dumb")
    assert "\x1b[" not in matcalc("derive", *LEAST_SQUARES).stdout
    assert "\x1b[" in matcalc("derive", *LEAST_SQUARES, FORCE_COLOR="1").stdout
    assert "\x1b[" not in matcalc("derive", *LEAST_SQUARES, FORCE_COLOR="1", NO_COLOR="1").stdout


# ------------------------------------------------------------------ rules
def test_rules_are_listed_and_explained(matcalc: Run) -> None:
    listed = matcalc("rules")
    assert listed.returncode == 0
    assert "trace-cyclic" in listed.stdout
    one = matcalc("rules", "trace-cyclic")
    assert one.returncode == 0
    assert "tr(A*B) = tr(B*A)" in one.stdout
    shown = json.loads(matcalc("rules", "--format", "json").stdout)
    assert {"id", "left", "right", "conditions", "say", "source"} <= set(shown["rules"][0])


def test_the_methods_are_those_of_the_deriver() -> None:
    from matcalc.calculus.methods import METHODS
    from matcalc.cli import METHODS as OFFERED

    assert set(OFFERED) == {"auto", *METHODS}


def test_a_dash_as_output_is_standard_output(matcalc: Run, tmp_path: Path) -> None:
    done = matcalc("derive", *LEAST_SQUARES, "--output", "-", cwd=tmp_path)
    assert ANSWER in done.stdout and not list(tmp_path.iterdir())


def test_a_negative_seed_is_a_usage_error(matcalc: Run) -> None:
    done = matcalc("derive", *LEAST_SQUARES, "--seed", "-1")
    assert done.returncode == 2 and "--seed" in done.stderr


def test_a_rule_file_written_on_windows_is_read(matcalc: Run, tmp_path: Path) -> None:
    text = "\ufeffsquare S\r\nmine: tr(S) = tr(S')\r\n    say  as it is\r\n"
    (tmp_path / "mine.rules").write_bytes(text.encode())
    done = matcalc("rules", "mine.rules", "--verify", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [("rules", "no.rules", "--verify"), ("derive", "x'*x", "--rules", "no.rules")])
def test_a_rule_file_that_is_not_there(matcalc: Run, arguments: tuple[str, ...]) -> None:
    done = matcalc(*arguments)
    assert done.returncode == 2
    assert "no.rules" in done.stderr


def test_an_unknown_rule_is_met_with_the_nearest(matcalc: Run) -> None:
    done = matcalc("rules", "trace-cylic")
    assert done.returncode == 2
    assert "trace-cyclic" in done.stderr


def test_a_users_rules_are_checked(matcalc: Run, tmp_path: Path) -> None:
    good = "matrix A B\nmy-rule: tr(A*B) = tr(B*A)\n    say turn\n    source me\n"
    bad = "square A B\nmy-rule: inv(A + B) = inv(A) + inv(B)\n    say wrong\n    source me\n"
    (tmp_path / "good.rules").write_text(good, encoding="utf-8")
    (tmp_path / "bad.rules").write_text(bad, encoding="utf-8")
    done = matcalc("rules", "good.rules", "--verify", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    done = matcalc("rules", "bad.rules", "--verify", cwd=tmp_path)
    assert done.returncode == 1
    assert "my-rule" in done.stdout
    assert matcalc("derive", "tr(A*X)", "--wrt", "X", "--rules", "good.rules", cwd=tmp_path).returncode == 0
    done = matcalc("derive", "tr(A*X)", "--wrt", "X", "--rules", "bad.rules", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
