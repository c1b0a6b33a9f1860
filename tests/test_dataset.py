"""The split that never moves a row into the holdout, and a part read the fast way as validation read it."""
import csv
import random
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lib import config, csvfile, dataset, db, intake, parts, validation
from lib.dataset import Rows
from lib.errors import UserError
from lib.files import ModelPaths

RUN = SimpleNamespace(user="ada", host="here", trigger="manual", uuid="0" * 32, db=db.connect(":memory:"))
KINDS = ("number", "integer", "category", "boolean", "text", "time")


def model(columns: dict[str, str], head: str = "", holdout: float = 0.2, task: str = "classification", target: str = "y") -> config.Config:
    """columns: each name with its TOML value, or its type alone."""
    lines = [f'task = "{task}"', f'target = "{target}"', head, "[train]", 'estimator = "e"', f"holdout = {holdout}", "[columns]"]
    return config.parse("\n".join([*lines, *(f"{name} = {value if value.startswith('{') else '{type = %r}' % value}" for name, value in columns.items())]).replace("'", '"'))


def take(paths: ModelPaths, conf: config.Config, rows: list[list[str]]) -> None:
    with open(paths.root / "rows.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    intake.take_in(RUN, paths, conf, paths.root / "rows.csv")


def rows_of(keys: np.ndarray, times=None, truth=None) -> Rows:
    n = len(keys)
    frame = pd.DataFrame({"y": truth if truth is not None else np.array(["a", "b"] * n)[:n], "x": np.arange(n, dtype=float)})
    if times is not None:
        frame["t"] = times
    return Rows(frame, keys, np.ones(n, int))


def hashed(names) -> np.ndarray:
    return np.array([csvfile.key(str(name).encode()) for name in names], dtype=np.uint64)


BY_HASH = model({"y": "category", "x": "number"})
BY_TIME = model({"y": "category", "x": "number", "t": "time"}, 'time = "t"')


# the split

@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.9])
def test_the_hash_gives_the_holdout_its_share(share):
    n = 20_000
    split = dataset.split(rows_of(hashed(range(n))), model({"y": "category", "x": "number"}, holdout=share), None)
    assert split.holdout.mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / n))
    assert (split.train == ~split.holdout).all() and split.cutoff is None


def test_a_row_never_moves_into_the_holdout_as_data_grows():
    rng = np.random.default_rng(0)
    names = rng.permutation(5000)
    sides = {}
    for n in (100, 150, 1000, 4000, 5000):
        shown = rng.permutation(names[:n])  # the order does not matter either
        split = dataset.split(rows_of(hashed(shown)), BY_HASH, None)
        for name, held in zip(shown, split.holdout):
            assert sides.setdefault(name, held) == held


def test_equal_rows_stay_on_one_side():
    split = dataset.split(rows_of(hashed(list(range(100)) * 3)), BY_HASH, None)
    assert (split.holdout[:100] == split.holdout[100:200]).all() and (split.holdout[:100] == split.holdout[200:]).all()


@pytest.mark.parametrize("key, held", [(0, True), (2**64 // 5 - 2048, True), (2**64 // 5 + 2048, False), (2**64 - 1, False)])
def test_a_small_key_is_in_the_holdout(key, held):
    keys = np.concatenate([hashed(range(100)), np.array([key], dtype=np.uint64)])
    assert dataset.split(rows_of(keys), BY_HASH, None).holdout[-1] == held


def days(numbers) -> pd.Series:
    return pd.Series(pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.asarray(numbers), unit="D"))


def test_by_time_the_newest_rows_are_the_holdout_in_whatever_order_they_come():
    order = np.random.default_rng(1).permutation(100)
    split = dataset.split(rows_of(hashed(range(100)), days(order)), BY_TIME, None)
    assert sorted(order[split.holdout]) == list(range(80, 100))
    assert pd.Timestamp(split.cutoff) == pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(days=80)


def test_rows_of_one_moment_are_on_one_side():
    split = dataset.split(rows_of(hashed(range(100)), days(np.arange(100) // 25)), BY_TIME, None)
    assert split.holdout.sum() == 25


def test_by_time_no_row_moves_from_training_into_the_holdout_as_data_grows():
    cutoff, taught = None, np.zeros(0, bool)
    for n in (100, 110, 200, 1000):
        split = dataset.split(rows_of(hashed(range(n)), days(np.arange(n))), BY_TIME, cutoff)
        assert not (taught & split.holdout[:len(taught)]).any()
        cutoff, taught = split.cutoff, split.train


def test_the_cutoff_never_goes_back_where_old_rows_come_late():
    first = dataset.split(rows_of(hashed(range(100)), days(np.arange(100))), BY_TIME, None)
    late = np.concatenate([np.arange(100), np.arange(60, 90), np.full(400, 10)])
    second = dataset.split(rows_of(hashed(range(len(late))), days(late)), BY_TIME, first.cutoff)
    assert second.cutoff == first.cutoff
    assert (second.holdout == (late >= 80)).all()
    assert dataset.split(rows_of(hashed(range(len(late))), days(late)), BY_TIME, None).cutoff < first.cutoff  # which it would have done


@pytest.mark.parametrize("unknown", [5, 15, 40])
def test_rows_without_a_time_teach_and_the_newest_of_the_others_examine(unknown):
    conf = model({"y": "category", "x": "number", "t": '{type = "time", nullable = 0.5}'}, 'time = "t"')
    times = days(np.arange(100)).mask(np.arange(100) < unknown)
    split = dataset.split(rows_of(hashed(range(100)), times), conf, None)
    assert not split.holdout[:unknown].any()
    assert 0.2 * (100 - unknown) - 1 <= split.holdout.sum() <= 0.2 * 100 + 1


@pytest.mark.parametrize("n, side", [(8, "training"), (20, "holdout"), (0, "training")])
def test_too_few_rows_are_told_by_side(n, side):
    with pytest.raises(UserError) as error:
        dataset.split(rows_of(hashed(range(n))), BY_HASH, None)
    held = int((hashed(range(n)) < np.uint64(0.2 * 2**64)).sum()) if n else 0
    count = n - held if side == "training" else held
    assert str(error.value) == f"only {count} rows in the {side} part of {n}; at least 10 are needed. Take in more rows, or change train.holdout."


def test_rows_of_a_single_moment_can_not_be_split_by_time():
    with pytest.raises(UserError, match="only 0 rows in the training part of 50"):
        dataset.split(rows_of(hashed(range(50)), days(np.zeros(50))), BY_TIME, None)


def test_training_rows_of_one_class_are_refused_by_its_name():
    keys = hashed(range(200))
    truth = np.where(keys < np.uint64(0.2 * 2**64), "b", "a")
    with pytest.raises(UserError) as error:
        dataset.split(rows_of(keys, truth=truth), BY_HASH, None)
    assert str(error.value) == "the training rows have one class only ('a' in y). A classifier needs two."


# labels

@pytest.mark.parametrize("kind, task, cells, labels", [
    ("category", "classification", ["b", "a", "NA"], ["b", "a", "NA"]),
    ("text", "classification", ["b", "a", "None"], ["b", "a", "None"]),
    ("boolean", "classification", ["yes", "0", "T"], ["true", "false", "true"]),
    ("integer", "classification", ["1", "-2", "3.0"], ["1", "-2", "3"]),
    ("integer", "regression", ["1", "-2", "3.0"], [1.0, -2.0, 3.0]),
    ("number", "regression", ["1.5", "-2e3", "0.1"], [1.5, -2000.0, 0.1]),
])
def test_labels_are_class_names_as_text_or_floats(paths, kind, task, cells, labels):
    conf = model({"y": kind, "x": "number"}, task=task)
    take(paths, conf, [["y", "x"], *([cell, str(i)] for i, cell in enumerate(cells))])
    found = dataset.labels(dataset.read(parts.check(paths), conf).frame["y"], conf)
    assert found.tolist() == labels
    assert found.dtype == (object if task == "classification" else float)


# the fast reader

def cell(kind: str, rng: random.Random) -> str:
    if kind in ("number", "integer", "boolean", "time") and rng.random() < 0.15:
        return rng.choice(sorted(csvfile.MISSING))
    if kind == "number":
        return rng.choice([lambda: f"{rng.uniform(-1e6, 1e6):.17g}", lambda: repr(rng.uniform(0, 1)), lambda: f"{rng.random():.25f}", lambda: f"{rng.uniform(-1, 1) * 10 ** rng.randint(-320, 300):.17e}",
                           lambda: str(rng.randint(-10**20, 10**20)), lambda: rng.choice([".5", "5.", "+3", "-0", "1E5", "1e-400", "-0.0", "007", " 1.5", "1.5 ", "2.2250738585072011e-308", "9007199254740993"])])()
    if kind == "integer":
        return rng.choice([lambda: str(rng.randint(-10**9, 10**9)), lambda: str(rng.randint(-2**60, 2**60)), lambda: rng.choice(["3.0", "1e3", "-0", "+7", "007", " 5", "9007199254740993"])])()
    if kind == "boolean":
        return rng.choice(["true", "False", "YES", "no", "t", "F", "1", "0", " y ", "N"])
    if kind == "time":
        return rng.choice(["2026-05-01", "2026-05-01T13:30:00Z", "2026-05-01 13:30:00.123456", "1999-12-31T23:59:59+14:00", f"20{rng.randint(10, 30)}-{rng.randint(1, 12):02d}-28"])
    return "".join(rng.choice('ab ,;"\'\n\t#NA\\é日🙂.0-') for _ in range(rng.randint(0, 8))) if rng.random() < 0.7 else rng.choice(["NA", "nan", "null", "None", "", '"', '""', "\n", "\r\n", "1", " "])


@pytest.mark.parametrize("seed", range(12))
def test_the_fast_reader_gives_what_validation_gave_for_every_type(paths, seed):
    rng = random.Random(seed)
    conf = model({"y": "category", **{f"{kind}{i}": f'{{type = "{kind}", nullable = true}}' for i in range(2) for kind in KINDS}})
    names = [name for name in conf.columns if name != "y"]
    rng.shuffle(names)
    table = [["y", *names], *(["ab"[i % 2], *(cell(conf.columns[name].type, rng) for name in names)] for i in range(60))]
    take(paths, conf, table)

    source = paths.root / "rows.csv"
    header = csvfile.read_header(source)
    chunk, = csvfile.chunks(source, header)
    validated, faults = validation.Rules(conf.columns).check(header, chunk)
    assert faults == []
    rows = dataset.read(parts.check(paths), conf)
    pd.testing.assert_frame_equal(rows.frame, validated, check_exact=True)
    for name in names:  # down to the sign of zero and the last bit
        if conf.columns[name].type == "number":
            assert rows.frame[name].to_numpy().tobytes() == validated[name].to_numpy().tobytes()
    assert len(set(rows.keys.tolist())) == len({tuple(row) for row in table[1:]}) and len(rows.keys) == 60 and set(rows.parts) == {1}


@pytest.mark.parametrize("kind", ["number", "integer"])
@pytest.mark.parametrize("text", ["１２", "٣", "\xa012", "12\xa0", "\u200912", "12\n", "\t12", "1e5", "+.5e1", "１.5", "0012", "1E+05", "12\x0b", "\x1c12"])
def test_a_number_that_is_taken_in_can_be_read_again(paths, kind, text):
    """Python's float() reads digits of every script and strips every kind of space; who accepts that must read it back too."""
    conf = model({"y": "category", "x": kind})
    try:
        take(paths, conf, [["y", "x"], ["a", text], ["b", "1"]])
    except UserError:
        return  # not taken in: as good
    assert dataset.read(parts.check(paths), conf).frame["x"].tolist() == [float(text), 1.0]


@pytest.mark.parametrize("kind, dtype", [("number", "float64"), ("integer", "int64"), ("boolean", "bool"), ("category", "str"), ("text", "str")])
def test_columns_have_the_types_that_pandas_users_expect(paths, kind, dtype):
    conf = model({"y": "category", "x": kind})
    take(paths, conf, [["y", "x"], ["a", "1"], ["b", "0"]])
    assert str(dataset.read(parts.check(paths), conf).frame["x"].dtype) == dtype


def test_times_are_in_utc(paths):
    conf = model({"y": "category", "x": "time"})
    take(paths, conf, [["y", "x"], ["a", "2026-05-01T02:00:00+02:00"], ["b", "2026-05-01"]])
    assert dataset.read(parts.check(paths), conf).frame["x"].tolist() == [pd.Timestamp("2026-05-01", tz="UTC")] * 2


@pytest.mark.parametrize("kind, values", [("number", ["1.5", "2"]), ("integer", ["1", "2"]), ("boolean", ["yes", "no"]), ("category", ["p", "q"]), ("text", ["p", "q"]), ("time", ["2026-05-01", "2026-06-01"])])
def test_a_column_that_one_part_lacks_has_the_type_it_has_where_values_are_missing(paths, kind, values):
    """Else the same model.toml trains on another kind of column, depending on which parts there are."""
    conf = model({"y": "category", "x": f'{{type = "{kind}", nullable = true}}'})
    types = []
    for name, second in (("lacks", [["y"], ["a"], ["b"]]), ("empty", [["y", "x"], ["a", ""], ["b", ""]])):
        one = ModelPaths(paths.root / name, "m")
        one.folder.mkdir(parents=True)
        take(one, conf, [["y", "x"], ["a", values[0]], ["b", values[1]]])
        take(one, conf, second)
        frame = dataset.read(parts.check(one), conf).frame
        assert frame["x"].isna().tolist() == [False, False, True, True]
        types.append(str(frame["x"].dtype))
    assert types[0] == types[1]


def test_rows_of_several_parts_come_in_order_with_the_number_of_their_part(paths):
    conf = model({"y": "category", "x": "number"})
    take(paths, conf, [["y", "x"], ["a", "1"], ["b", "2"]])
    take(paths, conf, [["x", "y"], ["3", "a"]])
    rows = dataset.read(parts.check(paths), conf)
    assert rows.frame["x"].tolist() == [1.0, 2.0, 3.0] and rows.parts.tolist() == [1, 1, 2] and list(rows.frame) == ["y", "x"]


def test_the_key_of_a_row_is_that_of_its_id_where_there_is_one(paths):
    conf = model({"y": "category", "x": "number", "k": "text"}, 'id = "k"')
    take(paths, conf, [["k", "y", "x"], ["first, \"one\"", "a", "1"], ["second", "b", "2"]])
    assert dataset.read(parts.check(paths), conf).keys.tolist() == hashed(['first, "one"', "second"]).tolist()


def test_an_id_has_its_key_whatever_the_other_ids_of_its_part_are(paths):
    """A column of whole numbers is int64 or float64, as its other values are; the key must not know."""
    conf = model({"y": "category", "x": "number", "k": "integer"}, 'id = "k"')
    take(paths, conf, [["k", "y", "x"], ["1", "a", "1"], ["2", "b", "2"]])
    take(paths, conf, [["k", "y", "x"], ["3", "a", "1"], ["9007199254740993", "b", "2"]])
    assert dataset.read(parts.check(paths), conf).keys[2] == dataset.row_keys(pd.DataFrame({"k": [3]}), conf)[0]


def test_an_integer_id_is_known_again_beside_one_too_large_for_int64(paths):
    conf = model({"y": "category", "x": "number", "k": "integer"}, 'id = "k"')
    take(paths, conf, [["k", "y", "x"], ["1", "a", "1"], ["2", "b", "2"]])
    with open(paths.root / "more.csv", "w", encoding="utf-8") as file:
        file.write("k,y,x\n1,a,1\n9007199254740993,b,2\n")
    added, known = intake.take_in(RUN, paths, conf, paths.root / "more.csv")
    assert (known, [part.rows for part in added]) == (1, [1])


@pytest.mark.parametrize("kind, cells", [("text", ["p", "", "q", ""]), ("text", ["", ""]), ("text", ["p", "", "nan"]), ("integer", ["1", "", "2"]), ("category", ["", "p"])])
def test_a_row_without_an_id_has_not_the_key_of_a_row_with_one(kind, cells):
    try:
        conf = model({"y": "category", "k": f'{{type = "{kind}", nullable = true}}', "x": "number"}, 'id = "k"')
    except UserError:
        return  # an id that may be missing is refused: as good
    keys = dataset.row_keys(typed(conf, k=cells, x=[str(i) for i in range(len(cells))]), conf)
    with_id = {int(key) for key, cell in zip(keys, cells) if cell}
    assert len(with_id) == len({cell for cell in cells if cell})
    assert not with_id & {int(key) for key, cell in zip(keys, cells) if not cell}


# the keys of contents

def typed(conf: config.Config, **cells: list[str]) -> pd.DataFrame:
    """The cells as validation types them."""
    rules, made = validation.Rules(conf.columns), {}
    for name, texts in cells.items():
        made[name], bad = rules.check_column(name, conf.columns[name], texts)
        assert not bad
    return pd.DataFrame(made)


ALL = model({"y": "category", **{kind: f'{{type = "{kind}", nullable = true}}' for kind in KINDS}})


def content(**cells: str) -> int:
    """The key of one row."""
    return int(dataset.content_keys(typed(ALL, **{name: [text] for name, text in cells.items()}))[0])


@pytest.mark.parametrize("kind, one, other", [
    ("number", "1", "1.0"), ("number", "1", "1e0"), ("number", "0.5", ".50"), ("number", "0", "-0.0"), ("number", "-0", "0.0"), ("number", "1000", "1E3"),
    ("integer", "1", "1.0"), ("integer", "0", "-0"), ("integer", "1000", "1e3"), ("boolean", "yes", "TRUE"), ("boolean", "0", "no"),
    ("time", "2026-05-01", "2026-05-01T00:00:00Z"), ("time", "2026-05-01T02:00:00+02:00", "2026-05-01"), ("time", "2026-05-01 13:30", "2026-05-01T13:30:00.000000Z"),
    ("time", "2026-05-01T00:00:00.000000000", "2026-05-01"), ("number", "", "NA"), ("time", "", "null"), ("boolean", "", "None"),
])
def test_a_value_has_one_key_however_it_is_written(kind, one, other):
    assert content(**{kind: one}) == content(**{kind: other})
    assert content(y="a", **{kind: one}) == content(y="a", **{kind: other})


@pytest.mark.parametrize("kind, one, other", [
    ("number", "1", "1.0000000000000002"), ("number", "1", "-1"), ("number", "0", ""), ("number", "0", "5e-324"), ("number", "1e300", "2e300"), ("integer", "0", ""), ("integer", "1", "2"),
    ("boolean", "yes", "no"), ("boolean", "no", ""), ("boolean", "yes", ""), ("time", "2026-05-01", "2026-05-01T00:00:00.000001"), ("time", "2026-05-01", "2026-05-02"), ("time", "1970-01-01", ""),
    ("time", "2026-05-01T00:00:00.000000001", "2026-05-01"), ("time", "9999-12-31", "9999-12-30"), ("time", "2026-05-01T00:00+02:00", "2026-05-01"),
    ("text", "1", "1.0"), ("text", "a", "A"), ("text", "a", "a "), ("text", "é", "e\u0301"), ("text", "nan", ""), ("text", "0", ""), ("category", "NA", ""), ("category", "a", "b"),
])
def test_values_that_differ_have_other_keys(kind, one, other):
    assert content(y="a", **{kind: one}) != content(y="a", **{kind: other})


@pytest.mark.parametrize("one, other", [({"text": "a", "category": "b"}, {"text": "b", "category": "a"}), ({"number": "1", "integer": "2"}, {"number": "2", "integer": "1"}),
                                        ({"number": "1"}, {"integer": "1"}), ({"text": "a", "category": "a"}, {}), ({"boolean": "yes", "number": "0"}, {"boolean": "no", "number": "1"})])
def test_a_value_counts_for_its_own_column(one, other):
    assert content(y="a", **one) != content(y="a", **other)


def rows_of_all_kinds(n: int, seed: int = 0) -> pd.DataFrame:
    rng = random.Random(seed)
    return typed(ALL, y=[rng.choice("ab") for _ in range(n)], **{kind: [cell(kind, rng) for _ in range(n)] for kind in KINDS})


def test_the_order_of_the_columns_changes_no_key():
    rows = rows_of_all_kinds(200)
    keys = dataset.content_keys(rows)
    for seed in range(5):
        names = list(rows)
        random.Random(seed).shuffle(names)
        assert dataset.content_keys(rows[names]).tolist() == keys.tolist()


def test_a_row_has_its_key_alone_and_among_others():
    """Where it were otherwise, the size of a chunk would decide who examines."""
    rows = rows_of_all_kinds(100)
    texts = rows_of_all_kinds(100, 1)
    keys = dataset.content_keys(rows)
    assert [int(dataset.content_keys(rows.iloc[[i]])[0]) for i in range(100)] == keys.tolist()
    assert dataset.content_keys(pd.concat([rows, texts], ignore_index=True))[:100].tolist() == keys.tolist()
    assert content(integer="3") == int(dataset.content_keys(typed(ALL, integer=["3", "", "9007199254740993"]))[0])
    assert content(boolean="yes") == int(dataset.content_keys(typed(ALL, boolean=["yes", ""]))[0])
    assert content(time="2026-05-01") == int(dataset.content_keys(typed(ALL, time=["2026-05-01", "2026-05-01T00:00:00.000000001", ""]))[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_nullable_column_that_is_added_changes_no_old_key(paths, kind):
    old = model({"y": "category", "x": "number"})
    take(paths, old, [["y", "x"], ["a", "1"], ["b", "2"]])
    before = dataset.read(parts.check(paths), old).keys.tolist()
    new = model({"added": f'{{type = "{kind}", nullable = true}}', "y": "category", "x": "number"})
    assert dataset.read(parts.check(paths), new).keys.tolist() == before
    value = {"number": "0", "integer": "0", "boolean": "no", "time": "1970-01-01", "category": "c", "text": "t"}[kind]
    with open(paths.root / "more.csv", "w", encoding="utf-8") as file:
        file.write(f"added,y,x\n,a,1\n,b,2.0\n{value},a,1\n")
    added, known = intake.take_in(RUN, paths, new, paths.root / "more.csv")
    assert (known, [part.rows for part in added]) == (2, [1])
    assert dataset.read(parts.check(paths), new).keys[:2].tolist() == before


@pytest.mark.parametrize("side, columns", [(50, 2), (400, 2), (40, 3), (10, 5), (3, 10)])
@pytest.mark.parametrize("kind", ["int64", "float64"])
def test_tables_of_small_whole_numbers_have_a_key_for_each_row(side, columns, kind):
    """Where two rows share a key, the second is taken for known, and lost."""
    grid = np.stack(np.meshgrid(*[np.arange(side)] * columns), -1).reshape(-1, columns)
    rows = pd.DataFrame(grid, columns=[f"c{i}" for i in range(columns)]).astype(kind)
    assert len(np.unique(dataset.content_keys(rows))) == side**columns


def test_tables_of_booleans_have_a_key_for_each_row():
    bits = (np.arange(2**17)[:, None] >> np.arange(17)) & 1
    rows = pd.DataFrame(bits.astype(bool), columns=[f"c{i}" for i in range(17)])
    assert len(np.unique(dataset.content_keys(rows))) == 2**17


@pytest.mark.parametrize("low, high", [(0, 32), (32, 64), (0, 8), (56, 64)])
def test_every_bit_of_a_key_varies_as_if_by_chance(low, high):
    rows = pd.DataFrame({"a": np.repeat(np.arange(100.0), 100), "b": np.tile(np.arange(100.0), 100)})
    keys = dataset.content_keys(rows)
    for bit in range(low, high):
        assert 0.45 < ((keys >> np.uint64(bit)) & np.uint64(1)).mean() < 0.55, bit


@pytest.mark.parametrize("columns, words", [
    ({"y": "category", "x": "number", "z": "number"}, "0001.csv has no column 'z', which [columns] asks for. Give it nullable = true, or take it out."),
    ({"y": "category", "x": "integer"}, "0001.csv, row 1, x: '1.5' is not a whole number. Was the column's type changed? Its rows were taken in as they are."),
    ({"y": "number", "x": "category"}, "0001.csv does not fit [columns]: "),
])
def test_parts_that_do_not_fit_a_changed_model_toml_are_named(paths, columns, words):
    take(paths, model({"y": "category", "x": "number"}), [["y", "x"], ["a", "1.5"], ["b", "2"]])
    conf = model(columns, task="regression" if columns["y"] == "number" else "classification")
    with pytest.raises(UserError) as error:
        dataset.read(parts.check(paths), conf)
    assert str(error.value).startswith(f"{paths.train}/{words}")


@pytest.mark.parametrize("number", [2**53, -(2**53), 12345678901234567890])
def test_a_class_that_is_a_number_too_large_to_be_told_from_its_neighbour_is_refused(number):
    conf = config.parse('task = "classification"\ntarget = "y"\n[train]\nestimator = "sklearn.linear_model.LogisticRegression"\n[columns]\ny = {type = "integer"}\nx = {type = "number"}\n')
    assert dataset.labels(pd.Series([1, 2**53 - 1]), conf).tolist() == ["1", "9007199254740991"]
    with pytest.raises(UserError, match='too large for a class that is a number, since such numbers run together. Say type = "category"'):
        dataset.labels(pd.Series([1.0, float(number)]), conf)
