"""The sentences above the report's plots, and the axes and figures below them, from small tables."""
import math
from datetime import date

import pytest

from lib import distributions, examined, headlines
from lib.readings import DayShown
from lib.scales import Scale, date_ticks, day_words, figure, nice_ticks, tick_words, ticks_within
from lib.sequential import wilson_interval

MAY = date(2026, 5, 1).toordinal()


def days(*accuracies, labels: int = 200) -> list[DayShown]:
    found = []
    for number, value in enumerate(accuracies):
        low, high = wilson_interval(1 - value, labels)
        found.append(DayShown(MAY + number, (1,), labels, labels, value, 1 - high, 1 - low))
    return found


@pytest.mark.parametrize("values, limit, dropped, words", [
    ([0.95] * 20, 0.9, None, "Accuracy holds: 0.950 over the last 14 days with outcomes, limit 0.9"),
    ([0.95] * 20, None, None, "Accuracy is 0.950 over the last 14 days with outcomes"),
    ([0.95], 0.9, None, "Accuracy holds: 0.950 on the only day with outcomes, limit 0.9"),
    ([0.95] * 11 + [0.7, 0.7], 0.9, None, "Accuracy fell below 0.9 on 12 May and is not back: 0.700 since then"),
    ([0.95] * 5 + [0.7] * 3 + [0.95] * 9, 0.9, None, "Accuracy fell below 0.9 from 6 to 8 May; it is 0.950 now"),
    ([0.95] * 5 + [0.7] + [0.95] * 9, 0.9, None, "Accuracy fell below 0.9 on 6 May; it is 0.950 now"),
    ([0.95] * 5 + [0.7, 0.91, 0.7] + [0.95] * 9, 0.9, None, "Accuracy fell below 0.9 from 6 to 8 May; it is 0.950 now"),  # one spell, not two
    ([0.95] * 5 + [0.7, 0.7, 0.91], 0.9, "2026-05-07T08:00:00Z", "Accuracy fell below 0.9 on 6 May and is not back: 0.770 since then"),
    ([0.95] * 5 + [0.89] * 9, 0.9, "2026-05-12T08:00:00Z", "Accuracy is too low, says the check since 12 May: 0.911 over the last 14 days with outcomes, limit 0.9"),
    ([0.95] * 5 + [0.89] * 9, 0.9, None, "Accuracy holds: 0.911 over the last 14 days with outcomes, limit 0.9"),  # 0.89 of 200 is no doubtless fall
])
def test_the_title_of_the_live_metric_says_what_happened(values, limit, dropped, words):
    assert headlines.live_metric(days(*values), "accuracy", limit, dropped, 2026) == words


def test_an_error_rises_above_its_limit_and_another_year_is_named():
    found = [DayShown(MAY + number, (1,), 100, 100, value, value - 2, value + 2) for number, value in enumerate([40.0] * 5 + [70.0] * 3)]
    assert headlines.live_metric(found, "mae", 50, None, 2027) == "The mean error rose above 50 on 6 May 2026 and is not back: 70.0 since then"


@pytest.mark.parametrize("labels, until, words", [
    ([90, 90, 0, 0], "2026-05-04", "The outcome is known for 45 % of 400 predictions; the last 2 days have none yet"),
    ([90, 90, 0, 0], "2026-05-02", "The outcome is known for 90 % of 200 predictions"),
    ([100, 100], "2026-05-02", "The outcome is known for all 200 predictions"),
    ([100, 0], "2026-04-01", "200 predictions, none old enough to be judged"),
])
def test_coverage_counts_what_has_matured(labels, until, words):
    assert headlines.coverage([DayShown(MAY + number, (1,), 100, count, None) for number, count in enumerate(labels)], until) == words


@pytest.mark.parametrize("part, whole, words", [(0, 10, "0 %"), (10, 10, "100 %"), (1, 100_000, "under 0.1 %"), (99_999, 100_000, "over 99.9 %"), (994, 1000, "99.4 %"), (1, 3, "33 %")])
def test_a_share_is_0_or_100_only_if_it_is(part, whole, words):
    assert headlines.share(part, whole) == words


def test_a_model_that_is_too_sure_is_told_from_one_that_is_not():
    sure, calibrated = examined.calibration([(0.95, number % 10 < 7) for number in range(500)]), examined.calibration([(0.7, number % 10 < 7) for number in range(500)])
    assert headlines.calibration(sure) == "It is surer than it is right: 95.0 % sure on average, right in 70.0 %"
    assert headlines.calibration(calibrated).startswith("It is as sure as it is right")
    assert len(sure) == 1 and sure[0].rows == 500  # equal scores share a bin


def test_confusion_names_the_worst_pair_and_lumps_rare_classes():
    found = examined.confusion([("a", "a")] * 5 + [("b", "a")] * 2 + [("a", "b")])
    assert (found.classes, found.counts) == (["a", "b"], [[5, 1], [2, 0]])
    assert headlines.confusion(found) == "3 of 8 answers are wrong; most often 'b' is taken for 'a': 2 of 2"
    many = examined.confusion([(f"c{number:02d}", f"c{number:02d}") for number in range(40) for _ in range(40 - number)])
    assert len(many.classes) == examined.CLASSES + 1 and many.classes[-1] == examined.OTHER and sum(map(sum, many.counts)) == 820


def test_what_is_confused_within_the_rare_classes_is_not_called_right():
    pairs = [(f"c{number:02d}", f"c{number:02d}") for number in range(20) for _ in range(5)] + [("x", "y"), ("y", "x")]
    found = examined.confusion(pairs)
    assert found.wrong == 2 and headlines.confusion(found).startswith("2 of 102 answers are wrong")


def test_residuals_have_their_quantiles_and_a_bias_is_seen():
    found = examined.residuals([(float(number), 3.0 + (number % 3)) for number in range(1000)])
    assert found.rows == 1000 and len(found.points) <= examined.POINTS and len(found.tenths) == 10
    assert headlines.residuals(found) == "Nine of ten estimates are within 5.00 of the truth; on average 4.00 too low"
    even = examined.residuals([(float(number), float((-1) ** number)) for number in range(100)])
    assert headlines.residuals(even) == "Nine of ten estimates are within 1.000 of the truth; no bias to see"


@pytest.mark.parametrize("low, high", [(0.61, 0.97), (0, 1), (3, 3), (-5, 12345), (1e-9, 2e-9), (0.0, 0.0), (1e12, 1.1e12)])
def test_ticks_are_few_round_and_around_the_data(low, high):
    ticks = nice_ticks(low, high)
    steps = {round(b - a, 12) for a, b in zip(ticks, ticks[1:])}
    assert ticks[0] <= low + 1e-12 * abs(low) and ticks[-1] >= high - 1e-12 * abs(high) and 2 <= len(ticks) <= 8
    assert tick_words([0.5]) == ["0.5"] and tick_words([0.0]) == ["0"] and tick_words([20000.0]) == ["20,000"]
    assert max(steps) - min(steps) <= 1e-6 * max(steps) and len(set(tick_words(ticks))) == len(ticks)
    assert re_round(ticks[1] - ticks[0])


def re_round(step: float) -> bool:
    return round(step / 10 ** math.floor(math.log10(step) + 1e-9), 6) in (1, 2, 5, 10)


def test_ticks_of_an_accuracy_end_at_one():
    assert ticks_within(0.8, 1.07, 0.0, 1.0) == pytest.approx([0.8, 0.85, 0.9, 0.95, 1.0])


@pytest.mark.parametrize("count, words", [(4, ["1 May", "2 May", "3 May", "4 May"]), (10, ["1 May", "3 May", "5 May", "7 May", "9 May"]), (30, ["4 May", "11 May", "18 May", "25 May"]),
                                          (365, ["May", "Jul", "Sep", "Nov", "2027", "Mar"])])
def test_dates_are_days_mondays_or_months(count, words):
    assert [word for _, word in date_ticks(MAY, MAY + count - 1)] == words


@pytest.mark.parametrize("value, words", [(0.97273, "0.973"), (1.0, "1.000"), (48.004, "48.0"), (1340.0, "1,340"), (None, "–"), (math.nan, "–"), (0.0, "0.000"), (1e-7, "1e-07"), (-3.14159, "-3.14")])
def test_figures_have_three_digits_that_mean_something(value, words):
    assert figure(value) == words


def test_a_day_is_named_with_its_year_only_where_it_is_another():
    assert [day_words(MAY, 2026), day_words(MAY, 2027), day_words("2026-12-31T08:00:00Z")] == ["1 May", "1 May 2026", "31 Dec"]


def test_a_scale_keeps_what_is_outside_at_its_edge():
    scale = Scale(0, 10, 200, 0)
    assert [scale.at(value) for value in (-5, 0, 5, 10, 99)] == [200, 200, 100, 0, 0]


NUMBERS = {"type": "number", "points": [0.0, 10.0, 20.0], "cells": [0, 1, 49, 1, 48, 1, 0]}


def test_distributions_are_cut_alike_and_each_adds_up_to_one():
    found = distributions.compare(NUMBERS, [str(value) for value in range(10, 40)] + ["", "nan", "inf", "text"])
    assert found.rows == 30 and len(found.before) == len(found.now) == distributions.BINS
    assert sum(found.before) == pytest.approx(1) and sum(found.now) == pytest.approx(1)
    assert found.edges[0] == 0 and found.edges[-1] == 39 and found.now[0] == 0 and found.before[-1] == 0
    assert sum(share for edge, share in zip(found.edges, found.before) if edge < 9) == pytest.approx(0.5, abs=0.03)


def test_one_wild_value_does_not_squeeze_the_others():
    assert distributions.compare(NUMBERS, [str(value % 20) for value in range(1000)] + ["1e9"]).edges[-1] <= 20


def test_categories_are_compared_by_name_with_new_ones_and_the_rest():
    facts = {"type": "category", "labels": [f"c{number}" for number in range(12)], "counts": [10] * 12, "other": 0}
    found = distributions.compare(facts, ["new"] * 5 + ["c1"] * 5)
    assert found.labels[:2] == ["c1", "new"] and found.labels[-1] == distributions.OTHER and len(found.labels) == distributions.CATEGORIES + 1
    assert sum(found.before) == pytest.approx(1) and found.now[:2] == [0.5, 0.5]


@pytest.mark.parametrize("facts, cells", [(NUMBERS, []), (NUMBERS, ["", "x"]), ({"type": "text", "points": [1.0], "cells": [0, 1, 0]}, ["a"]), ({"type": "number", "count": 5, "missing": 5}, ["1"]),
                                          ({"type": "time", "min": "2020", "max": "2021"}, ["2020"]), ({"type": "category", "labels": [], "counts": [], "other": 0}, ["a"])])
def test_a_column_that_has_no_picture_gets_none(facts, cells):
    assert distributions.compare(facts, cells) is None


@pytest.mark.parametrize("columns, said", [
    (["(all columns)"], "No column had moved on 20 May, but taken together the rows are unlike those of training"),
    (["age", "(all columns)"], "1 column had moved on 20 May: age"),
    (["age", "income"], "2 columns had moved on 20 May: age, income"),
])
def test_rows_that_only_together_are_others_are_no_column_that_moved(columns, said):
    window = {"time": "2026-05-20T10:00:00Z", "verdict": "drift", "rows": 100}
    assert headlines.drift(window, [{"column": name, "verdict": "drift"} for name in columns], 2026) == said
