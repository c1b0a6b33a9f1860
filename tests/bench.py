"""Figures as ratios to a floor: our command and a bare script that does only the unavoidable work, in turn, as whole processes.

make bench                     # the quick ones: a table on the screen and .bench.json
make bench BENCH=all           # all of them, half an hour
make bench BENCH=predict       # those whose name has this in it
make bench BASE=old.json       # also how each ratio moved

Two figures that were measured one after the other on a shared machine say little; their ratio, taken pair by pair, says more.
Where the machine is busy, the ratio of processor time (user and system) is steadier than that of wall time: both are shown.
The bare scripts are in tests/floors/, each with what it leaves out.
"""
import contextlib
import importlib.util
import json
import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ROOT / "tests/floors"
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "scripts")]
PYTHON = sys.executable
STDLIB = [PYTHON, "-c", "import sqlite3, json, hashlib"]
LOGGED, LABELLED = 10_000_000, 1_000
# A small process that starts the one to be measured: a peak of memory counts from the fork on, that is with the starter's own.
LAUNCH = """
import os, sys, time
began, null = time.perf_counter(), os.open(os.devnull, os.O_WRONLY)
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, 1)])
_, status, usage = os.wait4(pid, 0)
print([os.waitstatus_to_exitcode(status), time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024])
"""
MODELS, NEW_ROWS = 1_000, 1_000
RUNS, FIGURES = 100_000, 100  # runs on record, figures of each


@dataclass(frozen=True)
class Cost:
    """Of one process with its children, or of one piece of work."""

    wall: float  # seconds
    cpu: float
    mb: float = 0.0  # peak


@dataclass
class Row:
    """One line of the table: medians over the pairs."""

    name: str
    ratio: float
    low: float
    high: float
    cpu_ratio: float
    n: int
    ours: Cost
    floor: Cost
    note: str = ""


@dataclass
class Bench:
    """A project of its own in a temporary folder, with cancer v1 live, and what has been measured in it."""

    folder: Path
    rows: list[Row] = field(default_factory=list)

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def env(self) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "LANG", "TMPDIR") if key in os.environ}
        return {**kept, "HOME": str(self.folder), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "VENV": sys.prefix, "MODEL": "cancer"}

    def typed(self, command: list, **options) -> Cost:
        """A whole process; its exit code may say no, and must not say that it failed."""
        with tempfile.TemporaryFile() as words:
            done = subprocess.run([PYTHON, "-I", "-S", "-c", LAUNCH, *map(str, command)], cwd=self.project, env={**self.env, **options}, stdout=subprocess.PIPE, stderr=words,
                                  stdin=subprocess.DEVNULL, text=True)
            code, *figures = json.loads(done.stdout or "[1]")
            if code not in (0, 3):
                words.seek(0)
                raise SystemExit(f"{command}: {words.read().decode()}")
        return Cost(*figures)

    def pairs(self, name: str, ours: Callable[[int], Cost], floor: Callable[[int], Cost], rounds: int = 7, note: str = "") -> None:
        """Ours and the floor in turn, after one of each that does not count: what slows the machine slows both."""
        ours(0), floor(0)
        self.add(name, [(ours(number), floor(number)) for number in range(1, rounds + 1)], note)

    def commands(self, name: str, ours: list, floor: list, rounds: int = 7, note: str = "", **options) -> None:
        self.pairs(name, lambda number: self.typed(ours, **options), lambda number: self.typed(floor, **options), rounds, note)

    def add(self, name: str, found: list[tuple[Cost, Cost]], note: str = "") -> None:
        ratios = [a.wall / b.wall for a, b in found]
        ours, floor = (Cost(*(statistics.median(getattr(pair[side], key) for pair in found) for key in ("wall", "cpu", "mb"))) for side in (0, 1))
        cpu = statistics.median(a.cpu / b.cpu if b.cpu else float("nan") for a, b in found)
        self.rows.append(Row(name, statistics.median(ratios), min(ratios), max(ratios), cpu, len(found), ours, floor, note))
        print(line(self.rows[-1]), flush=True)

    def script(self, name: str) -> list:
        return [PYTHON, f"scripts/{name}.py"]

    def sql(self, query: str, *values):
        with contextlib.closing(sqlite3.connect(self.project / "metrics.db")) as connection, connection:
            return connection.execute(query, values).fetchall()

    def git(self, *arguments: str, **options) -> str:
        return subprocess.run(["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost", *arguments], cwd=self.project, env=self.env, check=True,
                              stdout=subprocess.PIPE, text=True, **options).stdout


def prepare(folder: Path) -> Bench:
    """A project with cancer v1 live."""
    bench = Bench(folder)
    prepare_empty(folder)
    bench.typed(bench.script("train"))
    bench.typed(bench.script("deploy"))
    return bench


def apart(bench: Bench, name: str) -> Bench:
    """A project of its own, whose models no other operation meets."""
    prepare(bench.folder / name)
    return Bench(bench.folder / name, bench.rows)


def prepare_empty(folder: Path) -> Path:
    """The project in a repository of its own."""
    from conftest import sources
    bench = Bench(folder)
    for name in sources():
        (bench.project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, bench.project / name)
    bench.git("init", "-q")
    bench.git("add", "-A")
    bench.git("commit", "-qm", "bench")
    return bench.project


# --- operations: each a function of the bench; its docstring's first line is what BENCH= looks through

def start(bench: Bench) -> None:
    """status, history, train with nothing changed, check with nothing new"""
    for script in ("status", "history", "train", "check"):
        bench.commands({"train": "train, nothing changed", "check": "check, nothing new"}.get(script, script), bench.script(script), STDLIB, 15)
    bench.commands("make status", ["make", "-s", "status"], STDLIB, 15)


def switch(bench: Bench) -> None:
    """deploy, rollback"""
    bench.typed(bench.script("train"), FORCE="1")
    floor, found = [PYTHON, FLOORS / "switch.py", "cancer", "1"], {"deploy": [], "rollback": []}
    for number in range(8):
        for script, version in (("deploy", "2"), ("rollback", "")):
            pair = bench.typed(bench.script(script), VERSION=version), bench.typed(floor)
            found[script] += [pair] if number else []
    for script, version in (("deploy", "2"), ("rollback", "")):
        bench.add(script, found[script], processes(bench, script, version))


def processes(bench: Bench, script: str, version: str) -> str:
    """How many git and git-lfs processes the command starts."""
    events = bench.folder / f"{script}.events"
    bench.typed(bench.script(script), VERSION=version, GIT_TRACE2_EVENT=str(events))
    told = [json.loads(text) for text in events.read_text().splitlines()]
    lfs = sum(event["event"] == "child_start" and "git-lfs" in " ".join(event["argv"]) for event in told)
    return f"{sum(event['event'] == 'start' for event in told)} git, {lfs} git-lfs"


def training(bench: Bench) -> None:
    """train 100,000 rows"""
    import numpy as np
    source = new_model(bench)
    holdout = bench.folder / "holdout.npy"
    np.save(holdout, split_of(bench))
    floor = [PYTHON, FLOORS / "train.py", source, holdout]
    bench.pairs("train, 100,000 x 30", lambda number: bench.typed(bench.script("train"), MODEL="big", FORCE="1"), lambda number: bench.typed(floor), 5)
    theirs = float(subprocess.run(floor, stdout=subprocess.PIPE, text=True, check=True).stdout.split()[0])
    ours, = bench.sql("SELECT value FROM versions WHERE model = 'big' ORDER BY version DESC LIMIT 1")[0]
    if abs(ours - theirs) > 1e-9:
        raise SystemExit(f"the floor of train has not fitted the same: accuracy {theirs} on its holdout, ours {ours}")


def split_of(bench: Bench):
    """Which rows of `big` examine, as `train` splits them."""
    from lib import config, dataset, parts
    from lib.files import ModelPaths
    conf, paths = config.load(bench.project / "models/big/model.toml"), ModelPaths(bench.project, "big")
    return dataset.split(dataset.read(parts.check(paths), conf), conf, None).holdout


def new_model(bench: Bench) -> Path:
    """`big`: 100,000 rows of 27 numbers and 3 categories."""
    source = bench.folder / "big.csv"
    if not source.exists():
        table(100_000, 0).to_csv(source, index=False)
        bench.typed(bench.script("new"), MODEL="big", CSV=str(source), TARGET="y")
    return source


def table(rows: int, seed: int):
    import numpy as np
    import pandas as pd
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(rows, 27)).round(4), columns=[f"x{i}" for i in range(27)])
    for i in range(3):
        frame[f"c{i}"] = np.array(list("abcdefgh"))[rng.integers(0, 8, rows)]
    right = frame["x0"] + frame["x1"] * frame["x2"] + (frame["c0"] == "a") + rng.normal(size=rows) > 0
    return frame.assign(y=np.where(right, "yes", "no"))


def search(bench: Bench) -> None:
    """search 20 trials x 5 folds: one core against two"""
    new_model(bench)
    path = bench.project / "models/big/model.toml"
    before = path.read_text()
    path.write_text(before.replace("[thresholds]", "[search]\ntrials = 20\nfolds = 5\nspace = {max_iter = {low = 10, high = 30}, learning_rate = {low = 0.05, high = 0.3}}\n\n[thresholds]"))

    def ours(cores: str) -> Cost:
        bench.sql("DELETE FROM trials")
        return bench.typed(["taskset", "-c", cores, *bench.script("train")], MODEL="big", FORCE="1")
    bench.pairs("search, one core / two cores", lambda number: ours("0"), lambda number: ours("0,1"), 1, note="20 trials x 5 folds, with the training after it")
    path.write_text(before)


def scoring(bench: Bench) -> None:
    """predict 100,000 rows, 1,000,000 rows"""
    new_model(bench)
    if not (bench.project / "models/big/production").exists():
        bench.typed(bench.script("train"), MODEL="big")
        bench.typed(bench.script("deploy"), MODEL="big")
    source = bench.folder / "score.csv"
    for rows, rounds in ((100_000, 3), (1_000_000, 1)):
        table(rows, 1).drop(columns="y").to_csv(source, index=False)

        def ours(number: int) -> Cost:
            bench.sql("DELETE FROM batches")
            shutil.rmtree(bench.project / "data/big/predictions", ignore_errors=True)
            return bench.typed(bench.script("predict"), MODEL="big", CSV=str(source), OUT=str(bench.folder / "ours.csv"))
        floor = [PYTHON, FLOORS / "predict.py", bench.project / "scripts", bench.project / "models/big/production/model.joblib", source, bench.folder / "theirs.csv"]
        bench.pairs(f"predict, {rows:,} x 30", ours, lambda number: bench.typed(floor), rounds)


def logs(bench: Bench) -> None:
    """check: first reading of 10,000,000 rows; 1,000 new labels beside them"""
    log, labels = write_log(bench), write_labels(bench, 0)

    def first(number: int) -> Cost:
        for name in ("log_positions", "log_segments", "outcomes", "detector"):
            bench.sql(f"DELETE FROM {name}")
        return bench.typed(bench.script("check"))
    floor = [PYTHON, FLOORS / "first_check.py", log, labels]
    bench.add(f"check, first reading of {LOGGED:,} rows", [(first(number), bench.typed(floor)) for number in range(2)])

    def again(number: int) -> Cost:
        write_labels(bench, number + 1)
        return bench.typed(bench.script("check"))
    whole = [PYTHON, FLOORS / "whole_log.py", log, *sorted(labels.parent.glob("*.csv"))]
    bench.pairs(f"check, {LABELLED:,} new labels beside them", again, lambda number: bench.typed(whole), 2, "the floor reads it all with pandas")


def years(bench: Bench) -> None:
    """check: a day's new labels, and nothing new, beside a year of hourly logs and beside ten days"""
    long, short = (apart(bench, name) for name in ("year", "ten-days"))
    first = date(2024, 1, 1)
    for one, days in ((long, 365), (short, 10)):
        for back in range(days, 0, -1):
            write_day(one, first - timedelta(days=back))
        one.typed(one.script("check"))

    def with_news(one: Bench, number: int) -> Cost:
        write_day(one, first + timedelta(days=number))
        return one.typed(one.script("check"))
    beside = "the floor is beside ten days"
    bench.pairs("check, a day's labels beside a year of hourly logs", lambda number: with_news(long, number), lambda number: with_news(short, number), 7, beside)
    bench.pairs("check, nothing new, beside a year of hourly logs", lambda number: long.typed(long.script("check")), lambda number: short.typed(short.script("check")), 7, beside)


def write_day(bench: Bench, day: date) -> None:
    """Ten predictions an hour, and their labels."""
    for log, text in (("predictions", "id,time,version,prediction,score\n" + "".join(f"{day}-{i},{day}T{i // 10:02d}:00:00Z,1,{answer(i)},0.75\n" for i in range(240))),
                      ("labels", "id,label,time\n" + "".join(f"{day}-{i},{answer(i)},{day}T23:30:00Z\n" for i in range(240)))):
        (bench.project / "data/cancer" / log).mkdir(parents=True, exist_ok=True)
        (bench.project / "data/cancer" / log / f"{day}.csv").write_text(text)


def write_log(bench: Bench) -> Path:
    log = bench.project / "data/cancer/predictions/2026-01-01.csv"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        file.write("id,time,version,prediction,score\n")
        for start in range(0, LOGGED, 500_000):
            file.writelines(f"row-{i:08d},2026-01-01T{i * 24 // LOGGED:02d}:00:00Z,1,{answer(i)},{0.5 + i % 50 / 100}\n" for i in range(start, start + 500_000))
    return log


def write_labels(bench: Bench, number: int) -> Path:
    path = bench.project / f"data/cancer/labels/2026-02-{number + 1:02d}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("id,label,time\n" + "".join(f"row-{i:08d},{answer(i)},2026-02-01T00:00:00Z\n" for i in range(number, LOGGED, LOGGED // LABELLED)))
    return path


def answer(i: int) -> str:
    return "malignant" if i % 3 else "benign"


def many(bench: Bench) -> None:
    """check of 1,000 models, 1,000 new rows each"""
    bench = apart(bench, "many")
    names = copies(bench, MODELS)
    (bench.project / "data/floor").mkdir(parents=True, exist_ok=True)

    def ours(number: int) -> Cost:
        for name in names:
            write_rows(bench.project / "data" / name, number)
        return bench.typed(bench.script("check"), MODEL="")
    floor = [PYTHON, FLOORS / "many_checks.py", bench.project / "data"]
    bench.pairs(f"check of {MODELS:,} models, {NEW_ROWS:,} new rows each", ours, lambda number: bench.typed(floor), 2)
    row = bench.rows[-1]
    row.note = f"{(row.ours.wall - row.floor.wall) / MODELS * 1000:.1f} ms a model above the floor"
    print(f"    {row.note}")


def write_rows(folder: Path, number: int) -> None:
    for log, text in (("predictions", "id,time,version,prediction,score\n" + "".join(f"{number}-{i},2026-01-{number + 1:02d}T{i * 24 // NEW_ROWS:02d}:00:00Z,1,{answer(i)},0.75\n" for i in range(NEW_ROWS))),
                      ("labels", "id,label,time\n" + "".join(f"{number}-{i},{answer(i)},2026-02-01T00:00:00Z\n" for i in range(NEW_ROWS)))):
        (folder / log).mkdir(parents=True, exist_ok=True)
        (folder / log / f"2026-01-{number + 1:02d}.csv").write_text(text)


def copies(bench: Bench, count: int) -> list[str]:
    """Models like cancer with v1 live, each with tags of its own."""
    names = [f"m{i:04d}" for i in range(count)]
    messages = {kind: bench.git("for-each-ref", "--format=%(contents)", f"refs/tags/cancer/{kind}").rstrip("\n") + "\n" for kind in ("v1", "deploy-1")}
    commit = bench.git("rev-parse", "cancer/v1^{commit}").strip()
    stream, model = [], bench.project / "models/cancer"
    for name in names:
        folder = model.with_name(name)
        shutil.copytree(model / "v1", folder / "v1")
        shutil.copy2(model / "model.toml", folder)
        (folder / "production").symlink_to("v1")
        for kind, message in messages.items():
            text = message.replace("cancer/", f"{name}/")
            stream.append(f"tag {name}/{kind}\nfrom {commit}\ntagger bench <bench@localhost> 0 +0000\ndata {len(text.encode())}\n{text}\n")
    bench.git("fast-import", "--quiet", input="".join(stream))
    for table in ("versions", "deployments"):  # on record: else the check would rebuild them from the tags
        columns = [row[1] for row in bench.sql(f"PRAGMA table_info({table})") if row[1] not in ("id", "tag_object")]
        taken = ", ".join({"model": "?1", "tag": "?1 || substr(tag, 7)"}.get(name, name) for name in columns)
        with contextlib.closing(sqlite3.connect(bench.project / "metrics.db")) as connection, connection:
            connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) SELECT {taken} FROM {table} WHERE model = 'cancer'", ((name,) for name in names))
    return names


def report(bench: Bench) -> None:
    """report of 100 models with a year of daily figures"""
    bench = apart(bench, "report")
    names = copies(bench, 100)
    days = [(date.today() - timedelta(days=back)).isoformat() for back in range(365, 0, -1)]
    with contextlib.closing(sqlite3.connect(bench.project / "metrics.db")) as connection, connection:
        each = [(name, day, i) for name in names for i, day in enumerate(days)]
        connection.executemany("INSERT INTO outcomes (model, version, hour, metric, predictions, labels, losses) VALUES (?, 1, ? || 'T12', 'accuracy', 100, 90, ?)",
                               ((name, day, 5 + i % 7) for name, day, i in each))
        connection.executemany("INSERT INTO checks (run_id, model, version, time, rule, metric, value, labels, matured, verdict) VALUES (1, ?, 1, ? || 'T13:00:00Z', 'sequential', 'accuracy', 0.9, 90, 100, 'healthy')",
                               ((name, day) for name, day, _ in each))
        connection.executemany("INSERT INTO drift_windows (id, run_id, model, version, time, rows, first, last, level, budget, verdict, words) "
                               "VALUES (?, 1, ?, 1, ? || 'T14:00:00Z', 100, ? || 'T00:00:00Z', ? || 'T12:00:00Z', 0.01, 0.01, 'ok', '')",
                               ((number, name, day, day, day) for number, (name, day, _) in enumerate(each, start=1000)))
        connection.executemany("INSERT INTO drift (run_id, window_id, model, version, time, \"column\", measure, value, verdict) VALUES (1, ?, ?, 1, ? || 'T14:00:00Z', ?, 'psi', ?, 'ok')",
                               ((number, name, day, f"mean {column}", 0.01 * (i % 9)) for number, (name, day, i) in enumerate(each, start=1000) for column in ("radius", "area", "texture")))
    found = [(bench.typed(bench.script("report"), MODEL=""), Cost(3.0, 3.0)) for _ in range(4)]
    bench.add("report of 100 models, a year of daily figures", found[1:], "the floor is the 3 s it may take")


BASELINE, WINDOW, COLUMNS = 50_000, 10_000, 30


def drift(bench: Bench) -> None:
    """drift of 10,000 rows of 30 columns against 50,000"""
    then, now = drifting(bench)
    size = f"drift, {COLUMNS} columns, {WINDOW:,} rows against {BASELINE:,}"

    def again(number: int) -> Cost:
        for name in ("drift", "drift_windows", "drift_positions"):  # so that the same rows are judged again
            bench.sql(f"DELETE FROM {name}")
        return bench.typed(bench.script("drift"), MODEL="shop")
    floor = [PYTHON, FLOORS / "drift.py", then, now]
    bench.pairs(size, again, lambda number: bench.typed(floor), 5, "the floor is a loop of ks_2samp")
    if importlib.util.find_spec("evidently"):
        preset = [PYTHON, FLOORS / "drift_evidently.py", then, now]
        bench.pairs(f"{size}, beside Evidently", again, lambda number: bench.typed(preset), 3, "the floor is its preset")


def drifting(bench: Bench) -> tuple[Path, Path]:
    """A model of BASELINE rows that is live and has scored WINDOW more; the two files of rows."""
    import numpy as np
    import pandas as pd
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(COLUMNS, COLUMNS))
    files = bench.folder / "then.csv", bench.folder / "now.csv"
    for path, rows in zip(files, (BASELINE, WINDOW)):
        frame = pd.DataFrame(rng.normal(size=(rows, COLUMNS)) @ mix, columns=[f"c{i}" for i in range(COLUMNS)]).round(6)
        frame.assign(y=np.where(frame["c0"] + frame["c1"] > 0, "yes", "no")).to_csv(path, index=False)
    for script, options in (("new", {"CSV": str(files[0]), "TARGET": "y"}), ("train", {}), ("deploy", {}), ("predict", {"CSV": str(files[1])})):
        bench.typed(bench.script(script), MODEL="shop", **options)
    return files


RECORD = """
import hashlib, os, sqlite3, sys, time
sys.path.insert(0, "scripts")
import joblib, numpy as np
from pathlib import Path
from lib import db, files, model, runs
made, target = np.random.default_rng(0).random(int(sys.argv[2]) // 8), Path(sys.argv[3])
params, metrics = {f"p{i}": i for i in range(10)}, [{"slice": "all", "name": f"m{i}", "value": 0.5, "low": 0.4, "high": 0.6, "rows": 100} for i in range(10)]
connection = sqlite3.connect(f"{target}.db", isolation_level=None)
connection.execute("PRAGMA synchronous = EXTRA")
connection.execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, sha256 TEXT, params TEXT, metrics TEXT)")
began = time.perf_counter()
if sys.argv[1] == "ours":
    run = runs.begin("bench", {}, reads=False, brief=False)
    content = model.dump(made)
    files.write(target, content)
    files.sha256(target)
    with db.transaction(run.db):
        db.add_params(run.db, run.id, params)
        db.add_metrics(run.db, run.id, None, metrics)
    runs.close(run, 0, None, 0.0)
else:
    with open(target, "wb") as file:
        joblib.dump(made, file)
        file.flush()
        os.fsync(file.fileno())
    with open(target, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    connection.execute("INSERT INTO runs (sha256, params, metrics) VALUES (?, ?, ?)", (digest, str(params), str(metrics)))
print(time.perf_counter() - began)
"""


def record(bench: Bench) -> None:
    """log a run with a model of 1 MB, of 100 MB"""
    def inside(kind: str, size: int) -> Cost:
        target = Path(tempfile.mkdtemp(dir=bench.folder)) / "model"
        done = subprocess.run([PYTHON, "-c", RECORD, kind, str(size), str(target)], cwd=bench.project, env=bench.env, stdout=subprocess.PIPE, text=True, check=True)
        shutil.rmtree(target.parent)
        return Cost(float(done.stdout), 0.0)
    for size in (1_000_000, 100_000_000):
        bench.pairs(f"log a run with a model of {size // 1_000_000} MB, in process", lambda number: inside("ours", size), lambda number: inside("floor", size), 5)


def database(bench: Bench) -> None:
    """metrics.db with 100,000 runs and 10,000,000 figures: each view for a model, against 50 ms; runs inserted a second"""
    fill(bench)
    views = bench.sql("SELECT name, sql FROM sqlite_master WHERE type = 'view' ORDER BY name")
    for name, _ in views:
        columns = [row[1] for row in bench.sql(f"PRAGMA table_info({name})")]
        for query in (f"SELECT * FROM {name} WHERE model = 'm0042'" if "model" in columns else "", f"SELECT * FROM {name}"):
            if query:
                bench.add(query, [(asked(bench, query), Cost(0.05, 0.0)) for _ in range(5)], "the floor is the 50 ms it may take")
    best = "SELECT version, value FROM leaderboard WHERE model = 'm0042' AND metric = 'accuracy' AND place = 1"
    bench.commands("best of 100 versions, whole process", [PYTHON, "-c", f"import sqlite3, json, hashlib; print(sqlite3.connect('metrics.db').execute(\"{best}\").fetchone())"], STDLIB)
    code = "import sys; sys.path.insert(0, 'scripts'); from pathlib import Path; from lib import db; c = db.connect(Path('metrics.db'))\n" \
           "for i in range(200):\n db.insert(c, 'runs', uuid=f'{sys.argv[1]}-{i}', script='bench', started='x', status='done', trigger='manual', user='u', host='h', pid=0, pid_started=0)"
    rounds = [(bench.typed([PYTHON, "-c", code, str(number)]), bench.typed(STDLIB)) for number in range(3)]
    bench.add("200 runs inserted, each durable", rounds, f"{200 / statistics.median(a.wall - b.wall for a, b in rounds):.0f} runs a second")


def asked(bench: Bench, query: str) -> Cost:
    """In process, on a connection of its own."""
    with contextlib.closing(sqlite3.connect(bench.project / "metrics.db")) as connection:
        began = time.perf_counter()
        connection.execute(query).fetchall()
        return Cost(time.perf_counter() - began, 0.0)


def fill(bench: Bench) -> None:
    """100 models of 1,000 runs each, with their figures, a tenth of them versions that went live; a year of hourly outcomes and daily checks of each model."""
    with contextlib.closing(sqlite3.connect(bench.project / "metrics.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -1000000")
        connection.execute("BEGIN")
        first = connection.execute("SELECT max(id) FROM runs").fetchone()[0] + 1
        each = RUNS // 100
        ids = [(first + i, f"m{i // each:04d}", i % each + 1) for i in range(RUNS)]
        registered = [one for one in ids if one[2] <= each // 10]
        connection.executemany("INSERT INTO runs (id, uuid, script, model, started, ended, seconds, status, trigger, user, host, pid, pid_started) "
                               "VALUES (?, ?, 'train', ?, '2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z', 1.0, 'done', 'manual', 'u', 'h', 0, 0)", ((i, f"u{i}", model) for i, model, _ in ids))
        connection.executemany("INSERT INTO metrics (run_id, version, slice, name, value, rows) VALUES (?, ?, ?, ?, ?, 1000)",
                               ((i, version, f"s{k // 10}", f"metric{k % 10}", (i * 7919 + k * 31) % 10007 / 10007) for i, _, version in ids for k in range(FIGURES)))
        connection.executemany("INSERT INTO versions (model, version, run_id, created, tag, sha256, manifest_sha256, estimator, metric, value, greater_is_better, train_rows, holdout_rows, why) "
                               "VALUES (?, ?, ?, '2026-01-01T00:00:00Z', ?, 'x', 'x', 'e', 'accuracy', ?, 1, 1000, 100, 'w')",
                               ((model, version, i, f"{model}/v{version}", i * 7919 % 10007 / 10007) for i, model, version in registered))
        connection.executemany("INSERT INTO deployments (model, deployment, version, action, time, user, host, reason, run_uuid, tag) VALUES (?, ?, ?, 'deploy', '2026-01-01T00:00:00Z', 'u', 'h', 'r', 'x', ?)",
                               ((model, version, version, f"{model}/deploy-{version}") for _, model, version in registered))
        hours = [f"2025-{1 + day // 31:02d}-{1 + day % 31:02d}T{hour:02d}" for day in range(365) for hour in range(24)]
        connection.executemany("INSERT INTO outcomes (model, version, hour, metric, predictions, labels, losses) VALUES (?, 1, ?, 'accuracy', 100, 90, 9)",
                               ((f"m{m:04d}", hour) for m in range(100) for hour in hours))
        connection.executemany("INSERT INTO checks (run_id, model, version, time, rule, metric, value, labels, matured, verdict) VALUES (?, ?, 1, '2026-01-01T00:00:00Z', 'sequential', 'accuracy', 0.9, 90, 100, 'healthy')",
                               ((first, f"m{m:04d}") for m in range(100) for _ in range(365)))
        connection.execute("COMMIT")


QUICK = (start, switch, record, drift, scoring, training)
LONG = (report, logs, years, many, search, database)


def line(row: Row) -> str:
    return (f"{row.name:<62} {row.ratio:7.2f} {row.low:7.2f} {row.high:7.2f} {row.cpu_ratio:7.2f} {row.n:3d} {row.ours.wall:8.3f} {row.floor.wall:8.3f} "
            f"{row.ours.mb:7.0f} {row.floor.mb:7.0f}  {row.note}").rstrip()


def compare(rows: list[Row], base: dict) -> None:
    """How the ratios moved since an earlier run's file."""
    print(f"\n{'':<62} {'ratio':>7} {'was':>7}")
    for row in rows:
        if row.name in base:
            print(f"{row.name:<62} {row.ratio:7.2f} {base[row.name]['ratio']:7.2f}")


def chosen(words: str) -> tuple[Callable[[Bench], None], ...]:
    if words in ("", "all"):
        return QUICK + LONG * (words == "all")
    return tuple(operation for operation in QUICK + LONG if any(word in operation.__doc__ for word in words.split(",")))


def main() -> int:
    base = json.loads(Path(os.environ["BASE"]).read_text())["operations"] if os.environ.get("BASE") else {}
    operations = chosen(os.environ.get("BENCH", ""))
    if not operations:
        raise SystemExit(f"bench: BENCH={os.environ['BENCH']} is in none of: {'; '.join(operation.__doc__ for operation in QUICK + LONG)}")
    print(f"{'':<62} {'ratio':>7} {'min':>7} {'max':>7} {'cpu':>7} {'n':>3} {'ours s':>8} {'floor s':>8} {'ours MB':>7} {'floor':>7}")
    with tempfile.TemporaryDirectory(prefix="lean-bench-") as folder:
        bench = prepare(Path(folder))
        for operation in operations:
            operation(bench)
    if base:
        compare(bench.rows, base)
    machine = {"python": platform.python_version(), "cores": os.cpu_count(), "load": os.getloadavg()}
    (ROOT / ".bench.json").write_text(json.dumps({"machine": machine, "operations": {row.name: asdict(row) for row in bench.rows}}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
