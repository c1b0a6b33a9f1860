"""The report on a model's versions: the leaderboard, and what the holdout of the live one shows."""
from lib import headlines, plots
from lib.examined import Bin, Examined, Matrix, Residuals
from lib.markup import Markup, behind, element, empty, figure, joined, key, table, two
from lib.scales import Scale, nice_ticks
from lib.scales import figure as number
from lib.watched import Watched

SHOWN = 25  # versions of a leaderboard


def section(model: Watched, found: Examined | None, problem: str) -> Markup:
    if not model.records.versions:
        return Markup("")
    parts = [element("h3", "Versions"), leaderboard(model)]
    live = model.records.live
    if live and found:
        name = f"{model.name} v{live['version']}"
        parts.append(element("div", calibrated(found, name), confused(found.matrix, name), residual(found.residuals, name), class_="beside"))
    elif live:
        parts.append(empty(problem))
    return joined(parts)


def leaderboard(model: Watched) -> Markup:
    """The versions by the headline metric of the newest, best first; those that were examined by another one are in metrics.db."""
    records = model.records
    metric = records.versions[-1]["metric"]
    ranked = sorted((row for row in records.versions if row["metric"] == metric), key=lambda row: row["place"])
    live = records.live["version"] if records.live else None
    shown = ranked[:SHOWN] + [row for row in ranked[SHOWN:] if row["version"] == live]
    ends = [row[end] if row[end] is not None else row["value"] for row in shown for end in ("low", "high")]
    scale = Scale(min(ends), max(ends), 5, 95)
    rows = [[f"v{row['version']}", "live" if row["version"] == live else "", two(number(row["value"], 4), interval(row)), Markup(plots.whisker(row["low"], row["value"], row["high"], scale)),
             row["estimator"].rpartition(".")[2], f"{row['train_rows']:,}", f"{row['holdout_rows']:,}", row["created"][:10], row["why"]] for row in shown]
    query = f"sqlite3 metrics.db \"SELECT * FROM leaderboard WHERE model = '{model.name}'\""
    more = element("p", f"{len(ranked) - len(shown)} more: ", element("code", query), class_="note") if len(ranked) > len(shown) else ""
    heads = ["version", "", metric, "95 % interval", "estimator", "learnt rows", "examined on", "made", "because of"]
    title = headlines.leaderboard(ranked, ranked[0]["version"], live)
    return element("div", element("p", title, class_="title"), table(f"{model.name}: versions by {metric} on their holdout, best first", heads, rows, (6, 7), "long"), more, class_="figure")


def interval(row) -> str:
    return "–" if row["low"] is None or row["high"] is None else f"{number(row['low'], 4)} to {number(row['high'], 4)}"


def calibrated(found: Examined, name: str) -> Markup:
    if not found.bins:
        return Markup("") if found.matrix is None else empty("The live version gives no probabilities, so there is no calibration to show.")
    bins: list[Bin] = found.bins
    least = min(min(each.confidence for each in bins), min(each.low for each in bins))
    ticks = [tick / 10 for tick in range(max(0, int(least * 10)), 11)][::2 if least < 0.45 else 1]
    ticks = ticks if ticks[-1] == 1.0 else [*ticks, 1.0]
    x, y = plots.plane(ticks, ticks)
    shapes = [f'<line class="limit" x1="0%" y1="{y.at(ticks[0]):.1f}" x2="100%" y2="{y.at(1.0):.1f}"/>']
    for each in bins:
        words = f"{percent(each.confidence)} sure: right in {percent(each.right)} [{percent(each.low)}, {percent(each.high)}] of {each.rows:,} rows"
        at = f"{x.at(each.confidence):.1f}%"
        shapes.append(f'<g class="bin"><line x1="{at}" x2="{at}" y1="{y.at(each.low):.1f}" y2="{y.at(each.high):.1f}"/><circle cx="{at}" cy="{y.at(each.right):.1f}" r="5"/>{plots.titled(words)}</g>')
    plot = plots.square(shapes, ticks, ticks, "how sure it is", "how often it is right", f"calibration of {name} on its holdout; the table below has the figures", percent=True)
    rows = [[percent(each.confidence), percent(each.right), f"{percent(each.low)} to {percent(each.high)}", f"{each.rows:,}"] for each in bins]
    data = behind("The figures", table(f"{name}: confidence and right answers on the holdout", ["mean confidence", "right", "95 % interval", "rows"], rows, (1, 2, 3, 4)))
    return figure(headlines.calibration(bins), plot, key(("bin", "a tenth of the rows, with 95 % interval"), ("limit", "as sure as right")), data)


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def confused(matrix: Matrix | None, name: str) -> Markup:
    """A table whose cells are shaded by their share of the row."""
    if matrix is None:
        return Markup("")
    rows = []
    for true, line in zip(matrix.classes, matrix.counts):
        cells = [element("span", f"{count:,}", class_=f"{'hit' if true == said else 'miss'} s{shade(count, sum(line))}", title=f"{true} taken for {said}: {count:,} of {sum(line):,}")
                 for said, count in zip(matrix.classes, line)]
        rows.append([true, *cells, f"{sum(line):,}"])
    heads = ["truth ↓ · said →", *matrix.classes, "rows"]
    return element("div", element("p", headlines.confusion(matrix), class_="title"),
                   table(f"{name}: confusion matrix on its holdout", heads, rows, range(2, len(heads) + 1), "matrix"), class_="figure")


def shade(count: int, total: int) -> int:
    """0: none, 1 to 4 by the share of the row."""
    return 0 if not count else 1 + min(3, int(4 * count / total))


def residual(found: Residuals | None, name: str) -> Markup:
    if found is None:
        return Markup("")
    errors = sorted(error for _, error in found.points)
    x_ticks = nice_ticks(found.points[0][0], found.points[-1][0], 5)
    y_ticks = nice_ticks(min(errors[0], 0.0), max(errors[-1], 0.0), 5)
    x, y = plots.plane(x_ticks, y_ticks)
    shapes = [f'<line class="limit" x2="100%" y1="{y.at(0):.1f}" y2="{y.at(0):.1f}"/>']
    shapes.append(plots.cloud(found.points, x, y))
    plot = plots.square(shapes, x_ticks, y_ticks, "estimate", "truth − estimate", f"residuals of {name} on its holdout; the table below has the figures")
    rows = [[f"{number(low)} to {number(high)}", f"{count:,}", *(number(value) for value in quantiles)] for count, low, high, *quantiles in found.tenths]
    data = behind("The figures", table(f"{name}: truth − estimate on the holdout, by tenths of the estimates", ["estimates", "rows", "10 % point", "median", "90 % point"], rows, (1, 2, 3, 4, 5)))
    sampled = f"{len(found.points):,} of " if len(found.points) < found.rows else ""
    return figure(headlines.residuals(found), plot, key(("point", f"{sampled}{found.rows:,} rows of the holdout"), ("limit", "no error")), data)
