"""Versions and what is live. A version exists once its tag does; a switch of production is a tag too; the rest follows from the tags."""
import json
import sys
from pathlib import Path

from lib import audit, db, files, git, tags, versions
from lib.errors import Failed, Refused
from lib.files import ModelPaths
from lib.runs import Run
from lib.tags import VERSION_FOLDER, Deployment, Registry, Version

def settle(run: Run, paths: ModelPaths) -> Registry:
    """Finish or sweep up what an earlier command left half done, and return the registry. Only under the model's lock."""
    registry = tags.read(paths)
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
        if untagged or folder.name.startswith(versions.STAGED):
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
    last, pointed = registry.deployments[-1], versions.live_number(paths)
    if pointed == last.version and paths.version(last.version).is_dir():
        return
    if pointed not in (last.version, last.replaced, None):
        raise Refused(f"models/{paths.name}/production points to v{pointed}, but the last deployment on record ({last.tag}) made v{last.version} live. "
                      f"Put it back with: ln -sfn v{last.version} models/{paths.name}/production")
    versions.ensure_folder(paths, registry.versions[last.version])
    files.point(paths.production, f"v{last.version}")


def complete_parts(paths: ModelPaths, registry: Registry) -> None:
    """Bring back training parts that the newest version was trained on and that are gone, as after `git checkout` of a tag and back."""
    if registry.newest is None:
        return
    wanted = versions.parts_of(paths, registry.newest)
    absent = {name for name in wanted if not (paths.train / name).exists()}
    if absent:
        versions.restore_parts(paths, registry.newest, absent)


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
