"""Rooms import only downward, and nothing heavy is imported before it is needed."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "matcalc"

# What each room may import of matcalc, besides itself. The certifier's room must not know the deriver.
BELOW = {
    "errors": set(),
    "resources": set(),
    "terminal": set(),
    "language": {"errors"},
    "numeric": {"errors", "language"},
    "rewriting": {"errors", "resources", "language"},
    "calculus": {"errors", "language", "rewriting"},
    "code": {"errors", "resources", "language"},
    "interop": {"errors", "language"},
    "homework": {"errors", "terminal", "language", "rewriting", "calculus", "numeric", "interop"},
    "trust": {"errors", "language", "rewriting", "numeric"},
    "rulepages": {"errors", "language", "rewriting", "trust"},
    "verify": {"errors", "language", "rewriting", "calculus", "numeric"},
    "report": {"errors", "resources", "language", "rewriting", "calculus", "terminal"},
}
EDGES = {"__init__", "__main__", "api", "cli", "cli_check", "cli_rules"}  # these may import everything
HEAVY = {"numpy", "sympy", "scipy", "jinja2", "rich", "mpmath", "markupsafe"}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield parts[0], path


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(("room", "path"), list(modules()), ids=lambda v: v.name if isinstance(v, Path) else v)
def test_a_room_imports_only_rooms_below_it(room: str, path: Path) -> None:
    if room in EDGES:
        return
    allowed = BELOW[room] | {room}
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("matcalc.")} - {"__version__"}
    assert ours <= allowed, f"{path.name} imports {sorted(ours - allowed)}"


def test_every_room_is_in_the_table() -> None:
    assert {room for room, _ in modules()} == BELOW.keys() | EDGES


def loaded(environment: Mapping[str, str], *arguments: str) -> set[str]:
    """The top-level modules loaded by a run of the command line that must succeed."""
    code = (
        "import json, sys\n"
        "from matcalc.cli import main\n"
        "code = main(json.loads(sys.argv[1]))\n"
        "assert code == 0, code\n"
        "print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(arguments)],
        capture_output=True,
        text=True,
        env=dict(environment),
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--version",),
        ("--help",),
        ("derive", "--help"),
        ("rules",),
        ("derive", "norm2(A*x - b)^2", "--wrt", "x", "--no-verify"),
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_loaded(environment: Mapping[str, str], arguments: tuple[str, ...]) -> None:
    assert not loaded(environment, *arguments) & HEAVY


@pytest.mark.parametrize("form", ["text", "unicode", "latex", "markdown"])
def test_a_derivation_loads_numpy_alone(environment: Mapping[str, str], form: str) -> None:
    found = loaded(environment, "derive", "sum(log(exp(-y.*(X*w)) + vector(1)))", "--wrt", "w", "--format", form)
    assert found & HEAVY == {"numpy"}


def test_json_and_code_load_the_templates_and_no_sympy(environment: Mapping[str, str]) -> None:
    for arguments in (("derive", "x'*x", "--wrt", "x", "--format", "json"), ("code", "x'*x", "--wrt", "x")):
        assert loaded(environment, *arguments) & HEAVY == {"numpy", "jinja2", "markupsafe"}
