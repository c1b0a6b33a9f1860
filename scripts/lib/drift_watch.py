"""What a check of drift comes to: whether there is anything new to judge, what a person has accepted, and what forbids a retraining."""
import json

from lib import alerts, audit, clock, db, predictions, versions
from lib.config import Config
from lib.drift_records import PROFILE_FORMAT, Look, minute
from lib.errors import UserError
from lib.files import ModelPaths
from lib.runs import Run
from lib.tags import Registry, Version

FOUND = {"ok": "nothing", "drift": "drift", "quality": "spoiled rows"}


def judge_new(run: Run, paths: ModelPaths, conf: Config, known: Registry) -> Look:
    """Judge what is new, put it on record, raise or resolve alerts. Only under the model's lock."""
    live = known.live
    profile = baseline(paths, live)
    if profile.get("format") != PROFILE_FORMAT:
        return Look("unknown", (f"{live.name} was trained without a profile to compare with. Train again with: make train MODEL={paths.name} FORCE=1",))
    last = db.last_window(run.db, paths.name, live.number)
    reached = predictions.lengths(run.db, paths)
    if last and reached == db.drift_position(run.db, paths.name, "judged"):
        return Look(last["verdict"] if not last["accepted"] else "ok", (f"{live.name}: nothing new since the last check, at {minute(last['time'])}, which found {said(last)}",), last["words"])
    from lib import drift_judge  # NumPy takes a tenth of a second to import: not where there is nothing new
    return drift_judge.judge(run, paths, conf, profile, known, reached)


def baseline(paths: ModelPaths, live: Version) -> dict:
    folder = versions.ensure_folder(paths, live)
    return json.loads(versions.read_verified(folder, live, versions.read_manifest(folder, live), "baseline.json"))


def said(window) -> str:
    found = FOUND[window["verdict"]] + (f": {window['words']}" if window["words"] else "")
    return found + (f" (accepted by {window['accepted_by']})" if window["accepted"] else "")


def stopped(run: Run, paths: ModelPaths) -> str:
    """The rows that forbid a retraining, in words; empty where there are none. They may be a version's that is no longer live: their labels are learnt from all the same."""
    stops = db.stops(run.db, paths.name)
    more = f" (and {len(stops) - 1} checks more)" if len(stops) > 1 else ""
    return f"{stops[-1]['words']}{more}" if stops else ""


def accept(run: Run, paths: ModelPaths) -> bool:
    """Take a person's word that what has been found spoiled so far is all right; whether there was anything. Only under the model's lock."""
    if run.trigger == "cron":
        raise UserError("ACCEPT=1 is for a person: take it out of the crontab.")
    stops = db.stops(run.db, paths.name)
    if not stops:
        return False
    reason = run.options["REASON"]
    with db.transaction(run.db):
        db.accept_stops(run.db, paths.name, clock.now(), run.user, reason)
        db.set_drift_position(run.db, paths.name, "accepted", db.drift_position(run.db, paths.name, "judged"))
    audit.add(paths.audit, run, "accept", found=[stop["words"] for stop in stops], version=stops[-1]["version"], reason=reason)
    alerts.resolve(run, paths.name, "quality", "stopped")
    return True
