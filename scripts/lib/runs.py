"""The frame around every script: options in, one row in `runs`, errors as one line, an exit code out."""
import contextlib
import gc
import io
import os
import pwd
import re
import resource
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lib import clock, db, files, git, model_names, variables
from lib.errors import Failed, UserError
from lib.names import NAME, nearest
from lib.record import Record

ROOT = Path(__file__).resolve().parents[2]
GONE = "the reader of its output went away"  # as `| head` does: nothing has failed
READER_WAIT = 0.2  # seconds that a command which only looks waits to put its own row on record
LOCK_WAIT = 600  # seconds a person's command waits for another one on the same model
SPINS = "1000"  # turns that a waiting thread of scikit-learn's makes before it sleeps: asleep at once, it fits half as fast on a quiet machine; after libgomp's own 300,000, ten times slower beside other work
# Whoever may write one of these decides what runs here, or what it trusts.
GUARDED = (".", "scripts", "scripts/lib", "scripts/__pycache__", "scripts/lib/__pycache__", "models", "data", ".git", ".git/refs", ".git/refs/tags", "Makefile", "metrics.db")
FOLDERS = ("models", "data", "scripts", "tests", ".git", ".ci", ".venv", ".log")  # the project's own, where no answer is written
FILES = ("Makefile", "README.md", "requirements.txt", "crontab.txt", "metrics.db", "metrics.db-journal")
VERSION = re.compile("v?[0-9]{1,9}")
STATUS = {0: "done", 3: "refused", 130: "interrupted"}


class Run(Record):
    """One execution of a script: where it works, what it was asked, and its row in `runs`."""

    root: Path
    script: str
    options: dict[str, str]
    db: sqlite3.Connection
    id: int | None  # None: it only looks, and its row is written when it ends, if it can be
    uuid: str
    user: str
    host: str
    trigger: str
    noted: dict  # columns of its row that are not written yet
    state: git.State | None  # what git says of the code, asked while we work

    def note(self, **columns) -> None:
        """Columns of the run's row, to be written with the next `record`, at the latest when the run ends: each write syncs the disk."""
        self.noted.update(columns)

    def record(self, **columns) -> None:
        self.note(**columns)
        if self.id is not None:
            if self.state and "git_commit" not in self.noted:
                self.note(**self.state.columns())
            db.update_run(self.db, db.run_by_uuid(self.db, self.uuid), **self.noted)  # its id is another one once `restore` has put an old metrics.db in place
            self.noted.clear()

    def model(self) -> files.ModelPaths:
        """The model that MODEL names, or the only one it can mean. Raises UserError."""
        paths = files.ModelPaths(self.root, self.options["MODEL"] or model_names.meant(self.root))
        if not model_names.is_described(paths):
            known = model_names.described(self.root)
            if paths.name in model_names.registered(self.root):
                raise UserError(f"models/{paths.name} is not here, and there are versions under tags {paths.name}/v…. Bring them back with: make restore MODEL={paths.name}")
            raise UserError(f"there is no model {paths.name!r} (no {paths.config.relative_to(self.root)}).{nearest(paths.name, known)} Known: {', '.join(known) or 'none'}.")
        if self.options["MODEL"]:
            self.note(model=paths.name)  # its row has it since the beginning
        else:
            self.record(model=paths.name)
        return paths

    def lock(self, paths: files.ModelPaths, wait: float = LOCK_WAIT):
        """The model's lock: whoever changes the model holds it."""
        return files.lock(paths.folder / ".lock", f"{self.script} by {self.user}", 0 if self.trigger == "cron" else wait)

    def path(self, option: str) -> Path:
        """A file the user named; UserError if it was not named."""
        if not self.options[option]:
            raise UserError(f"{option}= is missing. Example: make {self.script} {option}=rows.csv")
        path = Path(self.options[option])
        if path.exists() and not path.is_file() and not path.is_dir():
            raise UserError(f"{path} is a pipe or a device, which can be read only once. Save the rows as a file first.")
        return path

    def version(self, option: str = "VERSION") -> int | None:
        text = self.options[option]
        if text and not VERSION.fullmatch(text):
            raise UserError(f"{option}={text!r} is not a version's number, such as 3 or v3.")
        return int(text.removeprefix("v")) if text else None

    def flag(self, option: str) -> bool:
        text = self.options[option]
        if text not in ("", "0", "1"):
            raise UserError(f"{option} is 1 or nothing, not {text!r}.")
        return text == "1"


def execute(doc: str, options: tuple[str, ...], work: Callable[[Run], int], argv: list[str] | None = None, *, reads: bool = False, brief: bool = False) -> int:
    """Do a script's work and return its exit code. reads: it only looks, so it works for those who may not write metrics.db.

    brief: it looks for so short a time that its row is written once, when it ends.
    """
    script = Path(sys.modules[work.__module__].__file__).stem
    os.umask(os.umask(0o022) | 0o022)  # what is made here, others may read at most
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a time limit ends a command as Ctrl-C does
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    ready_streams()
    began = time.monotonic()
    run = None
    try:
        values = variables.parse(script, doc, options, argv)
        run = begin(script, values, reads, brief)
        with db.explained():
            code = work(run)
        sys.stdout.flush()  # whoever asked is told before the record says done; a full disk under the output is a failure
        error = None
    except UserError as problem:
        code, error = problem.code, str(problem)
        print(f"{script}: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        for again in (signal.SIGINT, signal.SIGTERM):
            signal.signal(again, signal.SIG_IGN)  # pressed twice: the end of the run is still put on record
        code, error = 130, "interrupted"
        print(f"{script}: interrupted. What was finished is kept; type the command again to go on.", file=sys.stderr)
    except BrokenPipeError:
        code, error = 1, GONE
    except OSError as problem:
        code, error = 1, explain(problem)
        print(f"{script}: {error}", file=sys.stderr)
    except Exception as problem:
        import traceback
        code, error = 1, f"{type(problem).__name__}: {problem}"
        traceback.print_exc()
    discard_unwritten()
    return close(run, code, error, time.monotonic() - began)


def ready_streams() -> None:
    """A sign that the terminal can't show is a question mark, and a stream that was closed is one into nothing: neither is a failure."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def discard_unwritten() -> None:
    """What stdout could not take has been told of: Python would fail once more over it, with an exit code of its own."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def sweep_temporary(prefix: str) -> None:
    """Remove what killed commands of ours left in the folder for temporary files: folders whose name is the prefix, the process and a dash."""
    import shutil
    import tempfile
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        pid = folder.name.removeprefix(prefix).partition("-")[0]
        if pid.isdigit() and folder.stat().st_uid == os.getuid() and not process_start(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def leave(code: int) -> None:
    """End the process without the garbage collector's last rounds: they look at every object of pandas and scikit-learn, for a fifth of a second."""
    gc.freeze()
    sys.exit(code)


def explain(problem: OSError) -> str:
    where = f": {problem.filename}" if problem.filename else ""
    return f"{problem.strerror or problem}{where}. Nothing was taken in halfway; put it right and type the command again."


def begin(script: str, values: dict[str, str], reads: bool, brief: bool) -> Run:
    if not (ROOT / ".git").exists():
        raise UserError(f"{ROOT} is not a git repository. Make it one with: git init && git add -A && git commit -m start")
    scripts = ROOT / "scripts"
    files.refuse_open(ROOT, *(ROOT / name for name in GUARDED), *scripts.glob("*.*"), *scripts.glob("lib/*.py"))
    row = {"uuid": new_uuid(), "script": script, "started": clock.now(), "trigger": "cron" if os.environ.get("TRIGGER") == "cron" else "manual",
           "user": user_name(), "host": os.uname().nodename, "pid": os.getpid(), "pid_started": process_start(os.getpid())}
    if NAME.match(values.get("MODEL", "")) and files.ModelPaths(ROOT, values["MODEL"]).config.is_file():
        row["model"] = values["MODEL"]
    state = None if reads else git.State(ROOT)
    connection, run_id = (open_to_read(ROOT / "metrics.db"), None) if brief else open_record(ROOT / "metrics.db", {**row, "status": "running"}, reads)
    return Run(ROOT, script, values, connection, run_id, row["uuid"], row["user"], row["host"], row["trigger"], row if run_id is None else {}, state)


def new_uuid() -> str:
    """As uuid.uuid4().hex, whose module takes longer to import than all of ours."""
    bits = int.from_bytes(os.urandom(16), "big")
    return f"{bits & ~(0xF << 76 | 0x3 << 62) | 4 << 76 | 2 << 62:032x}"


def user_name() -> str:
    for name in ("LOGNAME", "USER"):
        if os.environ.get(name):
            return os.environ[name]
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user without a name, as in a container
        return str(os.getuid())


def open_record(path: Path, row: dict, reads: bool) -> tuple[sqlite3.Connection, int | None]:
    """The database with the run's row in it. A reader who can't write at once (permissions, a lock, a full disk) reads without one."""
    try:
        connection = open_to_read(path) if reads else db.connect(path)
        return connection, add_row(connection, row)
    except Failed:
        if not reads or not path.exists():
            raise
        return db.connect_read_only(path), None


def open_to_read(path: Path) -> sqlite3.Connection:
    """The database for a command that only looks: whoever can't write it now (permissions, a lock, a full disk) can look all the same."""
    try:
        if path.exists() and not os.access(path, os.W_OK):
            return db.connect_read_only(path)
        return db.connect(path, READER_WAIT)
    except Failed:
        if not path.exists():
            raise
        return db.connect_read_only(path)


def add_row(connection: sqlite3.Connection, row: dict) -> int:
    with db.transaction(connection):
        mark_killed(connection, row["host"])
        return db.insert(connection, "runs", **row)


def mark_killed(connection: sqlite3.Connection, host: str) -> None:
    """A run whose process is gone did not get to say how it ended."""
    for row in db.open_runs(connection, host):
        if process_start(row["pid"]) != row["pid_started"]:
            db.update_run(connection, row["id"], status="killed", error="the process died before it could say why")


def process_start(pid: int) -> int:
    """When the process started, in clock ticks since boot; 0 if there is none, or only its remains."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return 0 if state in "ZX" else int(fields[18])
    except (OSError, IndexError):
        return 0


def close(run: Run | None, code: int, error: str | None, seconds: float) -> int:
    if run is None:
        return code
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    end = {"ended": clock.now(), "seconds": seconds, "status": "interrupted" if error == GONE else STATUS.get(code, "failed"), "exit_code": code, "error": error, "peak_memory_mb": peak}
    try:
        run.db.rollback()  # what an interrupt left open would take this row with it
        if run.id is None:
            with contextlib.suppress(Failed):  # a reader who may not write, or not now, goes without a row
                add_row(run.db, {**run.noted, **end})
        else:
            run.record(**end)
    except (sqlite3.Error, UserError) as problem:
        print(f"{run.script}: the end of this run could not be written to metrics.db: {problem}.", file=sys.stderr)
        code = code or 1
    run.db.close()
    return code
