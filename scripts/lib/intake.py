"""Taking rows in: every file of the source checked whole before the first of its rows is kept."""
import os
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lib import csvfile, dataset, files, parts, sources, validation
from lib.config import Config
from lib.csvfile import Fault
from lib.errors import UserError
from lib.files import ModelPaths
from lib.names import plural
from lib.parts import Part
from lib.progress import Progress
from lib.runs import Run

SHOWN_LINES = 40  # on the screen, of all kinds: a file may have thousands of columns
SHOWN = 10  # faults of one kind on the screen; all of them are in the reasons file


@dataclass(frozen=True)
class Staged:
    """A file that passed: its new rows as a finished part, not yet in place."""

    source: Path
    path: Path
    rows: int
    known: int  # rows that were there already


def take_in(run: Run, paths: ModelPaths, config: Config, named: Path | None) -> tuple[list[Part], int]:
    """Check the rows of the named file, or of model.toml's source, and keep the new ones as parts: all files, or none.

    Returns the new parts and the number of rows that were there already. Only under the model's lock.
    """
    paths.train.mkdir(parents=True, exist_ok=True)
    parts.complete_audit(paths, run)
    files.sweep_temporaries(paths.train)
    with tempfile.TemporaryDirectory(prefix="lean-ingest-") as folder:
        with Progress("fetching the rows"):
            incoming = [named] if named else sources.fetch(paths.root, config, Path(folder))
        known = Known(parts.find(paths), config)
        try:
            staged = [stage(paths, config, path, known, str(path) if named or config.data.csv else f"[data] {describe(config, named, path)}") for path in incoming]
            if config.task == "classification" and len(known.classes) == 1:
                raise UserError(f"the rows have one class only ({next(iter(known.classes))!r} in {config.target}); a classifier needs two. Nothing was taken in.")
            added = [parts.add(paths, run, one.path, one.rows, describe(config, named, one.source)) for one in staged if one.rows]
        finally:
            files.sweep_temporaries(paths.train)
    return added, sum(one.known for one in staged)


def describe(config: Config, named: Path | None, path: Path) -> str:
    """The source as the record names it: a file's name, or the kind of source; never a command, which may hold a password."""
    if named or config.data.csv:
        return path.name
    return next(f"{kind} {getattr(config.data, kind)}" if kind != "command" else kind for kind in ("sql", "sklearn", "command") if getattr(config.data, kind))


class Known:
    """The rows that the parts hold already, as keys, growing with each file that is staged."""

    def __init__(self, found: list[Path], config: Config):
        self.config = config
        self.content = Counter()
        self.ids: dict[int, int] = {}
        self.unique = {name: set() for name, column in config.columns.items() if column.unique and name != config.id}
        self.classes = set()
        for path in dataset.with_progress(found):
            self.add(path)

    def add(self, path: Path) -> None:
        frame = dataset.typed(path, csvfile.read_header(path, ",").names, self.config)
        content = dataset.content_keys(frame).tolist()
        self.content.update(content)
        if self.config.id:
            self.ids.update(zip(dataset.row_keys(frame, self.config).tolist(), content))
        for name, held in self.unique.items():
            held.update(dataset.as_texts(frame[name].dropna()))
        if self.config.task == "classification":
            self.classes.update(dataset.labels(frame[self.config.target], self.config))


def stage(paths: ModelPaths, config: Config, source: Path, known: Known, label: str) -> Staged:
    """Check a file and write its new rows as a part-to-be; UserError, with the file put to the rejected ones, if anything is wrong.

    label: what a person calls the source.
    """
    temporary = paths.train / f".{os.urandom(8).hex()}.tmp"  # files in different folders may have one name, and it may be long
    try:
        header = csvfile.read_header(source, config.data.separator, tuple(config.columns))
        fresh, again, faults = copy_new_rows(source, header, config, known, temporary)
    except UserError as error:  # no table at all
        if source.is_file() and os.access(source, os.R_OK):
            reject(paths, source, [Fault(0, "", "", str(error))], label)
        raise
    if faults:
        for text in shortened(faults):
            print(f"  {text}", file=sys.stderr)
        raise UserError(reject(paths, source, faults, label))
    if fresh:
        known.add(temporary)
    return Staged(source, temporary, fresh, again)


def header_faults(header: csvfile.Header, config: Config) -> list[Fault]:
    missing = [name for name, column in config.columns.items() if name not in header.names and column.nullable < 1]
    unknown = [name for name in header.names if name not in config.columns]
    return [Fault(1, name, "", "the column is missing") for name in missing] + [Fault(1, name, "", "the column is not in [columns] of model.toml") for name in unknown]


def copy_new_rows(source: Path, header: csvfile.Header, config: Config, known: Known, target: Path) -> tuple[int, int, list[Fault]]:
    """Write the rows that are not there yet; returns their number, the number of those that are, and all faults."""
    columns = {name: column.but(unique=column.unique or name == config.id) for name, column in config.columns.items() if name in header.names}
    rules = validation.Rules(columns)
    order = [header.names.index(name) for name in columns]
    faults, fresh, again, seen = header_faults(header, config), 0, 0, Counter()
    with files.replacing(target) as file, Progress(f"checking {source.name}", csvfile.estimated_rows(source), "rows", about=True) as progress:
        file.writelines(csvfile.lines([columns]))
        for chunk in csvfile.chunks(source, header):
            typed, found = rules.check(header, chunk)
            new, contradictions = sift(chunk, typed, known, seen)
            faults += found + contradictions
            if not faults:
                file.writelines(csvfile.lines([row[i] for i in order] for row, wanted in zip(chunk.rows, new) if wanted))
                fresh, again = fresh + sum(new), again + len(new) - sum(new)
            progress.at(rules.rows)
    return fresh, again, faults + rules.whole_file()


def sift(chunk: csvfile.Chunk, typed: pd.DataFrame, known: Known, seen: Counter) -> tuple[list[bool], list[Fault]]:
    """Which of the chunk's rows the parts do not hold yet, and the faults of rows that contradict the parts.

    seen: how often each row came in this file so far; of n equal rows, as many are new as the parts have fewer.
    """
    keys = dataset.content_keys(typed).tolist()
    name = known.config.id if known.config.id in typed else None
    ids = dataset.row_keys(typed, known.config).tolist() if name else keys
    new, faults = [], []
    for index, (key, row_id) in enumerate(zip(keys, ids)):
        seen[key] += 1
        before = known.ids.get(row_id)
        new.append(before is None if name else seen[key] > known.content[key])
        if name and before not in (None, key):
            text = typed[name].iloc[index]
            faults.append(Fault(chunk.lines[index], name, str(text), f"{str(text)!r} was taken in before with other values; parts are never rewritten"))
    for column, held in known.unique.items():
        present = typed[column].dropna() if held and column in typed else typed.iloc[:0, 0]
        texts = dataset.as_texts(present).reindex(typed.index).tolist()
        faults += [Fault(chunk.lines[i], column, text, f"{text!r} was taken in before and must be unique") for i, text in enumerate(texts) if new[i] and text in held]
    return new, faults


def reject(paths: ModelPaths, source: Path, faults: list[Fault], label: str) -> str:
    """Put the file and the reasons where a person finds them; returns what to tell."""
    paths.rejected.mkdir(parents=True, exist_ok=True)
    copy = paths.rejected / f"{source.stem.lstrip('.')}-{files.sha256(source)[:8]}.csv"
    shutil.copyfile(source, copy)
    with files.replacing(copy.with_suffix(".reasons.csv")) as file:
        file.writelines(csvfile.lines([("line", "column", "value", "reason"), *((fault.line, fault.column, fault.value, fault.reason) for fault in faults)]))
    return f"{label}: {plural(len(faults), 'fault')}, so nothing was taken in. The file and its reasons are in {paths.rejected.relative_to(paths.root)}/ ({copy.name}, {copy.with_suffix('.reasons.csv').name})."


def shortened(faults: list[Fault]) -> list[str]:
    """The first faults of each column, then how many more it has."""
    shown, count = [], Counter()
    for fault in faults:
        count[fault.column] += 1
        if count[fault.column] <= SHOWN:
            shown.append(str(fault))
    shown += [f"{column or 'rows of another width'}: {number - SHOWN:,} more" for column, number in count.items() if number > SHOWN]
    return shown if len(shown) <= SHOWN_LINES else [*shown[:SHOWN_LINES], f"… and {len(shown) - SHOWN_LINES:,} lines more"]
