"""The one place that asks what time it is. LEAN_NOW in the environment answers for it: `make demo` lets days pass with it."""
import os
from datetime import datetime, timedelta, timezone

from lib.errors import UserError


def now() -> str:
    """UTC, ISO 8601, to the second."""
    told = os.environ.get("LEAN_NOW")
    try:
        return stamp(datetime.fromisoformat(told) if told else datetime.now(timezone.utc))
    except (ValueError, OverflowError):
        raise UserError(f"LEAN_NOW={told!r} in the environment is not a time, such as 2026-05-01T13:30:00+00:00.") from None


def stamp(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def hour_ago(seconds: int) -> str:
    """The hour before which predictions are at least so old, as 2026-05-01T13; with 0 all of them count, those of this hour too."""
    moment = datetime.fromisoformat(now()) - timedelta(seconds=seconds)
    return (moment + timedelta(hours=1 if not seconds else 0)).strftime("%Y-%m-%dT%H")


def today() -> str:
    return now()[:10]
