"""Taking rows in: every fault of a file told, all files or none, parts that never change, the same rows never twice."""
import csv
import hashlib
import itertools
import json
import os
import random
import sqlite3
from types import SimpleNamespace

import pytest

from lib import config, csvfile, db, intake, parts
from lib.errors import Failed, Refused, UserError
from lib.files import ModelPaths

RUN = SimpleNamespace(user="ada", host="here", trigger="manual", uuid="0" * 32, db=db.connect(":memory:"))
PLAIN = {"y": {"type": "category"}, "x": {"type": "number"}}


def model(columns: dict, task: str = "classification", target: str = "y", **more) -> config.Config:
    """A config by way of model.toml, as a person would write it."""
    def value(item):
        return "true" if item is True else json.dumps(item)
    lines = [f'task = "{task}"', f'target = "{target}"', *(f"{key} = {value(item)}" for key, item in more.items() if key != "data")]
    lines += ["[train]", 'estimator = "sklearn.linear_model.LogisticRegression"', "[data]", *(f"{key} = {value(item)}" for key, item in more.get("data", {}).items()), "[columns]"]
    lines += [f"{json.dumps(name)} = {{{', '.join(f'{key} = {value(item)}' for key, item in column.items())}}}" for name, column in columns.items()]
    return config.parse("\n".join(lines))


def put(paths: ModelPaths, content: str | bytes, name: str = "rows.csv"):
    path = paths.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def take(paths: ModelPaths, conf: config.Config, content: str | bytes | None, name: str = "rows.csv") -> tuple[list[str], int]:
    """Names of the parts added, and the number of rows known before."""
    added, known = intake.take_in(RUN, paths, conf, put(paths, content, name) if content is not None else None)
    return [part.path.name for part in added], known


def in_train(paths: ModelPaths) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in paths.train.iterdir()} if paths.train.exists() else {}


def refused(paths: ModelPaths, conf: config.Config, content: str | bytes | None, name: str = "rows.csv") -> list[dict]:
    """The file must be refused: nothing in train/ changes, no temporary is left. Returns the reasons beside it."""
    before = in_train(paths)
    with pytest.raises(UserError) as error:
        take(paths, conf, content, name)
    assert error.value.code == 2
    assert in_train(paths) == before
    reasons = next(paths.rejected.glob("*.reasons.csv"))
    assert not list(paths.data.rglob("*.tmp"))
    with open(reasons, newline="") as file:
        return list(csv.DictReader(file))


def told(reasons: list[dict]) -> list[tuple[int, str, str, str]]:
    return [(int(row["line"]), row["column"], row["value"], row["reason"]) for row in reasons]


# one column's rule at a time: the column, cells that pass, and cells that do not with the reason

RULES = [
    ({"type": "number"}, ["1", "-2.5", "1e5", "+3", ".5", "5.", "0.1234567890123456789"],
     [("x", "'x' is not a number"), ("", "is missing"), ("NA", "is missing"), ("inf", "'inf' is not a number"), ("1_000", "'1_000' is not a number"), ("1,5", "'1,5' is not a number"),
      ("1e999", "'1e999' is not a number"), ("0x10", "'0x10' is not a number"), ("-nan", "'-nan' is not a number"), ("true", "'true' is not a number"), (" ", "' ' is not a number")]),
    ({"type": "integer"}, ["1", "-2", "3.0", "1e3"], [("1.5", "'1.5' is not a whole number"), ("x", "'x' is not a number"), ("null", "is missing"), ("inf", "'inf' is not a number")]),
    ({"type": "number", "min": 0, "max": 10}, ["0", "10", "5"], [("-0.1", "-0.1 is below min = 0"), ("11", "11 is above max = 10")]),
    ({"type": "integer", "min": 2, "max": 2}, ["2"], [("1", "1 is below min = 2"), ("3", "3 is above max = 2")]),
    ({"type": "boolean"}, ["true", "FALSE", "t", "f", "Yes", "no", "1", "0", "y", "N"], [("2", "'2' is not true or false"), ("", "is missing"), ("maybe", "'maybe' is not true or false")]),
    ({"type": "category"}, ["a", "NA", "None", " "], [("", "is missing")]),
    ({"type": "category", "values": ["a", "b c"]}, ["a", "b c"], [("A", "'A' is not one of the allowed values"), ("b", "'b' is not one of the allowed values"), ("", "is missing")]),
    ({"type": "text"}, ["anything, at all", 'with "quotes"', "two\nlines"], [("", "is missing")]),
    ({"type": "time"}, ["2026-05-01", "2026-05-01T13:30:00Z", "2026-05-01 13:30:00.123+02:00"],
     [(text, f"{text!r} is not a time as 2026-05-01 or 2026-05-01T13:30:00Z") for text in ("2026-13-01", "01.05.2026", "yesterday", "2026-02-30", "NaT", "now", "today")]),
    ({"type": "time", "format": "%d.%m.%Y"}, ["01.05.2026", "31.12.1999"],
     [(text, f"{text!r} is not a time of the form %d.%m.%Y") for text in ("2026-05-01", "32.01.2026", "now")]),
]


def column_file(cells: list[str]) -> str:
    """The cells as column x beside a target, with a row of each class first so that the target is in order."""
    buffer = []
    for i, cell in enumerate(cells):
        quoted = cell.replace('"', '""')
        buffer.append(f'{"ab"[i % 2]},"{quoted}"\n')
    return "y,x\n" + "".join(buffer)


@pytest.mark.parametrize("column, good", [(column, good) for column, good, _ in RULES], ids=lambda value: None)
def test_what_fits_a_column_is_taken_in(paths, column, good):
    assert take(paths, model(PLAIN | {"x": column}), column_file(good * 2)) == (["0001.csv"], 0)


@pytest.mark.parametrize("column, good, cell, reason", [(column, good, cell, reason) for column, good, bad in RULES for cell, reason in bad])
def test_what_does_not_fit_a_column_is_a_fault_with_line_column_and_value(paths, column, good, cell, reason):
    one_line = [cell for cell in good if "\n" not in cell]
    assert told(refused(paths, model(PLAIN | {"x": column}), column_file([one_line[0], one_line[-1], cell]))) == [(4, "x", cell, reason)]


def test_a_missing_column_is_more_than_a_share_of_its_values(paths):
    conf = model(PLAIN | {"z": {"type": "number", "nullable": 0.25}})
    assert told(refused(paths, conf, "y,x\na,1\nb,2\n")) == [(1, "z", "", "the column is missing")]


@pytest.mark.parametrize("kind, word", [("number", "NA"), ("integer", "null"), ("boolean", "N/A"), ("time", "NaN"), ("category", ""), ("text", "")])
def test_a_share_of_missing_values_is_allowed_up_to_nullable(paths, kind, word):
    good = {"number": "1.5", "integer": "1", "boolean": "yes", "time": "2026-05-01", "category": "c", "text": "t"}[kind]
    conf = model(PLAIN | {"x": {"type": kind, "nullable": 0.25}})
    assert take(paths, conf, column_file([good] * 3 + [word])) == (["0001.csv"], 0)
    assert told(refused(paths, conf, column_file([good] * 2 + [word]))) == [(0, "x", "", "33.3% of the values are missing, nullable allows 25.0%")]


@pytest.mark.parametrize("limits, cells, reasons", [
    ({"mean_min": 2, "mean_max": 4}, ["1", "3", "5"], []),
    ({"mean_min": 2}, ["1", "2", "2"], ["its mean 1.66667 is below mean_min = 2"]),
    ({"mean_max": 4}, ["4", "4", "5"], ["its mean 4.33333 is above mean_max = 4"]),
    ({"mean_min": 2, "nullable": 0.5}, ["2", "2", ""], []),
    ({"mean_max": 1.5, "nullable": 0.5}, ["2", "", "2", ""], ["its mean 2 is above mean_max = 1.5"]),
])
def test_the_mean_of_a_column_is_that_of_its_present_values(paths, limits, cells, reasons):
    conf = model(PLAIN | {"x": {"type": "number", **limits}})
    if reasons:
        assert told(refused(paths, conf, column_file(cells))) == [(0, "x", "", reason) for reason in reasons]
    else:
        assert take(paths, conf, column_file(cells)) == (["0001.csv"], 0)


def test_a_value_that_must_be_unique_and_is_not_names_both_lines(paths):
    conf = model(PLAIN | {"x": {"type": "text", "unique": True}})
    assert told(refused(paths, conf, column_file(["p", "q", "p", "p"]))) == [(4, "x", "p", "'p' stands in line 2 already"), (5, "x", "p", "'p' stands in line 2 already")]


def test_missing_values_of_a_unique_column_are_not_each_others_copies(paths):
    conf = model(PLAIN | {"x": {"type": "text", "unique": True, "nullable": 0.9}})
    assert take(paths, conf, column_file(["p", "", ""])) == (["0001.csv"], 0)


def test_a_unique_value_of_an_earlier_part_is_refused_in_a_new_row(paths):
    conf = model(PLAIN | {"x": {"type": "text", "unique": True}})
    take(paths, conf, "y,x\na,p\nb,q\n")
    assert take(paths, conf, "y,x\na,p\nb,q\n") == ([], 2)
    assert told(refused(paths, conf, "y,x\nb,p\na,r\n")) == [(2, "x", "p", "'p' was taken in before and must be unique")]


def test_an_id_must_be_unique_within_a_file(paths):
    conf = model(PLAIN | {"k": {"type": "text"}}, id="k")
    assert told(refused(paths, conf, "k,y,x\n1,a,1\n2,b,2\n1,b,3\n")) == [(4, "k", "1", "'1' stands in line 2 already")]


# whole files

@pytest.mark.parametrize("header, faults", [
    ("y", [(1, "x", "", "the column is missing")]),
    ("y,x,z", [(1, "z", "", "the column is not in [columns] of model.toml")]),
    ("y,X,z", [(1, "x", "", "the column is missing"), (1, "X", "", "the column is not in [columns] of model.toml"), (1, "z", "", "the column is not in [columns] of model.toml")]),
    ("x", [(1, "y", "", "the column is missing")]),
])
def test_unknown_and_missing_columns_are_listed_by_name(paths, header, faults):
    row = ",".join("1" for _ in header.split(","))
    assert told(refused(paths, model(PLAIN), f"{header}\n{row}\n")) == faults


def test_a_column_that_may_be_missing_altogether_may_be_absent(paths):
    assert take(paths, model(PLAIN | {"z": {"type": "number", "nullable": True}}), "y,x\na,1\nb,2\n") == (["0001.csv"], 0)
    assert in_train(paths) == {"0001.csv": b"y,x\na,1\nb,2\n"}


def test_the_order_of_the_columns_in_a_file_does_not_matter(paths):
    take(paths, model(PLAIN), "y,x\na,1\nb,2\n")
    assert take(paths, model(PLAIN), "x,y\n1,a\n2,b\n3,a\n") == (["0002.csv"], 2)
    assert in_train(paths)["0002.csv"] == b"y,x\na,3\n"


@pytest.mark.parametrize("content, words", [
    ("y,x\n", "has a header and no rows"), ("y,x\n\n\n", "has a header and no rows"),
])
def test_a_file_that_teaches_nothing_is_refused(paths, content, words):
    assert [row["reason"] for row in refused(paths, model(PLAIN), content)] == [words]


@pytest.mark.parametrize("kind, cells, name", [("category", ("a", "a"), "a"), ("integer", ("1", "1.0"), "1"), ("boolean", ("yes", "1"), "true")])
def test_rows_of_one_class_are_refused_by_its_name(paths, kind, cells, name):
    with pytest.raises(UserError) as error:
        take(paths, model(PLAIN | {"y": {"type": kind}}), f"y,x\n{cells[0]},1\n{cells[1]},2\n")
    assert str(error.value) == f"the rows have one class only ({name!r} in y); a classifier needs two. Nothing was taken in." and error.value.code == 2
    assert in_train(paths) == {}


def test_files_of_one_class_each_are_taken_in_together(paths):
    put(paths, "y,x\na,1\na,2\n", "in/a.csv")
    put(paths, "y,x\nb,1\nb,2\n", "in/b.csv")
    assert take(paths, model(PLAIN, data={"csv": "in/*.csv"}), None) == (["0001.csv", "0002.csv"], 0)


def test_a_value_of_a_unique_column_is_the_same_however_the_number_is_written(paths):
    conf = model(PLAIN | {"k": {"type": "integer", "unique": True, "nullable": 0.9}})
    take(paths, conf, "k,y,x\n1,a,1\n2,b,2\n")
    assert [row["reason"] for row in refused(paths, conf, "k,y,x\n1,b,7\n,a,8\n")] == ["'1' was taken in before and must be unique"]


def test_the_same_rows_written_otherwise_are_not_taken_in_twice(paths):
    conf = model(PLAIN | {"t": {"type": "time"}, "f": {"type": "boolean"}})
    take(paths, conf, "y,x,t,f\na,1,2026-05-01,yes\nb,2.50,2026-05-01T13:30:00Z,0\n")
    assert take(paths, conf, "f,t,x,y\nTRUE,2026-05-01T02:00:00+02:00,1.0,a\nno,2026-05-01 13:30:00,25e-1,b\n") == ([], 2)


@pytest.mark.parametrize("columns", [2, 4])
def test_rows_that_differ_are_all_taken_in(paths, columns):
    """Two files of small whole numbers: none of the second is taken for one of the first."""
    names = [f"c{i}" for i in range(columns)]
    conf = model(PLAIN | {name: {"type": "integer"} for name in names})
    side = round(40_000 ** (1 / columns))
    rows = [f"{'ab'[i % 2]},1,{','.join(map(str, row))}\n" for i, row in enumerate(itertools.product(range(side), repeat=columns))]
    random.Random(0).shuffle(rows)
    half, head = len(rows) // 2, f"y,x,{','.join(names)}\n"
    assert take(paths, conf, head + "".join(rows[:half])) == (["0001.csv"], 0)
    assert take(paths, conf, head + "".join(rows[half:])) == (["0002.csv"], 0)


def test_one_class_in_a_later_file_is_fine(paths):
    take(paths, model(PLAIN), "y,x\na,1\nb,2\n")
    assert take(paths, model(PLAIN), "y,x\na,3\na,4\n") == (["0002.csv"], 0)


def test_a_target_with_missing_values_is_refused_by_line(paths):
    assert told(refused(paths, model(PLAIN), "y,x\na,1\n,2\nb,3\n,4\n")) == [(3, "y", "", "is missing"), (5, "y", "", "is missing")]


@pytest.mark.parametrize("content", [b"y,x\na,1\n\0,2\n", b"y,x\na,\xff\n", b'y,x\na,1\nb,"2\n', b"", b"y,y,x\na,a,1\n"])
def test_a_file_that_is_no_csv_changes_nothing(paths, content):
    take(paths, model(PLAIN), "y,x\na,1\nb,2\n")
    before = in_train(paths)
    with pytest.raises(UserError) as error:
        take(paths, model(PLAIN), content)
    assert str(error.value).startswith(f"{paths.root}/rows.csv")
    assert in_train(paths) == before


def test_all_faults_of_all_columns_are_told_together(paths, capsys):
    conf = model(PLAIN | {"x": {"type": "number", "max": 10, "mean_max": 5}, "z": {"type": "integer"}})
    reasons = told(refused(paths, conf, "y,x,z\na,1,1\n,2,1.5\nb,50,x\nb,1\nc,q,2\n"))
    assert sorted(reasons) == sorted([
        (3, "y", "", "is missing"), (3, "z", "1.5", "'1.5' is not a whole number"), (4, "x", "50", "50 is above max = 10"), (4, "z", "x", "'x' is not a number"),
        (5, "", "b,1", "has 2 fields, the header has 3"), (6, "x", "q", "'q' is not a number"), (0, "x", "", reasons[-1][3])])
    assert reasons[-1][3].startswith("its mean ")
    shown = capsys.readouterr().err
    for words in ("line 3, y: is missing", "line 3, z: '1.5' is not a whole number", "line 4, x: 50 is above max = 10", "line 5: has 2 fields, the header has 3"):
        assert f"  {words}\n" in shown


def test_faults_of_the_header_are_told_together_with_those_of_the_rows(paths):
    conf = model(PLAIN | {"z": {"type": "number"}})
    assert set(told(refused(paths, conf, "y,x\na,1\nb,wrong\n"))) == {(1, "z", "", "the column is missing"), (3, "x", "wrong", "'wrong' is not a number")}


def test_a_row_that_contradicts_a_part_is_told_together_with_the_other_faults(paths):
    conf = model(PLAIN | {"k": {"type": "text"}}, id="k")
    take(paths, conf, "k,y,x\n1,a,1\n2,b,2\n")
    reasons = told(refused(paths, conf, "k,y,x\n1,a,7\n3,b,wrong\n"))
    assert set(reasons) == {(3, "x", "wrong", "'wrong' is not a number"), (2, "k", "1", "'1' was taken in before with other values; parts are never rewritten")}


def test_the_screen_has_ten_faults_of_a_column_and_a_count_and_the_reasons_file_has_all(paths, capsys):
    content = "y,x\n" + "".join(f"{'ab'[i % 2]},bad{i}\n" for i in range(25)) + ",1\n"
    assert len(refused(paths, model(PLAIN), content)) == 26
    shown = capsys.readouterr().err.splitlines()
    assert [line for line in shown if ", x:" in line] == [f"  line {i + 2}, x: 'bad{i}' is not a number" for i in range(10)]
    assert "  x: 15 more" in shown
    assert "  line 27, y: is missing" in shown
    assert len(shown) == 12


@pytest.mark.parametrize("content, count", [("y,x\na,1\nb,q\n", "1 fault"), ("y,x\na,q\nb,q\n", "2 faults"), ("y,x\n" + "a,q\n" * 1234, "1,234 faults")])
def test_a_rejected_file_and_its_reasons_are_where_the_message_says(paths, content, count):
    source = put(paths, content, "in/march rows.csv")
    with pytest.raises(UserError) as error:
        intake.take_in(RUN, paths, model(PLAIN), source)
    mark = hashlib.sha256(content.encode()).hexdigest()[:8]
    assert str(error.value) == (f"{source}: {count}, so nothing was taken in. "
                                f"The file and its reasons are in data/m/rejected/ (march rows-{mark}.csv, march rows-{mark}.reasons.csv).")
    assert sorted(path.name for path in paths.rejected.iterdir()) == [f"march rows-{mark}.csv", f"march rows-{mark}.reasons.csv"]
    assert (paths.rejected / f"march rows-{mark}.csv").read_bytes() == content.encode()
    assert source.read_bytes() == content.encode()


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_faults_are_the_same_whatever_the_size_of_a_chunk(paths, monkeypatch, size):
    monkeypatch.setattr(csvfile.chunks, "__defaults__", (size,))
    conf = model(PLAIN | {"x": {"type": "number", "nullable": 0.1, "mean_max": 1}, "z": {"type": "text", "unique": True}})
    assert sorted(told(refused(paths, conf, 'y,x,z\na,1,p\nb,,"q\nq"\na,,p\nb,9\nb,bad,r\n'))) == [
        (0, "x", "", "50.0% of the values are missing, nullable allows 10.0%"), (5, "z", "p", "'p' stands in line 2 already"),
        (6, "", "b,9", "has 2 fields, the header has 3"), (7, "x", "bad", "'bad' is not a number")]


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_a_part_is_the_same_whatever_the_size_of_a_chunk(paths, monkeypatch, size):
    monkeypatch.setattr(csvfile.chunks, "__defaults__", (size,))
    assert take(paths, model(PLAIN), "y,x\na,1\nb,2\na,1\nb,4\n") == (["0001.csv"], 0)
    assert in_train(paths)["0001.csv"] == b"y,x\na,1\nb,2\na,1\nb,4\n"


# the same rows, more rows, other rows

def test_the_same_rows_again_add_nothing(paths):
    content = "y,x\na,1\nb,2\na,1\n"
    assert take(paths, model(PLAIN), content) == (["0001.csv"], 0)
    before = in_train(paths)
    assert take(paths, model(PLAIN), content) == ([], 3)
    assert take(paths, model(PLAIN), content.replace("\n", "\r\n"), "windows.csv") == ([], 3)
    assert in_train(paths) == before


def test_a_grown_file_adds_only_its_new_rows_in_their_order(paths):
    take(paths, model(PLAIN), "y,x\na,1\nb,2\n")
    assert take(paths, model(PLAIN), "y,x\nb,9\na,1\nb,2\na,8\n") == (["0002.csv"], 2)
    assert in_train(paths) == {"0001.csv": b"y,x\na,1\nb,2\n", "0002.csv": b"y,x\nb,9\na,8\n"}


def test_equal_rows_without_an_id_are_counted(paths):
    take(paths, model(PLAIN), "y,x\na,1\na,1\nb,2\n")
    assert take(paths, model(PLAIN), "y,x\na,1\na,1\na,1\n") == (["0002.csv"], 2)
    assert in_train(paths)["0002.csv"] == b"y,x\na,1\n"


def test_with_an_id_known_rows_add_nothing_and_new_ones_do(paths):
    conf = model(PLAIN | {"k": {"type": "text"}}, id="k")
    take(paths, conf, "k,y,x\n1,a,1\n2,b,1\n")
    assert take(paths, conf, "k,y,x\n2,b,1\n3,b,1\n") == (["0002.csv"], 1)
    assert in_train(paths)["0002.csv"] == b"y,x,k\nb,1,3\n"


def test_other_values_for_a_known_id_are_refused(paths):
    conf = model(PLAIN | {"k": {"type": "text"}}, id="k")
    take(paths, conf, "k,y,x\n1,a,1\n2,b,2\n")
    assert told(refused(paths, conf, "k,y,x\n1,a,1\n2,a,2\n3,a,3\n")) == [(3, "k", "2", "'2' was taken in before with other values; parts are never rewritten")]


@pytest.mark.parametrize("text", ['say "hi"', "a,b", "two\nlines", "two\r\nlines", "one\rline", "", " space ", "#x", "'", "ünïcode 日本", "\ufeff", "\x1f", "\u2028", "NA"])
def test_any_text_comes_back_from_its_part_as_it_went_in(paths, text):
    conf = model(PLAIN | {"x": {"type": "text", "nullable": True}, "z": {"type": "integer"}})
    with open(paths.root / "rows.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("y", "x", "z"), ("a", text, 1), ("b", text + "x", 2)])
    content = (paths.root / "rows.csv").read_bytes()
    assert take(paths, conf, content) == (["0001.csv"], 0)
    with open(paths.train / "0001.csv", newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["y", "x", "z"], ["a", text, "1"], ["b", text + "x", "2"]]
    assert take(paths, conf, content) == ([], 2)


# several files

def files_of(paths: ModelPaths, **contents: str) -> config.Config:
    for name, content in contents.items():
        put(paths, content, f"incoming/{name}.csv")
    return model(PLAIN, data={"csv": "incoming/*.csv"})


def test_several_files_become_a_part_each_in_the_order_of_their_names(paths):
    conf = files_of(paths, b="y,x\na,3\nb,4\n", a="y,x\na,1\nb,2\n")
    assert take(paths, conf, None) == (["0001.csv", "0002.csv"], 0)
    assert in_train(paths) == {"0001.csv": b"y,x\na,1\nb,2\n", "0002.csv": b"y,x\na,3\nb,4\n"}


def test_several_files_are_taken_in_all_or_none(paths):
    conf = files_of(paths, a="y,x\na,1\nb,2\n", b="y,x\na,3\nb,bad\n", c="y,x\na,5\nb,6\n")
    with pytest.raises(UserError, match="b.csv: 1 fault, so nothing was taken in"):
        take(paths, conf, None)
    assert parts.find(paths) == []
    assert not paths.audit.exists()


def test_a_refused_file_leaves_no_temporary_of_the_files_before_it(paths):
    conf = files_of(paths, a="y,x\na,1\nb,2\n", b="y,x\na,3\nb,bad\n")
    with pytest.raises(UserError):
        take(paths, conf, None)
    assert in_train(paths) == {}


def test_a_row_that_several_files_share_is_taken_in_once(paths):
    conf = files_of(paths, a="y,x\na,1\nb,2\n", b="y,x\nb,2\na,3\n")
    assert take(paths, conf, None) == (["0001.csv", "0002.csv"], 1)
    assert in_train(paths)["0002.csv"] == b"y,x\na,3\n"


def test_the_same_files_again_add_nothing_even_where_they_share_rows(paths):
    conf = files_of(paths, a="y,x\na,1\nb,2\n", b="y,x\nb,2\na,3\n")
    take(paths, conf, None)
    before = in_train(paths)
    assert take(paths, conf, None) == ([], 4)
    assert in_train(paths) == before


def test_files_of_one_name_in_two_folders_do_not_meet(paths):
    put(paths, "y,x\na,1\nb,2\n", "incoming/1/rows.csv")
    put(paths, "y,x\na,3\nb,4\n", "incoming/2/rows.csv")
    assert take(paths, model(PLAIN, data={"csv": "incoming/*/rows.csv"}), None) == (["0001.csv", "0002.csv"], 0)
    assert in_train(paths) == {"0001.csv": b"y,x\na,1\nb,2\n", "0002.csv": b"y,x\na,3\nb,4\n"}


@pytest.mark.parametrize("second, added, known", [("b,2\n", ["0002.csv"], 2), ("b,9\n", ["0002.csv", "0003.csv"], 1)])
def test_files_of_one_name_do_not_meet_where_the_first_only_repeats_a_row_either(paths, second, added, known):
    take(paths, model(PLAIN), "y,x\na,1\nb,2\n")
    put(paths, "y,x\na,1\na,1\n", "incoming/1/rows.csv")
    put(paths, "y,x\n" + second, "incoming/2/rows.csv")
    assert take(paths, model(PLAIN, data={"csv": "incoming/*/rows.csv"}), None) == (added, known)
    assert in_train(paths)["0002.csv"] == b"y,x\na,1\n" and in_train(paths).get("0003.csv", b"y,x\nb,9\n") == b"y,x\nb,9\n"


def test_a_file_with_the_longest_name_there_is_is_taken_in(paths):
    assert take(paths, model(PLAIN), "y,x\na,1\nb,2\n", "x" * 251 + ".csv") == (["0001.csv"], 0)


def test_a_contradiction_between_two_files_is_refused(paths):
    put(paths, "k,y,x\n1,a,1\n2,b,2\n", "incoming/a.csv")
    put(paths, "k,y,x\n1,b,1\n", "incoming/b.csv")
    conf = model(PLAIN | {"k": {"type": "text"}}, id="k", data={"csv": "incoming/*.csv"})
    with pytest.raises(UserError):
        take(paths, conf, None)
    assert parts.find(paths) == []


# sources

@pytest.mark.parametrize("data, words", [
    ({"csv": "none/*.csv"}, 'no file matches [data] csv = "none/*.csv" (looked in {root}).'),
    ({"csv": "in/**x.csv"}, "[data] csv = \"in/**x.csv\" is no pattern for files: invalid pattern: '**' can only be an entire path component."),
    ({}, "[data] in model.toml names no source, so say which file: CSV=rows.csv"),
    ({"sklearn": "load_irs"}, "[data] sklearn = 'load_irs' is not a data set of scikit-learn. Did you mean 'load_iris'?"),
    ({"sql": "select 1", "database": "no.db"}, '[data] database = "no.db" is not there (looked for {root}/no.db).'),
])
def test_a_source_that_is_not_there_is_told(paths, data, words):
    with pytest.raises(UserError) as error:
        take(paths, model(PLAIN, data=data), None)
    assert str(error.value) == words.format(root=paths.root)
    assert in_train(paths) == {}


def test_rows_from_a_query_are_taken_in_and_its_words_recorded(paths):
    connection = sqlite3.connect(paths.root / "shop.db")
    connection.executescript("CREATE TABLE t (y, x); INSERT INTO t VALUES ('a', 1.5), ('b', 0.1), ('b', 0.30000000000000004);")
    connection.close()
    assert take(paths, model(PLAIN, data={"sql": "select y, x from t", "database": "shop.db"}), None) == (["0001.csv"], 0)
    assert in_train(paths)["0001.csv"] == b"y,x\na,1.5\nb,0.1\nb,0.30000000000000004\n"
    assert json.loads(paths.audit.read_text())["source"] == "sql select y, x from t"


def test_rows_from_a_command_are_taken_in_and_the_command_is_not_recorded(paths):
    conf = model(PLAIN, data={"command": "printf 'y,x\\na,1\\nb,2\\n' # password=secret"})
    assert take(paths, conf, None) == (["0001.csv"], 0)
    assert json.loads(paths.audit.read_text())["source"] == "command"
    assert "secret" not in paths.audit.read_text()


@pytest.mark.parametrize("command, words", [("printf 'y,x\\na,1\\nb,2\\n'; exit 3", "ended with exit code 3"), ("true", "printed nothing")])
def test_a_command_that_fails_takes_nothing_in(paths, command, words):
    with pytest.raises(Failed, match=words):
        take(paths, model(PLAIN, data={"command": command}), None)
    assert in_train(paths) == {}


# parts

def test_a_part_is_recorded_in_the_audit_with_its_sha256(paths):
    take(paths, model(PLAIN), "y,x\na,1\nb,2\n")
    line = json.loads(paths.audit.read_text())
    assert (line["event"], line["part"], line["rows"], line["source"], line["user"]) == ("ingest", "0001.csv", 2, "rows.csv", "ada")
    assert line["sha256"] == hashlib.sha256(b"y,x\na,1\nb,2\n").hexdigest() == parts.check(paths)[0].sha256


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(path.read_bytes().replace(b"1", b"9")), lambda path: path.write_bytes(b""), lambda path: os.truncate(path, 5)])
def test_a_part_that_was_edited_is_refused(paths, damage):
    take(paths, model(PLAIN), "y,x\na,1\nb,2\n")
    damage(paths.train / "0001.csv")
    with pytest.raises(Refused) as error:
        parts.check(paths)
    assert str(error.value).startswith(f"{paths.train}/0001.csv was changed after it was taken in (its sha256 differs).")


def test_a_part_that_is_gone_is_refused_by_name(paths):
    take(paths, model(PLAIN), "y,x\na,1\nb,2\n")
    take(paths, model(PLAIN), "y,x\na,3\nb,4\n")
    (paths.train / "0001.csv").unlink()
    with pytest.raises(Refused) as error:
        parts.check(paths)
    assert str(error.value) == f"{paths.train}/0001.csv is gone. Bring it back with: make restore MODEL=m"


def test_a_part_without_its_audit_line_gets_one_with_the_next_ingest(paths):
    take(paths, model(PLAIN), "y,x\na,1\nb,2\n")
    paths.audit.unlink()
    take(paths, model(PLAIN), "y,x\na,3\nb,4\n")
    lines = [json.loads(line) for line in paths.audit.read_text().splitlines()]
    assert [(line["part"], line["source"]) for line in lines] == [("0001.csv", "completed after an interruption"), ("0002.csv", "rows.csv")]
    assert [part.number for part in parts.check(paths)] == [1, 2]


def test_parts_are_found_in_the_order_of_their_numbers_and_nothing_else_is(paths):
    paths.train.mkdir(parents=True)
    for name in ("0002.csv", "10000.csv", "0001.csv", "9999.csv", "notes.csv", "1.csv", ".0003.csv.7.tmp", "0004.csv.bak"):
        (paths.train / name).touch()
    assert [path.name for path in parts.find(paths)] == ["0001.csv", "0002.csv", "9999.csv", "10000.csv"]


def test_the_next_part_after_a_gap_does_not_reuse_a_number(paths):
    take(paths, model(PLAIN), "y,x\na,1\nb,2\n")
    os.rename(paths.train / "0001.csv", paths.train / "0007.csv")
    assert take(paths, model(PLAIN), "y,x\na,3\nb,4\n")[0] == ["0008.csv"]


def test_what_a_killed_ingest_left_is_swept_away_by_the_next(paths):
    paths.train.mkdir(parents=True)
    (paths.train / ".rows.csv.1.0.tmp").write_text("y,x\n")
    take(paths, model(PLAIN), "y,x\na,1\nb,2\n")
    assert list(in_train(paths)) == ["0001.csv"]
