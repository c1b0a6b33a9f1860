"""The decision to register: thresholds, and the comparison with production. Pure functions, so that a table can test them."""
import math
from dataclasses import dataclass

from lib.config import Thresholds
from lib.paired import Comparison

SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Gate:
    name: str
    passed: bool
    words: str


def missed(gates: list[Gate]) -> list[str]:
    """What was not passed, in words."""
    return [gate.words for gate in gates if not gate.passed]


def lines(name: str, gates: list[Gate]) -> list[str]:
    """As they are shown: a line each. name: of the model or the version."""
    return [f"{name}: {'passed' if gate.passed else 'missed'}: {gate.words}" for gate in gates]


def thresholds(values: dict[str, float], limits: Thresholds) -> list[Gate]:
    """One gate for each limit; a metric that is missing, NaN or infinite never passes."""
    gates = []
    for metric, limit in limits.min.items():
        value = values.get(metric, math.nan)
        gates.append(Gate(f"min {metric}", math.isfinite(value) and value >= limit, words(metric, value, "at least", limit)))
    for metric, limit in limits.max.items():
        value = values.get(metric, math.nan)
        gates.append(Gate(f"max {metric}", math.isfinite(value) and value <= limit, words(metric, value, "at most", limit)))
    return gates


def words(metric: str, value: float, relation: str, limit: float) -> str:
    short = f"{value:.4g}"
    return f"{metric} {value if short == f'{limit:g}' else short} must be {relation} {limit:g}"


def finite(values: dict[str, float], headline: str) -> list[Gate]:
    """The headline metric must be a number, whether or not it has a threshold."""
    value = values.get(headline, math.nan)
    return [] if math.isfinite(value) else [Gate(f"finite {headline}", False, f"{headline} is {value}, not a finite number")]


def not_compared(why: str, limits: Thresholds) -> list[Gate]:
    """`better` has to be shown; `not_worse` is given the benefit of the doubt."""
    return [] if limits.require == "off" else [Gate(limits.require, limits.require == "not_worse", why)]


def against_production(comparison: Comparison | None, limits: Thresholds) -> list[Gate]:
    """not_worse: refused when significantly worse by more than the margin; better: passes only when significantly better by more."""
    if comparison is None or limits.require == "off":
        return []
    c = comparison
    told = f"{c.metric} {c.candidate:.4g} against production's {c.production:.4g} on the same {c.rows:,} rows"
    by = f" by more than {limits.margin:g}" if limits.margin else ""
    if not (math.isfinite(c.candidate) and math.isfinite(c.production)):
        return [Gate(limits.require, False, f"{told}: not finite")]
    if limits.require == "better":
        return [Gate("better", c.difference > limits.margin and c.p_better < SIGNIFICANCE, f"{told}: must be better{by} (p = {c.p_better:.3g}, {c.test})")]
    return [Gate("not_worse", not (c.difference < -limits.margin and c.p_worse < SIGNIFICANCE), f"{told}: must not be worse{by} (p = {c.p_worse:.3g}, {c.test})")]
