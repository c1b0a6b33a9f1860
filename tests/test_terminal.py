"""Columns line up, and figures are short and true."""
import pytest

from lib import terminal
from lib.terminal import Cell, Column


def test_columns_line_up_and_a_short_row_ends_in_free_text():
    lines = terminal.table([Column("model"), Column("rows", right=True), Column("note")], [["a", "7", Cell("x", "red")], ["longer", "1,000", "y"], ["b", "nothing yet, and a long story"]])
    assert lines == ["model    rows  note", "a           7  x", "longer  1,000  y", "b       nothing yet, and a long story"]


@pytest.mark.parametrize("value, text", [(0.97271, "0.973"), (1.0, "1.000"), (0.0, "0.000"), (0.00012, "0.00012"), (48.0045, "48.00"), (123.456, "123.5"), (12345.6, "12,346"), (-0.5, "-0.500")])
def test_a_metric_is_short(value, text):
    assert terminal.number(value) == text


@pytest.mark.parametrize("seconds, text", [(-3, "0s"), (59, "59s"), (60, "1m"), (7199, "1h"), (86400, "1d"), (9 * 86400, "9d")])
def test_a_span_is_shorter(seconds, text):
    assert terminal.span(seconds) == text
