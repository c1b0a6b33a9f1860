"""From a CSV to a model.toml that parses, and whose rules its own CSV passes."""
import csv
import math

import numpy as np
import pandas as pd
import pytest

from lib import config, csvfile, model, scaffold, scores, validation
from lib.errors import UserError


def table(n: int = 60, **columns) -> pd.DataFrame:
    """Cells as text: a list is repeated, a function is called with the row's number."""
    return pd.DataFrame({name: [str(make(i) if callable(make) else make[i % len(make)]) for i in range(n)] for name, make in columns.items()}, dtype=object)


def made(tmp_path, texts: pd.DataFrame, target: str, id_column: str | None = None, time_column: str | None = None, separator: str = ",") -> tuple[config.Config, str]:
    """The CSV written, read and scaffolded as `make new` does; its rows must pass the rules just made."""
    path = tmp_path / "rows.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=separator).writerows([list(texts), *texts.to_numpy().tolist()])
    header = csvfile.read_header(path, separator)
    chunk, = csvfile.chunks(path, header)
    texts = pd.DataFrame(chunk.rows, columns=list(header.names), dtype=object)
    text = scaffold.write(scaffold.infer(texts, target, id_column, time_column), texts, target, header.separator)
    conf = config.parse(text)
    rules = validation.Rules(conf.columns)
    assert rules.check(header, chunk)[1] + rules.whole_file() == []
    assert list(conf.columns) == list(texts)
    model.estimator(conf)
    scores.check_names({conf.metric, *conf.thresholds.min, *conf.thresholds.max}, conf.task)
    return conf, text


NUMBERS = {"age": lambda i: 20 + i % 50, "spent": lambda i: round(math.sin(i) * 100, 2)}


@pytest.mark.parametrize("cells, kind, values, positive, limit", [
    (["stay", "stay", "leave"], "category", ("leave", "stay"), "leave", 0.666),
    (["false", "true", "false", "false"], "category", ("false", "true"), "true", 0.75),
    (["no", "no", "yes"], "category", ("no", "yes"), "yes", 0.666),
    (["1", "0", "0"], "integer", None, "1", 0.666),
    (["1", "1", "0"], "integer", None, "1", 0.666),
    (["1", "1", "2"], "integer", None, "2", 0.666),
    (["Yes", "no", "Yes"], "category", ("Yes", "no"), "Yes", 0.666),
    (["1", "2", "3"], "integer", None, None, 0.333),
    (["low", "mid", "high"], "category", ("high", "low", "mid"), None, 0.333),
    (['say "hi"', "a,b", "a,b"], "category", ('a,b', 'say "hi"'), 'say "hi"', 0.666),
    (["é", "日本", "日本"], "category", ("é", "日本"), "é", 0.666),
    (["\\", "\n", "\n"], "category", ("\n", "\\"), "\\", 0.666),
    (["NA", "x", "x"], "category", ("NA", "x"), "NA", 0.666),
])
def test_classes_of_any_kind_make_a_classification(tmp_path, cells, kind, values, positive, limit):
    conf, _ = made(tmp_path, table(y=cells, **NUMBERS), "y")
    assert (conf.task, conf.metric, conf.target) == ("classification", "accuracy", "y")
    assert (conf.columns["y"].type, conf.columns["y"].values) == (kind, values)
    assert conf.positive == positive
    assert conf.thresholds.min == {"accuracy": limit} and conf.thresholds.max == {}
    assert conf.columns["y"].min is None and conf.columns["y"].max is None


@pytest.mark.parametrize("make", [lambda i: i * 3 - 40, lambda i: i / 7, lambda i: [0.5, 1.5][i % 2], lambda i: 10**9 + i])
def test_numbers_make_a_regression(tmp_path, make):
    """Whole ones too: a later outcome may have a half."""
    conf, _ = made(tmp_path, table(y=make, **NUMBERS), "y")
    assert (conf.task, conf.metric, conf.positive) == ("regression", "mae", None)
    assert conf.columns["y"].type == "number"
    answers = np.array([make(i) for i in range(60)], float)
    assert conf.thresholds.max["mae"] == pytest.approx(np.abs(answers - answers.mean()).mean(), rel=1e-3)


@pytest.mark.parametrize("n, classification, regression", [(60, "sklearn.linear_model.LogisticRegression", "sklearn.linear_model.Ridge"),
                                                           (1000, "sklearn.ensemble.HistGradientBoostingClassifier", "sklearn.ensemble.HistGradientBoostingRegressor")])
def test_the_first_estimator_suits_the_number_of_rows(tmp_path, n, classification, regression):
    assert made(tmp_path, table(n, y=["a", "b"], **NUMBERS), "y")[0].train.estimator == classification
    assert made(tmp_path, table(n, y=lambda i: i / 7, **NUMBERS), "y")[0].train.estimator == regression


@pytest.mark.parametrize("make, column", [
    (lambda i: i, {"type": "integer", "min": 0, "max": 120}),
    (lambda i: -i, {"type": "integer", "min": -120, "max": 0}),
    (lambda i: i - 10, {"type": "integer", "min": -69, "max": 110}),
    (lambda i: i / 100, {"type": "number", "min": 0, "max": 1.2}),
    (lambda i: 7, {"type": "integer", "min": 0, "max": 14}),
    (lambda i: 0, {"type": "integer", "min": 0, "max": 1}),
    (lambda i: f"{i:03d}.5", {"type": "number", "min": 0, "max": 120}),
    (lambda i: ["yes", "no", ""][i % 3], {"type": "boolean", "nullable": 0.67}),
    (lambda i: ["red", "green"][i % 2], {"type": "category", "values": ("green", "red")}),
    (lambda i: f"word {i}", {"type": "text"}),
    (lambda i: f"2026-05-{i % 28 + 1:02d}", {"type": "time"}),
    (lambda i: f"2026-05-01T10:{i:02d}:00Z", {"type": "time"}),
    (lambda i: "" if i % 10 == 0 else i, {"type": "integer", "nullable": 0.2, "min": 0, "max": 120}),
    (lambda i: "" if i < 59 else 3, {"type": "integer", "nullable": 1, "min": 0, "max": 6}),
    (lambda i: "" if i == 0 else "ab"[i % 2], {"type": "category", "nullable": 0.04, "values": ("a", "b")}),
])
def test_a_column_gets_the_narrowest_type_its_range_and_twice_the_share_it_misses(tmp_path, make, column):
    conf, _ = made(tmp_path, table(y=["a", "b"], x=make), "y")
    assert conf.columns["x"] == config.Column(**column)


@pytest.mark.parametrize("make", [
    lambda i: 1e300 * (i + 1), lambda i: -1e-12 * (i + 1), lambda i: 2**53 + i, lambda i: 123456789.123 + i, lambda i: 0.1 + 1e-9 * i, lambda i: 999_999 + i, lambda i: -1_234_567.5 - i,
    lambda i: "NA" if i % 2 else "1.5", lambda i: "", lambda i: "NA", lambda i: f"code {i % 30}", lambda i: "x" * i, lambda i: f"{i % 20}a", lambda i: ["", "1,5"][i % 2], lambda i: " ",
    lambda i: '"' * (i % 3 + 1), lambda i: "a\nb" if i % 2 else "c\\", lambda i: "\x7f" if i % 2 else "\x01", lambda i: ["true", "1"][i % 2], lambda i: [1e-320, 5e-324][i % 2], lambda i: [-1.7e308, 1.7e308][i % 2],
])
def test_any_column_passes_the_rules_made_from_it(tmp_path, make):
    made(tmp_path, table(y=["a", "b"], x=make, age=NUMBERS["age"]), "y")


@pytest.mark.parametrize("name", ['say "hi"', "a.b", "a b", "größe", "日本", "a'b", "back\\slash", "two\nlines", "#", "a=b", "[x]", "1", "true", "type", "tab\there", "\x7f", "a,b", "a" * 300, "-", "_"])
def test_a_column_of_any_name_is_written_and_read_back(tmp_path, name):
    conf, _ = made(tmp_path, pd.DataFrame({name: table(x=NUMBERS["age"])["x"], "y": table(y=["a", "b"])["y"]}), "y")
    assert name in conf.features
    conf, _ = made(tmp_path, pd.DataFrame({name: table(y=["a", "b"])["y"], "x": table(x=NUMBERS["age"])["x"]}), name)
    assert conf.target == name


@pytest.mark.parametrize("names, id_column, time_column", [
    (("customer_id", "day"), "customer_id", "day"), (("ID", "created_at"), "ID", "created_at"), (("uuid", "order_date"), "uuid", "order_date"), (("key", "timestamp"), "key", "timestamp"),
    (("paid", "birth_date"), None, None), (("idea", "since"), None, "since"),
])
def test_id_and_time_are_told_from_their_names_and_values(tmp_path, names, id_column, time_column):
    texts = table(y=["a", "b"], **{names[0]: lambda i: f"k{i}", names[1]: lambda i: f"2026-05-{i % 28 + 1:02d}"}, **NUMBERS)
    conf, text = made(tmp_path, texts, "y")
    assert (conf.id, conf.time) == (id_column, time_column)
    assert not conf.id or conf.columns[conf.id] == config.Column("text")
    assert set(conf.features) == set(texts) - {"y", id_column, time_column}


@pytest.mark.parametrize("columns", [
    {"customer_id": lambda i: i // 2}, {"customer_id": lambda i: "" if i == 0 else f"k{i}"}, {"day": lambda i: "2026-05-01", "order_date": lambda i: "2026-05-01"}, {"day": lambda i: f"day {i}"},
])
def test_a_column_that_can_be_no_id_or_time_is_none(tmp_path, columns):
    conf, _ = made(tmp_path, table(y=["a", "b"], **columns, **NUMBERS), "y")
    assert (conf.id, conf.time) == (None, None)


def test_id_and_time_can_be_named(tmp_path):
    conf, _ = made(tmp_path, table(y=["a", "b"], order=lambda i: 1000 + i, seen=lambda i: f"2026-05-{i % 28 + 1:02d}", **NUMBERS), "y", "order", "seen")
    assert (conf.id, conf.time, conf.columns["order"].type, conf.columns["seen"].type) == ("order", "seen", "text", "time")


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_another_separator_is_written_down(tmp_path, separator):
    assert made(tmp_path, table(y=["a", "b"], **NUMBERS), "y", separator=separator)[0].data.separator == separator


@pytest.mark.parametrize("cells, message", [
    (["a"], "TARGET=y has one value only ('a'); there is nothing to predict."),
    (["1"], "TARGET=y has one value only ('1'); there is nothing to predict."),
    ([f"word {i}" for i in range(60)], "TARGET=y has 60 different values of type text; a target is a number, or one of at most 50 classes."),
    ([f"2026-05-{i + 1:02d}" for i in range(20)], "TARGET=y has 20 different values of type time; a target is a number, or one of at most 50 classes."),
    (["a", "b", "", "a", "b"], "TARGET=y: 12 rows have no value. Leave them out: a row without it teaches nothing."),
    (["1", "2", "", "3", "4"], "TARGET=y: 12 rows have no value. Leave them out: a row without it teaches nothing."),
    (["1", "2", "NA", "3", "4"], "TARGET=y: 12 rows have no value. Leave them out: a row without it teaches nothing."),
    (["yes", "no", "null", "no", "no"], "TARGET=y: 12 rows have no value. Leave them out: a row without it teaches nothing."),
    (["a", ""], "TARGET=y: 30 rows have no value. Leave them out: a row without it teaches nothing."),
])
def test_a_column_that_can_be_no_target_is_refused_with_the_reason(cells, message):
    with pytest.raises(UserError) as error:
        scaffold.infer(table(y=cells, **NUMBERS), "y", None, None)
    assert str(error.value) == message


@pytest.mark.parametrize("cells", [["1", "NA"], ["", "a"], ["yes", ""], ["NA", ""], ["", ""]])
def test_a_target_with_one_value_and_gaps_is_refused(cells):
    with pytest.raises(UserError) as error:
        scaffold.infer(table(y=cells, **NUMBERS), "y", None, None)
    assert str(error.value).startswith("TARGET=y")


@pytest.mark.parametrize("id_column, time_column, message", [
    ("plan", None, "ID=plan: 'p' names more than one row."),
    (None, "plan", "TIME=plan: its values are no times, such as 2026-05-01 or 2026-05-01T13:30:00Z."),
    (None, "age", "TIME=age: its values are no times, such as 2026-05-01 or 2026-05-01T13:30:00Z."),
])
def test_a_named_id_or_time_that_is_none_is_refused(id_column, time_column, message):
    with pytest.raises(UserError) as error:
        scaffold.infer(table(y=["a", "b"], plan=["p", "q"], **NUMBERS), "y", id_column, time_column)
    assert str(error.value) == message


def test_an_id_with_a_gap_is_refused_before_model_toml_is_written():
    with pytest.raises(UserError, match="ID=order"):
        scaffold.infer(table(y=["a", "b"], order=lambda i: "" if i == 3 else i, **NUMBERS), "y", "order", None)


def test_a_model_toml_is_one_that_a_person_likes_to_read(tmp_path):
    _, text = made(tmp_path, table(y=["stay", "stay", "leave"], **NUMBERS), "y")
    assert text.splitlines()[:5] == [
        'description = ""                        # what the model is for, in words',
        'task = "classification"                 # or "regression"',
        'target = "y"                            # the column to predict',
        'positive = "leave"                      # what precision, recall and f1 are about; the score is its probability',
        'metric = "accuracy"                     # the headline: what search, leaderboard and the comparison with production go by',
    ]
    assert "min = {accuracy = 0.666}                # as good as always saying 'stay'\n" in text
    keys = [line for line in text.partition("[columns]")[0].splitlines() if " = " in line]
    assert all("  # " in line for line in keys), [line for line in keys if "  # " not in line]
    assert not any(line != line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize("count", [2, 20, 21, 40])
def test_the_allowed_values_are_listed_while_they_are_few(tmp_path, count):
    conf, _ = made(tmp_path, table(1000, y=["a", "b"], x=[f"v{i}" for i in range(count)]), "y")
    assert conf.columns["x"].type == "category"
    assert (conf.columns["x"].values is not None) == (count <= 20)
