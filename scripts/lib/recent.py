"""The rows that the live model scored last, from the end of its prediction log."""
import csv
import io
from pathlib import Path

from lib.errors import UserError
from lib.files import ModelPaths

MOST = 5_000  # rows: enough for the shape of a distribution
TAIL = 4 << 20  # bytes of one day's file that are looked at


def columns(paths: ModelPaths, version: int, first: str, last: str, names: list[str]) -> dict[str, list[str]]:
    """The texts of these columns in rows that the version scored from `first` to `last`; the newest MOST of them. Prediction and score are (prediction) and (score)."""
    found: dict[str, list[str]] = {name: [] for name in names}
    if not names or not paths.predictions.is_dir():
        return found
    for path in sorted(paths.predictions.glob("*.csv"), reverse=True):
        room = MOST - max(map(len, found.values()))
        if room <= 0 or path.name[:10] < first[:10]:
            break
        if path.name[:10] <= last[:10]:
            add(found, path, version, first, last, room)
    return found


def add(found: dict[str, list[str]], path: Path, version: int, first: str, last: str, room: int) -> None:
    header, rows = tail(path)
    places = {name: header.index(text) for name in found if (text := logged(name)) in header}
    time, by = header.index("time"), header.index("version")
    chosen = [row for row in rows if len(row) == len(header) and row[by] == str(version) and first <= row[time] <= last][-room:]
    for name, place in places.items():
        found[name] += [row[place] for row in chosen]


def logged(name: str) -> str:
    return {"(prediction)": "prediction", "(score)": "score"}.get(name, name)


def tail(path: Path) -> tuple[list[str], list[list[str]]]:
    """The header, and the whole rows within the last bytes of the file. A row that is cut, or a quoted line break, costs that row only."""
    with open(path, "rb") as file:
        first = file.readline()
        begin = max(len(first), path.stat().st_size - TAIL)
        file.seek(begin)
        content = file.read()
    if begin > len(first):
        content = content.partition(b"\n")[2]
    try:
        header = next(csv.reader([first.decode()]))
        return header, list(csv.reader(io.StringIO(content.decode(errors="replace"))))
    except (csv.Error, StopIteration, UnicodeDecodeError) as error:
        raise UserError(f"{path} can't be read as a prediction log ({error}).") from None
