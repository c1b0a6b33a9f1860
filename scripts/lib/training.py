"""From rows to a candidate with its numbers: fitted, examined, compared with what is live, judged by its gates."""
from dataclasses import asdict

import numpy as np
import pandas as pd

from lib import dataset, db, gates, holdout, loading, model, paired, scores, search, tags, versions
from lib.candidate import Candidate
from lib.config import Config
from lib.errors import Refused, UserError
from lib.files import ModelPaths
from lib.parts import Part
from lib.runs import Run
from lib.paired import Comparison
from lib.progress import Progress
from lib.scores import Answers, Score

MOST_SLICES = 20  # values of one column


def check_before_reading(conf: Config) -> None:
    """All that can be wrong in model.toml without a look at the data. Raises UserError."""
    model.estimator(conf)
    scores.check_names({conf.metric, *conf.evaluate.metrics, *conf.thresholds.min, *conf.thresholds.max}, conf.task)


def metric_names(conf: Config) -> tuple[str, ...]:
    defaults = conf.evaluate.metrics or (scores.CLASSIFICATION if conf.task == "classification" else scores.REGRESSION)
    return tuple(dict.fromkeys((conf.metric, *defaults, *conf.thresholds.min, *conf.thresholds.max)))


def fit(run: Run, conf: Config, features_source: bytes | None, rows: dataset.Rows, split: dataset.Split, fingerprint: str) -> Candidate:
    """Search where model.toml asks for it, fit on the training rows, score on the holdout."""
    features = model.load_features(features_source, "features.py")
    best = None
    if conf.search:
        taught = rows.frame[split.train].reset_index(drop=True)
        built = features.build(taught, conf, features.fit(taught, conf))
        truth = dataset.labels(taught[conf.target], conf)
        best = search.run(run.db, run.id, fingerprint, conf, built, truth, taught[conf.time] if conf.time else None)
    final = np.ones(len(rows.frame), bool) if conf.train.refit else None
    return examine(conf, features, rows, split, best.params if best else {}, best, final)


def examine(conf: Config, features: model.Features, rows: dataset.Rows, split: dataset.Split, params: dict, searched: search.Best | None,
            final: np.ndarray | None) -> Candidate:
    """Fit with these parameters on the split's training rows, and score on its holdout."""
    fitted, built = fit_pipeline(conf, features, rows, split.train, params)
    made = model.Model(fitted, conf, features)
    examined = built[split.holdout]
    answers = answer(made, examined, dataset.labels(rows.frame[conf.target], conf)[split.holdout])
    return Candidate(made, params, rows, split, answers, evaluate(conf, answers, rows.frame[split.holdout]), searched, examined, final)


def fit_pipeline(conf: Config, features: model.Features, rows: dataset.Rows, chosen: np.ndarray, params: dict):
    """The pipeline fitted on the chosen rows, with what features.py learnt from these; and the features of all rows."""
    state = features.fit(rows.frame[chosen].reset_index(drop=True), conf)
    built = features.build(rows.frame, conf, state)
    try:
        with Progress(f"fitting {conf.train.estimator.rpartition('.')[2]} on {chosen.sum():,} rows"):
            fitted = model.pipeline(conf, built[chosen], params).fit(built[chosen], dataset.labels(rows.frame[conf.target], conf)[chosen])
    except (ValueError, TypeError) as error:
        raise UserError(f"{conf.train.estimator} can't be fitted: {str(error).splitlines()[0]}") from error
    setattr(fitted, model.STATE, state)
    return fitted, built


def answer(made: model.Model, features: pd.DataFrame, truth: np.ndarray) -> Answers:
    try:
        said = made.answer(features)
    except (ValueError, TypeError) as error:
        raise UserError(f"{made.config.train.estimator} can't predict: {str(error).splitlines()[0]}") from error
    return Answers(truth, said.values, said.probabilities, said.classes, model.positive_class(made.config, said.classes))


def evaluate(conf: Config, answers: Answers, frame: pd.DataFrame) -> list[Score]:
    """The metrics overall, then for each slice that is large enough to say anything."""
    names = scores.available(metric_names(conf), answers)
    found = evaluate_overall(conf, answers)
    for column in conf.evaluate.slices:
        groups = slice_labels(frame[column])
        for label in groups.value_counts().index[:MOST_SLICES]:
            mask = (groups == label).to_numpy()
            if mask.sum() >= dataset.SMALLEST:
                found += scores.score(names, answers.at(mask), conf.evaluate.resamples, conf.train.seed, f"{column} = {label}")
    return found


def evaluate_overall(conf: Config, answers: Answers) -> list[Score]:
    return scores.score(scores.available(metric_names(conf), answers), answers, conf.evaluate.resamples, conf.train.seed)


def slice_labels(column: pd.Series) -> pd.Series:
    """Each value is a slice; a number with many values is cut into quarters."""
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > MOST_SLICES:
        column = pd.qcut(column, 4, duplicates="drop")
    return column.astype(str)


def against_production(paths: ModelPaths, live: tags.Version | None, found: list[Part], candidate: Candidate, compare=paired.compare) -> tuple[Comparison | None, str]:
    """Candidate and live version on holdout rows that neither learnt from; or None, and why not. compare: of lib.paired."""
    conf = candidate.model.config
    if live is None:
        return None, "there is no live version to compare with"
    if conf.thresholds.require == "off":
        return None, 'not compared: require = "off"'
    try:
        theirs = production_answers(paths, live, found, candidate)
    except Refused:  # it was tampered with
        raise
    except UserError as error:  # it does not load here any more: all the more reason to train
        return None, f"not compared: {error}"
    if theirs is None or theirs[0].sum() < dataset.SMALLEST:
        return None, f"not compared: fewer than {dataset.SMALLEST} holdout rows that {live.name} did not learn from"
    mask, production = theirs
    if not scores.available((conf.metric,), production):
        return None, f"not compared: {live.name} gives no probabilities"
    ours = candidate.answers.at(mask)
    return compare(conf.metric, ours, production, conf.thresholds.margin, conf.evaluate.resamples, conf.train.seed), ""


def production_answers(paths: ModelPaths, live: tags.Version, found: list[Part], candidate: Candidate) -> tuple[np.ndarray, Answers] | None:
    """What production says of the candidate's holdout: a mask over its rows, and the answers for those.

    Rows of production's own holdout take what it said before any refit; rows of newer parts are scored now; the others
    it may have learnt from, so they are left out. None where the two do not answer the same question.
    """
    made, manifest = loading.load(paths, live)
    if made.config.target != candidate.model.config.target or made.config.task != candidate.model.config.task:
        return None
    keys, truth = candidate.rows.keys[candidate.split.holdout], candidate.answers.truth
    stored_keys, stored = holdout.read(versions.read_verified(paths.version(live.number), live, manifest, "holdout.csv"), made.config, manifest)
    place = {int(key): i for i, key in enumerate(stored_keys)}
    index = np.array([place.get(int(key), -1) for key in keys])
    values, probabilities = np.empty(len(keys), dtype=truth.dtype), None
    values[index >= 0] = stored.values[index[index >= 0]]
    if stored.probabilities is not None:
        probabilities = np.zeros((len(keys), stored.probabilities.shape[1]))
        probabilities[index >= 0] = stored.probabilities[index[index >= 0]]
    new = [part for part in found if part.path.name not in manifest["inputs"]["parts"]]
    fresh = np.isin(candidate.rows.parts[candidate.split.holdout], [part.number for part in new]) & (index < 0)
    said = score_new(made, found, new, candidate, fresh) if fresh.any() else None
    if said is None:
        fresh = np.zeros(len(keys), bool)
    else:
        values[fresh] = said.values
        if probabilities is not None:
            probabilities[fresh] = said.probabilities
    mask = (index >= 0) | fresh
    chosen = probabilities[mask] if probabilities is not None else None
    positive = candidate.answers.positive if stored.classes is not None and candidate.answers.positive in stored.classes else stored.positive
    return mask, Answers(truth[mask], values[mask], chosen, stored.classes, positive)


def score_new(made: model.Model, found: list[Part], new: list[Part], candidate: Candidate, fresh: np.ndarray) -> model.Predictions | None:
    """Production's answers to holdout rows of parts it has not seen; None where its columns do not fit them."""
    wanted = np.flatnonzero(candidate.split.holdout)[fresh]  # among all rows
    chosen = new if made.features.rowwise else found  # features that look across rows need them all
    place = np.flatnonzero(np.isin(candidate.rows.parts, [part.number for part in chosen]))
    try:
        said = made.predict(dataset.read(chosen, made.config).frame)
    except UserError:
        return None
    rows = np.searchsorted(place, wanted)
    return model.Predictions(said.values[rows], None if said.probabilities is None else said.probabilities[rows], said.classes)


def judge(conf: Config, candidate: Candidate, comparison: Comparison | None, live: tags.Version | None, unable: str) -> list[gates.Gate]:
    """The gates of a candidate. unable: why there is no comparison with the live version."""
    demonstrated = gates.against_production(comparison, conf.thresholds) if comparison or live is None else gates.not_compared(unable, conf.thresholds)
    return [*gates.finite(candidate.values, conf.metric), *gates.thresholds(candidate.values, conf.thresholds), *demonstrated]


def record(run: Run, candidate: Candidate) -> None:
    """The run's params and numbers, whether or not it becomes a version."""
    conf = candidate.model.config
    with db.transaction(run.db):
        db.add_params(run.db, run.id, {"estimator": conf.train.estimator, "seed": conf.train.seed, "holdout": conf.train.holdout, "refit": candidate.final is not None,
                                       **conf.train.params, **candidate.params})
        db.add_metrics(run.db, run.id, None, [asdict(score) for score in candidate.scores])
