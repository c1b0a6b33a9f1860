"""When cron runs what: held against cron's own rules (crontab(5)), by example."""
from datetime import datetime, timezone

import pytest

from lib import schedule


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    import time
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("fields, after, expected", [
    ("7 * * * *", "2026-11-23T09:06:59", "2026-11-23T09:07"),
    ("7 * * * *", "2026-11-23T09:07:00", "2026-11-23T10:07"),
    ("*/15 8-18 * * mon-fri", "2026-11-20T18:46:00", "2026-11-23T08:00"),  # over the weekend
    ("30 3 * * 0", "2026-11-23T00:00:00", "2026-11-29T03:30"),
    ("30 3 * * 7", "2026-11-23T00:00:00", "2026-11-29T03:30"),
    ("0 0 29 2 *", "2026-11-23T00:00:00", "2028-02-29T00:00"),
    ("0 5 1 * 1", "2026-11-24T00:00:00", "2026-11-30T05:00"),  # the first of the month, or a Monday: either is enough
    ("0 5 1 jan,jul *", "2026-11-24T00:00:00", "2027-01-01T05:00"),
    ("5,35 23 * * *", "2026-12-31T23:35:00", "2027-01-01T23:05"),
    ("@daily", "2026-11-23T09:00:00", "2026-11-24T00:00"),
    ("0 0 31 2 *", "2026-11-23T00:00:00", None),
])
def test_the_next_time_is_cron_s(fields, after, expected):
    entry, = schedule.entries(f"{fields} sh '/srv/x'/scripts/in-cron.sh retrain 2h\n")
    found = schedule.upcoming(entry, datetime.fromisoformat(after).replace(tzinfo=timezone.utc))
    assert entry.script == "retrain" and (found and found.strftime("%Y-%m-%dT%H:%M")) == expected


def test_cron_goes_by_the_machine_s_clock_and_the_answer_is_utc(monkeypatch):
    import time
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    entry, = schedule.entries("0 3 * * * sh in-cron.sh backup 2h\n")
    assert schedule.upcoming(entry, datetime(2026, 7, 1, tzinfo=timezone.utc)) == datetime(2026, 7, 1, 1, tzinfo=timezone.utc)
    assert schedule.upcoming(entry, datetime(2026, 12, 1, tzinfo=timezone.utc)) == datetime(2026, 12, 1, 2, tzinfo=timezone.utc)


def test_of_several_lines_the_soonest_counts_whatever_their_order():
    early, late = schedule.entries("0 5 * * * sh in-cron.sh retrain 2h\n0 13 * * * sh in-cron.sh retrain 2h\n")
    for noon, found in ((12, 13), (4, 5)):
        for entries in ([early, late], [late, early]):
            assert schedule.soonest(entries, datetime(2026, 5, 1, noon, tzinfo=timezone.utc)) == datetime(2026, 5, 1, found, tzinfo=timezone.utc)
    assert schedule.soonest([], datetime(2026, 5, 1, tzinfo=timezone.utc)) is None


@pytest.mark.parametrize("line", ["# 7 * * * * sh in-cron.sh retrain 2h", "61 * * * * sh in-cron.sh retrain 2h", "x * * * * sh in-cron.sh retrain 2h", "7 * * * * echo hello", "SHELL=/bin/sh", "", "9-5 * * * * sh in-cron.sh retrain 2h"])
def test_what_is_no_entry_of_ours_is_passed_over(line):
    assert schedule.entries(line + "\n") == []
