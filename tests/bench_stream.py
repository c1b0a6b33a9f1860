"""Replay a CSV in time order through the loop, and through what one would do without it.

make bench-stream CSV=stream.csv TARGET=label BATCH=100

A batch is a day. Each day's rows are predicted and logged by the live version; then the outcomes of the day before come
in, and `retrain` runs: the commands' own functions, in a temporary clone, with the clock moved. The others start from
the same first rows, fit the same pipeline at the same moments, and know the same outcomes when they do.
Accuracy (mae, for numbers) is over all rows after the first, each predicted before its outcome was known.
"""
import contextlib
import importlib
import io
import json
import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd

FIRST = 1_000  # rows to begin with, or ten batches
START = datetime(2026, 1, 1, 6, tzinfo=timezone.utc)
EVERY = "5d"  # five batches: what one sets for a world that never stands still
LIMIT = 0.85  # of the rule that everybody begins with
NAME = "stream"
ESTIMATORS = {"classification": "sklearn.ensemble.HistGradientBoostingClassifier", "regression": "sklearn.ensemble.HistGradientBoostingRegressor"}
LAYOUT = "{:<48} {:>9} {:>9} {:>9} {:>7} {:>8}"


@dataclass
class Told:
    """What a policy said, and what it did."""

    said: list = field(default_factory=list)
    fits: int = 0  # times it learnt anew
    switches: int = 0  # times another model went live
    alarms: int = 0
    seconds: float = 0.0


def main() -> int:
    source, target, batch = (os.environ.get(name, "") for name in ("CSV", "TARGET", "BATCH"))
    if not (source and target):
        raise SystemExit("bench-stream: CSV= and TARGET= are needed. Example: make bench-stream CSV=stream.csv TARGET=label BATCH=100")
    if batch and not (batch.isdecimal() and int(batch)):
        raise SystemExit(f"bench-stream: BATCH={batch} is not a number of rows.")
    if not Path(source).is_file():
        raise SystemExit(f"bench-stream: {source} is not there.")
    batch = int(batch or 100)
    rows = pd.read_csv(source, dtype=str, keep_default_na=False)
    if target not in rows:
        raise SystemExit(f"bench-stream: {source} has no column {target!r}; it has: {', '.join(rows)}.")
    first = min(max(FIRST, 10 * batch), len(rows) // 3)
    with tempfile.TemporaryDirectory(prefix="lean-stream-") as folder:
        loop = Loop(Path(folder), rows[:first], rows, target)
        days = [rows[start:start + batch] for start in range(first, len(rows), batch)]
        found = {"this loop": replay_loop(loop, days, target)}
        for name, due, newest in policies(loop.task):
            found[name] = replay(loop, rows[:first], days, target, due, newest)
    show(source, loop.task, found, pd.concat(days)[target], batch, first)
    return 0


class Loop:
    """The project in a temporary clone with the model of `make new` live, its commands called as functions."""

    def __init__(self, folder: Path, first: pd.DataFrame, everything: pd.DataFrame, target: str):
        from bench import prepare_empty
        self.root = prepare_empty(folder)
        sys.path.insert(0, str(self.root / "scripts"))
        os.chdir(self.root)
        first.to_csv(folder / "first.csv", index=False)
        self.folder, self.days = folder, 0
        self.typed("new", CSV=folder / "first.csv", TARGET=target)
        path = self.root / "models" / NAME / "model.toml"
        text = path.read_text()
        self.task = "regression" if 'task = "regression"' in text else "classification"
        path.write_text(settings(text, self.task, target, sorted(everything[target].unique())))
        self.typed("train")
        self.typed("deploy")

    def typed(self, script: str, codes=(0, 3), **options) -> str:
        moment = START + timedelta(days=self.days)
        os.environ.update({"MODEL": NAME, "LEAN_NOW": moment.isoformat(), "CSV": "", "OUT": "", "TARGET": ""} | {name: str(value) for name, value in options.items()})
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = importlib.import_module(script).main([])
        if code not in codes:
            raise SystemExit(f"bench-stream: {script} exited {code}: {err.getvalue()}{out.getvalue()}")
        return out.getvalue()


def settings(text: str, task: str, target: str, classes: list[str]) -> str:
    """The model.toml of `make new` with gradient boosting and a periodic try, for a stream whose later values nobody has seen yet."""
    head, columns = text.split("[columns]", 1)
    head = "".join(line for line in head.splitlines(True) if not line.startswith(("params", "refit")))
    head = re.sub(r"(?m)^estimator = .*$", f'estimator = "{ESTIMATORS[task]}"\nrefit = true', head)
    head = re.sub(r"(?m)^stop = true.*$", "stop = false", head) + f'[retrain]\nevery = "{EVERY}"\n\n'
    return head + "[columns]" + "".join(any_value(line, target, classes) for line in columns.splitlines(True))


def any_value(line: str, target: str, classes: list[str]) -> str:
    """A column's rules without ranges and lists; the target's with all classes of the stream."""
    name = line.split(" = ")[0].strip('"')
    if name == target:
        line = re.sub(r", (min|max) = [^,}]+", "", line)
        return re.sub(r"values = \[.*?\]", lambda _: f"values = {json.dumps(classes)}", line)
    line = re.sub(r", (min|max|nullable) = [^,}]+|, values = \[.*?\]", "", line).replace('"integer"', '"number"')
    return line.replace("}", ", nullable = 1.0}") if name and line.strip() and '"time"' not in line else line


def replay_loop(loop: Loop, days: list[pd.DataFrame], target: str) -> Told:
    import sqlite3
    told, began, waiting = Told(), time.monotonic(), None
    for number, day in enumerate(days, start=1):
        loop.days = number
        rows, answers = loop.folder / "rows.csv", loop.folder / "answers.csv"
        day.drop(columns=[target]).to_csv(rows, index=False)
        loop.typed("predict", CSV=rows, OUT=answers)
        said = pd.read_csv(answers, dtype=str, keep_default_na=False)
        told.said += said["prediction"].tolist()
        if waiting is not None:
            waiting.to_csv(loop.folder / "labels.csv", index=False)
            loop.typed("label", CSV=loop.folder / "labels.csv")
            loop.typed("retrain")
        waiting = pd.DataFrame({"id": said["id"], "label": day[target].to_numpy()})
        progress(number, len(days))
    told.seconds = time.monotonic() - began
    with contextlib.closing(sqlite3.connect(loop.root / "metrics.db")) as database:
        told.fits = database.execute("SELECT count(*) FROM retrains WHERE outcome <> 'postponed'").fetchone()[0]
        told.switches = database.execute("SELECT count(*) FROM deployments").fetchone()[0] - 1
        told.alarms = database.execute("SELECT count(*) FROM alerts WHERE kind = 'dropped'").fetchone()[0]
    return told


def progress(number: int, days: int) -> None:
    if number % 20 == 0 or number == days:
        print(f"bench-stream: day {number} of {days}", file=sys.stderr, flush=True)


def policies(task: str):
    """(name, whether to retrain after a day of outcomes of this accuracy, rows to learn from)."""
    yield "never", lambda right: False, None
    yield "every batch, on all rows", lambda right: True, None
    if task == "classification":
        yield f"accuracy < {LIMIT} on a batch, on all rows", lambda right: right < LIMIT, None
        yield f"accuracy < {LIMIT} on a batch, on the newest {FIRST:,}", lambda right: right < LIMIT, FIRST


def replay(loop: Loop, first: pd.DataFrame, days: list[pd.DataFrame], target: str, due, newest: int | None) -> Told:
    """The same pipeline, refitted when `due`, deployed whatever it is."""
    from lib import config, dataset
    conf = config.load(loop.root / "models" / NAME / "model.toml")
    told, began = Told(), time.monotonic()
    known, waiting, model = typed_rows(first, conf), None, None
    model = fitted(known, conf)
    for number, day in enumerate(days, start=1):
        frame = typed_rows(day, conf)
        said = model.predict(frame).values
        told.said += [str(value) for value in said.tolist()]
        if waiting is not None:
            known = pd.concat([known, waiting[0]], ignore_index=True)
            right = (waiting[1] == dataset.labels(waiting[0][conf.target], conf)).mean()
            if due(right):
                model = fitted(known if newest is None else known[-newest:].reset_index(drop=True), conf)
                told.fits += 1
                told.switches += 1
                told.alarms += 1
        waiting = (frame, said)
    told.seconds = time.monotonic() - began
    return told


def typed_rows(rows: pd.DataFrame, conf) -> pd.DataFrame:
    """The rows as the loop reads them from a training part."""
    from lib import dataset
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        rows.to_csv(file.name, index=False)
        return dataset.typed(Path(file.name), tuple(rows), conf)


def fitted(rows: pd.DataFrame, conf):
    from lib import dataset, model
    features = model.Features()
    built = features.build(rows, conf, None)
    return model.Model(model.pipeline(conf, built).fit(built, dataset.labels(rows[conf.target], conf)), conf, features)


def show(source: str, task: str, found: dict[str, Told], truth: pd.Series, batch: int, first: int) -> None:
    print(f"{Path(source).name}: {first:,} rows to begin with, then {len(truth):,} in batches of {batch:,}, outcomes one batch late")
    print(LAYOUT.format("", "accuracy" if task == "classification" else "mae", "learnt", "deployed", "alarms", "seconds"))
    for name, told in found.items():
        if task == "classification":
            figure = f"{(np.array(told.said) == truth.to_numpy()).mean():.4f}"
        else:
            figure = f"{np.abs(np.array(told.said, float) - truth.astype(float).to_numpy()).mean():.4g}"
        print(LAYOUT.format(name, figure, told.fits, told.switches, told.alarms, f"{told.seconds:.0f}"))


if __name__ == "__main__":
    sys.exit(main())
