"""The model card: every figure in it is one that can be computed another way, and a manager can read it."""
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier

from lib import explain, model
from lib.config import Column, Config, Train
from lib.scores import Answers


def fitted(estimator, frame: pd.DataFrame, truth: np.ndarray, task: str = "classification") -> model.Model:
    name = f"{type(estimator).__module__.rpartition('.')[0]}.{type(estimator).__name__}"
    conf = Config(task, "y", {**{column: Column("number") for column in frame}, "y": Column("category" if task == "classification" else "number")}, Train(name), metric="accuracy" if task == "classification" else "mae")
    return model.Model(model.pipeline(conf, frame).fit(frame, truth), conf, model.Features())


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(3000, 6)), columns=list("abcdef"))
    return frame, 2 * frame["a"] + frame["b"] + 0.3 * frame["c"] + rng.normal(0, 0.5, 3000)


@pytest.mark.parametrize("estimator, task, metric, scoring", [(LogisticRegression(), "classification", "accuracy", "accuracy"), (LogisticRegression(), "classification", "log_loss", "neg_log_loss"),
                                                              (Ridge(), "regression", "mae", "neg_mean_absolute_error")])
def test_importances_are_those_of_scikit_learn(data, estimator, task, metric, scoring):
    frame, number = data
    truth = number.to_numpy() if task == "regression" else np.where(number > 0, "yes", "no").astype(object)
    made = fitted(estimator, frame[:2000], truth[:2000], task)
    ours = explain.importances(made, frame[2000:], truth[2000:], metric, 0)
    theirs = permutation_importance(made.pipeline, frame[2000:], truth[2000:], scoring=scoring, n_repeats=20, random_state=0)
    told = {each.column: each.loss for each in ours.found}
    assert [each.column for each in ours.found][:3] == ["a", "b", "c"] and ours.rows == 1000 and ours.repeats == 5
    assert [told[name] for name in frame] == pytest.approx(theirs.importances_mean.tolist(), abs=0.03)


def test_importances_are_the_same_every_time_and_cost_a_bounded_number_of_answers(data, monkeypatch):
    frame, number = data
    truth = np.where(number > 0, "yes", "no").astype(object)
    wide = pd.concat([frame.add_suffix(str(i)) for i in range(60)], axis=1)
    asked = []
    answer = model.Model.answer
    monkeypatch.setattr(model.Model, "answer", lambda self, features: asked.append(len(features)) or answer(self, features))
    made = fitted(KNeighborsClassifier(), frame, truth)
    assert explain.importances(made, frame, truth, "accuracy", 0) == explain.importances(made, frame, truth, "accuracy", 0)
    assert sum(asked) / 2 <= explain.MOST_ANSWERS_OF_NEIGHBOURS * 1.1
    asked.clear()
    found = explain.importances(fitted(LogisticRegression(), wide[:500], truth[:500]), wide, truth, "accuracy", 0)
    assert (found.columns, found.left_out) == (200, 160) and sum(asked) <= explain.MOST_ANSWERS * 1.1


def test_the_calibration_error_is_none_for_honest_chances_and_known_for_others():
    rng = np.random.default_rng(0)
    chances = rng.uniform(size=200_000)
    bins, error = explain.calibration(chances, rng.uniform(size=200_000) < chances)
    assert error < 0.005 and len(bins) == 10 and sum(each.rows for each in bins) == 200_000
    bins, error = explain.calibration(np.array([0.9, 0.9, 0.1, 1.0]), np.array([True, False, False, True]))
    assert [(each.rows, each.said, each.true) for each in bins] == [(1, 0.1, 0.0), (3, pytest.approx(2.8 / 3), pytest.approx(2 / 3))]
    assert error == pytest.approx((0.1 + 3 * abs(2.8 / 3 - 2 / 3)) / 4)


def test_a_weak_slice_is_found_and_chance_is_not_taken_for_one():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"age": rng.normal(40, 10, 4000), "town": rng.choice(["Lyon", "Paris", "Nice"], 4000), **{f"x{i}": rng.normal(size=4000) for i in range(20)}})
    columns = {"age": "number", "town": "category", **{f"x{i}": "number" for i in range(20)}}
    none = [bool(explain.weaknesses(frame, columns, (np.random.default_rng(seed).uniform(size=4000) < 0.1).astype(float))) for seed in range(40)]
    assert sum(none) <= 6  # 5 % expected; more than 6 of 40 has a chance of one in a hundred
    lost = (rng.uniform(size=4000) < np.where(frame["town"] == "Lyon", 0.3, 0.1)).astype(float)
    found = explain.weaknesses(frame, columns, lost)
    assert found[0].words == "town = Lyon" and found[0].rows == (frame["town"] == "Lyon").sum()
    assert found[0].loss == pytest.approx(lost[frame["town"] == "Lyon"].mean()) and found[0].elsewhere == pytest.approx(lost[frame["town"] != "Lyon"].mean())


@pytest.mark.parametrize("values, kind, words", [([1.0] * 60 + [np.nan] * 40, "number", {"x up to 1", "x missing"}), ([None] * 100, "number", {"x missing"}), ([True] * 50 + [False] * 50, "boolean", {"x = True", "x = False"}),
                                                 (["a"] * 99 + [None], "category", {"x = a", "x missing"}), (list(range(100)), "integer", {"x up to 24.75", "x above 24.75 and up to 49.5", "x above 49.5 and up to 74.25", "x above 74.25"})])
def test_a_column_is_cut_into_slices_that_can_be_read(values, kind, words):
    column = pd.Series(values, dtype="float64" if kind in ("number", "integer") else None)
    found = [(name, mask) for name, mask in explain.slices(column, "x", kind) if mask.any()]
    assert {name for name, _ in found} == words
    assert sum(mask.sum() for _, mask in found) == 100


def test_confidence_is_about_the_positive_class_or_the_one_predicted():
    chances = np.array([[0.2, 0.8], [0.7, 0.3]])
    two = Answers(np.array(["b", "b"], object), np.array(["b", "a"], object), chances, np.array(["a", "b"], object), "b")
    said, true = explain.confidences(two)
    assert said.tolist() == [0.8, 0.3] and true.tolist() == [True, True]
    many = Answers(two.truth, two.values, chances, two.classes, None)
    said, true = explain.confidences(many)
    assert said.tolist() == [0.8, 0.7] and true.tolist() == [True, False]
    assert explain.confidences(Answers(two.truth, two.values)) is None


def test_the_card_of_a_version_has_it_all_with_the_figures_on_record(trained):
    text = (trained.root / "models/cancer/v2/card.md").read_text()
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert headings == ["Data", "Estimator", "How good it is", "Calibration", "What it had to pass", "What it goes by", "Limits and known weak slices", "How to get it back, or make it again"]
    (value, low, high), = trained.sql("SELECT value, low, high FROM metrics WHERE version = 2 AND name = 'accuracy' AND slice = 'all'")
    assert f"**{value:.4g}** (95 % interval {low:.4g} to {high:.4g})" in text
    (rows, digest), = trained.sql("SELECT train_rows, sha256 FROM versions WHERE version = 2")
    assert f"{rows:,} rows taught it, 110 rows examined it" in text and digest
    assert "- accuracy" in text and "must not be worse" in text and "Against the version that was live, on the same 110 rows: accuracy" in text
    assert "`git worktree add ../cancer-v2 cancer/v2`" in text and "sha256" in text and "`benign` " in text
    assert len(re.findall(r"^\| \w+ \w+ ?\w* \| 0\.\d+ \| 0\.\d+ \|$", text, re.M)) >= 3  # columns by importance


def test_names_can_not_break_the_card_s_tables():
    from lib import card
    assert card.code("a|b`c\nd") == "a\\|b'c d"
