"""Who did what to a model, when and why, newest last; AT= says what was live then.

make history MODEL=churn
make history MODEL=churn AT=2026-05-01
"""
import re
import sys
from datetime import datetime

from lib import audit, clock, runs
from lib.errors import UserError
from lib.files import ModelPaths
from lib.runs import Run


def work(run: Run) -> int:
    paths = run.model()
    entries = audit.entries(paths.audit)
    if run.options["AT"]:
        print(live_at(paths, entries, moment(run.options["AT"])))
        return 0
    if not entries:
        print(f"{paths.name}: nothing has happened yet. Start with: make train MODEL={paths.name}")
    for entry in entries:
        print(audit.in_words(entry))
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


def live_at(paths: ModelPaths, entries: list[dict], when: str) -> str:
    switches = [entry for entry in entries if entry["event"] in ("deploy", "rollback", "retrain") and entry["time"] <= when]
    if not switches:
        return f"{paths.name}: nothing was live at {when}"
    last = switches[-1]
    return f"{paths.name}: v{last['version']} was live at {when}, since {last['time']} ({last['event']} by {last['user']}: {last['reason']})"


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL", "AT"), work, argv, reads=True)


if __name__ == "__main__":
    sys.exit(main())
