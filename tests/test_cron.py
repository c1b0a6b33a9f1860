"""make cron and uncron on a real crontab, and a real cron daemon that heals a model."""
import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from worlds import changed_world, outcomes

FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)


@pytest.fixture
def crontab():
    """The user's real crontab, given back as it was."""
    if not shutil.which("crontab"):
        pytest.skip("cron is not installed")
    before = subprocess.run(["crontab", "-l"], capture_output=True)
    yield lambda: subprocess.run(["crontab", "-l"], capture_output=True, text=True).stdout
    if before.returncode == 0:
        subprocess.run(["crontab", "-"], input=before.stdout, check=True)
    else:
        subprocess.run(["crontab", "-r"], capture_output=True)


def put(text):
    subprocess.run(["crontab", "-"], input=text, text=True, check=True)


def test_a_table_that_is_not_utf_8_stays_as_it_is_byte_for_byte(project, crontab):
    others = "# sauvegarde d\xe9j\xe0\n5 4 * * * true\n".encode("latin-1")
    subprocess.run(["crontab", "-"], input=others, check=True)
    project.run("cron")
    project.run("status")
    project.run("uncron")
    assert subprocess.run(["crontab", "-l"], capture_output=True).stdout == others


OTHERS = "# mine\nMAILTO=\"\"\n5 4 * * *  echo '100\\%'   # odd   spaces\n"


def test_cron_installs_between_markers_and_uncron_leaves_the_rest_byte_for_byte(project, crontab):
    (project.root / ".venv").symlink_to(sys.prefix)
    put(OTHERS)
    done = project.run("cron")
    assert done.stdout.startswith("installed in your crontab:\n")
    table = crontab()
    assert table.startswith(OTHERS + f"# >>> lean mlops: {project.root} >>>\n")
    assert f"7 * * * *    sh '{project.root}'/scripts/in-cron.sh retrain 2h\n" in table
    assert f"22 * * * *   sh '{project.root}'/scripts/in-cron.sh drift 30m\n" in table
    assert project.run("cron").stdout.startswith("in your crontab already:\n") and crontab() == table
    assert project.run("uncron").stdout == "taken out of your crontab\n"
    assert crontab() == OTHERS
    assert project.run("uncron").stdout == "your crontab has no entries of this project\n"


def test_a_changed_crontab_txt_replaces_the_old_entries(project, crontab):
    put(OTHERS)
    project.run("cron")
    path = project.root / "crontab.txt"
    path.write_text(path.read_text().replace("7 * * * *", "9 * * * *"))
    project.run("cron")
    assert crontab().count("in-cron.sh retrain") == 1 and "9 * * * *" in crontab() and "7 * * * *" not in crontab()


def test_without_a_crontab_one_is_made_and_taken_away_again(project, crontab):
    subprocess.run(["crontab", "-r"], capture_output=True)
    project.run("cron")
    assert "in-cron.sh retrain" in crontab()
    project.run("uncron")
    assert crontab() == ""


def test_markers_that_lost_their_partner_stop_it(project, crontab):
    project.run("cron")
    put(crontab().replace(f"# <<< lean mlops: {project.root} <<<\n", ""))
    before = crontab()
    assert "the markers of this project in your crontab do not match" in project.run("cron", code=2).stderr
    assert crontab() == before


def test_the_jobs_use_the_venv_that_make_cron_was_typed_with(project, crontab):
    project.run("cron")
    assert f"7 * * * *    VENV='{sys.prefix}' sh '{project.root}'/scripts/in-cron.sh retrain 2h\n" in crontab()


def test_a_variable_of_cron_s_own_in_crontab_txt_is_left_to_cron(project, crontab):
    path = project.root / "crontab.txt"
    path.write_text(path.read_text() + "3 2 * * * rsync -a $root/data $HOME/${USER}'s copy of 5$\n")
    project.run("cron")
    assert f"3 2 * * * rsync -a '{project.root}'/data $HOME/${{USER}}'s copy of 5$\n" in crontab()


def test_where_there_is_no_crontab_command_the_lines_to_paste_are_shown(project, tmp_path):
    (tmp_path / "bin").mkdir()
    for name in ("git", "git-lfs", "sync"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    done = project.run("cron", code=1, PATH=tmp_path / "bin")
    assert "in-cron.sh retrain 2h\n" in done.stdout and "Install it with: sudo apt-get install cron" in done.stderr


def job(live, script="retrain", **env):  # noqa: F811
    return subprocess.run(["sh", str(live.root / "scripts/in-cron.sh"), script, "10m"], cwd="/", capture_output=True, text=True,
                          env={"HOME": str(live.home), "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "LOGNAME": "root", **env})


def test_a_job_in_cron_s_bare_environment_keeps_its_own_log_and_mails_alerts_alone(live):  # noqa: F811
    (live.root / ".venv").symlink_to(sys.prefix)
    done = job(live)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "not enough labels yet" in (live.root / ".log/retrain.log").read_text()
    assert live.sql("SELECT trigger FROM runs ORDER BY id DESC LIMIT 1") == [("cron",)]
    changed_world(live)
    done = job(live)
    assert [line[:36] for line in done.stderr.splitlines()] == ["retrain: ALERT cancer: cancer v1: ac", "retrain: ALERT cancer: cancer v1: `m"]
    assert os.readlink(live.root / "models/cancer/production") == "v3"
    (live.root / ".log/retrain.log").write_text("x" * 1_000_001)
    job(live)
    assert (live.root / ".log/retrain.log.1").stat().st_size == 1_000_001 and (live.root / ".log/retrain.log").stat().st_size < 10_000
    assert [path.name for path in (live.root / ".log").iterdir() if path.name.startswith(".")] == []


def test_a_job_that_fails_is_mailed_once_and_an_alert_of_the_next_job_until_it_goes_well(live, tmp_path):  # noqa: F811
    (live.root / ".venv").symlink_to(sys.prefix)
    lines = job(live, "backup").stderr.splitlines()
    assert lines[0] == f"backup: failed with exit code 2; see {live.root}/.log/backup.log" and lines[1].startswith("backup: TO= is missing. ") and len(lines) == 2
    assert job(live, "backup").stderr == ""
    started, = live.sql("SELECT started FROM runs ORDER BY id DESC LIMIT 1")[0]
    assert job(live).stderr.startswith(f"retrain: ALERT the job backup of {started} failed: TO= is missing. ")
    assert job(live).stderr == ""
    assert live.sql("SELECT model, kind FROM alerts WHERE resolved IS NULL") == [("", "backup failed")]
    assert f"ALERT backup failed since {started[:10]}" in live.run("status").stdout
    live.run("report")
    page = (live.root / "models/report.html").read_text()
    assert "the job backup of" in page and "Of cron&#x27;s jobs: backup failed, see the end of the page." in page
    assert "\nlean_mlops_open_job_alerts 1\n" in (live.root / "models/metrics.prom").read_text()
    (tmp_path / "safe").mkdir()
    live.run("backup", TO=tmp_path / "safe")  # by hand is as good
    assert "\nthe alert 'backup failed' is over\n" in live.run("check").stdout
    assert job(live, "backup").stderr == ""  # mailed, and never gone well as a job since
    assert job(live, "backup", TO=str(tmp_path / "safe")).returncode == 0
    assert job(live, "backup").stderr.splitlines() == lines


def test_a_job_that_was_killed_is_told_of_by_the_next(live):  # noqa: F811
    lock = live.root / "models/.report.lock"
    with open(lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        report = live.start("report", TRIGGER="cron")
        while not live.sql("SELECT 1 FROM runs WHERE script = 'report' AND status = 'running'"):
            time.sleep(0.05)
        assert live.run("check").stderr == ""  # it may well be at work
        report.kill()
        report.wait()
    started, = live.sql("SELECT started FROM runs WHERE script = 'report'")[0]
    assert live.run("check").stderr == f"check: ALERT the job report of {started} was killed\n"
    assert live.run("check").stderr == ""
    connection = sqlite3.connect(live.root / "metrics.db")
    with connection:
        connection.execute("UPDATE runs SET script = 'check' WHERE script = 'report'")
        connection.execute("UPDATE alerts SET kind = 'check failed'")
    connection.close()
    done = live.run("check")  # as good as the job: it need not wait for the next one to say so
    assert done.stderr == "" and "the alert 'check failed' is over\n" in done.stdout


def test_what_goes_well_beside_a_failure_is_no_news_of_it(live):  # noqa: F811
    (live.root / ".venv").symlink_to(sys.prefix)
    path = live.root / "models/diabetes/model.toml"
    path.write_text(path.read_text().replace("[columns]", "[column]"))
    lines = job(live).stderr.splitlines()
    assert lines[0].startswith("retrain: ALERT diabetes: retrain failed: ") and lines[1].startswith("retrain: failed with exit code 1; see ") and lines[2].startswith("retrain: diabetes: ") and len(lines) == 3
    live.run("label", MODEL="cancer", CSV=outcomes(live, 1))  # so that the line of the other model is another one
    assert job(live).stderr == "" and "healthy" in (live.root / ".log/retrain.log").read_text()


def test_a_check_that_is_skipped_does_not_say_that_nothing_is_live(live):  # noqa: F811
    with open(live.root / "data/cancer/.check.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert live.run("check", TRIGGER="cron").stdout == "cancer: another check is at work; skipped\n"
    assert live.run("check").stdout.startswith("cancer v1: ")


def test_a_real_cron_daemon_sees_the_drop_and_heals_it(live, crontab):  # noqa: F811
    if os.geteuid() or not shutil.which("cron") or FAKETIME is None or not shutil.which("pgrep") or subprocess.run(["pgrep", "-x", "cron"], capture_output=True).returncode == 0:
        pytest.skip("needs root, cron not running yet, and libfaketime")
    (live.root / ".venv").symlink_to(sys.prefix)
    path = live.root / "crontab.txt"
    path.write_text(path.read_text().replace("7 * * * *", "* * * * *"))
    changed_world(live)
    live.run("cron")
    daemon = subprocess.Popen(["cron", "-f"], env={"LD_PRELOAD": str(FAKETIME), "FAKETIME": "+0 x60", "PATH": os.environ["PATH"]}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline and not live.sql("SELECT 1 FROM retrains WHERE outcome = 'deployed'"):
            time.sleep(0.2)
    finally:
        live.run("uncron")
        daemon.terminate()
        daemon.wait()
        for left in Path("/dev/shm").glob(f"*faketime_*_{daemon.pid}"):  # by libfaketime, of what is ended by a signal
            left.unlink()
    time.sleep(1)
    assert live.sql("SELECT version, action FROM production") == [(3, "retrain")], (live.root / ".log/retrain.log").read_text()
    assert live.sql("SELECT count(*) FROM retrains WHERE outcome = 'deployed'") == [(1,)]
    assert live.sql("SELECT count(*) FROM runs WHERE trigger = 'cron' AND script = 'retrain' AND status = 'failed'") == [(0,)]
