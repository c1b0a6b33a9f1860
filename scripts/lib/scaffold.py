"""A first model.toml from a CSV: what its columns seem to be, and thresholds that the simplest model sets."""
import json
import math
import re

import numpy as np
import pandas as pd

from lib import validation
from lib.config import Column
from lib.errors import UserError

FEW_VALUES = 20  # at most so many distinct values make a text column categories, whatever the number of rows
SHARE_OF_VALUES = 0.05  # or so small a share of the rows
MOST_CLASSES = 50
SMALL = 1000  # rows; below it a linear model is the safer start
YES, NO = ({"1", "true", "yes", "y", "t", "on", "positive", "pos"}, {"0", "-1", "false", "no", "n", "f", "off", "negative", "neg"})
BIRTH = re.compile(r"birth|born|dob", re.I)  # a time in the row's life, not the time of the row


def infer(texts: pd.DataFrame, target: str, id_column: str | None, time_column: str | None) -> dict:
    """texts: the CSV's cells as text. id_column, time_column: None for what looks like one, "" for none. Returns task, columns, id, time.

    UserError where the target can't be one.
    """
    columns = {name: infer_column(texts[name].tolist()) for name in texts}
    id_column = likely_id(texts, columns, target) if id_column is None else id_column
    time_column = likely_time(columns, target) if time_column is None else time_column
    if time_column and columns[time_column]["type"] != "time":
        raise UserError(f"TIME={time_column}: its values are no times, such as 2026-05-01 or 2026-05-01T13:30:00Z.")
    if id_column:
        if (texts[id_column] == "").any():
            raise UserError(f"ID={id_column}: {(texts[id_column] == '').sum()} rows have none.")
        if texts[id_column].duplicated().any():
            raise UserError(f"ID={id_column}: {texts[id_column][texts[id_column].duplicated()].iloc[0]!r} names more than one row.")
        columns[id_column] = {"type": "text"}
    task = infer_task(texts[target], columns[target])
    answer = columns[target]
    if task == "classification" and answer["type"] == "number":
        raise UserError(f"TARGET={target} can't be told from numbers; write its classes as whole numbers or words.")
    if answer.get("nullable"):
        raise UserError(f"TARGET={target}: {texts[target].isin(validation.missing_words(answer['type'])).sum()} rows have no value. Leave them out: a row without it teaches nothing.")
    if task == "classification" and answer["type"] in ("text", "boolean"):  # the predictions then speak as the file does
        answer = {"type": "category", "values": sorted(texts[target].unique())}
    if task == "regression":  # whole numbers so far, by chance or by rounding
        answer = {**answer, "type": "number"}
    if task == "classification":
        answer = {key: value for key, value in answer.items() if key not in ("min", "max")}
    columns[target] = answer
    return {"task": task, "columns": columns, "id": id_column or None, "time": time_column or None}


def infer_column(texts: list[str]) -> dict:
    """The narrowest type that all values fit, with its range or values and the share that may be missing."""
    coded = any(len(text) > 1 and text[0] == "0" and text.isdecimal() for text in texts)  # 00123 is a code, not a number
    for kind in ("integer", "number", "boolean", "time")[2 * coded:]:
        missing = np.array([text in validation.missing_words(kind) for text in texts])
        if missing.all():
            break
        values, bad = validation.convert(texts, missing, Column(kind))
        if not bad:
            return {"type": kind, **nullable(missing), **(span(values) if kind in ("integer", "number") else {})}
    missing = np.array([text == "" for text in texts])
    distinct = sorted({text for text in texts if text})
    if len(distinct) <= max(FEW_VALUES, min(200, SHARE_OF_VALUES * len(texts))) and len(distinct) < len(texts):
        return {"type": "category", **nullable(missing), **({"values": distinct} if len(distinct) <= FEW_VALUES else {})}
    return {"type": "text", **nullable(missing)}


def nullable(missing: np.ndarray) -> dict:
    """Twice the share seen, so that an ordinary file passes and a broken export does not."""
    share = missing.mean()
    return {"nullable": min(1.0, math.ceil(share * 2 * 100) / 100)} if share else {}


def span(values: np.ndarray) -> dict:
    """The range seen, widened by its own width: a new extreme passes, a wrong unit does not. Zero stays a floor where it was one."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    width = high - low or abs(high) or 1.0
    if not abs(low) + abs(high) + width < 1e300:
        return {}
    return {"min": 0.0 if low >= 0 else tidy(low - width, math.floor), "max": 0.0 if high <= 0 and low < 0 else tidy(high + width, math.ceil)}


def tidy(value: float, direction) -> float:
    """Two digits are enough for a limit."""
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1) if value else 1.0
    return float(f"{direction(value / step) * step:.6g}")


def likely_id(texts: pd.DataFrame, columns: dict, target: str) -> str | None:
    named = [name for name in texts if name != target and re.search(r"(^|_)(id|uuid|key)$", name, re.I)]
    return next((name for name in named if texts[name].is_unique and not columns[name].get("nullable")), None)


def likely_time(columns: dict, target: str) -> str | None:
    found = [name for name, column in columns.items() if column["type"] == "time" and name != target]
    others = [name for name, column in columns.items() if name != target and column["type"] not in ("time", "text")]
    return found[0] if len(found) == 1 and others and not BIRTH.search(found[0]) else None


def infer_task(texts: pd.Series, column: dict) -> str:
    distinct = texts.nunique()
    if distinct < 2:
        raise UserError(f"TARGET={texts.name} has one value only ({texts.iloc[0]!r}); there is nothing to predict.")
    if column["type"] == "number" or column["type"] == "integer" and distinct > FEW_VALUES:
        return "regression"
    if column["type"] == "time" or distinct > MOST_CLASSES:
        raise UserError(f"TARGET={texts.name} has {distinct} different values of type {column['type']}; a target is a number, or one of at most {MOST_CLASSES} classes.")
    return "classification"


def write(found: dict, texts: pd.DataFrame, target: str, separator: str) -> str:
    """model.toml, with a short word on each key."""
    classification = found["task"] == "classification"
    rows = len(texts)
    estimator = {(True, True): "sklearn.linear_model.LogisticRegression", (True, False): "sklearn.ensemble.HistGradientBoostingClassifier",
                 (False, True): "sklearn.linear_model.Ridge", (False, False): "sklearn.ensemble.HistGradientBoostingRegressor"}[classification, rows < SMALL]
    metric, limit, baseline = threshold(found["task"], texts[target])
    lines = [
        ('description = ""', "what the model is for, in words"),
        (f'task = "{found["task"]}"', "or " + ('"regression"' if classification else '"classification"')),
        (f"target = {quoted(target)}", "the column to predict"),
        *([(f"positive = {quoted(positive(texts[target], found['columns'][target]))}", "what precision, recall and f1 are about; the score is its probability")] if classification and texts[target].nunique() == 2 else []),
        (f'metric = "{metric}"', "the headline: what search, leaderboard and the comparison with production go by"),
        *([(f"id = {quoted(found['id'])}", "names a row, so that its true outcome can be matched later")] if found["id"] else []),
        *([(f"time = {quoted(found['time'])}", "when a row was: the newest rows are the holdout")] if found["time"] else []),
        ("", ""), ("[data]", "where `make ingest` without CSV= gets rows"),
        ('# csv = "incoming/*.csv"', 'or: sql = "select …" with database = "file.db"; or: command = "a program that prints CSV"'),
        *([(f"separator = {quoted(separator)}", "")] if separator != "," else []),
        ("", ""), ("[train]", ""),
        (f'estimator = "{estimator}"', "any scikit-learn estimator"),
        (f"params = {{{'max_iter = 1000' if estimator.endswith('LogisticRegression') else ''}}}", "its parameters, such as {max_depth = 3}"),
        ("seed = 0", "the same rows and seed give the same model"),
        ("holdout = 0.2", "share of rows that only examine; a row never moves from training into it"),
        ("refit = false", "true: after the gates have passed, fit once more on all rows"),
        ("", ""), ("[thresholds]", "a model that misses one is not registered"),
        (f"{'min' if classification else 'max'} = {{{metric} = {limit:g}}}", f"as good as {baseline}"),
        ('require = "not_worse"', 'than the live model, on the same rows; or "better", "off"'),
        ("margin = 0.0", "a difference that does not matter"),
        ("", ""), ("[drift]", "`make drift`: the rows that it scores, beside those it learnt from"),
        ('window = "new"', 'since the last check; or a number of rows ("1000"), or a span ("7d")'),
        ("false_alarms_per_year = 0.5", "of a check an hour"),
        ("stop = true", "spoiled rows (another unit, a new category) forbid a retraining until a person has accepted them"),
        ("retrain = false", "true: drift alone is a reason to retrain, once there are labels"),
        ("", ""), ("[columns]", "what a row must look like to be taken in"),
        *((f"{key(column)} = {inline(spec)}", "") for column, spec in found["columns"].items()),
    ]
    return "".join((f"{text:<38}  # {words}" if words and text else text).rstrip() + "\n" for text, words in lines)


def threshold(task: str, answers: pd.Series) -> tuple[str, float, str]:
    """Headline metric, its limit, and whose result that is: always the commonest class, or always the mean."""
    if task == "classification":
        share = answers.value_counts(normalize=True)
        return "accuracy", math.floor(share.iloc[0] * 1000) / 1000, f"always saying {share.index[0]!r}"
    values = answers.astype(float)
    error = float((values - values.mean()).abs().mean())
    return "mae", float(f"{error:.4g}"), f"always saying the mean, {values.mean():.4g}"


def positive(answers: pd.Series, column: dict) -> str:
    """Of two classes the one that says yes to the other's no; else the rarer, which is what one looks for."""
    *_, common, rarer = (str(int(float(name))) if column["type"] == "integer" else name for name in answers.value_counts().index)
    return common if common.casefold() in YES and rarer.casefold() in NO else rarer


def key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)


def quoted(text: str) -> str:
    """TOML's basic string; JSON's escapes are a part of them."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def inline(spec: dict) -> str:
    def value(item):
        if isinstance(item, str):
            return quoted(item)
        if isinstance(item, list):
            return f"[{', '.join(map(quoted, item))}]"
        return f"{item:g}" if abs(item) < 1e6 else repr(int(item)) if item == int(item) and abs(item) < 2**53 else repr(item)
    return "{" + ", ".join(f"{name} = {value(item)}" for name, item in spec.items()) + "}"
