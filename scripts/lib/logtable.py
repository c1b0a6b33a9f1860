"""Whole lines of a log as a table: where each field lies in their bytes, and columns made of them when they are asked for."""
from pathlib import Path

import numpy as np

from lib import decimals, logfields, recent
from lib.record import Record

COMMA, NEWLINE = ord(","), ord("\n")


class Table(Record):
    """Rows of the right width; what field j of row i says is data[begins[i, j]:stops[i, j]]."""

    data: bytes
    begins: np.ndarray
    stops: np.ndarray

    def part(self, rows: np.ndarray) -> "Table":
        return self if len(rows) == len(self.begins) else Table(self.data, self.begins[rows], self.stops[rows])

    def texts(self, place: int) -> list[str]:
        cells = [self.data[begin:stop] for begin, stop in zip(self.begins[:, place].tolist(), self.stops[:, place].tolist())]
        known = {cell: cell.decode("utf-8", "replace") for cell in set(cells)}
        return [known[cell] for cell in cells]

    def numbers(self, places: list[int]) -> np.ndarray:
        """Shape (places, rows): a row of the answer for each column."""
        begins, stops = (ends.take(np.array(places, int), axis=1) for ends in (self.begins, self.stops))  # indexed, they would lie the other way
        return np.ascontiguousarray(decimals.numbers(self.data, begins.ravel(), stops.ravel()).reshape(begins.shape).T)

    def whole_numbers(self, place: int) -> np.ndarray:
        return logfields.versions(self.data, self.begins[:, place], self.stops[:, place])

    def times(self, place: int) -> np.ndarray:
        """Shape (rows,), as bytes, which sort as the times do."""
        begins = self.begins[:, place]
        return logfields.words_of(self.data, begins, self.stops[:, place] - begins, 24).view("S24").ravel()


def read(lines: bytes, width: int, path: Path) -> Table:
    """The rows that have `width` fields. UserError where the lines are no CSV."""
    raw = np.frombuffer(lines, np.uint8)
    marks = np.flatnonzero((raw == COMMA) | (raw == NEWLINE))
    plain = b'"' not in lines and b"\r" not in lines and not len(marks) % width
    if not plain or lines.count(b"\n") * width != len(marks) or (raw[marks[width - 1::width]] != NEWLINE).any():
        return spelled([row for row in recent.parsed(lines, path) if len(row) == width], width)
    begins = np.concatenate([[0], marks[:-1] + 1])[:len(marks)]
    return Table(lines, begins.reshape(-1, width), marks.reshape(-1, width))


def spelled(rows: list[list[str]], width: int) -> Table:
    """The same of rows that csv had to read."""
    cells = [cell.encode() for row in rows for cell in row]
    stops = np.cumsum([len(cell) for cell in cells], dtype=int).reshape(-1, width)
    return Table(b"".join(cells), stops - np.array([len(cell) for cell in cells], int).reshape(-1, width), stops)
