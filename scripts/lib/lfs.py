"""Git LFS: the objects as files and whether they are what their names say, the pointers to them, and fetching what is not here."""
import contextlib
import os
import re
import sys
from pathlib import Path

from lib import files, git
from lib.errors import Failed

POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (\d+)\n\Z")
OID = re.compile(r"[0-9a-f]{64}\Z")
LARGEST_POINTER = 1024  # bytes
MOST_NAMES = 500  # files that are fetched by name; beyond it all of the tag's are


def store(root: Path) -> Path:
    return git.folder(root) / "lfs" / "objects"


def object_path(root: Path, oid: str) -> Path:
    return place(store(root), oid)


def place(objects: Path, oid: str) -> Path:
    """Where a store of Git LFS objects has one."""
    return objects / oid[:2] / oid[2:4] / oid


def objects_in(objects: Path) -> dict[str, Path]:
    """Every object of a store, by its sha256."""
    return {path.name: path for path in sorted(objects.glob("??/??/*")) if OID.match(path.name)}


def intact(path: Path) -> bool:
    """Whether an object is there and its bytes are what its name says: git-lfs itself never looks."""
    from lib import copying  # few commands read whole objects
    return path.is_file() and copying.sha256_on_disk(path) == path.name


def sound(root: Path, oid: str) -> bool:
    """Whether an object is here and is what its name says; one that is not is put aside, since git-lfs would take it for good."""
    path = object_path(root, oid)
    if not path.exists():
        return False
    if files.sha256(path) == oid:
        return True
    aside = git.folder(root) / "lfs" / "bad"
    aside.mkdir(exist_ok=True)
    os.replace(path, aside / oid)
    print(f"the Git LFS object {oid[:12]}… was damaged; it is put aside in {aside}", file=sys.stderr)
    return False


def whole(root: Path, pointer: re.Match) -> bool:
    """Whether the object of a pointer is here, by its size: its bytes are not read."""
    with contextlib.suppress(FileNotFoundError):
        return object_path(root, pointer[1].decode()).stat().st_size == int(pointer[2])
    return False


def open_object(root: Path, oid: str, name: str, tag: str):
    try:
        return open(object_path(root, oid), "rb")
    except FileNotFoundError:
        raise Failed(f"{name} of {tag} is not in this repository's Git LFS storage, nor on its remote. If you have a backup: make restore FROM=folder") from None


def read_tagged(root: Path, tag: str, below: str, wanted: set[str] | None = None):
    """Each (path, open binary file) below a folder of a tag, or those of the wanted names; Git LFS objects fetched where they are not here, or damaged."""
    names = [name for name in git.list_files(root, tag, below) if wanted is None or Path(name).name in wanted]
    blobs = git.read_blobs(root, [f"{tag}:{name}" for name in names])
    pointers = {name: POINTER.match(blobs[f"{tag}:{name}"] or b"") for name in names}
    absent = [name for name, found in pointers.items() if found and not sound(root, found[1].decode())]
    if absent:
        require()
        fetch(root, [tag], absent)
    for name in names:
        found = pointers[name]
        if found:
            with open_object(root, found[1].decode(), name, tag) as file:
                yield name, file
        else:
            import tempfile
            with tempfile.TemporaryFile() as file:
                file.write(blobs[f"{tag}:{name}"] or b"")
                file.seek(0)
                yield name, file


def on_branches(root: Path) -> set[str]:
    """The Git LFS objects that the tips of the branches refer to, and the stash."""
    tips = {"HEAD"} if git.head(root) else set()
    tips |= set(git.line(root, "for-each-ref", "--format=%(objectname)", "refs/heads", "refs/stash").splitlines())
    small = {row.split()[2] for tip in tips for row in git.run(root, "ls-tree", "-r", "-l", "-z", tip).decode(errors="replace").split("\0")
             if row and row.split()[3].isdecimal() and int(row.split()[3]) < LARGEST_POINTER}
    found = (POINTER.match(blob or b"") for blob in git.read_blobs(root, sorted(small)).values()) if small else ()
    return {match[1].decode() for match in found if match}


def fetch(root: Path, tags: list[str], names: list[str] | None = None) -> None:
    """The Git LFS objects of some tags, or of some of their files, from the remote, if there is one."""
    source = git.remote(root)
    only = ["--include", ",".join(names)] if names and len(names) <= MOST_NAMES else []
    if source:
        with contextlib.suppress(Failed):  # what is still missing afterwards is named by whoever opens it
            git.run(root, "lfs", "fetch", *only, source.name, *tags, timeout=3600)


def require() -> None:
    """Failed where git-lfs can't be found: what it would bring is not lost."""
    import shutil
    if shutil.which("git-lfs") is None:
        raise Failed(f"git-lfs is not installed, or not on PATH ({os.environ.get('PATH', '')}). Install it with: sudo apt-get install git-lfs")


def configure(root: Path) -> None:
    """So that the user's own `git checkout churn/v3` brings models and data, not pointers."""
    require()
    if git.ask(root, "config", "--local", "--get", "filter.lfs.process")[0]:
        git.remove_stale_locks(git.folder(root) / "config.lock")
        for key, value in git.LFS.items():
            git.run(root, "config", "--local", key, value)
