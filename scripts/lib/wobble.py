"""What a day of labels says about the mean loss, and how much more the days wobble than their labels explain.

Daily accuracy on real streams varies far more than a binomial, and bad days come in runs. What a sequential test
needs is the long-run variance of the day effect, the variance of a sum of days over their number. It is read off the
exponentially smoothed day means, as batch means are (Flegal & Jones 2010), and sees runs shorter than two blocks.
"""
import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class WobbleConfig:
    prior_sd: float = 0.02       # standard deviation of the long-run day effect, in mean loss
    persistence: float = 3.0     # prior: long-run over day-to-day variance; 3 is AR(1) with rho = 0.5
    prior_days: float = 20.0     # weight of the prior
    block: float = 10.0          # days over which the day means are smoothed
    caution: float = 2.0         # standard errors added to the long-run variance
    memory: float = 180.0        # days after which what was learnt counts for 1/e
    jump: float = 2.5            # standard deviations that a difference between two days counts at most


@dataclass(frozen=True)
class Day:
    number: int             # any count that grows by the day, such as date.toordinal()
    labels: float = 0
    losses: float = 0.0     # sum of the losses
    squares: float = 0.0    # sum of the squared losses
    since: int | None = None  # an earlier day, some of whose labels came while this one was open

    @property
    def first(self):
        return self.number if self.since is None else self.since


@dataclass(frozen=True)
class Wobble:
    """How the day means move, as sums discounted by `memory`."""
    pooled: Day = Day(0)            # all labels
    days: float = 0.0
    level: float = 0.0              # weight of the mean: days of the version that is live
    mean: float = 0.0               # of their means
    last: tuple = (0.0, 0.0, 0.0)   # the day before: mean, its variance from the labels alone, weight
    smoothed: float = 0.0           # deviations from the mean, exponentially smoothed over `block` days
    noise: float = 0.0              # variance of `smoothed` from the labels alone
    gain: float = 0.0               # variance of `smoothed` for independent day effects of variance 1
    energy: float = 0.0             # sum of (smoothed ** 2 - noise) / gain
    weight: float = 0.0
    short: float = 0.0              # sum of half squared successive differences less noise (von Neumann 1941)
    short_weight: float = 0.0


def learn(wobble, day, config):
    """Moments of the day means: unbiased for the day effect, whatever the numbers of labels."""
    keep, mean = 1 - 1 / config.memory, day.losses / day.labels
    days = keep * wobble.days + 1
    pooled = add(wobble.pooled, day, keep)
    noise = label_variance(pooled) / day.labels
    share = min(1.0, day.labels * days / pooled.labels)  # a day of few labels says little about its effect
    if not wobble.level:
        return replace(wobble, pooled=pooled, days=days, level=1.0, mean=mean, last=(mean, noise, share))
    # An outage must not pass as wobble for months: beyond three standard deviations it counts no more (Huber 1964).
    # Of the first days any may be typical, so the limit is wide at first.
    spread = math.sqrt(cautious_variance(wobble, (wobble.energy, wobble.weight), config) + noise)
    reach = 3 * spread * (1 + config.prior_days / (wobble.weight + 1))
    mean = min(max(mean, wobble.mean - reach), wobble.mean + reach)
    last_mean, last_noise, last_share = wobble.last
    # Nor must the step into a drop: one of thirty points after few days would hide the drop behind itself for a week.
    squared = min((mean - last_mean) ** 2, config.jump ** 2 * (2 * day_to_day(wobble, config) + noise + last_noise))
    pair, step, weight = min(share, last_share), share / config.block, keep * wobble.weight + share
    smoothed = wobble.smoothed + step * (mean - wobble.mean - wobble.smoothed)
    from_labels = (1 - step) ** 2 * wobble.noise + step ** 2 * noise
    gain = (1 - step) ** 2 * wobble.gain + step ** 2
    level = keep * wobble.level + share
    return Wobble(
        pooled, days, level, wobble.mean + share * (mean - wobble.mean) / level, (mean, noise, share),
        smoothed, from_labels, gain, keep * wobble.energy + share * (smoothed ** 2 - from_labels) / gain, weight,
        keep * wobble.short + pair * (squared - noise - last_noise) / 2,
        keep * wobble.short_weight + pair)


def of_another(wobble):
    """What is known of how days move, for a version whose level is its own: the step from one level to the other is no wobble."""
    return replace(wobble, level=0.0, mean=0.0, last=(0.0, 0.0, 0.0), smoothed=0.0, noise=0.0, gain=0.0)


def long_run_variance(wobble, settled, config):
    """Of the day effect, shrunk to a prior that grows with the day-to-day variance.

    settled: energy and weight from the days known to be healthy. The day-to-day part needs no such care, since a
    drop adds to one difference only.
    """
    prior = config.prior_sd ** 2 + config.persistence * day_to_day(wobble, config)
    energy, weight = settled
    return max(0.0, config.prior_days * prior + energy) / (config.prior_days + weight)


def day_to_day(wobble, config):
    """Variance of the day effect from one day to the next, shrunk to a prior of three days."""
    return max(0.0, 3 * (config.prior_sd / 2) ** 2 + wobble.short) / (3 + wobble.short_weight)


def cautious_variance(wobble, settled, config):
    """Some standard errors above the estimate: a variance from k blocks has relative standard error sqrt(2 / k)."""
    blocks = (config.prior_days + settled[1]) / config.block
    return long_run_variance(wobble, settled, config) * (1 + config.caution * math.sqrt(2 / blocks))


def log_likelihood_ratio(day, bound, drop, dispersion=1.0):
    """Mean loss bound + drop against bound, for independent labels with variance dispersion * bound * (1 - bound).

    The two points are 1 and the one below the bound that gives this variance (Bennett 1962). It is the plain
    Bernoulli ratio at dispersion 1. A drop is taken as at most half of the way to a mean loss of 1.
    """
    above, below = 1 - bound, dispersion * bound
    p = below / (above + below)
    q = p + min(drop, above / 2) / (above + below)
    upper = (day.losses - day.labels * bound) / (above + below) + day.labels * p
    return upper * math.log(q / p) + (day.labels - upper) * math.log((1 - q) / (1 - p))


def add(pooled, day, keep=1.0):
    return Day(max(pooled.number, day.number), keep * pooled.labels + day.labels,
               keep * pooled.losses + day.losses, keep * pooled.squares + day.squares)


def dispersion(pooled):
    """Variance of the losses over that of 0/1 losses with the same mean; begins at 1, its largest value."""
    bernoulli = pooled.losses * (1 - pooled.losses / max(pooled.labels, 1))
    return max(1 - (pooled.losses - pooled.squares) / (bernoulli + 30 * 0.25), 0.01)


def label_variance(pooled):
    mean = (pooled.losses + 1) / (pooled.labels + 2)
    return dispersion(pooled) * mean * (1 - mean)
