"""Kill a command, or fail its disk, at the calls that change the disk: what is live stays sound, and the same command again puts all right."""
import csv
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn.linear_model  # noqa: F401  so that the forks need not import it
import sweep
from conftest import Project, findings

from lib.files import ModelPaths

pytestmark = pytest.mark.slow  # but for the tests marked quick

SECONDS = float(os.environ.get("SWEEP_SECONDS", "inf"))  # for each verb: spread over its points as many as they suffice for
WORKERS = os.cpu_count()
FEW = 2  # points of each verb and fault in `make test`


@dataclass(frozen=True)
class Scene:
    """A project before a command, and the command."""

    verb: str
    project: Project
    options: dict = field(default_factory=dict)


def copy(project: Project, to: Path) -> Project:
    subprocess.run(["cp", "-a", "--reflink=auto", str(project.root), str(to)], check=True)
    return Project(to, project.home)


class Scenes:
    """The project before each command, made when it is first asked for."""

    def __init__(self, trained: Project, base: Path):
        self.trained, self.base = trained, base

    def of(self, verb: str) -> Scene:
        options = {"train": {"FORCE": 1}, "ingest": {"CSV": rows(self.begun, 4, 50)}, "predict": {"CSV": rows(self.begun, 3, 60)}, "label": {"CSV": self.base / "labels-1.csv"}, "retrain": {"MODEL": "cancer"}}
        before = {"rollback": "deployed", "label": "said", "check": "labelled", "retrain": "changed"}.get(verb, "begun")
        return Scene(verb, getattr(self, before), options.get(verb, {}))

    @cached_property
    def begun(self) -> Project:
        """v1 live, v2 registered; and a half-staged index and edits, which are the user's own."""
        project = copy(self.trained, self.base / "begun")
        (project.root / "notes.txt").write_text("staged\n")
        project.git("add", "notes.txt")
        (project.root / "notes.txt").write_text("edited after staging\n")
        with (project.root / "README.md").open("a") as readme:
            readme.write("an edit that nobody has committed\n")
        project.git("status")
        return project

    @cached_property
    def deployed(self) -> Project:
        project = copy(self.begun, self.base / "deployed")
        project.run("deploy")
        return project

    @cached_property
    def said(self) -> Project:
        project = copy(self.begun, self.base / "said")
        project.run("predict", CSV=rows(project, 1, 300), OUT=self.base / "answers-1.csv")
        labels(self.base, 1)
        return project

    @cached_property
    def labelled(self) -> Project:
        project = copy(self.said, self.base / "labelled")
        project.run("label", CSV=self.base / "labels-1.csv")
        return project

    @cached_property
    def changed(self) -> Project:
        """A day in another world, scored and labelled: accuracy has dropped, and there is something to learn."""
        project = copy(self.said, self.base / "changed")
        project.run("predict", CSV=rows(project, 2, 600, factor=1.5), OUT=self.base / "answers-2.csv")
        project.run("label", CSV=labels(self.base, 2))
        return project


@pytest.fixture(scope="module")
def scenes(trained_template, tmp_path_factory):
    return Scenes(trained_template, tmp_path_factory.mktemp("scenes"))


def rows(project: Project, seed: int, count: int, factor: float = 1.0) -> Path:
    """Rows like the model's own, each moved a little; with a factor some measurements come out larger."""
    frame = pd.read_csv(project.root / "data/cancer/train/0001.csv").sample(count, random_state=seed, replace=True).reset_index(drop=True)
    numbers = frame.select_dtypes("number").columns
    frame[numbers] *= 1 + np.random.default_rng(seed).normal(0, 0.01, frame[numbers].shape)
    frame[["mean texture", "worst texture", "worst area", "worst radius", "worst perimeter"]] *= factor
    path = project.root.parent / f"rows-{seed}.csv"
    frame.to_csv(path, index=False)
    return path


def labels(base: Path, seed: int) -> Path:
    path = base / f"labels-{seed}.csv"
    pd.DataFrame({"id": pd.read_csv(base / f"answers-{seed}.csv")["id"], "label": pd.read_csv(base / f"rows-{seed}.csv")["diagnosis"]}).to_csv(path, index=False)
    return path


def own_work(project: Project) -> list:
    """What is the user's alone, byte by byte."""
    files = [project.root / name for name in (".git/index", ".git/HEAD", "notes.txt", "README.md", "models/cancer/model.toml")]
    heads = sorted((path.name, path.read_bytes()) for path in (project.root / ".git/refs/heads").iterdir())
    return [*(path.read_bytes() for path in files), heads]


def unsound(project: Project) -> list[str]:
    """What must never be, not even between a crash and the next command."""
    return [finding.words for finding in findings(project) if finding.broken]


def unfinished(project: Project) -> list[str]:
    """What must not be left once a command has come to its end."""
    paths, git = ModelPaths(project.root, "cancer"), project.root / ".git"
    left = [*paths.train.glob(".*.tmp"), *paths.predictions.glob(".*.tmp"), *paths.predictions.glob(".appending*"), *paths.data.glob("*/.index/.*"),
            *project.root.glob("*-journal"), *git.glob("lean-*"), *git.rglob("*.lock")]
    return [finding.words for finding in findings(project)] + [f"{path.relative_to(project.root)} was left" for path in left]


def done_wrong(scene: Scene, project: Project) -> list[str]:
    """What the command, once it has succeeded, must have done, once."""
    def expect(query: str, *wanted):
        found = project.sql(query)
        return [] if found == list(wanted) else [f"{query}: {found}, not {list(wanted)}"]
    return {
        "ingest": lambda: [] if [entry.get("rows") for entry in project.audit() if entry.get("part") == "0002.csv"] in ([50], [None]) else ["the audit has not one line for the new part"],
        "train": lambda: [] if project.sql("SELECT max(version) >= 3 FROM versions") == [(1,)] else ["no v3"],
        "deploy": lambda: expect("SELECT version, deployment FROM deployments ORDER BY id", (1, 1), (2, 2)),
        "rollback": lambda: expect("SELECT version, deployment FROM deployments ORDER BY id", (1, 1), (2, 2), (1, 3)),
        "predict": lambda: expect("SELECT rows FROM batches", (60,)),
        "label": lambda: [] if label_ids(project) == set(pd.read_csv(scene.options["CSV"])["id"]) else ["labels are lost"],
        "check": lambda: expect("SELECT sum(predictions), sum(labels) FROM outcomes", (300, 300)),
        "retrain": lambda: [*expect("SELECT outcome FROM retrains", ("deployed",)), *expect("SELECT action, version >= 3 FROM production", ("retrain", 1)),
                            *expect("SELECT kind FROM alerts WHERE resolved IS NULL"), *expect("SELECT sum(predictions), sum(labels) FROM outcomes", (900, 600))],
    }[scene.verb]()


def label_ids(project: Project) -> set[str]:
    return {row["id"] for path in (project.root / "data/cancer/labels").glob("*.csv") for row in csv.DictReader(path.read_text().splitlines())}


def try_point(scene: Scene, point: sweep.Point, fault: str, place: Path) -> tuple[bool, list[str]]:
    """One fault, the command again, and what was wrong on the way; whether the command came to the point."""
    place.mkdir()
    project = copy(scene.project, place / "project")
    mine = own_work(project)
    try:
        first, hit = sweep.inject(project, scene.verb, scene.options, point, fault, place / "state")
        wrong = [f"after the fault: {text}" for text in unsound(project)]
        if "Traceback" in first.err:
            wrong.append(f"a traceback: {first.err.strip().splitlines()[-1]}")
        if fault == "killed" and hit and first.code != -9 or hit and first.code not in (-9, 0, 1, 3):
            wrong.append(f"exit code {first.code}: {first.err.strip()}")
        if first.code == 0:
            wrong += [f"reported as done: {text}" for text in done_wrong(scene, project)]
        again = sweep.run(project, scene.verb, scene.options)
        if again.code and not (scene.verb == "rollback" and "v1 is live" in first.out):  # after one that said so the next rightly finds nothing to go back to
            wrong.append(f"the same command again: exit code {again.code}: {again.err.strip()}")
        wrong += [f"after the same command again: {text}" for text in (*unsound(project), *unfinished(project), *done_wrong(scene, project))]
        if own_work(project) != mine:
            wrong.append("the user's index, branch or edits are not as they were")
        return hit, wrong
    finally:
        shutil.rmtree(place)


def sweep_verb(scene: Scene, place: Path, most: int | None, faults=tuple(sweep.FAULTS)) -> sweep.Sweep:
    try_point(scene, sweep.Point(0, "fsync", 60_000, "none"), "EIO", place / "warm")  # so that this process has imported what it ever will
    recorded = copy(scene.project, place / "recorded")
    done, found = sweep.record(recorded, scene.verb, scene.options, place / "points")
    assert done.code == 0 and not unsound(recorded) + unfinished(recorded) + done_wrong(scene, recorded), (done, unfinished(recorded), done_wrong(scene, recorded))
    result, deadline = sweep.Sweep(scene.verb, len(found)), time.monotonic() + SECONDS
    chosen = found if most is None else sweep.sample(found, most)
    order = sorted(range(len(chosen)), key=lambda i: int(f"{i:016b}"[::-1], 2))  # evenly, whenever the time is up
    faulty = [(chosen[number], fault) for number in order for fault in faults]
    tried = joblib.Parallel(n_jobs=WORKERS, backend="multiprocessing", batch_size=1)(joblib.delayed(try_until)(deadline, scene, *one, place / f"point-{i}") for i, one in enumerate(faulty))
    for (point, fault), (hit, wrong) in ((one, outcome) for one, outcome in zip(faulty, tried) if outcome):
        result.swept[fault] += hit
        result.missed += not hit
        if hit:  # else it struck something else, such as a write into a pipe, which no disk makes fail
            result.failures += [f"{scene.verb}, {fault} at {point}: {text}" for text in wrong]
    return result


def try_until(deadline: float, *trial) -> tuple[bool, list[str]] | None:
    return try_point(*trial) if time.monotonic() < deadline else None


needs_strace = pytest.mark.skipif(bool(sweep.why_not()), reason=str(sweep.why_not()))


@needs_strace
@pytest.mark.parametrize("verb, faults", [pytest.param("deploy", ("killed", "ENOSPC"), marks=pytest.mark.quick), pytest.param("predict", ("killed", "EIO"), marks=pytest.mark.slow)])
def test_a_command_that_dies_or_fails_at_a_few_points_loses_nothing(scenes, verb, faults, place):
    result = sweep_verb(scenes.of(verb), place, FEW, faults)
    assert result.swept.total() > 0 and not result.failures, "\n".join(result.failures)


@needs_strace
def test_a_lock_that_a_killed_git_left_does_not_stop_the_next_command(scenes, place):
    project = copy(scenes.begun, place / "project")
    lock = project.root / ".git/refs/tags/cancer/deploy-2.lock"
    lock.touch()
    assert "cancer v2 is live (deployment 2" in sweep.run(project, "deploy", {}).out and not lock.exists()


@needs_strace
def test_a_rollback_that_died_after_its_switch_is_not_done_twice(scenes, place):
    project = copy(scenes.deployed, place / "project")
    sweep.inject(project, "rollback", {}, sweep.Point(0, "symlink", 1, "models/cancer/production"), "killed", place / "state")
    done = sweep.run(project, "rollback", {})
    assert done.code == 0 and done.out == "cancer v1 is live: the rollback that broke off had got so far, and is complete now. To go back further: make rollback MODEL=cancer\n"
    assert "cancer has no earlier version to go back to" in sweep.run(project, "rollback", {}).err


@needs_strace
@pytest.mark.parametrize("verb", ["ingest", "train", "deploy", "rollback", "predict", "label", "check", "retrain"])
@pytest.mark.slow
def test_whatever_call_dies_or_fails_nothing_is_lost_and_the_same_command_again_puts_all_right(scenes, verb, place, capsys):
    result = sweep_verb(scenes.of(verb), place, None)
    with capsys.disabled():
        print(f"\n{result}")
    assert result.swept.total() > 0 and not result.failures, "\n".join(result.failures)
