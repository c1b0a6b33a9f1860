"""Two versions side by side, differences marked: parameters, data, environment, metrics, the paired test, the rows learnt from, the code.

make compare                               # what is live beside the newest
make compare MODEL=churn A=2 B=5
make compare MODEL=churn A=2 B=5 JSON=1    # the same for scripts

JSON=1 prints {"model", "a", "b", "facts", "params", "parts", "environment", "metrics", "paired", "shifts", "code"}. facts, params, parts
(rows by part), environment and metrics are {name: [of a, of b]}, null where one has none. paired is the test on the holdout rows that both
were examined on: {metric, a, b, difference, low, high, p_better, p_worse, rows, test}, p_better and p_worse of b; or null.
"""
import json

from lib import config, git, runs, tags, terminal, versions
from lib.errors import UserError
from lib.files import ModelPaths
from lib.names import whose
from lib.runs import Run
from lib.tags import Registry, Version
from lib.terminal import Cell, Column

FEWEST = 20  # common rows without which a test says nothing
SHOWN = 10  # columns whose distribution moved
SIGNIFICANCE = 0.05
LONGEST = 34  # letters of a value, so that two fit on a line
NONE = "–"


def work(run: Run) -> int:
    paths = run.model()
    a, b = chosen(run, tags.read(paths), paths.name)
    found = compare(paths, a, b)
    if run.flag("JSON"):
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        print(*in_words(found), sep="\n")
    return 0


def chosen(run: Run, known: Registry, model: str) -> tuple[Version, Version]:
    """A: what is live, B: the newest; where these are one, A is the version before."""
    if len(known.versions) < 2:
        only = f"{model} has only v{known.newest.number}, so there is nothing to compare it with." if known.newest else f"{model} has no version yet."
        raise UserError(f"{only} Make another with: make train MODEL={model}")
    left, right = run.version("A"), run.version("B")
    b = known.chosen(right, model)
    a = known.live if left is None else known.version(left, model)
    if left is None and (a is None or a.number == b.number):
        others = [number for number in known.versions if number != b.number]
        a = known.versions[max([number for number in others if number < b.number] or others)]
    return a, b


def compare(paths: ModelPaths, a: Version, b: Version) -> dict:
    from lib import comparison
    manifests = [versions.read_manifest(versions.ensure_folder(paths, version), version) for version in (a, b)]
    metrics, baselines, environments = ([json.loads(read(paths, version, manifest, name)) for version, manifest in zip((a, b), manifests)]
                                        for name in ("metrics.json", "baseline.json", "environment.json"))
    rows = [{part["name"].removesuffix(".csv"): part["rows"] for part in manifest["parts"]} for manifest in manifests]
    code = ["scripts", "requirements.txt", *(f"models/{paths.name}/{name}" for name in ("features.py", "model.toml"))]
    return {
        "model": paths.name, "a": a.number, "b": b.number,
        "facts": comparison.pairs(*map(facts, (a, b), manifests)),
        "params": comparison.pairs(*map(versions.params, manifests, metrics)),
        "parts": comparison.pairs(*rows),
        "environment": comparison.pairs(*environments),
        "metrics": comparison.pairs(*map(comparison.overall, metrics)),
        "paired": paired(paths, (a, b), manifests),
        "shifts": comparison.shifts(*baselines),
        "code": git.diff_stat(paths.root, a.tag, b.tag, code),
    }


def read(paths: ModelPaths, version: Version, manifest: dict, name: str) -> bytes:
    return versions.read_verified(paths.version(version.number), version, manifest, name)


def facts(version: Version, manifest: dict) -> dict:
    return {"trained": version.entry["time"], "by": whose(version.entry), "because of": manifest["why"], "model's sha256": version.sha256[:12],
            "rows to learn from": manifest["train_rows"], "rows to examine": manifest["holdout_rows"], "holdout": manifest["holdout"], "positive class": manifest["positive"]}


def paired(paths: ModelPaths, both: tuple[Version, Version], manifests: list[dict]) -> dict | None:
    """The paired test on the common holdout rows; None where they answer different questions or share too few rows."""
    from lib import comparison, holdout
    held, confs = [], []
    for version, manifest in zip(both, manifests):
        confs.append(config.parse(read(paths, version, manifest, "model.toml").decode()))
        held.append(holdout.read(read(paths, version, manifest, "holdout.csv"), confs[-1], manifest))
    if (confs[0].task, confs[0].target) != (confs[1].task, confs[1].target):
        return None
    ours, theirs = comparison.common(*held[0], *held[1])
    if len(ours.truth) < FEWEST:
        return None
    return comparison.as_dict(comparison.test(confs[1].metric, confs[1].task, ours, theirs, confs[1].evaluate.resamples, confs[1].train.seed))


def in_words(found: dict) -> list[str]:
    columns = [Column(""), Column(f"{found['model']} v{found['a']}"), Column(f"v{found['b']}"), Column("")]
    facts = {name: values for name, values in found["facts"].items() if name not in ("holdout", "positive class") or values[0] != values[1]}
    rows = [*section("", facts, shown), *section("parameters", found["params"], shown), *section("data: rows by part", found["parts"], counted),
            *same_or(section("environment", differing(found["environment"]), shown), f"environment: the same, Python {found['environment']['python'][0]} and {len(found['environment']) - 1} packages"),
            *section("metrics, each on its own holdout", found["metrics"], scored)]
    return [*terminal.table(columns, rows), "", *test_words(found), "", *shift_words(found), "", *code_words(found)]


def section(title: str, pairs: dict[str, list], words) -> list[list]:
    """Rows of the table: what differs has a mark in front and is coloured."""
    rows = [[], [title]] if title else []
    for name, (a, b) in pairs.items():
        left, right = words(a), words(b)
        colour = "yellow" if left != right else ""
        rows.append([f"{'≠' if left != right else ' '} {name}", Cell(left, colour), Cell(right, colour), change(a, b)])
    return rows


def same_or(rows: list[list], otherwise: str) -> list[list]:
    return rows if len(rows) > 2 else [[], [otherwise]]


def differing(pairs: dict[str, list]) -> dict[str, list]:
    return {name: values for name, values in pairs.items() if values[0] != values[1]}


def shown(value) -> str:
    text = NONE if value is None else value.removeprefix("sklearn.") if isinstance(value, str) else f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else text[:LONGEST - 1] + "…"


def counted(rows: int | None) -> str:
    return NONE if rows is None else f"{rows:,}"


def scored(score: dict | None) -> str:
    if score is None or score["value"] is None:
        return NONE if score is None else "undefined"
    return f"{score['value']:.4f}  {score['low']:.4f} to {score['high']:.4f}" if score["low"] is not None else f"{score['value']:.4f}"


def change(a, b) -> str:
    """How a number moved, where both have one."""
    old, new = (value.get("value") if isinstance(value, dict) else value for value in (a, b))
    if old is None and isinstance(new, int) and not isinstance(new, bool):
        return f"+{new:,}"
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (old, new))
    return "" if not numbers or old == new else f"{new - old:+,}" if isinstance(old, int) and isinstance(new, int) else f"{new - old:+.4g}"


def test_words(found: dict) -> list[str]:
    p = found["paired"]
    if p is None:
        return [f"paired test: none, since they share fewer than {FEWEST} holdout rows with the same question"]
    if p["difference"] is None:
        return [f"paired test: {p['metric']} is undefined on the {p['rows']:,} holdout rows that both were examined on"]
    verdict = (f"v{found['b']} is better" if p["difference"] > 0 and p["p_better"] < SIGNIFICANCE else f"v{found['b']} is worse" if p["difference"] < 0 and p["p_worse"] < SIGNIFICANCE
               else "no difference that chance could not have made")
    p_value = min(p["p_better"], p["p_worse"])
    return [f"paired test on the {p['rows']:,} holdout rows that both were examined on ({p['test']}):",
            f"  {p['metric']} {p['a']:.4g} → {p['b']:.4g}, in v{found['b']}'s favour {p['difference']:+.4g} [{p['low']:+.4g}, {p['high']:+.4g}], one-sided p = {p_value:.3g}: {verdict}"]


def shift_words(found: dict) -> list[str]:
    moved = [each for each in found["shifts"] if each["shifted"]]
    if not moved:
        if found["shifts"] and not found["shifts"][0]["distance"]:
            return ["rows learnt from: the same, column by column"]
        most = f" (the most: {found['shifts'][0]['column']}, {found['shifts'][0]['distance']:.3f})" if found["shifts"] else ""
        return [f"rows learnt from: no column's distribution moved by more than chance would{most}"]
    rows = [[f"≠ {each['column']}", f"{each['distance']:.3f}", moved_mean(each["mean"]), f"{each['missing'][0]:.1%} → {each['missing'][1]:.1%}" if each["missing"][0] != each["missing"][1] else ""] for each in moved[:SHOWN]]
    more = [f"  and {len(moved) - SHOWN:,} more columns"] if len(moved) > SHOWN else []
    return [f"rows learnt from: the distribution of {len(moved)} of {len(found['shifts'])} columns moved (distance 0: the same, 1: nothing in common)",
            *terminal.table([Column("  column"), Column("distance"), Column("mean"), Column("missing")], rows), *more]


def moved_mean(means: list) -> str:
    return "" if None in means else f"{means[0]:.4g} → {means[1]:.4g}"


def code_words(found: dict) -> list[str]:
    lines = found["code"].rstrip("\n").splitlines()
    tag = f"{found['model']}/v"
    return [f"code (git diff {tag}{found['a']} {tag}{found['b']}):", *lines] if lines else ["code: the same"]


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL", "A", "B", "JSON"), work, argv, reads=True)


if __name__ == "__main__":
    runs.leave(main())
