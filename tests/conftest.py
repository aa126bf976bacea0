"""What the tests share: the checkout's own program, run in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.fuzz.summary import pytest_terminal_summary

__all__ = ["environment", "matcalc", "pytest_terminal_summary"]

ROOT = Path(__file__).resolve().parent.parent
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The environment without colour, with the checkout first on the path and a UTF-8 terminal."""
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "TERM")}
    path = os.pathsep.join(p for p in (str(ROOT), os.environ.get("PYTHONPATH", "")) if p)
    return {**kept, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}


@pytest.fixture(scope="session")
def matcalc(environment: Mapping[str, str]) -> Run:
    """``matcalc("derive", "x'*x")`` runs the command line and returns the finished process."""

    def run(*arguments: str, stdin: str = "", cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "matcalc", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**environment, **env},
            cwd=cwd or ROOT,
            timeout=120,
            check=False,
        )

    return run
