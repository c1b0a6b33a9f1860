"""When a retraining is due and when it may be: by example."""
from datetime import datetime, timedelta, timezone

import pytest

from lib import clock, pacing
from lib.settings import Retrain

NOW = datetime(2026, 5, 31, 12, tzinfo=timezone.utc)


def before(*days: float) -> list[str]:
    return [clock.stamp(NOW - timedelta(days=day)) for day in days]


@pytest.mark.parametrize("made, tried, evidence, why", [
    (8, [], None, "every 8d"), (7.9, [], None, ""), (20, [8], None, "every 8d"), (20, [7], None, ""), (1, [20], None, ""),
    (8, [3] * 7, None, ""), (30, [9] + [8] * 7, None, "every 8d"),
    (2, [], 20.0, "every 8d, sooner: a drop is suspected"), (2, [], 19.9, ""), (1.9, [], 1e6, ""),
    (30, [2] * 5, 1e6, "every 8d, sooner: a drop is suspected"), (30, [2] * 6, 1e6, ""),  # one of seven is kept for a drop that is proved
    (30, [9] * 6 + [2], 1e6, "every 8d, sooner: a drop is suspected"), (-1, [], 1e6, ""),
])
def test_a_periodic_try_comes_after_its_pause_or_a_quarter_of_it_where_a_drop_is_suspected(made, tried, evidence, why):
    assert pacing.periodic(Retrain(every="8d"), *before(made), before(*tried), evidence, clock.stamp(NOW)) == why


def test_without_a_pause_there_are_no_periodic_tries():
    assert pacing.periodic(Retrain(), *before(999), [], 1e6, clock.stamp(NOW)) == ""


@pytest.mark.parametrize("most, tried, words, free", [
    (7, [], None, 0), (7, [0.25], None, 0), (7, [-1], "the last one was at 2026-06-01T12:00:00Z, cooldown = 6h", 1.25),
    (7, [0.2], "the last one was at 2026-05-31T07:12:00Z, cooldown = 6h", 0.05),
    (2, [6, 5], "2 retrainings in the last 7 days, max_per_week = 2", 1), (2, [6, 5, 1], "3 retrainings in the last 7 days, max_per_week = 2", 2),
    (2, [7.1, 5], None, 0), (2, [7, 5], "2 retrainings in the last 7 days, max_per_week = 2", 0),
    (1, [0.1], "1 retrainings in the last 7 days, max_per_week = 1", 6.9), (0, [], "0 retrainings in the last 7 days, max_per_week = 0", None),
])
def test_cooldown_and_budget_stand_in_the_way_until_they_do_not(most, tried, words, free):
    again, tried = Retrain(max_per_week=most), before(*tried)
    assert pacing.obstacle(again, tried, clock.stamp(NOW)) == words
    assert pacing.free_from(again, tried, clock.stamp(NOW)) == (None if free is None else NOW + timedelta(days=free))
