"""Files that are whole or not there, links that switch at once, one lock a model."""
import errno
import json
import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lib import files
from lib.errors import Busy, UserError
from lib.files import ModelPaths

SCRIPTS = Path(files.__file__).resolve().parents[1]


@pytest.mark.parametrize("name", ["churn", "a", "0", "a-b_c", "x" * 64, "9lives"])
def test_a_models_files_lie_below_the_root(name):
    paths = ModelPaths(Path("/r"), name)
    assert (paths.config, paths.production, paths.version(3)) == (Path(f"/r/models/{name}/model.toml"), Path(f"/r/models/{name}/production"), Path(f"/r/models/{name}/v3"))
    assert (paths.train, paths.rejected, paths.audit) == (Path(f"/r/data/{name}/train"), Path(f"/r/data/{name}/rejected"), Path(f"/r/models/{name}/audit.jsonl"))


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".", "..", "A", "-x", "_x", "x" * 65, "x; touch pwned", "$(touch pwned)", "x\n", "é", "a b", "x\0", "a.b"])
def test_no_other_name_can_be_a_models(name):
    with pytest.raises(UserError) as error:
        ModelPaths(Path("/r"), name)
    assert str(error.value) == f"{name!r} can't be a model's name. Use up to 64 of a-z, 0-9, - and _, starting with a letter or digit."


# replacing

@pytest.mark.parametrize("mode, content", [("w", "x\r\né\n"), ("wb", b"\0\r\n")])
def test_a_replaced_file_has_exactly_what_was_written(tmp_path, mode, content):
    path = tmp_path / "f"
    path.write_text("old")
    with files.replacing(path, mode) as file:
        file.write(content)
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert os.listdir(tmp_path) == ["f"]


def test_until_the_end_a_reader_sees_the_old_content(tmp_path):
    path = tmp_path / "f"
    path.write_text("old")
    with files.replacing(path) as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError("x"), OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), SystemExit(1)], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("existing", [True, False])
def test_an_error_while_replacing_leaves_the_old_file_and_nothing_else(tmp_path, error, existing):
    path = tmp_path / "f"
    if existing:
        path.write_text("old")
    with pytest.raises(type(error)):
        with files.replacing(path) as file:
            file.write("half")
            raise error
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == ([("f", "old")] if existing else [])


def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.write(tmp_path / "no/f", b"x")


def test_sweeping_removes_temporaries_and_nothing_else(tmp_path):
    for name in (".f.12.tmp", ".rows.csv.1.0.tmp", "f.tmp", ".hidden", "0001.csv"):
        (tmp_path / name).touch()
    files.sweep_temporaries(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".hidden", "0001.csv", "f.tmp"]


# append

@pytest.mark.parametrize("before, after", [
    (None, b"new\n"), (b"", b"new\n"), (b"one\n", b"one\nnew\n"), (b"one\ntor", b"one\nnew\n"), (b"torn", b"new\n"), (b"one\n\n", b"one\n\nnew\n"), (b"one\r\ntor", b"one\r\nnew\n"),
    (b"one\n" + b"x" * (files.CHUNK - 1), b"one\nnew\n"), (b"one\n" + b"x" * (2 * files.CHUNK + 5), b"one\nnew\n"), (b"x" * (files.CHUNK + 1), b"new\n"),
])
def test_appending_first_cuts_off_a_torn_last_line(tmp_path, before, after):
    path = tmp_path / "log"
    if before is not None:
        path.write_bytes(before)
    files.append(path, b"new\n")
    assert path.read_bytes() == after


def test_appending_with_a_full_disk_leaves_the_whole_lines_that_were_there(tmp_path, monkeypatch):
    path = tmp_path / "log"
    path.write_bytes(b"one\ntor")
    real, calls = os.pwrite, []

    def full(descriptor, data, offset):
        calls.append(offset)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data[:3], offset)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        files.append(path, b"two\nthree\n")
    assert calls == [4, 7]
    assert path.read_bytes() == b"one\n"


def test_a_short_write_is_gone_on_with(tmp_path, monkeypatch):
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: real(descriptor, data[:2], offset))
    files.append(tmp_path / "log", b"two\nthree\n")
    assert (tmp_path / "log").read_bytes() == b"two\nthree\n"


# links and folders

def test_point_switches_a_link_and_leaves_nothing_beside_it(tmp_path):
    link = tmp_path / "production"
    for target in ("v1", "v2", "v1"):
        files.point(link, target)
        assert os.readlink(link) == target
    assert os.listdir(tmp_path) == ["production"]


def test_point_goes_on_where_it_was_killed(tmp_path):
    os.symlink("v9", tmp_path / f".production.{os.getpid()}.tmp")
    files.point(tmp_path / "production", "v1")
    assert os.readlink(tmp_path / "production") == "v1" and os.listdir(tmp_path) == ["production"]


def test_a_reader_always_finds_a_target_while_the_link_is_switched(tmp_path):
    for name in ("v1", "v2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "is").write_text(name)
    link, stop, seen, failed = tmp_path / "production", threading.Event(), set(), []
    files.point(link, "v1")

    def read():
        while not stop.is_set():
            try:
                seen.add((link / "is").read_text())
            except OSError as error:
                failed.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        files.point(link, "v2")
        files.point(link, "v1")
    stop.set()
    reader.join()
    assert not failed and seen == {"v1", "v2"}


def test_a_published_folder_has_its_name_and_all_its_files(tmp_path):
    staged = tmp_path / ".staged-v1"
    staged.mkdir()
    (staged / "a").write_text("1")
    (staged / "b").write_text("2")
    files.publish_folder(staged, tmp_path / "v1")
    assert {path.name: path.read_text() for path in (tmp_path / "v1").iterdir()} == {"a": "1", "b": "2"} and os.listdir(tmp_path) == ["v1"]


def test_publishing_never_replaces_a_folder_with_files(tmp_path):
    for name in (".staged", "v1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text(name)
    with pytest.raises(OSError):
        files.publish_folder(tmp_path / ".staged", tmp_path / "v1")
    assert (tmp_path / "v1/f").read_text() == "v1"


def test_removing_a_link_to_a_folder_removes_the_link_only(tmp_path):
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1/f").touch()
    os.symlink("v1", tmp_path / "link")
    files.remove_folder(tmp_path / "link")
    files.remove_folder(tmp_path / "nothing there")
    assert os.listdir(tmp_path) == ["v1"] and os.listdir(tmp_path / "v1") == ["f"]
    files.remove_folder(tmp_path / "v1")
    assert os.listdir(tmp_path) == []


# hashes

def test_sha256_is_of_the_whole_file(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    assert files.sha256(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("a, b, same", [({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}, True), ({"a": 1}, {"a": 2}, False), ({"a": [1, 2]}, {"a": [2, 1]}, False), ({"é": "ü"}, {"é": "ü"}, True)])
def test_the_hash_of_a_value_does_not_depend_on_the_order_of_its_keys(a, b, same):
    assert (files.sha256_json(a) == files.sha256_json(b)) is same


def test_canonical_json_is_one_line_that_reads_back():
    value = {"z": [1, 2.5, None, True], "a": "é\n"}
    assert files.canonical_json(value) == '{"a":"é\\n","z":[1,2.5,null,true]}'.encode() and json.loads(files.canonical_json(value)) == value


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_json_has_no_word_for_what_is_no_number(value):
    with pytest.raises(ValueError):
        files.canonical_json({"a": value})


# the lock

HOLD = "import sys, time; sys.path.insert(0, sys.argv[1])\nfrom pathlib import Path; from lib import files\nwith files.lock(Path(sys.argv[2]), 'train by ada', 0):\n print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock until its stdin is closed."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(SCRIPTS), str(tmp_path / "m/.lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        stream.close()


def test_a_held_lock_raises_busy_with_its_holder_named(tmp_path, holder):
    with pytest.raises(Busy) as error:
        with files.lock(tmp_path / "m/.lock", "deploy by bob", 0):
            pytest.fail("two hold one lock")
    words = str(error.value)
    assert words.startswith(f"train by ada (pid {holder.pid}, since ") and words.endswith(") is at work on this model. Try again when it is done.")
    assert error.value.code == 1


def test_waiting_is_told_once_and_ends_when_the_lock_is_free(tmp_path, holder, capsys):
    threading.Timer(0.3, holder.stdin.close).start()
    with files.lock(tmp_path / "m/.lock", "deploy by bob", 10):
        assert (tmp_path / "m/.lock").read_text().startswith(f"deploy by bob (pid {os.getpid()}, since ")
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1 and told[0].startswith(f"waiting for train by ada (pid {holder.pid}, since ")


def test_the_lock_of_a_killed_holder_is_free_at_once(tmp_path, holder):
    holder.kill()
    holder.wait()
    with files.lock(tmp_path / "m/.lock", "deploy by bob", 0):
        pass


def test_who_waits_in_vain_is_told_what_for(tmp_path, holder):
    with pytest.raises(Busy, match=r" is at work on your crontab\. Try again when it is done\.\Z"):
        with files.lock(tmp_path / "m/.lock", "another make cron", 0, "your crontab"):
            pass


def test_a_lock_is_free_again_after_an_error_and_names_nobody(tmp_path):
    path = tmp_path / "m/.lock"
    with pytest.raises(ValueError):
        with files.lock(path, "train by ada", 0):
            raise ValueError
    with files.lock(path, "train by ada", 0):
        pass
    assert path.read_text() == ""


def test_two_locks_in_one_process_exclude_each_other_too(tmp_path):
    with files.lock(tmp_path / ".lock", "train by ada", 0):
        with pytest.raises(Busy, match="train by ada"):
            with files.lock(tmp_path / ".lock", "deploy by bob", 0):
                pass
