"""What the sequential test of the live version is told: each outcome once, by the day of its prediction, and what it remembers of it in metrics.db."""
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta

from lib import bounds, db, sequential
from lib.config import Config
from lib.files import ModelPaths
from lib.tags import Deployment, Registry
from lib.runs import Run
from lib.wobble import Day

LAST = 14  # days with labels that say how good the version before was


def feed(run: Run, paths: ModelPaths, conf: Config, known: Registry, setting: sequential.Setting, until: str) -> sequential.State:
    """The test of the live version, told of its outcomes until the hour `until`; what it was told goes on record.

    Each label is told once, whenever it comes. Where some that it was told of are others now, or no longer there, all is told anew.
    """
    deployment, binary = known.deployments[-1], conf.task == "classification"
    of_live = run.db, paths.name, known.live.number
    unfed = db.unfed_outcomes(*of_live, until)
    anew = contradicted(unfed) or db.fed_from(*of_live, until)

    def all_days(begun: str) -> Iterator[Day]:
        return by_day(db.outcomes(*of_live, begun, until), binary)

    def news(begun: str) -> Iterator[Day]:
        return by_day(((row["hour"], *gained(row)) for row in unfed if row["hour"] >= begun), binary)

    stints = unbroken(run, paths, known, setting)
    begun = beginning(known, stints[0])
    told = next(filter(None, (told_state(run, paths, stint.number) for stint in reversed(stints))), None)
    fresh = first_state(run, paths, conf, known, setting, all_days(begun))
    if told and not anew and told.begun == begun and limits(told) == limits(fresh):
        state = told_of(told, news(begun), setting)
    else:
        state = told_of(fresh, all_days(begun), setting)
    state = replace(state, dropped=sequential.decide(state, setting).verdict == "dropped", begun=begun)
    db.set_detector_state(run.db, paths.name, deployment.number, "live", state.to_json())
    own, told = beginning(known, deployment), told_state(run, paths, deployment.number, "before")
    before = told if told and not anew else before_state(run, paths, conf, known, setting)
    if before:
        before = told_of(before, news(own) if before is told else all_days(own), setting)
        db.set_detector_state(run.db, paths.name, deployment.number, "before", before.to_json())
    db.mark_fed(*of_live, until)
    return state


def told_of(state: sequential.State, days: Iterable[Day], setting: sequential.Setting) -> sequential.State:
    for day in days:
        state = sequential.update(state, day.number, day.labels, day.losses, day.squares, setting)
    return state


def unbroken(run: Run, paths: ModelPaths, known: Registry, setting: sequential.Setting) -> list[Deployment]:
    """The deployments of the live version whose evidence counts together, the oldest first.

    Who rolls back to a version finds it as it was left, and what is learnt later of that time counts as well. One whose
    drop a check has seen begins anew, or it would be replaced again before it was seen what it does now.
    """
    found = [known.deployments[-1]]
    for earlier in reversed(known.deployments[:-1]):
        if earlier.version == known.live.number:
            state = told_state(run, paths, earlier.number)
            if state and (sequential.decide(state, setting).verdict == "dropped" if state.dropped is None else state.dropped):
                break
            found.insert(0, earlier)
    return found


def beginning(known: Registry, stint: Deployment) -> str:
    """The hour from which on the predictions of a version belong to this deployment of it, or to a later one; "" for its first.

    Outcomes are kept by the hour: one in which it was replaced and came back belongs to the time before.
    """
    earlier = [each.number for each in known.deployments if each.version == stint.version and each.number < stint.number]
    if not earlier:
        return ""
    by = next(each for each in known.deployments if each.number > earlier[-1])
    replaced, back = by.entry["time"][:13], stint.entry["time"][:13]
    return back if replaced < back else (datetime.fromisoformat(f"{back}:00") + timedelta(hours=1)).strftime("%Y-%m-%dT%H")


def gained(row: db.Row) -> tuple[int, float, float]:
    """The labels, losses and squares of an hour that the test was not told of."""
    return row["labels"] - row["fed_labels"], row["losses"] - row["fed_losses"], row["squares"] - row["fed_squares"]


def contradicted(rows: list[db.Row]) -> bool:
    """Whether labels that were fed are others now, or fewer: corrected, or taken out, so that an hour has gained more or less than its new labels can bring."""
    for row in rows:
        labels, losses, _ = gained(row)
        slack = 1e-9 * max(row["labels"], 1)  # sums of floats
        if row["fed_labels"] and not (row["corrections"] == row["fed_corrections"] and labels >= 0 and -slack <= losses <= labels + slack):
            return True
    return False


def by_day(hours: Iterable[tuple[str, int, float, float]], binary: bool) -> Iterator[Day]:
    """Labels, losses and squares of losses by the day; a correction alone is no new label. hours: in their order."""
    for day, rows in itertools.groupby(hours, key=lambda row: row[0][:10]):
        labels, losses, squares = (sum(each) for each in list(zip(*rows))[1:])
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


def before_state(run: Run, paths: ModelPaths, conf: Config, known: Registry, setting: sequential.Setting) -> sequential.State | None:
    """The test, at its deployment, of the live version against what the one before it did in its last days; None where that had too few labels."""
    deployment = known.deployments[-1]
    days = last_days(run, paths, conf, deployment.replaced) if deployment.replaced and deployment.action != "rollback" else []
    unit = bounds.yardstick(conf, known, deployment.replaced) / bounds.yardstick(conf, known, known.live.number) if days and conf.task == "regression" else 1.0  # each version's losses are in its own
    labels, losses = sum(day.labels for day in days), unit * sum(day.losses for day in days)
    if labels < setting.minimum_labels:
        return None
    return taught(run, paths, known, sequential.start(min(max(sequential.upper_limit(min(losses, labels), labels), 1e-6), 1 - 1e-6), None, setting))


def begin_anew(run: Run, paths: ModelPaths, conf: Config, known: Registry) -> None:
    """The test against the version before hears of nothing that came until now: what it said of that has been looked into."""
    with db.transaction(run.db):
        db.forget_before(run.db, paths.name)
        state = before_state(run, paths, conf, known, sequential_setting(conf))
        if state:
            db.set_detector_state(run.db, paths.name, known.deployments[-1].number, "before", state.to_json())


def last_days(run: Run, paths: ModelPaths, conf: Config, version: int) -> list[Day]:
    return list(by_day(db.outcomes(run.db, paths.name, version, "", "9999"), conf.task == "classification"))[-LAST:]


def told_state(run: Run, paths: ModelPaths, deployment: int, against: str = "live") -> sequential.State | None:
    told = db.detector_state(run.db, paths.name, deployment, against)
    return sequential.State.from_json(told) if told and '"calm"' in told else None  # without: written by an older version of these scripts


def limits(state: sequential.State) -> list[float]:
    return [each.bound for each in state.references]


def suspicious_days(state: sequential.State) -> tuple[Day, ...]:
    """The days since when the evidence for a drop has been growing."""
    return (*state.recent, *([state.today] if state.today else ()))[-(state.spell + 1):]


def labels_under_suspicion(run: Run, paths: ModelPaths, known: Registry) -> int:
    """The newest labels of the live version, from the day on since when the evidence for a drop has been growing."""
    state = told_state(run, paths, known.deployments[-1].number)
    if state is None:
        return 0
    return int(sum(day.labels for day in suspicious_days(state)))


def sequential_setting(conf: Config) -> sequential.Setting:
    return sequential.Setting(false_alarms_per_year=conf.monitor.false_alarms_per_year, minimum_labels=conf.monitor.min_labels)
