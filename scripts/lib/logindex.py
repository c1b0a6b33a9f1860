"""Append-only CSV logs read once: what was appended since last time becomes sorted arrays, which answer "what of this id?".

A log's row is kept as 24 bytes (64-bit hash of the id, hour, version, value), sorted by the hash in segments of a
bounded size. Looking up n ids costs a binary search in each segment, which touches a few pages of it, so the cost
grows with n and not with the log. The segments are a cache: without them, the logs are read again.
"""
import io
import mmap
import os
import re
from pathlib import Path

import numpy as np

from lib import files
from lib.errors import UserError

ROW = np.dtype([("key", "u8"), ("hour", "i4"), ("version", "i4"), ("value", "u8")])
KEY = 0  # the row of a segment's array that holds the keys
SEALED = 200_000  # rows; a smaller segment may be merged with what comes next
HEADER = re.compile(rb"\x93NUMPY\x01\0..\{'descr': '<u8', 'fortran_order': False, 'shape': \(3, (\d+)\), \} *\n", re.S)  # as np.save writes it


def in_order(keys: np.ndarray) -> np.ndarray:
    """The rows' order by key; of rows with one key the later stays behind."""
    keys = np.ascontiguousarray(keys)
    order = np.argsort(keys)
    ordered = keys[order]
    return np.argsort(keys, kind="stable") if (ordered[1:] == ordered[:-1]).any() else order  # stable takes three times as long


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
        path = self.folder / name
        with open(path, "rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""
        header = HEADER.match(content)  # which np.load takes ten times as long to understand
        if not header or len(content) - header.end() != 24 * int(header[1]):
            raise UserError(f"{path} was cut short. Remove it: the next check makes it anew from the logs.")
        return np.frombuffer(content, "<u8", offset=header.end()).reshape(3, -1)

    def find(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All rows with one of the keys, the earlier segments first: (place in keys, rows)."""
        places, rows = [np.empty(0, np.int64)], [np.empty(0, ROW)]
        if not self.names:
            return places[0], rows[0]
        order = np.argsort(keys)
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

    def add(self, new: np.ndarray) -> None:
        """Write the rows as a segment, merged with those before it that are no larger; `names` are then those that hold.

        So each row is written again a few times, and not each time that others come: segments are like the digits of a number.
        """
        if not len(new):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        kept, arrays = list(self.names), [packed(new)]
        size = len(new)
        while kept and (before := self.open(kept[-1])).shape[1] <= min(2 * size, SEALED - size):
            kept.pop()
            arrays.insert(0, before)
            size += before.shape[1]
        rows = np.concatenate(arrays, axis=1)
        name = f"{os.urandom(16).hex()}.npy"
        content = io.BytesIO()  # np.save to a file itself reports no error when the disk is full
        np.save(content, rows.take(in_order(rows[KEY]), axis=1))
        files.sweep_temporaries(self.folder)
        files.write(self.folder / name, content.getbuffer())
        self.names = [*kept, name]
