"""Has the live model become worse? A sequential test on the losses of each day's labels.

A loss is a number in [0, 1]: 1 for a wrong class and 0 for a right one, or in regression the absolute error over CLIP
times the mae that it is measured by, at most 1. So an accuracy floor f is a bound of 1 - f on the mean loss, and a largest
mae m one of m over CLIP times that: clipping only lowers a mean. The evidence for a drop is a Shiryaev-Roberts
e-detector (Shin, Ramdas & Rinaldo 2023), M <- (1 + M) * likelihood ratio, mixed over several sizes of drop. While the
mean loss is within the bound, M minus the number of checks is a supermartingale, so n checks reach a limit A with
probability at most n / A (Doob).

One likelihood ratio serves both tasks. Among losses with a given mean and variance on [0, 1], the two-point
distribution has the largest moment generating function (Bennett 1962), so its ratio is valid for all of them. For
0/1 losses it is the Bernoulli ratio; for regression it gains from a variance below Bernoulli's, which the indicator
`error > bound` and the Bernoulli ratio of a bounded mean give away.

Days wobble more than their labels do, and bad days come in runs: the ratio of a day is raised to the power
1 / inflation, with the inflation taken from the long-run variance of the day means. That estimate leaves out the
spell under suspicion, for a drop must not pass as wobble, and the bound n / A holds as far as the estimate does.
"""
import json
import math
from dataclasses import dataclass, replace

from lib.wobble import (Day, Wobble, WobbleConfig, add, cautious_variance, dispersion, learn, log_likelihood_ratio,
                        long_run_variance, of_another)

CLIP = 4.0  # absolute errors are clipped at this multiple of the mean absolute error that they are measured by


@dataclass(frozen=True)
class Setting:
    false_alarms_per_year: float = 0.5
    checks_per_year: float = 365.0           # days with labels in a year
    drops: tuple = (0.02, 0.05, 0.10, 0.20)  # sizes of drop looked for, in mean loss
    minimum_labels: int = 30     # a day with fewer is pooled with the next; fewer in all give no verdict
    wobble: WobbleConfig = WobbleConfig()
    longest_spell: int = 60      # days that a spell without an alarm is kept out of the wobble
    window: int = 14             # days in the estimate of the current loss
    beyond_doubt: float = 3.5    # standard deviations of a day's mean at which it may raise the alarm alone
    first_days_sd: float = 0.03  # added to these while few days are known


@dataclass(frozen=True)
class Reference:
    name: str               # "floor" or "deployment"
    bound: float            # largest healthy mean loss
    evidence: tuple         # Shiryaev-Roberts statistic, one for each drop
    cusum: tuple            # log scale; zero where the latest days speak against the drop (Page 1954)


@dataclass(frozen=True)
class State:
    references: tuple
    wobble: Wobble
    calm: Wobble = Wobble()         # the same when the evidence was last at rest: without the days under suspicion
    spell: int = 0                  # days since then
    today: Day | None = None        # still open: labels of the same day add to it
    recent: tuple = ()
    labels: int = 0
    dropped: bool | None = None     # what the last check said, which may have had other settings; None: none has
    begun: str | None = None        # the hour since when predictions count; "": all

    @property
    def settled(self):
        """Energy and weight of the wobble from days that are known to be healthy."""
        return self.calm.energy, self.calm.weight

    def to_json(self):
        return json.dumps(self, default=vars)

    @classmethod
    def from_json(cls, text):
        raw = json.loads(text, object_hook=_tuples)
        return cls(**raw | {
            "references": tuple(Reference(**each) for each in raw["references"]),
            "wobble": Wobble(**raw["wobble"] | {"pooled": Day(**raw["wobble"]["pooled"])}),
            "calm": Wobble(**raw["calm"] | {"pooled": Day(**raw["calm"]["pooled"])}),
            "today": raw["today"] and Day(**raw["today"]),
            "recent": tuple(Day(**each) for each in raw["recent"])})


@dataclass(frozen=True)
class Decision:
    verdict: str            # "healthy", "dropped" or "unknown" (too few labels)
    reference: str          # the one with the most evidence against it
    statistic: float
    limit: float            # the verdict is "dropped" from here on
    loss: float | None      # mean loss of the last `window` days, and its 95 % interval
    low: float
    high: float
    labels: int             # since the start


def start(floor, deployed=None, setting=Setting()):
    """State of a version that goes live.

    floor, deployed: bounds on the mean loss, the second from `upper_limit`; it is left out where the floor is
    tighter. ValueError for a bound outside (0, 1).
    """
    bounds = {"floor": floor} | ({"deployment": deployed} if deployed is not None and deployed < floor else {})
    if not all(0 < bound < 1 for bound in bounds.values()):
        raise ValueError(f"bounds on the mean loss lie between 0 and 1, not {bounds}")
    zeros = (0.0,) * len(setting.drops)
    return State(tuple(Reference(name, bound, zeros, zeros) for name, bound in bounds.items()), Wobble())


def taught_by(state, before):
    """The state with what the test of an earlier version has learnt of the wobble of healthy days; its evidence is not taken over."""
    known = of_another(before.calm)
    return replace(state, wobble=known, calm=known)


def update(state, day, labels, losses, squares=None, setting=Setting()):
    """State after `labels` more labels, with the sum of their losses and, unless 0/1, of their squared losses.

    Feed each label once. Calls for one day add up; late labels of an earlier day join the open one. A day without
    labels needs no call. Raises ValueError for impossible sums.
    """
    squares = losses if squares is None else squares
    most, slack = labels * (1 + 1e-9), 1 + 1e-9  # sums of floats
    if not (0 <= losses <= most and losses ** 2 <= most * squares * slack and squares <= losses * slack):
        raise ValueError(f"{labels} losses in [0, 1] cannot sum to {losses}, and their squares to {squares}")
    if not labels:
        return state
    if state.today and day > state.today.number and state.today.labels >= setting.minimum_labels:
        state = _close(state, setting)
    today = add(state.today or Day(day), Day(day, labels, losses, squares))
    first = min(state.today.first, day) if state.today else day
    today = replace(today, since=first if first < today.number else None)
    return replace(state, today=today, labels=state.labels + labels)


def decide(state, setting=Setting()):
    """Decision on all labels fed so far, those of the open day included. Changes nothing."""
    state = _close(state, setting) if state.today else state
    statistic, worst = max((sum(each.evidence), each.name) for each in state.references)
    limit = _limit(state, setting)
    verdict = "unknown" if state.labels < setting.minimum_labels else "dropped" if statistic >= limit else "healthy"
    return Decision(verdict, worst, statistic, limit, *_current_loss(state, setting), state.labels)


def simple_rule(labels, mean, threshold, minimum_labels, higher_is_better):
    """The plain rule on the mean of a window, `accuracy < 0.85` or `mae > 0.15`; its false alarms are not bounded."""
    if labels < minimum_labels:
        return "unknown"
    return "dropped" if (mean < threshold if higher_is_better else mean > threshold) else "healthy"


def upper_limit(losses, labels):
    """One-sided upper 95 % limit of the mean loss (Wilson 1927); losses: their sum."""
    return wilson_interval(losses / labels, labels, z=1.645)[1]


def wilson_interval(mean, n, z=1.96):
    """Score interval of a proportion, or of a mean in [0, 1] with an effective n (Wilson 1927)."""
    scale = 1 + z * z / n
    half = z * math.sqrt(max(mean * (1 - mean), 0.0) / n + (z / n) ** 2 / 4) / scale
    centre = (mean + z * z / (2 * n)) / scale
    return max(centre - half, 0.0), min(centre + half, 1.0)


def normal_interval(n, total, squares):
    """95 % interval of the mean of n numbers of at least 0, from their sum and that of their squares."""
    half = 1.96 * math.sqrt(max(squares / n - (total / n) ** 2, 0.0) / n)
    return max(total / n - half, 0.0), total / n + half


def _close(state, setting):
    """The open day becomes evidence, and wobble once it is beyond suspicion; a day of alarm never does."""
    variance, limit = cautious_variance(state.wobble, state.settled, setting.wobble), _limit(state, setting)
    references = tuple(_judge(each, state, variance, limit, setting) for each in state.references)
    alarm = any(sum(each.evidence) >= limit for each in references)
    at_rest = not any(any(each.cusum) for each in references)
    wobble = state.wobble if alarm else learn(state.wobble, state.today, setting.wobble)
    spell, calm = state.spell + 1, state.calm
    if at_rest or spell > setting.longest_spell and not alarm:
        spell, calm = 0, wobble
    recent = (*state.recent, state.today)[-setting.window:]
    return State(references, wobble, calm, spell, None, recent, state.labels, state.dropped, state.begun)


def _judge(reference, state, variance, limit, setting):
    day, bound, spread = state.today, reference.bound, dispersion(state.wobble.pooled)
    inflation = 1 + day.labels * variance / (spread * bound * (1 - bound))
    # One odd day brings part of the evidence only, and a second one must confirm it; one beyond all wobble speaks for itself.
    beyond = _surprise(day, bound, spread, variance, state.wobble.days, setting) > setting.beyond_doubt
    most = (1.1 if beyond else 0.6) * math.log(limit)
    logs = [min(log_likelihood_ratio(day, bound, drop, spread) / inflation, most) for drop in setting.drops]
    evidence = [(old + 1 / len(logs)) * math.exp(log) for old, log in zip(reference.evidence, logs)]
    if beyond and not state.wobble.days:  # the first day of all: a model that fails at once must not wait for a second
        evidence = [max(each, 1.1 * limit / len(logs)) for each in evidence]
    # The ceiling lets an alarm clear soon after a recovery; lowering a statistic costs no validity.
    ceiling = min(1.0, 10 * limit / max(sum(evidence), limit))
    cusum = (min(max(old + log, 0.0), math.log(10 * limit)) for old, log in zip(reference.cusum, logs))
    return Reference(reference.name, bound, tuple(each * ceiling for each in evidence), tuple(cusum))


def _surprise(day, bound, spread, variance, days, setting):
    """How many standard deviations a day's mean lies beyond the bound: the chart of Shewhart (1931) beside the slower test (Lucas 1982).

    The deviation is that of the labels, of the day-to-day wobble, and of not knowing it yet.
    """
    known = setting.wobble.prior_days + days
    wobble = variance / max(setting.wobble.persistence, 1.0) + setting.first_days_sd ** 2 * setting.wobble.prior_days / known
    return (day.losses / day.labels - bound) / math.sqrt(spread * bound * (1 - bound) / day.labels + wobble)


def _current_loss(state, setting):
    if not state.recent:
        return None, 0.0, 1.0
    labels = sum(day.labels for day in state.recent)
    mean = sum(day.losses for day in state.recent) / labels
    centre = (mean * labels + 1) / (labels + 2)
    clustering = sum(day.labels ** 2 for day in state.recent) / labels ** 2
    variance = (dispersion(state.wobble.pooled) * centre * (1 - centre) / labels
                + long_run_variance(state.wobble, state.settled, setting.wobble) * clustering)
    return mean, *wilson_interval(mean, centre * (1 - centre) / variance)


def _limit(state, setting):
    # Each reference gets its share of the false alarms.
    return len(state.references) * setting.checks_per_year / setting.false_alarms_per_year


def _tuples(record):
    return {key: tuple(value) if isinstance(value, list) else value for key, value in record.items()}
