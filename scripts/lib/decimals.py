"""Numbers from their texts, many at a time: the bits that float() gives, ten times faster where they are written as -12.345678."""
import numpy as np

from lib.logfields import CUT, HIGH, SIX, ZEROS, as_float, eight_digits

STEP = 8192  # fields at a time: their arrays stay in the cache
PAD = 32  # bytes behind the block: the words that belong to its last field are looked up there
DOTS, ONES, TOPS = (np.uint64(int(byte * 8, 16)) for byte in ("2E", "01", "80"))
SPLIT = float((1 << 27) + 1)  # cuts a float64 into two of 26 bits (Dekker 1971)
DOUBT = 1e-23  # more than `longer` may be off before it rounds


def numbers(block: bytes, begins: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """float() of each field, shape (fields,); NaN where it is no number."""
    words = np.ndarray((len(block) + PAD - 7,), "<u8", block + b"\0" * PAD, strides=(1,))  # the eight bytes from each byte on
    found = np.empty(len(begins))
    for at in range(0, len(begins), STEP):
        part = slice(at, at + STEP)
        found[part], usual = at_once(words, begins[part], stops[part])
        rest = at + np.flatnonzero(~usual)
        found[rest] = one_by_one([block[begin:stop] for begin, stop in zip(begins[rest].tolist(), stops[rest].tolist())])
    return found


def at_once(words: np.ndarray, begins: np.ndarray, stops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers, and which of them are right: those of up to seven digits, then up to 24 after the point, and NaN for an empty field.

    What is written otherwise, and the few whose last bit is in doubt, are not.
    """
    heads = words[begins]
    negative = heads & np.uint64(0xFF) == ord("-")
    lengths = stops - begins - negative
    inside = CUT[np.clip(lengths, 0, 8)]
    heads = heads >> (negative * np.uint64(8)) & inside | DOTS & ~inside  # a whole number ends as if a point followed
    marks = heads ^ DOTS
    marks = (marks - ONES) & ~marks & TOPS  # the lowest bit is the first point's (Mycroft 1987)
    before = np.bitwise_count(((marks & -marks) >> np.uint64(7)) - np.uint64(1))  # bits of the digits in front of it
    decimals = lengths - (before >> 3) - 1
    points = stops - decimals
    whole, usual = digits(heads << (64 - before) | ZEROS >> before, 8)
    first, fine = digits(words[points], decimals)
    usual &= fine & (before < 64) & (lengths > (decimals >= 0)) & (decimals <= 24)
    whole = whole * 1e8 + first
    found = whole / 1e8  # below 2**53 over a power of ten: rounded once, as float() does
    long = np.flatnonzero(usual & (decimals > 8))
    if len(long):
        found[long], usual[long] = longer(whole[long], words, points[long], decimals[long])
    np.negative(found, out=found, where=negative)
    empty = stops == begins
    found[empty] = np.nan
    return found, usual | empty


def one_by_one(cells: list[bytes]) -> np.ndarray:
    try:
        return np.fromiter(map(float, cells), float, len(cells))
    except ValueError:
        return np.array([as_float(cell.decode("utf-8", "replace")) for cell in cells])


def digits(words: np.ndarray, count) -> tuple[np.ndarray, np.ndarray]:
    """The number that the first `count` bytes of each word write, as if zeros followed up to eight; and whether they are digits."""
    kept = CUT[np.clip(count, 0, 8)]
    words = words & kept | ZEROS & ~kept
    return eight_digits(words), (words & HIGH == ZEROS) & ((words + SIX) & HIGH == ZEROS)


def longer(whole: np.ndarray, words: np.ndarray, points: np.ndarray, decimals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """whole / 1e8 and the decimals from the ninth on, added as pairs of float64 (Dekker 1971); and whether the rounding is certain."""
    second, fine = digits(words[points + 8], decimals - 8)
    third, good = digits(words[points + 16], decimals - 16)
    near = whole / 1e8
    high = near * SPLIT
    high -= high - near
    tail = (whole - high * 1e8 - (near - high) * 1e8) / 1e8 + (second * 1e8 + third) / 1e24
    found = near + tail
    left = tail - (found - near)
    return found, fine & good & (found + (left + DOUBT) == found) & (found + (left - DOUBT) == found)
