"""A column's distribution at training beside what the live model sees now, cut into the same bins. Pure functions, plain Python."""
import bisect
import math
from collections import Counter
from dataclasses import dataclass

BINS = 24
CATEGORIES = 8  # shown by name; the rest are together
EDGE = 0.005  # share of the rows beyond either end of the axis: one wild value must not squeeze the others into one bin
OTHER = "all others"


@dataclass(frozen=True)
class Shares:
    """Shares of rows, of the baseline and now, in the bins between edges or by label."""

    edges: list[float] | None
    labels: list[str] | None
    before: list[float]
    now: list[float]
    rows: int  # of now, those with a value


def compare(facts: dict, cells: list[str]) -> Shares | None:
    """facts: a column of baseline.json; cells: the column's texts now. None where one of them has no values, or the column no such picture."""
    if "labels" in facts:
        return labels(facts, [cell.strip().lower() if facts["type"] == "boolean" else cell for cell in cells if cell])
    if facts.get("points") and facts.get("type") in ("number", "integer"):
        return numbers(facts["points"], facts["cells"], sorted(value for value in map(as_number, cells) if math.isfinite(value)))
    return None


def as_number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def numbers(points: list[float], cells: list[int], values: list[float]) -> Shares | None:
    """points, cells: the baseline's quantiles, and its rows below the first, on it, up to the next, on that, and so on. values: sorted."""
    total = sum(cells)
    if not values or not total:
        return None
    low = min(at_share(points, cells, EDGE), values[int(len(values) * EDGE)])
    high = max(at_share(points, cells, 1 - EDGE), values[min(len(values) - 1, int(len(values) * (1 - EDGE)))])
    if not high > low:
        low, high = low - 0.5, high + 0.5
    if not math.isfinite(high - low):
        return None
    edges = [low + (high - low) * step / BINS for step in range(BINS + 1)]
    below = [rows_below(points, cells, edge) / total for edge in edges]
    found = [bisect.bisect_left(values, edge) / len(values) for edge in edges]
    below[-1] = found[-1] = 1.0  # the last bin holds its upper edge, and what lies beyond
    below[0] = found[0] = 0.0
    return Shares(edges, None, [b - a for a, b in zip(below, below[1:])], [b - a for a, b in zip(found, found[1:])], len(values))


def rows_below(points: list[float], cells: list[int], value: float) -> float:
    """Rows of the baseline below a value, taken to lie evenly between two quantiles."""
    place = bisect.bisect_left(points, value)
    rows = sum(cells[:2 * place])
    if 0 < place < len(points):
        rows += cells[2 * place] * (value - points[place - 1]) / (points[place] - points[place - 1])
    return rows


def at_share(points: list[float], cells: list[int], share: float) -> float:
    """The quantile below which about this share of the baseline lies."""
    wanted, rows = share * sum(cells), 0
    for place, point in enumerate(points):
        rows += cells[2 * place] + cells[2 * place + 1]
        if rows >= wanted:
            return point
    return points[-1]


def labels(facts: dict, cells: list[str]) -> Shares | None:
    before, now = dict(zip(facts["labels"], facts["counts"])), Counter(cells)
    total, rows = sum(before.values()) + facts["other"], len(cells)
    if not total or not rows:
        return None
    ranked = sorted({*before, *now}, key=lambda name: -(before.get(name, 0) / total + now[name] / rows))
    kept = ranked[:CATEGORIES]
    rest = facts["other"] > 0 or len(ranked) > len(kept)
    old, new = [before.get(name, 0) / total for name in kept], [now[name] / rows for name in kept]
    return Shares(None, kept + [OTHER] * rest, old + [1 - sum(old)] * rest, new + [1 - sum(new)] * rest, rows)
