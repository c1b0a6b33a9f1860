"""The one place that asks what time it is."""
from datetime import datetime, timezone


def now() -> str:
    """UTC, ISO 8601, to the second."""
    return stamp(datetime.now(timezone.utc))


def stamp(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def today() -> str:
    return now()[:10]
