"""Numbers from a log's bytes: the bits that float() gives, whatever is written there."""
import math
from fractions import Fraction

import numpy as np
import pytest

from lib import decimals


def placed(texts: list[str], separator: bytes = b",") -> tuple[bytes, np.ndarray, np.ndarray]:
    cells = [text.encode() for text in texts]
    lengths = np.array([len(cell) for cell in cells])
    stops = np.cumsum(lengths + len(separator)) - len(separator)
    return separator.join(cells), stops - lengths, stops


def as_float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def halfway(rng) -> list[str]:
    """Numbers that lie between two float64, and hairs beside, to many places."""
    found = []
    for _ in range(300):
        value = rng.random() * 10.0 ** rng.integers(-3, 4)
        middle = Fraction(value) + Fraction(math.ulp(value)) / 2
        for places in (15, 17, 20, 24):
            scaled = round(middle * 10**places)
            found += [f"{(scaled + hair) // 10**places}.{(scaled + hair) % 10**places:0{places}d}" for hair in (-1, 0, 1)]
    return found


def written(rng) -> dict[str, list[str]]:
    normal, letters = rng.normal(size=1000).tolist(), list("0123456789.-+e_ ")
    return {
        "all digits": [repr(x) for x in normal], "two places": [f"{1e4 * x:.2f}" for x in normal], "22 places": [f"{x:.22f}" for x in normal], "30 places": [f"{x:.30f}" for x in normal],
        "whole": [str(int(1e6 * x)) for x in normal], "large": [str(int(1e17 * x)) for x in normal], "every size": [repr(10.0**x) for x in rng.uniform(-30, 30, 1000).tolist()],
        "gaps": ["" if x > 0 else f"{x:.3f}" for x in normal], "halfway": halfway(rng), "junk": ["".join(rng.choice(letters, rng.integers(0, 9))) for _ in range(3000)],
        "odd": ["", "-", ".", "-.", "5.", ".5", "-.5", "+1", "1e5", "1E-3", "nan", "inf", "-Infinity", "NA", " 2.5 ", "1_000", "١٢", "é", "-0", "-0.0", "0" * 30, "9" * 400, "0.5" + "0" * 24 + "x", "1,5".replace(",", ";"),
                "1234567.12345678", "12345678.5", "-1234567.5", "0.000000000000000000000001", "1.7976931348623157e308", "5e-324", "\0", "1\0", "2026-01-01"],
    }


@pytest.mark.parametrize("separator", [b",", b"\n", b""])
@pytest.mark.parametrize("kind", list(written(np.random.default_rng(0))))
def test_each_number_has_the_bits_that_float_gives(kind, separator):
    texts = written(np.random.default_rng(1))[kind]
    found, wanted = decimals.numbers(*placed(texts, separator)), np.array([as_float(text) for text in texts])
    wrong = [(text, a, b) for text, a, b in zip(texts, found.tolist(), wanted.tolist()) if not (math.isnan(a) and math.isnan(b)) and a.hex() != b.hex()]
    assert wrong == []


@pytest.mark.parametrize("kind", ["all digits", "two places", "22 places", "whole", "gaps"])
def test_what_is_usual_is_read_at_once(kind):
    """One by one, as float() reads, takes ten times as long."""
    block, begins, stops = placed(written(np.random.default_rng(2))[kind])
    words = np.ndarray((len(block) + decimals.PAD - 7,), "<u8", block + b"\0" * decimals.PAD, strides=(1,))
    assert decimals.at_once(words, begins, stops)[1].mean() > 0.99
