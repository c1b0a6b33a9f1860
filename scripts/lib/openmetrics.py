"""The figures for Prometheus, as text that is OpenMetrics 1.0 and the older Prometheus format at once.

node_exporter's textfile collector reads the older one: it knows no types `info`, `stateset` or `unknown`, refuses a whole file for one
timestamp, and takes a counter's `_total` for another metric. So everything is a gauge without timestamp. `# UNIT` and `# EOF` are
comments to it, and OpenMetrics asks for them. Labels are not called `job` or `instance`, which Prometheus sets itself.
"""
import math
from dataclasses import dataclass
from datetime import datetime

from lib.readings import Records
from lib.watched import Watched

PREFIX = "lean_mlops"


@dataclass(frozen=True)
class Family:
    """A metric of this name (without the prefix): (labels, value) of each sample. A unit is the end of the name."""

    name: str
    help: str
    samples: list[tuple[dict[str, str], float]]
    unit: str = ""


def text(families: list[Family]) -> str:
    """The families that have samples, and the line that says the file is whole."""
    lines = []
    for family in families:
        name = f"{PREFIX}_{family.name}"
        samples = [(labels, value) for labels, value in family.samples if value is not None and not math.isnan(value)]
        if samples:
            lines += [f"# TYPE {name} gauge", *([f"# UNIT {name} {family.unit}"] if family.unit else []), f"# HELP {name} {escaped_help(family.help)}"]
            lines += [f"{name}{braces(labels)} {number(value)}" for labels, value in samples]
    return "".join(f"{line}\n" for line in (*lines, "# EOF"))


def braces(labels: dict[str, str]) -> str:
    """Labels without a value are the same as absent ones."""
    inner = ",".join(f'{name}="{escaped(str(value))}"' for name, value in labels.items() if value not in (None, ""))
    return f"{{{inner}}}" if inner else ""


def escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def escaped_help(words: str) -> str:
    return words.replace("\\", "\\\\").replace("\n", "\\n")


def number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def samples(content: str) -> int:
    return sum(not line.startswith("#") for line in content.splitlines())


def seconds(time: str | None) -> float | None:
    """Since 1970."""
    return datetime.fromisoformat(time).timestamp() if time else None


def families(models: list[Watched], machine: Records, jobs: list, now: str) -> list[Family]:
    return [Family("report_timestamp_seconds", "When this file was written.", [({}, seconds(now))], "seconds"),
            *registry(models), *live(models), *drift(models), *alerts(models, machine), *of_jobs(jobs)]


def of_each(models: list[Watched], value) -> list[tuple[dict[str, str], float]]:
    """A sample for each model of which `value` knows one."""
    found = [({"model": model.name}, value(model)) for model in models]
    return [(labels, figure) for labels, figure in found if figure is not None]


def registry(models: list[Watched]) -> list[Family]:
    running = [model for model in models if model.records.live]
    return [
        Family("versions", "Versions registered.", of_each(models, lambda model: len(model.records.versions))),
        Family("deployments", "Times a version went live, rollbacks included.", of_each(models, lambda model: len(model.records.deployments))),
        Family("live_version", "Number of the version that is live; 0 if none is.", of_each(models, lambda model: model.records.live["version"] if model.records.live else 0)),
        Family("live_since_timestamp_seconds", "When the live version went live.", of_each(running, lambda model: seconds(model.records.live["since"])), "seconds"),
        *(Family(f"holdout_metric{end}", f"The live version's headline metric on its holdout{words}.",
                 [({"model": model.name, "metric": model.records.live["metric"]}, model.records.live[column]) for model in running])
          for end, words, column in (("", "", "value"), ("_low", ", lower end of its 95 % interval", "low"), ("_high", ", upper end of its 95 % interval", "high"))),
    ]


def live(models: list[Watched]) -> list[Family]:
    checked = [model for model in models if model.records.check]

    def of_check(column: str) -> list[tuple[dict[str, str], float]]:
        return [({"model": model.name, "metric": model.records.check["metric"]}, model.records.check[column]) for model in checked]

    return [
        Family("live_metric", "Accuracy or mean absolute error over the last days with outcomes, at the last check.", of_check("value")),
        Family("live_metric_low", "Lower end of its 95 % interval.", of_check("low")),
        Family("live_metric_high", "Upper end of its 95 % interval.", of_check("high")),
        Family("live_metric_floor", "The lowest accuracy or largest error that is healthy.", of_check("floor")),
        Family("matured_predictions", "Predictions of the live version that are old enough to be judged.", of_each(checked, lambda model: model.records.check["matured"])),
        Family("matured_labels", "Outcomes known for these.", of_each(checked, lambda model: model.records.check["labels"])),
        Family("check_verdict", "1 for the last check's verdict, 0 for the others.",
               [({"model": model.name, "verdict": verdict}, int(model.records.check["verdict"] == verdict)) for model in checked for verdict in ("healthy", "dropped", "unknown")]),
        Family("check_timestamp_seconds", "When the model was last checked.", of_each(checked, lambda model: seconds(model.records.check["time"])), "seconds"),
    ]


def drift(models: list[Watched]) -> list[Family]:
    compared = [model for model in models if model.records.drift]
    return [
        Family("drift_verdict", "1 for the verdict on the last window of rows, 0 for the others.",
               [({"model": model.name, "verdict": verdict}, int(model.records.drift["verdict"] == verdict)) for model in compared for verdict in ("ok", "drift", "quality")]),
        Family("drift_effect_ratio", "Of each column in the last window the largest effect, divided by the smallest that counts.",
               [({"model": model.name, "column": row["column"]}, row["times"]) for model in compared for row in model.records.drift_effects], "ratio"),
        Family("drift_found", "What was found in the last window, by column and measure: the size of the effect.",
               [({"model": model.name, **{name: row[name] for name in ("column", "measure", "verdict")}}, math.inf if row["value"] is None else row["value"])
                for model in compared for row in model.records.drift_found if row["window_id"] == model.records.drift["id"]]),
        Family("drift_columns", "Columns in which the last window found drift or spoiled data.",
               of_each(compared, lambda model: len({row["column"] for row in model.records.drift_found if row["window_id"] == model.records.drift["id"] and row["verdict"] in ("drift", "quality")}))),
        Family("drift_rows", "Rows in the last window.", of_each(compared, lambda model: model.records.drift["rows"])),
        Family("drift_timestamp_seconds", "When the last window was compared.", of_each(compared, lambda model: seconds(model.records.drift["time"])), "seconds"),
    ]


def alerts(models: list[Watched], machine: Records) -> list[Family]:
    """machine: what is on record of no one model, such as cron's jobs."""
    return [
        Family("open_alerts", "Alerts that are open.", of_each(models, lambda model: len(model.records.open_alerts))),
        Family("open_job_alerts", "Alerts about jobs over all models that are open.", [({}, len(machine.open_alerts))]),
        Family("open_alert_raised_timestamp_seconds", "When each open alert was raised.",
               [({"model": model.name, "kind": row["kind"]}, seconds(row["raised"])) for model in models for row in model.records.open_alerts]
               + [({"kind": row["kind"]}, seconds(row["raised"])) for row in machine.open_alerts], "seconds"),
    ]


def of_jobs(jobs: list) -> list[Family]:
    return [
        Family("last_success_timestamp_seconds", "When the script last ended with an answer (exit code 0 or 3).",
               [({"script": row["script"]}, seconds(row["success"])) for row in jobs if row["success"]], "seconds"),
        Family("last_failure_timestamp_seconds", "When the script last failed or was killed.",
               [({"script": row["script"]}, seconds(row["failure"])) for row in jobs if row["failure"]], "seconds"),
        Family("failed_runs_last_day", "Runs of the script that failed or were killed, started within 24 hours.",
               [({"script": row["script"]}, row["failed_lately"]) for row in jobs]),
    ]
