"""Which versions may leave this machine, and what that frees: never one that is in use, nor one that is not safely elsewhere."""
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from lib import audit, backups, clock, files, git, lfs, mirror, model_names, tags, versions
from lib.errors import Failed
from lib.files import ModelPaths
from lib.runs import Run
from lib.tags import Registry, Version


@dataclass(frozen=True)
class Leaving:
    """A version that may go: where it is kept, and what it takes here."""

    version: Version
    kept: str  # in words
    backup: str | None  # the folder, if it is a backup
    folder: int  # bytes
    objects: dict[str, int] = field(default_factory=dict)  # Git LFS objects that no other version here needs -> bytes

    @property
    def bytes(self) -> int:
        return self.folder + sum(self.objects.values())


@dataclass(frozen=True)
class Plan:
    leave: list[Leaving]
    words: list[str]  # a line for each version that is not among the newest

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in self.leave)


def in_use(known: Registry, keep: int) -> dict[int, str]:
    """The versions that stay whatever happens, and why."""
    stay = {number: f"one of the newest {keep}" for number in sorted(known.versions)[-keep:]}
    if known.deployments:
        last = known.deployments[-1]
        before = {number for number in (last.replaced, *tags.live_before(known.deployments)[-1:]) if number is not None}
        stay |= {number: "it was live before" for number in before} | {last.version: "it is live"}
    return stay


def plan(run: Run, paths: ModelPaths, known: Registry, keep: int, backup: Path | None, upload: bool) -> Plan:
    """What would go. upload: objects that the remote turns out not to have are sent there again."""
    stay, gone = in_use(known, keep), versions.pruned(paths)
    candidates = [version for number, version in known.versions.items() if number not in stay and number not in gone]
    newest = sorted(known.versions)[-keep:]
    words = [f"{known.versions[number].name}: stays, {why}" for number, why in sorted(stay.items()) if number not in newest]
    if not candidates:
        return Plan([], words)
    places = elsewhere(run, candidates, backup, upload)
    safe = [version for version in candidates if places[version.number][0]]
    words += [f"{version.name}: stays, {places[version.number][1]}" for version in candidates if version not in safe]
    leave = sizes(paths, [Leaving(version, places[version.number][1], str(backup) if places[version.number][0] == "backup" else None, 0) for version in safe])
    words += [f"{one.version.name}: {one.bytes:,} bytes, the folder {one.folder:,} and {len(one.objects)} Git LFS objects {sum(one.objects.values()):,}; it is kept {one.kept}" for one in leave]
    return Plan(leave, words)


def sizes(paths: ModelPaths, leave: list[Leaving]) -> list[Leaving]:
    """With what each of them takes here; an object that more than one of them needs counts once."""
    going = {one.version.tag for one in leave}
    kept, found = needed_by_others(paths.root, going), []
    for one, wanted in zip(leave, versions.objects_needed(paths.root, [one.version for one in leave]).values()):
        objects = {oid: lfs.object_path(paths.root, oid).stat().st_size for oid in sorted(set(wanted.values()) - kept) if lfs.object_path(paths.root, oid).exists()}
        kept |= objects.keys()
        folder = sum(path.stat().st_size for path in paths.version(one.version.number).glob("*"))
        found.append(replace(one, folder=folder, objects=objects))
    return found


def needed_by_others(root: Path, going: set[str]) -> set[str]:
    """Objects behind every version that stays here, of any model, and behind whatever the branches hold."""
    wanted = set(lfs.on_branches(root))
    for name in model_names.of_any_kind(root):
        paths = ModelPaths(root, name)
        gone = versions.pruned(paths)
        staying = [version for number, version in tags.read(paths).versions.items() if version.tag not in going and number not in gone]
        for objects in versions.objects_needed(root, staying).values():
            wanted |= set(objects.values())
    return wanted


def elsewhere(run: Run, candidates: list[Version], backup: Path | None, upload: bool) -> dict[int, tuple[str, str]]:
    """For each version ("remote", "backup" or "", where it is kept or why it is not safe to go)."""
    here, needed = mirror.refs(run.root, "refs/tags"), versions.objects_needed(run.root, candidates)
    found = on_remote(run, candidates, here, needed, upload)
    if backup is None:
        return found
    there = mirror.refs(backup / backups.REPOSITORY, "refs/tags")
    for version in candidates:
        if found[version.number][0]:
            continue
        name = f"refs/tags/{version.tag}"
        whole = there.get(name) == here[name] and all(lfs.intact(lfs.place(backup / backups.OBJECTS, oid)) for oid in needed[version.tag].values())
        found[version.number] = ("backup", f"in the backup {backup}") if whole else ("", f"{found[version.number][1]}, nor is it whole in the backup {backup}")
    return found


def on_remote(run: Run, candidates: list[Version], here: dict[str, str], needed: dict[str, dict[str, str]], upload: bool) -> dict[int, tuple[str, str]]:
    """Whether the remote has each version's tag, the same as `here`, and the objects it needs; asked now, not remembered."""
    to = git.remote(run.root)
    if to is None:
        return {version.number: ("", "there is no remote that has it") for version in candidates}
    try:
        there = git.remote_tags(run.root, to.name, f"{candidates[0].model}/")
    except Failed as error:
        print(f"{run.script}: warning: {error}", file=sys.stderr)
        return {version.number: ("", f"the remote {to.name} could not be asked whether it has it") for version in candidates}
    found = {}
    for version in candidates:
        if there.get(version.tag) != here[f"refs/tags/{version.tag}"]:
            found[version.number] = ("", f"it is not pushed to {to.name}")
        elif not has_objects(run, to.name, set(needed[version.tag].values()), upload):
            found[version.number] = ("", f"{to.name} does not have its Git LFS objects")
        else:
            found[version.number] = ("remote", f"on the remote {to.name}")
    return found


def has_objects(run: Run, remote: str, oids: set[str], upload: bool) -> bool:
    """Whether the remote has the objects. At a path one can look; elsewhere it is offered those that are here: what it has it declines."""
    local = mirror.local_store(run.root, git.remotes(run.root)[remote])
    if local and all(lfs.intact(lfs.place(local, oid)) for oid in oids):
        return True
    if not upload:
        return local is None
    try:
        git.run(run.root, "lfs", "push", "--object-id", remote, *sorted(oid for oid in oids if lfs.object_path(run.root, oid).exists()), timeout=3600)
    except Failed as error:
        print(f"{run.script}: warning: {error}", file=sys.stderr)
        return False
    return local is None or all(lfs.intact(lfs.place(local, oid)) for oid in oids)


def still_right(paths: ModelPaths, known: Registry, keep: int, found: Plan) -> Plan:
    """The plan as it is now, under the model's lock: somebody may have deployed in between."""
    stay = in_use(known, keep)
    return Plan(sizes(paths, [one for one in found.leave if one.version.number not in stay and one.version.number in known.versions]), found.words)


def carry_out(run: Run, paths: ModelPaths, found: Plan) -> None:
    """The note first, the folder last: what a crash leaves half done still has its folder, and the next prune goes on with it."""
    listed = versions.pruned(paths, also_here=True)
    fresh = [one for one in found.leave if one.version.number not in listed]  # the others were begun by a prune that was killed
    told = {one.version.number: {"time": clock.now(), "bytes": one.bytes, "kept": one.kept, "backup": one.backup} for one in found.leave}
    versions.note_pruned(paths, {**listed, **told})
    for one in fresh:
        audit.add(paths.audit, run, "prune", version=one.version.number, kept=one.kept, bytes=one.bytes)
    for one in found.leave:
        for oid in one.objects:
            lfs.object_path(paths.root, oid).unlink(missing_ok=True)
        staged = paths.folder / f"{versions.STAGED}pruned-v{one.version.number}"
        files.remove_folder(staged)
        paths.version(one.version.number).rename(staged)
        files.remove_folder(staged)
