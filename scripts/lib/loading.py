"""A registered version as a model that can score: every byte verified against its tag before it is used."""
import sys
from pathlib import Path

import sklearn

from lib import config, model, tags, versions
from lib.errors import UserError
from lib.files import ModelPaths
from lib.tags import Version


def load(paths: ModelPaths, version: Version) -> tuple[model.Model, dict]:
    """The version's model and manifest. Refused if a file is not what the tag says, UserError if it does not load here."""
    folder = versions.ensure_folder(paths, version)
    manifest = versions.read_manifest(folder, version)
    text = versions.read_verified(folder, version, manifest, "model.toml").decode()
    features = versions.read_verified(folder, version, manifest, "features.py") if "features.py" in manifest["files"] else None
    content = versions.read_verified(folder, version, manifest, "model.joblib")
    check_environment(paths, version, manifest)
    return model.load(content, config.parse(text), features, version.name), manifest


def check_environment(paths: ModelPaths, version: Version, manifest: dict) -> None:
    """UserError, before anything is unpickled, if another scikit-learn made the model and model.toml does not allow that."""
    made, here = manifest["inputs"]["environment"].get("scikit_learn"), sklearn.__version__
    if made == here:
        return
    words = f"{version.name} was made with scikit-learn {made}, and this is {here}"
    if not config.load(paths.config).deploy.other_environment:
        raise UserError(f"{words}. Train again, or go back to that version's requirements; or allow it in models/{paths.name}/model.toml: [deploy] other_environment = true")
    print(f"warning: {words}; [deploy] other_environment = true allows it.", file=sys.stderr)


def try_out(root: str, name: str, number: str) -> int:
    """Load a version, as a process of its own: 0 if it loads, else 3 and the reason on stderr."""
    paths = ModelPaths(Path(root), name)
    try:
        load(paths, tags.read(paths).version(int(number), name))
    except UserError as error:
        print(error, file=sys.stderr)
        return 3
    return 0
