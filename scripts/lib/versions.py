"""The folder of a version, and the parts it was trained on: nothing of them is used before its sha256 is what the tag says."""
import hashlib
import json
import os
import shutil
from pathlib import Path

from lib import files, git
from lib.errors import Failed, Refused, UserError
from lib.files import ModelPaths
from lib.tags import VERSION_FOLDER, Version

STAGED = ".staged-"


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
        raise Refused(f"{folder / name} is a Git LFS pointer, not the file. {bring_back(folder, version)}")
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
