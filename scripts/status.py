"""How every model does, a line each: what is live, how good it was and is, drift, the last check, the next job, open alerts.

make status                  # all models
make status MODEL=churn      # one, with its open alerts, its last events and what to type next
make status JSON=1           # the same for scripts

Times are UTC. The live metric is accuracy or mae of the predictions whose outcomes are in; `labels` is how many these are. `drift` is how
many things the last `make drift` found, `next` when cron checks the model next, or retrains it.

JSON=1 prints {"time", "jobs": [{job, time}], "alerts": [{kind, raised, text}], "models": […]}; jobs are what cron starts next, none where it is not
set up; the alerts are of such jobs as failed. Of each model: model, version (live),
since, newest, holdout {metric, value, low, high, rows}, live {metric, value, low, high, labels, predictions,
since and value_labels: where value is of the newest labels alone, from when on, and how many},
drift {version, time, columns, found, quality, worst}, check {time, verdict}, next {job, time}, alerts [{kind, raised, text}], note, type (what to
type about it), and with MODEL= events [{time, user, trigger, event, words}]. What is not known is null.
"""
import json
from datetime import datetime

from lib import clock, db, model_names, overview, runs, tags, terminal
from lib.errors import UserError
from lib.runs import Run
from lib.terminal import Cell, Column

EVENTS = 10
NOTES = 10  # below the table; all of them are in the JSON
LONGEST = 140  # letters of an event
STALE = 26 * 3600  # seconds after which a check is old: cron runs one every hour
COLUMNS = [Column("model"), Column("live"), Column("since", spare=2), Column("holdout"), Column("live metric, 95 %"), Column("labels", right=True, spare=1), Column("drift"),
           Column("last check"), Column("next", spare=3), Column("alerts")]
VERDICTS = {"healthy": "green", "dropped": "red", "unknown": "yellow"}


def work(run: Run) -> int:
    named = bool(run.options["MODEL"])
    names = [run.model().name] if named else model_names.described(run.root)
    if not names:
        raise UserError("there is no model yet. Make one with: make new MODEL=name CSV=rows.csv TARGET=column")
    ticks = overview.cron(run)
    alerts = overview.open_alerts(run)
    found = overview.facts(run, names, ticks, alerts)
    events = newest_events(run) if named else []
    if run.flag("JSON"):
        print(json.dumps({"time": clock.now(), "jobs": ticks.jobs, "alerts": alerts.get("", []), "models": [{**fact, **({"events": events} if named else {})} for fact in found]}, indent=1, ensure_ascii=False))
        return 0
    print(*terminal.table(COLUMNS, [cells(fact) for fact in found]), sep="\n")
    print(*below(found, ticks, alerts.get("", []), named), sep="\n")
    if named:
        print(*last_events(found[0], events, way_back(run, names[0])), sep="\n")
    return 0


def way_back(run: Run, name: str) -> bool:
    """Whether `make rollback` has a version to go to."""
    from types import SimpleNamespace
    rows = db.select(run.db, "SELECT version, action FROM deployments WHERE model = :model ORDER BY deployment", model=name)
    return bool(tags.live_before([SimpleNamespace(**dict(row)) for row in rows]))


def newest_events(run: Run) -> list[dict]:
    from lib import history  # for one model only: all of them should be there in a blink
    return history.events(run, run.model())[-EVENTS:]


def cells(fact: dict) -> list[Cell | str]:
    if fact["version"] is None:
        return [fact["model"], Cell(f"{fact['note']}    next: {fact['type']}" if fact["type"] else fact["note"], "yellow")]
    kinds = ", ".join(alert["kind"] for alert in fact["alerts"])
    return [fact["model"], f"v{fact['version']}", day(fact["since"]), metric(fact["holdout"]), *live(fact), drift(fact["drift"]), check(fact["check"]), upcoming(fact["next"]), Cell(kinds or "none", "red" if kinds else "")]


def live(fact: dict) -> list[Cell | str]:
    """The metric on the labelled predictions, and how many there are."""
    found = fact["live"]
    if not found or found["value"] is None:
        return [Cell("no labels yet", "faint"), f"{found['labels']:,}" if found else "0"]
    name = "" if found["metric"] == fact["holdout"]["metric"] else f"{found['metric']} "
    interval = f" {terminal.number(found['low'])}–{terminal.number(found['high'])}" if found["low"] is not None else ""
    return [Cell(f"{name}{terminal.number(found['value'])}{interval}", "red" if fact["check"]["verdict"] == "dropped" else ""), f"{found['labels']:,}"]


def metric(found: dict) -> str:
    return f"{found['metric']} {terminal.number(found['value'])}"


def drift(found: dict | None) -> Cell:
    if not found:
        return Cell("never", "faint")
    return Cell(f"{found['found']} found", "red" if found["quality"] else "yellow") if found["found"] else Cell("none")


def check(found: dict | None) -> Cell:
    if not found:
        return Cell("never", "yellow")
    age = (datetime.fromisoformat(clock.now()) - datetime.fromisoformat(found["time"])).total_seconds()
    return Cell(f"{found['verdict']} {terminal.span(age)}", "yellow" if age > STALE else VERDICTS[found["verdict"]])


def upcoming(found: dict | None) -> Cell | str:
    return f"{'' if found['job'] == 'check' else found['job'] + ' '}{when(found['time'])}" if found else Cell("none", "yellow")


def when(time: str) -> str:
    """The time of today, else the day."""
    return time[11:16] if time[:10] == clock.today() else day(time)


def day(time: str) -> str:
    moment = datetime.fromisoformat(time)
    return f"{moment:%b %d}" if time[:4] == clock.today()[:4] else time[:10]


def below(found: list[dict], ticks: overview.Cron, of_jobs: list[dict], named: bool) -> list[str]:
    """What does not fit into a line: open alerts in words, what is out of the ordinary, and that cron does not run."""
    notes = [alarm("", alert) for alert in of_jobs] + [alarm(f"{fact['model']}: ", alert) for fact in found for alert in fact["alerts"] if named]
    notes += [f"{fact['model']}: {fact['note']}" + (f"    next: {fact['type']}" if fact["type"] else "") for fact in found if fact["note"] and fact["version"] is not None]
    more = [f"and {len(notes) - NOTES:,} more; all of them: make status JSON=1"] if len(notes) > NOTES else []
    lacking = [ticks.problem] if ticks.problem and any(fact["version"] for fact in found) else []
    jobs = "".join(f", {each['job']} {when(each['time'])}" for each in ticks.jobs)
    return [terminal.paint(f"times are UTC, now {clock.now()[11:16]}" + (f"; by cron{jobs[1:]}" if jobs else ""), "faint"), *notes[:NOTES], *more, *lacking]


def alarm(whose: str, alert: dict) -> str:
    return f"{whose}ALERT {alert['kind']} since {alert['raised'][:16].replace('T', ' ')}: {alert['text']}"


def last_events(fact: dict, events: list[dict], back: bool) -> list[str]:
    """back: whether there is a version to roll back to."""
    from lib import history
    lines = ["", f"last events of {fact['model']}:" if events else f"{fact['model']}: nothing has happened yet", *map(short, history.lines(events))]
    return lines + ["", *(f"next: {command}" for command in suggestions(fact, back))]


def short(line: str) -> str:
    """At a glance; `make history` and `make drift` have it whole."""
    return line if len(line) <= LONGEST else line[:LONGEST - 1] + "…"


def suggestions(fact: dict, back: bool) -> list[str]:
    """What one would type now, the most pressing first."""
    name, kinds = fact["model"], {alert["kind"] for alert in fact["alerts"]}
    if fact["version"] is None:
        return [fact["type"]] if fact["type"] else []
    found = [fact["type"]] if fact["type"] else []
    if "dropped" in kinds or fact["check"] and fact["check"]["verdict"] == "dropped":
        found.append(f"make retrain MODEL={name}    # learn the newest labelled rows, deploy what is better")
        found += [f"make rollback MODEL={name}    # back to the version before"] if back else []
    if fact["drift"] and fact["drift"]["found"]:
        found.append(short(f"make drift MODEL={name}    # {fact['drift']['worst'] or 'which columns, and by how much'}"))
    if not fact["check"] or not fact["live"]["labels"]:
        found.append(f"make label MODEL={name} CSV=outcomes.csv    # true outcomes, so that it is known how right it is")
    if fact["next"] is None:
        found.append("make cron    # check every hour, retrain where it is needed")
    return found or [f"make predict MODEL={name} CSV=rows.csv"]


def main(argv: list[str] | None = None) -> int:
    return runs.execute(__doc__, ("MODEL", "JSON"), work, argv, reads=True, brief=True)


if __name__ == "__main__":
    runs.leave(main())
