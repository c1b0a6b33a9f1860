"""What a candidate goes by, how far its probabilities can be trusted and where it is weak, from its holdout. For the model card."""
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib import model, scores
from lib.progress import Progress
from lib.scores import Answers

FEWEST_REPEATS, MOST_REPEATS = 3, 10
ENOUGH_ROWS = 1_000  # from so many on further rows say less than further repeats
MOST_ANSWERS = 30_000  # rows scored for all columns together: a few hundredths of what fitting on 100,000 rows costs
MOST_ANSWERS_OF_NEIGHBOURS = 3_000  # whose answers cost what other estimators' fitting costs
BATCH = 10_000
MOST_COLUMNS = 200
FEWEST_IN_SLICE = 30
MOST_VALUES = 20  # of a column whose values are slices
LEVEL = 0.05
BINS = 10


@dataclass(frozen=True)
class Importance:
    """How much worse the metric gets when a column's values are shuffled among the rows."""

    column: str
    loss: float  # mean over the repeats; > 0: the model needs the column
    spread: float  # standard deviation over the repeats


@dataclass(frozen=True)
class Importances:
    metric: str
    rows: int  # holdout rows used
    repeats: int
    columns: int  # columns examined
    left_out: int  # columns that were not
    found: list[Importance]


@dataclass(frozen=True)
class Bin:
    low: float
    high: float
    rows: int
    said: float  # mean probability that the model gave
    true: float  # share that it was right about


@dataclass(frozen=True)
class Weakness:
    words: str  # the slice, as "age above 61"
    rows: int
    loss: float  # share of wrong answers, or mean absolute error
    elsewhere: float


def importances(made: model.Model, built: pd.DataFrame, truth: np.ndarray, metric: str, seed: int) -> Importances:
    """Permutation importance (Breiman 2001, section 10; Fisher, Rudin and Dominici 2019), as sklearn.inspection has it, on some holdout rows.

    built: (n, columns) holdout rows as the pipeline sees them. All shuffled copies are scored in a few calls instead of one for each.
    """
    columns = list(built)[:MOST_COLUMNS]
    most = MOST_ANSWERS_OF_NEIGHBOURS if made.config.train.estimator.startswith("sklearn.neighbors.") else MOST_ANSWERS
    rng = np.random.default_rng(seed)
    repeats = min(MOST_REPEATS, max(FEWEST_REPEATS, most // (len(columns) * min(len(built), ENOUGH_ROWS))))
    count = min(len(built), max(most // (len(columns) * repeats), 50))
    rows = np.sort(rng.choice(len(built), count, replace=False))
    usual = value_of(made, metric, built.iloc[rows], truth[rows], 1)[0]
    sign = 1 if scores.greater_is_better(metric) else -1
    found, step = [], max(BATCH // (count * repeats), 1)
    with Progress("feature importance", len(columns), "columns") as progress:
        for start in range(0, len(columns), step):
            some = columns[start:start + step]
            shuffled = value_of(made, metric, copies(built, rows, some, repeats, rng), truth[rows], len(some) * repeats)
            for name, values in zip(some, sign * (usual - shuffled.reshape(len(some), repeats))):
                found.append(Importance(name, float(values.mean()), float(values.std())))
            progress.at(start + len(some))
    return Importances(metric, count, repeats, len(columns), built.shape[1] - len(columns), sorted(found, key=lambda each: (-each.loss, each.column)))


def copies(built: pd.DataFrame, rows: np.ndarray, shuffled: list[str], repeats: int, rng: np.random.Generator) -> pd.DataFrame:
    """The rows `repeats` times for each column to shuffle, one below the other; in each copy that one column is shuffled."""
    whole = np.tile(rows, len(shuffled) * repeats)
    place = {name: i * repeats * len(rows) for i, name in enumerate(shuffled)}
    taken = {}
    for name in built:
        index = whole
        if name in place:
            index = whole.copy()
            for repeat in range(repeats):
                begin = place[name] + repeat * len(rows)
                index[begin:begin + len(rows)] = rng.permutation(rows)
        taken[name] = built[name].array.take(index)
    return pd.DataFrame(taken)


def value_of(made: model.Model, metric: str, features: pd.DataFrame, truth: np.ndarray, blocks: int) -> np.ndarray:
    """The metric of each of the blocks (of as many rows as `truth` has), shape (blocks,)."""
    said = made.answer(features)
    answers = Answers(np.tile(truth, blocks), said.values, said.probabilities, said.classes, model.positive_class(made.config, said.classes))
    ones, n = np.ones(len(truth)), len(truth)
    return np.array([scores.statistic(metric, answers.at(np.arange(i * n, i * n + n)))(ones) for i in range(blocks)])


def confidences(answers: Answers) -> tuple[np.ndarray, np.ndarray] | None:
    """(probability, whether it came true) of each row: of the positive class of two, else of the class predicted; None without probabilities."""
    if answers.probabilities is None:
        return None
    if answers.positive is not None:
        return answers.probabilities[:, list(answers.classes).index(answers.positive)], answers.truth == answers.positive
    return answers.probabilities.max(axis=1), answers.values == answers.truth


def calibration(chances: np.ndarray, hits: np.ndarray) -> tuple[list[Bin], float]:
    """Ten bins of equal width, the empty ones left out, and the expected calibration error (Naeini, Cooper and Hauskrecht 2015).

    The error is the mean distance between what was said and what came true, the bins weighted by their rows: 0 is perfect.
    """
    place = np.minimum((chances * BINS).astype(int), BINS - 1)
    rows, said, true = np.bincount(place, minlength=BINS), np.bincount(place, chances, BINS), np.bincount(place, hits.astype(float), BINS)
    bins = [Bin(i / BINS, (i + 1) / BINS, int(rows[i]), float(said[i] / rows[i]), float(true[i] / rows[i])) for i in np.flatnonzero(rows)]
    return bins, sum(each.rows * abs(each.said - each.true) for each in bins) / len(chances)


def losses(answers: Answers) -> np.ndarray:
    """(n,) 1 for a wrong answer; in regression the absolute error."""
    return np.abs(answers.truth - answers.values) if answers.truth.dtype.kind == "f" else (answers.truth != answers.values).astype(float)


def weaknesses(frame: pd.DataFrame, columns: dict[str, str], lost: np.ndarray) -> list[Weakness]:
    """Slices of one column (a value, or a quarter of its numbers) that are worse than all other rows by more than chance, worst first.

    columns: name -> type. One-sided Welch test (1947) with the normal distribution, at 5 % for all slices together (Bonferroni).
    """
    tried, found = 0, []
    for name, kind in columns.items():
        for words, mask in slices(frame[name], name, kind):
            if not FEWEST_IN_SLICE <= mask.sum() <= len(lost) - FEWEST_IN_SLICE:
                continue
            tried += 1
            inside, outside = lost[mask], lost[~mask]
            spread = math.sqrt(inside.var() / len(inside) + outside.var() / len(outside))
            excess = float(inside.mean() - outside.mean())
            if excess > 0 and spread > 0:
                found.append((math.erfc(excess / spread / math.sqrt(2)) / 2, Weakness(words, len(inside), float(inside.mean()), float(outside.mean()))))
    return [weak for p, weak in sorted(found, key=lambda each: (each[1].elsewhere - each[1].loss, each[1].words)) if p * tried < LEVEL]


def slices(column: pd.Series, name: str, kind: str):
    """(words, mask) of each slice of a column."""
    if kind in ("number", "integer"):
        numbers = column.to_numpy(float, na_value=np.nan)
        known = numbers[~np.isnan(numbers)]
        edges = np.unique(np.quantile(known, (0.25, 0.5, 0.75))) if len(known) else []
        for low, high in zip([None, *edges], [*edges, None]):
            mask = (numbers > low if low is not None else ~np.isnan(numbers)) & (numbers <= high if high is not None else ~np.isnan(numbers))
            ends = [f"{word} {edge:.4g}" for word, edge in (("above", low), ("up to", high)) if edge is not None]
            yield f"{name} {' and '.join(ends)}", mask
    elif kind in ("category", "boolean"):
        codes, values = pd.factorize(column.astype("object"))
        for i in np.argsort(-np.bincount(codes[codes >= 0], minlength=len(values)), kind="stable")[:MOST_VALUES] if len(values) else []:
            yield f"{name} = {values[i]}", codes == i
    missing = column.isna().to_numpy()
    if missing.any():
        yield f"{name} missing", missing
