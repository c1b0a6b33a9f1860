"""model.toml read: every key, with the nearest right one for a wrong one. What its values may be is in config_rules."""
import tomllib
from pathlib import Path

from lib.config_rules import check, check_today, check_type, seconds, shown  # noqa: F401: a span in a config is config.seconds to others
from lib.errors import UserError
from lib.settings import Column, Config, Deploy, Drift, Evaluate, Monitor, Retrain, Search, Source, Thresholds, Train

# What changes a trained model; the rest of model.toml may change without a new version.
TRAINING_SECTIONS = ("task", "target", "positive", "metric", "id", "time", "columns", "train", "search", "evaluate", "thresholds")


def load(path: Path, content: bytes | None = None) -> Config:
    """The model described by the file; UserError names the file and the key. content: what it holds, where that has been read already."""
    try:
        found = parse((path.read_bytes() if content is None else content).decode())
        check_today(found)
        return found
    except FileNotFoundError:
        if path.with_name("production").is_symlink():
            raise UserError(f"{path} is not there, and a version of the model is live. Does another branch have it? Go back to that, or bring it back here: make restore MODEL={path.parent.name}") from None
        raise UserError(f"{path} is not there. Make it with: make new MODEL=name CSV=rows.csv TARGET=column") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}.") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def parse(text: str) -> Config:
    """The model described by TOML text, which may be that of an old version; UserError names the key."""
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, or a number of thousands of digits
        raise UserError(f"not valid TOML: {error}.") from None
    check_keys(raw, Config, "")
    for key in ("task", "target", "columns", "train"):
        if key not in raw:
            raise UserError(f"`{key}` is missing.")
    sections = {
        "columns": {name: parse_section(Column, column, f"columns.{name}") for name, column in parse_table(raw["columns"], "columns").items()},
        "train": parse_section(Train, raw["train"], "train"),
        "data": parse_section(Source, raw.get("data", {}), "data"),
        "search": parse_section(Search, raw["search"], "search") if "search" in raw else None,
        "evaluate": parse_section(Evaluate, raw.get("evaluate", {}), "evaluate"),
        "thresholds": parse_section(Thresholds, raw.get("thresholds", {}), "thresholds"),
        "monitor": parse_section(Monitor, raw.get("monitor", {}), "monitor"),
        "retrain": parse_section(Retrain, raw.get("retrain", {}), "retrain"),
        "deploy": parse_section(Deploy, raw.get("deploy", {}), "deploy"),
        "drift": parse_section(Drift, raw.get("drift", {}), "drift"),
    }
    for key in raw.keys() - sections.keys():
        check_type(raw[key], Config.__annotations__[key], key)
    config = Config(**{"metric": default_metric(raw), **raw, **sections})
    check(config)
    return config


def default_metric(raw: dict) -> str:
    return "mae" if raw["task"] == "regression" else "accuracy"


def parse_table(raw, where: str) -> dict:
    if not isinstance(raw, dict):
        raise UserError(f"[{where}] must be a table, not {repr(raw) if isinstance(raw, str) else shown(raw)}.")
    return raw


def parse_section(cls, raw, where: str):
    """One table of model.toml as its dataclass; wrong keys and types are named."""
    parse_table(raw, where)
    check_keys(raw, cls, where)
    values = dict(raw)
    if cls is Column and isinstance(values.get("nullable"), bool):
        values["nullable"] = float(values["nullable"])
    if cls is Column and "values" in values and isinstance(values["values"], list):
        values["values"] = tuple(value if isinstance(value, str) else shown(value) for value in values["values"])
    for name in values:
        if isinstance(values[name], list):
            values[name] = tuple(values[name])
        check_type(values[name], cls.__annotations__[name], f"{where}.{name}")
    for name in cls.FIELDS:
        if name not in values and name not in cls.DEFAULTS:
            raise UserError(f"`{where}.{name}` is missing.")
    return cls(**values)


def check_keys(raw: dict, cls, where: str) -> None:
    for key in raw:
        if key not in cls.FIELDS:
            import difflib
            near = difflib.get_close_matches(key, cls.FIELDS, 1, 0.5)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(cls.FIELDS)}."
            raise UserError(f"unknown key `{where + '.' if where else ''}{key}`. {hint}")


def training_view(content: bytes) -> dict:
    """What of model.toml decides how training comes out, as plain nested dicts."""
    raw = tomllib.loads(content.decode())
    return {key: raw[key] for key in TRAINING_SECTIONS if key in raw}
