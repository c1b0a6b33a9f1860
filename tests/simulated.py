"""Models with a year behind them, for what reads metrics.db: rows as the commands leave them, made without training anything.

Typed by hand it fills a folder to look at: python tests/simulated.py FOLDER MODELS
"""
import hashlib
import json
import random
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
from lib import clock, db  # noqa: E402

NOW = datetime(2026, 5, 20, 8, tzinfo=timezone.utc)
NAMES = ("churn", "fraud", "demand", "credit", "returns", "leads", "spam", "eta", "price", "quality")
COLUMNS = ("age", "income", "amount", "days since the last order", "<script>alert(1)</script>", "region", "visits", "device", "basket", "weight", "height", "temperature")


def fill(root: Path, count: int, days: int = 365, drift: bool = True) -> None:
    """`count` models, every third a regression, with v1 to v4, some dropped, some drifted, one alert a dropped one."""
    connection = db.connect(root / "metrics.db")
    with db.transaction(connection):
        for index in range(count):
            name = NAMES[index] if index < len(NAMES) else f"model-{index:03d}"
            model(connection, root, name, random.Random(index), index, days, drift)
        for number in range(days):
            add_run(connection, None, "retrain", NOW - timedelta(days=number), seconds=3.0 + number % 7, trigger="cron")
        add_run(connection, None, "train", NOW - timedelta(days=2), status="failed", exit_code=2, error="there is no model 'chrun' (no models/chrun/model.toml). Did you mean 'churn'?")
    connection.close()


def add_run(connection, model, script: str, when: datetime, status: str = "done", exit_code: int = 0, error: str | None = None, seconds: float = 1.5, trigger: str = "manual") -> int:
    stamp = clock.stamp(when)
    add_run.count = getattr(add_run, "count", 0) + 1
    return db.insert(connection, "runs", uuid=f"{id(connection):x}{add_run.count:032d}", script=script, model=model, started=stamp, ended=stamp, seconds=seconds, status=status, exit_code=exit_code, error=error,
                     trigger=trigger, user="ada", host="here", pid=1, pid_started=1, peak_memory_mb=150.0 + seconds)


def model(connection, root: Path, name: str, chance: random.Random, index: int, days: int, drift: bool) -> None:
    numeric, dropped, drifted = index % 3 == 2, index % 4 == 1, drift and index % 5 == 0
    folder = root / "models" / name
    folder.mkdir(parents=True, exist_ok=True)
    limit = "max = {mae = 50}" if numeric else "min = {accuracy = 0.9}"
    (folder / "model.toml").write_text(
        f'description = "What {name} is for: </style><script>alert(2)</script> & more"\ntask = "{"regression" if numeric else "classification"}"\ntarget = "y"\n'
        f'[train]\nestimator = "sklearn.linear_model.LogisticRegression"\n[thresholds]\n{limit}\n[columns]\ny = {{type = "{"number" if numeric else "category"}"}}\nage = {{type = "number"}}\n')
    metric, start = "mae" if numeric else "accuracy", NOW - timedelta(days=days)
    for version in range(1, 5):
        when = start + timedelta(days=days * (version - 1) // 4)
        run = add_run(connection, name, "train", when, seconds=40.0)
        value = 38.0 - version if numeric else 0.93 + 0.01 * version
        sha = write_version(folder / f"v{version}", numeric, chance)
        db.insert(connection, "versions", model=name, version=version, run_id=run, created=clock.stamp(when), tag=f"{name}/v{version}", sha256="0" * 64, manifest_sha256=sha,
                  estimator="sklearn.linear_model.LogisticRegression", metric=metric, value=value, low=value - (3 if numeric else 0.02), high=value + (3 if numeric else 0.015), greater_is_better=int(not numeric),
                  train_rows=5000 * version, holdout_rows=400, why="the first version" if version == 1 else "config: train.params.C changed")
        if version < 4 or index % 2:
            db.insert(connection, "deployments", model=name, deployment=version, version=version, replaced=version - 1 or None, action="deploy" if version % 2 else "retrain", time=clock.stamp(when), user="ada",
                      host="here", reason="the newest", run_uuid=f"{name}{version}", tag=f"{name}/deploy-{version}")
    live = 4 if index % 2 else 3
    outcomes(connection, name, numeric, dropped, live, start, days, chance)
    check = add_run(connection, name, "check", NOW)
    value, low, high = (72.0, 65.0, 80.0) if numeric and dropped else (36.0, 34.0, 38.0) if numeric else (0.84, 0.82, 0.86) if dropped else (0.957, 0.949, 0.964)
    db.insert(connection, "checks", run_id=check, model=name, version=live, time=clock.stamp(NOW), rule="sequential", metric=metric, value=value, low=low, high=high, labels=40_000, matured=45_000,
              floor=50.0 if numeric else 0.9, evidence=2000.0 if dropped else 0.5, alarm_at=730.0, expected=None if numeric else 0.95, verdict="dropped" if dropped else "healthy")
    if dropped:
        db.insert(connection, "alerts", model=name, kind="dropped", text=f"{name} v{live}: {metric} {value}, 40,000 labels: dropped", raised=clock.stamp(NOW - timedelta(days=3)), run_id=check)
        db.insert(connection, "retrains", run_id=check, model=name, time=clock.stamp(NOW - timedelta(days=2)), reason="accuracy dropped", outcome="refused", detail="no candidate was significantly better")
    db.insert(connection, "alerts", model=name, kind="failed", text="check failed: disk full", raised=clock.stamp(start), resolved=clock.stamp(start + timedelta(days=1)), run_id=check)
    add_run(connection, name, "train", NOW - timedelta(days=5), status="failed", exit_code=1, error="No space left on device: /srv/models. Nothing was taken in halfway; put it right and type the command again.")
    if drift:
        windows(connection, root, name, drifted, live, start, days, chance)


def outcomes(connection, name: str, numeric: bool, dropped: bool, live: int, start: datetime, days: int, chance: random.Random) -> None:
    rows = []
    for number in range(days):
        day, version = start + timedelta(days=number + 1), min(live, 1 + 4 * number // days)
        predictions = int(chance.gauss(150 if day.weekday() < 5 else 60, 15))
        labels = 0 if number >= days - 2 else int(predictions * min(1.0, (days - number) / 8) * 0.95)
        bad = dropped and number > days - 12 or 0.45 < number / days < 0.48
        if numeric:
            errors = [abs(chance.gauss(0, 90 if bad else 45)) for _ in range(labels)]
            losses = [min(error / 200, 1.0) for error in errors]
            rows.append((version, f"{day:%Y-%m-%dT08}", predictions, 0.0, labels, sum(losses), sum(loss ** 2 for loss in losses), sum(errors), 0, sum(error ** 2 for error in errors)))
        else:
            wrong = sum(chance.random() < (0.2 if bad else 0.045) for _ in range(labels))
            rows.append((version, f"{day:%Y-%m-%dT08}", predictions, 0.95 * predictions, labels, float(wrong), float(wrong), 0.0, 0, 0.0))
    db.add_outcomes(connection, name, "mae" if numeric else "accuracy", {version: 50.0 for version in range(1, 5)} if numeric else {}, rows)


def windows(connection, root: Path, name: str, drifted: bool, live: int, start: datetime, days: int, chance: random.Random) -> None:
    for number in range(days):
        when = start + timedelta(days=number + 1)
        moved = drifted and number > days - 15
        verdict = "drift" if moved else "ok"
        run = add_run(connection, name, "drift", when, seconds=0.5)
        window = db.insert(connection, "drift_windows", run_id=run, model=name, version=live, time=clock.stamp(when), rows=150, first=clock.stamp(when - timedelta(days=1)), last=clock.stamp(when), verdict=verdict,
                           words="", level=1e-4, budget=0.5)
        for place, column in enumerate(COLUMNS):
            bad = moved and place < 5 and number > days - 15 + 3 * place
            notice = chance.random() < 0.004
            db.insert(connection, "drift", run_id=run, window_id=window, model=name, version=live, time=clock.stamp(when), **{'"column"': column, '"limit"': 0.025}, measure="rank shift",
                      value=0.02 * (1 + place) if bad else 0.01, p_value=1e-6 if bad else 0.4, p_corrected=1e-5 if bad else 1.0, verdict="drift" if bad else "notice" if notice else "ok",
                      words=f"`{column}` moved up: median 40 → {40 + 4 * place + 3}" if bad else f"`{column}` a little higher" if notice else None)
    log = root / "data" / name / "predictions"
    log.mkdir(parents=True, exist_ok=True)
    lines = [f"r{row},{clock.stamp(NOW - timedelta(hours=2))},{live},yes,0.9,{chance.gauss(48, 9):.2f},{chance.gauss(3000, 500):.1f},{chance.choice('abbb')}\n" for row in range(400)]
    (log / f"{NOW:%Y-%m-%d}.csv").write_text("id,time,version,prediction,score,age,income,region\n" + "".join(lines))


def write_version(folder: Path, numeric: bool, chance: random.Random) -> str:
    """The files of a version that the report reads; returns the sha256 of its manifest."""
    folder.mkdir(exist_ok=True)
    rows = ["row,label,prediction,score\n"]
    for number in range(400):
        if numeric:
            said = chance.uniform(50, 300)
            rows.append(f"{number:016x},{said + chance.gauss(0, 45)!r},{said!r},\n")
        else:
            score = chance.betavariate(0.4, 0.4)
            rows.append(f"{number:016x},{'yes' if chance.random() < score else 'no'},{'yes' if score >= 0.5 else 'no'},{score!r}\n")
    points = [20.0 + step * 0.4 for step in range(101)]
    number = {"type": "number", "count": 1000, "missing": 0, "points": points, "cells": [0, 5] + [5, 5] * 100 + [0]}
    baseline = {"format": 2, "rows": 1000, "columns": {"age": number, "income": {**number, "points": [point * 70 for point in points]},
                                                        "region": {"type": "category", "labels": ["a", "b"], "counts": [500, 500], "other": 0}}, "outputs": {}}
    content = {"holdout.csv": "".join(rows).encode(), "baseline.json": json.dumps(baseline).encode()}
    manifest = {"classes": None if numeric else ["no", "yes"], "positive": None if numeric else "yes", "files": {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}}
    for file, data in {**content, "manifest.json": json.dumps(manifest).encode()}.items():
        (folder / file).write_bytes(data)
    return hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]))
