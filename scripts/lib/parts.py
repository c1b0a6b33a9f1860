"""The parts of a model's training data as files: which there are, and that none was changed since it was taken in."""
import os
import re
from pathlib import Path

from lib import audit, files
from lib.errors import Refused
from lib.files import ModelPaths
from lib.record import Record
from lib.runs import Run

NAME = re.compile(r"[0-9]{4,}\.csv\Z")


class Part(Record):
    path: Path
    sha256: str
    rows: int | None = None  # known when it was just taken in

    @property
    def number(self) -> int:
        return int(self.path.stem)


def find(paths: ModelPaths) -> list[Path]:
    if not paths.train.is_dir():
        return []
    return sorted((path for path in paths.train.iterdir() if NAME.match(path.name)), key=lambda path: int(path.stem))


def recorded(paths: ModelPaths) -> dict[str, str]:
    """The sha256 of each part that the audit says was taken in."""
    return {entry["part"]: entry["sha256"] for entry in audit.entries(paths.audit) if entry["event"] == "ingest"}


def check(paths: ModelPaths) -> list[Part]:
    """The parts with their sha256 over the whole file; Refused if one is gone or not what was taken in."""
    known = recorded(paths)
    found = [Part(path, files.sha256(path)) for path in find(paths)]
    for part in found:
        if part.sha256 != known.get(part.path.name, part.sha256):
            raise Refused(f"{part.path} was changed after it was taken in (its sha256 differs). Bring it back with: rm {part.path.name} there, then make restore MODEL={paths.name}; "
                          "new rows go into a new part: make ingest")
    lost = known.keys() - {part.path.name for part in found}
    if lost:
        raise Refused(f"{paths.train / min(lost)} is gone. Bring it back with: make restore MODEL={paths.name}")
    return found


def add(paths: ModelPaths, run: Run, temporary: Path, rows: int, source: str) -> Part:
    """Make a finished temporary file the next part: its name makes it true, the audit line follows."""
    number = max((int(path.stem) for path in find(paths)), default=0) + 1
    path = paths.train / f"{number:04d}.csv"
    digest = files.sha256(temporary)
    os.replace(temporary, path)
    files.sync_folder(paths.train)
    audit.add(paths.audit, run, "ingest", part=path.name, sha256=digest, source=source, rows=rows)
    return Part(path, digest, rows)


def rows(found: list[Part]) -> int:
    from lib import csvfile
    return sum(len(chunk.rows) for part in found for chunk in csvfile.chunks(part.path, csvfile.read_header(part.path, ",")))


def complete_audit(paths: ModelPaths, run: Run) -> None:
    """A line for each part whose ingest was killed between the file and its line."""
    known = recorded(paths)
    for path in find(paths):
        if path.name not in known:
            audit.add(paths.audit, run, "ingest", part=path.name, sha256=files.sha256(path), source="completed after an interruption")
