"""Versions and what is live. A version exists once its tag does; a switch of production is a tag too; the rest follows from the tags."""
import hashlib
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from lib import audit, db, files, git
from lib.errors import Failed, Refused, UserError
from lib.files import ModelPaths
from lib.runs import Run

VERSION_FOLDER = re.compile(r"v[1-9][0-9]*\Z")
STAGED = ".staged-"


@dataclass(frozen=True)
class Version:
    model: str
    number: int
    tag: str
    commit: str
    sha256: str
    manifest_sha256: str
    entry: dict  # the audit line that its tag carries

    @property
    def name(self) -> str:
        return f"{self.model} v{self.number}"


@dataclass(frozen=True)
class Deployment:
    number: int
    version: int
    replaced: int | None
    action: str
    tag: str
    entry: dict


@dataclass(frozen=True)
class Registry:
    """What the tags of one model say."""

    versions: dict[int, Version]
    deployments: list[Deployment]
    lines: list[bytes]  # the audit lines that the tags carry

    @property
    def newest(self) -> Version | None:
        return self.versions[max(self.versions)] if self.versions else None

    @property
    def live(self) -> Version | None:
        return self.versions[self.deployments[-1].version] if self.deployments else None

    def version(self, number: int, model: str) -> Version:
        if number not in self.versions:
            known = ", ".join(f"v{n}" for n in self.versions) or "none yet"
            raise UserError(f"there is no version v{number} of {model}. Known: {known}.")
        return self.versions[number]


def read(paths: ModelPaths) -> Registry:
    """The registry of a model as its tags have it; UserError names a tag that is not of our making."""
    versions, deployments, lines = {}, [], []
    for tag in git.tags(paths.root, f"{paths.name}/"):
        kind = tag.name.removeprefix(f"{paths.name}/")
        if not VERSION_FOLDER.match(kind) and not re.match(r"deploy-[1-9][0-9]*\Z", kind):
            continue
        carried = [line.encode() for line in tag.message.split("\n") if line.startswith("{")]
        try:
            entry = json.loads(carried[-1])
            if entry["tag"] != tag.name:
                raise UserError(f"the tag {tag.name} carries the record of {entry['tag']}: it was moved or copied. Remove it with: git tag -d {tag.name}")
            if kind.startswith("v"):
                versions[entry["version"]] = Version(paths.name, entry["version"], tag.name, tag.commit, entry["sha256"], entry["manifest"], entry)
            else:
                deployments.append(Deployment(entry["deployment"], entry["version"], entry["replaced"], entry["event"], tag.name, entry))
        except (IndexError, KeyError, ValueError):
            raise UserError(f"the tag {tag.name} was not made by these scripts. Names below {paths.name}/ are theirs; remove it with: git tag -d {tag.name}") from None
        lines += carried
    deployments.sort(key=lambda deployment: deployment.number)
    for deployment in deployments:
        if deployment.version not in versions:
            raise Refused(f"the tag {paths.name}/v{deployment.version} is gone, which {deployment.tag} refers to. Bring it back from where it was pushed: "
                          f"git fetch origin tag {paths.name}/v{deployment.version}")
    return Registry(dict(sorted(versions.items())), deployments, lines)


def settle(run: Run, paths: ModelPaths) -> Registry:
    """Finish or sweep up what an earlier command left half done, and return the registry. Only under the model's lock."""
    registry = read(paths)
    sweep(paths, registry)
    complete_audit(paths, registry)
    complete_record(run, registry)
    complete_production(paths, registry)
    complete_parts(paths, registry)
    return registry


def sweep(paths: ModelPaths, registry: Registry) -> None:
    """Remove version folders that never got their tag, and temporary files."""
    files.sweep_temporaries(paths.folder)
    for folder in paths.folder.iterdir():
        untagged = VERSION_FOLDER.match(folder.name) and int(folder.name[1:]) not in registry.versions
        if untagged or folder.name.startswith(STAGED):
            files.remove_folder(folder)


def complete_audit(paths: ModelPaths, registry: Registry) -> None:
    known = set(audit.lines(paths.audit))
    missing = [line for line in registry.lines if line not in known]
    if missing:
        audit.append(paths.audit, audit.in_chain_order(missing) if not known else sorted(missing, key=lambda line: json.loads(line)["time"]))


def complete_record(run: Run, registry: Registry) -> None:
    """Rows for the versions and deployments that metrics.db does not have."""
    model = next(iter(registry.versions.values())).model if registry.versions else None
    if model is None:
        return
    rows = {row["version"]: row for row in db.versions(run.db, model)}
    switched = {row["deployment"] for row in db.deployments(run.db, model)}
    for version in registry.versions.values():
        row = rows.get(version.number)
        if row and (row["sha256"], row["manifest_sha256"]) != (version.sha256, version.manifest_sha256):
            raise Refused(f"metrics.db and the tag {version.tag} disagree on what {version.name} is: one of them was changed. If the tag is right, move metrics.db away; it is rebuilt from the tags.")
    with db.transaction(run.db):
        for version in registry.versions.values():
            if version.number not in rows:
                add_version_row(run, version)
        for deployment in registry.deployments:
            if deployment.number not in switched:
                e = deployment.entry
                db.insert(run.db, "deployments", model=model, deployment=deployment.number, version=deployment.version, replaced=deployment.replaced,
                          action=deployment.action, time=e["time"], user=e["user"], host=e["host"], reason=e["reason"], run_uuid=e["run"], tag=deployment.tag)


def add_version_row(run: Run, version: Version) -> None:
    e = version.entry
    run_id = db.run_by_uuid(run.db, e["run"]) or db.insert(
        run.db, "runs", uuid=e["run"], script="train", model=version.model, started=e["time"], ended=e["time"], status="done", exit_code=0,
        trigger=e["trigger"], user=e["user"], host=e["host"], pid=0, pid_started=0, git_commit=version.commit)
    db.insert(run.db, "versions", model=version.model, version=version.number, run_id=run_id, created=e["time"], tag=version.tag, sha256=version.sha256,
              manifest_sha256=version.manifest_sha256, estimator=e["estimator"], metric=e["metric"], value=e["value"], low=e["low"], high=e["high"],
              greater_is_better=int(e["greater_is_better"]), train_rows=e["train_rows"], holdout_rows=e["holdout_rows"], why=e["why"])
    db.name_version(run.db, run_id, version.number)


def complete_production(paths: ModelPaths, registry: Registry) -> None:
    """Point `production` at what the last deployment's tag says, where a crash came between the two."""
    if not registry.deployments:
        return
    last, pointed = registry.deployments[-1], live_number(paths)
    if pointed == last.version and paths.version(last.version).is_dir():
        return
    if pointed not in (last.version, last.replaced, None):
        raise Refused(f"models/{paths.name}/production points to v{pointed}, but the last deployment on record ({last.tag}) made v{last.version} live. "
                      f"Put it back with: ln -sfn v{last.version} models/{paths.name}/production")
    ensure_folder(paths, registry.versions[last.version])
    files.point(paths.production, f"v{last.version}")


def complete_parts(paths: ModelPaths, registry: Registry) -> None:
    """Bring back training parts that the newest version was trained on and that are gone, as after `git checkout` of a tag and back."""
    if registry.newest is None:
        return
    wanted = parts_of(paths, registry.newest)
    absent = {name for name in wanted if not (paths.train / name).exists()}
    if absent:
        restore_parts(paths, registry.newest, absent)


def parts_of(paths: ModelPaths, version: Version) -> dict[str, str]:
    """The parts that a version was trained on, with their sha256."""
    return read_manifest(ensure_folder(paths, version), version)["inputs"]["parts"]


def restore_parts(paths: ModelPaths, version: Version, names: set[str]) -> None:
    """Write the parts as the version's tag has them. Failed if one comes back damaged."""
    paths.train.mkdir(parents=True, exist_ok=True)
    wanted = parts_of(paths, version)
    for name, source in git.read_tagged(paths.root, version.tag, f"data/{paths.name}/train/"):
        if Path(name).name in names:
            with files.replacing(paths.train / Path(name).name, "wb") as file:
                shutil.copyfileobj(source, file)
    for name in names:
        if not (paths.train / name).exists() or files.sha256(paths.train / name) != wanted[name]:
            raise Failed(f"{paths.train / name} could not be brought back: its Git LFS object is not what {version.tag} says. Fetch it again with: git lfs fetch --all")


def live_number(paths: ModelPaths) -> int | None:
    """The number of the version that `production` points to; None if it points nowhere. UserError if it is not our link."""
    try:
        target = os.readlink(paths.production)
    except FileNotFoundError:
        return None
    except OSError:
        raise UserError(f"{paths.production} is not a symbolic link. Move it away; the next command makes it anew.") from None
    if not VERSION_FOLDER.match(target):
        raise UserError(f"{paths.production} points to {target!r}, which is no version. Remove it; the next command makes it anew.")
    return int(target[1:])


def ensure_folder(paths: ModelPaths, version: Version) -> Path:
    """The version's folder, brought back from its tag if it is not there."""
    folder = paths.version(version.number)
    if not folder.is_dir():
        staged = paths.folder / f"{STAGED}v{version.number}"
        files.remove_folder(staged)
        staged.mkdir()
        for name, source in git.read_tagged(paths.root, version.tag, f"models/{paths.name}/v{version.number}/"):
            (staged / Path(name).name).write_bytes(source.read())
        verify_folder(staged, version)
        files.publish_folder(staged, folder)
    return folder


def read_manifest(folder: Path, version: Version) -> dict:
    """The manifest, once its sha256 is what the tag says; Refused otherwise."""
    try:
        content = (folder / "manifest.json").read_bytes()
    except OSError as error:
        raise Refused(f"{folder / 'manifest.json'} can't be read ({error.strerror}). {bring_back(folder, version)}") from None
    if hashlib.sha256(content).hexdigest() != version.manifest_sha256:
        raise Refused(f"{folder / 'manifest.json'} is not what the tag {version.tag} says: it was changed. {bring_back(folder, version)}")
    return json.loads(content)


def read_verified(folder: Path, version: Version, manifest: dict, name: str) -> bytes:
    """A version's file, once the sha256 of exactly these bytes is what the manifest says; Refused otherwise."""
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise Refused(f"{folder / name} can't be read ({error.strerror}). {bring_back(folder, version)}") from None
    if git.POINTER.match(content):
        raise Refused(f"{folder / name} is a Git LFS pointer, not the file. Run: git lfs pull")
    if hashlib.sha256(content).hexdigest() != manifest["files"].get(name):
        raise Refused(f"{folder / name} is not what the tag {version.tag} says: it was changed or damaged. {bring_back(folder, version)}")
    return content


def bring_back(folder: Path, version: Version) -> str:
    return f"Bring it back with: rm -r models/{version.model}/{folder.name} && make restore MODEL={version.model}"


def verify_folder(folder: Path, version: Version) -> dict:
    """The manifest of a version all of whose files are as its tag says; Refused names the first that is not."""
    manifest = read_manifest(folder, version)
    for name, expected in manifest["files"].items():
        path = folder / name
        if not path.is_file() or files.sha256(path) != expected:
            read_verified(folder, version, manifest, name)  # says what is wrong with it
    return manifest


def next_number(run: Run, registry: Registry, model: str) -> int:
    """One more than any version that ever was, also where a tag has been deleted since."""
    return max([0, *registry.versions, *(row["version"] for row in db.versions(run.db, model))]) + 1


def publish(run: Run, paths: ModelPaths, number: int, staged: Path, facts: dict, extra: list[str]) -> Version:
    """Make the staged folder the version `number`: its place, then its tag, then the record. extra: further paths to tag along."""
    folder = paths.version(number)
    files.publish_folder(staged, folder)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    tag = f"{paths.name}/v{number}"
    line = audit.entry(paths.audit, run, "register", tag=tag, version=number, sha256=manifest["files"]["model.joblib"],
                       manifest=files.sha256(folder / "manifest.json"), **facts)
    inside = f"models/{paths.name}/v{number}"
    stored = {f"{inside}/{name}": manifest["files"][name] for name in ("model.joblib", "holdout.csv")}
    stored |= {f"data/{paths.name}/train/{part['name']}": part["sha256"] for part in manifest["parts"]}
    git.configure_lfs(paths.root)
    git.add_version(paths.root, tag, message(tag, paths, line), [inside, *stored, *extra], stored)
    return settle(run, paths).versions[number]


def message(tag: str, paths: ModelPaths, line: bytes) -> str:
    """A tag's text: its name for people, then the audit lines since the last tag, its own last."""
    carried = [*audit.since_last_tag(paths.audit), line]
    return f"{tag}\n\n" + "".join(text.decode() + "\n" for text in carried)


def switch(run: Run, paths: ModelPaths, registry: Registry, version: Version, action: str, reason: str) -> Deployment:
    """Make a verified version live: the tag decides, the link and the record follow."""
    number = len(registry.deployments) + 1
    tag = f"{paths.name}/deploy-{number}"
    line = audit.entry(paths.audit, run, action, tag=tag, deployment=number, version=version.number, sha256=version.sha256,
                       replaced=registry.live.number if registry.live else None, reason=reason)
    git.add_tag(paths.root, tag, version.commit, message(tag, paths, line))
    return settle(run, paths).deployments[-1]


def live_before(deployments: list[Deployment]) -> list[int]:
    """The versions one can roll back to, the latest last: a deployment goes on top of the pile, a rollback takes off what lay above."""
    pile: list[int] = []
    for deployment in deployments:
        if deployment.action == "rollback" and deployment.version in pile:
            while pile[-1] != deployment.version:
                pile.pop()
        else:
            pile.append(deployment.version)
    return pile[:-1]


def push(run: Run, paths: ModelPaths) -> None:
    """Send what the remote does not have yet; after the lock is let go of, since it can take long.

    A remote that can't be reached costs a warning, and the next command tries again.
    """
    to = git.remote(paths.root)
    names = git.unpushed(paths.root, to, f"{paths.name}/") if to else []
    if not names:
        return
    try:
        git.push(paths.root, to, names)
        print(f"{paths.name}: pushed to {to.name}: {', '.join(names)}")
    except Failed as error:
        print(f"{run.script}: warning: {len(names)} tag(s) of {paths.name} not yet on the remote {to.name!r}: {error} The next command tries again.", file=sys.stderr)
