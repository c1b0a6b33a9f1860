"""A model's training rows: immutable parts data/<model>/train/NNNN.csv, and the split that never moves a row into the holdout."""
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lib import csvfile, validation
from lib.config import Config
from lib.errors import UserError
from lib.parts import Part

SMALLEST = 10  # rows; below it neither side of a split means anything


@dataclass(frozen=True)
class Rows:
    frame: pd.DataFrame  # the columns of [columns], typed
    keys: np.ndarray  # uint64, one a row: the row's id or content
    parts: np.ndarray  # the number of the part that each row came with


@dataclass(frozen=True)
class Split:
    train: np.ndarray  # bool, one a row
    holdout: np.ndarray
    cutoff: str | None  # the time at which the holdout begins; None: split by hash
    how: str  # the holdout in words


def read(parts: list[Part], config: Config) -> Rows:
    """All rows of the parts. UserError names the part that does not have model.toml's columns."""
    frames, keys, numbers = [], [], []
    for part in parts:
        header = csvfile.read_header(part.path, ",")
        absent = [name for name, column in config.columns.items() if name not in header.names and not column.nullable]
        if absent:
            raise UserError(f"{part.path} has no column {', '.join(map(repr, absent))}, which [columns] asks for. Give it nullable = true, or take it out.")
        frame = typed(part.path, header.names, config)
        frames.append(frame)
        keys.append(row_keys(part.path, header.names, config.id))
        numbers.append(np.full(len(frame), part.number))
    return Rows(pd.concat(frames, ignore_index=True), np.concatenate(keys), np.concatenate(numbers))


def typed(path: Path, names: tuple[str, ...], config: Config) -> pd.DataFrame:
    """A part's rows; the same values as validation gave, read the fast way since a part has passed it."""
    numeric = {name for name in names if name in config.columns and config.columns[name].type == "number"}
    words = {name: sorted(validation.missing_words(column.type)) for name, column in config.columns.items() if name in numeric}
    texts = [name for name in names if name in config.columns and name not in numeric]
    try:
        frame = pd.read_csv(path, usecols=[name for name in names if name in config.columns], dtype={name: "float64" if name in numeric else object for name in names},
                            keep_default_na=False, na_values=words, encoding="utf-8")
    except ValueError as error:
        raise UserError(f"{path} does not fit [columns]: {error}. Was a column's type changed? Its rows were taken in as they are.") from None
    for name in texts:
        column = config.columns[name]
        values = frame[name].tolist()
        missing = np.fromiter((value in validation.missing_words(column.type) for value in values), bool, len(values))
        converted, bad = validation.convert(values, missing, column)
        if bad:
            raise UserError(f"{path}, row {bad[0][0] + 1}, {name}: {bad[0][1]}. Was the column's type changed? Its rows were taken in as they are.")
        frame[name] = validation.as_series(converted, missing, column)
    for name in config.columns:
        if name not in frame:
            nothing = np.ones(len(frame), bool)
            frame[name] = validation.as_series(validation.convert([""] * len(frame), nothing, config.columns[name])[0], nothing, config.columns[name])
    return frame[list(config.columns)]


def row_keys(path: Path, names: tuple[str, ...], id_column: str | None) -> np.ndarray:
    """64 bits a row, shape (rows,): of its id, else of its whole record as it stands in the part."""
    if id_column in names:
        ids = pd.read_csv(path, usecols=[id_column], dtype=object, keep_default_na=False, encoding="utf-8")[id_column]
        return np.fromiter((csvfile.key(text.encode()) for text in ids), np.uint64, len(ids))
    found = csvfile.records(path)
    next(found)
    return np.fromiter((csvfile.key(record) for record in found), np.uint64)


def split(rows: Rows, config: Config, earlier_cutoff: str | None) -> Split:
    """Who teaches and who examines. By time: the newest share of the rows; else by hash, so a row stays where it is as data grows.

    earlier_cutoff: where the newest version's holdout began; the cutoff never goes back before it, or rows that version
    was trained on would come to examine it. Raises UserError where a side is too small.
    """
    share = config.train.holdout
    if config.time:
        times = rows.frame[config.time]
        known = times.dropna().sort_values()  # a row without a time teaches: it can't be shown to be new
        if known.empty:
            raise UserError(f"no row has a time in {config.time}, which the split needs.")
        cutoff = known.iloc[min(len(known) - 1, int(np.ceil(len(known) * (1 - share))))]
        if earlier_cutoff:
            cutoff = max(cutoff, pd.Timestamp(earlier_cutoff))
        holdout = (times >= cutoff).to_numpy()
        label = cutoff.isoformat()
    else:
        holdout, label = rows.keys < np.uint64(share * 2**64), None
    how = f"the rows from {label} on" if label else "chosen by a hash of each row, so that no row ever changes sides"
    made = Split(~holdout, holdout, label, how)
    check_sizes(made, rows, config)
    return made


def check_sizes(made: Split, rows: Rows, config: Config) -> None:
    for side, mask in (("training", made.train), ("holdout", made.holdout)):
        if mask.sum() < SMALLEST:
            raise UserError(f"only {mask.sum()} rows in the {side} part of {len(mask):,}; at least {SMALLEST} are needed. Take in more rows, or change train.holdout.")
    if config.task == "classification":
        classes = labels(rows.frame[config.target], config)[made.train]
        if len(np.unique(classes)) < 2:
            raise UserError(f"the training rows have one class only ({classes[0]!r} in {config.target}). A classifier needs two.")


def labels(target: pd.Series, config: Config) -> np.ndarray:
    """The true answers: class names as text for classification, float64 for regression."""
    kind = config.columns[config.target].type
    if config.task == "regression":
        return target.to_numpy(float)
    if kind == "boolean":
        return np.where(target.to_numpy(bool), "true", "false").astype(object)
    if kind == "integer":
        return target.astype("int64").astype(str).to_numpy(object)
    return target.astype(str).to_numpy(object)
