"""Git LFS objects as files: which ones a version needs, and whether they are what their names say."""
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

from lib import copying, git, versions
from lib.errors import Refused
from lib.tags import Version

OID = re.compile(r"[0-9a-f]{64}\Z")


def found(objects: Path) -> dict[str, Path]:
    """Every object of a store, by its sha256."""
    return {path.name: path for path in sorted(objects.glob("??/??/*")) if OID.match(path.name)}


def intact(path: Path) -> bool:
    """Whether an object is there and its bytes are what its name says: git-lfs itself never looks."""
    return path.is_file() and copying.sha256_on_disk(path) == path.name


def needed(root: Path, known: Iterable[Version]) -> dict[str, dict[str, str]]:
    """For each version's tag the objects behind it: path in the tag -> sha256. Refused if a manifest is not what its tag says."""
    known = list(known)
    names = {version.tag: f"{version.tag}:models/{version.model}/v{version.number}/manifest.json" for version in known}
    blobs = git.read_blobs(root, list(names.values())) if known else {}
    return {version.tag: objects_of(version, blobs[names[version.tag]]) for version in known}


def objects_of(version: Version, content: bytes | None) -> dict[str, str]:
    if content is None or hashlib.sha256(content).hexdigest() != version.manifest_sha256:
        raise Refused(f"the manifest that {version.tag} holds is not the one that it names: the tag was moved or the repository is damaged. See: git fsck")
    manifest = json.loads(content)
    return {**{f"models/{version.model}/v{version.number}/{name}": manifest["files"][name] for name in versions.STORED if name in manifest["files"]},
            **{f"data/{version.model}/train/{part['name']}": part["sha256"] for part in manifest["parts"]}}
