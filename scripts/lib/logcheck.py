"""The prediction and label logs: no torn line but a last one, and every acknowledged prediction there once."""
import csv
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lib import db, predictions
from lib.files import ModelPaths
from lib.soundness import Breach, Tally


def find(paths: ModelPaths, connection: sqlite3.Connection, tally: Tally) -> list[Breach]:
    return [*predictions_of(paths, connection, tally), *labels_of(paths, tally)]


def predictions_of(paths: ModelPaths, connection: sqlite3.Connection, tally: Tally) -> Iterator[Breach]:
    """Every batch that was acknowledged is in its log once, whole and in its place; what stood there before metrics.db was made stays."""
    batches: dict[str, list] = {}
    for row in db.batches(connection, paths.name):
        batches.setdefault(row["log"], []).append(row)
    pending = predictions.pending(connection, paths)
    logs = {path.name: path for path in sorted(paths.predictions.glob("*.csv"))} if paths.predictions.is_dir() else {}
    for name in sorted(batches.keys() - logs.keys()):
        yield Breach(paths.name, f"{paths.predictions / name} is gone, with {sum(row['rows'] for row in batches[name]):,} predictions. Bring it back from a backup: make restore FROM=the-backup")
    for name, path in logs.items():
        yield from one_log(paths, path, batches.get(name, []), pending.get(name), db.born(connection), tally)


def one_log(paths: ModelPaths, path: Path, batches: list, end: int | None, born: str, tally: Tally) -> Iterator[Breach]:
    """end: the length up to which the log counts, where the append after it was never acknowledged."""
    if end is not None:
        yield Breach(paths.name, f"{path}: the rows after byte {end:,} are of a predict that was killed. The next one takes them back.", broken=False)
    reading = Reading(path, end, tally)
    stretches, width = [], None  # [version, time, rows]
    for row in reading.rows():
        if width is None:
            width = len(row)
            continue
        if len(row) != width:
            yield Breach(paths.name, f"{path}, line {reading.line}: has {len(row)} fields, the header has {width}: it is torn, or was changed. Bring the file back from a backup.")
            return
        if stretches and stretches[-1][:2] == [row[2], row[1]]:
            stretches[-1][2] += 1
        else:
            stretches.append([row[2], row[1], 1])
    yield from reading.faults(paths.name)
    there, wanted = sum(count for *_, count in stretches), sum(row["rows"] for row in batches)
    rest = before(stretches, batches)
    if there < wanted or rest and max(moment for _, moment, _ in rest) > born:
        yield Breach(paths.name, f"{path} has {there:,} predictions, metrics.db has acknowledged {wanted:,} of them. Bring the file back from a backup: make restore FROM=the-backup")
    elif rest is None:
        yield Breach(paths.name, f"{path}: its predictions are not those, in order and version, that metrics.db has acknowledged. Bring the file back from a backup: make restore FROM=the-backup")


def before(stretches: list[list], batches: list) -> list[list] | None:
    """The stretches [version, time, rows] that lie before those of the batches, which end the log; None where the two do not fit.

    The rows of a batch have one version and one time.
    """
    left = [list(stretch) for stretch in stretches]
    for row in reversed(batches):
        if row["rows"]:
            if not left or left[-1][0] != str(row["version"]) or left[-1][2] < row["rows"]:
                return None
            left[-1][2] -= row["rows"]
            if not left[-1][2]:
                left.pop()
    return left


class Reading:
    """A log read row by row, remembering where it was and what was wrong with its end."""

    def __init__(self, path: Path, end: int | None, tally: Tally):
        self.path, self.tally, self.end = path, tally, end
        self.line, self.torn, self.error = 0, False, ""

    def lines(self) -> Iterator[str]:
        with open(self.path, "rb") as file:
            place = 0
            for raw in file:
                place += len(raw)
                if self.end is not None and place > self.end:
                    return
                self.torn = not raw.endswith(b"\n")
                if not self.torn:
                    self.tally.read(len(raw))
                    yield raw.decode("utf-8", errors="replace")

    def rows(self) -> Iterator[list[str]]:
        self.tally.files += 1
        reader = csv.reader(self.lines(), strict=True)
        try:
            for number, row in enumerate(reader):
                self.line = reader.line_num
                self.tally.rows += number > 0  # the first is the header
                yield row
        except csv.Error as error:
            self.error = f"{self.path}, line {reader.line_num}: {error}"

    def faults(self, model: str) -> Iterator[Breach]:
        if self.torn:
            yield Breach(model, f"{self.path}: its last line is torn. The next command that writes to it cuts it off.", broken=False)
        if self.error:
            yield Breach(model, f"{self.error}. It is torn, or was changed; bring the file back from a backup.")


def labels_of(paths: ModelPaths, tally: Tally) -> Iterator[Breach]:
    for path in sorted(paths.labels.glob("*.csv")):
        reading = Reading(path, None, tally)
        for row in reading.rows():
            if len(row) != 3:
                yield Breach(paths.name, f"{path}, line {reading.line}: has {len(row)} fields, not 3: it is torn, or was changed. Bring the file back from a backup.")
                break
        yield from reading.faults(paths.name)
