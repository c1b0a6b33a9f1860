"""Long commands say how far they are, and Ctrl-C ends any of them with one line, exit code 130 and what was finished."""
import inspect
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from conftest import edit
from lib import csvfile, db, progress

pytestmark = pytest.mark.slow  # but for the tests marked quick


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(progress, "FIRST", 0.05)
    monkeypatch.setattr(progress, "LOG_EVERY", 0.05)


@pytest.mark.quick
def test_what_is_over_soon_is_silent(capsys):
    with progress.Progress("scoring", 10, "rows") as shown:
        shown.at(5)
    assert capsys.readouterr().err == "" and threading.active_count() == 1


def test_a_log_gets_lines_also_while_one_step_takes_long(quick, capsys):
    with progress.Progress("scoring", 100, "rows") as shown:
        shown.at(50, "best so far")
        time.sleep(0.3)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 3 and re.fullmatch(r"scoring: 50 of 100 rows, about \d+ s left, best so far", lines[0])


@pytest.mark.quick
def test_a_terminal_gets_one_line_redrawn_and_cleared():
    code = ("import sys, time; sys.path.insert(0, 'scripts'); from lib import progress; progress.FIRST = progress.TERMINAL_EVERY = 0.05\n"
            "with progress.Progress('scoring', 100, 'rows') as shown: shown.at(50); time.sleep(0.4)")
    reader, writer = pty.openpty()
    subprocess.run([sys.executable, "-c", code], stderr=writer, cwd=os.path.dirname(os.path.dirname(progress.__file__)) + "/..", check=True)
    os.close(writer)
    text = os.read(reader, 65536).decode()
    assert "\n" not in text and text.count("\r\033[K[##########..........] scoring: 50 of 100 rows") >= 2 and text.endswith("\r\033[K")


@pytest.mark.parametrize("arguments, words", [(("a", 0, None, "", 3.2), "a: 3 s"), (("a", 5, None, "rows", 3), "a: 5 rows in 3 s"), (("a", 1, 100, "rows", 3), "a: 1 of 100 rows"),
                                              (("a", 50, 100, "rows", 30), "a: 50 of 100 rows, about 30 s left"), (("a", 50, 100, "rows", 30, True), "a: 50 of about 100 rows, about 30 s left"),
                                              (("a", 120, 100, "rows", 30, True), "a: 120 rows in 30 s")])
@pytest.mark.quick
def test_progress_in_words(arguments, words):
    assert progress.describe(*arguments) == words


@pytest.mark.quick
def test_rows_are_estimated_from_the_first_ones(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n" + "".join(f"{i:09d},{i % 7}\n" for i in range(200_000)))
    assert csvfile.estimated_rows(path) == pytest.approx(200_000, rel=0.01)
    path.write_text("a,b\n1,2\n")
    assert csvfile.estimated_rows(path) == 1


def start(project, *command: str, **env) -> subprocess.Popen:
    return subprocess.Popen(command, cwd=project.root, env={**project.env, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def interrupt(process: subprocess.Popen, whole_group: bool) -> tuple[str, str]:
    """Ctrl-C reaches every process of the terminal; a supervisor's signal one of them."""
    os.killpg(process.pid, signal.SIGINT) if whole_group else process.send_signal(signal.SIGINT)
    return process.communicate(timeout=300)


def folds_kept(project) -> int:
    try:
        return project.sql("SELECT count(*) FROM trials")[0][0]
    except sqlite3.OperationalError:  # not there yet, or being written
        return 0


def until(condition, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


ENDED = "interrupted. What was finished is kept; type the command again to go on."


@pytest.mark.quick
def test_ctrl_c_in_a_search_through_make_keeps_the_finished_folds(project):
    edit(project, "trials = 10", "trials = 500", "diabetes")
    process = start(project, "make", "train", "MODEL=diabetes")
    until(lambda: folds_kept(project) >= 3)
    out, err = interrupt(process, whole_group=True)
    lines = [line for line in err.splitlines() if not line.startswith(("search:", "make:"))]
    assert lines == [f"train: {ENDED}"], err
    assert process.returncode in (-signal.SIGINT, 130, 2)  # make's own end
    assert folds_kept(project) >= 3 and project.sql("SELECT status, exit_code FROM runs WHERE script = 'train'") == [("interrupted", 130)]


@pytest.mark.parametrize("whole_group", [True, False])
def test_ctrl_c_while_git_is_at_work_leaves_no_half_version(trained, whole_group):
    folder = trained.root.parent / "slow"
    folder.mkdir()
    (folder / "git").write_text(f'#!/bin/sh\ncase "$*" in *commit-tree*) touch {folder}/there; sleep 2;; esac\nexec {subprocess.check_output(["which", "git"], text=True).strip()} "$@"\n')
    (folder / "git").chmod(0o755)
    edit(trained, "C = 0.5", "C = 0.2")
    process = start(trained, sys.executable, "scripts/train.py", PATH=f"{folder}:{os.environ['PATH']}")
    until(lambda: (folder / "there").exists())
    _, err = interrupt(process, whole_group)
    assert (process.returncode, err) == (130, f"train: {ENDED}\n")
    assert trained.git("tag", "-l", "cancer/v3") == ""
    assert "v3 registered" in trained.run("train").stdout
    assert trained.git("status", "--porcelain") == " M models/cancer/model.toml\n"


@pytest.mark.quick
def test_ctrl_c_while_a_script_is_being_loaded_is_one_line_too(project):
    """Its imports take some 80 ms: `lib` is loaded first, and stops there until the signal is in."""
    package = project.root / "scripts/lib/terminal.py"
    package.write_text("import signal, os\nos.kill(os.getpid(), signal.SIGINT)\nimport time\ntime.sleep(5)\n")
    done = subprocess.run([sys.executable, "scripts/status.py"], cwd=project.root, env=project.env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "status: interrupted before it began.\n")


def test_an_error_while_loading_keeps_its_traceback(project):
    (project.root / "scripts/lib/terminal.py").write_text("1 / 0\n")
    done = subprocess.run([sys.executable, "scripts/status.py"], cwd=project.root, env=project.env, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" in done.stderr and "ZeroDivisionError" in done.stderr


@pytest.mark.quick
@pytest.mark.parametrize("line", ["BEGIN IMMEDIATE", "yield connection", "COMMIT"])
def test_ctrl_c_between_any_two_lines_leaves_no_transaction_open(tmp_path, line):
    """Else what is written afterwards, the end of the run first of all, is lost with it."""
    connection = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    connection.execute("CREATE TABLE rows (n)")
    source, first = inspect.getsourcelines(db.transaction)
    number = first + max(place for place, text in enumerate(source) if line in text and '"""' not in text)

    def trace(frame, event, _):
        if event == "line" and frame.f_code.co_name == "transaction" and frame.f_lineno == number:
            raise KeyboardInterrupt
        return trace
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with pytest.raises(KeyboardInterrupt), db.transaction(connection):
            connection.execute("INSERT INTO rows VALUES (1)")
    finally:
        sys.settrace(before)
    assert not connection.in_transaction
    assert connection.execute("SELECT count(*) FROM rows").fetchone() == (0,)


@pytest.mark.quick
def test_the_end_of_a_run_is_on_record_whatever_was_left_open(project):
    (project.root / "scripts/probe.py").write_text('"""A probe."""\nimport sys\n\nfrom lib import runs\n\n\ndef work(run):\n    run.record()\n    run.db.execute("BEGIN IMMEDIATE")\n    raise KeyboardInterrupt\n\n\nsys.exit(runs.execute(__doc__, (), work))\n')
    done = subprocess.run([sys.executable, "scripts/probe.py"], cwd=project.root, env=project.env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, f"probe: {ENDED}\n")
    assert project.sql("SELECT status, exit_code FROM runs WHERE script = 'probe'") == [("interrupted", 130)]
