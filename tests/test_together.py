"""Two at once, and eight: who waits for whom, what a reader sees meanwhile, and that nothing is lost."""
import csv
import fcntl
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sweep
from conftest import Project, edit, findings
from test_crash import rows

from lib import db, loading, scoring, tags, versions
from lib.files import ModelPaths

MODELS = ("cancer", "second")
SECONDS = 30
WORKERS = 8


@pytest.fixture
def held(trained):
    """cancer's lock, held as by a training."""
    with open(trained.root / "models/cancer/.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("train by ada (pid 4711, since 12:34:56)\n")
        file.flush()
        yield trained, file


def test_by_hand_one_waits_and_says_for_whom_since_when_and_how_long_at_most(held):
    project, lock = held
    process = project.start("deploy")
    assert process.stderr.readline() == "waiting for train by ada (pid 4711, since 12:34:56), at most 600 seconds\n"
    assert os.readlink(project.root / "models/cancer/production") == "v1"
    fcntl.flock(lock, fcntl.LOCK_UN)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "cancer v2 is live" in out and err == ""


def test_a_wait_that_is_broken_off_changes_nothing(held):
    project, _ = held
    process = project.start("deploy")
    process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[1] == "deploy: interrupted. What was finished is kept; type the command again to go on.\n"
    assert project.sql("SELECT status, exit_code FROM runs ORDER BY id DESC LIMIT 1") == [("interrupted", 130)] and os.readlink(project.root / "models/cancer/production") == "v1"


def test_cron_skips_a_model_that_is_worked_on_and_names_who_does(held):
    project, _ = held
    done = project.run("retrain", TRIGGER="cron", MODEL="cancer")
    assert done.stdout.startswith("cancer: skipped: train by ada (pid 4711, since 12:34:56) is at work on this model.") and done.stderr == ""


def test_what_reads_and_what_concerns_another_model_does_not_wait(held):
    project, _ = held
    assert "cancer: v1 was live" in project.run("history", AT="2099-01-01", MODEL="cancer").stdout
    assert "cancer    v1" in project.run("status").stdout
    project.run("predict", MODEL="cancer", CSV=rows(project, 1, 20))
    assert "nothing is live" in project.run("check", MODEL="diabetes").stdout
    assert project.run("deploy", code=2, MODEL="diabetes").stderr.startswith("deploy: diabetes has no version yet.")  # under diabetes's lock


@pytest.fixture
def two(trained, tmp_path):
    """Two models with three versions each, which say different things of the same rows."""
    shutil.copytree(trained.root / "models/cancer", trained.root / "models/second", ignore=lambda folder, names: [name for name in names if name != "model.toml"] if folder.endswith("cancer") else [])
    for model in MODELS:
        edit(trained, "min = {accuracy = 0.9, recall = 0.85}", "min = {}", model)
        edit(trained, 'require = "not_worse"', 'require = "off"', model)
        for number in (1, 2, 3):
            edit(trained, re.search(r"params = .*", (trained.root / f"models/{model}/model.toml").read_text())[0], f"params = {{C = {10.0 ** -number}, max_iter = 1000}}", model)
            trained.run("train", MODEL=model)
            trained.run("deploy", MODEL=model)
    return trained


def work(project: Project, seed: int, until: float, inputs: Path, told: Path) -> None:
    """One of the eight: random commands, one after the other, until the time is up; what came of each goes to a file."""
    chance, done = random.Random(seed), []
    while time.time() < until:
        model = chance.choice(MODELS)
        verb = chance.choices(["train", "deploy", "rollback", "predict", "label", "check"], [1, 2, 2, 4, 2, 2])[0]
        options = {"MODEL": model}
        if verb == "train":
            options["FORCE"] = "1"
        if verb in ("deploy", "rollback"):
            options["VERSION"] = str(chance.randint(1, 3))
        if verb in ("predict", "label"):
            options["CSV"] = str(write_input(inputs / f"{seed}-{len(done)}.csv", verb, chance))
        end = sweep.run(project, verb, options)
        done.append([verb, model, end.code, end.err, options])
    told.write_text(json.dumps(done))


def write_input(path: Path, verb: str, chance: random.Random) -> Path:
    source = pd.read_csv(path.parent / "source.csv").sample(20, random_state=chance.randrange(1 << 30))
    source["mean radius"] = [round(chance.uniform(5, 30), 6) for _ in range(20)]  # no file twice: the same one is logged once
    if verb == "label":
        source = pd.DataFrame({"id": [f"{chance.getrandbits(60):x}" for _ in range(20)], "label": source["diagnosis"]})
    source.to_csv(path, index=False)
    return path


def read(project: Project, until: float, told: Path) -> None:
    """A reader: loads what is live, and asks metrics.db, all the while."""
    loads, problems = 0, []
    while time.time() < until:
        for model in MODELS:
            try:
                paths = ModelPaths(project.root, model)
                live = tags.read(paths).versions[versions.live_number(paths)]
                loading.load(paths, live)
                folder = (paths.folder / os.readlink(paths.production))  # as a program of the user's would: one look at the link
                manifest = json.loads((folder / "manifest.json").read_bytes())
                assert manifest["version"] == int(folder.name[1:]) and manifest["model"] == model, (folder, manifest)
                connection = db.connect_read_only(project.root / "metrics.db")
                for query in ("SELECT * FROM production", "SELECT * FROM leaderboard", "SELECT * FROM last_runs", "SELECT count(*) FROM batches"):
                    connection.execute(query).fetchall()
                connection.close()
                loads += 1
            except Exception as error:
                problems.append(f"{type(error).__name__}: {error}")
    told.write_text(json.dumps([loads, problems]))


@pytest.mark.slow
def test_eight_processes_and_two_readers_for_thirty_seconds(two, tmp_path, capsys):
    shutil.copy(two.root / "data/cancer/train/0001.csv", tmp_path / "source.csv")
    fork, until = multiprocessing.get_context("fork"), time.time() + SECONDS
    before = two.sql("SELECT count(*) FROM runs WHERE status = 'done'")[0][0]
    processes = [fork.Process(target=work, args=(two, seed, until, tmp_path, tmp_path / f"work-{seed}.json")) for seed in range(WORKERS)]
    processes += [fork.Process(target=read, args=(two, until, tmp_path / f"read-{number}.json")) for number in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    done = [one for path in tmp_path.glob("work-*.json") for one in json.loads(path.read_text())]
    reads = [json.loads(path.read_text()) for path in tmp_path.glob("read-*.json")]
    with capsys.disabled():
        print(f"\nstress: {len(done)} commands in {SECONDS} seconds ({dict(Counter(verb for verb, *_ in done))}), {sum(loads for loads, _ in reads)} loads by readers")
    assert [one for one in done if one[2] != 0] == [] and [problem for _, problems in reads for problem in problems] == []
    assert [one for one in done if re.sub(r"waiting for .*\n", "", one[3])] == []
    assert len(reads) == 2 and len({verb for verb, *_ in done}) == 6
    assert [finding.words for finding in findings(two)] == []
    assert two.sql("SELECT count(*) FROM runs WHERE status = 'done' AND exit_code = 0")[0][0] == before + len(done)
    for model in MODELS:
        nothing_lost(two, model, [one for one in done if one[1] == model])


def nothing_lost(project: Project, model: str, done: list) -> None:
    """Every row that was handed in is in a log once; every prediction is what the version named beside it says."""
    paths = ModelPaths(project.root, model)
    said = pd.concat([pd.read_csv(path) for path in paths.predictions.glob("*.csv")])
    handed = [Path(options["CSV"]) for verb, _, _, _, options in done if verb == "predict"]
    assert len(said) == sum(len(pd.read_csv(path)) for path in handed) and said["id"].is_unique
    known = tags.read(paths)
    for number, logged in said.groupby("version"):
        made, manifest = loading.load(paths, known.versions[number])
        answers, chances = scoring.answers(made, manifest, logged[list(made.config.features)])
        assert answers == logged["prediction"].tolist() and np.allclose(chances, logged["score"], rtol=0, atol=1e-12), f"{model} v{number} did not say this"
    labels = [row["id"] for path in paths.labels.glob("*.csv") for row in csv.DictReader(path.read_text().splitlines())]
    wanted = [name for verb, _, _, _, options in done if verb == "label" for name in pd.read_csv(options["CSV"], dtype=str)["id"]]
    assert sorted(labels) == sorted(wanted)
    trained = sum(verb == "train" for verb, *_ in done)
    assert len(known.versions) == trained + (5 if model == "cancer" else 3)
