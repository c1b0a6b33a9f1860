"""Old versions leave this machine only when they are safely elsewhere, and come back when they are wanted."""
import json
import os
import shutil
import subprocess
import sys
import time

import pytest
from conftest import edit

pytestmark = pytest.mark.slow  # but for the tests marked quick


@pytest.fixture(scope="session")
def many_template(trained_template, tmp_path_factory):
    """cancer v1 to v4: v1 was live, v3 is; all of them and the branch pushed to a bare repository beside it."""
    base = tmp_path_factory.mktemp("many")
    project = trained_template.copy(base / "project")
    project.git("init", "-q", "--bare", str(base / "far.git"))
    project.git("remote", "add", "origin", "../far.git")
    project.git("push", "-q", "origin", "HEAD:refs/heads/main")
    for old, new in (("C = 0.5", "C = 0.4"), ("C = 0.4", "C = 0.3")):
        edit(project, old, new)
        project.run("train")
    project.run("deploy", VERSION=3)
    return project


@pytest.fixture
def many(many_template, tmp_path):
    shutil.copytree(many_template.root.parent / "far.git", tmp_path / "far.git")
    return many_template.copy(tmp_path / "project")


def objects(project, version: int) -> dict[str, str]:
    manifest = json.loads(project.git("cat-file", "blob", f"cancer/v{version}:models/cancer/v{version}/manifest.json"))
    return {**{name: manifest["files"][name] for name in ("model.joblib", "holdout.csv")}, **{part["name"]: part["sha256"] for part in manifest["parts"]}}


def path_of(root, oid: str):
    return root / "lfs/objects" / oid[:2] / oid[2:4] / oid


def here(project, version: int) -> set[str]:
    """What of a version's objects is on this machine."""
    return {name for name, oid in objects(project, version).items() if path_of(project.root / ".git", oid).exists()}


def everything(project) -> list[str]:
    return sorted(str(path) for path in project.root.rglob("*") if "__pycache__" not in str(path))


def folders(project) -> list[str]:
    return sorted(path.name for path in (project.root / "models/cancer").glob("v*"))


@pytest.mark.quick
def test_without_yes_it_shows_what_it_would_free_and_does_nothing(many):
    before = everything(many)
    done = many.run("prune", KEEP=1)
    folder = sum(path.stat().st_size for path in (many.root / "models/cancer/v2").iterdir())
    own = sum(path_of(many.root / ".git", oid).stat().st_size for name, oid in objects(many, 2).items() if name != "0001.csv")
    assert done.stdout == ("cancer v1: stays, it was live before\ncancer v3: stays, it is live\n"
                           f"cancer v2: {folder + own:,} bytes, the folder {folder:,} and 2 Git LFS objects {own:,}; it is kept on the remote origin\n"
                           f"{folder + own:,} bytes would be freed, of 1 version. Nothing was done yet; do it with: make prune KEEP=1 YES=1\n")
    assert everything(many) == before and done.stderr == ""


@pytest.mark.quick
def test_a_pruned_version_is_gone_here_and_comes_back_when_it_is_deployed(many):
    size = sum(path.stat().st_size for path in (many.root / ".git/lfs").rglob("*") if path.is_file())
    done = many.run("prune", KEEP=1, YES=1)
    freed = int(done.stdout.splitlines()[-1].split(" bytes freed, of 1 version")[0].replace(",", ""))
    assert folders(many) == ["v1", "v3", "v4"] and here(many, 2) == {"0001.csv"} and all(len(here(many, number)) == 3 for number in (1, 3, 4))
    assert freed > size - sum(path.stat().st_size for path in (many.root / ".git/lfs").rglob("*") if path.is_file()) > 0
    assert "v2 pruned here, kept on the remote origin" in many.run("history").stdout and "cancer    v3 " in many.run("status").stdout
    assert many.run("prune", KEEP=1, YES=1).stdout.endswith("nothing to prune, with KEEP=1\n")
    done = many.run("restore")
    assert ", kept on the remote origin; make deploy MODEL=cancer VERSION=2 brings it back\n" in done.stdout and folders(many) == ["v1", "v3", "v4"]
    many.run("check")
    assert "nothing has changed since v4" in many.run("train").stdout and folders(many) == ["v1", "v3", "v4"]
    done = many.run("deploy", VERSION=2)
    assert done.stderr.startswith("cancer v2 was pruned here at 20") and done.stderr.endswith("; bringing it back from where it is kept, on the remote origin\n")
    assert "cancer v2 is live" in done.stdout and len(here(many, 2)) == 3
    assert "cancer v2: was there" in many.run("restore").stdout


def test_what_a_remote_does_not_have_stays(many):
    """One version's tag is not there, another one's object is damaged there, and the third is whole."""
    many.run("deploy", VERSION=4)
    subprocess.run(["git", "update-ref", "-d", "refs/tags/cancer/v1"], cwd=many.root.parent / "far.git", check=True)
    remote = path_of(many.root.parent / "far.git", objects(many, 2)["model.joblib"])
    content = remote.read_bytes()
    remote.unlink()  # it may share its bytes with the one here
    remote.write_bytes(b"x" + content[1:])
    done = many.run("prune", KEEP=1, YES=1)
    assert "cancer v1: stays, it is not pushed to origin\ncancer v2: stays, origin does not have its Git LFS objects\n" in done.stdout
    assert folders(many) == ["v1", "v2", "v3", "v4"] and "nothing to prune" in done.stdout


def test_an_object_that_the_remote_has_lost_is_sent_there_again_first(many):
    remote = path_of(many.root.parent / "far.git", objects(many, 2)["model.joblib"])
    remote.unlink()
    many.run("prune", KEEP=1, YES=1)
    assert remote.exists() and folders(many) == ["v1", "v3", "v4"]


@pytest.mark.parametrize("away", [True, False])
def test_a_remote_that_can_not_be_asked_or_is_not_there_frees_nothing(many, away):
    if away:
        (many.root.parent / "far.git").rename(many.root.parent / "away.git")
    else:
        many.git("remote", "remove", "origin")
    done = many.run("prune", KEEP=1, YES=1)
    why = "the remote origin could not be asked whether it has it" if away else "there is no remote that has it"
    assert f"cancer v2: stays, {why}\nnothing to prune, with KEEP=1\n" in done.stdout and len(folders(many)) == 4


def test_a_backup_is_elsewhere_too_once_it_is_seen_to_be_whole(many):
    many.git("remote", "remove", "origin")
    backup = many.root.parent / "backup"
    many.run("backup", TO=backup)
    kept = path_of(backup / "repo.git", objects(many, 2)["model.joblib"])
    content = kept.read_bytes()
    kept.write_bytes(b"x" + content[1:])
    assert f"cancer v2: stays, there is no remote that has it, nor is it whole in the backup {backup}\n" in many.run("prune", KEEP=1, YES=1, FROM=backup).stdout
    kept.write_bytes(content)
    assert f"it is kept in the backup {backup}\n" in many.run("prune", KEEP=1, YES=1, FROM=backup).stdout and folders(many) == ["v1", "v3", "v4"]
    assert ", 2 Git LFS objects are only elsewhere, " in many.run("verify").stdout.replace("; ", ", ")
    assert "identical" in many.run("reproduce", VERSION=2).stdout and folders(many) == ["v1", "v3", "v4"]
    away = backup.rename(backup.with_name("drawer"))
    done = many.run("deploy", VERSION=2, code=1)
    assert f"cancer v2 was pruned here and is kept in the backup {backup}. Can that be reached? (" in done.stderr and "MODEL=cancer FROM=the-backup\n" in done.stderr
    many.run("verify")  # a disk in a drawer is believed
    assert os.readlink(many.root / "models/cancer/production") == "v3"
    away.rename(backup)
    kept.rename(kept.with_name("lost"))
    assert f"cancer/v2 was pruned here, and the backup {backup} does not have its Git LFS object" in many.run("verify", code=3).stdout
    kept.with_name("lost").rename(kept)
    assert "cancer v2 is live" in many.run("deploy", VERSION=2).stdout


def test_a_backup_after_pruning_has_the_pruned_version_all_the_same(many):
    many.run("prune", KEEP=1, YES=1)
    done = many.run("backup", TO=many.root.parent / "backup")
    assert path_of(many.root.parent / "backup/repo.git", objects(many, 2)["model.joblib"]).exists() and "is complete, as of" in done.stdout
    assert here(many, 2) == {"0001.csv"} and folders(many) == ["v1", "v3", "v4"]


def test_a_backup_that_can_not_have_everything_says_so(many):
    many.run("prune", KEEP=1, YES=1)
    shutil.rmtree(many.root.parent / "far.git")
    done = many.run("backup", TO=many.root.parent / "backup", code=1)
    assert "backup: warning: models/cancer/v2/model.joblib of cancer/v2 is neither here, nor on a remote, nor in the backup.\n" in done.stderr
    assert done.stderr.splitlines()[-1].endswith("v2/model.joblib of cancer/v2 is neither here, nor on a remote, nor in the backup. And 1 more.")


def test_objects_that_a_branch_refers_to_stay(many):
    """Somebody has committed the model of v2 to a branch."""
    many.git("checkout", "-q", "-b", "kept")
    many.git("-c", "filter.lfs.clean=git-lfs clean -- %f", "-c", "filter.lfs.required=true", "add", "-f", "models/cancer/v2/model.joblib")
    many.git("commit", "-qm", "kept")
    many.git("checkout", "-q", "-")
    shutil.copyfile(path_of(many.root / ".git", objects(many, 2)["model.joblib"]), many.root.parent / "model")
    (many.root / "models/cancer/v2").mkdir(exist_ok=True)
    many.run("prune", KEEP=1, YES=1)
    assert here(many, 2) == {"0001.csv", "model.joblib"}


@pytest.mark.parametrize("keep, words", [("", "KEEP= is missing: how many of the newest versions stay. Example: make prune KEEP=5"), ("0", "KEEP='0' is not a number of versions, such as 5."),
                                          ("-1", "KEEP='-1' is not a number of versions, such as 5."), ("all", "KEEP='all' is not a number of versions, such as 5.")])
def test_a_number_that_is_none_is_refused(many_template, keep, words):
    assert many_template.run("prune", code=2, KEEP=keep).stderr == f"prune: {words}\n"


def test_a_prune_that_was_killed_is_finished_by_the_next_with_one_line_in_the_audit(many):
    for call, count in (("unlink", 2), ("unlinkat", 3)):
        done = subprocess.run(["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={count}", sys.executable, "scripts/prune.py"],
                              cwd=many.root, env={**many.env, "KEEP": "1", "YES": "1"}, capture_output=True)
        assert done.returncode in (-9, 137)
    many.run("prune", KEEP=1, YES=1)
    many.run("deploy", VERSION=4)
    assert folders(many) == ["v1", "v3", "v4"] and here(many, 2) == {"0001.csv"} and not list((many.root / "models/cancer").glob(".staged*"))
    assert [entry["version"] for entry in many.audit() if entry["event"] == "prune"] == [2]


def test_what_is_deployed_while_it_is_reproduced_stays(many):
    many.git("remote", "remove", "origin")
    backup = many.root.parent / "backup"
    many.run("backup", TO=backup)
    many.run("prune", KEEP=1, YES=1, FROM=backup)
    at_work = many.start("reproduce", VERSION=2)
    deadline = time.monotonic() + 30
    while not path_of(many.root / ".git", objects(many, 2)["model.joblib"]).exists():
        assert time.monotonic() < deadline and at_work.poll() is None
        time.sleep(0.01)
    many.run("deploy", VERSION=2)
    assert at_work.poll() is None  # else this shows nothing
    assert at_work.communicate()[0].splitlines()[-1].startswith("cancer v2: identical") and at_work.returncode == 0
    many.run("verify")
    assert path_of(many.root / ".git", objects(many, 2)["model.joblib"]).exists()
