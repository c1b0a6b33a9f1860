"""The newest rows of the prediction log, read from its end backwards: the cost grows with the rows that are wanted, not with the log."""
import csv
import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from lib import predictions
from lib.errors import UserError
from lib.files import ModelPaths

BLOCK = 1 << 19  # bytes read at a time: as text and cells it takes ten times as much
BLOCKS = 8  # of one day's file that are looked at for the shape of a distribution
MOST = 5_000  # rows that are enough for it
# A row's start, after a line end: its second and third field are a time and a version. A line end within quotes has no such line after it.
START = re.compile(rb"\n(?=[^\n]*?,\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ,\d+,)")


def blocks(path: Path, start: int, end: int) -> Iterator[tuple[list[str], list[list[str]]]]:
    """(header, rows as lists of texts) from the end of a stretch of a log back to its start. UserError where it is no CSV."""
    return ((header, parsed(piece, path)) for header, piece in pieces(path, start, end))


def pieces(path: Path, start: int, end: int) -> Iterator[tuple[list[str], bytes]]:
    """The same as (header, bytes of whole lines)."""
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
            yield header, content[cut:content.rfind(b"\n") + 1]  # without a line that is torn
            end, size = at + cut, BLOCK


def parsed(piece: bytes, path: Path) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(piece.decode("utf-8", "replace"), newline="")))
    except csv.Error as error:
        raise UserError(f"{path} can't be read as a prediction log ({error}).") from None


def columns(paths: ModelPaths, version: int, first: str, last: str, names: list[str]) -> dict[str, list[str]]:
    """The texts of these columns in rows that the version scored from `first` to `last`; the newest MOST of them. Prediction and score are (prediction) and (score)."""
    found: dict[str, list[str]] = {name: [] for name in names}
    logs = sorted(paths.predictions.glob("*.csv"), reverse=True) if names and paths.predictions.is_dir() else []
    for path in logs:
        if first[:10] <= path.name[:10] <= last[:10]:
            for header, rows in itertools.islice(blocks(path, 0, path.stat().st_size), BLOCKS):
                chosen = [row for row in rows if len(row) == len(header) and row[2] == str(version) and first <= row[1] <= last]
                for name, place in places(header, names).items():
                    found[name] += [row[place] for row in chosen[-MOST:]]
                if max(map(len, found.values())) >= MOST:
                    return found
    return found


def places(header: list[str], names: list[str]) -> dict[str, int]:
    """Where the columns are: ours come first, and a feature may be called as one of them is."""
    own = {f"({name})": place for place, name in enumerate(predictions.COLUMNS)}
    features = {name: place for place, name in enumerate(header) if place >= len(predictions.COLUMNS)}
    return {name: (features | own)[name] for name in names if name in features or name in own}
