"""What a training depends on, as sha256 over whole files; and in words what has changed since a version was trained."""
import hashlib
import math
import os
import sys
from pathlib import Path

from lib import files, git
from lib.errors import Failed
from lib.files import ModelPaths
from lib.parts import Part
from lib.record import Record

# The scripts whose change can change a trained model.
CODE = ("train.py", "lib/candidate.py", "lib/config.py", "lib/csvfile.py", "lib/dataset.py", "lib/gates.py", "lib/holdout.py", "lib/model.py", "lib/paired.py", "lib/scorers.py", "lib/scores.py", "lib/search.py", "lib/settings.py", "lib/staging.py", "lib/training.py", "lib/validation.py")
PACKAGES = ("joblib", "numpy", "pandas", "scikit_learn", "scipy", "threadpoolctl")


class Inputs(Record):
    """Everything that decides how a training comes out."""

    parts: dict[str, str]  # file name -> sha256
    config: dict  # the sections of model.toml that matter
    features: str | None  # sha256 of features.py
    code: dict[str, str]  # script -> sha256
    environment: dict[str, str]  # Python and the packages that compute

    def columns(self) -> dict[str, str]:
        """For the run's row."""
        return {"data_fingerprint": files.sha256_json(self.parts), "config_fingerprint": files.sha256_json([self.config, self.features]),
                "code_fingerprint": files.sha256_json(self.code), "environment_fingerprint": files.sha256_json(self.environment)}

    def fingerprint(self) -> str:
        return files.sha256_json(vars(self))


def collect(paths: ModelPaths, found: list[Part], texts: dict[str, bytes], then: dict | None = None) -> Inputs:
    """texts: as versions.texts gives them. then: the manifest of a version; what its scripts read out of the very same model.toml need not be read again by the same scripts."""
    code = code_of(paths)
    if then and then["inputs"]["code"] == code and then["files"]["model.toml"] == hashlib.sha256(texts["model.toml"]).hexdigest():
        view = then["inputs"]["config"]
    else:
        from lib import config
        view = plain(config.training_view(texts["model.toml"]))
    return Inputs({part.path.name: part.sha256 for part in found}, view, hashlib.sha256(texts["features.py"]).hexdigest() if "features.py" in texts else None,
                  code, {name: version for name, version in environment().items() if name in ("python", *PACKAGES)})


def code_of(paths: ModelPaths) -> dict[str, str]:
    return {name: files.sha256(paths.root / "scripts" / name) for name in CODE}


def refuse_other_code(paths: ModelPaths, inputs: Inputs) -> None:
    """Failed if the scripts are no longer those that ran: the tag takes them from the working tree."""
    changed = changed_keys(inputs.code, code_of(paths))
    if changed:
        raise Failed(f"scripts/{changed[0]} was changed during the training, so its tag could not hold the code that ran. Type it again.")


def untracked(paths: ModelPaths) -> list[str]:
    """The project's own Python files that were imported here, other models' left out, and that are in no commit: no tag holds them."""
    root, found = Path(os.path.realpath(paths.root)), []
    for module in list(sys.modules.values()):
        name = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(name, str) and name.endswith(".py") and os.path.isfile(name):
            found.append(Path(os.path.realpath(name)))
    ours = sorted({str(path.relative_to(root)) for path in found if path.is_relative_to(root) and not packaged(path, root) and not of_another(path.relative_to(root), paths.name)})
    if not ours or not git.head(paths.root):
        return []
    held = git.run(paths.root, "ls-tree", "-r", "-z", "--name-only", "HEAD", "--", *ours).decode(errors="surrogateescape").split("\0")
    return [name for name in ours if name not in held]


def packaged(path: Path, root: Path) -> bool:
    """Whether a file below the project's folder belongs to a Python or a venv that lies there."""
    homes = [os.path.realpath(home) for home in (sys.prefix, sys.base_prefix)]
    return any(path.is_relative_to(home) for home in homes) or any(part.startswith(".") or part in ("site-packages", "dist-packages") for part in path.relative_to(root).parts)


def of_another(path: Path, model: str) -> bool:
    return path.parts[0] == "models" and path.parts[1:2] != (model,)


def plain(value):
    """TOML's values as JSON has them (dates become text), so that they compare equal after a trip through a file."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value if isinstance(value, (str, int, bool)) or isinstance(value, float) and math.isfinite(value) else str(value)


def environment() -> dict[str, str]:
    """Python and every installed package with its version, from the names of their folders: importing them would take seconds."""
    packages = {}
    for folder in reversed([Path(entry) for entry in sys.path if entry and os.path.isdir(entry)]):
        for name in os.listdir(folder):
            if name.endswith(".dist-info"):
                package, _, version = name.removesuffix(".dist-info").rpartition("-")
                packages[package.lower().replace("-", "_")] = version
    return {"python": sys.version.partition(" ")[0], **dict(sorted(packages.items()))}


def changes(now: Inputs, then: dict) -> list[str]:
    """What differs from the inputs in a version's manifest, in words; empty: nothing."""
    words = []
    for name in sorted(now.parts.keys() | then["parts"].keys()):
        if now.parts.get(name) != then["parts"].get(name):
            words.append(f"data: part {Path(name).stem} is {'new' if name not in then['parts'] else 'gone' if name not in now.parts else 'another'}")
    words += [f"config: {key} changed" for key in changed_keys(then["config"], now.config)]
    if now.features != then["features"]:
        words.append("features: features.py changed")
    words += [f"code: {name} changed" for name in changed_keys(then["code"], now.code)]
    words += [f"environment: {name} {then['environment'].get(name, 'absent')} → {now.environment.get(name, 'absent')}"
              for name in changed_keys(then["environment"], now.environment)]
    return words


def changed_keys(old: dict, new: dict, prefix: str = "") -> list[str]:
    """The dotted names of what differs between two nested dicts: `train.params.C`."""
    names = []
    for key in sorted(old.keys() | new.keys()):
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            names += changed_keys(a, b, f"{prefix}{key}.")
        elif a != b:
            names.append(f"{prefix}{key}")
    return names
