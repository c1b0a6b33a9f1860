"""Bring back every version, its data, what is live and the records, from the tags alone: in a new clone, or after a loss.

make restore
make restore MODEL=churn
"""
import json
import sys
from pathlib import Path

from lib import db, files, git, registry, runs, tags, versions
from lib.errors import Failed, UserError
from lib.files import ModelPaths
from lib.progress import Progress
from lib.tags import Registry, Version
from lib.runs import Run


def work(run: Run) -> int:
    origin = git.remote(run.root)
    if origin:
        with Progress(f"fetching from {origin.name}"):
            fetch(run, origin.name)
    names = [run.options["MODEL"]] if run.options["MODEL"] else tagged_models(run.root)
    if not names:
        raise UserError("there is nothing to restore: no tag of a version in this repository" + (" or on its remote." if origin else ", and it has no remote."))
    for name in names:
        restore(run, ModelPaths(run.root, name))
    return 0


def fetch(run: Run, origin: str) -> None:
    before = set(git.tag_names(run.root))
    try:
        git.fetch_tags(run.root, origin)
    except Failed as error:
        print(f"{run.script}: warning: {error} Going on with the tags that are here.", file=sys.stderr)
        return
    new = len(set(git.tag_names(run.root)) - before)
    if new:
        print(f"{new} tags fetched from {origin}")


def tagged_models(root: Path) -> list[str]:
    return sorted({name.partition("/")[0] for name in git.tag_names(root) if tags.VERSION_FOLDER.match(name.partition("/")[2])})


def restore(run: Run, paths: ModelPaths) -> None:
    known = tags.read(paths)
    if known.newest is None:
        raise UserError(f"there is nothing to restore for {paths.name!r}: no tag {paths.name}/v1.")
    paths.folder.mkdir(exist_ok=True)
    run.record(model=paths.name)
    with run.lock(paths):
        there = {number for number in known.versions if paths.version(number).is_dir()}
        bring_back_config(paths, known)
        bring_back_parts(paths, known)
        known = registry.settle(run, paths)
        for version in known.versions.values():
            folder = versions.ensure_folder(paths, version)
            manifest = versions.verify_folder(folder, version)
            bring_back_metrics(run, version, versions.read_verified(folder, version, manifest, "metrics.json"))
            print(f"{version.name}: {'was there' if version.number in there else 'restored'}, {len(manifest['files'])} files verified")
        print(f"{paths.name}: {f'v{known.live.number} is live' if known.live else 'nothing is live'}, {len(known.deployments)} deployments on record")


def bring_back_config(paths: ModelPaths, known: Registry) -> None:
    """model.toml and features.py as the newest version had them, where they are gone."""
    inside = f"models/{paths.name}"
    names = {path: f"{known.newest.tag}:{inside}/{path.name}" for path in (paths.config, paths.features) if not path.exists()}
    if paths.config in names:
        for path, blob in zip(names, git.read_blobs(paths.root, list(names.values())).values()):
            if blob is not None:
                files.write(path, blob)
                print(f"{paths.name}: {path.name} restored from {known.newest.tag}")


def bring_back_parts(paths: ModelPaths, known: Registry) -> None:
    """Training parts that are gone, or are not what the newest version was trained on."""
    wanted = versions.parts_of(paths, known.newest)
    absent = {name for name in wanted if not (paths.train / name).exists() or files.sha256(paths.train / name) != wanted[name]}
    if absent:
        versions.restore_parts(paths, known.newest, absent)
        print(f"{paths.name}: {len(absent)} training part(s) restored")


def bring_back_metrics(run: Run, version: Version, content: bytes) -> None:
    """The numbers and params of the run that made the version, where metrics.db has lost them."""
    run_id = db.run_by_uuid(run.db, version.entry["run"])
    if run_id and not db.has_metrics(run.db, run_id):
        told = json.loads(content)
        with db.transaction(run.db):
            db.add_metrics(run.db, run_id, version.number, [score for score in told["scores"] if score["value"] is not None])
            db.add_params(run.db, run_id, {"estimator": version.entry["estimator"], **told["params"]})


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL",), work, argv)


if __name__ == "__main__":
    sys.exit(main())
