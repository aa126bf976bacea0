"""An emitted module loaded without a file.

The source is matcalc's own, made of names and numbers that the emitter validated; a user's text never reaches it.
"""

from __future__ import annotations

from importlib.abc import InspectLoader
from importlib.util import module_from_spec, spec_from_loader
from types import ModuleType

__all__ = ["load_module"]


class _Source(InspectLoader):
    """A loader that has its source in memory; tracebacks show its lines."""

    def __init__(self, source: str) -> None:
        self._source = source

    def get_source(self, fullname: str) -> str:
        return self._source


def load_module(source: str, name: str = "matcalc_emitted") -> ModuleType:
    """The module of a source text. It is not entered in ``sys.modules``."""
    spec = spec_from_loader(name, _Source(source))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
