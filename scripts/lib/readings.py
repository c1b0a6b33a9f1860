"""What metrics.db says of all models at once, for the report and the metrics file: a few set-based queries, whatever the number of models."""
import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta

from lib import db
from lib.sequential import normal_interval, wilson_interval

SPAN = 365  # days that are shown
DRIFT_DAILY = 60  # days up to which the heat map of drift goes by day
SHOWN = 20  # rows of a list, newest first

DAYS = """
SELECT model, version, substr(hour, 1, 10) AS day, metric, sum(predictions) AS predictions, sum(labels) AS labels, sum(losses) AS losses, sum(errors) AS errors, sum(error_squares) AS error_squares, bound
FROM outcomes WHERE hour >= :since GROUP BY model, version, day, bound ORDER BY model, day, version"""
VERSIONS = """
SELECT v.*, l.place, p.since FROM versions v
JOIN leaderboard l ON l.model = v.model AND l.version = v.version
LEFT JOIN production p ON p.model = v.model AND p.version = v.version
ORDER BY v.model, v.version"""
DEPLOYMENTS = "SELECT model, deployment, version, replaced, action, time, user, reason FROM deployments ORDER BY model, deployment"
CHECKS = "SELECT * FROM checks WHERE id IN (SELECT max(id) FROM checks GROUP BY model)"
DROPPED_SINCE = """
SELECT c.model, min(c.time) AS since FROM checks c
LEFT JOIN (SELECT model, max(id) AS id FROM checks WHERE verdict <> 'dropped' GROUP BY model) other ON other.model = c.model
WHERE c.id > coalesce(other.id, 0) GROUP BY c.model"""
LOGGED = "SELECT model, sum(rows) AS rows FROM batches GROUP BY model"
RETRAINS = "SELECT model, time, reason, outcome, detail FROM retrains WHERE time >= :since ORDER BY model, id"
ALERTS = """
SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY model ORDER BY resolved IS NOT NULL, id DESC) AS place FROM alerts)
WHERE resolved IS NULL OR place <= :shown ORDER BY model, place"""
FAILURES = """
SELECT * FROM (SELECT id, model, script, started, status, exit_code, error, trigger, user, row_number() OVER (PARTITION BY model ORDER BY id DESC) AS place, count(*) OVER (PARTITION BY model) AS total
               FROM runs WHERE status IN ('failed', 'killed') AND started >= :since)
WHERE place <= :shown ORDER BY model, id DESC"""
WEEKS = """
SELECT model, script, date(started, '-6 days', 'weekday 1') AS week, count(*) AS runs, sum(seconds) AS seconds, max(peak_memory_mb) AS memory
FROM runs WHERE started >= :since GROUP BY model, week, script ORDER BY model, week, script"""
# Of each day the last window that found something, else the last: SQLite takes the other columns from the row with the maximum.
DRIFT_DAYS = """
SELECT model, substr(time, 1, 10) AS day, id, version, rows, first, last, time, verdict, words, max((verdict <> 'ok') * 1000000000000 + id) AS worst
FROM drift_windows WHERE time >= :since GROUP BY model, day ORDER BY model, day"""
DRIFT_LAST = "SELECT * FROM drift_windows WHERE id IN (SELECT max(id) FROM drift_windows GROUP BY model)"
DRIFT_EFFECTS = """
SELECT model, "column", max(coalesce(abs(value), 9e999) / "limit") AS times FROM drift
WHERE "limit" > 0 AND measure <> 'domain classifier' AND window_id IN (SELECT max(id) FROM drift_windows GROUP BY model)
GROUP BY model, "column" ORDER BY model, drift.id"""
DRIFT_FOUND = """
SELECT d.model, d.window_id, d."column", d.verdict, d.measure, d.value, d."limit", d.words FROM drift d
WHERE d.window_id IN (SELECT value FROM json_each(:windows)) AND d.verdict <> 'ok' ORDER BY d.model, d.window_id, d.id"""
SUCCESSES = """
SELECT script, max(CASE WHEN status IN ('done', 'refused') THEN ended END) AS success, max(CASE WHEN status IN ('failed', 'killed') THEN coalesce(ended, started) END) AS failure,
       sum(status IN ('failed', 'killed') AND started >= :yesterday) AS failed_lately
FROM runs GROUP BY script ORDER BY script"""


LISTS = {"versions": VERSIONS, "deployments": DEPLOYMENTS, "outcomes": DAYS, "retrains": RETRAINS, "alerts": ALERTS, "failures": FAILURES, "weeks": WEEKS, "drift_windows": DRIFT_DAYS}
SINGLE = {"last_check": CHECKS, "dropped": DROPPED_SINCE, "logged": LOGGED, "last_drift": DRIFT_LAST}


@dataclass(frozen=True)
class DayShown:
    """The predictions of one day, by whichever version made them, and what has turned out of them."""

    ordinal: int
    versions: tuple[int, ...]
    predictions: int
    labels: int
    value: float | None  # accuracy or mae; None: no labels
    low: float | None = None  # 95 % interval
    high: float | None = None

    @property
    def day(self) -> str:
        return date.fromordinal(self.ordinal).isoformat()

    @property
    def monday(self) -> int:
        """The ordinal of the first day of its week."""
        return self.ordinal - (self.ordinal - 1) % 7


@dataclass(frozen=True)
class Records:
    """The rows about one model; those of the runs that name no model are under the empty name."""

    versions: list[db.Row] = field(default_factory=list)
    deployments: list[db.Row] = field(default_factory=list)
    outcomes: list[db.Row] = field(default_factory=list)
    logged: db.Row | None = None  # the number of rows in the prediction log, counted by a check or not yet
    last_check: db.Row | None = None
    dropped: db.Row | None = None  # since when, of the checks up to now, all have said "dropped"
    retrains: list[db.Row] = field(default_factory=list)
    alerts: list[db.Row] = field(default_factory=list)  # open ones first, then the newest
    failures: list[db.Row] = field(default_factory=list)
    weeks: list[db.Row] = field(default_factory=list)
    last_drift: db.Row | None = None  # the last window
    drift_windows: list[db.Row] = field(default_factory=list)  # one a day, or one a week where there are many days
    drift_found: list[db.Row] = field(default_factory=list)  # what was found in those windows, worst first
    drift_effects: list[db.Row] = field(default_factory=list)  # of each column in the last window the largest effect, as a multiple of the smallest that counts

    @property
    def live(self) -> db.Row | None:
        """The version that is live, with `since`."""
        return next((row for row in self.versions if row["since"]), None)

    @property
    def check(self) -> db.Row | None:
        """The last check, if it was of the version that is live."""
        return self.last_check if self.last_check and self.live and self.last_check["version"] == self.live["version"] else None

    @property
    def drift(self) -> db.Row | None:
        """The last window of rows that were compared, if the version that is live scored them."""
        return self.last_drift if self.last_drift and self.live and self.last_drift["version"] == self.live["version"] else None

    @property
    def open_alerts(self) -> list[db.Row]:
        return [row for row in self.alerts if row["resolved"] is None]


def read(connection: db.Connection, now: str) -> dict[str, Records]:
    """Everything by model, as of one moment: a writer in between does not tear it apart."""
    values = {"since": (date.fromisoformat(now[:10]) - timedelta(days=SPAN - 1)).isoformat(), "shown": SHOWN}
    with db.snapshot(connection):
        found = {name: grouped(db.select(connection, query, **values)) for name, query in LISTS.items()}
        found["drift_windows"] = {name: thinned(rows) for name, rows in found["drift_windows"].items()}
        single = {name: {row["model"]: row for row in db.select(connection, query)} for name, query in SINGLE.items()}
        windows = {row["id"] for row in single["last_drift"].values()} | {row["id"] for rows in found["drift_windows"].values() for row in rows}
        found["drift_found"] = grouped(db.select(connection, DRIFT_FOUND, windows=json.dumps(sorted(windows))))
        found["drift_effects"] = grouped(db.select(connection, DRIFT_EFFECTS))
    return {name: Records(**{table: rows[name] for table, rows in (*found.items(), *single.items()) if name in rows}) for name in set().union(*found.values())}


def grouped(rows: list[db.Row]) -> dict[str, list[db.Row]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row["model"] or ""].append(row)
    return dict(groups)


def thinned(windows: list[db.Row]) -> list[db.Row]:
    """Windows of single days as they are; where the days are many, of each week the last window that found something, else the last."""
    if date.fromisoformat(windows[-1]["day"]) - date.fromisoformat(windows[0]["day"]) < timedelta(days=DRIFT_DAILY):
        return windows
    weeks: dict[date, db.Row] = {}
    for row in windows:
        day = date.fromisoformat(row["day"])
        monday = day - timedelta(days=day.weekday())
        if monday not in weeks or row["verdict"] != "ok" or weeks[monday]["verdict"] == "ok":
            weeks[monday] = row
    return list(weeks.values())


def jobs(connection: db.Connection, now: str) -> list[db.Row]:
    """Of each script the last success and the last failure, and the failures within a day."""
    yesterday = (date.fromisoformat(now[:10]) - timedelta(days=1)).isoformat() + now[10:]
    return db.select(connection, SUCCESSES, yesterday=yesterday)


def days(outcomes: list[db.Row]) -> list[DayShown]:
    """One DayShown for each day, its versions added up."""
    by_day = defaultdict(list)
    for row in outcomes:
        by_day[row["day"]].append(row)
    return [one_day(date.fromisoformat(day).toordinal(), rows) for day, rows in sorted(by_day.items())]


def one_day(day: int, rows: list[db.Row]) -> DayShown:
    versions = tuple(sorted({row["version"] for row in rows if row["predictions"]}))
    predictions, labels = sum(row["predictions"] for row in rows), sum(row["labels"] for row in rows)
    if not labels:
        return DayShown(day, versions, predictions, 0, None)
    if rows[0]["metric"] == "accuracy":
        wrong = sum(row["losses"] for row in rows) / labels
        low, high = wilson_interval(wrong, labels)
        return DayShown(day, versions, predictions, labels, 1 - wrong, 1 - high, 1 - low)
    mean = sum(row["errors"] for row in rows) / labels
    if any(row["bound"] is None for row in rows if row["labels"]):  # counted by older scripts
        return DayShown(day, versions, predictions, labels, mean)
    return DayShown(day, versions, predictions, labels, mean, *normal_interval(labels, mean * labels, sum(row["error_squares"] for row in rows)))
