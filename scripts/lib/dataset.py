"""A model's training rows: immutable parts data/<model>/train/NNNN.csv, and the split that never moves a row into the holdout."""
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lib import csvfile, validation
from lib.config import Column, Config
from lib.errors import UserError
from lib.parts import Part
from lib.progress import Progress

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
    """All rows of the parts, of those with one id the last. UserError names the part that does not have model.toml's columns."""
    frames, keys, numbers = [], [], []
    for part in with_progress(parts):
        header = csvfile.read_header(part.path, ",")
        absent = [name for name, column in config.columns.items() if name not in header.names and not column.nullable]
        if absent:
            raise UserError(f"{part.path} has no column {', '.join(map(repr, absent))}, which [columns] asks for. Give it nullable = true, or take it out.")
        frame = typed(part.path, header.names, config)
        frames.append(frame)
        keys.append(row_keys(frame, config))
        numbers.append(np.full(len(frame), part.number))
    frame, keys, numbers = pd.concat(frames, ignore_index=True), np.concatenate(keys), np.concatenate(numbers)
    if config.id:  # a case whose label was corrected after it was taken in came again with a later part
        last = ~pd.Series(keys).duplicated(keep="last").to_numpy()
        frame, keys, numbers = frame[last].reset_index(drop=True), keys[last], numbers[last]
    return Rows(frame, keys, numbers)


def with_progress(parts: list):
    """Each of the parts to be read, with progress."""
    with Progress("reading the training rows", len(parts), "parts" if len(parts) > 1 else "") as progress:
        for done, part in enumerate(parts):
            progress.at(done)
            yield part


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
        codes, values = pd.factorize(frame[name])  # each value once: most columns repeat theirs
        words = validation.missing_words(column.type)
        missing = np.fromiter((value in words for value in values), bool, len(values))
        converted, bad = validation.convert(values.tolist(), missing, column)
        if bad:
            raise UserError(f"{path}, row {list(codes).index(bad[0][0]) + 1}, {name}: {bad[0][1]}. Was the column's type changed? Its rows were taken in as they are.")
        frame[name] = validation.as_series(converted, missing, column).take(codes).reset_index(drop=True)
    for name in config.columns:
        if name not in frame:
            frame[name] = nothing(len(frame), config.columns[name])
    return frame[list(config.columns)]


def nothing(rows: int, column: Column) -> pd.Series:
    """A column without a value, of the type that it has elsewhere."""
    missing = np.ones(rows, bool)
    return validation.as_series(validation.convert([""] * rows, missing, column)[0], missing, column)


def row_keys(frame: pd.DataFrame, config: Config) -> np.ndarray:
    """64 bits a row, shape (rows,): of its id, else of its content. They decide who examines, so they must never change."""
    return text_keys(as_texts(frame[config.id])) if config.id else content_keys(frame)


def as_texts(column: pd.Series) -> pd.Series:
    """Values as text, the same whatever the column's other values are: 1 is "1", be it int64 or float64."""
    if pd.api.types.is_float_dtype(column) and (column == column.round()).all():
        column = column.map(int)
    return column.astype(str)


def content_keys(frame: pd.DataFrame) -> np.ndarray:
    """64 bits for the values of each row, shape (rows,), whatever the order of the columns and the way a number was written.

    A sum over the columns, in which a missing value counts nothing: a column that is added later changes no old row.
    """
    total = np.zeros(len(frame), np.uint64)
    for name in frame:
        column, salt = frame[name], np.uint64(csvfile.key(str(name).encode()))
        missing = column.isna().to_numpy()
        total += np.where(missing, np.uint64(0), mixed(value_bits(column, missing) ^ salt))
    return total


def mixed(bits: np.ndarray) -> np.ndarray:
    """Each bit in reach of all 64 (the finalizer of SplitMix64: Steele, Lea and Flood 2014): small whole numbers differ in their highest bits alone."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def value_bits(column: pd.Series, missing: np.ndarray) -> np.ndarray:
    """64 bits a value: of the float64 for numbers and booleans, of the time in nanoseconds, of a hash for text."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return column.dt.tz_localize(None).to_numpy("datetime64[ns]").view(np.uint64)
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return (column.to_numpy("float64", na_value=np.nan) + 0.0).view(np.uint64)  # + 0.0: -0.0 is 0.0
    return text_keys(column.where(~missing, ""))


def text_keys(column: pd.Series) -> np.ndarray:
    codes, kinds = pd.factorize(column)
    return np.array([csvfile.key(str(kind).encode()) for kind in kinds], np.uint64)[codes]


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
        if len(target) and target.abs().max() >= 2**53:
            raise UserError(f'{config.target}: {target.abs().max():.0f} is too large for a class that is a number, since such numbers run together. Say type = "category" in [columns].')
        return target.astype("int64").astype(str).to_numpy(object)
    return target.astype(str).to_numpy(object)
