"""What there is to know of each model at a glance: read from metrics.db in a few queries, from no model's files but model.toml."""
import json
import re
from collections import namedtuple
from datetime import datetime, timedelta

from lib import audit, clock, db, git, schedule, versions
from lib.errors import UserError
from lib.files import ModelPaths
from lib.runs import Run

# For each model in turn its live version, the newest one and the last check: one query, an index look-up for each fact.
AT_A_GLANCE = """
SELECT m.value AS model, d.version, d.time AS since, d.user, d.action, d.reason, v.metric, v.value, v.low, v.high, v.holdout_rows, n.version AS newest, n.created AS newest_created,
       EXISTS (SELECT 1 FROM deployments WHERE model = n.model AND version = n.version) AS newest_was_live,
       c.version AS checked_version, c.time AS checked, c.verdict, c.evidence, c.metric AS live_metric, c.value AS live_value, c.low AS live_low, c.high AS live_high, c.labels, c.matured, c.since AS live_since, c.value_labels,
       (SELECT min(+time) FROM drift_windows WHERE model = m.value AND verdict = 'quality' AND accepted IS NULL) AS stopped
FROM json_each(:models) m
LEFT JOIN deployments d ON d.id = (SELECT id FROM deployments WHERE model = m.value ORDER BY deployment DESC LIMIT 1)
LEFT JOIN versions v ON v.model = d.model AND v.version = d.version
LEFT JOIN versions n ON n.id = (SELECT id FROM versions WHERE model = m.value ORDER BY version DESC LIMIT 1)
LEFT JOIN checks c ON c.id = (SELECT id FROM checks WHERE model = m.value ORDER BY id DESC LIMIT 1)
ORDER BY m.key"""
OPEN_ALERTS = "SELECT model, kind, raised, text FROM alerts WHERE resolved IS NULL ORDER BY model, id"
# Of the newest window of each model how many columns were looked at, and how much was found: drifted, or spoiled.
DRIFT = """
SELECT model, max(version) AS version, max(time) AS time, count(DISTINCT CASE WHEN "column" NOT LIKE '(%' THEN "column" END) AS columns,
       sum(verdict IN ('drift', 'quality') AND words IS NOT NULL) AS found, max(verdict = 'quality') AS quality
FROM drift_latest GROUP BY model"""
# The findings of the newest windows as they were said, of each model the worst first.
DRIFT_WORDS = "SELECT model, words FROM drift_latest WHERE verdict IN ('drift', 'quality') AND words IS NOT NULL"
# [retrain] with its keys; and whether model.toml has it before its first section, as `retrain = {…}` or `retrain.every = …`.
SECTION = re.compile(r"^[ \t]*\[[ \t]*retrain[ \t]*\][^\n]*\n(?:(?![ \t]*\[)[^\n]*\n?)*", re.M)
ABOVE = re.compile(r"(?:(?![ \t]*\[)[^\n]*\n)*?[ \t]*retrain[ \t]*[.=]")


class Cron(namedtuple("Cron", "jobs script entries problem", defaults=("", (), ""))):
    """The jobs that cron will start (job and time, the next first), the one of them that watches the models with its lines, and why there is none."""


def cron(run: Run) -> Cron:
    entries, problem = schedule.installed(run.root)
    now = datetime.fromisoformat(clock.now())
    lines: dict[str, list[schedule.Entry]] = {}
    for entry in entries:
        lines.setdefault(entry.script, []).append(entry)
    times = {script: schedule.soonest(of_one, now) for script, of_one in lines.items()}
    jobs = [{"job": script, "time": clock.stamp(time)} for script, time in sorted(times.items(), key=lambda each: str(each[1])) if time]
    for script in ("retrain", "check"):
        if script in lines:
            return Cron(jobs, script, lines[script])
    return Cron(jobs, problem=problem or "crontab.txt has no entry that checks the models")


def open_alerts(run: Run) -> dict[str, list[dict]]:
    """By model; under the empty name those of cron's jobs."""
    found: dict[str, list[dict]] = {}
    for alert in db.select(run.db, OPEN_ALERTS):
        found.setdefault(alert["model"], []).append({key: alert[key] for key in ("kind", "raised", "text")})
    return found


def facts(run: Run, names: list[str], ticks: Cron, alerts: dict[str, list[dict]]) -> list[dict]:
    """One dict a model, as `make status JSON=1` prints it; what is not known is None."""
    drifts, rows = drift(run), db.select(run.db, AT_A_GLANCE, models=json.dumps(names))
    tagged = git.tagged(run.root) if any(row["newest"] is None for row in rows) else set()
    return [fact(run, row, alerts.get(row["model"], []), drifts.get(row["model"]), ticks, row["model"] in tagged) for row in rows]


def fact(run: Run, row, alerts: list[dict], drifted: dict | None, ticks: Cron, tagged: bool) -> dict:
    """tagged: whether there are versions that metrics.db may not know of."""
    live = row["version"] is not None
    checked = live and row["checked_version"] == row["version"]
    note, command = remark(run, row, tagged)
    return {
        "model": row["model"], "version": row["version"], "since": row["since"], "newest": row["newest"],
        "holdout": {"metric": row["metric"], "value": row["value"], "low": row["low"], "high": row["high"], "rows": row["holdout_rows"]} if live else None,
        "live": {"metric": row["live_metric"], "value": row["live_value"], "low": row["live_low"], "high": row["live_high"], "labels": row["labels"], "predictions": row["matured"],
                 "since": row["live_since"], "value_labels": row["value_labels"]} if checked else None,
        "drift": drifted if live and drifted and drifted["version"] == row["version"] else None,
        "check": {"time": row["checked"], "verdict": row["verdict"]} if checked else None,
        "next": due(run, row, ticks) if live else None,
        "alerts": alerts, "note": note, "type": command,
    }


def remark(run: Run, row, tagged: bool) -> tuple[str | None, str | None]:
    """What is out of the ordinary with a model, and what to type about it."""
    name, newest = row["model"], row["newest"]
    try:
        pointed = versions.live_number(ModelPaths(run.root, name))
    except UserError as error:
        return str(error), None
    owner = audit.owner(audit.lines(ModelPaths(run.root, name).audit)) if newest is None and pointed else None
    if owner not in (None, name):
        return f"a copy of {owner}, or {owner} renamed", f"make check MODEL={name}"
    if newest is None and (pointed or tagged):
        return "something is live that metrics.db does not know" if pointed else "its versions are not restored here", f"make restore MODEL={name}"
    if newest is None:
        return "no version yet", f"make train MODEL={name}"
    if not ModelPaths(run.root, name).config.is_file():
        return "its model.toml is not there: another branch may have it", f"make restore MODEL={name}"
    if row["version"] is None:
        return f"v{newest} registered, nothing live", f"make deploy MODEL={name}"
    if pointed != row["version"]:
        return (f"production points to v{pointed}, and v{row['version']} is on record" if pointed else "production is gone"), f"make restore MODEL={name}"
    if not ModelPaths(run.root, name).production.exists():
        return f"v{pointed} is live, and its folder is not here (git checkout takes it along: look at a version with git worktree)", f"make restore MODEL={name}"
    if row["stopped"] and stops(run, name):
        return f"no retraining: spoiled rows, found first at {row['stopped'][:16].replace('T', ' ')}, are not accepted", f"make drift MODEL={name}"
    if newest > row["version"] and row["newest_created"] >= row["since"] and not row["newest_was_live"]:
        return f"v{newest} is registered, not live", f"make compare MODEL={name}"
    return None, None


def stops(run: Run, name: str) -> bool:
    """Whether model.toml lets spoiled rows forbid a retraining."""
    from lib import config
    try:
        return config.load(ModelPaths(run.root, name).config).drift.stop
    except UserError:
        return True


def due(run: Run, row, ticks: Cron) -> dict | None:
    """The job that cron runs next for a model, and when: a check, or a retraining where that is due by then and allowed."""
    now = datetime.fromisoformat(clock.now())
    tick = schedule.soonest(ticks.entries, now)
    if tick is None:
        return None
    dropped = row["verdict"] == "dropped" and row["checked_version"] == row["version"]
    again = retrain_settings(ModelPaths(run.root, row["model"]), dropped) if ticks.script == "retrain" else None
    first = retrainable(run, row, again, dropped, clock.stamp(tick)) if again else None
    if first:
        return {"job": "retrain", "time": clock.stamp(schedule.soonest(ticks.entries, max(now, first - timedelta(minutes=1))) or tick)}
    return {"job": "check", "time": clock.stamp(tick)}


def retrain_settings(paths: ModelPaths, needed: bool):
    """[retrain] of model.toml, read on its own: all of it would take milliseconds a model. None if it is wrong, or not there nor needed."""
    from lib.settings import Retrain
    try:
        text = paths.config.read_text(encoding="utf-8")
        section, above = SECTION.search(text), ABOVE.match(text)
        if not (section or above):
            return Retrain() if needed else None
        import tomllib
        from lib import config
        found = tomllib.loads(text if above else section[0]).get("retrain")  # not there: a text of several lines looked like it
        if found is None:
            return Retrain() if needed else None
        again = config.parse_section(Retrain, found, "retrain")
        for key in ("every", "cooldown"):
            config.seconds(getattr(again, key) or "0d", f"retrain.{key}")
        return again
    except (OSError, ValueError, UserError):  # every command that needs it says so
        return None


def retrainable(run: Run, row, again, dropped: bool, tick: str) -> datetime | None:
    """From when on a retraining may happen that will be due at the tick; None if none will. again: settings.Retrain."""
    from lib import pacing
    attempts = db.attempts(run.db, row["model"])
    evidence = row["evidence"] if row["checked_version"] == row["version"] else None
    due_then = dropped or pacing.periodic(again, row["newest_created"], attempts, evidence, tick)
    return pacing.free_from(again, attempts, clock.now()) if due_then else None


def drift(run: Run) -> dict[str, dict]:
    """What the newest look at each model's inputs found, if there was one."""
    if not db.has_table(run.db, "drift_latest"):
        return {}
    worst = {}
    for row in db.select(run.db, DRIFT_WORDS):
        worst.setdefault(row["model"], row["words"])
    return {row["model"]: {**{key: row[key] for key in ("version", "time", "columns", "found")}, "quality": bool(row["quality"]), "worst": worst.get(row["model"])}
            for row in db.select(run.db, DRIFT)}
