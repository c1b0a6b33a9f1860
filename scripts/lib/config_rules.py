"""What the values of model.toml may be: their types, choices and ranges, and names that must exist."""
import json
import re
import sys
from pathlib import Path

from lib.errors import UserError
from lib.names import nearest
from lib.settings import Column, Config, Drift

KINDS = {
    "str": (str, "a text in quotes"), "int": (int, "a whole number"), "float": ((int, float), "a number"), "bool": (bool, "true or false"),
    "dict": (dict, "a table"), "tuple[str, ...]": (tuple, "a list of texts"),
}
TASKS = ("classification", "regression")
COLUMN_TYPES = ("number", "integer", "category", "boolean", "text", "time")
REQUIREMENTS = ("not_worse", "better", "off")
SOURCES = ("csv", "sql", "sklearn", "command")
DRIFT_LIMITS = ("psi", "js", "wasserstein", "ks_p", "chi2_p")


def check(config: Config) -> None:
    """What no single key can tell: names that must exist, choices, ranges."""
    check_choice(config.task, TASKS, "task")
    check_choice(config.thresholds.require, REQUIREMENTS, "thresholds.require")
    for name, column in config.columns.items():
        check_column(name, column)
    for key in ("target", "id", "time"):
        name = getattr(config, key)
        if name is not None and name not in config.columns:
            raise UserError(f"`{key}` names the column {name!r}, which [columns] does not have.{nearest(name, config.columns)}")
    roles = [name for name in (config.target, config.id, config.time) if name]
    if len(set(roles)) < len(roles):
        raise UserError("target, id and time must be different columns.")
    check_roles(config)
    check_ranges(config)
    check_thresholds(config)
    check_loop(config)
    check_deploy(config)
    check_drift(config.drift)
    given = [key for key in SOURCES if getattr(config.data, key)]
    if len(given) > 1:
        raise UserError(f"[data] names more than one source ({', '.join(given)}). Keep one.")
    if bool(config.data.sql) != bool(config.data.database):
        raise UserError('[data] sql goes with database = "file.db", and the other way round.')
    for name in config.evaluate.slices:
        if name not in config.columns:
            raise UserError(f"`evaluate.slices` names the column {name!r}, which [columns] does not have.{nearest(name, config.columns)}")


def check_type(value, annotation, where: str) -> None:
    name = annotation if isinstance(annotation, str) else annotation.__name__ if annotation in (str, int, float, bool, dict) else str(annotation)
    kind, words = KINDS[name.removesuffix(" | None")]
    wrong_bool = isinstance(value, bool) and kind is not bool
    wrong_item = kind is tuple and isinstance(value, tuple) and not all(isinstance(item, str) for item in value)
    if not isinstance(value, kind) or wrong_bool or wrong_item:
        raise UserError(f"`{where}` must be {words}, not {shown(value)}.")
    if kind is int and abs(value) >= 1 << 63:
        raise UserError(f"`{where}` must be a whole number of at most 18 digits, not {shown(value)}.")
    if isinstance(value, (int, float)) and not abs(value) <= sys.float_info.max:
        raise UserError(f"`{where}` must be a finite number, not {shown(value)}.")


def shown(value) -> str:
    """A value in a message, cut where it is too long to help."""
    try:
        text = str(value) if isinstance(value, float) else json.dumps(value, default=str)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= 80 else text[:77] + "..."


def check_column(name: str, column: Column) -> None:
    check_choice(column.type, COLUMN_TYPES, f"columns.{name}.type")
    if not 0 <= column.nullable <= 1:
        raise UserError(f"`columns.{name}.nullable` is a share from 0 to 1, not {column.nullable}.")
    numeric = column.type in ("number", "integer")
    for key in ("min", "max", "mean_min", "mean_max"):
        if getattr(column, key) is not None and not numeric:
            raise UserError(f"`columns.{name}.{key}` is for number and integer columns, not for {column.type}.")
    for low, high in (("min", "max"), ("mean_min", "mean_max")):
        a, b = getattr(column, low), getattr(column, high)
        if a is not None and b is not None and a > b:
            raise UserError(f"`columns.{name}`: {low} = {a} is above {high} = {b}.")
    if column.values is not None and column.type not in ("category", "text"):
        raise UserError(f"`columns.{name}.values` is for category and text columns, not for {column.type}.")
    if column.format is not None and column.type != "time":
        raise UserError(f"`columns.{name}.format` is for time columns, not for {column.type}.")


def check_roles(config: Config) -> None:
    target = config.columns[config.target]
    if config.task == "regression" and target.type not in ("number", "integer"):
        raise UserError(f"the target {config.target!r} of a regression must be a number or integer column, not {target.type}.")
    if config.task == "classification" and target.type not in ("category", "boolean", "integer", "text"):
        raise UserError(f"the target {config.target!r} of a classification must be a category, boolean, integer or text column, not {target.type}.")
    if config.positive is not None and config.task == "regression":
        raise UserError("`positive` is for classification.")
    if config.time and config.columns[config.time].type != "time":
        raise UserError(f'`time` names the column {config.time!r}, whose type is {config.columns[config.time].type}. Give it type = "time".')
    if config.id and config.columns[config.id].nullable:
        raise UserError(f"the id {config.id!r} can't be nullable: a row without it can't be told from the others.")
    if target.nullable:
        raise UserError(f"the target {config.target!r} can't be nullable: a row without it teaches nothing.")
    if not config.features:
        raise UserError("[columns] has nothing to learn from beside the target, the id and the time.")


def check_ranges(config: Config) -> None:
    def within(value, low, high, where):
        if not low <= value <= high:
            raise UserError(f"`{where}` must be from {low} to {high}, not {value}.")

    within(config.train.holdout, 0.01, 0.9, "train.holdout")
    within(config.train.seed, 0, 2**32 - 1, "train.seed")
    within(config.evaluate.resamples, 100, 100_000, "evaluate.resamples")
    if config.thresholds.margin < 0:
        raise UserError(f"`thresholds.margin` can't be negative, and is {config.thresholds.margin}.")
    if config.search:
        within(config.search.trials, 1, 100_000, "search.trials")
        within(config.search.folds, 2, 100, "search.folds")
        check_space(config.search.space)


def check_space(space: dict) -> None:
    if not space:
        raise UserError("[search.space] is empty. Name a parameter, such as C = {low = 0.01, high = 100, log = true}.")
    for name, choice in space.items():
        where = f"search.space.{name}"
        if isinstance(choice, list) and choice:
            continue
        if not isinstance(choice, dict) or not {"low", "high"} <= choice.keys() <= {"low", "high", "log"}:
            raise UserError(f"`{where}` must be a list of values or {{low = …, high = …, log = true}}.")
        check_type(choice["low"], "float", f"{where}.low")
        check_type(choice["high"], "float", f"{where}.high")
        check_type(choice.get("log", False), "bool", f"{where}.log")
        if choice["low"] >= choice["high"] or choice.get("log") and choice["low"] <= 0:
            raise UserError(f"`{where}`: low must be below high, and above 0 where log = true.")


def check_thresholds(config: Config) -> None:
    for side in ("min", "max"):
        for metric, limit in getattr(config.thresholds, side).items():
            check_type(limit, "float", f"thresholds.{side}.{metric}")


def check_loop(config: Config) -> None:
    """[monitor] and [retrain]."""
    monitor, again = config.monitor, config.retrain
    check_choice(monitor.rule, ("sequential", "simple"), "monitor.rule")
    for where, text in (("monitor.matures", monitor.matures), ("retrain.cooldown", again.cooldown), ("retrain.every", again.every or "1d")):
        seconds(text, where)
    for where, window in (("monitor.window", monitor.window), *(("retrain.windows", window) for window in again.windows if window != "all")):
        check_window(window, where)
    if not again.windows:
        raise UserError('`retrain.windows` is empty; such as ["all", "3000"].')
    if config.task == "classification" and monitor.floor is not None and not 0 < monitor.floor < 1:
        raise UserError(f"`monitor.floor` is an accuracy between 0 and 1, not {monitor.floor}.")
    if config.task == "regression" and monitor.floor is not None and not monitor.floor > 0:
        raise UserError(f"`monitor.floor` is the largest mae of a regression, above 0, not {monitor.floor}.")
    for where, value in (("monitor.false_alarms_per_year", monitor.false_alarms_per_year), ("monitor.tolerance", monitor.tolerance), ("monitor.min_labels", monitor.min_labels)):
        if value <= 0:
            raise UserError(f"`{where}` must be above 0, not {value}.")
    if again.max_per_week < 0:
        raise UserError(f"`retrain.max_per_week` can't be negative, and is {again.max_per_week}.")


def check_today(config: Config) -> None:
    """What later scripts have come to ask: of model.toml as it is now, and not of one that was frozen into a version, which must go on loading."""
    spans = [window for window in config.retrain.windows if window != "all" and not window.isdecimal()]
    if spans and not config.time:
        raise UserError(f"`retrain.windows` names the span {spans[0]!r}, for which a model needs a `time` column. Name a number of rows.")


def check_deploy(config: Config) -> None:
    check_choice(config.deploy.approval, ("none", "signed"), "deploy.approval")
    signers = config.deploy.allowed_signers
    if config.deploy.approval == "signed" and not signers:
        raise UserError('`deploy.approval` = "signed" needs `deploy.allowed_signers`: the file, outside this repository, that lists who may sign.')
    if signers is not None and not Path(signers).is_absolute():
        raise UserError(f"`deploy.allowed_signers` must be an absolute path, outside this repository, not {signers!r}.")


def check_window(window: str, where: str) -> None:
    if re.fullmatch(r"0*[mhd]?|\d{10,}", window) and window or not window.isdecimal() and not seconds(window, where):
        raise UserError(f"`{where}` = {shown(window)} is no window: a number of rows, such as 3000, or a span of time, such as 24h or 7d.")


def check_drift(drift: Drift) -> None:
    if not re.search(r"\d", drift.window) and drift.window != "new":
        raise UserError(f'`drift.window` = {shown(drift.window)} is no window: "new" (the rows since the last check), a number of rows, such as "1000", or a span, such as "7d".')
    if drift.window != "new":
        check_window(drift.window, "drift.window")
    for where, value in (("drift.false_alarms_per_year", drift.false_alarms_per_year), ("drift.min_rows", drift.min_rows)):
        if value <= 0:
            raise UserError(f"`{where}` must be above 0, not {value}.")
    if drift.window.isdecimal() and int(drift.window) < drift.min_rows:
        raise UserError(f"`drift.window` = {drift.window} rows would never be judged: drift.min_rows is {drift.min_rows}.")
    for name, limit in drift.limits.items():
        if name not in DRIFT_LIMITS:
            raise UserError(f"`drift.limits.{name}` is no measure; it can be {', '.join(DRIFT_LIMITS)}.{nearest(name, DRIFT_LIMITS)}")
        check_type(limit, "float", f"drift.limits.{name}")
        if limit <= 0:
            raise UserError(f"`drift.limits.{name}` must be above 0, not {limit}.")


def seconds(text: str, where: str) -> int:
    """A span such as 30m, 24h or 7d."""
    found = re.fullmatch(r"(\d{1,5})([mhd])", text)
    if not found:
        raise UserError(f"`{where}` = {text!r} is not a span of time, such as 30m, 24h or 7d.")
    return int(found[1]) * {"m": 60, "h": 3600, "d": 86400}[found[2]]


def check_choice(value: str, choices: tuple[str, ...], where: str) -> None:
    if value not in choices:
        raise UserError(f"`{where}` is {value!r}; it can be {', '.join(choices)}.{nearest(value, choices)}")
