"""The report's plots as inline SVG: x in percent of the width and y in pixels, so that they fit a phone and paper with letters of the same size.

Curves live in an inner svg that is stretched to the width (its lines keep their thickness); all text is outside of it.
Colours are classes, which the page's style sheet sets for light, dark and paper.
"""
from collections.abc import Iterable
from dataclasses import dataclass, replace
from html import escape

from lib.scales import Scale, date_ticks, figure, nice_ticks, tick_words, ticks_within

HEIGHT = 200  # of the plotting area, in pixels
BARS, PLANE, BINS = 110, 240, 120  # the same of bars, of a plane with two axes, and of two distributions
TOP = 24  # above it, for the marks' names
BOTTOM = 24  # below it, for dates
DOTS = 45  # days up to which each one has a dot
APART = 9.0  # per cent of the width that two texts in a row need


@dataclass(frozen=True)
class Point:
    """A value at a day, with its interval."""

    day: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Hover:
    """What is shown over a span of days."""

    day: int
    days: int
    words: str


@dataclass(frozen=True)
class Mark:
    """Something that happened on a day: a line with a name on top, or a ring on the axis (no name)."""

    day: int
    name: str
    words: str


@dataclass(frozen=True)
class Bar:
    """Part of a total over a span of days."""

    day: int
    days: int
    total: float
    part: float
    words: str


def number(value: float) -> str:
    """Coordinates: a tenth of a pixel is enough."""
    return f"{value:.1f}".removesuffix(".0")


def titled(words: str) -> str:
    return f"<title>{escape(words)}</title>" if words else ""


def drawing(label: str, parts: Iterable[str], height: float = TOP + HEIGHT + BOTTOM, kind: str = "plot") -> str:
    return f'<svg class="{kind}" role="img" aria-label="{escape(label)}" width="100%" height="{number(height)}">{"".join(parts)}</svg>'


def stretched(span: float, height: float, parts: Iterable[str], top: float = TOP) -> str:
    """An inner svg whose x goes over `span` units, of which the first has its middle at 0."""
    return f'<svg y="{number(top)}" width="100%" height="{number(height)}" viewBox="-0.5 0 {number(span)} {number(height)}" preserveAspectRatio="none">{"".join(parts)}</svg>'


def levels(ticks: list[float], scale: Scale, words: list[str] | None = None) -> str:
    """Horizontal lines with their values, or these words, to the left."""
    return "".join(f'<line class="grid" x2="100%" y1="{number(y)}" y2="{number(y)}"/><text class="tick" x="-8" y="{number(y + 4)}" text-anchor="end">{text}</text>'
                   for tick, text in zip(ticks, words or tick_words(ticks)) for y in (scale.at(tick),))


def dates(first: int, last: int, y: float) -> str:
    """The x axis of the days from first to last, each of which is as wide as 1 / (last - first + 1)."""
    span = last - first + 1
    return "".join(f'<text class="tick" x="{across(day, first, span)}" y="{number(y)}" text-anchor="middle">{words}</text>'
                   for day, words in date_ticks(first, last) if 3 <= 100 * (day - first + 0.5) / span <= 97 or span == 1)


def over_time(points: list[Point], trend: list[tuple[int, float]], hovers: list[Hover], limit: float | None, limit_words: str, marks: list[Mark], rings: list[Mark],
              first: int, last: int, ceiling: float, label: str) -> str:
    """A value by day with its band and, where the days are many, their trend; a limit; deployments as lines, retrainings that changed nothing as rings."""
    values = [point.value for point in points] + ([limit] if limit is not None else [])
    pad = 0.15 * (max(values) - min(values)) or abs(max(values)) * 0.05 or 0.05
    ticks = ticks_within(min(values) - pad, max(values) + pad, 0.0, ceiling)
    scale, span = Scale(ticks[0], ticks[-1], TOP + HEIGHT, TOP), last - first + 1
    curves = [shape for piece in unbroken(points) for shape in curve(piece, first, scale, "faint" if trend else "line")]
    curves += [f'<path class="line" d="M{course([day for day, _ in trend], [value for _, value in trend], first, scale)}"/>'] if trend else []
    dots = [f'<circle class="dot" cx="{across(point.day, first, span)}" cy="{number(scale.at(point.value))}" r="3"/>' for point in points] if len(points) <= DOTS else []
    end = trend[-1][1] if trend else points[-1].value
    return drawing(label, [levels(ticks, scale), dates(first, last, TOP + HEIGHT + 18), stretched(span, HEIGHT, curves), *dots, *beside(end, limit, limit_words, scale),
                           *named(marks, first, span), *ringed(rings, first, span), hovering(hovers, first, span, HEIGHT)])


def across(day: int, first: int, span: int) -> str:
    """The middle of a day, in per cent of the width."""
    return f"{number(100 * (day - first + 0.5) / span)}%"


def course(days: Iterable[float], values: Iterable[float], first: int, scale: Scale) -> str:
    """The points of a stretched curve, to the pixel; its coordinates begin half a day before the first."""
    at, top = scale.at, TOP
    return "L".join([f"{day - first} {round(at(value) - top)}" for day, value in zip(days, values)])


def hovering(hovers: list[Hover], first: int, span: int, height: float, top: float = TOP) -> str:
    """Unseen fields over the whole height, so that nobody has to hit a line."""
    fields = (f'<rect x="{number(hover.day - first - 0.5)}" width="{hover.days}" height="{number(height)}">{titled(hover.words)}</rect>' for hover in hovers)
    return f'<g class="hover">{stretched(span, height, fields, top)}</g>'


def unbroken(points: list[Point]) -> list[list[Point]]:
    """The points cut where more than a week of days is missing, so that no line pretends to know them."""
    found: list[list[Point]] = []
    for point in points:
        if found and point.day - found[-1][-1].day <= 7:
            found[-1].append(point)
        else:
            found.append([point])
    return found


def curve(points: list[Point], first: int, scale: Scale, kind: str) -> list[str]:
    """Band and line; a lone day is drawn as a short stroke."""
    points = points if len(points) > 1 else [replace(points[0], day=points[0].day - 0.3), replace(points[0], day=points[0].day + 0.3)]
    days = [point.day for point in points]
    upper, line = (course(days, [getattr(point, name) for point in points], first, scale) for name in ("high", "value"))
    lower = course(days[::-1], [point.low for point in points[::-1]], first, scale)
    return [f'<path class="band" d="M{upper}L{lower}Z"/>', f'<path class="{kind}" d="M{line}"/>']


def beside(end: float, limit: float | None, words: str, scale: Scale) -> list[str]:
    """The limit's line, and to the right of the plot its name and the last value, kept apart."""
    y = scale.at(end)
    parts = [f'<text class="last" x="100%" dx="6" y="{number(y + 5)}">{figure(end)}</text>']
    if limit is not None:
        line = scale.at(limit)
        text = line if abs(line - y) >= 16 else y + (16 if line >= y else -16)
        parts.append(f'<line class="limit" x2="100%" y1="{number(line)}" y2="{number(line)}"/><text class="limit-name" x="100%" dx="6" y="{number(text + 4)}">{escape(words)}</text>')
    return parts


def named(marks: list[Mark], first: int, span: int) -> list[str]:
    """Vertical lines with their names, newest first where there is no room for all names."""
    parts, taken = [], []
    for mark in reversed(marks):
        x = 100 * (mark.day - first + 0.5) / span
        room = all(abs(x - other) >= APART for other in taken)
        taken += [x] if room else []
        name = f'<text class="mark-name" x="{number(x)}%" y="{TOP - 8}" text-anchor="middle">{escape(mark.name)}</text>' if room else ""
        parts.append(f'<g class="mark"><line x1="{number(x)}%" x2="{number(x)}%" y1="{TOP - 4}" y2="{TOP + HEIGHT}"/>{name}{titled(mark.words)}</g>')
    return parts


def ringed(rings: list[Mark], first: int, span: int) -> list[str]:
    return [f'<circle class="ring" cx="{across(ring.day, first, span)}" cy="{TOP + HEIGHT}" r="5">{titled(ring.words)}</circle>' for ring in rings]


def bars(found: list[Bar], first: int, last: int, label: str) -> str:
    """Totals by day or week with the part of them that is filled."""
    ticks = ticks_within(0, max(bar.total for bar in found) or 1, 0.0, float("inf"), 2)
    scale, span = Scale(ticks[0], ticks[-1], 8 + BARS, 8), last - first + 1

    def block(bar: Bar, value: float, kind: str) -> str:
        size = 8 + BARS - scale.at(value)
        place = f'x="{number(bar.day - first - 0.5 + 0.08 * bar.days)}" y="{number(BARS - size)}" width="{number(0.84 * bar.days)}" height="{number(size)}"'
        return f'<rect class="{kind}" {place}/>' if size >= 0.05 else ""

    blocks = [f'<g>{block(bar, bar.total, "whole") if bar.total > bar.part else ""}{block(bar, bar.part, "part")}'
              f'<rect class="over" x="{number(bar.day - first - 0.5)}" width="{bar.days}" height="{number(BARS)}"/>{titled(bar.words)}</g>' for bar in found]
    return drawing(label, [levels(ticks, scale), dates(first, last, BARS + 26), stretched(span, BARS, blocks, 8)], BARS + 34)


def square(points: Iterable[str], x_ticks: list[float], y_ticks: list[float], x_name: str, y_name: str, label: str, percent: bool = False) -> str:
    """A plane with ticks on both axes; points: shapes whose x is in per cent of the width, made by `at`."""
    x, y = plane(x_ticks, y_ticks)
    across_words, up_words = ([f"{round(tick * 100)} %" for tick in ticks] if percent else tick_words(ticks) for ticks in (x_ticks, y_ticks))
    below = "".join(f'<text class="tick" x="{number(x.at(tick))}%" y="{number(PLANE + 42)}" text-anchor="middle">{text}</text>' for tick, text in zip(x_ticks, across_words))
    names = f'<text class="axis" x="-8" y="12" >{escape(y_name)}</text><text class="axis" x="100%" y="{number(PLANE + 62)}" text-anchor="end">{escape(x_name)}</text>'
    return drawing(label, [levels(y_ticks, y, up_words), below, names, *points], PLANE + 70, "plot square")


def plane(x_ticks: list[float], y_ticks: list[float]) -> tuple[Scale, Scale]:
    """The scales of `square`: x in per cent, y in pixels."""
    return Scale(x_ticks[0], x_ticks[-1], 0, 100), Scale(y_ticks[0], y_ticks[-1], 24 + PLANE, 24)


def cloud(points: list[tuple[float, float]], x: Scale, y: Scale) -> str:
    """Points of a plane, as dots of one stretched path: a few bytes each."""
    dots = "".join(f"M{x.at(a) - 0.5:.1f} {round(y.at(b) - 24)}h0" for a, b in points)
    return stretched(100, PLANE, [f'<path class="point" d="{dots}"/>'])


def whisker(low: float | None, value: float, high: float | None, scale: Scale) -> str:
    """A value and its interval on a scale of per cents, for a table's cell, whose numbers stand beside it."""
    line = f'<line x1="{number(scale.at(low))}%" x2="{number(scale.at(high))}%" y1="9" y2="9"/>' if low is not None and high is not None else ""
    return f'<svg class="whisker" aria-hidden="true" width="120" height="18">{line}<circle cx="{number(scale.at(value))}%" cy="9" r="4"/></svg>'


def strip(cells: list[tuple[int, int, str, str]], measured: list[tuple[int, int]], first: int, last: int, label: str) -> str:
    """One row of a heat map. cells: (day, days, kind, words) of what was found; measured: (day, days) of every window. A worse kind is a taller cell too."""
    tall = {"notice": 7, "drift": 12, "far": 16, "quality": 20}
    ground = "".join(f"M{number(day - first - 0.5)} 0h{days}v20h-{days}z" for day, days in measured)
    blocks = "".join(f'<rect class="{kind}" x="{number(day - first - 0.5 + 0.06 * days)}" y="{20 - tall[kind]}" width="{number(0.88 * days)}" height="{tall[kind]}">{titled(words)}</rect>'
                     for day, days, kind, words in cells)
    return drawing(label, [stretched(last - first + 1, 20, [f'<path class="measured" d="{ground}"/>', blocks], 0)], 20, "strip")


def date_line(first: int, last: int) -> str:
    return f'<svg class="strip" aria-hidden="true" width="100%" height="18">{dates(first, last, 13)}</svg>'


def histogram(edges: list[float], before: list[float], now: list[float], label: str) -> str:
    """Two distributions over the same bins: the first filled, the second as a line."""
    scale, span = Scale(0, max(*before, *now) or 1, BINS, 4), len(before)
    filled = "".join(f"M{index - 0.5} {number(scale.at(share))}h1V{number(BINS)}h-1z" for index, share in enumerate(before) if share > 0)
    line = f"M-0.5 {number(BINS)}" + "".join(f"V{number(scale.at(share))}h1" for share in now) + f"V{number(BINS)}"
    ends = tick_words(edges)
    hovers = [Hover(index, 1, f"{ends[index]} to {ends[index + 1]}: {100 * a:.1f} % at training, {100 * b:.1f} % now") for index, (a, b) in enumerate(zip(before, now))]
    x = Scale(edges[0], edges[-1], 0, 100)
    ticks = [tick for tick in nice_ticks(edges[0], edges[-1], 4) if 4 <= x.at(tick) <= 96 and edges[0] <= tick <= edges[-1]]
    below = "".join(f'<text class="tick" x="{number(x.at(tick))}%" y="{number(BINS + 16)}" text-anchor="middle">{words}</text>' for tick, words in zip(ticks, tick_words(ticks)))
    return drawing(label, [stretched(span, BINS, [f'<path class="before" d="{filled}"/>', f'<path class="now" d="{line}"/>'], 0), below,
                           hovering(hovers, 0, span, BINS, 0)], BINS + 22, "plot small")


def pairs(labels: list[str], before: list[float], now: list[float], label: str) -> str:
    """Shares by category: a bar for training and one for now below each name."""
    most = max(*before, *now) or 1
    rows = [f'<g><text class="tick" x="0" y="{38 * index + 13}">{escape(name[:40])}</text><rect class="before" y="{38 * index + 18}" width="{number(100 * a / most)}%" height="7"/>'
            f'<rect class="now-bar" y="{38 * index + 26}" width="{number(100 * b / most)}%" height="7"/>{titled(f"{name}: {100 * a:.1f} % at training, {100 * b:.1f} % now")}</g>'
            for index, (name, a, b) in enumerate(zip(labels, before, now))]
    return drawing(label, rows, 38 * len(labels) + 4, "plot small")
