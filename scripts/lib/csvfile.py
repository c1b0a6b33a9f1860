"""Reading CSV strictly: what a spreadsheet, a database or a colleague may send, and what must not pass."""
import csv
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lib.errors import UserError

SEPARATORS = (",", ";", "\t", "|")
CHUNK = 50_000  # rows
SAMPLE = 1 << 20  # bytes
csv.field_size_limit(1 << 24)  # a field may be a long text; what is longer is an open quote
CSV_ERRORS = {
    "unexpected end": "a quote that is opened and never closed",
    "field larger": f"a field of more than {csv.field_size_limit():,} characters. Is a quote opened and never closed?",
    "new-line character": "a carriage return outside quotes. Save the file with the line ends of Unix or Windows",
}
MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"})  # for category and text only the empty field is missing
TRUE = frozenset({"true", "t", "yes", "y", "1"})
FALSE = frozenset({"false", "f", "no", "n", "0"})
MARK = b"\xef\xbb\xbf"  # a byte order mark, as Excel writes it
POINTER = b"version https://git-lfs.github.com/spec/"
NAMED = 20  # columns in a message; a file may have thousands
LONGEST_NAME = 1000  # characters of a column's name
LONGEST_HEADER = 1 << 22  # bytes; beyond it the file is no table with a header


@dataclass(frozen=True)
class Header:
    names: tuple[str, ...]
    separator: str


@dataclass(frozen=True)
class Fault:
    line: int  # in the file, from 1; 0: the file as a whole
    column: str
    value: str
    reason: str

    def __str__(self) -> str:
        where = ", ".join(part for part in (f"line {self.line}" if self.line else "", self.column) if part)
        return f"{where}: {self.reason}" if where else self.reason


@dataclass(frozen=True)
class Chunk:
    lines: list[int]  # the line of the file where each row ends
    rows: list[list[str]]  # each as wide as the header
    faults: list[Fault]  # rows that are not: left out above

    def __len__(self) -> int:
        return len(self.rows)

    def joined(self, places: list[int | None]) -> list[str]:
        """Some fields of each row as CSV, without a line end; None: an empty field."""
        return [line[1:-1] for line in lines(["", *("" if place is None else row[place] for place in places)] for row in self.rows)]  # "" alone would be quoted


WHOLE = (0, None, 0)  # a stretch of a file: (begin, end, lines before it), in bytes; all of it


def missing_words(kind: str) -> frozenset[str]:
    """The fields that say nothing, in a column of this type."""
    return frozenset({""}) if kind in ("category", "text") else MISSING


def text_lines(path: Path, stretch: tuple[int, int | None, int] = WHOLE) -> Iterator[str]:
    """The file's lines as text; UserError names the line that is not UTF-8 or has a NUL byte."""
    position, end, before = stretch
    try:
        with open(path, "rb") as file:
            if position:
                file.seek(position)
            else:
                refuse_header(path, file)
            for number, raw in enumerate(file, start=before + 1):
                position += len(raw)
                if number == 1:
                    raw = raw.removeprefix(MARK)
                if b"\0" in raw:
                    raise UserError(f"{path}, line {number}: has a NUL byte. Is it a CSV file, in UTF-8?")
                try:
                    yield raw.decode("utf-8")
                except UnicodeDecodeError as error:
                    raise UserError(f"{path}, line {number}: not UTF-8 (byte 0x{raw[error.start]:02x}). Save the file as UTF-8.") from None
                if position == end:
                    return
    except FileNotFoundError:
        raise UserError(f"{path} is not there.") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder, not a CSV file.") from None
    except PermissionError:
        raise UserError(f"{path} can't be read: permission denied.") from None


def refuse_header(path: Path, file: BinaryIO) -> None:
    """UserError if the file's first line can't be a header; it is read no further than that takes."""
    first = file.readline(LONGEST_HEADER + 1).removeprefix(MARK)
    if len(first) > LONGEST_HEADER:
        size = len(first)
        while not first.endswith(b"\n") and (first := file.readline(LONGEST_HEADER)):
            size += len(first)
        raise UserError(f"{path}: its first line has {size:,} bytes; that is no header. Is it a CSV file?")
    if first.startswith(POINTER):
        raise UserError(f"{path} is a Git LFS pointer, not the file. Run: git lfs pull")
    file.seek(0)


def estimated_rows(path: Path) -> int:
    """How many rows the file has, about, from the length of its first ones: for progress only."""
    with open(path, "rb") as file:
        begin = file.read(SAMPLE)
    lines = begin.count(b"\n")
    return max(path.stat().st_size * lines // max(len(begin), 1) - 1, 1)


def read_header(path: Path, separator: str | None = None, expected: tuple[str, ...] = ()) -> Header:
    """The column names, and the separator: the one named, if it finds any expected name; else the one that finds most of them, else most names."""
    first = next(text_lines(path), "")
    if not first.strip():
        raise UserError(f"{path} is empty: no header line.")
    if separator is None or expected and not set(expected) & set(split(first, separator)):
        separator = max(SEPARATORS, key=lambda mark: (len(set(expected) & set(split(first, mark))), len(split(first, mark))))
    names = tuple(next(rows_of(path, separator))[1])
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise UserError(f"{path}: the header has {', '.join(map(repr, twice))} more than once. Each column needs a name of its own.")
    longest = max(map(len, names), default=0)
    if longest > LONGEST_NAME:
        raise UserError(f"{path}: the header has a name of {longest:,} characters. Is it a CSV file with a header?")
    if any(not name.strip() for name in names):
        raise UserError(f"{path}: column {[bool(n.strip()) for n in names].index(False) + 1} of the header has no name.")
    return Header(names, separator)


def listed(names, written=repr) -> str:
    """Column names for a message, the first of them where there are many."""
    names = list(names)
    return ", ".join(map(written, names[:NAMED])) + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")


def split(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:  # said with file and line by whoever reads the rows
        return []


def rows_of(path: Path, separator: str, stretch: tuple[int, int | None, int] = WHOLE) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line of the file where it ends; blank lines are passed over."""
    reader, before = csv.reader(text_lines(path, stretch), delimiter=separator, strict=True), stretch[2]
    try:
        for row in reader:
            if row:
                yield before + reader.line_num, row
    except csv.Error as error:
        words = next((said for part, said in CSV_ERRORS.items() if part in str(error)), str(error))
        raise UserError(f"{path}, line {before + reader.line_num}: {words}{'' if words.endswith('?') else '.'}") from None


def chunks(path: Path, header: Header, size: int = CHUNK, *, stretch: tuple[int, int | None, int] = WHOLE) -> Iterator[Chunk]:
    """The rows after the header, some at a time: memory does not grow with the file. stretch: of whole rows, only these."""
    lines, rows, faults = [], [], []
    width = len(header.names)
    reader = rows_of(path, header.separator, stretch)
    if not stretch[0]:
        next(reader)
    for line, row in reader:
        if len(row) == width:
            lines.append(line)
            rows.append(row)
        else:
            faults.append(Fault(line, "", header.separator.join(row), f"has {len(row)} fields, the header has {width}"))
        if len(rows) + len(faults) >= size:
            yield Chunk(lines, rows, faults)
            lines, rows, faults = [], [], []
    if rows or faults:
        yield Chunk(lines, rows, faults)


class Lines(list):
    """A file to csv.writer that keeps each row as a text; newline alone ends a row."""

    def write(self, line: str) -> None:
        self.append(line[:-2] + "\n")


def lines(rows) -> list[str]:
    """Each row as a line of CSV. Written with CRLF and then cut, since only then csv.writer puts a lone carriage return in quotes."""
    written = Lines()
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written


def key(content: bytes) -> int:
    """64 bits that stand for a row, the same on every machine and in every year."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")
