"""Two versions side by side: what differs in how they were made, in what they score, and in the rows they learnt from."""
from dataclasses import asdict

import numpy as np

from lib import paired, scores
from lib.paired import Comparison
from lib.scores import Answers
from lib.strictjson import finite

COARSE = 1 / 128  # what a distribution known at 129 points may be off by
SMIRNOV = 1.36  # times sqrt(1/n + 1/m): the two-sample distance that chance exceeds one time in twenty (Smirnov 1948)


def pairs(a: dict, b: dict) -> dict[str, list]:
    """name -> [value in a, value in b], None where there is none; in a's order, what only b has last."""
    return {name: [a.get(name), b.get(name)] for name in dict.fromkeys([*a, *b])}


def overall(metrics: dict) -> dict[str, dict]:
    """A version's scores on its own holdout, by name."""
    return {score["name"]: {key: score[key] for key in ("value", "low", "high", "rows")} for score in metrics["scores"] if score["slice"] == "all"}


def common(a_keys: np.ndarray, a: Answers, b_keys: np.ndarray, b: Answers) -> tuple[Answers, Answers]:
    """The answers of both to the holdout rows that both were examined on, with the same truth; neither learnt from these before it was scored."""
    place = {key: i for i, key in enumerate(a_keys.tolist())}
    ours = np.array([i for i, key in enumerate(b_keys.tolist()) if key in place], dtype=int)
    theirs = np.array([place[key] for key in b_keys[ours].tolist()], dtype=int)
    same = a.truth[theirs] == b.truth[ours] if len(ours) else np.zeros(0, bool)
    return a.at(theirs[same]), b.at(ours[same])


def test(metric: str, task: str, a: Answers, b: Answers, resamples: int, seed: int) -> Comparison:
    """The paired test of b against a on the same rows; by accuracy or mae where one of them gives no probabilities."""
    usable = all(scores.available((metric,), answers) for answers in (a, b))
    return paired.compare(metric if usable else "mae" if task == "regression" else "accuracy", b, a, 0.0, resamples, seed)


def shifts(a: dict, b: dict) -> list[dict]:
    """How far the distribution of each column that both baselines have has moved, the farthest first.

    distance: the largest difference of the two distribution functions (Kolmogorov-Smirnov), of categories half the sum of the
    differences of their shares (total variation): 0 the same, 1 nothing in common. shifted: more than chance would.
    """
    found = []
    for name in a["columns"].keys() & b["columns"].keys():
        old, new = a["columns"][name], b["columns"][name]
        distance = apart(old, new)
        if distance is not None:
            rows = [max(column["count"] - column["missing"], 1) for column in (old, new)]
            found.append({"column": name, "distance": distance, "shifted": distance > SMIRNOV * sum(1 / n for n in rows) ** 0.5 + COARSE,
                          "mean": [old.get("mean"), new.get("mean")], "missing": [share_missing(old), share_missing(new)]})
    return sorted(found, key=lambda each: (-each["distance"], each["column"]))


def apart(a: dict, b: dict) -> float | None:
    """None where the two profiles can't be held against each other."""
    known = [distribution(column) for column in (a, b)]
    if None not in known:
        (old, old_shares), (new, new_shares) = known
        grid = np.concatenate([old, new])
        return float(np.abs(old_shares[np.searchsorted(old, grid, "right")] - new_shares[np.searchsorted(new, grid, "right")]).max())
    counted = [categories(column) for column in (a, b)]
    if None not in counted:
        old, new = counted
        totals = [max(sum(counts.values()), 1) for counts in (old, new)]
        return sum(abs(old.get(name, 0) / totals[0] - new.get(name, 0) / totals[1]) for name in old.keys() | new.keys()) / 2
    return None


def distribution(column: dict) -> tuple[np.ndarray, np.ndarray] | None:
    """A numeric column's stored points (k,), and the shares of rows (k + 1,) up to none, the first, the second … of them."""
    if "cells" in column:  # rows below the first point, on it, up to the next, on that …
        reached = np.cumsum(column["cells"])
        return np.array(column["points"]), np.concatenate([[0.0], reached[1::2][:len(column["points"])] / reached[-1]])
    return None


def categories(column: dict) -> dict | None:
    """How often each value came, those not kept by name as None."""
    return {**dict(zip(column["labels"], column["counts"])), None: column["other"]} if "labels" in column else None


def share_missing(column: dict) -> float:
    return column["missing"] / column["count"] if column["count"] else 0.0


def as_dict(found: Comparison) -> dict:
    """For the record: `a` and `b` instead of production and candidate."""
    told = finite(asdict(found))
    return {"metric": told["metric"], "a": told["production"], "b": told["candidate"], **{key: told[key] for key in ("difference", "low", "high", "p_better", "p_worse", "rows", "test")}}
