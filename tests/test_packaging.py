"""The wheel, the sdist and the editable install each find the rules and the templates, away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROBLEM = "norm2(A*x - b)^2"
ANSWER = "2*A'*(A*x - b)"


def call(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel built from that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, unpacked: a checkout without version control."""
    folder = tmp_path_factory.mktemp("sdist")
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    return source


def pip(*arguments: str | Path, cwd: Path) -> None:
    call(
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--disable-pip-version-check",
        *arguments,
        cwd=cwd,
    )


def works(cwd: Path, place: Path) -> None:
    """The program on a path of its own derives, finds its templates, and comes from that place."""
    start = "import site, sys; site.addsitedir(sys.argv.pop(1)); from matcalc.cli import main; sys.exit(main())"
    if place.suffix == ".whl":
        start = start.replace("site.addsitedir(sys.argv.pop(1))", "sys.path.insert(0, sys.argv.pop(1))")
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PYTHONSAFEPATH": "1", "PYTHONUTF8": "1"}
    run = (sys.executable, "-c", start, place)
    assert f"grad(f, x) = {ANSWER}" in call(*run, "derive", PROBLEM, "--wrt", "x", cwd=cwd, env=env)
    assert "d-product" in call(*run, "rules", cwd=cwd, env=env)
    assert "<math" in call(*run, "derive", PROBLEM, "--wrt", "x", "--format", "html", cwd=cwd, env=env)
    call(*run, "code", PROBLEM, "--wrt", "x", "--output", cwd / "module.py", cwd=cwd, env=env)
    assert "PASS" in call(sys.executable, cwd / "module.py", cwd=cwd, env=env)


def test_wheel_holds_the_data_and_the_type_marker(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    here = {p.relative_to(ROOT) for folder in ("rules", "templates") for p in (ROOT / folder).iterdir() if p.is_file()}
    assert {f"matcalc/_data/{p.as_posix()}" for p in here} <= names
    assert "matcalc/py.typed" in names
    assert not any(n.startswith("tests/") for n in names)


def test_wheel_installed(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    pip("--target", tmp_path / "site", wheel, cwd=tmp_path)
    works(tmp_path, tmp_path / "site")


def test_wheel_unopened(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    works(tmp_path, wheel)


def test_sdist_unpacked(unpacked: Path, tmp_path: Path) -> None:
    works(tmp_path, unpacked)


def test_editable_install(unpacked: Path, tmp_path: Path) -> None:
    pip("--no-build-isolation", "--target", tmp_path / "site", "--editable", unpacked, cwd=tmp_path)
    works(tmp_path, tmp_path / "site")


def test_the_distribution_is_not_called_like_the_import() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] != "matcalc"
    assert project["scripts"] == {"matcalc": "matcalc.cli:main"}
