"""A layered layout: boxes in rows, edges from row to row, as few crossings as a few sweeps find.

An input stands in the row above the first box that uses it.  Edges over several rows pass through *joints*, which are
boxes without size.  Invariants: no two boxes overlap; every edge of the layering leads downward; the same drawing has
the same layout.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from matcalc.report.graph_model import Drawing, Edge

__all__ = ["Layout", "Place", "lay_out"]

SWEEPS = 12
GAP = 26.0  # between boxes of a row
JOINT = 14.0  # the width of a joint
ROW_GAP = 54.0
CHAIN = 8  # how much more than an input a computed box pulls

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Place:
    """The middle of a box's upper edge, and its size."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Layout:
    places: Mapping[str, Place]
    routes: Mapping[Edge, tuple[Point, ...]]  # from the lower edge of the source to the upper edge of the target
    width: float
    height: float


def lay_out(drawing: Drawing, sizes: Mapping[str, tuple[float, float]]) -> Layout:
    """Where everything stands; ``sizes`` are the widths and heights of the boxes."""
    forward = [e for e in drawing.edges if not e.is_back]
    row_of = _rows(drawing, forward)
    rows, chains = _with_joints(drawing, forward, row_of)
    links = [(a, b) for chain in chains.values() for a, b in pairwise(chain)]
    _order(rows, links)
    widths = {n: sizes[n][0] if n in sizes else JOINT for row in rows for n in row}
    inputs = {b.name for b in drawing.boxes.values() if b.kind in ("input", "variable")}
    x = _columns(rows, links, widths, inputs)
    left = min(x[n] - widths[n] / 2 for row in rows for n in row)
    tops = _tops(rows, sizes)
    places = {n: Place(x[n] - left, tops[i], *sizes[n]) for i, row in enumerate(rows) for n in row if n in sizes}
    bottoms = [
        top + max((sizes[n][1] for n in row if n in sizes), default=0.0) for top, row in zip(tops, rows, strict=True)
    ]
    joints = {
        n: ((x[n] - left, tops[i]), (x[n] - left, bottoms[i]))
        for i, row in enumerate(rows)
        for n in row
        if n not in sizes
    }
    routes = {e: _route(chain, places, joints, bottoms[row_of[e.source]]) for e, chain in chains.items()}
    back = [e for e in drawing.edges if e.is_back]
    for lane, e in enumerate(back):
        routes[e] = _back(places[e.source], places[e.target], places, bottoms[row_of[e.source]], lane, len(back))
    width = max(p.x + p.width / 2 for p in places.values())
    height = max(p.y + p.height for p in places.values())
    return Layout(places, _spread(routes, places), width, height)


# -------------------------------------------------------------------------------- rows
def _rows(drawing: Drawing, edges: Sequence[Edge]) -> dict[str, int]:
    """The row of every box, from the top: as far down as what uses it allows."""
    after: dict[str, list[str]] = {n: [] for n in drawing.boxes}
    for e in edges:
        after[e.source].append(e.target)
    below: dict[str, int] = {}
    waiting = list(drawing.boxes)
    while waiting:
        name = waiting[-1]
        todo = [n for n in after[name] if n not in below]
        if name not in below and todo and len(waiting) < len(drawing.boxes) ** 2:
            waiting.extend(todo)
            continue
        below.setdefault(name, max((below[n] + 1 for n in after[name] if n in below), default=0))
        waiting.pop()
    deepest = max(below.values(), default=0)
    return {n: deepest - k for n, k in below.items()}


def _with_joints(
    drawing: Drawing, edges: Sequence[Edge], row_of: Mapping[str, int]
) -> tuple[list[list[str]], dict[Edge, list[str]]]:
    rows: list[list[str]] = [[] for _ in range(max(row_of.values(), default=0) + 1)]
    for name in drawing.boxes:
        rows[row_of[name]].append(name)
    chains: dict[Edge, list[str]] = {}
    for k, e in enumerate(edges):
        joints = [f"·{k}·{r}" for r in range(row_of[e.source] + 1, row_of[e.target])]
        for name, r in zip(joints, range(row_of[e.source] + 1, row_of[e.target]), strict=True):
            rows[r].append(name)
        chains[e] = [e.source, *joints, e.target]
    return rows, chains


def _order(rows: list[list[str]], links: Sequence[tuple[str, str]]) -> None:
    """Each row in the order of the middles of its neighbours; the best order of all sweeps is kept."""
    up: dict[str, list[str]] = {}
    down: dict[str, list[str]] = {}
    for a, b in links:
        down.setdefault(a, []).append(b)
        up.setdefault(b, []).append(a)
    best, fewest = [list(r) for r in rows], _crossings(rows, down)
    for sweep in range(SWEEPS):
        downward = sweep % 2 == 0
        neighbours = up if downward else down
        for i in range(1, len(rows)) if downward else range(len(rows) - 2, -1, -1):
            beside = rows[i - 1] if downward else rows[i + 1]
            at = {n: k for k, n in enumerate(beside)}
            here = {n: k for k, n in enumerate(rows[i])}

            def middle(n: str, at: dict[str, int] = at, here: dict[str, int] = here) -> tuple[float, int]:
                places = [at[m] for m in neighbours.get(n, ()) if m in at]  # noqa: B023
                return (sum(places) / len(places) if places else float(here[n]), here[n])

            rows[i].sort(key=middle)
        found = _crossings(rows, down)
        if found < fewest:
            best, fewest = [list(r) for r in rows], found
    rows[:] = best


def _crossings(rows: Sequence[Sequence[str]], down: Mapping[str, Sequence[str]]) -> int:
    count = 0
    for row, below in pairwise(rows):
        at = {n: k for k, n in enumerate(below)}
        ends = [at[m] for n in row for m in sorted(down.get(n, ()), key=lambda m: at.get(m, 0)) if m in at]
        count += sum(1 for i, a in enumerate(ends) for b in ends[i + 1 :] if b < a)
    return count


# ----------------------------------------------------------------------------- columns
def _columns(
    rows: Sequence[Sequence[str]],
    links: Sequence[tuple[str, str]],
    widths: Mapping[str, float],
    inputs: Collection[str],
) -> dict[str, float]:
    """The middles of the boxes: pulled to the middles of their neighbours, and apart where they would overlap.

    What is computed pulls more than inputs do, so that a chain of layers stands in one column.
    """
    x: dict[str, float] = {}
    for row in rows:
        at = 0.0
        for n in row:
            x[n] = at + widths[n] / 2
            at += widths[n] + GAP
        shift = (at - GAP) / 2
        for n in row:
            x[n] -= shift
    neighbours: dict[str, list[str]] = {}
    for a, b in links:
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).extend([a] * (1 if a in inputs else CHAIN))
    pull = {n: len(neighbours.get(n, ())) for row in rows for n in row}
    for sweep in range(SWEEPS * 2 + 2 * len(rows)):
        order = range(len(rows)) if sweep % 2 == 0 else range(len(rows) - 1, -1, -1)
        for i in order:
            wanted = {n: _mean([x[m] for m in neighbours.get(n, ())], x[n]) for n in rows[i]}
            for n, place in zip(rows[i], _apart(rows[i], wanted, widths, pull), strict=True):
                x[n] = place
    return x


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _apart(
    row: Sequence[str], wanted: Mapping[str, float], widths: Mapping[str, float], pull: Mapping[str, int]
) -> list[float]:
    """The places nearest to the wanted ones at which nothing overlaps: neighbours that collide move as one block."""
    offsets: list[float] = []
    for k, n in enumerate(row):
        offsets.append(offsets[-1] + (widths[row[k - 1]] + widths[n]) / 2 + GAP if k else 0.0)
    blocks: list[tuple[float, int, float, int]] = []  # where it begins, how many boxes, their weighted wishes, weight
    for k, n in enumerate(row):
        weight = max(pull[n], 1)
        wish = wanted[n] - offsets[k]
        block = (wish, 1, wish * weight, weight)
        while blocks and blocks[-1][0] > block[0]:
            _, count, wishes, weights = blocks.pop()
            count, wishes, weights = count + block[1], wishes + block[2], weights + block[3]
            block = (wishes / weights, count, wishes, weights)
        blocks.append(block)
    firsts = [place for place, count, _, _ in blocks for _ in range(count)]
    return [first + offset for first, offset in zip(firsts, offsets, strict=True)]


def _tops(rows: Sequence[Sequence[str]], sizes: Mapping[str, tuple[float, float]]) -> list[float]:
    tops, y = [], 0.0
    for row in rows:
        tops.append(y)
        y += max((sizes[n][1] for n in row if n in sizes), default=0.0) + ROW_GAP
    return tops


# ------------------------------------------------------------------------------ routes
def _route(
    chain: Sequence[str], places: Mapping[str, Place], joints: Mapping[str, tuple[Point, Point]], bottom: float
) -> tuple[Point, ...]:
    """Out of the row straight down, through every joint straight down beside the boxes of its row."""
    first, last = places[chain[0]], places[chain[-1]]
    through = [p for n in chain[1:-1] for p in joints[n]]
    return ((first.x, first.y + first.height), (first.x, bottom), *through, (last.x, last.y))


def _back(
    source: Place, target: Place, places: Mapping[str, Place], bottom: float, lane: int, lanes: int
) -> tuple[Point, ...]:
    """A dashed edge: beside its box, or through the gap below its row, up beside everything, and in from above."""
    low, high = sorted((source.y, target.y))
    beside = [p.x + p.width / 2 for p in places.values() if low <= p.y <= high]
    own = source.x + source.width / 2
    if source is target and own >= max(beside):
        right = own + GAP
        start, end = source.y + source.height * 0.75, source.y + source.height * 0.25
        return ((own, start), (right, start), (right, end), (own, end))
    right = max(beside) + GAP * (1 + 0.6 * lane)
    part = 0.6 * (lane + 1) / (lanes + 1)
    leave, enter = source.x + source.width * (0.1 + part / 2), target.x + target.width * (0.42 - 0.3 * part)
    below, above = bottom + ROW_GAP * (0.1 + part / 3), target.y - ROW_GAP * (0.1 + part / 3)
    through = ((leave, below), (right, below), (right, above), (enter, above))
    return ((leave, source.y + source.height), *through, (enter, target.y))


def _spread(routes: Mapping[Edge, tuple[Point, ...]], places: Mapping[str, Place]) -> dict[Edge, tuple[Point, ...]]:
    """Edges that begin or end at one box are spread along its side, in the order in which they leave."""
    out = dict(routes)
    plain = [e for e in routes if not e.is_back]
    for name, place in places.items():
        leaving = sorted((e for e in plain if e.source == name), key=lambda e: routes[e][2])
        for k, e in enumerate(leaving):
            at = place.x + place.width * 0.7 * ((k + 1) / (len(leaving) + 1) - 0.5)
            out[e] = ((at, out[e][0][1]), (at, out[e][1][1]), *out[e][2:])
        coming = sorted((e for e in plain if e.target == name), key=lambda e: routes[e][-2])
        for k, e in enumerate(coming):
            at = place.x + place.width * 0.7 * ((k + 1) / (len(coming) + 1) - 0.5)
            out[e] = (*out[e][:-1], (at, out[e][-1][1]))
    return out
