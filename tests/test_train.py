"""train: what it records, when it does nothing, what it refuses, and that it leaves the user's own work alone."""
import hashlib
import json
import os
import signal
import sqlite3
import time

import pytest
from conftest import edit


def pointer(project, path):
    return project.git("cat-file", "-p", path)


def test_the_first_training_makes_a_version_whose_tag_holds_everything(trained):
    folder = trained.root / "models/cancer/v1"
    assert {path.name for path in folder.iterdir()} == {"model.joblib", "model.toml", "metrics.json", "baseline.json", "environment.json", "manifest.json", "card.md", "holdout.csv"}
    assert trained.git("cat-file", "-t", "refs/tags/cancer/v1").strip() == "tag"
    tagged = trained.git("ls-tree", "-r", "--name-only", "cancer/v1").splitlines()
    for name in ("scripts/train.py", "Makefile", "models/cancer/model.toml", "models/cancer/v1/model.joblib", "data/cancer/train/0001.csv"):
        assert name in tagged
    for name in ("models/cancer/v1/model.joblib", "models/cancer/v1/holdout.csv", "data/cancer/train/0001.csv"):
        digest = hashlib.sha256((trained.root / name).read_bytes()).hexdigest()
        assert pointer(trained, f"cancer/v1:{name}").startswith(f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\n")
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert manifest["files"]["model.joblib"] == hashlib.sha256((folder / "model.joblib").read_bytes()).hexdigest()


def test_the_run_and_its_numbers_are_in_metrics_db(trained):
    (status, code, script, dirty, *prints), = trained.sql(
        "SELECT status, exit_code, script, dirty, data_fingerprint, config_fingerprint, code_fingerprint, environment_fingerprint FROM runs WHERE id = 1")
    assert (status, code, script, dirty) == ("done", 0, "train", 0)
    assert all(len(text) == 64 for text in prints)
    (seconds, memory), = trained.sql("SELECT seconds, peak_memory_mb FROM runs WHERE id = 1")
    assert seconds > 0 and memory > 10
    assert trained.sql("SELECT name, value FROM params WHERE run_id = 1 AND name = 'C'") == [("C", "1.0")]
    value, low, high, rows, version = trained.sql("SELECT value, low, high, rows, version FROM metrics WHERE run_id = 1 AND name = 'accuracy'")[0]
    assert low <= value <= high and rows > 100 and version == 1
    assert trained.sql("SELECT version, live FROM leaderboard WHERE model = 'cancer' ORDER BY version") == [(1, "live"), (2, "")]
    assert trained.sql("SELECT dirty FROM runs WHERE script = 'train' ORDER BY id DESC LIMIT 1") == [(1,)]
    assert trained.sql("PRAGMA integrity_check") == [("ok",)]


def test_nothing_changed_is_said_and_nothing_is_done(trained):
    done = trained.run("train")
    assert done.stdout == "cancer: nothing has changed since v2 (FORCE=1 trains anyway)\n"
    assert trained.sql("SELECT count(*) FROM versions") == [(2,)]


def test_a_comment_in_model_toml_changes_nothing_and_a_parameter_is_named(trained):
    edit(trained, "seed = 0", "seed = 0  # a lucky number")
    assert "nothing has changed" in trained.run("train").stdout
    edit(trained, "C = 0.5", "C = 0.7")
    assert "cancer: training, because of config: train.params.C changed\n" in trained.run("train").stdout


def test_force_trains_again_and_gives_the_same_model_to_the_last_bit(trained):
    done = trained.run("train", FORCE=1)
    assert "training, because of FORCE=1" in done.stdout
    (a,), (b,) = trained.sql("SELECT sha256 FROM versions WHERE version IN (2, 3)")
    assert a == b


def test_a_new_part_is_named_as_the_reason(trained, tmp_path):
    lines = (trained.root / "data/cancer/train/0001.csv").read_text().splitlines()
    changed = [line + "1" for line in lines[1:40]]
    (tmp_path / "more.csv").write_text("\n".join([lines[0], *changed]) + "\n")
    trained.run("ingest", CSV=tmp_path / "more.csv")
    assert "because of data: part 0002 is new\n" in trained.run("train").stdout


def test_a_missed_threshold_is_exit_3_and_on_record_but_no_version(trained):
    edit(trained, "accuracy = 0.9,", "accuracy = 0.999,")
    done = trained.run("train", code=3)
    assert done.stderr.startswith("train: cancer: not registered: accuracy 0.9")
    assert "must be at least 0.999" in done.stderr and done.stderr.count("\n") == 1
    assert trained.sql("SELECT count(*) FROM versions") == [(2,)]
    (run, status, error), = trained.sql("SELECT id, status, error FROM runs ORDER BY id DESC LIMIT 1")
    assert status == "refused" and "0.999" in error
    assert trained.sql("SELECT count(*) FROM metrics WHERE run_id = ? AND name = 'accuracy'", run) == [(1,)]
    assert trained.audit()[-1]["event"] == "refused"
    assert not list((trained.root / "models/cancer").glob("*staged*"))


def test_a_candidate_significantly_worse_than_production_is_refused(trained):
    edit(trained, 'estimator = "sklearn.linear_model.LogisticRegression"', 'estimator = "sklearn.dummy.DummyClassifier"')
    edit(trained, "params = {C = 0.5, max_iter = 1000}", "params = {}")
    edit(trained, "min = {accuracy = 0.9, recall = 0.85}", "min = {}")
    done = trained.run("train", code=3)
    assert "against production's" in done.stderr and "must not be worse" in done.stderr and "McNemar exact" in done.stderr
    edit(trained, 'require = "not_worse"', 'require = "off"')
    trained.run("train")


@pytest.mark.slow
def test_better_is_demanded_where_model_toml_demands_it(trained):
    edit(trained, 'require = "not_worse"', 'require = "better"')
    edit(trained, "C = 0.5", "C = 0.9")
    assert "must be better" in trained.run("train", code=3).stderr


def test_the_holdout_and_what_the_live_model_saw_stay_apart_after_a_refit(trained):
    edit(trained, "holdout = 0.2", "holdout = 0.2\nrefit = true")
    trained.run("train")
    trained.run("deploy")
    manifest = json.loads((trained.root / "models/cancer/v3/manifest.json").read_bytes())
    assert manifest["refit"] and manifest["train_rows"] == 569
    rows_of = [json.loads((trained.root / f"models/cancer/v{number}/baseline.json").read_bytes())["rows"] for number in (1, 3)]
    assert rows_of == [json.loads((trained.root / "models/cancer/v1/manifest.json").read_bytes())["train_rows"], 569]
    assert "refitted on 569 rows, the holdout included" in (trained.root / "models/cancer/v3/card.md").read_text()
    edit(trained, "C = 0.5", "C = 0.4")
    trained.run("train")
    comparison = json.loads((trained.root / "models/cancer/v4/metrics.json").read_bytes())["comparison"]
    stored = json.loads((trained.root / "models/cancer/v3/metrics.json").read_bytes())["scores"]
    assert comparison["production"] == pytest.approx(next(score["value"] for score in stored if score["name"] == "accuracy"))


MISTAKES = [  # each is told by the tests of config and model, too
    ("params = {C = 1.0, max_iter = 1000}", "params = {c = 1.0}", "`train.params.c` is not a parameter of LogisticRegression. Did you mean 'C'?"),
    ('estimator = "sklearn.linear_model.LogisticRegression"', 'estimator = "sklearn.linear_model.LogisticRegresion"', "Did you mean 'LogisticRegression'?"),
    ("params = {C = 1.0, max_iter = 1000}", "params = {C = -1.0}", "The 'C' parameter of LogisticRegression must be"),
    ('metric = "accuracy" ', 'metric = "acuracy" ', "there is no metric 'acuracy' for classification. Did you mean 'accuracy'?"),
    ("seed = 0", "sed = 0", "unknown key `train.sed`. Did you mean `seed`?"),
    ('positive = "malignant"', 'positive = "bad"', "`positive` = 'bad' is not a class of diagnosis: benign, malignant."),
]


@pytest.mark.parametrize("old, new, words", [MISTAKES[0], *(pytest.param(*mistake, marks=pytest.mark.slow) for mistake in MISTAKES[1:])])
def test_a_mistake_in_model_toml_is_one_line(project, old, new, words):
    edit(project, old, new)
    done = project.run("train", code=2)
    assert words in done.stderr.splitlines()[-1]
    assert project.git("tag") == ""


def test_staged_work_branches_and_edits_are_untouched_byte_by_byte(trained):
    (trained.root / "notes.txt").write_text("staged\n")
    trained.git("add", "notes.txt")
    (trained.root / "notes.txt").write_text("edited after staging\n")
    (trained.root / "README.md").write_text("edited\n")
    hook = trained.root / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    before = [(trained.root / ".git/index").read_bytes(), trained.git("status", "--porcelain=v2", "--branch"), trained.git("stash", "list"), trained.git("for-each-ref", "refs/heads")]
    trained.git("status")
    index = (trained.root / ".git/index").read_bytes()
    trained.run("train", FORCE=1)
    trained.run("deploy")
    assert (trained.root / ".git/index").read_bytes() == index
    assert [trained.git("status", "--porcelain=v2", "--branch"), trained.git("stash", "list"), trained.git("for-each-ref", "refs/heads")] == before[1:]
    assert trained.git("show", "cancer/v3:README.md") == "edited\n"
    assert "notes.txt" not in trained.git("ls-tree", "--name-only", "cancer/v3").split()


def test_training_works_in_the_middle_of_a_rebase_and_on_a_detached_head(trained):
    trained.git("stash", "-q")
    for name in ("left", "right"):
        trained.git("checkout", "-q", "-b", name, "main")
        (trained.root / "README.md").write_text(name)
        trained.git("commit", "-qam", name)
    trained.git("rebase", "left", check=False)
    assert (trained.root / ".git/rebase-merge").exists()
    before = trained.git("status", "--porcelain=v2", "--branch")
    trained.run("train", FORCE=1)
    assert trained.git("status", "--porcelain=v2", "--branch") == before
    trained.git("rebase", "--abort")
    trained.git("checkout", "-q", "--detach")
    trained.run("train", FORCE=1)
    assert trained.sql("SELECT count(*) FROM versions") == [(4,)]
    assert trained.git("status", "--porcelain") == ""


def test_two_trainings_at_once_give_two_versions_one_after_the_other(trained):
    both = [trained.start("train", FORCE=1) for _ in range(2)]
    ends = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert "waiting for train by" in ends[0][1] + ends[1][1]
    assert trained.sql("SELECT version FROM versions ORDER BY version") == [(1,), (2,), (3,), (4,)]
    assert [entry["version"] for entry in trained.audit() if entry["event"] == "register"] == [1, 2, 3, 4]


def test_attributes_that_would_store_binaries_outside_lfs_are_noticed_before_the_tag(trained):
    (trained.root / ".gitattributes").write_text("")
    done = trained.run("train", code=1, FORCE=1)
    assert "outside Git LFS" in done.stderr
    assert "cancer/v3" not in trained.git("tag").split()
    trained.git("checkout", ".gitattributes")
    trained.run("train", FORCE=1)
    assert trained.sql("SELECT version FROM versions ORDER BY version") == [(1,), (2,), (3,)]


SEARCH = """
[search]
trials = 5
folds = 3
space = {n_estimators = {low = 60, high = 65}, max_depth = [2, 3, 4]}
"""


def with_search(project):
    edit(project, "[evaluate]", SEARCH + "\n[evaluate]")
    edit(project, "sklearn.linear_model.LogisticRegression", "sklearn.ensemble.RandomForestClassifier")
    edit(project, "params = {C = 1.0, max_iter = 1000}", "params = {}")


@pytest.mark.slow
def test_an_interrupted_search_goes_on_and_ends_as_an_uninterrupted_one(project, tmp_path):
    with_search(project)
    whole = project.copy(tmp_path / "whole")
    whole.run("train")
    process = project.start("train")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if project.sql("SELECT count(*) FROM trials")[0][0] >= 2:
                break
        except sqlite3.OperationalError:  # not made yet
            pass
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = project.sql("SELECT count(*) FROM trials")[0][0]
    assert 2 <= finished < 15
    done = project.run("train")
    assert f"({15 - finished} folds fitted, {finished} found finished)" in done.stdout
    assert project.sql("SELECT status FROM runs ORDER BY id") == [("killed",), ("done",)]
    assert project.sql("SELECT sha256 FROM versions") == whole.sql("SELECT sha256 FROM versions")
    assert project.sql("SELECT trial, fold, params, value FROM trials ORDER BY trial, fold") == whole.sql("SELECT trial, fold, params, value FROM trials ORDER BY trial, fold")


@pytest.mark.slow
def test_other_data_starts_the_search_anew(project):
    with_search(project)
    project.run("train")
    edit(project, "seed = 0", "seed = 1")
    assert "(15 folds fitted, 0 found finished)" in project.run("train").stdout


def test_what_is_edited_during_a_training_is_for_the_next_one(trained):
    """model.toml and features.py are edited by features.py itself, once the training has begun."""
    edit(trained, "seed = 0", "seed = 1")
    (trained.root / "models/cancer/features.py").write_text(
        "from pathlib import Path\nrowwise = True\n\n\ndef build(rows):\n    here = Path('models/cancer')\n"
        "    if not (here / 'v3').exists() and not list(here.glob('.staged-*')):\n"
        "        (here / 'model.toml').write_text((here / 'model.toml').read_text().replace('seed = 1', 'seed = 4242'))\n"
        "        (here / 'features.py').unlink(missing_ok=True)\n    return rows\n")
    features = (trained.root / "models/cancer/features.py").read_text()
    trained.run("train")
    for place in ("models/cancer", "models/cancer/v3"):
        assert "seed = 1\n" in trained.git("show", f"cancer/v3:{place}/model.toml")
        assert trained.git("show", f"cancer/v3:{place}/features.py").strip() == features.strip()
    assert "seed = 4242" in (trained.root / "models/cancer/model.toml").read_text()
    assert "because of config: train.seed changed; features: features.py changed\n" in trained.run("train").stdout


def test_code_that_is_changed_during_a_training_makes_no_version(trained):
    """Its tag could not hold the code that ran."""
    (trained.root / "models/cancer/features.py").write_text("rowwise = True\n\n\ndef build(rows):\n    open('scripts/lib/scores.py', 'a').write('# edited\\n')\n    return rows\n")
    done = trained.run("train", code=1)
    assert done.stderr.endswith("train: scripts/lib/scores.py was changed during the training, so its tag could not hold the code that ran. Type it again.\n")
    assert trained.git("tag", "--list", "cancer/v3") == "" and not [*(trained.root / "models/cancer").glob("*v3")]


def test_a_features_file_that_comes_back_during_a_training_is_not_in_its_tag(trained):
    """It is in HEAD, is not there when the training begins, and is put back by the estimator that is being fitted."""
    features = trained.root / "models/cancer/features.py"
    features.write_text("rowwise = True\n\n\ndef build(rows):\n    return rows\n")
    trained.git("add", str(features))
    trained.git("commit", "-qm", "features")
    features.unlink()
    (trained.root / "sklearn_mine.py").write_text("import subprocess\nfrom sklearn.linear_model import LogisticRegression\n\n\nclass Restoring(LogisticRegression):\n"
                                          "    def fit(self, *rows):\n        subprocess.run(['git', 'checkout', '-q', 'models/cancer/features.py'], check=True)\n        return super().fit(*rows)\n")
    edit(trained, "sklearn.linear_model.LogisticRegression", "sklearn_mine.Restoring")
    trained.run("train", PYTHONPATH=str(trained.root))
    assert features.exists() and trained.git("ls-tree", "-r", "--name-only", "cancer/v3", "models/cancer").split() == [
        f"models/cancer/{name}" for name in sorted(["model.toml", *(f"v3/{name}" for name in os.listdir(trained.root / "models/cancer/v3"))])]


def test_what_features_import_and_no_commit_holds_is_warned_of(trained):
    """Not what another model's features imported in the same process, and not the packages."""
    helper = trained.root / "scripts/helper_of_mine.py"
    helper.write_text("factor = 2\n")
    (trained.root / "models/cancer/features.py").write_text("import helper_of_mine\n\n\ndef build(rows):\n    return rows.drop(columns='id', errors='ignore') * helper_of_mine.factor\n")
    words = "train: warning: scripts/helper_of_mine.py was imported by features.py and is in no commit: the version's tag does not hold it, and without it the version can't be used. Commit it, and train again.\n"
    assert trained.run("train").stderr == words
    trained.git("add", "scripts/helper_of_mine.py")
    trained.git("commit", "-qm", "a helper")
    assert trained.run("train", FORCE=1).stderr == ""
    assert "scripts/helper_of_mine.py" in trained.git("ls-tree", "-r", "--name-only", "cancer/v4")


def test_a_killed_registration_is_swept_up_by_the_next_command(trained):
    """Killed after the folder has its name and before the tag exists: there is no such version."""
    folder = trained.root / "models/cancer/v3"
    folder.mkdir()
    (folder / "model.joblib").write_bytes(b"half")
    trained.run("deploy", VERSION=2)
    assert not folder.exists()


def test_a_training_killed_after_its_tag_is_completed_by_the_next_command(trained, tmp_path):
    later = trained.copy(tmp_path / "later")
    later.run("train", FORCE=1)
    for ref in ("cancer/v3",):
        trained.git("fetch", "-q", str(later.root), f"refs/tags/{ref}:refs/tags/{ref}")
    (trained.root / ".git/lfs").rename(tmp_path / "lfs")
    (later.root / ".git/lfs").rename(trained.root / ".git/lfs")
    trained.run("deploy", VERSION=3)
    assert trained.sql("SELECT version FROM production") == [(3,)]
    assert [entry["event"] for entry in trained.audit()][-2:] == ["register", "deploy"]
    assert (trained.root / "models/cancer/v3/model.joblib").exists()


def test_a_repository_without_a_commit_tags_the_project_and_no_secrets(project):
    import shutil
    shutil.rmtree(project.root / ".git")
    project.git("init", "-q")
    (project.root / ".env").write_text("PASSWORD=hunter2\n")
    project.run("train")
    tagged = project.git("ls-tree", "-r", "--name-only", "cancer/v1").split()
    assert ".env" not in tagged and "scripts/train.py" in tagged and "models/cancer/v1/model.joblib" in tagged


def test_checking_out_a_version_and_going_back_costs_nothing(trained):
    trained.git("stash", "-q")
    trained.git("checkout", "-q", "cancer/v1")
    trained.git("checkout", "-q", "main")
    trained.git("stash", "pop", "-q")
    trained.run("train")
    assert (trained.root / "data/cancer/train/0001.csv").exists() and (trained.root / "models/cancer/production/model.joblib").exists()


def test_a_database_locked_by_a_shell_does_not_keep_a_reader_waiting(trained):
    connection = sqlite3.connect(trained.root / "metrics.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        began = time.monotonic()
        assert "accuracy 0.973" in trained.run("status").stdout
        assert time.monotonic() - began < 10
    finally:
        connection.execute("ROLLBACK")
        connection.close()
