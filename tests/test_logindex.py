"""The fields of a log as arrays: the quick ways through bytes give what Python's own give."""
import random

import numpy as np
import pytest

from lib import logfields, logindex
from lib.errors import UserError


def cut(cells: list[str]) -> tuple[bytes, np.ndarray, np.ndarray]:
    """Cells as the first fields of lines: (block, begins, stops)."""
    block = "".join(f"{cell},1\n" for cell in cells).encode()
    begins, stops, _ = logfields.fields(block, 2)
    return block, begins[:, 0], stops[:, 0]


def test_chances_are_the_numbers_that_are_written():
    chosen = random.Random(0)
    cells = [repr(chosen.random()) for _ in range(2000)] + [f"{chosen.random():.{places}f}" for places in range(1, 20) for _ in range(20)] + ["0.0", "1.0", "0.00000001", "1.00000000"]
    assert np.abs(logfields.chances(*cut(cells)) - np.array(cells, float)).max() < 1e-15


@pytest.mark.parametrize("cell, value", [("", np.nan), ("nan", np.nan), ("x", np.nan), ("0.", 0.0), ("1", 1.0), (".5", 0.5), ("-0.5", -0.5), ("1e-05", 1e-5), ("9.3e-12", 9.3e-12), ("0.5e1", 5.0),
                                         ("0.1:", np.nan), ("0./1", np.nan), ("2.5", 2.5), ("0.12345678x", np.nan), ("00.5", 0.5), ("0.é", np.nan)])
def test_chances_written_otherwise_are_read_as_python_reads_them(cell, value):
    assert np.array_equal(logfields.chances(*cut(["0.25", cell, "0.75"])), [0.25, value, 0.75], equal_nan=True)


@pytest.mark.parametrize("cell, version", [("1", 1), ("12345678", 12345678), ("", 0), ("abc", 0), ("-3", 0), ("0", 0), ("1.0", 1)])
def test_versions(cell, version):
    assert logfields.versions(*cut(["7", cell, cell, "7"])).tolist() == [7, version, version, 7]


def test_hours_in_any_order():
    cells = ["2026-05-01T13:30:00Z", "2026-05-01T13:59:59Z", "2026-05-01", "2026-05-02T00:00:00Z", "junk", "", "2026-05-01T13:00:00Z"]
    assert [logfields.name_of_hour(hour) for hour in logfields.hours(*cut(cells))] == ["2026-05-01T13", "2026-05-01T13", "2026-05-01T00", "2026-05-02T00", "1970-01-01T00", "1970-01-01T00", "2026-05-01T13"]


def test_a_block_without_rows_has_no_hours_and_no_versions():
    nothing = np.empty(0, np.int64)
    assert logfields.hours(b"", nothing, nothing).shape == logfields.versions(b"", nothing, nothing).shape == (0,)


def test_a_field_has_the_same_hash_alone_and_among_others_of_any_width():
    cells = ["", "a", "abcdefgh", "abcdefgh\0".rstrip("\0") + "i", "é" * 20, "x" * 48, "x" * 49, "x" * 200]
    assert logfields.hashes(*cut(cells)).tolist() == [int(logfields.hash_bytes(cell.encode())) for cell in cells]
    assert [logfields.hashes(*cut([cell]))[0] for cell in cells] == logfields.hashes(*cut(cells)).tolist() and len(set(logfields.hashes(*cut(cells)).tolist())) == len(cells)


def test_of_rows_with_one_key_the_later_stays_behind():
    keys = np.array([3, 1, 2, 1, 3, 1], "u8")
    assert logindex.in_order(keys).tolist() == [1, 3, 5, 2, 0, 4]
    many = np.random.default_rng(0).permutation(5000).astype("u8")
    assert logindex.in_order(many).tolist() == np.argsort(many, kind="stable").tolist()


def test_distinct_is_unique_with_places():
    values = np.random.default_rng(0).integers(0, 5, 1000).astype("u8")
    for given in (values, np.sort(values), values[:0], values[:1]):
        kinds, place = logfields.distinct(given)
        assert kinds.tolist() == np.unique(given).tolist() and kinds[place].tolist() == given.tolist()


def test_rows_that_come_little_by_little_are_written_a_few_times_each_and_all_found(tmp_path):
    chosen, index, written = np.random.default_rng(0), logindex.Segments(tmp_path, []), 0
    keys = chosen.integers(0, 1 << 63, (200, 50), dtype=np.uint64)
    for round_, some in enumerate(keys):
        rows = np.zeros(50, logindex.ROW)
        rows["key"], rows["value"] = some, round_
        before = set(index.names)
        index.add(rows)
        written += sum(index.open(name).shape[1] for name in set(index.names) - before)
    place, found = index.find(keys.ravel())
    assert np.array_equal(found["value"][np.argsort(place)], np.repeat(np.arange(200), 50))
    assert written <= 8 * keys.size and len(index.names) <= 8


def test_of_rows_in_several_segments_the_latest_comes_last(tmp_path):
    index = logindex.Segments(tmp_path, [])
    for value, count in enumerate((100, 1, 1, 30)):
        rows = np.zeros(count, logindex.ROW)
        rows["key"], rows["value"] = 7, value
        index.add(rows)
    assert index.find(np.array([7], "u8"))[1]["value"].tolist() == [0] * 100 + [1, 2] + [3] * 30


@pytest.mark.parametrize("length", [0, 5, 100, 128, 200, 24 * 49 + 128])
def test_a_segment_cut_short_is_not_taken_for_one(tmp_path, length):
    index = logindex.Segments(tmp_path, [])
    index.add(np.zeros(50, logindex.ROW))
    name, = index.names
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[:length])
    with pytest.raises(UserError, match="Remove it"):
        index.find(np.array([0], "u8"))


def test_a_row_that_is_only_long_is_read_without_a_warning(tmp_path, capsys):
    path = tmp_path / "log.csv"
    path.write_text("id,label,time\n" + "a,1,\n" + "x" * (logfields.LONGEST_ROW + logfields.BLOCK) + ",1,\n" + "b,0,\n")
    read = b"".join(block for block, _ in logfields.read(path, 0, path.stat().st_size))
    assert b"id,label,time\n" + read == path.read_bytes()
    assert capsys.readouterr().err == ""
