"""make compare: two versions side by side, from what their tags hold, and the distances against scipy's."""
import json

import numpy as np
import pandas as pd
import pytest
from conftest import edit
from scipy import stats

from lib import comparison, drift_cells, profile
from lib.scores import Answers

pytestmark = pytest.mark.slow  # but for the tests marked quick


def profiled(values, kind: str) -> dict:
    """A column as a version's baseline keeps it."""
    return profile.profile(drift_cells.typed(kind, values), kind)


def compared(project, **options) -> dict:
    return json.loads(project.run("compare", JSON=1, **options).stdout)


def test_by_default_what_is_live_is_on_the_left_and_the_newest_on_the_right(trained):
    found = compared(trained)
    assert list(found) == ["model", "a", "b", "facts", "params", "parts", "environment", "metrics", "paired", "shifts", "code"]
    assert (found["a"], found["b"]) == (1, 2)
    assert found["params"]["C"] == [1.0, 0.5] and found["params"]["max_iter"] == [1000, 1000]
    assert found["parts"] == {"0001": [569, 569]}
    assert found["environment"]["python"][0] == found["environment"]["python"][1]
    recorded = dict(trained.sql("SELECT name, value FROM metrics WHERE version = 2 AND slice = 'all'"))
    assert {name: pair[1]["value"] for name, pair in found["metrics"].items()} == pytest.approx(recorded)
    assert found["paired"]["rows"] == 110 and found["paired"]["test"] == "McNemar exact" and found["paired"]["metric"] == "accuracy"
    assert found["paired"]["a"] == pytest.approx(found["metrics"]["accuracy"][0]["value"]) and found["paired"]["difference"] == pytest.approx(found["paired"]["b"] - found["paired"]["a"])
    assert "models/cancer/model.toml" in found["code"] and "joblib" not in found["code"]
    trained.run("deploy")
    again = compared(trained)
    assert (again["a"], again["b"]) == (1, 2)  # the newest is live: beside the one before
    swapped = compared(trained, A="v2", B="v1")
    assert swapped["params"]["C"] == [0.5, 1.0] and swapped["paired"]["difference"] == pytest.approx(-found["paired"]["difference"])


@pytest.mark.quick
def test_differences_are_marked_and_the_rest_is_not(trained):
    lines = trained.run("compare").stdout.splitlines()
    marked = {line.split()[1] for line in lines if line.startswith("≠")}
    assert {"C", "trained", "model's"} <= marked and not {"max_iter", "estimator", "0001", "seed"} & marked
    assert any(line.startswith("environment: the same, Python 3.") for line in lines)
    assert "rows learnt from: the same, column by column" in lines
    assert max(len(line) for line in lines[:20]) <= 100


@pytest.mark.quick
def test_another_positive_class_is_named_since_precision_is_about_another_class_then(trained):
    assert not any("positive class" in line for line in trained.run("compare").stdout.splitlines())
    edit(trained, 'positive = "malignant"', 'positive = "benign"')
    edit(trained, "recall = 0.85", "recall = 0.8")
    trained.run("train")
    assert any(line.split() == ["≠", "positive", "class", "malignant", "benign"] for line in trained.run("compare", B=3).stdout.splitlines())


def test_rows_added_moved_columns_and_features_are_shown(trained):
    rows = pd.read_csv(trained.root / "data/cancer/train/0001.csv")
    rows["mean texture"] *= 1.3
    rows.to_csv(trained.root.parent / "more.csv", index=False)
    trained.run("ingest", CSV=trained.root.parent / "more.csv")
    trained.run("train")
    found = compared(trained)
    assert found["parts"] == {"0001": [569, 569], "0002": [None, 569]}
    moved = [each["column"] for each in found["shifts"] if each["shifted"]]
    assert moved == ["mean texture"] and found["shifts"][0]["mean"][1] > found["shifts"][0]["mean"][0]
    text = trained.run("compare").stdout
    assert "≠ 0002" in text and "+569" in text and "≠ mean texture" in text and "the distribution of 1 of 30 columns moved" in text


def test_one_version_or_a_wrong_one_is_one_line(trained):
    assert trained.run("compare", 2, A=22).stderr == "compare: there is no version v22 of cancer. Did you mean v2? Known: v1, v2.\n"
    assert trained.run("compare", 2, A=9).stderr == "compare: there is no version v9 of cancer. Known: v1, v2.\n"
    assert trained.run("compare", 2, B="x").stderr == "compare: B='x' is not a version's number, such as 3 or v3.\n"
    assert trained.run("compare", 2, MODEL="diabetes").stderr == "compare: diabetes has no version yet. Make another with: make train MODEL=diabetes\n"


def test_a_version_that_was_changed_is_not_compared(trained):
    (trained.root / "models/cancer/v2/metrics.json").write_text("{}")
    assert "metrics.json is not what the tag cancer/v2 says" in trained.run("compare", 3).stderr


def test_common_rows_are_those_that_both_were_examined_on_with_the_same_truth():
    a = Answers(np.array(["x", "y", "x", "y"], object), np.array(["x", "x", "x", "y"], object))
    b = Answers(np.array(["y", "x", "x"], object), np.array(["y", "y", "x"], object))
    ours, theirs = comparison.common(np.array([1, 2, 3, 4], np.uint64), a, np.array([4, 3, 2], np.uint64), b)
    assert ours.values.tolist() == ["y", "x"] and theirs.values.tolist() == ["y", "y"]  # row 2 had another truth


@pytest.mark.parametrize("shift, scale", [(0, 1), (0.1, 1), (1, 1), (0, 3), (50, 1)])
@pytest.mark.quick
def test_the_distance_of_numbers_is_that_of_kolmogorov_and_smirnov(shift, scale):
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=5000), rng.normal(shift, scale, size=4000)
    told = comparison.apart(*(profiled(values, "number") for values in (a, b)))
    assert told == pytest.approx(stats.ks_2samp(a, b).statistic, abs=2 / 128)


@pytest.mark.quick
def test_the_distance_of_categories_is_half_the_differences_of_their_shares():
    a, b = ["x"] * 60 + ["y"] * 40, ["x"] * 30 + ["y"] * 40 + ["z"] * 30
    assert comparison.apart(*(profiled(values, "category") for values in (a, b))) == pytest.approx(0.3)
    assert comparison.apart(profiled(a, "category"), profiled([1.0, 2.0], "number")) is None


def test_chance_alone_moves_few_columns():
    rng = np.random.default_rng(0)
    columns = [{"columns": {f"c{i}": profiled(rng.normal(size=2000), "number") for i in range(100)}} for _ in range(2)]
    assert sum(each["shifted"] for each in comparison.shifts(*columns)) <= 5
