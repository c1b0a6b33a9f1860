"""Does the live model still do its job? The outcomes so far, given to the rule that model.toml asks for."""
import itertools
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from lib import bounds, clock, config, db, evidence, sequential
from lib.config import Config
from lib.files import ModelPaths
from lib.finding import Finding
from lib.record import Record
from lib.tags import Registry
from lib.runs import Run

RECENT = 14  # days with labels in the figure that a check shows


class Figures(Record):
    """What one rule says of the live version; value: its accuracy or mae on `labels` labels since `since`, with a 95 % interval."""

    value: float | None
    low: float | None
    high: float | None
    since: str | None
    labels: int
    floor: float | None
    evidence: float | None
    alarm_at: float | None
    verdict: str


def check(run: Run, paths: ModelPaths, conf: Config, known: Registry) -> Finding:
    """The verdict on the live version from all outcomes counted so far; each label is fed to the sequential test once."""
    live = known.live
    until = cutoff_hour(conf)
    labels, matured, right, predictions = db.outcome_totals(run.db, paths.name, live.number, until)
    expected = right / predictions if right else None  # mean calibrated confidence: the accuracy to expect if the world has not changed (Garg and others 2022)
    found = by_sequence(run, paths, conf, known, until)  # always fed: the automatic rollback goes by it under either rule
    if conf.monitor.rule == "simple":
        found = simple(run, paths, conf, known, until, labels)
    return Finding(live.number, conf.monitor.rule, "mae" if conf.task == "regression" else "accuracy", found.value, found.low, found.high, labels, matured, found.floor,
                   found.evidence, found.alarm_at, expected if conf.task == "classification" else None, found.verdict, found.since, found.labels, conf.monitor.min_labels)


def cutoff_hour(conf: Config) -> str:
    """Predictions of earlier hours have matured."""
    return clock.hour_ago(config.seconds(conf.monitor.matures, "monitor.matures"))


def simple(run: Run, paths: ModelPaths, conf: Config, known: Registry, until: str, all_labels: int) -> Figures:
    """The mean of a window against the floor; its false alarms are not bounded."""
    chosen = in_window(db.labelled_hours(run.db, paths.name, known.live.number, until), conf.monitor.window)
    higher = conf.task == "classification"
    value, low, high, labels = mean_of(conf, chosen)
    floor = 1 - bounds.of_live(conf, known)[0] if higher else bounds.acceptable(conf, known, known.live.number)
    since = f"{min(row['hour'] for row in chosen)}:00" if labels < all_labels else None
    return Figures(value, low, high, since, labels, floor, None, None, sequential.simple_rule(labels, value, floor, conf.monitor.min_labels, higher))


def mean_of(conf: Config, rows: list) -> tuple[float | None, float | None, float | None, int]:
    """Accuracy or mae of some hours with its 95 % interval (Wilson 1927; normal for the mae), and their labels."""
    labels, losses, errors, squares = (sum(row[name] for row in rows) for name in ("labels", "losses", "errors", "error_squares"))
    if not labels:
        return None, None, None, 0
    if conf.task == "classification":
        low, high = sequential.wilson_interval(losses / labels, labels)
        return 1 - losses / labels, 1 - high, 1 - low, labels
    return errors / labels, *sequential.normal_interval(labels, errors, squares), labels


def in_window(labelled: Iterator[db.Row], window: str) -> list:
    """The hours of the window that ends with the newest labelled prediction: outcomes come late, and a window that ends now would hold none.

    labelled: the hours that have labels, the newest first. A number of labels seldom ends with an hour: of the oldest hour
    a share is taken, with the same share of what was wrong.
    """
    if not window.isdecimal():
        newest = next(labelled, None)
        if newest is None:
            return []
        end = datetime.fromisoformat(f"{newest['hour']}:00+00:00") + timedelta(hours=1)
        begin = (end - timedelta(seconds=config.seconds(window, "monitor.window"))).strftime("%Y-%m-%dT%H")
        return [newest, *itertools.takewhile(lambda row: row["hour"] >= begin, labelled)]
    chosen, room = [], int(window)
    for row in labelled:
        if not room:
            break
        labels = min(room, row["labels"])
        chosen.append({"hour": row["hour"], "labels": labels, **{name: row[name] * labels / row["labels"] for name in ("losses", "errors", "error_squares")}})
        room -= labels
    return chosen


def by_sequence(run: Run, paths: ModelPaths, conf: Config, known: Registry, until: str) -> Figures:
    """The sequential test: it is told what is new since the last check, by day; then its verdict."""
    setting, binary = evidence.sequential_setting(conf), conf.task == "classification"
    with db.transaction(run.db):
        state = evidence.feed(run, paths, conf, known, setting, until)
    decision = sequential.decide(state, setting)
    bound = next(each.bound for each in state.references if each.name == decision.reference) if decision.verdict == "dropped" else min(evidence.limits(state))
    floor = 1 - bound if binary else float(f"{bound * sequential.CLIP * bounds.yardstick(conf, known, known.live.number):.12g}")  # the limit that was named, not one a bit beside it
    first = date.fromordinal(min(day.first for day in evidence.suspicious_days(state))).isoformat() if decision.verdict == "dropped" else ""
    figures = recent(conf, db.labelled_hours(run.db, paths.name, known.live.number, until), max(first, state.begun))
    return Figures(*figures, floor, decision.statistic, decision.limit, decision.verdict if figures[0] is not None else "unknown")


def recent(conf: Config, labelled: Iterator[db.Row], first: str) -> tuple[float | None, float | None, float | None, str | None, int]:
    """Accuracy or mae over the last days that have labels, with its 95 % interval, since when, and how many labels that is.

    labelled: the hours that have labels, the newest first. first: the hour since when they count, or the day since when a
    drop is suspected, which then is the first of them. Whoever is told of a drop is not told of the good days before it;
    days chosen for being bad look a little worse than they were.
    """
    days, chosen, beginning = [], [], None
    for row in labelled:
        day = row["hour"][:10]
        if row["hour"] < first or len(days) == RECENT and day != days[-1]:
            beginning = days[-1] if days else None
            break
        days += [day] if day not in days[-1:] else []
        chosen.append(row)
    value, low, high, labels = mean_of(conf, chosen)
    return value, low, high, beginning, labels


def worse_than_before(run: Run, paths: ModelPaths, conf: Config, known: Registry) -> str | None:
    """In words, if the live version has shown itself worse than the one it replaced would be expected to be."""
    state = evidence.told_state(run, paths, known.deployments[-1].number, "before")
    if state is None:
        return None
    decision = sequential.decide(state, evidence.sequential_setting(conf))
    if decision.verdict != "dropped":
        return None
    bound, before, labels = state.references[0].bound, f"v{known.deployments[-1].replaced} would be expected to have at", f"{decision.labels:.0f} labels"
    if conf.task == "classification":
        return f"accuracy {1 - decision.loss:.3f} on {labels}, where {before} least {1 - bound:.3f}"
    unit = sequential.CLIP * bounds.yardstick(conf, known, known.live.number)
    return f"mae {unit * decision.loss:.4g} on {labels}, where {before} most {unit * bound:.4g} (errors clipped at {unit:.4g})"
