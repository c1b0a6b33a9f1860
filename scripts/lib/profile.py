"""The reference profile frozen into a version: what its columns, predictions and scores looked like at training."""
import numpy as np
import pandas as pd

from lib.config import Config

QUANTILES = np.linspace(0, 1, 129)
MOST_VALUES = 100  # categories kept by name; the rest are "other"


def calibration(right: np.ndarray, scores: np.ndarray, binary: bool) -> dict:
    """Isotonic regression (Barlow and others 1972) of right answers on confidence, both (holdout rows,), as its steps.

    scores: of the positive class of two (binary), whose confidence is the larger of it and the rest; else of the class predicted.
    """
    from sklearn.isotonic import IsotonicRegression
    confidence = np.maximum(scores, 1 - scores) if binary else scores
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(confidence, right)
    return {"binary": binary, "confidence": fitted.X_thresholds_.tolist(), "right": fitted.y_thresholds_.tolist()}


def profile_columns(frame: pd.DataFrame, config: Config, predictions: np.ndarray, scores: np.ndarray | None) -> dict:
    """frame: the training rows; predictions, scores: (holdout rows,). Plain dicts, a few kB a column."""
    columns = {name: {"type": config.columns[name].type, **profile(frame[name], config.columns[name].type)} for name in config.features}
    kind = "number" if config.task == "regression" else "category"
    outputs = {"prediction": {"type": kind, **profile(pd.Series(predictions), kind)}}
    if scores is not None:
        outputs["score"] = {"type": "number", **profile(pd.Series(scores), "number")}
    return {"rows": len(frame), "columns": columns, "outputs": outputs}


def profile(values: pd.Series, kind: str) -> dict:
    known = values.dropna()
    facts = {"count": len(values), "missing": len(values) - len(known), "distinct": int(known.nunique())}
    if kind in ("number", "integer"):
        numbers = known.to_numpy(float)
        return facts | ({"mean": float(numbers.mean()), "sd": float(numbers.std()), "quantiles": np.quantile(numbers, QUANTILES).tolist()} if len(numbers) else {})
    if kind in ("category", "boolean"):
        counts = known.astype(str).value_counts()
        return facts | {"values": {str(name): int(count) for name, count in counts.head(MOST_VALUES).items()}, "other": int(counts.iloc[MOST_VALUES:].sum())}
    if kind == "time" and len(known):
        return facts | {"min": known.min().isoformat(), "max": known.max().isoformat()}
    return facts
