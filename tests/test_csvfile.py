"""Reading CSV strictly: what may come, and what must not pass, with file and line."""
import pytest

from lib import csvfile
from lib.csvfile import Chunk, Fault, Header
from lib.errors import UserError


def put(folder, content: bytes):
    path = folder / "rows.csv"
    path.write_bytes(content)
    return path


def read(path, size: int = csvfile.CHUNK, separator: str | None = None) -> tuple[Header, list[int], list[list[str]], list[Fault]]:
    header = csvfile.read_header(path, separator)
    lines, rows, faults = [], [], []
    for chunk in csvfile.chunks(path, header, size):
        assert len(chunk.lines) == len(chunk.rows) and 0 < len(chunk.rows) + len(chunk.faults) <= size
        lines += chunk.lines
        rows += chunk.rows
        faults += chunk.faults
    return header, lines, rows, faults


@pytest.mark.parametrize("content, lines, rows", [
    (b"a,b\n1,2\n3,4\n", [2, 3], [["1", "2"], ["3", "4"]]),
    (b"a,b\n1,2\n3,4", [2, 3], [["1", "2"], ["3", "4"]]),
    (b"\xef\xbb\xbfa,b\n1,2\n", [2], [["1", "2"]]),
    (b'\xef\xbb\xbf"a","b"\r\n1,2\r\n', [2], [["1", "2"]]),
    (b"a,b\r\n1,2\r\n3,4\r\n", [2, 3], [["1", "2"], ["3", "4"]]),
    (b"a,b\r\n1,2\n3,4\r\n", [2, 3], [["1", "2"], ["3", "4"]]),
    (b'a,b\n"x\ny",2\n3,4\n', [3, 4], [["x\ny", "2"], ["3", "4"]]),
    (b'a,b\r\n"x\r\ny",2\r\n3,4\r\n', [3, 4], [["x\r\ny", "2"], ["3", "4"]]),
    (b'a,b\n"say ""hi"", he said",2\n', [2], [['say "hi", he said', "2"]]),
    (b"a,b\n\n1,2\n\n\n3,4\n\n", [3, 6], [["1", "2"], ["3", "4"]]),
    (b"a,b\n,\n", [2], [["", ""]]),
    ("a,b\nÅsa 日本,🙂\n".encode(), [2], [["Åsa 日本", "🙂"]]),
    (b"a,b\n 1 , 2\n", [2], [[" 1 ", " 2"]]),
    (b'a,b\n"x\ry",2\n', [2], [["x\ry", "2"]]),
])
def test_what_a_spreadsheet_or_a_database_may_send_is_read(tmp_path, content, lines, rows):
    header, found_lines, found, faults = read(put(tmp_path, content))
    assert header == Header(("a", "b"), ",")
    assert (found_lines, found, faults) == (lines, rows, [])


@pytest.mark.parametrize("mark", csvfile.SEPARATORS)
def test_the_separator_is_detected(tmp_path, mark):
    header, _, rows, _ = read(put(tmp_path, f"a{mark}b{mark}c\n1{mark}2,5{mark}3\n".replace("2,5", "2.5" if mark == "," else "2,5").encode()))
    assert header == Header(("a", "b", "c"), mark)
    assert len(rows) == 1 and len(rows[0]) == 3


@pytest.mark.parametrize("first, expected, separator, names", [
    ("a;b", (), None, ("a", "b")),
    ('"a;x;y;z",b', (), None, ("a;x;y;z", "b")),
    ("a;b,c", ("a", "b,c"), None, ("a", "b,c")),
    ("a;b,c", ("a;b", "c"), None, ("a;b", "c")),
    ("x,y;z", ("x,y", "z"), None, ("x,y", "z")),
    ("a;b,c,d", (), ";", ("a", "b,c,d")),
    ("a|b", (), "|", ("a", "b")),
    ("alone", (), None, ("alone",)),
])
def test_the_names_decide_the_separator_where_there_is_a_choice(tmp_path, first, expected, separator, names):
    assert csvfile.read_header(put(tmp_path, f"{first}\n1\n".encode()), separator, expected).names == names


def test_a_header_name_may_have_a_line_break_in_quotes(tmp_path):
    header, lines, rows, faults = read(put(tmp_path, b'"a\nb",c\n1,2\n'))
    assert header.names == ("a\nb", "c")
    assert (lines, rows, faults) == ([3], [["1", "2"]], [])


@pytest.mark.parametrize("content, message", [
    (b"", " is empty: no header line."),
    (b"\xef\xbb\xbf", " is empty: no header line."),
    (b"  \n", " is empty: no header line."),
    (b"a,b\n1,\0\n", ", line 2: has a NUL byte. Is it a CSV file, in UTF-8?"),
    ("a,b\n1,2\n".encode("utf-16"), ", line 1: has a NUL byte. Is it a CSV file, in UTF-8?"),
    (b"a,b\n1,2\n1,\xe9t\xe9\n", ", line 3: not UTF-8 (byte 0xe9). Save the file as UTF-8."),
    (b"a,b\n1,\xed\xa0\x80\n", ", line 2: not UTF-8 (byte 0xed). Save the file as UTF-8."),
    (b"a,b\n1,\xc3", ", line 2: not UTF-8 (byte 0xc3). Save the file as UTF-8."),
    (b"a,b,a\n1,2,3\n", ": the header has 'a' more than once. Each column needs a name of its own."),
    (b"a,b,a,b\n", ": the header has 'a', 'b' more than once. Each column needs a name of its own."),
    (b"a,,c\n1,2,3\n", ": column 2 of the header has no name."),
    (b"a,b,\n1,2,3\n", ": column 3 of the header has no name."),
    (b"a, ,c\n1,2,3\n", ": column 2 of the header has no name."),
    (b'a,b\n1,"x\n2,3\n', ", line 3: a quote that is opened and never closed."),
    (b'a,b\n1,"x', ", line 2: a quote that is opened and never closed."),
    (b'a,b\n1,"' + b"x\n" * 100_000, ", line "),
    (b'a,"b\n', ", line 1: a quote that is opened and never closed."),
    (b'a,b\n"x"y,2\n', ", line 2: ',' expected after '\"'."),
])
def test_what_must_not_pass_is_told_with_file_and_line(tmp_path, content, message):
    path = put(tmp_path, content)
    with pytest.raises(UserError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}{message}")


def test_a_quote_that_is_never_closed_in_a_long_file_is_called_so(tmp_path):
    with pytest.raises(UserError, match=": a quote that is opened and never closed."):
        read(put(tmp_path, b'a,b\n1,"' + b"x\n" * 100_000))


@pytest.mark.parametrize("content", [b"a,b\r1,2\r3,4\r", b"a,b\n1,2\r3,4\r\n"], ids=["throughout", "in a row"])
def test_line_ends_of_an_old_mac_are_a_clear_error(tmp_path, content):
    path = put(tmp_path, content)
    with pytest.raises(UserError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}, line ")
    assert "newline" in str(error.value) or "line end" in str(error.value)


@pytest.mark.parametrize("bytes_", [200_000, 6_000_000])
@pytest.mark.parametrize("unit", [b"x", b"x,"], ids=["one field", "many fields"])
def test_a_single_huge_line_is_a_clear_error(tmp_path, bytes_, unit):
    path = put(tmp_path, unit * (bytes_ // len(unit)))
    with pytest.raises(UserError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}")
    assert len(str(error.value)) < 1000 + len(str(path))


def test_a_line_too_long_for_a_header_is_called_so(tmp_path):
    path = put(tmp_path, b"x" * 6_000_000)
    with pytest.raises(UserError) as error:
        csvfile.read_header(path)
    assert str(error.value) == f"{path}: its first line has 6,000,000 bytes; that is no header. Is it a CSV file?"


def test_a_long_text_in_a_row_is_read_or_called_by_its_name(tmp_path):
    """A field of 200 kB without any quote must not be told as an open quote."""
    path = put(tmp_path, b"a,b\n1," + b"x" * 200_000 + b"\n")
    try:
        rows = read(path)[2]
    except UserError as error:
        assert "quote" not in str(error)
    else:
        assert rows == [["1", "x" * 200_000]]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError) as error:
        csvfile.read_header(tmp_path / "rows.csv")
    assert str(error.value) == f"{tmp_path}/rows.csv is not there."


def test_a_folder_is_named_as_one(tmp_path):
    with pytest.raises(UserError) as error:
        csvfile.read_header(tmp_path)
    assert str(error.value) == f"{tmp_path} is a folder, not a CSV file."


def test_ragged_rows_are_faults_with_their_line_and_the_others_are_kept(tmp_path):
    _, lines, rows, faults = read(put(tmp_path, b"a,b\n1,2\n1,2,3\n\n7\n3,4\n"))
    assert (lines, rows) == ([2, 6], [["1", "2"], ["3", "4"]])
    assert faults == [Fault(3, "", "1,2,3", "has 3 fields, the header has 2"), Fault(5, "", "7", "has 1 fields, the header has 2")]
    assert [str(fault) for fault in faults] == ["line 3: has 3 fields, the header has 2", "line 5: has 1 fields, the header has 2"]


@pytest.mark.parametrize("fault, words", [
    (Fault(3, "age", "x", "is wrong"), "line 3, age: is wrong"), (Fault(0, "age", "", "is wrong"), "age: is wrong"), (Fault(0, "", "", "is wrong"), "is wrong"),
])
def test_a_fault_in_words_says_where_it_is(fault, words):
    assert str(fault) == words


def test_a_header_alone_gives_no_chunk(tmp_path):
    path = put(tmp_path, b"a,b\n")
    assert list(csvfile.chunks(path, csvfile.read_header(path))) == []


@pytest.mark.parametrize("size", [1, 2, 3, 7, 25, 26, 1000])
def test_chunks_of_any_size_give_the_same_rows(tmp_path, size):
    content = "a,b\n" + "".join(f'{i},"x\n{i}"\n' if i % 3 else f"{i}\n" if i % 2 else f"{i},\n" for i in range(25))
    path = put(tmp_path, content.encode())
    assert read(path, size) == read(path, 10_000)
    assert len(read(path, size)[2]) + len(read(path, size)[3]) == 25


def test_a_full_chunk_is_given_before_the_rest_of_the_file_is_read(tmp_path):
    path = put(tmp_path, b"a,b\n1,2\n3,4\n1,\0\n")
    found = csvfile.chunks(path, csvfile.read_header(path), 2)
    assert next(found) == Chunk([2, 3], [["1", "2"], ["3", "4"]], [])
    with pytest.raises(UserError, match="line 4"):
        next(found)


def test_the_key_of_a_row_never_changes():
    """Where it does, every split and every known row of every user changes with it."""
    assert csvfile.key(b"1,2") == 0xae880ac53ce9c3f5
    assert csvfile.key(b"") == 0xe4a6a0577479b2b4
