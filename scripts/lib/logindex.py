"""Append-only CSV logs read once: what was appended since last time becomes sorted arrays, which answer "what of this id?".

A log's row is kept as 24 bytes (64-bit hash of the id, hour, version, value), sorted by the hash in segments of a
bounded size. Looking up n ids costs a binary search in each segment, which touches a few pages of it, so the cost
grows with n and not with the log. The segments are a cache: without them, the logs are read again.
"""
import csv
import hashlib
import io
import os
import sys
import uuid
from pathlib import Path

import numpy as np

from lib import files

ROW = np.dtype([("key", "u8"), ("hour", "i4"), ("version", "i4"), ("value", "u8")])
KEY = 0  # the row of a segment's array that holds the keys
SEALED = 200_000  # rows; a smaller segment is merged with what comes next
BLOCK = 4 << 20  # bytes of a log read at a time
LONGEST_ROW = 1 << 24  # bytes; a longer one is a quote that was never closed
LONGEST_FIELD = 200  # lines
WIDEST = 48  # bytes of a field hashed the fast way; longer ones one by one
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio (Knuth 1973, 6.4)


def read(path: Path, begin: int, end: int, columns: int):
    """Blocks of whole lines from a stretch of a log, as (bytes, offset after them); the header is left out."""
    with open(path, "rb") as file:
        file.seek(begin)
        offset, pending, header = begin, b"", begin == 0
        while offset < end:
            piece = file.read(min(BLOCK, end - offset))
            if not piece:
                break
            offset += len(piece)
            pending += piece
            cut = last_line_end(pending)
            if len(pending) - cut > LONGEST_ROW or offset >= end and pending[cut:].endswith(b"\n"):
                cut = pending.rfind(b"\n") + 1
                block, pending = mended(path, pending[:cut]), pending[cut:]
            else:
                block, pending = pending[:cut], pending[cut:]
            if block and header:
                block, header = block[first_line_end(block):], False
            if block:
                yield block, offset - len(pending)


def mended(path: Path, block: bytes) -> bytes:
    """Lines among which a quote is opened and never closed, which no command of ours writes, without those that can't be read.

    So one line that was changed by hand does not hide all that follow it.
    """
    lines = [line + b"\n" for line in block.split(b"\n")[:-1]]
    kept, lost, number = [], 0, 0
    while number < len(lines):
        odd = [place for place in range(number, min(number + LONGEST_FIELD, len(lines))) if lines[place].count(b'"') % 2]
        stop = odd[1] if odd[:1] == [number] and len(odd) > 1 and is_row(b"".join(lines[number:odd[1] + 1])) else number
        fine = stop > number or odd[:1] != [number]
        kept += lines[number:stop + 1] if fine else []
        lost += not fine
        number = stop + 1
    print(f"warning: {path}: {lost} line(s) with a quote too many, changed by hand, are left out. Put them right, and all is counted again.", file=sys.stderr)
    return b"".join(kept)


def is_row(text: bytes) -> bool:
    """Whether the lines are one row of CSV, with its quotes where quotes belong."""
    try:
        return len(list(csv.reader(text.decode("utf-8", "replace").splitlines(keepends=True), strict=True))) == 1
    except csv.Error:
        return False


def last_line_end(block: bytes) -> int:
    """The length up to the last newline that is not inside quotes."""
    if b'"' not in block:
        return block.rfind(b"\n") + 1
    ends = line_ends(np.frombuffer(block, np.uint8))
    return int(ends[-1]) + 1 if len(ends) else 0


def first_line_end(block: bytes) -> int:
    return int(line_ends(np.frombuffer(block, np.uint8))[0]) + 1


def line_ends(raw: np.ndarray) -> np.ndarray:
    """Positions of the newlines that end a row: those with an even number of quotes before them."""
    ends = np.flatnonzero(raw == ord("\n"))
    quotes = np.flatnonzero(raw == ord('"'))
    return ends[np.searchsorted(quotes, ends) % 2 == 0] if len(quotes) else ends


def fields(block: bytes, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the first `count` fields of each row begin and end, shapes (rows, count), and which rows have quotes in them.

    A row with fewer fields, which no command of ours writes, is left out.
    """
    raw = np.frombuffer(block, np.uint8)
    ends = line_ends(raw)
    starts = np.concatenate([[0], ends[:-1] + 1])
    marks = np.flatnonzero((raw == ord(",")) | (raw == ord("\n")))
    first = np.searchsorted(marks, starts)
    stops = marks[np.minimum(first[:, None] + np.arange(count), len(marks) - 1)]
    begins = np.column_stack([starts, stops[:, :-1] + 1])
    quotes = np.flatnonzero(raw == ord('"'))
    odd = np.searchsorted(quotes, stops[:, -1]) > np.searchsorted(quotes, starts) if len(quotes) else np.zeros(len(starts), bool)
    whole = odd | (stops[:, -1] <= ends)
    return begins[whole], stops[whole], odd[whole]


def texts(block: bytes, begins: np.ndarray, stops: np.ndarray, width: int) -> np.ndarray:
    """Fields as fixed-width bytes, shape (rows,), zero-padded; longer ones are cut."""
    raw = np.frombuffer(block + b"\0" * width, np.uint8)
    place = np.arange(width)
    cells = raw[begins[:, None] + place]
    cells[place >= (stops - begins)[:, None]] = 0
    return np.ascontiguousarray(cells)


def hashes(block: bytes, begins: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """64 bits for each field's bytes, shape (rows,)."""
    lengths = stops - begins
    width = int(min(max(8, -(-int(lengths.max(initial=0)) // 8) * 8), WIDEST))
    words = texts(block, begins, stops, width).view("<u8")
    found = mix(words, lengths)
    for row in np.flatnonzero(lengths > WIDEST):
        found[row] = hash_bytes(block[begins[row]:stops[row]])
    return found


def mix(words: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Multiply-and-shift over the words; a word of zeros only counts if it lies within the field, so that width does not matter."""
    found = lengths.astype("u8") * MULTIPLIER
    for i in range(words.shape[1]):
        inside = lengths > 8 * i
        mixed = (found ^ words[:, i]) * MULTIPLIER
        found = np.where(inside, mixed ^ (mixed >> np.uint64(29)), found)
    found = (found ^ (found >> np.uint64(32))) * MULTIPLIER
    return found ^ (found >> np.uint64(29))


def hash_bytes(text: bytes) -> np.uint64:
    """The same 64 bits for one field; a long one by a cryptographic hash."""
    if len(text) > WIDEST:
        return np.uint64(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big"))
    width = max(8, -(-len(text) // 8) * 8)
    words = np.frombuffer(text.ljust(width, b"\0"), "<u8")[None, :]
    with np.errstate(over="ignore"):
        return mix(words, np.array([len(text)]))[0]


def hours(block: bytes, begins: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Hours since 1970 of times written as 2026-05-01T13:30:00Z; a date alone is its midnight, anything else is hour 0."""
    cells = texts(block, begins, stops, 13).view("S13").ravel()
    found = np.zeros(len(cells), np.int32)
    kinds, place = np.unique(cells, return_inverse=True)  # a log has few hours
    for i, text in enumerate(kinds):
        found[place == i] = hour_of(text.decode("ascii", "replace"))
    return found


def hour_of(text: str) -> int:
    try:
        moment = np.datetime64(text[:13], "h")
    except ValueError:
        return 0
    hour = 0 if np.isnat(moment) else int(moment.astype("int64"))
    return hour if 0 <= hour < 1 << 31 else 0


def name_of_hour(hour: int) -> str:
    return str(np.datetime64(int(hour), "h"))


def values(block: bytes, begins: np.ndarray, stops: np.ndarray, numeric: bool) -> np.ndarray:
    """What is compared later: the hash of a class name, or the bits of a float64 (NaN where the text is no number)."""
    if not numeric:
        return hashes(block, begins, stops)
    cells = texts(block, begins, stops, 32).view("S32").ravel()
    return floats(cells).view("u8")


def floats(cells: np.ndarray) -> np.ndarray:
    try:
        return cells.astype(float)
    except ValueError:
        return np.array([as_float(cell) for cell in cells.tolist()], float)


def as_float(cell: bytes) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan


def unquoted(block: bytes, begins: np.ndarray, stops: np.ndarray, odd: np.ndarray) -> tuple[bytes, np.ndarray, np.ndarray]:
    """The same fields with the quotes taken off: those of the rows that have some are written again behind the block."""
    if not odd.any():
        return block, begins, stops
    begins, stops, extra, end = begins.copy(), stops.copy(), [], len(block)
    ends = line_ends(np.frombuffer(block, np.uint8))
    for row in np.flatnonzero(odd):
        line = block[begins[row, 0]:ends[np.searchsorted(ends, begins[row, 0])]].decode("utf-8", "replace")
        for place, text in enumerate(next(csv.reader([line]))[:begins.shape[1]]):
            data = text.encode()
            begins[row, place], stops[row, place] = end, end + len(data)
            extra.append(data)
            end += len(data)
    return block + b"".join(extra), begins, stops


def packed(rows: np.ndarray) -> np.ndarray:
    """Rows as a file holds them: uint64, shape (3, rows). The keys lie side by side, so that a search reads a few pages of them."""
    return np.stack([rows["key"], rows["hour"].astype("u8") << np.uint64(32) | rows["version"].astype("u8"), rows["value"]])


def unpacked(array: np.ndarray) -> np.ndarray:
    rows = np.empty(array.shape[1], ROW)
    rows["key"], rows["value"] = array[KEY], array[2]
    rows["hour"], rows["version"] = array[1] >> np.uint64(32), array[1] & np.uint64(0xFFFFFFFF)
    return rows


class Segments:
    """The sorted rows of one model's predictions or labels, in files of a bounded size."""

    def __init__(self, folder: Path, names: list[str]):
        self.folder, self.names = folder, names

    def open(self, name: str) -> np.ndarray:
        """A segment, mapped: what is looked at is read. Held for as long as it is searched, so that one is in memory at a time."""
        return np.load(self.folder / name, mmap_mode="r")

    def find(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All rows with one of the keys, the earlier segments first: (place in keys, rows)."""
        places, rows = [np.empty(0, np.int64)], [np.empty(0, ROW)]
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        for name in self.names:
            array = self.open(name)
            low = np.searchsorted(array[KEY], ordered, "left")
            high = np.searchsorted(array[KEY], ordered, "right")
            counts = high - low
            hit = np.flatnonzero(counts)
            if not len(hit):
                continue
            repeated = np.repeat(hit, counts[hit])
            within = np.arange(len(repeated)) - np.repeat(np.cumsum(counts[hit]) - counts[hit], counts[hit])
            places.append(order[repeated])
            rows.append(unpacked(array[:, low[repeated] + within]))
        return np.concatenate(places), np.concatenate(rows)

    def add(self, new: np.ndarray) -> list[str]:
        """Write the rows as segments, merged with the last one if that is small; returns the names that hold now."""
        if not len(new):
            return self.names
        self.folder.mkdir(parents=True, exist_ok=True)
        kept, arrays = list(self.names), [new]
        last = self.open(kept[-1]) if kept else None
        if last is not None and last.shape[1] + len(new) <= SEALED:
            kept.pop()
            arrays.insert(0, unpacked(last))
        rows = np.concatenate(arrays)
        rows = rows[np.argsort(rows["key"], kind="stable")]  # stable: of rows with one id the later stays behind
        name = f"{uuid.uuid4().hex}.npy"
        content = io.BytesIO()  # np.save to a file itself reports no error when the disk is full
        np.save(content, packed(rows))
        files.sweep_temporaries(self.folder)
        files.write(self.folder / name, content.getbuffer())
        return [*kept, name]

    def sweep(self, names: list[str]) -> None:
        """Remove the files of segments that hold no more."""
        for path in self.folder.glob("*.npy") if self.folder.is_dir() else ():
            if path.name not in names:
                os.unlink(path)
