"""Bad input: each kind is refused in one exact line, and nothing has changed afterwards."""
import json
import os
import sqlite3
import subprocess
import sys
import time

import pytest
from conftest import edit
from test_verify import everything

from lib.schema import MIGRATIONS

pytestmark = pytest.mark.slow  # but for the tests marked quick

SOURCE = "data/cancer/train/0001.csv"
BACK = "Bring it back with: make restore MODEL=cancer"


@pytest.fixture(scope="module")
def files_of(tmp_path_factory):
    """The files that nobody should have handed in."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "empty.csv").write_bytes(b"")
    (folder / "line.csv").write_bytes(b"a" * 100_000_000)
    (folder / "field.csv").write_bytes(b"id,label\n1," + b"x" * 100_000_000)
    (folder / "wide.csv").write_text("\n".join([",".join(f"c{i}" for i in range(5000)), *([",".join("1" * 5000)] * 3)]) + "\n")
    (folder / "pointer.csv").write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n")
    (folder / "folder.csv").mkdir()
    (folder / "latin.csv").write_bytes("id,label\n1,café\n".encode("latin-1"))
    (folder / "nul.csv").write_bytes(b"id,label\n1,\0\n")
    (folder / "quote.csv").write_bytes(b'id,label\n1,"open\n')
    (folder / "loop.csv").symlink_to("loop.csv")
    return folder


FILES = {
    "none.csv": "{path} is not there.",
    "folder.csv": "{path} is a folder, not a CSV file.",
    "empty.csv": "{path} is empty: no header line.",
    "line.csv": "{path}: its first line has 100,000,000 bytes; that is no header. Is it a CSV file?",
    "pointer.csv": "{path} is a Git LFS pointer, not the file. Run: git lfs pull",
}


def unchanged(root) -> dict:
    """Every file but locks, and the copies of what was refused."""
    return {name: what for name, what in everything(root).items() if what[1] is not None and not name.endswith(".lock") and "/rejected/" not in name}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name in ("folder.csv", "empty.csv") else name for name in FILES])
def test_a_file_that_is_none_is_refused_by_whoever_is_given_it(trained, files_of, name):
    before = unchanged(trained.root)
    for script, options in (("predict", {"OUT": "out.csv"}), ("label", {}), ("ingest", {}), ("evaluate", {}), ("new", {"MODEL": "other", "TARGET": "c1"})):
        done = trained.run(script, code=2, CSV=files_of / name, **options)
        assert done.stderr.splitlines()[-1] == f"{script}: {FILES[name].format(path=files_of / name)}"
    assert unchanged(trained.root) == before


@pytest.mark.parametrize("script, name, words", [
    ("predict", "wide.csv", "{path} has no column 'mean radius', 'mean texture', "),
    pytest.param("evaluate", "wide.csv", "{path} has no column 'mean radius', 'mean texture', ", marks=pytest.mark.slow),
    ("label", "wide.csv", "{path} needs a column id and a column label (or diagnosis); it has: c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, c18, c19 and 4,980 more."),
    ("ingest", "wide.csv", "{path}: 5,031 faults, so nothing was taken in. The file and its reasons are in data/cancer/rejected/ ("),
    ("label", "field.csv", "{path}, line 2: a field of more than 16,777,216 characters. Is a quote opened and never closed?"),
    ("ingest", "field.csv", "{path}, line 2: a field of more than 16,777,216 characters. Is a quote opened and never closed?"),
    ("label", "latin.csv", "{path}, line 2: not UTF-8 (byte 0xe9). Save the file as UTF-8."),
    ("label", "nul.csv", "{path}, line 2: has a NUL byte. Is it a CSV file, in UTF-8?"),
    ("label", "quote.csv", "{path}, line 2: a quote that is opened and never closed."),
])
def test_a_file_that_does_not_fit_is_refused_in_a_line_of_bearable_length(trained, files_of, script, name, words):
    before = unchanged(trained.root)
    done = trained.run(script, code=2, CSV=files_of / name)
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"{script}: {words.format(path=files_of / name)}") and len(last) < 1000
    assert len(done.stderr.splitlines()) <= 42
    assert unchanged(trained.root) == before


def test_five_thousand_columns_are_a_table_like_any_other(project, files_of):
    done = project.run("new", code=2, MODEL="wide", CSV=files_of / "wide.csv", TARGET="nowhere")
    assert done.stderr == f"new: TARGET=nowhere is not a column of {files_of / 'wide.csv'}. It has: {', '.join(f'c{i}' for i in range(20))} and 4,980 more.\n"
    assert not (project.root / "models/wide").exists()


def test_a_file_that_can_not_be_read_is_refused(trained, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (tmp_path / "secret.csv").write_text("id\n")
    (tmp_path / "secret.csv").chmod(0)
    for script in ("predict", "label", "ingest"):
        assert trained.run(script, code=2, CSV=tmp_path / "secret.csv").stderr.splitlines()[-1] == f"{script}: {tmp_path / 'secret.csv'} can't be read: permission denied."


@pytest.mark.quick
def test_a_loop_of_links_is_one_line(trained, files_of):
    done = trained.run("predict", code=1, CSV=files_of / "loop.csv")
    assert done.stderr == f"predict: Too many levels of symbolic links: {files_of / 'loop.csv'}. Nothing was taken in halfway; put it right and type the command again.\n"


# the model at rest

@pytest.mark.parametrize("name, damage, words", [
    ("model.joblib", lambda path: os.truncate(path, 100), "is not what the tag cancer/v1 says: it was changed or damaged. "),
    pytest.param("model.joblib", lambda path: os.truncate(path, 0), "is not what the tag cancer/v1 says: it was changed or damaged. ", marks=pytest.mark.slow),
    pytest.param("model.joblib", lambda path: path.unlink(), "can't be read (No such file or directory). ", marks=pytest.mark.slow),
    pytest.param("model.joblib", lambda path: (path.unlink(), path.mkdir()), "can't be read (Is a directory). ", marks=pytest.mark.slow),
    ("model.joblib", lambda path: path.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"), "is a Git LFS pointer, not the file. "),
    pytest.param("model.toml", lambda path: path.write_text("task = 1"), "is not what the tag cancer/v1 says: it was changed or damaged. ", marks=pytest.mark.slow),
    ("manifest.json", lambda path: path.write_text("{"), "is not what the tag cancer/v1 says: it was changed. "),
])
def test_a_version_that_is_not_whole_is_not_used(trained, name, damage, words):
    path = trained.root / "models/cancer/v1" / name
    damage(path)
    before = unchanged(trained.root)
    assert trained.run("predict", code=3, CSV=SOURCE).stderr == f"predict: {path} {words}{BACK}\n"
    assert unchanged(trained.root) == before


@pytest.mark.quick
def test_a_baseline_that_is_no_json_is_not_deployed_and_named(trained):
    path = trained.root / "models/cancer/v2/baseline.json"
    path.write_text("not JSON")
    before = unchanged(trained.root)
    assert trained.run("deploy", code=3).stderr == f"deploy: {path} is not what the tag cancer/v2 says: it was changed or damaged. Bring it back with: make restore MODEL=cancer\n"
    assert unchanged(trained.root) == before
    subprocess.run("rm -r models/cancer/v2", shell=True, cwd=trained.root, check=True)
    trained.run("restore", MODEL="cancer")
    trained.run("deploy")


@pytest.fixture
def elsewhere(trained, tmp_path) -> dict:
    """The environment of a machine with another scikit-learn, as far as it says."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text("import importlib.abc, sys\n\n"
        "class Later(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'lib.loading':\n"
        "            import sklearn\n"
        "            sklearn.__version__ = '9.9.9'\n\n"
        "sys.meta_path.insert(0, Later())\n")
    (tmp_path / "site/scikit_learn-9.9.9.dist-info").mkdir()
    return {"PYTHONPATH": tmp_path / "site"}


def test_a_model_of_another_scikit_learn_is_refused_with_both_versions_named_or_allowed(trained, elsewhere):
    made = json.loads((trained.root / "models/cancer/v1/environment.json").read_bytes())["scikit_learn"]
    before = unchanged(trained.root)
    words = (f"was made with scikit-learn {made}, and this is 9.9.9. Train again, or go back to that version's requirements; "
             "or allow it in models/cancer/model.toml: [deploy] other_environment = true\n")
    assert trained.run("predict", code=2, CSV=SOURCE, **elsewhere).stderr == f"predict: cancer v1 {words}"
    assert trained.run("deploy", code=3, **elsewhere).stderr == f"deploy: cancer v2 {words}"
    assert unchanged(trained.root) == before
    with open(trained.root / "models/cancer/model.toml", "a") as file:
        file.write("\n[deploy]\nother_environment = true\n")
    warning = f"was made with scikit-learn {made}, and this is 9.9.9; [deploy] other_environment = true allows it.\n"
    assert trained.run("predict", CSV=SOURCE, **elsewhere).stderr == f"warning: cancer v1 {warning}"
    assert trained.run("deploy", **elsewhere).stderr == f"warning: cancer v2 {warning}"


@pytest.mark.slow
def test_train_again_is_possible_where_the_live_model_does_not_load_any_more(trained, elsewhere):
    done = trained.run("train", FORCE=1, **elsewhere)
    assert "not compared: cancer v1 was made with scikit-learn" in done.stdout and "cancer: v3 registered" in done.stdout


# metrics.db

def no_database(path):
    path.write_text("hello world, this is no database at all\n" * 100)


def half_a_database(path):
    os.truncate(path, 5000)


def of_the_future(path):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def a_folder(path):
    path.unlink()
    path.mkdir()


CURE = "Bring it back from a backup, or move it away (mv metrics.db metrics.db.broken): versions and deployments are rebuilt from the tags."


@pytest.mark.parametrize("damage, words", [
    (no_database, f"is not a sound SQLite database (file is not a database). {CURE}"),
    (half_a_database, f"is not a sound SQLite database (database disk image is malformed). {CURE}"),
    (of_the_future, f"was made by a newer version of these scripts (schema 99, known here {len(MIGRATIONS)}). Update the scripts: git pull"),
    (a_folder, "is a folder, not a database. Move it away: versions and deployments are rebuilt from the tags."),
], ids=lambda value: getattr(value, "__name__", ""))
@pytest.mark.quick
def test_a_metrics_db_that_is_none_stops_every_command_in_one_line(trained, damage, words):
    path = trained.root / "metrics.db"
    damage(path)
    before, content = unchanged(trained.root), path.read_bytes() if path.is_file() else None
    for script, options in (("deploy", {}), ("predict", {"CSV": SOURCE}), ("train", {"FORCE": "1"}), ("status", {}), ("verify", {})):
        done = trained.run(script, code=2, **options)
        assert done.stderr.startswith(f"{script}: ") and done.stderr.endswith(f"metrics.db {words}\n") and done.stderr.count("\n") == 1
    assert unchanged(trained.root) == before and (content is None or path.read_bytes() == content)
    path.rename(trained.root / "metrics.db.broken")
    done = trained.run("deploy")
    assert done.stderr == "deploy: cancer: metrics.db did not have cancer/deploy-1, cancer/v1, cancer/v2; added from the tags\n"
    assert trained.sql("SELECT version FROM production") == [(2,)]


def test_pages_of_metrics_db_that_were_overwritten_are_no_traceback(trained):
    path = trained.root / "metrics.db"
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096:page * 4096 + 100] = b"\xff" * 100
    path.write_bytes(content)
    for script, options in (("status", {}), ("history", {}), ("deploy", {}), ("verify", {}), ("predict", {"CSV": SOURCE})):
        done = subprocess.run([sys.executable, f"scripts/{script}.py"], cwd=trained.root, env={**trained.env, "MODEL": "cancer", **options}, capture_output=True, text=True)
        assert "Traceback" not in done.stderr and (done.returncode in (2, 3) or script == "history"), done.stderr


def test_a_metrics_db_that_can_not_be_written_keeps_readers_reading_and_others_out(trained):
    if subprocess.run(["chattr", "+i", "metrics.db"], cwd=trained.root, capture_output=True).returncode:
        pytest.skip("this file system can't make a file immutable")
    try:
        before = unchanged(trained.root)
        assert "cancer    v1" in trained.run("status").stdout
        done = trained.run("deploy", code=1)
        assert done.stderr.startswith("deploy: ") and "metrics.db can't be written (" in done.stderr and done.stderr.endswith("). Check who owns it and its folder.\n")
        assert unchanged(trained.root) == before
    finally:
        subprocess.run(["chattr", "-i", "metrics.db"], cwd=trained.root, check=True)
    trained.run("deploy")


@pytest.mark.slow
def test_a_shell_that_locks_metrics_db_for_a_minute_stops_a_deployment_and_nothing_is_half_done(trained):
    connection = sqlite3.connect(trained.root / "metrics.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    before, began = unchanged(trained.root), time.monotonic()
    done = trained.run("deploy", code=1)
    assert 25 < time.monotonic() - began < 60
    assert done.stderr.endswith("metrics.db was locked by another program for 30 seconds. Close the sqlite3 shell that has a transaction open.\n") and done.stderr.count("\n") == 1
    assert unchanged(trained.root) == before
    process = trained.start("deploy")
    time.sleep(5)
    connection.execute("ROLLBACK")
    connection.close()
    assert process.wait(30) == 0


def test_a_lock_that_is_let_go_of_in_time_is_waited_for(trained):
    connection = sqlite3.connect(trained.root / "metrics.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    process = trained.start("deploy")
    time.sleep(1.5)
    assert process.poll() is None
    connection.execute("ROLLBACK")
    connection.close()
    assert process.wait(30) == 0 and trained.sql("SELECT version FROM production") == [(2,)]


def test_a_prediction_heals_a_lost_metrics_db_too_and_says_so(trained):
    """The live version is on record again, so that its predictions are of something."""
    (trained.root / "metrics.db").unlink()
    done = trained.run("predict", CSV=SOURCE)
    assert done.stderr == "predict: cancer: metrics.db did not have cancer/deploy-1, cancer/v1, cancer/v2; added from the tags\n"
    assert trained.sql("SELECT version FROM production") == [(1,)] and trained.sql("SELECT rows FROM batches") == [(569,)]


# model.toml

@pytest.mark.parametrize("old, new, words", [
    ("seed = 0", "sede = 0", "unknown key `train.sede`. Did you mean `seed`?"),
    ("seed = 0", 'seed = "zero"', '`train.seed` must be a whole number, not "zero".'),
    ("seed = 0", "seed = -1", "`train.seed` must be from 0 to 4294967295, not -1."),
    ("holdout = 0.2", "holdout = 20", "`train.holdout` must be from 0.01 to 0.9, not 20."),
    ("seed = 0", "seed = ", "not valid TOML: Invalid value"),
    pytest.param("[train]", "[deploy]\naproval = \"signed\"\n\n[train]", "unknown key `deploy.aproval`. Did you mean `approval`?", marks=pytest.mark.quick),
    ("[train]", "[deploy]\napproval = true\n\n[train]", "`deploy.approval` must be a text in quotes, not true."),
    ("[train]", "[deploy]\napproval = \"singed\"\n\n[train]", "`deploy.approval` is 'singed'; it can be none, signed. Did you mean 'signed'?"),
    ("[train]", "[deploy]\nother_environment = \"yes\"\n\n[train]", '`deploy.other_environment` must be true or false, not "yes".'),
])
def test_a_mistake_in_model_toml_is_named_with_what_was_meant(trained, old, new, words):
    edit(trained, old, new)
    before = unchanged(trained.root)
    for script in ("train", "deploy", "retrain"):
        last = trained.run(script, code=2, MODEL="cancer").stderr.splitlines()[-1]
        assert last.startswith(f"{script}: {trained.root}/models/cancer/model.toml: {words}")
    assert unchanged(trained.root) == before


def test_what_is_live_scores_on_while_model_toml_is_broken(trained):
    edit(trained, "seed = 0", "seed = ")
    trained.run("predict", MODEL="cancer", CSV=SOURCE)


# the clock

@pytest.mark.parametrize("told", ["yesterday", "2026-13-01", "99999-01-01", "now"])
@pytest.mark.quick
def test_a_time_that_is_none_is_one_line(trained, told):
    before = unchanged(trained.root)
    assert trained.run("deploy", code=2, LEAN_NOW=told).stderr == f"deploy: LEAN_NOW={told!r} in the environment is not a time, such as 2026-05-01T13:30:00+00:00.\n"
    assert unchanged(trained.root) == before
