"""Where ``rules/`` and ``templates/`` are: in the installed package, else at the top of the checkout.

A wheel carries both folders inside ``matcalc/_data``; a checkout, an editable install and an unpacked sdist have them
beside the package.  The packaged folder wins, so that an installed matcalc never reads a stranger's folder.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

__all__ = ["folder", "named", "read"]

FOLDERS = ("rules", "templates")


def folder(name: str) -> Traversable:
    """The folder ``rules`` or ``templates``. Raises FileNotFoundError where the installation is broken."""
    if name not in FOLDERS:
        raise ValueError(f"no resource folder is called {name!r}")
    packaged = files("matcalc").joinpath("_data", name)
    if packaged.is_dir():
        return packaged
    checkout = Path(__file__).resolve().parent.parent / name
    if checkout.is_dir():
        return checkout
    raise FileNotFoundError(f"the folder {name}/ is missing: neither {packaged} nor {checkout} is there")


def named(name: str, ending: str) -> list[str]:
    """The names of the files in a folder that end so, in alphabetical order."""
    return sorted(entry.name for entry in folder(name).iterdir() if entry.name.endswith(ending))


def read(name: str, file: str) -> str:
    """The text of one file of a folder."""
    return folder(name).joinpath(file).read_text(encoding="utf-8")
