"""A backup holds everything, is verified, costs only what is new; and a clone of it becomes the project again."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from conftest import Project, edit

pytestmark = pytest.mark.slow  # but for the tests marked quick


@pytest.fixture(scope="session")
def busy_template(trained_template, tmp_path_factory):
    """cancer v1 live with predictions and labels, v2 registered, code that is not committed."""
    project = trained_template.copy(tmp_path_factory.mktemp("busy") / "project")
    rows = project.root / "data/cancer/train/0001.csv"
    project.run("predict", CSV=rows, OUT=project.root.parent / "scored.csv")
    said = pd.read_csv(project.root.parent / "scored.csv")
    pd.DataFrame({"id": said["id"], "label": pd.read_csv(rows)["diagnosis"]})[:200].to_csv(project.root.parent / "labels.csv", index=False)
    project.run("label", CSV=project.root.parent / "labels.csv")
    project.run("check")
    (project.root / "scripts/train.py").write_text((project.root / "scripts/train.py").read_text() + "# not committed\n")
    (project.root / "models/cancer/features.md").write_text("notes\n")
    return project


@pytest.fixture(scope="session")
def saved_template(busy_template, tmp_path_factory):
    """The same, with its backup beside it."""
    base = tmp_path_factory.mktemp("saved")
    project = busy_template.copy(base / "project")
    project.run("backup", TO=base / "backup")
    return project


@pytest.fixture
def busy(busy_template, tmp_path):
    return busy_template.copy(tmp_path / "project")


@pytest.fixture
def saved(saved_template, tmp_path):
    shutil.copytree(saved_template.root.parent / "backup", tmp_path / "backup", symlinks=True)
    return saved_template.copy(tmp_path / "project")


def backup_of(project) -> Path:
    return project.root.parent / "backup"


def listed(project) -> dict:
    return json.loads((backup_of(project) / "backup.json").read_bytes())


def clone(project, name="other") -> Project:
    other = Project(project.root.parent / name, project.home)
    subprocess.run(["git", "clone", "-q", str(backup_of(project) / "repo.git"), str(other.root)], env=project.env, check=True, capture_output=True)
    return other


def contents(project, *folders) -> dict[str, bytes]:
    """Every file below the folders, but for what is made anew: locks and the index of the logs."""
    return {str(path.relative_to(project.root)): path.read_bytes() for folder in folders for path in sorted((project.root / folder).rglob("*"))
            if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in path.relative_to(project.root).parts)}


def objects(project) -> list[Path]:
    return sorted(path for path in (backup_of(project) / "repo.git/lfs/objects").rglob("*") if path.is_file())


def flip(path: Path) -> None:
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[10] ^= 1
    path.write_bytes(content)


@pytest.mark.quick
def test_a_lost_machine_comes_back_from_a_clone_of_the_backup(saved):
    other = clone(saved)
    done = other.run("restore", FROM=backup_of(saved))
    assert done.stderr == ""
    assert "cancer v1: restored, 7 files verified\ncancer v2: restored, 7 files verified\ncancer: v1 is live, 1 deployment on record\n" in done.stdout
    assert contents(other, "models", "data", "scripts") == contents(saved, "models", "data", "scripts")
    assert os.readlink(other.root / "models/cancer/production") == "v1"
    for table in ("versions", "deployments", "params", "metrics", "batches", "checks", "outcomes"):
        assert other.sql(f"SELECT * FROM {table}") == saved.sql(f"SELECT * FROM {table}"), table
    assert other.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/tags") == saved.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/tags")
    assert other.git("status", "--porcelain") == saved.git("status", "--porcelain")
    assert other.sql("SELECT script, status FROM runs ORDER BY id DESC LIMIT 2") == [("restore", "done"), ("backup", "done")]
    again = other.run("restore", FROM=backup_of(saved))
    assert "restored" not in again.stdout and again.stderr == ""
    other.git("checkout", "-q", "scripts/train.py")
    assert "nothing has changed since v2" in other.run("train").stdout
    assert "are logged already, by v1" in other.run("predict", CSV=other.root / "data/cancer/train/0001.csv").stdout


def test_a_clone_of_the_backup_never_pushes_into_it_and_shares_no_file_with_it(saved):
    other = clone(saved)
    before = sorted(os.listdir(backup_of(saved) / "repo.git/refs/tags/cancer"))
    done = other.run("restore", FROM=backup_of(saved))
    assert "the remote origin, which was the backup, is removed" in done.stdout
    other.run("deploy")
    assert sorted(os.listdir(backup_of(saved) / "repo.git/refs/tags/cancer")) == before
    shared = [path for path in (backup_of(saved) / "repo.git").rglob("*") if path.is_file() and path.stat().st_nlink > 1]
    assert shared == []


def test_the_remote_of_the_lost_machine_is_the_clones_remote_without_its_password(saved):
    saved.git("remote", "add", "origin", "https://ada:secret@git.example.invalid/churn.git")
    saved.run("backup", TO=backup_of(saved))
    assert "secret" not in (backup_of(saved) / "backup.json").read_text()
    other = clone(saved)
    assert "the remote origin was the backup; it is https://ada@git.example.invalid/churn.git again" in other.run("restore", FROM=backup_of(saved)).stdout
    assert other.git("remote", "get-url", "origin") == "https://ada@git.example.invalid/churn.git\n"


@pytest.mark.quick
def test_a_second_backup_copies_only_what_is_new_and_says_so(saved):
    places = {path: path.stat().st_mtime_ns for path in objects(saved)}
    log = next((backup_of(saved) / "data/cancer/predictions").glob("*.csv"))
    inode = log.stat().st_ino
    with (saved.root / "data/cancer/predictions" / log.name).open("a") as file:
        file.write(log.read_text().splitlines(keepends=True)[1] * 5)
    added = (saved.root / "data/cancer/predictions" / log.name).stat().st_size - log.stat().st_size
    done = saved.run("backup", TO=backup_of(saved))
    assert {path: path.stat().st_mtime_ns for path in objects(saved)} == places
    assert log.stat().st_ino == inode and log.read_bytes() == (saved.root / "data/cancer/predictions" / log.name).read_bytes()
    small = sum(entry["bytes"] for entry in listed(saved)["files"].values()) + next(backup_of(saved).glob("state/*/metrics.db")).stat().st_size
    there = sum(path.stat().st_size for path in objects(saved)) + sum(entry["bytes"] for entry in listed(saved)["logs"].values()) - added
    assert f", {small + added:,} bytes, and 0 branches and tags; there already: " in done.stdout and f", {there:,} bytes\n" in done.stdout
    assert len(list((backup_of(saved) / "state").iterdir())) == 1


@pytest.mark.parametrize("to, words", [
    ("", "TO= is missing. Example: make backup TO=/mnt/disk/backup"),
    ("data", "TO=data lies inside the project, so it would be lost together with it. Name a folder elsewhere, best on another disk."),
    (".git/backup", "TO=.git/backup lies inside the project, so it would be lost together with it. Name a folder elsewhere, best on another disk."),
    ("../scored.csv", "TO=../scored.csv is a file, not a folder."),
    ("../nowhere/backup", "is not there. Is its disk mounted?"),
    ("..", "TO=.. holds other files ("),
    ("/proc/backup", "TO=/proc/backup can't be written (No such file or directory)."),
])
@pytest.mark.quick
def test_a_folder_that_can_not_be_one_is_refused_in_one_line(busy, to, words):
    (busy.root.parent / "scored.csv").touch()
    before = sorted(os.listdir(busy.root.parent))
    done = busy.run("backup", code=2, TO=to)
    assert words in done.stderr and done.stderr.count("\n") == 1
    assert sorted(os.listdir(busy.root.parent)) == before


def test_damage_in_the_backup_is_found_and_mended_by_the_next_one(saved):
    flip(objects(saved)[0])
    flip(next((backup_of(saved) / "data/cancer/predictions").glob("*.csv")))
    done = saved.run("backup", TO=backup_of(saved))
    assert "a Git LFS object was damaged in the backup, copied again: " in done.stdout and ".csv was damaged in the backup, copied again\n" in done.stdout
    other = clone(saved)
    assert other.run("restore", FROM=backup_of(saved)).stderr == ""
    assert contents(other, "models", "data") == contents(saved, "models", "data")


def test_damage_here_does_not_spread_to_the_backup(saved):
    """The object is in use in a bit-flipped state; a log was edited rather than added to."""
    digest = json.loads((saved.root / "models/cancer/v1/manifest.json").read_bytes())["files"]["model.joblib"]
    flip(saved.root / ".git/lfs/objects" / digest[:2] / digest[2:4] / digest)
    log = next((saved.root / "data/cancer/labels").glob("*.csv"))
    kept = (backup_of(saved) / "data/cancer/labels" / log.name).read_bytes()
    flip(log)
    done = saved.run("backup", TO=backup_of(saved))
    assert f"{log.name} was changed, not only added to, since the last backup: copied anew, and the former copy stays there as data/cancer/labels/{log.name}\n" in done.stdout
    assert (backup_of(saved) / "data/cancer/labels" / log.name).read_bytes() == kept
    assert (backup_of(saved) / listed(saved)["logs"][f"data/cancer/labels/{log.name}"]["at"]).read_bytes() == log.read_bytes()
    other = clone(saved)
    other.run("restore", FROM=backup_of(saved))
    other.run("deploy", VERSION=2)


def test_a_tag_that_was_moved_here_does_not_reach_the_backup(saved):
    before = (backup_of(saved) / "backup.json").read_bytes()
    saved.git("tag", "-f", "-a", "-m", "moved", "cancer/v2", "HEAD")
    done = saved.run("backup", code=1, TO=backup_of(saved))
    assert done.stderr.splitlines()[-1].startswith("backup: the backup's tag cancer/v2 is another than the one here")
    assert (backup_of(saved) / "backup.json").read_bytes() == before


def test_an_interrupted_backup_leaves_the_one_before_usable(saved):
    """Killed while the new state is written, while objects are copied, and when all is there but the list."""
    before = listed(saved)
    edit(saved, "C = 0.5", "C = 0.3")
    saved.run("train", MODEL="cancer")
    for number, rename in enumerate((4, 8, 8)):
        done = subprocess.run(["strace", "-qq", "-o", "/dev/null", "-e", "trace=rename", "-e", f"inject=rename:signal=KILL:when={rename}", sys.executable, "scripts/backup.py"],
                              cwd=saved.root, env={**saved.env, "TO": str(backup_of(saved))}, capture_output=True)
        assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), done.stderr.decode()
        assert listed(saved) == before
        other = clone(saved, f"other-{number}")
        other.run("restore", FROM=backup_of(saved))
        assert other.sql("SELECT version FROM versions WHERE version <= 2") == [(1,), (2,)] and other.sql("SELECT count(*) FROM batches") == [(1,)]
    saved.run("backup", TO=backup_of(saved))
    assert len(listed(saved)["files"]) == len(before["files"]) and len(list((backup_of(saved) / "state").iterdir())) == 1
    last = clone(saved, "last")
    last.run("restore", FROM=backup_of(saved))
    assert contents(last, "models", "data") == contents(saved, "models", "data")


CHANGING = ("write", "pwrite64", "fsync", "fdatasync", "rename", "link", "mkdir", "unlink", "ftruncate")


def points(project, tmp_path) -> list[tuple[str, int]]:
    """(syscall, how many-th in its process) over a whole backup: five of each kind, evenly spread."""
    shutil.copytree(backup_of(project), tmp_path / "traced", symlinks=True)
    log = tmp_path / "trace"
    subprocess.run(["strace", "-f", "-qq", "-o", log, "-e", f"trace={','.join(CHANGING)}", sys.executable, "scripts/backup.py"], cwd=project.root,
                   env={**project.env, "TO": str(tmp_path / "traced")}, check=True, capture_output=True)
    count = dict.fromkeys(CHANGING, 0)
    process = next(line.split()[0] for line in log.read_text().splitlines() if "rename(" in line and 'backup.json"' in line)
    for line in log.read_text().splitlines():
        pid, _, call = line.partition(" ")
        name = call.strip().partition("(")[0]
        if name in count and pid == process:
            count[name] += 1
    return [(name, number) for name, total in count.items() for number in sorted({1 + place * total // 5 for place in range(5)}) if number <= total]


@pytest.mark.slow
def test_a_backup_that_is_killed_or_fails_anywhere_leaves_one_that_can_be_restored(saved, tmp_path):
    edit(saved, "C = 0.5", "C = 0.3")
    saved.run("train", MODEL="cancer")
    before, failures, tried = listed(saved), [], 0
    shutil.copytree(backup_of(saved), tmp_path / "first", symlinks=True)
    for number, (call, count) in enumerate(points(saved, tmp_path)):
        for fault in ("signal=KILL", "error=ENOSPC"):
            shutil.rmtree(backup_of(saved))
            shutil.copytree(tmp_path / "first", backup_of(saved), symlinks=True)
            done = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:{fault}:when={count}", sys.executable, "scripts/backup.py"],
                                  cwd=saved.root, env={**saved.env, "TO": str(backup_of(saved))}, capture_output=True, text=True)
            tried += 1
            other = clone(saved, f"clone-{number}-{fault[:6]}")
            restored = subprocess.run([sys.executable, "scripts/restore.py"], cwd=other.root, env={**saved.env, "FROM": str(backup_of(saved))}, capture_output=True, text=True)
            again = subprocess.run([sys.executable, "scripts/backup.py"], cwd=saved.root, env={**saved.env, "TO": str(backup_of(saved))}, capture_output=True, text=True)
            if restored.returncode or again.returncode or "Traceback" in done.stderr or listed(saved) == before:
                failures.append(f"{call} {count} {fault}\n{done.stderr[-300:]}\n{restored.stderr[-300:]}\n{again.stderr[-300:]}")
            shutil.rmtree(other.root)
    print(f"{tried} points, {len(failures)} failures")
    assert not failures, "\n\n".join(failures)


@pytest.mark.slow
def test_a_backup_while_predictions_are_logged_has_all_or_nothing_of_each(busy):
    frame = pd.read_csv(busy.root / "data/cancer/train/0001.csv")
    for number in range(6):
        frame[number * 20:(number + 1) * 20].to_csv(busy.root.parent / f"rows-{number}.csv", index=False)
    running = [busy.start("predict", CSV=busy.root.parent / f"rows-{number}.csv") for number in range(6)]
    time.sleep(0.8)
    for _ in range(3):
        busy.run("backup", TO=backup_of(busy))
        log = next(entry for name, entry in listed(busy)["logs"].items() if "predictions" in name)
        lines = (backup_of(busy) / log["at"]).read_bytes()[:log["bytes"]].decode().splitlines()
        saved = Project(next(backup_of(busy).glob("state/*")), busy.home)
        assert saved.sql("SELECT sum(rows) FROM batches") == [(len(lines) - 1,)]
    assert [process.wait() for process in running] == [0] * 6
    for process in running:
        process.communicate()


def test_a_damaged_clone_gets_back_what_is_missing_and_keeps_what_differs_with_a_word(saved):
    log = next((saved.root / "data/cancer/predictions").glob("*.csv"))
    whole, labels = log.read_bytes(), next((saved.root / "data/cancer/labels").glob("*.csv"))
    log.write_bytes(whole[:5000])
    flip(labels)
    mine = labels.read_bytes()
    edit(saved, "C = 0.5", "C = 0.7")
    flip(saved.root / "data/cancer/train/0001.csv")
    flip(saved.root / "models/cancer/v1/model.joblib")
    (saved.root / "models/cancer/audit.jsonl").unlink()
    for path in (saved.root / ".git/lfs/objects").rglob("*"):
        if path.is_file():
            flip(path)
    done = saved.run("restore", FROM=backup_of(saved))
    assert log.read_bytes() == whole and labels.read_bytes() == mine
    assert done.stderr.splitlines()[:2] == [
        f"restore: warning: models/cancer/model.toml here is another than the backup's; the one here is kept. The backup's: {backup_of(saved)}/{listed(saved)['files']['models/cancer/model.toml']['at']}",
        f"restore: warning: {labels} is another than the backup's; the one here is kept. The backup's: {backup_of(saved)}/data/cancer/labels/{labels.name}"]
    assert "C = 0.7" in (saved.root / "models/cancer/model.toml").read_text()
    assert "v1/model.joblib is not what the tag cancer/v1 says: it was changed or damaged." in done.stderr
    assert "5 Git LFS objects restored" in done.stdout and "cancer v1: restored" in done.stdout and "cancer: 1 training part restored" in done.stdout


def test_records_made_since_are_not_replaced_by_the_backups(saved):
    (saved.root / "metrics.db").unlink()
    saved.run("deploy", VERSION=2)
    done = saved.run("restore", FROM=backup_of(saved))
    assert "metrics.db here has other records than the backup's; the one here is kept. To have the backup's, move metrics.db away and type the command again." in done.stderr
    (saved.root / "metrics.db").unlink()
    assert "metrics.db restored" in saved.run("restore", FROM=backup_of(saved)).stdout
    assert saved.sql("SELECT version FROM production") == [(2,)] and saved.sql("SELECT count(*) FROM batches") == [(1,)]


@pytest.mark.parametrize("name, words", [("nowhere", "FROM=nowhere: there is no such folder. Is its disk mounted?"),
                                          ("models", "FROM=models is no backup: it has no backup.json. Backups are made with: make backup TO=folder")])
def test_what_is_no_backup_is_refused(busy, name, words):
    assert busy.run("restore", code=2, FROM=name).stderr == f"restore: {words}\n"


@pytest.mark.parametrize("change", [lambda told: "{", lambda told: json.dumps({**told, "format": 99}), lambda told: json.dumps({**told, "logs": {"../../outside.csv": {"at": "x", "bytes": 1, "sha256": "x"}}})])
def test_a_list_that_can_not_be_understood_is_refused(saved, change):
    (backup_of(saved) / "backup.json").write_text(change(listed(saved)))
    done = saved.run("restore", code=2, FROM=backup_of(saved))
    assert "can't be understood" in done.stderr or "made by a newer version of these scripts (format 99)" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_part_that_no_version_has_learnt_from_yet_is_in_the_backup(saved):
    lines = (saved.root / "data/cancer/train/0001.csv").read_text().splitlines(keepends=True)
    (saved.root / "data/cancer/train/0002.csv").write_text("".join(lines[:20]))
    saved.run("backup", TO=backup_of(saved))
    other = clone(saved)
    assert "cancer: 2 training parts restored" in other.run("restore", FROM=backup_of(saved)).stdout
    assert (other.root / "data/cancer/train/0002.csv").read_bytes() == (saved.root / "data/cancer/train/0002.csv").read_bytes()
