"""Predictions whose outcome is known, as training rows: what production has seen since it was trained."""
from dataclasses import replace
from pathlib import Path

import pandas as pd

from lib import csvfile, intake, parts, validation
from lib.config import Config
from lib.errors import Refused
from lib.files import ModelPaths
from lib.parts import Part
from lib.predictions import COLUMNS

MOST_FAULTY = 0.1  # share of rows that may break [columns]; beyond it the data are spoiled, and nothing is learnt from them


def labelled(paths: ModelPaths, config: Config) -> pd.DataFrame:
    """Each labelled prediction, oldest first: id, time, version, prediction, its features as text, and the label.

    Of several labels for an id the last counts; of several predictions the last.
    """
    labels = read_logs(paths.labels)
    said = read_logs(paths.predictions)
    if labels.empty or said.empty:
        return pd.DataFrame(columns=[*COLUMNS, "label"])
    labels = labels.drop_duplicates("id", keep="last").set_index("id")["label"]
    said = said[said["id"].isin(labels.index)].drop_duplicates("id", keep="last")
    return said.assign(label=said["id"].map(labels)).sort_values("time", kind="stable", ignore_index=True)


def read_logs(folder: Path) -> pd.DataFrame:
    """All files of a log, as text; a feature with the name of one of the log's own columns is told apart by its place."""
    frames = []
    for path in sorted(folder.glob("*.csv")) if folder.is_dir() else ():
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8", on_bad_lines="skip")
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def take_in(run, paths: ModelPaths, config: Config) -> tuple[list[Part], pd.DataFrame]:
    """Make the newly labelled predictions the next part; returns it, and its rows with what was predicted for them.

    Rows that break [columns] are left out and put to the rejected ones; Refused if there are too many of them.
    """
    found = labelled(paths, config)
    rows = as_rows(found, config)
    paths.train.mkdir(parents=True, exist_ok=True)
    parts.complete_audit(paths, run)
    fresh = new_rows(paths, config, rows)
    if not fresh.any():
        return [], found[fresh]
    found, rows = found[fresh].reset_index(drop=True), rows[fresh].reset_index(drop=True)
    source = paths.train / f".labelled-{run.uuid}.tmp"
    try:
        good = write_good(paths, config, rows, source)
        known = intake.Known([], replace(config, id=None))
        staged = intake.stage(paths, replace(config, id=None), source, known)
        part = parts.add(paths, run, staged.path, source="labelled predictions", rows=staged.rows)
    finally:
        source.unlink(missing_ok=True)
    return [part], found[good].reset_index(drop=True)


def as_rows(found: pd.DataFrame, config: Config) -> pd.DataFrame:
    """The columns that training rows have; the model's time column, which is not logged, is when it was asked."""
    columns = {}
    for name in config.columns:
        if name == config.target:
            columns[name] = found["label"]
        elif name == config.id:
            columns[name] = found["id"]
        elif name == config.time:
            form = config.columns[name].format
            columns[name] = pd.to_datetime(found["time"]).dt.strftime(form) if form else found["time"]
        elif name in found:
            columns[name] = found[name].fillna("")
        else:
            columns[name] = ""
    return pd.DataFrame(columns, dtype=object)


def new_rows(paths: ModelPaths, config: Config, rows: pd.DataFrame):
    """Which rows the parts do not hold yet: by id, else by content, as `ingest` tells them."""
    known = intake.Known(parts.find(paths), config)
    lines = csvfile.lines(rows.itertuples(index=False))
    fresh = []
    for text, name in zip(lines, rows[config.id] if config.id else lines):
        key = csvfile.key(name.encode() if config.id else text.rstrip("\n").encode())
        if config.id:
            fresh.append(key not in known.ids)
        else:
            fresh.append(known.content[key] == 0)
            known.content[key] -= known.content[key] > 0
    return pd.Series(fresh, index=rows.index, dtype=bool)


def write_good(paths: ModelPaths, config: Config, rows: pd.DataFrame, target: Path):
    """Write the rows that keep the rules of [columns]; returns which they are."""
    write_rows(rows, target)
    header = csvfile.read_header(target, ",")
    rules = validation.Rules({name: replace(column, nullable=min(1.0, column.nullable), unique=False) for name, column in config.columns.items()})
    faults = [fault for chunk in csvfile.chunks(target, header) for fault in rules.check(header, chunk)[1]]
    good = pd.Series(True, index=rows.index)
    if faults:
        ends = [line for chunk in csvfile.chunks(target, header) for line in chunk.lines]
        wrong = {fault.line for fault in faults}
        good[:] = [line not in wrong for line in ends]
        told = intake.reject(paths, target, faults)
        if not good.any() or 1 - good.mean() > MOST_FAULTY:
            raise Refused(f"{(~good).sum():,} of {len(good):,} labelled rows break the rules of [columns]: the data are spoiled, so nothing is learnt from them. {told}")
        write_rows(rows[good], target)
    return good


def write_rows(rows: pd.DataFrame, target: Path) -> None:
    target.write_text("".join(csvfile.lines([list(rows), *rows.itertuples(index=False)])), encoding="utf-8", newline="")
