"""From a candidate to the files of a version, in a folder that is not yet it, and on to the registry."""
import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from lib import bounds, card, clock, db, files, fingerprints, holdout, model, profile, registry, scores, scoring, tags, training, versions
from lib.candidate import Candidate
from lib.errors import UserError
from lib.files import ModelPaths
from lib.fingerprints import Inputs
from lib.parts import Part
from lib.runs import Run
from lib.strictjson import as_json, finite


def register(run: Run, paths: ModelPaths, known: tags.Registry, candidate: Candidate, inputs: Inputs, found: list[Part], why: str, texts: dict[str, bytes]) -> tags.Version:
    """The candidate as the next version. texts: as versions.texts gave them when the training began."""
    if candidate.model.features.make:
        for name in fingerprints.untracked(paths):
            print(f"{run.script}: warning: {name} was imported by features.py and is in no commit: the version's tag does not hold it, and without it the version can't be used. Commit it, and train again.", file=sys.stderr)
    number = registry.next_number(run, known, paths.name)
    fitted = final_pipeline(candidate)
    profiled = ThreadPoolExecutor(1).submit(baseline_file, candidate)  # NumPy's work, for the most part, which leaves room for ours
    content = {**texts, **files_of(candidate, fitted)}
    facts = facts_of(candidate, why)
    manifest = {"model": paths.name, "version": number, "created": clock.now(), "script": run.script, "run": run.uuid, "inputs": vars(inputs), **circumstances(candidate, found), **facts}
    content |= {"card.md": card.write(manifest, candidate, inputs).encode(), "baseline.json": profiled.result()}
    check_reload(candidate, fitted, content)
    fingerprints.refuse_other_code(paths, inputs)
    return registry.publish(run, paths, number, stage(paths, manifest, content), facts, known.newest)


def final_pipeline(candidate: Candidate):
    """What is registered: the pipeline as it was examined, or fitted once more on all the rows that it is to learn from."""
    if candidate.final is None:
        return candidate.model.pipeline
    fitted, _ = training.fit_pipeline(candidate.model.config, candidate.model.features, candidate.rows, candidate.final, candidate.params)
    return fitted


def files_of(candidate: Candidate, fitted) -> dict[str, bytes]:
    """The files that follow from the candidate alone, by name."""
    numbers = {"headline": candidate.model.config.metric, "scores": [asdict(score) for score in candidate.scores], "comparison": asdict(candidate.comparison) if candidate.comparison else None,
               "gates": [asdict(gate) for gate in candidate.verdicts], "params": candidate.params, "search": asdict(candidate.searched) if candidate.searched else None}
    return {"model.joblib": model.dump(fitted), "holdout.csv": holdout.as_csv(candidate.rows.keys[candidate.split.holdout], candidate.answers),
            "metrics.json": as_json(numbers), "environment.json": as_json(fingerprints.environment())}


def facts_of(candidate: Candidate, why: str) -> dict:
    """What the tag's record says of the version, and its manifest too."""
    conf, headline = candidate.model.config, candidate.headline
    facts = {"estimator": conf.train.estimator, "metric": conf.metric, "value": headline.value, "low": db.real(headline.low), "high": db.real(headline.high),
             "greater_is_better": scores.greater_is_better(conf.metric), "train_rows": int(candidate.learnt.sum()),
             "holdout_rows": int(candidate.split.holdout.sum()), "why": why}
    if conf.task == "regression":
        errors = np.abs(candidate.answers.truth - candidate.answers.values)
        return facts | {"mae": float(errors.mean()), "clipped": bounds.clipped(errors)}
    return facts | {"wrong": int((candidate.answers.truth != candidate.answers.values).sum())}


def circumstances(candidate: Candidate, found: list[Part]) -> dict:
    """For the manifest: the classes, how the rows were split and chosen, and how many each part gave."""
    classes, split = candidate.answers.classes, candidate.split
    rows_of = {number: int(count) for number, count in zip(*np.unique(candidate.rows.parts, return_counts=True))}
    return {"classes": [str(name) for name in classes] if classes is not None else None, "positive": candidate.answers.positive, "cutoff": split.cutoff, "holdout": split.how,
            "refit": candidate.final is not None, "went_by": candidate.went_by,
            "parts": [{"name": part.path.name, "sha256": part.sha256, "rows": rows_of.get(part.number, 0)} for part in found]}


def stage(paths: ModelPaths, manifest: dict, content: dict[str, bytes]) -> Path:
    """Write the files, and the manifest with the sha256 of each, in a folder that is not yet the version; returns the folder."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(content.items())}
    staged = paths.folder / f"{versions.STAGED}v{manifest['version']}"
    files.remove_folder(staged)
    staged.mkdir()
    for name, data in {**content, "manifest.json": as_json({**manifest, "files": digests})}.items():
        (staged / name).write_bytes(data)
    return staged


def baseline_file(candidate: Candidate) -> bytes:
    """What later rows and answers are compared with: a profile of the rows that were learnt from, and of what was said of the holdout."""
    a, conf = candidate.answers, candidate.model.config
    score = scoring.score_of(a.probabilities, a.classes, a.positive)
    columns = candidate.profiled.result() if candidate.profiled else profile.features(candidate.rows.frame[candidate.learnt], conf)
    with threadpool_limits(1, "blas"):  # whose threads take longer to meet than a profile's small products take
        told = profile.baseline(columns, conf, a.values, score)
    return profile.as_json({**told, "calibration": finite(profile.calibration(a.values == a.truth, score, a.positive is not None)) if score is not None else None})


def check_reload(candidate: Candidate, fitted, content: dict[str, bytes]) -> None:
    """What was written scores as what was fitted, or it is no version."""
    conf, rows = candidate.model.config, candidate.rows.frame.head(200)
    again = model.load(content["model.joblib"], conf, content.get("features.py"), "the model just written").predict(rows).values
    said = model.Model(fitted, conf, candidate.model.features).predict(rows).values
    if not np.array_equal(again, said):
        raise UserError(f"{conf.train.estimator} predicts differently after it was written and read back; it can't be registered.")
