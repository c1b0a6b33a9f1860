"""make and the set-up: values that stay values, and one line for whatever a machine lacks."""
import os
import re
import subprocess
import sys

import pytest

from conftest import ROOT

TARGETS = re.findall(r"^([a-z-]+):.*?##", (ROOT / "Makefile").read_text(), re.M)


@pytest.mark.parametrize("value", ["../x", "x; touch pwned", "$(shell touch pwned)", "`touch pwned`", "$$(touch pwned)", "'; touch pwned; '", '"; touch pwned; "', "$(error no)", "x\ttouch pwned", "%", "#"])
@pytest.mark.parametrize("name", ["MODEL", "CSV", "VENV"])
def test_no_value_reaches_a_shell_or_make(project, name, value):
    before = sorted(os.listdir(project.root))
    for dry in ([], ["-n"]):
        done = subprocess.run(["make", *dry, "deploy", f"{name}={value}"], cwd=project.root, env={**project.env, "PYTHON": "/bin/false"}, capture_output=True, text=True)
        assert "pwned" not in os.listdir(project.root), done.stderr
    if name == "MODEL":
        assert f"{value!r} can't be a model's name." in done.stderr or dry
    assert [entry for entry in sorted(os.listdir(project.root)) if entry != "metrics.db"] == [entry for entry in before if entry != "metrics.db"]


def test_help_lists_every_target_on_one_screen(project):
    lines = project.make().stdout.splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 100
    assert any(line.split()[:4] == ["make", "train", "[MODEL=]", "[FORCE=1]"] for line in lines)
    listed = [line.split()[1] for line in lines if line.startswith("  make ")]
    assert listed == TARGETS and listed.index("new") < listed.index("train") < listed.index("deploy") < listed.index("check") < listed.index("status")
    groups = [line for line in lines if not line.startswith("  ")]
    assert groups[:3] == ["look around", "make a version", "make it live"] and len(groups) == len(set(groups))


def test_what_help_says_a_target_takes_is_what_its_script_takes(project):
    """Other variables are refused, so a list that is wrong would be found out at once."""
    for line in project.make().stdout.splitlines():
        name, variables = line.split()[1] if line.startswith("  make ") else "", re.findall(r"\b([A-Z]+)=", line)
        script = project.root / f"scripts/{name}.py"
        if script.is_file():
            options = re.search(r"runs\.execute\(__doc__, \((.*?)\), work", script.read_text())
            assert sorted(variables) == sorted(re.findall(r'"([A-Z]+)"', options[1])), name


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_explains_itself_with_two_examples(project, target):
    done = project.make(target, "HELP=1")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"usage: make {target}") and done.stderr == ""
    assert sum(line.startswith("make ") for line in lines) >= 2
    assert not (project.root / "metrics.db").exists()


@pytest.mark.parametrize("typed, meant", [("depoly", "deploy"), ("staus", "status"), ("trian", "train"), ("rollbak", "rollback"), ("tests", "test"), ("hist", "history"), ("retrian", "retrain"), ("lable", "label")])
def test_a_mistyped_target_suggests_the_nearest(project, typed, meant):
    done = project.make(typed, code=2)
    assert done.stderr.splitlines()[0] == f"make: there is no target '{typed}'. Did you mean: make {meant}? All of them: make help" and done.stdout == ""


@pytest.mark.parametrize("typed", ["xyzzy", "data", "x; touch pwned", "$(shell touch pwned)", "'; touch pwned; '"])
def test_a_target_like_no_other_is_refused_and_is_no_command(project, typed):
    done = project.make(typed, code=2)
    assert "there is no target" in done.stderr and "All of them: make help" in done.stderr and "Did you mean" not in done.stderr
    assert "pwned" not in os.listdir(project.root)


@pytest.mark.parametrize("arguments, words", [
    (("train", "MODLE=x"), "train: there is no variable MODLE=. Did you mean MODEL=? train takes MODEL= FORCE=. See: make train HELP=1"),
    (("train", "model=x"), "train: there is no variable model=. Did you mean MODEL=? train takes MODEL= FORCE=. See: make train HELP=1"),
    (("deploy", "REASON=it's $(slow) \\ MODLE=no", "VERSON=3"), "deploy: there is no variable VERSON=. Did you mean VERSION=? deploy takes MODEL= VERSION= REASON=. See: make deploy HELP=1"),
    (("deploy", "CSV=x.csv"), "deploy: CSV= means nothing here: deploy takes MODEL= VERSION= REASON=. See: make deploy HELP=1"),
    (("status", "JSON=yes"), "status: JSON is 1 or nothing, not 'yes'."),
])
def test_a_mistyped_or_misplaced_variable_is_not_passed_over(project, arguments, words):
    assert project.make(*arguments, code=2).stderr.splitlines()[0] == words


def test_what_is_no_slip_of_ours_goes_through(project):
    assert "cancer" in project.make("status", "OMP_NUM_THREADS=1", "VENV=" + sys.prefix).stdout
    assert "nothing has happened yet" in project.make("status", "history", "MODEL=cancer", "AT=").stdout  # AT= is for one of the two


def test_an_unknown_option_of_a_script_suggests_the_nearest(project):
    done = subprocess.run([sys.executable, "scripts/deploy.py", "--modle", "x"], cwd=project.root, env=project.env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "deploy: there is no option --modle. Did you mean '--model'? See: make deploy HELP=1\n")


def path_without(folder, *missing, **fakes):
    """A PATH with everything but some commands, and some that are ours."""
    for source in reversed(os.environ["PATH"].split(":")):
        for name in os.listdir(source) if os.path.isdir(source) else ():
            target = folder / name
            if name not in missing and not target.is_symlink():
                target.symlink_to(os.path.join(source, name))
    for name, text in fakes.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return str(folder)


def set_up(project, path, **env):
    return subprocess.run(["make", "status"], cwd=project.root, env={**project.env, "PATH": path, "VENV": "venv", **env}, capture_output=True, text=True)


@pytest.fixture
def bin_folder(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


OLD_PYTHON = "#!/bin/sh\ncase \"$1\" in -V) echo Python 3.10.2;; *) exit 1;; esac\n"
NO_VENV = f"#!/bin/sh\ncase \"$2\" in *ensurepip*) exit 1;; *) exec {sys.executable} \"$@\";; esac\n"


@pytest.mark.parametrize("missing, fakes, words", [
    ((), {"python3": OLD_PYTHON}, "set-up: Python 3.11 or newer is needed, and python3 is Python 3.10.2. Name another with: make PYTHON=/path/to/python3"),
    ((), {"python3": NO_VENV}, "set-up: Python's venv module is missing. Install it with: sudo apt-get install python3-venv"),
    (("python3",), {}, "set-up: python3 is not installed. Install it with: sudo apt-get install python3 python3-venv"),
    (("git-lfs", "apt-get"), {}, "set-up: git-lfs is not installed. Install it with: sudo apt-get install git-lfs"),
    (("git", "git-lfs"), {}, "set-up: git is not installed. Install it with: sudo apt-get install git git-lfs"),
])
def test_what_the_machine_lacks_is_one_line_before_any_work(project, bin_folder, missing, fakes, words):
    done = set_up(project, path_without(bin_folder, *missing, **fakes))
    assert done.stderr.splitlines()[0] == words
    assert not (project.root / "venv").exists() and not (project.root / "metrics.db").exists()


def test_git_lfs_is_installed_with_apt_where_that_needs_no_password(project, bin_folder):
    log = bin_folder.parent / "apt.log"
    fakes = {"apt-get": f'#!/bin/sh\necho "$@" >> {log}\n', "id": "#!/bin/sh\necho 0\n", "python3": NO_VENV}
    done = set_up(project, path_without(bin_folder, "git-lfs", **fakes))
    assert done.stderr.splitlines()[0] == "set-up: installing git-lfs with apt-get"
    assert log.read_text() == "install -y -q git-lfs\n"


def test_outside_a_git_repository_it_stops_with_the_command_to_type(project, tmp_path):
    (project.root / ".git").rename(tmp_path / "git")
    words = "is not a git repository. Make it one with: git init && git add -A && git commit -m start\n"
    done = subprocess.run(["make", "status"], cwd=project.root, env={**project.env, "VENV": "venv"}, capture_output=True, text=True)
    assert done.stderr.splitlines()[0] + "\n" == "set-up: this folder " + words
    assert project.run("train", code=2).stderr.endswith(words)
    assert not (project.root / "metrics.db").exists()


def test_a_repository_of_somebody_else_is_one_line(trained):
    if os.geteuid():
        pytest.skip("only root can give a folder away")
    subprocess.run(["chown", "-R", "nobody", str(trained.root)], check=True)
    done = trained.run("train", code=2)
    assert "belongs to another user, so git refuses it. If you trust it: git config --global --add safe.directory" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_second_call_sets_nothing_up(project):
    first = project.make("status")
    assert "set-up" not in project.make("status").stderr, first.stderr
