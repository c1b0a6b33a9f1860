"""What a person must know: raised once while it lasts, resolved when it clears, told on stderr and to a webhook."""
import json
import os
import stat
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from lib import clock, db, model_names
from lib.errors import Busy, UserError
from lib.files import ModelPaths
from lib.names import plural
from lib.runs import Run

PATIENCE = timedelta(days=1)  # so long the remote or the webhook may fail before a person is told
TIMEOUT = 10  # seconds for the webhook
URL_FILE = ".webhook"  # at the project's root, readable by its owner only


def watch(run: Run, named: str, work: Callable[[ModelPaths], object]) -> tuple[list, bool]:
    """What `work` says of the model that was named, or of each, and whether it broke on any: whatever breaks one must not keep the others unwatched.

    That is alerted; where one model was named, the command itself fails. What there is to tell is delivered.
    """
    results, broke = [], False
    for name in [named] if named else model_names.described(run.root):
        try:
            results.append(work(ModelPaths(run.root, name)))
        except BrokenPipeError:  # nobody reads what we print: that is no fault of a model
            raise
        except Exception as error:
            if isinstance(error, Busy) and run.trigger == "cron":  # somebody is working on it: left for the next time
                print(f"{name}: skipped: {error}")
                continue
            if named:
                deliver(run)
                raise
            raise_alert(run, name, failure(run.script), f"{run.script} failed: {error}")
            print(f"{run.script}: {name}: {type(error).__name__ + ': ' if not isinstance(error, UserError) else ''}{error}", file=sys.stderr)
            broke = True
    deliver(run, well=not broke)
    return results, broke


def failure(script: str) -> str:
    """The kind of alert that says that the script failed."""
    return f"{script} failed"


def watch_jobs(run: Run, well: bool) -> None:
    """Alert what has become of cron's jobs: one that was killed, or stopped at its time limit, can't tell of itself, and the next one does.

    well: this command, which is on record as running, has gone well.
    """
    mine = run.script, run.options.get("MODEL", "")
    for job in db.last_jobs(run.db):
        if job["status"] in ("done", "refused") or well and mine == (job["script"], job["model"]):
            resolve(run, job["model"], failure(job["script"]))
        elif job["trigger"] == "cron" and job["error"]:  # without: it has told of each model that it failed on
            ended = {"killed": "was killed", "interrupted": "was stopped: its time limit, or the machine went down"}.get(job["status"], f"failed: {job['error']}")
            raise_alert(run, job["model"], failure(job["script"]), f"the job {job['script']} of {job['started']} {ended}")


def raise_alert(run: Run, model: str, kind: str, text: str) -> None:
    """On record and on stderr, unless it is already; delivery to the webhook comes at the end of the command. model: "" of none of them."""
    with db.transaction(run.db):
        if db.open_alert(run.db, model, kind):
            return
        db.insert(run.db, "alerts", model=model, kind=kind, text=text, raised=clock.now(), run_id=run.id)
    print(f"{run.script}: ALERT {of(model, text)}", file=sys.stderr)


def of(model: str, text: str) -> str:
    return f"{model}: {text}" if model else text


def resolve(run: Run, model: str, *kinds: str) -> None:
    for kind in kinds:
        if db.open_alert(run.db, model, kind):
            with db.transaction(run.db):
                db.resolve_alert(run.db, model, kind, clock.now())
            print(of(model, f"the alert '{kind}' is over"))


def deliver(run: Run, well: bool = False) -> None:
    """Send what the webhook has not taken yet, that a job has failed included; well: this command has not. A webhook that is down costs a warning, and the next command tries again."""
    watch_jobs(run, well)
    waiting = db.undelivered_alerts(run.db)
    if not waiting:
        return
    url = webhook(run.root)
    if not url:
        return
    for alert in waiting:
        problem = send(url, f"{of(alert['model'], alert['text'])} ({alert['raised']}, {run.host})")
        with db.transaction(run.db):
            db.alert_tried(run.db, alert["id"], None if problem else clock.now())
        if problem:
            print(f"{run.script}: warning: the webhook did not take {plural(len(waiting), 'alert')}: {problem}. The next command tries again.", file=sys.stderr)
            if datetime.fromisoformat(clock.now()) - datetime.fromisoformat(waiting[0]["raised"]) > PATIENCE:
                raise_alert(run, waiting[0]["model"], "webhook", f"the webhook has not taken the alert of {waiting[0]['raised']} yet: {problem}")
            return
    for alert in waiting:
        if alert["kind"] == "webhook":
            resolve(run, alert["model"], "webhook")


def webhook(root: Path) -> str | None:
    """The webhook's address: WEBHOOK_URL, else the file .webhook. It is a secret, so a file that others can read is not used."""
    if os.environ.get("WEBHOOK_URL"):
        return os.environ["WEBHOOK_URL"]
    path = root / URL_FILE
    if not path.is_file():
        return None
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        print(f"warning: {path} can be read by others, so it is not used. Close it with: chmod 600 {path.name}", file=sys.stderr)
        return None
    return path.read_text(errors="replace").strip() or None


def send(url: str, text: str) -> str | None:
    """Post as Slack takes it; returns what went wrong, without the address.

    In a thread: a server that sends a byte now and then is never silent for so long that a socket's own timeout would end it.
    """
    told: list[str | None] = []
    thread = threading.Thread(target=lambda: told.append(post(url, text)), daemon=True)
    thread.start()
    thread.join(TIMEOUT + 1)
    return told[0] if told else "TimeoutError"


def post(url: str, text: str) -> str | None:
    import urllib.error
    import urllib.request
    if not url.lower().startswith(("http://", "https://")):
        return "its address begins with neither http:// nor https://"
    try:
        request = urllib.request.Request(url, json.dumps({"text": text}).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return None if 200 <= answer.status < 300 else f"it answered {answer.status}"
    except urllib.error.HTTPError as error:
        return f"it answered {error.code}"
    except Exception as error:  # whatever it is, the alert waits; its text could hold the address, which is a secret
        cause = getattr(error, "reason", None)
        return type(cause if isinstance(cause, Exception) else error).__name__
