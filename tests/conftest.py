"""A project of its own for each test: the working tree as a fresh git repository, in a home of its own, with real git and git-lfs."""
import compileall
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is started with Ctrl-C ignored, and so would be all that the tests start
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))


@dataclass(frozen=True)
class Project:
    root: Path
    home: Path

    @property
    def env(self) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "LANG", "TMPDIR") if key in os.environ}
        return {**kept, "HOME": str(self.home), "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_CONFIG_GLOBAL": str(self.home / ".gitconfig"), "VENV": sys.prefix, "OMP_NUM_THREADS": "1"}

    def run(self, script: str, code: int = 0, **options) -> subprocess.CompletedProcess:
        """Run a script with options as its environment; its exit code must be the one expected."""
        done = subprocess.run([sys.executable, f"scripts/{script}.py"], cwd=self.root, env={**self.env, **{key: str(value) for key, value in options.items()}},
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == code, f"{script} exited {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}"
        assert code == 1 or "Traceback" not in done.stderr, done.stderr
        return done

    def start(self, script: str, **options) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, f"scripts/{script}.py"], cwd=self.root, env={**self.env, **{key: str(value) for key, value in options.items()}},
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL, start_new_session=True)

    def make(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess:
        done = subprocess.run(["make", *arguments], cwd=self.root, env=self.env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == code, f"make {arguments} exited {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}"
        return done

    def git(self, *arguments: str, check: bool = True, **options) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, env=self.env, capture_output=True, text=True, **options)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout

    def sql(self, query: str, *values) -> list[tuple]:
        connection = sqlite3.connect(self.root / "metrics.db")
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def audit(self, model: str = "cancer") -> list[dict]:
        return [json.loads(line) for line in (self.root / f"models/{model}/audit.jsonl").read_text().splitlines()]

    def copy(self, to: Path) -> "Project":
        shutil.copytree(self.root, to, symlinks=True)
        return Project(to, self.home)


def sources() -> list[str]:
    """The files a clone would have: tracked, or new and not ignored."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Project:
    """A fresh clone, with nothing trained."""
    base = tmp_path_factory.mktemp("template")
    (base / "home").mkdir()
    (base / "home/.gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n")
    project = Project(base / "project", base / "home")
    for name in sources():
        (project.root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, project.root / name)
    project.git("init", "-q")
    project.git("add", "-A")
    project.git("commit", "-qm", "start")
    compileall.compile_dir(project.root / "scripts", quiet=1)  # once, and not in each copy
    return project


@pytest.fixture(scope="session")
def trained_template(template, tmp_path_factory) -> Project:
    """cancer with v1 live and v2 registered."""
    project = template.copy(tmp_path_factory.mktemp("trained") / "project")
    project.run("train")
    project.run("deploy")
    edit(project, "C = 1.0", "C = 0.5")
    project.run("train")
    return project


@pytest.fixture(scope="session")
def live_template(trained_template, tmp_path_factory):
    """cancer v1 live, and 300 rows of today scored by it."""
    from worlds import world  # pandas takes a second to import: not for tests that need none
    project = trained_template.copy(tmp_path_factory.mktemp("live") / "project")
    project.run("predict", CSV=world(project, 1), OUT=project.root.parent / "answers-1.csv")
    return project


def findings(project: Project, quick: bool = False, load: bool = True, tally=None) -> list:
    """What of the project's invariants does not hold, all models."""
    from lib import db, invariants, model_names  # not above: `make bench-stream` imports this file, and lib from another folder
    from lib.files import ModelPaths
    from lib.soundness import Tally
    connection = db.connect(project.root / "metrics.db")
    try:
        found = invariants.common(project.root, connection, quick)
        for name in model_names.examined(project.root):
            found += invariants.of_model(ModelPaths(project.root, name), connection, quick, load, tally or Tally())
        return found
    finally:
        connection.close()


def edit(project: Project, old: str, new: str, model: str = "cancer") -> None:
    path = project.root / f"models/{model}/model.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture
def paths(tmp_path):
    """A model's folder and nothing in it, for tests that are about rows and not about power cuts: with fsync they take a minute."""
    from lib.files import ModelPaths
    (tmp_path / "models/m").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield ModelPaths(tmp_path, "m")


@pytest.fixture
def project(template, tmp_path) -> Project:
    return template.copy(tmp_path / "project")


@pytest.fixture
def trained(trained_template, tmp_path) -> Project:
    return trained_template.copy(tmp_path / "project")


@pytest.fixture
def live(live_template, tmp_path):
    for name in ("answers-1.csv", "rows-1.csv"):
        (tmp_path / name).write_bytes((live_template.root.parent / name).read_bytes())
    return live_template.copy(tmp_path / "project")


@pytest.fixture
def place(tmp_path):
    """Where the copies of a project go: in memory where there is some, since a killed command is no power cut."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < 1 << 30:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)
