"""model.toml: each wrong key, type and value told in one line, and nothing else ever raised."""
import random
from pathlib import Path

import pytest

from lib import config, fingerprints
from lib.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = sorted((ROOT / "models").glob("*/model.toml"))
FULL = """\
description = "who leaves"
sample = false
task = "classification"
target = "churned"
positive = "yes"
metric = "accuracy"
id = "customer"
time = "day"
[data]
csv = "incoming/*.csv"
separator = ";"
[train]
estimator = "sklearn.linear_model.LogisticRegression"
params = {C = 1.0}
seed = 0
holdout = 0.2
refit = false
[search]
trials = 20
folds = 5
space = {C = {low = 0.01, high = 100.0, log = true}, penalty = ["l1", "l2"]}
[evaluate]
metrics = ["accuracy", "f1"]
slices = ["plan"]
resamples = 1000
[thresholds]
min = {accuracy = 0.8}
max = {log_loss = 0.7}
require = "not_worse"
margin = 0.0
[monitor]
rule = "simple"
floor = 0.75
tolerance = 0.04
false_alarms_per_year = 1.5
window = "48h"
min_labels = 40
matures = "2d"
[retrain]
every = "7d"
windows = ["all", "3000", "90d"]
cooldown = "12h"
max_per_week = 3
auto_rollback = false
[drift]
window = "500"
false_alarms_per_year = 2
min_rows = 50
limits = {psi = 0.25, ks_p = 0.01}
stop = false
retrain = true
[columns]
churned = {type = "category", values = ["yes", "no"]}
customer = {type = "text", unique = true}
day = {type = "time", format = "%Y-%m-%d"}
plan = {type = "category"}
spent = {type = "number", nullable = 0.1, min = 0, max = 10, mean_min = 1, mean_max = 9}
"""
COLUMN_KEYS = "type, nullable, min, max, values, unique, mean_min, mean_max, format"


def changed(old: str, new: str) -> str:
    assert FULL.count(old) == 1, old
    return FULL.replace(old, new)


def test_every_key_of_a_full_model_toml_arrives_in_its_place():
    made = config.parse(FULL)
    assert (made.task, made.target, made.positive, made.metric, made.id, made.time) == ("classification", "churned", "yes", "accuracy", "customer", "day")
    assert made.data == config.Source(csv="incoming/*.csv", separator=";")
    assert made.train == config.Train("sklearn.linear_model.LogisticRegression", {"C": 1.0}, 0, 0.2, False)
    assert made.search == config.Search({"C": {"low": 0.01, "high": 100.0, "log": True}, "penalty": ["l1", "l2"]}, 20, 5)
    assert made.evaluate == config.Evaluate(("accuracy", "f1"), ("plan",), 1000)
    assert made.thresholds == config.Thresholds({"accuracy": 0.8}, {"log_loss": 0.7}, "not_worse", 0.0)
    assert made.monitor == config.Monitor("simple", 0.75, 0.04, 1.5, "48h", 40, "2d")
    assert made.retrain == config.Retrain("7d", ("all", "3000", "90d"), "12h", 3, False)
    assert made.drift == config.Drift("500", 2, 50, {"psi": 0.25, "ks_p": 0.01}, False, True)
    assert made.columns["churned"] == config.Column("category", values=("yes", "no"))
    assert made.columns["spent"] == config.Column("number", nullable=0.1, min=0, max=10, mean_min=1, mean_max=9)
    assert made.features == ("plan", "spent")


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.parent.name)
def test_the_sample_models_parse(path):
    made = config.load(path)
    assert made.sample and made.target in made.columns and made.data.sklearn
    assert not any(line.startswith("version https://git-lfs") for line in path.read_text().splitlines())


def test_both_sample_models_are_there():
    assert [path.parent.name for path in SAMPLES] == ["cancer", "diabetes"]


@pytest.mark.parametrize("task, metric", [("classification", "accuracy"), ("regression", "mae")])
def test_without_a_metric_the_task_decides(task, metric):
    assert config.parse(f'task = "{task}"\ntarget = "y"\n[train]\nestimator = "e"\n[columns]\ny = {{type = "integer"}}\nx = {{type = "number"}}\n').metric == metric


@pytest.mark.parametrize("old, new, message", [
    ('task = "c', 'tsk = "c', "unknown key `tsk`. Did you mean `task`?"),
    ('target = "churned"', 'taget = "churned"', "unknown key `taget`. Did you mean `target`?"),
    ("[thresholds]", "[threshold]", "unknown key `threshold`. Did you mean `thresholds`?"),
    ("seed = 0", "sed = 0", "unknown key `train.sed`. Did you mean `seed`?"),
    ("trials = 20", "trails = 20", "unknown key `search.trails`. Did you mean `trials`?"),
    ("folds = 5", "zzz = 5", "unknown key `search.zzz`. Known here: space, trials, folds."),
    ('require = "not_worse"', 'requires = "not_worse"', "unknown key `thresholds.requires`. Did you mean `require`?"),
    ("resamples = 1000", "resample = 1000", "unknown key `evaluate.resample`. Did you mean `resamples`?"),
    ('separator = ";"', 'seperator = ";"', "unknown key `data.seperator`. Did you mean `separator`?"),
    ("[monitor]", "[moniter]", "unknown key `moniter`. Did you mean `monitor`?"),
    ("[retrain]", "[retrian]", "unknown key `retrian`. Did you mean `retrain`?"),
    ("tolerance = 0.04", "tolerence = 0.04", "unknown key `monitor.tolerence`. Did you mean `tolerance`?"),
    ("min_labels = 40", "labels = 40", "unknown key `monitor.labels`. Did you mean `min_labels`?"),
    ("floor = 0.75", "zzz = 0.75", "unknown key `monitor.zzz`. Known here: rule, floor, tolerance, false_alarms_per_year, window, min_labels, matures."),
    ('cooldown = "12h"', 'cool_down = "12h"', "unknown key `retrain.cool_down`. Did you mean `cooldown`?"),
    ('every = "7d"', 'zzz = "7d"', "unknown key `retrain.zzz`. Known here: every, windows, cooldown, max_per_week, auto_rollback."),
    ("[drift]", "[drfit]", "unknown key `drfit`. Did you mean `drift`?"),
    ("min_rows = 50", "min_row = 50", "unknown key `drift.min_row`. Did you mean `min_rows`?"),
    ("stop = false", "zzz = false", "unknown key `drift.zzz`. Known here: window, false_alarms_per_year, min_rows, limits, stop, retrain."),
    ("nullable = 0.1", "nulable = 0.1", "unknown key `columns.spent.nulable`. Did you mean `nullable`?"),
    ("nullable = 0.1", "wxyz = 0.1", f"unknown key `columns.spent.wxyz`. Known here: {COLUMN_KEYS}."),
])
def test_a_wrong_key_is_named_with_the_nearest_right_one(old, new, message):
    with pytest.raises(UserError) as error:
        config.parse(changed(old, new))
    assert str(error.value) == message


@pytest.mark.parametrize("old, new, message", [
    ('task = "classification"\n', "", "`task` is missing."),
    ('target = "churned"\n', "", "`target` is missing."),
    ('estimator = "sklearn.linear_model.LogisticRegression"\n', "", "`train.estimator` is missing."),
    ('space = {C = {low = 0.01, high = 100.0, log = true}, penalty = ["l1", "l2"]}\n', "", "`search.space` is missing."),
    ('plan = {type = "category"}', "plan = {}", "`columns.plan.type` is missing."),
])
def test_a_missing_key_is_named(old, new, message):
    with pytest.raises(UserError) as error:
        config.parse(changed(old, new))
    assert str(error.value) == message


@pytest.mark.parametrize("section", ["columns", "train"])
def test_a_missing_section_is_named(section):
    head, _, tail = FULL.partition(f"[{section}]\n")
    rest = tail[tail.find("\n[") + 1:] if "\n[" in tail else ""
    with pytest.raises(UserError) as error:
        config.parse(head + rest)
    assert str(error.value) == f"`{section}` is missing."


@pytest.mark.parametrize("old, new, message", [
    ("sample = false", "sample = 1", "`sample` must be true or false, not 1."),
    ('target = "churned"', "target = 3", "`target` must be a text in quotes, not 3."),
    ('id = "customer"', 'id = ["customer"]', '`id` must be a text in quotes, not ["customer"].'),
    ("seed = 0", 'seed = "0"', '`train.seed` must be a whole number, not "0".'),
    ("seed = 0", "seed = 0.5", "`train.seed` must be a whole number, not 0.5."),
    ("seed = 0", "seed = true", "`train.seed` must be a whole number, not true."),
    ("holdout = 0.2", "holdout = true", "`train.holdout` must be a number, not true."),
    ("holdout = 0.2", "holdout = nan", "`train.holdout` must be a finite number, not nan."),
    ("holdout = 0.2", "holdout = 2026-01-01", '`train.holdout` must be a number, not "2026-01-01".'),
    ("params = {C = 1.0}", "params = 1.0", "`train.params` must be a table, not 1.0."),
    ("refit = false", 'refit = "no"', '`train.refit` must be true or false, not "no".'),
    ("min = {accuracy = 0.8}", 'min = {accuracy = "0.8"}', '`thresholds.min.accuracy` must be a number, not "0.8".'),
    ("max = {log_loss = 0.7}", "max = {log_loss = inf}", "`thresholds.max.log_loss` must be a finite number, not inf."),
    ("margin = 0.0", "margin = -inf", "`thresholds.margin` must be a finite number, not -inf."),
    ('metrics = ["accuracy", "f1"]', 'metrics = "f1"', '`evaluate.metrics` must be a list of texts, not "f1".'),
    ('metrics = ["accuracy", "f1"]', 'metrics = ["f1", 1]', '`evaluate.metrics` must be a list of texts, not ["f1", 1].'),
    ('rule = "simple"', "rule = 1", "`monitor.rule` must be a text in quotes, not 1."),
    ("floor = 0.75", 'floor = "0.75"', '`monitor.floor` must be a number, not "0.75".'),
    ("floor = 0.75", "floor = nan", "`monitor.floor` must be a finite number, not nan."),
    ("tolerance = 0.04", "tolerance = true", "`monitor.tolerance` must be a number, not true."),
    ("false_alarms_per_year = 1.5", "false_alarms_per_year = inf", "`monitor.false_alarms_per_year` must be a finite number, not inf."),
    ('window = "48h"', "window = 48", "`monitor.window` must be a text in quotes, not 48."),
    ("min_labels = 40", "min_labels = 40.5", "`monitor.min_labels` must be a whole number, not 40.5."),
    ('matures = "2d"', "matures = 2", "`monitor.matures` must be a text in quotes, not 2."),
    ('every = "7d"', "every = 7", "`retrain.every` must be a text in quotes, not 7."),
    ('windows = ["all", "3000", "90d"]', 'windows = "all"', '`retrain.windows` must be a list of texts, not "all".'),
    ('windows = ["all", "3000", "90d"]', 'windows = ["all", 3000]', '`retrain.windows` must be a list of texts, not ["all", 3000].'),
    ("max_per_week = 3", 'max_per_week = "3"', '`retrain.max_per_week` must be a whole number, not "3".'),
    ("auto_rollback = false", "auto_rollback = 0", "`retrain.auto_rollback` must be true or false, not 0."),
    ('values = ["yes", "no"]', 'values = "yes"', '`columns.churned.values` must be a list of texts, not "yes".'),
    ("nullable = 0.1", 'nullable = "some"', '`columns.spent.nullable` must be a number, not "some".'),
    ("unique = true", "unique = 1", "`columns.customer.unique` must be true or false, not 1."),
    ('plan = {type = "category"}', 'plan = "category"', "[columns.plan] must be a table, not 'category'."),
    ("low = 0.01", 'low = "small"', '`search.space.C.low` must be a number, not "small".'),
    ("log = true", "log = 1", "`search.space.C.log` must be true or false, not 1."),
])
def test_a_value_of_the_wrong_type_is_named_with_the_right_type(old, new, message):
    with pytest.raises(UserError) as error:
        config.parse(changed(old, new))
    assert str(error.value) == message


@pytest.mark.parametrize("old, new, message", [
    ('task = "classification"', 'task = "clasification"', "`task` is 'clasification'; it can be classification, regression. Did you mean 'classification'?"),
    ('require = "not_worse"', 'require = "beter"', "`thresholds.require` is 'beter'; it can be not_worse, better, off. Did you mean 'better'?"),
    ('plan = {type = "category"}', 'plan = {type = "catagory"}', "`columns.plan.type` is 'catagory'; it can be number, integer, category, boolean, text, time. Did you mean 'category'?"),
    ('target = "churned"', 'target = "churn"', "`target` names the column 'churn', which [columns] does not have. Did you mean 'churned'?"),
    ('id = "customer"', 'id = "xxxx"', "`id` names the column 'xxxx', which [columns] does not have."),
    ('time = "day"', 'time = "days"', "`time` names the column 'days', which [columns] does not have. Did you mean 'day'?"),
    ('id = "customer"', 'id = "churned"', "target, id and time must be different columns."),
    ('time = "day"', 'time = "plan"', "`time` names the column 'plan', whose type is category. Give it type = \"time\"."),
    ('slices = ["plan"]', 'slices = ["plam"]', "`evaluate.slices` names the column 'plam', which [columns] does not have. Did you mean 'plan'?"),
    ('task = "classification"', 'task = "regression"', "the target 'churned' of a regression must be a number or integer column, not category."),
    ('churned = {type = "category", values = ["yes", "no"]}', 'churned = {type = "number"}',
     "the target 'churned' of a classification must be a category, boolean, integer or text column, not number."),
    ('churned = {type = "category", ', 'churned = {type = "category", nullable = 0.1, ', "the target 'churned' can't be nullable: a row without it teaches nothing."),
    ("nullable = 0.1", "nullable = 1.5", "`columns.spent.nullable` is a share from 0 to 1, not 1.5."),
    ("min = 0, max = 10", "min = 11, max = 10", "`columns.spent`: min = 11 is above max = 10."),
    ("mean_min = 1, mean_max = 9", "mean_min = 10, mean_max = 9", "`columns.spent`: mean_min = 10 is above mean_max = 9."),
    ('plan = {type = "category"}', 'plan = {type = "category", min = 0}', "`columns.plan.min` is for number and integer columns, not for category."),
    ('type = "number", nullable', 'type = "number", values = ["1"], nullable', "`columns.spent.values` is for category and text columns, not for number."),
    ('plan = {type = "category"}', 'plan = {type = "category", format = "%Y"}', "`columns.plan.format` is for time columns, not for category."),
    ("holdout = 0.2", "holdout = 1", "`train.holdout` must be from 0.01 to 0.9, not 1."),
    ("holdout = 0.2", "holdout = 0", "`train.holdout` must be from 0.01 to 0.9, not 0."),
    ("seed = 0", "seed = -1", "`train.seed` must be from 0 to 4294967295, not -1."),
    ("trials = 20", "trials = 0", "`search.trials` must be from 1 to 100000, not 0."),
    ("folds = 5", "folds = 1", "`search.folds` must be from 2 to 100, not 1."),
    ("resamples = 1000", "resamples = 99", "`evaluate.resamples` must be from 100 to 100000, not 99."),
    ("margin = 0.0", "margin = -0.1", "`thresholds.margin` can't be negative, and is -0.1."),
    ('rule = "simple"', 'rule = "sequental"', "`monitor.rule` is 'sequental'; it can be sequential, simple. Did you mean 'sequential'?"),
    ("floor = 0.75", "floor = 0", "`monitor.floor` is an accuracy between 0 and 1, not 0."),
    ("floor = 0.75", "floor = 1", "`monitor.floor` is an accuracy between 0 and 1, not 1."),
    ("floor = 0.75", "floor = 75", "`monitor.floor` is an accuracy between 0 and 1, not 75."),
    ("tolerance = 0.04", "tolerance = 0", "`monitor.tolerance` must be above 0, not 0."),
    ("tolerance = 0.04", "tolerance = -0.1", "`monitor.tolerance` must be above 0, not -0.1."),
    ("false_alarms_per_year = 1.5", "false_alarms_per_year = 0", "`monitor.false_alarms_per_year` must be above 0, not 0."),
    ("min_labels = 40", "min_labels = 0", "`monitor.min_labels` must be above 0, not 0."),
    ('matures = "2d"', 'matures = "2w"', "`monitor.matures` = '2w' is not a span of time, such as 30m, 24h or 7d."),
    ('matures = "2d"', 'matures = "2"', "`monitor.matures` = '2' is not a span of time, such as 30m, 24h or 7d."),
    ('matures = "2d"', 'matures = "-2d"', "`monitor.matures` = '-2d' is not a span of time, such as 30m, 24h or 7d."),
    ('matures = "2d"', 'matures = "1.5d"', "`monitor.matures` = '1.5d' is not a span of time, such as 30m, 24h or 7d."),
    ('matures = "2d"', 'matures = "2d\\n"', "`monitor.matures` = '2d\\n' is not a span of time, such as 30m, 24h or 7d."),
    ('matures = "2d"', 'matures = "123456d"', "`monitor.matures` = '123456d' is not a span of time, such as 30m, 24h or 7d."),
    ('window = "48h"', 'window = "2 days"', "`monitor.window` = '2 days' is not a span of time, such as 30m, 24h or 7d."),
    ('window = "48h"', 'window = ""', "`monitor.window` = '' is not a span of time, such as 30m, 24h or 7d."),
    ('every = "7d"', 'every = "weekly"', "`retrain.every` = 'weekly' is not a span of time, such as 30m, 24h or 7d."),
    ('every = "7d"', 'every = "7"', "`retrain.every` = '7' is not a span of time, such as 30m, 24h or 7d."),
    ('cooldown = "12h"', 'cooldown = "12 h"', "`retrain.cooldown` = '12 h' is not a span of time, such as 30m, 24h or 7d."),
    ('"90d"', '"recent"', "`retrain.windows` = 'recent' is not a span of time, such as 30m, 24h or 7d."),
    ('windows = ["all", "3000", "90d"]', "windows = []", '`retrain.windows` is empty; such as ["all", "3000"].'),
    ('window = "500"', "window = 500", "`drift.window` must be a text in quotes, not 500."),
    ('window = "500"', 'window = "nwe"', '`drift.window` = "nwe" is no window: "new" (the rows since the last check), a number of rows, such as "1000", or a span, such as "7d".'),
    ('window = "500"', 'window = "7 d"', "`drift.window` = '7 d' is not a span of time, such as 30m, 24h or 7d."),
    ('window = "500"', 'window = "0"', '`drift.window` = "0" is no window: a number of rows, such as 3000, or a span of time, such as 24h or 7d.'),
    ('window = "500"', 'window = "49"', "`drift.window` = 49 rows would never be judged: drift.min_rows is 50."),
    ("false_alarms_per_year = 2", "false_alarms_per_year = -1", "`drift.false_alarms_per_year` must be above 0, not -1."),
    ("min_rows = 50", "min_rows = 0", "`drift.min_rows` must be above 0, not 0."),
    ("psi = 0.25", "ps = 0.25", "`drift.limits.ps` is no measure; it can be psi, js, wasserstein, ks_p, chi2_p. Did you mean 'psi'?"),
    ("psi = 0.25", 'psi = "high"', '`drift.limits.psi` must be a number, not "high".'),
    ("psi = 0.25", "psi = 0", "`drift.limits.psi` must be above 0, not 0."),
    ("max_per_week = 3", "max_per_week = -1", "`retrain.max_per_week` can't be negative, and is -1."),
    ("low = 0.01", "low = 0", "`search.space.C`: low must be below high, and above 0 where log = true."),
    ("high = 100.0", "high = 0.01", "`search.space.C`: low must be below high, and above 0 where log = true."),
    (", log = true", ", step = 3", "`search.space.C` must be a list of values or {low = …, high = …, log = true}."),
    ('["l1", "l2"]', "[]", "`search.space.penalty` must be a list of values or {low = …, high = …, log = true}."),
    ('space = {C = {low = 0.01, high = 100.0, log = true}, penalty = ["l1", "l2"]}', "space = {}",
     "[search.space] is empty. Name a parameter, such as C = {low = 0.01, high = 100, log = true}."),
    ('csv = "incoming/*.csv"', 'csv = "a.csv"\ncommand = "cat b.csv"', "[data] names more than one source (csv, command). Keep one."),
    ('csv = "incoming/*.csv"', 'sql = "select 1"', '[data] sql goes with database = "file.db", and the other way round.'),
    ('csv = "incoming/*.csv"', 'database = "file.db"', '[data] sql goes with database = "file.db", and the other way round.'),
])
def test_a_wrong_value_is_told_in_one_line(old, new, message):
    with pytest.raises(UserError) as error:
        config.parse(changed(old, new))
    assert str(error.value) == message


def test_what_newer_scripts_ask_of_model_toml_is_not_asked_of_one_that_a_version_froze(tmp_path):
    text = changed('time = "day"\n', "")
    assert config.parse(text).retrain.windows
    with pytest.raises(UserError, match="model.toml: `retrain.windows` names the span '90d', for which a model needs a `time` column. Name a number of rows."):
        config.load(tmp_path / "model.toml", text.encode())


@pytest.mark.parametrize("old, new", [('"3000"', '"0"'), ('"90d"', '"0d"'), ('"3000"', f'"{"9" * 5000}"'), ('window = "48h"', 'window = "0"'), ('window = "48h"', 'window = "0h"'),
                                      ('window = "48h"', f'window = "{"9" * 5000}"')], ids=lambda text: text[:20])
def test_a_window_of_nothing_or_of_thousands_of_digits_is_refused(old, new):
    """The last 0 rows of a list are, in Python, all of them; and int() refuses 5,000 digits when the window is used."""
    with pytest.raises(UserError, match="window"):
        config.parse(changed(old, new))


@pytest.mark.parametrize("old, new", [('matures = "2d"', 'matures = "0d"'), ('cooldown = "12h"', 'cooldown = "0m"'), ('window = "48h"', 'window = "500"'), ("max_per_week = 3", "max_per_week = 0"),
                                      ('windows = ["all", "3000", "90d"]', 'windows = ["200"]'), ('every = "7d"\n', ""), ("floor = 0.75\n", "")])
def test_what_is_at_the_edge_of_a_range_is_accepted(old, new):
    config.parse(changed(old, new))


def test_without_monitor_and_retrain_their_defaults_hold():
    head, _, tail = FULL.partition("[monitor]\n")
    made = config.parse(head + tail[tail.index("[columns]"):])
    assert made.monitor == config.Monitor("sequential", None, 0.05, 0.5, "24h", 30, "0d")
    assert made.retrain == config.Retrain(None, ("all", "10000", "3000", "1000", "300"), "6h", 7, True)


def test_the_floor_of_a_regression_is_an_error_of_any_size():
    text = 'task = "regression"\ntarget = "y"\n[train]\nestimator = "e"\n[monitor]\nfloor = 250.0\n[columns]\ny = {type = "number"}\nx = {type = "number"}\n'
    assert config.parse(text).monitor.floor == 250.0
    with pytest.raises(UserError, match=r"^`monitor.floor` is the largest mae of a regression, above 0, not 0.0.$"):
        config.parse(text.replace("250.0", "0.0"))


@pytest.mark.parametrize("text, seconds", [("30m", 1800), ("24h", 86_400), ("7d", 604_800), ("0d", 0), ("99999d", 99_999 * 86_400)])
def test_a_span_is_so_many_seconds(text, seconds):
    assert config.seconds(text, "retrain.every") == seconds


def test_positive_is_for_classification_only():
    with pytest.raises(UserError, match="`positive` is for classification."):
        config.parse('task = "regression"\ntarget = "y"\npositive = "1"\n[train]\nestimator = "e"\n[columns]\ny = {type = "number"}\nx = {type = "number"}\n')


def test_a_model_without_a_feature_is_refused():
    with pytest.raises(UserError) as error:
        config.parse('task = "regression"\ntarget = "y"\n[train]\nestimator = "e"\n[columns]\ny = {type = "number"}\n')
    assert str(error.value) == "[columns] has nothing to learn from beside the target, the id and the time."


@pytest.mark.parametrize("values, kept", [("[1, 2]", ("1", "2")), ('["a", 2]', ("a", "2"))])
def test_allowed_values_are_compared_as_text(values, kept):
    assert config.parse(changed('values = ["yes", "no"]', f"values = {values}")).columns["churned"].values == kept


@pytest.mark.parametrize("word, share", [("true", 1.0), ("false", 0.0), ("0.25", 0.25), ("1", 1)])
def test_nullable_is_a_share_or_true_or_false(word, share):
    assert config.parse(changed("nullable = 0.1", f"nullable = {word}")).columns["spent"].nullable == share


@pytest.mark.parametrize("content, words", [
    (b"task = \n", "not valid TOML: "), (b"task = 1\ntask = 2\n", "not valid TOML: "), (b"\xff\xfe", "not UTF-8 text (byte 0). Save it as UTF-8."),
    (b"", "`task` is missing."), (b"[" * 5000, "not valid TOML: "), (b"x = " + b"[" * 5000, "not valid TOML: "),
])
def test_a_file_that_is_no_model_toml_is_named(tmp_path, content, words):
    path = tmp_path / "model.toml"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        config.load(path)
    assert str(error.value).startswith(f"{path}: {words}")


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(UserError) as error:
        config.load(tmp_path / "model.toml")
    assert str(error.value) == f"{tmp_path}/model.toml is not there. Make it with: make new MODEL=name CSV=rows.csv TARGET=column"


def test_a_folder_in_its_place_is_told(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path} can't be read: Is a directory."):
        config.load(tmp_path)


STRANGE = ["1" * 5000, "0x" + "f" * 5000, "1e999", "-inf", "nan", "2026-01-01", "12:30:00", "2026-01-01T00:00:00Z", "[]", "[[]]", "[1, [2], {}]", "{}", "{a = {b = 1}}",
           '""', '"\\u0000"', '"' + "x" * 10_000 + '"', "true", "-1", "0", "9223372036854775808", "1e308", "[nan]", "{low = 1, high = nan}", "'''\n'''", '["a", ""]']


def raised(text: str) -> str | None:
    """The one line that a text is refused with; None if it is a model. Any other exception ends the test."""
    try:
        config.parse(text)
    except UserError as error:
        return str(error)
    except Exception as error:
        pytest.fail(f"{type(error).__name__}: {str(error)[:200]} for\n{text[-1000:]}")


@pytest.mark.parametrize("strange", STRANGE, ids=lambda text: text[:20])
def test_no_strange_value_raises_anything_but_a_user_error(strange):
    lines = FULL.splitlines()
    for number, line in enumerate(lines):
        if " = " in line:
            raised("\n".join([*lines[:number], f"{line.partition(' = ')[0]} = {strange}", *lines[number + 1:]]))
    for inner in ("nullable = 0.1", "min = 0", "mean_max = 9", "low = 0.01", "log = true", "accuracy = 0.8", "C = 1.0", "unique = true", 'format = "%Y-%m-%d"'):
        raised(changed(inner, f"{inner.partition(' = ')[0]} = {strange}"))


def test_a_limit_too_large_for_a_number_is_refused():
    """Accepted here, it would end the next ingest with an OverflowError."""
    with pytest.raises(UserError, match="`columns.spent.max` must be a finite number"):
        config.parse(changed("max = 10,", f"max = 1{'0' * 400},"))


def mutation(text: str, rng: random.Random) -> str:
    lines = text.splitlines()
    at = rng.randrange(len(lines))
    kind = rng.randrange(6)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(rng.randrange(len(lines)), lines[at])
    elif kind == 2:
        lines[at] = lines[at].partition(" = ")[0] + " = " + rng.choice(STRANGE[2:])
    else:
        text = "\n".join(lines)
        place = rng.randrange(len(text))
        inserted = "" if kind == 3 else rng.choice('"\'[]{}=.,#\n\\\0\x7fé0 -e')
        return text[:place] + inserted + text[place + (kind != 4):]
    return "\n".join(lines)


def test_no_mutation_of_a_model_toml_raises_anything_but_a_user_error():
    rng = random.Random(20260501)
    text = (ROOT / "models/cancer/model.toml").read_text()
    told = []
    for _ in range(400):
        mutated = text
        for _ in range(rng.randint(1, 3)):
            mutated = mutation(mutated, rng)
        told.append(raised(mutated))
    assert 100 < sum(message is not None for message in told) < 400  # both kinds were met
    assert all("\n" not in message for message in told if message), [message for message in told if message and "\n" in message][:1]


@pytest.mark.parametrize("old, new, names", [
    ({}, {}, []),
    ({"a": 1}, {"a": 1}, []),
    ({"a": 1}, {"a": 2}, ["a"]),
    ({"a": 1}, {}, ["a"]),
    ({}, {"a": None, "b": 1}, ["b"]),
    ({"train": {"params": {"C": 1.0, "tol": 1}}}, {"train": {"params": {"C": 2.0, "tol": 1}}}, ["train.params.C"]),
    ({"train": {"params": {"C": 1.0}}, "task": "x"}, {"train": 3, "task": "y"}, ["task", "train"]),
    ({"columns": {"b": {"type": "number"}, "a": {}}}, {"columns": {"a": {"type": "text"}}}, ["columns.a.type", "columns.b"]),
])
def test_changed_keys_are_dotted_names_in_order(old, new, names):
    assert fingerprints.changed_keys(old, new) == names


@pytest.mark.parametrize("old, new, names", [
    ("C = 1.0", "C = 2.0", ["train.params.C"]),
    ("max = 10", "max = 11", ["columns.spent.max"]),
    ('description = "who leaves"', 'description = "who stays"', []),
    ('csv = "incoming/*.csv"', 'csv = "elsewhere/*.csv"', []),
    ("tolerance = 0.04", "tolerance = 0.1", []),
    ('cooldown = "12h"', 'cooldown = "6h"', []),
])
def test_the_training_view_changes_with_what_changes_the_model(old, new, names):
    assert fingerprints.changed_keys(config.training_view(FULL.encode()), config.training_view(changed(old, new).encode())) == names


def test_the_order_of_the_columns_of_a_training_view_does_not_matter_to_changed_keys():
    lines = FULL.splitlines()
    swapped = "\n".join([*lines[:-2], lines[-1], lines[-2]])
    assert fingerprints.changed_keys(config.training_view(FULL.encode()), config.training_view(swapped.encode())) == []
