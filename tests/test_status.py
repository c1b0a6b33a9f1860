"""make status: a line a model, from metrics.db alone, quickly; JSON for scripts; nothing made up."""
import json
import os
import pty
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
from datetime import datetime, timedelta

import pytest

from lib import overview

NOW = "2026-11-23T09:00:00+00:00"
CRONTAB = """#!/bin/sh
# Stands in for the user's own table, which tests must not touch.
[ "$1" = -l ] || exit 9
cat {table} 2>/dev/null || {{ echo "no crontab for ada" >&2; exit 1; }}
"""
DRIFT = """
CREATE TABLE seen (model TEXT, version INTEGER, time TEXT, "column" TEXT, verdict TEXT, words TEXT);
DROP VIEW IF EXISTS drift_latest;
CREATE VIEW drift_latest AS SELECT * FROM seen;
"""


@pytest.fixture
def bare(trained):
    """The trained project with a crontab of its own; calls give PATH the fake."""
    folder = trained.root.parent / "bin"
    folder.mkdir()
    (folder / "crontab").write_text(CRONTAB.format(table=folder / "table"))
    (folder / "crontab").chmod(0o755)
    return trained


def status(project, code: int = 0, **options) -> str:
    return project.run("status", code, PATH=f"{project.root.parent / 'bin'}:{os.environ['PATH']}", LEAN_NOW=NOW, **options).stdout


def fields(text: str) -> dict[str, str]:
    """The first model's line by the titles above it."""
    titles, first = text.splitlines()[:2]
    starts = [match.start() for match in re.finditer(r"(?<=  )\S|^\S", titles)]
    return {titles[begin:end].strip(): first[begin:end].strip() for begin, end in zip(starts, [*starts[1:], None])}


def install(project, line: str = "7 * * * *") -> None:
    root = project.root
    (root.parent / "bin/table").write_text(f"0 1 * * * backup\n# >>> lean mlops: {root} >>>\nSHELL=/bin/sh\n# 1 1 1 1 1 sh in-cron.sh retrain 2h\n"
                                           f"{line} sh '{root}'/scripts/in-cron.sh retrain 2h\n# <<< lean mlops: {root} <<<\n")


def change(project, statement: str, *values) -> None:
    connection = sqlite3.connect(project.root / "metrics.db")
    with connection:
        connection.execute(statement, values)
    connection.close()


def checked(project, time: str = "2026-11-23T07:07:00Z", verdict: str = "healthy", version: int = 1, metric: str = "accuracy", evidence: float | None = None) -> None:
    run, = project.sql("SELECT max(id) FROM runs")[0]
    change(project, "INSERT INTO checks (run_id, model, version, time, rule, metric, value, low, high, labels, matured, verdict, evidence) VALUES (?, 'cancer', ?, ?, 'sequential', ?, 0.96, 0.94, 0.97, 1234, 2000, ?, ?)",
           run, version, time, metric, verdict, evidence)


def test_a_line_says_all_of_a_model_in_a_hundred_columns(bare):
    checked(bare)
    text = status(bare)
    assert fields(text) | {"since": ""} == {"model": "cancer", "live": "v1", "since": "", "holdout": "accuracy 0.973", "live metric, 95 %": "0.960 0.940–0.970", "labels": "1,234", "drift": "never",
                                            "last check": "healthy 1h", "next": "none", "alerts": "none"}
    assert max(map(len, text.splitlines()[:2])) <= 100
    assert text.splitlines()[2].split() == "diabetes no version yet next: make train MODEL=diabetes".split()


def test_the_next_job_is_what_the_installed_crontab_will_start(bare):
    daemon = bare.root.parent / "bin/cron"  # by its name a cron daemon
    shutil.copy("/bin/sleep", daemon)
    process = subprocess.Popen([daemon, "60"])
    try:
        assert fields(status(bare, TZ="UTC"))["next"] == "none"
        install(bare)
        assert fields(status(bare, TZ="UTC"))["next"] == "09:07"
        found = json.loads(status(bare, JSON=1))
        assert found["models"][0]["next"] == {"job": "check", "time": "2026-11-23T09:07:00Z"} and found["jobs"] == [{"job": "retrain", "time": "2026-11-23T09:07:00Z"}]
        assert "times are UTC, now 09:00; by cron retrain 09:07" in status(bare, TZ="UTC")
        install(bare, "30 3 * * *")
        assert fields(status(bare, TZ="UTC"))["next"] == "Nov 24"
        install(bare)
        checked(bare, verdict="dropped")
        assert fields(status(bare, TZ="UTC"))["next"] == "retrain 09:07"
        run, = bare.sql("SELECT max(id) FROM runs")[0]
        change(bare, "INSERT INTO retrains (run_id, model, time, reason, outcome, detail) VALUES (?, 'cancer', '2026-11-23T07:30:00Z', 'dropped', 'refused', 'x')", run)
        assert fields(status(bare, TZ="UTC"))["next"] == "retrain 14:07"  # the cooldown of six hours ends at 13:30
    finally:
        process.kill()
        process.wait()


def test_a_retraining_by_the_calendar_is_announced(bare):
    daemon = bare.root.parent / "bin/cron"
    shutil.copy("/bin/sleep", daemon)
    process = subprocess.Popen([daemon, "60"])
    try:
        install(bare)
        config, later = bare.root / "models/cancer/model.toml", {"JSON": 1, "PATH": f"{daemon.parent}:{os.environ['PATH']}", "LEAN_NOW": "2030-01-01T00:00:00+00:00"}
        plain = config.read_text()
        for text, job in (('retrain = {every = "7d"}\n' + plain, "retrain"), ('description = "x"\nretrain.every = "7d"\n' + plain.partition("\n")[2], "retrain"),
                          (plain + '\n[retrain]\nevery = "7d"\nmax_per_week = 0\n', "check")):
            config.write_text(text)
            assert json.loads(bare.run("status", **later).stdout)["models"][0]["next"]["job"] == job
        for text in ('description = """A text. We\nretrain. this every month"""\n' + plain.partition("\n")[2], plain + '\n[retrain]\nevery = "x"\n', 'retrain = {cooldown = "x"}\n' + plain):
            config.write_text(text)  # of several lines, one of which only looks like a key; and what every command that needs it refuses
            assert json.loads(bare.run("status", **later).stdout)["models"][0]["next"]["job"] == "check"
        config.write_text(plain + '\n[retrain]\nwindows = [\n  "all",\n]\nevery = "7d"\n')
        assert fields(status(bare, TZ="UTC"))["next"] == "09:07"
        assert json.loads(bare.run("status", **later).stdout)["models"][0]["next"]["job"] == "retrain"
        soon = (datetime.fromisoformat(bare.sql("SELECT max(created) FROM versions WHERE model = 'cancer'")[0][0]) + timedelta(days=2)).isoformat()
        for evidence, job in ((19.0, "check"), (25.0, "retrain")):
            checked(bare, verdict="healthy", evidence=evidence)
            assert json.loads(bare.run("status", JSON=1, PATH=f"{daemon.parent}:{os.environ['PATH']}", LEAN_NOW=soon).stdout)["models"][0]["next"]["job"] == job
    finally:
        process.kill()
        process.wait()


def test_without_cron_it_says_so_and_what_to_type(bare):
    text = status(bare)
    assert "cron does not run this project's jobs on this machine. next: make cron" in text
    assert json.loads(status(bare, JSON=1))["jobs"] == []


def test_json_has_the_documented_keys_and_null_for_what_is_not_known(bare):
    found = json.loads(status(bare, JSON=1))
    assert list(found) == ["time", "jobs", "alerts", "models"] and found["alerts"] == [] and found["time"] == "2026-11-23T09:00:00Z"
    cancer, diabetes = found["models"]
    assert list(cancer) == list(diabetes) == ["model", "version", "since", "newest", "holdout", "live", "drift", "check", "next", "alerts", "note", "type"]
    assert cancer["version"] == 1 and cancer["newest"] == 2 and cancer["holdout"]["metric"] == "accuracy" and cancer["live"] is None and cancer["check"] is None
    assert diabetes["version"] is None and diabetes["note"] == "no version yet" and diabetes["type"] == "make train MODEL=diabetes"
    checked(bare)
    assert json.loads(status(bare, JSON=1, MODEL="cancer"))["models"][0]["live"] == {"metric": "accuracy", "value": 0.96, "low": 0.94, "high": 0.97, "labels": 1234, "predictions": 2000,
                                                                                            "since": None, "value_labels": None}


def test_a_check_of_the_version_before_says_nothing_about_the_live_one(bare):
    checked(bare, version=2)
    line = status(bare).splitlines()[1]
    assert "no labels yet" in line and "never" in line


def test_a_live_metric_of_another_name_carries_it(bare):
    checked(bare, metric="mae")
    assert "mae 0.960 0.940–0.970" in status(bare)


def test_one_model_shows_its_alerts_its_last_ten_events_and_what_to_type(bare):
    checked(bare, verdict="dropped")
    change(bare, "INSERT INTO alerts (model, kind, text, raised) VALUES ('cancer', 'dropped', 'accuracy 0.9 is too low', '2026-11-23T07:07:00Z')")
    text = status(bare, MODEL="cancer")
    assert "cancer: ALERT dropped since 2026-11-23 07:07: accuracy 0.9 is too low" in text
    assert "last events of cancer:" in text and "v1 went live (the newest)" in text
    assert "next: make retrain MODEL=cancer" in text and "make rollback" not in text  # there is nothing to go back to
    change(bare, "INSERT INTO deployments (model, deployment, version, replaced, action, time, user, host, reason, run_uuid, tag) VALUES ('cancer', 2, 2, 1, 'deploy', '2026-11-23T07:00:00Z', 'ada', 'h', 'x', 'u', 'cancer/deploy-2')")
    change(bare, "INSERT INTO deployments (model, deployment, version, replaced, action, time, user, host, reason, run_uuid, tag) VALUES ('cancer', 3, 1, 2, 'deploy', '2026-11-23T07:01:00Z', 'ada', 'h', 'x', 'u', 'cancer/deploy-3')")
    assert "next: make rollback MODEL=cancer    # back to the version before\n" in status(bare, MODEL="cancer")
    events = json.loads(status(bare, MODEL="cancer", JSON=1))["models"][0]["events"]
    assert 1 < len(events) <= 10 and set(events[0]) == {"time", "user", "trigger", "event", "words"}
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)


def test_drift_is_shown_where_it_was_looked_for_and_unknown_elsewhere(bare):
    assert fields(status(bare))["drift"] == "never"
    connection = sqlite3.connect(bare.root / "metrics.db")
    connection.executescript(DRIFT)
    connection.close()
    assert fields(status(bare))["drift"] == "never"  # the table is there, and empty
    for column, verdict, words in (("a", "ok", None), ("b", "drift", "b moved by half"), ("b", "notice", None), ("c", "ok", None), ("(score)", "ok", None)):
        change(bare, "INSERT INTO seen VALUES ('cancer', 1, '2026-11-23T08:00:00Z', ?, ?, ?)", column, verdict, words)
    assert fields(status(bare))["drift"] == "1 found"
    assert json.loads(status(bare, JSON=1))["models"][0]["drift"] == {"version": 1, "time": "2026-11-23T08:00:00Z", "columns": 3, "found": 1, "quality": False, "worst": "b moved by half"}
    change(bare, "UPDATE seen SET version = 2")
    assert json.loads(status(bare, JSON=1))["models"][0]["drift"] is None  # of another version than the live one


def terminal(project, **env) -> str:
    """What status writes to a terminal of 80 columns."""
    reader, writer = pty.openpty()
    done = subprocess.run([sys.executable, "scripts/status.py"], cwd=project.root, env={**project.env, "COLUMNS": "80", "TERM": "xterm", **env}, stdout=writer, stdin=subprocess.DEVNULL)
    os.close(writer)
    text = b""
    while True:
        try:
            piece = os.read(reader, 65536)
        except OSError:
            break
        if not piece:
            break
        text += piece
    assert done.returncode == 0
    return text.decode()


def test_colour_is_for_terminals_and_those_who_want_it(bare):
    assert "\033[" not in status(bare)
    assert "\033[" in terminal(bare)
    assert "\033[" not in terminal(bare, NO_COLOR="1") and "\033[" not in terminal(bare, TERM="dumb")
    assert "\033[" in terminal(bare, NO_COLOR="")  # https://no-color.org: when present and not empty


def test_on_a_narrow_terminal_columns_are_left_out_by_name(bare):
    checked(bare)
    lines = terminal(bare, NO_COLOR="1").splitlines()
    assert len(lines[1]) <= 80 and "0.960 0.940–0.970" in lines[1]
    assert lines[3].startswith("(left out on this narrow terminal: since")


def many(project, count: int) -> None:
    """That many live models, each with days of checks, beside the two that are there."""
    run, = project.sql("SELECT max(id) FROM runs")[0]
    text = (project.root / "models/cancer/model.toml").read_text() + '\n[retrain]\nevery = "7d"\n'
    connection = sqlite3.connect(project.root / "metrics.db")
    with connection:
        for number in range(count):
            name = f"model-{number}"
            folder = project.root / "models" / name
            (folder / "v1").mkdir(parents=True)
            (folder / "model.toml").write_text(text)
            os.symlink("v1", folder / "production")
            connection.execute("INSERT INTO versions (model, version, run_id, created, tag, sha256, manifest_sha256, estimator, metric, value, greater_is_better, train_rows, holdout_rows, why) "
                               "VALUES (?, 1, ?, '2026-11-20T04:00:00Z', ?, '', '', 'x', 'accuracy', 0.9, 1, 100, 20, 'first')", (name, run, f"{name}/v1"))
            connection.execute("INSERT INTO deployments (model, deployment, version, action, time, user, host, reason, run_uuid, tag) VALUES (?, 1, 1, 'deploy', '2026-11-20T05:00:00Z', 'ada', 'h', 'x', 'u', ?)",
                               (name, f"{name}/deploy-1"))
            connection.executemany("INSERT INTO checks (run_id, model, version, time, rule, metric, value, labels, matured, verdict) VALUES (?, ?, 1, '2026-11-22T05:00:00Z', 'simple', 'accuracy', 0.9, ?, 9, 'healthy')",
                                   [(run, name, labels) for labels in range(20)])
    connection.close()


def test_a_live_version_whose_folder_git_took_away_is_told_and_comes_back(bare):
    live = (bare.root / "models/cancer/production").resolve()
    bare.git("checkout", "-q", f"cancer/{live.name}")
    bare.git("checkout", "-q", "-")
    assert not live.exists() and f"{live.name} is live, and its folder is not here (git checkout takes it along: look at a version with git worktree)    next: make restore MODEL=cancer\n" in status(bare)
    bare.run("restore", MODEL="cancer")
    assert live.exists() and "is not here" not in status(bare)


def test_a_thousand_models_cost_less_than_a_second_and_no_git(bare):
    many(bare, 1000)
    install(bare)
    (bare.root.parent / "bin/git").write_text("#!/bin/sh\necho git was called >&2\nexit 1\n")
    (bare.root.parent / "bin/git").chmod(0o755)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = status(bare).splitlines()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert sum(line.startswith("model-") for line in lines) == 1000
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0  # of the processor: other tests run beside this one


def test_a_mistyped_model_is_answered_with_the_nearest(bare):
    assert "there is no model 'cancre' (no models/cancre/model.toml). Did you mean 'cancer'?" in bare.run("status", 2, MODEL="cancre").stderr


def test_a_terminal_without_the_sign_a_closed_one_and_a_reader_that_goes_are_no_failures(bare):
    checked(bare)
    shown = subprocess.run([sys.executable, "scripts/status.py"], cwd=bare.root, env={**bare.env, "PYTHONIOENCODING": "latin-1"}, capture_output=True, check=True)
    assert b"0.940?0.970" in shown.stdout and shown.stderr == b""
    assert subprocess.run(["sh", "-c", f"{sys.executable} scripts/status.py >&-"], cwd=bare.root, env=bare.env, capture_output=True, check=True).stderr == b""
    change(bare, "DELETE FROM runs WHERE script = 'status'")
    subprocess.run(["sh", "-c", f"{sys.executable} scripts/status.py | true"], cwd=bare.root, env=bare.env, check=True)
    assert {status for status, in bare.sql("SELECT status FROM runs WHERE script = 'status'")} <= {"done", "interrupted"}


def test_what_stops_a_retraining_is_looked_up_by_its_own_index(bare):
    plan = [row[3] for row in bare.sql("EXPLAIN QUERY PLAN " + overview.AT_A_GLANCE.replace(":models", "'[]'"))]
    assert any("drift_windows USING INDEX drift_windows_stopped" in step for step in plan), plan
