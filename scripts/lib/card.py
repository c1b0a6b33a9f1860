"""The model card of a version: plain Markdown that somebody who did not train it can read."""
from lib.fingerprints import Inputs


def write(manifest: dict, candidate, inputs: Inputs) -> str:
    """candidate: the training.Candidate that the manifest is about."""
    return "\n\n".join(section for section in (head(manifest, candidate), data(manifest), estimator(manifest, candidate), numbers(candidate), gates(candidate), reproduce(manifest, inputs)) if section) + "\n"


def head(manifest: dict, candidate) -> str:
    config = candidate.model.config
    kind = "classifies" if config.task == "classification" else "estimates"
    return (f"# {manifest['model']} v{manifest['version']}\n\n{config.description or 'No description in model.toml.'}\n\n"
            f"It {kind} `{config.target}` from {len(config.features)} columns. Trained {manifest['created']}, because of: {manifest['why']}.")


def data(manifest: dict) -> str:
    rows = "\n".join(f"| {part['name']} | {part['rows']:,} | `{part['sha256'][:16]}…` |" for part in manifest["parts"])
    refit = f" Then it was refitted on {manifest['train_rows']:,} rows, the holdout included; the figures below are from before that." if manifest["refit"] else ""
    return (f"## Data\n\n| part | rows | sha256 |\n|---|---:|---|\n{rows}\n\n"
            f"{manifest['holdout_rows']:,} rows examined it ({manifest['holdout']}).{refit}")


def estimator(manifest: dict, candidate) -> str:
    params = {**candidate.model.config.train.params, **candidate.params}
    lines = "\n".join(f"- `{name}` = {value!r}" for name, value in params.items()) or "- all parameters at scikit-learn's defaults"
    searched = candidate.searched
    how = f"\n\nChosen by a search of {candidate.model.config.search.trials} trials (trial {searched.trial + 1}, mean {manifest['metric']} over the folds {searched.value:.4g})." if searched else ""
    return f"## Estimator\n\n`{manifest['estimator']}`, seed {candidate.model.config.train.seed}\n\n{lines}{how}"


def numbers(candidate) -> str:
    slices = dict.fromkeys(score.slice for score in candidate.scores)
    text = ["## How good it is\n\nOn the holdout, with 95 % bootstrap intervals."]
    for name in slices:
        found = [score for score in candidate.scores if score.slice == name]
        rows = "\n".join(f"| {score.name} | {score.value:.4g} | {score.low:.4g} to {score.high:.4g} |" for score in found)
        text.append(f"**{name}** ({found[0].rows:,} rows)\n\n| metric | value | interval |\n|---|---:|---:|\n{rows}")
    return "\n\n".join(text)


def gates(candidate) -> str:
    rows = "\n".join(f"- {gate.words}: {'yes' if gate.passed else 'no'}" for gate in candidate.verdicts) or "- none: model.toml sets no thresholds"
    return f"## What it had to pass\n\n{rows}"


def reproduce(manifest: dict, inputs: Inputs) -> str:
    tag = f"{manifest['model']}/v{manifest['version']}"
    packages = ", ".join(f"{name} {version}" for name, version in inputs.environment.items())
    return (f"## How to get it back\n\n`git checkout {tag}` brings code, config, data and model as they were. The model is `models/{manifest['model']}/v{manifest['version']}/model.joblib`; "
            f"the sha256 of every file is in `manifest.json` beside it.\n\nMade with {packages}.")
