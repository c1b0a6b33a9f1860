"""Which of the newest rows are judged together, the verdict on them, and its record."""
import math
from datetime import datetime, timedelta

from lib import alerts, audit, clock, config, db, drift_log, drift_words
from lib.config import Config
from lib.drift_log import Window
from lib.drift_records import Look, how_to_accept, minute
from lib.drift_verdict import Report, Limits, compare, spend
from lib.files import ModelPaths
from lib.runs import Run
from lib.tags import Registry, Version

MOST = 50_000  # rows of a window
POOL = 5_000  # fewer new rows than this are also judged together with those before them
HOURLY = timedelta(days=30)  # the record keeps each window's measures; of older days the last window's
IDLE = timedelta(days=30)  # how long nobody may have looked without the record's thinning leaving a gap
NEWS = timedelta(days=7)  # a column that has not been found for so long is news, also while another one's alert stands
SHOWN = 3  # findings in an alert


def judge(run: Run, paths: ModelPaths, conf: Config, profile: dict, known: Registry, reached: dict[str, int]) -> Look:
    """reached: how long each prediction log is; what lies beyond is left to the next check."""
    live = known.live
    fresh, pooled = windows(run, paths, conf, profile, known, reached)
    if fresh.rows < conf.drift.min_rows:
        return Look("unknown", (f"{live.name}: too few rows to judge: {fresh.rows:,}, and {conf.drift.min_rows} are needed (drift.min_rows)",))
    looks = [window for window in (fresh, pooled) if window]
    level, left = allowed(run, paths, conf)
    rules = Limits(level / len(looks), limits=conf.drift.limits)
    reports = [compare(profile, window.columns, window.outputs, rules) for window in looks]
    place = 0 if reports[0].verdict != "ok" else -1  # what the new rows show by themselves, else what they show with those before them
    return conclude(run, paths, live, profile, looks[place], reports[place], rules, reached, {"level": level, "budget": left})


def allowed(run: Run, paths: ModelPaths, conf: Config) -> tuple[float, float]:
    """The chance of a false alarm that this check may take, and what it leaves for the next."""
    last = db.drift_budget(run.db, paths.name)
    hours = (datetime.fromisoformat(clock.now()) - datetime.fromisoformat(last["time"])).total_seconds() / 3600 if last else 0.0
    return spend(conf.drift.false_alarms_per_year, last["budget"] if last else None, hours)


def windows(run: Run, paths: ModelPaths, conf: Config, profile: dict, known: Registry, reached: dict[str, int]) -> tuple[Window, Window | None]:
    """The rows to judge; and, where these are the new ones and few, the same together with those before them.

    Rows that a person has accepted are another matter. What was found once is not found again in a longer window: that begins
    after it.
    """
    def read(begin: dict, end: dict, most: int, since: str = "") -> Window:
        return drift_log.read(paths, profile, known.live.number, since, known.deployments[-1].entry["time"], begin, end, most)

    accepted, found, judged = (db.drift_position(run.db, paths.name, at) for at in ("accepted", "found", "judged"))
    if conf.drift.window.isdecimal():
        return read(accepted, reached, int(conf.drift.window)), None
    if conf.drift.window != "new":
        begin = datetime.fromisoformat(clock.now()) - timedelta(seconds=config.seconds(conf.drift.window, "drift.window"))
        return read(accepted, reached, MOST, clock.stamp(begin)), None
    fresh = read(judged, reached, MOST)
    if not conf.drift.min_rows <= fresh.rows < POOL:
        return fresh, None
    begin = {name: max(found.get(name, 0), accepted.get(name, 0)) for name in reached}
    before = read(begin, {name: min(judged.get(name, 0), end) for name, end in reached.items()}, POOL - fresh.rows)
    return fresh, drift_log.joined([before, fresh], profile) if before.rows else None


def conclude(run: Run, paths: ModelPaths, live: Version, profile: dict, window: Window, report: Report, rules: Limits, reached: dict[str, int], spent: dict) -> Look:
    """Put the verdict on record, raise alerts or end them, and return the lines for the screen."""
    told = drift_words.describe(report)
    serious = [words for finding, words in told if finding.verdict in ("quality", "drift")]
    with db.transaction(run.db):
        db.add_drift(run.db, {"run_id": run.id, "model": paths.name, "version": live.number, "time": clock.now(), "rows": window.rows, "first": window.first,
                              "last": window.last, **spent, "verdict": report.verdict, "words": serious[0] if serious else ""}, rows_of(report, told))
        for at in ("judged", "found") if serious else ("judged",):
            db.set_drift_position(run.db, paths.name, at, reached)
        thin(run, paths)
    for kind in ("quality", "drift"):
        found = {words: finding.measure.column for finding, words in told if finding.verdict == kind}
        tell(run, paths, live, kind, found) if found else calm(run, paths, live, kind, report.rows, rules)
    lines = [headline(live, profile, window, told), *(line_of(*one) for one in told)]
    return Look(report.verdict, (*lines, *([how_to_accept(paths.name)] if report.verdict == "quality" else [])), serious[0] if serious else "")


def rows_of(report: Report, told) -> list[tuple]:
    """The measures as the table has them, one a column and kind, without those that have nothing to say."""
    words, rows = {id(finding): text for finding, text in told}, {}
    for finding in report.findings:
        m = finding.measure
        if m.value or finding.verdict != "ok" or m.measure in ("psi", "js"):
            rows.setdefault((m.column, m.measure), (m.column, m.measure, db.real(m.value), db.real(m.p), db.real(finding.p_corrected), db.real(finding.limit),
                                                    finding.verdict, words.get(id(finding))))
    return list(rows.values())


def thin(run: Run, paths: ModelPaths) -> None:
    end = datetime.fromisoformat(clock.now()) - HOURLY
    db.thin_drift(run.db, paths.name, clock.stamp(end - IDLE), clock.stamp(end))


def tell(run: Run, paths: ModelPaths, live: Version, kind: str, found: dict[str, str]) -> None:
    """Raise the alert and say it in the audit, unless it stands already. found: what was found in words -> its column; a column that the alert did not name is news."""
    standing = db.open_alert(run.db, paths.name, kind)
    if standing:
        lately = clock.stamp(datetime.fromisoformat(clock.now()) - NEWS)
        if set(found.values()) <= db.columns_found(run.db, paths.name, kind, min(standing["raised"], lately), run.id):
            return
        with db.transaction(run.db):
            db.resolve_alert(run.db, paths.name, kind, clock.now())
    words, more = list(found)[:SHOWN], f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    advice = f". No retraining until a person has looked. {how_to_accept(paths.name)}" if kind == "quality" else ""
    alerts.raise_alert(run, paths.name, kind, f"{live.name}: {'; '.join(words)}{more}{advice}")
    audit.add(paths.audit, run, kind, version=live.number, found=list(found))


def calm(run: Run, paths: ModelPaths, live: Version, kind: str, rows: int, rules: Limits) -> None:
    """Resolve the alert, if so many rows would have shown again what raised it: in a few of them hardly anything shows."""
    if not db.open_alert(run.db, paths.name, kind):
        return
    raised = db.last_found(run.db, paths.name, live.number, kind)
    if raised is None or rows >= raised["rows"] or -math.log(raised["p_value"] or 1e-300) * rows / raised["rows"] >= -1.5 * math.log(rules.level / 2):
        alerts.resolve(run, paths.name, kind)
        audit.add(paths.audit, run, "clear", version=live.number, kind=kind)


def headline(live: Version, profile: dict, window: Window, told) -> str:
    span = f"at {minute(window.first)}" if minute(window.first) == minute(window.last) else f"from {minute(window.first)} to {minute(window.last)}"
    counts = [(word, sum(finding.verdict == kind for finding, _ in told)) for kind, word in (("quality", "spoiled"), ("drift", "drifted"))]
    verdict = ", ".join(f"{count} {word}" for word, count in counts if count) or "as in training"
    return f"{live.name}: {window.rows:,} rows scored {span}, {len(profile['columns'])} columns, against {profile['rows']:,} rows of training: {verdict}"


def line_of(finding, words: str) -> str:
    chance = f", p = {finding.p_corrected:.1g}" if finding.p_corrected is not None else ""
    return f"  {finding.verdict:<7}  {words}  ({finding.measure.measure} {finding.measure.value:.3g}{chance})"
