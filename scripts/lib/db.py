"""metrics.db, the record of everything measured: all SQL is run here, and what more than one module asks is written here.

What only `report`, `status` or `history` asks stands beside its reader, in readings, overview and history; what is done with
the file as a whole is in dbfile.
"""
import contextlib
import json
import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lib.errors import Failed, UserError
from lib.schema import MIGRATIONS

Connection, Row = sqlite3.Connection, sqlite3.Row  # for those above who say what they take and give
WAIT = 30  # seconds to wait for another writer
UNFED = "(labels <> fed_labels OR losses <> fed_losses OR squares <> fed_squares)"


def connect(path: Path, wait: float = WAIT) -> sqlite3.Connection:
    """The database, made or brought up to date where needed. Raises UserError when it can't serve."""
    refuse_folder(path)
    with explained(path):
        connection = sqlite3.connect(path, timeout=wait, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = EXTRA")  # with a rollback journal: a commit survives a power cut
        migrate(connection, path)
    return connection


def connect_read_only(path: Path) -> sqlite3.Connection:
    """For people who may read the database and not write it."""
    refuse_folder(path)
    with explained(path):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=WAIT, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return connection


def refuse_folder(path: Path) -> None:
    if Path(path).is_dir():
        raise UserError(f"{path} is a folder, not a database. Move it away: versions and deployments are rebuilt from the tags.")


@contextlib.contextmanager
def explained(path: Path | str = "metrics.db"):
    """SQLite's errors in the words of what to do about them."""
    try:
        yield
    except sqlite3.OperationalError as error:
        words = str(error)
        if "locked" in words:
            raise Failed(f"{path} was locked by another program for {WAIT} seconds. Close the sqlite3 shell that has a transaction open.") from None
        if "readonly" in words or "unable to open" in words:
            raise Failed(f"{path} can't be written ({words}). Check who owns it and its folder.") from None
        if "no such" in words:
            raise Failed(f"{path} is as older scripts left it ({words}). A command of somebody who may write it brings it up to date, such as: make check") from None
        if "full" in words or "disk I/O" in words:
            raise Failed(f"{path} can't be written ({words}). Free some space.") from None
        raise
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error) or "malformed" in str(error):
            raise UserError(f"{path} is not a sound SQLite database ({error}). Bring it back from a backup, or move it away (mv metrics.db metrics.db.broken): versions and deployments are rebuilt from the tags.") from None
        raise


def known_version(connection: sqlite3.Connection, path: Path) -> int:
    """How many migrations it has had. UserError if these scripts do not know all of them."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise UserError(f"{path} was made by a newer version of these scripts (schema {version}, known here {len(MIGRATIONS)}). Update the scripts: git pull")
    return version


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = known_version(connection, path)
    if version == len(MIGRATIONS):
        return
    with transaction(connection):
        version = connection.execute("PRAGMA user_version").fetchone()[0]  # another process may have been first
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            for statement in statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")


def statements(script: str):
    """The script's statements one by one: `executescript` would commit in between."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection):
    """All of it or none. Takes the write lock at once, so that two writers wait instead of failing half-way. Inside another it is part of that."""
    if connection.in_transaction:
        yield connection
        return
    with explained():
        try:  # Ctrl-C may come between any two lines, and a transaction that stays open swallows all that is written afterwards
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise


@contextlib.contextmanager
def snapshot(connection: sqlite3.Connection):
    """What is read inside is of one moment; a writer has to wait with its commit, so keep it short."""
    with explained():
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("ROLLBACK")


def select(connection: sqlite3.Connection, query: str, **values) -> list[sqlite3.Row]:
    """All rows of a query that is the caller's own words; values are bound by name."""
    with explained():
        return connection.execute(query, values).fetchall()


def insert(connection: sqlite3.Connection, table: str, **values) -> int:
    """Add a row. Table and column names are the caller's own words, values are bound."""
    names = ", ".join(values)
    marks = ", ".join("?" for _ in values)
    return connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values())).lastrowid


def update_run(connection: sqlite3.Connection, run_id: int, **values) -> None:
    pairs = ", ".join(f"{name} = ?" for name in values)
    with explained():
        connection.execute(f"UPDATE runs SET {pairs} WHERE id = ?", (*values.values(), run_id))


def open_runs(connection: sqlite3.Connection, host: str) -> list[sqlite3.Row]:
    return connection.execute("SELECT id, pid, pid_started FROM runs WHERE status = 'running' AND host = ?", (host,)).fetchall()


def run_by_uuid(connection: sqlite3.Connection, uuid: str) -> int | None:
    row = connection.execute("SELECT id FROM runs WHERE uuid = ?", (uuid,)).fetchone()
    return row["id"] if row else None


def run_before(connection: sqlite3.Connection, run_id: int, script: str, model: str) -> sqlite3.Row | None:
    """The run of the script on the model before this one."""
    return connection.execute("SELECT uuid, status FROM runs WHERE script = ? AND model = ? AND id < ? ORDER BY id DESC LIMIT 1", (script, model, run_id)).fetchone()


def add_params(connection: sqlite3.Connection, run_id: int, params: dict) -> None:
    connection.executemany("INSERT OR REPLACE INTO params VALUES (?, ?, ?)", [(run_id, name, as_text(value)) for name, value in params.items()])


def as_text(value) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def add_metrics(connection: sqlite3.Connection, run_id: int, version: int | None, metrics: list[dict]) -> None:
    """metrics: slice, name, value, low, high, rows of each; what is not a finite number has no place in a table that people average."""
    rows = [(run_id, version, m["slice"], m["name"], real(m["value"]), real(m["low"]), real(m["high"]), int(m["rows"])) for m in metrics]
    connection.executemany("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [row for row in rows if row[4] is not None])


def has_metrics(connection: sqlite3.Connection, run_id: int) -> bool:
    return connection.execute("SELECT 1 FROM metrics WHERE run_id = ? LIMIT 1", (run_id,)).fetchone() is not None


def without_metrics(connection: sqlite3.Connection, model: str) -> set[int]:
    """The versions whose run has no figures on record."""
    return {row["version"] for row in connection.execute(
        "SELECT version FROM versions v WHERE model = ? AND NOT EXISTS (SELECT 1 FROM metrics WHERE run_id = v.run_id)", (model,))}


def name_version(connection: sqlite3.Connection, run_id: int, version: int) -> None:
    """Say which version a training run's figures became."""
    connection.execute("UPDATE metrics SET version = ? WHERE run_id = ?", (version, run_id))


def real(value) -> float | None:
    """A plain finite float for SQLite, which would store NumPy's as bytes and NaN as NULL."""
    return float(value) if value is not None and math.isfinite(value) else None


def versions(connection: sqlite3.Connection, model: str) -> list[sqlite3.Row]:
    return connection.execute("SELECT * FROM versions WHERE model = ? ORDER BY version", (model,)).fetchall()


def deployments(connection: sqlite3.Connection, model: str) -> list[sqlite3.Row]:
    return connection.execute("SELECT * FROM deployments WHERE model = ? ORDER BY deployment", (model,)).fetchall()


def finished_folds(connection: sqlite3.Connection, search: str) -> list[sqlite3.Row]:
    return connection.execute("SELECT * FROM trials WHERE search = ? ORDER BY trial, fold", (search,)).fetchall()


def tag_objects(connection: sqlite3.Connection, model: str) -> dict[str, str]:
    """The id that each tag of a version or deployment had when it was made."""
    return dict(connection.execute("SELECT tag, tag_object FROM versions WHERE model = ?1 AND tag_object IS NOT NULL UNION ALL "
                                   "SELECT tag, tag_object FROM deployments WHERE model = ?1 AND tag_object IS NOT NULL", (model,)).fetchall())


def audit_head(connection: sqlite3.Connection, model: str) -> tuple[int, str]:
    """How many lines the audit had, and the sha256 of the last one."""
    row = connection.execute("SELECT lines, sha256 FROM audit_heads WHERE model = ?", (model,)).fetchone()
    return (row["lines"], row["sha256"]) if row else (0, "")


def set_audit_head(connection: sqlite3.Connection, model: str, lines: int, sha256: str) -> None:
    with explained():
        connection.execute("INSERT OR REPLACE INTO audit_heads VALUES (?, ?, ?)", (model, lines, sha256))


def batches(connection: sqlite3.Connection, model: str) -> list[sqlite3.Row]:
    return connection.execute("SELECT * FROM batches WHERE model = ? ORDER BY id", (model,)).fetchall()


def born(connection: sqlite3.Connection) -> str:
    """When the first run was recorded: what happened before is not on record here."""
    row = connection.execute("SELECT started FROM runs ORDER BY id LIMIT 1").fetchone()
    return row["started"] if row else "9999"


def batch(connection: sqlite3.Connection, model: str, version: int, sha256: str) -> sqlite3.Row | None:
    return connection.execute("SELECT * FROM batches WHERE model = ? AND version = ? AND sha256 = ?", (model, version, sha256)).fetchone()


def batch_by_uuid(connection: sqlite3.Connection, uuid: str) -> sqlite3.Row | None:
    return connection.execute("SELECT * FROM batches WHERE uuid = ?", (uuid,)).fetchone()


def log_positions(connection: sqlite3.Connection, model: str, log: str) -> list[sqlite3.Row]:
    return connection.execute("SELECT file, offset, edges, identity FROM log_positions WHERE model = ? AND log = ?", (model, log)).fetchall()


def log_segments(connection: sqlite3.Connection, model: str, log: str) -> list[str]:
    return [row["name"] for row in connection.execute("SELECT name FROM log_segments WHERE model = ? AND log = ? ORDER BY place", (model, log))]


def bounds_counted_with(connection: sqlite3.Connection, model: str) -> set[tuple[int, float | None]]:
    """(version, the mae that its losses in `outcomes` are in units of; None where older scripts counted them)."""
    return {tuple(row) for row in connection.execute("SELECT DISTINCT version, bound FROM outcomes WHERE model = ? AND labels > 0", (model,))}


def forget_logs(connection: sqlite3.Connection, model: str) -> None:
    """Before all is read again: what was counted goes, what the sequential test was given stays given."""
    connection.execute("DELETE FROM log_positions WHERE model = ?", (model,))
    connection.execute("DELETE FROM log_segments WHERE model = ?", (model,))
    connection.execute("UPDATE outcomes SET predictions = 0, expected = 0, labels = 0, losses = 0, squares = 0, errors = 0, error_squares = 0, corrections = 0, bound = NULL WHERE model = ?", (model,))


def forget_before(connection: sqlite3.Connection, model: str) -> None:
    """What the version before was expected to do, when losses are counted in another unit from now on."""
    connection.execute("DELETE FROM detector WHERE model = ? AND against = 'before'", (model,))


def set_log(connection: sqlite3.Connection, model: str, log: str, positions: list[tuple[str, int, str, str | None]], segments: list[str]) -> None:
    connection.executemany("INSERT OR REPLACE INTO log_positions VALUES (?, ?, ?, ?, ?, ?)", [(model, log, *position) for position in positions])
    connection.execute("DELETE FROM log_segments WHERE model = ? AND log = ?", (model, log))
    connection.executemany("INSERT INTO log_segments VALUES (?, ?, ?, ?)", [(model, log, place, name) for place, name in enumerate(segments)])


def add_outcomes(connection: sqlite3.Connection, model: str, metric: str, bounds: dict[int, float], rows: list[tuple]) -> None:
    """rows: (version, hour, predictions, expected, labels, losses, squares, errors, corrections, error_squares), added to what is there."""
    connection.executemany(
        "INSERT INTO outcomes (model, metric, bound, version, hour, predictions, expected, labels, losses, squares, errors, corrections, error_squares) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (model, version, hour) DO UPDATE SET predictions = predictions + excluded.predictions, expected = expected + excluded.expected, "
        "labels = labels + excluded.labels, losses = losses + excluded.losses, squares = squares + excluded.squares, errors = errors + excluded.errors, "
        "corrections = corrections + excluded.corrections, error_squares = error_squares + excluded.error_squares, bound = excluded.bound", [(model, metric, bounds.get(row[0]), *row) for row in rows])


def outcomes(connection: sqlite3.Connection, model: str, version: int, begun: str, until: str) -> Iterator[tuple[str, int, float, float]]:
    """(hour, labels, losses, squares) of predictions made from the hour `begun` on and before `until` that have labels, read as they are asked for."""
    return iter(connection.execute("SELECT hour, labels, losses, squares FROM outcomes WHERE model = ? AND version = ? AND hour >= ? AND hour < ? AND labels > 0 ORDER BY hour",
                                   (model, version, begun, until)))


def unfed_outcomes(connection: sqlite3.Connection, model: str, version: int, until: str) -> list[sqlite3.Row]:
    """The hours that are other than the sequential test was told."""
    return connection.execute(f"SELECT * FROM outcomes WHERE model = ? AND version = ? AND hour < ? AND {UNFED} ORDER BY hour", (model, version, until)).fetchall()


def labelled_hours(connection: sqlite3.Connection, model: str, version: int, until: str) -> Iterator[sqlite3.Row]:
    """Those that have labels, the newest first, read as they are asked for: whoever wants the last days need not wait for years."""
    return iter(connection.execute("SELECT hour, labels, losses, errors, error_squares FROM outcomes WHERE model = ? AND version = ? AND hour < ? AND labels > 0 ORDER BY hour DESC", (model, version, until)))


def outcome_totals(connection: sqlite3.Connection, model: str, version: int, until: str) -> tuple[int, int, float, int]:
    """(labels, predictions) made before `until`; (right answers that the scores let one expect, predictions) of all."""
    return tuple(connection.execute("SELECT coalesce(sum(labels) FILTER (WHERE hour < ?1), 0), coalesce(sum(predictions) FILTER (WHERE hour < ?1), 0), total(expected), coalesce(sum(predictions), 0) "
                                    "FROM outcomes WHERE model = ?2 AND version = ?3", (until, model, version)).fetchone())


def counted(connection: sqlite3.Connection, model: str, version: int, until: str) -> tuple:
    """Totals that move with any outcome that is counted, and with any hour that matures."""
    return tuple(connection.execute("SELECT count(*), total(hour < ?), total(predictions), total(expected), total(labels), total(losses), total(errors), total(corrections) "
                                    "FROM outcomes WHERE model = ? AND version = ?", (until, model, version)).fetchone())


def fed_from(connection: sqlite3.Connection, model: str, version: int, hour: str) -> bool:
    """Whether the sequential test was told of predictions made from the hour on."""
    return connection.execute("SELECT 1 FROM outcomes WHERE model = ? AND version = ? AND hour >= ? AND fed_labels > 0", (model, version, hour)).fetchone() is not None


def mark_fed(connection: sqlite3.Connection, model: str, version: int, until: str) -> None:
    """The sequential test has been told of all predictions made before the hour `until`, and of no later ones."""
    connection.execute("UPDATE outcomes SET fed_labels = 0, fed_losses = 0, fed_squares = 0, fed_corrections = 0 WHERE model = ? AND version = ? AND hour >= ? AND fed_labels > 0", (model, version, until))
    connection.execute("UPDATE outcomes SET fed_labels = labels, fed_losses = losses, fed_squares = squares, fed_corrections = corrections "
                       f"WHERE model = ? AND version = ? AND hour < ? AND {UNFED}", (model, version, until))


def detector_state(connection: sqlite3.Connection, model: str, deployment: int, against: str) -> str | None:
    row = connection.execute("SELECT state FROM detector WHERE model = ? AND deployment = ? AND against = ?", (model, deployment, against)).fetchone()
    return row["state"] if row else None


def detector_states(connection: sqlite3.Connection, model: str) -> list[tuple]:
    """The tests of all of a model's deployments as they stand."""
    return [tuple(row) for row in connection.execute("SELECT deployment, against, state FROM detector WHERE model = ? ORDER BY deployment, against", (model,))]


def set_detector_state(connection: sqlite3.Connection, model: str, deployment: int, against: str, state: str) -> None:
    connection.execute("INSERT OR REPLACE INTO detector VALUES (?, ?, ?, ?)", (model, deployment, against, state))


def last_window(connection: sqlite3.Connection, model: str, version: int) -> sqlite3.Row | None:
    """The stretch of the version's rows that was judged for drift last."""
    return connection.execute("SELECT * FROM drift_windows WHERE model = ? AND version = ? ORDER BY id DESC LIMIT 1", (model, version)).fetchone()


def drift_budget(connection: sqlite3.Connection, model: str) -> sqlite3.Row | None:
    """(time, budget): what the last check, of whichever version, left of the false alarms that are allowed."""
    return connection.execute("SELECT time, budget FROM drift_windows WHERE model = ? ORDER BY time DESC, id DESC LIMIT 1", (model,)).fetchone()


def stops(connection: sqlite3.Connection, model: str) -> list[sqlite3.Row]:
    """The windows of spoiled rows that nobody has accepted."""
    return connection.execute("SELECT * FROM drift_windows WHERE model = ? AND verdict = 'quality' AND accepted IS NULL ORDER BY id", (model,)).fetchall()


def accept_stops(connection: sqlite3.Connection, model: str, time: str, by: str, because: str) -> None:
    connection.execute("UPDATE drift_windows SET accepted = ?, accepted_by = ?, accepted_because = ? WHERE model = ? AND verdict = 'quality' AND accepted IS NULL",
                       (time, by, because, model))


def drift_position(connection: sqlite3.Connection, model: str, at: str) -> dict[str, int]:
    """How long each prediction log was when it was last judged, when something was found, or when a stop was accepted."""
    return {row["file"]: row["offset"] for row in connection.execute("SELECT file, offset FROM drift_positions WHERE model = ? AND at = ?", (model, at))}


def set_drift_position(connection: sqlite3.Connection, model: str, at: str, lengths: dict[str, int]) -> None:
    known = drift_position(connection, model, at)
    connection.executemany("INSERT OR REPLACE INTO drift_positions VALUES (?, ?, ?, ?)", [(model, at, *item) for item in lengths.items() if known.get(item[0]) != item[1]])


def add_drift(connection: sqlite3.Connection, window: dict, rows: list[tuple]) -> None:
    """rows: (column, measure, value, p_value, p_corrected, limit, verdict, words), worst first."""
    number = insert(connection, "drift_windows", **window)
    shared = (window["run_id"], number, window["model"], window["version"], window["time"])
    connection.executemany('INSERT INTO drift (run_id, window_id, model, version, time, "column", measure, value, p_value, p_corrected, "limit", verdict, words) '
                           "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [(*shared, *row) for row in rows])


def thin_drift(connection: sqlite3.Connection, model: str, begin: str, end: str) -> None:
    """Of the windows judged between two times, only the last of each day keeps its measures."""
    connection.execute("DELETE FROM drift WHERE window_id IN (SELECT id FROM (SELECT id, lead(id) OVER (PARTITION BY substr(time, 1, 10) ORDER BY id) AS later "
                       "FROM drift_windows WHERE model = ? AND time >= ? AND time < ?) WHERE later IS NOT NULL)", (model, begin, end))


def last_found(connection: sqlite3.Connection, model: str, version: int, verdict: str) -> sqlite3.Row | None:
    """(rows, p_value): the last window in which something was found, and the smallest p-value of such findings."""
    return connection.execute("SELECT w.rows, coalesce(min(d.p_value), 1) AS p_value FROM drift d JOIN drift_windows w ON w.id = d.window_id "
                              "WHERE w.model = ? AND w.version = ? AND w.verdict <> 'ok' AND d.verdict = ? GROUP BY w.id ORDER BY w.id DESC LIMIT 1", (model, version, verdict)).fetchone()


def attempts(connection: sqlite3.Connection, model: str) -> list[str]:
    """When a retraining was carried out, whatever came of it, the oldest first."""
    return [row["time"] for row in connection.execute("SELECT time FROM retrains WHERE model = ? AND outcome <> 'postponed' AND stopped_by IS NULL ORDER BY id", (model,))]


def last_retrain(connection: sqlite3.Connection, model: str) -> sqlite3.Row | None:
    return connection.execute("SELECT * FROM retrains WHERE model = ? ORDER BY id DESC LIMIT 1", (model,)).fetchone()


def noted_retrains(connection: sqlite3.Connection, model: str) -> set[str]:
    """The runs whose retraining is on record as deployed."""
    return {row["uuid"] for row in connection.execute("SELECT r.uuid FROM retrains t JOIN runs r ON r.id = t.run_id WHERE t.model = ? AND t.outcome = 'deployed'", (model,))}


def was_killed(connection: sqlite3.Connection, uuid: str, script: str) -> bool:
    return connection.execute("SELECT 1 FROM runs WHERE uuid = ? AND script = ? AND status = 'killed'", (uuid, script)).fetchone() is not None


def last_check(connection: sqlite3.Connection, model: str, version: int | None = None) -> sqlite3.Row | None:
    """Of the model, or of one version of it."""
    return connection.execute("SELECT * FROM checks WHERE model = ?1 AND (?2 IS NULL OR version = ?2) ORDER BY id DESC LIMIT 1", (model, version)).fetchone()


def open_alert(connection: sqlite3.Connection, model: str, kind: str) -> sqlite3.Row | None:
    return connection.execute("SELECT * FROM alerts WHERE model = ? AND kind = ? AND resolved IS NULL", (model, kind)).fetchone()


def columns_found(connection: sqlite3.Connection, model: str, verdict: str, since: str, but: int) -> set[str]:
    """The columns that were found to have drifted, or to be spoiled, from a time on by other runs than one."""
    return {row["column"] for row in connection.execute(
        'SELECT DISTINCT d."column" FROM drift d JOIN drift_windows w ON w.id = d.window_id WHERE w.model = ? AND d.verdict = ? AND w.time >= ? AND w.run_id <> ?', (model, verdict, since, but))}


def resolve_alert(connection: sqlite3.Connection, model: str, kind: str, time: str) -> None:
    connection.execute("UPDATE alerts SET resolved = ? WHERE model = ? AND kind = ? AND resolved IS NULL", (time, model, kind))


def last_jobs(connection: sqlite3.Connection) -> list[sqlite3.Row]:
    """How each script ended last, by cron or typed for no one model; of each model apart where one was named."""
    return connection.execute("""SELECT script, coalesce(model, '') AS model, started, status, error, trigger FROM runs
        WHERE id IN (SELECT max(id) FROM runs WHERE (trigger = 'cron' OR model IS NULL) AND status <> 'running' GROUP BY script, model) ORDER BY id""").fetchall()


def undelivered_alerts(connection: sqlite3.Connection) -> list[sqlite3.Row]:
    return connection.execute("SELECT * FROM alerts WHERE delivered IS NULL ORDER BY id").fetchall()


def alert_tried(connection: sqlite3.Connection, alert_id: int, delivered: str | None) -> None:
    connection.execute("UPDATE alerts SET attempts = attempts + 1, delivered = ? WHERE id = ?", (delivered, alert_id))


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether there is a table or view of the name: a database of older scripts that this user may only read lacks the newer ones."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone() is not None
