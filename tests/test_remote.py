"""Pushing to a bare repository at a path, and bringing everything back from it in a new clone."""
import shutil
import subprocess
from datetime import datetime, timedelta, timezone

import pytest
from conftest import Project


@pytest.fixture
def pushed(trained, tmp_path):
    bare = tmp_path / "far away.git"
    trained.git("init", "-q", "--bare", str(bare))
    trained.git("remote", "add", "origin", str(bare))
    trained.git("push", "-q", "origin", "HEAD:refs/heads/main")
    trained.run("deploy")
    return trained, bare


def clone(project: Project, bare, to) -> Project:
    subprocess.run(["git", "clone", "-q", "-b", "main", str(bare), str(to)], env={**project.env, "GIT_LFS_SKIP_SMUDGE": "1"}, check=True, capture_output=True)
    return Project(to, project.home)


def test_versions_and_deployments_reach_the_remote_with_their_lfs_objects(pushed):
    trained, bare = pushed
    remote = trained.git("ls-remote", "--tags", "origin")
    for tag in ("cancer/v1", "cancer/v2", "cancer/deploy-1", "cancer/deploy-2"):
        assert f"refs/tags/{tag}\n" in remote
    for version in (1, 2):
        digest, = trained.sql("SELECT sha256 FROM versions WHERE version = ?", version)[0]
        assert (bare / "lfs/objects" / digest[:2] / digest[2:4] / digest).exists()


def test_a_new_clone_is_restored_from_the_tags_alone(pushed, tmp_path):
    trained, bare = pushed
    other = clone(trained, bare, tmp_path / "other")
    assert not (other.root / "metrics.db").exists()
    assert "cancer    its versions are not restored here    next: make restore MODEL=cancer\n" in other.run("status").stdout
    assert "nothing says that origin has it. Ask there: make restore MODEL=cancer; or" in other.run("verify", MODEL="cancer", code=3).stdout
    done = other.run("restore")
    assert "cancer v1: restored, 7 files verified\ncancer v2: restored, 7 files verified\ncancer: v2 is live, 2 deployments on record\n" in done.stdout
    assert (other.root / "models/cancer/production/model.joblib").read_bytes() == (trained.root / "models/cancer/v2/model.joblib").read_bytes()
    assert (other.root / "data/cancer/train/0001.csv").read_bytes() == (trained.root / "data/cancer/train/0001.csv").read_bytes()
    assert (other.root / "models/cancer/audit.jsonl").read_bytes() == (trained.root / "models/cancer/audit.jsonl").read_bytes()
    for query in ("SELECT model, version, created, tag, sha256, metric, value, low, high, why FROM versions ORDER BY version",
                  "SELECT model, deployment, version, replaced, action, time, user, reason, tag FROM deployments ORDER BY deployment",
                  "SELECT version, slice, name, value, low, high, rows FROM metrics ORDER BY version, slice, name",
                  "SELECT v.version, p.* FROM versions v JOIN params p USING (run_id) ORDER BY v.version, p.name".replace("p.*", "p.name, p.value"),
                  "SELECT v.version, data_fingerprint, config_fingerprint, code_fingerprint, environment_fingerprint FROM versions v JOIN runs r ON r.id = v.run_id ORDER BY 1",
                  "SELECT * FROM production"):
        assert other.sql(query) == trained.sql(query)
    assert other.git("status", "--porcelain") == ""
    again = other.run("restore").stdout
    assert "cancer v1: was there" in again and "restored" not in again
    (other.root / "models/cancer/model.toml").write_bytes((trained.root / "models/cancer/model.toml").read_bytes())
    assert "nothing has changed since v2" in other.run("train").stdout


def test_a_remote_that_is_down_costs_a_warning_and_the_next_command_tries_again(pushed, tmp_path):
    trained, bare = pushed
    bare.rename(tmp_path / "away")
    done = trained.run("rollback")
    assert "cancer v1 is live" in done.stdout
    assert done.stderr.startswith("rollback: warning: 1 tag of cancer not yet on the remote 'origin':") and done.stderr.endswith("The next command tries again.\n")
    assert trained.sql("SELECT kind FROM alerts") == []
    tomorrow = (datetime.now(timezone.utc) + timedelta(hours=25)).isoformat()
    for told in (True, False):  # whoever reads mail is told after a day, and once
        assert ("train: ALERT cancer: 1 tag of cancer not yet on the remote 'origin':" in trained.run("train", LEAN_NOW=tomorrow).stderr) == told
    (tmp_path / "away").rename(bare)
    assert trained.run("train").stderr == ""
    assert "refs/tags/cancer/deploy-3\n" in trained.git("ls-remote", "--tags", "origin")
    assert trained.sql("SELECT kind, resolved IS NOT NULL FROM alerts") == [("push", 1)]


@pytest.mark.slow
def test_who_is_behind_the_remote_takes_in_first_what_was_made_elsewhere(pushed, tmp_path):
    trained, bare = pushed
    other = clone(trained, bare, tmp_path / "other")
    other.run("restore")
    made = other.run("train", FORCE=1)
    assert made.stdout.endswith("cancer: pushed to origin: cancer/v3\n") and made.stderr == ""  # what came from there is not sent back
    before = trained.git("for-each-ref")
    for script in ("train", "deploy"):
        assert trained.run(script, code=2, FORCE=1 if script == "train" else "").stderr == f"{script}: origin has cancer/v3, made on another machine. Take that in first: make restore MODEL=cancer\n"
    assert trained.git("for-each-ref") == before
    trained.run("restore")
    assert "cancer v3 is live (deployment 3" in trained.run("deploy").stdout
    trained.run("verify")


@pytest.mark.slow
def test_of_two_that_were_made_at_the_same_time_the_second_is_told_and_the_first_can_give_way(pushed, tmp_path):
    trained, bare = pushed
    other = clone(trained, bare, tmp_path / "other")
    other.run("restore")
    bare.rename(tmp_path / "away")
    other.run("rollback")
    trained.run("rollback", REASON="the same moment")
    (tmp_path / "away").rename(bare)
    other.run("train")
    told = "origin has another cancer/deploy-3 than this machine: two were made at the same time. One of the two must go: see README.md, More than one machine."
    assert trained.run("train").stderr == f"train: warning: 1 tag of cancer not yet on the remote 'origin': {told}\n"
    assert trained.run("deploy", code=1).stderr == f"deploy: {told}\n"
    assert told in trained.run("restore").stderr
    trained.run("rollback", VERSION=2)  # who must go back need not settle that first
    trained.git("lfs", "push", "--all", "origin")
    trained.git("push", "-q", "--force", "--prune", "origin", "refs/tags/cancer/*:refs/tags/cancer/*")
    assert trained.run("train").stderr == ""
    fresh = clone(trained, bare, tmp_path / "fresh")
    assert "cancer: v2 is live, 4 deployments on record" in fresh.run("restore").stdout
    fresh.run("verify")


def test_without_a_remote_nothing_is_said_of_it(trained):
    assert trained.run("deploy").stderr == ""


def test_lost_data_and_records_come_back_from_the_tags_in_place(trained):
    rows = trained.sql("SELECT version, sha256 FROM versions")
    (trained.root / "metrics.db").unlink()
    shutil.rmtree(trained.root / "data/cancer/train")
    shutil.rmtree(trained.root / "models/cancer/v1")
    (trained.root / "models/cancer/audit.jsonl").unlink()
    (trained.root / "models/cancer/production").unlink()
    trained.run("restore", MODEL="cancer")
    assert trained.sql("SELECT version, sha256 FROM versions") == rows
    assert "nothing has changed since v2" in trained.run("train").stdout
    assert [entry["event"] for entry in trained.audit()] == ["ingest", "register", "deploy", "register"]


def test_a_lost_metrics_db_is_rebuilt_by_the_next_command_which_says_so(trained):
    (trained.root / "metrics.db").unlink()
    done = trained.run("train")
    assert done.stderr == "train: cancer: metrics.db did not have cancer/deploy-1, cancer/v1, cancer/v2; added from the tags\n"
    assert trained.sql("SELECT version FROM versions") == [(1,), (2,)] and trained.run("train").stderr == ""


def lfs_object(root, oid):
    return root / "lfs/objects" / oid[:2] / oid[2:4] / oid


def restored_without(version, trained, bare, to):
    """A clone of a remote that has lost a version's model, restored as far as that goes."""
    digest, = trained.sql("SELECT sha256 FROM versions WHERE version = ?", version)[0]
    lfs_object(bare, digest).unlink()
    other = clone(trained, bare, to)
    return other, other.run("restore", code=1)


@pytest.mark.slow
def test_an_object_that_the_remote_has_lost_is_one_line_and_the_rest_is_restored(pushed, tmp_path):
    trained, bare = pushed
    other, done = restored_without(1, trained, bare, tmp_path / "other")
    assert done.stderr.splitlines()[1:] == ["restore: models/cancer/v1/model.joblib of cancer/v1 is not in this repository's Git LFS storage, nor on its remote. If you have a backup: make restore FROM=folder"]
    assert "cancer v2: restored, 7 files verified\ncancer: v2 is live, 2 deployments on record\n" in done.stdout
    assert other.sql("SELECT version, count(*) FROM metrics GROUP BY version") == trained.sql("SELECT version, count(*) FROM metrics GROUP BY version")
    other.run("predict", CSV=other.root / "data/cancer/train/0001.csv")


def test_the_live_version_that_can_not_be_had_keeps_nothing_else_from_being_restored(pushed, tmp_path):
    other, done = restored_without(2, *pushed, tmp_path / "other")
    assert done.stderr.count("models/cancer/v2/model.joblib") == 1
    assert "cancer: 1 training part restored\ncancer v1: restored, 7 files verified\ncancer: nothing is live, 2 deployments on record\n" in done.stdout


def test_a_damaged_folder_and_a_damaged_object_are_replaced(pushed):
    """The object is damaged too, so the folder comes from the remote; git-lfs itself would take it for good."""
    trained, bare = pushed
    digest, = trained.sql("SELECT sha256 FROM versions WHERE version = 1")[0]
    for path in (trained.root / "models/cancer/v1/model.joblib", lfs_object(trained.root / ".git", digest)):
        content = bytearray(path.read_bytes())
        content[100] ^= 1
        path.unlink()  # the remote at a path may share it, as a hard link
        path.write_bytes(content)
    done = trained.run("restore")
    assert f"the Git LFS object {digest[:12]}… was damaged; it is put aside in" in done.stderr and "v1/model.joblib is not what the tag cancer/v1 says: it was changed or damaged." in done.stderr
    assert "cancer v1: restored, 7 files verified\ncancer v2: was there, 7 files verified\n" in done.stdout
    trained.run("deploy", VERSION=1)


@pytest.mark.slow
def test_one_model_that_is_gone_comes_back_and_one_that_is_broken_keeps_no_other_from_it(trained):
    text = (trained.root / "models/diabetes/model.toml").read_text()
    start, end = text.index("[search]"), text.index("[evaluate]")
    (trained.root / "models/diabetes/model.toml").write_text(text[:start] + text[end:])
    trained.run("train", MODEL="diabetes")
    shutil.rmtree(trained.root / "models/diabetes")
    shutil.rmtree(trained.root / "data/diabetes")
    trained.git("tag", "-f", "cancer/v2", trained.git("rev-parse", "refs/tags/cancer/v1").strip())
    done = trained.run("restore", code=1)
    assert "restore: the tag cancer/v2 carries the record of cancer/v1: it was moved or copied. Remove it with: git tag -d cancer/v2\n" in done.stderr
    assert "diabetes: model.toml restored from diabetes/v1\ndiabetes: 1 training part restored\ndiabetes v1: restored, 7 files verified\ndiabetes: nothing is live, 0 deployments on record\n" in done.stdout


def test_nothing_to_restore_is_said(project):
    assert project.run("restore", code=2).stderr == "restore: there is nothing to restore: no tag of a version in this repository, and it has no remote.\n"


def test_an_edited_part_is_refused_and_restored(trained):
    path = trained.root / "data/cancer/train/0001.csv"
    path.write_text(path.read_text().replace("17.99", "18.99", 1))
    assert "0001.csv was changed after it was taken in" in trained.run("train", code=3).stderr
    trained.run("restore", MODEL="cancer")
    assert "nothing has changed" in trained.run("train").stdout


def test_another_remote_gets_everything(pushed, tmp_path):
    trained, _ = pushed
    other = tmp_path / "other.git"
    trained.git("init", "-q", "--bare", str(other))
    trained.git("remote", "set-url", "origin", str(other))
    assert "cancer: pushed to origin: cancer/deploy-1, cancer/deploy-2, cancer/deploy-3, cancer/v1, cancer/v2\n" in trained.run("rollback").stdout
