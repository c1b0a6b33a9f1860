"""What was tampered with is refused by whoever would use it, in one line, before anything of it runs; and nothing leaves the project or reaches a shell."""
import json
import os
import pickle
import stat
import subprocess
import sys

import pytest
from conftest import Project, edit
from test_verify import audit, everything, flip, forge, lines_of, move_tag

pytestmark = pytest.mark.slow  # but for the tests marked quick

SOURCE = "data/cancer/train/0001.csv"


@pytest.fixture(scope="module")
def twice_template(trained_template, tmp_path_factory) -> Project:
    """v1 and v2 have both been live; v2 is."""
    project = trained_template.copy(tmp_path_factory.mktemp("twice") / "project")
    project.run("deploy")
    return project


@pytest.fixture
def twice(twice_template, tmp_path) -> Project:
    return twice_template.copy(tmp_path / "project")


def model_of(number: int):
    return lambda project: flip(project.root / f"models/cancer/v{number}/model.joblib")


def without_signs_of_use(root) -> dict:
    return {name: what for name, what in everything(root).items() if not name.endswith(".lock")}


TAMPERED = {
    "a model file": (lambda p: (model_of(1)(p), model_of(2)(p)), "{model}/model.joblib is not what the tag cancer/v{number} says: it was changed or damaged. Bring it back with: make restore MODEL=cancer"),
    "a moved tag": (lambda p: move_tag(p, "another version's"), "the tag cancer/v2 was moved or made anew: it is not the one on record. Put it back with: git update-ref refs/tags/cancer/v2 {made}"),
    "a tag with the same words on another commit": (lambda p: move_tag(p, "the same words on another commit"), "the tag cancer/v2 was moved or made anew: it is not the one on record. Put it back with: git update-ref refs/tags/cancer/v2 {made}"),
    "an audit line": (lambda p: lines_of(audit(p), lambda lines: [lines[0], lines[1].replace(b"cancer/v1", b"cancer/v2"), *lines[2:]]),
                      "models/cancer/audit.jsonl: line 2 was edited (the tags have it otherwise). Bring it back: mv models/cancer/audit.jsonl somewhere-else && make restore MODEL=cancer"),
    "a removed audit line": (lambda p: lines_of(audit(p), lambda lines: lines[:-1]),
                             "models/cancer/audit.jsonl: it has 4 lines, and had 5: 1 at its end was removed. Bring it back: mv models/cancer/audit.jsonl somewhere-else && make restore MODEL=cancer"),
    "a row of versions": (lambda p: forge(p, "UPDATE versions SET sha256 = replace(sha256, 'a', 'b') WHERE version = 2"),
                          "metrics.db and the tag cancer/v2 disagree on sha256: the row was edited. Bring metrics.db back from a backup, or move it away: it is rebuilt from the tags."),
    "the link": (lambda p: (p.root / "models/cancer/production").unlink() or os.symlink("v3", p.root / "models/cancer/production"),
                 "models/cancer/production points to v3, but the last deployment on record (cancer/deploy-2) made v2 live. Put it back with: ln -sfn v2 models/cancer/production"),
}
USES = {"deploy": {"VERSION": "1"}, "rollback": {}, "predict": {"CSV": SOURCE}, "evaluate": {"VERSION": "2"}, "retrain": {"MODEL": "cancer", "FORCE": "1"}}


@pytest.mark.parametrize("what", TAMPERED)
def test_whoever_would_use_it_refuses_it_in_one_line_and_nothing_changes(twice, what):
    tamper, words = TAMPERED[what]
    made = twice.git("rev-parse", "refs/tags/cancer/v2").strip()
    tamper(twice)
    before = without_signs_of_use(twice.root)
    for script, options in USES.items():
        if what == "the link" and script == "evaluate":
            continue  # it scores a version, live or not
        number = 1 if script in ("deploy", "rollback") else 2
        line = words.format(root=twice.root, made=made, number=number, model=twice.root / f"models/cancer/v{number}")
        done = twice.run(script, code=3, **options)
        assert done.stderr.splitlines()[-1] == f"{script}: {line}" and (done.stderr.count("\n") == 1 or script == "retrain"), done.stderr
    assert without_signs_of_use(twice.root) == before
    assert twice.sql("SELECT count(*) FROM deployments") == [(2,)] and twice.sql("SELECT count(*) FROM batches") == [(0,)]


def test_a_candidate_is_not_compared_with_a_live_model_that_was_tampered_with(twice):
    model_of(2)(twice)
    done = twice.run("train", code=3, FORCE=1)
    assert done.stderr.endswith("v2/model.joblib is not what the tag cancer/v2 says: it was changed or damaged. Bring it back with: make restore MODEL=cancer\n")
    assert "cancer/v3" not in twice.git("tag")


class Loud:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("also", ["nothing", "manifest", pytest.param("manifest and row", marks=pytest.mark.quick)])
def test_nothing_is_unpickled_before_its_bytes_are_those_of_the_tag(twice, tmp_path, also):
    """A model that runs code when loaded, with ever more of the record made to fit it: none is ever loaded."""
    import hashlib
    folder = twice.root / "models/cancer/v2"
    content = pickle.dumps(Loud(tmp_path / "owned"))
    old = hashlib.sha256((folder / "model.joblib").read_bytes()).hexdigest()
    (folder / "model.joblib").write_bytes(content)
    if also.startswith("manifest"):
        text = (folder / "manifest.json").read_text()
        (folder / "manifest.json").write_text(text.replace(old, hashlib.sha256(content).hexdigest()))
    if also == "manifest and row":
        digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
        forge(twice, f"UPDATE versions SET sha256 = '{hashlib.sha256(content).hexdigest()}', manifest_sha256 = '{digest}' WHERE version = 2")
    for script, options in (*USES.items(), ("train", {"FORCE": "1"}), ("verify", {})):
        if script != "rollback" and not (script == "deploy" and options == {"VERSION": "1"}):
            twice.run(script, code=3, **options)
    assert not (tmp_path / "owned").exists()
    with pytest.raises(FileExistsError):
        (tmp_path / "owned").mkdir()
        pickle.loads(content)  # it would have


def test_the_bytes_that_were_checked_are_the_bytes_that_are_loaded(twice, tmp_path):
    """A model file that is exchanged right after it was read: what was read is what runs."""
    code = (
        "import os, sys; sys.path.insert(0, 'scripts')\n"
        "from pathlib import Path\n"
        "from lib import loading, tags, versions\n"
        "from lib.files import ModelPaths\n"
        "genuine = versions.read_verified\n"
        "def read_then_exchange(folder, version, manifest, name):\n"
        "    content = genuine(folder, version, manifest, name)\n"
        "    (folder / name).write_bytes(Path(sys.argv[1]).read_bytes())\n"
        "    return content\n"
        "versions.read_verified = read_then_exchange\n"
        "paths = ModelPaths(Path.cwd(), 'cancer')\n"
        "print(type(loading.load(paths, tags.read(paths).live)[0].pipeline).__name__)\n")
    (tmp_path / "bad").write_bytes(pickle.dumps(Loud(tmp_path / "owned")))
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "bad")], cwd=twice.root, env=twice.env, capture_output=True, text=True)
    assert done.stdout == "Pipeline\n", done.stderr
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("path", [".", "scripts", "scripts/deploy.py", "scripts/lib/model.py", "models", "models/cancer", "models/cancer/model.toml", "models/cancer/audit.jsonl", ".git", "metrics.db"])
@pytest.mark.quick
def test_what_anybody_may_write_is_refused_with_the_cure(twice, path):
    os.chmod(twice.root / path, stat.S_IMODE((twice.root / path).stat().st_mode) | stat.S_IWOTH)
    name = str(twice.root) if path == "." else path
    for script in ("deploy", "predict"):
        assert twice.run(script, code=3, **({"CSV": SOURCE} if script == "predict" else {"VERSION": "1"})).stderr == (
            f"{script}: {name} can be written by every user of this machine, so it can't be trusted. See what was changed, then close it with: chmod o-w {name}\n")
    subprocess.run(["sh", "-c", f"chmod o-w {name}"], cwd=twice.root, check=True)
    twice.run("deploy", VERSION=1)


def test_a_clone_made_with_an_open_umask_is_closed_in_one_go(twice):
    subprocess.run(["chmod", "-R", "a+w", twice.root], check=True)
    done = twice.run("deploy", code=3, VERSION=1)
    assert done.stderr.endswith(f"then close it with: chmod -R o-w {twice.root}\n")
    subprocess.run(["chmod", "-R", "o-w", twice.root], check=True)
    twice.run("deploy", VERSION=1)


@pytest.mark.slow
def test_files_are_made_so_that_others_can_not_write_them_whatever_the_umask(template, tmp_path):
    project = template.copy(tmp_path / "project")
    before = set(project.root.rglob("*"))
    for command in ("make train", f"{sys.executable} -B scripts/deploy.py", f"make predict CSV={SOURCE} OUT=scored.csv"):
        done = subprocess.run(["sh", "-c", f"umask 0; {command}"], cwd=project.root, env=project.env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    made = [path for path in project.root.rglob("*") if path not in before and not path.is_symlink()]
    assert len(made) > 40 and (project.root / "scored.csv") in made
    assert [path for path in made if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)] == []


def test_a_deployment_leaves_nothing_that_others_can_write_whatever_the_umask(twice):
    before = set(twice.root.rglob("*"))
    subprocess.run(["sh", "-c", "umask 0; exec make deploy VERSION=1"], cwd=twice.root, env=twice.env, check=True, capture_output=True)
    made = [path for path in twice.root.rglob("*") if path not in before and not path.is_symlink()]
    assert made and [path for path in made if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)] == []


@pytest.mark.parametrize("options, words", [
    ({"VERSION": "../x"}, "VERSION='../x' is not a version's number, such as 3 or v3."),
    ({"VERSION": "1/../2"}, "VERSION='1/../2' is not a version's number, such as 3 or v3."),
    ({"VERSION": "9" * 5000}, "is not a version's number, such as 3 or v3."),
    ({"VERSION": "1\n2"}, "VERSION= can't contain a line break, or bytes that are no UTF-8."),
    ({"VERSION": "$(touch owned)"}, "VERSION='$(touch owned)' is not a version's number, such as 3 or v3."),
    ({"VERSION": "-1"}, "VERSION='-1' is not a version's number, such as 3 or v3."),
    ({"VERSION": "0"}, "there is no version v0 of cancer. Known: v1, v2."),
    ({"VERSION": "²"}, "VERSION='²' is not a version's number, such as 3 or v3."),
    ({"MODEL": ".."}, "'..' can't be a model's name."),
    ({"MODEL": "../cancer"}, "'../cancer' can't be a model's name."),
    ({"MODEL": "/etc"}, "'/etc' can't be a model's name."),
    ({"MODEL": "cancer\n"}, "MODEL= can't contain a line break, or bytes that are no UTF-8."),
    ({"MODEL": "cancer; touch owned"}, "'cancer; touch owned' can't be a model's name."),
    ({"MODEL": "--help"}, "'--help' can't be a model's name."),
])
def test_names_and_numbers_lead_nowhere_else(twice, options, words):
    before = without_signs_of_use(twice.root)
    for script in ("deploy", "evaluate"):
        done = twice.run(script, code=2, **options)
        assert words in done.stderr and done.stderr.count("\n") == 1
    assert without_signs_of_use(twice.root) == before and not list(twice.root.glob("**/owned"))


@pytest.mark.parametrize("text", ["$(touch owned)", "'; touch owned; '", "$(shell touch owned)"])
def test_no_value_reaches_a_shell_through_make(twice, text):
    subprocess.run(["make", "-n", "approve", *(f"{name}={text}" for name in ("CSV", "OUT", "VERSION", "MODEL", "REASON", "KEY", "QUICK"))], cwd=twice.root, env=twice.env, capture_output=True)
    subprocess.run(["make", "predict", f"CSV={text}", f"OUT={text}"], cwd=twice.root, env=twice.env, capture_output=True)
    subprocess.run(["make", "deploy", f"VERSION={text}", f"REASON={text}"], cwd=twice.root, env=twice.env, capture_output=True)
    assert not list(twice.root.glob("**/owned"))


@pytest.mark.parametrize("out", ["metrics.db", "models/cancer/v2/model.joblib", "models/cancer/audit.jsonl", "models/cancer/new.csv", "data/cancer/predictions/2026-01-01.csv", "scripts/lib/model.py",
                                 ".git/config", "Makefile", ".gitattributes", "sub/../models/x.csv", "link/x.csv"])
@pytest.mark.quick
def test_answers_are_never_written_among_the_projects_own_files(twice, out):
    (twice.root / "sub").mkdir()
    (twice.root / "link").symlink_to("models")
    (twice.root / "data/cancer/predictions").mkdir()
    before = without_signs_of_use(twice.root)
    assert twice.run("predict", code=2, CSV=SOURCE, OUT=out).stderr == f"predict: OUT={out} is among the project's own files. Name one outside models, data, scripts, tests, .git, .ci, .venv, .log.\n"
    assert without_signs_of_use(twice.root) == before


def test_a_pipe_or_a_device_is_no_file(twice, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert twice.run("predict", code=2, CSV=tmp_path / "pipe").stderr == f"predict: {tmp_path / 'pipe'} is a pipe or a device, which can be read only once. Save the rows as a file first.\n"
    assert twice.run("predict", code=2, CSV=SOURCE, OUT="/dev/null").stderr == "predict: OUT=/dev/null is a pipe or a device. Name a file.\n"
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.slow
def test_a_model_file_that_is_a_pointer_is_said_to_be_one(twice):
    digest = json.loads((twice.root / "models/cancer/v2/manifest.json").read_bytes())["files"]["model.joblib"]
    (twice.root / "models/cancer/v2/model.joblib").write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 12345\n")
    line = f"{twice.root}/models/cancer/v2/model.joblib is a Git LFS pointer, not the file. Bring it back with: make restore MODEL=cancer\n"
    assert twice.run("predict", code=3, CSV=SOURCE).stderr == f"predict: {line}"
    subprocess.run("rm -r models/cancer/v2", shell=True, cwd=twice.root, check=True)
    twice.run("restore", MODEL="cancer")
    twice.run("predict", CSV=SOURCE)


def test_the_way_back_that_an_edited_audit_is_given_leads_back(twice):
    whole = audit(twice).read_bytes()
    audit(twice).write_bytes(whole.replace(b"cancer/v1", b"cancer/v7", 1))
    words = twice.run("deploy", code=3, VERSION=1).stderr
    command = words.partition("Bring it back: ")[2].replace("somewhere-else", str(twice.root / "sub")).replace("make restore", "true")
    subprocess.run(command, shell=True, check=True, cwd=twice.root)
    twice.run("restore", MODEL="cancer")
    assert audit(twice).read_bytes() == whole
    twice.run("deploy", VERSION=1)


def test_the_way_back_that_an_edited_row_is_given_leads_back(twice):
    forge(twice, "UPDATE versions SET value = 0.999 WHERE version = 2")
    assert "or move it away: it is rebuilt from the tags." in twice.run("deploy", code=3, VERSION=1).stderr
    (twice.root / "metrics.db").rename(twice.root / "old.db")
    done = twice.run("deploy", VERSION=1)
    assert done.stderr == "deploy: cancer: metrics.db did not have cancer/deploy-1, cancer/deploy-2, cancer/v1, cancer/v2; added from the tags\n"
    assert twice.sql("SELECT count(*) FROM versions") == [(2,)] and twice.sql("SELECT max(value) < 0.999 FROM versions") == [(1,)]
    edit(twice, "C = 0.5", "C = 0.6")


def test_a_copy_of_a_model_s_folder_is_told_from_the_model(trained):
    import shutil
    for folder in ("models", "data"):
        shutil.copytree(trained.root / folder / "cancer", trained.root / folder / "copy", symlinks=True)
    words = "models/copy/audit.jsonl is the audit of the model cancer. If the folder was renamed, give it its name back. If it was copied, only model.toml and features.py belong to the new model: "
    for script in ("train", "deploy", "check"):
        said = trained.run(script, code=3, MODEL="copy").stderr
        assert said.startswith(f"{script}: {words}rm -rf models/copy/") and not trained.git("tag", "--list", "copy/*")
    (trained.root / "models/copy/production").unlink(missing_ok=True)  # what the proposed command takes away need not all be there
    assert [line for line in trained.run("verify", code=3, MODEL="copy").stdout.splitlines() if "audit" in line and "checked" not in line] == ["copy: " + said.removeprefix("check: ").strip()]
    assert "a copy of cancer, or cancer renamed    next: make check MODEL=copy" in trained.run("status").stdout
    trained.run("train", MODEL="cancer")
    command = said.partition("new model: ")[2].strip()
    subprocess.run(["bash", "-c", command], cwd=trained.root, check=True)
    assert "copy: v1 registered" in trained.run("train", MODEL="copy").stdout
