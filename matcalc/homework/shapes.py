"""An answer that is a shape: ``m×n``, ``1 x d``, ``(m, n)``."""

from __future__ import annotations

import re

__all__ = ["read_shape"]

SIZE = r"[^\W\d]\w*|\d+"
SHAPE = re.compile(rf"\s*(?:({SIZE})\s*(?:×|x|by)\s*({SIZE})|\(\s*({SIZE})\s*,\s*({SIZE})\s*\))\s*")
SPACED = re.compile(r"\S\s+x\s+\S|×|,|by")


def read_shape(text: str) -> tuple[str, str] | None:
    """The two sizes, where the whole text is a shape."""
    match = SHAPE.fullmatch(text)
    if match is None or SPACED.search(text) is None:
        return None
    found = [g for g in match.groups() if g is not None]
    return found[0], found[1]
