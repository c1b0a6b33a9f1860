"""How often a model is retrained: the pause between periodic tries, the cooldown, and the week's budget. Times are UTC, as metrics.db has them."""
from datetime import datetime, timedelta

from lib.config_rules import seconds
from lib.settings import Retrain

WEEK = timedelta(days=7)
SOONER = 4  # a periodic try comes after this part of its pause where a drop is suspected: what changed need not wait for the proof
# The evidence for a drop at which it is suspected. Each of the two limits gathers at most 1 a day on average where nothing
# has changed (a Shiryaev-Roberts statistic), so a healthy model gets here after ten days at the earliest, on average.
SUSPECTED = 20.0


def periodic(again: Retrain, last: str, attempts: list[str], evidence: float | None, now: str) -> str:
    """Why a try without a proved drop is due, in words; empty if it is not.

    last: when the newest version was made; attempts: when it was tried, the oldest first. Of the week's budget the sooner
    tries leave one for a drop that is proved.
    """
    if not again.every:
        return ""
    waited, pause = ago(max([last, *attempts[-1:]]), now), timedelta(seconds=seconds(again.every, "retrain.every"))
    if waited >= pause:
        return f"every {again.every}"
    sooner = (evidence or 0.0) >= SUSPECTED and waited >= pause / SOONER and again.max_per_week - len(lately(attempts, now)) >= 2
    return f"every {again.every}, sooner: a drop is suspected" if sooner else ""


def obstacle(again: Retrain, attempts: list[str], now: str) -> str | None:
    """The budget or the cooldown that stands in the way, in words."""
    if len(lately(attempts, now)) >= again.max_per_week:
        return f"{len(lately(attempts, now))} retrainings in the last 7 days, max_per_week = {again.max_per_week}"
    if attempts and ago(attempts[-1], now) < cooldown(again):
        return f"the last one was at {attempts[-1]}, cooldown = {again.cooldown}"
    return None


def free_from(again: Retrain, attempts: list[str], now: str) -> datetime | None:
    """When nothing stands in the way any more; None: never."""
    if not again.max_per_week:
        return None
    recent = lately(attempts, now)
    waits = [datetime.fromisoformat(attempts[-1]) + cooldown(again)] if attempts else []
    waits += [datetime.fromisoformat(recent[-again.max_per_week]) + WEEK] if len(recent) >= again.max_per_week else []
    return max([datetime.fromisoformat(now), *waits])


def lately(attempts: list[str], now: str) -> list[str]:
    """Those of the last seven days."""
    return [time for time in attempts if datetime.fromisoformat(now) - datetime.fromisoformat(time) <= WEEK]


def cooldown(again: Retrain) -> timedelta:
    return timedelta(seconds=seconds(again.cooldown, "retrain.cooldown"))


def ago(time: str, now: str) -> timedelta:
    """UTC against UTC: a clock change for the summer neither hurries nor delays anything. A time in the future is now."""
    return max(datetime.fromisoformat(now) - datetime.fromisoformat(time), timedelta(0))
