"""CSV rows some at a time, read by pandas where they are plain and row by row where they are not: the same values and faults.

A stretch of lines is plain if it has no quotes, NUL bytes or carriage returns of its own, is UTF-8, and each line has as many
fields as the header. Then a field is what stands between two separators, and a row can be written again by copying its bytes.
Whatever pandas does not take as it stands goes to `csvfile` and `validation`, which know the words for what is wrong with it.
"""
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lib import csvfile, validation
from lib.config import Column
from lib.csvfile import Header

FIRST = 1 << 20  # bytes read before the length of a line is known
LONGEST = 1 << 24  # bytes in which a row must end, or the strict reader is asked what is wrong


@dataclass(frozen=True)
class Block:
    """Plain rows as bytes, and where each begins and ends, shape (rows,), with its commas between, shape (rows, columns - 1)."""

    text: bytes
    starts: np.ndarray
    commas: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.ends)

    def begins(self, place: int, rows: int | slice = slice(None)) -> np.ndarray:
        """Where the field of that column begins in each of those rows."""
        return self.commas[rows, place - 1] + 1 if place else self.starts[rows]

    def stops(self, place: int, rows: int | slice = slice(None)) -> np.ndarray:
        return self.commas[rows, place] if place < self.commas.shape[1] else self.ends[rows]

    def joined(self, places: list[int | None]) -> list[str]:
        """Some fields of each row as CSV, without a line end; None: an empty field. Neighbours are copied as one piece."""
        ascii_text = self.text.decode() if self.text.isascii() else None  # decoded once: there a character is a byte
        pieces = []
        for first, last in neighbours(places):
            if first is None:
                pieces.append([""] * len(self))
                continue
            if first == 0 and last == self.commas.shape[1]:  # whole rows, which split at once
                pieces.append((ascii_text or self.text.decode()).split("\n")[:-1])
                continue
            bounds = zip(self.begins(first).tolist(), self.stops(last).tolist())
            pieces.append([ascii_text[a:b] for a, b in bounds] if ascii_text is not None else [self.text[a:b].decode() for a, b in bounds])
        return pieces[0] if len(pieces) == 1 else list(map(",".join, zip(*pieces)))


def neighbours(places: list[int | None]) -> list[tuple[int | None, int | None]]:
    """(first, last) of each stretch of neighbouring columns."""
    found: list[tuple[int | None, int | None]] = []
    for place in places:
        if found and place is not None and found[-1][1] is not None and place == found[-1][1] + 1:
            found[-1] = found[-1][0], place
        else:
            found.append((place, place))
    return found


def chunks(path: Path, header: Header, rules: validation.Rules) -> Iterator[tuple[Block | csvfile.Chunk, pd.DataFrame, list[csvfile.Fault]]]:
    """The rows after the header, typed by the rules, and the faults in them; memory does not grow with the file."""
    for stretch, block in stretches(path):
        if not stretch[0]:
            block = block[block.find(b"\n") + 1:]  # the header
        plain = split(block, header) if header.separator == "," and block else None
        frame = typed(plain, header, rules) if plain else None
        if frame is not None:
            rules.rows += len(plain)
            yield plain, frame, []
            continue
        for chunk in csvfile.chunks(path, header, stretch=stretch):
            yield chunk, *rules.check(header, chunk)


def stretches(path: Path) -> Iterator[tuple[tuple[int, int | None, int], bytes]]:
    """Whole lines as `csvfile.chunks` names them, with their bytes. From the first quote on it is all one stretch, without its bytes:
    where a row ends is then for the strict reader to say.
    """
    size, pending, begin, line = FIRST, b"", 0, 0
    with open(path, "rb") as file:
        while True:
            piece = file.read(size)
            pending += piece
            cut = pending.rfind(b"\n") + 1 if piece else len(pending)
            if b'"' in piece or len(pending) - cut > LONGEST:
                yield (begin, None, line), b""
                return
            block, pending = pending[:cut], pending[cut:]
            if block:
                count = newlines(block)
                yield (begin, begin + len(block), line), block
                begin, line = begin + len(block), line + count
                size = min(max(csvfile.CHUNK * len(block) // max(count, 1), FIRST // 4), LONGEST)
            if not piece:
                return


def split(block: bytes, header: Header) -> Block | None:
    """The block's fields, if it is plain."""
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")
    if not block.endswith(b"\n"):
        block += b"\n"
    if b"\0" in block or b"\r" in block or block.startswith(b"\xef\xbb\xbf") or not is_utf8(block):
        return None
    raw = np.frombuffer(block, np.uint8)
    marks, width = np.flatnonzero((raw == ord(",")) | (raw == ord("\n"))), len(header.names)
    if len(marks) % width:
        return None
    marks = marks.reshape(-1, width)
    ends = marks[:, -1]
    starts = np.append(0, ends[:-1] + 1)
    if (raw[ends] != ord("\n")).any() or newlines(block) != len(ends) or (starts == ends).any():
        return None
    return Block(block, starts, marks[:, :-1], ends)


def newlines(block: bytes) -> int:
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord("\n")))  # a quarter of what block.count takes


def is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def typed(plain: Block, header: Header, rules: validation.Rules) -> pd.DataFrame | None:
    """The columns of the rules, the same as `rules.check` gives; None where it should look for itself."""
    names = list(rules.columns)
    numeric = [name for name in names if rules.columns[name].type in ("number", "integer")]
    words = {header.names.index(name): sorted(validation.missing_words(rules.columns[name].type)) for name in numeric}
    kinds = {header.names.index(name): "float64" if name in numeric else object for name in names}
    try:
        frame = pd.read_csv(io.BytesIO(plain.text), header=None, index_col=False, names=range(len(header.names)), usecols=list(kinds), dtype=kinds, keep_default_na=False,
                            na_values=words, quoting=csv.QUOTE_NONE, low_memory=False, encoding="utf-8")
    except ValueError:
        return None
    if len(frame) != len(plain):
        return None
    made = {}
    for name in names:
        place = header.names.index(name)
        made[name] = number(frame[place], plain, place, rules.columns[name]) if name in numeric else other(frame[place], rules.columns[name])
        if made[name] is None or name in rules.seen:
            return None
    return pd.DataFrame(made, copy=False)


def number(values: pd.Series, plain: Block, place: int, column: Column) -> pd.Series | None:
    array = values.to_numpy()
    missing = np.isnan(array)
    if np.isinf(array).any() or missing.any() and column.nullable == 0 or not literal(missing, plain, place):
        return None
    with np.errstate(invalid="ignore"):
        if column.type == "integer" and (array[~missing] != np.floor(array[~missing])).any() or validation.out_of_range(array, column):
            return None
    return validation.as_series(array, missing, column)


def literal(missing: np.ndarray, plain: Block, place: int) -> bool:
    """Whether it was numbers that pandas read: a column of True and False comes as 1 and 0 too."""
    first = missing.argmin()
    if missing[first]:
        return True
    try:
        float(plain.text[plain.begins(place, first):plain.stops(place, first)])
    except ValueError:
        return False
    return True


def other(values: pd.Series, column: Column) -> pd.Series | None:
    codes, kinds = pd.factorize(values)  # each value once: most columns repeat theirs
    texts, words = kinds.tolist(), validation.missing_words(column.type)
    missing = np.fromiter((text in words for text in texts), bool, len(texts))
    converted, bad = validation.convert(texts, missing, column)
    allowed = set(column.values) if column.values is not None else None
    if bad or missing.any() and column.nullable == 0 or allowed is not None and any(text not in allowed for text, none in zip(texts, missing) if not none):
        return None
    return validation.as_series(converted, missing, column).take(codes).reset_index(drop=True)
