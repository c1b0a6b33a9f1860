"""Predictions whose outcome is known, as training rows: what production has seen since it was trained."""
import csv
import tempfile
from pathlib import Path

import pandas as pd

from lib import csvfile, dataset, files, intake, parts, validation
from lib.config import Config
from lib.errors import Refused, TooFew, UserError
from lib.files import ModelPaths
from lib.parts import Part
from lib.predictions import COLUMNS
from lib.runs import Run

MOST_FAULTY = 0.1  # share of rows that may break [columns]; beyond it the data are spoiled, and nothing is learnt from them


INPUT = "input: "  # before the name of a logged column, which may be that of one of the log's own


def labelled(paths: ModelPaths) -> pd.DataFrame:
    """Each labelled prediction, oldest first, as text: id, time, version, prediction, score, what went in, and the label.

    Of several labels for an id the last counts; of several predictions the last.
    """
    labels = read_logs(paths.labels, 3)
    said = read_logs(paths.predictions, len(COLUMNS))
    if labels.empty or said.empty:
        return pd.DataFrame(columns=[*COLUMNS, "label"])
    labels = labels.drop_duplicates("id", keep="last").set_index("id")["label"]
    said = said[said["id"].isin(labels.index)].sort_values("time", kind="stable").drop_duplicates("id", keep="last")
    return said.assign(label=said["id"].map(labels)).reset_index(drop=True)


def read_logs(folder: Path, own: int) -> pd.DataFrame:
    """All files of a log, as text; its first `own` columns are the log's, the others what a model was asked about."""
    frames = []
    for path in sorted(folder.glob("*.csv")):
        try:
            with open(path, encoding="utf-8", newline="") as file:
                header = next(csv.reader(file), [])
            names = [*header[:own], *(INPUT + name for name in header[own:])]
            frames.append(pd.read_csv(path, names=names, skiprows=1, dtype=str, keep_default_na=False, encoding="utf-8", on_bad_lines="skip"))
        except ValueError as error:
            raise UserError(f"{path} can't be read: {error}. A line of it was changed by hand; put it right.") from None
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def take_in(run: Run, paths: ModelPaths, config: Config, waiting: int, enough: int) -> list[Part]:
    """Make the newly labelled predictions the next part, if there are any.

    waiting: rows of parts that the live version has not learnt from; TooFew, and no part, if these and the new ones are
    fewer than `enough`. Rows that break [columns] are left out and put to the rejected ones; Refused if they are many.
    """
    rows = as_rows(labelled(paths), config)
    if rows.empty:
        return []
    paths.train.mkdir(parents=True, exist_ok=True)
    parts.complete_audit(paths, run)
    source = paths.train / f".labelled-{run.uuid}.tmp"
    try:
        write_good(paths, config, rows, source)
        known = intake.Known(parts.find(paths), config)
        if config.id and not keep_new(paths, source, config, known):
            return []
        staged = intake.stage(paths, config, source, known, "labelled predictions")
        if waiting + staged.rows < enough:
            raise TooFew(f"{waiting + staged.rows:,} labelled rows that the live version has not learnt from; {enough} are needed")
        return [parts.add(paths, run, staged.path, staged.rows, "labelled predictions")] if staged.rows else []
    finally:
        files.sweep_temporaries(paths.train)


def keep_new(paths: ModelPaths, source: Path, config: Config, known: intake.Known) -> bool:
    """Leave out the cases that were taken in before with the same label; whether any is left.

    One whose label has been corrected since comes again: of the rows with one id the last counts.
    """
    told: dict[int, str] = {}
    for path in parts.find(paths):
        told |= labels_by_id(path, config)
    fresh = []
    for key, label in labels_by_id(source, config).items():
        fresh.append(told.get(key) != label)
        if fresh[-1]:
            known.ids.pop(key, None)
    texts = pd.read_csv(source, dtype=object, keep_default_na=False, encoding="utf-8")
    write_rows(texts[fresh], source)
    return any(fresh)


def labels_by_id(path: Path, config: Config) -> dict[int, str]:
    """In the file's order; each id is there once."""
    frame = dataset.typed(path, csvfile.read_header(path, ",").names, config)
    return dict(zip(dataset.row_keys(frame, config).tolist(), dataset.labels(frame[config.target], config).tolist()))


def as_rows(found: pd.DataFrame, config: Config) -> pd.DataFrame:
    """The columns that training rows have; a row that came without its time has the time when it was asked about."""
    columns = {}
    for name in config.columns:
        if name == config.target:
            columns[name] = found["label"]
        elif name == config.id:
            columns[name] = found["id"]
        elif name == config.time:
            form = config.columns[name].format
            asked = pd.to_datetime(found["time"]).dt.strftime(form) if form else found["time"]
            told = found[INPUT + name].fillna("") if INPUT + name in found else pd.Series("", found.index)
            columns[name] = told.where(told != "", asked)
        elif INPUT + name in found:
            columns[name] = found[INPUT + name].fillna("")
        else:
            columns[name] = ""
    return pd.DataFrame(columns, dtype=object)


def typed(found: pd.DataFrame, config: Config) -> pd.DataFrame:
    """The columns that training rows have, typed. UserError where a value does not fit its column."""
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        write_rows(as_rows(found, config), Path(file.name))
        return dataset.typed(Path(file.name), tuple(config.columns), config)


def write_good(paths: ModelPaths, config: Config, rows: pd.DataFrame, target: Path) -> None:
    """Write the rows that keep the rules of [columns]. Refused if too many do not."""
    write_rows(rows, target)
    header = csvfile.read_header(target, ",")
    rules = validation.Rules({name: column.but(unique=False) for name, column in config.columns.items()})
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
