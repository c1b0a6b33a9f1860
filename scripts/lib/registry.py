"""Versions and what is live. A version exists once its tag does; a switch of production is a tag too; the rest follows from the tags."""
import contextlib
import json
import sys
from pathlib import Path

from lib import audit, db, files, git, lfs, tags, treebuild, versions
from lib.approval import Approval
from lib.errors import Busy, Refused
from lib.files import ModelPaths
from lib.fingerprints import Inputs
from lib.runs import Run
from lib.tags import VERSION_FOLDER, Deployment, Registry, Version


def settle(run: Run, paths: ModelPaths) -> Registry:
    """Finish or sweep up what an earlier command left half done, and return the registry. Only under the model's lock.

    Refused, before anything is touched, where a tag, the audit or metrics.db is not as it was made.
    """
    check_open(paths)
    registry = tags.read(paths, db.tag_objects(run.db, paths.name))
    check_rows(run.db, paths, registry)
    check_audit(run.db, paths, registry)
    sweep(paths, registry)
    complete_audit(run, paths, registry)
    complete_record(run, paths, registry)
    complete_production(paths, registry)
    complete_parts(paths, registry)
    return registry


def trusted(run: Run, paths: ModelPaths, found: list[git.Tag] | None = None) -> Registry:
    """The registry for who only reads. Refused where a tag, the audit or metrics.db is not as it was made.

    It costs a git call and a read of the audit, whatever the size of the models. found: the model's tags, where all were
    read at once; they may be a moment old, so where something does not agree with them they are read again.
    """
    known = None
    if found is not None:
        with contextlib.suppress(Refused):
            known = compared(run, paths, found)
    known = known or compared(run, paths, None)
    if known.versions and run.id is not None and not db.versions(run.db, paths.name):  # metrics.db was lost
        with contextlib.suppress(Busy), run.lock(paths, wait=0):  # else whoever is at work on the model brings it back
            return settle(run, paths)
    return known


def compared(run: Run, paths: ModelPaths, found: list[git.Tag] | None) -> Registry:
    check_open(paths)
    head = db.audit_head(run.db, paths.name)  # before the audit itself, which may be growing
    registry = tags.read(paths, db.tag_objects(run.db, paths.name), found)
    check_rows(run.db, paths, registry)
    check_audit(run.db, paths, registry, head)
    return registry


def check_open(paths: ModelPaths) -> None:
    """Refused if anybody may write what this model is made of."""
    files.refuse_open(paths.root, paths.folder, paths.config, paths.features, paths.audit, paths.data, paths.train, paths.predictions, paths.labels)


def check_rows(connection, paths: ModelPaths, registry: Registry) -> None:
    """Refused if a row of versions or deployments is not what its tag says."""
    for tag, row, facts in rows_and_facts(connection, paths, registry):
        changed = differing(row, facts)
        if changed:
            raise Refused(disagreement(tag, changed))


def rows_and_facts(connection, paths: ModelPaths, registry: Registry):
    """Of each version and deployment (tag, its row or None, what the row must say)."""
    rows = {row["tag"]: row for row in (*db.versions(connection, paths.name), *db.deployments(connection, paths.name))}
    for version in registry.versions.values():
        yield version.tag, rows.get(version.tag), version_facts(version)
    for deployment in registry.deployments:
        yield deployment.tag, rows.get(deployment.tag), deployment_facts(paths.name, deployment)


def differing(row, facts: dict) -> list[str]:
    """The columns that are not what the tag says; a row of before tags' ids were kept has none."""
    return [name for name, value in facts.items() if row is not None and row[name] != value and not (name == "tag_object" and row[name] is None)]


def disagreement(tag: str, changed: list[str]) -> str:
    return f"metrics.db and the tag {tag} disagree on {', '.join(changed)}: the row was edited. Bring metrics.db back from a backup, or move it away: it is rebuilt from the tags."


def check_audit(connection, paths: ModelPaths, registry: Registry, head: tuple[int, str] | None = None) -> None:
    """Refused if a line was edited, removed, added or moved; a missing file is a loss, not a forgery."""
    if not paths.audit.exists():
        return
    found = audit.lines(paths.audit)
    another = audit_of_another(paths, found)
    if another:
        raise Refused(another)
    told = audit_faults(found, registry, head or db.audit_head(connection, paths.name))
    if told:
        raise Refused(f"{paths.audit.relative_to(paths.root)}: {told[0]}{f' (and {len(told) - 1} more; see: make verify)' if len(told) > 1 else ''}. {bring_back_audit(paths)}")


def audit_of_another(paths: ModelPaths, lines: list[bytes]) -> str | None:
    """What to do where the model's folder is that of another one, copied or renamed; else None."""
    owner = audit.owner(lines)
    if owner in (None, paths.name):
        return None
    return (f"{paths.audit.relative_to(paths.root)} is the audit of the model {owner}. If the folder was renamed, give it its name back. "
            f"If it was copied, only model.toml and features.py belong to the new model: rm -rf models/{paths.name}/{{v*,production,audit.jsonl}} data/{paths.name}")


def audit_faults(lines: list[bytes], registry: Registry, head: tuple[int, str]) -> list[str]:
    waiting = audit.awaited(lines, registry.lines)
    return audit.faults(lines, [line for line in registry.lines if line not in waiting] if waiting else registry.lines, head)


def bring_back_audit(paths: ModelPaths) -> str:
    return f"Bring it back: mv {paths.audit.relative_to(paths.root)} somewhere-else && make restore MODEL={paths.name}"


def sweep(paths: ModelPaths, registry: Registry) -> None:
    """Remove version folders that never got their tag, temporary files and a training's index."""
    files.sweep_temporaries(paths.folder)
    treebuild.sweep_index(paths.root, paths.name)
    for folder in paths.folder.iterdir():
        untagged = VERSION_FOLDER.match(folder.name) and int(folder.name[1:]) not in registry.versions
        if untagged or folder.name.startswith(versions.STAGED):
            files.remove_folder(folder)


def complete_audit(run: Run, paths: ModelPaths, registry: Registry) -> None:
    """The lines that tags carry and the audit does not have: the newest after a crash, all of them after a loss."""
    known = audit.lines(paths.audit)
    missing = audit.awaited(known, registry.lines) if known else audit.in_chain_order(registry.lines)
    had, _ = db.audit_head(run.db, paths.name)
    if missing:
        audit.append(paths.audit, run, missing)
    else:
        audit.note_head(paths.audit, run)
    if not known and had > len(missing):
        audit.add(paths.audit, run, "rebuilt", lines=len(missing), lost=had - len(missing))
    if not known and had:
        print(f"{run.script}: {paths.name}: audit.jsonl was gone; {len(missing)} of its {had} lines are back, from the tags", file=sys.stderr)


def complete_record(run: Run, paths: ModelPaths, registry: Registry) -> None:
    """Rows for the versions and deployments that metrics.db does not have."""
    missing = {tag for tag, row, _ in rows_and_facts(run.db, paths, registry) if row is None}
    with db.transaction(run.db) if missing else contextlib.nullcontext():
        for version in registry.versions.values():
            if version.tag in missing:
                add_version_row(run, version)
        for deployment in registry.deployments:
            if deployment.tag in missing:
                db.insert(run.db, "deployments", **deployment_facts(paths.name, deployment))
    for number in db.without_metrics(run.db, paths.name) & registry.versions.keys():
        with contextlib.suppress(Refused):  # a tag without its files must not keep the others from being used; `restore`, `verify` and whoever uses it say what is wrong
            add_numbers(run, paths, registry.versions[number])
    made_now = {made.tag for made in (*registry.versions.values(), *registry.deployments) if made.entry["run"] == run.uuid}
    if missing - made_now:
        print(f"{run.script}: {paths.name}: metrics.db did not have {', '.join(sorted(missing - made_now))}; added from the tags", file=sys.stderr)


def add_version_row(run: Run, version: Version) -> None:
    e = version.entry
    run_id = db.run_by_uuid(run.db, e["run"]) or db.insert(
        run.db, "runs", uuid=e["run"], script="train", model=version.model, started=e["time"], ended=e["time"], status="done", exit_code=0,
        trigger=e["trigger"], user=e["user"], host=e["host"], pid=0, pid_started=0, git_commit=version.commit)
    db.insert(run.db, "versions", run_id=run_id, **version_facts(version))
    db.name_version(run.db, run_id, version.number)


def add_numbers(run: Run, paths: ModelPaths, version: Version) -> None:
    """The numbers, params and fingerprints of the run that made the version, where metrics.db does not have them."""
    run_id = db.run_by_uuid(run.db, version.entry["run"])
    if run_id is None or db.has_metrics(run.db, run_id):
        return
    manifest, metrics = map(json.loads, versions.tagged_files(paths, version, "metrics.json"))
    with db.transaction(run.db):
        db.add_metrics(run.db, run_id, version.number, [score for score in metrics["scores"] if score["value"] is not None])
        db.add_params(run.db, run_id, versions.params(manifest, metrics))
        db.update_run(run.db, run_id, **Inputs(*(manifest["inputs"][name] for name in Inputs.FIELDS)).columns())


def version_facts(version: Version) -> dict:
    """The version's row as its tag has it."""
    e = version.entry
    return {"model": version.model, "version": version.number, "created": e["time"], "tag": version.tag, "sha256": version.sha256, "manifest_sha256": version.manifest_sha256,
            "estimator": e["estimator"], "metric": e["metric"], "value": e["value"], "low": e["low"], "high": e["high"],
            "greater_is_better": int(e["greater_is_better"]), "train_rows": e["train_rows"], "holdout_rows": e["holdout_rows"], "why": e["why"],
            "tag_object": version.object}


def deployment_facts(model: str, deployment: Deployment) -> dict:
    """The deployment's row as its tag has it."""
    e = deployment.entry
    return {"model": model, "deployment": deployment.number, "version": deployment.version, "replaced": deployment.replaced, "action": deployment.action,
            "time": e["time"], "user": e["user"], "host": e["host"], "reason": e["reason"], "run_uuid": e["run"], "tag": deployment.tag,
            "tag_object": deployment.object}


def complete_production(paths: ModelPaths, registry: Registry) -> None:
    """Point `production` at what the last deployment's tag says, where a crash came between the two."""
    if not registry.deployments:
        return
    last, pointed = registry.deployments[-1], versions.live_number(paths)
    if pointed == last.version and paths.version(last.version).is_dir():
        return
    check_link(paths, registry, pointed)
    versions.ensure_folder(paths, registry.versions[last.version])
    files.point(paths.production, f"v{last.version}")


def check_link(paths: ModelPaths, registry: Registry, pointed: int | None) -> None:
    """Refused if `production` was switched by hand; it may still point to what the last deployment replaced, while that is at work."""
    if not registry.deployments:
        raise Refused(f"models/{paths.name}/production points to v{pointed}, but no deployment is on record. Remove it: rm models/{paths.name}/production")
    last = registry.deployments[-1]
    if pointed not in (last.version, last.replaced, None):
        raise Refused(f"models/{paths.name}/production points to v{pointed}, but the last deployment on record ({last.tag}) made v{last.version} live. "
                      f"Put it back with: ln -sfn v{last.version} models/{paths.name}/production")


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


def publish(run: Run, paths: ModelPaths, number: int, staged: Path, facts: dict, before: Version | None) -> Version:
    """Make the staged folder the version `number`: its place, then its tag, then the record. before: the newest version so far."""
    folder = paths.version(number)
    files.publish_folder(staged, folder)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    tag = f"{paths.name}/v{number}"
    line = audit.entry(paths.audit, run, "register", tag=tag, version=number, sha256=manifest["files"]["model.joblib"],
                       manifest=files.sha256(folder / "manifest.json"), **facts)
    inside = f"models/{paths.name}/v{number}"
    stored = {f"{inside}/{name}": manifest["files"][name] for name in versions.STORED}
    stored |= {f"data/{paths.name}/train/{part['name']}": part["sha256"] for part in manifest["parts"]}
    frozen = {f"models/{paths.name}/{path.name}": f"{inside}/{path.name}" if path.name in manifest["files"] else None for path in (paths.config, paths.features)}
    lfs.configure(paths.root)
    from lib.progress import Progress
    with Progress(f"storing {tag}"):
        treebuild.add_version(paths.root, tag, message(tag, paths, line), [inside, *stored], stored, frozen, before.tag if before else None)
    return settle(run, paths).versions[number]


def message(tag: str, paths: ModelPaths, line: bytes) -> str:
    """A tag's text: its name for people, then the audit lines since the last tag, its own last."""
    carried = [*audit.since_last_tag(paths.audit), line]
    return f"{tag}\n\n" + "".join(text.decode() + "\n" for text in carried)


def switch(run: Run, paths: ModelPaths, registry: Registry, version: Version, action: str, reason: str, approval: Approval | None = None) -> Deployment:
    """Make a verified version live: the tag decides, the link and the record follow."""
    number = len(registry.deployments) + 1
    tag = f"{paths.name}/deploy-{number}"
    line = audit.entry(paths.audit, run, action, tag=tag, deployment=number, version=version.number, sha256=version.sha256,
                       replaced=registry.live.number if registry.live else None, reason=reason, **({"approved_by": approval.signer} if approval else {}))
    git.add_tag(paths.root, tag, version.commit, message(tag, paths, line))
    return settle(run, paths).deployments[-1]
