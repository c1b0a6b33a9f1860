"""The prediction and label logs as files: what was appended since the last check, and whether old rows were changed."""
import hashlib
import os
import time
from pathlib import Path

from lib import db, predictions
from lib.files import ModelPaths
from lib.runs import Run

LOGS = ("predictions", "labels")
EDGE = 4096  # bytes at the start and before the offset that must be as they were
CLOCK_TICK = 20_000_000  # nanoseconds: a file changed again within a tick of the clock that marks it (10 ms at most) may look unchanged


def edges(path: Path, offset: int) -> str:
    """A fingerprint of the first bytes and of the last before the offset: another one means another file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        digest.update(file.read(min(EDGE, offset)))
        file.seek(max(0, offset - EDGE))
        digest.update(file.read(min(EDGE, offset)))
    return digest.hexdigest()


def identity(found: os.stat_result) -> str:
    """What the system says of a file: as long as it says the same, nobody has written to it, so that a year's old logs need not be opened."""
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def rewritten(path: Path, found: os.stat_result, known: db.Row) -> bool:
    """Whether what was read of a log is no longer what stands there: it was written to and is as long as it was, or its edges are others."""
    told = known["identity"] or ""
    if told == identity(found):
        return False
    in_place = told.split()[1:2] == [str(found.st_size)] and told.split()[2] != str(found.st_mtime_ns)
    return in_place or edges(path, known["offset"]) != known["edges"]


def position(path: Path, offset: int) -> tuple[str, int, str, str | None]:
    """What is noted of a log that was read up to the offset: its name, offset, edges and identity."""
    found = path.stat()
    settled = time.time_ns() - found.st_ctime_ns > CLOCK_TICK
    return path.name, offset, edges(path, offset), identity(found) if settled else None


def unread(folder: Path, known: dict[str, db.Row], committed: dict[str, int]) -> tuple[list[tuple[Path, int, int]], bool]:
    """(log, from, to) of what was appended; and whether an old stretch is gone or changed, so that all must be read again.

    committed: the length up to which a log counts while an append to it is not finished.
    """
    logs = {entry.name: entry.stat() for entry in os.scandir(folder) if entry.name.endswith(".csv")} if folder.is_dir() else {}
    changed = any(name not in logs for name in known)
    stretches = []
    for name, found in sorted(logs.items()):
        size = min(found.st_size, committed.get(name, 1 << 62))
        begin = known[name]["offset"] if name in known else 0
        if name in known and (size < begin or rewritten(folder / name, found, known[name])):
            changed = True
        elif size > begin:
            stretches.append((folder / name, begin, size))
    return stretches, changed


def news(run: Run, paths: ModelPaths) -> dict[str, list[tuple[Path, int, int]]] | None:
    """The unread stretches of each log; None if an old stretch is not what was read. Where nothing is new, it costs a few looks at files."""
    found = {}
    for log in LOGS:
        known = {row["file"]: row for row in db.log_positions(run.db, paths.name, log)}
        stretches, changed = unread(paths.data / log, known, predictions.pending(run.db, paths) if log == "predictions" else {})
        names = db.log_segments(run.db, paths.name, log)
        if changed or any(not (index_folder(paths, log) / name).exists() for name in names):
            return None
        found[log] = stretches
    return found


def sweep(run: Run, paths: ModelPaths) -> None:
    """Remove the segments that hold no more, once what refers to the others is on the disk."""
    for log in LOGS:
        names, folder = db.log_segments(run.db, paths.name, log), index_folder(paths, log)
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in names:
                path.unlink(missing_ok=True)


def index_folder(paths: ModelPaths, log: str) -> Path:
    return paths.data / log / ".index"
