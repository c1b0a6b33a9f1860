"""The baseline of a version: what its columns, predictions and scores looked like at training, a few kB a column.

A check of drift needs nothing else, so its cost does not depend on the size of the training data.
"""
import functools
import json
import math
from dataclasses import dataclass

import numpy as np

from lib.config import Config
from lib.drift_cells import code, typed
from lib.drift_classifier import keep_rows
from lib.drift_records import PROFILE_FORMAT
from lib.drift_relations import fit_relations, sample

POINTS = 129  # stored quantiles: Kolmogorov-Smirnov's D loses at most 1/128 of the rows to a gap
EXACT_LABELS = 100  # categories kept by name; the rest are "other"


def calibration(right: np.ndarray, scores: np.ndarray, binary: bool) -> dict:
    """Isotonic regression (Barlow and others 1972) of right answers on confidence, both (holdout rows,), as its steps.

    scores: of the positive class of two (binary), whose confidence is the larger of it and the rest; else of the class predicted.
    """
    from sklearn.isotonic import IsotonicRegression
    confidence = np.maximum(scores, 1 - scores) if binary else scores
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(confidence, right)
    return {"binary": binary, "confidence": fitted.X_thresholds_.tolist(), "right": fitted.y_thresholds_.tolist()}


@dataclass(frozen=True)
class Columns:
    """What is told of each column by itself, and the rows that the relations between them are to be told from."""

    rows: int
    facts: dict[str, dict]  # by name: as `profile` gives it
    kept: int  # rows in `coded`
    coded: dict  # by name: as drift_cells.code gives it


def baseline(columns: Columns, config: Config, predictions: np.ndarray, scores: np.ndarray | None) -> dict:
    """columns: of the rows that were learnt from; predictions, scores: (holdout rows,). baseline.json, without its calibration."""
    outputs = {"prediction": ("number" if config.task == "regression" else "category", predictions)}
    if scores is not None:
        outputs["score"] = ("number", scores)
    return with_outputs(columns, outputs)


def profile_columns(frame, types: dict[str, str], outputs: dict | None = None) -> dict:
    """The profile of a DataFrame's columns and of the model's outputs, as plain dicts without NaN.

    types: of each column, as in [columns] of model.toml. outputs: name -> (type, values (rows,)).
    """
    return with_outputs(each_column(frame, types), outputs or {})


def features(frame, config: Config) -> Columns:
    """Of the rows that are learnt from, before it is known what was learnt: the larger part of the work, and no product of
    matrices in it, so that it may run beside anything."""
    return each_column(frame, {name: config.columns[name].type for name in config.features})


def each_column(frame, types: dict[str, str]) -> Columns:
    facts, coded, kept = {}, {}, sample(len(frame))
    for name, kind in types.items():
        values = typed(kind, cells_of(frame[name]))
        facts[name] = profile(values, kind)
        coded[name] = code(facts[name], values[kept] if isinstance(values, np.ndarray) else [values[i] for i in kept])
    return Columns(len(frame), facts, len(kept), coded)


def with_outputs(columns: Columns, outputs: dict) -> dict:
    return {
        "format": PROFILE_FORMAT,
        "rows": columns.rows,
        "columns": columns.facts,
        "outputs": {name: profile(typed(kind, np.asarray(values)), kind) for name, (kind, values) in outputs.items()},
        "relations": fit_relations(columns.facts, columns.coded, columns.kept),
        "sample": keep_rows(columns.facts, columns.coded, columns.kept),
    }


def cells_of(series):
    """An array of numbers, or plain cells with None where pandas has NaN, NaT or NA."""
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iuf":
        return series.to_numpy()
    cells = series.to_numpy(object, copy=True)
    cells[series.isna().to_numpy()] = None
    return cells.tolist()


def profile(values, kind: str) -> dict:
    """The stored facts of one column. values: as drift_cells.typed gives them."""
    if kind in ("category", "boolean"):
        return {"type": kind, **label_facts(values)}
    if kind == "time":
        known = sorted(value for value in values if value is not None)
        return {"type": kind, "count": len(values), "missing": len(values) - len(known), **({"min": known[0], "max": known[-1]} if known else {})}
    return {"type": kind, **number_facts(values)}


def number_facts(values: np.ndarray) -> dict:
    """Quantiles as points, and how many rows lie below the first, on it, up to the next, on that, and so on."""
    known = np.asarray(values)[~np.isnan(values)]
    facts = {"count": len(values), "missing": len(values) - len(known), "valid": len(known)}
    if not len(known):
        return facts
    ordered = np.sort(known)  # once: all that follows can be read off it
    starts = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    distinct = ordered[np.concatenate([[0], starts])]
    points = distinct if len(distinct) <= POINTS else np.unique(ordered[quantile_places(len(ordered))])
    with np.errstate(all="ignore"):  # values near 1e308
        mean, sd = float(known.mean()), float(known.std())
    return facts | {
        "distinct": len(distinct),
        "constant": len(distinct) == 1,
        "run": longest_run(known),
        "whole": bool((distinct == np.floor(distinct)).all()),
        "min": float(points[0]),
        "max": float(points[-1]),
        "mean": mean if math.isfinite(mean) else None,
        "sd": sd if math.isfinite(sd) else None,
        "points": points.tolist(),
        "cells": counts_between(ordered, points).tolist(),
    }


@functools.cache
def quantile_places(rows: int) -> np.ndarray:
    """Where the stored quantiles lie among so many ordered values (inverse of the distribution function)."""
    return np.quantile(np.arange(rows), np.linspace(0, 1, POINTS), method="inverted_cdf")


def counts_between(ordered: np.ndarray, points: np.ndarray) -> np.ndarray:
    """As drift_cells.count_cells has them: (2k + 1,) rows below the first of k points, on it, up to the next, and so on."""
    ends = np.column_stack([np.searchsorted(ordered, points, side) for side in ("left", "right")]).ravel()
    return np.diff(ends, prepend=0, append=len(ordered))


def longest_run(values: np.ndarray) -> int:
    """Most rows of one value in a row, in the order in which they came."""
    changes = np.flatnonzero(values[1:] != values[:-1])
    return int(np.diff(np.concatenate([[-1], changes, [len(values) - 1]])).max()) if len(values) else 0


def label_facts(labels: list) -> dict:
    """Counts by category, the commonest first."""
    import pandas as pd
    codes, names = pd.factorize(np.array(labels, dtype=object))
    known = codes[codes >= 0]
    tally = np.bincount(known, minlength=len(names))
    distinct, singles = len(names), int((tally == 1).sum())
    kept = by_count(names, tally)
    if distinct > EXACT_LABELS:
        # The commonest by these very counts would look rarer in any new rows (regression to the mean),
        # which fired in 60 % of checks at level 0.01: so one half of the rows chooses, the other is counted.
        first, tally = (np.bincount(known[half::2], minlength=len(names)) for half in (0, 1))
        kept = by_count(names, first)[:EXACT_LABELS]
    counts = [int(tally[place]) for place in kept]
    return {
        "count": len(labels),
        "missing": len(labels) - len(known),
        "valid": int(tally.sum()),
        "distinct": distinct,
        "constant": distinct == 1,
        "run": longest_run(known),
        "labels": [names[place] for place in kept],
        "counts": counts,
        "other": int(tally.sum()) - sum(counts),
        "singles": singles,
    }


def by_count(names, tally: np.ndarray) -> list[int]:
    """The places of the names that occur, the commonest first."""
    return sorted(np.flatnonzero(tally).tolist(), key=lambda place: (-tally[place], names[place]))


def as_json(profile: dict) -> bytes:
    """A line for each column: short enough to keep, and to look at."""
    def lines(name: str, value) -> str:
        if not isinstance(value, dict) or name == "calibration":
            return compact(value)
        return "{\n" + ",\n".join(f"  {compact(key)}: {compact(item)}" for key, item in value.items()) + "\n }"

    def compact(value) -> str:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    return ("{\n" + ",\n".join(f" {compact(key)}: {lines(key, value)}" for key, value in profile.items()) + "\n}\n").encode()
