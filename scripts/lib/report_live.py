"""The report on how a model does live: its metric by day, and how many outcomes are known."""
from datetime import date

from lib import headlines, plots
from lib.markup import Markup, behind, element, empty, figure, joined, key, table
from lib.names import plural
from lib.plots import Bar, Hover, Mark, Point
from lib.readings import DayShown
from lib.scales import day_words
from lib.scales import figure as number
from lib.watched import Watched

DAILY = 120  # days up to which tables and bars go by day; a longer time goes by week


def section(model: Watched, year: int) -> Markup:
    return joined([element("h3", "Live"), metric(model, year), coverage(model)])


def metric(model: Watched, year: int) -> Markup:
    if model.forgotten:
        return empty("Something is live, but metrics.db does not know it. Bring its records back from the tags with", f"make restore MODEL={model.name}")
    if not model.records.live:
        newest = model.records.versions[-1]["version"] if model.records.versions else None
        return empty(f"v{newest} is registered, and nothing is live. Make it live with", f"make deploy MODEL={model.name}") if newest else \
            empty("There is no version yet. Train one with", f"make train MODEL={model.name}")
    if not model.days and model.records.logged:
        said = f"{plural(model.records.logged['rows'], 'prediction')} in the log, none of them counted in the last year. Count them with"
        return empty(said, f"make check MODEL={model.name}")
    if not model.days:
        return empty("No predictions are on record yet. Score rows with", f"make predict MODEL={model.name} CSV=rows.csv")
    if not model.judged:
        said = f"{plural(sum(day.predictions for day in model.days), 'prediction')}, and no outcome known yet. Take outcomes in with"
        return joined((empty(said, f"make label MODEL={model.name} CSV=outcomes.csv"), empty("and judge them with", f"make check MODEL={model.name}")))
    days, name = model.judged, model.metric
    first, last = span(model)
    daily = last - first < DAILY
    points = [Point(day.ordinal, day.value, day.value if day.low is None else day.low, day.value if day.high is None else day.high) for day in days]
    bound = f"{'≥' if name == 'accuracy' else '≤'} {model.limit:.4g}" if model.limit is not None else ""
    label = f"{name} by day from {day_words(first, year)} to {day_words(last, year)}, with 95 % intervals; the table below has the figures"
    plot = plots.over_time(points, [] if daily else trend(days), hovers(days, daily), model.limit, bound, switches(model, first, year), refused(model, first, year), first, last,
                           1.0 if name == "accuracy" else float("inf"), label)
    dropped = model.records.dropped["since"] if model.records.check and model.records.check["verdict"] == "dropped" else None
    rings = [("ring", "retrained, nothing better")] if refused(model, first, year) else []
    lines = (("line", f"{name} of a day's predictions"),) if daily else (("line", "mean of seven days"), ("faint", f"{name} of a day's predictions"))
    signs = key(*lines, ("band", "95 % interval of a day"), *([("limit", "limit")] if bound else []), ("mark", "a version goes live"), *rings)
    return figure(headlines.live_metric(days, name, model.limit, dropped, year), plot, signs, figures(model, name))


def ordinal(day: str) -> int:
    return date.fromisoformat(day[:10]).toordinal()


def span(model: Watched) -> tuple[int, int]:
    """The days that the plots of one model share: from the first prediction shown to the last, and at least two weeks."""
    last = model.days[-1].ordinal
    return min(model.days[0].ordinal, last - 13), last


def trend(days: list[DayShown]) -> list[tuple[int, float]]:
    """At each day the metric over the seven days up to it."""
    found, begin, labels, total = [], 0, 0, 0.0
    for day in days:
        labels, total = labels + day.labels, total + day.value * day.labels
        while day.ordinal - days[begin].ordinal >= 7:
            labels, total = labels - days[begin].labels, total - days[begin].value * days[begin].labels
            begin += 1
        found.append((day.ordinal, total / labels))
    return found


def hovers(days: list[DayShown], daily: bool) -> list[Hover]:
    """No years: every day shown is of the last 365."""
    if daily:
        return [Hover(day.ordinal, 1, f"{day_words(day.ordinal)}: {number(day.value)} [{number(day.low)}, {number(day.high)}], "
                      f"{day.labels:,} of {day.predictions:,} known, {scored([day])}") for day in days]
    return [Hover(max(monday, days[0].ordinal), min(7, monday + 7 - days[0].ordinal),
                  f"week from {day_words(monday)}: {number(headlines.mean(group))}, days from {lowest_and_highest(group)}, {sum(day.labels for day in group):,} known, {scored(group)}")
            for monday, group in weeks(days)]


def scored(days: list[DayShown]) -> str:
    return ", ".join(f"v{version}" for version in sorted({version for day in days for version in day.versions})) or "–"


def switches(model: Watched, first: int, year: int) -> list[Mark]:
    verbs = {"deploy": "deployed", "retrain": "deployed by retraining", "rollback": "rolled back to"}
    return [Mark(ordinal(row["time"]), f"v{row['version']}", f"{day_words(row['time'], year)}: v{row['version']} {verbs[row['action']]} by {row['user']}: {row['reason']}")
            for row in model.records.deployments if first <= ordinal(row["time"]) <= span(model)[1]]


def refused(model: Watched, first: int, year: int) -> list[Mark]:
    return [Mark(ordinal(row["time"]), "", f"{day_words(row['time'], year)}: retrained ({row['reason']}); {row['detail']}")
            for row in model.records.retrains if row["outcome"] == "refused" and first <= ordinal(row["time"]) <= span(model)[1]]


def figures(model: Watched, metric: str) -> Markup:
    """The table behind the plot, newest first."""
    first, last = span(model)
    if last - first < DAILY:
        rows = [[day.day, scored([day]), f"{day.predictions:,}", f"{day.labels:,}", number(day.value), interval(day)] for day in reversed(model.days)]
        return behind("The figures by day", table(f"{model.name}: {metric} by day", ["day", "scored by", "predictions", "outcomes", metric, "95 % interval"], rows, (3, 4, 5, 6)))
    rows = [[date.fromordinal(monday).isoformat(), scored(days), f"{sum(day.predictions for day in days):,}",
             f"{sum(day.labels for day in days):,}", number(headlines.mean(days)), lowest_and_highest(days)] for monday, days in reversed(weeks(model.days))]
    return behind("The figures by week", table(f"{model.name}: {metric} by week", ["week from", "scored by", "predictions", "outcomes", metric, "days from … to"], rows, (3, 4, 5, 6)))


def interval(day: DayShown) -> str:
    return "–" if day.low is None else f"{number(day.low)} to {number(day.high)}"


def lowest_and_highest(days: list[DayShown]) -> str:
    values = [day.value for day in days if day.value is not None]
    return f"{number(min(values))} to {number(max(values))}" if values else "–"


def weeks(days: list[DayShown]) -> list[tuple[int, list[DayShown]]]:
    """By the ordinals of their Mondays."""
    found: dict[int, list[DayShown]] = {}
    for day in days:
        found.setdefault(day.monday, []).append(day)
    return list(found.items())


def coverage(model: Watched) -> Markup:
    if not model.judged:
        return Markup("")
    first, last = span(model)
    daily = last - first < DAILY
    groups = [(day.ordinal, [day]) for day in model.days] if daily else weeks(model.days)
    bars = []
    for begin, days in groups:
        predictions, labels = sum(day.predictions for day in days), sum(day.labels for day in days)
        start, end = max(begin, first), min(begin + (1 if daily else 7), last + 1)
        if predictions:
            bars.append(Bar(start, end - start, predictions, labels, f"{'' if daily else 'week from '}{day_words(begin)}: {labels:,} of {predictions:,} known, {headlines.share(labels, predictions)}"))
    plot = plots.bars(bars, first, last, f"predictions by {'day' if daily else 'week'} and how many of them have a known outcome; the figures are in the table above")
    return figure(headlines.coverage(model.days, model.matured_until), plot, key(("whole", f"predictions a {'day' if daily else 'week'}"), ("part", "of these, outcome known")))
