"""The quick way through a CSV gives what the strict way gives: rows, types, faults, and the lines of the log."""
import random
import sys
import threading

import pandas as pd
import pytest

from lib import csvfile, plain, scoring, validation
from lib.config import Column

COLUMNS = {"id": Column("text"), "x": Column("number", nullable=1.0), "n": Column("integer", nullable=1.0), "c": Column("category", nullable=1.0),
           "b": Column("boolean", nullable=1.0), "t": Column("time", nullable=1.0)}
CELLS = {"id": ["a1", "é", "b 2", "0"], "x": ["1.5", "-2e3", "", "NA", ".5", "7"], "n": ["1", "-3", "", "12"], "c": ["red", "blue", "", "NA"],
         "b": ["true", "no", "1", ""], "t": ["2026-05-01", "2026-05-01T13:30:00Z", "null", ""]}


def written(rows: list[dict], end: str = "\n") -> bytes:
    return "".join(",".join(line) + end for line in [list(COLUMNS), *([row[name] for name in COLUMNS] for row in rows)]).encode()


def rows(count: int, **changed) -> list[dict]:
    chosen = random.Random(count)
    return [{name: chosen.choice(cells) for name, cells in CELLS.items()} | changed for _ in range(count)]


def both(path, columns=COLUMNS):
    """What the quick and the strict way make of a file: typed rows, faults, and the fields joined again."""
    header = csvfile.read_header(path)
    places = [place for place in (0, 2, 3, None, 1) if place is None or place < len(header.names)]
    strict, quick = validation.Rules(columns), validation.Rules(columns)
    wanted = [(*strict.check(header, chunk), chunk.joined(places)) for chunk in csvfile.chunks(path, header)]
    found = [(frame, faults, chunk.joined(places)) for chunk, frame, faults in plain.chunks(path, header, quick)]
    return wanted, found


def assert_same(wanted, found) -> None:
    assert [fault for _, faults, _ in found for fault in faults] == [fault for _, faults, _ in wanted for fault in faults]
    assert [line for *_, lines in found for line in lines] == [line for *_, lines in wanted for line in lines]
    if not any(faults for _, faults, _ in wanted):
        pd.testing.assert_frame_equal(pd.concat([frame for frame, *_ in found], ignore_index=True), pd.concat([frame for frame, *_ in wanted], ignore_index=True))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("count", [1, 300])
def test_plain_rows_are_the_same_as_read_strictly(tmp_path, count, end):
    path = tmp_path / "rows.csv"
    path.write_bytes(written(rows(count), end))
    wanted, found = both(path)
    assert_same(wanted, found)
    header = csvfile.read_header(path)
    assert all(isinstance(chunk, plain.Block) for chunk, *_ in plain.chunks(path, header, validation.Rules(COLUMNS)))


@pytest.mark.parametrize("odd", [
    {"x": "True"}, {"x": "1_000"}, {"x": "inf"}, {"x": "12,5"}, {"n": "1.5"}, {"b": "maybe"}, {"t": "yesterday"}, {"t": "now"}, {"c": '"a, b"'}, {"id": 'say "x"'}, {"c": "a\rb"},
    {"id": '"two\nlines"'}, {"x": "１２"}, {"c": " "}, {"x": "1e400"},
])
def test_whatever_is_not_plain_is_read_strictly_with_its_faults_and_lines(tmp_path, odd):
    path = tmp_path / "rows.csv"
    path.write_bytes(written(rows(20) + rows(1, **odd) + rows(5)))
    try:
        wanted, found = both(path)
    except csvfile.UserError as error:
        with pytest.raises(csvfile.UserError) as strict:
            list(csvfile.chunks(path, csvfile.read_header(path)))
        assert str(error) == str(strict.value)
    else:
        assert_same(wanted, found)


def test_a_column_of_true_and_false_is_no_column_of_numbers(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(written(rows(3, x="True") + rows(3, x="False")))
    _, found = both(path)
    assert [fault.reason for _, faults, _ in found for fault in faults][0] == "'True' is not a number"


@pytest.mark.parametrize("line", ["a1,1,2,red,true", "a1,1,2,red,true,2026-05-01,more", "", ","])
def test_a_row_of_another_width_is_told_by_its_line(tmp_path, line):
    path = tmp_path / "rows.csv"
    path.write_bytes(written(rows(4)) + f"{line}\n".encode() + b"".join(written(rows(2)).splitlines(True)[1:]))
    assert_same(*both(path))


def test_odd_rows_late_in_a_long_file_have_the_right_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(plain, "FIRST", 400)
    monkeypatch.setattr(csvfile, "CHUNK", 7)
    path = tmp_path / "rows.csv"
    path.write_bytes(written(rows(200) + rows(1, n="x") + rows(100) + rows(1, c='"q"', n="y") + rows(50)))
    wanted, found = both(path)
    assert len(found) > 20
    assert [fault for _, faults, _ in found for fault in faults] == [fault for _, faults, _ in wanted for fault in faults]
    assert [fault.line for _, faults, _ in found for fault in faults] == [202, 303]


def test_rules_that_a_value_breaks_are_told_as_strictly(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(written(rows(50, x="7", n="12", c="red")))
    columns = COLUMNS | {"x": Column("number", max=5), "n": Column("integer"), "c": Column("category", values=("blue",))}
    wanted, found = both(path, columns)
    assert [fault for _, faults, _ in found for fault in faults] == [fault for _, faults, _ in wanted for fault in faults] != []


def test_other_separators_and_a_byte_order_mark_are_left_to_the_strict_reader(tmp_path):
    path = tmp_path / "rows.csv"
    for content in (written(rows(9)).replace(b",", b";"), b"\xef\xbb\xbf" + written(rows(9))):
        path.write_bytes(content)
        assert_same(*both(path))


@pytest.mark.parametrize("content", ["x\n1\n\n2\n", "x\n\n1\n", "x\n1\n\n", "x,n\n1,2\n\n\n3,4\n", "x,n\n\n\n1,2\n"])
def test_an_empty_line_is_left_to_the_strict_reader(tmp_path, content):
    path = tmp_path / "rows.csv"
    path.write_text(content)
    header = csvfile.read_header(path)
    assert plain.split(content.partition("\n")[2].encode(), header) is None
    assert_same(*both(path, {name: Column("number", nullable=1.0) for name in header.names}))


def test_reading_ahead_gives_the_same_items_in_order_and_the_fault_where_it_is():
    def counted():
        yield from range(5)
        raise csvfile.UserError("row 6 does not fit")
    interval, found = sys.getswitchinterval(), []
    with pytest.raises(csvfile.UserError, match="row 6 does not fit"):
        for item in scoring.ahead(counted()):
            found.append(item)
    assert found == [0, 1, 2, 3, 4]
    assert sys.getswitchinterval() == interval


def test_the_next_item_is_made_while_one_is_worked_on():
    made = threading.Event()

    def two():
        yield 1
        made.set()
        yield 2
    items = scoring.ahead(two())
    assert next(items) == 1
    assert made.wait(10)
    assert list(items) == [2]
