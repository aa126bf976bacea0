"""The graph of a program in the languages of Graphviz (DOT) and of Mermaid."""

from __future__ import annotations

import re

from matcalc.report.graph_model import Box, Drawing

__all__ = ["dot", "mermaid"]

FILL = {"input": "#f2f2f2", "variable": "#d8efd8", "defined": "#ffffff", "objective": "#ffe3c2"}


def dot(drawing: Drawing) -> str:
    """For ``dot -Tsvg``."""
    out = ["digraph program {", '    node [shape=box, style="rounded,filled", fontname="monospace"];']
    out.append('    edge [fontname="monospace", fontsize=10];')
    for b in drawing.boxes.values():
        label = "\\n".join(_escaped(line) for line in _text(b))
        out.append(f'    "{_escaped(b.name)}" [label="{label}", fillcolor="{FILL[b.kind]}"];')
    for e in drawing.edges:
        style = ", style=dashed, constraint=false" if e.is_back else ""
        out.append(f'    "{_escaped(e.source)}" -> "{_escaped(e.target)}" [label="{_escaped(e.label)}"{style}];')
    return "\n".join([*out, "}"]) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def mermaid(drawing: Drawing) -> str:
    """For Markdown that draws Mermaid diagrams."""
    names = {n: f"n{i}" for i, n in enumerate(drawing.boxes)}
    out = ["flowchart TD"]
    for b in drawing.boxes.values():
        label = "<br/>".join(_entities(line) for line in _text(b))
        out.append(f'    {names[b.name]}["{label}"]:::{b.kind}')
    for e in drawing.edges:
        arrow = "-.->" if e.is_back else "-->"
        out.append(f'    {names[e.source]} {arrow}|"{_entities(e.label)}"| {names[e.target]}')
    out += [f"    classDef {kind} fill:{fill},stroke:#555,color:#111" for kind, fill in FILL.items()]
    return "\n".join(out) + "\n"


def _text(b: Box) -> list[str]:
    lines = [f"{b.title} = {b.formula}" if b.formula and f"{b.title} = " not in b.formula else b.formula or b.title]
    return [*lines, *([b.gradient] if b.gradient else [])]


def _entities(text: str) -> str:
    """Text that no diagram takes for its own marks."""
    return re.sub(r'[&"<>#`|{}\[\]()]', lambda m: f"#{ord(m[0])};", text)
