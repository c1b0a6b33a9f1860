"""How far two samples lie apart: each measure takes the counts of the same cells in the baseline and in the current window.

A number column is cut at its stored baseline quantiles into ordered cells: below the first point, the point itself,
the gap to the next, and so on. The counts in them are exact, so each test holds whatever the number of points;
fewer points only cost a little power (at most one gap's share in D).
"""
from math import sqrt

import numpy as np

from lib.drift_tails import chi2_tail, hypergeometric_tail, kolmogorov_tail, normal_tails
from lib.record import Record

LUMP_BELOW = 5  # expected counts under five are pooled (Cochran 1954)


class Measured(Record):
    value: float  # the effect, not the statistic: free of the sample size
    p: float


def kolmogorov_smirnov(baseline, current) -> Measured:
    """Two-sample Kolmogorov-Smirnov D over ordered cells, asymptotic p (Smirnov 1939); conservative with ties."""
    n, m = baseline.sum(), current.sum()
    d = float(np.abs(np.cumsum(baseline) / n - np.cumsum(current) / m).max())
    return Measured(d, kolmogorov_tail(d * sqrt(n * m / (n + m))))


def rank_shift(baseline, current) -> Measured:
    """Mann-Whitney's AUC - 1/2: P(current > baseline) + P(equal)/2 - 1/2, ties by midranks (Mann & Whitney 1947)."""
    return _score_test(_midranks(baseline + current), baseline, current)


def rank_spread(baseline, current) -> Measured:
    """Change of scale by squared centred ranks, scored from 0 (middle) to 1 (ends) (Mood 1954)."""
    return _score_test(4 * _midranks(baseline + current) ** 2, baseline, current)


def _midranks(counts):
    return (np.cumsum(counts) - counts / 2) / counts.sum() - 0.5


def _score_test(scores, baseline, current) -> Measured:
    """Difference of mean scores, its permutation variance, and a normal tail corrected for skewness.

    At p = 1e-6 and fifty rows the plain normal tail is several times too small on the side of the skew
    (Cornish & Fisher 1938 give the correction); the other side is left conservative.
    """
    n, m = baseline.sum(), current.sum()
    pooled = (baseline + current) / (n + m)
    centred = scores - pooled @ scores
    variance = pooled @ centred**2 * (n + m) / max(n + m - 1, 1)
    if variance <= 1e-15:
        return Measured(0.0, 1.0)
    difference = float(current @ scores / m - baseline @ scores / n)
    z = difference / sqrt(variance * (1 / n + 1 / m))
    skewness = pooled @ centred**3 / variance**1.5 * (1 / m**2 - 1 / n**2) / (1 / n + 1 / m) ** 1.5
    excess = min(max(skewness * z, 0.0) * abs(z) / 6, abs(z) / 3)
    return Measured(difference, normal_tails(abs(z) - excess))


def lump_rare(baseline, current):
    """Pools the cells that expect fewer than five in either sample, so that the chi-squared law holds."""
    n, m = baseline.sum(), current.sum()
    expected = (baseline + current) * min(n, m) / (n + m)
    rare = expected < LUMP_BELOW
    if rare.sum() < 2:
        return baseline, current
    return tuple(np.append(counts[~rare], counts[rare].sum()) for counts in (baseline, current))


def chi_squared(baseline, current) -> Measured:
    """Pearson's chi-squared test of homogeneity, value = total variation distance (Pearson 1900; Cochran 1954)."""
    b, c, expected_b, expected_c = _table(baseline, current)
    statistic = ((b - expected_b) ** 2 / expected_b + (c - expected_c) ** 2 / expected_c).sum()
    return Measured(total_variation(baseline, current), chi2_tail(float(statistic), len(b) - 1))


def likelihood_ratio(baseline, current) -> Measured:
    """The G-test of homogeneity (Wilks 1938), value = total variation distance.

    It decides where Pearson's is only shown: with 15 expected, Pearson's p at the level of a yearly false-alarm budget
    is over ten times too small, while the likelihood ratio keeps its tail (Hoeffding 1965).
    """
    b, c, expected_b, expected_c = _table(baseline, current)
    statistic = 2 * (_entropy_terms(b, expected_b) + _entropy_terms(c, expected_c))
    return Measured(total_variation(baseline, current), chi2_tail(float(statistic), len(b) - 1))


def category_shares(baseline, current) -> Measured:
    """All shares at once by the likelihood ratio, and each against the rest by Fisher's exact test: the harmonic mean of the p-values
    (Wilson 2019), half of the weight on the one, half shared by the others. One share that moved among many shows in the second,
    many in the first.

    However they depend, the mean of small p-values keeps to its level; it wastes less than Bonferroni on what finds the same.
    """
    every = likelihood_ratio(baseline, current)
    b, c = lump_rare(baseline, current)
    n, m = int(b.sum()), int(c.sum())
    each = [exact_share(int(y), m, int(x), n) for x, y in zip(b, c)]
    return Measured(every.value, harmonic_mean([every.p] * len(each) + each))


def harmonic_mean(p_values) -> float:
    return len(p_values) / sum(1 / max(p, 1e-300) for p in p_values)


def exact_share(hits: int, rows: int, baseline_hits: int, baseline_rows: int) -> float:
    """Fisher's exact test of a share, two-sided by doubling (Fisher 1935)."""
    if hits * baseline_rows < baseline_hits * rows:  # the rest is too many
        hits, baseline_hits = rows - hits, baseline_rows - baseline_hits
    return min(1.0, 2 * hypergeometric_tail(hits, rows, baseline_hits, baseline_rows))


def _table(baseline, current):
    b, c = lump_rare(baseline, current)
    seen = b + c > 0
    b, c = b[seen], c[seen]
    share = (b + c) / (b.sum() + c.sum())
    return b, c, share * b.sum(), share * c.sum()


def _entropy_terms(p, q) -> float:
    filled = p > 0
    return float((p[filled] * np.log(p[filled] / q[filled])).sum())


def total_variation(baseline, current) -> float:
    """Half the summed differences of shares: the share of rows that changed cell."""
    return float(np.abs(baseline / baseline.sum() - current / current.sum()).sum() / 2)


def quantile_bins(baseline, current, bins: int = 10):
    """Joins ordered cells into about `bins` bins of equal baseline share; a heavy value keeps a bin of its own."""
    middle = (np.cumsum(baseline) - baseline / 2) / baseline.sum()
    place = np.minimum((middle * bins).astype(int), bins - 1)
    # A cell without baseline rows joins the next one that has some: it must not be an empty bin of its own.
    filled = np.flatnonzero(baseline)
    place = place[filled[np.minimum(np.searchsorted(filled, np.arange(len(place))), len(filled) - 1)]]
    used = np.bincount(place) > 0
    return tuple(np.bincount(place, counts)[used] for counts in (baseline, current))


def population_stability_index(baseline, current) -> float:
    """PSI over bins: sum (q - p) ln(q / p) (Siddiqi 2006), half a row added to each bin so that none is empty,
    less what chance alone gives, (bins - 1)(1/n + 1/m) (Yurdakul & Naranjo 2020), not below 0."""
    n, m, k = baseline.sum(), current.sum(), len(baseline)
    p, q = (baseline + 0.5) / (n + k / 2), (current + 0.5) / (m + k / 2)
    return max(0.0, float(((q - p) * np.log(q / p)).sum()) - (k - 1) * (1 / n + 1 / m))


def jensen_shannon(baseline, current) -> float:
    """Jensen-Shannon divergence in nats, 0 to ln 2: the divergence, not its root, the distance (Lin 1991)."""
    p, q = baseline / baseline.sum(), current / current.sum()
    middle = (p + q) / 2
    return max(0.0, (_entropy_terms(p, middle) + _entropy_terms(q, middle)) / 2)


def wasserstein(points, baseline_cells, values, sd: float) -> float:
    """Wasserstein-1 (Kantorovich 1942) of sorted values in baseline standard deviations: the area between the distribution functions.

    Between stored points the baseline is taken as uniform; exact where every distinct value is stored.
    """
    cumulated = np.concatenate([[0.0], np.cumsum(baseline_cells)]) / baseline_cells.sum()
    edges, heights = np.repeat(points, 2), cumulated[1:-1]
    is_value = np.ones(len(values) + len(points), bool)
    is_value[np.searchsorted(values, points) + np.arange(len(points))] = False
    grid = np.empty(len(is_value))
    grid[is_value], grid[~is_value] = values, points
    middles = grid[:-1] / 2 + grid[1:] / 2
    baseline_cdf = np.interp(middles, edges, heights)
    current_cdf = np.cumsum(is_value)[:-1] / len(values)
    return float((np.abs(baseline_cdf - current_cdf) * np.diff(grid)).sum() / sd)
