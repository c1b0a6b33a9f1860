"""metrics.db as a whole: copied, examined, put in place of another one."""
import contextlib
import sqlite3
from collections import Counter
from pathlib import Path

from lib.db import Connection, connect_read_only, explained, insert, known_version, migrate, transaction
from lib.errors import UserError
from lib.schema import MIGRATIONS


def copy_to(connection: Connection, path: Path) -> None:
    """A consistent copy in a new file, whoever else is writing; Failed if it can't be written, UserError if it is not sound."""
    with explained(f"metrics.db, copied to {path},"):
        connection.execute("VACUUM INTO ?", (str(path),))
    check(path)


def check(path: Path) -> None:
    """UserError if the database in the file is damaged."""
    with contextlib.closing(connect_read_only(path)) as connection, explained(path):
        found = [row[0] for row in connection.execute("PRAGMA integrity_check")] + [f"a row of {row[0]} refers to nothing" for row in connection.execute("PRAGMA foreign_key_check")]
    if found != ["ok"]:
        raise UserError(f"{path} is not a sound SQLite database ({next(words for words in found if words != 'ok')}).")


def faults(connection: Connection) -> list[str]:
    """What SQLite finds wrong with the file and its foreign keys, and which of our tables, triggers and views are not as we made them."""
    told = [f"integrity_check: {row[0]}" for row in connection.execute("PRAGMA integrity_check(20)") if row[0] != "ok"]
    orphans = Counter((row["table"], row["parent"]) for row in connection.execute("PRAGMA foreign_key_check"))
    told += [f"{count:,} row(s) of {table} refer to a row of {parent} that is gone" for (table, parent), count in orphans.items()]
    made = sqlite3.connect(":memory:")
    for script in MIGRATIONS:
        made.executescript(script)
    query = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"
    there = {(row[0], row[1]): row[2] for row in connection.execute(query)}
    for kind, name, sql in made.execute(query):
        if (kind, name) not in there:
            told.append(f"the {kind} {name} is gone")
        elif there[kind, name] != sql:
            told.append(f"the {kind} {name} was changed")
    made.close()
    return told


def holds_runs_only(connection: Connection) -> bool:
    """Whether nothing is on record but that scripts were run."""
    tables = [row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'runs' AND name NOT LIKE 'sqlite%'")]
    return not any(connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in tables)


def knows_runs_of(connection: Connection, source: Path) -> bool:
    """Whether every run that another metrics.db has on record is on record here."""
    with contextlib.closing(connect_read_only(source)) as other:
        theirs = {row["uuid"] for row in other.execute("SELECT uuid FROM runs")}
    return theirs <= {row["uuid"] for row in connection.execute("SELECT uuid FROM runs")}


def take_over(connection: Connection, source: Path, uuid: str, made_by: str) -> None:
    """Put all that another metrics.db holds in place of what is here, and keep the run `uuid` on record, under another id.

    made_by: the run that made the backup, which has ended well, or there would be none.

    UserError, with nothing changed, if the other one is damaged or newer than these scripts.
    """
    check(source)
    row = dict(connection.execute("SELECT * FROM runs WHERE uuid = ?", (uuid,)).fetchone())
    with contextlib.closing(connect_read_only(source)) as other:
        known_version(other, source)
        with explained():
            other.backup(connection)
    migrate(connection, source)
    with transaction(connection):
        connection.execute("UPDATE runs SET status = 'done', exit_code = 0 WHERE status = 'running' AND uuid = ?", (made_by,))
        connection.execute("UPDATE runs SET status = 'killed', error = 'it was at work when the backup was made' WHERE status = 'running'")
        insert(connection, "runs", **{name: value for name, value in row.items() if name != "id"})
