"""The report on drift: what was found, by column and time, and how the worst columns look now beside training."""
from dataclasses import dataclass
from pathlib import Path

from lib import db, distributions, headlines, plots, readings, recent
from lib.distributions import Shares
from lib.errors import UserError
from lib.files import ModelPaths
from lib.markup import Markup, behind, element, empty, figure, joined, key, table
from lib.names import plural
from lib.readings import Records
from lib.report_live import ordinal
from lib.scales import day_words, tick_words
from lib.watched import Watched

RANK = {"ok": 0, "notice": 1, "drift": 2, "quality": 3}
WORDS = {"notice": "a notice", "drift": "drift", "quality": "spoiled data"}
FAR = 5.0  # times the smallest effect that counts
COLUMNS = 15  # of the heat map, worst first
SIGNS = (("measured", "compared, nothing found"), ("notice", "worth a look"), ("drift", "drift"), ("far", "drift, five times what counts"), ("quality", "spoiled data"))
SHOWN = 3  # columns whose distributions are shown


def section(model: Watched, root: Path, baseline: dict, year: int) -> Markup:
    live, records = model.records.live, model.records
    if not live:
        return Markup("")
    parts = [element("h3", "Drift")]
    if not records.drift:
        parts.append(empty(f"What v{live['version']} sees has not been compared with its training data yet. Do it with", f"make drift MODEL={model.name}"))
    if records.drift_windows:
        parts.append(heat_map(model, year))
    return joined([*parts, *(shapes(model, root, baseline) if records.drift else [])])


@dataclass(frozen=True)
class Grid:
    """What a heat map shows: windows of rows along the time, and what was found in them by column."""

    windows: dict[int, db.Row]  # by id
    starts: dict[int, int]  # the day on which a window's field begins, by its id
    days: int  # that a field is wide: 1, or 7 from Monday on
    columns: dict[str, list[db.Row]]  # findings by column, the worst column first

    @property
    def first(self) -> int:
        return min(self.starts.values())

    @property
    def last(self) -> int:
        return max(self.starts.values()) + self.days - 1


def grid(records: Records) -> Grid:
    windows = {row["id"]: row for row in records.drift_windows}
    weeks = {(ordinal(row["day"]) - 1) // 7 for row in windows.values()}
    weekly = len(weeks) == len(windows) and (max(weeks) - min(weeks) + 1) * 7 >= readings.DRIFT_DAILY
    starts = {number: ordinal(row["day"]) - (ordinal(row["day"]) - 1) % 7 if weekly else ordinal(row["day"]) for number, row in windows.items()}
    columns: dict[str, list[db.Row]] = {}
    for row in records.drift_found:
        if row["window_id"] in windows:
            columns.setdefault(row["column"], []).append(row)
    ranked = sorted(columns, key=lambda name: (-worst(columns[name], records.last_drift["id"]), -times_found(columns[name]), name))
    return Grid(windows, starts, 7 if weekly else 1, {name: columns[name] for name in ranked})


def worst(rows: list, window: int) -> int:
    """The rank of what was found in a window."""
    return max((RANK[row["verdict"]] for row in rows if row["window_id"] == window), default=0)


def times_found(rows: list) -> int:
    return len({row["window_id"] for row in rows})


def heat_map(model: Watched, year: int) -> Markup:
    records, found = model.records, grid(model.records)
    title = element("p", headlines.drift(records.last_drift, [row for row in records.drift_found if row["window_id"] == records.last_drift["id"]], year), class_="title")
    if not found.columns:
        return title
    fields = [(start, found.days) for start in found.starts.values()]
    rows = [[name, Markup(plots.strip(cells(rows, found, year), fields, found.first, found.last, in_words(rows, found.windows, year)))] for name, rows in found.columns.items()][:COLUMNS]
    rows.append(["", Markup(plots.date_line(found.first, found.last))])
    left_out = len(found.columns) - COLUMNS
    more = element("p", f"{plural(left_out, 'more column')} below.", class_="note") if left_out > 0 else ""
    caption = f"{model.name}: what was found, by column and {'week' if found.days == 7 else 'day'}"
    return element("div", title, table(caption, ["column", "found"], rows, kind="heat"), key(*SIGNS), more, behind("What was found", findings(model, found)), class_="figure")


def cells(rows: list, found: Grid, year: int) -> list[tuple[int, int, str, str]]:
    """One cell a window with a finding."""
    by_window: dict[int, list] = {}
    for row in rows:
        by_window.setdefault(row["window_id"], []).append(row)
    fields = []
    for window, group in by_window.items():
        row = max(group, key=lambda row: (RANK[row["verdict"]], times_limit(row)))
        kind = "far" if row["verdict"] == "drift" and times_limit(row) >= FAR else row["verdict"]
        fields.append((found.starts[window], found.days, kind, f"{day_words(found.windows[window]['day'], year)}: {said(group)}"))
    return fields


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


def findings(model: Watched, found: Grid) -> Markup:
    """The table behind the heat map: of each column the last finding."""
    rows = []
    for name, all_found in found.columns.items():
        last = max(row["window_id"] for row in all_found)
        group = [row for row in all_found if row["window_id"] == last]
        verdict = max((row["verdict"] for row in group), key=RANK.get)
        rows.append([name, WORDS[verdict], found.windows[last]["day"], f"{times_found(all_found):,}", said(group)])
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
