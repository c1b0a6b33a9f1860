"""Train the model on all its parts, examine it, and register it as a new version if it passes its gates.

make train                         # does nothing if nothing has changed since the last version
make train MODEL=churn FORCE=1     # trains anyway
"""
import hashlib

from lib import audit, fingerprints, parts, registry, remote, runs, tags, versions
from lib.errors import Refused
from lib.files import ModelPaths
from lib.names import not_learnt
from lib.tags import Registry
from lib.runs import Run


def work(run: Run) -> int:
    paths = run.model()
    force = run.flag("FORCE")
    try:
        with run.lock(paths):
            train(run, paths, registry.settle(run, paths), force)
    finally:
        remote.push(run, paths)
    return 0


def train(run: Run, paths: ModelPaths, known: Registry, force: bool) -> tags.Version | None:
    """A new version, or None if nothing has changed. Refused, with its numbers on record, if it misses a gate."""
    then = versions.manifest_of(paths, known.newest) if known.newest else None
    texts = versions.texts(paths)
    same = then and "model.toml" in texts and hashlib.sha256(texts["model.toml"]).hexdigest() == then["files"]["model.toml"]
    conf = None if same else load_config(paths, texts)  # the newest version was trained with this very text, so it is right
    found = parts.check(paths) or first_rows(run, paths, conf)
    inputs = fingerprints.collect(paths, found, texts, then)
    run.note(**inputs.columns())
    why = "; ".join(fingerprints.changes(inputs, then["inputs"])) or ("FORCE=1" if force else "") if then else "the first version"
    if not why:
        print(f"{paths.name}: nothing has changed since v{known.newest.number} (FORCE=1 trains anyway)")
        return None
    remote.refuse_behind(paths)
    run.record()
    print(f"{paths.name}: training, because of {why}", flush=True)
    return make_version(run, paths, known, conf or load_config(paths, texts), texts, found, inputs, why, then)


def load_config(paths: ModelPaths, texts: dict[str, bytes]):
    from lib import config  # where nothing has changed, model.toml need not be understood again
    return config.load(paths.config, texts.get("model.toml"))


def first_rows(run: Run, paths: ModelPaths, conf) -> list[parts.Part]:
    """The first training takes in the rows of the source that model.toml names."""
    from lib import intake, training
    training.check_before_reading(conf)
    added, _ = intake.take_in(run, paths, conf, None)
    for part in added:
        print(f"{paths.name}: part {part.path.stem} taken in from {intake.describe(conf, None, part.path)}")
    return parts.check(paths)


def make_version(run: Run, paths: ModelPaths, known: Registry, conf, texts: dict[str, bytes], found, inputs, why: str, then: dict | None) -> tags.Version:
    """texts: as versions.texts gives them; then: the newest version's manifest."""
    from concurrent.futures import ThreadPoolExecutor
    from dataclasses import replace
    from lib import dataset, gates, profile, staging, training  # scikit-learn takes a second to import: not when nothing has changed
    versions.refuse_other_task(known.live, conf.task)
    training.check_before_reading(conf)
    rows = dataset.read(found, conf)
    split = dataset.split(rows, conf, cutoff(then, conf))
    if conf.unlearnable and "features.py" not in texts:
        print(f"{paths.name}: {not_learnt(conf.unlearnable)}")
    profiling = ThreadPoolExecutor(1).submit(profile.features, rows.frame if conf.train.refit else rows.frame[split.train], conf)  # while the rest goes on
    candidate = training.fit(run, conf, texts.get("features.py"), rows, split, inputs.fingerprint())
    training.record(run, candidate)
    show(paths.name, candidate)
    comparison, unable = training.against_production(paths, known.live, found, candidate)
    candidate = replace(candidate, profiled=profiling, comparison=comparison, verdicts=training.judge(conf, candidate, comparison, known.live, unable))
    for line in gates.lines(paths.name, candidate.verdicts):
        print(line)
    if unable and known.live is None:
        print(f"{paths.name}: {unable}")
    missed = gates.missed(candidate.verdicts)
    if missed:
        audit.add(paths.audit, run, "refused", why=why, missed=missed)
        raise Refused(f"{paths.name}: not registered: {'; '.join(missed)}. The numbers are in metrics.db (run {run.id}).")
    version = staging.register(run, paths, known, candidate, inputs, found, why, texts)
    print(f"{paths.name}: v{version.number} registered, tag {version.tag}, model {version.sha256[:12]}, card models/{paths.name}/v{version.number}/card.md")
    signed = conf.deploy.approval == "signed"
    print(f"next: {f'make approve MODEL={paths.name} VERSION={version.number}, by who may sign; then ' if signed else ''}make deploy MODEL={paths.name}")
    return version


def cutoff(then: dict | None, conf) -> str | None:
    """Where the newest version's holdout began, if it was to be of the same size."""
    same = then and then["inputs"]["config"]["train"].get("holdout", type(conf.train).holdout) == conf.train.holdout
    return then["cutoff"] if same else None


def show(model: str, candidate) -> None:
    print(f"{model}: {candidate.split.train.sum():,} rows to learn from, {candidate.split.holdout.sum():,} to examine")
    if candidate.searched:
        best = candidate.searched
        print(f"{model}: search: best {candidate.model.config.metric} {best.value:.4g} with {best.params} ({best.computed} folds fitted, {best.resumed} found finished)")
    for score in candidate.scores:
        if score.slice == "all":
            print(f"{model}: {score.name:<22} {score.value:8.4f}   95 % interval {score.low:.4f} to {score.high:.4f}")


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL", "FORCE"), work, argv)


if __name__ == "__main__":
    runs.leave(main())
