"""How alike two trainings of one version came out: identical, equal but for the last digits, or different."""
import csv
import hashlib
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path

from lib import fingerprints, versions
from lib.errors import UserError
from lib.files import ModelPaths
from lib.tags import Version

TOLERANCE = 1e-9  # of the larger of the two numbers, and of 1 for small ones
IDENTICAL, EQUAL, DIFFERENT = VERDICTS = ("identical", "equal within 1e-9", "different")


@dataclass(frozen=True)
class Likeness:
    what: str
    verdict: str
    words: str


def compare(paths: ModelPaths, version: Version, manifest: dict, made: Path, rows: Path) -> list[Likeness]:
    """Model, metrics and holdout predictions of a version, against those in the folder of another training of it on the same rows."""
    return [compare_models(paths, version, manifest, made, rows), compare_metrics(paths, version, made), compare_holdouts(paths, version, manifest, made)]


def compare_models(paths: ModelPaths, version: Version, manifest: dict, made: Path, rows: Path) -> Likeness:
    """By sha256; where the bytes differ, by what the two say of every row that is there to learn from."""
    content = (made / "model.joblib").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest == manifest["files"]["model.joblib"]:
        return Likeness("model", IDENTICAL, f"sha256 {digest[:12]}")
    words = f"sha256 {manifest['files']['model.joblib'][:12]} then, {digest[:12]} now"
    try:
        count, then, now = answers(paths, version, content, rows)
    except UserError as error:
        return Likeness("model", DIFFERENT, f"{words}; not compared by its predictions: {error}")
    return Likeness("model", EQUAL if alike(then, now) else DIFFERENT, f"{words}; compared by the predictions for {count:,} rows")


def answers(paths: ModelPaths, version: Version, content: bytes, rows: Path) -> tuple[int, list, list]:
    """What the registered model and another one of the same make say of the parts in a folder."""
    from lib import dataset, loading, model, parts  # scikit-learn takes seconds to import: only where bytes differ
    then, manifest = loading.load(paths, version)
    features = versions.small_file(paths, version, "features.py") if "features.py" in manifest["files"] else None
    now = model.load(content, then.config, features, f"{version.name}, trained again,")
    frame = dataset.read([parts.Part(rows / part["name"], part["sha256"]) for part in manifest["parts"]], then.config).frame
    said = [made.predict(frame) for made in (then, now)]
    return len(frame), *([one.values.tolist(), one.probabilities.tolist() if one.probabilities is not None else None] for one in said)


def compare_metrics(paths: ModelPaths, version: Version, made: Path) -> Likeness:
    then, now = (figures(json.loads(content)) for content in (versions.small_file(paths, version, "metrics.json"), (made / "metrics.json").read_bytes()))
    verdict = IDENTICAL if then == now else EQUAL if alike(then, now) else DIFFERENT
    apart = [f"{name} {value} then, {now['scores'][name][0]} now" for name, (value, *_) in then["scores"].items() if value != now["scores"].get(name, [value])[0]]
    return Likeness("metrics", verdict, "; ".join(apart[:3]) if verdict == DIFFERENT and apart else f"{len(then['scores'])} of them")


def figures(told: dict) -> dict:
    """What metrics.json says of the model alone: not how it compares with what was live."""
    scores = {score["name"] if score["slice"] == "all" else f"{score['name']} where {score['slice']}": [score["value"], score["low"], score["high"], score["rows"]] for score in told["scores"]}
    return {"scores": scores, "params": told["params"]}


def compare_holdouts(paths: ModelPaths, version: Version, manifest: dict, made: Path) -> Likeness:
    content = (made / "holdout.csv").read_bytes()
    if hashlib.sha256(content).hexdigest() == manifest["files"]["holdout.csv"]:
        return Likeness("holdout predictions", IDENTICAL, f"{manifest['holdout_rows']:,} rows")
    folder = versions.ensure_folder(paths, version)
    then, now = (table(text) for text in (versions.read_verified(folder, version, manifest, "holdout.csv"), content))
    if [row[0] for row in then] != [row[0] for row in now]:
        return Likeness("holdout predictions", DIFFERENT, "of other rows")
    apart = sum(not alike(a, b) for a, b in zip(then, now))
    return Likeness("holdout predictions", DIFFERENT if apart else EQUAL, f"{apart:,} of {len(then):,} rows differ" if apart else f"{len(then):,} rows")


def table(content: bytes) -> list[list]:
    """The rows, with numbers as numbers; the header and each row's key stay text."""
    first, *rows = csv.reader(io.StringIO(content.decode()))
    return [first, *([row[0], *map(number, row[1:])] for row in rows)]


def number(text: str):
    try:
        return float(text)
    except ValueError:
        return text


def alike(a, b) -> bool:
    """The same shape and the same texts, and numbers that agree within the tolerance."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, float) and isinstance(b, (float, int)) or isinstance(b, float) and isinstance(a, int):
        return a == b or math.isfinite(a - b) and abs(a - b) <= TOLERANCE * max(1.0, abs(a), abs(b)) or math.isnan(a) and math.isnan(b)
    return a == b


def environment_differences(paths: ModelPaths, version: Version) -> list[str]:
    """Python and the installed packages, then and now, where they differ."""
    then, now = json.loads(versions.small_file(paths, version, "environment.json")), fingerprints.environment()
    return [f"{name} {then.get(name, 'absent')} then, {now.get(name, 'absent')} now" for name in sorted(then.keys() | now.keys()) if then.get(name) != now.get(name)]
