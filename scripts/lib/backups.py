"""A backup: a folder with a bare repository and its Git LFS objects, the logs as plain files, metrics.db, and what is in it.

    backup.json    the list, with the sha256 of each file: written last, and what is not in it does not count
    repo.git/      git and Git LFS objects, to be cloned
    data/          the logs, each at least as long as the list says
    state/…/       metrics.db, and files/ with what else is not in git: the audits, uncommitted edits
"""
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lib import clock, files, git, mirror, model_names, parts, treebuild
from lib.errors import UserError
from lib.files import ModelPaths
from lib.runs import Run

FORMAT = 1
LIST, HOW = "backup.json", "RESTORE.txt"
REPOSITORY, OBJECTS, DATABASE = "repo.git", "repo.git/lfs/objects", "metrics.db"
GROWING = ("predictions", "labels")
CODE = (*treebuild.PROJECT, "models")
TEXT = """This is a backup of {root} on {host}. To bring everything back on any machine:

    git clone {to}/repo.git project
    cd project
    make restore FROM={to}

repo.git is a git repository with its Git LFS objects, data/ holds the logs, state/ holds metrics.db; backup.json lists
every file with its sha256. Nothing else should be put in here.
"""


@dataclass(frozen=True)
class Stored:
    """A file of the project in a backup: where it lies there, and how much of it counts."""

    at: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Backup:
    """What backup.json says."""

    made: str
    host: str
    root: str
    run: str  # the uuid of the run that made it
    state: str  # the folder of metrics.db and files/
    remotes: dict[str, str] = field(default_factory=dict)
    files: dict[str, Stored] = field(default_factory=dict)  # project path -> small files, copied whole each time
    logs: dict[str, Stored] = field(default_factory=dict)  # project path -> files that only grow, and those that never change
    parts: dict[str, Stored] = field(default_factory=dict)  # project path -> training parts, kept as Git LFS objects


def read(folder: Path) -> Backup | None:
    """The backup in a folder; None where none was finished yet. UserError if its list can't be understood."""
    try:
        told = json.loads((folder / LIST).read_bytes())
        if told["format"] > FORMAT:
            raise UserError(f"{folder} was made by a newer version of these scripts (format {told['format']}). Update the scripts: git pull")
        lists = {name: {path: Stored(**entry) for path, entry in told.pop(name).items()} for name in ("files", "logs", "parts")}
        if not all(lies_inside(path) and lies_inside(entry.at) for entries in lists.values() for path, entry in entries.items()):
            raise ValueError("a path leads out")
        del told["format"]
        return Backup(**told, **lists)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{folder / LIST} can't be understood: it was damaged or changed. Make a new backup into another folder.") from None


def lies_inside(path: str) -> bool:
    return not Path(path).is_absolute() and ".." not in Path(path).parts


def begin(run: Run, state: str, remotes: dict[str, str]) -> Backup:
    """An empty list. Addresses of remotes are kept without passwords."""
    return Backup(clock.now(), run.host, str(run.root), run.uuid, state, {name: mirror.without_password(url) for name, url in remotes.items()})


def write(folder: Path, backup: Backup) -> None:
    """From here on the backup is this one."""
    files.write(folder / LIST, (json.dumps({"format": FORMAT, **asdict(backup)}, indent=1, ensure_ascii=False) + "\n").encode())


def make_place(root: Path, text: str) -> Path:
    """The folder to back up into. UserError if it can't be one."""
    if not text:
        raise UserError("TO= is missing. Example: make backup TO=/mnt/disk/backup")
    to = Path(text).expanduser().absolute()
    inside = to.resolve()
    for kept in (root.resolve(), git.folder(root).resolve()):
        if inside == kept or kept in inside.parents:
            raise UserError(f"TO={text} lies inside the project, so it would be lost together with it. Name a folder elsewhere, best on another disk.")
    if to.exists() and not to.is_dir():
        raise UserError(f"TO={text} is a file, not a folder.")
    if not to.parent.is_dir():
        raise UserError(f"TO={text}: the folder {to.parent} is not there. Is its disk mounted?")
    try:
        to.mkdir(mode=0o700, exist_ok=True)
        others = [name for name in os.listdir(to) if name not in (".lock", "lost+found")]
        if others and HOW not in others:
            raise UserError(f"TO={text} holds other files ({min(others)}, …) and no backup. Name a new or empty folder.")
        open(to / ".lock", "a").close()
    except OSError as error:
        raise UserError(f"TO={text} can't be written ({error.strerror}).") from None
    return inside


def log_files(paths: ModelPaths) -> list[Path]:
    """The logs of a model, and the files that were refused."""
    return [path for folder in (paths.predictions, paths.labels, paths.rejected) if folder.is_dir() for path in sorted(folder.glob("*.csv")) if not path.name.startswith(".")]


def length(path: Path) -> int:
    """How much of a log counts: up to the end of its last line, for a line that a full disk has torn is cut off later."""
    if path.parent.name not in GROWING:
        return path.stat().st_size
    with open(path, "rb") as file:
        return files.whole_lines(file.fileno())


def small_files(root: Path) -> list[Path]:
    """What is neither in git nor a log: the audits, what a model is, and code that is not committed."""
    own = [path for name in model_names.of_any_kind(root) for paths in (ModelPaths(root, name),) for path in (paths.audit, paths.config, paths.features)]
    names = git.run(root, "diff", "-z", "--name-only", "--diff-filter=d", "HEAD").decode(errors="replace").split("\0")
    names += git.run(root, "ls-files", "-z", "--others", "--exclude-standard", "--", *CODE).decode(errors="replace").split("\0")
    return sorted({path for path in (*own, *(root / name for name in names if name)) if path.is_file() and not path.is_symlink()})


def part_files(root: Path) -> list[Path]:
    return [path for name in model_names.of_any_kind(root) for path in parts.find(ModelPaths(root, name))]
