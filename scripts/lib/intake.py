"""Taking rows in: every file of the source checked whole before the first of its rows is kept."""
import hashlib
import os
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from lib import csvfile, dataset, files, parts, sources, validation
from lib.config import Config
from lib.csvfile import Fault
from lib.errors import UserError
from lib.files import ModelPaths
from lib.parts import Part
from lib.progress import Progress

SHOWN = 10  # faults of one kind on the screen; all of them are in the reasons file


@dataclass(frozen=True)
class Staged:
    """A file that passed: its new rows as a finished part, not yet in place."""

    source: Path
    path: Path
    rows: int
    known: int  # rows that were there already


def take_in(run, paths: ModelPaths, config: Config, named: Path | None) -> tuple[list[Part], int]:
    """Check the rows of the named file, or of model.toml's source, and keep the new ones as parts: all files, or none.

    Returns the new parts and the number of rows that were there already. Only under the model's lock.
    """
    paths.train.mkdir(parents=True, exist_ok=True)
    parts.complete_audit(paths, run)
    files.sweep_temporaries(paths.train)
    with tempfile.TemporaryDirectory(prefix="lean-ingest-") as folder:
        incoming = [named] if named else sources.fetch(paths.root, config, Path(folder))
        known = Known(parts.find(paths), config)
        try:
            staged = [stage(paths, config, path, known) for path in incoming]
            added = [parts.add(paths, run, one.path, source=describe(config, named, one.source), rows=one.rows) for one in staged if one.rows]
        finally:
            files.sweep_temporaries(paths.train)
    return added, sum(one.known for one in staged)


def describe(config: Config, named: Path | None, path: Path) -> str:
    """The source in the record: a file's name, or the kind of source; never a command, which may hold a password."""
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
        for path in found:
            self.add(path)

    def add(self, path: Path) -> None:
        names = csvfile.read_header(path, ",").names
        content = dataset.row_keys(path, names, None).tolist()
        self.content.update(content)
        if self.config.id in names:
            self.ids.update(zip(dataset.row_keys(path, names, self.config.id).tolist(), content))
        wanted = [name for name in (*self.unique, self.config.target) if name in names]
        texts = pd.read_csv(path, usecols=wanted, dtype=object, keep_default_na=False, encoding="utf-8")
        for name, seen in self.unique.items():
            if name in texts:
                seen.update(set(texts[name]) - validation.missing_words(self.config.columns[name].type))
        self.classes.update(texts[self.config.target].unique() if self.config.target in texts else ())


def stage(paths: ModelPaths, config: Config, source: Path, known: Known) -> Staged:
    """Check a file and write its new rows as a part-to-be; UserError, with the file put to the rejected ones, if anything is wrong."""
    header = csvfile.read_header(source, config.data.separator, tuple(config.columns))
    temporary = paths.train / f".{source.name}.{os.getpid()}.{len(known.content)}.tmp"
    fresh, again, faults = copy_new_rows(source, header, config, known, temporary)
    if faults:
        raise UserError(reject(paths, source, faults))
    if fresh:
        known.add(temporary)
    return Staged(source, temporary, fresh, again)


def header_faults(header: csvfile.Header, config: Config) -> list[Fault]:
    missing = [name for name, column in config.columns.items() if name not in header.names and not column.nullable]
    unknown = [name for name in header.names if name not in config.columns]
    return [Fault(1, name, "", "the column is missing") for name in missing] + [Fault(1, name, "", "the column is not in [columns] of model.toml") for name in unknown]


def copy_new_rows(source: Path, header: csvfile.Header, config: Config, known: Known, target: Path) -> tuple[int, int, list[Fault]]:
    """Write the rows that are not there yet; returns their number, the number of those that are, and all faults."""
    columns = {name: replace(column, unique=column.unique or name == config.id) for name, column in config.columns.items() if name in header.names}
    rules = validation.Rules(columns)
    order = [header.names.index(name) for name in columns]
    faults, fresh, again, seen = header_faults(header, config), 0, 0, Counter()
    with files.replacing(target) as file, Progress(f"checking {source.name}", None, "rows") as progress:
        file.writelines(csvfile.lines([columns]))
        for chunk in csvfile.chunks(source, header):
            typed, found = rules.check(header, chunk)
            new, contradictions = sift(chunk, order, list(columns), known, seen)
            faults += found + contradictions
            if not faults:
                file.writelines(new)
                fresh, again = fresh + len(new), again + len(chunk.rows) - len(new)
                if config.task == "classification":
                    known.classes.update(pd.unique(dataset.labels(typed[config.target], config)))
            progress.at(rules.rows)
    faults += rules.whole_file()
    if not faults and config.task == "classification" and len(known.classes) == 1:
        faults.append(Fault(0, config.target, "", f"has one class only ({next(iter(known.classes))!r}); a classifier needs two"))
    return fresh, again, faults


def sift(chunk: csvfile.Chunk, order: list[int], names: list[str], known: Known, seen: Counter) -> tuple[list[str], list[Fault]]:
    """The chunk's rows that the parts do not hold yet, as lines of a part, and rows that contradict the parts.

    seen: how often each row came in this file so far; of n equal rows, as many are new as the parts have fewer.
    """
    lines = csvfile.lines([row[i] for i in order] for row in chunk.rows)
    place = names.index(known.config.id) if known.config.id in names else None
    new, faults = [], []
    for text, row, number in zip(lines, chunk.rows, chunk.lines):
        key = csvfile.key(text.rstrip("\n").encode())
        if place is not None:
            before = known.ids.get(csvfile.key(row[order[place]].encode()))
            if before is not None and before != key:
                faults.append(Fault(number, known.config.id, row[order[place]], f"{row[order[place]]!r} was taken in before with other values; parts are never rewritten"))
            fresh = before is None
        else:
            seen[key] += 1
            fresh = seen[key] > known.content[key]
        if fresh:
            new.append(text)
            faults += [Fault(number, name, row[order[names.index(name)]], f"{row[order[names.index(name)]]!r} was taken in before and must be unique")
                       for name, held in known.unique.items() if name in names and row[order[names.index(name)]] in held]
    return new, faults


def reject(paths: ModelPaths, source: Path, faults: list[Fault]) -> str:
    """Put the file and the reasons where a person finds them; returns what to tell."""
    paths.rejected.mkdir(parents=True, exist_ok=True)
    copy = paths.rejected / f"{source.stem}-{digest_of(source)}{source.suffix}"
    shutil.copyfile(source, copy)
    with files.replacing(copy.with_suffix(".reasons.csv")) as file:
        file.writelines(csvfile.lines([("line", "column", "value", "reason"), *((fault.line, fault.column, fault.value, fault.reason) for fault in faults)]))
    for text in shortened(faults):
        print(f"  {text}", file=sys.stderr)
    count = f"{len(faults):,} fault{'s' * (len(faults) > 1)}"
    return f"{source}: {count}, so nothing was taken in. The file and its reasons are in {paths.rejected.relative_to(paths.root)}/ ({copy.name}, {copy.with_suffix('.reasons.csv').name})."


def digest_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:8]


def shortened(faults: list[Fault]) -> list[str]:
    """The first faults of each column, then how many more it has."""
    shown, count = [], Counter()
    for fault in faults:
        count[fault.column] += 1
        if count[fault.column] <= SHOWN:
            shown.append(str(fault))
    return shown + [f"{column or 'rows of another width'}: {number - SHOWN:,} more" for column, number in count.items() if number > SHOWN]
