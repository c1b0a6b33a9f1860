"""Does the live model still do its job? The outcomes so far, given to the rule that model.toml asks for."""
import itertools
import json
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta

from lib import bounds, clock, config, db, sequential, versions
from lib.config import Config
from lib.files import ModelPaths
from lib.finding import Finding
from lib.record import Record
from lib.tags import Deployment, Registry, Version
from lib.runs import Run
from lib.wobble import Day

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
    setting, binary = sequential_setting(conf), conf.task == "classification"
    with db.transaction(run.db):
        state = feed(run, paths, conf, known, setting, until)
    decision = sequential.decide(state, setting)
    bound = next(each.bound for each in state.references if each.name == decision.reference) if decision.verdict == "dropped" else min(limits(state))
    floor = 1 - bound if binary else float(f"{bound * sequential.CLIP * bounds.yardstick(conf, known, known.live.number):.12g}")  # the limit that was named, not one a bit beside it
    first = date.fromordinal(min(day.number for day in suspicious_days(state))).isoformat() if decision.verdict == "dropped" else ""
    return Figures(*recent(conf, db.labelled_hours(run.db, paths.name, known.live.number, until), first), floor, decision.statistic, decision.limit, decision.verdict)


def feed(run: Run, paths: ModelPaths, conf: Config, known: Registry, setting: sequential.Setting, until: str) -> sequential.State:
    """The test of the live version, told of all outcomes of predictions made before the hour `until`; and what it was told, on record.

    Each label is told once. Where some that it was told of are others now, or no longer there, all is told anew.
    """
    deployment, binary = known.deployments[-1], conf.task == "classification"
    unfed = db.unfed_outcomes(run.db, paths.name, known.live.number, until)
    anew = contradicted(unfed) or db.fed_from(run.db, paths.name, known.live.number, until)
    begun = deployment.entry["time"][:13]
    tell_the_stint_before(run, paths, known, setting, new_days([row for row in unfed if row["hour"] < begun], binary))
    news = list(new_days([row for row in unfed if row["hour"] >= begun], binary))
    stints = unbroken(run, paths, known, setting)
    state, days = next(filter(None, (told_state(run, paths, stint.number) for stint in reversed(stints))), None), news
    fresh = first_state(run, paths, conf, known, setting, new_days(since(run, paths, known, stints[0], until), binary))
    if anew or state and limits(state) != limits(fresh):
        state, days = fresh, new_days(since(run, paths, known, stints[0], until), binary)
    state = told_of(state or fresh, days, setting)
    db.set_detector_state(run.db, paths.name, deployment.number, "live", state.to_json())
    before = before_state(run, paths, conf, known, setting, anew)
    if before:
        before = told_of(before, new_days(since(run, paths, known, deployment, until), binary) if anew else news, setting)
        db.set_detector_state(run.db, paths.name, deployment.number, "before", before.to_json())
    db.mark_fed(run.db, paths.name, known.live.number, until)
    return state


def told_of(state: sequential.State, days: Iterable[Day], setting: sequential.Setting) -> sequential.State:
    for day in days:
        state = sequential.update(state, day.number, day.labels, day.losses, day.squares, setting)
    return state


def tell_the_stint_before(run: Run, paths: ModelPaths, known: Registry, setting: sequential.Setting, days: Iterable[Day]) -> None:
    """Late labels of what the live version predicted before it was replaced: they speak of that time, and not of the one since it came back."""
    stint = next((each for each in reversed(known.deployments[:-1]) if each.version == known.live.number), None)
    state = told_state(run, paths, stint.number) if stint else None
    if state:
        db.set_detector_state(run.db, paths.name, stint.number, "live", told_of(state, days, setting).to_json())


def told_state(run: Run, paths: ModelPaths, deployment: int, against: str = "live") -> sequential.State | None:
    told = db.detector_state(run.db, paths.name, deployment, against)
    return sequential.State.from_json(told) if told and '"calm"' in told else None  # without: written by an older version of these scripts


def unbroken(run: Run, paths: ModelPaths, known: Registry, setting: sequential.Setting) -> list[Deployment]:
    """The deployments of the live version whose evidence counts together, the oldest first; each has been checked, but perhaps the last.

    Who rolls back to a version that did well finds it as it was left. One that had dropped begins anew, or it would be
    replaced again before it was seen what it does now.
    """
    found = [known.deployments[-1]]
    for earlier in reversed(known.deployments[:-1]):
        if earlier.version == known.live.number:
            state = told_state(run, paths, earlier.number)
            if state is None or sequential.decide(state, setting).verdict == "dropped":
                break
            found.insert(0, earlier)
    return found


def labels_under_suspicion(run: Run, paths: ModelPaths, known: Registry) -> int:
    """The newest labels of the live version, from the day on since when the evidence for a drop has been growing."""
    state = told_state(run, paths, known.deployments[-1].number)
    if state is None:
        return 0
    return int(sum(day.labels for day in suspicious_days(state)))


def suspicious_days(state: sequential.State) -> tuple[Day, ...]:
    """The days since when the evidence for a drop has been growing."""
    return (*state.recent, *([state.today] if state.today else ()))[-(state.spell + 1):]


def limits(state: sequential.State) -> list[float]:
    return [each.bound for each in state.references]


def contradicted(rows) -> bool:
    """Whether labels that were fed are others now, or fewer: what an hour has gained is then more or less than its new labels can bring."""
    for row in rows:
        labels, losses = row["labels"] - row["fed_labels"], row["losses"] - row["fed_losses"]
        slack = 1e-9 * max(row["labels"], 1)  # sums of floats
        if row["fed_labels"] and not (labels >= 0 and -slack <= losses <= labels + slack):
            return True
    return False


def since(run: Run, paths: ModelPaths, known: Registry, deployment: Deployment, until: str) -> Iterator[dict]:
    """The outcomes of the live version from the deployment on, as if none had been fed."""
    rows = db.outcomes(run.db, paths.name, known.live.number, deployment.entry["time"][:13], until)
    return ({**dict(row), "fed_labels": 0, "fed_losses": 0.0, "fed_squares": 0.0} for row in rows)


def recent(conf: Config, labelled: Iterator[db.Row], first: str) -> tuple[float | None, float | None, float | None, str | None, int]:
    """Accuracy or mae over the last days that have labels, with its 95 % interval, since when, and how many labels that is.

    labelled: the hours that have labels, the newest first. first: the day since when a drop is suspected, which then is the
    first of them. Whoever is told of a drop is not told of the good days before it; days chosen for being bad look a little
    worse than they were.
    """
    days, chosen, beginning = [], [], None
    for row in labelled:
        day = row["hour"][:10]
        if day < first or len(days) == RECENT and day != days[-1]:
            beginning = days[-1] if days else None
            break
        days += [day] if day not in days[-1:] else []
        chosen.append(row)
    value, low, high, labels = mean_of(conf, chosen)
    return value, low, high, beginning, labels


def new_days(rows, binary: bool) -> Iterator[Day]:
    """What each day of predictions has gained in labels since it was last fed; a correction alone is no new label. rows: by hour."""
    for day, hours in itertools.groupby(rows, key=lambda row: row["hour"][:10]):
        gained = [(row["labels"] - row["fed_labels"], row["losses"] - row["fed_losses"], row["squares"] - row["fed_squares"]) for row in hours]
        labels, losses, squares = map(sum, zip(*gained))
        if labels > 0:  # a correction beside new labels can push the sums out of what so many can have
            losses = min(max(losses, 0.0), float(labels))
            squares = losses if binary else min(max(squares, losses**2 / labels), losses)
            yield Day(date.fromisoformat(day).toordinal(), labels, losses, squares)


def first_state(run: Run, paths: ModelPaths, conf: Config, known: Registry, setting: sequential.Setting, days: Iterator[Day]) -> sequential.State:
    """The test at a deployment: against the floor, and against the holdout or the first days where they ask for more; taught by the healthy days before."""
    floor, reached = bounds.of_live(conf, known)
    state = taught(run, paths, known, sequential.start(floor, reached, setting))
    shown = bounds.of_first_days(conf, state, days, setting)
    return state if shown is None else sequential.taught_by(sequential.start(floor, min(shown, reached or 1.0), setting), state)


def taught(run: Run, paths: ModelPaths, known: Registry, state: sequential.State) -> sequential.State:
    before = told_state(run, paths, known.deployments[-1].number - 1)
    return sequential.taught_by(state, before) if before else state


def sequential_setting(conf: Config) -> sequential.Setting:
    return sequential.Setting(false_alarms_per_year=conf.monitor.false_alarms_per_year, minimum_labels=conf.monitor.min_labels)


def before_state(run: Run, paths: ModelPaths, conf: Config, known: Registry, setting: sequential.Setting, anew: bool) -> sequential.State | None:
    """The test of the live version against what the one before it did in its last days; None where that had too few labels. anew: as it was at the deployment."""
    deployment = known.deployments[-1]
    told = told_state(run, paths, deployment.number, "before")
    if told and not anew:
        return told
    days = last_days(run, paths, deployment.replaced) if deployment.replaced and deployment.action != "rollback" else []
    unit = bounds.yardstick(conf, known, deployment.replaced) / bounds.yardstick(conf, known, known.live.number) if days and conf.task == "regression" else 1.0  # each version's losses are in its own
    labels, losses = sum(day.labels for day in days), unit * sum(day.losses for day in days)
    if labels < setting.minimum_labels:
        return None
    return taught(run, paths, known, sequential.start(min(max(sequential.upper_limit(min(losses, labels), labels), 1e-6), 1 - 1e-6), None, setting))


def worse_than_before(run: Run, paths: ModelPaths, conf: Config, known: Registry) -> str | None:
    """In words, if the live version has shown itself worse than the one it replaced would be expected to be."""
    state = told_state(run, paths, known.deployments[-1].number, "before")
    if state is None:
        return None
    decision = sequential.decide(state, sequential_setting(conf))
    if decision.verdict != "dropped":
        return None
    bound, before, labels = state.references[0].bound, f"v{known.deployments[-1].replaced} would be expected to have at", f"{decision.labels:.0f} labels"
    if conf.task == "classification":
        return f"accuracy {1 - decision.loss:.3f} on {labels}, where {before} least {1 - bound:.3f}"
    unit = sequential.CLIP * bounds.yardstick(conf, known, known.live.number)
    return f"mae {unit * decision.loss:.4g} on {labels}, where {before} most {unit * bound:.4g} (errors clipped at {unit:.4g})"


def last_days(run: Run, paths: ModelPaths, version: int) -> list[Day]:
    days: dict[str, list[float]] = {}
    for row in db.outcomes(run.db, paths.name, version, "", "9999"):
        sums = days.setdefault(row["hour"][:10], [0, 0.0, 0.0])
        for i, name in enumerate(("labels", "losses", "squares")):
            sums[i] += row[name]
    return [Day(date.fromisoformat(day).toordinal(), *sums) for day, sums in sorted(days.items()) if sums[0] > 0][-RECENT:]


def calibration(paths: ModelPaths, version: Version) -> dict | None:
    """The isotonic calibration frozen into the version, as its steps; None where it gives no probabilities."""
    content = versions.small_file(paths, version, "baseline.json")
    alone = [line for line in content.split(b"\n") if line.startswith(b' "calibration":')]  # profile.as_json gives it a line; all of it takes 5 ms to understand
    return json.loads(b"{" + alone[0].removesuffix(b",") + b"}" if len(alone) == 1 else content).get("calibration")
