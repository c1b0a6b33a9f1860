"""A version trained again from its tag comes out as it was, whatever made it; and the project does not notice."""
import glob
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import edit
from worlds import changed_world

from lib import likeness

pytestmark = pytest.mark.slow  # but for the tests marked quick

def state(project) -> dict[str, bytes | str]:
    """All that a training could change."""
    files = {str(path): path.read_bytes() for folder in ("models", "data") for path in (project.root / folder).rglob("*") if path.is_file()}
    return {**files, "refs": project.git("for-each-ref"), "versions": str(project.sql("SELECT * FROM versions")), "lfs": str(sorted((project.root / ".git/lfs").rglob("*"))),
            "worktrees": project.git("worktree", "list"), "status": project.git("status", "--porcelain")}


def leftovers() -> list[str]:
    return glob.glob(f"{tempfile.gettempdir()}/lean-reproduce-*")


@pytest.mark.quick
def test_a_version_comes_out_identical_and_nothing_here_changes(trained, tmp_path):
    (tmp_path / "site/nothing-9.9.9.dist-info").mkdir(parents=True)
    before = state(trained)
    done = trained.run("reproduce", VERSION=1, PYTHONPATH=tmp_path / "site")
    lines = done.stdout.splitlines()
    assert lines[1].startswith("cancer v1: model:               identical, sha256 ") and lines[2:5] == [
        "cancer v1: metrics:             identical, 8 of them", "cancer v1: holdout predictions: identical, 110 rows", "cancer v1: environment:         nothing absent then, 9.9.9 now"]
    assert lines[5].startswith("cancer v1: identical, in ")
    assert state(trained) == before and not leftovers()
    assert trained.sql("SELECT script, model, status FROM runs ORDER BY id DESC LIMIT 1") == [("reproduce", "cancer", "done")]


@pytest.mark.slow
def test_it_is_the_code_of_the_tag_that_runs_and_another_result_is_exit_3(trained):
    """Version 3 was trained with what is neither in its configuration nor in its data: a variable of the environment."""
    source = trained.root / "scripts/lib/model.py"
    source.write_text(source.read_text().replace('given = {**config.train.params', 'given = {**config.train.params, **({"C": 0.001 * len(__import__("os").environ.get("LUCK", ""))} if "LUCK" in __import__("os").environ else {})'))
    edit(trained, "recall = 0.85", "recall = 0.0")
    edit(trained, 'require = "not_worse"', 'require = "off"')
    trained.run("train", LUCK="xxx")
    trained.git("checkout", "-q", "scripts")
    before = state(trained)
    done = trained.run("reproduce", code=3)
    assert ": model:               different, sha256 " in done.stdout and "compared by the predictions for 569 rows" in done.stdout
    assert "metrics:             different, accuracy 0." in done.stdout and "of 110 rows differ" not in done.stdout.splitlines()[0]
    assert done.stdout.splitlines()[-1].startswith("cancer v3: different, in ")
    assert state(trained) == before


@pytest.mark.slow
def test_a_search_comes_out_identical(project):
    project.run("train", MODEL="diabetes")
    assert "diabetes v1: identical, in " in project.run("reproduce", MODEL="diabetes").stdout


FEATURES = """
def fit(rows):
    return rows.groupby("shop")["amount"].mean()


def build(rows, known):
    return rows.assign(usual=known.reindex(rows["shop"]).to_numpy(), weekday=rows["ordered"].dt.day_name()).drop(columns=["ordered"])
"""


@pytest.mark.slow
def test_a_refitted_model_with_features_and_a_time_column_comes_out_identical_also_after_more_rows_came(project):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"ordered": pd.date_range("2026-01-01", periods=900, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ"), "shop": rng.choice(["a", "b", "c"], 900), "amount": rng.normal(50, 9, 900).round(2)})
    rows["late"] = np.where(rows["amount"] + rng.normal(0, 5, 900) > 52, "yes", "no")
    base = project.root.parent
    rows[:700].to_csv(base / "old.csv", index=False)
    rows[700:].to_csv(base / "new.csv", index=False)
    project.run("new", MODEL="shop", CSV=base / "old.csv", TARGET="late")
    assert 'time = "ordered"' in (project.root / "models/shop/model.toml").read_text()
    (project.root / "models/shop/features.py").write_text(FEATURES)
    edit(project, "refit = false", "refit = true", model="shop")
    edit(project, "LogisticRegression", "SGDClassifier", model="shop")
    edit(project, "params = {max_iter = 1000}", 'params = {loss = "log_loss"}', model="shop")
    project.run("train", MODEL="shop")
    project.run("deploy", MODEL="shop")
    project.run("ingest", MODEL="shop", CSV=base / "new.csv")
    edit(project, 'require = "not_worse"', 'require = "off"', model="shop")
    project.run("train", MODEL="shop")
    for version in (1, 2):
        assert f"shop v{version}: identical, in " in project.run("reproduce", MODEL="shop", VERSION=version).stdout


@pytest.mark.slow
def test_a_version_made_by_retraining_comes_out_identical_with_its_window_and_its_harvested_rows(live):  # noqa: F811
    changed_world(live)
    live.run("retrain")
    live.run("train", FORCE=1)
    before = state(live)
    for version in (3, 4, 1):
        assert f"cancer v{version}: identical, in " in live.run("reproduce", VERSION=version).stdout
    assert state(live) == before
    assert live.sql("SELECT count(*) FROM retrains") == [(1,)]


def test_an_interrupted_one_leaves_nothing_behind(trained):
    running = trained.start("reproduce", VERSION=1)
    while not leftovers():
        time.sleep(0.01)
    time.sleep(0.5)
    os.kill(running.pid, signal.SIGTERM)
    out, err = running.communicate(timeout=20)
    assert running.returncode == 130 and err.endswith("reproduce: interrupted. What was finished is kept; type the command again to go on.\n")
    assert not leftovers()
    processes = subprocess.run(["pgrep", "-f", "lean-reproduce-"], capture_output=True, text=True).stdout
    assert processes == ""


def test_what_a_killed_one_left_behind_is_removed_by_the_next(trained):
    dead = Path(tempfile.gettempdir()) / "lean-reproduce-999999999-x"
    dead.mkdir(exist_ok=True)
    trained.run("reproduce", VERSION=9, code=2)
    assert dead.exists()  # nothing was begun
    sys.path.insert(0, str(trained.root / "scripts"))
    from lib import replay, runs
    runs.sweep_temporary(replay.PREFIX)
    assert not dead.exists()


def test_a_version_whose_objects_are_lost_says_what_to_do(trained):
    digest = json.loads((trained.root / "models/cancer/v1/manifest.json").read_bytes())["files"]["model.joblib"]
    (trained.root / ".git/lfs/objects" / digest[:2] / digest[2:4] / digest).unlink()
    done = trained.run("reproduce", code=1, VERSION=1)
    assert done.stderr == ("reproduce: models/cancer/v1/model.joblib of cancer/v1 is not in this repository's Git LFS storage, nor on its remote. "
                           "If you have a backup: make restore FROM=folder\n")


@pytest.mark.parametrize("a, b, same", [
    (1.0, 1.0, True), (1.0, 1.0 + 5e-10, True), (1.0, 1.0 + 5e-9, False), (1e6, 1e6 + 5e-4, True), (1e6, 1e6 + 5e-3, False), (0.0, 5e-10, True), (float("nan"), float("nan"), True),
    (float("nan"), 1.0, False), (float("inf"), float("inf"), True), (float("inf"), 1e300, False), ("a", "a", True), ("a", "b", False), (1, 1, True), (1, 2, False), (1, 1.0 + 5e-10, True),
    ([1.0, "x"], [1.0 + 1e-10, "x"], True), ([1.0], [1.0, 2.0], False), ({"a": 1.0}, {"a": 1.0 + 1e-10}, True), ({"a": 1.0}, {"b": 1.0}, False), (None, None, True), (None, 1.0, False), ([1.0], None, False)])
@pytest.mark.quick
def test_alike(a, b, same):
    assert likeness.alike(a, b) is same and likeness.alike(b, a) is same
