"""What is live, since when, and how good it was at training; MODEL= shows one model and its last events.

make status
make status MODEL=churn
"""
import sys

from lib import audit, db, files, runs, versions
from lib.errors import UserError
from lib.runs import Run

EVENTS = 10


def work(run: Run) -> int:
    names = [run.model().name] if run.options["MODEL"] else runs.model_names(run.root)
    if not names:
        raise UserError("there is no model yet. Make one with: make new MODEL=name CSV=rows.csv TARGET=column")
    width = max(map(len, names))
    for name in names:
        print(f"{name:<{width}}  {describe(run, name)}")
    if run.options["MODEL"]:
        paths = files.ModelPaths(run.root, names[0])
        for entry in audit.entries(paths.audit)[-EVENTS:]:
            print(f"  {audit.in_words(entry)}")
    return 0


def describe(run: Run, name: str) -> str:
    """One line about a model, and what to type next where it is not live."""
    known, live = db.versions(run.db, name), db.live(run.db, name)
    if not known and versions.live_number(files.ModelPaths(run.root, name)):
        return f"something is live, but metrics.db does not know it    next: make restore MODEL={name}"
    if not known:
        return f"no version yet                    next: make train MODEL={name}"
    newest = known[-1]["version"]
    if live is None:
        return f"v{newest} registered, nothing live       next: make deploy MODEL={name}"
    interval = f" [{live['low']:.4f}, {live['high']:.4f}]" if live["low"] is not None else ""
    pointed = versions.live_number(files.ModelPaths(run.root, name))
    odd = "" if pointed == live["version"] else f"; production points to v{pointed}, not on record" if pointed else f"; production is gone, see: make restore MODEL={name}"
    waiting = f"; v{newest} is registered, not live" if newest > live["version"] else ""
    return f"v{live['version']} live since {live['since'][:16].replace('T', ' ')}, {live['metric']} {live['value']:.4f}{interval} at training{watched(run, name)}{waiting}{odd}"


def watched(run: Run, name: str) -> str:
    """What the last check found, and the alerts that are open."""
    last, alerts = db.last_check(run.db, name), [alert["kind"] for alert in db.open_alerts(run.db, name)]
    found = f"; {last['verdict']} at {last['time'][:16].replace('T', ' ')}" if last else ""
    figure = f": {last['metric']} {last['value']:.4f} on {last['labels']:,} labels" if last and last["value"] is not None else ""
    return found + figure + (f"; ALERT: {', '.join(alerts)}" if alerts else "")


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL",), work, argv, reads=True)


if __name__ == "__main__":
    sys.exit(main())
