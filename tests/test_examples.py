"""Every problem file under ``examples/`` is derived, verified, shown in the README, and its module checks itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import matcalc

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
FILES = sorted(EXAMPLES.glob("*.mc"))


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_example(file: Path, tmp_path: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# "), "an example begins with a sentence that says what it is"
    derivation = matcalc.derive(text)
    assert derivation.certificate.status == "verified"
    assert derivation.answers
    module = tmp_path / "module.py"
    module.write_text(derivation.code(), encoding="utf-8")
    done = subprocess.run([sys.executable, module], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS" in done.stdout


def test_every_example_is_in_the_readme() -> None:
    shown = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    missing = [f.name for f in FILES if f"derive examples/{f.name}" not in shown]
    assert not missing
    assert len(FILES) >= 15
