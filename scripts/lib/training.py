"""From rows to a candidate with its numbers, and from a candidate to the files of a version."""
import hashlib
import io
import json
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from lib import bounds, card, clock, csvfile, dataset, db, files, fingerprints, gates, loading, model, paired, profile, registry, scores, scoring, search, tags, versions
from lib.config import Config
from lib.errors import Refused, UserError
from lib.files import ModelPaths
from lib.fingerprints import Inputs
from lib.parts import Part
from lib.runs import Run
from lib.paired import Comparison
from lib.progress import Progress
from lib.scores import Answers, Score

MOST_SLICES = 20  # values of one column


@dataclass(frozen=True)
class Candidate:
    """A fitted model and what its holdout says of it."""

    model: model.Model
    params: dict
    rows: dataset.Rows
    split: dataset.Split
    answers: Answers  # on the holdout rows
    scores: list[Score]
    searched: search.Best | None
    built: pd.DataFrame  # the holdout rows as the pipeline sees them
    final: np.ndarray | None = None  # bool, one a row: what the registered model is fitted on once more; None: it stays as examined
    comparison: Comparison | None = None
    verdicts: list[gates.Gate] = field(default_factory=list)
    profiled: Future[profile.Columns] | None = None  # of the rows it learnt from, where that was begun early
    went_by: dict[str, str | int] = field(default_factory=dict)  # what chose the rows, beside the rows themselves; with it `reproduce` chooses the same

    @property
    def values(self) -> dict[str, float]:
        return {score.name: score.value for score in self.scores if score.slice == "all"}


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
    except ValueError as error:
        raise UserError(f"{conf.train.estimator} can't be fitted: {str(error).splitlines()[0]}") from error
    setattr(fitted, model.STATE, state)
    return fitted, built


def answer(made: model.Model, features: pd.DataFrame, truth: np.ndarray) -> Answers:
    try:
        said = made.answer(features)
    except ValueError as error:
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
    stored_keys, stored = read_holdout(versions.read_verified(paths.version(live.number), live, manifest, "holdout.csv"), made.config, manifest)
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


def holdout_file(candidate: Candidate) -> bytes:
    """The holdout rows, by key, with the truth and what the model said before any refit."""
    a = candidate.answers
    many = a.probabilities is not None and len(a.classes) > 2
    score = scoring.score_of(a.probabilities, a.classes, a.positive)
    keys = [f"{key:016x}" for key in candidate.rows.keys[candidate.split.holdout].tolist()]
    columns = [keys, a.truth.tolist(), a.values.tolist(), [""] * len(keys) if score is None else map(repr, score.astype(float).tolist()),
               *([map(repr, column) for column in a.probabilities.T.tolist()] if many else [])]
    header = ["row", "label", "prediction", "score", *([f"p:{name}" for name in a.classes] if many else [])]
    return "".join(csvfile.lines([header, *zip(*columns)])).encode()


def read_holdout(content: bytes, conf: Config, manifest: dict) -> tuple[np.ndarray, Answers]:
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


def register(run: Run, paths: ModelPaths, known: tags.Registry, candidate: Candidate, inputs: Inputs, found: list[Part], why: str, texts: dict[str, bytes]) -> tags.Version:
    """The candidate as the next version. texts: as versions.texts gave them when the training began."""
    number = registry.next_number(run, known, paths.name)
    staged, facts = stage(run, paths, number, candidate, inputs, found, why, texts)
    fingerprints.refuse_other_code(paths, inputs)
    return registry.publish(run, paths, number, staged, facts, known.newest)


def stage(run: Run, paths: ModelPaths, number: int, candidate: Candidate, inputs: Inputs, found: list[Part], why: str, texts: dict[str, bytes]) -> tuple[Path, dict]:
    """Write the files of the version in a folder that is not yet it; returns the folder and the facts for its record."""
    conf = candidate.model.config
    fitted = candidate.model.pipeline
    if candidate.final is not None:
        fitted, _ = fit_pipeline(conf, candidate.model.features, candidate.rows, candidate.final, candidate.params)
    holdout = candidate.split.holdout
    learnt = candidate.split.train if candidate.final is None else candidate.final
    classes = [str(name) for name in candidate.answers.classes] if candidate.answers.classes is not None else None
    score = scoring.score_of(candidate.answers.probabilities, candidate.answers.classes, candidate.answers.positive)
    rows_of = {number: int(count) for number, count in zip(*np.unique(candidate.rows.parts, return_counts=True))}
    profiled = ThreadPoolExecutor(1).submit(baseline_file, candidate, learnt, score)  # NumPy's work, for the most part, which leaves room for ours
    content = {
        **texts,
        "model.joblib": model.dump(fitted),
        "holdout.csv": holdout_file(candidate),
        "metrics.json": as_json({"headline": conf.metric, "scores": [asdict(score) for score in candidate.scores], "comparison": asdict(candidate.comparison) if candidate.comparison else None,
                                 "gates": [asdict(gate) for gate in candidate.verdicts], "params": candidate.params, "search": asdict(candidate.searched) if candidate.searched else None}),
        "environment.json": as_json(fingerprints.environment()),
    }
    headline = next(score for score in candidate.scores if score.name == conf.metric and score.slice == "all")
    facts = {"estimator": conf.train.estimator, "metric": conf.metric, "value": headline.value, "low": db.real(headline.low), "high": db.real(headline.high),
             "greater_is_better": scores.greater_is_better(conf.metric), "train_rows": int(learnt.sum()),
             "holdout_rows": int(holdout.sum()), "why": why}
    if conf.task == "regression":
        errors = np.abs(candidate.answers.truth - candidate.answers.values)
        facts |= {"mae": float(errors.mean()), "clipped": bounds.clipped(errors)}
    else:
        facts["wrong"] = int((candidate.answers.truth != candidate.answers.values).sum())
    manifest = {"model": paths.name, "version": number, "created": clock.now(), "script": run.script, "run": run.uuid, "inputs": vars(inputs), "classes": classes,
                "positive": candidate.answers.positive, "cutoff": candidate.split.cutoff, "holdout": candidate.split.how, "refit": candidate.final is not None, "went_by": candidate.went_by,
                "parts": [{"name": part.path.name, "sha256": part.sha256, "rows": rows_of.get(part.number, 0)} for part in found], **facts}
    content["card.md"] = card.write(manifest, candidate, inputs).encode()
    content["baseline.json"] = profiled.result()
    manifest["files"] = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(content.items())}
    staged = paths.folder / f"{versions.STAGED}v{number}"
    files.remove_folder(staged)
    staged.mkdir()
    for name, data in {**content, "manifest.json": as_json(manifest)}.items():
        (staged / name).write_bytes(data)
    check_reload(content["model.joblib"], conf, texts.get("features.py"), candidate, fitted)
    return staged, facts


def baseline_file(candidate: Candidate, learnt: np.ndarray, score: np.ndarray | None) -> bytes:
    """What later rows and answers are compared with: a profile of the rows that were learnt from, and of what was said of the holdout."""
    a, conf = candidate.answers, candidate.model.config
    columns = candidate.profiled.result() if candidate.profiled else profile.features(candidate.rows.frame[learnt], conf)
    with threadpool_limits(1, "blas"):  # whose threads take longer to meet than a profile's small products take
        told = profile.baseline(columns, conf, a.values, score)
    return profile.as_json({**told, "calibration": finite(profile.calibration(a.values == a.truth, score, a.positive is not None)) if score is not None else None})


def check_reload(content: bytes, conf: Config, features: bytes | None, candidate: Candidate, fitted) -> None:
    """What was written scores as what was fitted, or it is no version."""
    rows = candidate.rows.frame.head(200)
    again = model.load(content, conf, features, "the model just written").predict(rows).values
    said = model.Model(fitted, conf, candidate.model.features).predict(rows).values
    if not np.array_equal(again, said):
        raise UserError(f"{conf.train.estimator} predicts differently after it was written and read back; it can't be registered.")


def as_json(value) -> bytes:
    return (json.dumps(finite(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def finite(value):
    """NaN and infinities as null: JSON has no word for them."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
