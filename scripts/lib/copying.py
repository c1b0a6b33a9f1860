"""Copies of files: whole or not there, and read again from the disk before anyone counts on them."""
import hashlib
import os
from pathlib import Path

from lib import files
from lib.errors import Failed

CHUNK = 1 << 20


def copy(source: Path, target: Path, length: int | None = None, expected: str | None = None) -> str:
    """Copy the first `length` bytes (None: all of them) to a file that appears whole or not at all; returns their sha256.

    Failed, with the target as it was, if they are fewer, or not those of the sha256 that is expected.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(source, "rb") as file, files.replacing(target, "wb") as copied:
        digest = transfer(file, copied, length)
        if expected not in (None, digest):
            raise Failed(f"{source} is damaged: its sha256 is not {expected[:12]}….")
    return digest


def transfer(source, target, length: int | None, digest=None) -> str:
    """Write what is read, up to `length` bytes; the sha256 of it, or of all that `digest` was fed with before."""
    digest = digest or hashlib.sha256()
    left = length
    while left is None or left > 0:
        piece = source.read(CHUNK if left is None else min(CHUNK, left))
        if not piece:
            break
        digest.update(piece)
        target.write(piece)
        left = None if left is None else left - len(piece)
    if left:
        raise Failed(f"{source.name} became shorter while it was copied. Type the command again.")
    return digest.hexdigest()


def extend(source: Path, target: Path, begin: int, end: int) -> str:
    """Make the target's bytes from `begin` on those of the source up to `end`; returns the sha256 of the source up to there."""
    digest = hashlib.sha256()
    with open(source, "rb") as file, open(target, "r+b") as copied:
        transfer(file, Nowhere(), begin, digest)
        copied.truncate(begin)
        copied.seek(begin)
        whole = transfer(file, copied, end - begin, digest)
        copied.flush()
        os.fsync(copied.fileno())
    return whole


def flush(path: Path) -> None:
    """Onto the disk with a file that another program has written, and with its name."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
    files.sync_folder(path.parent)


class Nowhere:
    """Takes what is written and keeps none of it."""

    def write(self, piece: bytes) -> None:
        return


def sha256_of_first(path: Path, length: int) -> str | None:
    """The sha256 of a file's first `length` bytes; None if it is shorter."""
    if path.stat().st_size < length:
        return None
    with open(path, "rb") as file:
        return transfer(file, Nowhere(), length)


def sha256_on_disk(path: Path, length: int | None = None) -> str:
    """The sha256 as the disk has it: what memory remembers of the file is let go of first."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return transfer(file, Nowhere(), length)
