"""The model card of a version: plain Markdown that somebody who did not train it can read (after Mitchell and others 2019)."""
from dataclasses import dataclass

import numpy as np

from lib import explain, scores
from lib.candidate import Candidate
from lib.fingerprints import Inputs
from lib.names import not_learnt, plural

MOST_LOOKED_AT = 20_000  # holdout rows among which weak slices are looked for
TOP = 10  # columns by importance
RARE = 50  # rows to learn from of a class, below which it is called rare
MOST_NAMED = 12  # classes
GAPS = 0.05  # share of missing values from which on a column is named


@dataclass(frozen=True)
class Insight:
    """What is computed for the card alone."""

    importances: explain.Importances
    bins: list[explain.Bin]
    calibration_error: float | None  # None: the model gives no probabilities
    weaknesses: list[explain.Weakness]


def look(candidate: Candidate) -> Insight:
    conf, answers = candidate.model.config, candidate.answers
    told = explain.confidences(answers)
    bins, error = explain.calibration(*told) if told else ([], None)
    columns = {name: conf.columns[name].type for name in conf.features}
    examined = np.flatnonzero(candidate.split.holdout)
    some = np.unique(np.linspace(0, len(examined) - 1, min(len(examined), MOST_LOOKED_AT)).astype(int))
    return Insight(explain.importances(candidate.model, candidate.built, answers.truth, conf.metric, conf.train.seed), bins, error,
                   explain.weaknesses(candidate.rows.frame.iloc[examined[some]], columns, explain.losses(answers)[some]))


def write(manifest: dict, candidate: Candidate, inputs: Inputs) -> str:
    insight = look(candidate)
    sections = (head(manifest, candidate), data(manifest, candidate), estimator(manifest, candidate), numbers(candidate), calibration(candidate, insight),
                gates(candidate), importance(insight), limits(manifest, candidate, insight), reproduce(manifest, inputs))
    return "\n\n".join(section for section in sections if section) + "\n"


def head(manifest: dict, candidate: Candidate) -> str:
    config = candidate.model.config
    headline = candidate.headline
    kind = f"tells which `{config.target}` a row has ({listed([f'`{code(name)}`' for name in manifest['classes']])})" if config.task == "classification" else f"estimates `{config.target}`, a number,"
    source = plural(len(candidate.built.columns), "column")
    if candidate.model.features.make:
        source = f"{plural(len(candidate.built.columns), 'feature')} that features.py makes of {plural(len(config.features), 'column')}"
    elif config.unlearnable:
        source += f" ({code(not_learnt(config.unlearnable))})"
    positive = f" Precision, recall and scores are about `{code(manifest['positive'])}`." if manifest["positive"] else ""
    return (f"# {manifest['model']} v{manifest['version']}\n\n{config.description or 'No description in model.toml.'}\n\n"
            f"It {kind} from {source}.{positive} On {manifest['holdout_rows']:,} rows that it had not learnt from, its {headline.name} was "
            f"**{headline.value:.4g}** (95 % interval {headline.low:.4g} to {headline.high:.4g}). Trained {manifest['created']}, because of: {manifest['why']}.")


def listed(words: list[str]) -> str:
    return ", ".join(words[:MOST_NAMED]) + (f" and {len(words) - MOST_NAMED:,} more" if len(words) > MOST_NAMED else "")


def code(text) -> str:
    """Text that stays as it is between Markdown's backticks and in a table."""
    return str(text).replace("`", "'").replace("|", "\\|").replace("\n", " ")


def data(manifest: dict, candidate: Candidate) -> str:
    rows = "\n".join(f"| {part['name']} | {part['rows']:,} | `{part['sha256'][:16]}…` |" for part in manifest["parts"])
    refit = f" Then it was refitted on {manifest['train_rows']:,} rows, the holdout included; the figures below are from before that." if manifest["refit"] else ""
    return (f"## Data\n\n| part | rows | sha256 |\n|---|---:|---|\n{rows}\n\n{dates(candidate)}"
            f"{candidate.split.train.sum():,} rows taught it, {manifest['holdout_rows']:,} rows examined it ({manifest['holdout']}).{refit}{shares(candidate)}")


def dates(candidate: Candidate) -> str:
    config = candidate.model.config
    used = candidate.split.train | candidate.split.holdout
    times = candidate.rows.frame[config.time][used].dropna() if config.time else ()
    return f"Its rows are from {times.min():%Y-%m-%d} to {times.max():%Y-%m-%d} (`{code(config.time)}`). " if len(times) else ""


def taught(candidate: Candidate) -> np.ndarray:
    """The target's values in the rows that it learnt from."""
    from lib import dataset
    config = candidate.model.config
    return dataset.labels(candidate.rows.frame[config.target], config)[candidate.split.train]


def shares(candidate: Candidate) -> str:
    known = taught(candidate)
    if candidate.model.config.task == "regression":
        low, middle, high = np.quantile(known, (0.05, 0.5, 0.95))
        return f"\n\nAmong the rows that taught it, nine in ten values of `{code(candidate.model.config.target)}` lie between {low:.4g} and {high:.4g}, half of them below {middle:.4g}."
    names, counts = np.unique(known.astype(str), return_counts=True)
    told = [f"`{code(name)}` {count / len(known):.1%}" for name, count in sorted(zip(names, counts), key=lambda each: -each[1])]
    return f"\n\nAmong the rows that taught it: {listed(told)}."


def estimator(manifest: dict, candidate: Candidate) -> str:
    params = {**candidate.model.config.train.params, **candidate.params}
    lines = "\n".join(f"- `{name}` = {value!r}" for name, value in params.items()) or "- all parameters at scikit-learn's defaults"
    searched = candidate.searched
    how = f"\n\nChosen by a search of {candidate.model.config.search.trials} trials (trial {searched.trial + 1}, mean {manifest['metric']} over the folds {searched.value:.4g})." if searched else ""
    return f"## Estimator\n\n`{manifest['estimator']}`, seed {candidate.model.config.train.seed}\n\n{lines}{how}"


def numbers(candidate: Candidate) -> str:
    slices = dict.fromkeys(score.slice for score in candidate.scores)
    text = ["## How good it is\n\nOn the holdout, with 95 % bootstrap intervals."]
    for name in slices:
        found = [score for score in candidate.scores if score.slice == name]
        rows = "\n".join(f"| {score.name} | {score.value:.4g} | {score.low:.4g} to {score.high:.4g} |" for score in found)
        text.append(f"**{code(name)}** ({found[0].rows:,} rows)\n\n| metric | value | interval |\n|---|---:|---:|\n{rows}")
    return "\n\n".join(text)


def calibration(candidate: Candidate, insight: Insight) -> str:
    """How far its probabilities can be taken at their word; of a regression, how far off its estimates are."""
    answers = candidate.answers
    if candidate.model.config.task == "regression":
        errors = answers.values - answers.truth
        half, nine = np.quantile(np.abs(errors), (0.5, 0.9))
        return (f"## How far off it is\n\nIts estimates are {abs(errors.mean()):.4g} too {'high' if errors.mean() > 0 else 'low'} on average. "
                f"Half of them are off by less than {half:.4g}, nine in ten by less than {nine:.4g}.")
    if insight.calibration_error is None:
        return "## Calibration\n\nThis estimator gives no probabilities."
    about = f"that a row is `{code(answers.positive)}`" if answers.positive is not None else "that its answer is right"
    rows = "\n".join(f"| {each.low:.0%} to {each.high:.0%} | {each.rows:,} | {each.said:.1%} | {each.true:.1%} |" for each in insight.bins)
    return (f"## Calibration\n\nWhere it gives a chance {about}, and how often that came true on the holdout. "
            f"The two differ by {insight.calibration_error:.3f} on average (expected calibration error; 0 is perfect).\n\n| it said | rows | on average | came true |\n|---|---:|---:|---:|\n{rows}")


def gates(candidate: Candidate) -> str:
    rows = "\n".join(f"- {gate.words}: {'yes' if gate.passed else 'no'}" for gate in candidate.verdicts) or "- none: model.toml sets no thresholds"
    return f"## What it had to pass\n\n{rows}{against(candidate)}"


def against(candidate: Candidate) -> str:
    c = candidate.comparison
    if c is None:
        return "\n\nIt has not been compared with a live version."
    return (f"\n\nAgainst the version that was live, on the same {c.rows:,} rows: {c.metric} {c.candidate:.4g} against {c.production:.4g}, "
            f"a difference in its favour of {c.difference:+.4g} (95 % interval {c.low:+.4g} to {c.high:+.4g}).")


def importance(insight: Insight) -> str:
    found = insight.importances
    shown = [each for each in found.found if each.loss > 0][:TOP]
    rows = "\n".join(f"| {code(each.column)} | {each.loss:.4f} | {each.spread:.4f} |" for each in shown)
    table = f"| column | {found.metric} gets worse by | ± |\n|---|---:|---:|\n{rows}" if shown else "No single column makes a difference when it is shuffled; columns that say the same stand in for each other."
    some = f", {found.left_out:,} further columns not examined" if found.left_out else ""
    return (f"## What it goes by\n\nPermutation importance: how much worse the {found.metric} gets when one column's values are shuffled among {found.rows:,} holdout rows, "
            f"mean of {found.repeats} times{some}. Columns that say the same share their importance.\n\n{table}")


def limits(manifest: dict, candidate: Candidate, insight: Insight) -> str:
    points = [*weak(candidate, insight), *rare(candidate), *gaps(candidate),
              f"It knows only rows like those above: values that they do not have, and a world that has changed since {manifest['created'][:10]}, are guesses. `make drift` and `make check` tell.",
              f"Its figures rest on {manifest['holdout_rows']:,} rows; the intervals say how much that leaves open."]
    if manifest["refit"]:
        points.append("What is live was fitted once more on all rows, so its own figures are not known.")
    return "## Limits and known weak slices\n\n" + "\n".join(f"- {point}" for point in points)


def weak(candidate: Candidate, insight: Insight) -> list[str]:
    """The slices that model.toml names and are worse than the whole, then those found by looking."""
    metric = candidate.model.config.metric
    whole = candidate.headline
    higher = scores.greater_is_better(metric)
    named = [score for score in candidate.scores if score.name == metric and score.slice != "all" and (score.high < whole.value if higher else score.low > whole.value)]
    points = [f"{code(score.slice)}: {metric} {score.value:.4g} ({score.low:.4g} to {score.high:.4g}) on {score.rows:,} rows, against {whole.value:.4g} overall" for score in named]
    for each in insight.weaknesses[:TOP]:
        figures = f"{each.loss:.1%} wrong on {each.rows:,} holdout rows, {each.elsewhere:.1%} elsewhere" if candidate.model.config.task == "classification" else f"off by {each.loss:.4g} on average on {each.rows:,} holdout rows, by {each.elsewhere:.4g} elsewhere"
        points.append(f"{code(each.words)}: {figures}")
    return points or ["No slice of a single column is worse than the rest by more than chance (each value and each quarter of every column, 5 % for all together)."]


def rare(candidate: Candidate) -> list[str]:
    if candidate.model.config.task == "regression":
        return []
    names, counts = np.unique(taught(candidate).astype(str), return_counts=True)
    few = [f"`{code(name)}` {count}" for name, count in sorted(zip(names, counts), key=lambda each: each[1]) if count < RARE]
    return [f"Rare, with the number of rows that it learnt from: {listed(few)}."] if few else []


def gaps(candidate: Candidate) -> list[str]:
    """Columns whose values are often missing."""
    config = candidate.model.config
    absent = candidate.rows.frame[list(config.features)][candidate.split.train].isna().mean()
    often = absent[absent >= GAPS].sort_values(ascending=False, kind="stable")[:TOP]
    return [f"Often missing: {', '.join(f'`{code(name)}` {share:.0%}' for name, share in often.items())}."] if len(often) else []


def reproduce(manifest: dict, inputs: Inputs) -> str:
    tag = f"{manifest['model']}/v{manifest['version']}"
    packages = ", ".join(f"{name} {version}" for name, version in inputs.environment.items())
    return (f"## How to get it back, or make it again\n\n`git worktree add ../{manifest['model']}-v{manifest['version']} {tag}` gives a folder with code, config, data and model as they were. The model is `models/{manifest['model']}/v{manifest['version']}/model.joblib`; "
            f"the sha256 of every file and of every part is in `manifest.json` beside it. `make reproduce MODEL={manifest['model']} VERSION={manifest['version']}` trains it again from its own rows and code, and compares.\n\n"
            f"Made with {packages}.")
