"""make and the set-up: values that stay values, and one line for whatever a machine lacks."""
import os
import subprocess
import sys

import pytest


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
    assert len(lines) < 40 and max(map(len, lines)) <= 110
    assert any(line.split()[:2] == ["make", "train"] for line in lines)


def test_a_script_explains_itself(project):
    done = project.make("deploy", "HELP=1")
    assert "make deploy MODEL=churn VERSION=3" in done.stdout


def test_an_unknown_option_is_named(project):
    done = subprocess.run([sys.executable, "scripts/deploy.py", "--modle", "x"], cwd=project.root, env=project.env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "deploy: unrecognized arguments: --modle x. See: make deploy HELP=1\n")


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
