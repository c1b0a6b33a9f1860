"""What must hold at every moment, also right after a crash. `make verify` prints it, the crash sweeps assert it.

All of it only reads: no lock, no file, no row. Asked while another command changes a model it may see the middle of that
change; ask again under the model's lock before believing it.
"""
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lib import approval, audit, backups, config, db, dbfile, git, lfs, logcheck, parts, registry, tags, versions
from lib.errors import Refused, UserError
from lib.files import ModelPaths
from lib.soundness import Breach, Tally
from lib.tags import VERSION_FOLDER, Registry, Version


def common(root: Path, connection: sqlite3.Connection, quick: bool) -> list[Breach]:
    """What belongs to no model: metrics.db as a file, and git's own objects."""
    try:
        told = dbfile.faults(connection)
    except (UserError, sqlite3.DatabaseError) as error:
        told = [str(error)]
    found = [Breach("", f"metrics.db: {fault}. Bring it back from a backup, or move it away: versions and deployments are rebuilt from the tags.") for fault in told]
    return found + [Breach("", f"git: {fault}. Fetch it from where it was pushed (git fetch --refetch), or bring .git back from a backup.") for fault in ([] if quick else git.fsck(root))]


def of_model(paths: ModelPaths, connection: sqlite3.Connection, quick: bool, load: bool, tally: Tally) -> list[Breach]:
    """The findings about one model, in the order they were met. quick: of the versions only the live one, and no logs. load: unpickle the live model too."""
    known, problems = tags.scan(paths, db.tag_objects(connection, paths.name))
    tally.models += 1
    tally.deployments += len(known.deployments)
    found = [Breach(paths.name, str(problem)) for problem in problems]
    found += [*record(paths, connection, known), *history(paths, connection, known, tally)]
    chosen = list(known.versions.values()) if not quick else [known.live] if known.live else []
    faults = {version.number: list(of_version(paths, version, tally)) for version in chosen}
    found += [fault for told in faults.values() for fault in told]
    sound = {number for number, told in faults.items() if not told}
    found += [*production(paths, known, sound, load), *leftovers(paths, known, bool(problems)), *training_data(paths, known, tally)]
    found += [] if quick else logcheck.find(paths, connection, tally)
    return [replace(finding, words=finding.words.replace(f"{paths.root}/", "")) for finding in found]  # as one would type it


def record(paths: ModelPaths, connection: sqlite3.Connection, known: Registry) -> Iterator[Breach]:
    """metrics.db against the tags."""
    for tag, row, facts in registry.rows_and_facts(connection, paths, known):
        changed = registry.differing(row, facts)
        if row is None:
            yield Breach(paths.name, f"metrics.db has no row for {tag} yet. The next command adds it from the tag.", broken=False)
        elif changed:
            yield Breach(paths.name, registry.disagreement(tag, changed))
    yield from approvals(paths, known)
    for tag in git.unlike_pushed(paths.root, f"{paths.name}/"):
        yield Breach(paths.name, f"the tag {tag} is not the one that was pushed: it was moved or made anew. Bring it back with: git fetch --force origin tag {tag}")


def approvals(paths: ModelPaths, known: Registry) -> Iterator[Breach]:
    """Each approval that was given still holds, where model.toml asks for approval."""
    if known.versions and not paths.config.is_file():
        yield Breach(paths.name, f"{paths.config} is gone. Bring it back with: make restore MODEL={paths.name}")
        return
    try:
        conf = config.load(paths.config)
        allowed = approval.signers(paths, conf) if conf.deploy.approval == "signed" else None
    except UserError as problem:
        yield Breach(paths.name, str(problem))
        return
    there = set(git.tag_names(paths.root)) if allowed else set()
    for version in known.versions.values():
        if approval.tag_name(version) in there:
            try:
                approval.check(paths, version, allowed)
            except Refused as problem:
                yield Breach(paths.name, str(problem))


def history(paths: ModelPaths, connection: sqlite3.Connection, known: Registry, tally: Tally) -> Iterator[Breach]:
    """The audit against its own chain, against the tags and against what metrics.db remembers of its length."""
    lines = audit.lines(paths.audit)
    tally.lines += len(lines)
    head = db.audit_head(connection, paths.name)
    if not paths.audit.exists() and (known.lines or head[0]):
        yield Breach(paths.name, f"{paths.audit} is gone. {registry.bring_back_audit(paths).partition('&& ')[2]} brings back what the tags carry of it.")
        return
    another = registry.audit_of_another(paths, lines)
    if another:
        yield Breach(paths.name, another)
        return
    for fault in registry.audit_faults(lines, known, head):
        yield Breach(paths.name, f"{paths.audit}: {fault}. {registry.bring_back_audit(paths)}")
    for line in audit.awaited(lines, known.lines):
        yield Breach(paths.name, f"{paths.audit} has no line for {json.loads(line).get('tag')} yet. The next command adds it from the tag.", broken=False)
    if paths.audit.exists() and not paths.audit.read_bytes().endswith(b"\n") and paths.audit.stat().st_size:
        yield Breach(paths.name, f"{paths.audit}: its last line is torn. The next command that writes to it cuts it off.", broken=False)


def of_version(paths: ModelPaths, version: Version, tally: Tally) -> Iterator[Breach]:
    """A version's tag against its own record, the Git LFS objects it points to, and its working copy."""
    tally.versions += 1
    inside, data = f"models/{paths.name}/v{version.number}/", f"data/{paths.name}/train/"
    blobs = git.tree(paths.root, version.tag, [inside, data])
    content = blobs.get(f"{inside}manifest.json") or b""
    if hashlib.sha256(content).hexdigest() != version.manifest_sha256:
        yield Breach(paths.name, f"the tag {version.tag} was moved: its files are not those of its record. Fetch it again from where it was pushed: git tag -d {version.tag} && git fetch origin tag {version.tag}")
        return
    manifest = json.loads(content)
    expected = {inside + name: digest for name, digest in manifest["files"].items()} | {data + part["name"]: part["sha256"] for part in manifest["parts"]}
    for name, digest in expected.items():
        yield from stored(paths, version, name, digest, blobs.get(name), tally)
    folder = paths.version(version.number)
    if folder.is_dir():
        wanted = {**manifest["files"], "manifest.json": version.manifest_sha256}
        yield from working_copy(paths, version, folder, wanted, tally)


def stored(paths: ModelPaths, version: Version, name: str, digest: str, blob: bytes | None, tally: Tally) -> Iterator[Breach]:
    """One file of a tag: its blob, or the Git LFS object that the blob points to."""
    pointer = lfs.POINTER.match(blob or b"")
    if blob is None:
        yield Breach(paths.name, f"{name} is not in the tag {version.tag}. Fetch it again from where it was pushed: git tag -d {version.tag} && git fetch origin tag {version.tag}")
    elif not pointer:
        if hashlib.sha256(blob).hexdigest() != digest:
            yield Breach(paths.name, f"{name} in the tag {version.tag} is not what its manifest says: the tag was made anew. Fetch it again: git tag -d {version.tag} && git fetch origin tag {version.tag}")
    elif pointer[1].decode() != digest:
        yield Breach(paths.name, f"{name} in the tag {version.tag} points to another Git LFS object than its manifest says: the tag was made anew. Fetch it again: git tag -d {version.tag} && git fetch origin tag {version.tag}")
    else:
        yield from lfs_object(paths, version, name, digest, tally)


def lfs_object(paths: ModelPaths, version: Version, name: str, digest: str, tally: Tally) -> Iterator[Breach]:
    path = lfs.object_path(paths.root, digest)
    if not path.is_file():
        to, note = git.remote(paths.root), versions.pruned(paths).get(version.number)
        if note and note["backup"]:
            yield from left_in_backup(paths, version, name, digest, Path(note["backup"]), tally)
        elif to and version.tag not in git.unpushed(paths.root, to, version.tag):
            tally.elsewhere += 1
        elif to:
            yield Breach(paths.name, f"{name} of {version.tag} has no Git LFS object {digest[:12]} here, and nothing says that {to.name} has it. Ask there: make restore MODEL={paths.name}; "
                                      "or bring it back from a backup: make restore FROM=the-backup")
        else:
            yield Breach(paths.name, f"{name} of {version.tag} has lost its Git LFS object {digest[:12]}, and it was not pushed. Bring it back from a backup: make restore FROM=the-backup")
    elif tally.hashed(path) != digest:
        yield Breach(paths.name, f"the Git LFS object {digest[:12]} ({name} of {version.tag}) is damaged. Remove {path} and fetch it again: git lfs fetch origin {version.tag}")


def left_in_backup(paths: ModelPaths, version: Version, name: str, digest: str, backup: Path, tally: Tally) -> Iterator[Breach]:
    """An object that `prune` left in a backup; a backup that is not at hand, such as a disk in a drawer, is believed."""
    if (backup / backups.LIST).is_file() and not lfs.place(backup / backups.OBJECTS, digest).is_file():
        yield Breach(paths.name, f"{name} of {version.tag} was pruned here, and the backup {backup} does not have its Git LFS object {digest[:12]} any more. Bring it back from another: make restore FROM=the-backup")
    else:
        tally.elsewhere += 1


def working_copy(paths: ModelPaths, version: Version, folder: Path, wanted: dict[str, str], tally: Tally) -> Iterator[Breach]:
    for name, digest in wanted.items():
        path = folder / name
        if not path.is_file() or tally.hashed(path) != digest:
            yield Breach(paths.name, f"{path} is {'gone' if not path.exists() else 'not what the tag ' + version.tag + ' says: it was changed or damaged'}. {versions.bring_back(version)}")
    for path in sorted(folder.iterdir()):
        if path.name not in wanted:
            yield Breach(paths.name, f"{path} is not part of {version.name}. Remove it.")


def production(paths: ModelPaths, known: Registry, sound: set[int], load: bool) -> Iterator[Breach]:
    """What is live is the last deployment on record, and loads. sound: the versions whose bytes are right."""
    last = known.deployments[-1] if known.deployments else None
    try:
        pointed = versions.live_number(paths)
    except UserError as problem:
        yield Breach(paths.name, str(problem))
        return
    if last is None:
        if pointed is not None:
            yield Breach(paths.name, f"{paths.production} points to v{pointed}, but no deployment is on record. Remove it: rm {paths.production}")
        return
    if pointed in (last.replaced, None) and pointed != last.version:
        yield Breach(paths.name, f"{paths.production} does not point to v{last.version} yet, which {last.tag} made live. The next command switches it.", broken=False)
    elif pointed != last.version:
        yield Breach(paths.name, f"{paths.production} points to v{pointed}, but the last deployment on record ({last.tag}) made v{last.version} live. Put it back with: ln -sfn v{last.version} {paths.production}")
    for number in {last.version, pointed} & sound:
        if not paths.version(number).is_dir():
            yield Breach(paths.name, f"{paths.version(number)} is gone, and it is live. The next command brings it back from its tag.", broken=False)
        elif load:
            yield from loads(paths, known.versions[number])


def loads(paths: ModelPaths, version: Version) -> Iterator[Breach]:
    from lib import loading  # scikit-learn takes seconds to import
    try:
        loading.load(paths, version)
    except UserError as problem:
        yield Breach(paths.name, str(problem))


def leftovers(paths: ModelPaths, known: Registry, doubtful: bool) -> Iterator[Breach]:
    """What a killed command left: no version, since it has no tag. doubtful: a tag is not as it was made, so a folder without one may be its."""
    for folder in sorted(paths.folder.iterdir()) if paths.folder.is_dir() else ():
        untagged = not doubtful and VERSION_FOLDER.match(folder.name) and int(folder.name[1:]) not in known.versions
        if untagged or folder.name.startswith(versions.STAGED) or folder.match(".*.tmp"):
            yield Breach(paths.name, f"{folder} was left by an interrupted command. The next one removes it.", broken=False)


def training_data(paths: ModelPaths, known: Registry, tally: Tally) -> Iterator[Breach]:
    """The parts against the audit, which has the sha256 of each as it was taken in."""
    if not paths.audit.exists():
        return  # told already
    recorded = {}
    for line in audit.lines(paths.audit):
        try:
            entry = json.loads(line)
            recorded |= {entry["part"]: entry["sha256"]} if entry["event"] == "ingest" else {}
        except (ValueError, KeyError, TypeError):
            continue  # told by its number already
    found = parts.find(paths)
    for path in found:
        digest = tally.hashed(path)
        if path.name not in recorded:
            yield Breach(paths.name, f"{path} has no line in the audit yet. The next make ingest or make train adds it.", broken=False)
        elif digest != recorded[path.name]:
            yield Breach(paths.name, f"{path} was changed after it was taken in. Bring it back with: rm {path} && make restore MODEL={paths.name}")
    gone = sorted(recorded.keys() - {path.name for path in found})
    kept = {name for version in known.versions.values() for name in version_parts(paths, version)} if gone else set()
    for name in gone:
        if name in kept:
            yield Breach(paths.name, f"{paths.train / name} is gone. The next command brings it back from the tags.", broken=False)
        else:
            yield Breach(paths.name, f"{paths.train / name} is gone, and no version has it. Bring it back from a backup: make restore FROM=the-backup")


def version_parts(paths: ModelPaths, version: Version) -> list[str]:
    return [Path(name).name for name in git.list_files(paths.root, version.tag, f"data/{paths.name}/train/")]
