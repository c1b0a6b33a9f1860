"""deploy and rollback: what is live, who is asked, what is refused."""
import os
import subprocess
import sys

import pytest
from conftest import edit


def live(project, model="cancer"):
    return os.readlink(project.root / f"models/{model}/production")


def test_deploy_makes_the_newest_version_live_and_shows_both(trained):
    done = trained.run("deploy", REASON="half the regularisation")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("cancer v2 goes live: accuracy 0.9") and lines[1].startswith("cancer v1 is replaced: accuracy 0.9")
    assert lines[2] == "cancer v2 is live (deployment 2, tag cancer/deploy-2)"
    assert live(trained) == "v2"
    assert trained.sql("SELECT version, replaced, reason, action FROM production") == [(2, 1, "half the regularisation", "deploy")]
    assert trained.git("rev-parse", "cancer/deploy-2^{commit}") == trained.git("rev-parse", "cancer/v2^{commit}")


def test_deploying_what_is_live_changes_nothing(trained):
    assert trained.run("deploy", VERSION="v1").stdout == "cancer v1 is live already\n"
    assert trained.sql("SELECT count(*) FROM deployments") == [(1,)]


def test_deploying_what_is_live_looks_whether_it_is_what_its_tag_says(trained):
    path = trained.root / "models/cancer/v1/model.joblib"
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    assert "is not what the tag cancer/v1 says" in trained.run("deploy", code=3, VERSION="v1").stderr


def test_rollback_twice_returns_to_the_first_version(trained):
    trained.run("deploy")
    trained.run("train", FORCE=1)
    trained.run("deploy")
    for expected in ("v2", "v1"):
        trained.run("rollback")
        assert live(trained) == expected
    done = trained.run("rollback", code=2)
    assert done.stderr == "rollback: cancer has no earlier version to go back to: v1 is the first that was live.\n"
    assert trained.sql("SELECT version, action FROM deployments ORDER BY deployment") == [(1, "deploy"), (2, "deploy"), (3, "deploy"), (2, "rollback"), (1, "rollback")]


def test_rollback_to_a_version_that_was_never_live_is_refused(trained):
    assert "cancer v2 was never live" in trained.run("rollback", code=2, VERSION=2).stderr


@pytest.mark.parametrize("options, words", [
    ({"VERSION": 9}, "there is no version v9 of cancer. Known: v1, v2."),
    ({"VERSION": "x"}, "VERSION='x' is not a version's number, such as 3 or v3."),
    ({"MODEL": "diabetes"}, "diabetes has no version yet. Make one with: make train MODEL=diabetes"),
    ({"MODEL": "cancr"}, "there is no model 'cancr' (no models/cancr/model.toml). Did you mean 'cancer'? Known: cancer, diabetes."),
    ({"MODEL": "../cancer"}, "'../cancer' can't be a model's name."),
])
def test_a_wrong_name_is_one_line_and_changes_nothing(trained, options, words):
    done = trained.run("deploy", code=2, **options)
    assert words in done.stderr and done.stderr.count("\n") == 1
    assert live(trained) == "v1"


def test_a_damaged_model_is_not_deployed_nor_used(trained):
    for version in (1, 2):
        path = trained.root / f"models/cancer/v{version}/model.joblib"
        content = bytearray(path.read_bytes())
        content[100] ^= 1
        path.write_bytes(content)
    done = trained.run("deploy", code=3)
    assert "models/cancer/v2/model.joblib is not what the tag cancer/v2 says: it was changed or damaged." in done.stderr
    assert live(trained) == "v1"
    done = trained.run("predict", code=3, CSV=trained.root / "data/cancer/train/0001.csv")
    assert "model.joblib is not what the tag cancer/v1 says" in done.stderr
    assert not list((trained.root / "data/cancer/predictions").glob("*.csv"))


def test_a_manifest_changed_along_with_its_model_is_noticed(trained):
    folder = trained.root / "models/cancer/v2"
    (folder / "model.joblib").write_bytes(b"other")
    manifest = (folder / "manifest.json").read_text()
    import hashlib
    import json
    old = json.loads(manifest)["files"]["model.joblib"]
    (folder / "manifest.json").write_text(manifest.replace(old, hashlib.sha256(b"other").hexdigest()))
    assert "manifest.json is not what the tag cancer/v2 says" in trained.run("deploy", code=3).stderr


def test_a_lost_version_folder_comes_back_from_its_tag(trained):
    import shutil
    shutil.rmtree(trained.root / "models/cancer/v2")
    trained.run("deploy")
    assert (trained.root / "models/cancer/v2/model.joblib").exists()


def test_a_crash_between_the_tag_and_the_link_is_completed(trained):
    trained.run("deploy")
    link = trained.root / "models/cancer/production"
    link.unlink()
    os.symlink("v1", link)  # as it was when the tag deploy-2 was made
    trained.run("train")
    assert live(trained) == "v2"


@pytest.mark.slow
def test_a_link_changed_by_hand_is_refused_with_the_way_back(trained):
    trained.run("deploy")
    trained.run("train", FORCE=1)
    link = trained.root / "models/cancer/production"
    link.unlink()
    os.symlink("v3", link)
    done = trained.run("deploy", code=3)
    assert "models/cancer/production points to v3, but the last deployment on record (cancer/deploy-2) made v2 live. Put it back with: ln -sfn v2 models/cancer/production" in done.stderr


def test_a_moved_tag_is_refused(trained):
    made = trained.git("rev-parse", "refs/tags/cancer/v2").strip()
    trained.git("tag", "-f", "cancer/v2", trained.git("rev-parse", "refs/tags/cancer/v1").strip())
    done = trained.run("deploy", code=3)
    assert done.stderr == f"deploy: the tag cancer/v2 was moved or made anew: it is not the one on record. Put it back with: git update-ref refs/tags/cancer/v2 {made}\n"
    trained.git("update-ref", "refs/tags/cancer/v2", made)
    trained.run("deploy")


def test_without_a_record_a_tag_under_another_name_is_refused_by_what_it_carries(trained):
    (trained.root / "metrics.db").unlink()
    trained.git("tag", "-f", "cancer/v2", trained.git("rev-parse", "refs/tags/cancer/v1").strip())
    assert "the tag cancer/v2 carries the record of cancer/v1: it was moved or copied." in trained.run("deploy", code=3).stderr


def test_versions_and_deployments_can_not_be_rewritten(trained):
    import sqlite3
    connection = sqlite3.connect(trained.root / "metrics.db")
    for statement, words in (("UPDATE versions SET value = 1", "never changed"), ("DELETE FROM versions", "never deleted"),
                             ("UPDATE deployments SET version = 2", "never changed"), ("DELETE FROM deployments", "never deleted")):
        with pytest.raises(sqlite3.IntegrityError, match=words):
            connection.execute(statement)
    for table, key in (("versions", "version"), ("deployments", "deployment")):
        columns = ", ".join(name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})"))
        for other in ("id", key, "tag"):  # each of the keys by which REPLACE would take the row for the same
            mine = columns.replace("user", "'eve'") if table == "deployments" else columns.replace("value", "0.999")
            mine = ", ".join(name if name.strip() in (other, "model") or name.strip() not in ("id", key, "tag") else {"id": "999", key: "999", "tag": "'x'"}[name.strip()] for name in mine.split(","))
            with pytest.raises(sqlite3.IntegrityError, match="never replaced"):
                connection.execute(f"INSERT OR REPLACE INTO {table} ({columns}) SELECT {mine} FROM {table} LIMIT 1")
    connection.close()


def test_deploy_rollback_status_and_history_import_neither_pandas_nor_scikit_learn(trained):
    for script in ("deploy", "rollback", "status", "history", "train"):
        code = (f"import sys; sys.path.insert(0, 'scripts'); import {script}; code = {script}.main([]); "
                "heavy = {'pandas', 'sklearn', 'numpy'} & set(sys.modules); assert not heavy, heavy; sys.exit(code)")
        if script == "train":
            edit(trained, "seed = 0", "seed = 0  #")
        done = subprocess.run([sys.executable, "-c", code], cwd=trained.root, env={**trained.env, "MODEL": "cancer"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_version_made_with_another_scikit_learn_is_tried_before_it_goes_live(trained, tmp_path):
    """The environment on record differs from this one, so a process of its own must load it: and it does."""
    site = tmp_path / "site"
    (site / "scipy-9.9.9.dist-info").mkdir(parents=True)
    done = trained.run("deploy", PYTHONPATH=site)
    assert "cancer v2 is live" in done.stdout


def test_status_and_history_say_what_is_live_and_what_was(trained):
    done = trained.run("status")
    assert done.stdout.splitlines()[1].split()[:2] == ["cancer", "v1"] and "cancer: v2 is registered, not live    next: make compare MODEL=cancer" in done.stdout
    assert "diabetes  no version yet" in done.stdout and "next: make train MODEL=diabetes" in done.stdout
    assert "v1 went live (the newest)" in trained.run("history").stdout
    assert trained.run("history", AT="2020-01-01").stdout == "cancer: nothing was live at 2020-01-01T23:59:59Z\n"
    assert "cancer: v1 was live at 2099-01-01T23:59:59Z" in trained.run("history", AT="2099-01-01").stdout
    assert "is not a date or time" in trained.run("history", code=2, AT="yesterday").stderr


def test_a_reader_without_write_permission_can_still_ask(trained):
    if os.geteuid() == 0:
        pytest.skip("root may write everything")
    os.chmod(trained.root / "metrics.db", 0o444)
    os.chmod(trained.root, 0o555)
    try:
        assert "accuracy 0.973" in trained.run("status").stdout
    finally:
        os.chmod(trained.root, 0o755)


def test_any_reason_that_is_a_line_of_text_can_be_read_back(trained):
    trained.run("deploy", REASON="a\u2028b \u0085 \x1c \"quoted\" ünï")
    trained.run("rollback")
    assert trained.sql("SELECT reason FROM deployments WHERE deployment = 2") == [("a\u2028b \u0085 \x1c \"quoted\" ünï",)]


def test_a_deleted_version_tag_is_named_with_the_way_back(trained):
    made = trained.git("rev-parse", "refs/tags/cancer/v1").strip()
    trained.git("tag", "-d", "cancer/v1")
    assert trained.run("deploy", code=3).stderr == f"deploy: the tag cancer/v1 is gone. Put it back with: git update-ref refs/tags/cancer/v1 {made}\n"
    (trained.root / "metrics.db").unlink()
    done = trained.run("deploy", code=3)
    assert "the tag cancer/v1 is gone, which cancer/deploy-1 refers to. Bring it back from where it was pushed: git fetch origin tag cancer/v1" in done.stderr


def test_an_output_that_could_not_be_written_is_a_failure_on_record_too(trained):
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "scripts/deploy.py"], cwd=trained.root, env=trained.env, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and done.stderr.startswith("deploy: No space left on device.") and len(done.stderr.splitlines()) == 1
    assert trained.sql("SELECT status FROM runs ORDER BY id DESC LIMIT 1") == [("failed",)] and trained.sql("SELECT version FROM production") == [(2,)]


def test_a_version_that_was_gone_back_from_is_not_offered_again(trained):
    (moment,), = trained.sql("SELECT created FROM versions WHERE version = 2")
    for script in ("deploy", "rollback"):
        trained.run(script, LEAN_NOW=moment)  # all in one second
    assert "not live" not in trained.run("status", MODEL="cancer").stdout


@pytest.mark.slow
def test_one_version_s_lost_figures_keep_no_other_from_going_live_when_the_record_is_rebuilt(trained):
    blob = trained.git("rev-parse", "cancer/v1:models/cancer/v1/metrics.json").strip()
    (trained.root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    (trained.root / "metrics.db").unlink()
    assert "cancer v2 is live" in trained.run("deploy", VERSION=2).stdout
    assert trained.sql("SELECT DISTINCT version FROM metrics") == [(2,)] and trained.sql("SELECT count(*) FROM versions") == [(2,)]
