"""The newest rows of the prediction log, read from its end backwards: the cost grows with the rows that are wanted, not with the log."""
import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib import predictions
from lib.drift_cells import typed
from lib.files import ModelPaths

BLOCK = 1 << 19  # bytes read at a time: as text and cells it takes ten times as much
# A row's start, after a line end: its second and third field are a time and a version. A line end within quotes has no such line after it.
START = re.compile(rb"\n(?=[^\n]*?,\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ,\d+,)")
OWN = len(predictions.COLUMNS)


@dataclass(frozen=True)
class Window:
    """Rows that one version scored: its features and its outputs, as drift_cells.typed gives them."""

    rows: int
    first: str  # when the first of them was scored, and the last
    last: str
    columns: dict
    outputs: dict


def read(paths: ModelPaths, profile: dict, version: int, since: str, live_since: str, begin: dict[str, int], end: dict[str, int], most: int) -> Window:
    """The newest rows that the version scored from `since` on, at most `most`, between two positions in the log files.

    It may have been live before `live_since` too; what other versions scored then is passed over, but not for long.
    """
    pieces, rows = [], 0
    for name in reversed(end):
        found = predictions.NAME.fullmatch(name)
        start = begin.get(name, 0)
        start = start if start <= end[name] else 0  # shorter than it was: it has been replaced
        if found and found[1] < since[:10] or start == end[name]:
            continue
        for header, block in blocks(paths.predictions / name, start, end[name]):
            chosen, old = select(block, len(header), str(version), since, live_since)
            pieces.append(columns_of(chosen[max(0, len(chosen) + rows - most):], header, profile))
            rows += pieces[-1].rows
            if rows >= most or old:
                return joined(pieces[::-1], profile)
    return joined(pieces[::-1], profile)


def blocks(path: Path, start: int, end: int):
    """(header, rows as lists of texts) from the end of a stretch of a log back to its start."""
    with open(path, "rb") as file:
        first = file.readline()
        while first.count(b'"') % 2 and len(first) < end:  # a column's name with a line end in it
            first += file.readline()
        header = next(csv.reader([first.decode("utf-8", "replace")]), [])
        start = max(start, len(first))
        size = BLOCK
        while end > start:
            at = max(start, end - size)
            file.seek(at)
            content = file.read(end - at)
            found = START.search(content) if at > start else None
            if at > start and not found:  # a row longer than a block
                size *= 2
                continue
            cut = found.end() if found else 0
            text = content[cut:content.rfind(b"\n") + 1].decode("utf-8", "replace")  # without a line that is torn
            yield header, list(csv.reader(io.StringIO(text, newline="")))
            end, size = at + cut, BLOCK


def select(rows: list[list[str]], width: int, version: str, since: str, live_since: str) -> tuple[list[list[str]], bool]:
    """The rows of the version from `since` on; and whether to look no further back: there are none, nor was it live yet."""
    whole = [row for row in rows if len(row) == width]
    chosen = [row for row in whole if row[2] == version and row[1] >= since]
    return chosen, bool(whole) and not chosen and max(row[1] for row in whole) < live_since


def columns_of(rows: list[list[str]], header: list[str], profile: dict) -> Window:
    if not rows:
        return Window(0, "", "", {}, {})
    cells = list(zip(*rows))
    absent = ("",) * len(rows)
    features = dict(zip(header[OWN:], cells[OWN:]))
    columns = {name: typed(base["type"], features.get(name, absent)) for name, base in profile["columns"].items()}
    outputs = {name: typed(base["type"], cells[predictions.COLUMNS.index(name)]) for name, base in profile["outputs"].items()}
    return Window(len(rows), min(cells[1]), max(cells[1]), columns, outputs)


def joined(pieces: list[Window], profile: dict) -> Window:
    pieces = [piece for piece in pieces if piece.rows]
    if not pieces:
        return Window(0, "", "", {}, {})
    return Window(sum(piece.rows for piece in pieces), min(piece.first for piece in pieces), max(piece.last for piece in pieces),
                  {name: end_to_end([piece.columns[name] for piece in pieces]) for name in profile["columns"]},
                  {name: end_to_end([piece.outputs[name] for piece in pieces]) for name in profile["outputs"]})


def end_to_end(parts: list):
    return np.concatenate(parts) if isinstance(parts[0], np.ndarray) else [value for part in parts for value in part]
