"""What a person must know: raised once while it lasts, resolved when it clears, told on stderr and to a webhook."""
import json
import os
import stat
import sys
from datetime import datetime, timedelta
from pathlib import Path

from lib import clock, db
from lib.runs import Run

PATIENCE = timedelta(days=1)  # so long the remote or the webhook may fail before a person is told
TIMEOUT = 10  # seconds for the webhook
URL_FILE = ".webhook"  # at the project's root, readable by its owner only


def raise_alert(run: Run, model: str, kind: str, text: str) -> None:
    """On record and on stderr, unless it is already; delivery to the webhook comes at the end of the command."""
    with db.transaction(run.db):
        if db.open_alert(run.db, model, kind):
            return
        db.insert(run.db, "alerts", model=model, kind=kind, text=text, raised=clock.now(), run_id=run.id)
    print(f"{run.script}: ALERT {model}: {text}", file=sys.stderr)


def resolve(run: Run, model: str, kind: str) -> None:
    if db.open_alert(run.db, model, kind):
        with db.transaction(run.db):
            db.resolve_alert(run.db, model, kind, clock.now())
        print(f"{model}: the alert '{kind}' is over")


def deliver(run: Run) -> None:
    """Send what the webhook has not taken yet. A webhook that is down costs a warning, and the next command tries again."""
    waiting = db.undelivered_alerts(run.db)
    if not waiting:
        return
    url = webhook(run.root)
    if not url:
        return
    for alert in waiting:
        problem = send(url, f"{alert['model']}: {alert['text']} ({alert['raised']}, {run.host})")
        with db.transaction(run.db):
            db.alert_tried(run.db, alert["id"], None if problem else clock.now())
        if problem:
            print(f"{run.script}: warning: the webhook did not take {len(waiting)} alert(s): {problem}. The next command tries again.", file=sys.stderr)
            if datetime.fromisoformat(clock.now()) - datetime.fromisoformat(waiting[0]["raised"]) > PATIENCE:
                raise_alert(run, waiting[0]["model"], "webhook", f"the webhook has not taken an alert since {waiting[0]['raised']}: {problem}")
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
    return path.read_text().strip() or None


def send(url: str, text: str) -> str | None:
    """Post as Slack takes it; returns what went wrong, without the address."""
    import http.client
    import urllib.error
    import urllib.request
    try:
        request = urllib.request.Request(url, json.dumps({"text": text}).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return None if 200 <= answer.status < 300 else f"it answered {answer.status}"
    except urllib.error.HTTPError as error:
        return f"it answered {error.code}"
    except (OSError, ValueError, http.client.HTTPException) as error:  # its text could hold the address, which is a secret
        return type(getattr(error, "reason", error)).__name__
