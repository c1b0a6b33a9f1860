"""Bring back every version, its data, what is live and the records, from the tags alone: in a new clone, or after a loss.

make restore
make restore MODEL=churn
make restore FROM=/mnt/disk/backup     # from what `make backup` made, into a clone of its repo.git: the logs and metrics.db too
"""
import sys
from collections.abc import Callable

from lib import files, git, lfs, model_names, recovery, registry, remote, runs, tags, versions
from lib.errors import Failed, Refused, UserError
from lib.files import ModelPaths
from lib.names import plural
from lib.progress import Progress
from lib.tags import Registry, Version
from lib.runs import Run


def work(run: Run) -> int:
    if run.options["FROM"]:
        recovery.bring_back(run, *recovery.open_backup(run.options["FROM"]))
    origin = git.remote(run.root)
    if origin:
        with Progress(f"fetching from {origin.name}"):
            fetch(run, origin)
    names = [run.options["MODEL"]] if run.options["MODEL"] else model_names.registered(run.root)
    if not names and not run.options["FROM"]:
        raise UserError("there is nothing to restore: no tag of a version in this repository" + (" or on its remote." if origin else ", and it has no remote."))
    problems: list[str] = []
    for name in names:
        if run.options["MODEL"]:
            restore(run, ModelPaths(run.root, name), problems)
        else:
            trying(run, problems, restore, run, ModelPaths(run.root, name), problems)
    return Failed.code if problems else 0


def trying(run: Run, problems: list[str], action: Callable, *arguments):
    """Do it, or say in one line why not and go on: what can be brought back is brought back."""
    try:
        return action(*arguments)
    except UserError as error:
        if str(error) not in problems:
            print(f"{run.script}: {error}", file=sys.stderr)
            problems.append(str(error))


def fetch(run: Run, origin: git.Remote) -> None:
    before = set(git.tag_names(run.root))
    try:
        remote.compare(run.root, origin, "")  # nothing is taken in from where there is a clash: git would take what follows from it
        git.fetch_tags(run.root, origin)
    except Failed as error:
        print(f"{run.script}: warning: {error} Going on with the tags that are here.", file=sys.stderr)
        return
    new = len(set(git.tag_names(run.root)) - before)
    if new:
        print(f"{new} tags fetched from {origin.name}")


def restore(run: Run, paths: ModelPaths, problems: list[str]) -> None:
    known = tags.read(paths)
    if known.newest is None:
        raise UserError(f"there is nothing to restore for {paths.name!r}: no tag {paths.name}/v1.")
    paths.folder.mkdir(exist_ok=True)
    if run.options["MODEL"]:
        run.record(model=paths.name)
    with run.lock(paths):
        bring_back_config(paths, known)
        registry.complete_audit(run, paths, known)
        registry.complete_record(run, paths, known)
        fetch_objects(run, paths, known)
        bring_back_parts(run, problems, paths, known)
        for version in known.versions.values():
            trying(run, problems, bring_back_version, run, paths, version)
        known = trying(run, problems, registry.settle, run, paths) or known
    live = known.live is not None and paths.production.exists() and versions.live_number(paths) == known.live.number
    print(f"{paths.name}: {f'v{known.live.number} is live' if live else 'nothing is live'}, {plural(len(known.deployments), 'deployment')} on record")


def fetch_objects(run: Run, paths: ModelPaths, known: Registry) -> None:
    """The Git LFS objects of all that will be brought back, in one go: one by one they would cost a connection each."""
    gone = [version for number, version in known.versions.items() if not paths.version(number).is_dir() and number not in versions.pruned(paths)]
    missing = [tag for tag, wanted in versions.objects_needed(run.root, gone).items() if not all(lfs.object_path(run.root, oid).exists() for oid in wanted.values())]
    if missing:
        lfs.fetch(run.root, missing)


def bring_back_config(paths: ModelPaths, known: Registry) -> None:
    """model.toml and features.py as the newest version had them, where they are gone."""
    inside = f"models/{paths.name}"
    names = {path: f"{known.newest.tag}:{inside}/{path.name}" for path in (paths.config, paths.features) if not path.exists()}
    if paths.config in names:
        for path, blob in zip(names, git.read_blobs(paths.root, list(names.values())).values()):
            if blob is not None:
                files.write(path, blob)
                print(f"{paths.name}: {path.name} restored from {known.newest.tag}")


def bring_back_version(run: Run, paths: ModelPaths, version: Version) -> None:
    """Its folder, where that is gone or damaged, and its numbers; one that was pruned is left where it is."""
    registry.add_numbers(run, paths, version)
    note = versions.pruned(paths).get(version.number)
    if note and not run.options["FROM"]:
        print(f"{version.name}: pruned at {note['time']}, kept {note['kept']}; make deploy MODEL={paths.name} VERSION={version.number} brings it back")
        return
    was_there = paths.version(version.number).is_dir()
    try:
        manifest = versions.verify_folder(versions.ensure_folder(paths, version), version)
    except Refused as damage:
        if not was_there:
            raise
        manifest = replace_folder(paths, version, damage)
        was_there = False
    print(f"{version.name}: {'was there' if was_there else 'restored'}, {len(manifest['files'])} files verified")


def replace_folder(paths: ModelPaths, version: Version, damage: Refused) -> dict:
    """The folder anew from the tag; the damaged one goes only when the other is there."""
    folder, aside = paths.version(version.number), paths.folder / f"{versions.STAGED}damaged-v{version.number}"
    files.remove_folder(aside)
    folder.rename(aside)
    try:
        manifest = versions.verify_folder(versions.ensure_folder(paths, version), version)
    except BaseException:
        aside.rename(folder)
        raise
    print(f"{str(damage).partition(' Bring it back')[0]}", file=sys.stderr)
    files.remove_folder(aside)
    return manifest


def bring_back_parts(run: Run, problems: list[str], paths: ModelPaths, known: Registry) -> None:
    """Training parts that are gone, or are not what the newest version was trained on."""
    wanted = versions.parts_of(paths, known.newest)
    absent = {name for name in wanted if not (paths.train / name).exists() or files.sha256(paths.train / name) != wanted[name]}
    if not absent:
        return
    try:
        versions.restore_parts(paths, known.newest, absent)
    except Failed:  # the others one by one
        for name in sorted(absent):
            trying(run, problems, versions.restore_parts, paths, known.newest, {name})
    print(f"{paths.name}: {plural(sum((paths.train / name).exists() for name in absent), 'training part')} restored")


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL", "FROM"), work, argv)


if __name__ == "__main__":
    runs.leave(main())
