"""The window of rows that `make drift` looks at: the newest of the prediction log that one version scored."""
import numpy as np

from lib import logtable, predictions, recent
from lib.drift_cells import NUMERIC, to_numbers, typed
from lib.files import ModelPaths
from lib.logtable import Table
from lib.record import Record

OWN = len(predictions.COLUMNS)


class Window(Record):
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
        for header, lines in recent.pieces(paths.predictions / name, start, end[name]):
            table = logtable.read(lines, len(header), paths.predictions / name)
            chosen, old = select(table, version, since, live_since)
            pieces.append(columns_of(table.part(chosen[max(0, len(chosen) + rows - most):]), header, profile))
            rows += pieces[-1].rows
            if rows >= most or old:
                return joined(pieces[::-1], profile)
    return joined(pieces[::-1], profile)


def select(table: Table, version: int, since: str, live_since: str) -> tuple[np.ndarray, bool]:
    """Which rows are of the version, from `since` on; and whether to look no further back: there are none, nor was it live yet."""
    times = table.times(predictions.COLUMNS.index("time"))
    chosen = np.flatnonzero((table.whole_numbers(predictions.COLUMNS.index("version")) == version) & (times >= since.encode()))
    return chosen, len(times) > 0 and not len(chosen) and max(times.tolist()).decode("utf-8", "replace") < live_since


def columns_of(table: Table, header: list[str], profile: dict) -> Window:
    if not len(table.begins):
        return Window(0, "", "", {}, {})
    features = dict(zip(header[OWN:], range(OWN, len(header))))
    columns = typed_columns(table, profile["columns"], features)
    outputs = typed_columns(table, profile["outputs"], {name: predictions.COLUMNS.index(name) for name in profile["outputs"]})
    times = [time.decode("utf-8", "replace") for time in set(table.times(predictions.COLUMNS.index("time")).tolist())]
    return Window(len(table.begins), min(times), max(times), columns, outputs)


def typed_columns(table: Table, profiles: dict, places: dict[str, int]) -> dict:
    """name -> its rows as drift_cells.typed gives them; missing in each row where the table lacks the column."""
    numeric = [name for name, base in profiles.items() if base["type"] in NUMERIC and name in places]
    numbers = dict(zip(numeric, to_numbers(table.numbers([places[name] for name in numeric]))))
    return {name: numbers[name] if name in numbers else typed(base["type"], table.texts(places[name]) if name in places else [None] * len(table.begins))
            for name, base in profiles.items()}


def joined(pieces: list[Window], profile: dict) -> Window:
    pieces = [piece for piece in pieces if piece.rows]
    if not pieces:
        return Window(0, "", "", {}, {})
    return Window(sum(piece.rows for piece in pieces), min(piece.first for piece in pieces), max(piece.last for piece in pieces),
                  {name: end_to_end([piece.columns[name] for piece in pieces]) for name in profile["columns"]},
                  {name: end_to_end([piece.outputs[name] for piece in pieces]) for name in profile["outputs"]})


def end_to_end(parts: list):
    return np.concatenate(parts) if isinstance(parts[0], np.ndarray) else [value for part in parts for value in part]
