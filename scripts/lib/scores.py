"""How good predictions are: metrics with bootstrap intervals."""
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from lib import scorers
from lib.errors import UserError
from lib.names import nearest
from lib.progress import Progress

CONFIDENCE = 0.95
CLASSIFICATION = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier")
REGRESSION = ("mae", "rmse", "r2", "median_absolute_error")
LOWER_IS_BETTER = frozenset({"log_loss", "brier", "mae", "rmse", "median_absolute_error"})
SHARES = ("accuracy", "balanced_accuracy", "precision", "recall", "f1")
MOST_DRAWS = 40_000_000  # rows x resamples; above it fewer resamples do, since the interval's ends wobble less


@dataclass(frozen=True)
class Answers:
    """True answers beside what one model said of the same n rows."""

    truth: np.ndarray  # (n,) class names, or float64
    values: np.ndarray  # (n,) predictions, as `truth`
    probabilities: np.ndarray | None = None  # (n, classes)
    classes: np.ndarray | None = None
    positive: str | None = None

    def at(self, rows: np.ndarray) -> "Answers":
        """The same for some rows: a mask or indices."""
        chosen = self.probabilities[rows] if self.probabilities is not None else None
        return Answers(self.truth[rows], self.values[rows], chosen, self.classes, self.positive)


@dataclass(frozen=True)
class Score:
    slice: str
    name: str
    value: float
    low: float
    high: float
    rows: int


def greater_is_better(metric: str) -> bool:
    return metric not in LOWER_IS_BETTER


def check_names(names, task: str) -> None:
    """UserError for a metric that does not exist, or is for the other task."""
    ours, others = (CLASSIFICATION, REGRESSION) if task == "classification" else (REGRESSION, CLASSIFICATION)
    for name in names:
        if name in ours:
            continue
        from sklearn.metrics import get_scorer_names
        if name in others or name not in get_scorer_names() or not suits(name, task):
            raise UserError(f"there is no metric {name!r} for {task}.{nearest(name, (*ours, *get_scorer_names()))} Use {', '.join(ours)} or a scikit-learn scorer's name.")


def suits(name: str, task: str) -> bool:
    """Whether a scikit-learn scorer can score such answers, tried on six of them."""
    if task == "regression":
        tried = Answers(np.array([0.0, 1.5, 2.0, 3.0, 4.0, 5.5]), np.array([0.1, 1.4, 2.2, 3.3, 3.9, 5.0]))
    else:
        classes = np.array(["a", "b"], dtype=object)
        tried = Answers(classes[[0, 1, 0, 1, 0, 1]], classes[[0, 1, 1, 1, 0, 0]], np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.1, 0.9], [0.7, 0.3], [0.6, 0.4]]), classes, "b")
    with np.errstate(all="ignore"):
        try:
            return bool(np.isfinite(scorers.statistic(name, tried)(np.ones(6))))
        except TypeError:
            return False


def statistic(name: str, answers: Answers) -> Callable[[np.ndarray], float]:
    """The metric as a function of row weights, shape (n,); work that does not depend on the weights is done once, here.

    Weighted forms of the definitions in sklearn.metrics, so that a bootstrap resample costs one dot product. NaN where undefined.
    """
    if name in SHARES:
        matrix, wanted = confusion(answers)
        return lambda weights: float(share(name, matrix(weights), wanted))
    if name == "log_loss":
        return mean_of(-np.log(np.clip(chosen_probability(answers), np.finfo(float).eps, 1)))
    if name == "brier":
        hit = answers.truth[:, None] == answers.classes[None, :]
        losses = ((answers.probabilities - hit) ** 2).sum(axis=1) + ~hit.any(axis=1)  # a class it does not know was given no chance
        return mean_of(losses / 2 if len(answers.classes) == 2 else losses)
    if name == "roc_auc":
        return auc_statistic(answers)
    if name not in REGRESSION:
        return scorers.statistic(name, answers)
    error = np.abs(answers.truth - answers.values)
    if name == "mae":
        return mean_of(error)
    if name == "rmse":
        mean_square = mean_of(error**2)
        return lambda weights: float(np.sqrt(mean_square(weights)))
    if name == "r2":
        return r2_statistic(answers.truth, error)
    return median_statistic(error)


def mean_of(losses: np.ndarray) -> Callable[[np.ndarray], float]:
    return lambda weights: dot(weights, losses) / float(weights.sum())


def dot(a: np.ndarray, b: np.ndarray) -> float:
    """Without BLAS: its threads take longer to meet than such a sum takes, and its last bit depends on how many there are."""
    return float(np.einsum("i,i", a, b))


def chosen_probability(answers: Answers) -> np.ndarray:
    """The probability given to each row's true class, shape (n,); 0 for a class the model does not know."""
    place = {name: i for i, name in enumerate(answers.classes)}
    index = np.array([place.get(name, -1) for name in answers.truth.tolist()])
    return np.where(index >= 0, answers.probabilities[np.arange(len(index)), index], 0.0)


def statistics(names: list[str], answers: Answers) -> Callable[[Iterable[np.ndarray]], np.ndarray]:
    """Several metrics as one function of resamples' row weights, shape (resamples, metrics), with one confusion matrix for all that come from it."""
    matrix, wanted = confusion(answers) if any(name in SHARES for name in names) else (None, None)
    others = {name: statistic(name, answers) for name in names if name not in SHARES}

    def values(resamples: Iterable[np.ndarray]) -> np.ndarray:
        counted, measured = [], []
        for weights in resamples:
            counted.append(matrix(weights) if matrix else 0.0)
            measured.append([each(weights) for each in others.values()])
        columns = dict(zip(others, np.array(measured).T))
        stack = np.array(counted)
        return np.column_stack([columns[name] if name in columns else share(name, stack, wanted) for name in names])

    return values


def confusion(answers: Answers) -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]:
    """The confusion matrix, shape (true classes, classes said), as a function of row weights; and the classes that precision is about."""
    truth, said = ([str(name) for name in side.tolist()] for side in (answers.truth, answers.values))
    classes = np.array(sorted({*truth, *said}))
    place = {name: i for i, name in enumerate(classes.tolist())}
    n, k = len(truth), len(classes)
    cells = np.fromiter((place[a] * k + place[b] for a, b in zip(truth, said)), np.intp, n)
    by_cell = np.argsort(cells, kind="stable")
    filled, starts = np.unique(cells[by_cell], return_index=True)
    wanted = np.flatnonzero(classes == answers.positive) if answers.positive else np.arange(k)

    def matrix(weights: np.ndarray) -> np.ndarray:
        counted = np.zeros(k * k)
        counted[filled] = np.add.reduceat(weights.take(by_cell), starts)  # half the time of a bincount
        return counted.reshape(k, k)

    return matrix, wanted


def share(name: str, matrix: np.ndarray, wanted: np.ndarray):
    """A metric of the confusion matrix, or of each of a stack. Precision, recall and f1 are of the positive class, or the mean over classes without one."""
    hits, said, true = np.diagonal(matrix, axis1=-2, axis2=-1), matrix.sum(axis=-2), matrix.sum(axis=-1)
    if name == "accuracy":
        return hits.sum(axis=-1) / matrix.sum(axis=(-2, -1))
    if name == "balanced_accuracy":
        return ratios(hits, true).sum(axis=-1) / (true > 0).sum(axis=-1)
    if not len(wanted):
        return np.zeros(matrix.shape[:-2])
    top = {"precision": hits, "recall": hits, "f1": 2 * hits}[name]
    bottom = {"precision": said, "recall": true, "f1": said + true}[name]
    return ratios(top, bottom)[..., wanted].mean(axis=-1)


def ratios(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """0 where undefined, as scikit-learn's zero_division."""
    return np.divide(top, bottom, out=np.zeros(top.shape), where=bottom > 0)


def auc_statistic(answers: Answers) -> Callable[[np.ndarray], float]:
    """Area under the ROC curve (Hanley and McNeil 1982): of the positive class, or the mean of one against the rest."""
    classes = list(answers.classes)
    if len(classes) == 2:
        return ranked(answers.probabilities[:, 1], answers.truth == classes[1])
    each = [ranked(answers.probabilities[:, i], answers.truth == name) for i, name in enumerate(classes)]
    return lambda weights: float(np.mean([one(weights) for one in each]))


def ranked(scores: np.ndarray, hit: np.ndarray) -> Callable[[np.ndarray], float]:
    positive, negative = np.flatnonzero(hit), np.flatnonzero(~hit)
    negative = negative[np.argsort(scores[negative], kind="stable")]
    positive = positive[np.argsort(scores[positive], kind="stable")]  # what is looked up in turn lies side by side
    low, high = (np.searchsorted(scores[negative], scores[positive], side) for side in ("left", "right"))
    ties = bool((low != high).any())

    def value(weights: np.ndarray) -> float:
        total = np.zeros(len(negative) + 1)
        np.cumsum(weights.take(negative), out=total[1:])
        chosen = weights.take(positive)
        pairs = chosen.sum() * total[-1]
        below = total.take(low)
        return dot(chosen, below + total.take(high) if ties else 2 * below) / 2 / float(pairs) if pairs else np.nan  # ties count half

    return value


def r2_statistic(truth: np.ndarray, error: np.ndarray) -> Callable[[np.ndarray], float]:
    squares = error**2

    def value(weights: np.ndarray) -> float:
        spread = dot(weights, (truth - dot(weights, truth) / weights.sum()) ** 2)
        return 1 - dot(weights, squares) / spread if spread else np.nan

    return value


def median_statistic(error: np.ndarray) -> Callable[[np.ndarray], float]:
    order = np.argsort(error, kind="stable")
    ranked_error = error[order]

    def value(weights: np.ndarray) -> float:
        total = np.cumsum(weights[order])
        half = total[-1] / 2
        low, high = np.searchsorted(total, half, "left"), np.searchsorted(total, half, "right")
        return float((ranked_error[low] + ranked_error[min(high, len(error) - 1)]) / 2)

    return value


def available(names: tuple[str, ...], answers: Answers) -> list[str]:
    """Those of the metrics that need no probabilities where the model gives none."""
    return [name for name in names if answers.probabilities is not None or name not in ("roc_auc", "log_loss", "brier")]


def score(names: list[str], answers: Answers, resamples: int, seed: int, label: str = "all") -> list[Score]:
    """Each metric with its percentile bootstrap interval (Efron 1979), all on the same resamples of the rows."""
    if not names:
        return []
    measured = statistics(names, answers)
    n = len(answers.truth)
    values = measured([np.ones(n)])[0].tolist()
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = measured(with_progress(n, resamples, seed))
    tail = 100 * (1 - CONFIDENCE) / 2
    ends = [widened(name, value, *interval(column, tail), examined(name, answers)) for name, value, column in zip(names, values, drawn.T)]
    return [Score(label, name, value, float(low), float(high), n) for name, value, (low, high) in zip(names, values, ends)]


def examined(name: str, answers: Answers) -> int:
    """How many rows the metric is a share of."""
    if answers.positive is None or name not in ("precision", "recall", "f1"):
        return len(answers.truth)
    return int(((answers.values if name == "precision" else answers.truth) == answers.positive).sum())


def widened(name: str, value: float, low: float, high: float, n: int) -> tuple[float, float]:
    """Where all n answers are right, or all wrong, resampling shows no spread: then Wilson's interval (1927) of the share."""
    if low == high and name in SHARES and value in (0.0, 1.0):
        edge = 1.96**2 / (n + 1.96**2)
        return (0.0, edge) if value == 0 else (1 - edge, 1.0)
    return low, high


def interval(drawn: np.ndarray, tail: float) -> tuple[float, float]:
    finite = drawn[np.isfinite(drawn)]  # a resample without one of the classes has no AUC
    return tuple(np.percentile(finite, (tail, 100 - tail))) if len(finite) else (np.nan, np.nan)


def resample_count(n: int, resamples: int) -> int:
    return min(resamples, max(100, MOST_DRAWS // max(n, 1)))


def resampled(n: int, resamples: int, seed: int):
    """Bootstrap resamples of n rows, as how often each row was drawn."""
    rng = np.random.default_rng(seed)
    for _ in range(resample_count(n, resamples)):
        yield np.bincount(rng.integers(0, n, n), minlength=n).astype(float)


def with_progress(n: int, resamples: int, seed: int):
    """The same, with progress."""
    with Progress("intervals", resample_count(n, resamples), "resamples") as progress:
        for done, weights in enumerate(resampled(n, resamples, seed)):
            progress.at(done)
            yield weights
