"""A registered version as a model that can score: every byte verified against its tag before it is used."""
import sys
from pathlib import Path

from lib import config, model, registry
from lib.errors import UserError
from lib.files import ModelPaths
from lib.registry import Version


def load(paths: ModelPaths, version: Version) -> tuple[model.Model, dict]:
    """The version's model and manifest. Refused if a file is not what the tag says, UserError if it does not load here."""
    folder = registry.ensure_folder(paths, version)
    manifest = registry.read_manifest(folder, version)
    text = registry.read_verified(folder, version, manifest, "model.toml").decode()
    features = registry.read_verified(folder, version, manifest, "features.py") if "features.py" in manifest["files"] else None
    content = registry.read_verified(folder, version, manifest, "model.joblib")
    return model.load(content, config.parse(text), features, version.name), manifest


def try_out(root: str, name: str, number: str) -> int:
    """Load a version, as a process of its own: 0 if it loads, else 3 and the reason on stderr."""
    paths = ModelPaths(Path(root), name)
    try:
        load(paths, registry.read(paths).version(int(number), name))
    except UserError as error:
        print(error, file=sys.stderr)
        return 3
    return 0
