"""A version trained again by the scripts of its own tag, in a repository of its own.

That repository borrows this one's objects, has no remote, and of the tags only those that the training needs. Of the
old code nothing is asked but its command line: train or retrain, with FORCE=1. So whatever the old code did is what
runs, and nothing that it does can reach this project's tags, metrics.db, logs or audit.
"""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lib import audit, git, lfs, runs, variables, versions
from lib.errors import Failed
from lib.files import ModelPaths
from lib.runs import Run
from lib.tags import Registry, Version

PREFIX = "lean-reproduce-"


@dataclass(frozen=True)
class Stage:
    """The repository for one training, and what is known of the first one."""

    paths: ModelPaths
    version: Version
    manifest: dict
    script: str
    there: frozenset[str]  # the tags it has


@contextlib.contextmanager
def stage(run: Run, paths: ModelPaths, known: Registry, version: Version) -> Iterator[Stage]:
    """Code, configuration and data as they were for the version; gone in the end, also after Ctrl-C."""
    manifest = versions.manifest_of(paths, version)
    script = manifest.get("script") or ("retrain" if manifest["holdout"].startswith("the newest ") else "train")
    there, needed = (frozenset({version.tag}), [version]) if script == "train" else before(known, version)
    lent, fetched = objects(paths, needed)
    runs.sweep_temporary(PREFIX)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    try:
        root = folder / "project"
        git.run(paths.root, "init", "--quiet", str(root))
        (root / ".git/objects/info/alternates").write_text(f"{git.folder(paths.root).resolve() / 'objects'}\n")
        refs = git.line(paths.root, "for-each-ref", "--format=create %(refname) %(objectname)", f"refs/tags/{paths.name}/").splitlines()
        git.run(root, "update-ref", "--stdin", stdin="".join(f"{line}\n" for line in refs if line.split()[1].removeprefix("refs/tags/") in there).encode())
        for oid, path in lent.items():
            place = lfs.object_path(root, oid)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(path)
        git.run(root, "checkout", "--quiet", "--detach", version.commit)
        if version.tag not in there:  # what is being made anew must not be there already
            shutil.rmtree(root / f"models/{paths.name}/v{version.number}")
        yield Stage(ModelPaths(root, paths.name), version, manifest, script, there)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        give_back(run, paths, known, fetched)


def before(known: Registry, version: Version) -> tuple[frozenset[str], list[Version]]:
    """What a retraining found: the tags that were there when it made the version, and of these versions the live and the newest one.

    A training by hand needs no more than its own version: of the one before it takes only where the holdout began, and
    that is the same in both.
    """
    order = [entry["tag"] for entry in map(json.loads, audit.in_chain_order(known.lines)) if "tag" in entry]
    there = frozenset(order[:order.index(version.tag)])
    live = [deployment.version for deployment in known.deployments if deployment.tag in there][-1:]
    newest = max(number for number, one in known.versions.items() if one.tag in there)
    return there, [version, *(known.versions[number] for number in {newest, *live})]


def objects(paths: ModelPaths, needed: list[Version]) -> tuple[dict[str, Path], set[str]]:
    """The Git LFS objects of the versions, and which of those that are pruned had to be fetched. Failed if one can't be had, or is damaged."""
    found, fetched, pruned = {}, set(), versions.pruned(paths)
    for version, (tag, wanted) in zip(needed, versions.objects_needed(paths.root, needed).items()):
        fetched |= versions.from_backup(paths, version, wanted.values())
        missing = [name for name, oid in wanted.items() if not lfs.sound(paths.root, oid)]
        if missing:
            lfs.fetch(paths.root, [tag], missing)
            fetched |= {wanted[name] for name in missing if version.number in pruned}
        for name, oid in wanted.items():
            lfs.open_object(paths.root, oid, name, tag).close()  # says what to do where it is not there
            found[oid] = lfs.object_path(paths.root, oid).resolve()
    return found, fetched


def give_back(run: Run, paths: ModelPaths, known: Registry, fetched: set[str]) -> None:
    """Remove what was fetched for pruned versions, which stay pruned; but not what another command has brought back meanwhile."""
    if not fetched:
        return
    with run.lock(paths):
        gone = versions.pruned(paths)
        wanted = versions.objects_needed(paths.root, [one for number, one in known.versions.items() if number not in gone])
        for oid in fetched - {oid for of_one in wanted.values() for oid in of_one.values()}:
            lfs.object_path(paths.root, oid).unlink(missing_ok=True)


def train(staged: Stage) -> Path:
    """Run the tag's own script; returns the folder of the version it made. Failed, with its last words, if it made none."""
    environment = {key: value for key, value in git.environment().items() if key not in ("TRIGGER", "WEBHOOK_URL")}
    went_by = staged.manifest.get("went_by", {})
    environment |= {**dict.fromkeys(variables.OPTIONS, ""), "MODEL": staged.paths.name, "FORCE": "1",
                    "LEAN_NOW": went_by.get("now", staged.manifest["created"]), "LEAN_SINCE_DROP": str(went_by.get("since_drop", 0))}
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([sys.executable, f"scripts/{staged.script}.py"], cwd=staged.paths.root, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=said, stderr=subprocess.PIPE, text=True, start_new_session=True)
        try:
            words = listen(process)
            process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):  # it and its workers
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stderr.close()
        said.seek(0)
        words = words if process.returncode and words else (said.read().strip().splitlines() or ["it said nothing"])[-1]
    made = [folder for folder in staged.paths.folder.glob("v*") if f"{staged.paths.name}/{folder.name}" not in staged.there]
    if not made:
        raise Failed(f"the training of {staged.version.tag} made no version this time (exit code {process.returncode}): {words}")
    return made[0]


def listen(process: subprocess.Popen) -> str:
    """Pass on how far it is; what else it says on stderr is of that repository, and of interest only if it fails."""
    last = ""
    for line in process.stderr:
        if line.startswith("search:"):
            print(line, end="", file=sys.stderr, flush=True)
        elif line.startswith(f"{Path(process.args[1]).stem}:"):
            last = line.strip()
    return last
