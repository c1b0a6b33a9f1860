"""The bytes of a CSV log as arrays: where its rows and fields lie, and what stands in them; quotes, and line ends within them, as csv has them."""
import csv
import functools
import hashlib
import sys
from pathlib import Path

import numpy as np

BLOCK = 4 << 20  # bytes of a log read at a time
LONGEST_ROW = 1 << 24  # bytes; a longer one is a quote that was never closed
LONGEST_FIELD = 200  # lines
WIDEST = 48  # bytes of a field hashed the fast way; longer ones one by one
CUT = np.array([(1 << 8 * kept) - 1 for kept in range(9)], "u8")  # the first bytes of a word
ZEROS, HIGH, SIX = (np.uint64(int(byte * 8, 16)) for byte in ("30", "F0", "06"))  # of eight ASCII digits
HEADS = np.frombuffer(b"0.\0\0\0\0\0\0001.\0\0\0\0\0\0", "<u8")
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio (Knuth 1973, 6.4)


def read(path: Path, begin: int, end: int):
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
    if lost:  # none: a row that is only long
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
    quotes = np.flatnonzero(raw == ord('"')) if (raw == ord('"')).any() else ()
    return ends[np.searchsorted(quotes, ends) % 2 == 0] if len(quotes) else ends


def fields(block: bytes, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the first `count` fields of each row begin and end, shapes (rows, count), and which rows have quotes in them.

    A row with fewer fields, which no command of ours writes, is left out.
    """
    raw = np.frombuffer(block, np.uint8)
    ends = line_ends(raw)
    starts = np.concatenate([[0], ends[:-1] + 1])
    marks = np.flatnonzero((raw == ord(",")) | (raw == ord("\n")))
    first = np.concatenate([[0], np.flatnonzero(raw[marks] == ord("\n"))[:-1] + 1]) if b'"' not in block else np.searchsorted(marks, starts)
    stops = marks[np.minimum(first[:, None] + np.arange(count), len(marks) - 1)]
    begins = np.column_stack([starts, stops[:, :-1] + 1])
    quotes = np.flatnonzero(raw == ord('"')) if b'"' in block else ()
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


def words_of(block: bytes, begins: np.ndarray, lengths: np.ndarray, width: int) -> np.ndarray:
    """The same as `texts`, eight bytes at a time, shape (rows, width / 8): a word begins at any byte, and what lies beyond its field is cut off."""
    padded = block + b"\0" * (width + 8)
    everywhere = np.ndarray((len(padded) - 7,), "<u8", padded, strides=(1,))
    found = np.empty((len(begins), width // 8), "u8")
    for i in range(width // 8):
        found[:, i] = everywhere[begins + 8 * i] & CUT[np.clip(lengths - 8 * i, 0, 8)]
    return found


def hashes(block: bytes, begins: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """64 bits for each field's bytes, shape (rows,)."""
    lengths = stops - begins
    width = int(min(max(8, -(-int(lengths.max(initial=0)) // 8) * 8), WIDEST))
    words = words_of(block, begins, lengths, width)
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
    lengths = np.minimum(stops - begins, 13)
    words = words_of(block, begins, lengths, 16)
    starts = run_starts(words)
    _, first, place = np.unique(mix(words[starts], lengths[starts]), return_index=True, return_inverse=True)
    found = [hour_of(block[begins[row]:begins[row] + lengths[row]].decode("ascii", "replace")) for row in starts[first].tolist()]
    return np.repeat(np.array(found, np.int32)[place], np.diff(np.append(starts, len(words))))


def distinct(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """np.unique with the place of each value in it; rows of a log come in runs of the same, so most need no sorting."""
    starts = run_starts(values)
    kinds, place = np.unique(values[starts], return_inverse=True)
    return kinds, np.repeat(place, np.diff(np.append(starts, len(values))))


def run_starts(rows: np.ndarray) -> np.ndarray:
    """Where each run of equal rows begins; rows: shape (rows,) or (rows, words)."""
    other = rows[1:] != rows[:-1]
    return np.append(0, np.flatnonzero(other.any(axis=1) if other.ndim > 1 else other) + 1)[:len(rows)]


END = int(np.datetime64("10000", "h").astype("int64"))  # the first hour whose year has five digits, which no date of Python's has


@functools.lru_cache(4096)
def hour_of(text: str) -> int:
    try:
        moment = np.datetime64(text[:13], "h")
    except ValueError:
        return 0
    hour = 0 if np.isnat(moment) else int(moment.astype("int64"))
    return hour if 0 <= hour < END else 0


@functools.lru_cache(4096)
def name_of_hour(hour: int) -> str:
    return str(np.datetime64(int(hour), "h"))


def versions(block: bytes, begins: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Whole numbers; 0 for what no command of ours wrote."""
    kinds, place = distinct(words_of(block, begins, np.minimum(stops - begins, 8), 8)[:, 0])
    found = floats(np.where(kinds == 0, b"nan", kinds.view("S8")))
    return np.where((found > 0) & (found < 1 << 31), found, 0)[place].astype("i4")


def values(block: bytes, begins: np.ndarray, stops: np.ndarray, numeric: bool) -> np.ndarray:
    """What is compared later: the hash of a class name, or the bits of a float64 (NaN where the text is no number)."""
    if not numeric:
        return hashes(block, begins, stops)
    cells = texts(block, begins, stops, 32).view("S32").ravel()
    return floats(cells).view("u8")


def chances(block: bytes, begins: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Numbers from 0 to 1 as they are most often written, 0.8718683395375997, to sixteen places; others, and none, by `floats`."""
    lengths = stops - begins
    words = words_of(block, begins + 2, np.clip(lengths - 2, 0, 16), 16)
    heads = words_of(block, begins, np.clip(lengths, 0, 2), 8)[:, 0]
    digits = (words[:, 0] | ZEROS & ~CUT[np.clip(lengths - 2, 0, 8)], words[:, 1] | ZEROS & ~CUT[np.clip(lengths - 10, 0, 8)])
    usual = (lengths > 2) & ((heads == HEADS[0]) | (heads == HEADS[1]))
    for word in digits:
        usual &= (word & HIGH == ZEROS) & ((word + SIX) & HIGH == ZEROS)
    found = (heads & np.uint64(1)) + eight_digits(digits[0]) / 1e8 + eight_digits(digits[1]) / 1e16
    rest = np.flatnonzero(~usual)
    if len(rest):
        cells = texts(block, begins[rest], stops[rest], 24).view("S24").ravel()
        found[rest] = floats(np.where(cells == b"", b"nan", cells))
    return found


def eight_digits(words: np.ndarray) -> np.ndarray:
    """The whole number that eight ASCII digits write, as float64: neighbours are joined, then pairs, then fours."""
    words = (words & np.uint64(0x0F0F0F0F0F0F0F0F)) * np.uint64(10 << 8 | 1) >> np.uint64(8)
    words = (words & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(100 << 16 | 1) >> np.uint64(16)
    return ((words & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(10_000 << 32 | 1) >> np.uint64(32)).astype(float)


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
