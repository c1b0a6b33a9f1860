"""The views stay quick as metrics.db grows: what is asked of one model is looked up by an index, never by reading a whole table. And what becomes of older databases."""
import hashlib
import sqlite3

import pytest

from lib import db
from lib.errors import Failed
from lib.schema import MIGRATIONS

GROWING = ("runs", "params", "metrics", "trials", "versions", "deployments", "batches", "outcomes", "checks", "retrains", "alerts")


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    connection = db.connect(tmp_path_factory.mktemp("views") / "metrics.db")
    yield connection
    connection.close()


def plan(connection: sqlite3.Connection, query: str) -> list[str]:
    return [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]


def read_whole(steps: list[str]) -> list[str]:
    """The steps that read all rows of a table; an alias of one letter or a name stands for it."""
    return [step for step in steps if step.startswith("SCAN") and step.split()[1] in (*GROWING, "d", "v", "o", "c") and "COVERING INDEX" not in step]


@pytest.mark.parametrize("query, index", [
    ("SELECT * FROM production WHERE model = 'churn'", "SEARCH deployments USING COVERING INDEX"),
    ("SELECT * FROM leaderboard WHERE model = 'churn'", "USING INDEX versions_ranked (model=?)"),
    ("SELECT version FROM leaderboard WHERE model = 'churn' AND metric = 'accuracy' AND place = 1", "USING INDEX versions_ranked (model=?"),
    ("SELECT * FROM accuracy_by_day WHERE model = 'churn'", "SEARCH o USING PRIMARY KEY (model=?)"),
    ("SELECT * FROM checks WHERE model = 'churn' ORDER BY id DESC LIMIT 1", "checks_by_model (model=?)"),
    ("SELECT * FROM metrics WHERE run_id = 7", "USING PRIMARY KEY (run_id=?)"),
    ("SELECT * FROM metrics WHERE name = 'accuracy' ORDER BY value DESC LIMIT 10", "metrics_by_name (name=?)"),
    ("SELECT * FROM runs WHERE model = 'churn' AND script = 'train' ORDER BY id DESC LIMIT 10", "runs_by_model (model=? AND script=?)"),
])
def test_what_is_asked_of_one_model_is_looked_up(connection, query, index):
    steps = plan(connection, query)
    assert any(index in step for step in steps), steps
    assert not read_whole(steps), steps


def test_all_of_production_reads_no_more_of_the_deployments_than_an_index(connection):
    steps = plan(connection, "SELECT * FROM production")
    assert not read_whole(steps) and any("SEARCH v USING INDEX" in step for step in steps), steps


def test_the_last_runs_are_read_from_the_end(connection):
    assert not any("TEMP B-TREE" in step for step in plan(connection, "SELECT * FROM last_runs"))


def test_the_place_on_the_leaderboard_needs_no_sorting(connection):
    steps = plan(connection, "SELECT model, version, place FROM leaderboard WHERE model = 'churn'")
    assert not any("RIGHT PART OF ORDER BY" in step for step in steps), steps


def test_a_query_for_what_an_older_database_lacks_says_who_can_bring_it_up_to_date(tmp_path):
    connection = db.connect(tmp_path / "metrics.db")
    with pytest.raises(Failed, match="is as older scripts left it .no such column: tomorrow.. A command of somebody who may write it brings it up to date"):
        db.select(connection, "SELECT tomorrow FROM runs")
    connection.close()


def test_migrations_that_a_database_has_had_stay_to_the_letter():
    """`make verify` compares the text of each table with that of its database, which has the comments of its day."""
    assert hashlib.sha256("".join(MIGRATIONS[:12]).encode()).hexdigest() == "2de27f2965aef9ea51389acb8bd6290120a962c14eef718553cd9883b6f9b741"
