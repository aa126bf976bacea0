"""Console blocks of the documentation: run, compared, and rewritten.

A block is fenced as ``console``; a line that begins with ``$ `` is a command, what follows is its output (standard
output, then standard error).  ``python tests/console.py README.md examples/README.md`` writes the outputs anew.

Errors in certificates are rounding errors, which differ between machines: all are compared as equal.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ROUNDING = re.compile(r"(?<=error )(0|\d(\.\d+)?e-\d+)\b|\b\d(\.\d+)?e-\d+\b")
PROGRAMS = 'matcalc() { "$PYTHON" -m matcalc "$@"; }; python() { "$PYTHON" "$@"; }; '


class Command(NamedTuple):
    command: str
    output: str


def commands(block: str) -> Iterator[Command]:
    """The commands of one block, each with the output printed under it."""
    command: str | None = None
    output: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            if command is not None:
                yield Command(command, "\n".join(output))
            command, output = line[2:], []
        else:
            output.append(line)
    if command is not None:
        yield Command(command, "\n".join(output))


def blocks(document: Path) -> list[list[Command]]:
    """The console blocks of a document, without those that install something."""
    found = [list(commands(m[1])) for m in BLOCK.finditer(document.read_text(encoding="utf-8"))]
    return [block for block in found if not any("pip install" in c.command for c in block)]


def run(block: list[Command], environment: Mapping[str, str]) -> list[str]:
    """The outputs of a block's commands, run one after another in a fresh folder that holds the examples."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "examples", Path(folder, "examples"))
        return [_run(c.command, folder, environment) for c in block]


def _run(command: str, folder: str, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", PROGRAMS + command],
        capture_output=True,
        encoding="utf-8",
        cwd=folder,
        env={**environment, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        timeout=120,
        check=False,
    )
    return (done.stdout + done.stderr).rstrip("\n")


def alike(output: str) -> str:
    """An output with its rounding errors made equal and trailing blanks removed."""
    return "\n".join(line.rstrip() for line in ROUNDING.sub("#e-#", output).strip("\n").splitlines())


def rewritten(document: Path, environment: Mapping[str, str]) -> str:
    """The document's text with the outputs of its commands written anew."""

    def again(match: re.Match[str]) -> str:
        block = list(commands(match[1]))
        if any("pip install" in c.command for c in block):
            return match[0]
        pairs = zip(block, run(block, environment), strict=True)
        return (
            "```console\n"
            + "".join(f"$ {c.command}\n{out}\n" if out else f"$ {c.command}\n" for c, out in pairs)
            + "```"
        )

    return BLOCK.sub(again, document.read_text(encoding="utf-8"))


if __name__ == "__main__":
    plain = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR",)}
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(rewritten(path, {**plain, "NO_COLOR": "1"}), encoding="utf-8")
