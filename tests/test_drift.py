"""The drift check: its measures against scipy, its edges as tables, its verdicts by simulation."""
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

import drift_study as simulation
from drift_study import as_window, types_of
from lib import drift_measures as measures
from lib import drift_tails as tails
from lib.drift_cells import below, count_cells, place, to_labels, to_numbers, typed
from lib.drift_records import Measure
from lib.drift_relations import _count as relations_count
from lib.drift_verdict import Limits, compare, false_discovery, spend
from lib.drift_words import classified as classified_words
from lib.drift_words import describe
from lib.profile import as_json, profile_columns


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def counts_of(x, y, points=None):
    points = np.unique(np.concatenate([x, y])) if points is None else points
    return [count_cells(place(v, points), points) for v in (x, y)]


def baseline_of(base, types=None, **outputs):
    frame = pd.DataFrame(base)
    return json.loads(as_json(profile_columns(frame, types or types_of(frame), outputs)))


def window_of(profile, cells, part="columns"):
    """Cells as the log has them, or values, as they are compared."""
    return {name: typed(profile[part][name]["type"], values if isinstance(values, np.ndarray) else list(values)) for name, values in cells.items() if name in profile[part]}


def verdict_of(base, window, **options):
    profile = baseline_of(base)
    return compare(profile, window_of(profile, window), rules=Limits(**options))


def lines_of(report):
    return [words for _, words in describe(report)]


def found(report):
    return {(f.measure.column, f.measure.measure) for f in report.findings if f.verdict in ("drift", "quality")}


# The tails, against scipy


@pytest.mark.parametrize("x", [0.1, 0.5, 1.0, 1.36, 2.0, 3.0, 4.0])
def test_the_kolmogorov_tail_is_scipys(x):
    assert tails.kolmogorov_tail(x) == pytest.approx(stats.kstwobign.sf(x), rel=1e-9, abs=1e-4 if x < 0.3 else 0)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 9, 30, 101])
@pytest.mark.parametrize("x", [0.01, 1.0, 10.0, 60.0, 300.0])
def test_the_chi_squared_tail_is_scipys(x, degrees):
    assert tails.chi2_tail(x, degrees) == pytest.approx(stats.chi2.sf(x, degrees), rel=1e-8)


@pytest.mark.parametrize("z", [0.0, 1.96, -5.0, 8.0])
def test_the_normal_tails_are_scipys(z):
    assert tails.normal_tails(z) == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-9)


@pytest.mark.parametrize("hits, rows, before, n", [(0, 50, 3, 500), (7, 50, 3, 500), (50, 50, 500, 500), (900, 1000, 40000, 50000)])
def test_the_hypergeometric_tail_is_scipys(hits, rows, before, n):
    expected = stats.hypergeom.sf(hits - 1, rows + n, hits + before, rows)
    assert tails.hypergeometric_tail(hits, rows, before, n) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("count, rows, n, rare", [(1, 50, 500, 0), (6, 50, 500, 0), (4, 1000, 500, 3), (0, 10, 10, 0)])
def test_the_exceedance_tail_is_scipys_negative_binomial(count, rows, n, rare):
    expected = stats.nbinom.sf(count - 1, rare + 1, n / (n + rows))
    assert tails.exceedance_tail(count, rows, n, rare) == pytest.approx(expected, rel=1e-6)


def test_the_exceedance_tail_bounds_the_chance_of_rows_above_the_training_maximum(rng):
    beyond = [(rng.random(50) > rng.random(100).max()).sum() for _ in range(4000)]
    for count in (1, 2, 4):
        assert np.mean(np.array(beyond) >= count) <= tails.exceedance_tail(count, 50, 100) + 0.02


# The measures, against scipy


def test_ks_with_every_value_stored_is_scipys(rng):
    x, y = rng.normal(size=300), rng.normal(0.3, 1, 200)
    mine, theirs = measures.kolmogorov_smirnov(*counts_of(x, y)), stats.ks_2samp(x, y)
    assert mine.value == pytest.approx(theirs.statistic)
    assert mine.p == pytest.approx(stats.kstwobign.sf(theirs.statistic * np.sqrt(300 * 200 / 500)))


def test_ks_from_stored_quantiles_is_never_above_the_exact_and_at_most_one_gap_below(rng):
    x, y = rng.normal(size=50_000), rng.normal(0.1, 1, 5_000)
    column = baseline_of({"x": x})["columns"]["x"]
    mine = measures.kolmogorov_smirnov(*counts_of(x, y, np.array(column["points"]))).value
    exact = stats.ks_2samp(x, y, method="asymp").statistic
    assert exact - 1 / 128 - 1e-9 <= mine <= exact + 1e-12


@pytest.mark.parametrize("digits", [8, 1, 0])
def test_the_rank_shift_is_the_mann_whitney_test_of_scipy_with_ties(rng, digits):
    x, y = rng.normal(size=300).round(digits), rng.normal(0.2, 1, 250).round(digits)
    mine, theirs = measures.rank_shift(*counts_of(x, y)), stats.mannwhitneyu(y, x, use_continuity=False, method="asymptotic")
    assert mine.value == pytest.approx(theirs.statistic / (300 * 250) - 0.5)
    assert mine.p == pytest.approx(theirs.pvalue, rel=1e-3)


def test_the_rank_spread_is_the_mood_test_of_scipy(rng):
    x, y = rng.normal(size=400), rng.normal(0, 1.2, 400)
    mine, (z, p) = measures.rank_spread(*counts_of(x, y)), stats.mood(y, x)
    assert np.sign(mine.value) == np.sign(z) == 1
    assert mine.p == pytest.approx(p, rel=0.02)


TABLES = [([50, 30, 20], [40, 40, 20]), ([500, 300, 0], [40, 40, 20]), ([90, 10], [50, 50])]


@pytest.mark.parametrize("baseline, current", TABLES)
def test_chi_squared_and_the_likelihood_ratio_are_scipys(baseline, current):
    b, c = np.array(baseline, float), np.array(current, float)
    pearson = stats.chi2_contingency([b, c], correction=False)
    ratio = stats.chi2_contingency([b, c], correction=False, lambda_="log-likelihood")
    assert measures.chi_squared(b, c).p == pytest.approx(pearson.pvalue)
    assert measures.likelihood_ratio(b, c).p == pytest.approx(ratio.pvalue)


TABLES_OF = {"one share of six": ([0.05, 0.1, 0.15, 0.2, 0.25, 0.25], [0, 0, 0, 0.1, 0, 0]), "all of four": ([0.25] * 4, [0.05, 0.05, -0.05, -0.05]), "one of two": ([0.1, 0.9], [0.05, -0.05])}


@pytest.mark.parametrize("case", list(TABLES_OF))
def test_shares_keep_to_their_level_and_are_found_where_one_moved_or_all(rng, case):
    before, by = (np.array(each) for each in TABLES_OF[case])
    after = before + by if by.sum() == 0 else (before + by) / (1 + by.sum())
    same, moved = ([measures.category_shares(rng.multinomial(2000, before).astype(float), rng.multinomial(rows, shares).astype(float)).p for _ in range(checks)]
                   for rows, shares, checks in ((200, before, 1500), (2000, after, 100)))
    for level in (0.05, 0.01):
        assert np.mean(np.array(same) <= level) <= level + 4 * np.sqrt(level * (1 - level) / 1500)
    assert np.mean(np.array(same) <= 0.05) >= 0.04  # nor far below it: what finds the same is not paid for twice
    assert np.mean(np.array(moved) <= 1e-3) >= 0.75


@pytest.mark.parametrize("p_values, mean", [([0.01] * 7, 0.01), ([1e-9, 1], 2e-9), ([0.2, 0.0], 0.0), ([1.0, 1.0, 1.0], 1.0)])
def test_the_harmonic_mean_is_the_common_p_value_or_that_of_the_one_that_counts(p_values, mean):
    assert measures.harmonic_mean(p_values) == pytest.approx(mean, rel=1e-6, abs=1e-290)


def test_categories_that_expect_fewer_than_five_are_lumped():
    b, c = measures.lump_rare(np.array([1000.0, 9, 8, 7]), np.array([100.0, 1, 0, 0]))
    assert b.tolist() == [1000, 24] and c.tolist() == [100, 1]


def test_jensen_shannon_is_the_square_of_scipys_distance_in_nats(rng):
    b, c = rng.integers(0, 50, 8).astype(float), rng.integers(1, 50, 8).astype(float)
    assert measures.jensen_shannon(b, c) == pytest.approx(jensenshannon(b, c) ** 2)
    assert measures.jensen_shannon(np.array([1.0, 0]), np.array([0, 1.0])) == pytest.approx(np.log(2))


@pytest.mark.parametrize("digits, tolerance", [(8, 0.01), (0, 1e-9)])
def test_wasserstein_is_scipys_in_baseline_standard_deviations(rng, digits, tolerance):
    x, y = (3 * rng.normal(size=20_000)).round(digits), (3 * rng.normal(0.3, 1.2, 3_000)).round(digits)
    column = baseline_of({"x": x})["columns"]["x"]
    mine = measures.wasserstein(np.array(column["points"]), np.array(column["cells"], float), np.sort(y), column["sd"])
    assert mine == pytest.approx(stats.wasserstein_distance(x, y) / x.std(), abs=tolerance)


def test_psi_of_large_samples_is_the_textbook_sum():
    b, c = np.array([5e6, 3e6, 2e6]), np.array([4e6, 4e6, 2e6])
    p, q = b / b.sum(), c / c.sum()
    assert measures.population_stability_index(b, c) == pytest.approx(((q - p) * np.log(q / p)).sum(), rel=1e-4)


def test_psi_without_a_change_is_corrected_to_about_zero_at_fifty_rows(rng):
    values = [measures.population_stability_index(rng.multinomial(5000, [0.1] * 10).astype(float),
                                                  rng.multinomial(50, [0.1] * 10).astype(float)) for _ in range(300)]
    assert np.mean(values) < 0.06  # uncorrected 0.18: "moderate change" by the usual reading


def test_quantile_bins_keep_a_heavy_value_in_a_bin_of_its_own():
    baseline = np.array([0, 700, 0, 100, 0, 100, 0, 100, 0.0])
    b, c = measures.quantile_bins(baseline, baseline / 10)
    assert b.tolist() == [700, 100, 100, 100] and c.tolist() == [70, 10, 10, 10]


# The verdict


def test_false_discovery_adjusts_as_scipy_does(rng):
    p = rng.random(40) ** 3
    assert false_discovery(p) == pytest.approx(stats.false_discovery_control(p))


@pytest.mark.parametrize("hours, checks", [(1, 8760), (24, 365), (168, 52), (0, 1)])
def test_the_checks_of_a_year_spend_what_is_allowed_and_rare_ones_more_each(hours, checks):
    left, spent = None, []
    for _ in range(checks):
        level, left = spend(0.5, left, hours)
        spent.append(level)
    assert sum(spent) <= 0.5 and spent[0] == pytest.approx(0.01)
    assert spent[-1] == pytest.approx({1: 0.45 / 8760, 24: 0.45 / 365, 168: 0.45 / 52, 0: 0.01}[hours], rel=0.01)


def test_a_clock_that_was_set_back_takes_nothing_away():
    assert spend(0.5, 0.02, -5) == spend(0.5, 0.02, 0) == (pytest.approx(0.004), pytest.approx(0.016))


def test_a_real_difference_that_does_not_matter_is_silent_at_any_size(rng):
    base = {"x": rng.normal(size=200_000)}
    report = verdict_of(base, {"x": rng.normal(0.03, 1, 200_000)})
    assert report.verdict == "ok"
    assert min(f.measure.p for f in report.findings if f.measure.measure == "ks") < 1e-9


QUALITY = [
    ("all rows left the constant", [5] * 500, ["6"] * 50, "left constant"),
    ("a tenth left the constant", [5] * 5000, ["6"] * 10 + ["5"] * 90, "left constant"),
    ("a category constant left", ["a"] * 5000, ["b"] * 10 + ["a"] * 90, "left constant"),
    ("turned constant", list(range(50)) * 10, ["7"] * 50, "turned constant"),
    ("a category turned constant", list("abc") * 200, ["a"] * 50, "turned constant"),
    ("unseen category", list("abc") * 2000, ["z"] * 4 + list("abc") * 60, "unseen category"),
    ("missing", list(range(50)) * 10, [""] * 40 + [str(i) for i in range(50)] * 4, "missing share"),
    ("unreadable", list(range(50)) * 10, ["?"] * 40 + [str(i) for i in range(50)] * 4, "missing share"),
    ("infinite", list(range(50)) * 10, ["inf"] * 40 + [str(i) for i in range(50)] * 4, "missing share"),
    ("unit x100", list(range(1, 51)) * 10, [str(100 * i) for i in range(1, 51)], "scale"),
    ("unit /100", [i / 7 for i in range(1, 501)], [str(i / 70) for i in range(1, 51)], "scale"),
    ("a few rows x100", list(range(1, 51)) * 100, ["4000"] * 8 + [str(i) for i in range(1, 51)] * 4, "far out of range"),
    ("fractions", list(range(1, 51)) * 10, [str(i + 0.5) for i in range(50)], "not whole"),
]


@pytest.mark.parametrize("case, base, window, rule", QUALITY, ids=[row[0] for row in QUALITY])
def test_wrong_rows_are_a_data_quality_stop(case, base, window, rule):
    report = verdict_of({"x": base}, {"x": window})
    assert report.verdict == "quality" and ("x", rule) in found(report)


def test_a_shift_is_drift_and_not_a_data_quality_stop(rng):
    report = verdict_of({"x": rng.normal(10, 1, 5000)}, {"x": rng.normal(10.5, 1, 1000)})
    assert report.verdict == "drift"


def test_a_weekday_that_is_the_same_all_day_has_not_turned_constant():
    days = np.repeat(np.tile(np.arange(7), 30), 60)  # sixty rows a day
    assert ("x", "turned constant") not in found(verdict_of({"x": days}, {"x": ["3"] * 60}))
    assert ("x", "turned constant") in found(verdict_of({"x": days}, {"x": ["3"] * 130}))


def test_a_vanished_category_is_drift():
    report = verdict_of({"x": list("abbbbbbbbb") * 500}, {"x": ["b"] * 999 + ["b"]})
    assert ("x", "vanished category") in found(report)


def test_one_unseen_row_is_worth_a_line_but_no_alarm():
    report = verdict_of({"x": list("abc") * 200}, {"x": ["z"] + list("abc") * 60})
    assert report.verdict == "ok"
    assert lines_of(report) == ["`x` has categories not seen in training in 0.6% of rows: z"]


def test_predictions_and_scores_are_judged_like_columns(rng):
    profile = baseline_of({"x": rng.normal(size=1000)}, prediction=("category", np.array(["no", "yes"] * 150)), score=("number", rng.random(300)))
    window, outputs = window_of(profile, {"x": rng.normal(size=200)}), {"prediction": ["yes"] * 180 + ["no"] * 20, "score": rng.random(200) ** 3}
    report = compare(profile, window, window_of(profile, outputs, "outputs"))
    assert {("(prediction)", "categories"), ("(score)", "rank shift")} <= found(report) and report.verdict == "drift"
    words = " ".join(lines_of(report))
    assert "the prediction changed its shares: no 50.0% → 10.0%" in words and "the score moved down: median 0." in words


def test_the_familiar_limits_decide_where_they_are_asked_for(rng):
    base, window = {"x": rng.normal(size=5000)}, {"x": rng.normal(0.12, 1, 500)}
    assert verdict_of(base, window).verdict == "ok"
    assert verdict_of(base, window, limits={"psi": 0.2, "js": 0.1}).verdict == "ok"
    report = verdict_of(base, window, limits={"ks_p": 0.05})
    assert report.verdict == "drift"
    assert lines_of(report)[0].startswith("`x` moved up: median ") and "; ks p = 0.0" in lines_of(report)[0] and lines_of(report)[0].endswith(" < 0.05")
    shares = verdict_of({"x": list("ab") * 500}, {"x": ["a"] * 90 + ["b"] * 10}, limits={"psi": 0.2, "chi2_p": 0.05})
    assert lines_of(shares)[0].startswith("`x` changed its shares: a 50.0% → 90.0%; psi 0.")


def test_the_words_name_the_column_the_direction_and_the_suspicion(rng):
    frame = {"mean radius": rng.normal(13.4, 1, 5000), "z": rng.normal(size=5000)}
    window = {"mean radius": 100 * rng.normal(13.4, 1, 100), "z": rng.normal(1, 1, 100)}
    lines = lines_of(verdict_of(frame, window))
    assert lines[0].startswith("`mean radius` moved up: median 13.4 → 1,3") and ", a unit error? (100.0% of rows outside the training range, 9." in lines[0]
    assert lines[1].startswith("`z` moved up: median ")


def test_text_is_judged_by_its_length(rng):
    base = [" ".join(["word"] * n) for n in rng.integers(2, 30, 2000)]
    profile = baseline_of({"notes": base}, {"notes": "text"})
    assert lines_of(compare(profile, window_of(profile, {"notes": base[:200]}))) == []
    report = compare(profile, window_of(profile, {"notes": ["ok"] * 100 + ["no."] * 100}))
    assert "median length 7" in lines_of(report)[0]


# The domain classifier


def classified(report):
    return next(finding for finding in report.findings if finding.measure.measure == "domain classifier")


@pytest.mark.parametrize("changed, named", [("a", "`a`, `b`"), ("u", "`u`, `x`"), ("x", "`u`, `x`")])
def test_columns_that_no_longer_go_together_are_told_by_the_classifier_where_no_other_measure_tells(rng, changed, named):
    profile = baseline_of(simulation.uncorrelated(5000, rng))
    window = simulation.uncorrelated(300, rng)
    assert lines_of(compare(profile, as_window(window))) == []
    window[changed] = rng.permutation(window[changed])
    report = compare(profile, as_window(window))
    assert found(report) == {("(all columns)", "domain classifier")} and report.verdict == "drift"
    measure = classified(report).measure
    assert 0.6 < measure.value < 0.85 and measure.p < 1e-6
    assert lines_of(report) == [f"the rows are unlike those of training in {named} taken together: a classifier tells them apart, AUC {measure.value:.2f} where chance gives 0.50"]
    assert classified(compare(profile, as_window(window))).measure == measure  # the same rows get the same answer
    assert compare(profile | {"sample": None}, as_window(window)).verdict == compare({k: v for k, v in profile.items() if k != "sample"}, as_window(window)).verdict == "ok"


def test_the_classifier_adds_no_line_where_its_columns_have_theirs(rng):
    profile, window = baseline_of(simulation.uncorrelated(5000, rng)), simulation.uncorrelated(1000, rng)
    report = compare(profile, as_window(window.assign(c0=window["c0"] + 1)))
    assert classified(report).verdict == "drift" and classified(report).measure.now == ["c0"]
    assert len(lines_of(report)) == 1 and lines_of(report)[0].startswith("`c0` moved up")
    spoiled = compare(profile, as_window(window.assign(x=window["x"] * 100)))
    assert classified(spoiled).verdict == "drift" and not any("classifier" in line for line in lines_of(spoiled))


def test_one_column_alone_is_not_taken_together():
    said = classified_words(Measure("(all columns)", "domain classifier", 0.613, now=["x"]))
    assert said == "the rows are unlike those of training in `x`: a classifier tells them apart, AUC 0.61 where chance gives 0.50"


def test_too_few_rows_or_columns_have_no_classifier(rng):
    profile = baseline_of(simulation.uncorrelated(500, rng))
    assert not any(f.measure.measure == "domain classifier" for f in compare(profile, as_window(simulation.uncorrelated(19, rng))).findings)
    assert baseline_of({"x": rng.normal(size=500)})["sample"] is None


def test_the_sample_is_two_thousand_rows_of_a_character_each(rng):
    sample = baseline_of(simulation.uncorrelated(20_000, rng))["sample"]
    assert {len(line) for line in sample["rows"]} == {2000} and len(sample["rows"]) == len(sample["names"]) == 15
    assert np.unique(list(sample["rows"][0])).size == 32  # ranks: each of the steps as often as the others


@pytest.mark.parametrize("name, baseline, rows, checks", [("uncorrelated", 100, 30, 60), ("uncorrelated", 3000, 400, 40), ("messy", 500, 200, 40)])
def test_the_classifier_keeps_to_its_level(name, baseline, rows, checks):
    draw, rng, smallest = getattr(simulation, name), np.random.default_rng(5), []
    for _ in range(checks // 10):
        base = draw(baseline, rng)
        profile = profile_columns(base, types_of(base))
        smallest += [classified(compare(profile, as_window(draw(rows, rng)))).measure.p for _ in range(10)]
    assert np.mean(np.array(smallest) <= 0.05) <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / checks)


# Whatever comes in


HOSTILE = {
    "constant": ("integer", [5] * 60), "all missing": ("number", [np.nan] * 60), "none": ("category", [None] * 60), "infinite": ("number", [np.inf, -np.inf, 1.0] * 20),
    "huge": ("number", [1e25 + i for i in range(60)]), "uint64": ("integer", np.arange(60, dtype=np.uint64) + np.uint64(2**63)),
    "text": ("text", [f"word {i}" for i in range(60)]), "bool": ("boolean", [True, False, True] * 20), "nullable bool": ("boolean", pd.array([True, None, False] * 20, dtype="boolean")),
    "nullable integer": ("integer", pd.array([1, None, 3] * 20, dtype="Int64")), "time": ("time", pd.date_range("2024", periods=60, tz="UTC")),
    "ends of float": ("number", [1.7e308, -1.7e308, 0.0] * 20), "denormal": ("number", np.arange(60) * 5e-324), "categories": ("category", list("xyz") * 20),
    "many": ("category", [f"c{i}" for i in range(60)]), "NA": ("category", ["NA", "null", "nan"] * 20),
}
JUNK = ["", "junk", "1e999", "inf", "-1e308", "5", "nan", "NA", "9" * 400, "true", "2024-01-01", "é☃"]


@pytest.fixture(scope="module")
def hostile():
    frame = pd.DataFrame({name: column for name, (_, column) in HOSTILE.items()})
    outputs = {"prediction": ("category", np.array(["1", "0"] * 30)), "score": ("number", np.full(60, 0.5))}
    return frame, baseline_of(frame, {name: kind for name, (kind, _) in HOSTILE.items()}, **outputs)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("junk", JUNK, ids=[junk[:12] for junk in JUNK])
def test_no_column_and_no_cell_makes_the_check_fail(hostile, junk):
    profile = hostile[1]
    window = window_of(profile, {name: [junk] * 60 for name in HOSTILE})
    outputs = window_of(profile, {"prediction": [junk] * 60, "score": [junk] * 60}, "outputs")
    for rules in (Limits(), Limits(limits={"psi": 0.2, "js": 0.1, "ks_p": 0.05, "chi2_p": 0.05, "wasserstein": 0.1})):
        assert all(isinstance(words, str) for words in lines_of(compare(profile, window, outputs, rules)))


@pytest.mark.filterwarnings("error")
def test_hostile_columns_against_themselves_as_the_log_has_them_are_silent(hostile):
    frame, profile = hostile
    cells = {c: ["" if pd.isna(x) or x in (np.inf, -np.inf) else str(x) for x in frame[c].astype(object)] for c in frame}
    assert lines_of(compare(profile, window_of(profile, cells))) == []


@pytest.mark.parametrize("rows", [0, 1])
def test_a_baseline_of_nothing_or_of_one_row_is_no_alarm(rows):
    profile = baseline_of({"a": [1.0] * rows}, {"a": "number"}, prediction=("category", np.array(["1"] * rows)), score=("number", np.ones(rows)))
    window = window_of(profile, {"a": ["1"] * 60})
    assert compare(profile, window, window_of(profile, {"prediction": ["1"] * 60, "score": ["1"] * 60}, "outputs")).verdict == "ok"


def test_a_column_that_the_window_lacks_is_missing_in_every_row():
    assert found(verdict_of({"a": range(500), "b": range(500)}, {"a": [str(i) for i in range(500)]})) >= {("b", "missing share")}


@pytest.mark.parametrize("points", [1, 2, 3, 128, 129])
def test_cells_are_found_as_a_search_finds_them(rng, points):
    points = np.unique(rng.normal(size=points).round(1))
    values = np.concatenate([rng.normal(size=500).round(1), points, [np.inf, -np.inf, 1e308]])
    assert below(points, values).tolist() == np.searchsorted(points, values).tolist()
    assert place(np.append(values, np.nan), points)[-1] == 2 * len(points) + 1
    assert relations_count(points, values).tolist() == np.bincount(np.searchsorted(points, values), minlength=len(points) + 1).tolist()


CELLS = [("", np.nan), (None, np.nan), ("1", 1), (" 2.5 ", 2.5), ("NA", np.nan), ("inf", np.nan), ("x", np.nan), (7, 7)]


def test_numbers_are_read_from_whatever_the_log_holds():
    np.testing.assert_array_equal(to_numbers([cell for cell, _ in CELLS]), [number for _, number in CELLS])


def test_labels_are_those_of_training_and_only_the_empty_one_is_missing():
    assert to_labels(["1", "1.0", " a", "NA", "", None, float("nan")], "category") == ["1", "1.0", " a", "NA", None, None, None]
    assert to_labels([True, "true", "1", "0", "False", "no", "NA", ""], "boolean") == ["true"] * 3 + ["false"] * 3 + [None] * 2


def test_the_profile_stays_a_few_kilobytes_a_column_whatever_the_baseline(rng):
    sizes = [len(as_json(profile_columns(frame, types_of(frame)))) for frame in (pd.DataFrame(rng.normal(size=(n, 30))) for n in (2_000, 40_000))]
    assert sizes[1] < 6_000 * 30 and sizes[1] < 1.2 * sizes[0]


@pytest.mark.parametrize("rows", [5000, 1000])  # of 1,000 the list is whole: its rarest categories were seen by chance
def test_the_commonest_categories_are_not_chosen_by_the_counts_they_are_judged_by(rng, rows):
    fired = 0
    for _ in range(20):
        base, window = ([f"c{min(int(i), 400)}" for i in rng.zipf(1.7, rows)] for _ in range(2))
        fired += any(f.measure.measure == "categories" and f.measure.p < 0.05 for f in verdict_of({"x": base}, {"x": window}).findings)
    assert fired / 20 <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 20)


def test_more_categories_than_are_stored_exactly_are_other_and_not_unseen(rng):
    labels = [f"c{int(i)}" for i in rng.exponential(60, 20_000)]
    report = verdict_of({"x": labels}, {"x": [f"c{int(i)}" for i in rng.exponential(60, 2_000)]})
    assert report.verdict == "ok" and not any(f.measure.measure == "unseen category" for f in report.findings)


# Simulation: on the data sets that scikit-learn carries


def fired_on_splits(name, rows, checks, level):
    """Share of random splits of the real rows whose smallest corrected p-value is below `level`."""
    frame, rng, fired = simulation.with_categories(simulation.load(name)), np.random.default_rng(1), 0
    for _ in range(checks):
        base, window = simulation.split(frame, rows, rng)
        report = compare(profile_columns(base, types_of(base)), as_window(window))
        fired += any(f.p_corrected is not None and f.p_corrected <= level for f in report.findings)
    return fired / checks


@pytest.mark.parametrize("name, rows", [("breast_cancer", 284), ("wine", 60), ("diabetes", 200)])
def test_no_verdict_on_random_splits_of_the_real_rows_and_nominal_rates_below_it(name, rows):
    # Two families of 5 % each, so at most 10 %; four standard errors of 20 checks on top.
    assert fired_on_splits(name, rows, 20, level=0.05) <= 0.1 + 4 * np.sqrt(0.1 * 0.9 / 20)
    assert fired_on_splits(name, rows, 10, level=Limits().level / 2) == 0


def rates(name, rows, checks, scenarios, kind="rows", baseline=5000):
    return {s: r["default"] for s, r in simulation.study(name, kind, baseline, rows, checks, scenarios, seed=2).items()}


@pytest.mark.parametrize("name", ["wine", pytest.param("breast_cancer", marks=pytest.mark.slow)])
def test_at_fifty_rows_unit_errors_and_swapped_columns_are_found(name):
    found = rates(name, 50, 5, ["no change", "unit x100", "unit /100", "two columns swapped", "all columns permuted"])
    assert found.pop("no change") == 0
    assert min(found.values()) >= 0.8


def test_at_a_thousand_rows_each_change_of_the_list_is_found():
    found = rates("diabetes", 1000, 5, [
        "no change", "+0.25 sd, one column", "+0.25 sd, a fifth", "+0.5 sd, one column", "variance x1.5", "20 % missing",
        "5 % missing", "category doubled", "one column permuted", "swapped, same margins", "correlation flipped"])
    assert found.pop("no change") == 0
    assert min(found.values()) >= 0.8


@pytest.mark.slow
def test_a_hundred_days_of_hourly_checks_are_silent(rng):
    """0.14 alarms are allowed in so many."""
    def rows(n):
        return {"x": rng.normal(size=n).round(1), "skewed": rng.lognormal(size=n), "count": rng.poisson(2, n).astype(float), "plan": rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1]).tolist()}
    profile, left, alarms = baseline_of(rows(3000)), None, 0
    for _ in range(2400):
        level, left = spend(0.5, left, 1.0)
        alarms += compare(profile, rows(200), rules=Limits(level)).verdict != "ok"
    assert alarms <= 2


@pytest.mark.slow
@pytest.mark.parametrize("rows", [300, 3000])
def test_independent_columns_have_no_relation_to_lose(rng, rows):
    fired = 0
    for _ in range(40):
        frame = pd.DataFrame(rng.normal(size=(rows, 6)))
        report = compare(profile_columns(frame, types_of(frame)), {j: rng.normal(size=1000) for j in range(6)})
        fired += any(f.p_corrected <= 0.05 for f in report.findings if f.measure.family == "drift" and f.p_corrected is not None)
    assert fired / 40 <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 40)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rows", "copula"])
@pytest.mark.parametrize("name", list(simulation.SETS))
@pytest.mark.parametrize("rows", [200, 1000, 5000])
def test_the_false_alarm_rate_keeps_to_its_level(name, rows, kind):
    draw, rng, checks = simulation.population(kind, name), np.random.default_rng(3), 60
    smallest = []
    for _ in range(checks // 3):
        base = draw(5000, rng)
        profile = profile_columns(base, types_of(base))
        for _ in range(3):
            report = compare(profile, as_window(draw(rows, rng)))
            assert report.verdict == "ok"
            smallest.append(min(f.p_corrected for f in report.findings if f.p_corrected is not None))
    assert np.mean(np.array(smallest) <= 0.05) <= 0.1 + 4 * np.sqrt(0.1 * 0.9 / checks)


@pytest.mark.slow
@pytest.mark.parametrize("baseline_rows, rows", [(300, 100), (1000, 1000), (5000, 300), (5000, 5000)])
def test_messy_columns_keep_to_the_level_too(baseline_rows, rows):
    rng, smallest = np.random.default_rng(4), []
    for _ in range(40):
        base = simulation.messy(baseline_rows, rng)
        report = compare(profile_columns(base, types_of(base)), as_window(simulation.messy(rows, rng)))
        smallest.append(min(f.p_corrected for f in report.findings if f.p_corrected is not None))
    assert np.mean(np.array(smallest) <= 0.05) <= 0.1 + 4 * np.sqrt(0.1 * 0.9 / 40)
    assert min(smallest) > Limits().level / 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rows", "copula"])
@pytest.mark.parametrize("name", list(simulation.SETS))
def test_at_a_thousand_rows_the_whole_list_is_found_nearly_always(name, kind):
    found = rates(name, 1000, 20, simulation.SCENARIOS, kind)
    assert found.pop("no change") == 0
    weak = {"+0.1 sd, one column", "category +0.05", "new category 1 %"}
    assert min(rate for scenario, rate in found.items() if scenario not in weak) >= 0.75
