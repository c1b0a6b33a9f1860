"""The folder of a version, and the parts it was trained on: nothing of them is used before its sha256 is what the tag says."""
import hashlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from lib import files, git, lfs
from lib.errors import Failed, Refused, UserError
from lib.files import ModelPaths
from lib.tags import VERSION_FOLDER, Version

STAGED = ".staged-"
STORED = ("model.joblib", "holdout.csv")  # the files of a version that .gitattributes gives to Git LFS
PRUNED = ".pruned.json"  # in a model's folder: which versions `prune` took away, when, and where they are kept


def texts(paths: ModelPaths) -> dict[str, bytes]:
    """model.toml, and features.py where there is one, as they lie there: what a version freezes. Read once for a training: who edits them meanwhile means the next one."""
    return {path.name: path.read_bytes() for path in (paths.config, paths.features) if path.is_file() or path == paths.features and path.exists()}


def refuse_other_task(version: Version | None, task: str) -> None:
    """UserError if the version answers another kind of question than model.toml has now: accuracies and errors are no figures of one model."""
    if version and ("mae" in version.entry) != (task == "regression"):
        was = "classification" if task == "regression" else "regression"
        raise UserError(f'{version.name} is a {was}, and model.toml says task = "{task}". Put the task back, or make a model of its own of it: make new MODEL=another-name CSV= TARGET=')


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
        note = pruned(paths).get(version.number)
        if note:
            print(f"{version.name} was pruned here at {note['time']}; bringing it back from where it is kept, {note['kept']}", file=sys.stderr)
            wanted = json.loads(tagged_files(paths, version)[0])["files"]
            from_backup(paths, version, [wanted[name] for name in STORED])
        try:
            unpack(paths, version)
        except Failed as error:
            if note is None:
                raise
            other = f", or bring it back from another backup: make restore MODEL={paths.name} FROM=the-backup" if note["backup"] else ""
            raise Failed(f"{version.name} was pruned here and is kept {note['kept']}. Can that be reached? ({error}){other}") from None
        if note:
            note_pruned(paths, {number: other for number, other in pruned(paths, also_here=True).items() if number != version.number})
    return folder


def from_backup(paths: ModelPaths, version: Version, oids: Iterable[str]) -> set[str]:
    """Copy Git LFS objects of a pruned version from the backup that it was left in, if that can be reached; returns which. Failed if one is damaged there."""
    from lib import backups, copying  # few commands meet a pruned version
    note, copied = pruned(paths).get(version.number), set()
    for oid in oids if note and note["backup"] else ():
        source, target = lfs.place(Path(note["backup"]) / backups.OBJECTS, oid), lfs.object_path(paths.root, oid)
        if source.is_file() and not target.exists():
            copying.copy(source, target, expected=oid)
            copied.add(oid)
    return copied


def unpack(paths: ModelPaths, version: Version) -> None:
    staged = paths.folder / f"{STAGED}v{version.number}"
    files.remove_folder(staged)
    staged.mkdir()
    for name, source in lfs.read_tagged(paths.root, version.tag, f"models/{paths.name}/v{version.number}/"):
        (staged / Path(name).name).write_bytes(source.read())
    verify_folder(staged, version)
    files.publish_folder(staged, paths.version(version.number))


def pruned(paths: ModelPaths, also_here: bool = False) -> dict[int, dict]:
    """The versions that `prune` took away and that are not back: time, bytes, where they are kept. also_here: and those on their way out or back."""
    try:
        told = {int(number): note for number, note in json.loads((paths.folder / PRUNED).read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError):
        raise UserError(f"{paths.folder / PRUNED} can't be understood. Remove it; the versions come back from where they are kept with: make restore") from None
    return {number: note for number, note in told.items() if also_here or not paths.version(number).is_dir()}


def note_pruned(paths: ModelPaths, notes: dict[int, dict]) -> None:
    files.write(paths.folder / PRUNED, (json.dumps(notes, indent=1) + "\n").encode())


def manifest_of(paths: ModelPaths, version: Version) -> dict:
    """The manifest, from the version's folder or, where that is not there, straight from the tag: no Git LFS object is needed for it."""
    folder = paths.version(version.number)
    return read_manifest(folder, version) if folder.is_dir() else json.loads(tagged_files(paths, version)[0])


def small_file(paths: ModelPaths, version: Version, name: str) -> bytes:
    """A version's file that Git LFS does not hold, from the folder or the tag, verified."""
    folder = paths.version(version.number)
    return read_verified(folder, version, read_manifest(folder, version), name) if folder.is_dir() else tagged_files(paths, version, name)[1]


def tagged_files(paths: ModelPaths, version: Version, *names: str) -> list[bytes]:
    """The manifest, and further files, as the tag holds them. Refused if they are not what the tag says."""
    places = [f"{version.tag}:models/{paths.name}/v{version.number}/{name}" for name in ("manifest.json", *names)]
    manifest, *contents = (blob or b"" for blob in git.read_blobs(paths.root, places).values())
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    if hashlib.sha256(manifest).hexdigest() != version.manifest_sha256 or digests != [json.loads(manifest)["files"].get(name) for name in names]:
        raise Refused(f"what the tag {version.tag} holds is not what it says: it was moved, or the repository is damaged. See: git fsck")
    return [manifest, *contents]


def params(manifest: dict, metrics: dict) -> dict:
    """Everything that a version's fit was told: estimator, seed, holdout, and the parameters with those that a search found. metrics: metrics.json."""
    train = manifest["inputs"]["config"]["train"]
    told = {"estimator": train["estimator"], "seed": train.get("seed", 0), "holdout": train.get("holdout", 0.2), "refit": manifest["refit"]}
    return {**told, **train.get("params", {}), **metrics["params"]}


def read_manifest(folder: Path, version: Version) -> dict:
    """The manifest, once its sha256 is what the tag says; Refused otherwise."""
    try:
        content = (folder / "manifest.json").read_bytes()
    except OSError as error:
        raise Refused(f"{folder / 'manifest.json'} can't be read ({error.strerror}). {bring_back(version)}") from None
    if hashlib.sha256(content).hexdigest() != version.manifest_sha256:
        raise Refused(f"{folder / 'manifest.json'} is not what the tag {version.tag} says: it was changed. {bring_back(version)}")
    return json.loads(content)


def read_verified(folder: Path, version: Version, manifest: dict, name: str) -> bytes:
    """A version's file, once the sha256 of exactly these bytes is what the manifest says; Refused otherwise."""
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise Refused(f"{folder / name} can't be read ({error.strerror}). {bring_back(version)}") from None
    if lfs.POINTER.match(content):
        raise Refused(f"{folder / name} is a Git LFS pointer, not the file. {bring_back(version)}")
    if hashlib.sha256(content).hexdigest() != manifest["files"].get(name):
        raise Refused(f"{folder / name} is not what the tag {version.tag} says: it was changed or damaged. {bring_back(version)}")
    return content


def bring_back(version: Version) -> str:
    return f"Bring it back with: make restore MODEL={version.model}"


def verify_folder(folder: Path, version: Version) -> dict:
    """The manifest of a version all of whose files are as its tag says; Refused names the first that is not."""
    manifest = read_manifest(folder, version)
    for name, expected in manifest["files"].items():
        path = folder / name
        if not path.is_file() or files.sha256(path) != expected:
            read_verified(folder, version, manifest, name)  # says what is wrong with it
    return manifest


def parts_of(paths: ModelPaths, version: Version) -> dict[str, str]:
    """The parts that a version was trained on, with their sha256."""
    return manifest_of(paths, version)["inputs"]["parts"]


def restore_parts(paths: ModelPaths, version: Version, names: set[str]) -> None:
    """Write the parts as the version's tag has them. Failed if one comes back damaged."""
    import shutil
    paths.train.mkdir(parents=True, exist_ok=True)
    wanted = parts_of(paths, version)
    for name, source in lfs.read_tagged(paths.root, version.tag, f"data/{paths.name}/train/", names):
        with files.replacing(paths.train / Path(name).name, "wb") as file:
            shutil.copyfileobj(source, file)
    for name in names:
        if not (paths.train / name).exists() or files.sha256(paths.train / name) != wanted[name]:
            raise Failed(f"{paths.train / name} could not be brought back: its Git LFS object is not what {version.tag} says. Fetch it again with: git lfs fetch --all")


def objects_needed(root: Path, known: Iterable[Version]) -> dict[str, dict[str, str]]:
    """For each version's tag the objects behind it: path in the tag -> sha256. Refused if a manifest is not what its tag says."""
    known = list(known)
    names = {version.tag: f"{version.tag}:models/{version.model}/v{version.number}/manifest.json" for version in known}
    blobs = git.read_blobs(root, list(names.values())) if known else {}
    return {version.tag: objects_of(version, blobs[names[version.tag]]) for version in known}


def objects_of(version: Version, content: bytes | None) -> dict[str, str]:
    if content is None or hashlib.sha256(content).hexdigest() != version.manifest_sha256:
        raise Refused(f"the manifest that {version.tag} holds is not the one that it names: the tag was moved or the repository is damaged. See: git fsck")
    manifest = json.loads(content)
    return {**{f"models/{version.model}/v{version.number}/{name}": manifest["files"][name] for name in STORED if name in manifest["files"]},
            **{f"data/{version.model}/train/{part['name']}": part["sha256"] for part in manifest["parts"]}}
