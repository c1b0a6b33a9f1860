"""A number column of the current window against its baseline: place, spread, range, scale."""
import numpy as np

from lib import drift_measures as measures
from lib.drift_cells import count_cells
from lib.drift_records import Measure, turned_constant
from lib.drift_tails import exceedance_tail


def measure_numbers(name, base, coded, known, floors) -> list[Measure]:
    """coded: the cells of the column's rows; known: its values, sorted."""
    points, baseline = np.array(base["points"]), np.array(base["cells"], float)
    current = count_cells(coded, points)
    bins = measures.quantile_bins(baseline, current)
    middles = _median(points, baseline), float(known[(len(known) - 1) // 2])
    ks = measures.kolmogorov_smirnov(baseline, current)
    tests = [
        ("ks", ks),
        ("rank shift", measures.rank_shift(baseline, current)),
        ("rank spread", measures.rank_spread(baseline, current)),
    ]
    with np.errstate(all="ignore"):  # values near 1e308 overflow into inf, which is as far as it gets
        distance = measures.wasserstein(points, baseline, known, base["sd"] or np.inf)
    top_share = float(baseline[int(coded[coded < len(baseline)][0])]) / base["valid"]
    return (
        [Measure(name, what, test.value, test.p, "drift", floors.column, *middles) for what, test in tests]
        + _ranges(name, base, known, floors)
        + [
            *_whole(name, base, known),
            _scale(name, points, baseline, known, ks.p, floors, middles),
            turned_constant(name, base, len(known) if known[0] == known[-1] else 0, len(known), top_share),
            Measure(name, "psi", measures.population_stability_index(*bins)),
            Measure(name, "js", measures.jensen_shannon(*bins)),
            Measure(name, "wasserstein", distance),
        ]
    )


def _ranges(name, base, known, floors) -> list[Measure]:
    """Rows outside the training range, and rows outside it by more than its whole width: wrong units, not a new season."""
    low, high, n, m = base["min"], base["max"], base["valid"], len(known)
    width = high / 2 - low / 2  # halves: the width itself may overflow
    below, above = known[:np.searchsorted(known, low)], known[np.searchsorted(known, high, "right"):]
    with np.errstate(all="ignore"):
        far = int((low / 2 - below / 2 > width).sum() + (above / 2 - high / 2 > width).sum())
    out = len(below) + len(above)
    extremes = float(known[0]), float(known[-1])
    p_out = min(1.0, 2 * exceedance_tail(max(len(below), len(above)), m, n))
    p_far = min(1.0, 2 * exceedance_tail(far, m, n, 1))
    return [
        Measure(name, "out of range", out / m, p_out, "drift", floors.out_of_range, (low, high), extremes),
        Measure(name, "far out of range", far / m, p_far, "quality", 0.0, (low, high), extremes, far > 0),
    ]


def _whole(name, base, known) -> list[Measure]:
    """Fractions where training had whole numbers: thousands for units, a mean for a count, another type."""
    if not base["whole"]:
        return []
    broken = known[known != np.floor(known)]
    p = exceedance_tail(len(broken), len(known), base["valid"])
    example = float(broken[0]) if len(broken) else None
    return [Measure(name, "not whole", len(broken) / len(known), p, "quality", 0.0, None, example, len(broken) > 0)]


def _scale(name, points, baseline, known, p, floors, middles) -> Measure:
    """Ratio of the geometric mean sizes in powers of ten: a change of unit moves it whatever the shape."""
    gaps = baseline[0::2]
    weights = baseline[1::2] + (gaps[:-1] + gaps[1:]) / 2
    change = _mean_log(np.abs(known), np.ones(len(known))) - _mean_log(np.abs(points), weights)
    return Measure(name, "scale", change, p, "quality", floors.scale, *middles)


def _mean_log(sizes, weights) -> float:
    """The mean power of ten, weighted; of what is 0 none counts."""
    logs = np.log10(sizes, out=np.zeros(len(sizes)), where=sizes > 0)
    total = float(weights[sizes > 0].sum())
    return float(logs @ weights) / total if total else 0.0


def _median(points, baseline) -> float:
    # The stored point or the gap's right end where the baseline passes one half.
    cell = int(np.searchsorted(np.cumsum(baseline), baseline.sum() / 2))
    return float(points[min(cell // 2, len(points) - 1)])
