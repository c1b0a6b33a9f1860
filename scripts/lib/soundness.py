"""What `make verify` and the crash sweeps find, and how much they looked at."""
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lib import files


@dataclass(frozen=True)
class Breach:
    model: str  # "" for what belongs to all of them
    words: str  # one line: what is wrong, naming the thing, and what to do about it
    broken: bool = True  # False: a command was interrupted here, and the next one puts it right by itself


@dataclass
class Tally:
    """What was looked at."""

    models: int = 0
    versions: int = 0
    deployments: int = 0
    lines: int = 0  # of the audits
    rows: int = 0  # of the logs
    files: int = 0
    bytes: int = 0  # hashed or read
    elsewhere: int = 0  # Git LFS objects that are on the remote only
    tell: Callable[[int], None] = lambda total: None  # called with the bytes so far

    def hashed(self, path: Path) -> str:
        """The file's sha256, counted."""
        self.files += 1
        self.read(path.stat().st_size)
        return files.sha256(path)

    def read(self, size: int) -> None:
        self.bytes += size
        self.tell(self.bytes)

    def add(self, other: "Tally") -> None:
        for name in ("models", "versions", "deployments", "lines", "rows", "files", "bytes", "elsewhere"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
