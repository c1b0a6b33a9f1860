"""Learning the world anew: candidates on all rows and on recent ones, examined on the newest, against what is live."""
import json
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from lib import clock, config, dataset, harvest, loading, model, paired, scores, training, versions
from lib.candidate import Candidate
from lib.config import Config
from lib.errors import TooFew, UserError
from lib.files import ModelPaths
from lib.parts import Part
from lib.tags import Registry, Version

FEWEST_EXAMINERS = 100  # newest labelled rows that no candidate learns from
SHARE_OF_EXAMINERS = 4  # one in so many of the rows that the live version has not seen: soon after a change there are few to learn it from
FEWEST_TO_LEARN = 50
MOST_COMPARED = 10_000  # rows
SHORTEN_AT = 0.1  # one-sided p-value at which a shorter window is taken for better


def best_candidate(conf: Config, features_source: bytes | None, paths: ModelPaths, live: Version, found: list[Part], cutoff: str | None,
                   suspicious: int) -> tuple[Candidate, str]:
    """The window's candidate to put against production, and the window's name. Raises TooFew.

    suspicious: the newest rows that probably come from after the drop, 0 where there was none. They are a window of their
    own, and of them a third examine: rows of the old world would speak for what is live.

    It begins with the longest window and goes to a shorter one only where that is better on the newest rows: old rows help
    until the world has changed, and then they hurt (policy and limits from a comparison on real streams).
    """
    now = clock.now()
    rows = dataset.read(found, conf)
    unseen = np.isin(rows.parts, [part.number for part in new_parts(paths, live, found)])
    holdout = newest(unseen, max(FEWEST_EXAMINERS, suspicious // 3 if suspicious else unseen.sum() // SHARE_OF_EXAMINERS))
    if holdout.sum() < FEWEST_EXAMINERS:
        raise TooFew(f"{holdout.sum()} labelled rows since v{live.number} was trained; {FEWEST_EXAMINERS} are needed")
    features = model.load_features(features_source, "features.py")
    truth = dataset.labels(rows.frame[conf.target], conf)
    params = json.loads(versions.read_verified(paths.version(live.number), live, versions.read_manifest(paths.version(live.number), live), "metrics.json"))["params"]
    chosen, chosen_name = None, ""
    for name, mask in windows(conf, rows, ~holdout, suspicious - holdout.sum(), now):
        if mask.sum() < FEWEST_TO_LEARN or conf.task == "classification" and not teaches(truth[mask], conf.positive):
            continue
        how = f"the newest {holdout.sum():,} labelled rows"
        candidate = training.examine(conf, features, rows, dataset.Split(mask, holdout, cutoff, how), params, None, mask | holdout)
        if chosen is None or better(conf, candidate, chosen):
            chosen, chosen_name = candidate, name
    if chosen is None:
        raise TooFew(f"fewer than {FEWEST_TO_LEARN} rows of two classes to learn from")
    return replace(chosen, went_by={"now": now, "since_drop": suspicious}), chosen_name


def teaches(answers: np.ndarray, positive: str | None) -> bool:
    """Whether a classifier can learn from these: two classes, and the one that it is about among them."""
    classes = set(answers)
    return len(classes) > 1 and (positive is None or positive in classes)


def new_parts(paths: ModelPaths, live: Version, found: list[Part]) -> list[Part]:
    """The parts that the live version has not learnt from."""
    seen = versions.read_manifest(versions.ensure_folder(paths, live), live)["inputs"]["parts"]
    return [part for part in found if part.path.name not in seen]


def newest(mask: np.ndarray, count: int) -> np.ndarray:
    """The last `count` of the rows in a mask: parts are in the order in which they came, their rows by time."""
    chosen = np.zeros(len(mask), bool)
    chosen[np.flatnonzero(mask)[-count:]] = True
    return chosen


def windows(conf: Config, rows: dataset.Rows, usable: np.ndarray, after_drop: int, now: str):
    """(name, rows to learn from), longest first, each size once."""
    masks = {after_drop: ("since the drop", newest(usable, after_drop))} if after_drop > 0 else {}
    for window in conf.retrain.windows:
        mask = usable if window == "all" else newest(usable, int(window)) if window.isdecimal() else usable & since(conf, rows, window, now)
        masks.setdefault(int(mask.sum()), (window, mask))
    return [masks[size] for size in sorted(masks, reverse=True)]


def since(conf: Config, rows: dataset.Rows, window: str, now: str) -> np.ndarray:
    begin = datetime.fromisoformat(now) - timedelta(seconds=config.seconds(window, "retrain.windows"))
    return (rows.frame[conf.time] >= pd.Timestamp(begin)).to_numpy()


def better(conf: Config, challenger: Candidate, champion: Candidate) -> bool:
    found = paired.compare_sharply(conf.metric, challenger.answers, champion.answers, 0.0, conf.evaluate.resamples, conf.train.seed)
    return found.difference > 0 and found.p_better < SHORTEN_AT


def beside_the_one_before(conf: Config, paths: ModelPaths, known: Registry) -> paired.Comparison | None:
    """The live version against the one it replaced, on the live version's own labelled rows. None where the other one can't answer them. Raises TooFew."""
    deployment = known.deployments[-1]
    rows = harvest.labelled(paths)
    rows = rows[(rows["version"] == str(deployment.version)) & (rows["time"] >= deployment.entry["time"])][-MOST_COMPARED:].reset_index(drop=True)
    if len(rows) < dataset.SMALLEST:
        raise TooFew(f"{len(rows)} labelled rows since {deployment.tag}")
    try:
        made, _ = loading.load(paths, known.versions[deployment.replaced])
        frame = harvest.typed(rows, made.config)
        said = made.predict(frame)
    except UserError:
        return None
    truth, values = dataset.labels(frame[made.config.target], made.config), rows["prediction"].to_numpy(object)
    ours = scores.Answers(truth, values.astype(float) if conf.task == "regression" else values)
    return paired.compare("mae" if conf.task == "regression" else "accuracy", ours, scores.Answers(truth, said.values), 0.0, conf.evaluate.resamples, conf.train.seed)


def demanding(conf: Config) -> Config:
    """By night a version must be better, not only no worse: a change for nothing is a risk for nothing."""
    return conf if conf.thresholds.require == "off" else conf.but(thresholds=conf.thresholds.but(require="better"))
