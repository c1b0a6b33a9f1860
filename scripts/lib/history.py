"""What happened to a model, from the audit and from metrics.db, as one list: who did what, when and why."""
import json
from itertools import groupby

from lib import audit, db
from lib.files import ModelPaths
from lib.names import plural, whose
from lib.runs import Run

CHANGING = ("new", "ingest", "train", "deploy", "rollback", "label", "predict", "approve", "restore", "prune")  # whose failures are told; a retraining's have their own record
ROUTINE = ("predict", "label")  # daily use: a stretch of it is one line

RETRAINS = "SELECT t.*, r.uuid, r.user, r.trigger FROM retrains t JOIN runs r ON r.id = t.run_id WHERE t.model = :model ORDER BY t.id"
ALERTS = "SELECT a.*, r.user, r.trigger, r.uuid FROM alerts a LEFT JOIN runs r ON r.id = a.run_id WHERE a.model = :model ORDER BY a.id"
IDS = "SELECT uuid, id FROM runs WHERE uuid IN (SELECT value FROM json_each(:uuids))"
SCORINGS = "SELECT b.*, r.user, r.trigger FROM batches b JOIN runs r ON r.id = b.run_id WHERE b.model = :model ORDER BY b.id"
RUNS = "SELECT * FROM runs WHERE model = :model AND script IN (SELECT value FROM json_each(:scripts)) AND status <> 'running' ORDER BY id"


def events(run: Run, paths: ModelPaths) -> list[dict]:
    """Oldest first; each with time, user, trigger ('manual' or 'cron'), event and words."""
    recorded = audit.entries(paths.audit)
    told = {entry["run"] for entry in recorded if entry["event"] == "refused"}
    ids = {row["uuid"]: row["id"] for row in db.select(run.db, IDS, uuids=json.dumps([entry["run"] for entry in recorded]))}
    found = [event(entry["time"], entry["user"], entry["trigger"], entry["event"], audit.words(entry), ids.get(entry["run"], 0)) for entry in recorded]
    found += [*retrainings(run, paths.name, told), *alerts(run, paths.name, {entry["run"] for entry in recorded}), *scorings(run, paths.name), *runs_told(run, paths.name, told)]
    return condensed(sorted(found, key=lambda each: (each["time"], each["run"])))  # times are of seconds, in which a person can type two commands


def event(time: str, user: str | None, trigger: str | None, kind: str, words: str, run_id: int | None, rows: int = 0) -> dict:
    return {"time": time, "user": user or "?", "trigger": trigger or "manual", "event": kind, "words": words, "run": run_id or 0, "rows": rows}


def retrainings(run: Run, model: str, told: set[str]) -> list[dict]:
    """Those that were due and did not end in a deployment; what the audit tells already is left to it."""
    return [event(row["time"], row["user"], row["trigger"], "retraining", f"retraining was due ({row['reason']}), {row['outcome']}: {row['detail']}", row["run_id"])
            for row in db.select(run.db, RETRAINS, model=model) if row["outcome"] == "postponed" or row["outcome"] == "refused" and row["uuid"] not in told]


def alerts(run: Run, model: str, recorded: set[str]) -> list[dict]:
    """When each was raised and resolved; its text is left to the audit where the same run wrote what happened there."""
    found = []
    for row in db.select(run.db, ALERTS, model=model):
        found.append(event(row["raised"], row["user"], row["trigger"], "alert", f"ALERT {row['kind']}" + ("" if row["uuid"] in recorded else f": {row['text']}"), row["run_id"]))
        if row["resolved"]:
            found.append(event(row["resolved"], row["user"], row["trigger"], "alert over", f"the alert '{row['kind']}' is over", row["run_id"]))
    return found


def scorings(run: Run, model: str) -> list[dict]:
    return [event(row["time"], row["user"], row["trigger"], "predict", f"{row['rows']:,} rows of {row['source']} scored by v{row['version']}", row["run_id"], row["rows"]) for row in db.select(run.db, SCORINGS, model=model)]


def runs_told(run: Run, model: str, told: set[str]) -> list[dict]:
    """Outcomes taken in, and the commands that failed, were refused, interrupted or killed."""
    found = []
    for row in db.select(run.db, RUNS, model=model, scripts=json.dumps(CHANGING)):
        if row["status"] == "done" and row["script"] == "label":
            found.append(event(row["started"], row["user"], row["trigger"], "label", "true outcomes taken in", row["id"]))
        elif row["status"] != "done" and row["uuid"] not in told:
            found.append(event(row["started"], row["user"], row["trigger"], row["status"], f"{row['script']} {row['status']}" + ("" if row["error"] in (None, row["status"]) else f": {row['error']}"), row["id"]))
    return found


def condensed(found: list[dict]) -> list[dict]:
    """The same with each stretch of scoring and labelling as one event, at its end: daily use would bury the rest."""
    kept = []
    for routine, stretch in groupby(found, key=lambda each: each["event"] in ROUTINE):
        stretch = list(stretch)
        kept += [together(stretch)] if routine and len(stretch) > 1 else stretch
    return [{key: value for key, value in each.items() if key not in ("run", "rows")} for each in kept]


def together(stretch: list[dict]) -> dict:
    scored, labelled = ([each for each in stretch if each["event"] == kind] for kind in ROUTINE)
    words = [f"{sum(each['rows'] for each in scored):,} rows scored in {plural(len(scored), 'file')}"] if scored else []
    words += [f"outcomes taken in {'once' if len(labelled) == 1 else f'{len(labelled)} times'}"] if labelled else []
    people = sorted({each["user"] for each in stretch})
    return {**stretch[-1], "user": ", ".join(people), "words": f"since {stretch[0]['time'][:10]}: {', '.join(words)}"}


def lines(found: list[dict]) -> list[str]:
    """One a line: time (UTC), who, what and why."""
    who = [whose(each) for each in found]
    width = max(map(len, who), default=0)
    return [f"{each['time'].replace('T', ' ').rstrip('Z')}  {name:<{width}}  {each['words']}" for each, name in zip(found, who)]
