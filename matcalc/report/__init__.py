"""Reports: a derivation written for people (text, Unicode, LaTeX, Markdown, HTML) and for programs (JSON).

Every format shows the same lines of :mod:`matcalc.report.telling`; nothing is computed here but layout.
"""

from __future__ import annotations

from matcalc.report.telling import Told

__all__ = ["FORMATS", "GRAPHS", "render"]

FORMATS = ("text", "unicode", "latex", "markdown", "html", "json", "dot", "mermaid", "svg")
GRAPHS = ("dot", "mermaid", "svg")  # these draw the computation graph


def render(
    derivation: Told, form: str = "text", steps: str = "brief", colour: bool = False, gradients: bool = False
) -> str:
    """The derivation in one of the formats, with ``none``, ``brief`` or ``full`` steps.

    ``gradients``: a graph has them beside its nodes.
    """
    if form in GRAPHS:
        return _drawn(derivation, form, gradients)
    if form in ("text", "unicode"):
        from matcalc.report.plain import plain

        return plain(derivation, form, steps, colour)
    if form == "json":
        from matcalc.report.data import as_json

        return as_json(derivation, steps)
    if form == "html":
        from matcalc.report.page import page

        return page(derivation, steps)
    from matcalc.report.markup import latex, markdown

    return {"latex": latex, "markdown": markdown}[form](derivation, steps)


def _drawn(derivation: Told, form: str, gradients: bool) -> str:
    from matcalc.report.graph_model import drawing_of

    drawing = drawing_of(derivation, gradients)
    if form == "svg":
        from matcalc.report.graph_svg import svg

        return svg(drawing)
    from matcalc.report.graph_text import dot, mermaid

    return {"dot": dot, "mermaid": mermaid}[form](drawing)
