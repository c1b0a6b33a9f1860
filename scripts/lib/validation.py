"""The rules of [columns] on rows of text: typed columns out, or every fault by line, column and value."""
from collections.abc import Iterator

import numpy as np
import pandas as pd

from lib.config import Column
from lib.csvfile import FALSE, TRUE, Chunk, Fault, Header, missing_words


class Rules:
    """The rules of some columns, fed chunk by chunk; `whole_file` at the end judges shares, means and uniqueness."""

    def __init__(self, columns: dict[str, Column]):
        self.columns = columns
        self.rows = 0
        self.missing = dict.fromkeys(columns, 0)
        self.sums = dict.fromkeys(columns, 0.0)
        self.seen = {name: {} for name, column in columns.items() if column.unique}

    def check(self, header: Header, chunk: Chunk) -> tuple[pd.DataFrame, list[Fault]]:
        """The chunk's typed columns (as many rows as chunk.rows) and the faults found in it."""
        texts = dict(zip(header.names, zip(*chunk.rows))) if chunk.rows else {name: () for name in header.names}
        typed, faults = {}, list(chunk.faults)
        for name, column in self.columns.items():
            typed[name], found = self.check_column(name, column, list(texts[name]))
            faults += [Fault(chunk.lines[i], name, texts[name][i], reason) for i, reason in found]
            if name in self.seen:
                faults += self.repeated(name, texts[name], chunk.lines)
        self.rows += len(chunk.rows)
        return pd.DataFrame(typed, index=pd.RangeIndex(len(chunk.rows)), copy=False), faults

    def check_column(self, name: str, column: Column, texts: list[str]) -> tuple[pd.Series, list[tuple[int, str]]]:
        words = missing_words(column.type)
        missing = np.zeros(len(texts), bool) if words.isdisjoint(texts) else np.fromiter((text in words for text in texts), bool, len(texts))
        values, bad = convert(texts, missing, column)
        self.missing[name] += int(missing.sum())
        if column.nullable == 0:
            bad += [(int(i), "is missing") for i in np.flatnonzero(missing)]
        if column.type in ("number", "integer"):
            bad += out_of_range(values, column)
            with np.errstate(over="ignore", invalid="ignore"):
                self.sums[name] += float(np.sum(values[np.isfinite(values)]))
        if column.values is not None:
            allowed = set(column.values)
            bad += [(i, f"{text!r} is not one of the allowed values") for i, text in enumerate(texts) if text not in allowed and not missing[i]]
        return as_series(values, missing, column), bad

    def repeated(self, name: str, texts, lines: list[int]) -> Iterator[Fault]:
        seen, empty = self.seen[name], missing_words(self.columns[name].type)
        for line, text in zip(lines, texts):
            if text in empty:
                continue
            first = seen.setdefault(text, line)
            if first != line:
                yield Fault(line, name, text, f"{text!r} stands in line {first} already")

    def whole_file(self) -> list[Fault]:
        """What only the whole file can tell."""
        if not self.rows:
            return [Fault(0, "", "", "has a header and no rows")]
        faults = []
        for name, column in self.columns.items():
            share = self.missing[name] / self.rows
            if 0 < column.nullable < share:
                faults.append(Fault(0, name, "", f"{share:.1%} of the values are missing, nullable allows {column.nullable:.1%}"))
            present = self.rows - self.missing[name]
            mean = self.sums[name] / present if present else 0.0
            if present and column.mean_min is not None and not mean >= column.mean_min:
                faults.append(Fault(0, name, "", f"its mean {mean:g} is below mean_min = {column.mean_min:g}"))
            if present and column.mean_max is not None and not mean <= column.mean_max:
                faults.append(Fault(0, name, "", f"its mean {mean:g} is above mean_max = {column.mean_max:g}"))
        return faults


def convert(texts: list[str], missing: np.ndarray, column: Column) -> tuple[np.ndarray, list[tuple[int, str]]]:
    """Texts as an array of the column's type, and (index, reason) of those that are not of it."""
    if column.type in ("number", "integer"):
        return numbers(texts, missing, column.type)
    if column.type == "boolean":
        return booleans(texts, missing)
    if column.type == "time":
        return times(texts, missing, column.format)
    return np.array(texts, dtype=object), []


def numbers(texts: list[str], missing: np.ndarray, kind: str) -> tuple[np.ndarray, list[tuple[int, str]]]:
    present = np.array(texts, dtype=object)
    present[missing] = "nan"
    try:
        values = present.astype(float)
    except ValueError:
        values = np.fromiter(map(as_float, present), float, len(texts))
    wrong = ~np.isfinite(values) & ~missing
    together = "".join(texts)
    if "_" in together or not together.isascii():  # Python reads 1_000 and １２ as numbers, nobody else does
        wrong |= np.fromiter(("_" in text or not text.isascii() for text in texts), bool, len(texts)) & ~missing
    bad = [(int(i), f"{texts[i]!r} is not a number") for i in np.flatnonzero(wrong)]
    if kind == "integer":
        with np.errstate(invalid="ignore"):
            bad += [(int(i), f"{texts[i]!r} is not a whole number") for i in np.flatnonzero(~wrong & ~missing & (values != np.floor(values)))]
    return values, bad


def as_float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def booleans(texts: list[str], missing: np.ndarray) -> tuple[np.ndarray, list[tuple[int, str]]]:
    lowered = [text.strip().lower() for text in texts]
    values = np.fromiter((1.0 if text in TRUE else 0.0 if text in FALSE else np.nan for text in lowered), float, len(texts))
    return values, [(int(i), f"{texts[i]!r} is not true or false") for i in np.flatnonzero(np.isnan(values) & ~missing)]


def times(texts: list[str], missing: np.ndarray, form: str | None) -> tuple[np.ndarray, list[tuple[int, str]]]:
    """UTC times; a time without a zone is taken as UTC."""
    present = pd.Series(texts, dtype=object).mask(missing)
    values = pd.to_datetime(present, errors="coerce", utc=True, format=form or "ISO8601")
    today = np.fromiter((text.strip().lower() in ("now", "today") for text in texts), bool, len(texts))  # which pandas takes for a time
    wrong = (values.isna().to_numpy() | today) & ~missing
    expected = f"of the form {form}" if form else "as 2026-05-01 or 2026-05-01T13:30:00Z"
    return values, [(int(i), f"{texts[i]!r} is not a time {expected}") for i in np.flatnonzero(wrong)]


def out_of_range(values: np.ndarray, column: Column) -> list[tuple[int, str]]:
    bad = []
    with np.errstate(invalid="ignore"):
        if column.min is not None:
            bad += [(int(i), f"{values[i]:g} is below min = {column.min:g}") for i in np.flatnonzero(values < column.min)]
        if column.max is not None:
            bad += [(int(i), f"{values[i]:g} is above max = {column.max:g}") for i in np.flatnonzero(values > column.max)]
    return bad


def as_series(values, missing: np.ndarray, column: Column) -> pd.Series:
    """The column as pandas users expect it: float64 or int64, str with NaN, bool or boolean, UTC datetimes."""
    if column.type == "number" or column.type == "integer" and not whole(values):
        return pd.Series(values)
    if column.type == "integer":
        return pd.Series(values.astype("int64"))
    if column.type == "boolean":
        if not np.isnan(values).any():
            return pd.Series(values.astype(bool))
        return pd.Series(np.where(np.isnan(values), None, values == 1.0), dtype="boolean")
    if column.type == "time":
        return values.reset_index(drop=True)
    return pd.Series(values, dtype=object).mask(missing).astype("str")


def whole(values: np.ndarray) -> bool:
    """Whether int64 holds them all exactly."""
    return bool(np.isfinite(values).all() and (np.abs(values) < 2**53).all() and (values == np.floor(values)).all())
