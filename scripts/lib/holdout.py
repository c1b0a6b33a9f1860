"""A version's holdout.csv: the rows that examined it, by key, the truth, and what it said of them."""
import io

import numpy as np
import pandas as pd

from lib import csvfile, scoring
from lib.config import Config
from lib.scores import Answers


def as_csv(keys: np.ndarray, a: Answers) -> bytes:
    """keys: of the holdout rows, (rows,) uint64; a: the truth, and what the model said of them before any refit."""
    many = a.probabilities is not None and len(a.classes) > 2
    score = scoring.score_of(a.probabilities, a.classes, a.positive)
    columns = [[f"{key:016x}" for key in keys.tolist()], a.truth.tolist(), a.values.tolist(), [""] * len(keys) if score is None else map(repr, score.astype(float).tolist()),
               *([map(repr, column) for column in a.probabilities.T.tolist()] if many else [])]
    header = ["row", "label", "prediction", "score", *([f"p:{name}" for name in a.classes] if many else [])]
    return "".join(csvfile.lines([header, *zip(*columns)])).encode()


def read(content: bytes, conf: Config, manifest: dict) -> tuple[np.ndarray, Answers]:
    """The keys and answers that a version's holdout.csv has."""
    frame = pd.read_csv(io.BytesIO(content), dtype={"row": str, "label": object, "prediction": object}, keep_default_na=False, na_values={"score": [""]})
    keys = np.array([int(text, 16) for text in frame["row"]], dtype=np.uint64)
    if conf.task == "regression":
        return keys, Answers(frame["label"].to_numpy(float), frame["prediction"].to_numpy(float))
    classes = np.array(manifest["classes"], dtype=object)
    probabilities = None
    if len(classes) > 2 and f"p:{classes[0]}" in frame:
        probabilities = frame[[f"p:{name}" for name in classes]].to_numpy(float)
    elif frame["score"].notna().all() and len(classes) == 2:
        positive = frame["score"].to_numpy(float)
        probabilities = np.column_stack([1 - positive, positive] if manifest["positive"] == classes[1] else [positive, 1 - positive])
    return keys, Answers(frame["label"].to_numpy(object), frame["prediction"].to_numpy(object), probabilities, classes, manifest["positive"])
