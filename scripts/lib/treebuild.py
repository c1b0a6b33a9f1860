"""A version's commit and its tag, from the working tree: built in an index apart from the user's, so that no branch and no staged work is touched."""
import contextlib
import os
import time
from pathlib import Path

from lib import files, git, lfs
from lib.errors import Failed

# What a repository without a commit has of the project; anything else that lies there may be a secret.
PROJECT = (".gitattributes", ".gitignore", ".ci", "Makefile", "README.md", "crontab.txt", "requirements.txt", "scripts", "tests")


def add_version(root: Path, tag: str, message: str, paths: list[str], contents: dict[str, str], copies: dict[str, str | None], before: str | None = None) -> git.Tag:
    """Publish the working tree's code and the given paths as an annotated tag on top of HEAD; touches no branch and no index.

    contents: path -> sha256 of what must be in Git LFS; raises Failed, before the tag exists, if one is not. before: a tag that
    may have some of it: what it has is not read again, so that a version costs what is new in it. copies: path -> which of the
    paths it is to be the same as, or None that it is not to be there, whatever lies there in the working tree by now.
    """
    base = git.head(root)
    with private_index(root, tag.partition("/")[0]) as index:
        env = git.environment(GIT_INDEX_FILE=str(index), **git.identity(root))
        if base:
            git.run(root, "read-tree", base, env=env)
            git.run(root, "add", "-u", env=env)
        else:
            git.run(root, "add", "--", *(name for name in PROJECT if (root / name).exists()), env=env)
        known = stored_already(root, before, contents) if before else {}
        git.run(root, "add", "-f", "--pathspec-from-file=-", "--pathspec-file-nul", stdin="\0".join(path for path in paths if path not in known).encode(), env=env)
        entries = dict(reversed(entry.split("\t")) for entry in git.run(root, "ls-files", "-s", "-z", "--", *filter(None, copies.values()), env=env).decode().split("\0")[:-1])
        gone = "0 " + "0" * len(next(iter(entries.values())).split()[1])  # mode 0 takes a path out of an index
        rows = [*known.values(), *(f"{entries[same] if same else gone}\t{path}" for path, same in copies.items())]
        git.run(root, "update-index", "-z", "--index-info", stdin="".join(f"{row}\0" for row in rows).encode(), env=env)
        check_pointers(root, contents, env)
        os.utime(index, (time.time() + 10,) * 2)  # files as young as the index would be read, and cleaned, once more
        tree = git.line(root, "write-tree", env=env)
        commit = git.line(root, "commit-tree", "--no-gpg-sign", *(["-p", base] if base else []), "-m", tag, tree, env=env)
    return git.add_tag(root, tag, commit, message)


def stored_already(root: Path, tag: str, contents: dict[str, str]) -> dict[str, str]:
    """Those paths whose pointer a tag has and whose Git LFS object is here, with their entry in the tag's tree."""
    rows = git.run(root, "ls-tree", "-r", "-z", f"refs/tags/{tag}", "--", "data").decode().split("\0")
    entries = {path: row for row in rows if (path := row.partition("\t")[2]) in contents}
    ids = {path: row.split()[2] for path, row in entries.items()}
    blobs = git.read_blobs(root, sorted(set(ids.values()))) if ids else {}
    pointers = {path: lfs.POINTER.match(blobs[made] or b"") for path, made in ids.items()}
    return {path: entries[path] for path, pointer in pointers.items() if pointer and pointer[1].decode() == contents[path] and lfs.whole(root, pointer)}


def check_pointers(root: Path, contents: dict[str, str], env: dict) -> None:
    """`git add` exits 0 even when it stored a whole binary: look at what it did store."""
    for path, blob in git.read_blobs(root, [f":{path}" for path in contents], env).items():
        pointer = lfs.POINTER.match(blob or b"")
        if not pointer or pointer[1].decode() != contents[path[1:]]:
            raise Failed(f"git stored {path[1:]} outside Git LFS. Is .gitattributes as it came with the project? See: git check-attr -a {path[1:]}")


@contextlib.contextmanager
def private_index(root: Path, model: str):
    """Where an index of ours goes, apart from the user's. Only under the model's lock."""
    sweep_index(root, model)
    place = git.folder(root) / f"lean-index-{model}"
    place.mkdir()
    try:
        yield place / "index"
    finally:
        sweep_index(root, model)


def sweep_index(root: Path, model: str) -> None:
    """Remove what a killed training left of its index. Only under the model's lock."""
    files.remove_folder(git.folder(root) / f"lean-index-{model}")
