"""The only code that starts git and git-lfs: what it says of tags, files and remotes; making a tag, pushing and fetching it."""
import contextlib
import hashlib
import os
import re
import subprocess
import time
from datetime import datetime
from pathlib import Path

from lib.errors import Failed, UserError
from lib.record import Record

# Given on every call, so that neither a missing `git lfs install` nor a foreign git config can store a binary as a plain blob.
LFS = {"filter.lfs.clean": "git-lfs clean -- %f", "filter.lfs.smudge": "git-lfs smudge -- %f",
       "filter.lfs.process": "git-lfs filter-process", "filter.lfs.required": "true"}
OPTIONS = [part for key, value in LFS.items() for part in ("-c", f"{key}={value}")] + [
    "-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false", "-c", "lfs.dialtimeout=10", "-c", "lfs.activitytimeout=30"]
KEPT = re.compile(r"GIT_(SSH|SSL|ASKPASS|CONFIG_GLOBAL|CONFIG_SYSTEM|CONFIG_NOSYSTEM|AUTHOR|COMMITTER|TRACE|EXEC_PATH)")
STALE = 2  # seconds after which a lock file of git's is a dead one's
REMOTES = re.compile(rb"\[\s*(remote|include)|worktreeconfig", re.I)  # what a remote's address needs in the repository's config
PUSHED = "refs/lean/pushed/"  # below it, for each remote address, a ref for each tag that is there


class Tag(Record):
    name: str
    object: str
    commit: str
    message: str


def environment(**extra: str) -> dict[str, str]:
    """The caller's environment without what a hook leaks (GIT_DIR, GIT_INDEX_FILE, …), and never a password prompt."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or KEPT.match(key)}
    kept.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=10")
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C.UTF-8", **extra}


def run(root: Path, *arguments: str, stdin: bytes | None = None, env: dict | None = None, timeout: float | None = None) -> bytes:
    """What the git command prints; Failed with its own words when it does not succeed."""
    with start(root, *arguments, stdin=stdin is not None, env=env) as process:
        try:
            out, words = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Failed(f"git {arguments[0]} gave no answer in {timeout:.0f} seconds.") from None
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise explain(root, arguments, process.returncode, words.decode(errors="replace"))
    return out


def start(root: Path, *arguments: str, stdin: bool = False, env: dict | None = None) -> subprocess.Popen:
    try:
        return subprocess.Popen(["git", *OPTIONS, *arguments], cwd=root, env=env or environment(), stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError:
        raise Failed("git is not installed. Install it with: sudo apt-get install git git-lfs") from None


def ask(root: Path, *arguments: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a git command whose exit code is its answer."""
    with start(root, *arguments) as process:
        out, words = process.communicate()
    return process.returncode, out.decode(errors="replace"), words.decode(errors="replace")


def explain(root: Path, arguments, code: int, stderr: str) -> UserError:
    if "dubious ownership" in stderr:
        import shlex
        return UserError(f"{root} belongs to another user, so git refuses it. If you trust it: git config --global --add safe.directory {shlex.quote(str(root))}")
    if "not a git repository" in stderr:
        return UserError(f"{root} is not a git repository. Make it one with: git init && git add -A && git commit -m start")
    if "git-lfs" in stderr and "not found" in stderr or "'lfs' is not a git command" in stderr:
        return Failed("git-lfs is not installed. Install it with: sudo apt-get install git-lfs")
    lines = [line for line in stderr.strip().splitlines() if line.strip()] or ["it said nothing"]
    telling = next((line for line in lines if line.startswith("fatal: ")), lines[-1])  # advice may follow it
    return Failed(f"git {' '.join(arguments[:2])} failed ({code}): {telling.strip()}")


def line(root: Path, *arguments: str, **options) -> str:
    return run(root, *arguments, **options).decode().strip()


def folder(root: Path) -> Path:
    """The repository's own folder, shared by its worktrees."""
    if (root / ".git").is_dir():
        return root / ".git"
    return (root / line(root, "rev-parse", "--git-common-dir")).resolve()


def head(root: Path) -> str | None:
    """HEAD's commit, or None in a repository without one."""
    with contextlib.suppress(Failed):
        return line(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return None


class State:
    """HEAD's commit and whether tracked files differ from it, asked in a process beside ours: `columns` waits for the answer."""

    def __init__(self, root: Path):
        self.asked = start(root, "status", "--porcelain=v2", "--branch", "--no-ahead-behind", "--untracked-files=no")

    def columns(self) -> dict:
        """For a run's row; nothing where git gives no answer."""
        out = self.asked.communicate()[0].decode(errors="replace")
        commit = re.search(r"^# branch\.oid ([0-9a-f]{40,64})$", out, re.M)
        return {} if self.asked.returncode else {"git_commit": commit and commit[1], "dirty": any(not row.startswith("#") for row in out.splitlines())}


def tags(root: Path, prefix: str) -> list[Tag]:
    """The annotated tags below a prefix, oldest first by the number at their end."""
    form = "%(refname:strip=2)%00%(objectname)%00%(*objectname)%00%(contents)%00%01"
    out = run(root, "for-each-ref", f"--format={form}", f"refs/tags/{prefix}").decode(errors="replace")
    found = [Tag(*entry.lstrip("\n").split("\0")[:4]) for entry in out.split("\0\1") if entry.strip()]
    return sorted(found, key=lambda tag: [int(part) if part.isdigit() else 0 for part in re.findall(r"\d+\Z", tag.name)])


def tagged(root: Path) -> set[str]:
    """The first parts of all tags' names, read from git's files: no process, for whoever has to be fast."""
    refs = folder(root)
    packed = refs / "packed-refs"
    loose = {path.name for path in (refs / "refs/tags").glob("*/")}
    return loose | set(re.findall(r" refs/tags/([^/\n]+)/", packed.read_text(errors="replace") if packed.exists() else ""))


def remove_stale_locks(*locks: Path) -> None:
    """Remove what a killed git left, once it is too old to be anyone's: git holds such a lock for milliseconds, and refuses a left one for ever."""
    for lock in locks:
        with contextlib.suppress(FileNotFoundError):
            while (age := time.time() - lock.stat().st_mtime) < STALE:
                time.sleep(min(STALE - age, STALE))
            lock.unlink()


def add_tag(root: Path, name: str, commit: str, message: str) -> Tag:
    """An annotated tag, with all it points to on the disk before the name exists and the name before this returns. Only under the model's lock."""
    sync(root)
    remove_stale_locks(*(folder(root) / "refs/tags" / name).parent.glob("*.lock"))
    run(root, "tag", "--annotate", "--no-sign", "--cleanup=verbatim", "--file=-", name, commit, stdin=message.encode(), env=environment(**identity(root)))
    sync(root)
    return Tag(name, "", commit, message)


def identity(root: Path) -> dict[str, str]:
    """Who commits, where git has nobody configured (a fresh VM, a cron job)."""
    try:
        line(root, "var", "GIT_COMMITTER_IDENT", env=environment())
        return {}
    except UserError:
        return {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in (("NAME", "lean mlops"), ("EMAIL", "lean-mlops@localhost"))}


def read_blobs(root: Path, names: list[str], env: dict | None = None) -> dict[str, bytes | None]:
    """The content of each named object (`tag:path`), None where there is none; one process for all."""
    out = run(root, "cat-file", "--batch", stdin="".join(f"{name}\n" for name in names).encode(), env=env)
    blobs, position = {}, 0
    for name in names:
        end = out.index(b"\n", position)
        header, position = out[position:end], end + 1
        blobs[name] = None
        if not header.endswith(b" missing"):
            size = int(header.split()[-1])
            blobs[name], position = out[position:position + size], position + size + 1
    return blobs


def has_object(root: Path, name: str) -> bool:
    return ask(root, "cat-file", "-e", name)[0] == 0


def tag_names(root: Path) -> list[str]:
    return line(root, "for-each-ref", "--format=%(refname:strip=2)", "refs/tags").splitlines()


def diff_stat(root: Path, old: str, new: str, paths: list[str]) -> str:
    """Which of the files differ between two tags, and by how many lines; empty if none does."""
    return run(root, "diff", "--stat=96", "--no-color", "--no-ext-diff", f"refs/tags/{old}", f"refs/tags/{new}", "--", *paths).decode(errors="replace")


def list_files(root: Path, tag: str, below: str) -> list[str]:
    return [name for name in run(root, "ls-tree", "-r", "-z", "--name-only", tag, "--", below).decode().split("\0") if name]


def tree(root: Path, tag: str, belows: list[str]) -> dict[str, bytes | None]:
    """Each file below these folders of a tag with its blob: of a file in Git LFS, its pointer. None where the blob is lost."""
    names = [name for below in belows for name in list_files(root, tag, below)]
    return {name: blob for name, blob in zip(names, read_blobs(root, [f"{tag}:{name}" for name in names]).values())}


def fsck(root: Path) -> list[str]:
    """What git finds missing or damaged among all its objects."""
    code, out, words = ask(root, "fsck", "--no-dangling", "--no-progress")
    told = [line for line in (out + words).splitlines() if line.startswith(("missing", "broken", "error", "fatal"))]
    return told or ([f"git fsck exited {code}"] if code else [])


def setting(root: Path, name: str) -> str:
    """A value of git's configuration, empty where there is none."""
    return ask(root, "config", "--get", name)[1].strip()


def sync(root: Path) -> None:
    """Flush the repository's file system: git and git-lfs leave their files in memory (git-lfs never calls fsync)."""
    subprocess.run(["sync", "-f", str(folder(root))], check=True, stdin=subprocess.DEVNULL)


class Remote(Record):
    name: str
    pushed: str  # the folder of refs that stand for what is there


def remote(root: Path) -> Remote | None:
    """`origin`, else the only remote there is."""
    with contextlib.suppress(OSError):  # most often one look at the file spares a process
        if not REMOTES.search((folder(root) / "config").read_bytes()):
            return None
    found = remotes(root)
    name = "origin" if "origin" in found else next(iter(found)) if len(found) == 1 else None
    return Remote(name, f"{PUSHED}{hashlib.sha256(found[name].encode()).hexdigest()[:12]}/") if name else None


def remotes(root: Path) -> dict[str, str]:
    """Each remote's address."""
    try:
        rows = line(root, "config", "--local", "--includes", "--get-regexp", r"^remote\..*\.url$").splitlines()
    except Failed:  # exit code 1: there is none
        return {}
    return {name.removeprefix("remote.").removesuffix(".url"): url for name, _, url in (row.partition(" ") for row in rows)}


def unpushed(root: Path, to: Remote, prefix: str) -> dict[str, datetime]:
    """Tags below a prefix that the remote is not known to have, and when each was made."""
    out = line(root, "for-each-ref", "--format=%(refname) %(creatordate:iso-strict)", f"refs/tags/{prefix}", f"{to.pushed}{prefix}").splitlines()
    made = {name: when for name, _, when in (row.partition(" ") for row in out)}
    return {name.removeprefix("refs/tags/"): datetime.fromisoformat(when) for name, when in made.items()
            if name.startswith("refs/tags/") and f"{to.pushed}{name.removeprefix('refs/tags/')}" not in made}


def unlike_pushed(root: Path, prefix: str) -> list[str]:
    """Tags below a prefix that are not what was pushed under their name."""
    rows = [row.split() for row in line(root, "for-each-ref", "--format=%(objectname) %(refname)", f"refs/tags/{prefix}", PUSHED).splitlines()]
    here = {name.removeprefix("refs/tags/"): made for made, name in rows if name.startswith("refs/tags/")}
    there = {(name.removeprefix(PUSHED).partition("/")[2], made) for made, name in rows if name.startswith(PUSHED)}
    return sorted({name for name, made in there if here.get(name, made) != made})


def push(root: Path, to: Remote, names: list[str]) -> None:
    """Upload the tags' Git LFS objects, then the tags: whoever sees a tag can have its files. All of them or none. Raises Failed."""
    run(root, "lfs", "push", to.name, *names, timeout=3600)
    run(root, "push", "--quiet", "--atomic", "--no-verify", to.name, *(f"refs/tags/{name}" for name in names), timeout=600)


def note_pushed(root: Path, to: Remote, names: list[str]) -> None:
    """That the remote has these tags."""
    remove_stale_locks(*(folder(root) / to.pushed).rglob("*.lock"))
    run(root, "update-ref", "--stdin", stdin="".join(f"update {to.pushed}{name} refs/tags/{name}\n" for name in names).encode())


def tag_objects(root: Path, prefix: str) -> dict[str, str]:
    rows = line(root, "for-each-ref", "--format=%(refname:strip=2) %(objectname)", f"refs/tags/{prefix}").splitlines()
    return dict(row.split() for row in rows)


def remote_tags(root: Path, source: str, prefix: str, timeout: float = 120) -> dict[str, str]:
    """The tag objects that the remote has below a prefix, asked now. Failed if it can't be reached."""
    rows = line(root, "ls-remote", "--refs", source, f"refs/tags/{prefix}*", timeout=timeout).splitlines()
    return {name.removeprefix("refs/tags/"): commit for commit, name in (row.split("\t") for row in rows)}


def fetch_tags(root: Path, source: Remote) -> None:
    run(root, "fetch", "--quiet", "--no-write-fetch-head", source.name, "refs/tags/*:refs/tags/*", timeout=600)
