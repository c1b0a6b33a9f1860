"""new and ingest as a user types them: sources, what is inferred, what is refused."""
import re
import shutil
import sqlite3

import pytest


@pytest.fixture
def orders(tmp_path):
    rows = ["customer_id;day;age;plan;active;churned"]
    for i in range(200):
        rows.append(f"c{i:03d};2026-{1 + i // 28:02d}-{1 + i % 28:02d};{20 + i * 7 % 50};{['free', 'pro', 'team'][i % 3]};{['yes', 'no'][i % 2]};{int(i * 7 % 50 > 30)}")
    path = tmp_path / "rows.csv"
    path.write_text("﻿" + "\r\n".join(rows), encoding="utf-8")
    return path


def test_new_infers_and_the_first_train_is_meaningful(project, orders):
    done = project.run("new", MODEL="churn", CSV=orders, TARGET="churned")
    assert "churn: classification of 'churned', 200 rows, columns: 2 integer, 1 category, 1 boolean, 1 text, 1 time\nchurn: id customer_id, time day\nchurn: day is taken for the time of a row: the newest rows examine a model (TIME=-: rows as if drawn at random)\nchurn: positive '1': precision, recall and f1 are about it, and the score is its probability\n" in done.stdout
    text = (project.root / "models/churn/model.toml").read_text()
    assert 'separator = ";"' in text and 'values = ["free", "pro", "team"]' in text and 'positive = "1"' in text
    done = project.run("train", MODEL="churn")
    assert "v1 registered" in done.stdout
    assert "the rows from 2026-" in (project.root / "models/churn/v1/card.md").read_text()
    assert project.git("status", "--porcelain") == "?? models/churn/\n"


def test_new_and_train_and_the_card_say_what_is_not_learnt_from_and_a_date_may_be_no_time_of_a_row(project, tmp_path):
    rows = "".join(f"{i},2019-{1 + i % 12:02d}-01,words of row {i},{i * 37 % 101},{['yes', 'no'][i * 37 % 101 > 60]}\n" for i in range(300))
    (tmp_path / "rows.csv").write_text("n,built,note,size,y\n" + rows)
    words = "houses: not learnt from: built (time), note (text); a features.py can turn them into numbers or categories\n"
    done = project.run("new", MODEL="houses", CSV=tmp_path / "rows.csv", TARGET="y", TIME="-")
    assert "houses: id none, time none\n" in done.stdout and words in done.stdout
    assert words in project.run("train", MODEL="houses").stdout
    card = (project.root / "models/houses/v1/card.md").read_text()
    assert "from 2 columns (not learnt from: built (time), note (text); a features.py can turn them into numbers or categories). Precision" in card and "chosen by a hash of each row" in card
    (project.root / "models/houses/features.py").write_text("def build(rows):\n    return rows[['n', 'size']].assign(month=rows['built'].dt.month)\n")
    assert "not learnt from" not in project.run("train", MODEL="houses").stdout
    assert "from 3 features that features.py makes of 4 columns. Precision" in (project.root / "models/houses/v2/card.md").read_text()


def test_new_overwrites_nothing(project, orders):
    project.run("new", MODEL="churn", CSV=orders, TARGET="churned")
    before = (project.root / "models/churn/model.toml").read_bytes()
    assert "is there already and is not overwritten" in project.run("new", code=2, MODEL="churn", CSV=orders, TARGET="age").stderr
    assert (project.root / "models/churn/model.toml").read_bytes() == before


@pytest.mark.parametrize("options, words", [
    ({"TARGET": "churnd"}, "TARGET=churnd is not a column of"),
    ({"TARGET": ""}, "TARGET= is missing: the column to predict."),
    ({"TARGET": "churned", "CSV": ""}, "CSV= is missing."),
    ({"TARGET": "churned", "MODEL": "Churn"}, "'Churn' can't be a model's name."),
    ({"TARGET": "churned", "TIME": "age"}, "TIME=age: its values are no times"),
    ({"TARGET": "churned", "ID": "plan"}, "ID=plan: 'free' names more than one row."),
    ({"TARGET": "customer_id"}, "a target is a number, or one of at most 50 classes."),
])
def test_a_wrong_call_is_one_line_and_leaves_nothing(project, orders, options, words):
    done = project.run("new", code=2, **{"MODEL": "churn", "CSV": orders, **options})
    assert words in done.stderr and done.stderr.count("\n") == 1
    assert not (project.root / "models/churn").exists() and not (project.root / "data/churn").exists()


def test_a_failed_new_deletes_nothing_of_the_user_s(project):
    (project.root / "data/churn").mkdir()
    source = project.root / "data/churn/rows.csv"
    source.write_text("cust_id,x,y\n" + "".join(f"c{i},{i},{i % 2}\n" for i in range(30)) + "c29,5,1\n")
    project.run("new", code=2, MODEL="churn", CSV=source, TARGET="y", ID="cust_id")
    source.write_text(source.read_text().replace("c29,5,1\n", "c30,x,1\n"))
    (project.root / "models/churn").mkdir(exist_ok=True)
    (project.root / "models/churn/features.py").write_text("# mine\n")
    project.run("new", MODEL="churn", CSV=source, TARGET="y", ID="cust_id")
    assert source.exists() and (project.root / "models/churn/features.py").read_text() == "# mine\n"


def test_the_same_rows_written_otherwise_add_nothing(project, orders, tmp_path):
    project.run("new", MODEL="churn", CSV=orders, TARGET="churned")
    import pandas as pd
    frame = pd.read_csv(orders, sep=";", encoding="utf-8-sig")
    frame["age"] = frame["age"].astype(float)
    frame[frame.columns[::-1]].to_csv(tmp_path / "again.csv", index=False)
    assert project.run("ingest", MODEL="churn", CSV=tmp_path / "again.csv").stdout == "churn: 200 rows were there already\n"


def with_source(project, orders, source):
    project.run("new", MODEL="churn", CSV=orders, TARGET="churned")
    path = project.root / "models/churn/model.toml"
    path.write_text(path.read_text().replace('separator = ";"', source).replace('\n# csv = "incoming', '\n# "incoming'))


NEW_ROWS = "customer_id,day,age,plan,active,churned\nx1,2026-09-01,30,pro,yes,0\nx2,2026-09-02,40,free,no,1\n"


@pytest.mark.slow
def test_rows_come_from_files_a_database_or_a_command(project, orders):
    with_source(project, orders, 'csv = "incoming/*.csv"')
    (project.root / "incoming").mkdir()
    (project.root / "incoming/a.csv").write_text(NEW_ROWS)
    assert project.run("ingest", MODEL="churn").stdout == "churn: part 0002 added, 2 rows\n"
    assert project.run("ingest", MODEL="churn").stdout == "churn: 2 rows were there already\n"
    path = project.root / "models/churn/model.toml"
    connection = sqlite3.connect(project.root / "shop.db")
    connection.execute("CREATE TABLE t AS SELECT 'x3' AS customer_id, '2026-09-03' AS day, 50 AS age, 'pro' AS plan, 'yes' AS active, 1 AS churned")
    connection.close()
    path.write_text(path.read_text().replace('csv = "incoming/*.csv"', 'sql = "select * from t"\ndatabase = "shop.db"'))
    assert project.run("ingest", MODEL="churn").stdout == "churn: part 0003 added, 1 rows\n"
    path.write_text(path.read_text().replace('sql = "select * from t"\ndatabase = "shop.db"', "command = '''printf 'customer_id,day,age,plan,active,churned\\nx4,2026-09-04,33,team,no,0\\n' '''"))
    assert project.run("ingest", MODEL="churn").stdout == "churn: part 0004 added, 1 rows\n"
    assert [entry.get("source") for entry in project.audit("churn")] == ["rows.csv", "a.csv", "sql select * from t", "command"]


def test_a_command_that_fails_takes_nothing_in_and_shows_its_words(project, orders):
    with_source(project, orders, "command = '''echo customer_id; echo no route to host >&2; exit 7'''")
    done = project.run("ingest", code=1, MODEL="churn")
    assert done.stderr.splitlines()[0] == "no route to host"
    assert "[data] command ended with exit code 7; nothing was taken in." in done.stderr
    assert [path.name for path in (project.root / "data/churn/train").iterdir()] == ["0001.csv"]


def test_a_wrong_query_or_an_empty_glob_is_one_line(project, orders):
    with_source(project, orders, 'csv = "incoming/*.csv"')
    assert 'no file matches [data] csv = "incoming/*.csv"' in project.run("ingest", code=2, MODEL="churn").stderr


def test_several_files_are_taken_in_all_or_none(project, orders):
    with_source(project, orders, 'csv = "incoming/*.csv"')
    (project.root / "incoming").mkdir()
    (project.root / "incoming/a.csv").write_text(NEW_ROWS)
    (project.root / "incoming/b.csv").write_text(NEW_ROWS.replace("x1", "x8").replace("x2", "x9").replace("40", "forty"))
    done = project.run("ingest", code=2, MODEL="churn")
    assert "line 3, age: 'forty' is not a number" in done.stderr
    assert [path.name for path in (project.root / "data/churn/train").iterdir()] == ["0001.csv"]
    assert len(list((project.root / "data/churn/rejected").iterdir())) == 2


def test_without_a_named_model_the_only_one_of_ones_own_is_meant(project, orders):
    project.run("new", MODEL="churn", CSV=orders, TARGET="churned")
    assert project.run("deploy", code=2).stderr == "deploy: churn has no version yet. Make one with: make train MODEL=churn\n"
    shutil.copytree(project.root / "models/churn", project.root / "models/churn2")
    assert project.run("deploy", code=2).stderr == "deploy: which model? Add MODEL= with one of: churn, churn2.\n"


@pytest.mark.slow
def test_evaluate_scores_a_version_on_other_rows(trained):
    done = trained.run("evaluate", CSV=trained.root / "data/cancer/train/0001.csv", VERSION=2)
    assert done.stdout.startswith("cancer v2: on 0001.csv, 569 rows\n") and "passed: accuracy" in done.stdout
    assert trained.sql("SELECT DISTINCT version, rows FROM metrics JOIN runs ON runs.id = run_id WHERE script = 'evaluate'") == [(2, 569)]
    path = trained.root / "models/cancer/model.toml"
    path.write_text(path.read_text().replace("accuracy = 0.9,", "accuracy = 0.999,"))
    assert "cancer v1 misses 1 of 2 thresholds: accuracy 0.97" in trained.run("evaluate", code=3).stderr


def test_evaluate_slices_by_a_column_that_the_version_did_not_have(trained, tmp_path):
    import pandas as pd
    path = trained.root / "models/cancer/model.toml"
    path.write_text(re.sub(r"(?m)^slices = .*\n", "", path.read_text()).replace("[evaluate]", '[evaluate]\nslices = ["city"]').replace("[columns]", '[columns]\ncity = {type = "category"}'))
    rows = pd.read_csv(trained.root / "data/cancer/train/0001.csv")
    rows.to_csv(tmp_path / "march.csv", index=False)
    assert trained.run("evaluate", code=2, CSV=tmp_path / "march.csv").stderr == f"evaluate: {tmp_path}/march.csv has no column 'city'.\n"
    rows.assign(city=["Lyon", "Nice"] * (len(rows) // 2) + ["Nice"]).to_csv(tmp_path / "march.csv", index=False)
    assert {"city = Lyon", "city = Nice"} <= {line[-11:] for line in trained.run("evaluate", CSV=tmp_path / "march.csv").stdout.splitlines()}
