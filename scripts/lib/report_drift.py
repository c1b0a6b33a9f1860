"""The report on drift: what was found, by column and time, and how the worst columns look now beside training."""
from datetime import date, timedelta
from pathlib import Path

from lib import distributions, headlines, plots, recent
from lib.distributions import Shares
from lib.errors import UserError
from lib.files import ModelPaths
from lib.markup import Markup, behind, element, empty, figure, joined, key, table
from lib.report_live import ordinal
from lib.scales import day_words, tick_words
from lib.watched import Watched

RANK = {"ok": 0, "notice": 1, "drift": 2, "quality": 3}
WORDS = {"notice": "a notice", "drift": "drift", "quality": "spoiled data"}
FAR = 5.0  # times the smallest effect that counts
COLUMNS = 15  # of the heat map, worst first
SHOWN = 3  # columns whose distributions are shown


def section(model: Watched, root: Path, baseline: dict, year: int) -> Markup:
    live, records = model.records.live, model.records
    if not live:
        return Markup("")
    told = [] if records.drift else [empty(f"What v{live['version']} sees has not been compared with its training data yet. Do it with", f"make drift MODEL={model.name}")]
    return joined([element("h3", "Drift"), *told, *([heat_map(model, year)] if records.drift_windows else []), *(shapes(model, root, baseline) if records.drift else [])])


def heat_map(model: Watched, year: int) -> Markup:
    records = model.records
    windows = {row["id"]: row for row in records.drift_windows}
    by_column: dict[str, list] = {}
    for row in records.drift_found:
        if row["window_id"] in windows:
            by_column.setdefault(row["column"], []).append(row)
    if not by_column:
        return element("p", headlines.drift(records.last_drift, [], year), class_="title")
    first, last = ordinal(records.drift_windows[0]["day"]), ordinal(records.drift_windows[-1]["day"])
    days = 7 if any(ordinal(b["day"]) - ordinal(a["day"]) > 1 for a, b in zip(records.drift_windows, records.drift_windows[1:])) and last - first >= 60 else 1
    starts = {row["id"]: start_of(row["day"], days) for row in records.drift_windows}
    first, last = min(starts.values()), max(starts.values()) + days - 1
    ranked = sorted(by_column, key=lambda name: (-worst(by_column[name], records.last_drift["id"]), -len({row["window_id"] for row in by_column[name]}), name))
    measured = [(start, days) for start in starts.values()]
    rows = [[name, Markup(plots.strip(cells(by_column[name], windows, starts, days, year), measured, first, last, in_words(by_column[name], windows, year)))]
            for name in ranked[:COLUMNS]]
    rows.append([element("span", "", class_="nothing"), Markup(plots.date_line(first, last))])
    more = element("p", f"{headlines.plural(len(ranked) - COLUMNS, 'more column')} with findings: ", element("code", f"sqlite3 metrics.db \"SELECT * FROM drift_latest WHERE model = '{model.name}'\""), class_="note") if len(ranked) > COLUMNS else ""
    signs = key(("measured", "compared, nothing found"), ("notice", "worth a look"), ("drift", "drift"), ("far", "drift, five times what counts"), ("quality", "spoiled data"))
    title = headlines.drift(records.last_drift, [row for row in records.drift_found if row["window_id"] == records.last_drift["id"]], year)
    return element("div", element("p", title, class_="title"), table(f"{model.name}: what was found, by column and {'week' if days == 7 else 'day'}", ["column", "found"], rows, kind="heat"), signs, more,
                   behind("What was found", findings(model, by_column, ranked, windows)), class_="figure")


def start_of(day: str, days: int) -> int:
    """A week starts on its Monday."""
    found = date.fromisoformat(day)
    return (found - timedelta(days=found.weekday()) if days == 7 else found).toordinal()


def worst(rows: list, window: int) -> int:
    """The rank of what was found in a window."""
    return max((RANK[row["verdict"]] for row in rows if row["window_id"] == window), default=0)


def cells(rows: list, windows: dict, starts: dict[int, int], days: int, year: int) -> list[tuple[int, int, str, str]]:
    """One cell a window with a finding."""
    by_window: dict[int, list] = {}
    for row in rows:
        by_window.setdefault(row["window_id"], []).append(row)
    found = []
    for window, group in by_window.items():
        row = max(group, key=lambda row: (RANK[row["verdict"]], times_limit(row)))
        kind = "far" if row["verdict"] == "drift" and times_limit(row) >= FAR else row["verdict"]
        found.append((starts[window], days, kind, f"{day_words(windows[window]['day'], year)}: {said(group)}"))
    return found


def times_limit(row) -> float:
    if row["value"] is None:
        return float("inf")
    return abs(row["value"]) / row["limit"] if row["limit"] else 0.0


def said(group: list) -> str:
    """The words of a column's findings in one window; without words, the measures."""
    told = [row["words"] for row in group if row["words"]]
    return told[0] if told else f"{WORDS[group[0]['verdict']]}: " + ", ".join(row["measure"] for row in group)


def in_words(rows: list, windows: dict, year: int) -> str:
    times = sorted({windows[row["window_id"]]["day"] for row in rows})
    when = f"on {day_words(times[0], year)}" if len(times) == 1 else f"at {len(times)} times from {day_words(times[0], year)} to {day_words(times[-1], year)}"
    return f"{max((row['verdict'] for row in rows), key=RANK.get)} {when}"


def findings(model: Watched, by_column: dict[str, list], ranked: list[str], windows: dict) -> Markup:
    """The table behind the heat map: of each column the last finding."""
    rows = []
    for name in ranked:
        last = max(row["window_id"] for row in by_column[name])
        group = [row for row in by_column[name] if row["window_id"] == last]
        rows.append([name, WORDS[max((row["verdict"] for row in group), key=RANK.get)], windows[last]["day"], f"{len({row['window_id'] for row in by_column[name]}):,}", said(group)])
    return table(f"{model.name}: the last finding of each column", ["column", "verdict", "day", "times found", "what"], rows, (4,), "long")


def shapes(model: Watched, root: Path, baseline: dict) -> list[Markup]:
    """The distributions of the columns that are worst now."""
    window = model.records.drift
    group: dict[str, list] = {}
    for row in model.records.drift_found:
        if row["window_id"] == window["id"] and RANK[row["verdict"]] >= RANK["drift"]:
            group.setdefault(row["column"], []).append(row)
    known = {**baseline.get("columns", {}), **{f"({name})": facts for name, facts in baseline.get("outputs", {}).items()}}
    names = [name for name in group if name in known][:SHOWN]
    if not names:
        return []
    try:
        seen = recent.columns(ModelPaths(root, model.name), window["version"], window["first"], window["last"], names)
    except (OSError, UserError) as error:
        return [empty(str(error))]
    compared = [(name, distributions.compare(known[name], seen[name])) for name in names]
    return [element("div", *(shape(name, said(group[name]), shares) for name, shares in compared if shares), class_="shapes")]


def shape(name: str, words: str, shares: Shares) -> Markup:
    label = f"{name} at training and now; the table below has the figures"
    plot = plots.histogram(shares.edges, shares.before, shares.now, label) if shares.edges else plots.pairs(shares.labels, shares.before, shares.now, label)
    ends = tick_words(shares.edges) if shares.edges else []
    bins = shares.labels or [f"{low} to {high}" for low, high in zip(ends, ends[1:])]
    rows = [[label, f"{100 * before:.1f} %", f"{100 * now:.1f} %"] for label, before, now in zip(bins, shares.before, shares.now)]
    return figure(words.replace("`", "") if name in words else f"{name}: {words}", plot, key(("before", "at training"), ("now", f"now, {shares.rows:,} rows")),
                  behind("The figures", table(f"{name}: shares of rows", [name, "at training", "now"], rows, (2, 3))))
