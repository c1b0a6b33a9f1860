"""Measures one column of the current window against its baseline profile."""
import numpy as np

from lib.drift_labels import measure_labels
from lib.drift_measures import exact_share
from lib.drift_numbers import measure_numbers
from lib.drift_records import Floors, Measure
from lib.drift_tails import exceedance_tail


def measure_column(name: str, base: dict, coded, values, floors: Floors) -> list[Measure]:
    rows = len(values)
    missing = values.count(None) if isinstance(values, list) else int(np.isnan(values).sum())
    found = [_missing(name, base, rows, missing, floors)]
    if not base.get("valid") or missing == rows:
        return found
    if base["constant"]:
        more = [_left_constant(name, base, values, rows - missing)]
    elif "labels" in base:
        more = measure_labels(name, base, coded, rows - missing, floors)
    else:
        more = measure_numbers(name, base, coded, np.sort(values)[:rows - missing], floors)  # NaN comes last
    return found + ([measure.but(of="length") for measure in more] if base["type"] == "text" else more)


def _missing(name, base, rows, missing, floors) -> Measure:
    """Change of the missing share, by Fisher's exact test."""
    n, n_missing = base["count"], base["missing"]
    before, now = n_missing / max(n, 1), missing / rows
    p = exact_share(missing, rows, n_missing, n)
    family = "quality" if now >= before else "drift"
    return Measure(name, "missing share", now - before, p, family, floors.missing, before, now)


def _left_constant(name, base, values, valid) -> Measure:
    """Share of rows away from what was constant: D and PSI say nothing where the baseline has one value."""
    constant = base["labels"][0] if "labels" in base else base["min"]
    left = [value for value in values if value is not None and value == value and value != constant]
    p = exceedance_tail(len(left), valid, base["valid"])
    return Measure(name, "left constant", len(left) / valid, p, "quality", 0.0, constant, left[0] if left else None, bool(left))
