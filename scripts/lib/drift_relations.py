"""How each column goes with the others, from a few numbers a column.

Each column is predicted from all the others by a ridge regression on rank scores. Where that works, two things are watched:
the residual (Hawkins 1991, regression-adjusted variables), which moves when a column shifts against the others, and
residual x prediction, whose mean is zero as long as the slope holds (Cox 1958, calibration slope) and falls when
a column is permuted, swapped or flipped. Ranks only, so a value x100 is merely "largest" and p-values keep in the tail.

What this does not see is a dependence without correlation (y = x squared) that changes: drift_classifier does.
"""
import numpy as np

from lib.drift_measures import Measured, rank_shift, rank_spread

MAX_SCORES = 150  # the weights grow with the square: 150 columns take 1 kB each
MAX_FIT_ROWS = 50_000
ROWS_PER_SCORE = 5  # fewer training rows than this a column, and the regressions fit noise
RIDGE = 0.01
MARGIN = 10  # times what fitting noise explains; see _firm
CELLS = 32
LABELS = 3


def score_names(columns: dict) -> list[tuple[str, str | None]]:
    """The columns of the score matrix: (column, None) for ordered ones, (column, label) for a category's main values."""
    names = []
    for name, column in columns.items():
        if column.get("constant") or not column.get("valid"):
            continue
        if "points" in column:
            names.append((name, None))
        for label, count in list(zip(column.get("labels", []), column.get("counts", [])))[:LABELS]:
            if 0.02 <= count / column["valid"] <= 0.98:
                names.append((name, label))
        if len(column.get("labels", [])) == 2:  # the second of two is the first over again
            names = [pair for pair in names if pair != (name, column["labels"][1])]
    return names[:MAX_SCORES]


def score_matrix(names, columns: dict, coded: dict) -> np.ndarray:
    """Rows x scores in [-1, 1], 0 where missing: twice the baseline's mid-distribution function, less one."""
    return np.array([_score(columns[name], coded[name], label) for name, label in names]).T  # a column lies in one piece: they are looked at one after the other


def _score(column, coded, label):
    valid = column["valid"]
    if label is None:
        counts = np.asarray(column["cells"], float)
        middle = (np.cumsum(counts) - counts / 2) / counts.sum()
        return np.append(2 * middle - 1, 0.0)[coded]
    share = column["counts"][column["labels"].index(label)] / valid
    cells = np.array(coded, dtype=object)
    return np.where(cells != None, (cells == label) - share, 0.0)  # noqa: E711 of each cell


def sample(rows: int) -> np.ndarray:
    """Which rows the relations are fitted on: all, or as many as are enough, always the same."""
    return np.arange(rows) if rows <= MAX_FIT_ROWS else np.sort(np.random.default_rng(0).choice(rows, MAX_FIT_ROWS, replace=False))


def fit_relations(columns: dict, coded: dict, rows: int) -> dict | None:
    """The weights and the baseline's own residuals, each row left out of its own regression."""
    names = score_names(columns)
    if len(names) < 2 or rows < ROWS_PER_SCORE * len(names) + 50:
        return None
    scores = score_matrix(names, columns, coded)
    n = len(scores)
    correlation = scores.T @ scores / n
    precision = np.linalg.inv(correlation + RIDGE * np.diag(np.diag(correlation) + 1e-9))
    weights = np.round(precision / np.diag(precision), 4)  # column j turns a row into residual j
    residuals = scores @ weights
    # Leverage of a row on the regression of j on the others, by the block inverse: no refit for each row.
    quadratic = ((scores @ precision) * scores).sum(axis=1)[:, None]
    leverage = residuals**2
    leverage *= -np.diag(precision) / n  # in place: these are as large as the rows
    leverage += quadratic / n
    np.clip(leverage, 0, 0.9, out=leverage)
    residuals /= 1 - leverage
    firm = _firm(scores, residuals, leverage)
    return {
        "names": [list(pair) for pair in names],
        "weights": weights.tolist(),
        "variance": np.maximum((scores**2).mean(0), 1e-12).tolist(),
        "residual": [_grid(column) if keep else None for column, keep in zip(residuals.T, firm)],
        "slope": [_grid(column) if keep else None for column, keep in zip((residuals * (scores - residuals)).T, firm)],
    }


def _firm(scores, residuals, leverage):
    """Which columns the others really predict: only those have a relation to lose.

    For the rest the weights are mostly noise d, and in new rows the mean of residual x prediction is about -d'd,
    the same for all of them: a bias that outgrows its standard error (with independent columns the slopes fired in
    20 % of checks at level 0.05, and the spread of a yes-or-no column, whose ties only noise breaks, at 1e-8).
    """
    explained = 1 - (residuals**2).mean(0) / np.maximum((scores**2).mean(0), 1e-12)
    return explained >= MARGIN * leverage.mean(0)


def _grid(values) -> dict:
    """Mean, mean square, and cells cut in the widest gap of each run of values, never through an atom.

    Residuals of lattices are atoms, and leaving a row out moves them by a hair: a cut next to an atom
    would make that hair a change of rank.
    """
    moments = {"mean": float(values.mean()), "square": float((values**2).mean())}
    values = np.sort(_settled(values))
    gaps = np.diff(values)
    widest = [run[np.argmax(gaps[run])] for run in np.array_split(np.arange(len(gaps)), CELLS - 1)]
    edges = np.unique([(values[i] + values[i + 1]) / 2 for i in widest if gaps[i] > 0])
    return {**moments, "edges": edges.tolist(), "cells": _count(edges, values).astype(int).tolist()}


def _settled(values):
    # Rounding makes columns that determine each other an atom at 0 instead of noise in the last digits;
    # the offset keeps simple fractions off the rounding's own boundaries.
    return np.round(values + 3.1e-5, 3)


def _count(edges, values):
    above = [np.count_nonzero(values > edge) for edge in edges]  # a few edges: to compare with each is faster than to search
    return -np.diff(above, prepend=len(values), append=0).astype(float)


def compare_relations(relations: dict, columns: dict, coded: dict) -> list[tuple[str, str, Measured]]:
    """(column, measure, Measured) for each score that the others predict: residual moved, residual spread, slope.

    The effects are on the column's own scale, not on that of its residual: where one column follows from another to the
    last per cent, an error of one per cent is as significant as it is harmless. Of the residual's mean half the change in
    score, as AUC - 1/2 is for the column; of its mean square and of its product with the prediction the change as a share
    of the score's variance, which is a loss of R squared.
    """
    names = [tuple(pair) for pair in relations["names"]]
    scores = score_matrix(names, columns, coded)
    weights = np.array(relations["weights"])
    found = []
    for j, (name, _) in enumerate(names):
        known, slope, variance = relations["residual"][j], relations["slope"][j], relations["variance"][j]
        if known is None:
            continue
        residual = scores @ weights[:, j]  # a column at a time: the window's size in memory once, not three times
        baseline, current = _counts(known, residual)
        products = residual * (scores[:, j] - residual)
        found += [
            (name, "residual shift", Measured((float(residual.mean()) - known["mean"]) / 2, rank_shift(baseline, current).p)),
            (name, "residual spread", Measured((float((residual**2).mean()) - known["square"]) / variance, rank_spread(baseline, current).p)),
            (name, "slope", Measured((float(products.mean()) - slope["mean"]) / variance, rank_shift(*_counts(slope, products)).p)),
        ]
    return found


def _counts(grid: dict, values):
    return np.array(grid["cells"], float), _count(np.array(grid["edges"]), _settled(values))
