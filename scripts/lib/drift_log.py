"""The window of rows that `make drift` looks at: the newest of the prediction log that one version scored."""
from dataclasses import dataclass

import numpy as np

from lib import predictions, recent
from lib.drift_cells import typed
from lib.files import ModelPaths

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
        for header, block in recent.blocks(paths.predictions / name, start, end[name]):
            chosen, old = select(block, len(header), str(version), since, live_since)
            pieces.append(columns_of(chosen[max(0, len(chosen) + rows - most):], header, profile))
            rows += pieces[-1].rows
            if rows >= most or old:
                return joined(pieces[::-1], profile)
    return joined(pieces[::-1], profile)


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
