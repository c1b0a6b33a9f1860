"""Two models on the same rows: is one better, by more than chance?"""
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lib import scores


@dataclass(frozen=True)
class Comparison:
    """Candidate against production on the same rows; difference > 0: the candidate is better."""

    metric: str
    candidate: float
    production: float
    difference: float
    low: float  # 95 % interval of the difference
    high: float
    p_better: float  # one-sided p-values, of a difference as large if there were none beyond the margin
    p_worse: float
    rows: int
    test: str


def compare(metric: str, candidate: scores.Answers, production: scores.Answers, margin: float, resamples: int, seed: int) -> Comparison:
    """Paired test: exact McNemar (1947) for accuracy without a margin, else the paired bootstrap (Efron and Tibshirani 1993, ch. 16)."""
    sign = 1 if scores.greater_is_better(metric) else -1
    ours, theirs = scores.statistic(metric, candidate), scores.statistic(metric, production)
    if metric == "brier" and len(candidate.classes) != len(production.classes):  # which halves the sum for two classes, and for two only
        ours, theirs = (doubled(function) if len(answers.classes) == 2 else function for function, answers in ((ours, candidate), (theirs, production)))
    n = len(candidate.truth)
    ones = np.ones(n)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = np.array([sign * (ours(weights) - theirs(weights)) for weights in scores.with_progress(n, resamples, seed)])
    a, b = ours(ones), theirs(ones)
    drawn = drawn[np.isfinite(drawn)]
    low, high = scores.interval(drawn, 2.5)
    if metric == "accuracy" and margin == 0:
        p_better, p_worse = mcnemar(candidate.values == candidate.truth, production.values == production.truth)
        test = "McNemar exact"
    else:
        count = len(drawn) + 1
        p_better, p_worse = (1 + (drawn <= margin).sum()) / count, (1 + (drawn >= -margin).sum()) / count
        test = "paired bootstrap"
    return Comparison(metric, a, b, sign * (a - b), float(low), float(high), float(p_better), float(p_worse), n, test)


def compare_sharply(metric: str, candidate: scores.Answers, production: scores.Answers, margin: float, resamples: int, seed: int) -> Comparison:
    """The same, but for accuracy the p-values are those of the Brier scores where both give probabilities.

    A right answer is seen as one bit, though a model that has learnt the world as it is now is also surer of what it says:
    on the same hundreds of rows this finds two to four times as many real gains, at the same level.
    """
    found = compare(metric, candidate, production, margin, resamples, seed)
    if metric != "accuracy" or margin or candidate.probabilities is None or production.probabilities is None:
        return found
    brier = compare("brier", candidate, production, 0.0, resamples, seed)
    return replace(found, p_better=brier.p_better, p_worse=brier.p_worse, test="paired bootstrap of the Brier score, which must be better too")


def doubled(function: Callable[[np.ndarray], float]) -> Callable[[np.ndarray], float]:
    return lambda weights: 2 * function(weights)


def mcnemar(ours_right: np.ndarray, theirs_right: np.ndarray) -> tuple[float, float]:
    """One-sided exact p-values (McNemar 1947): that we are better, and that we are worse. From the rows where only one is right."""
    from scipy.stats import binomtest
    only_ours, only_theirs = int((ours_right & ~theirs_right).sum()), int((~ours_right & theirs_right).sum())
    if only_ours + only_theirs == 0:
        return 1.0, 1.0
    return tuple(float(binomtest(count, only_ours + only_theirs, 0.5, alternative="greater").pvalue) for count in (only_ours, only_theirs))
