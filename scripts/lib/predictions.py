"""The prediction log data/<model>/predictions/DATE.csv: append-only, a file's predictions all in it or none."""
import io
import json
import os
import re
import sqlite3
from pathlib import Path

from lib import clock, db, files
from lib.files import ModelPaths

COLUMNS = ("id", "time", "version", "prediction", "score")  # then the features; ours come first, whatever the features are called
NAME = re.compile(r"(\d{4}-\d\d-\d\d)(?:-(\d+))?\.csv")
COPY = 1 << 20


def header(features: list[str]) -> bytes:
    from lib import csvfile
    return csvfile.lines([[*COLUMNS, *features]])[0].encode()


def pending(connection: sqlite3.Connection, paths: ModelPaths) -> dict[str, int]:
    """The log that an unfinished `predict` is writing to, and its length before: what lies beyond may be taken back."""
    try:
        told = json.loads(paths.appending.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return {} if db.batch_by_uuid(connection, told["batch"]) else {told["file"]: told["offset"]}


def lengths(connection: sqlite3.Connection, paths: ModelPaths) -> dict[str, int]:
    """How long each log file is, the oldest first; without an append that is not finished."""
    unfinished = pending(connection, paths)
    return {log.name: min(log.stat().st_size, unfinished.get(log.name, 1 << 62)) for log in sorted(paths.predictions.glob("*.csv"), key=age)}


def age(log: Path) -> tuple[str, int]:
    found = NAME.fullmatch(log.name)
    return (found[1], int(found[2] or 1)) if found else (log.stem, 1)


def lock(paths: ModelPaths, owner: str, wait: float):
    """Held while the log grows: milliseconds, and apart from the model's lock, so a deployment never waits for a long scoring."""
    return files.lock(paths.predictions / ".lock", owner, wait)


def settle(connection: sqlite3.Connection, paths: ModelPaths) -> None:
    """Take back an append that was killed before it was recorded. Only under the log's lock."""
    files.sweep_temporaries(paths.predictions)
    intent = paths.appending
    if not intent.exists():
        return
    told = json.loads(intent.read_bytes())
    log = paths.predictions / told["file"]
    if log.exists() and not db.batch_by_uuid(connection, told["batch"]):
        if told["offset"]:
            with open(log, "r+b") as file:
                file.truncate(told["offset"])
                os.fsync(file.fileno())
        else:
            log.unlink()
    intent.unlink()
    files.sync_folder(paths.predictions)


def append(connection: sqlite3.Connection, paths: ModelPaths, rows: io.BufferedIOBase, features: list[str], batch: dict) -> Path:
    """Put the finished rows (no header) at the log's end and record the batch: after a crash both are there or neither.

    Only under the log's lock, after `settle`. batch: the columns of its row in `batches`. Returns the log file.
    """
    log = todays_log(paths, header(features))
    offset = length_of(log)
    files.write(paths.appending, json.dumps({"file": log.name, "offset": offset, "batch": batch["uuid"]}).encode())
    copy_to_end(rows, log, offset, header(features) if not offset else b"")
    with db.transaction(connection):
        db.insert(connection, "batches", log=log.name, time=clock.now(), **batch)
    paths.appending.unlink()
    files.sync_folder(paths.predictions)
    return log


def length_of(log: Path) -> int:
    """The log's length, once a torn last line is cut off."""
    if not log.exists():
        return 0
    descriptor = os.open(log, os.O_RDWR)
    try:
        return files.cut_torn_line(descriptor)
    finally:
        os.close(descriptor)


def todays_log(paths: ModelPaths, wanted: bytes) -> Path:
    """Today's file; another one beside it where a version with other columns has written today."""
    number = 1
    while True:
        log = paths.predictions / (f"{clock.today()}.csv" if number == 1 else f"{clock.today()}-{number}.csv")
        if not log.exists() or log.stat().st_size == 0:
            return log
        with open(log, "rb") as file:
            if file.read(len(wanted)) == wanted:
                return log
        number += 1


def copy_to_end(rows: io.BufferedIOBase, log: Path, offset: int, first: bytes) -> None:
    descriptor = os.open(log, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        rows.seek(0)
        piece = first or rows.read(COPY)
        while piece:
            files.write_all(descriptor, piece, offset)
            offset += len(piece)
            piece = rows.read(COPY)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    files.sync_folder(log.parent)
