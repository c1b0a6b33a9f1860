"""Score the rows of a CSV with the live version and log each prediction; OUT= writes them to a file too.

make predict CSV=today.csv
make predict MODEL=churn CSV=today.csv OUT=scored.csv
"""
import contextlib
import re
import sys
import uuid
from pathlib import Path
from typing import BinaryIO

from lib import clock, csvfile, db, files, predictions, registry, runs, versions
from lib.config import Config
from lib.errors import UserError
from lib.files import ModelPaths
from lib.names import plural
from lib.progress import Progress
from lib.tags import Version
from lib.runs import Run


def work(run: Run) -> int:
    paths = run.model()
    source = run.path("CSV")
    out = Path(run.options["OUT"]) if run.options["OUT"] else None
    check_out(run.root, out, source)
    version = live_version(run, paths)
    header = csvfile.read_header(source)  # names a missing or empty file before scikit-learn is imported
    digest = files.sha256(source)
    settle(run, paths)
    before = db.batch(run.db, paths.name, version.number, digest)
    if before and not out:
        print(f"{paths.name}: the {before['rows']:,} rows of {source.name} are logged already, by v{version.number} at {before['time']}")
        return 0
    from lib import loading  # scikit-learn takes seconds to import
    model, manifest = loading.load(paths, version)
    header = csvfile.read_header(source, None, tuple(model.config.columns))
    paths.predictions.mkdir(parents=True, exist_ok=True)
    with (files.replacing(out) if out else contextlib.nullcontext()) as answers, files.nameless(paths.predictions) as rows:
        count = score(model, manifest, source, header, digest, version, answers, rows)
        rows.flush()
        log = None if before else append(run, paths, rows.buffer, logged(model.config), version, source, digest, count)
    print(f"{paths.name}: {plural(count, 'row')} scored by v{version.number}")
    print(f"{paths.name}: {'logged before' if before else f'logged in {log.relative_to(paths.root)}'}")
    if out:
        print(f"{paths.name}: written to {out}")
    return 0


def check_out(root: Path, out: Path | None, source: Path) -> None:
    """UserError if OUT is no place for a file of answers: among the project's own files least of all."""
    if out is None:
        return
    if not out.absolute().parent.is_dir():
        raise UserError(f"OUT={out}: the folder {out.parent} is not there.")
    if out.is_dir():
        raise UserError(f"OUT={out} is a folder, not a file.")
    if out.exists() and not out.is_file():
        raise UserError(f"OUT={out} is a pipe or a device. Name a file.")
    if out.exists() and source.exists() and out.samefile(source):
        raise UserError(f"OUT={out} is the file with the rows. Give the answers another name.")
    place = out.absolute().parent.resolve() / out.name
    inside = place.relative_to(root.resolve()).parts if place.is_relative_to(root.resolve()) else ()
    if inside and (len(inside) > 1 and inside[0] in runs.FOLDERS or len(inside) == 1 and (inside[0] in runs.FILES or inside[0].startswith("."))):
        raise UserError(f"OUT={out} is among the project's own files. Name one outside {', '.join(runs.FOLDERS)}.")


def live_version(run: Run, paths: ModelPaths) -> Version:
    """What `production` points to now; read once, so a deployment in between changes nothing for this run.

    Refused where a tag, the audit, the record or the link is not as the commands left it.
    """
    number = versions.live_number(paths)
    known = registry.trusted(run, paths)
    if number is None or not paths.production.exists():
        if not known.deployments:
            raise UserError(f"{paths.name} has nothing live. Make a version live with: make deploy MODEL={paths.name}")
        with run.lock(paths):
            known = registry.settle(run, paths)
        number = versions.live_number(paths)
    registry.check_link(paths, known, number)
    return known.versions[number]


def score(model, manifest: dict, source: Path, header: csvfile.Header, digest: str, version: Version, answers, rows) -> int:
    """Write every row's answer and log line, in the input's order; UserError, before anything is kept, if a row does not fit."""
    from lib import dataset, scoring
    conf = model.config
    names = [name for name in conf.columns if name in header.names and name != conf.target]
    ignored = [name for name in header.names if name not in conf.columns]
    absent = [name for name in (*conf.features, *([conf.id] if conf.id else [])) if name not in names]
    for name in absent:
        meant = next((other for other in ignored if squeezed(other) == squeezed(name) != ""), None)
        if meant is not None:
            raise UserError(f"{source} has no column {name!r}, but {meant!r}. Give it the name that v{version.number} knows.")
    missing = [name for name in absent if name == conf.id or not conf.columns[name].nullable]
    if missing:
        raise UserError(f"{source} has no column {csvfile.listed(missing)}, which v{version.number} needs.")
    if absent:
        print(f"{version.model}: warning: {source} has no column {csvfile.listed(absent)}: counted as missing in every row", file=sys.stderr)
    if ignored:
        print(f"{version.model}: columns not used: {csvfile.listed(ignored, str)}", file=sys.stderr)
    if answers:
        answers.writelines(csvfile.lines([("id", "prediction", "score")]))
    count, nameless, by, batch = 0, 0, f"{clock.now()},{version.number}", digest[:12]
    with Progress("scoring", csvfile.estimated_rows(source), "rows", about=True) as progress:
        chunks = scoring.checked_chunks(source, header, lenient(conf, names), whole=not model.features.rowwise)
        for chunk, frame in scoring.ahead(chunks) if model.features.rowwise else chunks:
            for name in conf.features:
                if name not in frame:
                    frame[name] = dataset.nothing(len(frame), conf.columns[name])
            said, chances = scoring.answers(model, manifest, frame)
            ids = chunk.joined([header.names.index(conf.id)]) if conf.id else [f"{batch}-{number}" for number in range(count + 1, count + 1 + len(chunk))]
            said, chances = as_csv(said), as_csv(chances)
            if answers:
                answers.write("".join([f"{i},{value},{chance}\n" for i, value, chance in zip(ids, said, chances)]))  # one write: a tenth of the time
            given = chunk.joined([header.names.index(name) if name in names else None for name in logged(conf)])
            rows.write("".join([f"{i},{by},{value},{chance},{features}\n" for i, value, chance, features in zip(ids, said, chances, given)]))
            count += len(chunk)
            nameless += ids.count("")
            progress.at(count)
    if nameless:
        print(f"{version.model}: warning: {plural(nameless, 'row')} without {conf.id!r}: no outcome can be matched with {'it' if nameless == 1 else 'them'}", file=sys.stderr)
    return count


def squeezed(name: str) -> str:
    """A column's name without what is written one way here and another there: case, blanks, underscores, hyphens, dots."""
    return re.sub(r"[\s_.-]", "", name.casefold())


def logged(conf: Config) -> list[str]:
    """What goes into the log beside the answer: the features, and the row's time, so that it can become a training row."""
    return [*conf.features, *([conf.time] if conf.time else [])]


def lenient(conf: Config, names: list[str]) -> dict:
    """What scoring insists on: types. Missing, unseen and far-off values are scored, logged and left to `make drift` to report."""
    return {name: conf.columns[name].but(nullable=1.0, min=None, max=None, values=None, unique=False, mean_min=None, mean_max=None) for name in names}


def as_csv(values: list) -> list[str]:
    """Class names or numbers as fields of a CSV."""
    if values and isinstance(values[0], float):
        return list(map(repr, values))
    fields = {value: csvfile.lines([[value, ""]])[0][:-2] for value in set(values)}
    return list(map(fields.__getitem__, values))


def settle(run: Run, paths: ModelPaths) -> None:
    """Finish what a killed predict left, also where there is nothing to log this time."""
    if paths.appending.exists():
        with predictions.lock(paths, f"predict by {run.user}", runs.LOCK_WAIT):
            predictions.settle(run.db, paths)


def append(run: Run, paths: ModelPaths, rows: BinaryIO, features: list[str], version: Version, source: Path, digest: str, count: int) -> Path:
    with predictions.lock(paths, f"predict by {run.user}", runs.LOCK_WAIT):
        predictions.settle(run.db, paths)
        same = db.batch(run.db, paths.name, version.number, digest)
        if same:  # another process scored the same file meanwhile
            return paths.predictions / same["log"]
        return predictions.append(run.db, paths, rows, features, {"uuid": uuid.uuid4().hex, "run_id": run.id, "model": paths.name, "version": version.number,
                                                                       "source": source.name, "sha256": digest, "rows": count})


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL", "CSV", "OUT"), work, argv)


if __name__ == "__main__":
    runs.leave(main())
