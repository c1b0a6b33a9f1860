"""Axes: from numbers and dates to places on paper, with ticks at round values and words that fit beside them."""
import math
from dataclasses import dataclass
from datetime import date

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Scale:
    """A straight line from values (low to high) to places (start to end)."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The place of a value; one outside of the scale is put on its edge."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + (self.end - self.start) * (0.0 if share < 0.0 else 1.0 if share > 1.0 else share)


def nice_step(span: float, count: int) -> float:
    """1, 2 or 5 times a power of ten, so that `count` steps about cover the span (Heckbert 1990)."""
    rough = span / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= rough * 0.999)


def nice_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round values from at or below `low` to at or above `high`, about `count` steps of them."""
    if not high > low:
        low, high = low - (abs(low) * 0.1 or 0.5), high + (abs(high) * 0.1 or 0.5)
    step = nice_step(high - low, count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def ticks_within(low: float, high: float, floor: float, ceiling: float, count: int = 4) -> list[float]:
    """Nice ticks that leave out what cannot be: an accuracy above 1, a count below 0."""
    slack = 1e-9 * max(abs(floor), abs(ceiling), 1.0) if math.isfinite(ceiling) else 1e-9
    return [tick for tick in nice_ticks(max(low, floor), min(high, ceiling), count) if floor - slack <= tick <= ceiling + slack]


def tick_words(ticks: list[float]) -> list[str]:
    """The ticks as texts, all with the decimals that tell them apart."""
    if len(ticks) == 1:
        return [f"{ticks[0]:,.0f}" if 1e3 <= abs(ticks[0]) < 1e6 else f"{ticks[0] + 0.0:.4g}"]
    step = min((abs(b - a) for a, b in zip(ticks, ticks[1:])), default=1.0)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    if max(map(abs, ticks), default=0) >= 1e6 or decimals > 6:
        return [f"{tick:.3g}" for tick in ticks]
    return [f"{tick + 0.0:,.{decimals}f}" for tick in ticks]


def date_ticks(first: int, last: int, count: int = 6) -> list[tuple[int, str]]:
    """(day's ordinal, words) at round dates: days, Mondays, firsts of months, Januaries; at most about `count` of them."""
    span = last - first
    if span <= count:
        days = range(first, last + 1)
    elif span <= 2 * count:
        days = range(first, last + 1, 2)
    elif span <= 7 * count:
        days = [day for day in range(first, last + 1) if date.fromordinal(day).weekday() == 0]
        days = days[::-(-len(days) // count)] if len(days) > count else days
    else:
        months = next((step for step in (1, 2, 3, 6, 12) if span / 30.4 / step <= count), 12 * -(-span // (365 * count)))
        days = [day for day in firsts_of_months(first, last) if (month_number(day) % months) == 0]
        return [(day, month_words(day)) for day in days]
    return [(day, day_words(day)) for day in days]


def firsts_of_months(first: int, last: int) -> list[int]:
    begin, end = date.fromordinal(first), date.fromordinal(last)
    months = range(begin.year * 12 + begin.month - 1, end.year * 12 + end.month)
    return [day for month in months if first <= (day := date(month // 12, month % 12 + 1, 1).toordinal()) <= last]


def month_number(day: int) -> int:
    found = date.fromordinal(day)
    return found.year * 12 + found.month - 1


def month_words(day: int) -> str:
    """`May`, and `2026` where the year begins."""
    found = date.fromordinal(day)
    return str(found.year) if found.month == 1 else MONTHS[found.month - 1]


def day_words(day: int | str, this_year: int | None = None) -> str:
    """`12 May`; with the year where it is not this one."""
    found = date.fromordinal(day) if isinstance(day, int) else date.fromisoformat(day[:10])
    year = f" {found.year}" if this_year is not None and found.year != this_year else ""
    return f"{found.day} {MONTHS[found.month - 1]}{year}"


def figure(value: float | None, digits: int = 3) -> str:
    """A number for people: three digits that mean something, no exponent before a million, an en dash for none."""
    if value is None or not math.isfinite(value):
        return "–"
    if value and abs(value) < 10.0 ** -(digits + 1) or abs(value) >= 1e9:
        return f"{value:.{digits}g}"
    if abs(value) >= 10 ** digits:
        return f"{value:,.0f}"
    decimals = digits if abs(value) <= 1 else max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"
