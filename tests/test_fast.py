"""What keeps the commands quick, as counts and not by the clock: processes, modules, writes. The figures are in `make bench`."""
import json
import os
import sqlite3
import subprocess
import sys
import time

import pytest
from lib import files, git, lfs, logs, treebuild
from worlds import outcomes


def git_processes(project, script, **options) -> int:
    events = project.home / f"{script}.events"
    events.unlink(missing_ok=True)
    subprocess.run([sys.executable, f"scripts/{script}.py"], cwd=project.root, env={**project.env, "MODEL": "cancer", "GIT_TRACE2_EVENT": str(events), **options}, check=True, capture_output=True)
    return sum(json.loads(line)["event"] == "start" for line in events.read_text().splitlines()) if events.exists() else 0


def test_a_quick_command_starts_no_more_git_processes_than_it_needs(trained):
    assert {script: git_processes(trained, script) for script in ("status", "history", "train", "check")} == {"status": 0, "history": 0, "train": 2, "check": 2}
    assert git_processes(trained, "deploy") <= 5 and git_processes(trained, "rollback") <= 5


@pytest.mark.parametrize("script", ["train", "check"])
def test_with_nothing_to_do_neither_numpy_nor_the_reader_of_model_toml_is_loaded(live, script):  # noqa: F811
    live.run(script)
    code = f"import sys; sys.path.insert(0, 'scripts'); import {script}; {script}.main([]); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=live.root, env={**live.env, "MODEL": "cancer"}, capture_output=True, text=True, check=True)
    assert set(done.stderr.split()) & {"numpy", "pandas", "tomllib", "dataclasses", "lib.config", "lib.monitor", "argparse"} == set(), done.stdout


def test_a_log_that_nobody_has_written_to_is_not_opened_again_and_one_of_the_same_size_and_time_is(live):  # noqa: F811
    live.run("label", CSV=outcomes(live, 1))
    time.sleep(0.2)  # longer ago than a tick of the clock that marks files
    live.run("check")
    code = "import sys; sys.path.insert(0, 'scripts'); sys.addaudithook(lambda event, told: event == 'open' and str(told[0]).endswith('.csv') and print('opened', told[0], file=sys.stderr))\n" \
           "import check; check.main([])"

    def opened() -> int:
        return subprocess.run([sys.executable, "-c", code], cwd=live.root, env={**live.env, "MODEL": "cancer"}, capture_output=True, text=True, check=True).stderr.count("opened")
    assert opened() == 0
    log, = (live.root / "data/cancer/labels").glob("*.csv")
    was, text = log.stat(), log.read_text()
    log.write_text(text.replace("malignant", "MALIGNANT"))
    os.utime(log, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert opened() > 0 and live.sql("SELECT sum(losses) >= 100 FROM outcomes") == [(1,)]


def test_a_check_writes_to_the_hours_that_have_news_and_to_no_older_ones(live):  # noqa: F811
    live.run("label", CSV=outcomes(live, 1))
    live.run("check")
    old = live.sql("SELECT hour FROM outcomes")
    with sqlite3.connect(live.root / "metrics.db") as connection:
        connection.executescript("CREATE TABLE written (hour TEXT); CREATE TRIGGER hours_written AFTER UPDATE ON outcomes BEGIN INSERT INTO written VALUES (NEW.hour); END")
    for log, row in (("predictions", "id,time,version,prediction,score\nlate,2030-01-01T10:00:00Z,1,benign,0.9\n"), ("labels", "id,label,time\nlate,benign,2030-01-02T10:00:00Z\n")):
        (live.root / f"data/cancer/{log}/2030-01-01.csv").write_text(row)
    live.run("check", LEAN_NOW="2030-02-01T00:00:00+00:00")
    assert live.sql("SELECT DISTINCT hour FROM written") == [("2030-01-01T10",)] and old


def test_a_log_written_to_within_a_tick_of_the_clock_is_not_taken_for_settled(tmp_path):
    log = tmp_path / "2026-01-01.csv"
    log.write_text("id,label,time\n")
    assert logs.position(log, 14)[3] is None
    time.sleep(0.2)
    assert logs.position(log, 14)[3]


def test_a_check_with_nothing_new_says_the_same_and_is_on_record(live):  # noqa: F811
    live.run("label", CSV=outcomes(live, 1))
    first, second = live.run("check").stdout, live.run("check").stdout
    assert "300 labels" in first and second == first
    rows = live.sql("SELECT version, rule, metric, value, low, high, labels, matured, floor, evidence, alarm_at, expected, verdict, basis FROM checks")
    assert len(rows) == 2 and rows[0] == rows[1] and rows[0][-1]


@pytest.mark.parametrize("asked", ["floor = 0.999", 'rule = "simple"\nfloor = 0.999'])
def test_what_model_toml_asks_now_is_judged_now(live, asked):  # noqa: F811
    live.run("label", CSV=outcomes(live, 1))
    assert "floor 0.9:" in live.run("check").stdout
    path = live.root / "models/cancer/model.toml"
    path.write_text(f"{path.read_text()}\n[monitor]\n{asked}\n")
    done = subprocess.run([sys.executable, "scripts/check.py"], cwd=live.root, env={**live.env, "MODEL": "cancer"}, capture_output=True, text=True)
    assert done.returncode in (0, 3) and "floor 0.999:" in done.stdout, done.stdout + done.stderr


def test_another_deployment_is_judged_anew(live):  # noqa: F811
    live.run("check")
    live.run("deploy", VERSION=2)
    assert live.run("check").stdout.startswith("cancer v2: not enough labels yet: 0 labels for 0 ")


def test_predictions_that_mature_are_judged_though_no_row_is_new(live):  # noqa: F811
    path = live.root / "models/cancer/model.toml"
    path.write_text(path.read_text() + '\n[monitor]\nmatures = "2d"\n')
    live.run("label", CSV=outcomes(live, 1))
    assert "0 labels for 0 matured" in live.run("check").stdout
    assert "0 labels for 0 matured" in live.run("check").stdout
    assert "300 labels for 300 matured" in live.run("check", LEAN_NOW="2099-01-01T00:00:00Z").stdout


def test_a_segment_that_a_power_cut_left_short_is_read_again_from_the_log(live):  # noqa: F811
    live.run("label", CSV=outcomes(live, 1))
    before = live.run("check").stdout
    segment = next((live.root / "data/cancer/predictions/.index").iterdir())
    segment.write_bytes(segment.read_bytes()[:200])
    assert live.run("check").stdout == before
    assert live.sql("SELECT sum(predictions), sum(labels) FROM outcomes") == [(300, 300)]


def test_a_part_that_a_version_has_is_not_stored_again_as_long_as_its_object_is_here(trained):
    part, tag = "data/cancer/train/0001.csv", "cancer/v1"
    digest = files.sha256(trained.root / part)
    assert set(treebuild.stored_already(trained.root, tag, {part: digest})) == {part}
    assert treebuild.stored_already(trained.root, tag, {part: "0" * 64}) == {}
    lfs.object_path(trained.root, digest).unlink()
    assert treebuild.stored_already(trained.root, tag, {part: digest}) == {}
    trained.run("train", MODEL="cancer", FORCE="1")
    assert files.sha256(lfs.object_path(trained.root, digest)) == digest
    assert git.read_blobs(trained.root, [f"cancer/v1:{part}"]).popitem()[1] == git.read_blobs(trained.root, [f"cancer/v2:{part}"]).popitem()[1]


@pytest.mark.parametrize("chosen, used", [({}, "1000 None"), pytest.param({"OMP_WAIT_POLICY": "ACTIVE"}, "None ACTIVE", marks=pytest.mark.slow),
                                          pytest.param({"GOMP_SPINCOUNT": "7"}, "7 None", marks=pytest.mark.slow)])
def test_threads_that_wait_spin_for_a_moment_and_then_sleep_unless_the_user_wants_it_otherwise(trained, chosen, used):
    (trained.root / "models/cancer/features.py").write_text("import os\n\nprint('waiting:', os.environ.get('GOMP_SPINCOUNT'), os.environ.get('OMP_WAIT_POLICY'))\n\n\ndef build(rows):\n    return rows\n")
    assert f"waiting: {used}\n" in trained.run("train", MODEL="cancer", **chosen).stdout


def test_a_command_that_only_looks_writes_its_row_once_when_it_ends(trained):
    trained.run("history", MODEL="cancer")
    assert trained.sql("SELECT script, model, status, exit_code, started <= ended, seconds > 0, length(uuid) FROM runs ORDER BY id DESC LIMIT 1") == [("history", "cancer", "done", 0, 1, 1, 32)]


def test_a_command_that_only_looks_does_not_wait_for_whoever_writes(trained):
    before = trained.sql("SELECT count(*) FROM runs")
    connection = sqlite3.connect(trained.root / "metrics.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        assert trained.run("status").stdout.splitlines()[1].startswith("cancer")
    finally:
        connection.close()
    assert trained.sql("SELECT count(*) FROM runs") == before


@pytest.mark.parametrize("script", ["status", "check", "rollback", "train", "evaluate"])
def test_a_command_ends_without_the_collectors_last_rounds(live, script):  # noqa: F811
    """They look at each object that was loaded: a fifth of a second where pandas and scikit-learn were."""
    code = f"import atexit, gc, runpy, sys; sys.path.insert(0, 'scripts'); atexit.register(lambda: print(len(gc.get_objects()), 'to look at')); runpy.run_path('scripts/{script}.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=live.root, env={**live.env, "MODEL": "cancer"}, capture_output=True, text=True)
    assert done.returncode == (2 if script == "rollback" else 0) and "cancer" in done.stdout + done.stderr
    assert int(done.stdout.splitlines()[-1].removesuffix(" to look at")) < 1000
    missing = subprocess.run([sys.executable, "-c", code], cwd=live.root, env={**live.env, "MODEL": "nobody"}, capture_output=True, text=True)
    assert missing.returncode == 2 and missing.stderr.startswith(f"{script}: there is no model 'nobody'")
