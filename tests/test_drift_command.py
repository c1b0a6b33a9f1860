"""make drift on real prediction logs: what is judged, said, recorded, and what it forbids."""
import csv
import hashlib
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from conftest import edit
from worlds import changed_world, outcomes

from lib import db, drift_log, predictions, recent
from lib.files import ModelPaths

pytestmark = pytest.mark.slow  # but for the tests marked quick

UNIT = ["mean radius"]


def log_of(project, model="cancer"):
    return max((project.root / f"data/{model}/predictions").glob("*.csv"), key=predictions.age)


def scored(project, rows, change=lambda frame: frame, seed=0, model="cancer", day=None, **own):
    """Append rows to the log as if they had been scored now: drawn from those that `predict` has logged, and changed."""
    log = log_of(project, model)
    if day:
        own["time"] = f"{day}T12:00:00Z"
    frame = pd.read_csv(log, dtype=str, keep_default_na=False).head(300).sample(rows, replace=True, random_state=seed).reset_index(drop=True)
    change(frame)
    for name, value in own.items():
        frame[name] = value
    frame.to_csv(log.with_name(f"{day}.csv") if day else log, mode="a", index=False, header=bool(day), lineterminator="\n")


def times(factor, *columns):
    def change(frame):
        for column in columns:
            frame[column] = (frame[column].astype(float) * factor).astype(str)
    return change


def shift(by, *columns):
    def change(frame):
        for column in columns:
            values = frame[column].astype(float)
            frame[column] = (values + by * values.std()).astype(str)
    return change


@pytest.mark.quick
def test_unchanged_rows_are_silent_and_on_record_and_not_judged_twice(live):  # noqa: F811
    done = live.run("drift")
    assert done.stdout.startswith("cancer v1: 300 rows scored at 20") and done.stdout.endswith(" 30 columns, against 459 rows of training: as in training\n")
    assert "nothing new since the last check, at 20" in live.run("drift").stdout
    assert live.sql("SELECT rows, verdict, words FROM drift_windows") == [(300, "ok", "")]
    known = live.sql('SELECT count(*), count(DISTINCT "column"), min(verdict), max(verdict) FROM drift_latest')
    assert known[0][0] > 200 and known[0][1:] == (33, "ok", "ok")
    assert live.sql("SELECT count(*) FROM alerts") == [(0,)]


@pytest.mark.quick
def test_a_unit_error_in_fifty_rows_is_named_in_plain_words_once(live):  # noqa: F811
    live.run("drift")
    scored(live, 50, times(100, *UNIT))
    done = live.run("drift", code=3)
    headline, first, *_ = done.stdout.splitlines()
    assert headline.startswith("cancer v1: 50 rows scored at 20") and headline.endswith(": 1 spoiled")
    assert first.startswith("  quality  `mean radius` moved up: median 13.") and ", a unit error? (100.0% of rows outside the training range, 7.729 to 28.1)" in first
    assert done.stdout.endswith("If these rows are all right: make drift MODEL=cancer ACCEPT=1\n")
    assert done.stderr.startswith("drift: ALERT cancer: cancer v1: `mean radius` moved up: median 13.")
    again = live.run("drift", code=3)
    assert "which found spoiled rows: `mean radius` moved up" in again.stdout and "ALERT" not in again.stderr
    assert live.sql('SELECT "column", measure, verdict FROM drift_latest LIMIT 1') == [("mean radius", "far out of range", "quality")]
    assert live.sql("SELECT kind, resolved FROM alerts WHERE kind = 'quality'") == [("quality", None)]
    assert [entry["event"] for entry in live.audit()][-1] in ("quality", "drift")
    assert "spoiled rows found in what v1 sees: `mean radius` moved up" in live.run("history").stdout


def swap(frame):
    frame[["mean radius", "mean texture"]] = frame[["mean texture", "mean radius"]].to_numpy()


@pytest.mark.quick
def test_swapped_columns_in_fifty_rows_are_found(live):  # noqa: F811
    live.run("drift")
    scored(live, 50, swap)
    done = live.run("drift", code=3)
    assert "`mean radius`" in done.stdout and "`mean texture`" in done.stdout


def test_a_shift_is_drift_and_the_alert_is_over_once_enough_rows_are_sound(live):  # noqa: F811
    live.run("drift")
    scored(live, 600, shift(0.6, "mean texture", "worst texture"))
    done = live.run("drift", code=3)
    assert "  drift    `worst texture` moved up: median 2" in done.stdout and "quality" not in done.stdout
    assert "ALERT cancer: cancer v1: `mean texture` moved up" in done.stderr
    scored(live, 30, seed=1)
    assert "over" not in live.run("drift").stdout  # thirty rows could not have shown it
    scored(live, 600, seed=2)
    assert live.run("drift").stdout.startswith("cancer: the alert 'drift' is over\ncancer v1: 630 rows")
    assert [entry["event"] for entry in live.audit()][-2:] == ["drift", "clear"]


def test_another_column_is_news_while_the_alert_of_the_first_stands(live):  # noqa: F811
    live.run("drift")
    scored(live, 60, times(100, "mean radius"))
    assert live.run("drift", code=3).stderr.count("ALERT cancer: cancer v1: `mean radius` moved up") == 1
    scored(live, 60, times(100, "mean radius"), seed=1)
    assert "`mean radius`" not in live.run("drift", code=3).stderr
    scored(live, 60, times(100, "worst area"), seed=2)
    done = live.run("drift", code=3)
    assert "ALERT cancer: cancer v1: `worst area` moved up" in done.stderr and "is over" not in done.stdout
    assert live.sql("SELECT resolved IS NULL, instr(text, 'worst area') > 0 FROM alerts WHERE kind = 'quality' ORDER BY id") == [(0, 0), (1, 1)]
    scored(live, 60, times(100, "mean radius"), seed=3)
    assert "ALERT" not in live.run("drift", code=3).stderr  # found this week: where two take turns, it is not news each time
    assert [found for entry in live.audit() if entry["event"] == "quality" for found in entry["found"] if "worst area" in found]


def test_few_new_rows_are_judged_together_with_those_before_them_back_to_the_last_finding(live):  # noqa: F811
    live.run("drift")
    for number, change in enumerate((lambda frame: frame, lambda frame: frame, times(100, *UNIT), lambda frame: frame, lambda frame: frame)):
        scored(live, 60, change, seed=number)
        live.run("drift", code=3 if number == 2 else 0)
    assert live.sql("SELECT rows, verdict FROM drift_windows ORDER BY id") == [(300, "ok"), (360, "ok"), (420, "ok"), (60, "quality"), (60, "ok"), (120, "ok")]


def test_too_few_rows_say_so_and_wait_for_the_next_ones(live):  # noqa: F811
    live.run("drift")
    scored(live, 20, times(100, *UNIT))
    assert live.run("drift").stdout == "cancer v1: too few rows to judge: 20, and 30 are needed (drift.min_rows)\n"
    scored(live, 20, times(100, *UNIT))
    assert live.run("drift", code=3).stdout.startswith("cancer v1: 40 rows scored")


@pytest.mark.parametrize("window, rows", [("100", 100), ("48h", 350), ("10m", 50)])
def test_the_window_can_be_a_number_of_rows_or_a_span(live, window, rows):  # noqa: F811
    edit(live, "[columns]", f'[drift]\nwindow = "{window}"\n\n[columns]')
    tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
    scored(live, 50, day=tomorrow.date())
    assert live.run("drift", LEAN_NOW=f"{tomorrow.date()}T{tomorrow:%H:%M:%S}Z" if window == "48h" else f"{tomorrow.date()}T12:05:00Z").stdout.startswith(f"cancer v1: {rows} rows scored")


def test_rows_of_another_version_are_not_judged_and_those_of_before_a_rollback_are(live):  # noqa: F811
    live.run("deploy")
    assert live.run("drift").stdout == "cancer v2: too few rows to judge: 0, and 30 are needed (drift.min_rows)\n"
    scored(live, 60, version="2")
    live.run("rollback")
    scored(live, 60)
    assert live.run("drift").stdout.startswith("cancer v1: 360 rows scored")


@pytest.mark.quick
def test_spoiled_rows_stop_a_retraining_until_a_person_accepts_them(live):  # noqa: F811
    live.run("label", CSV=outcomes(live, 1))
    scored(live, 50, times(100, *UNIT))
    done = live.run("retrain", FORCE=1, code=3)  # it looks by itself
    assert "cancer: retraining is due (FORCE=1), and stopped: data quality: `mean radius` moved up" in done.stdout
    assert done.stdout.endswith("If these rows are all right: make retrain MODEL=cancer ACCEPT=1\n")
    live.run("retrain", FORCE=1, code=3)
    assert live.sql("SELECT outcome, reason, stopped_by FROM retrains") == [("refused", "FORCE=1", 1)]
    assert {kind for kind, in live.sql("SELECT kind FROM alerts WHERE resolved IS NULL")} >= {"quality", "stopped"}
    assert not list((live.root / "data/cancer/train").glob("0002.csv"))
    scored(live, 300, seed=3)
    sound = live.run("drift").stdout  # the newest rows are sound; those before them would be learnt all the same
    assert "as in training" in sound and "cancer: no retraining: earlier rows were found spoiled, and nobody has accepted them: `mean radius` moved up" in sound
    assert "cancer: no retraining: spoiled rows, found first at " in live.run("status").stdout
    live.run("retrain", FORCE=1, code=3)
    assert "ACCEPT=1 is for a person" in live.run("drift", ACCEPT=1, TRIGGER="cron", code=2).stderr
    done = live.run("drift", ACCEPT=1, REASON="the new scanner")
    assert done.stdout.endswith("cancer: accepted, and on record: rows that come later are judged anew\n")
    assert "spoiled rows" not in live.run("status").stdout
    assert live.sql("SELECT accepted_because, accepted IS NOT NULL FROM drift_windows WHERE verdict = 'quality'") == [("the new scanner", 1)]
    assert (live.audit()[-1]["event"], live.audit()[-1]["reason"]) == ("accept", "the new scanner")
    assert "part 0002 taken in" in live.run("retrain", FORCE=1, code=3).stdout  # examined, and nothing better found
    scored(live, 50, times(100, "worst area"), seed=4)
    assert "stopped: data quality: `worst area`" in live.run("retrain", FORCE=1, code=3).stdout
    assert "accepted, and on record" in live.run("retrain", ACCEPT=1, REASON="again").stdout
    assert live.sql("SELECT kind FROM alerts WHERE resolved IS NULL AND kind IN ('quality', 'stopped')") == []


@pytest.mark.slow
def test_a_stop_can_be_left_out_by_config(live):  # noqa: F811
    edit(live, "[columns]", "[drift]\nstop = false\n\n[columns]")
    live.run("label", CSV=outcomes(live, 1))
    scored(live, 50, times(3, *UNIT))
    assert "part 0002 taken in" in live.run("retrain", FORCE=1, code=3).stdout


def test_drift_is_a_reason_to_retrain_where_model_toml_says_so(live):  # noqa: F811
    changed_world(live)
    edit(live, "[columns]", '[monitor]\nmatures = "2d"\n\n[columns]')  # the drop is not known yet
    assert "retrain" not in live.run("retrain").stdout and live.sql("SELECT count(*) FROM retrains") == [(0,)]
    edit(live, "[columns]", "[drift]\nretrain = true\n\n[columns]")
    done = live.run("retrain")
    assert "`worst area` moved up" in done.stdout and "is live (deployment 2" in done.stdout
    (outcome, reason), = live.sql("SELECT outcome, reason FROM retrains")
    assert outcome == "deployed" and reason.startswith("drift: `")
    assert live.sql("SELECT count(*) FROM alerts WHERE resolved IS NULL") == [(0,)]


def test_familiar_limits_replace_the_tests_where_model_toml_has_them(live):  # noqa: F811
    edit(live, "[columns]", "[drift]\nlimits = {psi = 0.2}\n\n[columns]")
    assert "as in training" in live.run("drift").stdout
    scored(live, 1000, shift(2, "mean texture"))
    assert "); psi 3." in live.run("drift", code=3).stdout
    assert live.sql('SELECT DISTINCT "limit" FROM drift WHERE measure = \'psi\'') == [(0.2,)]


def test_a_version_without_a_profile_says_so_in_one_line(live):  # noqa: F811
    folder = live.root / "models/cancer/v1"
    profile = json.loads((folder / "baseline.json").read_bytes())
    del profile["format"]
    (folder / "baseline.json").write_text(json.dumps(profile))
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"]["baseline.json"] = hashlib.sha256((folder / "baseline.json").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    line = json.loads(live.git("for-each-ref", "--format=%(contents)", "refs/tags/cancer/v1").strip().splitlines()[-1])
    line["manifest"] = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    live.git("tag", "-f", "-a", "cancer/v1", "cancer/v1^{}", "-m", "cancer/v1\n\n" + json.dumps(line))
    for name in ("metrics.db", "models/cancer/audit.jsonl"):  # which know the tag as it was
        (live.root / name).unlink()
    done = live.run("drift")
    assert done.stdout == "cancer v1 was trained without a profile to compare with. Train again with: make train MODEL=cancer FORCE=1\n"


def test_a_model_with_every_type_of_column_is_judged_and_its_new_category_and_missing_share_are_found(project):
    rng, base = np.random.default_rng(0), project.root.parent

    def rows(n):
        z = rng.normal(size=n)
        return pd.DataFrame({
            "amount": np.exp(z).round(2), "visits": rng.poisson(4, n), "plan": rng.choice(["basic", "plus", "gold"], n, p=[0.6, 0.3, 0.1]), "code": rng.choice(["007", "NA", "x, y"], n),
            "active": rng.choice(["yes", "no"], n), "since": [f"2025-{m:02d}-{d:02d}" for m, d in zip(rng.integers(1, 13, n), rng.integers(1, 29, n))],
            "notes": [" ".join(["said\n\"hm\""] * k) for k in rng.integers(1, 9, n)], "same": 7, "left": np.where(z + rng.normal(size=n) > 0, "leaves", "stays")})
    rows(1500).to_csv(base / "rows.csv", index=False)
    project.run("new", MODEL="churn", CSV=base / "rows.csv", TARGET="left")
    project.run("train", MODEL="churn")
    project.run("deploy", MODEL="churn")
    rows(400).to_csv(base / "today.csv", index=False)
    project.run("predict", MODEL="churn", CSV=base / "today.csv")
    assert project.run("drift", MODEL="churn").stdout.endswith(" rows of training: as in training\n")

    def spoil(frame):
        frame.loc[:20, "plan"] = "fibre"
        frame.loc[10:90, "visits"] = ""
    scored(project, 400, spoil, model="churn")
    said = project.run("drift", MODEL="churn", code=3).stdout
    assert "  quality  `plan` has categories not seen in training in 5.2% of rows: fibre" in said
    assert "  quality  `visits` missing in 20.2% of rows, in training 0.0%" in said and ": 2 spoiled" in said


@pytest.mark.parametrize("block", [150, 1000, 1 << 19])
@pytest.mark.quick
def test_the_log_is_read_from_its_end_whatever_its_lines_hold(tmp_path, monkeypatch, block):
    monkeypatch.setattr(recent, "BLOCK", block)
    connection = db.connect(tmp_path / "metrics.db")
    rng = np.random.default_rng(0)
    paths = ModelPaths(tmp_path, "m")
    paths.predictions.mkdir(parents=True)
    texts = ["a", 'say "x",\ny', "", "ünï, cöde", "line\nline\n\nline" * 20]
    rows = [[f"id,\n{i}", f"2026-01-0{1 + i // 100}T00:00:00Z", str(1 + (i % 3 > 0)), "yes", "0.5", str(i), texts[rng.integers(5)]] for i in range(300)]
    for day in (1, 2, 3):
        with (paths.predictions / f"2026-01-0{day}.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([[*predictions.COLUMNS, "x", "notes"], *rows[100 * day - 100:100 * day]])
    profile = {"columns": {"x": {"type": "number"}, "notes": {"type": "category"}, "new": {"type": "number"}}, "outputs": {"score": {"type": "number"}}}
    wanted = [row for row in rows if row[2] == "2"]
    for most, since in ((1000, ""), (50, ""), (1000, "2026-01-02T00:00:00Z"), (150, "2026-01-02T00:00:00Z")):
        chosen = [row for row in wanted if row[1] >= since][-most:]
        window = drift_log.read(paths, profile, 2, since, "", {}, predictions.lengths(connection, paths), most)
        assert window.columns["x"].tolist() == [float(row[5]) for row in chosen]
        assert window.columns["notes"] == [row[6] or None for row in chosen]
        assert np.isnan(window.columns["new"]).all() and window.rows == len(chosen)
    assert drift_log.read(paths, profile, 3, "", "2026-01-03", {}, predictions.lengths(connection, paths), 1000).rows == 0
    half = {name: length // 2 for name, length in predictions.lengths(connection, paths).items()}
    older = drift_log.read(paths, profile, 2, "", "", {}, half, 1000)
    newer = drift_log.read(paths, profile, 2, "", "", half, predictions.lengths(connection, paths), 1000)
    assert 0 < older.rows < len(wanted) and len(wanted) - 3 <= older.rows + newer.rows <= len(wanted)  # a row that a position cuts is in neither


def test_the_cost_does_not_grow_with_the_log(live):  # noqa: F811
    log = log_of(live)
    tail = log.read_bytes().split(b"\n", 1)
    huge = log.with_name("2098-01-01.csv")
    huge.write_bytes(tail[0] + b"\n")
    os.truncate(huge, 1 << 36)  # 64 GB that nobody wrote
    with huge.open("ab") as file:
        file.write(b"\n" + tail[1].replace(b"2026-", b"2098-"))
    edit(live, "[columns]", '[drift]\nwindow = "250"\n\n[columns]')
    assert live.run("drift").stdout.startswith("cancer v1: 250 rows scored at 2098")


def test_a_damaged_baseline_is_an_alert_that_lasts_until_it_is_mended(live):  # noqa: F811
    path = live.root / "models/cancer/v1/baseline.json"
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    assert "is not what the tag cancer/v1 says" in live.run("drift", code=1).stderr
    assert live.sql("SELECT kind FROM alerts") == [("drift failed",)]
    path.write_bytes(content)
    assert "the alert 'drift failed' is over" in live.run("drift").stdout


def test_after_thirty_days_the_last_window_of_each_day_keeps_its_measures(tmp_path):
    connection = db.connect(tmp_path / "metrics.db")
    run = db.insert(connection, "runs", uuid="u", script="drift", started="", status="done", trigger="cron", user="", host="", pid=1, pid_started=1)
    for day in (1, 2, 3):
        for hour in range(24):
            window = {"run_id": run, "model": "m", "version": 1, "time": f"2026-01-0{day}T{hour:02d}:22:00Z", "rows": 100, "first": "", "last": "", "level": 0.1, "budget": 0.0, "verdict": "ok", "words": ""}
            db.add_drift(connection, window, [("x", "ks", 0.1, 0.5, 1.0, 0.025, "ok", None)])
    db.thin_drift(connection, "m", "2025-12-01", "2026-01-03T00:00:00Z")
    kept = connection.execute("SELECT substr(time, 9, 5) FROM drift ORDER BY id").fetchall()
    assert [row[0] for row in kept] == ["01T23", "02T23", *(f"03T{hour:02d}" for hour in range(24))]
    assert connection.execute("SELECT count(*) FROM drift_windows").fetchone()[0] == 72


def test_it_needs_neither_pandas_nor_scipy_and_little_memory_and_one_thread_and_without_news_no_numpy(live):  # noqa: F811
    for heavy in ("{'pandas', 'sklearn', 'scipy', 'joblib', 'numpy.ma', 'numpy.random'}", "{'pandas', 'numpy'}"):
        code = (f"import sys; sys.path.insert(0, 'scripts'); import drift; code = drift.main([]); heavy = {heavy} & set(sys.modules); assert not heavy, heavy; "
                "import os; assert len(os.listdir('/proc/self/task')) == 1, 'threads'; "
                "print(int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) // 1024); sys.exit(code)")
        env = {name: value for name, value in live.env.items() if name != "OMP_NUM_THREADS"}
        done = subprocess.run([sys.executable, "-c", code], cwd=live.root, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert int(done.stdout.split()[-1]) < 60
