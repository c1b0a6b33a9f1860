"""Make a model from a CSV: infer task, column types, ranges and categories, write a commented model.toml, take in the rows.

make new MODEL=churn CSV=rows.csv TARGET=churned
make new MODEL=demand CSV=rows.csv TARGET=sold ID=order TIME=day
make new MODEL=houses CSV=rows.csv TARGET=price TIME=-     # no column is the time of a row, whatever it looks like; ID=- likewise
"""
import shutil
from pathlib import Path

from lib import config, config_rules, csvfile, files, git, registry, runs
from lib.errors import UserError
from lib.files import ModelPaths
from lib.names import nearest, not_learnt
from lib.runs import Run

NONE = "-"  # ID= or TIME=: no column, whatever one looks like


def work(run: Run) -> int:
    if not run.options["MODEL"]:
        raise UserError("MODEL= is missing. Example: make new MODEL=churn CSV=rows.csv TARGET=churned")
    paths = ModelPaths(run.root, run.options["MODEL"])
    source = run.path("CSV")
    target = run.options["TARGET"]
    if paths.config.exists():
        raise UserError(f"{paths.config.relative_to(run.root)} is there already and is not overwritten. New rows for it: make ingest MODEL={paths.name} CSV={source}")
    if git.tags(run.root, f"{paths.name}/"):
        raise UserError(f"there are versions of {paths.name} under tags {paths.name}/v…. Bring them back with: make restore MODEL={paths.name}")
    header = csvfile.read_header(source)
    if not target:
        raise UserError("TARGET= is missing: the column to predict. It has: " + ", ".join(header.names) + ".")
    for option in ("TARGET", "ID", "TIME"):
        name = run.options[option]
        if name and name not in header.names and (name != NONE or option == "TARGET"):
            raise UserError(f"{option}={name} is not a column of {source}.{nearest(name, header.names)} It has: {csvfile.listed(header.names, str)}.")
    run.record(model=paths.name)
    make(run, paths, source, header, target)
    return 0


def make(run: Run, paths: ModelPaths, source: Path, header: csvfile.Header, target: str) -> None:
    import pandas as pd

    from lib import intake, scaffold
    chunks = list(csvfile.chunks(source, header))
    faults = [fault for chunk in chunks for fault in chunk.faults]
    if faults:
        raise UserError(f"{source}: {'; '.join(map(str, faults[:10]))}{f' and {len(faults) - 10} more' if len(faults) > 10 else ''}. Put them right and try again.")
    texts = pd.DataFrame([row for chunk in chunks for row in chunk.rows], columns=list(header.names), dtype=object)
    if texts.empty:
        raise UserError(f"{source} has a header and no rows.")
    found = scaffold.infer(texts, target, *("" if run.options[option] == NONE else run.options[option] or None for option in ("ID", "TIME")))
    text = scaffold.write(found, texts, target, header.separator)
    conf = config.parse(text)
    ours = [path for path in (paths.folder, paths.train) if not path.exists()]  # what a failure may take away again
    paths.folder.mkdir(parents=True, exist_ok=True)
    try:
        with run.lock(paths):
            registry.settle(run, paths)
            added, _ = intake.take_in(run, paths, conf, source)
            files.write(paths.config, text.encode())  # last: a model is there once its model.toml is
    except BaseException:
        for path in ours:
            shutil.rmtree(path, ignore_errors=True)
        raise
    kinds = ", ".join(f"{sum(column['type'] == kind for column in found['columns'].values())} {kind}" for kind in config_rules.COLUMN_TYPES if any(column["type"] == kind for column in found["columns"].values()))
    print(f"{paths.name}: {found['task']} of {target!r}, {len(texts):,} rows, columns: {kinds}")
    print(f"{paths.name}: id {found['id'] or 'none'}, time {found['time'] or 'none'}")
    if found["time"] and not run.options["TIME"]:
        print(f"{paths.name}: {found['time']} is taken for the time of a row: the newest rows examine a model (TIME={NONE}: rows as if drawn at random)")
    if conf.unlearnable:
        print(f"{paths.name}: {not_learnt(conf.unlearnable)}")
    if conf.positive is not None:
        print(f"{paths.name}: positive {conf.positive!r}: precision, recall and f1 are about it, and the score is its probability")
    print(f"{paths.name}: models/{paths.name}/model.toml written: read it, it is meant to be changed; then commit it")
    print(f"{paths.name}: part {added[0].path.stem} taken in")
    print(f"next: make train MODEL={paths.name}")


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL", "CSV", "TARGET", "ID", "TIME"), work, argv)


if __name__ == "__main__":
    runs.leave(main())
