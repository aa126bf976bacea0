"""Names in generated source: the user's where they are safe, others chosen here.

Invariants: every name is a valid identifier that normalises to itself, not a keyword and not special to Python; no name
is given twice; nothing of a name that fails these tests reaches the source.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable

__all__ = ["Namer", "parameter_names", "safe_name"]

SPECIAL = frozenset(("__debug__", "__import__", "__builtins__", "__name__", "__file__", "__doc__"))
GREEK = re.compile(r"GREEK (SMALL|CAPITAL) LETTER (\w+)$")


def _plain(character: str) -> str:
    """A character of a foreign name in letters Python knows: Greek letters by name, anything else as ``_``."""
    name = unicodedata.name(character, "")
    greek = GREEK.match(name)
    if greek:
        return greek[2].lower() if greek[1] == "SMALL" else greek[2].capitalize()
    folded = unicodedata.normalize("NFKC", character)
    return folded if all(c.isalnum() or c == "_" for c in folded) else "_"


def safe_name(name: str) -> str:
    """The name itself where Python takes it as it is, else the nearest one that it takes."""
    if not name.isidentifier() or unicodedata.normalize("NFKC", name) != name:
        name = "".join(_plain(c) for c in name)
        name = unicodedata.normalize("NFKC", name)
        if not name.isidentifier():
            name = f"x_{name}" if f"x_{name}".isidentifier() else "x_"
    if keyword.iskeyword(name) or name in SPECIAL:
        name += "_"
    return name


def parameter_names(symbols: Iterable[str]) -> dict[str, str]:
    """The parameter of each symbol: its own name wherever that is possible, so that keyword calls work."""
    wanted = list(symbols)
    kept = {s: s for s in wanted if safe_name(s) == s}
    taken = set(kept)
    out: dict[str, str] = {}
    for s in wanted:
        name = kept.get(s) or safe_name(s)
        while s not in kept and name in taken:
            name += "_"
        taken.add(name)
        out[s] = name
    return out


class Namer:
    """Gives out names, each once."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = set(taken)

    def exact(self, wanted: str) -> str:
        """The wanted name, with underscores behind it where it is taken."""
        name = safe_name(wanted)
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def fresh(self, hint: str) -> str:
        """A name like the hint: r, r2, r3."""
        name, k = safe_name(hint), 1
        while name in self.taken:
            k += 1
            name = f"{safe_name(hint)}{k}"
        self.taken.add(name)
        return name
