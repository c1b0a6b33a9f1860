"""Lines of a log as a table: the fields that csv would find, wherever they come from."""
import csv
import io
from pathlib import Path

import numpy as np
import pytest

from lib import logtable
from lib.errors import UserError

LINES = {
    "plain": b"a,1,2026-01-01T00:00:00Z\nb,,2026-01-02T00:00:00Z\n,,\n", "quoted": b'"a, b",1,x\n"say ""x""",2,"line\nend"\n', "carriage returns": b"a,1,x\r\nb,2,y\r\n", "NUL": b"a\0,1,x\0\n",
    "blank line": b"a,1,x\n\nb,2,y\n", "other widths": b"a,1\nb,2,y\nc,3,z,4\nd,5,u\n", "widths that add up": b"a,1\nb,2,y,4\n", "not UTF-8": b"a\xff,1,\xc3\nb,2,y\n", "letters": "ü,1,☃\n".encode(), "none": b"",
}


def by_csv(lines: bytes) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(lines.decode("utf-8", "replace"), newline="")) if len(row) == 3]


@pytest.mark.parametrize("case", list(LINES))
def test_a_table_has_the_fields_that_csv_finds_in_rows_of_the_right_width(case):
    table = logtable.read(LINES[case], 3, Path("log.csv"))
    assert list(zip(*(table.texts(place) for place in range(3)))) == [tuple(row) for row in by_csv(LINES[case])]


@pytest.mark.parametrize("end", ["\n", '"x"\n'])
def test_columns_are_numbers_whole_numbers_times_or_texts(end):
    lines = "".join(f"id {i},2026-01-01T{i:02d}:00:00Z,{1 + i % 2},{i / 7},{-i},{'' if i % 3 else i}{end}" for i in range(20)).encode()
    table = logtable.read(lines, 6, Path("log.csv"))
    assert table.numbers([3, 4]).tolist() == [[i / 7 for i in range(20)], [-i for i in range(20)]] and table.numbers([]).shape == (0, 20)
    assert table.whole_numbers(2).tolist() == [1, 2] * 10
    assert table.times(1).tolist() == sorted(table.times(1).tolist()) and table.times(1)[3] == b"2026-01-01T03:00:00Z"
    part = table.part(np.array([1, 3]))
    assert part.texts(0) == ["id 1", "id 3"] and part.numbers([3]).tolist() == [[1 / 7, 3 / 7]]


def test_lines_that_are_no_csv_are_named():
    with pytest.raises(UserError, match=r"log\.csv can't be read as a prediction log"):
        logtable.read(b'a,"' + b"x" * (1 << 24) + b"x,b\n", 3, Path("log.csv"))
