"""The closed loop: outcomes joined to predictions, the check, retraining, rolling back, alerts."""
import contextlib
import http.server
import itertools
import json
import os
import re
import sqlite3
import threading
import time
from datetime import datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, edit
from worlds import changed_world, live_diabetes, outcomes, two_halves, world

from lib import bounds, evidence
from lib.tags import Deployment, Registry, Version


def day(project, model="cancer"):
    return project.sql("SELECT sum(predictions), sum(labels), round(sum(losses), 6), sum(corrections) FROM outcomes WHERE model = ?", model)[0]


def test_labels_count_once_whatever_their_order_and_corrections_are_counted(live):
    whole = outcomes(live, 1)
    live.run("label", CSV=outcomes(live, 1, rows=slice(100, 200), name="b.csv"))
    live.run("check")
    assert day(live)[:2] == (300, 100)
    live.run("label", CSV=whole)  # a hundred of them again
    live.run("label", CSV=whole)
    live.run("check")
    right = day(live)
    assert right[:2] == (300, 300) and right[3] == 0
    live.run("label", CSV=outcomes(live, 1, wrong=50, rows=slice(0, 50), name="c.csv"))
    live.run("check")
    assert day(live)[1] == 300 and day(live)[3] == 50 - int(round(wrong_of(live, 50))) and day(live)[2] >= 50
    live.run("label", CSV=whole)
    live.run("check")
    assert day(live)[2] == right[2]
    before = day(live)[3]
    live.run("label", CSV=outcomes(live, 1, wrong=50, rows=slice(0, 50), name="c.csv"))
    live.run("label", CSV=whole)
    live.run("label", CSV=outcomes(live, 1, wrong=50, rows=slice(0, 50), name="c.csv"))
    live.run("check")
    assert day(live)[1] == 300 and day(live)[3] == before + 3 * (50 - int(round(wrong_of(live, 50))))  # also those between two checks


def test_a_correction_before_the_first_check_is_one_too(live):
    live.run("label", CSV=outcomes(live, 1))
    live.run("label", CSV=outcomes(live, 1, wrong=50, rows=slice(0, 50), name="c.csv"))
    live.run("check")
    assert day(live)[1] == 300 and day(live)[3] == 50 - int(round(wrong_of(live, 50)))


def test_what_a_person_tried_in_vain_is_forgotten_once_the_model_is_found_healthy(live):
    live.run("label", CSV=outcomes(live, 1))
    live.run("retrain", FORCE=1, code=3)
    assert live.sql("SELECT kind FROM alerts WHERE resolved IS NULL") == [("refused",)]
    assert "the alert 'refused' is over" in live.run("check").stdout


def test_what_was_refused_for_a_drift_stands_while_the_drift_does(live):
    live.run("label", CSV=outcomes(live, 1))
    live.run("check")
    with contextlib.closing(sqlite3.connect(live.root / "metrics.db")) as connection, connection:
        run, = connection.execute("SELECT max(id) FROM runs").fetchone()
        for kind in ("drift", "refused"):
            connection.execute("INSERT INTO alerts (model, kind, text, raised, run_id) VALUES ('cancer', ?, 'x', '2026-05-01T00:00:00Z', ?)", (kind, run))
    assert "is over" not in live.run("check").stdout
    with contextlib.closing(sqlite3.connect(live.root / "metrics.db")) as connection, connection:
        connection.execute("UPDATE alerts SET resolved = '2026-05-02T00:00:00Z' WHERE kind = 'drift'")
    assert "the alert 'refused' is over" in live.run("check").stdout


def wrong_of(live, count):
    answers = pd.read_csv(live.root.parent / "answers-1.csv")[:count]
    return (answers["prediction"] != pd.read_csv(live.root.parent / "rows-1.csv")["diagnosis"][:count]).sum()


def test_the_counts_are_those_of_pandas_over_the_whole_log(live):
    live.run("label", CSV=outcomes(live, 1, wrong=37))
    live.run("check")
    said = pd.concat(pd.read_csv(path) for path in (live.root / "data/cancer/predictions").glob("*.csv"))
    true = pd.concat(pd.read_csv(path) for path in (live.root / "data/cancer/labels").glob("*.csv")).drop_duplicates("id", keep="last")
    both = said.merge(true, on="id")
    assert day(live)[1:3] == (len(both), (both["prediction"] != both["label"]).sum())
    assert live.sql("SELECT accuracy, labels FROM accuracy_by_day") == [(round((both["prediction"] == both["label"]).mean(), 4), 300)]


def test_a_label_that_comes_before_its_prediction_waits_for_it(live):
    early = live.root.parent / "early.csv"
    source = world(live, 7, rows=40)
    import hashlib
    prefix = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    true = pd.read_csv(source)["diagnosis"]
    early.write_text("id,label,time\n" + "".join(f"{prefix}-{i + 1},{true[i]},2026-01-05T10:00:00Z\n" for i in range(40)) + "nobody,benign,2026-01-05\n")
    live.run("label", CSV=early)
    waiting = "cancer: 41 new outcomes with an id that no prediction in the log has: they count once there is one\n"
    assert live.run("check").stdout.endswith(waiting) and day(live)[:2] == (300, 0)
    live.run("predict", CSV=source)
    assert "new outcome" not in live.run("check").stdout and day(live)[:2] == (340, 40)


@pytest.mark.parametrize("asked", [(), (1, 2, 3, 4), (2, 4)])
def test_corrections_are_counted_alike_whenever_the_check_looks(live, asked):
    """asked: after which of the steps a check is made; in the end one always is."""
    import hashlib
    source = world(live, 7, rows=2)
    prefix = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    steps = [["benign"], ["malignant"], ["benign", "malignant"], None, ["malignant", "benign", "malignant"]]
    for number, labels in enumerate(steps, start=1):
        if labels is None:
            live.run("predict", CSV=source)
        else:
            (live.root.parent / "early.csv").write_text("id,label\n" + "".join(f"{prefix}-1,{label}\n" for label in labels))
            live.run("label", CSV=live.root.parent / "early.csv")
        if number in asked:
            live.run("check")
    live.run("check")
    assert (day(live)[0], day(live)[1], day(live)[3]) == (302, 1, 5)


def test_a_healthy_model_is_healthy_and_too_few_labels_say_so_with_what_to_expect(live):
    live.run("label", CSV=outcomes(live, 1, rows=slice(0, 10)))
    done = live.run("check")
    assert done.stdout.startswith("cancer v1: not enough labels yet: 10 labels for 300 matured predictions (3.3%), 30 needed; its scores let one expect accuracy 0.9")
    assert "(blind to a change of concept)" in done.stdout
    live.run("label", CSV=outcomes(live, 1))
    done = live.run("check")
    assert ", 300 labels for 300 matured predictions (100.0%), floor 0.9" in done.stdout and done.stdout.endswith(": healthy\n")
    assert live.sql("SELECT verdict, labels, matured FROM checks ORDER BY id") == [("unknown", 10, 300), ("healthy", 300, 300)]


def test_a_drop_is_exit_3_with_one_alert_that_clears_when_it_is_over(live):
    live.run("label", CSV=outcomes(live, 1, wrong=150))
    done = live.run("check", code=3)
    assert ": dropped\n" in done.stdout and done.stderr.startswith("check: ALERT cancer: cancer v1: accuracy 0.")
    assert "ALERT" not in live.run("check", code=3).stderr
    assert live.sql("SELECT kind, resolved FROM alerts") == [("dropped", None)]
    assert live.make("check", code=2).returncode == 2


def test_a_version_that_did_well_is_found_as_it_was_left_when_it_comes_back(live):
    live.run("label", CSV=outcomes(live, 1))
    healthy = live.run("check").stdout
    live.run("train", FORCE=1)
    live.run("deploy")
    live.run("rollback")
    assert live.run("check").stdout == healthy and healthy.endswith(": healthy\n")
    live.run("label", CSV=outcomes(live, 1, wrong=150))  # corrected: what it said before it was replaced counts
    assert live.run("check", code=3).stdout.endswith(": dropped\n")
    live.run("deploy", VERSION=2)
    live.run("rollback")
    assert re.fullmatch(r"cancer v1: not enough labels since it went live yet: 300 labels for 300 matured predictions \(100.0%\) in all, 30 needed; .*\n", live.run("check").stdout)


@pytest.mark.parametrize("first, then, code", [(200, 0, 0), (0, 210, 3)])
def test_corrections_that_come_with_new_labels_of_the_same_hour_are_judged(live, first, then, code):
    live.run("label", CSV=outcomes(live, 1, wrong=first, rows=slice(0, 200)))
    live.run("check", code=3 - code)
    live.run("label", CSV=outcomes(live, 1, wrong=then, rows=slice(0, 210)))
    assert re.search(r", 210 labels .*: (dropped|healthy)\n", live.run("check", code=code).stdout)[1] == ("dropped" if code else "healthy")


def test_labels_that_are_taken_out_or_no_longer_matured_are_no_evidence_any_more(live):
    live.run("label", CSV=outcomes(live, 1, wrong=200))
    assert live.run("check", code=3).stdout.endswith(": dropped\n")
    path = live.root / "models/cancer/model.toml"
    text = path.read_text()
    path.write_text(text + '\n[monitor]\nmatures = "30d"\n')
    assert ": not enough labels yet: 0 labels for 0 matured predictions" in live.run("retrain").stdout and live.sql("SELECT count(*) FROM retrains") == [(0,)]
    assert ": not enough labels yet" in live.run("check").stdout
    path.write_text(text)
    assert live.run("check", code=3).stdout.endswith(": dropped\n")
    before = (datetime.now(timezone.utc) - timedelta(days=20)).isoformat()
    assert ": not enough labels yet" in live.run("check", LEAN_NOW=before).stdout
    assert live.run("check", code=3).stdout.endswith(": dropped\n")
    for log in (live.root / "data/cancer/labels").glob("*.csv"):
        log.unlink()
    assert ": not enough labels yet: 0 labels for 300 matured predictions" in live.run("check").stdout
    live.run("retrain")


def told(project, deployment, against="live"):
    return json.loads(project.sql("SELECT state FROM detector WHERE deployment = ? AND against = ?", deployment, against)[0][0])


def days_on(days):
    return (datetime.now(timezone.utc) + timedelta(days=days)).isoformat()


@pytest.mark.parametrize("checked, labels_first, wrong, code, command", [(True, True, 0, 0, "rollback"), (True, True, 200, 3, "deploy"), (True, False, 200, 3, "rollback"),
                                                                         (False, True, 200, 3, "rollback"), (False, False, 200, 3, "deploy")])
def test_late_labels_count_when_a_version_comes_back_whether_they_come_before_or_after_it(live, checked, labels_first, wrong, code, command):
    if checked:
        live.run("label", CSV=outcomes(live, 1, rows=slice(0, 100)))
        live.run("check")
    live.run("train", FORCE=1)
    live.run("deploy")
    for step in range(2):
        if labels_first == (step == 0):
            live.run("label", CSV=outcomes(live, 1, wrong=wrong, rows=slice(100, 300)))
        else:
            live.run(command, LEAN_NOW=days_on(5), **{"VERSION": 1} if command == "deploy" else {})
    live.run("check", code=code, LEAN_NOW=days_on(5))
    assert f", {300 if checked else 200} labels for 300 matured" in (said := live.run("check", code=code, LEAN_NOW=days_on(5)).stdout) and said.endswith(": dropped\n" if code else ": healthy\n")


def came_back(live):
    """cancer v1 with a drop that was seen, replaced, and back after five days."""
    live.run("label", CSV=outcomes(live, 1, wrong=150, rows=slice(0, 150)))
    live.run("check", code=3)
    live.run("train", FORCE=1)
    live.run("deploy")
    live.run("rollback", LEAN_NOW=days_on(5))


def test_a_version_whose_drop_was_seen_begins_anew_and_late_labels_of_that_time_are_of_that_time(live):
    came_back(live)
    for labels in (150, 300):
        for _ in range(2):
            assert f"cancer v1: not enough labels since it went live yet: {labels} labels for 300 " in live.run("check", LEAN_NOW=days_on(6)).stdout
        live.run("label", CSV=outcomes(live, 1, wrong=150, rows=slice(150, 300)))
    live.run("predict", CSV=world(live, 2), LEAN_NOW=days_on(5.5), OUT=live.root.parent / "answers-2.csv")
    live.run("label", CSV=outcomes(live, 2))
    assert re.search(r" on the 300 labels since \d{4}-\d\d-\d\d, 600 labels for 600 .*: healthy\n", live.run("check", LEAN_NOW=days_on(6)).stdout)
    assert told(live, 3)["labels"] == 300


def test_what_is_told_anew_of_a_version_that_came_back_is_all_of_its_time_and_nothing_of_before(live):
    """Its first hour included; and whether its drop was seen is not asked anew where model.toml has other settings since."""
    came_back(live)
    live.run("predict", CSV=world(live, 2), LEAN_NOW=days_on(5), OUT=live.root.parent / "answers-2.csv")
    live.run("label", CSV=outcomes(live, 2, wrong=200))
    path = live.root / "models/cancer/model.toml"
    text = path.read_text()
    for changed in (None, text + "\n[monitor]\nfloor = 0.95\n", text + "\n[monitor]\nmin_labels = 250\n"):
        path.write_text(changed or text)
        assert " on the 300 labels since " in live.run("check", code=3, LEAN_NOW=days_on(6)).stdout and told(live, 3)["labels"] == 300
    live.run("label", CSV=outcomes(live, 1, wrong=149, rows=slice(0, 150)))  # one of before its time is corrected
    assert " on the 300 labels since " in live.run("check", code=3, LEAN_NOW=days_on(6)).stdout and told(live, 3)["labels"] == 300


def test_the_hour_in_which_a_version_was_replaced_and_came_back_is_of_the_time_before():
    def at(time, version):
        return Deployment(number=next(numbers), tag="", version=version, action="rollback", replaced=None, entry={"time": time})
    numbers = itertools.count(1)
    known = Registry({}, [at("2026-05-01T10:05:00Z", 1), at("2026-05-01T22:10:00Z", 2), at("2026-05-01T23:20:00Z", 1), at("2026-05-01T23:30:00Z", 2), at("2026-05-01T23:40:00Z", 1)], [])
    assert [evidence.beginning(known, deployment) for deployment in known.deployments] == ["", "", "2026-05-01T23", "2026-05-02T00", "2026-05-02T00"]


def test_late_labels_that_raise_the_alarm_are_in_the_figure_that_tells_of_it(live):
    live.run("label", CSV=outcomes(live, 1, rows=slice(0, 50)))
    live.run("predict", CSV=world(live, 2), LEAN_NOW=days_on(4), OUT=live.root.parent / "answers-2.csv")
    live.run("label", CSV=outcomes(live, 2, rows=slice(0, 60)))
    live.run("check", LEAN_NOW=days_on(5))
    live.run("label", CSV=outcomes(live, 1, wrong=300, rows=slice(50, 300)))  # of days before
    found = re.match(r"cancer v1: accuracy (\S+) .*: dropped\n", live.run("check", code=3, LEAN_NOW=days_on(5)).stdout)
    assert float(found[1]) < 0.3


def test_a_correction_is_seen_beside_as_many_wrong_new_labels_of_its_hour(live):
    live.run("label", CSV=outcomes(live, 1, wrong=40, rows=slice(0, 60)))
    live.run("check", code=3)
    live.run("label", CSV=outcomes(live, 1, rows=slice(0, 60)))
    labels = pd.read_csv(outcomes(live, 1))
    labels.loc[60:99, "label"] = labels.loc[60:99, "label"].map({"malignant": "benign", "benign": "malignant"})
    labels.to_csv(live.root.parent / "labels.csv", index=False)
    live.run("label", CSV=live.root.parent / "labels.csv")
    live.run("check")
    state = told(live, 1)
    assert state["labels"] == state["today"]["labels"] == 300


def test_where_the_version_before_would_do_no_better_its_test_begins_anew(live):
    """Asked again about the same labels at every check, it would be rolled back for nothing sooner or later."""
    live.run("label", CSV=outcomes(live, 1))
    live.run("check")
    live.run("train", FORCE=1)
    live.run("deploy")
    live.run("predict", CSV=world(live, 2), LEAN_NOW=days_on(1), OUT=live.root.parent / "answers-2.csv")
    live.run("label", CSV=outcomes(live, 2, wrong=100))
    said = [live.start("retrain", LEAN_NOW=days_on(1 + hours / 24)).communicate()[0] for hours in (2, 3, 4)]
    assert [words.count("; no rollback") for words in said] == [1, 0, 0]


@pytest.mark.parametrize("time", ["10000-01-01", "12345-06-07T08:00:00Z", "020000-01-01"])
def test_a_row_whose_year_has_five_digits_keeps_no_model_unwatched(live, time):
    log, = (live.root / "data/cancer/predictions").glob("*.csv")
    lines = log.read_text().splitlines(keepends=True)
    lines[1:101] = [re.sub(r",20\d\d-\d\d-\d\dT[^,]*Z,1,", f",{time},1,", line) for line in lines[1:101]]
    log.write_text("".join(lines))
    live.run("label", CSV=outcomes(live, 1))
    assert ", 300 labels for 300 matured predictions" in live.run("check").stdout


def test_what_older_scripts_remembered_is_told_anew(live):
    """They counted the hour in which a version came back otherwise, and did not note since when they counted."""
    live.run("label", CSV=outcomes(live, 1, rows=slice(0, 200)))
    live.run("check")
    connection = sqlite3.connect(live.root / "metrics.db")
    with connection:
        connection.execute("UPDATE detector SET state = json_set(json_remove(state, '$.begun', '$.dropped'), '$.labels', 777)")
    connection.close()
    live.run("label", CSV=outcomes(live, 1))
    assert ", 300 labels for 300 " in live.run("check").stdout
    assert told(live, 1)["labels"] == 300 and told(live, 1)["begun"] == "" and told(live, 1)["dropped"] is False


def test_what_matures_later_than_a_version_comes_back_is_told_once(live):
    path = live.root / "models/cancer/model.toml"
    text = path.read_text()
    live.run("label", CSV=outcomes(live, 1, rows=slice(0, 100)))
    live.run("check", LEAN_NOW=days_on(1))
    live.run("train", FORCE=1)
    live.run("deploy")
    live.run("rollback", LEAN_NOW=days_on(5))
    live.run("check", LEAN_NOW=days_on(5))
    path.write_text(text + '\n[monitor]\nmatures = "30d"\n')
    assert ": not enough labels yet: 0 labels for 0 matured" in live.run("check", LEAN_NOW=days_on(6)).stdout
    path.write_text(text)
    live.run("label", CSV=outcomes(live, 1))
    assert live.run("check", LEAN_NOW=days_on(7)).stdout.endswith(": healthy\n")
    assert told(live, 3)["labels"] == 300


def test_predictions_dated_before_the_version_went_live_are_its_own(live):
    """Logs that a person filled in by hand, or a clock that was set: there is nobody else's they could be."""
    log, = (live.root / "data/cancer/predictions").glob("*.csv")
    dated = log.with_name("2026-01-05.csv")
    dated.write_text(re.sub(r",\d{4}-\d\d-\d\dT", ",2026-01-05T", log.read_text()))
    log.unlink()
    live.run("label", CSV=outcomes(live, 1, wrong=150))
    assert live.run("check", code=3).stdout.endswith(": dropped\n")


def test_a_record_that_was_lost_after_a_version_came_back_has_its_evidence_again(live):
    live.run("label", CSV=outcomes(live, 1, wrong=200))
    live.run("train", FORCE=1)
    live.run("deploy", FORCE=1)
    live.run("rollback", LEAN_NOW=days_on(5))
    assert live.run("check", code=3, LEAN_NOW=days_on(5)).stdout.endswith(": dropped\n")
    (live.root / "metrics.db").unlink()
    live.run("restore")
    assert live.run("check", code=3, LEAN_NOW=days_on(5)).stdout.endswith(": dropped\n")


def test_who_goes_back_to_a_version_that_had_dropped_is_told(live):
    live.run("label", CSV=outcomes(live, 1, wrong=150))
    live.run("check", code=3)
    live.run("train", FORCE=1)
    live.run("deploy")
    assert re.match(r"cancer v1 had dropped when it was last checked, at \d{4}-\d\d-\d\d \d\d:\d\d: accuracy 0\.\d+, floor 0\.\d+\n", live.run("rollback").stderr)


def test_a_version_of_before_the_task_was_changed_is_no_yardstick():
    entries = {1: {"wrong": 5, "holdout_rows": 100, "metric": "accuracy"}, 2: {"mae": 1.0, "holdout_rows": 100, "metric": "mae"}}
    versions = {number: Version("m", number, f"m/v{number}", "", "", "", entry) for number, entry in entries.items()}
    known = Registry(versions, [Deployment(1, 2, None, "deploy", "m/deploy-1", {}), Deployment(2, 1, 2, "rollback", "m/deploy-2", {})], [])
    assert [each.number for each in bounds.since_a_person(known)] == [1]


def test_outcomes_are_taken_in_whatever_may_be_wrong_with_the_audit(live):
    path = live.root / "models/cancer/audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b"cancer/v1", b"cancer/v7", 1))
    live.run("check", code=3, MODEL="cancer")
    live.run("label", CSV=outcomes(live, 1))


def test_another_task_is_refused_while_a_version_of_the_first_is_live(live):
    path = live.root / "models/cancer/model.toml"
    path.write_text('task = "regression"\ntarget = "mean radius"\n[train]\nestimator = "sklearn.linear_model.Ridge"\n[columns]' + path.read_text().partition("[columns]")[2])
    words = 'cancer v1 is a classification, and model.toml says task = "regression". Put the task back, or make a model of its own of it: make new MODEL=another-name CSV= TARGET=\n'
    for script, options in (("check", {}), ("label", {"CSV": outcomes(live, 1)}), ("train", {}), ("retrain", {}), ("evaluate", {})):
        assert live.run(script, code=2, MODEL="cancer", **options).stderr.endswith(words)


def test_what_is_postponed_amid_a_drop_is_exit_3_whatever_it_waits_for_and_noted_once_a_kind(live):
    live.run("label", CSV=outcomes(live, 1, wrong=60, rows=slice(0, 60)))
    for _ in range(2):
        assert ", postponed: 60 labelled rows" in live.run("retrain", code=3).stdout
    live.run("retrain", code=3, FORCE=1)
    assert live.sql("SELECT reason, outcome FROM retrains") == [("accuracy dropped to 0", "postponed"), ("FORCE=1", "postponed")]


def test_a_reader_that_goes_is_no_fault_of_the_models(live):
    process = live.start("check", MODEL="")
    process.stdout.close()
    assert process.wait() == 1 and live.sql("SELECT kind FROM alerts") == []


def test_healthy_is_not_all_that_is_said_of_a_figure_below_the_floor(live):
    live.run("label", CSV=outcomes(live, 1, rows=slice(0, 60), wrong=12))
    found = live.run("check").stdout
    assert re.search(r"accuracy 0.7667 \[.*\], .*: healthy so far: below the floor, but the evidence does not suffice to call it a drop\n", found), found


def test_whoever_is_told_of_a_drop_is_told_of_the_days_of_the_drop(live):
    """A good day and a bad one: together they would still be near the floor."""
    later = (datetime.now(timezone.utc) + timedelta(days=1)).isoformat()
    live.run("label", CSV=outcomes(live, 1))
    live.run("predict", CSV=world(live, 9, rows=60), OUT=live.root.parent / "answers-9.csv", LEAN_NOW=later)
    live.run("label", CSV=outcomes(live, 9, wrong=40), LEAN_NOW=later)
    line = live.run("check", code=3, LEAN_NOW=later).stdout
    told = re.fullmatch(r"cancer v1: accuracy (0\.\d+) \[.*\] on the 60 labels since (\S+), 360 labels for 360 matured predictions \(100.0%\), floor 0.9\d*: dropped\n", line)
    assert told and float(told[1]) < 0.5 and told[2] == later[:10]
    assert live.sql("SELECT since, value_labels FROM checks") == [(told[2], 60)]


def test_a_check_that_failed_is_an_alert_until_one_succeeds(live):
    edit(live, "[columns]", "[column]")
    assert "check: ALERT cancer: check failed: " in live.run("check", code=1).stderr
    edit(live, "[column]", "[columns]")
    assert "cancer: the alert 'check failed' is over\n" in live.run("check").stdout


def test_a_branch_without_the_model_does_not_hide_that_it_is_live(live):
    path = live.root / "models/cancer/model.toml"
    text = path.read_bytes()
    path.unlink()  # as git checkout leaves it: what git does not know stays
    assert "its model.toml is not there: another branch may have it    next: make restore MODEL=cancer\n" in live.run("status").stdout
    for script in ("check", "drift", "retrain"):
        done = live.run(script, code=1).stderr
        assert f"{script}: ALERT cancer: {script} failed: " in done and "model.toml is not there, and a version of the model is live. Does another branch have it?" in done
    live.run("predict", MODEL="cancer", CSV="data/cancer/train/0001.csv")
    live.run("report")
    live.run("restore", MODEL="cancer")
    assert path.read_bytes() == text and "the alert 'check failed' is over" in live.run("check").stdout


@pytest.mark.parametrize("script", ["check", "drift"])
def test_a_lost_record_is_brought_back_by_whoever_looks_first(live, script):
    before = live.sql("SELECT tag FROM versions"), live.sql("SELECT v.version, name, p.value FROM params p JOIN versions v USING (run_id) ORDER BY 1, 2"), live.sql("SELECT tag FROM deployments")
    (live.root / "metrics.db").unlink()
    assert f"{script}: cancer: metrics.db did not have cancer/deploy-1, cancer/v1" in live.run(script).stderr
    assert (live.sql("SELECT tag FROM versions"), live.sql("SELECT v.version, name, p.value FROM params p JOIN versions v USING (run_id) ORDER BY 1, 2"), live.sql("SELECT tag FROM deployments")) == before
    connection = sqlite3.connect(live.root / "metrics.db")
    with connection:  # as a kill between the rows and their figures leaves it
        connection.execute("DELETE FROM metrics")
    connection.close()
    live.run("drift")
    assert live.sql("SELECT count(DISTINCT version) FROM metrics") == live.sql("SELECT count(*) FROM versions")


def test_nothing_new_is_read_twice_and_a_rewritten_log_is_read_again(live):
    live.run("label", CSV=outcomes(live, 1))
    live.run("check")
    before = day(live)
    log, = (live.root / "data/cancer/predictions").glob("*.csv")
    live.run("check")
    assert day(live) == before
    text = log.read_text().splitlines()
    log.write_text("\n".join(text[:101]) + "\n")  # rotated or truncated by hand
    live.run("check")
    assert day(live)[:2] == (100, 100)
    log.write_text("\n".join(text) + "\n")
    live.run("check")
    assert day(live) == before
    log.touch()
    time.sleep(0.2)  # longer than a tick of the clock that marks files
    live.run("check")
    assert day(live) == before
    place = 150 + next(i for i, line in enumerate(text[150:]) if ",malignant," in line)  # far from both ends of the file
    log.write_text("\n".join([*text[:place], text[place].replace(",malignant,", ",MALIGNANT,"), *text[place + 1:]]) + "\n")
    live.run("check")
    assert day(live)[:2] == before[:2] and abs(day(live)[2] - before[2]) == 1
    log.write_text("\n".join(text) + "\n")
    time.sleep(0.2)
    live.run("check")
    assert day(live) == before
    for path in (live.root / "data/cancer/predictions/.index").iterdir():
        path.unlink()
    live.run("check")
    assert day(live) == before
    assert live.sql("SELECT sum(fed_labels) FROM outcomes") == [(300,)]


def test_a_torn_last_line_is_not_read_until_it_is_whole(live):
    log, = (live.root / "data/cancer/predictions").glob("*.csv")
    whole = log.read_bytes()
    log.write_bytes(whole[:-20])
    live.run("check")
    assert day(live)[0] == 299
    log.write_bytes(whole)
    live.run("check")
    assert day(live)[0] == 300


@pytest.mark.slow
def test_ids_and_classes_with_commas_quotes_and_line_breaks_are_joined(project):
    ids = ['a,b', 'say "hi"', "two\nlines", "ünï", "x" * 70, *(f"c{i}" for i in range(60))]
    rows = pd.DataFrame({"key_id": ids, "size": np.arange(65.0), "kind": ['big, "very"' if i % 2 else "small" for i in range(65)]})
    source = project.root.parent / "odd.csv"
    rows.to_csv(source, index=False)
    project.run("new", MODEL="odd", CSV=source, TARGET="kind", ID="key_id")
    edit(project, "min = {accuracy = 0.507}", "min = {accuracy = 0.0}", model="odd")
    project.run("train", MODEL="odd")
    project.run("deploy", MODEL="odd")
    project.run("predict", MODEL="odd", CSV=source)
    project.run("label", MODEL="odd", CSV=source)
    project.run("check", MODEL="odd")
    said = pd.read_csv(next((project.root / "data/odd/predictions").glob("*.csv")))
    assert day(project, "odd")[:3] == (65, 65, (said["prediction"] != rows["kind"]).sum())


@pytest.mark.parametrize("text, words", [
    ("id,label\n1,purple\n", "line 2, label: 'purple' is not one of the allowed values"),
    ("id,label\n1,\n", "line 2, label: is missing"),
    ("id,truth\n1,benign\n", "needs a column id and a column label (or diagnosis); it has: id, truth."),
    ("id,label,time\n1,benign,soon\n", "line 2, time: 'soon' is not a time"),
])
def test_labels_that_do_not_fit_are_refused_whole(live, text, words):
    path = live.root.parent / "bad.csv"
    path.write_text(text)
    done = live.run("label", code=2, CSV=path)
    assert words in done.stderr and not list((live.root / "data/cancer/labels").glob("*.csv"))


def test_the_simple_rule_judges_the_window_alone(live):
    edit(live, "[columns]", '[monitor]\nrule = "simple"\nwindow = "24h"\nfloor = 0.9\n\n[columns]')
    live.run("label", CSV=outcomes(live, 1, wrong=60))
    assert ", floor 0.9: dropped" in live.run("check", code=3).stdout
    edit(live, "floor = 0.9", "floor = 0.7")
    assert ", floor 0.7: healthy" in live.run("check").stdout
    assert live.sql("SELECT DISTINCT rule FROM checks") == [("simple",)]


def test_predictions_are_judged_once_they_have_matured(live):
    edit(live, "[columns]", '[monitor]\nmatures = "2d"\n\n[columns]')
    live.run("label", CSV=outcomes(live, 1, wrong=200))
    assert "0 labels for 0 matured predictions" in live.run("check").stdout


def test_a_drop_is_healed_by_a_version_that_learnt_the_new_world(live):
    changed_world(live)
    done = live.run("retrain")
    assert "cancer: part 0002 taken in, 600 labelled predictions\n" in done.stdout
    assert "must be better (p = " in done.stdout and "cancer v3 is live (deployment 2, tag cancer/deploy-2)" in done.stdout
    assert os.readlink(live.root / "models/cancer/production") == "v3"
    (outcome, reason, p_value), = live.sql("SELECT outcome, reason, p_value FROM retrains")
    assert outcome == "deployed" and reason.startswith("accuracy dropped to 0.") and p_value < 0.05
    assert live.sql("SELECT action, replaced FROM production") == [("retrain", 1)]
    assert live.sql("SELECT kind FROM alerts WHERE resolved IS NULL") == []
    assert "went live by retraining" in live.run("history").stdout
    manifest = json.loads((live.root / "models/cancer/v3/manifest.json").read_bytes())
    assert manifest["refit"] and "the newest 200 labelled rows" in manifest["holdout"]
    assert "not enough labels yet" in live.run("retrain").stdout  # the new version starts with a clean slate
    assert live.sql("SELECT count(*) FROM retrains") == [(1,)]


def test_cooldown_and_budget_postpone_and_say_so(live):
    edit(live, "[columns]", '[retrain]\ncooldown = "6h"\n\n[columns]')
    live.run("label", CSV=outcomes(live, 1, wrong=150))  # noise: nothing can be learnt from it
    assert live.run("retrain", code=3).stderr.count("ALERT") == 2
    done = live.run("retrain", code=3)  # as check says it: the accuracy is what it is
    assert "retraining is due (accuracy dropped to 0." in done.stdout and "postponed: the last one was at" in done.stdout
    edit(live, 'cooldown = "6h"', 'cooldown = "0m"\nmax_per_week = 1')
    assert "postponed: 1 retrainings in the last 7 days, max_per_week = 1" in live.run("retrain", code=3).stdout
    edit(live, "max_per_week = 1", "max_per_week = 7")
    edit(live, 'cooldown = "0m"', 'cooldown = "10d"')
    later = (datetime.now(timezone.utc) + timedelta(days=8)).isoformat()
    assert "cooldown = 10d" in live.run("retrain", code=3, LEAN_NOW=later).stdout
    assert {outcome for outcome, in live.sql("SELECT outcome FROM retrains WHERE id > 1")} == {"postponed"}
    assert os.readlink(live.root / "models/cancer/production") == "v1"
    assert live.sql("SELECT kind FROM alerts WHERE resolved IS NULL ORDER BY kind") == [("dropped",), ("refused",)]


def test_a_deployed_version_that_does_worse_than_the_one_before_is_rolled_back(live):
    live.run("label", CSV=outcomes(live, 1))
    live.run("check")
    edit(live, 'min = {accuracy = 0.9, recall = 0.85}\nrequire = "not_worse"', 'min = {accuracy = 0.5}\nrequire = "off"')
    edit(live, "sklearn.linear_model.LogisticRegression", "sklearn.dummy.DummyClassifier")
    edit(live, "params = {C = 0.5, max_iter = 1000}", "params = {}")
    live.run("train")
    live.run("deploy")
    live.run("predict", CSV=world(live, 8), OUT=live.root.parent / "answers-8.csv")
    live.run("label", CSV=outcomes(live, 8))
    done = live.run("retrain")
    assert "cancer v1 is live (deployment 3" in done.stdout and "ALERT cancer: v3 was rolled back to v1: accuracy 0.6" in done.stderr
    assert live.sql("SELECT action, version FROM production") == [("rollback", 1)]


def test_cron_skips_a_model_that_is_being_worked_on(live):
    import fcntl
    with open(live.root / "models/cancer/.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = live.run("retrain", TRIGGER="cron", MODEL="cancer")
    assert done.stdout.startswith("cancer: skipped: another command is at work on this model.")
    assert live.sql("SELECT trigger, status FROM runs ORDER BY id DESC LIMIT 1") == [("cron", "done")]


class Webhook(http.server.BaseHTTPRequestHandler):
    answer, got = 200, []

    def do_POST(self):
        type(self).got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(type(self).answer)
        self.end_headers()

    def log_message(self, *_):
        return


@pytest.fixture
def webhook():
    Webhook.answer, Webhook.got = 200, []
    server = http.server.HTTPServer(("127.0.0.1", 0), Webhook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/secret"
    server.shutdown()
    server.server_close()


def test_the_webhook_gets_each_alert_once_and_a_dead_one_loses_none(live, webhook):
    live.run("label", CSV=outcomes(live, 1, wrong=150))
    done = live.run("check", code=3, WEBHOOK_URL="http://127.0.0.1:9/secret")
    assert "warning: the webhook did not take 1 alert: ConnectionRefusedError. The next command tries again." in done.stderr
    for address, problem in {"file:///etc/hostname": "its address begins with neither http:// nor https://", "http://": "URLError", "http://[": "ValueError"}.items():
        assert f"did not take 1 alert: {problem}. The next" in live.run("check", code=3, WEBHOOK_URL=address).stderr
    Webhook.answer = 500
    assert "it answered 500" in live.run("check", code=3, WEBHOOK_URL=webhook).stderr
    tomorrow = (datetime.now(timezone.utc) + timedelta(hours=25)).isoformat()
    assert "check: ALERT cancer: the webhook has not taken the alert of " in live.run("check", code=3, WEBHOOK_URL=webhook, LEAN_NOW=tomorrow).stderr
    Webhook.answer = 200
    live.run("check", code=3, WEBHOOK_URL=webhook)
    live.run("check", code=3, WEBHOOK_URL=webhook)
    assert len(Webhook.got) == 4 and Webhook.got[2]["text"].startswith("cancer: cancer v1: accuracy 0.")
    assert live.sql("SELECT kind, attempts, delivered IS NOT NULL, resolved IS NOT NULL FROM alerts") == [("dropped", 7, 1, 0), ("webhook", 1, 1, 1)]
    everything = "".join(path.read_text(errors="replace") for path in [live.root / "metrics.db", live.root / "models/cancer/audit.jsonl"])
    assert "/secret" not in everything


def test_a_webhook_file_that_others_can_read_is_not_used(live, webhook):
    (live.root / ".webhook").write_text(webhook)
    (live.root / ".webhook").chmod(0o644)
    live.run("label", CSV=outcomes(live, 1, wrong=150))
    assert "can be read by others, so it is not used" in live.run("check", code=3).stderr and Webhook.got == []
    (live.root / ".webhook").chmod(0o600)
    live.run("check", code=3)
    assert len(Webhook.got) == 1


def test_a_check_without_news_imports_neither_numpy_nor_pandas(live):
    import subprocess
    import sys
    live.run("label", CSV=outcomes(live, 1))
    live.run("check")
    code = "import sys; sys.path.insert(0, 'scripts'); import check; code = check.main([]); heavy = {'pandas', 'sklearn', 'numpy'} & set(sys.modules); assert not heavy, heavy; sys.exit(code)"
    done = subprocess.run([sys.executable, "-c", code], cwd=live.root, env=live.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_regression_is_watched_by_its_error(project):
    live_diabetes(project)
    out = project.root.parent / "out.csv"
    project.run("predict", MODEL="diabetes", CSV="data/diabetes/train/0001.csv", OUT=out)
    said, true = pd.read_csv(out), pd.read_csv(project.root / "data/diabetes/train/0001.csv")["progression"]
    labels = project.root.parent / "labels.csv"
    pd.DataFrame({"id": said["id"], "progression": true}).to_csv(labels, index=False)
    project.run("label", MODEL="diabetes", CSV=labels)
    mae = (said["prediction"] - true).abs().mean()
    half = 1.96 * (said["prediction"] - true).abs().std(ddof=0) / len(true) ** 0.5
    assert f"diabetes v1: mae {mae:.4f} [{mae - half:.4f}, {mae + half:.4f}]" in project.run("check", MODEL="diabetes").stdout
    limit, = project.sql("SELECT floor FROM checks")[0]
    assert limit == float(f"{limit:.12g}")  # 50 that was named is not kept as 50.00000000000001
    true.loc[:200] += 600  # far beyond where errors are clipped
    errors = (said["prediction"] - true).abs()
    half = 1.96 * errors.std(ddof=0) / len(true) ** 0.5
    pd.DataFrame({"id": said["id"], "progression": true}).to_csv(labels, index=False)
    project.run("label", MODEL="diabetes", CSV=labels)
    assert f"mae {errors.mean():.4f} [{errors.mean() - half:.4f}, {errors.mean() + half:.4f}]" in project.run("check", MODEL="diabetes", code=3).stdout
    assert project.sql("SELECT mae, accuracy FROM accuracy_by_day WHERE model = 'diabetes'") == [(round(errors.mean(), 4), None)]
    connection = sqlite3.connect(project.root / "metrics.db")
    connection.executescript("ALTER TABLE outcomes DROP COLUMN error_squares; ALTER TABLE outcomes DROP COLUMN fed_corrections; DROP INDEX runs_of_all; DROP TRIGGER versions_once; DROP TRIGGER deployments_once; ALTER TABLE checks DROP COLUMN value_labels; ALTER TABLE log_positions DROP COLUMN identity; PRAGMA user_version = 8")  # as older scripts left it
    connection.close()
    assert f"[{errors.mean() - half:.4f}, {errors.mean() + half:.4f}]" in project.run("check", MODEL="diabetes", code=3).stdout


def test_corrections_of_labels_that_were_judged_are_judged_too(live):
    live.run("label", CSV=outcomes(live, 1))
    assert live.run("check").stdout.endswith(": healthy\n")
    live.run("label", CSV=outcomes(live, 1, wrong=300))
    assert ": dropped\n" in live.run("check", code=3).stdout


def test_another_floor_judges_everything_again(live):
    live.run("label", CSV=outcomes(live, 1, wrong=60))
    edit(live, "[columns]", "[monitor]\nfloor = 0.5\ntolerance = 0.9\n\n[columns]")
    assert "floor 0.5: healthy" in live.run("check").stdout
    edit(live, "floor = 0.5", "floor = 0.99")
    assert "floor 0.99: dropped" in live.run("check", code=3).stdout


def test_a_line_that_nobody_can_read_keeps_no_model_unwatched(live):
    log, = (live.root / "data/cancer/predictions").glob("*.csv")
    with log.open("a") as file:
        file.write(",,,,\nx,soon,abc,benign,n/a\n")
    live.run("label", CSV=outcomes(live, 1))
    assert "300 labels for 300 matured predictions" in live.run("check").stdout


def test_status_shows_the_last_check_and_open_alerts(live):
    live.run("label", CSV=outcomes(live, 1, wrong=150))
    live.run("check", code=3)
    line = live.run("status").stdout.splitlines()[1].split()
    assert line[:2] == ["cancer", "v1"] and line[line.index("300"):] == ["300", "never", "dropped", line[-3], "none", "dropped"]


@pytest.mark.slow
def test_retraining_an_id_model_twice_on_the_same_labels_is_no_failure(project):
    two_halves(project, "id", pd.DataFrame({"key_id": [f"k{i}" for i in range(700)], "x": np.random.default_rng(0).normal(size=700).round(3)}), 300, ID="key_id")
    for _ in range(2):
        project.run("retrain", MODEL="id", FORCE=1, code=3)  # nothing better to be found
    assert len(list((project.root / "data/id/train").glob("*.csv"))) == 2


def test_the_simple_rule_s_window_ends_with_the_newest_labelled_prediction(live):
    edit(live, "[columns]", '[monitor]\nrule = "simple"\nwindow = "24h"\nfloor = 0.9\n\n[columns]')
    live.run("label", CSV=outcomes(live, 1, wrong=60))
    later = (datetime.now(timezone.utc) + timedelta(days=3)).isoformat()
    assert ", floor 0.9: dropped" in live.run("check", code=3, LEAN_NOW=later).stdout


def test_the_simple_rule_s_window_of_labels_holds_no_more_than_that(live):
    """A hundred good labels on one day, then twenty bad ones: of the newest forty half are wrong."""
    edit(live, "[columns]", '[monitor]\nrule = "simple"\nwindow = "40"\nfloor = 0.7\nmin_labels = 30\n\n[columns]')
    live.run("label", CSV=outcomes(live, 1, rows=slice(0, 100)))
    later = (datetime.now(timezone.utc) + timedelta(days=1)).isoformat()
    live.run("predict", CSV=world(live, 9, rows=20), OUT=live.root.parent / "answers-9.csv", LEAN_NOW=later)
    live.run("label", CSV=outcomes(live, 9, wrong=20), LEAN_NOW=later)
    found = re.search(r"accuracy (0\.\d+) \[", live.run("check", code=3, LEAN_NOW=later).stdout)
    assert 0.4 < float(found[1]) <= 0.5


def test_a_line_with_a_quote_too_many_does_not_hide_what_follows_it(live):
    log, = (live.root / "data/cancer/predictions").glob("*.csv")
    text = log.read_text().splitlines(keepends=True)
    text[5] = '"' + text[5]
    log.write_text("".join(text))
    live.run("label", CSV=outcomes(live, 1))
    done = live.run("check")
    assert "299 labels for 299 matured predictions" in done.stdout
    assert f"warning: {log}: 1 line(s) with a quote too many, changed by hand, are left out." in done.stderr
    assert "warning" not in live.run("check").stderr
    text[5] = text[5][1:]
    log.write_text("".join(text))
    assert "300 labels for 300 matured predictions" in live.run("check").stdout


@pytest.mark.slow
def test_another_largest_mae_counts_every_error_anew(project):
    live_diabetes(project)
    out = project.root.parent / "out.csv"
    project.run("predict", MODEL="diabetes", CSV="data/diabetes/train/0001.csv", OUT=out)
    labels = project.root.parent / "labels.csv"
    pd.DataFrame({"id": pd.read_csv(out)["id"], "label": pd.read_csv(project.root / "data/diabetes/train/0001.csv")["progression"]}).to_csv(labels, index=False)
    project.run("label", MODEL="diabetes", CSV=labels)
    project.run("check", MODEL="diabetes")
    (errors, losses), = project.sql("SELECT sum(errors), sum(losses) FROM outcomes")
    edit(project, "[columns]", "[monitor]\nfloor = 25\n\n[columns]", model="diabetes")
    assert "limit 25: dropped" in project.run("check", MODEL="diabetes", code=3).stdout
    (again, smaller_unit), = project.sql("SELECT sum(errors), sum(losses) FROM outcomes")
    assert again == pytest.approx(errors) and 1.6 * losses < smaller_unit < 2 * losses  # half the unit; errors are clipped at four of it
    assert project.sql("SELECT DISTINCT bound FROM outcomes") == [(25.0,)]


@pytest.mark.slow
def test_what_a_version_shows_in_its_first_fourteen_days_is_what_it_is_held_to_from_then_on(project):
    live_diabetes(project)
    edit(project, "max = {mae = 50.0}", "", model="diabetes")
    edit(project, "[columns]", "[monitor]\nmin_labels = 20\n\n[columns]", model="diabetes")
    out, labels = project.root.parent / "out.csv", project.root.parent / "labels.csv"
    rows = pd.read_csv(project.root / "data/diabetes/train/0001.csv")[:420]
    rows.to_csv(project.root.parent / "rows.csv", index=False)
    project.run("predict", MODEL="diabetes", CSV=project.root.parent / "rows.csv", OUT=out)
    log, = (project.root / "data/diabetes/predictions").glob("*.csv")
    header, *lines = log.read_text().splitlines(keepends=True)
    log.unlink()
    start = datetime.now(timezone.utc) + timedelta(days=1)
    for day in range(14):  # as if thirty had been asked for each day
        date = f"{start + timedelta(days=day):%Y-%m-%d}"
        moved = "".join(re.sub(r"(?<=,)20\d\d-\d\d-\d\dT[^,]*Z(?=,1,)", f"{date}T10:00:00Z", line) for line in lines[30 * day:30 * day + 30])
        (log.parent / f"{date}.csv").write_text(header + moved)
    told = pd.DataFrame({"id": pd.read_csv(out)["id"], "label": rows["progression"]})
    told.to_csv(labels, index=False)
    project.run("label", MODEL="diabetes", CSV=labels)

    def limit(days):
        line = project.run("check", MODEL="diabetes", LEAN_NOW=(start + timedelta(days=days)).isoformat()).stdout
        return float(re.search(r"limit ([\d.]+): healthy", line)[1])
    holdout = limit(13)
    assert limit(14) == holdout  # the fourteenth day may still get labels
    rows[:60].to_csv(project.root.parent / "rows.csv", index=False)
    project.run("predict", MODEL="diabetes", CSV=project.root.parent / "rows.csv", OUT=out, LEAN_NOW=(start + timedelta(days=14)).isoformat())
    told[:60].assign(id=pd.read_csv(out)["id"]).to_csv(labels, index=False)
    project.run("label", MODEL="diabetes", CSV=labels, LEAN_NOW=(start + timedelta(days=14)).isoformat())
    shown = limit(15)
    assert 1.1 * 38 < shown < 0.95 * holdout
    assert limit(40) == shown


@pytest.mark.slow
def test_a_retraining_that_was_killed_before_it_was_noted_is_noted_by_the_next(live):
    changed_world(live)
    live.run("retrain")
    noted = live.sql("SELECT reason, outcome, detail FROM retrains")
    connection = sqlite3.connect(live.root / "metrics.db")
    connection.executescript("DELETE FROM retrains")
    connection.close()
    live.run("retrain")
    assert live.sql("SELECT reason, outcome, detail FROM retrains") == noted
    assert live.sql("SELECT r.time = d.time FROM retrains r JOIN deployments d ON d.action = 'retrain'") == [(1,)]


def test_a_version_that_a_killed_retraining_had_registered_goes_live(live):
    connection = sqlite3.connect(live.root / "metrics.db")
    connection.executescript("UPDATE runs SET script = 'retrain', status = 'killed' WHERE id = (SELECT run_id FROM versions WHERE version = 2)")
    connection.close()
    assert "cancer v2 is live (deployment 2" in live.run("retrain").stdout
    assert live.sql("SELECT outcome, detail FROM retrains") == [("deployed", "v2 replaced v1")]


@pytest.mark.slow
def test_a_periodic_try_that_finds_nothing_better_wakes_nobody(live):
    edit(live, "[columns]", '[retrain]\nevery = "1d"\n\n[columns]')
    tomorrow = (datetime.now(timezone.utc) + timedelta(days=1, hours=1)).isoformat()
    live.run("label", CSV=outcomes(live, 1))
    done = live.run("retrain", LEAN_NOW=tomorrow)
    assert "cancer: nothing better was found, v1 stays\n" in done.stdout and done.stderr == ""
    assert live.sql("SELECT reason, outcome FROM retrains") == [("every 1d", "refused")] and live.sql("SELECT * FROM alerts") == []


@pytest.mark.slow
@pytest.mark.parametrize("every, budget, reason", [("1d", 7, "every 1d"), ("6d", 7, "every 6d, sooner: a drop is suspected"), ("9d", 7, None), ("6d", 1, None)])
def test_a_periodic_try_amid_a_drop_that_is_not_proved_yet_comes_sooner_and_is_examined_on_what_came_since(live, every, budget, reason):
    edit(live, "[columns]", f'[retrain]\nevery = "{every}"\nmax_per_week = {budget}\n\n[columns]')
    live.run("label", CSV=outcomes(live, 1))
    for days in (1, 2):
        later = (datetime.now(timezone.utc) + timedelta(days=days)).isoformat()
        live.run("predict", CSV=world(live, 8 + days), OUT=live.root.parent / f"answers-{8 + days}.csv", LEAN_NOW=later)
        live.run("label", CSV=outcomes(live, 8 + days, wrong=76), LEAN_NOW=later)
    done = live.run("retrain", LEAN_NOW=later)
    (evidence, alarm_at), = live.sql("SELECT evidence, alarm_at FROM checks")
    assert 20 <= evidence < alarm_at
    assert [row[0] for row in live.sql("SELECT reason FROM retrains")] == ([reason] if reason else [])
    assert ("on the same 200 rows" in done.stdout) == bool(reason)  # a third of the 600 since then, and not a quarter of all 900


@pytest.mark.slow
def test_a_periodic_try_waits_for_labels_and_keeps_no_small_parts(live):
    edit(live, "[columns]", '[retrain]\nevery = "1d"\n\n[columns]')
    live.run("label", CSV=outcomes(live, 1, rows=slice(0, 60)))
    for days in (2, 4, 6):
        later = (datetime.now(timezone.utc) + timedelta(days=days)).isoformat()
        assert "postponed: 60 labelled rows that the live version has not learnt from; 100 are needed" in live.run("retrain", LEAN_NOW=later).stdout
    assert [path.name for path in sorted((live.root / "data/cancer/train").glob("*.csv"))] == ["0001.csv"]
    assert live.sql("SELECT outcome FROM retrains") == [("postponed",)]


@pytest.mark.slow
def test_a_regression_that_is_as_bad_as_its_own_holdout_said_is_rolled_back_where_the_one_before_was_better(project):
    """With `require` off and no limit a person may deploy anything; its errors are measured by its own mae, those of the version before by that one's."""
    edit(project, 'max = {mae = 50.0}\nrequire = "not_worse"', 'require = "off"', model="diabetes")
    live_diabetes(project)
    base, source = project.root.parent, "data/diabetes/train/0001.csv"
    true = pd.read_csv(project.root / source)["progression"]
    for estimator, out in (('estimator = "sklearn.linear_model.Ridge"', "first.csv"), ('estimator = "sklearn.dummy.DummyRegressor"\nparams = {strategy = "constant", constant = 3000.0}', "second.csv")):
        if out == "second.csv":
            edit(project, 'estimator = "sklearn.linear_model.Ridge"', estimator, model="diabetes")
            project.run("train", MODEL="diabetes")
            project.run("deploy", MODEL="diabetes")
        project.run("predict", MODEL="diabetes", CSV=source, OUT=base / out)
        pd.DataFrame({"id": pd.read_csv(base / out)["id"], "label": true}).to_csv(base / "labels.csv", index=False)
        project.run("label", MODEL="diabetes", CSV=base / "labels.csv")
        project.run("check", MODEL="diabetes")
    done = project.run("retrain", MODEL="diabetes")
    assert f"ALERT diabetes: v2 was rolled back to v1: mae {(3000 - true).abs().mean():.4g} on 442 labels, where v1 would be expected to have at most " in done.stderr
    assert project.sql("SELECT action, version FROM production WHERE model = 'diabetes'") == [("rollback", 1)]


@pytest.mark.slow
def test_where_the_world_has_changed_the_version_before_is_no_way_out(live):
    """The new version does worse than the old one did; but on the same rows the old one does no better."""
    live.run("label", CSV=outcomes(live, 1))
    live.run("check")
    live.run("deploy")
    edit(live, "[columns]", "[monitor]\nfloor = 0.01\ntolerance = 0.98\n\n[columns]")  # the check itself is content
    live.run("predict", CSV=world(live, 8, changed=True), OUT=live.root.parent / "answers-8.csv")
    live.run("label", CSV=outcomes(live, 8))
    done = live.run("retrain")
    assert "cancer: v2 does worse than v1 did, which would do no better now: accuracy 0." in done.stdout and "no rollback" in done.stdout
    assert live.sql("SELECT action, version FROM production") == [("deploy", 2)]
    assert "does worse" not in live.run("retrain").stdout


def test_retraining_lowers_what_is_asked_for_never_and_a_person_may():
    from lib.config import parse
    conf = parse((ROOT / "models/cancer/model.toml").read_text())
    def registry(*steps):
        wrong = {1: 5, 2: 30, 3: 2}
        versions = {n: Version("m", n, f"m/v{n}", "", "", "", {"wrong": wrong[n], "holdout_rows": 100, "metric": "accuracy"}) for n in wrong}
        found, live = [], None
        for place, (action, version) in enumerate(steps, start=1):
            found.append(Deployment(place, version, live, action, f"m/deploy-{place}", {}))
            live = version
        return Registry(versions, found, [])
    alone = {n: bounds.at_deployment(conf, registry(("deploy", n))) for n in (1, 2, 3)}
    assert alone[3] < alone[1] < alone[2]
    assert bounds.at_deployment(conf, registry(("deploy", 1), ("retrain", 2))) == alone[1]
    assert bounds.at_deployment(conf, registry(("deploy", 1), ("retrain", 3), ("retrain", 2))) == alone[3]
    assert bounds.at_deployment(conf, registry(("deploy", 1), ("retrain", 3), ("rollback", 1))) == alone[1]
    assert bounds.at_deployment(conf, registry(("deploy", 1), ("retrain", 3), ("deploy", 2))) == alone[2]


def config_of_diabetes(limit: float | None):
    from lib.config import parse
    conf = parse((ROOT / "models/diabetes/model.toml").read_text().replace("max = {mae = 50.0}", f"max = {{mae = {limit}}}" if limit else ""))
    assert conf.thresholds.max == ({"mae": limit} if limit else {})
    return conf


def first_days_of(mae: float, limit: float | None, reached: float = 1.0, labels: int = 100) -> list[str]:
    """The verdicts on three days of exponential errors, of a regression that had `reached` on its holdout and is allowed `limit`."""
    from lib import sequential
    conf = config_of_diabetes(limit)
    version = Version("m", 1, "m/v1", "", "", "", {"mae": reached, "holdout_rows": 1000, "metric": "mae"})
    known = Registry({1: version}, [Deployment(1, 1, None, "deploy", "m/deploy-1", {})], [])
    state, verdicts, rng = sequential.start(*bounds.of_live(conf, known)), [], np.random.default_rng(0)
    for day in range(3):
        losses = outcomes_of(rng.exponential(mae, labels), bounds.yardstick(conf, known, 1))
        state = sequential.update(state, day, labels, losses.sum(), (losses ** 2).sum())
        verdicts.append(sequential.decide(state).verdict)
    return verdicts


def outcomes_of(errors, bound):
    from lib.outcomes import Judge
    return Judge(True, {1: bound}, {}).losses(errors.view("u8"), np.zeros(len(errors)).view("u8"), np.ones(len(errors), int))[0]


@pytest.mark.parametrize("limit", [None, 1.2, 4.0, 1000.0])
def test_an_error_that_has_tripled_is_a_drop_however_wide_its_limit_and_one_as_before_is_none(limit):
    assert first_days_of(1.0, limit) == ["healthy"] * 3
    assert first_days_of(3.0, limit)[1:] == ["dropped"] * 2


def test_twice_the_error_is_found_beside_a_few_huge_ones_that_are_clipped():
    """One error in a hundred is fifty times as large: they make a third of the mae, and hardly count once clipped."""
    from lib import sequential
    def errors(count, rng):
        return np.abs(rng.normal(size=count)) * np.where(rng.random(count) < 0.01, 50, 1)
    conf, rng = config_of_diabetes(None), np.random.default_rng(0)
    holdout = errors(2000, rng)
    version = Version("m", 1, "m/v1", "", "", "", {"mae": holdout.mean(), "clipped": bounds.clipped(holdout), "holdout_rows": 2000, "metric": "mae"})
    known = Registry({1: version}, [Deployment(1, 1, None, "deploy", "m/deploy-1", {})], [])
    state, found = sequential.start(*bounds.of_live(conf, known)), None
    for day in range(80):
        losses = outcomes_of(errors(200, rng) * (1 if day < 30 else 2), bounds.yardstick(conf, known, 1))
        state = sequential.update(state, day, 200, losses.sum(), (losses ** 2).sum())
        found = found if found is not None or sequential.decide(state).verdict != "dropped" else day
    assert found is not None and 30 <= found < 60


def test_what_a_holdout_comes_to_is_no_less_than_its_clipped_errors_whatever_they_are_measured_by():
    holdout = np.random.default_rng(0).lognormal(0, 1.5, 1000)
    entry = {"mae": holdout.mean(), "clipped": bounds.clipped(holdout), "holdout_rows": 1000}
    for unit in (1.0, 4.0, entry["clipped"]["at"], 50.0, 1000.0):
        loss, labels = bounds.clipped_loss(entry, unit)
        assert holdout.clip(max=unit).mean() / unit * (1 - 1e-12) <= loss <= min(holdout.mean() / unit, 1.0) and labels > 0


def test_a_regression_without_any_error_on_its_holdout_can_be_judged():
    assert first_days_of(0.0, None, reached=0.0) == ["healthy"] * 3
    assert first_days_of(0.1, None, reached=0.0)[-1] == "dropped"


@pytest.mark.slow
def test_a_case_whose_label_was_corrected_is_learnt_anew(project):
    rows = two_halves(project, "id", pd.DataFrame({"key_id": [f"k{i}" for i in range(700)], "x": np.random.default_rng(0).normal(size=700).round(3)}), 300, ID="key_id")
    project.run("retrain", MODEL="id", FORCE=1, code=3)
    rows.loc[300:319, "y"] = rows.loc[300:319, "y"].map({"up": "down", "down": "up"})
    corrected = project.root.parent / "corrected.csv"
    rows[300:320][["key_id", "y"]].to_csv(corrected, index=False)
    project.run("label", MODEL="id", CSV=corrected)
    assert "part 0003 taken in, 20 labelled predictions" in project.run("retrain", MODEL="id", FORCE=1, code=3).stdout
    manifest_rows = project.run("train", MODEL="id", FORCE=1).stdout
    learnt, examined = (int(word.replace(",", "")) for word in re.search(r"id: ([\d,]+) rows to learn from, ([\d,]+) to examine", manifest_rows).groups())
    assert learnt + examined == 700  # the twenty are there once


@pytest.mark.slow
def test_a_row_s_own_time_is_logged_and_learnt(project):
    times = pd.date_range("2026-01-01", periods=600, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ")
    two_halves(project, "timed", pd.DataFrame({"when": times, "x": np.random.default_rng(0).normal(size=600).round(4)}), 300, TIME="when")
    project.run("retrain", MODEL="timed", FORCE=1, code=3)
    assert pd.read_csv(project.root / "data/timed/train/0002.csv")["when"].tolist() == times[300:].tolist()


@pytest.mark.parametrize("feature", ["version", "prediction", "time"])
@pytest.mark.slow
def test_a_feature_named_as_a_column_of_the_log_is_learnt_as_it_was(project, feature):
    rows = two_halves(project, "named", pd.DataFrame({feature: np.random.default_rng(1).normal(size=400).round(4)}), 200)
    assert project.start("retrain", MODEL="named", FORCE=1).wait() in (0, 3)  # better or not
    assert pd.read_csv(project.root / "data/named/train/0002.csv")[feature].tolist() == rows[feature][200:].tolist()


@pytest.mark.slow
def test_a_webhook_that_drips_holds_nothing_up_for_long(live):
    import socket

    def drip(server):
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            for number in range(90):
                connection.sendall(b"X-%d: y\r\n" % number)
                time.sleep(1)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=drip, args=(server,), daemon=True).start()
        live.run("label", CSV=outcomes(live, 1, wrong=150))
        began = time.monotonic()
        done = live.run("check", code=3, WEBHOOK_URL=f"http://127.0.0.1:{server.getsockname()[1]}/secret")
        assert time.monotonic() - began < 40 and "did not take 1 alert: TimeoutError." in done.stderr


@pytest.mark.slow
def test_a_webhook_that_never_answers_holds_nothing_up_for_long_and_loses_nothing(live):
    import socket
    with socket.create_server(("127.0.0.1", 0)) as silent:
        live.run("label", CSV=outcomes(live, 1, wrong=150))
        began = time.monotonic()
        done = live.run("check", code=3, WEBHOOK_URL=f"http://127.0.0.1:{silent.getsockname()[1]}/secret")
        assert "warning: the webhook did not take 1 alert: TimeoutError. The next command tries again." in done.stderr
        assert time.monotonic() - began < 60
    assert live.sql("SELECT delivered, attempts FROM alerts") == [(None, 1)] and live.sql("SELECT verdict FROM checks") == [("dropped",)]


@pytest.mark.slow
def test_a_night_without_power_is_made_up_for_once_and_a_clock_set_back_doubles_nothing(live):
    edit(live, "[columns]", '[retrain]\nevery = "1d"\n\n[columns]')
    live.run("label", CSV=outcomes(live, 1))
    start = datetime.now(timezone.utc)
    def tick(hours):
        live.run("retrain", TRIGGER="cron", LEAN_NOW=(start + timedelta(hours=hours)).isoformat())
        return live.sql("SELECT count(*) FROM retrains WHERE outcome = 'refused'")[0][0]
    assert [tick(hours) for hours in (1, 23, 24.5)] == [0, 0, 1]
    assert [tick(hours) for hours in (30, 29, 23)] == [1, 1, 1]  # the clock goes back, by an hour and by seven
    assert [tick(hours) for hours in (120, 121, 122)] == [2, 2, 2]  # three days off, then one try
