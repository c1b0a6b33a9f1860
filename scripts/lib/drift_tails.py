"""Tail probabilities for the drift tests, in plain Python.

Importing scipy.stats takes longer than a whole check; these five are all that is needed, and the tests hold each against scipy.
"""
from math import erfc, exp, lgamma, log, sqrt


def normal_tails(z: float) -> float:
    """P(|Z| >= |z|), Z standard normal."""
    return erfc(abs(z) / sqrt(2))


def kolmogorov_tail(x: float) -> float:
    """P(K >= x), Kolmogorov's distribution (Kolmogorov 1933), the limit of sqrt(n) D."""
    if x < 0.3:  # the series converges slowly here, and the tail is 1 to five digits
        return 1.0
    total = 2 * sum((-1) ** (k - 1) * exp(-2 * k * k * x * x) for k in range(1, 30))
    return min(1.0, max(0.0, total))


def chi2_tail(x: float, degrees: int) -> float:
    """P(X >= x), chi-squared with whole degrees of freedom: the finite sums (Abramowitz & Stegun 26.4.4-5)."""
    half = x / 2
    if half <= 0 or degrees < 1:
        return 1.0
    start = 0.0 if degrees % 2 == 0 else 0.5
    powers = [start + k for k in range(degrees // 2)]
    head = 0.0 if start == 0.0 else erfc(sqrt(half))
    return min(1.0, head + sum(exp(k * log(half) - half - lgamma(k + 1)) for k in powers))


def exceedance_tail(count: int, rows: int, baseline_rows: int, rare: int = 0) -> float:
    """P(at least `count` of `rows` new rows fall where none of `baseline_rows` fell), nothing having changed.

    Distribution-free: the c largest of n + m values are all among the m new ones with probability at most
    (m / (n + m))**c (Gumbel & von Schelling 1950). With `rare` values seen exactly once in the baseline the unseen mass
    is about (rare + 1) / n (Good 1953), and the count negative binomial with rare + 1 failures.
    """
    if count <= 0 or rows <= 0:
        return 1.0
    new = rows / (rows + baseline_rows)
    if new == 1.0:
        return 1.0
    total, k = 0.0, count
    while True:
        term = exp(_log_choose(k + rare, k) + k * log(new) + (rare + 1) * log(1 - new))
        total += term
        ratio = (k + rare + 1) / (k + 1) * new
        if ratio < 1 and term * ratio / (1 - ratio) <= 1e-9 * total:
            return min(1.0, total)
        k += 1


def hypergeometric_tail(hits: int, rows: int, baseline_hits: int, baseline_rows: int) -> float:
    """P(at least `hits` of the pooled hits fall among `rows`): Fisher's exact test, one-sided (Fisher 1935)."""
    pooled, total = hits + baseline_hits, 0.0
    everything = _log_choose(rows + baseline_rows, pooled)
    for k in range(hits, min(rows, pooled) + 1):
        if pooled - k > baseline_rows:
            continue
        term = exp(_log_choose(rows, k) + _log_choose(baseline_rows, pooled - k) - everything)
        total += term
        # Past the mode the terms fall ever faster, so a negligible one ends the sum.
        if term < 1e-12 * total and k * (rows + baseline_rows) > pooled * rows:
            break
    return min(1.0, total)


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
