"""The graph of a program as SVG: our own layout, no external programs, no scripts, every text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from xml.sax.saxutils import escape

from matcalc.report.graph_layout import Layout, Place, Point, lay_out
from matcalc.report.graph_model import Box, Drawing, Edge

__all__ = ["svg"]

FONT, SMALL = 13.0, 11.0
LETTER = 0.602  # the width of a letter of a monospaced font, in its size
PADDING, LEADING = 10.0, 17.0
MARGIN = 24.0
CORNER = 8.0
WRAP = 52  # characters of a gradient on one line
STYLE = """
    text { font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #1a1a1a; }
    .box { stroke: #4a4a4a; stroke-width: 1.2; }
    .input { fill: #f2f2f2; } .variable { fill: #d8efd8; } .defined { fill: #ffffff; } .objective { fill: #ffe3c2; }
    .title { font-weight: bold; } .gradient { fill: #9a1b1b; }
    .edge { fill: none; stroke: #6a6a6a; stroke-width: 1.3; }
    .later { stroke-dasharray: 5 4; }
    .shape { fill: #2a4d8f; paint-order: stroke; stroke: #ffffff; stroke-width: 4px; }
"""


def svg(drawing: Drawing) -> str:
    """The drawing as a document of its own."""
    texts = {b.name: _lines(b) for b in drawing.boxes.values()}
    sizes = {n: _size(lines) for n, lines in texts.items()}
    layout = lay_out(drawing, sizes)
    right = max([layout.width, *(x for route in layout.routes.values() for x, _ in route)]) + _room(drawing)
    width, height = right + 2 * MARGIN, layout.height + 2 * MARGIN
    title = " → ".join(b.title for b in drawing.boxes.values() if b.kind in ("variable", "objective"))
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
        f"<title>Computation graph: {escape(title)}</title>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse"><path d="M 0 0 L 10 5 L 0 10 z" fill="#6a6a6a"/></marker></defs>',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
        f'<g transform="translate({MARGIN:.0f} {MARGIN:.0f})">',
    ]
    out += [_edge(e, layout.routes[e]) for e in drawing.edges]
    out += [part for b in drawing.boxes.values() for part in _box(b, texts[b.name], layout.places[b.name])]
    out += _labels(drawing, layout)
    return "\n".join([*out, "</g>", "</svg>"]) + "\n"


def _room(drawing: Drawing) -> float:
    """Room on the right for the labels of dashed edges."""
    return max((len(e.label) * SMALL * LETTER + 8 for e in drawing.edges if e.is_back), default=0.0)


# ------------------------------------------------------------------------------- boxes
def _lines(b: Box) -> list[tuple[str, str]]:
    """The lines of a box, each with its class."""
    out = [("title", b.title)]
    if b.formula:
        own = b.formula.split("; ") if f"{b.title} = " in b.formula else [b.formula]
        out += [("formula", part) for part in own]
    return out + [("gradient", part) for part in _wrapped(b.gradient)]


def _wrapped(text: str) -> list[str]:
    """Lines broken after spaces, not longer than wanted where that can be."""
    lines: list[str] = []
    for word in text.split(" ") if text else ():
        if lines and len(lines[-1]) + len(word) < WRAP:
            lines[-1] += f" {word}"
        else:
            lines.append(word if not lines else f"  {word}")
    return lines


def _size(lines: Sequence[tuple[str, str]]) -> tuple[float, float]:
    widest = max(len(text) * (SMALL if kind == "gradient" else FONT) * LETTER for kind, text in lines)
    return widest + 2 * PADDING, len(lines) * LEADING + PADDING


def _box(b: Box, lines: Sequence[tuple[str, str]], place: Place) -> list[str]:
    left = place.x - place.width / 2
    out = [
        f'<rect class="box {b.kind}" x="{left:.1f}" y="{place.y:.1f}" width="{place.width:.1f}" '
        f'height="{place.height:.1f}" rx="6"/>'
    ]
    for k, (kind, text) in enumerate(lines):
        size = SMALL if kind == "gradient" else FONT
        y = place.y + PADDING / 2 + LEADING * (k + 0.72)
        anchor = ("start", left + PADDING) if kind == "gradient" else ("middle", place.x)
        out.append(
            f'<text class="{kind}" x="{anchor[1]:.1f}" y="{y:.1f}" font-size="{size:.0f}" '
            f'text-anchor="{anchor[0]}" xml:space="preserve">{escape(text)}</text>'
        )
    return out


# ------------------------------------------------------------------------------- edges
def _edge(e: Edge, route: Sequence[Point]) -> str:
    """A smooth line through the points of a route; a dashed one turns round corners."""
    path = _cornered(route) if e.is_back else _smooth(route)
    return f'<path class="edge{" later" if e.is_back else ""}" d="{path}" marker-end="url(#arrow)"/>'


def _smooth(route: Sequence[Point]) -> str:
    path = f"M {route[0][0]:.1f} {route[0][1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(route):
        bend = (y1 - y0) / 2
        path += f" C {x0:.1f} {y0 + bend:.1f}, {x1:.1f} {y1 - bend:.1f}, {x1:.1f} {y1:.1f}"
    return path


def _cornered(route: Sequence[Point]) -> str:
    """Straight lines with round corners."""
    path = f"M {route[0][0]:.1f} {route[0][1]:.1f}"
    for before, here, after in zip(route, route[1:], route[2:], strict=False):
        (x0, y0), (x1, y1) = _towards(here, before), _towards(here, after)
        path += f" L {x0:.1f} {y0:.1f} Q {here[0]:.1f} {here[1]:.1f}, {x1:.1f} {y1:.1f}"
    return f"{path} L {route[-1][0]:.1f} {route[-1][1]:.1f}"


def _towards(corner: Point, end: Point) -> Point:
    """The point on the way from a corner at which its rounding begins."""
    (x, y), (a, b) = corner, end
    length = abs(a - x) + abs(b - y)
    part = min(CORNER, length / 2) / length if length else 0.0
    return x + (a - x) * part, y + (b - y) * part


def _labels(drawing: Drawing, layout: Layout) -> list[str]:
    """The shape on every edge, near where it leaves; labels that would stand on one another move down."""
    taken: list[tuple[float, float, float]] = []
    out = []
    for e in drawing.edges:
        route = layout.routes[e]
        half = len(e.label) * SMALL * LETTER / 2
        if e.is_back:
            (x0, y0), (_, y1) = route[len(route) // 2 - 1 : len(route) // 2 + 1]
            x, y = x0 + half + 4, (y0 + y1) / 2
        else:
            (x0, y0), (x1, y1) = route[1], route[2]
            x, y = (3 * x0 + x1) / 4, y0 + (y1 - y0) * 0.38
        while any(abs(x - a) < half + b + 3 and abs(y - c) < SMALL + 1 for a, b, c in taken):
            y += SMALL + 2
        taken.append((x, half, y))
        out.append(
            f'<text class="shape" x="{x:.1f}" y="{y:.1f}" font-size="{SMALL:.0f}" text-anchor="middle">'
            f"{escape(e.label)}</text>"
        )
    return out
