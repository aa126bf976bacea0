"""What the documentation shows is what the program prints."""

from __future__ import annotations

import doctest
from collections.abc import Mapping
from pathlib import Path

import pytest
from console import Command, alike, blocks, run

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("README.md", "examples/README.md", "CONTRIBUTING.md")
CASES = [(name, block) for name in DOCUMENTS for block in blocks(ROOT / name)]


@pytest.mark.parametrize(("name", "block"), CASES, ids=[f"{name}: {block[0].command}" for name, block in CASES])
def test_console_block(name: str, block: list[Command], environment: Mapping[str, str]) -> None:
    for command, output in zip(block, run(block, environment), strict=True):
        assert alike(output) == alike(command.output), f"{name}: $ {command.command}"


def test_the_python_session_of_the_readme() -> None:
    failed, tried = doctest.testfile(str(ROOT / "README.md"), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert tried > 5
    assert failed == 0


def test_the_readme_begins_with_its_two_commands() -> None:
    """The first installs and prints a derivation, the second runs the tests; .ci/run looks for both."""
    lines = [
        line[2:] for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("$ ")
    ]
    assert lines[0].startswith("python3 -m venv .venv && .venv/bin/pip install")
    assert lines[0].endswith('.venv/bin/matcalc derive "norm2(A*x - b)^2" --wrt x')
    assert ".[test]" in lines[1] and "pytest" in lines[1]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_named_in_the_documentation_exist(name: str) -> None:
    document = ROOT / name
    text = document.read_text(encoding="utf-8")
    links = [part.partition(")")[0].partition("#")[0] for part in text.split("](")[1:]]
    missing = [link for link in links if link and "://" not in link and not (document.parent / link).exists()]
    assert not missing
