"""Any other metric, by its scikit-learn scorer name: the scorer is handed the stored answers as if they came from an estimator."""
from collections.abc import Callable

import numpy as np


def statistic(name: str, answers) -> Callable[[np.ndarray], float]:
    """The metric of scores.Answers as a function of row weights, shape (n,); greater is better, as scikit-learn has it. NaN where undefined."""
    from sklearn.metrics import get_scorer
    scorer, oracle, truth = get_scorer(name), *as_estimator(answers)
    rows = np.arange(len(truth))

    def value(weights: np.ndarray) -> float:
        drawn = np.repeat(rows, weights.astype(int))
        try:
            return float(scorer(oracle, drawn[:, None], truth[drawn]))
        except (ValueError, AttributeError):  # a resample without one of the classes; a model without probabilities
            return np.nan

    return value


def as_estimator(answers):
    """The stored answers as an estimator whose X is the row's number, and the truth it is scored against; two classes become 0 and 1."""
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    regression = answers.truth.dtype.kind == "f"
    codes = None
    if not regression:
        known = answers.classes if answers.classes is not None else np.unique(np.concatenate([answers.truth, answers.values]))
        ordered = sorted(known, key=lambda name: (name == answers.positive, name)) if len(known) == 2 else list(known)
        codes = {name: i if len(known) == 2 else name for i, name in enumerate(ordered)}

    class Oracle(RegressorMixin if regression else ClassifierMixin, BaseEstimator):
        def __init__(self):
            self.fitted_ = True
            self.n_features_in_ = 1
            if codes:
                self.classes_ = np.array(list(codes.values()))

        def predict(self, rows):
            said = answers.values[rows[:, 0]]
            return said if regression else np.array([codes.get(name, name) for name in said])

        if answers.probabilities is not None:
            def predict_proba(self, rows):
                order = [list(answers.classes).index(name) for name in codes]
                return answers.probabilities[rows[:, 0]][:, order]

    truth = answers.truth if regression else np.array([codes.get(name, name) for name in answers.truth])
    return Oracle(), truth
