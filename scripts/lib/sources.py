"""Where a model's rows come from: [data] in model.toml, brought to CSV files on this machine."""
import subprocess
import sys
from pathlib import Path

from lib.config import Config, Source
from lib.errors import Failed, UserError
from lib.names import nearest


def fetch(root: Path, config: Config, folder: Path) -> list[Path]:
    """The CSV files with the source's rows: where they lie, or made in `folder`. UserError or Failed if there are none to be had."""
    source = config.data
    if source.csv:
        try:
            found = sorted(path for path in root.glob(source.csv) if path.is_file()) if not Path(source.csv).is_absolute() else absolute(source.csv)
        except IndexError:  # "." or "/"
            raise UserError(f'[data] csv = "{source.csv}" is a folder; such as "incoming/*.csv".') from None
        except (ValueError, NotImplementedError) as error:
            raise UserError(f'[data] csv = "{source.csv}" is no pattern for files: {str(error)[:1].lower() + str(error)[1:]}.') from None
        if not found:
            raise UserError(f'no file matches [data] csv = "{source.csv}" (looked in {root}).')
        return found
    if source.sql:
        return [from_sql(root, source, folder / "sql.csv")]
    if source.sklearn:
        return [from_sklearn(config, folder / f"{source.sklearn}.csv")]
    if source.command:
        return [from_command(root, source.command, folder / "command.csv")]
    raise UserError("[data] in model.toml names no source, so say which file: CSV=rows.csv")


def absolute(pattern: str) -> list[Path]:
    path = Path(pattern)
    return sorted(found for found in Path(path.anchor).glob(str(path.relative_to(path.anchor))) if found.is_file())


def from_sql(root: Path, source: Source, target: Path) -> Path:
    """The rows of a query on a SQLite file, opened for reading only."""
    import sqlite3

    import pandas as pd
    database = root / source.database
    if not database.is_file():
        raise UserError(f'[data] database = "{source.database}" is not there (looked for {database}).')
    try:
        connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
        try:
            pd.read_sql_query(source.sql, connection, dtype_backend="numpy_nullable").to_csv(target, index=False)  # whole numbers stay whole beside a NULL
        finally:
            connection.close()
    except (pd.errors.DatabaseError, sqlite3.Error) as error:
        raise UserError(f"[data] sql failed on {source.database}: {error}") from None
    return target


def from_sklearn(config: Config, target: Path) -> Path:
    """A data set that scikit-learn carries, its target under the name model.toml gives it and its classes by their names."""
    from sklearn import datasets
    loaders = {name for name in dir(datasets) if name.startswith("load_")}
    if config.data.sklearn not in loaders:
        raise UserError(f"[data] sklearn = {config.data.sklearn!r} is not a data set of scikit-learn.{nearest(config.data.sklearn, loaders)}")
    try:
        bunch = getattr(datasets, config.data.sklearn)(as_frame=True)
    except TypeError:
        raise UserError(f"[data] sklearn = {config.data.sklearn!r} does not come as a table.") from None
    frame, answer = bunch.data.copy(), bunch.target
    names = getattr(bunch, "target_names", None)
    frame[config.target] = [names[code] for code in answer] if config.task == "classification" and names is not None else answer
    frame.to_csv(target, index=False)
    return target


def from_command(root: Path, command: str, target: Path) -> Path:
    """What a shell command prints. The one place where model.toml may run a program: that is what `command` is for."""
    with open(target, "wb") as output:
        done = subprocess.run(command, shell=True, cwd=root, stdout=output, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    words = done.stderr.decode(errors="replace").strip()
    if words:
        print(words, file=sys.stderr)
    if done.returncode:
        raise Failed(f"[data] command ended with exit code {done.returncode}; nothing was taken in. The command: {command}")
    if not target.stat().st_size:
        raise Failed(f"[data] command printed nothing; nothing was taken in. The command: {command}")
    return target
