"""The bare repository of a backup: every branch and tag, pushed so that bytes are copied; and what is missing, fetched back from it."""
import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from lib import copying, git
from lib.errors import Failed, Refused

# No housekeeping of git's own goes on behind a backup that is just being verified, and the newest state of a branch is taken as it is.
SETTINGS = {"gc.auto": "0", "receive.autogc": "false", "receive.denyNonFastForwards": "false", "receive.denyDeletes": "true"}

MOST_REFS = 500  # on one command line


def refs(folder: Path, *patterns: str) -> dict[str, str]:
    out = git.line(folder, "for-each-ref", "--format=%(refname) %(objectname)", *patterns)
    return dict(row.split(" ") for row in out.splitlines())


def changes(root: Path, bare: Path) -> dict[str, str]:
    """The branches and tags that the backup does not have, or has elsewhere. Refused if it has another tag of the same name."""
    prepare(bare)
    theirs, ours = refs(bare), refs(root, "refs/heads", "refs/tags")
    other = [name for name in ours if name.startswith("refs/tags/") and theirs.get(name, ours[name]) != ours[name]]
    if other:
        raise Refused(f"the backup's tag {other[0].removeprefix('refs/tags/')} is another than the one here: it was moved here, or this is the backup of another project. "
                      "Nothing was changed there; name another folder with TO=.")
    return {name: commit for name, commit in ours.items() if theirs.get(name) != commit}


def push(root: Path, bare: Path, changed: dict[str, str]) -> None:
    """Bring them there, as they were when they were listed, and what they refer to."""
    specs = [f"+{commit}:{name}" for name, commit in changed.items()]
    for begin in range(0, len(specs), MOST_REFS):
        git.run(root, "push", "--quiet", "--no-verify", "--no-signed", str(bare), *specs[begin:begin + MOST_REFS])
    follow_head(root, bare)


def prepare(bare: Path) -> None:
    """Make the bare repository where there is none; clear what a killed push left in it. Only under the backup's lock."""
    if not (bare / "HEAD").exists():
        git.run(bare.parent, "init", "--quiet", "--bare", "--template=", str(bare))
    for key, value in SETTINGS.items():
        git.run(bare, "config", key, value)
    for leftover in (*bare.glob("objects/tmp_objdir-*"), *bare.glob("objects/incoming-*")):
        shutil.rmtree(leftover)
    for leftover in (*bare.glob("*.lock"), *bare.glob("refs/**/*.lock")):
        leftover.unlink()


def follow_head(root: Path, bare: Path) -> None:
    """A clone of the backup checks out what is checked out here."""
    branch, commit = current_branch(root), git.head(root)
    if branch and git.line(bare, "symbolic-ref", "HEAD") != f"refs/heads/{branch}":
        git.run(bare, "symbolic-ref", "HEAD", f"refs/heads/{branch}")
    elif commit and not branch:  # detached: the commit gets a branch of its own, so that a clone has somewhere to stand
        git.run(root, "push", "--quiet", "--no-verify", "--no-signed", "--force", str(bare), f"{commit}:refs/heads/detached-head")
        git.run(bare, "symbolic-ref", "HEAD", "refs/heads/detached-head")


def current_branch(root: Path) -> str | None:
    try:
        return git.line(root, "symbolic-ref", "--quiet", "--short", "HEAD")
    except Failed:  # exit code 1: HEAD is detached
        return None


def check(bare: Path) -> None:
    """git's own check of every object. Refused with git's words if one is damaged."""
    try:
        git.run(bare, "fsck", "--full", "--no-dangling", "--no-progress")
    except Failed as error:
        raise Refused(f"{bare} is damaged: {error} Move it away and make the backup again.") from None


def fetch(root: Path, bare: Path) -> tuple[list[str], list[str], list[str]]:
    """Bring the tags and branches that are missing here. Returns the names of the new tags, of the new branches, and of tags that differ."""
    theirs, ours = refs(bare, "refs/heads", "refs/tags"), refs(root, "refs/heads", "refs/tags")
    missing = [name for name in theirs if name not in ours]
    different = [name for name in theirs if name.startswith("refs/tags/") and ours.get(name, theirs[name]) != theirs[name]]
    if missing:
        git.run(root, "fetch", "--quiet", "--no-write-fetch-head", "--no-tags", "--update-head-ok", "--stdin", str(bare), stdin="".join(f"{name}:{name}\n" for name in missing).encode())
    return ([name.removeprefix("refs/tags/") for name in missing if name.startswith("refs/tags/")],
            [name.removeprefix("refs/heads/") for name in missing if name.startswith("refs/heads/")], [name.removeprefix("refs/tags/") for name in different])


def own_objects(root: Path, bare: Path) -> None:
    """`git clone` of a path shares its files with the backup, as hard links; damage to one would be damage to both."""
    objects = git.folder(root) / "objects"
    for path in objects.rglob("*"):
        twin = bare / "objects" / path.relative_to(objects)
        if path.is_file() and path.stat().st_nlink > 1 and twin.is_file() and path.samefile(twin):
            copying.copy(path, path)
            path.chmod(0o444)


def local_store(root: Path, url: str) -> Path | None:
    """Where a remote at a path of this machine keeps its Git LFS objects; None: it is elsewhere."""
    folder = root / url.removeprefix("file://")
    if not folder.is_dir():
        return None
    return (folder / ".git" if (folder / ".git").is_dir() else folder) / "lfs" / "objects"


def without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=re.sub(r":[^@]*@", "@", parts.netloc))) if parts.password else url


def leave(root: Path, bare: Path, recorded: dict[str, str]) -> str | None:
    """A clone of the backup must not push into it: its remote becomes the one recorded, or goes. Says what was done; None: nothing."""
    for name, url in git.remotes(root).items():
        if Path(url.removeprefix("file://")).resolve() != bare.resolve():
            continue
        if name in recorded:
            git.run(root, "remote", "set-url", name, recorded[name])
            return f"the remote {name} was the backup; it is {recorded[name]} again"
        git.run(root, "remote", "remove", name)
        return f"the remote {name}, which was the backup, is removed: versions are not to be pushed into a backup"
    return None
