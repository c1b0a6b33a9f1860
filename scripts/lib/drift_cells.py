"""A column's cells, be they a log's texts or a DataFrame's values, as numbers, categories or cell numbers; nothing makes it fail."""
import numpy as np

from lib.csvfile import FALSE, TRUE, missing_words

NUMERIC = ("number", "integer")


def typed(kind: str, cells):
    """What is compared: float64 (rows,), NaN where missing, for numbers and for the length of texts; else a list of labels, None where missing.

    cells: texts as a log has them, or the values of a training column, None where missing. kind: as in [columns] of model.toml.
    """
    if kind in NUMERIC:
        return to_numbers(cells)
    labels = to_labels(cells, kind)
    if kind == "text":  # its words are beyond a check without a model
        return np.array([np.nan if label is None else len(label) for label in labels], float)
    return labels


def to_numbers(cells) -> np.ndarray:
    """NaN for what is blank, unreadable or infinite: none of these can be placed among the quantiles."""
    numbers = cells.astype(float) if isinstance(cells, np.ndarray) and cells.dtype.kind in "biuf" else parse(cells)
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers


def parse(cells) -> np.ndarray:
    try:
        return np.fromiter(map(float, cells), float, len(cells))  # most columns have no blank, and looking for one takes as long as reading
    except (TypeError, ValueError, OverflowError):
        return np.fromiter(map(as_float, cells), float, len(cells))


def as_float(cell) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return np.nan


def to_labels(cells, kind: str) -> list:
    """A label for each cell, None where it is missing."""
    words = missing_words(kind)
    cells = cells.tolist() if isinstance(cells, np.ndarray) else cells
    labels = {cell: label(cell, kind, words) for cell in set(cells)}
    return [labels[cell] for cell in cells]


def label(cell, kind: str, missing) -> str | None:
    if cell is None or cell != cell:
        return None
    text = str(cell)
    if text in missing:
        return None
    if kind == "boolean":
        word = text.strip().lower()
        return "true" if word in TRUE else "false" if word in FALSE else text
    return text


def code(column: dict, values):
    """The rows as a column's profile counts them: ordered cell numbers, or labels."""
    return place(values, np.array(column["points"])) if "points" in column else values


def place(values: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The ordered cell of each value: 2j between point j-1 and point j, 2j+1 on point j; a cell past the last for NaN."""
    left = below(points, values)
    on_point = points[np.minimum(left, len(points) - 1)] == values
    return np.where(np.isnan(values), 2 * len(points) + 1, 2 * left + on_point)


def below(points: np.ndarray, values: np.ndarray) -> np.ndarray:
    """np.searchsorted(points, values), 0 for NaN: halved for all values at once, without the branches that a processor guesses wrong."""
    size = 1 << len(points).bit_length()
    points = np.append(points, np.full(size - len(points), np.inf))
    found = np.zeros(len(values), np.intp)
    while size := size >> 1:
        found += (points[size - 1:].take(found) < values) * size
    return found


def count_cells(index: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Counts of the 2k + 1 ordered cells of k points, the missing left out."""
    cells = 2 * len(points) + 1
    return np.bincount(index, minlength=cells + 1)[:cells].astype(float)
