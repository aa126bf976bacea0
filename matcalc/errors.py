"""The errors a user can meet. Each carries the whole situation: message, place in the text, hint."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CannotDerive", "FailedCertificate", "MatcalcError", "ParseError", "RuleError", "ShapeError", "Span"]


class Span(NamedTuple):
    """A half-open range of character positions in the user's text."""

    start: int
    end: int


class MatcalcError(Exception):
    """Base class. ``span`` points into ``source`` where text is to blame; ``hint`` says what would repair it."""

    def __init__(
        self,
        message: str,
        *,
        span: Span | None = None,
        source: str | None = None,
        label: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.span = span
        self.source = source
        self.label = label  # written behind the caret
        self.hint = hint

    def render(self) -> str:
        """The message with a caret under the user's own text and the hint, several lines."""
        lines = [f"error: {self.message}"]
        if self.span is not None and self.source is not None:
            lines += _caret(self.source, self.span, self.label)
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


class ParseError(MatcalcError):
    """The text is not of the language."""


class ShapeError(MatcalcError):
    """The text is of the language, but the shapes in it do not fit."""


class RuleError(MatcalcError):
    """A rule file is wrong, or a rule in it is false."""


class CannotDerive(MatcalcError):
    """The problem is understood, but no rule leads to its derivative. The reason is in the message."""


class FailedCertificate(MatcalcError):
    """A derivation was contradicted by its numerical check: a fault of matcalc, never printed as an answer."""


WIDTH = 100  # longest piece of the user's text that is shown


def _caret(source: str, span: Span, label: str) -> list[str]:
    start = max(0, min(span.start, len(source)))
    begin = source.rfind("\n", 0, start) + 1
    stop = source.find("\n", start)
    stop = len(source) if stop < 0 else stop
    end = max(start + 1, min(span.end, stop))
    if stop - begin > WIDTH:  # show a window around the place
        left = max(begin, min(start - WIDTH // 2, stop - WIDTH))
        begin, stop = left, min(stop, left + WIDTH)
        end = min(end, stop)
    text = "".join(c if c.isprintable() else "�" for c in source[begin:stop])
    marks = " " * (start - begin) + "^" * max(1, end - start)
    return [f"  {text}", f"  {marks} {label}".rstrip()]
