"""How wrong the live version may be: the floor that a person named, and what was reached when a person last deployed."""
import itertools
from collections.abc import Iterable
from dataclasses import replace

from lib import sequential
from lib.config import Config
from lib.errors import UserError
from lib.tags import Registry, Version
from lib.wobble import Day

MAE_SLACK = 1.5  # how many times its holdout mae a regression may reach, where neither a floor nor a threshold says
MAE_TOLERANCE = 2.0  # [monitor] tolerance is points of accuracy; an mae may be worse by twice that share, since 0.05 is a tenth of the errors of a model that is wrong half of the time
LEAST = 1e-150  # an mae of zero would be nothing to measure by


def acceptable(conf: Config, known: Registry, number: int) -> float | None:
    """The largest acceptable mae of a version; or the largest acceptable share of wrong answers, where a floor is named."""
    if conf.task == "classification":
        named = named_floor(conf)
        return min(max(1 - named, 1e-6), 1 - 1e-6) if named is not None else None
    named = named_floor(conf)
    return max(named, LEAST) if named is not None else slack(known, number)


def named_floor(conf: Config) -> float | None:
    """The lowest accuracy, or the largest mae, that model.toml asks for: the floor in [monitor], else the threshold."""
    if conf.monitor.floor is not None:
        return conf.monitor.floor
    return conf.thresholds.max.get("mae") if conf.task == "regression" else conf.thresholds.min.get("accuracy")


def slack(known: Registry, number: int) -> float:
    return MAE_SLACK * reached(known, number)


def reached(known: Registry, number: int) -> float:
    return max(known.versions[by_a_person(known, number)].entry["mae"], LEAST)


def yardstick(conf: Config, known: Registry, number: int) -> float:
    """The mae that errors are measured by: CLIP times it is a loss of 1.

    It goes by what the version reaches, where that is below what it is allowed: beside a wide limit, an error that has
    tripled would be a small loss still.
    """
    return min(acceptable(conf, known, number), reached(known, number))


def of_live(conf: Config, known: Registry) -> tuple[float, float | None]:
    """(bound on the mean loss, a second one from the deployment) that the live version is held to. UserError where nothing gives one."""
    named, reached = acceptable(conf, known, known.live.number), at_deployment(conf, known)
    floor = named if conf.task == "classification" else named / (sequential.CLIP * yardstick(conf, known, known.live.number))
    floor = None if floor is not None and floor >= 1 else floor  # so wide that what it reached is the only bound that counts
    if floor is None and reached is None:
        raise UserError(f"nothing says how good {known.live.name} must be: name a `floor` in [monitor] of model.toml.")
    return (floor, reached) if floor is not None else (reached, reached)


def by_a_person(known: Registry, number: int) -> int:
    """The version that a person had deployed when this one went live by retraining; else the version itself."""
    person = number
    for deployment in known.deployments:
        person = deployment.version if deployment.action == "deploy" else person
        if deployment.version == number:
            return person if deployment.action == "retrain" else number
    return number


def at_deployment(conf: Config, known: Registry) -> float | None:
    """The largest mean loss that the holdout of the live version leaves open, plus the tolerance.

    Retraining never lowers what is asked for: of the versions since a person last deployed the best one counts, those that
    were rolled back left out. None where no version tells.
    """
    limits = [limit for version in since_a_person(known) if (limit := of_holdout(conf, known, version)) is not None]
    return min(limits) if limits else None


def since_a_person(known: Registry) -> list[Version]:
    chosen, bad = [], {number for number, version in known.versions.items() if ("mae" in version.entry) != ("mae" in known.live.entry)}  # of before the task was changed
    for deployment in reversed(known.deployments):
        if deployment.version not in bad:
            chosen.append(known.versions[deployment.version])
        if deployment.action == "rollback":
            bad.add(deployment.replaced)
        if deployment.action == "deploy" and deployment.version not in bad:
            break
    return chosen


def of_holdout(conf: Config, known: Registry, version: Version) -> float | None:
    e = version.entry
    if conf.task == "regression":
        mean, labels = clipped_loss(e, sequential.CLIP * yardstick(conf, known, version.number))
        return tolerated(conf, sequential.upper_limit(mean * labels, labels))
    if "wrong" in e or e["metric"] == "accuracy":
        losses = e["wrong"] if "wrong" in e else (1 - e["value"]) * e["holdout_rows"]
    else:
        return None
    return tolerated(conf, sequential.upper_limit(losses, e["holdout_rows"]))


def of_first_days(conf: Config, state: sequential.State, days: Iterable[Day], setting: sequential.Setting) -> float | None:
    """The same of what the live version showed in its first two weeks of days with labels, which tell more than a small holdout; None before they are over.

    state: of the test at the deployment. The limit is set once: an average that went on with the days would follow a slow decline.
    """
    days = iter(days)
    first = list(itertools.islice(days, setting.window + 1))
    if len(first) <= setting.window:  # the last of them is open still
        return None
    for day in itertools.chain(first, days):
        state = sequential.update(state, day.number, day.labels, day.losses, day.squares, setting)
        if len(state.recent) == setting.window:
            return tolerated(conf, sequential.decide(replace(state, today=None), setting).high)
    return None


def tolerated(conf: Config, loss: float) -> float:
    more = MAE_TOLERANCE * conf.monitor.tolerance * loss if conf.task == "regression" else conf.monitor.tolerance
    return min(loss + more, 1 - 1e-6)


def clipped(errors) -> dict:
    """errors: an array. What the absolute errors of a holdout come to when they are clipped as later ones will be: a few huge errors make an mae that clipped ones never reach."""
    at = sequential.CLIP * float(errors.mean())
    cut = errors.clip(max=at)
    return {"at": at, "mean": float(cut.mean()), "sd": float(cut.std())}


def clipped_loss(entry: dict, unit: float) -> tuple[float, float]:
    """(mean loss on a version's holdout, or a little more; the number of 0/1 losses that would tell its mean as well), for errors of `unit` as a loss of 1."""
    told = entry.get("clipped")
    if told is None or not told["at"]:  # a version of older scripts
        return min(entry["mae"] / unit, 1.0), entry["holdout_rows"]
    mean = min(entry["mae"], told["mean"] * max(unit / told["at"], 1.0)) / unit  # a mean of clipped errors is concave in where they are clipped
    p = told["mean"] / told["at"]
    dispersion = max((told["sd"] / told["at"]) ** 2 / (p * (1 - p)), 0.01)
    return min(mean, 1.0), entry["holdout_rows"] / dispersion
