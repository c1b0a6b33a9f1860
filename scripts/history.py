"""Who did what to a model, when and why, newest last; AT= says what was live then.

make history MODEL=churn
make history MODEL=churn AT=2026-05-01        # or AT=2026-05-01T13:30; UTC
make history MODEL=churn JSON=1               # the same for scripts

JSON=1 prints {"model", "events": [{time, user, trigger, event, words}]}, with AT= {"model", "at", "version", "since", "until", "event",
"user", "reason"}; a version of null: nothing was live.
"""
import json
import re
from datetime import datetime

from lib import audit, clock, history, runs
from lib.errors import UserError
from lib.files import ModelPaths
from lib.runs import Run

SWITCHES = ("deploy", "rollback", "retrain")


def work(run: Run) -> int:
    paths = run.model()
    as_json = run.flag("JSON")
    if run.options["AT"]:
        found = live_at(paths, moment(run.options["AT"]))
        print(json.dumps(found, ensure_ascii=False) if as_json else in_words(found))
        return 0
    found = history.events(run, paths)
    if as_json:
        print(json.dumps({"model": paths.name, "events": found}, indent=1, ensure_ascii=False))
        return 0
    if not found:
        print(f"{paths.name}: nothing has happened yet. Start with: make train MODEL={paths.name}")
    for line in history.lines(found):
        print(line)
    return 0


def moment(text: str) -> str:
    """A date means its end, so that what went live on that day counts."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"AT={text!r} is not a date or time, such as 2026-05-01 or 2026-05-01T13:30.") from None
    if re.fullmatch(r"\d{4}-?\d\d-?\d\d", text):
        return f"{when:%Y-%m-%d}T23:59:59Z"
    return clock.stamp(when) if when.tzinfo else f"{when:%Y-%m-%dT%H:%M:%S}Z"


def live_at(paths: ModelPaths, when: str) -> dict:
    """What was live at a time, since when and until when (None: it still is)."""
    switches = [entry for entry in audit.entries(paths.audit) if entry["event"] in SWITCHES]
    place = max((i for i, entry in enumerate(switches) if entry["time"] <= when), default=None)
    if place is None:
        return {"model": paths.name, "at": when, "version": None}
    last, after = switches[place], switches[place + 1:]
    return {"model": paths.name, "at": when, "version": last["version"], "since": last["time"], "until": after[0]["time"] if after else None,
            "event": last["event"], "user": last["user"], "reason": last["reason"]}


def in_words(found: dict) -> str:
    if found["version"] is None:
        return f"{found['model']}: nothing was live at {found['at']}"
    until = f" until {found['until']}" if found["until"] else ""
    return f"{found['model']}: v{found['version']} was live at {found['at']}, since {found['since']}{until} ({found['event']} by {found['user']}: {found['reason']})"


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL", "AT", "JSON"), work, argv, reads=True, brief=True)


if __name__ == "__main__":
    runs.leave(main())
