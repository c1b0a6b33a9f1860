"""Files that survive a crash: whole or not there, on the disk before anyone is told; and locks that end with the process that holds them."""
import contextlib
import errno
import fcntl
import functools
import hashlib
import json
import os
import stat
import sys
import time
from pathlib import Path

from lib.errors import Busy, Refused, UserError
from lib.names import NAME
from lib.record import Record

CHUNK = 1 << 20


class ModelPaths(Record):
    """Where a model's files are, below the project's root."""

    root: Path
    name: str

    def __init__(self, root: Path, name: str):
        if not NAME.match(name):
            raise UserError(f"{name!r} can't be a model's name. Use up to 64 of a-z, 0-9, - and _, starting with a letter or digit.")
        super().__init__(root, name)

    @functools.cached_property
    def folder(self) -> Path:
        return self.root / "models" / self.name

    @property
    def config(self) -> Path:
        return self.folder / "model.toml"

    @property
    def features(self) -> Path:
        return self.folder / "features.py"

    @property
    def production(self) -> Path:
        return self.folder / "production"

    @property
    def audit(self) -> Path:
        return self.folder / "audit.jsonl"

    @functools.cached_property
    def data(self) -> Path:
        return self.root / "data" / self.name

    @property
    def train(self) -> Path:
        return self.data / "train"

    @property
    def predictions(self) -> Path:
        return self.data / "predictions"

    @property
    def appending(self) -> Path:
        """What `predict` is about to append, while it does."""
        return self.predictions / ".appending.json"

    @property
    def labels(self) -> Path:
        return self.data / "labels"

    @property
    def rejected(self) -> Path:
        return self.data / "rejected"

    def version(self, number: int) -> Path:
        return self.folder / f"v{number}"


def refuse_open(root: Path, *paths: Path) -> None:
    """Refused if anybody may write one of the paths: what would be run, or trusted, may be anybody's. A missing one is nobody's."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            if path.stat().st_mode & stat.S_IWOTH:
                found.append(path.relative_to(root) if path.is_relative_to(root) and path != root else path)
    if found:
        import shlex
        cure = f"-R o-w {shlex.quote(str(root))}" if len(found) > 3 else f"o-w {shlex.join(map(str, found))}"
        raise Refused(f"{found[0]} can be written by every user of this machine, so it can't be trusted. See what was changed, then close it with: chmod {cure}")


def sync_folder(folder: Path) -> None:
    """Make renames in the folder survive a power cut; a file's own fsync does not (ext4)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def replacing(path: Path, mode: str = "w"):
    """Write a file that appears whole or not at all; gives the open file of its replacement."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        with open(temporary, mode, **text) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write(path: Path, content: bytes) -> None:
    with replacing(path, "wb") as file:
        file.write(content)


def nameless(folder: Path):
    """A text file on the folder's disk that no crash can leave there."""
    import tempfile
    return tempfile.TemporaryFile("w+", encoding="utf-8", newline="", dir=folder)


def sweep_temporaries(folder: Path) -> None:
    """Remove what a killed `replacing` left; only under the lock of whoever writes there."""
    for leftover in folder.glob(".*.tmp"):
        leftover.unlink(missing_ok=True)


def point(link: Path, target: str) -> None:
    """Switch a symbolic link so that a reader sees the old target or the new one, never neither."""
    temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    os.symlink(target, temporary)
    os.replace(temporary, link)
    sync_folder(link.parent)


def publish_folder(staged: Path, final: Path) -> None:
    """Give a folder of finished files its name, with everything in it on the disk first."""
    for path in staged.iterdir():
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
    sync_folder(staged)
    os.rename(staged, final)
    sync_folder(final.parent)


def remove_folder(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        import shutil
        shutil.rmtree(path)


def append(path: Path, content: bytes) -> None:
    """Append whole lines; a last line torn by an earlier crash or full disk is cut off first."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        end = cut_torn_line(descriptor)
        try:
            write_all(descriptor, content, end)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, end)  # a full disk: what could not be written whole is not there
            raise
    finally:
        os.close(descriptor)
    sync_folder(path.parent)


def write_all(descriptor: int, content: bytes, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, offset)  # can be short on a nearly full disk
        view, offset = view[written:], offset + written


def cut_torn_line(descriptor: int) -> int:
    """Cut off a last line without its newline, such as a full disk leaves; the file's length then."""
    end = whole_lines(descriptor)
    os.ftruncate(descriptor, end)
    return end


def whole_lines(descriptor: int) -> int:
    """The file's length up to and with its last newline."""
    end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - CHUNK)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_json(value) -> str:
    return hashlib.sha256(canonical_json(value)).hexdigest()


def canonical_json(value) -> bytes:
    """The same bytes for the same value, whatever the order of its keys."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


@contextlib.contextmanager
def lock(path: Path, owner: str, wait: float, on: str = "this model"):
    """Hold the file's flock; the kernel lets go of it when the process dies. Raises Busy after `wait` seconds. on: what it guards, in words."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        acquire(descriptor, wait, on)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{owner} (pid {os.getpid()}, since {time.strftime('%H:%M:%S')})\n".encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def acquire(descriptor: int, wait: float, on: str) -> None:
    deadline, told = time.monotonic() + wait, False
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
        holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another command"
        if time.monotonic() >= deadline:
            raise Busy(f"{holder} is at work on {on}. Try again when it is done.")
        if not told:
            print(f"waiting for {holder}, at most {wait:.0f} seconds", file=sys.stderr, flush=True)
            told = True
        time.sleep(0.05)
