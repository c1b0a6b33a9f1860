"""Predictions whose outcome is known, as training rows: what production has seen since it was trained."""
from dataclasses import replace
from pathlib import Path

import pandas as pd

from lib import csvfile, dataset, files, intake, parts, validation
from lib.config import Config
from lib.errors import Refused, UserError
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
    said = said[said["id"].isin(labels.index)].sort_values("time", kind="stable").drop_duplicates("id", keep="last")
    return said.assign(label=said["id"].map(labels)).reset_index(drop=True)


def read_logs(folder: Path) -> pd.DataFrame:
    """All files of a log, as text; a feature with the name of one of the log's own columns is told apart by its place."""
    frames = []
    for path in sorted(folder.glob("*.csv")) if folder.is_dir() else ():
        try:
            frames.append(pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8", on_bad_lines="skip"))
        except ValueError as error:
            raise UserError(f"{path} can't be read: {error}. A line of it was changed by hand; put it right.") from None
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def take_in(run, paths: ModelPaths, config: Config) -> list[Part]:
    """Make the newly labelled predictions the next part, if there are any.

    Rows that break [columns] are left out and put to the rejected ones; Refused if there are too many of them.
    """
    rows = as_rows(labelled(paths, config), config)
    if rows.empty:
        return []
    paths.train.mkdir(parents=True, exist_ok=True)
    parts.complete_audit(paths, run)
    source = paths.train / f".labelled-{run.uuid}.tmp"
    try:
        write_good(paths, config, rows, source)
        known = intake.Known(parts.find(paths), config)
        if config.id and not keep_new(source, config, known):
            return []
        staged = intake.stage(paths, config, source, known, "labelled predictions")
        return [parts.add(paths, run, staged.path, staged.rows, "labelled predictions")] if staged.rows else []
    finally:
        files.sweep_temporaries(paths.train)


def keep_new(source: Path, config: Config, known: intake.Known) -> bool:
    """Leave out the cases that were taken in before, whatever is known of them now; whether any is left."""
    frame = dataset.typed(source, csvfile.read_header(source, ",").names, config)
    fresh = [key not in known.ids for key in dataset.row_keys(frame, config).tolist()]
    texts = pd.read_csv(source, dtype=object, keep_default_na=False, encoding="utf-8")
    write_rows(texts[fresh], source)
    return any(fresh)


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


def write_good(paths: ModelPaths, config: Config, rows: pd.DataFrame, target: Path) -> None:
    """Write the rows that keep the rules of [columns]. Refused if too many do not."""
    write_rows(rows, target)
    header = csvfile.read_header(target, ",")
    rules = validation.Rules({name: replace(column, unique=False) for name, column in config.columns.items()})
    faults = [fault for chunk in csvfile.chunks(target, header) for fault in rules.check(header, chunk)[1]]
    good = pd.Series(True, index=rows.index)
    if faults:
        ends = [line for chunk in csvfile.chunks(target, header) for line in chunk.lines]
        wrong = {fault.line for fault in faults}
        good[:] = [line not in wrong for line in ends]
        told = intake.reject(paths, target, faults, "labelled predictions")
        if not good.any() or 1 - good.mean() > MOST_FAULTY:
            raise Refused(f"{(~good).sum():,} of {len(good):,} labelled rows break the rules of [columns]: the data are spoiled, so nothing is learnt from them. {told}")
        write_rows(rows[good], target)


def write_rows(rows: pd.DataFrame, target: Path) -> None:
    target.write_text("".join(csvfile.lines([list(rows), *rows.itertuples(index=False)])), encoding="utf-8", newline="")
