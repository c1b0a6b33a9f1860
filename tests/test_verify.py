"""make verify and the invariants behind it: sound after the commands, and every kind of damage named in a line."""
import hashlib
import json
import os
import shutil
import sqlite3
import stat

import pytest
from conftest import Project, findings

from lib.soundness import Tally

SCORED = "cancer: 569 rows scored by v1\n"


@pytest.fixture(scope="module")
def busy_template(trained_template, tmp_path_factory) -> Project:
    """cancer with v1 live, v2 registered, and a file scored."""
    project = trained_template.copy(tmp_path_factory.mktemp("busy") / "project")
    assert SCORED in project.run("predict", CSV="data/cancer/train/0001.csv").stdout
    return project


@pytest.fixture
def busy(busy_template, tmp_path) -> Project:
    return busy_template.copy(tmp_path / "project")


def find(project: Project, quick: bool = False, load: bool = False, tally: Tally | None = None) -> list[str]:
    """Each finding as a line; those that the next command puts right begin with a star."""
    return [("" if finding.broken else "*") + finding.words for finding in findings(project, quick, load, tally)]


def forge(project: Project, *statements: str) -> None:
    """Edit metrics.db as one who knows how: the triggers taken away and put back."""
    connection = sqlite3.connect(project.root / "metrics.db", isolation_level=None)
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    for _, sql in triggers:
        connection.execute(sql)
    connection.close()


def log_of(project: Project):
    path, = (project.root / "data/cancer/predictions").glob("*.csv")
    return path


def everything(root) -> dict:
    """Every file with its content and mode, without what each command notes of itself in metrics.db."""
    return {str(path.relative_to(root)): (path.lstat().st_mode, path.read_bytes() if path.is_file() and not path.is_symlink() else None)
            for path in root.rglob("*") if "__pycache__" not in path.parts and not path.name.startswith("metrics.db")}


def test_a_sound_project_is_said_to_be_and_what_was_looked_at_is_counted(busy):
    before = everything(busy.root)
    done = busy.run("verify")
    assert done.stdout.startswith("checked: 2 models, 2 versions, 1 deployment, 4 audit lines, 569 log rows, 24 files, ") and done.stdout.endswith(" bytes\n")
    tally = Tally()
    assert find(busy, tally=tally) == []
    models = [busy.root / "models/cancer", busy.root / "data/cancer/train"]
    parts = (busy.root / "data/cancer/train/0001.csv").stat().st_size
    copies = sum(path.stat().st_size for version in (1, 2) for path in (models[0] / f"v{version}").iterdir())
    lfs = sum((models[0] / f"v{version}/{name}").stat().st_size for version in (1, 2) for name in ("model.joblib", "holdout.csv"))
    assert tally.bytes == copies + lfs + 3 * parts + log_of(busy).stat().st_size  # the part, and its Git LFS object for each version
    assert done.stdout == f"checked: 2 models, 2 versions, 1 deployment, 4 audit lines, 569 log rows, 24 files, {tally.bytes:,} bytes\n"
    after = everything(busy.root)
    assert {name for name in before if before[name] != after.get(name)} | after.keys() - before.keys() <= {"models/cancer/.lock", "models/diabetes/.lock"}


@pytest.mark.slow
def test_quick_looks_at_the_live_version_only(busy):
    flip(busy.root / "models/cancer/v2/model.joblib")
    assert len(find(busy)) == 1 and find(busy, quick=True) == []
    assert busy.run("verify", QUICK=1).stdout.startswith("checked: 2 models, 1 live version, 1 deployment, 4 audit lines, 0 log rows, 12 files, ")
    assert "QUICK is 1 or nothing, not 'yes'." in busy.run("verify", code=2, QUICK="yes").stderr


def flip(path) -> None:
    """One bit, in the middle."""
    mode = path.stat().st_mode
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    path.chmod(stat.S_IMODE(mode))


def test_a_finding_is_exit_3_a_line_and_an_alert_that_ends_when_it_is_mended(busy):
    model = busy.root / "models/cancer/v1/model.joblib"
    sound = model.read_bytes()
    flip(model)
    done = busy.run("verify", code=3)
    line = "models/cancer/v1/model.joblib is not what the tag cancer/v1 says: it was changed or damaged. Bring it back with: make restore MODEL=cancer"
    assert done.stdout.splitlines()[0] == f"cancer: {line}" and done.stdout.splitlines()[1].startswith("checked: ")
    assert done.stderr == f"verify: ALERT cancer: make verify found 1 thing: {line}\nverify: 1 thing is not as it should be, see above.\n"
    assert busy.run("verify", code=3).stderr == "verify: 1 thing is not as it should be, see above.\n"  # told once
    model.write_bytes(sound)
    assert "cancer: the alert 'verify' is over\n" in busy.run("verify").stdout
    assert busy.sql("SELECT kind, resolved IS NOT NULL FROM alerts") == [("verify", 1)]


def lfs_object(project: Project, path: str):
    digest = hashlib.sha256((project.root / path).read_bytes()).hexdigest()
    return project.root / ".git/lfs/objects" / digest[:2] / digest[2:4] / digest


DAMAGES = {
    "a model is truncated": (lambda p: os.truncate(p.root / "models/cancer/v1/model.joblib", 100), "models/cancer/v1/model.joblib is not what the tag cancer/v1 says: it was changed or damaged."),
    "a version's file is gone": (lambda p: (p.root / "models/cancer/v2/card.md").unlink(), "models/cancer/v2/card.md is gone. Bring it back with: make restore MODEL=cancer"),
    "a file lies in a version": (lambda p: (p.root / "models/cancer/v2/extra.py").write_text("x"), "models/cancer/v2/extra.py is not part of cancer v2. Remove it."),
    "a Git LFS object has a flipped bit": (lambda p: flip(lfs_object(p, "models/cancer/v1/model.joblib")), "(models/cancer/v1/model.joblib of cancer/v1) is damaged. Remove "),
    "a Git LFS object is lost": (lambda p: lfs_object(p, "models/cancer/v2/holdout.csv").unlink(), "models/cancer/v2/holdout.csv of cancer/v2 has lost its Git LFS object "),
    "production points elsewhere": (lambda p: relink(p, "v2"), "models/cancer/production points to v2, but the last deployment on record (cancer/deploy-1) made v1 live. Put it back with: ln -sfn v1 models/cancer/production"),
    "production points nowhere of ours": (lambda p: relink(p, "../../etc"), "models/cancer/production points to '../../etc', which is no version. Remove it; the next command makes it anew."),
    "a part is edited": (lambda p: flip(p.root / "data/cancer/train/0001.csv"), "data/cancer/train/0001.csv was changed after it was taken in. Bring it back with: rm data/cancer/train/0001.csv && make restore MODEL=cancer"),
    "a row of versions is edited": (lambda p: forge(p, "UPDATE versions SET value = 0.999 WHERE version = 2"),
                                    "metrics.db and the tag cancer/v2 disagree on value: the row was edited. Bring metrics.db back from a backup, or move it away: it is rebuilt from the tags."),
    "a row of deployments is edited": (lambda p: forge(p, "UPDATE deployments SET user = 'eve', reason = 'x'"), "metrics.db and the tag cancer/deploy-1 disagree on user, reason: the row was edited."),
    "a trigger is dropped": (lambda p: forge(p, "DROP VIEW leaderboard"), "metrics.db: the view leaderboard is gone."),
    "a row refers to nothing": (lambda p: forge(p, "PRAGMA foreign_keys = OFF", "DELETE FROM runs WHERE id = 1"), "metrics.db: 1 row(s) of versions refer to a row of runs that is gone."),
    "model.toml is gone": (lambda p: (p.root / "models/cancer/model.toml").unlink(), "models/cancer/model.toml is gone. Bring it back with: make restore MODEL=cancer"),
    "the audit is gone": (lambda p: (p.root / "models/cancer/audit.jsonl").unlink(), "models/cancer/audit.jsonl is gone. make restore MODEL=cancer brings back what the tags carry of it."),
    "a prediction is taken out": (lambda p: lines_of(log_of(p), lambda lines: lines[:7] + lines[8:]), " has 568 predictions, metrics.db has acknowledged 569 of them."),
    "a prediction is there twice": (lambda p: lines_of(log_of(p), lambda lines: [*lines, lines[-1]]), " has 570 predictions, metrics.db has acknowledged 569 of them."),
    "a prediction is of another version": (lambda p: lines_of(log_of(p), lambda lines: [*lines[:-1], lines[-1].replace(b"Z,1,", b"Z,2,")]), "its predictions are not those, in order and version, that metrics.db has acknowledged."),
    "a line of the log is torn": (lambda p: lines_of(log_of(p), lambda lines: [*lines[:9], lines[9][:20] + b"\n", *lines[10:]]), ".csv, line 10: has 2 fields, the header has 35: it is torn, or was changed."),
    "the log is gone": (lambda p: log_of(p).unlink(), " is gone, with 569 predictions. Bring it back from a backup"),
}


def relink(project: Project, target: str) -> None:
    link = project.root / "models/cancer/production"
    link.unlink()
    os.symlink(target, link)


def lines_of(path, change) -> None:
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


@pytest.mark.parametrize("name", DAMAGES)
def test_each_damage_is_named_in_one_line(busy, name):
    damage, words = DAMAGES[name]
    damage(busy)
    told = find(busy)
    assert [line for line in told if words in line and not line.startswith("*") and "\n" not in line], told
    assert len(told) == 1 or name == "a row refers to nothing", told  # nothing else is blamed


def audit(project: Project):
    return project.root / "models/cancer/audit.jsonl"


EDITS = {
    "edited": (lambda lines: [lines[0], lines[1].replace(b'"user":"', b'"user":"eve'), *lines[2:]], "line 2 was edited (the tags have it otherwise)"),
    "the last one edited": (lambda lines: [*lines[:3], lines[3].replace(b'"user":"', b'"user":"eve')], "line 4 was edited (the tags have it otherwise)"),
    "removed": (lambda lines: [lines[0], *lines[2:]], "1 line after line 1 was removed"),
    "the first two removed": (lambda lines: lines[2:], "2 lines at the beginning were removed"),
    "the last one removed": (lambda lines: lines[:3], "it has 3 lines, and had 4: 1 at its end was removed"),
    "all removed": (lambda lines: [], "it has 0 lines, and had 4: 4 at its end were removed"),
    "reordered": (lambda lines: [lines[0], lines[2], lines[1], lines[3]], "line 2 is not in its place"),
    "added": (lambda lines: [*lines[:2], lines[1].replace(b"cancer/v1", b"cancer/v7"), *lines[2:]], "line 3 was added (no tag has it)"),
    "not JSON": (lambda lines: [b"once upon a time\n", *lines[1:]], "line 1 was edited (the tags have it otherwise)"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_audit_line_that_was_touched_is_named_by_its_number_also_with_the_hashes_redone(busy, name):
    change, words = EDITS[name]
    lines_of(audit(busy), change)
    line = f"models/cancer/audit.jsonl: {words}. Bring it back: mv models/cancer/audit.jsonl somewhere-else && make restore MODEL=cancer"
    assert line in find(busy)
    rehashed, previous = [], "0" * 64
    for raw in audit(busy).read_bytes().splitlines():
        if raw.startswith(b"{"):
            raw = json.dumps({**json.loads(raw), "previous": previous}, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
        rehashed.append(raw + b"\n")
        previous = hashlib.sha256(raw).hexdigest()
    audit(busy).write_bytes(b"".join(rehashed))
    assert any(told.startswith("models/cancer/audit.jsonl: ") for told in find(busy))


def test_a_line_that_no_tag_carries_is_vouched_for_by_metrics_db(busy, tmp_path):
    lines = (busy.root / "data/cancer/train/0001.csv").read_text().splitlines()
    (tmp_path / "more.csv").write_text("\n".join([lines[0], *(line + "1" for line in lines[1:40])]) + "\n")
    busy.run("ingest", CSV=tmp_path / "more.csv")
    assert find(busy) == []
    whole = audit(busy).read_bytes()
    audit(busy).write_bytes(whole.replace(b'"source":"more.csv"', b'"source":"less.csv"'))
    assert [told.partition(". ")[0] for told in find(busy)] == ["models/cancer/audit.jsonl: line 5 was edited"]
    audit(busy).write_bytes(b"".join(whole.splitlines(keepends=True)[:4]))
    assert "models/cancer/audit.jsonl: it has 4 lines, and had 5: 1 at its end was removed" in [told.partition(". ")[0] for told in find(busy)]
    audit(busy).write_bytes(whole + b'{"half')
    assert find(busy) == ["*models/cancer/audit.jsonl: its last line is torn. The next command that writes to it cuts it off."]


@pytest.mark.parametrize("how", ["lightweight", "another version's", "the same words on another commit", "deleted"])
def test_a_moved_tag_is_named_with_the_way_back(busy, how):
    made = busy.git("rev-parse", "refs/tags/cancer/v2").strip()
    move_tag(busy, how)
    words = "is gone" if how == "deleted" else "was moved or made anew: it is not the one on record"
    assert f"the tag cancer/v2 {words}. Put it back with: git update-ref refs/tags/cancer/v2 {made}" in find(busy)
    assert how != "deleted" or "interrupted" not in busy.run("verify", code=3).stdout  # its folder is no leftover
    busy.git("update-ref", "refs/tags/cancer/v2", made)
    assert find(busy) == []


def move_tag(project: Project, how: str) -> None:
    if how == "deleted":
        project.git("tag", "-d", "cancer/v2")
    elif how == "another version's":
        project.git("update-ref", "refs/tags/cancer/v2", project.git("rev-parse", "refs/tags/cancer/v1").strip())
    elif how == "lightweight":
        project.git("tag", "-f", "cancer/v2", "HEAD")
    else:
        words = project.git("for-each-ref", "--format=%(contents)", "refs/tags/cancer/v2")
        project.git("tag", "-f", "-a", "--cleanup=verbatim", "-m", words.rstrip("\n"), "cancer/v2", "cancer/v1^{commit}")


def test_a_moved_tag_is_noticed_by_its_files_where_metrics_db_is_new(busy):
    (busy.root / "metrics.db").unlink()
    move_tag(busy, "the same words on another commit")
    shutil.rmtree(busy.root / "data/cancer/predictions")
    told = [line for line in find(busy) if not line.startswith("*")]
    assert len(told) == 1 and told[0].startswith("the tag cancer/v2 was moved: its files are not those of its record."), told


def test_what_an_interrupted_command_left_is_no_fault_and_the_next_one_ends_it(busy):
    (busy.root / "models/cancer/v3").mkdir()
    (busy.root / "models/cancer/.staged-v3").mkdir()
    shutil.rmtree(busy.root / "models/cancer/v1")
    log = log_of(busy)
    (log.parent / ".appending.json").write_text(json.dumps({"file": log.name, "offset": log.stat().st_size, "batch": "0" * 32}))
    with open(log, "ab") as file:
        file.write(b"a,2026-01-01T00:00:00Z,1,benign,0.1,1\nb,20")
    done = busy.run("verify")
    told = [line.removeprefix("cancer: unfinished: ") for line in done.stdout.splitlines()[:-1]]
    assert len(told) == 4 and all("next " in line for line in told), told
    busy.run("rollback", code=2)
    busy.run("predict", CSV="data/cancer/train/0001.csv")
    assert find(busy, load=True) == []


def test_a_database_that_is_gone_is_unfinished_business_and_the_log_from_before_is_taken_as_it_is(busy):
    (busy.root / "metrics.db").unlink()
    assert find(busy) == [f"*metrics.db has no row for {tag} yet. The next command adds it from the tag." for tag in ("cancer/v1", "cancer/v2", "cancer/deploy-1")]
    done = busy.run("rollback", code=2)
    assert done.stderr.startswith("rollback: cancer: metrics.db did not have cancer/deploy-1, cancer/v1, cancer/v2; added from the tags\n")
    assert find(busy) == []
    (busy.root / "other.csv").write_text("".join((busy.root / "data/cancer/train/0001.csv").read_text().splitlines(keepends=True)[:30]))
    busy.run("predict", CSV="other.csv")
    assert find(busy) == []
    lines_of(log_of(busy), lambda lines: lines[:-1])
    assert "its predictions are not those, in order and version, that metrics.db has acknowledged." in find(busy)[0]


@pytest.mark.slow
def test_verify_waits_for_nobody_and_calls_nothing_broken_while_a_training_is_at_work(busy):
    process = busy.start("train", FORCE=1)
    codes = []
    while process.poll() is None:
        codes += [line for line in find(busy, quick=True) if not line.startswith("*")]
    assert process.wait() == 0 and codes == []
