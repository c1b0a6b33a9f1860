"""The report on what was done: alerts, runs that failed, time and memory spent."""
from lib import headlines, plots
from lib.markup import Markup, behind, element, empty, figure, joined, key, table
from lib.names import plural, whose
from lib.plots import Bar
from lib.readings import Records
from lib.report_live import ordinal
from lib.scales import day_words

WORDS = 400  # of an error or an alert


def minute(time: str | None) -> str:
    return "–" if time is None else time[:16].replace("T", " ")


def short(text: str | None) -> str:
    return (text or "–") if len(text or "") <= WORDS else text[:WORDS] + " …"


def alerts(records: Records, name: str) -> Markup:
    still, over = records.open_alerts, [row for row in records.alerts if row["resolved"] is not None]
    if not records.alerts:
        return empty("There has been no alert.")
    title = f"{plural(len(still), 'alert')} open" if still else "No alert is open; the last ones are below"
    rows = [["open" if row["resolved"] is None else "over", row["kind"], minute(row["raised"]), minute(row["resolved"]), short(row["text"])] for row in (*still, *over)]
    return element("div", element("p", title, class_="title"), table(f"{name}: alerts, open ones first", ["state", "kind", "raised", "resolved", "text"], rows, kind="long"), class_="figure")


def failures(records: Records, name: str, year: int) -> Markup:
    found = records.failures
    if not found:
        return empty("No run has failed in the last year.")
    last = found[0]
    count = f"{last['total']:,} failed runs" if last["total"] > 1 else "One failed run"
    rows = [[minute(row["started"]), row["script"], row["status"] if row["status"] == "killed" else f"exit {row['exit_code']}", whose(row),
             short(row["error"])] for row in found]
    shown = "runs that failed, newest first" if last["total"] == len(found) else f"the last {len(found)} runs that failed"
    return element("div", element("p", f"{count} in the last year, the last one {last['script']} on {day_words(last['started'], year)}", class_="title"),
                   table(f"{name}: {shown}", ["started", "script", "ended", "by", "error"], rows, kind="long"), class_="figure")


def spent(records: Records, name: str) -> Markup:
    """Seconds by week, and the table by script behind them."""
    found = records.weeks
    weeks: dict[str, list] = {}
    for row in found:
        weeks.setdefault(row["week"], []).append(row)
    first, last = ordinal(min(weeks)), ordinal(max(weeks)) + 6
    amounts = (("minutes of running a week", lambda rows: seconds(rows) / 60), ("most memory in a week, MB", memory)) if len(weeks) > 1 else ()
    drawn = [weekly(weeks, first, last, *amount) for amount in amounts]
    rows = [[week, row["script"], f"{row['runs']:,}", f"{row['seconds'] or 0:,.1f}", f"{row['memory'] or 0:,.0f}"] for week, rows in reversed(weeks.items()) for row in rows]
    heads = ["week from", "script", "runs", "seconds", "most memory, MB"]
    data = behind("The figures by week and script", table(f"{name}: time and memory by week", heads, rows, (3, 4, 5)))
    return figure(headlines.spent(found), "", element("div", *drawn, class_="beside"), data)


def weekly(weeks: dict[str, list], first: int, last: int, name: str, amount) -> Markup:
    """One bar a week. amount: of the rows of a week."""
    bars = []
    for week, rows in weeks.items():
        words = f"{headlines.duration(seconds(rows))} in {plural(sum(row['runs'] for row in rows), 'run')}, at most {memory(rows):,.0f} MB"
        bars.append(Bar(ordinal(week), 7, amount(rows), amount(rows), f"week from {day_words(week)}: {words}"))
    return element("div", Markup(plots.bars(bars, first, last, f"{name}; the table below has the figures")), key(("part", name)))


def seconds(rows: list) -> float:
    return sum(row["seconds"] or 0 for row in rows)


def memory(rows: list) -> float:
    return max(row["memory"] or 0 for row in rows)


def section(records: Records, name: str, year: int) -> Markup:
    runs = [failures(records, name, year), spent(records, name)] if records.weeks else [empty("No run is on record for the last year.")]
    return joined([element("h3", "Alerts"), alerts(records, name), element("h3", "Runs"), *runs])
