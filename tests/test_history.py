"""make history: everything that happened to a model in one list, whoever did it and wherever it is on record."""
import json
import sqlite3

import pytest
from conftest import edit


def change(project, statement: str, *values) -> None:
    connection = sqlite3.connect(project.root / "metrics.db")
    with connection:
        connection.execute(statement, values)
    connection.close()


def words(project, **options) -> list[str]:
    return [line.split("  ", 2)[2] for line in project.run("history", MODEL="cancer", **options).stdout.splitlines()]


def test_it_tells_what_was_done_refused_failed_and_alerted_in_order_and_why(trained):
    rows = trained.root / "data/cancer/train/0001.csv"
    trained.run("deploy", REASON="as good, and simpler")
    trained.run("rollback", REASON="only a rehearsal")
    edit(trained, "min = {accuracy = 0.9, recall = 0.85}", "min = {accuracy = 0.9999}")
    trained.run("train", 3)
    trained.run("deploy", 2, VERSION=9)
    bad = trained.root.parent / "bad.csv"
    bad.write_text(rows.read_text().replace("benign", "bening", 1))
    trained.run("ingest", 2, CSV=bad)
    run, = trained.sql("SELECT max(id) FROM runs")[0]
    change(trained, "INSERT INTO alerts (model, kind, text, raised, run_id, resolved) VALUES ('cancer', 'dropped', 'accuracy fell', '2099-01-01T00:00:00Z', ?, '2099-01-02T00:00:00Z')", run)
    change(trained, "INSERT INTO retrains (run_id, model, time, reason, outcome, detail) VALUES (?, 'cancer', '2099-01-01T06:00:00Z', 'accuracy dropped to 0.8', 'postponed', '40 labelled rows')", run)
    told = words(trained)
    assert told[0].startswith("part 0001 taken in from sklearn load_breast_cancer")
    starts = ["v1 registered: accuracy 0.9727 (the first version)", "v1 went live (the newest)", "v2 registered", "v2 went live (as good, and simpler)", "back to v1 (only a rehearsal)",
              "a candidate was refused (config: ", "deploy failed: there is no version v9 of cancer", "ingest failed: ", "ALERT dropped: accuracy fell",
              "retraining was due (accuracy dropped to 0.8), postponed: 40 labelled rows", "the alert 'dropped' is over"]
    assert [start for start, line in zip(starts, told[1:], strict=True) if not line.startswith(start)] == [], told


@pytest.mark.slow
def test_daily_use_is_one_line_and_who_did_it_is_in_it(trained):
    rows = trained.root / "data/cancer/train/0001.csv"
    text = rows.read_text().splitlines(keepends=True)
    for number in (1, 2):
        part = trained.root.parent / f"{number}.csv"
        part.write_text(text[0] + "".join(text[number:number + 20]))
        scored = trained.root.parent / f"scored{number}.csv"
        trained.run("predict", CSV=part, OUT=scored)
    labels = trained.root.parent / "labels.csv"
    labels.write_text("id,label\n" + "".join(f"{line.split(',')[0]},benign\n" for line in scored.read_text().splitlines()[1:]))
    trained.run("label", CSV=labels)
    last = json.loads(trained.run("history", MODEL="cancer", JSON=1).stdout)["events"][-1]
    assert last["words"].endswith("40 rows scored in 2 files, outcomes taken in once") and last["words"].startswith("since 20")
    assert set(last) == {"time", "user", "trigger", "event", "words"} and last["user"] not in ("", "?")
    trained.run("deploy")
    assert words(trained)[-2:] == [last["words"], "v2 went live (the newest)"]


def test_what_was_live_at_a_time_with_its_end(trained):
    trained.run("deploy", LEAN_NOW="2030-05-01T12:00:00+00:00", REASON="newer")
    trained.run("rollback", LEAN_NOW="2030-06-01T12:00:00+00:00", REASON="slow")
    found = json.loads(trained.run("history", AT="2030-05-01", JSON=1).stdout)
    assert found == {"model": "cancer", "at": "2030-05-01T23:59:59Z", "version": 2, "since": "2030-05-01T12:00:00Z", "until": "2030-06-01T12:00:00Z", "event": "deploy", "user": found["user"], "reason": "newer"}
    assert "cancer: v2 was live at 2030-05-01T23:59:59Z, since 2030-05-01T12:00:00Z until 2030-06-01T12:00:00Z (deploy by" in trained.run("history", AT="2030-05-01").stdout
    assert json.loads(trained.run("history", AT="2030-05-01T11:59", JSON=1).stdout)["version"] == 1
    assert json.loads(trained.run("history", AT="2020-01-01", JSON=1).stdout) == {"model": "cancer", "at": "2020-01-01T23:59:59Z", "version": None}
