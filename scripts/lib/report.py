"""The report: an overview of all models, then a section for each, as one HTML file that needs nothing else to be read."""
from pathlib import Path
from string import Template

from lib import headlines, report_drift, report_live, report_runs, report_versions, watched
from lib.markup import Markup, element, empty, html, joined, table, two
from lib.names import plural
from lib.readings import Records
from lib.report_runs import minute
from lib.scales import day_words
from lib.scales import figure as number
from lib.watched import Watched

PAGE = Path(__file__).with_name("report.html")
COLUMNS = 12  # of a table, that can be set flush right


def page(root: Path, models: list[Watched], machine: Records | None, now: str, where: str, done) -> str:
    """The whole page. machine: what is on record of runs that name no model; None: leave it out. where: the host and folder. done: called with the number of models that are finished."""
    year = int(now[:4])
    content = [overview(models, year)]
    for count, model in enumerate(models, start=1):
        content.append(section(model, root, year, len(models) == 1))
        done(count)
    if machine and machine.weeks:
        content.append(everything_else(machine, year))
    one = models[0].name if len(models) == 1 and machine is None else ""
    title = f"{one or 'Models'} · {day_words(now, None)} {year}"
    return Template(PAGE.read_text(encoding="utf-8")).substitute(
        title=html(title), aligned=aligned(), heading=html(f"How {one} does" if one else "How the models do"), lead=html(" ".join([lead(models), *failing(machine)])),
        written=html(f"Written {minute(now)} UTC on {where}"), content=joined(content))


def aligned() -> str:
    """Style rules for the columns of numbers: shorter than a class on every cell."""
    return "\n".join(f".n{column} td:nth-child({column}), .n{column} thead th:nth-child({column}) {{ text-align: right }}" for column in range(1, COLUMNS + 1)) + \
        "\n" + ", ".join(f".matrix.n{column} td:nth-child({column})" for column in range(1, COLUMNS + 1)) + " { text-align: right }"


def lead(models: list[Watched]) -> str:
    """What there is to know in one sentence."""
    if not models:
        return "There is no model yet. Make one with: make new MODEL=name CSV=rows.csv TARGET=column"
    troubled = [model.name for model in models if state(model)[0] == "bad"]
    live = sum(1 for model in models if model.records.live)
    count = f"{plural(len(models), 'model')}, {live or 'none'} live" if len(models) > 1 else capital(state(models[0])[1])
    if len(models) == 1:
        return count
    return f"{count}. {headlines.some(troubled, 5)} {'needs' if len(troubled) == 1 else 'need'} a look." if troubled else f"{count}. None needs a look."


def failing(machine: Records | None) -> list[str]:
    """The jobs of cron's that need a look."""
    kinds = [row["kind"] for row in machine.open_alerts] if machine else []
    return [f"Of cron's jobs: {', '.join(kinds)}, see the end of the page."] if kinds else []


def state(model: Watched) -> tuple[str, str]:
    """(good, bad or empty; in words) what matters most about a model now."""
    records = model.records
    kinds = [row["kind"] for row in records.open_alerts]
    if model.problem:
        return "bad", "its model.toml can't be read"
    if model.forgotten:
        return "bad", "its records are lost"
    if not records.live:
        return ("bad", f"nothing is live; alert: {', '.join(kinds)}") if kinds else ("", "nothing is live")
    if records.check and records.check["verdict"] == "dropped":
        return "bad", "accuracy too low" if model.metric == "accuracy" else "mean error too high"
    if kinds:
        return "bad", f"alert: {', '.join(kinds)}"
    if records.drift and records.drift["verdict"] != "ok" and not records.drift["accepted"]:
        return "bad", "drift" if records.drift["verdict"] == "drift" else "spoiled data"
    if not records.check:
        return "", "live, not checked yet"
    if records.check["verdict"] == "unknown":
        return "", "live, too few outcomes to judge"
    return "good", "healthy"


def capital(words: str) -> str:
    return words[:1].upper() + words[1:]


SIGNS = {"good": "●", "bad": "▲", "": "○"}


def overview(models: list[Watched], year: int) -> Markup:
    if not models:
        return Markup("")
    rows = [overview_row(model, year) for model in sorted(models, key=lambda model: ("bad", "", "good").index(state(model)[0]))]
    heads = ["model", "state", "live version", "at training", "live", "drift", "last check", "open alerts"]
    caption = "All models, those that need a look first" if len(models) > 1 else f"{models[0].name} at a glance"
    return element("section", element("h2", "Overview"), table(caption, heads, rows, kind="overview"), aria_label="Overview", id="overview")


def overview_row(model: Watched, year: int) -> list:
    records, (kind, words) = model.records, state(model)
    live, check = records.live, records.check
    return [element("a", model.name, href=f"#m-{model.name}"), element("span", f"{SIGNS[kind]} {words}", class_=kind or "soft"),
            two(f"v{live['version']}", f"since {day_words(live['since'], year)}") if live else "–",
            two(f"{live['metric']} {number(live['value'])}", f"{number(live['low'])} to {number(live['high'])}") if live else "–",
            two(f"{check['metric']} {number(check['value'])}", f"{number(check['low'])} to {number(check['high'])}, {check['labels']:,} outcomes") if check and check["value"] is not None else "–",
            two({"ok": "none", "drift": "drift", "quality": "spoiled data"}[records.drift["verdict"]], day_words(records.drift["time"], year)) if records.drift else "–",
            two(check["verdict"], minute(check["time"])) if check else "–", str(len(records.open_alerts) or "–")]


def section(model: Watched, root: Path, year: int, alone: bool) -> Markup:
    live = model.records.live
    found, baseline, problem = watched.live_files(root, live) if live else (None, {}, "")
    kind, words = state(model)
    since = f"v{live['version']} is live since {minute(live['since'])}" if live else ""
    parts = [element("h2", model.name, id=f"h-{model.name}"), element("p", f"{SIGNS[kind]} {capital(words)}" + (f" · {since}" if since else ""), class_=f"state {kind}".strip())]
    if model.problem:
        parts.append(empty(model.problem))
    elif model.conf.description:
        parts.append(element("p", model.conf.description, class_="soft"))
    parts += [report_live.section(model, year), report_drift.section(model, root, baseline, year), report_versions.section(model, found, problem),
              report_runs.section(model.records, model.name, year), element("p", element("a", "Back to the overview", href="#overview"), class_="back note")]
    return element("section", *parts, class_="model only" if alone else "model", id=f"m-{model.name}", aria_labelledby=f"h-{model.name}")


def everything_else(machine: Records, year: int) -> Markup:
    """Jobs over all models, and what was typed without naming one."""
    alerts = [element("h3", "Alerts"), report_runs.alerts(machine, "cron's jobs"), element("h3", "Runs")] if machine.alerts else []
    return element("section", element("h2", "Runs that name no model", id="h-machine"), element("p", "Jobs over all models, such as cron's, and commands whose model is not known.", class_="soft"),
                   *alerts, report_runs.failures(machine, "all models", year), report_runs.spent(machine, "all models"), class_="model", aria_labelledby="h-machine")
