"""predict: order, probabilities, the log that holds a file's predictions whole or not at all, and what is refused."""
import contextlib
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import edit
from worlds import live_diabetes

from lib import predictions
from lib.files import ModelPaths


def rows_csv(project, name="rows.csv", count=40):
    lines = (project.root / "data/cancer/train/0001.csv").read_text().splitlines()
    path = project.root.parent / name
    path.write_text("\n".join(lines[:count + 1]) + "\n")
    return path


def log(project, model="cancer"):
    found = sorted((project.root / f"data/{model}/predictions").glob("*.csv"))
    return [row for path in found for row in csv.DictReader(io.StringIO(path.read_text()))]


def test_answers_keep_the_input_s_order_and_are_the_pipeline_s(trained):
    source, out = rows_csv(trained), trained.root.parent / "out.csv"
    done = trained.run("predict", CSV=source, OUT=out)
    assert done.stdout.splitlines()[0] == "cancer: 40 rows scored by v1"
    answers = list(csv.DictReader(out.open()))
    import joblib
    import pandas as pd
    pipeline = joblib.load(trained.root / "models/cancer/v1/model.joblib")
    frame = pd.read_csv(source)
    expected = pipeline.predict_proba(frame[list(pipeline.feature_names_in_)])
    place = list(pipeline.classes_).index("malignant")
    assert [row["prediction"] for row in answers] == list(pipeline.classes_[expected.argmax(axis=1)])
    assert np.allclose([float(row["score"]) for row in answers], expected[:, place], rtol=0, atol=1e-12)
    logged = log(trained)
    assert [(row["id"], row["prediction"], row["score"]) for row in logged] == [(row["id"], row["prediction"], row["score"]) for row in answers]
    assert {row["version"] for row in logged} == {"1"}
    assert [row["mean radius"] for row in logged] == [row["mean radius"] for row in csv.DictReader(source.open())]
    assert list(logged[0])[:5] == ["id", "time", "version", "prediction", "score"]


def test_the_same_file_is_logged_once_for_a_version_and_again_for_the_next(trained):
    source = rows_csv(trained)
    trained.run("predict", CSV=source)
    assert "are logged already, by v1" in trained.run("predict", CSV=source).stdout
    trained.run("predict", CSV=source, OUT=trained.root.parent / "again.csv")
    assert len(log(trained)) == 40
    trained.run("deploy")
    trained.run("predict", CSV=source)
    assert len(log(trained)) == 80
    assert trained.sql("SELECT version, rows FROM batches ORDER BY id") == [(1, 40), (2, 40)]


def big(project, count=60_000):
    """Rows enough for several chunks."""
    lines = (project.root / "data/cancer/train/0001.csv").read_text().splitlines()
    path = project.root.parent / "big.csv"
    with path.open("w") as file:
        file.write(lines[0] + "\n")
        for i in range(count):
            file.write(lines[1 + i % 569] + "\n")
    return path


def test_a_bad_row_in_a_late_chunk_keeps_the_whole_file_out(trained):
    source = big(trained)
    with source.open("a") as file:
        file.write(source.read_text().splitlines()[1].replace("17.99", "n/k") + "\n")
    out = trained.root.parent / "out.csv"
    done = trained.run("predict", code=2, CSV=source, OUT=out)
    assert done.stderr.splitlines()[-1] == f"predict: {source}: line 60002, mean radius: 'n/k' is not a number. Nothing of the file was kept."
    assert not out.exists() and log(trained) == []
    assert [path.name for path in (trained.root / "data/cancer/predictions").iterdir() if path.suffix in (".csv", ".tmp")] == []
    assert list(source.parent.glob(".out*")) == []


SWEPT = [pytest.param("pwrite64", 1), *(pytest.param(call, k, marks=pytest.mark.slow) for call, k in [("unlink", 1), ("rename", 1), ("rename", 2), ("fsync", 1), ("fsync", 2), ("fsync", 3), ("fsync", 4), ("pwrite64", 2), ("unlink", 2)])]


@pytest.mark.parametrize("call, kill_at", SWEPT)
def test_a_scoring_killed_anywhere_logs_each_row_once_when_typed_again(trained, call, kill_at):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    source, out = rows_csv(trained), trained.root.parent / "out.csv"
    trained.run("predict", CSV=rows_csv(trained, "before.csv", 10))
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={kill_at}", sys.executable, "scripts/predict.py"]
    subprocess.run(command, cwd=trained.root, env={**trained.env, "CSV": str(source), "OUT": str(out)}, capture_output=True)
    trained.run("predict", CSV=source, OUT=out)
    logged = log(trained)
    assert len(logged) == 50 and len({row["id"] for row in logged}) == 50
    assert len(list(csv.DictReader(out.open()))) == 40
    assert trained.sql("SELECT count(*) FROM runs WHERE status = 'running'") == [(0,)]


def test_a_torn_last_line_is_cut_off_before_the_next_rows(trained):
    trained.run("predict", CSV=rows_csv(trained, "one.csv", 5))
    path, = (trained.root / "data/cancer/predictions").glob("*.csv")
    with path.open("a") as file:
        file.write("half a li")
    trained.run("predict", CSV=rows_csv(trained, "two.csv", 6))
    assert len(log(trained)) == 11 and "half a li" not in path.read_text()


def test_rows_with_other_columns_go_to_another_file_of_the_day(tmp_path):
    paths, few, more = ModelPaths(tmp_path, "m"), predictions.header(["a"]), predictions.header(["a", "b"])
    paths.predictions.mkdir(parents=True)
    first = predictions.todays_log(paths, more)
    first.write_bytes(more + b"1,2026-05-01T08:00:00Z,1,x,,3,4\n")
    second = predictions.todays_log(paths, few)
    assert predictions.todays_log(paths, more) == first and second.name == f"{first.stem}-2.csv"
    second.write_bytes(few)
    assert predictions.todays_log(paths, few) == second


@pytest.mark.slow
def test_a_version_with_other_columns_writes_to_a_log_of_its_own(trained):
    trained.run("predict", CSV=rows_csv(trained, "one.csv", 5))
    text = (trained.root / "models/cancer/model.toml").read_text()
    (trained.root / "models/cancer/model.toml").write_text("\n".join(line for line in text.splitlines() if not line.startswith('"mean radius"')) + "\n")
    trained.run("train")
    trained.run("deploy")
    trained.run("predict", CSV=rows_csv(trained, "two.csv", 6))
    names = sorted(path.name for path in (trained.root / "data/cancer/predictions").glob("*.csv"))
    assert len(names) == 2 and names[0].endswith("-2.csv")
    assert len(log(trained)) == 11


@pytest.mark.parametrize("make_source, code, words", [
    (lambda base: base / "none.csv", 2, "none.csv is not there."),
    (lambda base: base, 2, "is a folder, not a CSV file."),
    (lambda base: write(base, ""), 2, "is empty: no header line."),
    (lambda base: write(base, "a,b\n1,2\n"), 2, "has no column 'mean radius', 'mean texture'"),
])
def test_a_file_that_does_not_fit_is_one_line(trained, make_source, code, words):
    done = trained.run("predict", code=code, CSV=make_source(trained.root.parent))
    assert words in done.stderr.splitlines()[-1]
    assert log(trained) == []


def test_a_column_that_may_be_missing_is_told_where_it_is_and_refused_where_it_is_only_written_otherwise(trained):
    edit(trained, '"mean radius" = {type = "number"', '"mean radius" = {nullable = 0.5, type = "number"')
    trained.run("train")
    trained.run("deploy")
    source = rows_csv(trained, count=3)
    text = source.read_text()
    source.write_text(text.replace("mean texture", "Mean texture", 1))  # one that may not be missing
    assert trained.run("predict", code=2, CSV=source).stderr.endswith("has no column 'mean texture', but 'Mean texture'. Give it the name that v3 knows.\n")
    source.write_text(text.replace("mean radius", "Mean_Radius", 1))
    assert trained.run("predict", code=2, CSV=source).stderr.endswith("has no column 'mean radius', but 'Mean_Radius'. Give it the name that v3 knows.\n") and log(trained) == []
    source.write_text(text.replace("mean radius", "size", 1))
    assert "has no column 'mean radius': counted as missing in every row" in trained.run("predict", CSV=source).stderr


def test_features_that_come_out_otherwise_for_other_rows_are_one_line(trained):
    (trained.root / "models/cancer/features.py").write_text("import pandas as pd\n\n\ndef build(rows):\n    return rows.drop(columns='id', errors='ignore').assign(**({'x': 1} if len(rows) > 5 else {}))\n")
    trained.run("train")
    trained.run("deploy")
    done = trained.run("predict", code=2, CSV=rows_csv(trained, count=3))
    assert "LogisticRegression can't predict these rows: " in done.stderr and done.stderr.endswith("Does `build` in features.py give the same columns whatever the rows are?\n") and log(trained) == []
    header = rows_csv(trained, count=3)
    header.write_text(header.read_text().partition("\n")[0] + "\n")
    assert trained.run("predict", code=2, CSV=header).stderr.endswith("has a header and no rows.\n")


def write(base, text):
    (base / "bad.csv").write_text(text)
    return base / "bad.csv"


def test_missing_values_and_values_out_of_range_are_scored(trained):
    source = rows_csv(trained, count=3)
    lines = source.read_text().splitlines()
    lines[1] = lines[1].replace("17.99", "")
    lines[2] = lines[2].replace("20.57", "99999")
    source.write_text("\n".join(lines))
    trained.run("predict", CSV=source)
    assert [row["mean radius"] for row in log(trained)][:2] == ["", "99999"]


def test_nothing_live_says_what_to_type(project):
    done = project.run("predict", code=2, CSV="x.csv")
    assert done.stderr == "predict: cancer has nothing live. Make a version live with: make deploy MODEL=cancer\n"


def test_out_must_be_a_file_in_a_folder_and_not_the_input(trained):
    source = rows_csv(trained)
    assert "the folder" in trained.run("predict", code=2, CSV=source, OUT=trained.root / "no/out.csv").stderr
    assert "is a folder" in trained.run("predict", code=2, CSV=source, OUT=trained.root).stderr
    assert "is the file with the rows" in trained.run("predict", code=2, CSV=source, OUT=source).stderr


FEATURES = """
import pandas as pd

def build(rows):
    group = rows.groupby("customer")
    return pd.DataFrame({"orders": group["order"].transform("count"), "spent": group["amount"].transform("mean"), "amount": rows["amount"], "shop": rows["shop"]})
"""


LEARNT = """
import pandas as pd

def fit(rows):
    return rows.groupby("customer")["amount"].agg(["count", "mean"])

def build(rows, known):
    seen = known.reindex(rows["customer"]).reset_index(drop=True)
    return pd.DataFrame({"orders": seen["count"].fillna(0), "spent": seen["mean"], "amount": rows["amount"]})
"""


@pytest.mark.slow
def test_what_features_learn_in_training_is_what_they_know_in_scoring(project):
    source = live_late(project, LEARNT)
    whole, one = project.root.parent / "whole.csv", project.root.parent / "one.csv"
    project.run("predict", MODEL="late", CSV=source, OUT=whole)
    single = project.root.parent / "single.csv"
    single.write_text("\n".join(source.read_text().splitlines()[:2]) + "\n")
    project.run("predict", MODEL="late", CSV=single, OUT=one)
    assert whole.read_text().splitlines()[1] == one.read_text().splitlines()[1]


def orders_csv(project):
    rng = np.random.default_rng(0)
    rows = ["order,customer,amount,shop,late"]
    for i in range(300):
        amount = round(float(rng.gamma(2, 20)), 2)
        rows.append(f"o{i},c{rng.integers(40)},{amount},{rng.choice(['north', 'south'])},{'yes' if amount > 40 else 'no'}")
    path = project.root.parent / "orders.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def live_late(project, features):
    """The orders, from which the live version of `late` learnt through these features."""
    source = orders_csv(project)
    project.run("new", MODEL="late", CSV=source, TARGET="late", ID="order")
    (project.root / "models/late/features.py").write_text(features)
    project.run("train", MODEL="late")
    project.run("deploy", MODEL="late")
    return source


def test_features_are_frozen_into_the_version_and_used_to_score_it(project):
    source = live_late(project, FEATURES)
    (project.root / "models/late/features.py").write_text("def build(rows):\n    raise RuntimeError('the working copy must not run')\n")
    out = project.root.parent / "out.csv"
    project.run("predict", MODEL="late", CSV=source, OUT=out)
    assert [row["id"] for row in csv.DictReader(out.open())][:2] == ["o0", "o1"]
    lines = source.read_text().splitlines()
    source.write_text("\n".join([*lines[:5], lines[5].replace("o4,", ",")]) + "\n")
    assert "late: warning: 1 row without 'order': no outcome can be matched with it\n" in project.run("predict", MODEL="late", CSV=source).stderr
    done = project.run("train", MODEL="late", code=2)
    assert "features.py: build failed: RuntimeError: the working copy must not run (line 2)" in done.stderr
    manifest = json.loads((project.root / "models/late/v1/manifest.json").read_bytes())
    assert "features.py" in manifest["files"]
    assert "models/late/v1/features.py" in project.git("ls-tree", "-r", "--name-only", "late/v1")
    assert list(log(project, "late")[0])[5:] == ["customer", "amount", "shop"]


def scores(process) -> bool:
    """Whether it has its file of rows open, which has no name."""
    with contextlib.suppress(OSError):
        return any("/data/cancer/predictions/" in os.readlink(link) for link in Path(f"/proc/{process.pid}/fd").iterdir())
    return False


def test_a_terminated_scoring_says_so_in_one_line(trained):
    process = trained.start("predict", CSV=big(trained, 300_000))
    import time
    deadline = time.monotonic() + 30
    while not scores(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGTERM)
    _, words = process.communicate(timeout=30)
    assert process.returncode == 130
    assert words.splitlines()[-1] == "predict: interrupted. What was finished is kept; type the command again to go on."
    assert log(trained) == [] and not list((trained.root / "data/cancer/predictions").glob(".*.tmp"))
    assert trained.sql("SELECT status, exit_code FROM runs ORDER BY id DESC LIMIT 1") == [("interrupted", 130)]


@pytest.mark.parametrize("rowwise", [True, False])
def test_rows_are_read_ahead_but_not_where_features_look_across_all_of_them(trained, rowwise):
    """There is nothing to overlap there, and Ctrl-C would wait until the whole file is read."""
    (trained.root / "models/cancer/features.py").write_text(f"import threading\n\nrowwise = {rowwise}\n\n\ndef build(rows):\n    print('readers:', sum('ThreadPool' in thread.name for thread in threading.enumerate()))\n    return rows\n")
    trained.run("train")
    trained.run("deploy")
    assert f"readers: {int(rowwise)}\n" in trained.run("predict", CSV="data/cancer/train/0001.csv").stdout


@pytest.mark.slow
def test_a_regression_is_scored_without_probabilities(project):
    live_diabetes(project)
    out = project.root.parent / "out.csv"
    project.run("predict", MODEL="diabetes", CSV="data/diabetes/train/0001.csv", OUT=out)
    rows = list(csv.DictReader(out.open()))
    assert len(rows) == 442 and {row["score"] for row in rows} == {""} and 50 < float(rows[0]["prediction"]) < 350
    assert project.sql("SELECT count(DISTINCT slice) FROM metrics WHERE name = 'mae'") == [(3,)]
