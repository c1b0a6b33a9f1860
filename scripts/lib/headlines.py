"""What there is to see in each plot, in one sentence computed from its data. Pure functions, so that a table can test them."""
from datetime import date

from lib.drift_records import TOGETHER
from lib.examined import Bin, Matrix, Residuals
from lib.names import plural
from lib.readings import DayShown
from lib.scales import day_words, figure

NOW = 14  # days with outcomes that "now" means
# Of a year of days some lie outside of their 95 % interval by chance. 3.29 standard errors are 99.9 %.
BEYOND_DOUBT = 3.29 / 1.96


def live_metric(days: list[DayShown], metric: str, limit: float | None, dropped_since: str | None, year: int) -> str:
    """days: those with outcomes, at least one."""
    name, current, higher = metric.capitalize() if metric == "accuracy" else "The mean error", figure(recent(days)), metric == "accuracy"
    if limit is None:
        return f"{name} is {current} {lately(days)}"
    fell, bound = "fell below" if higher else "rose above", f"{limit:.4g}"
    spell = last_spell(days, limit, higher)
    if spell and (spell[1] == len(days) - 1 or dropped_since and spell[1] >= len(days) - NOW):
        return f"{name} {fell} {bound} on {day_words(days[spell[0]].ordinal, year)} and is not back: {figure(recent(days[spell[0]:]))} since then"
    if dropped_since:
        return f"{name} is too {'low' if higher else 'high'}, says the check since {day_words(dropped_since, year)}: {current} {lately(days)}, limit {bound}"
    if spell:
        return f"{name} {fell} {bound} {stretch(days[spell[0]].ordinal, days[spell[1]].ordinal, year)}; it is {figure(recent(days[spell[1] + 1:]))} now"
    return f"{name} holds: {current} {lately(days)}, limit {bound}"


def lately(days: list[DayShown]) -> str:
    return f"over the last {min(NOW, len(days))} days with outcomes" if len(days) > 1 else "on the only day with outcomes"


def stretch(begin: int, end: int, year: int) -> str:
    """`on 12 May`, `from 6 to 12 Nov 2025`."""
    if begin == end:
        return f"on {day_words(begin, year)}"
    first, last = date.fromordinal(begin), date.fromordinal(end)
    words = str(first.day) if (first.year, first.month) == (last.year, last.month) else day_words(begin, year if first.year != last.year else None)
    return f"from {words} to {day_words(end, year)}"


def recent(days: list[DayShown]) -> float | None:
    """The metric over the last days with outcomes."""
    return mean([day for day in days if day.value is not None][-NOW:])


def mean(days: list[DayShown]) -> float | None:
    """The metric over these days, each label counted once; None where there is none."""
    labels = sum(day.labels for day in days)
    return sum(day.value * day.labels for day in days if day.labels) / labels if labels else None


def last_spell(days: list[DayShown], limit: float, higher: bool) -> tuple[int, int] | None:
    """(first, last) index of the last stretch on the wrong side of the limit: days beyond doubt less than a week apart, and the wrong days that follow."""
    wrong = [day.value < limit if higher else day.value > limit for day in days]
    doubtless = [index for index, day in enumerate(days) if wrong[index] and day.low is not None
                 and (day.value + (day.high - day.value) * BEYOND_DOUBT < limit if higher else day.value - (day.value - day.low) * BEYOND_DOUBT > limit)]
    if not doubtless:
        return None
    first = end = doubtless.pop()
    while doubtless and days[first].ordinal - days[doubtless[-1]].ordinal < 7:
        first = doubtless.pop()
    while end + 1 < len(days) and wrong[end + 1]:
        end += 1
    return first, end


def coverage(days: list[DayShown], matured_until: str) -> str:
    """days: of the time shown; predictions of days up to `matured_until` are old enough to be judged."""
    old = [day for day in days if day.day <= matured_until]
    predictions, labels = sum(day.predictions for day in old), sum(day.labels for day in old)
    if not predictions:
        return f"{plural(sum(day.predictions for day in days), 'prediction')}, none old enough to be judged"
    waiting = 0
    for day in reversed(old):
        if day.labels:
            break
        waiting += 1
    late = f"; the last {plural(waiting, 'day')} {'has' if waiting == 1 else 'have'} none yet" if 0 < waiting < len(old) else ""
    known = f"all {plural(predictions, 'prediction')}" if labels == predictions else f"{share(labels, predictions)} of {plural(predictions, 'prediction')}"
    return f"The outcome is known for {known}{late}"


def calibration(bins: list[Bin]) -> str:
    rows = sum(each.rows for each in bins)
    sure, right = sum(each.confidence * each.rows for each in bins) / rows, sum(each.right * each.rows for each in bins) / rows
    error = (max(right * (1 - right), 1 / rows) / rows) ** 0.5
    verdict = "It is as sure as it is right" if abs(sure - right) <= 1.96 * error else "It is surer than it is right" if sure > right else "It is more often right than it thinks"
    return f"{verdict}: {sure:.1%} sure on average, right in {right:.1%}".replace("%", " %")


def confusion(matrix: Matrix) -> str:
    rows = sum(map(sum, matrix.counts))
    if not matrix.wrong:
        return f"All {plural(rows, 'answer')} on the holdout are right"
    pairs = [(count, true, said, sum(line)) for true, line in zip(matrix.classes, matrix.counts) for said, count in zip(matrix.classes, line) if true != said and count]
    often = "; most often {1!r} is taken for {2!r}: {0:,} of {3:,}".format(*max(pairs)) if pairs else ""
    return f"{matrix.wrong:,} of {plural(rows, 'answer')} are wrong{often}"


def residuals(found: Residuals) -> str:
    bias = "no bias to see" if abs(found.bias) <= 1.96 * found.bias_error else f"on average {figure(abs(found.bias))} too {'low' if found.bias > 0 else 'high'}"
    return f"Nine of ten estimates are within {figure(found.inside)} of the truth; {bias}"


def leaderboard(versions: list, best: int | None, live: int | None) -> str:
    """versions: rows of one headline metric; best, live: version numbers."""
    if len(versions) == 1:
        return f"v{best} is the only version" + (", and live" if live == best else ", not live")
    return f"v{best} is the best of {len(versions)} versions on its holdout" + (", and live" if live == best else f"; v{live} is live" if live else "; none is live")


def spent(weeks: list) -> str:
    """weeks: rows of runs by week and script."""
    seconds = sum(row["seconds"] or 0 for row in weeks)
    by_script: dict[str, float] = {}
    for row in weeks:
        by_script[row["script"]] = by_script.get(row["script"], 0) + (row["seconds"] or 0)
    most = max(by_script, key=by_script.get)
    memory = max((row["memory"] or 0 for row in weeks), default=0)
    return f"{duration(seconds)} in {plural(sum(row['runs'] for row in weeks), 'run')}, most of it for {most}; at most {memory:,.0f} MB at a time"


def share(part: float, whole: float) -> str:
    """A percentage that is 0 or 100 only if it is."""
    percent = 100 * part / whole
    if 0 < percent < 1 or 99 < percent < 100:
        return f"{percent:.1f} %" if 0.05 <= percent < 99.95 else "under 0.1 %" if percent < 1 else "over 99.9 %"
    return f"{percent:.0f} %"


def duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def drift(window, found: list, year: int) -> str:
    """window: the last window of rows that was compared; found: its findings that are not `ok`, worst first."""
    when = f"on {day_words(window['time'], year)}"
    moved = list(dict.fromkeys(row["column"] for row in found if row["verdict"] == "drift"))
    spoiled = list(dict.fromkeys(row["column"] for row in found if row["verdict"] == "quality"))
    if spoiled:
        return f"Spoiled data {when}: {some(spoiled)}"
    if window["verdict"] == "drift" and moved == [TOGETHER]:
        return f"No column had moved {when}, but taken together the rows are unlike those of training"
    if window["verdict"] == "drift" and moved:
        alone = [name for name in moved if name != TOGETHER]
        return f"{plural(len(alone), 'column')} had moved {when}: {some(alone)}"
    return f"Nothing had moved {when}: {plural(window['rows'], 'row')} look like the training data"


def some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
