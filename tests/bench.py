"""Figures as ratios to a floor: our command and a bare script that does only the unavoidable work, in turn, as whole processes.

make bench                 # a table on the screen and .bench.json
make bench BASE=old.json   # also how each ratio moved
"""
import contextlib
import importlib.util
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 5
BASELINE, WINDOW, COLUMNS = 50_000, 10_000, 30
LOGGED, LABELLED = 10_000_000, 1_000
STDLIB = "import sqlite3, json, hashlib"
WHOLE_LOG = """
import sys, pandas as pd
said = pd.concat(pd.read_csv(sys.argv[1], chunksize=500_000))
true = pd.concat(pd.read_csv(path) for path in sys.argv[2:]).drop_duplicates("id", keep="last")
both = true.merge(said, on="id")
print((both["label"] == both["prediction"]).mean())
"""
MAKE_ROWS = """
import sys, numpy as np, pandas as pd
columns, *files = sys.argv[1:]
rng = np.random.default_rng(0)
mix = rng.normal(size=(int(columns), int(columns)))
for path, rows in zip(files[::2], files[1::2]):
    frame = pd.DataFrame(rng.normal(size=(int(rows), len(mix))) @ mix, columns=[f"c{i}" for i in range(len(mix))]).round(6)
    frame.assign(y=np.where(frame["c0"] + frame["c1"] > 0, "yes", "no")).to_csv(path, index=False)
"""
KS_LOOP = """
import sys, pandas as pd
from scipy.stats import ks_2samp
then, now = (pd.read_csv(path) for path in sys.argv[1:])
print(sum(ks_2samp(then[name], now[name]).pvalue < 0.05 for name in then if name != "y"))
"""
EVIDENTLY = """
import sys, pandas as pd
then, now = (pd.read_csv(path).filter(regex="^c") for path in sys.argv[1:])
try:
    from evidently import Report
    from evidently.presets import DataDriftPreset
    Report([DataDriftPreset()]).run(now, then)
except ImportError:
    from evidently.metric_preset import DataDriftPreset
    from evidently.report import Report
    Report(metrics=[DataDriftPreset()]).run(reference_data=then, current_data=now)
"""


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="lean-bench-") as folder:
        project = prepare(Path(folder))
        python = [sys.executable, "-c"]
        found = {}
        for script in ("status", "history", "train"):
            found[f"{script}, nothing to do"] = pair(project, [sys.executable, f"scripts/{script}.py"], [*python, STDLIB])
        then, now = write_rows(project)
        size = f"drift, {COLUMNS} columns, {WINDOW:,} rows against {BASELINE:,}"
        drift, again = [sys.executable, "scripts/drift.py"], lambda number: forget(project)
        found[f"{size}: a loop of ks_2samp"] = pair(project, drift, [*python, KS_LOOP, str(then), str(now)], before=again, model="shop")
        if importlib.util.find_spec("evidently"):
            found[f"{size}: Evidently's preset"] = pair(project, drift, [*python, EVIDENTLY, str(then), str(now)], rounds=3, before=again, model="shop")
        log, labels = write_logs(project)
        typed(project, [sys.executable, "scripts/check.py"])  # the first reading of the log
        found["check, nothing new"] = pair(project, [sys.executable, "scripts/check.py"], [*python, STDLIB])
        found[f"check, {LABELLED:,} new labels beside {LOGGED:,} predictions"] = pair(
            project, [sys.executable, "scripts/check.py"], [*python, WHOLE_LOG, str(log), str(labels)], rounds=3, before=lambda number: write_labels(project, number))
    show(found)
    return 0


def prepare(folder: Path) -> Path:
    """The project in a repository of its own, with cancer v1 live."""
    project = prepare_empty(folder)
    for script in ("train", "deploy"):
        typed(project, [sys.executable, f"scripts/{script}.py"])
    return project


def prepare_empty(folder: Path) -> Path:
    """The project in a repository of its own."""
    sys.path.insert(0, str(ROOT / "tests"))
    from conftest import sources
    project = folder / "project"
    for name in sources():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, project / name)
    for command in (["git", "init", "-q"], ["git", "add", "-A"], ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost", "commit", "-qm", "bench"]):
        typed(project, command)
    return project


def typed(project: Path, command: list[str], model: str = "cancer", **options: str) -> tuple[float, float]:
    """(seconds, peak memory in MB) of a whole process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=project, env={**os.environ, "MODEL": model, **options}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    words = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 3):
        raise SystemExit(f"{command}: {words.decode()}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def pair(project: Path, ours: list[str], floor: list[str], rounds: int = ROUNDS, before=lambda number: None, model: str = "cancer") -> dict:
    """Alternating runs of both, and the ratio of each pair: what slows the machine slows both."""
    typed(project, floor)
    rows = []
    for number in range(rounds):
        before(number)
        rows.append((*typed(project, ours, model), *typed(project, floor)))
    ratios = [row[0] / row[2] for row in rows]
    return {"ratio": statistics.median(ratios), "min": min(ratios), "max": max(ratios), "n": rounds, "seconds": statistics.median(row[0] for row in rows),
            "floor_seconds": statistics.median(row[2] for row in rows), "mb": max(row[1] for row in rows), "floor_mb": max(row[3] for row in rows)}


def write_rows(project: Path) -> tuple[Path, Path]:
    """A model of BASELINE rows that is live and has scored WINDOW more; the two files of rows."""
    subprocess.run([sys.executable, "-c", MAKE_ROWS, str(COLUMNS), "then.csv", str(BASELINE), "now.csv", str(WINDOW)], cwd=project, check=True)
    for script, options in (("new", {"CSV": "then.csv", "TARGET": "y"}), ("train", {}), ("deploy", {}), ("predict", {"CSV": "now.csv"})):
        typed(project, [sys.executable, f"scripts/{script}.py"], "shop", **options)
    return project / "then.csv", project / "now.csv"


def forget(project: Path) -> None:
    """The last check, so that the same rows are judged again."""
    with contextlib.closing(sqlite3.connect(project / "metrics.db")) as connection, connection:
        for table in ("drift", "drift_windows", "drift_positions"):
            connection.execute(f"DELETE FROM {table}")


def write_logs(project: Path) -> tuple[Path, Path]:
    log = project / "data/cancer/predictions/2026-01-01.csv"
    log.parent.mkdir(parents=True)
    (project / "data/cancer/labels").mkdir()
    with log.open("w") as file:
        file.write("id,time,version,prediction,score\n")
        for start in range(0, LOGGED, 500_000):
            file.writelines(f"row-{i:08d},2026-01-01T{i * 24 // LOGGED:02d}:00:00Z,1,{answer(i)},{0.5 + i % 50 / 100}\n" for i in range(start, start + 500_000))
    return log, write_labels(project, -1)


def write_labels(project: Path, number: int) -> Path:
    path = project / f"data/cancer/labels/2026-02-{number + 2:02d}.csv"
    step = LOGGED // LABELLED
    path.write_text("id,label,time\n" + "".join(f"row-{i:08d},{answer(i)},2026-02-01T00:00:00Z\n" for i in range(number + 1, LOGGED, step)))
    return path


def answer(i: int) -> str:
    return "malignant" if i % 3 else "benign"


def show(found: dict) -> None:
    base = json.loads(Path(os.environ["BASE"]).read_text()) if os.environ.get("BASE") else {}
    print(f"{'operation':<58} {'ratio':>7} {'min':>7} {'max':>7} {'n':>2} {'ours s':>8} {'floor s':>8} {'ours MB':>8} {'floor MB':>8}")
    for name, row in found.items():
        moved = f"  was {base[name]['ratio']:.2f}" if name in base else ""
        print(f"{name:<58} {row['ratio']:7.2f} {row['min']:7.2f} {row['max']:7.2f} {row['n']:2d} {row['seconds']:8.3f} {row['floor_seconds']:8.3f} {row['mb']:8.0f} {row['floor_mb']:8.0f}{moved}")
    (ROOT / ".bench.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
