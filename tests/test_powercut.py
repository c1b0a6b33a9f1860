"""The plug is pulled: a file system in a file is copied while commands run on it, and the copy has all that was acknowledged."""
import os
import random
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Project, findings
from test_crash import copy, labels, rows

SIZE = "96M"
MOST = 2  # copies while one command runs
# Nothing but what the commands themselves flush reaches the image: the journal would commit by itself every 5 seconds.
MOUNT = ["mount", "-o", "loop,commit=600"]


def why_not() -> str | None:
    """Why no file system can be mounted from a file here."""
    if os.geteuid():
        return "only root may mount"
    absent = [tool for tool in ("mkfs.ext4", "fsck.ext4", "mount", "losetup") if shutil.which(tool) is None]
    if absent:
        return f"{', '.join(absent)} not installed"
    tried = subprocess.run(["losetup", "--find"], capture_output=True, text=True)
    return f"no loop device: {tried.stderr.strip()}" if tried.returncode or not os.access(tried.stdout.strip(), os.W_OK) else None


pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=str(why_not()))]


class Disk:
    """An ext4 file system in a file, mounted at a folder."""

    def __init__(self, image: Path, folder: Path):
        self.image, self.folder = image, folder
        folder.mkdir(exist_ok=True)

    def __enter__(self) -> Path:
        subprocess.run([*MOUNT, self.image, self.folder], check=True, capture_output=True)
        return self.folder

    def __exit__(self, *_):
        subprocess.run(["umount", "--lazy", self.folder], check=True)


@dataclass(frozen=True)
class Acknowledged:
    """What commands had reported as done when the plug was pulled."""

    live: str
    rows: dict[str, list[tuple]]  # of tables that only grow
    files: dict[str, bytes]  # that only grow

    @classmethod
    def now(cls, project: Project) -> "Acknowledged":
        tables = {table: project.sql(f"SELECT * FROM {table} ORDER BY id") for table in ("versions", "deployments", "batches", "checks")}
        tables["runs"] = project.sql("SELECT uuid, status FROM runs WHERE status = 'done' ORDER BY id")
        logs = [*project.root.glob("data/cancer/*/*.csv"), project.root / "models/cancer/audit.jsonl"]
        return cls(os.readlink(project.root / "models/cancer/production"), tables, {str(path.relative_to(project.root)): path.read_bytes() for path in logs})

    def lost(self, project: Project, last: bool) -> list[str]:
        """What of it is not in the project. last: no command was at work when the plug was pulled."""
        after = Acknowledged.now(project)
        missing = [f"{len(set(known) - set(after.rows[table]))} rows of {table}" for table, known in self.rows.items() if not set(known) <= set(after.rows[table])]
        missing += [name for name, content in self.files.items() if not after.files.get(name, b"").startswith(content)]
        return missing + ([f"{self.live} was live, now {after.live}"] if last and self.live != after.live else [])


def pull_the_plug(image: Path, to: Path) -> Path:
    subprocess.run(["cp", "--sparse=always", image, to], check=True)
    return to


def run_and_cut(project: Project, script: str, options: dict, image: Path, folder: Path, known: Acknowledged, chance: random.Random) -> list[tuple[Path, Acknowledged, bool]]:
    """Run a command, stopping it now and then to copy the disk; and copy it as soon as the command is done."""
    cuts = []
    process = project.start(script, **options)
    while process.poll() is None and len(cuts) < MOST:
        try:
            process.wait(chance.uniform(0.05, 0.8))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGSTOP)
            cuts.append((pull_the_plug(image, folder / f"{script}-{time.monotonic_ns()}"), known, False))
            os.killpg(process.pid, signal.SIGCONT)
    process.wait()
    after = pull_the_plug(image, folder / f"{script}-{time.monotonic_ns()}")  # first of all: nothing may reach the disk meanwhile
    out, err = process.communicate()
    assert process.returncode == 0, out + err
    return [*cuts, (after, Acknowledged.now(project), True)]


def test_what_was_acknowledged_survives_a_power_cut(trained_template, place, capsys):
    chance = random.Random(0)
    image = place / "disk"
    subprocess.run(["truncate", "-s", SIZE, image], check=True)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    cuts, inputs = [], copy(trained_template, place / "inputs")
    with Disk(image, place / "mounted") as folder:
        subprocess.run(["cp", "-a", trained_template.root, folder / "project"], check=True)
        project = Project(folder / "project", trained_template.home)
        subprocess.run(["sync", "-f", folder], check=True)  # what was there before; from here on nobody but the commands flushes
        known = Acknowledged.now(project)
        for script, options in commands(inputs):
            cuts += run_and_cut(project, script, options, image, place, known, chance)
            known = cuts[-1][1]
    failures = [f"{path.name}: {fault}" for path, known, last in cuts for fault in after_the_cut(path, known, last, trained_template.home, place)]
    with capsys.disabled():
        print(f"\npower cut: {len(cuts)} copies of the disk, {sum(last for *_, last in cuts)} of them right after a success, {len(failures)} failures")
    assert not failures, "\n".join(failures)


def commands(inputs: Project):
    """Each kind of command, some of them twice, with inputs from another disk; those of `label` need the answers of `predict`."""
    base = inputs.root.parent
    for number in (1, 2):
        yield "predict", {"CSV": rows(inputs, number, 200), "OUT": base / f"answers-{number}.csv"}
        yield "label", {"CSV": labels(base, number)}
        yield "check", {}
        yield "train", {"FORCE": 1}
        yield "deploy", {}
    yield "rollback", {}
    yield "retrain", {}


def after_the_cut(image: Path, known: Acknowledged, last: bool, home: Path, place: Path) -> list[str]:
    """What is wrong with a copy of the disk, and once the next command has run on it."""
    checked = subprocess.run(["fsck.ext4", "-p", image], capture_output=True, text=True)
    if checked.returncode > 1:
        return [f"fsck: {checked.stdout}"]
    with Disk(image, place / "again") as folder:
        project = Project(folder / "project", home)
        wrong = [finding.words for finding in findings(project) if finding.broken] + [f"lost: {text}" for text in known.lost(project, last)]
        for script, options in (("predict", {"CSV": place / "rows-1.csv"}), ("deploy", {"VERSION": 1})):
            process = project.start(script, **options)
            out, err = process.communicate()
            wrong += [f"{script} afterwards: {err}"] if process.returncode else []
        wrong += [finding.words for finding in findings(project)]
    image.unlink()
    return wrong
