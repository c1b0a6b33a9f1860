"""Take in true outcomes, as they arrive: in any order, late, repeated or corrected.

make label CSV=outcomes.csv                 # columns: id, label (or the target's name), and time if known
make label MODEL=churn CSV=outcomes.csv
"""
from pathlib import Path

from lib import clock, config, csvfile, files, runs, tags, versions
from lib.errors import UserError
from lib.names import plural
from lib.runs import Run

COLUMNS = ("id", "label", "time")


def work(run: Run) -> int:
    paths = run.model()
    conf = config.load(paths.config)
    source = run.path("CSV")
    known, _ = tags.scan(paths, {})  # whatever may be wrong with a tag: that is for the commands that use a model
    versions.refuse_other_task(known.live, conf.task)
    header = csvfile.read_header(source, None, ("id", "label", conf.target))
    rows = checked(conf, source, header)
    paths.labels.mkdir(parents=True, exist_ok=True)
    log = paths.labels / f"{clock.today()}.csv"
    with files.lock(paths.labels / ".lock", f"label by {run.user}", runs.LOCK_WAIT):
        first = [COLUMNS] if not log.exists() or log.stat().st_size == 0 else []
        files.append(log, "".join(csvfile.lines([*first, *rows])).encode())
    print(f"{paths.name}: {plural(len(rows), 'outcome')} taken in, in {log.relative_to(run.root)}")
    print(f"next: make check MODEL={paths.name}")
    return 0


def checked(conf: config.Config, source: Path, header: csvfile.Header) -> list[tuple[str, str, str]]:
    """(id, label, time) of each row, the label as predictions write it; UserError, before anything is kept, if one does not fit."""
    from lib import dataset, scoring
    named = next((name for name in ("label", conf.target) if name in header.names), None)
    id_column = next((name for name in ("id", conf.id) if name in header.names), None)
    if named is None or id_column is None:
        raise UserError(f"{source} needs a column id and a column label (or {conf.target}); it has: {csvfile.listed(header.names, str)}.")
    target = conf.columns[conf.target].but(nullable=0.0, unique=False, mean_min=None, mean_max=None)
    columns = {id_column: config.Column("text"), named: target, **({"time": config.Column("time", nullable=1.0)} if "time" in header.names else {})}
    rows, now = [], clock.now()
    for _, frame in scoring.checked_chunks(source, header, columns, whole=False):
        answers = dataset.labels(frame[named], conf)
        times = frame["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ").fillna(now) if "time" in frame else [now] * len(frame)
        rows += zip(frame[id_column], map(as_text, answers.tolist()), times)
    return rows


def as_text(answer) -> str:
    return repr(answer) if isinstance(answer, float) else answer


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL", "CSV"), work, argv)


if __name__ == "__main__":
    runs.leave(main())
