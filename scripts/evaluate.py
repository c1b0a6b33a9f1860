"""Score a version against the thresholds that model.toml has now: on its own holdout, or on the labelled rows of a CSV.

make evaluate                                     # what is live, else the newest
make evaluate MODEL=churn VERSION=2 CSV=march.csv
"""
from dataclasses import asdict, replace
from pathlib import Path

from lib import config, csvfile, db, registry, runs, versions
from lib.errors import Refused, UserError
from lib.files import ModelPaths
from lib.tags import Version
from lib.runs import Run


def work(run: Run) -> int:
    paths = run.model()
    conf = config.load(paths.config)
    number = run.version()
    known = registry.trusted(run, paths)
    version = known.live if number is None and known.live else known.chosen(number, paths.name)
    versions.refuse_other_task(version, conf.task)
    source = run.path("CSV") if run.options["CSV"] else None
    if source:
        csvfile.read_header(source)
    return evaluate(run, paths, conf, version, source)


def evaluate(run: Run, paths: ModelPaths, conf: config.Config, version: Version, source: Path | None) -> int:
    from lib import gates, holdout, loading, training
    made, manifest = loading.load(paths, version)
    training.check_before_reading(conf)
    made = replace(made, config=made.config.but(evaluate=conf.evaluate, thresholds=conf.thresholds, metric=conf.metric))  # what model.toml asks now
    if source:
        frame, answers = from_csv(made, conf, source)
        found = training.evaluate(made.config, answers, frame)
    else:
        content = versions.read_verified(paths.version(version.number), version, manifest, "holdout.csv")
        _, answers = holdout.read(content, made.config, manifest)
        found = training.evaluate_overall(made.config, answers)
    with db.transaction(run.db):
        db.add_metrics(run.db, run.id, version.number, [asdict(score) for score in found])
    print(f"{version.name}: on {source.name if source else 'its holdout'}, {len(answers.truth):,} rows")
    for score in found:
        print(f"{version.name}: {score.name:<22} {score.value:8.4f}   95 % interval {score.low:.4f} to {score.high:.4f}{'' if score.slice == 'all' else f'   {score.slice}'}")
    verdicts = gates.thresholds({score.name: score.value for score in found if score.slice == "all"}, conf.thresholds)
    for line in gates.lines(version.name, verdicts):
        print(line)
    missed = gates.missed(verdicts)
    if missed:
        raise Refused(f"{version.name} misses {len(missed)} of {len(verdicts)} thresholds: {'; '.join(missed)}.")
    return 0


def from_csv(made, today: config.Config, source: Path):
    """The file's typed rows and the model's answers to them; the file must have the target. today: model.toml as it is now, which names the slices."""
    from lib import dataset, model, scoring, training
    conf = made.config
    known = {**{name: today.columns[name] for name in today.evaluate.slices}, **conf.columns}  # a slice may be of a column that the version did not have
    header = csvfile.read_header(source, None, tuple(known))
    missing = [name for name in dict.fromkeys((*conf.features, conf.target, *today.evaluate.slices)) if name not in header.names]
    if missing:
        raise UserError(f"{source} has no column {csvfile.listed(missing)}.")
    columns = {name: column for name, column in known.items() if name in header.names}
    _, frame = next(scoring.checked_chunks(source, header, columns, whole=True))
    if len(frame) < dataset.SMALLEST:
        raise UserError(f"{source} has {len(frame)} rows; at least {dataset.SMALLEST} are needed to say anything.")
    state = getattr(made.pipeline, model.STATE, None)
    return frame, training.answer(made, made.features.build(frame, conf, state), dataset.labels(frame[conf.target], conf))


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL", "VERSION", "CSV"), work, argv)


if __name__ == "__main__":
    runs.leave(main())
